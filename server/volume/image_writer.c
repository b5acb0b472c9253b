/* image_writer.c - see image_writer.h. */
#include "server/volume/image_writer.h"

#include <assert.h>

void image_writer_begin(struct image_writer *writer, struct image_sink *sink, uint16_t partition)
{
    writer->sink = sink;
    writer->partition = partition;
    writer->error = 0;
    record_begin(&writer->builder, writer->buffer, sizeof writer->buffer, partition);
}

/* Hands the record that was gathered to the sink and begins the next one. */
static void hand_over(struct image_writer *writer)
{
    if (writer->error || record_used(&writer->builder) == 0)
        return;
    int64_t bytes = record_end(&writer->builder);
    assert(bytes > 0);
    writer->error = writer->sink->put(writer->sink, writer->buffer, (size_t)bytes);
    record_begin(&writer->builder, writer->buffer, sizeof writer->buffer, writer->partition);
}

void image_writer_add(struct image_writer *writer, const void *item, size_t item_bytes,
                      const void *tail, size_t tail_bytes)
{
    size_t padded_bytes = (item_bytes + tail_bytes + 7) & ~(size_t)7;
    assert(sizeof(struct record_header) + padded_bytes <= sizeof writer->buffer);
    if (sizeof(struct record_header) + record_used(&writer->builder) + padded_bytes >
        sizeof writer->buffer)
        hand_over(writer);
    if (!writer->error)
        record_add(&writer->builder, item, item_bytes, tail, tail_bytes);
}

int image_writer_end(struct image_writer *writer)
{
    hand_over(writer);
    return writer->error;
}
