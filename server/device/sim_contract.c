/* sim_contract.c - see sim_contract.h. */
#include "server/device/sim_contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void sim_breach(const char *what, uint64_t offset, uint64_t length_bytes)
{
    fprintf(stderr, "sim: contract of device.h broken: %s (offset %llu, length %llu)\n", what,
            (unsigned long long)offset, (unsigned long long)length_bytes);
    abort();
}

static void check_segments(const struct device_capabilities *capabilities,
                           const struct device_io *io)
{
    uint64_t sum_bytes = 0;
    if (io->segment_count < 1 || io->segment_count > capabilities->segments_max)
        sim_breach("number of segments", io->offset, io->length_bytes);
    for (unsigned i = 0; i < io->segment_count; i++) {
        const struct iovec *segment = &io->segments[i];
        if (((uintptr_t)segment->iov_base | segment->iov_len) % capabilities->block_bytes)
            sim_breach("alignment of a segment", io->offset, io->length_bytes);
        sum_bytes += segment->iov_len;
    }
    if (sum_bytes != io->length_bytes)
        sim_breach("segments are not as long as the transfer", io->offset, io->length_bytes);
}

void sim_check_contract(const struct device_capabilities *capabilities, const struct device_io *io)
{
    if (io->operation == DEVICE_FLUSH)
        return;
    if (!io->length_bytes || (io->offset | io->length_bytes) % capabilities->block_bytes)
        sim_breach("alignment", io->offset, io->length_bytes);
    if (io->length_bytes > capabilities->transfer_bytes_max)
        sim_breach("transfer too long", io->offset, io->length_bytes);
    if (io->operation == DEVICE_READ || io->operation == DEVICE_WRITE)
        check_segments(capabilities, io);
}

/* The part of segment `index` that lies in [skip, skip + size) of the whole. Goes on while it is true. */
static bool next_part(const struct device_io *io, unsigned index, uint64_t *skip_bytes,
                      size_t size_bytes, unsigned char **part, size_t *part_bytes)
{
    if (index >= io->segment_count || !size_bytes)
        return false;
    size_t length = io->segments[index].iov_len;
    size_t skipped = *skip_bytes < length ? *skip_bytes : length;
    *skip_bytes -= skipped;
    *part = (unsigned char *)io->segments[index].iov_base + skipped;
    *part_bytes = length - skipped < size_bytes ? length - skipped : size_bytes;
    return true;
}

void sim_gather(const struct device_io *io, uint64_t skip_bytes, unsigned char *to,
                size_t size_bytes)
{
    unsigned char *part;
    size_t part_bytes;
    for (unsigned i = 0; next_part(io, i, &skip_bytes, size_bytes, &part, &part_bytes); i++) {
        memcpy(to, part, part_bytes);
        to += part_bytes;
        size_bytes -= part_bytes;
    }
}

void sim_scatter(const struct device_io *io, uint64_t skip_bytes, const unsigned char *from,
                 size_t size_bytes)
{
    unsigned char *part;
    size_t part_bytes;
    for (unsigned i = 0; next_part(io, i, &skip_bytes, size_bytes, &part, &part_bytes); i++) {
        memcpy(part, from, part_bytes);
        from += part_bytes;
        size_bytes -= part_bytes;
    }
}

bool sim_segments_equal(const struct device_io *io, const unsigned char *bytes)
{
    for (unsigned i = 0; i < io->segment_count; i++) {
        const struct iovec *segment = &io->segments[i];
        if (memcmp(bytes, segment->iov_base, segment->iov_len) != 0)
            return false;
        bytes += segment->iov_len;
    }
    return true;
}
