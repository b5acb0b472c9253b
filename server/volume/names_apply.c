/*
 * names_apply.c - one record into the tables. The record may come from a medium: nothing in it is believed.
 *
 * Two passes. The first makes everything that the record may need; the second changes the tables, and can
 * then fail only for a record that names_make_* would not have built. So an operation is applied whole or,
 * with -ENOMEM, not at all.
 *
 * What the tables themselves guarantee, whatever comes: entries point to inodes that exist, an inode with
 * names is not freed, a directory that goes is empty. That links are counted rightly and all directories
 * hang from the root is seen by names_verify once replay is over, since within one record they may not.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/volume/names_internal.h"

#define INO_MAX (1ull << 62)

/* What the first pass made, in the order of the items: an inode for each ITEM_INODE that has links and a
 * number that is not there yet, an entry for each ITEM_ENTRY. Chained by hash_next. */
struct prepared {
    struct name_inode *inodes, **inodes_end;
    struct name_entry *entries, **entries_end;
};

static void prepared_free(struct prepared *prepared)
{
    while (prepared->inodes) {
        struct name_inode *inode = prepared->inodes;
        prepared->inodes = inode->hash_next;
        names_inode_free(inode);
    }
    while (prepared->entries) {
        struct name_entry *entry = prepared->entries;
        prepared->entries = entry->hash_next;
        free(entry);
    }
}

static const char *tail_of(const void *item, size_t item_bytes)
{
    return (const char *)item + item_bytes;
}

/* ---- checks that need no tree ------------------------------------------------------------------ */

static int check_inode(const struct item_inode *item)
{
    uint32_t type = item->mode & S_IFMT;
    if (item->ino == 0 || item->ino > INO_MAX || item->nlink > NAMES_LINKS_MAX ||
        item->mode & ~(uint32_t)(S_IFMT | 07777))
        return -EBADMSG;
    if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK)
        return -EBADMSG;
    if (item->ino == VOLUME_ROOT_INO && type != S_IFDIR)
        return -EBADMSG;
    if (type == S_IFDIR ? item->next_cookie > NAMES_COOKIE_MAX + 1 : item->next_cookie != 0)
        return -EBADMSG;
    if (item->header.count && (type != S_IFLNK || memchr(item + 1, '\0', item->header.count)))
        return -EBADMSG;
    return 0;
}

static int check_entry(const struct item_entry *item)
{
    if (item->cookie < NAMES_FIRST_COOKIE || item->cookie > NAMES_COOKIE_MAX ||
        item->ino == VOLUME_ROOT_INO ||
        !names_name_valid(tail_of(item, sizeof *item), item->header.count))
        return -EBADMSG;
    return 0;
}

/* ---- first pass -------------------------------------------------------------------------------- */

/* An inode that is not there comes with a name and, a symlink, with a target. */
static struct name_inode *inode_from(const struct item_inode *item, int *error)
{
    *error = 0;
    if (S_ISLNK(item->mode) && item->header.count == 0) {
        *error = -EBADMSG;
        return NULL;
    }
    struct name_inode *inode = names_inode_new(item->ino, item->generation, item->mode,
                                               tail_of(item, sizeof *item), item->header.count);
    if (!inode)
        *error = -ENOMEM;
    return inode;
}

static int prepare_inode(struct names *names, const struct item_inode *item,
                         struct prepared *prepared)
{
    int error = check_inode(item);
    if (error || item->nlink == 0 || names_inode(names, item->ino))
        return error;
    struct name_inode *inode = inode_from(item, &error);
    if (error)
        return error;
    inode->hash_next = NULL;
    *prepared->inodes_end = inode;
    prepared->inodes_end = &inode->hash_next;
    return 0;
}

static int prepare_entry(struct names *names, const struct item_entry *item,
                         struct prepared *prepared)
{
    int error = check_entry(item);
    if (error)
        return error;
    struct name_entry *entry = names_entry_new(tail_of(item, sizeof *item), item->header.count);
    if (!entry)
        return -ENOMEM;
    entry->hash_next = NULL;
    *prepared->entries_end = entry;
    prepared->entries_end = &entry->hash_next;
    struct name_inode *directory = names_inode(names, item->parent);
    if (directory && S_ISDIR(directory->mode) &&
        !names_find(names, directory, entry->name, entry->name_bytes))
        return names_directory_reserve(directory->directory, item->cookie);
    return 0;
}

