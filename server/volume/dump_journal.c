/* dump_journal.c - the journal block by block, and why it ends where it ends. See dump_internal.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/volume/dump_internal.h"
#include "server/volume/journal_block.h"
#include "server/volume/journal_scan.h"
#include "server/volume/superblock.h"

struct dumping {
    struct dump *dump;
    struct journal_scan scan;
    uint32_t chain; /* what the next block must carry */
};

/* Counts the block's records and items before it is told; -EBADMSG, -EOPNOTSUPP: one makes no sense. */
static int count_records(struct dumping *dumping, const struct journal_block *block,
                         uint64_t *records, uint64_t *items)
{
    const struct volume_dump quiet = {.what = VOLUME_DUMP_JOURNAL};
    struct dump counting = *dumping->dump;
    const struct record_header *record;
    size_t offset = 0;
    int rc;

    counting.wanted = &quiet;
    *records = *items = 0;
    while ((rc = record_next(journal_block_records(block), block->record_bytes, &offset,
                             &record)) == 1) {
        int count = dump_record(&counting, record);
        if (count < 0)
            return count;
        (*records)++;
        *items += (uint64_t)count;
    }
    return rc;
}

static void tell_records(struct dumping *dumping, const struct journal_block *block)
{
    const struct record_header *record;
    size_t offset = 0;

    while (record_next(journal_block_records(block), block->record_bytes, &offset, &record) == 1)
        if (dump_record(dumping->dump, record) < 0)
            return;
}

static int tell_block(void *context, const struct journal_block *block)
{
    struct dumping *dumping = context;
    struct dump *dump = dumping->dump;
    uint64_t records, items;
    int rc = count_records(dumping, block, &records, &items);

    dump_begin(dump, "block");
    dump_number(dump, "position", dumping->scan.end_position);
    dump_number(dump, "epoch", block->epoch);
    dump_number(dump, "sequence", block->sequence);
    dump_number(dump, "settled", block->settled);
    dump_number(dump, "length_bytes", block->length_bytes);
    dump_number(dump, "record_bytes", block->record_bytes);
    dump_number(dump, "records", records);
    dump_number(dump, "items", items);
    dump_end(dump);
    if (dump->wanted->verbose)
        tell_records(dumping, block);
    if (rc < 0)
        dump_damage(dump, "block %" PRIu64 " holds a record that makes no sense", block->sequence);
    dumping->chain = block->checksum;
    return 0;
}

/* What stands where the next block should be, in words. */
static const char *look_at_end(struct dumping *dumping, struct journal_block *block)
{
    const struct journal_scan *scan = &dumping->scan;
    const struct superblock *sb = scan->superblock;
    uint64_t offset = sb->journal_offset + scan->end_position;

    if (durable_read(dumping->dump->device, offset, block, VOLUME_BLOCK_BYTES) < 0)
        return "it cannot be read";
    if (block->magic != JOURNAL_MAGIC)
        return "there is no block";
    if (memcmp(block->uuid, sb->uuid, sizeof block->uuid) != 0)
        return "there is a block of another volume";
    if (block->epoch != sb->journal_epoch)
        return "there is a block of another epoch";
    if (!journal_block_plausible(block, sb, scan->end_position))
        return "there is a block with an impossible header";
    if (durable_read(dumping->dump->device, offset, block, block->length_bytes) < 0)
        return "it cannot be read";
    if (!journal_block_plausible(block, sb, scan->end_position) || !journal_block_whole(block))
        return "there is a torn block: its checksum is wrong";
    if (block->sequence != scan->last_sequence + 1)
        return "there is a block of another sequence";
    if (block->chain != dumping->chain)
        return "there is a block that does not follow the one before";
    return "there are more bytes than the ring holds";
}

static int tell_end(struct dumping *dumping)
{
    struct dump *dump = dumping->dump;
    struct journal_scan *scan = &dumping->scan;
    const struct superblock *sb = scan->superblock;
    struct journal_block *block = durable_buffer(JOURNAL_BLOCK_BYTES_MAX);
    uint64_t failing = scan->last_sequence + 1, proof;

    if (!block)
        return dump_refuse(dump, -ENOMEM, "no memory for a block");
    dump_begin(dump, "end");
    dump_number(dump, "position", scan->end_position);
    dump_number(dump, "sequence", failing);
    dump_number(dump, "blocks", scan->blocks);
    dump_number(dump, "ring_bytes_used", scan->ring_bytes);
    dump_number(dump, "ring_bytes", sb->journal_bytes);
    dump_text(dump, "stop", sb->clean_stop ? "clean" : "not clean");
    dump_text(dump, "why", look_at_end(dumping, block));
    dump_end(dump);
    free(block);
    if (failing == sb->start_sequence)
        dump_damage(dump, "the first block, %" PRIu64 ", is damaged", failing);
    else if (!sb->clean_stop && journal_scan_proof(scan, failing, &proof))
        dump_damage(dump, "block %" PRIu64 " is damaged: block %" PRIu64 " says it was durable",
                    failing, proof);
    return 0;
}

int dump_journal(struct dump *dump)
{
    struct superblock_found found;
    int rc = superblock_read(dump->device, &found, dump->reason, dump->reason_bytes);
    if (rc < 0)
        return rc;
    struct dumping dumping = {.dump = dump, .chain = found.superblock.start_chain};
    rc = journal_scan_init(&dumping.scan, dump->device, &found.superblock);
    if (rc == 0)
        rc = journal_scan_walk(&dumping.scan, UINT64_MAX - 1, tell_block, &dumping);
    if (rc == -EIO || rc == -EBADMSG) {
        dump_damage(dump, "block %" PRIu64 " %s", dumping.scan.last_sequence + 1,
                    rc == -EIO ? "cannot be read" : "would overwrite the journal's start");
        rc = 0;
    }
    if (rc == 0)
        rc = tell_end(&dumping);
    else
        dump_refuse(dump, rc, "reading the journal: %s", strerror(-rc));
    journal_scan_destroy(&dumping.scan);
    return rc;
}
