/*
 * bad_input.c - what a program gets that asks for what cannot be, through libwt: a clear error, nothing lost,
 * and other sessions are served. WT_SOCKET names the server.
 *
 *   bad_input kinds           limits, ranges, flags, loops, wrong types, foreign files; with BAD_INPUT_LONG in the
 *                             environment also 65,000 subdirectories
 *   bad_input full-data       fills the volume with data, and frees it in every way there is
 *   bad_input full-names      fills it with names
 *   bad_input metadata-full   fills the server's memory for metadata
 */
#include <grp.h>
#include <linux/falloc.h>
#include <sys/statvfs.h>

#include "proto/limits.h"
#include "tests/integration/libwt_case.h"

#define MIB          (1u << 20)
#define BLOCK        4096u
#define NAMES_MAX    1000000u
#define KEPT_BYTES   (2u * MIB)
#define FREED_BYTES  (6u * MIB)
#define BEYOND_BYTES 2305843009213693952ll /* 2^61 */

static struct wt *session;   /* the one that misbehaves */
static struct wt *bystander; /* the one that must not notice */
static unsigned char buffer[MIB], seen[MIB];

/* ---- small tools ------------------------------------------------------------------------------ */

static void pattern(unsigned char *bytes, size_t count, unsigned stamp)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (unsigned char)(stamp * 131 + i + i / 251);
}

static int create(const char *path)
{
    return wt_open(session, path, O_CREAT | O_RDWR, 0644);
}

/* Writes `bytes` of a pattern; the first error, or 0. */
static int write_pattern(int handle, size_t bytes, unsigned stamp)
{
    for (size_t at = 0; at < bytes;) {
        size_t part = bytes - at < MIB ? bytes - at : MIB;
        pattern(buffer, part, stamp + (unsigned)(at / MIB));
        ssize_t wrote = wt_pwrite(session, handle, buffer, part, (off_t)at);
        if (wrote < 0)
            return (int)wrote;
        at += (size_t)wrote;
    }
    return 0;
}

static bool holds_pattern(const char *path, size_t bytes, unsigned stamp)
{
    int handle = wt_open(session, path, O_RDONLY, 0);
    bool same = handle >= 0;
    for (size_t at = 0; same && at < bytes; at += MIB) {
        size_t part = bytes - at < MIB ? bytes - at : MIB;
        pattern(buffer, part, stamp + (unsigned)(at / MIB));
        same = wt_pread(session, handle, seen, part, (off_t)at) == (ssize_t)part &&
               memcmp(buffer, seen, part) == 0;
    }
    if (handle >= 0)
        wt_close(session, handle);
    return same;
}

static int make_pattern(const char *path, size_t bytes, unsigned stamp)
{
    int handle = create(path);
    if (handle < 0)
        return handle;
    int error = write_pattern(handle, bytes, stamp);
    wt_close(session, handle);
    return error;
}

static int bystander_file;

/* The other session reads and writes its file in place; NULL, or what is wrong. */
static const char *bystander_is_served(void)
{
    static unsigned round;
    unsigned char wrote[512], read[512];
    pattern(wrote, sizeof(wrote), ++round);
    MUST(wt_pwrite(bystander, bystander_file, wrote, sizeof(wrote), 0) == sizeof(wrote));
    MUST(wt_pread(bystander, bystander_file, read, sizeof(read), 0) == sizeof(read));
    MUST(memcmp(wrote, read, sizeof(wrote)) == 0);
    return NULL;
}

/* ---- kinds: flags, ranges, limits --------------------------------------------------------------- */

static const char *names_too_long(void)
{
    char name[300], path[5000];
    memset(name, 'n', sizeof(name));
    name[0] = '/';
    name[257] = 0;
    MUST(create(name) == -ENAMETOOLONG);
    MUST(wt_mkdir(session, name, 0755) == -ENAMETOOLONG);
    MUST(wt_symlink(session, "x", name) == -ENAMETOOLONG);
    name[256] = 0;
    MUST(wt_mkdir(session, name, 0755) == 0);
    MUST(wt_rmdir(session, name) == 0);
    memset(path, '/', sizeof(path));
    path[4096] = 0;
    struct stat st;
    MUST(wt_stat(session, path, &st) == -ENAMETOOLONG);
    path[4095] = 0;
    MUST(wt_stat(session, path, &st) == 0);
    memset(path, 't', sizeof(path));
    path[4096] = 0;
    MUST(wt_symlink(session, path, "/long target") == -ENAMETOOLONG);
    return NULL;
}

