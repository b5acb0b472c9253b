/* test_file_range.c - allocate, punch and zero: what they leave, what they free, and what a crash finds. */
#include "tests/unit/file_fixture.h"

TestSuite(file_range, .init = start, .fini = finish);

static int64_t allocate(uint64_t offset, uint64_t bytes)
{
    return engine_range(&file, FILE_ALLOCATE, false, offset, bytes);
}

static int64_t allocate_keep(uint64_t offset, uint64_t bytes)
{
    return engine_range(&file, FILE_ALLOCATE, true, offset, bytes);
}

static int64_t punch(uint64_t offset, uint64_t bytes)
{
    return engine_range(&file, FILE_PUNCH, true, offset, bytes);
}

static int64_t zero(uint64_t offset, uint64_t bytes)
{
    return engine_range(&file, FILE_ZERO, false, offset, bytes);
}

static uint64_t blocks_of_file(void)
{
    struct file_attributes attributes;
    file_attributes(file.shard, file.ino, file.generation, 0, &attributes);
    return attributes.blocks;
}

/* What a block held before must not show: junk where the page is recorded to be. */
static void poke_junk(uint64_t page)
{
    static unsigned char junk[PAGE];
    memset(junk, 0xdd, PAGE);
    cr_assert_neq(engine_place(&file, page), 0);
    sim_poke(engine.device, engine_place(&file, page), junk, PAGE);
}

/* ---- allocate ---------------------------------------------------------------------------------- */

Test(file_range, allocated_blocks_read_as_zeros_without_a_read)
{
    uint64_t free_blocks = engine_free_blocks(&engine);
    cr_assert_eq(allocate(100, 10 * PAGE), 0);
    cr_assert_eq(engine_size(&file), 10 * PAGE + 100);
    cr_assert_eq(blocks_of_file(), 11);
    cr_assert_eq(engine_free_blocks(&engine), free_blocks - 11);
    for (unsigned pass = 0; pass < 2; pass++) {
        poke_junk(3);
        uint64_t commands = engine_counters(&file)->read_commands;
        cr_assert(holds(0, 10 * PAGE + 100, 0));
        cr_assert_eq(engine_counters(&file)->read_commands, commands);
        reopen(true);
        cr_assert_eq(engine_size(&file), 10 * PAGE + 100);
        cr_assert_eq(blocks_of_file(), 11);
        cr_assert_eq(engine_free_blocks(&engine), free_blocks - 11);
    }
}

Test(file_range, a_write_converts_what_it_touches_and_takes_no_space)
{
    cr_assert_eq(allocate(0, 16 * PAGE), 0);
    uint64_t free_blocks = engine_free_blocks(&engine);
    poke_junk(4);
    put(FILE_THROUGH, 4 * PAGE + 10, 20, 1);
    put(FILE_STABLE, 8 * PAGE, 2 * PAGE, 2);
    for (unsigned pass = 0; pass < 2; pass++) {
        cr_assert_eq(engine_free_blocks(&engine), free_blocks);
        cr_assert_eq(blocks_of_file(), 16);
        cr_assert(holds(0, 4 * PAGE + 10, 0));
        cr_assert(holds(4 * PAGE + 10, 20, 1));
        cr_assert(holds(4 * PAGE + 30, 4 * PAGE - 30, 0));
        cr_assert(holds(8 * PAGE, 2 * PAGE, 2));
        cr_assert(holds(10 * PAGE, 6 * PAGE, 0));
        reopen(true);
    }
}

/* No record before its data: a cut before the data has landed must find zeros, not what was in the block. */
Test(file_range, a_cut_before_the_data_finds_zeros)
{
    struct engine_job write = {0};
    cr_assert_eq(allocate(0, 4 * PAGE), 0);
    poke_junk(1);
    pattern_fill(1, PAGE, out, PAGE);
    engine_hold(&engine, DEVICE_WRITE);
    engine_start_write(&file, &write, FILE_THROUGH, PAGE, out, PAGE);
    engine_run(&engine);
    cr_assert_not(write.done);
    reopen(true);
    cr_assert(holds(0, 4 * PAGE, 0));
    cr_assert_eq(blocks_of_file(), 4);
}

