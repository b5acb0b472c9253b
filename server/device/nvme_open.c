/*
 * nvme_open.c - from a node to a namespace that is ours: claimed, identified, and tried.
 *
 * The claim has two parts. The lock on the generic node (/dev/ngXnY) is on the very open file that commands
 * go through, so it lives as long as they do: they outlive a killed server by tens of milliseconds. The
 * exclusive open of the sibling block device (/dev/nvmeXnY) keeps out mounts, and servers that came by that
 * node. Nothing is ever read or written through the sibling: its page cache knows nothing of our commands.
 *
 * What the kernel knows of the namespace (partitions, limits of a command, whether the node is a multipath
 * head) is in sysfs; where there is none (some containers) its safest values are taken.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/device/file_claim.h"
#include "server/device/nvme.h"
#include "server/device/nvme_status.h"

#define ADMIN_IDENTIFY       0x06u
#define IDENTIFY_NAMESPACE   0x00u
#define IDENTIFY_CONTROLLER  0x01u
#define IDENTIFY_COMMAND_SET 0x06u /* of the controller, command set 0: NVM */
#define CONTROLLER_PAGE_BYTES \
    4096u /* CAP.MPSMIN is not readable here; it is 0 everywhere we know of */
#define COMMAND_BYTES_DEFAULT    (128u << 10) /* without sysfs */
#define COMMAND_SEGMENTS_DEFAULT 32u
#define SIZE_BYTES_MIN           (64ull << 20)

struct opening {
    const char *path;
    uint32_t flags;
    char *reason;
    size_t reason_bytes;
    int fd, sibling_fd;
    char sibling[64]; /* nvmeXnY; empty: none is known */
    char sysfs[512];  /* directory of the sibling there; empty: none */
    bool multipath, fabrics, partitioned;
};

__attribute__((format(printf, 3, 4))) static int refuse(const struct opening *opening, int error,
                                                        const char *format, ...)
{
    va_list arguments;
    int used = snprintf(opening->reason, opening->reason_bytes, "%s: ", opening->path);
    va_start(arguments, format);
    if (used >= 0 && (size_t)used < opening->reason_bytes)
        vsnprintf(opening->reason + used, opening->reason_bytes - (size_t)used, format, arguments);
    va_end(arguments);
    return error;
}

/* ---- what the kernel says ---- */

static uint64_t read_number(const char *directory, const char *name)
{
    char path[640], text[32];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    if (got <= 0)
        return 0;
    text[got] = '\0';
    return strtoull(text, NULL, 10);
}

/* Over anything but PCIe: the transport of the controller, or of the subsystem's first one. */
static bool is_fabrics(const char *directory)
{
    char path[640], text[16] = "";
    static const char *const places[] = {"device/transport", "../transport"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, places[i]);
        FILE *file = fopen(path, "re");
        bool read = file && fgets(text, sizeof(text), file);
        if (file)
            fclose(file);
        if (read)
            return strncmp(text, "pcie", 4) != 0;
    }
    return true; /* not known: as if */
}

/* Fills in what sysfs knows of the node. -ENODEV: it is no namespace. */
static int look_up(struct opening *opening, dev_t node)
{
    char link[64], real[PATH_MAX];
    snprintf(link, sizeof(link), "/sys/dev/char/%u:%u", major(node), minor(node));
    if (!realpath(link, real))
        return 0;
    const char *name = strrchr(real, '/') + 1;
    unsigned controller, name_space;
    if (sscanf(name, "ng%un%u", &controller, &name_space) != 2) {
        if (sscanf(name, "nvme%u", &controller) == 1)
            return refuse(opening, -EINVAL,
                          "is a controller; name one of its namespaces (/dev/ng%un1)", controller);
        return refuse(opening, -EINVAL, "is not an NVMe namespace (/dev/ngXnY)");
    }
    snprintf(opening->sibling, sizeof(opening->sibling), "nvme%un%u", controller, name_space);
    char directory[128];
    snprintf(directory, sizeof(directory), "/sys/block/%s", opening->sibling);
    if (!realpath(directory, real) || strlen(real) >= sizeof(opening->sysfs))
        return 0;
    snprintf(opening->sysfs, sizeof(opening->sysfs), "%s", real);
    opening->multipath = strstr(real, "/nvme-subsystem/") != NULL;
    opening->fabrics = is_fabrics(opening->sysfs);
    return 0;
}

static bool has_partitions(const struct opening *opening)
{
    DIR *directory = opening->sysfs[0] ? opendir(opening->sysfs) : NULL;
    bool found = false;
    size_t length = strlen(opening->sibling);
    const struct dirent *entry;
    while (directory && !found && (entry = readdir(directory)))
        found =
            strncmp(entry->d_name, opening->sibling, length) == 0 && entry->d_name[length] == 'p';
    if (directory)
        closedir(directory);
    return found;
}

