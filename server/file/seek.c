/*
 * seek.c - the next place with data, or without.
 *
 * It looks at what is recorded, after every write that came before it has landed: so it needs no frame, and
 * each step is one extent, however large the file is. Unwritten is a hole, and so is the end of the file.
 */
#include <errno.h>

#include "server/file/file_internal.h"

/* Extents looked at before the shard goes on with something else. */
#define SEEK_EXTENTS_MAX 1024u

static void go_on(struct journal_append *append)
{
    struct file_operation *operation = list_entry(append, struct file_operation, journal);
    operation->busy = false;
    file_retry(operation->file);
}

/* Moves the cursor to the first page at or after it that is what is looked for. 1: it is there; 0: not yet;
 * -ENXIO: no extent follows, so there is no data. */
static int look(struct file_operation *operation)
{
    const struct file_data *data = operation->file->data;
    struct extent extent;
    for (unsigned looks = 0; looks < SEEK_EXTENTS_MAX; looks++) {
        bool found = data && extents_find(&data->extents, operation->cursor, &extent);
        bool inside = found && extent.logical <= operation->cursor;
        bool is_data = inside && !extent.unwritten;
        if (is_data != operation->seek_hole)
            return 1;
        if (!found)
            return -ENXIO;
        operation->cursor = inside ? extent.logical + extent.blocks : extent.logical;
    }
    return 0;
}

void seek_attempt(struct file_operation *operation)
{
    uint64_t size = operation->file->visible_bytes;
    if (file_writes_before(operation))
        return;
    if (operation->offset >= size) {
        operation_finish(operation, -ENXIO);
        return;
    }
    if (operation->cursor < operation->offset >> CACHE_PAGE_SHIFT)
        operation->cursor = operation->offset >> CACHE_PAGE_SHIFT;
    int result = look(operation);
    if (result == 0) {
        operation->busy = true;
        operation->journal = (struct journal_append){.done = go_on};
        journal_barrier(operation->engine->volume_shard, &operation->journal);
        return;
    }
    uint64_t found = operation->cursor << CACHE_PAGE_SHIFT;
    if (found < operation->offset)
        found = operation->offset;
    if (result > 0 && found >= size)
        result = operation->seek_hole ? 1 : -ENXIO;
    operation_finish(operation, result < 0 ? result : (int64_t)(found < size ? found : size));
}
