/*
 * test_file_walk.c - random walks against a model, with fixed seeds.
 *
 * Several files, a cache of the smallest size, several operations in flight at a time. An operation changes
 * the model when it is submitted, since operations take effect in that order where they overlap; so a read
 * knows what it must see when it starts. Then the power is cut with operations in flight, and every byte
 * must be one that the log allows: going back from the newest write of it, nothing older than the newest
 * one that is known to be durable.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/engine.h"
#include "tests/support/random.h"

#define PAGE      4096u
#define SIZE_MAX_ (2u << 20)
#define FILES     4u
#define SLOTS     24u
#define LOG_MAX   4096u

/* What a write, a truncate, a punch or the zeros between an old end and a write's start did to [offset, end). */
struct entry {
    uint64_t offset, end, stamp, size_after;
    bool durable, truncate;
};

struct walker {
    struct engine_file file;
    char name[16];
    unsigned char *model;
    uint64_t size;
    struct entry *log;
    unsigned entries;
    unsigned char *base; /* durable when the log began */
    uint64_t base_size;
};

struct slot {
    struct engine_job job;
    bool used;
    enum file_kind kind;
    enum file_level level;
    struct walker *walker;
    unsigned entry, entry_end; /* of the log */
    unsigned char *bytes, *expected;
    int64_t expected_result;
    uint64_t offset;
};

static struct engine engine;
static struct walker walkers[FILES];
static struct slot slots[SLOTS];
static struct random_source chance;
static uint64_t next_stamp;
static bool faulty; /* writes and reads fail now and then: the model knows nothing */
static unsigned failed;

static void begin_log(struct walker *walker)
{
    memcpy(walker->base, walker->model, SIZE_MAX_);
    walker->base_size = walker->size;
    walker->entries = 0;
}

static void start_walk(uint64_t seed, unsigned shards, bool fua)
{
    engine_start(&engine, &(struct engine_options){.seed = seed, .shards = shards, .no_fua = !fua});
    chance = (struct random_source){seed};
    next_stamp = 1;
    for (unsigned i = 0; i < FILES; i++) {
        struct walker *walker = &walkers[i];
        snprintf(walker->name, sizeof(walker->name), "/w%u", i);
        engine_create(&engine, &walker->file, walker->name);
        walker->model = calloc(1, SIZE_MAX_);
        walker->base = calloc(1, SIZE_MAX_);
        walker->log = calloc(LOG_MAX, sizeof(*walker->log));
        walker->size = 0;
        begin_log(walker);
    }
    faulty = false;
    failed = 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        slots[i].bytes = malloc(SIZE_MAX_);
        slots[i].expected = malloc(SIZE_MAX_);
        slots[i].used = false;
    }
}

static void end_walk(void)
{
    for (unsigned i = 0; i < FILES; i++) {
        free(walkers[i].model);
        free(walkers[i].base);
        free(walkers[i].log);
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        free(slots[i].bytes);
        free(slots[i].expected);
    }
    engine_finish(&engine);
}

static void log_entry(struct walker *walker, uint64_t offset, uint64_t end, uint64_t stamp,
                      uint64_t size_after)
{
    cr_assert_lt(walker->entries, LOG_MAX);
    walker->log[walker->entries++] =
        (struct entry){.offset = offset, .end = end, .stamp = stamp, .size_after = size_after};
}

static void model_write(struct walker *walker, uint64_t offset, uint64_t length, uint64_t stamp)
{
    uint64_t end = offset + length, size = end > walker->size ? end : walker->size;
    if (offset > walker->size)
        log_entry(walker, walker->size, offset, 0, walker->size);
    log_entry(walker, offset, end, stamp, size);
    pattern_fill(stamp, offset, walker->model + offset, length);
    walker->size = size;
}

static void model_truncate(struct walker *walker, uint64_t size)
{
    uint64_t low = size < walker->size ? size : walker->size;
    log_entry(walker, low, SIZE_MAX_, 0, size);
    walker->log[walker->entries - 1].truncate = true;
    memset(walker->model + low, 0, SIZE_MAX_ - low);
    walker->size = size;
}

/* Zeros in [offset, end) as far as the file reaches, which is to the end of the range unless keep_size. */
static void model_range(struct walker *walker, enum file_kind kind, bool keep_size, uint64_t offset,
                        uint64_t end)
{
    uint64_t from = kind == FILE_ALLOCATE || offset > walker->size ? walker->size : offset;
    uint64_t size = !keep_size && end > walker->size ? end : walker->size;
    end = end < size ? end : size;
    if (from >= end)
        return;
    log_entry(walker, from, end, 0, size);
    memset(walker->model + from, 0, end - from);
    walker->size = size;
}

