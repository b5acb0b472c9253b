/* case_permissions.c - mode, owner, groups, setgid directories, sticky bit, umask. */
#include "tests/posix/fs.h"

#define THEME "permissions"

CASE(own_file_without_bits)
{
    fs_make(f, "a", 'a', 3);
    fs_chmod(f, "a", 0);
    fs_open(f, "a", O_RDONLY, 0);
    fs_open(f, "a", O_WRONLY, 0);
    fs_stat(f, "a");
    fs_chmod(f, "a", 0200);
    fs_open(f, "a", O_RDONLY, 0);
    fs_open(f, "a", O_WRONLY, 0);
    fs_open(f, "a", O_RDWR, 0);
}

CASE(owner_bits_come_before_group_and_other)
{
    fs_make(f, "a", 'a', 3);
    fs_chmod(f, "a", 0077);
    fs_open(f, "a", O_RDONLY, 0);
}

MANY_USERS(group_bits_come_before_other)
{
    fs_make(f, "a", 'a', 3);
    fs_chown(f, "a", -1, FS_SHARED_GROUP);
    fs_chmod(f, "a", 0606);
    fs_become(f, BOB);
    fs_open(f, "a", O_RDONLY, 0);
    fs_become(f, EVE);
    fs_open(f, "a", O_RDONLY, 0);
}

MANY_USERS(supplementary_group)
{
    fs_make(f, "a", 'a', 3);
    fs_chown(f, "a", -1, FS_SHARED_GROUP);
    fs_chmod(f, "a", 0660);
    fs_become(f, BOB);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_pwrite(f, h, 'b', 1, 0);
    fs_become(f, EVE);
    fs_open(f, "a", O_RDWR, 0);
    fs_open(f, "a", O_RDONLY, 0);
    fs_become(f, ALICE);
    fs_cat(f, "a");
}

CASE(directory_without_search)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "d/a", 'a', 3);
    fs_chmod(f, "d", 0666);
    fs_stat(f, "d/a");
    fs_open(f, "d/a", O_RDONLY, 0);
    fs_stat(f, "d");
    fs_stat(f, "d/none");
    fs_unlink(f, "d/a");
    fs_rename(f, "d/a", "a");
    fs_link(f, "d/a", "a");
    fs_chmod(f, "d/a", 0600);
    fs_stat(f, "d/.");
    fs_stat(f, "d/..");
    fs_list(f, "d");
    fs_chmod(f, "d", 0755);
}

CASE(directory_without_read)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "d/a", 'a', 3);
    fs_chmod(f, "d", 0333);
    fs_list(f, "d");
    fs_open(f, "d", O_RDONLY, 0);
    fs_cat(f, "d/a");
    fs_make(f, "d/b", 'b', 1);
    fs_unlink(f, "d/b");
}

CASE(directory_without_write)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "d/a", 'a', 3);
    fs_mkdir(f, "d/e", 0755);
    fs_chmod(f, "d", 0555);
    fs_open(f, "d/b", O_CREAT | O_RDWR, 0644);
    fs_open(f, "d/a", O_CREAT | O_RDWR, 0644);
    fs_open(f, "d/a", O_CREAT | O_EXCL | O_RDWR, 0644);
    fs_mkdir(f, "d/x", 0755);
    fs_symlink(f, "x", "d/s");
    fs_symlink(f, "x", "d/a");
    fs_link(f, "d/a", "d/b");
    fs_link(f, "d/a", "outside");
    fs_unlink(f, "d/a");
    fs_unlink(f, "d/none");
    fs_unlink(f, "d/e");
    fs_rmdir(f, "d/e");
    fs_rmdir(f, "d/a");
    fs_list(f, "d");
}

