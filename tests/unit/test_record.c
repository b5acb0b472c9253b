/* test_record.c - building records, walking them, and refusing what is not one. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "server/volume/record.h"
#include "tests/support/random.h"

static _Alignas(8) unsigned char buffer[RECORD_BYTES_MAX + 8];

static const struct item_map a_map = {
    .header.kind = ITEM_MAP, .ino = 7, .generation = 1, .logical = 5, .physical = 900, .blocks = 3};

static struct item_entry entry_of(uint32_t name_bytes)
{
    return (struct item_entry){
        .header = {.kind = ITEM_ENTRY, .count = name_bytes}, .parent = 1, .ino = 2};
}

/* A record of one item, of which the test then breaks a part. */
static struct record_header *build(const void *item, size_t item_bytes, const void *tail,
                                   size_t tail_bytes)
{
    struct record_builder builder;
    record_begin(&builder, buffer, sizeof buffer, 3);
    record_add(&builder, item, item_bytes, tail, tail_bytes);
    cr_assert_gt(record_end(&builder), 0);
    return (struct record_header *)buffer;
}

static int next_of(size_t size_bytes)
{
    const struct record_header *record;
    size_t offset = 0;
    return record_next(buffer, size_bytes, &offset, &record);
}

static int item_of(void)
{
    const struct item_header *item;
    size_t offset = 0;
    return record_item((const struct record_header *)buffer, &offset, &item);
}

Test(record, round_trip)
{
    struct record_builder builder;
    record_begin(&builder, buffer, sizeof buffer, 3);
    cr_assert_eq(record_used(&builder), 0);
    record_add(&builder, &a_map, sizeof a_map, NULL, 0);
    struct item_entry entry = entry_of(5);
    record_add(&builder, &entry, sizeof entry, "hello", 5);
    int64_t first = record_end(&builder);
    cr_assert_eq(first, 16 + 48 + 48);
    cr_assert_eq(record_used(&builder), 96);
    record_begin(&builder, buffer + first, sizeof buffer - (size_t)first, 4);
    int64_t second = record_end(&builder);
    cr_assert_eq(second, 16);

    const struct record_header *record;
    const struct item_header *item;
    size_t at = 0, offset = 0, size_bytes = (size_t)(first + second);
    cr_assert_eq(record_next(buffer, size_bytes, &at, &record), 1);
    cr_assert_eq(record->partition, 3);
    cr_assert_eq(record_item(record, &offset, &item), 1);
    cr_assert_eq(((const struct item_map *)item)->physical, 900);
    cr_assert_eq(record_item(record, &offset, &item), 1);
    cr_assert_eq(memcmp((const struct item_entry *)item + 1, "hello\0\0\0", 8), 0,
                 "padded with zeros");
    cr_assert_eq(record_item(record, &offset, &item), 0);
    cr_assert_eq(record_next(buffer, size_bytes, &at, &record), 1);
    cr_assert_eq(record->partition, 4);
    cr_assert_eq(record_next(buffer, size_bytes, &at, &record), 0);
}

Test(record, overflow_of_the_buffer_is_told_at_the_end)
{
    struct record_builder builder;
    record_begin(&builder, buffer, 16 + 48, 3);
    record_add(&builder, &a_map, sizeof a_map, NULL, 0);
    record_add(&builder, &a_map, sizeof a_map, NULL, 0);
    cr_assert_eq(record_end(&builder), -EMSGSIZE);
    record_begin(&builder, buffer, 8, 3);
    cr_assert_eq(record_end(&builder), -EMSGSIZE);
    cr_assert_eq(record_used(&builder), 0);
}

Test(record, never_longer_than_the_limit)
{
    struct record_builder builder;
    record_begin(&builder, buffer, sizeof buffer, 3);
    for (unsigned i = 0; i < (RECORD_BYTES_MAX - 16) / sizeof a_map; i++)
        record_add(&builder, &a_map, sizeof a_map, NULL, 0);
    cr_assert_gt(record_end(&builder), 0);
    record_add(&builder, &a_map, sizeof a_map, NULL, 0);
    cr_assert_eq(record_end(&builder), -EMSGSIZE);
}

