/*
 * look.c - calls that change nothing and bring a reply: stat and its kin, readlink, statistics; and
 * wt_syncfs.
 *
 * Path calls go to the shard of names, wt_fstat to the file's own. The path is in range 1, range 2
 * is the place for the reply.
 */
#include <fcntl.h>
#include <string.h>

#include "client/lib/internal.h"

/* A call whose reply is written to range 2; copies at most reply_bytes of it. The path has length
 * bytes, 0 for none. The result says how many bytes came where is_sized, else the reply is whole. */
static int64_t reply_call(struct wt *s, uint32_t shard, struct wt_request *request,
                          const char *path, int64_t length, void *reply, uint32_t reply_bytes,
                          bool is_sized)
{
    struct wtc_scratch scratch;
    int rc = wtc_scratch_take(s, reply_bytes, &scratch);
    if (rc < 0)
        return rc;
    if (length > 0) {
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

WT_EXPORT int wt_fstatat(struct wt *s, int directory, const char *path, struct stat *st, int flags)
{
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if (flags & AT_EMPTY_PATH && (!path || !*path)) {
        if (directory != WT_AT_ROOT)
            return wt_fstat(s, directory, st);
        path = "/";
    }
    uint64_t start;
    int64_t length = wtc_at(s, directory, path, &start);
    if (length < 0)
        return (int)length;
    struct wt_wire_stat wire;
    struct wt_request request = {.opcode = WT_OP_STAT,
                                 .flags = flags & AT_SYMLINK_NOFOLLOW ? WT_REQUEST_NOFOLLOW : 0};
    wtc_request_start(&request, start);
    int64_t rc = reply_call(s, s->names_shard, &request, path, length, &wire, sizeof(wire), false);
    if (rc >= 0)
        stat_from_wire(s, &wire, st);
    return (int)rc;
}

WT_EXPORT int wt_stat(struct wt *s, const char *path, struct stat *st)
{
    return wt_fstatat(s, WT_AT_ROOT, path, st, 0);
}

WT_EXPORT int wt_lstat(struct wt *s, const char *path, struct stat *st)
{
    return wt_fstatat(s, WT_AT_ROOT, path, st, AT_SYMLINK_NOFOLLOW);
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
    rc = (int)reply_call(s, h->shard, &request, NULL, 0, &wire, sizeof(wire), false);
    if (rc >= 0)
        stat_from_wire(s, &wire, st);
    return rc;
}

WT_EXPORT int wt_statvfs(struct wt *s, struct statvfs *vfs)
{
    struct wt_wire_statvfs wire;
    struct wt_request request = {.opcode = WT_OP_STATVFS, .handle_index = WT_NO_HANDLE};
    int rc = (int)reply_call(s, s->names_shard, &request, NULL, 0, &wire, sizeof(wire), false);
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

WT_EXPORT ssize_t wt_readlinkat(struct wt *s, int directory, const char *path, char *target,
                                size_t capacity)
{
    if (capacity == 0)
        return -EINVAL;
    uint64_t start;
    int64_t length = wtc_at(s, directory, path, &start);
    if (length < 0)
        return length;
    uint32_t bytes = capacity < WT_PATH_BYTES_MAX ? (uint32_t)capacity : WT_PATH_BYTES_MAX;
    struct wt_request request = {.opcode = WT_OP_READLINK};
    wtc_request_start(&request, start);
    return reply_call(s, s->names_shard, &request, path, length, target, bytes, true);
}

WT_EXPORT ssize_t wt_readlink(struct wt *s, const char *path, char *target, size_t capacity)
{
    return wt_readlinkat(s, WT_AT_ROOT, path, target, capacity);
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
