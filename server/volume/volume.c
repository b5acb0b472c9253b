/* volume.c - see volume.h. */
#include "server/volume/volume.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "server/volume/checkpoint.h"
#include "server/volume/durable.h"
#include "server/volume/journal.h"
#include "server/volume/replay.h"
#include "server/volume/volume_internal.h"

/* ---- open ---- */

static void say_damage(void *context, const char *line)
{
    const struct device *device = context;
    log_error("%s: damage: %s", device->path, line);
}

static int create_spaces(struct volume *volume, struct replay *replay)
{
    struct space *spaces[VOLUME_PARTITIONS_MAX];
    for (unsigned i = 0; i < volume->shard_count; i++) {
        int rc = space_create(&replay->layout, volume->office, i, &volume->shards[i].shard.space);
        if (rc < 0)
            return rc;
        spaces[i] = volume->shards[i].shard.space;
    }
    for (unsigned i = 0; i < volume->shard_count; i++) {
        space_connect(spaces[i], spaces);
        for (unsigned group = 0; group < volume->partition_count; group++)
            space_set_holder(spaces[i], group, volume_partition_owner(volume, group));
    }
    for (unsigned group = 0; group < volume->partition_count; group++) {
        space_adopt(spaces[volume_partition_owner(volume, group)], replay->groups[group]);
        replay->groups[group] = NULL;
    }
    return 0;
}

/* What was replayed becomes the volume's. */
static void take_over(struct volume *volume, struct replay *replay)
{
    volume->names = replay->names;
    replay->names = NULL;
    memcpy(volume->partitions, replay->partitions, sizeof volume->partitions);
    memset(replay->partitions, 0, sizeof replay->partitions);
    for (unsigned i = 0; i < volume->shard_count; i++)
        volume_count_memory(&volume->shards[i].shard);
}

static int check_memory(const struct volume *volume, const struct replay *replay, char *reason,
                        size_t reason_bytes)
{
    uint64_t needed = replay_memory_bytes(replay);
    if (needed <= volume->metadata_bytes_max)
        return 0;
    snprintf(reason, reason_bytes,
             "%s: the volume's metadata needs %" PRIu64 " bytes of memory, %" PRIu64
             " are allowed; give more --metadata",
             volume->device->path, needed, volume->metadata_bytes_max);
    return -ENOSPC;
}

static void tell(const struct volume *volume, const struct replay *replay,
                 struct volume_opening *opening)
{
    const struct superblock *sb = replay->superblock;
    *opening = (struct volume_opening){.other_superblock_used = replay->found.other_used,
                                       .was_clean = sb->clean_stop,
                                       .read_only_damage = replay->damaged,
                                       .epoch = volume->superblock.epoch,
                                       .records_replayed = replay->records_replayed,
                                       .blocks_replayed = replay->blocks_replayed};
    if (replay->found.other_used)
        log_warning("%s: the first superblock is bad, the other copy is used",
                    volume->device->path);
    if (replay->found.copy_bad)
        log_warning("%s: the second superblock is bad, the first is used", volume->device->path);
    if (replay->damaged)
        log_error("%s: the volume is damaged and opened read-only; see `wtcli check'",
                  volume->device->path);
}

static int open_replayed(struct volume *volume, struct replay *replay, char *reason,
                         size_t reason_bytes)
{
    volume->superblock = *replay->superblock;
    volume->partition_count = volume->superblock.partition_count;
    int rc = check_memory(volume, replay, reason, reason_bytes);
    if (rc < 0)
        return rc;
    if (replay->damaged) {
        volume->read_only_damage = true;
        for (unsigned i = 0; i < volume->shard_count; i++)
            volume->shards[i].shard.read_only = true;
    } else {
        rc = recovery_run(volume, replay, reason, reason_bytes);
        if (rc < 0)
            return rc;
    }
    rc = create_spaces(volume, replay);
    if (rc < 0)
        snprintf(reason, reason_bytes, "%s: no memory for its free space", volume->device->path);
    return rc;
}

