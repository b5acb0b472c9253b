/*
 * checkpoint.h - rounds that write every changed partition out of place and move the journal's start.
 * Journal shard only; images are made by checkpoint_image.h on the shards of their partitions.
 *
 * A round goes through the partitions one after another: names first, at a cut of the journal, then each
 * data partition as of the last durable block. An image is made in slices while its partition goes on
 * changing, and holds it as it was at its beginning: nobody waits for a checkpoint, unless the journal or
 * the metadata area is full. A partition
 * without records since its last root keeps its image and advances by its root record alone. When all
 * images are written and flushed, and the cut has been passed, the root records of all partitions go into
 * the journal; when they are durable, both superblocks are written with the new start; when they are, the
 * ring's space before it and the segments of the old images are free. A power cut anywhere in between finds
 * each partition with its old root or its new one, and both images in place.
 *
 * A round begins when more than half of the ring is used or spoken for, when what has grown since the last
 * one could fill half of what is left of the metadata area, when an append has to know how full that area
 * is, and for volume_stop.
 *
 * The metadata area holds old and new images together, so images may fill half of it. What the next ones
 * will need: names know it exactly; for data it is estimated from above, by the bytes of the present images
 * and twice the bytes of the records since (a record that splits an extent makes at most so much). Past the
 * limit an ordinary append waits for exact figures, and is refused if they do not help. Records marked
 * `frees` are not counted and always pass.
 */
#ifndef WT_VOLUME_CHECKPOINT_H
#define WT_VOLUME_CHECKPOINT_H

#include "server/volume/checkpoint_image.h"
#include "server/volume/superblock.h"
#include "server/volume/volume.h"

enum checkpoint_state {
    CHECKPOINT_IDLE,
    CHECKPOINT_IMAGE, /* one is being made and written */
    CHECKPOINT_FLUSH,
    CHECKPOINT_CUT, /* images are durable, the cut is not passed */
    CHECKPOINT_ROOTS,
    CHECKPOINT_SUPERBLOCKS,
    CHECKPOINT_FAILED,
};

#define ROOT_RECORDS_MAX 16u

struct checkpoint {
    struct volume *volume;
    enum checkpoint_state state;
    struct superblock superblock; /* the current one */
    struct segment_map segments;

    /* By partition index: what is durable, and what this round makes of it. A next root that has the same
     * image shares its segments with the old one. */
    struct partition_root roots[PARTITION_INDEXES_MAX];
    struct partition_root next[PARTITION_INDEXES_MAX];
    bool renewed[PARTITION_INDEXES_MAX]; /* next has an image of its own */
    unsigned index_count;
    unsigned step; /* partitions dealt with; partition_at() tells which is next */
    uint64_t next_image_id;
    /* The journal's figures when the image was asked for, and what names took at the last cut. */
    uint64_t sequence_at_request, growth_at_request;
    uint64_t names_bytes_at_cut; /* 0: no round, or none with names */

    struct image_maker maker;
    struct flush_waiter flush;

    uint8_t *root_buffer;
    size_t root_buffer_bytes;
    struct journal_append root_appends[ROOT_RECORDS_MAX];
    unsigned roots_waiting;
    struct superblock_writer superblock_writer;

    bool names_changed; /* since the last cut */
    bool asked;
    bool stopping; /* volume_stop was called */
    bool final;    /* this round is the stop's */
    void (*stopped)(void *context, int result);
    void *stopped_context;
    uint64_t rounds;
};

/* Takes the roots over from a replay (or recovery). -ENOMEM. */
int checkpoint_create(struct volume *volume, const struct superblock *superblock,
                      struct partition_root *roots, struct checkpoint **checkpoint);
void checkpoint_destroy(struct checkpoint *checkpoint);

/* An append cannot go on without a round: the next one begins soon, if none is on its way. */
void checkpoint_need(struct checkpoint *checkpoint);
/* Begins a round if there is a reason and none is on its way. */
void checkpoint_consider(struct checkpoint *checkpoint);
/* The journal got further: perhaps past the cut. */
void checkpoint_journal_moved(struct checkpoint *checkpoint);
/* May an ordinary record of so many bytes be written? 0; -ENOSPC; -EAGAIN: wait for the round that was
 * asked for (the journal is kicked when it ends). */
int checkpoint_judge(struct checkpoint *checkpoint, uint32_t record_bytes);
/* What images may still grow by. */
uint64_t checkpoint_room_bytes(const struct checkpoint *checkpoint);
/* The volume failed: the round ends, a stop is answered. */
void checkpoint_fail(struct checkpoint *checkpoint);

#endif
