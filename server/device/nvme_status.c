/* nvme_status.c - the table of NVMe Base 2.0, section 4.2.3, as far as reads, writes, flushes, dataset
 * management and write zeroes can meet it. */
#include "server/device/nvme_status.h"

#include <errno.h>
#include <stddef.h>

static const struct {
    uint16_t code; /* type << 8 | code */
    int16_t error;
    uint8_t outcome;
    const char *name;
} table[] = {
    /* Generic command status. */
    {0x001, EOPNOTSUPP, NVME_NOT_RUN, "invalid command opcode"},
    {0x002, EINVAL, NVME_NOT_RUN, "invalid field in command"},
    {0x003, EIO, NVME_NOT_RUN, "command identifier conflict"},
    {0x004, EIO, NVME_FAILED, "data transfer error"},
    {0x005, EINTR, NVME_UNKNOWN, "aborted due to power loss notification"},
    {0x006, EIO, NVME_FAILED, "internal error"},
    {0x007, EINTR, NVME_UNKNOWN, "command abort requested"},
    {0x008, EINTR, NVME_UNKNOWN, "aborted due to queue deletion"},
    {0x009, EIO, NVME_FAILED, "aborted due to failed fused command"},
    {0x00a, EIO, NVME_FAILED, "aborted due to missing fused command"},
    {0x00b, ENODEV, NVME_NOT_RUN, "invalid namespace or format"},
    {0x00c, EIO, NVME_NOT_RUN, "command sequence error"},
    {0x00d, EINVAL, NVME_NOT_RUN, "invalid SGL segment descriptor"},
    {0x00e, EINVAL, NVME_NOT_RUN, "invalid number of SGL descriptors"},
    {0x00f, EINVAL, NVME_NOT_RUN, "data SGL length invalid"},
    {0x010, EINVAL, NVME_NOT_RUN, "metadata SGL length invalid"},
    {0x011, EINVAL, NVME_NOT_RUN, "SGL descriptor type invalid"},
    {0x012, EINVAL, NVME_NOT_RUN, "invalid use of controller memory buffer"},
    {0x013, EINVAL, NVME_NOT_RUN, "PRP offset invalid"},
    {0x014, EINVAL, NVME_NOT_RUN, "atomic write unit exceeded"},
    {0x015, EACCES, NVME_NOT_RUN, "operation denied"},
    {0x016, EINVAL, NVME_NOT_RUN, "SGL offset invalid"},
    {0x018, EIO, NVME_NOT_RUN, "host identifier inconsistent format"},
    {0x019, EINTR, NVME_UNKNOWN, "keep alive timer expired"},
    {0x01b, EINTR, NVME_UNKNOWN, "aborted due to preempt and abort"},
    {0x01c, EIO, NVME_NOT_RUN, "sanitize failed"},
    {0x01d, EBUSY, NVME_NOT_RUN, "sanitize in progress"},
    {0x01e, EINVAL, NVME_NOT_RUN, "SGL data block granularity invalid"},
    {0x01f, EOPNOTSUPP, NVME_NOT_RUN, "command not supported for queue in CMB"},
    {0x020, EROFS, NVME_NOT_RUN, "namespace is write protected"},
    {0x021, EIO, NVME_FAILED, "command interrupted"},
    {0x022, EINTR, NVME_UNKNOWN, "transient transport error"},
    {0x023, EACCES, NVME_NOT_RUN, "prohibited by command and feature lockdown"},
    {0x080, EIO, NVME_NOT_RUN, "LBA out of range"},
    {0x081, ENOSPC, NVME_FAILED, "capacity exceeded"},
    {0x082, EBUSY, NVME_NOT_RUN, "namespace not ready"},
    {0x083, EBADE, NVME_NOT_RUN, "reservation conflict"},
    {0x084, EBUSY, NVME_NOT_RUN, "format in progress"},
    /* Command specific status. */
    {0x180, EINVAL, NVME_NOT_RUN, "conflicting attributes"},
    {0x181, EIO, NVME_NOT_RUN, "invalid protection information"},
    {0x182, EROFS, NVME_NOT_RUN, "attempted write to read only range"},
    {0x183, EINVAL, NVME_NOT_RUN, "command size limit exceeded"},
    /* Media and data integrity errors. */
    {0x280, EIO, NVME_FAILED, "write fault"},
    {0x281, EIO, NVME_FAILED, "unrecovered read error"},
    {0x282, EIO, NVME_FAILED, "guard check error"},
    {0x283, EIO, NVME_FAILED, "application tag check error"},
    {0x284, EIO, NVME_FAILED, "reference tag check error"},
    {0x285, EIO, NVME_FAILED, "compare failure"},
    {0x286, EACCES, NVME_NOT_RUN, "access denied"},
    {0x287, EIO, NVME_FAILED, "deallocated or unwritten logical block"},
    {0x288, EIO, NVME_FAILED, "storage tag check error"},
    /* Path related status: the command may have gone on by the path that broke. */
    {0x300, ENOLINK, NVME_UNKNOWN, "internal path error"},
    {0x301, ENOLINK, NVME_UNKNOWN, "asymmetric access persistent loss"},
    {0x302, ENOLINK, NVME_UNKNOWN, "asymmetric access inaccessible"},
    {0x303, ENOLINK, NVME_UNKNOWN, "asymmetric access transition"},
    {0x360, ENOLINK, NVME_UNKNOWN, "controller pathing error"},
    {0x370, ENOLINK, NVME_UNKNOWN, "host pathing error"},
    {0x371, EINTR, NVME_UNKNOWN, "command aborted by host"},
};