static const char *offsets_overflow(void)
{
    static const off_t outside[] = {INT64_MAX,
                                    INT64_MAX - 1,
                                    INT64_MAX - 4096,
                                    BEYOND_BYTES,
                                    (off_t)WT_FILE_BYTES_MAX,
                                    (off_t)WT_FILE_BYTES_MAX - 1};
    static const int modes[] = {0, 1, 3, 0x10, 0x11};
    struct stat st;
    int handle = create("/ranges");
    MUST(handle >= 0 && wt_pwrite(session, handle, "here", 4, 0) == 4);
    for (unsigned i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        ssize_t read = wt_pread(session, handle, seen, 2, outside[i]);
        MUST(read == 0 || read == -EINVAL);
        MUST(wt_pwrite(session, handle, "x", 2, outside[i]) == -EFBIG ||
             wt_pwrite(session, handle, "x", 2, outside[i]) == -EINVAL);
        MUST(outside[i] <= (off_t)WT_FILE_BYTES_MAX ||
             wt_ftruncate(session, handle, outside[i]) == -EFBIG);
        MUST(wt_seek(session, handle, outside[i], SEEK_DATA) == -ENXIO);
        MUST(wt_seek(session, handle, outside[i], SEEK_HOLE) == -ENXIO);
        for (unsigned mode = 0; mode < sizeof(modes) / sizeof(modes[0]); mode++) {
            int result = wt_fallocate(session, handle, modes[mode], outside[i], 2);
            MUST(result == -EFBIG);
            result = wt_fallocate(session, handle, modes[mode], 2, outside[i]);
            MUST(result == -EFBIG || outside[i] < (off_t)WT_FILE_BYTES_MAX);
        }
    }
    MUST(wt_fstat(session, handle, &st) == 0 && st.st_size == 4);
    MUST(wt_pread(session, handle, seen, 10, 0) == 4 && memcmp(seen, "here", 4) == 0);
    /* The largest file there is. */
    MUST(wt_ftruncate(session, handle, (off_t)WT_FILE_BYTES_MAX) == 0);
    MUST(wt_append(session, handle, "x", 1, 0, NULL) == -EFBIG);
    MUST(wt_pwrite(session, handle, "x", 1, (off_t)WT_FILE_BYTES_MAX - 1) == 1);
    MUST(wt_fstat(session, handle, &st) == 0 && st.st_size == (off_t)WT_FILE_BYTES_MAX);
    MUST(wt_seek(session, handle, BLOCK, SEEK_DATA) == (off_t)WT_FILE_BYTES_MAX - BLOCK);
    MUST(wt_ftruncate(session, handle, 0) == 0 && wt_close(session, handle) == 0);
    return wt_unlink(session, "/ranges") == 0 ? NULL : "unlink";
}

static const char *unknown_flags(void)
{
    int handle = create("/flags");
    struct iovec iov = {.iov_base = buffer, .iov_len = 1};
    MUST(handle >= 0);
    for (int bit = 0; bit < 31; bit++) {
        int flag = 1 << bit;
        bool for_write = flag == WT_BEHIND || flag == WT_THROUGH || flag == WT_STABLE ||
                         flag == WT_APPEND || flag == WT_DIRECT || flag == WT_ATOMIC;
        bool is_level = flag == WT_BEHIND || flag == WT_THROUGH || flag == WT_STABLE;
        if (!for_write)
            MUST(wt_pwritev2(session, handle, &iov, 1, 0, flag) == -EINVAL);
        if (flag != WT_DIRECT)
            MUST(wt_preadv2(session, handle, &iov, 1, 0, flag) == -EINVAL);
        if (flag > 4 && !is_level)
            MUST(wt_rename(session, "/flags", "/flags2", (unsigned)flag) == -EINVAL);
        if (bit >= 24)
            MUST(wt_open(session, "/flags", flag, 0) == -EINVAL);
        if (flag != WT_DATASYNC)
            MUST(wt_prep_fsync(session, handle, flag, 0) == -EINVAL);
    }
    MUST(wt_pwritev2(session, handle, &iov, 1, 0, WT_ATOMIC) == -EOPNOTSUPP);
    MUST(wt_pwritev2(session, handle, &iov, 1, 0, WT_BEHIND | WT_STABLE) == -EINVAL);
    MUST(wt_rename(session, "/flags", "/x", WT_BEHIND | WT_THROUGH) == -EINVAL);
    MUST(wt_seek(session, handle, 0, SEEK_SET) == -EINVAL);
    MUST(wt_fallocate(session, handle, FALLOC_FL_COLLAPSE_RANGE, 0, BLOCK) == -EOPNOTSUPP);
    MUST(wt_open(session, "/flags", O_PATH, 0) == -EOPNOTSUPP);
    struct stat st;
    MUST(wt_fstat(session, handle, &st) == 0 && st.st_size == 0);
    MUST(wt_close(session, handle) == 0);
    return NULL;
}

