/* case_rename.c - rename with all its flags. */
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>

#include "tests/posix/fs.h"

#define THEME "rename"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#define RENAME_EXCHANGE  (1 << 1)
#define RENAME_WHITEOUT  (1 << 2)
#endif

CASE(of_a_file)
{
    fs_make(f, "a", 'a', 3);
    fs_link(f, "a", "keep");
    fs_rename(f, "a", "b");
    fs_same(f, "b", "keep");
    fs_list(f, ".");
    fs_cat(f, "b");
}

CASE(over_a_file)
{
    fs_make(f, "a", 'a', 3);
    fs_make(f, "b", 'b', 5);
    fs_link(f, "b", "keep");
    fs_rename(f, "a", "b");
    fs_cat(f, "b");
    fs_stat(f, "keep");
    fs_list(f, ".");
}

CASE(over_an_open_file)
{
    fs_make(f, "a", 'a', 3);
    fs_make(f, "b", 'b', 5);
    int h = fs_open(f, "b", O_RDWR, 0);
    fs_rename(f, "a", "b");
    fs_pread(f, h, 10, 0);
    fs_fstat(f, h);
    fs_pwrite(f, h, 'c', 3, 0);
    fs_cat(f, "b");
}

CASE(of_an_open_file)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_rename(f, "a", "b");
    fs_pwrite(f, h, 'a', 3, 0);
    fs_fsync(f, h);
    fs_cat(f, "b");
}

CASE(missing)
{
    fs_rename(f, "none", "b");
    fs_make(f, "b", 'b', 1);
    fs_rename(f, "none", "b");
    fs_rename(f, "b", "none/c");
    fs_cat(f, "b");
}

CASE(to_itself)
{
    fs_make(f, "a", 'a', 3);
    fs_mkdir(f, "d", 0755);
    fs_rename(f, "a", "a");
    fs_rename(f, "d", "d");
    fs_rename(f, "a", "d/../a");
    fs_list(f, ".");
}

CASE(of_two_names_of_one_file)
{
    fs_make(f, "a", 'a', 3);
    fs_link(f, "a", "b");
    fs_rename(f, "a", "b");
    fs_list(f, ".");
    fs_stat(f, "a");
}

CASE(of_a_directory)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "d/a", 'a', 3);
    fs_rename(f, "d", "e");
    fs_cat(f, "e/a");
    fs_list(f, ".");
}

CASE(directory_to_another_parent)
{
    fs_mkdir(f, "d", 0755);
    fs_mkdir(f, "e", 0755);
    fs_mkdir(f, "d/x", 0755);
    fs_stat(f, "d");
    fs_rename(f, "d/x", "e/y");
    fs_stat(f, "d");
    fs_stat(f, "e");
    fs_same(f, "e", "e/y/..");
}

CASE(directory_over_an_empty_directory)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "d/a", 'a', 1);
    fs_mkdir(f, "e", 0700);
    fs_rename(f, "d", "e");
    fs_stat(f, "e");
    fs_list(f, "e");
    fs_stat(f, ".");
}

CASE(directory_over_a_full_directory)
{
    fs_mkdir(f, "d", 0755);
    fs_mkdir(f, "e", 0755);
    fs_make(f, "e/a", 'a', 1);
    fs_rename(f, "d", "e");
    fs_list(f, ".");
}

CASE(directory_over_a_file)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "a", 'a', 1);
    fs_symlink(f, "d", "s");
    fs_rename(f, "d", "a");
    fs_rename(f, "d", "s");
    fs_rename(f, "d", "s/");
    fs_list(f, ".");
}

CASE(file_over_a_directory)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "a", 'a', 1);
    fs_rename(f, "a", "d");
    fs_rename(f, "a", "d/");
    fs_rename(f, "a", ".");
    fs_list(f, ".");
}

CASE(directory_into_itself)
{
    fs_mkdir(f, "d", 0755);
    fs_mkdir(f, "d/e", 0755);
    fs_rename(f, "d", "d/x");
    fs_rename(f, "d", "d/e/x");
    fs_rename(f, "d", "d/e");
    fs_rename(f, "d/e", "d");
    fs_list(f, ".");
}

CASE(of_dot_names)
{
    fs_mkdir(f, "d", 0755);
    fs_mkdir(f, "e", 0755);
    fs_rename(f, "d/.", "x");
    fs_rename(f, "d/..", "x");
    fs_rename(f, ".", "x");
    fs_rename(f, "d", "e/.");
    fs_rename(f, "d", "e/..");
    fs_rename(f, "d", "..");
    fs_list(f, ".");
}

