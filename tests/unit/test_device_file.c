/* test_device_file.c - the file backend, with real I/O on a file in the current directory. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/device/device.h"

#define SIZE_BYTES (8u << 20)

static char directory[64], path[96], reason[200];
static struct device *device;
static struct device_queue *queue;
static struct reactor *reactor;

static int open_as(const char *name, uint32_t flags, struct device **opened)
{
    reason[0] = '\0';
    return device_open(name, flags, opened, reason, sizeof(reason));
}

static void make_file(void)
{
    log_set_silent(true);
    device_set_claim_wait_ms(100);
    snprintf(directory, sizeof(directory), "./wt-test-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/volume", directory);
    cr_assert_eq(open_as(path, DEVICE_OPEN_CREATE, &device), 0, "%s", reason);
    cr_assert_eq(device_resize(device, SIZE_BYTES), 0);
}

static void remove_file(void)
{
    unlink(path);
    rmdir(directory);
}

static void start(void)
{
    make_file();
    struct reactor_options options = {.entries = 64};
    int rc = reactor_create(&options, &reactor, reason, sizeof(reason));
    if (rc) {
        remove_file();
        cr_skip_test("%s", reason);
    }
    cr_assert_eq(device->operations->queue_create(device, reactor, &queue), 0);
}

static void finish(void)
{
    device->operations->queue_destroy(queue);
    reactor_destroy(reactor);
    device_close(device);
    remove_file();
}

static void close_file(void)
{
    device_close(device);
    remove_file();
}

static unsigned char *memory_make(size_t size_bytes, int fill)
{
    unsigned char *memory = aligned_alloc(4096, size_bytes);
    memset(memory, fill, size_bytes);
    return memory;
}

/* Each byte differs from its neighbours and from the same place in another block. */
static unsigned char pattern(uint64_t at)
{
    return (unsigned char)(at * 31 + at / 509);
}

static void fill_pattern(unsigned char *memory, uint64_t from, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++)
        memory[i] = pattern(from + i);
}

static void check_pattern(const unsigned char *memory, uint64_t from, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++)
        cr_assert_eq(memory[i], pattern(from + i), "byte %zu", i);
}

static unsigned done_count;

static void count_done(struct device_io *io)
{
    (void)io;
    done_count++;
}

static int run(enum device_operation operation, uint32_t flags, uint64_t offset,
               uint64_t length_bytes, struct iovec *segments, unsigned segment_count)
{
    struct device_io io = {.done = count_done,
                           .operation = operation,
                           .flags = flags,
                           .offset = offset,
                           .length_bytes = length_bytes,
                           .segments = segments,
                           .segment_count = segment_count};
    done_count = 0;
    device_submit(queue, &io);
    cr_assert_eq(done_count, 0, "never from inside submit");
    cr_assert_eq(queue->in_flight, 1);
    while (!done_count)
        reactor_wait(reactor, UINT64_MAX);
    cr_assert_eq(queue->in_flight, 0);
    cr_assert_not(io.flush_failed);
    return io.result;
}

static int run_memory(enum device_operation operation, uint32_t flags, uint64_t offset,
                      void *memory, size_t size_bytes)
{
    struct iovec segment = {memory, size_bytes};
    return run(operation, flags, offset, size_bytes, &segment, 1);
}

Test(device_file, capabilities_are_told, .init = make_file, .fini = close_file)
{
    const struct device_capabilities *capabilities = &device->capabilities;
    cr_assert_eq(capabilities->size_bytes, SIZE_BYTES);
    cr_assert(capabilities->block_bytes == 512 || capabilities->block_bytes == 4096);
    cr_assert_geq(capabilities->atomic_unit_bytes, capabilities->block_bytes);
    cr_assert(capabilities->volatile_cache && capabilities->fua && capabilities->sparse);
    cr_assert_str_eq(capabilities->kind, "file");
    cr_assert_str_eq(device->path, path);
}

