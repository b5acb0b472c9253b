/*
 * reactor.c - liburing behind a small face: see reactor.h. What a refusal means: reactor_explain.c.
 *
 * User data is the event's address, or 0 for requests whose completion nobody waits for.
 *
 * A watch is a multishot poll. The kernel may end one on its own (its completion comes without
 * IORING_CQE_F_MORE, for instance when the completion ring was full); it is armed again then, and arming
 * looks at the descriptor, so no edge is lost, though one may be told twice.
 */
#include "server/base/reactor.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "server/base/list.h"
#include "server/base/log.h"

#define BUFFER_BYTES_MAX (UINT64_C(1) << 30) /* the kernel's limit of one registered buffer */
#define BUFFER_SHIFT     30
#define CQ_FACTOR        4 /* completions of multishot polls have no submission of their own */

struct watch {
    struct list link; /* reactor.watches */
    struct reactor_event event;
    struct reactor *reactor;
    struct reactor_event *target;
    int fd;
    uint32_t poll_events;
    bool ended;    /* by an error: no request of it is in the kernel */
    bool stopping; /* its last completion is on the way */
};

struct reactor {
    struct io_uring ring;
    struct io_uring polled; /* IOPOLL; only where has_polled */
    bool has_polled;
    unsigned polled_in_flight;
    struct list watches;
    uintptr_t fixed_base;
    size_t fixed_bytes; /* 0: nothing is registered */
};

/* -- making the ring ----------------------------------------------------------------------------------- */

/* Best first. Each line is refused with -EINVAL by kernels that do not know one of its flags. */
static const unsigned flag_choices[] = {
    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG,
    0,
};

static int make_ring(const struct reactor_options *options, bool polled, struct io_uring *ring)
{
    unsigned common = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    if (polled)
        common |= IORING_SETUP_IOPOLL;
    if (options->big_entries)
        common |= IORING_SETUP_SQE128 | IORING_SETUP_CQE32;
    int rc = -EINVAL;
    for (size_t i = 0; i < sizeof(flag_choices) / sizeof(flag_choices[0]) && rc == -EINVAL; i++) {
        struct io_uring_params parameters = {
            .flags = common | flag_choices[i],
            .cq_entries = options->entries * CQ_FACTOR,
        };
        rc = io_uring_queue_init_params(options->entries, ring, &parameters);
    }
    return rc;
}

int reactor_create(const struct reactor_options *options, struct reactor **reactor, char *reason,
                   size_t reason_bytes)
{
    struct reactor *made = calloc(1, sizeof(*made));
    int rc = made ? make_ring(options, false, &made->ring) : -ENOMEM;
    if (rc == 0 && options->polled_ring) {
        rc = make_ring(options, true, &made->polled);
        made->has_polled = rc == 0;
        if (rc < 0)
            io_uring_queue_exit(&made->ring);
    }
    if (rc < 0) {
        reactor_explain(rc, reason, reason_bytes);
        free(made);
        return rc;
    }
    /* Saves a look-up of the descriptor at each enter; without it everything works. */
    (void)io_uring_register_ring_fd(&made->ring);
    list_init(&made->watches);
    *reactor = made;
    return 0;
}

void reactor_destroy(struct reactor *reactor)
{
    if (!reactor)
        return;
    io_uring_queue_exit(&reactor->ring);
    if (reactor->has_polled)
        io_uring_queue_exit(&reactor->polled);
    list_for_each_safe(position, after, &reactor->watches)
        free(list_entry(position, struct watch, link));
    free(reactor);
}

/* -- submitting and firing ----------------------------------------------------------------------------- */

static void check_enter(int rc)
{
    /* The kernel had no memory to keep a completion and threw it away: its memory would stay in use for
     * ever, and its caller would wait for ever. */
    if (rc == -EBADR) {
        log_error("io_uring lost a completion (out of memory in the kernel); cannot go on");
        abort();
    }
    /* -EAGAIN, -EBUSY, -EINTR: what was not taken stays queued for the next call. */
}

