/* case_links.c - hard links and unlink. */
#include "tests/posix/fs.h"

#define THEME "links"

/* wt goes by the rule that systems ship with; a kernel told otherwise has other answers. */
static bool links_are_protected(void)
{
    char value = 0;
    int fd = open("/proc/sys/fs/protected_hardlinks", O_RDONLY);
    if (fd >= 0 && read(fd, &value, 1) == 1) {
        close(fd);
        return value != '0';
    }
    return false;
}

CASE(two_names_of_one_file)
{
    fs_make(f, "a", 'a', 10);
    fs_link(f, "a", "b");
    fs_same(f, "a", "b");
    fs_stat(f, "a");
    int h = fs_open(f, "b", O_RDWR, 0);
    fs_pwrite(f, h, 'b', 4, 0);
    fs_cat(f, "a");
    fs_unlink(f, "a");
    fs_cat(f, "b");
    fs_stat(f, "b");
}

CASE(exists)
{
    fs_make(f, "a", 'a', 1);
    fs_make(f, "b", 'b', 1);
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, "none", "s");
    fs_link(f, "a", "b");
    fs_link(f, "a", "d");
    fs_link(f, "a", "s");
    fs_link(f, "a", "a");
    fs_link(f, "a", ".");
    fs_link(f, "a", "d/..");
    fs_stat(f, "a");
}

CASE(missing)
{
    fs_link(f, "none", "a");
    fs_make(f, "a", 'a', 1);
    fs_link(f, "a", "none/b");
    fs_list(f, ".");
}

CASE(of_a_directory)
{
    fs_mkdir(f, "d", 0755);
    fs_link(f, "d", "e");
    fs_link(f, ".", "e");
    fs_link(f, "d/.", "e");
    fs_list(f, ".");
}

CASE(across_directories)
{
    fs_mkdir(f, "d", 0755);
    fs_mkdir(f, "e", 0755);
    fs_make(f, "d/a", 'a', 3);
    fs_link(f, "d/a", "e/b");
    fs_same(f, "d/a", "e/b");
    fs_unlink(f, "d/a");
    fs_rmdir(f, "d");
    fs_cat(f, "e/b");
}

CASE(attributes_are_shared)
{
    fs_make(f, "a", 'a', 3);
    fs_link(f, "a", "b");
    fs_chmod(f, "a", 0600);
    fs_utimens(f, "b", (const struct timespec[2]){{.tv_sec = 1}, {.tv_sec = 2}});
    fs_stat(f, "b");
    fs_times(f, "a");
}

CASE(unlink_missing)
{
    fs_unlink(f, "none");
    fs_unlink(f, "none/a");
    fs_rmdir(f, "none");
}

CASE(unlink_of_a_directory)
{
    fs_mkdir(f, "d", 0755);
    fs_unlink(f, "d");
    fs_unlink(f, ".");
    fs_unlink(f, "..");
    fs_unlink(f, "d/.");
    fs_list(f, ".");
}

CASE(name_is_free_after_unlink)
{
    fs_make(f, "a", 'a', 3);
    fs_unlink(f, "a");
    fs_stat(f, "a");
    fs_mkdir(f, "a", 0755);
    fs_rmdir(f, "a");
    fs_make(f, "a", 'b', 2);
    fs_cat(f, "a");
}

CASE(unlink_with_a_bad_flag)
{
    fs_make(f, "a", 'a', 1);
    fs_unlinkat(f, FS_HERE, "a", 0x100);
    fs_unlinkat(f, FS_HERE, "a", AT_SYMLINK_FOLLOW);
    fs_stat(f, "a");
}

CASE(link_with_a_bad_flag)
{
    fs_make(f, "a", 'a', 1);
    fs_linkat(f, FS_HERE, "a", FS_HERE, "b", AT_SYMLINK_NOFOLLOW);
    fs_linkat(f, FS_HERE, "a", FS_HERE, "b", 0x40000);
    fs_list(f, ".");
}

CASE(many)
{
    char name[16] = "b0";
    fs_make(f, "a", 'a', 3);
    for (int i = 0; i < 60; i++) {
        name[1] = (char)('0' + i);
        if (f->side->linkat(f, FS_HERE, "a", FS_HERE, name, 0) < 0)
            fs_say(f, "link %d failed", i);
    }
    fs_stat(f, "a");
    for (int i = 0; i < 60; i += 2) {
        name[1] = (char)('0' + i);
        if (f->side->unlinkat(f, FS_HERE, name, 0) < 0)
            fs_say(f, "unlink %d failed", i);
    }
    fs_stat(f, "a");
}

MANY_USERS(a_foreign_file)
{
    if (!links_are_protected())
        fs_skip(f, "fs.protected_hardlinks is 0 here");
    fs_chmod(f, ".", 0777);
    fs_make(f, "cannot_write", 'a', 1);
    fs_make(f, "can", 'a', 1);
    fs_make(f, "set_uid", 'a', 1);
    fs_make(f, "set_gid", 'a', 1);
    fs_make(f, "set_gid_no_group_execute", 'a', 1);
    fs_symlink(f, "can", "symlink");
    fs_chmod(f, "can", 0666);
    fs_chmod(f, "set_uid", 04777);
    fs_chmod(f, "set_gid", 02777);
    fs_chmod(f, "set_gid_no_group_execute", 02767);
    fs_become(f, EVE);
    fs_link(f, "cannot_write", "a");
    fs_link(f, "can", "b");
    fs_link(f, "set_uid", "c");
    fs_link(f, "set_gid", "d");
    fs_link(f, "set_gid_no_group_execute", "e");
    fs_link(f, "symlink", "f");
    fs_mkdir(f, "gone", 0777);
    int gone = fs_open(f, "gone", O_RDONLY | O_DIRECTORY, 0);
    fs_rmdir(f, "gone");
    fs_linkat(f, FS_HERE, "cannot_write", gone, "a", 0);
    fs_become(f, ROOT);
    fs_link(f, "cannot_write", "g");
    fs_list(f, ".");
}
