/*
 * volume_rig.h - a volume on the simulated device, all shards stepped by one thread. For test_journal.c and
 * test_volume.c.
 */
#ifndef WT_TESTS_UNIT_VOLUME_RIG_H
#define WT_TESTS_UNIT_VOLUME_RIG_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/base/log.h"
#include "server/device/sim.h"
#include "server/volume/tools.h"
#include "server/volume/volume.h"

#define RIG_BYTES (64ull << 20)

static struct device *device;
static struct post_office *office;
static struct volume *volume;
static struct volume_opening opening;
static unsigned shard_count;
static char reason[512];
static bool keep_memory_small; /* volume_options.metadata_bytes_max is tight */
static const struct credentials root_user = {0};

static struct sim_options rig_options(uint64_t seed)
{
    return (struct sim_options){.seed = seed,
                                .size_bytes = RIG_BYTES,
                                .block_bytes = seed % 2 ? 512 : 4096,
                                .volatile_cache = true,
                                .fua = true,
                                .delay_ns_max = 20000,
                                .split_one_in = 4};
}

static inline void rig_create(struct sim_options options)
{
    log_set_silent(true);
    cr_assert_eq(sim_create(&options, &device), 0);
    clock_install(sim_clock(device));
    struct volume_format_options format = {.sparse = options.size_bytes > RIG_BYTES};
    cr_assert_eq(volume_format_device(device, &format, reason, sizeof reason), 0, "%s", reason);
}

static inline void rig_step_messages(void)
{
    for (unsigned i = 0; i < shard_count; i++) {
        message_deliver(office, i, 64);
        message_flush(office, i);
    }
}

/* False: nothing is left to do. */
static inline bool rig_step(void)
{
    unsigned delivered = 0;
    for (unsigned i = 0; i < shard_count; i++) {
        delivered += message_deliver(office, i, 64);
        message_flush(office, i);
    }
    return sim_step(device) || delivered > 0;
}

static inline void rig_settle(void)
{
    /* Two quiet rounds: a message may wait for its flush. */
    for (unsigned quiet = 0; quiet < 2;)
        quiet = rig_step() ? 0 : quiet + 1;
}

static inline int rig_try_open(unsigned shards)
{
    shard_count = shards;
    cr_assert_eq(post_office_create(shards, &office), 0);
    struct volume_options options = {.device = device,
                                     .office = office,
                                     .metadata_bytes_max = keep_memory_small ? 200000 : 1ull << 30};
    int rc = volume_open(&options, &volume, &opening, reason, sizeof reason);
    if (rc < 0) {
        post_office_destroy(office);
        return rc;
    }
    for (unsigned i = 0; i < shards; i++)
        cr_assert_eq(volume_shard_start(volume_get_shard(volume, i), NULL), 0);
    return 0;
}

static inline void rig_open(unsigned shards)
{
    cr_assert_eq(rig_try_open(shards), 0, "%s", reason);
}

/* Without a stop; what is in flight must be done or cut. */
static inline void rig_close(void)
{
    for (unsigned i = 0; i < shard_count; i++)
        volume_shard_end(volume_get_shard(volume, i));
    volume_close(volume);
    post_office_destroy(office);
    volume = NULL;
}

static inline void rig_cut(void)
{
    sim_power_cut(device);
    rig_close();
}

static inline void rig_stopped(void *context, int result)
{
    *(int *)context = result;
}

static inline int rig_stop(void)
{
    int result = 1;
    volume_stop(volume_get_shard(volume, JOURNAL_SHARD), rig_stopped, &result);
    rig_settle();
    return result;
}

/* One append and its memory. */
struct job {
    struct journal_append append;
    _Alignas(8) uint8_t record[NAMES_RECORD_BYTES];
    unsigned done;
    uint64_t order; /* of its done */
    struct names_change change;
};

static uint64_t done_count;

static inline void job_done(struct journal_append *append)
{
    struct job *job = (struct job *)append;
    job->done++;
    job->order = ++done_count;
    const struct record_header *record = append->record;
    if (append->result == 0 && record && record->partition != PARTITION_NAMES) {
        const struct item_file *file = (const void *)(record + 1);
        struct partition *partition = volume_partition(append->origin, file->ino);
        cr_assert_eq(partition_apply(partition, record, NULL, NULL), 0);
    }
}

static inline struct job *job_new(void)
{
    struct job *job = calloc(1, sizeof *job);
    job->append.done = job_done;
    return job;
}