/* ---- the claim ---- */

static int open_node(struct opening *opening)
{
    bool read_only = opening->flags & DEVICE_OPEN_READ_ONLY;
    opening->fd = open(opening->path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY);
    if (opening->fd < 0)
        return -errno;
    if (flock(opening->fd, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
        return 0;
    int error = errno == EWOULDBLOCK ? EBUSY : errno;
    close(opening->fd);
    opening->fd = -1;
    return -error;
}

/* The directory of our node has the sibling's node too; elsewhere it may have another name. */
static int open_sibling(struct opening *opening)
{
    if (!opening->sibling[0] || (opening->flags & DEVICE_OPEN_READ_ONLY))
        return 0;
    char path[320];
    const char *slash = strrchr(opening->path, '/');
    int length = slash ? (int)(slash - opening->path) + 1 : 0;
    snprintf(path, sizeof(path), "%.*s%s", length, opening->path, opening->sibling);
    opening->sibling_fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
    if (opening->sibling_fd >= 0)
        return 0;
    if (errno == EBUSY)
        return -EBUSY;
    log_warning("%s: %s, so mounts of it are not kept out", path, strerrordesc_np(errno));
    return 0;
}

static int claim(struct opening *opening)
{
    int rc;
    unsigned waited_ms = 0;
    do {
        rc = open_node(opening);
        if (rc == 0)
            rc = open_sibling(opening);
        if (rc == -EBUSY && opening->fd >= 0) {
            close(opening->fd);
            opening->fd = -1;
        }
    } while (rc == -EBUSY && file_claim_wait(&waited_ms));
    if (rc == -EBUSY)
        return refuse(opening, rc, "in use; stop what uses it (wtd, wtcli, a mount, a RAID)");
    if (rc == -EACCES || rc == -EPERM)
        return refuse(opening, rc,
                      "permission denied; give the user this node (deploy/udev) or run as root");
    if (rc)
        return refuse(opening, rc, "%s", strerrordesc_np(-rc));
    return 0;
}

/* ---- identify ---- */

static int identify(const struct opening *opening, uint32_t nsid, uint32_t cns, uint8_t *bytes)
{
    struct nvme_admin_cmd command = {.opcode = ADMIN_IDENTIFY,
                                     .nsid = nsid,
                                     .addr = (uintptr_t)bytes,
                                     .data_len = NVME_IDENTIFY_BYTES,
                                     .cdw10 = cns};
    memset(bytes, 0, NVME_IDENTIFY_BYTES);
    int result = ioctl(opening->fd, NVME_IOCTL_ADMIN_CMD, &command);
    if (result < 0)
        return -errno;
    return result > 0 ? nvme_verdict((uint32_t)result).error : 0;
}

static int refuse_identify(const struct opening *opening, int error)
{
    struct utsname kernel;
    if (error != -EACCES && error != -EPERM)
        return refuse(opening, error, "identifying it: %s", strerrordesc_np(-error));
    bool old = uname(&kernel) == 0 &&
               (strtoul(kernel.release, NULL, 10) < 6 || strncmp(kernel.release, "6.0", 3) == 0 ||
                strncmp(kernel.release, "6.1.", 4) == 0);
    return refuse(opening, error,
                  old ? "Linux %s lets only CAP_SYS_ADMIN send NVMe commands (from 6.2 on, write "
                        "access to the node is enough)"
                      : "Linux %s refuses NVMe commands on it to this user; give it write access",
                  kernel.release);
}

static int read_identity(struct opening *opening, struct nvme_identity *identity)
{
    uint8_t *bytes = aligned_alloc(NVME_IDENTIFY_BYTES, 3 * NVME_IDENTIFY_BYTES);
    char words[96];
    if (!bytes)
        return refuse(opening, -ENOMEM, "out of memory");
    uint8_t *controller = bytes, *name_space = bytes + NVME_IDENTIFY_BYTES;
    uint8_t *command_set = bytes + 2 * NVME_IDENTIFY_BYTES;
    int nsid = ioctl(opening->fd, NVME_IOCTL_ID);
    int rc = nsid > 0 ? 0 : nsid == 0 ? -EINVAL : -errno;
    if (rc) {
        refuse(opening, rc, "is not an NVMe namespace (/dev/ngXnY)");
        goto out;
    }
    rc = identify(opening, 0, IDENTIFY_CONTROLLER, controller);
    if (!rc)
        rc = identify(opening, (uint32_t)nsid, IDENTIFY_NAMESPACE, name_space);
    if (rc) {
        refuse_identify(opening, rc);
        goto out;
    }
    bool has_set = identify(opening, 0, IDENTIFY_COMMAND_SET, command_set) == 0;
    rc = nvme_identity_parse(identity, controller, name_space, has_set ? command_set : NULL,
                             CONTROLLER_PAGE_BYTES, words, sizeof(words));
    identity->namespace_id = (uint32_t)nsid;
    if (rc)
        refuse(opening, rc, "%s", words);
out:
    free(bytes);
    return rc;
}

/* ---- may we use it? ---- */

static int check_use(struct opening *opening, const struct nvme_identity *identity)
{
    if (identity->block_bytes != 512 && identity->block_bytes != 4096)
        return refuse(opening, -EINVAL, "has blocks of %u bytes; format it to 512 or 4096",
                      identity->block_bytes);
    if (identity->metadata_bytes)
        return refuse(
            opening, -EINVAL,
            "its format has %u bytes of metadata a block; choose one without (nvme format)",
            identity->metadata_bytes);
    if (identity->size_blocks * identity->block_bytes < SIZE_BYTES_MIN)
        return refuse(opening, -EINVAL, "has less than 64 MiB");
    if (identity->write_protected && !(opening->flags & DEVICE_OPEN_READ_ONLY))
        return refuse(opening, -EROFS, "the namespace is write protected; lift that first");
    opening->partitioned = has_partitions(opening);
    if (opening->partitioned && !(opening->flags & (DEVICE_OPEN_FORCE | DEVICE_OPEN_READ_ONLY)))
        return refuse(
            opening, -EBUSY,
            "is partitioned; remove the partitions, or let `wtcli mkfs --force' take all of "
            "it");
    return 0;
}

/* Polling over fabrics crashes the kernels that we know (6.1 and 6.12, nvme-tcp), so where the transport is not
 * known it is not done. */
static int check_polling(const struct opening *opening)
{
    if (opening->fabrics)
        return refuse(opening, -EOPNOTSUPP,
                      "is not known to be on PCIe, so it is not polled; leave out --iopoll");
    if (!read_number(opening->sysfs, "queue/io_poll"))
        return refuse(opening, -EOPNOTSUPP,
                      "has no poll queues; start Linux with nvme.poll_queues=N, or leave out "
                      "--iopoll");
    return 0;
}

bool nvme_kernel_has_passthrough(const struct io_uring_probe *probe)
{
    return probe && io_uring_opcode_supported(probe, IORING_OP_URING_CMD);
}

struct trial {
    struct reactor_event event;
    int32_t result;
    bool done;
};

static void trial_fire(struct reactor_event *event, int32_t result, uint32_t completion_flags)
{
    struct trial *trial = list_entry(event, struct trial, event);
    (void)completion_flags;
    trial->result = result;
    trial->done = true;
}

/* A registered buffer as large as this is more than one command may have in segments. */
#define TRIAL_PAGES 1024u

/* Reads the first blocks by the way that every command will go: only that shows whether ring, kernel and
 * rights are enough. Linux 6.1 takes no part of a registered buffer if the whole has more segments than a
 * command may have, so that is tried with a large one. */
static int try_read(struct nvme_device *device, unsigned how, char *reason, size_t reason_bytes)
{
    struct reactor_options options = {
        .entries = 8, .big_entries = true, .polled_ring = how & NVME_ISSUE_POLLED};
    struct reactor *reactor;
    struct trial trial = {.event.fire = trial_fire};
    unsigned char *memory = aligned_alloc(4096, TRIAL_PAGES * 4096u);
    int rc = memory ? reactor_create(&options, &reactor, reason, reason_bytes) : -ENOMEM;
    if (rc) {
        free(memory);
        return rc;
    }
    struct iovec segments[2] = {{memory, 4096}, {memory + 2 * 4096u, 4096}};
    bool vectored = how & NVME_ISSUE_VECTORED;
    struct nvme_uring_cmd command = {
        .opcode = NVME_COMMAND_READ,
        .nsid = device->identity.namespace_id,
        .addr = vectored ? (uintptr_t)segments : (uintptr_t)memory,
        .data_len = vectored ? 2 : 8192,
        .cdw12 = 8192 / device->identity.block_bytes - 1,
    };
    if (how & NVME_ISSUE_FIXED)
        rc = reactor_register_buffers(reactor, memory, TRIAL_PAGES * 4096u);
    if (rc == 0) {
        device->port->operations->issue(device->port, reactor, &command, how, &trial.event);
        while (!trial.done)
            reactor_wait(reactor, UINT64_MAX);
        rc = trial.result;
    }
    reactor_destroy(reactor);
    free(memory);
    return rc;
}

static int try_out(const struct opening *opening, struct nvme_device *device)
{
    char words[192] = "";
    struct io_uring_probe *probe = io_uring_get_probe();
    bool known = nvme_kernel_has_passthrough(probe);
    io_uring_free_probe(probe);
    /* Without a probe the ring itself is refused, and making one says why. */
    if (probe && !known)
        return refuse(
            opening, -EOPNOTSUPP,
            "this kernel has no io_uring passthrough (Linux 5.19 has); use the block device");
    int result = try_read(device, 0, words, sizeof(words));
    if (words[0])
        return refuse(opening, result, "%s", words);
    if (result) {
        struct nvme_verdict verdict = result > 0 ? nvme_verdict((uint32_t)result)
                                                 : nvme_verdict_of_errno(result, device->multipath);
        return refuse(opening, verdict.error, "a first read failed: %s", verdict.name);
    }
    if (device->polled && try_read(device, NVME_ISSUE_POLLED, words, sizeof(words)))
        return refuse(opening, -EOPNOTSUPP, "a polled read failed%s%s; leave out --iopoll",
                      words[0] ? ": " : "", words);
    device->vectored = try_read(device, NVME_ISSUE_VECTORED, words, sizeof(words)) == 0;
    device->fixed = try_read(device, NVME_ISSUE_FIXED, words, sizeof(words)) == 0;
    return 0;
}

/* ---- all of it ---- */

static void set_limits(const struct opening *opening, struct nvme_device *device)
{
    uint64_t bytes = COMMAND_BYTES_DEFAULT, segments = COMMAND_SEGMENTS_DEFAULT;
    if (opening->sysfs[0]) {
        uint64_t told = read_number(opening->sysfs, "queue/max_hw_sectors_kb") << 10;
        bytes = told ? told : bytes;
        told = read_number(opening->sysfs, "queue/max_segments");
        segments = told ? told : segments;
    }
    uint32_t mdts = device->identity.transfer_bytes_max;
    if (mdts && mdts < bytes)
        bytes = mdts;
    /* A page of memory may be a segment of its own. */
    if (bytes > segments * 4096)
        bytes = segments * 4096;
    device->command_bytes_max = bytes < (1u << 20) ? (uint32_t)bytes & ~4095u : 1u << 20;
    device->command_segments_max = segments < 257 ? (uint32_t)segments : 257;
}

static int set_up(struct opening *opening, struct nvme_device *device)
{
    int rc = read_identity(opening, &device->identity);
    if (!rc)
        rc = check_use(opening, &device->identity);
    if (rc)
        return rc;
    snprintf(device->device.path, sizeof(device->device.path), "%s", opening->path);
    device->multipath = opening->multipath;
    device->read_only = opening->flags & DEVICE_OPEN_READ_ONLY;
    device->sibling_fd = opening->sibling_fd;
    device->forced_partitions = opening->partitioned && (opening->flags & DEVICE_OPEN_FORCE);
    device->polled = opening->flags & DEVICE_OPEN_POLLED;
    set_limits(opening, device);
    rc = device->polled ? check_polling(opening) : 0;
    if (rc)
        return rc;
    rc = nvme_port_create(opening->fd, &device->port);
    if (rc)
        return refuse(opening, rc, "out of memory");
    nvme_device_init(device);
    rc = try_out(opening, device);
    if (rc) /* the descriptor stays the caller's */
        nvme_port_forget(device->port);
    return rc;
}

int device_nvme_open(const char *path, uint32_t flags, struct device **made, char *reason,
                     size_t reason_bytes)
{
    struct opening opening = {.path = path,
                              .flags = flags,
                              .reason = reason,
                              .reason_bytes = reason_bytes,
                              .fd = -1,
                              .sibling_fd = -1};
    struct stat about;
    if (strlen(path) >= sizeof(((struct device *)NULL)->path))
        return refuse(&opening, -ENAMETOOLONG, "path too long (255 bytes at most)");
    if (stat(path, &about))
        return refuse(&opening, -errno, "no such device");
    if (!S_ISCHR(about.st_mode))
        return refuse(&opening, -EINVAL, "is not an NVMe namespace (/dev/ngXnY)");
    int rc = look_up(&opening, about.st_rdev);
    if (!rc)
        rc = claim(&opening);
    if (rc)
        return rc;
    struct nvme_device *device = calloc(1, sizeof(*device));
    rc = device ? set_up(&opening, device) : refuse(&opening, -ENOMEM, "out of memory");
    if (rc) {
        close(opening.fd);
        if (opening.sibling_fd >= 0)
            close(opening.sibling_fd);
        free(device);
        return rc;
    }
    *made = &device->device;
    return 0;
}
