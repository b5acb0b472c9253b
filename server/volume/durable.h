/*
 * durable.h - how bytes get onto the medium for good: the device's flush policy in one place, blocking
 * helpers for recovery and tools, and the writer, which sends a list of pieces from a running shard.
 *
 * Three kinds of device: without a volatile cache a finished write is durable; with one and with FUA a
 * write that must be durable carries it; with one and without FUA a flush follows.
 *
 * WT_CANARY_NO_FLUSH (control runs of the simulator only) makes this file believe that no device has a
 * volatile cache.
 */
#ifndef WT_VOLUME_DURABLE_H
#define WT_VOLUME_DURABLE_H

#include "server/device/device.h"

/* A flush means something on this device. */
static inline bool durable_has_cache(const struct device *device)
{
#ifdef WT_CANARY_NO_FLUSH
    (void)device;
    return false;
#else
    return device->capabilities.volatile_cache;
#endif
}

/* The flags of a write that shall be durable when done ... */
static inline uint32_t durable_write_flags(const struct device *device)
{
    return durable_has_cache(device) && device->capabilities.fua ? DEVICE_FUA : 0;
}

/* ... and whether a flush must follow it. */
static inline bool durable_needs_flush(const struct device *device)
{
    return durable_has_cache(device) && !device->capabilities.fua;
}

/* Blocking. */
int durable_write(struct device *device, uint64_t offset, const void *buffer,
                  uint64_t length_bytes);
int durable_flush(struct device *device);
/* Tries again a few times: what cannot be read is refused or called damage, and neither may come from a
 * passing error. */
int durable_read(struct device *device, uint64_t offset, void *buffer, uint64_t length_bytes);
/* Aligned for every device; zeroed. NULL: no memory. free() it. */
void *durable_buffer(size_t size_bytes);

/*
 * The writer. Pieces are cut to what the device takes in one command, a few are in flight at a time. Parts
 * and memory stay the caller's and unchanged until done, which runs on the queue's shard, never from
 * inside writer_start; after an error nothing more is sent, and done waits for what is in flight.
 */
#define WRITER_SLOTS 4u

struct write_part {
    uint64_t offset, length_bytes; /* at least one block; whole blocks */
    void *memory;
};

struct writer;
struct writer_slot {
    struct device_io io;
    struct iovec segment;
    struct writer *writer;
};

struct writer {
    struct device_queue *queue;
    const struct write_part *parts;
    unsigned part_count, part;
    uint64_t part_bytes; /* of parts[part], sent so far */
    uint32_t flags;
    unsigned in_flight;
    int result;
    void (*done)(struct writer *writer, int result);
    struct writer_slot slots[WRITER_SLOTS];
};

void writer_start(struct writer *writer, struct device_queue *queue, const struct write_part *parts,
                  unsigned part_count, uint32_t flags,
                  void (*done)(struct writer *writer, int result));

#endif
