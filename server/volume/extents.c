/*
 * extents.c - see extents.h. Two levels: an array of pointers to leaves, each a sorted array of extents.
 *
 * Invariants: no leaf is empty; extents grow by logical block within a leaf and from leaf to leaf; no two
 * overlap; neighbours that adjoin both logically and physically and agree on being written are one. Leaves
 * are powers of two bytes long, which is what allocators hand out, and double as they fill: a file of one
 * extent holds 32 bytes and a pointer.
 *
 * Every change is one splice: some neighbouring extents go, at most three come (what is left on the left,
 * the new one, what is left on the right), all into the leaf where the first one was. Room in that leaf is
 * made beforehand, which does not alter what the map means, and then nothing can fail.
 */
#include "server/volume/extents.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct extent_leaf {
    uint32_t count;
    uint32_t size_bytes : 24;
    uint32_t round : 8; /* see extents_save; leaves of different rounds are never joined */
    struct extent extents[];
};

#define LEAF_BYTES_MIN 32u
#define LEAF_BYTES_MAX 2048u
#define PIECES_MAX     3u

struct place {
    uint32_t leaf, index;
};

struct splice {
    struct place at;  /* of the first extent that goes, or where the new ones come */
    uint64_t removed; /* extents that go */
    uint64_t removed_blocks;
    unsigned piece_count;
    struct extent pieces[PIECES_MAX];
};

static uint32_t leaf_capacity(size_t size_bytes)
{
    return (uint32_t)((size_bytes - sizeof(struct extent_leaf)) / sizeof(struct extent));
}

static size_t leaf_bytes_for(uint32_t count)
{
    size_t size_bytes = LEAF_BYTES_MIN;
    while (leaf_capacity(size_bytes) < count)
        size_bytes *= 2;
    return size_bytes;
}

static bool adjoin(const struct extent *left, const struct extent *right)
{
    return left->logical + left->blocks == right->logical &&
           left->physical + left->blocks == right->physical && left->unwritten == right->unwritten;
}

void extents_init(struct extent_map *map)
{
    *map = (struct extent_map){0};
}

void extents_destroy(struct extent_map *map)
{
    for (uint32_t i = 0; i < map->leaf_count; i++)
        free(map->leaves[i]);
    free(map->leaves);
    extents_init(map);
}

size_t extents_memory_bytes(const struct extent_map *map)
{
    size_t bytes = map->leaf_capacity * sizeof(struct extent_leaf *);
    for (uint32_t i = 0; i < map->leaf_count; i++)
        bytes += map->leaves[i]->size_bytes;
    return bytes;
}

/* ---- places ------------------------------------------------------------------------------------ */

/* The first extent that ends after `logical`, or the place behind the last one. */
static struct place locate(const struct extent_map *map, uint64_t logical)
{
    uint32_t low = 0, high = map->leaf_count; /* the first leaf that starts after `logical` */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (map->leaves[middle]->extents[0].logical <= logical)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return (struct place){0, 0};
    const struct extent_leaf *leaf = map->leaves[low - 1];
    uint32_t first = 0, last = leaf->count; /* the first extent that starts after `logical` */
    while (first < last) {
        uint32_t middle = first + (last - first) / 2;
        if (leaf->extents[middle].logical <= logical)
            first = middle + 1;
        else
            last = middle;
    }
    const struct extent *before = &leaf->extents[first - 1];
    if (logical - before->logical < before->blocks)
        return (struct place){low - 1, first - 1};
    if (first == leaf->count && low < map->leaf_count)
        return (struct place){low, 0};
    return (struct place){low - 1, first};
}

static const struct extent *extent_at(const struct extent_map *map, struct place place)
{
    if (place.leaf >= map->leaf_count || place.index >= map->leaves[place.leaf]->count)
        return NULL;
    return &map->leaves[place.leaf]->extents[place.index];
}

static struct place after(const struct extent_map *map, struct place place)
{
    if (place.index + 1 == map->leaves[place.leaf]->count && place.leaf + 1 < map->leaf_count)
        return (struct place){place.leaf + 1, 0};
    return (struct place){place.leaf, place.index + 1};
}

static bool before(const struct extent_map *map, struct place place, struct place *previous)
{
    if (place.index > 0) {
        *previous = (struct place){place.leaf, place.index - 1};
        return true;
    }
    if (place.leaf == 0)
        return false;
    *previous = (struct place){place.leaf - 1, map->leaves[place.leaf - 1]->count - 1};
    return true;
}

bool extents_find(const struct extent_map *map, uint64_t logical, struct extent *extent)
{
    const struct extent *found = extent_at(map, locate(map, logical));
    if (!found)
        return false;
    *extent = *found;
    return true;
}

