/*
 * commit.c - what happens when a write has landed: durability, the record, and the end in its order.
 *
 * Order at the end (promise 3): convert extents, then size (both by applying the record), then unpin the
 * frames, then drop the counts, then post.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "server/file/file_internal.h"

/* A write is through: what it made visible is visible, and whoever waits for it is told. */
static void write_finished(struct file_operation *operation)
{
    struct file *file = operation->file;
    if (operation->zeroes) {
        file->engine->counters.write_errors += operation->error != 0;
        range_edges_landed(operation);
        return;
    }
    if (operation->error) {
        if (operation->told) /* by a sync then */
            file_note_error(file, operation->error);
        else
            file->engine->counters.write_errors++;
        operation_finish(operation, operation->error);
        return;
    }
    if (operation->extends && file->visible_bytes < operation->end_bytes)
        file->visible_bytes = operation->end_bytes;
    operation_finish(operation, operation->length_bytes);
}

/* Finishes the extenders whose pages are on the medium and whose size is recorded (or that failed). */
static void extenders_settle(struct file *file)
{
    uint64_t recorded = file_recorded_bytes(file);
    list_for_each_safe(link, after, &file->extenders)
    {
        struct file_operation *operation = list_entry(link, struct file_operation, extender_link);
        if (operation->pages_pending > 0 || operation->busy)
            continue;
        if (operation->error || recorded >= operation->end_bytes)
            write_finished(operation);
    }
}

/* The largest size that may be recorded now: that of the last extender before which all is durable. */
static uint64_t extenders_ready(struct file *file, struct file_operation **last)
{
    uint64_t ready = 0;
    list_for_each(link, &file->extenders)
    {
        struct file_operation *operation = list_entry(link, struct file_operation, extender_link);
        if (operation->pages_undurable > 0 || operation->error)
            break;
        if (ready < operation->end_bytes)
            ready = operation->end_bytes;
        *last = operation;
    }
    return ready;
}

static void fail_extenders(struct file *file)
{
    int error = 0;
    list_for_each(link, &file->extenders)
    {
        struct file_operation *operation = list_entry(link, struct file_operation, extender_link);
        if (!error)
            error = operation->error;
        else if (!operation->error)
            operation->error = error;
    }
    file->failing |= error != 0;
}

struct unmap_past_end {
    struct journal_append append;
    struct file *file;
    unsigned char record[FILE_STATE_RECORD_BYTES] __attribute__((aligned(8)));
};

static void file_recovered(struct file *file)
{
    file->visible_bytes = file->accepted_bytes = file->submitted_bytes = file_recorded_bytes(file);
    file->failing = file->repairing = false;
}

static void unmapped_past_end(struct journal_append *append)
{
    struct unmap_past_end *unmap = list_entry(append, struct unmap_past_end, append);
    struct file *file = unmap->file;
    if (append->result == 0)
        file_apply_record(file, unmap->record);
    free(unmap);
    file->engine->background_records--;
    file_recovered(file);
    file->operations--;
    file_retry(file);
}

/* What a failed extender mapped past the recorded size is given back, so that a later, longer file has a
 * hole there; what was allocated there and never written stays allocated. Without memory it stays mapped: the
 * failed write's own bytes, which is allowed. */
static bool unmap_past_end(struct file *file)
{
    uint64_t first = (file_recorded_bytes(file) + CACHE_PAGE_BYTES - 1) >> CACHE_PAGE_SHIFT;
    struct extent extent;
    struct unmap_past_end *unmap;
    if (!file->data || !extents_find_written(&file->data->extents, first, &extent) ||
        file->engine->volume_shard->read_only || !(unmap = calloc(1, sizeof(*unmap))))
        return false;
    unmap->file = file;
    unmap->append.done = unmapped_past_end;
    unmap->append.record = unmap->record;
    unmap->append.record_bytes = (uint32_t)file_encode_unmap(
        file, unmap->record, sizeof(unmap->record), file_recorded_bytes(file), UNMAP_WRITTEN_ONLY);
    unmap->append.frees = true;
    file->operations++;
    file->engine->background_records++;
    journal_append(file->engine->volume_shard, &unmap->append);
    return true;
}

/* Pages go that waiting operations counted on: they look again. */
static void unpin_all(struct file *file)
{
    list_for_each(link, &file->waiting)
        operation_unpin(list_entry(link, struct file_operation, link));
}