static int create(const struct volume_options *options, struct volume **out)
{
    struct volume *volume = calloc(1, sizeof *volume);
    if (!volume)
        return -ENOMEM;
    volume->device = options->device;
    volume->office = options->office;
    volume->shard_count = post_office_shards(options->office);
    volume->metadata_bytes_max = options->metadata_bytes_max;
    flusher_init(&volume->flusher, volume);
    assert(volume->shard_count >= 1 && volume->shard_count <= VOLUME_PARTITIONS_MAX);
    size_t bytes = volume->shard_count * sizeof *volume->shards;
    volume->shards = aligned_alloc(_Alignof(struct shard_state), bytes);
    if (!volume->shards) {
        free(volume);
        return -ENOMEM;
    }
    memset(volume->shards, 0, bytes);
    for (unsigned i = 0; i < volume->shard_count; i++) {
        volume->shards[i].shard.volume = volume;
        volume->shards[i].shard.shard = i;
    }
    *out = volume;
    return 0;
}

int volume_open(const struct volume_options *options, struct volume **out,
                struct volume_opening *opening, char *reason, size_t reason_bytes)
{
    struct volume *volume;
    struct replay replay = {.say = say_damage, .context = options->device};
    int rc = create(options, &volume);
    if (rc < 0) {
        snprintf(reason, reason_bytes, "%s: no memory", options->device->path);
        return rc;
    }
    /* What is read now may still sit in the device's cache: it must not be lost after we built on it. */
    rc = durable_flush(options->device);
    if (rc < 0)
        snprintf(reason, reason_bytes, "%s: flushing the device: %s", options->device->path,
                 strerror(-rc));
    if (rc == 0)
        rc =
            replay_run(&replay, options->device, options->metadata_bytes_max, reason, reason_bytes);
    if (rc == 0)
        rc = open_replayed(volume, &replay, reason, reason_bytes);
    if (rc == 0) {
        take_over(volume, &replay);
        tell(volume, &replay, opening);
        *out = volume;
    } else {
        volume_close(volume);
    }
    replay_destroy(&replay);
    return rc;
}

void volume_close(struct volume *volume)
{
    if (volume->checkpoint)
        checkpoint_destroy(volume->checkpoint);
    if (volume->journal)
        journal_destroy(volume->journal);
    for (unsigned i = 0; i < volume->shard_count; i++)
        if (volume->shards[i].shard.space)
            space_destroy(volume->shards[i].shard.space);
    for (unsigned i = 0; i < volume->partition_count; i++)
        if (volume->partitions[i])
            partition_destroy(volume->partitions[i]);
    if (volume->names)
        names_destroy(volume->names);
    free(volume->shards);
    free(volume);
}

/* ---- what it is made of ---- */

struct volume_shard *volume_get_shard(struct volume *volume, unsigned shard)
{
    assert(shard < volume->shard_count);
    return &volume->shards[shard].shard;
}

const struct superblock *volume_superblock(const struct volume *volume)
{
    return &volume->superblock;
}

uint64_t volume_epoch(const struct volume *volume)
{
    return volume->superblock.epoch;
}

const struct device_capabilities *volume_capabilities(const struct volume *volume)
{
    return &volume->device->capabilities;
}

unsigned volume_shard_count(const struct volume *volume)
{
    return volume->shard_count;
}

struct post_office *volume_office(const struct volume *volume)
{
    return volume->office;
}

int volume_shard_start(struct volume_shard *shard, struct reactor *reactor)
{
    struct device *device = shard->volume->device;
    return device->operations->queue_create(device, reactor, &shard->queue);
}

void volume_shard_end(struct volume_shard *shard)
{
    if (shard->queue)
        shard->volume->device->operations->queue_destroy(shard->queue);
    shard->queue = NULL;
}

unsigned volume_route(const struct volume *volume, uint64_t ino)
{
    return volume_partition_owner(volume, volume_route_partition(volume->partition_count, ino));
}

struct partition *volume_partition(struct volume_shard *shard, uint64_t ino)
{
    unsigned number = volume_route_partition(shard->volume->partition_count, ino);
    assert(volume_partition_owner(shard->volume, number) == shard->shard);
    return shard->volume->partitions[number];
}

struct names *volume_names(struct volume *volume)
{
    return volume->names;
}

/* ---- memory and figures ---- */