Test(device_file, reads_what_was_written, .init = start, .fini = finish)
{
    unsigned char *out = memory_make(1 << 20, 0), *in = memory_make(1 << 20, 0);
    fill_pattern(out, 4096, 1 << 20);
    cr_assert_eq(run_memory(DEVICE_WRITE, 0, 4096, out, 1 << 20), 0);
    cr_assert_eq(run_memory(DEVICE_READ, 0, 4096, in, 1 << 20), 0);
    check_pattern(in, 4096, 1 << 20);
    cr_assert_eq(queue->reads, 1);
    cr_assert_eq(queue->writes, 1);
    free(out);
    free(in);
}

Test(device_file, fua_and_flush, .init = start, .fini = finish)
{
    unsigned char *memory = memory_make(4096, 'f');
    cr_assert_eq(run_memory(DEVICE_WRITE, DEVICE_FUA, 0, memory, 4096), 0);
    cr_assert_eq(run(DEVICE_FLUSH, 0, 0, 0, NULL, 0), 0);
    cr_assert_eq(queue->flushes, 1);
    memset(memory, 0, 4096);
    cr_assert_eq(device_transfer(device, DEVICE_READ, 0, 0, memory, 4096), 0);
    cr_assert_eq(memory[4095], 'f');
    free(memory);
}

static void moves_vectors(const size_t order[4])
{
    unsigned char *out = memory_make(4 * 8192, 0), *in = memory_make(4 * 8192, 0);
    struct iovec from[4], to[4];
    for (unsigned i = 0; i < 4; i++) {
        from[i] = (struct iovec){out + order[i] * 8192, 8192};
        to[i] = (struct iovec){in + i * 8192, 8192};
        fill_pattern(from[i].iov_base, i * 8192, 8192);
    }
    cr_assert_eq(run(DEVICE_WRITE, 0, 16384, 4 * 8192, from, 4), 0);
    cr_assert_eq(run(DEVICE_READ, 0, 16384, 4 * 8192, to, 4), 0);
    check_pattern(in, 0, 4 * 8192);
    free(out);
    free(in);
}

Test(device_file, scattered_segments, .init = start, .fini = finish)
{
    moves_vectors((const size_t[]){2, 0, 3, 1});
}

Test(device_file, adjacent_segments_are_one, .init = start, .fini = finish)
{
    moves_vectors((const size_t[]){0, 1, 2, 3});
}

Test(device_file, most_segments_that_are_allowed, .init = start, .fini = finish)
{
    unsigned char *out = memory_make(2 << 20, 0), *in = memory_make(1 << 20, 0);
    struct iovec segments[256];
    for (unsigned i = 0; i < 256; i++) {
        segments[i] = (struct iovec){out + i * 8192ull, 4096};
        fill_pattern(segments[i].iov_base, i * 4096ull, 4096);
    }
    cr_assert_eq(run(DEVICE_WRITE, 0, 0, 1 << 20, segments, 256), 0);
    cr_assert_eq(run_memory(DEVICE_READ, 0, 0, in, 1 << 20), 0);
    check_pattern(in, 0, 1 << 20);
    free(out);
    free(in);
}

Test(device_file, fixed_buffers, .init = start, .fini = finish)
{
    unsigned char *memory = memory_make(65536, 0), *outside = memory_make(8192, 0);
    int rc = reactor_register_buffers(reactor, memory, 65536);
    if (rc == -ENOMEM)
        cr_skip_test("memlock");
    cr_assert_eq(rc, 0);
    fill_pattern(memory, 0, 32768);
    struct iovec halves[2] = {{memory, 16384}, {memory + 16384, 16384}};
    cr_assert_eq(run(DEVICE_WRITE, DEVICE_FUA, 0, 32768, halves, 2), 0);
    cr_assert_eq(run_memory(DEVICE_READ, 0, 0, memory + 32768, 32768), 0);
    check_pattern(memory + 32768, 0, 32768);
    cr_assert_eq(run_memory(DEVICE_READ, 0, 0, outside, 8192), 0);
    check_pattern(outside, 0, 8192);
    free(memory);
    free(outside);
}