Test(file_range, a_failed_write_leaves_the_blocks_to_the_file)
{
    cr_assert_eq(allocate(0, 4 * PAGE), 0);
    uint64_t free_blocks = engine_free_blocks(&engine);
    poke_junk(1);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    cr_assert_eq(engine_write(&file, FILE_THROUGH, PAGE, out, PAGE), -EIO);
    cr_assert_eq(engine_free_blocks(&engine), free_blocks);
    cr_assert_eq(blocks_of_file(), 4);
    cr_assert(holds(0, 4 * PAGE, 0));
    put(FILE_THROUGH, PAGE, PAGE, 2);
    cr_assert(holds(PAGE, PAGE, 2));
    cr_assert_eq(engine_free_blocks(&engine), free_blocks);
}

Test(file_range, blocks_past_the_size_stay_for_the_file)
{
    put(FILE_THROUGH, 0, 100, 1);
    uint64_t free_blocks = engine_free_blocks(&engine);
    cr_assert_eq(allocate_keep(0, 8 * PAGE), 0);
    cr_assert_eq(engine_size(&file), 100);
    cr_assert_eq(blocks_of_file(), 8);
    reopen(true);
    engine_run(&engine);
    cr_assert_eq(engine_size(&file), 100);
    cr_assert_eq(blocks_of_file(), 8);
    put(FILE_THROUGH, 2 * PAGE, PAGE, 2);
    cr_assert_eq(blocks_of_file(), 8);
    cr_assert(holds(0, 100, 1) && holds(100, 2 * PAGE - 100, 0) && holds(2 * PAGE, PAGE, 2));
    /* A truncate frees them all the same. */
    cr_assert_eq(engine_truncate(&file, 100), 0);
    cr_assert_eq(engine_free_blocks(&engine), free_blocks);
}

/* The repair after a failed extending write frees what was written past the size, and nothing else. */
Test(file_range, blocks_past_the_size_stay_after_a_failed_append)
{
    put(FILE_THROUGH, 0, PAGE, 1);
    cr_assert_eq(allocate_keep(0, 8 * PAGE), 0);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    cr_assert_eq(engine_write(&file, FILE_THROUGH, PAGE, out, PAGE), -EIO);
    cr_assert_eq(engine_size(&file), PAGE);
    cr_assert_eq(blocks_of_file(), 8);
    put(FILE_THROUGH, PAGE, 7 * PAGE, 2);
    cr_assert_eq(blocks_of_file(), 8);
    cr_assert(holds(0, PAGE, 1) && holds(PAGE, 7 * PAGE, 2));
}

/* A cut leaves a block written past the size, among others that were only allocated. */
Test(file_range, after_a_cut_only_what_was_written_past_the_size_goes)
{
    struct engine_job first = {0}, second = {0};
    put(FILE_STABLE, 0, PAGE, 1);
    cr_assert_eq(allocate_keep(0, 8 * PAGE), 0);
    pattern_fill(2, 3 * PAGE, out, PAGE);
    engine_start_write(&file, &first, FILE_THROUGH, PAGE, out, PAGE);
    engine_send(&engine);
    engine_hold_in_flight(&engine);
    engine_start_write(&file, &second, FILE_THROUGH, 3 * PAGE, out, PAGE);
    engine_run(&engine);
    cr_assert_not(first.done || second.done);
    reopen(true);
    engine_run(&engine);
    cr_assert_eq(engine_size(&file), PAGE);
    cr_assert_eq(blocks_of_file(), 7);
    cr_assert_eq(engine_truncate(&file, 8 * PAGE), 0);
    cr_assert(holds(0, PAGE, 1) && holds(PAGE, 7 * PAGE, 0));
}

Test(file_range, allocate_fills_only_holes)
{
    put(FILE_THROUGH, 2 * PAGE, PAGE, 1);
    put(FILE_THROUGH, 5 * PAGE, 2 * PAGE, 2);
    uint64_t place = engine_place(&file, 5);
    cr_assert_eq(allocate(PAGE, 10 * PAGE), 0);
    cr_assert_eq(blocks_of_file(), 10);
    cr_assert_eq(engine_place(&file, 5), place);
    reopen(true);
    cr_assert(holds(2 * PAGE, PAGE, 1) && holds(5 * PAGE, 2 * PAGE, 2));
    cr_assert(holds(3 * PAGE, 2 * PAGE, 0) && holds(7 * PAGE, 4 * PAGE, 0));
    cr_assert_eq(allocate(PAGE, 10 * PAGE), 0, "nothing left to do");
    cr_assert_eq(blocks_of_file(), 10);
}

