/*
 * libwt_poll.c - the poll descriptor against a real server: one epoll loop over several sessions, with many
 * requests and no lost wake-up, and silence when there is nothing to do.
 */
#include <poll.h>
#include <sys/epoll.h>

#include "libwt_case.h"

#define SESSIONS      4
#define DEPTH         16u
#define BLOCK_BYTES   1024u
#define BLOCKS        256u
#define REQUESTS_EACH 25000u
#define LOST_MS       20000 /* no wake-up for so long: it was lost */

struct looper {
    struct wt *session;
    int handle;
    unsigned prepared, completed, wakes, empty_wakes;
    unsigned char *buffers; /* DEPTH blocks */
    unsigned char seen[REQUESTS_EACH];
};

static struct looper loopers[SESSIONS];

static const char *open_looper(struct looper *l, int number)
{
    char path[32];
    snprintf(path, sizeof(path), "/poll.%d", number);
    MUST((l->session = session_new()));
    MUST((l->handle = wt_open(l->session, path, O_RDWR | O_CREAT, 0600)) >= 0);
    MUST((l->buffers = calloc(DEPTH, BLOCK_BYTES)));
    for (unsigned i = 0; i < BLOCKS; i++)
        MUST(wt_pwrite(l->session, l->handle, l->buffers, BLOCK_BYTES, i * BLOCK_BYTES) ==
             (ssize_t)BLOCK_BYTES);
    return NULL;
}

static const char *prepare(struct looper *l, unsigned place)
{
    unsigned char *buffer = l->buffers + place * BLOCK_BYTES;
    off_t offset = (off_t)(l->prepared * 7 % BLOCKS) * BLOCK_BYTES;
    uint64_t id = l->prepared | (uint64_t)place << 32;
    int rc = l->prepared % 3
                 ? wt_prep_read(l->session, l->handle, buffer, BLOCK_BYTES, offset, 0, id)
                 : wt_prep_write(l->session, l->handle, buffer, BLOCK_BYTES, offset, WT_BEHIND, id);
    MUST(rc == 0);
    l->prepared++;
    return NULL;
}

static const char *arm(struct looper *l)
{
    MUST(wt_submit(l->session) >= 0);
    MUST(wt_pollfd(l->session) >= 0);
    return NULL;
}

static const char *collect(struct looper *l)
{
    struct wt_completion done[DEPTH];
    int count = wt_wait(l->session, done, DEPTH, 0, NULL);
    MUST(count >= 0);
    l->wakes++;
    l->empty_wakes += count == 0;
    for (int i = 0; i < count; i++) {
        unsigned id = (uint32_t)done[i].user_data;
        MUST(done[i].result == (int64_t)BLOCK_BYTES);
        MUST(id < REQUESTS_EACH && !l->seen[id]);
        l->seen[id] = 1;
        l->completed++;
        const char *reason =
            l->prepared < REQUESTS_EACH ? prepare(l, (unsigned)(done[i].user_data >> 32)) : NULL;
        if (reason)
            return reason;
    }
    return arm(l);
}

static const char *many_requests(void)
{
    struct epoll_event events[SESSIONS];
    const char *reason = NULL;
    unsigned running = SESSIONS;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    MUST(epoll >= 0);
    for (int i = 0; i < SESSIONS; i++) {
        if ((reason = open_looper(&loopers[i], i)))
            return reason;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &loopers[i]};
        MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, wt_pollfd(loopers[i].session), &event) == 0);
        for (unsigned place = 0; place < DEPTH && !reason; place++)
            reason = prepare(&loopers[i], place);
        if (reason || (reason = arm(&loopers[i])))
            return reason;
    }
    while (running) {
        int count = epoll_wait(epoll, events, SESSIONS, LOST_MS);
        MUST(count > 0);
        for (int i = 0; i < count; i++) {
            struct looper *l = events[i].data.ptr;
            if ((reason = collect(l)))
                return reason;
            if (l->completed == REQUESTS_EACH) {
                running--;
                epoll_ctl(epoll, EPOLL_CTL_DEL, wt_pollfd(l->session), NULL);
            }
        }
    }
    close(epoll);
    return NULL;
}

static const char *no_busy_loop(void)
{
    unsigned wakes = 0, empty = 0;
    for (int i = 0; i < SESSIONS; i++) {
        MUST(loopers[i].completed == REQUESTS_EACH);
        wakes += loopers[i].wakes;
        empty += loopers[i].empty_wakes;
    }
    fprintf(stderr, "%u requests, %u wake-ups, %u for nothing\n", SESSIONS * REQUESTS_EACH, wakes,
            empty);
    /* One wake-up at least tells one completion, or raced with a disarming. */
    MUST(wakes - empty <= SESSIONS * REQUESTS_EACH);
    MUST(empty <= wakes / 2);
    return NULL;
}

static const char *idle_is_silent(void)
{
    struct wt_completion done;
    struct pollfd pollfds[SESSIONS];
    for (int i = 0; i < SESSIONS; i++) {
        MUST(wt_wait(loopers[i].session, &done, 1, 0, NULL) == 0);
        pollfds[i] = (struct pollfd){.fd = wt_pollfd(loopers[i].session), .events = POLLIN};
    }
    uint64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    MUST(poll(pollfds, SESSIONS, 300) == 0);
    MUST(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns < 20000000);
    return NULL;
}

int main(void)
{
    static const struct libwt_case cases[] = {
        {"poll-loses-no-wake-up-in-100000-requests", many_requests},
        {"poll-does-not-busy-loop", no_busy_loop},
        {"poll-is-silent-when-idle", idle_is_silent},
    };
    return run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}
