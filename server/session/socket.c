/* socket.c - see socket.h. */
#include "server/session/socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG       128
#define ASK_AGAIN_MAX 10u
#define ASK_AGAIN_NS  50000000

static const char *words(int error)
{
    const char *text = strerrordesc_np(error < 0 ? -error : error);
    return text ? text : "unknown error";
}

static struct sockaddr_un address_of(const struct socket_place *place)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, place->path, strlen(place->path));
    return address;
}

/* The default's directory is gone after each boot; any other is somebody's choice, and theirs to make. */
static int make_default_directory(const char *path, char *reason, size_t reason_bytes)
{
    static const char directory[] = "/run/wt";
    size_t length = sizeof(directory) - 1;
    bool is_default = strncmp(path, directory, length) == 0 && path[length] == '/' &&
                      !strchr(path + length + 1, '/');
    if (!is_default || mkdir(directory, 0755) == 0 || errno == EEXIST)
        return 0;
    int error = -errno;
    snprintf(reason, reason_bytes,
             "%s: cannot make its directory: %s; make it or choose another --socket", path,
             words(error));
    return error;
}

/* Whether somebody answers at the socket: 0 nobody, else an errno to refuse with. */
static int ask(const struct socket_place *place)
{
    struct sockaddr_un address = address_of(place);
    int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return -errno;
    int rc = connect(probe, (struct sockaddr *)&address, sizeof(address));
    int error = rc == 0 || errno == EAGAIN || errno == EPROTOTYPE ? -EADDRINUSE : -errno;
    close(probe);
    return error == -ECONNREFUSED || error == -ENOENT ? 0 : error;
}

/* The socket of a server that was killed goes on taking connections until the kernel has taken its ring down,
 * a moment after its claim on the device is free: only who still answers then is there. */
static int ask_patiently(const struct socket_place *place)
{
    int error = ask(place);
    for (unsigned i = 0; i < ASK_AGAIN_MAX && error == -EADDRINUSE; i++) {
        nanosleep(&(struct timespec){.tv_nsec = ASK_AGAIN_NS}, NULL);
        error = ask(place);
    }
    return error;
}

/* Makes the path free, or says why it is not. */
static int clear_path(const struct socket_place *place, char *reason, size_t reason_bytes)
{
    struct stat st;
    const char *path = place->path;
    if (lstat(path, &st) < 0) {
        if (errno == ENOENT)
            return 0;
        int error = -errno;
        snprintf(reason, reason_bytes, "%s: %s; choose another --socket", path, words(error));
        return error;
    }
    if (!S_ISSOCK(st.st_mode)) {
        snprintf(reason, reason_bytes, "%s exists and is not a socket; choose another --socket",
                 path);
        return -EEXIST;
    }
    int error = ask_patiently(place);
    if (error == -EADDRINUSE)
        snprintf(reason, reason_bytes,
                 "a server answers on %s already; stop it or choose another --socket", path);
    else if (error)
        snprintf(reason, reason_bytes, "cannot tell whether a server answers on %s: %s", path,
                 words(error));
    if (error)
        return error;
    if (unlink(path) == 0 || errno == ENOENT)
        return 0;
    error = -errno;
    snprintf(reason, reason_bytes, "cannot replace the abandoned socket %s: %s", path,
             words(error));
    return error;
}

/* Nobody can connect between bind and listen, so the mode is there before the first client. */
static int bind_and_listen(int descriptor, unsigned mode, struct socket_place *place)
{
    struct sockaddr_un address = address_of(place);
    struct stat st;
    if (bind(descriptor, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    if (chmod(place->path, mode) < 0 || lstat(place->path, &st) < 0 ||
        listen(descriptor, BACKLOG) < 0) {
        int error = -errno;
        unlink(place->path);
        return error;
    }
    place->device = st.st_dev;
    place->ino = st.st_ino;
    return 0;
}

int socket_listen(const char *path, unsigned mode, struct socket_place *place, int *descriptor,
                  char *reason, size_t reason_bytes)
{
    if (strlen(path) > WT_SOCKET_PATH_BYTES_MAX || !*path) {
        snprintf(reason, reason_bytes, "the socket path has %zu bytes: must be 1 to %u",
                 strlen(path), WT_SOCKET_PATH_BYTES_MAX);
        return -ENAMETOOLONG;
    }
    *place = (struct socket_place){0};
    memcpy(place->path, path, strlen(path));
    int error = make_default_directory(path, reason, reason_bytes);
    if (!error)
        error = clear_path(place, reason, reason_bytes);
    if (error)
        return error;
    int made = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    error = made < 0 ? -errno : bind_and_listen(made, mode, place);
    if (error) {
        snprintf(reason, reason_bytes, "cannot listen on %s: %s; %s", path, words(error),
                 error == -ENOENT ? "make its directory" : "choose another --socket");
        if (made >= 0)
            close(made);
        return error;
    }
    *descriptor = made;
    return 0;
}

void socket_remove(const struct socket_place *place)
{
    struct stat st;
    if (lstat(place->path, &st) == 0 && st.st_dev == place->device && st.st_ino == place->ino)
        unlink(place->path);
}

int socket_credentials(int descriptor, struct credentials *who, uint32_t *groups)
{
    struct ucred peer;
    socklen_t bytes = sizeof(peer);
    _Static_assert(sizeof(gid_t) == sizeof(uint32_t), "groups are read in place");
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0)
        return -errno;
    bytes = WT_GROUPS_MAX * sizeof(*groups);
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) < 0)
        return errno == ERANGE ? -E2BIG : -errno;
    *who = (struct credentials){.uid = peer.uid,
                                .gid = peer.gid,
                                .group_count = (uint32_t)(bytes / sizeof(*groups)),
                                .groups = groups};
    return 0;
}

int socket_send(int descriptor, const struct wt_welcome *welcome, const int *descriptors,
                unsigned count)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE((1 + WT_SHARDS_MAX) * sizeof(int))];
    } control = {0};
    struct iovec data = {.iov_base = (void *)welcome, .iov_len = sizeof(*welcome)};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    if (count) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(&control.header), descriptors, count * sizeof(int));
    }
    ssize_t sent = sendmsg(descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
        return -errno;
    return sent == sizeof(*welcome) ? 0 : -EPROTO;
}
