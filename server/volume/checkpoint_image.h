/*
 * checkpoint_image.h - makes one partition's image and writes it, in steps, while the partition is in use.
 *
 * The walk runs on the partition's shard, a slice of IMAGE_SLICE_ITEMS at a time, each begun by a message to
 * itself: what else the shard has to do runs between. Pieces of segments travel to the journal shard, which
 * finds them a place and writes them, and back. When all are back the maker goes home and `done` is called.
 * One image at a time; a maker and its stream belong to one shard at any moment: journal, partition's,
 * journal again.
 */
#ifndef WT_VOLUME_CHECKPOINT_IMAGE_H
#define WT_VOLUME_CHECKPOINT_IMAGE_H

#include "server/volume/image_stream.h"
#include "server/volume/volume.h"

/* Writes of a checkpoint on their way to the device at a time: what a client asks for has to pass no more
 * than these. */
#define IMAGE_WRITES_MAX 4u

/* About 50 us of work. */
#define IMAGE_SLICE_ITEMS 256u

struct image_maker {
    struct volume *volume;
    unsigned index; /* of the partition */
    struct image_stream stream;
    bool slice_sent; /* the message is on its way: the walk goes on */
    bool walked;     /* all of it is in the stream */
    struct message message;
    /* The journal shard's: */
    struct partition_root root; /* where the pieces went */
    struct list unwritten;      /* pieces beyond IMAGE_WRITES_MAX, by their writing link */
    unsigned writing;
    void (*done)(struct image_maker *maker, int result);
};

/* -ENOMEM. */
int image_maker_init(struct image_maker *maker, struct volume *volume,
                     void (*done)(struct image_maker *maker, int result));
void image_maker_destroy(struct image_maker *maker);

/*
 * Begins. Of names, now: the image holds what is applied at this moment. Of a data partition, when the
 * message arrives on its shard: it holds the records that were answered before. done runs on the journal
 * shard, later; then maker->root is complete but for its sequence, and the caller's to take. -ENOMEM:
 * nothing was begun.
 */
int image_maker_start(struct image_maker *maker, unsigned index, uint64_t image_id);

#endif
