/* replay.c - see replay.h. */
#include "server/volume/replay.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/volume/journal_block.h"
#include "server/volume/journal_scan.h"

void replay_damage(struct replay *replay, const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    replay->damaged = true;
    replay->damage_count++;
    if (replay->say)
        replay->say(replay->context, line);
}

static const char *index_name(const struct replay *replay, unsigned index, char *buffer,
                              size_t bytes)
{
    if (index == replay->superblock->partition_count)
        snprintf(buffer, bytes, "names");
    else
        snprintf(buffer, bytes, "partition %u", index);
    return buffer;
}

/* ---- pass 1: roots ---- */

static int find_roots(void *context, const struct journal_block *block)
{
    struct replay *replay = context;
    const struct record_header *record;
    size_t offset = 0;
    int rc;
    while ((rc = record_next(journal_block_records(block), block->record_bytes, &offset,
                             &record)) == 1) {
        if (record->partition != PARTITION_JOURNAL)
            continue;
        rc = roots_decode(record, replay->superblock, block->sequence, replay->roots);
        if (rc < 0)
            break;
    }
    if (rc == -EBADMSG)
        replay_damage(replay, "journal: block %" PRIu64 " holds a record that makes no sense",
                      block->sequence);
    return rc;
}

/* The first block that fails: a torn tail, or was it once whole? */
static void judge_end(struct replay *replay, struct journal_scan *scan)
{
    const struct superblock *sb = replay->superblock;
    uint64_t failing = scan->last_sequence + 1, proof;
    if (failing == sb->start_sequence) {
        replay_damage(replay, "journal: its first block, %" PRIu64 ", is damaged", failing);
        return;
    }
    if (sb->clean_stop)
        return; /* nothing came after */
    if (journal_scan_proof(scan, failing, &proof))
        replay_damage(
            replay, "journal: block %" PRIu64 " is damaged: block %" PRIu64 " says it was durable",
            failing, proof);
}

static int pass_one(struct replay *replay, struct journal_scan *scan)
{
    int rc = journal_scan_walk(scan, UINT64_MAX - 1, find_roots, replay);
    if (rc == -EBADMSG && replay->damaged)
        rc = 0; /* up to the block before */
    else if (rc == 0)
        judge_end(replay, scan);
    replay->last_sequence = scan->last_sequence;
    replay->end_position = scan->end_position;
    replay->ring_bytes_used = scan->ring_bytes;
    return rc;
}

/* ---- images and pass 2 ---- */

static int apply(struct replay *replay, const struct record_header *record)
{
    if (record->partition == PARTITION_NAMES)
        return names_apply(replay->names, record);
    if (record->partition >= replay->superblock->partition_count)
        return -EBADMSG;
    return partition_apply(replay->partitions[record->partition], record, NULL, NULL);
}

struct loading {
    struct replay *replay;
    uint32_t partition;
};

static int apply_image(void *context, const struct record_header *record)
{
    struct loading *loading = context;
    if (record->partition != loading->partition)
        return -EBADMSG;
    return apply(loading->replay, record);
}

static int load_images(struct replay *replay, char *reason, size_t reason_bytes)
{
    char name[32];
    for (unsigned i = 0; i < replay_index_count(replay); i++) {
        struct loading loading = {replay, i};
        if (i == replay->superblock->partition_count)
            loading.partition = PARTITION_NAMES;
        int rc = -EBADMSG;
        const char *what = "the journal names no checkpoint of it";
        if (replay->roots[i].present) {
            what = "its checkpoint is damaged";
            rc = segment_map_take(&replay->segments, &replay->roots[i]);
            if (loading.partition == PARTITION_NAMES)
                names_expect(replay->names, replay->roots[i].image_bytes);
            if (rc == 0)
                rc = image_load(replay->device, replay->superblock, loading.partition,
                                &replay->roots[i], apply_image, &loading);
        }
        if (rc < 0) {
            if (rc != -EBADMSG)
                what = strerror(-rc);
            snprintf(reason, reason_bytes, "%s: %s: %s", replay->device->path,
                     index_name(replay, i, name, sizeof name), what);
            return rc;
        }
    }
    return 0;
}

