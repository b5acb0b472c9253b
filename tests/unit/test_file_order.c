/* test_file_order.c - stable pages, gathering, what waits for what, and done callbacks that go on at once. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/engine.h"
#include "tests/support/random.h"

#define PAGE 4096u
#define MIB  (1u << 20)
#define MANY 32u

static struct engine engine;
static struct engine_file file, other;
static unsigned char out[MIB], in[MIB];

static void start(void)
{
    engine_start(&engine, &(struct engine_options){0});
    engine_create(&engine, &file, "/file");
    engine_create(&engine, &other, "/other");
}

static void finish(void)
{
    engine_finish(&engine);
}

TestSuite(file_order, .init = start, .fini = finish);

static void put(uint64_t offset, uint32_t length, uint64_t stamp)
{
    pattern_fill(stamp, offset, out, length);
    cr_assert_eq(engine_write(&file, FILE_THROUGH, offset, out, length), length);
}

static bool holds(uint64_t offset, uint32_t length, uint64_t stamp)
{
    return engine_read(&file, offset, in, length) == length &&
           pattern_matches(stamp, offset, in, length);
}

static bool medium_holds(uint64_t page, uint64_t stamp)
{
    sim_peek(engine.device, engine_place(&file, page), in, PAGE);
    return pattern_matches(stamp, page * PAGE, in, PAGE);
}

/* ---- reads ------------------------------------------------------------------------------------- */

Test(file_order, two_readers_of_a_missing_page_share_one_read)
{
    struct engine_job one = {0}, two = {0};
    static unsigned char second[PAGE];
    put(0, PAGE, 1);
    engine_evict(&other);
    uint64_t commands = engine_counters(&file)->read_commands;
    engine_hold(&engine, DEVICE_READ);
    engine_start_read(&file, &one, 0, in, PAGE);
    engine_start_read(&file, &two, 0, second, PAGE);
    engine_run(&engine);
    cr_assert_not(one.done || two.done);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert(one.done && two.done);
    cr_assert_eq(engine_counters(&file)->read_commands - commands, 1);
    cr_assert(pattern_matches(1, 0, in, PAGE) && pattern_matches(1, 0, second, PAGE));
}

/* What a read that waits will see does not contain a write that came after it. */
Test(file_order, a_later_write_waits_for_a_read_of_its_page)
{
    struct engine_job read = {0}, write = {0};
    put(0, 2 * PAGE, 1);
    engine_evict(&other);
    engine_hold(&engine, DEVICE_READ);
    engine_start_read(&file, &read, 0, in, 2 * PAGE);
    pattern_fill(2, 0, out, PAGE);
    engine_start_write(&file, &write, FILE_BEHIND, 0, out, PAGE);
    engine_run(&engine);
    cr_assert_not(read.done || write.done);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert_lt(read.order, write.order);
    cr_assert(pattern_matches(1, 0, in, 2 * PAGE));
    cr_assert(holds(0, PAGE, 2));
}

Test(file_order, a_read_sees_a_write_that_is_not_posted)
{
    struct engine_job write = {0};
    put(0, 2 * PAGE, 1);
    pattern_fill(2, 0, out, PAGE);
    engine_hold(&engine, DEVICE_WRITE);
    engine_start_write(&file, &write, FILE_THROUGH, 0, out, PAGE);
    engine_run(&engine);
    cr_assert_not(write.done);
    cr_assert(holds(0, PAGE, 2));
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert(write.done);
}

/* The size moves with the completion; a read that came after the write waits for it. */
Test(file_order, a_read_of_an_extension_that_is_not_posted_waits_for_it)
{
    struct engine_job write = {0}, read = {0}, early = {0};
    pattern_fill(1, 0, out, 3 * PAGE);
    engine_hold(&engine, DEVICE_WRITE);
    engine_start_read(&file, &early, 0, in, PAGE);
    engine_start_write(&file, &write, FILE_THROUGH, 0, out, 3 * PAGE);
    engine_start_read(&file, &read, 0, in, 3 * PAGE);
    engine_run(&engine);
    cr_assert(early.done);
    cr_assert_eq(early.result, 0);
    cr_assert_not(read.done || write.done);
    cr_assert_eq(engine_size(&file), 0);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert_eq(read.result, 3 * PAGE);
    cr_assert(pattern_matches(1, 0, in, 3 * PAGE));
    cr_assert_lt(write.order, read.order);
}

