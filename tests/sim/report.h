/*
 * report.h - what a run found: properties that hold or do not, counts, and the digest of all that was seen.
 *
 * A plain structure without pointers: each seed runs in a process of its own, which sends it to its parent.
 */
#ifndef WT_TESTS_SIM_REPORT_H
#define WT_TESTS_SIM_REPORT_H

#include <stdbool.h>
#include <stdint.h>

enum property {
    PROPERTY_STABLE, /* what was acknowledged as stable is there after a crash, or something newer */
    PROPERTY_NAMES,  /* the tree after a crash is one that the order of changes allows */
    PROPERTY_TORN,   /* no request up to 64 KiB is seen half done */
    PROPERTY_LIVE,   /* reads, sizes and listings are right while the server runs */
    PROPERTY_STOP,   /* after a clean stop everything acknowledged is there */
    PROPERTY_CHECK,  /* volume_check finds nothing, after cuts and after clean stops */
    PROPERTY_PAGES, /* memory under I/O never changes; writes of one block are never in flight together */
    PROPERTY_ERRORS, /* no error without a cause, no success after the volume failed */
    PROPERTY_OPENS,  /* the volume opens again, also after cuts during recovery */
    PROPERTY_ALIVE,  /* no assertion, no crash, no standstill */
    PROPERTY_DIGEST, /* the same seed gives the same digest */
    PROPERTY_COUNT
};
const char *property_name(enum property property);

#define VIOLATION_BYTES 400u

struct report {
    uint64_t seed;
    uint64_t cuts, second_cuts, clean_stops, operations, sessions_killed, failed_operations;
    uint64_t read_errors, write_errors, flush_errors, splits, sectors_lost, torn_writes;
    uint64_t volumes_failed;
    uint64_t violations;
    uint64_t property_violations[PROPERTY_COUNT];
    char first[PROPERTY_COUNT][VIOLATION_BYTES];
    uint64_t digest;
};

void report_add(struct report *sum, const struct report *part);
uint64_t report_faults(const struct report *report);
void report_violation(struct report *report, enum property property, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
