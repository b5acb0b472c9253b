/*
 * io.c - reads and writes: synchronous, in pieces with several in flight, and asynchronous.
 *
 * The server takes at most WT_REQUEST_BYTES_MAX a request. Pieces of one call are put in the order
 * of their bytes, into one ring, so they take effect in that order among the other requests to the
 * file.
 */
#include <limits.h>
#include <string.h>

#include "client/lib/internal.h"

/* A place in a vector of buffers. */
struct cursor {
    const struct iovec *iov, *end;
    size_t done; /* bytes of *iov already passed */
};

enum copy_direction { COPY_GATHER, COPY_SCATTER };

static void cursor_copy(struct cursor *cursor, unsigned char *arena, size_t bytes,
                        enum copy_direction direction)
{
    while (bytes && cursor->iov < cursor->end) {
        size_t left = cursor->iov->iov_len - cursor->done;
        size_t count = left < bytes ? left : bytes;
        if (count) {
            unsigned char *place = (unsigned char *)cursor->iov->iov_base + cursor->done;
            memcpy(direction == COPY_GATHER ? arena : place,
                   direction == COPY_GATHER ? place : arena, count);
            cursor->done += count;
            arena += count;
            bytes -= count;
        }
        if (cursor->done == cursor->iov->iov_len) {
            cursor->iov++;
            cursor->done = 0;
        }
    }
}

/* Where a read or write goes, from the handle and the call's flags. */
static int route_of(struct wt *s, int handle, uint8_t opcode, int flags, struct wtc_route *route)
{
    static const int read_flags = WT_DIRECT;
    static const int write_flags = WTC_LEVEL_FLAGS | WT_ATOMIC | WT_DIRECT | WT_APPEND;
    int rc = wtc_check(s);
    if (rc < 0)
        return rc;
    const struct wtc_handle *h = wtc_handle_find(s, handle);
    if (!h)
        return -EBADF;
    *route = (struct wtc_route){.handle_index = h->index,
                                .handle_generation = h->generation,
                                .shard = (uint8_t)h->shard,
                                .opcode = opcode};
    if (flags & ~(opcode == WT_OP_WRITE ? write_flags : read_flags))
        return -EINVAL;
    if (opcode == WT_OP_WRITE) {
        route->level = wtc_level_of(flags);
        if (route->level == WTC_LEVEL_CONFLICT)
            return -EINVAL;
        if (route->level == 0)
            route->level = h->level;
        if (h->appends || flags & WT_APPEND)
            route->flags |= WT_REQUEST_APPEND;
        if (flags & WT_ATOMIC)
            route->flags |= WT_REQUEST_ATOMIC;
    }
    if (flags & WT_DIRECT || h->is_direct)
        route->flags |= WT_REQUEST_DIRECT;
    return 0;
}

/* Whether the call must be one request. */
static bool is_single(const struct wtc_route *route, uint64_t count)
{
    return count <= WTC_WHOLE_BYTES || route->flags & (WT_REQUEST_APPEND | WT_REQUEST_ATOMIC);
}

/* ---- synchronous ----------------------------------------------------------------------------- */

/* A synchronous call under way. Pieces are put at `to_put`, come back in order at `from_server`. */
struct transfer {
    const struct wtc_route *route;
    struct cursor to_put, from_server;
    const unsigned char *in_place; /* the caller's buffer, if it lies in the arena */
    uint64_t offset, put_bytes, total;
    int64_t done; /* bytes, or the first error if it came before any */
    uint64_t landed;
    int error;             /* why no more pieces could be put */
    bool ended;            /* a short or failed piece was seen: nothing more counts */
    uint32_t first, count; /* pieces in flight: a ring of slots */
    uint16_t slots[WTC_SYNC_WINDOW];
};

/* Puts the next piece: 0, or why not. Where the arena has no room for it whole and nothing in
 * flight could make room, it gets smaller. */