/* ---- doing ------------------------------------------------------------------------------------- */

/* Nothing but zeros is passed over. Writes that came later may be seen or not. */
static void check_seek(const struct slot *slot)
{
    int64_t found = slot->job.result;
    cr_assert(found >= 0 || found == -ENXIO);
    for (int64_t at = 0; at < slot->expected_result; at++)
        cr_assert((found >= 0 && (int64_t)slot->offset + at >= found) || slot->expected[at] == 0);
}

static void slot_done(struct engine_job *job)
{
    struct slot *slot = job->context;
    struct walker *walker = slot->walker;
    slot->used = false;
    if (faulty) {
        failed += job->result == -EIO;
        cr_assert(job->result >= 0 || job->result == -EIO || slot->kind == FILE_SEEK, "%ld",
                  (long)job->result);
        return;
    }
    if (slot->kind == FILE_SEEK) {
        check_seek(slot);
        return;
    }
    cr_assert_eq(job->result, slot->expected_result, "kind %d: %ld, not %ld", (int)slot->kind,
                 (long)job->result, (long)slot->expected_result);
    if (slot->kind == FILE_READ)
        cr_assert_eq(memcmp(slot->bytes, slot->expected, (size_t)job->result), 0);
    bool durable = slot->level == FILE_STABLE || slot->kind == FILE_TRUNCATE;
    for (unsigned i = slot->entry; durable && i < slot->entry_end; i++)
        walker->log[i].durable = true;
    for (unsigned i = 0; slot->kind == FILE_SYNC && i < slot->entry; i++)
        walker->log[i].durable = true;
}

static uint64_t some_offset(const struct walker *walker)
{
    uint64_t offset = random_below(&chance, 4) ? random_below(&chance, walker->size + 1)
                                               : random_below(&chance, SIZE_MAX_ - PAGE);
    return random_below(&chance, 3) ? offset : offset & ~(uint64_t)(PAGE - 1);
}

static uint64_t some_length(uint64_t offset)
{
    static const uint64_t scales[] = {16, 600, PAGE, 5 * PAGE, 64 * PAGE, 256 * PAGE};
    uint64_t length = 1 + random_below(&chance, scales[random_below(&chance, 6)]);
    length = length < SIZE_MAX_ - offset ? length : SIZE_MAX_ - offset;
    return length < FILE_OPERATION_BYTES_MAX ? length : FILE_OPERATION_BYTES_MAX;
}

static void do_write(struct slot *slot, uint64_t offset, bool append)
{
    struct walker *walker = slot->walker;
    uint64_t length = some_length(offset), stamp = next_stamp++;
    slot->level = (enum file_level)(1 + random_below(&chance, 3));
    slot->expected_result = (int64_t)length;
    pattern_fill(stamp, offset, slot->bytes, length);
    model_write(walker, offset, length, stamp);
    slot->entry_end = walker->entries;
    walker->file.direct = random_one_in(&chance, 5);
    if (append)
        engine_start_append(&walker->file, &slot->job, slot->level, slot->bytes, (uint32_t)length);
    else
        engine_start_write(&walker->file, &slot->job, slot->level, offset, slot->bytes,
                           (uint32_t)length);
}

static void do_read(struct slot *slot)
{
    struct walker *walker = slot->walker;
    uint64_t offset = some_offset(walker), length = some_length(offset);
    uint64_t left = offset < walker->size ? walker->size - offset : 0;
    slot->expected_result = (int64_t)(left < length ? left : length);
    memcpy(slot->expected, walker->model + offset, (size_t)slot->expected_result);
    walker->file.direct = random_one_in(&chance, 5);
    engine_start_read(&walker->file, &slot->job, offset, slot->bytes, (uint32_t)length);
}

static void do_truncate(struct slot *slot)
{
    struct walker *walker = slot->walker;
    uint64_t size = some_offset(walker);
    model_truncate(walker, size);
    slot->entry_end = walker->entries;
    engine_start_truncate(&walker->file, &slot->job, size);
}

static void do_range(struct slot *slot)
{
    struct walker *walker = slot->walker;
    uint64_t offset = some_offset(walker), length = some_length(offset);
    bool keep_size = slot->kind == FILE_PUNCH || random_below(&chance, 2);
    slot->level = random_below(&chance, 2) ? FILE_THROUGH : FILE_STABLE;
    model_range(walker, slot->kind, keep_size, offset, offset + length);
    slot->entry_end = walker->entries;
    engine_start_range(&walker->file, &slot->job, slot->kind, slot->level, keep_size, offset,
                       length);
}