/* Stale bytes past the end, in the file's last block, must not show in a file that allocate made longer. */
Test(file_range, allocate_grows_over_a_partly_used_block)
{
    put(FILE_STABLE, 0, PAGE + 100, 1);
    uint64_t place = engine_place(&file, 1);
    static unsigned char junk[PAGE];
    sim_peek(engine.device, place, junk, PAGE);
    memset(junk + 100, 0xdd, PAGE - 100);
    reopen(false);
    sim_poke(engine.device, place, junk, PAGE);
    cr_assert_eq(allocate(3 * PAGE, PAGE), 0);
    cr_assert_eq(engine_size(&file), 4 * PAGE);
    reopen(true);
    cr_assert(holds(0, PAGE + 100, 1));
    cr_assert(holds(PAGE + 100, 3 * PAGE - 100, 0));
}

Test(file_range, allocate_without_space)
{
    uint64_t free_blocks = engine_free_blocks(&engine);
    put(FILE_THROUGH, 0, PAGE, 1);
    cr_assert_eq(allocate(PAGE, (free_blocks + 5) * PAGE), -ENOSPC);
    cr_assert_eq(engine_size(&file), PAGE);
    cr_assert(holds(0, PAGE, 1));
    cr_assert_eq(engine_write(&other, FILE_THROUGH, 0, out, PAGE), -ENOSPC);
    /* What it got is the file's. */
    put(FILE_THROUGH, PAGE, MIB, 2);
    cr_assert_eq(engine_truncate(&file, PAGE), 0);
    cr_assert_eq(engine_free_blocks(&engine), free_blocks - 1);
    /* All there is, in pieces too. */
    for (unsigned page = 0; page < 200; page += 2)
        cr_assert_eq(engine_write(&other, FILE_THROUGH, page * PAGE, out, PAGE), PAGE);
    cr_assert_eq(allocate(PAGE, engine_free_blocks(&engine) * PAGE), 0);
    cr_assert_eq(engine_free_blocks(&engine), 0);
    put(FILE_THROUGH, 70 * MIB, MIB, 3);
    cr_assert(holds(70 * MIB, MIB, 3));
}

/* Blocks on their way back are space. */
Test(file_range, allocate_waits_for_frees_on_their_way)
{
    struct engine_job shrink = {0}, grow = {0};
    uint64_t free_blocks = engine_free_blocks(&engine);
    cr_assert_eq(engine_range(&other, FILE_ALLOCATE, false, 0, (free_blocks - 1) * PAGE), 0);
    engine_start_truncate(&other, &shrink, 0);
    engine_start_range(&file, &grow, FILE_ALLOCATE, FILE_THROUGH, false, 0, 1000 * PAGE);
    engine_run(&engine);
    cr_assert_eq(shrink.result, 0);
    cr_assert_eq(grow.result, 0);
    cr_assert_eq(blocks_of_file(), 1000);
}

Test(file_range, allocate_takes_what_other_shards_have)
{
    engine_finish(&engine);
    start_with((struct engine_options){.shards = 3});
    uint64_t free_blocks = engine_free_blocks(&engine);
    cr_assert_eq(allocate(0, free_blocks * PAGE), 0);
    cr_assert_eq(engine_free_blocks(&engine), 0);
    cr_assert_eq(blocks_of_file(), free_blocks);
    put(FILE_THROUGH, 100 * MIB, MIB, 1);
    cr_assert(holds(100 * MIB, MIB, 1) && holds(50 * MIB, MIB, 0));
    cr_assert_eq(engine_write(&other, FILE_THROUGH, 0, out, 1), -ENOSPC);
}

