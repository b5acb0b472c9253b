/*
 * session.h - connected clients: credentials, rings, handles, limits; requests become file operations.
 *
 * A session exists once (struct session: what does not change after the handshake) and has a part on each
 * shard (struct session_queue: its two rings there, its handles there, its requests in flight there). Each
 * part is touched only by its shard. The names shard makes and ends sessions and tells the others by
 * message: attach, then detach; a part that is detached drains its requests and closes its handles, and the
 * last answer frees the session.
 *
 * Trust: nothing in the region is believed. A request is copied once (wt_ring_take) and checked there;
 * arena ranges are checked against arena_bytes; a handle is an index and a generation in the private table
 * of this session on this shard. Impossible counters end the session with a logged reason. Data copied from
 * the arena may change while it is copied: it is only data.
 */
#ifndef WT_SESSION_SESSION_H
#define WT_SESSION_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/ring.h"
#include "proto/wire.h"
#include "server/base/list.h"
#include "server/base/message.h"
#include "server/base/reactor.h"
#include "server/file/file.h"
#include "server/volume/volume.h"

#define SESSION_HANDLE_CHUNK 256u /* handles are made in chunks and never move */
#define SESSION_TAKE_BUDGET  64u  /* requests taken from one session before the next one's turn */

struct session_shard;
struct session_queue;

struct session {
    uint64_t id;
    struct credentials who; /* groups: owned */
    unsigned char *region;
    uint64_t region_bytes;
    int region_descriptor; /* -1 in the simulator */
    unsigned char *arena;
    uint64_t arena_bytes;
    uint32_t ring_entries;
    struct wt_region_header *header;
    unsigned shard_count;
    struct session_queue *queues[WT_SHARDS_MAX]; /* queues[i] is touched by shard i only */
    struct session_connection *connection; /* names shard's: the socket; NULL in the simulator */
    unsigned detaches_pending;             /* names shard's */
    bool ending;                           /* names shard's */
    int bus_slot;                          /* in bus.c's table of ranges; -1: not there */
    /* Of the connection, for datagrams to a client that polls; -1: none. Set before the welcome is sent, so
     * before any request; it stays open until every part is detached. */
    int socket;
    void (*ended)(struct session *session, void *context); /* names shard: all parts are gone */
    void *ended_context;
    struct list link;
};

/* A place in a table: free (in the free list), in use, or closing: no request finds it any more, and it goes
 * when in_flight is 0. */
struct session_handle {
    uint32_t generation; /* of this place in the table; 0: never used */
    uint32_t index;      /* its own */
    uint32_t next_free;  /* index + 1; 0: the last */
    bool used, directory;
    uint8_t access; /* O_RDONLY, O_WRONLY, O_RDWR */
    bool append, keep_atime;
    bool strips; /* the next change of contents takes set-id bits: session_strip */
    uint64_t ino, inode_generation;
    uint32_t in_flight; /* requests that use it; a close waits for them */
    bool closing;
    struct session_request *close_request; /* waits for in_flight to be 0; NULL: the session ends */
    struct open_file file;                 /* regular files */
    /* name_*.c's: made at open, given back by session_handle_closed, so that a close cannot fail. */
    struct name_close *close_notice;
};

/*
 * What a session has on one shard. Its life: attached (polled, or asleep with its doorbell watched), then
 * detaching: out of the poll set for good, waiting for in_flight to be 0 and for the watch to end, then its
 * handles are closed, a few a step, and it answers; session_free frees it.
 *
 * in_flight + completions the client has not taken <= ring_entries: a request is taken only when there is a
 * place for its completion, so posting never fails and never waits.
 */
struct session_queue {
    struct session *session;
    struct session_shard *shard;
    struct wt_ring submission, completion;
    uint32_t in_flight; /* taken, not completed */
    bool polled;        /* in the poll set; otherwise it waits for its doorbell or a completion */
    bool detaching;
    bool corrupt; /* reported; nothing is taken any more */
    bool watched; /* the kernel has doorbell_event */
    bool woken;   /* the client was woken at completion counter woken_at, see session_publish */
    uint32_t woken_at;
    uint32_t idle_polls; /* looks at the empty ring since the last request */
    uint64_t
        idle_since_ns; /* polled: the first such look that asked the clock, 0 if none; asleep: since */
    int doorbell;      /* eventfd the client writes and we only poll; -1 in the simulator */
    struct reactor_event doorbell_event;
    struct list poll_link; /* in the shard's poll set, or alone */
    struct list
        dirty_link; /* in the shard's list of queues with completions to publish, or alone */
    struct session_handle *handle_chunks[WT_HANDLES_MAX / SESSION_HANDLE_CHUNK];
    uint32_t handle_places; /* made so far, used or free */
    uint32_t handle_free;   /* index + 1 of the first free place; 0: none */
    uint32_t handle_count;  /* in use, closing ones included */
    uint32_t handle_sweep;  /* detaching: places below are closed */
    struct message attach, detach, report;
    const char *report_reason; /* a literal */
};