static int transfer_put(struct wt *s, struct transfer *t)
{
    uint64_t left = t->total - t->put_bytes;
    uint32_t length = left < WT_REQUEST_BYTES_MAX ? (uint32_t)left : WT_REQUEST_BYTES_MAX;
    uint64_t in_arena = WTC_NOT_IN_ARENA;
    if (t->in_place)
        in_arena = (uint64_t)(t->in_place - s->arena.base) + t->put_bytes;
    int64_t index;
    while ((index = wtc_put_piece(s, t->route, in_arena, length, t->offset + t->put_bytes,
                                  WTC_SLOT_SYNC)) == -EAGAIN) {
        if (s->in_flight)
            return -EAGAIN;
        if (is_single(t->route, t->total) || length <= WTC_WHOLE_BYTES)
            return -ENOBUFS;
        length = wtc_pages(length / 2) * WT_PAGE_BYTES;
    }
    if (index < 0)
        return (int)index;
    if (t->route->opcode == WT_OP_WRITE && !t->in_place)
        cursor_copy(&t->to_put, wtc_arena_at(&s->arena, s->slots[index].arena_page), length,
                    COPY_GATHER);
    t->slots[(t->first + t->count++) % WTC_SYNC_WINDOW] = (uint16_t)index;
    t->put_bytes += length;
    wtc_hand_over(s);
    return 0;
}

/* Waits for the oldest piece and accounts for it. */
static void transfer_take(struct wt *s, struct transfer *t)
{
    uint32_t index = t->slots[t->first];
    t->first = (t->first + 1) % WTC_SYNC_WINDOW;
    t->count--;
    int64_t result = wtc_wait_slot(s, index);
    const struct wtc_slot *slot = &s->slots[index];
    if (!t->ended && result > 0) {
        if (t->route->opcode == WT_OP_READ && !t->in_place)
            cursor_copy(&t->from_server, wtc_arena_at(&s->arena, slot->arena_page), (size_t)result,
                        COPY_SCATTER);
        t->done += result;
    } else if (!t->ended && t->done == 0) {
        t->done = result;
    }
    t->landed = slot->offset;
    t->ended = t->ended || result != (int64_t)slot->result_max;
    wtc_slot_release(s, index);
}

static bool transfer_wants_more(const struct transfer *t)
{
    if (t->ended || t->error)
        return false;
    /* A call for no bytes is one empty request: the server says what is wrong with the handle. */
    return t->put_bytes < t->total || (t->total == 0 && t->count == 0);
}

static int64_t transfer_run(struct wt *s, struct transfer *t)
{
    do {
        while (t->count < WTC_SYNC_WINDOW && transfer_wants_more(t)) {
            int rc = transfer_put(s, t);
            if (rc == -EAGAIN && t->count)
                break; /* the oldest piece will make room */
            if (rc == -EAGAIN)
                rc = wtc_wait_any(s);
            t->error = rc;
        }
        /* Pieces that are out are waited for in any case: they use the caller's buffer. */
        if (t->count)
            transfer_take(s, t);
    } while (t->count || (t->total && transfer_wants_more(t)));
    return t->done ? t->done : t->error;
}

static int64_t transfer(struct wt *s, int handle, uint8_t opcode, const struct iovec *iov,
                        int iovcnt, off_t offset, int flags, off_t *landed)
{
    struct wtc_route route;
    int rc = route_of(s, handle, opcode, flags, &route);
    if (rc < 0)
        return rc;
    if (iovcnt < 0 || iovcnt > IOV_MAX || (offset < 0 && !(route.flags & WT_REQUEST_APPEND)))
        return -EINVAL;
    uint64_t total = 0;
    for (int i = 0; i < iovcnt; i++) {
        if (iov[i].iov_len > SSIZE_MAX - total)
            return -EINVAL;
        if (!iov[i].iov_base && iov[i].iov_len)
            return -EFAULT;
        total += iov[i].iov_len;
    }
    if (total > WT_CALL_BYTES_MAX)
        total = WT_CALL_BYTES_MAX;
    if (total > WT_REQUEST_BYTES_MAX && is_single(&route, total))
        return -EMSGSIZE;
    struct transfer t = {.route = &route,
                         .to_put = {.iov = iov, .end = iov + iovcnt},
                         .from_server = {.iov = iov, .end = iov + iovcnt},
                         .offset = route.flags & WT_REQUEST_APPEND ? 0 : (uint64_t)offset,
                         .total = total};
    if (iovcnt == 1 && total &&
        wtc_arena_offset(&s->arena, iov->iov_base, total) != WTC_NOT_IN_ARENA)
        t.in_place = iov->iov_base;
    else if (total > s->arena.bytes && is_single(&route, total))
        return -EMSGSIZE;
    int64_t result = transfer_run(s, &t);
    if (landed && result >= 0)
        *landed = (off_t)t.landed;
    return result;
}

