/*
 * test_names_unnamed.c - what the tree remembers beside names: files without one (O_TMPFILE), and the cookies
 * of entries that are gone.
 */
#include "tests/unit/names_fixture.h"

static struct tree *a_tree(void)
{
    return tree_new(UINT64_MAX);
}

/* As name_open does it: checked, inserted, applied, opened. */
static int make_unnamed(struct tree *tree, const char *path, uint32_t mode, bool linkable,
                        struct name_inode **inode)
{
    prepare(tree);
    int error = names_make_unnamed(tree->names, &tree->change, inode_at(tree, path), mode);
    if (!error)
        error = names_insert_unnamed(tree->names, &tree->change, linkable);
    error = finish(tree, error);
    if (error)
        return error;
    *inode = names_inode(tree->names, tree->change.ino);
    cr_assert_not_null(*inode);
    names_opened(tree->names, *inode);
    return 0;
}

static int link_inode(struct tree *tree, struct name_inode *inode, const char *path)
{
    struct names_place place;
    int error;
    place_at(tree, path, NAMES_PARENT | NAMES_NOFOLLOW, &place, &error);
    prepare(tree);
    return error ? error : finish(tree, names_make_link(tree->names, &tree->change, inode, &place));
}

/* ---- files without a name ----------------------------------------------------------------------- */

Test(names_unnamed, is_nowhere_and_goes_with_its_last_close)
{
    struct tree *tree = a_tree();
    struct name_inode *inode = NULL;
    uint64_t before = names_inode_count(tree->names), memory = names_memory_bytes(tree->names);
    cr_assert_eq(make_unnamed(tree, "/", 0640, true, &inode), 0);
    uint64_t ino = inode->ino;
    cr_assert_eq(inode->nlink, 0);
    cr_assert_eq(inode->mode, S_IFREG | 0640);
    cr_assert_eq(inode->birth_ns, tree->now_ns);
    cr_assert_eq(names_entry_count(inode_at(tree, "/")), 0);
    cr_assert_eq(inode_at(tree, "/")->mtime_ns, inode_at(tree, "/")->birth_ns);
    check_tree(tree); /* neither the journal nor the image brings it back */
    cr_assert(names_closed(tree->names, ino, 7));
    cr_assert_null(names_inode(tree->names, ino));
    cr_assert_eq(names_inode_count(tree->names), before);
    cr_assert_eq(names_memory_bytes(tree->names), memory);
    /* Its number is gone for good, also for who only reads the journal or the image. */
    struct names *copy = replayed(tree->journal, tree->journal_bytes);
    cr_assert_eq(copy->next_ino, ino + 1);
    names_destroy(copy);
    struct memory_sink image = image_of(tree->names);
    copy = replayed(image.bytes, image.used_bytes);
    cr_assert_eq(copy->next_ino, ino + 1);
    names_destroy(copy);
    free(image.bytes);
    tree_end(tree);
}

Test(names_unnamed, its_first_name_states_it_whole)
{
    struct tree *tree = a_tree();
    struct name_inode *inode = NULL;
    cr_assert_eq(make_unnamed(tree, "/", 0600, true, &inode), 0);
    prepare(tree);
    cr_assert_eq(finish(tree, names_make_chmod(tree->names, &tree->change, inode, 0644)), 0);
    prepare(tree);
    cr_assert_eq(finish(tree, names_make_chown(tree->names, &tree->change, inode, 5, 6)), 0);
    check_tree(tree);
    cr_assert_eq(link_inode(tree, inode, "/name"), 0);
    cr_assert_eq(inode_at(tree, "/name"), inode);
    cr_assert_eq(inode->nlink, 1);
    cr_assert(!inode->orphan);
    struct names *copy = replayed(tree->journal, tree->journal_bytes);
    const struct name_inode *again = names_inode(copy, inode->ino);
    cr_assert_not_null(again);
    cr_assert_eq(again->mode, S_IFREG | 0644);
    cr_assert_eq(again->uid, 5);
    cr_assert_eq(again->generation, 7);
    names_destroy(copy);
    cr_assert(!names_closed(tree->names, inode->ino, 7));
    cr_assert_eq(link_inode(tree, inode, "/second"), 0);
    cr_assert_eq(inode->nlink, 2);
    tree_end(tree);
}

