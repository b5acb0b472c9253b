/* test_journal.c - order, durability, the ring, failure, back-pressure. */
#include "server/volume/journal_block.h"
#include "tests/unit/volume_rig.h"

static void start(void)
{
    rig_create(rig_options(1));
}

static void finish(void)
{
    sim_destroy(device);
}

TestSuite(journal, .init = start, .fini = finish);

/* Walks the blocks of the newest epoch as they stand in the ring; returns how many, *last is the place of
 * the last one. */
static unsigned walk(uint64_t *last, struct journal_block *header)
{
    struct superblock sb;
    sim_peek(device, SUPERBLOCK_OFFSET, &sb, sizeof sb);
    uint64_t position = sb.start_position, sequence = sb.start_sequence;
    unsigned count = 0;
    for (;;) {
        struct journal_block block;
        sim_peek(device, sb.journal_offset + position, &block, sizeof block);
        if (!journal_block_plausible(&block, &sb, position) || block.sequence != sequence)
            return count;
        *last = sb.journal_offset + position;
        *header = block;
        count++;
        sequence++;
        position += block.length_bytes;
        if (position >= sb.journal_bytes)
            position = 0;
    }
}

static void flip(uint64_t offset)
{
    uint8_t byte;
    sim_peek(device, offset, &byte, 1);
    byte ^= 0x10;
    sim_poke(device, offset, &byte, 1);
}

Test(journal, appends_are_answered_in_order_and_survive)
{
    struct job *jobs[100];
    char path[32];
    rig_open(2);
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "/file%d", i);
        jobs[i] = rig_create_file(path);
    }
    rig_settle();
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(jobs[i]->done, 1);
        cr_assert_eq(jobs[i]->append.result, 0);
        cr_assert(i == 0 || jobs[i]->order == jobs[i - 1]->order + 1);
    }
    for (int i = 0; i < 100; i++)
        free(jobs[i]);
    rig_cut();
    rig_open(1);
    cr_assert(!opening.was_clean);
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "/file%d", i);
        cr_assert_not_null(rig_find(path));
    }
    rig_close();
}

Test(journal, group_commit_gathers_what_comes_together)
{
    struct job *jobs[50];
    struct volume_figures before, after;
    rig_open(1);
    volume_figures(volume_get_shard(volume, 0), &before);
    for (unsigned i = 0; i < 50; i++)
        jobs[i] = rig_write_data(16 + i, 1, i, 0, rig_first_block() + i, 1, false);
    rig_settle();
    volume_figures(volume_get_shard(volume, 0), &after);
    cr_assert_eq(after.journal_blocks - before.journal_blocks, 1);
    cr_assert_eq(after.journal_records - before.journal_records, 50);
    for (unsigned i = 0; i < 50; i++)
        free(jobs[i]);
    rig_close();
}

Test(journal, a_barrier_waits_for_what_was_before_it)
{
    rig_open(3);
    struct job *barrier = job_new(), *idle = job_new();
    journal_barrier(volume_get_shard(volume, 2), &idle->append);
    job_wait(idle);
    cr_assert_eq(idle->append.result, 0);
    struct job *job = rig_write_data(2, 1, 10, 0, rig_first_block(), 1, false);
    journal_barrier(volume_get_shard(volume, 2), &barrier->append);
    cr_assert_eq(barrier->done, 0);
    job_wait(barrier);
    cr_assert_eq(job->done, 1);
    cr_assert_eq(barrier->order, job->order + 1);
    free(job);
    free(barrier);
    free(idle);
    rig_close();
}

/* Three blocks, then what a cut may have done to the last. */
static void three_blocks(void)
{
    rig_open(1);
    for (int i = 0; i < 3; i++) {
        char path[32];
        snprintf(path, sizeof path, "/file%d", i);
        struct job *job = rig_create_file(path);
        job_wait(job);
        free(job);
    }
    rig_cut();
}

Test(journal, a_torn_last_block_is_dropped)
{
    struct journal_block header;
    uint64_t last;
    three_blocks();
    unsigned count = walk(&last, &header);
    cr_assert_geq(count, 4);
    flip(last + 200);
    rig_open(1);
    cr_assert(!opening.read_only_damage);
    cr_assert_not_null(rig_find("/file1"));
    cr_assert_null(rig_find("/file2"));
    rig_close();
}