Test(device_file, many_in_flight, .init = start, .fini = finish)
{
    enum { COUNT = 300 };
    static struct device_io ios[COUNT];
    static struct iovec segments[COUNT];
    unsigned char *memory = memory_make(COUNT * 4096, 0);
    done_count = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        segments[i] = (struct iovec){memory + i * 4096ull, 4096};
        fill_pattern(segments[i].iov_base, i * 4096ull, 4096);
        ios[i] = (struct device_io){.done = count_done,
                                    .operation = DEVICE_WRITE,
                                    .offset = i * 4096ull,
                                    .length_bytes = 4096,
                                    .segments = &segments[i],
                                    .segment_count = 1};
        device_submit(queue, &ios[i]);
    }
    cr_assert_eq(queue->in_flight, COUNT);
    while (done_count < COUNT)
        reactor_wait(reactor, UINT64_MAX);
    memset(memory, 0, COUNT * 4096);
    cr_assert_eq(device_transfer(device, DEVICE_READ, 0, 0, memory, COUNT * 4096), 0);
    check_pattern(memory, 0, COUNT * 4096);
    free(memory);
}

Test(device_file, past_the_end_is_eio, .init = start, .fini = finish)
{
    unsigned char *memory = memory_make(8192, 'x');
    cr_assert_eq(run_memory(DEVICE_READ, 0, SIZE_BYTES - 4096, memory, 8192), -EIO);
    cr_assert_eq(run_memory(DEVICE_WRITE, DEVICE_FUA, SIZE_BYTES, memory, 4096), -EIO);
    cr_assert_eq(run_memory(DEVICE_READ, 0, UINT64_MAX - 4095, memory, 4096), -EIO);
    cr_assert_eq(device_transfer(device, DEVICE_READ, 0, SIZE_BYTES, memory, 4096), -EIO);
    cr_assert_eq(device_transfer(device, DEVICE_WRITE, 0, SIZE_BYTES - 4096, memory, 8192), -EIO);
    struct stat about;
    cr_assert_eq(stat(path, &about), 0);
    cr_assert_eq(about.st_size, SIZE_BYTES, "a write never makes it longer");
    free(memory);
}

Test(device_file, a_file_cut_behind_our_back_is_eio, .init = start, .fini = finish)
{
    unsigned char *memory = memory_make(8192, 0);
    cr_assert_eq(truncate(path, SIZE_BYTES - 4096), 0);
    cr_assert_eq(run_memory(DEVICE_READ, 0, SIZE_BYTES - 8192, memory, 8192), -EIO);
    cr_assert_eq(device_transfer(device, DEVICE_READ, 0, SIZE_BYTES - 8192, memory, 8192), -EIO);
    free(memory);
}

Test(device_file, zeroes_are_written_extents, .init = start, .fini = finish)
{
    unsigned char *memory = memory_make(1 << 20, 'x');
    cr_assert_eq(run_memory(DEVICE_WRITE, 0, 0, memory, 1 << 20), 0);
    cr_assert_eq(run(DEVICE_WRITE_ZEROES, DEVICE_FUA, 4096, (1 << 20) - 8192, NULL, 0), 0);
    cr_assert_eq(run_memory(DEVICE_READ, 0, 0, memory, 1 << 20), 0);
    cr_assert(memory[4095] == 'x' && memory[(1 << 20) - 4096] == 'x');
    for (size_t i = 4096; i < (1 << 20) - 4096; i++)
        cr_assert_eq(memory[i], 0);
    struct stat about;
    cr_assert_eq(stat(path, &about), 0);
    cr_assert_geq(about.st_blocks * 512, 1 << 20, "no hole was made");
    free(memory);
}

