/* dump_record.c - a record of journal or image in words. See dump_internal.h. */
#include <stdio.h>

#include "server/volume/dump_internal.h"

static const char *const kind_words[] = {
    [ITEM_INODE] = "inode",
    [ITEM_INODE_GONE] = "inode-gone",
    [ITEM_ENTRY] = "entry",
    [ITEM_ENTRY_GONE] = "entry-gone",
    [ITEM_NEXT_INO] = "next-ino",
    [ITEM_FILE] = "file",
    [ITEM_MAP] = "map",
    [ITEM_UNMAP] = "unmap",
    [ITEM_FILE_GONE] = "file-gone",
    [ITEM_ROOT] = "root",
};

static void tell_partition(const struct dump *dump, uint32_t partition)
{
    char text[16];
    snprintf(text, sizeof text, "%u", partition);
    dump_text(dump, "partition",
              partition == PARTITION_NAMES     ? "names"
              : partition == PARTITION_JOURNAL ? "journal"
                                               : text);
}

static void tell_inode(const struct dump *dump, const struct item_inode *item)
{
    dump_number(dump, "ino", item->ino);
    dump_number(dump, "generation", item->generation);
    dump_mode(dump, item->mode);
    dump_number(dump, "nlink", item->nlink);
    dump_number(dump, "uid", item->uid);
    dump_number(dump, "gid", item->gid);
    dump_time(dump, "atime_ns", item->atime_ns);
    dump_time(dump, "mtime_ns", item->mtime_ns);
    dump_time(dump, "ctime_ns", item->ctime_ns);
    dump_time(dump, "birth_ns", item->birth_ns);
    dump_number(dump, "next_cookie", item->next_cookie);
    if (item->header.count > 0)
        dump_bytes(dump, "target", (const char *)(item + 1), item->header.count);
}

static void tell_entry(const struct dump *dump, const struct item_entry *item)
{
    dump_number(dump, "parent", item->parent);
    dump_number(dump, "ino", item->ino);
    dump_number(dump, "cookie", item->cookie);
    dump_number(dump, "type", item->type);
    dump_bytes(dump, "name", (const char *)(item + 1), item->header.count);
}

static void tell_file(const struct dump *dump, const struct item_file *item)
{
    dump_number(dump, "ino", item->ino);
    dump_number(dump, "generation", item->generation);
    dump_number(dump, "size_bytes", item->size_bytes);
    dump_time(dump, "atime_ns", item->atime_ns);
    dump_time(dump, "mtime_ns", item->mtime_ns);
}

static void tell_map(const struct dump *dump, const struct item_map *item)
{
    dump_number(dump, "ino", item->ino);
    dump_number(dump, "generation", item->generation);
    dump_number(dump, "logical", item->logical);
    dump_number(dump, "physical", item->physical);
    dump_number(dump, "blocks", item->blocks);
    dump_number(dump, "unwritten", (item->header.count & MAP_UNWRITTEN) != 0);
}

static void tell_unmap(const struct dump *dump, const struct item_unmap *item)
{
    dump_number(dump, "ino", item->ino);
    dump_number(dump, "generation", item->generation);
    dump_number(dump, "logical", item->logical);
    dump_number(dump, "blocks", item->blocks);
    dump_number(dump, "written_only", (item->header.count & UNMAP_WRITTEN_ONLY) != 0);
}

static void tell_root(const struct dump *dump, const struct item_root *item)
{
    tell_partition(dump, item->partition);
    dump_number(dump, "sequence", item->sequence);
    dump_number(dump, "image_epoch", item->image_epoch);
    dump_number(dump, "image_id", item->image_id);
    dump_number(dump, "image_bytes", item->image_bytes);
    dump_number(dump, "segments", item->header.count);
}

/* The decoder has checked the lengths: each is at least its structure and its tail. */
static void tell_item(const struct dump *dump, const struct item_header *item)
{
    const void *body = item;
    dump_begin(dump, "item");
    dump_text(dump, "item", kind_words[item->kind]);
    switch ((enum item_kind)item->kind) {
    case ITEM_INODE:
        tell_inode(dump, body);
        break;
    case ITEM_ENTRY:
        tell_entry(dump, body);
        break;
    case ITEM_ENTRY_GONE: {
        const struct item_entry_gone *gone = body;
        dump_number(dump, "parent", gone->parent);
        dump_bytes(dump, "name", (const char *)(gone + 1), item->count);
        break;
    }
    case ITEM_NEXT_INO:
        dump_number(dump, "next_ino", ((const struct item_next_ino *)body)->next_ino);
        break;
    case ITEM_FILE:
        tell_file(dump, body);
        break;
    case ITEM_MAP:
        tell_map(dump, body);
        break;
    case ITEM_UNMAP:
        tell_unmap(dump, body);
        break;
    case ITEM_INODE_GONE:
    case ITEM_FILE_GONE: {
        const struct item_file_gone *gone = body; /* both have the same fields */
        dump_number(dump, "ino", gone->ino);
        dump_number(dump, "generation", gone->generation);
        break;
    }
    case ITEM_ROOT:
        tell_root(dump, body);
        break;
    default: /* the decoder refuses the rest */
        break;
    }
    dump_end(dump);
}
_Static_assert(sizeof(struct item_inode_gone) == sizeof(struct item_file_gone), "one way to tell");

int dump_record(const struct dump *dump, const struct record_header *record)
{
    const struct item_header *item;
    size_t offset = 0;
    int rc, items = 0;

    if (dump->wanted->verbose) {
        dump_begin(dump, "record");
        tell_partition(dump, record->partition);
        dump_number(dump, "bytes", record->bytes);
        dump_end(dump);
    }
    while ((rc = record_item(record, &offset, &item)) == 1) {
        items++;
        if (dump->wanted->verbose)
            tell_item(dump, item);
    }
    return rc < 0 ? rc : items;
}
