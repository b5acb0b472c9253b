/* checkpoint.c - see checkpoint.h. */
#include "server/volume/checkpoint.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "server/volume/journal.h"
#include "server/volume/volume_internal.h"

static void next_partition(struct checkpoint *checkpoint);
static void image_made(struct image_maker *maker, int result);

int checkpoint_create(struct volume *volume, const struct superblock *superblock,
                      struct partition_root *roots, struct checkpoint **out)
{
    struct checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
    if (!checkpoint)
        return -ENOMEM;
    checkpoint->volume = volume;
    checkpoint->superblock = *superblock;
    checkpoint->index_count = superblock->partition_count + 1;
    checkpoint->next_image_id = 1;
    checkpoint->root_buffer_bytes = roots_bytes_max(superblock);
    checkpoint->root_buffer = durable_buffer(checkpoint->root_buffer_bytes);
    int rc = image_maker_init(&checkpoint->maker, volume, image_made);
    if (rc == 0 && !checkpoint->root_buffer)
        rc = -ENOMEM;
    if (rc == 0)
        rc = segment_map_init(&checkpoint->segments, superblock->segment_count);
    if (rc == 0)
        rc = superblock_writer_init(&checkpoint->superblock_writer, &volume->flusher);
    for (unsigned i = 0; i < checkpoint->index_count && rc == 0; i++) {
        rc = segment_map_take(&checkpoint->segments, &roots[i]);
        checkpoint->roots[i] = roots[i];
        memset(&roots[i], 0, sizeof roots[i]);
    }
    if (rc < 0) {
        checkpoint_destroy(checkpoint);
        return rc;
    }
    *out = checkpoint;
    return 0;
}

void checkpoint_destroy(struct checkpoint *checkpoint)
{
    for (unsigned i = 0; i < checkpoint->index_count; i++) {
        root_destroy(&checkpoint->roots[i]);
        if (checkpoint->renewed[i])
            root_destroy(&checkpoint->next[i]);
    }
    image_maker_destroy(&checkpoint->maker);
    free(checkpoint->root_buffer);
    segment_map_destroy(&checkpoint->segments);
    superblock_writer_destroy(&checkpoint->superblock_writer);
    free(checkpoint);
}

/* ---- how full the metadata area is ---- */

/* What images may need at most: half of the area, less a partly filled segment for each partition; and an
 * eighth of that is left to what must never be refused. */
static uint64_t limit_bytes(const struct checkpoint *checkpoint)
{
    const struct superblock *sb = &checkpoint->superblock;
    uint64_t segments = sb->segment_count / 2 - sb->partition_count;
    return segments * (sb->segment_bytes - sizeof(struct segment_header)) / 8 * 7;
}

/* Names are known to the byte: what is accepted is applied. The image that is being made counts until the
 * round ends, though names may have become fewer since. */
static uint64_t names_bytes(const struct checkpoint *checkpoint)
{
    uint64_t bytes = names_image_bytes(checkpoint->volume->names);
    return bytes > checkpoint->names_bytes_at_cut ? bytes : checkpoint->names_bytes_at_cut;
}

static uint64_t present_bytes(const struct checkpoint *checkpoint)
{
    uint64_t bytes = names_bytes(checkpoint);
    for (unsigned i = 0; i + 1 < checkpoint->index_count; i++)
        bytes += checkpoint->renewed[i] ? checkpoint->next[i].image_bytes
                                        : checkpoint->roots[i].image_bytes;
    return bytes;
}

static bool fits(const struct checkpoint *checkpoint, uint64_t growth_bytes)
{
    return present_bytes(checkpoint) + 2 * growth_bytes <= limit_bytes(checkpoint);
}

