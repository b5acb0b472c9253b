/*
 * quick.c - three comparisons in a minute, each a ratio of wt to a peer (README.md says which).
 *
 *   BUILD=build quick [WTD]
 *
 * Starts its own server on an image in a temporary directory and removes all of it. Both sides of a
 * comparison take turns; the median of the rounds' ratios is the figure.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <wt.h>

#include "proto/ring.h"
#include "proto/wire.h"

#define ROUNDS           5
#define ROUND_NS         1000000000ull
#define BLOCK_BYTES      4096u
#define READ_FILE_BYTES  (64ull << 20)
#define WRITE_FILE_BYTES (256ull << 20)
#define FILL_BYTES       (1u << 20)
#define DEPTH            32u
#define READY_MS         20000
#define PATH_BYTES       512

static struct {
    char directory[PATH_BYTES], image[PATH_BYTES], socket[PATH_BYTES];
    char read_file[PATH_BYTES], write_file[PATH_BYTES];
    const char *build;
    pid_t server;
    struct wt *session;
    int read_handle, write_handle, read_fd, write_fd;
    unsigned char *buffers; /* DEPTH blocks of the session's arena */
    struct io_uring ring;
    unsigned char *peer_buffers;
    uint64_t random_state;
} bench = {.server = -1, .read_fd = -1, .write_fd = -1, .random_state = 88172645463325252ull};

/* ---- the frame -------------------------------------------------------------------------------------- */

static void clean_up(void)
{
    if (bench.server > 0) {
        kill(bench.server, SIGKILL);
        waitpid(bench.server, NULL, 0);
    }
    unlink(bench.image);
    unlink(bench.socket);
    unlink(bench.read_file);
    unlink(bench.write_file);
    if (*bench.directory != '\0')
        rmdir(bench.directory);
}

__attribute__((format(printf, 1, 2), noreturn)) static void give_up(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("quick: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1); /* atexit cleans up */
}

static void must(const char *what, long result)
{
    if (result < 0)
        give_up("%s: %s", what, strerror((int)-result));
}

static void on_signal(int signal_number)
{
    clean_up();
    _exit(128 + signal_number);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t random_number(void)
{
    bench.random_state ^= bench.random_state << 13;
    bench.random_state ^= bench.random_state >> 7;
    bench.random_state ^= bench.random_state << 17;
    return bench.random_state;
}

static off_t random_offset(uint64_t file_bytes)
{
    return (off_t)(random_number() % (file_bytes / BLOCK_BYTES) * BLOCK_BYTES);
}

/* Processor time of this process and the server. The server's is counted in clock ticks (10 ms), little
 * against rounds of a second. */
static double cpu_us(void)
{
    struct rusage usage;
    char path[64], text[1024] = "";
    unsigned long user_ticks = 0, system_ticks = 0;

    getrusage(RUSAGE_SELF, &usage);
    snprintf(path, sizeof path, "/proc/%d/stat", bench.server);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        size_t bytes = fread(text, 1, sizeof text - 1, file);
        text[bytes] = '\0';
        (void)fclose(file);
        /* The name in parentheses may hold anything; fields are counted behind it. */
        const char *fields = strrchr(text, ')');
        if (fields != NULL)
            sscanf(fields, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user_ticks,
                   &system_ticks);
    }
    double own_us = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
                    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    return own_us + (double)(user_ticks + system_ticks) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

/* ---- set-up ----------------------------------------------------------------------------------------- */

static pid_t spawn(char *const arguments[])
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(arguments[0], arguments);
        fprintf(stderr, "quick: %s: %s\n", arguments[0], strerror(errno));
        _exit(127);
    }
    if (pid < 0)
        give_up("fork: %s", strerror(errno));
    return pid;
}

