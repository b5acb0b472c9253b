/*
 * cache.h - the frames of one shard: pages in memory, an index, pins, eviction.
 *
 * Threads: one shard. Does no I/O and knows nothing of files but that a frame has an owner and a page
 * number. The frames lie in one sealed memfd, so that they can be registered with io_uring once, and later
 * be mapped by clients.
 *
 * Page states. A frame is in exactly one of:
 *
 *   FREE     on the free list; no owner.
 *   FILLING  in the index; a device read writes into it. Nobody else looks at its data.
 *   CLEAN    in the index; the same as the medium. The only state that eviction may take (with no pins).
 *   DIRTY    in the index; newer than the medium, waits to be sent. Writes may still change it.
 *   WRITING  under device I/O: its data does not change, whoever asks (promise 1). It is in the index
 *            unless a newer version has taken its place there.
 *
 *   FREE -> FILLING -> CLEAN -> DIRTY -> WRITING -> CLEAN -> FREE
 *   FREE -> DIRTY (written whole, or a hole)        WRITING -> FREE (superseded, or the write failed)
 *
 * A write that meets a WRITING frame puts a copy into the index (DIRTY, predecessor = the old one), which
 * is sent only when the predecessor's I/O is done: two writes of one page are never in flight together.
 * At most two versions of a page exist: one WRITING, one DIRTY that gathers whatever comes meanwhile.
 *
 * A pin keeps a CLEAN frame from eviction while an operation waits for other frames; it is not a lock.
 */
#ifndef WT_CACHE_CACHE_H
#define WT_CACHE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/list.h"

#define CACHE_PAGE_BYTES 4096u
#define CACHE_PAGE_SHIFT 12

enum frame_state { FRAME_FREE, FRAME_FILLING, FRAME_CLEAN, FRAME_DIRTY, FRAME_WRITING };

/* Whose pages: embedded in the owner. */
struct cache_owner {
    struct list frames; /* frames in the index */
    uint64_t frame_count;
};

/* Somebody waits for a frame; the nodes come from a pool of the file floor. */
struct frame_waiter;

struct frame {
    unsigned char *data;
    struct cache_owner *owner; /* NULL: not in the index */
    uint64_t page;
    struct frame *hash_next;
    struct list link;       /* free list, or the owner's frames */
    struct list dirty_link; /* DIRTY: the owner's list of what is to be sent */
    uint32_t pins;
    uint8_t state;
    bool referenced; /* touched since the eviction hand passed */
    /* The file floor's: */
    bool mapped;               /* block is recorded as this page's place */
    bool fresh;                /* block was allocated for it, and is in no record yet */
    bool derived;              /* DIRTY: holds bytes of its predecessor */
    bool durable_wanted;       /* DIRTY: somebody needs more than the device's word */
    bool passing;              /* DIRTY, WRITING: leaves the cache once it is clean */
    uint64_t block;            /* where its data is or goes on the device; 0: nowhere yet */
    struct frame *predecessor; /* DIRTY: the older version whose I/O is in flight */
    struct frame *successor;   /* WRITING: the newer version in the index */
    struct frame_waiter *waiters;
};

struct cache;

/* frame_count frames (16 at least). owner_empty is called when the last frame of an owner was evicted.
 * -ENOMEM. */
int cache_create(size_t frame_count, void (*owner_empty)(struct cache_owner *owner),
                 struct cache **cache);
void cache_destroy(struct cache *cache);
/* The memory of all frames, for registration. */
void *cache_memory(const struct cache *cache, size_t *size_bytes);
size_t cache_frame_count(const struct cache *cache);
uint64_t cache_evictions(const struct cache *cache);

void cache_owner_init(struct cache_owner *owner);
/* The newest version of the page; NULL: not in memory. */
struct frame *cache_find(struct cache *cache, struct cache_owner *owner, uint64_t page);

/* Makes at least `count` frames free, evicting clean ones that nobody pinned. False: not possible now; as
 * many as could be were freed. */
bool cache_reserve(struct cache *cache, size_t count);
size_t cache_free_frames(const struct cache *cache);
/* A free frame (the caller has reserved), state set by the caller. */
struct frame *cache_take(struct cache *cache);
/* Puts a frame that cache_take gave, or that replaces `old`, into the index. */
void cache_insert(struct cache *cache, struct cache_owner *owner, uint64_t page,
                  struct frame *frame);
void cache_replace(struct cache *cache, struct frame *old, struct frame *frame);
/* Out of the index (it may still be under I/O). Does not call owner_empty. */
void cache_remove(struct cache *cache, struct frame *frame);
/* Back to the free list; must not be in the index, pinned, or under I/O. */
void cache_give(struct cache *cache, struct frame *frame);

#endif
