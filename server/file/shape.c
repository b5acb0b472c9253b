/* shape.c - truncate, drop and times (see range.c for the rest); and the records that state a file's size and times. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/file/file_internal.h"

void file_add_state(struct file *file, struct record_builder *builder, uint64_t size_bytes)
{
    struct item_file item = {.header = {.kind = ITEM_FILE},
                             .ino = file->ino,
                             .generation = file->generation,
                             .size_bytes = size_bytes,
                             .atime_ns = file->atime_ns,
                             .mtime_ns = file->mtime_ns};
    record_add(builder, &item, sizeof(item), NULL, 0);
    list_remove(&file->times_link);
}

int64_t file_encode_state(struct file *file, void *buffer, size_t capacity_bytes,
                          uint64_t size_bytes)
{
    struct record_builder builder;
    record_begin(&builder, buffer, capacity_bytes, partition_number(file->partition));
    file_add_state(file, &builder, size_bytes);
    return record_end(&builder);
}

int64_t file_encode_unmap(struct file *file, void *buffer, size_t capacity_bytes,
                          uint64_t size_bytes, uint32_t flags)
{
    struct record_builder builder;
    uint64_t first = (size_bytes + CACHE_PAGE_BYTES - 1) >> CACHE_PAGE_SHIFT;
    struct item_unmap unmap = {.header = {.kind = ITEM_UNMAP, .count = flags},
                               .ino = file->ino,
                               .generation = file->generation,
                               .logical = first,
                               .blocks = FILE_PAGES_MAX - first};
    record_begin(&builder, buffer, capacity_bytes, partition_number(file->partition));
    file_add_state(file, &builder, size_bytes);
    record_add(&builder, &unmap, sizeof(unmap), NULL, 0);
    return record_end(&builder);
}

void file_apply_record(struct file *file, const void *record)
{
    struct file_engine *engine = file->engine;
    if (file->gone) /* its times were on their way when it was dropped */
        return;
    int error = partition_apply(file->partition, record, file_blocks_freed, engine);
    if (error)
        volume_fail(engine->volume_shard, error);
    if (!file->data)
        file->data = partition_find(file->partition, file->ino, file->generation);
}

/* Nothing that came before is unfinished, and nothing is in flight: promise 4. Operations that came later
 * are held up by the waiting list. */
bool file_drained(const struct file_operation *operation)
{
    const struct file *file = operation->file;
    return file->active.next == &operation->file_link && file->transfers == 0 &&
           list_empty(&file->extenders) && list_empty(&file->dirty);
}

void shape_end(struct file_operation *operation, int result)
{
    struct file *file = operation->file;
    file->operations++;
    operation_finish(operation, result);
    file_retry(file);
    file->operations--;
    file_maybe_free(file);
}

static void append_own_record(struct file_operation *operation, int64_t bytes, bool frees,
                              void (*done)(struct journal_append *))
{
    assert(bytes > 0);
    operation->busy = true;
    operation->stage = STAGE_APPLIED;
    operation->journal = (struct journal_append){
        .done = done, .record = operation->record, .record_bytes = (uint32_t)bytes, .frees = frees};
    journal_append(operation->engine->volume_shard, &operation->journal);
}

static void truncated(struct journal_append *append)
{
    struct file_operation *operation = list_entry(append, struct file_operation, journal);
    struct file *file = operation->file;
    operation->busy = false;
    if (append->result) {
        shape_end(operation, append->result);
        return;
    }
    file_apply_record(file, operation->record);
    uint64_t size = operation->offset, within = size % CACHE_PAGE_BYTES;
    file_drop_pages(file, (size + CACHE_PAGE_BYTES - 1) >> CACHE_PAGE_SHIFT, UINT64_MAX);
    struct frame *last =
        cache_find(operation->engine->cache, &file->pages, size >> CACHE_PAGE_SHIFT);
    if (within && last)
        memset(last->data + within, 0, CACHE_PAGE_BYTES - within); /* invariant Z */
    file->visible_bytes = file->accepted_bytes = file->submitted_bytes = size;
    shape_end(operation, 0);
}

/* Shrinks, or leaves the size and frees what lies past it. The record and what it frees take effect
 * together; the blocks come back only when it is durable. */
static void truncate(struct file_operation *operation)
{
    struct file *file = operation->file;
    if (operation->engine->volume_shard->read_only) {
        shape_end(operation, -EROFS);
        return;
    }
    file->mtime_ns = clock_realtime_ns();
    operation->engine->counters.truncates++;
    append_own_record(
        operation,
        file_encode_unmap(file, operation->record, sizeof(operation->record), operation->offset, 0),
        true, truncated);
}

static void confirmed(struct journal_append *append)
{
    struct file_operation *operation = list_entry(append, struct file_operation, journal);
    operation->busy = false;
    shape_end(operation, append->result);
}

/* Nothing is recorded of the file and nothing is to change. But a record of it whose write failed may be on
 * the medium all the same, so a journal that has failed must not answer that the file is empty. */
static void confirm_empty(struct file_operation *operation)
{
    operation->file->mtime_ns = clock_realtime_ns();
    file_mark_times(operation->file);
    operation->busy = true;
    operation->journal = (struct journal_append){.done = confirmed};
    journal_barrier(operation->engine->volume_shard, &operation->journal);
}

static void drop(struct file_operation *operation)
{
    struct file *file = operation->file;
    file_drop_pages(file, 0, UINT64_MAX);
    if (file->data)
        partition_drop(file->partition, file->data, file_blocks_freed, operation->engine);
    file->data = NULL;
    file->gone = true;
    list_remove(&file->times_link);
    shape_end(operation, 0);
}

static void times_recorded(struct journal_append *append)
{
    struct file_operation *operation = list_entry(append, struct file_operation, journal);
    operation->busy = false;
    if (append->result == 0)
        file_apply_record(operation->file, operation->record);
    shape_end(operation, append->result);
}

static void set_times(struct file_operation *operation)
{
    struct file *file = operation->file;
    if (operation->engine->volume_shard->read_only) {
        shape_end(operation, -EROFS);
        return;
    }
    if (operation->atime_ns != INT64_MIN)
        file->atime_ns = operation->atime_ns;
    if (operation->mtime_ns != INT64_MIN)
        file->mtime_ns = operation->mtime_ns;
    append_own_record(operation,
                      file_encode_state(file, operation->record, sizeof(operation->record),
                                        file->submitted_bytes),
                      false, times_recorded);
}

void shape_attempt(struct file_operation *operation)
{
    struct file *file = operation->file;
    if (operation->busy)
        return;
    if (operation->kind == FILE_SET_TIMES) {
        set_times(operation);
        return;
    }
    if (!file_drained(operation))
        return;
    if (operation->kind == FILE_DROP) {
        drop(operation);
    } else if (operation->offset > FILE_SIZE_BYTES_MAX) {
        shape_end(operation, -EFBIG);
    } else if (operation->offset > file->accepted_bytes) {
        operation->length_bytes = 0;
        operation->level = FILE_STABLE;
        write_attempt(operation); /* growing is a write of nothing that moves the size */
    } else if (!file->data && operation->offset == 0) {
        confirm_empty(operation);
    } else {
        truncate(operation);
    }
}
