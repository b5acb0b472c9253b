#include "tests/support/stamp_map.h"

#include <stdlib.h>
#include <string.h>

static void insert(struct stamp_map *map, unsigned at, struct stamp_range item)
{
    if (map->count == map->capacity) {
        map->capacity = map->capacity ? map->capacity * 2 : 8;
        map->items = realloc(map->items, map->capacity * sizeof(*map->items));
        if (!map->items)
            abort();
    }
    memmove(map->items + at + 1, map->items + at, (map->count - at) * sizeof(*map->items));
    map->items[at] = item;
    map->count++;
}

static void erase(struct stamp_map *map, unsigned at)
{
    map->count--;
    memmove(map->items + at, map->items + at + 1, (map->count - at) * sizeof(*map->items));
}

void stamps_clear(struct stamp_map *map, uint64_t start, uint64_t end)
{
    unsigned i = 0;
    while (i < map->count) {
        struct stamp_range *item = &map->items[i];
        if (item->end <= start || item->start >= end) {
            i++;
        } else if (item->start >= start && item->end <= end) {
            erase(map, i);
        } else if (item->start < start && item->end > end) {
            struct stamp_range rest = {end, item->end, item->stamp};
            item->end = start;
            insert(map, i + 1, rest);
            return;
        } else if (item->start < start) {
            item->end = start;
            i++;
        } else {
            item->start = end;
            i++;
        }
    }
}

void stamps_set(struct stamp_map *map, uint64_t start, uint64_t end, uint64_t stamp)
{
    if (start >= end)
        return;
    stamps_clear(map, start, end);
    unsigned at = 0;
    while (at < map->count && map->items[at].start < start)
        at++;
    insert(map, at, (struct stamp_range){start, end, stamp});
}

uint64_t stamps_at(const struct stamp_map *map, uint64_t offset, uint64_t *end)
{
    for (unsigned i = 0; i < map->count; i++) {
        const struct stamp_range *item = &map->items[i];
        if (offset < item->start) {
            *end = item->start;
            return 0;
        }
        if (offset < item->end) {
            *end = item->end;
            return item->stamp;
        }
    }
    *end = OFFSET_END;
    return 0;
}

void stamps_copy(struct stamp_map *to, const struct stamp_map *from)
{
    to->count = 0;
    for (unsigned i = 0; i < from->count; i++)
        insert(to, i, from->items[i]);
}

void stamps_free(struct stamp_map *map)
{
    free(map->items);
    *map = (struct stamp_map){0};
}
