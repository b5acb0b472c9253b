/* case_paths.c - names and paths: what they may be made of, how long, and how they are walked. */
#include <stdio.h>
#include <string.h>

#include "tests/posix/fs.h"

#define THEME "paths"

static const char *name_of(size_t bytes)
{
    static char text[8192];
    memset(text, 'n', bytes);
    text[bytes] = 0;
    return text;
}

/* `bytes` bytes that lead to "a" by way of many dots. */
static const char *path_of(size_t bytes)
{
    static char text[8192];
    size_t at = bytes % 2 == 0 ? 3 : 0;
    strcpy(text, ".//");
    for (; at < bytes - 1; at += 2)
        strcpy(text + at, "./");
    strcpy(text + at, "a");
    return text;
}

CASE(empty)
{
    fs_open(f, "", O_RDONLY, 0);
    fs_open(f, "", O_CREAT | O_RDWR, 0644);
    fs_stat(f, "");
    fs_lstat(f, "");
    fs_mkdir(f, "", 0755);
    fs_rmdir(f, "");
    fs_unlink(f, "");
    fs_readlink(f, "");
    fs_chmod(f, "", 0644);
    fs_utimens(f, "", NULL);
    fs_make(f, "a", 'a', 1);
    fs_rename(f, "", "b");
    fs_rename(f, "a", "");
    fs_link(f, "", "b");
    fs_link(f, "a", "");
    fs_symlink(f, "", "b");
    fs_symlink(f, "a", "");
    fs_list(f, ".");
}

CASE(name_of_255_bytes)
{
    fs_make(f, name_of(255), 'a', 1);
    fs_stat(f, name_of(255));
    fs_mkdir(f, "d", 0755);
    fs_rename(f, name_of(255), "d/a");
    fs_rename(f, "d/a", name_of(255));
    fs_list(f, ".");
    fs_unlink(f, name_of(255));
}

CASE(name_of_256_bytes)
{
    fs_make(f, "a", 'a', 1);
    fs_open(f, name_of(256), O_CREAT | O_RDWR, 0644);
    fs_open(f, name_of(256), O_RDONLY, 0);
    fs_mkdir(f, name_of(256), 0755);
    fs_stat(f, name_of(256));
    fs_unlink(f, name_of(256));
    fs_rmdir(f, name_of(256));
    fs_rename(f, "a", name_of(256));
    fs_rename(f, name_of(256), "b");
    fs_link(f, "a", name_of(256));
    fs_symlink(f, "a", name_of(256));
    fs_readlink(f, name_of(256));
}

CASE(long_name_in_the_middle)
{
    char path[9000];
    snprintf(path, sizeof(path), "%s/a", name_of(256));
    fs_stat(f, path);
    snprintf(path, sizeof(path), "none/%s", name_of(256));
    fs_stat(f, path);
}

CASE(path_of_4095_bytes)
{
    int d = fs_open(f, ".", O_RDONLY, 0);
    fs_make(f, "a", 'a', 1);
    fs_fstatat(f, d, path_of(4095), 0);
    fs_fstatat(f, d, path_of(4094), 0);
    fs_unlinkat(f, d, path_of(4095), 0);
}

CASE(path_of_4096_bytes)
{
    int d = fs_open(f, ".", O_RDONLY, 0);
    fs_make(f, "a", 'a', 1);
    fs_fstatat(f, d, path_of(4096), 0);
    fs_openat(f, d, path_of(4096), O_CREAT | O_RDWR, 0644);
    fs_mkdirat(f, d, path_of(4097), 0755);
    fs_renameat(f, d, "a", d, path_of(4097), 0);
    fs_fstatat(f, d, path_of(8000), 0);
}

CASE(dots)
{
    fs_mkdir(f, "d", 0755);
    fs_mkdir(f, "d/e", 0755);
    fs_make(f, "a", 'a', 1);
    fs_same(f, "a", "./a");
    fs_same(f, "a", "d/../a");
    fs_same(f, "a", "d/e/../../a");
    fs_same(f, ".", "d/..");
    fs_same(f, "d", "d/.");
    fs_stat(f, "a/.");
    fs_stat(f, "a/..");
    fs_stat(f, "none/..");
}

/* Whether two paths that are taken as they stand are one directory. */
static void same_root(struct fs *f, const char *a, const char *b)
{
    struct stat first = {0}, second = {0};
    int result = f->side->fstatat(f, FS_ROOT, a, &first, 0);
    if (result == 0)
        result = f->side->fstatat(f, FS_ROOT, b, &second, 0);
    fs_say(f, "result %d, same %d", result,
           first.st_ino == second.st_ino && first.st_dev == second.st_dev);
}

CASE(dotdot_of_the_root_is_the_root)
{
    char path[1024];
    same_root(f, "/", "/..");
    same_root(f, "/", "/../../..");
    snprintf(path, sizeof(path), "/../..%s", f->prefix);
    same_root(f, f->prefix, path);
    /* Far more than there are directories. */
    int d = fs_open(f, ".", O_RDONLY, 0);
    char up[512] = "..";
    for (int i = 0; i < 40; i++)
        strcat(up, "/..");
    struct stat root = {0}, above = {0};
    f->side->fstatat(f, FS_ROOT, "/", &root, 0);
    int result = f->side->fstatat(f, f->handles[d].handle, up, &above, 0);
    fs_say(f, "result %d, same %d", result, root.st_ino == above.st_ino);
}

