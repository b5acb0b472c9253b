/*
 * nvme.c - device operations as NVMe commands.
 *
 * An io becomes one or more pieces, one command each: cut where a command may be no longer, where it may
 * have no more segments, and, where the kernel takes no vectored commands, at every gap in memory. Pieces
 * go out together. The io is done when its last piece is; its result is the first error.
 *
 * A piece that failed is sent again only if it is known not to have run (or is a read), at most
 * RETRIES_MAX times, after the delay the controller asks for. -EINTR, -ENOLINK: the outcome is unknown, and
 * who is above must treat the blocks so.
 *
 * Flushes and commands without data never go to a polled ring: Linux 6.1 oopses on them.
 */
#include "server/device/nvme.h"

#include <assert.h>
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/device/nvme_status.h"

#define TRANSFER_BYTES_MAX (1u << 20) /* of one io */
#define SEGMENTS_MAX       257u       /* of one io: a megabyte that is not aligned to pages */
#define PIECES_MAX         512u       /* in flight on one queue; what finds none waits */
#define RETRIES_MAX        5u
#define RETRY_DELAY_MS     100u /* where the controller asks for none, and its unit */
#define RETRY_DELAY_MS_MAX 10000u
#define ZEROES_BLOCKS_MAX  65536u /* NLB has 16 bits and counts from 0 */
#define DISCARD_BLOCKS_MAX (1u << 22)

/* WT_CANARY_NO_FLUSH (control runs of tests/nvme only): nothing is ever made durable. */
#ifdef WT_CANARY_NO_FLUSH
#define NEVER_DURABLE 1
#else
#define NEVER_DURABLE 0
#endif

struct nvme_queue;

struct nvme_piece {
    struct list link; /* the queue's free ones */
    struct reactor_event event;
    struct device_io *io;
    struct nvme_uring_cmd command;
    bool vectored, waiting; /* waiting: for the end of a delay */
    unsigned retries;
    struct timespec delay;
    struct nvme_range range;
    unsigned segment_count;
    struct iovec segments[SEGMENTS_MAX];
};

struct nvme_queue {
    struct device_queue queue;
    struct reactor *reactor;
    struct list free_pieces, blocked; /* blocked: ios that are not wholly cut yet */
    struct nvme_piece *pieces;
};

static struct nvme_device *nvme_of(const struct device_io *io)
{
    return (struct nvme_device *)io->queue->device;
}

/* ---- how long a command may be ---- */

static uint64_t piece_bytes_max(const struct nvme_device *device, enum device_operation operation)
{
    uint64_t block_bytes = device->identity.block_bytes;
    switch (operation) {
    case DEVICE_DISCARD:
        return DISCARD_BLOCKS_MAX * block_bytes;
    case DEVICE_WRITE_ZEROES: {
        uint64_t bytes = ZEROES_BLOCKS_MAX * block_bytes, limit = device->identity.zeroes_bytes_max;
        if (!limit) /* none is named: what the controller takes as data it takes as zeroes */
            limit = device->identity.transfer_bytes_max;
        return limit && limit < bytes ? limit : bytes;
    }
    default:
        return device->command_bytes_max;
    }
}

/* Takes memory for the next command out of the io's segments, which are advanced. Its bytes. */
static uint64_t take_segments(const struct nvme_device *device, struct device_io *io,
                              struct nvme_piece *piece, uint64_t bytes_max)
{
    uint64_t taken = 0;
    piece->segment_count = 0;
    while (taken < bytes_max && io->segment_count > 0) {
        struct iovec *from = io->segments;
        struct iovec *last =
            piece->segment_count ? &piece->segments[piece->segment_count - 1] : NULL;
        bool adjoins = last && (char *)last->iov_base + last->iov_len == from->iov_base;
        unsigned limit = device->vectored ? device->command_segments_max : 1;
        if (!adjoins && piece->segment_count == (limit < SEGMENTS_MAX ? limit : SEGMENTS_MAX))
            break;
        size_t part = from->iov_len < bytes_max - taken ? from->iov_len : bytes_max - taken;
        if (adjoins)
            last->iov_len += part;
        else
            piece->segments[piece->segment_count++] = (struct iovec){from->iov_base, part};
        from->iov_base = (char *)from->iov_base + part;
        from->iov_len -= part;
        taken += part;
        if (from->iov_len == 0) {
            io->segments++;
            io->segment_count--;
        }
    }
    return taken;
}

/* ---- commands ---- */

