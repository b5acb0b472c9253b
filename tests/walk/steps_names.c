#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/walk/walk.h"

/* A call without a directory is another way into the library: both are taken. */
static bool is_plain(struct walk *w, const struct place *place)
{
    return place->wt_directory == WT_AT_ROOT && one_in(w, 2);
}

void step_mkdir(struct walk *w)
{
    struct place place = choose_place(w);
    mode_t mode = choose_mode(w, true);
    note(w, " 0%o", mode);
    struct wt *session = self(w)->session;
    int64_t wt = is_plain(w, &place) ? wt_mkdir(session, place.path, mode)
                                     : wt_mkdirat(session, place.wt_directory, place.path, mode);
    int64_t host = host_result(mkdirat(place.host_directory, place.host_path, mode));
    if (!same_answer(w, wt, host))
        return;
    pool_add(w, &place);
    cursors_touch(w, place.path);
}

void step_remove(struct walk *w)
{
    bool is_rmdir = one_in(w, 3);
    struct place place = choose_place(w);
    note(w, is_rmdir ? " directory" : "");
    struct wt *session = self(w)->session;
    int flags = is_rmdir ? AT_REMOVEDIR : 0;
    int64_t wt;
    if (!is_plain(w, &place))
        wt = wt_unlinkat(session, place.wt_directory, place.path, flags);
    else
        wt = is_rmdir ? wt_rmdir(session, place.path) : wt_unlink(session, place.path);
    int64_t host = host_result(unlinkat(place.host_directory, place.host_path, flags));
    if (same_answer(w, wt, host))
        cursors_touch(w, place.path);
}

void step_rename(struct walk *w)
{
    static const unsigned flag_choices[] = {0,
                                            0,
                                            0,
                                            0,
                                            RENAME_NOREPLACE,
                                            RENAME_EXCHANGE,
                                            RENAME_EXCHANGE,
                                            RENAME_NOREPLACE | RENAME_EXCHANGE};
    struct place from = choose_place(w), to = choose_place(w);
    unsigned flags = flag_choices[below(w, 8)];
    note(w, flags & RENAME_NOREPLACE ? " NOREPLACE" : "");
    note(w, flags & RENAME_EXCHANGE ? " EXCHANGE" : "");
    struct wt *session = self(w)->session;
    unsigned level = one_in(w, 6) ? (unsigned)choose_level(w) : 0;
    int64_t wt = from.wt_directory == WT_AT_ROOT && is_plain(w, &to)
                     ? wt_rename(session, from.path, to.path, flags | level)
                     : wt_renameat(session, from.wt_directory, from.path, to.wt_directory, to.path,
                                   flags | level);
    int64_t host = host_result(
        renameat2(from.host_directory, from.host_path, to.host_directory, to.host_path, flags));
    if (!same_answer(w, wt, host))
        return;
    cursors_touch(w, from.path);
    cursors_touch(w, to.path);
}

static void link_handle(struct walk *w, const struct handle *handle)
{
    struct place to = choose_place(w);
    note(w, " of handle %d", handle->wt);
    concerns(w, handle->node);
    struct place from = {.host_directory = handle->host};
    bool is_foreign = known_foreign_link(w, &from, AT_EMPTY_PATH);
    int64_t wt =
        wt_linkat(self(w)->session, handle->wt, "", to.wt_directory, to.path, AT_EMPTY_PATH);
    int64_t host = is_foreign && wt == -EPERM
                       ? wt
                       : host_link_handle(w, handle->host, to.host_directory, to.host_path);
    if (same_answer(w, wt, host))
        cursors_touch(w, to.path);
}

void step_link(struct walk *w)
{
    struct handle *handle = one_in(w, 4) ? choose_handle(w, true) : NULL;
    if (handle) {
        link_handle(w, handle);
        return;
    }
    struct place from = choose_place(w), to = choose_place(w);
    int flags = one_in(w, 4) ? AT_SYMLINK_FOLLOW : 0;
    note(w, flags ? " FOLLOW" : "");
    struct wt *session = self(w)->session;
    bool is_foreign = known_foreign_link(w, &from, flags);
    int64_t wt =
        !flags && from.wt_directory == WT_AT_ROOT && is_plain(w, &to)
            ? wt_link(session, from.path, to.path)
            : wt_linkat(session, from.wt_directory, from.path, to.wt_directory, to.path, flags);
    int64_t host = is_foreign && wt == -EPERM
                       ? wt
                       : host_result(linkat(from.host_directory, from.host_path, to.host_directory,
                                            to.host_path, flags));
    if (same_answer(w, wt, host))
        cursors_touch(w, to.path);
}

void step_symlink(struct walk *w)
{
    char target[4200];
    note(w, " to");
    struct place towards = choose_root_place(w);
    snprintf(target, sizeof(target), "%s", towards.path);
    if (target[0] == '/' && !w->is_root)
        memmove(target, target + 1, strlen(target));
    if (one_in(w, 6))
        snprintf(target, sizeof(target), "%s%s", one_in(w, 2) && w->is_root ? "../" : "./",
                 towards.path + (towards.path[0] == '/'));
    if (one_in(w, 100)) {
        memset(target, 'y', sizeof(target));
        target[4094 + below(w, 3)] = '\0';
    }
    note(w, " at");
    struct place place = choose_place(w);
    struct wt *session = self(w)->session;
    int64_t wt = is_plain(w, &place)
                     ? wt_symlink(session, target, place.path)
                     : wt_symlinkat(session, target, place.wt_directory, place.path);
    int64_t host = host_result(symlinkat(target, place.host_directory, place.host_path));
    if (same_answer(w, wt, host))
        cursors_touch(w, place.path);
}

void step_readlink(struct walk *w)
{
    char wt_target[5000], host_target[5000];
    size_t capacity = one_in(w, 4) ? 1 + below(w, 4) : sizeof(wt_target);
    struct place place = choose_place(w);
    struct wt *session = self(w)->session;
    int64_t wt = is_plain(w, &place)
                     ? wt_readlink(session, place.path, wt_target, capacity)
                     : wt_readlinkat(session, place.wt_directory, place.path, wt_target, capacity);
    int64_t host =
        host_result(readlinkat(place.host_directory, place.host_path, host_target, capacity));
    if (same_answer(w, wt, host) && memcmp(wt_target, host_target, (size_t)wt) != 0)
        differ(w, "the target is `%.*s' on wt, `%.*s' on the host", (int)wt, wt_target, (int)host,
               host_target);
}
