/*
 * side_wt.c - wt, by libwt. Without a directory's handle the calls without `at` are used, with the path of
 * the case's directory before the path, so that both kinds of call are tried.
 */
#include <stdio.h>
#include <string.h>

#include "tests/posix/fs.h"

/* A path of a call without `at`, or an absolute one; four at a time. */
static const char *full(struct fs *f, int dir, const char *path)
{
    static char texts[4][8192];
    static unsigned turn;
    if (!path || dir == FS_ROOT || !path[0] || (dir != FS_HERE && path[0] != '/'))
        return path;
    char *text = texts[turn++ % 4];
    snprintf(text, sizeof(texts[0]), "%s%s%s", f->prefix, path[0] == '/' ? "" : "/", path);
    return text;
}

static int at(int dir)
{
    return dir == FS_ROOT || dir == FS_HERE ? WT_AT_ROOT : dir;
}

static int wt_side_openat(struct fs *f, int dir, const char *path, int flags, mode_t mode)
{
    if (dir == FS_HERE)
        return wt_open(f->session, full(f, dir, path), flags, mode);
    return wt_openat(f->session, at(dir), full(f, dir, path), flags, mode);
}

static int wt_side_close(struct fs *f, int handle)
{
    return wt_close(f->handle_session, handle);
}

static ssize_t wt_side_pread(struct fs *f, int handle, void *bytes, size_t count, off_t offset)
{
    return wt_pread(f->handle_session, handle, bytes, count, offset);
}

static ssize_t wt_side_pwrite(struct fs *f, int handle, const void *bytes, size_t count,
                              off_t offset)
{
    return wt_pwrite(f->handle_session, handle, bytes, count, offset);
}

static ssize_t wt_side_append(struct fs *f, int handle, const void *bytes, size_t count,
                              off_t *where)
{
    return wt_append(f->handle_session, handle, bytes, count, 0, where);
}

static int wt_side_sync(struct fs *f, int handle, bool data_only)
{
    struct wt *session = f->handle_session;
    return data_only ? wt_fdatasync(session, handle) : wt_fsync(session, handle);
}

static int wt_side_ftruncate(struct fs *f, int handle, off_t size)
{
    return wt_ftruncate(f->handle_session, handle, size);
}

static int wt_side_fallocate(struct fs *f, int handle, int mode, off_t offset, off_t bytes)
{
    return wt_fallocate(f->handle_session, handle, mode, offset, bytes);
}

static off_t wt_side_seek(struct fs *f, int handle, off_t offset, int whence)
{
    return wt_seek(f->handle_session, handle, offset, whence);
}

static int wt_side_fstat(struct fs *f, int handle, struct stat *st)
{
    return wt_fstat(f->handle_session, handle, st);
}

static int wt_side_fstatat(struct fs *f, int dir, const char *path, struct stat *st, int flags)
{
    const char *where = full(f, dir, path);
    if (dir == FS_HERE && flags == 0)
        return wt_stat(f->session, where, st);
    if (dir == FS_HERE && flags == AT_SYMLINK_NOFOLLOW)
        return wt_lstat(f->session, where, st);
    return wt_fstatat(f->session, at(dir), where, st, flags);
}

static int wt_side_statvfs(struct fs *f, struct statvfs *vfs)
{
    return wt_statvfs(f->session, vfs);
}

static int wt_side_mkdirat(struct fs *f, int dir, const char *path, mode_t mode)
{
    const char *where = full(f, dir, path);
    if (dir == FS_HERE)
        return wt_mkdir(f->session, where, mode);
    return wt_mkdirat(f->session, at(dir), where, mode);
}

static int wt_side_unlinkat(struct fs *f, int dir, const char *path, int flags)
{
    const char *where = full(f, dir, path);
    if (dir == FS_HERE && flags == 0)
        return wt_unlink(f->session, where);
    if (dir == FS_HERE && flags == AT_REMOVEDIR)
        return wt_rmdir(f->session, where);
    return wt_unlinkat(f->session, at(dir), where, flags);
}

static int wt_side_renameat(struct fs *f, int from_dir, const char *from, int to_dir,
                            const char *to, unsigned flags)
{
    const char *old = full(f, from_dir, from), *new = full(f, to_dir, to);
    if (from_dir == FS_HERE && to_dir == FS_HERE)
        return wt_rename(f->session, old, new, flags);
    return wt_renameat(f->session, at(from_dir), old, at(to_dir), new, flags);
}

static int wt_side_linkat(struct fs *f, int from_dir, const char *from, int to_dir, const char *to,
                          int flags)
{
    const char *old = full(f, from_dir, from), *new = full(f, to_dir, to);
    if (from_dir == FS_HERE && to_dir == FS_HERE && flags == 0)
        return wt_link(f->session, old, new);
    return wt_linkat(f->session, at(from_dir), old, at(to_dir), new, flags);
}

static int wt_side_link_handle(struct fs *f, int handle, int to_dir, const char *to)
{
    return wt_linkat(f->handle_session, handle, "", at(to_dir), full(f, to_dir, to), AT_EMPTY_PATH);
}

