/*
 * file_internal.h - what the files of this room share. Nobody else includes it.
 *
 * An operation's way (operation.c decides, the others do):
 *
 *   file_submit: into the file's waiting list; attempted at once unless it conflicts with an earlier one
 *                there, or the file takes nothing now (`failing`).
 *   attempt:     read.c / write.c look at every page. Something to wait for? -> the operation stays in the
 *                waiting list and is attempted again from the start when that has come: its present pages
 *                pinned when it waits for fills or space, nothing pinned and in the engine's queue when it
 *                waits for frames, transfers or waiters. Nothing is half done: an attempt changes frames only
 *                when nothing can stop it any more (so no request is ever seen in part).
 *   apply:       reads copy out and are done. Writes change frames to DIRTY and join the file's dirty list;
 *                each frame gets a frame_waiter that names the operation.
 *   send:        transfer.c makes runs of dirty frames into transfers, one device command a contiguous piece.
 *   land:        commit.c. The data is on the device (and durable where that is wanted: FUA, or a shared
 *                flush); what maps blocks or moves the size goes into one journal record; when that is
 *                durable: convert extents, then size, then unpin frames, then drop the counts, then post.
 *
 * Size. Four figures, in this order: recorded (file->data, what replay would see) <= submitted (in a record
 * on its way) <= accepted (the furthest end of the writes that were applied); visible is what reads and stat
 * see: it moves when a completion may be posted, which at level behind is when the write is applied. A write
 * `extends` when it ends past the recorded size, whether or not it moves the accepted one. Those are in
 * `extenders`, oldest first, want their data durable at every level, and are done when a size that covers
 * them is recorded. A record may carry the size of one only when the data of all before it is durable too, so
 * the size never covers bytes that were not written. A shape that shrinks sets all four when its record is
 * durable, with nothing in flight; one that grows is an extender without data.
 *
 * Invariant Z: in a frame, bytes at or past `accepted` are zero. On the medium they may be anything: a fill
 * zeroes them (what lies between recorded and accepted is in DIRTY or WRITING frames or has landed), and a
 * write that moves the size over a partly used last page rewrites that page from its frame too (the
 * operation's tail page): its size is recorded only when that is durable.
 *
 * Failure of an extender: every later extender fails too (its range may start in what was not written), and
 * the file takes nothing new (`failing`) until all are through; then its cached pages are dropped, the blocks
 * mapped and written past the recorded size are unmapped (`repairing`), and when that record is answered the other three
 * sizes go back to what is recorded. A struct file that was just made begins in the same state if it has such
 * blocks (file_trim): a crash left them, as a map may be durable before the size that covers it.
 */
#ifndef WT_FILE_INTERNAL_H
#define WT_FILE_INTERNAL_H

#include "server/cache/cache.h"
#include "server/file/file.h"

#define FILE_OPERATIONS_MAX   8192u
#define FILE_TRANSFERS_MAX    256u
#define FILE_FILLS_MAX        64u /* of them for reads: writes always find one */
#define FILE_TABLE_BUCKETS    65536u
#define TRANSFER_PAGES_MAX    257u /* of one run: the largest request, unaligned */
#define TRANSFER_PIECES_MAX   16u
#define TRANSFER_RECORD_BYTES 1024u
#define READ_AHEAD_PAGES      32u
/* Pages are numbered below this: FILE_SIZE_BYTES_MAX and a page. */
#define FILE_PAGES_MAX ((FILE_SIZE_BYTES_MAX >> CACHE_PAGE_SHIFT) + 1)
/* A record of a file's state and one item more. */
#define FILE_STATE_RECORD_BYTES 128u
/* Durable writes in flight from which a shared flush costs less than FUA on each. */
#define FILE_FUA_DEPTH_MAX 12u

struct frame_waiter {
    struct frame_waiter *next;
    struct file_operation *operation;
};

enum operation_stage {
    STAGE_FREE,
    STAGE_NEW,     /* taken, not submitted */
    STAGE_WAITING, /* in the file's waiting list */
    STAGE_APPLIED, /* writes: in frames; others: the record is on its way */
};