static int prepare_item(struct names *names, const struct item_header *item,
                        struct prepared *prepared)
{
    switch (item->kind) {
    case ITEM_INODE:
        return prepare_inode(names, (const struct item_inode *)item, prepared);
    case ITEM_ENTRY:
        return prepare_entry(names, (const struct item_entry *)item, prepared);
    case ITEM_INODE_GONE:
    case ITEM_ENTRY_GONE:
    case ITEM_NEXT_INO:
        return 0;
    default:
        return -EBADMSG;
    }
}

/* ---- second pass ------------------------------------------------------------------------------- */

static void set_attributes(struct name_inode *inode, const struct item_inode *item)
{
    inode->mode = item->mode;
    inode->nlink = item->nlink;
    inode->uid = item->uid;
    inode->gid = item->gid;
    inode->atime_ns = item->atime_ns;
    inode->mtime_ns = item->mtime_ns;
    inode->ctime_ns = item->ctime_ns;
    inode->birth_ns = item->birth_ns;
    if (S_ISDIR(inode->mode) && inode->directory->next_cookie < item->next_cookie)
        inode->directory->next_cookie = item->next_cookie;
}

static int restate_inode(struct names *names, struct name_inode *inode,
                         const struct item_inode *item)
{
    if (inode->generation != item->generation || (inode->mode ^ item->mode) & S_IFMT ||
        (inode->orphan && item->nlink > 0 && !inode->linkable))
        return -EBADMSG;
    if (item->header.count && (strlen(inode->target) != item->header.count ||
                               memcmp(inode->target, item + 1, item->header.count) != 0))
        return -EBADMSG;
    names_image_save_inode(names, inode);
    set_attributes(inode, item);
    if (inode->linkable && item->nlink > 0)
        inode->orphan = inode->linkable = false;
    return 0;
}

static int apply_inode(struct names *names, const struct item_inode *item,
                       struct prepared *prepared)
{
    /* The first pass made one for every such item, so this one is the item's own. */
    struct name_inode *fresh = NULL;
    if (item->nlink > 0 && prepared->inodes && prepared->inodes->ino == item->ino) {
        fresh = prepared->inodes;
        prepared->inodes = fresh->hash_next;
    }
    if (item->ino >= names->next_ino)
        names->next_ino = item->ino + 1;

    int error = 0;
    struct name_inode *inode = names_inode(names, item->ino);
    if (inode || item->nlink == 0) {
        if (fresh) /* the record states a new inode twice */
            names_inode_free(fresh);
        return inode ? restate_inode(names, inode, item) : 0;
    }
    if (!fresh)
        fresh = inode_from(item, &error);
    if (error)
        return error;
    set_attributes(fresh, item);
    names_inode_insert(names, fresh);
    return 0;
}

static int apply_inode_gone(struct names *names, const struct item_inode_gone *item)
{
    struct name_inode *inode = names_inode(names, item->ino);
    if (!inode)
        return 0;
    if (item->ino == VOLUME_ROOT_INO || inode->generation != item->generation ||
        inode->name_count > 0 || (S_ISDIR(inode->mode) && inode->directory->entry_count > 0))
        return -EBADMSG;
    if (inode->open_count == 0) {
        names_inode_remove(names, inode);
    } else {
        names_image_save_inode(names, inode);
        inode->orphan = true;
        inode->nlink = 0;
    }
    return 0;
}

/* A directory has a second name only between the two items that move it. */
static bool may_be_named(const struct name_inode *inode)
{
    return inode->name_count < (S_ISDIR(inode->mode) ? 2 : NAMES_LINKS_MAX);
}

