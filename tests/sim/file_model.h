/*
 * file_model.h - what is known about one file that a single client writes: its bytes and its size now, and
 * what both may be after a crash.
 *
 * Every write, truncate and range (allocate, punch, zero) is a change, numbered in the order of submission, which for one client is the
 * order in which they take effect. `live` is the content with all changes made. `stable` is the content
 * that no crash may take away; a change that is not stable may survive or not, each sector on its own. A
 * change that becomes stable puts its bytes into `stable` and takes the places of older changes there.
 *
 * Sizes: `sizes` are those possible before the changes that are listed. A change that is stable must have
 * had its effect, any other may have.
 */
#ifndef WT_TESTS_SIM_FILE_MODEL_H
#define WT_TESTS_SIM_FILE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/stamp_map.h"

#define FILE_MODEL_BYTES_MAX (1280u << 10)

enum change_status { CHANGE_IN_FLIGHT, CHANGE_DONE, CHANGE_FAILED };

struct change {
    uint64_t order, done_tick;
    uint64_t stamp;
    uint64_t value;          /* of a write: its end; of a truncate: the size; 0: no size */
    struct stamp_map places; /* where it may still show */
    enum change_status status;
    bool truncate;
    bool recorded;  /* acknowledged at a level that has its record on the device */
    bool stable;    /* its bytes are in `stable` */
    bool size_done; /* its effect on the size is in `sizes` */
};

struct file_model {
    unsigned id;
    bool uncertain; /* something failed on it: no exact expectations until it is read back */
    bool wild;      /* not even candidates: an append landed nobody knows where */
    uint64_t live_size;
    struct stamp_map live, stable;
    uint64_t *sizes;
    unsigned size_count, size_capacity;
    struct change *changes;
    unsigned change_count, change_capacity;
    uint64_t next_order;
};

/* Lives as long as the process, which is one for each seed. */
struct file_model *file_model_create(unsigned id);

/* A change is submitted; returns its order. */
uint64_t file_model_write(struct file_model *file, uint64_t start, uint64_t end, uint64_t stamp);
uint64_t file_model_truncate(struct file_model *file, uint64_t size);
/* [offset, end) becomes zeros if `zeroes`; `grows`: the file reaches to its end then. */
uint64_t file_model_range(struct file_model *file, uint64_t offset, uint64_t end, bool zeroes,
                          bool grows);
void file_model_done(struct file_model *file, uint64_t order, bool failed, bool recorded,
                     uint64_t tick);

/* A stable write or truncate that was submitted at submit_tick is acknowledged. */
void file_model_stable(struct file_model *file, uint64_t order, uint64_t submit_tick);
/* A sync is acknowledged. Stable is now every change with an order below `limit` that was acknowledged by
 * done_before; UINT64_MAX: also those still in flight. What failed is not. */
void file_model_synced(struct file_model *file, uint64_t limit, uint64_t done_before);
/* A sync failed, and has told the error of all that came before it: no later success speaks of that. */
void file_model_sync_failed(struct file_model *file);

/* Whether what a read brought is right, given the live content when it was submitted (snapshot). exact: it
 * must be the snapshot. Else every sector is something that was written there. *where: the first byte that
 * is wrong. */
bool file_model_check_read(const struct file_model *file, const struct stamp_map *snapshot,
                           bool exact, uint64_t offset, const unsigned char *bytes,
                           uint64_t size_bytes, uint64_t *where);
/* Whether the file may look so after a crash; observed gets what was seen. */
bool file_model_size_possible(const struct file_model *file, uint64_t size);
bool file_model_check_crash(const struct file_model *file, const unsigned char *bytes,
                            uint64_t size_bytes, struct stamp_map *observed, uint64_t *where);
/* What was seen is the truth now, and durable. */
void file_model_resolve(struct file_model *file, uint64_t size, const struct stamp_map *observed);

#endif
