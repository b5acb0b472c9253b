/* wtd_options.c - see wtd_options.h. */
#include "server/wtd_options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "proto/limits.h"
#include "server/base/memory.h"
#include "server/wtd_config.h"

#define WHY_BYTES  256u
#define TEXT_BYTES 64u
#define SHOWN      "100" /* bytes of a value in a reason, which comes after it */

/* ---- values ---- */

/* Why a value was not taken. */
struct why {
    char *text;
    size_t bytes;
};

__attribute__((format(printf, 2, 3))) static int bad(const struct why *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->text, why->bytes, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static int take_path(char *path, const char *text, const struct why *why)
{
    if (!*text)
        return bad(why, "must not be empty");
    if (strlen(text) >= OPTION_PATH_BYTES)
        return bad(why, "has more than %u bytes", OPTION_PATH_BYTES - 1);
    strcpy(path, text);
    return 0;
}

static int take_number(unsigned *number, const char *text, unsigned most, const struct why *why)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || value < 1 || value > most)
        return bad(why, "must be a number from 1 to %u", most);
    *number = (unsigned)value;
    return 0;
}

static int take_size(uint64_t *size_bytes, const char *text, const struct why *why)
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
        return bad(why, "must be a size, as 64M (K, M, G, T)");
    *size_bytes = value << shift;
    return 0;
}

static int take_device(struct options *options, const char *text, const struct why *why)
{
    return take_path(options->device, text, why);
}

static int take_socket(struct options *options, const char *text, const struct why *why)
{
    return take_path(options->socket_path, text, why);
}

static int take_config(struct options *options, const char *text, const struct why *why)
{
    return take_path(options->config, text, why);
}

static int take_socket_mode(struct options *options, const char *text, const struct why *why)
{
    char *end;
    unsigned long value = strtoul(text, &end, 8);
    if (text[0] < '0' || text[0] > '7' || *end || value > 0777)
        return bad(why, "must be an octal mode from 0 to 0777");
    options->socket_mode = (unsigned)value;
    return 0;
}

static int take_user_sessions(struct options *options, const char *text, const struct why *why)
{
    return take_number(&options->user_sessions, text, WT_SESSIONS_MAX, why);
}

static int take_shards(struct options *options, const char *text, const struct why *why)
{
    if (strcmp(text, "auto") != 0)
        return take_number(&options->shard_count, text, WT_SHARDS_MAX, why);
    options->shard_count = 0;
    return 0;
}

static int take_cache(struct options *options, const char *text, const struct why *why)
{
    return take_size(&options->cache_bytes, text, why);
}

static int take_metadata(struct options *options, const char *text, const struct why *why)
{
    uint64_t bytes = 0;
    int error = take_size(&bytes, text, why);
    if (error)
        return error;
    if (bytes < WT_METADATA_BYTES_MIN)
        return bad(why, "must be at least %" PRIu64 "M", (uint64_t)WT_METADATA_BYTES_MIN >> 20);
    options->metadata_bytes = bytes;
    return 0;
}

static int take_yes_or_no(bool *value, const char *text, const struct why *why)
{
    *value = strcmp(text, "yes") == 0;
    return *value || strcmp(text, "no") == 0 ? 0 : bad(why, "must be yes or no");
}

static int take_fixed_buffers(struct options *options, const char *text, const struct why *why)
{
    return take_yes_or_no(&options->require_fixed_buffers, text, why);
}

static int take_iopoll(struct options *options, const char *text, const struct why *why)
{
    return take_yes_or_no(&options->iopoll, text, why);
}

static int take_log_level(struct options *options, const char *text, const struct why *why)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            options->log_level = (enum log_level)i;
            return 0;
        }
    }
    return bad(why, "must be error, warning, info or debug");
}

static int take_help(struct options *options, const char *text, const struct why *why)
{
    (void)text, (void)why;
    options->wants_help = true;
    return 0;
}

static int take_version(struct options *options, const char *text, const struct why *why)
{
    (void)text, (void)why;
    options->wants_version = true;
    return 0;
}

/* ---- the table ---- */

enum { LINE_ONLY = 1, FLAG = 2, LATER = 4 };

