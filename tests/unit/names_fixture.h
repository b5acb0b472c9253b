/*
 * names_fixture.h - for the tests of names: a tree whose operations are also kept as a journal, which can be
 * replayed into another tree and compared.
 */
#ifndef WT_TESTS_UNIT_NAMES_FIXTURE_H
#define WT_TESTS_UNIT_NAMES_FIXTURE_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/volume/image_writer.h"
#include "server/volume/names_internal.h"

static const uint32_t alices_groups[] = {100, 101};
static const struct credentials root_user = {0, 0, 0, NULL};
static const struct credentials alice = {1000, 1000, 2, alices_groups};
static const struct credentials bob = {2000, 2000, 0, NULL};

struct tree {
    struct names *names;
    struct credentials who;
    int64_t now_ns;
    uint64_t epoch;
    struct names_change change; /* of the last operation */
    unsigned char *journal;     /* all records so far */
    size_t journal_bytes, journal_capacity;
};

static _Alignas(8) unsigned char record_buffer[NAMES_RECORD_BYTES];

static inline void append(struct tree *tree, const void *record, size_t bytes)
{
    if (tree->journal_bytes + bytes > tree->journal_capacity) {
        tree->journal_capacity = 2 * tree->journal_capacity + bytes;
        tree->journal = realloc(tree->journal, tree->journal_capacity);
        cr_assert_not_null(tree->journal);
    }
    memcpy(tree->journal + tree->journal_bytes, record, bytes);
    tree->journal_bytes += bytes;
}

static inline void prepare(struct tree *tree)
{
    tree->change = (struct names_change){
        .who = &tree->who,
        .now_ns = ++tree->now_ns,
        .epoch = tree->epoch,
        .buffer = record_buffer,
    };
}

/* What every caller does: apply what was made, at once. */
static inline int finish(struct tree *tree, int result)
{
    if (result == 0 && tree->change.record_bytes > 0) {
        const struct record_header *record = (const void *)record_buffer;
        cr_assert_eq(tree->change.record_bytes, record->bytes);
        cr_assert_eq(names_apply(tree->names, record), 0, "what was checked holds");
        append(tree, record_buffer, tree->change.record_bytes);
    }
    return result;
}

static inline struct tree *tree_new(uint64_t memory_bytes_max)
{
    struct tree *tree = calloc(1, sizeof *tree);
    cr_assert_not_null(tree);
    cr_assert_eq(names_create(memory_bytes_max, &tree->names), 0);
    tree->who = root_user;
    tree->epoch = 7;
    tree->now_ns = 1000;
    prepare(tree);
    cr_assert_eq(finish(tree, names_make_root(&tree->change, 0, 0)), 0);
    return tree;
}

static inline struct names_place *place_at(struct tree *tree, const char *path, unsigned flags,
                                           struct names_place *place, int *error)
{
    *error = names_resolve(tree->names, &tree->who, path, strlen(path), flags, place);
    return place;
}

static inline int make_node(struct tree *tree, const char *path, uint32_t mode, const char *target)
{
    struct names_place place;
    int error;
    place_at(tree, path, NAMES_PARENT | NAMES_NOFOLLOW, &place, &error);
    prepare(tree);
    if (error)
        return error;
    return finish(tree, names_make_node(tree->names, &tree->change, &place, mode, target,
                                        target ? strlen(target) : 0));
}

static inline int make_file(struct tree *tree, const char *path)
{
    return make_node(tree, path, S_IFREG | 0644, NULL);
}

static inline int make_dir(struct tree *tree, const char *path)
{
    return make_node(tree, path, S_IFDIR | 0755, NULL);
}

static inline int make_symlink(struct tree *tree, const char *target, const char *path)
{
    return make_node(tree, path, S_IFLNK | 0777, target);
}

static inline int make_link(struct tree *tree, const char *old, const char *path)
{
    struct names_place from, to;
    int error;
    place_at(tree, old, NAMES_NOFOLLOW, &from, &error);
    if (!error)
        place_at(tree, path, NAMES_PARENT | NAMES_NOFOLLOW, &to, &error);
    prepare(tree);
    return error ? error
                 : finish(tree, names_make_link(tree->names, &tree->change, from.inode, &to));
}

static inline int make_unlink(struct tree *tree, const char *path, bool directory)
{
    struct names_place place;
    int error;
    place_at(tree, path, NAMES_PARENT | NAMES_NOFOLLOW, &place, &error);
    prepare(tree);
    return error ? error
                 : finish(tree, names_make_unlink(tree->names, &tree->change, &place, directory));
}

static inline int make_rename(struct tree *tree, const char *old, const char *path, unsigned flags)
{
    struct names_place from, to;
    int error;
    place_at(tree, old, NAMES_PARENT | NAMES_NOFOLLOW, &from, &error);
    if (!error)
        place_at(tree, path, NAMES_PARENT | NAMES_NOFOLLOW, &to, &error);
    prepare(tree);
    return error ? error
                 : finish(tree, names_make_rename(tree->names, &tree->change, &from, &to, flags));
}

/* Nothing may be there for the caller, so that tests say what they mean: as root, symlinks not followed. */
static inline struct name_inode *inode_at(struct tree *tree, const char *path)
{
    struct names_place place;
    if (names_resolve(tree->names, &root_user, path, strlen(path), NAMES_NOFOLLOW, &place) != 0)
        return NULL;
    return place.inode;
}