static inline void job_wait(struct job *job)
{
    for (unsigned quiet = 0; !job->done && quiet < 2;)
        quiet = rig_step() ? 0 : quiet + 1;
    cr_assert_eq(job->done, 1);
}

static inline struct name_inode *rig_find(const char *path)
{
    struct names_place place;
    int rc =
        names_resolve(volume_names(volume), &root_user, path, strlen(path), NAMES_NOFOLLOW, &place);
    return rc == 0 ? place.inode : NULL;
}

static inline void rig_prepare(struct job *job, const char *path, struct names_place *place)
{
    job->change = (struct names_change){.who = &root_user,
                                        .now_ns = clock_realtime_ns(),
                                        .epoch = volume_epoch(volume),
                                        .buffer = job->record};
    int rc = names_resolve(volume_names(volume), &root_user, path, strlen(path),
                           NAMES_PARENT | NAMES_NOFOLLOW, place);
    cr_assert_eq(rc, 0, "%s: %d", path, rc);
}

static inline void rig_append_names(struct job *job)
{
    cr_assert_eq(names_apply(volume_names(volume), (const void *)job->record), 0);
    job->append.record = job->record;
    job->append.record_bytes = (uint32_t)job->change.record_bytes;
    job->append.frees = true;
    journal_append(volume_get_shard(volume, JOURNAL_SHARD), &job->append);
}

static inline struct job *rig_create_file(const char *path)
{
    struct job *job = job_new();
    struct names_place place;
    rig_prepare(job, path, &place);
    int rc = names_make_node(volume_names(volume), &job->change, &place, S_IFREG | 0644, NULL, 0);
    cr_assert_eq(rc, 0, "%s: %d", path, rc);
    rig_append_names(job);
    return job;
}

static inline struct job *rig_create_link(const char *path, const char *target)
{
    struct job *job = job_new();
    struct names_place place;
    rig_prepare(job, path, &place);
    int rc = names_make_node(volume_names(volume), &job->change, &place, S_IFLNK | 0777, target,
                             strlen(target));
    cr_assert_eq(rc, 0, "%s: %d", path, rc);
    rig_append_names(job);
    return job;
}

static inline struct job *rig_unlink(const char *path)
{
    struct job *job = job_new();
    struct names_place place;
    rig_prepare(job, path, &place);
    cr_assert_eq(names_make_unlink(volume_names(volume), &job->change, &place, false), 0);
    rig_append_names(job);
    return job;
}

/* Size and `maps` mapped blocks, every second one from `logical` on, at physical and after. */
static inline struct job *rig_write_data(uint64_t ino, uint64_t generation, uint64_t size_bytes,
                                         uint64_t logical, uint64_t physical, unsigned maps,
                                         bool frees)
{
    struct job *job = job_new();
    struct record_builder builder;
    unsigned number = volume_route_partition(volume_superblock(volume)->partition_count, ino);
    struct item_file file = {.header.kind = ITEM_FILE,
                             .ino = ino,
                             .generation = generation,
                             .size_bytes = size_bytes,
                             .mtime_ns = clock_realtime_ns()};
    record_begin(&builder, job->record, sizeof job->record, (uint16_t)number);
    record_add(&builder, &file, sizeof file, NULL, 0);
    for (unsigned i = 0; i < maps; i++) {
        struct item_map map = {.header.kind = ITEM_MAP,
                               .ino = ino,
                               .generation = generation,
                               .logical = logical + 2 * i,
                               .physical = physical + 2 * i,
                               .blocks = 1};
        record_add(&builder, &map, sizeof map, NULL, 0);
    }
    job->append.record = job->record;
    job->append.record_bytes = (uint32_t)record_end(&builder);
    job->append.frees = frees;
    journal_append(volume_get_shard(volume, volume_route(volume, ino)), &job->append);
    return job;
}

static inline uint64_t rig_first_block(void)
{
    return volume_superblock(volume)->data_offset / VOLUME_BLOCK_BYTES;
}

static inline struct file_data *rig_data(uint64_t ino, uint64_t generation)
{
    struct volume_shard *shard = volume_get_shard(volume, volume_route(volume, ino));
    return partition_find(volume_partition(shard, ino), ino, generation);
}

static inline void rig_say(void *context, const char *line)
{
    snprintf(reason, sizeof reason, "%s", line);
    ++*(unsigned *)context;
}

/* The volume must be closed. */
static inline int rig_check(struct volume_check_report *report)
{
    unsigned lines = 0;
    return volume_check_device(device, false, rig_say, &lines, report);
}

#endif
