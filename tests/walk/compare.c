#include <errno.h>
#include <string.h>
#include <time.h>

#include "tests/walk/walk.h"

#define LONG_AGO_S 1500000000 /* times that the walk sets lie before, those of clocks after */

bool same_answer(struct walk *w, int64_t wt, int64_t host)
{
    w->requests++;
    note(w, " = %s", error_name(wt));
    if (known_long_name(wt, host))
        host = wt;
    if (wt != host)
        differ(w, "wt says %s, the host %s", error_name(wt), error_name(host));
    w->refused += wt < 0;
    if ((wt == -ENOENT || wt == -ENOTDIR) && one_in(w, 2))
        pool_drop_used(w);
    return wt >= 0;
}

/* Two times are the same when they are, or when both were taken from a clock during the walk. */
static void same_time(struct walk *w, const char *what, const char *name, struct timespec wt,
                      struct timespec host)
{
    if (wt.tv_sec == host.tv_sec && wt.tv_nsec == host.tv_nsec)
        return;
    int64_t now_s = time(NULL);
    bool is_wt_now = wt.tv_sec >= w->started_s && wt.tv_sec <= now_s + 1;
    bool is_host_now = host.tv_sec >= w->started_s && host.tv_sec <= now_s + 1;
    if (!is_wt_now || !is_host_now)
        differ(w, "%s: %s is %lld.%09ld on wt, %lld.%09ld on the host", what, name,
               (long long)wt.tv_sec, wt.tv_nsec, (long long)host.tv_sec, host.tv_nsec);
}

static void same_number(struct walk *w, const char *what, const char *name, uint64_t wt,
                        uint64_t host)
{
    if (wt != host)
        differ(w, "%s: %s is %llu (0%llo) on wt, %llu (0%llo) on the host", what, name,
               (unsigned long long)wt, (unsigned long long)wt, (unsigned long long)host,
               (unsigned long long)host);
}

static void check_blocks(struct walk *w, const char *what, const struct node *node,
                         const struct stat *wt)
{
    uint64_t least, most, blocks = (uint64_t)wt->st_blocks;
    if (node->size != (uint64_t)wt->st_size)
        differ(w, "%s: size is %lld, in the model %llu", what, (long long)wt->st_size,
               (unsigned long long)node->size);
    node_blocks_512(node, &least, &most);
    /* What is behind is counted when its place on the medium is known. */
    if (w->behind)
        least = 0;
    if (blocks < least || blocks > most)
        differ(w, "%s: st_blocks is %llu, in the model %llu to %llu", what,
               (unsigned long long)blocks, (unsigned long long)least, (unsigned long long)most);
}

struct node *same_stat(struct walk *w, const char *what, const struct stat *wt,
                       const struct stat *host)
{
    struct node *node = model_find(&w->model, wt->st_ino);
    if (!node) {
        node = model_add(&w->model, wt->st_ino, host->st_ino, S_ISREG(wt->st_mode));
        if (node->is_file && wt->st_size)
            differ(w, "%s: a file nobody wrote has %lld bytes", what, (long long)wt->st_size);
    }
    concerns(w, node);
    if (node->host_ino != host->st_ino)
        differ(w, "%s: on wt it is #%llu, which is another file on the host", what,
               (unsigned long long)wt->st_ino);
    if (!known_kept_privilege(node, wt->st_mode, host->st_mode))
        same_number(w, what, "mode", wt->st_mode, host->st_mode);
    same_number(w, what, "nlink", wt->st_nlink, host->st_nlink);
    if (w->is_root) {
        same_number(w, what, "uid", wt->st_uid, host->st_uid);
        same_number(w, what, "gid", wt->st_gid, host->st_gid);
    }
    if (!S_ISDIR(wt->st_mode))
        same_number(w, what, "size", (uint64_t)wt->st_size, (uint64_t)host->st_size);
    if (node->is_file)
        check_blocks(w, what, node, wt);
    same_time(w, what, "mtime", wt->st_mtim, host->st_mtim);
    same_time(w, what, "ctime", wt->st_ctim, host->st_ctim);
    if (w->checks_atime)
        same_time(w, what, "atime", wt->st_atim, host->st_atim);
    if (wt->st_blksize != WALK_BLOCK_BYTES)
        differ(w, "%s: st_blksize is %ld", what, (long)wt->st_blksize);
    return node;
}

static bool is_as_modelled(const struct node *node, uint64_t offset, const unsigned char *bytes,
                           size_t count)
{
    for (size_t done = 0; done < count;) {
        uint64_t end, stamp = stamps_at(&node->content, offset + done, &end);
        size_t run =
            end - offset - done < count - done ? (size_t)(end - offset - done) : count - done;
        if (!pattern_matches(stamp, offset + done, bytes + done, run))
            return false;
        done += run;
    }
    return true;
}

void same_bytes(struct walk *w, const struct node *node, uint64_t offset, const unsigned char *wt,
                const unsigned char *host, size_t count)
{
    bool is_same = memcmp(wt, host, count) == 0;
    if (is_same && is_as_modelled(node, offset, wt, count))
        return;
    size_t at = 0;
    while (at < count && wt[at] == host[at] && is_as_modelled(node, offset + at, wt + at, 1))
        at++;
    uint64_t stamp = stamps_at(&node->content, offset + at, &(uint64_t){0});
    differ(w,
           "#%llu: byte %llu is %02x on wt, %02x on the host; the model (step %llu wrote it) is "
           "%s",
           (unsigned long long)node->ino, (unsigned long long)offset + at, wt[at], host[at],
           (unsigned long long)stamp / STAMPS_A_STEP - 1,
           is_as_modelled(node, offset, host, count) ? "as the host" : "not as the host");
}
