/*
 * async_writer.c - writes a file with 32 requests in flight, each durable when it completes.
 *
 *   async_writer PATH BLOCKS
 *
 * A block is 64 KiB of its own number, as 64-bit words. The buffers come from the session's arena, so the data is
 * not copied on its way to the server. Each buffer belongs to the library from wt_prep_write until its completion
 * has come; user_data says which one that is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wt.h>

#define DEPTH       32u
#define BLOCK_BYTES 65536u

static uint64_t *buffers[DEPTH];

static int fail(const char *what, int64_t rc)
{
    fprintf(stderr, "async_writer: %s: %s\n", what, strerror((int)-rc));
    return 1;
}

static int prepare(struct wt *wt, int handle, unsigned place, uint64_t block)
{
    for (unsigned i = 0; i < BLOCK_BYTES / sizeof(block); i++)
        buffers[place][i] = block;
    return wt_prep_write(wt, handle, buffers[place], BLOCK_BYTES, (off_t)(block * BLOCK_BYTES),
                         WT_STABLE, place);
}

static int write_blocks(struct wt *wt, int handle, uint64_t blocks)
{
    struct wt_completion done[DEPTH];
    uint64_t prepared = 0, written = 0;
    while (prepared < blocks && prepared < DEPTH) {
        int rc = prepare(wt, handle, (unsigned)prepared, prepared);
        if (rc < 0)
            return fail("prepare", rc);
        prepared++;
    }
    while (written < blocks) {
        /* Hands over what was prepared, and sleeps until there is at least one completion. */
        int count = wt_wait(wt, done, DEPTH, 1, NULL);
        if (count < 0)
            return fail("wait", count);
        for (int i = 0; i < count; i++) {
            if (done[i].result != BLOCK_BYTES)
                return fail("write", done[i].result < 0 ? done[i].result : -EIO);
            written++;
            if (prepared == blocks)
                continue;
            int rc = prepare(wt, handle, (unsigned)done[i].user_data, prepared);
            if (rc < 0)
                return fail("prepare", rc);
            prepared++;
        }
    }
    printf("%llu blocks are durable\n", (unsigned long long)written);
    return 0;
}

int main(int argc, char **argv)
{
    struct wt_options options = WT_OPTIONS_INIT;
    struct wt *wt;
    if (argc != 3) {
        fprintf(stderr, "usage: async_writer PATH BLOCKS\n");
        return 2;
    }
    /* The buffers, and something for the other calls. */
    options.arena_bytes = (DEPTH + 16) * BLOCK_BYTES;
    if (wt_connect(NULL, &options, &wt) < 0) {
        fprintf(stderr, "async_writer: %s\n", wt_connect_error());
        return 1;
    }
    for (unsigned i = 0; i < DEPTH; i++)
        if (!(buffers[i] = wt_buf_alloc(wt, BLOCK_BYTES)))
            return fail("wt_buf_alloc", -ENOBUFS);
    int handle = wt_open(wt, argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (handle < 0)
        return fail(argv[1], handle);
    int status = write_blocks(wt, handle, strtoull(argv[2], NULL, 10));
    wt_disconnect(wt);
    return status;
}
