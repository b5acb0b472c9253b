/*
 * image_writer.h - packs items into records of an image, as partition.c and names do. Private to the volume.
 *
 * Records are kept small (IMAGE_RECORD_BYTES); the first error sticks and is told at the end.
 */
#ifndef WT_VOLUME_IMAGE_WRITER_H
#define WT_VOLUME_IMAGE_WRITER_H

#include <stdbool.h>

#include "server/volume/record.h"

#define IMAGE_RECORD_BYTES 8192u

/* Where the records go, one after the other. */
struct image_sink {
    /* 0 or a negative errno, which ends the image. */
    int (*put)(struct image_sink *sink, const void *bytes, size_t size_bytes);
    /* Whoever walks shall wait; what must be saved before it changes may still be put. */
    bool full;
};

struct image_writer {
    struct image_sink *sink;
    uint16_t partition;
    int error;
    struct record_builder builder;
    _Alignas(8) unsigned char buffer[IMAGE_RECORD_BYTES];
};

void image_writer_begin(struct image_writer *writer, struct image_sink *sink, uint16_t partition);
void image_writer_add(struct image_writer *writer, const void *item, size_t item_bytes,
                      const void *tail, size_t tail_bytes);
/* Hands over what is gathered. */
int image_writer_end(struct image_writer *writer);

/* What so many bytes of items come to with the headers of their records. */
static inline uint64_t image_writer_bytes(uint64_t item_bytes)
{
    /* The longest item, a symlink, is a little more than half a record: none but the last is less than a
     * quarter full. */
    return item_bytes + (item_bytes / (IMAGE_RECORD_BYTES / 4) + 1) * sizeof(struct record_header);
}

#endif
