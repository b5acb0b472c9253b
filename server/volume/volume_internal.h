/*
 * volume_internal.h - what the files of this floor share about an open volume. Nobody else includes it.
 *
 * Who touches what: after volume_open each shard touches its own struct shard_state and the partitions it
 * owns; names, journal, checkpoint and flusher belong to the journal shard; the rest does not change.
 * metadata_bytes is the one exception: a running total that every shard adds its changes to.
 */
#ifndef WT_VOLUME_VOLUME_INTERNAL_H
#define WT_VOLUME_VOLUME_INTERNAL_H

#include <assert.h>
#include <stdatomic.h>

#include "server/volume/flush.h"
#include "server/volume/image.h"
#include "server/volume/volume.h"

struct journal;
struct checkpoint;
struct replay;

struct shard_state {
    _Alignas(64) struct volume_shard shard; /* first: a volume_shard is its shard_state */
    struct message fail_message;            /* to the journal shard */
    int fail_error;
    bool fail_sent;
    uint64_t counted_bytes; /* this shard's part of metadata_bytes */
    uint64_t flushes_asked;
};

struct volume {
    struct device *device;
    struct post_office *office;
    unsigned shard_count;
    uint32_t partition_count;
    struct shard_state *shards;
    struct superblock superblock; /* as of open; the checkpoint keeps the current one */
    uint64_t metadata_bytes_max;
    _Atomic uint64_t metadata_bytes;
    bool read_only_damage; /* opened so: nothing is ever written; journal and checkpoint are NULL */

    struct names *names;
    struct partition *partitions[VOLUME_PARTITIONS_MAX];

    /* The journal shard's: */
    bool failed; /* known here at once, elsewhere by message */
    struct flusher flusher;
    struct journal *journal;
    struct checkpoint *checkpoint;
};

static inline struct shard_state *shard_state(struct volume_shard *shard)
{
    return (struct shard_state *)shard;
}

static inline struct device_queue *volume_journal_queue(struct volume *volume)
{
    return volume->shards[JOURNAL_SHARD].shard.queue;
}

/* image.h's index of a partition number that is known to be good. */
static inline unsigned volume_partition_index(const struct volume *volume, uint32_t partition)
{
    return partition == PARTITION_NAMES ? volume->partition_count : partition;
}

static inline uint32_t volume_partition_number(const struct volume *volume, unsigned index)
{
    return index == volume->partition_count ? PARTITION_NAMES : index;
}

static inline unsigned volume_partition_owner(const struct volume *volume, unsigned index)
{
    assert(volume->shard_count > 0);
    return index == volume->partition_count ? JOURNAL_SHARD : index % volume->shard_count;
}

/* On the journal shard: the volume turns read-only. Idempotent. */
void volume_fail_here(struct volume *volume, int error, const char *what);

/* On its own shard: brings the running total up to date; false when it is past the limit. */
bool volume_count_memory(struct volume_shard *shard);

/* recovery.c: claims a new epoch for what was replayed, writes a checkpoint in it and switches to it.
 * Blocking. volume->journal and volume->checkpoint are set up for service. */
int recovery_run(struct volume *volume, struct replay *replay, char *reason, size_t reason_bytes);

#endif
