/*
 * put.c - copies files into the volume.
 *
 * Exit 0 promises that all of it is stable. Each write goes through to the device, and one wt_syncfs at the
 * end makes everything durable: one flush instead of one a file.
 *
 * Per file: create, write with several requests in flight out of the shared arena (read(2) fills it in
 * place), close. Holes of the source are found with SEEK_DATA and stay holes.
 */
#include "client/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/pool.h"

/* Writes in flight on one handle. The buffers are the worker's. */
struct sender {
    struct worker *worker;
    int handle;
    bool busy[WORKER_BUFFERS];
    size_t lengths[WORKER_BUFFERS];
    unsigned in_flight;
    int error;
};

/* Waits for a write; its buffer is free again. */
static void sender_collect(struct sender *sender)
{
    struct wt_completion completion;
    int count = wt_wait(sender->worker->session, &completion, 1, 1, NULL);

    if (count != 1) {
        sender->error = count < 0 ? count : -EREMOTEIO;
        sender->in_flight = 0;
        return;
    }
    sender->busy[completion.user_data] = false;
    sender->in_flight--;
    if (sender->error != 0)
        return;
    if (completion.result < 0)
        sender->error = (int)completion.result;
    else if ((size_t)completion.result != sender->lengths[completion.user_data])
        sender->error = -EIO;
}

static void sender_drain(struct sender *sender)
{
    while (sender->in_flight > 0)
        sender_collect(sender);
}

/* A free buffer's place, or -1 after an error. */
static int sender_buffer(struct sender *sender)
{
    while (sender->error == 0) {
        for (int i = 0; i < WORKER_BUFFERS; i++)
            if (!sender->busy[i])
                return i;
        sender_collect(sender);
    }
    return -1;
}

static void sender_send(struct sender *sender, int place, size_t bytes, off_t offset)
{
    for (;;) {
        int error =
            wt_prep_write(sender->worker->session, sender->handle, sender->worker->buffers[place],
                          bytes, offset, 0, (uint64_t)place);
        if (error == 0)
            break;
        if (error != -EAGAIN || sender->in_flight == 0) {
            sender->error = error;
            return;
        }
        sender_collect(sender);
    }
    sender->busy[place] = true;
    sender->lengths[place] = bytes;
    sender->in_flight++;
    wt_submit(sender->worker->session);
}

/* Fills the buffer as far as the source goes: pipes give little at a time, and requests should be large. */
static ssize_t read_full(int fd, unsigned char *buffer, size_t bytes)
{
    size_t filled = 0;
    while (filled < bytes) {
        ssize_t got = read(fd, buffer + filled, bytes - filled);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        filled += (size_t)got;
    }
    return (ssize_t)filled;
}

/* Sends the source's bytes up to `end`, or to its end. *source_error tells a failed read from a write. */
static void send_range(struct sender *sender, int fd, off_t at, off_t end, int *source_error)
{
    while (at < end) {
        int place = sender_buffer(sender);
        if (place < 0)
            return;
        size_t wanted = end - at < WORKER_BUFFER_BYTES ? (size_t)(end - at) : WORKER_BUFFER_BYTES;
        ssize_t got = read_full(fd, sender->worker->buffers[place], wanted);
        if (got < 0)
            *source_error = (int)got;
        if (got <= 0)
            return;
        sender_send(sender, place, (size_t)got, at);
        at += got;
        if ((size_t)got < wanted)
            return;
    }
}

/* Sends all data of a file that has holes, and the size, which the last hole may reach past the data. */
static void send_sparse(struct sender *sender, int fd, off_t size_bytes, int *source_error)
{
    for (off_t at = 0; sender->error == 0 && *source_error == 0;) {
        off_t data = lseek(fd, at, SEEK_DATA);
        off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
        if (data < 0 && errno == ENXIO)
            break;
        if (hole < 0 || lseek(fd, data, SEEK_SET) < 0) {
            *source_error = -errno;
            return;
        }
        send_range(sender, fd, data, hole, source_error);
        at = hole;
    }
    if (sender->error == 0 && *source_error == 0)
        sender->error = wt_ftruncate(sender->worker->session, sender->handle, size_bytes);
}

/* Owner, mode and times of the source. Not being allowed to give a file away is no failure, as in cp -a;
 * but then it must not run as its new owner. */
static int keep_status(struct wt *session, const char *path, const struct stat *status)
{
    mode_t mode = status->st_mode & 07777;
    int error = wt_chown(session, path, status->st_uid, status->st_gid);

    if (error == -EPERM && geteuid() != 0) {
        mode &= ~(mode_t)(S_ISUID | S_ISGID);
        error = 0;
    }
    if (error == 0)
        error = wt_chmod(session, path, mode);
    if (error == 0)
        error = wt_utimens(session, path, (struct timespec[2]){status->st_atim, status->st_mtim});
    return error;
}

