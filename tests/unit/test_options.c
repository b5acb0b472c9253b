/* test_options.c - the options of wtd: defaults, command line, config file, and the example of it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/limits.h"
#include "server/wtd_config.h"
#include "server/wtd_options.h"

static char reason[512];

#define WORDS(...) ((char *[]){"wtd", __VA_ARGS__, NULL})

static int take_line(struct options *options, char **words)
{
    int count = 0;
    while (words[count])
        count++;
    reason[0] = '\0';
    options_default(options);
    return options_take_line(options, count, words, reason, sizeof(reason));
}

static int take_bytes(struct options *options, const char *text, size_t bytes)
{
    reason[0] = '\0';
    return options_take_text(options, "wtd.conf", text, bytes, reason, sizeof(reason));
}

static int take_text(struct options *options, const char *text)
{
    return take_bytes(options, text, strlen(text));
}

/* The text is refused, with these words for the reason. */
static void refused(const char *text, const char *words)
{
    struct options options;
    options_default(&options);
    cr_expect_eq(take_text(&options, text), -EINVAL, "taken: %s", text);
    cr_expect_not_null(strstr(reason, words), "`%s' is not in `%s'", words, reason);
}

static void line_refused(char **words, const char *expected)
{
    struct options options;
    cr_expect_eq(take_line(&options, words), -EINVAL, "taken: %s", words[1]);
    cr_expect_not_null(strstr(reason, expected), "`%s' is not in `%s'", expected, reason);
}

Test(options, defaults)
{
    struct options options;
    options_default(&options);
    cr_assert_str_eq(options.socket_path, "/run/wt/wt.sock");
    cr_assert_eq(options.socket_mode, 0660);
    cr_assert_eq(options.user_sessions, WT_USER_SESSIONS_DEFAULT);
    cr_assert_eq(options.shard_count, 0);
    cr_assert_eq(options.cache_bytes, 256 << 20);
    cr_assert_leq(options.metadata_bytes, 1 << 30);
    cr_assert(!options.require_fixed_buffers);
    cr_assert(!options.iopoll);
    cr_assert_eq(options.log_level, LOG_LEVEL_INFO);
    cr_assert_eq(options.given, 0);
    cr_assert_eq(options_check(&options, reason, sizeof(reason)), -EINVAL);
    cr_assert_str_eq(reason, "--device is missing");
}

Test(options, line_is_taken)
{
    struct options options;
    cr_assert_eq(
        take_line(&options,
                  WORDS("--device", "file:/x", "--socket=/s", "--socket-mode", "600",
                        "--user-sessions", "3", "--shards", "2", "--cache", "1G", "--metadata",
                        "2M", "--require-fixed-buffers", "--iopoll", "--log-level", "debug")),
        0, "%s", reason);
    cr_assert_str_eq(options.device, "file:/x");
    cr_assert_str_eq(options.socket_path, "/s");
    cr_assert_eq(options.socket_mode, 0600);
    cr_assert_eq(options.user_sessions, 3);
    cr_assert_eq(options.shard_count, 2);
    cr_assert_eq(options.cache_bytes, 1ull << 30);
    cr_assert_eq(options.metadata_bytes, 2 << 20);
    cr_assert(options.require_fixed_buffers);
    cr_assert(options.iopoll);
    cr_assert_eq(options.log_level, LOG_LEVEL_DEBUG);
    cr_assert_eq(options_check(&options, reason, sizeof(reason)), 0);
}

Test(options, line_is_refused)
{
    line_refused(WORDS("--nonsense"), "--nonsense");
    line_refused(WORDS("word"), "unexpected argument word");
    line_refused(WORDS("--device"), "--device needs a value");
    line_refused(WORDS("--device", ""), "--device : must not be empty");
    line_refused(WORDS("--so", "x"), "unknown or ambiguous");
    line_refused(WORDS("--shards", "0"), "from 1 to 64");
    line_refused(WORDS("--shards", "65"), "from 1 to 64");
    line_refused(WORDS("--user-sessions", "1025"), "from 1 to 1024");
    line_refused(WORDS("--user-sessions", "18446744073709551617"), "from 1 to 1024");
    line_refused(WORDS("--cache", "0"), "must be a size");
    line_refused(WORDS("--cache", "9999999T"), "must be a size");
    line_refused(WORDS("--cache", "1KB"), "must be a size");
    line_refused(WORDS("--metadata", "1K"), "at least 1M");
    line_refused(WORDS("--socket-mode", "0888"), "octal");
    line_refused(WORDS("--socket-mode", "1777"), "octal");
    line_refused(WORDS("--log-level", "loud"), "must be error");
    line_refused(WORDS("--require-fixed-buffers=maybe"), "yes or no");
    line_refused(WORDS("--metrics", "x"), "--metrics is not in this version");
    line_refused(WORDS("--iopoll=perhaps"), "yes or no");
    line_refused(WORDS("--io-timeout", "3"), "--io-timeout is not in this version");
}