static const char *loops_of_links(void)
{
    struct stat st;
    struct wt_dir *dir;
    MUST(wt_symlink(session, "loop2", "/loop1") == 0);
    MUST(wt_symlink(session, "loop1", "/loop2") == 0);
    MUST(wt_stat(session, "/loop1", &st) == -ELOOP);
    MUST(create("/loop1") == -ELOOP);
    MUST(wt_mkdir(session, "/loop1/x", 0755) == -ELOOP);
    MUST(wt_rename(session, "/loop1/x", "/y", 0) == -ELOOP);
    MUST(wt_chmod(session, "/loop2", 0644) == -ELOOP);
    MUST(wt_opendir(session, "/loop2", &dir) == -ELOOP);
    MUST(wt_lstat(session, "/loop1", &st) == 0 && S_ISLNK(st.st_mode));
    return NULL;
}

static const char *wrong_types(void)
{
    struct wt_dir *dir;
    MUST(wt_mkdir(session, "/directory", 0755) == 0);
    int file = create("/plain");
    int directory = wt_open(session, "/directory", O_RDONLY, 0);
    MUST(file >= 0 && directory >= 0);
    MUST(wt_pread(session, directory, seen, 1, 0) == -EISDIR);
    MUST(wt_pwrite(session, directory, "x", 1, 0) == -EBADF);
    MUST(wt_append(session, directory, "x", 1, 0, NULL) == -EBADF);
    MUST(wt_ftruncate(session, directory, 0) == -EINVAL);
    MUST(wt_fallocate(session, directory, 0, 0, 1) == -EBADF);
    MUST(wt_open(session, "/directory", O_RDWR, 0) == -EISDIR);
    MUST(wt_open(session, "/plain", O_RDONLY | O_DIRECTORY, 0) == -ENOTDIR);
    MUST(wt_opendir(session, "/plain", &dir) == -ENOTDIR);
    MUST(wt_fdopendir(session, file, &dir) == -ENOTDIR);
    MUST(wt_openat(session, file, "x", O_RDONLY, 0) == -ENOTDIR);
    MUST(wt_rmdir(session, "/plain") == -ENOTDIR);
    MUST(wt_unlink(session, "/directory") == -EISDIR);
    MUST(wt_rename(session, "/plain", "/directory", 0) == -EISDIR);
    MUST(wt_rename(session, "/directory", "/plain", 0) == -ENOTDIR);
    MUST(wt_rename(session, "/directory", "/directory/below", 0) == -EINVAL);
    MUST(wt_link(session, "/directory", "/other") == -EPERM);
    MUST(wt_readlink(session, "/plain", (char *)seen, 10) == -EINVAL);
    MUST(wt_close(session, file) == 0 && wt_close(session, directory) == 0);
    return NULL;
}

