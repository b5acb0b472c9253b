/*
 * name_atime.c - READDIR, READLINK and following a symlink move atime, as relatime.
 *
 * One record of level behind, which relatime bounds: one after each change of the inode, and one a day. Reading
 * never waits and never fails for it: where the journal has no room, or names owe it too much already, atime
 * stays and the next reader moves it.
 */
#include "server/base/clock.h"
#include "server/session/name_internal.h"

/* At level behind nobody waits; a journal that failed has made the volume read-only. */
static void recorded(void *context, int error)
{
    (void)context;
    (void)error;
}

void name_touch(const struct session_request *request, const struct name_inode *inode)
{
    struct name_job *job;
    if (!names_atime_moves(inode, clock_realtime_ns()) ||
        name_shard(request)->names_pending >= NAME_BEHIND_MAX || name_job_may_grow(request) ||
        name_job_create(request, &job))
        return;
    names_make_atime(&job->change, inode);
    if (name_job_apply(job) == 0)
        name_job_append(job, WT_LEVEL_BEHIND, NULL, recorded);
}
