/* test_partition.c - records into a partition, a partition into records. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/volume/image_writer.h"
#include "server/volume/partition.h"
#include "tests/support/random.h"

#define NUMBER 5u

static _Alignas(8) unsigned char buffer[8192];
static struct record_builder builder;

static void begin(void)
{
    record_begin(&builder, buffer, sizeof buffer, NUMBER);
}

static void add_file(uint64_t ino, uint64_t generation, uint64_t size_bytes, int64_t mtime_ns)
{
    const struct item_file item = {.header.kind = ITEM_FILE,
                                   .ino = ino,
                                   .generation = generation,
                                   .size_bytes = size_bytes,
                                   .atime_ns = mtime_ns + 1,
                                   .mtime_ns = mtime_ns};
    record_add(&builder, &item, sizeof item, NULL, 0);
}

static void add_map_as(uint64_t ino, uint64_t logical, uint64_t physical, uint64_t blocks,
                       uint32_t flags)
{
    const struct item_map item = {.header = {.kind = ITEM_MAP, .count = flags},
                                  .ino = ino,
                                  .generation = 1,
                                  .logical = logical,
                                  .physical = physical,
                                  .blocks = blocks};
    record_add(&builder, &item, sizeof item, NULL, 0);
}

static void add_map(uint64_t ino, uint64_t logical, uint64_t physical, uint64_t blocks)
{
    add_map_as(ino, logical, physical, blocks, 0);
}

static void add_unmap_as(uint64_t ino, uint64_t logical, uint64_t blocks, uint32_t flags)
{
    const struct item_unmap item = {.header = {.kind = ITEM_UNMAP, .count = flags},
                                    .ino = ino,
                                    .generation = 1,
                                    .logical = logical,
                                    .blocks = blocks};
    record_add(&builder, &item, sizeof item, NULL, 0);
}

static void add_unmap(uint64_t ino, uint64_t logical, uint64_t blocks)
{
    add_unmap_as(ino, logical, blocks, 0);
}

static void add_gone(uint64_t ino)
{
    const struct item_file_gone item = {.header.kind = ITEM_FILE_GONE, .ino = ino, .generation = 1};
    record_add(&builder, &item, sizeof item, NULL, 0);
}

static void count_freed(void *context, uint64_t physical, uint64_t blocks)
{
    (void)physical;
    *(uint64_t *)context += blocks;
}

static int apply(struct partition *partition, uint64_t *freed)
{
    cr_assert_gt(record_end(&builder), 0);
    return partition_apply(partition, (const struct record_header *)buffer,
                           freed ? count_freed : NULL, freed);
}

/* An image in memory. */
struct sink {
    struct image_sink sink;
    unsigned char *bytes;
    size_t used_bytes, capacity_bytes, largest_bytes;
};

static int sink_put(struct image_sink *image_sink, const void *bytes, size_t size_bytes)
{
    struct sink *sink = (struct sink *)image_sink;
    if (sink->used_bytes + size_bytes > sink->capacity_bytes)
        return -ENOSPC;
    memcpy(sink->bytes + sink->used_bytes, bytes, size_bytes);
    sink->used_bytes += size_bytes;
    if (size_bytes > sink->largest_bytes)
        sink->largest_bytes = size_bytes;
    return 0;
}

static struct sink sink_new(size_t capacity_bytes)
{
    return (struct sink){
        .sink.put = sink_put, .bytes = malloc(capacity_bytes), .capacity_bytes = capacity_bytes};
}

static struct partition *load(const struct sink *sink)
{
    struct partition *partition;
    cr_assert_eq(partition_create(NUMBER, &partition), 0);
    const struct record_header *record;
    size_t at = 0;
    int result;
    while ((result = record_next(sink->bytes, sink->used_bytes, &at, &record)) > 0)
        cr_assert_eq(partition_apply(partition, record, NULL, NULL), 0);
    cr_assert_eq(result, 0);
    return partition;
}

struct comparison {
    struct partition *other;
    uint64_t files;
};

static void compare_file(void *context, struct file_data *data)
{
    struct comparison *comparison = context;
    const struct file_data *same = partition_find(comparison->other, data->ino, data->generation);
    cr_assert_not_null(same);
    cr_assert_eq(same->size_bytes, data->size_bytes);
    cr_assert_eq(same->atime_ns, data->atime_ns);
    cr_assert_eq(same->mtime_ns, data->mtime_ns);
    cr_assert_eq(same->extents.extent_count, data->extents.extent_count);
    struct extent one, two;
    for (uint64_t at = 0; extents_find(&data->extents, at, &one); at = one.logical + one.blocks) {
        cr_assert(extents_find(&same->extents, at, &two));
        cr_assert_eq(memcmp(&one, &two, sizeof one), 0);
    }
    comparison->files++;
}

static void compare(struct partition *one, struct partition *two)
{
    struct comparison comparison = {two, 0};
    partition_each(one, compare_file, &comparison);
    cr_assert_eq(comparison.files, partition_file_count(two));
    cr_assert_eq(partition_file_count(one), partition_file_count(two));
    cr_assert_eq(partition_extent_count(one), partition_extent_count(two));
    cr_assert_eq(partition_memory_bytes(one), partition_memory_bytes(two));
}