Test(file_order, a_read_sees_an_extension_behind_at_once)
{
    struct engine_job write = {0};
    pattern_fill(1, 0, out, PAGE);
    engine_hold(&engine, DEVICE_WRITE);
    engine_start_write(&file, &write, FILE_BEHIND, 0, out, PAGE);
    cr_assert(write.done);
    cr_assert_eq(engine_size(&file), PAGE);
    cr_assert(holds(0, PAGE, 1));
}

/* ---- stable pages ------------------------------------------------------------------------------ */

Test(file_order, writes_of_a_page_under_io_gather_into_one)
{
    struct engine_job first = {0}, jobs[MANY] = {0};
    static unsigned char bytes[MANY][128];
    put(0, PAGE, 1);
    pattern_fill(2, 0, out, PAGE);
    engine_hold(&engine, DEVICE_WRITE);
    engine_start_write(&file, &first, FILE_THROUGH, 0, out, PAGE);
    engine_run(&engine);
    uint64_t commands = engine_counters(&file)->write_commands;
    for (unsigned i = 0; i < MANY; i++) {
        pattern_fill(10 + i, i * 128, bytes[i], 128);
        engine_start_write(&file, &jobs[i], FILE_THROUGH, i * 128, bytes[i], 128);
    }
    engine_run(&engine);
    cr_assert_eq(engine_counters(&file)->write_commands, commands);
    cr_assert_eq(engine_counters(&file)->copies, 1);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert_eq(engine_counters(&file)->write_commands, commands + 1);
    for (unsigned i = 0; i < MANY; i++) {
        cr_assert(jobs[i].done);
        cr_assert_lt(first.order, jobs[i].order);
        cr_assert(holds(i * 128, 128, 10 + i));
    }
}

Test(file_order, a_page_under_io_does_not_change)
{
    struct engine_job first = {0}, second = {0};
    static unsigned char newer[PAGE];
    put(0, PAGE, 1);
    pattern_fill(2, 0, out, PAGE);
    pattern_fill(3, 0, newer, PAGE);
    engine_hold(&engine, DEVICE_WRITE);
    engine_start_write(&file, &first, FILE_THROUGH, 0, out, PAGE);
    engine_run(&engine);
    engine_start_write(&file, &second, FILE_THROUGH, 0, newer, PAGE);
    engine_run(&engine);
    cr_assert_eq(sim_held(engine.device), 1);
    cr_assert(holds(0, PAGE, 3));
    sim_release(engine.device);
    while (!first.done)
        engine_turn(&engine);
    cr_assert(medium_holds(0, 2));
    engine_run(&engine);
    cr_assert(second.done);
    cr_assert(medium_holds(0, 3));
}

Test(file_order, three_generations_of_a_page_are_two_commands)
{
    struct engine_job jobs[3] = {0};
    static unsigned char bytes[3][PAGE];
    put(0, PAGE, 1);
    uint64_t commands = engine_counters(&file)->write_commands;
    engine_hold(&engine, DEVICE_WRITE);
    for (unsigned i = 0; i < 3; i++) {
        pattern_fill(2 + i, 0, bytes[i], PAGE);
        engine_start_write(&file, &jobs[i], FILE_THROUGH, 0, bytes[i], PAGE);
        engine_run(&engine);
    }
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert_eq(engine_counters(&file)->write_commands - commands, 2);
    cr_assert(medium_holds(0, 4));
}

Test(file_order, writes_that_come_together_go_out_as_one)
{
    struct engine_job jobs[MANY] = {0};
    put(0, MANY * PAGE, 1);
    uint64_t commands = engine_counters(&file)->write_commands;
    for (unsigned i = 0; i < MANY; i++)
        engine_start_write(&file, &jobs[i], FILE_THROUGH, i * PAGE, out, PAGE);
    engine_run(&engine);
    cr_assert_eq(engine_counters(&file)->write_commands - commands, 1);
}

