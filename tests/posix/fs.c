/*
 * fs.c - the calls of a case: each does its operation on the side and writes its line.
 */
#include "tests/posix/fs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The kernel's coarse clock ticks every 1 to 10 ms. */
#define TICK_NS 12000000

static void put(struct fs *f, const char *format, va_list arguments)
{
    if (f->transcript_room - f->transcript_bytes < 16384) {
        f->transcript_room += 65536;
        f->transcript = realloc(f->transcript, f->transcript_room);
        if (!f->transcript)
            abort();
    }
    int length = vsnprintf(f->transcript + f->transcript_bytes,
                           f->transcript_room - f->transcript_bytes, format, arguments);
    f->transcript_bytes += (size_t)length;
}

static void __attribute__((format(printf, 2, 3))) add(struct fs *f, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put(f, format, arguments);
    va_end(arguments);
}

void fs_say(struct fs *f, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put(f, format, arguments);
    va_end(arguments);
    add(f, "\n");
}

static const char *word(int64_t error)
{
    const char *name = strerrorname_np((int)-error);
    return name ? name : "(no errno)";
}

/* The end of a line: an errno, or the number where it means something. */
static int64_t end(struct fs *f, int64_t result)
{
    if (result < 0)
        add(f, " = %s\n", word(result));
    else
        add(f, " = %lld\n", (long long)result);
    return result;
}

/* Bytes that do not print are written in hexadecimal, long names by their length. */
static const char *shown(const char *path)
{
    static char texts[4][128];
    static unsigned turn;
    char *text = texts[turn++ % 4];
    if (!path)
        return "(null)";
    size_t length = strlen(path), at = 0;
    for (size_t i = 0; i < length && i < 24; i++) {
        unsigned char c = (unsigned char)path[i];
        at += (size_t)sprintf(text + at, c > 32 && c < 127 ? "%c" : "\\x%02x", c);
    }
    if (length > 24)
        sprintf(text + at, "...(%zu)", length);
    else
        text[at] = 0;
    return length ? text : "\"\"";
}

static const char *place(int dir)
{
    static char texts[4][16];
    static unsigned turn;
    char *text = texts[turn++ % 4];
    if (dir == FS_HERE)
        return "";
    if (dir == FS_ROOT)
        return "root:";
    sprintf(text, "h%d:", dir);
    return text;
}

static const char *flag_words(int flags)
{
    static const struct {
        int bit;
        const char *word;
    } words[] = {
        {O_TMPFILE, "TMPFILE"},   {O_CREAT, "CREAT"},     {O_EXCL, "EXCL"},
        {O_TRUNC, "TRUNC"},       {O_APPEND, "APPEND"},   {O_DIRECTORY, "DIRECTORY"},
        {O_NOFOLLOW, "NOFOLLOW"}, {O_SYNC, "SYNC"},       {O_DSYNC, "DSYNC"},
        {O_DIRECT, "DIRECT"},     {O_PATH, "PATH"},       {O_NOATIME, "NOATIME"},
        {O_NONBLOCK, "NONBLOCK"}, {O_CLOEXEC, "CLOEXEC"}, {O_NOCTTY, "NOCTTY"},
    };
    static const char *access[] = {"RDONLY", "WRONLY", "RDWR", "ACCESS3"};
    static char text[256];
    size_t at = (size_t)sprintf(text, "%s", access[flags & O_ACCMODE]);
    flags &= ~O_ACCMODE;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if ((flags & words[i].bit) == words[i].bit) {
            at += (size_t)sprintf(text + at, "|%s", words[i].word);
            flags &= ~words[i].bit;
        }
    if (flags)
        sprintf(text + at, "|%#x", (unsigned)flags);
    return text;
}

static int own(struct fs *f, int handle)
{
    f->handle_session = f->session;
    if (handle < 0 || handle >= f->handle_count)
        return -1;
    f->handle_session = f->handles[handle].session;
    return f->handles[handle].handle;
}

static int own_dir(struct fs *f, int dir)
{
    if (dir == FS_HERE || dir == FS_ROOT)
        return dir;
    int handle = own(f, dir);
    /* One that is closed stays bad, and is not taken for FS_HERE. */
    return handle < 0 ? 999999 : handle;
}

