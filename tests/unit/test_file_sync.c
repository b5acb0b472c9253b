/* test_file_sync.c - what a sync waits for, what it flushes, and what is durable without one. */
#include <stdio.h>

#include "tests/unit/file_fixture.h"

TestSuite(file_sync, .init = start, .fini = finish);

static uint64_t flushes(void)
{
    return sim_statistics(engine.device).flushes;
}

Test(file_sync, a_sync_waits_for_writes_behind_and_flushes)
{
    struct engine_job sync = {0}, later = {0};
    put(FILE_STABLE, 0, 4 * PAGE, 1);
    engine_hold(&engine, DEVICE_WRITE);
    put(FILE_BEHIND, 0, 4 * PAGE, 2);
    engine_start_sync(&file, &sync, true);
    engine_run(&engine);
    cr_assert_not(sync.done);
    uint64_t before = flushes();
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert_eq(sync.result, 0);
    cr_assert_eq(flushes(), before + 1);
    engine_start_write(&file, &later, FILE_THROUGH, 0, out, PAGE);
    engine_run(&engine);
    cr_assert(later.done);
}

Test(file_sync, a_sync_does_not_wait_for_later_writes)
{
    struct engine_job sync = {0}, later = {0};
    put(FILE_STABLE, 0, 4 * PAGE, 1);
    put(FILE_THROUGH, 0, PAGE, 2);
    engine_run(&engine);
    sim_hold(engine.device, DEVICE_FLUSH, 0, 0);
    engine_start_sync(&file, &sync, true);
    engine_run(&engine);
    engine_hold(&engine, DEVICE_WRITE); /* the flush goes, later writes do not */
    engine_start_write(&file, &later, FILE_THROUGH, 0, out, PAGE);
    engine_run(&engine);
    cr_assert(sync.done);
    cr_assert_not(later.done);
    sim_release(engine.device);
    engine_run(&engine);
}

Test(file_sync, what_is_flushed_is_not_flushed_again)
{
    put(FILE_STABLE, 0, PAGE, 1);
    put(FILE_THROUGH, 0, PAGE, 2);
    cr_assert_eq(engine_sync(&file), 0);
    uint64_t before = flushes();
    cr_assert_eq(engine_sync(&file), 0);
    cr_assert_eq(flushes(), before);
}

Test(file_sync, many_syncs_share_flushes)
{
    struct engine_job jobs[64] = {0};
    put(FILE_STABLE, 0, MIB, 1);
    for (unsigned i = 0; i < 64; i++) {
        engine_start_write(&file, &jobs[i], FILE_BEHIND, i * 2 * PAGE, out, PAGE);
        jobs[i] = (struct engine_job){0};
        engine_start_sync(&file, &jobs[i], true);
    }
    uint64_t before = flushes();
    engine_run(&engine);
    for (unsigned i = 0; i < 64; i++)
        cr_assert_eq(jobs[i].result, 0);
    cr_assert_leq(flushes() - before, 4);
}

Test(file_sync, what_was_synced_survives)
{
    put(FILE_THROUGH, 0, MIB, 1);
    put(FILE_BEHIND, 17, 5000, 2);
    put(FILE_BEHIND, MIB - 5, 100, 3);
    cr_assert_eq(engine_sync(&file), 0);
    reopen(true);
    cr_assert_eq(engine_size(&file), MIB + 95);
    cr_assert(holds(0, 17, 1) && holds(17, 5000, 2) && holds(5017, MIB - 5022, 1));
    cr_assert(holds(MIB - 5, 100, 3));
}

Test(file_sync, stable_writes_need_no_sync)
{
    put(FILE_STABLE, 0, 3 * PAGE + 5, 1);
    put(FILE_STABLE, PAGE, 700, 2);
    put(FILE_STABLE, 3 * PAGE + 5, 700, 3);
    reopen(true);
    cr_assert(holds(0, PAGE, 1) && holds(PAGE, 700, 2) && holds(PAGE + 700, 2 * PAGE - 695, 1));
    cr_assert(holds(3 * PAGE + 5, 700, 3));
}

Test(file_sync, through_survives_the_death_of_the_server)
{
    struct engine_job write = {0};
    pattern_fill(1, 0, out, MIB);
    engine_start_write(&file, &write, FILE_THROUGH, 100, out, MIB);
    while (!write.done)
        engine_turn(&engine);
    engine_restart(&engine, false);
    engine_open(&engine, &file, "/file");
    engine_open(&engine, &other, "/other");
    cr_assert_eq(engine_size(&file), MIB + 100);
    cr_assert_eq(engine_read(&file, 100, in, MIB), MIB);
    cr_assert_eq(memcmp(in, out, MIB), 0);
}

/* ---- all files --------------------------------------------------------------------------------- */

Test(file_sync, a_sync_of_all_covers_every_file)
{
    struct engine_job sync = {0}, write = {0};
    put(FILE_STABLE, 0, PAGE, 1);
    cr_assert_eq(engine_write(&other, FILE_STABLE, 0, out, PAGE), PAGE);
    engine_hold(&engine, DEVICE_WRITE);
    pattern_fill(2, 0, out, PAGE);
    engine_start_write(&file, &write, FILE_BEHIND, 0, out, PAGE);
    write = (struct engine_job){0};
    engine_start_write(&other, &write, FILE_THROUGH, 0, out, PAGE);
    engine_start_sync_all(&engine, 0, &sync);
    engine_run(&engine);
    cr_assert_not(sync.done);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert_eq(sync.result, 0);
    uint64_t before = flushes();
    cr_assert_eq(engine_sync(&file), 0);
    cr_assert_eq(engine_sync(&other), 0);
    cr_assert_eq(flushes(), before);
    reopen(true);
    cr_assert(holds(0, PAGE, 2));
}

