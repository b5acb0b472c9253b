/*
 * test_volume.c - opening, stopping, and power cuts at any step, checked against a model.
 *
 * The model: a few slots, each a name in the root that is created and unlinked in turns, and a file behind
 * it whose recorded size counts its writes. What was answered must be there after a cut; what was not may
 * be there or not, and nothing else may.
 */
#include "server/volume/checkpoint_image.h"
#include "tests/support/random.h"
#include "tests/unit/volume_rig.h"

#define SLOTS       24u
#define CHANGES_MAX 400u

struct slot {
    struct job *name_job, *data_job; /* in flight */
    unsigned issued, acked;          /* changes of the name; odd: it exists */
    uint64_t ino[CHANGES_MAX], generation[CHANGES_MAX];
    uint64_t size_issued, size_acked; /* of the newest file */
};

static struct slot slots[SLOTS];
static struct random_source rng;

static void finish(void)
{
    sim_destroy(device);
}

TestSuite(volume, .fini = finish, .timeout = 120);

static const char *path_of(unsigned number)
{
    static char path[32];
    snprintf(path, sizeof path, "/slot-with-a-name-%u", number);
    return path;
}

/* Takes what was answered into the model. */
static void collect(struct slot *slot)
{
    if (slot->name_job && slot->name_job->done) {
        cr_assert_eq(slot->name_job->append.result, 0);
        slot->acked = slot->issued;
        if (slot->acked % 2 == 0) { /* the file is gone: its data goes without a record */
            uint64_t ino = slot->ino[slot->acked - 1],
                     generation = slot->generation[slot->acked - 1];
            struct volume_shard *shard = volume_get_shard(volume, volume_route(volume, ino));
            struct file_data *data = rig_data(ino, generation);
            if (data)
                partition_drop(volume_partition(shard, ino), data, NULL, NULL);
        }
        free(slot->name_job);
        slot->name_job = NULL;
    }
    if (slot->data_job && slot->data_job->done) {
        cr_assert_eq(slot->data_job->append.result, 0);
        slot->size_acked = slot->size_issued;
        free(slot->data_job);
        slot->data_job = NULL;
    }
}

static void change_name(struct slot *slot, unsigned number)
{
    if (slot->data_job || slot->issued + 1 == CHANGES_MAX)
        return;
    slot->issued++;
    if (slot->issued % 2 == 0) {
        slot->name_job = rig_unlink(path_of(number));
        return;
    }
    slot->name_job = rig_create_file(path_of(number));
    const struct name_inode *inode = rig_find(path_of(number));
    slot->ino[slot->issued] = inode->ino;
    slot->generation[slot->issued] = inode->generation;
    slot->size_issued = slot->size_acked = 0;
}

static void change_data(struct slot *slot, unsigned number)
{
    if (slot->acked != slot->issued || slot->issued % 2 == 0)
        return;
    uint64_t size = ++slot->size_issued;
    /* Every slot has blocks of its own; old ones are used again and again. */
    slot->data_job = rig_write_data(
        slot->ino[slot->issued], slot->generation[slot->issued], size, 64 * (size % 3),
        rig_first_block() + 500 * number + 64 * (size % 3), 1 + size % 30, false);
}

static void act(void)
{
    unsigned number = (unsigned)random_below(&rng, SLOTS);
    struct slot *slot = &slots[number];
    collect(slot);
    if (slot->name_job)
        return;
    if (random_below(&rng, 6) == 0)
        change_name(slot, number);
    else if (!slot->data_job)
        change_data(slot, number);
}

static void forget_jobs(void)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        collect(&slots[i]);
        free(slots[i].name_job);
        free(slots[i].data_job);
        slots[i].name_job = slots[i].data_job = NULL;
    }
}

