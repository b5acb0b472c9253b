/* pool.c - see pool.h. One mutex over the queue: a job is a round trip or more, the lock is not felt. */
#include "client/cli/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "client/cli/cli.h"

#define QUEUE_JOBS 256

struct pool {
    struct cli *cli;
    int (*work)(struct worker *, const struct job *, void *);
    void *context;
    pthread_mutex_t lock;
    pthread_cond_t not_empty, not_full;
    struct job queue[QUEUE_JOBS];
    unsigned head, count;
    unsigned idle; /* workers waiting for a job */
    bool closed, failed;
    struct worker workers[WORKERS_MAX];
    pthread_t threads[WORKERS_MAX];
    unsigned started, allowed; /* allowed: fewer than WORKERS_MAX where the server admits no more */
};

/* A worker's thread does not know its place but by counting. */
struct start {
    struct pool *pool;
    struct worker *worker;
};

int worker_buffers(struct worker *worker)
{
    for (int i = 0; i < WORKER_BUFFERS; i++)
        if (worker->buffers[i] == NULL &&
            (worker->buffers[i] = wt_buf_alloc(worker->session, WORKER_BUFFER_BYTES)) == NULL)
            return -ENOBUFS;
    return 0;
}

void worker_release(struct worker *worker)
{
    for (int i = 0; i < WORKER_BUFFERS; i++) {
        if (worker->buffers[i] != NULL)
            wt_buf_free(worker->session, worker->buffers[i]);
        worker->buffers[i] = NULL;
    }
}

static bool pool_take(struct pool *pool, struct job *job)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->count == 0 && !pool->closed) {
        pool->idle++;
        pthread_cond_wait(&pool->not_empty, &pool->lock);
        pool->idle--;
    }
    bool taken = pool->count > 0;
    if (taken) {
        *job = pool->queue[pool->head];
        pool->head = (pool->head + 1) % QUEUE_JOBS;
        pool->count--;
        pthread_cond_signal(&pool->not_full);
    }
    pthread_mutex_unlock(&pool->lock);
    return taken;
}

static void *worker_run(void *argument)
{
    struct start start = *(struct start *)argument;
    struct pool *pool = start.pool;
    struct job job;
    bool failed = false;

    free(argument);
    while (pool_take(pool, &job)) {
        if (server_lost() || pool->work(start.worker, &job, pool->context) != 0)
            failed = true;
        free(job.from);
        free(job.to);
    }
    if (failed) {
        pthread_mutex_lock(&pool->lock);
        pool->failed = true;
        pthread_mutex_unlock(&pool->lock);
    }
    return NULL;
}

struct pool *pool_create(struct cli *cli, int (*work)(struct worker *, const struct job *, void *),
                         void *context)
{
    struct pool *pool = allocate(sizeof *pool);

    *pool = (struct pool){.cli = cli, .work = work, .context = context, .allowed = WORKERS_MAX};
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->not_empty, NULL);
    pthread_cond_init(&pool->not_full, NULL);
    return pool;
}

/* One worker more. The first must come; that the server takes no further session only makes it slower. */
static void pool_grow(struct pool *pool)
{
    struct worker *worker = &pool->workers[pool->started];
    struct wt_options options = pool->cli->session_options;

    options.arena_bytes = WORKER_ARENA_BYTES;
    int error = wt_connect(pool->cli->socket_path, &options, &worker->session);

    if (error == 0) {
        struct start *start = allocate(sizeof *start);
        *start = (struct start){pool, worker};
        error = -pthread_create(&pool->threads[pool->started], NULL, worker_run, start);
        if (error == 0) {
            pool->started++;
            return;
        }
        free(start);
        wt_disconnect(worker->session);
    }
    pool->allowed = pool->started;
    if (pool->started == 0) {
        /* The main session had one a moment ago. */
        bool absent = error == -ENOENT || error == -ECONNREFUSED;
        say_error(pool->cli->socket_path, absent ? -ENOTCONN : error);
        pool->failed = true;
    }
}

void pool_add(struct pool *pool, char *from, char *to, mode_t type)
{
    pthread_mutex_lock(&pool->lock);
    bool grow = pool->started < pool->allowed && pool->count >= pool->idle;
    pthread_mutex_unlock(&pool->lock);
    if (grow)
        pool_grow(pool);
    if (pool->started == 0) {
        free(from);
        free(to);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    while (pool->count == QUEUE_JOBS)
        pthread_cond_wait(&pool->not_full, &pool->lock);
    struct job *job = &pool->queue[(pool->head + pool->count++) % QUEUE_JOBS];
    *job = (struct job){.from = from, .to = to, .type = type};
    pthread_cond_signal(&pool->not_empty);
    pthread_mutex_unlock(&pool->lock);
}

int pool_finish(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->closed = true;
    pthread_cond_broadcast(&pool->not_empty);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->started; i++) {
        pthread_join(pool->threads[i], NULL);
        wt_disconnect(pool->workers[i].session);
    }
    int code = pool->failed ? 1 : 0;
    pthread_cond_destroy(&pool->not_full);
    pthread_cond_destroy(&pool->not_empty);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
    return code;
}
