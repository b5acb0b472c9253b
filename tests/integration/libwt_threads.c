/* libwt_threads.c - a session a thread, without a lock; many sessions in one process; the order of requests. */
#include <pthread.h>

#include "libwt_case.h"

#define THREADS      8
#define DEPTH        8u
#define ROUNDS       150u
#define BLOCK_BYTES  3000u /* so that neighbours of different threads share pages and blocks */
#define MANY         80
#define ORDER_ROUNDS 300u

struct worker {
    pthread_t thread;
    unsigned number;
    const char *reason;
};

static void fill(unsigned char *block, unsigned number, unsigned round)
{
    for (unsigned i = 0; i < BLOCK_BYTES; i++)
        block[i] = (unsigned char)(number * 31 + round * 7 + i);
}

static const char *collect_all(struct wt *session, unsigned count)
{
    struct wt_completion done[DEPTH];
    uint64_t seen = 0;
    int got = wt_wait(session, done, DEPTH, count, NULL);
    MUST(got == (int)count);
    for (unsigned i = 0; i < count; i++) {
        MUST(done[i].result == (int64_t)BLOCK_BYTES);
        seen |= 1ull << done[i].user_data;
    }
    MUST(seen == (1ull << count) - 1);
    return NULL;
}

/* DEPTH writes, then reads, of the thread's own places in a file that all threads share. */
static const char *work_round(struct wt *session, int handle, unsigned number, unsigned round)
{
    static _Thread_local unsigned char out[DEPTH][BLOCK_BYTES], in[DEPTH][BLOCK_BYTES];
    const char *reason;
    for (unsigned i = 0; i < DEPTH; i++) {
        fill(out[i], number, round + i);
        off_t offset = (off_t)(i * THREADS + number) * BLOCK_BYTES;
        MUST(wt_prep_write(session, handle, out[i], BLOCK_BYTES, offset, WT_BEHIND, i) == 0);
    }
    if ((reason = collect_all(session, DEPTH)))
        return reason;
    for (unsigned i = 0; i < DEPTH; i++) {
        off_t offset = (off_t)(i * THREADS + number) * BLOCK_BYTES;
        MUST(wt_prep_read(session, handle, in[i], BLOCK_BYTES, offset, 0, i) == 0);
    }
    if ((reason = collect_all(session, DEPTH)))
        return reason;
    MUST(memcmp(in, out, sizeof(in)) == 0);
    MUST(wt_pread(session, handle, in[0], BLOCK_BYTES, (off_t)number * BLOCK_BYTES) ==
         (ssize_t)BLOCK_BYTES);
    MUST(memcmp(in[0], out[0], BLOCK_BYTES) == 0);
    return NULL;
}

static const char *work(unsigned number)
{
    struct wt *session = session_new();
    MUST(session);
    int handle = wt_open(session, "/threads", O_RDWR | O_CREAT, 0600);
    MUST(handle >= 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        const char *reason = work_round(session, handle, number, round);
        if (reason)
            return reason;
    }
    wt_disconnect(session);
    return NULL;
}

static void *worker_run(void *argument)
{
    struct worker *worker = argument;
    worker->reason = work(worker->number);
    /* The words are this thread's. */
    if (worker->reason)
        worker->reason = strdup(worker->reason);
    return NULL;
}

static const char *eight_threads(void)
{
    struct worker workers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.number = i};
        MUST(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]) == 0);
    }
    const char *reason = NULL;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        reason = reason ? reason : workers[i].reason;
    }
    return reason;
}

