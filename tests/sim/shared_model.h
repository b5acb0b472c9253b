/*
 * shared_model.h - files of fixed size that all clients write: what any of them may read there.
 *
 * Every write is remembered with the ticks of its submission and its acknowledgement. A value may be seen
 * unless one that surely came after it was surely there: written by a request that was submitted after the
 * value's own was acknowledged (or later on the same ring), and acknowledged before the look (for a look
 * after a crash: stable before).
 *
 * Where writes are whole pages of at most 64 KiB (overlapping mode), a read of at most 64 KiB also sees
 * each of them whole or not at all.
 */
#ifndef WT_TESTS_SIM_SHARED_MODEL_H
#define WT_TESTS_SIM_SHARED_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/support/stamp_map.h"

#define SHARED_FILES      2u
#define SHARED_FILE_BYTES (256u << 10)
#define SHARED_WHOLE_MAX  (64u << 10)

struct shared_write {
    uint64_t start, end, stamp;
    uint64_t submit_tick, done_tick; /* done_tick: UINT64_MAX until then, and for one that failed */
    unsigned client;
    bool stable, failed;
};

struct shared_model {
    bool overlapping; /* else each client keeps to a part of its own */
    struct shared_write *writes;
    unsigned count, capacity;
};

unsigned shared_submit(struct shared_model *model, unsigned client, uint64_t start, uint64_t end,
                       uint64_t stamp, uint64_t tick);
void shared_done(struct shared_model *model, unsigned write, bool failed, bool stable,
                 uint64_t tick);
void shared_synced(struct shared_model *model, unsigned client, uint64_t submit_tick);

/* A sync failed and has told the errors of all that came before. */
void shared_sync_failed(struct shared_model *model);

struct shared_look {
    unsigned client;
    uint64_t offset, size_bytes;
    const unsigned char *bytes;
    uint64_t submit_tick, now;
    bool after_crash, torn; /* torn (out): parts of one request were seen */
};
/* False: *where is the first wrong byte. */
bool shared_check(const struct shared_model *model, struct shared_look *look,
                  struct stamp_map *observed, uint64_t *where);
/* What was seen is the truth now, and durable. */
void shared_resolve(struct shared_model *model, const struct stamp_map *observed);

#endif
