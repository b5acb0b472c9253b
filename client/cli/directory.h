/* directory.h - a directory of the volume read in one go, so that no handle stays open while a tree below it
 * is worked on. Errors: negative errno. */
#ifndef WT_CLI_DIRECTORY_H
#define WT_CLI_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wt.h>

struct directory_entry {
    uint64_t ino;
    uint8_t type; /* DT_* */
    char *name;
};

struct directory {
    struct directory_entry *entries; /* as the server gives them, until sorted */
    size_t count, capacity;
};

/* "." and ".." */
static inline bool directory_is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

void directory_add(struct directory *directory, uint64_t ino, uint8_t type, const char *name);
/* Of the volume. On an error the directory is empty. */
int directory_read(struct wt *session, const char *path, struct directory *directory);
void directory_sort(struct directory *directory);
void directory_free(struct directory *directory);

#endif
