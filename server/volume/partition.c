/* partition.c - see partition.h. Whatever comes out of a record is checked before it changes anything. */
#include "server/volume/partition.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "server/volume/format.h"
#include "server/volume/image_writer.h"
#include "server/volume/table.h"

/* A file's last byte is below 2^63; a volume's below WT_VOLUME_BYTES_MAX. */
#define LOGICAL_BLOCKS_MAX  (1ull << (63 - VOLUME_BLOCK_SHIFT))
#define PHYSICAL_BLOCKS_MAX (WT_VOLUME_BYTES_MAX >> VOLUME_BLOCK_SHIFT)

/* Where a walk for an image is: in `bucket`, at the file of that key, whose extents below `logical` are done.
 * (0, 0) is before all files. */
struct partition_walk {
    struct image_writer *writer; /* NULL: no walk is on its way */
    uint64_t bucket, ino, generation, logical;
    uint32_t lengthened; /* items that came in its way since the last step */
};

struct partition {
    uint16_t number;
    uint8_t round;         /* of the last image that was begun */
    uint64_t extent_count; /* of all files */
    struct table files;
    struct partition_walk walk;
};

static uint64_t hash_key(uint64_t ino, uint64_t generation)
{
    return table_mix(ino ^ table_mix(generation));
}

static uint64_t hash_file(const void *context, const void *node)
{
    (void)context;
    const struct file_data *data = node;
    return hash_key(data->ino, data->generation);
}

int partition_create(uint16_t number, struct partition **partition)
{
    struct partition *fresh = calloc(1, sizeof *fresh);
    if (!fresh)
        return -ENOMEM;
    fresh->number = number;
    int error = table_init(&fresh->files, offsetof(struct file_data, hash_next), hash_file, NULL);
    if (error) {
        free(fresh);
        return error;
    }
    *partition = fresh;
    return 0;
}

static void free_file(void *context, struct file_data *data)
{
    (void)context;
    extents_destroy(&data->extents);
    free(data);
}

void partition_destroy(struct partition *partition)
{
    if (!partition)
        return;
    partition_each(partition, free_file, NULL);
    table_destroy(&partition->files);
    free(partition);
}

uint16_t partition_number(const struct partition *partition)
{
    return partition->number;
}

struct file_data *partition_find(struct partition *partition, uint64_t ino, uint64_t generation)
{
    const struct table *files = &partition->files;
    struct file_data *data = table_first(files, hash_key(ino, generation));
    while (data && (data->ino != ino || data->generation != generation))
        data = table_next(files, data);
    return data;
}

struct file_data *partition_get(struct partition *partition, uint64_t ino, uint64_t generation,
                                int64_t birth_ns)
{
    struct file_data *data = partition_find(partition, ino, generation);
    if (data)
        return data;
    data = malloc(sizeof *data);
    if (!data)
        return NULL;
    *data = (struct file_data){
        .ino = ino, .generation = generation, .atime_ns = birth_ns, .mtime_ns = birth_ns};
    extents_init(&data->extents);
    data->extents.round = partition->round;
    partition->walk.lengthened += 2; /* perhaps a bucket too */
    table_insert(&partition->files, data);
    return data;
}

void partition_drop(struct partition *partition, struct file_data *data, extent_freed *freed,
                    void *context)
{
    struct extent extent;
    for (uint64_t at = 0; freed && extents_find(&data->extents, at, &extent);
         at = extent.logical + extent.blocks)
        freed(context, extent.physical, extent.blocks);
    partition->extent_count -= data->extents.extent_count;
    table_remove(&partition->files, data);
    free_file(NULL, data);
}

void partition_each(struct partition *partition,
                    void (*visit)(void *context, struct file_data *data), void *context)
{
    const struct table *files = &partition->files;
    for (uint64_t i = 0; i < files->bucket_count; i++) {
        struct file_data *next;
        for (struct file_data *data = table_bucket(files, i); data; data = next) {
            next = table_next(files, data);
            visit(context, data);
        }
    }
}

/* ---- images ------------------------------------------------------------------------------------ */

/*
 * As in names_image.c: an image in steps holds the partition as it was at the beginning. What is about to
 * change and is not in this round's image is saved there first: of a file its size and times, and each leaf
 * of its map by itself. A file that is dropped is not saved: the end of its inode is durable, so nobody
 * misses it. Loading needs no order, and the items of one file may lie apart.
 */

