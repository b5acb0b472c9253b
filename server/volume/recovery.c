/*
 * recovery.c - from what was replayed to a volume in service: a new epoch, and a checkpoint in it.
 *
 * The order, and what a power cut after each step leaves:
 *   1. epoch E+1 is claimed in both superblocks: the same journal of E is replayed again, E+2 is claimed.
 *   2. images of the partitions that had records replayed, in segments that no root of E names; flush.
 *   3. root records of all partitions as the first blocks of E+1, behind the end of E's journal: they carry
 *      another epoch, so the replay of E does not see them.
 *   4. both superblocks say that replay starts at those blocks, in E+1. From here on E is history: its part
 *      of the ring and its images' segments are free.
 * The reserve of the ring has kept the room that step 3 needs.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/volume/checkpoint.h"
#include "server/volume/durable.h"
#include "server/volume/journal.h"
#include "server/volume/replay.h"
#include "server/volume/volume_internal.h"

/*
 * Pieces on their way to the medium: the bytes from `offset` to `offset + length_bytes`, gathered, so that
 * an image goes out in few large writes. A segment's pieces come in any order, but all of them before those
 * of the next one, and only the last segment of an image is not full: whenever a segment begins, what was
 * gathered has no gaps.
 */
struct gathering {
    struct volume *volume;
    uint8_t *memory; /* SEGMENT_BYTES_MAX */
    uint64_t offset, length_bytes;
};

static int write_gathered(struct gathering *gathering)
{
    uint64_t length_bytes = gathering->length_bytes;
    gathering->length_bytes = 0;
    if (length_bytes == 0)
        return 0;
    return device_transfer(gathering->volume->device, DEVICE_WRITE, 0, gathering->offset,
                           gathering->memory, length_bytes);
}

static int gather(struct gathering *gathering, uint64_t segment, const struct image_piece *piece)
{
    uint64_t segment_end = segment + gathering->volume->superblock.segment_bytes;
    uint64_t end = segment + piece->segment_at + piece->length_bytes;
    uint64_t gathered_end = gathering->offset + gathering->length_bytes;
    bool fits = gathering->length_bytes > 0 && segment >= gathering->offset &&
                segment <= gathered_end && segment_end <= gathering->offset + SEGMENT_BYTES_MAX;
    int rc = fits ? 0 : write_gathered(gathering);
    if (!fits)
        gathering->offset = segment;
    uint64_t length_bytes = end - gathering->offset;
    memcpy(gathering->memory + (length_bytes - piece->length_bytes), piece->memory,
           piece->length_bytes);
    if (gathering->length_bytes < length_bytes)
        gathering->length_bytes = length_bytes;
    return rc;
}

static void write_piece(struct image_stream *stream, struct image_piece *piece)
{
    struct gathering *gathering = stream->context;
    struct volume *volume = gathering->volume;
    struct image_maker *maker = &volume->checkpoint->maker;
    piece->result = root_place(&maker->root, &volume->checkpoint->segments, piece->segment);
    if (piece->result == 0) {
        uint64_t segment =
            segment_offset(&volume->superblock, maker->root.segments[piece->segment]);
        piece->result = gather(gathering, segment, piece);
    }
    image_stream_returned(stream, piece);
}

static int write_image(struct volume *volume, unsigned index, struct replay *replay,
                       uint8_t *memory)
{
    struct checkpoint *checkpoint = volume->checkpoint;
    struct partition_root *root = &checkpoint->maker.root;
    struct image_stream *stream = &checkpoint->maker.stream;
    struct image_identity identity = {.superblock = &volume->superblock,
                                      .partition = volume_partition_number(volume, index),
                                      .epoch = volume->superblock.epoch,
                                      .id = checkpoint->next_image_id++};
    struct gathering gathering = {.volume = volume, .memory = memory};
    int rc = root_prepare(root, &volume->superblock);
    if (rc < 0)
        return rc;
    image_stream_begin(stream, &identity, write_piece, &gathering);
    if (index == volume->partition_count)
        rc = names_serialise(replay->names, &stream->sink);
    else
        rc = partition_serialise(replay->partitions[index], &stream->sink);
    image_stream_end(stream);
    int written = write_gathered(&gathering);
    if (rc == 0)
        rc = stream->error < 0 ? stream->error : written;
    root->present = true;
    root->image_epoch = identity.epoch;
    root->image_id = identity.id;
    root->image_bytes = stream->bytes;
    checkpoint->next[index] = *root;
    checkpoint->renewed[index] = true;
    memset(root, 0, sizeof *root);
    return rc;
}

