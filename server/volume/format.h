/*
 * format.h - what is on the medium. EXPERIMENTAL: it may still change.
 *
 * All integers little-endian. Everything that is read back is checked: magic, version, uuid, checksum,
 * then every field; nothing on a medium is trusted.
 *
 *   0            1 MiB       journal_offset      metadata_offset       data_offset          size - 1 MiB
 *   | reserved   | journal ring + slack | metadata segments | groups of data blocks | superblock copy ... |
 *     superblock at 64 KiB
 *
 * The first and the last MiB never hold client data. Two superblocks: one at SUPERBLOCK_OFFSET, the copy at
 * size_bytes - VOLUME_EDGE_BYTES. An update writes the first, makes it durable, then the second; the one
 * with the higher generation and a good checksum counts. Journal space is reused only after both are
 * durable, so either copy alone opens the volume.
 */
#ifndef WT_VOLUME_FORMAT_H
#define WT_VOLUME_FORMAT_H

#include <stdint.h>

#include "proto/limits.h"

#define VOLUME_FORMAT_VERSION 2u
#define VOLUME_MAGIC          "WTVOLUME"
#define VOLUME_BLOCK_BYTES    4096u
#define VOLUME_BLOCK_SHIFT    12
#define VOLUME_EDGE_BYTES     (1ull << 20)
#define SUPERBLOCK_OFFSET     (64ull << 10)
#define VOLUME_PARTITIONS     16u /* made by this mkfs; at most VOLUME_PARTITIONS_MAX are opened */
#define VOLUME_PARTITIONS_MAX WT_SHARDS_MAX
#define VOLUME_ROOT_INO       1u

#define SUPERBLOCK_SPARSE 1u /* the image was not written in full by mkfs */

struct superblock {
    uint8_t magic[8];
    uint32_t format_version, flags;
    uint8_t uuid[16];
    uint64_t generation; /* of this superblock: higher is newer */
    uint64_t size_bytes;
    uint32_t block_bytes, partition_count;
    uint64_t journal_offset,
        journal_bytes; /* the ring; JOURNAL_BLOCK_BYTES_MAX of slack follow it */
    uint64_t metadata_offset;
    uint32_t segment_bytes, segment_count;
    uint64_t data_offset, group_bytes; /* partition_count groups; the last one may be longer */
    uint64_t data_bytes;
    uint64_t epoch; /* the newest epoch ever claimed; durable before anything is written in it */
    uint32_t clean_stop;  /* 1: the last stop wrote a checkpoint and nothing came after */
    uint32_t start_chain; /* chain field that the block at the start must carry */
    /* Where replay starts: the first journal block, in which epoch, at which place in the ring. Blocks of
     * the ring before it may be overwritten. */
    uint64_t journal_epoch, start_sequence, start_position;
    int64_t created_ns;
    uint8_t secret[32]; /* for the MAC of reopen tokens */
    uint8_t reserved[4096 - 192 - 4];
    uint32_t checksum; /* CRC32C of all before */
};
_Static_assert(sizeof(struct superblock) == 4096, "a superblock is a block");

/*
 * The journal is a ring of blocks of variable length (a multiple of VOLUME_BLOCK_BYTES), one for each
 * commit. A block at position p of length n is followed by one at p + n, or at 0 when p + n is at or past
 * journal_bytes (a block that starts inside the ring may end in the slack).
 *
 * chain is the checksum field of the block before in the same epoch (start_chain for the first). settled is
 * the highest sequence that was durable, with the data of its records, when this block was made; a valid
 * block that says settled >= n proves that block n was once whole: if it is not now, that is damage.
 * One (epoch, sequence) is never written twice with different bytes: an epoch is claimed in both
 * superblocks before its first block, and sequences only grow.
 */
#define JOURNAL_MAGIC           0x4c4e524au /* "JRNL" */
#define JOURNAL_BLOCK_BYTES_MAX (256u << 10)

struct journal_block {
    uint32_t magic, checksum; /* CRC32C of the whole block with this field zero */
    uint8_t uuid[16];
    uint64_t epoch, sequence, settled;
    uint32_t length_bytes; /* with this header, a multiple of VOLUME_BLOCK_BYTES */
    uint32_t record_bytes; /* of records that follow this header; the rest is zero */
    uint32_t chain, flags; /* flags must be zero */
};
_Static_assert(sizeof(struct journal_block) == 64, "journal_block is on the medium");

/*
 * A checkpoint image of one partition is a stream of records, cut into segments: each is one of these
 * headers and then its part of the stream, full but for the last one. A record may go on in the next
 * segment (the longest one would not fit the smallest segment).
 * The root record (ITEM_ROOT) in the journal names the segments in order. A segment that does not carry
 * exactly the root's identity is damage.
 */
#define SEGMENT_MAGIC 0x4745534du /* "MSEG" */

struct segment_header {
    uint32_t magic, checksum; /* CRC32C of the payload, then of this header (this field zero) */
    uint8_t uuid[16];
    uint64_t epoch, image_id; /* image_id: unique in the volume: epoch and a counter */
    uint32_t partition, index;
    uint32_t payload_bytes, reserved;
};
_Static_assert(sizeof(struct segment_header) == 56, "segment_header is on the medium");

#endif
