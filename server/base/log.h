/*
 * log.h - lines for people, to stderr. Any thread; never on the hot path.
 *
 * Before log_ready() nothing below a warning is printed (the contract's rule for start-up); a refusal is
 * one line: cause first, then the mend.
 */
#ifndef WT_BASE_LOG_H
#define WT_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_program(const char *name);
void log_set_level(enum log_level level);
void log_ready(void);
/* Silent: nothing at all is printed (tests that provoke errors). */
void log_set_silent(bool silent);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
