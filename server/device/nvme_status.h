/*
 * nvme_status.h - what an NVMe status means to us. Pure; any thread.
 *
 * A status is what the kernel gives as a positive `res` of a passthrough command: the status field of the
 * completion without its phase bit (NVMe Base 2.0, figure 93): code in bits 0 to 7, type in bits 8 to 10,
 * retry delay (CRD) in bits 11 and 12, more (M) in bit 13, do not retry (DNR) in bit 14.
 */
#ifndef WT_DEVICE_NVME_STATUS_H
#define WT_DEVICE_NVME_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#define NVME_STATUS_CODE_MASK 0x7ffu /* type and code */
#define NVME_STATUS_RANGE     0x080u /* LBA out of range */
#define NVME_STATUS_DNR       0x4000u
#define NVME_STATUS_MORE      0x2000u
#define NVME_STATUS_CRD_SHIFT 11
#define NVME_STATUS_CRD_MASK  3u

enum nvme_outcome {
    NVME_NOT_RUN, /* the controller refused it before it touched the medium: may be sent again */
    NVME_FAILED,  /* it ended with an error: each block of a write is old or new */
    NVME_UNKNOWN, /* nobody knows whether it ran, or still will (paths, aborts) */
};

struct nvme_verdict {
    int error; /* negative errno */
    enum nvme_outcome outcome;
    const char *name; /* the specification's, in lower case */
};

/* Of a status other than 0. One that is not in the table is -EIO, NVME_FAILED, and named by its type. */
struct nvme_verdict nvme_verdict(uint32_t status);
/* The same for a negative `res`: the kernel's own refusals. multipath: the namespace is a multipath head,
 * for which -EINVAL says that it has no path. */
struct nvme_verdict nvme_verdict_of_errno(int error, bool multipath);

/* Whether the command may be sent again in silence: a write only if it is known not to have run, a read
 * unless the controller asks not to. */
bool nvme_may_retry(const struct nvme_verdict *verdict, uint32_t status, bool is_read);
/* Which of the controller's three retry delays is asked for: 1 to 3; 0: none. */
unsigned nvme_retry_delay_index(uint32_t status);

#endif
