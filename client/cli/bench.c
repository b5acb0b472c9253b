/*
 * bench.c - measures one session with one file of its own.
 *
 * The file is unlinked as soon as it is open: it lives to the last close, so however the program ends,
 * nothing is left behind. It is written in full before the clock starts (not for append), so that writes
 * overwrite and reads find data. Requests come from buffers in the shared arena, `depth` of them in flight;
 * latency runs from prep to the return of the wt_wait that brought the completion.
 */
#include "client/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/histogram.h"
#include "client/cli/json.h"
#include "client/cli/progress.h"
#include "proto/limits.h"

#define FILE_BYTES_DEFAULT (256ull << 20)
#define FILL_BYTES         (1ull << 20)
#define FILL_DEPTH         4u
#define BLOCK_BYTES_MAX    (64ull << 20)
#define COMPLETIONS        64u

static volatile sig_atomic_t stopped;

static void on_stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

struct bench {
    struct cli *cli;
    struct wt *session;
    int handle;
    unsigned depth;
    size_t block_bytes;
    uint64_t file_bytes, blocks;
    bool writes, random, append;
    unsigned char *buffers;     /* depth blocks, in the arena */
    uint64_t *started_ns;       /* of the request in each buffer */
    unsigned *free, free_count; /* buffers not in flight */
    uint64_t next_block, random_state, appended_bytes;
    uint64_t operations, elapsed_ns;
    struct histogram latency_ns;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* xorshift64*: plenty for choosing blocks and filling buffers. */
static uint64_t bench_random(struct bench *bench)
{
    bench->random_state ^= bench->random_state >> 12;
    bench->random_state ^= bench->random_state << 25;
    bench->random_state ^= bench->random_state >> 27;
    return bench->random_state * 0x2545f4914f6cdd1dull;
}

static off_t bench_offset(struct bench *bench)
{
    uint64_t block = bench->random
                         ? (uint64_t)((unsigned __int128)bench_random(bench) * bench->blocks >> 64)
                         : bench->next_block++ % bench->blocks;
    return (off_t)(block * bench->block_bytes);
}

static int bench_prepare_one(struct bench *bench)
{
    unsigned place = bench->free[bench->free_count - 1];
    unsigned char *buffer = bench->buffers + (size_t)place * bench->block_bytes;
    int level = bench->cli->level;
    int error;

    bench->started_ns[place] = now_ns();
    if (bench->append)
        error = wt_prep_write(bench->session, bench->handle, buffer, bench->block_bytes, 0,
                              level | WT_APPEND, place);
    else if (bench->writes)
        error = wt_prep_write(bench->session, bench->handle, buffer, bench->block_bytes,
                              bench_offset(bench), level, place);
    else
        error = wt_prep_read(bench->session, bench->handle, buffer, bench->block_bytes,
                             bench_offset(bench), 0, place);
    if (error == 0) {
        bench->free_count--;
        bench->appended_bytes += bench->append ? bench->block_bytes : 0;
    }
    return error;
}

/* Takes what has completed, waiting for one at least but not past 100 ms, so that a signal is seen. The
 * number taken, or a negative errno. */
static int bench_collect(struct bench *bench)
{
    struct wt_completion completions[COMPLETIONS];
    int count = wt_wait(bench->session, completions, COMPLETIONS, 1,
                        &(struct timespec){.tv_nsec = 100000000});

    if (count < 0)
        return count == -ETIME ? 0 : count;
    uint64_t now = now_ns();
    for (int i = 0; i < count; i++) {
        if (completions[i].result < 0)
            return (int)completions[i].result;
        if ((size_t)completions[i].result != bench->block_bytes)
            return -EIO;
        unsigned place = (unsigned)completions[i].user_data;
        histogram_add(&bench->latency_ns, now - bench->started_ns[place]);
        bench->free[bench->free_count++] = place;
        bench->operations++;
    }
    return count;
}

static int bench_drain(struct bench *bench)
{
    int count = 0;
    while (count >= 0 && bench->free_count < bench->depth)
        count = bench_collect(bench);
    return count < 0 ? count : 0;
}

/* Appends start over when the file has reached its size. */
static int bench_wrap(struct bench *bench)
{
    int error = bench_drain(bench);
    bench->appended_bytes = 0;
    return error != 0 ? error : wt_ftruncate(bench->session, bench->handle, 0);
}

static int bench_measure(struct bench *bench)
{
    uint64_t start_ns = now_ns();
    uint64_t end_ns = start_ns + (uint64_t)(bench->cli->time_s * 1e9);
    int error = 0;

    while (error == 0 && !stopped && now_ns() < end_ns) {
        if (bench->append && bench->appended_bytes + bench->block_bytes > bench->file_bytes)
            error = bench_wrap(bench);
        while (error == 0 && bench->free_count > 0 &&
               (!bench->append || bench->appended_bytes + bench->block_bytes <= bench->file_bytes))
            error = bench_prepare_one(bench);
        if (error == -EAGAIN)
            error = 0;
        if (error == 0) {
            int count = bench_collect(bench);
            error = count < 0 ? count : 0;
        }
    }
    if (error == 0)
        error = bench_drain(bench);
    bench->elapsed_ns = now_ns() - start_ns;
    return error;
}

/* Writes the whole file, so that nothing measured later allocates or meets a hole. */
static int bench_fill(struct bench *bench)
{
    unsigned char *data = allocate(FILL_BYTES);
    uint64_t sent_bytes = 0;
    unsigned in_flight = 0;
    int error = 0;

    for (size_t i = 0; i < FILL_BYTES; i += 8) {
        uint64_t word = bench_random(bench);
        memcpy(data + i, &word, 8);
    }
    while (error == 0 && (in_flight > 0 || (!stopped && sent_bytes < bench->file_bytes))) {
        uint64_t left = bench->file_bytes - sent_bytes;
        size_t bytes = left < FILL_BYTES ? (size_t)left : FILL_BYTES;
        if (!stopped && bytes > 0 && in_flight < FILL_DEPTH) {
            error = wt_prep_write(bench->session, bench->handle, data, bytes, (off_t)sent_bytes,
                                  WT_THROUGH, bytes);
            if (error == 0) {
                sent_bytes += bytes;
                in_flight++;
                continue;
            }
            if (error != -EAGAIN || in_flight == 0)
                break;
        }
        struct wt_completion completion;
        int count = wt_wait(bench->session, &completion, 1, 1, NULL);
        error = count != 1              ? count < 0 ? count : -EREMOTEIO
                : completion.result < 0 ? (int)completion.result
                : (uint64_t)completion.result != completion.user_data ? -ENOSPC
                                                                      : 0;
        in_flight--;
    }
    free(data);
    return error == 0 ? wt_fsync(bench->session, bench->handle) : error;
}

/* The main session has the default arena; a deep or wide bench needs one of its own. */
static int bench_connect(struct bench *bench)
{
    struct wt_options options = WT_OPTIONS_INIT;

    options.ring_entries = 128;
    /* A request beyond 1 MiB is several. */
    uint64_t entries = bench->depth * ((bench->block_bytes + FILL_BYTES - 1) / FILL_BYTES);
    while (options.ring_entries < entries && options.ring_entries < WT_RING_ENTRIES_MAX)
        options.ring_entries *= 2;
    /* The buffers, and room for the filling and for names. */
    uint64_t buffer_bytes = (uint64_t)bench->depth * bench->block_bytes;
    options.arena_bytes = (buffer_bytes + (FILL_DEPTH + 2) * FILL_BYTES + 4095) & ~4095ull;
    if (options.arena_bytes > WT_ARENA_BYTES_MAX || entries > WT_RING_ENTRIES_MAX)
        return say_usage("bench: --depth times --bs is more than a session can hold in flight");
    int error = wt_connect(bench->cli->socket_path, &options, &bench->session);
    if (error != 0)
        return say_reason(bench->cli->socket_path, wt_connect_error());
    bench->buffers = wt_buf_alloc(bench->session, buffer_bytes);
    if (bench->buffers == NULL)
        return say_error("bench", -ENOBUFS);
    for (uint64_t i = 0; i + 8 <= buffer_bytes; i += 8) {
        uint64_t word = bench_random(bench);
        memcpy(bench->buffers + i, &word, 8);
    }
    return 0;
}

static int bench_file(struct bench *bench, const char *directory)
{
    char name[64];
    snprintf(name, sizeof name, ".wt-bench-%d-%08x", getpid(), (unsigned)(now_ns() >> 10));
    char *path = path_join(directory, name);

    bench->handle = wt_open(bench->session, path, O_RDWR | O_CREAT | O_EXCL, 0600);
    int error = bench->handle < 0 ? bench->handle : wt_unlink(bench->session, path);
    int code = error != 0 ? say_error(path, error) : 0;
    free(path);
    return code;
}

static void bench_print(const struct bench *bench)
{
    double seconds = (double)bench->elapsed_ns / 1e9;
    double iops = seconds > 0 ? (double)bench->operations / seconds : 0;
    double bytes_per_s = iops * (double)bench->block_bytes;
    double p50_us = (double)histogram_percentile(&bench->latency_ns, 500000) / 1e3;
    double p99_us = (double)histogram_percentile(&bench->latency_ns, 990000) / 1e3;
    double p999_us = (double)histogram_percentile(&bench->latency_ns, 999000) / 1e3;

    if (!given(bench->cli, OPTION_JSON)) {
        printf("%.0f iops, %.0f bytes/s; p50 %.2f us, p99 %.2f us, p999 %.2f us\n", iops,
               bytes_per_s, p50_us, p99_us, p999_us);
        return;
    }
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, "iops", json_object_new_double(iops));
    json_object_object_add(object, "bytes_per_s", json_object_new_double(bytes_per_s));
    json_object_object_add(object, "p50_us", json_object_new_double(p50_us));
    json_object_object_add(object, "p99_us", json_object_new_double(p99_us));
    json_object_object_add(object, "p999_us", json_object_new_double(p999_us));
    json_object_object_add(object, "operations", json_object_new_uint64(bench->operations));
    json_object_object_add(object, "seconds", json_object_new_double(seconds));
    json_print(object);
}