int fs_openat(struct fs *f, int dir, const char *path, int flags, mode_t mode)
{
    add(f, "open %s%s %s %04o", place(dir), shown(path), flag_words(flags), (unsigned)mode);
    int handle = f->side->openat(f, own_dir(f, dir), path, flags, mode);
    if (handle < 0)
        return (int)end(f, handle);
    if (f->handle_count == FS_HANDLES_MAX)
        abort();
    f->handles[f->handle_count].handle = handle;
    f->handles[f->handle_count].session = f->session;
    add(f, " = h%d\n", f->handle_count);
    return f->handle_count++;
}

int fs_close(struct fs *f, int handle)
{
    int result = f->side->close(f, own(f, handle));
    if (handle >= 0 && handle < f->handle_count)
        f->handles[handle].handle = -1;
    add(f, "close h%d", handle);
    return (int)end(f, result);
}

/* Runs of one byte: `a*100 .*4096` (a dot is a zero byte). */
static void add_runs(struct fs *f, const unsigned char *bytes, size_t count)
{
    unsigned runs = 0;
    for (size_t i = 0; i < count && runs < 32; runs++) {
        size_t run = 1;
        while (i + run < count && bytes[i + run] == bytes[i])
            run++;
        if (bytes[i] == 0)
            add(f, " .*%zu", run);
        else if (bytes[i] > 32 && bytes[i] < 127)
            add(f, " %c*%zu", bytes[i], run);
        else
            add(f, " \\x%02x*%zu", bytes[i], run);
        i += run;
    }
    add(f, "\n");
}

ssize_t fs_pread(struct fs *f, int handle, size_t bytes, off_t offset)
{
    if (bytes > FS_BUFFER_BYTES)
        abort();
    memset(f->buffer, '#', bytes);
    ssize_t result = f->side->pread(f, own(f, handle), f->buffer, bytes, offset);
    add(f, "pread h%d %zu at %lld", handle, bytes, (long long)offset);
    if (result <= 0)
        return end(f, result);
    add(f, " = %zd:", result);
    add_runs(f, f->buffer, (size_t)result);
    return result;
}

ssize_t fs_pwrite(struct fs *f, int handle, char fill, size_t bytes, off_t offset)
{
    if (bytes > FS_BUFFER_BYTES)
        abort();
    memset(f->buffer, fill, bytes);
    add(f, "pwrite h%d %c*%zu at %lld", handle, fill, bytes, (long long)offset);
    return end(f, f->side->pwrite(f, own(f, handle), f->buffer, bytes, offset));
}

ssize_t fs_append(struct fs *f, int handle, char fill, size_t bytes)
{
    memset(f->buffer, fill, bytes);
    off_t where = -1;
    ssize_t result = f->side->append(f, own(f, handle), f->buffer, bytes, &where);
    add(f, "append h%d %c*%zu", handle, fill, bytes);
    if (result > 0)
        add(f, " at %lld", (long long)where);
    return end(f, result);
}

int fs_fsync(struct fs *f, int handle)
{
    add(f, "fsync h%d", handle);
    return (int)end(f, f->side->sync(f, own(f, handle), false));
}

int fs_fdatasync(struct fs *f, int handle)
{
    add(f, "fdatasync h%d", handle);
    return (int)end(f, f->side->sync(f, own(f, handle), true));
}

int fs_ftruncate(struct fs *f, int handle, off_t size)
{
    add(f, "ftruncate h%d %lld", handle, (long long)size);
    return (int)end(f, f->side->ftruncate(f, own(f, handle), size));
}

int fs_fallocate(struct fs *f, int handle, int mode, off_t offset, off_t bytes)
{
    add(f, "fallocate h%d mode %#x %lld at %lld", handle, (unsigned)mode, (long long)bytes,
        (long long)offset);
    return (int)end(f, f->side->fallocate(f, own(f, handle), mode, offset, bytes));
}

off_t fs_seek(struct fs *f, int handle, off_t offset, int whence)
{
    const char *name = whence == SEEK_DATA ? "data" : whence == SEEK_HOLE ? "hole" : "other";
    add(f, "seek h%d %s from %lld", handle, name, (long long)offset);
    return end(f, f->side->seek(f, own(f, handle), offset, whence));
}