static void start_server(const char *wtd)
{
    char wtcli[PATH_BYTES];
    int status;

    snprintf(wtcli, sizeof wtcli, "%s/wtcli", bench.build);
    /* Written in full: on a sparse image the disk's file system would be measured too. */
    pid_t maker = spawn((char *[]){wtcli, "mkfs", "--size", "1G", bench.image, NULL});
    if (waitpid(maker, &status, 0) != maker || status != 0)
        give_up("no volume could be made at %s", bench.image);
    bench.server = spawn((char *[]){(char *)wtd, "--device", bench.image, "--socket", bench.socket,
                                    "--cache", "512M", NULL});
    struct wt_options options = WT_OPTIONS_INIT;
    int error = -ENOENT;
    for (int waited_ms = 0; waited_ms < READY_MS; waited_ms += 20) {
        error = wt_connect(bench.socket, &options, &bench.session);
        if (error == 0)
            break;
        if (waitpid(bench.server, NULL, WNOHANG) == bench.server) {
            bench.server = -1;
            give_up("%s ended instead of serving", wtd);
        }
        usleep(20000);
    }
    if (error != 0)
        give_up("%s: %s", bench.socket, wt_connect_error());
    bench.buffers = wt_buf_alloc(bench.session, (size_t)DEPTH * BLOCK_BYTES);
    if (bench.buffers == NULL)
        give_up("no room for buffers in the session's arena");
}

static void fill_randomly(unsigned char *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
        uint64_t word = random_number();
        memcpy(data + i, &word, sizeof word);
    }
}

static int make_wt_file(const char *path, uint64_t file_bytes)
{
    unsigned char *data = malloc(FILL_BYTES);
    int handle = wt_open(bench.session, path, O_RDWR | O_CREAT, 0600);
    must(path, handle);
    if (data == NULL)
        give_up("out of memory");
    fill_randomly(data, FILL_BYTES);
    for (uint64_t at = 0; at < file_bytes; at += FILL_BYTES)
        if (wt_pwrite(bench.session, handle, data, FILL_BYTES, (off_t)at) != FILL_BYTES)
            give_up("%s: cannot be written in full", path);
    must("fsync", wt_fsync(bench.session, handle));
    free(data);
    return handle;
}

static int make_peer_file(const char *path, uint64_t file_bytes, int open_flags)
{
    unsigned char *data = aligned_alloc(BLOCK_BYTES, FILL_BYTES);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || data == NULL)
        give_up("%s: %s", path, strerror(errno));
    fill_randomly(data, FILL_BYTES);
    for (uint64_t at = 0; at < file_bytes; at += FILL_BYTES)
        if (pwrite(fd, data, FILL_BYTES, (off_t)at) != FILL_BYTES)
            give_up("%s: %s", path, strerror(errno));
    if (fsync(fd) != 0)
        give_up("%s: %s", path, strerror(errno));
    free(data);
    close(fd);
    fd = open(path, O_RDWR | O_CLOEXEC | open_flags);
    if (fd < 0)
        give_up("%s: %s", path, strerror(errno));
    return fd;
}

/* ---- nop: a round trip ------------------------------------------------------------------------------ */

static uint64_t nop_wt(uint64_t until_ns)
{
    struct wt_completion completion;
    uint64_t count = 0;

    do {
        for (int i = 0; i < 64; i++, count++) {
            must("nop", wt_prep_nop(bench.session, count));
            must("nop", wt_wait(bench.session, &completion, 1, 1, NULL));
            must("nop", completion.result);
        }
    } while (now_ns() < until_ns);
    return count;
}

#define RING_ENTRIES 128u

struct echo {
    struct wt_ring_control request_control, reply_control;
    struct wt_request requests[RING_ENTRIES];
    struct wt_wire_completion replies[RING_ENTRIES];
    _Atomic bool stop;
};

static void *echo_run(void *argument)
{
    struct echo *echo = argument;
    struct wt_ring in, out;
    struct wt_request request;

    wt_ring_init(&in, &echo->request_control, echo->requests, RING_ENTRIES, sizeof request);
    wt_ring_init(&out, &echo->reply_control, echo->replies, RING_ENTRIES, sizeof *echo->replies);
    while (!atomic_load_explicit(&echo->stop, memory_order_relaxed)) {
        if (wt_ring_consumable(&in) <= 0)
            continue;
        wt_ring_take(&in, &request);
        wt_ring_release(&in);
        struct wt_wire_completion reply = {.user_data = request.user_data};
        if (wt_ring_producible(&out, 1) < 1)
            return NULL;
        wt_ring_put(&out, &reply);
        wt_ring_publish(&out);
    }
    return NULL;
}

