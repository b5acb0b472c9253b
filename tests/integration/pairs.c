/*
 * pairs.c - every call on names, on every path and pair of paths of a small tree, as an ordinary user: on wt and
 * on the kernel's file system. Result, errno, and what became of the tree (types, modes, owners, links, which
 * inodes' mtime and ctime moved) must be the same.
 *
 *   pairs DIRECTORY STEP [OFFSET]     DIRECTORY is on ext4; every STEPth pair of paths and, of calls with one
 *                                     path, every (STEP / 25)th path, both from OFFSET
 *
 * PAIRS_CALL in the environment: only that call, by its name in `calls`.
 *
 * Needs root, which makes the tree; the calls are alice's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "include/wt.h"

#define ALICE         1000u
#define ALICES_GROUP  100u
#define ANOTHER_GROUP 101u
#define ENTRIES_MAX   64
/* 255 bytes: set at start. */
static char longest_name[256], too_long_name[257];

enum side { KERNEL, WT };

static struct wt *root_session, *alice_session;
static int kernel_base, root_base, alice_base; /* handles of the base directory */

/* Who calls. Only the kernel has to be told. */
static bool is_alice;

static void become(bool alice)
{
    static const gid_t groups[] = {ALICES_GROUP};
    if (alice == is_alice)
        return;
    int bad = seteuid(0);
    bad |= setgroups(alice ? 1 : 0, groups) | setegid(alice ? ALICE : 0);
    bad |= alice ? seteuid(ALICE) : 0;
    if (bad) {
        perror("pairs: changing the user");
        exit(1);
    }
    is_alice = alice;
}

static struct wt *session(void)
{
    return is_alice ? alice_session : root_session;
}

static int base(void)
{
    return is_alice ? alice_base : root_base;
}

static int told(int result)
{
    return result < 0 ? -errno : result;
}

/* ---- the calls ---------------------------------------------------------------------------------- */

static int do_open(enum side side, const char *path, int flags)
{
    int result = side == KERNEL ? told(openat(kernel_base, path, flags, 0666))
                                : wt_openat(session(), base(), path, flags, 0666);
    if (result < 0)
        return result;
    if (side == KERNEL)
        close(result);
    else
        wt_close(session(), result);
    return 0;
}

static int do_write(enum side side, const char *path)
{
    int result = side == KERNEL ? told(openat(kernel_base, path, O_WRONLY))
                                : wt_openat(session(), base(), path, O_WRONLY, 0);
    if (result < 0)
        return result;
    int handle = result;
    if (side == KERNEL) {
        result = told((int)pwrite(handle, "x", 1, 0));
        close(handle);
    } else {
        result = (int)wt_pwrite(session(), handle, "x", 1, 0);
        wt_close(session(), handle);
    }
    return result;
}

static int do_truncate(enum side side, const char *path)
{
    int result = side == KERNEL ? told(openat(kernel_base, path, O_WRONLY))
                                : wt_openat(session(), base(), path, O_WRONLY, 0);
    if (result < 0)
        return result;
    int handle = result;
    if (side == KERNEL) {
        result = told(ftruncate(handle, 10));
        close(handle);
    } else {
        result = wt_ftruncate(session(), handle, 10);
        wt_close(session(), handle);
    }
    return result;
}

static int do_mkdir(enum side side, const char *path, unsigned mode)
{
    return side == KERNEL ? told(mkdirat(kernel_base, path, mode))
                          : wt_mkdirat(session(), base(), path, mode);
}

static int do_unlink(enum side side, const char *path, int flags)
{
    return side == KERNEL ? told(unlinkat(kernel_base, path, flags))
                          : wt_unlinkat(session(), base(), path, flags);
}

static int do_symlink(enum side side, const char *target, const char *path)
{
    return side == KERNEL ? told(symlinkat(target, kernel_base, path))
                          : wt_symlinkat(session(), target, base(), path);
}

