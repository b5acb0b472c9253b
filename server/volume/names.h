/*
 * names.h - the tree of names: inodes, directories and their entries, in memory, on the names shard.
 *
 * No I/O and no waiting. An operation on names goes in three steps, so that journal and memory cannot
 * differ: names_make_* checks everything (existence, permission, limits) against the live tree and builds
 * the one record that states the result; the caller applies that record at once with names_apply, and
 * appends it to the journal. Replay calls the same names_apply. What is applied is visible to others before
 * it is durable; the caller does not acknowledge before the level asked for.
 *
 * Inode numbers only grow and are never reused; the generation is the boot epoch of the creation.
 * An inode whose last name went lives on in memory while it is open (open_count > 0, `orphan`), in the
 * journal it is gone: a crash frees it. One made without a name (O_TMPFILE) is an orphan from the start, and
 * the only kind that may get a name (`linkable`); the record of its making says its number and nothing else
 * that lasts, that of its first name states it whole.
 *
 * Cookies: each new entry of a directory gets the next number of that directory, so an entry that is
 * present throughout a listing is seen exactly once. 1 and 2 are kept free for "." and "..".
 *
 * Memory: NAMES_INODE_MEMORY_BYTES an inode and NAMES_ENTRY_MEMORY_BYTES and the name's length an entry,
 * counted by names_memory_bytes. Past memory_bytes_max making anything new is -ENOSPC.
 */
#ifndef WT_VOLUME_NAMES_H
#define WT_VOLUME_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/limits.h"
#include "server/volume/partition.h"
#include "server/volume/record.h"

/* Measured: allocator rounding, hash buckets and the directory's index included. */
#define NAMES_INODE_MEMORY_BYTES 128u
#define NAMES_DIRECTORY_MEMORY_BYTES \
    64u /* more, for a directory; a symlink: its target's length more */
#define NAMES_ENTRY_MEMORY_BYTES 72u

#define NAMES_LINKS_MAX      WT_LINKS_MAX
#define NAMES_SYMLINKS_MAX   WT_SYMLINKS_MAX
#define NAMES_PATH_BYTES_MAX (WT_PATH_BYTES_MAX - 1) /* without the NUL */
#define NAMES_NAME_BYTES_MAX WT_NAME_BYTES_MAX
/* Room for the largest record an operation builds. */
#define NAMES_RECORD_BYTES 5120u

struct credentials {
    uint32_t uid, gid;
    uint32_t group_count;
    const uint32_t *groups;
};

struct names;
struct image_sink;
struct image_writer;
struct name_directory; /* the entries of a directory */

struct name_inode {
    uint64_t ino, generation;
    uint32_t mode, nlink, uid, gid;
    int64_t atime_ns, mtime_ns, ctime_ns, birth_ns; /* atime, mtime: of directories and symlinks */
    union {
        struct name_directory *directory; /* S_ISDIR */
        char *target;                     /* S_ISLNK, NUL-terminated */
    };
    uint64_t parent; /* of a directory: its ino, for ".." */
    uint32_t open_count;
    uint16_t name_count; /* entries that mean this inode: it is not freed while there are any */
    bool orphan : 1;
    bool linkable : 1; /* an orphan that never had a name and may get one */
    bool reached : 1;  /* names_verify's own mark */
    uint8_t round;     /* of the image it was last put into; see names_image.c */
    struct name_inode *hash_next;
};

struct name_entry {
    struct name_inode *directory, *inode;
    uint64_t cookie;
    struct name_entry *hash_next;
    uint8_t type; /* DT_* */
    uint8_t name_bytes;
    uint8_t round; /* as an inode's */
    char name[];
};

/* An empty tree, without even a root (mkfs records the root). */
int names_create(uint64_t memory_bytes_max, struct names **names);
void names_destroy(struct names *names);

/* An image of so many bytes will be applied to the empty tree: the tables need not grow on the way. */
void names_expect(struct names *names, uint64_t image_bytes);

/* Applies one record of PARTITION_NAMES. -EBADMSG: malformed, or impossible in this tree (an entry of a
 * directory that does not exist, ...); -ENOMEM. */
int names_apply(struct names *names, const struct record_header *record);

/* An image in steps: it holds the tree as it was at names_image_begin, whatever is applied between the
 * steps. The writer is the caller's and stays until names_image_step says false: all is in it then, or its
 * error is set. A step looks at about items_max inodes and entries, and stops early when the sink is full. */
void names_image_begin(struct names *names, struct image_writer *writer);
bool names_image_step(struct names *names, unsigned items_max);
/* All at once. */
int names_serialise(struct names *names, struct image_sink *sink);
/* Bytes that an image of the tree as it is now needs at most. */
uint64_t names_image_bytes(const struct names *names);

/* After replay: every inode has a name or is the root, link counts agree, no directory is unreachable. Each
 * finding is a line; returns how many. Orphans that replay left are not findings: they are dropped. */
unsigned names_verify(struct names *names, void (*say)(void *context, const char *line),
                      void *context);

struct name_inode *names_inode(struct names *names, uint64_t ino); /* NULL: none */
struct name_entry *names_find(struct names *names, struct name_inode *directory, const char *name,
                              size_t name_bytes);
/* The first entry whose cookie is greater; NULL at the end. */
struct name_entry *names_next_entry(struct name_inode *directory, uint64_t cookie);
uint64_t names_entry_count(const struct name_inode *directory);

/* Permission as in POSIX: want is a mask of R_OK, W_OK, X_OK. uid 0 may all, but X only where some x bit is
 * set or it is a directory. 0 or -EACCES. */
