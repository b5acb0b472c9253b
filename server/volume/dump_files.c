/* dump_files.c - one inode, directory or map, from what a replay got together. See dump_internal.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/volume/dump_internal.h"
#include "server/volume/names_internal.h"
#include "server/volume/replay.h"

/* A number without a path around it. */
static bool read_number(const char *text, uint64_t *number)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

static int find_path(struct dump *dump, struct names *names, struct name_inode **inode)
{
    const struct credentials root = {0};
    const char *path = dump->wanted->which;
    struct names_place *place = calloc(1, sizeof *place);
    const struct name_inode *top = names_inode(names, VOLUME_ROOT_INO);
    int rc = -ENOMEM;

    if (!top || !S_ISDIR(top->mode))
        rc = dump_refuse(dump, -EBADMSG, "there is no root directory");
    else if (place)
        rc = names_resolve(names, &root, path, strlen(path), NAMES_NOFOLLOW, place);
    if (rc == 0)
        *inode = place->inode;
    else if (*dump->reason == '\0')
        dump_refuse(dump, rc, "%s: %s", path, strerror(-rc));
    free(place);
    return rc;
}

static int find_inode(struct dump *dump, struct names *names, struct name_inode **inode)
{
    uint64_t ino;

    if (!read_number(dump->wanted->which, &ino))
        return find_path(dump, names, inode);
    *inode = names_inode(names, ino);
    return *inode ? 0 : dump_refuse(dump, -ENOENT, "there is no inode %" PRIu64, ino);
}

/* The file's data, in whatever partition it is; NULL: an empty file. */
static struct file_data *find_data(struct replay *replay, const struct name_inode *inode,
                                   unsigned *partition)
{
    for (*partition = 0; *partition < replay->superblock->partition_count; (*partition)++) {
        struct file_data *data =
            partition_find(replay->partitions[*partition], inode->ino, inode->generation);
        if (data)
            return data;
    }
    return NULL;
}

static void tell_data(const struct dump *dump, struct replay *replay,
                      const struct name_inode *inode)
{
    unsigned partition;
    const struct file_data *data = find_data(replay, inode, &partition);

    dump_time(dump, "atime_ns", data ? data->atime_ns : inode->birth_ns);
    dump_time(dump, "mtime_ns", data ? data->mtime_ns : inode->birth_ns);
    dump_number(dump, "size_bytes", data ? data->size_bytes : 0);
    dump_number(dump, "extents", data ? data->extents.extent_count : 0);
    dump_number(dump, "blocks", data ? data->extents.block_count : 0);
    if (data)
        dump_number(dump, "partition", partition);
}

static void tell_inode(const struct dump *dump, struct replay *replay,
                       const struct name_inode *inode)
{
    dump_begin(dump, "inode");
    dump_number(dump, "ino", inode->ino);
    dump_number(dump, "generation", inode->generation);
    dump_mode(dump, inode->mode);
    dump_number(dump, "nlink", inode->nlink);
    dump_number(dump, "names", inode->name_count);
    dump_number(dump, "uid", inode->uid);
    dump_number(dump, "gid", inode->gid);
    dump_time(dump, "birth_ns", inode->birth_ns);
    dump_time(dump, "ctime_ns", inode->ctime_ns);
    if (S_ISREG(inode->mode)) {
        tell_data(dump, replay, inode);
    } else {
        dump_time(dump, "atime_ns", inode->atime_ns);
        dump_time(dump, "mtime_ns", inode->mtime_ns);
    }
    if (S_ISDIR(inode->mode)) {
        dump_number(dump, "parent", inode->parent);
        dump_number(dump, "entries", names_entry_count(inode));
    }
    if (S_ISLNK(inode->mode))
        dump_text(dump, "target", inode->target);
    dump_end(dump);
}

static int tell_directory(struct dump *dump, struct name_inode *inode)
{
    if (!S_ISDIR(inode->mode))
        return dump_refuse(dump, -ENOTDIR, "inode %" PRIu64 " is not a directory", inode->ino);
    uint64_t cookie = 0;
    for (const struct name_entry *entry; (entry = names_next_entry(inode, cookie)) != NULL;
         cookie = entry->cookie) {
        dump_begin(dump, "entry");
        dump_number(dump, "cookie", entry->cookie);
        dump_number(dump, "ino", entry->inode->ino);
        dump_number(dump, "type", entry->type);
        dump_bytes(dump, "name", entry->name, entry->name_bytes);
        dump_end(dump);
    }
    return 0;
}

static int tell_extents(struct dump *dump, struct replay *replay, const struct name_inode *inode)
{
    struct extent extent;
    unsigned partition;

    if (!S_ISREG(inode->mode))
        return dump_refuse(dump, -EINVAL, "inode %" PRIu64 " is not a file", inode->ino);
    const struct file_data *data = find_data(replay, inode, &partition);
    for (uint64_t at = 0; data && extents_find(&data->extents, at, &extent);
         at = extent.logical + extent.blocks) {
        dump_begin(dump, "extent");
        dump_number(dump, "logical", extent.logical);
        dump_number(dump, "physical", extent.physical);
        dump_number(dump, "blocks", extent.blocks);
        dump_number(dump, "unwritten", extent.unwritten);
        dump_end(dump);
    }
    return 0;
}

static int tell_wanted(struct dump *dump, struct replay *replay)
{
    struct name_inode *inode = NULL;
    int rc = find_inode(dump, replay->names, &inode);

    if (rc < 0 || !inode)
        return rc;
    switch (dump->wanted->what) {
    case VOLUME_DUMP_DIRECTORY:
        return tell_directory(dump, inode);
    case VOLUME_DUMP_EXTENTS:
        return tell_extents(dump, replay, inode);
    default:
        tell_inode(dump, replay, inode);
        return 0;
    }
}

static void say_damage(void *context, const char *line)
{
    dump_damage(context, "%s", line);
}

int dump_files(struct dump *dump)
{
    struct replay *replay = calloc(1, sizeof *replay);
    if (!replay)
        return dump_refuse(dump, -ENOMEM, "no memory");
    replay->say = say_damage;
    replay->context = dump;
    char reason[512] = "";
    int rc = replay_run(replay, dump->device, UINT64_MAX, reason, sizeof reason);
    bool some = replay->names && names_inode_count(replay->names) > 0;

    if (rc < 0 && !some) {
        snprintf(dump->reason, dump->reason_bytes, "%s", reason);
    } else {
        /* What was read before it broke is shown; the rest of the tree may be missing. */
        if (rc < 0)
            dump_damage(dump, "%s; what follows is from what was read before", reason);
        *dump->reason = '\0';
        rc = tell_wanted(dump, replay);
    }
    replay_destroy(replay);
    free(replay);
    return rc;
}