bool volume_count_memory(struct volume_shard *shard)
{
    struct volume *volume = shard->volume;
    struct shard_state *state = shard_state(shard);
    uint64_t bytes = shard->shard == JOURNAL_SHARD ? names_memory_bytes(volume->names) : 0;
    for (unsigned i = shard->shard; i < volume->partition_count; i += volume->shard_count)
        bytes += partition_memory_bytes(volume->partitions[i]);
    uint64_t change = bytes - state->counted_bytes; /* modulo 2^64: may be less */
    state->counted_bytes = bytes;
    uint64_t total =
        atomic_fetch_add_explicit(&volume->metadata_bytes, change, memory_order_relaxed) + change;
    return total <= volume->metadata_bytes_max;
}

/* What the metadata area and memory take, if names are as short as they get. */
static uint64_t files_room(struct volume *volume)
{
    uint64_t used = atomic_load_explicit(&volume->metadata_bytes, memory_order_relaxed);
    uint64_t memory = used < volume->metadata_bytes_max ? volume->metadata_bytes_max - used : 0;
    memory /= NAMES_INODE_MEMORY_BYTES + NAMES_ENTRY_MEMORY_BYTES + 1;
    uint64_t area = checkpoint_room_bytes(volume->checkpoint) /
                    (sizeof(struct item_inode) + sizeof(struct item_entry) + 8);
    return area < memory ? area : memory;
}

void volume_figures(struct volume_shard *shard, struct volume_figures *figures)
{
    const struct volume *volume = shard->volume;
    *figures =
        (struct volume_figures){.free_blocks = space_free_blocks(shard->space),
                                .data_blocks = volume->superblock.data_bytes >> VOLUME_BLOCK_SHIFT,
                                .metadata_bytes = space_memory_bytes(shard->space),
                                .flushes_asked = shard_state(shard)->flushes_asked};
    for (unsigned i = shard->shard; i < volume->partition_count; i += volume->shard_count) {
        figures->extents += partition_extent_count(volume->partitions[i]);
        figures->metadata_bytes += partition_memory_bytes(volume->partitions[i]);
    }
    if (shard->shard != JOURNAL_SHARD)
        return;
    figures->files = names_inode_count(volume->names);
    figures->metadata_bytes += names_memory_bytes(volume->names);
    if (volume->read_only_damage)
        return;
    figures->journal_blocks = volume->journal->block_count;
    figures->journal_records = volume->journal->record_count;
    figures->journal_bytes_used = volume->journal->used_bytes;
    figures->checkpoints = volume->checkpoint->rounds;
    if (!volume->failed)
        figures->files_room = files_room(shard->volume);
}

/* ---- failure ---- */

static void failure_arrived(struct message *message)
{
    struct volume_shard *shard = list_entry(message, struct volume_shard, failure);
    shard->read_only = true;
    if (shard->failed)
        shard->failed(shard->failed_context);
}

void volume_fail_here(struct volume *volume, int error, const char *what)
{
    if (volume->failed || volume->read_only_damage)
        return;
    volume->failed = true;
    log_error("%s: %s (%s): the volume is read-only until it is opened again", volume->device->path,
              what, strerror(-error));
    for (unsigned i = 0; i < volume->shard_count; i++) {
        struct volume_shard *shard = &volume->shards[i].shard;
        shard->failure.deliver = failure_arrived;
        message_send(volume->office, JOURNAL_SHARD, i, &shard->failure);
    }
    journal_close(volume->journal);
    flusher_fail(&volume->flusher);
    checkpoint_fail(volume->checkpoint);
}

static void fail_arrived(struct message *message)
{
    struct shard_state *state = list_entry(message, struct shard_state, fail_message);
    volume_fail_here(state->shard.volume, state->fail_error, "a shard's write failed");
}

void volume_fail(struct volume_shard *shard, int error)
{
    struct shard_state *state = shard_state(shard);
    if (state->fail_sent)
        return;
    state->fail_sent = true;
    state->fail_error = error;
    state->fail_message.deliver = fail_arrived;
    message_send(shard->volume->office, shard->shard, JOURNAL_SHARD, &state->fail_message);
}