struct file {
    struct cache_owner pages; /* first: the cache's callback gets this address */
    struct file_engine *engine;
    struct file *hash_next;
    uint64_t ino, generation;
    int64_t birth_ns;
    struct partition *partition;
    struct file_data *data; /* what is recorded; NULL: nothing yet */
    uint32_t references;    /* file_acquire */
    uint32_t operations;    /* submitted, not finished */
    uint32_t transfers;     /* reads and writes in flight */
    uint64_t visible_bytes, accepted_bytes, submitted_bytes;
    uint64_t fresh_blocks;   /* of frames: allocated, and not in the map yet */
    struct list waiting;     /* operations in the order they came, not applied */
    struct list extenders;   /* applied, size not recorded; in the order they were applied */
    struct list active;      /* unfinished writes and shape changes, oldest first */
    struct list dirty;       /* frames to be sent */
    struct list dirty_files; /* in the engine's list, or alone */
    struct list times_link;  /* in the engine's list of files with unrecorded times, or alone */
    int64_t atime_ns, mtime_ns;
    bool failing; /* see above */
    bool repairing;
    bool retrying, retry_again;
    bool gone; /* dropped: freed with the last reference */
    uint32_t error_number;
    int error;
    bool error_unseen;
    /* Writes the device has acknowledged without durability, and how many of them a flush has covered. */
    uint64_t unflushed_writes, flushed_writes;
};

struct transfer_piece {
    struct device_io io; /* first */
    struct transfer *transfer;
};

/* One run of consecutive pages on its way from or to the device. */
struct transfer {
    struct list link;
    struct file *file;
    bool write, fua, durable;
    unsigned page_count, segment_count, piece_count, pieces_pending;
    int error;
    uint64_t first_page;
    struct frame *frames[TRANSFER_PAGES_MAX];
    struct iovec segments[TRANSFER_PAGES_MAX];
    struct transfer_piece pieces[TRANSFER_PIECES_MAX];
    struct journal_append append;
    struct flush_request flush;
    unsigned char record[TRANSFER_RECORD_BYTES] __attribute__((aligned(8)));
};

struct file_engine {
    struct volume_shard *volume_shard;
    const struct device_capabilities *capabilities;
    struct cache *cache;
    struct file **table;
    uint64_t file_count;
    struct file_operation *operations;
    struct list free_operations;
    struct transfer *transfers;
    struct list free_transfers;
    unsigned fills_in_flight, durable_in_flight, transfers_in_use;
    struct frame_waiter *waiters, *free_waiters;
    size_t free_waiter_count, waiter_count, waiters_made;
    unsigned operations_made, transfers_made;
    struct list dirty_files;
    struct list
        frame_queue; /* operations that wait for frames, transfers or waiters; first come first */
    struct list active; /* unfinished writes of all files, oldest first */
    struct list syncs;  /* FILE_SYNC_ALL, oldest first */
    struct list times_dirty;
    uint64_t next_ticket;
    uint32_t operations_in_use, background_records;
    uint64_t unflushed_writes, flushed_writes;
    struct file_counters counters;
};

/* operation.c */
void operation_finish(struct file_operation *operation, int64_t result);
void operation_tell(struct file_operation *operation, int64_t result);
void operation_pin(struct file_operation *operation, uint64_t index, struct frame *frame);
void operation_pin_present(struct file_operation *operation);
bool operation_may_take(const struct file_operation *operation);
void operation_wait_for_frames(struct file_operation *operation);
void operation_unpin(struct file_operation *operation);
bool operation_add_waiter(struct file_operation *operation, struct frame *frame);
void waiter_give(struct file_engine *engine, struct frame_waiter *waiter);
void file_retry(struct file *file);
void engine_serve_queue(struct file_engine *engine);