static const char *const types[8] = {
    "generic error",
    "command specific error",
    "media error",
    "path error",
    "reserved status type 4",
    "reserved status type 5",
    "reserved status type 6",
    "vendor specific error",
};

struct nvme_verdict nvme_verdict(uint32_t status)
{
    unsigned code = status & NVME_STATUS_CODE_MASK;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].code == code)
            return (struct nvme_verdict){-table[i].error, table[i].outcome, table[i].name};
    /* A path error that is not listed is still one: its command may be under way. */
    bool path = code >> 8 == 3;
    return (struct nvme_verdict){path ? -ENOLINK : -EIO, path ? NVME_UNKNOWN : NVME_FAILED,
                                 types[code >> 8]};
}

struct nvme_verdict nvme_verdict_of_errno(int error, bool multipath)
{
    switch (error) {
    case -EINVAL:
        if (multipath)
            return (struct nvme_verdict){-ENOLINK, NVME_UNKNOWN, "no path to the namespace"};
        return (struct nvme_verdict){error, NVME_NOT_RUN, "refused by the kernel as malformed"};
    case -EINTR: /* cancelled after a timeout, a reset or the loss of its path: it may have run */
        return (struct nvme_verdict){error, NVME_UNKNOWN, "cancelled by the kernel"};
    case -EAGAIN: /* no tag or no memory: never sent */
    case -ENOMEM:
        return (struct nvme_verdict){error, NVME_NOT_RUN, "no resources in the kernel"};
    case -ENODEV:
    case -ENXIO:
        return (struct nvme_verdict){-ENODEV, NVME_NOT_RUN, "the namespace is gone"};
    case -EACCES:
    case -EPERM:
        return (struct nvme_verdict){error, NVME_NOT_RUN, "refused for lack of rights"};
    case -EOPNOTSUPP:
    case -ENOTTY:
        return (struct nvme_verdict){error, NVME_NOT_RUN, "not supported by the kernel"};
    default:
        return (struct nvme_verdict){error, NVME_FAILED, "failed in the kernel"};
    }
}

bool nvme_may_retry(const struct nvme_verdict *verdict, uint32_t status, bool is_read)
{
    if (status & NVME_STATUS_DNR)
        return false;
    switch (verdict->error) {
    case -EBUSY: /* not ready, sanitize or format in progress */
    case -EAGAIN:
    case -ENOMEM:
        return verdict->outcome == NVME_NOT_RUN;
    case -EIO: /* of reads only: they change nothing, so it does not matter whether one ran */
    case -EINTR:
    case -ENOLINK:
        return is_read;
    default:
        return false;
    }
}

unsigned nvme_retry_delay_index(uint32_t status)
{
    return status >> NVME_STATUS_CRD_SHIFT & NVME_STATUS_CRD_MASK;
}
