/* operation.c - an operation's life: taken, ordered among those of its file, attempted, told, finished. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "server/file/file_internal.h"

struct file_operation *file_operation_get(struct file_engine *engine)
{
    struct file_operation *operation;
    struct list *link = list_pop(&engine->free_operations);
    if (link)
        operation = list_entry(link, struct file_operation, link);
    else if (engine->operations_made < FILE_OPERATIONS_MAX)
        operation = &engine->operations[engine->operations_made++];
    else
        return NULL;
    memset(operation, 0, offsetof(struct file_operation, record));
    operation->engine = engine;
    operation->stage = STAGE_NEW;
    list_init(&operation->link);
    list_init(&operation->queue_link);
    list_init(&operation->extender_link);
    list_init(&operation->active_link);
    list_init(&operation->file_link);
    engine->operations_in_use++;
    return operation;
}

void file_operation_put(struct file_operation *operation)
{
    struct file_engine *engine = operation->engine;
    operation->stage = STAGE_FREE;
    list_add_head(&engine->free_operations, &operation->link);
    engine->operations_in_use--;
}

/* Posts the completion. A write at level behind is told before it is finished. */
void operation_tell(struct file_operation *operation, int64_t result)
{
    if (operation->told)
        return;
    operation->told = true;
    operation->result = result;
    operation->done(operation);
}

/* Out of every list before it is told: what done submits must not find itself behind an operation that is
 * over, because nobody would attempt it again. */
void operation_finish(struct file_operation *operation, int64_t result)
{
    struct file *file = operation->file;
    struct file_engine *engine = operation->engine;
    bool was_active = !list_empty(&operation->active_link);
    operation_unpin(operation);
    list_remove(&operation->link);
    list_remove(&operation->queue_link);
    list_remove(&operation->extender_link);
    list_remove(&operation->active_link);
    list_remove(&operation->file_link);
    operation_tell(operation, result);
    file_operation_put(operation);
    if (file) {
        file->operations--;
        file_maybe_free(file);
    }
    if (was_active)
        sync_all_progress(engine);
}

void operation_pin(struct file_operation *operation, uint64_t index, struct frame *frame)
{
    uint64_t bit = 1ull << (index % 64);
    if (operation->pinned[index / 64] & bit)
        return;
    operation->pinned[index / 64] |= bit;
    frame->pins++;
}

void operation_unpin(struct file_operation *operation)
{
    for (unsigned word = 0; word < FILE_PIN_WORDS; word++) {
        while (operation->pinned[word]) {
            unsigned bit = (unsigned)__builtin_ctzll(operation->pinned[word]);
            operation->pinned[word] &= operation->pinned[word] - 1;
            uint64_t page = operation_page(operation, word * 64 + bit);
            struct frame *frame =
                cache_find(operation->engine->cache, &operation->file->pages, page);
            assert(frame && frame->pins > 0);
            frame->pins--;
        }
    }
}

/* Keeps what is there of the operation's pages in the cache until operation_unpin. A pinned page stays in
 * the index under its number: whoever would replace or remove it conflicts with this operation and waits
 * behind it. */
void operation_pin_present(struct file_operation *operation)
{
    struct file *file = operation->file;
    for (uint64_t i = 0; i < operation_pages(operation); i++) {
        struct frame *frame =
            cache_find(operation->engine->cache, &file->pages, operation_page(operation, i));
        if (frame && frame->state != FRAME_FILLING)
            operation_pin(operation, i, frame);
    }
}

/* Nothing to work with: lets go of everything and queues. Operations are served strictly in order, and
 * nobody else takes frames while the queue is not empty, so the first always gets its frames in the end. */
void operation_wait_for_frames(struct file_operation *operation)
{
    operation_unpin(operation);
    operation->engine->counters.frame_waits++;
    if (list_empty(&operation->queue_link))
        list_add_tail(&operation->engine->frame_queue, &operation->queue_link);
}

bool operation_add_waiter(struct file_operation *operation, struct frame *frame)
{
    struct file_engine *engine = operation->engine;
    struct frame_waiter *waiter = engine->free_waiters;
    if (waiter)
        engine->free_waiters = waiter->next;
    else if (engine->waiters_made < engine->waiter_count)
        waiter = &engine->waiters[engine->waiters_made++];
    else
        return false;
    engine->free_waiter_count--;
    waiter->operation = operation;
    waiter->next = frame->waiters;
    frame->waiters = waiter;
    return true;
}

void waiter_give(struct file_engine *engine, struct frame_waiter *waiter)
{
    waiter->next = engine->free_waiters;
    engine->free_waiters = waiter;
    engine->free_waiter_count++;
}

static bool is_shape(const struct file_operation *operation)
{
    switch (operation->kind) {
    case FILE_TRUNCATE:
    case FILE_ALLOCATE:
    case FILE_PUNCH:
    case FILE_ZERO:
    case FILE_DROP:
        return true;
    default:
        return false;
    }
}

/* A write past the end also rewrites the page in which the file ends. */
static uint64_t first_page(const struct file_operation *operation)
{
    uint64_t accepted = operation->file->accepted_bytes;
    bool leaves_gap = operation->kind == FILE_WRITE && operation->offset > accepted;
    return (leaves_gap ? accepted : operation->offset) >> CACHE_PAGE_SHIFT;
}

static uint64_t last_page(const struct file_operation *operation)
{
    return (operation->offset + (operation->length_bytes ? operation->length_bytes - 1 : 0)) >>
           CACHE_PAGE_SHIFT;
}

