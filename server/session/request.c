/*
 * request.c - one request: checked on its private copy, then handed to those who serve it.
 *
 * Data requests (READ, WRITE, TRUNCATE, ALLOCATE, SEEK, SYNC of a file) become file operations here. What concerns names,
 * directories or the whole volume goes to session_name_request. Everything a client can get wrong ends in a
 * completion with an errno; nothing here asserts what a client says.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "server/session/queue.h"

#define WIRE_MODE_MAX 0177777u

/* What a request may say; all other fields must be zero. */
#define TAKES_HANDLE   1u
#define TAKES_LEVEL    2u
#define TAKES_OFFSET   4u
#define TAKES_RANGE    8u
#define TAKES_RANGE2   16u
#define TAKES_ARGUMENT 32u
/* May name the handle of a directory, where a path without a leading slash begins. */
#define TAKES_DIRECTORY 128u
#define TAKES_PATH      (TAKES_RANGE | TAKES_LEVEL | TAKES_DIRECTORY)
#define TAKES_PATHS     (TAKES_PATH | TAKES_RANGE2)
#define IS_SERVED       64u  /* known, and there in this version */
#define TAKES_MODE      256u /* length is no length */

static const struct {
    uint16_t takes;
    uint8_t flags;
} rules[WT_OP_COUNT] = {
    [WT_OP_NOP] = {IS_SERVED, 0},
    [WT_OP_OPEN] = {IS_SERVED | TAKES_PATH | TAKES_ARGUMENT, 0},
    [WT_OP_CLOSE] = {IS_SERVED | TAKES_HANDLE, 0},
    [WT_OP_READ] = {IS_SERVED | TAKES_HANDLE | TAKES_OFFSET | TAKES_RANGE, WT_REQUEST_DIRECT},
    [WT_OP_WRITE] = {IS_SERVED | TAKES_HANDLE | TAKES_LEVEL | TAKES_OFFSET | TAKES_RANGE,
                     WT_REQUEST_APPEND | WT_REQUEST_ATOMIC | WT_REQUEST_DIRECT},
    [WT_OP_SYNC] = {IS_SERVED | TAKES_HANDLE, WT_REQUEST_DATASYNC},
    [WT_OP_SYNCFS] = {IS_SERVED, 0},
    [WT_OP_TRUNCATE] = {IS_SERVED | TAKES_HANDLE | TAKES_LEVEL | TAKES_OFFSET, 0},
    [WT_OP_STAT] = {IS_SERVED | TAKES_RANGE | TAKES_RANGE2 | TAKES_DIRECTORY, WT_REQUEST_NOFOLLOW},
    [WT_OP_FSTAT] = {IS_SERVED | TAKES_HANDLE | TAKES_RANGE2, 0},
    [WT_OP_STATVFS] = {IS_SERVED | TAKES_RANGE2, 0},
    [WT_OP_MKDIR] = {IS_SERVED | TAKES_PATH | TAKES_ARGUMENT, 0},
    [WT_OP_RMDIR] = {IS_SERVED | TAKES_PATH, 0},
    [WT_OP_UNLINK] = {IS_SERVED | TAKES_PATH, 0},
    [WT_OP_RENAME] = {IS_SERVED | TAKES_PATHS | TAKES_OFFSET | TAKES_ARGUMENT, 0},
    [WT_OP_LINK] = {IS_SERVED | TAKES_PATHS | TAKES_OFFSET, WT_REQUEST_FOLLOW | WT_REQUEST_OBJECT},
    [WT_OP_SYMLINK] = {IS_SERVED | TAKES_PATHS, 0},
    [WT_OP_READLINK] = {IS_SERVED | TAKES_RANGE | TAKES_RANGE2 | TAKES_DIRECTORY, 0},
    [WT_OP_CHMOD] = {IS_SERVED | TAKES_PATH | TAKES_ARGUMENT,
                     WT_REQUEST_NOFOLLOW | WT_REQUEST_OBJECT},
    [WT_OP_CHOWN] = {IS_SERVED | TAKES_PATH | TAKES_ARGUMENT,
                     WT_REQUEST_NOFOLLOW | WT_REQUEST_OBJECT},
    [WT_OP_UTIMENS] = {IS_SERVED | TAKES_PATHS, WT_REQUEST_NOFOLLOW | WT_REQUEST_OBJECT},
    [WT_OP_READDIR] = {IS_SERVED | TAKES_HANDLE | TAKES_OFFSET | TAKES_RANGE2, 0},
    [WT_OP_STATS] = {IS_SERVED | TAKES_RANGE2, 0},
    [WT_OP_ALLOCATE] = {IS_SERVED | TAKES_HANDLE | TAKES_LEVEL | TAKES_OFFSET | TAKES_ARGUMENT |
                            TAKES_MODE,
                        0},
    [WT_OP_SEEK] = {IS_SERVED | TAKES_HANDLE | TAKES_OFFSET | TAKES_ARGUMENT, 0},
};