Test(partition, a_file_and_its_blocks)
{
    struct partition *partition;
    cr_assert_eq(partition_create(NUMBER, &partition), 0);
    cr_assert_eq(partition_number(partition), NUMBER);
    cr_assert_null(partition_find(partition, 21, 1));
    begin();
    add_file(21, 1, 12345, 99);
    add_map(21, 0, 1000, 4);
    cr_assert_eq(apply(partition, NULL), 0);
    struct file_data *data = partition_find(partition, 21, 1);
    cr_assert_not_null(data);
    cr_assert_eq(data->size_bytes, 12345);
    cr_assert_eq(data->mtime_ns, 99);
    cr_assert_eq(data->atime_ns, 100);
    cr_assert_eq(data->extents.block_count, 4);
    cr_assert_null(partition_find(partition, 21, 2), "another generation is another file");

    uint64_t freed = 0;
    begin();
    add_map(21, 2, 2000, 4);
    add_unmap(21, 0, 1);
    cr_assert_eq(apply(partition, &freed), 0);
    cr_assert_eq(freed, 3);
    cr_assert_eq(partition_extent_count(partition), 2);
    begin();
    add_gone(21);
    cr_assert_eq(apply(partition, &freed), 0);
    cr_assert_eq(freed, 8);
    cr_assert_eq(partition_file_count(partition), 0);
    cr_assert_eq(partition_extent_count(partition), 0);
    cr_assert_eq(partition_memory_bytes(partition), 0);
    partition_destroy(partition);
}

Test(partition, twice_is_as_once)
{
    struct partition *partition;
    partition_create(NUMBER, &partition);
    uint64_t freed = 0;
    for (int i = 0; i < 2; i++) {
        begin();
        add_file(21, 1, 500, 7);
        add_map(21, 0, 1000, 4);
        add_unmap(21, 1, 1);
        add_map(21, 1, 3000, 1);
        cr_assert_eq(apply(partition, i == 1 ? &freed : NULL), 0);
    }
    /* Block 1 went back to its first place on the way and was freed from there again: at replay, which is
     * where records come twice, nobody listens to that. */
    cr_assert_eq(partition_extent_count(partition), 3);
    begin();
    add_gone(21);
    cr_assert_eq(apply(partition, NULL), 0);
    cr_assert_eq(apply(partition, NULL), 0);
    partition_destroy(partition);
}

Test(partition, get_makes_an_empty_file)
{
    struct partition *partition;
    partition_create(NUMBER, &partition);
    struct file_data *data = partition_get(partition, 9, 4, 77);
    cr_assert_not_null(data);
    cr_assert_eq(data->mtime_ns, 77);
    cr_assert_eq(data->atime_ns, 77);
    cr_assert_eq(data->size_bytes, 0);
    cr_assert_eq(partition_get(partition, 9, 4, 88), data);
    cr_assert_eq(partition_find(partition, 9, 4), data);
    partition_drop(partition, data, NULL, NULL);
    cr_assert_null(partition_find(partition, 9, 4));
    partition_destroy(partition);
}

Test(partition, unwritten_blocks_in_records_and_images)
{
    struct partition *partition;
    struct extent extent;
    uint64_t freed = 0;
    partition_create(NUMBER, &partition);
    begin();
    add_map_as(3, 0, 100, 10, MAP_UNWRITTEN);
    add_map(3, 4, 104, 2);
    add_map(3, 20, 200, 5);
    cr_assert_eq(apply(partition, &freed), 0);
    struct file_data *data = partition_find(partition, 3, 1);
    cr_assert_eq(data->extents.extent_count, 4);
    cr_assert_eq(data->extents.block_count, 15);
    struct sink sink = sink_new(1 << 20);
    cr_assert_eq(partition_serialise(partition, &sink.sink), 0);
    struct partition *again = load(&sink);
    compare(partition, again);
    partition_destroy(again);
    free(sink.bytes);
    begin();
    add_unmap_as(3, 1, 1000, UNMAP_WRITTEN_ONLY);
    cr_assert_eq(apply(partition, &freed), 0);
    cr_assert_eq(freed, 7);
    cr_assert_eq(data->extents.block_count, 8);
    cr_assert(extents_find(&data->extents, 2, &extent) && extent.logical == 0 && extent.unwritten);
    begin();
    add_unmap(3, 1, 1000);
    cr_assert_eq(apply(partition, &freed), 0);
    cr_assert_eq(freed, 14);
    partition_destroy(partition);
}

