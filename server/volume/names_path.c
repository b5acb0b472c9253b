/* names_path.c - who may what, and from a path to a place in the tree. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/volume/names_internal.h"

/* ---- permission -------------------------------------------------------------------------------- */

bool names_in_group(const struct credentials *who, uint32_t gid)
{
    if (who->gid == gid)
        return true;
    for (uint32_t i = 0; i < who->group_count; i++)
        if (who->groups[i] == gid)
            return true;
    return false;
}

int names_permitted(const struct credentials *who, const struct name_inode *inode, int want)
{
    _Static_assert(R_OK == 4 && W_OK == 2 && X_OK == 1, "want is compared with mode bits");
    if (who->uid == 0)
        return want & X_OK && !S_ISDIR(inode->mode) && !(inode->mode & 0111) ? -EACCES : 0;
    uint32_t granted = inode->mode;
    if (who->uid == inode->uid)
        granted >>= 6;
    else if (names_in_group(who, inode->gid))
        granted >>= 3;
    return (uint32_t)want & ~granted & 7 ? -EACCES : 0;
}

/* ---- paths ------------------------------------------------------------------------------------- */

struct walk {
    struct names *names;
    const struct credentials *who;
    unsigned flags;
    struct names_place *place;   /* its buffer holds the path */
    size_t position, path_bytes; /* in it; what is before position has been walked */
    struct name_inode *current;  /* a directory */
};

struct component {
    size_t start, bytes;
    bool last, trailing_slash;
};

struct name_inode *names_parent_of(struct names *names, const struct name_inode *directory)
{
    struct name_inode *parent = names_inode(names, directory->parent);
    /* The parent of an orphan may be gone: then there is only the root above it. */
    return parent ? parent : names_inode(names, VOLUME_ROOT_INO);
}

/* False: there is none any more. */
static bool next_component(struct walk *walk, struct component *component)
{
    const char *path = walk->place->buffer;
    size_t at = walk->position;
    while (at < walk->path_bytes && path[at] == '/')
        at++;
    component->start = at;
    while (at < walk->path_bytes && path[at] != '/')
        at++;
    component->bytes = at - component->start;
    walk->position = at;
    while (at < walk->path_bytes && path[at] == '/')
        at++;
    component->last = at == walk->path_bytes;
    component->trailing_slash = component->last && at > walk->position;
    return component->bytes > 0;
}

static int end_at_dot(struct walk *walk, const struct component *component)
{
    struct names_place *place = walk->place;
    bool root = walk->current->ino == VOLUME_ROOT_INO;
    place->parent = root ? NULL : names_parent_of(walk->names, walk->current);
    place->inode = walk->current;
    place->name = place->buffer + component->start;
    place->name_bytes = component->bytes;
    place->must_be_directory = component->trailing_slash;
    place->dot = true;
    return 0;
}

static int end_at_entry(struct walk *walk, const struct component *component,
                        struct name_entry *entry)
{
    struct names_place *place = walk->place;
    place->parent = walk->current;
    place->entry = entry;
    place->inode = entry ? entry->inode : NULL;
    place->name = place->buffer + component->start;
    place->name_bytes = component->bytes;
    place->must_be_directory = component->trailing_slash;
    /* Operations on the name itself each have their own answer to a trailing slash. */
    if (walk->flags & NAMES_PARENT)
        return 0;
    return place->must_be_directory && !S_ISDIR(place->inode->mode) ? -ENOTDIR : 0;
}

/* Puts the target in the place of all that was walked, and starts over from there. */
static int follow(struct walk *walk, struct name_inode *link)
{
    struct names_place *place = walk->place;
    const char *target = link->target;
    if (place->followed_count == NAMES_SYMLINKS_MAX)
        return -ELOOP;
    place->followed[place->followed_count++] = link;
    char *path = place->buffer;
    size_t target_bytes = strlen(target), rest_bytes = walk->path_bytes - walk->position;
    if (target_bytes + rest_bytes > NAMES_PATH_BYTES_MAX)
        return -ENAMETOOLONG;
    memmove(path + target_bytes, path + walk->position, rest_bytes);
    memcpy(path, target, target_bytes);
    walk->path_bytes = target_bytes + rest_bytes;
    path[walk->path_bytes] = '\0';
    walk->position = 0;
    if (target[0] == '/')
        walk->current = names_inode(walk->names, VOLUME_ROOT_INO);
    return 1;
}

static bool must_follow(const struct walk *walk, const struct component *component)
{
    if (!component->last || !(walk->flags & NAMES_NOFOLLOW))
        return true;
    /* lstat("link/") means what it leads to; unlink("link/") and its kin still mean the link. */
    return component->trailing_slash && !(walk->flags & NAMES_PARENT);
}

/* One component on. 1: go on, 0: the place is found. */
static int step(struct walk *walk)
{
    struct component component;
    if (!next_component(walk, &component))
        return end_at_dot(walk, &component);
    int error = names_permitted(walk->who, walk->current, X_OK);
    if (error)
        return error;

    const char *name = walk->place->buffer + component.start;
    bool dot_dot = component.bytes == 2 && memcmp(name, "..", 2) == 0;
    if (dot_dot || (component.bytes == 1 && name[0] == '.')) {
        if (dot_dot && walk->current->ino != VOLUME_ROOT_INO)
            walk->current = names_parent_of(walk->names, walk->current);
        return component.last ? end_at_dot(walk, &component) : 1;
    }

    if (component.trailing_slash && walk->flags & NAMES_NO_SLASH)
        return -EISDIR;
    bool may_be_missing = component.last && walk->flags & NAMES_PARENT;
    if (component.bytes > NAMES_NAME_BYTES_MAX && !may_be_missing)
        return -ENAMETOOLONG;
    struct name_entry *entry = names_find(walk->names, walk->current, name, component.bytes);
    if (!entry && !may_be_missing)
        return -ENOENT;
    if (entry && S_ISLNK(entry->inode->mode) && must_follow(walk, &component))
        return follow(walk, entry->inode);
    if (component.last)
        return end_at_entry(walk, &component, entry);
    if (!S_ISDIR(entry->inode->mode))
        return -ENOTDIR;
    walk->current = entry->inode;
    return 1;
}

int names_resolve_at(struct names *names, const struct credentials *who, struct name_inode *start,
                     const char *path, size_t path_bytes, unsigned flags, struct names_place *place)
{
    place->followed_count = 0;
    if (path_bytes == 0)
        return -ENOENT;
    if (path_bytes > NAMES_PATH_BYTES_MAX)
        return -ENAMETOOLONG;
    if (memchr(path, '\0', path_bytes))
        return -EINVAL;
    place->parent = place->inode = NULL;
    place->entry = NULL;
    place->name = place->buffer;
    place->name_bytes = 0;
    place->must_be_directory = place->dot = false;
    memcpy(place->buffer, path, path_bytes);
    place->buffer[path_bytes] = '\0';
    struct walk walk = {
        .names = names,
        .who = who,
        .flags = flags,
        .place = place,
        .path_bytes = path_bytes,
        .current = start,
    };
    if (!start || path[0] == '/')
        walk.current = names_inode(names, VOLUME_ROOT_INO);
    if (!walk.current)
        return -ENOENT;
    int result;
    /* Each step shortens the path but for the symlinks, and those are counted. */
    while ((result = step(&walk)) > 0)
        ;
    return result;
}

int names_resolve(struct names *names, const struct credentials *who, const char *path,
                  size_t path_bytes, unsigned flags, struct names_place *place)
{
    return names_resolve_at(names, who, NULL, path, path_bytes, flags, place);
}