uint64_t checkpoint_room_bytes(const struct checkpoint *checkpoint)
{
    uint64_t limit = limit_bytes(checkpoint);
    /* As journal_room counts: the largest record of names must fit. */
    uint64_t growth = journal_growth_bytes(checkpoint->volume->journal) + NAMES_RECORD_BYTES;
    uint64_t taken = present_bytes(checkpoint) + 2 * growth;
    return taken < limit ? limit - taken : 0;
}

/* A round now would tell something new. */
static bool figures_are_old(const struct checkpoint *checkpoint)
{
    const struct journal *journal = checkpoint->volume->journal;
    return journal->freed_something || journal_growth_bytes(journal) > 0;
}

int checkpoint_judge(struct checkpoint *checkpoint, uint32_t record_bytes)
{
    if (fits(checkpoint, journal_growth_bytes(checkpoint->volume->journal) + record_bytes))
        return 0;
    if (checkpoint->state != CHECKPOINT_IDLE)
        return -EAGAIN;
    if (!figures_are_old(checkpoint))
        return -ENOSPC;
    checkpoint_need(checkpoint);
    return -EAGAIN;
}

/* What may have grown could fill half of what is left, and is worth a round. */
static bool growth_wants_round(const struct checkpoint *checkpoint)
{
    uint64_t limit = limit_bytes(checkpoint), present = present_bytes(checkpoint);
    uint64_t left = present < limit ? limit - present : 0;
    uint64_t threshold = left / 2 > limit / 32 ? left / 2 : limit / 32;
    return 2 * journal_growth_bytes(checkpoint->volume->journal) >= threshold;
}

/* ---- images ---- */

/* Names come first. */
static unsigned partition_at(const struct checkpoint *checkpoint)
{
    return checkpoint->step == 0 ? checkpoint->index_count - 1 : checkpoint->step - 1;
}

static bool is_names(const struct checkpoint *checkpoint)
{
    return checkpoint->step == 0;
}

static void image_made(struct image_maker *maker, int result)
{
    struct checkpoint *checkpoint = maker->volume->checkpoint;
    unsigned index = maker->index;
    if (result < 0)
        volume_fail_here(checkpoint->volume, result, "making a checkpoint failed");
    if (checkpoint->state == CHECKPOINT_FAILED)
        return;
    maker->root.sequence = checkpoint->sequence_at_request;
    checkpoint->next[index] = maker->root;
    checkpoint->renewed[index] = true;
    memset(&maker->root, 0, sizeof maker->root);
    if (!is_names(checkpoint))
        checkpoint->volume->journal->growth[index] -= checkpoint->growth_at_request;
    checkpoint->step++;
    next_partition(checkpoint);
}

/* Of names the cut is now, and its sequence is known when the journal gets there. */
static void make_image(struct checkpoint *checkpoint)
{
    struct journal *journal = checkpoint->volume->journal;
    unsigned index = partition_at(checkpoint);
    checkpoint->state = CHECKPOINT_IMAGE;
    int rc = image_maker_start(&checkpoint->maker, index, checkpoint->next_image_id++);
    if (rc < 0) {
        volume_fail_here(checkpoint->volume, rc, "no memory for a checkpoint");
        return;
    }
    checkpoint->sequence_at_request = journal->durable_sequence;
    if (is_names(checkpoint)) {
        checkpoint->names_changed = false;
        checkpoint->names_bytes_at_cut = names_image_bytes(checkpoint->volume->names);
        journal_cut(journal);
    } else {
        checkpoint->growth_at_request = journal_durable_growth(journal, index);
        journal->dropped[index] = false;
    }
}

static void flushed(struct flush_waiter *waiter, int result)
{
    struct checkpoint *checkpoint = list_entry(waiter, struct checkpoint, flush);
    if (result < 0 || checkpoint->state == CHECKPOINT_FAILED)
        return; /* the flusher has failed the volume */
    checkpoint->state = CHECKPOINT_CUT;
    checkpoint_journal_moved(checkpoint);
}