static struct io_uring_sqe *take_sqe(struct io_uring *ring, struct reactor_event *event)
{
    struct io_uring_sqe *sqe;
    while (!(sqe = io_uring_get_sqe(ring)))
        check_enter(io_uring_submit(ring));
    size_t size_bytes = sizeof(*sqe) << !!(ring->flags & IORING_SETUP_SQE128);
    __builtin_memset(sqe, 0, size_bytes);
    sqe->user_data = (uintptr_t)event;
    return sqe;
}

struct io_uring_sqe *reactor_sqe(struct reactor *reactor, struct reactor_event *event)
{
    return take_sqe(&reactor->ring, event);
}

struct io_uring_sqe *reactor_polled_sqe(struct reactor *reactor, struct reactor_event *event)
{
    reactor->polled_in_flight++;
    return take_sqe(&reactor->polled, event);
}

bool reactor_must_poll(const struct reactor *reactor)
{
    return reactor->polled_in_flight > 0;
}

/* What was there at the start: each place is given back before its event is fired, which may queue more. */
static unsigned fire_completed(struct io_uring *ring)
{
    unsigned fired = 0, head = *ring->cq.khead;
    unsigned tail = io_uring_smp_load_acquire(ring->cq.ktail);
    while (head != tail) {
        const struct io_uring_cqe *cqe =
            &ring->cq.cqes[io_uring_cqe_index(ring, head, ring->cq.ring_mask)];
        struct reactor_event *event = (struct reactor_event *)(uintptr_t)cqe->user_data;
        int32_t result = cqe->res;
        uint32_t flags = cqe->flags;
        io_uring_cq_advance(ring, 1);
        head++;
        if (event) {
            event->fire(event, result, flags);
            fired++;
        }
    }
    return fired;
}

/* An enter is due when something is queued, or when the kernel has completions that it posts only inside
 * one (deferred task work, or a completion ring that overflowed). */
static bool needs_enter(struct io_uring *ring)
{
    unsigned flags = IO_URING_READ_ONCE(*ring->sq.kflags);
    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) || io_uring_sq_ready(ring);
}

/* Polled I/O completes only while somebody asks for it, inside an enter. */
static unsigned poll_polled(struct reactor *reactor)
{
    if (reactor->polled_in_flight == 0)
        return 0;
    check_enter(io_uring_submit_and_get_events(&reactor->polled));
    unsigned fired = fire_completed(&reactor->polled);
    reactor->polled_in_flight -= fired;
    return fired;
}

unsigned reactor_poll(struct reactor *reactor)
{
    if (needs_enter(&reactor->ring))
        check_enter(io_uring_submit_and_get_events(&reactor->ring));
    return fire_completed(&reactor->ring) + poll_polled(reactor);
}

unsigned reactor_wait(struct reactor *reactor, uint64_t timeout_ns)
{
    struct io_uring_cqe *ignored;
    struct __kernel_timespec timeout = {
        .tv_sec = (int64_t)(timeout_ns / 1000000000u),
        .tv_nsec = (int64_t)(timeout_ns % 1000000000u),
    };
    if (timeout_ns == 0 || reactor->polled_in_flight > 0)
        return reactor_poll(reactor);
    int rc = io_uring_submit_and_wait_timeout(&reactor->ring, &ignored, 1,
                                              timeout_ns == UINT64_MAX ? NULL : &timeout, NULL);
    check_enter(rc);
    return fire_completed(&reactor->ring);
}

/* -- watches ------------------------------------------------------------------------------------------- */

static void watch_arm(struct watch *watch)
{
    struct io_uring_sqe *sqe = reactor_sqe(watch->reactor, &watch->event);
    sqe->opcode = IORING_OP_POLL_ADD;
    sqe->fd = watch->fd;
    sqe->len = IORING_POLL_ADD_MULTI;
    sqe->poll32_events = watch->poll_events | EPOLLET;
}

