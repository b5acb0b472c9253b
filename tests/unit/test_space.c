/* test_space.c - free blocks against a plain array, and lending between three shards in one thread. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/volume/space_internal.h"
#include "tests/support/random.h"

#define FIRST        1000u
#define GROUP_BLOCKS 2000u

/* ---- one group --------------------------------------------------------------------------------- */

struct tree_check {
    uint64_t end, blocks, extents;
};

static int check_node(const struct space_node *node, struct tree_check *check)
{
    if (!node)
        return 0;
    int left = check_node(node->left, check);
    cr_assert(check->extents == 0 || node->start > check->end, "in order, and not adjoining");
    cr_assert_gt(node->blocks, 0);
    check->end = node->start + node->blocks;
    check->blocks += node->blocks;
    check->extents++;
    int right = check_node(node->right, check);
    uint64_t longest = node->blocks;
    if (node->left && node->left->max_blocks > longest)
        longest = node->left->max_blocks;
    if (node->right && node->right->max_blocks > longest)
        longest = node->right->max_blocks;
    cr_assert_eq(node->max_blocks, longest);
    cr_assert(left - right >= -1 && left - right <= 1, "balanced");
    cr_assert_eq(node->height, 1 + (left > right ? left : right));
    return node->height;
}

static void check_group(const struct space_group *group)
{
    struct tree_check check = {0};
    check_node(group->root, &check);
    cr_assert_eq(check.blocks, group->free_blocks);
    cr_assert_eq(check.extents, group->extent_count);
    cr_assert(group->free_blocks == 0 || check.end <= group->first_block + group->blocks);
}

static struct space_group *group_new(unsigned number, uint64_t first, uint64_t blocks)
{
    struct space_group *group;
    cr_assert_eq(space_group_create(number, first, blocks, &group), 0);
    return group;
}

Test(space, reserving_twice_is_damage)
{
    struct space_group *group = group_new(0, FIRST, GROUP_BLOCKS);
    cr_assert_eq(space_group_free_blocks(group), GROUP_BLOCKS);
    cr_assert_eq(space_group_reserve(group, FIRST + 10, 5), 0);
    cr_assert_eq(space_group_reserve(group, FIRST + 14, 1), -EEXIST);
    cr_assert_eq(space_group_reserve(group, FIRST + 8, 3), -EEXIST);
    cr_assert_eq(space_group_reserve(group, FIRST + 5, 50), -EEXIST);
    cr_assert_eq(space_group_reserve(group, FIRST + 15, 1), 0);
    cr_assert_eq(space_group_reserve(group, FIRST - 1, 1), -EINVAL);
    cr_assert_eq(space_group_reserve(group, FIRST + GROUP_BLOCKS - 1, 2), -EINVAL);
    cr_assert_eq(space_group_reserve(group, FIRST, UINT64_MAX), -EINVAL);
    cr_assert_eq(space_group_reserve(group, FIRST + GROUP_BLOCKS - 1, 1), 0);
    cr_assert_eq(space_group_free_blocks(group), GROUP_BLOCKS - 7);
    check_group(group);
    space_group_destroy(group);
}

static void mark(bool *used, uint64_t physical, uint64_t blocks, bool to)
{
    for (uint64_t i = 0; i < blocks; i++) {
        cr_assert_eq(used[physical + i], !to);
        used[physical + i] = to;
    }
}

/* Frees some run of used blocks at or after a random place. */
static uint64_t used_run(const bool *used, uint64_t from, uint64_t end, uint64_t longest,
                         uint64_t *blocks)
{
    while (from < end && !used[from])
        from++;
    *blocks = 0;
    while (from + *blocks < end && *blocks < longest && used[from + *blocks])
        ++*blocks;
    return from;
}

