/*
 * file.c - the file backend: O_DIRECT on a regular file or a block device, by the shard's io_uring.
 *
 * An io goes through steps, each one request to the kernel: file_fire looks at how one ended and issues the
 * next or calls done. Of struct device_io it uses `serial` for the step, `due_ns` for the retries.
 *
 * FUA is RWF_DSYNC: a sync of the whole file, so when it fails data of other writes may be lost with it,
 * and the io says so (flush_failed). Where O_DIRECT is refused the page cache is in between, and "done"
 * must still mean that the device has it: every write is RWF_DSYNC then.
 *
 * Zeroes in a regular file are written, not made by FALLOC_FL_ZERO_RANGE: that would turn written extents
 * into unwritten ones, and each later write of them would need the host's journal before it survives the
 * host kernel's death. A discard does exactly that, which is why nobody sends one unasked.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/device/device.h"
#include "server/device/file_claim.h"

#define TRANSFER_BYTES_MAX (1u << 20)
#define SEGMENTS_MAX       256u
#define READ_RETRIES_MAX   8u
#define BOUNCE_ALIGN       4096u

enum step {
    STEP_DATA,     /* read or write of the segments */
    STEP_ZEROES,   /* write of zeroes */
    STEP_ALLOCATE, /* fallocate for discard and write-zeroes */
    STEP_SYNC,     /* the last of flush and of FUA without a write */
    STEP_REFUSE,   /* io->result is known; only the way to done is needed */
};

struct file_device {
    struct device device;
    int fd;
    bool direct, regular, read_only;
};

struct file_queue {
    struct device_queue queue;
    struct reactor *reactor;
};

/* What zeroes are written from. Never written to, so the kernel backs all of it with one page. */
static _Alignas(4096) unsigned char zeroes[TRANSFER_BYTES_MAX];

static struct file_device *file_of(struct device *device)
{
    return (struct file_device *)device;
}

static bool is_outside(const struct device *device, uint64_t offset, uint64_t length_bytes)
{
    uint64_t size_bytes = device->capabilities.size_bytes;
    return offset > size_bytes || length_bytes > size_bytes - offset;
}

