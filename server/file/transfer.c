/* transfer.c - runs of pages on their way from or to the device: one command for each contiguous piece. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "server/file/file_internal.h"

static struct transfer *transfer_get(struct file *file, bool write)
{
    struct file_engine *engine = file->engine;
    if (!write && engine->fills_in_flight >= FILE_FILLS_MAX)
        return NULL;
    struct transfer *transfer;
    struct list *link = list_pop(&engine->free_transfers);
    if (link)
        transfer = list_entry(link, struct transfer, link);
    else if (engine->transfers_made < FILE_TRANSFERS_MAX)
        transfer = &engine->transfers[engine->transfers_made++];
    else
        return NULL;
    transfer->file = file;
    transfer->write = write;
    transfer->fua = transfer->durable = false;
    transfer->page_count = transfer->segment_count = transfer->piece_count = 0;
    transfer->error = 0;
    file->transfers++;
    engine->transfers_in_use++;
    engine->fills_in_flight += !write;
    return transfer;
}

/* Gives it back; the caller is done with the file's frames. */
void transfer_release(struct transfer *transfer)
{
    struct file *file = transfer->file;
    struct file_engine *engine = file->engine;
    file->transfers--;
    engine->transfers_in_use--;
    engine->fills_in_flight -= !transfer->write;
    engine->durable_in_flight -= transfer->durable;
    list_add_head(&engine->free_transfers, &transfer->link);
}

/* Whether the frame's block goes on with the last piece's command, within the device's limits. */
static bool continues(const struct transfer *transfer, const struct frame *frame,
                      bool *same_segment)
{
    *same_segment = false;
    if (transfer->piece_count == 0)
        return false;
    const struct device_capabilities *limits = transfer->file->engine->capabilities;
    const struct device_io *io = &transfer->pieces[transfer->piece_count - 1].io;
    const struct iovec *last = &transfer->segments[transfer->segment_count - 1];
    if (io->offset + io->length_bytes != frame->block << VOLUME_BLOCK_SHIFT ||
        io->length_bytes + CACHE_PAGE_BYTES > limits->transfer_bytes_max)
        return false;
    *same_segment = (unsigned char *)last->iov_base + last->iov_len == frame->data;
    return *same_segment || io->segment_count < limits->segments_max;
}

/* Adds the next page of the run. False: the transfer is full. */
static bool transfer_add(struct transfer *transfer, struct frame *frame)
{
    bool same_segment;
    bool goes_on = continues(transfer, frame, &same_segment);
    if (transfer->page_count == TRANSFER_PAGES_MAX ||
        (!goes_on && transfer->piece_count == TRANSFER_PIECES_MAX))
        return false;
    if (!goes_on) {
        struct transfer_piece *piece = &transfer->pieces[transfer->piece_count++];
        piece->transfer = transfer;
        piece->io = (struct device_io){
            .operation = transfer->write ? DEVICE_WRITE : DEVICE_READ,
            .offset = frame->block << VOLUME_BLOCK_SHIFT,
            .segments = &transfer->segments[transfer->segment_count],
        };
    }
    struct device_io *io = &transfer->pieces[transfer->piece_count - 1].io;
    if (same_segment) {
        transfer->segments[transfer->segment_count - 1].iov_len += CACHE_PAGE_BYTES;
    } else {
        transfer->segments[transfer->segment_count++] =
            (struct iovec){.iov_base = frame->data, .iov_len = CACHE_PAGE_BYTES};
        io->segment_count++;
    }
    io->length_bytes += CACHE_PAGE_BYTES;
    if (transfer->page_count == 0)
        transfer->first_page = frame->page;
    transfer->frames[transfer->page_count++] = frame;
    return true;
}

static void fill_landed(struct transfer *transfer);

static void piece_done(struct device_io *io)
{
    struct transfer *transfer = list_entry(io, struct transfer_piece, io)->transfer;
    if (io->result && !transfer->error)
        transfer->error = io->result;
    if (io->flush_failed)
        volume_fail(transfer->file->engine->volume_shard, io->result);
    if (--transfer->pieces_pending > 0)
        return;
    if (transfer->write)
        transfer_landed(transfer);
    else
        fill_landed(transfer);
}