/* The pages an operation touches, by number: its range, then its tail page. */
static inline uint64_t operation_pages(const struct file_operation *operation)
{
    return operation->page_count + operation->has_tail;
}
static inline uint64_t operation_page(const struct file_operation *operation, uint64_t index)
{
    bool tail = operation->has_tail && index == operation->page_count;
    return tail ? operation->tail_page : operation->first_page + index;
}

/* engine.c */
struct file *file_find(struct file_engine *engine, uint64_t ino, uint64_t generation);
void file_maybe_free(struct file *file);
bool file_find_place(const struct file *file, uint64_t page, uint64_t *block, bool *written);
bool file_find_data(const struct file *file, uint64_t page, uint64_t *block);
uint64_t file_recorded_bytes(const struct file *file);
void file_mark_times(struct file *file);
void file_blocks_freed(void *context, uint64_t physical, uint64_t blocks);
void file_drop_pages(struct file *file, uint64_t first_page, uint64_t end_page);
void file_drop_unused(struct file_operation *operation);
void file_note_error(struct file *file, int error);

/* read.c, write.c, shape.c, range.c, seek.c, sync.c: attempts. Each finishes the operation, or applies it, or leaves it
 * waiting (in the file's list, perhaps also in the engine's queue). */
void read_attempt(struct file_operation *operation);
void write_attempt(struct file_operation *operation);
void shape_attempt(struct file_operation *operation);
void range_attempt(struct file_operation *operation);
void seek_attempt(struct file_operation *operation);
void sync_attempt(struct file_operation *operation);
bool file_writes_before(const struct file_operation *operation);
/* A write is finished: FILE_SYNC_ALL may go on. */
void sync_all_progress(struct file_engine *engine);

/* write.c: puts the operation's pages into frames and marks them to be sent. 1: they are; 0: it waits, and
 * is to be attempted again; or a negative errno, and nothing was changed. */
int write_pages(struct file_operation *operation);
/* space_wait.c: the shard has no room for `blocks` more. 0: it waits for more, and is attempted again;
 * -ENOSPC: it was asked for too often. What the others say ends in operation->error. */
int operation_borrow(struct file_operation *operation, uint64_t blocks);
/* range.c: its zeros have landed, or not (operation->error). */
void range_edges_landed(struct file_operation *operation);
/* shape.c: nothing that came before is unfinished, and nothing is in flight. */
bool file_drained(const struct file_operation *operation);
/* Finishes it and lets those go on that waited behind it. */
void shape_end(struct file_operation *operation, int result);

/* A record with the file's state: this size, the times as they are now. Bytes, or a negative errno. */
int64_t file_encode_state(struct file *file, void *buffer, size_t capacity_bytes,
                          uint64_t size_bytes);
void file_add_state(struct file *file, struct record_builder *builder, uint64_t size_bytes);
/* The same, and nothing is mapped past that size; flags: UNMAP_WRITTEN_ONLY. */
int64_t file_encode_unmap(struct file *file, void *buffer, size_t capacity_bytes,
                          uint64_t size_bytes, uint32_t flags);
/* Applies a record of this file that is durable now. A failure (no memory) makes the volume fail: memory
 * would differ from the journal. */
void file_apply_record(struct file *file, const void *record);

/* transfer.c */
/* Starts reading the pages that the operation needs and that are not there, and waits with others for those
 * that are on their way: fills_pending tells. `ahead` more pages may be read after the last. False: no
 * transfer, frame or waiter is free. */
bool fill_missing(struct file_operation *operation,
                  bool (*needed)(const struct file_operation *, uint64_t), unsigned ahead);
void transfer_release(struct transfer *transfer);
/* The file has frames to send. */
void file_mark_dirty(struct file *file);

/* commit.c */
/* A file that was just made from what is recorded: blocks past its size, which a crash left there, go. */
void file_trim(struct file *file);
void transfer_landed(struct transfer *transfer);
/* After frames have landed or records arrived: everybody who may go on does. Frees the file if it may go. */
void file_progress(struct file *file);
/* Appends the size of extenders that are ready and that no transfer will carry. */
void extenders_advance(struct file *file);

#endif
