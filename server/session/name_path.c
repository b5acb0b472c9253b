/*
 * name_path.c - which request is served where, and the arguments that requests bring: paths and replies in
 * the arena.
 *
 * The arena is shared with the client, which may change it at any time: what is looked at is copied once
 * before, and what is written there is never read back.
 */
#include <errno.h>
#include <string.h>

#include "server/session/name_internal.h"

int name_copy_path(const struct session_request *request, enum name_range range,
                   char path[static NAMES_PATH_BYTES_MAX + 1])
{
    const struct wt_request *wire = &request->wire;
    bool first = range == NAME_RANGE_FIRST;
    uint32_t offset = first ? wire->arena_offset : wire->arena_offset2;
    uint32_t length = first ? wire->length : wire->length2;
    if (length == 0)
        return -ENOENT;
    if (length > NAMES_PATH_BYTES_MAX)
        return -ENAMETOOLONG;
    const unsigned char *shared = session_arena(request->queue, offset, length);
    if (!shared)
        return -EINVAL;
    memcpy(path, shared, length);
    /* The compiler must not look at the shared bytes again. */
    __asm__ volatile("" ::: "memory");
    path[length] = '\0';
    if (memchr(path, '\0', length))
        return -EINVAL;
    return (int)length;
}

int name_find_inode(const struct session_request *request, uint64_t ino, uint64_t generation,
                    struct name_inode **inode)
{
    *inode = names_inode(name_tree(request), ino);
    return *inode && (*inode)->generation == generation ? 0 : -ESTALE;
}

/* The handle of a directory is on the names shard, whichever ring the request came from. */
static int find_start(const struct session_request *request, enum name_range range,
                      struct name_inode **start)
{
    const struct wt_request *wire = &request->wire;
    bool by_offset = range == NAME_RANGE_SECOND && wire->opcode != WT_OP_SYMLINK;
    uint32_t index = by_offset ? (uint32_t)wire->offset : wire->handle_index;
    uint32_t generation = by_offset ? (uint32_t)(wire->offset >> 32) : wire->handle_generation;
    *start = NULL;
    if (by_offset && wire->offset == WT_NOT_A_DIRECTORY)
        return -ENOTDIR;
    if (by_offset ? wire->offset == 0 : index == WT_NO_HANDLE)
        return 0;
    struct session_queue *queue = request->queue->session->queues[JOURNAL_SHARD];
    const struct session_handle *handle = session_handle_find(queue, index, generation);
    if (!handle)
        return -EBADF;
    if (!handle->directory)
        return -ENOTDIR;
    return name_find_inode(request, handle->ino, handle->inode_generation, start);
}

int name_resolve(const struct session_request *request, enum name_range range, unsigned flags,
                 struct names_place *place)
{
    char path[NAMES_PATH_BYTES_MAX + 1];
    int length = name_copy_path(request, range, path);
    if (length < 0)
        return length;
    struct name_inode *start = NULL;
    int error = path[0] == '/' ? 0 : find_start(request, range, &start);
    if (error)
        return error;
    const struct credentials *who = &request->queue->session->who;
    error = names_resolve_at(name_tree(request), who, start, path, (size_t)length, flags, place);
    for (unsigned i = 0; i < place->followed_count; i++)
        name_touch(request, place->followed[i]);
    return error;
}

int name_resolve_inode(const struct session_request *request, unsigned flags,
                       struct name_inode **inode)
{
    if (request->wire.flags & WT_REQUEST_OBJECT)
        return name_find_inode(request, request->ino, request->inode_generation, inode);
    struct names_place place;
    int error = name_resolve(request, NAME_RANGE_FIRST, flags, &place);
    if (!error)
        *inode = place.inode;
    return error;
}

int name_reply(const struct session_request *request, const void *bytes, size_t size_bytes)
{
    const struct wt_request *wire = &request->wire;
    if (wire->length2 < size_bytes)
        return -EINVAL;
    unsigned char *shared = session_arena(request->queue, wire->arena_offset2, wire->length2);
    if (!shared)
        return -EINVAL;
    memcpy(shared, bytes, size_bytes);
    return 0;
}

static void name_sync(struct session_request *request)
{
    if (request->handle && request->handle->directory)
        name_sync_directory(request);
    else
        session_complete(request, -EBADF, 0, 0);
}

void name_serve(struct session_request *request)
{
    static void (*const serve[WT_OP_COUNT])(struct session_request *) = {
        [WT_OP_OPEN] = name_open,       [WT_OP_SYNC] = name_sync,
        [WT_OP_SYNCFS] = name_syncfs,   [WT_OP_STAT] = name_stat,
        [WT_OP_STATVFS] = name_statvfs, [WT_OP_MKDIR] = name_mkdir,
        [WT_OP_RMDIR] = name_remove,    [WT_OP_UNLINK] = name_remove,
        [WT_OP_RENAME] = name_rename,   [WT_OP_LINK] = name_link,
        [WT_OP_SYMLINK] = name_symlink, [WT_OP_READLINK] = name_readlink,
        [WT_OP_CHMOD] = name_chmod,     [WT_OP_CHOWN] = name_chown,
        [WT_OP_UTIMENS] = name_utimens, [WT_OP_READDIR] = name_readdir,
        [WT_OP_STATS] = name_stats,
    };
    /* The client chose opcode and ring. */
    uint8_t opcode = request->wire.opcode;
    if (opcode >= WT_OP_COUNT || !serve[opcode])
        name_complete(request, -EINVAL);
    else
        serve[opcode](request);
}

static void object_at_names(struct message *message)
{
    name_serve(list_entry(message, struct session_request, message));
}

void session_name_request(struct session_request *request)
{
    struct session_shard *origin = name_origin(request);
    if (request->wire.flags & WT_REQUEST_OBJECT) {
        request->ino = request->handle->ino;
        request->inode_generation = request->handle->inode_generation;
        name_send(origin, JOURNAL_SHARD, &request->message, object_at_names);
    } else if (origin->shard == JOURNAL_SHARD) {
        name_serve(request);
    } else {
        session_complete(request, -EINVAL, 0, 0);
    }
}