static struct engine_job chain[3];
static unsigned chained;

/* The done of one starts a truncate that ends at once, which lets the others go on. */
static void truncate_in_done(struct engine_job *job)
{
    static struct engine_job truncate;
    (void)job;
    if (chained++ == 0)
        engine_start_truncate(&other, &truncate, 0);
}

Test(file_sync, syncs_of_all_that_end_each_other)
{
    for (unsigned i = 0; i < 3; i++) {
        chain[i] = (struct engine_job){.then = truncate_in_done};
        engine_start_sync_all(&engine, 0, &chain[i]);
    }
    engine_run(&engine);
    cr_assert(chain[0].done && chain[1].done && chain[2].done);
}

static void sync_all_again(struct engine_job *job)
{
    if (++chained < 5) {
        job->done = false;
        engine_start_sync_all(&engine, 0, job);
    }
}

Test(file_sync, done_of_a_sync_of_all_syncs_all)
{
    struct engine_job one = {.then = sync_all_again}, two = {0};
    chained = 0;
    engine_start_sync_all(&engine, 0, &one);
    engine_start_sync_all(&engine, 0, &two);
    engine_run(&engine);
    cr_assert_eq(chained, 5);
    cr_assert(two.done);
}

Test(file_sync, a_sync_of_all_on_three_shards)
{
    struct engine_file files[9];
    char name[16];
    engine_finish(&engine);
    start_with((struct engine_options){.shards = 3});
    for (unsigned i = 0; i < 9; i++) {
        snprintf(name, sizeof(name), "/f%u", i);
        engine_create(&engine, &files[i], name);
        cr_assert_eq(engine_write(&files[i], FILE_STABLE, 0, out, PAGE), PAGE);
        pattern_fill(i + 1, 0, out, PAGE);
        cr_assert_eq(engine_write(&files[i], FILE_THROUGH, 0, out, PAGE), PAGE);
    }
    cr_assert_eq(engine_sync_all(&engine), 0);
    reopen(true);
    for (unsigned i = 0; i < 9; i++) {
        snprintf(name, sizeof(name), "/f%u", i);
        engine_open(&engine, &files[i], name);
        cr_assert_eq(engine_read(&files[i], 0, in, PAGE), PAGE);
        cr_assert(pattern_matches(i + 1, 0, in, PAGE));
    }
}

/* ---- the last close ---------------------------------------------------------------------------- */

Test(file_sync, the_last_close_settles_what_is_owed)
{
    put(FILE_STABLE, 0, PAGE, 1);
    put(FILE_THROUGH, 0, PAGE, 2);
    uint64_t before = flushes();
    engine_close(&file);
    engine_run(&engine);
    cr_assert_eq(flushes(), before + 1);
    engine_open(&engine, &file, "/file");
    cr_assert_eq(engine_sync(&file), 0);
    cr_assert_eq(flushes(), before + 1);
}

Test(file_sync, closing_in_done_is_allowed)
{
    struct engine_job write = {0};
    engine_start_write(&file, &write, FILE_BEHIND, 0, out, PAGE);
    engine_close(&file);
    engine_run(&engine);
    cr_assert(write.done);
    engine_evict(&other); /* its frames go, and with them the file */
    engine_open(&engine, &file, "/file");
    cr_assert_eq(engine_size(&file), PAGE);
}

/* ---- other devices ----------------------------------------------------------------------------- */

Test(file_sync, without_fua_a_flush_makes_it_stable)
{
    engine_finish(&engine);
    start_with((struct engine_options){.no_fua = true});
    put(FILE_STABLE, 0, MIB, 1);
    cr_assert_eq(sim_statistics(engine.device).fua_writes, 0);
    put(FILE_STABLE, 100, 100, 2);
    reopen(true);
    cr_assert(holds(0, 100, 1) && holds(100, 100, 2) && holds(200, MIB - 200, 1));
}

Test(file_sync, without_a_volatile_cache_nothing_is_flushed)
{
    engine_finish(&engine);
    start_with((struct engine_options){.no_volatile_cache = true});
    uint64_t before = flushes();
    put(FILE_STABLE, 0, MIB, 1);
    put(FILE_THROUGH, 0, PAGE, 2);
    cr_assert_eq(engine_sync(&file), 0);
    cr_assert_eq(engine_sync_all(&engine), 0);
    cr_assert_eq(flushes(), before);
    cr_assert_eq(sim_statistics(engine.device).fua_writes, 0);
    reopen(true);
    cr_assert(holds(0, PAGE, 2) && holds(PAGE, MIB - PAGE, 1));
}

/* Past a depth durable writes go plain and share a flush. */
Test(file_sync, many_stable_writes_share_flushes)
{
    static struct engine_job jobs[300];
    static unsigned char page[PAGE];
    put(FILE_STABLE, 0, MIB, 1);
    cr_assert_eq(engine_truncate(&file, 700 * PAGE), 0);
    for (unsigned i = 0; i < 300; i++) /* not contiguous: a command each */
        engine_start_write(&file, &jobs[i], FILE_STABLE, 2 * i * PAGE, page, PAGE);
    uint64_t before = flushes();
    engine_run(&engine);
    for (unsigned i = 0; i < 300; i++)
        cr_assert_eq(jobs[i].result, PAGE);
    cr_assert_gt(flushes(), before);
    cr_assert_lt(flushes() - before, 100);
    reopen(true);
    for (unsigned i = 0; i < 300; i++)
        cr_assert(holds(2 * i * PAGE, PAGE, 0));
}
