/* test_file_shape.c - truncate and drop; and that stale bytes never show. */
#include "tests/unit/file_fixture.h"

TestSuite(file_shape, .init = start, .fini = finish);

/* ---- truncate ---------------------------------------------------------------------------------- */

Test(file_shape, truncate_down_frees_the_blocks)
{
    put(FILE_THROUGH, 0, PAGE, 1);
    uint64_t blocks = engine_free_blocks(&engine);
    put(FILE_THROUGH, 0, MIB, 2);
    cr_assert_eq(engine_free_blocks(&engine), blocks - 255);
    cr_assert_eq(engine_truncate(&file, PAGE), 0);
    cr_assert_eq(engine_free_blocks(&engine), blocks);
    cr_assert_eq(engine_size(&file), PAGE);
    cr_assert(holds(0, PAGE, 2));
    reopen(true);
    cr_assert_eq(engine_free_blocks(&engine), blocks);
    cr_assert_eq(engine_size(&file), PAGE);
}

Test(file_shape, truncate_up_is_a_hole)
{
    put(FILE_THROUGH, 0, 100, 1);
    uint64_t blocks = engine_free_blocks(&engine);
    cr_assert_eq(engine_truncate(&file, 10 * MIB + 5), 0);
    cr_assert_eq(engine_size(&file), 10 * MIB + 5);
    cr_assert_eq(engine_free_blocks(&engine), blocks);
    cr_assert(holds(0, 100, 1));
    cr_assert(holds(100, MIB - 100, 0));
    cr_assert(holds(10 * MIB + 5 - PAGE, PAGE, 0));
    reopen(true);
    cr_assert_eq(engine_size(&file), 10 * MIB + 5);
    cr_assert(holds(100, MIB - 100, 0));
}

Test(file_shape, truncate_of_an_empty_file)
{
    cr_assert_eq(engine_truncate(&file, 0), 0);
    cr_assert_eq(engine_truncate(&file, 123456), 0);
    cr_assert(holds(0, 123456, 0));
    cr_assert_eq(engine_truncate(&file, 0), 0);
    cr_assert_eq(engine_size(&file), 0);
}

Test(file_shape, truncate_past_the_limit_is_refused)
{
    cr_assert_eq(engine_truncate(&file, FILE_SIZE_BYTES_MAX + 1), -EFBIG);
    cr_assert_eq(engine_write(&file, FILE_THROUGH, FILE_SIZE_BYTES_MAX - 10, out, 11), -EFBIG);
    cr_assert_eq(engine_truncate(&file, FILE_SIZE_BYTES_MAX), 0);
    cr_assert_eq(engine_append(&file, FILE_THROUGH, out, 1), -EFBIG);
    cr_assert_eq(engine_size(&file), FILE_SIZE_BYTES_MAX);
}

Test(file_shape, truncate_waits_for_writes_in_flight)
{
    struct engine_job write = {0}, truncate = {0}, after = {0};
    static unsigned char tail[PAGE];
    put(FILE_THROUGH, 0, 8 * PAGE, 1);
    pattern_fill(2, 0, out, 8 * PAGE);
    pattern_fill(3, 2 * PAGE, tail, PAGE);
    engine_hold(&engine, DEVICE_WRITE);
    engine_start_write(&file, &write, FILE_THROUGH, 0, out, 8 * PAGE);
    engine_run(&engine); /* sent: nothing holds the truncate back now but the drain itself */
    engine_start_truncate(&file, &truncate, 2 * PAGE);
    engine_start_append(&file, &after, FILE_THROUGH, tail, PAGE);
    engine_run(&engine);
    cr_assert_not(write.done || truncate.done || after.done);
    cr_assert_eq(engine_size(&file), 8 * PAGE);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert_eq(write.result, 8 * PAGE);
    cr_assert_eq(truncate.result, 0);
    cr_assert(write.order < truncate.order && truncate.order < after.order);
    cr_assert_eq(after.result_offset, 2 * PAGE);
    cr_assert(holds(0, 2 * PAGE, 2) && holds(2 * PAGE, PAGE, 3));
}