static void set_blocks(struct nvme_uring_cmd *command, const struct nvme_device *device,
                       uint64_t offset, uint64_t length_bytes, uint32_t flags)
{
    uint64_t first = offset / device->identity.block_bytes;
    uint32_t count = (uint32_t)(length_bytes / device->identity.block_bytes);
    command->cdw10 = (uint32_t)first;
    command->cdw11 = (uint32_t)(first >> 32);
    command->cdw12 = (count - 1) | (flags & DEVICE_FUA && !NEVER_DURABLE ? NVME_FUA : 0);
}

static void set_range(struct nvme_uring_cmd *command, struct nvme_range *range,
                      const struct nvme_device *device, uint64_t offset, uint64_t length_bytes)
{
    *range = (struct nvme_range){.blocks = (uint32_t)(length_bytes / device->identity.block_bytes),
                                 .first_block = offset / device->identity.block_bytes};
    command->addr = (uintptr_t)range;
    command->data_len = sizeof(*range);
    command->cdw10 = 0; /* one range, counted from 0 */
    command->cdw11 = NVME_DATASET_DEALLOCATE;
}

static const uint8_t opcodes[] = {
    [DEVICE_READ] = NVME_COMMAND_READ,
    [DEVICE_WRITE] = NVME_COMMAND_WRITE,
    [DEVICE_FLUSH] = NVME_COMMAND_FLUSH,
    [DEVICE_DISCARD] = NVME_COMMAND_DATASET,
    [DEVICE_WRITE_ZEROES] = NVME_COMMAND_WRITE_ZEROES,
};

static void piece_issue(struct nvme_piece *piece)
{
    struct nvme_queue *queue = (struct nvme_queue *)piece->io->queue;
    const struct nvme_device *device = nvme_of(piece->io);
    bool data = piece->io->operation == DEVICE_READ || piece->io->operation == DEVICE_WRITE;
    unsigned how = piece->vectored         ? NVME_ISSUE_VECTORED
                   : data && device->fixed ? NVME_ISSUE_FIXED
                                           : 0;
    if (data && device->polled)
        how |= NVME_ISSUE_POLLED;
    device->port->operations->issue(device->port, queue->reactor, &piece->command, how,
                                    &piece->event);
}

static void piece_fire(struct reactor_event *event, int32_t result, uint32_t completion_flags);

/* The next command of the io: progress_bytes of it have been cut. */
static void piece_cut(struct nvme_piece *piece, struct device_io *io)
{
    struct nvme_device *device = nvme_of(io);
    uint64_t offset = io->offset + io->progress_bytes;
    uint64_t left = io->length_bytes - io->progress_bytes;
    uint64_t most = piece_bytes_max(device, io->operation);
    uint64_t bytes = left < most ? left : most;
    piece->io = io;
    piece->event.fire = piece_fire;
    piece->retries = 0;
    piece->vectored = piece->waiting = false;
    piece->command = (struct nvme_uring_cmd){.opcode = opcodes[io->operation],
                                             .nsid = device->identity.namespace_id};
    if (io->operation == DEVICE_READ || io->operation == DEVICE_WRITE) {
        bytes = take_segments(device, io, piece, bytes);
        piece->vectored = piece->segment_count > 1;
        piece->command.addr =
            piece->vectored ? (uintptr_t)piece->segments : (uintptr_t)piece->segments[0].iov_base;
        piece->command.data_len = piece->vectored ? piece->segment_count : (uint32_t)bytes;
    }
    if (io->operation == DEVICE_DISCARD)
        set_range(&piece->command, &piece->range, device, offset, bytes);
    else if (io->operation != DEVICE_FLUSH)
        set_blocks(&piece->command, device, offset, bytes, io->flags);
    io->progress_bytes += io->operation == DEVICE_FLUSH ? 1 : bytes;
    io->serial++;
}

/* A flush has no bytes; its one command counts as one. */
static bool wholly_cut(const struct device_io *io)
{
    return io->progress_bytes == (io->operation == DEVICE_FLUSH ? 1 : io->length_bytes);
}

/* Sends what is left of the io, as far as there are pieces. */
static void io_send(struct nvme_queue *queue, struct device_io *io)
{
    while (!wholly_cut(io) && !list_empty(&queue->free_pieces)) {
        struct nvme_piece *piece = list_entry(queue->free_pieces.next, struct nvme_piece, link);
        list_remove(&piece->link);
        piece_cut(piece, io);
        piece_issue(piece);
    }
}

static void io_finish(struct device_io *io)
{
    io->flush_failed = io->result < 0 && io->operation == DEVICE_FLUSH;
    io->queue->in_flight--;
    io->done(io);
}

