/*
 * internal.h - what the files of libwt share. Nothing here is seen by programs.
 *
 * A session in one paragraph. Each request that is on its way has a slot. Slots never run out for
 * synchronous calls (some are kept back for them), and no shard ever has more requests in flight
 * than its completion ring has places, so the server can always post. Completions are taken from
 * the rings by wtc_reap alone: an asynchronous one goes to the wt_wait that is collecting, or onto
 * the kept queue if none is; a synchronous one marks its slot done for the call that waits for it.
 * A session that is lost completes everything in flight at that moment (wtc_lose), so that whoever
 * waits finds his slot done and nobody waits for ever.
 */
#ifndef WT_CLIENT_LIB_INTERNAL_H
#define WT_CLIENT_LIB_INTERNAL_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/wt.h"
#include "proto/ring.h"
#include "proto/wire.h"

#define WTC_SLOT_NONE 0xffffu
#define WTC_SYNC_WINDOW \
    8u /* pieces that one synchronous call has in flight; slots kept back for it */
#define WTC_WHOLE_BYTES  (64u << 10) /* a call up to here is never split */
#define WTC_REPLY_BYTES  (32u << 10) /* a block of directory entries */
#define WTC_STATS_BYTES  (64u << 10)
#define WTC_NOT_IN_ARENA UINT64_MAX

/* The guard is a page of its own that the kernel empties in a forked child (MADV_WIPEONFORK), so
 * that even a child made behind libc's back sees that the session is not its. */
enum wtc_guard { WTC_FORKED = 0, WTC_LIVE = 1, WTC_LOST = 2 };

enum wtc_slot_state { WTC_SLOT_FREE, WTC_SLOT_ASYNC, WTC_SLOT_SYNC, WTC_SLOT_DONE };

/*
 * A request on its way. A large asynchronous request is several slots, chained by next in the
 * order of their bytes; the first is their head and counts parts_left. next also chains free slots
 * and the kept queue. result_max is the bytes asked for (reads, writes), or the largest result
 * that makes sense: one beyond it is a server that cannot be trusted. The arena pages belong to
 * the slot until it completes (asynchronous) or until the call that waits has copied
 * (synchronous).
 */
struct wtc_slot {
    uint64_t sequence; /* one more at each use; its low half rides in the wire's user_data */
    uint64_t user_data;
    unsigned char *copy_to; /* asynchronous read: the caller's buffer; NULL in place */
    int64_t result;
    uint64_t offset;
    uint32_t arena_page;
    uint32_t result_max;
    uint32_t flags; /* of the completion */
    uint16_t page_count;
    uint16_t head, next, parts_left;
    uint8_t shard, state;
    bool gives_offset; /* its result is a place in a file, not bounded by result_max */
};
_Static_assert(sizeof(struct wtc_slot) == 64, "a slot is one cache line");

struct wtc_shard {
    _Alignas(64) struct wt_ring submission;
    struct wt_ring completion;
    uint32_t in_flight; /* put into the submission ring, not yet taken from the completion ring */
    int doorbell;       /* eventfd */
};

/* Page-granular allocator over the arena: a bit a page, 1 = free. */
struct wtc_arena {
    unsigned char *base;
    uint64_t bytes;
    uint64_t *free_bits;
    uint32_t *buf_pages; /* by first page: length of a run handed out by wt_buf_alloc, else 0 */
    uint32_t page_count;
    uint32_t hint; /* no word of free_bits below this one has a free page */
};

struct wtc_handle {
    uint32_t index, generation; /* in the server's table */
    uint16_t shard;
    uint8_t level; /* of writes: enum wt_wire_level */
    bool is_open, is_directory;
    bool is_synced; /* opened with O_SYNC or O_DSYNC */
    bool appends;   /* opened with O_APPEND */
    bool is_direct; /* opened with O_DIRECT */
    int next_free;
};

struct wt {
    _Atomic uint32_t *guard;
    struct wtc_shard *shards;
    struct wtc_slot *slots;
    uint64_t busy;  /* shards with something in flight */
    uint64_t dirty; /* shards with requests put and not published */
    uint32_t ring_entries;
    uint32_t slot_count, slots_free;
    uint16_t free_head, kept_head, kept_tail;
    uint32_t prepared; /* asynchronous requests put since the last hand-over */
    uint32_t pending;  /* asynchronous requests whose completion the caller has not got */
    uint32_t in_flight;
    struct wt_completion *out; /* where the running wt_wait collects; out_left is 0 outside of it */
    uint32_t out_left;
    struct wtc_arena arena;
    struct wtc_handle *handles;
    int handle_count, handle_free;
    uint8_t level, name_level;
    bool corrupt; /* the rings hold nonsense: do not read them any more */
    bool polls;   /* wt_pollfd was called since the last wt_wait: datagrams may lie in the socket */
    uint32_t umask;
    uint64_t spin_ns, spin_ns_max;
    uint64_t alive_checked_ns;
    struct wt_region_header *header;
    uint64_t region_bytes;
    uint32_t shard_count, names_shard;
    uint64_t device_id; /* st_dev */
    int socket;
    struct wt *next_session, *previous_session; /* all sessions of the process, for fork */
};

/* Where a read or write goes and how; the same for all its pieces. */
struct wtc_route {
    uint32_t handle_index, handle_generation;
    uint32_t flags; /* WT_REQUEST_* */
    uint8_t shard, opcode, level;
};