Test(options, long_paths)
{
    static char path[OPTION_PATH_BYTES + 1];
    struct options options;
    memset(path, 'x', OPTION_PATH_BYTES);
    line_refused(WORDS("--device", path), "more than 4095 bytes");
    path[OPTION_PATH_BYTES - 1] = '\0';
    cr_assert_eq(take_line(&options, WORDS("--device", path)), 0);
    cr_assert_str_eq(options.device, path);
}

Test(options, file_is_taken)
{
    struct options options;
    options_default(&options);
    cr_assert_eq(take_text(&options, "\xef\xbb\xbf# a comment\n; another\n\n"
                                     "device = /dev/x ; the disk\r\n"
                                     "   shards=4\n\tcache = 64M   \n"
                                     "require-fixed-buffers = yes\n"
                                     "socket = /tmp/a;b=c d.sock"),
                 0, "%s", reason);
    cr_assert_str_eq(options.device, "/dev/x");
    cr_assert_eq(options.shard_count, 4);
    cr_assert_eq(options.cache_bytes, 64 << 20);
    cr_assert(options.require_fixed_buffers);
    cr_assert_str_eq(options.socket_path, "/tmp/a;b=c d.sock");
}

Test(options, line_wins_over_file)
{
    struct options options;
    cr_assert_eq(take_line(&options, WORDS("--shards", "auto", "--require-fixed-buffers=no")), 0);
    cr_assert_eq(take_text(&options, "shards = 4\ncache = 8M\nrequire-fixed-buffers = yes\n"), 0);
    cr_assert_eq(options.shard_count, 0);
    cr_assert_eq(options.cache_bytes, 8 << 20);
    cr_assert(!options.require_fixed_buffers);
    /* Overridden or not, it must be right. */
    cr_assert_eq(take_text(&options, "shards = 400\n"), -EINVAL);
}

Test(options, file_is_refused)
{
    refused("\n\nnonsense = 1\n", "wtd.conf:3: unknown key nonsense");
    refused("config = x\n", "wtd.conf:1: unknown key config");
    refused("help = yes\n", "wtd.conf:1: unknown key help");
    refused("Shards = 1\n", "unknown key Shards");
    refused(" = 1\n", "wtd.conf:1: unknown key ");
    refused("io-timeout = 3\n", "wtd.conf:1: io-timeout is not in this version");
    refused("shards = 1\n\n  shards = 1\n", "wtd.conf:3: shards stands here a second time");
    refused("# x\nshards = many\n", "wtd.conf:2: shards = many: must be a number from 1 to 64");
    refused("shards =\n", "wtd.conf:1: shards = : must be a number");
    refused("device =\n", "wtd.conf:1: device = : must not be empty");
    refused("[server]\nshards = 1\n", "wtd.conf:1: unknown section");
    refused("shards = 1\n  [x]", "wtd.conf:2: unknown section");
    refused("shards 1\n", "wtd.conf:1: no `='");
    refused("shards: 1\n", "wtd.conf:1: no `='");
    refused("shards 1\nnonsense = 2\n", "wtd.conf:1: no `='");
    refused("cache = 8M\nshards ; = 1\n", "wtd.conf:2: no `='");
    refused("shards = 1\n\x01 = 2\n", "wtd.conf:2: unknown key");
}

