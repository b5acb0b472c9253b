/*
 * wt.h - libwt, the client library of wt, a writethrough storage server.
 *
 * Threads. A session (struct wt) is used by one thread at a time; a session a thread needs no
 * lock. Handles, directories and arena buffers belong to the session that made them. Different
 * sessions are independent. The library starts no threads.
 *
 * Fork. After fork the child's sessions are closed: every call on them gives -EBADF, and memory
 * from wt_buf_alloc is no longer mapped there; the child calls wt_disconnect on them (or not) and
 * connects anew. The parent's sessions and their requests in flight are untouched. All descriptors
 * are close-on-exec.
 *
 * Signals. The library uses none. Calls are restarted after them and never give -EINTR. No call may
 * be made from a signal handler.
 *
 * Ownership. What wt_connect and wt_opendir hand out is given back with wt_disconnect and
 * wt_closedir. Paths and option structures are read during the call only. A buffer named in a
 * wt_prep_* call stays valid and unchanged (a read's buffer: untouched) until its completion has
 * come out of wt_wait. Do not call wt_disconnect while such a buffer is still expected to be
 * filled: it ends the session at once.
 *
 * Errors. Every call gives a negative errno on failure (never -1 with errno) and a count, a handle
 * or 0 on success; errno itself is not part of the interface. The server's refusals come as they would from the file system call of the
 * same name. Beyond them:
 *     -EREMOTEIO  the server was lost while the request was in flight: its outcome is unknown. No
 *                 other errno means that. A request not yet handed over when the server was lost
 *                 gives it too.
 *     -ENOTCONN   the session is over (an earlier call or completion said -EREMOTEIO, or the
 *                 server closed it); disconnect and connect anew.
 *     -EBADF      a handle that is not open, or a session carried over a fork.
 *     -EINVAL     unknown or conflicting flags, a negative offset, an option out of range.
 *     -ENOBUFS    the arena is too small for this call, because wt_buf_alloc has taken what it
 *                 would need.
 *
 * Completion levels. A write, and an operation on names, completes at one of
 *     WT_BEHIND   space is reserved and the I/O is queued; an error reaches the next sync
 *     WT_THROUGH  the device has acknowledged every byte (survives the death of the server and the
 *                 kernel; on an image made with mkfs --sparse that of the server only)
 *     WT_STABLE   durable (survives power loss)
 * The level is the one in a call's flags; else WT_STABLE on a handle opened with O_SYNC or O_DSYNC;
 * else the session's (options.level for data; options.name_level for names, ftruncate, chmod, chown
 * and utimens), which is WT_THROUGH unless set.
 *
 * Paths are bytes without NUL and begin at the root of the export, with or without a leading
 * slash; in the wt_*at calls a path without one begins at the directory whose handle is given
 * (WT_AT_ROOT: the root). Names are 1 to 255 bytes. More than 4095 bytes of path, or 255 of name:
 * -ENAMETOOLONG; empty: -ENOENT. The server resolves symbolic links; more than 40: -ELOOP. A
 * trailing slash means a directory. `..` never leaves the export. Offsets and sizes are in bytes.
 */
#ifndef WT_H
#define WT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WT_SOCKET_DEFAULT "/run/wt/wt.sock"

#if defined(__GNUC__)
#define WT_EXPORT __attribute__((visibility("default")))
#else
#define WT_EXPORT
#endif

/* Flags of calls. They begin at bit 24, so they never clash with O_*, RENAME_* or FALLOC_FL_*. */
#define WT_BEHIND   (1 << 24)
#define WT_THROUGH  (1 << 25)
#define WT_STABLE   (1 << 26)
#define WT_ATOMIC   (1 << 27) /* untorn write; today the server answers -EOPNOTSUPP */
#define WT_DIRECT   (1 << 28) /* reads: from the medium; writes: nothing is left in the cache */
#define WT_APPEND   (1 << 29) /* write at the end of the file, the offset given is ignored */
#define WT_DATASYNC (1 << 30) /* wt_prep_fsync: as fdatasync */

/* For the directory of a wt_*at call: the root of the export. The same value as AT_FDCWD. */
#define WT_AT_ROOT (-100)

struct wt;
struct wt_dir;

