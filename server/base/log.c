/*
 * log.c - one write(2) a line, so that lines of several threads and processes do not mix.
 *
 * Control characters become '?': names come from clients, and a line must stay one line.
 */
#include "server/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES_MAX 1024

static const char *program = "wt";
static _Atomic int threshold = LOG_LEVEL_INFO;
static atomic_bool ready, silent;

void log_set_program(const char *name)
{
    program = name;
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

void log_ready(void)
{
    atomic_store_explicit(&ready, true, memory_order_relaxed);
}

void log_set_silent(bool be_silent)
{
    atomic_store_explicit(&silent, be_silent, memory_order_relaxed);
}

static bool is_wanted(enum log_level level)
{
    if (atomic_load_explicit(&silent, memory_order_relaxed))
        return false;
    if ((int)level > atomic_load_explicit(&threshold, memory_order_relaxed))
        return false;
    return level <= LOG_LEVEL_WARNING || atomic_load_explicit(&ready, memory_order_relaxed);
}

/* What snprintf wrote, given its result: no more than fits. */
static size_t written(int result, size_t room)
{
    if (result < 0)
        return 0;
    return (size_t)result < room ? (size_t)result : room - 1;
}

void log_line(enum log_level level, const char *format, ...)
{
    /* An error is "program: cause", as the contract has it; the rest says what it is. */
    static const char *const tags[] = {"", "warning: ", "", "debug: "};
    if (!is_wanted(level))
        return;

    int saved_errno = errno;
    char line[LINE_BYTES_MAX];
    size_t room = sizeof(line) - 1; /* for the newline */
    size_t length = written(snprintf(line, room, "%s: %s", program, tags[level]), room);
    va_list arguments;
    va_start(arguments, format);
    length += written(vsnprintf(line + length, room - length, format, arguments), room - length);
    va_end(arguments);

    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    }
    line[length++] = '\n';
    /* Nobody to tell when stderr is gone. */
    ssize_t ignored = write(STDERR_FILENO, line, length);
    (void)ignored;
    errno = saved_errno;
}