/* The end of `failing`, when nothing of the file is in flight any more. */
static void end_failing(struct file *file)
{
    if (!file->failing || file->repairing || file->transfers || !list_empty(&file->extenders) ||
        !list_empty(&file->dirty))
        return;
    unpin_all(file);
    file_drop_pages(file, 0, UINT64_MAX);
    file->repairing = true;
    file->submitted_bytes = file_recorded_bytes(file);
    if (!unmap_past_end(file))
        file_recovered(file);
}

/* Left there, they would show when the file grows over them: the record that maps a block may be durable
 * long before the one that moves the size. Until they are gone the file takes nothing, as after a failure. */
void file_trim(struct file *file)
{
    file->failing = file->repairing = true;
    if (!unmap_past_end(file))
        file_recovered(file);
}

void file_progress(struct file *file)
{
    file->operations++; /* holds the file */
    fail_extenders(file);
    extenders_settle(file);
    end_failing(file);
    if (!list_empty(&file->dirty))
        file_mark_dirty(file);
    if (!list_empty(&file->waiting))
        file_retry(file);
    file->operations--;
    file_maybe_free(file);
}

/* Moves the frame's waiters to `told`. They are told only when all frames of the transfer are in order: done
 * may submit a write that takes one of these frames. */
static void collect_waiters(struct frame *frame, int error, struct frame_waiter **told)
{
    while (frame->waiters) {
        struct frame_waiter *waiter = frame->waiters;
        frame->waiters = waiter->next;
        waiter->next = *told;
        *told = waiter;
        if (error && !waiter->operation->error)
            waiter->operation->error = error;
    }
}

static void tell_waiters(struct file_engine *engine, struct frame_waiter *told)
{
    while (told) {
        struct frame_waiter *waiter = told;
        struct file_operation *operation = waiter->operation;
        told = waiter->next;
        waiter_give(engine, waiter);
        operation->pages_pending--;
        if (operation->pages_pending == 0 && !operation->extends)
            write_finished(operation);
    }
}

/* The frame is on the medium, with its record. A newer version takes over, or it is simply clean. */
static void frame_landed(struct file *file, struct frame *frame, struct frame_waiter **told)
{
    struct cache *cache = file->engine->cache;
    struct frame *successor = frame->successor;
    file->fresh_blocks -= frame->fresh;
    frame->fresh = false;
    frame->mapped = true;
    frame->state = FRAME_CLEAN;
    collect_waiters(frame, 0, told);
    if (!successor && frame->passing && frame->pins == 0) {
        cache_remove(cache, frame);
        cache_give(cache, frame);
    }
    if (!successor)
        return;
    successor->predecessor = NULL;
    successor->derived = false;
    successor->mapped = true;
    cache_give(cache, frame);
}

/* The frame's write failed. A newer version that holds bytes of it fails too; one written whole goes on, and
 * takes over a block that is not recorded yet. A block that is recorded as unwritten stays the file's. */
static void frame_failed(struct file *file, struct frame *frame, int error,
                         struct frame_waiter **told)
{
    struct file_engine *engine = file->engine;
    struct frame *successor = frame->successor;
    bool give_block = frame->fresh;
    unpin_all(file);
    collect_waiters(frame, error, told);
    if (successor && successor->derived) {
        collect_waiters(successor, error, told);
        list_remove(&successor->dirty_link);
        cache_remove(engine->cache, successor);
        cache_give(engine->cache, successor);
    } else if (successor) {
        successor->predecessor = NULL;
        successor->fresh = frame->fresh;
        give_block = false;
    } else {
        cache_remove(engine->cache, frame);
    }
    if (give_block) {
        file->fresh_blocks--;
        file_blocks_freed(engine, frame->block, 1);
    }
    frame->state = FRAME_CLEAN;
    cache_give(engine->cache, frame);
}

static void transfer_end(struct transfer *transfer, int error)
{
    struct file *file = transfer->file;
    struct frame_waiter *told = NULL;
    file->operations++; /* holds the file */
    for (unsigned i = 0; i < transfer->page_count; i++) {
        if (error)
            frame_failed(file, transfer->frames[i], error, &told);
        else
            frame_landed(file, transfer->frames[i], &told);
    }
    transfer_release(transfer);
    fail_extenders(file);
    tell_waiters(file->engine, told);
    file->operations--;
    file_progress(file);
}

