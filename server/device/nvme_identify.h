/*
 * nvme_identify.h - what a controller and a namespace say of themselves, read out of the data structures of
 * Identify. Pure: bytes in, figures out; any thread. Nothing in the bytes is trusted: what is doubtful is
 * taken at its safest.
 *
 * Sources: NVMe Base 2.0 figure 275 (Identify Controller), NVM Command Set 1.0 figures 97 (Identify
 * Namespace), 111 (I/O Command Set specific Identify Controller).
 */
#ifndef WT_DEVICE_NVME_IDENTIFY_H
#define WT_DEVICE_NVME_IDENTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NVME_IDENTIFY_BYTES 4096u

struct nvme_identity {
    char model[41], serial[21], firmware[9]; /* printable, without the padding */
    uint32_t namespace_id;
    uint64_t size_blocks;
    uint32_t block_bytes;        /* a power of two, 512 at least */
    uint32_t metadata_bytes;     /* of each block; we take only 0 */
    uint32_t transfer_bytes_max; /* MDTS; 0: the controller names no limit */
    uint32_t zeroes_bytes_max;   /* of one Write Zeroes; 0: no limit is named */
    bool volatile_cache;         /* there is one; whether it is on may not be readable */
    bool write_zeroes, deallocate;
    bool write_protected, shared; /* shared: more than one controller may reach the namespace */
    /* Written whole through a power cut: this many bytes if no multiple of the boundary (0: none) is crossed.
     * One block where the figures contradict each other. */
    uint32_t atomic_unit_bytes, atomic_boundary_bytes;
    uint32_t optimal_write_bytes, optimal_write_align_bytes; /* 0: not told */
    uint16_t retry_delay_ms_100[3]; /* CRDT1 to CRDT3, in units of 100 ms */
};

/* page_bytes: the smallest memory page of the controller (CAP.MPSMIN), in which MDTS counts; 4096 where it
 * cannot be read. command_set: the Identify of the NVM command set, or NULL. -EINVAL: block size out of
 * range, or no blocks; reason says which, one line. */
int nvme_identity_parse(struct nvme_identity *identity, const uint8_t *controller,
                        const uint8_t *name_space, const uint8_t *command_set, uint32_t page_bytes,
                        char *reason, size_t reason_bytes);

#endif
