#include "tests/sim/shared_model.h"

#include <stdlib.h>

#include "tests/support/random.h"

#define SECTOR 512u
#define PAGE   4096u
#define PAGES  (SHARED_FILE_BYTES / PAGE)

static unsigned append(struct shared_model *model, struct shared_write write)
{
    if (model->count == model->capacity) {
        model->capacity = model->capacity ? model->capacity * 2 : 32;
        model->writes = realloc(model->writes, model->capacity * sizeof(*model->writes));
        if (!model->writes)
            abort();
    }
    model->writes[model->count] = write;
    return model->count++;
}

unsigned shared_submit(struct shared_model *model, unsigned client, uint64_t start, uint64_t end,
                       uint64_t stamp, uint64_t tick)
{
    return append(model, (struct shared_write){.start = start,
                                               .end = end,
                                               .stamp = stamp,
                                               .submit_tick = tick,
                                               .done_tick = UINT64_MAX,
                                               .client = client});
}

void shared_done(struct shared_model *model, unsigned write, bool failed, bool stable,
                 uint64_t tick)
{
    struct shared_write *done = &model->writes[write];
    done->failed = failed;
    done->stable = stable && !failed;
    if (!failed)
        done->done_tick = tick;
}

void shared_synced(struct shared_model *model, unsigned client, uint64_t submit_tick)
{
    for (unsigned i = 0; i < model->count; i++) {
        struct shared_write *write = &model->writes[i];
        bool own = write->client == client && write->submit_tick < submit_tick;
        if (write->done_tick <= submit_tick || (own && write->done_tick != UINT64_MAX))
            write->stable = true;
    }
}

void shared_sync_failed(struct shared_model *model)
{
    for (unsigned i = 0; i < model->count; i++) {
        struct shared_write *write = &model->writes[i];
        if (!write->stable) {
            write->failed = true;
            write->done_tick = UINT64_MAX;
        }
    }
}

/* Whether `newer` surely came after `older`. */
static bool surely_after(const struct shared_write *newer, const struct shared_write *older)
{
    if (older->failed)
        return newer->submit_tick > older->submit_tick && newer->client == older->client;
    return newer->submit_tick > older->done_tick ||
           (newer->client == older->client && newer->submit_tick > older->submit_tick);
}

static bool surely_there(const struct shared_write *write, const struct shared_look *look)
{
    if (look->after_crash)
        return write->stable && write->done_tick <= look->submit_tick;
    return write->done_tick <= look->submit_tick ||
           (!write->failed && write->client == look->client &&
            write->submit_tick < look->submit_tick);
}

static bool superseded(const struct shared_model *model, const struct shared_write *value,
                       const struct shared_look *look, uint64_t at)
{
    for (unsigned i = 0; i < model->count; i++) {
        const struct shared_write *other = &model->writes[i];
        if (other->start <= at && at < other->end && surely_there(other, look) &&
            (!value || surely_after(other, value)))
            return true;
    }
    return false;
}

/* Which write's bytes are in [at, end): its index, model->count for the zeros of the beginning, or -1. */
static int find_value(const struct shared_model *model, const struct shared_look *look, uint64_t at,
                      uint64_t end)
{
    const unsigned char *bytes = look->bytes + (at - look->offset);
    for (unsigned i = model->count; i-- > 0;) {
        const struct shared_write *write = &model->writes[i];
        if (write->start <= at && end <= write->end &&
            pattern_matches(write->stamp, at, bytes, end - at))
            return superseded(model, write, look, at) ? -1 : (int)i;
    }
    bool zeros = pattern_matches(0, at, bytes, end - at) && !superseded(model, NULL, look, at);
    return zeros ? (int)model->count : -1;
}

/* The end of the run that starts at `at` in which every byte is covered by the same writes. */
static uint64_t run_end(const struct shared_model *model, uint64_t at, uint64_t end, uint64_t unit)
{
    uint64_t limit = (at / unit + 1) * unit;
    if (limit < end)
        end = limit;
    for (unsigned i = 0; i < model->count; i++) {
        const struct shared_write *write = &model->writes[i];
        if (write->start > at && write->start < end)
            end = write->start;
        if (write->end > at && write->end < end)
            end = write->end;
    }
    return end;
}

static bool covers(const struct shared_write *write, uint64_t page)
{
    return write->start <= page * PAGE && (page + 1) * PAGE <= write->end;
}

/* Two pages, two requests that both wrote both pages, and each page shows another one: whichever came
 * second was seen half done. */
static bool is_torn(const struct shared_model *model, const int *shown, uint64_t first,
                    uint64_t count)
{
    for (uint64_t p = 0; p < count; p++) {
        for (uint64_t q = p + 1; q < count; q++) {
            if (shown[p] == shown[q] || (unsigned)shown[p] >= model->count ||
                (unsigned)shown[q] >= model->count)
                continue;
            const struct shared_write *one = &model->writes[shown[p]];
            const struct shared_write *other = &model->writes[shown[q]];
            if (covers(one, first + q) && covers(other, first + p))
                return true;
        }
    }
    return false;
}

static bool check(const struct shared_model *model, struct shared_look *look,
                  struct stamp_map *observed, uint64_t *where)
{
    uint64_t end = look->offset + look->size_bytes;
    /* A page that is written whole is read whole; a crash may leave any sector. */
    bool whole = model->overlapping && !look->after_crash;
    int shown[PAGES];
    look->torn = false;
    for (uint64_t at = look->offset; at < end;) {
        uint64_t to = run_end(model, at, end, whole ? PAGE : SECTOR);
        int value = find_value(model, look, at, to);
        if (value < 0) {
            *where = at;
            return false;
        }
        if (whole)
            shown[(at - look->offset) / PAGE] = value;
        if (observed)
            stamps_set(observed, at, to,
                       (unsigned)value < model->count ? model->writes[value].stamp : 0);
        at = to;
    }
    if (whole && look->size_bytes <= SHARED_WHOLE_MAX &&
        is_torn(model, shown, look->offset / PAGE, look->size_bytes / PAGE)) {
        look->torn = true;
        *where = look->offset;
        return false;
    }
    return true;
}

/* Only what touches the range counts, which is little of it all. */
bool shared_check(const struct shared_model *model, struct shared_look *look,
                  struct stamp_map *observed, uint64_t *where)
{
    struct shared_model part = {.overlapping = model->overlapping};
    for (unsigned i = 0; i < model->count; i++) {
        const struct shared_write *write = &model->writes[i];
        if (write->start < look->offset + look->size_bytes && look->offset < write->end)
            append(&part, *write);
    }
    bool right = check(&part, look, observed, where);
    free(part.writes);
    return right;
}

void shared_resolve(struct shared_model *model, const struct stamp_map *observed)
{
    model->count = 0;
    for (unsigned i = 0; i < observed->count; i++) {
        const struct stamp_range *item = &observed->items[i];
        if (item->stamp)
            append(model, (struct shared_write){.start = item->start,
                                                .end = item->end,
                                                .stamp = item->stamp,
                                                .client = ~0u,
                                                .stable = true});
    }
}