static void write_file(struct image_writer *writer, const struct file_data *data)
{
    const struct item_file file = {
        .header.kind = ITEM_FILE,
        .ino = data->ino,
        .generation = data->generation,
        .size_bytes = data->size_bytes,
        .atime_ns = data->atime_ns,
        .mtime_ns = data->mtime_ns,
    };
    image_writer_add(writer, &file, sizeof file, NULL, 0);
}

struct writing {
    struct image_writer *writer;
    const struct file_data *data;
};

static void write_extents(void *context, const struct extent *extents, uint32_t count)
{
    const struct writing *writing = context;
    for (uint32_t i = 0; i < count; i++) {
        const struct item_map map = {
            .header = {.kind = ITEM_MAP, .count = extents[i].unwritten ? MAP_UNWRITTEN : 0},
            .ino = writing->data->ino,
            .generation = writing->data->generation,
            .logical = extents[i].logical,
            .physical = extents[i].physical,
            .blocks = extents[i].blocks,
        };
        image_writer_add(writing->writer, &map, sizeof map, NULL, 0);
    }
}

static void save_file(struct partition *partition, struct file_data *data)
{
    if (data->extents.round == partition->round)
        return;
    data->extents.round = partition->round;
    if (partition->walk.writer)
        write_file(partition->walk.writer, data);
}

/* Before a change of its map. Outside of a walk there is nothing that is not saved. */
static void save_extents(struct partition *partition, struct file_data *data, uint64_t logical,
                         uint64_t blocks)
{
    struct writing writing = {partition->walk.writer, data};
    if (!partition->walk.writer)
        return;
    save_file(partition, data);
    extents_save(&data->extents, logical, blocks, write_extents, &writing);
}

void partition_image_begin(struct partition *partition, struct image_writer *writer)
{
    assert(!partition->walk.writer);
    partition->round++;
    partition->walk = (struct partition_walk){.writer = writer};
}

static bool comes_after(const struct file_data *data, uint64_t ino, uint64_t generation)
{
    return data->ino > ino || (data->ino == ino && data->generation > generation);
}

/* The bucket's file with the next higher key. */
static struct file_data *next_in_bucket(const struct partition *partition)
{
    const struct partition_walk *walk = &partition->walk;
    struct file_data *next = NULL;
    struct file_data *data = table_bucket(&partition->files, walk->bucket);
    for (; data; data = table_next(&partition->files, data))
        if (comes_after(data, walk->ino, walk->generation) &&
            (!next || comes_after(next, data->ino, data->generation)))
            next = data;
    return next;
}

/* Goes on in the file at hand. False: it is done, or gone. */
static bool walk_extents(struct partition *partition, unsigned *budget)
{
    struct partition_walk *walk = &partition->walk;
    struct file_data *data = partition_find(partition, walk->ino, walk->generation);
    struct writing writing = {walk->writer, data};
    return data && extents_walk(&data->extents, &walk->logical, budget, write_extents, &writing);
}

/* The next file, or the end of a bucket. */
static void walk_file(struct partition *partition)
{
    struct partition_walk *walk = &partition->walk;
    struct file_data *data = next_in_bucket(partition);
    walk->logical = 0;
    walk->ino = data ? data->ino : 0;
    walk->generation = data ? data->generation : 0;
    if (data)
        save_file(partition, data);
    else
        walk->bucket++;
}

bool partition_image_step(struct partition *partition, unsigned items_max)
{
    struct partition_walk *walk = &partition->walk;
    unsigned budget =
        items_max + (walk->lengthened < UINT32_MAX - items_max ? walk->lengthened : 0);
    walk->lengthened = 0;
    while (budget > 0 && !walk->writer->sink->full && !walk->writer->error) {
        if (walk->ino != 0 && walk_extents(partition, &budget))
            break;
        if (walk->bucket == partition->files.bucket_count) {
            walk->writer = NULL;
            return false;
        }
        walk_file(partition);
        budget -= budget > 0;
    }
    if (!walk->writer->error)
        return true;
    walk->writer = NULL;
    return false;
}

int partition_serialise(struct partition *partition, struct image_sink *sink)
{
    struct image_writer writer;
    image_writer_begin(&writer, sink, partition->number);
    partition_image_begin(partition, &writer);
    while (partition_image_step(partition, UINT32_MAX))
        ;
    return image_writer_end(&writer);
}

