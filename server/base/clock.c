/* clock.c - the real sources of time and randomness, and the place where a test puts its own. */
#include "server/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static uint64_t read_clock_ns(clockid_t id)
{
    struct timespec now;
    /* Fails only for an unknown id or a bad address. */
    if (clock_gettime(id, &now))
        abort();
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static uint64_t real_monotonic_ns(void *context)
{
    (void)context;
    return read_clock_ns(CLOCK_MONOTONIC);
}

static int64_t real_realtime_ns(void *context)
{
    (void)context;
    return (int64_t)read_clock_ns(CLOCK_REALTIME);
}

static void real_random_bytes(void *context, void *buffer, size_t size_bytes)
{
    (void)context;
    unsigned char *to = buffer;
    while (size_bytes) {
        ssize_t got = getrandom(to, size_bytes, 0);
        /* Keys and identities are made of this: nothing else may stand in for it. */
        if (got < 0 && errno != EINTR)
            abort();
        if (got > 0) {
            to += got;
            size_bytes -= (size_t)got;
        }
    }
}

static const struct clock_source real_source = {
    .monotonic_ns = real_monotonic_ns,
    .realtime_ns = real_realtime_ns,
    .random_bytes = real_random_bytes,
};
static const struct clock_source *current = &real_source;

void clock_install(const struct clock_source *source)
{
    current = source ? source : &real_source;
}

uint64_t clock_monotonic_ns(void)
{
    return current->monotonic_ns(current->context);
}

int64_t clock_realtime_ns(void)
{
    return current->realtime_ns(current->context);
}

void clock_random_bytes(void *buffer, size_t size_bytes)
{
    current->random_bytes(current->context, buffer, size_bytes);
}
