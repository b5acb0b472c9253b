/*
 * listener.c - connections: from accept over hello and welcome to the hang-up. On the names shard.
 *
 * A connection is greeting (no valid hello yet; in the list, oldest first), then has a session, then leaves:
 * its session ends on all shards, its watch ends, it is closed and freed. A client's socket is only ever
 * looked at with MSG_DONTWAIT.
 *
 * Bounds: GREETINGS_MAX connections without a session, the oldest goes when another comes; each at most
 * HELLO_NS; WT_SESSIONS_MAX sessions; a quarter of the machine's memory for their regions. The timer runs only
 * while somebody is greeting.
 */
#include <assert.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/memory.h"
#include "server/session/handshake.h"
#include "server/session/socket.h"

#define GREETINGS_MAX  64u
#define HELLO_NS       UINT64_C(5000000000)
#define NS_PER_S       UINT64_C(1000000000)
#define ACCEPT_BUDGET  64u
#define STRAYS_MAX     16u /* datagrams after the hello that are ignored */
#define DATAGRAM_BYTES 512u

struct session_listener {
    struct session_shard *shard;
    struct socket_place place;
    int descriptor;
    int spare_descriptor; /* given up to accept, and so to refuse, when there are no others */
    struct reactor_event accept_event;
    bool watched, stopping, accept_again;
    struct message accept_message; /* accept goes on after others had their turn */
    struct list greeting;          /* connections without a session */
    unsigned greeting_count;
    unsigned connection_count; /* all, until freed */
    struct reactor_event timer_event;
    struct __kernel_timespec timer;
    bool timer_runs;
    uint64_t region_bytes, region_bytes_max; /* of all sessions; one user gets half of it */
    unsigned user_sessions_max;
    void (*stopped)(void *context);
    void *stopped_context;
};

struct session_connection {
    struct session_listener *listener;
    struct list link; /* greeting, or alone */
    int descriptor;
    struct reactor_event event;
    struct session *session;
    uint64_t deadline_ns;
    unsigned strays;
    bool watched; /* always, but at its very beginning and its very end */
    bool closing;
};

/* ---- the end of connections ---- */

static void tell_stopped(struct session_listener *listener)
{
    bool over = listener->stopping && listener->connection_count == 0 && !listener->watched &&
                !listener->accept_again;
    if (over && listener->stopped) {
        void (*stopped)(void *context) = listener->stopped;
        listener->stopped = NULL;
        stopped(listener->stopped_context);
    }
}

static void connection_free(struct session_connection *connection)
{
    struct session_listener *listener = connection->listener;
    close(connection->descriptor);
    free(connection);
    listener->connection_count--;
    tell_stopped(listener);
}

static void stop_greeting(struct session_connection *connection)
{
    if (list_empty(&connection->link))
        return;
    list_remove(&connection->link);
    connection->listener->greeting_count--;
}

/* Out of the list; NULL: there is none. */
static struct session_connection *oldest_greeting(struct session_listener *listener)
{
    struct list *link = list_pop(&listener->greeting);
    if (!link)
        return NULL;
    listener->greeting_count--;
    return list_entry(link, struct session_connection, link);
}

/* The watch keeps the socket open in the kernel; the client sees the end when the watch has ended. Nothing is
 * done to the socket before, which would be one more edge while the watch is being taken back. */
static void connection_dismiss(struct session_connection *connection)
{
    assert(connection->watched && !connection->closing);
    connection->closing = true;
    reactor_unwatch(connection->listener->shard->reactor, &connection->event);
}

/* Without a session, or after its end. */
static void connection_close(struct session_connection *connection)
{
    if (connection->closing)
        return;
    stop_greeting(connection);
    connection_dismiss(connection);
}

static void session_ended(struct session *session, void *context)
{
    struct session_connection *connection = context;
    connection->listener->region_bytes -= session->region_bytes;
    connection->session = NULL;
    session_free(session);
    connection_close(connection);
}

static void connection_end(struct session_connection *connection, const char *reason)
{
    if (connection->session)
        session_end(connection->listener->shard, connection->session, reason);
    else
        connection_close(connection);
}

/* ---- hello and welcome ---- */

static void refuse(struct session_connection *connection, const struct wt_welcome *welcome)
{
    connection->listener->shard->counters.sessions_refused++;
    log_info("a connection was refused: %s", (const char *)welcome->reason);
    socket_send(connection->descriptor, welcome, NULL, 0);
    connection_close(connection);
}

