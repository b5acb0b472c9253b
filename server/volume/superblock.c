/* superblock.c - see superblock.h. */
#include "server/volume/superblock.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/checksum.h"

static bool aligned(uint64_t bytes)
{
    return bytes % VOLUME_BLOCK_BYTES == 0;
}

/* Every number is bounded by WT_VOLUME_BYTES_MAX before it is added to another: sums cannot overflow. */
static bool sane(uint64_t bytes)
{
    return aligned(bytes) && bytes <= WT_VOLUME_BYTES_MAX;
}

static const char *check_layout(const struct superblock *sb)
{
    if (!sane(sb->size_bytes) || sb->size_bytes < WT_VOLUME_BYTES_MIN)
        return "its size is impossible";
    if (sb->block_bytes != VOLUME_BLOCK_BYTES)
        return "its block size is impossible";
    if (sb->partition_count == 0 || sb->partition_count > VOLUME_PARTITIONS_MAX)
        return "its number of partitions is impossible";
    if (!sane(sb->journal_offset) || !sane(sb->journal_bytes) ||
        sb->journal_offset < VOLUME_EDGE_BYTES || sb->journal_bytes < JOURNAL_BYTES_MIN)
        return "its journal is impossible";
    if (!sane(sb->metadata_offset) || sb->segment_bytes < SEGMENT_BYTES_MIN ||
        sb->segment_bytes > SEGMENT_BYTES_MAX || !aligned(sb->segment_bytes) ||
        sb->segment_count <= 2 * (sb->partition_count + 1) ||
        sb->segment_count > SEGMENT_COUNT_MAX ||
        sb->segment_count > sb->journal_bytes / JOURNAL_BYTES_PER_SEGMENT)
        return "its metadata area is impossible";
    if (!sane(sb->data_offset) || !sane(sb->data_bytes) || !sane(sb->group_bytes) ||
        sb->group_bytes == 0 || sb->group_bytes > sb->data_bytes / sb->partition_count)
        return "its data area is impossible";
    if (sb->journal_offset + sb->journal_bytes + JOURNAL_BLOCK_BYTES_MAX > sb->metadata_offset ||
        sb->metadata_offset + (uint64_t)sb->segment_bytes * sb->segment_count > sb->data_offset ||
        sb->data_offset + sb->data_bytes > sb->size_bytes - VOLUME_EDGE_BYTES)
        return "its areas overlap";
    return NULL;
}

int superblock_check(const struct superblock *sb, const char **what)
{
    *what = "there is no superblock";
    if (memcmp(sb->magic, VOLUME_MAGIC, sizeof sb->magic) != 0)
        return -ENOMEDIUM;
    *what = "it is of a newer format";
    if (sb->format_version > VOLUME_FORMAT_VERSION)
        return -EPROTONOSUPPORT;
    *what = "its checksum is wrong";
    if (sb->checksum != checksum_crc32c(sb, offsetof(struct superblock, checksum)))
        return -EBADMSG;
    *what = "it is of an unknown format";
    if (sb->format_version != VOLUME_FORMAT_VERSION || (sb->flags & ~SUPERBLOCK_SPARSE))
        return -EPROTONOSUPPORT;
    if ((*what = check_layout(sb)) != NULL)
        return -EBADMSG;
    *what = "its journal's start is impossible";
    if (sb->start_position >= sb->journal_bytes || !aligned(sb->start_position) ||
        sb->start_sequence == 0 || sb->journal_epoch == 0 || sb->journal_epoch > sb->epoch ||
        sb->clean_stop > 1)
        return -EBADMSG;
    *what = NULL;
    return 0;
}

void superblock_seal(struct superblock *sb)
{
    sb->checksum = checksum_crc32c(sb, offsetof(struct superblock, checksum));
}

uint64_t superblock_copy_offset(const struct superblock *sb)
{
    return sb->size_bytes - VOLUME_EDGE_BYTES;
}

/* One copy, read and checked. A copy that says it belongs elsewhere is a relic of another volume. */
static int read_copy(struct device *device, uint64_t offset, bool copy, struct superblock *sb,
                     const char **what)
{
    *what = "it cannot be read";
    if (offset + sizeof *sb > device->capabilities.size_bytes)
        return -ENOMEDIUM;
    int rc = durable_read(device, offset, sb, sizeof *sb);
    if (rc < 0)
        return rc;
    rc = superblock_check(sb, what);
    if (rc == 0 && copy && superblock_copy_offset(sb) != offset) {
        *what = "it belongs to a volume of another size";
        rc = -EBADMSG;
    }
    return rc;
}

static int refuse(struct device *device, int rc, const char *what, char *reason,
                  size_t reason_bytes)
{
    if (rc == -ENOMEDIUM)
        snprintf(reason, reason_bytes, "%s: not a wt volume; make one with `wtcli mkfs'",
                 device->path);
    else if (rc == -EPROTONOSUPPORT)
        snprintf(reason, reason_bytes,
                 "%s: the volume's format is newer than this program (format %u)", device->path,
                 VOLUME_FORMAT_VERSION);
    else
        snprintf(reason, reason_bytes, "%s: both superblocks are bad: %s", device->path, what);
    return rc;
}

static int refuse_size(struct device *device, const struct superblock *sb, char *reason,
                       size_t reason_bytes)
{
    snprintf(reason, reason_bytes,
             "%s: the device has %" PRIu64 " bytes, the volume needs %" PRIu64
             "; give it back its full size",
             device->path, device->capabilities.size_bytes, sb->size_bytes);
    return -ENOSPC;
}

