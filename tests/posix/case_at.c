/* case_at.c - the calls relative to a directory's handle, and those on a handle's own object. */
#include "tests/posix/fs.h"

#define THEME "at"

CASE(openat)
{
    fs_mkdir(f, "d", 0755);
    int d = fs_open(f, "d", O_RDONLY | O_DIRECTORY, 0);
    int h = fs_openat(f, d, "a", O_CREAT | O_RDWR, 0644);
    fs_pwrite(f, h, 'a', 5, 0);
    fs_cat(f, "d/a");
    fs_openat(f, d, "../d/a", O_RDONLY, 0);
    fs_openat(f, d, "/d/a", O_RDONLY, 0);
    fs_openat(f, d, "none", O_RDONLY, 0);
    fs_openat(f, d, "", O_RDONLY, 0);
    fs_openat(f, d, ".", O_RDONLY, 0);
    fs_openat(f, d, ".", O_TMPFILE | O_RDWR, 0644);
}

CASE(directory_moves_along)
{
    fs_mkdir(f, "d", 0755);
    int d = fs_open(f, "d", O_RDONLY, 0);
    fs_make(f, "d/a", 'a', 3);
    fs_mkdir(f, "p", 0755);
    fs_rename(f, "d", "p/e");
    fs_fstatat(f, d, "a", 0);
    fs_fstatat(f, d, "../../p/e/a", 0);
    fs_openat(f, d, "b", O_CREAT | O_RDWR, 0644);
    fs_list(f, "p/e");
}

CASE(handle_of_a_file)
{
    fs_make(f, "a", 'a', 3);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_openat(f, h, "x", O_CREAT | O_RDWR, 0644);
    fs_openat(f, h, "/a", O_RDONLY, 0);
    fs_fstatat(f, h, "x", 0);
    fs_fstatat(f, h, ".", 0);
    fs_mkdirat(f, h, "x", 0755);
    fs_unlinkat(f, h, "x", 0);
    fs_renameat(f, h, "x", FS_HERE, "y", 0);
    fs_renameat(f, FS_HERE, "a", h, "y", 0);
    fs_linkat(f, h, "x", FS_HERE, "y", 0);
    fs_linkat(f, FS_HERE, "a", h, "y", 0);
    fs_symlinkat(f, "x", h, "y");
    fs_readlinkat(f, h, "x", 100);
    fs_fchmodat(f, h, "x", 0644, 0);
    fs_fchownat(f, h, "x", -1, -1, 0);
    fs_utimensat(f, h, "x", NULL, 0);
}

CASE(closed_handle)
{
    int d = fs_open(f, ".", O_RDONLY, 0);
    fs_close(f, d);
    fs_make(f, "a", 'a', 1);
    fs_openat(f, d, "a", O_RDONLY, 0);
    fs_openat(f, d, "/a", O_RDONLY, 0);
    fs_fstatat(f, d, "a", 0);
    fs_mkdirat(f, d, "x", 0755);
    fs_unlinkat(f, d, "a", 0);
    fs_renameat(f, d, "a", FS_HERE, "y", 0);
    fs_renameat(f, FS_HERE, "a", d, "y", 0);
    fs_linkat(f, d, "a", FS_HERE, "y", 0);
    fs_linkat(f, FS_HERE, "a", d, "y", 0);
    fs_symlinkat(f, "x", d, "y");
    fs_readlinkat(f, d, "a", 100);
    fs_fchmodat(f, d, "a", 0644, 0);
    fs_fchownat(f, d, "a", -1, -1, 0);
    fs_utimensat(f, d, "a", NULL, 0);
    fs_list(f, ".");
}

CASE(names)
{
    fs_mkdir(f, "d", 0755);
    fs_mkdir(f, "e", 0755);
    int d = fs_open(f, "d", O_RDONLY, 0), e = fs_open(f, "e", O_RDONLY, 0);
    fs_mkdirat(f, d, "x", 0755);
    fs_openat(f, d, "a", O_CREAT | O_WRONLY, 0644);
    fs_symlinkat(f, "a", d, "s");
    fs_readlinkat(f, d, "s", 100);
    fs_linkat(f, d, "a", e, "b", 0);
    fs_linkat(f, d, "s", e, "t", 0);
    fs_linkat(f, d, "s", e, "u", AT_SYMLINK_FOLLOW);
    fs_renameat(f, d, "x", e, "y", 0);
    fs_renameat(f, e, "b", e, "c", 0);
    fs_list(f, "d");
    fs_list(f, "e");
    fs_unlinkat(f, e, "y", AT_REMOVEDIR);
    fs_unlinkat(f, e, "c", 0);
    fs_unlinkat(f, e, "c", AT_REMOVEDIR);
    fs_list(f, "e");
}

CASE(mixed_directories)
{
    fs_mkdir(f, "d", 0755);
    int d = fs_open(f, "d", O_RDONLY, 0);
    fs_make(f, "a", 'a', 1);
    fs_renameat(f, FS_HERE, "a", d, "a", 0);
    fs_renameat(f, d, "a", FS_HERE, "b", 0);
    fs_linkat(f, FS_HERE, "b", d, "c", 0);
    fs_linkat(f, d, "c", FS_HERE, "e", 0);
    fs_renameat(f, d, "/b", d, "/d/x", 0);
    fs_list(f, ".");
    fs_list(f, "d");
}

CASE(attributes)
{
    int d = fs_open(f, ".", O_RDONLY, 0);
    fs_make(f, "a", 'a', 1);
    fs_fchmodat(f, d, "a", 0600, 0);
    fs_fchownat(f, d, "a", -1, GID(ALICE), 0);
    fs_utimensat(f, d, "a", (const struct timespec[2]){{.tv_sec = 3}, {.tv_sec = 4}}, 0);
    fs_fstatat(f, d, "a", 0);
    fs_times(f, "a");
}

