/*
 * test_client.c - libwt against a small server of our own, a thread that speaks the handshake and
 * answers from the rings. It can refuse, lie, fall asleep, answer backwards, hold everything back,
 * and die.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/wt.h"
#include "proto/ring.h"
#include "proto/wire.h"

#define MIB           (1u << 20)
#define FILE_BYTES    (8u * MIB)
#define LOG_ENTRIES   512u
#define SHARDS_MAX    4u
#define RING_STRIDE   (1u << 20)
#define NO_OFFSET     UINT64_MAX
#define RESULT_TO_LIE 0x7fff0000

/* ---- the server ------------------------------------------------------------------------------ */

enum death {
    DEATH_NONE,
    DEATH_SILENT,
    DEATH_TOLD,
    DEATH_CORRUPT_TAIL,
    DEATH_WRONG_ID,
    DEATH_WRONG_RESULT
};

static struct server {
    char path[108];
    int listener, socket, stop, stop_peer, doorbells[SHARDS_MAX];
    pthread_t thread;
    /* What a test sets before it connects. */
    uint32_t shards;
    bool is_silent;
    int refusal;
    const char *reason;
    void (*tamper)(struct wt_welcome *welcome);
    int seals;
    /* What it may change while the server runs. */
    _Atomic bool holds, is_sleepy, answers_backwards;
    _Atomic int death;
    _Atomic unsigned
        dies_at; /* the request, counted from 1, that it dies of instead of answering */
    _Atomic uint64_t fails_at, short_at; /* an offset of reads and writes */
    _Atomic unsigned sleeps;
    /* What it saw. */
    struct wt_hello hello;
    _Atomic unsigned requests;
    struct wt_request log[LOG_ENTRIES];
    char path_seen[WT_PATH_BYTES_MAX + 1], second_seen[WT_PATH_BYTES_MAX + 1];
    /* What it serves. */
    unsigned char *region, *arena;
    struct wt_region_header *header;
    struct wt_ring submission[SHARDS_MAX], completion[SHARDS_MAX];
    unsigned char *file;
    uint64_t file_size;
} server;

static struct wt *session;

static void server_welcome(void)
{
    struct wt_welcome w = {.magic = WT_WELCOME_MAGIC,
                           .version = WT_PROTOCOL_VERSION,
                           .volume_uuid = {1, 2},
                           .ring_offset = WT_PAGE_BYTES,
                           .ring_stride = RING_STRIDE,
                           .arena_bytes = server.hello.arena_bytes,
                           .completion_control = 256,
                           .submission_entries = 512,
                           .completion_entries = 512 + server.hello.ring_entries * 64,
                           .ring_entries = server.hello.ring_entries,
                           .shard_count = server.shards,
                           .names_shard = server.shards - 1};
    w.arena_offset = w.ring_offset + w.ring_stride * w.shard_count;
    w.region_bytes = w.arena_offset + w.arena_bytes;
    int fds[1 + SHARDS_MAX];
    fds[0] = memfd_create("region", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    cr_assert_eq(ftruncate(fds[0], (off_t)w.region_bytes), 0);
    fcntl(fds[0], F_ADD_SEALS, server.seals);
    server.region = mmap(NULL, w.region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
    server.header = (struct wt_region_header *)server.region;
    server.arena = server.region + w.arena_offset;
    for (uint32_t i = 0; i < w.shard_count; i++) {
        unsigned char *block = server.region + w.ring_offset + i * w.ring_stride;
        wt_ring_init(&server.submission[i], (struct wt_ring_control *)block,
                     block + w.submission_entries, w.ring_entries, sizeof(struct wt_request));
        wt_ring_init(
            &server.completion[i], (struct wt_ring_control *)(block + w.completion_control),
            block + w.completion_entries, w.ring_entries, sizeof(struct wt_wire_completion));
        fds[1 + i] = server.doorbells[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    w.error = server.refusal;
    if (server.reason)
        snprintf((char *)w.reason, sizeof(w.reason), "%s", server.reason);
    if (server.tamper)
        server.tamper(&w);
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(fds))];
    } control = {0};
    struct iovec iov = {.iov_base = &w, .iov_len = sizeof(w)};
    size_t fd_bytes = (1 + server.shards) * sizeof(int);
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    if (!w.error) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(fd_bytes);
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(fd_bytes), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), fds, fd_bytes);
    }
    sendmsg(server.socket, &message, MSG_NOSIGNAL);
    close(fds[0]);
}

static int64_t server_readdir(const struct wt_request *r, struct wt_wire_completion *c)
{
    static const char *const names[] = {".", "..", "a", "some longer name", "z"};
    unsigned char *at = server.arena + r->arena_offset2;
    uint64_t i = r->offset;
    /* Two entries a block, so that reading goes on from a cookie. */
    for (unsigned n = 0; i < 5 && n < 2; i++, n++) {
        size_t length = strlen(names[i]);
        struct wt_wire_dirent entry = {.ino = 100 + i,
                                       .cookie = i + 1,
                                       .entry_bytes = (uint16_t)((24 + length + 7) & ~7ull),
                                       .type = DT_REG,
                                       .name_bytes = (uint8_t)length};
        memcpy(at, &entry, sizeof(entry));
        memcpy(at + sizeof(entry), names[i], length);
        at += entry.entry_bytes;
    }
    c->offset = i;
    c->flags = i == 5 ? WT_COMPLETION_END : 0;
    return at - (server.arena + r->arena_offset2);
}

static int64_t server_data(const struct wt_request *r, struct wt_wire_completion *c)
{
    uint64_t offset = r->flags & WT_REQUEST_APPEND ? server.file_size : r->offset;
    uint32_t length = r->length;
    if (r->offset == server.fails_at)
        return -EIO;
    if (r->offset == server.short_at)
        length /= 2;
    if (r->opcode == WT_OP_READ) {
        if (offset >= server.file_size)
            return 0;
        if (length > server.file_size - offset)
            length = (uint32_t)(server.file_size - offset);
        memcpy(server.arena + r->arena_offset, server.file + offset, length);
        return length;
    }
    if (offset + length > FILE_BYTES)
        return -EFBIG;
    memcpy(server.file + offset, server.arena + r->arena_offset, length);
    if (offset + length > server.file_size)
        server.file_size = offset + length;
    c->offset = r->flags & WT_REQUEST_APPEND ? offset : 0;
    return length;
}

