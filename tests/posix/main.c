/*
 * main.c - runs each case on ext4 and on wt and compares what they wrote.
 *
 *   posix DIR [PATTERN] [--show]     DIR: an empty directory on ext4; WT_SOCKET: the server
 *
 * A line a case: ok, not ok with the first lines that differ, or skip. --show prints the transcripts.
 */
#include <fnmatch.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tests/posix/fs.h"

#define EXT4_MAGIC 0xef53

/* Alice is whoever runs this when that is not root; then the cases of many users are skipped. */
struct fs_identity fs_identities[FS_USERS] = {
    [ALICE] = {"alice", 65534, 65534},
    [BOB] = {"bob", 61002, 61002},
    [EVE] = {"eve", 61003, 61003},
    [ROOT] = {"root", 0, 0},
};

static struct fs kernel, wt;
static struct fs_case *first, **last = &first;
static bool is_root, shows, failed;

void fs_case_add(struct fs_case *one)
{
    *last = one;
    last = &one->next;
}

/* The effective ids are what both the kernel and SO_PEERCRED go by; the real one stays root to come back. */
int fs_identity_take(enum fs_user user)
{
    if (!is_root)
        return user == ALICE ? 0 : -EPERM;
    const gid_t shared = FS_SHARED_GROUP;
    if (seteuid(0) < 0 || setgroups(user == ALICE || user == BOB, &shared) < 0 ||
        setegid(fs_identities[user].gid) < 0 || seteuid(fs_identities[user].uid) < 0)
        return -errno;
    return 0;
}

/* A fresh directory for the case, Alice's. */
static int prepare(struct fs *f, const char *top, const char *theme, const char *name)
{
    enum fs_user maker = is_root ? ROOT : ALICE;
    f->umask = 022;
    f->user = ALICE;
    f->transcript_bytes = 0;
    f->handle_count = 0;
    f->skipped = NULL;
    snprintf(f->prefix, sizeof(f->prefix), "%s/%s.%s", top, theme, name);
    int result = f->side->become(f, maker);
    if (result == 0)
        result = f->side->mkdirat(f, FS_ROOT, f->prefix, 0755);
    if (result == 0 && is_root)
        result = f->side == &fs_wt
                     ? wt_chown(f->session, f->prefix, fs_identities[ALICE].uid,
                                fs_identities[ALICE].gid)
                     : chown(f->prefix, fs_identities[ALICE].uid, fs_identities[ALICE].gid);
    return result < 0 ? result : f->side->become(f, ALICE);
}

static int run_on(struct fs *f, const char *top, const struct fs_case *one)
{
    int result = prepare(f, top, one->theme, one->name);
    if (result < 0)
        return result;
    if (f->side == &fs_kernel && chdir(f->prefix) < 0)
        return -errno;
    one->run(f);
    for (int i = 0; i < f->handle_count; i++)
        if (f->handles[i].handle >= 0) {
            f->handle_session = f->handles[i].session;
            f->side->close(f, f->handles[i].handle);
        }
    fs_say(f, "end");
    return 0;
}

/* The next line of a transcript, without its end; NULL at the end. */
static char *next_line(char **rest)
{
    char *line = *rest;
    if (!*line)
        return NULL;
    char *end = strchr(line, '\n');
    *end = 0;
    *rest = end + 1;
    return line;
}

static bool equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* The row of the table that allows these two lines, or NULL. */
static const struct fs_difference *allowed(const char *name, const char *on_kernel,
                                           const char *on_wt)
{
    for (unsigned i = 0; i < fs_difference_count; i++) {
        const struct fs_difference *row = &fs_differences[i];
        if (strcmp(row->name, name) == 0 && equal(row->kernel, on_kernel) && equal(row->wt, on_wt))
            return row;
    }
    return NULL;
}

static unsigned rows_of(const char *name)
{
    unsigned count = 0;
    for (unsigned i = 0; i < fs_difference_count; i++)
        count += strcmp(fs_differences[i].name, name) == 0;
    return count;
}

