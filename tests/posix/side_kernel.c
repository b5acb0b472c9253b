/*
 * side_kernel.c - the kernel's file system, by its calls. The process stands in the case's directory.
 */
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/posix/fs.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

#define CHECKED(call)                          \
    do {                                       \
        __typeof__(call) result_ = (call);     \
        return result_ < 0 ? -errno : result_; \
    } while (0)

/* An absolute path with the case's directory before it; four at a time. */
static const char *full(struct fs *f, int dir, const char *path)
{
    static char texts[4][8192];
    static unsigned turn;
    if (!path || path[0] != '/' || dir == FS_ROOT)
        return path;
    char *text = texts[turn++ % 4];
    snprintf(text, sizeof(texts[0]), "%s%s", f->prefix, path);
    return text;
}

static int at(int dir)
{
    return dir == FS_HERE || dir == FS_ROOT ? AT_FDCWD : dir;
}

static int kernel_openat(struct fs *f, int dir, const char *path, int flags, mode_t mode)
{
    CHECKED(openat(at(dir), full(f, dir, path), flags, mode));
}

static int kernel_close(struct fs *f, int handle)
{
    (void)f;
    CHECKED(close(handle));
}

static ssize_t kernel_pread(struct fs *f, int handle, void *bytes, size_t count, off_t offset)
{
    (void)f;
    CHECKED(pread(handle, bytes, count, offset));
}

static ssize_t kernel_pwrite(struct fs *f, int handle, const void *bytes, size_t count,
                             off_t offset)
{
    (void)f;
    CHECKED(pwrite(handle, bytes, count, offset));
}

/* RWF_APPEND, and nobody else writes: it went where the size says. */
static ssize_t kernel_append(struct fs *f, int handle, const void *bytes, size_t count,
                             off_t *where)
{
    (void)f;
    struct stat st;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = count};
    ssize_t result = pwritev2(handle, &iov, 1, 0, RWF_APPEND);
    if (result < 0)
        return -errno;
    if (fstat(handle, &st) == 0)
        *where = st.st_size - result;
    return result;
}

static int kernel_sync(struct fs *f, int handle, bool data_only)
{
    (void)f;
    CHECKED(data_only ? fdatasync(handle) : fsync(handle));
}

static int kernel_ftruncate(struct fs *f, int handle, off_t size)
{
    (void)f;
    CHECKED(ftruncate(handle, size));
}

static int kernel_fallocate(struct fs *f, int handle, int mode, off_t offset, off_t bytes)
{
    (void)f;
    CHECKED(fallocate(handle, mode, offset, bytes));
}

static off_t kernel_seek(struct fs *f, int handle, off_t offset, int whence)
{
    (void)f;
    CHECKED(lseek(handle, offset, whence));
}

static int kernel_fstat(struct fs *f, int handle, struct stat *st)
{
    (void)f;
    CHECKED(fstat(handle, st));
}

static int kernel_fstatat(struct fs *f, int dir, const char *path, struct stat *st, int flags)
{
    CHECKED(fstatat(at(dir), full(f, dir, path), st, flags));
}

static int kernel_statvfs(struct fs *f, struct statvfs *vfs)
{
    (void)f;
    CHECKED(statvfs(".", vfs));
}

static int kernel_mkdirat(struct fs *f, int dir, const char *path, mode_t mode)
{
    CHECKED(mkdirat(at(dir), full(f, dir, path), mode));
}

static int kernel_unlinkat(struct fs *f, int dir, const char *path, int flags)
{
    CHECKED(unlinkat(at(dir), full(f, dir, path), flags));
}

static int kernel_renameat(struct fs *f, int from_dir, const char *from, int to_dir, const char *to,
                           unsigned flags)
{
    CHECKED((int)syscall(SYS_renameat2, at(from_dir), full(f, from_dir, from), at(to_dir),
                         full(f, to_dir, to), flags));
}

static int kernel_linkat(struct fs *f, int from_dir, const char *from, int to_dir, const char *to,
                         int flags)
{
    CHECKED(linkat(at(from_dir), full(f, from_dir, from), at(to_dir), full(f, to_dir, to), flags));
}

/* AT_EMPTY_PATH needs a privilege here and none at wt; this way needs none. */
static int kernel_link_handle(struct fs *f, int handle, int to_dir, const char *to)
{
    char name[64];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", handle);
    CHECKED(linkat(AT_FDCWD, name, at(to_dir), full(f, to_dir, to), AT_SYMLINK_FOLLOW));
}

