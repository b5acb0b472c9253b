/* write.c - writes: into frames, never into one that is under I/O, and on to the file's dirty list. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/copy.h"
#include "server/file/file_internal.h"

/* Which bytes of a page a write replaces; none of its tail page. The tail of a range is its second edge. */
static void page_range(const struct file_operation *operation, uint64_t page, uint64_t *from,
                       uint64_t *to)
{
    uint64_t start = page << CACHE_PAGE_SHIFT;
    uint64_t end = operation->offset + operation->length_bytes;
    *from = *to = 0;
    if (operation->has_tail && page == operation->tail_page && !operation->zeroes)
        return;
    *from = operation->offset > start ? operation->offset - start : 0;
    *to = end - start < CACHE_PAGE_BYTES ? end - start : CACHE_PAGE_BYTES;
}

/* Whether something of the page's old contents is left after the write. */
static bool keeps_old(const struct file_operation *operation, uint64_t page)
{
    uint64_t start = page << CACHE_PAGE_SHIFT, from, to;
    uint64_t accepted = operation->file->accepted_bytes;
    if (accepted <= start)
        return false;
    page_range(operation, page, &from, &to);
    uint64_t used = accepted - start < CACHE_PAGE_BYTES ? accepted - start : CACHE_PAGE_BYTES;
    return from > 0 || to < used;
}

static bool needed(const struct file_operation *operation, uint64_t page)
{
    return keeps_old(operation, page);
}

/* What the write touches, computed from the size before it. */
static int compute_range(struct file_operation *operation)
{
    struct file *file = operation->file;
    if (operation->append)
        operation->offset = file->accepted_bytes;
    if (operation->offset > FILE_SIZE_BYTES_MAX ||
        operation->length_bytes > FILE_SIZE_BYTES_MAX - operation->offset)
        return -EFBIG;
    operation->end_bytes = operation->offset + operation->length_bytes;
    operation->first_page = operation->offset >> CACHE_PAGE_SHIFT;
    operation->page_count = 0;
    if (operation->length_bytes > 0)
        operation->page_count =
            ((operation->end_bytes - 1) >> CACHE_PAGE_SHIFT) - operation->first_page + 1;
    /* Not only when it moves the accepted size: until the size is recorded, a crash would take these bytes. */
    operation->extends = operation->end_bytes > file_recorded_bytes(file);
    operation->has_tail = false;
    if (operation->end_bytes > file->accepted_bytes &&
        file->accepted_bytes % CACHE_PAGE_BYTES != 0) {
        uint64_t tail = file->accepted_bytes >> CACHE_PAGE_SHIFT, block;
        bool inside = operation->page_count > 0 && tail >= operation->first_page;
        operation->tail_page = tail;
        operation->has_tail = !inside && (file_find_data(file, tail, &block) ||
                                          cache_find(operation->engine->cache, &file->pages, tail));
    }
    return 0;
}

/* Frames that applying will take: missing pages and copies of those under I/O. */
static uint64_t frames_wanted(struct file_operation *operation)
{
    uint64_t wanted = 0;
    for (uint64_t i = 0; i < operation_pages(operation); i++) {
        struct frame *frame = cache_find(operation->engine->cache, &operation->file->pages,
                                         operation_page(operation, i));
        wanted += !frame || frame->state == FRAME_WRITING;
    }
    return wanted;
}

/* Frames and waiters, all or nothing. */
static bool reserve(struct file_operation *operation)
{
    struct file_engine *engine = operation->engine;
    uint64_t wanted = frames_wanted(operation);
    if (engine->free_waiter_count < operation_pages(operation))
        return false;
    if (wanted == 0)
        return true;
    if (!operation_may_take(operation))
        return false;
    operation_pin_present(operation); /* or making room could evict what was just counted */
    return cache_reserve(engine->cache, wanted);
}

/* *mapped: recorded with data in it. An unwritten block is a place too; the record that comes after the data
 * converts it. */
static bool has_place(const struct file_operation *operation, uint64_t page, uint64_t *block,
                      bool *mapped)
{
    struct frame *frame = cache_find(operation->engine->cache, &operation->file->pages, page);
    if (!frame)
        return file_find_place(operation->file, page, block, mapped);
    *block = frame->block;
    *mapped = frame->mapped;
    return true;
}

/* A place for every page that has none. The mapping record is the allocation: until then these blocks are
 * known only to the frames. 1: placed; 0: the operation waits; or a negative errno. */
static int place_pages(struct file_operation *operation, struct space_piece *pieces)
{
    uint64_t unplaced = 0, goal = 0, block;
    bool mapped;
    for (uint64_t i = 0; i < operation->page_count; i++)
        unplaced += !has_place(operation, operation->first_page + i, &block, &mapped);
    if (unplaced == 0)
        return 1;
    if (operation->first_page > 0 &&
        has_place(operation, operation->first_page - 1, &block, &mapped))
        goal = block + 1;
    else if (file_find_place(operation->file, 0, &block, &mapped))
        goal = block + operation->first_page;
    unsigned count;
    int error = space_allocate(operation->engine->volume_shard->space, goal, unplaced, pieces,
                               SPACE_PIECES_MAX, &count);
    return error ? operation_borrow(operation, unplaced) : 1;
}