static int do_chmod(enum side side, const char *path, unsigned mode)
{
    return side == KERNEL ? told(fchmodat(kernel_base, path, mode, 0))
                          : wt_fchmodat(session(), base(), path, mode, 0);
}

static int do_chown(enum side side, const char *path, uid_t uid, gid_t gid, int flags)
{
    return side == KERNEL ? told(fchownat(kernel_base, path, uid, gid, flags))
                          : wt_fchownat(session(), base(), path, uid, gid, flags);
}

static int do_utimens(enum side side, const char *path, const struct timespec *times, int flags)
{
    return side == KERNEL ? told(utimensat(kernel_base, path, times, flags))
                          : wt_utimensat(session(), base(), path, times, flags);
}

static int do_stat(enum side side, const char *path, struct stat *st, int flags)
{
    return side == KERNEL ? told(fstatat(kernel_base, path, st, flags))
                          : wt_fstatat(session(), base(), path, st, flags);
}

static int do_readlink(enum side side, const char *path, char *target, size_t bytes)
{
    return side == KERNEL ? told((int)readlinkat(kernel_base, path, target, bytes))
                          : (int)wt_readlinkat(session(), base(), path, target, bytes);
}

static int do_rename(enum side side, const char *from, const char *to, unsigned flags)
{
    return side == KERNEL
               ? told((int)syscall(SYS_renameat2, kernel_base, from, kernel_base, to, flags))
               : wt_renameat(session(), base(), from, base(), to, flags);
}

static int do_link(enum side side, const char *from, const char *to, int flags)
{
    return side == KERNEL ? told(linkat(kernel_base, from, kernel_base, to, flags))
                          : wt_linkat(session(), base(), from, base(), to, flags);
}

/* ---- the tree ------------------------------------------------------------------------------------ */

static const struct item {
    const char *path, *target; /* of a symlink, or what it is another name of */
    unsigned mode;             /* with its type; 0: a second name */
    uid_t uid;
    gid_t gid;
} tree[] = {
    {"f", NULL, S_IFREG | 0644, ALICE, ALICE},
    {"g", NULL, S_IFREG | 0640, ALICE, ALICE},
    {"h", "f", 0, 0, 0},
    {"id", NULL, S_IFREG | 06755, ALICE, ALICE},
    {"rootf", NULL, S_IFREG | 0644, 0, 0},
    {"rootw", NULL, S_IFREG | 0666, 0, 0},
    {"rootg", NULL, S_IFREG | 02760, 0, ALICES_GROUP},
    {"d", NULL, S_IFDIR | 0755, ALICE, ALICE},
    {"d/x", NULL, S_IFREG | 0644, ALICE, ALICE},
    {"d/e", NULL, S_IFDIR | 0755, ALICE, ALICE},
    {"d/e/y", NULL, S_IFREG | 0644, ALICE, ALICE},
    {"d/n", NULL, S_IFDIR | 0755, ALICE, ALICE},
    {"e", NULL, S_IFDIR | 0755, ALICE, ALICE},
    {"lf", "f", S_IFLNK | 0777, ALICE, ALICE},
    {"ld", "d", S_IFLNK | 0777, ALICE, ALICE},
    {"le", "e/", S_IFLNK | 0777, ALICE, ALICE},
    {"lx", "f/", S_IFLNK | 0777, ALICE, ALICE},
    {"dangling", "nothing", S_IFLNK | 0777, ALICE, ALICE},
    {"dangles", "nothing/", S_IFLNK | 0777, ALICE, ALICE},
    {"loop", "loop", S_IFLNK | 0777, ALICE, ALICE},
    {"priv", NULL, S_IFDIR | 0700, 0, 0},
    {"priv/f", NULL, S_IFREG | 0666, ALICE, ALICE},
    {"ro", NULL, S_IFDIR | 0755, 0, 0},
    {"ro/f", NULL, S_IFREG | 0644, ALICE, ALICE},
    {"ro/d", NULL, S_IFDIR | 0755, ALICE, ALICE},
    {"st", NULL, S_IFDIR | 01777, 0, 0},
    {"st/rf", NULL, S_IFREG | 0666, 0, 0},
    {"st/af", NULL, S_IFREG | 0666, ALICE, ALICE},
    {"st/rd", NULL, S_IFDIR | 0755, 0, 0},
    {"sg", NULL, S_IFDIR | 02775, ALICE, ALICES_GROUP},
    {"sr", NULL, S_IFDIR | 02777, 0, ANOTHER_GROUP},
    {"nox", NULL, S_IFDIR | 0600, ALICE, ALICE},
    {"nox/f", NULL, S_IFREG | 0666, ALICE, ALICE},
    {"wd", NULL, S_IFDIR | 0777, 0, 0},
    {"wd/rd", NULL, S_IFDIR | 0755, 0, 0},
};
#define TREE_ITEMS (sizeof(tree) / sizeof(tree[0]))

