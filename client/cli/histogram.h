/*
 * histogram.h - how often each latency was seen, in a fixed 30 KiB, to one part in 64.
 *
 * Log-linear: values below 64 have a bucket each; above, each power of two is cut into 64 equal buckets. A
 * percentile is answered with the upper edge of its bucket, so it is never told too small, and at most 1.6 %
 * too large. One thread; nothing allocates or fails.
 */
#ifndef WT_CLI_HISTOGRAM_H
#define WT_CLI_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_LINEAR_BITS 6
#define HISTOGRAM_LINEAR      (1u << HISTOGRAM_LINEAR_BITS)
#define HISTOGRAM_BUCKETS     ((64u - HISTOGRAM_LINEAR_BITS + 1) * HISTOGRAM_LINEAR)

/* All zero is empty. */
struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total, max;
};

void histogram_add(struct histogram *histogram, uint64_t value);

/* The smallest value that at least `parts` of a million of all values do not exceed (500000: the median); 0
 * when there are none. */
uint64_t histogram_percentile(const struct histogram *histogram, uint32_t parts_per_million);

#endif