static int replace_entry(struct names *names, struct name_entry *entry,
                         const struct item_entry *item, struct name_inode *inode)
{
    if (entry->cookie != item->cookie)
        return -EBADMSG;
    if (entry->inode == inode)
        return 0;
    if (!may_be_named(inode))
        return -EBADMSG;
    names_image_save_entry(names, entry);
    entry->inode->name_count--;
    inode->name_count++;
    entry->inode = inode;
    entry->type = (uint8_t)item->type;
    return 0;
}

static int apply_entry(struct names *names, const struct item_entry *item,
                       struct prepared *prepared)
{
    struct name_entry *fresh = prepared->entries;
    assert(fresh); /* one for each ITEM_ENTRY */
    prepared->entries = fresh->hash_next;
    struct name_inode *directory = names_inode(names, item->parent);
    struct name_inode *inode = names_inode(names, item->ino);
    int error = 0;
    if (!directory || !S_ISDIR(directory->mode) || directory->orphan || !inode || inode->orphan ||
        inode == directory || item->type != names_type_of(inode->mode))
        error = -EBADMSG;
    struct name_entry *old = NULL;
    if (!error)
        old = names_find(names, directory, fresh->name, fresh->name_bytes);
    if (old)
        error = replace_entry(names, old, item, inode);
    else if (!error && !may_be_named(inode))
        error = -EBADMSG;
    if (!error && !old) {
        fresh->directory = directory;
        fresh->inode = inode;
        fresh->cookie = item->cookie;
        fresh->type = (uint8_t)item->type;
        error = names_entry_insert(names, fresh);
        if (error == -EEXIST)
            error = -EBADMSG;
    }
    if (error || old)
        free(fresh);
    if (!error && S_ISDIR(inode->mode))
        inode->parent = directory->ino;
    return error;
}

static int apply_entry_gone(struct names *names, const struct item_entry_gone *item)
{
    struct name_inode *directory = names_inode(names, item->parent);
    if (!directory || !S_ISDIR(directory->mode))
        return -EBADMSG;
    struct name_entry *entry =
        names_find(names, directory, tail_of(item, sizeof *item), item->header.count);
    if (entry)
        names_entry_remove(names, entry);
    return 0;
}

static int apply_item(struct names *names, const struct item_header *item,
                      struct prepared *prepared)
{
    switch (item->kind) {
    case ITEM_INODE:
        return apply_inode(names, (const struct item_inode *)item, prepared);
    case ITEM_INODE_GONE:
        return apply_inode_gone(names, (const struct item_inode_gone *)item);
    case ITEM_ENTRY:
        return apply_entry(names, (const struct item_entry *)item, prepared);
    case ITEM_ENTRY_GONE:
        return apply_entry_gone(names, (const struct item_entry_gone *)item);
    default: { /* ITEM_NEXT_INO: the first pass lets nothing else through */
        const struct item_next_ino *next = (const void *)item;
        if (next->next_ino > INO_MAX)
            return -EBADMSG;
        if (next->next_ino > names->next_ino)
            names->next_ino = next->next_ino;
        return 0;
    }
    }
}

/* Of an image only: each of its entries would wait for memory several times, one after the other, and that
 * is most of what a start with many files costs. All places of a record are asked for together. */
static void prefetch(const struct names *names, const struct record_header *record)
{
    const struct item_header *item;
    for (unsigned round = 0; round < 2; round++)
        for (size_t offset = 0; record_item(record, &offset, &item) > 0;)
            if (item->kind == ITEM_ENTRY)
                names_prefetch(names, (const struct item_entry *)item, round);
}

int names_apply(struct names *names, const struct record_header *record)
{
    if (record->partition != PARTITION_NAMES)
        return -EBADMSG;
    struct prepared prepared = {NULL, &prepared.inodes, NULL, &prepared.entries};
    const struct item_header *item;
    size_t offset = 0;
    int result;
    if (record->bytes > NAMES_RECORD_BYTES)
        prefetch(names, record);
    while ((result = record_item(record, &offset, &item)) > 0) {
        result = prepare_item(names, item, &prepared);
        if (result)
            break;
    }
    offset = 0;
    while (result == 0 && record_item(record, &offset, &item) > 0)
        result = apply_item(names, item, &prepared);
    prepared_free(&prepared);
    return result;
}
