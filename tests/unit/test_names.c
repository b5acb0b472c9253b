/*
 * test_names.c - names as POSIX and Linux have them, one case each. Every test ends with tree_end: the
 * journal of what it did, replayed, gives the same tree.
 */
#include "tests/unit/names_fixture.h"

static struct tree *a_tree(void)
{
    return tree_new(UINT64_MAX);
}

/* A directory that everybody may write to, and the caller is alice from here on. */
static struct tree *a_shared_tree(void)
{
    struct tree *tree = a_tree();
    cr_assert_eq(make_node(tree, "/pub", S_IFDIR | 0777, NULL), 0);
    cr_assert_eq(change_mode(tree, "/pub", 0777), 0);
    tree->who = alice;
    return tree;
}

/* ---- create ------------------------------------------------------------------------------------ */

Test(names, create_states_inode_entry_and_parent)
{
    struct tree *tree = a_tree();
    cr_assert_eq(make_file(tree, "/file"), 0);
    const struct name_inode *inode = inode_at(tree, "/file"), *root = inode_at(tree, "/");
    cr_assert_eq(tree->change.ino, inode->ino);
    cr_assert_eq(inode->generation, 7);
    cr_assert_eq(inode->mode, S_IFREG | 0644);
    cr_assert_eq(inode->nlink, 1);
    cr_assert_eq(inode->birth_ns, tree->now_ns);
    cr_assert_eq(root->mtime_ns, tree->now_ns);
    cr_assert_eq(root->ctime_ns, tree->now_ns);
    cr_assert_eq(root->nlink, 2);
    cr_assert_eq(make_dir(tree, "/dir"), 0);
    cr_assert_eq(root->nlink, 3);
    cr_assert_eq(inode_at(tree, "/dir")->nlink, 2);
    cr_assert_eq(names_inode_count(tree->names), 3);
    tree_end(tree);
}

Test(names, create_where_something_is)
{
    struct tree *tree = a_tree();
    make_file(tree, "/file");
    make_dir(tree, "/dir");
    make_symlink(tree, "nowhere", "/dangling");
    cr_assert_eq(make_file(tree, "/file"), -EEXIST);
    cr_assert_eq(make_dir(tree, "/file"), -EEXIST);
    cr_assert_eq(make_dir(tree, "/file/"), -EEXIST);
    cr_assert_eq(make_dir(tree, "/dir"), -EEXIST);
    cr_assert_eq(make_dir(tree, "/dangling"), -EEXIST);
    cr_assert_eq(make_dir(tree, "/dangling/"), -EEXIST);
    cr_assert_eq(make_dir(tree, "/"), -EEXIST);
    cr_assert_eq(make_dir(tree, "/dir/."), -EEXIST);
    cr_assert_eq(make_dir(tree, "/dir/.."), -EEXIST);
    cr_assert_eq(make_file(tree, "/none/file"), -ENOENT);
    cr_assert_eq(make_file(tree, "/file/file"), -ENOTDIR);
    tree_end(tree);
}

Test(names, create_with_a_trailing_slash)
{
    struct tree *tree = a_tree();
    cr_assert_eq(make_dir(tree, "/dir///"), 0);
    cr_assert_eq(make_file(tree, "/file/"), -EISDIR);
    cr_assert_eq(make_symlink(tree, "x", "/link/"), -ENOENT);
    make_file(tree, "/old");
    cr_assert_eq(make_link(tree, "/old", "/new/"), -ENOENT);
    tree_end(tree);
}

Test(names, create_needs_write_and_search)
{
    struct tree *tree = a_tree();
    make_node(tree, "/rx", S_IFDIR | 0755, NULL);
    tree->who = alice;
    cr_assert_eq(make_file(tree, "/rx/file"), -EACCES);
    cr_assert_eq(make_dir(tree, "/rx/dir"), -EACCES);
    tree->who = root_user;
    change_mode(tree, "/rx", 0776);
    tree->who = alice;
    cr_assert_eq(make_file(tree, "/rx/file"), -EACCES, "w without x");
    tree->who = root_user;
    change_mode(tree, "/rx", 0);
    cr_assert_eq(make_file(tree, "/rx/file"), 0, "root may all");
    tree_end(tree);
}

Test(names, existence_is_told_before_permission)
{
    struct tree *tree = a_tree();
    make_dir(tree, "/dir");
    tree->who = alice;
    cr_assert_eq(make_dir(tree, "/dir"), -EEXIST);
    tree_end(tree);
}

Test(names, names_have_a_length)
{
    struct tree *tree = a_tree();
    char path[300] = "/";
    memset(path + 1, 'n', 255);
    cr_assert_eq(make_file(tree, path), 0);
    path[256] = 'n';
    cr_assert_eq(make_file(tree, path), -ENAMETOOLONG);
    cr_assert_eq(resolve(tree, path, 0), -ENAMETOOLONG);
    char *long_path = malloc(5000);
    memset(long_path, '/', 5000);
    long_path[4095] = '\0';
    cr_assert_eq(resolve(tree, long_path, 0), 0);
    long_path[4095] = '/';
    long_path[4096] = '\0';
    cr_assert_eq(resolve(tree, long_path, 0), -ENAMETOOLONG);
    free(long_path);
    struct names_place place;
    cr_assert_eq(names_resolve(tree->names, &root_user, "a\0b", 3, 0, &place), -EINVAL);
    cr_assert_eq(resolve(tree, "", 0), -ENOENT);
    tree_end(tree);
}

Test(names, names_are_bytes)
{
    struct tree *tree = a_tree();
    cr_assert_eq(make_file(tree, "/\xff\xfe\n\t "), 0);
    cr_assert_eq(make_file(tree, "/..."), 0);
    cr_assert_eq(make_file(tree, "/.a"), 0);
    cr_assert_not_null(inode_at(tree, "/\xff\xfe\n\t "));
    tree_end(tree);
}

Test(names, no_device_nodes)
{
    struct tree *tree = a_tree();
    cr_assert_eq(make_node(tree, "/null", S_IFCHR | 0666, NULL), -EOPNOTSUPP);
    cr_assert_eq(make_node(tree, "/pipe", S_IFIFO | 0666, NULL), -EOPNOTSUPP);
    cr_assert_eq(make_node(tree, "/sock", S_IFSOCK | 0666, NULL), -EOPNOTSUPP);
    tree_end(tree);
}

