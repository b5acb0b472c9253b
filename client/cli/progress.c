/* progress.c - see progress.h. */
#include "client/cli/progress.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/cli.h"

#define FIRST_MS     500
#define REDRAW_MS    200
#define COLUMNS_MAX  200
#define COLUMNS_ELSE 80
/* To the first column, and the line is empty: all that is asked of the terminal. */
#define ERASE "\r\033[K"

static _Atomic uint64_t files_done, bytes_done, bytes_total;

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool running, stop;
    const char *what;
    double started_s;
} bar = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};

static volatile sig_atomic_t drawn; /* the line stands there */

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void progress_add(uint64_t files, uint64_t bytes)
{
    atomic_fetch_add_explicit(&files_done, files, memory_order_relaxed);
    atomic_fetch_add_explicit(&bytes_done, bytes, memory_order_relaxed);
}

void progress_total(uint64_t bytes)
{
    atomic_store_explicit(&bytes_total, bytes, memory_order_relaxed);
}

void progress_set(uint64_t done_bytes, uint64_t total_bytes)
{
    atomic_store_explicit(&bytes_done, done_bytes, memory_order_relaxed);
    progress_total(total_bytes);
}

static size_t line_append(char *line, size_t used, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static size_t line_append(char *line, size_t used, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(line + used, COLUMNS_MAX - used, format, arguments);
    va_end(arguments);
    used += (size_t)wanted;
    return used < COLUMNS_MAX ? used : COLUMNS_MAX - 1;
}

static size_t line_make(char line[COLUMNS_MAX])
{
    uint64_t files = atomic_load(&files_done), bytes = atomic_load(&bytes_done);
    uint64_t total = atomic_load(&bytes_total);
    double seconds = now_s() - bar.started_s;
    double rate = (double)bytes / seconds;
    char done[16], all[16], speed[16];
    size_t used = line_append(line, 0, "%s:", bar.what);

    format_human(bytes, done);
    format_human(total, all);
    format_human((uint64_t)rate, speed);
    if (total > 0 && bytes <= total)
        used = line_append(line, used, " %3.0f%% %s of %s", 100.0 * (double)bytes / (double)total,
                           done, all);
    else if (bytes > 0)
        used = line_append(line, used, " %s", done);
    if (files > 0)
        used = line_append(line, used, "%s %lu files", bytes > 0 || total > 0 ? "," : "", files);
    if (bytes > 0)
        used = line_append(line, used, ", %s/s", speed);
    else if (files > 0)
        used = line_append(line, used, ", %.0f/s", (double)files / seconds);
    if (total > bytes && bytes > 0 && rate > 0) {
        long left_s = (long)((double)(total - bytes) / rate);
        used = line_append(line, used, ", %ld:%02ld left", left_s / 60, left_s % 60);
    } else {
        used = line_append(line, used, "%s %.0f s", bytes > 0 || files > 0 || total > 0 ? "," : "",
                           seconds);
    }
    return used;
}

static void draw(void)
{
    char line[COLUMNS_MAX];
    struct winsize window;
    size_t columns = COLUMNS_ELSE, bytes = line_make(line);

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0)
        columns = window.ws_col;
    /* In the last column some terminals go on to the next line. */
    if (bytes > columns - 1)
        bytes = columns - 1;
    flockfile(stderr);
    drawn = 1;
    fputs(ERASE, stderr);
    fwrite(line, 1, bytes, stderr);
    fflush(stderr);
    funlockfile(stderr);
}

void progress_hide(void)
{
    if (drawn) {
        fputs(ERASE, stderr);
        drawn = 0;
    }
}

void progress_clear(void)
{
    flockfile(stderr);
    progress_hide();
    fflush(stderr);
    funlockfile(stderr);
}

static void add_ms(struct timespec *time, long ms)
{
    time->tv_nsec += ms * 1000000;
    time->tv_sec += time->tv_nsec / 1000000000;
    time->tv_nsec %= 1000000000;
}

static void *draw_on(void *argument)
{
    struct timespec next;
    (void)argument;

    clock_gettime(CLOCK_REALTIME, &next);
    add_ms(&next, FIRST_MS);
    pthread_mutex_lock(&bar.lock);
    while (!bar.stop) {
        if (pthread_cond_timedwait(&bar.ended, &bar.lock, &next) == 0)
            continue;
        draw();
        clock_gettime(CLOCK_REALTIME, &next);
        add_ms(&next, REDRAW_MS);
    }
    pthread_mutex_unlock(&bar.lock);
    return NULL;
}

/* Ended by the keyboard: the shell's prompt must not stand behind our line. */
static void on_end(int signal_number)
{
    if (drawn && write(STDERR_FILENO, ERASE, strlen(ERASE)) < 0)
        _exit(1);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void catch_signal(int signal_number)
{
    struct sigaction before;
    if (sigaction(signal_number, NULL, &before) == 0 && before.sa_handler == SIG_DFL)
        signal(signal_number, on_end);
}

void progress_begin(const struct cli *cli, const char *what)
{
    atomic_store(&files_done, 0);
    progress_set(0, 0);
    if (bar.running || given(cli, OPTION_QUIET) || !isatty(STDERR_FILENO))
        return;
    bar.what = what;
    bar.started_s = now_s();
    bar.stop = false;
    bar.running = pthread_create(&bar.thread, NULL, draw_on, NULL) == 0;
    catch_signal(SIGINT);
    catch_signal(SIGTERM);
    catch_signal(SIGHUP);
}

void progress_end(void)
{
    if (!bar.running)
        return;
    pthread_mutex_lock(&bar.lock);
    bar.stop = true;
    pthread_cond_signal(&bar.ended);
    pthread_mutex_unlock(&bar.lock);
    pthread_join(bar.thread, NULL);
    bar.running = false;
    progress_clear();
}
