/* case_open.c - the flags of open(2), each alone and with those it minds. */
#include "tests/posix/fs.h"

#define THEME "open"

CASE(missing)
{
    fs_open(f, "a", O_RDONLY, 0);
    fs_open(f, "a", O_WRONLY | O_TRUNC, 0);
    fs_open(f, "a", O_RDWR | O_EXCL, 0);
    fs_list(f, ".");
}

CASE(creat_makes_an_empty_file)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_fstat(f, h);
    fs_pread(f, h, 10, 0);
    fs_close(f, h);
    fs_stat(f, "a");
}

CASE(creat_of_an_existing_file_keeps_all)
{
    fs_make(f, "a", 'a', 10);
    fs_chmod(f, "a", 0600);
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0777);
    fs_fstat(f, h);
    fs_cat(f, "a");
}

CASE(excl_of_an_existing_file)
{
    fs_make(f, "a", 'a', 10);
    fs_open(f, "a", O_CREAT | O_EXCL | O_RDWR, 0644);
    fs_open(f, "a", O_CREAT | O_EXCL | O_RDWR | O_TRUNC, 0644);
    fs_cat(f, "a");
}

CASE(excl_of_a_directory)
{
    fs_mkdir(f, "d", 0755);
    fs_open(f, "d", O_CREAT | O_EXCL | O_RDWR, 0644);
    fs_open(f, "d", O_CREAT | O_EXCL | O_RDONLY, 0644);
}

CASE(excl_of_a_symlink_does_not_follow)
{
    fs_symlink(f, "nowhere", "s");
    fs_open(f, "s", O_CREAT | O_EXCL | O_RDWR, 0644);
    fs_list(f, ".");
}

CASE(creat_through_a_dangling_symlink)
{
    fs_symlink(f, "there", "s");
    int h = fs_open(f, "s", O_CREAT | O_RDWR, 0644);
    fs_pwrite(f, h, 'x', 3, 0);
    fs_list(f, ".");
    fs_cat(f, "there");
}

CASE(excl_without_creat_is_nothing)
{
    fs_make(f, "a", 'a', 3);
    int h = fs_open(f, "a", O_EXCL | O_RDWR, 0);
    fs_pread(f, h, 10, 0);
}

CASE(trunc)
{
    fs_make(f, "a", 'a', 10000);
    int h = fs_open(f, "a", O_WRONLY | O_TRUNC, 0);
    fs_fstat(f, h);
    fs_blocks(f, h);
    fs_cat(f, "a");
}

CASE(trunc_with_rdonly)
{
    fs_make(f, "a", 'a', 10);
    fs_open(f, "a", O_RDONLY | O_TRUNC, 0);
    fs_stat(f, "a");
}

CASE(trunc_without_permission)
{
    fs_make(f, "a", 'a', 10);
    fs_chmod(f, "a", 0444);
    fs_open(f, "a", O_RDONLY | O_TRUNC, 0);
    fs_open(f, "a", O_RDWR, 0);
    fs_cat(f, "a");
}

CASE(trunc_of_a_directory)
{
    fs_mkdir(f, "d", 0755);
    fs_open(f, "d", O_RDONLY | O_TRUNC, 0);
    fs_open(f, "d", O_WRONLY | O_TRUNC, 0);
    fs_open(f, "d", O_RDONLY | O_DIRECTORY | O_TRUNC, 0);
}

CASE(created_read_only_mode_is_written_by_its_creator)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0);
    fs_pwrite(f, h, 'a', 5, 0);
    fs_pread(f, h, 5, 0);
    fs_open(f, "a", O_RDONLY, 0);
    fs_stat(f, "a");
}

CASE(mode_bits_of_create)
{
    fs_open(f, "a", O_CREAT | O_WRONLY, 07777);
    fs_stat(f, "a");
    fs_open(f, "b", O_CREAT | O_WRONLY, 0177777);
    fs_stat(f, "b");
}

CASE(wronly_does_not_read)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_WRONLY, 0);
    fs_pread(f, h, 5, 0);
    fs_pwrite(f, h, 'b', 5, 0);
    fs_cat(f, "a");
}

CASE(rdonly_does_not_write)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDONLY, 0);
    fs_pwrite(f, h, 'b', 5, 0);
    fs_ftruncate(f, h, 0);
    fs_fsync(f, h);
    fs_cat(f, "a");
}

CASE(access_mode_three)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_ACCMODE, 0);
    fs_pread(f, h, 5, 0);
    fs_pwrite(f, h, 'b', 5, 0);
}

CASE(append_writes_at_the_end)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDWR | O_APPEND, 0);
    fs_pwrite(f, h, 'b', 5, 0);
    fs_pread(f, h, 100, 0);
    fs_pwrite(f, h, 'c', 5, 3);
    fs_cat(f, "a");
}