static const char *const paths[] = {
    "f",       "h",          "id",      "rootf",       "rootw",       "rootg",
    "d",       "d/e",        "d/n",     "d/e/y",       "e",           "lf",
    "ld",      "le",         "lx",      "dangling",    "dangles",     "loop",
    "priv/f",  "ro/f",       "ro/d",    "ro/new",      "st/rf",       "st/af",
    "st/rd",   "st/new",     "sg",      "sg/new",      "sr/new",      "nox/f",
    "nox/new", "wd/rd",      "wd/new",  "none",        "none/",       "none/x",
    "f/",      "f/x",        "f/.",     "f/..",        "d/",          "e/",
    "d//x",    "d/.",        "d/..",    "e/.",         "e/..",        ".",
    "..",      "",           "lf/",     "ld/",         "ld/x",        "dangling/",
    "loop/x",  "dangling/x", "d/e/new", longest_name,  too_long_name, "priv",
    "ro",      "st",         "/",       "d/none/../x",
};
#define PATHS (sizeof(paths) / sizeof(paths[0]))

static void must(int result, const char *what, const char *path)
{
    if (result < 0) {
        printf("not ok pairs-tree - %s %s: %s\n", what, path, strerror(-result));
        exit(1);
    }
}

static void make_item(enum side side, const struct item *item)
{
    if (item->mode == 0) {
        must(do_link(side, item->target, item->path, 0), "link", item->path);
        return;
    }
    if (S_ISDIR(item->mode))
        must(do_mkdir(side, item->path, 0700), "mkdir", item->path);
    else if (S_ISLNK(item->mode))
        must(do_symlink(side, item->target, item->path), "symlink", item->path);
    else
        must(do_open(side, item->path, O_RDWR | O_CREAT | O_EXCL), "open", item->path);
    must(do_chown(side, item->path, item->uid, item->gid, AT_SYMLINK_NOFOLLOW), "chown",
         item->path);
    if (!S_ISLNK(item->mode))
        must(do_chmod(side, item->path, item->mode & 07777), "chmod", item->path);
}

static const struct timespec long_ago[2] = {{.tv_sec = 1000000}, {.tv_sec = 2000000}};

static void make_tree(enum side side)
{
    for (size_t i = 0; i < TREE_ITEMS; i++)
        make_item(side, &tree[i]);
    for (size_t i = 0; i < TREE_ITEMS; i++)
        must(do_utimens(side, tree[i].path, long_ago, AT_SYMLINK_NOFOLLOW), "utimens",
             tree[i].path);
    must(do_utimens(side, ".", long_ago, 0), "utimens", ".");
}

/* ---- what is there --------------------------------------------------------------------------------- */

struct seen {
    struct stat st;
    char path[300], target[64];
};

struct snapshot {
    int count;
    struct seen seen[ENTRIES_MAX];
};

static void look(enum side side, struct snapshot *snapshot, const char *path);

static int by_path(const void *one, const void *two)
{
    return strcmp(((const struct seen *)one)->path, ((const struct seen *)two)->path);
}

