/*
 * mkfs.c - makes a volume. See tools.h.
 *
 * Order: what was there is made invalid first and durably (both superblocks of an older volume included),
 * then the image is written in full, then the journal's first block, and the superblocks last: a mkfs that
 * was cut leaves something that nobody opens.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/volume/durable.h"
#include "server/volume/image.h"
#include "server/volume/journal_block.h"
#include "server/volume/names.h"
#include "server/volume/superblock.h"
#include "server/volume/tools.h"

#define ZERO_BYTES  (1u << 20) /* a transfer of zeroes */
#define MIB         (1ull << 20)
#define GIB         (1ull << 30)
#define PROBE_BYTES (128u << 10)
#define SEGMENTS_FEW \
    4096u /* segments grow with the area until there would be more of the smallest */

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static uint64_t whole_blocks(uint64_t bytes)
{
    return bytes & ~(uint64_t)(VOLUME_BLOCK_BYTES - 1);
}

/* ---- layout ---- */

static void lay_out(struct superblock *sb, uint64_t size_bytes)
{
    uint64_t journal = clamp(size_bytes / 64 & ~(MIB - 1), MIB, 256 * MIB);
    /* A sixteenth, but small volumes are for small files: an eighth up to 16 MiB. */
    uint64_t metadata = clamp(size_bytes / 8 & ~(MIB - 1), 0, 16 * MIB);
    metadata = clamp(size_bytes / 16 & ~(MIB - 1), metadata, 16 * GIB);
    uint32_t segment = SEGMENT_BYTES_MIN;
    while (segment < SEGMENT_BYTES_MAX && metadata / segment > SEGMENTS_FEW)
        segment *= 2;
    sb->size_bytes = size_bytes;
    sb->block_bytes = VOLUME_BLOCK_BYTES;
    sb->partition_count = VOLUME_PARTITIONS;
    sb->journal_offset = VOLUME_EDGE_BYTES;
    sb->journal_bytes = journal;
    sb->metadata_offset = sb->journal_offset + journal + JOURNAL_BLOCK_BYTES_MAX;
    sb->segment_bytes = segment;
    sb->segment_count = (uint32_t)(metadata / segment);
    sb->data_offset = sb->metadata_offset + (uint64_t)sb->segment_count * segment;
    sb->data_bytes = whole_blocks(size_bytes - VOLUME_EDGE_BYTES - sb->data_offset);
    sb->group_bytes = whole_blocks(sb->data_bytes / sb->partition_count);
}

static void fill_superblock(struct superblock *sb, uint64_t size_bytes, bool sparse)
{
    memset(sb, 0, sizeof *sb);
    memcpy(sb->magic, VOLUME_MAGIC, sizeof sb->magic);
    sb->format_version = VOLUME_FORMAT_VERSION;
    sb->flags = sparse ? SUPERBLOCK_SPARSE : 0;
    clock_random_bytes(sb->uuid, sizeof sb->uuid);
    sb->uuid[6] = (uint8_t)((sb->uuid[6] & 0x0f) | 0x40); /* version 4, variant 1 */
    sb->uuid[8] = (uint8_t)((sb->uuid[8] & 0x3f) | 0x80);
    clock_random_bytes(sb->secret, sizeof sb->secret);
    sb->created_ns = clock_realtime_ns();
    lay_out(sb, size_bytes);
    sb->epoch = sb->journal_epoch = 1;
    sb->start_sequence = 1;
    sb->clean_stop = 1;
}

/* ---- what is there already ---- */

static const struct signature {
    const char *what;
    uint32_t offset, bytes;
    const char *magic;
} signatures[] = {
    {"a wt volume", SUPERBLOCK_OFFSET, 8, VOLUME_MAGIC},
    {"an ext2/ext3/ext4 file system", 1024 + 56, 2, "\x53\xef"},
    {"an XFS file system", 0, 4, "XFSB"},
    {"a btrfs file system", (64u << 10) + 64, 8, "_BHRfS_M"},
    {"an F2FS file system", 1024, 4, "\x10\x20\xf5\xf2"},
    {"a swap area", 4096 - 10, 10, "SWAPSPACE2"},
    {"a suspended swap area", 4096 - 10, 9, "S1SUSPEND"},
    {"an LVM physical volume", 0, 8, "LABELONE"},
    {"an LVM physical volume", 512, 8, "LABELONE"},
    {"an LVM physical volume", 1024, 8, "LABELONE"},
    {"an LVM physical volume", 1536, 8, "LABELONE"},
    {"a LUKS container", 0, 6, "LUKS\xba\xbe"},
    {"a RAID member", 4096, 4, "\xfc\x4e\x2b\xa9"},
    {"a GPT partition table", 512, 8, "EFI PART"},
    {"a GPT partition table", 4096, 8, "EFI PART"},
    {"an NTFS file system", 3, 8, "NTFS    "},
    {"an MBR partition table or boot sector", 510, 2, "\x55\xaa"},
};

