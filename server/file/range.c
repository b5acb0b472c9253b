/*
 * range.c - allocate, punch and zero: ranges of a file change and no data is moved.
 *
 * Each is a row of steps, done when the one before is durable. The operation stays at the head of the file's
 * waiting list all the while: what came before it is done, what comes after is held, so nobody sees a part.
 *
 *   allocate   ALLOCATE                         grow
 *   zero       ALLOCATE, EDGES, LAND, MAPS      grow
 *   punch                EDGES, LAND, MAPS
 *
 *   ALLOCATE   holes become unwritten extents. First, so that ENOSPC finds the contents as they were; what
 *              was allocated until then stays.
 *   EDGES      the parts of blocks at both ends become zeros by writes of their pages (never of a hole: it
 *              has them already), so that neither space nor a record is needed.
 *   MAPS       whole blocks are unmapped, or become unwritten where they are.
 *   grow       as a truncate that grows: an extender without data.
 *
 * ALLOCATE and MAPS go in records of bounded size, one in flight at a time, so that other files of the shard
 * go on meanwhile, and a file of any size takes no more memory than a small one. Each record alone leaves a
 * correct file: after a crash every block has its old data or zeros.
 */
#include <assert.h>
#include <errno.h>

#include "server/base/clock.h"
#include "server/file/file_internal.h"

enum range_step {
    RANGE_BEGIN,
    RANGE_ALLOCATE,
    RANGE_EDGES,
    RANGE_LAND,
    RANGE_MAPS,
    RANGE_CONFIRM,
    RANGE_END,
    RANGE_GROW,
};

/* So many maps fit into a record beside the file's state. */
#define RANGE_MAPS_MAX                                                               \
    ((FILE_RECORD_BYTES - sizeof(struct record_header) - sizeof(struct item_file)) / \
     sizeof(struct item_map))
/* Extents looked at, or freed, before the shard goes on with something else. */
#define RANGE_EXTENTS_MAX 1024u

static uint64_t range_end(const struct file_operation *operation)
{
    return operation->offset + operation->length_bytes;
}

static uint64_t page_after(uint64_t bytes)
{
    return (bytes + CACHE_PAGE_BYTES - 1) >> CACHE_PAGE_SHIFT;
}

/* The blocks of which nothing is left. What lies past the size is nothing: the last block of the file goes
 * too when the range covers it up to there. */
static void whole_pages(const struct file_operation *operation, uint64_t *first, uint64_t *end)
{
    uint64_t accepted = operation->file->accepted_bytes;
    *first = page_after(operation->offset);
    *end = range_end(operation) >> CACHE_PAGE_SHIFT;
    if (range_end(operation) >= accepted && accepted > *end << CACHE_PAGE_SHIFT)
        ++*end;
    if (*end < *first)
        *end = *first;
}

/* ---- records ----------------------------------------------------------------------------------- */

static void go_on(struct journal_append *append)
{
    struct file_operation *operation = list_entry(append, struct file_operation, journal);
    operation->busy = false;
    if (append->result)
        operation->error = append->result;
    file_retry(operation->file);
}

/* Everything recorded so far is durable then. Also taken to let others have the shard. */
static int pass_barrier(struct file_operation *operation)
{
    operation->busy = true;
    operation->journal = (struct journal_append){.done = go_on};
    journal_barrier(operation->engine->volume_shard, &operation->journal);
    return 0;
}

static void begin_record(struct file_operation *operation, struct record_builder *builder)
{
    struct file *file = operation->file;
    record_begin(builder, operation->record, sizeof(operation->record),
                 partition_number(file->partition));
}

/* The blocks of a record that is not to be: nobody but it knew of them. */
static void give_back(struct file_operation *operation)
{
    const struct item_header *item;
    size_t offset = 0;
    while (record_item((const void *)operation->record, &offset, &item) > 0) {
        const struct item_map *map = (const void *)item;
        if (item->kind == ITEM_MAP)
            file_blocks_freed(operation->engine, map->physical, map->blocks);
    }
}

static void recorded(struct journal_append *append)
{
    struct file_operation *operation = list_entry(append, struct file_operation, journal);
    if (append->result == 0)
        file_apply_record(operation->file, operation->record);
    else if (operation->settle_stage == RANGE_ALLOCATE)
        give_back(operation);
    go_on(append);
}

static int append_record(struct file_operation *operation, struct record_builder *builder,
                         bool frees)
{
    file_add_state(operation->file, builder, operation->file->submitted_bytes);
    int64_t bytes = record_end(builder);
    assert(bytes > 0);
    operation->busy = operation->recorded = true;
    operation->journal = (struct journal_append){.done = recorded,
                                                 .record = operation->record,
                                                 .record_bytes = (uint32_t)bytes,
                                                 .frees = frees};
    journal_append(operation->engine->volume_shard, &operation->journal);
    return 0;
}

