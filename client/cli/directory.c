/* directory.c - see directory.h. */
#include "client/cli/directory.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"

void directory_add(struct directory *directory, uint64_t ino, uint8_t type, const char *name)
{
    if (directory->count == directory->capacity) {
        directory->capacity = directory->capacity > 0 ? 2 * directory->capacity : 64;
        directory->entries =
            reallocate(directory->entries, directory->capacity * sizeof *directory->entries);
    }
    directory->entries[directory->count++] =
        (struct directory_entry){.ino = ino, .type = type, .name = copy_string(name)};
}

int directory_read(struct wt *session, const char *path, struct directory *directory)
{
    struct wt_dir *stream;
    struct wt_dirent entry;

    *directory = (struct directory){0};
    int result = wt_opendir(session, path, &stream);
    if (result != 0)
        return result;
    while ((result = wt_readdir(stream, &entry)) == 1)
        directory_add(directory, entry.ino, entry.type, entry.name);
    int closed = wt_closedir(stream);
    if (result == 0)
        result = closed;
    if (result != 0)
        directory_free(directory);
    return result;
}

static int compare_names(const void *a, const void *b)
{
    const struct directory_entry *left = a, *right = b;
    return strcmp(left->name, right->name);
}

void directory_sort(struct directory *directory)
{
    if (directory->count > 0)
        qsort(directory->entries, directory->count, sizeof *directory->entries, compare_names);
}

void directory_free(struct directory *directory)
{
    for (size_t i = 0; i < directory->count; i++)
        free(directory->entries[i].name);
    free(directory->entries);
    *directory = (struct directory){0};
}