Test(journal, damage_in_the_middle_opens_read_only)
{
    struct journal_block header;
    uint64_t last;
    struct volume_check_report report;
    three_blocks();
    walk(&last, &header);
    flip(last - 4096 + 200);
    struct sim_statistics before = sim_statistics(device);
    cr_assert_eq(rig_check(&report), 1);
    cr_assert(strstr(reason, "journal"), "%s", reason);
    rig_open(2);
    cr_assert(opening.read_only_damage);
    cr_assert(volume_get_shard(volume, 0)->read_only);
    cr_assert(volume_get_shard(volume, 1)->read_only);
    cr_assert_not_null(rig_find("/file0"));
    cr_assert_null(rig_find("/file1"));
    struct job *job = rig_write_data(1, 1, 1, 0, rig_first_block(), 1, false);
    job_wait(job);
    cr_assert_eq(job->append.result, -EROFS);
    free(job);
    cr_assert_eq(rig_stop(), -EROFS);
    cr_assert_eq(sim_statistics(device).writes, before.writes);
    rig_close();
}

Test(journal, damage_of_the_first_block_is_named)
{
    struct superblock sb;
    three_blocks();
    sim_peek(device, SUPERBLOCK_OFFSET, &sb, sizeof sb);
    flip(sb.journal_offset + sb.start_position + 300);
    cr_assert_eq(rig_try_open(1), -EBADMSG);
    struct volume_check_report report;
    cr_assert_eq(rig_check(&report), 1);
}

Test(journal, a_failed_write_turns_the_volume_read_only)
{
    rig_open(3);
    struct job *jobs[3], *later;
    sim_fail_next(device, DEVICE_WRITE, -EIO);
    for (unsigned i = 0; i < 3; i++)
        jobs[i] = rig_write_data(i, 1, 1, 0, rig_first_block() + i, 1, i == 1);
    rig_settle();
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(jobs[i]->done, 1);
        cr_assert_eq(jobs[i]->append.result, -EROFS);
        cr_assert(volume_get_shard(volume, i)->read_only);
        free(jobs[i]);
    }
    uint64_t writes = sim_statistics(device).writes;
    later = rig_write_data(1, 1, 1, 0, rig_first_block(), 1, true);
    job_wait(later);
    cr_assert_eq(later->append.result, -EROFS);
    free(later);
    cr_assert_eq(rig_stop(), -EROFS);
    cr_assert_eq(sim_statistics(device).writes, writes);
    rig_close();
    rig_open(1);
    cr_assert(!opening.read_only_damage);
    rig_close();
}

static void count_failure(void *context)
{
    ++*(unsigned *)context;
}

static void flush_done(struct flush_request *request)
{
    ++done_count;
    (void)request;
}

Test(journal, a_failed_flush_is_told_to_everyone)
{
    struct flush_request requests[4];
    unsigned failures = 0;
    rig_open(2);
    for (unsigned i = 0; i < 2; i++) {
        volume_get_shard(volume, i)->failed = count_failure;
        volume_get_shard(volume, i)->failed_context = &failures;
    }
    sim_fail_next(device, DEVICE_FLUSH, -EIO);
    for (unsigned i = 0; i < 4; i++) {
        requests[i].done = flush_done;
        volume_flush(volume_get_shard(volume, i % 2), &requests[i]);
    }
    rig_settle();
    cr_assert_eq(done_count, 4);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(requests[i].result, -EIO);
    cr_assert_eq(failures, 2);
    volume_flush(volume_get_shard(volume, 1), &requests[0]);
    rig_settle();
    cr_assert_eq(done_count, 5);
    cr_assert_eq(requests[0].result, -EIO);
    struct job *job = rig_write_data(1, 1, 1, 0, rig_first_block(), 1, false);
    job_wait(job);
    cr_assert_eq(job->append.result, -EROFS);
    free(job);
    volume_fail(volume_get_shard(volume, 1), -EIO); /* again: nothing happens */
    rig_settle();
    cr_assert_eq(failures, 2);
    rig_close();
}

Test(journal, one_flush_serves_all_who_wait)
{
    struct flush_request requests[40];
    rig_open(4);
    uint64_t before = sim_statistics(device).flushes;
    for (unsigned i = 0; i < 40; i++) {
        requests[i].done = flush_done;
        volume_flush(volume_get_shard(volume, i % 4), &requests[i]);
    }
    rig_settle();
    cr_assert_eq(done_count, 40);
    cr_assert_leq(sim_statistics(device).flushes - before, 3);
    for (unsigned i = 0; i < 40; i++)
        cr_assert_eq(requests[i].result, 0);
    rig_close();
}

Test(journal, a_flush_covers_only_what_was_done_before_it)
{
    struct flush_request first = {.done = flush_done}, second = {.done = flush_done};
    rig_open(1);
    uint64_t before = sim_statistics(device).flushes;
    volume_flush(volume_get_shard(volume, 0), &first);
    rig_step_messages(); /* it is in flight */
    volume_flush(volume_get_shard(volume, 0), &second);
    rig_settle();
    cr_assert_eq(sim_statistics(device).flushes - before, 2);
    cr_assert_eq(done_count, 2);
    rig_close();
}