/* Lines of every length about the limit. */
Test(options, long_lines)
{
    char text[320];
    struct options options;
    for (size_t bytes = 100; bytes < 290; bytes++) {
        memset(text, 'x', sizeof(text));
        memcpy(text, "device =", 8);
        memcpy(text + bytes, "\nshards = 3\n", 13);
        options_default(&options);
        int error = take_text(&options, text);
        if (bytes > CONFIG_LINE_BYTES_MAX) {
            cr_assert_eq(error, -EINVAL, "%zu", bytes);
            cr_assert_not_null(strstr(reason, "wtd.conf:1: the line has"), "%s", reason);
            continue;
        }
        cr_assert_eq(error, 0, "%zu: %s", bytes, reason);
        cr_assert_eq(strlen(options.device), bytes - 8);
        cr_assert_eq(options.shard_count, 3);
    }
}

Test(options, nul_bytes)
{
    struct options options;
    options_default(&options);
    cr_assert_eq(take_bytes(&options, "shards = 1\nca\0che = 2\n", 22), -EINVAL);
    cr_assert_str_eq(reason, "wtd.conf:2: a NUL byte");
}

/* Every key is in the example, as a comment with its default. */
Test(options, example_has_the_defaults)
{
    char text[8192] = "", line[256];
    struct options options, plain;
    uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    FILE *file = fopen("deploy/wtd.conf", "re");
    cr_assert_not_null(file);
    unsigned keys = 0;
    while (fgets(line, sizeof(line), file)) {
        bool is_key = line[0] == '#' && line[1] >= 'a' && line[1] <= 'z';
        keys += is_key;
        strcat(text, line + is_key);
    }
    fclose(file);
    options_default(&options);
    options_default(&plain);
    cr_assert_eq(take_text(&options, text), 0, "%s", reason);
    cr_assert_eq(keys, 10);
    cr_assert_str_eq(options.device, "/var/lib/wt/wt.img");
    options.device[0] = '\0';
    /* As it is told there: 1G, but a quarter of a small machine. */
    if (options.metadata_bytes > machine / 4)
        options.metadata_bytes = machine / 4;
    cr_assert_str_eq(options.socket_path, plain.socket_path);
    cr_assert_eq(options.socket_mode, plain.socket_mode);
    cr_assert_eq(options.user_sessions, plain.user_sessions);
    cr_assert_eq(options.shard_count, plain.shard_count);
    cr_assert_eq(options.cache_bytes, plain.cache_bytes);
    cr_assert_eq(options.metadata_bytes, plain.metadata_bytes);
    cr_assert_eq(options.require_fixed_buffers, plain.require_fixed_buffers);
    cr_assert_eq(options.log_level, plain.log_level);
}

static void write_file(const char *path, size_t bytes)
{
    FILE *file = fopen(path, "we");
    cr_assert_not_null(file);
    for (size_t i = 0; i < bytes; i++)
        fputc(i % 64 == 63 ? '\n' : '#', file);
    fclose(file);
}

Test(options, files)
{
    char directory[] = "/tmp/wt-options.XXXXXX", path[64], other[64];
    struct options options;
    options_default(&options);
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/wtd.conf", directory);
    snprintf(other, sizeof(other), "%s/none", directory);

    write_file(path, CONFIG_FILE_BYTES_MAX);
    cr_expect_eq(options_take_file(&options, path, reason, sizeof(reason)), 0, "%s", reason);
    write_file(path, CONFIG_FILE_BYTES_MAX + 1);
    cr_expect_eq(options_take_file(&options, path, reason, sizeof(reason)), -EFBIG);
    cr_expect_not_null(strstr(reason, "longer than 64 KiB"), "%s", reason);
    cr_expect_eq(options_take_file(&options, other, reason, sizeof(reason)), -ENOENT);
    cr_expect_not_null(strstr(reason, "/none: No such file"), "%s", reason);
    cr_expect_eq(options_take_file(&options, directory, reason, sizeof(reason)), -EISDIR);
    cr_expect_not_null(strstr(reason, "Is a directory"), "%s", reason);
    unlink(path);
    rmdir(directory);
}

Test(options, help_names_all)
{
    static const char *const names[] = {
        "device", "socket",    "socket-mode", "user-sessions",
        "shards", "cache",     "metadata",    "require-fixed-buffers",
        "iopoll", "log-level", "config",      "help",
        "version"};
    char text[8192] = "", want[64];
    FILE *out = fmemopen(text, sizeof(text), "w");
    options_help(out);
    fclose(out);
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(want, sizeof(want), "\n  --%s", names[i]);
        cr_expect_not_null(strstr(text, want), "%s", want);
    }
    cr_expect_null(strstr(text, "metrics"));
}
