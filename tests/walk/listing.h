/*
 * listing.h - the entries of a directory, as a list, from either side.
 */
#ifndef WT_TESTS_WALK_LISTING_H
#define WT_TESTS_WALK_LISTING_H

#include <stdint.h>

#include "tests/walk/walk.h"

#define LISTING_MAX 4096u

struct listed {
    char name[256];
    uint64_t ino, cookie;
    uint8_t type;
};

struct listing {
    unsigned count, capacity;
    struct listed *entries;
};

void listing_add(struct listing *listing, const char *name, uint64_t ino, uint8_t type,
                 uint64_t cookie);
void listing_sort(struct listing *listing);
/* In a sorted one; NULL: it is not there. */
const struct listed *listing_find(const struct listing *listing, const char *name);
void listing_free(struct listing *listing);

/* Without "." and ".."; closes the descriptor. 0 or a negative errno. */
int64_t list_host(int fd, struct listing *listing);
/* From where the directory stands to its end. */
int64_t list_wt(struct wt_dir *dir, struct listing *listing);
/* Both sorted: the same names and types, and inodes that belong together. */
void same_listings(struct walk *w, const struct listing *wt, const struct listing *host);

#endif
