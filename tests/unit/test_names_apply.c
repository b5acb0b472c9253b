/*
 * test_names_apply.c - records into the tree: a random walk replayed, damaged records, memory that runs out.
 * The files that allocate are compiled in here, with a malloc that can fail.
 */
#include <stdlib.h>
#include <string.h>

static unsigned allocations_left = ~0u;

static void *failing_malloc(size_t size_bytes)
{
    return allocations_left > 0 && allocations_left-- ? malloc(size_bytes) : NULL;
}

static void *failing_realloc(void *old, size_t size_bytes)
{
    return allocations_left > 0 && allocations_left-- ? realloc(old, size_bytes) : NULL;
}

static char *failing_strndup(const char *text, size_t size_bytes)
{
    return allocations_left > 0 && allocations_left-- ? strndup(text, size_bytes) : NULL;
}

#undef strndup
#define malloc  failing_malloc
#define realloc failing_realloc
#define strndup failing_strndup
#include "server/volume/names.c"
#include "server/volume/names_apply.c"
#include "server/volume/names_directory.c"
#undef malloc
#undef realloc
#undef strndup

#include "tests/support/random.h"
#include "tests/unit/names_fixture.h"

/* ---- random walk -------------------------------------------------------------------------------- */

#define OPEN_MAX 8u

struct walker {
    struct tree *tree;
    struct random_source random;
    struct {
        uint64_t ino, generation;
    } open[OPEN_MAX];
    unsigned open_count;
    uint64_t succeeded;
};

/* A path of few names, so that operations meet. */
static void random_path(struct walker *walker, char *path)
{
    static const char *const parts[] = {"a", "b", "c", "d", "e", ".", "..", "longer-name"};
    unsigned depth = 1 + (unsigned)random_below(&walker->random, 4);
    *path = '\0';
    for (unsigned i = 0; i < depth; i++) {
        strcat(path, "/");
        strcat(path,
               parts[random_below(&walker->random, random_one_in(&walker->random, 9) ? 8 : 5)]);
    }
    if (random_one_in(&walker->random, 20))
        strcat(path, "/");
}

static int random_attribute(struct walker *walker, const char *path)
{
    struct tree *tree = walker->tree;
    struct random_source *random = &walker->random;
    struct name_inode *inode = inode_at(tree, path);
    if (!inode && walker->open_count > 0) /* by handle: it may be an orphan */
        inode = names_inode(tree->names, walker->open[0].ino);
    if (!inode)
        return -ENOENT;
    prepare(tree);
    switch (random_below(random, 3)) {
    case 0:
        return finish(tree, names_make_chmod(tree->names, &tree->change, inode,
                                             (uint32_t)random_below(random, 010000) | 0700));
    case 1:
        return finish(tree, names_make_chown(tree->names, &tree->change, inode,
                                             random_one_in(random, 2) ? ~0u : 1000, ~0u));
    default:
        return finish(tree, names_make_utimens(tree->names, &tree->change, inode, INT64_MIN,
                                               (int64_t)random_below(random, 1000), true));
    }
}

static void random_open_or_close(struct walker *walker, const char *path)
{
    struct names *names = walker->tree->names;
    if (walker->open_count == OPEN_MAX || random_one_in(&walker->random, 3)) {
        if (walker->open_count == 0)
            return;
        unsigned last = --walker->open_count;
        names_closed(names, walker->open[last].ino, walker->open[last].generation);
        return;
    }
    struct name_inode *inode = inode_at(walker->tree, path);
    if (!inode)
        return;
    names_opened(names, inode);
    walker->open[walker->open_count].ino = inode->ino;
    walker->open[walker->open_count++].generation = inode->generation;
}

static int random_step(struct walker *walker)
{
    static const struct credentials *const people[] = {&root_user, &root_user, &alice, &bob};
    struct tree *tree = walker->tree;
    struct random_source *random = &walker->random;
    char one[128], two[128];
    random_path(walker, one);
    random_path(walker, two);
    tree->who = *people[random_below(random, 4)];
    tree->epoch += random_one_in(random, 1000);
    switch (random_below(random, 16)) {
    case 0:
    case 1:
        return make_file(tree, one);
    case 2:
    case 3:
    case 4:
        return make_node(tree, one, S_IFDIR | (uint32_t)(random_one_in(random, 2) ? 01777 : 0755),
                         NULL);
    case 5:
        return make_symlink(tree, two, one);
    case 6:
        return make_link(tree, one, two);
    case 7:
    case 8:
        return make_unlink(tree, one, false);
    case 9:
        return make_unlink(tree, one, true);
    case 10:
    case 11:
        return make_rename(tree, one, two, 0);
    case 12:
        return make_rename(tree, one, two, RENAME_NOREPLACE);
    case 13:
        return make_rename(tree, one, two, RENAME_EXCHANGE);
    case 14:
        return random_attribute(walker, one);
    default:
        random_open_or_close(walker, one);
        return 0;
    }
}

