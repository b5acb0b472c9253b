/*
 * dir.c - reading directories.
 *
 * A block of entries is fetched into the arena, copied to private memory at once, and handed out
 * one by one; so a directory holds no arena memory between calls, and an entry that was checked
 * stays as it was.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/internal.h"

struct wt_dir {
    struct wt *session;
    int handle;
    bool owns_handle; /* wt_opendir's */
    bool at_end;      /* nothing after what is in block */
    uint64_t cookie;
    uint32_t used, position; /* bytes in block */
    _Alignas(8) unsigned char block[WTC_REPLY_BYTES];
};

WT_EXPORT int wt_opendir(struct wt *s, const char *path, struct wt_dir **dir)
{
    *dir = NULL;
    int handle = wt_open(s, path, O_RDONLY | O_DIRECTORY, 0);
    if (handle < 0)
        return handle;
    int rc = wt_fdopendir(s, handle, dir);
    if (rc < 0)
        wt_close(s, handle);
    else
        (*dir)->owns_handle = true;
    return rc;
}

WT_EXPORT int wt_fdopendir(struct wt *s, int handle, struct wt_dir **dir)
{
    *dir = NULL;
    int rc = wtc_check(s);
    if (rc < 0)
        return rc;
    const struct wtc_handle *h = wtc_handle_find(s, handle);
    if (!h)
        return -EBADF;
    if (!h->is_directory)
        return -ENOTDIR;
    struct wt_dir *d = malloc(sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->session = s;
    d->handle = handle;
    d->owns_handle = false;
    wt_seekdir(d, 0);
    *dir = d;
    return 0;
}

WT_EXPORT void wt_seekdir(struct wt_dir *d, uint64_t cookie)
{
    d->cookie = cookie;
    d->at_end = false;
    d->used = d->position = 0;
}

/* Fetches the next block. Afterwards there is an entry at position, or the end is reached. */
static int fill(struct wt_dir *d)
{
    struct wt *s = d->session;
    const struct wtc_handle *h = wtc_handle_find(s, d->handle);
    if (!h)
        return -EBADF;
    uint64_t bytes = WTC_REPLY_BYTES < s->arena.bytes / 2 ? WTC_REPLY_BYTES : s->arena.bytes / 2;
    struct wtc_scratch scratch;
    int rc = wtc_scratch_take(s, bytes, &scratch);
    if (rc < 0)
        return rc;
    struct wt_request request = {.opcode = WT_OP_READDIR,
                                 .handle_index = h->index,
                                 .handle_generation = h->generation,
                                 .offset = d->cookie,
                                 .arena_offset2 = scratch.page * WT_PAGE_BYTES + WT_PAGE_BYTES,
                                 .length2 = (uint32_t)bytes};
    struct wt_wire_completion done;
    int64_t result = wtc_call(s, h->shard, &request, (uint32_t)bytes, &done);
    if (result >= 0) {
        memcpy(d->block, scratch.second, (size_t)result);
        d->used = (uint32_t)result;
        d->position = 0;
        /* An empty block ends it too, whatever the flag says: no endless loop on the server's
         * word. */
        d->at_end = done.flags & WT_COMPLETION_END || result == 0;
        d->cookie = done.offset;
    }
    wtc_scratch_give(s, &scratch);
    return result < 0 ? (int)result : 0;
}

/* Copies out the entry at position and goes past it. False: it is not one. */
static bool take_entry(struct wt_dir *d, struct wt_dirent *entry)
{
    struct wt_wire_dirent wire;
    uint32_t left = d->used - d->position;
    if (left < sizeof(wire))
        return false;
    memcpy(&wire, d->block + d->position, sizeof(wire));
    if (wire.entry_bytes % 8 || wire.entry_bytes > left || wire.name_bytes == 0 ||
        wire.entry_bytes < sizeof(wire) + wire.name_bytes)
        return false;
    entry->ino = wire.ino;
    entry->cookie = wire.cookie;
    entry->type = wire.type;
    memcpy(entry->name, d->block + d->position + sizeof(wire), wire.name_bytes);
    entry->name[wire.name_bytes] = '\0';
    d->position += wire.entry_bytes;
    return true;
}

static bool is_dot(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

WT_EXPORT int wt_readdir(struct wt_dir *d, struct wt_dirent *entry)
{
    if (wtc_guard(d->session) == WTC_FORKED)
        return -EBADF;
    for (;;) {
        if (d->position == d->used) {
            if (d->at_end)
                return 0;
            int rc = fill(d);
            if (rc < 0)
                return rc;
            continue;
        }
        if (!take_entry(d, entry)) {
            d->position = d->used = 0;
            d->session->corrupt = true;
            wtc_lose(d->session);
            return -EREMOTEIO;
        }
        if (!is_dot(entry->name))
            return 1;
    }
}

WT_EXPORT int wt_closedir(struct wt_dir *d)
{
    if (!d)
        return 0;
    int rc = d->owns_handle ? wt_close(d->session, d->handle) : 0;
    free(d);
    return rc;
}