Test(space, group_against_an_array)
{
    static bool used[FIRST + GROUP_BLOCKS];
    struct random_source random = {1};
    struct space_group *group = group_new(0, FIRST, GROUP_BLOCKS);
    for (unsigned round = 0; round < 100000; round++) {
        uint64_t blocks = 1 + random_below(&random, random_one_in(&random, 8) ? 300 : 10);
        uint64_t at = FIRST + random_below(&random, GROUP_BLOCKS);
        struct space_piece piece = {at, blocks};
        bool free_there =
            at + blocks <= FIRST + GROUP_BLOCKS && !memchr(used + at, 1, (size_t)blocks);
        switch (random_below(&random, 5)) {
        case 0:
            cr_assert_eq(space_group_take_at(group, at, blocks), free_there);
            if (free_there)
                mark(used, at, blocks, true);
            break;
        case 1:
            if (space_group_take(group, blocks, random_one_in(&random, 2), &piece)) {
                cr_assert_eq(piece.blocks, blocks);
                mark(used, piece.physical, blocks, true);
            } else {
                cr_assert_lt(space_group_longest(group), blocks);
            }
            break;
        case 2: {
            struct space_node *node = space_group_detach(group);
            if (node)
                space_group_attach(group, node);
            break;
        }
        default:
            at = used_run(used, at, FIRST + GROUP_BLOCKS, blocks, &blocks);
            if (blocks > 0) {
                cr_assert_eq(space_group_release(group, at, blocks), 0);
                mark(used, at, blocks, false);
            }
        }
        if (round % 64 == 0)
            check_group(group);
    }
    uint64_t free_blocks = 0;
    for (uint64_t i = FIRST; i < FIRST + GROUP_BLOCKS; i++)
        free_blocks += !used[i];
    cr_assert_eq(space_group_free_blocks(group), free_blocks);
    space_group_destroy(group);
}

/* ---- one shard --------------------------------------------------------------------------------- */

struct fixture {
    struct space_layout layout;
    struct post_office *office;
    unsigned shards;
    struct space *spaces[3];
};

/* Group g is of GROUP_BLOCKS blocks (the last one longer by 7) and held by shard g % shards. */
static struct fixture *fixture_new(unsigned shards, unsigned groups)
{
    static struct fixture fixture;
    fixture = (struct fixture){
        .layout = {FIRST, GROUP_BLOCKS, (uint64_t)groups * GROUP_BLOCKS + 7, groups},
        .shards = shards,
    };
    cr_assert_eq(post_office_create(shards, &fixture.office), 0);
    for (unsigned i = 0; i < shards; i++)
        cr_assert_eq(space_create(&fixture.layout, fixture.office, i, &fixture.spaces[i]), 0);
    for (unsigned g = 0; g < groups; g++) {
        uint64_t blocks = GROUP_BLOCKS + (g + 1 == groups ? 7 : 0);
        space_adopt(fixture.spaces[g % shards],
                    group_new(g, FIRST + (uint64_t)g * GROUP_BLOCKS, blocks));
        for (unsigned i = 0; i < shards; i++)
            space_set_holder(fixture.spaces[i], g, g % shards);
    }
    for (unsigned i = 0; i < shards; i++)
        space_connect(fixture.spaces[i], fixture.spaces);
    return &fixture;
}

static void fixture_end(struct fixture *fixture)
{
    for (unsigned i = 0; i < fixture->shards; i++)
        space_destroy(fixture->spaces[i]);
    post_office_destroy(fixture->office);
}

/* One shard's turn. */
static unsigned turn(struct fixture *fixture, unsigned shard, unsigned budget)
{
    for (unsigned i = 0; i < fixture->shards; i++)
        message_flush(fixture->office, i);
    return message_deliver(fixture->office, shard, budget);
}

static unsigned settle(struct fixture *fixture)
{
    unsigned all = 0, delivered;
    do {
        delivered = 0;
        for (unsigned i = 0; i < fixture->shards; i++)
            delivered += turn(fixture, i, 100);
        all += delivered;
        cr_assert_lt(all, 100000, "messages come to rest");
    } while (delivered > 0);
    return all;
}

static uint64_t take_one(struct space *space, uint64_t goal, uint64_t blocks)
{
    struct space_piece piece;
    unsigned count;
    cr_assert_eq(space_allocate(space, goal, blocks, &piece, 1, &count), 0);
    cr_assert_eq(count, 1);
    cr_assert_eq(piece.blocks, blocks);
    return piece.physical;
}

Test(space, group_of_a_block)
{
    const struct space_layout layout = {FIRST, 100, 350, 3};
    cr_assert_eq(space_group_of(&layout, FIRST), 0);
    cr_assert_eq(space_group_of(&layout, FIRST + 99), 0);
    cr_assert_eq(space_group_of(&layout, FIRST + 100), 1);
    cr_assert_eq(space_group_of(&layout, FIRST + 299), 2);
    cr_assert_eq(space_group_of(&layout, FIRST + 349), 2, "the last one takes the remainder");
}