CASE(empty_path_of_a_file)
{
    fs_make(f, "a", 'a', 3);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fstatat(f, h, "", AT_EMPTY_PATH);
    fs_fchmodat(f, h, "", 0600, AT_EMPTY_PATH);
    fs_fchownat(f, h, "", -1, GID(ALICE), AT_EMPTY_PATH);
    fs_utimensat(f, h, "", (const struct timespec[2]){{.tv_sec = 3}, {.tv_sec = 4}}, AT_EMPTY_PATH);
    fs_fstatat(f, h, "", AT_EMPTY_PATH);
    fs_times(f, "a");
    fs_fstatat(f, h, "", 0);
    fs_fchmodat(f, h, "", 0600, 0);
    fs_fchownat(f, h, "", -1, -1, 0);
}

CASE(empty_path_of_a_directory)
{
    fs_mkdir(f, "d", 0755);
    int d = fs_open(f, "d", O_RDONLY, 0);
    fs_fstatat(f, d, "", AT_EMPTY_PATH);
    fs_fchmodat(f, d, "", 0700, AT_EMPTY_PATH);
    fs_fchownat(f, d, "", -1, GID(ALICE), AT_EMPTY_PATH);
    fs_fstatat(f, d, "", AT_EMPTY_PATH);
    fs_linkat(f, d, "", FS_HERE, "x", 0);
    fs_readlinkat(f, d, "", 100);
}

CASE(bad_flags)
{
    int d = fs_open(f, ".", O_RDONLY, 0);
    fs_make(f, "a", 'a', 1);
    fs_fstatat(f, d, "a", 0x40000000);
    fs_fchmodat(f, d, "a", 0600, 0x40000000);
    fs_fchownat(f, d, "a", -1, -1, 0x40000000);
    fs_utimensat(f, d, "a", NULL, 0x40000000);
    fs_linkat(f, d, "a", d, "b", 0x40000000);
    fs_unlinkat(f, d, "a", 0x40000000);
    fs_list(f, ".");
}

CASE(fchmod_and_friends)
{
    fs_make(f, "a", 'a', 1);
    int h = fs_open(f, "a", O_RDONLY, 0);
    fs_fchmod(f, h, 0640);
    fs_fchown(f, h, -1, GID(ALICE));
    fs_futimens(f, h, (const struct timespec[2]){{.tv_sec = 3}, {.tv_sec = 4}});
    fs_fstat(f, h);
    fs_times(f, "a");
    int d = fs_open(f, ".", O_RDONLY, 0);
    fs_fchmod(f, d, 0700);
    fs_futimens(f, d, (const struct timespec[2]){{.tv_sec = 5}, {.tv_sec = 6}});
    fs_stat(f, ".");
    fs_times(f, ".");
}

CASE(search_permission_of_the_handle)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "d/a", 'a', 1);
    int d = fs_open(f, "d", O_RDONLY, 0);
    fs_chmod(f, "d", 0400);
    fs_fstatat(f, d, "a", 0);
    fs_openat(f, d, "a", O_RDONLY, 0);
    fs_list_handle(f, d);
    fs_fstat(f, d);
    fs_chmod(f, "d", 0100);
    fs_fstatat(f, d, "a", 0);
    fs_list_handle(f, d);
}

CASE(nofollow)
{
    int d = fs_open(f, ".", O_RDONLY, 0);
    fs_symlink(f, "none", "s");
    fs_fstatat(f, d, "s", 0);
    fs_fstatat(f, d, "s", AT_SYMLINK_NOFOLLOW);
    fs_fchownat(f, d, "s", -1, GID(ALICE), AT_SYMLINK_NOFOLLOW);
    fs_fchownat(f, d, "s", -1, GID(ALICE), 0);
    fs_utimensat(f, d, "s", (const struct timespec[2]){{.tv_sec = 3}, {.tv_sec = 4}},
                 AT_SYMLINK_NOFOLLOW);
    fs_times(f, "s");
    fs_fchmodat(f, d, "s", 0600, AT_SYMLINK_NOFOLLOW);
}

MANY_USERS(handle_outlives_the_permission_of_its_path)
{
    fs_mkdir(f, "p", 0755);
    fs_mkdir(f, "p/d", 0755);
    fs_make(f, "p/d/a", 'a', 1);
    fs_become(f, EVE);
    int d = fs_open(f, "p/d", O_RDONLY, 0);
    fs_become(f, ALICE);
    fs_chmod(f, "p", 0700);
    fs_become(f, EVE);
    fs_fstatat(f, d, "a", 0);
    fs_stat(f, "p/d/a");
    fs_openat(f, d, "a", O_RDONLY, 0);
    fs_openat(f, d, "..", O_RDONLY, 0);
    fs_fstatat(f, d, "../d/a", 0);
}

MANY_USERS(foreign_handles_object)
{
    fs_make(f, "a", 'a', 1);
    fs_chmod(f, "a", 0666);
    fs_become(f, EVE);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fchmod(f, h, 0777);
    fs_fchown(f, h, UID(EVE), -1);
    fs_futimens(f, h, (const struct timespec[2]){{.tv_sec = 3}, {.tv_sec = 4}});
    fs_futimens(f, h, NULL);
    fs_fchmodat(f, h, "", 0777, AT_EMPTY_PATH);
    fs_become(f, ALICE);
    fs_chmod(f, "a", 0600);
    fs_become(f, EVE);
    fs_pread(f, h, 10, 0);
    fs_pwrite(f, h, 'e', 1, 0);
    fs_fstat(f, h);
}