/* What one user has already, by counting: a connect is rare, and sessions are bounded. */
static void count_user(struct session_shard *shard, uint32_t uid, unsigned *sessions,
                       uint64_t *region_bytes)
{
    *sessions = 0;
    *region_bytes = 0;
    list_for_each(link, &shard->sessions)
    {
        const struct session *session = list_entry(link, struct session, link);
        if (session->who.uid != uid)
            continue;
        ++*sessions;
        *region_bytes += session->region_bytes;
    }
}

/* One user cannot keep the others out: neither by number nor by memory. */
static bool fits_user(struct session_listener *listener, uint32_t uid,
                      const struct session_layout *layout, struct wt_welcome *welcome)
{
    unsigned sessions;
    uint64_t region_bytes, share_bytes = listener->region_bytes_max / 2;
    count_user(listener->shard, uid, &sessions, &region_bytes);
    if (sessions >= listener->user_sessions_max) {
        handshake_refuse(welcome, -EDQUOT,
                         "user %u has %u sessions, the most one user gets (wtd --user-sessions)",
                         uid, sessions);
        return false;
    }
    if (layout->region_bytes > share_bytes || region_bytes > share_bytes - layout->region_bytes) {
        handshake_refuse(welcome, -EDQUOT,
                         "no room for %llu MiB of session memory: user %u has %llu MiB, the most "
                         "one user gets is %llu MiB",
                         (unsigned long long)layout->region_bytes >> 20, uid,
                         (unsigned long long)region_bytes >> 20,
                         (unsigned long long)share_bytes >> 20);
        return false;
    }
    return true;
}

static bool fits(struct session_listener *listener, uint32_t uid,
                 const struct session_layout *layout, struct wt_welcome *welcome)
{
    if (listener->shard->session_count >= WT_SESSIONS_MAX) {
        handshake_refuse(welcome, -EUSERS, "the server has %u sessions, the most it takes",
                         WT_SESSIONS_MAX);
        return false;
    }
    if (layout->region_bytes > listener->region_bytes_max - listener->region_bytes) {
        handshake_refuse(welcome, -ENOMEM,
                         "no room for %llu MiB of session memory: %llu of %llu MiB are in use",
                         (unsigned long long)layout->region_bytes >> 20,
                         (unsigned long long)listener->region_bytes >> 20,
                         (unsigned long long)listener->region_bytes_max >> 20);
        return false;
    }
    return fits_user(listener, uid, layout, welcome);
}

/* Makes the session and tells the client. An error has its words in the welcome, unless nobody is there to
 * read them. */
static int establish(struct session_connection *connection, const struct handshake_wish *wish,
                     struct wt_welcome *welcome)
{
    struct session_listener *listener = connection->listener;
    struct session_shard *shard = listener->shard;
    struct session_layout layout;
    struct handshake_resources resources;
    struct credentials who;
    uint32_t groups[WT_GROUPS_MAX];
    int error = socket_credentials(connection->descriptor, &who, groups);
    if (error) {
        handshake_refuse(welcome, error, "the server cannot tell who you are%s",
                         error == -E2BIG ? ": in too many groups" : "");
        return error;
    }
    error = session_layout(wish->ring_entries, wish->arena_bytes, shard->shard_count, &layout);
    assert(!error);
    if (!fits(listener, who.uid, &layout, welcome))
        return welcome->error;
    error = handshake_build(&layout, shard->shard_count, &resources, welcome);
    if (error)
        return error;
    error = session_create(shard, &layout, resources.region, resources.region_descriptor, &who,
                           resources.doorbells, &connection->session);
    if (error) {
        handshake_undo(&layout, &resources);
        handshake_refuse(welcome, error, "the server has no memory for a session");
        return error;
    }
    struct session *session = connection->session;
    session->connection = connection;
    session->socket = connection->descriptor;
    session->ended = session_ended;
    session->ended_context = connection;
    listener->region_bytes += layout.region_bytes;

    int descriptors[1 + WT_SHARDS_MAX] = {resources.region_descriptor};
    for (unsigned i = 0; i < shard->shard_count; i++)
        descriptors[1 + i] = resources.doorbells[i];
    handshake_accept(welcome, shard, &layout, wish, &who);
    return socket_send(connection->descriptor, welcome, descriptors, 1 + shard->shard_count);
}