static void transfer_recorded(struct journal_append *append)
{
    struct transfer *transfer = list_entry(append, struct transfer, append);
    if (append->result == 0)
        file_apply_record(transfer->file, transfer->record);
    transfer_end(transfer, append->result);
}

/* One ITEM_MAP for each run of blocks with a new one in it. What is mapped already is stated again rather
 * than left out: so there are no more runs than pieces, and the record has room for that many. */
static void encode_maps(struct transfer *transfer, struct record_builder *builder)
{
    struct file *file = transfer->file;
    unsigned run;
    for (unsigned i = 0; i < transfer->page_count; i += run) {
        struct frame *first = transfer->frames[i];
        bool any_new = !first->mapped;
        for (run = 1; i + run < transfer->page_count; run++) {
            const struct frame *next = transfer->frames[i + run];
            if (next->block != first->block + run)
                break;
            any_new |= !next->mapped;
        }
        if (!any_new)
            continue;
        struct item_map map = {.header = {.kind = ITEM_MAP},
                               .ino = file->ino,
                               .generation = file->generation,
                               .logical = first->page,
                               .physical = first->block,
                               .blocks = run};
        record_add(builder, &map, sizeof(map), NULL, 0);
    }
}

/* The data is durable. What maps blocks, and the size as far as all before it is durable too, goes into one
 * record: it is appended only now, so no record is durable before its data. */
static void transfer_durable(struct transfer *transfer)
{
    struct file *file = transfer->file;
    struct record_builder builder;
    struct file_operation *last = NULL;
    for (unsigned i = 0; i < transfer->page_count; i++)
        for (struct frame_waiter *waiter = transfer->frames[i]->waiters; waiter;
             waiter = waiter->next)
            waiter->operation->pages_undurable--;
    record_begin(&builder, transfer->record, sizeof(transfer->record),
                 partition_number(file->partition));
    encode_maps(transfer, &builder);
    uint64_t ready = extenders_ready(file, &last);
    bool grows = ready > file->submitted_bytes;
    if (grows)
        file->submitted_bytes = ready;
    if (grows ||
        (!file->data && record_used(&builder) > 0)) /* a map alone would make its times 1970 */
        file_add_state(file, &builder, file->submitted_bytes);
    if (record_used(&builder) == 0) {
        transfer_end(transfer, 0);
        return;
    }
    int64_t bytes = record_end(&builder);
    assert(bytes > 0);
    transfer->append = (struct journal_append){
        .done = transfer_recorded, .record = transfer->record, .record_bytes = (uint32_t)bytes};
    journal_append(file->engine->volume_shard, &transfer->append);
}

static void transfer_flushed(struct flush_request *flush)
{
    struct transfer *transfer = list_entry(flush, struct transfer, flush);
    if (flush->result)
        transfer_end(transfer, flush->result);
    else
        transfer_durable(transfer);
}

void transfer_landed(struct transfer *transfer)
{
    struct file *file = transfer->file;
    struct file_engine *engine = file->engine;
    bool volatile_cache = engine->capabilities->volatile_cache;
    if (transfer->error) {
        transfer_end(transfer, transfer->error);
    } else if (!transfer->durable) {
        file->unflushed_writes += volatile_cache;
        engine->unflushed_writes += volatile_cache;
        transfer_end(transfer, 0);
    } else if (transfer->fua || !volatile_cache) {
        transfer_durable(transfer);
    } else {
        transfer->flush = (struct flush_request){.done = transfer_flushed};
        volume_flush(engine->volume_shard, &transfer->flush);
    }
}

static void size_recorded(struct journal_append *append)
{
    struct file_operation *operation = list_entry(append, struct file_operation, journal);
    operation->busy = false;
    if (append->result == 0)
        file_apply_record(operation->file, operation->record);
    else if (!operation->error)
        operation->error = append->result;
    file_progress(operation->file);
}

/* Growing without pages to write: no transfer comes by to carry the size. */
void extenders_advance(struct file *file)
{
    struct file_operation *last = NULL;
    uint64_t ready = extenders_ready(file, &last);
    if (ready <= file->submitted_bytes || !last || last->busy)
        return;
    int64_t bytes = file_encode_state(file, last->record, sizeof(last->record), ready);
    assert(bytes > 0);
    file->submitted_bytes = ready;
    last->busy = true;
    last->journal = (struct journal_append){
        .done = size_recorded, .record = last->record, .record_bytes = (uint32_t)bytes};
    journal_append(file->engine->volume_shard, &last->journal);
}