/* Free space in small pieces: many records, and other files have their turn between them. */
Test(file_range, others_go_on_during_a_long_allocate)
{
    struct engine_job range = {0}, write = {0};
    for (unsigned page = 0; page < 1000; page++)
        cr_assert_eq(engine_write(page % 2 ? &file : &other, FILE_BEHIND, page * PAGE, out, PAGE),
                     PAGE);
    cr_assert_eq(
        engine_range(&other, FILE_ALLOCATE, true, 8 * MIB, engine_free_blocks(&engine) * PAGE), 0);
    cr_assert_eq(engine_truncate(&file, 0), 0);
    engine_start_range(&file, &range, FILE_ALLOCATE, FILE_THROUGH, false, 0, 500 * PAGE);
    engine_start_write(&other, &write, FILE_STABLE, 0, out, PAGE);
    engine_run(&engine);
    cr_assert_eq(range.result, 0);
    cr_assert_eq(write.result, PAGE);
    cr_assert_lt(write.order, range.order);
    cr_assert_eq(engine_free_blocks(&engine), 0);
}

Test(file_range, ranges_that_cannot_be)
{
    enum file_kind kinds[] = {FILE_ALLOCATE, FILE_PUNCH, FILE_ZERO};
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(engine_range(&file, kinds[i], false, 0, 0), -EINVAL);
        cr_assert_eq(engine_range(&file, kinds[i], true, FILE_SIZE_BYTES_MAX, 1), -EFBIG);
        cr_assert_eq(engine_range(&file, kinds[i], true, 1, FILE_SIZE_BYTES_MAX), -EFBIG);
        cr_assert_eq(engine_range(&file, kinds[i], true, UINT64_MAX, 2), -EFBIG);
    }
    cr_assert_eq(punch(0, FILE_SIZE_BYTES_MAX), 0);
    cr_assert_eq(allocate(FILE_SIZE_BYTES_MAX - 10, 10), 0);
    cr_assert_eq(engine_size(&file), FILE_SIZE_BYTES_MAX);
    cr_assert_eq(blocks_of_file(), 1);
    cr_assert_eq(punch(0, FILE_SIZE_BYTES_MAX), 0);
    cr_assert_eq(blocks_of_file(), 0);
}

/* ---- punch ------------------------------------------------------------------------------------- */

static void check_punched(void)
{
    cr_assert_eq(engine_size(&file), 8 * PAGE);
    cr_assert_eq(blocks_of_file(), 5);
    cr_assert(holds(0, PAGE + 100, 1));
    cr_assert(holds(PAGE + 100, 4 * PAGE, 0));
    cr_assert(holds(5 * PAGE + 100, 3 * PAGE - 100, 1));
}

/* The cache full of the file, or without it. */
static void punch_in_the_middle(bool cached)
{
    engine_evict(&other);
    uint64_t free_blocks = engine_free_blocks(&engine);
    put(FILE_STABLE, 0, 8 * PAGE, 1);
    if (cached)
        cr_assert(holds(0, 8 * PAGE, 1));
    else
        engine_evict(&other);
    cr_assert_eq(punch(PAGE + 100, 4 * PAGE), 0);
    for (unsigned pass = 0; pass < 2; pass++) {
        check_punched();
        cr_assert_eq(engine_free_blocks(&engine), free_blocks - 5);
        reopen(true);
    }
    put(FILE_THROUGH, 2 * PAGE + 10, 10, 3);
    cr_assert(holds(PAGE + 100, PAGE - 90, 0) && holds(2 * PAGE + 10, 10, 3));
}

Test(file_range, punch_zeroes_edges_and_frees_whole_blocks)
{
    punch_in_the_middle(true);
}

Test(file_range, punch_of_what_is_not_cached)
{
    punch_in_the_middle(false);
}

Test(file_range, punch_inside_a_block_and_at_the_end)
{
    put(FILE_THROUGH, 0, 2 * PAGE + 200, 1);
    cr_assert_eq(punch(10, 20), 0);
    cr_assert(holds(0, 10, 1) && holds(10, 20, 0) && holds(30, 100, 1));
    cr_assert_eq(blocks_of_file(), 3);
    /* From the start of the last block to the end of the file, or past it: nothing of it is left. */
    cr_assert_eq(punch(2 * PAGE, 200), 0);
    cr_assert_eq(blocks_of_file(), 2);
    cr_assert_eq(engine_size(&file), 2 * PAGE + 200);
    cr_assert(holds(PAGE, PAGE, 1) && holds(2 * PAGE, 200, 0));
    cr_assert_eq(punch(PAGE + 5, 100 * PAGE), 0);
    cr_assert_eq(blocks_of_file(), 2);
    cr_assert(holds(PAGE, 5, 1) && holds(PAGE + 5, PAGE + 195, 0));
    reopen(true);
    cr_assert(holds(PAGE, 5, 1) && holds(PAGE + 5, PAGE + 195, 0));
    cr_assert_eq(engine_size(&file), 2 * PAGE + 200);
}

