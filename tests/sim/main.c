/*
 * main.c - sim_test: runs seeds, each in a process of its own, and says what they found.
 *
 *   sim_test --seed N [--seeds K] [--cuts C] [--tap] [--expect-violation] [--verbose]
 *
 * --seeds K: seeds N to N + K - 1. --cuts C: N first, then seeds derived from it until C power cuts were
 * made. A violation is printed with the seed that shows it again.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/log.h"
#include "tests/sim/life.h"
#include "tests/support/random.h"

/* Of real time, for one seed: it hangs where no step ends. */
#define SEED_SECONDS_MAX 120u
#define RUNS_MAX         16u

struct arguments {
    uint64_t seed, seeds, cuts;
    bool tap, expect_violation, verbose;
};

static void run_in_child(uint64_t seed, bool verbose, int out)
{
    struct report report;
    alarm(SEED_SECONDS_MAX);
    log_set_silent(!verbose);
    life_run(seed, verbose, &report);
    ssize_t written = write(out, &report, sizeof(report));
    /* No destructors, no look for leaks: what lost its power is left where it was. */
    _exit(written == (ssize_t)sizeof(report) ? 0 : 1);
}

static bool read_report(int in, struct report *report)
{
    size_t done = 0;
    while (done < sizeof(*report)) {
        ssize_t count = read(in, (char *)report + done, sizeof(*report) - done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        done += (size_t)count;
    }
    return true;
}

/* A seed on its way, in a process of its own. */
struct run {
    uint64_t seed;
    pid_t child;
    int in;
};

static void run_begin(struct run *run, uint64_t seed, bool verbose)
{
    int ends[2];
    fflush(NULL);
    if (pipe2(ends, O_CLOEXEC) < 0) {
        perror("sim_test: pipe");
        exit(1);
    }
    *run = (struct run){.seed = seed, .child = fork(), .in = ends[0]};
    if (run->child < 0) {
        perror("sim_test: fork");
        exit(1);
    }
    if (run->child == 0)
        run_in_child(seed, verbose, ends[1]);
    close(ends[1]);
}

static void run_end(struct run *run, struct report *report)
{
    bool complete = read_report(run->in, report);
    int status = 0;
    close(run->in);
    while (waitpid(run->child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (complete)
        return;
    *report = (struct report){.seed = run->seed};
    if (WIFSIGNALED(status))
        report_violation(report, PROPERTY_ALIVE, "ended by signal %d (%s)", WTERMSIG(status),
                         strsignal(WTERMSIG(status)));
    else
        report_violation(report, PROPERTY_ALIVE, "ended with status %d", WEXITSTATUS(status));
}

static void print_violations(const struct report *report)
{
    for (unsigned i = 0; i < PROPERTY_COUNT; i++) {
        if (report->property_violations[i])
            fprintf(stderr, "violation of %s: %s\n    replay: sim_test --seed %llu --verbose\n",
                    property_name((enum property)i), report->first[i],
                    (unsigned long long)report->seed);
    }
}

static void check_digest(const struct arguments *arguments, struct report *sum)
{
    struct run runs[2];
    struct report reports[2];
    for (unsigned i = 0; i < 2; i++)
        run_begin(&runs[i], arguments->seed, false);
    for (unsigned i = 0; i < 2; i++)
        run_end(&runs[i], &reports[i]);
    if (reports[0].digest != reports[1].digest)
        report_violation(sum, PROPERTY_DIGEST, "seed %llu: %016llx and %016llx",
                         (unsigned long long)arguments->seed, (unsigned long long)reports[0].digest,
                         (unsigned long long)reports[1].digest);
}

static uint64_t seed_number(const struct arguments *arguments, uint64_t i)
{
    if (!arguments->cuts || i == 0)
        return arguments->seed + i;
    return random_mix(arguments->seed + i * 0x9e3779b97f4a7c15ull);
}

static bool is_enough(const struct arguments *arguments, const struct report *sum, uint64_t i)
{
    if (arguments->expect_violation && sum->violations)
        return true;
    /* A seed that makes no cut at all has a violation, so there is an end to it in any case. */
    return arguments->cuts ? sum->cuts >= arguments->cuts || i >= arguments->cuts
                           : i >= arguments->seeds;
}

/* Several at a time, summed up in the order of the seeds, so that the result does not depend on how many. */
static void run_all(const struct arguments *arguments, struct report *sum)
{
    struct run runs[RUNS_MAX];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t width = cores < 1 || arguments->verbose ? 1
                     : cores > RUNS_MAX              ? RUNS_MAX
                                                     : (uint64_t)cores;
    uint64_t begun = 0, ended = 0;
    while (!is_enough(arguments, sum, ended)) {
        for (; begun < ended + width && (arguments->cuts || begun < arguments->seeds); begun++)
            run_begin(&runs[begun % RUNS_MAX], seed_number(arguments, begun), arguments->verbose);
        struct report report;
        run_end(&runs[ended++ % RUNS_MAX], &report);
        if (!arguments->expect_violation)
            print_violations(&report);
        report_add(sum, &report);
    }
    for (; ended < begun; ended++) {
        struct report unused;
        run_end(&runs[ended % RUNS_MAX], &unused);
    }
    check_digest(arguments, sum);
}

static void print_tap(const struct report *sum)
{
    for (unsigned i = 0; i < PROPERTY_COUNT; i++) {
        const char *name = property_name((enum property)i);
        if (sum->property_violations[i])
            printf("not ok %s - %s\n", name, sum->first[i]);
        else
            printf("ok %s\n", name);
    }
}

static void print_summary(const struct arguments *arguments, const struct report *sum)
{
    printf("faults: %llu read errors, %llu write errors, %llu flush errors, %llu split transfers, "
           "%llu torn writes, %llu lost sectors, %llu cuts during recovery, %llu dead sessions; "
           "%llu volumes failed, %llu clean stops\n",
           (unsigned long long)sum->read_errors, (unsigned long long)sum->write_errors,
           (unsigned long long)sum->flush_errors, (unsigned long long)sum->splits,
           (unsigned long long)sum->torn_writes, (unsigned long long)sum->sectors_lost,
           (unsigned long long)sum->second_cuts, (unsigned long long)sum->sessions_killed,
           (unsigned long long)sum->volumes_failed, (unsigned long long)sum->clean_stops);
    printf("sim: seed %llu, %llu cuts, %llu operations, %llu faults, %llu violations, "
           "digest %016llx\n",
           (unsigned long long)arguments->seed, (unsigned long long)sum->cuts,
           (unsigned long long)sum->operations, (unsigned long long)report_faults(sum),
           (unsigned long long)sum->violations, (unsigned long long)sum->digest);
}

/* Decimal, up to 20 digits, leading zeros allowed. */
static bool parse_number(const char *text, uint64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

static void usage(void)
{
    fprintf(stderr, "usage: sim_test --seed N [--seeds K] [--cuts C] [--tap] [--expect-violation] "
                    "[--verbose]\n");
    exit(2);
}

static void parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},
        {"seeds", required_argument, NULL, 'k'},
        {"cuts", required_argument, NULL, 'c'},
        {"tap", no_argument, NULL, 't'},
        {"expect-violation", no_argument, NULL, 'x'},
        {"verbose", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    *arguments = (struct arguments){.seed = 1, .seeds = 1};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        bool right = true;
        if (option == 's')
            right = parse_number(optarg, &arguments->seed);
        else if (option == 'k')
            right = parse_number(optarg, &arguments->seeds);
        else if (option == 'c')
            right = parse_number(optarg, &arguments->cuts);
        else if (option == 't')
            arguments->tap = true;
        else if (option == 'x')
            arguments->expect_violation = true;
        else if (option == 'v')
            arguments->verbose = true;
        else
            right = false;
        if (!right)
            usage();
    }
    if (optind != argc)
        usage();
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    parse(argc, argv, &arguments);
    struct report sum = {.seed = arguments.seed};
    run_all(&arguments, &sum);
    if (arguments.expect_violation) {
        const char *name = "violation-found";
        printf(sum.violations ? "ok %s\n" : "not ok %s - the broken server passed\n", name);
        return sum.violations ? 0 : 1;
    }
    if (arguments.tap)
        print_tap(&sum);
    print_summary(&arguments, &sum);
    return sum.violations ? 1 : 0;
}
