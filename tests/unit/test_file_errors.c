/* test_file_errors.c - errors of the device, and who is told. */
#include "tests/unit/file_fixture.h"

TestSuite(file_errors, .init = start, .fini = finish);

/* ---- reads ------------------------------------------------------------------------------------- */

Test(file_errors, a_failed_read_is_told_to_all_who_share_it_and_forgotten)
{
    struct engine_job one = {0}, two = {0};
    static unsigned char second[PAGE];
    put(FILE_THROUGH, 0, 4 * PAGE, 1);
    engine_evict(&other);
    sim_fail_next(engine.device, DEVICE_READ, -EIO);
    engine_start_read(&file, &one, 0, in, 2 * PAGE);
    engine_start_read(&file, &two, 0, second, PAGE);
    engine_run(&engine);
    cr_assert_eq(one.result, -EIO);
    cr_assert_eq(two.result, -EIO);
    cr_assert(holds(0, 4 * PAGE, 1));
}

Test(file_errors, a_write_whose_page_cannot_be_read_changes_nothing)
{
    put(FILE_THROUGH, 0, 2 * PAGE, 1);
    engine_evict(&other);
    sim_fail_next(engine.device, DEVICE_READ, -EIO);
    cr_assert_eq(engine_write(&file, FILE_THROUGH, 10, out, PAGE), -EIO);
    cr_assert(holds(0, 2 * PAGE, 1));
}

/* What waits for an earlier write goes on when that one could not even begin. */
Test(file_errors, a_sync_of_all_goes_on_when_a_write_before_it_cannot_begin)
{
    struct engine_job write = {0}, sync = {0}, sync_file = {0};
    put(FILE_THROUGH, 0, 2 * PAGE, 1);
    engine_evict(&other);
    engine_run(&engine);
    engine_hold(&engine, DEVICE_READ);
    sim_fail_next(engine.device, DEVICE_READ, -EIO);
    engine_start_write(&file, &write, FILE_THROUGH, 10, out, 100);
    engine_start_sync_all(&engine, 0, &sync);
    engine_start_sync(&file, &sync_file, false);
    engine_run(&engine);
    cr_assert_not(write.done || sync.done || sync_file.done);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert_eq(write.result, -EIO);
    cr_assert(sync.done);
    cr_assert(sync_file.done);
    cr_assert_eq(sync_file.result, 0); /* the writer was told */
}

/* ---- writes ------------------------------------------------------------------------------------ */

Test(file_errors, every_writer_who_shares_a_failed_write_is_told)
{
    struct engine_job jobs[3] = {0};
    put(FILE_THROUGH, 0, 3 * PAGE, 1);
    pattern_fill(2, 0, out, 3 * PAGE);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    for (unsigned i = 0; i < 3; i++)
        engine_start_write(&file, &jobs[i], FILE_THROUGH, i * 100, out, 100);
    engine_run(&engine);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(jobs[i].result, -EIO);
}

Test(file_errors, after_a_failed_write_a_block_is_old_or_new)
{
    put(FILE_STABLE, 0, 4 * PAGE, 1);
    pattern_fill(2, 0, out, 4 * PAGE);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    cr_assert_eq(engine_write(&file, FILE_THROUGH, 0, out, 4 * PAGE), -EIO);
    for (unsigned page = 0; page < 4; page++)
        cr_assert(holds(page * PAGE, PAGE, 1) || holds(page * PAGE, PAGE, 2));
    put(FILE_THROUGH, 0, 4 * PAGE, 3);
    cr_assert(holds(0, 4 * PAGE, 3));
    cr_assert_eq(engine_sync(&file), 0);
    reopen(true);
    cr_assert(holds(0, 4 * PAGE, 3));
}

