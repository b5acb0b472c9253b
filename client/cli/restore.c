/*
 * restore.c - a tar stream from standard input into a directory of the volume.
 *
 * The stream may come from anybody: names never leave the directory (`..` is refused), and symbolic links are
 * made last, so that no later name goes through one. As tar does for root, owner and mode are what the stream
 * says where that is permitted. Exit 0: all of it is stable.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/copy.h"
#include "client/cli/progress.h"
#include "client/cli/tar.h"

/* What is done at the end: links made, modes and times of directories set. */
struct later {
    char *path, *target; /* target: of a symbolic link, else NULL */
    struct stat status;
};

struct restore {
    struct cli *cli;
    struct worker worker;
    const char *directory;
    struct tar_entry entry;
    struct later *laters;
    size_t count, capacity;
};

#define KEEP_ALL (KEEP_TIMES | KEEP_MODE | KEEP_OWNER)

static void remember(struct restore *restore, const char *path, const char *target)
{
    if (restore->count == restore->capacity) {
        restore->capacity = restore->capacity > 0 ? 2 * restore->capacity : 64;
        restore->laters = reallocate(restore->laters, restore->capacity * sizeof *restore->laters);
    }
    restore->laters[restore->count++] = (struct later){
        copy_string(path), target != NULL ? copy_string(target) : NULL, restore->entry.status};
}

/* The place inside the directory; NULL: the name would leave it. */
static char *place_of(const struct restore *restore, const char *name)
{
    for (const char *at = name; *at != '\0';) {
        at += strspn(at, "/");
        size_t bytes = strcspn(at, "/");
        if (bytes == 2 && memcmp(at, "..", 2) == 0)
            return NULL;
        at += bytes;
    }
    name += strspn(name, "/");
    char *path = path_join(restore->directory, name);
    for (size_t end = strlen(path); end > 1 && path[end - 1] == '/'; end--)
        path[end - 1] = '\0';
    return path;
}