unsigned char *session_arena(const struct session_queue *queue, uint32_t offset, uint32_t length)
{
    const struct session *session = queue->session;
    if ((uint64_t)offset + length > session->arena_bytes)
        return NULL;
    return session->arena + offset;
}

static bool level_fits(const struct wt_request *wire, unsigned takes)
{
    if (takes & TAKES_LEVEL)
        return wire->level >= WT_LEVEL_BEHIND && wire->level <= WT_LEVEL_STABLE;
    return wire->level == 0;
}

static bool handle_fits(const struct wt_request *wire, unsigned takes)
{
    return takes & TAKES_HANDLE ||
           (takes & TAKES_DIRECTORY && wire->handle_index != WT_NO_HANDLE) ||
           (wire->handle_index == WT_NO_HANDLE && wire->handle_generation == 0);
}

/* The object of a handle has no path, and so nothing to follow. */
static bool object_fits(const struct wt_request *wire)
{
    return !(wire->flags & WT_REQUEST_OBJECT) ||
           (wire->flags == WT_REQUEST_OBJECT && !(wire->arena_offset | wire->length));
}

static bool unused_are_zero(const struct wt_request *wire, unsigned takes)
{
    return (takes & TAKES_OFFSET || !wire->offset) && (takes & TAKES_ARGUMENT || !wire->argument) &&
           (takes & TAKES_RANGE || !wire->arena_offset) &&
           (takes & (TAKES_RANGE | TAKES_MODE) || !wire->length) &&
           (takes & TAKES_RANGE2 || !(wire->arena_offset2 | wire->length2));
}

/* A mode has 16 bits; OPEN's argument has its flags above. */
static bool mode_fits(const struct wt_request *wire)
{
    switch (wire->opcode) {
    case WT_OP_OPEN:
        return (uint32_t)wire->argument <= WIRE_MODE_MAX;
    case WT_OP_MKDIR:
    case WT_OP_CHMOD:
        return wire->argument <= WIRE_MODE_MAX;
    default:
        return true;
    }
}

/* What can be said without looking at what the request names. */
static int check_form(const struct session_queue *queue, const struct wt_request *wire)
{
    if (wire->opcode >= WT_OP_COUNT)
        return -EINVAL;
    unsigned takes = rules[wire->opcode].takes;
    if (!(takes & IS_SERVED) || wire->flags & ~(uint32_t)rules[wire->opcode].flags ||
        !level_fits(wire, takes) || !handle_fits(wire, takes) || !unused_are_zero(wire, takes) ||
        !object_fits(wire) || !mode_fits(wire))
        return -EINVAL;
    uint32_t length = takes & TAKES_MODE ? 0 : wire->length;
    if (!session_arena(queue, wire->arena_offset, length) ||
        !session_arena(queue, wire->arena_offset2, wire->length2))
        return -EINVAL;
    return 0;
}

static int check_data(const struct wt_request *wire)
{
    if (wire->flags & WT_REQUEST_ATOMIC)
        return -EOPNOTSUPP;
    if (wire->length > WT_REQUEST_BYTES_MAX || wire->offset > (uint64_t)INT64_MAX - wire->length)
        return -EINVAL;
    return 0;
}

static int check_read(const struct session_handle *handle, const struct wt_request *wire)
{
    if (handle->directory)
        return -EISDIR;
    if (handle->access == O_WRONLY)
        return -EBADF;
    return check_data(wire);
}

static int check_write(const struct session_handle *handle, const struct wt_request *wire)
{
    if (handle->directory || handle->access == O_RDONLY)
        return -EBADF;
    int error = check_data(wire);
    if (error || wire->length == 0)
        return error;
    bool appends = handle->append || wire->flags & WT_REQUEST_APPEND;
    return !appends && wire->offset + wire->length > FILE_SIZE_BYTES_MAX ? -EFBIG : 0;
}

static int check_truncate(const struct session_handle *handle, const struct wt_request *wire)
{
    if (handle->directory || handle->access == O_RDONLY || wire->offset > INT64_MAX)
        return -EINVAL;
    return wire->offset > FILE_SIZE_BYTES_MAX ? -EFBIG : 0;
}

/* In the order in which fallocate(2) looks. */
static int check_allocate(const struct session_handle *handle, const struct wt_request *wire)
{
    uint64_t bytes = wire->argument;
    if (wire->offset > INT64_MAX || bytes == 0 || bytes > INT64_MAX)
        return -EINVAL;
    switch (wire->length) {
    case 0:
    case FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_ZERO_RANGE:
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
        break;
    default:
        return -EOPNOTSUPP;
    }
    if (handle->directory || handle->access == O_RDONLY)
        return -EBADF;
    return wire->offset + bytes > FILE_SIZE_BYTES_MAX ? -EFBIG : 0;
}

static enum file_kind allocate_kind(uint32_t mode)
{
    if (mode & FALLOC_FL_PUNCH_HOLE)
        return FILE_PUNCH;
    return mode & FALLOC_FL_ZERO_RANGE ? FILE_ZERO : FILE_ALLOCATE;
}

