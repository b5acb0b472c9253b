/*
 * names.c - calls on paths: what is there (stat and its kin) and what changes names and their
 * attributes.
 *
 * Path calls go to the shard of names, wt_fstat to the file's own. Paths travel in the arena: the
 * first in range 1, a second path, the times, or the place for the reply in range 2.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "client/lib/internal.h"

/* A call on one path or two. second is what range 2 holds: a path, times, or NULL. */
static int64_t name_call(struct wt *s, struct wt_request *request, const char *path,
                         const void *second, uint64_t second_bytes)
{
    int64_t length = wtc_path_length(path);
    if (length < 0)
        return length;
    struct wtc_scratch scratch;
    int rc = wtc_scratch_take(s, second_bytes, &scratch);
    if (rc < 0)
        return rc;
    memcpy(scratch.first, path, (size_t)length);
    request->handle_index = WT_NO_HANDLE;
    request->arena_offset = scratch.page * WT_PAGE_BYTES;
    request->length = (uint32_t)length;
    if (second) {
        memcpy(scratch.second, second, second_bytes);
        request->arena_offset2 = request->arena_offset + WT_PAGE_BYTES;
        request->length2 = (uint32_t)second_bytes;
    }
    int64_t result = wtc_call(s, s->names_shard, request, 0, NULL);
    wtc_scratch_give(s, &scratch);
    return result;
}

static int path_call(struct wt *s, struct wt_request request, const char *path)
{
    request.level = s->name_level;
    return (int)name_call(s, &request, path, NULL, 0);
}

static int two_path_call(struct wt *s, struct wt_request request, const char *path,
                         const char *second)
{
    int64_t length = wtc_path_length(second);
    if (length < 0)
        return (int)length;
    if (request.level == 0)
        request.level = s->name_level;
    return (int)name_call(s, &request, path, second, (uint64_t)length);
}

WT_EXPORT int wt_mkdir(struct wt *s, const char *path, mode_t mode)
{
    return path_call(
        s, (struct wt_request){.opcode = WT_OP_MKDIR, .argument = mode & 07777 & ~s->umask}, path);
}

WT_EXPORT int wt_rmdir(struct wt *s, const char *path)
{
    return path_call(s, (struct wt_request){.opcode = WT_OP_RMDIR}, path);
}

WT_EXPORT int wt_unlink(struct wt *s, const char *path)
{
    return path_call(s, (struct wt_request){.opcode = WT_OP_UNLINK}, path);
}

WT_EXPORT int wt_rename(struct wt *s, const char *from, const char *to, unsigned flags)
{
    uint8_t level = wtc_level_of((int)flags);
    unsigned others = flags & ~(unsigned)WTC_LEVEL_FLAGS;
    if (level == WTC_LEVEL_CONFLICT || others >= 1u << 24)
        return -EINVAL;
    return two_path_call(
        s, (struct wt_request){.opcode = WT_OP_RENAME, .level = level, .argument = others}, from,
        to);
}

WT_EXPORT int wt_link(struct wt *s, const char *existing, const char *path)
{
    return two_path_call(s, (struct wt_request){.opcode = WT_OP_LINK}, existing, path);
}

WT_EXPORT int wt_symlink(struct wt *s, const char *target, const char *path)
{
    return two_path_call(s, (struct wt_request){.opcode = WT_OP_SYMLINK}, target, path);
}

WT_EXPORT int wt_chmod(struct wt *s, const char *path, mode_t mode)
{
    return path_call(s, (struct wt_request){.opcode = WT_OP_CHMOD, .argument = mode & 07777}, path);
}

