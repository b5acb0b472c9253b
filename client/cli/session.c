/*
 * session.c - the way to the server: which socket, how long, and words when nobody is there.
 *
 * Without a server every command fails within a second. A socket that nobody listens on refuses at once;
 * a server that is stopped, or hangs, accepts and never answers, and libwt is patient with it. So a timer
 * ends the program instead: the connect is the first thing a command does, there is nothing to clean up.
 */
#include "client/cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MS 900
#define RETRY_MS  50
/* A command that kills every server it meets must end, too. */
#define RECONNECTS_MAX 10u

static char silence[256]; /* the message, made before the timer runs */

static void on_silence(int signal_number)
{
    (void)signal_number;
    if (write(STDERR_FILENO, silence, strlen(silence)) < 0)
        _exit(1);
    _exit(1);
}

static void silence_timer(const char *path, double seconds)
{
    struct itimerval timer = {
        .it_value = {(time_t)seconds, (suseconds_t)((seconds - (time_t)seconds) * 1e6)}};
    snprintf(silence, sizeof silence,
             "wtcli: %.150s: no server answers: it accepts and is silent\n", path);
    signal(SIGALRM, seconds > 0 ? on_silence : SIG_DFL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int say_connect(const char *path, int error)
{
    if (error == -ENOENT || error == -ECONNREFUSED || error == -ETIMEDOUT)
        return say_failure(path, "no server answers: %s", strerrordesc_np(-error));
    if (error == -EACCES)
        return say_failure(path, "the socket is not open to this user: %s",
                           strerrordesc_np(-error));
    return *wt_connect_error() != '\0' ? say_reason(path, wt_connect_error())
                                       : say_error(path, error);
}

int session_open(struct cli *cli)
{
    if (cli->socket_path == NULL)
        cli->socket_path = getenv("WT_SOCKET");
    if (cli->socket_path == NULL || *cli->socket_path == '\0')
        cli->socket_path = WT_SOCKET_DEFAULT;

    double deadline_s = now_s() + cli->reconnect_s;
    int error;
    silence_timer(cli->socket_path, cli->reconnect_s + ANSWER_MS / 1e3);
    while ((error = wt_connect(cli->socket_path, &cli->session_options, &cli->session)) != 0) {
        bool absent = error == -ENOENT || error == -ECONNREFUSED || error == -ETIMEDOUT ||
                      error == -ENOTCONN || error == -EREMOTEIO;
        if (!absent || now_s() >= deadline_s)
            break;
        nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000l}, NULL);
    }
    silence_timer(cli->socket_path, 0);
    if (error != 0)
        return say_connect(cli->socket_path, error);
    watchdog_start(cli);
    return 0;
}

bool session_again(struct cli *cli)
{
    if (!lost_forget())
        return false;
    wt_disconnect(cli->session);
    cli->session = NULL;
    if (cli->reconnects++ == RECONNECTS_MAX) {
        say_failure(cli->socket_path, "the server was lost %u times", RECONNECTS_MAX + 1);
        return false;
    }
    return session_open(cli) == 0;
}