static void do_seek(struct slot *slot)
{
    struct walker *walker = slot->walker;
    slot->offset = some_offset(walker);
    if (slot->offset < walker->size)
        slot->expected_result = (int64_t)(walker->size - slot->offset);
    memcpy(slot->expected, walker->model + slot->offset, (size_t)slot->expected_result);
    engine_start_seek(&walker->file, &slot->job, false, slot->offset);
}

static void do_something(struct slot *slot)
{
    struct walker *walker = &walkers[random_below(&chance, FILES)];
    uint64_t choice = random_below(&chance, 100);
    *slot = (struct slot){.job = {.then = slot_done},
                          .used = true,
                          .walker = walker,
                          .entry = walker->entries,
                          .entry_end = walker->entries,
                          .bytes = slot->bytes,
                          .expected = slot->expected};
    slot->job.context = slot;
    slot->kind = choice < 42   ? FILE_WRITE
                 : choice < 78 ? FILE_READ
                 : choice < 80 ? FILE_SEEK
                 : choice < 86 ? FILE_SYNC
                 : choice < 92 ? FILE_TRUNCATE
                 : choice < 95 ? FILE_PUNCH
                 : choice < 98 ? FILE_ZERO
                               : FILE_ALLOCATE;
    if (slot->kind == FILE_READ)
        do_read(slot);
    else if (slot->kind == FILE_TRUNCATE)
        do_truncate(slot);
    else if (slot->kind == FILE_SEEK)
        do_seek(slot);
    else if (slot->kind == FILE_PUNCH || slot->kind == FILE_ZERO || slot->kind == FILE_ALLOCATE)
        do_range(slot);
    else if (slot->kind == FILE_SYNC)
        engine_start_sync(&walker->file, &slot->job, random_below(&chance, 2));
    else if (choice < 15 && walker->size + PAGE < SIZE_MAX_)
        do_write(slot, walker->size, true);
    else
        do_write(slot, some_offset(walker), false);
}

/* The next write of file data fails: what file_send submits is nothing else. */
static void turn_and_fail(void)
{
    unsigned shard = (unsigned)random_below(&chance, engine.options.shards);
    while (message_deliver(engine.office, shard, 64) > 0)
        continue;
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    file_send(engine.shards[shard]);
    sim_fail_next(engine.device, DEVICE_WRITE, 0);
    message_flush(engine.office, shard);
}

static void walk(unsigned steps)
{
    unsigned in_vain = 0;
    while (steps > 0) {
        struct slot *slot = &slots[random_below(&chance, SLOTS)];
        if (!slot->used) {
            do_something(slot);
            steps--;
            in_vain = 0;
        }
        cr_assert_lt(in_vain++, 1000000u, "nothing is ever done");
        for (uint64_t turns = random_below(&chance, 4); turns > 0; turns--)
            engine_turn(&engine);
        if (faulty && random_one_in(&chance, 3))
            turn_and_fail();
    }
}

/* ---- comparing --------------------------------------------------------------------------------- */

static void compare_all(void)
{
    static unsigned char bytes[FILE_OPERATION_BYTES_MAX];
    for (unsigned i = 0; i < FILES; i++) {
        struct walker *walker = &walkers[i];
        cr_assert_eq(engine_size(&walker->file), walker->size);
        for (uint64_t at = 0; at < walker->size; at += sizeof(bytes)) {
            int64_t got = engine_read(&walker->file, at, bytes, sizeof(bytes));
            cr_assert_gt(got, 0);
            cr_assert_eq(memcmp(bytes, walker->model + at, (size_t)got), 0, "file %u", i);
        }
    }
}

static bool byte_allowed(const struct walker *walker, uint64_t at, unsigned char byte)
{
    for (unsigned i = walker->entries; i > 0; i--) {
        const struct entry *entry = &walker->log[i - 1];
        if (at < entry->offset || at >= entry->end)
            continue;
        if (pattern_matches(entry->stamp, at, &byte, 1))
            return true;
        if (entry->durable)
            return false;
    }
    return (at < walker->base_size ? walker->base[at] : 0) == byte;
}

/* A durable write inside the file says only that the size covers it. */
static bool size_allowed(const struct walker *walker, uint64_t size)
{
    uint64_t floor = 0;
    for (unsigned i = walker->entries; i > 0; i--) {
        const struct entry *entry = &walker->log[i - 1];
        if (entry->durable && !entry->truncate && entry->end > floor)
            floor = entry->end;
        if (entry->size_after == size && size >= floor)
            return true;
        if (entry->durable && entry->truncate)
            return false;
    }
    return size == walker->base_size && size >= floor;
}

