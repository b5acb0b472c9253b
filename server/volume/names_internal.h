/*
 * names_internal.h - what the files of names.h share: the tables, a directory's index, building records.
 *
 *   names.c            the tables: creating, finding, freeing inodes and entries; open counts
 *   names_directory.c  a directory's entries in the order of their cookies
 *   names_apply.c      one record -> the tables
 *   names_image.c      the tables -> records
 *   names_verify.c     is what replay built a tree?
 *   names_path.c       permission; a path -> a place
 *   names_make.c       create, link, unlink -> one record
 *   names_rename.c     rename, exchange -> one record
 *   names_attributes.c chmod, chown, utimens, reading -> one record
 */
#ifndef WT_VOLUME_NAMES_INTERNAL_H
#define WT_VOLUME_NAMES_INTERNAL_H

#include "server/volume/format.h"
#include "server/volume/names.h"
#include "server/volume/table.h"

#define NAMES_FIRST_COOKIE 3u
#define NAMES_COOKIE_MAX   (1ull << 62) /* a cookie travels in an off_t */

/* Where a walk for an image is: in `directory` behind `cookie`, then in `bucket` behind `ino`. */
struct names_walk {
    struct image_writer *writer; /* NULL: no walk is on its way */
    uint64_t bucket, ino, directory, cookie;
    uint32_t lengthened; /* items that came in its way since the last step */
};

/*
 * Invariants: an entry's directory and inode are in the table of inodes, so neither is freed while an entry
 * stands (name_count, entry_count). An orphan has no entries and, if it is a directory, none in it.
 */
struct names {
    struct table inodes, entries;
    uint64_t next_ino;
    uint64_t memory_bytes, memory_bytes_max;
    uint64_t item_bytes; /* of all inodes and entries in an image */
    uint8_t round;       /* of the last image that was begun */
    struct names_walk walk;
    uint64_t
        hash_key[2]; /* random: names are chosen by clients, who shall not choose the chains too */
};

/* ---- names.c ---- */

/* Made outside the tables, so that names_apply can have all memory before it changes anything. */
struct name_inode *names_inode_new(uint64_t ino, uint64_t generation, uint32_t mode,
                                   const char *target, size_t target_bytes);
void names_inode_free(struct name_inode *inode);
struct name_entry *names_entry_new(const char *name, size_t name_bytes);

void names_inode_insert(struct names *names, struct name_inode *inode);
/* Takes it out and frees it. */
void names_inode_remove(struct names *names, struct name_inode *inode);
/* What applying the item will look at is asked for from memory: in round 0 its buckets, in round 1 what they
 * point to. */
void names_prefetch(const struct names *names, const struct item_entry *item, unsigned round);
/* directory, inode, cookie and type are set. -EEXIST: the cookie is taken; -ENOMEM. */
int names_entry_insert(struct names *names, struct name_entry *entry);
void names_entry_remove(struct names *names, struct name_entry *entry);

/* Calls visit for each inode, orphans too; visit may remove the one it was given. */
void names_each_inode(struct names *names, void (*visit)(void *context, struct name_inode *inode),
                      void *context);
/* 1 to 255 bytes, no '/' and no NUL, neither "." nor "..". */
bool names_name_valid(const char *name, size_t name_bytes);
uint8_t names_type_of(uint32_t mode); /* DT_* */

/* ---- names_directory.c ---- */

struct name_chunk;

/* The entries of a directory by cookie: an array of pointers to chunks of up to NAMES_CHUNK_ENTRIES. */
struct name_directory {
    struct name_chunk **chunks;
    uint32_t chunk_count, chunk_capacity;
    uint64_t entry_count, next_cookie;
};

void names_directory_init(struct name_directory *directory);
void names_directory_destroy(struct name_directory *directory);
/* Makes sure that inserting an entry with this cookie needs no memory. -ENOMEM. */
int names_directory_reserve(struct name_directory *directory, uint64_t cookie);
/* -EEXIST: there is one with this cookie; -ENOMEM. */
int names_directory_insert(struct name_directory *directory, struct name_entry *entry);
void names_directory_remove(struct name_directory *directory, const struct name_entry *entry);
/* The first entry whose cookie is greater; NULL at the end. */
struct name_entry *names_directory_after(const struct name_directory *directory, uint64_t cookie);
/* The next entries behind `cookie`, at most `max`; returns how many. */
unsigned names_directory_some(const struct name_directory *directory, uint64_t cookie,
                              struct name_entry **entries, unsigned max);

/* ---- names_image.c ---- */

/* Before one changes or goes: its state goes into the image that is being made, if it is not there yet. */
void names_image_save_inode(struct names *names, struct name_inode *inode);
void names_image_save_entry(struct names *names, struct name_entry *entry);

/* ---- names_path.c ---- */

bool names_in_group(const struct credentials *who, uint32_t gid);
/* The inode of a directory's "..". */
struct name_inode *names_parent_of(struct names *names, const struct name_inode *directory);

/* ---- names_make.c ---- */

void names_change_begin(struct names_change *change, struct record_builder *builder);
int names_change_end(struct names_change *change, struct record_builder *builder);

/* An inode as it is now, to be altered and added. */
struct item_inode names_state(const struct name_inode *inode);
void names_add_inode(struct record_builder *builder, const struct item_inode *item);
/* A directory in which names changed: its times, and its nlink when a subdirectory came or went. */
void names_add_parent(struct record_builder *builder, const struct name_inode *directory,
                      int64_t now_ns, int links);
void names_add_entry(struct record_builder *builder, const struct names_place *place,
                     uint64_t cookie, uint64_t ino, uint32_t mode);
void names_add_entry_gone(struct record_builder *builder, const struct names_place *place);
/* An inode loses one name: restated, or gone with its last one (then told in `change`). */
void names_add_lost_name(struct record_builder *builder, struct names_change *change,
                         const struct name_inode *inode);

/* The error for a name that must be there and is not. */
int names_missing(const struct names_place *place);
/* A new name may be made here: the directory lives, the name is valid, W and X are granted. */
int names_may_create(const struct credentials *who, const struct names_place *place);
/* The name at `place` may be taken away: W and X, and the sticky bit's rule. */
int names_may_remove(const struct credentials *who, const struct names_place *place);
/* -ENOSPC: that much more metadata is past the limit. */
int names_have_room(const struct names *names, uint64_t bytes);

#endif