/* ---- sizes ------------------------------------------------------------------------------------- */

Test(file_order, appends_lie_one_after_another)
{
    struct engine_job jobs[MANY] = {0};
    static unsigned char bytes[MANY][1000];
    for (unsigned i = 0; i < MANY; i++) {
        pattern_fill(1 + i, 0, bytes[i], 1000);
        engine_start_append(&file, &jobs[i], (enum file_level)(1 + i % 3), bytes[i], 1000);
    }
    engine_run(&engine);
    for (unsigned i = 0; i < MANY; i++) {
        cr_assert_eq(jobs[i].result, 1000);
        cr_assert_eq(jobs[i].result_offset, i * 1000);
        cr_assert_eq(engine_read(&file, i * 1000, in, 1000), 1000);
        cr_assert_eq(memcmp(in, bytes[i], 1000), 0);
    }
    cr_assert_eq(engine_size(&file), MANY * 1000);
}

/* An extender that lands first is not done before the one whose bytes come before its own. */
Test(file_order, the_size_never_covers_what_is_not_written)
{
    struct engine_job first = {0}, second = {0};
    static unsigned char bytes[2][PAGE];
    pattern_fill(1, 0, bytes[0], PAGE);
    pattern_fill(2, PAGE, bytes[1], PAGE);
    engine_start_write(&file, &first, FILE_THROUGH, 0, bytes[0], PAGE);
    engine_send(&engine);
    engine_hold_in_flight(&engine);
    engine_start_write(&file, &second, FILE_STABLE, PAGE, bytes[1], PAGE);
    engine_run(&engine);
    cr_assert_eq(sim_held(engine.device), 1);
    cr_assert_not(first.done || second.done);
    cr_assert_eq(engine_size(&file), 0);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert(first.done && second.done);
    cr_assert_eq(engine_size(&file), 2 * PAGE);
}

/* A stable write inside what an unfinished write made long is not done before that size is recorded. */
Test(file_order, a_stable_write_waits_for_the_size_that_covers_it)
{
    struct engine_job stable = {0}, far = {0};
    static unsigned char bytes[PAGE], gap[PAGE];
    memset(bytes, 0x77, PAGE);
    engine_start_write(&file, &far, FILE_BEHIND, 40 * PAGE, bytes, PAGE);
    engine_send(&engine);
    engine_hold_in_flight(&engine);
    pattern_fill(9, PAGE, gap, PAGE);
    engine_start_write(&file, &stable, FILE_STABLE, PAGE, gap, PAGE);
    engine_run(&engine);
    cr_assert_eq(sim_held(engine.device), 1);
    if (stable.done) { /* then it must survive */
        engine_restart(&engine, true);
        engine_open(&engine, &file, "/file");
        engine_open(&engine, &other, "/other");
        cr_assert(holds(PAGE, PAGE, 9), "a stable write is lost");
    }
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert(stable.done);
}

/* ---- done callbacks that go on at once --------------------------------------------------------- */

static struct engine_job next_job;
static unsigned char next_bytes[PAGE];

static void write_again(struct engine_job *job)
{
    (void)job;
    pattern_fill(5, 0, next_bytes, PAGE);
    engine_start_write(&file, &next_job, FILE_THROUGH, 0, next_bytes, PAGE);
}

Test(file_order, done_of_a_read_writes_the_same_page)
{
    struct engine_job read = {.then = write_again};
    put(0, PAGE, 1);
    engine_start_read(&file, &read, 0, in, PAGE);
    engine_run(&engine);
    cr_assert(next_job.done);
    cr_assert(holds(0, PAGE, 5));
}

Test(file_order, done_of_a_write_writes_the_same_page)
{
    struct engine_job write = {.then = write_again}, also = {0};
    put(0, 3 * PAGE, 1);
    engine_start_write(&file, &write, FILE_THROUGH, 0, out, PAGE);
    engine_start_write(&file, &also, FILE_THROUGH, 0, out, PAGE);
    engine_run(&engine);
    cr_assert(also.done && write.done);
    cr_assert(next_job.done);
    cr_assert(holds(0, PAGE, 5));
    cr_assert(medium_holds(0, 5));
}