/* Always start from WT_OPTIONS_INIT: a later library may know more fields. A size smaller than this
 * library's structure: the rest takes its defaults (smaller than this first version's: -EINVAL);
 * larger, with anything but zeros there: -E2BIG.
 * The server may grant fewer ring entries and less arena than asked for. */
struct wt_options {
    uint32_t size;
    uint32_t flags;     /* none defined: 0 */
    int32_t level;      /* of data writes: WT_BEHIND, WT_THROUGH, WT_STABLE; 0: WT_THROUGH */
    int32_t name_level; /* of operations on names, likewise */
    /* Requests in flight per server shard: a power of two, 8 to 4096; 0: 128. */
    uint32_t ring_entries;
    /* Taken from the mode of created files and directories; ~0: the process's, read at connect. */
    uint32_t umask;
    /* Shared memory for data in flight, 64 KiB to 1 GiB; 0: 4 MiB. */
    uint64_t arena_bytes;
};
#define WT_OPTIONS_INIT                                            \
    {                                                              \
        (uint32_t)sizeof(struct wt_options), 0u, 0, 0, 0u, ~0u, 0u \
    }

struct wt_dirent {
    uint64_t ino;
    uint64_t cookie; /* stable: names the place after this entry */
    uint8_t type;    /* DT_* of <dirent.h> */
    char name[256];  /* NUL-terminated */
};

/* 32 bytes, also on the wire. */
struct wt_completion {
    uint64_t user_data;
    int64_t result;  /* bytes moved or 0; or a negative errno */
    uint64_t offset; /* where an append landed; 0 otherwise */
    uint32_t flags, reserved;
};

/* ---- session --------------------------------------------------------------------------------- */

/* The version of the library that runs, as "0.1.0". Static memory. */
WT_EXPORT const char *wt_version(void);

/*
 * Connects to the server at socket_path (NULL: the environment's WT_SOCKET, then
 * WT_SOCKET_DEFAULT) with options (NULL: defaults) and puts a session into *session (NULL on
 * failure). Gives up after 5 s without an answer (-ETIMEDOUT). -ENOENT, -ECONNREFUSED, -EACCES: as
 * connect(2); -ENAMETOOLONG: a path over 107 bytes; -EPROTO: what answered is not a wt server this
 * library can talk to; -E2BIG, -EINVAL: the options; -EMFILE, -ENOMEM; and whatever errno the
 * server refused with (-EUSERS, -EDQUOT: too many sessions, of all or of this user). wt_connect_error says it in words.
 */
WT_EXPORT int wt_connect(const char *socket_path, const struct wt_options *options,
                         struct wt **session);

/* Why the last wt_connect of this thread failed, in words (the server's own reason if it gave
 * one); "" if it succeeded. Thread-local memory, valid until this thread's next wt_connect. */
WT_EXPORT const char *wt_connect_error(void);

/* Ends the session and frees everything of it, open handles and directories and arena buffers
 * included. Requests prepared and not submitted are dropped; the outcome of those in flight is
 * unknown. NULL is fine. */
WT_EXPORT void wt_disconnect(struct wt *session);

/* The server's shards, each with a ring of its own in this session; at least 1. */
WT_EXPORT unsigned wt_shards(struct wt *session);

/* The shard that owns the handle's file, or -EBADF. For tests and benchmarks. */
WT_EXPORT int wt_handle_shard(struct wt *session, int handle);

/* The server's counters as text, a line "name value\n" each, NUL-terminated. Gives the length
 * without the NUL; -ERANGE if it does not fit into capacity (64 KiB always suffices). */
WT_EXPORT ssize_t wt_stats(struct wt *session, char *text, size_t capacity);

/* ---- files: synchronous ---------------------------------------------------------------------- */

/*
 * Opens a file. flags are O_* of open(2); mode is used with O_CREAT and O_TMPFILE, less the
 * session's umask. O_SYNC and O_DSYNC make WT_STABLE the level of the handle's writes, O_SYNC also
 * that of the open itself (its create). O_DIRECT makes WT_DIRECT the way of all its reads and
 * writes (no alignment is asked for). O_TMPFILE makes a file without a name in the directory
 * `path`; wt_linkat gives it one, unless O_EXCL was there. O_CLOEXEC, O_NOCTTY and O_NONBLOCK mean
 * nothing and are accepted; O_PATH gives -EOPNOTSUPP, WT_* flags -EINVAL. Gives a handle >= 0;
 * -EMFILE when the session has too many, -ENFILE when the server has. A directory opens with
 * O_RDONLY, for the wt_*at calls, wt_fstat, wt_fsync and wt_fdopendir.
 */