static int bench_run(struct bench *bench, const char *directory)
{
    int code = bench_connect(bench);
    if (code == 0)
        code = bench_file(bench, directory);
    if (code != 0)
        return code;
    bench->started_ns = allocate(bench->depth * sizeof *bench->started_ns);
    bench->free = allocate(bench->depth * sizeof *bench->free);
    for (unsigned i = 0; i < bench->depth; i++)
        bench->free[bench->free_count++] = i;
    progress_begin(bench->cli, "bench");
    int error = bench->append ? 0 : bench_fill(bench);
    if (error == 0)
        error = bench_measure(bench);
    progress_end();
    free(bench->free);
    free(bench->started_ns);
    if (error != 0)
        return say_error("bench", error);
    if (stopped)
        say_failure("bench", "interrupted; the figures are of the time until then");
    bench_print(bench);
    return stopped ? 1 : 0;
}

int look_bench(struct cli *cli, int count, char **operands)
{
    (void)count, (void)operands;
    bool append = cli->pattern == BENCH_APPEND;

    if (!given(cli, OPTION_SIZE))
        cli->size_bytes = FILE_BYTES_DEFAULT;
    if (cli->depth > WT_RING_ENTRIES_MAX)
        return say_usage("bench: --depth is at most %u", WT_RING_ENTRIES_MAX);
    if (cli->block_bytes > (append ? FILL_BYTES : BLOCK_BYTES_MAX))
        return say_usage("bench: --bs is at most %s", append ? "1M for append" : "64M");
    if (cli->size_bytes < cli->block_bytes)
        return say_usage("bench: --size is less than one --bs");
    return 0;
}

int command_bench(struct cli *cli, int count, char **operands)
{
    struct bench *bench = allocate(sizeof *bench);
    *bench = (struct bench){
        .cli = cli,
        .depth = (unsigned)cli->depth,
        .block_bytes = cli->block_bytes,
        .file_bytes = cli->size_bytes,
        .blocks = cli->size_bytes / cli->block_bytes,
        .writes = cli->pattern != BENCH_READ && cli->pattern != BENCH_RANDOM_READ,
        .random = cli->pattern == BENCH_RANDOM_READ || cli->pattern == BENCH_RANDOM_WRITE,
        .append = cli->pattern == BENCH_APPEND,
        .random_state = now_ns() | 1,
    };
    struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int code = bench_run(bench, count > 0 ? operands[0] : "/");
    wt_disconnect(bench->session);
    free(bench);
    return code;
}
