/* links.c - see links.h. */
#include "client/cli/links.h"

#include <stdlib.h>

#include "client/cli/cli.h"

struct link_entry {
    dev_t device;
    ino_t ino;
    char *path; /* NULL: free */
};

void links_init(struct links *links)
{
    *links = (struct links){0};
    pthread_mutex_init(&links->lock, NULL);
}

void links_destroy(struct links *links)
{
    for (size_t i = 0; i < links->capacity; i++)
        free(links->table[i].path);
    for (size_t i = 0; i < links->pair_count; i++) {
        free(links->pairs[i].existing);
        free(links->pairs[i].path);
    }
    free(links->table);
    free(links->pairs);
    pthread_mutex_destroy(&links->lock);
}

/* The entry of that file, or the free one where it belongs. */
static struct link_entry *find(struct link_entry *table, size_t capacity, dev_t device, ino_t ino)
{
    size_t place = ((uint64_t)ino * 0x9e3779b97f4a7c15ull >> 20 ^ device) & (capacity - 1);
    while (table[place].path != NULL && (table[place].ino != ino || table[place].device != device))
        place = (place + 1) & (capacity - 1);
    return &table[place];
}

static void make_room(struct links *links)
{
    if (2 * (links->count + 1) <= links->capacity)
        return;
    size_t capacity = links->capacity > 0 ? 2 * links->capacity : 256;
    struct link_entry *table = allocate(capacity * sizeof *table);
    for (size_t i = 0; i < links->capacity; i++)
        if (links->table[i].path != NULL)
            *find(table, capacity, links->table[i].device, links->table[i].ino) = links->table[i];
    free(links->table);
    links->table = table;
    links->capacity = capacity;
}

static void pair_add(struct links *links, const char *existing, const char *path)
{
    if (links->pair_count == links->pair_capacity) {
        links->pair_capacity = links->pair_capacity > 0 ? 2 * links->pair_capacity : 64;
        links->pairs = reallocate(links->pairs, links->pair_capacity * sizeof *links->pairs);
    }
    links->pairs[links->pair_count++] =
        (struct link_pair){copy_string(existing), copy_string(path)};
}

bool links_claim(struct links *links, const struct stat *status, const char *path)
{
    bool claimed = false, told = false;

    if (status->st_nlink < 2)
        return false;
    pthread_mutex_lock(&links->lock);
    make_room(links);
    struct link_entry *entry = find(links->table, links->capacity, status->st_dev, status->st_ino);
    if (entry->path != NULL) {
        claimed = true;
        pair_add(links, entry->path, path);
    } else if (links->count < LINKS_MAX) {
        *entry = (struct link_entry){status->st_dev, status->st_ino, copy_string(path)};
        links->count++;
    } else {
        told = !links->full;
        links->full = true;
    }
    pthread_mutex_unlock(&links->lock);
    if (told)
        say_failure(path,
                    "more than %u files with several names: from here on each name becomes a "
                    "file of its own",
                    LINKS_MAX);
    return claimed;
}