/* Archives may leave out the directories above a name. */
static void make_above(struct restore *restore, const char *path)
{
    char *above = copy_string(path);
    for (char *at = strchr(above + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        /* What really stands in the way is told by what comes after. */
        wt_mkdir(restore->cli->session, above, 0777);
        *at = '/';
    }
    free(above);
}

static int make_file(struct restore *restore, const char *path)
{
    struct wt *session = restore->cli->session;
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
    int file = wt_open(session, path, flags, 0600);

    if (file == -ENOENT) {
        make_above(restore, path);
        file = wt_open(session, path, flags, 0600);
    }
    /* What stands in the way goes, as with tar; not a directory. */
    if (file == -ELOOP && wt_unlink(session, path) == 0)
        file = wt_open(session, path, flags, 0600);
    return file;
}

/* Takes the content off the stream in any case. *broken: the stream cannot go on. */
static int restore_file(struct restore *restore, const char *path, bool *broken)
{
    struct wt *session = restore->cli->session;
    const struct stat *status = &restore->entry.status;
    struct copy_errors errors = {.size_bytes = 0};
    int file = make_file(restore, path);

    if (file < 0) {
        int code = say_error(path, file);
        *broken = tar_skip(STDIN_FILENO, status->st_size, status->st_size) != 0;
        return code;
    }
    if (status->st_size > 0)
        errors = copy_content(&restore->worker,
                              &(struct copy_end){.side = &local_side,
                                                 .file = STDIN_FILENO,
                                                 .stream = true,
                                                 .limit_bytes = status->st_size},
                              &(struct copy_end){.side = &volume_side, .file = file}, status);
    /* After a failed write it is not known how much of the stream is left. */
    *broken = errors.source != 0 || errors.target != 0 || errors.size_bytes < status->st_size ||
              tar_skip(STDIN_FILENO, 0, status->st_size) != 0;
    int error = errors.target;
    if (error == 0)
        error = side_keep(&volume_side, session, file, path, status, KEEP_ALL);
    int closed = wt_close(session, file);
    if (errors.source != 0)
        return say_error("standard input", errors.source);
    if (error == 0)
        error = closed;
    if (error != 0)
        return say_error(path, error);
    progress_add(1, 0);
    return *broken ? say_failure(path, "the archive ends in the middle of it") : 0;
}

static int restore_directory(struct restore *restore, const char *path)
{
    struct wt *session = restore->cli->session;
    struct stat there;
    int error = wt_mkdir(session, path, 0700);

    if (error == -ENOENT) {
        make_above(restore, path);
        error = wt_mkdir(session, path, 0700);
    }
    if (error == -EEXIST && (error = wt_lstat(session, path, &there)) == 0)
        error = S_ISDIR(there.st_mode) ? 0 : -ENOTDIR;
    if (error != 0)
        return say_error(path, error);
    remember(restore, path, NULL);
    return 0;
}

static int restore_link(struct restore *restore, const char *path)
{
    struct wt *session = restore->cli->session;
    char *existing = place_of(restore, restore->entry.target);
    if (existing == NULL)
        return say_failure(path, "skipped: its target is outside of the archive");
    int error = wt_link(session, existing, path);
    if (error == -ENOENT) {
        make_above(restore, path);
        error = wt_link(session, existing, path);
    }
    struct stat a, b;
    if (error == -EEXIST && wt_lstat(session, path, &a) == 0 &&
        wt_lstat(session, existing, &b) == 0 && a.st_ino == b.st_ino)
        error = 0;
    else if (error == -EEXIST && wt_unlink(session, path) == 0)
        error = wt_link(session, existing, path);
    free(existing);
    return error != 0 ? say_error(path, error) : 0;
}

static int restore_entry(struct restore *restore, bool *broken)
{
    const struct tar_entry *entry = &restore->entry;
    char *path = place_of(restore, entry->path);
    int code;

    if (entry->type == TAR_FILE && path != NULL) {
        code = restore_file(restore, path, broken);
        free(path);
        return code;
    }
    if (path == NULL)
        code = say_failure(entry->path, "skipped: the name leads out of the directory");
    else if (entry->type == TAR_DIRECTORY)
        code = restore_directory(restore, path);
    else if (entry->type == TAR_LINK)
        code = restore_link(restore, path);
    else if (entry->type == TAR_SYMLINK)
        remember(restore, path, entry->target), code = 0;
    else
        code = say_failure(path, "skipped: entries of type `%c' cannot be kept",
                           entry->type > ' ' && entry->type < 0x7f ? entry->type : '?');
    /* Links have no content, whatever their size field says. */
    if (entry->type != TAR_LINK && entry->type != TAR_SYMLINK)
        *broken = tar_skip(STDIN_FILENO, entry->status.st_size, entry->status.st_size) != 0;
    free(path);
    return code;
}

static int make_symlink(struct restore *restore, const struct later *later)
{
    struct wt *session = restore->cli->session;
    struct stat there;
    int error = wt_symlink(session, later->target, later->path);

    if (error == -ENOENT) {
        make_above(restore, later->path);
        error = wt_symlink(session, later->target, later->path);
    }
    if (error == -EEXIST && wt_lstat(session, later->path, &there) == 0 &&
        !S_ISDIR(there.st_mode) && wt_unlink(session, later->path) == 0)
        error = wt_symlink(session, later->target, later->path);
    return error;
}

/* Links first, then directories, the deepest first: their times come after the last change in them. */
static int restore_later(struct restore *restore)
{
    int code = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = restore->count; i-- > 0 && !server_lost();) {
            struct later *later = &restore->laters[i];
            if ((later->target != NULL) != (pass == 0))
                continue;
            int error = pass == 0 ? make_symlink(restore, later) : 0;
            later->status.st_mode |= pass == 0 ? S_IFLNK : S_IFDIR;
            if (error == 0)
                error = side_keep(&volume_side, restore->cli->session, NO_FILE, later->path,
                                  &later->status, KEEP_ALL);
            if (error != 0)
                code = say_error(later->path, error);
        }
    }
    for (size_t i = 0; i < restore->count; i++) {
        free(restore->laters[i].path);
        free(restore->laters[i].target);
    }
    free(restore->laters);
    return code;
}

int look_restore(struct cli *cli, int count, char **operands)
{
    (void)count, (void)operands;
    cli->session_options.name_level = WT_BEHIND;
    return isatty(STDIN_FILENO) ? say_usage("restore: standard input is a terminal") : 0;
}

int command_restore(struct cli *cli, int count, char **operands)
{
    struct restore *restore = allocate(sizeof *restore);
    bool broken = false;
    int code = 0, rc = 1;

    *restore = (struct restore){.cli = cli,
                                .worker = {.session = cli->session},
                                .directory = count > 0 ? operands[0] : "/"};
    progress_begin(cli, "restore");
    while (!broken && !server_lost() && (rc = tar_read(STDIN_FILENO, &restore->entry)) == 1)
        code |= restore_entry(restore, &broken);
    if (rc < 0)
        code = rc == -EBADMSG ? say_failure("standard input", "not a tar archive, or damaged")
                              : say_error("standard input", rc);
    if (broken)
        code = say_failure("standard input", "the archive cannot be read on");
    code |= restore_later(restore);
    int error = server_lost() ? 0 : wt_syncfs(cli->session);
    progress_end();
    worker_release(&restore->worker);
    free(restore);
    return error != 0 ? say_error("restore", error) : code;
}
