/*
 * wtd.c - the server's program: start, signals, stop.
 *
 * The main thread opens the device and the volume, starts the shards (shard/crew.c), waits for a signal and
 * stops them. It serves nothing itself. Every refusal is one line: the cause, then the mend.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/wire.h"
#include "server/base/log.h"
#include "server/base/memory.h"
#include "server/device/device.h"
#include "server/session/session.h"
#include "server/shard/crew.h"
#include "server/volume/volume.h"
#include "server/wtd_options.h"

#define REASON_BYTES 512

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* ---- arguments ---- */

__attribute__((noreturn)) static void usage_error(const char *what)
{
    log_error("%s. Try `wtd --help'", what);
    exit(EXIT_USAGE);
}

__attribute__((noreturn)) static void answer_and_exit(const struct options *options)
{
    if (options->wants_help)
        options_help(stdout);
    else
        printf("wtd " WT_VERSION " (protocol %u, format %u)\n", WT_PROTOCOL_VERSION,
               VOLUME_FORMAT_VERSION);
    exit(fflush(stdout) == 0 && !ferror(stdout) ? EXIT_DONE : EXIT_FAILED);
}

static void read_options(int count, char **words, struct options *options)
{
    char reason[REASON_BYTES];
    int error;
    options_default(options);
    if (options_take_line(options, count, words, reason, sizeof(reason)))
        usage_error(reason);
    if (options->wants_help || options->wants_version)
        answer_and_exit(options);
    if (options->config[0]) {
        error = options_take_file(options, options->config, reason, sizeof(reason));
        if (error == -EINVAL)
            usage_error(reason);
        if (error) {
            log_error("%s", reason);
            exit(EXIT_FAILED);
        }
    }
    if (options_check(options, reason, sizeof(reason)))
        usage_error(reason);
}

/* ---- the process ---- */