static const char *handles_that_are_none(void)
{
    static const int handles[] = {-1, -100, 1 << 20, INT32_MAX, INT32_MIN, 12345};
    struct stat st;
    struct wt_dir *dir;
    for (unsigned i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        int h = handles[i];
        MUST(wt_pread(session, h, seen, 1, 0) == -EBADF);
        MUST(wt_pwrite(session, h, "x", 1, 0) == -EBADF);
        MUST(wt_append(session, h, "x", 1, 0, NULL) == -EBADF);
        MUST(wt_fsync(session, h) == -EBADF && wt_fdatasync(session, h) == -EBADF);
        MUST(wt_ftruncate(session, h, 0) == -EBADF);
        MUST(wt_fallocate(session, h, 0, 0, 1) == -EBADF);
        MUST(wt_seek(session, h, 0, SEEK_DATA) == -EBADF);
        MUST(wt_fstat(session, h, &st) == -EBADF);
        MUST(wt_fchmod(session, h, 0644) == -EBADF);
        MUST(wt_fdopendir(session, h, &dir) == -EBADF);
        MUST(h == WT_AT_ROOT || wt_openat(session, h, "x", O_RDONLY, 0) == -EBADF);
        MUST(wt_prep_read(session, h, seen, 1, 0, 0, 0) == -EBADF);
        MUST(wt_prep_write(session, h, seen, 1, 0, 0, 0) == -EBADF);
        MUST(wt_prep_fsync(session, h, 0, 0) == -EBADF);
        MUST(wt_close(session, h) == -EBADF);
    }
    return NULL;
}

/* A session as another user, or NULL where we cannot play one. */
static struct wt *session_as(uid_t uid)
{
    struct wt *other = NULL;
    if (geteuid() != 0 || setgroups(0, NULL) < 0 || setegid(uid) < 0 || seteuid(uid) < 0)
        return NULL;
    if (wt_connect(NULL, NULL, &other) < 0)
        other = NULL;
    if (seteuid(0) < 0 || setegid(0) < 0)
        abort();
    return other;
}

static const char *foreign_files(void)
{
    struct stat st;
    struct wt_dir *dir;
    MUST(wt_mkdir(session, "/private", 0700) == 0);
    MUST(make_pattern("/private/file", 100, 1) == 0 && make_pattern("/mine", 100, 2) == 0);
    MUST(wt_chmod(session, "/mine", 0600) == 0);
    struct wt *eve = session_as(61003);
    MUST(eve != NULL);
    MUST(wt_stat(eve, "/private/file", &st) == -EACCES);
    MUST(wt_opendir(eve, "/private", &dir) == -EACCES);
    MUST(wt_open(eve, "/private/file", O_RDONLY, 0) == -EACCES);
    MUST(wt_open(eve, "/mine", O_RDONLY, 0) == -EACCES);
    MUST(wt_open(eve, "/mine", O_WRONLY | O_TRUNC, 0) == -EACCES);
    MUST(wt_unlink(eve, "/mine") == -EACCES);
    MUST(wt_rename(eve, "/mine", "/eves", 0) == -EACCES);
    MUST(wt_chmod(eve, "/mine", 0777) == -EPERM);
    MUST(wt_chown(eve, "/mine", 61003, 61003) == -EPERM);
    MUST(wt_utimens(eve, "/mine", NULL) == -EACCES);
    MUST(wt_mkdir(eve, "/eves", 0755) == -EACCES);
    wt_disconnect(eve);
    MUST(holds_pattern("/mine", 100, 2) && holds_pattern("/private/file", 100, 1));
    return NULL;
}

static const char *too_many_links(void)
{
    char name[32];
    struct stat st;
    MUST(wt_mkdir(session, "/links", 0755) == 0 && make_pattern("/links/file", 10, 3) == 0);
    for (unsigned i = 1; i < WT_LINKS_MAX; i++) {
        snprintf(name, sizeof(name), "/links/%u", i);
        MUST(wt_link(session, "/links/file", name) == 0);
    }
    MUST(wt_link(session, "/links/file", "/links/one more") == -EMLINK);
    MUST(wt_stat(session, "/links/file", &st) == 0 && st.st_nlink == WT_LINKS_MAX);
    MUST(wt_stat(session, "/links/one more", &st) == -ENOENT);
    MUST(wt_unlink(session, "/links/7") == 0);
    MUST(wt_link(session, "/links/file", "/links/one more") == 0);
    MUST(holds_pattern("/links/one more", 10, 3));
    return NULL;
}

