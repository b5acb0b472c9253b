/*
 * fs.h - one way to say what a program does to a file system, for two file systems: the kernel's through its
 * calls, and wt's through libwt.
 *
 * A case is a function over a struct fs. Each fs_* call below does the operation and writes a line of what
 * came of it into the transcript; the case is run once on each side, in a fresh directory of its own, and the
 * transcripts must be equal. Nothing in a line may depend on the side: handles are numbers in the order of
 * opening, inode numbers and times are compared inside one side and only the relation is written down.
 *
 * Paths are relative to the case's directory. One with a leading slash is absolute, and the directory's own
 * path is put before it (FS_ROOT as the directory of an *at call: no, it is taken as it stands).
 */
#ifndef WT_TESTS_POSIX_FS_H
#define WT_TESTS_POSIX_FS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <unistd.h>

#include "include/wt.h"

/* For the directory of an *at call. FS_HERE is the call without `at`. */
#define FS_HERE (-1)
#define FS_ROOT (-2)

#define FS_HANDLES_MAX  4096
#define FS_MARKS_MAX    8
#define FS_ENTRIES_MAX  8192
#define FS_NAME_BYTES   256
#define FS_PREFIX_BYTES 512
#define FS_SESSIONS_MAX 64
#define FS_BUFFER_BYTES (1u << 20)

/* Alice is who runs a case until it says fs_become. Bob and she share a group, Eve shares nothing. */
enum fs_user { ALICE, BOB, EVE, ROOT, FS_USERS };

struct fs_entry {
    char name[FS_NAME_BYTES];
    uint8_t type;
    uint64_t ino, cookie;
};

/* What a side can do. Negative errno everywhere; a handle is the side's own here. */
struct fs;
struct fs_side {
    const char *name;
    int (*openat)(struct fs *, int dir, const char *path, int flags, mode_t mode);
    int (*close)(struct fs *, int handle);
    ssize_t (*pread)(struct fs *, int handle, void *, size_t, off_t);
    ssize_t (*pwrite)(struct fs *, int handle, const void *, size_t, off_t);
    ssize_t (*append)(struct fs *, int handle, const void *, size_t, off_t *where);
    int (*sync)(struct fs *, int handle, bool data_only);
    int (*ftruncate)(struct fs *, int handle, off_t);
    int (*fallocate)(struct fs *, int handle, int mode, off_t, off_t);
    off_t (*seek)(struct fs *, int handle, off_t, int whence);
    int (*fstat)(struct fs *, int handle, struct stat *);
    int (*fstatat)(struct fs *, int dir, const char *path, struct stat *, int flags);
    int (*statvfs)(struct fs *, struct statvfs *);
    int (*mkdirat)(struct fs *, int dir, const char *path, mode_t);
    int (*unlinkat)(struct fs *, int dir, const char *path, int flags);
    int (*renameat)(struct fs *, int from_dir, const char *from, int to_dir, const char *to,
                    unsigned flags);
    int (*linkat)(struct fs *, int from_dir, const char *from, int to_dir, const char *to,
                  int flags);
    int (*link_handle)(struct fs *, int handle, int to_dir, const char *to);
    int (*symlinkat)(struct fs *, const char *target, int dir, const char *path);
    ssize_t (*readlinkat)(struct fs *, int dir, const char *path, char *, size_t);
    int (*fchmodat)(struct fs *, int dir, const char *path, mode_t, int flags);
    int (*fchownat)(struct fs *, int dir, const char *path, uid_t, gid_t, int flags);
    int (*utimensat)(struct fs *, int dir, const char *path, const struct timespec[2], int flags);
    int (*fchmod)(struct fs *, int handle, mode_t);
    int (*fchown)(struct fs *, int handle, uid_t, gid_t);
    int (*futimens)(struct fs *, int handle, const struct timespec[2]);
    /* A directory opened by path, or of a handle (path NULL); entries without "." and "..". */
    int (*opendir)(struct fs *, int handle, const char *path);
    int (*readdir)(struct fs *, struct fs_entry *entry); /* 1, 0 at the end */
    void (*seekdir)(struct fs *, uint64_t cookie);
    int (*closedir)(struct fs *);
    int (*become)(struct fs *, enum fs_user); /* also after umask */
};

