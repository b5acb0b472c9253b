/* write_protect.c - sets the namespace write protection of a node: write_protect NODE 0|1 (NVMe Base 2.0, 5.27.1.29). */
#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define SET_FEATURES          0x09u
#define FEATURE_WRITE_PROTECT 0x84u

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int fd = open(argv[1], O_RDWR | O_CLOEXEC);
    int nsid = fd < 0 ? -1 : ioctl(fd, NVME_IOCTL_ID);
    struct nvme_admin_cmd command = {.opcode = SET_FEATURES,
                                     .nsid = (unsigned)nsid,
                                     .cdw10 = FEATURE_WRITE_PROTECT,
                                     .cdw11 = (unsigned)strtoul(argv[2], NULL, 10)};
    int result = nsid < 0 ? -1 : ioctl(fd, NVME_IOCTL_ADMIN_CMD, &command);
    if (result)
        fprintf(stderr, "write_protect: %s: %s (status %#x)\n", argv[1],
                result < 0 ? strerror(errno) : "refused", result < 0 ? 0u : (unsigned)result);
    return result != 0;
}