static void many_rounds(struct sim_options options, unsigned shards)
{
    sim_destroy(device);
    rig_create(options);
    rig_open(shards);
    /* Five times the ring, one block at a time. */
    for (unsigned i = 0; i < 1300; i++) {
        struct job *job =
            rig_write_data(16 + i % 40, 1, i, 2 * (i % 7), rig_first_block() + i, 1, false);
        job_wait(job);
        cr_assert_eq(job->append.result, 0);
        free(job);
    }
    rig_settle();
    struct volume_figures figures;
    volume_figures(volume_get_shard(volume, 0), &figures);
    cr_assert_geq(figures.checkpoints, 5);
    cr_assert_leq(figures.journal_bytes_used, volume_superblock(volume)->journal_bytes / 2 + 8192);
    rig_cut();
    rig_open(1);
    cr_assert(!opening.read_only_damage);
    rig_close();
}

Test(journal, the_ring_wraps_many_times)
{
    many_rounds(rig_options(2), 2);
}

Test(journal, the_ring_wraps_without_fua)
{
    struct sim_options options = rig_options(3);
    options.fua = false;
    many_rounds(options, 3);
}

Test(journal, the_ring_wraps_without_a_cache)
{
    struct sim_options options = rig_options(4);
    options.volatile_cache = options.fua = false;
    uint64_t flushes = sim_statistics(device).flushes;
    many_rounds(options, 1);
    cr_assert_leq(sim_statistics(device).flushes, flushes);
}

/* More than the ring holds, handed over in one go: everything waits, nothing is stuck, order stays. Names
 * cannot be checkpointed at a cut that the ring has no room for. */
Test(journal, more_names_than_the_ring_holds_at_once)
{
    enum { COUNT = 330 };
    static struct job *jobs[COUNT];
    char target[4000], path[32];
    memset(target, 'x', sizeof target - 1);
    target[sizeof target - 1] = 0;
    for (int round = 0; round < 3; round++) {
        rig_open(2);
        struct job *data[COUNT / 30];
        for (int i = 0; i < COUNT; i++) {
            snprintf(path, sizeof path, "/link%d", i);
            jobs[i] = round % 2 ? rig_unlink(path) : rig_create_link(path, target);
            if (i % 30 == 0)
                data[i / 30] = rig_write_data(1000 + (unsigned)i, 1, 1, 0,
                                              rig_first_block() + (unsigned)i, 1, false);
            if (i % 100 == 99)
                rig_step();
        }
        rig_settle();
        for (int i = 0; i < COUNT; i++) {
            cr_assert_eq(jobs[i]->done, 1, "%d", i);
            cr_assert_eq(jobs[i]->append.result, 0);
            cr_assert(i == 0 || jobs[i]->order > jobs[i - 1]->order);
        }
        for (int i = 0; i < COUNT; i++)
            free(jobs[i]);
        for (int i = 0; i < COUNT / 30; i++) {
            cr_assert_eq(data[i]->done, 1);
            free(data[i]);
        }
        rig_cut();
        rig_open(1);
        cr_assert(!opening.read_only_damage);
        for (int i = 0; i < COUNT; i++) {
            snprintf(path, sizeof path, "/link%d", i);
            cr_assert_eq(rig_find(path) == NULL, round % 2);
        }
        rig_close();
    }
}

/* The same with a cut in the middle: what was answered is there, and what is there is a prefix. */
Test(journal, a_cut_while_names_wait_for_the_ring, .timeout = 60)
{
    enum { COUNT = 290 };
    static struct job *jobs[COUNT], *data[COUNT];
    char target[4000], path[32];
    memset(target, 'x', sizeof target - 1);
    target[sizeof target - 1] = 0;
    for (unsigned steps = 1; steps < 140; steps += 3) {
        sim_destroy(device);
        rig_create(rig_options(steps));
        rig_open(2);
        for (int i = 0; i < COUNT; i++) {
            snprintf(path, sizeof path, "/link%d", i);
            jobs[i] = rig_create_link(path, target);
            data[i] = NULL;
            if (steps % 2 && i % 3 == 0)
                data[i] = rig_write_data(5000, 1, (uint64_t)i, 0, rig_first_block(), 95, true);
        }
        for (unsigned i = 0; i < steps; i++)
            rig_step();
        rig_cut();
        rig_open(1);
        cr_assert(!opening.read_only_damage);
        bool present = true;
        for (int i = 0; i < COUNT; i++) {
            snprintf(path, sizeof path, "/link%d", i);
            bool found = rig_find(path) != NULL;
            cr_assert(present || !found, "a hole before link %d", i);
            cr_assert(found || !jobs[i]->done, "link %d of %u steps", i, steps);
            present = found;
            free(jobs[i]);
            free(data[i]);
        }
        rig_close();
    }
}