WT_EXPORT ssize_t wt_pread(struct wt *s, int handle, void *buf, size_t count, off_t offset)
{
    const struct iovec iov = {.iov_base = buf, .iov_len = count};
    return transfer(s, handle, WT_OP_READ, &iov, 1, offset, 0, NULL);
}

WT_EXPORT ssize_t wt_pwrite(struct wt *s, int handle, const void *buf, size_t count, off_t offset)
{
    const struct iovec iov = {.iov_base = (void *)buf, .iov_len = count};
    return transfer(s, handle, WT_OP_WRITE, &iov, 1, offset, 0, NULL);
}

WT_EXPORT ssize_t wt_preadv2(struct wt *s, int handle, const struct iovec *iov, int iovcnt,
                             off_t offset, int flags)
{
    return transfer(s, handle, WT_OP_READ, iov, iovcnt, offset, flags, NULL);
}

WT_EXPORT ssize_t wt_pwritev2(struct wt *s, int handle, const struct iovec *iov, int iovcnt,
                              off_t offset, int flags)
{
    return transfer(s, handle, WT_OP_WRITE, iov, iovcnt, offset, flags, NULL);
}

WT_EXPORT ssize_t wt_append(struct wt *s, int handle, const void *buf, size_t count, int flags,
                            off_t *offset)
{
    const struct iovec iov = {.iov_base = (void *)buf, .iov_len = count};
    return transfer(s, handle, WT_OP_WRITE, &iov, 1, 0, flags | WT_APPEND, offset);
}

/* ---- asynchronous ---------------------------------------------------------------------------- */

/* The head of a request is complete: from here on it counts as one. */
static int prepared(struct wt *s, uint32_t head, uint64_t user_data)
{
    s->slots[head].user_data = user_data;
    s->prepared++;
    s->pending++;
    return 0;
}

/* Puts a piece and, for a write that is not in place, its data. */
static int64_t prep_piece(struct wt *s, const struct wtc_route *route, unsigned char *buf,
                          uint32_t length, uint64_t offset)
{
    uint64_t in_arena = wtc_arena_offset(&s->arena, buf, length);
    int64_t index = wtc_put_piece(s, route, in_arena, length, offset, WTC_SLOT_ASYNC);
    if (index < 0 || in_arena != WTC_NOT_IN_ARENA)
        return index;
    struct wtc_slot *slot = &s->slots[index];
    if (route->opcode == WT_OP_READ)
        slot->copy_to = buf;
    else if (length)
        memcpy(wtc_arena_at(&s->arena, slot->arena_page), buf, length);
    return index;
}

/* What to say when there is no room now. */
static int no_room(const struct wt *s)
{
    return s->pending ? -EAGAIN : -ENOBUFS;
}

