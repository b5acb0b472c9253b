/*
 * names.c - calls that change names and the attributes of what has them.
 *
 * Requests with a path go to the shard of names; those on a handle's own file or directory
 * (WT_REQUEST_OBJECT) to the handle's shard. Paths travel in the arena: the first in range 1, a
 * second path or the times in range 2. Where a path without a leading slash begins is said by the
 * handle of the request, for a second path by its offset.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/lib/internal.h"

/* ---- making the request ---------------------------------------------------------------------- */

int64_t wtc_at(struct wt *s, int directory, const char *path, uint64_t *start)
{
    int64_t length = wtc_path_length(path);
    int rc = wtc_check(s);
    *start = WT_NO_HANDLE;
    if (rc < 0 || length < 0)
        return rc < 0 ? rc : length;
    if (directory == WT_AT_ROOT || path[0] == '/')
        return length;
    const struct wtc_handle *h = wtc_handle_find(s, directory);
    if (!h)
        return -EBADF;
    if (!h->is_directory)
        return -ENOTDIR;
    *start = wtc_handle_wire(h);
    return length;
}

/* What range 1 or 2 holds. */
struct content {
    const void *bytes;
    uint64_t length;
};

/* Sends a request whose handle, flags and offset are set. */
static int64_t send_with(struct wt *s, uint32_t shard, struct wt_request *request,
                         struct content first, struct content second)
{
    struct wtc_scratch scratch;
    if (request->level == 0)
        request->level = s->name_level;
    if (first.length + second.length == 0)
        return wtc_call(s, shard, request, 0, NULL);
    int rc = wtc_scratch_take(s, second.length, &scratch);
    if (rc < 0)
        return rc;
    if (first.length > 0) {
        memcpy(scratch.first, first.bytes, first.length);
        request->arena_offset = scratch.page * WT_PAGE_BYTES;
        request->length = (uint32_t)first.length;
    }
    if (second.length > 0) {
        memcpy(scratch.second, second.bytes, second.length);
        request->arena_offset2 = scratch.page * WT_PAGE_BYTES + WT_PAGE_BYTES;
        request->length2 = (uint32_t)second.length;
    }
    int64_t result = wtc_call(s, shard, request, 0, NULL);
    wtc_scratch_give(s, &scratch);
    return result;
}

static int path_call(struct wt *s, struct wt_request request, int directory, const char *path,
                     struct content second)
{
    uint64_t start;
    int64_t length = wtc_at(s, directory, path, &start);
    if (length < 0)
        return (int)length;
    wtc_request_start(&request, start);
    struct content first = {path, (uint64_t)length};
    return (int)send_with(s, s->names_shard, &request, first, second);
}

/* On the file or directory of a handle. */
static int object_call(struct wt *s, struct wt_request request, int handle, struct content second)
{
    int rc = wtc_check(s);
    if (rc < 0)
        return rc;
    const struct wtc_handle *h = wtc_handle_find(s, handle);
    if (!h)
        return -EBADF;
    wtc_request_start(&request, wtc_handle_wire(h));
    request.flags = WT_REQUEST_OBJECT;
    if (h->is_synced)
        request.level = WT_LEVEL_STABLE;
    return (int)send_with(s, h->shard, &request, (struct content){0}, second);
}

/* The second path of a rename or link, of which range 2 and offset tell. The server looks at the first path
 * first, so it is the one to say what is wrong with this one. */
static int second_path(struct wt *s, int directory, const char *path, struct wt_request *request,
                       struct content *second)
{
    uint64_t start;
    int64_t length = wtc_at(s, directory, path, &start);
    if (length == -ENOTDIR) {
        start = WT_NOT_A_DIRECTORY;
        length = wtc_path_length(path);
    } else if (length == -ENOENT) {
        length = 0;
    } else if (length == -ENAMETOOLONG) {
        length = WT_PATH_BYTES_MAX; /* without its end: one more than a path has */
    }
    if (length < 0)
        return (int)length;
    request->offset = start == WT_NO_HANDLE ? 0 : start;
    *second = (struct content){path, (uint64_t)length};
    return 0;
}

static const struct content nothing;

