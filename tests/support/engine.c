#include "tests/support/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/volume/names.h"
#include "server/volume/record.h"
#include "server/volume/tools.h"

#define MIB        (1ull << 20)
#define TURNS_MAX  10000000u
#define REASON_MAX 256

#define must(condition)                              \
    do {                                             \
        if (!(condition))                            \
            give_up(#condition, __func__, __LINE__); \
    } while (0)

static void give_up(const char *condition, const char *where, int line)
{
    fprintf(stderr, "engine.c:%d: %s: not so: %s\n", line, where, condition);
    abort();
}

/* ---- starting and ending ----------------------------------------------------------------------- */

static void open_volume(struct engine *engine)
{
    const struct engine_options *options = &engine->options;
    char reason[REASON_MAX] = "";
    struct volume_opening opening;
    must(post_office_create(options->shards, &engine->office) == 0);
    struct volume_options volume = {.device = engine->device,
                                    .office = engine->office,
                                    .metadata_bytes_max = options->metadata_bytes};
    if (volume_open(&volume, &engine->volume, &opening, reason, sizeof(reason))) {
        fprintf(stderr, "engine.c: volume_open: %s\n", reason);
        abort();
    }
    must(!opening.read_only_damage);
    for (unsigned i = 0; i < options->shards; i++) {
        struct volume_shard *shard = volume_get_shard(engine->volume, i);
        struct file_engine_options file = {.volume_shard = shard,
                                           .cache_bytes = options->cache_bytes};
        bool unregistered;
        must(volume_shard_start(shard, NULL) == 0);
        must(file_engine_create(&file, &engine->shards[i], &unregistered) == 0);
    }
}

static void close_volume(struct engine *engine)
{
    for (unsigned i = 0; i < engine->options.shards; i++) {
        file_engine_destroy(engine->shards[i]);
        volume_shard_end(volume_get_shard(engine->volume, i));
    }
    volume_close(engine->volume);
    post_office_destroy(engine->office);
}

void engine_start(struct engine *engine, const struct engine_options *options)
{
    *engine = (struct engine){.options = *options};
    struct engine_options *own = &engine->options;
    own->shards = own->shards ? own->shards : 1;
    own->seed = own->seed ? own->seed : 1;
    own->size_bytes = own->size_bytes ? own->size_bytes : 128 * MIB;
    own->cache_bytes = own->cache_bytes ? own->cache_bytes : FILE_CACHE_BYTES_MIN;
    own->metadata_bytes = own->metadata_bytes ? own->metadata_bytes : 64 * MIB;
    own->delay_ns_max = own->delay_ns_max ? own->delay_ns_max : 10000;
    struct sim_options sim = {.seed = own->seed,
                              .size_bytes = own->size_bytes,
                              .block_bytes = 4096,
                              .volatile_cache = !own->no_volatile_cache,
                              .fua = !own->no_fua,
                              .delay_ns_max = own->delay_ns_max};
    struct volume_format_options format = {.sparse = true};
    char reason[REASON_MAX] = "";
    must(own->shards <= ENGINE_SHARDS_MAX);
    must(sim_create(&sim, &engine->device) == 0);
    clock_install(sim_clock(engine->device));
    must(volume_format_device(engine->device, &format, reason, sizeof(reason)) == 0);
    open_volume(engine);
}

static void check_promises(const struct engine *engine)
{
    struct sim_statistics statistics = sim_statistics(engine->device);
    must(statistics.overlapping_writes == 0);
    must(statistics.unstable_writes == 0);
}

void engine_finish(struct engine *engine)
{
    sim_release(engine->device);
    engine_run(engine);
    must(engine_idle(engine));
    check_promises(engine);
    close_volume(engine);
    sim_destroy(engine->device);
    clock_install(NULL);
}

void engine_restart(struct engine *engine, bool cut)
{
    if (cut)
        sim_power_cut(engine->device);
    else
        engine_run(engine);
    check_promises(engine);
    close_volume(engine);
    open_volume(engine);
}

/* ---- running ----------------------------------------------------------------------------------- */

static bool turn(struct engine *engine, bool device)
{
    bool moved = false;
    for (unsigned i = 0; i < engine->options.shards; i++) {
        moved |= message_deliver(engine->office, i, 64) > 0;
        moved |= file_send(engine->shards[i]) > 0;
        message_flush(engine->office, i);
    }
    return (device && sim_step(engine->device)) || moved;
}

bool engine_turn(struct engine *engine)
{
    return turn(engine, true);
}

/* Two quiet turns: what one shard published at its end, another has looked for before. */
static void run(struct engine *engine, bool device)
{
    unsigned quiet = 0;
    for (unsigned turns = 0; quiet < 2; turns++) {
        must(turns < TURNS_MAX);
        quiet = turn(engine, device) ? 0 : quiet + 1;
    }
}

void engine_run(struct engine *engine)
{
    run(engine, true);
}

void engine_send(struct engine *engine)
{
    run(engine, false);
}

bool engine_idle(const struct engine *engine)
{
    for (unsigned i = 0; i < engine->options.shards; i++)
        if (!file_engine_idle(engine->shards[i]))
            return false;
    return true;
}

uint64_t engine_free_blocks(const struct engine *engine)
{
    uint64_t blocks = 0;
    for (unsigned i = 0; i < engine->options.shards; i++)
        blocks += space_free_blocks(volume_get_shard(engine->volume, i)->space);
    return blocks;
}

void engine_hold(struct engine *engine, enum device_operation operation)
{
    const struct superblock *superblock = volume_superblock(engine->volume);
    sim_hold(engine->device, operation, superblock->data_offset, superblock->data_bytes);
}

void engine_hold_in_flight(struct engine *engine)
{
    const struct superblock *superblock = volume_superblock(engine->volume);
    engine_hold(engine, DEVICE_WRITE);
    must(sim_held(engine->device) == 1);
    for (uint64_t at = 0; at < superblock->data_bytes; at += VOLUME_BLOCK_BYTES) {
        sim_hold(engine->device, DEVICE_WRITE, superblock->data_offset + at, VOLUME_BLOCK_BYTES);
        if (sim_held(engine->device) == 1)
            return;
    }
}

uint64_t engine_place(const struct engine_file *file, uint64_t page)
{
    struct volume_shard *shard =
        volume_get_shard(file->engine->volume, volume_route(file->engine->volume, file->ino));
    struct file_data *data =
        partition_find(volume_partition(shard, file->ino), file->ino, file->generation);
    struct extent extent;
    if (!data || !extents_find(&data->extents, page, &extent) || extent.logical > page)
        return 0;
    return (extent.physical + (page - extent.logical)) << VOLUME_BLOCK_SHIFT;
}

/* ---- files ------------------------------------------------------------------------------------- */

static const struct credentials root = {0};

static void name_done(struct journal_append *append)
{
    must(append->result == 0);
    append->record = NULL;
}

void engine_create(struct engine *engine, struct engine_file *file, const char *name)
{
    static _Alignas(8) unsigned char record[NAMES_RECORD_BYTES];
    struct names *names = volume_names(engine->volume);
    struct names_place place;
    struct names_change change = {.who = &root,
                                  .now_ns = clock_realtime_ns(),
                                  .epoch = volume_epoch(engine->volume),
                                  .buffer = record};
    must(names_resolve(names, &root, name, strlen(name), NAMES_PARENT, &place) == 0);
    must(names_make_node(names, &change, &place, S_IFREG | 0644, NULL, 0) == 0);
    must(names_apply(names, (const struct record_header *)record) == 0);
    struct journal_append append = {.done = name_done,
                                    .record = record,
                                    .record_bytes = (uint32_t)change.record_bytes,
                                    .frees = true};
    journal_append(volume_get_shard(engine->volume, JOURNAL_SHARD), &append);
    for (unsigned turns = 0; append.record; turns++) {
        must(turns < TURNS_MAX);
        engine_turn(engine);
    }
    engine_open(engine, file, name);
}

static void open_file(struct engine_file *file)
{
    file->file = file_acquire(file->shard, file->ino, file->generation, 0);
    must(file->file);
    open_file_init(&file->handle, file->file);
}

void engine_open(struct engine *engine, struct engine_file *file, const char *name)
{
    struct names_place place;
    must(names_resolve(volume_names(engine->volume), &root, name, strlen(name), 0, &place) == 0);
    must(place.inode);
    *file = (struct engine_file){
        .engine = engine, .ino = place.inode->ino, .generation = place.inode->generation};
    file->shard = engine->shards[volume_route(engine->volume, file->ino)];
    open_file(file);
}

void engine_open_again(const struct engine_file *file, struct engine_file *again)
{
    *again = *file;
    open_file(again);
}

void engine_close(struct engine_file *file)
{
    file_release(file->file);
    file->file = NULL;
}

const struct file_counters *engine_counters(const struct engine_file *file)
{
    return file_engine_counters(file->shard);
}

uint64_t engine_size(const struct engine_file *file)
{
    struct file_attributes attributes;
    file_attributes(file->shard, file->ino, file->generation, 0, &attributes);
    return attributes.size_bytes;
}

/* ---- operations -------------------------------------------------------------------------------- */

static void job_done(struct file_operation *operation)
{
    struct engine_job *job = operation->context;
    must(!job->done);
    job->done = true;
    job->order = ++job->engine->done_count;
    job->result = operation->result;
    job->result_offset = operation->result_offset;
    if (job->then)
        job->then(job);
}

static struct file_operation *begin(struct engine *engine, struct file_engine *shard,
                                    struct engine_job *job, enum file_kind kind)
{
    struct file_operation *operation = file_operation_get(shard);
    must(operation);
    job->engine = engine;
    job->done = false;
    operation->done = job_done;
    operation->context = job;
    operation->kind = kind;
    return operation;
}

static struct file_operation *begin_file(struct engine_file *file, struct engine_job *job,
                                         enum file_kind kind)
{
    struct file_operation *operation = begin(file->engine, file->shard, job, kind);
    operation->file = file->file;
    operation->handle = &file->handle;
    return operation;
}

static void submit_write(struct engine_file *file, struct engine_job *job, enum file_level level,
                         uint64_t offset, bool append, const void *bytes, uint32_t length_bytes)
{
    struct file_operation *operation = begin_file(file, job, FILE_WRITE);
    operation->level = level;
    operation->append = append;
    operation->direct = file->direct;
    operation->offset = offset;
    operation->memory = (unsigned char *)(uintptr_t)bytes;
    operation->length_bytes = length_bytes;
    file_submit(operation);
}

void engine_start_write(struct engine_file *file, struct engine_job *job, enum file_level level,
                        uint64_t offset, const void *bytes, uint32_t length_bytes)
{
    submit_write(file, job, level, offset, false, bytes, length_bytes);
}

void engine_start_append(struct engine_file *file, struct engine_job *job, enum file_level level,
                         const void *bytes, uint32_t length_bytes)
{
    submit_write(file, job, level, 0, true, bytes, length_bytes);
}

void engine_start_read(struct engine_file *file, struct engine_job *job, uint64_t offset,
                       void *bytes, uint32_t length_bytes)
{
    struct file_operation *operation = begin_file(file, job, FILE_READ);
    operation->direct = file->direct;
    operation->offset = offset;
    operation->memory = bytes;
    operation->length_bytes = length_bytes;
    file_submit(operation);
}

void engine_start_truncate(struct engine_file *file, struct engine_job *job, uint64_t size_bytes)
{
    struct file_operation *operation = begin_file(file, job, FILE_TRUNCATE);
    operation->level = FILE_THROUGH;
    operation->offset = size_bytes;
    file_submit(operation);
}

void engine_start_range(struct engine_file *file, struct engine_job *job, enum file_kind kind,
                        enum file_level level, bool keep_size, uint64_t offset,
                        uint64_t length_bytes)
{
    struct file_operation *operation = begin_file(file, job, kind);
    operation->level = level;
    operation->keep_size = keep_size;
    operation->offset = offset;
    operation->length_bytes = length_bytes;
    file_submit(operation);
}

void engine_start_seek(struct engine_file *file, struct engine_job *job, bool hole, uint64_t offset)
{
    struct file_operation *operation = begin_file(file, job, FILE_SEEK);
    operation->seek_hole = hole;
    operation->offset = offset;
    file_submit(operation);
}

void engine_start_sync(struct engine_file *file, struct engine_job *job, bool datasync)
{
    struct file_operation *operation = begin_file(file, job, FILE_SYNC);
    operation->datasync = datasync;
    file_submit(operation);
}

void engine_start_drop(struct engine_file *file, struct engine_job *job)
{
    file_submit(begin_file(file, job, FILE_DROP));
}

void engine_start_times(struct engine_file *file, struct engine_job *job, int64_t atime_ns,
                        int64_t mtime_ns)
{
    struct file_operation *operation = begin_file(file, job, FILE_SET_TIMES);
    operation->level = FILE_THROUGH;
    operation->atime_ns = atime_ns;
    operation->mtime_ns = mtime_ns;
    file_submit(operation);
}

void engine_start_sync_all(struct engine *engine, unsigned shard, struct engine_job *job)
{
    file_submit(begin(engine, engine->shards[shard], job, FILE_SYNC_ALL));
}

static int64_t wait_for(struct engine_job *job)
{
    for (unsigned idle = 0; !job->done && idle < 3;)
        idle = engine_turn(job->engine) ? 0 : idle + 1;
    must(job->done); /* or it hangs */
    return job->result;
}

int64_t engine_write(struct engine_file *file, enum file_level level, uint64_t offset,
                     const void *bytes, uint32_t length_bytes)
{
    struct engine_job job = {0};
    engine_start_write(file, &job, level, offset, bytes, length_bytes);
    return wait_for(&job);
}

int64_t engine_append(struct engine_file *file, enum file_level level, const void *bytes,
                      uint32_t length_bytes)
{
    struct engine_job job = {0};
    engine_start_append(file, &job, level, bytes, length_bytes);
    return wait_for(&job);
}

int64_t engine_read(struct engine_file *file, uint64_t offset, void *bytes, uint32_t length_bytes)
{
    struct engine_job job = {0};
    engine_start_read(file, &job, offset, bytes, length_bytes);
    return wait_for(&job);
}

int64_t engine_range(struct engine_file *file, enum file_kind kind, bool keep_size, uint64_t offset,
                     uint64_t length_bytes)
{
    struct engine_job job = {0};
    engine_start_range(file, &job, kind, FILE_STABLE, keep_size, offset, length_bytes);
    return wait_for(&job);
}

int64_t engine_seek(struct engine_file *file, bool hole, uint64_t offset)
{
    struct engine_job job = {0};
    engine_start_seek(file, &job, hole, offset);
    return wait_for(&job);
}

int64_t engine_truncate(struct engine_file *file, uint64_t size_bytes)
{
    struct engine_job job = {0};
    engine_start_truncate(file, &job, size_bytes);
    return wait_for(&job);
}

int64_t engine_sync(struct engine_file *file)
{
    struct engine_job job = {0};
    engine_start_sync(file, &job, false);
    return wait_for(&job);
}

int64_t engine_sync_all(struct engine *engine)
{
    int64_t result = 0;
    for (unsigned i = 0; i < engine->options.shards; i++) {
        struct engine_job job = {0};
        engine_start_sync_all(engine, i, &job);
        if (wait_for(&job))
            result = job.result;
    }
    return result;
}

static void release_dropped(struct engine_job *job)
{
    engine_close(job->context);
}

int64_t engine_drop(struct engine_file *file)
{
    struct engine_job job = {.then = release_dropped, .context = file};
    engine_start_drop(file, &job);
    int64_t result = wait_for(&job);
    engine_run(job.engine);
    return result;
}

void engine_evict(struct engine_file *other)
{
    static unsigned char bytes[MIB];
    uint64_t cache_bytes = other->engine->options.cache_bytes;
    memset(bytes, 0x5a, sizeof(bytes));
    /* Twice the cache, twice: the first pass only takes away the second chances. */
    for (unsigned pass = 0; pass < 2; pass++)
        for (uint64_t offset = 0; offset < 2 * cache_bytes; offset += MIB)
            must(engine_write(other, FILE_THROUGH, offset, bytes, MIB) == (int64_t)MIB);
}
