/*
 * fuzz_journal.c - a journal's ring from anywhere: opened from it, a volume answers or refuses, and touches
 * nothing that it should not.
 *
 * The input becomes blocks with right checksums and chains in a small volume's ring, so that what is inside
 * them is reached.
 * fuzz-covers: server/volume/replay.c server/volume/journal_scan.c server/volume/journal_block.c
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "server/device/device.h"
#include "server/volume/journal_block.h"
#include "server/volume/replay.h"
#include "server/volume/superblock.h"
#include "server/volume/tools.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define RING_BYTES_USED (64u << 10)

/* A device that is nothing but memory: the simulated one would take most of the time. */
static uint8_t *medium;
static struct superblock pristine;

static int transfer(struct device *device, enum device_operation operation, uint32_t flags,
                    uint64_t offset, void *buffer, uint64_t length_bytes)
{
    (void)flags;
    if (operation == DEVICE_FLUSH)
        return 0;
    assert(offset <= device->capabilities.size_bytes &&
           length_bytes <= device->capabilities.size_bytes - offset);
    if (operation == DEVICE_READ)
        memcpy(buffer, medium + offset, length_bytes);
    else
        memcpy(medium + offset, buffer, length_bytes);
    return 0;
}

static const struct device_operations operations = {.transfer = transfer};
static struct device device = {.operations = &operations,
                               .capabilities = {.size_bytes = WT_VOLUME_BYTES_MIN,
                                                .block_bytes = 512,
                                                .transfer_bytes_max = 1u << 20,
                                                .segments_max = 16,
                                                .kind = "memory"},
                               .path = "memory"};

static void prepare(void)
{
    struct volume_format_options format = {.force = true};
    char reason[256];
    log_set_silent(true);
    medium = calloc(1, WT_VOLUME_BYTES_MIN);
    if (!medium || volume_format_device(&device, &format, reason, sizeof reason) < 0)
        abort();
    memcpy(&pristine, medium + SUPERBLOCK_OFFSET, sizeof pristine);
    /* Not after a clean stop: what follows the end is looked at too. */
    pristine.clean_stop = 0;
    superblock_seal(&pristine);
    memcpy(medium + SUPERBLOCK_OFFSET, &pristine, sizeof pristine);
}

/* Each block of the input: two bytes of length, then records, sealed into the ring as the next block. The
 * first is mkfs' own. */
static void fill_ring(const uint8_t *bytes, size_t size)
{
    static _Alignas(8) uint8_t buffer[JOURNAL_BLOCK_BYTES_MAX];
    struct journal_block *block = (struct journal_block *)buffer;
    uint8_t *ring = medium + pristine.journal_offset;
    memcpy(buffer, ring, VOLUME_BLOCK_BYTES);
    uint64_t position = block->length_bytes, sequence = 2;
    uint32_t chain = block->checksum;
    while (size > 2 && position < RING_BYTES_USED) {
        uint32_t length = (uint32_t)(bytes[0] | bytes[1] << 8) & 0x3ff8;
        bytes += 2;
        size -= 2;
        if (length > size)
            length = (uint32_t)size;
        memcpy(block + 1, bytes, length);
        bytes += length;
        size -= length;
        *block = (struct journal_block){.epoch = 1,
                                        .sequence = sequence,
                                        .settled = sequence - 1,
                                        .record_bytes = length,
                                        .chain = chain};
        memcpy(block->uuid, pristine.uuid, sizeof block->uuid);
        journal_block_seal(block);
        memcpy(ring + position, block, block->length_bytes);
        position += block->length_bytes;
        chain = block->checksum;
        sequence++;
    }
    /* Then nothing, or a tail that is no block; what earlier inputs left further on may prove damage. */
    memset(ring + position, 0, VOLUME_BLOCK_BYTES);
    memcpy(ring + position, bytes, size < VOLUME_BLOCK_BYTES ? size : VOLUME_BLOCK_BYTES);
}

static void say(void *context, const char *line)
{
    (void)context;
    assert(line[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct volume_check_report report;
    if (!medium)
        prepare();
    fill_ring(bytes, size);
    int rc = volume_check_device(&device, false, say, NULL, &report);
    assert(rc == 0 || rc == 1 || rc == -EOPNOTSUPP || rc == -ENOMEM);
    assert(rc < 0 || (rc == 1) == (report.damage_count > 0));
    return 0;
}