static int64_t server_answer(const struct wt_request *r, struct wt_wire_completion *c)
{
    static const char link[] = "the/target", stats[] = "cache_hits 7\nsessions 1\n";
    static uint32_t next_handle;
    unsigned char *reply = server.arena + r->arena_offset2;
    switch (r->opcode) {
    case WT_OP_OPEN:
        c->offset = 9 | (uint64_t)(next_handle % server.shards) << 32;
        return next_handle++;
    case WT_OP_READ:
    case WT_OP_WRITE:
        return server_data(r, c);
    case WT_OP_STAT:
    case WT_OP_FSTAT:
        *(struct wt_wire_stat *)reply = (struct wt_wire_stat){.ino = 5,
                                                              .size_bytes = 4097,
                                                              .blocks_512 = 16,
                                                              .mode = S_IFREG | 0640,
                                                              .nlink = 1,
                                                              .mtime = {77, 999999999, 0}};
        return 0;
    case WT_OP_STATVFS:
        *(struct wt_wire_statvfs *)reply =
            (struct wt_wire_statvfs){.block_bytes = 4096, .blocks = 1000, .blocks_free = 10};
        return 0;
    case WT_OP_READLINK:
        memcpy(reply, link, r->length2 < sizeof(link) - 1 ? r->length2 : sizeof(link) - 1);
        return r->length2 < sizeof(link) - 1 ? r->length2 : sizeof(link) - 1;
    case WT_OP_STATS:
        memcpy(reply, stats, sizeof(stats) - 1);
        return sizeof(stats) - 1;
    case WT_OP_READDIR:
        return server_readdir(r, c);
    case WT_OP_RMDIR:
        return -ENOTEMPTY;
    default:
        return 0;
    }
}

static void server_post(uint32_t shard, const struct wt_wire_completion *c)
{
    struct wt_ring *ring = &server.completion[shard];
    cr_assert_geq(wt_ring_producible(ring, 1), 1, "the client has more in flight than it may");
    wt_ring_put(ring, c);
    wt_ring_publish(ring);
    atomic_thread_fence(memory_order_seq_cst);
    if (__atomic_load_n(&server.header->client_waiting, __ATOMIC_RELAXED)) {
        __atomic_add_fetch(&server.header->wake_word, 1, __ATOMIC_RELEASE);
        syscall(SYS_futex, &server.header->wake_word, 1 /* FUTEX_WAKE */, 1, NULL, NULL, 0);
    }
}

/* Dies instead of answering. False: the server's thread ends. */
static bool server_die(uint32_t shard, const struct wt_request *r)
{
    struct wt_wire_completion c = {.user_data = r->user_data};
    switch (atomic_load(&server.death)) {
    case DEATH_TOLD:
        __atomic_store_n(&server.header->server_gone, 1, __ATOMIC_RELEASE);
        return false;
    case DEATH_CORRUPT_TAIL:
        atomic_store(&server.completion[shard].control->tail,
                     server.completion[shard].own + 100000);
        return true;
    case DEATH_WRONG_ID:
        c.user_data ^= 1ull << 40;
        server_post(shard, &c);
        return true;
    case DEATH_WRONG_RESULT:
        c.result = RESULT_TO_LIE;
        server_post(shard, &c);
        return true;
    default:
        return false;
    }
}

static void server_note(const struct wt_request *r)
{
    server.log[server.requests % LOG_ENTRIES] = *r;
    server.requests++;
    bool has_path = r->handle_index == WT_NO_HANDLE && r->length && r->length <= WT_PATH_BYTES_MAX;
    if (has_path)
        snprintf(server.path_seen, sizeof(server.path_seen), "%.*s", (int)r->length,
                 (char *)server.arena + r->arena_offset);
    if (has_path && r->length2 <= WT_PATH_BYTES_MAX)
        snprintf(server.second_seen, sizeof(server.second_seen), "%.*s", (int)r->length2,
                 (char *)server.arena + r->arena_offset2);
}

/* Answers what is in one ring. False: it died. */
static bool server_ring(uint32_t shard, bool *did_something)
{
    struct wt_wire_completion batch[LOG_ENTRIES];
    struct wt_request r;
    uint32_t count = 0;
    int64_t ready = wt_ring_consumable(&server.submission[shard]);
    cr_assert_geq(ready, 0);
    for (; ready > 0 && count < LOG_ENTRIES; ready--) {
        wt_ring_take(&server.submission[shard], &r);
        wt_ring_release(&server.submission[shard]);
        server_note(&r);
        if (server.requests == server.dies_at) {
            for (uint32_t i = 0; i < count; i++)
                server_post(shard, &batch[i]);
            return server_die(shard, &r);
        }
        struct wt_wire_completion c = {.user_data = r.user_data};
        c.result = server_answer(&r, &c);
        batch[count++] = c;
        *did_something = true;
    }
    for (uint32_t i = 0; i < count; i++)
        server_post(shard, &batch[server.answers_backwards ? count - 1 - i : i]);
    return true;
}

/* Sleeps until a doorbell, the end of the client, or the end of the test. */
static void server_sleep(void)
{
    struct pollfd fds[SHARDS_MAX + 2];
    bool may_sleep = true;
    uint64_t value;
    for (uint32_t i = 0; i < server.shards; i++)
        may_sleep = wt_ring_prepare_sleep(&server.submission[i]) && may_sleep;
    for (uint32_t i = 0; i < server.shards; i++)
        fds[i] = (struct pollfd){.fd = server.doorbells[i], .events = POLLIN};
    fds[server.shards] = (struct pollfd){.fd = server.stop, .events = POLLIN};
    fds[server.shards + 1] = (struct pollfd){.fd = server.socket, .events = POLLIN};
    if (may_sleep) {
        server.sleeps++;
        poll(fds, server.shards + 2, -1);
    }
    for (uint32_t i = 0; i < server.shards; i++) {
        wt_ring_awake(&server.submission[i]);
        while (read(server.doorbells[i], &value, sizeof(value)) > 0)
            ;
    }
}

