/* case_times.c - which of atime, mtime and ctime an operation moves, and setting them. */
#include "tests/posix/fs.h"

#define THEME "times"

static const struct timespec old[2] = {{.tv_sec = 1000000000, .tv_nsec = 123456789},
                                       {.tv_sec = 1000000001, .tv_nsec = 987654321}};

CASE(set_to_the_nanosecond)
{
    fs_make(f, "a", 'a', 1);
    fs_utimens(f, "a", old);
    fs_times(f, "a");
    int h = fs_open(f, "a", O_RDONLY, 0);
    fs_futimens(f, h, (const struct timespec[2]){{.tv_sec = 5, .tv_nsec = 1}, {.tv_sec = 6}});
    fs_times(f, "a");
}

CASE(far_times)
{
    fs_make(f, "a", 'a', 1);
    fs_utimens(f, "a", (const struct timespec[2]){{.tv_sec = 0}, {.tv_sec = 4294967296}});
    fs_times(f, "a");
    fs_utimens(f, "a", (const struct timespec[2]){{.tv_sec = -1}, {.tv_sec = -1000000000}});
    fs_times(f, "a");
}

CASE(beyond_ext4)
{
    fs_make(f, "a", 'a', 1);
    fs_utimens(f, "a", old);
    fs_utimens(f, "a", (const struct timespec[2]){{.tv_sec = 1ll << 40}, {.tv_sec = -(1ll << 40)}});
    fs_times(f, "a");
}

CASE(bad_nanoseconds)
{
    fs_make(f, "a", 'a', 1);
    fs_utimens(f, "a", old);
    fs_utimens(f, "a", (const struct timespec[2]){{.tv_nsec = 1000000000}, {.tv_sec = 1}});
    fs_utimens(f, "a", (const struct timespec[2]){{.tv_nsec = -1}, {.tv_sec = 1}});
    fs_utimens(f, "a", (const struct timespec[2]){{.tv_sec = 1}, {.tv_nsec = 2000000000}});
    fs_times(f, "a");
}

CASE(omit)
{
    fs_make(f, "a", 'a', 1);
    fs_utimens(f, "a", old);
    fs_utimens(f, "a", (const struct timespec[2]){{.tv_nsec = UTIME_OMIT}, {.tv_sec = 7}});
    fs_times(f, "a");
    fs_utimens(f, "a", (const struct timespec[2]){{.tv_sec = 8}, {.tv_nsec = UTIME_OMIT}});
    fs_times(f, "a");
    fs_mark(f, 0, "a");
    fs_utimens(f, "a",
               (const struct timespec[2]){{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}});
    fs_moved(f, 0, "a");
    fs_utimens(f, "none",
               (const struct timespec[2]){{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}});
}

CASE(now)
{
    fs_make(f, "a", 'a', 1);
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_utimens(f, "a", NULL);
    fs_moved(f, 0, "a");
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_utimens(f, "a", (const struct timespec[2]){{.tv_nsec = UTIME_NOW}, {.tv_sec = 9}});
    fs_moved(f, 0, "a");
}

CASE(setting_moves_ctime)
{
    fs_make(f, "a", 'a', 1);
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_utimens(f, "a", old);
    fs_moved(f, 0, "a");
}

MANY_USERS(who_may_set)
{
    fs_make(f, "a", 'a', 1);
    fs_utimens(f, "a", old);
    fs_chmod(f, "a", 0666);
    fs_become(f, EVE);
    fs_utimens(f, "a", old);
    fs_utimens(f, "a", (const struct timespec[2]){{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}});
    fs_utimens(f, "a",
               (const struct timespec[2]){{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}});
    fs_utimens(f, "a", NULL);
    fs_utimens(f, "a", (const struct timespec[2]){{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}});
    fs_become(f, ALICE);
    fs_chmod(f, "a", 0644);
    fs_become(f, EVE);
    fs_utimens(f, "a", NULL);
    fs_utimens(f, "a",
               (const struct timespec[2]){{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}});
    fs_become(f, ALICE);
    fs_chmod(f, "a", 0);
    fs_utimens(f, "a", NULL);
    fs_utimens(f, "a", old);
    fs_times(f, "a");
}