CASE(of_a_symlink)
{
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, "d", "s");
    fs_rename(f, "s", "t");
    fs_readlink(f, "t");
    fs_rename(f, "t/", "u");
    fs_make(f, "a", 'a', 1);
    fs_rename(f, "a", "t");
    fs_lstat(f, "t");
}

CASE(noreplace)
{
    fs_make(f, "a", 'a', 1);
    fs_make(f, "b", 'b', 2);
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, "none", "s");
    fs_rename2(f, "a", "b", RENAME_NOREPLACE);
    fs_rename2(f, "a", "d", RENAME_NOREPLACE);
    fs_rename2(f, "a", "s", RENAME_NOREPLACE);
    fs_rename2(f, "a", "a", RENAME_NOREPLACE);
    fs_rename2(f, "d", "b", RENAME_NOREPLACE);
    fs_rename2(f, "a", "new", RENAME_NOREPLACE);
    fs_rename2(f, "none", "new2", RENAME_NOREPLACE);
    fs_rename2(f, "none", "b", RENAME_NOREPLACE);
    fs_list(f, ".");
    fs_cat(f, "b");
}

CASE(noreplace_of_dot_names)
{
    fs_mkdir(f, "d", 0755);
    fs_rename2(f, "d", ".", RENAME_NOREPLACE);
    fs_rename2(f, "d", "d/..", RENAME_NOREPLACE);
    fs_rename2(f, ".", "x", RENAME_NOREPLACE);
}

CASE(exchange_of_files)
{
    fs_make(f, "a", 'a', 1);
    fs_make(f, "b", 'b', 2);
    fs_link(f, "a", "was_a");
    fs_rename2(f, "a", "b", RENAME_EXCHANGE);
    fs_cat(f, "a");
    fs_cat(f, "b");
    fs_same(f, "b", "was_a");
}

CASE(exchange_of_file_and_directory)
{
    fs_mkdir(f, "p", 0755);
    fs_mkdir(f, "p/d", 0755);
    fs_make(f, "p/d/x", 'x', 1);
    fs_make(f, "a", 'a', 1);
    fs_rename2(f, "a", "p/d", RENAME_EXCHANGE);
    fs_cat(f, "p/d");
    fs_list(f, "a");
    fs_same(f, ".", "a/..");
    fs_stat(f, "p");
    fs_stat(f, ".");
}

CASE(exchange_of_full_directories)
{
    fs_mkdir(f, "d", 0755);
    fs_mkdir(f, "e", 0755);
    fs_make(f, "d/a", 'a', 1);
    fs_make(f, "e/b", 'b', 1);
    fs_rename2(f, "d", "e", RENAME_EXCHANGE);
    fs_list(f, "d");
    fs_list(f, "e");
}

CASE(exchange_with_a_symlink)
{
    fs_make(f, "a", 'a', 1);
    fs_symlink(f, "a", "s");
    fs_rename2(f, "a", "s", RENAME_EXCHANGE);
    fs_readlink(f, "a");
    fs_cat(f, "s");
}

CASE(exchange_with_nothing)
{
    fs_make(f, "a", 'a', 1);
    fs_rename2(f, "a", "none", RENAME_EXCHANGE);
    fs_rename2(f, "none", "a", RENAME_EXCHANGE);
    fs_rename2(f, "none", "none2", RENAME_EXCHANGE);
    fs_list(f, ".");
}

CASE(exchange_with_itself)
{
    fs_make(f, "a", 'a', 1);
    fs_link(f, "a", "b");
    fs_rename2(f, "a", "a", RENAME_EXCHANGE);
    fs_rename2(f, "a", "b", RENAME_EXCHANGE);
    fs_list(f, ".");
}

CASE(exchange_of_a_directory_and_its_inside)
{
    fs_mkdir(f, "d", 0755);
    fs_mkdir(f, "d/e", 0755);
    fs_make(f, "d/a", 'a', 1);
    fs_rename2(f, "d", "d/e", RENAME_EXCHANGE);
    fs_rename2(f, "d/e", "d", RENAME_EXCHANGE);
    fs_rename2(f, "d/a", "d", RENAME_EXCHANGE);
    fs_list(f, ".");
    fs_list(f, "d");
}

CASE(exchange_with_trailing_slashes)
{
    fs_mkdir(f, "d", 0755);
    fs_mkdir(f, "e", 0755);
    fs_make(f, "a", 'a', 1);
    fs_rename2(f, "d/", "e/", RENAME_EXCHANGE);
    fs_rename2(f, "a/", "e", RENAME_EXCHANGE);
    fs_rename2(f, "d", "a/", RENAME_EXCHANGE);
    fs_rename2(f, "a", "d/", RENAME_EXCHANGE);
    fs_list(f, ".");
}

