/*
 * name_change.c - MKDIR, SYMLINK, LINK, UNLINK, RMDIR, RENAME: one record each.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "server/session/name_internal.h"

/* What was made, or why not, goes its way: shared end of every change here. */
static void finish(struct session_request *request, struct name_job *job, int error)
{
    if (!error && job->change.record_bytes != 0) {
        error = name_job_apply(job);
        if (!error) {
            name_job_append(job, request->wire.level, request, name_complete);
            return;
        }
    } else {
        name_job_discard(job);
    }
    name_refuse(request, error);
}

static int make_directory(struct session_request *request, struct name_job *job)
{
    struct names_place place;
    int error = name_resolve(request, NAME_RANGE_FIRST, NAMES_PARENT | NAMES_NOFOLLOW, &place);
    if (error)
        return error;
    uint32_t mode = S_IFDIR | ((uint32_t)request->wire.argument & 07777);
    return names_make_node(name_tree(request), &job->change, &place, mode, NULL, 0);
}

static int make_symlink(struct session_request *request, struct name_job *job)
{
    char target[NAMES_PATH_BYTES_MAX + 1];
    struct names_place place;
    int target_bytes = name_copy_path(request, NAME_RANGE_FIRST, target);
    if (target_bytes < 0)
        return target_bytes;
    int error = name_resolve(request, NAME_RANGE_SECOND, NAMES_PARENT | NAMES_NOFOLLOW, &place);
    if (error)
        return error;
    return names_make_node(name_tree(request), &job->change, &place, S_IFLNK | 0777, target,
                           (size_t)target_bytes);
}

/* As link(2): a symlink is linked itself, unless the client asks otherwise. */
static int make_link(struct session_request *request, struct name_job *job)
{
    struct name_inode *inode;
    struct names_place to;
    unsigned how = request->wire.flags & WT_REQUEST_FOLLOW ? 0 : NAMES_NOFOLLOW;
    int error = name_resolve_inode(request, how, &inode);
    if (error)
        return error;
    error = name_resolve(request, NAME_RANGE_SECOND, NAMES_PARENT | NAMES_NOFOLLOW, &to);
    if (error)
        return error;
    return names_make_link(name_tree(request), &job->change, inode, &to);
}

static int make_removal(struct session_request *request, struct name_job *job)
{
    struct names_place place;
    int error = name_resolve(request, NAME_RANGE_FIRST, NAMES_PARENT | NAMES_NOFOLLOW, &place);
    if (error)
        return error;
    job->gone_is_file = place.inode && S_ISREG(place.inode->mode);
    return names_make_unlink(name_tree(request), &job->change, &place,
                             request->wire.opcode == WT_OP_RMDIR);
}

static int make_rename(struct session_request *request, struct name_job *job)
{
    uint64_t flags = request->wire.argument;
    if (flags != 0 && flags != RENAME_NOREPLACE && flags != RENAME_EXCHANGE)
        return -EINVAL;
    struct names_place from, to;
    int error = name_resolve(request, NAME_RANGE_FIRST, NAMES_PARENT | NAMES_NOFOLLOW, &from);
    if (error)
        return error;
    error = name_resolve(request, NAME_RANGE_SECOND, NAMES_PARENT | NAMES_NOFOLLOW, &to);
    if (error)
        return error;
    job->gone_is_file = to.inode && S_ISREG(to.inode->mode);
    return names_make_rename(name_tree(request), &job->change, &from, &to, (unsigned)flags);
}

static void change(struct session_request *request, bool grows,
                   int (*make)(struct session_request *request, struct name_job *job))
{
    struct name_job *job;
    int error = name_job_create(request, &job);
    if (error) {
        name_complete(request, error);
        return;
    }
    error = make(request, job);
    /* Asked last: who may not make it or finds it there is told that. */
    if (!error && grows)
        error = name_job_may_grow(request);
    finish(request, job, error);
}

void name_mkdir(struct session_request *request)
{
    change(request, true, make_directory);
}

void name_symlink(struct session_request *request)
{
    change(request, true, make_symlink);
}

void name_link(struct session_request *request)
{
    change(request, true, make_link);
}

void name_remove(struct session_request *request)
{
    change(request, false, make_removal);
}

void name_rename(struct session_request *request)
{
    change(request, true, make_rename);
}
