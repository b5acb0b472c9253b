#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/walk/walk.h"

#define PIECES 4

static uint64_t stamp_of(const struct walk *w, unsigned turn)
{
    return (w->step + 1) * STAMPS_A_STEP + turn;
}

/* The buffer in a few uneven pieces, some of them empty. */
static int cut(struct walk *w, struct iovec pieces[PIECES], unsigned char *bytes, size_t count)
{
    size_t done = 0;
    for (int i = 0; i < PIECES - 1; i++) {
        size_t length = below(w, (count - done) / 2 + 1);
        pieces[i] = (struct iovec){bytes + done, length};
        done += length;
    }
    pieces[PIECES - 1] = (struct iovec){bytes + done, count - done};
    return PIECES;
}

static int64_t completion_of(struct walk *w, uint64_t *offset)
{
    struct wt_completion done;
    int count = wt_wait(self(w)->session, &done, 1, 1, NULL);
    if (count != 1 || done.user_data != w->step)
        differ(w, "wt_wait gives %d and not the one request in flight", count);
    if (offset)
        *offset = done.offset;
    return done.result;
}

void step_read(struct walk *w)
{
    struct handle *handle = need_file(w);
    if (!handle)
        return;
    struct wt *session = self(w)->session;
    uint64_t offset = choose_offset(w, handle->node);
    size_t count = choose_count(w);
    int flags = one_in(w, 5) ? WT_DIRECT : 0;
    note(w, " handle %d at %llu, %zu%s", handle->wt, (unsigned long long)offset, count,
         flags ? " DIRECT" : "");
    concerns(w, handle->node);
    memset(w->buffer, 0xee, count);
    int64_t wt;
    struct iovec pieces[PIECES];
    switch (below(w, 3)) {
    case 0:
        wt = wt_prep_read(session, handle->wt, w->buffer, count, (off_t)offset, flags, w->step);
        wt = wt < 0 ? wt : completion_of(w, NULL);
        break;
    case 1:
        wt = wt_preadv2(session, handle->wt, pieces, cut(w, pieces, w->buffer, count),
                        (off_t)offset, flags);
        break;
    default:
        wt = flags ? wt_preadv2(session, handle->wt, &(struct iovec){w->buffer, count}, 1,
                                (off_t)offset, flags)
                   : wt_pread(session, handle->wt, w->buffer, count, (off_t)offset);
    }
    int64_t host = host_result(pread(handle->host, w->other, count, (off_t)offset));
    if (same_answer(w, wt, host))
        same_bytes(w, handle->node, offset, w->buffer, w->other, (size_t)wt);
}

void step_write(struct walk *w)
{
    struct handle *handle = need_file(w);
    if (!handle)
        return;
    struct wt *session = self(w)->session;
    struct node *node = handle->node;
    uint64_t offset = choose_offset(w, node);
    size_t count = choose_count(w);
    int level = choose_level(w), flags = level | (one_in(w, 6) ? WT_DIRECT : 0);
    bool appends = handle->flags & O_APPEND;
    note(w, " handle %d at %llu, %zu%s%s%s%s", handle->wt, (unsigned long long)offset, count,
         level == WT_BEHIND ? " BEHIND" : "", level == WT_STABLE ? " STABLE" : "",
         flags & WT_DIRECT ? " DIRECT" : "", appends ? " (appends)" : "");
    concerns(w, node);
    uint64_t at = appends ? node->size : offset;
    pattern_fill(stamp_of(w, 0), at, w->buffer, count);
    int64_t wt;
    struct iovec pieces[PIECES];
    switch (below(w, 3)) {
    case 0:
        wt = wt_prep_write(session, handle->wt, w->buffer, count, (off_t)offset, flags, w->step);
        wt = wt < 0 ? wt : completion_of(w, NULL);
        break;
    case 1:
        wt = wt_pwritev2(session, handle->wt, pieces, cut(w, pieces, w->buffer, count),
                         (off_t)offset, flags);
        break;
    default:
        wt = flags ? wt_pwritev2(session, handle->wt, &(struct iovec){w->buffer, count}, 1,
                                 (off_t)offset, flags)
                   : wt_pwrite(session, handle->wt, w->buffer, count, (off_t)offset);
    }
    /* On Linux pwrite to an O_APPEND descriptor appends, too. */
    int64_t host = host_result(pwrite(handle->host, w->buffer, count, (off_t)offset));
    if (same_answer(w, wt, host))
        node_write(node, at, (uint64_t)wt, stamp_of(w, 0));
}

void step_append(struct walk *w)
{
    struct handle *handle = need_file(w);
    if (!handle)
        return;
    struct wt *session = self(w)->session;
    struct node *node = handle->node;
    size_t count = choose_count(w);
    int level = choose_level(w);
    uint64_t at = node->size, told = ~0ull;
    if (at > (8ull << 40))
        return;
    note(w, " handle %d, %zu at %llu%s%s", handle->wt, count, (unsigned long long)at,
         level == WT_BEHIND ? " BEHIND" : "", level == WT_STABLE ? " STABLE" : "");
    concerns(w, node);
    pattern_fill(stamp_of(w, 0), at, w->buffer, count);
    int64_t wt;
    if (one_in(w, 2)) {
        off_t landed = -1;
        wt = wt_append(session, handle->wt, w->buffer, count, level, &landed);
        told = (uint64_t)landed;
    } else {
        wt = wt_prep_write(session, handle->wt, w->buffer, count, 0, level | WT_APPEND, w->step);
        wt = wt < 0 ? wt : completion_of(w, &told);
    }
    struct iovec whole = {w->buffer, count};
    int64_t host = host_result(pwritev2(handle->host, &whole, 1, 0, RWF_APPEND));
    if (!same_answer(w, wt, host))
        return;
    if (told != at && count)
        differ(w, "the append says it landed at %llu, the end was %llu", (unsigned long long)told,
               (unsigned long long)at);
    node_write(node, at, (uint64_t)wt, stamp_of(w, 0));
}

