/*
 * names.c - names through libwt on a running server: calls relative to a directory's handle, calls on a
 * handle's own object, files without a name.
 *
 *   names live          the cases, each a line `ok NAME` or `not ok NAME - what was seen`
 *   names before PID    makes things, then kills the server, PID, with its handles open
 *   names after         looks at what a new server has of them
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "include/wt.h"

static struct wt *session;
static bool failed;   /* any case */
static char why[512]; /* the first thing that was not so in this case */

/* ---- cases ------------------------------------------------------------------------------------ */

__attribute__((format(printf, 1, 2))) static void wrong(const char *format, ...)
{
    if (why[0])
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
}

#define is(call, wanted)                                                                 \
    do {                                                                                 \
        long long got_ = (call), wanted_ = (wanted);                                     \
        if (got_ != wanted_)                                                             \
            wrong("line %d: %s gave %lld, wanted %lld", __LINE__, #call, got_, wanted_); \
    } while (0)

#define is_true(condition)                                      \
    do {                                                        \
        if (!(condition))                                       \
            wrong("line %d: not so: %s", __LINE__, #condition); \
    } while (0)

static void run_case(const char *name, void (*test)(void))
{
    why[0] = '\0';
    test();
    if (why[0]) {
        failed = true;
        printf("not ok %s - %s\n", name, why);
    } else {
        printf("ok %s\n", name);
    }
}

static int directory_at(const char *path)
{
    int handle = wt_open(session, path, O_RDONLY | O_DIRECTORY, 0);
    if (handle < 0)
        wrong("open of %s: %d", path, handle);
    return handle;
}

static int file_at(const char *path)
{
    int handle = wt_open(session, path, O_RDWR | O_CREAT, 0644);
    if (handle < 0)
        wrong("open of %s: %d", path, handle);
    return handle;
}

static struct stat stat_of(const char *path)
{
    struct stat st = {0};
    int rc = wt_lstat(session, path, &st);
    if (rc < 0)
        wrong("stat of %s: %d", path, rc);
    return st;
}

/* ---- relative to a directory ------------------------------------------------------------------- */

static void paths_begin_at_the_directory(void)
{
    is(wt_mkdir(session, "/at", 0755), 0);
    int top = directory_at("/at");
    is(wt_mkdirat(session, top, "sub", 0755), 0);
    int sub = wt_openat(session, top, "sub", O_RDONLY | O_DIRECTORY, 0);
    int file = wt_openat(session, sub, "file", O_RDWR | O_CREAT, 0600);
    is_true(sub >= 0 && file >= 0);
    struct stat st, again;
    is(wt_fstatat(session, sub, "file", &st, 0), 0);
    is(wt_stat(session, "/at/sub/file", &again), 0);
    is(st.st_ino, again.st_ino);
    is(wt_fstatat(session, sub, "../sub/./file", &again, 0), 0);
    is(st.st_ino, again.st_ino);
    is(wt_fstatat(session, sub, "/at", &again, 0), 0);
    is_true(S_ISDIR(again.st_mode));
    is(wt_renameat(session, sub, "file", top, "moved", 0), 0);
    is(wt_fstatat(session, top, "moved", &again, 0), 0);
    is(wt_linkat(session, top, "moved", sub, "link", 0), 0);
    is(wt_symlinkat(session, "../moved", sub, "soft"), 0);
    char target[16];
    is(wt_readlinkat(session, sub, "soft", target, sizeof(target)), 8);
    is(wt_fstatat(session, sub, "soft", &again, 0), 0);
    is(st.st_ino, again.st_ino);
    is(wt_fstatat(session, sub, "soft", &again, AT_SYMLINK_NOFOLLOW), 0);
    is_true(S_ISLNK(again.st_mode));
    is(wt_fchmodat(session, sub, "link", 0640, 0), 0);
    is(stat_of("/at/moved").st_mode & 07777, 0640);
    is(wt_unlinkat(session, sub, "soft", 0), 0);
    is(wt_unlinkat(session, sub, "link", 0), 0);
    is(wt_unlinkat(session, top, "moved", 0), 0);
    is(wt_unlinkat(session, top, "sub", 0), -EISDIR);
    is(wt_unlinkat(session, top, "sub", AT_REMOVEDIR), 0);
    wt_close(session, file);
    wt_close(session, sub);
    wt_close(session, top);
    is(wt_rmdir(session, "/at"), 0);
}

static void a_directory_is_wanted(void)
{
    struct stat st;
    for (int i = 0; i < 4; i++) { /* on every shard */
        char path[16];
        snprintf(path, sizeof(path), "/plain%d", i);
        int file = file_at(path);
        is(wt_fstatat(session, file, "x", &st, 0), -ENOTDIR);
        is(wt_openat(session, file, "x", O_RDONLY, 0), -ENOTDIR);
        is(wt_renameat(session, WT_AT_ROOT, path, file, "x", 0), -ENOTDIR);
        is(wt_renameat(session, WT_AT_ROOT, "/no/thing", file, "x", 0), -ENOENT);
        is(wt_linkat(session, WT_AT_ROOT, path, file, "x", 0), -ENOTDIR);
        is(wt_linkat(session, WT_AT_ROOT, "/nothing", file, "x", 0), -ENOENT);
        is(wt_linkat(session, file, "", file, "x", AT_EMPTY_PATH), -ENOTDIR);
        is(wt_symlinkat(session, "t", file, "x"), -ENOTDIR);
        is(wt_fstatat(session, file, "/", &st, 0), 0);
        struct wt_dir *dir;
        is(wt_fdopendir(session, file, &dir), -ENOTDIR);
        wt_close(session, file);
        is(wt_fstatat(session, file, "x", &st, 0), -EBADF);
        is(wt_unlink(session, path), 0);
    }
    is(wt_mkdirat(session, 12345, "x", 0755), -EBADF);
    is(wt_mkdirat(session, -1, "x", 0755), -EBADF);
    is(wt_mkdirat(session, -1, "", 0755), -ENOENT);
}

static void unknown_flags_are_refused(void)
{
    struct stat st;
    is(wt_fstatat(session, WT_AT_ROOT, "/", &st, 1 << 20), -EINVAL);
    is(wt_unlinkat(session, WT_AT_ROOT, "/x", AT_SYMLINK_NOFOLLOW), -EINVAL);
    is(wt_linkat(session, WT_AT_ROOT, "/x", WT_AT_ROOT, "/y", AT_REMOVEDIR), -EINVAL);
    is(wt_fchmodat(session, WT_AT_ROOT, "/", 0755, AT_SYMLINK_FOLLOW), -EINVAL);
    is(wt_fchownat(session, WT_AT_ROOT, "/", -1u, -1u, AT_REMOVEDIR), -EINVAL);
    is(wt_utimensat(session, WT_AT_ROOT, "/", NULL, AT_REMOVEDIR), -EINVAL);
    is(wt_renameat(session, WT_AT_ROOT, "/x", WT_AT_ROOT, "/y", 1u << 10), -EINVAL);
}

static void a_removed_directory_stays_empty(void)
{
    is(wt_mkdir(session, "/gone", 0755), 0);
    int gone = directory_at("/gone");
    is(wt_rmdir(session, "/gone"), 0);
    struct stat st;
    is(wt_fstatat(session, gone, "x", &st, 0), -ENOENT);
    is(wt_openat(session, gone, "x", O_RDWR | O_CREAT, 0644), -ENOENT);
    is(wt_mkdirat(session, gone, "x", 0755), -ENOENT);
    is(wt_symlinkat(session, "t", gone, "x"), -ENOENT);
    is(wt_fstat(session, gone, &st), 0);
    is(st.st_nlink, 0);
    is(wt_fstatat(session, gone, "", &st, AT_EMPTY_PATH), 0);
    is(wt_fstatat(session, gone, "..", &st, 0), 0);
    int file = file_at("/here");
    is(wt_renameat(session, WT_AT_ROOT, "/here", gone, "x", 0), -ENOENT);
    is(wt_linkat(session, WT_AT_ROOT, "/here", gone, "x", 0), -ENOENT);
    struct wt_dir *dir;
    struct wt_dirent entry;
    is(wt_fdopendir(session, gone, &dir), 0);
    is(wt_readdir(dir, &entry), 0);
    is(wt_closedir(dir), 0);
    is(wt_fsync(session, gone), 0);
    is(wt_close(session, file), 0);
    is(wt_close(session, gone), 0);
    is(wt_unlink(session, "/here"), 0);
}

static void reading_goes_on_after_a_cookie(void)
{
    is(wt_mkdir(session, "/list", 0755), 0);
    int list = directory_at("/list");
    for (int i = 0; i < 20; i++) {
        char name[8];
        snprintf(name, sizeof(name), "f%02d", i);
        wt_close(session, wt_openat(session, list, name, O_WRONLY | O_CREAT, 0644));
    }
    struct wt_dir *dir;
    struct wt_dirent entry, later;
    is(wt_fdopendir(session, list, &dir), 0);
    for (int i = 0; i <= 6; i++)
        is(wt_readdir(dir, &entry), 1);
    for (int i = 0; i < 7; i++)
        is(wt_readdir(dir, &later), 1);
    is(strcmp(entry.name, "f06"), 0);
    is(wt_unlinkat(session, list, "f06", 0), 0);
    wt_seekdir(dir, entry.cookie);
    is(wt_readdir(dir, &later), 1);
    is(strcmp(later.name, "f07"), 0);
    wt_seekdir(dir, 0);
    is(wt_readdir(dir, &later), 1);
    is(strcmp(later.name, "f00"), 0);
    is(wt_closedir(dir), 0);
    for (int i = 0; i < 20; i++) {
        char name[8];
        snprintf(name, sizeof(name), "f%02d", i);
        is(wt_unlinkat(session, list, name, 0), i == 6 ? -ENOENT : 0);
    }
    is(wt_close(session, list), 0);
    is(wt_rmdir(session, "/list"), 0);
}

/* ---- on the handle's own object ----------------------------------------------------------------- */

static void change_object(int handle, const char *path)
{
    struct stat st;
    is(wt_fchmod(session, handle, 0751), 0);
    is(wt_fchown(session, handle, -1u, -1u), 0);
    const struct timespec times[2] = {{.tv_sec = 11, .tv_nsec = 12}, {.tv_sec = 13, .tv_nsec = 14}};
    is(wt_futimens(session, handle, times), 0);
    st = stat_of(path);
    is(st.st_mode & 07777, 0751);
    is(st.st_atim.tv_sec, 11);
    is(st.st_mtim.tv_nsec, 14);
    is(wt_futimens(session, handle, NULL), 0);
    is(wt_fstat(session, handle, &st), 0);
    is_true(st.st_mtim.tv_sec > 1000000000);
    is(wt_fchmodat(session, handle, "", 0700, AT_EMPTY_PATH), 0);
    is(wt_fchmodat(session, handle, NULL, 0701, AT_EMPTY_PATH), 0);
    is(wt_utimensat(session, handle, "", times, AT_EMPTY_PATH), 0);
    is(wt_fchownat(session, handle, "", -1u, -1u, AT_EMPTY_PATH), 0);
    is(stat_of(path).st_mode & 07777, 0701);
}

static void attributes_of_a_handle(void)
{
    is(wt_mkdir(session, "/own", 0755), 0);
    for (int i = 0; i < 4; i++) {
        int file = file_at("/own/file");
        change_object(file, "/own/file");
        is(wt_linkat(session, file, "", WT_AT_ROOT, "/own/other", AT_EMPTY_PATH), 0);
        is(stat_of("/own/other").st_nlink, 2);
        is(wt_unlink(session, "/own/file"), 0);
        is(wt_unlink(session, "/own/other"), 0);
        /* It had a name and lost it. */
        is(wt_linkat(session, file, "", WT_AT_ROOT, "/own/again", AT_EMPTY_PATH), -ENOENT);
        is(wt_fchmod(session, file, 0600), 0);
        is(wt_close(session, file), 0);
        is(wt_fchmod(session, file, 0600), -EBADF);
    }
    int own = directory_at("/own");
    change_object(own, "/own");
    is(wt_linkat(session, own, "", WT_AT_ROOT, "/twice", AT_EMPTY_PATH), -EPERM);
    is(wt_linkat(session, own, "", own, "", AT_EMPTY_PATH), -ENOENT);
    is(wt_close(session, own), 0);
    is(wt_rmdir(session, "/own"), 0);
}

static void link_of_a_symlink(void)
{
    int file = file_at("/target");
    is(wt_symlink(session, "target", "/soft"), 0);
    is(wt_linkat(session, WT_AT_ROOT, "/soft", WT_AT_ROOT, "/itself", 0), 0);
    is(wt_linkat(session, WT_AT_ROOT, "/soft", WT_AT_ROOT, "/followed", AT_SYMLINK_FOLLOW), 0);
    is_true(S_ISLNK(stat_of("/itself").st_mode));
    is_true(S_ISREG(stat_of("/followed").st_mode));
    is(wt_unlink(session, "/itself"), 0);
    is(wt_unlink(session, "/followed"), 0);
    is(wt_unlink(session, "/soft"), 0);
    is(wt_unlink(session, "/target"), 0);
    is(wt_close(session, file), 0);
}

/* ---- files without a name ------------------------------------------------------------------------ */

static uint64_t used_blocks(void)
{
    struct statvfs vfs = {0};
    is(wt_statvfs(session, &vfs), 0);
    return vfs.f_blocks - vfs.f_bfree;
}

static void tmpfile_is_opened_as_linux_does(void)
{
    is(wt_mkdir(session, "/tmp", 0755), 0);
    wt_close(session, file_at("/tmp/file"));
    is(wt_open(session, "/tmp", O_TMPFILE, 0600), -EINVAL);
    is(wt_open(session, "/tmp", O_TMPFILE | O_RDWR | O_CREAT, 0600), -EINVAL);
    is(wt_open(session, "/tmp", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, 0600), -EINVAL);
    is(wt_open(session, "/tmp/file", O_TMPFILE | O_RDWR, 0600), -ENOTDIR);
    is(wt_open(session, "/tmp/none", O_TMPFILE | O_RDWR, 0600), -ENOENT);
    is(wt_open(session, "/tmp", O_PATH, 0), -EOPNOTSUPP);
    is(wt_unlink(session, "/tmp/file"), 0);
    is(wt_rmdir(session, "/tmp"), 0);
}

static void tmpfile_goes_with_its_last_close(void)
{
    static char data[64 << 10];
    uint64_t used = used_blocks();
    for (int i = 0; i < 4; i++) {
        int file = wt_open(session, "/", O_TMPFILE | O_RDWR, 0600);
        struct stat st;
        is_true(file >= 0);
        is(wt_pwrite(session, file, data, sizeof(data), 0), sizeof(data));
        is(wt_fstat(session, file, &st), 0);
        is(st.st_nlink, 0);
        is(st.st_size, sizeof(data));
        is(st.st_mode, S_IFREG | 0600);
        is_true(used_blocks() >= used + 16);
        is(wt_close(session, file), 0);
    }
    /* The data goes after the answer. */
    for (int i = 0; i < 1000 && used_blocks() > used; i++)
        wt_syncfs(session);
    is(used_blocks(), used);
}

static void tmpfile_gets_a_name(void)
{
    int file = wt_open(session, "/", O_TMPFILE | O_WRONLY, 0640);
    struct stat st, named;
    is(wt_pwrite(session, file, "text", 4, 0), 4);
    is(wt_linkat(session, file, "", WT_AT_ROOT, "/named", AT_EMPTY_PATH), 0);
    is(wt_linkat(session, file, "", WT_AT_ROOT, "/named", AT_EMPTY_PATH), -EEXIST);
    is(wt_fstat(session, file, &st), 0);
    named = stat_of("/named");
    is(st.st_nlink, 1);
    is(st.st_ino, named.st_ino);
    is(named.st_size, 4);
    is(wt_close(session, file), 0);
    is(stat_of("/named").st_size, 4);
    is(wt_unlink(session, "/named"), 0);
    file = wt_open(session, "/", O_TMPFILE | O_RDWR | O_EXCL, 0640);
    is_true(file >= 0);
    is(wt_linkat(session, file, "", WT_AT_ROOT, "/named", AT_EMPTY_PATH), -ENOENT);
    is(wt_close(session, file), 0);
}

/* ---- over a crash -------------------------------------------------------------------------------- */

#define DATA_BYTES (1u << 20)

static char data[DATA_BYTES];

/* A number that outlives the server: a symlink's target. */
static void remember(const char *path, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    is(wt_symlink(session, text, path), 0);
}

static uint64_t remembered(const char *path)
{
    char text[24] = "";
    is_true(wt_readlink(session, path, text, sizeof(text) - 1) > 0);
    return strtoull(text, NULL, 10);
}

static uint64_t counter(const char *name)
{
    static char text[64 << 10];
    is_true(wt_stats(session, text, sizeof(text)) > 0);
    char *line = strstr(text, name);
    return line ? strtoull(line + strlen(name), NULL, 10) : 0;
}

static void wait_for_a_checkpoint(void)
{
    uint64_t before = counter("\ncheckpoints ");
    for (unsigned i = 0; i < 200000 && counter("\ncheckpoints ") == before; i++) {
        for (unsigned j = 0; j < 256; j++)
            is(wt_chmod(session, "/", 0755), 0);
    }
    is_true(counter("\ncheckpoints ") > before);
}

static int unnamed_with_data(char letter)
{
    memset(data, letter, sizeof(data));
    int file = wt_open(session, "/", O_TMPFILE | O_RDWR | O_SYNC, 0600);
    is_true(file >= 0);
    is(wt_pwrite(session, file, data, sizeof(data), 0), sizeof(data));
    return file;
}

static uint64_t last_cookie(const char *path)
{
    struct wt_dir *dir;
    struct wt_dirent entry = {0};
    if (wt_opendir(session, path, &dir) < 0)
        return 0;
    while (wt_readdir(dir, &entry) == 1)
        ;
    wt_closedir(dir);
    return entry.cookie;
}

static void before_the_crash(void)
{
    remember("/used", used_blocks());
    int checkpointed = unnamed_with_data('c'), linked = unnamed_with_data('l');
    int lost = unnamed_with_data('x');
    struct stat st;
    is(wt_fstat(session, lost, &st), 0);
    remember("/lost", st.st_ino);
    is(wt_mkdir(session, "/cookies", 0755), 0);
    wt_close(session, file_at("/cookies/one"));
    wt_close(session, file_at("/cookies/two"));
    remember("/cookie", last_cookie("/cookies"));
    is(wt_linkat(session, linked, "", WT_AT_ROOT, "/linked", AT_EMPTY_PATH), 0);
    wait_for_a_checkpoint();
    is(wt_unlink(session, "/cookies/two"), 0);
    is(wt_linkat(session, checkpointed, "", WT_AT_ROOT, "/checkpointed", AT_EMPTY_PATH), 0);
    is(wt_close(session, linked), 0);
}

static bool holds(const char *path, char letter)
{
    static char back[DATA_BYTES];
    memset(data, letter, sizeof(data));
    int file = wt_open(session, path, O_RDONLY, 0);
    bool same = wt_pread(session, file, back, sizeof(back), 0) == sizeof(back) &&
                memcmp(back, data, sizeof(data)) == 0;
    wt_close(session, file);
    return same;
}

static void linked_files_are_there(void)
{
    is_true(holds("/linked", 'l'));
    is_true(holds("/checkpointed", 'c'));
    is(stat_of("/linked").st_nlink, 1);
    is(stat_of("/checkpointed").st_mode, S_IFREG | 0600);
}

static void unnamed_ones_are_gone(void)
{
    uint64_t linked = stat_of("/linked").st_blocks / 8 + stat_of("/checkpointed").st_blocks / 8;
    is(used_blocks(), remembered("/used") + linked);
    int file = file_at("/new");
    is_true(stat_of("/new").st_ino > remembered("/lost"));
    wt_close(session, file);
}

static void cookies_go_on(void)
{
    wt_close(session, file_at("/cookies/three"));
    is_true(last_cookie("/cookies") > remembered("/cookie"));
}

/* ---- parts --------------------------------------------------------------------------------------- */

static void part_live(void)
{
    run_case("at-paths-begin-at-the-directory", paths_begin_at_the_directory);
    run_case("at-a-directory-is-wanted", a_directory_is_wanted);
    run_case("at-unknown-flags-are-refused", unknown_flags_are_refused);
    run_case("at-a-removed-directory-stays-empty", a_removed_directory_stays_empty);
    run_case("readdir-goes-on-after-a-cookie", reading_goes_on_after_a_cookie);
    run_case("handle-attributes", attributes_of_a_handle);
    run_case("linkat-of-a-symlink", link_of_a_symlink);
    run_case("tmpfile-is-opened-as-linux-does", tmpfile_is_opened_as_linux_does);
    run_case("tmpfile-goes-with-its-last-close", tmpfile_goes_with_its_last_close);
    run_case("tmpfile-gets-a-name", tmpfile_gets_a_name);
}

static void part_before(void)
{
    run_case("before-the-crash", before_the_crash);
}

static void part_after(void)
{
    run_case("linked-tmpfiles-survive-a-crash", linked_files_are_there);
    run_case("unnamed-tmpfiles-do-not-survive-a-crash", unnamed_ones_are_gone);
    run_case("cookies-go-on-after-a-crash", cookies_go_on);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"live", part_live}, {"before", part_before}, {"after", part_after}};
    int rc = wt_connect(NULL, NULL, &session);
    if (rc < 0) {
        printf("not ok connect - %d %s\n", rc, wt_connect_error());
        return 1;
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (argc >= 2 && strcmp(argv[1], parts[i].name) == 0)
            parts[i].run();
    }
    if (argc == 3)
        kill(atoi(argv[2]), SIGKILL);
    wt_disconnect(session);
    return failed;
}