static void flush_images(struct checkpoint *checkpoint)
{
    bool needed = checkpoint->final;
    for (unsigned i = 0; i < checkpoint->index_count; i++)
        needed |= checkpoint->renewed[i];
    checkpoint->state = CHECKPOINT_FLUSH;
    checkpoint->flush.done = flushed;
    if (needed && durable_has_cache(checkpoint->volume->device))
        flusher_ask(&checkpoint->volume->flusher, &checkpoint->flush);
    else
        flushed(&checkpoint->flush, 0);
}

/* Goes on to the next partition that has changed; unchanged ones advance by record alone. */
static void next_partition(struct checkpoint *checkpoint)
{
    const struct journal *journal = checkpoint->volume->journal;
    for (; checkpoint->step < checkpoint->index_count; checkpoint->step++) {
        unsigned index = partition_at(checkpoint);
        bool changed = is_names(checkpoint)
                           ? checkpoint->names_changed
                           : journal->newest[index] > checkpoint->roots[index].sequence ||
                                 journal->dropped[index];
        if (changed) {
            make_image(checkpoint);
            return;
        }
        checkpoint->next[index] = checkpoint->roots[index];
        checkpoint->next[index].sequence = journal->durable_sequence;
    }
    flush_images(checkpoint);
}

/* ---- roots and superblocks ---- */

static void finish(struct checkpoint *checkpoint)
{
    for (unsigned i = 0; i < checkpoint->index_count; i++) {
        if (checkpoint->renewed[i]) {
            segment_map_release(&checkpoint->segments, &checkpoint->roots[i]);
            root_destroy(&checkpoint->roots[i]);
        }
        checkpoint->roots[i] = checkpoint->next[i];
        checkpoint->renewed[i] = false;
        memset(&checkpoint->next[i], 0, sizeof checkpoint->next[i]);
    }
    checkpoint->names_bytes_at_cut = 0;
    checkpoint->rounds++;
    checkpoint->state = CHECKPOINT_IDLE;
    journal_round_ended(checkpoint->volume->journal);
    if (!checkpoint->final) {
        journal_kick(checkpoint->volume->journal);
        return;
    }
    void (*stopped)(void *, int) = checkpoint->stopped;
    checkpoint->stopped = NULL;
    stopped(checkpoint->stopped_context, 0);
}

static void superblocks_written(struct superblock_writer *writer, int result)
{
    struct checkpoint *checkpoint = list_entry(writer, struct checkpoint, superblock_writer);
    if (result < 0)
        volume_fail_here(checkpoint->volume, result, "writing a superblock failed");
    if (checkpoint->state == CHECKPOINT_FAILED)
        return;
    journal_release(checkpoint->volume->journal, checkpoint->superblock.start_sequence);
    finish(checkpoint);
}

static void roots_durable(struct checkpoint *checkpoint)
{
    struct journal *journal = checkpoint->volume->journal;
    struct superblock *sb = &checkpoint->superblock;
    uint64_t lowest = UINT64_MAX;
    for (unsigned i = 0; i < checkpoint->index_count; i++)
        if (checkpoint->next[i].sequence < lowest)
            lowest = checkpoint->next[i].sequence;
    journal_resume(journal);
    journal_kick(journal);
    sb->start_sequence = lowest + 1;
    sb->journal_epoch = journal->epoch;
    journal_locate(journal, sb->start_sequence, &sb->start_position, &sb->start_chain);
    /* Clean means that nothing comes after these roots: from here on nothing is accepted. */
    checkpoint->final = checkpoint->final && journal_idle(journal);
    if (checkpoint->final)
        journal_close(journal);
    sb->clean_stop = checkpoint->final;
    checkpoint->state = CHECKPOINT_SUPERBLOCKS;
    superblock_writer_start(&checkpoint->superblock_writer,
                            volume_journal_queue(checkpoint->volume), sb, superblocks_written);
}