static const struct rule {
    const char *name, *argument, *initial; /* NULL: no argument; no default */
    unsigned kind;
    int (*take)(struct options *options, const char *text, const struct why *why);
    const char *help; /* lines; the default is added */
} rules[] = {
    {"device", "DEV", NULL, 0, take_device,
     "NVMe namespace, block device or image file;\nfile:PATH and nvme:PATH force its kind"},
    {"socket", "PATH", "/run/wt/wt.sock", 0, take_socket, "where clients connect"},
    {"socket-mode", "OCTAL", "0660", 0, take_socket_mode,
     "the socket's mode: who may write to it may connect"},
    {"user-sessions", "N", "256", 0, take_user_sessions, "the most sessions of one user"},
    {"shards", "N", "auto", 0, take_shards,
     "threads, each with a core of its own; auto: one a core"},
    {"cache", "SIZE", "256M", 0, take_cache, "memory for file contents, of all shards together"},
    {"metadata", "SIZE", "1G", 0, take_metadata, "the most memory for names and maps"},
    {"require-fixed-buffers", "yes|no", "no", FLAG, take_fixed_buffers,
     "yes: refuse to run where the cache cannot be\nregistered with the kernel (memlock)"},
    {"iopoll", "yes|no", "no", FLAG, take_iopoll,
     "yes: poll an NVMe device for reads and writes\ninstead of waiting for its interrupts"},
    {"log-level", "LEVEL", "info", 0, take_log_level, "error, warning, info or debug"},
    {"config", "FILE", NULL, LINE_ONLY, take_config,
     "read `option = value' lines; see wtd.conf(5)"},
    {"help", NULL, NULL, LINE_ONLY, take_help, "say this and exit"},
    {"version", NULL, NULL, LINE_ONLY, take_version,
     "say the versions of wtd, protocol and format, and exit"},
    {"metrics", "ADDR", NULL, LATER, NULL, NULL},
    {"io-timeout", "S", NULL, LATER, NULL, NULL},
};
#define RULES (sizeof(rules) / sizeof(rules[0]))
_Static_assert(RULES <= 64, "options.given is a bit each");

static const struct rule *find_rule(const char *name)
{
    for (unsigned i = 0; i < RULES; i++) {
        if (strcmp(rules[i].name, name) == 0)
            return &rules[i];
    }
    return NULL;
}

static uint64_t bit_of(const struct rule *rule)
{
    return 1ull << (rule - rules);
}

void options_default(struct options *options)
{
    char text[WHY_BYTES];
    const struct why why = {text, sizeof(text)};
    uint64_t quarter_bytes = memory_machine_bytes() / 4;
    memset(options, 0, sizeof(*options));
    for (unsigned i = 0; i < RULES; i++) {
        if (!rules[i].initial)
            continue;
        int error = rules[i].take(options, rules[i].initial, &why);
        assert(!error);
        (void)error;
    }
    if (options->metadata_bytes > quarter_bytes)
        options->metadata_bytes = quarter_bytes;
}

/* ---- the command line ---- */

static int take_word(struct options *options, const struct rule *rule, const char *argument,
                     char *reason, size_t reason_bytes)
{
    char text[WHY_BYTES];
    const struct why why = {text, sizeof(text)}, whole = {reason, reason_bytes};
    if (rule->kind & LATER)
        return bad(&whole, "--%s is not in this version", rule->name);
    if (rule->kind & FLAG && !argument)
        argument = "yes";
    options->given |= bit_of(rule);
    if (rule->take(options, argument, &why))
        return bad(&whole, "--%s %." SHOWN "s: %s", rule->name, argument, text);
    return 0;
}

static void fill_long_options(struct option long_options[RULES + 1])
{
    for (unsigned i = 0; i < RULES; i++) {
        int has_argument = !rules[i].argument     ? no_argument
                           : rules[i].kind & FLAG ? optional_argument
                                                  : required_argument;
        /* 0x100: no option's code is that of a character. */
        long_options[i] = (struct option){rules[i].name, has_argument, NULL, 0x100 + (int)i};
    }
    long_options[RULES] = (struct option){0};
}

