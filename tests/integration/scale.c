/*
 * scale.c - many files: made, listed, looked up and removed by a few sessions at once; what an operation
 * costs in a large directory beside a small one; and how long a client ever waits.
 *
 *   scale create|tiny|lookup|remove DIRS FILES THREADS   FILES files, dealt out over DIRS directories /many-N;
 *                                                   tiny: with 8 bytes in each
 *   scale list   DIRS FILES                         each entry exactly once
 *   scale ratio  BIG SMALL ROUNDS                   create, look up and unlink in both, in turns
 *   scale wait   SECONDS                            one client stats, creates, writes 4 KiB and unlinks;
 *                                                   the longest wait of each, with and without a checkpoint
 *
 *   scale full   TURNS                              until -ENOSPC; then what goes makes room for what comes
 *
 * Exit: 0, or 1 with a reason. Figures go to standard output, one a line.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include <wt.h>

#define THREADS_MAX 8u
#define BATCH       50u /* operations in one directory before it is the other's turn */

static void fail(const char *what, const char *path, int error)
{
    printf("%s %s: %s\n", what, path, strerror(-error));
    exit(1);
}

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Changes of names are answered before they are durable: what is measured is the server, not its device. */
static struct wt *connect_session(int name_level)
{
    struct wt_options options = WT_OPTIONS_INIT;
    struct wt *session;
    options.name_level = name_level;
    int error = wt_connect(NULL, &options, &session);
    if (error < 0)
        fail("connecting", "", error);
    return session;
}

/* For reading: an open for writing waits until the name is durable. */
static void make_file(struct wt *session, const char *path)
{
    int handle = wt_open(session, path, O_CREAT | O_EXCL | O_RDONLY, 0644);
    if (handle < 0)
        fail("creating", path, handle);
    wt_close(session, handle);
}

static void make_tiny_file(struct wt *session, const char *path)
{
    int handle = wt_open(session, path, O_CREAT | O_EXCL | O_WRONLY, 0644);
    if (handle < 0)
        fail("creating", path, handle);
    ssize_t bytes =
        wt_pwritev2(session, handle, &(struct iovec){(void *)(uintptr_t)path, 8}, 1, 0, WT_BEHIND);
    if (bytes != 8)
        fail("writing", path, (int)bytes);
    wt_close(session, handle);
}

static void look_up(struct wt *session, const char *path)
{
    struct stat status;
    int error = wt_stat(session, path, &status);
    if (error < 0)
        fail("looking up", path, error);
}

static void remove_file(struct wt *session, const char *path)
{
    int error = wt_unlink(session, path);
    if (error < 0)
        fail("removing", path, error);
}

/* ---- many files --------------------------------------------------------------------------------- */

struct share {
    pthread_t thread;
    unsigned number, threads, directories, files;
    void (*operate)(struct wt *session, const char *path);
};

/* File i is in directory i modulo their number; thread t takes every `threads`-th. */
static void *work(void *argument)
{
    const struct share *share = argument;
    struct wt *session = connect_session(WT_BEHIND);
    char path[64];
    for (unsigned i = share->number; i < share->files; i += share->threads) {
        snprintf(path, sizeof(path), "/many-%u/file-%07u", i % share->directories, i);
        share->operate(session, path);
    }
    int error = wt_syncfs(session);
    if (error < 0)
        fail("syncing", "", error);
    wt_disconnect(session);
    return NULL;
}