CASE(append_with_trunc)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_WRONLY | O_APPEND | O_TRUNC, 0);
    fs_pwrite(f, h, 'b', 5, 100);
    fs_cat(f, "a");
}

CASE(directory_flag)
{
    fs_make(f, "a", 'a', 1);
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, "d", "s");
    fs_symlink(f, "a", "t");
    fs_open(f, "a", O_RDONLY | O_DIRECTORY, 0);
    fs_open(f, "d", O_RDONLY | O_DIRECTORY, 0);
    fs_open(f, "s", O_RDONLY | O_DIRECTORY, 0);
    fs_open(f, "t", O_RDONLY | O_DIRECTORY, 0);
    fs_open(f, "none", O_RDONLY | O_DIRECTORY, 0);
}

CASE(directory_flag_with_writing)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "a", 'a', 1);
    fs_open(f, "d", O_RDWR | O_DIRECTORY, 0);
    fs_open(f, "a", O_RDWR | O_DIRECTORY, 0);
}

CASE(directory_flag_with_creat)
{
    fs_mkdir(f, "d", 0755);
    fs_open(f, "new", O_RDONLY | O_DIRECTORY | O_CREAT, 0755);
    fs_open(f, "d", O_RDONLY | O_DIRECTORY | O_CREAT, 0755);
    fs_list(f, ".");
}

CASE(directory_opens_only_for_reading)
{
    fs_mkdir(f, "d", 0755);
    int h = fs_open(f, "d", O_RDONLY, 0);
    fs_fstat(f, h);
    fs_fsync(f, h);
    fs_open(f, "d", O_WRONLY, 0);
    fs_open(f, "d", O_RDWR, 0);
    fs_open(f, "d", O_CREAT | O_RDONLY, 0644);
    fs_open(f, "d", O_CREAT | O_WRONLY, 0644);
}

CASE(directory_handle_is_no_file)
{
    fs_mkdir(f, "d", 0755);
    int h = fs_open(f, "d", O_RDONLY, 0);
    fs_pread(f, h, 10, 0);
    fs_pwrite(f, h, 'a', 10, 0);
    fs_append(f, h, 'a', 10);
    fs_ftruncate(f, h, 10);
    fs_fallocate(f, h, 0, 0, 10);
    fs_fdatasync(f, h);
}

CASE(nofollow)
{
    fs_make(f, "a", 'a', 1);
    fs_symlink(f, "a", "s");
    fs_symlink(f, "none", "t");
    fs_open(f, "s", O_RDONLY | O_NOFOLLOW, 0);
    fs_open(f, "t", O_RDONLY | O_NOFOLLOW, 0);
    fs_open(f, "t", O_RDWR | O_CREAT | O_NOFOLLOW, 0644);
    fs_open(f, "a", O_RDONLY | O_NOFOLLOW, 0);
    fs_list(f, ".");
}

CASE(nofollow_of_a_directory)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "d/a", 'a', 1);
    fs_symlink(f, "d", "s");
    fs_open(f, "s", O_RDONLY | O_NOFOLLOW | O_DIRECTORY, 0);
    fs_open(f, "s/a", O_RDONLY | O_NOFOLLOW, 0);
    fs_open(f, "s/", O_RDONLY | O_NOFOLLOW, 0);
}

