/*
 * concurrent.c - requests of all sessions in flight at once on a few shared files.
 *
 * Cells of 512 bytes; a write covers a run of them, and each carries the write's stamp. Every write is
 * remembered with the ticks of its submission and its answer. A read of at most 64 KiB is one moment:
 *   - each cell is whole, and a write that overlaps it, or nothing;
 *   - no cell is older than a write that was answered before the read was submitted, or that stood before it in
 *     its ring;
 *   - there is an order of the writes seen that could have left what was seen. Where a cell of write A's range
 *     shows write B, B came after A: these must not make a circle, nor say that B came after A although B was
 *     answered before A was submitted.
 * Appends go to one more file: they must tile it, each whole, in a session's order.
 *
 * What is submitted is the seed's; when it is answered is not. So a seed finds the same fault likely, not surely.
 */
#include "tests/walk/concurrent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL_BYTES       512u
#define SHARED_FILES     2u
#define SHARED_CELLS     320u /* of one file: 160 KiB */
#define RUN_CELLS        128u /* 64 KiB */
#define DEPTH            6u   /* requests in flight of a session */
#define APPEND_FILE      SHARED_FILES
#define APPEND_BYTES_MAX (64u << 10)
#define LIVES            3u

enum request_kind { KIND_READ, KIND_WRITE, KIND_APPEND, KIND_SYNC, KINDS };

struct written {
    unsigned file, first, count; /* cells */
    unsigned client;
    uint64_t submitted, answered; /* ticks; answered: UINT64_MAX until then */
};

struct appended {
    unsigned client;
    uint64_t offset; /* UINT64_MAX until told */
    uint32_t bytes;
    uint64_t order; /* of preparation in its session */
};

struct slot {
    bool is_used;
    enum request_kind kind;
    unsigned file, first, count; /* cells of a read or a write */
    uint64_t number;             /* of the write or the append */
    uint64_t submitted;
    unsigned char *bytes;
};

/* The writes of a cell, in the order they were prepared. */
struct cell_past {
    uint64_t *stamps;
    uint64_t count, capacity;
};

struct contest {
    struct walk *w;
    uint64_t tick;
    struct written *writes; /* a stamp is an index and one more */
    uint64_t write_count, write_capacity;
    struct cell_past pasts[SHARED_FILES][SHARED_CELLS];
    struct appended *appends;
    uint64_t append_count, append_capacity;
    int handles[CLIENTS_MAX][SHARED_FILES + 1];
    struct slot slots[CLIENTS_MAX][DEPTH];
    unsigned in_flight;
    uint64_t reads;
};

static void *grow(void *items, uint64_t count, uint64_t *capacity, size_t item_bytes)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity ? *capacity * 2 : 1024;
    items = realloc(items, *capacity * item_bytes);
    if (!items)
        abort();
    return items;
}

/* ---- judging a read ---- */

static bool covers(const struct written *write, unsigned file, unsigned cell)
{
    return write->file == file && cell >= write->first && cell - write->first < write->count;
}

/* A cell is its write's stamp and a pattern of it; the first cell of nobody's is zeros, stamp 0. */
static void cell_fill(uint64_t stamp, unsigned cell, unsigned char *bytes)
{
    pattern_fill(stamp, (uint64_t)cell * CELL_BYTES, bytes, CELL_BYTES);
    memcpy(bytes, &stamp, sizeof(stamp));
}

static uint64_t stamp_in(const struct contest *contest, unsigned file, unsigned cell,
                         const unsigned char *bytes)
{
    uint64_t stamp;
    unsigned char right[CELL_BYTES];
    memcpy(&stamp, bytes, sizeof(stamp));
    bool is_known = stamp <= contest->write_count &&
                    (stamp == 0 || covers(&contest->writes[stamp - 1], file, cell));
    if (is_known)
        cell_fill(stamp, cell, right);
    if (!is_known || memcmp(bytes, right, CELL_BYTES) != 0)
        differ(contest->w, "file %u cell %u is torn, or nobody's", file, cell);
    return stamp;
}

/* Whether `later` surely came after `earlier`: answered before submitted, or after it in the same ring. */
static bool surely_after(const struct written *later, const struct written *earlier)
{
    return earlier->answered < later->submitted ||
           (earlier->client == later->client && earlier->submitted < later->submitted);
}

