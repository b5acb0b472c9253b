/*
 * handle.c - the table of open handles, open and close, and the calls on a handle that move no
 * data.
 *
 * A handle is a small number into a private table; on the wire it is the server's index and
 * generation, to the shard that owns the file. The table grows at open and nowhere else.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/lib/internal.h"

#define HANDLES_FIRST 64
/* Not sent: O_DIRECT is said by each read and write, the others mean nothing for a handle that is no
 * descriptor. */
#define OPEN_FLAGS_LOCAL (O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_DIRECT)
#define OPEN_FLAGS_MAX   (1 << 24) /* from here on they are ours */

uint8_t wtc_level_of(int flags)
{
    switch (flags & WTC_LEVEL_FLAGS) {
    case 0:
        return 0;
    case WT_BEHIND:
        return WT_LEVEL_BEHIND;
    case WT_THROUGH:
        return WT_LEVEL_THROUGH;
    case WT_STABLE:
        return WT_LEVEL_STABLE;
    default:
        return WTC_LEVEL_CONFLICT;
    }
}

struct wtc_handle *wtc_handle_find(struct wt *s, int handle)
{
    if (handle < 0 || handle >= s->handle_count || !s->handles[handle].is_open)
        return NULL;
    return &s->handles[handle];
}

/* A free place, before the server is asked: afterwards there must be no failure on this side. */
static int handle_reserve(struct wt *s)
{
    if (s->handle_free >= 0)
        return 0;
    int count = s->handle_count ? s->handle_count * 2 : HANDLES_FIRST;
    if (count > WT_SESSION_HANDLES_MAX)
        return -EMFILE;
    struct wtc_handle *handles = realloc(s->handles, (size_t)count * sizeof(*handles));
    if (!handles)
        return -ENOMEM;
    s->handles = handles;
    for (int i = count - 1; i >= s->handle_count; i--) {
        handles[i] = (struct wtc_handle){.next_free = s->handle_free};
        s->handle_free = i;
    }
    s->handle_count = count;
    return 0;
}

static int handle_use(struct wt *s, const struct wt_wire_completion *opened, int flags)
{
    bool is_synced = (flags & (O_SYNC | O_DSYNC)) != 0;
    int number = s->handle_free;
    struct wtc_handle *handle = &s->handles[number];
    s->handle_free = handle->next_free;
    *handle = (struct wtc_handle){.index = (uint32_t)opened->result,
                                  .generation = (uint32_t)opened->offset,
                                  .shard = (uint16_t)(opened->offset >> 32),
                                  .level = is_synced ? WT_LEVEL_STABLE : s->level,
                                  .is_open = true,
                                  .is_directory = opened->flags == S_IFDIR >> 12,
                                  .is_synced = is_synced,
                                  .appends = (flags & O_APPEND) != 0,
                                  .is_direct = (flags & O_DIRECT) != 0};
    return number;
}

static void handle_free(struct wt *s, int number)
{
    s->handles[number] = (struct wtc_handle){.next_free = s->handle_free};
    s->handle_free = number;
}

/* The server says the same; here it comes before the path and where it begins, as in Linux. */
static int check_flags(int flags)
{
    bool is_unnamed = flags & O_TMPFILE & ~O_DIRECTORY;
    int access = flags & O_ACCMODE;
    if (flags < 0 || flags >= OPEN_FLAGS_MAX)
        return -EINVAL;
    if (flags & O_PATH)
        return -EOPNOTSUPP;
    if (access == O_ACCMODE || (flags & O_CREAT && flags & O_DIRECTORY))
        return -EINVAL;
    return is_unnamed && (!(flags & O_DIRECTORY) || access == O_RDONLY) ? -EINVAL : 0;
}