Test(record, no_item_longer_than_its_length_field)
{
    static uint32_t segments[UINT16_MAX];
    struct item_root root = {.header = {.kind = ITEM_ROOT, .count = ROOT_SEGMENTS_MAX}};
    struct record_builder builder;
    record_begin(&builder, buffer, sizeof buffer, PARTITION_JOURNAL);
    record_add(&builder, &root, sizeof root, segments, ROOT_SEGMENTS_MAX * sizeof segments[0]);
    cr_assert_gt(record_end(&builder), 0);
    cr_assert_eq(item_of(), 1);
    record_begin(&builder, buffer, sizeof buffer, PARTITION_JOURNAL);
    record_add(&builder, &root, sizeof root, segments, UINT16_MAX);
    cr_assert_eq(record_end(&builder), -EMSGSIZE);
}

Test(record, header_lengths_are_checked)
{
    struct record_header *record = build(&a_map, sizeof a_map, NULL, 0);
    uint32_t bytes = record->bytes;
    cr_assert_eq(next_of(bytes), 1);
    cr_assert_eq(next_of(0), 0);
    for (size_t size_bytes = 1; size_bytes < bytes; size_bytes++)
        cr_assert_eq(next_of(size_bytes), -EBADMSG, "cut to %zu", size_bytes);
    const uint32_t wrong[] = {0, 8, 15, bytes + 8, bytes - 4, RECORD_BYTES_MAX + 8, UINT32_MAX};
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        record->bytes = wrong[i];
        cr_assert_eq(next_of(sizeof buffer / 2), i == 3 ? 1 : -EBADMSG, "bytes %u", wrong[i]);
    }
    record->bytes = bytes;
    const struct record_header *found;
    size_t offset = bytes + 8;
    cr_assert_eq(record_next(buffer, bytes, &offset, &found), -EBADMSG);
    offset = 4;
    cr_assert_eq(record_next(buffer, bytes, &offset, &found), -EBADMSG);
}

Test(record, flags_that_are_not_understood)
{
    struct record_header *record = build(&a_map, sizeof a_map, NULL, 0);
    record->flags = RECORD_CARRIES_DATA;
    cr_assert_eq(next_of(sizeof buffer), -EOPNOTSUPP);
    record->flags = 2;
    cr_assert_eq(next_of(sizeof buffer), -EBADMSG);
    record->flags = 2 | RECORD_CARRIES_DATA;
    cr_assert_eq(next_of(sizeof buffer), -EBADMSG);
    record->flags = 0;
    record->reserved = 1;
    cr_assert_eq(next_of(sizeof buffer), -EBADMSG);
    record->reserved = 0;
    record->data_checksum = 1;
    cr_assert_eq(next_of(sizeof buffer), -EBADMSG);
}

Test(record, item_kinds)
{
    struct record_header *record = build(&a_map, sizeof a_map, NULL, 0);
    struct item_header *item = (struct item_header *)(record + 1);
    item->kind = 0;
    cr_assert_eq(item_of(), -EBADMSG);
    item->kind = ITEM_SETTLED + 1;
    cr_assert_eq(item_of(), -EBADMSG);
    item->kind = UINT16_MAX;
    cr_assert_eq(item_of(), -EBADMSG);
    item->kind = ITEM_VOID;
    cr_assert_eq(item_of(), -EOPNOTSUPP);
    item->kind = ITEM_SETTLED;
    cr_assert_eq(item_of(), -EOPNOTSUPP);
}

Test(record, item_lengths_are_checked)
{
    struct record_header *record = build(&a_map, sizeof a_map, NULL, 0);
    struct item_header *item = (struct item_header *)(record + 1);
    for (unsigned bytes = 0; bytes < 128; bytes++) {
        item->bytes = (uint16_t)bytes;
        cr_assert_eq(item_of(), bytes == sizeof a_map ? 1 : -EBADMSG, "bytes %u", bytes);
    }
    item->bytes = sizeof a_map;
    record->bytes = 16 + 40;
    cr_assert_eq(item_of(), -EBADMSG, "an item past the record's end");
    record->bytes = 16 + 4;
    cr_assert_eq(item_of(), -EBADMSG);
}

