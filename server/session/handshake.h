/*
 * handshake.h - hello and welcome, without the socket: what a client asks for, and what it gets. Private to
 * the listener; pure but for handshake_build, which makes memory and descriptors.
 */
#ifndef WT_SESSION_HANDSHAKE_H
#define WT_SESSION_HANDSHAKE_H

#include <stddef.h>

#include "server/session/session.h"

/* What a good hello asks for, defaults filled in. */
struct handshake_wish {
    uint32_t ring_entries;
    uint64_t arena_bytes;
    uint64_t features; /* known to both */
};

/* Checks a first datagram of `size_bytes` bytes. A negative errno comes with a reason in the welcome. */
int handshake_check(const void *datagram, size_t size_bytes, struct handshake_wish *wish,
                    struct wt_welcome *welcome);

/* The welcome of a refusal. error: a negative errno. */
void handshake_refuse(struct wt_welcome *welcome, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Region and doorbells of a session to be. */
struct handshake_resources {
    unsigned char *region;
    int region_descriptor;
    int doorbells[WT_SHARDS_MAX];
    unsigned doorbell_count;
};
int handshake_build(const struct session_layout *layout, unsigned shard_count,
                    struct handshake_resources *resources, struct wt_welcome *welcome);
void handshake_undo(const struct session_layout *layout, struct handshake_resources *resources);

/* The welcome of a session that was made. */
void handshake_accept(struct wt_welcome *welcome, const struct session_shard *shard,
                      const struct session_layout *layout, const struct handshake_wish *wish,
                      const struct credentials *who);

#endif
