/*
 * name_look.c - requests that change nothing (but atime): STAT, FSTAT, READLINK, READDIR.
 *
 * Names know mode, owner, links and their times; of a regular file its own shard knows size, blocks, atime
 * and mtime. ctime is the later of the two sides'.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "server/session/name_internal.h"

#define NANOSECONDS 1000000000
/* One READDIR answers with at most so much, so that a large directory does not hold up its shard. */
#define READDIR_BYTES_MAX (64u << 10)

/* ---- attributes ---- */

static struct wt_wire_time wire_time(int64_t ns)
{
    int64_t seconds = ns / NANOSECONDS, rest = ns % NANOSECONDS;
    if (rest < 0) {
        seconds--;
        rest += NANOSECONDS;
    }
    return (struct wt_wire_time){.seconds = seconds, .nanoseconds = (uint32_t)rest};
}

static bool later(struct wt_wire_time one, struct wt_wire_time other)
{
    return one.seconds != other.seconds ? one.seconds > other.seconds
                                        : one.nanoseconds > other.nanoseconds;
}

/* What names know of it, into the request. */
static void fill_from_names(struct session_request *request, const struct name_inode *inode)
{
    request->ino = inode->ino;
    request->inode_generation = inode->generation;
    request->birth_ns = inode->birth_ns;
    struct wt_wire_stat *stat = &request->stat;
    *stat = (struct wt_wire_stat){
        .ino = inode->ino,
        .generation = inode->generation,
        .mode = inode->mode,
        .nlink = inode->nlink,
        .uid = inode->uid,
        .gid = inode->gid,
        .atime = wire_time(inode->atime_ns),
        .mtime = wire_time(inode->mtime_ns),
        .ctime = wire_time(inode->ctime_ns),
        .birth = wire_time(inode->birth_ns),
    };
    if (S_ISDIR(inode->mode))
        stat->size_bytes = names_entry_count(inode);
    else if (S_ISLNK(inode->mode))
        stat->size_bytes = strlen(inode->target);
}

/* On the file's shard. */
static void fill_from_file(struct session_request *request, struct session_shard *home)
{
    struct file_attributes attributes;
    file_attributes(home->engine, request->ino, request->inode_generation, request->birth_ns,
                    &attributes);
    struct wt_wire_stat *stat = &request->stat;
    stat->size_bytes = attributes.size_bytes;
    stat->blocks_512 = attributes.blocks * (VOLUME_BLOCK_BYTES / 512);
    stat->atime = wire_time(attributes.atime_ns);
    stat->mtime = wire_time(attributes.mtime_ns);
    if (later(stat->mtime, stat->ctime))
        stat->ctime = stat->mtime;
}

static void answer(struct session_request *request)
{
    int error = name_reply(request, &request->stat, sizeof(request->stat));
    session_complete(request, error, 0, 0);
}

static struct session_request *of_message(struct message *message)
{
    return list_entry(message, struct session_request, message);
}

static void stat_returned(struct message *message)
{
    answer(of_message(message));
}

static void stat_at_file(struct message *message)
{
    struct session_request *request = of_message(message);
    struct session_shard *names = name_shard(request);
    struct session_shard *home = names->peers[volume_route(names->volume, request->ino)];
    fill_from_file(request, home);
    name_send(home, names->shard, &request->message, stat_returned);
}

void name_stat(struct session_request *request)
{
    unsigned how = request->wire.flags & WT_REQUEST_NOFOLLOW ? NAMES_NOFOLLOW : 0;
    struct names_place place;
    int error = name_resolve(request, NAME_RANGE_FIRST, how, &place);
    if (error) {
        session_complete(request, error, 0, 0);
        return;
    }
    fill_from_names(request, place.inode);
    if (!S_ISREG(place.inode->mode)) {
        answer(request);
        return;
    }
    struct session_shard *names = name_shard(request);
    unsigned home = volume_route(names->volume, request->ino);
    name_send(names, home, &request->message, stat_at_file);
}

/* ---- by handle: from the handle's shard to names and back ---- */

static void fstat_returned(struct message *message)
{
    struct session_request *request = of_message(message);
    if (request->result < 0) {
        session_complete(request, request->result, 0, 0);
        return;
    }
    if (S_ISREG(request->stat.mode))
        fill_from_file(request, name_origin(request));
    answer(request);
}

static void fstat_at_names(struct message *message)
{
    struct session_request *request = of_message(message);
    struct session_shard *origin = name_origin(request);
    struct name_inode *inode;
    request->result = name_find_inode(request, request->ino, request->inode_generation, &inode);
    if (request->result == 0)
        fill_from_names(request, inode);
    name_send(origin->peers[JOURNAL_SHARD], origin->shard, &request->message, fstat_returned);
}

void session_fstat(struct session_request *request)
{
    request->ino = request->handle->ino;
    request->inode_generation = request->handle->inode_generation;
    name_send(name_origin(request), JOURNAL_SHARD, &request->message, fstat_at_names);
}

/* ---- symlinks and directories ---- */

void name_readlink(struct session_request *request)
{
    struct names_place place;
    int error = name_resolve(request, NAME_RANGE_FIRST, NAMES_NOFOLLOW, &place);
    int64_t result = error;
    if (!error && !S_ISLNK(place.inode->mode))
        result = -EINVAL;
    if (result == 0) {
        size_t length = strlen(place.inode->target);
        if (length > request->wire.length2)
            length = request->wire.length2;
        error = name_reply(request, place.inode->target, length);
        name_touch(request, place.inode);
        result = error ? error : (int64_t)length;
    }
    session_complete(request, result, 0, 0);
}

/* Writes the entry at `to` and returns its bytes, or 0 when there is no room. */
static uint32_t put_entry(unsigned char *to, uint32_t room, const struct name_entry *entry)
{
    uint32_t used = (uint32_t)sizeof(struct wt_wire_dirent) + entry->name_bytes;
    uint32_t bytes = (used + 7) & ~7u;
    if (bytes > room)
        return 0;
    struct wt_wire_dirent wire = {
        .ino = entry->inode->ino,
        .cookie = entry->cookie,
        .entry_bytes = (uint16_t)bytes,
        .type = entry->type,
        .name_bytes = entry->name_bytes,
    };
    memcpy(to, &wire, sizeof(wire));
    memcpy(to + sizeof(wire), entry->name, entry->name_bytes);
    memset(to + used, 0, bytes - used);
    return bytes;
}

void name_readdir(struct session_request *request)
{
    const struct wt_request *wire = &request->wire;
    const struct session_handle *handle = request->handle;
    struct name_inode *directory;
    int error = name_find_inode(request, handle->ino, handle->inode_generation, &directory);
    unsigned char *to = session_arena(request->queue, wire->arena_offset2, wire->length2);
    if (error || !to) {
        session_complete(request, error ? error : -EINVAL, 0, 0);
        return;
    }
    uint32_t room = wire->length2 < READDIR_BYTES_MAX ? wire->length2 : READDIR_BYTES_MAX;
    uint32_t used = 0, flags = 0;
    uint64_t cookie = wire->offset;
    for (;;) {
        const struct name_entry *entry = names_next_entry(directory, cookie);
        if (!entry) {
            flags = WT_COMPLETION_END;
            break;
        }
        uint32_t bytes = put_entry(to + used, room - used, entry);
        if (bytes == 0)
            break;
        used += bytes;
        cookie = entry->cookie;
    }
    if (!handle->keep_atime)
        name_touch(request, directory);
    bool too_small = used == 0 && !flags;
    session_complete(request, too_small ? -EINVAL : (int64_t)used, cookie, flags);
}
