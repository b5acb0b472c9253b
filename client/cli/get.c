/*
 * get.c - copies files out of the volume, and cat.
 *
 * Reads are several in flight, in the order of the file, into the shared arena, from where write(2) takes
 * them. A file with fewer blocks than its size has holes: its zero blocks are not written but left out.
 * Exit 0 promises that the copy is stable: fsync of the one file and its directory, or one syncfs.
 */
#include "client/cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/directory.h"
#include "client/cli/pool.h"

#define HOLE_BYTES 4096u

/* Reads in flight: a circle of the worker's buffers, used in turn, so results come in the file's order. */
struct receiver {
    struct worker *worker;
    int handle;
    off_t next, end; /* what to ask for */
    unsigned first, in_flight;
    bool done[WORKER_BUFFERS];
    int64_t results[WORKER_BUFFERS];
    size_t asked[WORKER_BUFFERS];
};

/* Asks for as much as there are free buffers. 0 or a negative errno. */
static int receiver_ask(struct receiver *receiver)
{
    struct wt *session = receiver->worker->session;

    while (receiver->in_flight < WORKER_BUFFERS && receiver->next < receiver->end) {
        unsigned place = (receiver->first + receiver->in_flight) % WORKER_BUFFERS;
        off_t left = receiver->end - receiver->next;
        size_t bytes = left < WORKER_BUFFER_BYTES ? (size_t)left : WORKER_BUFFER_BYTES;
        int error = wt_prep_read(session, receiver->handle, receiver->worker->buffers[place], bytes,
                                 receiver->next, 0, place);
        if (error == -EAGAIN && receiver->in_flight > 0)
            break;
        if (error != 0)
            return error;
        receiver->asked[place] = bytes;
        receiver->done[place] = false;
        receiver->next += (off_t)bytes;
        receiver->in_flight++;
    }
    wt_submit(session);
    return 0;
}

/* Waits until the oldest read is there: its bytes, 0 at the end, or a negative errno. */
static ssize_t receiver_take(struct receiver *receiver, unsigned char **data)
{
    while (!receiver->done[receiver->first]) {
        struct wt_completion completion;
        int count = wt_wait(receiver->worker->session, &completion, 1, 1, NULL);
        if (count != 1) {
            receiver->in_flight = 0;
            return count < 0 ? count : -EREMOTEIO;
        }
        receiver->done[completion.user_data] = true;
        receiver->results[completion.user_data] = completion.result;
    }
    unsigned place = receiver->first;
    *data = receiver->worker->buffers[place];
    receiver->first = (place + 1) % WORKER_BUFFERS;
    receiver->in_flight--;
    /* Short: the file has been cut meanwhile. */
    if (receiver->results[place] >= 0 && (size_t)receiver->results[place] < receiver->asked[place])
        receiver->end = 0;
    return receiver->results[place];
}

static void receiver_drain(struct receiver *receiver)
{
    unsigned char *data;
    while (receiver->in_flight > 0)
        receiver_take(receiver, &data);
}

static int write_all(int fd, const unsigned char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t done = write(fd, data, bytes);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        data += done;
        bytes -= (size_t)done;
    }
    return 0;
}

static bool is_zero(const unsigned char *data, size_t bytes)
{
    return data[0] == 0 && memcmp(data, data + 1, bytes - 1) == 0;
}

/* Writes what is not zero, and goes past the rest. */
static int write_sparse(int fd, const unsigned char *data, size_t bytes)
{
    size_t at = 0;
    while (at < bytes) {
        size_t run = 0;
        bool hole = false;
        while (at + run < bytes) {
            size_t block = bytes - at - run < HOLE_BYTES ? bytes - at - run : HOLE_BYTES;
            bool zero = is_zero(data + at + run, block);
            if (run > 0 && zero != hole)
                break;
            hole = zero;
            run += block;
        }
        if (hole) {
            if (lseek(fd, (off_t)run, SEEK_CUR) < 0)
                return -errno;
        } else {
            int error = write_all(fd, data + at, run);
            if (error != 0)
                return error;
        }
        at += run;
    }
    return 0;
}

/* Moves the open file's bytes to fd. *target_error tells a failed write from a read, which is returned. */
static int receive(struct worker *worker, int handle, off_t size_bytes, int fd, bool sparse,
                   int *target_error)
{
    int error = worker_buffers(worker);
    struct receiver receiver = {.worker = worker, .handle = handle, .end = size_bytes};

    while (error == 0 && *target_error == 0) {
        unsigned char *data;
        error = receiver_ask(&receiver);
        if (error != 0 || receiver.in_flight == 0)
            break;
        ssize_t bytes = receiver_take(&receiver, &data);
        if (bytes < 0)
            error = (int)bytes;
        else if (bytes > 0)
            *target_error =
                sparse ? write_sparse(fd, data, (size_t)bytes) : write_all(fd, data, (size_t)bytes);
    }
    receiver_drain(&receiver);
    return error;
}