static void send_blocked(struct nvme_queue *queue)
{
    while (!list_empty(&queue->blocked) && !list_empty(&queue->free_pieces)) {
        struct device_io *io = list_entry(queue->blocked.next, struct device_io, link);
        io_send(queue, io);
        if (!wholly_cut(io))
            break;
        list_remove(&io->link);
    }
}

/* ---- ends ---- */

static unsigned retry_delay_ms(const struct nvme_device *device, uint32_t status)
{
    unsigned index = nvme_retry_delay_index(status);
    unsigned units = index ? device->identity.retry_delay_ms_100[index - 1] : 1;
    unsigned milliseconds = units * RETRY_DELAY_MS;
    return milliseconds < RETRY_DELAY_MS_MAX ? milliseconds : RETRY_DELAY_MS_MAX;
}

static struct nvme_verdict verdict_of(const struct nvme_device *device, int32_t result)
{
    return result > 0 ? nvme_verdict((uint32_t)result)
                      : nvme_verdict_of_errno(result, device->multipath);
}

/* What an administrator must hear of, once. */
static void tell(struct nvme_device *device, const struct nvme_verdict *verdict)
{
    bool gone = verdict->error == -ENODEV;
    bool *told = gone ? &device->told_gone : &device->told_changed;
    if (*told || !(gone || verdict->error == -EROFS || verdict->error == -EBADE ||
                   verdict->error == -ENOLINK))
        return;
    *told = true;
    log_error("%s: %s", device->device.path, verdict->name);
}

/* A namespace that has shrunk answers what lies behind its new end with LBA out of range, or as a medium that
 * fails; the block device knows better. */
static void tell_if_shrunk(struct nvme_device *device, int32_t result)
{
    uint64_t was_bytes = device->device.capabilities.size_bytes, bytes = was_bytes;
    if (device->told_changed)
        return;
    if (device->sibling_fd >= 0)
        (void)ioctl(device->sibling_fd, BLKGETSIZE64, &bytes);
    bool out_of_range = result > 0 && (result & NVME_STATUS_CODE_MASK) == NVME_STATUS_RANGE;
    if (bytes >= was_bytes && !out_of_range)
        return;
    device->told_changed = true;
    if (bytes < was_bytes)
        log_error("%s: the namespace has shrunk under the server, from %llu to %llu bytes",
                  device->device.path, (unsigned long long)was_bytes, (unsigned long long)bytes);
    else
        log_error("%s: the namespace has shrunk under the server: LBA out of range",
                  device->device.path);
}

/* True: the piece is on its way again. */
static bool try_again(struct nvme_piece *piece, int32_t result, const struct nvme_verdict *verdict)
{
    struct device_io *io = piece->io;
    const struct nvme_device *device = nvme_of(io);
    uint32_t status = result > 0 ? (uint32_t)result : 0;
    if (piece->retries == RETRIES_MAX ||
        !nvme_may_retry(verdict, status, io->operation == DEVICE_READ))
        return false;
    piece->retries++;
    unsigned milliseconds = retry_delay_ms(device, status);
    piece->waiting = true;
    piece->delay =
        (struct timespec){.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};
    struct nvme_queue *queue = (struct nvme_queue *)io->queue;
    device->port->operations->delay(device->port, queue->reactor, &piece->delay, &piece->event);
    return true;
}

static void piece_fire(struct reactor_event *event, int32_t result, uint32_t completion_flags)
{
    struct nvme_piece *piece = list_entry(event, struct nvme_piece, event);
    struct device_io *io = piece->io;
    struct nvme_queue *queue = (struct nvme_queue *)io->queue;
    (void)completion_flags;
    if (piece->waiting) {
        piece->waiting = false;
        piece_issue(piece);
        return;
    }
    if (result != 0) {
        struct nvme_verdict verdict = verdict_of(nvme_of(io), result);
        tell(nvme_of(io), &verdict);
        tell_if_shrunk(nvme_of(io), result);
        if (try_again(piece, result, &verdict))
            return;
        if (!io->result)
            io->result = verdict.error;
    }
    list_add_tail(&queue->free_pieces, &piece->link);
    io->serial--;
    send_blocked(queue);
    if (io->serial == 0 && wholly_cut(io))
        io_finish(io);
}

/* ---- asynchronous ---- */

