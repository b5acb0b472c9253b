/* libwt_case.h - what the programs that try libwt against a real server share: cases, and small tools. */
#ifndef WT_TESTS_LIBWT_CASE_H
#define WT_TESTS_LIBWT_CASE_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wt.h>

/* A case gives NULL, or why it is not so. It may return early: its sessions end with the program. */
#define MUST(condition)                                                                          \
    do {                                                                                         \
        if (!(condition)) {                                                                      \
            static _Thread_local char text[200];                                                 \
            snprintf(text, sizeof(text), "%s:%d: not true: %s", __FILE__, __LINE__, #condition); \
            return text;                                                                         \
        }                                                                                        \
    } while (0)

struct libwt_case {
    const char *name;
    const char *(*run)(void);
};

static inline int run_cases(const struct libwt_case *cases, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        const char *reason = cases[i].run();
        printf(reason ? "not ok %s - %s\n" : "ok %s\n", cases[i].name, reason);
        fflush(stdout);
        failed |= reason != NULL;
    }
    return failed;
}

/* NULL where there is no session to be had; then the reason is on standard error. */
static inline struct wt *session_with(uint32_t ring_entries, uint64_t arena_bytes)
{
    struct wt_options options = WT_OPTIONS_INIT;
    struct wt *session;
    options.ring_entries = ring_entries;
    options.arena_bytes = arena_bytes;
    int rc = wt_connect(NULL, &options, &session);
    if (rc < 0)
        fprintf(stderr, "connect: %s (%d)\n", wt_connect_error(), rc);
    return session;
}

static inline struct wt *session_new(void)
{
    return session_with(0, 0);
}

static inline uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static inline uint64_t now_ms(void)
{
    return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

static const struct timespec no_time = {0};

#endif