/* A request of several pieces: all of them, or none. */
static int prep_pieces(struct wt *s, const struct wtc_route *route, unsigned char *buf,
                       uint64_t count, uint64_t offset, uint64_t user_data)
{
    uint64_t pieces = (count + WT_REQUEST_BYTES_MAX - 1) / WT_REQUEST_BYTES_MAX;
    bool in_place = wtc_arena_offset(&s->arena, buf, count) != WTC_NOT_IN_ARENA;
    if (pieces > s->ring_entries || (!in_place && count > s->arena.bytes))
        return -EMSGSIZE;
    int rc = wtc_room(s, route->shard, (uint32_t)pieces, false);
    if (rc < 0)
        return rc;
    uint16_t head = WTC_SLOT_NONE, last = WTC_SLOT_NONE;
    uint16_t parts = 0;
    for (uint64_t done = 0; done < count; parts++) {
        uint64_t left = count - done;
        uint32_t length = left < WT_REQUEST_BYTES_MAX ? (uint32_t)left : WT_REQUEST_BYTES_MAX;
        int64_t index = prep_piece(s, route, buf + done, length, offset + done);
        if (index < 0) {
            rc = (int)index;
            break;
        }
        if (head == WTC_SLOT_NONE)
            head = (uint16_t)index;
        else
            s->slots[last].next = (uint16_t)index;
        last = (uint16_t)index;
        s->slots[index].head = head;
        done += length;
    }
    if (rc == 0) {
        s->slots[head].parts_left = parts;
        return prepared(s, head, user_data);
    }
    /* The pieces were put last and not published: the ring forgets them. */
    for (uint32_t index = head, next; index != WTC_SLOT_NONE; index = next) {
        next = s->slots[index].next;
        wtc_unput(s, index);
    }
    return rc == -EAGAIN ? no_room(s) : rc;
}

static int prep(struct wt *s, int handle, uint8_t opcode, void *buf, size_t count, off_t offset,
                int flags, uint64_t user_data)
{
    struct wtc_route route;
    int rc = route_of(s, handle, opcode, flags, &route);
    if (rc < 0)
        return rc;
    if (route.flags & WT_REQUEST_APPEND)
        offset = 0;
    if (offset < 0)
        return -EINVAL;
    if (!buf && count)
        return -EFAULT;
    if (count > WT_REQUEST_BYTES_MAX) {
        if (is_single(&route, count))
            return -EMSGSIZE;
        return prep_pieces(s, &route, buf, count, (uint64_t)offset, user_data);
    }
    int64_t index = prep_piece(s, &route, buf, (uint32_t)count, (uint64_t)offset);
    if (wtc_likely(index >= 0))
        return prepared(s, (uint32_t)index, user_data);
    if (index == -EAGAIN && count > s->arena.bytes)
        return -EMSGSIZE;
    return index == -EAGAIN ? no_room(s) : (int)index;
}

WT_EXPORT int wt_prep_read(struct wt *s, int handle, void *buf, size_t count, off_t offset,
                           int flags, uint64_t user_data)
{
    return prep(s, handle, WT_OP_READ, buf, count, offset, flags, user_data);
}

WT_EXPORT int wt_prep_write(struct wt *s, int handle, const void *buf, size_t count, off_t offset,
                            int flags, uint64_t user_data)
{
    return prep(s, handle, WT_OP_WRITE, (void *)buf, count, offset, flags, user_data);
}

/* A request without data. */
static int prep_plain(struct wt *s, uint32_t shard, struct wt_request *request, uint64_t user_data)
{
    int rc = wtc_room(s, shard, 1, false);
    if (rc < 0)
        return rc;
    return prepared(s, wtc_put(s, shard, request, WTC_SLOT_ASYNC), user_data);
}

WT_EXPORT int wt_prep_fsync(struct wt *s, int handle, int flags, uint64_t user_data)
{
    int rc = wtc_check(s);
    if (rc < 0)
        return rc;
    const struct wtc_handle *h = wtc_handle_find(s, handle);
    if (!h)
        return -EBADF;
    if (flags & ~WT_DATASYNC)
        return -EINVAL;
    struct wt_request request = {.opcode = WT_OP_SYNC,
                                 .flags = flags & WT_DATASYNC ? WT_REQUEST_DATASYNC : 0,
                                 .handle_index = h->index,
                                 .handle_generation = h->generation};
    return prep_plain(s, h->shard, &request, user_data);
}

WT_EXPORT int wt_prep_nop(struct wt *s, uint64_t user_data)
{
    int rc = wtc_check(s);
    if (rc < 0)
        return rc;
    struct wt_request request = {.opcode = WT_OP_NOP, .handle_index = WT_NO_HANDLE};
    return prep_plain(s, s->names_shard, &request, user_data);
}
