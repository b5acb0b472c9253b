/*
 * test_image.c - images made in steps while names and files change between the steps: each must hold exactly
 * what was there at its beginning, and load.
 */
#include "server/device/sim.h"
#include "server/volume/image_stream.h"
#include "server/volume/partition.h"
#include "server/volume/superblock.h"
#include "tests/support/random.h"
#include "tests/unit/names_fixture.h"

TestSuite(image, .timeout = 60);

/* ---- names --------------------------------------------------------------------------------------- */

#define NAME_COUNT 12u
#define OPEN_MAX   8u

struct opened {
    uint64_t ino, generation;
};

/* Few names in few directories, so that operations meet. */
static void random_path(struct random_source *random, char *path)
{
    uint64_t depth = random_below(random, 3);
    *path = '\0';
    for (uint64_t i = 0; i < depth; i++)
        sprintf(path + strlen(path), "/dir-%u", (unsigned)random_below(random, 4));
    sprintf(path + strlen(path), "/%s-%u", random_one_in(random, 3) ? "dir" : "name",
            (unsigned)random_below(random, NAME_COUNT));
}

static void open_or_close(struct tree *tree, struct random_source *random, const char *path,
                          struct opened *open)
{
    struct opened *slot = &open[random_below(random, OPEN_MAX)];
    struct name_inode *inode = inode_at(tree, path);
    if (slot->ino) {
        names_closed(tree->names, slot->ino, slot->generation);
        slot->ino = 0;
    } else if (inode) {
        names_opened(tree->names, inode);
        *slot = (struct opened){inode->ino, inode->generation};
    }
}

/* Directories stay in the root, where paths reach them: the tree would grow for ever. */
static bool may_move(struct tree *tree, const char *from, const char *to)
{
    const struct name_inode *inode = inode_at(tree, from);
    return !inode || !S_ISDIR(inode->mode) || strrchr(to, '/') == to;
}

static void change_names(struct tree *tree, struct random_source *random, struct opened *open)
{
    char one[128], two[128];
    random_path(random, one);
    random_path(random, two);
    switch (random_below(random, 12)) {
    case 0:
    case 1:
    case 2:
        make_file(tree, one);
        break;
    case 3:
        make_dir(tree, one);
        break;
    case 4:
        make_symlink(tree, two, one);
        break;
    case 5:
        make_link(tree, one, two);
        break;
    case 6:
    case 7:
        make_unlink(tree, one, random_one_in(random, 2));
        break;
    case 8:
    case 9:
        if (may_move(tree, one, two) && may_move(tree, two, one))
            make_rename(tree, one, two, random_one_in(random, 2) ? RENAME_EXCHANGE : 0);
        break;
    case 10:
        if (inode_at(tree, one))
            change_mode(tree, one, (uint32_t)random_below(random, 01000));
        break;
    default:
        open_or_close(tree, random, one, open);
    }
}

static void assert_same_images(const struct memory_sink *one, const struct memory_sink *two)
{
    size_t count_one, count_two;
    const struct item_header **items_one = sorted_items(one, &count_one);
    const struct item_header **items_two = sorted_items(two, &count_two);
    cr_assert_eq(count_one, count_two);
    for (size_t i = 0; i < count_one; i++)
        cr_assert_eq(compare_items(&items_one[i], &items_two[i]), 0, "item %zu differs", i);
    free(items_one);
    free(items_two);
}

/* One image with up to `changes` changes after each step of a few items. */
static unsigned image_with_changes(struct tree *tree, struct random_source *random,
                                   struct opened *open, unsigned changes)
{
    struct memory_sink before = image_of(tree->names), image = {.sink.put = memory_put};
    struct image_writer writer;
    unsigned steps = 0;
    image_writer_begin(&writer, &image.sink, PARTITION_NAMES);
    names_image_begin(tree->names, &writer);
    do {
        steps++;
        for (uint64_t i = random_below(random, changes + 1); i > 0; i--)
            change_names(tree, random, open);
    } while (names_image_step(tree->names, 1 + (unsigned)random_below(random, 20)));
    cr_assert_eq(image_writer_end(&writer), 0);

