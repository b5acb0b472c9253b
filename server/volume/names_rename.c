/*
 * names_rename.c - rename and exchange. The checks come in the order of Linux's do_renameat2 and vfs_rename.
 *
 * Both are made of ITEM_ENTRYs that restate what names mean. The new meaning is stated before the old name
 * goes, so for a moment a directory has two names; names_apply allows for that.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/volume/names_internal.h"

struct renaming {
    struct names *names;
    const struct credentials *who;
    const struct names_place *from, *to;
    bool exchange, moves_directory, replaces_directory, same_parent;
};

/* Whether `above` is `directory` or holds it, however deep. Directories are as deep as there are inodes at
 * most; the bound matters only in a tree that names_verify did not accept. */
static bool is_above(struct names *names, const struct name_inode *above,
                     const struct name_inode *directory)
{
    for (uint64_t steps = names_inode_count(names); steps > 0; steps--) {
        if (directory == above)
            return true;
        if (directory->ino == VOLUME_ROOT_INO)
            return false;
        directory = names_parent_of(names, directory);
    }
    return true;
}

/* What the two places are, before anyone asks who is calling. */
static int check_places(const struct renaming *renaming, unsigned flags)
{
    const struct names_place *from = renaming->from, *to = renaming->to;
    if (from->dot)
        return -EBUSY;
    if (to->dot)
        return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
    if (!from->inode)
        return names_missing(from);
    if (to->parent->orphan) /* nothing is looked up in a removed directory */
        return -ENOENT;
    if (to->name_bytes > NAMES_NAME_BYTES_MAX)
        return -ENAMETOOLONG;
    if (to->inode && flags & RENAME_NOREPLACE)
        return -EEXIST;
    if (!to->inode && renaming->exchange)
        return -ENOENT;
    /* A trailing slash promises a directory: in an exchange each its own, else what is moved. */
    if (from->must_be_directory && !renaming->moves_directory)
        return -ENOTDIR;
    bool arrives_as_directory =
        renaming->exchange ? renaming->replaces_directory : renaming->moves_directory;
    if (to->must_be_directory && !arrives_as_directory)
        return -ENOTDIR;
    if (renaming->moves_directory && is_above(renaming->names, from->inode, to->parent))
        return -EINVAL;
    if (renaming->replaces_directory && is_above(renaming->names, to->inode, from->parent))
        return renaming->exchange ? -EINVAL : -ENOTEMPTY;
    return 0;
}

static int check_rights(const struct renaming *renaming)
{
    const struct names_place *from = renaming->from, *to = renaming->to;
    int error = names_may_remove(renaming->who, from);
    if (!error)
        error =
            to->inode ? names_may_remove(renaming->who, to) : names_may_create(renaming->who, to);
    if (error)
        return error;
    if (to->inode && !renaming->exchange &&
        renaming->moves_directory != renaming->replaces_directory)
        return renaming->moves_directory ? -ENOTDIR : -EISDIR;
    if (renaming->same_parent)
        return 0;
    /* Another parent changes what ".." means in a directory: that is a write to it. */
    if (renaming->moves_directory)
        error = names_permitted(renaming->who, from->inode, W_OK);
    if (!error && renaming->exchange && renaming->replaces_directory)
        error = names_permitted(renaming->who, to->inode, W_OK);
    return error;
}

/* By how much a parent's nlink changes: subdirectories that come less those that go. */
static int links_of_from(const struct renaming *renaming)
{
    int links = renaming->moves_directory ? -1 : 0;
    return links + (renaming->exchange && renaming->replaces_directory ? 1 : 0);
}

static int links_of_to(const struct renaming *renaming)
{
    int links = renaming->moves_directory ? 1 : 0;
    return links - (renaming->replaces_directory ? 1 : 0);
}

static int check_limits(const struct renaming *renaming)
{
    const struct names_place *from = renaming->from, *to = renaming->to;
    if (!renaming->same_parent) {
        if (links_of_to(renaming) > 0 && to->parent->nlink >= NAMES_LINKS_MAX)
            return -EMLINK;
        if (links_of_from(renaming) > 0 && from->parent->nlink >= NAMES_LINKS_MAX)
            return -EMLINK;
    }
    if (!renaming->exchange && renaming->replaces_directory && names_entry_count(to->inode) > 0)
        return -ENOTEMPTY;
    if (!to->inode && to->name_bytes > from->name_bytes)
        return names_have_room(renaming->names, to->name_bytes - from->name_bytes);
    return 0;
}

static void add_touched(struct record_builder *builder, const struct name_inode *inode,
                        int64_t now_ns)
{
    struct item_inode item = names_state(inode);
    item.ctime_ns = now_ns;
    names_add_inode(builder, &item);
}

static int build(const struct renaming *renaming, struct names_change *change)
{
    const struct names_place *from = renaming->from, *to = renaming->to;
    const struct name_inode *moved = from->inode;
    uint64_t cookie = to->entry ? to->entry->cookie : to->parent->directory->next_cookie;
    int64_t now_ns = change->now_ns;
    struct record_builder builder;
    names_change_begin(change, &builder);
    names_add_entry(&builder, to, cookie, moved->ino, moved->mode);
    if (renaming->exchange) {
        names_add_entry(&builder, from, from->entry->cookie, to->inode->ino, to->inode->mode);
        add_touched(&builder, to->inode, now_ns);
    } else {
        names_add_entry_gone(&builder, from);
        if (to->inode)
            names_add_lost_name(&builder, change, to->inode);
    }
    add_touched(&builder, moved, now_ns);
    if (renaming->same_parent) {
        names_add_parent(&builder, from->parent, now_ns,
                         links_of_from(renaming) + links_of_to(renaming));
    } else {
        names_add_parent(&builder, from->parent, now_ns, links_of_from(renaming));
        names_add_parent(&builder, to->parent, now_ns, links_of_to(renaming));
    }
    change->ino = moved->ino;
    return names_change_end(change, &builder);
}

int names_make_rename(struct names *names, struct names_change *change, struct names_place *from,
                      struct names_place *to, unsigned flags)
{
    if (flags != 0 && flags != RENAME_NOREPLACE && flags != RENAME_EXCHANGE)
        return -EINVAL;
    const struct renaming renaming = {
        .names = names,
        .who = change->who,
        .from = from,
        .to = to,
        .exchange = flags == RENAME_EXCHANGE,
        .moves_directory = from->inode && S_ISDIR(from->inode->mode),
        .replaces_directory = to->inode && S_ISDIR(to->inode->mode),
        .same_parent = from->parent == to->parent,
    };
    int error = check_places(&renaming, flags);
    if (error)
        return error;
    assert(from->inode); /* check_places */
    if (from->inode == to->inode) {
        struct record_builder unused;
        names_change_begin(change, &unused);
        change->ino = from->inode->ino;
        return 0;
    }
    error = check_rights(&renaming);
    if (!error)
        error = check_limits(&renaming);
    return error ? error : build(&renaming, change);
}
