/* libwt_signals.c - a signal each millisecond, no SA_RESTART: no call fails for it, nothing is lost or doubled. */
#include <signal.h>
#include <sys/time.h>

#include "libwt_case.h"

#define DEPTH         16u
#define ROUNDS        60u
#define SIGNALS_LEAST 50

static volatile sig_atomic_t signals;

static void on_alarm(int number)
{
    (void)number;
    signals = signals + 1;
}

static void alarms(bool on)
{
    struct itimerval timer = {0};
    if (on)
        timer.it_interval.tv_usec = timer.it_value.tv_usec = 1000;
    setitimer(ITIMER_REAL, &timer, NULL);
}

static const char *work(struct wt *session, int handle)
{
    static unsigned char out[DEPTH][8192], in[8192];
    struct wt_completion done[DEPTH];
    for (unsigned round = 0; round < ROUNDS || signals < SIGNALS_LEAST; round++) {
        uint64_t seen = 0;
        for (unsigned i = 0; i < DEPTH; i++) {
            memset(out[i], (int)(round + i), sizeof(out[i]));
            MUST(wt_prep_write(session, handle, out[i], 8192, i * 8192, WT_STABLE, i) == 0);
        }
        MUST(wt_fdatasync(session, handle) == 0);
        for (unsigned got = 0; got < DEPTH;) {
            int count = wt_wait(session, done, DEPTH, 1, NULL);
            MUST(count > 0);
            for (int i = 0; i < count; i++) {
                MUST(done[i].result == 8192);
                MUST(!(seen & 1ull << done[i].user_data));
                seen |= 1ull << done[i].user_data;
            }
            got += (unsigned)count;
        }
        MUST(wt_wait(session, done, DEPTH, 1, &no_time) == 0);
        unsigned place = round % DEPTH;
        MUST(wt_pread(session, handle, in, 8192, place * 8192) == 8192);
        MUST(memcmp(in, out[place], 8192) == 0);
    }
    return NULL;
}

static const char *calls_under_signals(void)
{
    struct wt *session = session_new();
    MUST(session);
    int handle = wt_open(session, "/signals", O_RDWR | O_CREAT, 0600);
    MUST(handle >= 0);
    signals = 0;
    alarms(true);
    const char *reason = work(session, handle);
    alarms(false);
    fprintf(stderr, "%d signals\n", (int)signals);
    wt_disconnect(session);
    return reason;
}

/* Connecting waits in connect, poll and recvmsg. */
static const char *connects_under_signals(void)
{
    bool is_right = true;
    alarms(true);
    for (int i = 0; i < 50 && is_right; i++) {
        struct wt *session = session_with(8, 64 << 10);
        struct stat st;
        is_right = session && wt_stat(session, "/", &st) == 0;
        wt_disconnect(session);
    }
    alarms(false);
    MUST(is_right);
    return NULL;
}

int main(void)
{
    static const struct libwt_case cases[] = {
        {"signals-fail-no-call", calls_under_signals},
        {"signals-fail-no-connect", connects_under_signals},
    };
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    return run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}
