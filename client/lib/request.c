/*
 * request.c - slots, putting requests into rings, handing them over, taking completions.
 *
 * Everything here is on the way of each request: no system call except the doorbell of a sleeping
 * shard, no allocation, no loop over shards except over those that have work (bitmaps).
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/lib/internal.h"

/*
 * Whether `count` requests can be put for a shard now. The ring's head is not looked at: a
 * completion means that the server has taken its request, so with no more in flight than the ring
 * has places there is room. Asynchronous requests leave the slots that a synchronous call needs:
 * it must get through even if all completions are kept for wt_wait.
 */
int wtc_room(const struct wt *s, uint32_t shard, uint32_t count, bool synchronous)
{
    uint32_t reserve = synchronous ? 0 : WTC_SYNC_WINDOW;
    bool has_room =
        s->shards[shard].in_flight + count <= s->ring_entries && s->slots_free >= count + reserve;
    return wtc_likely(has_room) ? 0 : -EAGAIN;
}

/* Puts a request; the caller has asked wtc_room and set all fields but the three that name it. */
uint32_t wtc_put(struct wt *s, uint32_t shard, struct wt_request *request, uint8_t state)
{
    uint32_t index = s->free_head;
    struct wtc_slot *slot = &s->slots[index];
    s->free_head = slot->next;
    s->slots_free--;
    slot->sequence++;
    slot->copy_to = NULL;
    slot->result_max = 0;
    slot->page_count = 0;
    slot->head = (uint16_t)index;
    slot->next = WTC_SLOT_NONE;
    slot->parts_left = 1;
    slot->shard = (uint8_t)shard;
    slot->state = state;
    slot->gives_offset = request->opcode == WT_OP_SEEK;

    request->slot = (uint16_t)index;
    request->slot_sequence = slot->sequence;
    request->user_data = index | slot->sequence << 32;
    struct wtc_shard *sh = &s->shards[shard];
    memcpy(wt_ring_entry(&sh->submission, sh->submission.own), request, sizeof(*request));
    sh->submission.own++;
    sh->in_flight++;
    s->in_flight++;
    s->busy |= 1ull << shard;
    s->dirty |= 1ull << shard;
    return index;
}

/* Puts one piece of a read or write: the slot, or -EAGAIN. arena_offset says where the data is in
 * place; with WTC_NOT_IN_ARENA pages are taken for it, and a write's caller copies into them
 * before it hands over. */
int64_t wtc_put_piece(struct wt *s, const struct wtc_route *route, uint64_t arena_offset,
                      uint32_t length, uint64_t offset, uint8_t state)
{
    int rc = wtc_room(s, route->shard, 1, state == WTC_SLOT_SYNC);
    if (rc < 0)
        return rc;
    uint32_t page_count = 0;
    int64_t page = 0;
    if (arena_offset == WTC_NOT_IN_ARENA) {
        page_count = wtc_pages(length);
        if (page_count && (page = wtc_arena_take(&s->arena, page_count)) < 0)
            return page;
        arena_offset = (uint64_t)page * WT_PAGE_BYTES;
    }
    struct wt_request request = {.opcode = route->opcode,
                                 .level = route->level,
                                 .flags = route->flags,
                                 .handle_index = route->handle_index,
                                 .handle_generation = route->handle_generation,
                                 .offset = offset,
                                 .arena_offset = (uint32_t)arena_offset,
                                 .length = length};
    uint32_t index = wtc_put(s, route->shard, &request, state);
    struct wtc_slot *slot = &s->slots[index];
    slot->arena_page = (uint32_t)page;
    slot->page_count = (uint16_t)page_count;
    slot->result_max = length;
    return index;
}

/* Frees a slot and its arena pages. */
void wtc_slot_release(struct wt *s, uint32_t index)
{
    struct wtc_slot *slot = &s->slots[index];
    if (slot->page_count) {
        wtc_arena_give(&s->arena, slot->arena_page, slot->page_count);
        slot->page_count = 0;
    }
    slot->state = WTC_SLOT_FREE;
    slot->next = s->free_head;
    s->free_head = (uint16_t)index;
    s->slots_free++;
}

static void leave_flight(struct wt *s, const struct wtc_slot *slot)
{
    struct wtc_shard *sh = &s->shards[slot->shard];
    s->in_flight--;
    if (--sh->in_flight == 0)
        s->busy &= ~(1ull << slot->shard);
}

/* Takes back the request put last into its ring; nothing may have been handed over since. */
void wtc_unput(struct wt *s, uint32_t index)
{
    leave_flight(s, &s->slots[index]);
    s->shards[s->slots[index].shard].submission.own--;
    wtc_slot_release(s, index);
}

void wtc_hand_over(struct wt *s)
{
    static const uint64_t one = 1;
    s->prepared = 0;
    while (s->dirty) {
        struct wtc_shard *sh = &s->shards[__builtin_ctzll(s->dirty)];
        s->dirty &= s->dirty - 1;
        wt_ring_publish(&sh->submission);
        if (!wt_ring_must_wake(&sh->submission))
            continue;
        /* -EAGAIN: the counter is full, so the shard has more than one reason to wake already. */
        while (write(sh->doorbell, &one, sizeof(one)) < 0 && errno == EINTR)
            ;
    }
}

/* ---- completions ----------------------------------------------------------------------------- */

static void give_out(struct wt *s, uint32_t index)
{
    const struct wtc_slot *slot = &s->slots[index];
    *s->out++ = (struct wt_completion){.user_data = slot->user_data,
                                       .result = slot->result,
                                       .offset = slot->offset,
                                       .flags = slot->flags};
    s->out_left--;
    s->pending--;
    wtc_slot_release(s, index);
}

