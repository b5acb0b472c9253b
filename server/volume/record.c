/* record.c - see record.h. The reading half is a parser of untrusted bytes: every length is checked here. */
#include "server/volume/record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "proto/limits.h"

#define ITEM_ALIGNMENT 8u

/* What each kind must look like: a fixed part, and header.count units of tail within limits. In a kind without
 * a tail count holds flags, and the maximum is those that are known. */
struct item_shape {
    uint16_t fixed_bytes, tail_unit_bytes;
    uint32_t tail_count_min, tail_count_max;
};

#define TARGET_BYTES_MAX (WT_PATH_BYTES_MAX - 1) /* a symlink's target, as long as a path */

static const struct item_shape shapes[] = {
    [ITEM_INODE] = {sizeof(struct item_inode), 1, 0, TARGET_BYTES_MAX},
    [ITEM_INODE_GONE] = {sizeof(struct item_inode_gone), 0, 0, 0},
    [ITEM_ENTRY] = {sizeof(struct item_entry), 1, 1, WT_NAME_BYTES_MAX},
    [ITEM_ENTRY_GONE] = {sizeof(struct item_entry_gone), 1, 1, WT_NAME_BYTES_MAX},
    [ITEM_NEXT_INO] = {sizeof(struct item_next_ino), 0, 0, 0},
    [ITEM_FILE] = {sizeof(struct item_file), 0, 0, 0},
    [ITEM_MAP] = {sizeof(struct item_map), 0, 0, MAP_UNWRITTEN},
    [ITEM_UNMAP] = {sizeof(struct item_unmap), 0, 0, UNMAP_WRITTEN_ONLY},
    [ITEM_FILE_GONE] = {sizeof(struct item_file_gone), 0, 0, 0},
    [ITEM_ROOT] = {sizeof(struct item_root), sizeof(uint32_t), 0, ROOT_SEGMENTS_MAX},
};

static size_t aligned(size_t bytes)
{
    return (bytes + ITEM_ALIGNMENT - 1) & ~(size_t)(ITEM_ALIGNMENT - 1);
}

void record_begin(struct record_builder *builder, void *buffer, size_t capacity_bytes,
                  uint16_t partition)
{
    assert((uintptr_t)buffer % ITEM_ALIGNMENT == 0);
    const struct record_header header = {.partition = partition};
    *builder = (struct record_builder){
        .buffer = buffer,
        .capacity_bytes = capacity_bytes < RECORD_BYTES_MAX ? capacity_bytes : RECORD_BYTES_MAX,
    };
    if (builder->capacity_bytes < sizeof header) {
        builder->error = -EMSGSIZE;
        return;
    }
    memcpy(buffer, &header, sizeof header);
    builder->used_bytes = sizeof header;
}

void record_add(struct record_builder *builder, const void *item, size_t item_bytes,
                const void *tail, size_t tail_bytes)
{
    assert(item_bytes >= sizeof(struct item_header) && item_bytes % ITEM_ALIGNMENT == 0);
    if (builder->error)
        return;
    size_t room_bytes = builder->capacity_bytes - builder->used_bytes;
    if (tail_bytes > RECORD_BYTES_MAX || aligned(item_bytes + tail_bytes) > room_bytes ||
        aligned(item_bytes + tail_bytes) > UINT16_MAX) {
        builder->error = -EMSGSIZE;
        return;
    }
    size_t bytes = aligned(item_bytes + tail_bytes);
    unsigned char *place = builder->buffer + builder->used_bytes;
    struct item_header header;
    memcpy(&header, item, sizeof header);
    header.bytes = (uint16_t)bytes;
    memcpy(place, item, item_bytes);
    memcpy(place, &header, sizeof header);
    if (tail_bytes)
        memcpy(place + item_bytes, tail, tail_bytes);
    memset(place + item_bytes + tail_bytes, 0, bytes - item_bytes - tail_bytes);
    builder->used_bytes += bytes;
}

int64_t record_end(struct record_builder *builder)
{
    if (builder->error)
        return builder->error;
    struct record_header header;
    memcpy(&header, builder->buffer, sizeof header);
    header.bytes = (uint32_t)builder->used_bytes;
    memcpy(builder->buffer, &header, sizeof header);
    return (int64_t)builder->used_bytes;
}

size_t record_used(const struct record_builder *builder)
{
    if (builder->used_bytes < sizeof(struct record_header))
        return 0;
    return builder->used_bytes - sizeof(struct record_header);
}

int record_next(const void *bytes, size_t size_bytes, size_t *offset,
                const struct record_header **record)
{
    assert((uintptr_t)bytes % ITEM_ALIGNMENT == 0);
    if (*offset > size_bytes || *offset % ITEM_ALIGNMENT)
        return -EBADMSG;
    size_t left_bytes = size_bytes - *offset;
    if (left_bytes == 0)
        return 0;
    if (left_bytes < sizeof(struct record_header))
        return -EBADMSG;
    const struct record_header *header = (const void *)((const unsigned char *)bytes + *offset);
    if (header->bytes < sizeof *header || header->bytes > left_bytes ||
        header->bytes > RECORD_BYTES_MAX || header->bytes % ITEM_ALIGNMENT)
        return -EBADMSG;
    if (header->flags & ~RECORD_CARRIES_DATA)
        return -EBADMSG;
    if (header->flags)
        return -EOPNOTSUPP;
    if (header->data_checksum || header->reserved)
        return -EBADMSG;
    *offset += header->bytes;
    *record = header;
    return 1;
}

/* An item's length is exactly what its kind and count demand: anything else was not written by us. */
static int check_shape(const struct item_header *header)
{
    if (header->kind == ITEM_VOID || header->kind == ITEM_SETTLED)
        return -EOPNOTSUPP;
    if (header->kind == 0 || header->kind >= sizeof shapes / sizeof shapes[0])
        return -EBADMSG;
    const struct item_shape *shape = &shapes[header->kind];
    size_t bytes = shape->fixed_bytes;
    if (shape->tail_unit_bytes) {
        if (header->count < shape->tail_count_min || header->count > shape->tail_count_max)
            return -EBADMSG;
        bytes += (size_t)header->count * shape->tail_unit_bytes;
    } else if (header->count & ~shape->tail_count_max) {
        return -EBADMSG;
    }
    return header->bytes == aligned(bytes) ? 0 : -EBADMSG;
}

int record_item(const struct record_header *record, size_t *offset, const struct item_header **item)
{
    size_t size_bytes = record->bytes - sizeof *record;
    if (*offset > size_bytes || *offset % ITEM_ALIGNMENT)
        return -EBADMSG;
    size_t left_bytes = size_bytes - *offset;
    if (left_bytes == 0)
        return 0;
    if (left_bytes < sizeof(struct item_header))
        return -EBADMSG;
    const struct item_header *header =
        (const void *)((const unsigned char *)record + sizeof *record + *offset);
    if (header->bytes > left_bytes)
        return -EBADMSG;
    int error = check_shape(header);
    if (error)
        return error;
    *offset += header->bytes;
    *item = header;
    return 1;
}
