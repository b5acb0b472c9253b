/* names.c - what changes names and what belongs to them: rm, mv, mkdir, rmdir, ln, chmod, chown, truncate.
 * Over several operands each goes on after an error; the exit code is 1 if one failed. */
#include "client/cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/directory.h"
#include "client/cli/pool.h"
#include "client/cli/progress.h"

static int done(const char *path, int error)
{
    return error != 0 ? say_error(path, error) : 0;
}

/* TARGET/basename(path) where the target is a directory, a copy of the target elsewhere. */
static char *inside(struct cli *cli, const char *target, const char *path)
{
    struct stat there;

    if (wt_stat(cli->session, target, &there) != 0 || !S_ISDIR(there.st_mode))
        return copy_string(target);
    char *name = path_base(path);
    char *joined = path_join(target, name);
    free(name);
    return joined;
}

static int remove_job(struct worker *worker, const struct job *job, void *context)
{
    (void)context;
    int error = wt_unlink(worker->session, job->from);
    progress_add(error == 0, 0);
    return done(job->from, error);
}

/* Files are unlinked by the pool as directories are read; then the directories, those found last (the
 * deepest) first. */
static int remove_tree(struct cli *cli, const char *path)
{
    struct pool *pool = pool_create(cli, remove_job, NULL);
    size_t count = 1, capacity = 64;
    char **directories = allocate(capacity * sizeof *directories);
    int code = 0;

    progress_begin(cli, "rm");
    directories[0] = copy_string(path);
    for (size_t i = 0; i < count && !server_lost(); i++) {
        struct directory content;
        int error = directory_read(cli->session, directories[i], &content);
        code |= done(directories[i], error);
        for (size_t j = 0; error == 0 && j < content.count; j++) {
            char *below = path_join(directories[i], content.entries[j].name);
            if (content.entries[j].type != DT_DIR) {
                pool_add(pool, below, NULL, 0);
                continue;
            }
            if (count == capacity) {
                capacity *= 2;
                directories = reallocate(directories, capacity * sizeof *directories);
            }
            directories[count++] = below;
        }
        directory_free(&content);
    }
    code |= pool_finish(pool);
    for (size_t i = count; i-- > 0;) {
        if (!server_lost())
            code |= done(directories[i], wt_rmdir(cli->session, directories[i]));
        free(directories[i]);
    }
    progress_end();
    free(directories);
    return code;
}

static int remove_operand(struct cli *cli, const char *path)
{
    struct stat status;
    char *name = path_base(path);
    bool refused = *name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;

    free(name);
    if (given(cli, OPTION_RECURSIVE) && refused && *path != '\0')
        return say_failure(path, "will not remove the root, . or ..");
    if (!given(cli, OPTION_RECURSIVE))
        return done(path, wt_unlink(cli->session, path));
    int error = wt_lstat(cli->session, path, &status);
    if (error != 0)
        return done(path, error);
    return S_ISDIR(status.st_mode) ? remove_tree(cli, path)
                                   : done(path, wt_unlink(cli->session, path));
}

int command_rm(struct cli *cli, int count, char **operands)
{
    int code = 0;
    for (int i = 0; i < count && !server_lost(); i++)
        code |= remove_operand(cli, operands[i]);
    return code;
}

int command_mv(struct cli *cli, int count, char **operands)
{
    const char *target = operands[count - 1];
    struct stat there;
    int code = 0;

    if (count > 2) {
        int error = wt_stat(cli->session, target, &there);
        if (error == 0 && !S_ISDIR(there.st_mode))
            error = -ENOTDIR;
        if (error != 0)
            return done(target, error);
    }
    for (int i = 0; i < count - 1 && !server_lost(); i++) {
        char *to = inside(cli, target, operands[i]);
        code |= done(operands[i], wt_rename(cli->session, operands[i], to, 0));
        free(to);
    }
    return code;
}

