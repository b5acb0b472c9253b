#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/walk/walk.h"

struct flag_name {
    int flag;
    const char *name;
};

static const struct flag_name flag_names[] = {
    {O_WRONLY, "WRONLY"},   {O_RDWR, "RDWR"},           {O_CREAT, "CREAT"},
    {O_EXCL, "EXCL"},       {O_TRUNC, "TRUNC"},         {O_APPEND, "APPEND"},
    {O_TMPFILE, "TMPFILE"}, {O_DIRECTORY, "DIRECTORY"}, {O_NOFOLLOW, "NOFOLLOW"},
    {O_SYNC, "SYNC"},       {O_DSYNC, "DSYNC"},         {O_DIRECT, "DIRECT"},
};

static void note_flags(struct walk *w, int flags)
{
    for (unsigned i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++) {
        if ((flags & flag_names[i].flag) != flag_names[i].flag)
            continue;
        note(w, " %s", flag_names[i].name);
        flags &= ~flag_names[i].flag;
    }
}

static int choose_flags(struct walk *w)
{
    static const int access[] = {O_RDWR, O_RDWR, O_RDWR, O_RDWR, O_WRONLY, O_RDONLY};
    int flags = access[below(w, 6)];
    if (one_in(w, 6))
        return O_RDONLY | O_DIRECTORY | (one_in(w, 8) ? O_NOFOLLOW : 0);
    if (one_in(w, 12))
        return (one_in(w, 8) ? O_RDONLY
                : flags      ? flags
                             : O_RDWR) |
               O_TMPFILE | (one_in(w, 4) ? O_EXCL : 0);
    if (!one_in(w, 3))
        flags |= O_CREAT | (one_in(w, 4) ? O_EXCL : 0);
    /* Together with O_CREAT the kernel changed its mind about O_DIRECTORY. */
    else if (one_in(w, 12))
        flags |= O_DIRECTORY;
    flags |= one_in(w, 8) ? O_TRUNC : 0;
    flags |= one_in(w, 8) ? O_APPEND : 0;
    flags |= one_in(w, 10) ? O_NOFOLLOW : 0;
    flags |= one_in(w, 8) ? O_DIRECT : 0;
    return flags | (one_in(w, 12) ? O_SYNC : one_in(w, 12) ? O_DSYNC : 0);
}

void handle_close(struct walk *w, struct handle *handle)
{
    if (!handle->is_open)
        return;
    int rc = wt_close(self(w)->session, handle->wt);
    close(handle->host);
    handle->is_open = false;
    if (rc < 0)
        differ(w, "close of handle %d says %s", handle->wt, error_name(rc));
}

static struct handle *free_handle(struct walk *w)
{
    struct client *client = self(w);
    for (unsigned i = 0; i < HANDLES_MAX; i++) {
        if (!client->handles[i].is_open)
            return &client->handles[i];
    }
    struct handle *handle = &client->handles[below(w, HANDLES_MAX)];
    handle_close(w, handle);
    return handle;
}

static struct node *check_handle(struct walk *w, const struct handle *handle)
{
    struct stat wt, host;
    int rc = wt_fstat(self(w)->session, handle->wt, &wt);
    if (rc < 0 || fstat(handle->host, &host) < 0)
        differ(w, "fstat of an open handle says %s", error_name(rc < 0 ? rc : -errno));
    return same_stat(w, "fstat", &wt, &host);
}