int fs_mkdirat(struct fs *f, int dir, const char *path, mode_t mode)
{
    add(f, "mkdir %s%s %04o", place(dir), shown(path), (unsigned)mode);
    return (int)end(f, f->side->mkdirat(f, own_dir(f, dir), path, mode));
}

int fs_unlinkat(struct fs *f, int dir, const char *path, int flags)
{
    add(f, "%s %s%s", flags & AT_REMOVEDIR ? "rmdir" : "unlink", place(dir), shown(path));
    if (flags & ~AT_REMOVEDIR)
        add(f, " flags %#x", (unsigned)flags);
    return (int)end(f, f->side->unlinkat(f, own_dir(f, dir), path, flags));
}

int fs_renameat(struct fs *f, int from_dir, const char *from, int to_dir, const char *to,
                unsigned flags)
{
    add(f, "rename %s%s %s%s flags %#x", place(from_dir), shown(from), place(to_dir), shown(to),
        flags);
    return (int)end(
        f, f->side->renameat(f, own_dir(f, from_dir), from, own_dir(f, to_dir), to, flags));
}

int fs_linkat(struct fs *f, int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    add(f, "link %s%s %s%s flags %#x", place(from_dir), shown(from), place(to_dir), shown(to),
        (unsigned)flags);
    return (int)end(f,
                    f->side->linkat(f, own_dir(f, from_dir), from, own_dir(f, to_dir), to, flags));
}

int fs_link_handle(struct fs *f, int handle, int to_dir, const char *to)
{
    add(f, "link h%d %s%s", handle, place(to_dir), shown(to));
    return (int)end(f, f->side->link_handle(f, own(f, handle), own_dir(f, to_dir), to));
}

int fs_symlinkat(struct fs *f, const char *target, int dir, const char *path)
{
    add(f, "symlink %s %s%s", shown(target), place(dir), shown(path));
    return (int)end(f, f->side->symlinkat(f, target, own_dir(f, dir), path));
}

int fs_readlinkat(struct fs *f, int dir, const char *path, size_t capacity)
{
    char target[8192] = {0};
    ssize_t result = f->side->readlinkat(f, own_dir(f, dir), path, target, capacity);
    add(f, "readlink %s%s %zu", place(dir), shown(path), capacity);
    if (result <= 0)
        return (int)end(f, result);
    size_t skip = strlen(f->prefix);
    /* An absolute target without the case's own directory, which the sides have at different places. */
    if (strncmp(target, f->prefix, skip) != 0)
        skip = 0;
    add(f, " = %zd %s\n", result - (ssize_t)skip, shown(target + skip));
    return (int)result;
}

static const char *at_words(int flags)
{
    static char text[32];
    if (!flags)
        return "";
    sprintf(text, " flags %#x", (unsigned)flags);
    return text;
}

int fs_fchmodat(struct fs *f, int dir, const char *path, mode_t mode, int flags)
{
    add(f, "chmod %s%s %04o%s", place(dir), shown(path), (unsigned)mode, at_words(flags));
    return (int)end(f, f->side->fchmodat(f, own_dir(f, dir), path, mode, flags));
}

static const char *user_word(uid_t uid)
{
    for (unsigned i = 0; i < FS_USERS; i++)
        if (fs_identities[i].uid == uid)
            return fs_identities[i].name;
    return uid == (uid_t)-1 ? "-1" : "other";
}

static const char *group_word(gid_t gid)
{
    if (gid == FS_SHARED_GROUP)
        return "shared";
    for (unsigned i = 0; i < FS_USERS; i++)
        if (fs_identities[i].gid == gid)
            return fs_identities[i].name;
    return gid == (gid_t)-1 ? "-1" : "other";
}

int fs_fchownat(struct fs *f, int dir, const char *path, int uid, int gid, int flags)
{
    add(f, "chown %s%s %s:%s%s", place(dir), shown(path), user_word((uid_t)uid),
        group_word((gid_t)gid), at_words(flags));
    return (int)end(f, f->side->fchownat(f, own_dir(f, dir), path, (uid_t)uid, (gid_t)gid, flags));
}