bool extents_find_written(const struct extent_map *map, uint64_t logical, struct extent *extent)
{
    while (extents_find(map, logical, extent)) {
        if (!extent->unwritten)
            return true;
        logical = extent->logical + extent->blocks;
    }
    return false;
}

/* ---- room -------------------------------------------------------------------------------------- */

static int grow_leaf_array(struct extent_map *map)
{
    if (map->leaf_count < map->leaf_capacity)
        return 0;
    uint32_t capacity = map->leaf_capacity ? 2 * map->leaf_capacity : 1;
    struct extent_leaf **leaves = realloc(map->leaves, capacity * sizeof(struct extent_leaf *));
    if (!leaves)
        return -ENOMEM;
    map->leaves = leaves;
    map->leaf_capacity = capacity;
    return 0;
}

static int resize_leaf(struct extent_map *map, uint32_t index, size_t size_bytes)
{
    struct extent_leaf *leaf = realloc(map->leaves[index], size_bytes);
    if (!leaf)
        return -ENOMEM;
    leaf->size_bytes = (uint32_t)size_bytes;
    map->leaves[index] = leaf;
    return 0;
}

/* Moves the last `move` extents of a leaf into a new one behind it. */
static int split_leaf(struct extent_map *map, uint32_t index, uint32_t move)
{
    int error = grow_leaf_array(map);
    if (error)
        return error;
    struct extent_leaf *leaf = map->leaves[index];
    assert(move > 0 && move < leaf->count);
    size_t size_bytes = leaf_bytes_for(move);
    struct extent_leaf *fresh = malloc(size_bytes);
    if (!fresh)
        return -ENOMEM;
    *fresh = (struct extent_leaf){
        .count = move, .size_bytes = (uint32_t)size_bytes, .round = leaf->round};
    memcpy(fresh->extents, leaf->extents + leaf->count - move, move * sizeof leaf->extents[0]);
    leaf->count -= move;
    memmove(map->leaves + index + 2, map->leaves + index + 1,
            (map->leaf_count - index - 1) * sizeof(struct extent_leaf *));
    map->leaves[index + 1] = fresh;
    map->leaf_count++;
    return 0;
}

/* A bigger leaf, or two of it. A leaf that fills by appending is left full; others are halved. */
static int make_room(struct extent_map *map, struct place at)
{
    const struct extent_leaf *leaf = map->leaves[at.leaf];
    if (leaf->size_bytes < LEAF_BYTES_MAX)
        return resize_leaf(map, at.leaf, 2 * (size_t)leaf->size_bytes);
    bool appending = at.leaf + 1 == map->leaf_count && at.index == leaf->count;
    return split_leaf(map, at.leaf, appending ? 1 : leaf->count / 2);
}

static void drop_leaves(struct extent_map *map, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++)
        free(map->leaves[i]);
    memmove(map->leaves + first, map->leaves + first + count,
            (map->leaf_count - first - count) * sizeof(struct extent_leaf *));
    map->leaf_count -= count;
    if (map->leaf_count == 0) {
        free(map->leaves);
        map->leaves = NULL;
        map->leaf_capacity = 0;
    } else if (map->leaf_count < map->leaf_capacity / 4) {
        struct extent_leaf **leaves =
            realloc(map->leaves, map->leaf_capacity / 2 * sizeof(struct extent_leaf *));
        if (leaves) {
            map->leaves = leaves;
            map->leaf_capacity /= 2;
        }
    }
}

/* Joins a leaf with the next one where together they are at most half a leaf. */
static void join(struct extent_map *map, uint32_t index)
{
    if (index + 1 >= map->leaf_count)
        return;
    const struct extent_leaf *next = map->leaves[index + 1];
    uint32_t together = map->leaves[index]->count + next->count;
    if (together > leaf_capacity(LEAF_BYTES_MAX) / 2 || next->round != map->leaves[index]->round)
        return;
    if (together > leaf_capacity(map->leaves[index]->size_bytes) &&
        resize_leaf(map, index, leaf_bytes_for(together)))
        return;
    struct extent_leaf *leaf = map->leaves[index];
    memcpy(leaf->extents + leaf->count, next->extents, next->count * sizeof next->extents[0]);
    leaf->count = together;
    drop_leaves(map, index + 1, 1);
}

/* Gives memory back around a leaf that lost extents; without memory for that things stay as they are. */
static void tidy(struct extent_map *map, uint32_t index)
{
    join(map, index);
    if (index > 0)
        join(map, --index);
    if (index >= map->leaf_count)
        return;
    const struct extent_leaf *leaf = map->leaves[index];
    if (leaf_bytes_for(leaf->count) <= leaf->size_bytes / 4)
        (void)resize_leaf(map, index, leaf->size_bytes / 2);
}

