/* test_file_space.c - a full volume, and space that comes back. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/support/engine.h"
#include "tests/support/random.h"

#define PAGE 4096u
#define MIB  (1u << 20)

static struct engine engine;
static struct engine_file file, other;
static unsigned char out[MIB], in[MIB];

static void start_with(unsigned shards)
{
    struct engine_options options = {.shards = shards, .size_bytes = 64ull << 20};
    engine_start(&engine, &options);
    engine_create(&engine, &file, "/file");
    engine_create(&engine, &other, "/other");
}

static void start(void)
{
    start_with(1);
}

static void finish(void)
{
    engine_finish(&engine);
}

TestSuite(file_space, .init = start, .fini = finish);

/* Until nothing fits any more. */
static uint64_t fill(struct engine_file *into, enum file_level level, uint32_t step)
{
    uint64_t size = 0;
    int64_t result;
    while ((result = engine_append(into, level, out, step)) == step)
        size += step;
    cr_assert_eq(result, -ENOSPC);
    engine_run(&engine);
    return size;
}

static void fill_and_drop(unsigned shards)
{
    if (shards > 1) {
        engine_finish(&engine);
        start_with(shards);
    }
    uint64_t blocks = engine_free_blocks(&engine);
    uint64_t size = fill(&file, FILE_THROUGH, MIB);
    size += fill(&file, FILE_THROUGH, PAGE);
    cr_assert_eq(engine_free_blocks(&engine), 0);
    cr_assert_eq(engine_size(&file), size);
    cr_assert_eq(size / PAGE, blocks);
    cr_assert_eq(engine_write(&other, FILE_BEHIND, 0, out, 1), -ENOSPC);
    cr_assert_eq(engine_size(&other), 0);
    cr_assert_eq(engine_write(&file, FILE_THROUGH, 0, out, MIB), MIB); /* in place */
    cr_assert_eq(engine_drop(&file), 0);
    cr_assert_eq(engine_free_blocks(&engine), blocks);
    cr_assert_eq(engine_write(&other, FILE_THROUGH, 0, out, MIB), MIB);
}

Test(file_space, a_full_volume_says_so_and_a_drop_gives_all_back)
{
    fill_and_drop(1);
}

Test(file_space, one_file_can_use_the_space_of_all_shards)
{
    fill_and_drop(3);
}

Test(file_space, no_space_is_told_before_a_write_behind_is)
{
    fill(&file, FILE_BEHIND, MIB);
    fill(&file, FILE_BEHIND, PAGE);
    cr_assert_eq(engine_free_blocks(&engine), 0);
    cr_assert_eq(engine_sync(&file), 0);
}

/* What a truncate that is on its way frees counts as space. */
Test(file_space, no_space_is_told_only_after_frees_are_settled)
{
    struct engine_job truncate = {0}, write = {0};
    fill(&file, FILE_THROUGH, MIB);
    fill(&file, FILE_THROUGH, PAGE);
    engine_run(&engine);
    engine_start_truncate(&file, &truncate, 0);
    engine_start_write(&other, &write, FILE_THROUGH, 0, out, MIB);
    engine_run(&engine);
    cr_assert_eq(truncate.result, 0);
    cr_assert_eq(write.result, MIB);
}

Test(file_space, a_write_that_does_not_fit_leaves_no_trace)
{
    fill(&file, FILE_THROUGH, MIB);
    uint64_t blocks = engine_free_blocks(&engine), size = engine_size(&file);
    cr_assert_lt(blocks, 256);
    cr_assert_eq(engine_append(&file, FILE_STABLE, out, MIB), -ENOSPC);
    cr_assert_eq(engine_free_blocks(&engine), blocks);
    cr_assert_eq(engine_size(&file), size);
    engine_restart(&engine, true);
    cr_assert_eq(engine_free_blocks(&engine), blocks);
    engine_open(&engine, &file, "/file");
    cr_assert_eq(engine_size(&file), size);
}

/* A far write keeps the page in which the file ends in the cache while it asks for space; meanwhile another
 * write wants that page, which is under I/O. */
Test(file_space, the_tail_page_of_a_write_that_asks_for_space_is_written)
{
    struct engine_job tail = {0}, far = {0}, inside = {0};
    cr_assert_eq(engine_write(&file, FILE_THROUGH, 0, out, PAGE + 100), PAGE + 100);
    fill(&other, FILE_THROUGH, MIB);
    fill(&other, FILE_THROUGH, PAGE);
    cr_assert_eq(engine_read(&file, PAGE, in, 100), 100); /* it was evicted */
    engine_hold(&engine, DEVICE_WRITE);
    engine_start_write(&file, &tail, FILE_THROUGH, PAGE, out, 50);
    engine_send(&engine);
    engine_start_write(&file, &far, FILE_THROUGH, 10 * PAGE, out, PAGE);
    engine_start_write(&file, &inside, FILE_THROUGH, PAGE + 10, out, 50);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert_eq(tail.result, 50);
    cr_assert_eq(far.result, -ENOSPC);
    cr_assert_eq(inside.result, 50);
}

