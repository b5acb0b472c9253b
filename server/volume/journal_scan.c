/* journal_scan.c - see journal_scan.h. */
#include "server/volume/journal_scan.h"

#include <errno.h>
#include <stdlib.h>

#include "server/volume/durable.h"
#include "server/volume/journal_block.h"

#define WINDOW_BYTES (1u << 20)
_Static_assert(WINDOW_BYTES >= JOURNAL_BLOCK_BYTES_MAX, "a block fits the window");

int journal_scan_init(struct journal_scan *scan, struct device *device,
                      const struct superblock *superblock)
{
    *scan = (struct journal_scan){.device = device, .superblock = superblock};
    scan->window = durable_buffer(WINDOW_BYTES);
    return scan->window ? 0 : -ENOMEM;
}

void journal_scan_destroy(struct journal_scan *scan)
{
    free(scan->window);
    scan->window = NULL;
}

/* Bytes [position, position + bytes) of the ring and its slack, until the next call. */
static int view(struct journal_scan *scan, uint64_t position, uint64_t bytes, const void **memory)
{
    uint64_t whole = scan->superblock->journal_bytes + JOURNAL_BLOCK_BYTES_MAX;
    if (position < scan->window_at || position + bytes > scan->window_at + scan->window_bytes) {
        uint64_t length = whole - position < WINDOW_BYTES ? whole - position : WINDOW_BYTES;
        uint64_t offset = scan->superblock->journal_offset + position;
        scan->window_at = position;
        scan->window_bytes = length;
        int rc = durable_read(scan->device, offset, scan->window, length);
        if (rc < 0) { /* a bad place further on must not hide this one */
            scan->window_bytes = bytes;
            rc = durable_read(scan->device, offset, scan->window, bytes);
        }
        if (rc < 0) {
            scan->window_bytes = 0;
            return rc;
        }
    }
    *memory = scan->window + (position - scan->window_at);
    return 0;
}

/* The valid block at that place: 1; 0: there is none. */
static int block_at(struct journal_scan *scan, uint64_t position,
                    const struct journal_block **block)
{
    const void *memory;
    int rc = view(scan, position, VOLUME_BLOCK_BYTES, &memory);
    if (rc < 0)
        return rc;
    *block = memory;
    if (!journal_block_plausible(*block, scan->superblock, position))
        return 0;
    rc = view(scan, position, (*block)->length_bytes, &memory);
    if (rc < 0)
        return rc;
    *block = memory;
    return journal_block_plausible(*block, scan->superblock, position) &&
           journal_block_whole(*block);
}

int journal_scan_walk(struct journal_scan *scan, uint64_t last_sequence, journal_visit *visit,
                      void *context)
{
    const struct superblock *sb = scan->superblock;
    uint64_t sequence = sb->start_sequence;
    uint32_t chain = sb->start_chain;
    scan->end_position = sb->start_position;
    scan->blocks = scan->ring_bytes = 0;
    scan->last_sequence = sequence - 1;
    while (sequence <= last_sequence) {
        const struct journal_block *block;
        int rc = block_at(scan, scan->end_position, &block);
        if (rc < 0)
            return rc;
        if (rc == 0 || !journal_block_follows(block, sequence, chain))
            return 0;
        uint64_t next = scan->end_position + block->length_bytes;
        uint64_t ring_end = next < sb->journal_bytes ? next : sb->journal_bytes;
        scan->ring_bytes += ring_end - scan->end_position;
        if (scan->ring_bytes > sb->journal_bytes)
            return -EBADMSG; /* no writer of ours fills the ring more than once */
        rc = visit(context, block);
        if (rc < 0)
            return rc;
        chain = block->checksum;
        scan->end_position = next < sb->journal_bytes ? next : 0;
        scan->last_sequence = sequence++;
        scan->blocks++;
    }
    return 0;
}

bool journal_scan_proof(struct journal_scan *scan, uint64_t sequence, uint64_t *proof)
{
    for (uint64_t position = 0; position < scan->superblock->journal_bytes;
         position += VOLUME_BLOCK_BYTES) {
        const struct journal_block *block;
        if (block_at(scan, position, &block) == 1 && block->settled >= sequence) {
            *proof = block->sequence;
            return true;
        }
    }
    return false;
}