static void add_unwritten(struct file_operation *operation, struct record_builder *builder,
                          uint64_t logical, uint64_t physical, uint64_t blocks)
{
    struct item_map map = {.header = {.kind = ITEM_MAP, .count = MAP_UNWRITTEN},
                           .ino = operation->file->ino,
                           .generation = operation->file->generation,
                           .logical = logical,
                           .physical = physical,
                           .blocks = blocks};
    record_add(builder, &map, sizeof(map), NULL, 0);
}

/* The extent that holds the page, which is before `end`, or the next one before it. */
static bool next_extent(const struct file_operation *operation, uint64_t page, uint64_t end,
                        struct extent *extent)
{
    const struct file_data *data = operation->file->data;
    return data && page < end && extents_find(&data->extents, page, extent) &&
           extent->logical < end;
}

/* ---- steps: 1 done, 0 waits, or a negative errno ------------------------------------------------ */

static int begin(struct file_operation *operation)
{
    struct file *file = operation->file;
    if (!file_drained(operation))
        return 0;
    if (operation->engine->volume_shard->read_only)
        return -EROFS;
    if (operation->length_bytes == 0)
        return -EINVAL;
    if (operation->offset > FILE_SIZE_BYTES_MAX ||
        operation->length_bytes > FILE_SIZE_BYTES_MAX - operation->offset)
        return -EFBIG;
    file->mtime_ns = clock_realtime_ns();
    file_mark_times(file);
    return 1;
}

/* Blocks for the hole at the cursor, as far as they come in a few pieces; maps are added for them. 0, or
 * -ENOSPC: the groups held here have none. */
static int fill_hole(struct file_operation *operation, uint64_t hole_blocks,
                     struct record_builder *builder, unsigned *maps)
{
    struct space *space = operation->engine->volume_shard->space;
    struct space_piece pieces[RANGE_MAPS_MAX];
    unsigned count = 0;
    uint64_t goal = 0, free_blocks = space_free_blocks(space), block;
    uint64_t wanted = hole_blocks < free_blocks ? hole_blocks : free_blocks;
    bool written;
    if (operation->cursor > 0 &&
        file_find_place(operation->file, operation->cursor - 1, &block, &written))
        goal = block + 1;
    int error = -ENOSPC;
    while (wanted > 0 && (error = space_allocate(space, goal, wanted, pieces,
                                                 (unsigned)RANGE_MAPS_MAX - *maps, &count)))
        wanted /= 2;
    if (error)
        return error;
    operation->borrows = 0;
    for (unsigned i = 0; i < count; i++) {
        add_unwritten(operation, builder, operation->cursor, pieces[i].physical, pieces[i].blocks);
        operation->cursor += pieces[i].blocks;
    }
    *maps += count;
    return 0;
}

static int allocate(struct file_operation *operation)
{
    uint64_t first = operation->offset >> CACHE_PAGE_SHIFT, end = page_after(range_end(operation));
    struct record_builder builder;
    struct extent extent;
    unsigned maps = 0;
    int error = 0;
    if (operation->cursor < first)
        operation->cursor = first;
    begin_record(operation, &builder);
    for (unsigned looks = 0;
         looks < RANGE_EXTENTS_MAX && operation->cursor < end && maps < RANGE_MAPS_MAX && !error;
         looks++) {
        bool found = next_extent(operation, operation->cursor, end, &extent);
        if (found && extent.logical <= operation->cursor)
            operation->cursor = extent.logical + extent.blocks;
        else
            error = fill_hole(operation, (found ? extent.logical : end) - operation->cursor,
                              &builder, &maps);
    }
    if (maps > 0)
        return append_record(operation, &builder, false);
    if (error)
        return operation_borrow(operation, end - operation->cursor);
    return operation->cursor < end ? pass_barrier(operation) : 1;
}

/* A block of which a part goes, and which has data there. */
static bool is_edge(const struct file_operation *operation, uint64_t page)
{
    uint64_t first, end, block, start = page << CACHE_PAGE_SHIFT;
    whole_pages(operation, &first, &end);
    uint64_t from = operation->offset > start ? operation->offset : start;
    return (page < first || page >= end) && from < operation->file->accepted_bytes &&
           from < range_end(operation) && file_find_data(operation->file, page, &block);
}

static int zero_edges(struct file_operation *operation)
{
    uint64_t left = operation->offset >> CACHE_PAGE_SHIFT;
    uint64_t right = (range_end(operation) - 1) >> CACHE_PAGE_SHIFT;
    if (!operation->zeroes) {
        bool at_left = is_edge(operation, left);
        bool at_right = right != left && is_edge(operation, right);
        if (!at_left && !at_right)
            return 1;
        operation->zeroes = true;
        operation->first_page = at_left ? left : right;
        operation->page_count = 1;
        operation->has_tail = at_left && at_right;
        operation->tail_page = right;
    }
    int result = write_pages(operation);
    if (result <= 0)
        return result;
    operation->settle_stage = RANGE_LAND;
    operation->busy = true;
    return 0;
}