static bool server_may_go_on(void)
{
    struct pollfd fds[2] = {{.fd = server.stop, .events = POLLIN},
                            {.fd = server.socket, .events = POLLIN}};
    return poll(fds, 2, 0) == 0;
}

static void *server_run(void *unused)
{
    (void)unused;
    struct pollfd fds[2] = {{.fd = server.stop, .events = POLLIN},
                            {.fd = server.listener, .events = POLLIN}};
    poll(fds, 2, -1);
    if (fds[0].revents)
        return NULL;
    server.socket = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC);
    cr_assert_eq(recv(server.socket, &server.hello, sizeof(server.hello), 0), sizeof(server.hello));
    if (server.is_silent) {
        poll(fds, 1, -1);
    } else {
        server_welcome();
        bool lives = true;
        while (lives && server_may_go_on()) {
            bool did_something = false;
            for (uint32_t i = 0; lives && i < server.shards && !server.holds; i++)
                lives = server_ring(i, &did_something);
            if (lives && !did_something && server.is_sleepy && !server.holds)
                server_sleep();
            else if (!did_something)
                usleep(20);
        }
    }
    close(server.socket);
    return NULL;
}

static void server_start(void)
{
    int pipe_fds[2];
    server.shards = 1;
    server.seals = F_SEAL_SHRINK | F_SEAL_GROW;
    server.fails_at = server.short_at = NO_OFFSET;
    server.file = calloc(1, FILE_BYTES);
    snprintf(server.path, sizeof(server.path), "/tmp/wt-test-client-%d.sock", getpid());
    unlink(server.path);
    cr_assert_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    server.stop = pipe_fds[0];
    server.stop_peer = pipe_fds[1];
    server.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, server.path, sizeof(server.path));
    cr_assert_eq(bind(server.listener, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(server.listener, 4), 0);
    cr_assert_eq(pthread_create(&server.thread, NULL, server_run, NULL), 0);
}

static void server_stop(void)
{
    wt_disconnect(session);
    close(server.stop_peer);
    pthread_join(server.thread, NULL);
    unlink(server.path);
    free(server.file);
}

/* ---- what tests share ------------------------------------------------------------------------ */

static void connect_with(uint32_t ring_entries, uint64_t arena_bytes)
{
    struct wt_options options = WT_OPTIONS_INIT;
    options.ring_entries = ring_entries;
    options.arena_bytes = arena_bytes;
    options.umask = 027;
    int rc = wt_connect(server.path, &options, &session);
    cr_assert_eq(rc, 0, "connect: %d %s", rc, wt_connect_error());
}

static int connected_file(void)
{
    connect_with(16, 4 * MIB);
    int handle = wt_open(session, "/file", O_RDWR | O_CREAT, 0666);
    cr_assert_geq(handle, 0);
    return handle;
}

static const struct wt_request *last_request(void)
{
    return &server.log[(server.requests - 1) % LOG_ENTRIES];
}