/* A request being served; belongs to the shard whose ring it came from, except while it travels. */
struct session_request {
    struct list link;
    struct session_queue *queue;
    struct wt_request wire; /* the private copy */
    struct message message; /* hops between shards */
    struct journal_append append;
    struct names_change change;
    struct session_handle *handle; /* whose in_flight this request holds; or NULL */
    int64_t result;
    uint64_t result_offset;
    uint32_t result_flags;
    unsigned stage, pending; /* of multi-step requests; pending: answers to wait for */
    /* Carried between shards by name requests (open, stat, utimens, ...). */
    uint64_t ino, inode_generation;
    int64_t birth_ns, atime_ns, mtime_ns;
    uint32_t access_flags;
    struct wt_wire_stat stat;
    unsigned char *record; /* NAMES_RECORD_BYTES from the shard's pool of record buffers, or NULL */
};

/* One a shard; made by shard/. */
struct session_shard {
    unsigned shard, shard_count;
    struct post_office *office;
    struct volume_shard *volume_shard;
    struct volume *volume;
    struct file_engine *engine;
    struct reactor *reactor;      /* NULL in the simulator */
    struct session_shard **peers; /* peers[i]: only its address is used, to name a destination */
    struct list poll_set;         /* queues whose submission rings are looked at each step */
    struct list dirty;            /* queues with completions to publish */
    struct list free_requests;
    struct session_request *requests;
    uint32_t request_count, requests_made, requests_in_use; /* made: touched so far */
    struct list sessions;                                   /* names shard: all of them */
    uint32_t session_count;
    uint32_t handle_places;   /* of all sessions here, in chunks; at most WT_SHARD_HANDLES_MAX */
    uint64_t spin_ns;         /* how long a queue stays polled without work; adapts */
    uint64_t now_ns;          /* the clock as asked in this step; 0: not asked */
    uint64_t next_session_id; /* names shard */
    /* name_*.c's. Steps that wait for a file_operation (drops, syncs, O_TRUNC); session_shard_init makes
     * the list, session_poll calls session_retry_drops first of all. */
    struct list drops_waiting;
    uint32_t
        names_pending; /* closes, drops and appends begun here that no request waits for: the shard is
                               not idle while there are any */
    /* How long the steps of the shard's loop take: who asks for something waits at least for the one that is
     * running. Written by the loop; nothing is when a test or the simulator makes the steps. */
    struct step_times {
        uint64_t began_ticks, longest_ticks; /* of clock_ticks; the longest since it was told */
        uint64_t start_ticks, start_ns;      /* when the loop began */
    } steps;
    struct session_counters {
        uint64_t requests, bad_requests, sessions_opened, sessions_ended, sessions_refused;
        uint64_t doorbells, wakes;
    } counters;
};

int session_shard_init(struct session_shard *shard, uint32_t request_count);
void session_shard_end(struct session_shard *shard);

/* Takes requests from the rings of the poll set, at most SESSION_TAKE_BUDGET of each; returns how many.
 * Queues that stayed idle for spin_ns leave the poll set. The clock is asked at most once a step (now_ns,
 * which session_poll forgets first), and only when a queue has been idle for a while. */
unsigned session_poll(struct session_shard *shard);
uint64_t session_now_ns(struct session_shard *shard);
/* Publishes completions gathered since the last call and wakes clients that wait. */
void session_publish(struct session_shard *shard);
/* The shard wants to sleep: every queue leaves the poll set, its flag raised and its ring looked at again.
 * False: something is there. */
bool session_prepare_sleep(struct session_shard *shard);
/* No request is being served here, and no change of names is on its way. */
bool session_shard_idle(const struct session_shard *shard);