static void root_done(struct journal_append *append)
{
    struct checkpoint *checkpoint = append->origin->volume->checkpoint;
    checkpoint->roots_waiting--;
    if (append->result == 0 && checkpoint->state == CHECKPOINT_ROOTS &&
        checkpoint->roots_waiting == 0)
        roots_durable(checkpoint);
}

static void append_roots(struct checkpoint *checkpoint)
{
    struct volume *volume = checkpoint->volume;
    unsigned names = checkpoint->index_count - 1;
    if (checkpoint->renewed[names])
        checkpoint->next[names].sequence = volume->journal->cut_sequence;
    size_t bytes = roots_encode(checkpoint->next, checkpoint->index_count, checkpoint->root_buffer,
                                checkpoint->root_buffer_bytes);
    checkpoint->state = CHECKPOINT_ROOTS;
    checkpoint->roots_waiting = 0;
    for (size_t offset = 0; offset < bytes;) {
        const struct record_header *record = (const void *)(checkpoint->root_buffer + offset);
        assert(checkpoint->roots_waiting < ROOT_RECORDS_MAX);
        struct journal_append *append = &checkpoint->root_appends[checkpoint->roots_waiting++];
        *append = (struct journal_append){.origin = &volume->shards[JOURNAL_SHARD].shard,
                                          .done = root_done,
                                          .record = record,
                                          .record_bytes = record->bytes};
        list_init(&append->link);
        journal_append_urgent(volume->journal, append);
        offset += record->bytes;
    }
}

void checkpoint_journal_moved(struct checkpoint *checkpoint)
{
    if (checkpoint->state == CHECKPOINT_CUT && journal_cut_passed(checkpoint->volume->journal))
        append_roots(checkpoint);
}

/* ---- when ---- */

static void begin(struct checkpoint *checkpoint, bool final)
{
    struct journal *journal = checkpoint->volume->journal;
    checkpoint->asked = false;
    checkpoint->final = final;
    checkpoint->step = 0;
    /* What is in flight may not get into this round's images. */
    journal->freed_something = journal->freed_something && journal->busy;
    log_debug("checkpoint: a round begins at journal block %llu",
              (unsigned long long)journal->durable_sequence);
    next_partition(checkpoint);
    journal_kick(journal);
}

void checkpoint_consider(struct checkpoint *checkpoint)
{
    const struct journal *journal = checkpoint->volume->journal;
    if (checkpoint->state != CHECKPOINT_IDLE || journal->closed)
        return;
    if (checkpoint->stopping && journal_idle(journal))
        begin(checkpoint, true);
    else if (checkpoint->asked || journal_wants_checkpoint(journal) ||
             growth_wants_round(checkpoint))
        begin(checkpoint, false);
}

void checkpoint_need(struct checkpoint *checkpoint)
{
    if (checkpoint->state != CHECKPOINT_IDLE || checkpoint->asked)
        return;
    checkpoint->asked = true;
    journal_kick(checkpoint->volume->journal);
}

void checkpoint_fail(struct checkpoint *checkpoint)
{
    if (checkpoint->state == CHECKPOINT_FAILED)
        return;
    /* Memory that the device or another shard may still use is let go when they give it back. */
    checkpoint->state = CHECKPOINT_FAILED;
    if (checkpoint->stopped) {
        void (*stopped)(void *, int) = checkpoint->stopped;
        checkpoint->stopped = NULL;
        stopped(checkpoint->stopped_context, -EROFS);
    }
}

void volume_stop(struct volume_shard *shard, void (*done)(void *context, int result), void *context)
{
    struct volume *volume = shard->volume;
    assert(shard->shard == JOURNAL_SHARD);
    if (volume->read_only_damage || volume->failed) {
        done(context, -EROFS);
        return;
    }
    volume->checkpoint->stopping = true;
    volume->checkpoint->stopped = done;
    volume->checkpoint->stopped_context = context;
    journal_kick(volume->journal);
}