Test(space, small_files_lie_one_after_the_other)
{
    struct fixture *fixture = fixture_new(1, 2);
    uint64_t last = take_one(fixture->spaces[0], 0, 1);
    for (int i = 0; i < 500; i++) {
        uint64_t place = take_one(fixture->spaces[0], 0, 1);
        cr_assert_eq(place, last + 1);
        last = place;
    }
    fixture_end(fixture);
}

Test(space, right_at_the_goal)
{
    struct fixture *fixture = fixture_new(1, 2);
    cr_assert_eq(take_one(fixture->spaces[0], FIRST + 300, 10), FIRST + 300);
    cr_assert_eq(take_one(fixture->spaces[0], FIRST + 310, 10), FIRST + 310);
    uint64_t elsewhere = take_one(fixture->spaces[0], FIRST + 305, 10);
    cr_assert_eq(space_group_of(&fixture->layout, elsewhere), 0, "in the goal's group at least");
    uint64_t end = FIRST + fixture->layout.block_count;
    take_one(fixture->spaces[0], end, 10);
    take_one(fixture->spaces[0], end + 1000000, 10);
    take_one(fixture->spaces[0], 1, 10);
    fixture_end(fixture);
}

Test(space, files_that_grow_in_turns_are_not_shredded)
{
    enum { FILES = 4, STEPS = 250 };
    struct fixture *fixture = fixture_new(1, 2);
    uint64_t ends[FILES];
    unsigned extents[FILES];
    for (unsigned f = 0; f < FILES; f++) {
        ends[f] = take_one(fixture->spaces[0], 0, 1) + 1;
        extents[f] = 1;
    }
    for (unsigned step = 0; step < STEPS; step++)
        for (unsigned f = 0; f < FILES; f++) {
            uint64_t place = take_one(fixture->spaces[0], ends[f], 1);
            extents[f] += place != ends[f];
            ends[f] = place + 1;
        }
    for (unsigned f = 0; f < FILES; f++)
        cr_assert_leq(extents[f], 3, "file %u has %u extents", f, extents[f]);
    fixture_end(fixture);
}

Test(space, all_or_nothing_and_in_few_pieces)
{
    struct fixture *fixture = fixture_new(1, 2);
    struct space *space = fixture->spaces[0];
    uint64_t all = fixture->layout.block_count;
    struct space_piece pieces[8];
    unsigned count;
    cr_assert_eq(space_free_blocks(space), all);
    cr_assert_eq(space_allocate(space, 0, all + 1, pieces, 8, &count), -ENOSPC);
    cr_assert_eq(space_allocate(space, 0, all, pieces, 1, &count), -ENOSPC);
    cr_assert_eq(space_free_blocks(space), all);
    cr_assert_eq(space_allocate(space, 0, all, pieces, 8, &count), 0);
    cr_assert_eq(count, 2);
    cr_assert_eq(pieces[0].blocks + pieces[1].blocks, all);
    cr_assert_eq(space_free_blocks(space), 0);
    cr_assert_eq(space_allocate(space, 0, 1, pieces, 8, &count), -ENOSPC);

    /* Ten holes, longer and longer. */
    for (unsigned i = 1; i <= 10; i++)
        space_free(space, FIRST + i * 20, i);
    cr_assert_eq(space_free_blocks(space), 55);
    cr_assert_eq(space_allocate(space, 0, 28, pieces, 2, &count), -ENOSPC);
    cr_assert_eq(space_allocate(space, 0, 26, pieces, 3, &count), 0, "10 + 9 + 7 of 8");
    cr_assert_eq(count, 3);
    cr_assert_eq(pieces[0].blocks, 10);
    cr_assert_eq(pieces[2].blocks, 7);
    cr_assert_eq(space_free_blocks(space), 29);
    cr_assert_gt(space_memory_bytes(space), 0);
    fixture_end(fixture);
}

