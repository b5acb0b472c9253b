/*
 * check.c - looks whether a volume is what it should be. See tools.h.
 *
 * The replay that an open does finds most damage by itself: superblocks, journal, images, the tree of names,
 * blocks mapped twice or outside. Here the rest is looked at, counted and told.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "server/volume/names_internal.h"
#include "server/volume/replay.h"
#include "server/volume/tools.h"

struct checking {
    struct replay replay;
    struct volume_check_report *report;
};

static void count_inode(void *context, struct name_inode *inode)
{
    struct checking *checking = context;
    if (S_ISDIR(inode->mode))
        checking->report->directories++;
    else if (S_ISLNK(inode->mode))
        checking->report->symlinks++;
    else
        checking->report->files++;
}

static void check_data(void *context, struct file_data *data)
{
    struct checking *checking = context;
    struct extent extent = {0};
    uint64_t logical = 0;
    checking->report->bytes += data->size_bytes;
    checking->report->extents += data->extents.extent_count;
    while (extents_find(&data->extents, logical, &extent))
        logical = extent.logical + extent.blocks;
    if (logical > INT64_MAX >> VOLUME_BLOCK_SHIFT || data->size_bytes > INT64_MAX)
        replay_damage(&checking->replay, "inode %" PRIu64 " is larger than a file can be",
                      data->ino);
    /* The replay has dropped what has no inode at all. */
    const struct name_inode *inode = names_inode(checking->replay.names, data->ino);
    if (inode && !S_ISREG(inode->mode))
        replay_damage(&checking->replay, "inode %" PRIu64 " is not a file and has data", data->ino);
}

static void check_state(struct checking *checking)
{
    struct replay *replay = &checking->replay;
    struct volume_check_report *report = checking->report;
    names_each_inode(replay->names, count_inode, checking);
    for (unsigned i = 0; i < replay->superblock->partition_count; i++) {
        partition_each(replay->partitions[i], check_data, checking);
        report->blocks_free += space_group_free_blocks(replay->groups[i]);
    }
    report->blocks_used = replay->layout.block_count - report->blocks_free;
}

/* The one thing that can be derived: a superblock from the other. One that is torn or lies behind is what a
 * cut in an update leaves, and no damage: the next open writes both. */
static int check_superblocks(struct checking *checking, struct device *device, bool repair)
{
    struct superblock_found *found = &checking->replay.found;
    if (found->other_used && !found->torn)
        replay_damage(&checking->replay, "the first superblock is bad%s",
                      repair ? " (written anew)" : ", the other is good");
    if (found->copy_bad && !found->torn)
        replay_damage(&checking->replay, "the second superblock is bad%s",
                      repair ? " (written anew)" : ", the first is good");
    if (!repair || !(found->other_used || found->copy_bad || found->behind))
        return 0;
    return superblock_write(device, &found->superblock, found->copy_bad);
}

int volume_check_device(struct device *device, bool repair,
                        void (*say)(void *context, const char *line), void *context,
                        struct volume_check_report *report)
{
    struct checking checking = {.replay = {.say = say, .context = context}, .report = report};
    struct replay *replay = &checking.replay;
    char reason[512];
    memset(report, 0, sizeof *report);
    int rc = replay_run(replay, device, UINT64_MAX, reason, sizeof reason);
    if (rc == 0) {
        check_state(&checking);
        report->epoch = replay->superblock->epoch;
        report->records_replayed = replay->records_replayed;
        report->clean_stop = replay->superblock->clean_stop;
        rc = check_superblocks(&checking, device, repair);
        if (rc < 0)
            snprintf(reason, sizeof reason, "%s: writing the superblocks: %s", device->path,
                     strerror(-rc));
    } else if (rc == -EBADMSG) {
        /* So damaged that nothing further can be read: that is damage too. */
        replay_damage(replay, "%s", reason);
        rc = 0;
    }
    report->damage_count = replay->damage_count;
    if (rc < 0)
        say(context, reason);
    replay_destroy(replay);
    return rc < 0 ? rc : report->damage_count > 0;
}

int volume_check(const char *name, bool repair, void (*say)(void *context, const char *line),
                 void *context, struct volume_check_report *report)
{
    struct device *device;
    char reason[512];
    int rc = device_open(name, repair ? 0 : DEVICE_OPEN_READ_ONLY, &device, reason, sizeof reason);
    if (rc < 0) {
        say(context, reason);
        return rc;
    }
    rc = volume_check_device(device, repair, say, context, report);
    device_close(device);
    return rc;
}
