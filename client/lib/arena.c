/*
 * arena.c - the allocator of the session's arena, and wt_buf_alloc.
 *
 * First fit over a bitmap of pages, lowest first: a program that has one small request in flight
 * uses the same page each time, so it stays in the processor's cache. No system calls; the
 * bookkeeping is private memory, so the server cannot confuse it.
 */
#include <stdlib.h>

#include "client/lib/internal.h"

int wtc_arena_init(struct wtc_arena *arena, unsigned char *base, uint64_t bytes)
{
    uint32_t page_count = (uint32_t)(bytes / WT_PAGE_BYTES);
    *arena = (struct wtc_arena){.base = base, .bytes = bytes, .page_count = page_count};
    arena->free_bits = calloc((page_count + 63) / 64, sizeof(uint64_t));
    arena->buf_pages = calloc(page_count, sizeof(uint32_t));
    if (!arena->free_bits || !arena->buf_pages) {
        wtc_arena_destroy(arena);
        return -ENOMEM;
    }
    wtc_arena_give(arena, 0, page_count);
    return 0;
}

void wtc_arena_destroy(struct wtc_arena *arena)
{
    free(arena->free_bits);
    free(arena->buf_pages);
    *arena = (struct wtc_arena){0};
}

/* Bits first..first+count-1 of one word. */
static uint64_t word_mask(uint32_t first, uint32_t count)
{
    return (count == 64 ? ~0ull : (1ull << count) - 1) << first;
}

static void mark(struct wtc_arena *arena, uint32_t page, uint32_t page_count, bool is_free)
{
    while (page_count) {
        uint32_t bit = page % 64;
        uint32_t count = 64 - bit < page_count ? 64 - bit : page_count;
        if (is_free)
            arena->free_bits[page / 64] |= word_mask(bit, count);
        else
            arena->free_bits[page / 64] &= ~word_mask(bit, count);
        page += count;
        page_count -= count;
    }
}

/* The first page at or after `page` whose bit is `is_free`; page_count if there is none. */
static uint32_t find(const struct wtc_arena *arena, uint32_t page, bool is_free)
{
    while (page < arena->page_count) {
        uint64_t word = arena->free_bits[page / 64];
        word = (is_free ? word : ~word) & (~0ull << page % 64);
        if (word) {
            uint32_t found = page / 64 * 64 + (uint32_t)__builtin_ctzll(word);
            return found < arena->page_count ? found : arena->page_count;
        }
        page = (page / 64 + 1) * 64;
    }
    return arena->page_count;
}

int64_t wtc_arena_take(struct wtc_arena *arena, uint32_t page_count)
{
    uint32_t page = find(arena, arena->hint * 64, true);
    arena->hint = page / 64;
    while (page < arena->page_count && arena->page_count - page >= page_count) {
        uint32_t end = page_count == 1 ? page + 1 : find(arena, page, false);
        if (end - page >= page_count) {
            mark(arena, page, page_count, false);
            return page;
        }
        page = find(arena, end, true);
    }
    return -EAGAIN;
}

void wtc_arena_give(struct wtc_arena *arena, uint32_t page, uint32_t page_count)
{
    mark(arena, page, page_count, true);
    if (page / 64 < arena->hint)
        arena->hint = page / 64;
}

WT_EXPORT void *wt_buf_alloc(struct wt *s, size_t bytes)
{
    if (wtc_check(s) < 0 || bytes == 0 || bytes > s->arena.bytes)
        return NULL;
    int64_t page = wtc_arena_take(&s->arena, wtc_pages(bytes));
    if (page < 0)
        return NULL;
    s->arena.buf_pages[page] = wtc_pages(bytes);
    return wtc_arena_at(&s->arena, (uint32_t)page);
}

WT_EXPORT void wt_buf_free(struct wt *s, void *buf)
{
    uint64_t offset = wtc_arena_offset(&s->arena, buf, 1);
    if (!buf || offset == WTC_NOT_IN_ARENA || offset % WT_PAGE_BYTES)
        return;
    uint32_t page = (uint32_t)(offset / WT_PAGE_BYTES);
    uint32_t page_count = s->arena.buf_pages[page];
    s->arena.buf_pages[page] = 0;
    if (page_count)
        wtc_arena_give(&s->arena, page, page_count);
}
