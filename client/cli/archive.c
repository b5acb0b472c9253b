/*
 * archive.c - trees of the volume as a tar stream on standard output. One session, in order: a stream is read
 * one after the other. Files with several names are stored once; holes become zeros.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/copy.h"
#include "client/cli/directory.h"
#include "client/cli/links.h"
#include "client/cli/progress.h"
#include "client/cli/tar.h"

struct archive {
    struct cli *cli;
    struct worker worker;
    struct links links;
    struct tar_entry entry;
    bool broken; /* standard output takes no more */
};

/* A failed write ends it all: what follows would be garbage to the reader. */
static int output_failed(struct archive *archive, int error)
{
    archive->broken = true;
    return error == -EPIPE ? 1 : say_error("standard output", error);
}

static int write_zeros(off_t bytes)
{
    static const char zeros[64 << 10];
    int error = 0;
    for (; bytes > 0 && error == 0; bytes -= (off_t)sizeof zeros)
        error = local_write(STDOUT_FILENO, zeros,
                            bytes < (off_t)sizeof zeros ? (size_t)bytes : sizeof zeros, -1);
    return error;
}

/* Exactly the bytes that the header promised, whatever happens to the file meanwhile. */
static int archive_content(struct archive *archive, const char *path, int file)
{
    const struct stat *status = &archive->entry.status;
    struct copy_errors errors = copy_content(
        &archive->worker, &(struct copy_end){.side = &volume_side, .file = file},
        &(struct copy_end){.side = &local_side, .file = STDOUT_FILENO, .stream = true}, status);

    if (errors.target != 0)
        return output_failed(archive, errors.target);
    if (errors.source != 0) {
        /* How much of it went out is not known: nothing can follow. */
        archive->broken = true;
        return say_error(path, errors.source);
    }
    int error = write_zeros(status->st_size - errors.size_bytes);
    if (error == 0)
        error = tar_write_padding(STDOUT_FILENO, status->st_size);
    if (error != 0)
        return output_failed(archive, error);
    return errors.size_bytes < status->st_size
               ? say_failure(path, "became shorter while it was read; zeros were stored")
               : 0;
}

static int archive_file(struct archive *archive, const char *path)
{
    struct tar_entry *entry = &archive->entry;
    struct wt *session = archive->cli->session;
    int file = wt_open(session, path, O_RDONLY, 0);
    if (file < 0)
        return say_error(path, file);
    int error = wt_fstat(session, file, &entry->status);
    int code = 0;

    if (error != 0) {
        code = say_error(path, error);
    } else {
        entry->type = TAR_FILE;
        if (links_claim(&archive->links, &entry->status, entry->path)) {
            entry->type = TAR_LINK;
            entry->status.st_size = 0;
            /* A path of an entry, so it fits. */
            strcpy(entry->target, archive->links.pairs[archive->links.pair_count - 1].existing);
        }
        error = tar_write(STDOUT_FILENO, entry);
        if (error != 0)
            code = output_failed(archive, error);
        else if (entry->status.st_size > 0)
            code = archive_content(archive, path, file);
        progress_add(1, 0);
    }
    wt_close(session, file);
    return code;
}

static int archive_path(struct archive *archive, const char *path, const char *name);

static int archive_directory(struct archive *archive, const char *path, const char *name)
{
    struct directory content;
    int error = tar_write(STDOUT_FILENO, &archive->entry);
    if (error != 0)
        return output_failed(archive, error);
    error = directory_read(archive->cli->session, path, &content);
    if (error != 0)
        return say_error(path, error);
    directory_sort(&content);
    int code = 0;
    for (size_t i = 0; i < content.count && !archive->broken && !server_lost(); i++) {
        char *below = path_join(path, content.entries[i].name);
        char *below_name = path_join(name, content.entries[i].name);
        code |= archive_path(archive, below, below_name);
        free(below_name);
        free(below);
    }
    directory_free(&content);
    return code;
}

/* name: what it is called in the archive. */
static int archive_path(struct archive *archive, const char *path, const char *name)
{
    struct tar_entry *entry = &archive->entry;
    struct wt *session = archive->cli->session;

    *entry = (struct tar_entry){0};
    int error = wt_lstat(session, path, &entry->status);
    bool directory = error == 0 && S_ISDIR(entry->status.st_mode);
    if (error == 0 && strlen(name) + directory >= sizeof entry->path)
        error = -ENAMETOOLONG;
    if (error != 0)
        return say_error(path, error);
    /* It fits, with the slash that tells a directory. */
    strcpy(entry->path, name);
    if (directory)
        strcat(entry->path, "/");
    if (!S_ISDIR(entry->status.st_mode) && !S_ISLNK(entry->status.st_mode))
        return archive_file(archive, path);
    entry->status.st_size = 0;
    entry->type = directory ? TAR_DIRECTORY : TAR_SYMLINK;
    if (directory)
        return archive_directory(archive, path, name);
    ssize_t bytes = wt_readlink(session, path, entry->target, sizeof entry->target - 1);
    if (bytes < 0)
        return say_error(path, (int)bytes);
    error = tar_write(STDOUT_FILENO, entry);
    progress_add(1, 0);
    return error != 0 ? output_failed(archive, error) : 0;
}

int look_archive(struct cli *cli, int count, char **operands)
{
    (void)cli, (void)count, (void)operands;
    return isatty(STDOUT_FILENO) ? say_usage("archive: standard output is a terminal") : 0;
}

int command_archive(struct cli *cli, int count, char **operands)
{
    struct archive *archive = allocate(sizeof *archive);
    int code = 0;

    *archive = (struct archive){.cli = cli, .worker = {.session = cli->session}};
    links_init(&archive->links);
    progress_begin(cli, "archive");
    for (int i = 0; i < count && !archive->broken && !server_lost(); i++) {
        char *name = path_base(operands[i]);
        bool plain = *name != '\0' && strcmp(name, "..") != 0;
        code |= archive_path(archive, operands[i], plain ? name : ".");
        free(name);
    }
    if (!archive->broken && !server_lost()) {
        int error = tar_write_end(STDOUT_FILENO);
        if (error != 0)
            code = output_failed(archive, error);
    }
    progress_end();
    worker_release(&archive->worker);
    links_destroy(&archive->links);
    free(archive);
    return code;
}