/* Copies what fd gives to the path; size and holes as the status says. */
static int put_open_file(struct worker *worker, int fd, const struct stat *status, const char *from,
                         const char *to, bool archive)
{
    int source_error = 0, error = worker_buffers(worker);
    if (error != 0)
        return say_error(to, error);
    bool regular = S_ISREG(status->st_mode);
    mode_t mode = regular ? status->st_mode & 0777 : 0666;
    struct sender sender = {.worker = worker};
    sender.handle = wt_open(worker->session, to, O_WRONLY | O_CREAT | O_TRUNC, mode);
    if (sender.handle < 0)
        return say_error(to, sender.handle);

    if (regular && status->st_blocks * 512 < status->st_size &&
        (lseek(fd, 0, SEEK_DATA) >= 0 || errno == ENXIO))
        send_sparse(&sender, fd, status->st_size, &source_error);
    else
        send_range(&sender, fd, 0, INT64_MAX, &source_error);
    sender_drain(&sender);
    error = wt_close(worker->session, sender.handle);
    if (sender.error == 0)
        sender.error = error;
    if (source_error != 0)
        return say_error(from, source_error);
    if (sender.error == 0 && archive)
        sender.error = keep_status(worker->session, to, status);
    return sender.error != 0 ? say_error(to, sender.error) : 0;
}

static int put_file(struct worker *worker, const char *from, const char *to, bool archive,
                    int open_flags)
{
    struct stat status;
    int fd = strcmp(from, "-") == 0 ? STDIN_FILENO
                                    : open(from, O_RDONLY | O_CLOEXEC | O_NOCTTY | open_flags);

    if (fd < 0)
        return say_error(from, -errno);
    int code = fstat(fd, &status) != 0   ? say_error(from, -errno)
               : S_ISDIR(status.st_mode) ? say_failure(from, "is a directory; use -r")
                                         : put_open_file(worker, fd, &status, from, to, archive);
    if (fd != STDIN_FILENO)
        close(fd);
    return code;
}

static int put_symlink(struct worker *worker, const char *from, const char *to)
{
    char target[4096];
    struct stat there;
    ssize_t bytes = readlink(from, target, sizeof target - 1);

    if (bytes < 0)
        return say_error(from, -errno);
    target[bytes] = '\0';
    int error = wt_symlink(worker->session, target, to);
    /* As cp: what is there gives way, unless it is a directory. */
    if (error == -EEXIST && wt_lstat(worker->session, to, &there) == 0 && !S_ISDIR(there.st_mode) &&
        wt_unlink(worker->session, to) == 0)
        error = wt_symlink(worker->session, target, to);
    return error != 0 ? say_error(to, error) : 0;
}

struct put {
    struct cli *cli;
    struct pool *pool;
    bool archive;
    mode_t umask_bits;
    /* Directories whose mode, owner or times are set when nothing is made in them any more. */
    struct finish {
        char *to;
        struct stat status;
    } * finishes;
    size_t finish_count, finish_capacity;
};

static int put_job(struct worker *worker, const struct job *job, void *context)
{
    const struct put *put = context;

    if (S_ISLNK(job->status.st_mode))
        return put_symlink(worker, job->from, job->to);
    /* What was a file when the tree was read must not have become a pipe that blocks, or a link. */
    return put_file(worker, job->from, job->to, put->archive, O_NOFOLLOW | O_NONBLOCK);
}

static void finish_later(struct put *put, const char *to, const struct stat *status)
{
    if (put->finish_count == put->finish_capacity) {
        put->finish_capacity = put->finish_capacity > 0 ? 2 * put->finish_capacity : 64;
        put->finishes = reallocate(put->finishes, put->finish_capacity * sizeof *put->finishes);
    }
    put->finishes[put->finish_count++] = (struct finish){copy_string(to), *status};
}

/* Makes a directory that its maker can fill, whatever its mode will be. */
static int put_directory(struct put *put, const char *to, const struct stat *status)
{
    struct stat there;
    int error = wt_mkdir(put->cli->session, to, (status->st_mode & 0777) | 0700);
    bool made = error == 0;

    if (error == -EEXIST && wt_stat(put->cli->session, to, &there) == 0)
        error = S_ISDIR(there.st_mode) ? 0 : -ENOTDIR;
    if (error != 0)
        return say_error(to, error);
    if (put->archive ||
        (made && ((status->st_mode & 0700) != 0700 || (put->umask_bits & 0700) != 0)))
        finish_later(put, to, status);
    /* A umask that takes the owner's own bits would keep us out. */
    if (made && (put->umask_bits & 0700) != 0 &&
        (error = wt_chmod(put->cli->session, to, 0700)) != 0)
        return say_error(to, error);
    return 0;
}

