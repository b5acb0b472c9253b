/*
 * name_attributes.c - CHMOD, CHOWN, UTIMENS. WT_REQUEST_NOFOLLOW: of a symlink itself; WT_REQUEST_OBJECT: of
 * the handle's own inode.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/base/clock.h"
#include "server/session/name_internal.h"

#define NANOSECONDS 1000000000
#define TIME_OMIT   INT64_MIN

static int resolve_inode(const struct session_request *request, struct name_inode **inode)
{
    unsigned how = request->wire.flags & WT_REQUEST_NOFOLLOW ? NAMES_NOFOLLOW : 0;
    return name_resolve_inode(request, how, inode);
}

static int make_chmod(struct session_request *request, struct name_job *job)
{
    struct name_inode *inode;
    int error = resolve_inode(request, &inode);
    if (error)
        return error;
    if (S_ISLNK(inode->mode))
        return -EOPNOTSUPP;
    return names_make_chmod(name_tree(request), &job->change, inode,
                            (uint32_t)request->wire.argument & 07777);
}

static int make_chown(struct session_request *request, struct name_job *job)
{
    struct name_inode *inode;
    int error = resolve_inode(request, &inode);
    if (error)
        return error;
    uint64_t argument = request->wire.argument;
    return names_make_chown(name_tree(request), &job->change, inode, (uint32_t)argument,
                            (uint32_t)(argument >> 32));
}

static void change(struct session_request *request,
                   int (*make)(struct session_request *request, struct name_job *job))
{
    struct name_job *job;
    int error = name_job_create(request, &job);
    if (!error) {
        error = make(request, job);
        if (error || job->change.record_bytes == 0)
            name_job_discard(job);
        else if ((error = name_job_apply(job)) == 0) {
            name_job_append(job, request->wire.level, request, name_complete);
            return;
        }
    }
    name_complete(request, error);
}

void name_chmod(struct session_request *request)
{
    change(request, make_chmod);
}

void name_chown(struct session_request *request)
{
    change(request, make_chown);
}

/* ---- times: names first (permission, ctime), then the file's own shard ---- */

struct name_times {
    struct message message;
    struct name_step step;
    struct session_request *request;
    struct session_shard *home;
    struct file *file;
    struct name_close
        *hold; /* of a regular file: an unlink in between must not drop its data under us */
    uint64_t ino, generation;
    int64_t birth_ns, atime_ns, mtime_ns;
    int error;
};

static void times_finished(struct name_times *times, int error)
{
    name_complete(times->request, error);
    if (times->hold)
        name_unhold(times->hold);
    free(times);
}

static void times_returned(struct message *message)
{
    struct name_times *times = list_entry(message, struct name_times, message);
    times_finished(times, times->error);
}

static void times_return(struct name_times *times, int error)
{
    times->error = error;
    name_send(times->home, JOURNAL_SHARD, &times->message, times_returned);
}

static void times_set(struct file_operation *operation)
{
    struct name_times *times = operation->context;
    file_release(times->file);
    times_return(times, (int)operation->result);
}

static void times_ready(struct name_step *step, struct file_operation *operation)
{
    struct name_times *times = list_entry(step, struct name_times, step);
    uint8_t level = times->request->wire.level;
    operation->kind = FILE_SET_TIMES;
    operation->level = level ? (enum file_level)level : FILE_THROUGH;
    operation->file = times->file;
    operation->handle = NULL;
    operation->atime_ns = times->atime_ns;
    operation->mtime_ns = times->mtime_ns;
    operation->context = times;
    operation->done = times_set;
    file_submit(operation);
}

static void times_at_file(struct message *message)
{
    struct name_times *times = list_entry(message, struct name_times, message);
    times->file = file_acquire(times->home->engine, times->ino, times->generation, times->birth_ns);
    if (times->file)
        name_step_begin(times->home, &times->step, times_ready);
    else
        times_return(times, -ENOMEM);
}

static void times_recorded(void *context, int error)
{
    struct name_times *times = context;
    if (error || !times->hold) {
        times_finished(times, error);
        return;
    }
    struct session_shard *names = name_shard(times->request);
    unsigned home = volume_route(names->volume, times->ino);
    times->home = names->peers[home];
    name_send(names, home, &times->message, times_at_file);
}

static int to_ns(const struct wt_wire_time *wire, int64_t now_ns, int64_t *ns)
{
    if (wire->nanoseconds == UTIME_NOW) {
        *ns = now_ns;
        return 0;
    }
    if (wire->nanoseconds == UTIME_OMIT) {
        *ns = TIME_OMIT;
        return 0;
    }
    if (wire->nanoseconds >= NANOSECONDS ||
        __builtin_mul_overflow(wire->seconds, (int64_t)NANOSECONDS, ns) ||
        __builtin_add_overflow(*ns, (int64_t)wire->nanoseconds, ns) || *ns == TIME_OMIT)
        return -EINVAL;
    return 0;
}

/* Without a second range: both now, as utimensat(2) without times. */
static int read_times(const struct session_request *request, int64_t now_ns,
                      struct name_times *times, bool *explicit_times)
{
    const struct wt_request *wire = &request->wire;
    struct wt_wire_times copy = {.atime.nanoseconds = UTIME_NOW, .mtime.nanoseconds = UTIME_NOW};
    if (wire->length2 != 0) {
        const unsigned char *shared =
            session_arena(request->queue, wire->arena_offset2, wire->length2);
        if (!shared || wire->length2 != sizeof(copy))
            return -EINVAL;
        memcpy(&copy, shared, sizeof(copy));
        __asm__ volatile("" ::: "memory");
        if (copy.atime.reserved | copy.mtime.reserved)
            return -EINVAL;
    }
    *explicit_times = copy.atime.nanoseconds != UTIME_NOW || copy.mtime.nanoseconds != UTIME_NOW;
    int error = to_ns(&copy.atime, now_ns, &times->atime_ns);
    return error ? error : to_ns(&copy.mtime, now_ns, &times->mtime_ns);
}

/* Makes the record. A result of 0 with nothing made: there is nothing to set. */
static int make_utimens(struct session_request *request, struct name_job *job,
                        struct name_times *times)
{
    bool explicit_times;
    int error = read_times(request, job->change.now_ns, times, &explicit_times);
    if (error)
        return error;
    struct name_inode *inode;
    error = resolve_inode(request, &inode);
    if (error || (times->atime_ns == TIME_OMIT && times->mtime_ns == TIME_OMIT))
        return error;
    times->ino = inode->ino;
    times->generation = inode->generation;
    times->birth_ns = inode->birth_ns;
    error = names_make_utimens(name_tree(request), &job->change, inode, times->atime_ns,
                               times->mtime_ns, explicit_times);
    if (!error && S_ISREG(inode->mode)) {
        times->hold = name_hold(job->shard, inode);
        error = times->hold ? 0 : -ENOMEM;
    }
    return error;
}

void name_utimens(struct session_request *request)
{
    struct name_job *job;
    int error = name_job_create(request, &job);
    if (error) {
        name_complete(request, error);
        return;
    }
    struct name_times *times = calloc(1, sizeof(*times));
    error = times ? make_utimens(request, job, times) : -ENOMEM;
    if (error || job->change.record_bytes == 0) {
        name_job_discard(job);
    } else if ((error = name_job_apply(job)) == 0) {
        times->request = request;
        name_job_append(job, request->wire.level, times, times_recorded);
        return;
    }
    if (times && times->hold)
        name_unhold(times->hold);
    free(times);
    name_complete(request, error);
}
