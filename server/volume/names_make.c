/*
 * names_make.c - create, link and unlink: everything is checked here, then one record states the result.
 *
 * The checks come in Linux's order, since programs look at which error they get. A record states entries
 * before the inodes that they leave, because names_apply frees no inode that still has a name.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/volume/names_internal.h"

/* ---- building records -------------------------------------------------------------------------- */

void names_change_begin(struct names_change *change, struct record_builder *builder)
{
    change->record_bytes = 0;
    change->ino = 0;
    change->gone_ino = 0;
    change->gone_generation = 0;
    change->gone_is_open = false;
    record_begin(builder, change->buffer, NAMES_RECORD_BYTES, PARTITION_NAMES);
}

int names_change_end(struct names_change *change, struct record_builder *builder)
{
    int64_t bytes = record_end(builder);
    assert(bytes > 0); /* NAMES_RECORD_BYTES is enough for all of them */
    change->record_bytes = (size_t)bytes;
    return 0;
}

struct item_inode names_state(const struct name_inode *inode)
{
    return (struct item_inode){
        .header.kind = ITEM_INODE,
        .ino = inode->ino,
        .generation = inode->generation,
        .mode = inode->mode,
        .nlink = inode->nlink,
        .uid = inode->uid,
        .gid = inode->gid,
        .atime_ns = inode->atime_ns,
        .mtime_ns = inode->mtime_ns,
        .ctime_ns = inode->ctime_ns,
        .birth_ns = inode->birth_ns,
        .next_cookie = S_ISDIR(inode->mode) ? inode->directory->next_cookie : 0,
    };
}

void names_add_inode(struct record_builder *builder, const struct item_inode *item)
{
    record_add(builder, item, sizeof *item, NULL, 0);
}

void names_add_parent(struct record_builder *builder, const struct name_inode *directory,
                      int64_t now_ns, int links)
{
    struct item_inode item = names_state(directory);
    item.mtime_ns = item.ctime_ns = now_ns;
    item.nlink = (uint32_t)((int64_t)item.nlink + links);
    names_add_inode(builder, &item);
}

void names_add_entry(struct record_builder *builder, const struct names_place *place,
                     uint64_t cookie, uint64_t ino, uint32_t mode)
{
    const struct item_entry item = {
        .header = {.kind = ITEM_ENTRY, .count = (uint32_t)place->name_bytes},
        .parent = place->parent->ino,
        .ino = ino,
        .cookie = cookie,
        .type = names_type_of(mode),
    };
    record_add(builder, &item, sizeof item, place->name, place->name_bytes);
}

void names_add_entry_gone(struct record_builder *builder, const struct names_place *place)
{
    const struct item_entry_gone item = {
        .header = {.kind = ITEM_ENTRY_GONE, .count = (uint32_t)place->name_bytes},
        .parent = place->parent->ino,
    };
    record_add(builder, &item, sizeof item, place->name, place->name_bytes);
}

void names_add_lost_name(struct record_builder *builder, struct names_change *change,
                         const struct name_inode *inode)
{
    bool last = S_ISDIR(inode->mode) || inode->nlink <= 1;
    struct item_inode item = names_state(inode);
    item.nlink = last ? 0 : inode->nlink - 1;
    item.ctime_ns = change->now_ns;
    if (!last || inode->open_count > 0) /* who has it open may still ask for its ctime */
        names_add_inode(builder, &item);
    if (!last)
        return;
    const struct item_inode_gone gone = {
        .header.kind = ITEM_INODE_GONE, .ino = inode->ino, .generation = inode->generation};
    record_add(builder, &gone, sizeof gone, NULL, 0);
    change->gone_ino = inode->ino;
    change->gone_generation = inode->generation;
    change->gone_is_open = inode->open_count > 0;
}

/* ---- checks in common -------------------------------------------------------------------------- */

int names_missing(const struct names_place *place)
{
    return place->name_bytes > NAMES_NAME_BYTES_MAX ? -ENAMETOOLONG : -ENOENT;
}

int names_may_create(const struct credentials *who, const struct names_place *place)
{
    if (!place->parent || !S_ISDIR(place->parent->mode) || place->parent->orphan)
        return -ENOENT;
    if (place->name_bytes > NAMES_NAME_BYTES_MAX)
        return -ENAMETOOLONG;
    if (!names_name_valid(place->name, place->name_bytes))
        return -EINVAL;
    if (place->parent->directory->next_cookie > NAMES_COOKIE_MAX)
        return -ENOSPC;
    return names_permitted(who, place->parent, W_OK | X_OK);
}

int names_may_remove(const struct credentials *who, const struct names_place *place)
{
    const struct name_inode *directory = place->parent;
    int error = names_permitted(who, directory, W_OK | X_OK);
    if (error)
        return error;
    if (directory->mode & S_ISVTX && who->uid != 0 && who->uid != directory->uid &&
        who->uid != place->inode->uid)
        return -EPERM;
    return 0;
}

