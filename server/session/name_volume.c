/*
 * name_volume.c - requests about the whole volume: SYNCFS, STATVFS, STATS, and SYNC of a directory.
 *
 * STATVFS and STATS send one struct name_gather from shard to shard, each adding its part, and back. SYNCFS
 * asks all shards at once, since each waits for its device.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/clock.h"
#include "server/session/name_internal.h"

/* ---- SYNC of a directory ---- */

static void directory_synced(struct journal_append *append)
{
    struct session_request *request = list_entry(append, struct session_request, append);
    session_complete(request, append->result, 0, 0);
}

/* Every change of names, so of this directory too, that was appended before. */
void name_sync_directory(struct session_request *request)
{
    request->append.done = directory_synced;
    journal_barrier(name_shard(request)->volume_shard, &request->append);
}

/* ---- SYNCFS ---- */

struct name_sync_part {
    struct message message;
    struct name_step step;
    struct name_sync *sync;
    struct session_shard *home;
    int result;
};

/* Names shard's, but for parts on their way. */
struct name_sync {
    struct session_request *request;
    struct journal_append barrier;
    unsigned pending;
    int result; /* the first error */
    struct name_sync_part parts[];
};

static void sync_answered(struct name_sync *sync, int result)
{
    if (result < 0 && sync->result == 0)
        sync->result = result;
    if (--sync->pending == 0) {
        session_complete(sync->request, sync->result, 0, 0);
        free(sync);
    }
}

static void sync_part_returned(struct message *message)
{
    struct name_sync_part *part = list_entry(message, struct name_sync_part, message);
    sync_answered(part->sync, part->result);
}

static void sync_part_done(struct file_operation *operation)
{
    struct name_sync_part *part = operation->context;
    part->result = (int)operation->result;
    name_send(part->home, JOURNAL_SHARD, &part->message, sync_part_returned);
}

static void sync_part_ready(struct name_step *step, struct file_operation *operation)
{
    struct name_sync_part *part = list_entry(step, struct name_sync_part, step);
    operation->kind = FILE_SYNC_ALL;
    operation->level = FILE_STABLE;
    operation->datasync = false;
    operation->file = NULL;
    operation->handle = NULL;
    operation->context = part;
    operation->done = sync_part_done;
    file_submit(operation);
}

static void sync_part_arrived(struct message *message)
{
    struct name_sync_part *part = list_entry(message, struct name_sync_part, message);
    name_step_begin(part->home, &part->step, sync_part_ready);
}

static void sync_names_done(struct journal_append *barrier)
{
    sync_answered(list_entry(barrier, struct name_sync, barrier), barrier->result);
}

void name_syncfs(struct session_request *request)
{
    struct session_shard *names = name_shard(request);
    struct name_sync *sync =
        calloc(1, sizeof(*sync) + names->shard_count * sizeof(struct name_sync_part));
    if (!sync) {
        session_complete(request, -ENOMEM, 0, 0);
        return;
    }
    sync->request = request;
    sync->pending = names->shard_count + 1;
    for (unsigned i = 0; i < names->shard_count; i++) {
        struct name_sync_part *part = &sync->parts[i];
        part->sync = sync;
        part->home = names->peers[i];
        name_send(names, i, &part->message, sync_part_arrived);
    }
    sync->barrier.done = sync_names_done;
    journal_barrier(names->volume_shard, &sync->barrier);
}

/* ---- gathering figures ---- */

struct name_gather {
    struct message message;
    struct session_request *request;
    struct session_shard *here; /* where it is, or where it goes to */
    void (*finish)(struct name_gather *gather);
    struct volume_figures volume;
    struct file_counters file;
    struct session_counters session;
    uint64_t device_reads, device_writes, device_flushes;
    uint64_t shard_requests[WT_SHARDS_MAX], longest_steps_us[WT_SHARDS_MAX];
};

static void stats_finish(struct name_gather *gather);

static void add_volume(struct name_gather *gather, struct session_shard *shard)
{
    struct volume_figures own = {0}, *sum = &gather->volume;
    volume_figures(shard->volume_shard, &own);
    sum->free_blocks += own.free_blocks;
    sum->data_blocks = own.data_blocks; /* of the whole volume in each */
    sum->files += own.files;
    sum->files_room += own.files_room;
    sum->extents += own.extents;
    sum->metadata_bytes += own.metadata_bytes;
    sum->journal_blocks += own.journal_blocks;
    sum->journal_records += own.journal_records;
    sum->journal_bytes_used += own.journal_bytes_used;
    sum->checkpoints += own.checkpoints;
    sum->flushes_asked += own.flushes_asked;
    const struct device_queue *queue = shard->volume_shard->queue;
    gather->device_reads += queue->reads;
    gather->device_writes += queue->writes;
    gather->device_flushes += queue->flushes;
}