static uint64_t nop_peer(uint64_t until_ns)
{
    struct echo *echo = aligned_alloc(64, sizeof *echo);
    struct wt_ring out, in;
    struct wt_wire_completion reply;
    pthread_t thread;
    uint64_t count = 0;

    if (echo == NULL)
        give_up("out of memory");
    memset(echo, 0, sizeof *echo);
    wt_ring_init(&out, &echo->request_control, echo->requests, RING_ENTRIES,
                 sizeof *echo->requests);
    wt_ring_init(&in, &echo->reply_control, echo->replies, RING_ENTRIES, sizeof reply);
    must("thread", -pthread_create(&thread, NULL, echo_run, echo));
    do {
        for (int i = 0; i < 64; i++, count++) {
            struct wt_request request = {.user_data = count};
            must("ring", wt_ring_producible(&out, 1));
            wt_ring_put(&out, &request);
            wt_ring_publish(&out);
            while (wt_ring_consumable(&in) == 0)
                ;
            wt_ring_take(&in, &reply);
            wt_ring_release(&in);
        }
    } while (now_ns() < until_ns);
    atomic_store(&echo->stop, true);
    pthread_join(thread, NULL);
    free(echo);
    return count;
}

/* ---- cached reads ----------------------------------------------------------------------------------- */

static uint64_t read_wt_one(uint64_t until_ns)
{
    static unsigned char block[BLOCK_BYTES];
    uint64_t count = 0;

    do {
        for (int i = 0; i < 64; i++, count++)
            if (wt_pread(bench.session, bench.read_handle, block, BLOCK_BYTES,
                         random_offset(READ_FILE_BYTES)) != BLOCK_BYTES)
                give_up("a read of wt failed");
    } while (now_ns() < until_ns);
    return count;
}

/* Keeps DEPTH requests in flight, each on its own block of the arena, then lets them run dry. */
static uint64_t deep_wt(uint64_t until_ns, int (*prepare)(unsigned place))
{
    struct wt_completion completions[DEPTH];
    uint64_t count = 0;
    unsigned in_flight = 0;

    for (; in_flight < DEPTH; in_flight++)
        must("prepare", prepare(in_flight));
    while (in_flight > 0) {
        int done = wt_wait(bench.session, completions, DEPTH, 1, NULL);
        must("wait", done);
        in_flight -= (unsigned)done;
        bool more = now_ns() < until_ns;
        for (int i = 0; i < done; i++) {
            if (completions[i].result != BLOCK_BYTES)
                give_up("a request of wt gave %ld", completions[i].result);
            if (more) {
                must("prepare", prepare((unsigned)completions[i].user_data));
                in_flight++;
            }
        }
        count += (unsigned)done;
    }
    return count;
}

static int prepare_read(unsigned place)
{
    return wt_prep_read(bench.session, bench.read_handle,
                        bench.buffers + (size_t)place * BLOCK_BYTES, BLOCK_BYTES,
                        random_offset(READ_FILE_BYTES), 0, place);
}

static uint64_t read_wt_deep(uint64_t until_ns)
{
    return deep_wt(until_ns, prepare_read);
}

static uint64_t read_peer(uint64_t until_ns)
{
    static unsigned char block[BLOCK_BYTES];
    uint64_t count = 0;

    do {
        for (int i = 0; i < 64; i++, count++)
            if (pread(bench.read_fd, block, BLOCK_BYTES, random_offset(READ_FILE_BYTES)) !=
                BLOCK_BYTES)
                give_up("pread: %s", strerror(errno));
    } while (now_ns() < until_ns);
    return count;
}

/* ---- stable writes ---------------------------------------------------------------------------------- */

static int prepare_write(unsigned place)
{
    return wt_prep_write(bench.session, bench.write_handle,
                         bench.buffers + (size_t)place * BLOCK_BYTES, BLOCK_BYTES,
                         random_offset(WRITE_FILE_BYTES), WT_STABLE, place);
}

static uint64_t write_wt(uint64_t until_ns)
{
    return deep_wt(until_ns, prepare_write);
}

static void queue_peer_write(unsigned place)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&bench.ring);
    if (sqe == NULL)
        give_up("io_uring: no room");
    io_uring_prep_write(sqe, bench.write_fd, bench.peer_buffers + (size_t)place * BLOCK_BYTES,
                        BLOCK_BYTES, (uint64_t)random_offset(WRITE_FILE_BYTES));
    io_uring_sqe_set_data64(sqe, place);
}

