/*
 * test_extents.c - the map of a file against a plain array. extents.c is compiled in here, with malloc and
 * realloc that can fail.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static unsigned allocations_left = ~0u;

static void *failing_malloc(size_t size_bytes)
{
    return allocations_left > 0 && allocations_left-- ? malloc(size_bytes) : NULL;
}

static void *failing_realloc(void *old, size_t size_bytes)
{
    return allocations_left > 0 && allocations_left-- ? realloc(old, size_bytes) : NULL;
}

#define malloc  failing_malloc
#define realloc failing_realloc
#include "server/volume/extents.c"
#undef malloc
#undef realloc

#include "tests/support/random.h"

#define MODEL_BLOCKS    2000u
#define PHYSICAL_BLOCKS 1000000u

#define UNWRITTEN (1ull << 63)

/* physical + 1 of each logical block, perhaps with UNWRITTEN; 0: a hole */
struct model {
    uint64_t blocks[MODEL_BLOCKS];
    uint8_t freed[PHYSICAL_BLOCKS]; /* reported as released */
};

static void note_freed(void *context, uint64_t physical, uint64_t blocks)
{
    struct model *model = context;
    cr_assert_gt(blocks, 0);
    cr_assert_leq(physical + blocks, PHYSICAL_BLOCKS);
    for (uint64_t i = 0; i < blocks; i++)
        model->freed[physical + i]++;
}

/* What the header promises, seen from outside. */
static void check(const struct extent_map *map, const struct model *model)
{
    uint64_t extents = 0, blocks = 0, at = 0;
    struct extent extent, last = {0};
    while (extents_find(map, at, &extent)) {
        cr_assert_geq(extent.logical, at);
        cr_assert_gt(extent.blocks, 0);
        if (extents > 0)
            cr_assert(!adjoin(&last, &extent), "neighbours are merged");
        for (; model && at < extent.logical; at++)
            cr_assert_eq(model->blocks[at], 0);
        for (uint64_t i = 0; model && i < extent.blocks; i++)
            cr_assert_eq(model->blocks[extent.logical + i],
                         (extent.physical + i + 1) | (extent.unwritten ? UNWRITTEN : 0));
        at = extent.logical + extent.blocks;
        extents++;
        blocks += extent.blocks;
        last = extent;
    }
    for (; model && at < MODEL_BLOCKS; at++)
        cr_assert_eq(model->blocks[at], 0);
    cr_assert_eq(map->extent_count, extents);
    cr_assert_eq(map->block_count, blocks);
    for (uint32_t i = 0; i < map->leaf_count; i++)
        cr_assert_gt(map->leaves[i]->count, 0);
    if (extents == 0)
        cr_assert_eq(extents_memory_bytes(map), 0);
}

static int set(struct extent_map *map, struct model *model, struct extent extent)
{
    memset(model->freed, 0, sizeof model->freed);
    int error = extents_set(map, extent, note_freed, model);
    if (error)
        return error;
    for (uint64_t i = 0; i < extent.blocks; i++) {
        uint64_t *old = &model->blocks[extent.logical + i], fresh = extent.physical + i + 1;
        uint64_t place = *old & ~UNWRITTEN;
        if (place && place != fresh)
            cr_assert_eq(model->freed[place - 1]--, 1);
        *old = fresh | (extent.unwritten ? UNWRITTEN : 0);
    }
    cr_assert(!memchr(model->freed, 1, sizeof model->freed), "only what was replaced is reported");
    return 0;
}

static int clear_some(struct extent_map *map, struct model *model, uint64_t logical,
                      uint64_t blocks, bool written_only)
{
    memset(model->freed, 0, sizeof model->freed);
    int error = (written_only ? extents_clear_written : extents_clear)(map, logical, blocks,
                                                                       note_freed, model);
    if (error)
        return error;
    for (uint64_t i = logical; i < logical + blocks && i < MODEL_BLOCKS; i++) {
        uint64_t old = model->blocks[i];
        if (written_only && old & UNWRITTEN)
            continue;
        if (old)
            cr_assert_eq(model->freed[(old & ~UNWRITTEN) - 1]--, 1);
        model->blocks[i] = 0;
    }
    cr_assert(!memchr(model->freed, 1, sizeof model->freed));
    return 0;
}

