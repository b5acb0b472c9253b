/* entry.c - one file or symbolic link from one side to the other. See tree.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "client/cli/copy.h"
#include "client/cli/progress.h"
#include "client/cli/tree.h"

/* Reads and writes of what has no offsets go where the descriptor stands. */
static bool is_stream(const struct side *side, const struct stat *status)
{
    return side == &local_side && !S_ISREG(status->st_mode);
}

/* Both open; says what fails, and by which name. */
static int copy_open_files(struct worker *worker, struct tree *tree, const char *from,
                           int from_file, const struct stat *status, const char *to, int to_file)
{
    struct stat there;
    int error = tree->to->status(worker->session, to_file, &there);
    if (error != 0)
        return say_error(to, error);
    struct copy_end source = {tree->from, from_file, is_stream(tree->from, status), 0};
    struct copy_end target = {tree->to, to_file, is_stream(tree->to, &there), 0};
    struct copy_errors errors = copy_content(worker, &source, &target, status);

    if (errors.source != 0)
        return say_error(from, errors.source);
    if (errors.target == 0 && tree->keep != 0)
        errors.target = side_keep(tree->to, worker->session, to_file, to, status, tree->keep);
    return errors.target != 0 ? say_error(to, errors.target) : 0;
}

/* `cp a a` must not cut a before it is read. */
static bool same_file(struct wt *session, const struct tree *tree, const struct stat *status,
                      const char *to)
{
    struct stat there;
    return tree->from == tree->to && tree->to->look(session, to, true, &there) == 0 &&
           there.st_ino == status->st_ino;
}

/* As cp: what stands in the way goes, unless it is a directory. */
static bool gives_way(struct wt *session, const struct side *side, const char *path)
{
    struct stat there;
    return side->look(session, path, false, &there) == 0 && !S_ISDIR(there.st_mode) &&
           side->remove(session, path) == 0;
}

/* In a tree a symbolic link that stands in the way is replaced and not followed: what it means is no part of
 * the copy. */
static int open_target(struct wt *session, const struct tree *tree, const char *to, mode_t mode)
{
    int flags = O_WRONLY | O_CREAT | O_TRUNC | (tree->recursive ? O_NOFOLLOW : 0);
    int file = tree->to->open(session, to, flags, mode);

    if (file == -ELOOP && tree->recursive && gives_way(session, tree->to, to))
        file = tree->to->open(session, to, flags, mode);
    return file;
}

static int copy_from_file(struct worker *worker, struct tree *tree, const char *from, int from_file,
                          const char *to)
{
    struct wt *session = worker->session;
    struct stat status;
    int error = tree->from->status(session, from_file, &status);

    if (error != 0)
        return say_error(from, error);
    if (S_ISDIR(status.st_mode))
        return say_failure(from, "is a directory; use -r");
    if (tree->recursive && S_ISREG(status.st_mode) && links_claim(&tree->links, &status, to))
        return 0;
    if (same_file(session, tree, &status, to))
        return say_failure(from, "is the same file as %s", shown_name(to));
    mode_t mode = S_ISREG(status.st_mode) ? status.st_mode & 0777 : 0666;
    /* Until its owner is right, nobody else shall read what was not for them. */
    if ((tree->keep & KEEP_OWNER) != 0)
        mode &= 0700;
    int to_file = open_target(session, tree, to, mode);
    if (to_file < 0)
        return say_error(to, to_file);
    int code = copy_open_files(worker, tree, from, from_file, &status, to, to_file);
    error = tree->to->close(session, to_file);
    if (code == 0 && error != 0)
        code = say_error(to, error);
    if (code == 0) {
        atomic_fetch_add(&tree->counts.files, 1);
        if (S_ISREG(status.st_mode))
            atomic_fetch_add(&tree->counts.bytes, (uint64_t)status.st_size);
        progress_add(1, 0);
    }
    return code;
}

static int copy_file(struct worker *worker, struct tree *tree, const char *from, const char *to)
{
    /* What was a file when the tree was read must not have become a pipe that blocks, or a link. */
    int flags = tree->recursive ? O_NOFOLLOW | O_NONBLOCK : 0;
    int file = tree->from->open(worker->session, from, O_RDONLY | flags, 0);
    if (file < 0)
        return say_error(from, file);
    int code = copy_from_file(worker, tree, from, file, to);
    tree->from->close(worker->session, file);
    return code;
}

static int copy_symlink(struct worker *worker, struct tree *tree, const char *from, const char *to)
{
    struct wt *session = worker->session;
    char target[LINK_TARGET_BYTES];
    struct stat status;

    int error = tree->from->look(session, from, false, &status);
    ssize_t bytes = error == 0 ? tree->from->read_link(session, from, target) : error;
    if (bytes < 0)
        return say_error(from, (int)bytes);
    error = tree->to->make_symlink(session, target, to);
    if (error == -EEXIST && gives_way(session, tree->to, to))
        error = tree->to->make_symlink(session, target, to);
    if (error == 0)
        error = side_keep(tree->to, session, NO_FILE, to, &status, tree->keep);
    if (error != 0)
        return say_error(to, error);
    atomic_fetch_add(&tree->counts.symlinks, 1);
    progress_add(1, 0);
    return 0;
}

int entry_copy(struct worker *worker, struct tree *tree, const char *from, const char *to,
               mode_t type)
{
    return S_ISLNK(type) ? copy_symlink(worker, tree, from, to) : copy_file(worker, tree, from, to);
}

int entry_link(struct wt *session, struct tree *tree, const char *existing, const char *path)
{
    struct stat there, wanted;
    int error = tree->to->make_link(session, existing, path);

    if (error == -EEXIST && tree->to->look(session, path, false, &there) == 0 &&
        tree->to->look(session, existing, false, &wanted) == 0) {
        if (there.st_ino == wanted.st_ino && there.st_dev == wanted.st_dev)
            error = 0;
        else if (gives_way(session, tree->to, path))
            error = tree->to->make_link(session, existing, path);
    }
    if (error != 0)
        return say_error(path, error);
    atomic_fetch_add(&tree->counts.links, 1);
    return 0;
}