/* The frames that held the zeros are in order; file_progress attempts the operation again. */
void range_edges_landed(struct file_operation *operation)
{
    operation->busy = operation->zeroes = operation->has_tail = false;
    operation->page_count = 0;
}

/* Does not split an extent, so the metadata does not become larger. */
static bool only_frees(const struct file_operation *operation, uint64_t first, uint64_t end)
{
    struct extent extent;
    return !next_extent(operation, first, end, &extent) || extent.logical >= first ||
           extent.logical + extent.blocks <= end;
}

static int free_blocks(struct file_operation *operation, uint64_t end)
{
    struct file *file = operation->file;
    struct record_builder builder;
    struct extent extent;
    uint64_t from = operation->cursor, to = from;
    for (unsigned extents = 0;
         extents < RANGE_EXTENTS_MAX && next_extent(operation, to, end, &extent); extents++)
        to = extent.logical + extent.blocks < end ? extent.logical + extent.blocks : end;
    if (to == from)
        return 1;
    struct item_unmap unmap = {.header = {.kind = ITEM_UNMAP},
                               .ino = file->ino,
                               .generation = file->generation,
                               .logical = from,
                               .blocks = to - from};
    begin_record(operation, &builder);
    record_add(&builder, &unmap, sizeof(unmap), NULL, 0);
    operation->cursor = to;
    return append_record(operation, &builder, only_frees(operation, from, to));
}

static int unwrite_blocks(struct file_operation *operation, uint64_t end)
{
    struct record_builder builder;
    struct extent extent;
    uint64_t at = operation->cursor;
    unsigned maps = 0, looks = 0;
    begin_record(operation, &builder);
    while (looks++ < RANGE_EXTENTS_MAX && maps < RANGE_MAPS_MAX &&
           next_extent(operation, at, end, &extent)) {
        uint64_t extent_end = extent.logical + extent.blocks;
        uint64_t from = extent.logical > at ? extent.logical : at;
        at = extent_end < end ? extent_end : end;
        if (extent.unwritten)
            continue;
        add_unwritten(operation, &builder, from, extent.physical + (from - extent.logical),
                      at - from);
        maps++;
    }
    operation->cursor = at;
    if (maps > 0)
        return append_record(operation, &builder, false);
    return next_extent(operation, at, end, &extent) ? pass_barrier(operation) : 1;
}

static int change_maps(struct file_operation *operation)
{
    uint64_t first, end;
    whole_pages(operation, &first, &end);
    if (first == end)
        return 1;
    if (operation->cursor == 0) { /* at the start */
        operation->cursor = first;
        file_drop_pages(operation->file, first, end);
    }
    return operation->kind == FILE_PUNCH ? free_blocks(operation, end)
                                         : unwrite_blocks(operation, end);
}

/* Nothing was to be recorded. But a record of the file whose write failed may be on the medium all the same,
 * so a journal that has failed must not answer that the range is as it was asked for. */
static int confirm(struct file_operation *operation)
{
    if (operation->recorded)
        return 1;
    operation->recorded = true;
    return pass_barrier(operation);
}

static int run_step(struct file_operation *operation)
{
    switch (operation->settle_stage) {
    case RANGE_BEGIN:
        return begin(operation);
    case RANGE_ALLOCATE:
        return operation->kind == FILE_PUNCH ? 1 : allocate(operation);
    case RANGE_EDGES:
        return operation->kind == FILE_ALLOCATE ? 1 : zero_edges(operation);
    case RANGE_MAPS:
        return operation->kind == FILE_ALLOCATE ? 1 : change_maps(operation);
    case RANGE_CONFIRM:
        return confirm(operation);
    default: /* RANGE_LAND: it was busy until then */
        return 1;
    }
}

/* Growing is a write of nothing that moves the size: from there on it is one. */
static void end_range(struct file_operation *operation)
{
    bool grows = operation->kind != FILE_PUNCH && !operation->keep_size;
    if (!grows || range_end(operation) <= operation->file->accepted_bytes) {
        shape_end(operation, 0);
        return;
    }
    operation->settle_stage = RANGE_GROW;
    operation->offset = range_end(operation);
    operation->length_bytes = 0;
    operation->level = FILE_STABLE;
    write_attempt(operation);
}

void range_attempt(struct file_operation *operation)
{
    if (operation->settle_stage == RANGE_GROW) {
        write_attempt(operation);
        return;
    }
    int result = operation->error ? operation->error : 1;
    while (result > 0 && operation->settle_stage < RANGE_END) {
        result = run_step(operation);
        if (result > 0) {
            operation->settle_stage++;
            operation->cursor = 0;
        }
    }
    if (result < 0)
        shape_end(operation, result);
    else if (result > 0)
        end_range(operation);
}