CASE(slashes)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "d/a", 'a', 1);
    fs_same(f, "d/a", "d//a");
    fs_same(f, "d/a", "d///.//a");
    fs_same(f, "d", "d/");
    fs_same(f, "d", "d///");
    fs_same(f, "d/a", "//d/a");
}

CASE(trailing_slash_of_a_file)
{
    fs_make(f, "a", 'a', 1);
    fs_stat(f, "a/");
    fs_lstat(f, "a/");
    fs_unlink(f, "a/");
    fs_rmdir(f, "a/");
    fs_chmod(f, "a/", 0600);
    fs_rename(f, "a/", "b");
    fs_rename(f, "a", "b/");
    fs_link(f, "a/", "b");
    fs_link(f, "a", "b/");
    fs_list(f, ".");
}

CASE(trailing_slash_of_a_directory)
{
    fs_mkdir(f, "d/", 0755);
    fs_stat(f, "d/");
    fs_lstat(f, "d/");
    fs_chmod(f, "d/", 0700);
    fs_rename(f, "d/", "e");
    fs_rename(f, "e", "g/");
    fs_rename(f, "g/", "h/");
    fs_unlink(f, "h/");
    fs_rmdir(f, "h/");
    fs_list(f, ".");
}

CASE(trailing_slash_of_a_new_name)
{
    fs_symlink(f, "a", "s/");
    fs_mkdir(f, "d//", 0755);
    fs_open(f, "a/", O_CREAT | O_WRONLY, 0644);
    fs_list(f, ".");
}

CASE(trailing_slash_of_a_symlink)
{
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, "d", "s");
    fs_symlink(f, "none", "t");
    fs_make(f, "a", 'a', 1);
    fs_symlink(f, "a", "u");
    fs_lstat(f, "s");
    fs_lstat(f, "s/");
    fs_lstat(f, "t/");
    fs_lstat(f, "u/");
    fs_readlink(f, "s/");
    fs_unlink(f, "s/");
    fs_rmdir(f, "s/");
    fs_rename(f, "s/", "x");
    fs_mkdir(f, "t/", 0755);
    fs_mkdir(f, "s/", 0755);
    fs_list(f, ".");
}

CASE(strange_bytes)
{
    fs_make(f, "a b", 'a', 1);
    fs_make(f, "\x01\x7f\xff", 'a', 1);
    fs_make(f, "new\nline", 'a', 1);
    fs_make(f, "\xc3\xa4", 'a', 1);
    fs_make(f, "\xc3", 'a', 1);
    fs_make(f, "...", 'a', 1);
    fs_make(f, "..a", 'a', 1);
    fs_make(f, "*?\\", 'a', 1);
    fs_list(f, ".");
    fs_unlink(f, "\x01\x7f\xff");
    fs_unlink(f, "...");
    fs_list(f, ".");
}

CASE(case_matters)
{
    fs_make(f, "a", 'a', 1);
    fs_make(f, "A", 'A', 2);
    fs_list(f, ".");
    fs_cat(f, "A");
}

CASE(a_file_is_no_directory)
{
    fs_make(f, "a", 'a', 1);
    fs_stat(f, "a/b");
    fs_open(f, "a/b", O_RDONLY, 0);
    fs_mkdir(f, "a/b", 0755);
    fs_rmdir(f, "a/b");
    fs_unlink(f, "a/b");
    fs_rename(f, "a/b", "c");
    fs_rename(f, "a", "a/c");
    fs_link(f, "a", "a/c");
    fs_symlink(f, "x", "a/c");
    fs_readlink(f, "a/b");
    fs_chmod(f, "a/b", 0600);
    fs_utimens(f, "a/b", NULL);
    fs_list(f, "a/b");
    fs_list(f, "a");
}

CASE(missing_in_the_middle)
{
    fs_make(f, "a", 'a', 1);
    fs_stat(f, "none/b");
    fs_open(f, "none/b", O_CREAT | O_RDWR, 0644);
    fs_mkdir(f, "none/b", 0755);
    fs_rename(f, "a", "none/b");
    fs_link(f, "a", "none/b");
    fs_symlink(f, "a", "none/b");
    fs_list(f, "none");
}

CASE(deep)
{
    char path[4096] = "";
    for (int i = 0; i < 100; i++) {
        snprintf(path + strlen(path), sizeof(path) - strlen(path), "%sd%d", i ? "/" : "", i);
        if (f->side->mkdirat(f, FS_HERE, path, 0755) < 0)
            fs_say(f, "mkdir %d failed", i);
    }
    fs_stat(f, path);
    strcat(path, "/a");
    fs_make(f, path, 'a', 10);
    fs_cat(f, path);
}

CASE(absolute)
{
    fs_make(f, "a", 'a', 3);
    fs_cat(f, "/a");
    fs_same(f, "a", "/a");
    fs_stat(f, "/");
    fs_same(f, "/", ".");
    int h = fs_open(f, "/b", O_CREAT | O_RDWR, 0644);
    fs_fstat(f, h);
    fs_list(f, "/");
}

CASE(root_of_all)
{
    fs_mkdirat(f, FS_ROOT, "/", 0755);
    fs_unlinkat(f, FS_ROOT, "/", AT_REMOVEDIR);
    fs_openat(f, FS_ROOT, "/", O_CREAT | O_EXCL | O_RDWR, 0644);
    fs_openat(f, FS_ROOT, "/", O_RDWR, 0);
}