/* ---- names ----------------------------------------------------------------------------------- */

WT_EXPORT int wt_mkdirat(struct wt *s, int directory, const char *path, mode_t mode)
{
    return path_call(
        s, (struct wt_request){.opcode = WT_OP_MKDIR, .argument = mode & 07777 & ~s->umask},
        directory, path, nothing);
}

WT_EXPORT int wt_mkdir(struct wt *s, const char *path, mode_t mode)
{
    return wt_mkdirat(s, WT_AT_ROOT, path, mode);
}

WT_EXPORT int wt_unlinkat(struct wt *s, int directory, const char *path, int flags)
{
    if (flags & ~AT_REMOVEDIR)
        return -EINVAL;
    uint8_t opcode = flags & AT_REMOVEDIR ? WT_OP_RMDIR : WT_OP_UNLINK;
    return path_call(s, (struct wt_request){.opcode = opcode}, directory, path, nothing);
}

WT_EXPORT int wt_rmdir(struct wt *s, const char *path)
{
    return wt_unlinkat(s, WT_AT_ROOT, path, AT_REMOVEDIR);
}

WT_EXPORT int wt_unlink(struct wt *s, const char *path)
{
    return wt_unlinkat(s, WT_AT_ROOT, path, 0);
}

WT_EXPORT int wt_renameat(struct wt *s, int from_directory, const char *from, int to_directory,
                          const char *to, unsigned flags)
{
    uint8_t level = wtc_level_of((int)flags);
    unsigned others = flags & ~(unsigned)WTC_LEVEL_FLAGS;
    if (level == WTC_LEVEL_CONFLICT ||
        (others != 0 && others != RENAME_NOREPLACE && others != RENAME_EXCHANGE))
        return -EINVAL;
    struct wt_request request = {.opcode = WT_OP_RENAME, .level = level, .argument = others};
    struct content second;
    int rc = second_path(s, to_directory, to, &request, &second);
    return rc < 0 ? rc : path_call(s, request, from_directory, from, second);
}

WT_EXPORT int wt_rename(struct wt *s, const char *from, const char *to, unsigned flags)
{
    return wt_renameat(s, WT_AT_ROOT, from, WT_AT_ROOT, to, flags);
}

/* Whether AT_EMPTY_PATH makes the handle itself what is meant. */
static bool is_itself(const char *path, int flags)
{
    return flags & AT_EMPTY_PATH && (!path || !*path);
}

WT_EXPORT int wt_linkat(struct wt *s, int existing_directory, const char *existing, int directory,
                        const char *path, int flags)
{
    if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    struct wt_request request = {.opcode = WT_OP_LINK,
                                 .flags = flags & AT_SYMLINK_FOLLOW ? WT_REQUEST_FOLLOW : 0};
    struct content second;
    int rc = second_path(s, directory, path, &request, &second);
    if (rc < 0)
        return rc;
    if (!is_itself(existing, flags))
        return path_call(s, request, existing_directory, existing, second);
    if (existing_directory == WT_AT_ROOT)
        return path_call(s, request, WT_AT_ROOT, "/", second);
    return object_call(s, request, existing_directory, second);
}

WT_EXPORT int wt_link(struct wt *s, const char *existing, const char *path)
{
    return wt_linkat(s, WT_AT_ROOT, existing, WT_AT_ROOT, path, 0);
}

/* Range 1 is the target, which is not looked up, so the handle tells where the link's path begins.
 */
WT_EXPORT int wt_symlinkat(struct wt *s, const char *target, int directory, const char *path)
{
    int64_t target_length = wtc_path_length(target);
    if (target_length < 0)
        return (int)target_length;
    uint64_t start;
    int64_t length = wtc_at(s, directory, path, &start);
    if (length < 0)
        return (int)length;
    struct wt_request request = {.opcode = WT_OP_SYMLINK};
    wtc_request_start(&request, start);
    return (int)send_with(s, s->names_shard, &request,
                          (struct content){target, (uint64_t)target_length},
                          (struct content){path, (uint64_t)length});
}

WT_EXPORT int wt_symlink(struct wt *s, const char *target, const char *path)
{
    return wt_symlinkat(s, target, WT_AT_ROOT, path);
}

