/*
 * progress.h - how far a long command has come: one line on standard error, redrawn in place.
 *
 * Only where standard error is a terminal, not with --quiet, and not before half a second. A thread draws; what
 * is counted is two atomics, so any thread may. Messages (message.c) take the line away before they print.
 */
#ifndef WT_CLI_PROGRESS_H
#define WT_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct cli;

/* `what` begins the line and stays the caller's. Zeroes the counts. */
void progress_begin(const struct cli *cli, const char *what);
void progress_add(uint64_t files, uint64_t bytes);
/* What there is to be done in all; 0: not known. */
void progress_total(uint64_t bytes);
/* Sets the bytes done and in all, for work that counts by itself. */
void progress_set(uint64_t done_bytes, uint64_t total_bytes);
/* The line is gone when this returns. Without a progress_begin nothing happens. */
void progress_end(void);

/* Before something is printed that may go to the same terminal. */
void progress_clear(void);
/* With stderr locked: takes a line that stands there away; it is drawn again later. */
void progress_hide(void);

#endif
