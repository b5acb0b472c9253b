/* case_tmpfile.c - O_TMPFILE: a file without a name, and the name it gets later. */
#include "tests/posix/fs.h"

#define THEME "tmpfile"

CASE(is_a_file_without_a_name)
{
    int h = fs_open(f, ".", O_TMPFILE | O_RDWR, 0640);
    fs_fstat(f, h);
    fs_list(f, ".");
    fs_pwrite(f, h, 'a', 5000, 0);
    fs_pread(f, h, 6000, 0);
    fs_fstat(f, h);
    fs_close(f, h);
    fs_list(f, ".");
}

CASE(gets_a_name)
{
    int h = fs_open(f, ".", O_TMPFILE | O_RDWR, 0644);
    fs_pwrite(f, h, 'a', 10, 0);
    fs_link_handle(f, h, FS_HERE, "a");
    fs_fstat(f, h);
    fs_cat(f, "a");
    fs_close(f, h);
    fs_cat(f, "a");
    fs_list(f, ".");
}

CASE(gets_two_names)
{
    int h = fs_open(f, ".", O_TMPFILE | O_RDWR, 0644);
    fs_link_handle(f, h, FS_HERE, "a");
    fs_link_handle(f, h, FS_HERE, "b");
    fs_same(f, "a", "b");
    fs_stat(f, "a");
}

CASE(excl_never_gets_a_name)
{
    int h = fs_open(f, ".", O_TMPFILE | O_RDWR | O_EXCL, 0644);
    fs_link_handle(f, h, FS_HERE, "a");
    fs_list(f, ".");
}

CASE(needs_writing)
{
    fs_open(f, ".", O_TMPFILE | O_RDONLY, 0644);
    int h = fs_open(f, ".", O_TMPFILE | O_WRONLY, 0644);
    fs_pread(f, h, 1, 0);
}

CASE(of_a_file)
{
    fs_make(f, "a", 'a', 1);
    fs_open(f, "a", O_TMPFILE | O_RDWR, 0644);
    fs_open(f, "none", O_TMPFILE | O_RDWR, 0644);
}

CASE(with_creat)
{
    fs_open(f, ".", O_TMPFILE | O_RDWR | O_CREAT, 0644);
}

CASE(without_the_directory_flag)
{
    fs_open(f, ".", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, 0644);
}

CASE(in_a_directory_without_write)
{
    fs_mkdir(f, "d", 0555);
    fs_open(f, "d", O_TMPFILE | O_RDWR, 0644);
}

CASE(through_a_symlink)
{
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, "d", "s");
    int h = fs_open(f, "s", O_TMPFILE | O_RDWR, 0644);
    fs_link_handle(f, h, FS_HERE, "d/a");
    fs_list(f, "d");
}

CASE(name_in_another_directory)
{
    fs_mkdir(f, "d", 0755);
    fs_mkdir(f, "e", 0755);
    int h = fs_open(f, "d", O_TMPFILE | O_RDWR, 0644);
    fs_link_handle(f, h, FS_HERE, "e/a");
    fs_list(f, "e");
    fs_list(f, "d");
}

CASE(name_that_exists)
{
    fs_make(f, "a", 'a', 3);
    int h = fs_open(f, ".", O_TMPFILE | O_RDWR, 0644);
    fs_link_handle(f, h, FS_HERE, "a");
    fs_fstat(f, h);
    fs_cat(f, "a");
}

CASE(umask_is_applied)
{
    fs_umask(f, 077);
    int h = fs_open(f, ".", O_TMPFILE | O_RDWR, 0666);
    fs_fstat(f, h);
}

CASE(directory_can_be_removed_before)
{
    fs_mkdir(f, "d", 0755);
    int h = fs_open(f, "d", O_TMPFILE | O_RDWR, 0644);
    fs_rmdir(f, "d");
    fs_pwrite(f, h, 'a', 10, 0);
    fs_link_handle(f, h, FS_HERE, "a");
    fs_cat(f, "a");
}

CASE(name_then_unlink_then_name)
{
    int h = fs_open(f, ".", O_TMPFILE | O_RDWR, 0644);
    fs_link_handle(f, h, FS_HERE, "a");
    fs_unlink(f, "a");
    fs_fstat(f, h);
    fs_link_handle(f, h, FS_HERE, "b");
    fs_list(f, ".");
}

CASE(attributes_before_the_name)
{
    int h = fs_open(f, ".", O_TMPFILE | O_RDWR, 0644);
    fs_fchmod(f, h, 0600);
    fs_ftruncate(f, h, 1234);
    fs_futimens(f, h, (const struct timespec[2]){{.tv_sec = 5}, {.tv_sec = 7}});
    fs_link_handle(f, h, FS_HERE, "a");
    fs_stat(f, "a");
    fs_times(f, "a");
}
