/*
 * wait.c - waiting for completions: spin a little, then sleep, and notice when the server is gone.
 *
 * How long to spin is learnt. A wait that ended while spinning, or that slept less than the
 * longest spin, says that spinning pays; one that slept longer says that it does not, and halves
 * the next spin. So a program of cached reads stays in user space and one that waits for the
 * device does not burn its core.
 *
 * Asleep, the client waits for the wake word in slices, and after each slice asks the socket
 * whether the server still lives: a killed server cannot say so in shared memory. Callers that
 * never sleep (they look again and again with a zero timeout) ask too, now and then.
 */
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/lib/internal.h"

#define SPIN_NS_MIN        2000ull
#define SPINS_WITHOUT_REST 64u /* about the round trip of a cached read: no pause before that */
#define SPINS_PER_CLOCK    32u
#define SLICE_NS           200000000ull
#define ALIVE_CHECK_NS     100000000ull
#define NS_PER_S           1000000000ull

/* Whether the server has closed the socket. Datagrams for a poller, which may lie before the end, are left
 * where they are. */
bool wtc_socket_ended(const struct wt *s)
{
    struct pollfd pollfd = {.fd = s->socket, .events = POLLRDHUP};
    return poll(&pollfd, 1, 0) > 0 && pollfd.revents;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* What is left of a deadline; UINT64_MAX for none. The first call starts it. */
static uint64_t deadline_left(struct wtc_deadline *deadline, uint64_t now_ns)
{
    if (deadline->forever)
        return UINT64_MAX;
    if (deadline->end_ns == 0)
        deadline->end_ns = deadline->timeout_ns > UINT64_MAX - 1 - now_ns
                               ? UINT64_MAX - 1
                               : now_ns + deadline->timeout_ns;
    return deadline->end_ns > now_ns ? deadline->end_ns - now_ns : 0;
}

/* Ends the session if the server has; at most every ALIVE_CHECK_NS. True: it was lost now. */
static bool check_alive(struct wt *s, uint64_t now_ns)
{
    bool gone = __atomic_load_n(&s->header->server_gone, __ATOMIC_ACQUIRE) != 0;
    if (!gone) {
        if (now_ns - s->alive_checked_ns < ALIVE_CHECK_NS)
            return false;
        s->alive_checked_ns = now_ns;
        gone = wtc_socket_ended(s);
    }
    if (gone)
        wtc_lose(s);
    return gone;
}

static bool spin(struct wt *s, struct wtc_deadline *deadline)
{
    uint64_t start_ns = 0;
    if (s->spin_ns == 0)
        return false;
    for (uint32_t i = 1;; i++) {
        if (i > SPINS_WITHOUT_REST)
            cpu_relax();
        if (wtc_reap(s))
            return true;
        if (i % SPINS_PER_CLOCK)
            continue;
        uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
        if (start_ns == 0)
            start_ns = now_ns;
        if (now_ns - start_ns >= s->spin_ns || deadline_left(deadline, now_ns) == 0)
            return false;
    }
}

static void spin_paid(struct wt *s, bool paid)
{
    uint64_t spin_ns = paid ? s->spin_ns * 2 : s->spin_ns / 2;
    uint64_t least = SPIN_NS_MIN < s->spin_ns_max ? SPIN_NS_MIN : s->spin_ns_max;
    s->spin_ns = spin_ns > s->spin_ns_max ? s->spin_ns_max : spin_ns < least ? least : spin_ns;
}

static void futex_wait(uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                               .tv_nsec = (long)(timeout_ns % NS_PER_S)};
    /* Shared between processes, so not FUTEX_PRIVATE. Whatever ends it, the caller looks again. */
    syscall(SYS_futex, word, FUTEX_WAIT, value, &timeout, NULL, 0);
}