/* A copy that holds bytes of what failed fails with it. */
Test(file_errors, a_derived_copy_fails_with_its_page)
{
    struct engine_job first = {0}, second = {0};
    put(FILE_STABLE, 0, PAGE, 1);
    engine_hold(&engine, DEVICE_WRITE);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    engine_start_write(&file, &first, FILE_THROUGH, 0, out, PAGE / 2);
    engine_run(&engine);
    engine_start_write(&file, &second, FILE_THROUGH, PAGE / 2, out, PAGE / 2);
    engine_run(&engine);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert_eq(first.result, -EIO);
    cr_assert_eq(second.result, -EIO);
    put(FILE_THROUGH, 0, PAGE, 4);
    cr_assert(holds(0, PAGE, 4));
}

Test(file_errors, a_copy_written_whole_survives)
{
    struct engine_job first = {0}, second = {0};
    static unsigned char newer[PAGE];
    put(FILE_STABLE, 0, PAGE, 1);
    pattern_fill(7, 0, newer, PAGE);
    engine_hold(&engine, DEVICE_WRITE);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    engine_start_write(&file, &first, FILE_THROUGH, 0, out, PAGE / 2);
    engine_run(&engine);
    engine_start_write(&file, &second, FILE_THROUGH, 0, newer, PAGE);
    engine_run(&engine);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert_eq(first.result, -EIO);
    cr_assert_eq(second.result, PAGE);
    engine_evict(&other);
    cr_assert(holds(0, PAGE, 7));
}

/* The same where the block was never recorded: the copy takes it over. */
Test(file_errors, a_copy_written_whole_takes_over_a_new_block)
{
    struct engine_job first = {0}, second = {0};
    static unsigned char newer[PAGE];
    cr_assert_eq(engine_truncate(&file, 4 * PAGE), 0);
    uint64_t blocks = engine_free_blocks(&engine);
    pattern_fill(7, PAGE, newer, PAGE);
    engine_hold(&engine, DEVICE_WRITE);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    engine_start_write(&file, &first, FILE_THROUGH, PAGE, out, PAGE);
    engine_run(&engine);
    engine_start_write(&file, &second, FILE_THROUGH, PAGE, newer, PAGE);
    engine_run(&engine);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert_eq(first.result, -EIO);
    cr_assert_eq(second.result, PAGE);
    cr_assert_eq(engine_free_blocks(&engine), blocks - 1);
    reopen(true);
    cr_assert(holds(PAGE, PAGE, 7));
    cr_assert_eq(engine_free_blocks(&engine), blocks - 1);
}

Test(file_errors, a_failed_write_into_a_hole_gives_its_blocks_back)
{
    cr_assert_eq(engine_truncate(&file, MIB), 0);
    uint64_t blocks = engine_free_blocks(&engine);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    cr_assert_eq(engine_write(&file, FILE_THROUGH, 0, out, 64 * PAGE), -EIO);
    engine_run(&engine);
    cr_assert_eq(engine_free_blocks(&engine), blocks);
    cr_assert(holds(0, MIB, 0));
}

/* ---- extending --------------------------------------------------------------------------------- */

Test(file_errors, a_failed_extension_leaves_the_old_size)
{
    put(FILE_THROUGH, 0, PAGE + 100, 1);
    uint64_t blocks = engine_free_blocks(&engine);
    pattern_fill(2, PAGE + 100, out, 8 * PAGE);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    cr_assert_eq(engine_append(&file, FILE_THROUGH, out, 8 * PAGE), -EIO);
    engine_run(&engine);
    cr_assert_eq(engine_size(&file), PAGE + 100);
    cr_assert_eq(engine_free_blocks(&engine), blocks);
    cr_assert_eq(engine_truncate(&file, 4 * PAGE), 0);
    cr_assert(holds(PAGE + 100, 3 * PAGE - 100, 0));
}

/* Appends in flight behind the one that fails: none of them may be done well, and the next starts at the
 * old end. */