static int run_many(const char *name, void (*operate)(struct wt *, const char *),
                    unsigned directories, unsigned files, unsigned threads)
{
    struct share shares[THREADS_MAX];
    double start = now_us();
    for (unsigned i = 0; i < threads; i++) {
        shares[i] = (struct share){.number = i,
                                   .threads = threads,
                                   .directories = directories,
                                   .files = files,
                                   .operate = operate};
        if (pthread_create(&shares[i].thread, NULL, work, &shares[i]) != 0)
            fail("starting a thread", "", -errno);
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(shares[i].thread, NULL);
    printf("%s %u files in %u directories: %.2f us each\n", name, files, directories,
           (now_us() - start) / files);
    return 0;
}

static int create_many(void (*make)(struct wt *, const char *), unsigned directories,
                       unsigned files, unsigned threads)
{
    struct wt *session = connect_session(WT_BEHIND);
    char path[64];
    for (unsigned i = 0; i < directories; i++) {
        snprintf(path, sizeof(path), "/many-%u", i);
        int error = wt_mkdir(session, path, 0755);
        if (error < 0)
            fail("making", path, error);
    }
    wt_disconnect(session);
    return run_many("create", make, directories, files, threads);
}

static int remove_many(unsigned directories, unsigned files, unsigned threads)
{
    run_many("remove", remove_file, directories, files, threads);
    struct wt *session = connect_session(WT_BEHIND);
    char path[64];
    for (unsigned i = 0; i < directories; i++) {
        snprintf(path, sizeof(path), "/many-%u", i);
        int error = wt_rmdir(session, path);
        if (error < 0)
            fail("removing", path, error);
    }
    wt_disconnect(session);
    return 0;
}

static int list_many(unsigned directories, unsigned files)
{
    struct wt *session = connect_session(WT_THROUGH);
    unsigned char *seen = calloc(files, 1);
    unsigned count = 0;
    char path[64];
    double start = now_us();
    for (unsigned i = 0; i < directories; i++) {
        struct wt_dir *directory;
        struct wt_dirent entry;
        snprintf(path, sizeof(path), "/many-%u", i);
        int rc = wt_opendir(session, path, &directory);
        if (rc < 0)
            fail("listing", path, rc);
        while ((rc = wt_readdir(directory, &entry)) == 1) {
            unsigned long number = 0;
            if (entry.name[0] == '.')
                continue;
            if (strncmp(entry.name, "file-", 5) != 0 ||
                (number = strtoul(entry.name + 5, NULL, 10)) >= files ||
                number % directories != i || seen[number]++)
                fail("unexpected, or seen twice:", entry.name, -EEXIST);
            count++;
        }
        if (rc < 0)
            fail("listing", path, rc);
        wt_closedir(directory);
    }
    wt_disconnect(session);
    free(seen);
    if (count != files) {
        printf("%u of %u files are listed\n", count, files);
        return 1;
    }
    printf("list %u files in %u directories: %.2f us each\n", files, directories,
           (now_us() - start) / files);
    return 0;
}

/* ---- large and small ---------------------------------------------------------------------------- */

static int by_value(const void *one, const void *two)
{
    double a = *(const double *)one, b = *(const double *)two;
    return (a > b) - (a < b);
}

/* The time of one operation on a batch of names in a directory. */
static double time_batch(struct wt *session, const char *directory, unsigned first,
                         void (*operate)(struct wt *, const char *))
{
    char path[320];
    double start = now_us();
    for (unsigned i = 0; i < BATCH; i++) {
        snprintf(path, sizeof(path), "%s/extra-%u", directory, first + i);
        operate(session, path);
    }
    return (now_us() - start) / BATCH;
}

static int ratio(const char *big, const char *small, unsigned rounds)
{
    static const char *const names[] = {"create", "lookup", "unlink"};
    static void (*const operations[])(struct wt *, const char *) = {make_file, look_up,
                                                                    remove_file};
    struct wt *session = connect_session(WT_BEHIND);
    double *times[2][3];
    for (unsigned i = 0; i < 6; i++)
        times[i / 3][i % 3] = calloc(rounds, sizeof(double));
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned operation = 0; operation < 3; operation++) {
            /* Who is first changes, so that neither finds the other's warmth. */
            unsigned first = round % 2;
            times[first][operation][round] =
                time_batch(session, first ? small : big, round * BATCH, operations[operation]);
            times[!first][operation][round] =
                time_batch(session, first ? big : small, round * BATCH, operations[operation]);
        }
    }
    for (unsigned operation = 0; operation < 3; operation++) {
        /* The lower quartile: what else the machine does is not the question. */
        qsort(times[0][operation], rounds, sizeof(double), by_value);
        qsort(times[1][operation], rounds, sizeof(double), by_value);
        double large = times[0][operation][rounds / 4], little = times[1][operation][rounds / 4];
        printf("%s: %.2f us in the large directory, %.2f us in the small one, ratio %.2f\n",
               names[operation], large, little, large / little);
    }
    wt_disconnect(session);
    for (unsigned i = 0; i < 6; i++)
        free(times[i / 3][i % 3]);
    return 0;
}

/* ---- full --------------------------------------------------------------------------------------- */

#define TARGET_BYTES 4000
#define FULL_MAX     100000u

static int make_link(struct wt *session, unsigned number, char path[static 32])
{
    static char target[TARGET_BYTES + 1];
    memset(target, 't', TARGET_BYTES);
    snprintf(path, 32, "/full-%u", number);
    return wt_symlink(session, target, path);
}