Test(names, owner_and_group_of_what_is_made)
{
    struct tree *tree = a_shared_tree();
    make_file(tree, "/pub/file");
    cr_assert_eq(inode_at(tree, "/pub/file")->uid, 1000);
    cr_assert_eq(inode_at(tree, "/pub/file")->gid, 1000);
    tree_end(tree);
}

Test(names, setgid_directories_pass_on_their_group)
{
    struct tree *tree = a_shared_tree();
    tree->who = root_user;
    change_owner(tree, "/pub", 0, 555);
    change_mode(tree, "/pub", 02777);
    tree->who = alice;
    make_file(tree, "/pub/file");
    make_dir(tree, "/pub/dir");
    make_symlink(tree, "x", "/pub/link");
    make_node(tree, "/pub/program", S_IFREG | 02755, NULL);
    cr_assert_eq(inode_at(tree, "/pub/file")->gid, 555);
    cr_assert_eq(inode_at(tree, "/pub/dir")->gid, 555);
    cr_assert_eq(inode_at(tree, "/pub/dir")->mode, S_IFDIR | 02755);
    cr_assert_eq(inode_at(tree, "/pub/link")->gid, 555);
    cr_assert_eq(inode_at(tree, "/pub/program")->mode, S_IFREG | 0755,
                 "no setgid for a stranger's group");
    make_dir(tree, "/pub/dir/deeper");
    cr_assert_eq(inode_at(tree, "/pub/dir/deeper")->mode, S_IFDIR | 02755);
    tree_end(tree);
}

Test(names, mkdir_takes_no_set_id_bits)
{
    struct tree *tree = a_shared_tree();
    make_node(tree, "/pub/dir", S_IFDIR | 07777, NULL);
    cr_assert_eq(inode_at(tree, "/pub/dir")->mode, S_IFDIR | 01777);
    tree_end(tree);
}

Test(names, numbers_are_never_used_again)
{
    struct tree *tree = a_tree();
    make_file(tree, "/one");
    uint64_t ino = tree->change.ino;
    make_unlink(tree, "/one", false);
    make_file(tree, "/two");
    cr_assert_eq(tree->change.ino, ino + 1);
    make_unlink(tree, "/two", false);
    /* Nor after the image was loaded. */
    struct memory_sink image = image_of(tree->names);
    struct names *copy = replayed(image.bytes, image.used_bytes);
    cr_assert_eq(copy->next_ino, ino + 2);
    names_destroy(copy);
    free(image.bytes);
    tree_end(tree);
}

/* ---- symlinks ---------------------------------------------------------------------------------- */

Test(names, symlink_targets)
{
    struct tree *tree = a_tree();
    cr_assert_eq(make_symlink(tree, "", "/link"), -ENOENT);
    char target[4200];
    memset(target, 't', sizeof target);
    target[4095] = '\0';
    cr_assert_eq(make_symlink(tree, target, "/long"), 0);
    cr_assert_str_eq(inode_at(tree, "/long")->target, target);
    target[4095] = 't';
    target[4096] = '\0';
    cr_assert_eq(make_symlink(tree, target, "/longer"), -ENAMETOOLONG);
    cr_assert_eq(make_symlink(tree, "a/b", "/link"), 0);
    cr_assert_eq(inode_at(tree, "/link")->mode, S_IFLNK | 0777);
    tree_end(tree);
}

Test(names, symlinks_are_followed)
{
    struct tree *tree = a_tree();
    make_dir(tree, "/dir");
    make_file(tree, "/dir/file");
    make_symlink(tree, "dir", "/relative");
    make_symlink(tree, "/dir/file", "/absolute");
    make_symlink(tree, "../dir/file", "/dir/up");
    struct names_place place;
    int error;
    place_at(tree, "/relative/file", 0, &place, &error);
    cr_assert(error == 0 && place.inode == inode_at(tree, "/dir/file"));
    place_at(tree, "/absolute", 0, &place, &error);
    cr_assert(error == 0 && place.inode == inode_at(tree, "/dir/file"));
    cr_assert_eq(place.parent, inode_at(tree, "/dir"));
    place_at(tree, "/relative/up", 0, &place, &error);
    cr_assert(error == 0 && place.inode == inode_at(tree, "/dir/file"));
    place_at(tree, "/absolute", NAMES_NOFOLLOW, &place, &error);
    cr_assert(error == 0 && S_ISLNK(place.inode->mode));
    place_at(tree, "/relative/", NAMES_NOFOLLOW, &place, &error);
    cr_assert(error == 0 && place.inode == inode_at(tree, "/dir"), "a slash means the directory");
    cr_assert_eq(resolve(tree, "/absolute/", NAMES_NOFOLLOW), -ENOTDIR);
    cr_assert_eq(resolve(tree, "/absolute/x", 0), -ENOTDIR);
    tree_end(tree);
}

/* open(O_CREAT) makes what a dangling symlink leads to. */
Test(names, creating_through_a_dangling_symlink)
{
    struct tree *tree = a_tree();
    make_dir(tree, "/dir");
    make_symlink(tree, "dir/fresh", "/link");
    struct names_place place;
    int error;
    place_at(tree, "/link", NAMES_PARENT, &place, &error);
    cr_assert_eq(error, 0);
    cr_assert_null(place.inode);
    cr_assert_eq(place.parent, inode_at(tree, "/dir"));
    cr_assert(place.name_bytes == 5 && memcmp(place.name, "fresh", 5) == 0);
    prepare(tree);
    cr_assert_eq(
        finish(tree, names_make_node(tree->names, &tree->change, &place, S_IFREG | 0600, NULL, 0)),
        0);
    cr_assert_not_null(inode_at(tree, "/dir/fresh"));
    tree_end(tree);
}

Test(names, forty_symlinks_and_no_more)
{
    struct tree *tree = a_tree();
    make_file(tree, "/0");
    char target[16], path[16];
    for (int i = 1; i <= 41; i++) {
        snprintf(target, sizeof target, "%d", i - 1);
        snprintf(path, sizeof path, "/%d", i);
        make_symlink(tree, target, path);
    }
    cr_assert_eq(resolve(tree, "/40", 0), 0);
    cr_assert_eq(resolve(tree, "/41", 0), -ELOOP);
    make_symlink(tree, "loop", "/loop");
    cr_assert_eq(resolve(tree, "/loop", 0), -ELOOP);
    cr_assert_eq(resolve(tree, "/loop", NAMES_NOFOLLOW), 0);
    tree_end(tree);
}

