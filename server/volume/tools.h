/*
 * tools.h - what wtcli does to a device without a server: mkfs, check, info, dump. Blocking; one thread.
 *
 * Each takes the device's claim (5 s wait), does its work with device_transfer, and releases it. say and
 * reason get lines for people: cause first.
 */
#ifndef WT_VOLUME_TOOLS_H
#define WT_VOLUME_TOOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device;

struct volume_format_options {
    uint64_t size_bytes; /* 0: the device's */
    bool force;          /* overwrite a volume or another file system (never one that is served) */
    bool sparse;         /* do not write the image in full */
    uint32_t uid, gid;   /* owner of the root directory */
    /* How much of what is written in full is written; may be NULL. */
    void (*progress)(uint64_t done_bytes, uint64_t total_bytes);
};

/* -EEXIST: something is there and force is not set; -EINVAL: under 64 MiB; -EBUSY: in use; ... */
int volume_format(const char *device, const struct volume_format_options *options, char *reason,
                  size_t reason_bytes);
/* The same on an open device (tests on sim.c). */
int volume_format_device(struct device *device, const struct volume_format_options *options,
                         char *reason, size_t reason_bytes);

struct volume_check_report {
    uint64_t files, directories, symlinks, bytes, extents, blocks_used, blocks_free;
    uint64_t epoch, records_replayed;
    uint64_t damage_count;
    bool clean_stop;
};

/* 0: clean (after an unclean stop it replays in memory and writes nothing); 1: damage, each a line; -errno:
 * could not look, with a line of why. repair: rewrite what can be derived (a bad superblock copy); the
 * rest is reported only. */
int volume_check(const char *device, bool repair, void (*say)(void *context, const char *line),
                 void *context, struct volume_check_report *report);
int volume_check_device(struct device *device, bool repair,
                        void (*say)(void *context, const char *line), void *context,
                        struct volume_check_report *report);

int volume_info(const char *device, void (*say)(void *context, const char *key, const char *value),
                void *context, char *reason, size_t reason_bytes);

/* What dump tells goes out object by object. kind and key are static words; text is `bytes` long and may be
 * whatever stands on the medium. NULL: not wanted. */
struct dump_sink {
    void *context;
    void (*begin)(void *context, const char *kind);
    void (*number)(void *context, const char *key, int64_t value, bool is_signed);
    void (*text)(void *context, const char *key, const char *text, size_t bytes);
    void (*end)(void *context);
    /* Damage met on the way: a line each. */
    void (*say)(void *context, const char *line);
};

enum volume_dump_what {
    VOLUME_DUMP_SUPERBLOCK, /* both copies, and what is wrong with them */
    VOLUME_DUMP_INODE,
    VOLUME_DUMP_DIRECTORY, /* and its entries in the order of their cookies */
    VOLUME_DUMP_EXTENTS,
    VOLUME_DUMP_JOURNAL, /* its blocks, and why it ends where it ends */
};

struct volume_dump {
    enum volume_dump_what what;
    const char *which; /* inode, directory, extents: a number, or a path */
    bool verbose;      /* journal: the records and their items too */
};

/* Reads, replays in memory, writes nothing; goes as far as damage lets it. 0; 1: there is damage, told to say;
 * -errno: no more could be shown, with a line of why. */
int volume_dump(const char *device, const struct volume_dump *dump, const struct dump_sink *sink,
                char *reason, size_t reason_bytes);
int volume_dump_device(struct device *device, const struct volume_dump *dump,
                       const struct dump_sink *sink, char *reason, size_t reason_bytes);

#endif
