/* dump_internal.h - what the files of dump share: telling, in one line each. */
#ifndef WT_VOLUME_DUMP_INTERNAL_H
#define WT_VOLUME_DUMP_INTERNAL_H

#include <string.h>

#include "server/device/device.h"
#include "server/volume/record.h"
#include "server/volume/tools.h"

struct superblock;

struct dump {
    struct device *device;
    const struct volume_dump *wanted;
    const struct dump_sink *sink;
    bool damaged;
    char *reason;
    size_t reason_bytes;
};

static inline void dump_begin(const struct dump *dump, const char *kind)
{
    dump->sink->begin(dump->sink->context, kind);
}

static inline void dump_end(const struct dump *dump)
{
    dump->sink->end(dump->sink->context);
}

static inline void dump_number(const struct dump *dump, const char *key, uint64_t value)
{
    dump->sink->number(dump->sink->context, key, (int64_t)value, false);
}

/* Nanoseconds since 1970. */
static inline void dump_time(const struct dump *dump, const char *key, int64_t value)
{
    dump->sink->number(dump->sink->context, key, value, true);
}

static inline void dump_bytes(const struct dump *dump, const char *key, const char *text,
                              size_t bytes)
{
    dump->sink->text(dump->sink->context, key, text, bytes);
}

static inline void dump_text(const struct dump *dump, const char *key, const char *text)
{
    dump_bytes(dump, key, text, strlen(text));
}

void dump_mode(const struct dump *dump, uint32_t mode);
void dump_uuid(const struct dump *dump, const uint8_t uuid[16]);
void dump_damage(struct dump *dump, const char *format, ...) __attribute__((format(printf, 2, 3)));
int dump_refuse(struct dump *dump, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* dump_record.c: a record and its items, as far as they make sense. The number of items, or a negative errno
 * from the decoder. Without verbose they are only counted. */
int dump_record(const struct dump *dump, const struct record_header *record);
/* dump_journal.c, dump_files.c: 0 or a negative errno with the reason. */
int dump_journal(struct dump *dump);
int dump_files(struct dump *dump);

#endif
