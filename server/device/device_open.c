/*
 * device_open.c - from a name to a backend: the contract's grammar, and node types.
 *
 *   file:PATH   the file backend
 *   nvme:PATH   the passthrough backend
 *   PATH        a character device ngXnY: nvme; a block device or a regular file: file; nvmeXnY: its ng
 *               sibling once there is a passthrough backend, until then the block device itself
 *
 * A new backend gets an entry in `backends`, and a line in choose_backend if its nodes can be told apart.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "server/base/log.h"
#include "server/device/device.h"

typedef int (*backend_open)(const char *path, uint32_t flags, struct device **device, char *reason,
                            size_t reason_bytes);

static int nvme_open(const char *path, uint32_t flags, struct device **device, char *reason,
                     size_t reason_bytes)
{
    (void)flags;
    (void)device;
    snprintf(
        reason, reason_bytes,
        "%s: NVMe passthrough is not in this version; name the block device (/dev/nvmeXnY) instead",
        path);
    return -EOPNOTSUPP;
}

enum backend { BACKEND_FILE, BACKEND_NVME };

static const struct {
    const char *prefix;
    backend_open open;
} backends[] = {
    [BACKEND_FILE] = {"file:", device_file_open},
    [BACKEND_NVME] = {"nvme:", nvme_open},
};
#define BACKEND_COUNT (sizeof(backends) / sizeof(backends[0]))

/* Whether the last part of the path is `prefix`, a number, 'n', a number. */
static bool is_nvme_name(const char *path, const char *prefix)
{
    const char *slash = strrchr(path, '/');
    unsigned controller, name_space;
    char rest;
    char format[16];
    snprintf(format, sizeof(format), "%s%%un%%u%%c", prefix);
    return sscanf(slash ? slash + 1 : path, format, &controller, &name_space, &rest) == 2;
}

/* A name without prefix. What it does not recognise goes to the file backend, whose words are right for a
 * missing path, a directory or a terminal. */
static enum backend choose_backend(const char *path)
{
    struct stat about;
    if (stat(path, &about))
        return BACKEND_FILE;
    if (S_ISCHR(about.st_mode) && is_nvme_name(path, "ng"))
        return BACKEND_NVME;
    if (S_ISBLK(about.st_mode) && is_nvme_name(path, "nvme"))
        log_info("%s: used as a block device (NVMe passthrough is not in this version)", path);
    return BACKEND_FILE;
}

int device_open(const char *name, uint32_t flags, struct device **device, char *reason,
                size_t reason_bytes)
{
    for (size_t i = 0; i < BACKEND_COUNT; i++) {
        size_t length = strlen(backends[i].prefix);
        if (strncmp(name, backends[i].prefix, length) == 0)
            return backends[i].open(name + length, flags, device, reason, reason_bytes);
    }
    return backends[choose_backend(name)].open(name, flags, device, reason, reason_bytes);
}

void device_close(struct device *device)
{
    device->operations->close(device);
}

int device_transfer(struct device *device, enum device_operation operation, uint32_t flags,
                    uint64_t offset, void *buffer, uint64_t length_bytes)
{
    return device->operations->transfer(device, operation, flags, offset, buffer, length_bytes);
}
