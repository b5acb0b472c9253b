/*
 * transfer.c - put, get, cp and cat: which sides, where the copy goes, and what exit 0 promises.
 *
 * Exit 0 of put and cp promises that all of it is stable. Writes of data go through (their errors come with
 * them), names go behind (a name that cannot be recorded ends the volume's writing for all), and one wt_syncfs
 * at the end makes everything durable: one flush instead of one a file. get does the same with fsync or syncfs
 * of the local file system.
 *
 * With --reconnect a copy that lost its server starts again from its beginning: what went through to the
 * server before need not have survived.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/copy.h"
#include "client/cli/json.h"
#include "client/cli/progress.h"
#include "client/cli/tree.h"

struct transfer {
    struct cli *cli;
    const struct side *from, *to;
    const char *source;
    char *target; /* NULL: not yet known */
    bool input;   /* the source is standard input */
    struct tree tree;
    double seconds;
};

static bool is_dash(const char *operand)
{
    return strcmp(operand, "-") == 0;
}

/* DEST, or a place inside it when it is a directory. */
static int find_target(struct transfer *transfer, const char *operand)
{
    struct stat there;
    int error = transfer->to->look(transfer->cli->session, operand, true, &there);

    if (error == -ENOTCONN || error == -EREMOTEIO)
        return say_error(operand, error);
    if (error != 0 || !S_ISDIR(there.st_mode)) {
        transfer->target = copy_string(operand);
        return 0;
    }
    if (transfer->input)
        return say_failure(operand, "is a directory; standard input needs the name of a file");
    char *name = path_base(transfer->source);
    /* `put -r .. dir` fills dir, as cp does. */
    transfer->target = path_join(operand, strcmp(name, "..") == 0 ? "" : name);
    free(name);
    return 0;
}

/* ---- streams ---- */

/* One file to standard output: everything, in order. */
static int file_to_output(struct worker *worker, const char *path)
{
    struct stat status;
    int file = wt_open(worker->session, path, O_RDONLY, 0);

    if (file < 0)
        return say_error(path, file);
    int error = wt_fstat(worker->session, file, &status);
    if (error == 0 && S_ISDIR(status.st_mode))
        error = -EISDIR;
    struct copy_errors errors = {.source = error};
    if (error == 0) {
        progress_total((uint64_t)status.st_size);
        errors = copy_content(
            worker, &(struct copy_end){.side = &volume_side, .file = file},
            &(struct copy_end){.side = &local_side, .file = STDOUT_FILENO, .stream = true},
            &status);
    }
    wt_close(worker->session, file);
    if (errors.source != 0)
        return say_error(path, errors.source);
    if (errors.target == -EPIPE)
        return 1;
    /* A lost server is the source's, though it may come with a buffer on its way out. */
    return errors.target != 0 ? say_error("standard output", errors.target) : 0;
}

int command_cat(struct cli *cli, int count, char **operands)
{
    struct worker worker = {.session = cli->session};
    int code = 0;

    if (!isatty(STDOUT_FILENO))
        progress_begin(cli, "cat");
    for (int i = 0; i < count && !server_lost(); i++)
        code |= file_to_output(&worker, operands[i]);
    progress_end();
    worker_release(&worker);
    return code;
}