Test(file_errors, appends_behind_a_failed_one_fail_too)
{
    struct engine_job jobs[4] = {0};
    static unsigned char bytes[4][2 * PAGE];
    put(FILE_THROUGH, 0, PAGE, 1);
    uint64_t blocks = engine_free_blocks(&engine);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    engine_hold(&engine, DEVICE_WRITE);
    for (unsigned i = 0; i < 4; i++) {
        memset(bytes[i], (int)(0x40 + i), sizeof(bytes[i]));
        engine_start_append(&file, &jobs[i], FILE_THROUGH, bytes[i], 2 * PAGE - 100);
        engine_run(&engine);
    }
    sim_release(engine.device);
    engine_run(&engine);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(jobs[i].result, -EIO, "append %u: %ld", i, (long)jobs[i].result);
    cr_assert_eq(engine_size(&file), PAGE);
    cr_assert_eq(engine_free_blocks(&engine), blocks);
    pattern_fill(9, PAGE, out, PAGE);
    cr_assert_eq(engine_append(&file, FILE_STABLE, out, PAGE), PAGE);
    cr_assert(holds(0, PAGE, 1) && holds(PAGE, PAGE, 9));
    reopen(true);
    cr_assert_eq(engine_size(&file), 2 * PAGE);
    cr_assert(holds(0, PAGE, 1) && holds(PAGE, PAGE, 9));
    cr_assert_eq(engine_free_blocks(&engine), blocks - 1);
}

/* The last transfer of the file that the failure waits for is a read. */
Test(file_errors, a_failed_extension_ends_with_the_reads_in_flight)
{
    struct engine_job read = {0}, append = {0}, after = {0};
    put(FILE_STABLE, 0, 4 * PAGE, 1);
    engine_evict(&other);
    engine_hold(&engine, DEVICE_READ);
    engine_start_read(&file, &read, 0, in, PAGE);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    engine_start_write(&file, &append, FILE_THROUGH, 4 * PAGE, out, PAGE);
    engine_run(&engine);
    cr_assert_eq(append.result, -EIO);
    cr_assert_not(read.done);
    sim_release(engine.device);
    engine_start_append(&file, &after, FILE_THROUGH, out, PAGE);
    engine_run(&engine);
    cr_assert_eq(read.result, PAGE);
    cr_assert_eq(after.result, PAGE);
}

/* One that only lies inside what the failed one made long must not be told that it is there. */
Test(file_errors, a_write_inside_a_failed_extension_fails_too)
{
    struct engine_job far = {0}, inside = {0}, queued = {0};
    static unsigned char bytes[PAGE];
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    engine_start_write(&file, &far, FILE_BEHIND, 100 * PAGE, out, PAGE);
    engine_send(&engine);
    engine_start_write(&file, &inside, FILE_THROUGH, PAGE, bytes, PAGE);
    engine_run(&engine);
    cr_assert_eq(far.result, PAGE); /* told before */
    if (inside.result == PAGE)
        cr_assert_geq(engine_size(&file), 2 * PAGE);
    else
        cr_assert_eq(inside.result, -EIO);
    engine_start_write(&file, &queued, FILE_THROUGH, 0, bytes, PAGE);
    engine_run(&engine);
    cr_assert_eq(queued.result, PAGE);
    cr_assert_eq(engine_sync(&file), -EIO);
}

/*
 * Two writes inside what a third made long: they do not touch each other. The second is the first in the
 * queue for frames, the first comes into the queue behind it. When the third fails, the file is short again,
 * and now both move its size: they have an order, and it is not the queue's.
 */
