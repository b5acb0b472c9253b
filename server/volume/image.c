/* image.c - see image.h. */
#include "server/volume/image.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/checksum.h"
#include "server/volume/durable.h"
#include "server/volume/superblock.h"

static uint32_t payload_bytes_max(const struct superblock *sb)
{
    return sb->segment_bytes - (uint32_t)sizeof(struct segment_header);
}

static uint32_t payload_bytes(const struct superblock *sb, uint64_t image_bytes, uint32_t index)
{
    uint64_t before = (uint64_t)index * payload_bytes_max(sb);
    uint64_t left = image_bytes - before;
    return left < payload_bytes_max(sb) ? (uint32_t)left : payload_bytes_max(sb);
}

static uint32_t segment_checksum(const struct segment_header *segment, uint32_t payload_checksum)
{
    struct segment_header header = *segment;
    header.checksum = 0;
    return checksum_crc32c_extend(payload_checksum, &header, sizeof header);
}

void image_segment_header(struct segment_header *header, const struct image_identity *identity,
                          uint32_t index, uint32_t payload, uint32_t payload_checksum)
{
    *header = (struct segment_header){.magic = SEGMENT_MAGIC,
                                      .epoch = identity->epoch,
                                      .image_id = identity->id,
                                      .partition = identity->partition,
                                      .index = index,
                                      .payload_bytes = payload};
    memcpy(header->uuid, identity->superblock->uuid, sizeof header->uuid);
    header->checksum = segment_checksum(header, payload_checksum);
}

uint64_t segment_offset(const struct superblock *sb, uint32_t segment)
{
    return sb->metadata_offset + (uint64_t)segment * sb->segment_bytes;
}

/* ---- roots ---- */

int root_prepare(struct partition_root *root, const struct superblock *sb)
{
    uint32_t most = sb->segment_count < ROOT_SEGMENTS_MAX ? sb->segment_count : ROOT_SEGMENTS_MAX;
    *root = (struct partition_root){.segments = malloc(most * sizeof *root->segments)};
    return root->segments ? 0 : -ENOMEM;
}

int root_place(struct partition_root *root, struct segment_map *map, uint32_t index)
{
    if (index < root->segment_count)
        return 0;
    assert(index == root->segment_count);
    if (index == ROOT_SEGMENTS_MAX)
        return -ENOSPC;
    int rc = segment_map_allocate(map, &root->segments[index]);
    root->segment_count += rc == 0;
    return rc;
}

void root_destroy(struct partition_root *root)
{
    free(root->segments);
    memset(root, 0, sizeof *root);
}

static size_t root_item_bytes(uint32_t segment_count)
{
    return sizeof(struct item_root) + (((size_t)segment_count * sizeof(uint32_t) + 7) & ~(size_t)7);
}

size_t roots_bytes_max(const struct superblock *sb)
{
    /* Records are closed early where the next item does not fit: less than an item of the largest size is
     * lost in each, and that needs ROOT_SEGMENTS_MAX segments. */
    size_t items = (size_t)(sb->partition_count + 1) * (root_item_bytes(0) + 8) +
                   (size_t)sb->segment_count * sizeof(uint32_t);
    return items + (items / (RECORD_BYTES_MAX / 2) + 2) * sizeof(struct record_header);
}

static void add_root(struct record_builder *builder, const struct partition_root *root,
                     uint32_t partition)
{
    struct item_root item = {.header = {.kind = ITEM_ROOT, .count = root->segment_count},
                             .sequence = root->sequence,
                             .image_epoch = root->image_epoch,
                             .image_id = root->image_id,
                             .image_bytes = root->image_bytes,
                             .partition = partition};
    record_add(builder, &item, sizeof item, root->segments, root->segment_count * sizeof(uint32_t));
}

size_t roots_encode(const struct partition_root *roots, unsigned count, void *buffer,
                    size_t capacity_bytes)
{
    struct record_builder builder;
    size_t total = 0;
    record_begin(&builder, buffer, capacity_bytes, PARTITION_JOURNAL);
    for (unsigned i = 0; i < count; i++) {
        size_t item_bytes = root_item_bytes(roots[i].segment_count);
        if (sizeof(struct record_header) + record_used(&builder) + item_bytes > RECORD_BYTES_MAX) {
            total += (size_t)record_end(&builder);
            record_begin(&builder, (uint8_t *)buffer + total, capacity_bytes - total,
                         PARTITION_JOURNAL);
        }
        add_root(&builder, &roots[i], i + 1 == count ? PARTITION_NAMES : i);
    }
    int64_t last = record_end(&builder);
    assert(last > 0); /* the buffer has roots_bytes_max */
    return total + (size_t)last;
}