Test(names_unnamed, a_name_that_was_lost_does_not_come_back)
{
    struct tree *tree = a_tree();
    struct name_inode *inode = NULL;
    cr_assert_eq(make_unnamed(tree, "/", 0600, true, &inode), 0);
    cr_assert_eq(link_inode(tree, inode, "/name"), 0);
    cr_assert_eq(make_unlink(tree, "/name", false), 0);
    cr_assert(inode->orphan);
    cr_assert_eq(link_inode(tree, inode, "/again"), -ENOENT);
    check_tree(tree);
    cr_assert(names_closed(tree->names, inode->ino, 7));
    tree_end(tree);
}

Test(names_unnamed, exclusive_means_never_a_name)
{
    struct tree *tree = a_tree();
    struct name_inode *inode = NULL;
    cr_assert_eq(make_unnamed(tree, "/", 0600, false, &inode), 0);
    cr_assert_eq(link_inode(tree, inode, "/name"), -ENOENT);
    cr_assert(names_closed(tree->names, inode->ino, 7));
    tree_end(tree);
}

Test(names_unnamed, directory_gives_permission_group_and_life)
{
    struct tree *tree = a_tree();
    struct name_inode *inode = NULL;
    cr_assert_eq(make_node(tree, "/shared", S_IFDIR | 0777, NULL), 0);
    cr_assert_eq(change_owner(tree, "/shared", 0, 100), 0);
    cr_assert_eq(change_mode(tree, "/shared", 02777), 0);
    tree->who = bob;
    cr_assert_eq(make_unnamed(tree, "/", 0600, true, &inode), -EACCES);
    cr_assert_eq(make_unnamed(tree, "/shared", 02770, true, &inode), 0);
    cr_assert_eq(inode->uid, bob.uid);
    cr_assert_eq(inode->gid, 100);
    cr_assert_eq(inode->mode, S_IFREG | 0770, "no setgid for a group he is not in");
    cr_assert(names_closed(tree->names, inode->ino, 7));
    tree->who = root_user;
    struct name_inode *shared = inode_at(tree, "/shared");
    names_opened(tree->names, shared);
    cr_assert_eq(make_unlink(tree, "/shared", true), 0);
    prepare(tree);
    cr_assert_eq(names_make_unnamed(tree->names, &tree->change, shared, 0600), -ENOENT);
    cr_assert(names_closed(tree->names, shared->ino, 7));
    tree_end(tree);
}

Test(names_unnamed, counts_as_metadata)
{
    struct tree *tree = tree_new(0);
    struct name_inode *inode = NULL;
    cr_assert_eq(make_unnamed(tree, "/", 0600, true, &inode), -ENOSPC);
    tree_destroy(tree);
}

/* ---- cookies of entries that are gone ------------------------------------------------------------- */

static uint64_t next_cookie_in(struct names *names)
{
    return names_inode(names, VOLUME_ROOT_INO)->directory->next_cookie;
}

Test(names_cookies, of_a_removed_last_entry_does_not_come_again)
{
    struct tree *tree = a_tree();
    make_file(tree, "/one");
    make_file(tree, "/two");
    uint64_t next = next_cookie_in(tree->names);
    make_unlink(tree, "/two", false);
    make_rename(tree, "/one", "/other", 0);
    next++;
    make_unlink(tree, "/other", false);
    cr_assert_eq(next_cookie_in(tree->names), next);
    struct names *copy = replayed(tree->journal, tree->journal_bytes);
    cr_assert_eq(next_cookie_in(copy), next);
    names_destroy(copy);
    struct memory_sink image = image_of(tree->names);
    copy = replayed(image.bytes, image.used_bytes);
    cr_assert_eq(next_cookie_in(copy), next);
    names_destroy(copy);
    free(image.bytes);
    tree_end(tree);
}

Test(names_cookies, end_one_day)
{
    struct tree *tree = a_tree();
    make_file(tree, "/one");
    inode_at(tree, "/")->directory->next_cookie = NAMES_COOKIE_MAX;
    cr_assert_eq(make_file(tree, "/last"), 0);
    cr_assert_eq(make_file(tree, "/more"), -ENOSPC);
    cr_assert_eq(make_dir(tree, "/more"), -ENOSPC);
    cr_assert_eq(make_link(tree, "/one", "/more"), -ENOSPC);
    cr_assert_eq(make_rename(tree, "/one", "/more", 0), -ENOSPC);
    cr_assert_eq(make_rename(tree, "/one", "/last", 0), 0);
    tree_end(tree);
}