#define wtc_likely(x) __builtin_expect(!!(x), 1)

static inline uint32_t wtc_guard(const struct wt *s)
{
    return atomic_load_explicit(s->guard, memory_order_relaxed);
}

static inline bool wtc_is_live(const struct wt *s)
{
    return wtc_likely(wtc_guard(s) == WTC_LIVE);
}

/* What every call asks first. */
static inline int wtc_check(const struct wt *s)
{
    uint32_t guard = wtc_guard(s);
    if (wtc_likely(guard == WTC_LIVE))
        return 0;
    return guard == WTC_FORKED ? -EBADF : -ENOTCONN;
}

/* connect.c: the handshake. Fills welcome and fds (1 + shard_count of them), gives the socket. */
int wtc_handshake(const char *path, const struct wt_options *options, struct wt_welcome *welcome,
                  int fds[1 + WT_SHARDS_MAX]);
void wtc_connect_error_set(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* fork.c: the list of sessions, and what becomes of them in a child. */
int wtc_sessions_add(struct wt *s);
void wtc_sessions_remove(struct wt *s);
void wtc_close_descriptors(struct wt *s);

/* arena.c. Pages of WT_PAGE_BYTES; a negative answer is -EAGAIN. */
int wtc_arena_init(struct wtc_arena *arena, unsigned char *base, uint64_t bytes);
void wtc_arena_destroy(struct wtc_arena *arena);
int64_t wtc_arena_take(struct wtc_arena *arena, uint32_t page_count);
void wtc_arena_give(struct wtc_arena *arena, uint32_t page, uint32_t page_count);

static inline unsigned char *wtc_arena_at(const struct wtc_arena *arena, uint32_t page)
{
    return arena->base + (uint64_t)page * WT_PAGE_BYTES;
}

static inline uint32_t wtc_pages(uint64_t bytes)
{
    return (uint32_t)((bytes + WT_PAGE_BYTES - 1) / WT_PAGE_BYTES);
}

/* The arena offset of a caller's buffer that lies in the arena whole, or WTC_NOT_IN_ARENA. */
static inline uint64_t wtc_arena_offset(const struct wtc_arena *arena, const void *buf,
                                        uint64_t bytes)
{
    uint64_t offset = (uint64_t)((uintptr_t)buf - (uintptr_t)arena->base);
    return offset < arena->bytes && bytes <= arena->bytes - offset ? offset : WTC_NOT_IN_ARENA;
}

/* request.c: slots, putting requests, handing over, taking completions. */
int wtc_room(const struct wt *s, uint32_t shard, uint32_t count, bool synchronous);
uint32_t wtc_put(struct wt *s, uint32_t shard, struct wt_request *request, uint8_t state);
int64_t wtc_put_piece(struct wt *s, const struct wtc_route *route, uint64_t arena_offset,
                      uint32_t length, uint64_t offset, uint8_t state);
void wtc_unput(struct wt *s, uint32_t slot);
void wtc_slot_release(struct wt *s, uint32_t slot);
void wtc_hand_over(struct wt *s);
uint32_t wtc_reap(struct wt *s);
void wtc_kept_drain(struct wt *s);
void wtc_lose(struct wt *s);

/* wait.c. A deadline is relative until somebody first has to look at the clock. */
struct wtc_deadline {
    bool forever;
    uint64_t timeout_ns, end_ns;
};
bool wtc_wait_progress(struct wt *s, struct wtc_deadline *deadline);
int wtc_wait_any(struct wt *s);
int64_t wtc_wait_slot(struct wt *s, uint32_t slot);
bool wtc_socket_ended(const struct wt *s);

/* poll.c. */
void wtc_poll_disarm(struct wt *s);

/* call.c: one synchronous request other than a read or write. Scratch is arena memory for its
 * paths and its reply: first is a page, second the rest. */
struct wtc_scratch {
    uint32_t page, page_count;
    unsigned char *first, *second;
};
int wtc_scratch_take(struct wt *s, uint64_t second_bytes, struct wtc_scratch *scratch);
void wtc_scratch_give(struct wt *s, const struct wtc_scratch *scratch);
int64_t wtc_call(struct wt *s, uint32_t shard, struct wt_request *request, uint32_t result_max,
                 struct wt_wire_completion *done);
int64_t wtc_path_length(const char *path);

/* names.c: the length of a path, and where it begins on the wire (wtc_handle_wire, WT_NO_HANDLE). -EBADF,
 * -ENOTDIR, -ENOENT, -ENAMETOOLONG; and what wtc_check says. */
int64_t wtc_at(struct wt *s, int directory, const char *path, uint64_t *start);

static inline uint64_t wtc_handle_wire(const struct wtc_handle *handle)
{
    return handle->index | (uint64_t)handle->generation << 32;
}

static inline void wtc_request_start(struct wt_request *request, uint64_t start)
{
    request->handle_index = (uint32_t)start;
    request->handle_generation = (uint32_t)(start >> 32);
}

/* handle.c. */
struct wtc_handle *wtc_handle_find(struct wt *s, int handle);
uint8_t wtc_level_of(int flags); /* 0: none given, WTC_LEVEL_CONFLICT: more than one */
#define WTC_LEVEL_CONFLICT 0xffu
#define WTC_LEVEL_FLAGS    (WT_BEHIND | WT_THROUGH | WT_STABLE)

#endif