/* Symlinks of great length until the area for metadata is full: then one that goes makes room for one that
 * comes at once. */
static unsigned long files_free(struct wt *session)
{
    struct statvfs status;
    int error = wt_statvfs(session, &status);
    if (error < 0)
        fail("statvfs", "/", error);
    return status.f_ffree;
}

static int fill(unsigned turns)
{
    struct wt *session = connect_session(WT_THROUGH);
    char path[32];
    unsigned count = 0;
    int error = 0;
    unsigned long room = files_free(session);
    while (count < FULL_MAX && (error = make_link(session, count, path)) == 0)
        count++;
    if (error != -ENOSPC)
        fail("filling", path, error);
    if (room < count)
        fail("statvfs promised fewer files than there was room for", path, -ERANGE);
    if (files_free(session) != 0)
        fail("full, and statvfs promises more files", path, -ERANGE);
    for (unsigned i = 0; i < turns; i++) {
        snprintf(path, sizeof(path), "/full-%u", i);
        remove_file(session, path);
        error = make_link(session, i, path);
        if (error < 0)
            fail("in its place", path, error);
    }
    for (unsigned i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "/full-%u", i);
        remove_file(session, path);
    }
    printf("full after %u symlinks\n", count);
    wt_disconnect(session);
    return 0;
}

/* ---- waiting ------------------------------------------------------------------------------------ */

#define OPERATIONS 4u

static double longest_us[OPERATIONS];
static unsigned long done[OPERATIONS];

static double note(unsigned operation, double start)
{
    double end = now_us();
    done[operation]++;
    if (end - start > longest_us[operation])
        longest_us[operation] = end - start;
    return end;
}

static int wait_longest(double seconds)
{
    static const char *const names[OPERATIONS] = {"stat", "create", "write", "unlink"};
    struct wt *session = connect_session(WT_THROUGH);
    char path[64], block[4096];
    double end = now_us() + seconds * 1e6;
    memset(block, 'w', sizeof(block));
    for (unsigned i = 0; now_us() < end; i++) {
        struct stat status;
        snprintf(path, sizeof(path), "/wait-%u", i);
        double at = now_us();
        int rc = wt_stat(session, "/", &status);
        if (rc < 0)
            fail("stat", "/", rc);
        at = note(0, at);
        int handle = wt_open(session, path, O_CREAT | O_EXCL | O_RDWR, 0644);
        if (handle < 0)
            fail("creating", path, handle);
        at = note(1, at);
        ssize_t bytes = wt_pwrite(session, handle, block, sizeof(block), 0);
        if (bytes != (ssize_t)sizeof(block))
            fail("writing", path, (int)bytes);
        note(2, at);
        wt_close(session, handle);
        at = now_us();
        rc = wt_unlink(session, path);
        if (rc < 0)
            fail("removing", path, rc);
        note(3, at);
    }
    for (unsigned i = 0; i < OPERATIONS; i++)
        printf("longest wait of %lu %s: %.2f ms\n", done[i], names[i], longest_us[i] / 1e3);
    wt_disconnect(session);
    return 0;
}

static unsigned number(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "create") == 0)
        return create_many(make_file, number(argv[2]), number(argv[3]), number(argv[4]));
    if (argc == 5 && strcmp(argv[1], "tiny") == 0)
        return create_many(make_tiny_file, number(argv[2]), number(argv[3]), number(argv[4]));
    if (argc == 5 && strcmp(argv[1], "lookup") == 0)
        return run_many("lookup", look_up, number(argv[2]), number(argv[3]), number(argv[4]));
    if (argc == 5 && strcmp(argv[1], "remove") == 0)
        return remove_many(number(argv[2]), number(argv[3]), number(argv[4]));
    if (argc == 4 && strcmp(argv[1], "list") == 0)
        return list_many(number(argv[2]), number(argv[3]));
    if (argc == 5 && strcmp(argv[1], "ratio") == 0)
        return ratio(argv[2], argv[3], number(argv[4]));
    if (argc == 3 && strcmp(argv[1], "wait") == 0)
        return wait_longest(strtod(argv[2], NULL));
    if (argc == 3 && strcmp(argv[1], "full") == 0)
        return fill(number(argv[2]));
    puts("usage: scale create|lookup|remove|list|ratio|wait ...");
    return 2;
}
