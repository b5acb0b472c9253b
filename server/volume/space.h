/*
 * space.h - free blocks: which are free in the groups a shard holds, and lending groups between shards.
 *
 * The volume's data area is divided into groups, one for each partition. Each group is held by exactly one
 * shard, which alone allocates from it; who holds what is memory only (after a start: the owner of the
 * partition of the same number). A shard without room borrows a group from another by message. What is
 * free is derived at open: everything that no file maps. The mapping record is the allocation; blocks that
 * were allocated and never recorded are simply free again after a crash.
 *
 * Freed blocks come back by space_free once their freeing is settled, whoever frees them: each shard
 * remembers to whom it lent a group and passes them on.
 *
 * Free extents are kept in a balanced tree by address with the largest extent below each node, so that
 * allocation near a goal is O(log n). Recursion is bounded by the tree's height.
 */
#ifndef WT_VOLUME_SPACE_H
#define WT_VOLUME_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/message.h"

#define SPACE_PIECES_MAX 260u /* a write touches at most 257 pages */

struct space_group; /* one group's free extents */
struct space;       /* a shard's groups */

/* A group as found at open: first block and length, all free; then space_group_reserve for each mapped
 * extent: -EEXIST when a block is mapped twice (damage). One thread. */
int space_group_create(unsigned number, uint64_t first_block, uint64_t blocks,
                       struct space_group **group);
void space_group_destroy(struct space_group *group);
int space_group_reserve(struct space_group *group, uint64_t physical, uint64_t blocks);
uint64_t space_group_free_blocks(const struct space_group *group);

/* What all shards know about groups; not changed after open. */
struct space_layout {
    uint64_t first_block, group_blocks, block_count; /* the last group takes the remainder */
    unsigned group_count;
};
unsigned space_group_of(const struct space_layout *layout, uint64_t physical);

int space_create(const struct space_layout *layout, struct post_office *office, unsigned shard,
                 struct space **space);
void space_destroy(struct space *space);
/* All shards' spaces must know each other before the first borrow or free. peers[i] is shard i's. */
void space_connect(struct space *space, struct space **peers);
/* At open: this shard holds the group now. */
void space_adopt(struct space *space, struct space_group *group);
/* At open, on every shard: who holds which group. */
void space_set_holder(struct space *space, unsigned group, unsigned shard);

struct space_piece {
    uint64_t physical, blocks;
};

/* Takes `blocks` blocks, near and after `goal` where possible (0: no goal), in as few pieces as it can. All
 * or nothing: 0, or -ENOSPC when the groups held here cannot give them in at most pieces_max pieces (then:
 * space_borrow and try again). */
int space_allocate(struct space *space, uint64_t goal, uint64_t blocks, struct space_piece *pieces,
                   unsigned pieces_max, unsigned *piece_count);

/* Gives blocks back, wherever their group is held. Never fails: without memory for the message or the tree
 * the blocks are leaked until the next open, counted and logged. */
void space_free(struct space *space, uint64_t physical, uint64_t blocks);

/* Asks the other shards in turn for a group with free blocks. done runs on this shard: result 0 (a group
 * came, try again) or -ENOSPC (nobody has one). At most one borrow of a shard is on its way; the others
 * wait for it and are told the same. */
struct space_borrow {
    struct message message;
    struct space_borrow *next;
    void (*done)(struct space_borrow *borrow);
    uint64_t blocks_wanted;
    int result;
};
void space_borrow(struct space *space, struct space_borrow *borrow);

uint64_t space_free_blocks(const struct space *space); /* in the groups held here */
uint64_t space_memory_bytes(const struct space *space);

#endif
