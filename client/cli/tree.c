/* tree.c - the walk of a copy. See tree.h. */
#include "client/cli/tree.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "client/cli/progress.h"

struct tree_directory {
    char *from, *to;
    struct stat status; /* of the source */
    bool made;          /* by this copy */
    bool failed;
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

/* A directory that its maker can fill, whatever its mode will be. */
static int make_directory(struct tree *tree, struct tree_directory *directory)
{
    struct wt *session = tree->cli->session;
    struct stat there;
    int error = 0;

    if (!tree->verify) {
        error = tree->to->make_directory(session, directory->to,
                                         (directory->status.st_mode & 0777) | 0700);
        directory->made = error == 0;
    }
    if (error == 0 && directory->made && directory != tree->directories)
        return 0;
    if (error == 0 || error == -EEXIST)
        error = tree->to->look(session, directory->to, true, &there);
    if (error == 0 && !S_ISDIR(there.st_mode))
        error = -ENOTDIR;
    if (error != 0)
        return say_error(directory->to, error);
    if (directory == tree->directories) {
        tree->root_device = there.st_dev;
        tree->root_ino = there.st_ino;
    }
    return 0;
}

static const char *special_word(mode_t mode)
{
    return S_ISSOCK(mode) ? "socket" : S_ISFIFO(mode) ? "fifo" : "device";
}

/* Hands one entry on: to the pool, or to the list of directories. Takes the paths. */
static int tree_entry(struct tree *tree, struct pool *pool, char *from, char *to, uint8_t type)
{
    struct stat status = {.st_mode = (mode_t)DTTOIF(type)};
    int code = 0;

    if (type == DT_UNKNOWN) {
        int error = tree->from->look(tree->cli->session, from, false, &status);
        if (error != 0)
            code = say_error(from, error);
    }
    if (code == 0 && S_ISDIR(status.st_mode)) {
        tree_add(tree, from, to);
        return 0;
    }
    if (code == 0 && (S_ISREG(status.st_mode) || S_ISLNK(status.st_mode))) {
        pool_add(pool, from, to, status.st_mode);
        return 0;
    }
    if (code == 0)
        code = say_failure(from, "skipped: a %s cannot be kept", special_word(status.st_mode));
    free(from);
    free(to);
    return code;
}

static int tree_directory(struct tree *tree, struct pool *pool, size_t place)
{
    struct tree_directory *directory = &tree->directories[place];
    const char *from = directory->from, *to = directory->to;
    struct directory content;
    int code = 0;

    directory->failed = true;
    int error = tree->from->look(tree->cli->session, from, false, &directory->status);
    if (error != 0)
        return say_error(from, error);
    if (place > 0 && tree->from == tree->to && directory->status.st_ino == tree->root_ino &&
        directory->status.st_dev == tree->root_device)
        return say_failure(from, "skipped: it is the copy itself");
    error = tree->from->list(tree->cli->session, from, &content);
    if (error != 0)
        return say_error(from, error);
    if (make_directory(tree, directory) != 0) {
        directory_free(&content);
        return 1;
    }
    directory->failed = false;
    if (!tree->verify)
        atomic_fetch_add(&tree->counts.directories, 1);
    /* tree_add may move the directories: only the two paths stay. */
    for (size_t i = 0; i < content.count && !server_lost(); i++)
        code |= tree_entry(tree, pool, path_join(from, content.entries[i].name),
                           path_join(to, content.entries[i].name), content.entries[i].type);
    directory_free(&content);
    return code;
}

/* The deepest first: a directory's times come after the last change in it. */
static int tree_finish(struct tree *tree)
{
    struct wt *session = tree->cli->session;
    int code = 0;

    for (size_t i = 0; i < tree->links.pair_count && !server_lost(); i++)
        code |= entry_link(session, tree, tree->links.pairs[i].existing, tree->links.pairs[i].path);
    for (size_t i = tree->count; i-- > 0 && !server_lost();) {
        struct tree_directory *directory = &tree->directories[i];
        unsigned keep = tree->keep;
        struct stat status = directory->status;
        if (directory->failed)
            continue;
        if ((keep & KEEP_MODE) == 0 && directory->made && (status.st_mode & 0700) != 0700) {
            keep |= KEEP_MODE;
            status.st_mode &= S_IFMT | 0777;
        }
        int error = side_keep(tree->to, session, NO_FILE, directory->to, &status, keep);
        if (error != 0)
            code = say_error(directory->to, error);
    }
    return code;
}

static int tree_job(struct worker *worker, const struct job *job, void *context)
{
    struct tree *tree = context;
    return tree->verify ? entry_verify(worker, tree, job->from, job->to, job->type)
                        : entry_copy(worker, tree, job->from, job->to, job->type);
}

static int tree_walk(struct tree *tree, const char *from, const char *to)
{
    struct pool *pool = pool_create(tree->cli, tree_job, tree);
    int code = 0;

    tree_add(tree, copy_string(from), copy_string(to));
    for (size_t i = 0; i < tree->count && !server_lost(); i++)
        code |= tree_directory(tree, pool, i);
    code |= pool_finish(pool);
    if (!tree->verify)
        code |= tree_finish(tree);
    for (size_t i = 0; i < tree->count; i++) {
        free(tree->directories[i].from);
        free(tree->directories[i].to);
    }
    free(tree->directories);
    tree->directories = NULL;
    tree->count = tree->capacity = 0;
    return code;
}

int tree_copy(struct tree *tree, const char *from, const char *to)
{
    struct worker worker = {.session = tree->cli->session};
    struct stat status;
    int error = tree->from->look(worker.session, from, !tree->recursive, &status);

    if (error != 0)
        return say_error(from, error);
    if (S_ISDIR(status.st_mode) && !tree->recursive)
        return say_failure(from, "is a directory; use -r");
    links_init(&tree->links);
    int code;
    if (S_ISDIR(status.st_mode)) {
        code = tree_walk(tree, from, to);
    } else if (tree->recursive && !S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) {
        code = say_failure(from, "skipped: a %s cannot be kept", special_word(status.st_mode));
    } else {
        if (S_ISREG(status.st_mode))
            progress_total((uint64_t)status.st_size);
        code = tree->verify ? entry_verify(&worker, tree, from, to, status.st_mode)
                            : entry_copy(&worker, tree, from, to, status.st_mode);
        worker_release(&worker);
    }
    links_destroy(&tree->links);
    return code;
}