int options_take_line(struct options *options, int count, char **words, char *reason,
                      size_t reason_bytes)
{
    struct option long_options[RULES + 1];
    const struct why why = {reason, reason_bytes};
    int code;
    fill_long_options(long_options);
    opterr = 0;
    optind = 0; /* glibc: begin anew, for a caller that reads more than one line */
    while ((code = getopt_long(count, words, ":", long_options, NULL)) != -1) {
        if (code == ':')
            return bad(&why, "%s needs a value", words[optind - 1]);
        if (code == '?')
            return bad(&why, "unknown or ambiguous option %s", words[optind - 1]);
        int error = take_word(options, &rules[code - 0x100], optarg, reason, reason_bytes);
        if (error || options->wants_help || options->wants_version)
            return error;
    }
    if (optind < count)
        return bad(&why, "unexpected argument %s", words[optind]);
    return 0;
}

/* ---- the file ---- */

struct file_state {
    struct options *options;
    uint64_t seen;
};

static int take_pair(void *context, const char *key, const char *value, char *text,
                     size_t text_bytes)
{
    struct file_state *state = context;
    const struct rule *rule = find_rule(key);
    const struct why why = {text, text_bytes};
    char cause[WHY_BYTES];
    const struct why inner = {cause, sizeof(cause)};
    if (!rule || rule->kind & LINE_ONLY)
        return bad(&why, "unknown key %." SHOWN "s", key);
    if (rule->kind & LATER)
        return bad(&why, "%s is not in this version", key);
    if (state->seen & bit_of(rule))
        return bad(&why, "%s stands here a second time", key);
    state->seen |= bit_of(rule);
    /* A value that the command line overrides must still be right. */
    struct options tried = *state->options;
    if (rule->take(&tried, value, &inner))
        return bad(&why, "%s = %." SHOWN "s: %s", key, value, cause);
    if (!(state->options->given & bit_of(rule)))
        *state->options = tried;
    return 0;
}

int options_take_text(struct options *options, const char *name, const char *text,
                      size_t text_bytes, char *reason, size_t reason_bytes)
{
    struct file_state state = {.options = options};
    return config_parse(name, text, text_bytes, take_pair, &state, reason, reason_bytes);
}

int options_take_file(struct options *options, const char *path, char *reason, size_t reason_bytes)
{
    char *text = malloc(CONFIG_FILE_BYTES_MAX);
    const struct why why = {reason, reason_bytes};
    if (!text) {
        bad(&why, "%s: no memory to read it", path);
        return -ENOMEM;
    }
    long bytes = config_read(path, text, reason, reason_bytes);
    int error = bytes < 0
                    ? (int)bytes
                    : options_take_text(options, path, text, (size_t)bytes, reason, reason_bytes);
    free(text);
    return error;
}

int options_check(const struct options *options, char *reason, size_t reason_bytes)
{
    const struct why why = {reason, reason_bytes};
    return options->device[0] ? 0 : bad(&why, "--device is missing");
}

/* ---- help ---- */

static void help_rule(FILE *out, const struct rule *rule)
{
    char name[TEXT_BYTES];
    const char *line = rule->help;
    if (rule->argument)
        snprintf(name, sizeof(name), rule->kind & FLAG ? "--%s[=%s]" : "--%s %s", rule->name,
                 rule->argument);
    else
        snprintf(name, sizeof(name), "--%s", rule->name);
    fprintf(out, "  %-33s", name);
    for (const char *end; (end = strchr(line, '\n')); line = end + 1)
        fprintf(out, "%.*s\n  %-33s", (int)(end - line), line, "");
    fputs(line, out);
    if (rule->initial)
        fprintf(out, " (%s)", rule->initial);
    fputc('\n', out);
}

void options_help(FILE *out)
{
    fputs("usage: wtd --device DEV [OPTION]...\n"
          "Serves the volume on DEV (made by `wtcli mkfs') to programs on this machine.\n"
          "\n"
          "Options (their defaults):\n",
          out);
    for (unsigned i = 0; i < RULES; i++) {
        if (!(rules[i].kind & LATER))
            help_rule(out, &rules[i]);
    }
    fputs("\n"
          "--metadata: by default at most a quarter of the machine's memory.\n"
          "SIZE is in bytes and takes K, M, G or T (binary). The command line wins over the file.\n"
          "Signals: SIGTERM and SIGINT end it in order, with a checkpoint.\n"
          "Exit status: 0 done, 1 failed, 2 usage, or an error inside the config file.\n"
          "See wtd(8) and wtd.conf(5).\n",
          out);
}