static void add_time(struct fs *f, const struct timespec *time)
{
    if (time->tv_nsec == UTIME_NOW)
        add(f, " now");
    else if (time->tv_nsec == UTIME_OMIT)
        add(f, " omit");
    else
        add(f, " %lld.%09ld", (long long)time->tv_sec, time->tv_nsec);
}

static void add_times(struct fs *f, const struct timespec times[2])
{
    if (!times) {
        add(f, " NULL");
        return;
    }
    add_time(f, &times[0]);
    add_time(f, &times[1]);
}

int fs_utimensat(struct fs *f, int dir, const char *path, const struct timespec times[2], int flags)
{
    add(f, "utimens %s%s%s", place(dir), shown(path), at_words(flags));
    add_times(f, times);
    return (int)end(f, f->side->utimensat(f, own_dir(f, dir), path, times, flags));
}

int fs_fchmod(struct fs *f, int handle, mode_t mode)
{
    add(f, "fchmod h%d %04o", handle, (unsigned)mode);
    return (int)end(f, f->side->fchmod(f, own(f, handle), mode));
}

int fs_fchown(struct fs *f, int handle, int uid, int gid)
{
    add(f, "fchown h%d %s:%s", handle, user_word((uid_t)uid), group_word((gid_t)gid));
    return (int)end(f, f->side->fchown(f, own(f, handle), (uid_t)uid, (gid_t)gid));
}

int fs_futimens(struct fs *f, int handle, const struct timespec times[2])
{
    add(f, "futimens h%d", handle);
    add_times(f, times);
    return (int)end(f, f->side->futimens(f, own(f, handle), times));
}

static void add_stat(struct fs *f, const struct stat *st)
{
    const char *type = S_ISREG(st->st_mode)   ? "file"
                       : S_ISDIR(st->st_mode) ? "directory"
                       : S_ISLNK(st->st_mode) ? "symlink"
                                              : "other";
    add(f, ": %s %04o %s:%s links %lu", type, (unsigned)st->st_mode & 07777, user_word(st->st_uid),
        group_word(st->st_gid), (unsigned long)st->st_nlink);
    /* The length of a symlink to an absolute path depends on the side. */
    if (S_ISREG(st->st_mode))
        add(f, " size %lld", (long long)st->st_size);
    add(f, "\n");
}

int fs_fstatat(struct fs *f, int dir, const char *path, int flags)
{
    struct stat st;
    add(f, "stat %s%s%s", place(dir), shown(path), at_words(flags));
    int result = f->side->fstatat(f, own_dir(f, dir), path, &st, flags);
    if (result < 0)
        return (int)end(f, result);
    add_stat(f, &st);
    return 0;
}

int fs_fstat(struct fs *f, int handle)
{
    struct stat st;
    add(f, "stat h%d", handle);
    int result = f->side->fstat(f, own(f, handle), &st);
    if (result < 0)
        return (int)end(f, result);
    add_stat(f, &st);
    return 0;
}

static int look(struct fs *f, const char *path, struct stat *st)
{
    int result = f->side->fstatat(f, FS_HERE, path, st, AT_SYMLINK_NOFOLLOW);
    if (result < 0)
        *st = (struct stat){0};
    return result;
}

