/*
 * ring.h - the single-producer single-consumer ring of fixed-size entries.
 *
 * One ring serves clients (submission and completion rings in the session's region), messages between
 * shards, and tests. Each side keeps a private struct wt_ring; only struct wt_ring_control and the
 * entries are shared. No call here makes a system call, waits or allocates.
 *
 * Memory order. head and tail are free-running 32-bit counters. The producer writes an entry, then
 * publishes tail with release; the consumer loads tail with acquire, so it sees the entry. The consumer
 * reads the entry, then publishes head with release; the producer loads head with acquire before it uses
 * the place again, so it cannot overwrite what is still being read. Each side reads its own counter from
 * its private copy, never from shared memory: what the other side scribbles there cannot move it.
 *
 * Sleeping. consumer_asleep closes the race between a consumer that goes to sleep and a producer that
 * publishes: the consumer sets the flag, full fence, looks at tail again, and sleeps only when the ring
 * is still empty; the producer publishes tail, full fence, reads the flag, and wakes when it is set. Each
 * side's store is before its load in the one total order of the fences, so at least one side sees the
 * other (Dekker). The flag is a hint: a producer that lies about it hurts only itself.
 *
 * Trust. wt_ring_consumable and wt_ring_producible return -EPROTO when the other side's counter is
 * impossible. The server ends such a session. Entries read from a ring shared with a client must be
 * copied once (wt_ring_take does) and only the copy looked at.
 */
#ifndef WT_PROTO_RING_H
#define WT_PROTO_RING_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Three cache lines, so that the two sides do not share one. */
struct wt_ring_control {
    _Alignas(64) _Atomic uint32_t tail; /* written by the producer */
    _Alignas(64) _Atomic uint32_t head; /* written by the consumer */
    _Alignas(64) _Atomic uint32_t consumer_asleep;
};
_Static_assert(sizeof(struct wt_ring_control) == 192, "wt_ring_control is shared");

/* One side's private view. own is the counter this side writes; other is the last seen of the peer. */
struct wt_ring {
    struct wt_ring_control *control;
    unsigned char *entries;
    uint32_t entry_bytes, mask;
    uint32_t own, other;
};

static inline void wt_ring_init(struct wt_ring *ring, struct wt_ring_control *control,
                                void *entries, uint32_t entry_count, uint32_t entry_bytes)
{
    *ring = (struct wt_ring){.control = control,
                             .entries = entries,
                             .entry_bytes = entry_bytes,
                             .mask = entry_count - 1};
}

static inline void *wt_ring_entry(const struct wt_ring *ring, uint32_t counter)
{
    return ring->entries + (size_t)(counter & ring->mask) * ring->entry_bytes;
}

/* Producer: places that can be filled now, or -EPROTO. Looks at shared memory only when the private view
 * says there is less room than wanted. */
static inline int64_t wt_ring_producible(struct wt_ring *ring, uint32_t wanted)
{
    uint32_t room = ring->mask + 1 - (ring->own - ring->other);
    if (room >= wanted)
        return room;
    uint32_t head = atomic_load_explicit(&ring->control->head, memory_order_acquire);
    if (ring->own - head > ring->mask + 1)
        return -EPROTO;
    ring->other = head;
    return ring->mask + 1 - (ring->own - head);
}

/* Producer: puts one entry in place without publishing it; the caller has seen that there is room. */
static inline void wt_ring_put(struct wt_ring *ring, const void *entry)
{
    memcpy(wt_ring_entry(ring, ring->own), entry, ring->entry_bytes);
    ring->own++;
}

/* Producer: makes everything that was put visible to the consumer. */
static inline void wt_ring_publish(struct wt_ring *ring)
{
    atomic_store_explicit(&ring->control->tail, ring->own, memory_order_release);
}

/* Producer: after wt_ring_publish, whether the consumer must be woken. */
static inline bool wt_ring_must_wake(const struct wt_ring *ring)
{
    atomic_thread_fence(memory_order_seq_cst);
    return atomic_load_explicit(&ring->control->consumer_asleep, memory_order_relaxed) != 0;
}

/* Consumer: entries that can be taken now, or -EPROTO. */
static inline int64_t wt_ring_consumable(struct wt_ring *ring)
{
    if (ring->other != ring->own)
        return ring->other - ring->own;
    uint32_t tail = atomic_load_explicit(&ring->control->tail, memory_order_acquire);
    if (tail - ring->own > ring->mask + 1)
        return -EPROTO;
    ring->other = tail;
    return tail - ring->own;
}

/* Consumer: copies one entry out without giving its place back. The caller has seen that there is one. */
static inline void wt_ring_take(struct wt_ring *ring, void *entry)
{
    memcpy(entry, wt_ring_entry(ring, ring->own), ring->entry_bytes);
    /* What was copied must not be read again from shared memory by the compiler. */
    __asm__ volatile("" ::: "memory");
    ring->own++;
}

/* Consumer: gives the places of everything taken back to the producer. */
static inline void wt_ring_release(struct wt_ring *ring)
{
    atomic_store_explicit(&ring->control->head, ring->own, memory_order_release);
}

/* Consumer, about to sleep: raises the flag and looks again. True: still empty, sleep is right. False:
 * something came (or the ring is corrupt); the flag is down again. */
static inline bool wt_ring_prepare_sleep(struct wt_ring *ring)
{
    atomic_store_explicit(&ring->control->consumer_asleep, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    if (wt_ring_consumable(ring) == 0)
        return true;
    atomic_store_explicit(&ring->control->consumer_asleep, 0, memory_order_relaxed);
    return false;
}

static inline void wt_ring_awake(struct wt_ring *ring)
{
    atomic_store_explicit(&ring->control->consumer_asleep, 0, memory_order_relaxed);
}

#endif
