/* test_sim.c - the simulated device keeps what it must, and loses what it may. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "server/device/sim.h"

#define KIB        1024u
#define SIZE_BYTES (16u << 20)
#define BLOCK      512u

static struct device *device;
static struct device_queue *queue;

static struct sim_options defaults(uint64_t seed)
{
    return (struct sim_options){
        .seed = seed,
        .size_bytes = SIZE_BYTES,
        .block_bytes = BLOCK,
        .volatile_cache = true,
        .fua = true,
        .delay_ns_max = 10000,
    };
}

static void start_with(struct sim_options options)
{
    cr_assert_eq(sim_create(&options, &device), 0);
    cr_assert_eq(device->operations->queue_create(device, NULL, &queue), 0);
}

static void start(void)
{
    start_with(defaults(1));
}

static void finish(void)
{
    sim_destroy(device);
}

/* An I/O with its memory and what came of it. */
struct job {
    struct device_io io;
    struct iovec segment;
    unsigned char *memory;
    unsigned done;
    uint64_t done_at;
};

static void job_done(struct device_io *io)
{
    struct job *job = (struct job *)io;
    job->done++;
    job->done_at = sim_clock(device)->monotonic_ns(sim_clock(device)->context);
}

static struct job *job_make(enum device_operation operation, uint64_t offset, size_t bytes,
                            int fill)
{
    struct job *job = calloc(1, sizeof(*job));
    job->memory = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096 + 4096);
    memset(job->memory, fill, bytes);
    job->segment = (struct iovec){job->memory, bytes};
    job->io = (struct device_io){.done = job_done,
                                 .operation = operation,
                                 .offset = offset,
                                 .length_bytes = bytes,
                                 .segments = &job->segment,
                                 .segment_count = 1};
    return job;
}

static void job_free(struct job *job)
{
    free(job->memory);
    free(job);
}

static void run_all(void)
{
    while (sim_step(device))
        ;
}

/* Submits, runs everything, and returns the result. */
static int run_one(enum device_operation operation, uint32_t flags, uint64_t offset, size_t bytes,
                   int fill)
{
    struct job *job = job_make(operation, offset, bytes, fill);
    job->io.flags = flags;
    device_submit(queue, &job->io);
    cr_assert_eq(job->done, 0, "never from inside submit");
    run_all();
    cr_assert_eq(job->done, 1);
    int result = job->io.result;
    job_free(job);
    return result;
}

static int write_now(uint64_t offset, size_t bytes, int fill)
{
    return run_one(DEVICE_WRITE, 0, offset, bytes, fill);
}

static int flush_now(void)
{
    return run_one(DEVICE_FLUSH, 0, 0, 0, 0);
}

/* How many of the blocks in the range hold `fill`; every one must hold one of the two. */
static unsigned blocks_holding(uint64_t offset, size_t bytes, int fill, int otherwise)
{
    unsigned char block[BLOCK], wanted[BLOCK], other[BLOCK];
    unsigned count = 0;
    memset(wanted, fill, BLOCK);
    memset(other, otherwise, BLOCK);
    for (size_t at = 0; at < bytes; at += BLOCK) {
        sim_peek(device, offset + at, block, BLOCK);
        bool is_wanted = memcmp(block, wanted, BLOCK) == 0;
        cr_assert(is_wanted || memcmp(block, other, BLOCK) == 0, "a block is torn inside");
        count += is_wanted;
    }
    return count;
}

Test(sim, reads_what_was_written, .init = start, .fini = finish)
{
    cr_assert_eq(write_now(64 * KIB - 4096, 8192, 'a'), 0);
    struct job *job = job_make(DEVICE_READ, 64 * KIB - 4096, 8192, 0);
    struct iovec halves[2] = {{job->memory + 4096, 4096}, {job->memory, 4096}};
    job->io.segments = halves;
    job->io.segment_count = 2;
    device_submit(queue, &job->io);
    run_all();
    cr_assert_eq(job->io.result, 0);
    for (size_t i = 0; i < 8192; i++)
        cr_assert_eq(job->memory[i], 'a');
    job_free(job);
    cr_assert_eq(queue->reads, 1);
    cr_assert_eq(queue->writes, 1);
    cr_assert_eq(queue->in_flight, 0);
}