WT_EXPORT int wt_open(struct wt *session, const char *path, int flags, mode_t mode);
WT_EXPORT int wt_openat(struct wt *session, int directory, const char *path, int flags,
                        mode_t mode);

/* Closes the handle. Hands over what is prepared first and lets requests in flight finish; their
 * completions still come out of wt_wait. The handle is gone whatever the result. An error of a
 * behind write is not told here: wt_fsync first. */
WT_EXPORT int wt_close(struct wt *session, int handle);

/*
 * As pread(2), pwrite(2), preadv2(2), pwritev2(2): the bytes moved, fewer than asked for at the
 * end of the file or when an error came after some were moved (the next call tells it; bytes past
 * the count may have been written too). At most 0x7ffff000 bytes a call. flags for reads:
 * WT_DIRECT; for writes: one of WT_BEHIND, WT_THROUGH, WT_STABLE, and WT_ATOMIC, WT_DIRECT,
 * WT_APPEND. Requests go to the server in pieces of at most 1 MiB, several at a time; up to 64 KiB
 * are never split. An append (WT_APPEND, or a handle opened with O_APPEND) and an atomic write are
 * one piece: over 1 MiB, or over the arena, they give -EMSGSIZE. iovcnt up to IOV_MAX.
 */
WT_EXPORT ssize_t wt_pread(struct wt *session, int handle, void *buf, size_t count, off_t offset);
WT_EXPORT ssize_t wt_pwrite(struct wt *session, int handle, const void *buf, size_t count,
                            off_t offset);
WT_EXPORT ssize_t wt_preadv2(struct wt *session, int handle, const struct iovec *iov, int iovcnt,
                             off_t offset, int flags);
WT_EXPORT ssize_t wt_pwritev2(struct wt *session, int handle, const struct iovec *iov, int iovcnt,
                              off_t offset, int flags);

/* Writes at the end of the file, in one piece that no other append can come between; *offset (may
 * be NULL) tells where it landed. flags as for wt_pwritev2. Over 1 MiB: -EMSGSIZE. */
WT_EXPORT ssize_t wt_append(struct wt *session, int handle, const void *buf, size_t count,
                            int flags, off_t *offset);

/* As fsync(2), fdatasync(2), syncfs(2). The first two cover everything prepared on the handle
 * before them, wt_syncfs everything on the volume that has completed before it. An error of an
 * earlier write is told once to each handle. */
WT_EXPORT int wt_fsync(struct wt *session, int handle);
WT_EXPORT int wt_fdatasync(struct wt *session, int handle);
WT_EXPORT int wt_syncfs(struct wt *session);

WT_EXPORT int wt_ftruncate(struct wt *session, int handle, off_t size_bytes);

/*
 * As fallocate(2), at the session's name_level. mode is 0 or FALLOC_FL_KEEP_SIZE (allocate: what was
 * a hole reads as zeros, and a write there cannot fail for lack of space), FALLOC_FL_PUNCH_HOLE |
 * FALLOC_FL_KEEP_SIZE (zeros; whole blocks of 4096 bytes are freed), FALLOC_FL_ZERO_RANGE with or
 * without FALLOC_FL_KEEP_SIZE (zeros, allocated); any other: -EOPNOTSUPP. -EINVAL: offset negative or
 * bytes not positive; -EFBIG; -ENOSPC: part of the range may be allocated; -EBADF: not for writing.
 */
WT_EXPORT int wt_fallocate(struct wt *session, int handle, int mode, off_t offset, off_t bytes);

/* The next place at or after offset with data (SEEK_DATA) or in a hole (SEEK_HOLE; the end of the
 * file is one), in blocks of 4096 bytes. Allocated and never written is a hole. Handles have no
 * position: any other whence is -EINVAL. -ENXIO: offset is past the end, or no data follows. */
WT_EXPORT off_t wt_seek(struct wt *session, int handle, off_t offset, int whence);

/* ---- names ----------------------------------------------------------------------------------- */