Test(file_range, punch_past_the_size_frees_what_was_allocated)
{
    uint64_t free_blocks = engine_free_blocks(&engine);
    put(FILE_THROUGH, 0, 100, 1);
    cr_assert_eq(allocate_keep(0, 100 * PAGE), 0);
    cr_assert_eq(punch(50 * PAGE + 1, 1000 * PAGE), 0);
    cr_assert_eq(blocks_of_file(), 51);
    cr_assert_eq(engine_size(&file), 100);
    cr_assert_eq(punch(PAGE, 1000 * PAGE), 0);
    cr_assert_eq(engine_free_blocks(&engine), free_blocks - 1);
    cr_assert(holds(0, 100, 1));
}

Test(file_range, punch_works_on_a_full_volume)
{
    uint64_t free_blocks = engine_free_blocks(&engine);
    cr_assert_eq(allocate(0, free_blocks * PAGE), 0);
    put(FILE_THROUGH, 0, 8 * PAGE, 1);
    cr_assert_eq(punch(PAGE + 1, 3 * PAGE), 0);
    cr_assert_eq(engine_free_blocks(&engine), 2);
    cr_assert_eq(engine_write(&other, FILE_THROUGH, 0, out, 2 * PAGE), 2 * PAGE);
}

Test(file_range, the_first_block_of_a_cached_file)
{
    enum file_kind kinds[] = {FILE_PUNCH, FILE_ZERO};
    for (unsigned i = 0; i < 2; i++) {
        put(FILE_THROUGH, 0, 3 * PAGE, 1);
        cr_assert_eq(engine_range(&file, kinds[i], true, 0, PAGE), 0);
        cr_assert(holds(0, PAGE, 0) && holds(PAGE, 2 * PAGE, 1));
    }
}

/* More extents than one record frees. */
Test(file_range, punch_of_many_extents)
{
    engine_hold(&engine, DEVICE_READ);
    uint64_t free_blocks = engine_free_blocks(&engine);
    for (unsigned page = 0; page < 3000; page++)
        cr_assert_eq(engine_write(page % 2 ? &file : &other, FILE_BEHIND, page * PAGE, out, PAGE),
                     PAGE);
    cr_assert_eq(engine_truncate(&other, 0), 0);
    cr_assert_eq(punch(0, 3000 * PAGE), 0);
    cr_assert_eq(blocks_of_file(), 0);
    cr_assert_eq(engine_free_blocks(&engine), free_blocks);
    cr_assert(holds(2990 * PAGE, 5 * PAGE, 0));
}

/* ---- zero -------------------------------------------------------------------------------------- */

Test(file_range, zero_keeps_the_blocks_and_fills_holes)
{
    put(FILE_THROUGH, 0, 4 * PAGE, 1);
    put(FILE_THROUGH, 6 * PAGE, 2 * PAGE, 1);
    uint64_t place = engine_place(&file, 2);
    cr_assert_eq(zero(PAGE + 100, 6 * PAGE), 0);
    for (unsigned pass = 0; pass < 2; pass++) {
        cr_assert_eq(engine_place(&file, 2), place);
        cr_assert_eq(blocks_of_file(), 8);
        cr_assert(holds(0, PAGE + 100, 1));
        cr_assert(holds(PAGE + 100, 6 * PAGE, 0));
        cr_assert(holds(7 * PAGE + 100, PAGE - 100, 1));
        reopen(true);
    }
    put(FILE_THROUGH, 3 * PAGE, 10, 2);
    cr_assert(holds(2 * PAGE, PAGE, 0) && holds(3 * PAGE, 10, 2) && holds(3 * PAGE + 10, PAGE, 0));
}