CASE(create)
{
    fs_utimens(f, ".", old);
    fs_mark(f, 0, ".");
    fs_make(f, "a", 'a', 0);
    fs_moved(f, 0, ".");
    struct stat st = {0};
    f->side->fstatat(f, FS_HERE, "a", &st, 0);
    fs_say(f, "all equal %d",
           st.st_mtim.tv_sec == st.st_ctim.tv_sec && st.st_mtim.tv_nsec == st.st_ctim.tv_nsec &&
               st.st_atim.tv_sec == st.st_mtim.tv_sec && st.st_atim.tv_nsec == st.st_mtim.tv_nsec);
    fs_utimens(f, ".", old);
    fs_mark(f, 0, ".");
    fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_moved(f, 0, ".");
}

CASE(write)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_pwrite(f, h, 'a', 10, 0);
    fs_moved(f, 0, "a");
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_pwrite(f, h, 'b', 10, 0);
    fs_moved(f, 0, "a");
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_pwrite(f, h, 'b', 0, 0);
    fs_moved(f, 0, "a");
    fs_append(f, h, 'c', 5);
    fs_moved(f, 0, "a");
}

CASE(read_is_relatime)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDONLY, 0);
    /* atime before mtime: moved. */
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_pread(f, h, 5, 0);
    fs_moved(f, 0, "a");
    /* Fresh: not moved again. */
    fs_mark(f, 0, "a");
    fs_pread(f, h, 5, 0);
    fs_moved(f, 0, "a");
    /* A write makes it older than mtime once more. */
    int w = fs_open(f, "a", O_WRONLY, 0);
    fs_pwrite(f, w, 'b', 5, 0);
    fs_mark(f, 0, "a");
    fs_pread(f, h, 5, 0);
    fs_moved(f, 0, "a");
    fs_mark(f, 0, "a");
    fs_pread(f, h, 5, 0);
    fs_moved(f, 0, "a");
}

CASE(read_after_a_change_of_mode)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDONLY, 0);
    fs_pread(f, h, 5, 0);
    fs_mark(f, 0, "a");
    fs_chmod(f, "a", 0600);
    fs_mark(f, 0, "a");
    fs_pread(f, h, 5, 0);
    fs_moved(f, 0, "a");
}

CASE(read_of_an_old_atime)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDONLY, 0);
    /* atime after mtime, and older than a day. */
    fs_utimens(f, "a", (const struct timespec[2]){{.tv_sec = 1000000005}, {.tv_sec = 1000000001}});
    fs_mark(f, 0, "a");
    fs_pread(f, h, 5, 0);
    fs_moved(f, 0, "a");
}

CASE(read_of_nothing)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDONLY, 0);
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_pread(f, h, 0, 0);
    fs_moved(f, 0, "a");
    fs_mark(f, 0, "a");
    fs_pread(f, h, 5, 100);
    fs_moved(f, 0, "a");
}

CASE(noatime)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDONLY | O_NOATIME, 0);
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_pread(f, h, 5, 0);
    fs_moved(f, 0, "a");
}

CASE(list_is_relatime)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "d/x", 'x', 1);
    fs_utimens(f, "d", old);
    fs_mark(f, 0, "d");
    fs_list(f, "d");
    fs_moved(f, 0, "d");
    fs_mark(f, 0, "d");
    fs_list(f, "d");
    fs_moved(f, 0, "d");
    /* A new name makes it older than mtime, a new mode older than ctime. */
    fs_make(f, "d/y", 'y', 1);
    fs_mark(f, 0, "d");
    fs_list(f, "d");
    fs_moved(f, 0, "d");
    fs_chmod(f, "d", 0700);
    fs_mark(f, 0, "d");
    fs_list(f, "d");
    fs_moved(f, 0, "d");
    int h = fs_open(f, "d", O_RDONLY | O_DIRECTORY | O_NOATIME, 0);
    fs_utimens(f, "d", old);
    fs_mark(f, 0, "d");
    fs_list_handle(f, h);
    fs_moved(f, 0, "d");
    fs_make(f, "d/z", 'z', 1);
    fs_stat(f, "d/x");
    fs_moved(f, 0, "d");
}