/* Standard input to one file. */
static int input_to_file(struct cli *cli, const char *path)
{
    struct worker worker = {.session = cli->session};
    struct stat status;

    if (fstat(STDIN_FILENO, &status) != 0)
        return say_error("standard input", -errno);
    if (S_ISDIR(status.st_mode))
        return say_error("standard input", -EISDIR);
    int file = wt_open(cli->session, path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (file < 0)
        return say_error(path, file);
    /* Where it stands, also in a file: somebody may have read the beginning. */
    struct copy_errors errors = copy_content(
        &worker, &(struct copy_end){.side = &local_side, .file = STDIN_FILENO, .stream = true},
        &(struct copy_end){.side = &volume_side, .file = file}, &status);
    worker_release(&worker);
    int error = wt_close(cli->session, file);
    if (errors.source != 0)
        return say_error("standard input", errors.source);
    if (errors.target == 0)
        errors.target = error;
    return errors.target != 0 ? say_error(path, errors.target) : 0;
}

/* ---- durable ---- */

/* The directory that names the path. */
static int open_parent(const char *path)
{
    char *parent = copy_string(path);
    size_t end = strlen(parent);
    while (end > 1 && parent[end - 1] == '/')
        parent[--end] = '\0';
    char *slash = strrchr(parent, '/');
    if (slash != NULL)
        slash[slash == parent ? 1 : 0] = '\0';
    int fd = open(slash != NULL ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = errno;
    free(parent);
    return fd < 0 ? -error : fd;
}

static int sync_local_file(const char *path)
{
    struct stat there;
    if (lstat(path, &there) != 0)
        return -errno;
    if (!S_ISREG(there.st_mode) && !S_ISLNK(there.st_mode))
        return 0; /* a device or a pipe: nothing of ours stays there */
    int error = 0, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0) {
        error = fsync(fd) != 0 && errno != EINVAL ? -errno : 0;
        close(fd);
    }
    int parent = open_parent(path);
    /* A directory that may be written and not read cannot be synced by its user; nothing can be done. */
    if (parent < 0)
        return error != 0 ? error : parent == -EACCES ? 0 : parent;
    /* A file that its own maker may not read: then all of its file system. */
    if (error == 0 && (fd < 0 ? syncfs(parent) : fsync(parent)) != 0 && errno != EINVAL)
        error = -errno;
    close(parent);
    return error;
}

static int sync_local_tree(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (fd < 0)
        fd = open_parent(path);
    if (fd < 0)
        return fd;
    int error = syncfs(fd) != 0 ? -errno : 0;
    close(fd);
    return error;
}

static int make_durable(struct transfer *transfer)
{
    if (transfer->to == &volume_side)
        return wt_syncfs(transfer->cli->session);
    struct stat there;
    assert(transfer->target);
    if (stat(transfer->target, &there) == 0 && S_ISDIR(there.st_mode))
        return sync_local_tree(transfer->target);
    return sync_local_file(transfer->target);
}

/* ---- the commands ---- */

static void print_summary(const struct transfer *transfer, int code)
{
    struct json_object *object = json_object_new_object();
    const struct tree_counts *counts = &transfer->tree.counts;

    json_object_object_add(object, "files", json_object_new_uint64(counts->files));
    json_object_object_add(object, "directories", json_object_new_uint64(counts->directories));
    json_object_object_add(object, "symlinks", json_object_new_uint64(counts->symlinks));
    json_object_object_add(object, "links", json_object_new_uint64(counts->links));
    json_object_object_add(object, "bytes", json_object_new_uint64(counts->bytes));
    json_object_object_add(object, "failures", json_object_new_uint64(failure_count()));
    json_object_object_add(object, "seconds", json_object_new_double(transfer->seconds));
    json_object_object_add(
        object, "verified",
        json_object_new_boolean(code == 0 && given(transfer->cli, OPTION_VERIFY)));
    json_print(object);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Once through: copy, make durable, verify. */
static int transfer_once(struct transfer *transfer, const char *operand)
{
    struct cli *cli = transfer->cli;
    bool archive = given(cli, OPTION_ARCHIVE), recursive = given(cli, OPTION_RECURSIVE);

    if (transfer->target == NULL && find_target(transfer, operand) != 0)
        return 1;
    transfer->tree = (struct tree){
        .cli = cli,
        .from = transfer->from,
        .to = transfer->to,
        .recursive = recursive || archive,
        .keep = archive     ? KEEP_TIMES | KEEP_MODE | KEEP_OWNER
                : recursive ? KEEP_TIMES
                            : 0,
    };
    progress_begin(cli, cli->command->name);
    int code = transfer->input ? input_to_file(cli, transfer->target)
                               : tree_copy(&transfer->tree, transfer->source, transfer->target);
    /* Also after failures: what was copied shall last. */
    int error = server_lost() ? 0 : make_durable(transfer);
    progress_end();
    if (error != 0 && (error != -ENOENT || code == 0))
        code = say_error(transfer->target, error);
    if (code == 0 && given(cli, OPTION_VERIFY)) {
        transfer->tree.verify = true;
        progress_begin(cli, "verify");
        progress_total(transfer->tree.counts.bytes);
        code = tree_copy(&transfer->tree, transfer->source, transfer->target);
        progress_end();
    }
    return code;
}

static int transfer_run(struct cli *cli, char **operands, const struct side *from,
                        const struct side *to)
{
    struct transfer transfer = {.cli = cli,
                                .from = from,
                                .to = to,
                                .source = operands[0],
                                .input = from == &local_side && is_dash(operands[0])};
    double started_s = now_s();
    int code;

    /* A local tree is made with the modes of its source; single files are masked, as by cp. */
    if (to == &local_side && given(cli, OPTION_RECURSIVE | OPTION_ARCHIVE))
        umask(0);
    lost_may_return(cli->reconnect_s > 0 && !transfer.input);
    do
        code = transfer_once(&transfer, operands[1]);
    while (session_again(cli));
    transfer.seconds = now_s() - started_s;
    if (given(cli, OPTION_JSON))
        print_summary(&transfer, code);
    free(transfer.target);
    return code;
}

int look_copy(struct cli *cli, int count, char **operands)
{
    (void)count;
    const char *name = cli->command->name;
    bool in = is_dash(operands[0]) && strcmp(name, "put") == 0;
    bool out = is_dash(operands[1]) && strcmp(name, "get") == 0;

    if ((in || out) && given(cli, OPTION_VERIFY))
        return say_usage("%s: --verify cannot read `-' a second time", name);
    if (out && given(cli, OPTION_JSON))
        return say_usage("get: --json and a copy on standard output do not go together");
    if (!in && given(cli, OPTION_RECURSIVE | OPTION_ARCHIVE)) {
        cli->session_options.name_level = WT_BEHIND;
        cli->session_options.umask = 0;
    }
    return 0;
}

int command_put(struct cli *cli, int count, char **operands)
{
    (void)count;
    return transfer_run(cli, operands, &local_side, &volume_side);
}

int command_get(struct cli *cli, int count, char **operands)
{
    (void)count;
    if (is_dash(operands[1]))
        return command_cat(cli, 1, operands);
    return transfer_run(cli, operands, &volume_side, &local_side);
}

int command_cp(struct cli *cli, int count, char **operands)
{
    (void)count;
    return transfer_run(cli, operands, &volume_side, &volume_side);
}
