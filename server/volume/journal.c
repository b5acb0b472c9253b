/* journal.c - see journal.h. */
#include "server/volume/journal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/volume/checkpoint.h"
#include "server/volume/volume_internal.h"

#define COVERED \
    UINT64_MAX /* append->sequence of a record of names that the next root makes durable */

static void kicked(struct message *message);
static void block_written(struct writer *writer, int result);
static void block_flushed(struct flush_waiter *waiter, int result);

/* ---- the ring ---- */

uint64_t journal_free_bytes(const struct journal *journal)
{
    return journal->volume->superblock.journal_bytes - journal->used_bytes;
}

uint64_t journal_cost(const struct journal *journal, uint32_t record_bytes)
{
    /* What reaches past the ring's end lies in the slack. */
    uint64_t to_end = journal->volume->superblock.journal_bytes - journal->next_position;
    uint64_t length = journal_block_length(record_bytes);
    return length < to_end ? length : to_end;
}

static uint64_t reserve_bytes(const struct volume *volume, uint32_t block_bytes_max)
{
    uint64_t records = roots_bytes_max(&volume->superblock);
    uint64_t blocks = records / (block_bytes_max - RECORD_BYTES_MAX) + 1;
    return ROOT_ROUNDS_RESERVED * (records + blocks * 2 * VOLUME_BLOCK_BYTES);
}

int journal_create(struct volume *volume, uint64_t epoch, uint64_t next_sequence, uint64_t position,
                   struct journal **out)
{
    struct journal *journal = calloc(1, sizeof *journal);
    if (!journal)
        return -ENOMEM;
    journal->volume = volume;
    journal->block_bytes_max = JOURNAL_BLOCK_BYTES_MAX;
    journal->epoch = epoch;
    journal->next_sequence = journal->first_sequence = next_sequence;
    journal->durable_sequence = next_sequence - 1;
    journal->next_position = position;
    journal->reserve_bytes = reserve_bytes(volume, journal->block_bytes_max);
    journal->live_capacity = (uint32_t)(volume->superblock.journal_bytes / VOLUME_BLOCK_BYTES);
    list_init(&journal->queue);
    list_init(&journal->urgent);
    list_init(&journal->in_block);
    list_init(&journal->room_waiters);
    journal->kick.deliver = kicked;
    journal->flush.done = block_flushed;
    journal->live = malloc(journal->live_capacity * sizeof *journal->live);
    journal->buffer = durable_buffer(JOURNAL_BLOCK_BYTES_MAX);
    if (!journal->live || !journal->buffer) {
        journal_destroy(journal);
        return -ENOMEM;
    }
    *out = journal;
    return 0;
}

void journal_destroy(struct journal *journal)
{
    free(journal->live);
    free(journal->buffer);
    free(journal);
}

void journal_seal(struct journal *journal, uint32_t record_bytes, uint64_t *position)
{
    struct journal_block *block = journal->buffer;
    const struct superblock *sb = &journal->volume->superblock;
    uint64_t cost = journal_cost(journal, record_bytes);
    assert(cost <= journal_free_bytes(journal) && journal->live_count < journal->live_capacity);
    *block = (struct journal_block){.epoch = journal->epoch,
                                    .sequence = journal->next_sequence,
                                    .settled = journal->durable_sequence,
                                    .record_bytes = record_bytes,
                                    .chain = journal->next_chain};
    memcpy(block->uuid, sb->uuid, sizeof block->uuid);
    journal_block_seal(block);
    uint32_t slot = (journal->live_first + journal->live_count++) % journal->live_capacity;
    journal->live[slot] = (struct live_block){
        .position = journal->next_position, .ring_bytes = (uint32_t)cost, .chain = block->chain};
    *position = journal->next_position;
    journal->used_bytes += cost;
    journal->next_sequence++;
    journal->next_chain = block->checksum;
    journal->next_position += block->length_bytes;
    if (journal->next_position >= sb->journal_bytes)
        journal->next_position = 0;
}

void journal_locate(const struct journal *journal, uint64_t sequence, uint64_t *position,
                    uint32_t *chain)
{
    uint64_t distance = sequence - journal->first_sequence;
    assert(sequence >= journal->first_sequence && distance < journal->live_count);
    const struct live_block *block =
        &journal->live[(journal->live_first + distance) % journal->live_capacity];
    *position = block->position;
    *chain = block->chain;
}