static const char *many_sessions(void)
{
    static struct wt *sessions[MANY];
    int handles[MANY], value;
    for (int i = 0; i < MANY; i++) {
        MUST((sessions[i] = session_with(8, 64 << 10)));
        MUST((handles[i] = wt_open(sessions[i], "/many", O_RDWR | O_CREAT, 0600)) >= 0);
    }
    for (int i = 0; i < MANY; i++)
        MUST(wt_pwrite(sessions[i], handles[i], &i, sizeof(i), i * 4) == 4);
    for (int i = 0; i < MANY; i++) {
        MUST(wt_pread(sessions[MANY - 1 - i], handles[MANY - 1 - i], &value, 4, i * 4) == 4);
        MUST(value == i);
    }
    for (int i = 0; i < MANY; i++)
        wt_disconnect(sessions[i]);
    return NULL;
}

/* What is prepared first takes effect first: each read sees the write before it and not the one after. */
static const char *order_on_one_file(void)
{
    struct wt *session = session_new();
    MUST(session);
    int handle = wt_open(session, "/order", O_RDWR | O_CREAT, 0600);
    MUST(handle >= 0);
    for (unsigned round = 0; round < ORDER_ROUNDS; round++) {
        uint32_t out[4], in[4] = {0};
        struct wt_completion done[8];
        for (unsigned i = 0; i < 4; i++) {
            out[i] = round * 4 + i + 1;
            MUST(wt_prep_write(session, handle, &out[i], 4, 4094, WT_BEHIND, i) == 0);
            MUST(wt_prep_read(session, handle, &in[i], 4, 4094, 0, 4 + i) == 0);
        }
        MUST(wt_wait(session, done, 8, 8, NULL) == 8);
        for (unsigned i = 0; i < 8; i++)
            MUST(done[i].result == 4);
        MUST(memcmp(in, out, sizeof(in)) == 0);
    }
    wt_disconnect(session);
    return NULL;
}

static const char *arena_buffers(void)
{
    const size_t bytes = 1 << 20;
    struct wt_completion done[2];
    struct wt *session = session_new();
    MUST(session);
    int handle = wt_open(session, "/buffers", O_RDWR | O_CREAT, 0600);
    MUST(handle >= 0);
    unsigned char *out = wt_buf_alloc(session, bytes), *in = wt_buf_alloc(session, bytes);
    MUST(out && in);
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < bytes; i++)
            out[i] = (unsigned char)(i * 13 + i / 4096 + round);
        memset(in, 0, bytes);
        MUST(wt_prep_write(session, handle, out, bytes, 5, WT_BEHIND, 1) == 0);
        MUST(wt_prep_read(session, handle, in + 1, bytes - 1, 6, 0, 2) == 0);
        MUST(wt_wait(session, done, 2, 2, NULL) == 2);
        MUST(memcmp(in + 1, out + 1, bytes - 1) == 0);
        MUST(wt_pread(session, handle, in, bytes, 5) == (ssize_t)bytes);
        MUST(memcmp(in, out, bytes) == 0);
    }
    /* What is not from wt_buf_alloc is left alone, also twice, and what is given back is there again. */
    wt_buf_free(session, in + 4096);
    wt_buf_free(session, &done);
    wt_buf_free(session, in);
    wt_buf_free(session, in);
    wt_buf_free(session, NULL);
    MUST(wt_buf_alloc(session, bytes) == in);
    while (wt_buf_alloc(session, 4096))
        ;
    MUST(wt_pwrite(session, handle, "x", 1, 0) == -ENOBUFS);
    MUST(wt_pwrite(session, handle, out, bytes, 0) == (ssize_t)bytes);
    MUST(wt_open(session, "/x", O_RDONLY, 0) == -ENOBUFS);
    wt_buf_free(session, in);
    MUST(wt_pwrite(session, handle, "x", 1, 0) == 1);
    wt_disconnect(session);
    return NULL;
}

int main(void)
{
    static const struct libwt_case cases[] = {
        {"eight-threads-with-a-session-each", eight_threads},
        {"eighty-sessions-in-one-process", many_sessions},
        {"requests-to-one-file-take-effect-in-order", order_on_one_file},
        {"arena-buffers-carry-data-and-come-back", arena_buffers},
    };
    return run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}
