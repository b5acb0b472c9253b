/*
 * wtd_options.h - what wtd was told: built-in defaults, then the config file, then the command line, each
 * winning over the one before.
 *
 * One table has every option: its name on the command line, which is its key in the file, the words of the
 * help, the default (as text, read by the same code as anybody's), and the function that reads its value.
 */
#ifndef WT_WTD_OPTIONS_H
#define WT_WTD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "server/base/log.h"

#define OPTION_PATH_BYTES 4096u

/* Plain data without pointers, so that a value can be tried on a copy. */
struct options {
    char device[OPTION_PATH_BYTES], socket_path[OPTION_PATH_BYTES], config[OPTION_PATH_BYTES];
    unsigned shard_count; /* 0: as many as there are cores */
    uint64_t cache_bytes, metadata_bytes;
    unsigned socket_mode, user_sessions;
    bool require_fixed_buffers, iopoll;
    enum log_level log_level;
    bool wants_help, wants_version;
    uint64_t given; /* a bit for each option of the table that the command line has set */
};

void options_default(struct options *options);
/* The command line. 0, or -EINVAL with a reason: a usage error. With --help or --version the rest of the
 * line is not looked at. */
int options_take_line(struct options *options, int count, char **words, char *reason,
                      size_t reason_bytes);
/* The text of a config file called name: sets what the command line has not. -EINVAL: reason is
 * `NAME:LINE: cause'; options may have been set in part. */
int options_take_text(struct options *options, const char *name, const char *text,
                      size_t text_bytes, char *reason, size_t reason_bytes);
/* The same of the file itself. Another error than -EINVAL: it cannot be read. */
int options_take_file(struct options *options, const char *path, char *reason, size_t reason_bytes);
/* After all of it: what is still missing. -EINVAL. */
int options_check(const struct options *options, char *reason, size_t reason_bytes);

void options_help(FILE *out);

#endif