/* No write that was surely there covers this cell and surely came after the one that is seen. */
static void judge_age(struct contest *contest, unsigned client, const struct slot *slot,
                      unsigned cell, uint64_t stamp)
{
    const struct cell_past *past = &contest->pasts[slot->file][cell];
    for (uint64_t i = past->count; i && past->stamps[i - 1] != stamp; i--) {
        const struct written *write = &contest->writes[past->stamps[i - 1] - 1];
        bool was_there = write->answered < slot->submitted ||
                         (write->client == client && write->submitted < slot->submitted);
        if (was_there && (stamp == 0 || surely_after(write, &contest->writes[stamp - 1])))
            differ(contest->w,
                   "client %u, file %u cell %u: write %llu is seen, though write %llu came after "
                   "it and before the read",
                   client, slot->file, cell, (unsigned long long)stamp,
                   (unsigned long long)past->stamps[i - 1]);
    }
}

/* A write that is seen in one cell and not in another of its own was overwritten there by what is seen. */
static bool must_follow(const struct contest *contest, const struct slot *slot,
                        const uint64_t *stamps, uint64_t later, uint64_t earlier)
{
    const struct written *first = &contest->writes[earlier - 1];
    for (unsigned i = 0; i < slot->count; i++) {
        if (stamps[i] == later && covers(first, slot->file, slot->first + i))
            return true;
    }
    return false;
}

/* Takes away, again and again, a write that follows nothing that is left: what remains is a circle. */
static void judge_order(struct contest *contest, unsigned client, const struct slot *slot,
                        const uint64_t *stamps)
{
    uint64_t seen[RUN_CELLS];
    unsigned count = 0;
    for (unsigned i = 0; i < slot->count; i++) {
        unsigned j = 0;
        while (j < count && seen[j] != stamps[i])
            j++;
        if (j < count)
            continue;
        seen[count++] = stamps[i];
        /* Nothing written, in the middle of a write that is seen elsewhere: half of it. */
        if (stamps[i] == 0)
            count--;
    }
    for (unsigned i = 0; i < slot->count; i++) {
        for (unsigned j = 0; stamps[i] == 0 && j < count; j++) {
            if (covers(&contest->writes[seen[j] - 1], slot->file, slot->first + i))
                differ(contest->w, "client %u sees half of write %llu of file %u: cell %u is empty",
                       client, (unsigned long long)seen[j], slot->file, slot->first + i);
        }
    }
    while (count) {
        unsigned i = 0;
        for (bool follows = true; i < count; i += follows) {
            follows = false;
            for (unsigned j = 0; j < count && !follows; j++) {
                follows = i != j && (must_follow(contest, slot, stamps, seen[i], seen[j]) ||
                                     surely_after(&contest->writes[seen[i] - 1],
                                                  &contest->writes[seen[j] - 1]));
            }
            if (!follows)
                break;
        }
        if (i == count)
            differ(
                contest->w,
                "client %u, file %u cells %u to %u: writes %llu and %llu are seen, each over the "
                "other",
                client, slot->file, slot->first, slot->first + slot->count,
                (unsigned long long)seen[0], (unsigned long long)seen[count - 1]);
        seen[i] = seen[--count];
    }
}

static void judge_read(struct contest *contest, unsigned client, const struct slot *slot,
                       int64_t result)
{
    uint64_t stamps[RUN_CELLS];
    if (result != (int64_t)slot->count * CELL_BYTES)
        differ(contest->w, "client %u: a read of %u cells of file %u says %s", client, slot->count,
               slot->file, error_name(result));
    for (unsigned i = 0; i < slot->count; i++) {
        unsigned cell = slot->first + i;
        stamps[i] = stamp_in(contest, slot->file, cell, slot->bytes + (size_t)i * CELL_BYTES);
        judge_age(contest, client, slot, cell, stamps[i]);
    }
    judge_order(contest, client, slot, stamps);
    contest->reads++;
}

/* ---- appends ---- */

static int by_offset(const void *left, const void *right)
{
    const struct appended *first = left, *second = right;
    return first->offset < second->offset ? -1 : first->offset > second->offset;
}

/* Its bytes do not depend on where it lands, which nobody knows when it is prepared. */
static uint64_t append_stamp(uint64_t number)
{
    return (1ull << 48) + number;
}

