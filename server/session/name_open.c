/*
 * name_open.c - OPEN, and the other end of it: session_handle_closed.
 *
 * An open counts its inode at once (names_opened), so that what it waits for afterwards cannot find the
 * data gone. Then, in this order: the journal (the record of a new file; for write access everything names
 * owe so far, so that a stable write on the handle proves the name too), the file's shard (O_TRUNC, the
 * handle), and the answer. Whatever fails on the way uncounts it.
 *
 * A struct name_close is made here, carries the open to the file's shard, stays with the handle, and
 * carries the news of its close back: a close needs no memory of its own. Exactly one of these holds it: an
 * open on its way, a handle, a close on its way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/session/name_internal.h"

#define FLAGS_SERVED  (O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_DIRECTORY | O_NOFOLLOW)
#define FLAGS_IGNORED (O_CLOEXEC | O_SYNC | O_NOATIME | O_LARGEFILE | O_NONBLOCK | O_NOCTTY)
/* O_TMPFILE's own bit; the flag has that of O_DIRECTORY in it too. */
#define FLAG_UNNAMED ((uint32_t)O_TMPFILE & ~(uint32_t)O_DIRECTORY)
/* What programs do ask for and do not get. */
#define FLAGS_MISSING (O_PATH | O_DIRECT)

struct name_close {
    struct message message;
    struct name_step step;
    struct journal_append barrier;
    struct name_drop drop;
    struct session_request *request;    /* of the open; NULL from its answer on */
    struct session_shard *names, *home; /* home: where the handle is, or will be */
    struct file *file;                  /* while it is being truncated and not yet in a handle */
    uint64_t ino, generation;
    int64_t birth_ns;
    uint32_t flags;
    bool directory, strips;
    int error;               /* of the open */
    struct name_strip strip; /* the handle's */
};

/* ---- closing, and an open that failed ---- */

static void close_returned(struct message *message)
{
    struct name_close *notice = list_entry(message, struct name_close, message);
    notice->home->names_pending--;
    free(notice);
}

static void close_finished(struct name_close *notice)
{
    name_send(notice->names, notice->home->shard, &notice->message, close_returned);
}

static void close_dropped(struct name_drop *drop)
{
    close_finished(list_entry(drop, struct name_close, drop));
}

static void close_durable(struct journal_append *barrier)
{
    struct name_close *notice = list_entry(barrier, struct name_close, barrier);
    if (barrier->result == 0)
        name_drop_begin(notice->names, &notice->drop, notice->ino, notice->generation,
                        close_dropped);
    else
        close_finished(notice);
}

/* Names shard: one handle less. The record of the unlink may still be on its way, and only after it may the
 * data go. */
static void uncount(struct name_close *notice)
{
    struct names *names = volume_names(notice->names->volume);
    if (names_closed(names, notice->ino, notice->generation) && !notice->directory) {
        notice->barrier.done = close_durable;
        journal_barrier(notice->names->volume_shard, &notice->barrier);
    } else {
        close_finished(notice);
    }
}

static void close_arrived(struct message *message)
{
    uncount(list_entry(message, struct name_close, message));
}

void session_handle_closed(struct session_queue *queue, struct session_handle *handle)
{
    struct name_close *notice = handle->close_notice;
    handle->close_notice = NULL;
    queue->shard->names_pending++;
    name_send(queue->shard, JOURNAL_SHARD, &notice->message, close_arrived);
}

void name_unhold(struct name_close *hold)
{
    hold->home = hold->names;
    hold->home->names_pending++;
    uncount(hold);
}

/* The inode was counted, and the open comes to nothing. */
static void open_failed(struct name_close *notice, int error)
{
    session_complete(notice->request, error, 0, 0);
    notice->request = NULL;
    name_unhold(notice);
}

/* ---- on the file's shard ---- */

static void open_answered(struct message *message)
{
    struct session_request *request = list_entry(message, struct session_request, message);
    session_complete(request, request->result, request->result_offset, request->result_flags);
}

static void open_refused(struct message *message)
{
    struct name_close *notice = list_entry(message, struct name_close, message);
    open_failed(notice, notice->error);
}

static void refuse(struct name_close *notice, int error)
{
    notice->error = error;
    name_send(notice->home, JOURNAL_SHARD, &notice->message, open_refused);
}

/* Puts the handle into the session's table on this shard. From success on the notice is the handle's, which
 * the end of the session may close before the answer has arrived. */
static int install(struct name_close *notice)
{
    struct session_request *request = notice->request;
    struct session_queue *queue = request->queue->session->queues[notice->home->shard];
    if (!queue || queue->detaching)
        return -ENOTCONN;
    struct session_handle handle = {
        .directory = notice->directory,
        .access = notice->flags & O_ACCMODE,
        .append = (notice->flags & O_APPEND) != 0,
        .keep_atime = (notice->flags & O_NOATIME) != 0,
        .strips = notice->strips,
        .ino = notice->ino,
        .inode_generation = notice->generation,
        .file = {.file = notice->file},
        .close_notice = notice,
    };
    uint32_t index, generation;
    int error = session_handle_install(queue, &handle, &index, &generation);
    if (error)
        return error;
    /* Only now: it takes over an error that a refused handle would never tell. */
    if (notice->file)
        open_file_init(&session_handle_find(queue, index, generation)->file, notice->file);
    notice->file = NULL;
    notice->request = NULL;
    request->result = index;
    request->result_offset = generation | (uint64_t)notice->home->shard << 32;
    request->result_flags = (notice->directory ? S_IFDIR : S_IFREG) >> 12;
    return 0;
}

