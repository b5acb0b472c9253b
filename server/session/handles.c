/*
 * handles.c - the table of handles of one session on one shard.
 *
 * A handle on the wire is an index and a generation. The generation of a place grows at each use, so a
 * handle that was closed finds nothing, even after its place was given to another. Chunks never move:
 * requests and file operations keep pointers to handles.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "server/session/queue.h"

#define SWEEP_HANDLES \
    64u /* closed in one go when a session ends, so that others are served in between */

static struct session_handle *place_at(const struct session_queue *queue, uint32_t index)
{
    return &queue->handle_chunks[index / SESSION_HANDLE_CHUNK][index % SESSION_HANDLE_CHUNK];
}

static void give_place(struct session_queue *queue, uint32_t index)
{
    struct session_handle *place = place_at(queue, index);
    place->used = false;
    place->next_free = queue->handle_free;
    queue->handle_free = index + 1;
}

static int make_places(struct session_queue *queue)
{
    if (queue->handle_places == WT_HANDLES_MAX)
        return -EMFILE;
    if (queue->shard->handle_places + SESSION_HANDLE_CHUNK > WT_SHARD_HANDLES_MAX)
        return -ENFILE;
    struct session_handle *chunk = calloc(SESSION_HANDLE_CHUNK, sizeof(*chunk));
    if (!chunk)
        return -ENOMEM;
    uint32_t first = queue->handle_places;
    queue->handle_chunks[first / SESSION_HANDLE_CHUNK] = chunk;
    queue->handle_places += SESSION_HANDLE_CHUNK;
    queue->shard->handle_places += SESSION_HANDLE_CHUNK;
    for (uint32_t i = SESSION_HANDLE_CHUNK; i > 0; i--)
        give_place(queue, first + i - 1);
    return 0;
}

int session_handle_install(struct session_queue *queue, const struct session_handle *handle,
                           uint32_t *index, uint32_t *generation)
{
    assert(queue->handle_sweep == 0);
    if (!queue->handle_free) {
        int error = make_places(queue);
        if (error)
            return error;
    }
    uint32_t free_index = queue->handle_free - 1;
    struct session_handle *place = place_at(queue, free_index);
    uint32_t next_generation = place->generation + 1 ? place->generation + 1 : 1;
    queue->handle_free = place->next_free;
    queue->handle_count++;
    *place = *handle;
    place->generation = next_generation;
    place->index = free_index;
    place->next_free = 0;
    place->used = true;
    place->closing = false;
    place->in_flight = 0;
    place->close_request = NULL;
    *index = free_index;
    *generation = next_generation;
    return 0;
}

struct session_handle *session_handle_find(struct session_queue *queue, uint32_t index,
                                           uint32_t generation)
{
    if (index >= queue->handle_places)
        return NULL;
    struct session_handle *place = place_at(queue, index);
    bool found = place->used && !place->closing && place->generation == generation;
    return found ? place : NULL;
}

/* The end of a handle that no request uses. */
static void let_go(struct session_queue *queue, struct session_handle *handle)
{
    assert(handle->in_flight == 0);
    if (!handle->directory)
        file_release(handle->file.file);
    session_handle_closed(queue, handle);
    queue->handle_count--;
    give_place(queue, handle->index);
}

static void finish_close(struct session_queue *queue, struct session_handle *handle)
{
    struct session_request *request = handle->close_request;
    let_go(queue, handle);
    session_complete(request, 0, 0, 0);
}

void handle_close(struct session_handle *handle, struct session_request *request)
{
    handle->closing = true;
    handle->close_request = request;
    if (handle->in_flight == 0)
        finish_close(request->queue, handle);
}

void handle_unuse(struct session_queue *queue, struct session_handle *handle)
{
    assert(handle->in_flight > 0);
    handle->in_flight--;
    if (handle->in_flight == 0 && handle->closing)
        finish_close(queue, handle);
}

bool handles_sweep(struct session_queue *queue)
{
    for (unsigned closed = 0; queue->handle_count; queue->handle_sweep++) {
        assert(queue->handle_sweep < queue->handle_places);
        struct session_handle *handle = place_at(queue, queue->handle_sweep);
        if (!handle->used)
            continue;
        if (closed++ == SWEEP_HANDLES)
            return true;
        let_go(queue, handle);
    }
    return false;
}

void handles_free(struct session_queue *queue)
{
    for (uint32_t i = 0; i < WT_HANDLES_MAX / SESSION_HANDLE_CHUNK; i++) {
        free(queue->handle_chunks[i]);
        queue->handle_chunks[i] = NULL;
    }
    queue->shard->handle_places -= queue->handle_places;
    queue->handle_places = 0;
    queue->handle_free = 0;
}