static const char *too_many_subdirectories(void)
{
    char name[32];
    struct stat st;
    unsigned made = 0;
    int result = wt_mkdir(session, "/many", 0755);
    MUST(result == 0);
    while (result == 0 && made <= WT_LINKS_MAX) {
        snprintf(name, sizeof(name), "/many/%u", made);
        result = wt_mkdir(session, name, 0755);
        made += result == 0;
    }
    /* "." and the parent's name are links of the directory too. */
    MUST(result == -EMLINK && made == WT_LINKS_MAX - 2);
    MUST(wt_stat(session, "/many", &st) == 0 && st.st_nlink == WT_LINKS_MAX);
    MUST(wt_mkdir(session, "/outside", 0755) == 0);
    MUST(wt_rename(session, "/outside", "/many/outside", 0) == -EMLINK);
    MUST(wt_rmdir(session, "/many/3") == 0);
    MUST(wt_rename(session, "/outside", "/many/outside", 0) == 0);
    return NULL;
}

/* ---- a full volume --------------------------------------------------------------------------------- */

static uint64_t free_bytes(void)
{
    struct statvfs vfs = {0};
    wt_statvfs(session, &vfs);
    return (uint64_t)vfs.f_bavail * vfs.f_frsize;
}

/* Appends to a file until there is no space, in ever smaller pieces; what it holds, or an error that is not
 * -ENOSPC. */
static int64_t fill(const char *path)
{
    struct stat st;
    int handle = wt_open(session, path, O_CREAT | O_RDWR | O_APPEND, 0644);
    if (handle < 0)
        return handle;
    for (size_t piece = MIB; piece >= BLOCK;) {
        pattern(buffer, piece, 77);
        ssize_t wrote = wt_pwrite(session, handle, buffer, piece, 0);
        if (wrote < 0 && wrote != -ENOSPC)
            return wrote;
        if (wrote < 0)
            piece /= 4;
    }
    int error = wt_fstat(session, handle, &st);
    wt_close(session, handle);
    return error < 0 ? error : st.st_size;
}

static const char *volume_is_filled(void)
{
    static const char *freed[] = {"/unlinked", "/truncated", "/punched", "/replaced", "/emptied"};
    MUST(make_pattern("/kept", KEPT_BYTES, 10) == 0);
    MUST(make_pattern("/overwritten", KEPT_BYTES, 20) == 0);
    MUST(make_pattern("/small", 100, 30) == 0);
    MUST(wt_mkdir(session, "/directory", 0755) == 0);
    for (unsigned i = 0; i < sizeof(freed) / sizeof(freed[0]); i++)
        MUST(make_pattern(freed[i], FREED_BYTES, 40 + i) == 0);
    int64_t filled = fill("/fill");
    MUST(filled > 0);
    MUST(free_bytes() < BLOCK * 64);
    int handle = create("/new");
    /* A name may still find room; its data does not. */
    MUST(handle >= 0 || handle == -ENOSPC);
    if (handle >= 0) {
        MUST(wt_pwrite(session, handle, buffer, MIB, 0) == -ENOSPC);
        MUST(wt_fallocate(session, handle, 0, 0, MIB) == -ENOSPC);
        MUST(wt_close(session, handle) == 0);
    }
    return NULL;
}

static const char *overwrite_in_place(void)
{
    int handle = wt_open(session, "/overwritten", O_RDWR, 0);
    MUST(handle >= 0);
    MUST(write_pattern(handle, KEPT_BYTES, 21) == 0);
    MUST(wt_fsync(session, handle) == 0 && wt_close(session, handle) == 0);
    MUST(holds_pattern("/overwritten", KEPT_BYTES, 21));
    return NULL;
}

static const char *attributes_still_change(void)
{
    struct stat st;
    MUST(wt_chmod(session, "/kept", 0600) == 0);
    MUST(wt_stat(session, "/kept", &st) == 0 && (st.st_mode & 07777) == 0600);
    MUST(wt_utimens(session, "/kept", NULL) == 0);
    MUST(wt_syncfs(session) == 0);
    return NULL;
}

/* What was freed can be written again, and nothing is lost. */
static const char *there_is_room_again(const char *into, unsigned stamp)
{
    MUST(make_pattern(into, FREED_BYTES - MIB, stamp) == 0);
    MUST(holds_pattern(into, FREED_BYTES - MIB, stamp));
    MUST(fill("/fill") > 0);
    MUST(holds_pattern("/kept", KEPT_BYTES, 10));
    return NULL;
}