MANY_USERS(foreign_directory)
{
    fs_mkdir(f, "d", 0700);
    fs_make(f, "d/a", 'a', 3);
    fs_mkdir(f, "e", 0755);
    fs_make(f, "e/a", 'a', 3);
    fs_become(f, EVE);
    fs_stat(f, "d");
    fs_stat(f, "d/a");
    fs_stat(f, "d/none");
    fs_list(f, "d");
    fs_mkdir(f, "d/x", 0755);
    fs_cat(f, "e/a");
    fs_list(f, "e");
    fs_make(f, "e/x", 'x', 1);
    fs_unlink(f, "e/a");
    fs_mkdir(f, "x", 0755);
    fs_rename(f, "e/a", "e/b");
}

MANY_USERS(chmod_is_the_owners)
{
    fs_make(f, "a", 'a', 3);
    fs_chmod(f, "a", 0666);
    fs_become(f, EVE);
    fs_chmod(f, "a", 0777);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fchmod(f, h, 0777);
    fs_become(f, BOB);
    fs_chmod(f, "a", 0777);
    fs_become(f, ROOT);
    fs_chmod(f, "a", 0600);
    fs_stat(f, "a");
}

CASE(chmod_of_all_bits)
{
    fs_make(f, "a", 'a', 3);
    fs_chmod(f, "a", 07777);
    fs_stat(f, "a");
    fs_chmod(f, "a", 0170644);
    fs_stat(f, "a");
    fs_mkdir(f, "d", 0755);
    fs_chmod(f, "d", 07777);
    fs_stat(f, "d");
    fs_chmod(f, "none", 0644);
}

MANY_USERS(chmod_drops_setgid_of_a_foreign_group)
{
    fs_make(f, "a", 'a', 3);
    fs_mkdir(f, "d", 0755);
    fs_become(f, ROOT);
    fs_chown(f, "a", -1, GID(EVE));
    fs_chown(f, "d", -1, GID(EVE));
    fs_become(f, ALICE);
    fs_chmod(f, "a", 02755);
    fs_stat(f, "a");
    fs_chmod(f, "d", 02755);
    fs_stat(f, "d");
    fs_become(f, ROOT);
    fs_chmod(f, "a", 02755);
    fs_stat(f, "a");
}

MANY_USERS(chown_is_roots)
{
    fs_make(f, "a", 'a', 3);
    fs_chown(f, "a", UID(EVE), -1);
    fs_chown(f, "a", UID(ALICE), -1);
    fs_chown(f, "a", UID(ALICE), GID(ALICE));
    fs_chown(f, "a", -1, -1);
    fs_chown(f, "a", -1, FS_SHARED_GROUP);
    fs_stat(f, "a");
    fs_chown(f, "a", -1, GID(EVE));
    fs_become(f, EVE);
    fs_chown(f, "a", UID(EVE), -1);
    fs_chown(f, "a", -1, GID(EVE));
    fs_chown(f, "a", -1, -1);
    fs_become(f, ROOT);
    fs_chown(f, "a", UID(EVE), GID(EVE));
    fs_stat(f, "a");
    fs_chown(f, "none", 0, 0);
}

MANY_USERS(chown_takes_the_s_bits_away)
{
    fs_make(f, "a", 'a', 3);
    fs_chmod(f, "a", 06755);
    fs_chown(f, "a", -1, FS_SHARED_GROUP);
    fs_stat(f, "a");
    fs_make(f, "b", 'b', 3);
    fs_chmod(f, "b", 06745);
    fs_chown(f, "b", -1, FS_SHARED_GROUP);
    fs_stat(f, "b");
    fs_make(f, "c", 'c', 3);
    fs_chmod(f, "c", 06755);
    fs_become(f, ROOT);
    fs_chown(f, "c", UID(EVE), -1);
    fs_stat(f, "c");
    fs_mkdir(f, "d", 0755);
    fs_chmod(f, "d", 06755);
    fs_chown(f, "d", UID(EVE), GID(EVE));
    fs_stat(f, "d");
}