struct fs {
    const struct fs_side *side;
    char prefix[FS_PREFIX_BYTES]; /* the case's directory, absolute on this side */
    enum fs_user user;
    mode_t umask;
    const char *skipped; /* why the case cannot be compared here */
    char *transcript;
    size_t transcript_bytes, transcript_room;
    struct {
        int handle; /* the side's own, -1: closed */
        struct wt *session;
    } handles[FS_HANDLES_MAX];
    int handle_count;
    struct stat marks[FS_MARKS_MAX];
    struct fs_entry entries[FS_ENTRIES_MAX];
    unsigned entry_count;
    _Alignas(4096) unsigned char buffer[FS_BUFFER_BYTES];
    /* The kernel's side. */
    DIR *dir;
    /* wt's side: a session for each user and umask, as both are taken at connect. */
    struct wt_dir *wt_dir;
    struct wt *session;
    struct wt *handle_session; /* of the handle that the call is on: it may be another user's */
    struct {
        struct wt *session;
        enum fs_user user;
        mode_t umask;
    } sessions[FS_SESSIONS_MAX];
    unsigned session_count;
};

extern const struct fs_side fs_kernel, fs_wt;
extern struct fs_identity {
    const char *name;
    uid_t uid;
    gid_t gid;
} fs_identities[FS_USERS];
#define FS_SHARED_GROUP 61000u

/* Changes who the process is to the kernel. */
int fs_identity_take(enum fs_user user);

/* ---- the calls of a case ---- */

/* The case ends here with a skip. */
#define fs_skip(f, why)     \
    do {                    \
        (f)->skipped = why; \
        return;             \
    } while (0)
