/*
 * queue.c - the rings of a session on one shard: looked at, answered, and left alone while they are idle.
 *
 * The poll set. A queue in it is looked at each step. One that stayed empty for spin_ns leaves: its
 * consumer_asleep flag goes up, its ring is looked at once more, and from then on the client rings its
 * doorbell. A completion brings it back too, because a client that got an answer usually asks again.
 *
 * spin_ns is learnt: a queue whose doorbell rang soon after it left should not have left, one that slept
 * long should have left earlier. In between a shard neither burns its core nor pays for a wake-up at each
 * request.
 *
 * The way of a request through here: take_one, request_serve, session_complete, session_publish. On it there
 * is no allocation, no system call, and no look at the clock while requests keep coming.
 */
#include <assert.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/session/queue.h"

#define SPIN_NS_MIN          5000u
#define SPIN_NS_MAX          200000u
#define IDLE_POLLS_PER_CLOCK 8u
#define PUBLISH_EVERY        4u /* requests */

/* ---- in and out of the poll set ---- */

uint64_t session_now_ns(struct session_shard *shard)
{
    if (!shard->now_ns)
        shard->now_ns = clock_monotonic_ns();
    return shard->now_ns;
}

static void enter_poll_set(struct session_queue *queue)
{
    assert(!queue->polled && !queue->detaching);
    wt_ring_awake(&queue->submission);
    queue->polled = true;
    queue->idle_polls = 0;
    queue->idle_since_ns = 0;
    list_add_tail(&queue->shard->poll_set, &queue->poll_link);
}

/* Requests that have no room for their completion: the client has not taken what it got. The ring is as
 * good as empty until it takes some and rings, or until something completes. */