WT_EXPORT int wt_chown(struct wt *s, const char *path, uid_t uid, gid_t gid)
{
    return path_call(
        s, (struct wt_request){.opcode = WT_OP_CHOWN, .argument = uid | (uint64_t)gid << 32}, path);
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

WT_EXPORT int wt_utimens(struct wt *s, const char *path, const struct timespec times[2])
{
    static const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
    struct wt_wire_times wire;
    if (!times)
        times = now;
    if (time_to_wire(&times[0], &wire.atime) < 0 || time_to_wire(&times[1], &wire.mtime) < 0)
        return -EINVAL;
    struct wt_request request = {.opcode = WT_OP_UTIMENS, .level = s->name_level};
    return (int)name_call(s, &request, path, &wire, sizeof(wire));
}

/* ---- calls with a reply ---------------------------------------------------------------------- */

/* A call whose reply is written to range 2; copies at most reply_bytes of it. Path may be NULL.
 * The result says how many bytes came where is_sized, else the reply is whole. */
static int64_t reply_call(struct wt *s, uint32_t shard, struct wt_request *request,
                          const char *path, void *reply, uint32_t reply_bytes, bool is_sized)
{
    int64_t length = path ? wtc_path_length(path) : 0;
    if (length < 0)
        return length;
    struct wtc_scratch scratch;
    int rc = wtc_scratch_take(s, reply_bytes, &scratch);
    if (rc < 0)
        return rc;
    if (path) {
        memcpy(scratch.first, path, (size_t)length);
        request->arena_offset = scratch.page * WT_PAGE_BYTES;
        request->length = (uint32_t)length;
    }
    request->arena_offset2 = scratch.page * WT_PAGE_BYTES + WT_PAGE_BYTES;
    request->length2 = reply_bytes;
    int64_t result = wtc_call(s, shard, request, is_sized ? reply_bytes : 0, NULL);
    if (result >= 0)
        memcpy(reply, scratch.second, is_sized ? (size_t)result : reply_bytes);
    wtc_scratch_give(s, &scratch);
    return result;
}

static struct timespec time_from_wire(const struct wt_wire_time *wire)
{
    return (struct timespec){.tv_sec = wire->seconds, .tv_nsec = wire->nanoseconds};
}

static void stat_from_wire(const struct wt *s, const struct wt_wire_stat *wire, struct stat *st)
{
    memset(st, 0, sizeof(*st));
    st->st_dev = s->device_id;
    st->st_ino = wire->ino;
    st->st_mode = wire->mode;
    st->st_nlink = wire->nlink;
    st->st_uid = wire->uid;
    st->st_gid = wire->gid;
    st->st_size = (off_t)wire->size_bytes;
    st->st_blksize = WT_PAGE_BYTES;
    st->st_blocks = (blkcnt_t)wire->blocks_512;
    st->st_atim = time_from_wire(&wire->atime);
    st->st_mtim = time_from_wire(&wire->mtime);
    st->st_ctim = time_from_wire(&wire->ctime);
}

static int stat_path(struct wt *s, const char *path, uint32_t flags, struct stat *st)
{
    struct wt_wire_stat wire;
    struct wt_request request = {
        .opcode = WT_OP_STAT, .flags = flags, .handle_index = WT_NO_HANDLE};
    int64_t rc = reply_call(s, s->names_shard, &request, path, &wire, sizeof(wire), false);
    if (rc >= 0)
        stat_from_wire(s, &wire, st);
    return (int)rc;
}

WT_EXPORT int wt_stat(struct wt *s, const char *path, struct stat *st)
{
    return stat_path(s, path, 0, st);
}

WT_EXPORT int wt_lstat(struct wt *s, const char *path, struct stat *st)
{
    return stat_path(s, path, WT_REQUEST_NOFOLLOW, st);
}

WT_EXPORT int wt_fstat(struct wt *s, int handle, struct stat *st)
{
    int rc = wtc_check(s);
    if (rc < 0)
        return rc;
    const struct wtc_handle *h = wtc_handle_find(s, handle);
    if (!h)
        return -EBADF;
    struct wt_wire_stat wire;
    struct wt_request request = {
        .opcode = WT_OP_FSTAT, .handle_index = h->index, .handle_generation = h->generation};
    rc = (int)reply_call(s, h->shard, &request, NULL, &wire, sizeof(wire), false);
    if (rc >= 0)
        stat_from_wire(s, &wire, st);
    return rc;
}

WT_EXPORT int wt_statvfs(struct wt *s, struct statvfs *vfs)
{
    struct wt_wire_statvfs wire;
    struct wt_request request = {.opcode = WT_OP_STATVFS, .handle_index = WT_NO_HANDLE};
    int rc = (int)reply_call(s, s->names_shard, &request, NULL, &wire, sizeof(wire), false);
    if (rc < 0)
        return rc;
    memset(vfs, 0, sizeof(*vfs));
    vfs->f_bsize = vfs->f_frsize = wire.block_bytes;
    vfs->f_blocks = wire.blocks;
    vfs->f_bfree = wire.blocks_free;
    vfs->f_bavail = wire.blocks_available;
    vfs->f_files = wire.files;
    vfs->f_ffree = vfs->f_favail = wire.files_free;
    vfs->f_fsid = s->device_id;
    vfs->f_flag = wire.read_only ? ST_RDONLY : 0;
    vfs->f_namemax = wire.name_bytes_max;
    return 0;
}

WT_EXPORT ssize_t wt_readlink(struct wt *s, const char *path, char *target, size_t capacity)
{
    if (capacity == 0)
        return -EINVAL;
    uint32_t bytes = capacity < WT_PATH_BYTES_MAX ? (uint32_t)capacity : WT_PATH_BYTES_MAX;
    struct wt_request request = {.opcode = WT_OP_READLINK, .handle_index = WT_NO_HANDLE};
    return reply_call(s, s->names_shard, &request, path, target, bytes, true);
}

WT_EXPORT ssize_t wt_stats(struct wt *s, char *text, size_t capacity)
{
    struct wtc_scratch scratch;
    uint32_t bytes = WTC_STATS_BYTES;
    if (bytes > s->arena.bytes / 2)
        bytes = (uint32_t)(s->arena.bytes / 2);
    int rc = wtc_scratch_take(s, bytes, &scratch);
    if (rc < 0)
        return rc;
    struct wt_request request = {.opcode = WT_OP_STATS,
                                 .handle_index = WT_NO_HANDLE,
                                 .arena_offset2 = scratch.page * WT_PAGE_BYTES + WT_PAGE_BYTES,
                                 .length2 = bytes};
    int64_t result = wtc_call(s, s->names_shard, &request, bytes, NULL);
    if (result >= 0 && (uint64_t)result >= capacity)
        result = -ERANGE;
    if (result >= 0) {
        memcpy(text, scratch.second, (size_t)result);
        text[result] = '\0';
    }
    wtc_scratch_give(s, &scratch);
    return result;
}

WT_EXPORT int wt_syncfs(struct wt *s)
{
    struct wt_request request = {.opcode = WT_OP_SYNCFS, .handle_index = WT_NO_HANDLE};
    return (int)wtc_call(s, s->names_shard, &request, 0, NULL);
}
