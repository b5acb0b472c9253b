/*
 * journal_block.h - one block of the journal: sealing and checking. Pure; any thread.
 *
 * WT_CANARY_NO_JOURNAL_CHECKSUM (control runs of the simulator only) accepts whatever carries the right
 * magic, epoch and sequence.
 */
#ifndef WT_VOLUME_JOURNAL_BLOCK_H
#define WT_VOLUME_JOURNAL_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/volume/format.h"

/* The length on the medium of a block with so many bytes of records. */
static inline uint32_t journal_block_length(uint32_t record_bytes)
{
    uint32_t bytes = (uint32_t)sizeof(struct journal_block) + record_bytes;
    return (bytes + VOLUME_BLOCK_BYTES - 1) & ~(VOLUME_BLOCK_BYTES - 1);
}

/* The records stand after the header already; everything of the header but the checksum, length and magic
 * is filled in. Zeroes the padding. */
void journal_block_seal(struct journal_block *block);

/* Could this header, at this place, begin a block? Then length_bytes may be read. */
bool journal_block_plausible(const struct journal_block *header,
                             const struct superblock *superblock, uint64_t position);
/* The whole block, length_bytes long, already plausible: is it what it claims to be? */
bool journal_block_whole(const struct journal_block *block);
/* Is it the block that follows one whose checksum was `chain`? */
bool journal_block_follows(const struct journal_block *block, uint64_t sequence, uint32_t chain);

static inline const void *journal_block_records(const struct journal_block *block)
{
    return block + 1;
}

#endif
