/*
 * clock.h - the only place where the server asks for time or randomness.
 *
 * A test installs its own source before anything else runs; then everything above is deterministic. The
 * source is process-wide and set once, before threads start. Any thread may call the readers.
 */
#ifndef WT_BASE_CLOCK_H
#define WT_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct clock_source {
    uint64_t (*monotonic_ns)(void *context);
    int64_t (*realtime_ns)(void *context);
    void (*random_bytes)(void *context, void *buffer, size_t size_bytes);
    void *context;
};

/* NULL puts the real one back. */
void clock_install(const struct clock_source *source);
uint64_t clock_monotonic_ns(void);
int64_t clock_realtime_ns(void); /* since 1970, UTC */
void clock_random_bytes(void *buffer, size_t size_bytes);

/* A counter that runs at an even pace, for measuring what happens too often to ask the clock each time. Its
 * pace is found by asking both twice. Real time: nothing that is simulated may look at it. */
static inline uint64_t clock_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#endif
}

#endif
