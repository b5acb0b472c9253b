/*
 * sync.c - fsync and syncfs: wait for the writes before, then one flush for what the device has only
 * acknowledged, then the times. Each sync is a small sequence that is attempted again after each step.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "server/file/file_internal.h"

enum sync_stage { SYNC_DRAIN, SYNC_FLUSHED, SYNC_RECORDED };

/* Whether a write or shape change that was submitted before it is not finished. */
bool file_writes_before(const struct file_operation *operation)
{
    const struct list *active = &operation->file->active;
    return !list_empty(active) &&
           list_entry(active->next, struct file_operation, file_link)->ticket < operation->ticket;
}

static void go_on(struct file_operation *operation)
{
    operation->busy = false;
    if (operation->file)
        file_retry(operation->file);
    else
        sync_all_progress(operation->engine);
}

/* operation->offset holds the count of acknowledged writes that this flush covers. */
static void flushed(struct flush_request *flush)
{
    struct file_operation *operation = list_entry(flush, struct file_operation, flush);
    struct file *file = operation->file;
    struct file_engine *engine = operation->engine;
    uint64_t mark = operation->offset;
    if (flush->result)
        operation->error = flush->result;
    else if (file && file->flushed_writes < mark)
        file->flushed_writes = mark;
    else if (!file && engine->flushed_writes < mark)
        engine->flushed_writes = mark;
    go_on(operation);
}

static void flush_first(struct file_operation *operation, uint64_t mark)
{
    operation->offset = mark;
    operation->busy = true;
    operation->flush = (struct flush_request){.done = flushed};
    volume_flush(operation->engine->volume_shard, &operation->flush);
}

static void recorded(struct journal_append *append)
{
    struct file_operation *operation = list_entry(append, struct file_operation, journal);
    if (append->result)
        operation->error = append->result;
    else if (append->record_bytes > 0)
        file_apply_record(operation->file, operation->record);
    go_on(operation);
}

/* A write error is told once to each handle. */
static int error_for(struct file_operation *operation)
{
    struct file *file = operation->file;
    struct open_file *handle = operation->handle;
    if (operation->error || !handle || handle->error_seen == file->error_number)
        return operation->error;
    handle->error_seen = file->error_number;
    file->error_unseen = false;
    return file->error;
}

/* The state of a file that has one already takes no more room than it did: on a full volume it is recorded all
 * the same. */
static bool state_grows(const struct file *file)
{
    return file->data == NULL;
}

/* fsync covers the file's name and its parents too, whoever changed them: everything the journal has taken so
 * far becomes durable before it answers, with the times where they are not recorded. */
static void record_file(struct file_operation *operation)
{
    struct file *file = operation->file;
    operation->busy = true;
    operation->journal = (struct journal_append){.done = recorded};
    if (list_empty(&file->times_link)) {
        journal_barrier(operation->engine->volume_shard, &operation->journal);
        return;
    }
    int64_t bytes = file_encode_state(file, operation->record, sizeof(operation->record),
                                      file->submitted_bytes);
    assert(bytes > 0);
    operation->journal.record = operation->record;
    operation->journal.record_bytes = (uint32_t)bytes;
    operation->journal.frees = !state_grows(file);
    journal_append(operation->engine->volume_shard, &operation->journal);
}

static void sync_file(struct file_operation *operation)
{
    struct file *file = operation->file;
    if (file_writes_before(operation))
        return;
    if (operation->settle_stage == SYNC_DRAIN) {
        operation->settle_stage = SYNC_FLUSHED;
        if (file->unflushed_writes != file->flushed_writes) {
            flush_first(operation, file->unflushed_writes);
            return;
        }
    }
    if (operation->settle_stage == SYNC_FLUSHED) {
        operation->settle_stage = SYNC_RECORDED;
        if (!operation->datasync && !operation->error) {
            record_file(operation);
            return;
        }
    }
    operation->engine->counters.syncs++;
    operation_finish(operation, error_for(operation));
}

struct times_record {
    struct journal_append append;
    struct file *file;
    unsigned char record[FILE_STATE_RECORD_BYTES] __attribute__((aligned(8)));
};

static void times_recorded(struct journal_append *append)
{
    struct times_record *times = list_entry(append, struct times_record, append);
    struct file *file = times->file;
    if (append->result == 0)
        file_apply_record(file, times->record);
    file->operations--;
    file->engine->background_records--;
    file_maybe_free(file);
    free(times);
}

/* The times of every file that has moved since they were recorded: a record each; the barrier that follows
 * covers them. Without memory the rest keeps its turn for the next sync. */
static void record_times(struct file_engine *engine)
{
    while (!list_empty(&engine->times_dirty) && !engine->volume_shard->read_only) {
        struct file *file = list_entry(engine->times_dirty.next, struct file, times_link);
        struct times_record *times = calloc(1, sizeof(*times));
        if (!times)
            return;
        int64_t bytes =
            file_encode_state(file, times->record, sizeof(times->record), file->submitted_bytes);
        assert(bytes > 0);
        times->file = file;
        times->append = (struct journal_append){.done = times_recorded,
                                                .record = times->record,
                                                .record_bytes = (uint32_t)bytes,
                                                .frees = !state_grows(file)};
        file->operations++;
        engine->background_records++;
        journal_append(engine->volume_shard, &times->append);
    }
}

static void all_flushed_files(struct file_engine *engine)
{
    for (unsigned i = 0; i < FILE_TABLE_BUCKETS; i++) {
        struct file *next;
        for (struct file *file = engine->table[i]; file; file = next) {
            next = file->hash_next;
            file->flushed_writes = file->unflushed_writes;
            file_maybe_free(file);
        }
    }
}

static void sync_all(struct file_operation *operation)
{
    struct file_engine *engine = operation->engine;
    const struct list *active = &engine->active;
    if (operation->busy ||
        (!list_empty(active) &&
         list_entry(active->next, struct file_operation, active_link)->ticket < operation->ticket))
        return;
    if (operation->settle_stage == SYNC_DRAIN) {
        operation->settle_stage = SYNC_FLUSHED;
        if (engine->unflushed_writes != engine->flushed_writes) {
            flush_first(operation, engine->unflushed_writes);
            return;
        }
    }
    if (operation->settle_stage == SYNC_FLUSHED) {
        operation->settle_stage = SYNC_RECORDED;
        if (!operation->error && engine->unflushed_writes == engine->flushed_writes)
            all_flushed_files(engine);
        record_times(engine);
        operation->busy = true;
        operation->journal = (struct journal_append){.done = recorded};
        journal_barrier(engine->volume_shard, &operation->journal);
        return;
    }
    list_remove(&operation->link);
    operation_finish(operation, operation->error);
}

/* Only the one whose last step has just arrived can end here: what its done submits ends no other, so `after`
 * stays in the list. */
void sync_all_progress(struct file_engine *engine)
{
    list_for_each_safe(link, after, &engine->syncs)
    {
        sync_all(list_entry(link, struct file_operation, link));
    }
}

void sync_attempt(struct file_operation *operation)
{
    if (operation->kind == FILE_SYNC) {
        sync_file(operation);
        return;
    }
    list_add_tail(&operation->engine->syncs, &operation->link);
    sync_all(operation);
}
