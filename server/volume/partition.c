/* partition.c - see partition.h. Whatever comes out of a record is checked before it changes anything. */
#include "server/volume/partition.h"

#include <errno.h>
#include <stdlib.h>

#include "server/volume/format.h"
#include "server/volume/image_writer.h"
#include "server/volume/table.h"

/* A file's last byte is below 2^63; a volume's below WT_VOLUME_BYTES_MAX. */
#define LOGICAL_BLOCKS_MAX  (1ull << (63 - VOLUME_BLOCK_SHIFT))
#define PHYSICAL_BLOCKS_MAX (WT_VOLUME_BYTES_MAX >> VOLUME_BLOCK_SHIFT)

struct partition {
    uint16_t number;
    uint64_t extent_count; /* of all files */
    struct table files;
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

/* ---- apply ------------------------------------------------------------------------------------- */

struct apply {
    struct partition *partition;
    extent_freed *freed;
    void *context;
};

static int apply_file(struct apply *apply, const struct item_file *item)
{
    if (item->size_bytes > INT64_MAX)
        return -EBADMSG;
    struct file_data *data =
        partition_get(apply->partition, item->ino, item->generation, item->mtime_ns);
    if (!data)
        return -ENOMEM;
    data->size_bytes = item->size_bytes;
    data->atime_ns = item->atime_ns;
    data->mtime_ns = item->mtime_ns;
    return 0;
}

static int apply_map(struct apply *apply, const struct item_map *item)
{
    if (item->blocks == 0 || item->blocks > LOGICAL_BLOCKS_MAX ||
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
    int error = extents_set(&data->extents, extent, apply->freed, apply->context);
    apply->partition->extent_count += data->extents.extent_count - count;
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
    bool written_only = item->header.count & UNMAP_WRITTEN_ONLY;
    int error = (written_only ? extents_clear_written : extents_clear)(
        &data->extents, item->logical, item->blocks, apply->freed, apply->context);
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

/* ---- images ------------------------------------------------------------------------------------ */

static void write_file(void *context, struct file_data *data)
{
    struct image_writer *writer = context;
    const struct item_file file = {
        .header.kind = ITEM_FILE,
        .ino = data->ino,
        .generation = data->generation,
        .size_bytes = data->size_bytes,
        .atime_ns = data->atime_ns,
        .mtime_ns = data->mtime_ns,
    };
    image_writer_add(writer, &file, sizeof file, NULL, 0);
    struct extent extent;
    for (uint64_t at = 0; !writer->error && extents_find(&data->extents, at, &extent);
         at = extent.logical + extent.blocks) {
        const struct item_map map = {
            .header = {.kind = ITEM_MAP, .count = extent.unwritten ? MAP_UNWRITTEN : 0},
            .ino = data->ino,
            .generation = data->generation,
            .logical = extent.logical,
            .physical = extent.physical,
            .blocks = extent.blocks,
        };
        image_writer_add(writer, &map, sizeof map, NULL, 0);
    }
}

int partition_serialise(struct partition *partition, struct image_sink *sink)
{
    struct image_writer writer;
    image_writer_begin(&writer, sink, partition->number);
    partition_each(partition, write_file, &writer);
    return image_writer_end(&writer);
}

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