Test(sim, unwritten_is_zero_and_zeroes_are_zero, .init = start, .fini = finish)
{
    cr_assert_eq(blocks_holding(1 << 20, 4096, 0, 0), 8);
    write_now(0, 4096, 'x');
    cr_assert_eq(run_one(DEVICE_WRITE_ZEROES, 0, 0, 2048, 0), 0);
    cr_assert_eq(blocks_holding(0, 4096, 0, 'x'), 4);
}

Test(sim, past_the_end_is_eio, .init = start, .fini = finish)
{
    cr_assert_eq(write_now(SIZE_BYTES - 512, 1024, 'a'), -EIO);
    cr_assert_eq(run_one(DEVICE_READ, 0, SIZE_BYTES, 512, 0), -EIO);
    cr_assert_eq(run_one(DEVICE_READ, 0, UINT64_MAX - 511, 512, 0), -EIO);
    cr_assert_eq(blocks_holding(SIZE_BYTES - 512, 512, 0, 0), 1);
}

Test(sim, a_breach_of_the_contract_aborts, .init = start, .signal = SIGABRT)
{
    write_now(100, 512, 'a');
}

Test(sim, a_lost_flush_loses_data)
{
    unsigned lost = 0, kept = 0, torn = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        start_with(defaults(seed));
        write_now(0, 4096, 'n');
        sim_power_cut(device);
        unsigned there = blocks_holding(0, 4096, 'n', 0);
        lost += there == 0;
        kept += there == 8;
        torn += there > 0 && there < 8;
        finish();
    }
    cr_assert(lost > 20 && kept > 20 && torn > 20, "%u lost, %u kept, %u torn", lost, kept, torn);
}

Test(sim, a_flush_keeps_what_was_done_before_it)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        start_with(defaults(seed));
        write_now(0, 4096, 'o');
        write_now(0, 4096, 'n');
        cr_assert_eq(flush_now(), 0);
        sim_power_cut(device);
        cr_assert_eq(blocks_holding(0, 4096, 'n', 0), 8);
        finish();
    }
}

Test(sim, a_flush_does_not_cover_what_is_done_after_its_submit)
{
    unsigned lost = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        start_with(defaults(seed));
        write_now(0, 4096, 'o');
        struct job *flush = job_make(DEVICE_FLUSH, 0, 0, 0);
        sim_hold(device, DEVICE_FLUSH, 0, 0);
        device_submit(queue, &flush->io);
        write_now(0, 4096, 'n');
        cr_assert_eq(sim_held(device), 1);
        sim_release(device);
        run_all();
        cr_assert_eq(flush->done, 1);
        sim_power_cut(device);
        lost += blocks_holding(0, 4096, 'n', 'o') < 8;
        job_free(flush);
        finish();
    }
    cr_assert_gt(lost, 20);
}

/* Many versions of one block are more than the history keeps: what a flush promised must hold anyway. */
Test(sim, a_flush_holds_though_many_versions_follow)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        start_with(defaults(seed));
        write_now(0, 512, 'a');
        struct job *flush = job_make(DEVICE_FLUSH, 0, 0, 0);
        sim_hold(device, DEVICE_FLUSH, 0, 0);
        device_submit(queue, &flush->io);
        for (int i = 0; i < 20; i++)
            write_now(0, 512, 'b' + i);
        sim_release(device);
        run_all();
        sim_power_cut(device);
        unsigned char byte;
        sim_peek(device, 0, &byte, 1);
        cr_assert(byte >= 'a', "older than what the flush covered: %d", byte);
        job_free(flush);
        finish();
    }
}

Test(sim, fua_keeps_its_own_range_and_nothing_else)
{
    unsigned lost = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        start_with(defaults(seed));
        write_now(8192, 4096, 'p');
        cr_assert_eq(run_one(DEVICE_WRITE, DEVICE_FUA, 0, 4096, 'f'), 0);
        sim_power_cut(device);
        cr_assert_eq(blocks_holding(0, 4096, 'f', 0), 8);
        lost += blocks_holding(8192, 4096, 'p', 0) < 8;
        finish();
    }
    cr_assert_gt(lost, 20);
}