Test(file_range, zero_and_the_size)
{
    put(FILE_THROUGH, 0, PAGE + 100, 1);
    cr_assert_eq(engine_range(&file, FILE_ZERO, true, PAGE + 50, 3 * PAGE), 0);
    cr_assert_eq(engine_size(&file), PAGE + 100);
    cr_assert_eq(blocks_of_file(), 5);
    cr_assert(holds(0, PAGE + 50, 1) && holds(PAGE + 50, 50, 0));
    cr_assert_eq(zero(PAGE + 20, 3 * PAGE), 0);
    cr_assert_eq(engine_size(&file), 4 * PAGE + 20);
    reopen(true);
    cr_assert_eq(engine_size(&file), 4 * PAGE + 20);
    cr_assert(holds(0, PAGE + 20, 1) && holds(PAGE + 20, 3 * PAGE, 0));
    cr_assert_eq(blocks_of_file(), 5);
}

Test(file_range, zero_without_space_changes_nothing)
{
    put(FILE_THROUGH, 0, 4 * PAGE, 1);
    cr_assert_eq(engine_range(&other, FILE_ALLOCATE, false, 0, engine_free_blocks(&engine) * PAGE),
                 0);
    cr_assert_eq(zero(100, 10 * PAGE), -ENOSPC);
    cr_assert_eq(engine_size(&file), 4 * PAGE);
    cr_assert(holds(0, 4 * PAGE, 1));
    cr_assert_eq(zero(100, 2 * PAGE), 0);
    cr_assert(holds(0, 100, 1) && holds(100, 2 * PAGE, 0) && holds(2 * PAGE + 100, PAGE, 1));
}

/* More extents than one record holds. */
Test(file_range, zero_of_many_extents)
{
    for (unsigned page = 0; page < 200; page++)
        cr_assert_eq(engine_write(page % 2 ? &file : &other, FILE_BEHIND, page * PAGE, out, PAGE),
                     PAGE);
    cr_assert_eq(zero(0, 200 * PAGE), 0);
    cr_assert_eq(blocks_of_file(), 200);
    cr_assert(holds(0, 200 * PAGE, 0));
    reopen(true);
    cr_assert(holds(0, 200 * PAGE, 0));
}

/* ---- order, errors, crashes -------------------------------------------------------------------- */

Test(file_range, drains_what_came_before_and_holds_what_comes_after)
{
    enum file_kind kinds[] = {FILE_PUNCH, FILE_ZERO, FILE_ALLOCATE};
    for (unsigned i = 0; i < 3; i++) {
        struct engine_job write = {0}, range = {0}, read = {0}, after = {0};
        static unsigned char bytes[PAGE];
        put(FILE_THROUGH, 0, 8 * PAGE, 1);
        pattern_fill(2, 0, out, 8 * PAGE);
        pattern_fill(3, 2 * PAGE, bytes, PAGE);
        engine_hold(&engine, DEVICE_WRITE);
        engine_start_write(&file, &write, FILE_THROUGH, 0, out, 8 * PAGE);
        engine_run(&engine);
        engine_start_range(&file, &range, kinds[i], FILE_THROUGH, true, PAGE, 4 * PAGE);
        engine_start_read(&file, &read, 0, in, 8 * PAGE);
        engine_start_write(&file, &after, FILE_BEHIND, 2 * PAGE, bytes, PAGE);
        engine_run(&engine);
        cr_assert_not(write.done || range.done || read.done || after.done);
        sim_release(engine.device);
        engine_run(&engine);
        cr_assert(write.order < range.order && range.order < read.order);
        cr_assert_eq(range.result, 0);
        cr_assert(pattern_matches(kinds[i] == FILE_ALLOCATE ? 2 : 0, PAGE, in + PAGE, 4 * PAGE));
        cr_assert(holds(2 * PAGE, PAGE, 3));
        cr_assert(holds(5 * PAGE, 3 * PAGE, 2));
    }
}

Test(file_range, an_edge_that_cannot_be_written_is_told)
{
    put(FILE_THROUGH, 0, 8 * PAGE, 1);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    cr_assert_eq(punch(100, 4 * PAGE - 100), -EIO);
    cr_assert(holds(PAGE, 7 * PAGE, 1), "the rest was not touched");
    cr_assert_eq(punch(100, 4 * PAGE - 100), 0);
    cr_assert(holds(0, 100, 1) && holds(100, 4 * PAGE - 100, 0) && holds(4 * PAGE, 4 * PAGE, 1));
    engine_evict(&other);
    sim_fail_next(engine.device, DEVICE_READ, -EIO);
    cr_assert_eq(punch(50, 10), -EIO);
    cr_assert_eq(punch(50, 10), 0);
}

