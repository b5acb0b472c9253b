/*
 * set_format.c - makes a volume look as if a later version had made it:
 *
 *   set_format IMAGE VERSION
 *
 * Both superblocks get that format version and a good checksum, so that nothing but the version is wrong.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/volume/format.h"

/* Bit by bit: the library that the server uses is not linked here, and two blocks are soon done. */
static uint32_t crc32c(const unsigned char *bytes, size_t size_bytes)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < size_bytes; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0x82f63b78u & -(crc & 1));
    }
    return ~crc;
}

static int set_one(int fd, off_t offset, uint32_t version)
{
    struct superblock superblock;
    if (pread(fd, &superblock, sizeof superblock, offset) != sizeof superblock ||
        memcmp(superblock.magic, VOLUME_MAGIC, sizeof superblock.magic) != 0)
        return -1;
    size_t covered = offsetof(struct superblock, checksum);
    if (crc32c((unsigned char *)&superblock, covered) != superblock.checksum)
        return -1;
    superblock.format_version = version;
    superblock.checksum = crc32c((unsigned char *)&superblock, covered);
    return pwrite(fd, &superblock, sizeof superblock, offset) == sizeof superblock ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct stat status;
    int fd = argc == 3 ? open(argv[1], O_RDWR) : -1;

    if (fd < 0 || fstat(fd, &status) != 0)
        return 1;
    uint32_t version = (uint32_t)strtoul(argv[2], NULL, 10);
    if (set_one(fd, SUPERBLOCK_OFFSET, version) != 0 ||
        set_one(fd, status.st_size - (off_t)VOLUME_EDGE_BYTES, version) != 0) {
        fprintf(stderr, "%s: a superblock is not as expected\n", argv[1]);
        return 1;
    }
    return fsync(fd) != 0;
}