static int decode_root(const struct item_root *item, const struct superblock *sb,
                       uint64_t block_sequence, struct partition_root *roots)
{
    uint32_t count = item->header.count;
    unsigned index = item->partition == PARTITION_NAMES ? sb->partition_count : item->partition;
    uint64_t fits = (uint64_t)count * payload_bytes_max(sb);
    if ((item->partition >= sb->partition_count && item->partition != PARTITION_NAMES) ||
        item->sequence >= block_sequence || count > sb->segment_count || item->image_bytes > fits ||
        item->image_bytes % 8 || (count > 0 && item->image_bytes <= fits - payload_bytes_max(sb)))
        return -EBADMSG;
    const uint32_t *numbers = (const uint32_t *)(item + 1);
    for (uint32_t i = 0; i < count; i++)
        if (numbers[i] >= sb->segment_count)
            return -EBADMSG;
    uint32_t *copy = NULL;
    if (count > 0) {
        copy = malloc(count * sizeof *copy);
        if (!copy)
            return -ENOMEM;
        memcpy(copy, numbers, count * sizeof *copy);
    }
    root_destroy(&roots[index]);
    roots[index] = (struct partition_root){.present = true,
                                           .sequence = item->sequence,
                                           .image_epoch = item->image_epoch,
                                           .image_id = item->image_id,
                                           .image_bytes = item->image_bytes,
                                           .segment_count = count,
                                           .segments = copy};
    return 0;
}

int roots_decode(const struct record_header *record, const struct superblock *sb,
                 uint64_t block_sequence, struct partition_root *roots)
{
    const struct item_header *item;
    size_t offset = 0;
    int rc;
    while ((rc = record_item(record, &offset, &item)) == 1) {
        if (item->kind != ITEM_ROOT)
            return -EBADMSG;
        rc = decode_root((const struct item_root *)item, sb, block_sequence, roots);
        if (rc < 0)
            return rc;
    }
    return rc;
}

/* ---- loading ---- */

struct image_loader {
    struct device *device;
    const struct superblock *superblock;
    uint32_t partition;
    const struct partition_root *root;
    int (*apply)(void *context, const struct record_header *record);
    void *context;
    uint8_t *run; /* SEGMENT_BYTES_MAX: segments that lie one behind the other, from run_first on */
    uint32_t run_first, run_count;
    uint8_t *stream; /* what is left of a record, then a segment's payload */
    size_t stream_bytes;
};

static uint64_t length_bytes(const struct image_loader *loader, uint32_t index)
{
    uint64_t length = sizeof(struct segment_header) +
                      payload_bytes(loader->superblock, loader->root->image_bytes, index);
    return (length + VOLUME_BLOCK_BYTES - 1) & ~(uint64_t)(VOLUME_BLOCK_BYTES - 1);
}

/* Reads the segment, and those that follow it on the medium too, as many as one read takes: only the
 * image's last segment is not full. */
static int read_run(struct image_loader *loader, uint32_t index)
{
    const struct superblock *sb = loader->superblock;
    const struct partition_root *root = loader->root;
    uint32_t most = SEGMENT_BYTES_MAX / sb->segment_bytes, count = 1;
    while (count < most && index + count < root->segment_count &&
           root->segments[index + count] == root->segments[index] + count)
        count++;
    uint64_t bytes =
        (uint64_t)(count - 1) * sb->segment_bytes + length_bytes(loader, index + count - 1);
    loader->run_first = index;
    loader->run_count = count;
    return durable_read(loader->device, segment_offset(sb, root->segments[index]), loader->run,
                        bytes);
}