/* Each directory of the path, from the top; what exists is passed over. */
static int make_parents(struct cli *cli, char *path)
{
    struct stat there;

    for (char *at = path + strspn(path, "/"); *at != '\0';) {
        at += strcspn(at, "/");
        char saved = *at;
        *at = '\0';
        int error = wt_mkdir(cli->session, path, 0777);
        if (error == -EEXIST)
            error =
                wt_stat(cli->session, path, &there) == 0 && S_ISDIR(there.st_mode) ? 0 : -ENOTDIR;
        if (error != 0)
            return say_error(path, error);
        *at = saved;
        at += strspn(at, "/");
    }
    return 0;
}

int command_mkdir(struct cli *cli, int count, char **operands)
{
    int code = 0;
    for (int i = 0; i < count && !server_lost(); i++)
        code |= given(cli, OPTION_PARENTS)
                    ? make_parents(cli, operands[i])
                    : done(operands[i], wt_mkdir(cli->session, operands[i], 0777));
    return code;
}

int command_rmdir(struct cli *cli, int count, char **operands)
{
    int code = 0;
    for (int i = 0; i < count && !server_lost(); i++)
        code |= done(operands[i], wt_rmdir(cli->session, operands[i]));
    return code;
}

int command_ln(struct cli *cli, int count, char **operands)
{
    (void)count;
    char *link = inside(cli, operands[1], operands[0]);
    int error = given(cli, OPTION_SYMBOLIC) ? wt_symlink(cli->session, operands[0], link)
                                            : wt_link(cli->session, operands[0], link);
    /* A hard link fails for the target's sake as often as for the link's: name the one that is missing. */
    int code = done(error == -ENOENT && !given(cli, OPTION_SYMBOLIC) ? operands[0] : link, error);
    free(link);
    return code;
}

int look_chmod(struct cli *cli, int count, char **operands)
{
    (void)cli, (void)count;
    mode_t mode;
    return parse_mode(operands[0], 0, 0, &mode)
               ? 0
               : say_usage("chmod: `%s' is not a mode", operands[0]);
}

int command_chmod(struct cli *cli, int count, char **operands)
{
    mode_t umask_bits = umask(0), mode = 0;
    int code = 0;

    umask(umask_bits);
    for (int i = 1; i < count && !server_lost(); i++) {
        struct stat status = {0};
        /* Only a symbolic mode needs the old one. */
        int error = operands[0][0] >= '0' && operands[0][0] <= '7'
                        ? 0
                        : wt_stat(cli->session, operands[i], &status);
        if (error == 0 && parse_mode(operands[0], status.st_mode, umask_bits, &mode))
            error = wt_chmod(cli->session, operands[i], mode);
        code |= done(operands[i], error);
    }
    return code;
}

int command_chown(struct cli *cli, int count, char **operands)
{
    uid_t uid;
    gid_t gid;
    int code = 0;
    const char *wrong = parse_owner(operands[0], &uid, &gid);

    if (wrong != NULL)
        return say_failure(operands[0], "%s", wrong);
    for (int i = 1; i < count && !server_lost(); i++)
        code |= done(operands[i], wt_chown(cli->session, operands[i], uid, gid));
    return code;
}

int look_truncate(struct cli *cli, int count, char **operands)
{
    (void)count, (void)operands;
    return given(cli, OPTION_LENGTH) ? 0 : say_usage("truncate: -s SIZE is missing");
}

int command_truncate(struct cli *cli, int count, char **operands)
{
    int code = 0;

    for (int i = 0; i < count && !server_lost(); i++) {
        int handle = wt_open(cli->session, operands[i], O_WRONLY | O_CREAT, 0666);
        int error =
            handle < 0 ? handle : wt_ftruncate(cli->session, handle, (off_t)cli->size_bytes);
        if (handle >= 0) {
            int closed = wt_close(cli->session, handle);
            error = error != 0 ? error : closed;
        }
        code |= done(operands[i], error);
    }
    return code;
}
