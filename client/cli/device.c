/* device.c - mkfs, check and info on a device: the volume's own code, without a server. */
#include "client/cli/cli.h"

#include <stdlib.h>
#include <unistd.h>

#include "client/cli/json.h"
#include "client/cli/progress.h"
#include "server/volume/tools.h"

int command_mkfs(struct cli *cli, int count, char **operands)
{
    (void)count;
    struct volume_format_options options = {
        .size_bytes = cli->size_bytes,
        .force = given(cli, OPTION_FORCE),
        .sparse = given(cli, OPTION_SPARSE),
        .uid = geteuid(),
        .gid = getegid(),
        .progress = progress_set,
    };
    char reason[256] = "";

    if (given(cli, OPTION_SIZE) && cli->size_bytes == 0)
        return say_usage("mkfs: --size wants more than 0 bytes");
    progress_begin(cli, "mkfs");
    int error = volume_format(operands[0], &options, reason, sizeof reason);
    progress_end();
    if (error != 0)
        return *reason != '\0' ? say_reason(operands[0], reason) : say_error(operands[0], error);
    return 0;
}

/* check's lines go to standard output as they come, but for the last: only the result says whether it is
 * one more finding or the reason why nothing could be looked at. */
struct check_lines {
    char *last;
    struct json_object *all; /* NULL: print */
};

static void check_line(void *context, const char *line)
{
    struct check_lines *lines = context;

    if (lines->last != NULL && lines->all == NULL) {
        progress_clear();
        puts(lines->last);
    }
    if (lines->all != NULL)
        json_object_array_add(lines->all, json_object_new_string(line));
    free(lines->last);
    lines->last = copy_string(line);
}

static void check_json(const struct volume_check_report *report, struct json_object *lines,
                       bool clean)
{
    struct json_object *object = json_object_new_object();
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        {"files", report->files},
        {"directories", report->directories},
        {"symlinks", report->symlinks},
        {"bytes", report->bytes},
        {"extents", report->extents},
        {"blocks_used", report->blocks_used},
        {"blocks_free", report->blocks_free},
        {"epoch", report->epoch},
        {"records_replayed", report->records_replayed},
        {"damage_count", report->damage_count},
    };

    json_object_object_add(object, "clean", json_object_new_boolean(clean));
    json_object_object_add(object, "clean_stop", json_object_new_boolean(report->clean_stop));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        json_object_object_add(object, numbers[i].key, json_object_new_uint64(numbers[i].value));
    json_object_object_add(object, "lines", json_object_get(lines));
    json_print(object);
}

int command_check(struct cli *cli, int count, char **operands)
{
    (void)count;
    struct volume_check_report report = {0};
    struct check_lines lines = {.all = given(cli, OPTION_JSON) ? json_object_new_array() : NULL};

    progress_begin(cli, "check");
    int result = volume_check(operands[0], given(cli, OPTION_REPAIR), check_line, &lines, &report);
    progress_end();
    if (result < 0) {
        if (lines.last != NULL)
            say_reason(operands[0], lines.last);
        else
            say_error(operands[0], result);
    } else if (lines.all != NULL) {
        check_json(&report, lines.all, result == 0);
    } else {
        if (lines.last != NULL)
            puts(lines.last);
        print_name(stdout, operands[0]);
        printf(
            ": %s: %lu files, %lu directories, %lu symlinks, %lu bytes in %lu extents; epoch %lu, ",
            result == 0 ? "clean" : "DAMAGED", report.files, report.directories, report.symlinks,
            report.bytes, report.extents, report.epoch);
        if (report.clean_stop)
            puts("stopped cleanly");
        else
            printf("not stopped cleanly, %lu records replayed in memory\n",
                   report.records_replayed);
        if (result != 0)
            printf("%lu findings\n", report.damage_count);
    }
    free(lines.last);
    json_object_put(lines.all);
    return result < 0 ? 2 : result;
}

/* Keys are words for people; programs get them with underscores, and numbers as numbers. */
static void info_json(struct json_object *object, const char *key, const char *value)
{
    char *name = copy_string(key);
    uint64_t number;

    for (char *at = name; *at != '\0'; at++)
        if (*at == ' ')
            *at = '_';
    json_object_object_add(object, name,
                           parse_count(value, &number) ? json_object_new_uint64(number)
                                                       : json_object_new_string(value));
    free(name);
}

static void info_line(void *context, const char *key, const char *value)
{
    struct json_object *object = context;

    if (object != NULL)
        info_json(object, key, value);
    else
        printf("%-22s %s\n", key, value);
}

int command_info(struct cli *cli, int count, char **operands)
{
    if (count == 0)
        return server_info(cli);
    char reason[256] = "";
    struct json_object *object = given(cli, OPTION_JSON) ? json_object_new_object() : NULL;
    int error = volume_info(operands[0], info_line, object, reason, sizeof reason);

    if (error != 0) {
        if (*reason != '\0')
            say_reason(operands[0], reason);
        else
            say_error(operands[0], error);
        json_object_put(object);
    } else if (object != NULL) {
        json_print(object);
    }
    return error != 0 ? 1 : 0;
}