static int read_segment(struct image_loader *loader, uint32_t index)
{
    const struct superblock *sb = loader->superblock;
    const struct partition_root *root = loader->root;
    uint32_t payload = payload_bytes(sb, root->image_bytes, index);
    int rc = 0;
    if (index == loader->run_first + loader->run_count)
        rc = read_run(loader, index);
    if (rc < 0)
        return rc;
    const struct segment_header *header =
        (const void *)(loader->run + (size_t)(index - loader->run_first) * sb->segment_bytes);
    if (header->magic != SEGMENT_MAGIC || memcmp(header->uuid, sb->uuid, sizeof sb->uuid) != 0 ||
        header->epoch != root->image_epoch || header->image_id != root->image_id ||
        header->partition != loader->partition || header->index != index ||
        header->payload_bytes != payload ||
        header->checksum != segment_checksum(header, checksum_crc32c(header + 1, payload)))
        return -EBADMSG;
    memcpy(loader->stream + loader->stream_bytes, header + 1, payload);
    loader->stream_bytes += payload;
    return 0;
}

/* Applies the records that are in the stream whole, and moves the rest to its front. */
static int apply_stream(struct image_loader *loader)
{
    size_t offset = 0;
    while (loader->stream_bytes - offset >= sizeof(struct record_header)) {
        const struct record_header *record = (const void *)(loader->stream + offset);
        size_t left = loader->stream_bytes - offset;
        if (record->bytes > left && record->bytes <= RECORD_BYTES_MAX)
            break;
        int rc = record_next(loader->stream, loader->stream_bytes, &offset, &record);
        if (rc < 0)
            return rc;
        rc = loader->apply(loader->context, record);
        if (rc < 0)
            return rc;
    }
    memmove(loader->stream, loader->stream + offset, loader->stream_bytes - offset);
    loader->stream_bytes -= offset;
    return 0;
}

int image_load(struct device *device, const struct superblock *sb, uint32_t partition,
               const struct partition_root *root,
               int (*apply)(void *context, const struct record_header *record), void *context)
{
    struct image_loader loader = {.device = device,
                                  .superblock = sb,
                                  .partition = partition,
                                  .root = root,
                                  .apply = apply,
                                  .context = context};
    int rc = 0;
    if (root->segment_count == 0)
        return 0;
    loader.run = durable_buffer(SEGMENT_BYTES_MAX);
    loader.stream = durable_buffer((size_t)RECORD_BYTES_MAX + sb->segment_bytes);
    if (!loader.run || !loader.stream)
        rc = -ENOMEM;
    for (uint32_t i = 0; i < root->segment_count && rc == 0; i++) {
        rc = read_segment(&loader, i);
        if (rc == 0)
            rc = apply_stream(&loader);
    }
    if (rc == 0 && loader.stream_bytes > 0)
        rc = -EBADMSG;
    free(loader.run);
    free(loader.stream);
    return rc;
}

/* ---- segments ---- */

int segment_map_init(struct segment_map *map, uint32_t count)
{
    *map = (struct segment_map){.count = count, .free_count = count};
    map->words = calloc((count + 63) / 64, sizeof *map->words);
    return map->words ? 0 : -ENOMEM;
}

void segment_map_destroy(struct segment_map *map)
{
    free(map->words);
    map->words = NULL;
}

static bool is_taken(const struct segment_map *map, uint32_t segment)
{
    return (map->words[segment / 64] >> segment % 64) & 1;
}

static void set_taken(struct segment_map *map, uint32_t segment, bool taken)
{
    assert(segment < map->count && is_taken(map, segment) != taken);
    map->words[segment / 64] ^= 1ull << segment % 64;
    map->free_count += taken ? -1u : 1u;
}

int segment_map_take(struct segment_map *map, const struct partition_root *root)
{
    for (uint32_t i = 0; i < root->segment_count; i++) {
        if (is_taken(map, root->segments[i]))
            return -EBADMSG;
        set_taken(map, root->segments[i], true);
    }
    return 0;
}

void segment_map_release(struct segment_map *map, const struct partition_root *root)
{
    for (uint32_t i = 0; i < root->segment_count; i++)
        set_taken(map, root->segments[i], false);
}

int segment_map_allocate(struct segment_map *map, uint32_t *segment)
{
    if (map->free_count == 0)
        return -ENOSPC;
    while (is_taken(map, map->hint))
        map->hint = (map->hint + 1) % map->count;
    *segment = map->hint;
    set_taken(map, map->hint, true);
    return 0;
}