/* Names shard: makes a session on a region that is mapped, zeroed and laid out (session_layout) and attaches
 * it to every shard. `doorbells` may be NULL (simulator: queues are always polled). groups are copied.
 * region_descriptor >= 0: the session owns it, the mapping and the doorbells from here on, unless an error
 * is returned; -1: the region stays the caller's. The caller may set session->ended afterwards. */
struct session_layout {
    uint64_t region_bytes, ring_offset, ring_stride, arena_offset, arena_bytes;
    uint32_t completion_control, submission_entries, completion_entries, ring_entries;
};
int session_layout(uint32_t ring_entries, uint64_t arena_bytes, unsigned shard_count,
                   struct session_layout *layout);
int session_create(struct session_shard *names_shard, const struct session_layout *layout,
                   unsigned char *region, int region_descriptor, const struct credentials *who,
                   const int *doorbells, struct session **session);
/* Names shard: begins the end of a session (client gone, corrupt ring, stop); idempotent. `ended` is called
 * when no shard touches the region any more, and calls session_free; where it is NULL the session is freed. */
void session_end(struct session_shard *names_shard, struct session *session, const char *reason);
void session_free(struct session *session);
/* Any shard: asks the names shard to end it (a corrupt ring, a bus error in the arena). reason: a literal. */
void session_report_corrupt(struct session_queue *queue, const char *reason);

/* Any shard: finishes a request of this shard: queues its completion, gives handle and memory back. */
void session_complete(struct session_request *request, int64_t result, uint64_t offset,
                      uint32_t flags);

/* Arena ranges of a request, checked. NULL: out of range. */
unsigned char *session_arena(const struct session_queue *queue, uint32_t offset, uint32_t length);
/* The table of handles of this session on this shard. */
int session_handle_install(struct session_queue *queue, const struct session_handle *handle,
                           uint32_t *index, uint32_t *generation);
struct session_handle *session_handle_find(struct session_queue *queue, uint32_t index,
                                           uint32_t generation);

/* name_*.c: the requests that the names shard serves (paths, directories, whole-volume; also SYNC and
 * READDIR with a directory's handle, request->handle set and counted), and those with WT_REQUEST_OBJECT,
 * which start on the shard of their handle. They finish by session_complete, now or later. A session's queues stay allocated, `detaching` set, until session_free: a request that travels
 * looks at them. */
void session_name_request(struct session_request *request);
/* FSTAT, request->handle set: of a regular file it starts on the file's shard and asks the names shard. */
void session_fstat(struct session_request *request);
/* A handle of this session on this shard was closed (its file released by the caller, before): tells the
 * names shard (open counts). Takes handle->close_notice; the place in the table may be used again. */
void session_handle_closed(struct session_queue *queue, struct session_handle *handle);
/* The operation, which is ready to be submitted, is the first change of contents through a handle that strips:
 * it completes the request together with a change of names. */
void session_strip(struct session_request *request, struct session_handle *handle,
                   struct file_operation *operation);
/* Tries again what found no file_operation. Cheap when nothing waits. */
void session_retry_drops(struct session_shard *shard);

/* listener.c: the socket. Only on the names shard. On failure reason is one line: cause, then mend. */
struct session_listener_options {
    const char *path;
    unsigned mode;              /* of the socket */
    unsigned user_sessions_max; /* of one uid */
};
struct session_listener;
int session_listener_create(struct session_shard *shard,
                            const struct session_listener_options *options,
                            struct session_listener **listener, char *reason, size_t reason_bytes);
/* Stops accepting and removes the socket; ends every session, then calls stopped, perhaps at once. */
void session_listener_stop(struct session_listener *listener, void (*stopped)(void *context),
                           void *context);
/* After it has stopped and the shard's reactor was destroyed (it may hold events of the listener). */
void session_listener_destroy(struct session_listener *listener);

/* bus.c: a bus error while the region of a session is touched (the client punched a hole and memory is
 * gone): maps zeros there and marks the session, which is ended at its next poll. Installed once for the
 * process by wtd. Slots: names shard; -1 when there is none. session_bus_faulted: any shard. */
void session_install_bus_handler(void);
int session_bus_register(const void *region, uint64_t region_bytes);
void session_bus_unregister(int slot);
bool session_bus_faulted(int slot);

#endif