Test(file_order, done_of_a_superseded_write_writes_the_same_page)
{
    struct engine_job first = {.then = write_again}, second = {0};
    put(0, 3 * PAGE, 1);
    engine_hold(&engine, DEVICE_WRITE);
    engine_start_write(&file, &first, FILE_THROUGH, 0, out, PAGE);
    engine_run(&engine);
    engine_start_write(&file, &second, FILE_THROUGH, 0, out, PAGE);
    engine_run(&engine);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert(second.done && next_job.done);
    cr_assert(medium_holds(0, 5));
}

static void truncate_now(struct engine_job *job)
{
    (void)job;
    engine_start_truncate(&file, &next_job, 10);
}

Test(file_order, done_of_a_write_truncates)
{
    struct engine_job write = {.then = truncate_now}, behind = {.then = NULL};
    engine_start_write(&file, &behind, FILE_BEHIND, 0, out, 5 * PAGE);
    engine_start_write(&file, &write, FILE_THROUGH, 0, out, 3 * PAGE);
    engine_run(&engine);
    cr_assert(next_job.done);
    cr_assert_eq(engine_size(&file), 10);
}

static void sync_now(struct engine_job *job)
{
    (void)job;
    engine_start_sync(&file, &next_job, false);
}

Test(file_order, done_of_a_sync_syncs)
{
    struct engine_job write = {0}, sync = {.then = sync_now};
    put(0, PAGE, 1);
    engine_start_write(&file, &write, FILE_THROUGH, 0, out, PAGE);
    engine_start_sync(&file, &sync, false);
    engine_run(&engine);
    cr_assert(sync.done && next_job.done);
}

static struct engine_job read_jobs[5];

/* More than there are frames: every frame that may be taken is taken, also those that have just landed. */
static void read_other(struct engine_job *job)
{
    (void)job;
    for (unsigned i = 0; i < 5; i++)
        engine_start_read(&other, &read_jobs[i], (uint64_t)i * MIB, in, MIB);
}

static void take_all_frames(bool supersede)
{
    struct engine_job first = {.then = read_other}, second = {0};
    put(0, PAGE, 1);
    engine_evict(&other);
    put(0, PAGE, 1);
    engine_hold(&engine, DEVICE_WRITE);
    engine_start_write(&file, &first, FILE_THROUGH, 0, out, PAGE);
    engine_send(&engine);
    if (supersede)
        engine_start_write(&file, &second, FILE_THROUGH, 0, out, PAGE);
    engine_send(&engine);
    sim_release(engine.device);
    engine_run(&engine);
    for (unsigned i = 0; i < 5; i++)
        cr_assert_eq(read_jobs[i].result, MIB);
    cr_assert(first.done && second.done == supersede);
}

Test(file_order, done_of_a_write_takes_all_frames)
{
    take_all_frames(false);
}

Test(file_order, done_of_a_superseded_write_takes_all_frames)
{
    take_all_frames(true);
}

/* ---- frames run out ---------------------------------------------------------------------------- */

Test(file_order, who_waits_for_frames_is_served_in_turn)
{
    struct engine_job jobs[8] = {0}, reads[8] = {0};
    engine_evict(&other);
    engine_hold(&engine, DEVICE_WRITE);
    for (unsigned i = 0; i < 8; i++) {
        engine_start_write(&file, &jobs[i], FILE_THROUGH, (uint64_t)i * MIB, out, MIB);
        engine_start_read(&other, &reads[i], (uint64_t)i * MIB / 2, in, MIB);
    }
    engine_run(&engine);
    cr_assert_gt(engine_counters(&file)->frame_waits, 0);
    sim_release(engine.device);
    engine_run(&engine);
    for (unsigned i = 0; i < 8; i++)
        cr_assert(jobs[i].done && reads[i].done);
}
