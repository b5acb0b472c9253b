/*
 * stamp_map.h - which stamp the bytes of a file carry: a map from ranges of offsets to stamps.
 *
 * What was never set has stamp 0: zeros. Ranges are kept sorted, apart and not empty.
 */
#ifndef WT_TESTS_SUPPORT_STAMP_MAP_H
#define WT_TESTS_SUPPORT_STAMP_MAP_H

#include <stdint.h>

#define OFFSET_END UINT64_MAX

struct stamp_range {
    uint64_t start, end, stamp;
};

struct stamp_map {
    struct stamp_range *items;
    unsigned count, capacity;
};

/* From start to end the bytes carry this stamp now. */
void stamps_set(struct stamp_map *map, uint64_t start, uint64_t end, uint64_t stamp);
/* Removes start to end, whatever it carried. */
void stamps_clear(struct stamp_map *map, uint64_t start, uint64_t end);
/* The stamp at `offset`; *end: where its run ends. */
uint64_t stamps_at(const struct stamp_map *map, uint64_t offset, uint64_t *end);
void stamps_copy(struct stamp_map *to, const struct stamp_map *from);
void stamps_free(struct stamp_map *map);

#endif
