/*
 * tree.c - both trees from the root, as root: names, metadata, contents.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/walk/listing.h"

#define TREE_PATH_BYTES 4096
#define DENSE_BYTES     (512u << 10) /* the part of a file that is always read */

static void compare_range(struct walk *w, const struct node *node, int wt, int host,
                          uint64_t offset, uint64_t end)
{
    while (offset < end) {
        size_t count = end - offset < IO_BYTES_MAX ? (size_t)(end - offset) : IO_BYTES_MAX;
        ssize_t from_wt = wt_pread(self(w)->session, wt, w->buffer, count, (off_t)offset);
        ssize_t from_host = pread(host, w->other, count, (off_t)offset);
        if (from_wt != from_host || from_wt < 0)
            differ(w, "#%llu: a read of %zu at %llu gives %s on wt, %zd on the host",
                   (unsigned long long)node->ino, count, (unsigned long long)offset,
                   error_name(from_wt), from_host);
        same_bytes(w, node, offset, w->buffer, w->other, (size_t)from_wt);
        if (from_wt == 0)
            return;
        offset += (uint64_t)from_wt;
    }
}

/* The dense part, what the model says was written beyond it, and what wt says is data there. */
static void compare_contents(struct walk *w, const struct node *node, int wt, int host)
{
    uint64_t dense = node->size < DENSE_BYTES ? node->size : DENSE_BYTES;
    compare_range(w, node, wt, host, 0, dense);
    for (unsigned i = 0; i < node->content.count; i++) {
        const struct stamp_range *run = &node->content.items[i];
        if (run->end > dense)
            compare_range(w, node, wt, host, run->start, run->end);
    }
    uint64_t offset = 0;
    while (offset < node->size) {
        off_t data = wt_seek(self(w)->session, wt, (off_t)offset, SEEK_DATA);
        const char *fault = node_seek_fault(node, offset, true, data);
        if (fault)
            differ(w, "#%llu: the data after %llu is at %s, which %s",
                   (unsigned long long)node->ino, (unsigned long long)offset, error_name(data),
                   fault);
        if (data < 0)
            return;
        off_t hole = wt_seek(self(w)->session, wt, data, SEEK_HOLE);
        fault = node_seek_fault(node, (uint64_t)data, false, hole);
        if (fault || hole <= data)
            differ(w, "#%llu: the hole after %lld is at %s, which %s",
                   (unsigned long long)node->ino, (long long)data, error_name(hole),
                   fault ? fault : "is no progress");
        if ((uint64_t)hole > dense)
            compare_range(w, node, wt, host, (uint64_t)data, (uint64_t)hole);
        offset = (uint64_t)hole;
    }
}

static void compare_file(struct walk *w, const char *path, const char *host_path, struct node *node)
{
    int wt = wt_open(self(w)->session, path, O_RDONLY | O_NOFOLLOW, 0);
    int host = openat(w->host_root, host_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (wt < 0 || host < 0) {
        int64_t host_error = host < 0 ? -errno : 0;
        if (host >= 0 || wt != host_error)
            differ(w, "%s: open says %s, the host %s", path, error_name(wt),
                   error_name(host_error));
        return;
    }
    compare_contents(w, node, wt, host);
    wt_close(self(w)->session, wt);
    close(host);
    node->is_dirty = false;
}

static void compare_links(struct walk *w, const char *path, const char *host_path)
{
    char on_wt[5000], on_host[5000];
    ssize_t wt = wt_readlink(self(w)->session, path, on_wt, sizeof(on_wt));
    ssize_t host = readlinkat(w->host_root, host_path, on_host, sizeof(on_host));
    if (wt != host || wt < 0 || memcmp(on_wt, on_host, (size_t)wt) != 0)
        differ(w, "%s: the target is not the host's", path);
}

static bool list_both(struct walk *w, const char *path, const char *host_path,
                      struct listing *on_wt, struct listing *on_host)
{
    struct wt_dir *dir = NULL;
    int64_t wt = wt_opendir(self(w)->session, path, &dir);
    int64_t host = host_result(openat(w->host_root, host_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (wt == 0)
        wt = list_wt(dir, on_wt);
    if (host >= 0)
        host = list_host((int)host, on_host);
    wt_closedir(dir);
    if (wt != host)
        differ(w, "%s: a listing says %s, the host %s", path, error_name(wt), error_name(host));
    return wt == 0;
}

static void compare_directory(struct walk *w, char *path, bool everything);

static void compare_entry(struct walk *w, char *path, bool everything)
{
    const char *host_path = w->is_root ? path : path[1] ? path + 1 : ".";
    struct stat wt_st, host_st;
    memset(w->concerned, 0, sizeof(w->concerned));
    int64_t wt = wt_lstat(self(w)->session, path, &wt_st);
    int64_t host = host_result(fstatat(w->host_root, host_path, &host_st, AT_SYMLINK_NOFOLLOW));
    if (wt != host)
        differ(w, "%s: stat says %s, the host %s", path, error_name(wt), error_name(host));
    if (wt < 0)
        return;
    struct node *node = same_stat(w, path, &wt_st, &host_st);
    node->is_marked = true;
    w->compared++;
    w->line_bytes =
        (size_t)snprintf(w->line, sizeof(w->line), "comparison of the trees, at %s", path);
    if (S_ISDIR(wt_st.st_mode))
        compare_directory(w, path, everything);
    else if (S_ISLNK(wt_st.st_mode))
        compare_links(w, path, host_path);
    else if (everything || node->is_dirty)
        compare_file(w, path, host_path, node);
}

static void compare_directory(struct walk *w, char *path, bool everything)
{
    struct listing on_wt = {0}, on_host = {0};
    size_t bytes = strlen(path);
    if (list_both(w, path, w->is_root ? path : path[1] ? path + 1 : ".", &on_wt, &on_host)) {
        same_listings(w, &on_wt, &on_host);
        for (unsigned i = 0; i < on_wt.count; i++) {
            if (bytes + strlen(on_wt.entries[i].name) + 2 > TREE_PATH_BYTES)
                continue; /* deeper than a path reaches */
            snprintf(path + bytes, TREE_PATH_BYTES - bytes, "%s%s", bytes > 1 ? "/" : "",
                     on_wt.entries[i].name);
            compare_entry(w, path, everything);
            path[bytes] = '\0';
        }
    }
    listing_free(&on_wt);
    listing_free(&on_host);
}

void compare_trees(struct walk *w, bool everything)
{
    char path[TREE_PATH_BYTES] = "/";
    int client = w->client;
    w->client = 0;
    host_become_root(w);
    compare_entry(w, path, everything);
    w->client = client;
    w->line_bytes = 0;
    memset(w->concerned, 0, sizeof(w->concerned));
    for (unsigned i = 0; i < w->client_count; i++) {
        for (unsigned j = 0; j < HANDLES_MAX; j++) {
            if (w->clients[i].handles[j].is_open)
                w->clients[i].handles[j].node->is_marked = true;
        }
    }
    model_sweep(&w->model);
}
