/*
 * verify.c - is the copy on the medium what its source is? See tree.h.
 *
 * Runs after everything is stable. The copy is read past the caches (WT_DIRECT of the server; on the local
 * side the kernel is asked to drop its pages first), so that a cache cannot vouch for a device. Where both
 * have a hole nothing is read.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "client/cli/copy.h"
#include "client/cli/progress.h"
#include "client/cli/tree.h"

/* The two ends of a comparison. */
struct pair {
    const struct tree *tree;
    struct worker *worker;
    const char *from, *to;
    int from_file, to_file;
};

static off_t first_difference(const unsigned char *a, const unsigned char *b, size_t bytes)
{
    size_t at = 0;
    while (at < bytes && a[at] == b[at])
        at++;
    return (off_t)at;
}

/* Past what is a hole on both sides: the next byte worth reading. */
static off_t skip_holes(const struct pair *pair, off_t at, off_t size_bytes)
{
    struct wt *session = pair->worker->session;
    off_t data[2], hole;
    int found[2] = {copy_next_data(pair->tree->from, session, pair->from_file, at, &data[0], &hole),
                    copy_next_data(pair->tree->to, session, pair->to_file, at, &data[1], &hole)};
    off_t next = size_bytes;

    for (int i = 0; i < 2; i++) {
        if (found[i] < 0)
            return at;
        if (found[i] == 1 && data[i] < next)
            next = data[i];
    }
    return next;
}

static int compare_bytes(const struct pair *pair, off_t size_bytes, bool holes)
{
    struct wt *session = pair->worker->session;
    unsigned char **buffers = pair->worker->buffers;

    for (off_t at = 0; at < size_bytes;) {
        if (holes && (at = skip_holes(pair, at, size_bytes)) >= size_bytes)
            break;
        off_t left = size_bytes - at;
        size_t bytes = left < WORKER_BUFFER_BYTES ? (size_t)left : WORKER_BUFFER_BYTES;
        ssize_t wanted = pair->tree->from->read(session, pair->from_file, buffers[0], bytes, at);
        if (wanted < 0)
            return say_error(pair->from, (int)wanted);
        ssize_t got = pair->tree->to->read(session, pair->to_file, buffers[1], bytes, at);
        if (got < 0)
            return say_error(pair->to, (int)got);
        ssize_t both = wanted < got ? wanted : got;
        off_t difference = first_difference(buffers[0], buffers[1], (size_t)both);
        if (difference < both || wanted != got)
            return say_failure(pair->to, "differs from %s at byte %ld", shown_name(pair->from),
                               at + difference);
        if (both == 0)
            break;
        at += both;
        progress_add(0, (uint64_t)both);
    }
    return 0;
}

static int compare_files(const struct pair *pair)
{
    struct wt *session = pair->worker->session;
    struct stat source, copy;

    int error = pair->tree->from->status(session, pair->from_file, &source);
    if (error != 0)
        return say_error(pair->from, error);
    error = pair->tree->to->status(session, pair->to_file, &copy);
    if (error == 0)
        error = worker_buffers(pair->worker);
    if (error != 0)
        return say_error(pair->to, error);
    if (!S_ISREG(source.st_mode) || !S_ISREG(copy.st_mode))
        return say_failure(pair->to, "cannot be verified: only files and links can");
    if (source.st_size != copy.st_size)
        return say_failure(pair->to, "differs from %s: it has %ld bytes, not %ld",
                           shown_name(pair->from), copy.st_size, source.st_size);
    pair->tree->to->forget(pair->to_file);
    return compare_bytes(pair, source.st_size, copy_has_holes(&source) && copy_has_holes(&copy));
}

static int verify_file(struct worker *worker, struct tree *tree, const char *from, const char *to)
{
    struct pair pair = {.tree = tree, .worker = worker, .from = from, .to = to};
    /* O_DIRECT on the local side would want aligned reads. */
    int direct = tree->to == &volume_side ? O_DIRECT : 0;

    pair.from_file = tree->from->open(worker->session, from, O_RDONLY | O_NONBLOCK, 0);
    if (pair.from_file < 0)
        return say_error(from, pair.from_file);
    pair.to_file = tree->to->open(worker->session, to, O_RDONLY | O_NONBLOCK | direct, 0);
    int code = pair.to_file < 0 ? say_error(to, pair.to_file) : compare_files(&pair);
    if (pair.to_file >= 0)
        tree->to->close(worker->session, pair.to_file);
    tree->from->close(worker->session, pair.from_file);
    return code;
}

static int verify_symlink(struct worker *worker, struct tree *tree, const char *from,
                          const char *to)
{
    char wanted[LINK_TARGET_BYTES], got[LINK_TARGET_BYTES];
    ssize_t bytes = tree->from->read_link(worker->session, from, wanted);
    if (bytes < 0)
        return say_error(from, (int)bytes);
    bytes = tree->to->read_link(worker->session, to, got);
    if (bytes < 0)
        return say_error(to, (int)bytes);
    return strcmp(wanted, got) == 0
               ? 0
               : say_failure(to, "is not the same link as %s", shown_name(from));
}

int entry_verify(struct worker *worker, struct tree *tree, const char *from, const char *to,
                 mode_t type)
{
    int code = S_ISLNK(type) ? verify_symlink(worker, tree, from, to)
                             : verify_file(worker, tree, from, to);
    progress_add(1, 0);
    return code;
}
