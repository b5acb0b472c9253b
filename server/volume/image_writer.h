/*
 * image_writer.h - packs items into records of an image, as partition.c and names do. Private to the volume.
 *
 * Records are kept small (IMAGE_RECORD_BYTES) so that a segment of the image wastes little at its end; the
 * first error sticks and is told at the end.
 */
#ifndef WT_VOLUME_IMAGE_WRITER_H
#define WT_VOLUME_IMAGE_WRITER_H

#include "server/volume/partition.h"
#include "server/volume/record.h"

#define IMAGE_RECORD_BYTES 8192u

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
int image_writer_end(struct image_writer *writer);

#endif