static unsigned char *pattern(size_t bytes)
{
    unsigned char *data = malloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (unsigned char)(i * 7 + i / 4096);
    return data;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const struct timespec no_time = {0}, ms_30 = {.tv_nsec = 30000000};

TestSuite(client, .init = server_start, .fini = server_stop, .timeout = 60);

/* ---- connecting ------------------------------------------------------------------------------ */

Test(client, no_server_is_said_at_once)
{
    cr_assert_eq(wt_connect("/nonexistent/wt.sock", NULL, &session), -ENOENT);
    cr_assert(strstr(wt_connect_error(), "is wtd running"), "%s", wt_connect_error());
    cr_assert_null(session);
}

Test(client, long_socket_path_is_refused)
{
    char path[200];
    memset(path, 'x', sizeof(path));
    path[108] = '\0';
    cr_assert_eq(wt_connect(path, NULL, &session), -ENAMETOOLONG);
    path[107] = '\0';
    cr_assert_eq(wt_connect(path, NULL, &session), -ENOENT);
}

Test(client, socket_comes_from_environment)
{
    setenv("WT_SOCKET", server.path, 1);
    cr_assert_eq(wt_connect(NULL, NULL, &session), 0);
    cr_assert_str_eq(wt_connect_error(), "");
    cr_assert_eq(server.hello.ring_entries, WT_RING_ENTRIES_DEFAULT);
    cr_assert_eq(server.hello.arena_bytes, WT_ARENA_BYTES_DEFAULT);
}

Test(client, refusal_gives_servers_reason)
{
    server.refusal = -EUSERS;
    server.reason = "too many sessions (limit 3)";
    cr_assert_eq(wt_connect(server.path, NULL, &session), -EUSERS);
    cr_assert_str_eq(wt_connect_error(), server.reason);
}

Test(client, silent_server_is_given_up)
{
    server.is_silent = true;
    int64_t start_ms = now_ms();
    cr_assert_eq(wt_connect(server.path, NULL, &session), -ETIMEDOUT);
    cr_assert_geq(now_ms() - start_ms, 4900);
    cr_assert_lt(now_ms() - start_ms, 8000);
}

static void tamper_arena(struct wt_welcome *w)
{
    w->arena_offset += WT_PAGE_BYTES;
}

static void tamper_stride(struct wt_welcome *w)
{
    w->ring_stride = 1ull << 63;
}

static void tamper_entries(struct wt_welcome *w)
{
    w->completion_entries = 0xffffffc0u;
}

static void tamper_region(struct wt_welcome *w)
{
    w->region_bytes += 1ull << 30;
}

static void tamper_shards(struct wt_welcome *w)
{
    w->shard_count = 2;
    w->ring_stride /= 2;
}

static void tamper_magic(struct wt_welcome *w)
{
    w->magic = 0;
}

static void tamper_nothing(struct wt_welcome *w)
{
    (void)w;
}

static void cannot_connect(void (*tamper)(struct wt_welcome *), const char *words)
{
    server.tamper = tamper;
    cr_assert_eq(wt_connect(server.path, NULL, &session), -EPROTO);
    cr_assert(strstr(wt_connect_error(), words), "%s", wt_connect_error());
}

Test(client, arena_outside_region)
{
    cannot_connect(tamper_arena, "outside the region");
}

Test(client, rings_outside_region)
{
    cannot_connect(tamper_stride, "outside the region");
}

Test(client, entries_outside_ring_block)
{
    cannot_connect(tamper_entries, "outside their blocks");
}

Test(client, region_smaller_than_said)
{
    cannot_connect(tamper_region, "smaller than the server says");
}

Test(client, descriptors_missing)
{
    cannot_connect(tamper_shards, "wrong number of descriptors");
}

Test(client, not_a_wt_server)
{
    cannot_connect(tamper_magic, "not a wt server");
}

Test(client, region_that_can_shrink_is_refused)
{
    server.seals = F_SEAL_GROW;
    cannot_connect(tamper_nothing, "not sealed");
}

Test(client, options_tail)
{
    struct {
        struct wt_options options;
        uint64_t tail;
    } longer = {.options = WT_OPTIONS_INIT, .tail = 1};
    longer.options.size = sizeof(longer);
    cr_assert_eq(wt_connect(server.path, &longer.options, &session), -E2BIG);
    longer.tail = 0;
    cr_assert_eq(wt_connect(server.path, &longer.options, &session), 0);
}

Test(client, options_out_of_range)
{
    struct wt_options options = WT_OPTIONS_INIT;
    options.ring_entries = 12;
    cr_assert_eq(wt_connect(server.path, &options, &session), -EINVAL);
    options = (struct wt_options)WT_OPTIONS_INIT;
    options.level = WT_STABLE | WT_BEHIND;
    cr_assert_eq(wt_connect(server.path, &options, &session), -EINVAL);
    options = (struct wt_options)WT_OPTIONS_INIT;
    options.arena_bytes = 4096;
    cr_assert_eq(wt_connect(server.path, &options, &session), -EINVAL);
    options = (struct wt_options)WT_OPTIONS_INIT;
    options.size = 0;
    cr_assert_eq(wt_connect(server.path, &options, &session), -EINVAL);
}

/* ---- synchronous I/O ------------------------------------------------------------------------- */

Test(client, read_gives_what_was_written)
{
    char back[8] = {0};
    int handle = connected_file();
    cr_assert_eq(wt_pwrite(session, handle, "hello", 5, 100), 5);
    cr_assert_eq(wt_pread(session, handle, back, 8, 100), 5);
    cr_assert_str_eq(back, "hello");
    cr_assert_eq(wt_pread(session, handle, back, 8, 105), 0);
    cr_assert_eq(wt_pread(session, handle, back, 0, 0), 0);
    cr_assert_eq(last_request()->handle_generation, 9);
    cr_assert_eq(wt_close(session, handle), 0);
    cr_assert_eq(wt_pread(session, handle, back, 8, 100), -EBADF);
    cr_assert_eq(wt_close(session, handle), -EBADF);
}

Test(client, large_calls_are_split_and_may_come_back_in_any_order)
{
    size_t bytes = 5 * MIB + 12345;
    unsigned char *data = pattern(bytes), *back = calloc(1, bytes);
    server.answers_backwards = true;
    int handle = connected_file();
    unsigned before = server.requests;
    cr_assert_eq(wt_pwrite(session, handle, data, bytes, 3), (ssize_t)bytes);
    cr_assert_geq(server.requests - before, 6u);
    cr_assert_eq(wt_pread(session, handle, back, bytes + 100, 3), (ssize_t)bytes);
    cr_assert_eq(memcmp(data, back, bytes), 0);
    free(data);
    free(back);
}

Test(client, error_in_a_later_piece_makes_the_call_short)
{
    unsigned char *data = pattern(4 * MIB);
    int handle = connected_file();
    server.fails_at = 2 * MIB;
    cr_assert_eq(wt_pwrite(session, handle, data, 4 * MIB, 0), 2 * MIB);
    cr_assert_eq(wt_pwrite(session, handle, data, 4 * MIB, 2 * MIB), -EIO);
    server.fails_at = NO_OFFSET;
    server.short_at = MIB;
    cr_assert_eq(wt_pwrite(session, handle, data, 4 * MIB, 0), MIB + MIB / 2);
    free(data);
}

Test(client, vectors_are_gathered_and_scattered)
{
    unsigned char *data = pattern(3 * MIB), *back = calloc(1, 3 * MIB);
    int handle = connected_file();
    struct iovec out[4] = {
        {data, 1}, {data + 1, 0}, {data + 1, 2 * MIB}, {data + 1 + 2 * MIB, 999}};
    struct iovec in[3] = {{back, 4096}, {back + 4096, 5}, {back + 4101, 2 * MIB}};
    ssize_t bytes = 1000 + 2 * MIB;
    cr_assert_eq(wt_pwritev2(session, handle, out, 4, 50, 0), bytes);
    cr_assert_eq(wt_preadv2(session, handle, in, 3, 50, 0), bytes);
    cr_assert_eq(memcmp(data, back, (size_t)bytes), 0);
    cr_assert_eq(wt_preadv2(session, handle, in, -1, 0, 0), -EINVAL);
    free(data);
    free(back);
}

Test(client, append_says_where_it_landed)
{
    unsigned char *data = pattern(MIB + 1);
    off_t landed = -1;
    int handle = connected_file();
    cr_assert_eq(wt_append(session, handle, data, 10, 0, NULL), 10);
    cr_assert_eq(wt_append(session, handle, data, 10, WT_STABLE, &landed), 10);
    cr_assert_eq(landed, 10);
    cr_assert_eq(wt_append(session, handle, data, MIB + 1, 0, NULL), -EMSGSIZE);
    int appender = wt_open(session, "file", O_WRONLY | O_APPEND, 0);
    cr_assert_eq(wt_pwrite(session, appender, data, 10, 0), 10);
    cr_assert(last_request()->flags & WT_REQUEST_APPEND);
    cr_assert_eq(wt_prep_write(session, appender, data, MIB + 1, 0, 0, 1), -EMSGSIZE);
    free(data);
}

Test(client, levels_reach_the_wire)
{
    struct iovec iov = {"x", 1};
    int handle = connected_file();
    int synced = wt_open(session, "file", O_RDWR | O_SYNC, 0);
    cr_assert_eq(last_request()->level, WT_LEVEL_STABLE);
    wt_pwrite(session, handle, "x", 1, 0);
    cr_assert_eq(last_request()->level, WT_LEVEL_THROUGH);
    wt_pwritev2(session, handle, &iov, 1, 0, WT_BEHIND);
    cr_assert_eq(last_request()->level, WT_LEVEL_BEHIND);
    wt_pwrite(session, synced, "x", 1, 0);
    cr_assert_eq(last_request()->level, WT_LEVEL_STABLE);
    wt_pwritev2(session, synced, &iov, 1, 0, WT_THROUGH | WT_DIRECT);
    cr_assert_eq(last_request()->level, WT_LEVEL_THROUGH);
    cr_assert_eq(last_request()->flags, WT_REQUEST_DIRECT);
    wt_pread(session, synced, (char[1]){0}, 1, 0);
    cr_assert_eq(last_request()->level, 0);
    wt_rename(session, "a", "b", WT_STABLE | 1);
    cr_assert_eq(last_request()->level, WT_LEVEL_STABLE);
    cr_assert_eq(last_request()->argument, 1u);
}

Test(client, bad_flags_and_offsets_are_refused_here)
{
    struct iovec iov = {(char[1]){0}, 1};
    int handle = connected_file();
    unsigned before = server.requests;
    cr_assert_eq(wt_pwritev2(session, handle, &iov, 1, 0, WT_BEHIND | WT_STABLE), -EINVAL);
    cr_assert_eq(wt_pwritev2(session, handle, &iov, 1, 0, 1), -EINVAL);
    cr_assert_eq(wt_preadv2(session, handle, &iov, 1, 0, WT_STABLE), -EINVAL);
    cr_assert_eq(wt_pread(session, handle, iov.iov_base, 1, -1), -EINVAL);
    cr_assert_eq(wt_prep_read(session, handle, iov.iov_base, 1, -1, 0, 1), -EINVAL);
    cr_assert_eq(wt_prep_fsync(session, handle, WT_STABLE, 1), -EINVAL);
    cr_assert_eq(wt_rename(session, "a", "b", WT_STABLE | WT_BEHIND), -EINVAL);
    cr_assert_eq(wt_open(session, "a", WT_DIRECT, 0), -EINVAL);
    cr_assert_eq(wt_ftruncate(session, handle, -1), -EINVAL);
    cr_assert_eq(wt_pread(session, 77, iov.iov_base, 1, 0), -EBADF);
    cr_assert_eq(server.requests, before);
}

Test(client, handles_go_to_their_shards)
{
    server.shards = 4;
    connect_with(8, MIB);
    bool seen[4] = {false};
    cr_assert_eq(wt_shards(session), 4u);
    for (int i = 0; i < 200; i++) {
        int handle = wt_open(session, "f", O_RDWR, 0);
        cr_assert_geq(handle, 0);
        cr_assert_eq(wt_pwrite(session, handle, &i, sizeof(i), i * 8), (ssize_t)sizeof(i));
        seen[wt_handle_shard(session, handle)] = true;
    }
    cr_assert(seen[0] && seen[1] && seen[2] && seen[3]);
    cr_assert_eq(wt_handle_shard(session, 200), -EBADF);
}

/* ---- asynchronous I/O ------------------------------------------------------------------------ */

Test(client, prepared_requests_complete_once_with_their_data)
{
    struct wt_completion done[16];
    char out[8][16], in[8][16];
    uint64_t seen = 0;
    int handle = connected_file();
    unsigned before = server.requests;
    for (unsigned i = 0; i < 8; i++) {
        snprintf(out[i], sizeof(out[i]), "message %u", i);
        cr_assert_eq(wt_prep_write(session, handle, out[i], 16, i * 16, 0, i), 0);
        cr_assert_eq(wt_prep_read(session, handle, in[i], 16, i * 16, 0, 100 + i), 0);
    }
    cr_assert_eq(server.requests, before, "prepared is not handed over");
    cr_assert_eq(wt_submit(session), 16);
    cr_assert_eq(wt_submit(session), 0);
    cr_assert_eq(wt_wait(session, done, 16, 16, NULL), 16);
    for (unsigned i = 0; i < 16; i++) {
        cr_assert_eq(done[i].result, 16);
        seen |= 1ull << (done[i].user_data >= 100 ? done[i].user_data - 92 : done[i].user_data);
    }
    cr_assert_eq(seen, 0xffffull);
    cr_assert_eq(memcmp(out, in, sizeof(out)), 0);
    cr_assert_eq(wt_wait(session, done, 16, 16, NULL), 0, "nothing in flight");
}

Test(client, full_ring_gives_eagain_and_nothing_is_lost)
{
    struct wt_completion done[64];
    int handle = connected_file(), count = 0;
    server.holds = true;
    while (wt_prep_nop(session, (uint64_t)count) == 0)
        cr_assert_lt(++count, 1000);
    cr_assert_eq(count, 16);
    cr_assert_eq(wt_prep_write(session, handle, "x", 1, 0, 0, 99), -EAGAIN);
    server.holds = false;
    cr_assert_eq(wt_wait(session, done, 64, 16, NULL), 16);
    cr_assert_eq(wt_prep_write(session, handle, "x", 1, 0, 0, 99), 0);
    cr_assert_eq(wt_wait(session, done, 64, 1, NULL), 1);
    cr_assert_eq(done[0].user_data, 99u);
}

Test(client, synchronous_calls_leave_completions_for_wt_wait)
{
    struct wt_completion done[64];
    char buf[100];
    int handle = connected_file();
    /* Rounds, so that every slot is a kept completion once: synchronous calls must still get
     * through. */
    for (unsigned round = 0; round < 3; round++) {
        unsigned count = 0;
        for (;;) {
            int rc = wt_prep_write(session, handle, "abcd", 4, count * 4, 0, count);
            if (rc == 0)
                count++;
            else
                cr_assert_eq(rc, -EAGAIN);
            cr_assert_eq(wt_pread(session, handle, buf, 4, 0), 4);
            if (rc)
                break;
        }
        cr_assert_eq(count, 16u);
        cr_assert_eq(wt_fsync(session, handle), 0);
        cr_assert_eq(wt_wait(session, done, 5, 5, NULL), 5);
        cr_assert_eq(wt_wait(session, done + 5, 59, 59, NULL), 11);
        for (unsigned i = 0; i < count; i++)
            cr_assert_eq(done[i].user_data, i);
    }
}

Test(client, large_prep_is_one_completion)
{
    struct wt_completion done[4];
    unsigned char *data = pattern(3 * MIB + 5), *back = calloc(1, 4 * MIB);
    server.answers_backwards = true;
    int handle = connected_file();
    cr_assert_eq(wt_prep_write(session, handle, data, 3 * MIB + 5, 10, 0, 1), 0);
    cr_assert_eq(wt_submit(session), 1);
    cr_assert_eq(wt_wait(session, done, 4, 4, NULL), 1);
    cr_assert_eq(done[0].result, 3 * MIB + 5);
    cr_assert_eq(wt_prep_read(session, handle, back, 4 * MIB, 10, 0, 2), 0);
    cr_assert_eq(wt_wait(session, done, 4, 4, NULL), 1);
    cr_assert_eq(done[0].result, 3 * MIB + 5, "short at the end of the file");
    cr_assert_eq(memcmp(data, back, 3 * MIB + 5), 0);
    server.fails_at = MIB;
    cr_assert_eq(wt_prep_write(session, handle, data, 3 * MIB, 0, 0, 3), 0);
    cr_assert_eq(wt_wait(session, done, 4, 1, NULL), 1);
    cr_assert_eq(done[0].result, MIB);
    server.fails_at = 0;
    cr_assert_eq(wt_prep_write(session, handle, data, 3 * MIB, 0, 0, 3), 0);
    cr_assert_eq(wt_wait(session, done, 4, 1, NULL), 1);
    cr_assert_eq(done[0].result, -EIO);
    free(data);
    free(back);
}

Test(client, prep_that_does_not_fit_leaves_no_trace)
{
    struct wt_completion done[4];
    unsigned char *data = pattern(6 * MIB);
    int handle = connected_file();
    cr_assert_eq(wt_prep_write(session, handle, data, 6 * MIB, 0, 0, 1), -EMSGSIZE);
    cr_assert_eq(wt_prep_write(session, handle, data, 4096, 0, 0, 2), 0);
    cr_assert_eq(wt_prep_write(session, handle, data, 4 * MIB, 0, 0, 3), -EAGAIN);
    cr_assert_eq(wt_submit(session), 1);
    cr_assert_eq(wt_wait(session, done, 4, 4, NULL), 1);
    cr_assert_eq(done[0].user_data, 2u);
    cr_assert_eq(wt_prep_write(session, handle, data, 4 * MIB, 0, 0, 3), 0);
    cr_assert_eq(wt_wait(session, done, 4, 4, NULL), 1);
    cr_assert_eq(done[0].result, 4 * MIB);
    free(data);
}

Test(client, close_delivers_what_is_in_flight)
{
    struct wt_completion done[2];
    int handle = connected_file();
    cr_assert_eq(wt_prep_write(session, handle, "abc", 3, 0, 0, 5), 0);
    cr_assert_eq(wt_prep_fsync(session, handle, WT_DATASYNC, 6), 0);
    cr_assert_eq(wt_close(session, handle), 0);
    cr_assert_eq(last_request()->opcode, WT_OP_CLOSE);
    cr_assert_eq(server.log[(server.requests - 2) % LOG_ENTRIES].flags, WT_REQUEST_DATASYNC);
    cr_assert_eq(wt_wait(session, done, 2, 2, NULL), 2);
    cr_assert_eq(done[0].user_data, 5u);
}

Test(client, wait_rules)
{
    struct wt_completion done[4];
    int handle = connected_file();
    cr_assert_eq(wt_wait(session, done, 4, 4, NULL), 0);
    server.holds = true;
    cr_assert_eq(wt_prep_write(session, handle, "x", 1, 0, 0, 1), 0);
    cr_assert_eq(wt_wait(session, done, 4, 0, NULL), 0, "min 0 just looks");
    cr_assert_eq(wt_wait(session, done, 4, 1, &no_time), -ETIME);
    int64_t start_ms = now_ms();
    cr_assert_eq(wt_wait(session, done, 4, 1, &ms_30), -ETIME);
    cr_assert_geq(now_ms() - start_ms, 29);
    cr_assert_eq(wt_wait(session, done, 4, 1, &(struct timespec){.tv_nsec = -1}), -EINVAL);
    server.holds = false;
    cr_assert_eq(wt_fsync(session, handle), 0);
    server.holds = true;
    cr_assert_eq(wt_prep_nop(session, 2), 0);
    cr_assert_eq(wt_wait(session, done, 4, 2, &ms_30), 1, "one of two at the timeout");
    cr_assert_eq(done[0].user_data, 1u);
    server.holds = false;
    cr_assert_eq(wt_wait(session, done, 4, 4, NULL), 1, "min is capped at what is in flight");
    cr_assert_eq(done[0].user_data, 2u);
}

Test(client, sleeping_server_is_woken)
{
    server.shards = 3;
    server.is_sleepy = true;
    connect_with(8, MIB);
    int handles[3];
    for (int i = 0; i < 3; i++)
        handles[i] = wt_open(session, "f", O_RDWR, 0);
    for (int i = 0; i < 50; i++) {
        for (int h = 0; h < 3; h++)
            cr_assert_eq(wt_pwrite(session, handles[h], "x", 1, i), 1);
        if (i % 10 == 0)
            usleep(2000);
    }
    cr_assert_gt(server.sleeps, 0u);
}

/* ---- losing the server ----------------------------------------------------------------------- */

/* Ten writes in flight, of which the server answers three and dies at the fourth. */
static void lose_ten(enum death death, int answered)
{
    struct wt_completion done[16];
    int handle = connected_file(), good = 0, lost = 0;
    uint64_t seen = 0;
    server.holds = true;
    server.death = death;
    server.dies_at = server.requests + 4;
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(wt_prep_write(session, handle, "x", 1, i, 0, i), 0);
    cr_assert_eq(wt_submit(session), 10);
    server.holds = false;
    int64_t start_ms = now_ms();
    cr_assert_eq(wt_wait(session, done, 16, 16, NULL), 10);
    cr_assert_lt(now_ms() - start_ms, 1000);
    for (unsigned i = 0; i < 10; i++) {
        good += done[i].result == 1;
        lost += done[i].result == -EREMOTEIO;
        seen |= 1ull << done[i].user_data;
    }
    cr_assert_eq(seen, 0x3ffull, "each completes once");
    cr_assert_eq(good, answered);
    cr_assert_eq(lost, 10 - answered);
    cr_assert_eq(wt_wait(session, done, 16, 1, NULL), -ENOTCONN);
    cr_assert_eq(wt_prep_nop(session, 1), -ENOTCONN);
    cr_assert_eq(wt_submit(session), -ENOTCONN);
    cr_assert_eq(wt_pread(session, handle, (char[1]){0}, 1, 0), -ENOTCONN);
    cr_assert_eq(wt_open(session, "f", O_RDONLY, 0), -ENOTCONN);
    cr_assert_eq(wt_close(session, handle), -ENOTCONN);
}

Test(client, killed_server)
{
    lose_ten(DEATH_SILENT, 3);
}

Test(client, server_that_says_goodbye)
{
    lose_ten(DEATH_TOLD, 3);
}

Test(client, impossible_completion_id)
{
    lose_ten(DEATH_WRONG_ID, 3);
}

Test(client, impossible_result)
{
    lose_ten(DEATH_WRONG_RESULT, 3);
}

Test(client, corrupt_completion_tail)
{
    int handle = connected_file();
    server.death = DEATH_CORRUPT_TAIL;
    server.dies_at = server.requests + 1;
    cr_assert_eq(wt_pwrite(session, handle, "x", 1, 0), -EREMOTEIO);
    cr_assert_eq(wt_pwrite(session, handle, "x", 1, 0), -ENOTCONN);
}

Test(client, server_dies_in_the_middle_of_a_large_call)
{
    unsigned char *data = pattern(6 * MIB);
    int handle = connected_file();
    server.dies_at = server.requests + 1;
    int64_t start_ms = now_ms();
    cr_assert_eq(wt_pwrite(session, handle, data, 6 * MIB, 0), -EREMOTEIO);
    cr_assert_lt(now_ms() - start_ms, 1000);
    free(data);
}

Test(client, who_only_looks_learns_of_the_loss_too)
{
    struct wt_completion done;
    int handle = connected_file(), rc;
    server.dies_at = server.requests + 1;
    cr_assert_eq(wt_prep_write(session, handle, "x", 1, 0, 0, 1), 0);
    int64_t start_ms = now_ms();
    while ((rc = wt_wait(session, &done, 1, 1, &no_time)) == -ETIME)
        cr_assert_lt(now_ms() - start_ms, 1000);
    cr_assert_eq(rc, 1);
    cr_assert_eq(done.result, -EREMOTEIO);
}

Test(client, server_lost_while_idle)
{
    int handle = connected_file();
    server.dies_at = server.requests + 1;
    wt_syncfs(session);
    int64_t start_ms = now_ms();
    int rc = wt_fsync(session, handle);
    cr_assert(rc == -ENOTCONN || rc == -EREMOTEIO);
    cr_assert_lt(now_ms() - start_ms, 1000);
    wt_disconnect(session);
    session = NULL;
    wt_disconnect(NULL);
}

/* ---- fork, buffers --------------------------------------------------------------------------- */

Test(client, forked_child_has_no_session)
{
    struct wt_completion done;
    char byte;
    int handle = connected_file(), status;
    pid_t child = fork();
    if (child == 0) {
        bool is_right = wt_pread(session, handle, &byte, 1, 0) == -EBADF &&
                        wt_prep_nop(session, 1) == -EBADF && wt_submit(session) == -EBADF &&
                        wt_wait(session, &done, 1, 1, NULL) == -EBADF &&
                        wt_open(session, "f", O_RDONLY, 0) == -EBADF &&
                        wt_close(session, handle) == -EBADF && !wt_buf_alloc(session, 1);
        wt_disconnect(session);
        _exit(is_right ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    cr_assert_eq(wt_pwrite(session, handle, "x", 1, 0), 1, "the parent's session goes on");
}

Test(client, child_made_without_handlers_has_no_session)
{
    int handle = connected_file(), status;
    pid_t child = _Fork();
    if (child == 0)
        _exit(wt_pwrite(session, handle, "x", 1, 0) == -EBADF ? 0 : 1);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    cr_assert_eq(wt_pwrite(session, handle, "x", 1, 0), 1);
}

Test(client, arena_buffers_are_used_in_place)
{
    struct wt_completion done;
    int handle = connected_file();
    unsigned char *buf = wt_buf_alloc(session, 2 * MIB);
    cr_assert_not_null(buf);
    cr_assert_eq((uintptr_t)buf % WT_PAGE_BYTES, 0u);
    memset(buf, 'q', 2 * MIB);
    cr_assert_eq(wt_prep_write(session, handle, buf + 100, 50, 0, 0, 1), 0);
    cr_assert_eq(wt_wait(session, &done, 1, 1, NULL), 1);
    uint32_t first = last_request()->arena_offset;
    cr_assert_eq(first % WT_PAGE_BYTES, 100u);
    cr_assert_eq(wt_pread(session, handle, buf + 4096, 50, 0), 50);
    cr_assert_eq(last_request()->arena_offset, first - 100 + 4096);
    cr_assert_eq(memcmp(buf + 100, buf + 4096, 50), 0);
    cr_assert_eq(wt_pwrite(session, handle, buf, 2 * MIB, 0), 2 * MIB);
    cr_assert_eq(server.file[2 * MIB - 1], 'q');
    wt_buf_free(session, buf);
}

Test(client, arena_is_bounded_and_comes_back)
{
    unsigned char *bufs[40], page[4096] = {0};
    int handle = connected_file(), count = 0;
    for (; count < 40 && (bufs[count] = wt_buf_alloc(session, 300000)); count++)
        memset(bufs[count], count, 300000);
    cr_assert_eq(count, 13, "74 pages each of 1024");
    while (wt_buf_alloc(session, 4096))
        ;
    cr_assert_eq(wt_pwrite(session, handle, page, 4096, 0), -ENOBUFS);
    cr_assert_eq(wt_prep_write(session, handle, page, 4096, 0, 0, 1), -ENOBUFS);
    cr_assert_eq(wt_pwrite(session, handle, bufs[0], 300000, 0), 300000, "in place it needs none");
    for (int i = 0; i < count; i++)
        cr_assert(bufs[i][0] == i && bufs[i][299999] == i);
    wt_buf_free(session, bufs[7]);
    wt_buf_free(session, bufs[7]);
    wt_buf_free(session, page);
    wt_buf_free(session, bufs[3] + 4096);
    /* 74 free pages: a large write goes in smaller pieces, an append cannot. */
    unsigned char *data = pattern(MIB);
    cr_assert_eq(wt_pwrite(session, handle, data, MIB, 0), MIB);
    cr_assert_eq(memcmp(server.file, data, MIB), 0);
    cr_assert_eq(wt_append(session, handle, data, MIB, 0, NULL), -ENOBUFS);
    cr_assert_not_null(wt_buf_alloc(session, 300000));
    cr_assert_null(wt_buf_alloc(session, 4096));
    free(data);
}

/* ---- names ----------------------------------------------------------------------------------- */

Test(client, paths_and_modes_reach_the_wire)
{
    char path[WT_PATH_BYTES_MAX + 1];
    connect_with(8, MIB);
    memset(path, 'p', sizeof(path));
    path[WT_PATH_BYTES_MAX] = '\0';
    cr_assert_eq(wt_unlink(session, path), -ENAMETOOLONG);
    cr_assert_eq(wt_link(session, "a", path), -ENAMETOOLONG);
    path[WT_PATH_BYTES_MAX - 1] = '\0';
    cr_assert_eq(wt_unlink(session, path), 0);
    cr_assert_str_eq(server.path_seen, path);
    cr_assert_eq(wt_unlink(session, ""), -ENOENT);
    cr_assert_eq(wt_mkdir(session, "/d", 01777), 0);
    cr_assert_eq(last_request()->argument, 01750u, "less the session's umask");
    cr_assert_eq(wt_symlink(session, "target", "link"), 0);
    cr_assert_str_eq(server.path_seen, "target");
    cr_assert_str_eq(server.second_seen, "link");
    cr_assert_eq(wt_rmdir(session, "d"), -ENOTEMPTY);
    cr_assert_eq(wt_chown(session, "f", (uid_t)-1, 7), 0);
    cr_assert_eq(last_request()->argument, 0x7ffffffffull);
    cr_assert_eq(wt_utimens(session, "f", NULL), 0);
    cr_assert_eq(wt_utimens(session, "f", (struct timespec[2]){{0, -1}, {0, 0}}), -EINVAL);
    int handle = wt_open(session, "f", O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    cr_assert_eq(last_request()->argument, 0640 | (uint64_t)(O_CREAT | O_RDWR) << 32);
    cr_assert_geq(handle, 0);
}

Test(client, attributes_come_back)
{
    struct stat st, again;
    struct statvfs vfs;
    char text[100];
    int handle = connected_file();
    cr_assert_eq(wt_lstat(session, "f", &st), 0);
    cr_assert_eq(last_request()->flags, WT_REQUEST_NOFOLLOW);
    cr_assert_eq(wt_fstat(session, handle, &again), 0);
    cr_assert(st.st_ino == 5 && st.st_size == 4097 && st.st_blocks == 16 && st.st_blksize == 4096);
    cr_assert(st.st_mode == (S_IFREG | 0640) && st.st_mtim.tv_nsec == 999999999);
    cr_assert(st.st_dev != 0 && st.st_dev == again.st_dev);
    cr_assert_eq(wt_statvfs(session, &vfs), 0);
    cr_assert(vfs.f_bsize == 4096 && vfs.f_blocks == 1000 && vfs.f_bfree == 10);
    cr_assert_eq(wt_readlink(session, "l", text, sizeof(text)), 10);
    cr_assert_eq(memcmp(text, "the/target", 10), 0);
    cr_assert_eq(wt_readlink(session, "l", text, 3), 3);
    cr_assert_eq(wt_stats(session, text, sizeof(text)), 24);
    cr_assert_str_eq(text, "cache_hits 7\nsessions 1\n");
    cr_assert_eq(wt_stats(session, text, 24), -ERANGE);
}

Test(client, directory_is_read_to_its_end_without_dots)
{
    struct wt_dir *dir;
    struct wt_dirent entry;
    connect_with(8, 64 << 10);
    cr_assert_eq(wt_opendir(session, "/", &dir), 0);
    cr_assert_eq(wt_readdir(dir, &entry), 1);
    cr_assert_str_eq(entry.name, "a");
    cr_assert_eq(entry.ino, 102u);
    cr_assert_eq(wt_readdir(dir, &entry), 1);
    cr_assert_str_eq(entry.name, "some longer name");
    cr_assert_eq(wt_readdir(dir, &entry), 1);
    cr_assert_eq(wt_readdir(dir, &entry), 0);
    cr_assert_eq(wt_readdir(dir, &entry), 0);
    cr_assert_eq(wt_closedir(dir), 0);
}
