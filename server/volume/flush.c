/* flush.c - see flush.h, and volume_flush in volume.h. */
#include "server/volume/flush.h"

#include <assert.h>
#include <errno.h>

#include "server/volume/durable.h"
#include "server/volume/volume_internal.h"

void flusher_init(struct flusher *flusher, struct volume *volume)
{
    flusher->volume = volume;
    list_init(&flusher->gathering);
    list_init(&flusher->gathering_requests);
    list_init(&flusher->waiting);
    list_init(&flusher->waiting_requests);
    flusher->busy = flusher->failed = false;
}

static void request_done(struct message *message)
{
    struct flush_request *request = list_entry(message, struct flush_request, message);
    request->done(request);
}

/* `from` is the shard that we run on. */
static void answer(struct volume *volume, unsigned from, struct flush_request *request, int result)
{
    request->result = result;
    request->message.deliver = request_done;
    message_send(volume->office, from, request->origin->shard, &request->message);
}

/* The lists are the caller's own: a callback may ask for the next flush. */
static void answer_all(struct flusher *flusher, struct list *waiters, struct list *requests,
                       int result)
{
    struct list *link;
    while ((link = list_pop(requests)) != NULL)
        answer(flusher->volume, JOURNAL_SHARD, list_entry(link, struct flush_request, link),
               result);
    while ((link = list_pop(waiters)) != NULL) {
        struct flush_waiter *waiter = list_entry(link, struct flush_waiter, link);
        waiter->done(waiter, result);
    }
}

static void flush_done(struct device_io *io);

static void start(struct flusher *flusher)
{
    assert(!flusher->busy && !flusher->failed);
    list_splice_tail(&flusher->waiting, &flusher->gathering);
    list_splice_tail(&flusher->waiting_requests, &flusher->gathering_requests);
    flusher->busy = true;
    flusher->io = (struct device_io){.done = flush_done, .operation = DEVICE_FLUSH};
    list_init(&flusher->io.link);
    device_submit(volume_journal_queue(flusher->volume), &flusher->io);
}

static void start_if_asked(struct flusher *flusher)
{
    if (!flusher->busy && !flusher->failed &&
        !(list_empty(&flusher->gathering) && list_empty(&flusher->gathering_requests)))
        start(flusher);
}

static void flush_done(struct device_io *io)
{
    struct flusher *flusher = list_entry(io, struct flusher, io);
    struct list waiters, requests;
    flusher->busy = false;
    if (io->result < 0)
        volume_fail_here(flusher->volume, io->result, "a flush failed");
    list_init(&waiters);
    list_init(&requests);
    list_splice_tail(&waiters, &flusher->waiting);
    list_splice_tail(&requests, &flusher->waiting_requests);
    /* The next one goes out before the callbacks: what they ask for needs the one after it. */
    start_if_asked(flusher);
    answer_all(flusher, &waiters, &requests, 0); /* after a failure nobody is left here */
}

void flusher_ask(struct flusher *flusher, struct flush_waiter *waiter)
{
    if (flusher->failed) {
        waiter->done(waiter, -EIO);
        return;
    }
    list_add_tail(&flusher->gathering, &waiter->link);
    start_if_asked(flusher);
}

void flusher_fail(struct flusher *flusher)
{
    struct list waiters, requests;
    flusher->failed = true;
    list_init(&waiters);
    list_init(&requests);
    list_splice_tail(&waiters, &flusher->waiting);
    list_splice_tail(&waiters, &flusher->gathering);
    list_splice_tail(&requests, &flusher->waiting_requests);
    list_splice_tail(&requests, &flusher->gathering_requests);
    answer_all(flusher, &waiters, &requests, -EIO);
}

/* ---- volume.h: for all shards ---- */

static void request_arrived(struct message *message)
{
    struct flush_request *request = list_entry(message, struct flush_request, message);
    struct volume *volume = request->origin->volume;
    if (volume->flusher.failed) {
        answer(volume, JOURNAL_SHARD, request, -EIO);
        return;
    }
    list_add_tail(&volume->flusher.gathering_requests, &request->link);
    start_if_asked(&volume->flusher);
}

void volume_flush(struct volume_shard *shard, struct flush_request *request)
{
    struct volume *volume = shard->volume;
    request->origin = shard;
    shard_state(shard)->flushes_asked++;
    list_init(&request->link);
    if (volume->read_only_damage || !durable_has_cache(volume->device)) {
        /* Nothing is in a cache; but a volume that has failed promises nothing any more. */
        bool failed = shard->read_only && !volume->read_only_damage;
        answer(volume, shard->shard, request, failed ? -EIO : 0);
        return;
    }
    request->message.deliver = request_arrived;
    message_send(volume->office, shard->shard, JOURNAL_SHARD, &request->message);
}