Test(file_errors, the_queue_for_frames_outlives_a_failed_extension)
{
    struct engine_job far = {0}, first = {0}, second = {0}, dirty[4] = {0};
    put(FILE_STABLE, 0, 64 * PAGE, 1);
    engine_evict(&other);
    engine_start_write(&file, &far, FILE_THROUGH, 1000 * PAGE, out, PAGE);
    for (unsigned i = 0; i < 3; i++)
        engine_start_write(&other, &dirty[i], FILE_THROUGH, (uint64_t)(16 + i) * MIB, out, MIB);
    engine_start_write(&file, &first, FILE_THROUGH, 63 * PAGE + 100, out, 4 * PAGE);
    engine_start_write(&other, &dirty[3], FILE_THROUGH, 20 * MIB, out, 254 * PAGE);
    engine_start_write(&file, &second, FILE_THROUGH, 200 * PAGE, out, 4 * PAGE);
    cr_assert_eq(engine_counters(&file)->frame_waits, 1);
    while (sim_step(engine.device)) /* the page that the first needs comes */
        continue;
    cr_assert_eq(engine_counters(&file)->frame_waits, 2);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    engine_run(&engine);
    cr_assert_eq(far.result, -EIO);
    cr_assert_eq(first.result, 4 * PAGE);
    cr_assert_eq(second.result, 4 * PAGE);
    cr_assert_eq(engine_size(&file), 204 * PAGE);
}

/* ---- behind, and syncs ------------------------------------------------------------------------- */

static void fail_behind(void)
{
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    cr_assert_eq(engine_write(&file, FILE_BEHIND, 0, out, PAGE), PAGE);
    engine_run(&engine);
}

Test(file_errors, a_failed_write_behind_is_told_once_to_each_handle)
{
    struct engine_file second;
    put(FILE_STABLE, 0, PAGE, 1);
    engine_open_again(&file, &second);
    fail_behind();
    cr_assert_eq(engine_sync(&file), -EIO);
    cr_assert_eq(engine_sync(&file), 0);
    cr_assert_eq(engine_sync(&second), -EIO);
    cr_assert_eq(engine_sync(&second), 0);
    engine_close(&second);
    engine_open_again(&file, &second); /* somebody has seen it: not the next opener's */
    cr_assert_eq(engine_sync(&second), 0);
    engine_close(&second);
}

Test(file_errors, a_failed_write_behind_that_nobody_saw_goes_to_the_next_opener)
{
    put(FILE_STABLE, 0, PAGE, 1);
    fail_behind();
    engine_close(&file);
    engine_run(&engine);
    engine_evict(&other); /* all its pages go: the error stays */
    engine_open(&engine, &file, "/file");
    cr_assert_eq(engine_sync(&file), -EIO);
    cr_assert_eq(engine_sync(&file), 0);
}

Test(file_errors, a_failed_write_behind_after_the_last_close)
{
    put(FILE_STABLE, 0, PAGE, 1);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    cr_assert_eq(engine_write(&file, FILE_BEHIND, 0, out, PAGE), PAGE);
    engine_close(&file);
    engine_run(&engine);
    engine_open(&engine, &file, "/file");
    cr_assert_eq(engine_sync(&file), -EIO);
}

Test(file_errors, after_a_failed_write_behind_reads_show_the_medium)
{
    put(FILE_STABLE, 0, PAGE, 1);
    pattern_fill(2, 0, out, PAGE);
    fail_behind();
    sim_peek(engine.device, engine_place(&file, 0), out, PAGE);
    cr_assert_eq(engine_read(&file, 0, in, PAGE), PAGE);
    cr_assert_eq(memcmp(in, out, PAGE), 0);
}

Test(file_errors, an_error_told_to_its_writer_is_not_told_again)
{
    put(FILE_STABLE, 0, PAGE, 1);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    cr_assert_eq(engine_write(&file, FILE_THROUGH, 0, out, PAGE), -EIO);
    cr_assert_eq(engine_sync(&file), 0);
}

/* FUA that failed is a write that failed, no more. */
Test(file_errors, a_failed_fua_write_is_told_and_the_volume_goes_on)
{
    put(FILE_STABLE, 0, PAGE, 1);
    uint64_t fua = sim_statistics(engine.device).fua_writes;
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    cr_assert_eq(engine_write(&file, FILE_STABLE, 0, out, PAGE), -EIO);
    cr_assert_gt(sim_statistics(engine.device).fua_writes, fua);
    put(FILE_STABLE, 0, PAGE, 3);
    cr_assert(holds(0, PAGE, 3));
}

/* ---- the volume fails -------------------------------------------------------------------------- */