static void look_below(enum side side, struct snapshot *snapshot, const char *path,
                       const char *name)
{
    char below[600];
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return;
    snprintf(below, sizeof(below), "%s%s%s", strcmp(path, ".") ? path : "",
             strcmp(path, ".") ? "/" : "", name);
    look(side, snapshot, below);
}

static void look_into(enum side side, struct snapshot *snapshot, const char *path)
{
    if (side == KERNEL) {
        DIR *dir = fdopendir(openat(kernel_base, path, O_RDONLY | O_DIRECTORY));
        struct dirent *entry;
        while (dir && (entry = readdir(dir)))
            look_below(side, snapshot, path, entry->d_name);
        if (dir)
            closedir(dir);
        return;
    }
    int handle = wt_openat(root_session, root_base, path, O_RDONLY | O_DIRECTORY, 0);
    struct wt_dir *dir;
    struct wt_dirent entry;
    must(wt_fdopendir(root_session, handle, &dir), "opendir", path);
    while (wt_readdir(dir, &entry) == 1)
        look_below(side, snapshot, path, entry.name);
    wt_closedir(dir);
    wt_close(root_session, handle);
}

static void look(enum side side, struct snapshot *snapshot, const char *path)
{
    if (snapshot->count == ENTRIES_MAX)
        return;
    struct seen *seen = &snapshot->seen[snapshot->count++];
    snprintf(seen->path, sizeof(seen->path), "%s", path);
    memset(seen->target, 0, sizeof(seen->target));
    must(do_stat(side, path, &seen->st, AT_SYMLINK_NOFOLLOW), "stat", path);
    if (S_ISLNK(seen->st.st_mode))
        must(do_readlink(side, path, seen->target, sizeof(seen->target) - 1), "readlink", path);
    if (S_ISDIR(seen->st.st_mode))
        look_into(side, snapshot, path);
}

static void take(enum side side, struct snapshot *snapshot)
{
    become(false);
    snapshot->count = 0;
    look(side, snapshot, ".");
    qsort(snapshot->seen, (size_t)snapshot->count, sizeof(snapshot->seen[0]), by_path);
}

static bool moved(struct timespec before, struct timespec after)
{
    return before.tv_sec != after.tv_sec || before.tv_nsec != after.tv_nsec;
}

/* One entry as text that must be the same on both sides; '+' was not there, m and c: those times moved. */
static void describe(const struct snapshot *before, const struct seen *seen, char *text,
                     size_t bytes)
{
    const struct stat *st = &seen->st, *old = NULL;
    for (int i = 0; i < before->count && !old; i++) {
        if (before->seen[i].st.st_ino == st->st_ino)
            old = &before->seen[i].st;
    }
    snprintf(text, bytes, "%.40s %o %u:%u links %u size %lld %s %s%s%s", seen->path, st->st_mode,
             st->st_uid, st->st_gid, (unsigned)st->st_nlink,
             S_ISDIR(st->st_mode) ? 0LL : (long long)st->st_size, seen->target, old ? "" : "+",
             old && moved(old->st_mtim, st->st_mtim) ? "m" : "",
             old && moved(old->st_ctim, st->st_ctim) ? "c" : "");
}

/* ---- the questions --------------------------------------------------------------------------------- */

#define UTIME(a, m)                      \
    {                                    \
        {.tv_sec = 77, .tv_nsec = (a)},  \
        {                                \
            .tv_sec = 78, .tv_nsec = (m) \
        }                                \
    }
static const struct timespec explicit_times[2] = UTIME(1, 2),
                             now_and_omit[2] = UTIME(UTIME_NOW, UTIME_OMIT),
                             both_omitted[2] = UTIME(UTIME_OMIT, UTIME_OMIT);

enum kind {
    OPEN,
    WRITE,
    TRUNCATE,
    MKDIR,
    UNLINK,
    STAT,
    READLINK,
    CHMOD,
    CHOWN,
    UTIMENS,
    SYMLINK,
    RENAME,
    LINK
};