static int refusal(const struct device_io *io)
{
    const struct nvme_device *device = nvme_of(io);
    const struct device_capabilities *capabilities = &device->device.capabilities;
    if (io->operation != DEVICE_FLUSH && (io->offset > capabilities->size_bytes ||
                                          io->length_bytes > capabilities->size_bytes - io->offset))
        return -EIO;
    if (device->read_only && io->operation != DEVICE_READ)
        return -EROFS;
    if ((io->operation == DEVICE_DISCARD && !capabilities->discard) ||
        (io->operation == DEVICE_WRITE_ZEROES && !capabilities->write_zeroes))
        return -EOPNOTSUPP;
    return 0;
}

/* done is never called inside submit: a refused io, or one without bytes, comes back by a timer of 0. */
static void refused_fire(struct reactor_event *event, int32_t result, uint32_t completion_flags)
{
    struct device_io *io = list_entry(event, struct device_io, event);
    (void)result, (void)completion_flags;
    io_finish(io);
}

static void nvme_submit(struct device_queue *device_queue, struct device_io *io)
{
    static struct timespec at_once;
    struct nvme_queue *queue = (struct nvme_queue *)device_queue;
    io->queue = device_queue;
    io->flush_failed = false;
    io->progress_bytes = io->serial = 0;
    device_queue->in_flight++;
    device_queue->reads += io->operation == DEVICE_READ;
    device_queue->flushes += io->operation == DEVICE_FLUSH;
    device_queue->writes += io->operation != DEVICE_READ && io->operation != DEVICE_FLUSH;
    io->result = refusal(io);
    if (io->result || (io->operation != DEVICE_FLUSH && io->length_bytes == 0) ||
        (io->operation == DEVICE_FLUSH && NEVER_DURABLE)) {
        struct nvme_port *port = nvme_of(io)->port;
        io->event.fire = refused_fire;
        port->operations->delay(port, queue->reactor, &at_once, &io->event);
        return;
    }
    if (list_empty(&queue->blocked))
        io_send(queue, io);
    if (!wholly_cut(io))
        list_add_tail(&queue->blocked, &io->link);
}

static int nvme_queue_create(struct device *device, struct reactor *reactor,
                             struct device_queue **made)
{
    if (!reactor)
        return -EINVAL;
    struct nvme_queue *queue = calloc(1, sizeof(*queue));
    struct nvme_piece *pieces = queue ? calloc(PIECES_MAX, sizeof(*pieces)) : NULL;
    if (!pieces) {
        free(queue);
        return -ENOMEM;
    }
    queue->queue.device = device;
    queue->reactor = reactor;
    queue->pieces = pieces;
    list_init(&queue->free_pieces);
    list_init(&queue->blocked);
    for (unsigned i = 0; i < PIECES_MAX; i++)
        list_add_tail(&queue->free_pieces, &pieces[i].link);
    *made = &queue->queue;
    return 0;
}

static void nvme_queue_destroy(struct device_queue *device_queue)
{
    struct nvme_queue *queue = (struct nvme_queue *)device_queue;
    assert(device_queue->in_flight == 0);
    free(queue->pieces);
    free(queue);
}

/* ---- blocking ---- */

static int run_command(struct nvme_device *device, struct nvme_passthru_cmd64 *command)
{
    for (unsigned tries = 0;; tries++) {
        int result = device->port->operations->run(device->port, command);
        if (result == 0)
            return 0;
        struct nvme_verdict verdict = verdict_of(device, result);
        uint32_t status = result > 0 ? (uint32_t)result : 0;
        bool is_read = command->opcode == NVME_COMMAND_READ;
        if (tries == RETRIES_MAX || !nvme_may_retry(&verdict, status, is_read))
            return verdict.error;
        device->port->operations->sleep(device->port, retry_delay_ms(device, status));
    }
}

static int run_piece(struct nvme_device *device, enum device_operation operation, uint32_t flags,
                     uint64_t offset, void *memory, uint64_t length_bytes)
{
    struct nvme_range range;
    struct nvme_uring_cmd shape = {.opcode = opcodes[operation],
                                   .nsid = device->identity.namespace_id};
    if (operation == DEVICE_DISCARD)
        set_range(&shape, &range, device, offset, length_bytes);
    else
        set_blocks(&shape, device, offset, length_bytes, flags);
    if (operation == DEVICE_READ || operation == DEVICE_WRITE) {
        shape.addr = (uintptr_t)memory;
        shape.data_len = (uint32_t)length_bytes;
    }
    struct nvme_passthru_cmd64 command = {.opcode = shape.opcode,
                                          .nsid = shape.nsid,
                                          .addr = shape.addr,
                                          .data_len = shape.data_len,
                                          .cdw10 = shape.cdw10,
                                          .cdw11 = shape.cdw11,
                                          .cdw12 = shape.cdw12};
    return run_command(device, &command);
}