static int clear(struct extent_map *map, struct model *model, uint64_t logical, uint64_t blocks)
{
    return clear_some(map, model, logical, blocks, false);
}

Test(extents, empty_holds_nothing)
{
    struct extent_map map;
    struct extent extent;
    extents_init(&map);
    cr_assert(!extents_find(&map, 0, &extent));
    cr_assert_eq(extents_memory_bytes(&map), 0);
    cr_assert_eq(extents_clear(&map, 0, UINT64_MAX, NULL, NULL), 0);
    cr_assert_eq(extents_set(&map, (struct extent){5, 100, 1, false}, NULL, NULL), 0);
    cr_assert_leq(extents_memory_bytes(&map), EXTENT_MEMORY_BYTES);
    cr_assert_eq(extents_clear(&map, 0, UINT64_MAX, NULL, NULL), 0);
    cr_assert_eq(extents_memory_bytes(&map), 0);
    extents_destroy(&map);
}

Test(extents, finds_the_one_that_holds_or_follows)
{
    struct extent_map map;
    struct extent extent;
    extents_init(&map);
    extents_set(&map, (struct extent){10, 100, 5, false}, NULL, NULL);
    extents_set(&map, (struct extent){20, 200, 5, false}, NULL, NULL);
    cr_assert(extents_find(&map, 0, &extent) && extent.logical == 10);
    cr_assert(extents_find(&map, 14, &extent) && extent.logical == 10);
    cr_assert(extents_find(&map, 15, &extent) && extent.logical == 20);
    cr_assert(extents_find(&map, 24, &extent) && extent.logical == 20);
    cr_assert(!extents_find(&map, 25, &extent));
    extents_destroy(&map);
}

Test(extents, bounds)
{
    struct extent_map map;
    extents_init(&map);
    cr_assert_eq(extents_set(&map, (struct extent){1, 1, 0, false}, NULL, NULL), -EINVAL);
    cr_assert_eq(extents_set(&map, (struct extent){UINT64_MAX, 1, 1, false}, NULL, NULL), -EINVAL);
    cr_assert_eq(extents_set(&map, (struct extent){1, UINT64_MAX - 3, 4, false}, NULL, NULL),
                 -EINVAL);
    cr_assert_eq(extents_clear(&map, 2, UINT64_MAX - 1, NULL, NULL), -EINVAL);
    cr_assert_eq(extents_set(&map, (struct extent){UINT64_MAX - 5, 1, 5, false}, NULL, NULL), 0);
    check(&map, NULL);
    extents_destroy(&map);
}

Test(extents, merges_on_both_sides_and_splits)
{
    static struct model model;
    struct extent_map map;
    extents_init(&map);
    set(&map, &model, (struct extent){0, 100, 10, false});
    set(&map, &model, (struct extent){20, 120, 10, false});
    cr_assert_eq(map.extent_count, 2);
    set(&map, &model, (struct extent){10, 110, 10, false});
    cr_assert_eq(map.extent_count, 1);
    set(&map, &model, (struct extent){5, 500, 5, false});
    cr_assert_eq(map.extent_count, 3);
    clear(&map, &model, 12, 3);
    cr_assert_eq(map.extent_count, 4);
    check(&map, &model);
    extents_destroy(&map);
}

Test(extents, the_same_place_again_frees_nothing)
{
    static struct model model;
    struct extent_map map;
    extents_init(&map);
    set(&map, &model, (struct extent){0, 100, 10, false});
    set(&map, &model, (struct extent){2, 102, 4, false});
    cr_assert_eq(map.extent_count, 1);
    set(&map, &model, (struct extent){8, 108, 10, false});
    cr_assert_eq(map.extent_count, 1);
    check(&map, &model);
    extents_destroy(&map);
}

