/*
 * extents.h - the map of one file: which logical blocks are where. One shard; no I/O.
 *
 * Extents are kept sorted by logical block, do not overlap, and are merged where both logical and physical
 * blocks adjoin and both are written, or neither is. An unwritten extent is the file's, but reads as zeros:
 * mapping the same place over it as written is how it is converted. Cost: find O(log n), set and clear O(log n + extents touched).
 * Memory: about 24 bytes an extent plus slack (the documented figure is EXTENT_MEMORY_BYTES); an empty map
 * holds no memory beyond the struct itself.
 */
#ifndef WT_VOLUME_EXTENTS_H
#define WT_VOLUME_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXTENT_MEMORY_BYTES 40u

struct extent {
    uint64_t logical, physical;
    uint64_t blocks : 63;
    uint64_t unwritten : 1;
};

struct extent_leaf;

struct extent_map {
    struct extent_leaf **leaves;
    uint32_t leaf_count, leaf_capacity;
    uint64_t extent_count : 56;
    uint64_t round : 8;   /* of the image the file was last put into; new leaves take it */
    uint64_t block_count; /* unwritten ones too */
};

/* Called for each run of physical blocks that a change released. */
typedef void extent_freed(void *context, uint64_t physical, uint64_t blocks);

void extents_init(struct extent_map *map);
/* Frees the memory; the blocks are not reported. */
void extents_destroy(struct extent_map *map);
/* The extent that holds `logical`, or the first one after it. False: none. */
bool extents_find(const struct extent_map *map, uint64_t logical, struct extent *extent);
/* The same, but unwritten ones are passed over: O(log n) for each. */
bool extents_find_written(const struct extent_map *map, uint64_t logical, struct extent *extent);
/* Maps; what was mapped there before is reported, but not where old and new place are the same. -ENOMEM:
 * nothing was changed. */
int extents_set(struct extent_map *map, struct extent extent, extent_freed *freed, void *context);
/* Makes a hole. May need memory for a split: -ENOMEM, nothing was changed. */
int extents_clear(struct extent_map *map, uint64_t logical, uint64_t blocks, extent_freed *freed,
                  void *context);
/* The same, and unwritten extents stay. */
int extents_clear_written(struct extent_map *map, uint64_t logical, uint64_t blocks,
                          extent_freed *freed, void *context);

/* For images in steps (partition.c): each leaf carries the round it was last visited in. */
typedef void extents_visit(void *context, const struct extent *extents, uint32_t count);
/* Visits what a change of [logical, logical + blocks) may touch and is not of map->round. */
void extents_save(struct extent_map *map, uint64_t logical, uint64_t blocks, extents_visit *visit,
                  void *context);
/* Visits extents from *logical on, skipping what is of map->round, and moves *logical behind them; *budget
 * loses their number. False: those were the last. True: the budget is used up. */
bool extents_walk(struct extent_map *map, uint64_t *logical, unsigned *budget, extents_visit *visit,
                  void *context);
size_t extents_memory_bytes(const struct extent_map *map);

#endif
