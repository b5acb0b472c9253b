/*
 * model.h - what the walk knows of each inode: who is who on the two sides, contents, blocks.
 *
 * A node is found by wt's inode number, which is never used twice; the host's may be, once its file is gone.
 * Contents are stamps (tests/support/stamp_map.h): the step of the write, never 0. Blocks of 4096 bytes:
 * absent is a hole, and must be one for SEEK_HOLE and in st_blocks.
 */
#ifndef WT_TESTS_WALK_MODEL_H
#define WT_TESTS_WALK_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/support/stamp_map.h"

#define MODEL_BUCKETS 4096u

enum block_state {
    BLOCK_HOLE = 0,
    BLOCK_UNWRITTEN = 1, /* allocated, a hole for SEEK_HOLE */
    BLOCK_DATA = 2,
    BLOCK_ZEROED = 3, /* allocated; how its zeros came about is the server's affair */
    BLOCK_ANY = 4,
};

struct node {
    uint64_t ino, host_ino;
    struct node *next;
    bool is_file;
    bool is_dirty;     /* contents changed since the trees were last compared */
    bool is_rewritten; /* since its mode was last seen to be the same */
    bool is_marked;
    uint64_t size;
    struct stamp_map content, blocks;
};

struct model {
    struct node *buckets[MODEL_BUCKETS];
    unsigned count;
};

struct node *model_find(const struct model *model, uint64_t ino);
struct node *model_add(struct model *model, uint64_t ino, uint64_t host_ino, bool is_file);
/* Drops the nodes without a mark, and takes the marks away. */
void model_sweep(struct model *model);

void node_write(struct node *node, uint64_t offset, uint64_t bytes, uint64_t stamp);
void node_truncate(struct node *node, uint64_t size);
void node_allocate(struct node *node, uint64_t offset, uint64_t bytes, bool keeps_size);
void node_punch(struct node *node, uint64_t offset, uint64_t bytes);
void node_zero(struct node *node, uint64_t offset, uint64_t bytes, bool keeps_size);
/* The server came up again: what is allocated past the end may have been given back. */
void node_reopened(struct node *node);

/* The least and the most blocks of 512 bytes it may have. */
void node_blocks_512(const struct node *node, uint64_t *least, uint64_t *most);
/* NULL, or why this is a wrong answer of a seek. */
const char *node_seek_fault(const struct node *node, uint64_t offset, bool seeks_data,
                            int64_t answer);

#endif