/* Compares an opened volume with the model, and makes the model agree with what was found. */
static void compare(void)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &slots[i];
        const struct name_inode *inode = rig_find(path_of(i));
        unsigned state = slot->acked;
        if (slot->issued != slot->acked) {
            bool newer = slot->issued % 2 ? inode != NULL : inode == NULL;
            state = newer ? slot->issued : slot->acked;
        }
        cr_assert_eq(inode != NULL, state % 2, "slot %u", i);
        slot->issued = slot->acked = state;
        if (!inode)
            continue;
        cr_assert_eq(inode->ino, slot->ino[state]);
        cr_assert_eq(inode->generation, slot->generation[state]);
        const struct file_data *data = rig_data(inode->ino, inode->generation);
        uint64_t size = data ? data->size_bytes : 0;
        cr_assert_geq(size, slot->size_acked, "slot %u", i);
        cr_assert_leq(size, slot->size_issued, "slot %u", i);
        slot->size_issued = slot->size_acked = size;
        if (size > 0)
            cr_assert_geq(data->extents.block_count, 1 + size % 30);
    }
}

/* Opens with a second (third ...) cut after each write that recovery makes, until one open gets through. */
static void reopen_through_cuts(unsigned shards, bool cuts)
{
    uint32_t after = 1;
    for (; cuts; after++) {
        sim_cut_after(device, after);
        int rc = rig_try_open(shards);
        bool cut = sim_cut_happened(device);
        sim_cut_after(device, 0);
        if (rc == 0 && !cut) {
            cr_assert(!opening.read_only_damage, "%s", reason);
            cr_assert_gt(after, 4);
            return;
        }
        if (rc == 0)
            rig_close();
        sim_power_cut(device);
    }
    rig_open(shards);
    cr_assert(!opening.read_only_damage);
}

static void cut_again_and_again(struct sim_options options, unsigned rounds)
{
    rig_create(options);
    if (options.seed == 12) /* every write in small pieces */
        device->capabilities.transfer_bytes_max = 8192;
    rng.state = options.seed;
    rig_open(1);
    for (unsigned round = 0; round < rounds; round++) {
        uint64_t steps = 1 + random_below(&rng, random_below(&rng, 6) ? 100 : 4000);
        for (uint64_t i = 0; i < steps; i++) {
            for (uint64_t acts = random_below(&rng, 6); acts > 0; acts--)
                act();
            rig_step();
        }
        bool clean = random_below(&rng, 8) == 0;
        if (clean) {
            rig_settle();
            cr_assert_eq(rig_stop(), 0);
        }
        sim_power_cut(device);
        forget_jobs();
        rig_close();
        struct volume_check_report report;
        cr_assert_eq(rig_check(&report), 0, "%s", reason);
        reopen_through_cuts(1 + (unsigned)random_below(&rng, 3), random_below(&rng, 4) == 0);
        cr_assert(!clean || opening.records_replayed == 0);
        compare();
    }
    rig_cut();
}

Test(volume, power_cuts_at_any_step)
{
    cut_again_and_again(rig_options(11), 80);
}

Test(volume, power_cuts_with_large_blocks)
{
    cut_again_and_again(rig_options(12), 80);
}

Test(volume, power_cuts_without_fua)
{
    struct sim_options options = rig_options(13);
    options.fua = false;
    cut_again_and_again(options, 80);
}

Test(volume, power_cuts_without_a_cache)
{
    struct sim_options options = rig_options(14);
    options.volatile_cache = options.fua = false;
    cut_again_and_again(options, 80);
}

Test(volume, read_errors_that_pass_are_not_damage)
{
    struct sim_options options = rig_options(15);
    options.read_error_one_in = 30;
    cut_again_and_again(options, 10);
}

Test(volume, a_clean_stop_leaves_nothing_to_replay)
{
    rig_create(rig_options(1));
    rig_open(3);
    uint64_t epoch = volume_epoch(volume);
    struct job *job = rig_create_file("/file");
    job_wait(job);
    free(job);
    cr_assert_eq(rig_stop(), 0);
    job = job_new();
    journal_barrier(volume_get_shard(volume, 1), &job->append);
    job_wait(job);
    cr_assert_eq(job->append.result, -EROFS); /* it has stopped */
    free(job);
    rig_close();
    rig_open(2);
    cr_assert(opening.was_clean);
    cr_assert_eq(opening.records_replayed, 0);
    cr_assert_eq(volume_epoch(volume), epoch + 1);
    cr_assert_not_null(rig_find("/file"));
    rig_cut();
    rig_open(1);
    cr_assert(!opening.was_clean);
    rig_close();
}