/* ---- apply ------------------------------------------------------------------------------------- */

struct apply {
    struct partition *partition;
    extent_freed *freed;
    void *context;
};

static int apply_file(struct apply *apply, const struct item_file *item)
{
    if (item->size_bytes > INT64_MAX || item->ino == 0)
        return -EBADMSG;
    struct file_data *data =
        partition_get(apply->partition, item->ino, item->generation, item->mtime_ns);
    if (!data)
        return -ENOMEM;
    save_file(apply->partition, data);
    data->size_bytes = item->size_bytes;
    data->atime_ns = item->atime_ns;
    data->mtime_ns = item->mtime_ns;
    return 0;
}

static int apply_map(struct apply *apply, const struct item_map *item)
{
    if (item->ino == 0 || item->blocks == 0 || item->blocks > LOGICAL_BLOCKS_MAX ||
        item->logical > LOGICAL_BLOCKS_MAX - item->blocks || item->blocks > PHYSICAL_BLOCKS_MAX ||
        item->physical > PHYSICAL_BLOCKS_MAX - item->blocks)
        return -EBADMSG;
    struct file_data *data = partition_get(apply->partition, item->ino, item->generation, 0);
    if (!data)
        return -ENOMEM;
    uint64_t count = data->extents.extent_count;
    struct extent extent = {.logical = item->logical,
                            .physical = item->physical,
                            .blocks = item->blocks,
                            .unwritten = (item->header.count & MAP_UNWRITTEN) != 0};
    save_extents(apply->partition, data, item->logical, item->blocks);
    int error = extents_set(&data->extents, extent, apply->freed, apply->context);
    apply->partition->extent_count += data->extents.extent_count - count;
    apply->partition->walk.lengthened += 2; /* at most so many extents more */
    return error;
}

/* A hole may reach past any possible block: that is how "to the end" is said. */
static int apply_unmap(struct apply *apply, const struct item_unmap *item)
{
    if (item->blocks > UINT64_MAX - item->logical)
        return -EBADMSG;
    struct file_data *data = partition_find(apply->partition, item->ino, item->generation);
    if (!data)
        return 0;
    uint64_t count = data->extents.extent_count;
    save_extents(apply->partition, data, item->logical, item->blocks);
    bool written_only = item->header.count & UNMAP_WRITTEN_ONLY;
    int error = (written_only ? extents_clear_written : extents_clear)(
        &data->extents, item->logical, item->blocks, apply->freed, apply->context);
    apply->partition->walk.lengthened++;
    apply->partition->extent_count += data->extents.extent_count - count;
    return error;
}

static int apply_item(struct apply *apply, const struct item_header *item)
{
    switch (item->kind) {
    case ITEM_FILE:
        return apply_file(apply, (const struct item_file *)item);
    case ITEM_MAP:
        return apply_map(apply, (const struct item_map *)item);
    case ITEM_UNMAP:
        return apply_unmap(apply, (const struct item_unmap *)item);
    case ITEM_FILE_GONE: {
        const struct item_file_gone *gone = (const void *)item;
        struct file_data *data = partition_find(apply->partition, gone->ino, gone->generation);
        if (data)
            partition_drop(apply->partition, data, apply->freed, apply->context);
        return 0;
    }
    default:
        return -EBADMSG;
    }
}

int partition_apply(struct partition *partition, const struct record_header *record,
                    extent_freed *freed, void *context)
{
    if (record->partition != partition->number)
        return -EBADMSG;
    struct apply apply = {partition, freed, context};
    const struct item_header *item;
    size_t offset = 0;
    int result;
    while ((result = record_item(record, &offset, &item)) > 0) {
        int error = apply_item(&apply, item);
        if (error)
            return error;
    }
    return result;
}

/* ---- figures ----------------------------------------------------------------------------------- */

uint64_t partition_memory_bytes(const struct partition *partition)
{
    return partition->files.node_count * PARTITION_FILE_MEMORY_BYTES +
           partition->extent_count * EXTENT_MEMORY_BYTES;
}

uint64_t partition_file_count(const struct partition *partition)
{
    return partition->files.node_count;
}

uint64_t partition_extent_count(const struct partition *partition)
{
    return partition->extent_count;
}
