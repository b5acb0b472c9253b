/*
 * journal_scan.h - reads the journal's ring at replay: blocking, in large pieces.
 */
#ifndef WT_VOLUME_JOURNAL_SCAN_H
#define WT_VOLUME_JOURNAL_SCAN_H

#include "server/device/device.h"
#include "server/volume/format.h"

struct journal_scan {
    struct device *device;
    const struct superblock *superblock;
    uint8_t *window; /* a piece of the ring */
    uint64_t window_at, window_bytes;
    /* After a walk: */
    uint64_t blocks, last_sequence, end_position, ring_bytes;
};

/* Called for each block in order; a negative result ends the walk and is its result. */
typedef int journal_visit(void *context, const struct journal_block *block);

int journal_scan_init(struct journal_scan *scan, struct device *device,
                      const struct superblock *superblock);
void journal_scan_destroy(struct journal_scan *scan);

/* Walks from the superblock's start to the first block that fails, or past last_sequence. 0; -EIO: a place
 * where a block should be cannot be read. */
int journal_scan_walk(struct journal_scan *scan, uint64_t last_sequence, journal_visit *visit,
                      void *context);

/* Is there a valid block anywhere in the ring that says block `sequence` was once durable? *proof is its
 * sequence. A place that cannot be read proves nothing. */
bool journal_scan_proof(struct journal_scan *scan, uint64_t sequence, uint64_t *proof);

#endif