void step_open(struct walk *w)
{
    struct handle *handle = free_handle(w);
    struct place place = choose_place(w);
    int flags = choose_flags(w);
    mode_t mode = choose_mode(w, false);
    note_flags(w, flags);
    note(w, " 0%o", mode);
    struct wt *session = self(w)->session;
    int64_t wt = place.wt_directory == WT_AT_ROOT && one_in(w, 2)
                     ? wt_open(session, place.path, flags, mode)
                     : wt_openat(session, place.wt_directory, place.path, flags, mode);
    /* How the host reaches its disk is of no interest here. */
    int host_flags = (flags & ~(O_SYNC | O_DIRECT)) | O_CLOEXEC;
    int64_t host = host_result(openat(place.host_directory, place.host_path, host_flags, mode));
    if (host >= 0 && wt >= 0)
        *handle =
            (struct handle){.is_open = true, .wt = (int)wt, .host = (int)host, .flags = flags};
    if (known_sticky_link(flags, wt, host))
        host = wt;
    if (!same_answer(w, wt < 0 ? wt : 0, host < 0 ? host : 0))
        return;
    struct stat st;
    if (flags & O_TRUNC && wt_fstat(session, handle->wt, &st) == 0 && S_ISREG(st.st_mode)) {
        struct node *truncated = model_find(&w->model, st.st_ino);
        if (truncated)
            node_truncate(truncated, 0);
    }
    handle->node = check_handle(w, handle);
    handle->is_directory = !handle->node->is_file;
    handle->is_tmpfile = (flags & O_TMPFILE) == O_TMPFILE;
    note(w, " (handle %d)", handle->wt);
    if (flags & O_CREAT)
        cursors_touch(w, place.path);
}

void step_close(struct walk *w)
{
    struct handle *handle = choose_handle(w, false);
    if (!handle)
        return;
    note(w, " %d", handle->wt);
    concerns(w, handle->node);
    check_handle(w, handle);
    handle_close(w, handle);
}

void step_stat(struct walk *w)
{
    struct stat wt_st, host_st;
    int64_t wt, host;
    struct handle *handle = one_in(w, 3) ? choose_handle(w, false) : NULL;
    if (handle) {
        note(w, " %d", handle->wt);
        check_handle(w, handle);
        return;
    }
    struct wt *session = self(w)->session;
    int flags = one_in(w, 2) ? AT_SYMLINK_NOFOLLOW : 0;
    struct place place = choose_place(w);
    note(w, flags ? " NOFOLLOW" : "");
    if (one_in(w, 10)) {
        flags |= AT_EMPTY_PATH;
        note(w, " EMPTY_PATH");
        if (place.wt_directory != WT_AT_ROOT)
            place.path[0] = place.host_path[0] = '\0';
    }
    if (place.wt_directory != WT_AT_ROOT || flags & AT_EMPTY_PATH)
        wt = wt_fstatat(session, place.wt_directory, place.path, &wt_st, flags);
    else
        wt = flags ? wt_lstat(session, place.path, &wt_st) : wt_stat(session, place.path, &wt_st);
    host = host_result(fstatat(place.host_directory, place.host_path, &host_st, flags));
    if (same_answer(w, wt, host))
        same_stat(w, "stat", &wt_st, &host_st);
}

void step_statvfs(struct walk *w)
{
    struct statvfs vfs;
    int rc = wt_statvfs(self(w)->session, &vfs);
    if (rc < 0)
        differ(w, "statvfs says %s", error_name(rc));
    if (vfs.f_bsize != WALK_BLOCK_BYTES || vfs.f_frsize != WALK_BLOCK_BYTES ||
        vfs.f_namemax != 255 || vfs.f_bfree > vfs.f_blocks || vfs.f_bavail > vfs.f_bfree ||
        vfs.f_ffree > vfs.f_files || vfs.f_files == 0 || vfs.f_flag & ST_RDONLY)
        differ(w, "statvfs: bsize %lu blocks %llu free %llu available %llu files %llu free %llu",
               vfs.f_bsize, (unsigned long long)vfs.f_blocks, (unsigned long long)vfs.f_bfree,
               (unsigned long long)vfs.f_bavail, (unsigned long long)vfs.f_files,
               (unsigned long long)vfs.f_ffree);
}

struct handle *need_file(struct walk *w)
{
    struct handle *handle = choose_handle(w, true);
    if (!handle) {
        note(w, " needs a file: open");
        step_open(w);
    }
    return handle;
}
