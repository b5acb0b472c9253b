/*
 * pool.h - a few worker threads, each with a session of its own, fed by a bounded queue of jobs.
 *
 * A session is used by one thread at a time and each name operation is a round trip, so trees of small
 * files need several. The thread that made the pool adds jobs; it makes whatever a job relies on (the
 * directory above a file) before. Jobs run in any order. Workers are started as the queue fills, so a
 * single file costs a single session.
 *
 * A job's failure is the job's to say (say_error); it goes on to the next. Once the server is lost what
 * remains is dropped.
 */
#ifndef WT_CLI_POOL_H
#define WT_CLI_POOL_H

#include <sys/stat.h>

#include <wt.h>

/* Opening and closing are synchronous, so the depth of a tree copy is the number of its workers. */
#define WORKERS_MAX         32
#define WORKER_BUFFERS      4
#define WORKER_BUFFER_BYTES (512u << 10)
#define WORKER_ARENA_BYTES  (3u << 20) /* the buffers, and half as much for everything else */

struct cli;

struct worker {
    struct wt *session;
    /* In the session's arena; NULL until worker_buffers. */
    unsigned char *buffers[WORKER_BUFFERS];
};

struct job {
    char *from, *to; /* the pool frees them; to may be NULL */
    mode_t type;     /* the S_IFMT bits */
};

struct pool;

/* work runs on the worker's thread and says itself what went wrong; 0 or 1. */
struct pool *pool_create(struct cli *cli, int (*work)(struct worker *, const struct job *, void *),
                         void *context);
/* Takes from and to. Waits while the queue is full. */
void pool_add(struct pool *pool, char *from, char *to, mode_t type);
/* Waits for all jobs and ends the workers; 1 if any failed. */
int pool_finish(struct pool *pool);

/* The worker's transfer buffers; 0, or a negative errno. A worker around the main session, for commands that
 * need no threads: call this before use and worker_release after. */
int worker_buffers(struct worker *worker);
void worker_release(struct worker *worker);

#endif
