/* side.c - see side.h. */
#include "client/cli/side.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- the local file system ---- */

static int result_of(int returned)
{
    return returned < 0 ? -errno : returned;
}

static int local_look(struct wt *session, const char *path, bool follow, struct stat *status)
{
    (void)session;
    return result_of(follow ? stat(path, status) : lstat(path, status));
}

static int local_list(struct wt *session, const char *path, struct directory *content)
{
    (void)session;
    *content = (struct directory){0};
    DIR *stream = opendir(path);
    if (stream == NULL)
        return -errno;
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(stream)) != NULL)
        if (!directory_is_dots(entry->d_name))
            directory_add(content, entry->d_ino, entry->d_type, entry->d_name);
    int error = -errno;
    closedir(stream);
    if (error != 0)
        directory_free(content);
    return error;
}

static ssize_t local_read_link(struct wt *session, const char *path, char target[LINK_TARGET_BYTES])
{
    (void)session;
    ssize_t bytes = readlink(path, target, LINK_TARGET_BYTES - 1);
    if (bytes < 0)
        return -errno;
    target[bytes] = '\0';
    return bytes;
}

static int local_make_symlink(struct wt *session, const char *target, const char *path)
{
    (void)session;
    return result_of(symlink(target, path));
}

static int local_make_link(struct wt *session, const char *existing, const char *path)
{
    (void)session;
    return result_of(linkat(AT_FDCWD, existing, AT_FDCWD, path, 0));
}

static int local_make_directory(struct wt *session, const char *path, mode_t mode)
{
    (void)session;
    return result_of(mkdir(path, mode));
}

static int local_remove(struct wt *session, const char *path)
{
    (void)session;
    return result_of(unlink(path));
}

static int local_open(struct wt *session, const char *path, int flags, mode_t mode)
{
    (void)session;
    return result_of(open(path, flags | O_CLOEXEC | O_NOCTTY, mode));
}

static int local_close(struct wt *session, int file)
{
    (void)session;
    return result_of(close(file));
}

static int local_status(struct wt *session, int file, struct stat *status)
{
    (void)session;
    return result_of(fstat(file, status));
}

static off_t local_seek(struct wt *session, int file, off_t offset, int whence)
{
    (void)session;
    off_t place = lseek(file, offset, whence);
    return place < 0 ? -errno : place;
}

static int local_set_size(struct wt *session, int file, off_t size_bytes)
{
    (void)session;
    return result_of(ftruncate(file, size_bytes));
}

ssize_t local_read(int fd, void *data, size_t bytes, off_t offset)
{
    size_t filled = 0;
    while (filled < bytes) {
        void *place = (unsigned char *)data + filled;
        ssize_t got = offset < 0 ? read(fd, place, bytes - filled)
                                 : pread(fd, place, bytes - filled, offset + (off_t)filled);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        filled += (size_t)got;
    }
    return (ssize_t)filled;
}

int local_write(int fd, const void *data, size_t bytes, off_t offset)
{
    size_t written = 0;
    while (written < bytes) {
        const void *place = (const unsigned char *)data + written;
        ssize_t done = offset < 0 ? write(fd, place, bytes - written)
                                  : pwrite(fd, place, bytes - written, offset + (off_t)written);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        written += (size_t)done;
    }
    return 0;
}

static ssize_t local_side_read(struct wt *session, int file, void *data, size_t bytes, off_t offset)
{
    (void)session;
    return local_read(file, data, bytes, offset);
}

/* Clean pages only: the caller has synced the file. */
static void local_forget(int file)
{
    (void)posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
}

static int local_set_owner(struct wt *session, int file, const char *path, uid_t uid, gid_t gid)
{
    (void)session;
    return result_of(file != NO_FILE ? fchown(file, uid, gid) : lchown(path, uid, gid));
}

static int local_set_mode(struct wt *session, int file, const char *path, mode_t mode)
{
    (void)session;
    return result_of(file != NO_FILE ? fchmod(file, mode) : chmod(path, mode));
}

