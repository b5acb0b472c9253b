/*
 * record.h - journal records and image items: encoding and decoding. Pure; any thread.
 *
 * A record is the unit of atomicity: it belongs to one partition and is a header followed by items. Items
 * state results (this inode now has these attributes, these blocks are now mapped there), never
 * differences, so applying a record twice gives the same as once. The images of checkpoints consist of the
 * same records: replay, live commit and checkpoint share one decoder and one apply function a partition.
 *
 * Settlement: a record with RECORD_CARRIES_DATA names the CRC32C of the data bytes it maps (one trip). No
 * such record is written yet; the decoder refuses it (-EOPNOTSUPP) so that an older server never opens what
 * it does not understand.
 *
 * Errors: -EBADMSG for anything malformed. Readers never look past the bytes they were given.
 */
#ifndef WT_VOLUME_RECORD_H
#define WT_VOLUME_RECORD_H

#include <stddef.h>
#include <stdint.h>

/* The partition number of names (inodes and directory entries), and of the journal's own records. */
#define PARTITION_NAMES   0xfffeu
#define PARTITION_JOURNAL 0xffffu

#define RECORD_BYTES_MAX    (64u << 10)
#define RECORD_CARRIES_DATA 1u

struct record_header {
    uint32_t bytes; /* with this header and all items, a multiple of 8 */
    uint16_t partition, flags;
    uint32_t data_checksum, reserved;
};
_Static_assert(sizeof(struct record_header) == 16, "record_header is on the medium");

enum item_kind {
    ITEM_INODE = 1,  /* names: this inode exists, with these attributes */
    ITEM_INODE_GONE, /* names: it does not exist any more */
    ITEM_ENTRY,      /* names: this name in this directory is that inode */
    ITEM_ENTRY_GONE, /* names: there is no such name */
    ITEM_NEXT_INO,   /* names: the lowest number never given out */
    ITEM_FILE,       /* data: this file has this size and these times */
    ITEM_MAP,        /* data: these logical blocks are there (what they were before is freed) */
    ITEM_UNMAP,      /* data: these logical blocks are a hole (what they were before is freed) */
    ITEM_FILE_GONE,  /* data: nothing is left of this file (images never hold it) */
    ITEM_ROOT,       /* journal: the checkpoint of a partition */
    ITEM_VOID,       /* journal: reserved for one trip; refused */
    ITEM_SETTLED,    /* journal: reserved for one trip; refused */
};

/* Every item starts with this; bytes counts it all and is a multiple of 8. */
struct item_header {
    uint16_t kind, bytes;
    uint32_t count; /* length of a name or target, number of segments, flags: see each item */
};
_Static_assert(sizeof(struct item_header) == 8, "item_header is on the medium");

/* Times are nanoseconds since 1970. For directories mtime and atime are here; for files they are in
 * ITEM_FILE, and mtime here is the creation time. A symlink's target follows (header.count bytes) where the
 * inode is new; an item that restates a symlink has none, so that a record of two of them stays small.
 * nlink 0: still open, but without a name; such an item never makes an inode. next_cookie: of a directory, what
 * its next entry gets at least (0 elsewhere): else the cookie of a last entry that is gone could come again. */
struct item_inode {
    struct item_header header;
    uint64_t ino, generation;
    uint32_t mode, nlink, uid, gid;
    int64_t atime_ns, mtime_ns, ctime_ns, birth_ns;
    uint64_t next_cookie;
};
_Static_assert(sizeof(struct item_inode) == 80, "item_inode is on the medium");

struct item_inode_gone {
    struct item_header header;
    uint64_t ino, generation;
};

/* The name follows (header.count bytes, 1..255). cookie: the entry's place in its directory, never reused
 * in it; replacing what a name means keeps the cookie. */
struct item_entry {
    struct item_header header;
    uint64_t parent, ino, cookie;
    uint32_t type, reserved; /* DT_* */
};
_Static_assert(sizeof(struct item_entry) == 40, "item_entry is on the medium");

struct item_entry_gone {
    struct item_header header;
    uint64_t parent;
};

struct item_next_ino {
    struct item_header header;
    uint64_t next_ino;
};

struct item_file {
    struct item_header header;
    uint64_t ino, generation, size_bytes;
    int64_t atime_ns, mtime_ns;
};

/* Blocks, not bytes; physical counts from the volume's start. */
#define MAP_UNWRITTEN \
    1u /* in header.count: allocated, reads as zeros; a later ITEM_MAP converts it */
struct item_map {
    struct item_header header;
    uint64_t ino, generation, logical, physical, blocks;
};

#define UNMAP_WRITTEN_ONLY 1u /* in header.count: unwritten blocks in the range stay */
struct item_unmap {
    struct item_header header;
    uint64_t ino, generation, logical, blocks;
};

struct item_file_gone {
    struct item_header header;
    uint64_t ino, generation;
};

/* The checkpoint of `partition` holds exactly its records up to and including `sequence`. header.count
 * segment numbers (uint32_t) follow, padded to 8. */
struct item_root {
    struct item_header header;
    uint64_t sequence, image_epoch, image_id, image_bytes;
    uint32_t partition, reserved;
};
#define ROOT_SEGMENTS_MAX 8192u

/* Builds one record in the caller's buffer (8-byte aligned). After an overflow everything is ignored and
 * record_end gives -EMSGSIZE. */
struct record_builder {
    unsigned char *buffer;
    size_t capacity_bytes, used_bytes;
    int error;
};

void record_begin(struct record_builder *builder, void *buffer, size_t capacity_bytes,
                  uint16_t partition);
/* Appends `item` (item_bytes, header filled in but for bytes) and `tail_bytes` more, padded with zeros. */
void record_add(struct record_builder *builder, const void *item, size_t item_bytes,
                const void *tail, size_t tail_bytes);
/* Bytes of the finished record, or a negative errno. */
int64_t record_end(struct record_builder *builder);
/* Items so far; a record without items need not be written. */
size_t record_used(const struct record_builder *builder);

/* Walks the records in `bytes`: *record is the next one, checked for header and length. 1, 0 at the end,
 * -EBADMSG, -EOPNOTSUPP. Start with *offset = 0. */
int record_next(const void *bytes, size_t size_bytes, size_t *offset,
                const struct record_header **record);
/* Walks the items of a checked record; each is at least as long as its kind demands, its tail included. */
int record_item(const struct record_header *record, size_t *offset,
                const struct item_header **item);

#endif