static void walk(uint64_t seed, unsigned rounds, unsigned check_every)
{
    struct walker walker = {.tree = tree_new(UINT64_MAX), .random = {seed}};
    for (unsigned round = 0; round < rounds; round++) {
        int error = random_step(&walker);
        cr_assert(error <= 0 && error != -EBADMSG && error != -ENOMEM, "%d", error);
        walker.succeeded += error == 0;
        if (round % check_every == check_every - 1)
            check_tree(walker.tree);
    }
    cr_assert_gt(walker.succeeded, rounds / 10);
    while (walker.open_count > 0) {
        unsigned last = --walker.open_count;
        names_closed(walker.tree->names, walker.open[last].ino, walker.open[last].generation);
    }
    tree_end(walker.tree);
}

Test(names_apply, random_walk_1)
{
    walk(1, 3000, 30);
}

Test(names_apply, random_walk_2)
{
    walk(2, 60000, 10000);
}

Test(names_apply, random_walk_3)
{
    walk(3, 10000, 500);
}

/* ---- no memory ---------------------------------------------------------------------------------- */

/* Each record is applied with no memory first, then with one allocation more, and so on until it works.
 * Before that nothing has changed. */
Test(names_apply, without_memory_nothing_changes)
{
    struct walker walker = {.tree = tree_new(UINT64_MAX), .random = {4}};
    for (unsigned round = 0; round < 1500; round++)
        random_step(&walker);
    const struct tree *tree = walker.tree;
    struct names *names;
    cr_assert_eq(names_create(UINT64_MAX, &names), 0);
    const struct record_header *record;
    size_t at = 0;
    unsigned refused = 0, number = 0;
    while (record_next(tree->journal, tree->journal_bytes, &at, &record) > 0) {
        int error = -ENOMEM;
        struct memory_sink before = image_of(names);
        for (unsigned memory = 0; error == -ENOMEM; memory++) {
            cr_assert_lt(memory, 10);
            allocations_left = memory;
            error = names_apply(names, record);
            allocations_left = ~0u;
            if (error != -ENOMEM)
                break;
            refused++;
            struct memory_sink after = image_of(names);
            cr_assert_eq(after.used_bytes, before.used_bytes);
            cr_assert_eq(memcmp(after.bytes, before.bytes, before.used_bytes), 0);
            free(after.bytes);
        }
        cr_assert_eq(error, 0, "record %u: %d", number, error);
        free(before.bytes);
        number++;
    }
    cr_assert_gt(refused, 100);
    assert_same(names, walker.tree->names);
    names_destroy(names);
    tree_destroy(walker.tree);
}

/* ---- records that cannot be -------------------------------------------------------------------- */

static struct record_builder builder;

static void begin(void)
{
    record_begin(&builder, record_buffer, sizeof record_buffer, PARTITION_NAMES);
}

static void add_inode(uint64_t ino, uint32_t mode, uint32_t nlink, const char *target)
{
    struct item_inode item = {
        .header = {.kind = ITEM_INODE, .count = target ? (uint32_t)strlen(target) : 0},
        .ino = ino,
        .generation = 1,
        .mode = mode,
        .nlink = nlink};
    record_add(&builder, &item, sizeof item, target, item.header.count);
}

static void add_cookie(uint64_t ino, uint32_t mode, uint64_t next_cookie)
{
    struct item_inode item = {.header.kind = ITEM_INODE,
                              .ino = ino,
                              .generation = 1,
                              .mode = mode,
                              .nlink = 2,
                              .next_cookie = next_cookie};
    record_add(&builder, &item, sizeof item, NULL, 0);
}

static void add_entry(uint64_t parent, const char *name, uint64_t ino, uint64_t cookie,
                      uint32_t mode)
{
    struct item_entry item = {.header = {.kind = ITEM_ENTRY, .count = (uint32_t)strlen(name)},
                              .parent = parent,
                              .ino = ino,
                              .cookie = cookie,
                              .type = names_type_of(mode)};
    record_add(&builder, &item, sizeof item, name, strlen(name));
}