Test(partition, refuses_what_cannot_be)
{
    struct partition *partition;
    partition_create(NUMBER, &partition);
    const struct {
        uint64_t logical, physical, blocks;
    } wrong[] = {
        {0, 0, 0},
        {UINT64_MAX, 0, 1},
        {0, UINT64_MAX, 1},
        {UINT64_MAX - 1, 5, 4},
        {5, UINT64_MAX - 1, 4},
        {1ull << 51, 5, 1},
        {0, 1ull << 48, 1},
        {0, 0, UINT64_MAX},
    };
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        begin();
        add_map(3, wrong[i].logical, wrong[i].physical, wrong[i].blocks);
        cr_assert_eq(apply(partition, NULL), -EBADMSG, "case %u", i);
    }
    begin();
    add_file(3, 1, 1ull << 63, 0);
    cr_assert_eq(apply(partition, NULL), -EBADMSG);
    begin();
    add_unmap(3, 2, UINT64_MAX - 1);
    cr_assert_eq(apply(partition, NULL), -EBADMSG);
    begin();
    add_unmap(3, 2, UINT64_MAX - 2);
    cr_assert_eq(apply(partition, NULL), 0, "to the end");
    begin();
    add_map_as(3, 0, 5, 1, MAP_UNWRITTEN << 1);
    cr_assert_eq(apply(partition, NULL), -EBADMSG, "an unknown flag");
    begin();
    add_unmap_as(3, 0, 1, UNMAP_WRITTEN_ONLY << 1);
    cr_assert_eq(apply(partition, NULL), -EBADMSG, "an unknown flag");
    begin();
    const struct item_next_ino alien = {.header.kind = ITEM_NEXT_INO};
    record_add(&builder, &alien, sizeof alien, NULL, 0);
    cr_assert_eq(apply(partition, NULL), -EBADMSG, "an item of names");
    record_begin(&builder, buffer, sizeof buffer, NUMBER + 1);
    add_file(3, 1, 1, 1);
    cr_assert_eq(apply(partition, NULL), -EBADMSG, "another partition's record");
    partition_destroy(partition);
}

static void drop_odd(void *context, struct file_data *data)
{
    if (data->ino % 2)
        partition_drop(context, data, NULL, NULL);
}

Test(partition, many_files_and_dropping_while_visiting)
{
    struct partition *partition;
    partition_create(NUMBER, &partition);
    for (uint64_t ino = 0; ino < 100000; ino++)
        cr_assert_not_null(partition_get(partition, ino * 16 + ino % 3, 1, 0));
    cr_assert_eq(partition_file_count(partition), 100000);
    for (uint64_t ino = 0; ino < 100000; ino += 17)
        cr_assert_not_null(partition_find(partition, ino * 16 + ino % 3, 1));
    partition_each(partition, drop_odd, partition);
    cr_assert_eq(partition_file_count(partition), 66667);
    cr_assert_null(partition_find(partition, 17, 1));
    partition_destroy(partition);
}

Test(partition, image_of_random_files)
{
    struct random_source random = {11};
    struct partition *partition;
    partition_create(NUMBER, &partition);
    for (unsigned round = 0; round < 20000; round++) {
        uint64_t ino = 1 + random_below(&random, 50);
        begin();
        if (random_one_in(&random, 100))
            add_gone(ino);
        else if (random_one_in(&random, 4))
            add_unmap(ino, random_below(&random, 5000), 1 + random_below(&random, 50));
        else
            add_map(ino, random_below(&random, 5000), random_below(&random, 1 << 20), 3);
        if (random_one_in(&random, 3))
            add_file(ino, 1, random_below(&random, 1 << 30), (int64_t)round);
        cr_assert_eq(apply(partition, NULL), 0);
    }
    struct sink sink = sink_new(32u << 20);
    cr_assert_eq(partition_serialise(partition, &sink.sink), 0);
    cr_assert_leq(sink.largest_bytes, 8192);
    struct partition *copy = load(&sink);
    compare(partition, copy);
    partition_destroy(copy);

    sink.used_bytes = 0;
    sink.capacity_bytes = 20000;
    cr_assert_eq(partition_serialise(partition, &sink.sink), -ENOSPC, "the sink's own error");
    free(sink.bytes);
    partition_destroy(partition);
}

Test(partition, image_of_nothing_is_empty)
{
    struct partition *partition;
    partition_create(NUMBER, &partition);
    struct sink sink = sink_new(100);
    cr_assert_eq(partition_serialise(partition, &sink.sink), 0);
    cr_assert_eq(sink.used_bytes, 0);
    free(sink.bytes);
    partition_destroy(partition);
}

Test(partition, random_items_never_crash)
{
    struct random_source random = {12};
    struct partition *partition;
    partition_create(NUMBER, &partition);
    for (unsigned round = 0; round < 100000; round++) {
        begin();
        add_map(random_below(&random, 20), random_below(&random, 100), random_below(&random, 1000),
                5);
        add_unmap(random_below(&random, 20), random_below(&random, 100), 7);
        add_file(random_below(&random, 20), 1, 4096, 0);
        cr_assert_gt(record_end(&builder), 0);
        size_t bits = random_below(&random, 4);
        for (size_t i = 0; i < bits; i++)
            buffer[16 + random_below(&random, builder.used_bytes - 16)] ^=
                (unsigned char)(1u << random_below(&random, 8));
        int result = partition_apply(partition, (const struct record_header *)buffer, NULL, NULL);
        cr_assert(result == 0 || result == -EBADMSG || result == -EOPNOTSUPP, "%d", result);
    }
    partition_destroy(partition);
}