    assert_same_images(&before, &image);
    struct names *copy = replayed(image.bytes, image.used_bytes);
    cr_assert_eq(names_verify(copy, say_line, NULL), 0);
    names_destroy(copy);
    free(before.bytes);
    free(image.bytes);
    return steps;
}

Test(image, of_names_is_the_tree_at_the_cut)
{
    struct tree *tree = tree_new(UINT64_MAX);
    struct random_source random = {21};
    struct opened open[OPEN_MAX] = {0};
    unsigned steps = 0;
    for (unsigned i = 0; i < 2000; i++)
        change_names(tree, &random, open);
    /* More rounds than a mark can tell apart. */
    for (unsigned round = 0; round < 300; round++)
        steps += image_with_changes(tree, &random, open, round % 40);
    cr_assert_gt(steps, 3000);
    for (unsigned i = 0; i < OPEN_MAX; i++)
        if (open[i].ino)
            names_closed(tree->names, open[i].ino, open[i].generation);
    tree_end(tree);
}

/* The tables split buckets under the walk. */
Test(image, of_names_that_become_many)
{
    struct tree *tree = tree_new(UINT64_MAX);
    struct memory_sink before, image = {.sink.put = memory_put};
    struct image_writer writer;
    char path[64];
    for (unsigned i = 0; i < 500; i++) {
        sprintf(path, "/before-%u", i);
        cr_assert_eq(i % 50 ? make_file(tree, path) : make_dir(tree, path), 0);
    }
    before = image_of(tree->names);
    image_writer_begin(&writer, &image.sink, PARTITION_NAMES);
    names_image_begin(tree->names, &writer);
    unsigned made = 0;
    while (names_image_step(tree->names, 8))
        for (unsigned i = 0; i < 40; i++) {
            sprintf(path, "/before-%u/after-%u", 50 * (made % 10), made);
            made++;
            cr_assert_eq(make_file(tree, path), 0);
        }
    cr_assert_gt(made, 2000);
    cr_assert_eq(image_writer_end(&writer), 0);
    assert_same_images(&before, &image);
    free(before.bytes);
    free(image.bytes);
    tree_destroy(tree);
}

/* A full sink stops the walk, not what has to be saved. */
Test(image, a_full_sink_stops_the_walk_only)
{
    struct tree *tree = tree_new(UINT64_MAX);
    struct memory_sink before, image = {.sink.put = memory_put};
    struct image_writer writer;
    cr_assert_eq(make_file(tree, "/one"), 0);
    cr_assert_eq(make_file(tree, "/two"), 0);
    before = image_of(tree->names);
    image_writer_begin(&writer, &image.sink, PARTITION_NAMES);
    names_image_begin(tree->names, &writer);
    size_t used_bytes = record_used(&writer.builder);
    image.sink.full = true;
    for (unsigned i = 0; i < 100; i++)
        cr_assert(names_image_step(tree->names, 100));
    cr_assert_eq(record_used(&writer.builder), used_bytes);
    cr_assert_eq(make_unlink(tree, "/one", false), 0);
    cr_assert_gt(record_used(&writer.builder), used_bytes);
    image.sink.full = false;
    while (names_image_step(tree->names, 1))
        ;
    cr_assert_eq(image_writer_end(&writer), 0);
    assert_same_images(&before, &image);
    free(before.bytes);
    free(image.bytes);
    tree_destroy(tree);
}

/* ---- files --------------------------------------------------------------------------------------- */

#define PARTITION  3u
#define FILE_COUNT 15u