Test(space, blocks_over_a_border_of_groups_come_back)
{
    struct fixture *fixture = fixture_new(3, 3);
    struct space_piece pieces[4];
    unsigned count;
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(space_allocate(fixture->spaces[i], 0, GROUP_BLOCKS, pieces, 4, &count), 0);
    space_free(fixture->spaces[1], FIRST + 1, 3 * GROUP_BLOCKS - 2);
    settle(fixture);
    cr_assert_eq(space_free_blocks(fixture->spaces[0]), GROUP_BLOCKS - 1);
    cr_assert_eq(space_free_blocks(fixture->spaces[1]), GROUP_BLOCKS);
    cr_assert_eq(space_free_blocks(fixture->spaces[2]), GROUP_BLOCKS - 1 + 7);
    fixture_end(fixture);
}

/* ---- lending ----------------------------------------------------------------------------------- */

struct wish {
    struct space_borrow borrow;
    unsigned done;
};

static void wish_done(struct space_borrow *borrow)
{
    ((struct wish *)borrow)->done++;
}

static struct wish wish_new(uint64_t blocks)
{
    return (struct wish){.borrow = {.done = wish_done, .blocks_wanted = blocks, .result = 1}};
}

Test(space, alone_there_is_nobody_to_ask)
{
    struct fixture *fixture = fixture_new(1, 1);
    struct wish wish = wish_new(5), other = wish_new(5);
    space_borrow(fixture->spaces[0], &wish.borrow);
    space_borrow(fixture->spaces[0], &other.borrow);
    cr_assert_eq(wish.done, 0, "never from inside");
    settle(fixture);
    cr_assert_eq(wish.done, 1);
    cr_assert_eq(other.done, 1);
    cr_assert_eq(wish.borrow.result, -ENOSPC);
    fixture_end(fixture);
}

Test(space, borrows_until_there_is_no_more)
{
    struct fixture *fixture = fixture_new(3, 3);
    uint64_t all = fixture->layout.block_count;
    for (unsigned round = 1; round <= 3; round++) {
        struct wish wish = wish_new(all);
        space_borrow(fixture->spaces[1], &wish.borrow);
        settle(fixture);
        cr_assert_eq(wish.done, 1);
        cr_assert_eq(wish.borrow.result, round <= 2 ? 0 : -ENOSPC);
    }
    cr_assert_eq(space_free_blocks(fixture->spaces[1]), all);
    cr_assert_eq(space_free_blocks(fixture->spaces[0]), 0);
    struct space_piece pieces[4];
    unsigned count;
    cr_assert_eq(space_allocate(fixture->spaces[1], 0, all, pieces, 4, &count), 0);

    /* What belonged to others is now freed to where it is held, from everywhere. */
    space_free(fixture->spaces[0], FIRST, GROUP_BLOCKS);
    space_free(fixture->spaces[2], FIRST + GROUP_BLOCKS, GROUP_BLOCKS);
    space_free(fixture->spaces[0], FIRST + 2 * GROUP_BLOCKS, GROUP_BLOCKS + 7);
    settle(fixture);
    cr_assert_eq(space_free_blocks(fixture->spaces[1]), all);
    fixture_end(fixture);
}

Test(space, a_group_without_free_blocks_is_not_lent)
{
    struct fixture *fixture = fixture_new(2, 2);
    struct space_piece pieces[4];
    unsigned count;
    cr_assert_eq(space_allocate(fixture->spaces[0], 0, GROUP_BLOCKS, pieces, 4, &count), 0);
    struct wish wish = wish_new(1);
    space_borrow(fixture->spaces[1], &wish.borrow);
    settle(fixture);
    cr_assert_eq(wish.borrow.result, -ENOSPC);
    fixture_end(fixture);
}

/* Blocks that are freed here while the question is on its way are an answer, too. */
Test(space, freed_meanwhile)
{
    struct fixture *fixture = fixture_new(2, 1);
    struct space *space = fixture->spaces[0];
    struct space_piece pieces[4];
    unsigned count;
    cr_assert_eq(space_allocate(space, 0, GROUP_BLOCKS + 7, pieces, 4, &count), 0);
    struct wish wish = wish_new(1);
    space_borrow(space, &wish.borrow);
    space_free(space, FIRST + 5, 1);
    settle(fixture);
    cr_assert_eq(wish.borrow.result, 0);
    fixture_end(fixture);
}

/* Two shards that each want more than there is take the groups from each other; both are told in the end. */
struct greedy {
    struct space_borrow borrow;
    struct space *space;
    uint64_t blocks;
    unsigned tries;
    bool refused;
};

