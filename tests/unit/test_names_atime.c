/* test_names_atime.c - when reading a directory or a symlink moves its atime, and which symlinks a path follows. */
#include "tests/unit/names_fixture.h"

#define DAY_NS (24ll * 3600 * 1000000000)

/* Past the journal: a test puts the old ones back before the tree is compared. */
static void set_times(struct name_inode *inode, int64_t atime_ns, int64_t mtime_ns,
                      int64_t ctime_ns)
{
    inode->atime_ns = atime_ns;
    inode->mtime_ns = mtime_ns;
    inode->ctime_ns = ctime_ns;
}

Test(names_atime, moves_as_relatime)
{
    struct tree *tree = tree_new(UINT64_MAX);
    make_dir(tree, "/d");
    make_symlink(tree, "d", "/s");
    make_file(tree, "/f"); /* its times are equal, and long ago */
    const char *const paths[] = {"/d", "/s"};
    for (unsigned i = 0; i < 2; i++) {
        struct name_inode *inode = inode_at(tree, paths[i]);
        int64_t birth_ns = inode->birth_ns;
        set_times(inode, 10, 10, 9);
        cr_assert(names_atime_moves(inode, 11), "not newer than mtime");
        set_times(inode, 10, 9, 10);
        cr_assert(names_atime_moves(inode, 11), "not newer than ctime");
        set_times(inode, 10, 9, 9);
        cr_assert_not(names_atime_moves(inode, 11));
        cr_assert_not(names_atime_moves(inode, 10 + DAY_NS - 1));
        cr_assert(names_atime_moves(inode, 10 + DAY_NS), "a day old");
        set_times(inode, birth_ns, birth_ns, birth_ns);
    }
    cr_assert_not(names_atime_moves(inode_at(tree, "/f"), 2 * DAY_NS), "its partition's");
    tree_end(tree);
}

Test(names_atime, of_a_removed_directory_stays)
{
    struct tree *tree = tree_new(UINT64_MAX);
    make_dir(tree, "/d");
    struct name_inode *inode = inode_at(tree, "/d");
    uint64_t ino = inode->ino;
    names_opened(tree->names, inode);
    cr_assert_eq(make_unlink(tree, "/d", true), 0);
    set_times(inode, 1, 2, 2);
    cr_assert_not(names_atime_moves(inode, 2 * DAY_NS));
    names_closed(tree->names, ino, 7);
    tree_end(tree);
}

Test(names_atime, is_a_record_that_changes_nothing_else)
{
    struct tree *tree = tree_new(UINT64_MAX);
    make_symlink(tree, "some/where", "/s");
    struct name_inode before = *inode_at(tree, "/s");
    prepare(tree);
    names_make_atime(&tree->change, inode_at(tree, "/s"));
    cr_assert_eq(finish(tree, 0), 0);
    const struct name_inode *after = inode_at(tree, "/s");
    cr_assert_eq(after->atime_ns, tree->now_ns);
    cr_assert_eq(after->ctime_ns, before.ctime_ns);
    cr_assert_eq(after->mtime_ns, before.mtime_ns);
    cr_assert_eq(after->nlink, before.nlink);
    check_tree(tree); /* the journal and the image say the same */
    tree_end(tree);
}

Test(names_atime, a_walk_tells_the_symlinks_that_it_followed)
{
    struct tree *tree = tree_new(UINT64_MAX);
    struct names_place place;
    int error;
    make_dir(tree, "/d");
    make_symlink(tree, "d", "/s");
    make_symlink(tree, "s/none", "/t");
    make_symlink(tree, "loop", "/loop");
    place_at(tree, "/d", 0, &place, &error);
    cr_assert_eq(place.followed_count, 0);
    place_at(tree, "/s", NAMES_NOFOLLOW, &place, &error);
    cr_assert_eq(place.followed_count, 0, "it is the result itself");
    place_at(tree, "/t", 0, &place, &error);
    cr_assert_eq(error, -ENOENT);
    cr_assert_eq(place.followed_count, 2);
    cr_assert_eq(place.followed[0], inode_at(tree, "/t"));
    cr_assert_eq(place.followed[1], inode_at(tree, "/s"));
    place_at(tree, "/loop", 0, &place, &error);
    cr_assert_eq(error, -ELOOP);
    cr_assert_eq(place.followed_count, NAMES_SYMLINKS_MAX);
    place_at(tree, "", 0, &place, &error);
    cr_assert_eq(place.followed_count, 0);
    tree_end(tree);
}