static uint64_t write_peer(uint64_t until_ns)
{
    uint64_t count = 0;
    unsigned in_flight = 0;

    for (; in_flight < DEPTH; in_flight++)
        queue_peer_write(in_flight);
    while (in_flight > 0) {
        struct io_uring_cqe *cqe;
        int result = io_uring_submit_and_wait(&bench.ring, 1);
        if (result < 0 && result != -EINTR)
            must("io_uring", result);
        bool more = now_ns() < until_ns;
        while (io_uring_peek_cqe(&bench.ring, &cqe) == 0) {
            if (cqe->res != (int)BLOCK_BYTES)
                give_up("O_DIRECT write: %s", strerror(cqe->res < 0 ? -cqe->res : EIO));
            unsigned place = (unsigned)io_uring_cqe_get_data64(cqe);
            io_uring_cqe_seen(&bench.ring, cqe);
            in_flight--;
            count++;
            if (more) {
                queue_peer_write(place);
                in_flight++;
            }
        }
    }
    return count;
}

/* ---- comparing -------------------------------------------------------------------------------------- */

struct figure {
    const char *name, *peer_words;
    uint64_t (*wt)(uint64_t until_ns);
    uint64_t (*peer)(uint64_t until_ns);
    double goal;
    double wt_per_s, peer_per_s, ratio, cpu_us; /* measured */
};

static struct figure figures[] = {
    {"nop", "an entry to another polling thread and back, two rings of proto/ring.h", nop_wt,
     nop_peer, 0.5, 0, 0, 0, 0},
    {"read-depth-1", "pread(fd, buffer, 4096, random) of a page-cached 64 MiB file, one thread",
     read_wt_one, read_peer, 1.0, 0, 0, 0, 0},
    {"read-depth-32", "pread(fd, buffer, 4096, random) of a page-cached 64 MiB file, one thread",
     read_wt_deep, read_peer, 1.5, 0, 0, 0, 0},
    {"write-stable-depth-32",
     "io_uring, 32 writes of 4096 in flight, O_DIRECT | O_DSYNC, fully written 256 MiB file",
     write_wt, write_peer, 0.9, 0, 0, 0, 0},
};
#define FIGURES (sizeof figures / sizeof *figures)

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, compare_doubles);
    return values[ROUNDS / 2];
}

/* Operations a second of one turn. */
static double turn(uint64_t (*side)(uint64_t), uint64_t *count)
{
    uint64_t start_ns = now_ns();
    *count = side(start_ns + ROUND_NS);
    return (double)*count * 1e9 / (double)(now_ns() - start_ns);
}

static void measure(struct figure *figure)
{
    double wt[ROUNDS], peer[ROUNDS], ratios[ROUNDS], costs[ROUNDS];
    uint64_t count;

    figure->wt(now_ns() + ROUND_NS / 10); /* a warm-up of both */
    figure->peer(now_ns() + ROUND_NS / 10);
    for (int round = 0; round < ROUNDS; round++) {
        double before_us = cpu_us();
        wt[round] = turn(figure->wt, &count);
        costs[round] = (cpu_us() - before_us) / (double)count;
        peer[round] = turn(figure->peer, &count);
        ratios[round] = wt[round] / peer[round];
    }
    figure->ratio = median(ratios);
    figure->wt_per_s = median(wt);
    figure->peer_per_s = median(peer);
    figure->cpu_us = median(costs);
}