static int check_seek(const struct session_handle *handle, const struct wt_request *wire)
{
    if (wire->argument != SEEK_DATA && wire->argument != SEEK_HOLE)
        return -EINVAL;
    return handle->directory ? -EISDIR : 0;
}

static void operation_done(struct file_operation *operation)
{
    session_complete(operation->context, operation->result,
                     operation->append ? operation->result_offset : 0, 0);
}

/* Hands the request to the file engine. The handle is counted from here until session_complete. */
static void submit(struct session_request *request, struct session_handle *handle,
                   struct file_operation *operation, enum file_kind kind)
{
    const struct wt_request *wire = &request->wire;
    handle->in_flight++;
    request->handle = handle;
    operation->done = operation_done;
    operation->context = request;
    operation->kind = kind;
    operation->level = (enum file_level)wire->level;
    operation->direct = wire->flags & WT_REQUEST_DIRECT;
    operation->keep_atime = handle->keep_atime;
    operation->keep_size = wire->opcode == WT_OP_ALLOCATE && wire->length & FALLOC_FL_KEEP_SIZE;
    operation->seek_hole = kind == FILE_SEEK && wire->argument == SEEK_HOLE;
    operation->append = kind == FILE_WRITE && (handle->append || wire->flags & WT_REQUEST_APPEND);
    operation->datasync = wire->flags & WT_REQUEST_DATASYNC;
    operation->file = handle->file.file;
    operation->handle = &handle->file;
    operation->offset = wire->offset;
    operation->length_bytes = wire->opcode == WT_OP_ALLOCATE ? wire->argument : wire->length;
    operation->memory = request->queue->session->arena + wire->arena_offset;
    if (__builtin_expect(handle->strips, 0) && kind != FILE_READ && kind != FILE_SEEK &&
        kind != FILE_SYNC)
        session_strip(request, handle, operation);
    file_submit(operation);
}

/* error is what the checks said; then the rest of a data request. False: no operation is free. */
static bool serve_data(struct session_request *request, struct session_handle *handle, int error,
                       enum file_kind kind)
{
    bool moves_data = kind == FILE_READ || kind == FILE_WRITE;
    if (error || (moves_data && request->wire.length == 0)) {
        session_complete(request, error, 0, 0);
        return true;
    }
    struct file_operation *operation = file_operation_get(request->queue->shard->engine);
    if (!operation)
        return false;
    submit(request, handle, operation, kind);
    return true;
}

/* Those may rely on every field behind the copy being zero but the handle. */
static bool serve_name(struct session_request *request, struct session_handle *handle)
{
    size_t from = offsetof(struct session_request, message);
    memset((char *)request + from, 0, sizeof(*request) - from);
    if (handle) {
        handle->in_flight++;
        request->handle = handle;
    }
    if (request->wire.opcode == WT_OP_FSTAT)
        session_fstat(request);
    else
        session_name_request(request);
    return true;
}

static bool serve_handle(struct session_request *request, struct session_handle *handle)
{
    const struct wt_request *wire = &request->wire;
    switch (wire->opcode) {
    case WT_OP_READ:
        return serve_data(request, handle, check_read(handle, wire), FILE_READ);
    case WT_OP_WRITE:
        return serve_data(request, handle, check_write(handle, wire), FILE_WRITE);
    case WT_OP_TRUNCATE:
        return serve_data(request, handle, check_truncate(handle, wire), FILE_TRUNCATE);
    case WT_OP_ALLOCATE:
        return serve_data(request, handle, check_allocate(handle, wire),
                          allocate_kind(wire->length));
    case WT_OP_SEEK:
        return serve_data(request, handle, check_seek(handle, wire), FILE_SEEK);
    case WT_OP_SYNC:
        return handle->directory ? serve_name(request, handle)
                                 : serve_data(request, handle, 0, FILE_SYNC);
    case WT_OP_CLOSE:
        handle_close(handle, request);
        return true;
    case WT_OP_READDIR:
        if (!handle->directory) {
            session_complete(request, -ENOTDIR, 0, 0);
            return true;
        }
        return serve_name(request, handle);
    default:
        return serve_name(request, handle);
    }
}

static bool refuse(struct session_request *request, int error)
{
    request->queue->shard->counters.bad_requests++;
    session_complete(request, error, 0, 0);
    return true;
}

bool request_serve(struct session_request *request)
{
    struct session_queue *queue = request->queue;
    const struct wt_request *wire = &request->wire;
    int error = check_form(queue, wire);
    if (__builtin_expect(error != 0, 0))
        return refuse(request, error);
    if (rules[wire->opcode].takes & TAKES_HANDLE || wire->flags & WT_REQUEST_OBJECT) {
        struct session_handle *handle =
            session_handle_find(queue, wire->handle_index, wire->handle_generation);
        return handle ? serve_handle(request, handle) : refuse(request, -EBADF);
    }
    if (wire->opcode == WT_OP_NOP) {
        session_complete(request, 0, 0, 0);
        return true;
    }
    /* The client was told which shard serves names. */
    if (queue->shard->shard != JOURNAL_SHARD)
        return refuse(request, -EINVAL);
    return serve_name(request, NULL);
}
