/*
 * file.h - what a file does: read, write (writethrough), truncate, allocate, punch, zero, seek, sync. One
 * engine a shard.
 *
 * Threads: everything here runs on the shard that owns the engine; nothing is shared.
 *
 * Operations: the session takes one with file_operation_get (NULL: all are in use; leave the request in its
 * ring), fills in the public part and hands it over with file_submit. done is called exactly once, when the
 * completion may be posted, perhaps from inside file_submit; after done returns the operation is the
 * engine's again and must not be touched. The memory an operation names (the client's arena) must stay
 * mapped until done; the engine copies from or to it and never lets a device see it.
 *
 * Order: operations on one file take effect in the order of file_submit where they overlap; they complete
 * in any order. A shape change (truncate, allocate, punch, zero, drop) waits for everything before it and
 * holds everything after: nobody sees one half done.
 *
 * Levels: see DESIGN section 3. behind: done when the data is in the cache, its space is allocated and its
 * I/O is queued; through: the device has acknowledged every byte and every record needed; stable: durable.
 *
 * Errors: negative errno in result. -EIO (device), -EROFS (the volume failed), -ENOSPC, -EFBIG, -ENOMEM. A
 * failed write that nobody waits for any more (behind) is kept for the next sync of each handle.
 */
#ifndef WT_FILE_FILE_H
#define WT_FILE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/limits.h"
#include "server/base/list.h"
#include "server/volume/volume.h"

#define FILE_SIZE_BYTES_MAX      WT_FILE_BYTES_MAX
#define FILE_OPERATION_BYTES_MAX WT_REQUEST_BYTES_MAX /* of one read or write */
#define FILE_PIN_WORDS \
    5 /* bits for 256 pages, one more that an unaligned range touches, and a tail */
#define FILE_RECORD_BYTES    512
#define FILE_CACHE_BYTES_MIN (4ull << 20) /* of one shard: two of the largest requests, and room */

enum file_kind {
    FILE_READ,
    FILE_WRITE,
    FILE_TRUNCATE, /* offset: the new size */
    FILE_ALLOCATE, /* holes of the range get blocks that read as zeros; -ENOSPC: some of it may have them */
    FILE_PUNCH,    /* the range reads as zeros, its whole blocks are free; keeps the size */
    FILE_ZERO,     /* the range reads as zeros, and has blocks */
    FILE_SEEK,     /* the result: the next place with data (seek_hole: without) from offset on */
    FILE_SYNC,     /* with the journal and times unless datasync */
    FILE_SYNC_ALL, /* every file of this shard; no file, no handle */
    FILE_SET_TIMES,
    FILE_DROP, /* the inode's end is durable: frees all; file_release it in done as usual */
};

enum file_level { FILE_BEHIND = 1, FILE_THROUGH = 2, FILE_STABLE = 3 }; /* as on the wire */

struct file;
struct file_engine;

/* What a session keeps for each open handle of a regular file. */
struct open_file {
    struct file *file;
    uint32_t error_seen;     /* which of the file's write errors this handle was told of */
    uint64_t sequential_end; /* where the last read ended, for read-ahead */
    bool read;               /* it has read */
};

struct file_operation {
    void (*done)(struct file_operation *operation);
    void *context;
    enum file_kind kind;
    enum file_level level; /* of whatever changes something */
    bool append;           /* FILE_WRITE: at the end; result_offset tells where */
    bool direct;           /* FILE_READ: from the medium; FILE_WRITE: leaves nothing in the cache */
    bool keep_size;        /* FILE_ALLOCATE, FILE_ZERO: even where the range ends past it */
    bool seek_hole;
    bool keep_atime; /* FILE_READ */
    bool datasync;   /* FILE_SYNC */
    struct file *file;
    struct open_file *handle; /* FILE_READ (read-ahead), FILE_SYNC (errors); may be NULL */
    uint64_t offset;
    uint64_t length_bytes; /* reads and writes: to FILE_OPERATION_BYTES_MAX */
    unsigned char *memory;
    int64_t atime_ns, mtime_ns; /* FILE_SET_TIMES; INT64_MIN leaves one alone */
    /* Results, valid in done. */
    int64_t result; /* bytes, or 0, or a negative errno */
    uint64_t result_offset;

