/*
 * nvme_port.c - how NVMe commands reach the kernel: io_uring passthrough for what is asynchronous, ioctl for
 * what waits. Linux 5.19 and later (drivers/nvme/host/ioctl.c).
 *
 * sqe: 128 bytes, the command from byte 48 on. `res` 0 is success, a positive one is the NVMe status. The
 * kernel sends nothing again by itself.
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "server/device/nvme.h"

_Static_assert(sizeof(struct nvme_uring_cmd) <= 80,
               "it fits behind the first 48 bytes of a big sqe");
_Static_assert(sizeof(struct timespec) == sizeof(struct __kernel_timespec), "64-bit time");

struct kernel_port {
    struct nvme_port port;
    int fd;
};

/* A command that reads or writes one range of registered memory names the buffer, which spares pinning its
 * pages. Fixed and vectored together need a newer kernel than ours. */
static void use_fixed_buffer(struct io_uring_sqe *sqe, const struct reactor *reactor,
                             const struct nvme_uring_cmd *command)
{
    if (!command->data_len)
        return;
    int index = reactor_fixed_index(reactor, (const void *)(uintptr_t)command->addr, // NOLINT
                                    command->data_len);
    if (index < 0)
        return;
    sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
    sqe->buf_index = (uint16_t)index;
}

static void kernel_issue(struct nvme_port *port, struct reactor *reactor,
                         const struct nvme_uring_cmd *command, unsigned how,
                         struct reactor_event *event)
{
    const struct kernel_port *kernel = (const struct kernel_port *)port;
    struct io_uring_sqe *sqe =
        how & NVME_ISSUE_POLLED ? reactor_polled_sqe(reactor, event) : reactor_sqe(reactor, event);
    sqe->opcode = IORING_OP_URING_CMD;
    sqe->fd = kernel->fd;
    sqe->cmd_op = how & NVME_ISSUE_VECTORED ? NVME_URING_CMD_IO_VEC : NVME_URING_CMD_IO;
    if (how & NVME_ISSUE_FIXED)
        use_fixed_buffer(sqe, reactor, command);
    memcpy(sqe->cmd, command, sizeof(*command));
}

static void kernel_delay(struct nvme_port *port, struct reactor *reactor, struct timespec *timeout,
                         struct reactor_event *event)
{
    (void)port;
    struct io_uring_sqe *sqe = reactor_sqe(reactor, event);
    if (timeout->tv_sec == 0 && timeout->tv_nsec == 0) {
        sqe->opcode = IORING_OP_NOP;
        sqe->fd = -1;
        return;
    }
    sqe->opcode = IORING_OP_TIMEOUT;
    sqe->fd = -1;
    sqe->addr = (uintptr_t)timeout;
    sqe->len = 1;
}

static int kernel_run(struct nvme_port *port, struct nvme_passthru_cmd64 *command)
{
    const struct kernel_port *kernel = (const struct kernel_port *)port;
    int result = ioctl(kernel->fd, NVME_IOCTL_IO64_CMD, command);
    return result < 0 ? -errno : result;
}

static void kernel_sleep(struct nvme_port *port, unsigned milliseconds)
{
    struct timespec moment = {.tv_sec = milliseconds / 1000,
                              .tv_nsec = milliseconds % 1000 * 1000000L};
    (void)port;
    nanosleep(&moment, NULL);
}

static void kernel_close(struct nvme_port *port)
{
    struct kernel_port *kernel = (struct kernel_port *)port;
    close(kernel->fd);
    free(kernel);
}

static const struct nvme_port_operations kernel_operations = {
    .issue = kernel_issue,
    .delay = kernel_delay,
    .run = kernel_run,
    .sleep = kernel_sleep,
    .close = kernel_close,
};

int nvme_port_create(int fd, struct nvme_port **port)
{
    struct kernel_port *kernel = calloc(1, sizeof(*kernel));
    if (!kernel)
        return -ENOMEM;
    kernel->port.operations = &kernel_operations;
    kernel->fd = fd;
    *port = &kernel->port;
    return 0;
}

void nvme_port_forget(struct nvme_port *port)
{
    free((struct kernel_port *)port);
}