Test(extents, writing_over_an_unwritten_extent_converts_it_and_frees_nothing)
{
    static struct model model;
    struct extent_map map;
    struct extent extent;
    extents_init(&map);
    set(&map, &model, (struct extent){0, 100, 10, true});
    set(&map, &model, (struct extent){10, 110, 10, false});
    cr_assert_eq(map.extent_count, 2, "written and unwritten neighbours are two");
    set(&map, &model, (struct extent){3, 103, 2, false});
    cr_assert_eq(map.extent_count, 4);
    cr_assert(extents_find(&map, 5, &extent) && extent.unwritten && extent.logical == 5);
    cr_assert(extents_find_written(&map, 5, &extent) && extent.logical == 10);
    cr_assert(!extents_find_written(&map, 20, &extent));
    set(&map, &model, (struct extent){0, 100, 10, false});
    cr_assert_eq(map.extent_count, 1);
    cr_assert_eq(map.block_count, 20);
    set(&map, &model, (struct extent){0, 100, 20, true});
    cr_assert(!extents_find_written(&map, 0, &extent));
    check(&map, &model);
    extents_destroy(&map);
}

Test(extents, clearing_what_is_written_keeps_the_rest)
{
    static struct model model;
    struct extent_map map;
    extents_init(&map);
    for (uint64_t i = 0; i < 200; i++)
        set(&map, &model, (struct extent){2 * i, 10 * i + 1, 2, i % 2});
    cr_assert_eq(clear_some(&map, &model, 1, 250, true), 0);
    check(&map, &model);
    cr_assert_eq(clear_some(&map, &model, 300, MODEL_BLOCKS, true), 0);
    check(&map, &model);
    cr_assert_eq(extents_clear_written(&map, 2, UINT64_MAX - 1, NULL, NULL), -EINVAL);
    extents_destroy(&map);
}

/* Random changes; where memory fails, half of them get no allocation or one. */
static void random_walk(uint64_t seed, unsigned rounds, uint64_t longest, bool memory_fails)
{
    static struct model model;
    memset(&model, 0, sizeof model);
    struct random_source random = {seed};
    struct extent_map map;
    uint64_t next_physical = 1;
    unsigned failures = 0;
    extents_init(&map);
    for (unsigned round = 0; round < rounds; round++) {
        uint64_t logical = random_below(&random, MODEL_BLOCKS);
        uint64_t blocks = 1 + random_below(&random, longest);
        if (blocks > MODEL_BLOCKS - logical)
            blocks = MODEL_BLOCKS - logical;
        allocations_left =
            memory_fails && random_one_in(&random, 2) ? random_below(&random, 2) : ~0u;
        int error;
        if (round % 512 == 511) { /* start over: small maps grow most */
            logical = 0;
            blocks = MODEL_BLOCKS;
        }
        if (round % 512 == 511 || random_one_in(&random, 3)) {
            bool written_only = round % 512 != 511 && random_one_in(&random, 2);
            error = clear_some(&map, &model, logical, blocks, written_only);
        } else if (model.blocks[logical] && random_one_in(&random, 4)) { /* converts its extent */
            struct extent extent;
            cr_assert(extents_find(&map, logical, &extent));
            extent.unwritten ^= 1;
            error = set(&map, &model, extent);
        } else {
            /* Often what lies right behind the block before, so that extents merge. */
            uint64_t physical = next_physical;
            if (logical > 0 && model.blocks[logical - 1] && random_one_in(&random, 2))
                physical = model.blocks[logical - 1] & ~UNWRITTEN;
            for (uint64_t i = 0; i < MODEL_BLOCKS && physical != next_physical; i++) {
                uint64_t other = model.blocks[i] & ~UNWRITTEN;
                if (other > physical && other <= physical + blocks)
                    physical = next_physical;
            }
            bool unwritten = random_one_in(&random, 3);
            error = set(&map, &model, (struct extent){logical, physical, blocks, unwritten});
            next_physical += blocks + random_below(&random, 2);
        }
        allocations_left = ~0u;
        cr_assert(error == 0 || (memory_fails && error == -ENOMEM));
        failures += error != 0;
        if (round % 16 == 0 || error)
            check(&map, &model);
    }
    check(&map, &model);
    if (memory_fails)
        cr_assert_gt(failures, 10);
    extents_destroy(&map);
}

