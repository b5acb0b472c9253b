/*
 * journal.h - the one journal: appends in, blocks out, answers in order. Journal shard only.
 *
 * ON ORDER. Everything the server promises about crashes comes down to what this file keeps:
 *
 *  1. Appends are taken strictly in the order in which they arrived (FIFO). Nothing overtakes: not the
 *     records that free space, not small ones. The only other source is the checkpoint's root records,
 *     which belong to no shard and depend on nothing in the queue; they go first.
 *  2. One block is in flight at a time; what arrives meanwhile makes up the next one (group commit). So
 *     the durable part of the journal is always a prefix, and a block that is torn is the last one.
 *  3. A block is durable when its write with FUA is done; without FUA when a flush that was sent after the
 *     write is done; without a volatile cache when the write is done. Only then are its appends answered,
 *     in order, each on its own shard by message. Messages between two shards keep their order, and the
 *     request for a data partition's image is a message of this shard too: it arrives after the answers to
 *     all records up to durable_sequence, and before those of any later one. As data partitions change only
 *     when an answer arrives, the image holds exactly the records up to durable_sequence.
 *  4. Names are applied when they are accepted, before they are in any block. So the image of names holds
 *     them as of a *cut*: everything accepted so far will be in blocks up to some sequence S, everything later in
 *     blocks after S. The builder ends a block at the cut, S is known when it gets there, and the root
 *     record is appended only after that.
 *  5. A cut that cannot be reached (the ring is full, or an append before it waits for a checkpoint to tell
 *     how full the metadata area is) would be a deadlock, as the checkpoint waits for the cut. Then the
 *     records of names before the cut are *covered*: the image holds them, so they are not written at all;
 *     the queue stands still until the root record is durable, which makes them durable all at once, and
 *     then they are answered in their place. S is the last block that was written. Data records before the
 *     cut simply come later: nothing that was acknowledged depends on them, and a client that needs an
 *     order between them waits for an answer.
 *  6. settled in a block is durable_sequence when it was built: the block before it, always. It proves to
 *     recovery that a block was once whole.
 *  7. The ring's space before the superblock's start is free, and the start moves only when both
 *     superblocks are durable. The reserve is kept for root records: appends stop where three rounds of
 *     them still fit. A round that began with an almost empty ring may free almost nothing, and only the next
 *     one frees what was written meanwhile; and if the power fails after the roots of that one, recovery
 *     needs room for a third beside all that.
 *  8. The first failed write or flush ends it: no block is written after that, everyone gets -EROFS.
 */
#ifndef WT_VOLUME_JOURNAL_H
#define WT_VOLUME_JOURNAL_H

#include "server/volume/durable.h"
#include "server/volume/flush.h"
#include "server/volume/image.h"
#include "server/volume/journal_block.h"
#include "server/volume/volume.h"

#define ROOT_ROUNDS_RESERVED 3u

/* A block between the start and the end, in order of sequence. */
struct live_block {
    uint64_t position;
    uint32_t ring_bytes; /* of the ring, without the slack */
    uint32_t chain;      /* the field it carries */
};

struct journal {
    struct volume *volume;
    struct journal_block *buffer; /* the block being built or in flight */
    uint32_t block_bytes_max;

    struct list queue;        /* accepted, in order */
    struct list urgent;       /* root records */
    struct list in_block;     /* to be answered when the block in flight is durable */
    struct list room_waiters; /* of journal_wait_room */
    uint64_t queued_bytes;
    bool busy;   /* a block is in flight */
    bool halted; /* covered records wait for their root: only urgent ones are written */
    bool closed; /* failed, or stopped: nothing is accepted */

    struct message kick; /* to ourselves: gathers what one step brings into one block */
    bool kicked;

    uint64_t epoch;
    uint64_t next_sequence, durable_sequence;
    uint64_t next_position;
    uint32_t next_chain;

    /* Live blocks: sequences first_sequence .. first_sequence + live_count - 1 at
     * live[(live_first + i) % live_capacity]. used_bytes is the sum of their ring_bytes. */
    struct live_block *live;
    uint32_t live_capacity, live_first, live_count;
    uint64_t first_sequence;
    uint64_t used_bytes, reserve_bytes;

    struct list *cut;      /* the last append before the cut, while it is in the queue */
    uint64_t cut_sequence; /* S of the last cut that was passed */

    /* Per partition: the block of its last record; of data, bytes of growing records since its image was
     * made, and of those in the block in flight. */
    uint64_t newest[PARTITION_INDEXES_MAX];
    uint64_t growth[VOLUME_PARTITIONS_MAX], growth_in_flight[VOLUME_PARTITIONS_MAX];
    bool dropped[VOLUME_PARTITIONS_MAX]; /* data was, without a record, since the image was made */
    bool freed_something; /* that, or a record marked `frees`, since the last round began */

    struct writer writer;
    struct write_part part;
    struct flush_waiter flush;
    uint64_t block_count, record_count;
};

/* -ENOMEM. The first block will be next_sequence, at position, with chain 0, in `epoch`. */
int journal_create(struct volume *volume, uint64_t epoch, uint64_t next_sequence, uint64_t position,
                   struct journal **journal);
void journal_destroy(struct journal *journal);

/* Seals what stands in the buffer as the next block and counts it as live; *position is its place. For the
 * builder, and for recovery's own first blocks. */
void journal_seal(struct journal *journal, uint32_t record_bytes, uint64_t *position);
/* The ring's bytes that a block with so many bytes of records would take where it would go. */
uint64_t journal_cost(const struct journal *journal, uint32_t record_bytes);
uint64_t journal_free_bytes(const struct journal *journal);

/* Will look at the queue, soon, from a message. */
void journal_kick(struct journal *journal);
/* More than half of the ring is used or spoken for. */
bool journal_wants_checkpoint(const struct journal *journal);
/* Nothing waits, nothing is in flight. */
bool journal_idle(const struct journal *journal);

/* The image of names is being made now: everything accepted so far is before the cut. */
void journal_cut(struct journal *journal);
static inline bool journal_cut_passed(const struct journal *journal)
{
    return journal->cut == NULL;
}

/* Root records go first, and may use the reserve. */
void journal_append_urgent(struct journal *journal, struct journal_append *append);
/* The roots are durable: covered records may be answered. */
void journal_resume(struct journal *journal);
/* Where block `sequence` lies; it is live, or the next one. */
void journal_locate(const struct journal *journal, uint64_t sequence, uint64_t *position,
                    uint32_t *chain);
/* A checkpoint has ended: who waits for room may ask again. */
void journal_round_ended(struct journal *journal);
/* Both superblocks say that replay starts at `sequence`. */
void journal_release(struct journal *journal, uint64_t sequence);
/* Bytes of growing records that no image holds yet: of one partition, as far as they are durable; of all,
 * without the queue. */
uint64_t journal_durable_growth(const struct journal *journal, unsigned index);
uint64_t journal_growth_bytes(const struct journal *journal);

/* Everyone who waits gets -EROFS, now and later. */
void journal_close(struct journal *journal);

#endif