static void install_file(struct name_close *notice)
{
    struct session_shard *home = notice->home;
    struct session_request *request = notice->request;
    int error = install(notice);
    if (error) {
        file_release(notice->file);
        notice->file = NULL;
        refuse(notice, error);
    } else {
        name_send(home, JOURNAL_SHARD, &request->message, open_answered);
    }
}

static void truncated(struct file_operation *operation)
{
    struct name_close *notice = operation->context;
    if (operation->result < 0) {
        file_release(notice->file);
        notice->file = NULL;
        refuse(notice, (int)operation->result);
    } else {
        install_file(notice);
    }
}

static void truncate_ready(struct name_step *step, struct file_operation *operation)
{
    struct name_close *notice = list_entry(step, struct name_close, step);
    uint8_t level = notice->request->wire.level;
    operation->kind = FILE_TRUNCATE;
    operation->level = level ? (enum file_level)level : FILE_THROUGH;
    operation->file = notice->file;
    operation->handle = NULL;
    operation->offset = 0;
    operation->length_bytes = 0;
    operation->context = notice;
    operation->done = truncated;
    file_submit(operation);
}

static void open_arrived(struct message *message)
{
    struct name_close *notice = list_entry(message, struct name_close, message);
    struct session_shard *home = notice->home;
    notice->file = file_acquire(home->engine, notice->ino, notice->generation, notice->birth_ns);
    if (!notice->file)
        refuse(notice, -ENOMEM);
    else if (notice->flags & O_TRUNC) /* an empty file's too: its times move */
        name_step_begin(home, &notice->step, truncate_ready);
    else
        install_file(notice);
}

/* ---- on the names shard ---- */

/* What the journal owed is durable. */
static void open_durable(void *context, int error)
{
    struct name_close *notice = context;
    struct session_request *request = notice->request;
    if (error) {
        open_failed(notice, error);
        return;
    }
    if (notice->directory) {
        error = install(notice);
        if (error)
            open_failed(notice, error);
        else
            open_answered(&request->message);
        return;
    }
    unsigned home = volume_route(notice->names->volume, notice->ino);
    notice->home = notice->names->peers[home];
    name_send(notice->names, home, &notice->message, open_arrived);
}

static void open_barrier_done(struct journal_append *barrier)
{
    open_durable(list_entry(barrier, struct name_close, barrier), barrier->result);
}

static bool writes(const struct name_close *notice)
{
    return (notice->flags & O_ACCMODE) != O_RDONLY || (notice->flags & O_TRUNC);
}

static void count(struct name_close *notice, struct name_inode *inode)
{
    names_opened(volume_names(notice->names->volume), inode);
    notice->ino = inode->ino;
    notice->generation = inode->generation;
    notice->birth_ns = inode->birth_ns;
    notice->directory = S_ISDIR(inode->mode);
}

struct name_strip *name_strip_of(struct name_close *notice)
{
    return &notice->strip;
}

/* Counts the inode that is being opened. */
static void count_open(struct name_close *notice, struct name_inode *inode)
{
    count(notice, inode);
    notice->strips = writes(notice) && names_strips(&notice->request->queue->session->who, inode);
}

struct name_close *name_hold(struct session_shard *names, struct name_inode *inode)
{
    struct name_close *hold = calloc(1, sizeof(*hold));
    if (hold) {
        hold->names = hold->home = names;
        count(hold, inode);
    }
    return hold;
}

static int may_open(const struct name_close *notice, const struct names_place *place)
{
    const struct name_inode *inode = place->inode;
    uint32_t flags = notice->flags;
    if ((flags & O_CREAT) && (flags & O_EXCL))
        return -EEXIST;
    bool directory = S_ISDIR(inode->mode);
    if (directory && (flags & O_CREAT))
        return -EISDIR;
    if (!directory && ((flags & O_DIRECTORY) || place->must_be_directory))
        return -ENOTDIR;
    if (S_ISLNK(inode->mode))
        return -ELOOP;
    if (directory && writes(notice))
        return -EISDIR;
    if (writes(notice) && notice->names->volume_shard->read_only)
        return -EROFS;
    const struct credentials *who = &notice->request->queue->session->who;
    int want = 0;
    if ((flags & O_ACCMODE) != O_WRONLY)
        want |= R_OK;
    if (writes(notice))
        want |= W_OK;
    int error = names_permitted(who, inode, want);
    if (!error && flags & O_NOATIME && who->uid != 0 && who->uid != inode->uid)
        error = -EPERM;
    return error;
}

static void stripped(void *context, int error)
{
    (void)context;
    (void)error; /* of the journal: the open's own barrier, which comes after it, gets it too */
}

