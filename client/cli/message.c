/* message.c - what wtcli says, and how names reach a terminal. Any thread may call. */
#include "client/cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/progress.h"

#define FAILURES_PRINTED_MAX 10u
#define NAME_SHOWN_BYTES     1024u

static _Atomic unsigned failures;
static _Atomic bool lost, gone; /* gone: the session, not only the volume's writing */
static bool may_return;

/* The length of the UTF-8 character at text, 0 where there is none that a terminal may be shown: control
 * characters (also those of U+0080 to U+009F), overlong forms, surrogates. */
static size_t printable_bytes(const unsigned char *text)
{
    if (text[0] < 0x80)
        return text[0] >= 0x20 && text[0] != 0x7f && text[0] != '\\' ? 1 : 0;
    size_t bytes = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    if (text[0] < 0xc2 || text[0] > 0xf4)
        return 0;
    uint32_t character = text[0] & (0x7fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        character = character << 6 | (text[i] & 0x3f);
    }
    static const uint32_t smallest[] = {[2] = 0xa0, [3] = 0x800, [4] = 0x10000};
    if (character < smallest[bytes] || character > 0x10ffff ||
        (character >= 0xd800 && character < 0xe000))
        return 0;
    return bytes;
}

static void print_escaped(FILE *stream, const char *name)
{
    static const char letters[] = {['\a'] = 'a', ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n',
                                   ['\v'] = 'v', ['\f'] = 'f', ['\r'] = 'r', ['\\'] = '\\'};

    for (const unsigned char *at = (const unsigned char *)name; *at != '\0';) {
        size_t bytes = printable_bytes(at);
        if (bytes > 0) {
            fwrite(at, 1, bytes, stream);
            at += bytes;
            continue;
        }
        if (*at < sizeof letters && letters[*at] != '\0')
            fprintf(stream, "\\%c", letters[*at]);
        else
            fprintf(stream, "\\%03o", *at);
        at++;
    }
}

/* As much of the escaped name as fits. */
static void escape(const char *name, char *text, size_t capacity)
{
    FILE *stream = fmemopen(text, capacity, "w");
    *text = '\0';
    if (stream == NULL)
        return;
    print_escaped(stream, name);
    fclose(stream);
    text[capacity - 1] = '\0';
}

void print_name(FILE *stream, const char *name)
{
    if (isatty(fileno(stream)))
        print_escaped(stream, name);
    else
        fputs(name, stream);
}

const char *shown_name(const char *name)
{
    static _Thread_local char texts[2][NAME_SHOWN_BYTES];
    static _Thread_local unsigned turn;

    if (!isatty(STDERR_FILENO))
        return name;
    char *text = texts[turn++ % 2];
    escape(name, text, NAME_SHOWN_BYTES);
    return text;
}

__attribute__((format(printf, 2, 0))) static void say_line(const char *path, const char *format,
                                                           va_list arguments)
{
    flockfile(stderr);
    progress_hide();
    fputs("wtcli: ", stderr);
    if (path != NULL) {
        print_name(stderr, path);
        fputs(": ", stderr);
    }
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    funlockfile(stderr);
}

int say_failure(const char *path, const char *format, ...)
{
    if (atomic_fetch_add(&failures, 1) >= FAILURES_PRINTED_MAX)
        return 1;
    va_list arguments;
    va_start(arguments, format);
    say_line(path, format, arguments);
    va_end(arguments);
    return 1;
}

int say_error(const char *path, int error)
{
    if (error == -ENOTCONN || error == -EREMOTEIO) {
        atomic_store(&gone, true);
        if (atomic_exchange(&lost, true) || may_return)
            return 1;
        return say_failure(path, error == -EREMOTEIO
                                     ? "the server was lost; whether this was done is unknown"
                                     : "the server is gone");
    }
    if (error == -EROFS && atomic_exchange(&lost, true))
        return 1;
    const char *words = strerrordesc_np(-error);
    if (words == NULL)
        return say_failure(path, "error %d", -error);
    return say_failure(path, "%s", words);
}

/* What follows "PATH: " in the reason, or NULL when it does not begin so. */
static const char *after_path(const char *reason, const char *path)
{
    while (*path != '\0' && *reason == *path) {
        reason++;
        path++;
    }
    return *path == '\0' && strncmp(reason, ": ", 2) == 0 ? reason + 2 : NULL;
}

int say_reason(const char *path, const char *reason)
{
    const char *colon = strchr(path, ':');
    const char *words = after_path(reason, path);

    if (words == NULL && colon != NULL)
        words = after_path(reason, colon + 1);
    return say_failure(path, "%s", shown_name(words != NULL ? words : reason));
}

int say_usage(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say_line(NULL, format, arguments);
    va_end(arguments);
    fputs("Try `--help'.\n", stderr);
    return 2;
}

void say_rest(void)
{
    unsigned count = atomic_load(&failures);
    if (count > FAILURES_PRINTED_MAX)
        fprintf(stderr, "wtcli: and %u more failures like these\n", count - FAILURES_PRINTED_MAX);
}

uint64_t failure_count(void)
{
    return atomic_load(&failures);
}

bool server_lost(void)
{
    return atomic_load(&lost);
}

void lost_may_return(bool may)
{
    may_return = may;
}

bool lost_forget(void)
{
    if (!may_return || !atomic_exchange(&gone, false))
        return false;
    atomic_store(&lost, false);
    return true;
}

int finish_output(void)
{
    bool failed = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) == 0 && !failed)
        return 0;
    /* A reader that had enough is no failure worth words, as with SIGPIPE. */
    if (errno != EPIPE)
        say_failure("standard output", "%s", errno != 0 ? strerrordesc_np(errno) : "cannot write");
    return 1;
}

static void *or_exit(void *memory)
{
    if (memory == NULL) {
        fputs("wtcli: out of memory\n", stderr);
        _exit(1);
    }
    return memory;
}

void *allocate(size_t bytes)
{
    return or_exit(calloc(1, bytes > 0 ? bytes : 1));
}

void *reallocate(void *memory, size_t bytes)
{
    return or_exit(realloc(memory, bytes > 0 ? bytes : 1));
}

char *copy_string(const char *string)
{
    return or_exit(strdup(string));
}