Test(file_space, many_writers_at_the_end_of_space)
{
    static struct engine_job jobs[80];
    unsigned done = 0;
    for (unsigned i = 0; i < 80; i++)
        engine_start_append(i % 2 ? &file : &other, &jobs[i], (enum file_level)(1 + i % 3), out,
                            MIB);
    engine_run(&engine);
    for (unsigned i = 0; i < 80; i++) {
        cr_assert(jobs[i].done);
        cr_assert(jobs[i].result == MIB || jobs[i].result == -ENOSPC);
        done += jobs[i].result == MIB;
    }
    cr_assert_eq(engine_size(&file) + engine_size(&other), (uint64_t)done * MIB);
    cr_assert_lt(engine_free_blocks(&engine), 256);
}

/* Memory for maps has a cap: what would need more is refused when it is recorded, after its data was
 * written, and nothing of it stays. */
Test(file_space, a_refused_record_fails_the_write)
{
    engine_finish(&engine);
    struct engine_options options = {.metadata_bytes = 64 << 10};
    engine_start(&engine, &options);
    engine_create(&engine, &file, "/file");
    engine_create(&engine, &other, "/other");
    uint64_t blocks = engine_free_blocks(&engine), pages = 0;
    int64_t result;
    while ((result = engine_write(&file, FILE_THROUGH, pages * 2 * PAGE, out, PAGE)) == PAGE)
        pages++;
    cr_assert_eq(result, -ENOSPC);
    engine_run(&engine);
    cr_assert_gt(pages, 10);
    cr_assert_eq(engine_size(&file), (pages * 2 - 1) * PAGE);
    cr_assert_eq(engine_free_blocks(&engine), blocks - pages);
    cr_assert_eq(engine_write(&file, FILE_THROUGH, 0, out, PAGE), PAGE); /* no record */
    cr_assert_eq(engine_truncate(&file, 0), 0);
    cr_assert_eq(engine_free_blocks(&engine), blocks);
    cr_assert_eq(engine_write(&file, FILE_THROUGH, 0, out, PAGE), PAGE);
    cr_assert_eq(engine_read(&file, 0, in, PAGE), PAGE);
}

static uint64_t blocks_of_file(void)
{
    struct file_attributes attributes;
    file_attributes(file.shard, file.ino, file.generation, 0, &attributes);
    return attributes.blocks;
}

/* Blocks count from when they are taken, whatever becomes of the write. */
Test(file_space, blocks_are_counted_while_they_are_on_their_way)
{
    struct engine_job write = {0}, again = {0};
    engine_hold(&engine, DEVICE_WRITE);
    engine_start_write(&file, &write, FILE_BEHIND, 0, out, 4 * PAGE);
    cr_assert(write.done);
    cr_assert_eq(blocks_of_file(), 4);
    engine_send(&engine);
    engine_start_write(&file, &again, FILE_BEHIND, PAGE, out, 4 * PAGE);
    cr_assert_eq(blocks_of_file(), 5);
    sim_release(engine.device);
    engine_run(&engine);
    cr_assert_eq(blocks_of_file(), 5);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    cr_assert_eq(engine_write(&file, FILE_THROUGH, 10 * PAGE, out, 2 * PAGE), -EIO);
    cr_assert_eq(blocks_of_file(), 5);
}

/* Whole over one whose write fails: the newer one takes the block over. */
Test(file_space, a_block_taken_over_is_counted_once)
{
    struct engine_job first = {0}, second = {0};
    cr_assert_eq(engine_truncate(&file, 8 * PAGE), 0);
    sim_fail_next(engine.device, DEVICE_WRITE, -EIO);
    engine_start_write(&file, &first, FILE_THROUGH, PAGE, out, PAGE);
    engine_send(&engine);
    engine_start_write(&file, &second, FILE_THROUGH, PAGE, out, PAGE);
    cr_assert_eq(blocks_of_file(), 1);
    engine_run(&engine);
    cr_assert_eq(first.result, -EIO);
    cr_assert_eq(second.result, PAGE);
    cr_assert_eq(blocks_of_file(), 1);
}
