/* sim_medium.c - see sim_medium.h. Storage is sparse: a chunk of 64 KiB exists once it was written. */
#include "server/device/sim_medium.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/list.h"

#define CHUNK_BYTES         65536u
#define CHUNK_SECTORS_MAX   (CHUNK_BYTES / 512u)
#define SECTOR_VERSIONS_MAX 6u
#define LOTTERY_PAGE_BYTES  4096u

struct version {
    struct version *older;
    uint64_t write_id;
    uint64_t done_mark; /* 0: pending */
    bool lost;
    unsigned char bytes[]; /* a sector */
};

/* Invariant: a chunk is in the dirty list exactly while cached_sectors is not 0, which counts the sectors
 * whose newest is not NULL. */
struct chunk {
    struct list dirty_link;
    uint64_t index;
    unsigned cached_sectors;
    struct version *newest[CHUNK_SECTORS_MAX];
    unsigned char durable[CHUNK_BYTES];
};

struct sim_medium {
    uint64_t size_bytes, cached_sectors;
    uint32_t sector_bytes;
    struct list dirty;
    struct version *spare; /* a pool, linked by older */
    struct chunk **chunks; /* NULL: never written, zeros */
};

uint64_t sim_mix(uint64_t value)
{
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

struct sim_lottery sim_lottery_draw(uint64_t seed)
{
    static const unsigned chances[] = {0, 24, 128, 128, 232, 256};
    uint64_t draw = sim_mix(seed);
    return (struct sim_lottery){
        .seed = sim_mix(draw),
        .keep_in_256 = chances[draw % 6],
        .together = (draw >> 32) % 3,
    };
}

static bool lottery_keeps(const struct sim_medium *medium, const struct sim_lottery *lottery,
                          uint64_t sector, uint64_t write_id)
{
    uint64_t ticket = lottery->seed ^ sim_mix(write_id);
    if (lottery->together == SIM_LOTTERY_SECTOR)
        ticket ^= sim_mix(~sector);
    else if (lottery->together == SIM_LOTTERY_PAGE)
        ticket ^= sim_mix(~(sector * medium->sector_bytes / LOTTERY_PAGE_BYTES));
    return (sim_mix(ticket) & 0xff) < lottery->keep_in_256;
}

/* The simulator goes no further without memory; there is nobody to tell. */
static void *must_have(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

int sim_medium_create(uint64_t size_bytes, uint32_t sector_bytes, struct sim_medium **medium)
{
    if ((sector_bytes != 512 && sector_bytes != 4096) || !size_bytes || size_bytes % sector_bytes)
        return -EINVAL;
    struct sim_medium *made = calloc(1, sizeof(*made));
    if (!made)
        return -ENOMEM;
    made->chunks = calloc((size_bytes + CHUNK_BYTES - 1) / CHUNK_BYTES, sizeof(struct chunk *));
    if (!made->chunks) {
        free(made);
        return -ENOMEM;
    }
    made->size_bytes = size_bytes;
    made->sector_bytes = sector_bytes;
    list_init(&made->dirty);
    *medium = made;
    return 0;
}

static void free_versions(struct version *version)
{
    while (version) {
        struct version *older = version->older;
        free(version);
        version = older;
    }
}

void sim_medium_destroy(struct sim_medium *medium)
{
    uint64_t chunk_count = (medium->size_bytes + CHUNK_BYTES - 1) / CHUNK_BYTES;
    for (uint64_t i = 0; i < chunk_count; i++) {
        struct chunk *chunk = medium->chunks[i];
        for (unsigned s = 0; chunk && s < CHUNK_SECTORS_MAX; s++)
            free_versions(chunk->newest[s]);
        free(chunk);
    }
    free_versions(medium->spare);
    free(medium->chunks);
    free(medium);
}

/* -- one sector ---------------------------------------------------------------------------------------- */

/* Where a sector lives. Slots are made for a step and never kept. */
struct slot {
    struct chunk *chunk;
    unsigned index; /* in the chunk */
    uint64_t sector;
};

static struct slot slot_at(struct sim_medium *medium, uint64_t offset)
{
    assert(offset < medium->size_bytes);
    struct chunk **place = &medium->chunks[offset / CHUNK_BYTES];
    if (!*place) {
        *place = must_have(calloc(1, sizeof(struct chunk)));
        (*place)->index = offset / CHUNK_BYTES;
        list_init(&(*place)->dirty_link);
    }
    return (struct slot){
        .chunk = *place,
        .index = (unsigned)(offset % CHUNK_BYTES / medium->sector_bytes),
        .sector = offset / medium->sector_bytes,
    };
}

static unsigned char *durable_bytes(const struct sim_medium *medium, struct slot slot)
{
    return slot.chunk->durable + (size_t)slot.index * medium->sector_bytes;
}

/* Gives `version` and all older ones back to the pool. *link is what pointed to it. */
static void drop_from(struct sim_medium *medium, struct slot slot, struct version **link)
{
    struct version *version = *link;
    if (!version)
        return;
    *link = NULL;
    struct version *oldest = version;
    while (oldest->older)
        oldest = oldest->older;
    oldest->older = medium->spare;
    medium->spare = version;
    if (link == &slot.chunk->newest[slot.index]) {
        medium->cached_sectors--;
        if (--slot.chunk->cached_sectors == 0)
            list_remove(&slot.chunk->dirty_link);
    }
}

/* The content of *link becomes the durable one; it and what is older leave the cache. */
static void make_durable(struct sim_medium *medium, struct slot slot, struct version **link)
{
    memcpy(durable_bytes(medium, slot), (*link)->bytes, medium->sector_bytes);
    drop_from(medium, slot, link);
}

/* Bounds the history. The oldest version is what a device may have written back on its own by now; a lost
 * one below a newer version can never be seen again. */
static void trim(struct sim_medium *medium, struct slot slot)
{
    struct version **link = &slot.chunk->newest[slot.index];
    unsigned count = 1;
    for (link = &(*link)->older; *link; link = &(*link)->older) {
        if ((*link)->lost) {
            drop_from(medium, slot, link);
            return;
        }
        if (++count > SECTOR_VERSIONS_MAX) {
            make_durable(medium, slot, link);
            return;
        }
    }
}

static void push_version(struct sim_medium *medium, struct slot slot, const unsigned char *bytes,
                         uint64_t write_id)
{
    struct version *version = medium->spare;
    if (version)
        medium->spare = version->older;
    else
        version = must_have(malloc(sizeof(*version) + medium->sector_bytes));
    struct version **newest = &slot.chunk->newest[slot.index];
    if (!*newest) {
        medium->cached_sectors++;
        if (slot.chunk->cached_sectors++ == 0)
            list_add_tail(&medium->dirty, &slot.chunk->dirty_link);
    }
    version->older = *newest;
    version->write_id = write_id;
    version->done_mark = 0;
    version->lost = false;
    memcpy(version->bytes, bytes, medium->sector_bytes);
    *newest = version;
    trim(medium, slot);
}

/* What points to the newest version that a flush with this mark covers. */
static struct version **covered_link(struct slot slot, uint64_t mark)
{
    struct version **link = &slot.chunk->newest[slot.index];
    while (*link && (!(*link)->done_mark || (*link)->done_mark > mark))
        link = &(*link)->older;
    return *link ? link : NULL;
}

static struct version **written_link(struct slot slot, uint64_t write_id)
{
    struct version **link = &slot.chunk->newest[slot.index];
    while (*link && (*link)->write_id != write_id)
        link = &(*link)->older;
    return *link ? link : NULL;
}

/* -- ranges -------------------------------------------------------------------------------------------- */

static void read_within_sector(const struct sim_medium *medium, uint64_t offset, void *buffer,
                               size_t size_bytes)
{
    const struct chunk *chunk = medium->chunks[offset / CHUNK_BYTES];
    if (!chunk) {
        memset(buffer, 0, size_bytes);
        return;
    }
    size_t in_chunk = offset % CHUNK_BYTES;
    const struct version *version = chunk->newest[in_chunk / medium->sector_bytes];
    const unsigned char *from =
        version ? version->bytes + in_chunk % medium->sector_bytes : chunk->durable + in_chunk;
    memcpy(buffer, from, size_bytes);
}

static size_t rest_of_sector(const struct sim_medium *medium, uint64_t offset, size_t size_bytes)
{
    size_t rest = medium->sector_bytes - offset % medium->sector_bytes;
    return size_bytes < rest ? size_bytes : rest;
}

void sim_medium_read(const struct sim_medium *medium, uint64_t offset, void *buffer,
                     size_t size_bytes)
{
    for (unsigned char *to = buffer; size_bytes;) {
        size_t piece = rest_of_sector(medium, offset, size_bytes);
        read_within_sector(medium, offset, to, piece);
        to += piece;
        offset += piece;
        size_bytes -= piece;
    }
}

void sim_medium_poke(struct sim_medium *medium, uint64_t offset, const void *bytes,
                     size_t size_bytes)
{
    unsigned char whole[4096];
    for (const unsigned char *from = bytes; size_bytes;) {
        size_t piece = rest_of_sector(medium, offset, size_bytes);
        uint64_t start = offset - offset % medium->sector_bytes;
        sim_medium_read(medium, start, whole, medium->sector_bytes);
        memcpy(whole + (offset - start), from, piece);
        struct slot slot = slot_at(medium, start);
        drop_from(medium, slot, &slot.chunk->newest[slot.index]);
        memcpy(durable_bytes(medium, slot), whole, medium->sector_bytes);
        from += piece;
        offset += piece;
        size_bytes -= piece;
    }
}

void sim_medium_write(struct sim_medium *medium, uint64_t offset, const void *bytes,
                      size_t size_bytes, uint64_t write_id, const struct sim_lottery *lottery)
{
    for (size_t at = 0; at < size_bytes; at += medium->sector_bytes) {
        uint64_t sector = (offset + at) / medium->sector_bytes;
        if (!lottery || lottery_keeps(medium, lottery, sector, write_id))
            push_version(medium, slot_at(medium, offset + at), (const unsigned char *)bytes + at,
                         write_id);
    }
}

void sim_medium_done(struct sim_medium *medium, uint64_t offset, size_t size_bytes,
                     uint64_t write_id, uint64_t mark)
{
    for (size_t at = 0; at < size_bytes; at += medium->sector_bytes) {
        struct version **link = written_link(slot_at(medium, offset + at), write_id);
        if (link)
            (*link)->done_mark = mark;
    }
}

void sim_medium_settle(struct sim_medium *medium, uint64_t offset, size_t size_bytes,
                       uint64_t write_id)
{
    for (size_t at = 0; at < size_bytes; at += medium->sector_bytes) {
        struct slot slot = slot_at(medium, offset + at);
        struct version **link = written_link(slot, write_id);
        if (link)
            make_durable(medium, slot, link);
    }
}

/* -- the whole cache ----------------------------------------------------------------------------------- */

/* Visits every cached sector; visit may make it leave the cache, and its chunk the dirty list. */
static uint64_t for_each_cached(struct sim_medium *medium,
                                uint64_t (*visit)(struct sim_medium *, struct slot, const void *),
                                const void *argument)
{
    uint64_t sum = 0;
    unsigned sectors = CHUNK_BYTES / medium->sector_bytes;
    list_for_each_safe(position, after, &medium->dirty)
    {
        struct chunk *chunk = list_entry(position, struct chunk, dirty_link);
        for (unsigned i = 0; i < sectors && chunk->cached_sectors; i++) {
            struct slot slot = {chunk, i, chunk->index * sectors + i};
            if (chunk->newest[i])
                sum += visit(medium, slot, argument);
        }
    }
    return sum;
}

static uint64_t flush_sector(struct sim_medium *medium, struct slot slot, const void *argument)
{
    struct version **link = covered_link(slot, *(const uint64_t *)argument);
    /* What an earlier flush lost stays lost, and so does what is older: it was covered by that flush. */
    if (link && !(*link)->lost)
        make_durable(medium, slot, link);
    return 0;
}

void sim_medium_flush(struct sim_medium *medium, uint64_t mark)
{
    for_each_cached(medium, flush_sector, &mark);
}

struct failed_flush {
    uint64_t mark, seed;
    unsigned durable_in_256, lost_in_256;
};

static uint64_t fail_sector(struct sim_medium *medium, struct slot slot, const void *argument)
{
    const struct failed_flush *failure = argument;
    struct version **link = covered_link(slot, failure->mark);
    if (!link || (*link)->lost)
        return 0;
    unsigned draw = (unsigned)(sim_mix(failure->seed ^ sim_mix(slot.sector)) & 0xff);
    if (draw < failure->durable_in_256) {
        make_durable(medium, slot, link);
    } else if (draw < failure->durable_in_256 + failure->lost_in_256) {
        for (struct version *version = *link; version; version = version->older)
            version->lost = true;
    }
    return 0;
}

void sim_medium_flush_failed(struct sim_medium *medium, uint64_t mark, uint64_t seed)
{
    uint64_t draw = sim_mix(seed);
    struct failed_flush failure = {
        .mark = mark,
        .seed = seed,
        .durable_in_256 = (unsigned)(draw & 0xff),
        .lost_in_256 = (unsigned)(draw >> 8 & 0xff),
    };
    for_each_cached(medium, fail_sector, &failure);
}

static uint64_t cut_sector(struct sim_medium *medium, struct slot slot, const void *argument)
{
    const struct sim_lottery *lottery = argument;
    struct version **newest = &slot.chunk->newest[slot.index];
    uint64_t lost = 0;
    bool newest_done = true;
    for (struct version **link = newest; *link; link = &(*link)->older) {
        if (!(*link)->lost && lottery_keeps(medium, lottery, slot.sector, (*link)->write_id)) {
            make_durable(medium, slot, link);
            break;
        }
        if ((*link)->done_mark && newest_done) {
            lost = 1;
            newest_done = false;
        }
    }
    drop_from(medium, slot, newest);
    return lost;
}

uint64_t sim_medium_cut(struct sim_medium *medium, const struct sim_lottery *lottery)
{
    return for_each_cached(medium, cut_sector, lottery);
}

uint64_t sim_medium_cached_sectors(const struct sim_medium *medium)
{
    return medium->cached_sectors;
}