Test(names, a_path_that_symlinks_make_too_long)
{
    struct tree *tree = a_tree();
    char target[4096];
    memset(target, '/', sizeof target);
    target[4095] = '\0';
    make_symlink(tree, target, "/link");
    cr_assert_eq(resolve(tree, "/link", 0), 0);
    cr_assert_eq(resolve(tree, "/link/x", 0), -ENAMETOOLONG);
    tree_end(tree);
}

/* ---- paths ------------------------------------------------------------------------------------- */

Test(names, dots_and_slashes)
{
    struct tree *tree = a_tree();
    make_dir(tree, "/a");
    make_dir(tree, "/a/b");
    struct names_place place;
    int error;
    const char *const roots[] = {"/", "//", ".", "/.", "/..", "../../..", "/a/..", "/a/b/../../.."};
    for (unsigned i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        place_at(tree, roots[i], 0, &place, &error);
        cr_assert(error == 0 && place.inode->ino == VOLUME_ROOT_INO, "%s", roots[i]);
        cr_assert(place.dot && !place.parent && !place.entry);
    }
    place_at(tree, "a//b/.", 0, &place, &error);
    cr_assert(error == 0 && place.dot && place.inode == inode_at(tree, "/a/b"));
    cr_assert_eq(place.parent, inode_at(tree, "/a"));
    place_at(tree, "/a/b/", 0, &place, &error);
    cr_assert(error == 0 && !place.dot && place.must_be_directory);
    cr_assert_eq(resolve(tree, "/none/..", 0), -ENOENT);
    make_file(tree, "/file");
    cr_assert_eq(resolve(tree, "/file/..", 0), -ENOTDIR);
    cr_assert_eq(resolve(tree, "/file/.", 0), -ENOTDIR);
    cr_assert_eq(resolve(tree, "/file/", 0), -ENOTDIR);
    cr_assert_eq(resolve(tree, "/none", NAMES_PARENT), 0);
    cr_assert_eq(resolve(tree, "/none", 0), -ENOENT);
    tree_end(tree);
}

Test(names, search_permission_on_each_directory)
{
    struct tree *tree = a_tree();
    make_node(tree, "/closed", S_IFDIR | 0700, NULL);
    make_dir(tree, "/closed/open");
    make_file(tree, "/closed/open/file");
    make_symlink(tree, "/closed/open/file", "/link");
    tree->who = alice;
    cr_assert_eq(resolve(tree, "/closed", 0), 0);
    cr_assert_eq(resolve(tree, "/closed/open", 0), -EACCES);
    cr_assert_eq(resolve(tree, "/closed/none", 0), -EACCES);
    cr_assert_eq(resolve(tree, "/closed/..", 0), -EACCES);
    cr_assert_eq(resolve(tree, "/link", 0), -EACCES);
    tree_end(tree);
}

Test(names, permission_of_owner_group_and_others)
{
    struct name_inode inode = {.mode = S_IFREG | 0640, .uid = 1000, .gid = 100};
    const struct credentials carol = {3000, 100, 0, NULL};
    cr_assert_eq(names_permitted(&alice, &inode, R_OK | W_OK), 0);
    cr_assert_eq(names_permitted(&alice, &inode, X_OK), -EACCES);
    cr_assert_eq(names_permitted(&carol, &inode, R_OK), 0);
    cr_assert_eq(names_permitted(&carol, &inode, W_OK), -EACCES);
    cr_assert_eq(names_permitted(&bob, &inode, R_OK), -EACCES);
    cr_assert_eq(names_permitted(&bob, &inode, 0), 0);
    cr_assert_eq(names_permitted(&root_user, &inode, R_OK | W_OK), 0);
    cr_assert_eq(names_permitted(&root_user, &inode, X_OK), -EACCES);
    inode.mode = S_IFREG | 0601;
    cr_assert_eq(names_permitted(&root_user, &inode, X_OK), 0);
    inode.mode = S_IFDIR;
    cr_assert_eq(names_permitted(&root_user, &inode, X_OK), 0);
    inode.mode = S_IFREG | 0077;
    cr_assert_eq(names_permitted(&alice, &inode, R_OK), -EACCES, "the owner's bits alone count");
    inode = (struct name_inode){.mode = S_IFREG | 0070, .uid = 0, .gid = 101};
    cr_assert_eq(names_permitted(&alice, &inode, R_OK | W_OK | X_OK), 0, "a further group");
}

/* ---- link -------------------------------------------------------------------------------------- */

Test(names, link_and_its_count)
{
    struct tree *tree = a_tree();
    make_file(tree, "/one");
    cr_assert_eq(make_link(tree, "/one", "/two"), 0);
    const struct name_inode *inode = inode_at(tree, "/one");
    cr_assert_eq(inode, inode_at(tree, "/two"));
    cr_assert_eq(inode->nlink, 2);
    cr_assert_eq(inode->ctime_ns, tree->now_ns);
    cr_assert_eq(make_unlink(tree, "/one", false), 0);
    cr_assert_eq(tree->change.gone_ino, 0);
    cr_assert_eq(inode->nlink, 1);
    cr_assert_eq(inode->ctime_ns, tree->now_ns);
    cr_assert_eq(make_unlink(tree, "/two", false), 0);
    cr_assert_eq(tree->change.gone_ino, tree->change.ino);
    cr_assert_eq(tree->change.gone_generation, 7);
    cr_assert(!tree->change.gone_is_open);
    tree_end(tree);
}

Test(names, link_refusals)
{
    struct tree *tree = a_tree();
    make_dir(tree, "/dir");
    make_file(tree, "/file");
    cr_assert_eq(make_link(tree, "/dir", "/again"), -EPERM);
    cr_assert_eq(make_link(tree, "/file", "/dir"), -EEXIST);
    cr_assert_eq(make_link(tree, "/file", "/dir/."), -EEXIST);
    cr_assert_eq(make_link(tree, "/none", "/again"), -ENOENT);
    cr_assert_eq(change_owner(tree, "/file", alice.uid, alice.gid), 0);
    tree->who = alice;
    cr_assert_eq(make_link(tree, "/file", "/again"), -EACCES);
    tree_end(tree);
}

Test(names, symlinks_have_links_too)
{
    struct tree *tree = a_tree();
    make_symlink(tree, "target", "/one");
    cr_assert_eq(make_link(tree, "/one", "/two"), 0);
    cr_assert_eq(make_unlink(tree, "/one", false), 0);
    cr_assert_str_eq(inode_at(tree, "/two")->target, "target");
    tree_end(tree);
}