void fs_times(struct fs *f, const char *path)
{
    struct stat st;
    int result = look(f, path, &st);
    add(f, "times %s", shown(path));
    if (result < 0) {
        end(f, result);
        return;
    }
    add(f, " = %lld.%09ld %lld.%09ld\n", (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
        (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

void fs_blocks(struct fs *f, int handle)
{
    struct stat st;
    int result = f->side->fstat(f, own(f, handle), &st);
    add(f, "blocks h%d", handle);
    end(f, result < 0 ? result : st.st_blocks);
}

void fs_same(struct fs *f, const char *a, const char *b)
{
    struct stat first = {0}, second = {0};
    int result = look(f, a, &first);
    if (result == 0)
        result = look(f, b, &second);
    add(f, "same %s %s", shown(a), shown(b));
    end(f, result < 0 ? result : first.st_ino == second.st_ino && first.st_dev == second.st_dev);
}

void fs_mark(struct fs *f, unsigned mark, const char *path)
{
    if (look(f, path, &f->marks[mark]) < 0)
        add(f, "mark %s: not there\n", shown(path));
    nanosleep(&(struct timespec){.tv_nsec = TICK_NS}, NULL);
}

static const char *moved(const struct timespec *before, const struct timespec *after)
{
    if (before->tv_sec == after->tv_sec && before->tv_nsec == after->tv_nsec)
        return "same";
    bool later = after->tv_sec > before->tv_sec ||
                 (after->tv_sec == before->tv_sec && after->tv_nsec > before->tv_nsec);
    return later ? "later" : "EARLIER";
}

void fs_moved(struct fs *f, unsigned mark, const char *path)
{
    struct stat now;
    const struct stat *then = &f->marks[mark];
    int result = look(f, path, &now);
    add(f, "moved %s", shown(path));
    if (result < 0)
        end(f, result);
    else
        add(f, " atime %s mtime %s ctime %s\n", moved(&then->st_atim, &now.st_atim),
            moved(&then->st_mtim, &now.st_mtim), moved(&then->st_ctim, &now.st_ctim));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct fs_entry *)a)->name, ((const struct fs_entry *)b)->name);
}

int fs_entries(struct fs *f, int handle, const char *path)
{
    f->entry_count = 0;
    int result = f->side->opendir(f, path ? -1 : own(f, handle), path);
    if (result < 0)
        return result;
    while (f->entry_count < FS_ENTRIES_MAX) {
        result = f->side->readdir(f, &f->entries[f->entry_count]);
        if (result <= 0)
            break;
        f->entry_count++;
    }
    int closed = f->side->closedir(f);
    return result < 0 ? result : closed;
}

static int list(struct fs *f, int result)
{
    if (result < 0)
        return (int)end(f, result);
    qsort(f->entries, f->entry_count, sizeof(f->entries[0]), by_name);
    add(f, ":");
    for (unsigned i = 0; i < f->entry_count && i < 64; i++) {
        uint8_t type = f->entries[i].type;
        add(f, " %s%s", shown(f->entries[i].name),
            type == DT_DIR   ? "/"
            : type == DT_LNK ? "@"
            : type == DT_REG ? ""
                             : "?");
    }
    add(f, " (%u)\n", f->entry_count);
    return (int)f->entry_count;
}

int fs_list(struct fs *f, const char *path)
{
    add(f, "list %s", shown(path));
    return list(f, fs_entries(f, -1, path));
}

int fs_list_handle(struct fs *f, int handle)
{
    add(f, "list h%d", handle);
    return list(f, fs_entries(f, handle, NULL));
}

int fs_quiet_make(struct fs *f, const char *path)
{
    f->handle_session = f->session;
    int handle = f->side->openat(f, FS_HERE, path, O_CREAT | O_WRONLY | O_EXCL, 0644);
    return handle < 0 ? handle : f->side->close(f, handle);
}

void fs_become(struct fs *f, enum fs_user user)
{
    f->user = user;
    int result = f->side->become(f, user);
    add(f, "become %s", fs_identities[user].name);
    end(f, result);
}

void fs_umask(struct fs *f, mode_t mask)
{
    f->umask = mask;
    int result = f->side->become(f, f->user);
    add(f, "umask %04o", (unsigned)mask);
    end(f, result);
}

void fs_make(struct fs *f, const char *path, char fill, size_t bytes)
{
    f->handle_session = f->session;
    int handle = f->side->openat(f, FS_HERE, path, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    ssize_t done = handle;
    if (handle >= 0) {
        memset(f->buffer, fill, bytes);
        done = bytes ? f->side->pwrite(f, handle, f->buffer, bytes, 0) : 0;
        f->side->close(f, handle);
    }
    add(f, "make %s %c*%zu", shown(path), fill, bytes);
    end(f, done);
}

void fs_cat(struct fs *f, const char *path)
{
    f->handle_session = f->session;
    int handle = f->side->openat(f, FS_HERE, path, O_RDONLY, 0);
    add(f, "cat %s", shown(path));
    if (handle < 0) {
        end(f, handle);
        return;
    }
    ssize_t result = f->side->pread(f, handle, f->buffer, FS_BUFFER_BYTES, 0);
    f->side->close(f, handle);
    if (result <= 0) {
        end(f, result);
        return;
    }
    add(f, " = %zd:", result);
    add_runs(f, f->buffer, (size_t)result);
}