Test(record, tails_are_checked)
{
    struct item_entry entry = entry_of(10);
    struct record_header *record = build(&entry, sizeof entry, "0123456789", 10);
    struct item_header *item = (struct item_header *)(record + 1);
    const uint32_t wrong[] = {0, 8, 17, 255, 256, UINT32_MAX, UINT32_MAX - 39};
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        item->count = wrong[i];
        cr_assert_eq(item_of(), -EBADMSG, "count %u", wrong[i]);
    }
    item->count = 16;
    cr_assert_eq(item_of(), 1, "the same padded length");

    static char target[4096];
    struct item_inode inode = {.header = {.kind = ITEM_INODE, .count = 4095}};
    build(&inode, sizeof inode, target, 4095);
    cr_assert_eq(item_of(), 1);
    inode.header.count = 4096;
    build(&inode, sizeof inode, target, 4096);
    cr_assert_eq(item_of(), -EBADMSG, "a target longer than a path");

    static uint32_t segments[ROOT_SEGMENTS_MAX + 2];
    struct item_root root = {.header = {.kind = ITEM_ROOT, .count = 3}};
    build(&root, sizeof root, segments, 12);
    cr_assert_eq(item_of(), 1);
    root.header.count = 5;
    build(&root, sizeof root, segments, 12);
    cr_assert_eq(item_of(), -EBADMSG);
    root.header.count = ROOT_SEGMENTS_MAX + 1;
    build(&root, sizeof root, segments, (ROOT_SEGMENTS_MAX + 1) * 4);
    cr_assert_eq(item_of(), -EBADMSG);
}

Test(record, random_bytes_never_reach_beyond)
{
    struct random_source random = {1};
    for (unsigned round = 0; round < 200000; round++) {
        /* Half of them begin with a header that is right, so that the items are reached. */
        _Alignas(8) unsigned char small[256];
        size_t size_bytes = random_below(&random, sizeof small + 1);
        for (size_t i = 0; i < sizeof small; i++)
            small[i] = (unsigned char)(random_one_in(&random, 2) ? random_next(&random) : 0);
        if (round % 2 && size_bytes >= 24) {
            struct record_header header = {.bytes = (uint32_t)size_bytes & ~7u};
            memcpy(small, &header, sizeof header);
            small[16] = (unsigned char)random_below(&random, 14);
            small[17] = 0;
            small[19] = 0;
        }
        const struct record_header *record;
        size_t at = 0;
        int result;
        while ((result = record_next(small, size_bytes, &at, &record)) > 0) {
            const struct item_header *item;
            size_t offset = 0;
            while (record_item(record, &offset, &item) > 0)
                cr_assert_leq((const unsigned char *)item + item->bytes, small + size_bytes);
        }
        cr_assert(result == 0 || result == -EBADMSG || result == -EOPNOTSUPP);
    }
}

/* Flags that a newer server might have written must not be taken for nothing. */
Test(record, unknown_flags_are_refused)
{
    struct item_map map = a_map;
    struct item_unmap unmap = {.header.kind = ITEM_UNMAP, .ino = 7, .blocks = 1};
    struct item_file file = {.header.kind = ITEM_FILE, .ino = 7};
    map.header.count = MAP_UNWRITTEN;
    build(&map, sizeof map, NULL, 0);
    cr_assert_eq(item_of(), 1);
    map.header.count = MAP_UNWRITTEN | 2;
    build(&map, sizeof map, NULL, 0);
    cr_assert_eq(item_of(), -EBADMSG);
    unmap.header.count = UNMAP_WRITTEN_ONLY;
    build(&unmap, sizeof unmap, NULL, 0);
    cr_assert_eq(item_of(), 1);
    unmap.header.count = 1u << 31;
    build(&unmap, sizeof unmap, NULL, 0);
    cr_assert_eq(item_of(), -EBADMSG);
    file.header.count = 1;
    build(&file, sizeof file, NULL, 0);
    cr_assert_eq(item_of(), -EBADMSG);
}
