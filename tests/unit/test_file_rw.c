/* test_file_rw.c - what was written is read, and how many commands the device gets for it. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/engine.h"
#include "tests/support/random.h"

#define PAGE    4096u
#define MIB     (1u << 20)
#define AREA    (3u * MIB)
#define SOON_NS 100

static struct engine engine;
static struct engine_file file, other;
static unsigned char out[AREA], in[AREA], model[AREA];

static void start_with(struct engine_options options)
{
    engine_start(&engine, &options);
    engine_create(&engine, &file, "/file");
    engine_create(&engine, &other, "/other");
    memset(model, 0, sizeof(model));
}

static void start(void)
{
    start_with((struct engine_options){0});
}

static void finish(void)
{
    engine_finish(&engine);
}

TestSuite(file_rw, .init = start, .fini = finish);

/* Writes a pattern and keeps it in the model. */
static void put(enum file_level level, uint64_t offset, uint32_t length, uint64_t stamp)
{
    pattern_fill(stamp, offset, out, length);
    memcpy(model + offset, out, length);
    cr_assert_eq(engine_write(&file, level, offset, out, length), length);
}

static void expect(uint64_t offset, uint32_t length)
{
    memset(in, 0xcc, length);
    cr_assert_eq(engine_read(&file, offset, in, length), length);
    cr_assert_eq(memcmp(in, model + offset, length), 0, "at %lu+%u", offset, length);
}

static void reopen(bool cut)
{
    engine_restart(&engine, cut);
    engine_open(&engine, &file, "/file");
    engine_open(&engine, &other, "/other");
}

Test(file_rw, an_empty_file_reads_nothing)
{
    cr_assert_eq(engine_read(&file, 0, in, PAGE), 0);
    cr_assert_eq(engine_read(&file, 1ull << 40, in, PAGE), 0);
    cr_assert_eq(engine_size(&file), 0);
}

Test(file_rw, a_write_of_nothing_is_done)
{
    cr_assert_eq(engine_write(&file, FILE_THROUGH, 100, out, 0), 0);
    cr_assert_eq(engine_size(&file), 0);
}

Test(file_rw, round_trips_at_all_alignments)
{
    static const uint32_t offsets[] = {0, 1, 511, 4095, 4096, 4097, 8191, 12288, 65535};
    static const uint32_t lengths[] = {1, 511, 512, 4095, 4096, 4097, 8192, 20000, 65536};
    uint64_t stamp = 1;
    for (unsigned o = 0; o < sizeof(offsets) / sizeof(offsets[0]); o++) {
        for (unsigned l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
            put((enum file_level)(1 + stamp % 3), offsets[o], lengths[l], stamp);
            stamp++;
            expect(0, (uint32_t)engine_size(&file));
        }
    }
    cr_assert_eq(engine_size(&file), 65535 + 65536);
}

/* The old end lies in a page in the middle of the new range. */
Test(file_rw, a_write_over_an_unaligned_end_is_whole)
{
    put(FILE_THROUGH, 0, 5000, 1);
    put(FILE_THROUGH, 0, 3 * PAGE, 2);
    expect(0, 3 * PAGE);
    put(FILE_THROUGH, 100, 3 * PAGE + 500, 3);
    put(FILE_THROUGH, PAGE, 4 * PAGE, 4);
    expect(0, 5 * PAGE);
    reopen(true);
    expect(0, 5 * PAGE);
}

Test(file_rw, reads_end_at_the_size)
{
    put(FILE_THROUGH, 0, 10000, 1);
    cr_assert_eq(engine_read(&file, 9000, in, PAGE), 1000);
    cr_assert_eq(memcmp(in, model + 9000, 1000), 0);
    cr_assert_eq(engine_read(&file, 10000, in, PAGE), 0);
}

Test(file_rw, sparse_files_read_zeros_in_holes)
{
    put(FILE_THROUGH, 2 * MIB + 17, 100, 1);
    expect(0, MIB);
    expect(MIB, MIB + 117);
    cr_assert_eq(engine_size(&file), 2 * MIB + 117);
    cr_assert_eq(engine_place(&file, 0), 0);
    put(FILE_THROUGH, 5 * PAGE + 5, 10, 2);
    expect(0, MIB);
}

Test(file_rw, a_megabyte_on_a_fresh_file_is_one_command)
{
    put(FILE_THROUGH, 0, MIB, 1);
    cr_assert_eq(engine_counters(&file)->write_commands, 1);
    cr_assert_eq(engine_counters(&file)->write_pages, 256);
    cr_assert_eq(sim_statistics(engine.device).fua_writes > 0, true);
}

Test(file_rw, an_overwrite_in_place_needs_no_journal)
{
    put(FILE_THROUGH, 0, MIB, 1);
    engine_run(&engine);
    struct sim_statistics before = sim_statistics(engine.device);
    put(FILE_THROUGH, 0, MIB, 2);
    engine_run(&engine);
    struct sim_statistics after = sim_statistics(engine.device);
    cr_assert_eq(after.writes - before.writes, 1);
    cr_assert_eq(after.fua_writes, before.fua_writes);
    cr_assert_eq(after.flushes, before.flushes);
}

