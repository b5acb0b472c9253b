/* durable.c - see durable.h. */
#include "server/volume/durable.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/volume/format.h"

#define READ_TRIES 3

int durable_write(struct device *device, uint64_t offset, const void *buffer, uint64_t length_bytes)
{
    int rc = device_transfer(device, DEVICE_WRITE, durable_write_flags(device), offset,
                             (void *)(uintptr_t)buffer, length_bytes);
    if (rc < 0)
        return rc;
    return durable_needs_flush(device) ? durable_flush(device) : 0;
}

int durable_flush(struct device *device)
{
    if (!durable_has_cache(device))
        return 0;
    return device_transfer(device, DEVICE_FLUSH, 0, 0, NULL, 0);
}

int durable_read(struct device *device, uint64_t offset, void *buffer, uint64_t length_bytes)
{
    int rc = -EIO;
    for (int i = 0; i < READ_TRIES; i++) {
        rc = device_transfer(device, DEVICE_READ, 0, offset, buffer, length_bytes);
        if (rc == 0)
            break;
    }
    return rc;
}

void *durable_buffer(size_t size_bytes)
{
    size_t whole = (size_bytes + VOLUME_BLOCK_BYTES - 1) & ~(size_t)(VOLUME_BLOCK_BYTES - 1);
    void *buffer = aligned_alloc(VOLUME_BLOCK_BYTES, whole);
    if (buffer)
        memset(buffer, 0, whole);
    return buffer;
}

static void slot_done(struct device_io *io);

/* Sends the next piece. False: nothing is left. */
static bool send_piece(struct writer *writer, struct writer_slot *slot)
{
    if (writer->part == writer->part_count)
        return false;
    const struct write_part *part = &writer->parts[writer->part];
    uint64_t largest = writer->queue->device->capabilities.transfer_bytes_max;
    uint64_t length = part->length_bytes - writer->part_bytes;
    largest -= largest % VOLUME_BLOCK_BYTES;
    assert(largest > 0 && length > 0);
    if (length > largest)
        length = largest;
    slot->segment.iov_base = (uint8_t *)part->memory + writer->part_bytes;
    slot->segment.iov_len = length;
    slot->writer = writer;
    slot->io = (struct device_io){.done = slot_done,
                                  .operation = DEVICE_WRITE,
                                  .flags = writer->flags,
                                  .offset = part->offset + writer->part_bytes,
                                  .length_bytes = length,
                                  .segments = &slot->segment,
                                  .segment_count = 1};
    list_init(&slot->io.link);
    writer->part_bytes += length;
    if (writer->part_bytes == part->length_bytes) {
        writer->part++;
        writer->part_bytes = 0;
    }
    writer->in_flight++;
    device_submit(writer->queue, &slot->io);
    return true;
}

static void slot_done(struct device_io *io)
{
    struct writer_slot *slot = (struct writer_slot *)io; /* its first member */
    struct writer *writer = slot->writer;
    writer->in_flight--;
    if (io->result < 0 && writer->result == 0)
        writer->result = io->result;
    if (writer->result == 0 && send_piece(writer, slot))
        return;
    if (writer->in_flight == 0)
        writer->done(writer, writer->result);
}

void writer_start(struct writer *writer, struct device_queue *queue, const struct write_part *parts,
                  unsigned part_count, uint32_t flags,
                  void (*done)(struct writer *writer, int result))
{
    assert(part_count > 0 && writer->in_flight == 0);
    writer->queue = queue;
    writer->parts = parts;
    writer->part_count = part_count;
    writer->part = 0;
    writer->part_bytes = 0;
    writer->flags = flags;
    writer->result = 0;
    writer->done = done;
    for (unsigned i = 0; i < WRITER_SLOTS && send_piece(writer, &writer->slots[i]); i++)
        ;
}
