/*
 * random.h - a small deterministic source of choices for tests, and a hash over what a test has seen.
 */
#ifndef WT_TESTS_SUPPORT_RANDOM_H
#define WT_TESTS_SUPPORT_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* splitmix64's output function. */
static inline uint64_t random_mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
    return value ^ (value >> 31);
}

struct random_source {
    uint64_t state;
};

static inline uint64_t random_next(struct random_source *source)
{
    source->state += 0x9e3779b97f4a7c15ull;
    return random_mix(source->state);
}

/* 0 .. bound - 1; 0 for a bound of 0. */
static inline uint64_t random_below(struct random_source *source, uint64_t bound)
{
    return bound ? random_next(source) % bound : 0;
}

static inline bool random_one_in(struct random_source *source, uint64_t chances)
{
    return random_below(source, chances) == 0;
}

/* Folds a value into a digest. */
static inline void digest_add(uint64_t *digest, uint64_t value)
{
    *digest = random_mix(*digest * 0x100000001b3ull ^ value);
}

/* The bytes that a write with this stamp puts at these offsets of a file; stamp 0 is zeros. Different stamps
 * differ in (nearly) every run of a few bytes, so the bytes tell who wrote them. */
void pattern_fill(uint64_t stamp, uint64_t offset, unsigned char *bytes, size_t size_bytes);
bool pattern_matches(uint64_t stamp, uint64_t offset, const unsigned char *bytes,
                     size_t size_bytes);

#endif
