/*
 * name_step.c - steps on a file's shard that need a file_operation, and the end of files' data.
 *
 * Operations are fixed in number. A client's request that finds none stays in its ring; what is begun here
 * has no ring to stay in, so it queues in session_shard.drops_waiting, before any new request is taken.
 */
#include "server/base/log.h"
#include "server/session/name_internal.h"

void name_step_begin(struct session_shard *shard, struct name_step *step,
                     void (*ready)(struct name_step *step, struct file_operation *operation))
{
    step->ready = ready;
    list_add_tail(&shard->drops_waiting, &step->link);
    session_retry_drops(shard);
}

void session_retry_drops(struct session_shard *shard)
{
    while (!list_empty(&shard->drops_waiting)) {
        struct file_operation *operation = file_operation_get(shard->engine);
        if (!operation)
            return;
        struct name_step *step =
            list_entry(list_pop(&shard->drops_waiting), struct name_step, link);
        step->ready(step, operation);
    }
}

static void drop_returned(struct message *message)
{
    struct name_drop *drop = list_entry(message, struct name_drop, message);
    journal_note_drop(drop->names->volume_shard, drop->ino);
    drop->done(drop);
}

static void drop_return(struct name_drop *drop)
{
    name_send(drop->home, JOURNAL_SHARD, &drop->message, drop_returned);
}

/* An error is not the end of the world: the data of an inode that does not live is garbage, which the next
 * open of the volume frees. */
static void drop_finished(struct file_operation *operation)
{
    struct name_drop *drop = operation->context;
    file_release(drop->file);
    drop_return(drop);
}

static void drop_ready(struct name_step *step, struct file_operation *operation)
{
    struct name_drop *drop = list_entry(step, struct name_drop, step);
    operation->kind = FILE_DROP;
    operation->level = FILE_THROUGH;
    operation->file = drop->file;
    operation->handle = NULL;
    operation->context = drop;
    operation->done = drop_finished;
    file_submit(operation);
}

static void drop_arrived(struct message *message)
{
    struct name_drop *drop = list_entry(message, struct name_drop, message);
    drop->file = file_acquire(drop->home->engine, drop->ino, drop->generation, 0);
    if (!drop->file) {
        log_warning("no memory to free the blocks of inode %llu: the next start frees them",
                    (unsigned long long)drop->ino);
        drop_return(drop);
        return;
    }
    name_step_begin(drop->home, &drop->step, drop_ready);
}

void name_drop_begin(struct session_shard *names, struct name_drop *drop, uint64_t ino,
                     uint64_t generation, void (*done)(struct name_drop *drop))
{
    unsigned home = volume_route(names->volume, ino);
    drop->names = names;
    drop->home = names->peers[home];
    drop->ino = ino;
    drop->generation = generation;
    drop->done = done;
    name_send(names, home, &drop->message, drop_arrived);
}
