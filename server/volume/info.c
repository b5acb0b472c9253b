/* info.c - what there is to know about a volume without serving it. See tools.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/volume/replay.h"
#include "server/volume/tools.h"

struct telling {
    void (*say)(void *context, const char *key, const char *value);
    void *context;
};

__attribute__((format(printf, 3, 4))) static void tell(const struct telling *telling,
                                                       const char *key, const char *format, ...)
{
    char value[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    telling->say(telling->context, key, value);
}

static const char *yes_no(bool yes)
{
    return yes ? "yes" : "no";
}

static void tell_uuid(const struct telling *telling, const uint8_t *uuid)
{
    char text[37];
    char *at = text;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        at += snprintf(at, 3, "%02x", uuid[i]);
    }
    tell(telling, "uuid", "%s", text);
}

static void tell_superblock(const struct telling *telling, const struct superblock_found *found)
{
    const struct superblock *sb = &found->superblock;
    tell_uuid(telling, sb->uuid);
    tell(telling, "format", "%u", sb->format_version);
    tell(telling, "size", "%" PRIu64, sb->size_bytes);
    tell(telling, "block size", "%u", sb->block_bytes);
    tell(telling, "data", "%" PRIu64, sb->data_bytes);
    tell(telling, "metadata", "%" PRIu64, (uint64_t)sb->segment_bytes * sb->segment_count);
    tell(telling, "journal", "%" PRIu64, sb->journal_bytes);
    tell(telling, "partitions", "%u", sb->partition_count);
    tell(telling, "epoch", "%" PRIu64, sb->epoch);
    tell(telling, "clean", "%s", yes_no(sb->clean_stop));
    tell(telling, "fully written", "%s", yes_no(!(sb->flags & SUPERBLOCK_SPARSE)));
    tell(telling, "superblocks", "%s",
         found->other_used ? "the first is bad"
         : found->copy_bad ? "the second is bad"
                           : "both good");
}

static void tell_device(const struct telling *telling, struct device *device)
{
    const struct device_capabilities *can = &device->capabilities;
    tell(telling, "device", "%s", device->path);
    tell(telling, "device kind", "%s", can->kind);
    tell(telling, "device size", "%" PRIu64, can->size_bytes);
    tell(telling, "device block size", "%u", can->block_bytes);
    tell(telling, "device transfer limit", "%u", can->transfer_bytes_max);
    tell(telling, "device atomic write", "%u", can->atomic_unit_bytes);
    tell(telling, "device volatile cache", "%s", yes_no(can->volatile_cache));
    tell(telling, "device FUA", "%s", yes_no(can->fua));
    tell(telling, "device discard", "%s", yes_no(can->discard));
    tell(telling, "device write zeroes", "%s", yes_no(can->write_zeroes));
    tell(telling, "device has holes", "%s", yes_no(can->sparse));
    if (device->operations->describe)
        device->operations->describe(device, telling->say, telling->context);
}

/* Free space and files are not on the medium: they are derived, as an open does. */
static void tell_state(const struct telling *telling, const struct replay *replay)
{
    uint64_t free_blocks = 0, extents = 0;
    for (unsigned i = 0; i < replay->superblock->partition_count; i++) {
        free_blocks += space_group_free_blocks(replay->groups[i]);
        extents += partition_extent_count(replay->partitions[i]);
    }
    tell(telling, "free", "%" PRIu64, free_blocks << VOLUME_BLOCK_SHIFT);
    tell(telling, "used", "%" PRIu64,
         (replay->layout.block_count - free_blocks) << VOLUME_BLOCK_SHIFT);
    tell(telling, "inodes", "%" PRIu64, names_inode_count(replay->names));
    tell(telling, "extents", "%" PRIu64, extents);
    tell(telling, "metadata memory", "%" PRIu64, replay_memory_bytes(replay));
    tell(telling, "journal to replay", "%" PRIu64, replay->ring_bytes_used);
    tell(telling, "damaged", "%s", yes_no(replay->damaged));
}

static int inform(struct device *device, const struct telling *telling, char *reason,
                  size_t reason_bytes)
{
    struct superblock_found found;
    struct replay replay = {0};
    int rc = superblock_read(device, &found, reason, reason_bytes);
    if (rc < 0)
        return rc;
    tell_superblock(telling, &found);
    rc = replay_run(&replay, device, UINT64_MAX, reason, reason_bytes);
    if (rc == 0)
        tell_state(telling, &replay);
    replay_destroy(&replay);
    tell_device(telling, device);
    return rc;
}

int volume_info(const char *name, void (*say)(void *context, const char *key, const char *value),
                void *context, char *reason, size_t reason_bytes)
{
    struct telling telling = {say, context};
    struct device *device;
    int rc = device_open(name, DEVICE_OPEN_READ_ONLY, &device, reason, reason_bytes);
    if (rc < 0)
        return rc;
    rc = inform(device, &telling, reason, reason_bytes);
    device_close(device);
    return rc;
}