void journal_release(struct journal *journal, uint64_t sequence)
{
    while (journal->first_sequence < sequence) {
        assert(journal->live_count > 0);
        journal->used_bytes -= journal->live[journal->live_first].ring_bytes;
        journal->live_first = (journal->live_first + 1) % journal->live_capacity;
        journal->live_count--;
        journal->first_sequence++;
    }
}

bool journal_wants_checkpoint(const struct journal *journal)
{
    uint64_t half = journal->volume->superblock.journal_bytes / 2;
    return journal->used_bytes + journal->queued_bytes > half;
}

bool journal_idle(const struct journal *journal)
{
    return !journal->busy && list_empty(&journal->queue) && list_empty(&journal->urgent);
}

/* ---- answers ---- */

static void append_done(struct message *message)
{
    struct journal_append *append = list_entry(message, struct journal_append, message);
    append->done(append);
}

static void answer(struct volume *volume, unsigned from, struct journal_append *append)
{
    append->message.deliver = append_done;
    message_send(volume->office, from, append->origin->shard, &append->message);
}

/* result stands already where an append was refused. */
static void answer_all(struct journal *journal, struct list *appends, int result)
{
    struct list *link;
    while ((link = list_pop(appends)) != NULL) {
        struct journal_append *append = list_entry(link, struct journal_append, link);
        if (append->result == 0)
            append->result = result;
        answer(journal->volume, JOURNAL_SHARD, append);
    }
}

void journal_close(struct journal *journal)
{
    journal->closed = true;
    journal->cut = NULL;
    journal->queued_bytes = 0;
    answer_all(journal, &journal->in_block, -EROFS);
    answer_all(journal, &journal->urgent, -EROFS);
    answer_all(journal, &journal->queue, -EROFS);
    journal_round_ended(journal);
}

void journal_round_ended(struct journal *journal)
{
    answer_all(journal, &journal->room_waiters, 0);
}

/* ---- the cut ---- */

static bool is_names(const struct journal_append *append)
{
    return ((const struct record_header *)append->record)->partition == PARTITION_NAMES;
}

static bool takes_bytes(const struct journal_append *append)
{
    return append->result == 0 && append->record_bytes > 0 && append->sequence != COVERED;
}

static void pass_cut(struct journal *journal, uint64_t sequence)
{
    journal->cut = NULL;
    journal->cut_sequence = sequence;
}

void journal_cut(struct journal *journal)
{
    assert(!journal->cut && !journal->halted);
    struct list *link = journal->queue.previous;
    while (link != &journal->queue) {
        const struct journal_append *append = list_entry(link, struct journal_append, link);
        if (takes_bytes(append) && is_names(append))
            break;
        link = link->previous;
    }
    if (link == &journal->queue)
        pass_cut(journal, journal->next_sequence - 1);
    else
        journal->cut = link;
}

/* The cut cannot be reached (see 5. above): the image stands for the records of names before it. */
static void cover(struct journal *journal)
{
    struct list *link = &journal->queue;
    do {
        link = link->next;
        struct journal_append *append = list_entry(link, struct journal_append, link);
        if (takes_bytes(append) && is_names(append)) {
            append->sequence = COVERED;
            journal->queued_bytes -= append->record_bytes;
        }
    } while (link != journal->cut);
    journal->halted = true;
    pass_cut(journal, journal->next_sequence - 1);
}

void journal_resume(struct journal *journal)
{
    journal->halted = false;
}

/* ---- building blocks ---- */

/* What building one block has come to. */
struct filling {
    uint32_t bytes; /* of records in the buffer */
    bool stuck;     /* the first append can only go on after a checkpoint */
    bool cut_passed;
};

static void fill_record(struct journal *journal, struct filling *filling,
                        const struct journal_append *append)
{
    const struct record_header *record = append->record;
    memcpy((uint8_t *)(journal->buffer + 1) + filling->bytes, record, append->record_bytes);
    filling->bytes += append->record_bytes;
    journal->record_count++;
    if (record->partition == PARTITION_JOURNAL)
        return;
    unsigned index = volume_partition_index(journal->volume, record->partition);
    journal->newest[index] = journal->next_sequence;
    if (record->partition == PARTITION_NAMES)
        return; /* they know what they need */
    if (append->frees) {
        journal->freed_something = true;
    } else {
        journal->growth[index] += append->record_bytes;
        journal->growth_in_flight[index] += append->record_bytes;
    }
}