Test(names, sixty_five_thousand_links)
{
    struct tree *tree = a_tree();
    make_file(tree, "/file");
    char path[32];
    for (unsigned i = 1; i < NAMES_LINKS_MAX; i++) {
        snprintf(path, sizeof path, "/l%u", i);
        cr_assert_eq(make_link(tree, "/file", path), 0);
    }
    cr_assert_eq(make_link(tree, "/file", "/more"), -EMLINK);
    cr_assert_eq(make_unlink(tree, "/file", false), 0);
    cr_assert_eq(make_link(tree, "/l1", "/more"), 0);
    tree_end(tree);
}

Test(names, sixty_five_thousand_subdirectories)
{
    struct tree *tree = a_tree();
    make_dir(tree, "/d");
    make_dir(tree, "/e");
    make_file(tree, "/file");
    char path[32];
    for (unsigned i = 2; i < NAMES_LINKS_MAX; i++) {
        snprintf(path, sizeof path, "/d/%u", i);
        cr_assert_eq(make_dir(tree, path), 0);
    }
    cr_assert_eq(make_dir(tree, "/d/more"), -EMLINK);
    cr_assert_eq(make_rename(tree, "/e", "/d/more", 0), -EMLINK);
    cr_assert_eq(make_file(tree, "/d/file"), 0);
    cr_assert_eq(make_rename(tree, "/e", "/d/file", RENAME_EXCHANGE), -EMLINK);
    cr_assert_eq(make_rename(tree, "/e", "/d/2", RENAME_EXCHANGE), 0);
    cr_assert_eq(make_rename(tree, "/e", "/d/2", 0), 0, "over an empty directory");
    cr_assert_eq(make_rename(tree, "/d/3", "/d/moved", 0), 0, "within the same parent");
    tree_end(tree);
}

/* ---- unlink and rmdir -------------------------------------------------------------------------- */

Test(names, unlink_and_rmdir_each_take_their_own)
{
    struct tree *tree = a_tree();
    make_dir(tree, "/dir");
    make_file(tree, "/file");
    make_symlink(tree, "dir", "/link");
    cr_assert_eq(make_unlink(tree, "/dir", false), -EISDIR);
    cr_assert_eq(make_unlink(tree, "/file", true), -ENOTDIR);
    cr_assert_eq(make_unlink(tree, "/none", false), -ENOENT);
    cr_assert_eq(make_unlink(tree, "/none", true), -ENOENT);
    cr_assert_eq(make_unlink(tree, "/file/", false), -ENOTDIR);
    cr_assert_eq(make_unlink(tree, "/link/", false), -ENOTDIR);
    cr_assert_eq(make_unlink(tree, "/link/", true), -ENOTDIR);
    cr_assert_eq(make_unlink(tree, "/link", false), 0);
    cr_assert_eq(make_unlink(tree, "/dir/", true), 0);
    cr_assert_eq(inode_at(tree, "/")->nlink, 2);
    cr_assert_eq(inode_at(tree, "/")->mtime_ns, tree->now_ns);
    tree_end(tree);
}

Test(names, dots_are_not_removed)
{
    struct tree *tree = a_tree();
    make_dir(tree, "/dir");
    make_dir(tree, "/dir/sub");
    cr_assert_eq(make_unlink(tree, "/dir/.", true), -EINVAL);
    cr_assert_eq(make_unlink(tree, "/dir/sub/..", true), -ENOTEMPTY);
    cr_assert_eq(make_unlink(tree, "/", true), -EBUSY);
    cr_assert_eq(make_unlink(tree, "/dir/.", false), -EISDIR);
    cr_assert_eq(make_unlink(tree, "/", false), -EISDIR);
    tree_end(tree);
}

Test(names, rmdir_of_a_directory_that_is_not_empty)
{
    struct tree *tree = a_tree();
    make_dir(tree, "/dir");
    make_file(tree, "/dir/file");
    cr_assert_eq(make_unlink(tree, "/dir", true), -ENOTEMPTY);
    make_unlink(tree, "/dir/file", false);
    cr_assert_eq(make_unlink(tree, "/dir", true), 0);
    tree_end(tree);
}

Test(names, the_sticky_bit)
{
    struct tree *tree = a_shared_tree();
    tree->who = root_user;
    change_mode(tree, "/pub", 01777);
    tree->who = alice;
    make_file(tree, "/pub/hers");
    make_dir(tree, "/pub/dir");
    tree->who = bob;
    make_file(tree, "/pub/his");
    cr_assert_eq(make_unlink(tree, "/pub/hers", false), -EPERM);
    cr_assert_eq(make_unlink(tree, "/pub/dir", true), -EPERM);
    cr_assert_eq(make_rename(tree, "/pub/hers", "/pub/mine", 0), -EPERM);
    cr_assert_eq(make_rename(tree, "/pub/his", "/pub/hers", 0), -EPERM, "replacing is removing");
    cr_assert_eq(make_rename(tree, "/pub/his", "/pub/hers", RENAME_EXCHANGE), -EPERM);
    cr_assert_eq(make_rename(tree, "/pub/his", "/pub/still", 0), 0);
    tree->who = alice;
    cr_assert_eq(make_unlink(tree, "/pub/hers", false), 0);
    tree->who = root_user;
    change_owner(tree, "/pub", 1000, 1000);
    tree->who = alice;
    cr_assert_eq(make_unlink(tree, "/pub/still", false), 0, "the directory's owner may");
    tree_end(tree);
}

Test(names, removing_needs_write_on_the_directory_only)
{
    struct tree *tree = a_shared_tree();
    make_node(tree, "/pub/file", S_IFREG, NULL);
    tree->who = bob;
    cr_assert_eq(make_unlink(tree, "/pub/file", false), 0);
    tree->who = root_user;
    make_file(tree, "/file");
    tree->who = bob;
    cr_assert_eq(make_unlink(tree, "/file", false), -EACCES);
    tree_end(tree);
}

/* ---- open files without names ------------------------------------------------------------------ */