static void watch_fire(struct reactor_event *event, int32_t result, uint32_t completion_flags)
{
    struct watch *watch = list_entry(event, struct watch, event);
    struct reactor_event *target = watch->target;
    if (completion_flags & IORING_CQE_F_MORE) {
        target->fire(target, result, completion_flags);
        return;
    }
    if (watch->stopping) {
        list_remove(&watch->link);
        free(watch);
        target->fire(target, -ECANCELED, 0);
        return;
    }
    if (result < 0)
        watch->ended = true;
    else
        watch_arm(watch);
    target->fire(target, result, completion_flags);
}

int reactor_watch(struct reactor *reactor, int fd, uint32_t poll_events,
                  struct reactor_event *event)
{
    struct watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return -ENOMEM;
    watch->event.fire = watch_fire;
    watch->reactor = reactor;
    watch->target = event;
    watch->fd = fd;
    watch->poll_events = poll_events;
    list_add_tail(&reactor->watches, &watch->link);
    watch_arm(watch);
    return 0;
}

static struct watch *find_watch(struct reactor *reactor, const struct reactor_event *event)
{
    list_for_each(position, &reactor->watches)
    {
        struct watch *watch = list_entry(position, struct watch, link);
        if (watch->target == event)
            return watch;
    }
    return NULL;
}

void reactor_unwatch(struct reactor *reactor, struct reactor_event *event)
{
    struct watch *watch = find_watch(reactor, event);
    if (!watch || watch->stopping)
        return;
    watch->stopping = true;
    if (watch->ended) {
        /* Nothing is in the kernel that could come back: send something that does. */
        reactor_sqe(reactor, &watch->event)->opcode = IORING_OP_NOP;
        return;
    }
    struct io_uring_sqe *sqe = reactor_sqe(reactor, NULL);
    /* Not POLL_REMOVE: that one leaves a poll alone whose wake-up is already on its way. */
    sqe->opcode = IORING_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->addr = (uintptr_t)&watch->event;
}

/* -- fixed buffers ------------------------------------------------------------------------------------- */

int reactor_register_buffers(struct reactor *reactor, void *base, size_t size_bytes)
{
    if (reactor->fixed_bytes)
        return -EBUSY;
    unsigned count = (unsigned)((size_bytes + BUFFER_BYTES_MAX - 1) >> BUFFER_SHIFT);
    struct iovec *pieces = calloc(count, sizeof(*pieces));
    if (!pieces)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        size_t start = (size_t)i << BUFFER_SHIFT;
        pieces[i].iov_base = (char *)base + start;
        pieces[i].iov_len =
            size_bytes - start < BUFFER_BYTES_MAX ? size_bytes - start : BUFFER_BYTES_MAX;
    }
    int rc = io_uring_register_buffers(&reactor->ring, pieces, count);
    if (rc == 0 && reactor->has_polled) {
        rc = io_uring_register_buffers(&reactor->polled, pieces, count);
        if (rc < 0)
            io_uring_unregister_buffers(&reactor->ring);
    }
    free(pieces);
    if (rc < 0)
        return rc;
    reactor->fixed_base = (uintptr_t)base;
    reactor->fixed_bytes = size_bytes;
    return 0;
}

int reactor_fixed_index(const struct reactor *reactor, const void *address, size_t size_bytes)
{
    uintptr_t start = (uintptr_t)address - reactor->fixed_base; /* huge when below */
    if (start >= reactor->fixed_bytes || size_bytes > reactor->fixed_bytes - start)
        return -1;
    uintptr_t last = start + (size_bytes ? size_bytes - 1 : 0);
    if (start >> BUFFER_SHIFT != last >> BUFFER_SHIFT)
        return -1;
    return (int)(start >> BUFFER_SHIFT);
}