    /* The engine's. */
    struct file_engine *engine;
    struct list link;          /* free list, the file's waiting list */
    struct list queue_link;    /* the engine's queue of those that wait for frames */
    struct list extender_link; /* the file's list of writes that end past its recorded size */
    struct list active_link;   /* the engine's list of writes that are not finished, oldest first */
    struct list file_link;     /* the same, of one file */
    uint64_t first_page, page_count; /* what it touches, the tail page of the old size excluded */
    uint64_t tail_page;
    uint64_t end_bytes; /* writes: where it ends; extenders: the size they need recorded */
    uint64_t cursor;    /* ranges, seeks: the page from which on it is still to be done */
    uint64_t ticket;    /* order of acceptance; syncs: every write before it is waited for */
    uint64_t pinned[FILE_PIN_WORDS]; /* which of its pages it keeps in the cache while it waits */
    uint32_t pages_pending;          /* frames of it that are not on the medium with their record */
    uint32_t pages_undurable;        /* ... whose data is not durable yet */
    uint32_t fills_pending;          /* frames that are being read for it */
    uint32_t missed;                 /* frames it started to read */
    uint8_t stage, settle_stage;
    uint8_t borrows;
    bool has_tail, extends, told, busy, settled;
    bool zeroes;    /* its pages are the edges of a range (the tail is the second), to be zeroed */
    bool recorded;  /* ranges: the journal was asked */
    bool passed_by; /* direct reads: what the cache had is dropped */
    int error;
    union {
        struct journal_append journal;
        struct flush_request flush;
        struct space_borrow borrow;
    };
    unsigned char record[FILE_RECORD_BYTES] __attribute__((aligned(8)));
};

struct file_engine_options {
    struct volume_shard *volume_shard;
    uint64_t cache_bytes;
    struct reactor *reactor; /* to register frames as fixed buffers; NULL with sim.c */
    bool require_fixed_buffers;
};

/* On the shard's thread. *unregistered is set when frames could not be registered with the ring. */
int file_engine_create(const struct file_engine_options *options, struct file_engine **engine,
                       bool *unregistered);
/* Only when file_engine_idle. */
void file_engine_destroy(struct file_engine *engine);

struct file_operation *file_operation_get(struct file_engine *engine);
/* Gives back one that was never submitted. */
void file_operation_put(struct file_operation *operation);
void file_submit(struct file_operation *operation);

/* Sends what has gathered. The shard's loop calls it after completions were fired and requests were taken,
 * so that writes of one page that came meanwhile go out as one I/O. Returns how many commands were sent. */
unsigned file_send(struct file_engine *engine);
/* Nothing accepted is unfinished. */
bool file_engine_idle(const struct file_engine *engine);

/* A file of this shard, counted: file_release gives it back. birth_ns: its times while it has no entry.
 * NULL: no memory. */
struct file *file_acquire(struct file_engine *engine, uint64_t ino, uint64_t generation,
                          int64_t birth_ns);
void file_release(struct file *file);
/* At open: takes over a write error that nobody was told of yet. */
void open_file_init(struct open_file *handle, struct file *file);

struct file_attributes {
    uint64_t size_bytes, blocks;
    int64_t atime_ns, mtime_ns;
};
/* The visible size, and what is allocated, on its way to the journal too. Works for a file that is not in use too. */
void file_attributes(struct file_engine *engine, uint64_t ino, uint64_t generation,
                     int64_t birth_ns, struct file_attributes *attributes);

/* Counters of this shard, never reset. */
struct file_counters {
    uint64_t reads, read_bytes, writes, write_bytes, syncs, truncates;
    uint64_t cache_hits, cache_misses; /* pages */
    uint64_t merges;                   /* writes that joined a page already waiting to be sent */
    uint64_t copies;                   /* copy-on-write of a page under I/O */
    uint64_t write_commands, write_pages, read_commands, read_pages;
    uint64_t evictions, frame_waits, borrows;
    uint64_t write_errors;
};
const struct file_counters *file_engine_counters(const struct file_engine *engine);

#endif