Test(sim, fua_without_the_capability_is_refused)
{
    struct sim_options options = defaults(1);
    options.fua = false;
    start_with(options);
    cr_assert_eq(run_one(DEVICE_WRITE, DEVICE_FUA, 0, 512, 'f'), -EOPNOTSUPP);
    cr_assert_eq(blocks_holding(0, 512, 0, 'f'), 1);
    finish();
}

Test(sim, without_a_volatile_cache_done_is_durable)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct sim_options options = defaults(seed);
        options.volatile_cache = options.fua = false;
        start_with(options);
        write_now(0, 4096, 'n');
        cr_assert_eq(run_one(DEVICE_WRITE, DEVICE_FUA, 4096, 4096, 'n'), 0);
        sim_power_cut(device);
        cr_assert_eq(blocks_holding(0, 8192, 'n', 0), 16);
        finish();
    }
}

Test(sim, a_write_in_flight_at_the_cut_is_torn)
{
    unsigned torn = 0, whole = 0;
    uint64_t counted = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        start_with(defaults(seed));
        struct job *job = job_make(DEVICE_WRITE, 0, 8192, 'n');
        device_submit(queue, &job->io);
        job->memory[0] = 'x'; /* the bytes of submit count; this memory may be gone by now */
        sim_power_cut(device);
        cr_assert_eq(job->done, 0);
        unsigned there = blocks_holding(0, 8192, 'n', 0);
        torn += there > 0 && there < 16;
        whole += there == 16;
        counted += sim_statistics(device).sectors_torn_writes;
        cr_assert_eq(sim_in_flight(device), 0);
        job_free(job);
        finish();
    }
    cr_assert(torn > 20 && whole > 10, "%u torn, %u whole", torn, whole);
    cr_assert_eq(counted, torn);
}

Test(sim, blocks_of_4096_do_not_tear_inside)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct sim_options options = defaults(seed);
        options.block_bytes = 4096;
        start_with(options);
        cr_assert_eq(device->capabilities.atomic_unit_bytes, 4096);
        write_now(0, 16384, 'n');
        sim_power_cut(device);
        for (unsigned block = 0; block < 4; block++)
            cr_assert_eq(blocks_holding(block * 4096, 4096, 'n', 0) % 8, 0);
        finish();
    }
}

Test(sim, a_failed_flush_may_lose_for_good)
{
    unsigned lost = 0, kept = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        start_with(defaults(seed));
        write_now(0, 4096, 'n');
        sim_fail_next(device, DEVICE_FLUSH, EIO);
        struct job *flush = job_make(DEVICE_FLUSH, 0, 0, 0);
        device_submit(queue, &flush->io);
        run_all();
        cr_assert_eq(flush->io.result, -EIO);
        cr_assert(flush->io.flush_failed);
        cr_assert_eq(blocks_holding(0, 4096, 'n', 0), 8, "readable from the cache");
        cr_assert_eq(flush_now(), 0);
        cr_assert_eq(blocks_holding(0, 4096, 'n', 0), 8, "readable from the cache");
        sim_power_cut(device);
        unsigned there = blocks_holding(0, 4096, 'n', 0);
        lost += there < 8;
        kept += there > 0;
        job_free(flush);
        finish();
    }
    cr_assert(lost > 50 && kept > 50, "a good flush proves nothing: %u lost, %u kept", lost, kept);
}

Test(sim, what_a_failed_flush_lost_is_saved_by_writing_again)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        start_with(defaults(seed));
        write_now(0, 4096, 'o');
        sim_fail_next(device, DEVICE_FLUSH, EIO);
        cr_assert_eq(flush_now(), -EIO);
        write_now(0, 4096, 'n');
        cr_assert_eq(flush_now(), 0);
        sim_power_cut(device);
        cr_assert_eq(blocks_holding(0, 4096, 'n', 0), 8);
        finish();
    }
}

Test(sim, a_failed_write_may_be_there_in_part)
{
    unsigned none = 0, part = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        start_with(defaults(seed));
        sim_fail_next(device, DEVICE_WRITE, EIO);
        cr_assert_eq(write_now(0, 4096, 'n'), -EIO);
        unsigned there = blocks_holding(0, 4096, 'n', 0);
        none += there == 0;
        part += there > 0 && there < 8;
        cr_assert_eq(sim_statistics(device).write_errors, 1);
        finish();
    }
    cr_assert(none > 20 && part > 20, "%u none, %u part", none, part);
}