static int write_images(struct volume *volume, struct replay *replay)
{
    struct checkpoint *checkpoint = volume->checkpoint;
    uint8_t *memory = durable_buffer(SEGMENT_BYTES_MAX);
    int rc = memory ? 0 : -ENOMEM;
    for (unsigned i = 0; i < checkpoint->index_count && rc == 0; i++) {
        if (replay->newest[i] > checkpoint->roots[i].sequence)
            rc = write_image(volume, i, replay, memory);
        else
            checkpoint->next[i] = checkpoint->roots[i];
        checkpoint->next[i].sequence = replay->last_sequence;
    }
    free(memory);
    return rc < 0 ? rc : durable_flush(volume->device);
}

static int write_block(struct volume *volume, uint32_t record_bytes)
{
    struct journal *journal = volume->journal;
    uint64_t position;
    if (journal_cost(journal, record_bytes) > journal_free_bytes(journal))
        return -ENOSPC;
    journal_seal(journal, record_bytes, &position);
    int rc = durable_write(volume->device, volume->superblock.journal_offset + position,
                           journal->buffer, journal->buffer->length_bytes);
    if (rc == 0)
        journal->durable_sequence = journal->next_sequence - 1;
    return rc;
}

static int write_roots(struct volume *volume)
{
    struct checkpoint *checkpoint = volume->checkpoint;
    struct journal *journal = volume->journal;
    size_t bytes = roots_encode(checkpoint->next, checkpoint->index_count, checkpoint->root_buffer,
                                checkpoint->root_buffer_bytes);
    uint32_t filled = 0;
    for (size_t offset = 0; offset < bytes;) {
        const struct record_header *record = (const void *)(checkpoint->root_buffer + offset);
        if (sizeof(struct journal_block) + filled + record->bytes > journal->block_bytes_max) {
            int rc = write_block(volume, filled);
            if (rc < 0)
                return rc;
            filled = 0;
        }
        memcpy((uint8_t *)(journal->buffer + 1) + filled, record, record->bytes);
        filled += record->bytes;
        offset += record->bytes;
    }
    return write_block(volume, filled);
}

static int switch_epoch(struct volume *volume)
{
    struct checkpoint *checkpoint = volume->checkpoint;
    struct superblock *sb = &checkpoint->superblock;
    sb->journal_epoch = sb->epoch;
    sb->start_sequence = volume->journal->first_sequence;
    journal_locate(volume->journal, sb->start_sequence, &sb->start_position, &sb->start_chain);
    int rc = superblock_write(volume->device, sb, false);
    if (rc < 0)
        return rc;
    volume->superblock = *sb;
    for (unsigned i = 0; i < checkpoint->index_count; i++) {
        if (checkpoint->renewed[i]) {
            segment_map_release(&checkpoint->segments, &checkpoint->roots[i]);
            root_destroy(&checkpoint->roots[i]);
        }
        checkpoint->roots[i] = checkpoint->next[i];
        checkpoint->renewed[i] = false;
        memset(&checkpoint->next[i], 0, sizeof checkpoint->next[i]);
    }
    return 0;
}

static int write_checkpoint(struct volume *volume, struct replay *replay, const char **doing)
{
    struct superblock *sb = &volume->superblock;
    *doing = "preparing the journal";
    int rc = journal_create(volume, sb->epoch, replay->last_sequence + 1, replay->end_position,
                            &volume->journal);
    if (rc == 0)
        rc = checkpoint_create(volume, sb, replay->roots, &volume->checkpoint);
    if (rc < 0)
        return rc;
    /* The old epoch's blocks are in the way until the switch. */
    volume->journal->used_bytes = replay->ring_bytes_used;
    *doing = "writing a checkpoint";
    rc = write_images(volume, replay);
    if (rc < 0)
        return rc;
    *doing = "writing the new epoch's first block";
    rc = write_roots(volume);
    if (rc < 0)
        return rc;
    *doing = "writing the superblocks";
    rc = switch_epoch(volume);
    volume->journal->used_bytes -= replay->ring_bytes_used;
    return rc;
}

int recovery_run(struct volume *volume, struct replay *replay, char *reason, size_t reason_bytes)
{
    const char *doing = "claiming a new epoch";
    volume->superblock = *replay->superblock;
    volume->superblock.epoch++;
    volume->superblock.clean_stop = 0;
    int rc = superblock_write(volume->device, &volume->superblock, replay->found.copy_bad);
    if (rc == 0)
        rc = write_checkpoint(volume, replay, &doing);
    if (rc < 0)
        snprintf(reason, reason_bytes, "%s: %s: %s", volume->device->path, doing, strerror(-rc));
    return rc;
}
