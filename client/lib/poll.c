/*
 * poll.c - the descriptor for a program's own event loop: the session's socket, made readable by the server.
 *
 * The client arms by setting poll_armed and looking at its rings again; a shard publishes and looks at
 * poll_armed. Each side's store is before its load in the order of the full fences between them, so a
 * completion is seen by the one or the word by the other (as in ring.h, Sleeping). Where the client sees one,
 * or holds one that a synchronous call took from the rings, it asks the server by the doorbell to send at
 * once: nobody but the peer can make a socket readable.
 *
 * A datagram that comes when it is not needed any more (a shard had seen the word before it was taken back)
 * wakes the loop once for nothing, and the next wt_wait takes it away.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "client/lib/internal.h"

static bool has_completion(struct wt *s)
{
    if (s->kept_head != WTC_SLOT_NONE)
        return true;
    for (uint64_t left = s->busy; left; left &= left - 1) {
        /* Nonsense in the ring counts: wt_wait shall see it. */
        if (wt_ring_consumable(&s->shards[__builtin_ctzll(left)].completion) != 0)
            return true;
    }
    return false;
}

WT_EXPORT int wt_pollfd(struct wt *s)
{
    static const uint64_t one = 1;
    int rc = wtc_check(s);
    /* A socket that was shut down is readable: what is left can be collected by the same loop. */
    if (rc == -ENOTCONN && s->pending)
        return s->socket;
    if (rc < 0)
        return rc;
    s->polls = true;
    __atomic_store_n(&s->header->poll_armed, WT_POLL_ARMED, __ATOMIC_RELAXED);
    atomic_thread_fence(memory_order_seq_cst);
    if (has_completion(s)) {
        __atomic_store_n(&s->header->poll_armed, WT_POLL_NOW, __ATOMIC_RELEASE);
        while (write(s->shards[s->names_shard].doorbell, &one, sizeof(one)) < 0 && errno == EINTR)
            ;
    }
    return s->socket;
}

/* Takes the arming back and empties the socket. Completions that come afterwards are found in the rings by
 * wt_wait, or by the next wt_pollfd. */
void wtc_poll_disarm(struct wt *s)
{
    char byte;
    ssize_t n;
    s->polls = false;
    __atomic_store_n(&s->header->poll_armed, WT_POLL_IDLE, __ATOMIC_RELAXED);
    do {
        n = recv(s->socket, &byte, 1, MSG_DONTWAIT);
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (n == 0 || errno != EAGAIN)
        wtc_lose(s);
}
