/* copy.c - see copy.h. */
#include "client/cli/copy.h"

#include <errno.h>
#include <unistd.h>

#include "client/cli/progress.h"

enum slot_state { SLOT_READING, SLOT_READ, SLOT_WRITING, SLOT_WRITTEN };

struct slot {
    enum slot_state state;
    size_t bytes;
    off_t offset;
};

/* Slots first .. first + count - 1 of the circle are in use, in the order of the file. What is written is
 * begun in that order too, so that a stream gets its bytes as they should be. */
struct copy {
    struct worker *worker;
    const struct copy_end *from, *to;
    struct slot slots[WORKER_BUFFERS];
    unsigned first, count, in_flight;
    off_t next, data_end; /* what to read next; to where there is data */
    off_t size_bytes;     /* of the source, as far as it was there */
    bool sparse, at_end;
    struct copy_errors errors;
};

bool copy_has_holes(const struct stat *status)
{
    return S_ISREG(status->st_mode) && status->st_blocks * 512 < status->st_size;
}

int copy_next_data(const struct side *side, struct wt *session, int file, off_t at, off_t *data,
                   off_t *hole)
{
    *data = side->seek(session, file, at, SEEK_DATA);
    if (*data == -ENXIO)
        return 0;
    *hole = *data < 0 ? *data : side->seek(session, file, *data, SEEK_HOLE);
    /* Cut between the two calls. */
    if (*hole == -ENXIO)
        return 0;
    return *hole < 0 ? (int)*hole : 1;
}

static bool copy_failed(const struct copy *copy)
{
    return copy->errors.source != 0 || copy->errors.target != 0;
}

/* Goes to the next data where the present has been read. */
static void copy_find_data(struct copy *copy)
{
    if (copy->at_end || copy->next < copy->data_end)
        return;
    if (!copy->sparse) {
        copy->at_end = true;
        return;
    }
    off_t data, hole;
    int found = copy_next_data(copy->from->side, copy->worker->session, copy->from->file,
                               copy->next, &data, &hole);
    if (found == -EINVAL || found == -EOPNOTSUPP) {
        /* A file system that knows no holes: all the rest is data. */
        copy->sparse = false;
        copy->data_end = copy->size_bytes;
    } else if (found == 1) {
        copy->next = data;
        copy->data_end = hole < copy->size_bytes ? hole : copy->size_bytes;
        copy->at_end = data >= copy->size_bytes;
    } else {
        copy->at_end = true;
        copy->errors.source = found;
    }
}

/* The source ended sooner than asked: it has been cut, or is a stream. */
static void slot_was_read(struct copy *copy, struct slot *slot, ssize_t result)
{
    slot->state = SLOT_READ;
    if (result < 0) {
        copy->errors.source = (int)result;
        return;
    }
    if ((size_t)result < slot->bytes) {
        copy->at_end = true;
        if (copy->size_bytes > slot->offset + result)
            copy->size_bytes = slot->offset + result;
    }
    slot->bytes = (size_t)result;
}

static void slot_was_written(struct copy *copy, struct slot *slot, ssize_t result)
{
    slot->state = SLOT_WRITTEN;
    if (result < 0)
        copy->errors.target = (int)result;
    else if ((size_t)result != slot->bytes)
        copy->errors.target = -EIO;
}

/* Begins reads while there are buffers. */
static void copy_read(struct copy *copy)
{
    const struct copy_end *from = copy->from;

    while (copy->count < WORKER_BUFFERS && !copy_failed(copy)) {
        copy_find_data(copy);
        if (copy->at_end || copy_failed(copy))
            return;
        unsigned place = (copy->first + copy->count) % WORKER_BUFFERS;
        struct slot *slot = &copy->slots[place];
        unsigned char *buffer = copy->worker->buffers[place];
        off_t left = copy->data_end - copy->next;
        *slot = (struct slot){SLOT_READING,
                              left < WORKER_BUFFER_BYTES ? (size_t)left : WORKER_BUFFER_BYTES,
                              copy->next};
        if (from->side->prep_read == NULL) {
            ssize_t got =
                local_read(from->file, buffer, slot->bytes, from->stream ? -1 : slot->offset);
            copy->next += (off_t)slot->bytes;
            copy->count++;
            slot_was_read(copy, slot, got);
            return; /* what has been read goes out before more is waited for */
        }
        int error = from->side->prep_read(copy->worker->session, from->file, buffer, slot->bytes,
                                          slot->offset, place);
        if (error == -EAGAIN && copy->in_flight > 0)
            return;
        if (error != 0) {
            copy->errors.source = error;
            return;
        }
        copy->next += (off_t)slot->bytes;
        copy->count++;
        copy->in_flight++;
    }
}

