/*
 * copy.c - copies a file of this machine into wt, or back.
 *
 *   copy put LOCAL PATH       copy get PATH LOCAL
 *
 * Writes go in at level behind, at the speed of the cache; the one wt_fsync at the end makes all of them durable
 * and tells if any of them failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <wt.h>

static char block[1 << 20];

/* 0, or a negative errno as everything in libwt. */
static int put(struct wt *wt, int local, int handle)
{
    ssize_t got;
    while ((got = read(local, block, sizeof(block))) > 0) {
        ssize_t put = wt_append(wt, handle, block, (size_t)got, WT_BEHIND, NULL);
        if (put != got)
            return put < 0 ? (int)put : -EIO;
    }
    return got < 0 ? -errno : wt_fsync(wt, handle);
}

static int get(struct wt *wt, int local, int handle)
{
    ssize_t got;
    for (off_t at = 0; (got = wt_pread(wt, handle, block, sizeof(block), at)) > 0; at += got)
        if (write(local, block, (size_t)got) != got)
            return -errno;
    return got < 0 ? (int)got : fsync(local) < 0 ? -errno : 0;
}

static int fail(const char *why)
{
    fprintf(stderr, "copy: %s\n", why);
    return 1;
}

int main(int argc, char **argv)
{
    struct wt *wt;
    bool in = argc == 4 && strcmp(argv[1], "put") == 0;
    if (argc != 4 || (!in && strcmp(argv[1], "get") != 0))
        return fail("usage: copy put LOCAL PATH | copy get PATH LOCAL");
    if (wt_connect(NULL, NULL, &wt) < 0)
        return fail(wt_connect_error());
    int local = open(argv[in ? 2 : 3], in ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int rc = local < 0 ? -errno : 0;
    int handle = wt_open(wt, argv[in ? 3 : 2], in ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY, 0666);
    rc = rc < 0 ? rc : handle < 0 ? handle : in ? put(wt, local, handle) : get(wt, local, handle);
    wt_disconnect(wt);
    return rc < 0 ? fail(strerror(-rc)) : 0;
}
