#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/walk/walk.h"

static void apply(struct node *node, int mode, uint64_t offset, uint64_t bytes)
{
    bool keeps_size = mode & FALLOC_FL_KEEP_SIZE;
    if (mode & FALLOC_FL_PUNCH_HOLE)
        node_punch(node, offset, bytes);
    else if (mode & FALLOC_FL_ZERO_RANGE)
        node_zero(node, offset, bytes, keeps_size);
    else
        node_allocate(node, offset, bytes, keeps_size);
}

void step_allocate(struct walk *w)
{
    static const int modes[] = {0,
                                FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_ZERO_RANGE,
                                FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_PUNCH_HOLE,
                                FALLOC_FL_COLLAPSE_RANGE,
                                FALLOC_FL_INSERT_RANGE,
                                1 << 20};
    static const char *const names[] = {"allocate", "allocate keep", "punch",     "punch",
                                        "punch",    "zero",          "zero keep", "punch alone",
                                        "collapse", "insert",        "unknown"};
    struct handle *handle = need_file(w);
    if (!handle)
        return;
    struct node *node = handle->node;
    unsigned kind = one_in(w, 20) ? 7 + (unsigned)below(w, 4) : (unsigned)below(w, 7);
    off_t offset = (off_t)choose_offset(w, node), bytes = (off_t)choose_count(w);
    if (one_in(w, 50))
        offset = -1 - (off_t)below(w, 5000);
    note(w, " %s handle %d at %lld, %lld", names[kind], handle->wt, (long long)offset,
         (long long)bytes);
    concerns(w, node);
    int64_t wt = wt_fallocate(self(w)->session, handle->wt, modes[kind], offset, bytes);
    /* Which of several errors is told is nobody's promise; collapse and insert are the host's alone. */
    if (kind >= 7) {
        note(w, " = %s", error_name(wt));
        if (wt != -EOPNOTSUPP && wt != -EINVAL && wt != -EBADF)
            differ(w, "fallocate with a mode that wt does not know says %s", error_name(wt));
        return;
    }
    int64_t host = host_result(fallocate(handle->host, modes[kind], offset, bytes));
    if (same_answer(w, wt, host))
        apply(node, modes[kind], (uint64_t)offset, (uint64_t)bytes);
}

void step_seek(struct walk *w)
{
    struct handle *handle = need_file(w);
    if (!handle)
        return;
    bool seeks_data = one_in(w, 2);
    uint64_t offset = choose_offset(w, handle->node);
    note(w, " %s handle %d at %llu", seeks_data ? "data" : "hole", handle->wt,
         (unsigned long long)offset);
    concerns(w, handle->node);
    int64_t wt =
        wt_seek(self(w)->session, handle->wt, (off_t)offset, seeks_data ? SEEK_DATA : SEEK_HOLE);
    note(w, " = %s", error_name(wt));
    const char *fault = node_seek_fault(handle->node, offset, seeks_data, wt);
    if (fault)
        differ(w, "seek gives %s, which %s", error_name(wt), fault);
}