void step_truncate(struct walk *w)
{
    struct handle *handle = need_file(w);
    if (!handle)
        return;
    struct node *node = handle->node;
    uint64_t size = one_in(w, 6) ? 0 : one_in(w, 8) ? node->size : choose_offset(w, node);
    note(w, " handle %d to %llu", handle->wt, (unsigned long long)size);
    concerns(w, node);
    int64_t wt = wt_ftruncate(self(w)->session, handle->wt, (off_t)size);
    int64_t host = host_result(ftruncate(handle->host, (off_t)size));
    if (same_answer(w, wt, host))
        node_truncate(node, size);
}

void step_sync(struct walk *w)
{
    struct wt *session = self(w)->session;
    struct handle *handle = choose_handle(w, false);
    int rc;
    if (!handle || one_in(w, 4)) {
        note(w, " file system");
        rc = wt_syncfs(session);
        w->behind = 0;
    } else {
        note(w, " handle %d", handle->wt);
        concerns(w, handle->node);
        rc = one_in(w, 2) ? wt_fsync(session, handle->wt) : wt_fdatasync(session, handle->wt);
    }
    if (rc < 0)
        differ(w, "a sync says %s", error_name(rc));
}

/* ---- several requests of one session in flight: to one file they take effect in the order prepared ---- */

#define BATCH_MAX 8

struct request {
    struct handle *handle;
    bool is_read, is_append, is_done;
    uint64_t offset;
    size_t count;
    unsigned char *wt_bytes, *host_bytes;
    int64_t host;
};

static int64_t prepare(struct walk *w, struct request *request, unsigned turn, size_t *used)
{
    struct handle *handle = request->handle = choose_handle(w, true);
    size_t room = IO_BYTES_MAX - *used;
    struct node *node = handle->node;
    request->count = choose_count(w);
    if (request->count > room)
        request->count = room;
    request->offset = choose_offset(w, node);
    request->wt_bytes = w->buffer + *used;
    request->host_bytes = w->other + *used;
    *used += request->count;
    request->is_read = one_in(w, 2);
    request->is_append = !request->is_read && (handle->flags & O_APPEND || one_in(w, 4));
    if (request->is_append)
        request->offset = node->size;
    note(w, "%s %s %d at %llu, %zu", turn ? ";" : "", request->is_read ? "read" : "write",
         handle->wt, (unsigned long long)request->offset, request->count);
    concerns(w, node);
    if (request->is_read) {
        request->host = host_result(
            pread(handle->host, request->host_bytes, request->count, (off_t)request->offset));
        return wt_prep_read(self(w)->session, handle->wt, request->wt_bytes, request->count,
                            (off_t)request->offset, one_in(w, 8) ? WT_DIRECT : 0, turn);
    }
    int flags = choose_level(w) | (request->is_append ? WT_APPEND : 0);
    pattern_fill(stamp_of(w, turn), request->offset, request->wt_bytes, request->count);
    request->host = host_result(
        pwrite(handle->host, request->wt_bytes, request->count, (off_t)request->offset));
    if (request->host > 0)
        node_write(node, request->offset, (uint64_t)request->host, stamp_of(w, turn));
    return wt_prep_write(self(w)->session, handle->wt, request->wt_bytes, request->count,
                         (off_t)request->offset, flags, turn);
}

static void check_completion(struct walk *w, struct request *requests, unsigned count,
                             const struct wt_completion *done)
{
    if (done->user_data >= count || requests[done->user_data].is_done)
        differ(w, "a completion of a request that is not in flight");
    struct request *request = &requests[done->user_data];
    request->is_done = true;
    if (done->result != request->host)
        differ(w, "request %u: wt says %s, the host %s", (unsigned)done->user_data,
               error_name(done->result), error_name(request->host));
    if (request->is_append && done->result > 0 && done->offset != request->offset)
        differ(w, "request %u: the append says it landed at %llu", (unsigned)done->user_data,
               (unsigned long long)done->offset);
    if (request->is_read && done->result > 0 &&
        memcmp(request->wt_bytes, request->host_bytes, (size_t)done->result) != 0)
        differ(w, "request %u: the bytes read are not the host's", (unsigned)done->user_data);
}

void step_batch(struct walk *w)
{
    if (!need_file(w))
        return;
    struct request requests[BATCH_MAX] = {0};
    struct wt_completion done[BATCH_MAX];
    unsigned count = 2 + (unsigned)below(w, BATCH_MAX - 1), prepared = 0, seen = 0;
    unsigned least = 1 + (unsigned)below(w, 2);
    size_t used = 0;
    for (; prepared < count && used < IO_BYTES_MAX; prepared++) {
        int64_t rc = prepare(w, &requests[prepared], prepared, &used);
        if (rc < 0)
            differ(w, "a request cannot be prepared: %s", error_name(rc));
    }
    while (seen < prepared) {
        int got = wt_wait(self(w)->session, done, BATCH_MAX, least, NULL);
        if (got <= 0)
            differ(w, "wt_wait says %s with %u in flight", error_name(got), prepared - seen);
        for (int i = 0; i < got; i++)
            check_completion(w, requests, prepared, &done[i]);
        seen += (unsigned)got;
    }
    w->requests += prepared;
}
