/* names_image.c - the whole tree as records: first all inodes, then the entries, which need them. */
#include <string.h>
#include <sys/stat.h>

#include "server/volume/image_writer.h"
#include "server/volume/names_internal.h"

static void write_inode(void *context, struct name_inode *inode)
{
    struct image_writer *writer = context;
    if (inode->orphan)
        return;
    struct item_inode item = names_state(inode);
    const char *target = NULL;
    if (S_ISLNK(inode->mode)) {
        target = inode->target;
        item.header.count = (uint32_t)strlen(target);
    }
    image_writer_add(writer, &item, sizeof item, target, item.header.count);
}

static void write_entries(void *context, struct name_inode *inode)
{
    struct image_writer *writer = context;
    if (!S_ISDIR(inode->mode))
        return;
    const struct name_entry *entry;
    for (uint64_t at = 0; !writer->error && (entry = names_next_entry(inode, at));
         at = entry->cookie) {
        const struct item_entry item = {
            .header = {.kind = ITEM_ENTRY, .count = entry->name_bytes},
            .parent = inode->ino,
            .ino = entry->inode->ino,
            .cookie = entry->cookie,
            .type = entry->type,
        };
        image_writer_add(writer, &item, sizeof item, entry->name, entry->name_bytes);
    }
}

int names_serialise(struct names *names, struct image_sink *sink)
{
    struct image_writer writer;
    image_writer_begin(&writer, sink, PARTITION_NAMES);
    const struct item_next_ino next = {.header.kind = ITEM_NEXT_INO, .next_ino = names->next_ino};
    image_writer_add(&writer, &next, sizeof next, NULL, 0);
    names_each_inode(names, write_inode, &writer);
    names_each_inode(names, write_entries, &writer);
    return image_writer_end(&writer);
}