Test(extents, random_changes_short)
{
    random_walk(1, 8000, 3, false);
}

Test(extents, random_changes_long)
{
    random_walk(2, 3000, 300, false);
}

Test(extents, random_changes_without_memory_change_nothing)
{
    random_walk(3, 8000, 4, true);
}

Test(extents, many_appended_fill_their_leaves)
{
    struct extent_map map;
    extents_init(&map);
    for (uint64_t i = 0; i < 100000; i++)
        cr_assert_eq(extents_set(&map, (struct extent){i, 2 * i, 1, false}, NULL, NULL), 0);
    cr_assert_eq(map.extent_count, 100000);
    cr_assert_leq(extents_memory_bytes(&map), 100000 * 26);
    struct extent extent;
    for (uint64_t i = 0; i < 100000; i += 7)
        cr_assert(extents_find(&map, i, &extent) && extent.physical == 2 * i);
    check(&map, NULL);
    /* Every second one goes: what is left stays within the figure. */
    for (uint64_t i = 0; i < 100000; i += 2)
        cr_assert_eq(extents_clear(&map, i, 1, NULL, NULL), 0);
    cr_assert_eq(map.extent_count, 50000);
    check(&map, NULL);
    for (uint64_t i = 1; i < 100000; i += 2)
        if (i % 100 != 1)
            cr_assert_eq(extents_clear(&map, i, 1, NULL, NULL), 0);
    cr_assert_eq(map.extent_count, 1000);
    cr_assert_leq(extents_memory_bytes(&map), 1000 * 50);
    check(&map, NULL);
    extents_destroy(&map);
}

Test(extents, memory_at_random_places_is_about_the_figure)
{
    struct random_source random = {4};
    struct extent_map map;
    extents_init(&map);
    for (uint64_t i = 0; i < 200000; i++) {
        struct extent extent = {random_below(&random, 1ull << 40), i * 2, 1, false};
        cr_assert_eq(extents_set(&map, extent, NULL, NULL), 0);
    }
    check(&map, NULL);
    cr_assert_leq(extents_memory_bytes(&map), map.extent_count * EXTENT_MEMORY_BYTES);
    extents_destroy(&map);
}

Test(extents, one_change_over_many_leaves)
{
    static struct model model;
    struct extent_map map;
    extents_init(&map);
    for (uint64_t i = 0; i < MODEL_BLOCKS; i += 2)
        set(&map, &model, (struct extent){i, 10 * i + 1, 1, false});
    clear(&map, &model, 1, 600);
    check(&map, &model);
    set(&map, &model, (struct extent){700, 500000, 900, false});
    check(&map, &model);
    clear(&map, &model, 0, MODEL_BLOCKS);
    check(&map, &model);
    extents_destroy(&map);
}

Test(extents, clearing_nothing_ends)
{
    struct extent_map map;
    extents_init(&map);
    cr_assert_eq(
        extents_set(&map, (struct extent){.logical = 5, .physical = 100, .blocks = 4}, NULL, NULL),
        0);
    cr_assert_eq(extents_clear(&map, 6, 0, NULL, NULL), 0);
    cr_assert_eq(extents_clear_written(&map, 6, 0, NULL, NULL), 0);
    cr_assert_eq(map.block_count, 4);
    extents_destroy(&map);
}