Test(names, an_orphan_lives_until_it_is_closed)
{
    struct tree *tree = a_tree();
    make_file(tree, "/file");
    struct name_inode *inode = inode_at(tree, "/file");
    uint64_t ino = inode->ino;
    names_opened(tree->names, inode);
    names_opened(tree->names, inode);
    cr_assert_eq(make_unlink(tree, "/file", false), 0);
    cr_assert_eq(tree->change.gone_ino, ino);
    cr_assert(tree->change.gone_is_open);
    cr_assert_eq(names_inode(tree->names, ino), inode);
    cr_assert(inode->orphan);
    cr_assert_eq(inode->nlink, 0);
    cr_assert_eq(inode->ctime_ns, tree->now_ns);
    check_tree(tree);

    /* fchmod, fchown, futimens and linkat on it. */
    prepare(tree);
    cr_assert_eq(finish(tree, names_make_chmod(tree->names, &tree->change, inode, 0600)), 0);
    cr_assert_eq(inode->mode, S_IFREG | 0600);
    prepare(tree);
    cr_assert_eq(finish(tree, names_make_chown(tree->names, &tree->change, inode, 5, 5)), 0);
    struct names_place place;
    int error;
    place_at(tree, "/back", NAMES_PARENT, &place, &error);
    cr_assert_eq(names_make_link(tree->names, &tree->change, inode, &place), -ENOENT);
    check_tree(tree);

    cr_assert(!names_closed(tree->names, ino, 7));
    cr_assert(names_closed(tree->names, ino, 7));
    cr_assert_null(names_inode(tree->names, ino));
    tree_end(tree);
}

Test(names, closing_what_has_a_name_changes_nothing)
{
    struct tree *tree = a_tree();
    make_file(tree, "/file");
    names_opened(tree->names, inode_at(tree, "/file"));
    cr_assert(!names_closed(tree->names, inode_at(tree, "/file")->ino, 7));
    cr_assert_not_null(inode_at(tree, "/file"));
    tree_end(tree);
}

Test(names, replaced_by_rename_while_open)
{
    struct tree *tree = a_tree();
    make_file(tree, "/old");
    make_file(tree, "/new");
    struct name_inode *inode = inode_at(tree, "/new");
    uint64_t ino = inode->ino;
    names_opened(tree->names, inode);
    cr_assert_eq(make_rename(tree, "/old", "/new", 0), 0);
    cr_assert_eq(tree->change.gone_ino, ino);
    cr_assert(tree->change.gone_is_open);
    cr_assert(names_closed(tree->names, ino, 7));
    tree_end(tree);
}

Test(names, a_removed_directory_that_is_open_takes_no_names)
{
    struct tree *tree = a_tree();
    make_dir(tree, "/dir");
    struct names_place inside;
    int error;
    place_at(tree, "/dir/file", NAMES_PARENT, &inside, &error);
    struct name_inode *directory = inode_at(tree, "/dir");
    uint64_t ino = directory->ino;
    names_opened(tree->names, directory);
    make_unlink(tree, "/dir", true);
    prepare(tree);
    cr_assert_eq(names_make_node(tree->names, &tree->change, &inside, S_IFREG | 0644, NULL, 0),
                 -ENOENT);
    cr_assert_null(names_next_entry(directory, 0));
    cr_assert_eq(names_entry_count(directory), 0);
    cr_assert_eq(names_verify(tree->names, say_line, NULL), 0);
    cr_assert(names_closed(tree->names, ino, 7));
    tree_end(tree);
}

/* ---- rename ------------------------------------------------------------------------------------ */

Test(names, rename_in_a_directory_and_between)
{
    struct tree *tree = a_tree();
    make_dir(tree, "/a");
    make_dir(tree, "/b");
    make_file(tree, "/a/file");
    make_dir(tree, "/a/dir");
    const struct name_inode *file = inode_at(tree, "/a/file"), *dir = inode_at(tree, "/a/dir");
    cr_assert_eq(make_rename(tree, "/a/file", "/a/other", 0), 0);
    cr_assert_eq(inode_at(tree, "/a/other"), file);
    cr_assert_null(inode_at(tree, "/a/file"));
    cr_assert_eq(file->ctime_ns, tree->now_ns);
    cr_assert_eq(make_rename(tree, "/a/other", "/b/file", 0), 0);
    cr_assert_eq(inode_at(tree, "/a")->mtime_ns, tree->now_ns);
    cr_assert_eq(inode_at(tree, "/b")->mtime_ns, tree->now_ns);
    cr_assert_eq(make_rename(tree, "/a/dir/", "/b/dir/", 0), 0);
    cr_assert_eq(inode_at(tree, "/b/dir"), dir);
    cr_assert_eq(inode_at(tree, "/b/dir/.."), inode_at(tree, "/b"));
    cr_assert_eq(inode_at(tree, "/a")->nlink, 2);
    cr_assert_eq(inode_at(tree, "/b")->nlink, 3);
    tree_end(tree);
}

Test(names, rename_replaces)
{
    struct tree *tree = a_tree();
    make_file(tree, "/old");
    make_file(tree, "/new");
    make_link(tree, "/new", "/new2");
    const struct name_inode *old = inode_at(tree, "/old"), *replaced = inode_at(tree, "/new");
    cr_assert_eq(make_rename(tree, "/old", "/new", 0), 0);
    cr_assert_eq(inode_at(tree, "/new"), old);
    cr_assert_eq(replaced->nlink, 1);
    cr_assert_eq(replaced->ctime_ns, tree->now_ns);
    cr_assert_eq(tree->change.gone_ino, 0);
    make_file(tree, "/newer");
    uint64_t gone = inode_at(tree, "/new2")->ino;
    cr_assert_eq(make_rename(tree, "/newer", "/new2", 0), 0);
    cr_assert_eq(tree->change.gone_ino, gone);
    tree_end(tree);
}

Test(names, rename_over_directories)
{
    struct tree *tree = a_tree();
    make_dir(tree, "/a");
    make_dir(tree, "/b");
    make_file(tree, "/b/file");
    make_file(tree, "/file");
    make_dir(tree, "/c");
    cr_assert_eq(make_rename(tree, "/a", "/b", 0), -ENOTEMPTY);
    cr_assert_eq(make_rename(tree, "/a", "/file", 0), -ENOTDIR);
    cr_assert_eq(make_rename(tree, "/file", "/a", 0), -EISDIR);
    cr_assert_eq(make_rename(tree, "/b", "/a", 0), 0);
    cr_assert_not_null(inode_at(tree, "/a/file"));
    cr_assert_eq(inode_at(tree, "/")->nlink, 4);
    cr_assert_eq(make_rename(tree, "/c", "/a/c", 0), 0);
    cr_assert_eq(inode_at(tree, "/")->nlink, 3);
    tree_end(tree);
}

