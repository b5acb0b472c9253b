/*
 * engine.h - the file engine on a simulated device, in one thread: for tests of server/file.
 *
 * engine_start formats a fresh sim device, opens the volume on it with 1..3 shards and gives each shard a
 * file engine; engine_run turns all shards' loops until nothing moves any more (what is held by sim_hold
 * stays). A job is one operation and what came of it. Whatever must not happen aborts with a line, so that
 * the harness does not need the test framework.
 */
#ifndef WT_TESTS_SUPPORT_ENGINE_H
#define WT_TESTS_SUPPORT_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/device/sim.h"
#include "server/file/file.h"
#include "server/volume/volume.h"

#define ENGINE_SHARDS_MAX 3u

struct engine_options {
    unsigned shards;         /* 0: 1 */
    uint64_t seed;           /* 0: 1 */
    uint64_t size_bytes;     /* of the device; 0: 128 MiB */
    uint64_t cache_bytes;    /* of each shard; 0: the minimum */
    uint64_t metadata_bytes; /* cap on memory for names and maps; 0: 64 MiB */
    uint32_t delay_ns_max;   /* 0: 10 us */
    bool no_volatile_cache, no_fua;
};

struct engine {
    struct engine_options options;
    struct device *device;
    struct post_office *office;
    struct volume *volume;
    struct file_engine *shards[ENGINE_SHARDS_MAX];
    unsigned done_count; /* jobs done so far */
};

struct engine_file {
    struct engine *engine;
    struct file_engine *shard;
    struct file *file;
    struct open_file handle;
    uint64_t ino, generation;
    bool direct; /* how its reads and writes go */
};

struct engine_job {
    struct engine *engine;
    bool done;
    unsigned order; /* which one it was to be done, from 1 */
    int64_t result;
    uint64_t result_offset;
    void (*then)(struct engine_job *job); /* called in done; may be NULL */
    void *context;
};

void engine_start(struct engine *engine, const struct engine_options *options);
/* Asserts that everything is idle and that no promise to the device was broken. */
void engine_finish(struct engine *engine);
/* The server dies, after its last word or (with cut) with the power, and another one opens the volume. Files
 * are gone with it: engine_open them again. */
void engine_restart(struct engine *engine, bool cut);

/* Turns every shard's loop once. False: nothing moved. */
bool engine_turn(struct engine *engine);
void engine_run(struct engine *engine);
/* Delivers messages and sends, until nothing moves, but lets the device do nothing. */
void engine_send(struct engine *engine);
bool engine_idle(const struct engine *engine);
/* Over all shards. */
uint64_t engine_free_blocks(const struct engine *engine);

/* Holds reads or writes of file data, not of the journal; until sim_release. */
void engine_hold(struct engine *engine, enum device_operation operation);
/* Holds the one write of file data that is in flight, and none that comes later (to other blocks). */
void engine_hold_in_flight(struct engine *engine);
/* Where a page of a file is recorded to be: device offset; 0: a hole. */
uint64_t engine_place(const struct engine_file *file, uint64_t page);

/* A new file in the root directory, durable; a file that is there already. */
void engine_create(struct engine *engine, struct engine_file *file, const char *name);
void engine_open(struct engine *engine, struct engine_file *file, const char *name);
/* A second handle of the same file. */
void engine_open_again(const struct engine_file *file, struct engine_file *again);
void engine_close(struct engine_file *file);
const struct file_counters *engine_counters(const struct engine_file *file);
uint64_t engine_size(const struct engine_file *file);

/* Starts: the job must stay where it is until done. then and context are kept. */
void engine_start_write(struct engine_file *file, struct engine_job *job, enum file_level level,
                        uint64_t offset, const void *bytes, uint32_t length_bytes);
void engine_start_append(struct engine_file *file, struct engine_job *job, enum file_level level,
                         const void *bytes, uint32_t length_bytes);
void engine_start_read(struct engine_file *file, struct engine_job *job, uint64_t offset,
                       void *bytes, uint32_t length_bytes);
void engine_start_truncate(struct engine_file *file, struct engine_job *job, uint64_t size_bytes);
/* kind: FILE_ALLOCATE, FILE_PUNCH, FILE_ZERO. */
void engine_start_range(struct engine_file *file, struct engine_job *job, enum file_kind kind,
                        enum file_level level, bool keep_size, uint64_t offset,
                        uint64_t length_bytes);
void engine_start_seek(struct engine_file *file, struct engine_job *job, bool hole,
                       uint64_t offset);
void engine_start_sync(struct engine_file *file, struct engine_job *job, bool datasync);
void engine_start_drop(struct engine_file *file, struct engine_job *job);
void engine_start_times(struct engine_file *file, struct engine_job *job, int64_t atime_ns,
                        int64_t mtime_ns);
void engine_start_sync_all(struct engine *engine, unsigned shard, struct engine_job *job);

/* The same, and everything runs until it is done. */
int64_t engine_write(struct engine_file *file, enum file_level level, uint64_t offset,
                     const void *bytes, uint32_t length_bytes);
int64_t engine_append(struct engine_file *file, enum file_level level, const void *bytes,
                      uint32_t length_bytes);
int64_t engine_read(struct engine_file *file, uint64_t offset, void *bytes, uint32_t length_bytes);
int64_t engine_truncate(struct engine_file *file, uint64_t size_bytes);
/* At level stable. */
int64_t engine_range(struct engine_file *file, enum file_kind kind, bool keep_size, uint64_t offset,
                     uint64_t length_bytes);
int64_t engine_seek(struct engine_file *file, bool hole, uint64_t offset);
int64_t engine_sync(struct engine_file *file);
int64_t engine_sync_all(struct engine *engine);
/* Drops it, releases it, and is done when the engine is. */
int64_t engine_drop(struct engine_file *file);

/* Puts every clean page of the shard out of its cache, by reading another file through it. */
void engine_evict(struct engine_file *other);

#endif