static int local_set_times(struct wt *session, int file, const char *path,
                           const struct timespec times[2])
{
    (void)session;
    return result_of(file != NO_FILE ? futimens(file, times)
                                     : utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
}

const struct side local_side = {
    .look = local_look,
    .list = local_list,
    .read_link = local_read_link,
    .make_symlink = local_make_symlink,
    .make_link = local_make_link,
    .make_directory = local_make_directory,
    .remove = local_remove,
    .open = local_open,
    .close = local_close,
    .status = local_status,
    .seek = local_seek,
    .set_size = local_set_size,
    .read = local_side_read,
    .forget = local_forget,
    .set_owner = local_set_owner,
    .set_mode = local_set_mode,
    .set_times = local_set_times,
};

/* ---- the volume ---- */

static int volume_look(struct wt *session, const char *path, bool follow, struct stat *status)
{
    return follow ? wt_stat(session, path, status) : wt_lstat(session, path, status);
}

static ssize_t volume_read_link(struct wt *session, const char *path,
                                char target[LINK_TARGET_BYTES])
{
    ssize_t bytes = wt_readlink(session, path, target, LINK_TARGET_BYTES - 1);
    if (bytes >= 0)
        target[bytes] = '\0';
    return bytes;
}

static ssize_t volume_read(struct wt *session, int file, void *data, size_t bytes, off_t offset)
{
    return wt_pread(session, file, data, bytes, offset);
}

static int volume_prep_read(struct wt *session, int file, void *data, size_t bytes, off_t offset,
                            uint64_t user_data)
{
    return wt_prep_read(session, file, data, bytes, offset, 0, user_data);
}

static int volume_prep_write(struct wt *session, int file, const void *data, size_t bytes,
                             off_t offset, uint64_t user_data)
{
    return wt_prep_write(session, file, data, bytes, offset, 0, user_data);
}

/* Its reads are from the medium already, when it was opened with O_DIRECT. */
static void volume_forget(int file)
{
    (void)file;
}

static int volume_set_owner(struct wt *session, int file, const char *path, uid_t uid, gid_t gid)
{
    return file != NO_FILE ? wt_fchown(session, file, uid, gid)
                           : wt_fchownat(session, WT_AT_ROOT, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

static int volume_set_mode(struct wt *session, int file, const char *path, mode_t mode)
{
    return file != NO_FILE ? wt_fchmod(session, file, mode) : wt_chmod(session, path, mode);
}

static int volume_set_times(struct wt *session, int file, const char *path,
                            const struct timespec times[2])
{
    return file != NO_FILE ? wt_futimens(session, file, times)
                           : wt_utimensat(session, WT_AT_ROOT, path, times, AT_SYMLINK_NOFOLLOW);
}

const struct side volume_side = {
    .look = volume_look,
    .list = directory_read,
    .read_link = volume_read_link,
    .make_symlink = wt_symlink,
    .make_link = wt_link,
    .make_directory = wt_mkdir,
    .remove = wt_unlink,
    .open = wt_open,
    .close = wt_close,
    .status = wt_fstat,
    .seek = wt_seek,
    .set_size = wt_ftruncate,
    .read = volume_read,
    .prep_read = volume_prep_read,
    .prep_write = volume_prep_write,
    .forget = volume_forget,
    .set_owner = volume_set_owner,
    .set_mode = volume_set_mode,
    .set_times = volume_set_times,
};

int side_keep(const struct side *side, struct wt *session, int file, const char *path,
              const struct stat *status, unsigned keep)
{
    mode_t mode = status->st_mode & 07777;
    int error = 0;

    if ((keep & KEEP_OWNER) != 0) {
        error = side->set_owner(session, file, path, status->st_uid, status->st_gid);
        if (error == -EPERM && geteuid() != 0) {
            mode &= ~(mode_t)(S_ISUID | S_ISGID);
            error = 0;
        }
    }
    if (error == 0 && (keep & KEEP_MODE) != 0 && !S_ISLNK(status->st_mode))
        error = side->set_mode(session, file, path, mode);
    if (error == 0 && (keep & KEEP_TIMES) != 0)
        error = side->set_times(session, file, path,
                                (struct timespec[2]){status->st_atim, status->st_mtim});
    return error;
}
