/*
 * session.c - a session's life: made and ended on the names shard, attached to and detached from each shard
 * by message.
 *
 * Order of the end: the names shard's own part first, so that no request of its travels any more (an open
 * installs handles on other shards); then all other parts at once. Each part answers when it has drained and
 * closed its handles. Messages of one shard keep their order, so what a part has sent (closed handles,
 * reports) has arrived before its answer, and nothing refers to the session after the last one.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/base/memory.h"
#include "server/session/queue.h"

#define SPIN_NS_START 50000u

/* ---- a shard's part of the room ---- */

int session_shard_init(struct session_shard *shard, uint32_t request_count)
{
    shard->requests = calloc(request_count, sizeof(*shard->requests));
    if (!shard->requests)
        return -ENOMEM;
    list_init(&shard->poll_set);
    list_init(&shard->dirty);
    list_init(&shard->free_requests);
    list_init(&shard->sessions);
    list_init(&shard->drops_waiting);
    shard->request_count = request_count;
    shard->spin_ns = SPIN_NS_START;
    return 0;
}

void session_shard_end(struct session_shard *shard)
{
    free(shard->requests);
    shard->requests = NULL;
}

bool session_shard_idle(const struct session_shard *shard)
{
    return shard->requests_in_use == 0 && shard->names_pending == 0 &&
           list_empty(&shard->drops_waiting);
}

/* ---- layout ---- */

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

int session_layout(uint32_t ring_entries, uint64_t arena_bytes, unsigned shard_count,
                   struct session_layout *layout)
{
    if (ring_entries < WT_RING_ENTRIES_MIN || ring_entries > WT_RING_ENTRIES_MAX ||
        ring_entries & (ring_entries - 1))
        return -EINVAL;
    if (arena_bytes < WT_ARENA_BYTES_MIN || arena_bytes > WT_ARENA_BYTES_MAX ||
        arena_bytes % WT_PAGE_BYTES)
        return -EINVAL;
    uint32_t control_bytes = sizeof(struct wt_ring_control);
    uint32_t submission_bytes = ring_entries * (uint32_t)sizeof(struct wt_request);
    uint32_t completion_bytes = ring_entries * (uint32_t)sizeof(struct wt_wire_completion);
    *layout = (struct session_layout){
        .ring_entries = ring_entries,
        .completion_control = control_bytes,
        .submission_entries = 2 * control_bytes,
        .completion_entries = 2 * control_bytes + submission_bytes,
        .ring_offset = sizeof(struct wt_region_header),
        .arena_bytes = arena_bytes,
    };
    /* A page is touched by one shard and the client only. */
    layout->ring_stride =
        round_up((uint64_t)layout->completion_entries + completion_bytes, WT_PAGE_BYTES);
    layout->arena_offset = layout->ring_offset + layout->ring_stride * shard_count;
    layout->region_bytes = layout->arena_offset + arena_bytes;
    return 0;
}

/* ---- the beginning ---- */

static void attach_arrived(struct message *message)
{
    queue_attach(list_entry(message, struct session_queue, attach));
}

static struct session_queue *make_queue(struct session *session, struct session_shard *shard,
                                        const struct session_layout *layout, unsigned char *block,
                                        int doorbell)
{
    struct session_queue *queue = calloc(1, sizeof(*queue));
    if (!queue)
        return NULL;
    queue->session = session;
    queue->shard = shard;
    queue->doorbell = doorbell;
    queue->attach.deliver = attach_arrived;
    list_init(&queue->poll_link);
    list_init(&queue->dirty_link);
    wt_ring_init(&queue->submission, (struct wt_ring_control *)block,
                 block + layout->submission_entries, layout->ring_entries,
                 sizeof(struct wt_request));
    wt_ring_init(&queue->completion, (struct wt_ring_control *)(block + layout->completion_control),
                 block + layout->completion_entries, layout->ring_entries,
                 sizeof(struct wt_wire_completion));
    return queue;
}

static int copy_credentials(struct credentials *to, const struct credentials *from)
{
    size_t bytes = from->group_count * sizeof(*from->groups);
    uint32_t *groups = malloc(bytes ? bytes : 1);
    if (!groups)
        return -ENOMEM;
    if (bytes)
        memcpy(groups, from->groups, bytes);
    *to = *from;
    to->groups = groups;
    return 0;
}

static int make_queues(struct session *session, struct session_shard *names_shard,
                       const struct session_layout *layout, const int *doorbells)
{
    for (unsigned i = 0; i < names_shard->shard_count; i++) {
        unsigned char *block = session->region + layout->ring_offset + i * layout->ring_stride;
        session->queues[i] = make_queue(session, names_shard->peers[i], layout, block,
                                        doorbells ? doorbells[i] : -1);
        if (!session->queues[i])
            return -ENOMEM;
        session->shard_count++;
    }
    return 0;
}

/* What session_create made itself. */
static void free_memory(struct session *session)
{
    for (unsigned i = 0; i < session->shard_count; i++)
        free(session->queues[i]);
    free((uint32_t *)session->who.groups);
    free(session);
}

