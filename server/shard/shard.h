/*
 * shard.h - the loop that owns everything on one core.
 *
 * A step, in the order that promise 1 demands: fire device completions and messages (completions are
 * posted), publish them, look at the client rings once, then send the writes that have gathered. A test
 * calls shard_step itself, in any order of shards; wtd runs shard_run on one thread each.
 *
 * Sleeping: after `spin` without work: raise every flag (messages, client rings), full fence, look at
 * everything again, then wait in the reactor. Woken by device completions, the shard's eventfd (other
 * shards), doorbells (clients) and the listening socket. Never sleeps while polled I/O is in flight.
 */
#ifndef WT_SHARD_SHARD_H
#define WT_SHARD_SHARD_H

#include "server/session/session.h"

struct shard_options {
    unsigned shard;
    struct volume *volume;
    uint64_t cache_bytes; /* of this shard */
    bool require_fixed_buffers;
    bool simulated; /* no reactor, no sockets, no sleep */
};

struct shard;

/* On the thread that will step it. reason: one line. */
int shard_create(const struct shard_options *options, struct shard **shard, char *reason,
                 size_t reason_bytes);
void shard_destroy(struct shard *shard);
/* All shards exist: they may name each other now. shards[i] is shard i. */
void shard_connect(struct shard *shard, struct shard **shards, unsigned count);

/* One step; returns how much work was done (0: nothing to do). */
unsigned shard_step(struct shard *shard);
/* Steps and sleeps until shard_stop, which is called on the shard's own thread. */
void shard_run(struct shard *shard);
void shard_stop(struct shard *shard);
/* Nothing accepted is unfinished here. */
bool shard_idle(const struct shard *shard);
/* Calls idle once, at the end of the first step after which the shard is idle. One at a time. */
void shard_when_idle(struct shard *shard, void (*idle)(void *context), void *context);
/* Its frames could not be registered with the kernel: I/O costs a little more. */
bool shard_unregistered(const struct shard *shard);

struct session_shard *shard_sessions(struct shard *shard);
struct file_engine *shard_engine(struct shard *shard);
struct volume_shard *shard_volume(struct shard *shard);
struct reactor *shard_reactor(struct shard *shard);

#endif