/* Opens a file of the volume for reading; the handle, or a negative errno. */
static int open_source(struct wt *session, const char *path, struct stat *status)
{
    int handle = wt_open(session, path, O_RDONLY, 0);
    if (handle < 0)
        return handle;
    int error = wt_fstat(session, handle, status);
    if (error == 0 && S_ISDIR(status->st_mode))
        error = -EISDIR;
    if (error != 0) {
        wt_close(session, handle);
        return error;
    }
    return handle;
}

/* Standard output: everything, in order. */
static int get_to_output(struct worker *worker, const char *from)
{
    struct stat status;
    int target_error = 0;
    int handle = open_source(worker->session, from, &status);

    if (handle < 0)
        return say_error(from, handle);
    int error = receive(worker, handle, status.st_size, STDOUT_FILENO, false, &target_error);
    wt_close(worker->session, handle);
    if (error != 0)
        return say_error(from, error);
    if (target_error == -EPIPE)
        return 1;
    return target_error != 0 ? say_error("standard output", target_error) : 0;
}

static int get_file(struct worker *worker, const char *from, const char *to, bool sync)
{
    struct stat status, there;
    int target_error = 0;
    int handle = open_source(worker->session, from, &status);

    if (handle < 0)
        return say_error(from, handle);
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, status.st_mode & 0777);
    if (fd < 0 || fstat(fd, &there) != 0) {
        target_error = -errno;
        wt_close(worker->session, handle);
        if (fd >= 0)
            close(fd);
        return say_error(to, target_error);
    }
    bool sparse = S_ISREG(there.st_mode) && status.st_blocks * 512 < status.st_size;
    int error = receive(worker, handle, status.st_size, fd, sparse, &target_error);
    wt_close(worker->session, handle);
    /* The size, when the file ends with a hole: as far as it was read, should it have been cut meanwhile. */
    if (error == 0 && target_error == 0 && sparse && ftruncate(fd, lseek(fd, 0, SEEK_CUR)) != 0)
        target_error = -errno;
    if (error == 0 && target_error == 0 && sync && S_ISREG(there.st_mode) && fsync(fd) != 0)
        target_error = -errno;
    if (close(fd) != 0 && target_error == 0)
        target_error = -errno;
    if (error != 0)
        return say_error(from, error);
    return target_error != 0 ? say_error(to, target_error) : 0;
}

static int get_symlink(struct worker *worker, const char *from, const char *to)
{
    char target[4096];
    struct stat there;
    ssize_t bytes = wt_readlink(worker->session, from, target, sizeof target - 1);

    if (bytes < 0)
        return say_error(from, (int)bytes);
    target[bytes] = '\0';
    if (symlink(target, to) == 0)
        return 0;
    if (errno == EEXIST && lstat(to, &there) == 0 && !S_ISDIR(there.st_mode) && unlink(to) == 0 &&
        symlink(target, to) == 0)
        return 0;
    return say_error(to, -errno);
}

static int get_job(struct worker *worker, const struct job *job, void *context)
{
    (void)context;
    if (S_ISLNK(job->status.st_mode))
        return get_symlink(worker, job->from, job->to);
    return get_file(worker, job->from, job->to, false);
}

/* A directory of the copy. Those still to be read are the list's tail; all of them get their modes at the
 * end, when nothing is made in them any more. */
struct tree {
    struct tree_directory {
        char *from, *to;
        mode_t mode;
        bool made;
    } * directories;
    size_t count, capacity;
};

static void tree_add(struct tree *tree, char *from, char *to)
{
    if (tree->count == tree->capacity) {
        tree->capacity = tree->capacity > 0 ? 2 * tree->capacity : 64;
        tree->directories =
            reallocate(tree->directories, tree->capacity * sizeof *tree->directories);
    }
    tree->directories[tree->count++] = (struct tree_directory){.from = from, .to = to};
}