/* A line of the case's own, to tell its parts apart. */
void fs_say(struct fs *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

int fs_openat(struct fs *f, int dir, const char *path, int flags, mode_t mode);
int fs_close(struct fs *f, int handle);
ssize_t fs_pread(struct fs *f, int handle, size_t bytes, off_t offset);
/* Writes `bytes` times the byte `fill`. */
ssize_t fs_pwrite(struct fs *f, int handle, char fill, size_t bytes, off_t offset);
ssize_t fs_append(struct fs *f, int handle, char fill, size_t bytes);
int fs_fsync(struct fs *f, int handle);
int fs_fdatasync(struct fs *f, int handle);
int fs_ftruncate(struct fs *f, int handle, off_t size);
int fs_fallocate(struct fs *f, int handle, int mode, off_t offset, off_t bytes);
off_t fs_seek(struct fs *f, int handle, off_t offset, int whence);
int fs_mkdirat(struct fs *f, int dir, const char *path, mode_t mode);
int fs_unlinkat(struct fs *f, int dir, const char *path, int flags);
int fs_renameat(struct fs *f, int from_dir, const char *from, int to_dir, const char *to,
                unsigned flags);
int fs_linkat(struct fs *f, int from_dir, const char *from, int to_dir, const char *to, int flags);
/* Gives the file of a handle a name, as linkat by way of /proc/self/fd. */
int fs_link_handle(struct fs *f, int handle, int to_dir, const char *to);
int fs_symlinkat(struct fs *f, const char *target, int dir, const char *path);
int fs_readlinkat(struct fs *f, int dir, const char *path, size_t capacity);
int fs_fchmodat(struct fs *f, int dir, const char *path, mode_t mode, int flags);
int fs_fchownat(struct fs *f, int dir, const char *path, int uid, int gid, int flags);
int fs_utimensat(struct fs *f, int dir, const char *path, const struct timespec times[2],
                 int flags);
int fs_fchmod(struct fs *f, int handle, mode_t mode);
int fs_fchown(struct fs *f, int handle, int uid, int gid);
int fs_futimens(struct fs *f, int handle, const struct timespec times[2]);

/* Type, mode, owner, links, size (not a directory's). */
int fs_fstatat(struct fs *f, int dir, const char *path, int flags);
int fs_fstat(struct fs *f, int handle);
/* The times of a file to the nanosecond: only where the case has set them. */
void fs_times(struct fs *f, const char *path);
void fs_blocks(struct fs *f, int handle);
/* Whether two paths (symlinks not followed) are one file. */
void fs_same(struct fs *f, const char *a, const char *b);
/* mark keeps what stat says now; moved writes which times are other ones than at the mark. mark sleeps first,
 * so that a change after it moves a time also where the clock is coarse. */
void fs_mark(struct fs *f, unsigned mark, const char *path);
void fs_moved(struct fs *f, unsigned mark, const char *path);
/* The whole of a directory, sorted: names and types. */
int fs_list(struct fs *f, const char *path);
int fs_list_handle(struct fs *f, int handle);
/* Without a line: fills f->entries. */
int fs_entries(struct fs *f, int handle, const char *path);
/* Without a line: for many of a kind. */
int fs_quiet_make(struct fs *f, const char *path);

void fs_become(struct fs *f, enum fs_user user);
void fs_umask(struct fs *f, mode_t umask);

/* ---- the same without `at`, and shorter ---- */

static inline int fs_open(struct fs *f, const char *path, int flags, mode_t mode)
{
    return fs_openat(f, FS_HERE, path, flags, mode);
}
static inline int fs_mkdir(struct fs *f, const char *path, mode_t mode)
{
    return fs_mkdirat(f, FS_HERE, path, mode);
}
static inline int fs_rmdir(struct fs *f, const char *path)
{
    return fs_unlinkat(f, FS_HERE, path, AT_REMOVEDIR);
}
static inline int fs_unlink(struct fs *f, const char *path)
{
    return fs_unlinkat(f, FS_HERE, path, 0);
}
static inline int fs_rename2(struct fs *f, const char *from, const char *to, unsigned flags)
{
    return fs_renameat(f, FS_HERE, from, FS_HERE, to, flags);
}
static inline int fs_rename(struct fs *f, const char *from, const char *to)
{
    return fs_rename2(f, from, to, 0);
}
static inline int fs_link(struct fs *f, const char *from, const char *to)
{
    return fs_linkat(f, FS_HERE, from, FS_HERE, to, 0);
}
static inline int fs_symlink(struct fs *f, const char *target, const char *path)
{
    return fs_symlinkat(f, target, FS_HERE, path);
}
static inline int fs_readlink(struct fs *f, const char *path)
{
    return fs_readlinkat(f, FS_HERE, path, 4096);
}
static inline int fs_chmod(struct fs *f, const char *path, mode_t mode)
{
    return fs_fchmodat(f, FS_HERE, path, mode, 0);
}
static inline int fs_chown(struct fs *f, const char *path, int uid, int gid)
{
    return fs_fchownat(f, FS_HERE, path, uid, gid, 0);
}
static inline int fs_utimens(struct fs *f, const char *path, const struct timespec times[2])
{
    return fs_utimensat(f, FS_HERE, path, times, 0);
}
static inline int fs_stat(struct fs *f, const char *path)
{
    return fs_fstatat(f, FS_HERE, path, 0);
}
static inline int fs_lstat(struct fs *f, const char *path)
{
    return fs_fstatat(f, FS_HERE, path, AT_SYMLINK_NOFOLLOW);
}
/* A file with `bytes` times `fill` in it, closed again. */
void fs_make(struct fs *f, const char *path, char fill, size_t bytes);
/* Opens, reads up to a MiB, closes. */
void fs_cat(struct fs *f, const char *path);

#define UID(user) ((int)fs_identities[user].uid)
#define GID(user) ((int)fs_identities[user].gid)

/* ---- cases ---- */

struct fs_case {
    const char *theme, *name;
    void (*run)(struct fs *f);
    bool needs_root; /* it plays several users */
    struct fs_case *next;
};
void fs_case_add(struct fs_case *one);

/* THEME is the file's. MANY_USERS: a case that calls fs_become. */
#define CASE_AS(function, root)                                                             \
    static void run_##function(struct fs *f);                                               \
    static struct fs_case case_##function = {THEME, #function, run_##function, root, NULL}; \
    static void __attribute__((constructor)) add_##function(void)                           \
    {                                                                                       \
        fs_case_add(&case_##function);                                                      \
    }                                                                                       \
    static void run_##function(struct fs *f)
#define CASE(function)       CASE_AS(function, false)
#define MANY_USERS(function) CASE_AS(function, true)

/* The one table of where wt differs from ext4, differences.c. */
struct fs_difference {
    const char *name;        /* theme/case */
    const char *kernel, *wt; /* the lines; NULL: a line that this side has not */
    const char *because;
};
extern const struct fs_difference fs_differences[];
extern const unsigned fs_difference_count;

#endif
