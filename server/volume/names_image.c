/*
 * names_image.c - the tree as records, as it stood at one moment, while it goes on changing.
 *
 * A walk visits everything in steps. At its beginning (the cut) the round goes up; each inode and entry
 * carries the round it was last put into an image in. Whoever is about to change or free one that is not in
 * this round's image puts its old state there first (names_image_save_*); what is made after the cut is
 * born with the round. So the image is the tree at the cut, whatever happened meanwhile.
 *
 * Invariants:
 *   - Outside of a walk everything that lives carries the present round: all was in the last image, or made
 *     after its cut. (Only an orphan may lag: it is in no image; named again, it takes the round.)
 *   - In the stream an entry comes after its directory and its inode: putting an entry puts both first.
 *     Loading needs it.
 *   - Nothing is missed though the table grows under the walk: a bucket that splits moves nodes only to a
 *     higher bucket (linear hashing), and the walk goes upwards. What it meets twice has the mark.
 *
 *   - It comes to an end: what is made makes the way longer, by a bucket, an inode, an entry, and the next step
 *     longer by as much (`lengthened`).
 *
 * The walk takes a bucket's inodes by number and a directory's entries by cookie, right after the directory:
 * between steps it keeps numbers, never pointers, and loading finds entries in the order in which they are
 * kept.
 */
#include <assert.h>
#include <string.h>
#include <sys/stat.h>

#include "server/volume/image_writer.h"
#include "server/volume/names_internal.h"

/* Entries that are looked up together. */
#define BATCH_ENTRIES 32u

static void write_inode(struct image_writer *writer, const struct name_inode *inode)
{
    struct item_inode item = names_state(inode);
    const char *target = NULL;
    if (S_ISLNK(inode->mode)) {
        target = inode->target;
        item.header.count = (uint32_t)strlen(target);
    }
    image_writer_add(writer, &item, sizeof item, target, item.header.count);
}

static void write_entry(struct image_writer *writer, const struct name_entry *entry)
{
    const struct item_entry item = {
        .header = {.kind = ITEM_ENTRY, .count = entry->name_bytes},
        .parent = entry->directory->ino,
        .ino = entry->inode->ino,
        .cookie = entry->cookie,
        .type = entry->type,
    };
    image_writer_add(writer, &item, sizeof item, entry->name, entry->name_bytes);
}

void names_image_save_inode(struct names *names, struct name_inode *inode)
{
    if (inode->round == names->round)
        return;
    inode->round = names->round;
    if (names->walk.writer && !inode->orphan)
        write_inode(names->walk.writer, inode);
}

void names_image_save_entry(struct names *names, struct name_entry *entry)
{
    if (entry->round == names->round)
        return;
    entry->round = names->round;
    names_image_save_inode(names, entry->directory);
    names_image_save_inode(names, entry->inode);
    if (names->walk.writer)
        write_entry(names->walk.writer, entry);
}

/* ---- the walk ---------------------------------------------------------------------------------- */

void names_image_begin(struct names *names, struct image_writer *writer)
{
    assert(!names->walk.writer);
    const struct item_next_ino next = {.header.kind = ITEM_NEXT_INO, .next_ino = names->next_ino};
    names->round++;
    names->walk = (struct names_walk){.writer = writer};
    image_writer_add(writer, &next, sizeof next, NULL, 0);
}

/* The inode of the bucket with the next higher number. */
static struct name_inode *next_in_bucket(const struct names *names)
{
    struct name_inode *next = NULL;
    struct name_inode *inode = table_bucket(&names->inodes, names->walk.bucket);
    for (; inode; inode = inode->hash_next)
        if (inode->ino > names->walk.ino && (!next || inode->ino < next->ino))
            next = inode;
    return next;
}

/* Some entries of the directory at hand; 0: that was all of it. */
static unsigned walk_entries(struct names *names, struct name_inode *directory, unsigned items_max)
{
    struct name_entry *entries[BATCH_ENTRIES];
    unsigned wanted = items_max < BATCH_ENTRIES ? items_max : BATCH_ENTRIES;
    unsigned count =
        names_directory_some(directory->directory, names->walk.cookie, entries, wanted);
    for (unsigned i = 0; i < count; i++)
        __builtin_prefetch(entries[i]);
    for (unsigned i = 0; i < count; i++)
        __builtin_prefetch(entries[i]->inode);
    for (unsigned i = 0; i < count; i++)
        names_image_save_entry(names, entries[i]);
    if (count > 0)
        names->walk.cookie = entries[count - 1]->cookie;
    return count;
}

/* One inode, or the end of a bucket. */
static void walk_inode(struct names *names)
{
    struct names_walk *walk = &names->walk;
    struct name_inode *inode = next_in_bucket(names);
    if (!inode) {
        walk->bucket++;
        walk->ino = 0;
        return;
    }
    names_image_save_inode(names, inode);
    walk->ino = inode->ino;
    if (S_ISDIR(inode->mode)) {
        walk->directory = inode->ino;
        walk->cookie = 0;
    }
}

bool names_image_step(struct names *names, unsigned items_max)
{
    struct names_walk *walk = &names->walk;
    items_max += walk->lengthened < UINT32_MAX - items_max ? walk->lengthened : 0;
    walk->lengthened = 0;
    while (items_max > 0 && !walk->writer->sink->full && !walk->writer->error) {
        struct name_inode *directory = walk->directory ? names_inode(names, walk->directory) : NULL;
        unsigned done = directory ? walk_entries(names, directory, items_max) : 0;
        if (done == 0) {
            walk->directory = 0;
            if (walk->bucket == names->inodes.bucket_count)
                break;
            walk_inode(names);
            done = 1;
        }
        items_max -= done;
    }
    bool ended = walk->directory == 0 && walk->bucket == names->inodes.bucket_count;
    if (!ended && !walk->writer->error)
        return true;
    walk->writer = NULL;
    return false;
}

int names_serialise(struct names *names, struct image_sink *sink)
{
    struct image_writer writer;
    image_writer_begin(&writer, sink, PARTITION_NAMES);
    names_image_begin(names, &writer);
    while (names_image_step(names, UINT32_MAX))
        ;
    return image_writer_end(&writer);
}

uint64_t names_image_bytes(const struct names *names)
{
    return image_writer_bytes(sizeof(struct item_next_ino) + names->item_bytes);
}