static bool sleeps_stalled(struct session_queue *queue)
{
    atomic_store_explicit(&queue->submission.control->consumer_asleep, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    int64_t room = wt_ring_producible(&queue->completion, queue->in_flight + 1);
    if (room >= 0 && room <= queue->in_flight)
        return true;
    wt_ring_awake(&queue->submission);
    return false;
}

/* False: something came meanwhile, it stays. */
static bool leave_poll_set(struct session_queue *queue, bool stalled)
{
    if (!queue->watched)
        return false;
    if (stalled ? !sleeps_stalled(queue) : !wt_ring_prepare_sleep(&queue->submission))
        return false;
    queue->polled = false;
    queue->idle_since_ns = session_now_ns(queue->shard);
    list_remove(&queue->poll_link);
    return true;
}

static void idle_poll(struct session_queue *queue, bool stalled)
{
    if (!queue->watched || queue->idle_polls++ % IDLE_POLLS_PER_CLOCK)
        return;
    uint64_t now_ns = session_now_ns(queue->shard);
    if (!queue->idle_since_ns)
        queue->idle_since_ns = now_ns;
    else if (now_ns - queue->idle_since_ns >= queue->shard->spin_ns)
        leave_poll_set(queue, stalled);
}

static void learn_spin(struct session_shard *shard, uint64_t slept_ns)
{
    uint64_t spin_ns = slept_ns < SPIN_NS_MAX ? shard->spin_ns * 2 : shard->spin_ns / 2;
    shard->spin_ns = spin_ns > SPIN_NS_MAX   ? SPIN_NS_MAX
                     : spin_ns < SPIN_NS_MIN ? SPIN_NS_MIN
                                             : spin_ns;
}

static uint32_t poll_armed(const struct session *session)
{
    return __atomic_load_n(&session->header->poll_armed, __ATOMIC_RELAXED);
}

/* Makes the socket readable, once for each time the client armed it. Nothing is waited for: a socket that has
 * no room has unread datagrams, and that is all the client wants to see. */
static void tell_poller(struct session_queue *queue)
{
    struct session *session = queue->session;
    if (__atomic_exchange_n(&session->header->poll_armed, WT_POLL_IDLE, __ATOMIC_ACQ_REL) ==
            WT_POLL_IDLE ||
        session->socket < 0)
        return;
    queue->shard->counters.wakes++;
    (void)send(session->socket, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void doorbell_fire(struct reactor_event *event, int32_t result, uint32_t completion_flags)
{
    struct session_queue *queue = list_entry(event, struct session_queue, doorbell_event);
    (void)completion_flags;
    if (result == -ECANCELED) {
        queue->watched = false;
        if (queue->detaching && queue->in_flight == 0)
            queue_drained(queue);
        return;
    }
    queue->shard->counters.doorbells++;
    if (!queue->detaching && poll_armed(queue->session) == WT_POLL_NOW)
        tell_poller(queue);
    if (result < 0)
        session_report_corrupt(queue, "its doorbell cannot be watched");
    else if (!queue->polled && !queue->detaching) {
        learn_spin(queue->shard, session_now_ns(queue->shard) - queue->idle_since_ns);
        enter_poll_set(queue);
    }
}

void queue_attach(struct session_queue *queue)
{
    struct session_shard *shard = queue->shard;
    enter_poll_set(queue);
    if (queue->doorbell < 0)
        return;
    queue->doorbell_event.fire = doorbell_fire;
    if (reactor_watch(shard->reactor, queue->doorbell, POLLIN, &queue->doorbell_event) == 0)
        queue->watched = true;
    else
        session_report_corrupt(queue, "no memory to watch its doorbell");
}

void queue_detach(struct session_queue *queue)
{
    assert(!queue->detaching);
    queue->detaching = true;
    queue->polled = false;
    list_remove(&queue->poll_link);
    if (queue->watched)
        reactor_unwatch(queue->shard->reactor, &queue->doorbell_event);
    else if (queue->in_flight == 0)
        queue_drained(queue);
}

bool session_prepare_sleep(struct session_shard *shard)
{
    list_for_each_safe(link, after, &shard->poll_set)
    {
        if (!leave_poll_set(list_entry(link, struct session_queue, poll_link), false))
            return false;
    }
    return true;
}

/* ---- requests in ---- */

/* False: there is no request structure or no file operation free; the request stays in the ring. */
static bool take_one(struct session_queue *queue)
{
    struct session_shard *shard = queue->shard;
    struct list *link = list_pop(&shard->free_requests);
    if (!link && shard->requests_made < shard->request_count)
        link = &shard->requests[shard->requests_made++].link;
    if (!link)
        return false;
    struct session_request *request = list_entry(link, struct session_request, link);
    struct wt_ring *ring = &queue->submission;
    /* As wt_ring_take, with the size known: one copy, and only the copy is looked at. */
    memcpy(&request->wire, wt_ring_entry(ring, ring->own), sizeof(request->wire));
    __asm__ volatile("" ::: "memory");
    ring->own++;
    request->queue = queue;
    request->handle = NULL;
    shard->requests_in_use++;
    queue->in_flight++;
    if (__builtin_expect(request_serve(request), 1))
        return true;
    /* Its place was not given back yet, so it is still there. */
    ring->own--;
    queue->in_flight--;
    shard->requests_in_use--;
    list_add_head(&shard->free_requests, link);
    return false;
}

static void protocol_broken(struct session_queue *queue)
{
    session_report_corrupt(queue, "impossible ring counters");
}

/* How many requests may be taken now. *stalled: there are some, without room for their completions. */
static uint32_t takeable(struct session_queue *queue, bool *stalled)
{
    int64_t ready = wt_ring_consumable(&queue->submission);
    if (ready == 0)
        return 0;
    uint32_t wanted = ready < SESSION_TAKE_BUDGET ? (uint32_t)ready : SESSION_TAKE_BUDGET;
    int64_t room =
        ready < 0 ? ready : wt_ring_producible(&queue->completion, queue->in_flight + wanted);
    if (room < 0) {
        protocol_broken(queue);
        return 0;
    }
    if (room <= queue->in_flight) {
        *stalled = true;
        return 0;
    }
    room -= queue->in_flight;
    return room < wanted ? (uint32_t)room : wanted;
}

/* Returns how many were taken. *starved: one had to stay because the shard is full. */
static unsigned poll_queue(struct session_queue *queue, bool *starved)
{
    bool stalled = false;
    uint32_t count = queue->corrupt ? 0 : takeable(queue, &stalled);
    if (count == 0) {
        idle_poll(queue, stalled);
        return 0;
    }
    queue->idle_polls = 0;
    queue->idle_since_ns = 0;
    unsigned taken = 0;
    while (taken < count && !*starved) {
        if (!take_one(queue))
            *starved = true;
        else if (++taken % PUBLISH_EVERY == 0)
            session_publish(queue->shard); /* the client takes these while the next are served */
    }
    wt_ring_release(&queue->submission);
    if (__builtin_expect(session_bus_faulted(queue->session->bus_slot), 0))
        session_report_corrupt(queue, "a page of its memory is gone");
    return taken;
}

/* The queue that found the shard full is the first one next time: nobody starves. */
static void begin_with(struct session_shard *shard, struct session_queue *queue)
{
    if (!queue->polled)
        return;
    list_remove(&shard->poll_set);
    list_add_tail(&queue->poll_link, &shard->poll_set);
}

unsigned session_poll(struct session_shard *shard)
{
    unsigned taken = 0;
    shard->now_ns = 0;
    session_retry_drops(shard);
    /* A queue may leave the set while it is looked at; no other one does, and some may come at the end. */
    list_for_each_safe(link, after, &shard->poll_set)
    {
        struct session_queue *queue = list_entry(link, struct session_queue, poll_link);
        bool starved = false;
        taken += poll_queue(queue, &starved);
        if (__builtin_expect(starved, 0)) {
            begin_with(shard, queue);
            break;
        }
    }
    shard->counters.requests += taken;
    return taken;
}

/* ---- completions out ---- */

void session_complete(struct session_request *request, int64_t result, uint64_t offset,
                      uint32_t flags)
{
    struct session_queue *queue = request->queue;
    struct session_shard *shard = queue->shard;
    struct session_handle *handle = request->handle;
    struct wt_ring *ring = &queue->completion;
    assert(queue->in_flight > 0);
    *(struct wt_wire_completion *)wt_ring_entry(ring, ring->own) = (struct wt_wire_completion){
        .user_data = request->wire.user_data, .result = result, .offset = offset, .flags = flags};
    ring->own++;
    if (list_empty(&queue->dirty_link))
        list_add_tail(&shard->dirty, &queue->dirty_link);
    list_add_head(&shard->free_requests, &request->link);
    shard->requests_in_use--;
    queue->in_flight--;
    if (handle)
        handle_unuse(queue, handle);
    if (__builtin_expect(queue->polled, 1))
        return;
    if (!queue->detaching)
        enter_poll_set(queue);
    else if (queue->in_flight == 0 && !queue->watched)
        queue_drained(queue);
}

void queue_wake_client(struct wt_region_header *header)
{
    __atomic_fetch_add(&header->wake_word, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &header->wake_word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/*
 * Whether the client may be asleep: it was not woken yet, or it has taken all that it was woken for. Until
 * then it is on its way: before it sleeps again it looks at its rings, and takes what is there. (The fence
 * between our publishing and this look, and the one between its flag and its look, make one of the two see
 * the other.) Without this every completion would cost a system call while a woken client gets going.
 */
static bool may_sleep(struct session_queue *queue)
{
    if (!queue->woken)
        return true;
    uint32_t head = atomic_load_explicit(&queue->completion.control->head, memory_order_relaxed);
    if ((int32_t)(head - queue->woken_at) < 0)
        return false;
    queue->woken = false;
    return true;
}

static void wake_if_waiting(struct session_queue *queue)
{
    struct wt_region_header *header = queue->session->header;
    if (__builtin_expect(poll_armed(queue->session) != WT_POLL_IDLE, 0))
        tell_poller(queue);
    if (!may_sleep(queue) || !__atomic_load_n(&header->client_waiting, __ATOMIC_RELAXED))
        return;
    queue->woken = true;
    queue->woken_at = queue->completion.own;
    queue->shard->counters.wakes++;
    queue_wake_client(header);
}

void session_publish(struct session_shard *shard)
{
    if (list_empty(&shard->dirty))
        return;
    list_for_each(link, &shard->dirty)
        wt_ring_publish(&list_entry(link, struct session_queue, dirty_link)->completion);
    /* Pairs with the client's fence between raising client_waiting or poll_armed and looking at its rings
     * again. */
    atomic_thread_fence(memory_order_seq_cst);
    for (struct list *link; (link = list_pop(&shard->dirty));)
        wake_if_waiting(list_entry(link, struct session_queue, dirty_link));
}

void queue_settle(struct session_queue *queue)
{
    wt_ring_publish(&queue->completion);
    list_remove(&queue->dirty_link);
}