CASE(readlink_is_relatime)
{
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, "d", "s");
    fs_utimensat(f, FS_HERE, "s", old, AT_SYMLINK_NOFOLLOW);
    fs_mark(f, 0, "s");
    fs_lstat(f, "s");
    fs_moved(f, 0, "s");
    fs_readlink(f, "s");
    fs_moved(f, 0, "s");
    fs_mark(f, 0, "s");
    fs_readlink(f, "s");
    fs_moved(f, 0, "s");
    fs_link(f, "s", "t");
    fs_mark(f, 0, "s");
    fs_readlink(f, "t");
    fs_moved(f, 0, "s");
}

CASE(following_a_symlink)
{
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, "d", "s");
    fs_symlink(f, "s/none", "t");
    fs_symlink(f, "loop", "loop");
    const char *const links[] = {"s", "t", "loop"};
    for (unsigned i = 0; i < 3; i++) {
        fs_utimensat(f, FS_HERE, links[i], old, AT_SYMLINK_NOFOLLOW);
        fs_mark(f, i, links[i]);
    }
    fs_mkdir(f, "s", 0755);
    fs_moved(f, 0, "s");
    fs_stat(f, "t");
    fs_moved(f, 0, "s");
    fs_moved(f, 1, "t");
    fs_stat(f, "loop");
    fs_moved(f, 2, "loop");
    fs_mark(f, 0, "s");
    fs_stat(f, "s/");
    fs_moved(f, 0, "s");
}

CASE(looking_moves_nothing)
{
    fs_make(f, "a", 'a', 10);
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_stat(f, "a");
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fsync(f, h);
    fs_seek(f, h, 0, SEEK_DATA);
    fs_close(f, h);
    fs_moved(f, 0, "a");
}

CASE(truncate)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_ftruncate(f, h, 5);
    fs_moved(f, 0, "a");
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_ftruncate(f, h, 5);
    fs_moved(f, 0, "a");
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_open(f, "a", O_RDWR | O_TRUNC, 0);
    fs_moved(f, 0, "a");
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_open(f, "a", O_RDWR | O_TRUNC, 0);
    fs_moved(f, 0, "a");
}

CASE(fallocate)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_fallocate(f, h, 0, 0, 8192);
    fs_moved(f, 0, "a");
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_fallocate(f, h, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
    fs_moved(f, 0, "a");
}

CASE(chmod)
{
    fs_make(f, "a", 'a', 10);
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_chmod(f, "a", 0600);
    fs_moved(f, 0, "a");
    fs_mark(f, 0, "a");
    fs_chmod(f, "a", 0600);
    fs_moved(f, 0, "a");
}

CASE(chown)
{
    fs_make(f, "a", 'a', 10);
    fs_utimens(f, "a", old);
    fs_mark(f, 0, "a");
    fs_chown(f, "a", UID(ALICE), GID(ALICE));
    fs_moved(f, 0, "a");
    fs_mark(f, 0, "a");
    fs_chown(f, "a", -1, -1);
    fs_moved(f, 0, "a");
}

