/*
 * ring_client.h - a client that drives a session's rings itself, without libwt and without a socket: for
 * tests that run client and server in one thread.
 *
 * The region is plain page-aligned memory. The client never waits: it puts requests, and takes completions
 * when they are there.
 */
#ifndef WT_TESTS_SUPPORT_RING_CLIENT_H
#define WT_TESTS_SUPPORT_RING_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "server/session/session.h"

struct ring_client {
    struct session_layout layout;
    unsigned char *region, *arena;
    unsigned shard_count;
    struct wt_ring submission[WT_SHARDS_MAX], completion[WT_SHARDS_MAX];
    struct session *session;
};

/* Makes region and session. */
int ring_client_create(struct ring_client *client, struct session_shard *names_shard,
                       uint32_t ring_entries, uint64_t arena_bytes, const struct credentials *who);
/* Frees the region: only when no server touches it any more. */
void ring_client_free(struct ring_client *client);

/* False: the ring is full. */
bool ring_client_put(struct ring_client *client, unsigned shard, const struct wt_request *request);
/* False: nothing is there. */
bool ring_client_take(struct ring_client *client, struct wt_wire_completion *completion);

#endif