static int run_flush(struct nvme_device *device)
{
    struct nvme_passthru_cmd64 command = {.opcode = NVME_COMMAND_FLUSH,
                                          .nsid = device->identity.namespace_id};
    return run_command(device, &command);
}

static int nvme_transfer(struct device *base, enum device_operation operation, uint32_t flags,
                         uint64_t offset, void *buffer, uint64_t length_bytes)
{
    struct nvme_device *device = (struct nvme_device *)base;
    struct device_queue queue = {.device = base};
    struct device_io io = {
        .queue = &queue, .operation = operation, .offset = offset, .length_bytes = length_bytes};
    if (operation != DEVICE_FLUSH && (offset | length_bytes) % base->capabilities.block_bytes)
        return -EINVAL;
    int rc = refusal(&io);
    if (rc)
        return rc;
    if (operation == DEVICE_FLUSH)
        return run_flush(device);
    uint64_t most = piece_bytes_max(device, operation);
    unsigned char *memory = buffer;
    while (length_bytes && !rc) {
        uint64_t bytes = length_bytes < most ? length_bytes : most;
        rc = run_piece(device, operation, flags, offset, memory, bytes);
        memory = memory ? memory + bytes : NULL;
        offset += bytes;
        length_bytes -= bytes;
    }
    return rc;
}

static void nvme_describe(struct device *base,
                          void (*say)(void *context, const char *key, const char *value),
                          void *context)
{
    const struct nvme_device *device = (const struct nvme_device *)base;
    const struct nvme_identity *identity = &device->identity;
    char text[32];
    say(context, "device model", identity->model);
    say(context, "device serial", identity->serial);
    say(context, "device firmware", identity->firmware);
    snprintf(text, sizeof(text), "%u", identity->namespace_id);
    say(context, "device namespace", text);
    snprintf(text, sizeof(text), "%u", device->command_bytes_max);
    say(context, "device command limit", text);
    snprintf(text, sizeof(text), "%u", identity->atomic_boundary_bytes);
    say(context, "device atomic boundary", text);
    snprintf(text, sizeof(text), "%u", identity->optimal_write_bytes);
    say(context, "device optimal write", text);
    say(context, "device multipath head", device->multipath ? "yes" : "no");
    say(context, "device shared", identity->shared ? "yes" : "no");
    say(context, "device vectored commands", device->vectored ? "yes" : "no");
    say(context, "device fixed buffers", device->fixed ? "yes" : "no");
}

static void nvme_close(struct device *base)
{
    struct nvme_device *device = (struct nvme_device *)base;
    device->port->operations->close(device->port);
    /* The table that they came from is gone; a server would go on to see them. */
    if (device->forced_partitions && ioctl(device->sibling_fd, BLKRRPART))
        log_warning(
            "%s: its partitions are gone, but the kernel cannot be told (%s): partprobe does it",
            device->device.path, strerrordesc_np(errno));
    if (device->sibling_fd >= 0)
        close(device->sibling_fd);
    free(device);
}

static const struct device_operations nvme_operations = {
    .queue_create = nvme_queue_create,
    .queue_destroy = nvme_queue_destroy,
    .submit = nvme_submit,
    .transfer = nvme_transfer,
    .describe = nvme_describe,
    .close = nvme_close,
};

void nvme_device_init(struct nvme_device *device)
{
    const struct nvme_identity *identity = &device->identity;
    device->device.operations = &nvme_operations;
    struct device_capabilities *capabilities = &device->device.capabilities;
    *capabilities = (struct device_capabilities){
        .size_bytes = identity->size_blocks * identity->block_bytes,
        .block_bytes = identity->block_bytes,
        .transfer_bytes_max = TRANSFER_BYTES_MAX,
        .segments_max = SEGMENTS_MAX,
        .atomic_unit_bytes = identity->atomic_unit_bytes < device->command_bytes_max
                                 ? identity->atomic_unit_bytes
                                 : device->command_bytes_max,
        .atomic_boundary_bytes = identity->atomic_boundary_bytes,
        .volatile_cache = identity->volatile_cache,
        .fua = true,
        .discard = identity->deallocate,
        .write_zeroes = identity->write_zeroes,
        .polled = device->polled,
    };
    snprintf(capabilities->kind, sizeof(capabilities->kind), "nvme");
}