/* The frame the write goes into: the one in the index where its data may change, else a new version. */
static struct frame *frame_for_write(struct file_operation *operation, uint64_t page,
                                     uint64_t block, bool mapped)
{
    struct file_engine *engine = operation->engine;
    struct cache *cache = engine->cache;
    struct frame *old = cache_find(cache, &operation->file->pages, page);
    if (old && old->state != FRAME_WRITING) {
        engine->counters.merges += old->state == FRAME_DIRTY;
        return old;
    }
    struct frame *frame = cache_take(cache);
    bool derived = old && keeps_old(operation, page);
    if (derived)
        copy_bytes(frame->data, old->data, CACHE_PAGE_BYTES);
    else
        memset(frame->data, 0, CACHE_PAGE_BYTES);
    frame->block = block;
    frame->mapped = mapped;
    frame->state = FRAME_CLEAN; /* until apply_page makes it dirty */
    if (old) {
        cache_replace(cache, old, frame);
        frame->predecessor = old;
        frame->derived = derived;
        old->successor = frame;
        engine->counters.copies++;
    } else {
        cache_insert(cache, &operation->file->pages, page, frame);
    }
    return frame;
}

static void apply_page(struct file_operation *operation, uint64_t page, struct space_piece **piece)
{
    struct file *file = operation->file;
    uint64_t from, to, block = 0;
    bool mapped = false, fresh = !has_place(operation, page, &block, &mapped);
    if (fresh) {
        block = (*piece)->physical++;
        if (--(*piece)->blocks == 0)
            (*piece)++;
    }
    struct frame *frame = frame_for_write(operation, page, block, mapped);
    frame->fresh |= fresh;
    file->fresh_blocks += fresh;
    page_range(operation, page, &from, &to);
    if (operation->zeroes) {
        memset(frame->data + from, 0, to - from);
    } else if (to > from) {
        uint64_t position = (page << CACHE_PAGE_SHIFT) + from - operation->offset;
        copy_bytes(frame->data + from, operation->memory + position, to - from);
    }
    if (frame->state != FRAME_DIRTY) {
        frame->state = FRAME_DIRTY;
        frame->passing = operation->direct;
        list_add_tail(&file->dirty, &frame->dirty_link);
    }
    frame->passing &= operation->direct; /* somebody else's page too: stays */
    frame->durable_wanted |= operation->level == FILE_STABLE || operation->extends || !mapped;
    bool added = operation_add_waiter(operation, frame);
    assert(added); /* reserved */
    (void)added;
}

int write_pages(struct file_operation *operation)
{
    struct space_piece pieces[SPACE_PIECES_MAX + 1], *piece = pieces;
    pieces[0] = (struct space_piece){0}; /* stays so when every page has its place */
    bool enough = fill_missing(operation, needed, 0);
    if (operation->fills_pending && enough) {
        operation_pin_present(operation);
        return 0;
    }
    if (!enough || !reserve(operation)) {
        operation_wait_for_frames(operation);
        return 0;
    }
    int placed = place_pages(operation, pieces);
    if (placed <= 0)
        return placed;
    /* From here on nothing stops the write but an error of the device. */
    operation_unpin(operation);
    list_remove(&operation->queue_link);
    for (uint64_t i = 0; i < operation_pages(operation); i++)
        apply_page(operation, operation_page(operation, i), &piece);
    operation->pages_pending = operation->pages_undurable = (uint32_t)operation_pages(operation);
    if (operation->pages_pending > 0)
        file_mark_dirty(operation->file);
    return 1;
}

/* It is in frames: those behind it may go on. */
static void accept(struct file_operation *operation)
{
    struct file *file = operation->file;
    operation->stage = STAGE_APPLIED;
    list_remove(&operation->link);
    if (operation->extends) {
        list_add_tail(&file->extenders, &operation->extender_link);
        if (file->accepted_bytes < operation->end_bytes)
            file->accepted_bytes = operation->end_bytes;
    }
    file->mtime_ns = clock_realtime_ns();
    file_mark_times(file);
    operation->result_offset = operation->offset;
    operation->engine->counters.writes++;
    operation->engine->counters.write_bytes += operation->length_bytes;
}

void write_attempt(struct file_operation *operation)
{
    struct file *file = operation->file;
    int result = operation->error;
    if (!result && operation->engine->volume_shard->read_only)
        result = -EROFS;
    if (!result)
        result = compute_range(operation);
    bool nothing = operation->kind == FILE_WRITE && operation->length_bytes == 0;
    if (!result && !nothing) {
        result = write_pages(operation);
        if (result == 0)
            return;
    }
    if (result <= 0) {
        operation_finish(operation, result);
        return;
    }
    accept(operation);
    if (operation->level == FILE_BEHIND && operation->kind == FILE_WRITE) {
        if (file->visible_bytes < operation->end_bytes)
            file->visible_bytes = operation->end_bytes;
        operation_tell(operation, (int64_t)operation->length_bytes);
    }
    if (operation->pages_pending == 0)
        extenders_advance(file);
}