static int apply_block(void *context, const struct journal_block *block)
{
    struct replay *replay = context;
    const struct record_header *record;
    size_t offset = 0;
    int rc;
    while ((rc = record_next(journal_block_records(block), block->record_bytes, &offset,
                             &record)) == 1) {
        if (record->partition == PARTITION_JOURNAL)
            continue;
        unsigned index = record->partition == PARTITION_NAMES ? replay->superblock->partition_count
                                                              : record->partition;
        if (index < replay_index_count(replay) && block->sequence <= replay->roots[index].sequence)
            continue;
        rc = apply(replay, record);
        if (rc < 0)
            break;
        replay->newest[index] = block->sequence;
        replay->records_replayed++;
    }
    if (rc == -EBADMSG)
        replay_damage(replay,
                      "journal: block %" PRIu64 " holds a record that does not fit the tree",
                      block->sequence);
    if (rc == 0)
        replay->blocks_replayed++;
    return rc;
}

static int pass_two(struct replay *replay, struct journal_scan *scan)
{
    int rc = journal_scan_walk(scan, replay->last_sequence, apply_block, replay);
    if (rc == -EBADMSG && replay->damaged)
        return 0;
    if (rc == 0 && scan->last_sequence != replay->last_sequence)
        return -EIO; /* read differently a moment ago */
    return rc;
}

/* ---- afterwards ---- */

static void say_names(void *context, const char *line)
{
    replay_damage(context, "names: %s", line);
}

struct visiting {
    struct replay *replay;
    struct partition *partition;
    int error;
};

/* An entry whose inode does not live is garbage: its end was recorded before its data was let go. */
static void drop_garbage(void *context, struct file_data *data)
{
    struct visiting *visiting = context;
    const struct name_inode *inode = names_inode(visiting->replay->names, data->ino);
    if (!inode || inode->generation != data->generation)
        partition_drop(visiting->partition, data, NULL, NULL);
}

/* Reserves one extent, which may reach over groups. -ENOMEM: the blocks would look free, so the volume must
 * not open. */
static int reserve(struct replay *replay, const struct file_data *data, uint64_t physical,
                   uint64_t blocks)
{
    const struct space_layout *layout = &replay->layout;
    if (physical < layout->first_block || blocks > layout->block_count ||
        physical - layout->first_block > layout->block_count - blocks) {
        replay_damage(replay,
                      "inode %" PRIu64 " maps blocks %" PRIu64 "+%" PRIu64
                      " outside of the data area",
                      data->ino, physical, blocks);
        return 0;
    }
    while (blocks > 0) {
        unsigned group = space_group_of(layout, physical);
        uint64_t end = layout->first_block + layout->block_count;
        if (group + 1 < layout->group_count)
            end = layout->first_block + (group + 1) * layout->group_blocks;
        uint64_t length = blocks < end - physical ? blocks : end - physical;
        int error = space_group_reserve(replay->groups[group], physical, length);
        if (error == -ENOMEM)
            return error;
        if (error)
            replay_damage(replay,
                          "inode %" PRIu64 " maps blocks %" PRIu64 "+%" PRIu64
                          " that another file maps too",
                          data->ino, physical, length);
        physical += length;
        blocks -= length;
    }
    return 0;
}

static void reserve_file(void *context, struct file_data *data)
{
    struct visiting *visiting = context;
    struct extent extent;
    uint64_t logical = 0;
    while (!visiting->error && extents_find(&data->extents, logical, &extent)) {
        visiting->error = reserve(visiting->replay, data, extent.physical, extent.blocks);
        logical = extent.logical + extent.blocks;
    }
}

static int derive_space(struct replay *replay)
{
    const struct superblock *sb = replay->superblock;
    replay->layout = (struct space_layout){.first_block = sb->data_offset >> VOLUME_BLOCK_SHIFT,
                                           .group_blocks = sb->group_bytes >> VOLUME_BLOCK_SHIFT,
                                           .block_count = sb->data_bytes >> VOLUME_BLOCK_SHIFT,
                                           .group_count = sb->partition_count};
    for (unsigned i = 0; i < sb->partition_count; i++) {
        uint64_t first = i * replay->layout.group_blocks;
        uint64_t blocks = replay->layout.group_blocks;
        if (i + 1 == sb->partition_count)
            blocks = replay->layout.block_count - first;
        int rc =
            space_group_create(i, replay->layout.first_block + first, blocks, &replay->groups[i]);
        if (rc < 0)
            return rc;
    }
    for (unsigned i = 0; i < sb->partition_count; i++) {
        struct visiting visiting = {replay, replay->partitions[i], 0};
        partition_each(replay->partitions[i], reserve_file, &visiting);
        if (visiting.error)
            return visiting.error;
    }
    return 0;
}