/* 0: nothing that we know; 1: *what; -errno. */
static int probe(struct device *device, const char **what)
{
    static const char copy[] = "the copy of a wt volume's superblock";
    uint64_t size = whole_blocks(device->capabilities.size_bytes);
    uint8_t *bytes = durable_buffer(PROBE_BYTES);
    if (!bytes)
        return -ENOMEM;
    int found = 0, rc = 0;
    if (size >= PROBE_BYTES)
        rc = durable_read(device, 0, bytes, PROBE_BYTES);
    for (size_t i = 0; i < sizeof signatures / sizeof signatures[0] && rc == 0 && !found; i++) {
        const struct signature *signature = &signatures[i];
        found = memcmp(bytes + signature->offset, signature->magic, signature->bytes) == 0;
        *what = signature->what;
    }
    if (rc == 0 && !found && size >= WT_VOLUME_BYTES_MIN) {
        rc = durable_read(device, size - VOLUME_EDGE_BYTES, bytes, VOLUME_BLOCK_BYTES);
        found = rc == 0 && memcmp(bytes, VOLUME_MAGIC, 8) == 0;
        *what = copy;
    }
    free(bytes);
    return rc < 0 ? rc : found;
}

/* ---- writing ---- */

static int write_zeroes(struct device *device, uint64_t offset, uint64_t length_bytes,
                        void (*progress)(uint64_t done_bytes, uint64_t total_bytes))
{
    void *zeroes = durable_buffer(ZERO_BYTES);
    int rc = zeroes ? 0 : -ENOMEM;
    for (uint64_t done = 0; rc == 0 && done < length_bytes;) {
        uint64_t left = length_bytes - done, piece = left < ZERO_BYTES ? left : ZERO_BYTES;
        rc = device_transfer(device, DEVICE_WRITE, 0, offset + done, zeroes, piece);
        done += piece;
        if (progress)
            progress(done, length_bytes);
    }
    free(zeroes);
    return rc;
}

/* The copy of an older volume of another size lies where only its first superblock tells. */
static int invalidate(struct device *device, const struct superblock *sb)
{
    uint64_t size = device->capabilities.size_bytes;
    struct superblock_found old;
    char reason[256];
    int rc = 0;
    if (superblock_read(device, &old, reason, sizeof reason) == 0 && !old.other_used)
        rc =
            write_zeroes(device, superblock_copy_offset(&old.superblock), VOLUME_BLOCK_BYTES, NULL);
    if (rc == 0)
        rc = write_zeroes(device, 0, VOLUME_EDGE_BYTES, NULL);
    if (rc == 0)
        rc = write_zeroes(device, whole_blocks(size) - VOLUME_EDGE_BYTES, VOLUME_EDGE_BYTES, NULL);
    if (rc == 0)
        rc = write_zeroes(device, superblock_copy_offset(sb), VOLUME_EDGE_BYTES, NULL);
    return rc < 0 ? rc : durable_flush(device);
}

/* A regular file is written from end to end, so that no later write needs the host's metadata. On a disk
 * only what is read back is: the journal, whose old blocks carry another uuid, for a clean start. */
static int write_image(struct device *device, const struct superblock *sb,
                       const struct volume_format_options *options)
{
    bool file = strcmp(device->capabilities.kind, "file") == 0;
    if (sb->flags & SUPERBLOCK_SPARSE)
        return 0;
    if (file)
        return write_zeroes(device, 0, sb->size_bytes, options->progress);
    return write_zeroes(device, sb->journal_offset, sb->metadata_offset - sb->journal_offset,
                        options->progress);
}

/* Epoch 1 begins with one block: empty checkpoints of all partitions, and the root directory. */
static int write_first_block(struct device *device, struct superblock *sb,
                             const struct volume_format_options *options)
{
    struct credentials who = {.uid = options->uid, .gid = options->gid};
    struct partition_root roots[VOLUME_PARTITIONS + 1];
    memset(roots, 0, sizeof roots); /* no segments, nothing up to sequence 0 */
    struct journal_block *block = durable_buffer(JOURNAL_BLOCK_BYTES_MAX);
    uint8_t *records = (uint8_t *)(block + 1);
    if (!block)
        return -ENOMEM;
    assert(roots_bytes_max(sb) < JOURNAL_BLOCK_BYTES_MAX / 2);
    size_t bytes =
        roots_encode(roots, sb->partition_count + 1, records, JOURNAL_BLOCK_BYTES_MAX / 2);
    struct names_change change = {
        .who = &who, .now_ns = sb->created_ns, .epoch = sb->epoch, .buffer = records + bytes};
    int rc = names_make_root(&change, options->uid, options->gid);
    if (rc == 0) {
        block->epoch = sb->epoch;
        block->sequence = 1;
        block->record_bytes = (uint32_t)(bytes + change.record_bytes);
        memcpy(block->uuid, sb->uuid, sizeof block->uuid);
        journal_block_seal(block);
        rc = durable_write(device, sb->journal_offset, block, block->length_bytes);
    }
    free(block);
    return rc;
}