/*
 * Whether `later` must wait for `earlier`, which came first and is not applied yet. Reads only meet writes
 * of the same pages. Two writes that may move the size keep their order, because each computes its range
 * from the size before it. Shape changes and syncs keep their order with everything that changes. A seek
 * looks at what is recorded, so it comes after all writes before it, and holds nobody.
 */
static bool conflicts(const struct file_operation *earlier, const struct file_operation *later)
{
    if (is_shape(earlier) || is_shape(later))
        return true;
    if (later->kind == FILE_SEEK)
        return earlier->kind == FILE_WRITE;
    if (earlier->kind == FILE_SEEK || (earlier->kind == FILE_READ && later->kind == FILE_READ))
        return false;
    if (later->kind == FILE_SYNC)
        return earlier->kind != FILE_READ && earlier->kind != FILE_SYNC;
    if (earlier->kind == FILE_SYNC || earlier->kind == FILE_SET_TIMES)
        return later->kind == FILE_SET_TIMES;
    if (later->kind == FILE_SET_TIMES)
        return earlier->kind == FILE_WRITE;
    uint64_t accepted = later->file->accepted_bytes;
    bool moves_earlier = earlier->kind == FILE_WRITE &&
                         (earlier->append || earlier->offset + earlier->length_bytes > accepted);
    bool moves_later = later->append || later->offset + later->length_bytes > accepted;
    if (moves_earlier && moves_later)
        return true;
    if (earlier->append || later->append)
        return true;
    return first_page(earlier) <= last_page(later) && first_page(later) <= last_page(earlier);
}

static bool blocked(struct file_operation *operation)
{
    struct file *file = operation->file;
    if (file->failing)
        return true;
    list_for_each(link, &file->waiting)
    {
        struct file_operation *earlier = list_entry(link, struct file_operation, link);
        if (earlier == operation)
            return false;
        if (conflicts(earlier, operation))
            return true;
    }
    return false;
}

static void attempt(struct file_operation *operation)
{
    switch (operation->kind) {
    case FILE_READ:
        read_attempt(operation);
        break;
    case FILE_WRITE:
        write_attempt(operation);
        break;
    case FILE_TRUNCATE:
    case FILE_DROP:
    case FILE_SET_TIMES:
        shape_attempt(operation);
        break;
    case FILE_ALLOCATE:
    case FILE_PUNCH:
    case FILE_ZERO:
        range_attempt(operation);
        break;
    case FILE_SEEK:
        seek_attempt(operation);
        break;
    case FILE_SYNC:
    case FILE_SYNC_ALL:
        sync_attempt(operation);
        break;
    }
}

void file_submit(struct file_operation *operation)
{
    struct file *file = operation->file;
    assert(operation->stage == STAGE_NEW);
    operation->ticket = operation->engine->next_ticket++;
    operation->stage = STAGE_WAITING;
    if (!file) {
        attempt(operation);
        return;
    }
    if (operation->kind == FILE_WRITE || is_shape(operation)) {
        list_add_tail(&operation->engine->active, &operation->active_link);
        list_add_tail(&file->active, &operation->file_link);
    }
    file->operations++;
    bool first = list_empty(&file->waiting) && !file->failing;
    list_add_tail(&file->waiting, &operation->link);
    if (first || !blocked(operation))
        attempt(operation);
}

/*
 * Something changed for the file: every waiting operation that nothing before it blocks is attempted again.
 * An attempt may finish operations and end up here again; then the outer call takes another round, so that
 * the depth is bounded. Each round either takes an operation out of the list or is the last.
 */
void file_retry(struct file *file)
{
    if (file->retrying) {
        file->retry_again = true;
        return;
    }
    file->retrying = true;
    file->operations++; /* the file must outlive its operations here */
    do {
        file->retry_again = false;
        list_for_each_safe(link, after, &file->waiting)
        {
            struct file_operation *operation = list_entry(link, struct file_operation, link);
            if (operation->busy || operation->fills_pending || !list_empty(&operation->queue_link))
                continue;
            if (!blocked(operation))
                attempt(operation);
            if (file->retry_again)
                break; /* the list may have changed under `after` */
        }
    } while (file->retry_again);
    file->retrying = false;
    file->operations--;
    file_maybe_free(file);
}

/* Frames, transfers or waiters came free: those who wait for them, in order. The first keeps its place
 * while it is attempted; if it is still there afterwards there is not enough for it yet. */
void engine_serve_queue(struct file_engine *engine)
{
    while (!list_empty(&engine->frame_queue)) {
        struct list *link = engine->frame_queue.next;
        struct file_operation *first = list_entry(link, struct file_operation, queue_link);
        struct file *file = first->file;
        if (first->busy || first->fills_pending)
            return;
        if (blocked(
                first)) { /* since it queued; perhaps by one behind it. file_retry brings it back */
            list_remove(link);
            continue;
        }
        file->operations++;
        attempt(first);
        file->operations--;
        bool stuck = engine->frame_queue.next == link;
        if (!stuck)
            file_retry(file);
        file_maybe_free(file);
        if (stuck)
            return;
    }
}

/* Whether this operation may take frames and the like now: nobody queued before it. */
bool operation_may_take(const struct file_operation *operation)
{
    const struct list *queue = &operation->engine->frame_queue;
    return list_empty(queue) || queue->next == &operation->queue_link;
}
