/* case_symlinks.c - symbolic links: made, read, followed or not, and their loops. */
#include <stdio.h>
#include <string.h>

#include "tests/posix/fs.h"

#define THEME "symlinks"

CASE(make_and_read)
{
    fs_symlink(f, "target", "s");
    fs_readlink(f, "s");
    fs_lstat(f, "s");
    fs_stat(f, "s");
    fs_list(f, ".");
}

CASE(size_is_the_length_of_the_target)
{
    struct stat st = {0};
    fs_symlink(f, "12345", "s");
    f->side->fstatat(f, FS_HERE, "s", &st, AT_SYMLINK_NOFOLLOW);
    fs_say(f, "size %lld", (long long)st.st_size);
}

CASE(exists)
{
    fs_make(f, "a", 'a', 1);
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, "x", "a");
    fs_symlink(f, "x", "d");
    fs_symlink(f, "x", "s");
    fs_symlink(f, "y", "s");
    fs_readlink(f, "s");
    fs_symlink(f, "x", ".");
    fs_symlink(f, "x", "d/..");
}

CASE(readlink_of_others)
{
    fs_make(f, "a", 'a', 1);
    fs_mkdir(f, "d", 0755);
    fs_readlink(f, "a");
    fs_readlink(f, "d");
    fs_readlink(f, "none");
    fs_readlink(f, ".");
}

CASE(readlink_is_cut)
{
    fs_symlink(f, "0123456789", "s");
    fs_readlinkat(f, FS_HERE, "s", 4);
    fs_readlinkat(f, FS_HERE, "s", 10);
    fs_readlinkat(f, FS_HERE, "s", 1);
    fs_readlinkat(f, FS_HERE, "s", 0);
}

CASE(target_of_4095_bytes)
{
    char target[8192];
    memset(target, 't', sizeof(target));
    target[4095] = 0;
    fs_symlink(f, target, "s");
    fs_readlink(f, "s");
    fs_stat(f, "s");
}

CASE(target_of_4096_bytes)
{
    char target[8192];
    memset(target, 't', sizeof(target));
    target[4096] = 0;
    fs_symlink(f, target, "s");
    target[4096] = 't';
    target[5000] = 0;
    fs_symlink(f, target, "s");
    fs_list(f, ".");
}

CASE(longer_targets)
{
    static const int lengths[] = {1, 59, 60, 61, 255, 256, 1000, 2000};
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        char target[4096], name[16];
        memset(target, 't', sizeof(target));
        target[lengths[i]] = 0;
        sprintf(name, "s%d", lengths[i]);
        fs_symlink(f, target, name);
        fs_readlink(f, name);
    }
}

CASE(relative_to_the_link)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "d/a", 'a', 3);
    fs_symlink(f, "a", "d/s");
    fs_symlink(f, "../d/a", "d/t");
    fs_symlink(f, "d/a", "u");
    fs_cat(f, "d/s");
    fs_cat(f, "d/t");
    fs_cat(f, "u");
    fs_rename(f, "d/s", "s");
    fs_cat(f, "s");
}

CASE(absolute_target)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "a", 'a', 3);
    fs_symlink(f, "/a", "d/s");
    fs_cat(f, "d/s");
    fs_readlink(f, "d/s");
    fs_symlink(f, "/d", "e");
    fs_stat(f, "e/s");
}

CASE(in_the_middle)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "d/a", 'a', 3);
    fs_symlink(f, "d", "s");
    fs_cat(f, "s/a");
    fs_mkdir(f, "s/e", 0755);
    fs_rename(f, "s/a", "s/b");
    fs_list(f, "d");
    fs_list(f, "s");
    fs_stat(f, "s/../d");
    fs_unlink(f, "s/b");
    fs_rmdir(f, "s/e");
    fs_list(f, "d");
}

CASE(to_a_file_in_the_middle)
{
    fs_make(f, "a", 'a', 3);
    fs_symlink(f, "a", "s");
    fs_symlink(f, "none", "t");
    fs_stat(f, "s/x");
    fs_stat(f, "t/x");
    fs_mkdir(f, "t/x", 0755);
}

CASE(dangling)
{
    fs_symlink(f, "none", "s");
    fs_open(f, "s", O_RDONLY, 0);
    fs_stat(f, "s");
    fs_lstat(f, "s");
    fs_chmod(f, "s", 0600);
    fs_utimens(f, "s", NULL);
    fs_mkdir(f, "s", 0755);
    fs_rmdir(f, "s");
    fs_list(f, "s");
    fs_unlink(f, "s");
}

CASE(dangling_into_a_missing_directory)
{
    fs_symlink(f, "none/x", "s");
    fs_open(f, "s", O_CREAT | O_RDWR, 0644);
    fs_symlink(f, "", "e");
}

CASE(create_through_a_chain)
{
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, "t", "s");
    fs_symlink(f, "d/u", "t");
    fs_symlink(f, "a", "d/u");
    int h = fs_open(f, "s", O_CREAT | O_RDWR, 0644);
    fs_pwrite(f, h, 'a', 3, 0);
    fs_list(f, "d");
    fs_cat(f, "d/a");
}

CASE(create_through_one_with_a_trailing_slash)
{
    fs_symlink(f, "a/", "s");
    fs_open(f, "s", O_CREAT | O_RDWR, 0644);
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, "d/", "t");
    fs_stat(f, "t");
    fs_stat(f, "t/.");
    fs_list(f, ".");
}

