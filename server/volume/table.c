/* table.c - see table.h. */
#include "server/volume/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SEGMENT_BUCKETS 64u
#define FIRST_SEGMENT_SHIFT   6u

static unsigned log2_floor(uint64_t value)
{
    return 63u - (unsigned)__builtin_clzll(value);
}

/* Segment 0 holds buckets 0 to 63, segment k holds 64 << (k - 1) buckets from that number on. */
static unsigned segment_of(uint64_t bucket)
{
    return bucket < FIRST_SEGMENT_BUCKETS ? 0 : log2_floor(bucket >> FIRST_SEGMENT_SHIFT) + 1;
}

static uint64_t segment_start(unsigned segment)
{
    return segment == 0 ? 0 : (uint64_t)FIRST_SEGMENT_BUCKETS << (segment - 1);
}

static uint64_t segment_buckets(unsigned segment)
{
    return segment == 0 ? FIRST_SEGMENT_BUCKETS : segment_start(segment);
}

static void **slot(const struct table *table, uint64_t bucket)
{
    unsigned segment = segment_of(bucket);
    return &table->segments[segment][bucket - segment_start(segment)];
}

/* The links belong to nodes of other types, so they are copied, not aliased. */
static void *get_link(const struct table *table, const void *node)
{
    void *next;
    memcpy(&next, (const char *)node + table->link_offset, sizeof next);
    return next;
}

static void set_link(const struct table *table, void *node, void *next)
{
    memcpy((char *)node + table->link_offset, &next, sizeof next);
}

/* Buckets that were split in this round have twice the number of hash bits. */
static uint64_t bucket_of(const struct table *table, uint64_t hash)
{
    uint64_t round = 1ull << log2_floor(table->bucket_count);
    uint64_t bucket = hash & (2 * round - 1);
    return bucket < table->bucket_count ? bucket : bucket & (round - 1);
}

int table_init(struct table *table, size_t link_offset, table_hash *hash, const void *context)
{
    *table = (struct table){
        .bucket_count = FIRST_SEGMENT_BUCKETS,
        .link_offset = link_offset,
        .hash = hash,
        .context = context,
    };
    table->segments[0] = calloc(FIRST_SEGMENT_BUCKETS, sizeof(void *));
    return table->segments[0] ? 0 : -ENOMEM;
}

void table_expect(struct table *table, uint64_t nodes)
{
    assert(table->node_count == 0);
    while (table->bucket_count < nodes) {
        unsigned segment = segment_of(table->bucket_count);
        uint64_t end = segment_start(segment) + segment_buckets(segment);
        if (segment < TABLE_SEGMENTS_MAX && !table->segments[segment])
            table->segments[segment] = calloc(segment_buckets(segment), sizeof(void *));
        if (segment >= TABLE_SEGMENTS_MAX || !table->segments[segment])
            return;
        table->bucket_count = nodes < end ? nodes : end;
    }
}

void table_destroy(struct table *table)
{
    for (unsigned i = 0; i < TABLE_SEGMENTS_MAX; i++)
        free(table->segments[i]);
    *table = (struct table){0};
}

/* Adds one bucket and moves into it what belongs there from the one it splits. */
static void grow(struct table *table)
{
    uint64_t fresh = table->bucket_count;
    unsigned segment = segment_of(fresh);
    if (segment >= TABLE_SEGMENTS_MAX)
        return;
    if (!table->segments[segment])
        table->segments[segment] = calloc(segment_buckets(segment), sizeof(void *));
    if (!table->segments[segment])
        return;
    uint64_t round = 1ull << log2_floor(fresh);
    void **from = slot(table, fresh - round), **to = slot(table, fresh);
    void *node = *from;
    *from = NULL;
    table->bucket_count++;
    while (node) {
        void *next = get_link(table, node);
        void **home = (table->hash(table->context, node) & (2 * round - 1)) == fresh ? to : from;
        set_link(table, node, *home);
        *home = node;
        node = next;
    }
}

void table_insert(struct table *table, void *node)
{
    if (table->node_count >= table->bucket_count)
        grow(table);
    void **head = slot(table, bucket_of(table, table->hash(table->context, node)));
    set_link(table, node, *head);
    *head = node;
    table->node_count++;
}

void table_remove(struct table *table, void *node)
{
    void **head = slot(table, bucket_of(table, table->hash(table->context, node)));
    void *next = get_link(table, node);
    if (*head == node) {
        *head = next;
    } else {
        void *before = *head;
        while (before && get_link(table, before) != node)
            before = get_link(table, before);
        assert(before);
        set_link(table, before, next);
    }
    set_link(table, node, NULL);
    table->node_count--;
}

void *table_first(const struct table *table, uint64_t hash)
{
    return *slot(table, bucket_of(table, hash));
}

void *table_next(const struct table *table, const void *node)
{
    return get_link(table, node);
}

void table_prefetch_bucket(const struct table *table, uint64_t hash)
{
    __builtin_prefetch(slot(table, bucket_of(table, hash)));
}

void table_prefetch_first(const struct table *table, uint64_t hash)
{
    __builtin_prefetch(table_first(table, hash));
}

void *table_bucket(const struct table *table, uint64_t bucket)
{
    assert(bucket < table->bucket_count);
    return *slot(table, bucket);
}
