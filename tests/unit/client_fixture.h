/* client_fixture.h - what the tests of libwt begin with: a small server, and a session with it. */
#ifndef WT_TESTS_CLIENT_FIXTURE_H
#define WT_TESTS_CLIENT_FIXTURE_H

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "include/wt.h"
#include "tests/support/small_server.h"

static struct wt *session;

static inline void client_end(void)
{
    wt_disconnect(session);
    server_stop();
}

static inline void connect_with(uint32_t ring_entries, uint64_t arena_bytes)
{
    struct wt_options options = WT_OPTIONS_INIT;
    options.ring_entries = ring_entries;
    options.arena_bytes = arena_bytes;
    options.umask = 027;
    int rc = wt_connect(server.path, &options, &session);
    cr_assert_eq(rc, 0, "connect: %d %s", rc, wt_connect_error());
}

static inline int connected_file(void)
{
    connect_with(16, 4 * MIB);
    int handle = wt_open(session, "/file", O_RDWR | O_CREAT, 0666);
    cr_assert_geq(handle, 0);
    return handle;
}

static inline const struct wt_request *last_request(void)
{
    return &server.log[(server.requests - 1) % LOG_ENTRIES];
}

static inline unsigned char *pattern(size_t bytes)
{
    unsigned char *data = malloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (unsigned char)(i * 7 + i / 4096);
    return data;
}

static inline int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const struct timespec no_time = {0}, ms_30 = {.tv_nsec = 30000000};

#endif