static int settle(struct replay *replay)
{
    unsigned findings = names_verify(replay->names, say_names, replay);
    (void)findings; /* each has been said */
    for (unsigned i = 0; i < replay->superblock->partition_count; i++) {
        struct visiting visiting = {replay, replay->partitions[i], 0};
        partition_each(replay->partitions[i], drop_garbage, &visiting);
    }
    return derive_space(replay);
}

/* ---- all of it ---- */

static int prepare(struct replay *replay, uint64_t memory_bytes_max)
{
    int rc = names_create(memory_bytes_max, &replay->names);
    for (unsigned i = 0; i < replay->superblock->partition_count && rc == 0; i++)
        rc = partition_create((uint16_t)i, &replay->partitions[i]);
    if (rc == 0)
        rc = segment_map_init(&replay->segments, replay->superblock->segment_count);
    return rc;
}

static void explain(struct replay *replay, int rc, const char *doing, char *reason,
                    size_t reason_bytes)
{
    if (rc == -EOPNOTSUPP)
        snprintf(reason, reason_bytes,
                 "%s: the journal holds records that this program does not know",
                 replay->device->path);
    else
        snprintf(reason, reason_bytes, "%s: %s: %s", replay->device->path, doing, strerror(-rc));
}

static int replay_journal(struct replay *replay, char *reason, size_t reason_bytes)
{
    struct journal_scan scan;
    const char *doing = "reading the journal";
    int rc = journal_scan_init(&scan, replay->device, replay->superblock);
    if (rc == 0)
        rc = pass_one(replay, &scan);
    if (rc == 0) {
        rc = load_images(replay, reason, reason_bytes);
        if (rc < 0) {
            journal_scan_destroy(&scan);
            return rc;
        }
        rc = pass_two(replay, &scan);
    }
    if (rc == 0) {
        doing = "deriving the free space";
        rc = settle(replay);
    }
    journal_scan_destroy(&scan);
    if (rc < 0)
        explain(replay, rc, doing, reason, reason_bytes);
    return rc;
}

int replay_run(struct replay *replay, struct device *device, uint64_t memory_bytes_max,
               char *reason, size_t reason_bytes)
{
    void (*say)(void *, const char *) = replay->say;
    void *context = replay->context;
    *replay = (struct replay){.device = device, .say = say, .context = context};
    replay->superblock = &replay->found.superblock;
    int rc = superblock_read(device, &replay->found, reason, reason_bytes);
    if (rc < 0)
        return rc;
    rc = prepare(replay, memory_bytes_max);
    if (rc < 0) {
        explain(replay, rc, "opening", reason, reason_bytes);
        return rc;
    }
    return replay_journal(replay, reason, reason_bytes);
}

void replay_destroy(struct replay *replay)
{
    if (replay->names)
        names_destroy(replay->names);
    for (unsigned i = 0; i < VOLUME_PARTITIONS_MAX; i++) {
        if (replay->partitions[i])
            partition_destroy(replay->partitions[i]);
        if (replay->groups[i])
            space_group_destroy(replay->groups[i]);
    }
    for (unsigned i = 0; i < PARTITION_INDEXES_MAX; i++)
        root_destroy(&replay->roots[i]);
    segment_map_destroy(&replay->segments);
    replay->names = NULL;
    memset(replay->partitions, 0, sizeof replay->partitions);
    memset(replay->groups, 0, sizeof replay->groups);
}

uint64_t replay_memory_bytes(const struct replay *replay)
{
    uint64_t bytes = names_memory_bytes(replay->names);
    for (unsigned i = 0; i < replay->superblock->partition_count; i++)
        bytes += partition_memory_bytes(replay->partitions[i]);
    return bytes;
}
