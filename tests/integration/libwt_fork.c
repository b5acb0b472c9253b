/* libwt_fork.c - a session does not pass a fork: the child has none of it, and the parent loses nothing. */
#include <dirent.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "libwt_case.h"

#define IN_FLIGHT     32u
#define THREAD_FORKS  40
#define SECONDS_LIMIT 30

static struct wt *session;
static int handle;

static const char *open_session(void)
{
    MUST((session = session_new()));
    MUST((handle = wt_open(session, "/fork", O_RDWR | O_CREAT, 0600)) >= 0);
    return NULL;
}

/* The child's exit status; -1 when it hangs (and is killed) or dies of a signal. */
static int child_status(pid_t child)
{
    int status;
    for (int i = 0; i < SECONDS_LIMIT * 100; i++) {
        if (waitpid(child, &status, WNOHANG) == child)
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        usleep(10000);
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return -1;
}

/* In the child: nothing of the session works, and a new one does. 0, or the number of what does not hold. */
static int look_from_child(void)
{
    struct wt_completion done;
    struct stat st;
    char byte;
    if (wt_pread(session, handle, &byte, 1, 0) != -EBADF || wt_submit(session) != -EBADF)
        return 1;
    if (wt_wait(session, &done, 1, 1, NULL) != -EBADF || wt_prep_nop(session, 1) != -EBADF)
        return 2;
    if (wt_stat(session, "/", &st) != -EBADF || wt_pollfd(session) != -EBADF)
        return 3;
    if (wt_fallocate(session, handle, 0, 0, 1) != -EBADF || wt_close(session, handle) != -EBADF)
        return 4;
    if (wt_buf_alloc(session, 1))
        return 5;
    wt_disconnect(session);
    struct wt *own = session_new();
    if (!own)
        return 6;
    int own_handle = wt_open(own, "/fork", O_RDWR, 0);
    if (own_handle < 0 || wt_pwrite(own, own_handle, "c", 1, 100) != 1)
        return 7;
    wt_disconnect(own);
    return 0;
}

static const char *child_has_no_session(void)
{
    const char *reason = open_session();
    if (reason)
        return reason;
    MUST(wt_pwrite(session, handle, "p", 1, 0) == 1);
    pid_t child = fork();
    if (child == 0)
        _exit(look_from_child());
    int status = child_status(child);
    fprintf(stderr, "child: %d\n", status);
    MUST(status == 0);
    char byte;
    MUST(wt_pread(session, handle, &byte, 1, 100) == 1 && byte == 'c');
    wt_disconnect(session);
    return NULL;
}

static const char *requests_in_flight_stay_the_parents(void)
{
    static unsigned char out[IN_FLIGHT][4096], in[4096];
    struct wt_completion done[IN_FLIGHT];
    const char *reason = open_session();
    if (reason)
        return reason;
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < IN_FLIGHT; i++) {
            memset(out[i], (int)(round * IN_FLIGHT + i), sizeof(out[i]));
            MUST(wt_prep_write(session, handle, out[i], 4096, i * 4096, WT_STABLE, i) == 0);
        }
        MUST(wt_submit(session) == (int)IN_FLIGHT);
        pid_t child = fork();
        if (child == 0)
            _exit(look_from_child());
        uint64_t seen = 0;
        MUST(wt_wait(session, done, IN_FLIGHT, IN_FLIGHT, NULL) == (int)IN_FLIGHT);
        for (unsigned i = 0; i < IN_FLIGHT; i++) {
            MUST(done[i].result == 4096);
            seen |= 1ull << done[i].user_data;
        }
        MUST(seen == 0xffffffffull);
        MUST(child_status(child) == 0);
        for (unsigned i = 1; i < IN_FLIGHT; i++) {
            MUST(wt_pread(session, handle, in, 4096, i * 4096) == 4096);
            MUST(memcmp(in, out[i], 4096) == 0);
        }
    }
    wt_disconnect(session);
    return NULL;
}

/* A program started by another finds no descriptor of a session. */
static const char *exec_inherits_nothing(void)
{
    extern char **environ;
    const char *reason = open_session();
    if (reason)
        return reason;
    char *const arguments[] = {
        "sh", "-c",
        "for f in /proc/self/fd/*; do readlink $f; done | grep -Eq 'memfd|eventfd|socket:'", NULL};
    pid_t child;
    MUST(posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ) == 0);
    MUST(child_status(child) == 1);
    int leak = dup(wt_pollfd(session)); /* so that the look is known to see one */
    MUST(posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ) == 0);
    MUST(child_status(child) == 0);
    close(leak);
    child = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork): it is the point */
    if (child == 0) {
        execv("/bin/sh", arguments);
        _exit(99);
    }
    MUST(child_status(child) == 1);
    MUST(wt_pwrite(session, handle, "x", 1, 0) == 1);
    wt_disconnect(session);
    return NULL;
}

static _Atomic bool stop;
static _Atomic unsigned rounds_done;

/* Sessions come and go here while another thread forks: the handlers must not be in each other's way. */
static void *come_and_go(void *argument)
{
    bool *is_right = argument;
    while (!stop && *is_right) {
        struct wt *own = session_with(8, 64 << 10);
        int own_handle = own ? wt_open(own, "/fork", O_RDWR | O_CREAT, 0600) : -1;
        *is_right = own_handle >= 0 && wt_pwrite(own, own_handle, "t", 1, 7) == 1;
        wt_disconnect(own);
        rounds_done++;
    }
    return NULL;
}

static const char *fork_beside_other_threads(void)
{
    pthread_t threads[2];
    bool is_right[2] = {true, true};
    const char *reason = open_session();
    if (reason)
        return reason;
    for (int i = 0; i < 2; i++)
        MUST(pthread_create(&threads[i], NULL, come_and_go, &is_right[i]) == 0);
    int status = 0;
    for (int i = 0; i < THREAD_FORKS && status == 0; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(look_from_child());
        status = child_status(child);
    }
    stop = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    MUST(status == 0);
    MUST(is_right[0] && is_right[1]);
    MUST(rounds_done > 0);
    MUST(wt_pwrite(session, handle, "x", 1, 0) == 1);
    wt_disconnect(session);
    return NULL;
}

int main(void)
{
    static const struct libwt_case cases[] = {
        {"child-has-no-session-and-connects-anew", child_has_no_session},
        {"fork-with-requests-in-flight", requests_in_flight_stay_the_parents},
        {"exec-inherits-no-descriptor", exec_inherits_nothing},
        {"fork-beside-threads-that-connect", fork_beside_other_threads},
    };
    return run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}
