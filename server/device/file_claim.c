/*
 * file_claim.c - opening a regular file or block device for the file backend, and claiming it.
 *
 * The claim is flock on the very open file that I/O goes through. Commands in flight hold a reference to
 * that open file, so the lock outlives a killed server exactly as long as its commands do; a lock on any
 * other descriptor would be gone while they still land. For a block device that is written there is O_EXCL
 * too: it keeps out mounts, and servers that came by another node of the same device.
 */
#include "server/device/file_claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "server/device/device.h"

#define RETRY_MS 10u

static unsigned claim_wait_ms = DEVICE_CLAIM_WAIT_MS;

void device_set_claim_wait_ms(unsigned milliseconds)
{
    claim_wait_ms = milliseconds;
}

static int say(char *reason, size_t reason_bytes, int error, const char *path, const char *words)
{
    snprintf(reason, reason_bytes, "%s: %s", path, words);
    return -error;
}

static int explain_open(const char *path, int error, char *reason, size_t reason_bytes)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return say(reason, reason_bytes, error, path,
                   "no such file or device; make a volume with `wtcli mkfs'");
    case EACCES:
    case EPERM:
        return say(reason, reason_bytes, error, path,
                   "permission denied; run as its owner, or join the group that may use it");
    case EROFS:
        return say(reason, reason_bytes, error, path, "read-only medium; it cannot be written");
    case ENXIO:
    case ENODEV:
    case ENOMEDIUM:
        return say(reason, reason_bytes, error, path, "there is no device behind this node");
    default:
        return say(reason, reason_bytes, error, path, strerror(error));
    }
}

static int explain_in_use(const char *path, char *reason, size_t reason_bytes)
{
    return say(reason, reason_bytes, EBUSY, path,
               "in use by another process; stop what uses it (wtd, wtcli, a mount)");
}

/* Only what can hold a volume, looked at before it is opened: opening a FIFO would wait, a terminal react. */
static int check_type(const char *path, mode_t mode, char *reason, size_t reason_bytes)
{
    if (S_ISREG(mode) || S_ISBLK(mode))
        return 0;
    if (S_ISDIR(mode))
        return say(reason, reason_bytes, EISDIR, path,
                   "is a directory; name a file in it, or a block device");
    return say(reason, reason_bytes, EINVAL, path, "neither a regular file nor a block device");
}

/* O_DIRECT where it is possible. */
static int open_node(const char *path, int open_flags, bool *direct)
{
    int fd = open(path, open_flags | O_DIRECT, 0600);
    *direct = fd >= 0;
    if (fd < 0 && errno == EINVAL)
        fd = open(path, open_flags, 0600);
    return fd < 0 ? -errno : fd;
}

/* Counted, not measured: the server's clock may be a simulated one. */
bool file_claim_wait(unsigned *waited_ms)
{
    struct timespec moment = {.tv_nsec = RETRY_MS * 1000000L};
    if (*waited_ms >= claim_wait_ms)
        return false;
    nanosleep(&moment, NULL);
    *waited_ms += RETRY_MS;
    return true;
}

/* One try: a descriptor that holds the claim, -EBUSY, or what is wrong for good. */
static int try_claim(const char *path, int open_flags, bool *direct)
{
    int fd = open_node(path, open_flags, direct);
    if (fd < 0)
        return fd;
    bool shared = (open_flags & O_ACCMODE) == O_RDONLY;
    if (flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
        return fd;
    int error = errno == EWOULDBLOCK ? EBUSY : errno;
    close(fd);
    return -error;
}

static int flags_for(mode_t mode, bool exists, uint32_t flags)
{
    int open_flags = O_CLOEXEC | O_NOCTTY;
    if (flags & DEVICE_OPEN_READ_ONLY)
        return open_flags | O_RDONLY;
    open_flags |= O_RDWR;
    if (exists && S_ISBLK(mode))
        return open_flags | O_EXCL;
    return flags & DEVICE_OPEN_CREATE ? open_flags | O_CREAT : open_flags;
}

int file_claim(const char *path, uint32_t flags, bool *direct, struct stat *about, char *reason,
               size_t reason_bytes)
{
    memset(about, 0, sizeof(*about));
    bool exists = stat(path, about) == 0;
    if (!exists && (errno != ENOENT || !(flags & DEVICE_OPEN_CREATE)))
        return explain_open(path, errno, reason, reason_bytes);
    int rc = exists ? check_type(path, about->st_mode, reason, reason_bytes) : 0;
    if (rc)
        return rc;

    int open_flags = flags_for(about->st_mode, exists, flags);
    int fd = try_claim(path, open_flags, direct);
    for (unsigned waited_ms = 0; fd == -EBUSY && file_claim_wait(&waited_ms);)
        fd = try_claim(path, open_flags, direct);
    if (fd == -EBUSY)
        return explain_in_use(path, reason, reason_bytes);
    if (fd < 0)
        return explain_open(path, -fd, reason, reason_bytes);

    /* What was opened counts, not what was there before. */
    rc = fstat(fd, about) ? explain_open(path, errno, reason, reason_bytes)
                          : check_type(path, about->st_mode, reason, reason_bytes);
    if (rc) {
        close(fd);
        return rc;
    }
    return fd;
}
