/*
 * call.c - one synchronous request that is not a read or write: put, hand over, wait.
 */
#include <string.h>

#include "client/lib/internal.h"

int64_t wtc_path_length(const char *path)
{
    size_t length = strnlen(path, WT_PATH_BYTES_MAX);
    if (length == 0)
        return -ENOENT;
    return length < WT_PATH_BYTES_MAX ? (int64_t)length : -ENAMETOOLONG;
}

int wtc_scratch_take(struct wt *s, uint64_t second_bytes, struct wtc_scratch *scratch)
{
    uint32_t page_count = 1 + wtc_pages(second_bytes);
    int rc = wtc_check(s);
    int64_t page = -EAGAIN;
    while (rc == 0 && (page = wtc_arena_take(&s->arena, page_count)) < 0)
        rc = wtc_wait_any(s);
    if (rc < 0)
        return rc;
    unsigned char *first = wtc_arena_at(&s->arena, (uint32_t)page);
    *scratch = (struct wtc_scratch){.page = (uint32_t)page,
                                    .page_count = page_count,
                                    .first = first,
                                    .second = first + WT_PAGE_BYTES};
    return 0;
}

void wtc_scratch_give(struct wt *s, const struct wtc_scratch *scratch)
{
    wtc_arena_give(&s->arena, scratch->page, scratch->page_count);
}

/* The result; `done` (may be NULL) gets what else the completion says. result_max bounds what the
 * server may answer. */
int64_t wtc_call(struct wt *s, uint32_t shard, struct wt_request *request, uint32_t result_max,
                 struct wt_wire_completion *done)
{
    int rc = wtc_check(s);
    while (rc == 0 && (rc = wtc_room(s, shard, 1, true)) == -EAGAIN)
        rc = wtc_wait_any(s);
    if (rc < 0)
        return rc;
    uint32_t index = wtc_put(s, shard, request, WTC_SLOT_SYNC);
    struct wtc_slot *slot = &s->slots[index];
    slot->result_max = result_max;
    wtc_hand_over(s);
    int64_t result = wtc_wait_slot(s, index);
    if (done)
        *done = (struct wt_wire_completion){
            .result = result, .offset = slot->offset, .flags = slot->flags};
    wtc_slot_release(s, index);
    return result;
}
