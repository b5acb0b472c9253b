/*
 * crew.h - all shards of a server, each on its thread: started, stopped in order.
 *
 * Start: every thread builds its shard, all are connected, the names shard opens the socket, then all run.
 * Whatever fails ends everything again, and crew_start tells the first reason.
 *
 * Stop, driven by the names shard: no new sessions; the sessions end (requests in flight finish, handles are
 * closed); the names shard, then every other shard has nothing unfinished; volume_stop writes the
 * checkpoint; all shards leave their loops; each thread takes its shard down.
 *
 * Threads: the three calls come from the thread that called crew_start.
 */
#ifndef WT_SHARD_CREW_H
#define WT_SHARD_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/volume/volume.h"

struct crew;

struct crew_options {
    struct volume *volume;
    uint64_t cache_bytes; /* of all shards together */
    bool require_fixed_buffers;
    const char *socket_path;
    unsigned socket_mode;
    unsigned user_sessions_max; /* of one uid */
};

/* *unregistered: some shard goes without registered buffers. */
int crew_start(const struct crew_options *options, struct crew **crew, bool *unregistered,
               char *reason, size_t reason_bytes);
/* Begins to stop, once. */
void crew_stop(struct crew *crew);
/* Waits for the end; volume_stop's result. Frees the crew. */
int crew_join(struct crew *crew);

#endif