CASE(chown_to_oneself_takes_the_s_bits_away)
{
    fs_make(f, "a", 'a', 3);
    fs_chmod(f, "a", 06755);
    fs_chown(f, "a", -1, -1);
    fs_stat(f, "a");
    fs_chmod(f, "a", 06755);
    fs_chown(f, "a", UID(ALICE), GID(ALICE));
    fs_stat(f, "a");
}

CASE(write_takes_the_s_bits_away)
{
    fs_make(f, "a", 'a', 3);
    fs_chmod(f, "a", 06755);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_pread(f, h, 3, 0);
    fs_stat(f, "a");
    fs_pwrite(f, h, 'b', 1, 0);
    fs_stat(f, "a");
    fs_make(f, "b", 'b', 3);
    fs_chmod(f, "b", 02644);
    int g = fs_open(f, "b", O_RDWR, 0);
    fs_pwrite(f, g, 'b', 1, 0);
    fs_stat(f, "b");
}

CASE(truncate_takes_the_s_bits_away)
{
    fs_make(f, "a", 'a', 3);
    fs_chmod(f, "a", 06755);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_ftruncate(f, h, 1);
    fs_stat(f, "a");
    fs_chmod(f, "a", 06755);
    fs_open(f, "a", O_RDWR | O_TRUNC, 0);
    fs_stat(f, "a");
    fs_chmod(f, "a", 06755);
    int g = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, g, 0, 0, 100);
    fs_stat(f, "a");
}

CASE(s_bits_set_after_the_open)
{
    fs_make(f, "a", 'a', 3);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_chmod(f, "a", 06755);
    fs_pwrite(f, h, 'b', 1, 0);
    fs_stat(f, "a");
}

MANY_USERS(setgid_directory_gives_its_group)
{
    fs_mkdir(f, "d", 0777);
    fs_chown(f, "d", -1, FS_SHARED_GROUP);
    fs_chmod(f, "d", 02777);
    fs_make(f, "d/a", 'a', 1);
    fs_mkdir(f, "d/x", 0755);
    fs_symlink(f, "a", "d/s");
    int h = fs_open(f, "d", O_TMPFILE | O_RDWR, 0644);
    fs_fstat(f, h);
    fs_stat(f, "d/a");
    fs_stat(f, "d/x");
    fs_lstat(f, "d/s");
    fs_make(f, "d/x/b", 'b', 1);
    fs_stat(f, "d/x/b");
    fs_become(f, EVE);
    fs_make(f, "d/e", 'e', 1);
    fs_stat(f, "d/e");
    fs_mkdir(f, "d/y", 0755);
    fs_stat(f, "d/y");
    fs_open(f, "d/g", O_CREAT | O_WRONLY, 02775);
    fs_stat(f, "d/g");
}

MANY_USERS(setgid_file_in_a_setgid_directory_of_ones_own_group)
{
    fs_mkdir(f, "d", 0777);
    fs_chown(f, "d", -1, FS_SHARED_GROUP);
    fs_chmod(f, "d", 02777);
    fs_open(f, "d/a", O_CREAT | O_WRONLY, 02775);
    fs_stat(f, "d/a");
    fs_rename(f, "d/a", "a");
    fs_stat(f, "a");
}

MANY_USERS(sticky_directory)
{
    fs_mkdir(f, "t", 0777);
    fs_chmod(f, "t", 01777);
    fs_make(f, "t/a", 'a', 1);
    fs_mkdir(f, "t/d", 0777);
    fs_become(f, EVE);
    fs_unlink(f, "t/a");
    fs_rmdir(f, "t/d");
    fs_make(f, "t/e", 'e', 1);
    fs_mkdir(f, "t/x", 0755);
    fs_become(f, BOB);
    fs_unlink(f, "t/e");
    fs_rmdir(f, "t/x");
    fs_become(f, EVE);
    fs_rmdir(f, "t/x");
    fs_become(f, ALICE);
    fs_unlink(f, "t/e");
    fs_list(f, "t");
}