/* Who changes a file's contents takes its set-id bits away. */
static int strip_set_id(struct name_close *notice, struct name_inode *inode)
{
    struct name_job *job;
    int error = name_job_create(notice->request, &job);
    if (error)
        return error;
    names_make_strip(&job->change, inode);
    if (job->change.record_bytes == 0)
        name_job_discard(job);
    else if ((error = name_job_apply(job)) == 0)
        name_job_append(job, WT_LEVEL_BEHIND, NULL, stripped);
    return error;
}

static int open_existing(struct name_close *notice, const struct names_place *place)
{
    int error = may_open(notice, place);
    if (!error && notice->flags & O_TRUNC)
        error = strip_set_id(notice, place->inode);
    if (error)
        return error;
    count_open(notice, place->inode);
    if (writes(notice)) {
        notice->barrier.done = open_barrier_done;
        journal_barrier(notice->names->volume_shard, &notice->barrier);
    } else {
        open_durable(notice, 0);
    }
    return 0;
}

/* The inode that the job made is open as asked, whatever its mode permits. */
static int open_made(struct name_close *notice, struct name_job *job)
{
    struct session_request *request = notice->request;
    uint64_t ino = job->change.ino;
    int error = name_job_apply(job);
    if (error)
        return error;
    count_open(notice, names_inode(name_tree(request), ino));
    /* Behind would break what write access promises. */
    uint8_t level = writes(notice) ? WT_LEVEL_THROUGH : request->wire.level;
    notice->flags &= ~(uint32_t)O_TRUNC;
    name_job_append(job, level, notice, open_durable);
    return 0;
}

static int make_new(struct session_request *request, struct name_job *job,
                    struct names_place *place)
{
    uint32_t mode = S_IFREG | ((uint32_t)request->wire.argument & 07777);
    int error = names_make_node(name_tree(request), &job->change, place, mode, NULL, 0);
    return error ? error : name_job_may_grow(request);
}

static int open_new(struct name_close *notice, struct names_place *place)
{
    struct name_job *job;
    int error = name_job_create(notice->request, &job);
    if (error)
        return error;
    error = make_new(notice->request, job, place);
    if (!error)
        return open_made(notice, job);
    name_job_discard(job);
    return error;
}

static int make_unnamed(struct session_request *request, struct name_job *job,
                        const struct name_inode *directory)
{
    struct names *names = name_tree(request);
    uint32_t flags = (uint32_t)(request->wire.argument >> 32);
    uint32_t mode = (uint32_t)request->wire.argument & 07777;
    int error = names_make_unnamed(names, &job->change, directory, mode);
    if (!error)
        error = name_job_may_grow(request);
    return error ? error : names_insert_unnamed(names, &job->change, !(flags & O_EXCL));
}

/* O_TMPFILE: the place is that of the directory. */
static int open_unnamed(struct name_close *notice, const struct names_place *place)
{
    if (!S_ISDIR(place->inode->mode))
        return -ENOTDIR;
    struct name_job *job;
    int error = name_job_create(notice->request, &job);
    if (error)
        return error;
    error = make_unnamed(notice->request, job, place->inode);
    if (!error)
        return open_made(notice, job);
    name_job_discard(job);
    return error;
}

static int check_flags(uint32_t flags)
{
    if (flags & FLAGS_MISSING)
        return -EOPNOTSUPP;
    if (flags & ~((uint32_t)(FLAGS_SERVED | FLAGS_IGNORED) | FLAG_UNNAMED))
        return -EINVAL;
    if ((flags & O_ACCMODE) == O_ACCMODE)
        return -EINVAL;
    if (flags & FLAG_UNNAMED &&
        (!(flags & O_DIRECTORY) || flags & O_CREAT || (flags & O_ACCMODE) == O_RDONLY))
        return -EINVAL;
    if ((flags & O_CREAT) && (flags & O_DIRECTORY))
        return -EINVAL;
    return 0;
}

static int begin_open(struct name_close *notice)
{
    uint32_t flags = notice->flags;
    unsigned how = 0;
    if (flags & O_CREAT)
        how |= NAMES_PARENT | NAMES_NO_SLASH;
    if ((flags & O_NOFOLLOW) || ((flags & O_CREAT) && (flags & O_EXCL)))
        how |= NAMES_NOFOLLOW;
    struct names_place place;
    int error = name_resolve(notice->request, NAME_RANGE_FIRST, how, &place);
    if (error)
        return error;
    if (flags & FLAG_UNNAMED)
        return open_unnamed(notice, &place);
    return place.inode ? open_existing(notice, &place) : open_new(notice, &place);
}

void name_open(struct session_request *request)
{
    uint32_t flags = (uint32_t)(request->wire.argument >> 32);
    int error = check_flags(flags);
    struct name_close *notice = error ? NULL : malloc(sizeof(*notice));
    if (notice) {
        *notice = (struct name_close){
            .request = request,
            .names = name_shard(request),
            .home = name_shard(request),
            .flags = flags,
        };
        error = begin_open(notice);
        if (error)
            free(notice);
    } else if (!error) {
        error = -ENOMEM;
    }
    if (error)
        name_refuse(request, error);
}