/* As stat(2), lstat(2), fstat(2), statvfs(3) (of the volume). st_dev is the same for every file of
 * a volume and on every connect; st_blksize is 4096, times have nanoseconds. */
WT_EXPORT int wt_stat(struct wt *session, const char *path, struct stat *st);
WT_EXPORT int wt_lstat(struct wt *session, const char *path, struct stat *st);
WT_EXPORT int wt_fstat(struct wt *session, int handle, struct stat *st);
WT_EXPORT int wt_statvfs(struct wt *session, struct statvfs *vfs);

/* As the calls of the same names. They complete at the session's name_level; wt_rename's flags are
 * RENAME_* and at most one of WT_BEHIND, WT_THROUGH, WT_STABLE. chmod, chown and utimens follow
 * symbolic links; times NULL means now, UTIME_NOW and UTIME_OMIT are honoured; an id of -1 stays
 * as it is. */
WT_EXPORT int wt_mkdir(struct wt *session, const char *path, mode_t mode);
WT_EXPORT int wt_rmdir(struct wt *session, const char *path);
WT_EXPORT int wt_unlink(struct wt *session, const char *path);
WT_EXPORT int wt_rename(struct wt *session, const char *from, const char *to, unsigned flags);
WT_EXPORT int wt_link(struct wt *session, const char *existing, const char *path);
WT_EXPORT int wt_symlink(struct wt *session, const char *target, const char *path);
WT_EXPORT int wt_chmod(struct wt *session, const char *path, mode_t mode);
WT_EXPORT int wt_chown(struct wt *session, const char *path, uid_t uid, gid_t gid);
WT_EXPORT int wt_utimens(struct wt *session, const char *path, const struct timespec times[2]);

/*
 * As the *at calls of the same names, relative to a directory's handle. flags of wt_fstatat,
 * wt_fchmodat, wt_fchownat and wt_utimensat: AT_SYMLINK_NOFOLLOW (a symlink's mode cannot be
 * changed: -EOPNOTSUPP), AT_EMPTY_PATH (path "" or NULL: the handle's own file or directory); of
 * wt_unlinkat: AT_REMOVEDIR; of wt_linkat: AT_SYMLINK_FOLLOW, and AT_EMPTY_PATH for the file of a
 * handle, as one opened with O_TMPFILE (no privilege is needed: the handle is the session's own).
 * Others: -EINVAL. -EBADF: no such handle; -ENOTDIR: not a directory's.
 */
WT_EXPORT int wt_fstatat(struct wt *session, int directory, const char *path, struct stat *st,
                         int flags);
WT_EXPORT int wt_mkdirat(struct wt *session, int directory, const char *path, mode_t mode);
WT_EXPORT int wt_unlinkat(struct wt *session, int directory, const char *path, int flags);
WT_EXPORT int wt_renameat(struct wt *session, int from_directory, const char *from,
                          int to_directory, const char *to, unsigned flags);
WT_EXPORT int wt_linkat(struct wt *session, int existing_directory, const char *existing,
                        int directory, const char *path, int flags);
WT_EXPORT int wt_symlinkat(struct wt *session, const char *target, int directory, const char *path);
WT_EXPORT ssize_t wt_readlinkat(struct wt *session, int directory, const char *path, char *target,
                                size_t capacity);
WT_EXPORT int wt_fchmodat(struct wt *session, int directory, const char *path, mode_t mode,
                          int flags);
WT_EXPORT int wt_fchownat(struct wt *session, int directory, const char *path, uid_t uid, gid_t gid,
                          int flags);
WT_EXPORT int wt_utimensat(struct wt *session, int directory, const char *path,
                           const struct timespec times[2], int flags);

/* As fchmod(2), fchown(2), futimens(3). */
WT_EXPORT int wt_fchmod(struct wt *session, int handle, mode_t mode);
WT_EXPORT int wt_fchown(struct wt *session, int handle, uid_t uid, gid_t gid);
WT_EXPORT int wt_futimens(struct wt *session, int handle, const struct timespec times[2]);

/* As readlink(2): no NUL, silently cut at capacity; gives the bytes put into target. */
WT_EXPORT ssize_t wt_readlink(struct wt *session, const char *path, char *target, size_t capacity);

/* Reads a directory entry by entry: wt_readdir gives 1 with an entry, 0 at the end. "." and ".."
 * are not among them. An entry present throughout is seen exactly once. A directory must be closed
 * before its session is disconnected, and is not used after. */
