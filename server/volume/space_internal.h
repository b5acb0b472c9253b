/*
 * space_internal.h - a group's free extents: the tree (space_tree.c) and what is taken from it and given
 * back (space_group.c). The shard's side, and lending, is space.c.
 */
#ifndef WT_VOLUME_SPACE_INTERNAL_H
#define WT_VOLUME_SPACE_INTERNAL_H

#include "server/volume/space.h"

#define SPACE_NODE_MEMORY_BYTES 64u /* with the allocator's rounding */

/*
 * A free extent, in an AVL tree by address. max_blocks is the longest extent in the subtree, so that the
 * first one of a length is found without looking at shorter ones. Extents in a tree never overlap nor
 * adjoin. The height is below 1.45 log2(extents), which bounds the recursion.
 */
struct space_node {
    uint64_t start, blocks, max_blocks;
    struct space_node *left, *right;
    int height;
};

/* Trees are values: each change returns the new root. */
struct space_node *space_tree_insert(struct space_node *root, struct space_node *node);
/* Takes the node that starts at `start`, which is there, out of the tree. */
struct space_node *space_tree_remove(struct space_node *root, uint64_t start,
                                     struct space_node **removed);
/* Gives the node that starts at `start` other bounds; its place among the others stays the same. */
void space_tree_resize(struct space_node *root, uint64_t start, uint64_t new_start,
                       uint64_t new_blocks);
/* The last extent that starts at or before `block`; the first one that starts after it. NULL: none. */
struct space_node *space_tree_before(struct space_node *root, uint64_t block);
struct space_node *space_tree_after(struct space_node *root, uint64_t block);
/* The first extent that starts at or after `from` and has at least `blocks`. NULL: none. */
struct space_node *space_tree_fit(struct space_node *root, uint64_t from, uint64_t blocks);
struct space_node *space_tree_longest(struct space_node *root);
void space_tree_free(struct space_node *root);

/* Belongs to one shard at a time; lending moves the pointer. */
struct space_group {
    unsigned number;
    uint64_t first_block, blocks;
    uint64_t free_blocks, extent_count;
    struct space_node *root;
    uint64_t cursor;      /* where the next new file's blocks are looked for */
    uint64_t room_cursor; /* ... and those of a file that grows and has no room where it is */
};

uint64_t space_group_longest(const struct space_group *group);
/* Takes `blocks` blocks right at `physical`. False: they are not all free there. */
bool space_group_take_at(struct space_group *group, uint64_t physical, uint64_t blocks);
/* Takes `blocks` blocks in one piece, wherever it is. growing: with room behind it, where there is some.
 * False: no free extent is that long. */
bool space_group_take(struct space_group *group, uint64_t blocks, bool growing,
                      struct space_piece *piece);
/* Takes the longest extent out as it is; it can be put back without memory. NULL: nothing is free. */
struct space_node *space_group_detach(struct space_group *group);
void space_group_attach(struct space_group *group, struct space_node *node);
/* The blocks are free again. -ENOMEM. */
int space_group_release(struct space_group *group, uint64_t physical, uint64_t blocks);

#endif
