/*
 * watchdog.c - a server that stops answering while a command runs must not keep it for ever.
 *
 * libwt waits as long as a request takes: a slow device is no failure. So, beside a command that runs for
 * long, a thread asks every few seconds on a session of its own. A server that lives answers that, however
 * slow its device; one that is stopped or hangs does not, and two silences in a row end the program (one might
 * be our own: a laptop that slept). Whether what was in flight has been done is then unknown.
 */
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/cli.h"

#define ASK_EVERY_S 5
#define ANSWER_S    5
#define SILENCES    2

static struct watchdog {
    const char *socket_path;
    double patience_s; /* beyond the silences */
} watchdog;

/* Only silence counts: a refusal, or a server that is gone, is told to the command itself. */
static bool silent(void)
{
    struct wt_options options = WT_OPTIONS_INIT;
    struct wt_completion completion;
    struct wt *session;

    options.ring_entries = 8;
    options.arena_bytes = 64u << 10;
    int error = wt_connect(watchdog.socket_path, &options, &session);
    if (error != 0)
        return error == -ETIMEDOUT;
    int result = wt_prep_nop(session, 1);
    if (result == 0)
        result = wt_wait(session, &completion, 1, 1, &(struct timespec){.tv_sec = ANSWER_S});
    wt_disconnect(session);
    return result == -ETIME;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void *watch(void *argument)
{
    unsigned silences = 0;
    double since_s = 0;
    (void)argument;

    for (;;) {
        if (silences == 0)
            sleep(ASK_EVERY_S);
        double asked_s = now_s();
        if (!silent()) {
            silences = 0;
            continue;
        }
        if (silences++ == 0)
            since_s = asked_s;
        if (silences < SILENCES || now_s() - since_s < watchdog.patience_s)
            continue;
        say_failure(watchdog.socket_path,
                    "the server has stopped answering; whether the last requests were done is "
                    "unknown");
        _exit(1);
    }
}

void watchdog_start(const struct cli *cli)
{
    pthread_t thread;
    pthread_attr_t attributes;

    watchdog.patience_s = cli->reconnect_s;
    if (watchdog.socket_path != NULL)
        return;
    watchdog.socket_path = cli->socket_path;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    /* Without it the command works as well. */
    if (pthread_create(&thread, &attributes, watch, NULL) != 0)
        watchdog.socket_path = NULL;
    pthread_attr_destroy(&attributes);
}