int session_create(struct session_shard *names_shard, const struct session_layout *layout,
                   unsigned char *region, int region_descriptor, const struct credentials *who,
                   const int *doorbells, struct session **session)
{
    assert(names_shard->shard == JOURNAL_SHARD);
    struct session *made = calloc(1, sizeof(*made));
    if (!made)
        return -ENOMEM;
    made->region = region;
    made->region_bytes = layout->region_bytes;
    made->region_descriptor = region_descriptor;
    made->arena = region + layout->arena_offset;
    made->arena_bytes = layout->arena_bytes;
    made->ring_entries = layout->ring_entries;
    made->header = (struct wt_region_header *)region;
    made->socket = -1;
    int error = copy_credentials(&made->who, who);
    if (!error)
        error = make_queues(made, names_shard, layout, doorbells);
    if (error) {
        free_memory(made);
        return error;
    }
    made->bus_slot =
        region_descriptor < 0 ? -1 : session_bus_register(region, layout->region_bytes);
    made->id = ++names_shard->next_session_id;
    list_add_tail(&names_shard->sessions, &made->link);
    names_shard->session_count++;
    names_shard->counters.sessions_opened++;
    for (unsigned i = 0; i < made->shard_count; i++)
        message_send(names_shard->office, names_shard->shard, i, &made->queues[i]->attach);
    *session = made;
    return 0;
}

/* ---- the end ---- */

/* On the queue's shard. */
static void detach_arrived(struct message *message)
{
    queue_detach(list_entry(message, struct session_queue, detach));
}

/* On the names shard: parts [first, last) shall end. */
static void send_detaches(struct session_shard *names_shard, struct session *session,
                          unsigned first, unsigned last)
{
    session->detaches_pending += last - first;
    for (unsigned i = first; i < last; i++) {
        session->queues[i]->detach.deliver = detach_arrived;
        message_send(names_shard->office, names_shard->shard, i, &session->queues[i]->detach);
    }
}

static void session_over(struct session_shard *names_shard, struct session *session)
{
    __atomic_store_n(&session->header->server_gone, 1, __ATOMIC_RELEASE);
    atomic_thread_fence(memory_order_seq_cst);
    if (__atomic_load_n(&session->header->client_waiting, __ATOMIC_RELAXED))
        queue_wake_client(session->header);
    list_remove(&session->link);
    names_shard->session_count--;
    names_shard->counters.sessions_ended++;
    if (session->ended)
        session->ended(session, session->ended_context);
    else
        session_free(session);
}

/* On the names shard: the answer. */
static void detach_answered(struct message *message)
{
    struct session_queue *queue = list_entry(message, struct session_queue, detach);
    struct session *session = queue->session;
    struct session_shard *names_shard = session->queues[JOURNAL_SHARD]->shard;
    session->detaches_pending--;
    if (queue->shard == names_shard)
        send_detaches(names_shard, session, JOURNAL_SHARD + 1, session->shard_count);
    if (session->detaches_pending == 0)
        session_over(names_shard, session);
}

static void sweep_again(struct message *message)
{
    queue_drained(list_entry(message, struct session_queue, detach));
}

/* On the queue's shard. */
void queue_drained(struct session_queue *queue)
{
    struct session_shard *shard = queue->shard;
    assert(queue->detaching && queue->in_flight == 0 && !queue->watched);
    if (handles_sweep(queue)) {
        queue->detach.deliver = sweep_again;
        message_send(shard->office, shard->shard, shard->shard, &queue->detach);
        return;
    }
    handles_free(queue);
    queue_settle(queue);
    queue->detach.deliver = detach_answered;
    message_send(shard->office, shard->shard, JOURNAL_SHARD, &queue->detach);
}

void session_end(struct session_shard *names_shard, struct session *session, const char *reason)
{
    if (session->ending)
        return;
    session->ending = true;
    log_debug("session %llu of uid %u ends: %s", (unsigned long long)session->id, session->who.uid,
              reason);
    send_detaches(names_shard, session, JOURNAL_SHARD, JOURNAL_SHARD + 1);
}

void session_free(struct session *session)
{
    if (session->bus_slot >= 0)
        session_bus_unregister(session->bus_slot);
    for (unsigned i = 0; i < session->shard_count; i++) {
        if (session->queues[i]->doorbell >= 0)
            close(session->queues[i]->doorbell);
    }
    if (session->region_descriptor >= 0) {
        memory_unmap(session->region, session->region_bytes);
        close(session->region_descriptor);
    }
    free_memory(session);
}

static void report_arrived(struct message *message)
{
    struct session_queue *queue = list_entry(message, struct session_queue, report);
    struct session *session = queue->session;
    if (!session->ending)
        log_info("session %llu of uid %u is ended: %s", (unsigned long long)session->id,
                 session->who.uid, queue->report_reason);
    session_end(session->queues[JOURNAL_SHARD]->shard, session, queue->report_reason);
}

void session_report_corrupt(struct session_queue *queue, const char *reason)
{
    struct session_shard *shard = queue->shard;
    if (queue->corrupt || queue->detaching)
        return;
    queue->corrupt = true;
    queue->report_reason = reason;
    queue->report.deliver = report_arrived;
    message_send(shard->office, shard->shard, JOURNAL_SHARD, &queue->report);
}
