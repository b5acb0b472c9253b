/* case_unlinked.c - files that have no name any more and are open. */
#include "tests/posix/fs.h"

#define THEME "unlinked"

CASE(reads_and_writes_go_on)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_unlink(f, "a");
    fs_fstat(f, h);
    fs_pread(f, h, 20, 0);
    fs_pwrite(f, h, 'b', 10000, 5);
    fs_pread(f, h, 20000, 0);
    fs_fsync(f, h);
    fs_fstat(f, h);
    fs_close(f, h);
    fs_stat(f, "a");
}

CASE(two_handles)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDWR, 0), g = fs_open(f, "a", O_RDONLY, 0);
    fs_unlink(f, "a");
    fs_close(f, h);
    fs_pread(f, g, 20, 0);
    fs_fstat(f, g);
}

CASE(new_file_of_the_name_is_another)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_unlink(f, "a");
    fs_make(f, "a", 'b', 5);
    fs_pread(f, h, 20, 0);
    fs_cat(f, "a");
    fs_pwrite(f, h, 'c', 3, 0);
    fs_cat(f, "a");
}

CASE(shape_changes_go_on)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_unlink(f, "a");
    fs_pwrite(f, h, 'a', 9000, 0);
    fs_ftruncate(f, h, 100);
    fs_pread(f, h, 200, 0);
    fs_fallocate(f, h, 0, 0, 20000);
    fs_fstat(f, h);
    fs_append(f, h, 'b', 10);
    fs_fstat(f, h);
}

CASE(attributes_can_be_set)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_unlink(f, "a");
    fs_fchmod(f, h, 0600);
    fs_fchown(f, h, -1, GID(ALICE));
    fs_futimens(f, h, (const struct timespec[2]){{.tv_sec = 1}, {.tv_sec = 2}});
    fs_fstat(f, h);
}

CASE(cannot_get_a_name_again)
{
    fs_make(f, "a", 'a', 3);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_unlink(f, "a");
    fs_link_handle(f, h, FS_HERE, "b");
    fs_list(f, ".");
}

CASE(second_name_stays)
{
    fs_make(f, "a", 'a', 3);
    fs_link(f, "a", "b");
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_unlink(f, "a");
    fs_fstat(f, h);
    fs_unlink(f, "b");
    fs_fstat(f, h);
    fs_pread(f, h, 10, 0);
}

CASE(replaced_by_rename)
{
    fs_make(f, "a", 'a', 3);
    fs_make(f, "b", 'b', 3);
    int h = fs_open(f, "b", O_RDWR, 0);
    fs_rename(f, "a", "b");
    fs_fstat(f, h);
    fs_pwrite(f, h, 'x', 5, 0);
    fs_pread(f, h, 10, 0);
    fs_cat(f, "b");
}

CASE(created_and_unlinked_at_once)
{
    for (int i = 0; i < 10; i++) {
        int h = fs_open(f, "a", O_CREAT | O_EXCL | O_RDWR, 0600);
        fs_unlink(f, "a");
        fs_pwrite(f, h, 'a', 100, 0);
        fs_close(f, h);
    }
    fs_list(f, ".");
}

CASE(exchanged_with_a_directory)
{
    fs_make(f, "a", 'a', 10);
    fs_mkdir(f, "d", 0755);
    fs_make(f, "d/x", 'x', 1);
    int h = fs_open(f, "a", O_RDWR, 0);
    int dir = fs_open(f, "d", O_RDONLY | O_DIRECTORY, 0);
    fs_rename2(f, "a", "d", 2);
    fs_pwrite(f, h, 'b', 20, 0);
    fs_cat(f, "d");
    fs_openat(f, dir, "x", O_RDONLY, 0);
    fs_list_handle(f, dir);
    fs_unlink(f, "d");
    fs_pread(f, h, 30, 0);
    fs_fstat(f, h);
    fs_rename(f, "a", "e");
    fs_stat(f, "e/x");
    fs_close(f, h);
    fs_list(f, ".");
}