static const char *unlink_frees(void)
{
    MUST(wt_unlink(session, "/unlinked") == 0);
    return there_is_room_again("/after unlink", 50);
}

static const char *truncate_frees(void)
{
    int handle = wt_open(session, "/truncated", O_RDWR, 0);
    MUST(handle >= 0 && wt_ftruncate(session, handle, 0) == 0 && wt_close(session, handle) == 0);
    return there_is_room_again("/after truncate", 60);
}

static const char *punch_frees(void)
{
    struct stat st;
    int handle = wt_open(session, "/punched", O_RDWR, 0);
    MUST(handle >= 0);
    MUST(wt_fallocate(session, handle, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                      FREED_BYTES) == 0);
    MUST(wt_fstat(session, handle, &st) == 0 && st.st_size == FREED_BYTES && st.st_blocks == 0);
    MUST(wt_close(session, handle) == 0);
    return there_is_room_again("/after punch", 70);
}

static const char *open_with_trunc_frees(void)
{
    int handle = wt_open(session, "/emptied", O_RDWR | O_TRUNC, 0);
    MUST(handle >= 0 && wt_close(session, handle) == 0);
    return there_is_room_again("/after O_TRUNC", 80);
}

static const char *rename_over_frees(void)
{
    MUST(wt_rename(session, "/small", "/replaced", 0) == 0);
    MUST(holds_pattern("/replaced", 100, 30));
    return there_is_room_again("/after rename", 90);
}

static const char *rmdir_works(void)
{
    struct stat st;
    MUST(wt_rmdir(session, "/directory") == 0);
    MUST(wt_stat(session, "/directory", &st) == -ENOENT);
    return NULL;
}

static const char *everything_can_be_removed(void)
{
    static const char *all[] = {"/fill",        "/after unlink",  "/after truncate",
                                "/after punch", "/after O_TRUNC", "/after rename",
                                "/truncated",   "/punched",       "/emptied"};
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        MUST(wt_unlink(session, all[i]) == 0);
    MUST(holds_pattern("/kept", KEPT_BYTES, 10));
    MUST(holds_pattern("/overwritten", KEPT_BYTES, 21));
    /* Five files of that size and more were there at once: so much is free again. */
    MUST(make_pattern("/again", 5 * FREED_BYTES, 100) == 0);
    MUST(holds_pattern("/again", 5 * FREED_BYTES, 100));
    return NULL;
}

/* ---- full of names ----------------------------------------------------------------------------------- */

/* Long names, so that there need not be many; -ENOSPC ends it. */
static char *name_at(unsigned i)
{
    static char name[300];
    int length = snprintf(name, sizeof(name), "/names/%u-", i);
    memset(name + length, 'n', 262 - (size_t)length);
    name[262] = 0;
    return name;
}

static unsigned names_made;

static const char *fill_names(void)
{
    int result = 0;
    MUST(make_pattern("/kept", KEPT_BYTES, 10) == 0);
    MUST(make_pattern("/overwritten", KEPT_BYTES, 20) == 0);
    MUST(wt_mkdir(session, "/names", 0755) == 0 && wt_mkdir(session, "/directory", 0755) == 0);
    for (names_made = 0; result == 0 && names_made < NAMES_MAX; names_made += result == 0) {
        result = create(name_at(names_made));
        if (result >= 0)
            result = wt_close(session, result);
    }
    fprintf(stderr, "%u names, then %s\n", names_made, strerrorname_np(-result));
    MUST(result == -ENOSPC);
    MUST(names_made > 100);
    return NULL;
}

static const char *refused_names_are_not_there(void)
{
    struct stat st;
    MUST(wt_stat(session, name_at(names_made), &st) == -ENOENT);
    for (unsigned i = 0; i < names_made; i += 97)
        MUST(wt_stat(session, name_at(i), &st) == 0);
    MUST(holds_pattern("/kept", KEPT_BYTES, 10));
    return NULL;
}

static const char *removing_names_works(void)
{
    MUST(wt_rmdir(session, "/directory") == 0);
    for (unsigned i = 0; i < names_made; i += 2)
        MUST(wt_unlink(session, name_at(i)) == 0);
    MUST(wt_syncfs(session) == 0);
    return NULL;
}