WT_EXPORT int wt_openat(struct wt *s, int directory, const char *path, int flags, mode_t mode)
{
    int rc = check_flags(flags);
    if (rc < 0)
        return rc;
    uint64_t start;
    int64_t length = wtc_at(s, directory, path, &start);
    if (length < 0)
        return (int)length;
    if ((rc = handle_reserve(s)) < 0)
        return rc;
    struct wtc_scratch scratch;
    if ((rc = wtc_scratch_take(s, 0, &scratch)) < 0)
        return rc;
    memcpy(scratch.first, path, (size_t)length);
    bool creates = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
    uint64_t mode_bits = creates ? mode & 07777 & ~s->umask : 0;
    uint64_t flag_bits = (uint32_t)(flags & ~OPEN_FLAGS_LOCAL);
    struct wt_request request = {.opcode = WT_OP_OPEN,
                                 .level =
                                     (flags & O_SYNC) == O_SYNC ? WT_LEVEL_STABLE : s->name_level,
                                 .arena_offset = scratch.page * WT_PAGE_BYTES,
                                 .length = (uint32_t)length,
                                 .argument = mode_bits | flag_bits << 32};
    wtc_request_start(&request, start);
    struct wt_wire_completion opened;
    int64_t result = wtc_call(s, s->names_shard, &request, UINT32_MAX, &opened);
    wtc_scratch_give(s, &scratch);
    if (result < 0)
        return (int)result;
    if (opened.offset >> 32 >= s->shard_count) {
        s->corrupt = true;
        wtc_lose(s);
        return -EREMOTEIO;
    }
    return handle_use(s, &opened, flags);
}

WT_EXPORT int wt_open(struct wt *s, const char *path, int flags, mode_t mode)
{
    return wt_openat(s, WT_AT_ROOT, path, flags, mode);
}

/* A request on a handle without paths or data. */
static int64_t handle_call(struct wt *s, int handle, struct wt_request *request)
{
    int rc = wtc_check(s);
    if (rc < 0)
        return rc;
    const struct wtc_handle *h = wtc_handle_find(s, handle);
    if (!h)
        return -EBADF;
    request->handle_index = h->index;
    request->handle_generation = h->generation;
    return wtc_call(s, h->shard, request, 0, NULL);
}

WT_EXPORT int wt_close(struct wt *s, int handle)
{
    struct wt_request request = {.opcode = WT_OP_CLOSE};
    int64_t result = handle_call(s, handle, &request);
    if (wtc_handle_find(s, handle))
        handle_free(s, handle);
    return (int)result;
}

WT_EXPORT int wt_fsync(struct wt *s, int handle)
{
    struct wt_request request = {.opcode = WT_OP_SYNC};
    return (int)handle_call(s, handle, &request);
}

WT_EXPORT int wt_fdatasync(struct wt *s, int handle)
{
    struct wt_request request = {.opcode = WT_OP_SYNC, .flags = WT_REQUEST_DATASYNC};
    return (int)handle_call(s, handle, &request);
}

/* The level at which a file changes its shape. */
static uint8_t shape_level(struct wt *s, int handle)
{
    const struct wtc_handle *h = wtc_handle_find(s, handle);
    return h && h->is_synced ? WT_LEVEL_STABLE : s->name_level;
}

WT_EXPORT int wt_ftruncate(struct wt *s, int handle, off_t size_bytes)
{
    if (size_bytes < 0)
        return -EINVAL;
    struct wt_request request = {
        .opcode = WT_OP_TRUNCATE, .level = shape_level(s, handle), .offset = (uint64_t)size_bytes};
    return (int)handle_call(s, handle, &request);
}

WT_EXPORT int wt_fallocate(struct wt *s, int handle, int mode, off_t offset, off_t bytes)
{
    static const int zero_or_allocate = FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE;
    if (mode & ~zero_or_allocate && mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
        return -EOPNOTSUPP;
    if (offset < 0 || bytes <= 0)
        return -EINVAL;
    if ((uint64_t)offset + (uint64_t)bytes > WT_FILE_BYTES_MAX)
        return -EFBIG;
    struct wt_request request = {.opcode = WT_OP_ALLOCATE,
                                 .level = shape_level(s, handle),
                                 .offset = (uint64_t)offset,
                                 .length = (uint32_t)mode,
                                 .argument = (uint64_t)bytes};
    return (int)handle_call(s, handle, &request);
}

WT_EXPORT off_t wt_seek(struct wt *s, int handle, off_t offset, int whence)
{
    if (whence != SEEK_DATA && whence != SEEK_HOLE)
        return -EINVAL;
    if (offset < 0)
        return -ENXIO;
    struct wt_request request = {
        .opcode = WT_OP_SEEK, .offset = (uint64_t)offset, .argument = (uint64_t)whence};
    return handle_call(s, handle, &request);
}

WT_EXPORT int wt_handle_shard(struct wt *s, int handle)
{
    const struct wtc_handle *h = wtc_handle_find(s, handle);
    return h ? h->shard : -EBADF;
}

WT_EXPORT unsigned wt_shards(struct wt *s)
{
    return s->shard_count;
}