static int put_finish_directories(struct put *put)
{
    int code = 0;
    /* The deepest first: setting a directory's times comes after the last change below it. */
    for (size_t i = put->finish_count; i-- > 0;) {
        struct finish *finish = &put->finishes[i];
        int error = put->archive ? keep_status(put->cli->session, finish->to, &finish->status)
                                 : wt_chmod(put->cli->session, finish->to,
                                            finish->status.st_mode & 0777 & ~put->umask_bits);
        if (error != 0)
            code = say_error(finish->to, error);
        free(finish->to);
    }
    free(put->finishes);
    return code;
}

/* One entry of the walk. *skip: do not go below it. */
static int put_entry(struct put *put, const FTSENT *entry, char *to, bool *skip)
{
    *skip = false;
    switch (entry->fts_info) {
    case FTS_D:
        *skip = put_directory(put, to, entry->fts_statp) != 0;
        break;
    case FTS_F:
    case FTS_SL:
    case FTS_SLNONE:
        pool_add(put->pool, copy_string(entry->fts_path), to, entry->fts_statp);
        return 0;
    case FTS_DP:
        break;
    case FTS_DEFAULT:
        free(to);
        return say_failure(entry->fts_path, "skipped: a %s cannot be kept",
                           S_ISSOCK(entry->fts_statp->st_mode)   ? "socket"
                           : S_ISFIFO(entry->fts_statp->st_mode) ? "fifo"
                                                                 : "device");
    case FTS_DC:
        free(to);
        return say_failure(entry->fts_path, "skipped: the directory contains itself");
    default: /* FTS_DNR, FTS_ERR, FTS_NS */
        free(to);
        return say_error(entry->fts_path, -entry->fts_errno);
    }
    free(to);
    return *skip ? 1 : 0;
}

static int put_tree(struct cli *cli, const char *from, const char *to)
{
    struct put put = {.cli = cli, .archive = given(cli, OPTION_ARCHIVE)};
    char *roots[] = {(char *)from, NULL};
    size_t root_bytes = strlen(from);
    bool skip;
    int code = 0;

    put.umask_bits = umask(0);
    umask(put.umask_bits);
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (walk == NULL)
        return say_error(from, -errno);
    put.pool = pool_create(cli, put_job, &put);
    for (FTSENT *entry; !server_lost() && (entry = fts_read(walk)) != NULL;) {
        const char *below = entry->fts_path + root_bytes;
        below += strspn(below, "/");
        code |= put_entry(&put, entry, path_join(to, below), &skip);
        if (skip)
            fts_set(walk, entry, FTS_SKIP);
    }
    fts_close(walk);
    code |= pool_finish(put.pool);
    code |= put_finish_directories(&put);
    return code;
}

/* Where the copy goes: DEST, or a place inside it when it is a directory. */
static int put_destination(struct cli *cli, const char *from, const char *to, char **path)
{
    struct stat there;

    if (wt_stat(cli->session, to, &there) != 0 || !S_ISDIR(there.st_mode)) {
        *path = copy_string(to);
        return 0;
    }
    if (strcmp(from, "-") == 0)
        return say_failure(to, "is a directory; standard input needs the name of a file");
    char *name = path_base(from);
    /* `put -r .. dir` fills dir, as cp does. */
    *path = path_join(to, strcmp(name, "..") == 0 ? "" : name);
    free(name);
    return 0;
}

int command_put(struct cli *cli, int count, char **operands)
{
    (void)count;
    const char *from = operands[0];
    bool recursive = given(cli, OPTION_RECURSIVE) && strcmp(from, "-") != 0;
    struct stat status;
    char *to = NULL;

    if (strcmp(from, "-") != 0 && (recursive ? lstat(from, &status) : stat(from, &status)) != 0)
        return say_error(from, -errno);
    if (put_destination(cli, from, operands[1], &to) != 0)
        return 1;
    int code;
    if (recursive) {
        code = put_tree(cli, from, to);
    } else {
        struct worker worker = {.session = cli->session};
        code = put_file(&worker, from, to, given(cli, OPTION_ARCHIVE), 0);
        worker_release(&worker);
    }
    free(to);
    if (!server_lost()) {
        int error = wt_syncfs(cli->session);
        if (error != 0)
            code = say_error(operands[1], error);
    }
    return code;
}
