/*
 * flush.h - the only one who sends flushes while the volume runs. Journal shard.
 *
 * At most one flush is in flight; who asks meanwhile waits for the next, which starts when this one is
 * done: so each flush covers everything that was done when it was asked for, and there is never an earlier
 * flush whose fate is open when one succeeds (an error may be reported to only one caller). The first
 * failure is final: the volume turns read-only and everyone, now and later, gets -EIO.
 */
#ifndef WT_VOLUME_FLUSH_H
#define WT_VOLUME_FLUSH_H

#include "server/base/list.h"
#include "server/device/device.h"

struct volume;

/* Of this floor; other shards and floors wait by a struct flush_request. */
struct flush_waiter {
    struct list link;
    void (*done)(struct flush_waiter *waiter, int result);
};

struct flusher {
    struct volume *volume;
    struct list gathering, gathering_requests; /* wait for the next one */
    struct list waiting, waiting_requests;     /* wait for the one in flight */
    struct device_io io;
    bool busy, failed;
};

void flusher_init(struct flusher *flusher, struct volume *volume);
/* done may be called at once when flushes have failed already: ask as the last thing you do. Only on a
 * device with a volatile cache. */
void flusher_ask(struct flusher *flusher, struct flush_waiter *waiter);
/* The volume failed: everyone gets -EIO. */
void flusher_fail(struct flusher *flusher);

#endif
