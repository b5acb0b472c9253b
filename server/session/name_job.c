/*
 * name_job.c - a change of names on its way: memory at once, then the journal, then the answer.
 *
 * A job is not part of its request, because at level behind the request ends before it.
 */
#include <errno.h>
#include <stdlib.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/session/name_internal.h"

int name_job_create(const struct session_request *request, struct name_job **job)
{
    struct session_shard *shard = name_shard(request);
    if (shard->volume_shard->read_only)
        return -EROFS;
    struct name_job *made = malloc(sizeof(*made));
    if (!made)
        return -ENOMEM;
    made->shard = shard;
    made->change = (struct names_change){
        .who = &request->queue->session->who,
        .now_ns = clock_realtime_ns(),
        .epoch = volume_epoch(shard->volume),
        .buffer = made->record,
    };
    made->gone_is_file = false;
    made->told = false;
    *job = made;
    return 0;
}

void name_job_discard(struct name_job *job)
{
    free(job);
}

int name_job_may_grow(const struct session_request *request)
{
    return journal_room(name_shard(request)->volume_shard);
}

static void room_perhaps(struct journal_append *append)
{
    name_serve(list_entry(append, struct session_request, append));
}

void name_refuse(struct session_request *request, int error)
{
    if (error != -EAGAIN) {
        name_complete(request, error);
        return;
    }
    request->append.done = room_perhaps;
    journal_wait_room(name_shard(request)->volume_shard, &request->append);
}

int name_job_apply(struct name_job *job)
{
    struct names *names = volume_names(job->shard->volume);
    int error = names_apply(names, (const struct record_header *)job->record);
    if (!error)
        return 0;
    /* What was made from this very tree could not be applied to it: no memory in the middle, or a bug. Part
     * of it may be visible, none of it is in the journal. */
    log_error("a change of names could not be applied (%d)", error);
    volume_fail(job->shard->volume_shard, error);
    name_job_discard(job);
    return error;
}

static void job_end(struct name_job *job)
{
    job->shard->names_pending--;
    free(job);
}

static void job_dropped(struct name_drop *drop)
{
    job_end(list_entry(drop, struct name_job, drop));
}

static void job_recorded(struct journal_append *append)
{
    struct name_job *job = list_entry(append, struct name_job, append);
    const struct names_change *change = &job->change;
    int result = append->result;
    bool drops = result == 0 && job->gone_is_file && change->gone_ino != 0 && !change->gone_is_open;
    if (!job->told)
        job->then(job->context, result);
    if (drops)
        name_drop_begin(job->shard, &job->drop, change->gone_ino, change->gone_generation,
                        job_dropped);
    else
        job_end(job);
}

void name_job_append(struct name_job *job, uint8_t level, void *context,
                     void (*then)(void *context, int error))
{
    struct session_shard *shard = job->shard;
    bool behind = level == WT_LEVEL_BEHIND && shard->names_pending < NAME_BEHIND_MAX;
    shard->names_pending++;
    job->then = then;
    job->context = context;
    job->told = behind;
    /* The credentials are the session's, which may end before the job. */
    job->change.who = NULL;
    job->append.done = job_recorded;
    job->append.record = job->record;
    job->append.record_bytes = (uint32_t)job->change.record_bytes;
    job->append.frees = true; /* see name_job_may_grow */
    journal_append(shard->volume_shard, &job->append);
    if (behind)
        then(context, 0);
}

static void complete_at_origin(struct message *message)
{
    struct session_request *request = list_entry(message, struct session_request, message);
    session_complete(request, request->result, 0, 0);
}

void name_complete(void *context, int error)
{
    struct session_request *request = context;
    unsigned origin = name_origin(request)->shard;
    if (origin == JOURNAL_SHARD) {
        session_complete(request, error, 0, 0);
        return;
    }
    request->result = error;
    name_send(name_shard(request), origin, &request->message, complete_at_origin);
}