static void add_entry_gone(uint64_t parent, const char *name)
{
    struct item_entry_gone item = {
        .header = {.kind = ITEM_ENTRY_GONE, .count = (uint32_t)strlen(name)}, .parent = parent};
    record_add(&builder, &item, sizeof item, name, strlen(name));
}

static void add_inode_gone(uint64_t ino, uint64_t generation)
{
    struct item_inode_gone item = {
        .header.kind = ITEM_INODE_GONE, .ino = ino, .generation = generation};
    record_add(&builder, &item, sizeof item, NULL, 0);
}

static int apply(struct names *names)
{
    cr_assert_gt(record_end(&builder), 0);
    return names_apply(names, (const struct record_header *)record_buffer);
}

/* Root 1, directory 2 "/d", file 3 "/f", symlink 4 "/s", file 5 "/d/x". */
static struct names *small_tree(void)
{
    struct names *names;
    cr_assert_eq(names_create(UINT64_MAX, &names), 0);
    begin();
    add_inode(1, S_IFDIR | 0755, 3, NULL);
    add_inode(2, S_IFDIR | 0755, 2, NULL);
    add_inode(3, S_IFREG | 0644, 1, NULL);
    add_inode(4, S_IFLNK | 0777, 1, "f");
    add_inode(5, S_IFREG | 0644, 1, NULL);
    add_entry(1, "d", 2, 3, S_IFDIR);
    add_entry(1, "f", 3, 4, S_IFREG);
    add_entry(1, "s", 4, 5, S_IFLNK);
    add_entry(2, "x", 5, 3, S_IFREG);
    cr_assert_eq(apply(names), 0);
    cr_assert_eq(names_verify(names, say_line, NULL), 0);
    return names;
}