/* ---- images ------------------------------------------------------------------------------------ */

static void visit_leaf(const struct extent_map *map, struct extent_leaf *leaf, extents_visit *visit,
                       void *context)
{
    if (leaf->round == map->round)
        return;
    leaf->round = (uint32_t)map->round;
    visit(context, leaf->extents, leaf->count);
}

/* From the leaf before, whose last extent may grow, to the one where the first extent behind may. */
void extents_save(struct extent_map *map, uint64_t logical, uint64_t blocks, extents_visit *visit,
                  void *context)
{
    uint64_t end;
    if (map->leaf_count == 0 || __builtin_add_overflow(logical, blocks, &end))
        return; /* no change then */
    uint32_t first = locate(map, logical).leaf, last = locate(map, end).leaf;
    for (uint32_t i = first > 0 ? first - 1 : 0; i <= last && i < map->leaf_count; i++)
        visit_leaf(map, map->leaves[i], visit, context);
}

bool extents_walk(struct extent_map *map, uint64_t *logical, unsigned *budget, extents_visit *visit,
                  void *context)
{
    struct place place = locate(map, *logical);
    for (; extent_at(map, place); place = (struct place){place.leaf + 1, 0}) {
        struct extent_leaf *leaf = map->leaves[place.leaf];
        const struct extent *last = &leaf->extents[leaf->count - 1];
        if (*budget == 0)
            return true;
        visit_leaf(map, leaf, visit, context);
        *logical = last->logical + last->blocks;
        *budget -= leaf->count < *budget ? leaf->count : *budget;
    }
    return false;
}

/* ---- changes ----------------------------------------------------------------------------------- */

static void add_piece(struct splice *splice, struct extent piece)
{
    if (piece.blocks == 0)
        return;
    if (splice->piece_count > 0) {
        struct extent *last = &splice->pieces[splice->piece_count - 1];
        if (adjoin(last, &piece)) {
            last->blocks += piece.blocks;
            return;
        }
    }
    splice->pieces[splice->piece_count++] = piece;
}

/* What must go and come so that [logical, end) is `fresh`, or a hole (NULL). */
static void plan(const struct extent_map *map, uint64_t logical, uint64_t end,
                 const struct extent *fresh, struct splice *splice)
{
    struct extent left = {0}, right = {0};
    struct place place = locate(map, logical), previous;
    const struct extent *old;
    *splice = (struct splice){.at = place};
    while ((old = extent_at(map, place)) && old->logical < end) {
        uint64_t old_end = old->logical + old->blocks;
        if (old->logical < logical)
            left = (struct extent){old->logical, old->physical, logical - old->logical,
                                   old->unwritten};
        if (old_end > end)
            right = (struct extent){end, old->physical + (end - old->logical), old_end - end,
                                    old->unwritten};
        splice->removed++;
        splice->removed_blocks += old->blocks;
        place = after(map, place);
    }
    if (fresh && !left.blocks && before(map, splice->at, &previous) &&
        adjoin(extent_at(map, previous), fresh)) {
        left = *extent_at(map, previous);
        splice->at = previous;
        splice->removed++;
        splice->removed_blocks += left.blocks;
    }
    if (fresh && !right.blocks && old && adjoin(fresh, old)) {
        right = *old;
        splice->removed++;
        splice->removed_blocks += right.blocks;
    }
    add_piece(splice, left);
    if (fresh)
        add_piece(splice, *fresh);
    add_piece(splice, right);
}

static void report(const struct extent_map *map, const struct splice *splice, uint64_t logical,
                   uint64_t end, const struct extent *fresh, extent_freed *freed, void *context)
{
    struct place place = splice->at;
    for (uint64_t i = 0; freed && i < splice->removed; i++, place = after(map, place)) {
        const struct extent *old = extent_at(map, place);
        uint64_t from = old->logical > logical ? old->logical : logical;
        uint64_t old_end = old->logical + old->blocks;
        uint64_t to = old_end < end ? old_end : end;
        bool same = fresh && old->physical - old->logical == fresh->physical - fresh->logical;
        if (from < to && !same)
            freed(context, old->physical + (from - old->logical), to - from);
    }
}

/* Extents of the splice that are in its first leaf. */
static uint32_t removed_here(const struct extent_map *map, const struct splice *splice)
{
    uint32_t here = map->leaves[splice->at.leaf]->count - splice->at.index;
    return splice->removed < here ? (uint32_t)splice->removed : here;
}

