/*
 * connect.c - the way to a server: socket, hello, welcome, descriptors. What it hands on has been
 * checked: every offset of the welcome lies inside the region, and the region cannot shrink under
 * us.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/lib/internal.h"

#define CONNECT_MS 5000

static const char not_ours[] = "%s: what answers there is not a wt server";

static _Thread_local char connect_error[512];

void wtc_connect_error_set(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(connect_error, sizeof(connect_error), format, arguments);
    va_end(arguments);
}

WT_EXPORT const char *wt_connect_error(void)
{
    return connect_error;
}

/* The C locale's words, whatever the program's. */
static const char *words(int error)
{
    const char *text = strerrordesc_np(error);
    return text ? text : "unknown error";
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What somebody who sees the error may look at. */
static const char *advice(int error)
{
    switch (error) {
    case ENOENT:
    case ECONNREFUSED:
        return " (is wtd running?)";
    case EACCES:
        return " (the socket's mode decides who may connect)";
    case ETIMEDOUT:
        return " (the server takes no connection: it is busy or stopped)";
    default:
        return "";
    }
}

static int open_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    /* To the kernel it would be an abstract name. */
    if (length == 0) {
        wtc_connect_error_set("the socket path is empty");
        return -ENOENT;
    }
    if (length >= sizeof(address.sun_path)) {
        wtc_connect_error_set("socket path is longer than %zu bytes: %.200s...",
                              sizeof(address.sun_path) - 1, path);
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, length + 1);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        int error = errno;
        wtc_connect_error_set("no socket: %s", words(error));
        return -error;
    }
    /* Bounds connect(2) too, which waits for room in the server's backlog. */
    const struct timeval timeout = {.tv_sec = CONNECT_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    int64_t end_ms = now_ms() + CONNECT_MS;
    int rc;
    do {
        rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
    } while (rc < 0 && errno == EINTR && now_ms() < end_ms);
    if (rc == 0)
        return fd;
    int error = errno == EAGAIN || errno == EINTR ? ETIMEDOUT : errno;
    close(fd);
    if (error == EPROTOTYPE) {
        wtc_connect_error_set(not_ours, path);
        return -EPROTO;
    }
    wtc_connect_error_set("%s: %s%s", path, words(error), advice(error));
    return -error;
}

static int send_hello(int fd, const char *path, const struct wt_options *options)
{
    struct wt_hello hello = {.magic = WT_HELLO_MAGIC,
                             .version_min = WT_PROTOCOL_VERSION,
                             .version_max = WT_PROTOCOL_VERSION,
                             .features = WT_FEATURES_KNOWN,
                             .arena_bytes = options->arena_bytes,
                             .ring_entries = options->ring_entries};
    ssize_t n;
    do {
        n = send(fd, &hello, sizeof(hello), MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n == sizeof(hello))
        return 0;
    int error = n < 0 ? errno : EPROTO;
    /* A server that refuses at once may be gone before it has read: its welcome says more. */
    if (error == EPIPE || error == ECONNRESET)
        return 0;
    wtc_connect_error_set("%s: sending the hello: %s", path, words(error));
    return -error;
}

static int wait_readable(int fd, const char *path)
{
    int64_t end_ms = now_ms() + CONNECT_MS;
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    for (;;) {
        int64_t left_ms = end_ms - now_ms();
        int n = left_ms > 0 ? poll(&pollfd, 1, (int)left_ms) : 0;
        if (n > 0)
            return 0;
        if (n < 0 && errno == EINTR)
            continue;
        int error = n < 0 ? errno : ETIMEDOUT;
        wtc_connect_error_set("%s: no answer: %s", path, words(error));
        return -error;
    }
}

/* Keeps the descriptors of a message, up to `max`, closes the rest, and gives their number. */
static int take_descriptors(struct msghdr *message, int *fds, int max)
{
    int count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t bytes = c->cmsg_len - CMSG_LEN(0);
        for (size_t at = 0; at + sizeof(int) <= bytes; at += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
            if (count < max)
                fds[count] = fd;
            else
                close(fd);
            count++;
        }
    }
    return count;
}

/* Receives the welcome; *fd_count descriptors are the caller's afterwards, also on failure. */
static int receive_welcome(int fd, const char *path, struct wt_welcome *welcome, int *fds,
                           int *fd_count)
{
    *fd_count = 0;
    int rc = wait_readable(fd, path);
    if (rc < 0)
        return rc;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE((1 + WT_SHARDS_MAX) * sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = welcome, .iov_len = sizeof(*welcome)};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t n;
    do {
        n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        int error = n < 0 ? errno : ECONNRESET;
        wtc_connect_error_set("%s: the server closed the connection: %s", path, words(error));
        return -error;
    }
    int count = take_descriptors(&message, fds, 1 + WT_SHARDS_MAX);
    *fd_count = count < 1 + (int)WT_SHARDS_MAX ? count : 1 + (int)WT_SHARDS_MAX;
    if (message.msg_flags & MSG_CTRUNC) {
        wtc_connect_error_set("%s: no room for the session's descriptors: %s", path, words(EMFILE));
        return -EMFILE;
    }
    if (n != sizeof(*welcome) || message.msg_flags & MSG_TRUNC ||
        welcome->magic != WT_WELCOME_MAGIC) {
        wtc_connect_error_set(not_ours, path);
        return -EPROTO;
    }
    return 0;
}

