#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/walk/walk.h"

/* Of a path, or with AT_EMPTY_PATH of the handle that a place begins at. */
static int choose_at_flags(struct walk *w, struct place *place)
{
    int flags = one_in(w, 4) ? AT_SYMLINK_NOFOLLOW : 0;
    note(w, flags ? " NOFOLLOW" : "");
    if (place->wt_directory != WT_AT_ROOT && one_in(w, 3)) {
        place->path[0] = place->host_path[0] = '\0';
        flags |= one_in(w, 4) ? 0 : AT_EMPTY_PATH;
        note(w, " empty path%s", flags & AT_EMPTY_PATH ? ", EMPTY_PATH" : "");
    }
    return flags;
}

void step_chmod(struct walk *w)
{
    mode_t mode = choose_mode(w, one_in(w, 2));
    note(w, " 0%o", mode);
    struct wt *session = self(w)->session;
    struct handle *handle = one_in(w, 3) ? choose_handle(w, false) : NULL;
    if (handle) {
        note(w, " handle %d", handle->wt);
        concerns(w, handle->node);
        same_answer(w, wt_fchmod(session, handle->wt, mode),
                    host_result(fchmod(handle->host, mode)));
        return;
    }
    struct place place = choose_place(w);
    int flags = choose_at_flags(w, &place);
    int64_t wt = !flags && place.wt_directory == WT_AT_ROOT && one_in(w, 2)
                     ? wt_chmod(session, place.path, mode)
                     : wt_fchmodat(session, place.wt_directory, place.path, mode, flags);
    same_answer(w, wt, host_chmodat(place.host_directory, place.host_path, mode, flags));
}

void step_chown(struct walk *w)
{
    static const uint32_t ids[] = {0, 1001, 1002, 1003, 2000, ~0u, ~0u, ~0u};
    uid_t uid = ids[below(w, 8)];
    gid_t gid = ids[below(w, 8)];
    if (!w->is_root)
        uid = one_in(w, 2) ? ~0u : getuid(), gid = getgid();
    /* Linux asks for the right to take setuid away even when nobody is named (known.c). */
    if (uid == ~0u && gid == ~0u)
        gid = self(w)->gid;
    note(w, " %d:%d", (int)uid, (int)gid);
    struct wt *session = self(w)->session;
    struct handle *handle = one_in(w, 3) ? choose_handle(w, false) : NULL;
    if (handle) {
        note(w, " handle %d", handle->wt);
        concerns(w, handle->node);
        same_answer(w, wt_fchown(session, handle->wt, uid, gid),
                    host_result(fchown(handle->host, uid, gid)));
        return;
    }
    struct place place = choose_place(w);
    int flags = choose_at_flags(w, &place);
    int64_t wt = !flags && place.wt_directory == WT_AT_ROOT && one_in(w, 2)
                     ? wt_chown(session, place.path, uid, gid)
                     : wt_fchownat(session, place.wt_directory, place.path, uid, gid, flags);
    same_answer(w, wt,
                host_result(fchownat(place.host_directory, place.host_path, uid, gid, flags)));
}

void step_times(struct walk *w)
{
    struct timespec set[2];
    choose_times(w, set);
    const struct timespec *times = one_in(w, 8) ? NULL : set;
    if (times)
        note(w, " %lld.%09ld %lld.%09ld", (long long)set[0].tv_sec, set[0].tv_nsec,
             (long long)set[1].tv_sec, set[1].tv_nsec);
    struct wt *session = self(w)->session;
    struct handle *handle = one_in(w, 3) ? choose_handle(w, false) : NULL;
    if (handle) {
        note(w, " handle %d", handle->wt);
        concerns(w, handle->node);
        same_answer(w, wt_futimens(session, handle->wt, times),
                    host_result(futimens(handle->host, times)));
        return;
    }
    struct place place = choose_place(w);
    int flags = choose_at_flags(w, &place);
    int64_t wt = !flags && place.wt_directory == WT_AT_ROOT && one_in(w, 2)
                     ? wt_utimens(session, place.path, times)
                     : wt_utimensat(session, place.wt_directory, place.path, times, flags);
    same_answer(w, wt, host_result(utimensat(place.host_directory, place.host_path, times, flags)));
}
