/*
 * steps_list.c - reading directories: at once, and in pieces while they change.
 *
 * A cursor is a listing under way. The names touched by anybody since it began may be shown, once or twice or
 * not at all (a name that went and came is another entry); all others exactly once.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/walk/listing.h"

#define BIG_NAMES 320u

struct cursor {
    struct wt_dir *dir;
    int host; /* the same directory */
    int wt;   /* its handle on wt */
    struct listing before, seen, touched;
};

static void last_name(const char *path, char *name)
{
    size_t end = strlen(path);
    while (end && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start && path[start - 1] != '/')
        start--;
    size_t bytes = end - start < 255 ? end - start : 255;
    memcpy(name, path + start, bytes);
    name[bytes] = '\0';
}

void cursors_touch(struct walk *w, const char *path)
{
    char name[256];
    last_name(path, name);
    for (unsigned i = 0; i < w->client_count; i++) {
        struct cursor *cursor = w->clients[i].cursor;
        if (cursor)
            listing_add(&cursor->touched, name, 0, 0, 0);
    }
}

static bool is_touched(const struct cursor *cursor, const char *name)
{
    for (unsigned i = 0; i < cursor->touched.count; i++) {
        if (strcmp(cursor->touched.entries[i].name, name) == 0)
            return true;
    }
    return false;
}

void cursor_close(struct client *client)
{
    struct cursor *cursor = client->cursor;
    if (!cursor)
        return;
    wt_closedir(cursor->dir);
    wt_close(client->session, cursor->wt);
    close(cursor->host);
    listing_free(&cursor->before);
    listing_free(&cursor->seen);
    listing_free(&cursor->touched);
    free(cursor);
    client->cursor = NULL;
}

void step_list(struct walk *w)
{
    struct place place = choose_directory(w);
    struct wt_dir *dir;
    struct listing on_wt = {0}, on_host = {0};
    int64_t wt = wt_opendir(self(w)->session, place.path, &dir);
    int64_t host = host_result(
        openat(place.host_directory, place.host_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!same_answer(w, wt, host < 0 ? host : 0)) {
        return;
    }
    wt = list_wt(dir, &on_wt);
    wt_closedir(dir);
    same_answer(w, wt, list_host((int)host, &on_host));
    same_listings(w, &on_wt, &on_host);
    listing_free(&on_wt);
    listing_free(&on_host);
}

/* Either side asks its server when its buffer is empty, and only that moves atime: read from both, it has moved
 * on both or on neither. */
static void cursor_level_atime(struct client *client, const struct cursor *cursor)
{
    struct wt_dir *dir;
    struct wt_dirent entry;
    char entries[4096];
    if (wt_fdopendir(client->session, cursor->wt, &dir) == 0) {
        wt_readdir(dir, &entry);
        wt_closedir(dir);
    }
    if (lseek(cursor->host, 0, SEEK_SET) == 0)
        getdents64(cursor->host, entries, sizeof(entries));
}

static void cursor_open(struct walk *w)
{
    struct place place = choose_directory(w);
    struct client *client = self(w);
    struct wt_dir *dir;
    int64_t wt = wt_openat(client->session, WT_AT_ROOT, place.path, O_RDONLY | O_DIRECTORY, 0);
    int64_t handle = wt;
    if (wt >= 0)
        wt = wt_fdopendir(client->session, (int)handle, &dir);
    int64_t host = host_result(
        openat(place.host_directory, place.host_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    note(w, " open");
    if (!same_answer(w, wt, host < 0 ? host : 0))
        return;
    struct cursor *cursor = calloc(1, sizeof(*cursor));
    if (!cursor)
        abort();
    *cursor = (struct cursor){.dir = dir, .host = (int)host, .wt = (int)handle};
    client->cursor = cursor;
    int copy = openat(cursor->host, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0) { /* readable, but not to be searched: nothing is known of it */
        cursor_close(client);
        return;
    }
    list_host(copy, &cursor->before);
    cursor_level_atime(client, cursor);
}

/* All of it was shown: what was there throughout exactly once, and nothing that never was. */
static void cursor_judge(struct walk *w, struct cursor *cursor)
{
    listing_sort(&cursor->seen);
    unsigned throughout = 0;
    for (unsigned i = 0; i < cursor->seen.count; i++) {
        const char *name = cursor->seen.entries[i].name;
        if (is_touched(cursor, name))
            continue;
        if (i && strcmp(name, cursor->seen.entries[i - 1].name) == 0)
            differ(w, "`%s' was there throughout and is seen twice", name);
        if (!listing_find(&cursor->before, name))
            differ(w, "`%s' never was there and is seen", name);
        throughout++;
    }
    for (unsigned i = 0; i < cursor->before.count; i++) {
        const char *name = cursor->before.entries[i].name;
        throughout -= !is_touched(cursor, name);
        if (!is_touched(cursor, name) && !listing_find(&cursor->seen, name))
            differ(w, "`%s' was there throughout and is not seen", name);
    }
    if (throughout)
        differ(w, "%u names more are seen than were there", throughout);
}

/* Back to an entry that was seen: what comes after it comes again. */
static void cursor_back(struct walk *w, struct cursor *cursor)
{
    unsigned keep = (unsigned)below(w, cursor->seen.count + 1);
    note(w, " back to %u", keep);
    wt_seekdir(cursor->dir, keep ? cursor->seen.entries[keep - 1].cookie : 0);
    cursor->seen.count = keep;
}

void step_cursor(struct walk *w)
{
    struct client *client = self(w);
    struct cursor *cursor = client->cursor;
    if (!cursor) {
        cursor_open(w);
        return;
    }
    if (one_in(w, 12))
        cursor_back(w, cursor);
    unsigned count = one_in(w, 3) ? LISTING_MAX : 1 + (unsigned)below(w, 150);
    struct wt_dirent entry;
    int rc = 1;
    for (unsigned i = 0; i < count && (rc = wt_readdir(cursor->dir, &entry)) == 1; i++)
        listing_add(&cursor->seen, entry.name, entry.ino, entry.type, entry.cookie);
    note(w, " %u seen", cursor->seen.count);
    if (rc < 0)
        differ(w, "readdir says %s", error_name(rc));
    cursor_level_atime(client, cursor);
    if (rc == 1 && cursor->seen.count < LISTING_MAX)
        return;
    cursor_judge(w, cursor);
    cursor_close(client);
}

/* A directory with long names, so that its listing takes several requests; only here it is changed. */
void step_big(struct walk *w)
{
    struct wt *session = self(w)->session;
    unsigned count = 1 + (unsigned)below(w, 12);
    for (unsigned i = 0; i < count; i++) {
        char path[PATH_BYTES], other[PATH_BYTES];
        const char *format = "/big/%03u-%0200u";
        unsigned number = (unsigned)below(w, BIG_NAMES);
        snprintf(path, sizeof(path), format, number, number);
        number = (unsigned)below(w, BIG_NAMES);
        snprintf(other, sizeof(other), format, number, number);
        int64_t wt, host;
        switch (below(w, 5)) {
        case 0:
            wt = wt_unlink(session, path);
            host = host_result(unlinkat(w->host_root, path + !w->is_root, 0));
            break;
        case 1:
            wt = wt_rename(session, path, other, 0);
            host = host_result(
                renameat(w->host_root, path + !w->is_root, w->host_root, other + !w->is_root));
            break;
        default:
            wt = wt_symlink(session, "x", path);
            host = host_result(symlinkat("x", w->host_root, path + !w->is_root));
        }
        if (!same_answer(w, wt, host))
            continue;
        cursors_touch(w, path);
        cursors_touch(w, other);
    }
}