Test(volume, every_number_of_shards_opens_it)
{
    rig_create(rig_options(2));
    uint64_t free_blocks = 0;
    for (unsigned shards = 1; shards <= 20; shards++) {
        rig_open(shards);
        struct volume_figures figures;
        uint64_t sum = 0;
        for (unsigned i = 0; i < shards; i++) {
            volume_figures(volume_get_shard(volume, i), &figures);
            sum += figures.free_blocks;
            cr_assert_eq(volume_get_shard(volume, i)->shard, i);
        }
        cr_assert(shards == 1 || sum == free_blocks);
        free_blocks = sum;
        cr_assert_eq(volume_shard_count(volume), shards);
        for (uint64_t ino = 0; ino < 100; ino++)
            cr_assert_lt(volume_route(volume, ino), shards);
        rig_close();
    }
    cr_assert_eq(free_blocks, (RIG_BYTES - (11u << 20) - (256u << 10)) / 4096);
}

static struct job *create_and_map(const char *path, uint64_t physical)
{
    struct job *job = rig_create_file(path);
    const struct name_inode *inode = rig_find(path);
    job_wait(job);
    free(job);
    job = rig_write_data(inode->ino, inode->generation, 4096, 0, physical, 1, false);
    job_wait(job);
    return job;
}

Test(volume, a_block_mapped_twice_is_damage)
{
    struct volume_check_report report;
    rig_create(rig_options(3));
    rig_open(1);
    free(create_and_map("/one", rig_first_block() + 7));
    free(create_and_map("/two", rig_first_block() + 7));
    cr_assert_eq(rig_stop(), 0);
    rig_close();
    cr_assert_eq(rig_check(&report), 1);
    cr_assert(strstr(reason, "another file maps"), "%s", reason);
    rig_open(1);
    cr_assert(opening.read_only_damage);
    cr_assert_not_null(rig_find("/two"));
    rig_close();
}

Test(volume, a_block_outside_is_damage)
{
    rig_create(rig_options(3));
    rig_open(1);
    free(create_and_map("/one", RIG_BYTES / 4096 - 100));
    rig_cut();
    rig_open(1);
    cr_assert(opening.read_only_damage);
    rig_close();
}

Test(volume, data_without_an_inode_is_let_go)
{
    struct volume_check_report report;
    rig_create(rig_options(4));
    rig_open(1);
    free(create_and_map("/one", rig_first_block() + 7));
    struct job *job = rig_unlink("/one");
    job_wait(job);
    free(job);
    free(create_and_map("/two", rig_first_block() + 7));
    rig_cut();
    cr_assert_eq(rig_check(&report), 0, "%s", reason);
    cr_assert_eq(report.files, 1);
    cr_assert_eq(report.blocks_used, 1);
    rig_open(1);
    cr_assert(!opening.read_only_damage);
    rig_close();
}

/* The first segment of the newest image of names. */
static uint64_t newest_segment(void)
{
    struct superblock sb;
    uint64_t found = 0, newest = 0;
    sim_peek(device, SUPERBLOCK_OFFSET, &sb, sizeof sb);
    for (uint32_t i = 0; i < sb.segment_count; i++) {
        struct segment_header header;
        uint64_t offset = sb.metadata_offset + (uint64_t)i * sb.segment_bytes;
        sim_peek(device, offset, &header, sizeof header);
        if (header.magic != SEGMENT_MAGIC || header.partition != PARTITION_NAMES ||
            header.epoch != sb.epoch || header.index != 0 || header.image_id < newest)
            continue;
        newest = header.image_id;
        found = offset;
    }
    return found;
}

Test(volume, a_damaged_checkpoint_is_named)
{
    struct volume_check_report report;
    rig_create(rig_options(5));
    rig_open(1);
    free(create_and_map("/one", rig_first_block() + 7));
    cr_assert_eq(rig_stop(), 0);
    rig_close();
    uint64_t offset = newest_segment();
    cr_assert_neq(offset, 0);
    uint8_t byte;
    sim_peek(device, offset + 100, &byte, 1);
    byte ^= 4;
    sim_poke(device, offset + 100, &byte, 1);
    cr_assert_eq(rig_try_open(1), -EBADMSG);
    cr_assert(strstr(reason, "names") && strstr(reason, "checkpoint"), "%s", reason);
    cr_assert_eq(rig_check(&report), 1);
}