Test(names, rename_below_itself)
{
    struct tree *tree = a_tree();
    make_dir(tree, "/a");
    make_dir(tree, "/a/b");
    make_dir(tree, "/a/b/c");
    cr_assert_eq(make_rename(tree, "/a", "/a/x", 0), -EINVAL);
    cr_assert_eq(make_rename(tree, "/a", "/a/b/c/x", 0), -EINVAL);
    cr_assert_eq(make_rename(tree, "/a", "/a/b/c", 0), -EINVAL);
    cr_assert_eq(make_rename(tree, "/a/b/c", "/a", 0), -ENOTEMPTY);
    cr_assert_eq(make_rename(tree, "/a/b/c", "/a", RENAME_EXCHANGE), -EINVAL);
    cr_assert_eq(make_rename(tree, "/a", "/a/b/c", RENAME_EXCHANGE), -EINVAL);
    tree_end(tree);
}

Test(names, rename_of_dots)
{
    struct tree *tree = a_tree();
    make_dir(tree, "/a");
    make_dir(tree, "/b");
    cr_assert_eq(make_rename(tree, "/a/.", "/c", 0), -EBUSY);
    cr_assert_eq(make_rename(tree, "/a/..", "/c", 0), -EBUSY);
    cr_assert_eq(make_rename(tree, "/", "/c", 0), -EBUSY);
    cr_assert_eq(make_rename(tree, "/a", "/b/.", 0), -EBUSY);
    cr_assert_eq(make_rename(tree, "/a", "/", 0), -EBUSY);
    cr_assert_eq(make_rename(tree, "/a", "/b/..", RENAME_NOREPLACE), -EEXIST);
    tree_end(tree);
}

Test(names, rename_with_trailing_slashes)
{
    struct tree *tree = a_tree();
    make_file(tree, "/file");
    make_dir(tree, "/dir");
    make_symlink(tree, "dir", "/link");
    cr_assert_eq(make_rename(tree, "/file/", "/x", 0), -ENOTDIR);
    cr_assert_eq(make_rename(tree, "/file", "/x/", 0), -ENOTDIR);
    cr_assert_eq(make_rename(tree, "/link/", "/x", 0), -ENOTDIR);
    cr_assert_eq(make_rename(tree, "/file", "/dir/", RENAME_EXCHANGE), 0);
    tree_end(tree);
}

Test(names, rename_onto_the_same_inode_does_nothing)
{
    struct tree *tree = a_tree();
    make_file(tree, "/one");
    make_link(tree, "/one", "/two");
    cr_assert_eq(make_rename(tree, "/one", "/two", 0), 0);
    cr_assert_eq(tree->change.record_bytes, 0);
    cr_assert_eq(make_rename(tree, "/one", "/one", 0), 0);
    cr_assert_eq(tree->change.record_bytes, 0);
    cr_assert(inode_at(tree, "/one") && inode_at(tree, "/two"));
    cr_assert_eq(make_rename(tree, "/one", "/two", RENAME_NOREPLACE), -EEXIST);
    tree_end(tree);
}

Test(names, rename_flags)
{
    struct tree *tree = a_tree();
    make_file(tree, "/one");
    make_file(tree, "/two");
    cr_assert_eq(make_rename(tree, "/one", "/two", RENAME_NOREPLACE), -EEXIST);
    cr_assert_eq(make_rename(tree, "/one", "/three", RENAME_NOREPLACE), 0);
    cr_assert_eq(make_rename(tree, "/one", "/two", RENAME_NOREPLACE), -ENOENT);
    cr_assert_eq(make_rename(tree, "/three", "/none", RENAME_EXCHANGE), -ENOENT);
    cr_assert_eq(make_rename(tree, "/three", "/two", RENAME_EXCHANGE | RENAME_NOREPLACE), -EINVAL);
    cr_assert_eq(make_rename(tree, "/three", "/two", RENAME_WHITEOUT), -EINVAL);
    tree_end(tree);
}

Test(names, exchange_of_files_keeps_cookies)
{
    struct tree *tree = a_tree();
    make_file(tree, "/one");
    make_file(tree, "/two");
    struct name_inode *root = inode_at(tree, "/"), *one = inode_at(tree, "/one");
    uint64_t cookie = names_find(tree->names, root, "two", 3)->cookie;
    cr_assert_eq(make_rename(tree, "/one", "/two", RENAME_EXCHANGE), 0);
    cr_assert_eq(inode_at(tree, "/two"), one);
    cr_assert_eq(names_find(tree->names, root, "two", 3)->cookie, cookie);
    cr_assert_eq(one->ctime_ns, tree->now_ns);
    cr_assert_eq(inode_at(tree, "/one")->ctime_ns, tree->now_ns);
    cr_assert_eq(tree->change.gone_ino, 0);
    tree_end(tree);
}

Test(names, exchange_between_parents)
{
    struct tree *tree = a_tree();
    make_dir(tree, "/a");
    make_dir(tree, "/b");
    make_dir(tree, "/a/dir");
    make_file(tree, "/a/dir/inside");
    make_file(tree, "/b/file");
    cr_assert_eq(make_rename(tree, "/a/dir", "/b/file", RENAME_EXCHANGE), 0);
    cr_assert_eq(inode_at(tree, "/a")->nlink, 2);
    cr_assert_eq(inode_at(tree, "/b")->nlink, 3);
    cr_assert_not_null(inode_at(tree, "/b/file/inside"));
    cr_assert_eq(inode_at(tree, "/b/file/.."), inode_at(tree, "/b"));
    cr_assert_eq(names_find(tree->names, inode_at(tree, "/a"), "dir", 3)->type, DT_REG);
    make_dir(tree, "/a/other");
    make_file(tree, "/a/other/x");
    cr_assert_eq(make_rename(tree, "/a/other", "/b/file", RENAME_EXCHANGE), 0);
    cr_assert_eq(inode_at(tree, "/a/other/.."), inode_at(tree, "/a"));
    cr_assert_eq(inode_at(tree, "/b/file/.."), inode_at(tree, "/b"));
    cr_assert_not_null(inode_at(tree, "/a/other/inside"));
    cr_assert_eq(make_rename(tree, "/a/other", "/b/file", RENAME_EXCHANGE), 0);
    cr_assert_eq(make_rename(tree, "/b/file", "/a/dir", RENAME_EXCHANGE), 0);
    tree_end(tree);
}

