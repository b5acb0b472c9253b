/*
 * test_names_errno.c - which of several errors is told, where Linux has an order that programs see. All of these
 * were found by asking the kernel the same (tests/integration/pairs.c).
 */
#include "tests/unit/names_fixture.h"

static struct tree *a_tree(void)
{
    struct tree *tree = tree_new(UINT64_MAX);
    cr_assert_eq(make_file(tree, "/f"), 0);
    cr_assert_eq(make_dir(tree, "/d"), 0);
    cr_assert_eq(make_symlink(tree, "d", "/ld"), 0);
    cr_assert_eq(make_symlink(tree, "nothing", "/dangling"), 0);
    cr_assert_eq(make_symlink(tree, "f/", "/lx"), 0);
    return tree;
}

static void long_path(char *path, size_t name_bytes)
{
    path[0] = '/';
    memset(path + 1, 'n', name_bytes);
    path[1 + name_bytes] = '\0';
}

Test(names_errno, a_slash_after_a_file_to_be_made)
{
    struct tree *tree = a_tree();
    const unsigned create = NAMES_PARENT | NAMES_NO_SLASH;
    cr_assert_eq(resolve(tree, "/f/", create), -EISDIR);
    cr_assert_eq(resolve(tree, "/d/", create), -EISDIR);
    cr_assert_eq(resolve(tree, "/new/", create), -EISDIR);
    cr_assert_eq(resolve(tree, "/lx", create), -EISDIR);
    cr_assert_eq(resolve(tree, "/ld/", create | NAMES_NOFOLLOW), -EISDIR);
    cr_assert_eq(resolve(tree, "/d/./", create), 0);
    cr_assert_eq(resolve(tree, "/d/new", create), 0);
    cr_assert_eq(resolve(tree, "/f/new", create), -ENOTDIR);
    tree_end(tree);
}

Test(names_errno, unlink_with_a_slash_is_told_before_permission)
{
    struct tree *tree = a_tree();
    tree->who = bob;
    cr_assert_eq(make_unlink(tree, "/f", false), -EACCES);
    cr_assert_eq(make_unlink(tree, "/f/", false), -ENOTDIR);
    cr_assert_eq(make_unlink(tree, "/d/", false), -EISDIR);
    cr_assert_eq(make_unlink(tree, "/ld/", false), -ENOTDIR);
    cr_assert_eq(make_unlink(tree, "/dangling/", false), -ENOTDIR);
    cr_assert_eq(make_unlink(tree, "/none/", false), -ENOENT);
    tree_end(tree);
}

Test(names_errno, rmdir_with_a_slash_is_told_after_permission)
{
    struct tree *tree = a_tree();
    cr_assert_eq(make_unlink(tree, "/f/", true), -ENOTDIR);
    cr_assert_eq(make_unlink(tree, "/dangling/", true), -ENOTDIR);
    tree->who = bob;
    cr_assert_eq(make_unlink(tree, "/f/", true), -EACCES);
    cr_assert_eq(make_unlink(tree, "/dangling/", true), -EACCES);
    tree_end(tree);
}

Test(names_errno, the_last_name_is_looked_at_last)
{
    struct tree *tree = a_tree();
    char too_long[300];
    long_path(too_long, 256);
    cr_assert_eq(resolve(tree, too_long, 0), -ENAMETOOLONG);
    cr_assert_eq(make_file(tree, too_long), -ENAMETOOLONG);
    cr_assert_eq(make_unlink(tree, too_long, false), -ENAMETOOLONG);
    cr_assert_eq(make_unlink(tree, too_long, true), -ENAMETOOLONG);
    cr_assert_eq(make_rename(tree, too_long, "/new", 0), -ENAMETOOLONG);
    cr_assert_eq(make_rename(tree, "/f", too_long, 0), -ENAMETOOLONG);
    cr_assert_eq(make_rename(tree, "/f", too_long, RENAME_EXCHANGE), -ENAMETOOLONG);
    cr_assert_eq(make_link(tree, "/f", too_long), -ENAMETOOLONG);
    /* Both paths' directories come before either last name. */
    cr_assert_eq(make_rename(tree, too_long, "/f/x", 0), -ENOTDIR);
    cr_assert_eq(make_rename(tree, "/none", "/d/..", 0), -EBUSY);
    strcat(too_long, "/x");
    cr_assert_eq(resolve(tree, too_long, NAMES_PARENT), -ENAMETOOLONG);
    tree_end(tree);
}

Test(names_errno, rename_does_not_follow_a_link_with_a_slash)
{
    struct tree *tree = a_tree();
    cr_assert_eq(make_rename(tree, "/ld/", "/new", 0), -ENOTDIR);
    cr_assert_eq(make_rename(tree, "/dangling/", "/new", 0), -ENOTDIR);
    cr_assert_eq(make_rename(tree, "/d", "/ld/", 0), -ENOTDIR);
    tree_end(tree);
}

/* ---- set-id bits go with a write ------------------------------------------------------------------ */

static uint32_t mode_after_write(struct tree *tree, uint32_t mode)
{
    struct credentials who = tree->who;
    tree->who = root_user;
    cr_assert_eq(change_mode(tree, "/f", mode), 0);
    tree->who = who;
    prepare(tree);
    names_make_strip(&tree->change, inode_at(tree, "/f"));
    cr_assert_eq(finish(tree, 0), 0);
    return inode_at(tree, "/f")->mode & 07777;
}

Test(names_strip, set_id_bits_go_unless_root_writes)
{
    struct tree *tree = a_tree();
    cr_assert_eq(change_owner(tree, "/f", 1000, 100), 0);
    cr_assert_eq(mode_after_write(tree, 06755), 06755);
    tree->who = alice;
    cr_assert_eq(mode_after_write(tree, 06755), 0755);
    cr_assert_eq(mode_after_write(tree, 02745), 02745, "a mark for locks, and she is in the group");
    cr_assert_eq(mode_after_write(tree, 0755), 0755);
    cr_assert_eq(tree->change.record_bytes, 0, "nothing to do, nothing recorded");
    tree->who = bob;
    cr_assert_eq(mode_after_write(tree, 02745), 0745);
    tree->who = root_user;
    tree_end(tree);
}

/* ---- who may link ------------------------------------------------------------------------------- */

Test(names_link, of_a_strangers_file_only_what_one_could_write)
{
    struct tree *tree = a_tree();
    cr_assert_eq(make_node(tree, "/pub", S_IFDIR | 0777, NULL), 0);
    cr_assert_eq(change_owner(tree, "/f", 1000, 1000), 0);
    tree->who = bob;
    static const uint32_t refused[] = {0644, 0662, 04666, 02676};
    for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        tree->who = root_user;
        cr_assert_eq(change_mode(tree, "/f", refused[i]), 0);
        tree->who = bob;
        cr_assert_eq(make_link(tree, "/f", "/pub/mine"), -EPERM, "mode %o", refused[i]);
        cr_assert_eq(make_link(tree, "/f", "/d"), -EEXIST);
        cr_assert_eq(make_link(tree, "/f", "/refused"), -EPERM, "before the directory's EACCES");
    }
    cr_assert_eq(make_link(tree, "/ld", "/pub/mine"), -EPERM, "nor a stranger's symlink");
    tree->who = alice;
    cr_assert_eq(make_link(tree, "/f", "/pub/hers"), 0);
    tree->who = root_user;
    cr_assert_eq(change_mode(tree, "/f", 0666), 0);
    tree->who = bob;
    cr_assert_eq(make_link(tree, "/f", "/pub/his"), 0);
    tree->who = root_user;
    tree_end(tree);
}
