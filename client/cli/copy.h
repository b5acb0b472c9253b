/*
 * copy.h - the content of one file from one side to the other.
 *
 * The worker's buffers go round in the order of the file: read, written, free again. On the volume's side
 * both reads and writes are in flight, several at a time; the local side is synchronous. Holes of a source
 * that has any (fewer blocks than its size) are not read and stay holes.
 */
#ifndef WT_CLI_COPY_H
#define WT_CLI_COPY_H

#include "client/cli/pool.h"
#include "client/cli/side.h"

struct copy_end {
    const struct side *side;
    int file;
    bool stream;       /* no offsets: a pipe, a device, a terminal */
    off_t limit_bytes; /* of a source that is a stream: where it ends for us; 0: at its end */
};

/* Which end failed, if any: a negative errno in one of them at most. size_bytes: how long the source turned out
 * to be, at most what was asked for. */
struct copy_errors {
    int source, target;
    off_t size_bytes;
};

/* status: the source's. */
struct copy_errors copy_content(struct worker *worker, const struct copy_end *from,
                                const struct copy_end *to, const struct stat *status);

/* The first data at or after `at` and where it ends. 1; 0: no more; a negative errno. */
int copy_next_data(const struct side *side, struct wt *session, int file, off_t at, off_t *data,
                   off_t *hole);
/* Whether looking for holes may find any. */
bool copy_has_holes(const struct stat *status);

#endif