Test(names, rename_permissions)
{
    struct tree *tree = a_shared_tree();
    make_dir(tree, "/pub/a");
    make_dir(tree, "/pub/a/dir");
    tree->who = root_user;
    make_dir(tree, "/mine");
    make_file(tree, "/mine/file");
    tree->who = alice;
    make_file(tree, "/pub/file");
    cr_assert_eq(make_rename(tree, "/pub/file", "/mine/other", 0), -EACCES);
    cr_assert_eq(make_rename(tree, "/mine/file", "/pub/other", 0), -EACCES);
    cr_assert_eq(make_rename(tree, "/pub/file", "/mine/file", 0), -EACCES);
    cr_assert_eq(make_rename(tree, "/pub/file", "/mine/file", RENAME_EXCHANGE), -EACCES);
    change_mode(tree, "/pub/a/dir", 0555);
    cr_assert_eq(make_rename(tree, "/pub/a/dir", "/pub/dir", 0), -EACCES, "its .. would change");
    cr_assert_eq(make_rename(tree, "/pub/a/dir", "/pub/a/other", 0), 0, "the same parent");
    cr_assert_eq(make_rename(tree, "/pub/file", "/pub/a/other", RENAME_EXCHANGE), -EACCES);
    tree_end(tree);
}

Test(names, two_symlinks_with_long_targets_in_one_record)
{
    struct tree *tree = a_tree();
    char target[4096];
    memset(target, 't', sizeof target);
    target[4095] = '\0';
    make_symlink(tree, target, "/one");
    make_symlink(tree, target, "/two");
    make_link(tree, "/two", "/two-again");
    cr_assert_eq(make_rename(tree, "/one", "/two", RENAME_EXCHANGE), 0);
    cr_assert_eq(make_rename(tree, "/one", "/two", 0), 0);
    cr_assert_str_eq(inode_at(tree, "/two-again")->target, target);
    tree_end(tree);
}

/* ---- attributes -------------------------------------------------------------------------------- */

Test(names, chmod_is_the_owners)
{
    struct tree *tree = a_shared_tree();
    make_file(tree, "/pub/file");
    make_symlink(tree, "file", "/pub/link");
    cr_assert_eq(change_mode(tree, "/pub/file", S_IFDIR | 04711), 0);
    cr_assert_eq(inode_at(tree, "/pub/file")->mode, S_IFREG | 04711);
    cr_assert_eq(inode_at(tree, "/pub/file")->ctime_ns, tree->now_ns);
    cr_assert_eq(change_mode(tree, "/pub/link", 0600), -EOPNOTSUPP);
    tree->who = bob;
    cr_assert_eq(change_mode(tree, "/pub/file", 0777), -EPERM);
    tree->who = root_user;
    cr_assert_eq(change_mode(tree, "/pub/file", 0777), 0);
    tree_end(tree);
}

Test(names, chmod_gives_setgid_only_to_members)
{
    struct tree *tree = a_shared_tree();
    make_file(tree, "/pub/file");
    change_mode(tree, "/pub/file", 02755);
    cr_assert_eq(inode_at(tree, "/pub/file")->mode, S_IFREG | 02755);
    tree->who = root_user;
    change_owner(tree, "/pub/file", 1000, 555);
    tree->who = alice;
    cr_assert_eq(change_mode(tree, "/pub/file", 02755), 0);
    cr_assert_eq(inode_at(tree, "/pub/file")->mode, S_IFREG | 0755);
    tree->who = root_user;
    change_mode(tree, "/pub/file", 02755);
    cr_assert_eq(inode_at(tree, "/pub/file")->mode, S_IFREG | 02755);
    tree_end(tree);
}

Test(names, chown_is_roots_but_for_ones_own_groups)
{
    struct tree *tree = a_shared_tree();
    make_file(tree, "/pub/file");
    cr_assert_eq(change_owner(tree, "/pub/file", 2000, ~0u), -EPERM);
    cr_assert_eq(change_owner(tree, "/pub/file", 1000, 100), 0);
    cr_assert_eq(inode_at(tree, "/pub/file")->gid, 100);
    cr_assert_eq(change_owner(tree, "/pub/file", ~0u, 101), 0);
    cr_assert_eq(change_owner(tree, "/pub/file", ~0u, 2000), -EPERM);
    cr_assert_eq(change_owner(tree, "/pub/file", ~0u, 101), 0);
    tree->who = bob;
    cr_assert_eq(change_owner(tree, "/pub/file", ~0u, 2000), -EPERM);
    cr_assert_eq(change_owner(tree, "/pub/file", 1000, ~0u), -EPERM);
    cr_assert_eq(change_owner(tree, "/pub/file", ~0u, ~0u), 0, "as on Linux");
    tree->who = root_user;
    cr_assert_eq(change_owner(tree, "/pub/file", 5, 6), 0);
    cr_assert_eq(inode_at(tree, "/pub/file")->uid, 5);
    cr_assert_eq(inode_at(tree, "/pub/file")->gid, 6);
    tree_end(tree);
}

Test(names, chown_takes_set_id_bits)
{
    struct tree *tree = a_shared_tree();
    make_file(tree, "/pub/file");
    change_mode(tree, "/pub/file", 06755);
    change_owner(tree, "/pub/file", ~0u, 100);
    cr_assert_eq(inode_at(tree, "/pub/file")->mode, S_IFREG | 0755);
    change_mode(tree, "/pub/file", 06644);
    change_owner(tree, "/pub/file", ~0u, 100);
    cr_assert_eq(inode_at(tree, "/pub/file")->mode, S_IFREG | 02644,
                 "without x it is no privilege");
    make_dir(tree, "/pub/dir");
    change_mode(tree, "/pub/dir", 02755);
    change_owner(tree, "/pub/dir", ~0u, 100);
    cr_assert_eq(inode_at(tree, "/pub/dir")->mode, S_IFDIR | 02755);
    tree_end(tree);
}

Test(names, utimens)
{
    struct tree *tree = a_shared_tree();
    make_dir(tree, "/pub/dir");
    cr_assert_eq(change_times(tree, "/pub/dir", 5, 6, true), 0);
    const struct name_inode *dir = inode_at(tree, "/pub/dir");
    cr_assert(dir->atime_ns == 5 && dir->mtime_ns == 6 && dir->ctime_ns == tree->now_ns);
    cr_assert_eq(change_times(tree, "/pub/dir", INT64_MIN, 7, true), 0);
    cr_assert(dir->atime_ns == 5 && dir->mtime_ns == 7);
    cr_assert_eq(change_times(tree, "/pub/dir", INT64_MIN, INT64_MIN, true), 0);
    cr_assert_eq(tree->change.record_bytes, 0);
    tree->who = bob;
    cr_assert_eq(change_times(tree, "/pub/dir", 1, 1, true), -EPERM);
    cr_assert_eq(change_times(tree, "/pub/dir", 1, 1, false), -EACCES);
    tree->who = alice;
    change_mode(tree, "/pub/dir", 0777);
    tree->who = bob;
    cr_assert_eq(change_times(tree, "/pub/dir", 9, 9, false), 0, "now, with write permission");
    tree->who = alice;
    make_file(tree, "/pub/file");
    int64_t birth_ns = tree->now_ns;
    cr_assert_eq(change_times(tree, "/pub/file", 1, 2, true), 0);
    cr_assert_eq(inode_at(tree, "/pub/file")->mtime_ns, birth_ns, "a file's are in its partition");
    tree_end(tree);
}

