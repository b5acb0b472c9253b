/*
 * replay.h - reads a volume into memory as its journal tells it. Blocking; writes nothing.
 *
 * For volume_open (recovery.c goes on from here), check and info. Pass 1 walks the journal from its start to
 * the first block that fails, and finds the newest root of each partition; the images are loaded; pass 2
 * applies what came after each. Then what no live inode owns is dropped, and the space is derived.
 *
 * A block that fails is the torn tail of the last write, and dropped, unless something proves that it was
 * once whole: then it is damage. Damage does not stop the replay: what was read up to there is kept, and
 * `damaged` says that nothing may be built on it.
 */
#ifndef WT_VOLUME_REPLAY_H
#define WT_VOLUME_REPLAY_H

#include "server/volume/image.h"
#include "server/volume/names.h"
#include "server/volume/partition.h"
#include "server/volume/space.h"
#include "server/volume/superblock.h"

struct replay {
    struct device *device;
    struct superblock_found found;
    const struct superblock *superblock; /* &found.superblock */
    struct names *names;
    struct partition *partitions[VOLUME_PARTITIONS_MAX];
    struct partition_root roots[PARTITION_INDEXES_MAX];
    uint64_t
        newest[PARTITION_INDEXES_MAX]; /* block of the partition's last record that was applied */
    struct segment_map segments;
    struct space_layout layout;
    struct space_group *groups[VOLUME_PARTITIONS_MAX];

    /* The journal's valid part: blocks start_sequence .. last_sequence. */
    uint64_t last_sequence;
    uint64_t end_position;    /* where the next block would have been */
    uint64_t ring_bytes_used; /* from the start to there */
    uint64_t records_replayed, blocks_replayed;

    bool damaged;
    uint64_t damage_count;
    void (*say)(void *context, const char *line); /* each damage; may be NULL */
    void *context;
};

/* say and context are the caller's; everything else is set here. On failure reason is one line. Whatever
 * comes back, replay_destroy frees it. */
int replay_run(struct replay *replay, struct device *device, uint64_t memory_bytes_max,
               char *reason, size_t reason_bytes);
void replay_destroy(struct replay *replay);

/* Memory for names and maps. */
uint64_t replay_memory_bytes(const struct replay *replay);
void replay_damage(struct replay *replay, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline unsigned replay_index_count(const struct replay *replay)
{
    return replay->superblock->partition_count + 1;
}

#endif