Test(file_rw, missing_pages_come_in_one_command)
{
    put(FILE_THROUGH, 0, MIB, 1);
    engine_evict(&other);
    uint64_t commands = engine_counters(&file)->read_commands;
    expect(0, MIB);
    cr_assert_eq(engine_counters(&file)->read_commands - commands, 1);
    commands = engine_counters(&file)->read_commands;
    expect(0, MIB);
    cr_assert_eq(engine_counters(&file)->read_commands, commands);
}

Test(file_rw, only_the_pages_that_a_write_leaves_in_part_are_read)
{
    put(FILE_THROUGH, 0, MIB, 1);
    engine_evict(&other);
    uint64_t pages = engine_counters(&file)->read_pages;
    put(FILE_THROUGH, 100, 64 * PAGE, 2);
    cr_assert_eq(engine_counters(&file)->read_pages - pages, 2);
    expect(0, MIB);
}

Test(file_rw, a_sequential_reader_finds_pages_ahead)
{
    put(FILE_THROUGH, 0, MIB, 1);
    engine_evict(&other);
    uint64_t commands = engine_counters(&file)->read_commands;
    file.handle.sequential_end = 0;
    for (uint32_t offset = 0; offset < MIB; offset += PAGE)
        expect(offset, PAGE);
    cr_assert_leq(engine_counters(&file)->read_commands - commands, 16);
}

/* Every second page lies alone at its place, and the others get the places between: one run, physically one
 * piece, of old and new blocks in turns. */
Test(file_rw, a_run_over_a_comb_of_old_and_new_blocks)
{
    static struct engine_job jobs[256];
    for (unsigned page = 0; page < 256; page += 2)
        put(FILE_THROUGH, page * PAGE, PAGE, 1);
    pattern_fill(2, 0, model, MIB);
    for (unsigned page = 0; page < 256; page++)
        engine_start_write(&file, &jobs[page], FILE_THROUGH, page * PAGE, model + page * PAGE,
                           PAGE);
    uint64_t commands = engine_counters(&file)->write_commands;
    engine_run(&engine);
    cr_assert_eq(engine_counters(&file)->write_commands - commands, 1);
    expect(0, MIB);
    reopen(true);
    expect(0, MIB);
}

Test(file_rw, clean_pages_are_evicted_and_come_back)
{
    for (unsigned i = 0; i < 3; i++)
        put(FILE_THROUGH, i * MIB, MIB, 10 + i);
    engine_evict(&other);
    cr_assert_gt(engine_counters(&file)->evictions, 0);
    for (unsigned i = 0; i < 3; i++)
        expect(i * MIB, MIB);
}

Test(file_rw, more_writes_at_once_than_the_cache_has_frames)
{
    static unsigned char bytes[12][MIB];
    struct engine_job jobs[12] = {0};
    for (unsigned i = 0; i < 12; i++) {
        pattern_fill(i + 1, i * MIB, bytes[i], MIB);
        engine_start_write(&file, &jobs[i], FILE_THROUGH, (uint64_t)i * MIB, bytes[i], MIB);
    }
    engine_run(&engine);
    for (unsigned i = 0; i < 12; i++) {
        cr_assert_eq(jobs[i].result, MIB);
        cr_assert_eq(engine_read(&file, (uint64_t)i * MIB, in, MIB), MIB);
        cr_assert(pattern_matches(i + 1, i * MIB, in, MIB));
    }
    cr_assert_gt(engine_counters(&file)->frame_waits, 0);
}

Test(file_rw, times_follow_reads_and_writes)
{
    struct file_attributes before, after;
    put(FILE_THROUGH, 0, PAGE, 1);
    file_attributes(file.shard, file.ino, file.generation, 0, &before);
    sim_advance_clock(engine.device, SOON_NS);
    expect(0, PAGE);
    file_attributes(file.shard, file.ino, file.generation, 0, &after);
    cr_assert_gt(after.atime_ns, before.mtime_ns);
    cr_assert_eq(after.mtime_ns, before.mtime_ns);
    cr_assert_eq(engine_sync(&file), 0);
    reopen(true);
    file_attributes(file.shard, file.ino, file.generation, 0, &before);
    cr_assert_eq(before.atime_ns, after.atime_ns);
    cr_assert_eq(before.mtime_ns, after.mtime_ns);
}

Test(file_rw, times_that_were_set_stay)
{
    struct engine_job write = {0}, times = {0}, late = {0};
    struct file_attributes attributes;
    engine_start_write(&file, &write, FILE_THROUGH, 0, out, PAGE);
    engine_start_times(&file, &times, 111, 222);
    engine_run(&engine);
    cr_assert_eq(times.result, 0);
    reopen(true);
    file_attributes(file.shard, file.ino, file.generation, 0, &attributes);
    cr_assert_eq(attributes.atime_ns, 111);
    cr_assert_eq(attributes.mtime_ns, 222);
    cr_assert_eq(attributes.size_bytes, PAGE);
    engine_start_times(&file, &late, INT64_MIN, 333);
    engine_run(&engine);
    file_attributes(file.shard, file.ino, file.generation, 0, &attributes);
    cr_assert_eq(attributes.atime_ns, 111);
    cr_assert_eq(attributes.mtime_ns, 333);
}
