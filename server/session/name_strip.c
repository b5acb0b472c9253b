/*
 * name_strip.c - set-id bits go with the first change of contents through a handle.
 *
 * Whether there are any is asked at open (session_handle.strips), so that a write looks at one bool. The first
 * write, truncate or allocation goes on its own way while a change of names is sent; the request completes when
 * both are done. Bits that are set while the handle is open already are not taken by it.
 */
#include "server/session/name_internal.h"

/* On the origin's shard: the change of contents, and the change of names. */
static void part_done(struct name_strip *strip)
{
    if (--strip->pending == 0)
        session_complete(strip->request, strip->result, strip->result_offset, 0);
}

static void contents_changed(struct file_operation *operation)
{
    struct name_strip *strip = operation->context;
    strip->result = operation->result;
    strip->result_offset = operation->append ? operation->result_offset : 0;
    part_done(strip);
}

static void strip_returned(struct message *message)
{
    part_done(list_entry(message, struct name_strip, message));
}

/* The error of a journal that failed comes with the contents too, or with whatever comes next. */
static void strip_recorded(void *context, int error)
{
    struct name_strip *strip = context;
    (void)error;
    name_send(name_shard(strip->request), name_origin(strip->request)->shard, &strip->message,
              strip_returned);
}

static void strip_at_names(struct message *message)
{
    struct name_strip *strip = list_entry(message, struct name_strip, message);
    struct session_request *request = strip->request;
    struct name_inode *inode;
    struct name_job *job;
    int error = name_find_inode(request, strip->ino, strip->generation, &inode);
    if (!error)
        error = name_job_create(request, &job);
    if (!error) {
        names_make_strip(&job->change, inode);
        if (job->change.record_bytes == 0)
            name_job_discard(job);
        else if ((error = name_job_apply(job)) == 0) {
            name_job_append(job, request->wire.level, strip, strip_recorded);
            return;
        }
    }
    strip_recorded(strip, error);
}

void session_strip(struct session_request *request, struct session_handle *handle,
                   struct file_operation *operation)
{
    struct name_strip *strip = name_strip_of(handle->close_notice);
    handle->strips = false;
    *strip = (struct name_strip){
        .request = request,
        .ino = handle->ino,
        .generation = handle->inode_generation,
        .pending = 2,
    };
    operation->done = contents_changed;
    operation->context = strip;
    name_send(name_origin(request), JOURNAL_SHARD, &strip->message, strip_at_names);
}
