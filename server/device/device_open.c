/*
 * device_open.c - from a name to a backend: the contract's grammar, and node types.
 *
 *   file:PATH   the file backend
 *   nvme:PATH   the passthrough backend
 *   PATH        a character device: nvme; a block device or a regular file: file; nvmeXnY: its sibling ngXnY
 *               if there is one, else the block device itself. Links (/dev/disk/by-id/...) are followed
 *               first: what counts is the node.
 *
 * A new backend gets an entry in `backends`, and a line in open_plain if its nodes can be told apart.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/base/log.h"
#include "server/device/device.h"

typedef int (*backend_open)(const char *path, uint32_t flags, struct device **device, char *reason,
                            size_t reason_bytes);

enum backend { BACKEND_FILE, BACKEND_NVME };

static const struct {
    const char *prefix;
    backend_open open;
} backends[] = {
    [BACKEND_FILE] = {"file:", device_file_open},
    [BACKEND_NVME] = {"nvme:", device_nvme_open},
};
#define BACKEND_COUNT (sizeof(backends) / sizeof(backends[0]))

/* A character device that is not a namespace (a terminal, a controller) is better refused by the NVMe
 * backend, which says what it wants. */
static bool is_namespace_node(const struct stat *about, const char *path)
{
    unsigned controller, name_space;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    return S_ISCHR(about->st_mode) && (sscanf(name, "ng%un%u", &controller, &name_space) == 2 ||
                                       sscanf(name, "nvme%u", &controller) == 1);
}

/* The generic node beside a block node nvmeXnY (not beside a partition of it). False: there is none. */
static bool generic_sibling(const char *path, char *sibling, size_t sibling_bytes)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    unsigned controller, name_space;
    char rest;
    struct stat about;
    if (sscanf(name, "nvme%un%u%c", &controller, &name_space, &rest) != 2)
        return false;
    int used = snprintf(sibling, sibling_bytes, "%.*sng%un%u", (int)(name - path), path, controller,
                        name_space);
    return used > 0 && (size_t)used < sibling_bytes && stat(sibling, &about) == 0 &&
           S_ISCHR(about.st_mode);
}

/* A name without prefix. What is not recognised goes to the file backend, whose words are right for a
 * missing path, a directory or a terminal. */
static int open_plain(const char *path, uint32_t flags, struct device **device, char *reason,
                      size_t reason_bytes)
{
    struct stat about;
    char node[PATH_MAX], sibling[256];
    enum backend backend = BACKEND_FILE;
    if (realpath(path, node) && stat(node, &about) == 0) {
        if (is_namespace_node(&about, node)) {
            backend = BACKEND_NVME;
            path = node;
        } else if (S_ISBLK(about.st_mode) && generic_sibling(node, sibling, sizeof(sibling))) {
            log_info("%s: using NVMe passthrough by %s", path, sibling);
            backend = BACKEND_NVME;
            path = sibling;
        }
    }
    return backends[backend].open(path, flags, device, reason, reason_bytes);
}

int device_open(const char *name, uint32_t flags, struct device **device, char *reason,
                size_t reason_bytes)
{
    for (size_t i = 0; i < BACKEND_COUNT; i++) {
        size_t length = strlen(backends[i].prefix);
        if (strncmp(name, backends[i].prefix, length) == 0)
            return backends[i].open(name + length, flags, device, reason, reason_bytes);
    }
    return open_plain(name, flags, device, reason, reason_bytes);
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