static void fail_flush(void)
{
    put(FILE_THROUGH, 0, PAGE, 2);
    sim_fail_next(engine.device, DEVICE_FLUSH, -EIO);
    cr_assert_eq(engine_sync(&file), -EIO);
    engine_run(&engine);
}

Test(file_errors, after_a_failed_flush_writes_are_refused_and_reads_go_on)
{
    put(FILE_STABLE, 0, 4 * PAGE, 1);
    fail_flush();
    cr_assert_eq(engine_write(&file, FILE_THROUGH, 0, out, PAGE), -EROFS);
    cr_assert_eq(engine_write(&file, FILE_BEHIND, 0, out, PAGE), -EROFS);
    cr_assert_eq(engine_append(&file, FILE_STABLE, out, PAGE), -EROFS);
    cr_assert_eq(engine_truncate(&file, 0), -EROFS);
    cr_assert_eq(engine_truncate(&file, MIB), -EROFS);
    cr_assert(holds(0, PAGE, 2) && holds(PAGE, 3 * PAGE, 1));
    cr_assert_neq(engine_sync(&file), 0);
    cr_assert_neq(engine_sync_all(&engine), 0);
    engine_close(&file);
    engine_run(&engine);
}

Test(file_errors, a_failed_flush_is_owed_to_every_file_with_unflushed_writes)
{
    struct engine_job write = {0};
    engine_start_write(&other, &write, FILE_THROUGH, 0, out, PAGE);
    engine_run(&engine);
    cr_assert_eq(engine_sync(&other), 0);
    cr_assert_eq(engine_write(&other, FILE_THROUGH, 0, out, PAGE), PAGE);
    put(FILE_STABLE, 0, PAGE, 1);
    fail_flush();
    cr_assert_eq(engine_sync(&other), -EIO);
}

Test(file_errors, a_failed_journal_write_fails_what_waits_and_the_volume)
{
    struct engine_job far = {0}, behind = {0}, truncate = {0}, sync = {0};
    put(FILE_STABLE, 0, PAGE, 1);
    engine_run(&engine);
    pattern_fill(2, PAGE, out, PAGE);
    engine_start_write(&file, &far, FILE_THROUGH, PAGE, out, PAGE);
    engine_start_write(&file, &behind, FILE_BEHIND, 2 * PAGE, out, PAGE);
    engine_send(&engine);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO); /* the next is the journal's */
    engine_start_truncate(&file, &truncate, 0);
    engine_start_sync(&file, &sync, false);
    engine_run(&engine);
    cr_assert_eq(far.result, -EROFS);
    cr_assert_eq(truncate.result, -EROFS);
    cr_assert_lt(sync.result, 0);
    cr_assert_eq(engine_size(&file), PAGE);
    cr_assert(holds(0, PAGE, 1));
    cr_assert_eq(engine_write(&file, FILE_THROUGH, 0, out, PAGE), -EROFS);
}

/* Writes that wait to be sent when the volume fails. */
Test(file_errors, dirty_pages_fail_with_the_volume)
{
    struct engine_job first = {0}, second = {0}, sync = {0};
    put(FILE_STABLE, 0, PAGE, 1);
    put(FILE_THROUGH, 0, PAGE, 2);
    sim_fail_next(engine.device, DEVICE_FLUSH, -EIO);
    engine_start_sync(&file, &sync, false);
    while (!volume_get_shard(engine.volume, 0)->read_only) {
        message_deliver(engine.office, 0, 1);
        message_flush(engine.office, 0);
        sim_step(engine.device);
        if (!first.engine) {
            engine_start_write(&file, &first, FILE_BEHIND, 0, out, PAGE);
            engine_start_write(&other, &second, FILE_THROUGH, 0, out, PAGE);
        }
    }
    engine_run(&engine);
    cr_assert_eq(first.result, PAGE);
    cr_assert_eq(second.result, -EROFS);
    cr_assert_lt(sync.result, 0);
    cr_assert_lt(engine_sync(&file), 0);
}
