/*
 * message.c - n x n rings of pointers, and the sleeping protocol over them.
 *
 * Sharing. A pair's outbox is touched by the sender only, its inbox by the receiver only; the two meet in
 * the ring's control and entries. Each half starts a cache line of its own, so that a sender that polls
 * for room and a receiver that polls for mail do not slow each other.
 *
 * The flag that says "asleep" is one a receiver, not one a ring: a receiver about to sleep raises one flag
 * instead of n, and a sender looks at one line it shares with nobody who writes often. Whoever lowers the
 * flag calls the waker, so of many senders one wakes.
 */
#include "server/base/message.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "proto/limits.h"
#include "proto/ring.h"

#define RING_ENTRIES     1024u
#define CACHE_LINE_BYTES 64

struct message_queue {
    struct message *first, *last;
};

/* The sender's half of a pair. Invariant: while `overflow` holds anything, nothing goes into the ring but
 * from its front; that keeps the order. */
struct outbox {
    _Alignas(CACHE_LINE_BYTES) struct wt_ring ring;
    struct message_queue overflow;
};

/* The receiver's half. */
struct inbox {
    _Alignas(CACHE_LINE_BYTES) struct wt_ring ring;
};

struct mailbox {
    /* Written by the receiver before and after sleep, by the sender that wakes it. */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint32_t asleep;
    void (*wake)(void *context);
    void *wake_context;

    /* The rest is the shard's own. */
    _Alignas(CACHE_LINE_BYTES) struct message_queue local; /* what it sent to itself */
    uint64_t unflushed;   /* receivers that have unpublished or overflowed messages */
    unsigned first_inbox; /* where the next delivery begins: turns, so that no sender starves */
};

struct post_office {
    unsigned shards;
    struct mailbox *mailboxes;
    struct outbox *outboxes; /* [from * shards + to] */
    struct inbox *inboxes;   /* [to * shards + from] */
    struct wt_ring_control *controls;
    struct message **entries;
};

static void queue_append(struct message_queue *queue, struct message *message)
{
    message->next = NULL;
    if (queue->first)
        queue->last->next = message;
    else
        queue->first = message;
    queue->last = message;
}

static struct message *queue_pop(struct message_queue *queue)
{
    struct message *message = queue->first;
    if (message)
        queue->first = message->next;
    return message;
}

static struct outbox *outbox_of(struct post_office *office, unsigned from, unsigned to)
{
    return &office->outboxes[from * office->shards + to];
}

static struct inbox *inbox_of(struct post_office *office, unsigned to, unsigned from)
{
    return &office->inboxes[to * office->shards + from];
}

static void *allocate_lines(size_t count, size_t size_bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, CACHE_LINE_BYTES, count * size_bytes))
        return NULL;
    return memory;
}

static void *allocate_zeroed_lines(size_t count, size_t size_bytes)
{
    void *memory = allocate_lines(count, size_bytes);
    if (memory)
        memset(memory, 0, count * size_bytes);
    return memory;
}

int post_office_create(unsigned shard_count, struct post_office **office)
{
    if (shard_count < 1 || shard_count > WT_SHARDS_MAX)
        return -EINVAL;
    struct post_office *made = calloc(1, sizeof(*made));
    if (!made)
        return -ENOMEM;

    size_t pairs = (size_t)shard_count * shard_count;
    made->shards = shard_count;
    made->mailboxes = allocate_zeroed_lines(shard_count, sizeof(struct mailbox));
    made->outboxes = allocate_zeroed_lines(pairs, sizeof(struct outbox));
    made->inboxes = allocate_zeroed_lines(pairs, sizeof(struct inbox));
    made->controls = allocate_zeroed_lines(pairs, sizeof(struct wt_ring_control));
    /* Not zeroed: a pair that never talks costs no memory. */
    made->entries = allocate_lines(pairs, RING_ENTRIES * sizeof(struct message *));
    if (!made->mailboxes || !made->outboxes || !made->inboxes || !made->controls ||
        !made->entries) {
        post_office_destroy(made);
        return -ENOMEM;
    }

    for (unsigned from = 0; from < shard_count; from++) {
        for (unsigned to = 0; to < shard_count; to++) {
            size_t pair = from * shard_count + to;
            struct message **entries = made->entries + pair * RING_ENTRIES;
            wt_ring_init(&outbox_of(made, from, to)->ring, &made->controls[pair], entries,
                         RING_ENTRIES, sizeof(struct message *));
            wt_ring_init(&inbox_of(made, to, from)->ring, &made->controls[pair], entries,
                         RING_ENTRIES, sizeof(struct message *));
        }
    }
    *office = made;
    return 0;
}

void post_office_destroy(struct post_office *office)
{
    if (!office)
        return;
    free(office->mailboxes);
    free(office->outboxes);
    free(office->inboxes);
    free(office->controls);
    free(office->entries);
    free(office);
}

unsigned post_office_shards(const struct post_office *office)
{
    return office->shards;
}

void post_office_set_waker(struct post_office *office, unsigned shard, void (*wake)(void *context),
                           void *context)
{
    office->mailboxes[shard].wake = wake;
    office->mailboxes[shard].wake_context = context;
}

