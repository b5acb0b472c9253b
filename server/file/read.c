/* read.c - reads: from frames, after what is missing was brought in. */
#include <errno.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/copy.h"
#include "server/file/file_internal.h"

#define ATIME_INTERVAL_NS (24 * 3600 * 1000000000ll)
/* Reads of the shard between two looks at the clock for the daily update, beside each handle's first. */
#define ATIME_LOOK_EVERY 256u

/* Every page of a read that is not a hole is needed: the range was clipped to the visible size. */
static bool needed(const struct file_operation *operation, uint64_t page)
{
    (void)operation, (void)page;
    return true;
}

/* A write of this ring that was submitted before this read and moves the size is not posted yet: what it
 * wrote must be seen, so the read waits. */
static bool waits_for_size(const struct file_operation *operation)
{
    const struct file *file = operation->file;
    if (operation->offset + operation->length_bytes <= file->visible_bytes)
        return false;
    list_for_each(link, &file->extenders)
    {
        struct file_operation *extender = list_entry(link, struct file_operation, extender_link);
        if (extender->ticket < operation->ticket && !extender->told)
            return true;
    }
    return false;
}

/* relatime: atime moves when it is not newer than mtime, or (looked at now and then) a day old. */
static void touch(const struct file_operation *operation)
{
    struct file *file = operation->file;
    struct open_file *handle = operation->handle;
    bool looks = file->engine->counters.reads % ATIME_LOOK_EVERY == 0 || (handle && !handle->read);
    if (handle)
        handle->read = true;
    if (operation->keep_atime || (file->atime_ns > file->mtime_ns && !looks))
        return;
    int64_t now = clock_realtime_ns();
    if (file->atime_ns <= file->mtime_ns || now - file->atime_ns > ATIME_INTERVAL_NS) {
        file->atime_ns = now;
        file_mark_times(file);
    }
}

static void copy_out(struct file_operation *operation, uint64_t length_bytes)
{
    struct file *file = operation->file;
    unsigned char *to = operation->memory;
    uint64_t offset = operation->offset, left = length_bytes;
    while (left > 0) {
        uint64_t within = offset & (CACHE_PAGE_BYTES - 1);
        uint64_t part = CACHE_PAGE_BYTES - within < left ? CACHE_PAGE_BYTES - within : left;
        struct frame *frame =
            cache_find(operation->engine->cache, &file->pages, offset >> CACHE_PAGE_SHIFT);
        if (frame)
            copy_bytes(to, frame->data + within, part);
        else
            memset(to, 0, part);
        to += part;
        offset += part;
        left -= part;
    }
}

static bool sequential(const struct file_operation *operation)
{
    return operation->handle && operation->offset == operation->handle->sequential_end;
}

void read_attempt(struct file_operation *operation)
{
    struct file *file = operation->file;
    if (operation->error) {
        operation_finish(operation, operation->error);
        return;
    }
    if (waits_for_size(operation))
        return;
    uint64_t visible = file->visible_bytes;
    uint64_t left = operation->offset < visible ? visible - operation->offset : 0;
    uint64_t length = left < operation->length_bytes ? left : operation->length_bytes;
    operation->first_page = operation->offset >> CACHE_PAGE_SHIFT;
    operation->page_count =
        length ? ((operation->offset + length - 1) >> CACHE_PAGE_SHIFT) - operation->first_page + 1
               : 0;
    if (operation->direct && !operation->passed_by) {
        operation->passed_by = true; /* once: what it brings in while it waits is from the medium */
        file_drop_unused(operation);
    }
    bool ahead = !operation->direct && sequential(operation);
    if (!fill_missing(operation, needed, ahead ? READ_AHEAD_PAGES : 0)) {
        operation_wait_for_frames(operation);
        return;
    }
    if (operation->fills_pending) {
        operation_pin_present(operation);
        return;
    }
    struct file_engine *engine = operation->engine;
    copy_out(operation, length);
    if (operation->handle)
        operation->handle->sequential_end = operation->offset + length;
    engine->counters.reads++;
    engine->counters.read_bytes += length;
    if (operation->page_count > operation->missed)
        engine->counters.cache_hits += operation->page_count - operation->missed;
    touch(operation);
    if (operation->direct) {
        operation_unpin(operation);
        file_drop_unused(operation);
    }
    operation_finish(operation, (int64_t)length);
}