static void greedy_try(struct space_borrow *borrow)
{
    struct greedy *greedy = (struct greedy *)borrow;
    struct space_piece pieces[8];
    unsigned count;
    if (borrow->result == -ENOSPC) {
        greedy->refused = true;
        return;
    }
    cr_assert_eq(space_allocate(greedy->space, 0, greedy->blocks, pieces, 8, &count), -ENOSPC);
    cr_assert_lt(++greedy->tries, 100);
    space_borrow(greedy->space, borrow);
}

Test(space, no_endless_taking_from_each_other)
{
    struct fixture *fixture = fixture_new(3, 4);
    struct greedy greedy[3];
    for (unsigned i = 0; i < 3; i++) {
        greedy[i] = (struct greedy){.borrow.done = greedy_try,
                                    .space = fixture->spaces[i],
                                    .blocks = fixture->layout.block_count + 1};
        greedy_try(&greedy[i].borrow);
    }
    settle(fixture);
    for (unsigned i = 0; i < 3; i++)
        cr_assert(greedy[i].refused);
    uint64_t free_blocks = 0;
    for (unsigned i = 0; i < 3; i++)
        free_blocks += space_free_blocks(fixture->spaces[i]);
    cr_assert_eq(free_blocks, fixture->layout.block_count, "nothing was lost on the way");
    fixture_end(fixture);
}

/* Three shards allocate, free each other's blocks and borrow, while messages arrive in any order. */
struct walker {
    struct space_borrow borrow;
    bool waiting;
};

static void walker_done(struct space_borrow *borrow)
{
    ((struct walker *)borrow)->waiting = false;
}

static void lending_walk(uint64_t seed)
{
    enum { GROUPS = 5, END = FIRST + GROUPS * GROUP_BLOCKS + 7 };
    static bool used[END];
    memset(used, 0, sizeof used);
    struct random_source random = {seed};
    struct fixture *fixture = fixture_new(3, GROUPS);
    struct walker walkers[3] = {0};
    unsigned refused = 0;
    for (unsigned round = 0; round < 60000; round++) {
        unsigned shard = (unsigned)random_below(&random, 3);
        struct space *space = fixture->spaces[shard];
        uint64_t blocks = 1 + random_below(&random, 200);
        /* Nearly empty and nearly full by turns. */
        bool filling = round / 5000 % 2 == 0;
        if (random_one_in(&random, 2)) {
            turn(fixture, shard, (unsigned)random_below(&random, 3));
        } else if (random_one_in(&random, filling ? 4 : 2)) {
            uint64_t at = FIRST + random_below(&random, END - FIRST);
            at = used_run(used, at, END, blocks, &blocks);
            if (blocks > 0) {
                mark(used, at, blocks, false);
                space_free(space, at, blocks);
            }
        } else if (!walkers[shard].waiting) {
            struct space_piece pieces[4];
            unsigned count;
            uint64_t goal =
                random_one_in(&random, 2) ? FIRST + random_below(&random, END - FIRST) : 0;
            int error = space_allocate(space, goal, blocks, pieces, 4, &count);
            if (error) {
                cr_assert_eq(error, -ENOSPC);
                walkers[shard] = (struct walker){.borrow.done = walker_done, .waiting = true};
                space_borrow(space, &walkers[shard].borrow);
                refused++;
                continue;
            }
            uint64_t sum = 0;
            for (unsigned i = 0; i < count; i++) {
                mark(used, pieces[i].physical, pieces[i].blocks, true);
                sum += pieces[i].blocks;
            }
            cr_assert_eq(sum, blocks);
        }
    }
    settle(fixture);
    uint64_t free_blocks = 0, expected = 0;
    for (unsigned i = 0; i < 3; i++)
        free_blocks += space_free_blocks(fixture->spaces[i]);
    for (uint64_t i = FIRST; i < END; i++)
        expected += !used[i];
    cr_assert_eq(free_blocks, expected);
    cr_assert_gt(refused, 100);
    fixture_end(fixture);
}

Test(space, lending_walk_1)
{
    lending_walk(1);
}

Test(space, lending_walk_2)
{
    lending_walk(2);
}

Test(space, ending_with_a_group_on_its_way)
{
    struct fixture *fixture = fixture_new(2, 2);
    struct wish wish = wish_new(1);
    space_borrow(fixture->spaces[1], &wish.borrow);
    turn(fixture, 0, 100);
    cr_assert_eq(wish.done, 0);
    fixture_end(fixture);
}