static void change_files(struct partition *partition, struct random_source *random)
{
    _Alignas(8) static unsigned char buffer[4096];
    struct record_builder builder;
    uint64_t ino = 1 + random_below(random, FILE_COUNT), logical = random_below(random, 1000);
    uint32_t flags = random_one_in(random, 4);
    struct item_file file = {.header.kind = ITEM_FILE,
                             .ino = ino,
                             .generation = 1,
                             .size_bytes = random_below(random, 1 << 20),
                             .mtime_ns = (int64_t)random_below(random, 1 << 20)};
    struct item_map map = {.header = {.kind = ITEM_MAP, .count = flags ? MAP_UNWRITTEN : 0},
                           .ino = ino,
                           .generation = 1,
                           .logical = logical,
                           .physical = 2 * logical, /* many adjoin, none twice */
                           .blocks = 1 + random_below(random, 3)};
    struct item_unmap unmap = {
        .header = {.kind = ITEM_UNMAP, .count = flags ? UNMAP_WRITTEN_ONLY : 0},
        .ino = ino,
        .generation = 1,
        .logical = logical,
        .blocks = random_below(random, random_one_in(random, 20) ? 3000 : 9)};
    if (random_one_in(random, 2))
        map.physical = 9000 + logical;
    record_begin(&builder, buffer, sizeof buffer, PARTITION);
    record_add(&builder, &file, sizeof file, NULL, 0);
    if (random_one_in(random, 4))
        record_add(&builder, &unmap, sizeof unmap, NULL, 0);
    else
        record_add(&builder, &map, sizeof map, NULL, 0);
    cr_assert_gt(record_end(&builder), 0);
    cr_assert_eq(partition_apply(partition, (const void *)buffer, NULL, NULL), 0);
}

static struct partition *loaded(const struct memory_sink *image)
{
    struct partition *partition;
    const struct record_header *record;
    size_t at = 0;
    cr_assert_eq(partition_create(PARTITION, &partition), 0);
    while (record_next(image->bytes, image->used_bytes, &at, &record) > 0)
        cr_assert_eq(partition_apply(partition, record, NULL, NULL), 0);
    return partition;
}

static struct memory_sink files_of(struct partition *partition)
{
    struct memory_sink sink = {.sink.put = memory_put};
    cr_assert_eq(partition_serialise(partition, &sink.sink), 0);
    return sink;
}

static unsigned files_with_changes(struct partition *partition, struct random_source *random,
                                   unsigned changes)
{
    struct memory_sink before = files_of(partition), image = {.sink.put = memory_put};
    struct image_writer writer;
    unsigned steps = 0;
    image_writer_begin(&writer, &image.sink, PARTITION);
    partition_image_begin(partition, &writer);
    do {
        steps++;
        for (uint64_t i = random_below(random, changes + 1); i > 0; i--)
            change_files(partition, random);
    } while (partition_image_step(partition, 1 + (unsigned)random_below(random, 100)));
    cr_assert_eq(image_writer_end(&writer), 0);

    assert_same_images(&before, &image);
    struct partition *copy = loaded(&image);
    struct memory_sink again = files_of(copy);
    assert_same_images(&before, &again);
    partition_destroy(copy);
    free(again.bytes);
    free(before.bytes);
    free(image.bytes);
    return steps;
}

Test(image, of_files_is_the_partition_at_the_cut)
{
    struct partition *partition;
    struct random_source random = {22};
    unsigned steps = 0;
    cr_assert_eq(partition_create(PARTITION, &partition), 0);
    for (unsigned i = 0; i < 5000; i++)
        change_files(partition, &random);
    cr_assert_gt(partition_extent_count(partition), 1000);
    for (unsigned round = 0; round < 300; round++)
        steps += files_with_changes(partition, &random, round % 60);
    cr_assert_gt(steps, 3000);
    partition_destroy(partition);
}

/* The end of a file needs no record, and the image may have it or not: here it is new or was not reached. */
Test(image, a_file_that_is_dropped_does_no_harm)
{
    struct partition *partition;
    struct random_source random = {23};
    struct memory_sink image = {.sink.put = memory_put};
    struct image_writer writer;
    cr_assert_eq(partition_create(PARTITION, &partition), 0);
    for (unsigned i = 0; i < 5000; i++)
        change_files(partition, &random);
    image_writer_begin(&writer, &image.sink, PARTITION);
    partition_image_begin(partition, &writer);
    for (uint64_t ino = 1; partition_image_step(partition, 100); ino++) {
        struct file_data *data = partition_find(partition, ino, 1);
        if (data)
            partition_drop(partition, data, NULL, NULL);
    }
    cr_assert_eq(image_writer_end(&writer), 0);
    partition_destroy(loaded(&image));
    partition_destroy(partition);
    free(image.bytes);
}

/* ---- the stream ---------------------------------------------------------------------------------- */

#define STREAM_SEGMENTS 40u

struct medium {
    struct device *device;
    const struct superblock *sb;
    struct image_piece *kept[256];
    unsigned kept_count;
    uint32_t places[STREAM_SEGMENTS]; /* which segment each of the image lies in */
    bool keep;
};

