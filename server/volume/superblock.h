/*
 * superblock.h - the two superblocks: checking, finding, updating.
 *
 * An update raises the generation, writes the first copy, makes it durable, then does the same with the
 * second. Whatever an update allows (an epoch, journal space, the segments of an old image) is used only
 * after both are durable: then either copy alone opens the volume, and a copy that lies behind is harmless.
 */
#ifndef WT_VOLUME_SUPERBLOCK_H
#define WT_VOLUME_SUPERBLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/volume/durable.h"
#include "server/volume/flush.h"
#include "server/volume/format.h"

#define SEGMENT_BYTES_MIN (64u << 10)
#define SEGMENT_BYTES_MAX (1u << 20)
#define SEGMENT_COUNT_MAX 65536u
#define JOURNAL_BYTES_MIN (1ull << 20)
/* Root records name every segment, and the journal keeps room for three rounds of them beside its half. */
#define JOURNAL_BYTES_PER_SEGMENT 64u

struct superblock_found {
    struct superblock superblock; /* the one that counts */
    bool other_used;              /* the first is bad, this is the copy */
    bool copy_bad;                /* the copy is bad (check tells; an open rewrites it) */
    bool torn;   /* the bad one has this volume's magic and uuid: what a cut in its update leaves */
    bool behind; /* the copy lies a generation behind: a cut between the two writes */
};

/* Pure. 0; -ENOMEDIUM: not a superblock; -EPROTONOSUPPORT: of a newer format; -EBADMSG: damaged or
 * impossible. *what says it in words. */
int superblock_check(const struct superblock *superblock, const char **what);
void superblock_seal(struct superblock *superblock);
uint64_t superblock_copy_offset(const struct superblock *superblock);

/* Blocking. Reads both. -ENOSPC: the device is smaller than the volume. */
int superblock_read(struct device *device, struct superblock_found *found, char *reason,
                    size_t reason_bytes);
/* Blocking. Raises the generation, writes both durably, one after the other: while one is being written the
 * other is good. So where the copy is the bad one it goes first. */
int superblock_write(struct device *device, struct superblock *superblock, bool copy_first);

/* The same from a running journal shard. `superblock` may change meanwhile: a sealed copy is written. */
struct superblock_writer {
    struct flusher *flusher;
    struct device_queue *queue;
    struct superblock *buffer; /* aligned */
    struct writer writer;
    struct write_part part;
    struct flush_waiter flush;
    bool second;
    void (*done)(struct superblock_writer *writer, int result);
};

int superblock_writer_init(struct superblock_writer *writer, struct flusher *flusher);
void superblock_writer_destroy(struct superblock_writer *writer);
void superblock_writer_start(struct superblock_writer *writer, struct device_queue *queue,
                             struct superblock *superblock,
                             void (*done)(struct superblock_writer *writer, int result));

#endif