int names_permitted(const struct credentials *who, const struct name_inode *inode, int want);

#define NAMES_NOFOLLOW 1u /* a symlink as the last component is the result itself */
#define NAMES_PARENT   2u /* the last component need not exist, and may be a name too long to exist */
#define NAMES_NO_SLASH \
    4u /* the last component is a file to be made: -EISDIR where a slash follows it */

struct names_place {
    struct name_inode *parent; /* the directory of the last component; NULL for the root itself */
    struct name_entry
        *entry; /* NULL: no such name (only with NAMES_PARENT), or root, "." or ".." */
    struct name_inode *inode; /* NULL: no such name */
    const char *name;         /* the last component; points into `buffer` */
    size_t name_bytes;
    bool must_be_directory;  /* there was a trailing slash */
    bool dot;                /* the last component was "." or ".." (or there was none) */
    unsigned followed_count; /* symlinks on the way, also of a walk that failed */
    struct name_inode *followed[NAMES_SYMLINKS_MAX];
    char buffer[NAMES_PATH_BYTES_MAX + 1]; /* the path after symlinks were put in */
};

/* Walks a path from the root; `..` never leaves it. Search permission is checked on each directory.
 * -ENOENT, -ENOTDIR, -EACCES, -ELOOP (more than NAMES_SYMLINKS_MAX), -ENAMETOOLONG. */
int names_resolve(struct names *names, const struct credentials *who, const char *path,
                  size_t path_bytes, unsigned flags, struct names_place *place);
/* The same from `start`, a directory, unless the path has a leading slash. NULL: the root. */
int names_resolve_at(struct names *names, const struct credentials *who, struct name_inode *start,
                     const char *path, size_t path_bytes, unsigned flags,
                     struct names_place *place);

/* What the operations have in common: who, when, the journal's epoch, and where the record is built
 * (NAMES_RECORD_BYTES, 8-byte aligned). On success the record is finished: record_bytes long. */
struct names_change {
    const struct credentials *who;
    int64_t now_ns;
    uint64_t epoch;
    void *buffer;
    size_t record_bytes;
    uint64_t ino;      /* out: the inode made or changed */
    uint64_t gone_ino; /* out: an inode that lost its last name (0: none); */
    uint64_t gone_generation;
    bool gone_is_open; /* out: ... and is still open: its data goes at the last close */
};

/* mode carries the type (S_IFREG, S_IFDIR, S_IFLNK) and permissions (the umask already applied); setgid
 * directories pass on their group (and setgid to directories). target only for symlinks.
 * -EEXIST, -EACCES, -EMLINK, -ENOSPC, ... as in open(2), mkdir(2), symlink(2). */
int names_make_node(struct names *names, struct names_change *change, struct names_place *place,
                    uint32_t mode, const char *target, size_t target_bytes);
/* A regular file without a name, as if made in that directory. After this, when nothing can refuse any more
 * but memory, names_insert_unnamed puts the inode into the tree (-ENOMEM), then the record is applied. */
int names_make_unnamed(struct names *names, struct names_change *change,
                       const struct name_inode *directory, uint32_t mode);
int names_insert_unnamed(struct names *names, const struct names_change *change, bool linkable);
/* -ENOENT: an orphan that is not linkable. */
int names_make_link(struct names *names, struct names_change *change, struct name_inode *inode,
                    struct names_place *place);
/* directory: rmdir (else unlink: -EISDIR for a directory). Sticky bit honoured. */
int names_make_unlink(struct names *names, struct names_change *change, struct names_place *place,
                      bool directory);
/* flags: 0, RENAME_NOREPLACE, RENAME_EXCHANGE. record_bytes is 0 when there is nothing to do (both names
 * are the same inode). A directory never goes below itself (-EINVAL). */
int names_make_rename(struct names *names, struct names_change *change, struct names_place *from,
                      struct names_place *to, unsigned flags);
/* NULL or ~0u leave a thing alone. Times here are those of directories and symlinks; for files the caller
 * also records them in the file's partition. UTIME_NOW and UTIME_OMIT are already resolved: INT64_MIN
 * omits. explicit_times: the caller named times (owner or root only); else write permission is enough. */
int names_make_chmod(struct names *names, struct names_change *change, struct name_inode *inode,
                     uint32_t mode);
/* What a write to a file does to its set-id bits; record_bytes is 0 when there are none to take. Are there? */
bool names_strips(const struct credentials *who, const struct name_inode *inode);
void names_make_strip(struct names_change *change, struct name_inode *inode);
int names_make_chown(struct names *names, struct names_change *change, struct name_inode *inode,
                     uint32_t uid, uint32_t gid);
int names_make_utimens(struct names *names, struct names_change *change, struct name_inode *inode,
                       int64_t atime_ns, int64_t mtime_ns, bool explicit_times);

/* Reading a directory or a symlink, as relatime: does it move atime? A file's is in its partition; a removed
 * directory's stays, as in Linux. */
bool names_atime_moves(const struct name_inode *inode, int64_t now_ns);
void names_make_atime(struct names_change *change, const struct name_inode *inode);

/* For mkfs: the record of a root directory with mode 0755 and that owner. */
int names_make_root(struct names_change *change, uint32_t uid, uint32_t gid);

/* Open counts (in memory only). names_closed returns true when the inode was an orphan and is gone now. */
void names_opened(struct names *names, struct name_inode *inode);
bool names_closed(struct names *names, uint64_t ino, uint64_t generation);

uint64_t names_memory_bytes(const struct names *names);
uint64_t names_inode_count(const struct names *names);

#endif