static int write_volume(struct device *device, struct superblock *sb,
                        const struct volume_format_options *options)
{
    int rc = invalidate(device, sb);
    if (rc == 0)
        rc = write_image(device, sb, options);
    if (rc == 0)
        rc = write_first_block(device, sb, options);
    if (rc == 0)
        rc = durable_flush(device);
    if (rc == 0)
        rc = superblock_write(device, sb, false);
    /* Nobody may be told of a volume that is not durable: not even a canary build. */
    if (rc == 0 && device->capabilities.volatile_cache)
        rc = device_transfer(device, DEVICE_FLUSH, 0, 0, NULL, 0);
    return rc;
}

/* ---- all of it ---- */

static int check_size(const char *path, uint64_t size_bytes, char *reason, size_t reason_bytes)
{
    if (size_bytes >= WT_VOLUME_BYTES_MIN && size_bytes <= WT_VOLUME_BYTES_MAX)
        return 0;
    snprintf(reason, reason_bytes,
             size_bytes < WT_VOLUME_BYTES_MIN
                 ? "%s: a volume needs at least 64 MiB; give --size"
                 : "%s: a volume has at most 1 EiB; give a smaller --size",
             path);
    return -EINVAL;
}

static int check_free(struct device *device, char *reason, size_t reason_bytes)
{
    const char *what;
    int rc = probe(device, &what);
    if (rc == 1) {
        snprintf(reason, reason_bytes, "%s: holds %s; --force overwrites it", device->path, what);
        return -EEXIST;
    }
    if (rc < 0)
        snprintf(reason, reason_bytes, "%s: reading what is there: %s", device->path,
                 strerror(-rc));
    return rc;
}

int volume_format_device(struct device *device, const struct volume_format_options *options,
                         char *reason, size_t reason_bytes)
{
    uint64_t device_bytes = whole_blocks(device->capabilities.size_bytes);
    uint64_t size = options->size_bytes ? whole_blocks(options->size_bytes) : device_bytes;
    int rc = check_size(device->path, size, reason, reason_bytes);
    if (rc < 0)
        return rc;
    if (size > device_bytes) {
        snprintf(reason, reason_bytes, "%s: has %" PRIu64 " bytes, %" PRIu64 " were asked for",
                 device->path, device_bytes, size);
        return -ENOSPC;
    }
    if (!options->force && (rc = check_free(device, reason, reason_bytes)) < 0)
        return rc;
    struct superblock *sb = durable_buffer(sizeof *sb);
    rc = -ENOMEM;
    if (sb) {
        fill_superblock(sb, size, options->sparse);
        rc = write_volume(device, sb, options);
        free(sb);
    }
    if (rc < 0)
        snprintf(reason, reason_bytes, "%s: writing: %s", device->path, strerror(-rc));
    return rc;
}

/* A regular file takes the size that was asked for; what it held is looked at before it changes. */
static int resize(struct device *device, const struct volume_format_options *options, char *reason,
                  size_t reason_bytes)
{
    uint64_t size = whole_blocks(options->size_bytes);
    if (strcmp(device->capabilities.kind, "file") != 0 || size <= device->capabilities.size_bytes)
        return 0;
    int rc = 0;
    if (!options->force)
        rc = check_free(device, reason, reason_bytes);
    if (rc < 0)
        return rc;
    rc = device_resize(device, size);
    if (rc < 0)
        snprintf(reason, reason_bytes, "%s: growing it to %" PRIu64 " bytes: %s", device->path,
                 size, strerror(-rc));
    return rc;
}

int volume_format(const char *name, const struct volume_format_options *options, char *reason,
                  size_t reason_bytes)
{
    struct device *device;
    int rc = 0;
    if (options->size_bytes)
        rc = check_size(name, options->size_bytes, reason, reason_bytes);
    if (rc == 0)
        rc = device_open(name,
                         (options->size_bytes ? DEVICE_OPEN_CREATE : 0) |
                             (options->force ? DEVICE_OPEN_FORCE : 0),
                         &device, reason, reason_bytes);
    if (rc < 0)
        return rc;
    rc = resize(device, options, reason, reason_bytes);
    if (rc == 0)
        rc = volume_format_device(device, options, reason, reason_bytes);
    device_close(device);
    return rc;
}