Test(file_shape, truncate_waits_for_reads_of_what_it_frees)
{
    struct engine_job read = {0}, truncate = {0};
    put(FILE_THROUGH, 0, 8 * PAGE, 1);
    engine_evict(&other);
    engine_hold(&engine, DEVICE_READ);
    engine_start_read(&file, &read, 0, in, 8 * PAGE);
    engine_start_truncate(&file, &truncate, 0);
    engine_run(&engine);
    cr_assert_not(truncate.done);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert_eq(read.result, 8 * PAGE);
    cr_assert(pattern_matches(1, 0, in, 8 * PAGE));
    cr_assert_eq(engine_size(&file), 0);
}

/* ---- stale bytes ------------------------------------------------------------------------------- */

/* Down in the middle of a page, and up again: by truncate, by an append, by a far write; the page cached or
 * not. */
static void shrink_and_grow(unsigned how, bool evict, bool restart)
{
    uint64_t end = 2 * PAGE + 100;
    put(FILE_THROUGH, 0, 4 * PAGE, 1);
    cr_assert_eq(engine_truncate(&file, end), 0);
    if (restart)
        reopen(true);
    if (evict)
        engine_evict(&other);
    if (how == 0)
        cr_assert_eq(engine_truncate(&file, 4 * PAGE), 0);
    else if (how == 1)
        put(FILE_THROUGH, end + 50, 4 * PAGE - (uint32_t)end - 50, 0);
    else
        put(FILE_THROUGH, 3 * PAGE + 10, PAGE - 10, 0);
    for (unsigned pass = 0; pass < 2; pass++) {
        cr_assert(holds(0, (uint32_t)end, 1));
        cr_assert(holds(end, 4 * PAGE - (uint32_t)end, 0), "how %u evict %d restart %d", how, evict,
                  restart);
        reopen(true);
    }
    cr_assert_eq(engine_truncate(&file, 0), 0);
}

Test(file_shape, what_was_cut_off_does_not_come_back)
{
    for (unsigned how = 0; how < 3; how++)
        for (unsigned way = 0; way < 4; way++)
            shrink_and_grow(how, way & 1, way & 2);
}

/* Bytes past the size in the last block of the medium are anybody's. */
Test(file_shape, bytes_past_the_size_on_the_medium_do_not_show)
{
    static unsigned char junk[PAGE];
    put(FILE_STABLE, 0, PAGE + 100, 1);
    uint64_t place = engine_place(&file, 1);
    sim_peek(engine.device, place, junk, PAGE);
    memset(junk + 100, 0xdd, PAGE - 100);
    reopen(false);
    sim_poke(engine.device, place, junk, PAGE);
    cr_assert_eq(engine_truncate(&file, PAGE + 300), 0);
    cr_assert(holds(PAGE + 100, 200, 0));
    reopen(true);
    sim_peek(engine.device, place, in, PAGE);
    cr_assert_eq(in[200], 0); /* it was rewritten before the size moved */
    put(FILE_THROUGH, 10 * PAGE, PAGE, 2);
    cr_assert(holds(PAGE + 100, 8 * PAGE, 0));
}

/* A write that a crash cut leaves blocks mapped past the size; the file must not grow over them. */
Test(file_shape, what_a_crash_left_past_the_size_does_not_show)
{
    struct engine_job first = {0}, second = {0};
    put(FILE_STABLE, 0, PAGE, 1);
    uint64_t blocks = engine_free_blocks(&engine);
    pattern_fill(2, 3 * PAGE, out, PAGE);
    engine_start_write(&file, &first, FILE_THROUGH, PAGE, out, PAGE);
    engine_send(&engine);
    engine_hold_in_flight(&engine);
    engine_start_write(&file, &second, FILE_THROUGH, 3 * PAGE, out, PAGE);
    engine_run(&engine);
    cr_assert_not(first.done || second.done);
    cr_assert_neq(engine_place(&file, 3), 0); /* mapped, but the size does not cover it */
    reopen(true);
    engine_run(&engine);
    cr_assert_eq(engine_size(&file), PAGE);
    cr_assert_eq(engine_truncate(&file, 8 * PAGE), 0);
    cr_assert(holds(PAGE, 7 * PAGE, 0));
    cr_assert_eq(engine_free_blocks(&engine), blocks);
    reopen(true);
    cr_assert(holds(PAGE, 7 * PAGE, 0));
    cr_assert(holds(0, PAGE, 1));
}

