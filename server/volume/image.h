/*
 * image.h - checkpoint images, their roots, and the segments they lie in.
 *
 * An image is one partition, serialised: a stream of records, cut into segments of segment_bytes (a record
 * may go on in the next segment: the longest one does not fit a small segment whole). The root names the
 * segments in order; every segment carries the image's identity, so a segment that was overwritten, or
 * never written, is found out.
 */
#ifndef WT_VOLUME_IMAGE_H
#define WT_VOLUME_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/volume/format.h"
#include "server/volume/partition.h"
#include "server/volume/record.h"

/* Partitions have an index: data partitions 0 .. count - 1, then names. */
#define PARTITION_INDEXES_MAX (VOLUME_PARTITIONS_MAX + 1)

/* What ITEM_ROOT says. An empty partition has no segments. */
struct partition_root {
    bool present;
    uint64_t sequence, image_epoch, image_id, image_bytes;
    uint32_t segment_count;
    uint32_t *segments;
};

/* An empty root with room for the segments of any image. -ENOMEM. */
int root_prepare(struct partition_root *root, const struct superblock *superblock);
void root_destroy(struct partition_root *root);
/* Bytes that root records of all partitions can need at most. */
size_t roots_bytes_max(const struct superblock *superblock);
/* Root records, one after the other, for index 0 .. count - 1 (the last is names). Returns their bytes. */
size_t roots_encode(const struct partition_root *roots, unsigned count, void *buffer,
                    size_t capacity_bytes);
/* Reads the root records in one journal record of a block with that sequence: newer roots replace older
 * ones. -EBADMSG, -EOPNOTSUPP, -ENOMEM. */
int roots_decode(const struct record_header *record, const struct superblock *superblock,
                 uint64_t block_sequence, struct partition_root *roots);

struct image_identity {
    const struct superblock *superblock;
    uint32_t partition; /* the number on the medium */
    uint64_t epoch, id;
};

void image_segment_header(struct segment_header *header, const struct image_identity *identity,
                          uint32_t index, uint32_t payload_bytes, uint32_t payload_checksum);
uint64_t segment_offset(const struct superblock *superblock, uint32_t segment);

struct device;
/* Blocking. Reads an image and hands every record to apply. -EBADMSG: damaged; -EIO: cannot be read; what
 * apply said. */
int image_load(struct device *device, const struct superblock *superblock, uint32_t partition,
               const struct partition_root *root,
               int (*apply)(void *context, const struct record_header *record), void *context);

/* Which segments are taken. */
struct segment_map {
    uint32_t count, free_count, hint;
    uint64_t *words;
};

int segment_map_init(struct segment_map *map, uint32_t count);
void segment_map_destroy(struct segment_map *map);
/* Takes the segments that a root names. -EBADMSG: one is taken already (two images in one place). */
int segment_map_take(struct segment_map *map, const struct partition_root *root);
void segment_map_release(struct segment_map *map, const struct partition_root *root);
/* Takes any one. -ENOSPC. */
int segment_map_allocate(struct segment_map *map, uint32_t *segment);
/* Makes sure that the image's segment `index` has a place; they come in order. -ENOSPC. */
int root_place(struct partition_root *root, struct segment_map *map, uint32_t index);

#endif
