/* journal_block.c - see journal_block.h. */
#include "server/volume/journal_block.h"

#include <assert.h>
#include <string.h>

#include "server/base/checksum.h"

static uint32_t block_checksum(const struct journal_block *block)
{
    struct journal_block header = *block;
    header.checksum = 0;
    uint32_t crc = checksum_crc32c(&header, sizeof header);
    return checksum_crc32c_extend(crc, block + 1, block->length_bytes - sizeof header);
}

void journal_block_seal(struct journal_block *block)
{
    block->magic = JOURNAL_MAGIC;
    block->length_bytes = journal_block_length(block->record_bytes);
    block->flags = 0;
    assert(block->length_bytes <= JOURNAL_BLOCK_BYTES_MAX && block->settled < block->sequence);
    uint8_t *end = (uint8_t *)(block + 1) + block->record_bytes;
    memset(end, 0, block->length_bytes - sizeof *block - block->record_bytes);
    block->checksum = block_checksum(block);
}

bool journal_block_plausible(const struct journal_block *header,
                             const struct superblock *superblock, uint64_t position)
{
    return header->magic == JOURNAL_MAGIC && header->epoch == superblock->journal_epoch &&
           memcmp(header->uuid, superblock->uuid, sizeof header->uuid) == 0 && header->flags == 0 &&
           position < superblock->journal_bytes &&
           header->record_bytes <= JOURNAL_BLOCK_BYTES_MAX - sizeof *header &&
           header->length_bytes == journal_block_length(header->record_bytes) &&
           header->settled < header->sequence;
}

bool journal_block_whole(const struct journal_block *block)
{
#ifdef WT_CANARY_NO_JOURNAL_CHECKSUM
    (void)block_checksum;
    (void)block;
    return true;
#else
    return block->checksum == block_checksum(block);
#endif
}

bool journal_block_follows(const struct journal_block *block, uint64_t sequence, uint32_t chain)
{
#ifdef WT_CANARY_NO_JOURNAL_CHECKSUM
    (void)chain;
    return block->sequence == sequence;
#else
    return block->sequence == sequence && block->chain == chain;
#endif
}
