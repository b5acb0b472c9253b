#include "tests/sim/file_model.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/random.h"

#define CANDIDATES_MAX 256
#define SECTOR         512u

static void *must_have(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* ---- sizes ---- */

static void sizes_add(struct file_model *file, uint64_t size)
{
    for (unsigned i = 0; i < file->size_count; i++) {
        if (file->sizes[i] == size)
            return;
    }
    if (file->size_count == file->size_capacity) {
        file->size_capacity = file->size_capacity ? file->size_capacity * 2 : 8;
        file->sizes = must_have(realloc(file->sizes, file->size_capacity * sizeof(*file->sizes)));
    }
    file->sizes[file->size_count++] = size;
}

static uint64_t size_after(const struct change *change, uint64_t size)
{
    if (change->truncate)
        return change->value;
    return size > change->value ? size : change->value;
}

static void sizes_apply(struct file_model *file, const struct change *change, bool must)
{
    unsigned count = file->size_count;
    for (unsigned i = 0; i < count; i++) {
        uint64_t size = size_after(change, file->sizes[i]);
        if (must)
            file->sizes[i] = size;
        else
            sizes_add(file, size);
    }
    if (!must)
        return;
    /* Drop what has become equal. */
    count = file->size_count;
    file->size_count = 0;
    for (unsigned i = 0; i < count; i++)
        sizes_add(file, file->sizes[i]);
}

bool file_model_size_possible(const struct file_model *file, uint64_t size)
{
    struct file_model scratch = {0};
    for (unsigned i = 0; i < file->size_count; i++)
        sizes_add(&scratch, file->sizes[i]);
    for (unsigned i = 0; i < file->change_count; i++) {
        if (!file->changes[i].size_done)
            sizes_apply(&scratch, &file->changes[i], false);
    }
    bool found = false;
    for (unsigned i = 0; i < scratch.size_count; i++)
        found |= scratch.sizes[i] == size;
    free(scratch.sizes);
    return found;
}

/* ---- changes ---- */

struct file_model *file_model_create(unsigned id)
{
    struct file_model *file = must_have(calloc(1, sizeof(*file)));
    file->id = id;
    file->next_order = 1;
    sizes_add(file, 0);
    return file;
}

static void drop_changes(struct file_model *file)
{
    for (unsigned i = 0; i < file->change_count; i++)
        stamps_free(&file->changes[i].places);
    file->change_count = 0;
}

static uint64_t add_change(struct file_model *file, bool truncate, uint64_t start, uint64_t end,
                           uint64_t value, uint64_t stamp)
{
    if (file->change_count == file->change_capacity) {
        file->change_capacity = file->change_capacity ? file->change_capacity * 2 : 16;
        file->changes =
            must_have(realloc(file->changes, file->change_capacity * sizeof(*file->changes)));
    }
    struct change *change = &file->changes[file->change_count++];
    *change = (struct change){
        .order = file->next_order++, .stamp = stamp, .value = value, .truncate = truncate};
    stamps_set(&change->places, start, end, stamp);
    stamps_set(&file->live, start, end, stamp);
    return change->order;
}

uint64_t file_model_write(struct file_model *file, uint64_t start, uint64_t end, uint64_t stamp)
{
    if (file->live_size < end)
        file->live_size = end;
    return add_change(file, false, start, end, end, stamp);
}

uint64_t file_model_truncate(struct file_model *file, uint64_t size)
{
    file->live_size = size;
    return add_change(file, true, size, OFFSET_END, size, 0);
}

/* Of an uncertain file nobody knows where it ends: then only what the range says is taken for zeros. */
uint64_t file_model_range(struct file_model *file, uint64_t offset, uint64_t end, bool zeroes,
                          bool grows)
{
    bool moves = grows && (file->live_size < end || file->uncertain);
    uint64_t start = zeroes ? offset : end;
    if (moves && !file->uncertain && file->live_size < start)
        start = file->live_size;
    if (grows && file->live_size < end)
        file->live_size = end;
    return add_change(file, false, start, end, moves ? end : 0, 0);
}

void file_model_done(struct file_model *file, uint64_t order, bool failed, bool recorded,
                     uint64_t tick)
{
    file->uncertain |= failed;
    for (unsigned i = 0; i < file->change_count; i++) {
        struct change *change = &file->changes[i];
        if (change->order == order) {
            change->status = failed ? CHANGE_FAILED : CHANGE_DONE;
            change->done_tick = tick;
            change->recorded = recorded;
        }
    }
}

/* Its bytes are what a crash leaves, unless something newer is there: older changes show no more. */
static void settle_bytes(struct file_model *file, struct change *change)
{
    for (unsigned p = 0; p < change->places.count; p++) {
        const struct stamp_range *place = &change->places.items[p];
        stamps_set(&file->stable, place->start, place->end, change->stamp);
        for (unsigned i = 0; i < file->change_count; i++) {
            if (file->changes[i].order < change->order)
                stamps_clear(&file->changes[i].places, place->start, place->end);
        }
    }
    stamps_free(&change->places);
    change->stable = true;
}

/* Sizes up to and with `order`; then forgets changes of which nothing can be seen. */
static void settle_sizes(struct file_model *file, uint64_t order, uint64_t done_before)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < file->change_count; i++) {
        struct change *change = &file->changes[i];
        if (change->order <= order && !change->size_done) {
            bool must = change->stable || (change->status == CHANGE_DONE && change->recorded &&
                                           change->done_tick <= done_before);
            sizes_apply(file, change, must);
            change->size_done = true;
        }
        bool seen_no_more =
            change->size_done && change->places.count == 0 && change->status != CHANGE_IN_FLIGHT;
        if (seen_no_more)
            stamps_free(&change->places);
        else
            file->changes[kept++] = *change;
    }
    file->change_count = kept;
}