static void judge_appends(struct contest *contest)
{
    struct walk *w = contest->w;
    uint64_t end = 0, order[CLIENTS_MAX] = {0};
    struct stat st;
    qsort(contest->appends, contest->append_count, sizeof(*contest->appends), by_offset);
    for (uint64_t i = 0; i < contest->append_count; i++) {
        const struct appended *append = &contest->appends[i];
        if (append->offset != end)
            differ(w, "append %llu of client %u landed at %llu; the one before ends at %llu",
                   (unsigned long long)append->order, append->client,
                   (unsigned long long)append->offset, (unsigned long long)end);
        if (append->order < order[append->client])
            differ(w, "appends of client %u landed in another order", append->client);
        order[append->client] = append->order;
        ssize_t got = wt_pread(w->clients[0].session, contest->handles[0][APPEND_FILE], w->buffer,
                               append->bytes, (off_t)append->offset);
        if (got != (ssize_t)append->bytes ||
            !pattern_matches(append_stamp(append->order), 0, w->buffer, append->bytes))
            differ(w, "append %llu of client %u, %u bytes at %llu, is not whole",
                   (unsigned long long)append->order, append->client, append->bytes,
                   (unsigned long long)append->offset);
        end += append->bytes;
    }
    if (wt_fstat(w->clients[0].session, contest->handles[0][APPEND_FILE], &st) < 0 ||
        (uint64_t)st.st_size != end)
        differ(w, "the appends end at %llu, the file at %lld", (unsigned long long)end,
               (long long)st.st_size);
}

/* ---- the work ---- */

static void choose_cells(struct walk *w, struct slot *slot)
{
    /* Many start at the same place, so that they meet. */
    slot->file = (unsigned)below(w, SHARED_FILES);
    slot->count = 1 + (unsigned)below(w, one_in(w, 3) ? RUN_CELLS : 20);
    slot->first = (unsigned)below(w, one_in(w, 2) ? 40 : SHARED_CELLS - slot->count + 1);
}

static int prepare_write(struct contest *contest, unsigned client, struct slot *slot,
                         uint64_t user_data)
{
    struct walk *w = contest->w;
    contest->writes = grow(contest->writes, contest->write_count, &contest->write_capacity,
                           sizeof(*contest->writes));
    slot->number = contest->write_count++;
    contest->writes[slot->number] = (struct written){.file = slot->file,
                                                     .first = slot->first,
                                                     .count = slot->count,
                                                     .client = client,
                                                     .submitted = slot->submitted,
                                                     .answered = UINT64_MAX};
    for (unsigned i = 0; i < slot->count; i++) {
        unsigned cell = slot->first + i;
        struct cell_past *past = &contest->pasts[slot->file][cell];
        cell_fill(slot->number + 1, cell, slot->bytes + (size_t)i * CELL_BYTES);
        past->stamps = grow(past->stamps, past->count, &past->capacity, sizeof(*past->stamps));
        past->stamps[past->count++] = slot->number + 1;
    }
    int flags = choose_level(w) | (one_in(w, 6) ? WT_DIRECT : 0);
    return wt_prep_write(w->clients[client].session, contest->handles[client][slot->file],
                         slot->bytes, (size_t)slot->count * CELL_BYTES,
                         (off_t)slot->first * CELL_BYTES, flags, user_data);
}

static int prepare_append(struct contest *contest, unsigned client, struct slot *slot,
                          uint64_t user_data)
{
    struct walk *w = contest->w;
    contest->appends = grow(contest->appends, contest->append_count, &contest->append_capacity,
                            sizeof(*contest->appends));
    slot->number = contest->append_count++;
    uint32_t bytes = 1 + (uint32_t)below(w, one_in(w, 4) ? APPEND_BYTES_MAX : 3000);
    contest->appends[slot->number] = (struct appended){
        .client = client, .offset = UINT64_MAX, .bytes = bytes, .order = slot->number};
    pattern_fill(append_stamp(slot->number), 0, slot->bytes, bytes);
    return wt_prep_write(w->clients[client].session, contest->handles[client][APPEND_FILE],
                         slot->bytes, bytes, 0, choose_level(w) | WT_APPEND, user_data);
}

static void prepare(struct contest *contest, unsigned client, unsigned index)
{
    struct walk *w = contest->w;
    static const enum request_kind kinds[] = {KIND_READ,  KIND_READ,   KIND_READ,
                                              KIND_WRITE, KIND_WRITE,  KIND_WRITE,
                                              KIND_WRITE, KIND_APPEND, KIND_SYNC};
    struct slot *slot = &contest->slots[client][index];
    struct wt *session = w->clients[client].session;
    slot->kind = kinds[below(w, sizeof(kinds) / sizeof(kinds[0]))];
    if (slot->kind == KIND_SYNC && !one_in(w, 8))
        slot->kind = KIND_READ;
    choose_cells(w, slot);
    slot->submitted = ++contest->tick;
    slot->is_used = true;
    contest->in_flight++;
    int rc, handle = contest->handles[client][slot->file];
    switch (slot->kind) {
    case KIND_WRITE:
        rc = prepare_write(contest, client, slot, index);
        break;
    case KIND_APPEND:
        rc = prepare_append(contest, client, slot, index);
        break;
    case KIND_SYNC:
        rc = wt_prep_fsync(session, handle, one_in(w, 2) ? WT_DATASYNC : 0, index);
        break;
    default:
        rc = wt_prep_read(session, handle, slot->bytes, (size_t)slot->count * CELL_BYTES,
                          (off_t)slot->first * CELL_BYTES, one_in(w, 5) ? WT_DIRECT : 0, index);
    }
    if (rc < 0)
        differ(w, "client %u cannot prepare: %s", client, error_name(rc));
}

