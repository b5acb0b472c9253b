/* names_attributes.c - chmod, chown, utimens and reading: one inode restated, by the rules of Linux. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/volume/names_internal.h"

#define ATIME_INTERVAL_NS (24ll * 3600 * 1000000000)

static bool owns(const struct credentials *who, const struct name_inode *inode)
{
    return who->uid == 0 || who->uid == inode->uid;
}

static int finish(struct names_change *change, struct item_inode *item)
{
    struct record_builder builder;
    item->ctime_ns = change->now_ns;
    names_change_begin(change, &builder);
    names_add_inode(&builder, item);
    change->ino = item->ino;
    return names_change_end(change, &builder);
}

int names_make_chmod(struct names *names, struct names_change *change, struct name_inode *inode,
                     uint32_t mode)
{
    (void)names;
    if (S_ISLNK(inode->mode))
        return -EOPNOTSUPP;
    if (!owns(change->who, inode))
        return -EPERM;
    struct item_inode item = names_state(inode);
    item.mode = (inode->mode & S_IFMT) | (mode & 07777);
    if (change->who->uid != 0 && !names_in_group(change->who, inode->gid))
        item.mode &= ~(uint32_t)S_ISGID;
    return finish(change, &item);
}

static int check_chown(const struct credentials *who, const struct name_inode *inode, uint32_t uid,
                       uint32_t gid)
{
    if (who->uid == 0)
        return 0;
    if (uid != ~0u && (who->uid != inode->uid || uid != inode->uid))
        return -EPERM;
    if (gid != ~0u && (who->uid != inode->uid || (gid != inode->gid && !names_in_group(who, gid))))
        return -EPERM;
    return 0;
}

/* A new owner does not inherit set-id programs. Linux does this for root's chown too. setgid without
 * group execution is a mark for mandatory locks, not a privilege: it stays for who is in the group. */
static uint32_t without_set_id(const struct credentials *who, const struct name_inode *inode)
{
    uint32_t mode = inode->mode & ~(uint32_t)S_ISUID;
    bool may_keep = who->uid == 0 || names_in_group(who, inode->gid);
    if (mode & S_IXGRP || !may_keep)
        mode &= ~(uint32_t)S_ISGID;
    return mode;
}

bool names_strips(const struct credentials *who, const struct name_inode *inode)
{
    return S_ISREG(inode->mode) && who->uid != 0 && without_set_id(who, inode) != inode->mode;
}

void names_make_strip(struct names_change *change, struct name_inode *inode)
{
    struct record_builder unused;
    struct item_inode item = names_state(inode);
    item.mode = without_set_id(change->who, inode);
    names_change_begin(change, &unused);
    if (names_strips(change->who, inode))
        finish(change, &item);
}

int names_make_chown(struct names *names, struct names_change *change, struct name_inode *inode,
                     uint32_t uid, uint32_t gid)
{
    (void)names;
    int error = check_chown(change->who, inode, uid, gid);
    if (error)
        return error;
    struct item_inode item = names_state(inode);
    if (uid != ~0u)
        item.uid = uid;
    if (gid != ~0u)
        item.gid = gid;
    if (S_ISREG(inode->mode))
        item.mode = without_set_id(change->who, inode);
    return finish(change, &item);
}

int names_make_utimens(struct names *names, struct names_change *change, struct name_inode *inode,
                       int64_t atime_ns, int64_t mtime_ns, bool explicit_times)
{
    (void)names;
    bool sets_atime = atime_ns != INT64_MIN, sets_mtime = mtime_ns != INT64_MIN;
    if (!sets_atime && !sets_mtime) { /* UTIME_OMIT twice: nobody is asked and nothing changes */
        struct record_builder unused;
        names_change_begin(change, &unused);
        change->ino = inode->ino;
        return 0;
    }
    if (!owns(change->who, inode)) {
        if (explicit_times)
            return -EPERM;
        int error = names_permitted(change->who, inode, W_OK);
        if (error)
            return error;
    }
    struct item_inode item = names_state(inode);
    if (!S_ISREG(inode->mode)) { /* a file's are in its partition */
        if (sets_atime)
            item.atime_ns = atime_ns;
        if (sets_mtime)
            item.mtime_ns = mtime_ns;
    }
    return finish(change, &item);
}

bool names_atime_moves(const struct name_inode *inode, int64_t now_ns)
{
    if (S_ISREG(inode->mode) || inode->orphan)
        return false;
    return inode->atime_ns <= inode->mtime_ns || inode->atime_ns <= inode->ctime_ns ||
           now_ns - ATIME_INTERVAL_NS >= inode->atime_ns;
}

void names_make_atime(struct names_change *change, const struct name_inode *inode)
{
    struct record_builder builder;
    struct item_inode item = names_state(inode);
    item.atime_ns = change->now_ns;
    names_change_begin(change, &builder);
    names_add_inode(&builder, &item);
    change->ino = inode->ino;
    names_change_end(change, &builder);
}
