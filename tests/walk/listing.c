#include "tests/walk/listing.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void listing_add(struct listing *listing, const char *name, uint64_t ino, uint8_t type,
                 uint64_t cookie)
{
    if (listing->count == listing->capacity) {
        listing->capacity = listing->capacity ? listing->capacity * 2 : 16;
        listing->entries = realloc(listing->entries, listing->capacity * sizeof(*listing->entries));
        if (!listing->entries)
            abort();
    }
    struct listed *entry = &listing->entries[listing->count++];
    *entry = (struct listed){.ino = ino, .cookie = cookie, .type = type};
    strncpy(entry->name, name, sizeof(entry->name) - 1);
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const struct listed *)left)->name, ((const struct listed *)right)->name);
}

void listing_sort(struct listing *listing)
{
    if (listing->count)
        qsort(listing->entries, listing->count, sizeof(*listing->entries), by_name);
}

const struct listed *listing_find(const struct listing *listing, const char *name)
{
    struct listed key = {.ino = 0};
    strncpy(key.name, name, sizeof(key.name) - 1);
    return listing->count
               ? bsearch(&key, listing->entries, listing->count, sizeof(*listing->entries), by_name)
               : NULL;
}

void listing_free(struct listing *listing)
{
    free(listing->entries);
    *listing = (struct listing){0};
}

int64_t list_host(int fd, struct listing *listing)
{
    DIR *dir = fdopendir(fd);
    if (!dir)
        return -errno;
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            listing_add(listing, entry->d_name, entry->d_ino, entry->d_type, 0);
    }
    closedir(dir);
    listing_sort(listing);
    return 0;
}

int64_t list_wt(struct wt_dir *dir, struct listing *listing)
{
    struct wt_dirent entry;
    int rc;
    while ((rc = wt_readdir(dir, &entry)) == 1) {
        listing_add(listing, entry.name, entry.ino, entry.type, entry.cookie);
        if (listing->count > LISTING_MAX)
            return -EOVERFLOW;
    }
    listing_sort(listing);
    return rc;
}

void same_listings(struct walk *w, const struct listing *wt, const struct listing *host)
{
    for (unsigned i = 0; i < wt->count || i < host->count; i++) {
        const char *left = i < wt->count ? wt->entries[i].name : "(the end)";
        const char *right = i < host->count ? host->entries[i].name : "(the end)";
        if (strcmp(left, right) != 0)
            differ(w, "entry %u in order of names is `%s' on wt, `%s' on the host", i, left, right);
        const struct listed *entry = &wt->entries[i];
        if (entry->type != host->entries[i].type)
            differ(w, "`%s' has type %u on wt, %u on the host", left, entry->type,
                   host->entries[i].type);
        const struct node *node = model_find(&w->model, entry->ino);
        if (node && node->host_ino != host->entries[i].ino)
            differ(w, "`%s' is #%llu on wt, which is another file on the host", left,
                   (unsigned long long)entry->ino);
    }
}