static void bad(const char *name, const char *reason, const char *on_kernel, const char *on_wt)
{
    failed = true;
    printf("not ok %s - %s: ext4 `%s', wt `%s'\n", name, reason, on_kernel ? on_kernel : "(end)",
           on_wt ? on_wt : "(end)");
}

static void compare(const char *name)
{
    char *kernel_rest = kernel.transcript, *wt_rest = wt.transcript;
    const struct fs_difference *seen[16];
    unsigned seen_count = 0;
    for (;;) {
        char *on_kernel = next_line(&kernel_rest), *on_wt = next_line(&wt_rest);
        if (!on_kernel && !on_wt)
            break;
        if (equal(on_kernel, on_wt))
            continue;
        const struct fs_difference *row = allowed(name, on_kernel, on_wt);
        if (!row) {
            bad(name, "differs", on_kernel, on_wt);
            return;
        }
        bool known = false;
        for (unsigned i = 0; i < seen_count; i++)
            known |= seen[i] == row;
        if (!known && seen_count < 16)
            seen[seen_count++] = row;
    }
    /* A row that nothing needs any more is a claim that is not true. */
    if (seen_count != rows_of(name))
        bad(name, "a difference is listed and was not seen", "", "");
    else
        printf("ok %s\n", name);
}

static void run_case(const char *top, const struct fs_case *one)
{
    char name[128];
    snprintf(name, sizeof(name), "%s/%s", one->theme, one->name);
    if (one->needs_root && !is_root) {
        printf("skip %s - it plays several users and needs root\n", name);
        return;
    }
    int on_kernel = run_on(&kernel, top, one), on_wt = run_on(&wt, "", one);
    if (on_kernel < 0 || on_wt < 0) {
        failed = true;
        printf("not ok %s - no directory: ext4 %s, wt %s\n", name, strerror(-on_kernel),
               strerror(-on_wt));
        return;
    }
    if (shows)
        printf("---- %s on ext4\n%s---- on wt\n%s", name, kernel.transcript, wt.transcript);
    if (kernel.skipped)
        printf("skip %s - %s\n", name, kernel.skipped);
    else
        compare(name);
}

/* A row must name a case that there is. */
static void check_table(void)
{
    for (unsigned i = 0; i < fs_difference_count; i++) {
        bool found = false;
        for (const struct fs_case *one = first; one; one = one->next) {
            char name[128];
            snprintf(name, sizeof(name), "%s/%s", one->theme, one->name);
            found |= strcmp(name, fs_differences[i].name) == 0;
        }
        if (!found) {
            failed = true;
            printf("not ok differences/%s - there is no such case\n", fs_differences[i].name);
        }
    }
}

int main(int argc, char **argv)
{
    const char *top = argc > 1 ? argv[1] : NULL, *pattern = "*";
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--show") == 0)
            shows = true;
        else
            pattern = argv[i];
    }
    struct statfs fs;
    if (!top || statfs(top, &fs) < 0) {
        fprintf(stderr, "usage: posix DIR [PATTERN] [--show]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    is_root = geteuid() == 0;
    if (!is_root)
        fs_identities[ALICE] = (struct fs_identity){"alice", geteuid(), getegid()};
    bool is_ext4 = fs.f_type == EXT4_MAGIC;
    kernel.side = &fs_kernel;
    wt.side = &fs_wt;
    check_table();
    for (const struct fs_case *one = first; one; one = one->next) {
        char name[128];
        snprintf(name, sizeof(name), "%s/%s", one->theme, one->name);
        if (fnmatch(pattern, name, 0) != 0)
            continue;
        if (is_ext4)
            run_case(top, one);
        else
            printf("skip %s - %s is not on ext4\n", name, top);
    }
    for (unsigned i = 0; i < wt.session_count; i++)
        wt_disconnect(wt.sessions[i].session);
    free(kernel.transcript);
    free(wt.transcript);
    return failed;
}