static const struct call {
    const char *name;
    enum kind kind;
    int flags;
    unsigned argument, argument2;
    const struct timespec *times;
} calls[] = {
    {"open RDONLY", OPEN, O_RDONLY, 0, 0, NULL},
    {"open WRONLY", OPEN, O_WRONLY, 0, 0, NULL},
    {"open RDWR", OPEN, O_RDWR, 0, 0, NULL},
    {"open RDONLY TRUNC", OPEN, O_RDONLY | O_TRUNC, 0, 0, NULL},
    {"open CREAT", OPEN, O_RDWR | O_CREAT, 0, 0, NULL},
    {"open RDONLY CREAT", OPEN, O_RDONLY | O_CREAT, 0, 0, NULL},
    {"open CREAT TRUNC", OPEN, O_RDWR | O_CREAT | O_TRUNC, 0, 0, NULL},
    {"open CREAT EXCL", OPEN, O_RDWR | O_CREAT | O_EXCL, 0, 0, NULL},
    {"open CREAT NOFOLLOW", OPEN, O_RDWR | O_CREAT | O_NOFOLLOW, 0, 0, NULL},
    {"open CREAT DIRECTORY", OPEN, O_RDONLY | O_CREAT | O_DIRECTORY, 0, 0, NULL},
    {"open DIRECTORY", OPEN, O_RDONLY | O_DIRECTORY, 0, 0, NULL},
    {"open DIRECTORY RDWR", OPEN, O_RDWR | O_DIRECTORY, 0, 0, NULL},
    {"open NOFOLLOW", OPEN, O_RDONLY | O_NOFOLLOW, 0, 0, NULL},
    {"open NOFOLLOW DIRECTORY", OPEN, O_RDONLY | O_NOFOLLOW | O_DIRECTORY, 0, 0, NULL},
    {"open TMPFILE", OPEN, O_RDWR | O_TMPFILE, 0, 0, NULL},
    {"write", WRITE, 0, 0, 0, NULL},
    {"truncate", TRUNCATE, 0, 0, 0, NULL},
    {"mkdir", MKDIR, 0, 0777, 0, NULL},
    {"mkdir setgid", MKDIR, 0, 07777, 0, NULL},
    {"unlink", UNLINK, 0, 0, 0, NULL},
    {"rmdir", UNLINK, AT_REMOVEDIR, 0, 0, NULL},
    {"stat", STAT, 0, 0, 0, NULL},
    {"lstat", STAT, AT_SYMLINK_NOFOLLOW, 0, 0, NULL},
    {"readlink", READLINK, 0, 0, 0, NULL},
    {"chmod 0600", CHMOD, 0, 0600, 0, NULL},
    {"chmod 07777", CHMOD, 0, 07777, 0, NULL},
    {"chown to itself", CHOWN, 0, ALICE, ALICE, NULL},
    {"chown -1 -1", CHOWN, 0, -1u, -1u, NULL},
    {"chown to its group", CHOWN, 0, -1u, ALICES_GROUP, NULL},
    {"chown to another group", CHOWN, 0, -1u, ANOTHER_GROUP, NULL},
    {"chown to root", CHOWN, 0, 0, -1u, NULL},
    {"lchown", CHOWN, AT_SYMLINK_NOFOLLOW, ALICE, ALICES_GROUP, NULL},
    {"utimens now", UTIMENS, 0, 0, 0, NULL},
    {"utimens explicit", UTIMENS, 0, 0, 0, explicit_times},
    {"utimens explicit nofollow", UTIMENS, AT_SYMLINK_NOFOLLOW, 0, 0, explicit_times},
    {"utimens now and omit", UTIMENS, 0, 0, 0, now_and_omit},
    {"utimens omit", UTIMENS, 0, 0, 0, both_omitted},
    {"symlink", SYMLINK, 0, 0, 0, NULL},
    {"rename", RENAME, 0, 0, 0, NULL},
    {"rename NOREPLACE", RENAME, 0, RENAME_NOREPLACE, 0, NULL},
    {"rename EXCHANGE", RENAME, 0, RENAME_EXCHANGE, 0, NULL},
    {"rename both", RENAME, 0, RENAME_EXCHANGE | RENAME_NOREPLACE, 0, NULL},
    {"link", LINK, 0, 0, 0, NULL},
    {"link FOLLOW", LINK, AT_SYMLINK_FOLLOW, 0, 0, NULL},
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

static int ask(enum side side, const struct call *call, const char *one, const char *two)
{
    struct stat st;
    char target[64];
    switch (call->kind) {
    case OPEN:
        return do_open(side, one, call->flags);
    case WRITE:
        return do_write(side, one);
    case TRUNCATE:
        return do_truncate(side, one);
    case MKDIR:
        return do_mkdir(side, one, call->argument);
    case UNLINK:
        return do_unlink(side, one, call->flags);
    case STAT:
        return do_stat(side, one, &st, call->flags);
    case READLINK:
        return do_readlink(side, one, target, sizeof(target));
    case CHMOD:
        return do_chmod(side, one, call->argument);
    case CHOWN:
        return do_chown(side, one, call->argument, call->argument2, call->flags);
    case UTIMENS:
        return do_utimens(side, one, call->times, call->flags);
    case SYMLINK:
        return do_symlink(side, "target", one);
    case RENAME:
        return do_rename(side, one, two, call->argument);
    default:
        return do_link(side, one, two, call->flags);
    }
}

/* ---- asking both ------------------------------------------------------------------------------------ */

static unsigned asked, differences;
static bool hardlinks_protected;

static void differ(const struct call *call, const char *one, const char *two, const char *kernel,
                   const char *wt)
{
    differences++;
    if (differences <= 400)
        fprintf(stderr, "%s(%.20s%s%.20s): kernel: %s; wt: %s\n", call->name, one,
                two[0] ? ", " : "", two, kernel, wt);
}

static void compare_trees(const struct call *call, const char *one, const char *two,
                          const struct snapshot before[2])
{
    static struct snapshot after[2];
    for (enum side side = KERNEL; side <= WT; side++)
        take(side, &after[side]);
    char kernel[512], wt[512];
    for (int i = 0; i < after[KERNEL].count || i < after[WT].count; i++) {
        snprintf(kernel, sizeof(kernel), "nothing");
        snprintf(wt, sizeof(wt), "nothing");
        if (i < after[KERNEL].count)
            describe(&before[KERNEL], &after[KERNEL].seen[i], kernel, sizeof(kernel));
        if (i < after[WT].count)
            describe(&before[WT], &after[WT].seen[i], wt, sizeof(wt));
        if (strcmp(kernel, wt) != 0) {
            differ(call, one, two, kernel, wt);
            return;
        }
    }
}

/* What wt answers differently on purpose. */
static bool may_differ(const struct call *call, const char *one, const char *two, int wt)
{
    /* libwt looks whether a path is empty before anything else. */
    if (wt == -ENOENT && (one[0] == '\0' || (two[0] == '\0' && call->kind >= RENAME)))
        return true;
    /* wt always refuses what the sysctl protected_hardlinks does. */
    return call->kind == LINK && wt == -EPERM && !hardlinks_protected;
}

static struct snapshot fresh[2];
static bool is_fresh;
static unsigned round_number;

static void begin_round(const char *directory)
{
    char path[4096], name[32];
    become(false);
    if (kernel_base > 0)
        close(kernel_base);
    if (root_base >= 0)
        wt_close(root_session, root_base);
    if (alice_base >= 0)
        wt_close(alice_session, alice_base);
    snprintf(name, sizeof(name), "t%u", round_number++);
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    must(told(mkdir(path, 0777)), "mkdir", path);
    must(wt_mkdir(root_session, name, 0777), "mkdir", name);
    must(kernel_base = told(open(path, O_RDONLY | O_DIRECTORY)), "open", path);
    must(root_base = wt_open(root_session, name, O_RDONLY | O_DIRECTORY, 0), "open", name);
    must(alice_base = wt_open(alice_session, name, O_RDONLY | O_DIRECTORY, 0), "open", name);
    for (enum side side = KERNEL; side <= WT; side++) {
        must(do_chmod(side, ".", 0777), "chmod", ".");
        make_tree(side);
        take(side, &fresh[side]);
    }
    is_fresh = true;
}

static void remove_tree(void)
{
    become(false);
    static struct snapshot all[2];
    for (enum side side = KERNEL; side <= WT; side++) {
        take(side, &all[side]);
        for (int i = all[side].count - 1; i >= 0; i--) {
            const struct seen *seen = &all[side].seen[i];
            if (strcmp(seen->path, ".") != 0)
                must(do_unlink(side, seen->path, S_ISDIR(seen->st.st_mode) ? AT_REMOVEDIR : 0),
                     "remove", seen->path);
        }
    }
    is_fresh = false;
}

static void ask_both(const char *directory, const struct call *call, const char *one,
                     const char *two)
{
    if (!is_fresh)
        begin_round(directory);
    become(true);
    int kernel = ask(KERNEL, call, one, two), wt = ask(WT, call, one, two);
    asked++;
    bool changed = (kernel >= 0 || wt >= 0) && call->kind != STAT && call->kind != READLINK;
    if (kernel != wt) {
        if (!may_differ(call, one, two, wt))
            differ(call, one, two, kernel < 0 ? strerrorname_np(-kernel) : "done",
                   wt < 0 ? strerrorname_np(-wt) : "done");
    } else if (changed) {
        compare_trees(call, one, two, fresh);
    }
    if (changed)
        remove_tree();
}

static void ask_all(const char *directory, unsigned step, unsigned offset)
{
    const char *only = getenv("PAIRS_CALL");
    unsigned single_step = step < 50 ? 1 : step / 25;
    for (size_t c = 0; c < CALLS; c++) {
        bool pairs = calls[c].kind == RENAME || calls[c].kind == LINK;
        if (only && strcmp(only, calls[c].name) != 0)
            continue;
        for (size_t i = 0; i < (pairs ? PATHS * PATHS : PATHS); i++) {
            const char *one = paths[pairs ? i / PATHS : i];
            if (strcmp(one, "/") == 0 && calls[c].kind != STAT)
                continue; /* the kernel's is not ours to try */
            if (pairs && strcmp(paths[i % PATHS], "/") == 0)
                continue;
            if ((i + offset) % (pairs ? step : single_step) == 0)
                ask_both(directory, &calls[c], one, pairs ? paths[i % PATHS] : "");
        }
    }
}

static void connect_both(void)
{
    struct wt_options options = WT_OPTIONS_INIT;
    options.umask = 0022;
    options.name_level = WT_BEHIND;
    must(wt_connect(NULL, &options, &root_session), "connect", wt_connect_error());
    become(true);
    must(wt_connect(NULL, &options, &alice_session), "connect", wt_connect_error());
    become(false);
    umask(0022);
    root_base = alice_base = -1;
}

int main(int argc, char **argv)
{
    if (argc < 3 || atoi(argv[2]) < 1)
        return 2;
    FILE *file = fopen("/proc/sys/fs/protected_hardlinks", "r");
    hardlinks_protected = file && fgetc(file) == '1';
    if (file)
        fclose(file);
    memset(longest_name, 'n', 255);
    memset(too_long_name, 'n', 256);
    connect_both();
    ask_all(argv[1], (unsigned)atoi(argv[2]), argc > 3 ? (unsigned)atoi(argv[3]) : 0);
    wt_disconnect(alice_session);
    wt_disconnect(root_session);
    printf("%s pairs-%u-calls-are-answered-as-by-the-kernel", differences ? "not ok" : "ok", asked);
    printf(differences ? " - %u differ\n" : "\n", differences);
    return differences > 0;
}
