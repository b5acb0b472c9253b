#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tests/walk/walk.h"

#define EXT4_MAGIC 0xef53

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

int64_t host_result(int64_t rc)
{
    return rc < 0 ? -errno : rc;
}

/* Only the identity for file systems changes, and with it the kernel's privileges over files: the process
 * stays root, so that it can change again. */
static void become(uid_t uid, gid_t gid, uint32_t group_count, const gid_t *groups)
{
    setfsuid(0);
    if (setgroups(group_count, groups) < 0)
        give_up("setgroups: %s", strerror(errno));
    setfsgid(gid);
    setfsuid(uid);
}

void host_become(struct walk *w, const struct client *client)
{
    umask(client->umask);
    if (w->is_root)
        become(client->uid, client->gid, client->group_count, client->groups);
}

void host_become_root(struct walk *w)
{
    umask(0);
    if (w->is_root)
        become(0, 0, 0, NULL);
}

/* As root the root directory moves, so that absolute links and `..' mean the same on both sides. The
 * working directory stays outside: the server's socket is found from there. */
void host_enter(struct walk *w, const char *directory)
{
    struct statfs about;
    struct statvfs mount;
    if (statfs(directory, &about) < 0 || statvfs(directory, &mount) < 0)
        give_up("%s: %s", directory, strerror(errno));
    if (about.f_type != EXT4_MAGIC) {
        printf("%s is not on ext4\n", directory);
        exit(3);
    }
    w->checks_atime = mount.f_flag & ST_RELATIME;
    w->host_root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->host_root < 0 || fchmod(w->host_root, 0755) < 0)
        give_up("%s: %s", directory, strerror(errno));
    if (w->is_root && chroot(directory) < 0)
        give_up("chroot %s: %s", directory, strerror(errno));
}

/* libc's fchmodat looks into /proc, which is not in the chroot; the system call came with Linux 6.6. */
int64_t host_chmodat(int directory, const char *path, mode_t mode, int flags)
{
    if (!flags)
        return host_result(fchmodat(directory, path, mode, 0));
    int64_t rc = host_result(syscall(SYS_fchmodat2, directory, path, mode, flags));
    if (rc != -ENOSYS)
        return rc;
    struct stat st;
    if (flags & AT_EMPTY_PATH && !*path)
        return host_result(fchmod(directory, mode));
    if ((rc = host_result(fstatat(directory, path, &st, flags))) < 0)
        return rc;
    return S_ISLNK(st.st_mode) ? -EOPNOTSUPP : host_result(fchmodat(directory, path, mode, 0));
}

/* One privilege more than the client has, or back to its own. */
static void may_search_all(bool may)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, data) < 0)
        give_up("capget: %s", strerror(errno));
    uint32_t bit = 1u << CAP_DAC_READ_SEARCH;
    data[0].effective = may ? data[0].effective | bit : data[0].effective & ~bit;
    if (syscall(SYS_capset, &header, data) < 0)
        give_up("capset: %s", strerror(errno));
}

/* The privilege to link what has no name is also one to search any directory: so the client is asked first
 * whether it may come as far. */
int64_t host_link_handle(struct walk *w, int fd, int directory, const char *path)
{
    struct stat st;
    if (!w->is_root) {
        char from[64];
        snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
        return host_result(linkat(AT_FDCWD, from, directory, path, AT_SYMLINK_FOLLOW));
    }
    if (fstatat(directory, path, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == EACCES)
        return -EACCES;
    bool lacks_it = self(w)->uid != 0;
    if (lacks_it)
        may_search_all(true);
    int64_t rc = host_result(linkat(fd, "", directory, path, AT_EMPTY_PATH));
    if (lacks_it)
        may_search_all(false);
    return rc;
}