/* Begins the write of one slot. False: not now. */
static bool slot_write(struct copy *copy, unsigned place)
{
    const struct copy_end *to = copy->to;
    struct slot *slot = &copy->slots[place];
    const unsigned char *buffer = copy->worker->buffers[place];

    if (slot->bytes == 0) {
        slot->state = SLOT_WRITTEN;
        return true;
    }
    if (to->side->prep_write == NULL) {
        progress_add(0, slot->bytes);
        int error = local_write(to->file, buffer, slot->bytes, to->stream ? -1 : slot->offset);
        slot_was_written(copy, slot, error != 0 ? error : (ssize_t)slot->bytes);
        return true;
    }
    int error = to->side->prep_write(copy->worker->session, to->file, buffer, slot->bytes,
                                     slot->offset, place);
    if (error == -EAGAIN && copy->in_flight > 0)
        return false;
    if (error != 0) {
        copy->errors.target = error;
        return false;
    }
    progress_add(0, slot->bytes);
    slot->state = SLOT_WRITING;
    copy->in_flight++;
    wt_submit(copy->worker->session);
    return true;
}

/* Begins the writes of what has been read, in order, and frees what has been written. */
static void copy_write(struct copy *copy)
{
    for (unsigned i = 0; i < copy->count && !copy_failed(copy); i++) {
        unsigned place = (copy->first + i) % WORKER_BUFFERS;
        enum slot_state state = copy->slots[place].state;
        if (state == SLOT_READING || (state == SLOT_READ && !slot_write(copy, place)))
            break;
    }
    while (copy->count > 0 && copy->slots[copy->first].state == SLOT_WRITTEN) {
        copy->first = (copy->first + 1) % WORKER_BUFFERS;
        copy->count--;
    }
}

static void copy_wait(struct copy *copy)
{
    struct wt_completion completion;
    int count = wt_wait(copy->worker->session, &completion, 1, 1, NULL);

    if (count != 1) {
        copy->errors.target = count < 0 ? count : -EREMOTEIO;
        copy->in_flight = 0;
        return;
    }
    struct slot *slot = &copy->slots[completion.user_data];
    copy->in_flight--;
    if (slot->state == SLOT_READING)
        slot_was_read(copy, slot, completion.result);
    else
        slot_was_written(copy, slot, completion.result);
}

struct copy_errors copy_content(struct worker *worker, const struct copy_end *from,
                                const struct copy_end *to, const struct stat *status)
{
    struct copy copy = {
        .worker = worker,
        .from = from,
        .to = to,
        .size_bytes = status->st_size,
        .data_end = status->st_size,
        .sparse = copy_has_holes(status) && !from->stream && !to->stream,
    };

    if (copy.sparse)
        copy.data_end = 0; /* not yet looked for */
    else if (from->limit_bytes > 0)
        copy.data_end = copy.size_bytes = from->limit_bytes;
    else if (from->side == &local_side && (from->stream || status->st_size == 0))
        copy.data_end = copy.size_bytes = INT64_MAX; /* to its end: also files of /proc say 0 */
    copy.errors.target = worker_buffers(worker);
    while (!copy_failed(&copy)) {
        copy_read(&copy);
        copy_write(&copy);
        if (copy.count == 0 && copy.at_end)
            break;
        if (copy.in_flight > 0 &&
            (copy.count == WORKER_BUFFERS || copy.at_end || from->side->prep_read != NULL))
            copy_wait(&copy);
    }
    while (copy.in_flight > 0)
        copy_wait(&copy);
    if (!copy_failed(&copy) && copy_has_holes(status) && !to->stream)
        copy.errors.target = to->side->set_size(worker->session, to->file, copy.size_bytes);
    copy.errors.size_bytes = copy.size_bytes;
    return copy.errors;
}
