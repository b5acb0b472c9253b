/*
 * table.h - a hash table of chained nodes that grows one bucket at a time (linear hashing). Private to the
 * volume; one thread.
 *
 * Why not a plain table: doubling one of a million nodes stalls the shard for tens of milliseconds. Here
 * each insertion splits at most one bucket. Buckets live in segments of doubling size that never move.
 *
 * A node carries its own link (a pointer at link_offset), so inserting needs no memory and cannot fail: a
 * segment that could not be had only makes chains longer. The table does not shrink.
 */
#ifndef WT_VOLUME_TABLE_H
#define WT_VOLUME_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define TABLE_SEGMENTS_MAX 40u

typedef uint64_t table_hash(const void *context, const void *node);

struct table {
    void **segments
        [TABLE_SEGMENTS_MAX]; /* the first holds 64 buckets, each next as many as all before */
    uint64_t bucket_count, node_count;
    size_t link_offset;
    table_hash *hash;
    const void *context;
};

/* -ENOMEM. */
int table_init(struct table *table, size_t link_offset, table_hash *hash, const void *context);
/* An empty table that will hold so many nodes has its buckets now: they come in without a split each. What
 * memory there is not for is left to growing. */
void table_expect(struct table *table, uint64_t nodes);
/* Frees the buckets, not the nodes. */
void table_destroy(struct table *table);
void table_insert(struct table *table, void *node);
/* The node must be in the table. */
void table_remove(struct table *table, void *node);
/* The nodes that may have this hash: table_first, then table_next until NULL. The caller compares keys. */
void *table_first(const struct table *table, uint64_t hash);
void *table_next(const struct table *table, const void *node);
/* The place of this hash will be looked at soon; later, so will what it points to. */
void table_prefetch_bucket(const struct table *table, uint64_t hash);
void table_prefetch_first(const struct table *table, uint64_t hash);
/* The first node of a bucket, to visit all: buckets 0 to bucket_count - 1. Removing the node at hand is
 * allowed once its successor was taken. */
void *table_bucket(const struct table *table, uint64_t bucket);

/* Spreads numbers that differ little (the finaliser of splitmix64). */
static inline uint64_t table_mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
    return value ^ (value >> 31);
}

#endif