Test(sim, a_failed_read_leaves_no_data, .init = start, .fini = finish)
{
    write_now(0, 512, 'n');
    sim_fail_next(device, DEVICE_READ, -EIO);
    struct job *job = job_make(DEVICE_READ, 0, 512, 0);
    device_submit(queue, &job->io);
    run_all();
    cr_assert_eq(job->io.result, -EIO);
    cr_assert_neq(job->memory[0], 'n');
    job_free(job);
    cr_assert_eq(run_one(DEVICE_READ, 0, 0, 512, 0), 0, "only the next one");
}

Test(sim, faults_come_as_often_as_asked)
{
    struct sim_options options = defaults(3);
    options.write_error_one_in = 10;
    start_with(options);
    for (unsigned i = 0; i < 1000; i++)
        write_now(i * 512ull, 512, 'n');
    uint64_t errors = sim_statistics(device).write_errors;
    cr_assert(errors > 50 && errors < 200, "%lu", (unsigned long)errors);
    sim_set_faults(device, 0, 0, 0, 0);
    for (unsigned i = 0; i < 100; i++)
        cr_assert_eq(write_now(i * 512ull, 512, 'n'), 0);
    finish();
}

Test(sim, pieces_of_a_split_write_can_be_seen)
{
    unsigned seen_half = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim_options options = defaults(seed);
        options.split_one_in = 1;
        start_with(options);
        struct job *job = job_make(DEVICE_WRITE, 0, 8192, 'n');
        device_submit(queue, &job->io);
        while (!job->done && sim_step(device)) {
            unsigned there = blocks_holding(0, 8192, 'n', 0);
            seen_half += there > 0 && there < 16;
        }
        cr_assert_eq(blocks_holding(0, 8192, 'n', 0), 16);
        cr_assert_eq(sim_statistics(device).splits, 1);
        job_free(job);
        finish();
    }
    cr_assert_geq(seen_half, 20);
}

/* A flush submitted while a write is half performed does not cover it. */
Test(sim, a_flush_does_not_cover_a_write_in_flight)
{
    unsigned lost = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct sim_options options = defaults(seed);
        options.split_one_in = 1;
        start_with(options);
        struct job *job = job_make(DEVICE_WRITE, 0, 8192, 'n');
        device_submit(queue, &job->io);
        sim_step(device);
        sim_hold(device, DEVICE_WRITE, 0, 8192);
        cr_assert_eq(flush_now(), 0);
        sim_power_cut(device);
        lost += blocks_holding(0, 8192, 'n', 0) == 0;
        job_free(job);
        finish();
    }
    cr_assert_gt(lost, 5);
}

Test(sim, completions_come_out_of_order_and_the_clock_moves, .init = start, .fini = finish)
{
    struct job *jobs[50];
    unsigned swapped = 0;
    for (unsigned i = 0; i < 50; i++) {
        jobs[i] = job_make(DEVICE_WRITE, i * 4096ull, 4096, 'a');
        device_submit(queue, &jobs[i]->io);
    }
    cr_assert_eq(sim_in_flight(device), 50);
    run_all();
    for (unsigned i = 1; i < 50; i++)
        swapped += jobs[i]->done_at < jobs[i - 1]->done_at;
    cr_assert_gt(swapped, 5);
    for (unsigned i = 0; i < 50; i++)
        job_free(jobs[i]);
}

Test(sim, hold_keeps_what_overlaps_in_flight, .init = start, .fini = finish)
{
    struct job *held = job_make(DEVICE_WRITE, 4096, 4096, 'a');
    struct job *other = job_make(DEVICE_WRITE, 8192, 4096, 'b');
    sim_hold(device, DEVICE_WRITE, 7680, 512);
    device_submit(queue, &held->io);
    device_submit(queue, &other->io);
    run_all();
    cr_assert_eq(held->done, 0);
    cr_assert_eq(other->done, 1);
    cr_assert_eq(sim_held(device), 1);
    sim_release(device);
    run_all();
    cr_assert_eq(held->done, 1);
    job_free(held);
    job_free(other);
}

