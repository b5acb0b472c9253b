/* test_cache.c - frames, index, pins and eviction. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "server/cache/cache.h"

#define FRAMES 16u

static struct cache *cache;
static struct cache_owner one, two;
static struct cache_owner *emptied;
static unsigned emptied_count;

static void owner_empty(struct cache_owner *owner)
{
    emptied = owner;
    emptied_count++;
}

static void start(void)
{
    cr_assert_eq(cache_create(FRAMES, owner_empty, &cache), 0);
    cache_owner_init(&one);
    cache_owner_init(&two);
}

static void finish(void)
{
    cache_destroy(cache);
}

TestSuite(cache, .init = start, .fini = finish);

static struct frame *put(struct cache_owner *owner, uint64_t page, enum frame_state state)
{
    cr_assert(cache_reserve(cache, 1));
    struct frame *frame = cache_take(cache);
    frame->state = state;
    cache_insert(cache, owner, page, frame);
    return frame;
}

static void fill_up(struct cache_owner *owner, enum frame_state state)
{
    for (uint64_t page = 0; cache_free_frames(cache) > 0; page++)
        put(owner, page, state);
}

Test(cache, too_few_frames_are_refused)
{
    struct cache *small;
    cr_assert_eq(cache_create(FRAMES - 1, owner_empty, &small), -EINVAL);
}

Test(cache, frames_are_whole_pages_of_one_memory)
{
    size_t size_bytes;
    unsigned char *memory = cache_memory(cache, &size_bytes);
    cr_assert_eq(size_bytes, FRAMES * CACHE_PAGE_BYTES);
    for (unsigned i = 0; i < FRAMES; i++) {
        struct frame *frame = cache_take(cache);
        cr_assert_geq(frame->data, memory);
        cr_assert_leq(frame->data + CACHE_PAGE_BYTES, memory + size_bytes);
        cr_assert_eq((frame->data - memory) % CACHE_PAGE_BYTES, 0);
        memset(frame->data, 1, CACHE_PAGE_BYTES);
    }
    cr_assert_eq(cache_free_frames(cache), 0);
}

Test(cache, finds_by_owner_and_page)
{
    struct frame *first = put(&one, 7, FRAME_CLEAN), *second = put(&two, 7, FRAME_CLEAN);
    cr_assert_eq(cache_find(cache, &one, 7), first);
    cr_assert_eq(cache_find(cache, &two, 7), second);
    cr_assert_null(cache_find(cache, &one, 8));
    cr_assert_eq(one.frame_count, 1);
    cache_remove(cache, first);
    cr_assert_null(cache_find(cache, &one, 7));
    cr_assert_eq(cache_find(cache, &two, 7), second);
    cr_assert_eq(one.frame_count, 0);
    cr_assert(list_empty(&one.frames));
}

Test(cache, a_newer_version_takes_the_place)
{
    struct frame *old = put(&one, 3, FRAME_WRITING);
    struct frame *frame = cache_take(cache);
    cache_replace(cache, old, frame);
    cr_assert_eq(cache_find(cache, &one, 3), frame);
    cr_assert_null(old->owner);
    cr_assert_eq(one.frame_count, 1);
}

Test(cache, evicts_only_clean_frames)
{
    struct frame *clean = put(&one, 100, FRAME_CLEAN);
    put(&one, 101, FRAME_WRITING);
    put(&one, 102, FRAME_FILLING);
    fill_up(&one, FRAME_DIRTY);
    (void)clean;
    cr_assert(cache_reserve(cache, 1));
    cr_assert_null(cache_find(cache, &one, 100));
    cr_assert_eq(cache_evictions(cache), 1);
    cr_assert_not(cache_reserve(cache, 2));
    cr_assert_eq(one.frame_count, FRAMES - 1);
}

Test(cache, does_not_evict_a_pinned_frame)
{
    fill_up(&one, FRAME_CLEAN);
    struct frame *pinned = cache_find(cache, &one, 5);
    pinned->pins++;
    cr_assert_not(cache_reserve(cache, FRAMES));
    cr_assert_eq(cache_free_frames(cache), FRAMES - 1);
    cr_assert_eq(cache_find(cache, &one, 5), pinned);
    pinned->pins--;
    cr_assert(cache_reserve(cache, FRAMES));
}

Test(cache, what_was_touched_gets_a_second_chance)
{
    fill_up(&one, FRAME_CLEAN);
    struct frame *touched = cache_find(cache, &one, 0);
    cr_assert(cache_reserve(cache, FRAMES - 1));
    cr_assert_eq(cache_find(cache, &one, 0), touched);
    cr_assert_eq(cache_evictions(cache), FRAMES - 1);
}

Test(cache, tells_when_an_owner_lost_its_last_frame)
{
    put(&two, 0, FRAME_CLEAN);
    fill_up(&one, FRAME_DIRTY);
    cr_assert(cache_reserve(cache, 1));
    cr_assert_eq(emptied_count, 1);
    cr_assert_eq(emptied, &two);
}

Test(cache, reserve_takes_no_more_than_it_needs)
{
    fill_up(&one, FRAME_CLEAN);
    cr_assert(cache_reserve(cache, 3));
    cr_assert_eq(cache_free_frames(cache), 3);
    cr_assert(cache_reserve(cache, 2));
    cr_assert_eq(cache_evictions(cache), 3);
}

Test(cache, a_given_frame_forgets_everything)
{
    struct frame *frame = put(&one, 1, FRAME_CLEAN);
    frame->block = 99;
    frame->mapped = frame->derived = frame->durable_wanted = true;
    cache_remove(cache, frame);
    cache_give(cache, frame);
    cr_assert_eq(cache_take(cache), frame);
    cr_assert_eq(frame->state, FRAME_FREE);
    cr_assert_eq(frame->block, 0);
    cr_assert_not(frame->mapped || frame->derived || frame->durable_wanted);
}