static int allocate_mode(enum device_operation operation)
{
    return FALLOC_FL_KEEP_SIZE |
           (operation == DEVICE_DISCARD ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
}

static bool needs_dsync(const struct device_io *io)
{
    return (io->flags & DEVICE_FUA) || !file_of(io->queue->device)->direct;
}

/* -- asynchronous -------------------------------------------------------------------------------------- */

static bool segments_are_adjacent(const struct device_io *io)
{
    for (unsigned i = 1; i < io->segment_count; i++) {
        const struct iovec *before = &io->segments[i - 1];
        if ((char *)before->iov_base + before->iov_len != io->segments[i].iov_base)
            return false;
    }
    return true;
}

/* Behind what a short transfer did. */
static void segments_advance(struct device_io *io, size_t size_bytes)
{
    while (size_bytes && size_bytes >= io->segments->iov_len) {
        size_bytes -= io->segments->iov_len;
        io->segments++;
        io->segment_count--;
    }
    if (size_bytes) {
        io->segments->iov_base = (char *)io->segments->iov_base + size_bytes;
        io->segments->iov_len -= size_bytes;
    }
}

/* One range of memory: by fixed buffer where it lies in one, else plain. */
static void prepare_range(struct io_uring_sqe *sqe, const struct reactor *reactor, bool is_read,
                          const void *memory, size_t size_bytes)
{
    int index = reactor_fixed_index(reactor, memory, size_bytes);
    sqe->addr = (uintptr_t)memory;
    sqe->len = (uint32_t)size_bytes;
    if (index < 0) {
        sqe->opcode = is_read ? IORING_OP_READ : IORING_OP_WRITE;
    } else {
        sqe->opcode = is_read ? IORING_OP_READ_FIXED : IORING_OP_WRITE_FIXED;
        sqe->buf_index = (uint16_t)index;
    }
}

static void prepare_data(struct io_uring_sqe *sqe, const struct device_io *io)
{
    const struct file_queue *queue = (const struct file_queue *)io->queue;
    bool is_read = io->operation == DEVICE_READ;
    size_t rest_bytes = io->length_bytes - io->progress_bytes;
    if (io->serial == STEP_ZEROES) {
        prepare_range(sqe, queue->reactor, false, zeroes, rest_bytes);
    } else if (segments_are_adjacent(io)) {
        prepare_range(sqe, queue->reactor, is_read, io->segments->iov_base, rest_bytes);
    } else {
        sqe->opcode = is_read ? IORING_OP_READV : IORING_OP_WRITEV;
        sqe->addr = (uintptr_t)io->segments;
        sqe->len = io->segment_count;
    }
    sqe->off = io->offset + io->progress_bytes;
    if (!is_read && needs_dsync(io))
        sqe->rw_flags = RWF_DSYNC;
}

static void issue(struct device_io *io)
{
    struct file_queue *queue = (struct file_queue *)io->queue;
    struct io_uring_sqe *sqe = reactor_sqe(queue->reactor, &io->event);
    sqe->fd = file_of(io->queue->device)->fd;
    switch ((enum step)io->serial) {
    case STEP_DATA:
    case STEP_ZEROES:
        prepare_data(sqe, io);
        break;
    case STEP_ALLOCATE:
        sqe->opcode = IORING_OP_FALLOCATE;
        sqe->len = (uint32_t)allocate_mode(io->operation);
        sqe->off = io->offset;
        sqe->addr = io->length_bytes;
        break;
    case STEP_SYNC:
        sqe->opcode = IORING_OP_FSYNC;
        sqe->fsync_flags = IORING_FSYNC_DATASYNC;
        break;
    case STEP_REFUSE:
        sqe->opcode = IORING_OP_NOP;
        sqe->fd = -1;
        break;
    }
}

/* Whether the step that just ended was a sync, alone or with its write. */
static bool was_sync(const struct device_io *io)
{
    if (io->serial == STEP_SYNC)
        return true;
    return (io->serial == STEP_DATA || io->serial == STEP_ZEROES) && io->operation != DEVICE_READ &&
           needs_dsync(io);
}

static void finish(struct device_io *io, int result)
{
    io->result = result;
    io->flush_failed = result < 0 && was_sync(io);
    io->queue->in_flight--;
    io->done(io);
}

static void take(struct device_io *io, enum step step)
{
    io->serial = step;
    issue(io);
}

/* A read has no effect, so it may be tried again; of an interrupted write nobody knows what it did. */
static bool may_retry(struct device_io *io, int32_t result)
{
    return io->operation == DEVICE_READ && (result == -EAGAIN || result == -EINTR) &&
           ++io->due_ns <= READ_RETRIES_MAX;
}

static void data_moved(struct device_io *io, int32_t result)
{
    uint32_t block_bytes = io->queue->device->capabilities.block_bytes;
    uint64_t rest_bytes = io->length_bytes - io->progress_bytes;
    if (may_retry(io, result)) {
        issue(io);
    } else if (result < 0) {
        finish(io, result);
    } else if ((uint64_t)result == rest_bytes) {
        finish(io, 0);
    } else if (result == 0 || (uint32_t)result % block_bytes) {
        finish(io, -EIO); /* the file ends here: it was cut behind our back */
    } else {
        io->progress_bytes += (uint32_t)result;
        if (io->serial == STEP_DATA)
            segments_advance(io, (uint32_t)result);
        issue(io);
    }
}

static void allocation_changed(struct device_io *io, int32_t result)
{
    if (result == -EOPNOTSUPP && io->operation == DEVICE_WRITE_ZEROES)
        take(io, STEP_ZEROES);
    else if (result == 0 && (io->flags & DEVICE_FUA))
        take(io, STEP_SYNC);
    else
        finish(io, result);
}

static void file_fire(struct reactor_event *event, int32_t result, uint32_t completion_flags)
{
    struct device_io *io = list_entry(event, struct device_io, event);
    (void)completion_flags;
    switch ((enum step)io->serial) {
    case STEP_DATA:
    case STEP_ZEROES:
        data_moved(io, result);
        break;
    case STEP_ALLOCATE:
        allocation_changed(io, result);
        break;
    case STEP_SYNC:
        finish(io, result);
        break;
    case STEP_REFUSE:
        finish(io, io->result);
        break;
    }
}

static enum step first_step(struct device_io *io)
{
    const struct file_device *file = file_of(io->queue->device);
    if (io->operation != DEVICE_FLUSH && is_outside(&file->device, io->offset, io->length_bytes)) {
        io->result = -EIO;
        return STEP_REFUSE;
    }
    if (file->read_only && io->operation != DEVICE_READ) {
        io->result = -EROFS;
        return STEP_REFUSE;
    }
    switch (io->operation) {
    case DEVICE_READ:
    case DEVICE_WRITE:
        break;
    case DEVICE_FLUSH:
        return STEP_SYNC;
    case DEVICE_DISCARD:
        return STEP_ALLOCATE;
    case DEVICE_WRITE_ZEROES:
        return file->regular ? STEP_ZEROES : STEP_ALLOCATE;
    }
    return STEP_DATA;
}

static void file_submit(struct device_queue *queue, struct device_io *io)
{
    io->queue = queue;
    io->event.fire = file_fire;
    io->result = 0;
    io->flush_failed = false;
    io->progress_bytes = io->due_ns = 0;
    queue->in_flight++;
    if (io->operation == DEVICE_READ)
        queue->reads++;
    else if (io->operation == DEVICE_FLUSH)
        queue->flushes++;
    else
        queue->writes++;
    take(io, first_step(io));
}

static int file_queue_create(struct device *device, struct reactor *reactor,
                             struct device_queue **queue)
{
    if (!reactor)
        return -EINVAL;
    struct file_queue *made = calloc(1, sizeof(*made));
    if (!made)
        return -ENOMEM;
    made->queue.device = device;
    made->reactor = reactor;
    *queue = &made->queue;
    return 0;
}

static void file_queue_destroy(struct device_queue *queue)
{
    free(queue);
}

/* -- blocking ------------------------------------------------------------------------------------------ */

static int read_fully(int fd, unsigned char *to, size_t size_bytes, uint64_t offset)
{
    while (size_bytes) {
        ssize_t got = pread(fd, to, size_bytes, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -EIO;
        to += got;
        offset += (uint64_t)got;
        size_bytes -= (size_t)got;
    }
    return 0;
}

static int write_fully(int fd, const unsigned char *from, size_t size_bytes, uint64_t offset)
{
    while (size_bytes) {
        ssize_t put = pwrite(fd, from, size_bytes, (off_t)offset);
        if (put <= 0)
            return put < 0 ? -errno : -EIO;
        from += put;
        offset += (uint64_t)put;
        size_bytes -= (size_t)put;
    }
    return 0;
}

/* At most TRANSFER_BYTES_MAX, from or to memory of any alignment. */
static int move_piece(const struct file_device *file, bool is_read, uint64_t offset,
                      unsigned char *memory, size_t size_bytes, unsigned char *bounce)
{
    if (!bounce)
        return is_read ? read_fully(file->fd, memory, size_bytes, offset)
                       : write_fully(file->fd, memory, size_bytes, offset);
    if (!is_read) {
        memcpy(bounce, memory, size_bytes);
        return write_fully(file->fd, bounce, size_bytes, offset);
    }
    int rc = read_fully(file->fd, bounce, size_bytes, offset);
    if (!rc)
        memcpy(memory, bounce, size_bytes);
    return rc;
}

static int move_data(const struct file_device *file, bool is_read, uint64_t offset,
                     unsigned char *memory, uint64_t length_bytes)
{
    void *bounce = NULL;
    if ((uintptr_t)memory % BOUNCE_ALIGN &&
        posix_memalign(&bounce, BOUNCE_ALIGN,
                       length_bytes < TRANSFER_BYTES_MAX ? length_bytes : TRANSFER_BYTES_MAX))
        return -ENOMEM;
    int rc = 0;
    while (length_bytes && !rc) {
        size_t piece = length_bytes < TRANSFER_BYTES_MAX ? length_bytes : TRANSFER_BYTES_MAX;
        rc = move_piece(file, is_read, offset, memory, piece, bounce);
        memory += piece;
        offset += piece;
        length_bytes -= piece;
    }
    free(bounce);
    return rc;
}

static int write_zeroes(const struct file_device *file, uint64_t offset, uint64_t length_bytes)
{
    int rc = 0;
    while (length_bytes && !rc) {
        size_t piece = length_bytes < TRANSFER_BYTES_MAX ? length_bytes : TRANSFER_BYTES_MAX;
        rc = write_fully(file->fd, zeroes, piece, offset);
        offset += piece;
        length_bytes -= piece;
    }
    return rc;
}

static int change_allocation(const struct file_device *file, enum device_operation operation,
                             uint64_t offset, uint64_t length_bytes)
{
    if (operation == DEVICE_WRITE_ZEROES && file->regular)
        return write_zeroes(file, offset, length_bytes);
    if (fallocate(file->fd, allocate_mode(operation), (off_t)offset, (off_t)length_bytes) == 0)
        return 0;
    if (errno == EOPNOTSUPP && operation == DEVICE_WRITE_ZEROES)
        return write_zeroes(file, offset, length_bytes);
    return -errno;
}

static int file_transfer(struct device *device, enum device_operation operation, uint32_t flags,
                         uint64_t offset, void *buffer, uint64_t length_bytes)
{
    const struct file_device *file = file_of(device);
    if (operation != DEVICE_FLUSH) {
        if ((offset | length_bytes) % device->capabilities.block_bytes)
            return -EINVAL;
        if (is_outside(device, offset, length_bytes))
            return -EIO;
        if (!length_bytes)
            return 0;
    }
    if (operation == DEVICE_READ)
        return move_data(file, true, offset, buffer, length_bytes);
    if (file->read_only)
        return -EROFS;

    int rc = 0;
    if (operation == DEVICE_WRITE)
        rc = move_data(file, false, offset, buffer, length_bytes);
    else if (operation != DEVICE_FLUSH)
        rc = change_allocation(file, operation, offset, length_bytes);
    if (!rc && (operation == DEVICE_FLUSH || (flags & DEVICE_FUA) || !file->direct))
        rc = fdatasync(file->fd) ? -errno : 0;
    return rc;
}

/* -- open and close ------------------------------------------------------------------------------------ */

static void file_close(struct device *device)
{
    struct file_device *file = file_of(device);
    close(file->fd);
    free(file);
}

static const struct device_operations file_operations = {
    .queue_create = file_queue_create,
    .queue_destroy = file_queue_destroy,
    .submit = file_submit,
    .transfer = file_transfer,
    .close = file_close,
};

/* 512 or 4096, whichever satisfies O_DIRECT; 0 when neither does. */
static uint32_t regular_block_bytes(const struct file_device *file)
{
    struct statx about;
    if (!file->direct)
        return 512;
    if (statx(file->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &about) == 0 &&
        (about.stx_mask & STATX_DIOALIGN) && about.stx_dio_offset_align) {
        uint32_t align = about.stx_dio_offset_align > about.stx_dio_mem_align
                             ? about.stx_dio_offset_align
                             : about.stx_dio_mem_align;
        return align <= 512 ? 512 : align <= 4096 ? 4096 : 0;
    }
    /* The file system does not say: try (an empty file cannot tell, and is asked again when it grows). */
    static _Alignas(4096) unsigned char probe[1024];
    return pread(file->fd, probe + 512, 512, 512) < 0 && errno == EINVAL ? 4096 : 512;
}

static int measure_regular(struct file_device *file)
{
    struct device_capabilities *capabilities = &file->device.capabilities;
    struct stat about;
    if (fstat(file->fd, &about))
        return -errno;
    capabilities->block_bytes = regular_block_bytes(file);
    if (!capabilities->block_bytes)
        return -EINVAL;
    capabilities->size_bytes =
        (uint64_t)about.st_size / capabilities->block_bytes * capabilities->block_bytes;
    capabilities->sparse = about.st_blocks * 512 < about.st_size;
    return 0;
}

static int measure_block(struct file_device *file)
{
    struct device_capabilities *capabilities = &file->device.capabilities;
    int block_bytes;
    if (ioctl(file->fd, BLKSSZGET, &block_bytes) ||
        ioctl(file->fd, BLKGETSIZE64, &capabilities->size_bytes))
        return -errno;
    if (block_bytes != 512 && block_bytes != 4096)
        return -EINVAL;
    capabilities->block_bytes = (uint32_t)block_bytes;
    capabilities->size_bytes -= capabilities->size_bytes % capabilities->block_bytes;
    return 0;
}

static int measure(struct file_device *file)
{
    struct device_capabilities *capabilities = &file->device.capabilities;
    *capabilities = (struct device_capabilities){
        .transfer_bytes_max = TRANSFER_BYTES_MAX,
        .segments_max = SEGMENTS_MAX,
        .volatile_cache = true,
        .fua = true,
        .discard = true,
        .write_zeroes = true,
    };
    snprintf(capabilities->kind, sizeof(capabilities->kind), file->regular ? "file" : "block");
    int rc = file->regular ? measure_regular(file) : measure_block(file);
    capabilities->atomic_unit_bytes = capabilities->block_bytes;
    return rc;
}

static int refuse(struct file_device *file, int error, const char *words, char *reason,
                  size_t reason_bytes)
{
    snprintf(reason, reason_bytes, "%s: %s", file->device.path, words);
    file_close(&file->device);
    return error;
}

static void warn_buffered(const char *path)
{
    static bool warned;
    if (!warned)
        log_warning(
            "%s: O_DIRECT is refused here; writes go through the page cache, each with a sync",
            path);
    warned = true;
}

int device_file_open(const char *path, uint32_t flags, struct device **device, char *reason,
                     size_t reason_bytes)
{
    struct stat about;
    bool direct;
    if (strlen(path) >= sizeof(((struct device *)NULL)->path)) {
        snprintf(reason, reason_bytes, "%.40s...: path too long (255 bytes at most)", path);
        return -ENAMETOOLONG;
    }
    if (flags & DEVICE_OPEN_POLLED) {
        snprintf(reason, reason_bytes,
                 "%s: only an NVMe namespace (/dev/ngXnY) can be polled; leave out --iopoll", path);
        return -EOPNOTSUPP;
    }
    int fd = file_claim(path, flags, &direct, &about, reason, reason_bytes);
    if (fd < 0)
        return fd;
    struct file_device *file = calloc(1, sizeof(*file));
    if (!file) {
        close(fd);
        snprintf(reason, reason_bytes, "%s: out of memory", path);
        return -ENOMEM;
    }
    file->device.operations = &file_operations;
    snprintf(file->device.path, sizeof(file->device.path), "%s", path);
    file->fd = fd;
    file->direct = direct;
    file->regular = S_ISREG(about.st_mode);
    file->read_only = flags & DEVICE_OPEN_READ_ONLY;

    int rc = measure(file);
    if (rc == -EINVAL)
        return refuse(file, rc, "logical blocks are neither 512 nor 4096 bytes", reason,
                      reason_bytes);
    if (rc)
        return refuse(file, rc, strerror(-rc), reason, reason_bytes);
    if (!file->device.capabilities.size_bytes && !(flags & DEVICE_OPEN_CREATE))
        return refuse(file, -EINVAL, "too small (no whole block); make a volume with `wtcli mkfs'",
                      reason, reason_bytes);
    if (!direct)
        warn_buffered(path);
    *device = &file->device;
    return 0;
}

int device_resize(struct device *device, uint64_t size_bytes)
{
    struct file_device *file = file_of(device);
    if (device->operations != &file_operations || !file->regular)
        return -EOPNOTSUPP;
    if (file->read_only)
        return -EROFS;
    if (size_bytes % BOUNCE_ALIGN || size_bytes < device->capabilities.size_bytes)
        return -EINVAL;
    if (ftruncate(file->fd, (off_t)size_bytes))
        return -errno;
    return measure(file);
}