static inline int resolve(struct tree *tree, const char *path, unsigned flags)
{
    struct names_place place;
    return names_resolve(tree->names, &tree->who, path, strlen(path), flags, &place);
}

static inline int change_mode(struct tree *tree, const char *path, uint32_t mode)
{
    prepare(tree);
    return finish(tree, names_make_chmod(tree->names, &tree->change, inode_at(tree, path), mode));
}

static inline int change_owner(struct tree *tree, const char *path, uint32_t uid, uint32_t gid)
{
    prepare(tree);
    return finish(tree,
                  names_make_chown(tree->names, &tree->change, inode_at(tree, path), uid, gid));
}

static inline int change_times(struct tree *tree, const char *path, int64_t atime_ns,
                               int64_t mtime_ns, bool explicit_times)
{
    prepare(tree);
    return finish(tree, names_make_utimens(tree->names, &tree->change, inode_at(tree, path),
                                           atime_ns, mtime_ns, explicit_times));
}

/* ---- comparing trees ---------------------------------------------------------------------------- */

struct memory_sink {
    struct image_sink sink;
    unsigned char *bytes;
    size_t used_bytes, capacity_bytes;
};

static inline int memory_put(struct image_sink *sink, const void *bytes, size_t size_bytes)
{
    struct memory_sink *memory = (struct memory_sink *)sink;
    if (memory->used_bytes + size_bytes > memory->capacity_bytes) {
        memory->capacity_bytes = 2 * memory->capacity_bytes + size_bytes;
        memory->bytes = realloc(memory->bytes, memory->capacity_bytes);
        cr_assert_not_null(memory->bytes);
    }
    memcpy(memory->bytes + memory->used_bytes, bytes, size_bytes);
    memory->used_bytes += size_bytes;
    return 0;
}

static inline struct memory_sink image_of(struct names *names)
{
    struct memory_sink sink = {.sink.put = memory_put};
    cr_assert_eq(names_serialise(names, &sink.sink), 0);
    cr_assert_leq(sink.used_bytes, names_image_bytes(names));
    return sink;
}

static inline int compare_items(const void *one, const void *two)
{
    const struct item_header *a = *(const struct item_header *const *)one;
    const struct item_header *b = *(const struct item_header *const *)two;
    int order = memcmp(a, b, a->bytes < b->bytes ? a->bytes : b->bytes);
    return order ? order : (int)a->bytes - (int)b->bytes;
}

/* The items of an image in an order that does not depend on how it came about. */
static inline const struct item_header **sorted_items(const struct memory_sink *image,
                                                      size_t *count)
{
    const struct item_header **items = malloc((image->used_bytes / 8 + 1) * sizeof(*items));
    const struct record_header *record;
    size_t at = 0;
    *count = 0;
    while (record_next(image->bytes, image->used_bytes, &at, &record) > 0) {
        size_t offset = 0;
        while (record_item(record, &offset, &items[*count]) > 0)
            ++*count;
    }
    qsort(items, *count, sizeof(*items), compare_items);
    return items;
}

static inline void assert_same(struct names *one, struct names *two)
{
    struct memory_sink image_one = image_of(one), image_two = image_of(two);
    size_t count_one, count_two;
    const struct item_header **items_one = sorted_items(&image_one, &count_one);
    const struct item_header **items_two = sorted_items(&image_two, &count_two);
    cr_assert_eq(count_one, count_two);
    for (size_t i = 0; i < count_one; i++)
        cr_assert_eq(compare_items(&items_one[i], &items_two[i]), 0, "item %zu differs", i);
    free(items_one);
    free(items_two);
    free(image_one.bytes);
    free(image_two.bytes);
}

static inline void say_line(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "names_verify: %s\n", line);
}

static inline struct names *replayed(const void *records, size_t bytes)
{
    struct names *names;
    cr_assert_eq(names_create(UINT64_MAX, &names), 0);
    names_expect(names, bytes);
    const struct record_header *record;
    size_t at = 0;
    int result;
    while ((result = record_next(records, bytes, &at, &record)) > 0)
        cr_assert_eq(names_apply(names, record), 0);
    cr_assert_eq(result, 0);
    return names;
}

/* The tree, its journal replayed, and its image loaded are one and the same, and sound. */
static inline void check_tree(struct tree *tree)
{
    struct names *copy = replayed(tree->journal, tree->journal_bytes);
    cr_assert_eq(names_verify(copy, say_line, NULL), 0);
    cr_assert_eq(names_verify(tree->names, say_line, NULL), 0);
    assert_same(tree->names, copy);
    names_destroy(copy);
    struct memory_sink image = image_of(tree->names);
    copy = replayed(image.bytes, image.used_bytes);
    cr_assert_eq(names_verify(copy, say_line, NULL), 0);
    assert_same(tree->names, copy);
    names_destroy(copy);
    free(image.bytes);
}

static inline void tree_destroy(struct tree *tree)
{
    names_destroy(tree->names);
    free(tree->journal);
    free(tree);
}

static inline void tree_end(struct tree *tree)
{
    check_tree(tree);
    tree_destroy(tree);
}

#endif