/* After a cut: what is there becomes the model. */
static void check_survivors(struct walker *walker)
{
    uint64_t size = engine_size(&walker->file);
    cr_assert(size_allowed(walker, size), "%s: size %lu", walker->name, size);
    memset(walker->model, 0, SIZE_MAX_);
    for (uint64_t at = 0; at < size;) {
        uint64_t part = size - at < FILE_OPERATION_BYTES_MAX ? size - at : FILE_OPERATION_BYTES_MAX;
        int64_t got = engine_read(&walker->file, at, walker->model + at, (uint32_t)part);
        cr_assert_eq(got, (int64_t)part);
        at += part;
    }
    for (uint64_t at = 0; at < size; at++)
        cr_assert(byte_allowed(walker, at, walker->model[at]), "%s: byte %lu of %lu", walker->name,
                  at, size);
    walker->size = size;
    begin_log(walker);
}

static void cut_and_check(void)
{
    engine_restart(&engine, true);
    for (unsigned i = 0; i < SLOTS; i++)
        slots[i].used = false;
    for (unsigned i = 0; i < FILES; i++) {
        engine_open(&engine, &walkers[i].file, walkers[i].name);
        engine_run(&engine);
        check_survivors(&walkers[i]);
    }
}

static void settle_and_compare(void)
{
    engine_run(&engine);
    for (unsigned i = 0; i < SLOTS; i++)
        cr_assert_not(slots[i].used, "slot %u, kind %d, never done", i, (int)slots[i].kind);
    cr_assert(engine_idle(&engine));
    compare_all();
}

static void walk_with(uint64_t seed, unsigned shards, bool fua)
{
    start_walk(seed, shards, fua);
    for (unsigned round = 0; round < 6; round++) {
        walk(250);
        settle_and_compare();
        cr_assert_eq(engine_sync_all(&engine), 0);
        for (unsigned i = 0; i < FILES; i++)
            begin_log(&walkers[i]);
        walk(60 + (unsigned)random_below(&chance, 100));
        cut_and_check();
    }
    end_walk();
}

/* A few short ones are worth more than a long one: each has another order of completions. How many of each
 * kind: FILE_WALK_SEEDS, which `make test-long` sets. */
static unsigned seed_count(void)
{
    const char *told = getenv("FILE_WALK_SEEDS");
    unsigned count = told ? (unsigned)strtoul(told, NULL, 10) : 2;
    return count > 0 ? count : 1;
}

static void walks(uint64_t first_seed, unsigned shards, bool fua)
{
    for (uint64_t seed = first_seed; seed < first_seed + seed_count(); seed++)
        walk_with(seed, shards, fua);
}

Test(file_walk, one_shard)
{
    walks(100, 1, true);
}

Test(file_walk, one_shard_without_fua)
{
    walks(200, 1, false);
}

Test(file_walk, three_shards)
{
    walks(300, 3, true);
}

Test(file_walk, slow_device)
{
    for (uint64_t seed = 400; seed < 400 + seed_count(); seed++) {
        start_walk(seed, 1, true);
        sim_set_faults(engine.device, 0, 0, 0, 3);
        walk(1200);
        settle_and_compare();
        end_walk();
    }
}

/* Whatever fails: everything ends, nothing leaks, and afterwards everything works. */
static void walk_with_errors(uint64_t seed, unsigned shards, bool fua)
{
    start_walk(seed, shards, fua);
    engine_run(&engine);
    uint64_t blocks = engine_free_blocks(&engine);
    for (unsigned round = 0; round < 4; round++) {
        faulty = true;
        sim_set_faults(engine.device, 20, 0, 0, 5);
        walk(400);
        sim_set_faults(engine.device, 0, 0, 0, 0);
        engine_run(&engine);
        for (unsigned i = 0; i < SLOTS; i++)
            cr_assert_not(slots[i].used, "slot %u, kind %d, never done", i, (int)slots[i].kind);
        cr_assert(engine_idle(&engine));
        faulty = false;
        for (unsigned i = 0; i < FILES; i++) {
            engine_sync(&walkers[i].file); /* tells what is left to tell */
            cr_assert_eq(engine_truncate(&walkers[i].file, 0), 0);
            memset(walkers[i].model, 0, SIZE_MAX_);
            walkers[i].size = 0;
            begin_log(&walkers[i]);
        }
        cr_assert_eq(engine_free_blocks(&engine), blocks);
        walk(60);
        settle_and_compare();
        for (unsigned i = 0; i < FILES; i++)
            walkers[i].entries = 0;
    }
    cr_assert_gt(failed, 10);
    end_walk();
}

Test(file_walk, with_errors)
{
    for (uint64_t seed = 500; seed < 500 + seed_count(); seed++)
        walk_with_errors(seed, 1, seed % 2);
}

Test(file_walk, with_errors_on_three_shards)
{
    for (uint64_t seed = 600; seed < 600 + seed_count(); seed++)
        walk_with_errors(seed, 3, true);
}