/* The server's refusal in its own words, made fit to print. */
static int refused(const struct wt_welcome *welcome)
{
    char reason[WT_REASON_BYTES + 1] = {0};
    int error = welcome->error < 0 && welcome->error >= -4095 ? -welcome->error : EPROTO;
    memcpy(reason, welcome->reason, WT_REASON_BYTES);
    for (char *c = reason; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    wtc_connect_error_set("%s", reason[0] ? reason : words(error));
    return -error;
}

static bool is_inside(uint64_t offset, uint64_t bytes, uint64_t limit)
{
    return offset <= limit && bytes <= limit - offset;
}

/* Whether the layout can be used; the words say what is wrong. */
static const char *layout_fault(const struct wt_welcome *w)
{
    uint64_t entries = w->ring_entries;
    if (w->version != WT_PROTOCOL_VERSION)
        return "the server speaks another version of the protocol";
    if (w->features & ~WT_FEATURES_KNOWN)
        return "the server grants features nobody asked for";
    if (w->shard_count == 0 || w->shard_count > WT_SHARDS_MAX || w->names_shard >= w->shard_count)
        return "impossible number of shards";
    if (entries < WT_RING_ENTRIES_MIN || entries > WT_RING_ENTRIES_MAX || entries & (entries - 1))
        return "impossible ring size";
    if (w->arena_bytes < WT_ARENA_BYTES_MIN || w->arena_bytes > WT_ARENA_BYTES_MAX ||
        w->arena_bytes % WT_PAGE_BYTES || w->arena_offset % WT_PAGE_BYTES)
        return "impossible arena";
    const uint64_t control = sizeof(struct wt_ring_control);
    if (w->ring_offset % 64 || w->ring_stride % 64 || w->completion_control % 64 ||
        w->submission_entries % 64 || w->completion_entries % 64)
        return "rings out of line";
    if (w->completion_control < control ||
        !is_inside(w->completion_control, control, w->ring_stride) ||
        !is_inside(w->submission_entries, entries * sizeof(struct wt_request), w->ring_stride) ||
        !is_inside(w->completion_entries, entries * sizeof(struct wt_wire_completion),
                   w->ring_stride))
        return "rings outside their blocks";
    if (w->region_bytes > INT64_MAX || w->ring_offset < sizeof(struct wt_region_header) ||
        w->ring_stride > w->region_bytes / w->shard_count ||
        !is_inside(w->ring_offset, w->ring_stride * w->shard_count, w->region_bytes) ||
        !is_inside(w->arena_offset, w->arena_bytes, w->region_bytes) ||
        w->arena_offset < w->ring_offset + w->ring_stride * w->shard_count)
        return "rings or arena outside the region";
    return NULL;
}

static const char *region_fault(const struct wt_welcome *w, int region)
{
    struct stat st;
    int seals = fcntl(region, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK))
        return "the region is not sealed against shrinking";
    if (fstat(region, &st) < 0 || (uint64_t)st.st_size < w->region_bytes)
        return "the region is smaller than the server says";
    return NULL;
}

static int check_welcome(const char *path, const struct wt_welcome *w, const int *fds, int fd_count)
{
    if (w->error)
        return refused(w);
    const char *fault = layout_fault(w);
    if (!fault && fd_count != 1 + (int)w->shard_count)
        fault = "wrong number of descriptors";
    if (!fault)
        fault = region_fault(w, fds[0]);
    if (!fault)
        return 0;
    wtc_connect_error_set("%s: protocol error: %s", path, fault);
    return -EPROTO;
}

int wtc_handshake(const char *path, const struct wt_options *options, struct wt_welcome *welcome,
                  int fds[1 + WT_SHARDS_MAX])
{
    int fd_count = 0;
    int fd = open_socket(path);
    if (fd < 0)
        return fd;
    int rc = send_hello(fd, path, options);
    if (rc == 0)
        rc = receive_welcome(fd, path, welcome, fds, &fd_count);
    if (rc == 0)
        rc = check_welcome(path, welcome, fds, fd_count);
    if (rc == 0)
        return fd;
    for (int i = 0; i < fd_count; i++)
        close(fds[i]);
    close(fd);
    return rc;
}