#define REFUSED(names, ...)                                 \
    do {                                                    \
        begin();                                            \
        __VA_ARGS__;                                        \
        cr_assert_eq(apply(names), -EBADMSG, #__VA_ARGS__); \
    } while (0)

Test(names_apply, inodes_that_cannot_be)
{
    struct names *names = small_tree();
    REFUSED(names, add_inode(0, S_IFREG, 1, NULL));
    REFUSED(names, add_inode(UINT64_MAX, S_IFREG, 1, NULL));
    REFUSED(names, add_inode(9, S_IFCHR, 1, NULL));
    REFUSED(names, add_inode(9, 0644, 1, NULL));
    REFUSED(names, add_inode(9, S_IFREG | 1u << 20, 1, NULL));
    REFUSED(names, add_inode(9, S_IFREG, 70000, NULL));
    REFUSED(names, add_inode(9, S_IFREG, 1, "target"));
    REFUSED(names, add_inode(9, S_IFLNK, 1, NULL));
    REFUSED(names, add_inode(1, S_IFREG, 1, NULL));
    REFUSED(names, add_inode(3, S_IFDIR, 2, NULL));
    REFUSED(names, add_inode(4, S_IFLNK, 1, "another"));
    REFUSED(names, add_cookie(1, S_IFDIR | 0755, (1ull << 62) + 2));
    REFUSED(names, add_cookie(9, S_IFREG, 1));
    begin();
    add_inode(4, S_IFLNK, 1, "f");
    add_inode(4, S_IFLNK, 1, NULL);
    cr_assert_eq(apply(names), 0);
    names_destroy(names);
}

Test(names_apply, entries_that_cannot_be)
{
    struct names *names = small_tree();
    REFUSED(names, add_entry(9, "n", 3, 9, S_IFREG));
    REFUSED(names, add_entry(3, "n", 5, 9, S_IFREG));
    REFUSED(names, add_entry(4, "n", 5, 9, S_IFREG));
    REFUSED(names, add_entry(1, "n", 9, 9, S_IFREG));
    REFUSED(names, add_entry(1, "n", 3, 9, S_IFDIR));
    REFUSED(names, add_entry(1, "n", 3, 2, S_IFREG));
    REFUSED(names, add_entry(1, "n", 3, 4, S_IFREG));
    REFUSED(names, add_entry(1, "n", 3, UINT64_MAX, S_IFREG));
    REFUSED(names, add_entry(1, "f", 3, 9, S_IFREG));
    REFUSED(names, add_entry(1, ".", 3, 9, S_IFREG));
    REFUSED(names, add_entry(1, "..", 3, 9, S_IFREG));
    REFUSED(names, add_entry(1, "a/b", 3, 9, S_IFREG));
    REFUSED(names, add_entry(1, "n", 1, 9, S_IFDIR));
    REFUSED(names, add_entry(2, "n", 2, 9, S_IFDIR));
    REFUSED(names, add_entry(2, "n", 2, 9, S_IFDIR));
    REFUSED(names, add_entry_gone(9, "n"));
    REFUSED(names, add_entry_gone(3, "n"));
    cr_assert_eq(names_verify(names, say_line, NULL), 0, "none of it left anything behind");
    names_destroy(names);
}

Test(names_apply, what_has_names_or_entries_stays)
{
    struct names *names = small_tree();
    REFUSED(names, add_inode_gone(3, 1));
    REFUSED(names, add_entry_gone(1, "d"), add_inode_gone(2, 1));
    REFUSED(names, add_inode_gone(1, 1));
    begin();
    add_entry_gone(1, "f");
    cr_assert_eq(apply(names), 0);
    REFUSED(names, add_inode_gone(3, 2));
    begin();
    add_inode_gone(3, 1);
    cr_assert_eq(apply(names), 0);
    cr_assert_eq(apply(names), 0, "twice is as once");
    names_destroy(names);
}

Test(names_apply, other_records)
{
    struct names *names = small_tree();
    const struct item_file alien = {.header.kind = ITEM_FILE};
    REFUSED(names, record_add(&builder, &alien, sizeof alien, NULL, 0));
    const struct item_next_ino next = {.header.kind = ITEM_NEXT_INO, .next_ino = UINT64_MAX};
    REFUSED(names, record_add(&builder, &next, sizeof next, NULL, 0));
    record_begin(&builder, record_buffer, sizeof record_buffer, 3);
    cr_assert_eq(apply(names), -EBADMSG);
    begin();
    add_inode(77, S_IFREG, 0, NULL);
    cr_assert_eq(apply(names), 0);
    cr_assert_null(names_inode(names, 77), "without a name it is not made");
    cr_assert_eq(names->next_ino, 78);
    names_destroy(names);
}

static unsigned findings_of(struct names *names)
{
    return names_verify(names, NULL, NULL);
}

Test(names_apply, verify_finds_what_is_no_tree)
{
    struct names *names;
    cr_assert_eq(names_create(UINT64_MAX, &names), 0);
    cr_assert_eq(findings_of(names), 1, "no root");
    names_destroy(names);

    names = small_tree();
    begin();
    add_inode(6, S_IFREG, 1, NULL);
    cr_assert_eq(apply(names), 0);
    cr_assert_eq(findings_of(names), 1, "an inode without a name");
    begin();
    add_entry(1, "six", 6, 9, S_IFREG);
    add_inode(6, S_IFREG, 2, NULL);
    cr_assert_eq(apply(names), 0);
    cr_assert_eq(findings_of(names), 1, "links of a file");
    begin();
    add_inode(6, S_IFREG, 1, NULL);
    add_inode(2, S_IFDIR | 0755, 5, NULL);
    cr_assert_eq(apply(names), 0);
    cr_assert_eq(findings_of(names), 1, "links of a directory");
    begin();
    add_inode(2, S_IFDIR | 0755, 2, NULL);
    cr_assert_eq(apply(names), 0);
    cr_assert_eq(findings_of(names), 0);

    /* 7 and 8 hold each other. */
    begin();
    add_inode(7, S_IFDIR, 3, NULL);
    add_inode(8, S_IFDIR, 3, NULL);
    add_entry(7, "eight", 8, 3, S_IFDIR);
    add_entry(8, "seven", 7, 3, S_IFDIR);
    cr_assert_eq(apply(names), 0);
    cr_assert_eq(findings_of(names), 2, "a ring of directories");
    begin();
    add_entry(2, "seven", 7, 10, S_IFDIR);
    add_inode(2, S_IFDIR | 0755, 3, NULL);
    cr_assert_eq(apply(names), 0);
    cr_assert_gt(findings_of(names), 0, "a directory with two names");
    names_destroy(names);
}

/* ---- damage ------------------------------------------------------------------------------------- */

static bool expected(int result)
{
    return result == 0 || result == -EBADMSG || result == -EOPNOTSUPP;
}

/* Records of a real journal with bits turned over: each is applied or refused, and what comes of it can
 * still be walked, listed, serialised and freed. */
static void damage(uint64_t seed, unsigned bits)
{
    struct walker walker = {.tree = tree_new(UINT64_MAX), .random = {seed}};
    for (unsigned round = 0; round < 2000; round++)
        random_step(&walker);
    const struct tree *tree = walker.tree;
    unsigned refused = 0;
    for (unsigned round = 0; round < 50; round++) {
        struct names *names;
        cr_assert_eq(names_create(UINT64_MAX, &names), 0);
        const struct record_header *record;
        size_t at = 0;
        while (record_next(tree->journal, tree->journal_bytes, &at, &record) > 0) {
            _Alignas(8) unsigned char copy[NAMES_RECORD_BYTES];
            memcpy(copy, record, record->bytes);
            for (unsigned i = 0; random_one_in(&walker.random, 4) && i < bits; i++)
                copy[16 + random_below(&walker.random, record->bytes - 16)] ^=
                    (unsigned char)(1u << random_below(&walker.random, 8));
            const struct record_header *damaged = (const void *)copy;
            int result = names_apply(names, damaged);
            cr_assert(expected(result), "%d", result);
            refused += result != 0;
        }
        findings_of(names);
        char path[128];
        for (unsigned i = 0; i < 200; i++) {
            struct names_place place;
            random_path(&walker, path);
            names_resolve(names, &root_user, path, strlen(path), 0, &place);
        }
        struct memory_sink image = image_of(names);
        free(image.bytes);
        names_destroy(names);
    }
    cr_assert_gt(refused, 1000);
    tree_destroy(walker.tree);
}

Test(names_apply, records_with_a_bit_turned)
{
    damage(5, 1);
}

Test(names_apply, records_with_many_bits_turned)
{
    damage(6, 12);
}

Test(names_apply, records_cut_short)
{
    struct walker walker = {.tree = tree_new(UINT64_MAX), .random = {7}};
    for (unsigned round = 0; round < 300; round++)
        random_step(&walker);
    const struct tree *tree = walker.tree;
    const struct record_header *record;
    size_t at = 0;
    while (record_next(tree->journal, tree->journal_bytes, &at, &record) > 0) {
        for (uint32_t bytes = sizeof *record; bytes < record->bytes; bytes += 8) {
            struct record_header *copy = malloc(bytes); /* so that a look beyond is seen */
            memcpy(copy, record, bytes);
            copy->bytes = bytes;
            struct names *names = small_tree();
            cr_assert(expected(names_apply(names, copy)));
            names_destroy(names);
            free(copy);
        }
    }
    tree_destroy(walker.tree);
}

/* Items of every kind with numbers from a small range, so that most of them meet something. */
Test(names_apply, random_items)
{
    struct random_source random = {8};
    static const char *const some_names[] = {"d", "f", "s", "x", "new", "other"};
    static const uint32_t modes[] = {S_IFREG, S_IFDIR, S_IFDIR, S_IFLNK};
    for (unsigned round = 0; round < 3000; round++) {
        struct names *names = small_tree();
        for (unsigned i = 0; i < 30; i++) {
            begin();
            for (unsigned items = 1 + (unsigned)random_below(&random, 4); items > 0; items--) {
                uint64_t ino = 1 + random_below(&random, 9), parent = 1 + random_below(&random, 9);
                const char *name = some_names[random_below(&random, 6)];
                uint32_t mode = modes[random_below(&random, 4)];
                switch (random_below(&random, 5)) {
                case 0:
                    add_inode(ino, mode, (uint32_t)random_below(&random, 3),
                              S_ISLNK(mode) ? name : NULL);
                    break;
                case 1:
                    add_inode_gone(ino, 1);
                    break;
                case 2:
                    add_entry_gone(parent, name);
                    break;
                default:
                    add_entry(parent, name, ino, 3 + random_below(&random, 6), mode);
                }
            }
            cr_assert(expected(apply(names)));
            if (random_one_in(&random, 4)) {
                struct name_inode *inode = names_inode(names, 1 + random_below(&random, 9));
                if (inode && !inode->open_count)
                    names_opened(names, inode);
                else if (inode)
                    names_closed(names, inode->ino, inode->generation);
            }
        }
        findings_of(names);
        struct memory_sink image = image_of(names);
        free(image.bytes);
        names_destroy(names);
    }
}