CASE(flags_that_exclude_each_other)
{
    fs_make(f, "a", 'a', 1);
    fs_make(f, "b", 'b', 1);
    fs_rename2(f, "a", "b", RENAME_EXCHANGE | RENAME_NOREPLACE);
    fs_rename2(f, "a", "c", RENAME_EXCHANGE | RENAME_NOREPLACE);
    fs_rename2(f, "a", "b", RENAME_EXCHANGE | RENAME_WHITEOUT);
    fs_rename2(f, "a", "b", 8);
    fs_rename2(f, "a", "b", 1u << 20);
    fs_list(f, ".");
}

CASE(whiteout)
{
    fs_make(f, "a", 'a', 1);
    fs_rename2(f, "a", "b", RENAME_WHITEOUT);
    fs_list(f, ".");
}

CASE(links_of_parents)
{
    fs_mkdir(f, "d", 0755);
    fs_mkdir(f, "d/x", 0755);
    fs_mkdir(f, "d/y", 0755);
    fs_mkdir(f, "e", 0755);
    fs_make(f, "a", 'a', 1);
    fs_rename(f, "d/x", "e/x");
    fs_rename(f, "d/y", "e/x");
    fs_stat(f, "d");
    fs_stat(f, "e");
    fs_rename2(f, "e/x", "a", RENAME_EXCHANGE);
    fs_stat(f, "e");
    fs_stat(f, ".");
}

CASE(in_a_directory_without_write)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "d/a", 'a', 1);
    fs_make(f, "b", 'b', 1);
    fs_chmod(f, "d", 0555);
    fs_rename(f, "d/a", "a");
    fs_rename(f, "b", "d/b");
    fs_rename(f, "d/a", "d/c");
    fs_rename2(f, "d/a", "b", RENAME_EXCHANGE);
    fs_rename(f, "d/none", "d/c");
    fs_list(f, "d");
}

CASE(directory_without_write_moves_inside_its_parent)
{
    fs_mkdir(f, "d", 0555);
    fs_mkdir(f, "p", 0755);
    fs_rename(f, "d", "e");
    fs_rename(f, "e", "p/e");
    fs_list(f, ".");
    fs_list(f, "p");
}

MANY_USERS(sticky_directory)
{
    fs_mkdir(f, "t", 0777);
    fs_chmod(f, "t", 01777);
    fs_make(f, "t/a", 'a', 1);
    fs_make(f, "t/b", 'a', 1);
    fs_chmod(f, "t/a", 0666);
    fs_become(f, EVE);
    fs_make(f, "t/e", 'e', 1);
    fs_rename(f, "t/a", "t/x");
    fs_rename(f, "t/e", "t/a");
    fs_rename2(f, "t/e", "t/a", RENAME_EXCHANGE);
    fs_rename2(f, "t/a", "t/e", RENAME_EXCHANGE);
    fs_unlink(f, "t/b");
    fs_rename(f, "t/e", "t/e2");
    fs_rename(f, "t/none", "t/b");
    fs_become(f, ALICE);
    fs_rename(f, "t/e2", "t/b");
    fs_list(f, "t");
}

MANY_USERS(foreign_directory_to_another_parent)
{
    fs_chmod(f, ".", 0777);
    fs_mkdir(f, "p", 0777);
    fs_chmod(f, "p", 0777);
    fs_mkdir(f, "d", 0755);
    fs_make(f, "a", 'a', 1);
    fs_become(f, EVE);
    fs_rename(f, "d", "e");
    fs_rename(f, "e", "p/e");
    fs_rename(f, "a", "p/a");
    fs_list(f, "p");
}

CASE(errors_of_the_first_path_come_first)
{
    static char too_long[4200];
    memset(too_long, 'a', sizeof(too_long) - 1);
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDONLY, 0);
    const char *const second[] = {"", too_long, "b"};
    for (unsigned i = 0; i < 3; i++) {
        fs_renameat(f, h, "x", FS_HERE, second[i], 0);
        fs_renameat(f, FS_HERE, "a/x", FS_HERE, second[i], 0);
        fs_renameat(f, FS_HERE, "none", FS_HERE, second[i], 0);
        fs_renameat(f, FS_HERE, "a", h, second[i], 0);
        fs_linkat(f, h, "x", FS_HERE, second[i], 0);
        fs_linkat(f, FS_HERE, "a/x", FS_HERE, second[i], 0);
        fs_linkat(f, FS_HERE, "none", FS_HERE, second[i], 0);
        fs_linkat(f, FS_HERE, "a", h, second[i], 0);
    }
    fs_list(f, ".");
}