WT_EXPORT int wt_opendir(struct wt *session, const char *path, struct wt_dir **dir);
WT_EXPORT int wt_readdir(struct wt_dir *dir, struct wt_dirent *entry);
WT_EXPORT int wt_closedir(struct wt_dir *dir);
/* Of a directory's handle, which stays open, and the caller's. */
WT_EXPORT int wt_fdopendir(struct wt *session, int handle, struct wt_dir **dir);
/* Goes on after the entry that had this cookie (0: from the start), whether or not it still is. */
WT_EXPORT void wt_seekdir(struct wt_dir *dir, uint64_t cookie);

/* ---- files: asynchronous --------------------------------------------------------------------- */

/*
 * wt_prep_* puts a request into a ring, without a system call and without handing it over;
 * wt_submit or wt_wait hand over (as does every synchronous call). Each request that was prepared
 * (0) completes exactly once, with user_data; what failed to be prepared does not complete.
 * Requests to one file take effect in the order they were prepared, and complete in any order.
 * flags are those of wt_preadv2 and wt_pwritev2. Up to 1 MiB a request is one piece; larger ones
 * are several, with one completion (the bytes before the first short or failed piece; its error if
 * there are none).
 *
 * -EAGAIN: no room in the ring or the arena now: submit, wait, try again. -EMSGSIZE: more than the
 * ring or the arena can ever hold at once (or an append or atomic write over 1 MiB). -ENOBUFS:
 * nothing is in flight and yet the arena has no room.
 */
WT_EXPORT int wt_prep_read(struct wt *session, int handle, void *buf, size_t count, off_t offset,
                           int flags, uint64_t user_data);
WT_EXPORT int wt_prep_write(struct wt *session, int handle, const void *buf, size_t count,
                            off_t offset, int flags, uint64_t user_data);

/* Covers every write prepared on the handle before it. flags: 0 or WT_DATASYNC. */
WT_EXPORT int wt_prep_fsync(struct wt *session, int handle, int flags, uint64_t user_data);

/* Does nothing on the server's shard of names, and completes with 0: for benchmarks. */
WT_EXPORT int wt_prep_nop(struct wt *session, uint64_t user_data);

/* Hands over what is prepared and does not wait. Gives the number of requests handed over (those
 * that an earlier call handed over do not count again). */
WT_EXPORT int wt_submit(struct wt *session);

/*
 * Hands over what is prepared, then collects completions into completions[0..max): returns when
 * min are there, or at the timeout (relative; NULL: for ever; zero: just looks), with the count so
 * far. min is capped at max and at what is in flight, so with nothing in flight it gives 0 at
 * once; min 0 just looks. -ETIME: the timeout passed and there is none. -ENOTCONN: the session is
 * over and everything in flight has been told.
 */
WT_EXPORT int wt_wait(struct wt *session, struct wt_completion *completions, unsigned max,
                      unsigned min, const struct timespec *timeout);

/*
 * A descriptor for the caller's own event loop. Each call arms it: it is readable (POLLIN) once a
 * completion is there to be collected, also one that came before the call, or the server is gone.
 * Then call wt_wait, which disarms it, and wt_pollfd before the next poll. Requests are not handed
 * over by this call: wt_submit first. Poll for POLLIN only; never read, write or close it: it is the
 * session's socket, the same descriptor each time, valid until wt_disconnect. A wake-up may be for
 * nothing: then wt_wait gives 0. -ENOTCONN: the session is over and nothing is left to collect
 * (while something is, the descriptor is given, and it is readable). -EBADF: after a fork.
 */
WT_EXPORT int wt_pollfd(struct wt *session);

/*
 * Memory in the arena that this session shares with the server: reads and writes whose buffer lies
 * in it whole are done in place, without a copy. Page-aligned, contents unspecified; NULL when the
 * arena has no room. The server may read or write it at any moment between prep and completion:
 * leave it alone until then, and free it only after. It is taken from options.arena_bytes, out of
 * which all other calls also live.
 */
WT_EXPORT void *wt_buf_alloc(struct wt *session, size_t bytes);
WT_EXPORT void wt_buf_free(struct wt *session, void *buf);

#ifdef __cplusplus
}
#endif

#endif