Test(sim, overlapping_writes_are_counted, .init = start, .fini = finish)
{
    struct job *first = job_make(DEVICE_WRITE, 0, 4096, 'a');
    struct job *next = job_make(DEVICE_WRITE, 4096, 4096, 'b');
    struct job *across = job_make(DEVICE_WRITE, 3584, 1024, 'c');
    device_submit(queue, &first->io);
    device_submit(queue, &next->io);
    cr_assert_eq(sim_statistics(device).overlapping_writes, 0);
    device_submit(queue, &across->io);
    cr_assert_eq(sim_statistics(device).overlapping_writes, 1);
    run_all();
    device_submit(queue, &first->io);
    run_all();
    cr_assert_eq(sim_statistics(device).overlapping_writes, 1);
    job_free(first);
    job_free(next);
    job_free(across);
}

Test(sim, unstable_writes_are_counted_once, .init = start, .fini = finish)
{
    struct job *job = job_make(DEVICE_WRITE, 0, 4096, 'a');
    device_submit(queue, &job->io);
    job->memory[4095] = 'b';
    run_all();
    cr_assert_eq(sim_statistics(device).unstable_writes, 1);
    device_submit(queue, &job->io);
    run_all();
    cr_assert_eq(sim_statistics(device).unstable_writes, 1);
    job_free(job);
}

/* A history of writes, flushes, cuts; returns a digest of what can be seen. */
static uint64_t history(uint64_t seed)
{
    struct sim_options options = defaults(seed);
    options.write_error_one_in = 20;
    options.flush_error_one_in = 5;
    options.split_one_in = 3;
    start_with(options);
    uint64_t digest = 1469598103934665603u;
    for (unsigned i = 0; i < 200; i++) {
        digest =
            (digest ^ (unsigned)write_now(i * 7919 % 1000 * 512, 4096, (int)i)) * 1099511628211u;
        if (i % 10 == 9)
            digest = (digest ^ (unsigned)flush_now()) * 1099511628211u;
        if (i % 50 == 49) {
            sim_power_cut(device);
            cr_assert_eq(device->operations->queue_create(device, NULL, &queue), 0);
        }
    }
    static unsigned char all[512 * 1010];
    sim_peek(device, 0, all, sizeof(all));
    for (size_t i = 0; i < sizeof(all); i++)
        digest = (digest ^ all[i]) * 1099511628211u;
    digest ^= sim_clock(device)->monotonic_ns(sim_clock(device)->context);
    finish();
    return digest;
}

Test(sim, the_same_seed_gives_the_same_history)
{
    cr_assert_eq(history(42), history(42));
    cr_assert_neq(history(42), history(43));
}

Test(sim, blocking_transfers_follow_the_same_rules)
{
    unsigned char *buffer = aligned_alloc(4096, 3 << 20);
    unsigned lost = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        start_with(defaults(seed));
        memset(buffer, 'n', 3 << 20);
        cr_assert_eq(device_transfer(device, DEVICE_WRITE, 0, 0, buffer, 3 << 20), 0);
        cr_assert_eq(sim_statistics(device).writes, 3);
        cr_assert_eq(device_transfer(device, DEVICE_WRITE, DEVICE_FUA, 4 << 20, buffer + 1, 512),
                     0);
        memset(buffer, 0, 3 << 20);
        cr_assert_eq(device_transfer(device, DEVICE_READ, 0, 0, buffer, 3 << 20), 0);
        cr_assert(buffer[0] == 'n' && buffer[(3 << 20) - 1] == 'n');
        cr_assert_eq(device_transfer(device, DEVICE_READ, 0, SIZE_BYTES, buffer, 512), -EIO);
        sim_power_cut(device);
        cr_assert_eq(blocks_holding(4 << 20, 512, 'n', 0), 1);
        lost += blocks_holding(0, 1 << 20, 'n', 0) < 2048;
        finish();
    }
    cr_assert_gt(lost, 5);
    free(buffer);
}

