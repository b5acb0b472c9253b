/*
 * dump.c - what stands on the medium, for people who look for damage. See tools.h.
 *
 * Damaged volumes are what this is for: nothing here asks for more of the volume to be whole than what it
 * shows. Superblocks are read without believing them, the journal without its images, and files from what a
 * replay got together, whole or not.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/volume/dump_internal.h"
#include "server/volume/superblock.h"

void dump_mode(const struct dump *dump, uint32_t mode)
{
    char text[16];
    snprintf(text, sizeof text, "%04o", mode & 07777);
    dump_text(dump, "type",
              S_ISREG(mode)   ? "file"
              : S_ISDIR(mode) ? "directory"
              : S_ISLNK(mode) ? "symlink"
                              : "unknown");
    dump_text(dump, "mode", text);
}

void dump_uuid(const struct dump *dump, const uint8_t uuid[16])
{
    char text[37], *at = text;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        at += snprintf(at, 3, "%02x", uuid[i]);
    }
    dump_text(dump, "uuid", text);
}

void dump_damage(struct dump *dump, const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    dump->damaged = true;
    if (dump->sink->say)
        dump->sink->say(dump->sink->context, line);
}

int dump_refuse(struct dump *dump, int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int used = snprintf(dump->reason, dump->reason_bytes, "%s: ", dump->device->path);
    if (used > 0 && (size_t)used < dump->reason_bytes)
        vsnprintf(dump->reason + used, dump->reason_bytes - (size_t)used, format, arguments);
    va_end(arguments);
    return error;
}

/* ---- superblocks ---- */

static void tell_fields(const struct dump *dump, const struct superblock *sb)
{
    const struct {
        const char *key;
        uint64_t value;
    } fields[] = {
        {"format", sb->format_version},
        {"flags", sb->flags},
        {"generation", sb->generation},
        {"size_bytes", sb->size_bytes},
        {"block_bytes", sb->block_bytes},
        {"partitions", sb->partition_count},
        {"journal_offset", sb->journal_offset},
        {"journal_bytes", sb->journal_bytes},
        {"metadata_offset", sb->metadata_offset},
        {"segment_bytes", sb->segment_bytes},
        {"segments", sb->segment_count},
        {"data_offset", sb->data_offset},
        {"group_bytes", sb->group_bytes},
        {"data_bytes", sb->data_bytes},
        {"epoch", sb->epoch},
        {"clean_stop", sb->clean_stop},
        {"journal_epoch", sb->journal_epoch},
        {"start_sequence", sb->start_sequence},
        {"start_position", sb->start_position},
        {"start_chain", sb->start_chain},
        {"checksum", sb->checksum},
    };
    dump_uuid(dump, sb->uuid);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        dump_number(dump, fields[i].key, fields[i].value);
    dump_time(dump, "created_ns", sb->created_ns);
}

/* One of the two, whatever stands there. True: it is good. */
static bool tell_copy(struct dump *dump, const char *name, uint64_t offset, struct superblock *sb)
{
    const char *what = "it lies past the end of the device";
    int rc = -ENOMEDIUM;
    bool readable = false;

    if (offset + sizeof *sb <= dump->device->capabilities.size_bytes) {
        rc = durable_read(dump->device, offset, sb, sizeof *sb);
        readable = rc == 0;
        what = readable ? NULL : "it cannot be read";
        if (readable)
            rc = superblock_check(sb, &what);
        if (rc == 0 && offset != SUPERBLOCK_OFFSET && superblock_copy_offset(sb) != offset) {
            what = "it belongs to a volume of another size";
            rc = -EBADMSG;
        }
    }
    dump_begin(dump, "superblock");
    dump_text(dump, "copy", name);
    dump_number(dump, "offset", offset);
    dump_text(dump, "state", rc == 0 ? "good" : what);
    /* The secret stays where it is. */
    if (readable && memcmp(sb->magic, VOLUME_MAGIC, sizeof sb->magic) == 0)
        tell_fields(dump, sb);
    dump_end(dump);
    if (rc != 0)
        dump_damage(dump, "the %s superblock is bad: %s", name, what);
    return rc == 0;
}

static int dump_superblocks(struct dump *dump)
{
    struct superblock *sb = durable_buffer(sizeof *sb), *first = malloc(sizeof *first);
    uint64_t whole = dump->device->capabilities.size_bytes & ~(uint64_t)(VOLUME_BLOCK_BYTES - 1);
    int rc = -ENOMEM;

    if (sb && first) {
        bool good = tell_copy(dump, "first", SUPERBLOCK_OFFSET, sb);
        *first = *sb;
        /* A bad one does not say where the volume ends: the device's end is tried. */
        uint64_t offset = good                           ? superblock_copy_offset(sb)
                          : whole >= WT_VOLUME_BYTES_MIN ? whole - VOLUME_EDGE_BYTES
                                                         : 0;
        bool other = offset > 0 && tell_copy(dump, "second", offset, sb);
        if (good && other && memcmp(first->uuid, sb->uuid, sizeof sb->uuid) != 0)
            dump_damage(dump, "the two superblocks are of different volumes");
        rc = good || other ? 0 : dump_refuse(dump, -EBADMSG, "no good superblock");
    }
    if (rc == -ENOMEM)
        dump_refuse(dump, rc, "no memory for a superblock");
    free(first);
    free(sb);
    return rc;
}

/* ---- all of it ---- */

int volume_dump_device(struct device *device, const struct volume_dump *wanted,
                       const struct dump_sink *sink, char *reason, size_t reason_bytes)
{
    struct dump dump = {.device = device,
                        .wanted = wanted,
                        .sink = sink,
                        .reason = reason,
                        .reason_bytes = reason_bytes};
    int rc = wanted->what == VOLUME_DUMP_SUPERBLOCK ? dump_superblocks(&dump)
             : wanted->what == VOLUME_DUMP_JOURNAL  ? dump_journal(&dump)
                                                    : dump_files(&dump);
    return rc == 0 && dump.damaged ? 1 : rc;
}

int volume_dump(const char *name, const struct volume_dump *wanted, const struct dump_sink *sink,
                char *reason, size_t reason_bytes)
{
    struct device *device;
    int rc = device_open(name, DEVICE_OPEN_READ_ONLY, &device, reason, reason_bytes);
    if (rc < 0)
        return rc;
    rc = volume_dump_device(device, wanted, sink, reason, reason_bytes);
    device_close(device);
    return rc;
}