static void transfer_start(struct transfer *transfer)
{
    struct file_engine *engine = transfer->file->engine;
    transfer->pieces_pending = transfer->piece_count;
    if (transfer->write) {
        engine->counters.write_commands += transfer->piece_count;
        engine->counters.write_pages += transfer->page_count;
    } else {
        engine->counters.read_commands += transfer->piece_count;
        engine->counters.read_pages += transfer->page_count;
    }
    for (unsigned i = 0; i < transfer->piece_count; i++) {
        struct device_io *io = &transfer->pieces[i].io;
        io->flags = transfer->fua ? DEVICE_FUA : 0;
        io->done = piece_done;
        device_submit(engine->volume_shard->queue, io);
    }
}

/* One frame has arrived, or not: those who wait for it keep it (pinned) until all they need is there. */
static void fill_frame_landed(struct transfer *transfer, struct frame *frame)
{
    struct file *file = transfer->file;
    struct file_engine *engine = file->engine;
    uint64_t start = frame->page << CACHE_PAGE_SHIFT;
    if (file->accepted_bytes < start + CACHE_PAGE_BYTES) {
        uint64_t used = file->accepted_bytes > start ? file->accepted_bytes - start : 0;
        memset(frame->data + used, 0, CACHE_PAGE_BYTES - used);
    }
    frame->state = FRAME_CLEAN;
    while (frame->waiters) {
        struct frame_waiter *waiter = frame->waiters;
        struct file_operation *operation = waiter->operation;
        frame->waiters = waiter->next;
        waiter_give(engine, waiter);
        operation->fills_pending--;
        if (transfer->error)
            operation->error = transfer->error;
        else if (operation->has_tail && frame->page == operation->tail_page)
            operation_pin(operation, operation->page_count, frame);
        else
            operation_pin(operation, frame->page - operation->first_page, frame);
    }
    if (transfer->error) {
        cache_remove(engine->cache, frame);
        cache_give(engine->cache, frame);
    }
}

static void fill_landed(struct transfer *transfer)
{
    struct file *file = transfer->file;
    for (unsigned i = 0; i < transfer->page_count; i++)
        fill_frame_landed(transfer, transfer->frames[i]);
    transfer_release(transfer);
    file_progress(file); /* not only who waits: a failure may have waited for the last transfer */
}

/* Adds a page that is not in memory to the fill, if it has a place on the medium that the command can take
 * along. */
static bool fill_add(struct transfer *transfer, uint64_t page)
{
    struct file *file = transfer->file;
    struct cache *cache = file->engine->cache;
    uint64_t block;
    if (!file_find_data(file, page, &block) || !cache_reserve(cache, 1))
        return false;
    struct frame *frame = cache_take(cache);
    frame->block = block;
    frame->mapped = true;
    frame->page = page;
    if (!transfer_add(transfer, frame)) {
        cache_give(cache, frame);
        return false;
    }
    frame->state = FRAME_FILLING;
    cache_insert(cache, &file->pages, page, frame);
    return true;
}

/* Pages past the end of a sequential read, as long as they lie on and memory is at hand. */
static void read_ahead(struct transfer *transfer, uint64_t page, unsigned ahead)
{
    struct file *file = transfer->file;
    struct cache *cache = file->engine->cache;
    for (; ahead > 0; ahead--, page++) {
        if (page << CACHE_PAGE_SHIFT >= file_recorded_bytes(file) ||
            cache_find(cache, &file->pages, page) || !fill_add(transfer, page))
            return;
    }
}

/* One transfer with as many of the operation's pages from `index` on as are missing and adjoin. False:
 * nothing could be started for want of frames or transfers. */
static bool fill_run(struct file_operation *operation, uint64_t *index,
                     bool (*needed)(const struct file_operation *, uint64_t), unsigned ahead)
{
    struct file *file = operation->file;
    struct file_engine *engine = operation->engine;
    struct transfer *transfer = transfer_get(file, false);
    if (!transfer)
        return false;
    uint64_t page = operation_page(operation, *index), count = operation_pages(operation);
    do {
        if (engine->free_waiter_count == 0 || !fill_add(transfer, page))
            break;
        operation_add_waiter(operation, transfer->frames[transfer->page_count - 1]);
        operation->fills_pending++;
        operation->missed++;
        engine->counters.cache_misses++;
        ++*index;
        page++;
    } while (*index < count && operation_page(operation, *index) == page &&
             !cache_find(engine->cache, &file->pages, page) && needed(operation, page));
    if (transfer->page_count == 0) {
        transfer_release(transfer);
        return false;
    }
    if (*index == count)
        read_ahead(transfer, page, ahead);
    transfer_start(transfer);
    return true;
}