static int get_directory(struct cli *cli, struct pool *pool, struct tree *tree, size_t place)
{
    const char *from = tree->directories[place].from, *to = tree->directories[place].to;
    struct directory content;
    struct stat status, there;
    int code = 0;

    int error = wt_lstat(cli->session, from, &status);
    if (error == 0)
        error = directory_read(cli->session, from, &content);
    if (error != 0)
        return say_error(from, error);
    bool made = mkdir(to, (status.st_mode & 0777) | 0700) == 0;
    if (!made && (errno != EEXIST || stat(to, &there) != 0 || !S_ISDIR(there.st_mode))) {
        code = say_error(to, errno == EEXIST ? -ENOTDIR : -errno);
        directory_free(&content);
        return code;
    }
    tree->directories[place].mode = status.st_mode & 0777;
    tree->directories[place].made = made;
    for (size_t i = 0; i < content.count && !server_lost(); i++) {
        const struct directory_entry *entry = &content.entries[i];
        char *below_from = path_join(from, entry->name), *below_to = path_join(to, entry->name);
        struct stat kind = {.st_mode = (mode_t)DTTOIF(entry->type)};
        if (entry->type == DT_DIR)
            tree_add(tree, below_from, below_to);
        else
            pool_add(pool, below_from, below_to, &kind);
    }
    directory_free(&content);
    return code;
}

static int get_tree(struct cli *cli, const char *from, const char *to)
{
    struct tree tree = {0};
    struct pool *pool = pool_create(cli, get_job, NULL);
    mode_t umask_bits = umask(0);
    int code = 0;

    umask(umask_bits);
    tree_add(&tree, copy_string(from), copy_string(to));
    for (size_t i = 0; i < tree.count && !server_lost(); i++)
        code |= get_directory(cli, pool, &tree, i);
    code |= pool_finish(pool);
    for (size_t i = tree.count; i-- > 0;) {
        struct tree_directory *directory = &tree.directories[i];
        if (directory->made && (directory->mode & 0700) != 0700 &&
            chmod(directory->to, directory->mode & ~umask_bits) != 0)
            code = say_error(directory->to, -errno);
        free(directory->from);
        free(directory->to);
    }
    free(tree.directories);
    return code;
}

/* Makes the copy durable: the whole file system it is on, or the directory that now names the file. */
static int sync_local(const char *path, bool tree)
{
    struct stat there;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (tree && fd >= 0) {
        int error = syncfs(fd) != 0 ? -errno : 0;
        close(fd);
        return error;
    }
    if (fd >= 0) {
        bool regular = fstat(fd, &there) == 0 && S_ISREG(there.st_mode);
        close(fd);
        if (!regular)
            return 0;
    }
    char *parent = copy_string(path);
    char *slash = strrchr(parent, '/');
    if (slash != NULL)
        slash[slash == parent ? 1 : 0] = '\0';
    fd = open(slash != NULL ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(parent);
    /* A directory that may be written and not read cannot be synced by its user; nothing can be done. */
    if (fd < 0)
        return errno == EACCES ? 0 : -errno;
    int error = fsync(fd) != 0 && errno != EINVAL ? -errno : 0;
    close(fd);
    return error;
}

static int get_to_path(struct cli *cli, const char *from, const char *to, bool tree, bool symlink)
{
    struct worker worker = {.session = cli->session};
    int code;

    if (tree)
        code = get_tree(cli, from, to);
    else if (symlink)
        code = get_symlink(&worker, from, to);
    else
        code = get_file(&worker, from, to, true);
    worker_release(&worker);
    int error = code == 0 || tree ? sync_local(to, tree) : 0;
    return error != 0 ? say_error(to, error) : code;
}

int command_get(struct cli *cli, int count, char **operands)
{
    (void)count;
    const char *from = operands[0], *to = operands[1];
    bool recursive = given(cli, OPTION_RECURSIVE);
    struct stat status, there;

    if (strcmp(to, "-") == 0)
        return command_cat(cli, 1, operands);
    int error =
        recursive ? wt_lstat(cli->session, from, &status) : wt_stat(cli->session, from, &status);
    if (error != 0)
        return say_error(from, error);
    if (S_ISDIR(status.st_mode) && !recursive)
        return say_failure(from, "is a directory; use -r");
    if (stat(to, &there) != 0 || !S_ISDIR(there.st_mode))
        return get_to_path(cli, from, to, S_ISDIR(status.st_mode), S_ISLNK(status.st_mode));
    char *name = path_base(from);
    char *path = path_join(to, strcmp(name, "..") == 0 ? "" : name);
    int code = get_to_path(cli, from, path, S_ISDIR(status.st_mode), S_ISLNK(status.st_mode));
    free(path);
    free(name);
    return code;
}

int command_cat(struct cli *cli, int count, char **operands)
{
    struct worker worker = {.session = cli->session};
    int code = 0;

    for (int i = 0; i < count && !server_lost(); i++)
        code |= get_to_output(&worker, operands[i]);
    worker_release(&worker);
    return code;
}
