/*
 * socket.h - the listening socket's place in the file system, and what the kernel knows of a peer. Private
 * to the listener.
 */
#ifndef WT_SESSION_SOCKET_H
#define WT_SESSION_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

#include "server/session/session.h"

struct socket_place {
    char path[WT_SOCKET_PATH_BYTES_MAX + 1];
    dev_t device;
    ino_t ino;
};

/* Binds and listens. A socket on which nobody answers is replaced: the caller holds the device's claim, so
 * no other server of this volume is starting. On failure reason is one line. */
int socket_listen(const char *path, unsigned mode, struct socket_place *place, int *descriptor,
                  char *reason, size_t reason_bytes);
/* Removes the socket if it is still ours. */
void socket_remove(const struct socket_place *place);

/* SO_PEERCRED and SO_PEERGROUPS. groups has room for WT_GROUPS_MAX. -E2BIG: more groups than that. */
int socket_credentials(int descriptor, struct credentials *who, uint32_t *groups);

/* Sends a welcome with descriptors; never waits. */
int socket_send(int descriptor, const struct wt_welcome *welcome, const int *descriptors,
                unsigned count);

#endif