Test(device_file, discard_makes_holes, .init = start, .fini = finish)
{
    unsigned char *memory = memory_make(1 << 20, 'x');
    cr_assert_eq(run_memory(DEVICE_WRITE, DEVICE_FUA, 0, memory, 1 << 20), 0);
    int rc = run(DEVICE_DISCARD, 0, 0, 1 << 20, NULL, 0);
    if (rc == -EOPNOTSUPP)
        cr_skip_test("this file system punches no holes");
    cr_assert_eq(rc, 0);
    struct stat about;
    cr_assert_eq(stat(path, &about), 0);
    cr_assert_lt(about.st_blocks * 512, 1 << 20);
    cr_assert_eq(about.st_size, SIZE_BYTES);
    cr_assert_eq(device_transfer(device, DEVICE_DISCARD, 0, 0, NULL, 1 << 20), 0);
    free(memory);
}

Test(device_file, blocking_transfers_take_any_memory, .init = make_file, .fini = close_file)
{
    unsigned char *out = memory_make(3 << 20, 0), *in = memory_make(3 << 20, 0);
    size_t size_bytes = (2 << 20) + 4096;
    fill_pattern(out + 3, 0, size_bytes);
    cr_assert_eq(device_transfer(device, DEVICE_WRITE, DEVICE_FUA, 4096, out + 3, size_bytes), 0);
    cr_assert_eq(device_transfer(device, DEVICE_FLUSH, 0, 0, NULL, 0), 0);
    cr_assert_eq(device_transfer(device, DEVICE_READ, 0, 4096, in + 1, size_bytes), 0);
    check_pattern(in + 1, 0, size_bytes);
    cr_assert_eq(device_transfer(device, DEVICE_WRITE_ZEROES, DEVICE_FUA, 0, NULL, SIZE_BYTES), 0);
    cr_assert_eq(device_transfer(device, DEVICE_READ, 0, 4096, in, size_bytes), 0);
    for (size_t i = 0; i < size_bytes; i++)
        cr_assert_eq(in[i], 0);
    cr_assert_eq(device_transfer(device, DEVICE_READ, 0, 100, in, 4096), -EINVAL);
    cr_assert_eq(device_transfer(device, DEVICE_READ, 0, 0, in, 0), 0);
    free(out);
    free(in);
}

Test(device_file, written_in_full_is_not_sparse, .init = make_file, .fini = remove_file)
{
    cr_assert(device->capabilities.sparse);
    cr_assert_eq(device_transfer(device, DEVICE_WRITE_ZEROES, DEVICE_FUA, 0, NULL, SIZE_BYTES), 0);
    device_close(device);
    cr_assert_eq(open_as(path, 0, &device), 0);
    cr_assert_not(device->capabilities.sparse);
    device_close(device);
}

Test(device_file, resize_only_grows, .init = make_file, .fini = close_file)
{
    cr_assert_eq(device_resize(device, SIZE_BYTES / 2), -EINVAL);
    cr_assert_eq(device_resize(device, SIZE_BYTES + 1), -EINVAL);
    cr_assert_eq(device_resize(device, SIZE_BYTES * 2), 0);
    cr_assert_eq(device->capabilities.size_bytes, SIZE_BYTES * 2);
}

Test(device_file, a_claim_keeps_others_out, .init = make_file, .fini = remove_file)
{
    struct device *other;
    uint64_t before = clock_monotonic_ns();
    cr_assert_eq(open_as(path, 0, &other), -EBUSY);
    cr_assert_geq(clock_monotonic_ns() - before, 90000000u, "it waited");
    cr_assert(strstr(reason, "in use") && strstr(reason, path), "%s", reason);
    cr_assert_eq(open_as(path, DEVICE_OPEN_READ_ONLY, &other), -EBUSY);
    device_close(device);
    cr_assert_eq(open_as(path, DEVICE_OPEN_READ_ONLY, &device), 0);
    cr_assert_eq(open_as(path, DEVICE_OPEN_READ_ONLY, &other), 0, "readers share");
    device_close(other);
    cr_assert_eq(open_as(path, 0, &other), -EBUSY);
    device_close(device);
}

