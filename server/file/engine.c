/* engine.c - one shard's files: pools, the table of files, attributes, failure of the volume. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/file/file_internal.h"

/* A frame can have many waiters (a hot page), an operation one in each of its frames. */
#define WAITERS_EXTRA 8192u

static struct file **table_place(struct file_engine *engine, uint64_t ino)
{
    return &engine->table[(ino * 0x9e3779b97f4a7c15ull >> 32) % FILE_TABLE_BUCKETS];
}

static void pages_evicted(struct cache_owner *owner)
{
    file_maybe_free((struct file *)owner);
}

/* The volume turned read-only: what was acknowledged by the device and not flushed may be lost, and each
 * file that has such writes owes its handles an error. */
static void volume_failed(void *context)
{
    struct file_engine *engine = context;
    for (unsigned i = 0; i < FILE_TABLE_BUCKETS; i++)
        for (struct file *file = engine->table[i]; file; file = file->hash_next)
            if (file->unflushed_writes != file->flushed_writes)
                file_note_error(file, -EIO);
}

/* Of fixed size, and touched only as far as they were ever used: a quiet server stays small. */
static int allocate_pools(struct file_engine *engine)
{
    engine->waiter_count = 2 * cache_frame_count(engine->cache) + WAITERS_EXTRA;
    engine->table = calloc(FILE_TABLE_BUCKETS, sizeof(struct file *));
    engine->operations = calloc(FILE_OPERATIONS_MAX, sizeof(struct file_operation));
    engine->transfers = calloc(FILE_TRANSFERS_MAX, sizeof(struct transfer));
    engine->waiters = calloc(engine->waiter_count, sizeof(struct frame_waiter));
    if (!engine->table || !engine->operations || !engine->transfers || !engine->waiters)
        return -ENOMEM;
    engine->free_waiter_count = engine->waiter_count;
    return 0;
}

static void free_engine(struct file_engine *engine)
{
    if (engine->cache)
        cache_destroy(engine->cache);
    free(engine->table);
    free(engine->operations);
    free(engine->transfers);
    free(engine->waiters);
    free(engine);
}

static int register_frames(struct file_engine *engine, const struct file_engine_options *options,
                           bool *unregistered)
{
    *unregistered = false;
    if (!options->reactor)
        return 0;
    size_t size_bytes;
    void *memory = cache_memory(engine->cache, &size_bytes);
    int error = reactor_register_buffers(options->reactor, memory, size_bytes);
    *unregistered = error != 0;
    return options->require_fixed_buffers ? error : 0;
}

int file_engine_create(const struct file_engine_options *options, struct file_engine **result,
                       bool *unregistered)
{
    if (options->cache_bytes < FILE_CACHE_BYTES_MIN)
        return -EINVAL;
    struct file_engine *engine = calloc(1, sizeof(*engine));
    if (!engine)
        return -ENOMEM;
    engine->volume_shard = options->volume_shard;
    engine->capabilities = volume_capabilities(options->volume_shard->volume);
    list_init(&engine->free_operations);
    list_init(&engine->free_transfers);
    list_init(&engine->dirty_files);
    list_init(&engine->frame_queue);
    list_init(&engine->active);
    list_init(&engine->syncs);
    list_init(&engine->times_dirty);
    int error =
        cache_create(options->cache_bytes / CACHE_PAGE_BYTES, pages_evicted, &engine->cache);
    if (!error)
        error = allocate_pools(engine);
    if (!error)
        error = register_frames(engine, options, unregistered);
    if (error) {
        free_engine(engine);
        return error;
    }
    engine->volume_shard->failed = volume_failed;
    engine->volume_shard->failed_context = engine;
    *result = engine;
    return 0;
}

void file_engine_destroy(struct file_engine *engine)
{
    for (unsigned i = 0; i < FILE_TABLE_BUCKETS; i++) {
        struct file *file = engine->table[i];
        while (file) {
            struct file *next = file->hash_next;
            free(file);
            file = next;
        }
    }
    engine->volume_shard->failed = NULL;
    free_engine(engine);
}

bool file_engine_idle(const struct file_engine *engine)
{
    return engine->operations_in_use == 0 && engine->transfers_in_use == 0 &&
           engine->background_records == 0;
}

const struct file_counters *file_engine_counters(const struct file_engine *engine)
{
    struct file_engine *own = (struct file_engine *)engine;
    own->counters.evictions = cache_evictions(engine->cache);
    return &engine->counters;
}

struct file *file_find(struct file_engine *engine, uint64_t ino, uint64_t generation)
{
    struct file *file = *table_place(engine, ino);
    while (file && (file->ino != ino || file->generation != generation))
        file = file->hash_next;
    return file;
}

static struct file *make_file(struct file_engine *engine, uint64_t ino, uint64_t generation,
                              int64_t birth_ns)
{
    struct file *file = calloc(1, sizeof(*file));
    if (!file)
        return NULL;
    file->engine = engine;
    file->ino = ino;
    file->generation = generation;
    file->birth_ns = birth_ns;
    file->partition = volume_partition(engine->volume_shard, ino);
    file->data = partition_find(file->partition, ino, generation);
    file->visible_bytes = file->accepted_bytes = file->submitted_bytes = file_recorded_bytes(file);
    file->atime_ns = file->data ? file->data->atime_ns : birth_ns;
    file->mtime_ns = file->data ? file->data->mtime_ns : birth_ns;
    cache_owner_init(&file->pages);
    list_init(&file->waiting);
    list_init(&file->extenders);
    list_init(&file->active);
    list_init(&file->dirty);
    list_init(&file->dirty_files);
    list_init(&file->times_link);
    struct file **place = table_place(engine, ino);
    file->hash_next = *place;
    *place = file;
    engine->file_count++;
    file_trim(file);
    return file;
}