static void greet(struct session_connection *connection, const void *datagram, size_t size_bytes)
{
    struct wt_welcome welcome;
    struct handshake_wish wish;
    int error = handshake_check(datagram, size_bytes, &wish, &welcome);
    if (!error) {
        error = establish(connection, &wish, &welcome);
        if (connection->session) {
            stop_greeting(connection);
            if (error)
                connection_end(connection, "the welcome could not be sent");
            return;
        }
    }
    refuse(connection, &welcome);
}

/* ---- what comes over the socket ---- */

/* Without room for them the kernel installs no descriptor that rides along. */
static ssize_t receive(int descriptor, void *datagram, bool *descriptors_came)
{
    struct iovec data = {.iov_base = datagram, .iov_len = DATAGRAM_BYTES};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    ssize_t got;
    do {
        got = recvmsg(descriptor, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    *descriptors_came = got >= 0 && message.msg_flags & MSG_CTRUNC;
    return got < 0 ? -errno : got;
}

/* False: nothing more to read now, or ever. */
static bool read_one(struct session_connection *connection)
{
    unsigned char datagram[DATAGRAM_BYTES];
    bool descriptors_came;
    if (connection->closing)
        return false;
    ssize_t got = receive(connection->descriptor, datagram, &descriptors_came);
    if (got == -EAGAIN)
        return false;
    if (got <= 0) {
        connection_end(connection, "the client has gone");
        return false;
    }
    if (descriptors_came) {
        connection_end(connection, "the client sent descriptors");
        return false;
    }
    if (!connection->session) {
        greet(connection, datagram, (size_t)got);
        return true;
    }
    if (connection->strays++ < STRAYS_MAX)
        return true;
    connection_end(connection, "the client writes to its socket");
    return false;
}

static void connection_fire(struct reactor_event *event, int32_t result, uint32_t completion_flags)
{
    struct session_connection *connection = list_entry(event, struct session_connection, event);
    (void)completion_flags;
    if (result == -ECANCELED) {
        connection->watched = false;
        if (connection->closing)
            connection_free(connection);
        return;
    }
    if (result < 0) {
        connection_end(connection, "its socket cannot be watched");
        return;
    }
    /* Edge triggered: all of it. The number of datagrams is bounded by STRAYS_MAX. */
    while (read_one(connection))
        ;
}

/* ---- the timer of those who say nothing ---- */

/* UINT64_MAX: nobody is greeting. */
static uint64_t oldest_deadline_ns(const struct session_listener *listener)
{
    if (list_empty(&listener->greeting))
        return UINT64_MAX;
    return list_entry(listener->greeting.next, struct session_connection, link)->deadline_ns;
}

static void timer_start(struct session_listener *listener)
{
    uint64_t deadline_ns = oldest_deadline_ns(listener);
    if (listener->timer_runs || deadline_ns == UINT64_MAX)
        return;
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 1;
    listener->timer.tv_sec = (int64_t)(left_ns / NS_PER_S);
    listener->timer.tv_nsec = (int64_t)(left_ns % NS_PER_S);
    struct io_uring_sqe *sqe = reactor_sqe(listener->shard->reactor, &listener->timer_event);
    sqe->opcode = IORING_OP_TIMEOUT;
    sqe->fd = -1;
    sqe->addr = (uintptr_t)&listener->timer;
    sqe->len = 1;
    listener->timer_runs = true;
}

static void timer_fire(struct reactor_event *event, int32_t result, uint32_t completion_flags)
{
    struct session_listener *listener = list_entry(event, struct session_listener, timer_event);
    uint64_t now_ns = clock_monotonic_ns();
    (void)result;
    (void)completion_flags;
    listener->timer_runs = false;
    while (oldest_deadline_ns(listener) <= now_ns)
        connection_dismiss(oldest_greeting(listener));
    timer_start(listener);
}

/* ---- accepting ---- */

static void connection_begin(struct session_listener *listener, int descriptor)
{
    struct session_connection *connection = calloc(1, sizeof(*connection));
    if (!connection) {
        close(descriptor);
        return;
    }
    connection->listener = listener;
    connection->descriptor = descriptor;
    connection->deadline_ns = clock_monotonic_ns() + HELLO_NS;
    connection->event.fire = connection_fire;
    list_init(&connection->link);
    listener->connection_count++;
    if (listener->greeting_count == GREETINGS_MAX)
        connection_dismiss(oldest_greeting(listener));
    if (reactor_watch(listener->shard->reactor, descriptor, POLLIN | POLLRDHUP,
                      &connection->event)) {
        connection_free(connection);
        return;
    }
    connection->watched = true;
    list_add_tail(&listener->greeting, &connection->link);
    listener->greeting_count++;
    timer_start(listener);
}

/* There are no descriptors left: takes one connection with the spare one, says so, and closes it. False:
 * not even that is possible. */
static bool refuse_one(struct session_listener *listener, int error)
{
    struct wt_welcome welcome;
    unsigned char datagram[DATAGRAM_BYTES];
    bool descriptors_came;
    if (listener->spare_descriptor < 0)
        return false;
    close(listener->spare_descriptor);
    int descriptor = accept4(listener->descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
        listener->shard->counters.sessions_refused++;
        handshake_refuse(&welcome, error, "the server has no file descriptors left");
        receive(descriptor, datagram, &descriptors_came);
        socket_send(descriptor, &welcome, NULL, 0);
        close(descriptor);
    }
    listener->spare_descriptor = eventfd(0, EFD_CLOEXEC);
    return descriptor >= 0;
}

/* False: nobody waits. */
static bool accept_one(struct session_listener *listener)
{
    int descriptor = accept4(listener->descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
        connection_begin(listener, descriptor);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE)
        return refuse_one(listener, -errno);
    return errno == EINTR || errno == ECONNABORTED;
}

static void accept_some(struct session_listener *listener)
{
    if (listener->stopping || listener->accept_again)
        return;
    for (unsigned i = 0; i < ACCEPT_BUDGET; i++) {
        if (!accept_one(listener))
            return;
    }
    struct session_shard *shard = listener->shard;
    listener->accept_again = true;
    message_send(shard->office, shard->shard, shard->shard, &listener->accept_message);
}

static void accept_more(struct message *message)
{
    struct session_listener *listener =
        list_entry(message, struct session_listener, accept_message);
    listener->accept_again = false;
    accept_some(listener);
    tell_stopped(listener);
}

static void accept_fire(struct reactor_event *event, int32_t result, uint32_t completion_flags)
{
    struct session_listener *listener = list_entry(event, struct session_listener, accept_event);
    (void)completion_flags;
    if (result == -ECANCELED) {
        listener->watched = false;
        tell_stopped(listener);
    } else if (result < 0) {
        log_error("the listening socket cannot be watched (%d): no new sessions", result);
    } else {
        accept_some(listener);
    }
}

/* ---- the listener itself ---- */

int session_listener_create(struct session_shard *shard,
                            const struct session_listener_options *options,
                            struct session_listener **listener, char *reason, size_t reason_bytes)
{
    struct session_listener *made = calloc(1, sizeof(*made));
    if (!made) {
        snprintf(reason, reason_bytes, "no memory for the socket");
        return -ENOMEM;
    }
    made->shard = shard;
    made->accept_event.fire = accept_fire;
    made->accept_message.deliver = accept_more;
    made->timer_event.fire = timer_fire;
    made->region_bytes_max = memory_machine_bytes() / 4;
    made->user_sessions_max = options->user_sessions_max;
    list_init(&made->greeting);
    int error = socket_listen(options->path, options->mode, &made->place, &made->descriptor, reason,
                              reason_bytes);
    if (error) {
        free(made);
        return error;
    }
    made->spare_descriptor = eventfd(0, EFD_CLOEXEC);
    error = reactor_watch(shard->reactor, made->descriptor, POLLIN, &made->accept_event);
    if (error) {
        snprintf(reason, reason_bytes, "no memory to watch the socket %s", options->path);
        socket_remove(&made->place);
        session_listener_destroy(made);
        return error;
    }
    made->watched = true;
    *listener = made;
    return 0;
}

void session_listener_stop(struct session_listener *listener, void (*stopped)(void *context),
                           void *context)
{
    struct session_shard *shard = listener->shard;
    assert(!listener->stopping);
    listener->stopping = true;
    listener->stopped = stopped;
    listener->stopped_context = context;
    socket_remove(&listener->place);
    reactor_unwatch(shard->reactor, &listener->accept_event);
    for (struct session_connection *oldest; (oldest = oldest_greeting(listener));)
        connection_dismiss(oldest);
    list_for_each(link, &shard->sessions)
        session_end(shard, list_entry(link, struct session, link), "the server stops");
}

void session_listener_destroy(struct session_listener *listener)
{
    close(listener->descriptor);
    if (listener->spare_descriptor >= 0)
        close(listener->spare_descriptor);
    free(listener);
}