static bool fits_block(const struct journal *journal, const struct filling *filling,
                       const struct journal_append *append)
{
    return sizeof(struct journal_block) + filling->bytes + append->record_bytes <=
           journal->block_bytes_max;
}

static void fill_urgent(struct journal *journal, struct filling *filling)
{
    while (!list_empty(&journal->urgent)) {
        struct journal_append *append =
            list_entry(journal->urgent.next, struct journal_append, link);
        if (!fits_block(journal, filling, append))
            return;
        fill_record(journal, filling, append);
        append->sequence = journal->next_sequence;
        list_remove(&append->link);
        list_add_tail(&journal->in_block, &append->link);
    }
}

/* Puts the first of the queue into the block, where it has bytes. False: the block ends before it. */
static bool fill_first(struct journal *journal, struct filling *filling,
                       struct journal_append *append)
{
    if (!takes_bytes(append))
        return true;
    int verdict = 0;
    if (!append->frees && !is_names(append))
        verdict = checkpoint_judge(journal->volume->checkpoint, append->record_bytes);
    if (verdict == -EAGAIN) {
        filling->stuck = true;
        return false;
    }
    if (verdict == 0) {
        if (!fits_block(journal, filling, append))
            return false;
        if (journal_cost(journal, filling->bytes + append->record_bytes) + journal->reserve_bytes >
            journal_free_bytes(journal)) {
            filling->stuck = true;
            return false;
        }
        fill_record(journal, filling, append);
    }
    append->result = verdict;
    journal->queued_bytes -= append->record_bytes;
    return true;
}

static void fill_queue(struct journal *journal, struct filling *filling)
{
    while (!list_empty(&journal->queue)) {
        struct journal_append *append =
            list_entry(journal->queue.next, struct journal_append, link);
        if (!fill_first(journal, filling, append))
            return;
        uint64_t sequence = journal->next_sequence - (filling->bytes > 0 ? 0 : 1);
        append->sequence = sequence;
        bool at_cut = journal->cut == &append->link;
        list_remove(&append->link);
        list_add_tail(&journal->in_block, &append->link);
        if (at_cut) {
            pass_cut(journal, sequence);
            filling->cut_passed = true;
            return;
        }
    }
}

static void send_block(struct journal *journal, uint32_t record_bytes)
{
    struct device_queue *queue = volume_journal_queue(journal->volume);
    uint64_t position;
    journal_seal(journal, record_bytes, &position);
    journal->busy = true;
    journal->block_count++;
    journal->part =
        (struct write_part){.offset = journal->volume->superblock.journal_offset + position,
                            .length_bytes = journal->buffer->length_bytes,
                            .memory = journal->buffer};
    writer_start(&journal->writer, queue, &journal->part, 1, durable_write_flags(queue->device),
                 block_written);
}

static void build(struct journal *journal)
{
    bool cut_passed = false;
    while (!journal->busy && !journal->closed) {
        struct filling filling = {0};
        memset(journal->growth_in_flight, 0, sizeof journal->growth_in_flight);
        fill_urgent(journal, &filling);
        if (!journal->halted)
            fill_queue(journal, &filling);
        cut_passed |= filling.cut_passed;
        if (filling.bytes > 0) {
            send_block(journal, filling.bytes);
        } else if (!list_empty(&journal->in_block)) {
            /* All before them is durable: nothing is in flight. */
            answer_all(journal, &journal->in_block, 0);
        } else {
            if (filling.stuck && journal->cut) {
                cover(journal);
                cut_passed = true;
            } else if (filling.stuck) {
                checkpoint_need(journal->volume->checkpoint);
            }
            break;
        }
    }
    if (cut_passed)
        checkpoint_journal_moved(journal->volume->checkpoint);
}

static void block_durable(struct journal *journal)
{
    journal->busy = false;
    if (journal->closed)
        return;
    journal->durable_sequence = journal->next_sequence - 1;
    answer_all(journal, &journal->in_block, 0);
    build(journal);
    checkpoint_consider(journal->volume->checkpoint);
}

static void block_flushed(struct flush_waiter *waiter, int result)
{
    struct journal *journal = list_entry(waiter, struct journal, flush);
    (void)result; /* after an error the journal is closed */
    assert(result == 0 || journal->closed);
    block_durable(journal);
}

