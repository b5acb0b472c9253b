#include "tests/sim/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/random.h"

const char *property_name(enum property property)
{
    static const char *const names[PROPERTY_COUNT] = {
        [PROPERTY_STABLE] = "stable-writes-survive",
        [PROPERTY_NAMES] = "names-survive",
        [PROPERTY_TORN] = "no-torn-pages",
        [PROPERTY_LIVE] = "live-reads",
        [PROPERTY_STOP] = "clean-stop-loses-nothing",
        [PROPERTY_CHECK] = "check-clean",
        [PROPERTY_PAGES] = "stable-pages",
        [PROPERTY_ERRORS] = "errors-have-causes",
        [PROPERTY_OPENS] = "second-cuts",
        [PROPERTY_ALIVE] = "no-crash-no-standstill",
        [PROPERTY_DIGEST] = "same-seed-same-digest",
    };
    return names[property];
}

void report_violation(struct report *report, enum property property, const char *format, ...)
{
    report->violations++;
    if (report->property_violations[property]++ == 0) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(report->first[property], VIOLATION_BYTES, format, arguments);
        va_end(arguments);
    }
    digest_add(&report->digest, (uint64_t)property + 1);
}

void report_add(struct report *sum, const struct report *part)
{
    sum->cuts += part->cuts;
    sum->second_cuts += part->second_cuts;
    sum->clean_stops += part->clean_stops;
    sum->operations += part->operations;
    sum->sessions_killed += part->sessions_killed;
    sum->failed_operations += part->failed_operations;
    sum->read_errors += part->read_errors;
    sum->write_errors += part->write_errors;
    sum->flush_errors += part->flush_errors;
    sum->splits += part->splits;
    sum->sectors_lost += part->sectors_lost;
    sum->torn_writes += part->torn_writes;
    sum->volumes_failed += part->volumes_failed;
    sum->violations += part->violations;
    for (unsigned i = 0; i < PROPERTY_COUNT; i++) {
        if (sum->property_violations[i] == 0 && part->property_violations[i] != 0)
            snprintf(sum->first[i], VIOLATION_BYTES, "seed %llu: %.370s",
                     (unsigned long long)part->seed, part->first[i]);
        sum->property_violations[i] += part->property_violations[i];
    }
    digest_add(&sum->digest, part->digest);
}

uint64_t report_faults(const struct report *report)
{
    return report->read_errors + report->write_errors + report->flush_errors + report->splits +
           report->torn_writes + report->second_cuts + report->sessions_killed;
}