/* ---- attributes ------------------------------------------------------------------------------ */

/* By path, or of the handle itself, as flags say. */
static int attribute_call(struct wt *s, struct wt_request request, int directory, const char *path,
                          struct content second, int flags)
{
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if (is_itself(path, flags)) {
        if (directory != WT_AT_ROOT)
            return object_call(s, request, directory, second);
        path = "/";
    }
    if (flags & AT_SYMLINK_NOFOLLOW)
        request.flags = WT_REQUEST_NOFOLLOW;
    return path_call(s, request, directory, path, second);
}

static struct wt_request chmod_request(mode_t mode)
{
    return (struct wt_request){.opcode = WT_OP_CHMOD, .argument = mode & 07777};
}

static struct wt_request chown_request(uid_t uid, gid_t gid)
{
    return (struct wt_request){.opcode = WT_OP_CHOWN, .argument = uid | (uint64_t)gid << 32};
}

WT_EXPORT int wt_fchmodat(struct wt *s, int directory, const char *path, mode_t mode, int flags)
{
    return attribute_call(s, chmod_request(mode), directory, path, nothing, flags);
}

WT_EXPORT int wt_chmod(struct wt *s, const char *path, mode_t mode)
{
    return wt_fchmodat(s, WT_AT_ROOT, path, mode, 0);
}

WT_EXPORT int wt_fchmod(struct wt *s, int handle, mode_t mode)
{
    return object_call(s, chmod_request(mode), handle, nothing);
}

WT_EXPORT int wt_fchownat(struct wt *s, int directory, const char *path, uid_t uid, gid_t gid,
                          int flags)
{
    return attribute_call(s, chown_request(uid, gid), directory, path, nothing, flags);
}

WT_EXPORT int wt_chown(struct wt *s, const char *path, uid_t uid, gid_t gid)
{
    return wt_fchownat(s, WT_AT_ROOT, path, uid, gid, 0);
}

WT_EXPORT int wt_fchown(struct wt *s, int handle, uid_t uid, gid_t gid)
{
    return object_call(s, chown_request(uid, gid), handle, nothing);
}

/* Then nothing is looked at, not even the path. */
static bool omits_both(const struct timespec times[2])
{
    return times && times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT;
}

static int time_to_wire(const struct timespec *time, struct wt_wire_time *wire)
{
    bool is_special = time->tv_nsec == UTIME_NOW || time->tv_nsec == UTIME_OMIT;
    if (!is_special && (time->tv_nsec < 0 || time->tv_nsec > 999999999))
        return -EINVAL;
    *wire = (struct wt_wire_time){.seconds = is_special ? 0 : time->tv_sec,
                                  .nanoseconds = (uint32_t)time->tv_nsec};
    return 0;
}

static int times_to_wire(const struct timespec times[2], struct wt_wire_times *wire)
{
    static const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
    if (!times)
        times = now;
    int rc = time_to_wire(&times[0], &wire->atime);
    return rc < 0 ? rc : time_to_wire(&times[1], &wire->mtime);
}

WT_EXPORT int wt_utimensat(struct wt *s, int directory, const char *path,
                           const struct timespec times[2], int flags)
{
    struct wt_wire_times wire;
    int rc = times_to_wire(times, &wire);
    if (rc < 0)
        return rc;
    if (omits_both(times))
        return wtc_check(s);
    return attribute_call(s, (struct wt_request){.opcode = WT_OP_UTIMENS}, directory, path,
                          (struct content){&wire, sizeof(wire)}, flags);
}

WT_EXPORT int wt_utimens(struct wt *s, const char *path, const struct timespec times[2])
{
    return wt_utimensat(s, WT_AT_ROOT, path, times, 0);
}

WT_EXPORT int wt_futimens(struct wt *s, int handle, const struct timespec times[2])
{
    struct wt_wire_times wire;
    int rc = times_to_wire(times, &wire);
    if (rc < 0)
        return rc;
    return object_call(s, (struct wt_request){.opcode = WT_OP_UTIMENS}, handle,
                       (struct content){&wire, sizeof(wire)});
}