Test(sim, cut_after_counts_blocking_writes)
{
    unsigned char buffer[4096];
    unsigned torn = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        start_with(defaults(seed));
        memset(buffer, 'n', sizeof(buffer));
        sim_cut_after(device, 2);
        cr_assert_eq(device_transfer(device, DEVICE_WRITE, DEVICE_FUA, 0, buffer, 4096), 0);
        cr_assert_eq(device_transfer(device, DEVICE_READ, 0, 0, buffer, 4096), 0);
        cr_assert_not(sim_cut_happened(device));
        cr_assert_eq(device_transfer(device, DEVICE_FLUSH, 0, 0, NULL, 0), 0);
        cr_assert(sim_cut_happened(device));
        cr_assert_eq(device_transfer(device, DEVICE_READ, 0, 0, buffer, 4096), -EIO);
        cr_assert_eq(device_transfer(device, DEVICE_WRITE, 0, 8192, buffer, 4096), -EIO);
        cr_assert_eq(device_transfer(device, DEVICE_WRITE, 0, 16384, buffer, 4096), -EIO);
        sim_power_cut(device);
        cr_assert_not(sim_cut_happened(device));
        cr_assert_eq(blocks_holding(0, 4096, 'n', 0), 8);
        unsigned there = blocks_holding(8192, 4096, 'n', 0);
        torn += there > 0 && there < 8;
        cr_assert_eq(blocks_holding(16384, 4096, 0, 'n'), 8, "only the first was on its way");
        finish();
    }
    cr_assert_gt(torn, 10);
}

Test(sim, queues_are_dead_after_a_cut, .init = start, .fini = finish)
{
    struct job *job = job_make(DEVICE_WRITE, 0, 512, 'a');
    sim_power_cut(device);
    device_submit(queue, &job->io);
    cr_assert_not(sim_step(device));
    cr_assert_eq(job->done, 0);
    device->operations->queue_destroy(queue);
    device_close(device);
    cr_assert_eq(device->operations->queue_create(device, NULL, &queue), 0);
    cr_assert_eq(write_now(0, 512, 'b'), 0);
    job_free(job);
}

Test(sim, poke_changes_what_is_stored, .init = start, .fini = finish)
{
    write_now(0, 4096, 'a');
    sim_poke(device, 510, "1234", 4);
    char seen[6] = "";
    sim_peek(device, 509, seen, 5);
    cr_assert_str_eq(seen, "a1234");
    sim_power_cut(device);
    sim_peek(device, 510, seen, 4);
    cr_assert_eq(memcmp(seen, "1234", 4), 0);
}

Test(sim, discarded_contents_are_undefined, .init = start, .fini = finish)
{
    write_now(0, 1 << 16, 'a');
    cr_assert_eq(run_one(DEVICE_DISCARD, 0, 0, 1 << 16, 0), 0);
    unsigned char all[1 << 16];
    unsigned kept = 0, zero = 0;
    sim_peek(device, 0, all, sizeof(all));
    for (size_t at = 0; at < sizeof(all); at += BLOCK) {
        kept += all[at] == 'a';
        zero += all[at] == 0;
    }
    cr_assert(kept > 10 && zero > 10 && kept + zero < 120);
    cr_assert_eq(sim_statistics(device).discards, 1);
}

Test(sim, a_large_device_costs_little)
{
    struct sim_options options = defaults(1);
    options.size_bytes = 1ull << 40;
    start_with(options);
    cr_assert_eq(write_now((1ull << 40) - 4096, 4096, 'z'), 0);
    cr_assert_eq(blocks_holding((1ull << 40) - 4096, 4096, 'z', 0), 8);
    finish();
}

Test(sim, the_clock_is_simulated, .init = start, .fini = finish)
{
    clock_install(sim_clock(device));
    uint64_t before = clock_monotonic_ns();
    cr_assert_eq(clock_monotonic_ns(), before);
    sim_advance_clock(device, 5);
    cr_assert_eq(clock_monotonic_ns(), before + 5);
    unsigned char first[13], second[13];
    clock_random_bytes(first, sizeof(first));
    clock_random_bytes(second, sizeof(second));
    cr_assert_neq(memcmp(first, second, sizeof(first)), 0);
    clock_install(NULL);
}

Test(sim, impossible_options_are_refused)
{
    struct sim_options options = defaults(1);
    options.block_bytes = 1024;
    cr_assert_eq(sim_create(&options, &device), -EINVAL);
    options = defaults(1);
    options.size_bytes = 1000;
    cr_assert_eq(sim_create(&options, &device), -EINVAL);
}