static const char *names_can_be_made_again(void)
{
    unsigned made = 0;
    for (unsigned i = 0; i < names_made && made < names_made / 4; i += 2) {
        int handle = create(name_at(i));
        MUST(handle >= 0 && wt_close(session, handle) == 0);
        made++;
    }
    MUST(wt_mkdir(session, "/directory", 0755) == 0);
    MUST(holds_pattern("/kept", KEPT_BYTES, 10));
    return NULL;
}

/* ---- all of them ------------------------------------------------------------------------------------ */

static const struct libwt_case kinds[] = {
    {"bad/name-or-path-too-long", names_too_long},
    {"bad/offset-overflow", offsets_overflow},
    {"bad/unknown-flags", unknown_flags},
    {"bad/loops-of-links", loops_of_links},
    {"bad/wrong-type", wrong_types},
    {"bad/handles-that-are-none", handles_that_are_none},
    {"bad/second-users-files", foreign_files},
    {"bad/too-many-links", too_many_links},
    {"bad/too-many-subdirectories", too_many_subdirectories},
};
static const struct libwt_case full_data[] = {
    {"full-data/is-told", volume_is_filled},
    {"full-data/overwrite-in-place", overwrite_in_place},
    {"full-data/attributes-and-syncs", attributes_still_change},
    {"full-data/unlink-frees", unlink_frees},
    {"full-data/truncate-frees", truncate_frees},
    {"full-data/punch-frees", punch_frees},
    {"full-data/open-with-trunc-frees", open_with_trunc_frees},
    {"full-data/rename-over-frees", rename_over_frees},
    {"full-data/rmdir-works", rmdir_works},
    {"full-data/everything-can-be-removed", everything_can_be_removed},
};
static const struct libwt_case full_names[] = {
    {"full-names/is-told", fill_names},
    {"full-names/nothing-half-made", refused_names_are_not_there},
    {"full-names/overwrite-in-place", overwrite_in_place},
    {"full-names/removing-works", removing_names_works},
    {"full-names/there-is-room-again", names_can_be_made_again},
};
static const struct libwt_case metadata_full[] = {
    {"metadata-full/is-told", fill_names},
    {"metadata-full/nothing-half-made", refused_names_are_not_there},
    {"metadata-full/overwrite-in-place", overwrite_in_place},
    {"metadata-full/removing-works", removing_names_works},
    {"metadata-full/there-is-room-again", names_can_be_made_again},
};

#define COUNT(of) (sizeof(of) / sizeof((of)[0]))

static int run(const struct libwt_case *cases, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        if (cases[i].run == foreign_files && geteuid() != 0) {
            printf("skip %s - it plays another user and needs root\n", cases[i].name);
            continue;
        }
        if (cases[i].run == too_many_subdirectories && !getenv("BAD_INPUT_LONG"))
            continue;
        const char *reason = cases[i].run();
        if (!reason)
            reason = bystander_is_served();
        printf(reason ? "not ok %s - %s\n" : "ok %s\n", cases[i].name, reason);
        fflush(stdout);
        failed |= reason != NULL;
    }
    return failed;
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";
    struct wt_options options = WT_OPTIONS_INIT;
    /* Names by the ten thousand: what is tried is their number, not how they survive. */
    options.name_level = WT_BEHIND;
    bystander = session_new();
    if (!bystander || wt_connect(NULL, &options, &session) < 0) {
        printf("not ok %s/connect - %s\n", what, wt_connect_error());
        return 1;
    }
    bystander_file = wt_open(bystander, "/bystander", O_CREAT | O_RDWR, 0644);
    if (bystander_file < 0 || bystander_is_served()) {
        printf("not ok %s/bystander - no file\n", what);
        return 1;
    }
    int failed = 2;
    if (strcmp(what, "kinds") == 0)
        failed = run(kinds, COUNT(kinds));
    else if (strcmp(what, "full-data") == 0)
        failed = run(full_data, COUNT(full_data));
    else if (strcmp(what, "full-names") == 0)
        failed = run(full_names, COUNT(full_names));
    else if (strcmp(what, "metadata-full") == 0)
        failed = run(metadata_full, COUNT(metadata_full));
    wt_disconnect(session);
    wt_disconnect(bystander);
    return failed;
}