static void deliver(struct wt *s, uint32_t index)
{
    if (s->out_left) {
        give_out(s, index);
        return;
    }
    s->slots[index].next = WTC_SLOT_NONE;
    if (s->kept_head == WTC_SLOT_NONE)
        s->kept_head = (uint16_t)index;
    else
        s->slots[s->kept_tail].next = (uint16_t)index;
    s->kept_tail = (uint16_t)index;
}

/* Gives kept completions to the wt_wait that collects; they came before anything still in the
 * rings. */
void wtc_kept_drain(struct wt *s)
{
    while (s->out_left && s->kept_head != WTC_SLOT_NONE) {
        uint32_t index = s->kept_head;
        s->kept_head = s->slots[index].next;
        give_out(s, index);
    }
}

/* The result of a request of several pieces: bytes up to the first that is short or failed; its
 * error if nothing came before it. Pieces after the head are freed. */
static void combine(struct wt *s, uint32_t head)
{
    struct wtc_slot *first = &s->slots[head];
    int64_t total = first->result;
    bool ended = total != (int64_t)first->result_max;
    uint32_t index = first->next;
    while (index != WTC_SLOT_NONE) {
        const struct wtc_slot *piece = &s->slots[index];
        uint32_t next = piece->next;
        if (!ended && piece->result > 0)
            total += piece->result;
        ended = ended || piece->result != (int64_t)piece->result_max;
        wtc_slot_release(s, index);
        index = next;
    }
    first->result = total;
}

/* A slot's request is over, one way or another. */
static void complete(struct wt *s, uint32_t index, int64_t result, uint64_t offset, uint32_t flags)
{
    struct wtc_slot *slot = &s->slots[index];
    bool synchronous = slot->state == WTC_SLOT_SYNC;
    leave_flight(s, slot);
    slot->state = WTC_SLOT_DONE;
    slot->result = result;
    slot->offset = offset;
    slot->flags = flags;
    if (synchronous)
        return;
    if (slot->copy_to && result > 0)
        memcpy(slot->copy_to, wtc_arena_at(&s->arena, slot->arena_page), (size_t)result);
    if (slot->page_count) {
        wtc_arena_give(&s->arena, slot->arena_page, slot->page_count);
        slot->page_count = 0;
    }
    uint32_t head = slot->head;
    if (--s->slots[head].parts_left)
        return;
    if (s->slots[head].next != WTC_SLOT_NONE)
        combine(s, head);
    deliver(s, head);
}

/* Whether a completion answers a request that is in flight on that shard, with a result that can
 * be. */
static bool is_possible(const struct wt *s, uint32_t shard, const struct wt_wire_completion *c)
{
    uint32_t index = (uint32_t)c->user_data;
    if (index >= s->slot_count)
        return false;
    const struct wtc_slot *slot = &s->slots[index];
    return (slot->state == WTC_SLOT_ASYNC || slot->state == WTC_SLOT_SYNC) &&
           slot->shard == shard && (uint32_t)slot->sequence == (uint32_t)(c->user_data >> 32) &&
           c->result >= -4095 &&
           c->result <= (int64_t)(slot->gives_offset ? WT_FILE_BYTES_MAX : slot->result_max);
}

static uint32_t reap_shard(struct wt *s, uint32_t shard)
{
    struct wt_ring *ring = &s->shards[shard].completion;
    int64_t count = wt_ring_consumable(ring);
    if (count == 0)
        return 0;
    for (int64_t i = 0; i < count; i++) {
        struct wt_wire_completion c;
        memcpy(&c, wt_ring_entry(ring, ring->own), sizeof(c));
        if (!is_possible(s, shard, &c)) {
            count = -EPROTO;
            break;
        }
        ring->own++;
        complete(s, (uint32_t)c.user_data, c.result, c.offset, c.flags);
    }
    if (count < 0) {
        s->corrupt = true;
        wtc_lose(s);
        return 1;
    }
    wt_ring_release(ring);
    return (uint32_t)count;
}

/* Takes what is in the completion rings. Gives the number taken; not 0 if the session was lost by
 * it. */
uint32_t wtc_reap(struct wt *s)
{
    uint32_t count = 0;
    for (uint64_t left = s->busy; left && !s->corrupt; left &= left - 1)
        count += reap_shard(s, (uint32_t)__builtin_ctzll(left));
    return count;
}

/* The session is over: results that are already there are taken as they are, all else in flight
 * completes with -EREMOTEIO. Called once; a second call does nothing. */
void wtc_lose(struct wt *s)
{
    if (!wtc_is_live(s))
        return;
    atomic_store_explicit(s->guard, WTC_LOST, memory_order_relaxed);
    /* The server, if it is there, ends its side too. */
    shutdown(s->socket, SHUT_RDWR);
    wtc_reap(s);
    s->dirty = 0;
    s->prepared = 0;
    for (uint32_t i = 0; i < s->slot_count && s->in_flight; i++) {
        uint8_t state = s->slots[i].state;
        if (state == WTC_SLOT_ASYNC || state == WTC_SLOT_SYNC)
            complete(s, i, -EREMOTEIO, 0, 0);
    }
}

WT_EXPORT int wt_submit(struct wt *s)
{
    int rc = wtc_check(s);
    if (rc < 0)
        return rc;
    uint32_t count = s->prepared;
    wtc_hand_over(s);
    return (int)count;
}