Test(file_range, a_journal_that_fails_makes_no_range_done)
{
    uint64_t free_blocks = engine_free_blocks(&engine);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO); /* of the record: nothing else is written */
    cr_assert_lt(allocate(0, 4 * PAGE), 0);
    cr_assert_eq(engine_free_blocks(&engine), free_blocks);
    cr_assert_eq(punch(0, 4 * PAGE), -EROFS);
}

/* At any point of a cut every block has its old data or zeros, and what was done before is there. */
static void cut_in_a_range(enum file_kind kind, unsigned turns)
{
    struct engine_job range = {0};
    put(FILE_STABLE, 0, 64 * PAGE, 1);
    engine_start_range(&file, &range, kind, FILE_STABLE, true, PAGE + 10, 40 * PAGE);
    while (turns-- > 0)
        engine_turn(&engine);
    bool done = range.done;
    reopen(true);
    cr_assert_eq(engine_size(&file), 64 * PAGE);
    cr_assert(holds(0, PAGE + 10, 1) && holds(41 * PAGE + 10, 20 * PAGE, 1));
    for (unsigned page = 2; page < 41; page++)
        cr_assert(holds(page * PAGE, PAGE, 0) || (!done && holds(page * PAGE, PAGE, 1)));
    cr_assert_eq(engine_truncate(&file, 0), 0);
}

Test(file_range, a_cut_finds_old_data_or_zeros)
{
    for (unsigned turns = 0; turns < 30; turns++) {
        cut_in_a_range(FILE_PUNCH, turns);
        cut_in_a_range(FILE_ZERO, turns);
    }
}

/* ---- seek -------------------------------------------------------------------------------------- */

Test(file_range, seek)
{
    cr_assert_eq(engine_seek(&file, false, 0), -ENXIO);
    cr_assert_eq(engine_seek(&file, true, 0), -ENXIO);
    put(FILE_THROUGH, 4 * PAGE, PAGE, 1);
    put(FILE_THROUGH, 5 * PAGE, 100, 1);
    cr_assert_eq(allocate(8 * PAGE, 4 * PAGE), 0);
    put(FILE_THROUGH, 10 * PAGE + 50, 10, 1);
    const struct {
        uint64_t offset;
        int64_t data, hole;
    } cases[] = {
        {0, 4 * PAGE, 0},
        {4 * PAGE - 1, 4 * PAGE, 4 * PAGE - 1},
        {4 * PAGE + 7, 4 * PAGE + 7, 6 * PAGE},
        {6 * PAGE, 10 * PAGE, 6 * PAGE},
        {9 * PAGE, 10 * PAGE, 9 * PAGE},
        {10 * PAGE + 1, 10 * PAGE + 1, 11 * PAGE},
        {11 * PAGE, -ENXIO, 11 * PAGE},
        {12 * PAGE - 1, -ENXIO, 12 * PAGE - 1},
        {12 * PAGE, -ENXIO, -ENXIO},
        {UINT64_MAX, -ENXIO, -ENXIO},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_assert_eq(engine_seek(&file, false, cases[i].offset), cases[i].data, "case %u", i);
        cr_assert_eq(engine_seek(&file, true, cases[i].offset), cases[i].hole, "case %u", i);
    }
    cr_assert_eq(engine_truncate(&file, 10 * PAGE + 55), 0);
    cr_assert_eq(engine_seek(&file, true, 10 * PAGE), 10 * PAGE + 55, "the end is a hole");
    cr_assert_eq(engine_truncate(&file, FILE_SIZE_BYTES_MAX), 0);
    cr_assert_eq(engine_seek(&file, false, 11 * PAGE), -ENXIO);
}

/* What a write before it has not mapped yet is data. */
Test(file_range, seek_sees_writes_before_it)
{
    struct engine_job write = {0}, seek = {0}, hole = {0};
    cr_assert_eq(engine_truncate(&file, MIB), 0);
    engine_hold(&engine, DEVICE_WRITE);
    engine_start_write(&file, &write, FILE_BEHIND, 8 * PAGE, out, PAGE);
    engine_start_seek(&file, &seek, false, 0);
    engine_start_seek(&file, &hole, true, 8 * PAGE);
    engine_run(&engine);
    cr_assert(write.done);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert_eq(seek.result, 8 * PAGE);
    cr_assert_eq(hole.result, 9 * PAGE);
}