Test(device_file, a_claim_given_back_in_time_is_taken, .init = make_file, .fini = remove_file)
{
    pid_t child = fork();
    if (child == 0) {
        usleep(100000);
        _exit(0); /* its copy of the open file goes with it */
    }
    device_close(device);
    device_set_claim_wait_ms(5000);
    cr_assert_eq(open_as(path, 0, &device), 0, "%s", reason);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    device_close(device);
}

Test(device_file, read_only_does_not_write, .init = make_file, .fini = remove_file)
{
    unsigned char *memory = memory_make(4096, 'x');
    device_close(device);
    cr_assert_eq(open_as(path, DEVICE_OPEN_READ_ONLY, &device), 0);
    cr_assert_eq(device_transfer(device, DEVICE_WRITE, 0, 0, memory, 4096), -EROFS);
    cr_assert_eq(device_transfer(device, DEVICE_READ, 0, 0, memory, 4096), 0);
    cr_assert_eq(device_resize(device, SIZE_BYTES * 2), -EROFS);
    device_close(device);
    free(memory);
}

static void expect_refusal(const char *name, uint32_t flags, int error, const char *words)
{
    struct device *opened;
    cr_assert_eq(open_as(name, flags, &opened), error, "%s", name);
    cr_assert(strstr(reason, words), "%s", reason);
    cr_assert_not(strchr(reason, '\n'));
}

Test(device_open, refusals_say_why, .init = make_file, .fini = close_file)
{
    char name[200], long_name[400] = "";
    snprintf(name, sizeof(name), "%s/missing", directory);
    expect_refusal(name, 0, -ENOENT, "no such file");
    snprintf(name, sizeof(name), "%s/missing/volume", directory);
    expect_refusal(name, DEVICE_OPEN_CREATE, -ENOENT, "no such file");
    expect_refusal(directory, 0, -EISDIR, "directory");
    expect_refusal("/dev/null", 0, -EINVAL, "neither a regular file nor a block device");
    expect_refusal("nvme:/dev/null", 0, -EINVAL, "not an NVMe namespace");
    snprintf(name, sizeof(name), "nvme:%s/missing", directory);
    expect_refusal(name, 0, -ENOENT, "no such device");
    memset(long_name, 'x', 300);
    expect_refusal(long_name, 0, -ENAMETOOLONG, "too long");

    snprintf(name, sizeof(name), "%s/empty", directory);
    close(open(name, O_CREAT | O_WRONLY, 0600));
    expect_refusal(name, 0, -EINVAL, "too small");
    unlink(name);
    cr_assert_eq(mkfifo(name, 0600), 0);
    expect_refusal(name, 0, -EINVAL, "neither");
    unlink(name);
}

Test(device_open, permission_is_asked, .init = make_file, .fini = remove_file)
{
    device_close(device);
    if (geteuid() == 0) {
        cr_assert_eq(chmod(directory, 0755), 0);
        cr_assert_eq(seteuid(65534), 0);
    } else {
        cr_assert_eq(chmod(path, 0), 0);
    }
    expect_refusal(path, 0, -EACCES, "permission");
    if (getuid() == 0)
        cr_assert_eq(seteuid(0), 0);
}

Test(device_open, the_prefix_is_not_part_of_the_path, .init = make_file, .fini = close_file)
{
    char name[120];
    device_close(device);
    snprintf(name, sizeof(name), "file:%s", path);
    cr_assert_eq(open_as(name, 0, &device), 0, "%s", reason);
    cr_assert_str_eq(device->path, path);
}