static void all_there(unsigned files)
{
    char path[32];
    for (unsigned i = 0; i < files; i++) {
        snprintf(path, sizeof path, "/a-%u", i);
        cr_assert_not_null(rig_find(path), "%s", path);
    }
}

/* Stops it while looking at how much is on its way to the device. */
static unsigned stop_and_watch(void)
{
    unsigned most = 0;
    int result = 1;
    volume_stop(volume_get_shard(volume, JOURNAL_SHARD), rig_stopped, &result);
    while (result == 1 && rig_step()) {
        /* A slow device: shards get much further while it does one thing. */
        for (unsigned i = 0; i < 40; i++)
            rig_step_messages();
        unsigned in_flight = volume_get_shard(volume, JOURNAL_SHARD)->queue->in_flight;
        most = in_flight > most ? in_flight : most;
    }
    rig_settle();
    cr_assert_eq(result, 0);
    return most;
}

/* Recovery gathers the pieces of an image, and loading reads what lies together, in one go. */
Test(volume, an_image_of_many_segments_is_recovered)
{
    enum { FILES = 20000 };
    struct sim_options options = rig_options(2);
    struct job *jobs[50];
    char path[32];
    options.size_bytes = 8ull << 30;
    rig_create(options);
    rig_open(2);
    cr_assert_gt(volume_superblock(volume)->segment_bytes, IMAGE_PIECE_BYTES);
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "/a-%u", i);
        jobs[i % 50] = rig_create_file(path);
        if (i % 50 != 49)
            continue;
        for (unsigned j = 0; j < 50; j++) {
            job_wait(jobs[j]);
            free(jobs[j]);
        }
    }
    rig_cut();
    rig_open(1);
    cr_assert_eq(opening.records_replayed, FILES);
    all_there(FILES);
    rig_cut();
    rig_open(1);
    cr_assert_eq(opening.records_replayed, 0);
    all_there(FILES);
    cr_assert_eq(names_inode_count(volume_names(volume)), FILES + 1);
    jobs[0] = rig_unlink("/a-0");
    job_wait(jobs[0]);
    free(jobs[0]);
    /* A client's write would have to pass no more than these. */
    unsigned most = stop_and_watch();
    cr_assert_eq(most, IMAGE_WRITES_MAX, "%u", most);
    rig_close();
    /* Nothing but the root record's image says what is there. */
    struct volume_check_report report;
    cr_assert_eq(volume_check_device(device, false, NULL, NULL, &report), 0);
    cr_assert_eq(report.files, FILES - 1);
    sim_destroy(device);
    rig_create(rig_options(1));
}

Test(volume, a_failure_during_a_checkpoint_ends_it)
{
    for (uint64_t nth = 1; nth < 25; nth++) {
        rig_create(rig_options(nth));
        rig_open(2);
        for (unsigned i = 0; i < 40; i++)
            free(create_and_map(path_of(i), rig_first_block() + i));
        int result = 1;
        volume_stop(volume_get_shard(volume, 0), rig_stopped, &result);
        uint64_t writes = sim_statistics(device).writes;
        while (result == 1 && sim_statistics(device).writes < writes + nth - 1)
            rig_step();
        sim_fail_next(device, nth % 5 ? DEVICE_WRITE : DEVICE_FLUSH, -EIO);
        rig_settle();
        cr_assert(result == 0 || result == -EROFS);
        sim_fail_next(device, DEVICE_WRITE, 0);
        sim_fail_next(device, DEVICE_FLUSH, 0);
        rig_close();
        rig_open(1);
        cr_assert(!opening.read_only_damage);
        for (unsigned i = 0; i < 40; i++)
            cr_assert_not_null(rig_find(path_of(i)));
        rig_close();
        sim_destroy(device);
    }
    rig_create(rig_options(1));
}