CASE(loop_of_one)
{
    fs_symlink(f, "s", "s");
    fs_stat(f, "s");
    fs_lstat(f, "s");
    fs_open(f, "s", O_RDONLY, 0);
    fs_open(f, "s", O_CREAT | O_RDWR, 0644);
    fs_open(f, "s/a", O_CREAT | O_RDWR, 0644);
    fs_chmod(f, "s", 0600);
    fs_rename(f, "s/a", "b");
    fs_link(f, "s", "t");
    fs_list(f, "s");
    fs_unlink(f, "s");
    fs_list(f, ".");
}

CASE(loop_of_two)
{
    fs_symlink(f, "t", "s");
    fs_symlink(f, "s", "t");
    fs_stat(f, "s");
    fs_stat(f, "t/x");
    fs_mkdir(f, "s/x", 0755);
    fs_list(f, ".");
}

static void chain(struct fs *f, int length)
{
    char name[16], target[16];
    fs_make(f, "s0", 'a', 3);
    for (int i = 1; i <= length; i++) {
        sprintf(name, "s%d", i);
        sprintf(target, "s%d", i - 1);
        if (f->side->symlinkat(f, target, FS_HERE, name) < 0)
            fs_say(f, "symlink %d failed", i);
    }
}

CASE(forty_are_followed)
{
    chain(f, 40);
    fs_cat(f, "s40");
    fs_stat(f, "s39");
}

CASE(forty_one_are_a_loop)
{
    chain(f, 41);
    fs_stat(f, "s41");
    fs_open(f, "s41", O_RDONLY, 0);
    fs_open(f, "s41", O_RDONLY | O_NOFOLLOW, 0);
    fs_lstat(f, "s41");
}

CASE(forty_in_one_path)
{
    char path[512] = "";
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, ".", "d/s");
    for (int i = 0; i < 40; i++)
        strcat(path, "s/");
    char full[600];
    sprintf(full, "d/%s", path);
    fs_stat(f, full);
    sprintf(full, "d/%ss", path);
    fs_lstat(f, full);
    fs_stat(f, full);
    sprintf(full, "d/%ss/", path);
    fs_lstat(f, full);
}

CASE(unlink_takes_the_link)
{
    fs_make(f, "a", 'a', 3);
    fs_symlink(f, "a", "s");
    fs_unlink(f, "s");
    fs_cat(f, "a");
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, "d", "s");
    fs_rmdir(f, "s");
    fs_unlink(f, "s");
    fs_list(f, ".");
}

CASE(hard_link_of_a_symlink)
{
    fs_make(f, "a", 'a', 3);
    fs_symlink(f, "a", "s");
    fs_link(f, "s", "t");
    fs_same(f, "s", "t");
    fs_lstat(f, "t");
    fs_readlink(f, "t");
}

CASE(hard_link_that_follows)
{
    fs_make(f, "a", 'a', 3);
    fs_symlink(f, "a", "s");
    fs_symlink(f, "none", "n");
    fs_linkat(f, FS_HERE, "s", FS_HERE, "t", AT_SYMLINK_FOLLOW);
    fs_same(f, "a", "t");
    fs_lstat(f, "t");
    fs_linkat(f, FS_HERE, "n", FS_HERE, "u", AT_SYMLINK_FOLLOW);
}

CASE(chmod_follows)
{
    fs_make(f, "a", 'a', 3);
    fs_symlink(f, "a", "s");
    fs_chmod(f, "s", 0600);
    fs_stat(f, "a");
    fs_lstat(f, "s");
}

CASE(chmod_of_the_link_itself)
{
    fs_make(f, "a", 'a', 3);
    fs_symlink(f, "a", "s");
    fs_fchmodat(f, FS_HERE, "s", 0600, AT_SYMLINK_NOFOLLOW);
    fs_fchmodat(f, FS_HERE, "a", 0600, AT_SYMLINK_NOFOLLOW);
    fs_stat(f, "a");
    fs_lstat(f, "s");
}

CASE(utimens_of_the_link_itself)
{
    const struct timespec old[2] = {{.tv_sec = 100}, {.tv_sec = 200}};
    const struct timespec new[2] = {{.tv_sec = 300}, {.tv_sec = 400}};
    fs_make(f, "a", 'a', 3);
    fs_symlink(f, "a", "s");
    fs_utimens(f, "a", old);
    fs_utimensat(f, FS_HERE, "s", new, AT_SYMLINK_NOFOLLOW);
    fs_times(f, "s");
    fs_times(f, "a");
    fs_utimens(f, "s", new);
    fs_times(f, "a");
}

CASE(chown_of_the_link_itself)
{
    fs_symlink(f, "none", "s");
    fs_fchownat(f, FS_HERE, "s", UID(ALICE), -1, AT_SYMLINK_NOFOLLOW);
    fs_chown(f, "s", UID(ALICE), -1);
    fs_lstat(f, "s");
}

CASE(rename_moves_the_link)
{
    fs_make(f, "a", 'a', 3);
    fs_symlink(f, "a", "s");
    fs_rename(f, "s", "t");
    fs_readlink(f, "t");
    fs_make(f, "b", 'b', 3);
    fs_rename(f, "b", "t");
    fs_cat(f, "a");
    fs_lstat(f, "t");
}

CASE(names_that_a_process_could_follow)
{
    fs_symlink(f, "..", "s");
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, "..", "d/s");
    fs_same(f, ".", "d/s/.");
    fs_same(f, "d", "d/s/d");
    fs_symlink(f, ".", "dot");
    fs_same(f, ".", "dot/.");
    fs_same(f, "dot", "dot/dot");
}

CASE(mode_is_777_whatever_the_umask)
{
    fs_umask(f, 077);
    fs_symlink(f, "x", "s");
    fs_lstat(f, "s");
}
