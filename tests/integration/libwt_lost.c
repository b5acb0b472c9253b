/*
 * libwt_lost.c PID - the server is stopped with requests in flight and then killed: each completes once, whoever
 * waits is woken, and afterwards every call says -ENOTCONN.
 */
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "libwt_case.h"

#define IN_FLIGHT 64u

static pid_t server;
static struct wt *polls, *waits, *blocks;
static int poll_handle, wait_handle, block_handle;
static unsigned char block[4096];

/* Whether every thread of the server stands still: the signal is taken by each when it gets to it. */
static bool is_stopped(void)
{
    char path[300], line[128];
    bool stopped = true;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)server);
    DIR *tasks = opendir(path);
    bool is_there = tasks != NULL;
    for (struct dirent *task; tasks && (task = readdir(tasks));) {
        snprintf(path, sizeof(path), "/proc/%d/task/%.20s/status", (int)server, task->d_name);
        FILE *file = task->d_name[0] == '.' ? NULL : fopen(path, "re");
        while (file && fgets(line, sizeof(line), file))
            stopped = stopped && (strncmp(line, "State:", 6) != 0 || strchr(line, 'T'));
        if (file)
            fclose(file);
    }
    if (tasks)
        closedir(tasks);
    return is_there && stopped;
}

static const char *prepare(void)
{
    MUST((polls = session_new()) && (waits = session_new()) && (blocks = session_new()));
    MUST((poll_handle = wt_open(polls, "/lost", O_RDWR | O_CREAT, 0600)) >= 0);
    MUST((wait_handle = wt_open(waits, "/lost", O_RDWR, 0)) >= 0);
    MUST((block_handle = wt_open(blocks, "/lost", O_RDWR, 0)) >= 0);
    MUST(wt_pwrite(polls, poll_handle, block, sizeof(block), 0) == sizeof(block));
    MUST(kill(server, SIGSTOP) == 0);
    for (int i = 0; i < 1000 && !is_stopped(); i++)
        usleep(10000);
    MUST(is_stopped());
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        MUST(wt_prep_write(polls, poll_handle, block, sizeof(block), i * 4096, WT_STABLE, i) == 0);
        MUST(wt_prep_read(waits, wait_handle, block, 1, i, 0, i) == 0);
    }
    MUST(wt_submit(polls) == (int)IN_FLIGHT && wt_submit(waits) == (int)IN_FLIGHT);
    return NULL;
}

static void *blocked_write(void *argument)
{
    *(ssize_t *)argument = wt_pwrite(blocks, block_handle, block, sizeof(block), 0);
    return NULL;
}

/* Everything in flight completes once, with its outcome unknown: the server took none of it. */
static const char *collect(struct wt *session)
{
    struct wt_completion done[IN_FLIGHT];
    uint64_t seen = 0;
    MUST(wt_wait(session, done, IN_FLIGHT, IN_FLIGHT, NULL) == (int)IN_FLIGHT);
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        MUST(done[i].result == -EREMOTEIO);
        MUST(!(seen & 1ull << done[i].user_data));
        seen |= 1ull << done[i].user_data;
    }
    MUST(seen == UINT64_MAX);
    MUST(wt_wait(session, done, 1, 1, NULL) == -ENOTCONN);
    return NULL;
}

static const char *in_flight_completes_once(void)
{
    const char *reason = prepare();
    ssize_t written = 0;
    pthread_t thread;
    if (reason)
        return reason;
    struct pollfd pollfd = {.fd = wt_pollfd(polls), .events = POLLIN};
    MUST(poll(&pollfd, 1, 0) == 0);
    MUST(pthread_create(&thread, NULL, blocked_write, &written) == 0);
    usleep(50000);
    MUST(kill(server, SIGKILL) == 0);
    MUST(poll(&pollfd, 1, 20000) == 1 && pollfd.revents & POLLIN);
    pthread_join(thread, NULL);
    MUST(written == -EREMOTEIO);
    reason = collect(polls);
    return reason ? reason : collect(waits);
}

static const char *later_calls_are_refused(void)
{
    struct wt_dir *dir;
    struct stat st;
    char byte;
    MUST(wt_pread(blocks, block_handle, &byte, 1, 0) == -ENOTCONN);
    MUST(wt_prep_read(polls, poll_handle, &byte, 1, 0, 0, 0) == -ENOTCONN);
    MUST(wt_submit(polls) == -ENOTCONN && wt_pollfd(polls) == -ENOTCONN);
    MUST(wt_fsync(polls, poll_handle) == -ENOTCONN && wt_syncfs(polls) == -ENOTCONN);
    MUST(wt_stat(waits, "/lost", &st) == -ENOTCONN && wt_mkdir(waits, "/d", 0700) == -ENOTCONN);
    MUST(wt_opendir(waits, "/", &dir) == -ENOTCONN);
    MUST(wt_seek(waits, wait_handle, 0, SEEK_DATA) == -ENOTCONN);
    MUST(!wt_buf_alloc(waits, 1));
    MUST(wt_close(waits, wait_handle) == -ENOTCONN);
    wt_disconnect(polls);
    wt_disconnect(waits);
    wt_disconnect(blocks);
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct libwt_case cases[] = {
        {"killed-server-completes-each-request-once", in_flight_completes_once},
        {"killed-server-refuses-later-calls", later_calls_are_refused},
    };
    server = argc > 1 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
    if (server <= 1)
        return 2;
    return run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}
