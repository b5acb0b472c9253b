/*
 * partition.h - one partition of file data, as recorded: sizes, times and maps of its files.
 *
 * State changes only by partition_apply, given a record that the journal has made durable: the same
 * function at replay and at run time, so that what is live is exactly what replay would build, and a
 * checkpoint taken between two records holds exactly the records before it.
 *
 * Owned by one shard. No I/O. Keyed by (inode, generation); an entry whose inode does not live is garbage,
 * an inode without an entry is an empty file (size 0, no blocks, times those of its creation).
 * Memory: PARTITION_FILE_MEMORY_BYTES a file that has an entry, EXTENT_MEMORY_BYTES an extent.
 */
#ifndef WT_VOLUME_PARTITION_H
#define WT_VOLUME_PARTITION_H

#include "server/volume/extents.h"
#include "server/volume/record.h"

#define PARTITION_FILE_MEMORY_BYTES 128u

struct file_data {
    uint64_t ino, generation;
    uint64_t size_bytes; /* the recorded size */
    int64_t atime_ns, mtime_ns;
    struct extent_map extents;
    struct file_data *hash_next;
};

struct partition;

int partition_create(uint16_t number, struct partition **partition);
void partition_destroy(struct partition *partition);
uint16_t partition_number(const struct partition *partition);

/* NULL: no entry. The pointer is valid until ITEM_FILE_GONE is applied for it. */
struct file_data *partition_find(struct partition *partition, uint64_t ino, uint64_t generation);
/* Makes an empty entry where there is none. NULL: no memory. */
struct file_data *partition_get(struct partition *partition, uint64_t ino, uint64_t generation,
                                int64_t birth_ns);
/* Applies one durable record. freed may be NULL (replay: what is free is derived at the end). -EBADMSG:
 * not a record of this partition or malformed (nothing promised about what was applied); -ENOMEM. */
int partition_apply(struct partition *partition, const struct record_header *record,
                    extent_freed *freed, void *context);
/* Removes an entry and reports its blocks: the file is gone (its inode's end is durable). */
void partition_drop(struct partition *partition, struct file_data *data, extent_freed *freed,
                    void *context);

/* Calls visit for each file; visit may drop the one it was given. */
void partition_each(struct partition *partition,
                    void (*visit)(void *context, struct file_data *data), void *context);

struct image_sink;
struct image_writer;
/* An image in steps: as names_image_begin in names.h. */
void partition_image_begin(struct partition *partition, struct image_writer *writer);
bool partition_image_step(struct partition *partition, unsigned items_max);
/* All at once. */
int partition_serialise(struct partition *partition, struct image_sink *sink);
uint64_t partition_memory_bytes(const struct partition *partition);
uint64_t partition_file_count(const struct partition *partition);
uint64_t partition_extent_count(const struct partition *partition);

#endif