struct file *file_acquire(struct file_engine *engine, uint64_t ino, uint64_t generation,
                          int64_t birth_ns)
{
    struct file *file = file_find(engine, ino, generation);
    if (!file)
        file = make_file(engine, ino, generation, birth_ns);
    if (file)
        file->references++;
    return file;
}

static void background_sync_done(struct file_operation *operation)
{
    if (operation->result)
        file_note_error(operation->file, (int)operation->result);
}

/* The last user goes while the file still owes a flush or a record of its times: settled in the background,
 * so that files nobody uses do not stay in memory. */
static void settle(struct file *file)
{
    bool owes = file->unflushed_writes != file->flushed_writes || !list_empty(&file->times_link);
    if (!owes || file->gone || file->engine->volume_shard->read_only)
        return;
    struct file_operation *sync = file_operation_get(file->engine);
    if (!sync)
        return; /* the next release or syncfs */
    sync->kind = FILE_SYNC;
    sync->file = file;
    sync->done = background_sync_done;
    file_submit(sync);
}

void file_release(struct file *file)
{
    assert(file->references > 0);
    file->operations++;
    if (--file->references == 0)
        settle(file);
    file->operations--;
    file_maybe_free(file);
}

/* A file stays in the table while anybody uses it, pages of it are cached, or it owes an error or a record
 * of its times. */
void file_maybe_free(struct file *file)
{
    if (file->references || file->operations || file->transfers || file->pages.frame_count ||
        !list_empty(&file->dirty))
        return;
    bool owes = !list_empty(&file->times_link) || file->unflushed_writes != file->flushed_writes;
    if (!file->gone && (file->error_unseen || (owes && !file->engine->volume_shard->read_only)))
        return;
    list_remove(&file->times_link);
    list_remove(&file->dirty_files);
    struct file **place = table_place(file->engine, file->ino);
    while (*place != file)
        place = &(*place)->hash_next;
    *place = file->hash_next;
    file->engine->file_count--;
    free(file);
}

void open_file_init(struct open_file *handle, struct file *file)
{
    handle->file = file;
    handle->error_seen = file->error_unseen ? file->error_number - 1 : file->error_number;
    handle->sequential_end = 0;
    handle->read = false;
}

void file_note_error(struct file *file, int error)
{
    file->error = error;
    file->error_number++;
    file->error_unseen = true;
    file->engine->counters.write_errors++;
}

uint64_t file_recorded_bytes(const struct file *file)
{
    return file->data ? file->data->size_bytes : 0;
}

/* The block that is recorded as the page's place, and whether its contents are the page's: an unwritten one
 * is kept for the page, which reads as zeros. False: there is none. */
bool file_find_place(const struct file *file, uint64_t page, uint64_t *block, bool *written)
{
    struct extent extent;
    if (!file->data || !extents_find(&file->data->extents, page, &extent) || extent.logical > page)
        return false;
    *block = extent.physical + (page - extent.logical);
    *written = !extent.unwritten;
    return true;
}

/* Where a page's data is recorded to be. False: it reads as zeros. */
bool file_find_data(const struct file *file, uint64_t page, uint64_t *block)
{
    bool written;
    return file_find_place(file, page, block, &written) && written;
}

void file_mark_times(struct file *file)
{
    if (list_empty(&file->times_link))
        list_add_tail(&file->engine->times_dirty, &file->times_link);
}

void file_blocks_freed(void *context, uint64_t physical, uint64_t blocks)
{
    struct file_engine *engine = context;
    space_free(engine->volume_shard->space, physical, blocks);
}

static void drop_page(struct file *file, struct frame *frame)
{
    assert(frame->state == FRAME_CLEAN && !frame->waiters);
    frame->pins = 0;
    cache_remove(file->engine->cache, frame);
    cache_give(file->engine->cache, frame);
}

/* Forgets cached pages of [first_page, end_page). The caller has seen to it that none is under I/O. */
void file_drop_pages(struct file *file, uint64_t first_page, uint64_t end_page)
{
    if (end_page - first_page < file->pages.frame_count) {
        for (uint64_t page = first_page; page < end_page; page++) {
            struct frame *frame = cache_find(file->engine->cache, &file->pages, page);
            if (frame)
                drop_page(file, frame);
        }
        return;
    }
    list_for_each_safe(link, after, &file->pages.frames)
    {
        struct frame *frame = list_entry(link, struct frame, link);
        if (frame->page >= first_page && frame->page < end_page)
            drop_page(file, frame);
    }
}

/* Forgets what of the operation's pages nobody needs: clean, and not kept for somebody who waits. */
void file_drop_unused(struct file_operation *operation)
{
    struct file *file = operation->file;
    for (uint64_t i = 0; i < operation_pages(operation); i++) {
        struct frame *frame =
            cache_find(file->engine->cache, &file->pages, operation_page(operation, i));
        if (frame && frame->state == FRAME_CLEAN && frame->pins == 0)
            drop_page(file, frame);
    }
}

void file_attributes(struct file_engine *engine, uint64_t ino, uint64_t generation,
                     int64_t birth_ns, struct file_attributes *attributes)
{
    struct file *file = file_find(engine, ino, generation);
    struct file_data *data =
        partition_find(volume_partition(engine->volume_shard, ino), ino, generation);
    attributes->size_bytes = file ? file->visible_bytes : data ? data->size_bytes : 0;
    attributes->blocks = (data ? data->extents.block_count : 0) + (file ? file->fresh_blocks : 0);
    attributes->atime_ns = file ? file->atime_ns : data ? data->atime_ns : birth_ns;
    attributes->mtime_ns = file ? file->mtime_ns : data ? data->mtime_ns : birth_ns;
}