static void prepare_process(void)
{
    struct rlimit files;
    sigset_t signals;
    signal(SIGPIPE, SIG_IGN);
    /* Blocked here, so in every thread: main takes them out with sigwaitinfo. A script's background child
     * is born ignoring SIGINT, and what is ignored is never pending. */
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    /* A session takes two descriptors and one for each shard. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    session_install_bus_handler();
}

static int wait_for_signal(void)
{
    sigset_t signals;
    int number;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    do {
        number = sigwaitinfo(&signals, NULL);
    } while (number < 0);
    return number;
}

/* ---- start and stop ---- */

struct server {
    struct device *device;
    struct post_office *office;
    struct volume *volume;
    struct crew *crew;
    struct volume_opening opening;
};

static void server_close(struct server *server)
{
    if (server->volume)
        volume_close(server->volume);
    if (server->office)
        post_office_destroy(server->office);
    if (server->device)
        device_close(server->device);
}

/* One a core; more than the volume of this version has partitions would own nothing. */
static unsigned shard_count_of(const struct options *options)
{
    unsigned cores = memory_core_count();
    if (options->shard_count)
        return options->shard_count;
    return cores < VOLUME_PARTITIONS ? cores : VOLUME_PARTITIONS;
}

static int check_cache(const struct options *options, unsigned shard_count, char *reason)
{
    /* It is taken whole, now: what does not fit would have the kernel kill somebody. */
    uint64_t most_bytes = memory_machine_bytes() / 4 * 3;
    if (options->cache_bytes > most_bytes) {
        snprintf(reason, REASON_BYTES,
                 "--cache %" PRIu64 "M is too large for this machine: at most %" PRIu64
                 "M, three quarters of its memory",
                 options->cache_bytes >> 20, most_bytes >> 20);
        return -EINVAL;
    }
    if (options->cache_bytes / shard_count >= FILE_CACHE_BYTES_MIN)
        return 0;
    snprintf(reason, REASON_BYTES,
             "--cache %" PRIu64 "M is too small for %u shards: at least %" PRIu64
             "M each; give more or use fewer --shards",
             options->cache_bytes >> 20, shard_count, (uint64_t)(FILE_CACHE_BYTES_MIN >> 20));
    return -EINVAL;
}

static int check_partitions(const struct server *server, unsigned shard_count, char *reason)
{
    unsigned partitions = volume_superblock(server->volume)->partition_count;
    if (shard_count <= partitions)
        return 0;
    snprintf(reason, REASON_BYTES, "the volume has %u partitions: use at most %u --shards",
             partitions, partitions);
    return -EINVAL;
}

static int open_volume(const struct options *options, struct server *server, char *reason)
{
    unsigned shard_count = shard_count_of(options);
    int error = check_cache(options, shard_count, reason);
    if (error)
        return error;
    error = device_open(options->device, options->iopoll ? DEVICE_OPEN_POLLED : 0, &server->device,
                        reason, REASON_BYTES);
    if (error)
        return error;
    error = post_office_create(shard_count, &server->office);
    if (error) {
        snprintf(reason, REASON_BYTES, "no memory for %u shards", shard_count);
        return error;
    }
    struct volume_options volume_options = {
        .device = server->device,
        .office = server->office,
        .metadata_bytes_max = options->metadata_bytes,
    };
    error = volume_open(&volume_options, &server->volume, &server->opening, reason, REASON_BYTES);
    return error ? error : check_partitions(server, shard_count, reason);
}

static int start(const struct options *options, struct server *server, char *reason)
{
    bool unregistered = false;
    int error = open_volume(options, server, reason);
    if (error)
        return error;
    struct crew_options crew_options = {
        .volume = server->volume,
        .cache_bytes = options->cache_bytes,
        .require_fixed_buffers = options->require_fixed_buffers,
        .socket_path = options->socket_path,
        .socket_mode = options->socket_mode,
        .user_sessions_max = options->user_sessions,
    };
    error = crew_start(&crew_options, &server->crew, &unregistered, reason, REASON_BYTES);
    if (error)
        return error;
    if (unregistered)
        log_warning("the memlock limit is too small to register the cache with the kernel: I/O "
                    "costs a little more; raise it (ulimit -l, LimitMEMLOCK=)");
    return 0;
}

static void say_ready(const struct options *options, const struct server *server)
{
    const struct device_capabilities *capabilities = volume_capabilities(server->volume);
    log_ready();
    if (!server->opening.was_clean)
        log_info("the last stop was not clean: %" PRIu64 " records were replayed",
                 server->opening.records_replayed);
    log_info("ready: device %s (%s, %" PRIu64 " MiB), shards %u, cache %" PRIu64
             " MiB, socket %s, epoch %" PRIu64,
             server->device->path, capabilities->kind, capabilities->size_bytes >> 20,
             volume_shard_count(server->volume), options->cache_bytes >> 20, options->socket_path,
             volume_epoch(server->volume));
}

/* Ends in order. A volume that has failed gets no checkpoint: the next start replays its journal. */
static int stop(struct server *server)
{
    crew_stop(server->crew);
    int error = crew_join(server->crew);
    server_close(server);
    if (!error) {
        log_info("stopped");
        return EXIT_DONE;
    }
    log_error("stopped without a checkpoint (%s): %s", strerrordesc_np(-error),
              error == -EROFS ? "the volume is read-only since an error; the next start replays it"
                              : "the next start replays the journal");
    return EXIT_FAILED;
}

int main(int argument_count, char **arguments)
{
    struct options options;
    struct server server = {0};
    char reason[REASON_BYTES] = "";
    log_set_program("wtd");
    read_options(argument_count, arguments, &options);
    log_set_level(options.log_level);
    prepare_process();
    if (start(&options, &server, reason)) {
        log_error("%s", reason[0] ? reason : "cannot start");
        server_close(&server);
        return EXIT_FAILED;
    }
    say_ready(&options, &server);
    log_info("%s: stopping", wait_for_signal() == SIGTERM ? "SIGTERM" : "SIGINT");
    return stop(&server);
}
