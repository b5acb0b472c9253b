/*
 * limits.c - a client that goes to a limit and says what it met there.
 *
 *   limits sessions MOST [SECONDS]   connects MOST times with little memory, says how often it worked and why not
 *                                    more, and keeps the sessions for SECONDS
 *   limits memory MOST               the same with arenas of 1 GiB
 *   limits handles PATH              opens PATH until it is refused, closes one, opens it again
 *   limits all-handles PATH          opens PATH in session after session
 *   limits options                   connects with what is out of bounds
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wt.h>

#define SESSIONS_MOST 2000
#define HANDLES_MOST  (1 << 20)

static struct wt *sessions[SESSIONS_MOST];

static int connect_often(int most, uint64_t arena_bytes, int seconds)
{
    struct wt_options options = WT_OPTIONS_INIT;
    int count = 0, error = 0;
    options.ring_entries = 8;
    options.arena_bytes = arena_bytes;
    while (count < most && count < SESSIONS_MOST) {
        error = wt_connect(NULL, &options, &sessions[count]);
        if (error)
            break;
        count++;
    }
    printf("%d %s: %s\n", count, error ? strerrorname_np(-error) : "0",
           error ? wt_connect_error() : "no refusal");
    fflush(stdout);
    sleep((unsigned)seconds);
    for (int i = 0; i < count; i++)
        wt_disconnect(sessions[i]);
    return 0;
}

static int open_often(const char *path)
{
    static int handles[HANDLES_MOST];
    struct wt *session;
    int count = 0, handle = 0, again;
    if (wt_connect(NULL, NULL, &session) < 0)
        return 1;
    while (count < HANDLES_MOST && (handle = wt_open(session, path, O_RDONLY, 0)) >= 0)
        handles[count++] = handle;
    if (count == 0)
        return 1;
    wt_close(session, handles[count / 2]);
    again = wt_open(session, path, O_RDONLY, 0);
    printf("%d %s %s\n", count, handle < 0 ? strerrorname_np(-handle) : "0",
           again >= 0 ? "again" : strerrorname_np(-again));
    wt_disconnect(session);
    return 0;
}

/* As many as there are, in as many sessions as it takes. */
static int open_in_all(const char *path)
{
    int count = 0, sessions_used = 0, handle = 0;
    while (handle != -ENFILE && sessions_used < 9 &&
           wt_connect(NULL, NULL, &sessions[sessions_used]) == 0) {
        while ((handle = wt_open(sessions[sessions_used], path, O_RDONLY, 0)) >= 0)
            count++;
        sessions_used++;
    }
    printf("%d %s in %d sessions\n", count, handle < 0 ? strerrorname_np(-handle) : "0",
           sessions_used);
    while (sessions_used)
        wt_disconnect(sessions[--sessions_used]);
    return 0;
}

static void try_options(const char *name, const struct wt_options *options)
{
    struct wt *session;
    int error = wt_connect(NULL, options, &session);
    printf("%s %s\n", name, error ? strerrorname_np(-error) : "0");
    if (!error)
        wt_disconnect(session);
}

static int out_of_bounds(void)
{
    static const struct {
        const char *name;
        uint32_t ring_entries;
        uint64_t arena_bytes;
    } tries[] = {
        {"least", 8, 64 << 10},
        {"ring-4", 4, 0},
        {"ring-9", 9, 0},
        {"ring-8192", 8192, 0},
        {"arena-65535", 0, (64 << 10) - 1},
        {"arena-1G+1", 0, (1 << 30) + 1},
    };
    for (unsigned i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        struct wt_options options = WT_OPTIONS_INIT;
        options.ring_entries = tries[i].ring_entries;
        options.arena_bytes = tries[i].arena_bytes;
        try_options(tries[i].name, &options);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "sessions") == 0 && argc > 2)
        return connect_often(atoi(argv[2]), 64 << 10, argc > 3 ? atoi(argv[3]) : 0);
    if (strcmp(what, "memory") == 0 && argc > 2)
        return connect_often(atoi(argv[2]), 1 << 30, 0);
    if (strcmp(what, "handles") == 0 && argc > 2)
        return open_often(argv[2]);
    if (strcmp(what, "all-handles") == 0 && argc > 2)
        return open_in_all(argv[2]);
    if (strcmp(what, "options") == 0)
        return out_of_bounds();
    fputs("usage: limits sessions MOST [SECONDS] | memory MOST | handles PATH | all-handles PATH | "
          "options\n",
          stderr);
    return 2;
}