/* Writes it to its place, and gives it back at once or keeps it. */
static void take_piece(struct image_stream *stream, struct image_piece *piece)
{
    struct medium *medium = stream->context;
    uint64_t offset = segment_offset(medium->sb, medium->places[piece->segment]);
    offset += piece->segment_at;
    cr_assert_lt(piece->segment, STREAM_SEGMENTS);
    cr_assert_leq(piece->segment_at + piece->length_bytes, medium->sb->segment_bytes);
    cr_assert_eq(device_transfer(medium->device, DEVICE_WRITE, 0, offset, piece->memory,
                                 piece->length_bytes),
                 0);
    if (medium->keep)
        medium->kept[medium->kept_count++] = piece;
    else
        image_stream_returned(stream, piece);
}

static int check_items(void *context, const struct record_header *record)
{
    uint64_t *last = context;
    const struct item_header *item;
    size_t at = 0;
    while (record_item(record, &at, &item) > 0)
        cr_assert_eq(((const struct item_file *)item)->ino, ++*last);
    return 0;
}

/* What image_load makes of the medium is what went into the stream. */
static void stream_and_load(struct device *device, uint32_t segment_bytes, uint64_t items,
                            bool keep)
{
    struct superblock sb = {.metadata_offset = 1 << 20,
                            .segment_bytes = segment_bytes,
                            .segment_count = STREAM_SEGMENTS};
    struct image_identity identity = {.superblock = &sb, .partition = PARTITION, .id = items + 1};
    struct medium medium = {.device = device, .sb = &sb, .keep = keep};
    struct image_stream stream;
    struct item_file item = {.header.kind = ITEM_FILE, .generation = 1};
    /* Some segments lie one behind the other, some do not. */
    uint32_t *numbers = medium.places;
    for (uint32_t i = 0; i < STREAM_SEGMENTS; i++)
        numbers[i] = i & 4 ? i ^ 1 : i;
    cr_assert_eq(image_stream_init(&stream), 0);
    image_stream_begin(&stream, &identity, take_piece, &medium);
    for (item.ino = 1; item.ino <= items; item.ino++)
        image_writer_add(&stream.writer, &item, sizeof item, NULL, 0);
    image_stream_end(&stream);
    cr_assert_eq(stream.error, 0);
    cr_assert(!keep || medium.kept_count <= IMAGE_PIECES || stream.sink.full);
    for (unsigned i = 0; i < medium.kept_count; i++)
        image_stream_returned(&stream, medium.kept[i]);
    cr_assert(image_stream_all_back(&stream));
    cr_assert_eq(stream.free_count, IMAGE_PIECES);

    uint64_t payload_bytes = segment_bytes - sizeof(struct segment_header), last = 0;
    struct partition_root root = {
        .image_id = items + 1,
        .image_bytes = stream.bytes,
        .segment_count = (uint32_t)((stream.bytes + payload_bytes - 1) / payload_bytes),
        .segments = numbers};
    cr_assert_eq(image_load(device, &sb, PARTITION, &root, check_items, &last), 0);
    cr_assert_eq(last, items);
    image_stream_destroy(&stream);
}

Test(image, a_stream_is_what_is_loaded)
{
    static const uint32_t sizes[] = {64u << 10, 68u << 10, 128u << 10, 1u << 20};
    struct sim_options options = {.size_bytes = 64ull << 20, .block_bytes = 4096};
    struct random_source random = {24};
    struct device *device;
    cr_assert_eq(sim_create(&options, &device), 0);
    for (unsigned i = 0; i < 4; i++) {
        for (uint64_t items = 0; items < 4; items++)
            stream_and_load(device, sizes[i], items, items % 2);
        for (unsigned round = 0; round < 20; round++)
            stream_and_load(device, sizes[i], random_below(&random, 20000), round % 2);
        /* Where a record ends just before, at and behind the end of a segment. */
        uint64_t full = (sizes[i] - sizeof(struct segment_header)) / sizeof(struct item_file);
        for (uint64_t items = full - 12; items < full + 2; items++)
            stream_and_load(device, sizes[i], items, false);
    }
    sim_destroy(device);
}