static bool sleep_until_progress(struct wt *s, struct wtc_deadline *deadline)
{
    struct wt_region_header *header = s->header;
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC), now_ns = start_ns;
    for (;;) {
        uint32_t word = __atomic_load_n(&header->wake_word, __ATOMIC_ACQUIRE);
        __atomic_store_n(&header->client_waiting, 1, __ATOMIC_RELAXED);
        /* Pairs with the server's fence between posting and reading client_waiting: one of the two
         * sees the other's store. */
        atomic_thread_fence(memory_order_seq_cst);
        bool progress = wtc_reap(s) != 0;
        uint64_t left_ns = progress ? 0 : deadline_left(deadline, now_ns);
        if (!progress && left_ns && !check_alive(s, now_ns))
            futex_wait(&header->wake_word, word, left_ns < SLICE_NS ? left_ns : SLICE_NS);
        __atomic_store_n(&header->client_waiting, 0, __ATOMIC_RELAXED);
        now_ns = clock_ns(CLOCK_MONOTONIC);
        if (progress || wtc_reap(s) || !wtc_is_live(s)) {
            spin_paid(s, now_ns - start_ns < s->spin_ns_max);
            return true;
        }
        if (left_ns == 0)
            return check_alive(s, now_ns);
    }
}

/*
 * Hands over, then waits until a completion was taken or the session was lost (true), or the
 * deadline passed (false). Something is in flight.
 */
bool wtc_wait_progress(struct wt *s, struct wtc_deadline *deadline)
{
    if (s->dirty)
        wtc_hand_over(s);
    if (!wtc_is_live(s) || wtc_reap(s))
        return true;
    if (!deadline->forever && deadline->timeout_ns == 0)
        return check_alive(s, clock_ns(CLOCK_MONOTONIC_COARSE));
    if (spin(s, deadline)) {
        spin_paid(s, true);
        return true;
    }
    return sleep_until_progress(s, deadline);
}

/* Waits for whatever comes next; -EREMOTEIO if the session is lost, -ENOBUFS if nothing is in
 * flight that could make room. */
int wtc_wait_any(struct wt *s)
{
    struct wtc_deadline forever = {.forever = true};
    if (wtc_is_live(s) && s->in_flight == 0)
        return -ENOBUFS;
    wtc_wait_progress(s, &forever);
    return wtc_is_live(s) ? 0 : -EREMOTEIO;
}

/* Waits for a synchronous slot; its result. The slot is still the caller's to release. */
int64_t wtc_wait_slot(struct wt *s, uint32_t index)
{
    struct wtc_deadline forever = {.forever = true};
    while (s->slots[index].state != WTC_SLOT_DONE)
        wtc_wait_progress(s, &forever);
    return s->slots[index].result;
}

static int deadline_init(struct wtc_deadline *deadline, const struct timespec *timeout)
{
    *deadline = (struct wtc_deadline){.forever = timeout == NULL};
    if (!timeout)
        return 0;
    if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= (long)NS_PER_S)
        return -EINVAL;
    uint64_t seconds = (uint64_t)timeout->tv_sec;
    deadline->timeout_ns = seconds > UINT32_MAX ? UINT32_MAX * NS_PER_S : seconds * NS_PER_S;
    deadline->timeout_ns += (uint64_t)timeout->tv_nsec;
    return 0;
}

WT_EXPORT int wt_wait(struct wt *s, struct wt_completion *completions, unsigned max, unsigned min,
                      const struct timespec *timeout)
{
    struct wtc_deadline deadline;
    if (wtc_guard(s) == WTC_FORKED)
        return -EBADF;
    int rc = deadline_init(&deadline, timeout);
    if (rc < 0)
        return rc;
    if (max > INT_MAX)
        max = INT_MAX;
    if (s->polls)
        wtc_poll_disarm(s);
    if (s->dirty)
        wtc_hand_over(s);
    if (s->pending == 0)
        return wtc_check(s);
    uint32_t wanted = min < max ? min : max;
    if (wanted > s->pending)
        wanted = s->pending;
    s->out = completions;
    s->out_left = max;
    wtc_kept_drain(s);
    if (s->out_left && wtc_is_live(s))
        wtc_reap(s);
    while (max - s->out_left < wanted && wtc_wait_progress(s, &deadline))
        ;
    uint32_t count = max - s->out_left;
    s->out_left = 0;
    if (count == 0 && wanted)
        return -ETIME;
    return (int)count;
}
