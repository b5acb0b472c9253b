/*
 * wtd_config.h - a config file taken apart into keys and values, by libinih. What a key means is the
 * caller's.
 *
 * inih reads lines of up to 200 bytes and silently takes a longer one for two, continues a value on an
 * indented line, and reads on after an error: here the lines it gets are checked and stripped before, and
 * the first error ends it.
 */
#ifndef WT_WTD_CONFIG_H
#define WT_WTD_CONFIG_H

#include <stddef.h>

#define CONFIG_FILE_BYTES_MAX (64u << 10)
#define CONFIG_LINE_BYTES_MAX 197u /* without its end: what inih's buffer holds */

/* One `key = value'. 0, or -EINVAL with the cause in why. */
typedef int (*config_take)(void *context, const char *key, const char *value, char *why,
                           size_t why_bytes);

/* 0, or -EINVAL with `NAME:LINE: cause' in reason. */
int config_parse(const char *name, const char *text, size_t text_bytes, config_take take,
                 void *context, char *reason, size_t reason_bytes);
/* The whole of a file (or pipe) into text, which has room for CONFIG_FILE_BYTES_MAX. Its length, or a
 * negative errno with a reason. */
long config_read(const char *path, char *text, char *reason, size_t reason_bytes);

#endif