/* ---- limits and listing ------------------------------------------------------------------------ */

Test(names, past_the_memory_limit_nothing_new)
{
    struct tree *tree = tree_new(100000);
    char path[64];
    unsigned made = 0;
    for (;; made++) {
        snprintf(path, sizeof path, "/file%u", made);
        int error = make_file(tree, path);
        if (error) {
            cr_assert_eq(error, -ENOSPC);
            break;
        }
    }
    cr_assert_gt(made, 300);
    cr_assert_leq(names_memory_bytes(tree->names), 100000);
    cr_assert_eq(make_dir(tree, "/d"), -ENOSPC);
    cr_assert_eq(make_symlink(tree, "a-long-target-as-these-go", "/l"), -ENOSPC);
    cr_assert_eq(
        make_rename(tree, "/file1",
                    "/a-name-that-is-so-much-longer-that-it-cannot-fit-into-what-memory-is-left-"
                    "because-that-is-less-than-a-file-needs-which-is-two-hundred-bytes-or-so-as-"
                    "the-header-says-and-so-this-name-has-to-be-longer-than-that-which-it-is-now",
                    0),
        -ENOSPC);
    cr_assert_eq(make_rename(tree, "/file1", "/gone1", 0), 0);
    cr_assert_eq(change_mode(tree, "/file2", 0600), 0);
    cr_assert_eq(make_unlink(tree, "/file2", false), 0);
    cr_assert_eq(make_file(tree, "/again"), 0);
    tree_end(tree);
}

Test(names, memory_is_given_back)
{
    struct tree *tree = a_tree();
    uint64_t before = names_memory_bytes(tree->names);
    make_dir(tree, "/dir");
    make_file(tree, "/dir/file");
    make_symlink(tree, "some-target", "/dir/link");
    make_link(tree, "/dir/file", "/dir/again");
    cr_assert_gt(names_memory_bytes(tree->names), before);
    make_rename(tree, "/dir/link", "/dir/again", 0);
    make_unlink(tree, "/dir/again", false);
    make_unlink(tree, "/dir/file", false);
    make_unlink(tree, "/dir", true);
    cr_assert_eq(names_memory_bytes(tree->names), before);
    tree_end(tree);
}

Test(names, an_empty_file_costs_less_than_300_bytes)
{
    struct tree *tree = a_tree();
    uint64_t before = names_memory_bytes(tree->names);
    make_file(tree, "/0123456789");
    cr_assert_leq(names_memory_bytes(tree->names) - before, 300);
    tree_end(tree);
}

Test(names, listing_in_the_order_of_making)
{
    struct tree *tree = a_tree();
    make_file(tree, "/c");
    make_file(tree, "/a");
    make_file(tree, "/b");
    struct name_inode *root = inode_at(tree, "/");
    const struct name_entry *entry = names_next_entry(root, 0);
    cr_assert_eq(entry->cookie, 3);
    cr_assert_str_eq(entry->name, "c");
    make_unlink(tree, "/a", false);
    entry = names_next_entry(root, entry->cookie);
    cr_assert_str_eq(entry->name, "b");
    cr_assert_null(names_next_entry(root, entry->cookie));
    make_file(tree, "/a");
    cr_assert_str_eq(names_next_entry(root, entry->cookie)->name, "a", "a new cookie");
    cr_assert_eq(names_entry_count(root), 3);
    tree_end(tree);
}

/* A listing while others come and go sees each entry that stays exactly once. */
Test(names, a_hundred_thousand_entries_with_stable_cookies)
{
    enum { STAYING = 100000 };
    struct tree *tree = a_tree();
    make_dir(tree, "/d");
    char path[64];
    for (unsigned i = 0; i < STAYING; i++) {
        snprintf(path, sizeof path, "/d/stay%u", i);
        cr_assert_eq(make_file(tree, path), 0);
        if (i % 4 == 0) {
            snprintf(path, sizeof path, "/d/go%u", i);
            cr_assert_eq(make_file(tree, path), 0);
        }
    }
    uint8_t *seen = calloc(STAYING, 1);
    struct name_inode *directory = inode_at(tree, "/d");
    const struct name_entry *entry;
    unsigned listed = 0;
    for (uint64_t cookie = 0; (entry = names_next_entry(directory, cookie)); listed++) {
        cr_assert_gt(entry->cookie, cookie);
        cookie = entry->cookie;
        if (strncmp(entry->name, "stay", 4) == 0)
            seen[strtoul(entry->name + 4, NULL, 10)]++;
        /* Now before, now behind where the listing is; at times the very one just seen. */
        if (listed < STAYING && listed % 4 == 0) {
            snprintf(path, sizeof path, "/d/go%u", (listed * 7919u) % STAYING / 4 * 4);
            int error = make_unlink(tree, path, false);
            cr_assert(error == 0 || error == -ENOENT);
            snprintf(path, sizeof path, "/d/come%u", listed);
            cr_assert_eq(make_file(tree, path), 0);
        }
    }
    for (unsigned i = 0; i < STAYING; i++)
        cr_assert_eq(seen[i], 1, "entry %u was seen %u times", i, seen[i]);
    free(seen);
    tree_end(tree);
}

Test(names, a_large_directory_is_emptied)
{
    struct tree *tree = a_tree();
    char path[32];
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(path, sizeof path, "/%u", i);
        cr_assert_eq(make_file(tree, path), 0);
    }
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(path, sizeof path, "/%u", (i * 7919u) % 20000);
        cr_assert_eq(make_unlink(tree, path, false), 0);
    }
    cr_assert_null(names_next_entry(inode_at(tree, "/"), 0));
    cr_assert_eq(names_inode_count(tree->names), 1);
    tree_end(tree);
}
