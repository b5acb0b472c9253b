/*
 * known.c - where wt and the host may differ, and why. Everything else is a bug of one of them.
 *
 *   what                                  the sentence
 *   ------------------------------------  ---------------------------------------------------------------
 *   link of a foreign file that the      wt always does what Linux does with fs.protected_hardlinks on, which
 *   caller may not read and write        the host may have off. (here)
 *   linkat(AT_EMPTY_PATH) without         wt.h: "no privilege is needed: the handle is the session's own".
 *   privilege: ENOENT on the host         (host.c, host_link_handle)
 *   setuid and setgid bits of a file     POSIX, write(): they "may be cleared"; ext4 clears them when the writer
 *   that was written                     is not root. (here)
 *   fallocate with other modes            wt.h: "any other: -EOPNOTSUPP". (steps_space.c)
 *   SEEK_DATA, SEEK_HOLE                  wt.h: "Allocated and never written is a hole"; ext4 writes small
 *                                         such ranges as zeros. Checked against the model. (steps_space.c)
 *   st_blocks, st_blksize                 CONTRACT "st_blocks true": of wt's own blocks; checked against the
 *                                         model. wt.h: "st_blksize is 4096". (compare.c)
 *   st_size of directories, order of      Not said by POSIX. (compare.c, tree.c)
 *   readdir, "." and ".."                 wt.h: `"." and ".." are not among them'.
 *   anything in a sticky directory that  The host's fs.protected_symlinks, _regular and _fifos, as above. Where one
 *   others may write                     is on, no such directory is made. (choose.c)
 *   open(O_CREAT | O_NOFOLLOW) of a      Linux: the check for _fifos meets the link first. open(2): "If the trailing
 *   symlink in one: EACCES on the host   component is a symbolic link, then ... ELOOP." (here)
 *   a name over 255 bytes in a directory Two faults at once; either may be told. (here)
 *   that was removed, or with a slash
 *   after it where there is none: ENOENT
 *   or ENAMETOOLONG
 *   atime of a file that is newer than   CONTRACT "atime relatime": Linux compares with ctime too, wt with mtime.
 *   mtime and older than ctime           Not made here.
 *   chown to -1:-1                       Linux refuses it to others than the owner when the file is setuid, and takes
 *                                        setuid away. Not made here.
 *   setgid of a new file with x for its  CONTRACT "umask applied by libwt": the server sees no x where the umask
 *   group, in a foreign group            took it, and leaves setgid. Not made here.
 *   utimensat with UTIME_OMIT twice      Linux answers 0 without looking for the file. Not made here.
 *   read, write and append over 1 MiB     Not made here.
 *   handles after a restart of the        CONTRACT "unlinked-but-open files live to the last close, or a
 *   server                                crash of the server"; both sides close them. (main.c)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/walk/walk.h"

static bool protects_hardlinks;

static bool protects(const char *what)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/sys/fs/protected_%s", what);
    FILE *file = fopen(path, "re");
    int first = file ? fgetc(file) : EOF;
    if (file)
        fclose(file);
    return first != EOF && first != '0';
}

void known_prepare(struct walk *w)
{
    protects_hardlinks = protects("hardlinks");
    w->protects_sticky = protects("symlinks") || protects("regular") || protects("fifos");
}

bool known_foreign_link(struct walk *w, const struct place *existing, int flags)
{
    struct stat st;
    if (protects_hardlinks || self(w)->uid == 0)
        return false;
    int no_follow = flags & AT_EMPTY_PATH       ? AT_EMPTY_PATH
                    : flags & AT_SYMLINK_FOLLOW ? 0
                                                : AT_SYMLINK_NOFOLLOW;
    if (fstatat(existing->host_directory, existing->host_path, &st, no_follow) < 0 ||
        st.st_uid == self(w)->uid)
        return false;
    if (flags & AT_EMPTY_PATH || !S_ISREG(st.st_mode) || st.st_mode & S_ISUID ||
        (st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
        return true;
    /* faccessat would ask with the real identity. */
    int fd = openat(existing->host_directory, existing->host_path, O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd < 0;
}

bool known_kept_privilege(struct node *node, mode_t wt, mode_t host)
{
    if (wt == host) {
        node->is_rewritten = false;
        return true;
    }
    return node->is_rewritten &&
           (wt & ~(mode_t)(S_ISUID | S_ISGID)) == (host & ~(mode_t)(S_ISUID | S_ISGID)) &&
           (host & ~wt) == 0;
}

bool known_sticky_link(int flags, int64_t wt, int64_t host)
{
    return wt == -ELOOP && host == -EACCES && flags & O_CREAT && flags & O_NOFOLLOW;
}

bool known_long_name(int64_t wt, int64_t host)
{
    return (wt == -ENAMETOOLONG && host == -ENOENT) || (wt == -ENOENT && host == -ENAMETOOLONG);
}