/* The first record of a file may only map: it must not make its times those of 1970. */
Test(file_shape, a_crash_keeps_the_times_of_a_file_without_size)
{
    struct engine_job first = {0}, second = {0};
    struct file_attributes attributes;
    engine_start_write(&file, &first, FILE_THROUGH, PAGE, out, PAGE);
    engine_send(&engine);
    engine_hold_in_flight(&engine);
    engine_start_write(&file, &second, FILE_THROUGH, 3 * PAGE, out, PAGE);
    engine_run(&engine);
    cr_assert_neq(engine_place(&file, 3), 0);
    reopen(true);
    file_attributes(file.shard, file.ino, file.generation, 0, &attributes);
    cr_assert_eq(attributes.size_bytes, 0);
    cr_assert_gt(attributes.mtime_ns, 0);
}

/* ---- drop -------------------------------------------------------------------------------------- */

Test(file_shape, drop_frees_everything)
{
    uint64_t blocks = engine_free_blocks(&engine);
    put(FILE_THROUGH, 0, MIB, 1);
    put(FILE_BEHIND, 3 * MIB, MIB, 1);
    cr_assert_eq(engine_drop(&file), 0);
    cr_assert_eq(engine_free_blocks(&engine), blocks);
}

Test(file_shape, drop_waits_for_what_is_in_flight)
{
    struct engine_job write = {0}, drop = {0};
    uint64_t blocks = engine_free_blocks(&engine);
    engine_hold(&engine, DEVICE_WRITE);
    engine_start_write(&file, &write, FILE_THROUGH, 0, out, MIB);
    engine_start_drop(&file, &drop);
    engine_run(&engine);
    cr_assert_not(drop.done);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert_eq(write.result, MIB);
    cr_assert_eq(drop.result, 0);
    engine_close(&file);
    engine_run(&engine);
    cr_assert_eq(engine_free_blocks(&engine), blocks);
}

Test(file_shape, drop_of_a_file_that_was_never_written)
{
    cr_assert_eq(engine_drop(&file), 0);
    cr_assert_eq(engine_size(&file), 0);
}

/* The record of its times is on its way when it is dropped: it must not come back as an entry. */
Test(file_shape, a_dropped_file_does_not_come_back)
{
    struct engine_job sync = {0}, drop = {0};
    const struct superblock *superblock = volume_superblock(engine.volume);
    put(FILE_THROUGH, 0, PAGE, 1);
    put(FILE_THROUGH, 0, PAGE, 2); /* times are not recorded by an overwrite */
    engine_run(&engine);
    sim_hold(engine.device, DEVICE_WRITE, superblock->journal_offset, superblock->journal_bytes);
    engine_start_sync_all(&engine, 0, &sync);
    engine_run(&engine);
    cr_assert_eq(sim_held(engine.device), 1);
    engine_start_drop(&file, &drop);
    cr_assert(drop.done);
    sim_release(engine.device);
    engine_run(&engine);
    engine_close(&file);
    engine_run(&engine);
    struct volume_shard *shard = volume_get_shard(engine.volume, 0);
    cr_assert_null(partition_find(volume_partition(shard, file.ino), file.ino, file.generation));
}

Test(file_shape, blocks_of_a_dropped_file_show_nothing_to_the_next)
{
    put(FILE_THROUGH, 0, MIB, 1);
    cr_assert_eq(engine_drop(&file), 0);
    engine_create(&engine, &file, "/next");
    for (unsigned page = 0; page < 200; page += 3)
        put(FILE_THROUGH, page * PAGE + 7, 5, 2);
    for (unsigned page = 0; page < 198; page += 3) {
        cr_assert(holds(page * PAGE + 7, 5, 2));
        cr_assert(holds(page * PAGE + 12, 3 * PAGE - 5, 0));
    }
}
