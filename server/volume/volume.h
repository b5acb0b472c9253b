/*
 * volume.h - an open volume: what a shard holds of it, the journal, flushes, checkpoints.
 *
 * A struct volume is built by volume_open on one thread before any shard runs (claim, flush, superblock,
 * replay, a new epoch, a checkpoint in it). After that its common part does not change, and each shard
 * touches only its own struct volume_shard; the journal, the flushes and the superblock belong to the
 * journal shard (JOURNAL_SHARD, also the names shard), which the others reach by message through the calls
 * below. Calls marked "any shard" take the caller's own volume_shard; their done runs on that shard.
 *
 * Failure: a failed journal write or flush makes the volume read-only until it is reopened. Every waiter
 * gets its error, and every shard learns by message: volume_shard.read_only is set and failed() is called
 * there once. A stop then writes no checkpoint.
 *
 * Ordering that everything relies on: journal_append's done callbacks of one shard arrive in journal order,
 * and a request for a partition's image arrives after those of the records it must hold.
 */
#ifndef WT_VOLUME_VOLUME_H
#define WT_VOLUME_VOLUME_H

#include "server/base/list.h"
#include "server/base/message.h"
#include "server/device/device.h"
#include "server/volume/format.h"
#include "server/volume/names.h"
#include "server/volume/partition.h"
#include "server/volume/space.h"

#define JOURNAL_SHARD 0u

struct volume;
struct journal;

struct volume_shard {
    struct volume *volume;
    unsigned shard;
    struct device_queue *queue; /* set by volume_shard_start */
    struct space *space;
    bool read_only;
    /* Called once on this shard when the volume turns read-only. Set by the file floor. */
    void (*failed)(void *context);
    void *failed_context;
    struct message failure; /* volume's own */
};

struct volume_options {
    struct device *device;      /* claimed; stays the caller's */
    struct post_office *office; /* its number of shards is the volume's */
    uint64_t
        metadata_bytes_max; /* memory for names and maps: past it -ENOSPC; a volume that needs more is
                                    not opened (both figures named) */
};

/* What was seen at open, for the log, info and tests. */
struct volume_opening {
    bool other_superblock_used, was_clean, read_only_damage;
    uint64_t epoch, records_replayed, blocks_replayed;
};

/* Blocking. On failure reason is one line: cause, then mend. -ENOMEDIUM: not a volume; -EPROTONOSUPPORT:
 * newer format; -ENOSPC: device smaller than the volume; -EIO; ... Damage in the journal opens the volume
 * read-only and is logged. */
int volume_open(const struct volume_options *options, struct volume **volume,
                struct volume_opening *opening, char *reason, size_t reason_bytes);
/* After all shards have ended and volume_stop is done (or the process is giving up): frees memory, writes
 * nothing. */
void volume_close(struct volume *volume);

struct volume_shard *volume_get_shard(struct volume *volume, unsigned shard);
const struct superblock *volume_superblock(const struct volume *volume); /* as of open */
uint64_t volume_epoch(const struct volume *volume);
const struct device_capabilities *volume_capabilities(const struct volume *volume);
unsigned volume_shard_count(const struct volume *volume);
struct post_office *volume_office(const struct volume *volume);

/* On the shard's own thread, before anything else: makes its device queue. reactor is NULL with sim.c. */
int volume_shard_start(struct volume_shard *shard, struct reactor *reactor);
void volume_shard_end(struct volume_shard *shard);

/* Routing, in one place. */
static inline unsigned volume_route_partition(uint32_t partition_count, uint64_t ino)
{
    return (unsigned)(ino % partition_count);
}
unsigned volume_route(const struct volume *volume,
                      uint64_t ino); /* the shard that owns a file's data */
/* A partition owned by this shard. */
struct partition *volume_partition(struct volume_shard *shard, uint64_t ino);
/* On the names shard only. */
struct names *volume_names(struct volume *volume);

/*
 * Any shard: appends one record. `record` stays the caller's and unchanged until done. done: result 0 once
 * the record and all before it are durable; -EROFS when the volume failed; -ENOSPC when the metadata area
 * is full and the record is not marked `frees` (records that only free, or shrink, are marked: room is kept
 * for them). A record marked frees never gets -ENOSPC.
 */
struct journal_append {
    struct message message;
    struct list link;
    struct volume_shard *origin;
    void (*done)(struct journal_append *append);
    const void *record;
    uint32_t record_bytes;
    bool frees;
    int result;
    uint64_t sequence;
};
void journal_append(struct volume_shard *shard, struct journal_append *append);

/* Journal shard only: would a growing record of up to NAMES_RECORD_BYTES be accepted now? 0; -ENOSPC; -EAGAIN:
 * perhaps after the checkpoint that is on its way, see journal_wait_room. Names change memory before they
 * append: they ask this first, then append with `frees` set, which cannot be refused. */
int journal_room(const struct volume_shard *shard);
/* Journal shard only, after -EAGAIN: done when that checkpoint has ended, well or not. Then ask again. */
void journal_wait_room(struct volume_shard *shard, struct journal_append *append);

/* Journal shard only: the data of a file whose inode is gone was dropped, which needs no record; what it took
 * in its partition's image is free with the next one. */
void journal_note_drop(struct volume_shard *shard, uint64_t ino);

/* Any shard: done with 0 once every record appended before (by this shard) is durable. Nothing is written
 * when there is nothing. Same struct with record_bytes 0. */
void journal_barrier(struct volume_shard *shard, struct journal_append *append);

/* Any shard: a flush that covers every write whose done ran before this call. Shared: one flush serves all
 * who wait; a flush counts only when all submitted before it succeeded. Without a volatile cache it is done
 * at once (still asynchronously). result: 0, or -EIO and the volume is read-only. */
struct flush_request {
    struct message message;
    struct list link;
    struct volume_shard *origin;
    void (*done)(struct flush_request *request);
    int result;
};
void volume_flush(struct volume_shard *shard, struct flush_request *request);

/* Any shard: a write with FUA failed where that means a failed flush, or anything else after which nothing
 * may be acknowledged as durable. Idempotent. */
void volume_fail(struct volume_shard *shard, int error);

/* On the journal shard, once, when all shards are drained: checkpoint of everything, clean mark. done gets
 * 0 or an error (a read-only volume: -EROFS and nothing is written). Shards must keep stepping until then. */
void volume_stop(struct volume_shard *shard, void (*done)(void *context, int result),
                 void *context);

/* Any shard, for stats and statvfs; own shard's part only. */
struct volume_figures {
    uint64_t free_blocks, data_blocks; /* data_blocks: of the whole volume */
    uint64_t files_room; /* how many more there can be at most, empty; journal shard only */
    uint64_t files, extents, metadata_bytes;
    uint64_t journal_blocks, journal_records, journal_bytes_used,
        checkpoints; /* journal shard only */
    uint64_t flushes_asked;
};
void volume_figures(struct volume_shard *shard, struct volume_figures *figures);

#endif