static void add_file(struct name_gather *gather, struct session_shard *shard)
{
    const struct file_counters *own = file_engine_counters(shard->engine);
    struct file_counters *sum = &gather->file;
    sum->reads += own->reads;
    sum->read_bytes += own->read_bytes;
    sum->writes += own->writes;
    sum->write_bytes += own->write_bytes;
    sum->syncs += own->syncs;
    sum->truncates += own->truncates;
    sum->cache_hits += own->cache_hits;
    sum->cache_misses += own->cache_misses;
    sum->merges += own->merges;
    sum->copies += own->copies;
    sum->write_commands += own->write_commands;
    sum->write_pages += own->write_pages;
    sum->read_commands += own->read_commands;
    sum->read_pages += own->read_pages;
    sum->evictions += own->evictions;
    sum->frame_waits += own->frame_waits;
    sum->borrows += own->borrows;
    sum->write_errors += own->write_errors;
}

/* The longest step since this was asked for the last time. */
static uint64_t take_longest_step_us(struct step_times *steps)
{
    uint64_t ticks = clock_ticks() - steps->start_ticks;
    uint64_t us = (clock_monotonic_ns() - steps->start_ns) / 1000;
    uint64_t longest_ticks = steps->longest_ticks;
    steps->longest_ticks = 0;
    return longest_ticks == 0 ? 0 : (uint64_t)((double)longest_ticks / (double)ticks * (double)us);
}

static void add_session(struct name_gather *gather, struct session_shard *shard)
{
    const struct session_counters *own = &shard->counters;
    struct session_counters *sum = &gather->session;
    sum->requests += own->requests;
    sum->bad_requests += own->bad_requests;
    sum->sessions_opened += own->sessions_opened;
    sum->sessions_ended += own->sessions_ended;
    sum->sessions_refused += own->sessions_refused;
    sum->doorbells += own->doorbells;
    sum->wakes += own->wakes;
    gather->shard_requests[shard->shard] = own->requests;
    if (gather->finish == stats_finish)
        gather->longest_steps_us[shard->shard] = take_longest_step_us(&shard->steps);
}

static void gather_returned(struct message *message)
{
    struct name_gather *gather = list_entry(message, struct name_gather, message);
    gather->finish(gather);
    free(gather);
}

static void gather_arrived(struct message *message)
{
    struct name_gather *gather = list_entry(message, struct name_gather, message);
    struct session_shard *shard = gather->here;
    add_volume(gather, shard);
    add_file(gather, shard);
    add_session(gather, shard);
    unsigned next = shard->shard + 1;
    if (next < shard->shard_count) {
        gather->here = shard->peers[next];
        name_send(shard, next, message, gather_arrived);
    } else {
        name_send(shard, JOURNAL_SHARD, message, gather_returned);
    }
}

static void gather_begin(struct session_request *request,
                         void (*finish)(struct name_gather *gather))
{
    struct session_shard *names = name_shard(request);
    struct name_gather *gather = calloc(1, sizeof(*gather));
    if (!gather) {
        session_complete(request, -ENOMEM, 0, 0);
        return;
    }
    gather->request = request;
    gather->here = names;
    gather->finish = finish;
    gather_arrived(&gather->message);
}

/* ---- STATVFS ---- */

static void statvfs_finish(struct name_gather *gather)
{
    struct session_request *request = gather->request;
    uint64_t free_blocks = gather->volume.free_blocks;
    struct wt_wire_statvfs reply = {
        .block_bytes = VOLUME_BLOCK_BYTES,
        .blocks = gather->volume.data_blocks,
        .blocks_free = free_blocks,
        .blocks_available = free_blocks,
        /* Inodes are made as they are needed, while there is room for metadata. */
        .files = names_inode_count(name_tree(request)) + gather->volume.files_room,
        .files_free = gather->volume.files_room,
        .name_bytes_max = NAMES_NAME_BYTES_MAX,
        .read_only = name_shard(request)->volume_shard->read_only,
    };
    session_complete(request, name_reply(request, &reply, sizeof(reply)), 0, 0);
}

