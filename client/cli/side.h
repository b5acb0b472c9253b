/*
 * side.h - the two sides of a copy: the local file system and the volume, as one struct of operations.
 *
 * put, get and cp are one machine (copy.h, tree.h) between two of these. An open file is a number: a
 * descriptor here, a handle there. `session` is the caller's own; the local side does not look at it. Results
 * are negative errnos, as in libwt.
 */
#ifndef WT_CLI_SIDE_H
#define WT_CLI_SIDE_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <wt.h>

#include "client/cli/directory.h"

#define LINK_TARGET_BYTES 4096u

/* What a copy takes over beyond content and kind. */
enum keep {
    KEEP_TIMES = 1,
    KEEP_MODE = 2, /* all 12 bits; else the permissions that the copy was made with */
    KEEP_OWNER = 4,
};

struct side {
    int (*look)(struct wt *session, const char *path, bool follow, struct stat *status);
    int (*list)(struct wt *session, const char *path, struct directory *content);
    /* NUL-terminated. */
    ssize_t (*read_link)(struct wt *session, const char *path, char target[LINK_TARGET_BYTES]);
    int (*make_symlink)(struct wt *session, const char *target, const char *path);
    int (*make_link)(struct wt *session, const char *existing, const char *path);
    int (*make_directory)(struct wt *session, const char *path, mode_t mode);
    int (*remove)(struct wt *session, const char *path);

    /* flags: O_*. What is opened for reading inside a tree is never waited for and no link. */
    int (*open)(struct wt *session, const char *path, int flags, mode_t mode);
    int (*close)(struct wt *session, int file);
    int (*status)(struct wt *session, int file, struct stat *status);
    off_t (*seek)(struct wt *session, int file, off_t offset, int whence);
    int (*set_size)(struct wt *session, int file, off_t size_bytes);
    /* As many bytes as there are, up to `bytes`. */
    ssize_t (*read)(struct wt *session, int file, void *data, size_t bytes, off_t offset);
    /* NULL where reads and writes are synchronous. */
    int (*prep_read)(struct wt *session, int file, void *data, size_t bytes, off_t offset,
                     uint64_t user_data);
    int (*prep_write)(struct wt *session, int file, const void *data, size_t bytes, off_t offset,
                      uint64_t user_data);
    /* Makes a file's later reads come from the medium, where that can be had. */
    void (*forget)(int file);

    /* Owner, mode and times of an open file; of a name, which is not followed. */
    int (*set_owner)(struct wt *session, int file, const char *path, uid_t uid, gid_t gid);
    int (*set_mode)(struct wt *session, int file, const char *path, mode_t mode);
    int (*set_times)(struct wt *session, int file, const char *path,
                     const struct timespec times[2]);
};

extern const struct side local_side, volume_side;

/* For the last three: there is no open file, but a name. */
#define NO_FILE (-1)

/* Gives the copy what `keep` says. Not being allowed to give a file away is no failure, as in cp -a; but then
 * it must not run as its new owner. */
int side_keep(const struct side *side, struct wt *session, int file, const char *path,
              const struct stat *status, unsigned keep);

/* Local writes, synchronous and complete. offset < 0: where the descriptor stands. */
int local_write(int fd, const void *data, size_t bytes, off_t offset);
/* Reads on until `bytes` are there or the end: pipes give little at a time. offset < 0: likewise. */
ssize_t local_read(int fd, void *data, size_t bytes, off_t offset);

#endif