static bool has_room(const struct extent_map *map, const struct splice *splice)
{
    const struct extent_leaf *leaf = map->leaves[splice->at.leaf];
    return leaf->count - removed_here(map, splice) + splice->piece_count <=
           leaf_capacity(leaf->size_bytes);
}

static void carry_out(struct extent_map *map, const struct splice *splice)
{
    struct extent_leaf *leaf = map->leaves[splice->at.leaf];
    uint32_t index = splice->at.index, here = removed_here(map, splice);
    memmove(leaf->extents + index + splice->piece_count, leaf->extents + index + here,
            (leaf->count - index - here) * sizeof leaf->extents[0]);
    memcpy(leaf->extents + index, splice->pieces, splice->piece_count * sizeof leaf->extents[0]);
    leaf->count += splice->piece_count - here;

    uint32_t first = splice->at.leaf + (leaf->count > 0), next = splice->at.leaf + 1;
    uint64_t left = splice->removed - here;
    while (left > 0 && map->leaves[next]->count <= left)
        left -= map->leaves[next++]->count;
    if (left > 0) {
        struct extent_leaf *last = map->leaves[next];
        memmove(last->extents, last->extents + left,
                (last->count - left) * sizeof last->extents[0]);
        last->count -= (uint32_t)left;
    }
    if (next > first)
        drop_leaves(map, first, next - first);

    map->extent_count += splice->piece_count - splice->removed;
    map->block_count -= splice->removed_blocks;
    for (unsigned i = 0; i < splice->piece_count; i++)
        map->block_count += splice->pieces[i].blocks;
    if (splice->removed > splice->piece_count && map->leaf_count > 0)
        tidy(map, splice->at.leaf < map->leaf_count ? splice->at.leaf : map->leaf_count - 1);
}

static int change(struct extent_map *map, uint64_t logical, uint64_t end,
                  const struct extent *fresh, extent_freed *freed, void *context)
{
    struct splice splice;
    plan(map, logical, end, fresh, &splice);
    if (splice.removed == 0 && splice.piece_count == 0)
        return 0;
    while (!has_room(map, &splice)) {
        int error = make_room(map, splice.at);
        if (error)
            return error;
        plan(map, logical, end, fresh, &splice);
    }
    report(map, &splice, logical, end, fresh, freed, context);
    carry_out(map, &splice);
    return 0;
}

static int set_first(struct extent_map *map, struct extent extent)
{
    int error = grow_leaf_array(map);
    if (error)
        return error;
    struct extent_leaf *leaf = malloc(LEAF_BYTES_MIN);
    if (!leaf) {
        extents_destroy(map);
        return -ENOMEM;
    }
    *leaf = (struct extent_leaf){
        .count = 1, .size_bytes = LEAF_BYTES_MIN, .round = (uint32_t)map->round};
    leaf->extents[0] = extent;
    map->leaves[0] = leaf;
    map->leaf_count = 1;
    map->extent_count = 1;
    map->block_count = extent.blocks;
    return 0;
}

int extents_set(struct extent_map *map, struct extent extent, extent_freed *freed, void *context)
{
    uint64_t end, physical_end;
    if (extent.blocks == 0 || __builtin_add_overflow(extent.logical, extent.blocks, &end) ||
        __builtin_add_overflow(extent.physical, extent.blocks, &physical_end))
        return -EINVAL;
    if (map->leaf_count == 0)
        return set_first(map, extent);
    return change(map, extent.logical, end, &extent, freed, context);
}

int extents_clear(struct extent_map *map, uint64_t logical, uint64_t blocks, extent_freed *freed,
                  void *context)
{
    uint64_t end;
    if (__builtin_add_overflow(logical, blocks, &end))
        return -EINVAL;
    if (map->leaf_count == 0 || blocks == 0)
        return 0;
    return change(map, logical, end, NULL, freed, context);
}

/* Only a clear inside one extent needs memory, and then it is the only one: so nothing is ever half done. */
int extents_clear_written(struct extent_map *map, uint64_t logical, uint64_t blocks,
                          extent_freed *freed, void *context)
{
    uint64_t end;
    struct extent extent;
    if (__builtin_add_overflow(logical, blocks, &end))
        return -EINVAL;
    if (blocks == 0)
        return 0;
    while (extents_find_written(map, logical, &extent) && extent.logical < end) {
        uint64_t from = extent.logical > logical ? extent.logical : logical;
        uint64_t extent_end = extent.logical + extent.blocks;
        uint64_t to = extent_end < end ? extent_end : end;
        int error = change(map, from, to, NULL, freed, context);
        if (error)
            return error;
        logical = to;
    }
    return 0;
}