void name_statvfs(struct session_request *request)
{
    gather_begin(request, statvfs_finish);
}

/* ---- STATS ---- */

struct stats_text {
    char bytes[8192];
    size_t used;
};

/* What does not fit any more is left out; there is room for all of them and 64 shards. */
static void stats_line(struct stats_text *text, uint64_t value, const char *name)
{
    size_t room = sizeof(text->bytes) - text->used;
    int written =
        snprintf(text->bytes + text->used, room, "%s %llu\n", name, (unsigned long long)value);
    if (written > 0 && (size_t)written < room)
        text->used += (size_t)written;
}

static void stats_device_and_files(struct stats_text *text, const struct name_gather *gather)
{
    const struct file_counters *file = &gather->file;
    stats_line(text, gather->device_reads, "device_reads");
    stats_line(text, gather->device_writes, "device_writes");
    stats_line(text, gather->device_flushes, "device_flushes");
    stats_line(text, file->merges, "merges");
    stats_line(text, 0, "atomic_in_place"); /* atomic writes are refused so far */
    stats_line(text, 0, "atomic_out_of_place");
    stats_line(text, file->cache_hits, "cache_hits");
    stats_line(text, file->cache_misses, "cache_misses");
    stats_line(text, file->reads, "reads");
    stats_line(text, file->read_bytes, "read_bytes");
    stats_line(text, file->writes, "writes");
    stats_line(text, file->write_bytes, "write_bytes");
    stats_line(text, file->syncs, "syncs");
    stats_line(text, file->truncates, "truncates");
    stats_line(text, file->copies, "copies");
    stats_line(text, file->write_commands, "write_commands");
    stats_line(text, file->write_pages, "write_pages");
    stats_line(text, file->read_commands, "read_commands");
    stats_line(text, file->read_pages, "read_pages");
    stats_line(text, file->evictions, "evictions");
    stats_line(text, file->frame_waits, "frame_waits");
    stats_line(text, file->borrows, "borrows");
    stats_line(text, file->write_errors, "write_errors");
}

static void stats_volume(struct stats_text *text, const struct name_gather *gather)
{
    const struct volume_figures *volume = &gather->volume;
    stats_line(text, volume->data_blocks, "data_blocks");
    stats_line(text, volume->free_blocks, "free_blocks");
    stats_line(text, volume->files, "files");
    stats_line(text, volume->extents, "extents");
    stats_line(text, volume->metadata_bytes, "metadata_bytes");
    stats_line(text, volume->journal_blocks, "journal_blocks");
    stats_line(text, volume->journal_records, "journal_records");
    stats_line(text, volume->journal_bytes_used, "journal_bytes_used");
    stats_line(text, volume->checkpoints, "checkpoints");
    stats_line(text, volume->flushes_asked, "flushes_asked");
}

static void stats_sessions(struct stats_text *text, const struct name_gather *gather)
{
    const struct session_shard *names = name_shard(gather->request);
    const struct session_counters *session = &gather->session;
    stats_line(text, names->session_count, "sessions");
    stats_line(text, session->requests, "requests");
    stats_line(text, session->bad_requests, "bad_requests");
    stats_line(text, session->sessions_opened, "sessions_opened");
    stats_line(text, session->sessions_ended, "sessions_ended");
    stats_line(text, session->sessions_refused, "sessions_refused");
    stats_line(text, session->doorbells, "doorbells");
    stats_line(text, session->wakes, "wakes");
    stats_line(text, names->volume_shard->read_only, "read_only");
    stats_line(text, names->shard_count, "shards");
    for (unsigned i = 0; i < names->shard_count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "shard%u_requests", i);
        stats_line(text, gather->shard_requests[i], name);
        snprintf(name, sizeof(name), "shard%u_longest_step_us", i);
        stats_line(text, gather->longest_steps_us[i], name);
    }
}

static void stats_finish(struct name_gather *gather)
{
    struct session_request *request = gather->request;
    struct stats_text text = {.used = 0};
    stats_device_and_files(&text, gather);
    stats_volume(&text, gather);
    stats_sessions(&text, gather);
    int64_t result = (int64_t)text.used;
    if (text.used > request->wire.length2)
        result = -ERANGE;
    else if (name_reply(request, text.bytes, text.used) != 0)
        result = -EINVAL;
    session_complete(request, result, 0, 0);
}

void name_stats(struct session_request *request)
{
    gather_begin(request, stats_finish);
}