static void report(void)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/bench/report.json", bench.build);
    FILE *file = fopen(path, "we");
    if (file == NULL)
        give_up("%s: %s", path, strerror(errno));

    printf("%-22s %12s %12s %7s %6s %8s\n", "operations/s", "wt", "peer", "ratio", "goal",
           "cpu us");
    fputs("[\n", file);
    for (size_t i = 0; i < FIGURES; i++) {
        const struct figure *f = &figures[i];
        printf("%-22s %12.0f %12.0f %7.2f %6.2f %8.2f\n", f->name, f->wt_per_s, f->peer_per_s,
               f->ratio, f->goal, f->cpu_us);
        fprintf(
            file,
            "  {\"name\": \"%s\", \"wt\": %.1f, \"peer\": %.1f, \"ratio\": %.4f, \"goal\": %.2f, "
            "\"cpu_us\": %.3f}%s\n",
            f->name, f->wt_per_s, f->peer_per_s, f->ratio, f->goal, f->cpu_us,
            i + 1 < FIGURES ? "," : "");
    }
    fputs("]\n", file);
    if (fclose(file) != 0)
        give_up("%s: %s", path, strerror(errno));
    puts("peers:");
    for (size_t i = 0; i < FIGURES; i++)
        printf("  %-22s %s\n", figures[i].name, figures[i].peer_words);
    printf("medians of %d rounds by turns; written to %s\n", ROUNDS, path);
}

static void prepare(const char *wtd)
{
    const char *temporary = getenv("TMPDIR");
    char parent[PATH_BYTES / 2];

    snprintf(parent, sizeof parent, "%s/bench", bench.build);
    if (mkdir(parent, 0777) != 0 && errno != EEXIST)
        give_up("%s: %s", parent, strerror(errno));
    if (temporary != NULL && *temporary != '\0')
        snprintf(parent, sizeof parent, "%s", temporary);
    snprintf(bench.directory, sizeof bench.directory, "%s/quick.XXXXXX", parent);
    if (mkdtemp(bench.directory) == NULL) {
        *bench.directory = '\0';
        give_up("%s: %s", parent, strerror(errno));
    }
#define NAME_IN_DIRECTORY(field, name)                                               \
    if (snprintf(bench.field, sizeof bench.field, "%s/%s", bench.directory, name) >= \
        (int)sizeof bench.field)                                                     \
    give_up("the path of the temporary directory is too long")
    NAME_IN_DIRECTORY(image, "wt.img");
    NAME_IN_DIRECTORY(read_file, "read");
    NAME_IN_DIRECTORY(write_file, "write");
    /* A socket's path must be short, the build directory's need not be. */
    snprintf(bench.socket, sizeof bench.socket, "/tmp/wt-quick-%d.sock", getpid());

    start_server(wtd);
    bench.read_handle = make_wt_file("/read", READ_FILE_BYTES);
    bench.write_handle = make_wt_file("/write", WRITE_FILE_BYTES);
    bench.read_fd = make_peer_file(bench.read_file, READ_FILE_BYTES, 0);
    bench.write_fd = make_peer_file(bench.write_file, WRITE_FILE_BYTES, O_DIRECT | O_DSYNC);
    bench.peer_buffers = aligned_alloc(BLOCK_BYTES, (size_t)DEPTH * BLOCK_BYTES);
    if (bench.peer_buffers == NULL)
        give_up("out of memory");
    fill_randomly(bench.peer_buffers, (size_t)DEPTH * BLOCK_BYTES);
    fill_randomly(bench.buffers, (size_t)DEPTH * BLOCK_BYTES);
    must("io_uring", io_uring_queue_init(2 * DEPTH, &bench.ring, 0));
    /* Both files into their caches. */
    read_peer(now_ns() + ROUND_NS / 10);
}

static void stop_server(void)
{
    int status;

    wt_disconnect(bench.session);
    kill(bench.server, SIGTERM);
    for (int waited_ms = 0; waited_ms < READY_MS; waited_ms += 20) {
        if (waitpid(bench.server, &status, WNOHANG) == bench.server) {
            bench.server = -1;
            if (status != 0)
                give_up("the server did not stop cleanly");
            return;
        }
        usleep(20000);
    }
    give_up("the server did not stop in %d ms", READY_MS);
}

int main(int argc, char **argv)
{
    char wtd[PATH_BYTES];

    bench.build = getenv("BUILD");
    if (bench.build == NULL || *bench.build == '\0')
        bench.build = "build";
    if (argc > 1)
        snprintf(wtd, sizeof wtd, "%s", argv[1]);
    else
        snprintf(wtd, sizeof wtd, "%s/wtd", bench.build);
    setvbuf(stdout, NULL, _IOLBF, 0);
    atexit(clean_up);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    prepare(wtd);
    for (size_t i = 0; i < FIGURES; i++)
        measure(&figures[i]);
    report();
    stop_server();
    return 0;
}