/* Data records that only free are never refused; they wait for the ring like all others. */
Test(journal, more_data_than_the_ring_holds_at_once)
{
    enum { COUNT = 330 };
    static struct job *jobs[COUNT];
    rig_open(2);
    for (unsigned i = 0; i < COUNT; i++)
        jobs[i] = rig_write_data(16 + i % 5, 1, i, 0, rig_first_block() + 200 * (i % 5), 95, true);
    rig_settle();
    for (unsigned i = 0; i < COUNT; i++) {
        cr_assert_eq(jobs[i]->done, 1);
        cr_assert_eq(jobs[i]->append.result, 0);
    }
    for (unsigned i = 0; i < COUNT; i++)
        free(jobs[i]);
    rig_cut();
    rig_open(1);
    cr_assert(!opening.read_only_damage);
    rig_close();
}

/* The metadata area of the smallest volume fills up: what grows is refused, what frees passes. */
Test(journal, a_full_metadata_area_refuses_what_grows)
{
    rig_open(2);
    struct job *job = rig_create_file("/file");
    job_wait(job);
    free(job);
    struct name_inode *inode = rig_find("/file");
    int rc = 0;
    unsigned i;
    for (i = 0; i < 2000 && rc == 0; i++) {
        job = rig_write_data(inode->ino, inode->generation, 1, 160 * i,
                             rig_first_block() + 160 * i % 8000, 80, false);
        job_wait(job);
        rc = job->append.result;
        free(job);
    }
    cr_assert_eq(rc, -ENOSPC);
    cr_assert_gt(i, 50);
    cr_assert_eq(journal_room(volume_get_shard(volume, 0)), -ENOSPC);
    for (unsigned j = 0; j < 300; j++) {
        job = rig_write_data(inode->ino, inode->generation, j, 0, 0, 0, true);
        job_wait(job);
        cr_assert_eq(job->append.result, 0);
        free(job);
    }
    cr_assert(!volume_get_shard(volume, 0)->read_only);
    /* One file less, and there is room again. */
    uint64_t ino = inode->ino, generation = inode->generation;
    job = rig_unlink("/file");
    job_wait(job);
    free(job);
    struct volume_shard *shard = volume_get_shard(volume, volume_route(volume, ino));
    partition_drop(volume_partition(shard, ino), rig_data(ino, generation), NULL, NULL);
    journal_note_drop(volume_get_shard(volume, 0), ino);
    cr_assert_eq(journal_room(volume_get_shard(volume, 0)), -EAGAIN);
    job = job_new();
    journal_wait_room(volume_get_shard(volume, 0), &job->append);
    job_wait(job);
    free(job);
    cr_assert_eq(journal_room(volume_get_shard(volume, 0)), 0);
    job = rig_write_data(50, 1, 1, 0, rig_first_block(), 80, false);
    job_wait(job);
    cr_assert_eq(job->append.result, 0);
    free(job);
    rig_settle();
    cr_assert_eq(journal_room(volume_get_shard(volume, 0)), 0);
    cr_assert_eq(rig_stop(), 0);
    rig_close();
    rig_open(1);
    rig_close();
}

Test(journal, a_memory_limit_refuses_what_grows)
{
    keep_memory_small = true;
    rig_open(2);
    int rc = 0;
    for (unsigned i = 0; i < 2000 && rc == 0; i++) {
        struct job *job =
            rig_write_data(16 + i, 1, 1, 0, rig_first_block() + 80 * i % 8000, 40, false);
        job_wait(job);
        rc = job->append.result;
        free(job);
    }
    cr_assert_eq(rc, -ENOSPC);
    rig_cut();
}

Test(journal, a_volume_that_needs_more_memory_is_not_opened)
{
    char path[32];
    rig_open(1);
    struct job *jobs[1500];
    for (int i = 0; i < 1500; i++) {
        snprintf(path, sizeof path, "/more%d", i);
        jobs[i] = rig_create_file(path);
    }
    rig_settle();
    for (int i = 0; i < 1500; i++)
        free(jobs[i]);
    cr_assert_eq(rig_stop(), 0);
    rig_close();
    keep_memory_small = true;
    cr_assert_eq(rig_try_open(1), -ENOSPC);
    cr_assert(strstr(reason, "200000"), "%s", reason);
}
