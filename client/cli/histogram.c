/* histogram.c - see histogram.h. */
#include "client/cli/histogram.h"

/* For a value of b significant bits, b > 6: the row is b - 6, the place in it the 6 bits after the first. */
static unsigned bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_LINEAR)
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_LINEAR_BITS;
    return (shift + 1) * HISTOGRAM_LINEAR + (unsigned)(value >> shift) - HISTOGRAM_LINEAR;
}

static uint64_t bucket_upper_edge(unsigned bucket)
{
    if (bucket < HISTOGRAM_LINEAR)
        return bucket;
    unsigned shift = bucket / HISTOGRAM_LINEAR - 1;
    uint64_t first = (uint64_t)(bucket % HISTOGRAM_LINEAR + HISTOGRAM_LINEAR) << shift;
    return first + ((1ull << shift) - 1);
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->counts[bucket_of(value)]++;
    histogram->total++;
    if (value > histogram->max)
        histogram->max = value;
}

uint64_t histogram_percentile(const struct histogram *histogram, uint32_t parts_per_million)
{
    /* Rounded up: the p-th part of 10 values at 99.9 % is the 10th. In 128 bits, for it is a product. */
    unsigned __int128 product = (unsigned __int128)histogram->total * parts_per_million;
    uint64_t wanted = (uint64_t)((product + 999999) / 1000000), seen = 0;

    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS && histogram->total > 0; bucket++) {
        seen += histogram->counts[bucket];
        if (seen >= wanted && histogram->counts[bucket] > 0) {
            uint64_t edge = bucket_upper_edge(bucket);
            return edge < histogram->max ? edge : histogram->max;
        }
    }
    return histogram->max;
}
