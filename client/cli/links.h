/*
 * links.h - which files of a tree have been seen under another name: the first one is copied, the others
 * become links to its copy when all copies are there. Any thread.
 */
#ifndef WT_CLI_LINKS_H
#define WT_CLI_LINKS_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>

/* Files with several names that are remembered at once; past it each name becomes a file of its own, and
 * that is said. */
#define LINKS_MAX (1u << 20)

struct link_pair {
    char *existing, *path;
};

struct links {
    pthread_mutex_t lock;
    struct link_entry *table; /* open hash; capacity a power of two */
    size_t count, capacity;
    struct link_pair *pairs;
    size_t pair_count, pair_capacity;
    bool full;
};

void links_init(struct links *links);
void links_destroy(struct links *links);
/* A name with this status is to be copied to `path`. True: its file is copied elsewhere already, and the pair
 * is remembered. */
bool links_claim(struct links *links, const struct stat *status, const char *path);

#endif
