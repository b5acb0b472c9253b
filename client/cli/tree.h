/*
 * tree.h - a copy between two sides: one file, or a tree of them; and the same walk again to verify it.
 *
 * A tree's directories are made by the thread that walks, its files copied by a pool of workers. What must
 * come last does: links between files when all are there, then modes and times of directories, the deepest
 * first. A failure is said with its name, counted, and the rest goes on.
 */
#ifndef WT_CLI_TREE_H
#define WT_CLI_TREE_H

#include <stdatomic.h>

#include "client/cli/cli.h"
#include "client/cli/links.h"
#include "client/cli/pool.h"
#include "client/cli/side.h"

struct tree_counts {
    _Atomic uint64_t files, directories, symlinks, links, bytes;
};

struct tree {
    struct cli *cli;
    const struct side *from, *to;
    unsigned keep; /* enum keep */
    bool recursive;
    bool verify; /* compare, write nothing */
    struct links links;
    struct tree_counts counts;
    /* Of the copy's root, to notice when a directory is copied into itself. */
    dev_t root_device;
    ino_t root_ino;
    struct tree_directory *directories; /* those still to be read are the tail */
    size_t count, capacity;
};

/* 0; 1 after a message: of what failed, or because the server was lost (server_lost). */
int tree_copy(struct tree *tree, const char *from, const char *to);

/* entry.c: one entry that is no directory, on a worker's session. 0 or 1. */
int entry_copy(struct worker *worker, struct tree *tree, const char *from, const char *to,
               mode_t type);
int entry_link(struct wt *session, struct tree *tree, const char *existing, const char *path);
/* verify.c: is the copy what its source is? 0 or 1. */
int entry_verify(struct worker *worker, struct tree *tree, const char *from, const char *to,
                 mode_t type);

#endif
