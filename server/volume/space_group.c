/*
 * space_group.c - what is taken from a group and given back to it.
 *
 * Where a file's blocks go. A new file's come from the cursor, which walks through the group: small files
 * written one after the other lie one after the other. A file that grows asks for the block behind its
 * last one. Where that is taken, the file would meet its neighbours at each step if it just went on behind
 * them, and two logs that grow in turns would be shredded into extents of a block. So it gets a place with
 * ROOM_BLOCKS free behind it, from a second cursor, which leaves that room to it and starts in the middle
 * of the group, out of the first cursor's way. The room is a habit, not a reservation: when nothing else is
 * free it is given away.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "server/volume/space_internal.h"

#define ROOM_BLOCKS 256u /* 1 MiB */

static struct space_node *new_node(uint64_t start, uint64_t blocks)
{
    struct space_node *node = malloc(sizeof *node);
    if (node)
        *node = (struct space_node){.start = start, .blocks = blocks};
    return node;
}

static bool inside(const struct space_group *group, uint64_t physical, uint64_t blocks)
{
    return physical >= group->first_block && blocks <= group->blocks &&
           physical - group->first_block <= group->blocks - blocks;
}

int space_group_create(unsigned number, uint64_t first_block, uint64_t blocks,
                       struct space_group **group)
{
    struct space_group *fresh = calloc(1, sizeof *fresh);
    struct space_node *node = new_node(first_block, blocks);
    if (!fresh || !node) {
        free(fresh);
        free(node);
        return -ENOMEM;
    }
    fresh->number = number;
    fresh->first_block = first_block;
    fresh->blocks = blocks;
    fresh->cursor = first_block;
    fresh->room_cursor = first_block + blocks / 2;
    if (blocks == 0)
        free(node);
    else
        space_group_attach(fresh, node);
    *group = fresh;
    return 0;
}

void space_group_destroy(struct space_group *group)
{
    if (!group)
        return;
    space_tree_free(group->root);
    free(group);
}

uint64_t space_group_free_blocks(const struct space_group *group)
{
    return group->free_blocks;
}

uint64_t space_group_longest(const struct space_group *group)
{
    return group->root ? group->root->max_blocks : 0;
}

/* ---- taking ------------------------------------------------------------------------------------ */

static void remove_node(struct space_group *group, uint64_t start, struct space_node **removed)
{
    group->root = space_tree_remove(group->root, start, removed);
    group->extent_count--;
}

static void insert_node(struct space_group *group, struct space_node *node)
{
    group->root = space_tree_insert(group->root, node);
    group->extent_count++;
}

/* The free extent that holds all of these blocks. */
static struct space_node *holding(const struct space_group *group, uint64_t physical,
                                  uint64_t blocks)
{
    struct space_node *node = space_tree_before(group->root, physical);
    if (!node || physical - node->start >= node->blocks ||
        node->blocks - (physical - node->start) < blocks)
        return NULL;
    return node;
}

/* Takes a part of a free extent. -ENOMEM: from its middle, which makes two of one. */
static int take(struct space_group *group, struct space_node *node, uint64_t physical,
                uint64_t blocks)
{
    uint64_t left = physical - node->start, right = node->blocks - left - blocks;
    struct space_node *rest = NULL;
    if (left > 0 && right > 0) {
        rest = new_node(physical + blocks, right);
        if (!rest)
            return -ENOMEM;
    }
    group->free_blocks -= blocks;
    if (left > 0) {
        space_tree_resize(group->root, node->start, node->start, left);
        if (rest)
            insert_node(group, rest);
    } else if (right > 0) {
        space_tree_resize(group->root, node->start, physical + blocks, right);
    } else {
        struct space_node *removed;
        remove_node(group, node->start, &removed);
        free(removed);
    }
    return 0;
}

int space_group_reserve(struct space_group *group, uint64_t physical, uint64_t blocks)
{
    if (blocks == 0 || !inside(group, physical, blocks))
        return -EINVAL;
    struct space_node *node = holding(group, physical, blocks);
    return node ? take(group, node, physical, blocks) : -EEXIST;
}

bool space_group_take_at(struct space_group *group, uint64_t physical, uint64_t blocks)
{
    struct space_node *node = holding(group, physical, blocks);
    return node && take(group, node, physical, blocks) == 0;
}

/* The next place at or after `from`, then from the group's start on, where `blocks` blocks are free. */
static struct space_node *next_fit(const struct space_group *group, uint64_t from, uint64_t blocks,
                                   uint64_t *place)
{
    struct space_node *node = holding(group, from, blocks);
    *place = from;
    if (node)
        return node;
    node = space_tree_fit(group->root, from, blocks);
    if (!node)
        node = space_tree_fit(group->root, group->first_block, blocks);
    if (node)
        *place = node->start;
    return node;
}

bool space_group_take(struct space_group *group, uint64_t blocks, bool growing,
                      struct space_piece *piece)
{
    uint64_t place, room = blocks > ROOM_BLOCKS ? blocks : ROOM_BLOCKS;
    struct space_node *node = NULL;
    if (growing)
        node = next_fit(group, group->room_cursor, room, &place);
    bool roomy = node != NULL;
    if (!node)
        node = next_fit(group, group->cursor, blocks, &place);
    if (!node)
        return false;
    uint64_t start = node->start;
    if (take(group, node, place, blocks) != 0) {
        place = start; /* at an extent's start no memory is needed */
        int error = take(group, node, place, blocks);
        assert(!error);
        (void)error;
    }
    if (roomy)
        group->room_cursor = place + room;
    else
        group->cursor = place + blocks;
    *piece = (struct space_piece){place, blocks};
    return true;
}

struct space_node *space_group_detach(struct space_group *group)
{
    struct space_node *node = space_tree_longest(group->root);
    if (!node)
        return NULL;
    remove_node(group, node->start, &node);
    group->free_blocks -= node->blocks;
    return node;
}

void space_group_attach(struct space_group *group, struct space_node *node)
{
    insert_node(group, node);
    group->free_blocks += node->blocks;
}

/* ---- giving back ------------------------------------------------------------------------------- */

int space_group_release(struct space_group *group, uint64_t physical, uint64_t blocks)
{
    assert(blocks > 0 && inside(group, physical, blocks));
    struct space_node *before = space_tree_before(group->root, physical);
    struct space_node *after = space_tree_after(group->root, physical);
    /* Freed twice would mean given out twice: better no server than that. */
    assert(!before || before->start + before->blocks <= physical);
    assert(!after || physical + blocks <= after->start);
    bool joins_before = before && before->start + before->blocks == physical;
    bool joins_after = after && physical + blocks == after->start;
    if (!joins_before && !joins_after) {
        struct space_node *node = new_node(physical, blocks);
        if (!node)
            return -ENOMEM;
        space_group_attach(group, node);
        return 0;
    }
    group->free_blocks += blocks;
    if (joins_before && joins_after) {
        blocks += after->blocks;
        remove_node(group, after->start, &after);
        free(after);
    }
    if (joins_before)
        space_tree_resize(group->root, before->start, before->start, before->blocks + blocks);
    else
        space_tree_resize(group->root, after->start, physical, after->blocks + blocks);
    return 0;
}
