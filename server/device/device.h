/*
 * device.h - one struct of operations, one file a backend. Nothing above device/ does I/O but by this.
 *
 * Two ways in:
 *  - a queue a shard: device_submit, asynchronous, completions by io->done on the shard that owns the queue
 *    (inside reactor_poll for file.c, inside sim_step for sim.c);
 *  - device_transfer, blocking, for recovery, mkfs, check and info, when no queue is in use.
 *
 * Ownership: a struct device_io and the memory its segments point to belong to the device from
 * device_submit until done. Only done gives them back: there is no cancel, and a time limit only reports.
 * done is never called from inside device_submit. It may submit again, and may free or reuse the io.
 *
 * Results: 0, or a negative errno. All or nothing is not promised: after an error each block of a write is
 * old or new. Backends continue short transfers themselves; a read past the end is -EIO. -EINTR and path
 * errors mean outcome unknown. A failed write with DEVICE_FUA on a backend whose FUA is a sync of the whole
 * file (file.c) counts as a failed flush: io->flush_failed is set.
 *
 * Alignment: offset and length are multiples of block_bytes, memory of 4096 or block_bytes at least. A
 * transfer is at most transfer_bytes_max long and segments_max segments; callers split.
 *
 * Order: none between I/Os in flight. A flush covers exactly the writes whose done ran before it was
 * submitted. A write with FUA is durable at done, whatever the volatile cache.
 */
#ifndef WT_DEVICE_DEVICE_H
#define WT_DEVICE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "server/base/list.h"
#include "server/base/reactor.h"

enum device_operation {
    DEVICE_READ,
    DEVICE_WRITE,
    DEVICE_FLUSH,        /* no range */
    DEVICE_DISCARD,      /* contents become undefined */
    DEVICE_WRITE_ZEROES, /* contents become zero */
};

#define DEVICE_FUA 1u /* writes and write-zeroes: durable when done */

struct device_capabilities {
    uint64_t size_bytes;
    uint32_t block_bytes;        /* logical block: 512 or 4096 */
    uint32_t transfer_bytes_max; /* of one command */
    uint32_t segments_max;       /* of one command */
    uint32_t atomic_unit_bytes;  /* written whole even through a power cut; block_bytes at least */
    uint32_t atomic_boundary_bytes; /* ... unless it crosses a multiple of this; 0: none */
    bool volatile_cache;            /* done does not mean durable without FUA or flush */
    bool fua;
    bool discard, write_zeroes;
    bool polled;  /* shards give it a polled ring */
    bool sparse;  /* an image with holes: writes may need the host's metadata */
    char kind[8]; /* "file", "block", "nvme", "sim" */
};

struct device;
struct device_queue;

struct device_io {
    struct list link; /* the owner's before submit and after done, the backend's in between */
    void (*done)(struct device_io *io);
    enum device_operation operation;
    uint32_t flags;
    uint64_t offset, length_bytes;
    struct iovec *segments; /* a backend may advance them while it continues a short transfer */
    unsigned segment_count;
    int result;
    bool flush_failed;
    /* the backend's: */
    struct device_queue *queue;
    struct reactor_event event;
    uint64_t progress_bytes, due_ns, serial;
};

struct device_operations {
    /* A queue for one shard. reactor: the shard's ring (NULL for sim.c). */
    int (*queue_create)(struct device *device, struct reactor *reactor,
                        struct device_queue **queue);
    void (*queue_destroy)(struct device_queue *queue);
    /* Takes the io. Cannot fail: an error arrives by done. */
    void (*submit)(struct device_queue *queue, struct device_io *io);
    /* Blocking; buffer is NULL for flush and discard. Splits by itself. */
    int (*transfer)(struct device *device, enum device_operation operation, uint32_t flags,
                    uint64_t offset, void *buffer, uint64_t length_bytes);
    /* Tells what is special about the device, a key and a value at a time. May be NULL. */
    void (*describe)(struct device *device,
                     void (*say)(void *context, const char *key, const char *value), void *context);
    /* Releases the claim. No I/O may be in flight. */
    void (*close)(struct device *device);
};

/* Backends embed this as their first member. */
struct device {
    const struct device_operations *operations;
    struct device_capabilities capabilities;
    char path[256];
};

#define DEVICE_OPEN_READ_ONLY 1u /* check, info: a shared claim */
#define DEVICE_OPEN_CREATE    2u /* mkfs on a path that does not exist: makes a regular file */
#define DEVICE_OPEN_FORCE     4u /* mkfs --force: also what is partitioned */
#define DEVICE_OPEN_POLLED    8u /* reads and writes on a polled ring; refused where that cannot be */
#define DEVICE_CLAIM_WAIT_MS  5000u

/*
 * Opens by the contract's grammar: a plain path chooses by node type, `file:` and `nvme:` force. Takes the
 * claim (a lock on the very open file used for I/O; for a block device also O_EXCL), waiting up to
 * DEVICE_CLAIM_WAIT_MS, then -EBUSY. On failure reason holds one line: cause, then mend.
 */
int device_open(const char *name, uint32_t flags, struct device **device, char *reason,
                size_t reason_bytes);
/* How long device_open waits for a claim: for tests; DEVICE_CLAIM_WAIT_MS unless set. */
void device_set_claim_wait_ms(unsigned milliseconds);
/* mkfs on a regular file that is too small: grows it (sparse), and updates the capabilities. */
int device_resize(struct device *device, uint64_t size_bytes);
void device_close(struct device *device);

static inline void device_submit(struct device_queue *queue, struct device_io *io);
int device_transfer(struct device *device, enum device_operation operation, uint32_t flags,
                    uint64_t offset, void *buffer, uint64_t length_bytes);

/* First member of a backend's queue. in_flight counts what was submitted and is not done. */
struct device_queue {
    struct device *device;
    unsigned in_flight;
    uint64_t reads, writes, flushes; /* commands, for stats */
};

static inline void device_submit(struct device_queue *queue, struct device_io *io)
{
    queue->device->operations->submit(queue, io);
}

/* The backends, for device_open. */
int device_file_open(const char *path, uint32_t flags, struct device **device, char *reason,
                     size_t reason_bytes);
/* The NVMe passthrough backend. */
int device_nvme_open(const char *path, uint32_t flags, struct device **device, char *reason,
                     size_t reason_bytes);

#endif
