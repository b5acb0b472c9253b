/* server.c - what the server tells about itself: ping, sync, stats, df, info. */
#include "client/cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/json.h"

#define STATS_BYTES (64u << 10)

static double elapsed_us(const struct timespec *from)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - from->tv_sec) * 1e6 + (double)(now.tv_nsec - from->tv_nsec) / 1e3;
}

int command_ping(struct cli *cli, int count, char **operands)
{
    (void)count, (void)operands;
    struct wt_completion completion = {0};
    struct timespec start;

    clock_gettime(CLOCK_MONOTONIC, &start);
    int result = wt_prep_nop(cli->session, 1);
    if (result == 0)
        result = wt_wait(cli->session, &completion, 1, 1, &(struct timespec){.tv_nsec = 900000000});
    double round_trip_us = elapsed_us(&start);
    if (result == -ETIME)
        return say_failure(cli->socket_path,
                           "no server answers: a request was taken and not answered");
    if (result == 1)
        result = (int)completion.result;
    if (result < 0)
        return say_error(cli->socket_path, result);

    if (given(cli, OPTION_JSON)) {
        struct json_object *object = json_object_new_object();
        json_object_object_add(object, "socket", json_object_new_string(cli->socket_path));
        json_object_object_add(object, "shards", json_object_new_int64(wt_shards(cli->session)));
        json_object_object_add(object, "round_trip_us", json_object_new_double(round_trip_us));
        json_print(object);
        return 0;
    }
    print_name(stdout, cli->socket_path);
    printf(": round trip %.1f us\n", round_trip_us);
    return 0;
}

int command_sync(struct cli *cli, int count, char **operands)
{
    (void)count, (void)operands;
    int error = wt_syncfs(cli->session);
    return error != 0 ? say_error("sync", error) : 0;
}

/* Adds a line "name value" to the object; the value as a number where it is one. */
static void stats_line(struct json_object *object, char *line)
{
    char *value = strchr(line, ' ');
    if (value == NULL)
        return;
    *value++ = '\0';
    uint64_t number;
    struct json_object *json = parse_count(value, &number) ? json_object_new_uint64(number)
                                                           : json_object_new_string(value);
    json_object_object_add(object, line, json);
}

static struct json_object *stats_json(char *text)
{
    struct json_object *object = json_object_new_object();
    char *rest = NULL;

    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        stats_line(object, line);
    return object;
}

/* The text format of Prometheus. Which of the figures only grow the server does not say: all are untyped. */
static void print_prometheus(char *text)
{
    struct json_object *object = stats_json(text);
    json_object_object_foreach(object, key, value)
    {
        if (json_object_is_type(value, json_type_int))
            printf("# TYPE wt_%s untyped\nwt_%s %s\n", key, key, json_object_get_string(value));
    }
    json_object_put(object);
}

int look_stats(struct cli *cli, int count, char **operands)
{
    (void)count, (void)operands;
    return given(cli, OPTION_JSON) && given(cli, OPTION_PROMETHEUS)
               ? say_usage("stats: --json or --prometheus, not both")
               : 0;
}

int command_stats(struct cli *cli, int count, char **operands)
{
    (void)count, (void)operands;
    char *text = allocate(STATS_BYTES);
    ssize_t bytes = wt_stats(cli->session, text, STATS_BYTES);
    int code = 0;

    if (bytes < 0)
        code = say_error("stats", (int)bytes);
    else if (given(cli, OPTION_JSON))
        json_print(stats_json(text));
    else if (given(cli, OPTION_PROMETHEUS))
        print_prometheus(text);
    else
        fputs(text, stdout);
    free(text);
    return code;
}

struct space {
    uint64_t size_bytes, used_bytes, available_bytes, files, files_free;
    bool read_only;
};

static int space_ask(struct cli *cli, struct space *space)
{
    struct statvfs vfs;
    int error = wt_statvfs(cli->session, &vfs);
    if (error != 0)
        return error;
    *space = (struct space){
        .size_bytes = vfs.f_blocks * vfs.f_frsize,
        .used_bytes = (vfs.f_blocks - vfs.f_bfree) * vfs.f_frsize,
        .available_bytes = vfs.f_bavail * vfs.f_frsize,
        .files = vfs.f_files - vfs.f_ffree,
        .files_free = vfs.f_ffree,
        .read_only = (vfs.f_flag & ST_RDONLY) != 0,
    };
    return 0;
}

static struct json_object *space_json(const struct cli *cli, const struct space *space)
{
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "socket", json_object_new_string(cli->socket_path));
    json_object_object_add(object, "size_bytes", json_object_new_uint64(space->size_bytes));
    json_object_object_add(object, "used_bytes", json_object_new_uint64(space->used_bytes));
    json_object_object_add(object, "available_bytes",
                           json_object_new_uint64(space->available_bytes));
    json_object_object_add(object, "files", json_object_new_uint64(space->files));
    json_object_object_add(object, "files_free", json_object_new_uint64(space->files_free));
    json_object_object_add(object, "read_only", json_object_new_boolean(space->read_only));
    return object;
}

static void print_bytes(const struct cli *cli, uint64_t bytes, int width)
{
    char text[16];

    if (given(cli, OPTION_HUMAN)) {
        format_human(bytes, text);
        printf("%*s ", width, text);
    } else {
        printf("%*lu ", width, bytes);
    }
}

int command_df(struct cli *cli, int count, char **operands)
{
    (void)count, (void)operands;
    struct space space = {0};
    int error = space_ask(cli, &space);

    if (error != 0)
        return say_error("df", error);
    if (given(cli, OPTION_JSON)) {
        json_print(space_json(cli, &space));
        return 0;
    }
    /* As df(1): of what users may have, rounded up. */
    uint64_t usable_bytes = space.used_bytes + space.available_bytes;
    uint64_t percent =
        usable_bytes > 0 ? (uint64_t)((double)space.used_bytes * 100 / (double)usable_bytes + 0.999)
                         : 100;
    int width = given(cli, OPTION_HUMAN) ? 8 : 16;
    printf("%*s %*s %*s %4s %12s %s\n", width, "Size", width, "Used", width, "Avail", "Use%",
           "Files", "Server");
    print_bytes(cli, space.size_bytes, width);
    print_bytes(cli, space.used_bytes, width);
    print_bytes(cli, space.available_bytes, width);
    printf("%3lu%% %12lu ", percent, space.files);
    print_name(stdout, cli->socket_path);
    puts(space.read_only ? " (read-only)" : "");
    return 0;
}

int server_info(struct cli *cli)
{
    if (session_open(cli) != 0)
        return 1;
    char *text = allocate(STATS_BYTES);
    struct space space = {0};
    ssize_t result = space_ask(cli, &space);

    if (result == 0)
        result = wt_stats(cli->session, text, STATS_BYTES);
    if (result < 0) {
        free(text);
        return say_error("info", (int)result);
    }
    struct json_object *object = space_json(cli, &space);
    json_object_object_add(object, "shards", json_object_new_int64(wt_shards(cli->session)));
    struct json_object *stats = stats_json(text);
    free(text);
    if (given(cli, OPTION_JSON)) {
        json_object_object_add(object, "stats", stats);
        json_print(object);
        return 0;
    }
    json_object_object_foreach(object, key, value)
        printf("%-22s %s\n", key, json_object_get_string(value));
    json_object_object_foreach(stats, name, counter)
        printf("%-22s %s\n", name, json_object_get_string(counter));
    json_object_put(stats);
    json_object_put(object);
    return 0;
}