/* Whether the ring took it. A counter that is impossible is our own memory corrupted: no way on. */
static bool try_put(struct outbox *outbox, struct message *message)
{
    int64_t room = wt_ring_producible(&outbox->ring, 1);
    if (room < 0)
        abort();
    if (room == 0)
        return false;
    wt_ring_put(&outbox->ring, &message);
    return true;
}

void message_send(struct post_office *office, unsigned from, unsigned to, struct message *message)
{
    assert(from < office->shards && to < office->shards);
    struct mailbox *sender = &office->mailboxes[from];
    if (from == to) {
        queue_append(&sender->local, message);
        return;
    }
    struct outbox *outbox = outbox_of(office, from, to);
    if (outbox->overflow.first || !try_put(outbox, message))
        queue_append(&outbox->overflow, message);
    sender->unflushed |= UINT64_C(1) << to;
}

/* Moves what overflowed into the ring as far as there is room. */
static void refill(struct outbox *outbox)
{
    while (outbox->overflow.first && try_put(outbox, outbox->overflow.first))
        queue_pop(&outbox->overflow);
}

static void wake_if_asleep(struct mailbox *mailbox)
{
    if (!atomic_load_explicit(&mailbox->asleep, memory_order_relaxed))
        return;
    /* Several senders may see the flag; the one that lowers it wakes. */
    if (atomic_exchange_explicit(&mailbox->asleep, 0, memory_order_acq_rel) && mailbox->wake)
        mailbox->wake(mailbox->wake_context);
}

void message_flush(struct post_office *office, unsigned from)
{
    struct mailbox *sender = &office->mailboxes[from];
    uint64_t receivers = sender->unflushed;
    if (!receivers)
        return;

    for (uint64_t rest = receivers; rest; rest &= rest - 1) {
        unsigned to = (unsigned)__builtin_ctzll(rest);
        struct outbox *outbox = outbox_of(office, from, to);
        refill(outbox);
        wt_ring_publish(&outbox->ring);
        if (!outbox->overflow.first)
            sender->unflushed &= ~(UINT64_C(1) << to);
    }
    /* Pairs with the fence in message_prepare_sleep: one of the two sees the other's store. */
    atomic_thread_fence(memory_order_seq_cst);
    for (uint64_t rest = receivers; rest; rest &= rest - 1)
        wake_if_asleep(&office->mailboxes[__builtin_ctzll(rest)]);
}

static void deliver_one(struct message *message)
{
    /* From here on it may be sent again, or freed. */
    message->deliver(message);
}

/* Only what was there at the start: what it sends to itself now comes with the next delivery. */
static unsigned deliver_local(struct mailbox *mailbox, unsigned budget)
{
    struct message *last = mailbox->local.first ? mailbox->local.last : NULL;
    unsigned count = 0;
    while (last && count < budget) {
        struct message *message = queue_pop(&mailbox->local);
        if (message == last)
            last = NULL;
        deliver_one(message);
        count++;
    }
    return count;
}

static unsigned deliver_inbox(struct inbox *inbox, unsigned budget)
{
    int64_t there = wt_ring_consumable(&inbox->ring);
    if (there == 0)
        return 0;
    if (there < 0)
        abort();
    unsigned count = there < budget ? (unsigned)there : budget;
    for (unsigned i = 0; i < count; i++) {
        struct message *message;
        wt_ring_take(&inbox->ring, &message);
        deliver_one(message);
    }
    wt_ring_release(&inbox->ring);
    return count;
}

unsigned message_deliver(struct post_office *office, unsigned to, unsigned budget)
{
    struct mailbox *mailbox = &office->mailboxes[to];
    /* Half the turn at most is for what it sent to itself: that must not keep others waiting. */
    unsigned delivered = deliver_local(mailbox, budget - budget / 2);
    unsigned from = mailbox->first_inbox;
    for (unsigned i = 0; i < office->shards && delivered < budget; i++) {
        delivered += deliver_inbox(inbox_of(office, to, from), budget - delivered);
        if (++from == office->shards)
            from = 0;
    }
    /* The budget ran out: the next turn begins behind the one that used it up. With budget left, everyone
     * was asked, and `from` is back where it began. */
    mailbox->first_inbox = from;
    return delivered;
}

static bool anything_waits(struct post_office *office, unsigned to)
{
    struct mailbox *mailbox = &office->mailboxes[to];
    if (mailbox->local.first || mailbox->unflushed)
        return true;
    for (unsigned from = 0; from < office->shards; from++) {
        if (wt_ring_consumable(&inbox_of(office, to, from)->ring) != 0)
            return true;
    }
    return false;
}

/* Mail of its own that is not out yet keeps a shard awake too: nobody else would retry the overflow. */
bool message_prepare_sleep(struct post_office *office, unsigned to)
{
    struct mailbox *mailbox = &office->mailboxes[to];
    atomic_store_explicit(&mailbox->asleep, 1, memory_order_relaxed);
    /* Pairs with the fence in message_flush. */
    atomic_thread_fence(memory_order_seq_cst);
    if (!anything_waits(office, to))
        return true;
    message_awake(office, to);
    return false;
}

void message_awake(struct post_office *office, unsigned to)
{
    atomic_store_explicit(&office->mailboxes[to].asleep, 0, memory_order_relaxed);
}