MANY_USERS(root_may)
{
    fs_mkdir(f, "d", 0700);
    fs_make(f, "d/a", 'a', 3);
    fs_chmod(f, "d/a", 0);
    fs_chmod(f, "d", 0);
    fs_become(f, ROOT);
    fs_cat(f, "d/a");
    int h = fs_open(f, "d/a", O_RDWR, 0);
    fs_pwrite(f, h, 'r', 1, 0);
    fs_make(f, "d/b", 'b', 1);
    fs_stat(f, "d/b");
    fs_list(f, "d");
    fs_unlink(f, "d/a");
}

CASE(umask)
{
    fs_umask(f, 077);
    fs_open(f, "a", O_CREAT | O_WRONLY, 0666);
    fs_mkdir(f, "d", 0777);
    fs_stat(f, "a");
    fs_stat(f, "d");
    fs_umask(f, 0);
    fs_open(f, "b", O_CREAT | O_WRONLY, 0666);
    fs_mkdir(f, "e", 01777);
    fs_stat(f, "b");
    fs_stat(f, "e");
    fs_umask(f, 0777);
    fs_open(f, "c", O_CREAT | O_WRONLY, 06777);
    fs_stat(f, "c");
    fs_chmod(f, "c", 0666);
    fs_stat(f, "c");
}

MANY_USERS(stat_needs_only_the_path)
{
    fs_make(f, "a", 'a', 3);
    fs_chmod(f, "a", 0);
    fs_become(f, EVE);
    fs_stat(f, "a");
    fs_open(f, "a", O_RDONLY, 0);
}

MANY_USERS(owner_of_new_things)
{
    fs_chmod(f, ".", 0777);
    fs_become(f, BOB);
    fs_make(f, "a", 'a', 1);
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, "a", "s");
    fs_stat(f, "a");
    fs_stat(f, "d");
    fs_lstat(f, "s");
    fs_become(f, ROOT);
    fs_make(f, "r", 'r', 1);
    fs_stat(f, "r");
}

MANY_USERS(trunc_needs_write)
{
    fs_make(f, "a", 'a', 10);
    fs_become(f, EVE);
    fs_open(f, "a", O_RDONLY | O_TRUNC, 0);
    fs_open(f, "a", O_RDONLY | O_CREAT, 0644);
    fs_open(f, "a", O_RDONLY | O_CREAT | O_EXCL, 0644);
    fs_open(f, "b", O_RDWR | O_CREAT, 0644);
    fs_stat(f, "a");
}

MANY_USERS(symlinks_have_no_permissions)
{
    fs_make(f, "a", 'a', 3);
    fs_chmod(f, "a", 0600);
    fs_symlink(f, "a", "s");
    fs_become(f, EVE);
    fs_readlink(f, "s");
    fs_lstat(f, "s");
    fs_open(f, "s", O_RDONLY, 0);
}

MANY_USERS(a_write_by_another_takes_the_s_bits)
{
    fs_make(f, "a", 'a', 3);
    fs_chmod(f, "a", 06777);
    fs_become(f, EVE);
    int h = fs_open(f, "a", O_WRONLY, 0);
    fs_pwrite(f, h, 'e', 1, 0);
    fs_stat(f, "a");
    fs_become(f, ALICE);
    fs_chmod(f, "a", 06777);
    fs_become(f, ROOT);
    int g = fs_open(f, "a", O_WRONLY, 0);
    fs_pwrite(f, g, 'r', 1, 0);
    fs_stat(f, "a");
}

CASE(errors_are_told_in_order)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "d/a", 'a', 1);
    fs_mkdir(f, "d/e", 0755);
    fs_chmod(f, "d", 0);
    fs_mkdir(f, "d/a", 0755);
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, "x", "d/a");
    fs_link(f, "none", "d/x");
    fs_link(f, "d/none", "x");
    fs_rename(f, "none", "d/x");
    fs_rmdir(f, "d/none");
    fs_open(f, "d/a/", O_RDONLY, 0);
    fs_chmod(f, "d", 0755);
}