static void take(struct contest *contest, unsigned client, const struct wt_completion *done)
{
    struct walk *w = contest->w;
    struct slot *slot = done->user_data < DEPTH ? &contest->slots[client][done->user_data] : NULL;
    if (!slot || !slot->is_used)
        differ(w, "client %u: a completion of nothing that is in flight", client);
    int64_t right = 0;
    if (slot->kind == KIND_READ) {
        judge_read(contest, client, slot, done->result);
        right = done->result;
    } else if (slot->kind == KIND_WRITE) {
        right = (int64_t)slot->count * CELL_BYTES;
        contest->writes[slot->number].answered = ++contest->tick;
    } else if (slot->kind == KIND_APPEND) {
        right = contest->appends[slot->number].bytes;
        contest->appends[slot->number].offset = done->offset;
    }
    if (done->result != right)
        differ(w, "client %u: request of kind %d says %s", client, slot->kind,
               error_name(done->result));
    slot->is_used = false;
    contest->in_flight--;
    w->requests++;
}

/* Collects what is there of a client; waits for at least `least`. */
static void collect(struct contest *contest, unsigned client, unsigned least)
{
    struct wt_completion done[DEPTH];
    struct walk *w = contest->w;
    int count = wt_wait(w->clients[client].session, done, DEPTH, least, NULL);
    if (count < 0 && count != -ETIME)
        differ(w, "client %u: wt_wait says %s", client, error_name(count));
    for (int i = 0; i < count; i++)
        take(contest, client, &done[i]);
}

static int free_slot(const struct contest *contest, unsigned client)
{
    for (unsigned i = 0; i < DEPTH; i++) {
        if (!contest->slots[client][i].is_used)
            return (int)i;
    }
    return -1;
}

static void work(struct contest *contest, uint64_t requests)
{
    struct walk *w = contest->w;
    for (uint64_t i = 0; i < requests; i++, w->step++) {
        unsigned client = (unsigned)below(w, w->client_count);
        int index;
        while ((index = free_slot(contest, client)) < 0)
            collect(contest, client, 1);
        prepare(contest, client, (unsigned)index);
        if (one_in(w, 3))
            wt_submit(w->clients[client].session);
        if (one_in(w, 4))
            collect(contest, (unsigned)below(w, w->client_count), 0);
    }
    for (unsigned client = 0; client < w->client_count; client++) {
        for (unsigned i = 0; i < DEPTH; i++) {
            while (contest->slots[client][i].is_used)
                collect(contest, client, 1);
        }
    }
}

static void open_files(struct contest *contest)
{
    struct walk *w = contest->w;
    for (unsigned i = 0; i < w->client_count; i++) {
        for (unsigned file = 0; file <= SHARED_FILES; file++) {
            char path[32];
            snprintf(path, sizeof(path), "/shared%u", file);
            int handle = wt_open(w->clients[i].session, path, O_RDWR | O_CREAT, 0666);
            if (handle < 0)
                differ(w, "client %u: open of %s says %s", i, path, error_name(handle));
            contest->handles[i][file] = handle;
            if (file < SHARED_FILES &&
                wt_ftruncate(w->clients[i].session, handle, (off_t)SHARED_CELLS * CELL_BYTES) < 0)
                differ(w, "client %u: truncate of %s fails", i, path);
        }
    }
}

void concurrent_all(struct walk *w)
{
    static struct contest contest;
    contest.w = w;
    for (unsigned i = 0; i < w->client_count; i++) {
        w->clients[i].umask = 0;
        for (unsigned j = 0; j < DEPTH; j++) {
            contest.slots[i][j].bytes = malloc(RUN_CELLS * CELL_BYTES);
            if (!contest.slots[i][j].bytes)
                give_up("no memory");
        }
    }
    for (unsigned life = 0; life < LIVES; life++) {
        life_begin(w);
        wt_chmod(w->clients[0].session, "/", 0777);
        open_files(&contest);
        work(&contest, w->steps / LIVES);
        judge_appends(&contest);
        life_end(w);
    }
    printf("%llu requests of %u clients at once, %llu reads judged, %llu writes, %llu appends\n",
           (unsigned long long)w->requests, w->client_count, (unsigned long long)contest.reads,
           (unsigned long long)contest.write_count, (unsigned long long)contest.append_count);
}