/* More extents in a row than are looked at in one go. */
Test(file_range, seek_over_many_extents)
{
    for (unsigned page = 0; page < 3000; page++)
        cr_assert_eq(engine_write(&file, FILE_BEHIND, (2999 - page) * PAGE, out, PAGE), PAGE);
    cr_assert_eq(engine_seek(&file, true, 0), 3000 * PAGE);
    cr_assert_eq(zero(0, 2999 * PAGE), 0);
    cr_assert_eq(engine_seek(&file, false, 0), 2999 * PAGE);
}

/* ---- direct ------------------------------------------------------------------------------------ */

Test(file_range, direct_reads_are_from_the_medium_and_leave_nothing)
{
    put(FILE_THROUGH, 0, 16 * PAGE, 1);
    cr_assert(holds(0, 16 * PAGE, 1));
    uint64_t pages = engine_counters(&file)->read_pages;
    file.direct = true;
    cr_assert(holds(10, 8 * PAGE, 1));
    cr_assert_eq(engine_counters(&file)->read_pages, pages + 9);
    cr_assert(holds(8 * PAGE + 10, PAGE, 1), "sequential: nothing is read ahead");
    cr_assert_eq(engine_counters(&file)->read_pages, pages + 11);
    file.direct = false;
    cr_assert(holds(10, 100, 1));
    cr_assert_eq(engine_counters(&file)->read_pages, pages + 12);
    cr_assert(holds(10 * PAGE, PAGE, 1), "what it did not touch is still there");
    cr_assert_eq(engine_counters(&file)->read_pages, pages + 12);
}

Test(file_range, direct_reads_see_what_is_not_on_the_medium_yet)
{
    struct engine_job write = {0}, read = {0};
    put(FILE_THROUGH, 0, 4 * PAGE, 1);
    pattern_fill(2, PAGE, out, PAGE);
    engine_hold(&engine, DEVICE_WRITE);
    engine_start_write(&file, &write, FILE_BEHIND, PAGE, out, PAGE);
    file.direct = true;
    engine_start_read(&file, &read, 0, in, 4 * PAGE);
    engine_run(&engine);
    cr_assert(read.done);
    cr_assert(pattern_matches(1, 0, in, PAGE) && pattern_matches(2, PAGE, in + PAGE, PAGE) &&
              pattern_matches(1, 2 * PAGE, in + 2 * PAGE, 2 * PAGE));
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert(holds(PAGE, PAGE, 2));
}

Test(file_range, direct_writes_leave_nothing)
{
    file.direct = true;
    put(FILE_THROUGH, 100, 8 * PAGE, 1);
    put(FILE_THROUGH, 50, 10, 2);
    file.direct = false;
    uint64_t pages = engine_counters(&file)->read_pages;
    cr_assert(holds(100, 8 * PAGE, 1) && holds(50, 10, 2) && holds(0, 50, 0));
    cr_assert_eq(engine_counters(&file)->read_pages, pages + 9);
}

/* A page that somebody else writes too, or waits with, stays. */
Test(file_range, direct_writes_beside_others)
{
    struct engine_job first = {0}, second = {0}, read = {0};
    static unsigned char bytes[PAGE];
    put(FILE_THROUGH, 0, 2 * PAGE, 1);
    engine_evict(&other);
    pattern_fill(2, 0, out, 100);
    pattern_fill(3, 200, bytes, 100);
    engine_hold(&engine, DEVICE_READ);
    file.direct = true;
    engine_start_write(&file, &first, FILE_THROUGH, 0, out, 100);
    file.direct = false;
    engine_start_write(&file, &second, FILE_THROUGH, 200, bytes, 100);
    engine_start_read(&file, &read, 0, in, 2 * PAGE);
    engine_run(&engine);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert(first.result == 100 && second.result == 100 && read.result == 2 * PAGE);
    cr_assert(pattern_matches(2, 0, in, 100) && pattern_matches(1, 100, in + 100, 100) &&
              pattern_matches(3, 200, in + 200, 100) && pattern_matches(1, 300, in + 300, PAGE));
    cr_assert(holds(0, 100, 2) && holds(200, 100, 3));
}
