/*
 * wtd.c - the server's program: arguments, start, signals, stop.
 *
 * The main thread opens the device and the volume, starts the shards (shard/crew.c), waits for a signal and
 * stops them. It serves nothing itself. Every refusal is one line: the cause, then the mend.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
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

#define REASON_BYTES           512
#define CACHE_BYTES_DEFAULT    (256ull << 20)
#define METADATA_BYTES_DEFAULT (1ull << 30)
#define METADATA_BYTES_MIN     (1ull << 20)
#define SOCKET_DEFAULT         "/run/wt/wt.sock"
#define SOCKET_MODE_DEFAULT    0660u

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct options {
    const char *device, *socket_path;
    unsigned shard_count; /* 0: as many as there are cores */
    uint64_t cache_bytes, metadata_bytes;
    unsigned socket_mode;
    bool require_fixed_buffers;
    enum log_level log_level;
};

static const char help[] =
    "usage: wtd --device DEV [OPTION]...\n"
    "Serves the volume on DEV (made by `wtcli mkfs') to programs on this machine.\n"
    "\n"
    "  --device DEV             block device, NVMe namespace or image file; file: forces its kind\n"
    "  --socket PATH            where clients connect (default " SOCKET_DEFAULT ")\n"
    "  --socket-mode OCTAL      the socket's mode (default 0660)\n"
    "  --shards N               threads, each with a core of its own (default: one a core)\n"
    "  --cache SIZE             memory for file contents, of all shards together (default 256M)\n"
    "  --metadata SIZE          the most memory for names and maps (default 1G, at most a quarter\n"
    "                           of the machine's)\n"
    "  --require-fixed-buffers  refuse to run where the cache cannot be registered with the "
    "kernel\n"
    "  --log-level LEVEL        error, warning, info or debug (default info)\n"
    "  --help, --version        say this, or the version, and exit\n"
    "\n"
    "SIZE takes K, M, G or T (binary). SIGTERM and SIGINT end it in order, with a checkpoint.\n"
    "Exit status: 0 done, 1 failed, 2 usage.\n";

/* ---- arguments ---- */

__attribute__((format(printf, 1, 2), noreturn)) static void usage_error(const char *format, ...)
{
    char what[REASON_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    log_error("%s. Try `wtd --help'", what);
    exit(EXIT_USAGE);
}

static uint64_t number_of(const char *option, const char *text, uint64_t least, uint64_t most)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || value < least || value > most)
        usage_error("--%s %s: must be a number from %" PRIu64 " to %" PRIu64, option, text, least,
                    most);
    return value;
}

static uint64_t size_of(const char *option, const char *text)
{
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (unit)
        end++;
    if (text[0] < '0' || text[0] > '9' || *end || errno || value == 0 ||
        value > (UINT64_MAX >> 1) >> shift)
        usage_error("--%s %s: must be a size, as 64M (K, M, G, T)", option, text);
    return value << shift;
}

static unsigned mode_of(const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 8);
    if (text[0] < '0' || text[0] > '7' || *end || value > 0777)
        usage_error("--socket-mode %s: must be an octal mode from 0 to 0777", text);
    return (unsigned)value;
}

static enum log_level level_of(const char *text)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0)
            return (enum log_level)i;
    }
    usage_error("--log-level %s: must be error, warning, info or debug", text);
}

enum option_code {
    OPTION_DEVICE = 256,
    OPTION_SOCKET,
    OPTION_SOCKET_MODE,
    OPTION_SHARDS,
    OPTION_CACHE,
    OPTION_METADATA,
    OPTION_FIXED_BUFFERS,
    OPTION_LOG_LEVEL,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_LATER, /* in the contract, not in this version */
};

static const struct option long_options[] = {
    {"device", required_argument, NULL, OPTION_DEVICE},
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"socket-mode", required_argument, NULL, OPTION_SOCKET_MODE},
    {"shards", required_argument, NULL, OPTION_SHARDS},
    {"cache", required_argument, NULL, OPTION_CACHE},
    {"metadata", required_argument, NULL, OPTION_METADATA},
    {"require-fixed-buffers", no_argument, NULL, OPTION_FIXED_BUFFERS},
    {"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"config", required_argument, NULL, OPTION_LATER},
    {"metrics", required_argument, NULL, OPTION_LATER},
    {"iopoll", no_argument, NULL, OPTION_LATER},
    {"io-timeout", required_argument, NULL, OPTION_LATER},
    {0},
};

__attribute__((noreturn)) static void say_and_exit(const char *text)
{
    fputs(text, stdout);
    exit(fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED);
}

static void take_option(struct options *options, int code, int which, const char *argument)
{
    switch (code) {
    case OPTION_DEVICE:
        options->device = argument;
        break;
    case OPTION_SOCKET:
        options->socket_path = argument;
        break;
    case OPTION_SOCKET_MODE:
        options->socket_mode = mode_of(argument);
        break;
    case OPTION_SHARDS:
        options->shard_count = (unsigned)number_of("shards", argument, 1, WT_SHARDS_MAX);
        break;
    case OPTION_CACHE:
        options->cache_bytes = size_of("cache", argument);
        break;
    case OPTION_METADATA:
        options->metadata_bytes = size_of("metadata", argument);
        break;
    case OPTION_FIXED_BUFFERS:
        options->require_fixed_buffers = true;
        break;
    case OPTION_LOG_LEVEL:
        options->log_level = level_of(argument);
        break;
    case OPTION_HELP:
        say_and_exit(help);
    case OPTION_VERSION:
        say_and_exit("wtd " WT_VERSION "\n");
    default:
        usage_error("--%s is not in this version", long_options[which].name);
    }
}

static uint64_t machine_bytes(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void read_options(int count, char **words, struct options *options)
{
    int code, which = 0;
    uint64_t quarter = machine_bytes() / 4;
    *options = (struct options){
        .socket_path = SOCKET_DEFAULT,
        .cache_bytes = CACHE_BYTES_DEFAULT,
        .metadata_bytes = quarter < METADATA_BYTES_DEFAULT ? quarter : METADATA_BYTES_DEFAULT,
        .socket_mode = SOCKET_MODE_DEFAULT,
        .log_level = LOG_LEVEL_INFO,
    };
    opterr = 0;
    while ((code = getopt_long(count, words, ":", long_options, &which)) != -1) {
        if (code == ':')
            usage_error("%s needs a value", words[optind - 1]);
        if (code == '?')
            usage_error("unknown or ambiguous option %s", words[optind - 1]);
        take_option(options, code, which, optarg);
    }
    if (optind < count)
        usage_error("unexpected argument %s", words[optind]);
    if (!options->device)
        usage_error("--device is missing");
    if (options->metadata_bytes < METADATA_BYTES_MIN)
        usage_error("--metadata: at least 1M");
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
    error = device_open(options->device, 0, &server->device, reason, REASON_BYTES);
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