bool fill_missing(struct file_operation *operation,
                  bool (*needed)(const struct file_operation *, uint64_t), unsigned ahead)
{
    struct file *file = operation->file;
    struct file_engine *engine = operation->engine;
    uint64_t index = 0, block;
    bool pinned = false;
    while (index < operation_pages(operation)) {
        uint64_t page = operation_page(operation, index);
        struct frame *frame = cache_find(engine->cache, &file->pages, page);
        if (frame && frame->state == FRAME_FILLING) {
            if (!operation_add_waiter(operation, frame))
                return false;
            operation->fills_pending++;
        }
        if (frame || !needed(operation, page) || !file_find_data(file, page, &block)) {
            index++;
            continue;
        }
        if (!pinned) {
            operation_pin_present(operation); /* making room must not evict what is already there */
            pinned = true;
        }
        if (!operation_may_take(operation) || !fill_run(operation, &index, needed, ahead))
            return false;
    }
    return true;
}

void file_mark_dirty(struct file *file)
{
    if (list_empty(&file->dirty_files))
        list_add_tail(&file->engine->dirty_files, &file->dirty_files);
}

/* A frame may go out when no older version of its page is on its way. */
static bool sendable(const struct frame *frame)
{
    return frame && frame->state == FRAME_DIRTY && !frame->predecessor;
}

static void take_dirty(struct transfer *transfer, struct frame *frame)
{
    list_remove(&frame->dirty_link);
    frame->state = FRAME_WRITING;
    transfer->durable |= frame->durable_wanted;
    frame->durable_wanted = false;
}

/*
 * How a durable write becomes durable: with FUA, one trip; or, past a depth at which commands wait for each
 * other anyway, plain and with a flush that all of them share. A device without a volatile cache needs
 * neither.
 */
static void choose_durability(struct transfer *transfer)
{
    struct file_engine *engine = transfer->file->engine;
    const struct device_capabilities *capabilities = engine->capabilities;
    if (!transfer->durable)
        return;
    engine->durable_in_flight++;
#ifndef WT_CANARY_NO_FLUSH
    transfer->fua = capabilities->volatile_cache && capabilities->fua &&
                    engine->durable_in_flight <= FILE_FUA_DEPTH_MAX;
#else
    (void)capabilities;
#endif
}

static void send_run(struct transfer *transfer, struct frame *frame)
{
    struct file *file = transfer->file;
    uint64_t page = frame->page;
    do {
        if (!transfer_add(transfer, frame))
            break;
        take_dirty(transfer, frame);
        frame = cache_find(file->engine->cache, &file->pages, ++page);
    } while (sendable(frame));
    choose_durability(transfer);
    if (file->engine->volume_shard->read_only) {
        transfer->error = -EROFS;
        transfer_landed(transfer);
        return;
    }
    transfer_start(transfer);
}

/* Returns false when no transfer is left. */
static bool send_file(struct file *file, unsigned *sent)
{
    for (;;) {
        struct frame *frame = NULL;
        list_for_each(link, &file->dirty)
        {
            frame = list_entry(link, struct frame, dirty_link);
            if (sendable(frame))
                break;
            frame = NULL;
        }
        if (!frame)
            break;
        struct transfer *transfer = transfer_get(file, true);
        if (!transfer)
            return false;
        ++*sent;
        send_run(transfer, frame);
    }
    list_remove(
        &file->dirty_files); /* what is left waits for its predecessors, which mark it again */
    return true;
}

unsigned file_send(struct file_engine *engine)
{
    unsigned sent = 0;
    engine_serve_queue(engine);
    while (!list_empty(&engine->dirty_files)) {
        struct file *file = list_entry(engine->dirty_files.next, struct file, dirty_files);
        file->operations++; /* landing at once (read-only) must not free it under us */
        bool more = send_file(file, &sent);
        file->operations--;
        file_maybe_free(file);
        if (!more)
            break;
    }
    return sent;
}