static int kernel_symlinkat(struct fs *f, const char *target, int dir, const char *path)
{
    CHECKED(symlinkat(full(f, dir, target), at(dir), full(f, dir, path)));
}

static ssize_t kernel_readlinkat(struct fs *f, int dir, const char *path, char *target,
                                 size_t capacity)
{
    CHECKED(readlinkat(at(dir), full(f, dir, path), target, capacity));
}

/* The system call, where there is one: glibc plays it by way of /proc and refuses more. */
static int kernel_fchmodat(struct fs *f, int dir, const char *path, mode_t mode, int flags)
{
    const char *where = full(f, dir, path);
    int result = flags ? (int)syscall(SYS_fchmodat2, at(dir), where, mode, flags) : -1;
    if (!flags || (result < 0 && errno == ENOSYS))
        result = fchmodat(at(dir), where, mode, flags);
    return result < 0 ? -errno : 0;
}

static int kernel_fchownat(struct fs *f, int dir, const char *path, uid_t uid, gid_t gid, int flags)
{
    CHECKED(fchownat(at(dir), full(f, dir, path), uid, gid, flags));
}

static int kernel_utimensat(struct fs *f, int dir, const char *path, const struct timespec times[2],
                            int flags)
{
    CHECKED((int)syscall(SYS_utimensat, at(dir), full(f, dir, path), times, flags));
}

static int kernel_fchmod(struct fs *f, int handle, mode_t mode)
{
    (void)f;
    CHECKED(fchmod(handle, mode));
}

static int kernel_fchown(struct fs *f, int handle, uid_t uid, gid_t gid)
{
    (void)f;
    CHECKED(fchown(handle, uid, gid));
}

static int kernel_futimens(struct fs *f, int handle, const struct timespec times[2])
{
    (void)f;
    CHECKED(futimens(handle, times));
}

static int kernel_opendir(struct fs *f, int handle, const char *path)
{
    int fd = path ? openat(AT_FDCWD, full(f, FS_HERE, path), O_RDONLY | O_DIRECTORY) : dup(handle);
    if (fd < 0)
        return -errno;
    f->dir = fdopendir(fd);
    if (!f->dir) {
        int error = errno;
        close(fd);
        return -error;
    }
    /* A copy of a descriptor shares its place in the directory. */
    rewinddir(f->dir);
    return 0;
}

static int kernel_readdir(struct fs *f, struct fs_entry *entry)
{
    for (;;) {
        errno = 0;
        struct dirent *next = readdir(f->dir);
        if (!next)
            return -errno;
        if (strcmp(next->d_name, ".") == 0 || strcmp(next->d_name, "..") == 0)
            continue;
        snprintf(entry->name, sizeof(entry->name), "%s", next->d_name);
        entry->type = next->d_type;
        entry->ino = next->d_ino;
        entry->cookie = (uint64_t)telldir(f->dir);
        return 1;
    }
}

static void kernel_seekdir(struct fs *f, uint64_t cookie)
{
    if (cookie)
        seekdir(f->dir, (long)cookie);
    else
        rewinddir(f->dir);
}

static int kernel_closedir(struct fs *f)
{
    CHECKED(closedir(f->dir));
}

static int kernel_become(struct fs *f, enum fs_user user)
{
    umask(f->umask);
    return fs_identity_take(user);
}

const struct fs_side fs_kernel = {
    .name = "ext4",
    .openat = kernel_openat,
    .close = kernel_close,
    .pread = kernel_pread,
    .pwrite = kernel_pwrite,
    .append = kernel_append,
    .sync = kernel_sync,
    .ftruncate = kernel_ftruncate,
    .fallocate = kernel_fallocate,
    .seek = kernel_seek,
    .fstat = kernel_fstat,
    .fstatat = kernel_fstatat,
    .statvfs = kernel_statvfs,
    .mkdirat = kernel_mkdirat,
    .unlinkat = kernel_unlinkat,
    .renameat = kernel_renameat,
    .linkat = kernel_linkat,
    .link_handle = kernel_link_handle,
    .symlinkat = kernel_symlinkat,
    .readlinkat = kernel_readlinkat,
    .fchmodat = kernel_fchmodat,
    .fchownat = kernel_fchownat,
    .utimensat = kernel_utimensat,
    .fchmod = kernel_fchmod,
    .fchown = kernel_fchown,
    .futimens = kernel_futimens,
    .opendir = kernel_opendir,
    .readdir = kernel_readdir,
    .seekdir = kernel_seekdir,
    .closedir = kernel_closedir,
    .become = kernel_become,
};
