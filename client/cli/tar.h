/*
 * tar.h - headers of tar streams: ustar with pax records in, those and the long names and large numbers of GNU
 * tar out. Pure, but for the descriptor that tar_read takes its bytes from.
 *
 * What is read comes from anywhere: every length is bounded, and a header that makes no sense is -EBADMSG.
 */
#ifndef WT_CLI_TAR_H
#define WT_CLI_TAR_H

#include <stdbool.h>
#include <sys/stat.h>

#define TAR_BLOCK      512u
#define TAR_PATH_BYTES 4096u
#define TAR_PAX_BYTES  (64u << 10) /* of the records before one entry; more: -EBADMSG */

enum tar_type {
    TAR_FILE = '0',
    TAR_LINK = '1',
    TAR_SYMLINK = '2',
    TAR_DIRECTORY = '5',
};

struct tar_entry {
    char type; /* enum tar_type, or another that is not known here */
    char path[TAR_PATH_BYTES], target[TAR_PATH_BYTES];
    struct stat status; /* mode (permissions), uid, gid, size, times */
};

/* Writes the entry's headers, pax records included; 0 or a negative errno. */
int tar_write(int fd, const struct tar_entry *entry);
/* The zeros after so many bytes of content. */
int tar_write_padding(int fd, off_t bytes);
int tar_write_end(int fd);

/* Reads to the next entry's content. 1; 0: the end of the archive; -EBADMSG, or what read(2) said. */
int tar_read(int fd, struct tar_entry *entry);
/* Reads past so many bytes of content, and past the padding of `size_bytes` of it. */
int tar_skip(int fd, off_t bytes, off_t size_bytes);

#endif