CASE(flags_that_mean_nothing)
{
    fs_make(f, "a", 'a', 1);
    int h = fs_open(f, "a", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
    fs_pread(f, h, 4, 0);
}

CASE(sync_flags)
{
    int h = fs_open(f, "a", O_RDWR | O_CREAT | O_SYNC, 0644);
    fs_pwrite(f, h, 'a', 5000, 0);
    int g = fs_open(f, "a", O_RDWR | O_DSYNC, 0);
    fs_pwrite(f, g, 'b', 10, 4090);
    fs_pread(f, h, 6000, 0);
}

CASE(o_path)
{
    fs_make(f, "a", 'a', 1);
    fs_open(f, "a", O_PATH, 0);
}

CASE(direct_aligned)
{
    fs_make(f, "a", 'a', 4096);
    int h = fs_open(f, "a", O_RDWR | O_DIRECT, 0);
    fs_pread(f, h, 4096, 0);
    fs_pwrite(f, h, 'b', 4096, 4096);
    fs_pread(f, h, 8192, 0);
    fs_pread(f, h, 8192, 4096);
    fs_cat(f, "a");
}

CASE(direct_unaligned)
{
    fs_make(f, "a", 'a', 4096);
    int h = fs_open(f, "a", O_RDWR | O_DIRECT, 0);
    fs_pwrite(f, h, 'b', 100, 50);
    fs_pread(f, h, 100, 10);
}

CASE(noatime_of_an_own_file)
{
    fs_make(f, "a", 'a', 1);
    int h = fs_open(f, "a", O_RDONLY | O_NOATIME, 0);
    fs_pread(f, h, 1, 0);
}

MANY_USERS(noatime_of_a_foreign_file)
{
    fs_make(f, "a", 'a', 1);
    fs_chmod(f, "a", 0666);
    fs_become(f, EVE);
    fs_open(f, "a", O_RDONLY | O_NOATIME, 0);
    fs_open(f, "a", O_RDONLY, 0);
}

CASE(unknown_flag)
{
    fs_make(f, "a", 'a', 1);
    int h = fs_open(f, "a", O_RDONLY | O_ASYNC, 0);
    fs_pread(f, h, 1, 0);
}

CASE(two_handles_see_each_other)
{
    int a = fs_open(f, "a", O_CREAT | O_RDWR, 0644), b = fs_open(f, "a", O_RDWR, 0);
    fs_pwrite(f, a, 'a', 10, 0);
    fs_pread(f, b, 20, 0);
    fs_ftruncate(f, b, 4);
    fs_pread(f, a, 20, 0);
    fs_close(f, a);
    fs_pwrite(f, b, 'b', 10, 2);
    fs_cat(f, "a");
}

CASE(closed_handle)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_close(f, h);
    fs_close(f, h);
    fs_pread(f, h, 1, 0);
    fs_pwrite(f, h, 'a', 1, 0);
    fs_append(f, h, 'a', 1);
    fs_fstat(f, h);
    fs_fsync(f, h);
    fs_fdatasync(f, h);
    fs_ftruncate(f, h, 0);
    fs_fallocate(f, h, 0, 0, 1);
    fs_seek(f, h, 0, SEEK_DATA);
    fs_fchmod(f, h, 0600);
    fs_fchown(f, h, -1, -1);
    fs_futimens(f, h, NULL);
    fs_list_handle(f, h);
    fs_openat(f, h, "x", O_CREAT | O_RDWR, 0644);
}

CASE(missing_parent)
{
    fs_open(f, "d/a", O_CREAT | O_RDWR, 0644);
    fs_make(f, "a", 'a', 1);
    fs_open(f, "a/b", O_CREAT | O_RDWR, 0644);
    fs_open(f, "a/b", O_RDONLY, 0);
}

CASE(creat_with_a_trailing_slash)
{
    fs_open(f, "a/", O_CREAT | O_RDWR, 0644);
    fs_open(f, "a/", O_CREAT | O_EXCL | O_RDWR, 0644);
    fs_make(f, "b", 'b', 1);
    fs_open(f, "b/", O_CREAT | O_RDWR, 0644);
    fs_open(f, "b/", O_RDONLY, 0);
    fs_mkdir(f, "d", 0755);
    fs_open(f, "d/", O_CREAT | O_RDWR, 0644);
    fs_open(f, "d/", O_RDONLY, 0);
    fs_list(f, ".");
}

CASE(creat_of_dot)
{
    fs_open(f, ".", O_CREAT | O_RDWR, 0644);
    fs_open(f, ".", O_CREAT | O_EXCL | O_RDWR, 0644);
    fs_open(f, "..", O_CREAT | O_RDONLY, 0644);
    fs_open(f, ".", O_RDONLY, 0);
}

CASE(many_handles_of_one_file)
{
    int h = 0;
    fs_make(f, "a", 'a', 5);
    for (int i = 0; i < 50; i++)
        h = fs_open(f, "a", O_RDONLY, 0);
    fs_pread(f, h, 10, 0);
}

CASE(reading_stays_allowed_after_chmod)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_pwrite(f, h, 'a', 5, 0);
    fs_chmod(f, "a", 0);
    fs_pread(f, h, 10, 0);
    fs_pwrite(f, h, 'b', 2, 0);
    fs_ftruncate(f, h, 3);
    fs_open(f, "a", O_RDONLY, 0);
}

CASE(flags_come_before_the_handle)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDONLY, 0);
    fs_openat(f, h, "b", O_TMPFILE | O_RDONLY, 0600);
    fs_openat(f, h, "b", O_TMPFILE | O_EXCL | O_RDONLY, 0600);
    fs_openat(f, h, "b", O_TMPFILE | O_CREAT | O_RDWR, 0600);
    fs_openat(f, h, "b", O_CREAT | O_DIRECTORY, 0600);
    fs_openat(f, h, "", O_CREAT | O_DIRECTORY, 0600);
    fs_openat(f, h, "b", O_TMPFILE | O_RDWR, 0600);
}