void file_model_stable(struct file_model *file, uint64_t order, uint64_t submit_tick)
{
    for (unsigned i = 0; i < file->change_count; i++) {
        if (file->changes[i].order == order)
            settle_bytes(file, &file->changes[i]);
    }
    settle_sizes(file, order, submit_tick);
}

static bool is_covered(const struct change *change, uint64_t limit, uint64_t done_before)
{
    if (change->order >= limit || change->stable || change->status == CHANGE_FAILED)
        return false;
    return done_before == UINT64_MAX ||
           (change->status == CHANGE_DONE && change->done_tick <= done_before);
}

void file_model_synced(struct file_model *file, uint64_t limit, uint64_t done_before)
{
    uint64_t last = 0;
    for (unsigned i = 0; i < file->change_count; i++) {
        struct change *change = &file->changes[i];
        if (!is_covered(change, limit, done_before))
            continue;
        settle_bytes(file, change);
        last = change->order;
    }
    if (last)
        settle_sizes(file, last, 0);
}

void file_model_sync_failed(struct file_model *file)
{
    file->uncertain = true;
    for (unsigned i = 0; i < file->change_count; i++) {
        if (!file->changes[i].stable)
            file->changes[i].status = CHANGE_FAILED;
    }
}

/* ---- checking ---- */

/* A run of bytes over which the same things may show. */
struct run {
    uint64_t end;
    unsigned count;
    uint64_t stamps[CANDIDATES_MAX];
};

static void run_add(struct run *run, uint64_t stamp)
{
    for (unsigned i = 0; i < run->count; i++) {
        if (run->stamps[i] == stamp)
            return;
    }
    if (run->count < CANDIDATES_MAX)
        run->stamps[run->count++] = stamp;
}

static void run_add_map(struct run *run, const struct stamp_map *map, uint64_t offset)
{
    uint64_t end, stamp = stamps_at(map, offset, &end);
    run_add(run, stamp);
    if (end < run->end)
        run->end = end;
}

static void run_add_changes(struct run *run, const struct file_model *file, uint64_t offset)
{
    for (unsigned i = 0; i < file->change_count; i++) {
        const struct stamp_map *places = &file->changes[i].places;
        for (unsigned p = 0; p < places->count; p++) {
            const struct stamp_range *place = &places->items[p];
            if (offset >= place->start && offset < place->end)
                run_add(run, file->changes[i].stamp);
            if (place->start > offset && place->start < run->end)
                run->end = place->start;
            if (place->end > offset && place->end < run->end)
                run->end = place->end;
        }
    }
}

static bool match_one(const struct run *run, uint64_t offset, const unsigned char *bytes,
                      uint64_t size_bytes, struct stamp_map *observed)
{
    for (unsigned i = 0; i < run->count; i++) {
        if (pattern_matches(run->stamps[i], offset, bytes, size_bytes)) {
            if (observed)
                stamps_set(observed, offset, offset + size_bytes, run->stamps[i]);
            return true;
        }
    }
    return false;
}

/* All of it at once, or each sector on its own. */
static bool match_run(const struct run *run, uint64_t offset, const unsigned char *bytes,
                      struct stamp_map *observed, uint64_t *where)
{
    if (match_one(run, offset, bytes, run->end - offset, observed))
        return true;
    while (offset < run->end) {
        uint64_t end = (offset / SECTOR + 1) * SECTOR;
        if (end > run->end)
            end = run->end;
        if (!match_one(run, offset, bytes, end - offset, observed)) {
            *where = offset;
            return false;
        }
        bytes += end - offset;
        offset = end;
    }
    return true;
}

static bool check(const struct file_model *file, const struct stamp_map *base, bool with_changes,
                  uint64_t offset, const unsigned char *bytes, uint64_t size_bytes,
                  struct stamp_map *observed, uint64_t *where)
{
    uint64_t end = offset + size_bytes;
    for (uint64_t at = offset; at < end;) {
        struct run run = {.end = end};
        if (base)
            run_add_map(&run, base, at);
        if (with_changes) {
            run_add_map(&run, &file->stable, at);
            run_add_changes(&run, file, at);
        }
        if (!match_run(&run, at, bytes + (at - offset), observed, where))
            return false;
        at = run.end;
    }
    return true;
}

bool file_model_check_read(const struct file_model *file, const struct stamp_map *snapshot,
                           bool exact, uint64_t offset, const unsigned char *bytes,
                           uint64_t size_bytes, uint64_t *where)
{
    return check(file, snapshot, !exact, offset, bytes, size_bytes, NULL, where);
}

bool file_model_check_crash(const struct file_model *file, const unsigned char *bytes,
                            uint64_t size_bytes, struct stamp_map *observed, uint64_t *where)
{
    return check(file, NULL, true, 0, bytes, size_bytes, observed, where);
}

void file_model_resolve(struct file_model *file, uint64_t size, const struct stamp_map *observed)
{
    drop_changes(file);
    stamps_copy(&file->live, observed);
    stamps_copy(&file->stable, observed);
    file->live_size = size;
    file->size_count = 0;
    sizes_add(file, size);
    file->uncertain = file->wild = false;
}
