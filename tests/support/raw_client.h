/*
 * raw_client.h - a client that connects to a real server and fills the rings by hand: for requests that libwt
 * would never send. One request at a time.
 */
#ifndef WT_TESTS_SUPPORT_RAW_CLIENT_H
#define WT_TESTS_SUPPORT_RAW_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/ring.h"
#include "proto/wire.h"

#define RAW_SHARDS_MAX 8u
#define RAW_ANSWER_MS  10000

struct raw_client {
    int socket, doorbells[RAW_SHARDS_MAX];
    struct wt_welcome welcome;
    unsigned char *region, *arena;
    struct wt_ring submission[RAW_SHARDS_MAX], completion[RAW_SHARDS_MAX];
    uint64_t user_data;
};

/* Connects to WT_SOCKET. It ends with the program. */
int raw_connect(struct raw_client *raw);

/* One request and its answer: the result, -ETIMEDOUT when none comes, -EBADMSG when it is another's. answer may
 * be NULL. */
int64_t raw_call(struct raw_client *raw, unsigned shard, const struct wt_request *request,
                 struct wt_wire_completion *answer);

/* Sends these bytes as the first datagram on a new connection, and gives what the welcome says; 1 when the
 * server closed the connection without one. */
int raw_hello(const void *bytes, size_t count);

#endif