static int wt_side_symlinkat(struct fs *f, const char *target, int dir, const char *path)
{
    /* A relative target stays as it is. */
    const char *to = target && target[0] == '/' ? full(f, dir, target) : target;
    const char *where = full(f, dir, path);
    if (dir == FS_HERE)
        return wt_symlink(f->session, to, where);
    return wt_symlinkat(f->session, to, at(dir), where);
}

static ssize_t wt_side_readlinkat(struct fs *f, int dir, const char *path, char *target,
                                  size_t capacity)
{
    const char *where = full(f, dir, path);
    if (dir == FS_HERE)
        return wt_readlink(f->session, where, target, capacity);
    return wt_readlinkat(f->session, at(dir), where, target, capacity);
}

static int wt_side_fchmodat(struct fs *f, int dir, const char *path, mode_t mode, int flags)
{
    const char *where = full(f, dir, path);
    if (dir == FS_HERE && flags == 0)
        return wt_chmod(f->session, where, mode);
    return wt_fchmodat(f->session, at(dir), where, mode, flags);
}

static int wt_side_fchownat(struct fs *f, int dir, const char *path, uid_t uid, gid_t gid,
                            int flags)
{
    const char *where = full(f, dir, path);
    if (dir == FS_HERE && flags == 0)
        return wt_chown(f->session, where, uid, gid);
    return wt_fchownat(f->session, at(dir), where, uid, gid, flags);
}

static int wt_side_utimensat(struct fs *f, int dir, const char *path,
                             const struct timespec times[2], int flags)
{
    const char *where = full(f, dir, path);
    if (dir == FS_HERE && flags == 0)
        return wt_utimens(f->session, where, times);
    return wt_utimensat(f->session, at(dir), where, times, flags);
}

static int wt_side_fchmod(struct fs *f, int handle, mode_t mode)
{
    return wt_fchmod(f->handle_session, handle, mode);
}

static int wt_side_fchown(struct fs *f, int handle, uid_t uid, gid_t gid)
{
    return wt_fchown(f->handle_session, handle, uid, gid);
}

static int wt_side_futimens(struct fs *f, int handle, const struct timespec times[2])
{
    return wt_futimens(f->handle_session, handle, times);
}

static int wt_side_opendir(struct fs *f, int handle, const char *path)
{
    if (path)
        return wt_opendir(f->session, full(f, FS_HERE, path), &f->wt_dir);
    return wt_fdopendir(f->handle_session, handle, &f->wt_dir);
}

static int wt_side_readdir(struct fs *f, struct fs_entry *entry)
{
    struct wt_dirent next;
    int result = wt_readdir(f->wt_dir, &next);
    if (result <= 0)
        return result;
    memcpy(entry->name, next.name, sizeof(entry->name));
    entry->type = next.type;
    entry->ino = next.ino;
    entry->cookie = next.cookie;
    return 1;
}

static void wt_side_seekdir(struct fs *f, uint64_t cookie)
{
    wt_seekdir(f->wt_dir, cookie);
}

static int wt_side_closedir(struct fs *f)
{
    return wt_closedir(f->wt_dir);
}

/* Who the session is, and its umask, are what the process is at connect. */
static int wt_side_become(struct fs *f, enum fs_user user)
{
    umask(f->umask);
    for (unsigned i = 0; i < f->session_count; i++)
        if (f->sessions[i].user == user && f->sessions[i].umask == f->umask) {
            f->session = f->sessions[i].session;
            return 0;
        }
    if (f->session_count == FS_SESSIONS_MAX)
        return -EMFILE;
    int result = fs_identity_take(user);
    if (result < 0)
        return result;
    struct wt *session = NULL;
    result = wt_connect(NULL, NULL, &session);
    if (result < 0) {
        fprintf(stderr, "posix: %s\n", wt_connect_error());
        return result;
    }
    f->sessions[f->session_count].session = session;
    f->sessions[f->session_count].user = user;
    f->sessions[f->session_count].umask = f->umask;
    f->session_count++;
    f->session = session;
    return 0;
}

const struct fs_side fs_wt = {
    .name = "wt",
    .openat = wt_side_openat,
    .close = wt_side_close,
    .pread = wt_side_pread,
    .pwrite = wt_side_pwrite,
    .append = wt_side_append,
    .sync = wt_side_sync,
    .ftruncate = wt_side_ftruncate,
    .fallocate = wt_side_fallocate,
    .seek = wt_side_seek,
    .fstat = wt_side_fstat,
    .fstatat = wt_side_fstatat,
    .statvfs = wt_side_statvfs,
    .mkdirat = wt_side_mkdirat,
    .unlinkat = wt_side_unlinkat,
    .renameat = wt_side_renameat,
    .linkat = wt_side_linkat,
    .link_handle = wt_side_link_handle,
    .symlinkat = wt_side_symlinkat,
    .readlinkat = wt_side_readlinkat,
    .fchmodat = wt_side_fchmodat,
    .fchownat = wt_side_fchownat,
    .utimensat = wt_side_utimensat,
    .fchmod = wt_side_fchmod,
    .fchown = wt_side_fchown,
    .futimens = wt_side_futimens,
    .opendir = wt_side_opendir,
    .readdir = wt_side_readdir,
    .seekdir = wt_side_seekdir,
    .closedir = wt_side_closedir,
    .become = wt_side_become,
};
