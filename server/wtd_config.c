/* wtd_config.c - see wtd_config.h. */
#include "server/wtd_config.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WHY_BYTES       256u
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct parse {
    const char *name, *at, *end;
    unsigned line; /* the one inih has now */
    bool failed;
    config_take take;
    void *context;
    char *reason;
    size_t reason_bytes;
};

__attribute__((format(printf, 2, 3))) static void fail(struct parse *parse, const char *format, ...)
{
    char why[WHY_BYTES];
    va_list arguments;
    if (parse->failed)
        return;
    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    snprintf(parse->reason, parse->reason_bytes, "%s:%u: %s", parse->name, parse->line, why);
    parse->failed = true;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static bool check_line(struct parse *parse, const char *line, size_t bytes)
{
    if (memchr(line, 0, bytes))
        fail(parse, "a NUL byte");
    else if (bytes > CONFIG_LINE_BYTES_MAX)
        fail(parse, "the line has %zu bytes: at most %u are read", bytes, CONFIG_LINE_BYTES_MAX);
    else if (bytes && line[0] == '[')
        fail(parse, "unknown section: keys stand alone, without sections");
    else if (bytes && !strchr(";#", line[0]) && !memchr(line, '=', bytes))
        fail(parse, "no `=': a line is `key = value', or a comment after # or ;");
    return !parse->failed;
}

/* inih's fgets. Lines come without what is blank on both sides: an indented one would continue the value
 * before it. */
static char *next_line(char *buffer, int buffer_bytes, void *stream)
{
    struct parse *parse = stream;
    if (parse->failed || parse->at == parse->end)
        return NULL;
    const char *line = parse->at;
    const char *stop = memchr(line, '\n', (size_t)(parse->end - line));
    parse->at = stop ? stop + 1 : parse->end;
    parse->line++;
    if (!stop)
        stop = parse->end;
    while (line < stop && is_blank(*line))
        line++;
    while (stop > line && is_blank(stop[-1]))
        stop--;
    size_t bytes = (size_t)(stop - line);
    if (!check_line(parse, line, bytes))
        return NULL;
    if (bytes + 2 > (size_t)buffer_bytes) {
        fail(parse, "the line has %zu bytes: at most %d are read", bytes, buffer_bytes - 2);
        return NULL;
    }
    memcpy(buffer, line, bytes);
    memcpy(buffer + bytes, "\n", 2);
    return buffer;
}

static int take_pair(void *user, const char *section, const char *key, const char *value)
{
    struct parse *parse = user;
    char why[WHY_BYTES] = "";
    (void)section; /* next_line lets none through */
    if (!parse->failed && parse->take(parse->context, key, value, why, sizeof(why)))
        fail(parse, "%s", why);
    return !parse->failed;
}

int config_parse(const char *name, const char *text, size_t text_bytes, config_take take,
                 void *context, char *reason, size_t reason_bytes)
{
    struct parse parse = {
        .name = name,
        .at = text,
        .end = text + text_bytes,
        .take = take,
        .context = context,
        .reason = reason,
        .reason_bytes = reason_bytes,
    };
    /* inih would skip it too, but after the line was checked. */
    if (text_bytes >= 3 && memcmp(text, BYTE_ORDER_MARK, 3) == 0)
        parse.at += 3;
    int first_bad_line = ini_parse_stream(next_line, &parse, take_pair, &parse);
    if (parse.failed)
        return -EINVAL;
    if (first_bad_line == 0)
        return 0;
    /* inih's own view of a line: its `=' stood in a comment. */
    parse.line = first_bad_line > 0 ? (unsigned)first_bad_line : 0;
    fail(&parse, "no `=': a line is `key = value', or a comment after # or ;");
    return -EINVAL;
}

static int open_file(const char *path)
{
    int descriptor;
    do {
        descriptor = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
    } while (descriptor < 0 && errno == EINTR);
    return descriptor < 0 ? -errno : descriptor;
}

/* One byte more than is allowed would fit, so that a longer file is noticed. */
static long read_all(int descriptor, char *text)
{
    char more;
    size_t have = 0;
    for (;;) {
        bool full = have == CONFIG_FILE_BYTES_MAX;
        ssize_t got = read(descriptor, full ? &more : text + have,
                           full ? sizeof(more) : CONFIG_FILE_BYTES_MAX - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return (long)have;
        if (full)
            return -EFBIG;
        have += (size_t)got;
    }
}

long config_read(const char *path, char *text, char *reason, size_t reason_bytes)
{
    int descriptor = open_file(path);
    long result = descriptor;
    if (descriptor >= 0) {
        result = read_all(descriptor, text);
        close(descriptor);
    }
    if (result == -EFBIG)
        snprintf(reason, reason_bytes, "%s: longer than %u KiB", path, CONFIG_FILE_BYTES_MAX >> 10);
    else if (result < 0)
        snprintf(reason, reason_bytes, "%s: %s", path, strerrordesc_np((int)-result));
    return result;
}