/* ---- create ------------------------------------------------------------------------------------ */

static int check_type(uint32_t mode, const char *target, size_t target_bytes)
{
    if (S_ISREG(mode) || S_ISDIR(mode))
        return 0;
    if (!S_ISLNK(mode))
        return -EOPNOTSUPP;
    if (target_bytes == 0)
        return -ENOENT;
    if (target_bytes > NAMES_PATH_BYTES_MAX)
        return -ENAMETOOLONG;
    return memchr(target, '\0', target_bytes) ? -EINVAL : 0;
}

/* A trailing slash promises a directory. */
static int check_slash(const struct names_place *place, uint32_t mode)
{
    if (!place->must_be_directory || S_ISDIR(mode))
        return 0;
    return S_ISREG(mode) ? -EISDIR : -ENOENT;
}

/* As inode_init_owner in Linux: a setgid directory passes on its group, and to directories the bit. */
static void set_owner(struct item_inode *item, const struct credentials *who,
                      const struct name_inode *directory)
{
    item->uid = who->uid;
    item->gid = who->gid;
    if (!(directory->mode & S_ISGID))
        return;
    item->gid = directory->gid;
    if (S_ISDIR(item->mode))
        item->mode |= S_ISGID;
    else if ((item->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && who->uid != 0 &&
             !names_in_group(who, item->gid))
        item->mode &= ~(uint32_t)S_ISGID;
}

static struct item_inode new_inode(const struct names *names, const struct names_change *change,
                                   uint32_t mode, const struct name_inode *directory)
{
    struct item_inode item = {
        .header.kind = ITEM_INODE,
        .ino = names->next_ino,
        .generation = change->epoch,
        .mode = mode,
        .nlink = S_ISDIR(mode) ? 2 : 1,
        .atime_ns = change->now_ns,
        .mtime_ns = change->now_ns,
        .ctime_ns = change->now_ns,
        .birth_ns = change->now_ns,
    };
    set_owner(&item, change->who, directory);
    return item;
}

static uint32_t clean_mode(uint32_t mode)
{
    if (S_ISLNK(mode))
        return S_IFLNK | 0777;
    return mode & (S_IFMT | (S_ISDIR(mode) ? 01777 : 07777));
}

static uint64_t new_entry_bytes(const struct names_place *place)
{
    return NAMES_ENTRY_MEMORY_BYTES + place->name_bytes;
}

static int check_node(const struct names *names, const struct credentials *who,
                      const struct names_place *place, uint32_t mode, size_t target_bytes)
{
    if (place->dot || place->inode)
        return -EEXIST;
    int error = check_slash(place, mode);
    if (!error)
        error = names_may_create(who, place);
    if (error)
        return error;
    if (S_ISDIR(mode) && place->parent->nlink >= NAMES_LINKS_MAX)
        return -EMLINK;
    uint64_t bytes = NAMES_INODE_MEMORY_BYTES + new_entry_bytes(place) + target_bytes;
    return names_have_room(names, bytes + (S_ISDIR(mode) ? NAMES_DIRECTORY_MEMORY_BYTES : 0));
}

int names_make_node(struct names *names, struct names_change *change, struct names_place *place,
                    uint32_t mode, const char *target, size_t target_bytes)
{
    if (!S_ISLNK(mode))
        target_bytes = 0;
    int error = check_type(mode, target, target_bytes);
    if (!error)
        error = check_node(names, change->who, place, mode, target_bytes);
    if (error)
        return error;

    struct item_inode item = new_inode(names, change, clean_mode(mode), place->parent);
    item.header.count = (uint32_t)target_bytes;
    struct record_builder builder;
    names_change_begin(change, &builder);
    record_add(&builder, &item, sizeof item, target, target_bytes);
    names_add_entry(&builder, place, place->parent->directory->next_cookie, item.ino, item.mode);
    names_add_parent(&builder, place->parent, change->now_ns, S_ISDIR(mode));
    change->ino = item.ino;
    return names_change_end(change, &builder);
}

/* ---- without a name ---------------------------------------------------------------------------- */

int names_make_unnamed(struct names *names, struct names_change *change,
                       const struct name_inode *directory, uint32_t mode)
{
    if (directory->orphan)
        return -ENOENT;
    int error = names_permitted(change->who, directory, W_OK | X_OK);
    if (!error)
        error = names_have_room(names, NAMES_INODE_MEMORY_BYTES);
    if (error)
        return error;
    struct item_inode item = new_inode(names, change, S_IFREG | (mode & 07777), directory);
    item.nlink = 0;
    struct record_builder builder;
    names_change_begin(change, &builder);
    names_add_inode(&builder, &item);
    change->ino = item.ino;
    return names_change_end(change, &builder);
}

int names_insert_unnamed(struct names *names, const struct names_change *change, bool linkable)
{
    struct name_inode *inode = names_inode_new(change->ino, change->epoch, S_IFREG, NULL, 0);
    if (!inode)
        return -ENOMEM;
    inode->orphan = true;
    inode->linkable = linkable;
    names_inode_insert(names, inode);
    return 0;
}

int names_make_root(struct names_change *change, uint32_t uid, uint32_t gid)
{
    const struct item_inode item = {
        .header.kind = ITEM_INODE,
        .ino = VOLUME_ROOT_INO,
        .generation = change->epoch,
        .mode = S_IFDIR | 0755,
        .nlink = 2,
        .uid = uid,
        .gid = gid,
        .atime_ns = change->now_ns,
        .mtime_ns = change->now_ns,
        .ctime_ns = change->now_ns,
        .birth_ns = change->now_ns,
    };
    struct record_builder builder;
    names_change_begin(change, &builder);
    names_add_inode(&builder, &item);
    change->ino = VOLUME_ROOT_INO;
    return names_change_end(change, &builder);
}

/* ---- link -------------------------------------------------------------------------------------- */

/* As fs.protected_hardlinks, which is on nearly everywhere: nobody pins down a file of somebody else's that he
 * could not write himself, or a set-id program of which its owner will think that he removed it. */
static bool may_pin(const struct credentials *who, const struct name_inode *inode)
{
    if (who->uid == 0 || who->uid == inode->uid)
        return true;
    bool set_id =
        inode->mode & S_ISUID || (inode->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
    return S_ISREG(inode->mode) && !set_id && names_permitted(who, inode, R_OK | W_OK) == 0;
}

int names_make_link(struct names *names, struct names_change *change, struct name_inode *inode,
                    struct names_place *place)
{
    if (place->dot || place->inode)
        return -EEXIST;
    if (place->parent->orphan) /* nothing is looked up in a removed directory */
        return -ENOENT;
    if (place->name_bytes > NAMES_NAME_BYTES_MAX)
        return -ENAMETOOLONG;
    if (place->must_be_directory)
        return -ENOENT;
    if (!may_pin(change->who, inode))
        return -EPERM;
    int error = names_may_create(change->who, place);
    if (error)
        return error;
    if (S_ISDIR(inode->mode))
        return -EPERM;
    if (inode->orphan && !inode->linkable)
        return -ENOENT;
    if (inode->nlink >= NAMES_LINKS_MAX)
        return -EMLINK;
    error = names_have_room(names, new_entry_bytes(place));
    if (error)
        return error;

    struct record_builder builder;
    names_change_begin(change, &builder);
    struct item_inode item = names_state(inode);
    item.nlink++;
    item.ctime_ns = change->now_ns;
    names_add_inode(&builder, &item);
    names_add_entry(&builder, place, place->parent->directory->next_cookie, inode->ino,
                    inode->mode);
    names_add_parent(&builder, place->parent, change->now_ns, 0);
    change->ino = inode->ino;
    return names_change_end(change, &builder);
}

/* ---- unlink and rmdir -------------------------------------------------------------------------- */

/* "/", "." and ".." are never removed; each call has its own words for that. */
static int check_dots(const struct names_place *place, bool directory)
{
    if (!place->dot)
        return 0;
    if (!directory)
        return -EISDIR;
    if (place->name_bytes == 0)
        return -EBUSY;
    return place->name_bytes == 1 ? -EINVAL : -ENOTEMPTY;
}

static int check_unlink(const struct credentials *who, const struct names_place *place,
                        bool directory)
{
    int error = check_dots(place, directory);
    if (error)
        return error;
    if (!place->inode)
        return names_missing(place);
    bool is_directory = S_ISDIR(place->inode->mode);
    /* Not of rmdir: there it is the same as without the slash. */
    if (place->must_be_directory && !directory)
        return is_directory ? -EISDIR : -ENOTDIR;
    error = names_may_remove(who, place);
    if (error)
        return error;
    if (is_directory != directory)
        return directory ? -ENOTDIR : -EISDIR;
    if (directory && names_entry_count(place->inode) > 0)
        return -ENOTEMPTY;
    return 0;
}

int names_make_unlink(struct names *names, struct names_change *change, struct names_place *place,
                      bool directory)
{
    (void)names;
    int error = check_unlink(change->who, place, directory);
    if (error)
        return error;
    struct record_builder builder;
    names_change_begin(change, &builder);
    names_add_entry_gone(&builder, place);
    names_add_lost_name(&builder, change, place->inode);
    names_add_parent(&builder, place->parent, change->now_ns, directory ? -1 : 0);
    change->ino = place->inode->ino;
    return names_change_end(change, &builder);
}