/* A write torn at sector grain leaves the first sector old or new, and both name the volume. */
static bool torn(const struct superblock *bad, const struct superblock *good)
{
    return memcmp(bad->magic, good->magic, sizeof bad->magic) == 0 &&
           memcmp(bad->uuid, good->uuid, sizeof bad->uuid) == 0;
}

/* Chooses between a good first superblock and what its copy's place holds. */
static int choose(struct device *device, struct superblock_found *found, struct superblock *copy)
{
    const char *what;
    int rc = read_copy(device, superblock_copy_offset(&found->superblock), true, copy, &what);
    if (rc == -ENOMEM)
        return rc;
    if (rc < 0 || memcmp(copy->uuid, found->superblock.uuid, sizeof copy->uuid) != 0) {
        found->copy_bad = true;
        found->torn = rc < 0 && torn(copy, &found->superblock);
        return 0;
    }
    found->behind = copy->generation != found->superblock.generation;
    if (copy->generation > found->superblock.generation)
        found->superblock = *copy;
    return 0;
}

static int read_both(struct device *device, struct superblock_found *found, struct superblock *sb,
                     char *reason, size_t reason_bytes)
{
    const char *what, *other_what;
    int rc = read_copy(device, SUPERBLOCK_OFFSET, false, sb, &what);
    if (rc == 0) {
        found->superblock = *sb;
        if (sb->size_bytes > device->capabilities.size_bytes)
            return refuse_size(device, sb, reason, reason_bytes);
        return choose(device, found, sb);
    }
    if (rc == -EPROTONOSUPPORT)
        return refuse(device, rc, what, reason, reason_bytes);
    /* Without the first one the volume's size is unknown: the copy is looked for where the device ends. */
    uint64_t whole = device->capabilities.size_bytes & ~(uint64_t)(VOLUME_BLOCK_BYTES - 1);
    if (whole < WT_VOLUME_BYTES_MIN)
        return refuse(device, rc, what, reason, reason_bytes);
    struct superblock first = *sb;
    int other = read_copy(device, whole - VOLUME_EDGE_BYTES, true, sb, &other_what);
    if (other < 0)
        return refuse(device, rc == -ENOMEDIUM ? other : rc, what, reason, reason_bytes);
    found->superblock = *sb;
    found->other_used = true;
    found->torn = torn(&first, sb);
    return 0;
}

int superblock_read(struct device *device, struct superblock_found *found, char *reason,
                    size_t reason_bytes)
{
    struct superblock *sb = durable_buffer(sizeof *sb);
    memset(found, 0, sizeof *found);
    if (!sb) {
        snprintf(reason, reason_bytes, "no memory for a superblock");
        return -ENOMEM;
    }
    int rc = read_both(device, found, sb, reason, reason_bytes);
    free(sb);
    return rc;
}

int superblock_write(struct device *device, struct superblock *superblock, bool copy_first)
{
    struct superblock *sb = durable_buffer(sizeof *sb);
    if (!sb)
        return -ENOMEM;
    superblock->generation++;
    superblock_seal(superblock);
    *sb = *superblock;
    uint64_t copy = superblock_copy_offset(sb);
    int rc = durable_write(device, copy_first ? copy : SUPERBLOCK_OFFSET, sb, sizeof *sb);
    if (rc == 0)
        rc = durable_write(device, copy_first ? SUPERBLOCK_OFFSET : copy, sb, sizeof *sb);
    free(sb);
    return rc;
}

/* ---- from a running shard ---- */

int superblock_writer_init(struct superblock_writer *writer, struct flusher *flusher)
{
    memset(writer, 0, sizeof *writer);
    writer->flusher = flusher;
    writer->buffer = durable_buffer(sizeof *writer->buffer);
    return writer->buffer ? 0 : -ENOMEM;
}

void superblock_writer_destroy(struct superblock_writer *writer)
{
    free(writer->buffer);
    writer->buffer = NULL;
}

static void copy_written(struct writer *inner, int result);

static void write_copy(struct superblock_writer *writer)
{
    writer->part.offset =
        writer->second ? superblock_copy_offset(writer->buffer) : SUPERBLOCK_OFFSET;
    writer->part.memory = writer->buffer;
    writer->part.length_bytes = sizeof *writer->buffer;
    writer_start(&writer->writer, writer->queue, &writer->part, 1,
                 durable_write_flags(writer->queue->device), copy_written);
}

static void copy_durable(struct superblock_writer *writer, int result)
{
    if (result < 0 || writer->second) {
        writer->done(writer, result);
        return;
    }
    writer->second = true;
    write_copy(writer);
}

static void copy_flushed(struct flush_waiter *waiter, int result)
{
    struct superblock_writer *writer = list_entry(waiter, struct superblock_writer, flush);
    copy_durable(writer, result);
}

static void copy_written(struct writer *inner, int result)
{
    struct superblock_writer *writer = list_entry(inner, struct superblock_writer, writer);
    if (result < 0 || !durable_needs_flush(writer->queue->device)) {
        copy_durable(writer, result);
        return;
    }
    writer->flush.done = copy_flushed;
    flusher_ask(writer->flusher, &writer->flush);
}

void superblock_writer_start(struct superblock_writer *writer, struct device_queue *queue,
                             struct superblock *superblock,
                             void (*done)(struct superblock_writer *writer, int result))
{
    superblock->generation++;
    superblock_seal(superblock);
    *writer->buffer = *superblock;
    writer->queue = queue;
    writer->second = false;
    writer->done = done;
    write_copy(writer);
}
