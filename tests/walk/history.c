#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/walk/walk.h"

#define HISTORY_LINES 200000u /* the oldest are forgotten */
#define HISTORY_SAID  80u     /* of the inodes concerned */

struct past {
    uint64_t concerned[2];
    char *line;
};

static struct past history[HISTORY_LINES];
static uint64_t history_count;

void note(struct walk *w, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t left = sizeof(w->line) - w->line_bytes;
    int bytes = vsnprintf(w->line + w->line_bytes, left, format, arguments);
    va_end(arguments);
    if (bytes > 0)
        w->line_bytes += (size_t)bytes < left ? (size_t)bytes : left - 1;
}

void concerns(struct walk *w, const struct node *node)
{
    if (!node || w->concerned[0] == node->ino || w->concerned[1] == node->ino)
        return;
    w->concerned[w->concerned[0] != 0] = node->ino;
    note(w, " #%llu", (unsigned long long)node->ino);
}

void history_add(struct walk *w)
{
    struct past *past = &history[history_count++ % HISTORY_LINES];
    free(past->line);
    past->line = strdup(w->line);
    memcpy(past->concerned, w->concerned, sizeof(past->concerned));
    if (w->traces)
        fprintf(stderr, "%s\n", w->line);
    w->line_bytes = 0;
    w->line[0] = '\0';
    memset(w->concerned, 0, sizeof(w->concerned));
}

static bool is_about(const struct past *past, const uint64_t concerned[2])
{
    for (unsigned i = 0; i < 2; i++) {
        if (concerned[i] &&
            (past->concerned[0] == concerned[i] || past->concerned[1] == concerned[i]))
            return true;
    }
    return false;
}

static void history_say(const struct walk *w)
{
    uint64_t oldest = history_count > HISTORY_LINES ? history_count - HISTORY_LINES : 0;
    uint64_t first = history_count, said = 0;
    bool is_all = !w->concerned[0];
    while (first > oldest && said < HISTORY_SAID) {
        first--;
        said += is_all || is_about(&history[first % HISTORY_LINES], w->concerned);
    }
    fprintf(stderr, "history%s:\n", is_all ? "" : " of the inodes concerned");
    for (uint64_t i = first; i < history_count; i++) {
        const struct past *past = &history[i % HISTORY_LINES];
        if (past->line && (is_all || is_about(past, w->concerned)))
            fprintf(stderr, "  %s\n", past->line);
    }
    fprintf(stderr, "  %s   <- here\n", w->line);
}

void differ(struct walk *w, const char *format, ...)
{
    char what[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    history_say(w);
    fprintf(stderr, "again: --seed %llu --steps %llu\n", (unsigned long long)w->seed,
            (unsigned long long)w->step + 1);
    printf("seed %llu step %llu: %s; in: %s\n", (unsigned long long)w->seed,
           (unsigned long long)w->step, what, w->line);
    fflush(stdout);
    _exit(1);
}

void give_up(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stdout, format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
    _exit(2);
}

const char *error_name(int64_t result)
{
    static char number[4][32];
    static unsigned turn;
    const char *name = result < 0 ? strerrorname_np((int)-result) : NULL;
    if (name)
        return name;
    char *text = number[turn++ % 4];
    snprintf(text, sizeof(number[0]), "%lld", (long long)result);
    return text;
}
