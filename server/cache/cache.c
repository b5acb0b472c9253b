#include "server/cache/cache.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/base/memory.h"

#define CACHE_FRAMES_MIN 16u

struct cache {
    struct frame *frames;
    size_t frame_count, free_count;
    struct list free_list;
    struct frame **buckets;
    uint64_t bucket_mask;
    size_t hand; /* eviction: the next frame to look at */
    uint64_t evictions;
    void (*owner_empty)(struct cache_owner *owner);
    unsigned char *memory;
    size_t memory_bytes;
    int descriptor;
};

static struct frame **bucket_of(const struct cache *cache, const struct cache_owner *owner,
                                uint64_t page)
{
    uint64_t hash = ((uint64_t)(uintptr_t)owner >> 4) * 0x9e3779b97f4a7c15ull;
    hash = (hash ^ page) * 0xff51afd7ed558ccdull;
    return &cache->buckets[(hash >> 20) & cache->bucket_mask];
}

static int allocate_tables(struct cache *cache)
{
    uint64_t buckets = 1;
    while (buckets < cache->frame_count)
        buckets *= 2;
    cache->bucket_mask = buckets - 1;
    cache->buckets = calloc(buckets, sizeof(struct frame *));
    cache->frames = calloc(cache->frame_count, sizeof(struct frame));
    return cache->buckets && cache->frames ? 0 : -ENOMEM;
}

int cache_create(size_t frame_count, void (*owner_empty)(struct cache_owner *owner),
                 struct cache **result)
{
    if (frame_count < CACHE_FRAMES_MIN)
        return -EINVAL;
    struct cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return -ENOMEM;
    cache->frame_count = frame_count;
    cache->owner_empty = owner_empty;
    cache->descriptor = -1;
    list_init(&cache->free_list);
    int error = allocate_tables(cache);
    if (!error) {
        cache->memory_bytes = frame_count * CACHE_PAGE_BYTES;
        error = memory_map_shared("wt-frames", cache->memory_bytes, true, &cache->descriptor,
                                  (void **)&cache->memory);
    }
    if (error) {
        cache_destroy(cache);
        return error;
    }
    for (size_t i = 0; i < frame_count; i++) {
        struct frame *frame = &cache->frames[i];
        frame->data = cache->memory + i * CACHE_PAGE_BYTES;
        list_init(&frame->dirty_link);
        list_add_tail(&cache->free_list, &frame->link);
    }
    cache->free_count = frame_count;
    *result = cache;
    return 0;
}

void cache_destroy(struct cache *cache)
{
    if (cache->memory)
        memory_unmap(cache->memory, cache->memory_bytes);
    if (cache->descriptor >= 0)
        close(cache->descriptor);
    free(cache->frames);
    free(cache->buckets);
    free(cache);
}

void *cache_memory(const struct cache *cache, size_t *size_bytes)
{
    *size_bytes = cache->memory_bytes;
    return cache->memory;
}

size_t cache_frame_count(const struct cache *cache)
{
    return cache->frame_count;
}

uint64_t cache_evictions(const struct cache *cache)
{
    return cache->evictions;
}

size_t cache_free_frames(const struct cache *cache)
{
    return cache->free_count;
}

void cache_owner_init(struct cache_owner *owner)
{
    list_init(&owner->frames);
    owner->frame_count = 0;
}

struct frame *cache_find(struct cache *cache, struct cache_owner *owner, uint64_t page)
{
    struct frame *frame = *bucket_of(cache, owner, page);
    while (frame && (frame->owner != owner || frame->page != page))
        frame = frame->hash_next;
    if (frame)
        frame->referenced = true;
    return frame;
}

/*
 * Second chance: the hand passes over the frames in a circle, takes the clean ones that were not touched
 * since it last came by, and forgives the others once. Two rounds find whatever can be had.
 */
bool cache_reserve(struct cache *cache, size_t count)
{
    for (size_t looked = 0; cache->free_count < count && looked < 2 * cache->frame_count;
         looked++) {
        struct frame *frame = &cache->frames[cache->hand];
        cache->hand = cache->hand + 1 == cache->frame_count ? 0 : cache->hand + 1;
        if (frame->state != FRAME_CLEAN || frame->pins > 0)
            continue;
        if (frame->referenced) {
            frame->referenced = false;
            continue;
        }
        struct cache_owner *owner = frame->owner;
        cache_remove(cache, frame);
        cache_give(cache, frame);
        cache->evictions++;
        if (owner->frame_count == 0)
            cache->owner_empty(owner);
    }
    return cache->free_count >= count;
}

struct frame *cache_take(struct cache *cache)
{
    assert(cache->free_count > 0);
    struct frame *frame = list_entry(list_pop(&cache->free_list), struct frame, link);
    cache->free_count--;
    return frame;
}

void cache_insert(struct cache *cache, struct cache_owner *owner, uint64_t page,
                  struct frame *frame)
{
    struct frame **bucket = bucket_of(cache, owner, page);
    frame->owner = owner;
    frame->page = page;
    frame->hash_next = *bucket;
    frame->referenced = false;
    *bucket = frame;
    list_add_tail(&owner->frames, &frame->link);
    owner->frame_count++;
}

void cache_replace(struct cache *cache, struct frame *old, struct frame *frame)
{
    struct cache_owner *owner = old->owner;
    cache_remove(cache, old);
    cache_insert(cache, owner, old->page, frame);
}

void cache_remove(struct cache *cache, struct frame *frame)
{
    struct frame **place = bucket_of(cache, frame->owner, frame->page);
    while (*place != frame)
        place = &(*place)->hash_next;
    *place = frame->hash_next;
    list_remove(&frame->link);
    frame->owner->frame_count--;
    frame->owner = NULL;
}

void cache_give(struct cache *cache, struct frame *frame)
{
    assert(frame->owner == NULL && frame->pins == 0 && frame->waiters == NULL);
    frame->state = FRAME_FREE;
    frame->mapped = frame->fresh = frame->derived = frame->durable_wanted = frame->passing = false;
    frame->block = 0;
    frame->predecessor = frame->successor = NULL;
    list_add_head(&cache->free_list, &frame->link);
    cache->free_count++;
}