/* A file on a file system of its own, which goes with the test's process. */
static void start_on(const char *type, const char *mount_options)
{
    log_set_silent(true);
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount(type, "/mnt", type, 0, mount_options))
        cr_skip_test("no right to mount");
    cr_assert_eq(open_as("/mnt/volume", DEVICE_OPEN_CREATE, &device), 0, "%s", reason);
    cr_assert_eq(device_resize(device, SIZE_BYTES), 0);
    struct reactor_options options = {.entries = 8};
    cr_assert_eq(reactor_create(&options, &reactor, reason, sizeof(reason)), 0, "%s", reason);
    cr_assert_eq(device->operations->queue_create(device, reactor, &queue), 0);
}

static void finish_on(void)
{
    device->operations->queue_destroy(queue);
    reactor_destroy(reactor);
    device_close(device);
}

Test(device_open, without_o_direct_it_runs_buffered)
{
    start_on("ramfs", NULL); /* which knows no O_DIRECT */
    unsigned char *memory = memory_make(4096, 'b');
    cr_assert_eq(run_memory(DEVICE_WRITE, 0, 0, memory, 4096), 0);
    cr_assert_eq(device_transfer(device, DEVICE_WRITE, 0, 4096, memory, 4096), 0);
    memset(memory, 0, 4096);
    cr_assert_eq(run_memory(DEVICE_READ, 0, 4096, memory, 4096), 0);
    cr_assert_eq(memory[0], 'b');
    free(memory);
    finish_on();
}

/* A full file system stands for a device that fails. */
Test(device_file, a_failed_fua_write_is_a_failed_flush)
{
    start_on("tmpfs", "size=1m");
    unsigned char *memory = memory_make(1 << 20, 'x');
    struct iovec segment = {memory, 1 << 20};
    struct device_io io = {.done = count_done,
                           .operation = DEVICE_WRITE,
                           .flags = DEVICE_FUA,
                           .length_bytes = 1 << 20,
                           .segments = &segment,
                           .segment_count = 1};
    for (unsigned i = 0; i < 2; i++) {
        io.offset = i * (1u << 20);
        segment = (struct iovec){memory, 1 << 20};
        io.segments = &segment;
        io.segment_count = 1;
        done_count = 0;
        device_submit(queue, &io);
        while (!done_count)
            reactor_wait(reactor, UINT64_MAX);
    }
    cr_assert_eq(io.result, -ENOSPC);
    cr_assert(io.flush_failed);
    cr_assert_eq(device_transfer(device, DEVICE_WRITE, DEVICE_FUA, 2 << 20, memory, 1 << 20),
                 -ENOSPC);
    free(memory);
    finish_on();
}

/* The first part fits, the rest does not: what is continued must be what is left. */
Test(device_file, a_short_write_is_continued)
{
    start_on("tmpfs", "size=1m");
    unsigned char *memory = memory_make(1 << 20, 'x');
    cr_assert_eq(run_memory(DEVICE_WRITE, 0, 0, memory, 640 << 10), 0);
    fill_pattern(memory, 0, 256 << 10);
    fill_pattern(memory + (512 << 10), 256 << 10, 512 << 10);
    struct iovec segments[2] = {{memory, 256 << 10}, {memory + (512 << 10), 512 << 10}};
    cr_assert_eq(run(DEVICE_WRITE, 0, 1 << 20, 768 << 10, segments, 2), -ENOSPC);
    cr_assert_lt(segments[1].iov_len, 512 << 10, "behind what was written");
    cr_assert_eq(device_transfer(device, DEVICE_READ, 0, 1 << 20, memory, 320 << 10), 0);
    check_pattern(memory, 0, 320 << 10);
    free(memory);
    finish_on();
}

Test(device_file, a_queue_needs_a_reactor, .init = make_file, .fini = close_file)
{
    cr_assert_eq(device->operations->queue_create(device, NULL, &queue), -EINVAL);
}