CASE(link_and_unlink)
{
    fs_make(f, "a", 'a', 10);
    fs_mkdir(f, "d", 0755);
    fs_utimens(f, "a", old);
    fs_utimens(f, "d", old);
    fs_utimens(f, ".", old);
    fs_mark(f, 0, "a");
    fs_mark(f, 1, "d");
    fs_mark(f, 2, ".");
    fs_link(f, "a", "d/b");
    fs_moved(f, 0, "a");
    fs_moved(f, 1, "d");
    fs_moved(f, 2, ".");
    fs_utimens(f, "a", old);
    fs_utimens(f, "d", old);
    fs_mark(f, 0, "a");
    fs_mark(f, 1, "d");
    fs_unlink(f, "d/b");
    fs_moved(f, 0, "a");
    fs_moved(f, 1, "d");
}

CASE(rename)
{
    fs_make(f, "a", 'a', 10);
    fs_mkdir(f, "d", 0755);
    fs_utimens(f, "a", old);
    fs_utimens(f, "d", old);
    fs_utimens(f, ".", old);
    fs_mark(f, 0, "a");
    fs_mark(f, 1, "d");
    fs_mark(f, 2, ".");
    fs_rename(f, "a", "d/a");
    fs_moved(f, 0, "d/a");
    fs_moved(f, 1, "d");
    fs_moved(f, 2, ".");
}

CASE(rename_over)
{
    fs_make(f, "a", 'a', 10);
    fs_make(f, "b", 'b', 10);
    fs_link(f, "b", "c");
    fs_utimens(f, "a", old);
    fs_utimens(f, "b", old);
    fs_mark(f, 0, "a");
    fs_mark(f, 1, "c");
    fs_rename(f, "a", "b");
    fs_moved(f, 0, "b");
    fs_moved(f, 1, "c");
}

CASE(rename_exchange)
{
    fs_make(f, "a", 'a', 10);
    fs_mkdir(f, "d", 0755);
    fs_make(f, "d/b", 'b', 10);
    fs_mark(f, 0, "a");
    fs_mark(f, 1, "d/b");
    fs_mark(f, 2, "d");
    fs_rename2(f, "a", "d/b", 2);
    fs_moved(f, 0, "d/b");
    fs_moved(f, 1, "a");
    fs_moved(f, 2, "d");
}

CASE(rename_to_itself)
{
    fs_make(f, "a", 'a', 10);
    fs_mark(f, 0, "a");
    fs_mark(f, 1, ".");
    fs_rename(f, "a", "a");
    fs_moved(f, 0, "a");
    fs_moved(f, 1, ".");
}

CASE(mkdir_and_rmdir)
{
    fs_utimens(f, ".", old);
    fs_mark(f, 0, ".");
    fs_mkdir(f, "d", 0755);
    fs_moved(f, 0, ".");
    fs_utimens(f, ".", old);
    fs_mark(f, 0, ".");
    fs_rmdir(f, "d");
    fs_moved(f, 0, ".");
}

CASE(symlink)
{
    fs_utimens(f, ".", old);
    fs_mark(f, 0, ".");
    fs_symlink(f, "x", "s");
    fs_moved(f, 0, ".");
}

CASE(failed_operations_move_nothing)
{
    fs_make(f, "a", 'a', 10);
    fs_mkdir(f, "d", 0755);
    fs_make(f, "d/x", 'x', 1);
    fs_mark(f, 0, "a");
    fs_mark(f, 1, ".");
    fs_open(f, "a", O_CREAT | O_EXCL | O_RDWR, 0644);
    fs_mkdir(f, "a", 0755);
    fs_link(f, "a", "d");
    fs_rename(f, "a", "d");
    fs_rmdir(f, "d");
    fs_unlink(f, "none");
    fs_moved(f, 0, "a");
    fs_moved(f, 1, ".");
}

CASE(parent_is_not_moved_by_what_happens_inside_a_file)
{
    fs_make(f, "a", 'a', 10);
    fs_mark(f, 0, ".");
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_pwrite(f, h, 'b', 100, 0);
    fs_ftruncate(f, h, 5);
    fs_chmod(f, "a", 0600);
    fs_moved(f, 0, ".");
}
