/*
 * nvme.h - what the files of the NVMe backend share. Private to them and their tests.
 *
 *   nvme_open.c      a node -> a claimed, identified namespace
 *   nvme_identify.c  the bytes of Identify -> figures
 *   nvme_status.c    a status -> errno and what is known of the command
 *   nvme_port.c      how commands reach the kernel: io_uring passthrough and ioctl
 *   nvme.c           device operations -> commands: splitting, retries, joining of results
 *
 * The port is the seam for tests: all that nvme.c does can be seen, and any status injected, without a
 * controller.
 */
#ifndef WT_DEVICE_NVME_H
#define WT_DEVICE_NVME_H

#include <linux/nvme_ioctl.h>

#include "server/device/device.h"
#include "server/device/nvme_identify.h"

#define NVME_COMMAND_FLUSH        0x00u
#define NVME_COMMAND_WRITE        0x01u
#define NVME_COMMAND_READ         0x02u
#define NVME_COMMAND_WRITE_ZEROES 0x08u
#define NVME_COMMAND_DATASET      0x09u
#define NVME_FUA                  (1u << 30) /* in cdw12 of reads, writes and write zeroes */
#define NVME_DATASET_DEALLOCATE   (1u << 2)  /* in cdw11 of dataset management */

/* One range of dataset management (NVM Command Set 1.0, figure 41). */
struct nvme_range {
    uint32_t attributes, blocks;
    uint64_t first_block;
};

#define NVME_ISSUE_VECTORED 1u /* addr and data_len are an array of iovec and its length */
#define NVME_ISSUE_FIXED \
    2u /* by the registered buffer, if its memory lies in one; not with vectored */
#define NVME_ISSUE_POLLED 4u /* on the polled ring: only commands with data */

struct nvme_port;

struct nvme_port_operations {
    /* Sends a command; the event fires with the kernel's `res`: 0, a status, or a negative errno. Memory
     * named by the command stays in place until then. how: NVME_ISSUE_*. */
    void (*issue)(struct nvme_port *port, struct reactor *reactor,
                  const struct nvme_uring_cmd *command, unsigned how, struct reactor_event *event);
    /* Fires the event after a while, with any result. `timeout` is its memory until then. */
    void (*delay)(struct nvme_port *port, struct reactor *reactor, struct timespec *timeout,
                  struct reactor_event *event);
    /* Sends a command of the I/O queue and waits: `res` as above. */
    int (*run)(struct nvme_port *port, struct nvme_passthru_cmd64 *command);
    void (*sleep)(struct nvme_port *port, unsigned milliseconds);
    void (*close)(struct nvme_port *port);
};

/* What a port is embedded in. */
struct nvme_port {
    const struct nvme_port_operations *operations;
};

struct nvme_device {
    struct device device;
    struct nvme_port *port;
    struct nvme_identity identity;
    uint32_t
        command_bytes_max; /* of one read or write: the least of MDTS and what the kernel takes */
    uint32_t command_segments_max;
    bool multipath; /* the node is a multipath head: -EINVAL may mean that no path is left */
    bool vectored;  /* the kernel takes vectored commands */
    bool fixed;     /* ... and parts of a registered buffer that is larger than a command may be */
    bool polled;    /* reads and writes go to the polled ring */
    bool read_only;
    bool forced_partitions;       /* mkfs --force: the kernel is to forget them */
    bool told_gone, told_changed; /* once each, in the log */
    int sibling_fd;               /* the block device, held exclusively; -1: none */
};

/* Fills in operations and capabilities from identity, command_*_max and the flags. */
void nvme_device_init(struct nvme_device *device);

/* nvme_port.c. On success the port owns the descriptor; forget frees it and leaves the descriptor open. */
int nvme_port_create(int fd, struct nvme_port **port);
void nvme_port_forget(struct nvme_port *port);

struct io_uring_probe;
/* nvme_open.c. Whether the kernel knows passthrough. */
bool nvme_kernel_has_passthrough(const struct io_uring_probe *probe);

#endif