static void block_written(struct writer *writer, int result)
{
    struct journal *journal = list_entry(writer, struct journal, writer);
    if (result < 0)
        volume_fail_here(journal->volume, result, "writing the journal failed");
    if (!journal->closed && durable_needs_flush(journal->volume->device))
        flusher_ask(&journal->volume->flusher, &journal->flush);
    else
        block_durable(journal);
}

static void kicked(struct message *message)
{
    struct journal *journal = list_entry(message, struct journal, kick);
    journal->kicked = false;
    if (journal->closed)
        return;
    build(journal);
    checkpoint_consider(journal->volume->checkpoint);
}

void journal_kick(struct journal *journal)
{
    if (journal->kicked)
        return;
    journal->kicked = true;
    message_send(journal->volume->office, JOURNAL_SHARD, JOURNAL_SHARD, &journal->kick);
}

/* ---- appends ---- */

void journal_append_urgent(struct journal *journal, struct journal_append *append)
{
    list_add_tail(&journal->urgent, &append->link);
    journal_kick(journal);
}

static void accept(struct journal *journal, struct journal_append *append)
{
    if (journal->closed) {
        append->result = -EROFS;
        answer(journal->volume, JOURNAL_SHARD, append);
        return;
    }
    list_add_tail(&journal->queue, &append->link);
    if (takes_bytes(append)) {
        journal->queued_bytes += append->record_bytes;
        if (is_names(append))
            journal->volume->checkpoint->names_changed = true;
    }
    journal_kick(journal);
}

static void arrived(struct message *message)
{
    struct journal_append *append = list_entry(message, struct journal_append, message);
    accept(append->origin->volume->journal, append);
}

static void hand_over(struct volume_shard *shard, struct journal_append *append)
{
    struct volume *volume = shard->volume;
    append->origin = shard;
    append->sequence = 0;
    list_init(&append->link);
    if (volume->read_only_damage) {
        append->result = append->record_bytes > 0 ? -EROFS : 0;
        answer(volume, shard->shard, append);
    } else if (shard->shard == JOURNAL_SHARD) {
        /* At once: a record of names that was applied must not be missed by a cut. */
        accept(volume->journal, append);
    } else {
        append->message.deliver = arrived;
        message_send(volume->office, shard->shard, JOURNAL_SHARD, &append->message);
    }
}

void journal_append(struct volume_shard *shard, struct journal_append *append)
{
    const struct record_header *record = append->record;
    assert(append->record_bytes == record->bytes && record->bytes <= RECORD_BYTES_MAX);
    assert(record->bytes % 8 == 0 && record->bytes >= sizeof *record);
    assert(record->partition < shard->volume->partition_count ||
           (record->partition == PARTITION_NAMES && shard->shard == JOURNAL_SHARD));
    append->result = 0;
    /* A refusal travels through the queue too: answers stay in order. */
    if (!append->frees && record->partition != PARTITION_NAMES && !volume_count_memory(shard))
        append->result = -ENOSPC;
    hand_over(shard, append);
}

int journal_room(const struct volume_shard *shard)
{
    struct volume *volume = shard->volume;
    assert(shard->shard == JOURNAL_SHARD);
    if (volume->read_only_damage || volume->failed)
        return 0; /* an append says -EROFS, which is the better reason */
    if (!volume_count_memory(&volume->shards[JOURNAL_SHARD].shard))
        return -ENOSPC;
    return checkpoint_judge(volume->checkpoint, NAMES_RECORD_BYTES);
}

void journal_note_drop(struct volume_shard *shard, uint64_t ino)
{
    struct journal *journal = shard->volume->journal;
    if (shard->volume->read_only_damage)
        return;
    journal->dropped[volume_route_partition(shard->volume->partition_count, ino)] = true;
    journal->freed_something = true;
}

void journal_wait_room(struct volume_shard *shard, struct journal_append *append)
{
    append->origin = shard;
    append->result = 0;
    list_init(&append->link);
    list_add_tail(&shard->volume->journal->room_waiters, &append->link);
}

void journal_barrier(struct volume_shard *shard, struct journal_append *append)
{
    append->record = NULL;
    append->record_bytes = 0;
    append->result = 0;
    hand_over(shard, append);
}

uint64_t journal_durable_growth(const struct journal *journal, unsigned index)
{
    return journal->growth[index] - journal->growth_in_flight[index];
}

uint64_t journal_growth_bytes(const struct journal *journal)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < journal->volume->partition_count; i++)
        bytes += journal->growth[i];
    return bytes;
}
