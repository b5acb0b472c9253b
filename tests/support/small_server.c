/* small_server.c - see small_server.h. */
#include "tests/support/small_server.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define RING_STRIDE   (1u << 20)
#define RESULT_TO_LIE 0x7fff0000

#define CHECK(condition)                                                      \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "small_server.c:%d: %s\n", __LINE__, #condition); \
            abort();                                                          \
        }                                                                     \
    } while (0)

struct server server;

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
    CHECK(ftruncate(fds[0], (off_t)w.region_bytes) == 0);
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
        c->flags = (r->argument >> 32 & O_DIRECTORY ? S_IFDIR : S_IFREG) >> 12;
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
    case WT_OP_SEEK:
        return (int64_t)r->offset + server.seek_moves;
    case WT_OP_RMDIR:
        return -ENOTEMPTY;
    default:
        return 0;
    }
}

/* `least`: WT_POLL_ARMED after posting, WT_POLL_NOW when the client asks by its doorbell. */
static void server_tell_poller(uint32_t least)
{
    if (__atomic_load_n(&server.header->poll_armed, __ATOMIC_RELAXED) < least)
        return;
    if (__atomic_exchange_n(&server.header->poll_armed, WT_POLL_IDLE, __ATOMIC_ACQ_REL)) {
        server.datagrams++;
        send(server.socket, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

static void server_post(uint32_t shard, const struct wt_wire_completion *c)
{
    struct wt_ring *ring = &server.completion[shard];
    /* Or the client has more in flight than it may. */
    CHECK(wt_ring_producible(ring, 1) >= 1);
    wt_ring_put(ring, c);
    wt_ring_publish(ring);
    atomic_thread_fence(memory_order_seq_cst);
    server_tell_poller(WT_POLL_ARMED);
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
    CHECK(ready >= 0);
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
    CHECK(recv(server.socket, &server.hello, sizeof(server.hello), 0) == sizeof(server.hello));
    if (server.is_silent) {
        poll(fds, 1, -1);
    } else {
        server_welcome();
        bool lives = true;
        while (lives && server_may_go_on()) {
            bool did_something = false;
            server_tell_poller(WT_POLL_NOW);
            for (uint32_t i = 0; lives && i < server.shards && !server.holds; i++)
                lives = server_ring(i, &did_something);
            if (lives && !did_something && server.is_sleepy && !server.holds)
                server_sleep();
            else if (!did_something)
                usleep(20);
        }
    }
    close(server.socket);
    server.has_ended = true;
    return NULL;
}

void server_start(void)
{
    int pipe_fds[2];
    server.shards = 1;
    server.seals = F_SEAL_SHRINK | F_SEAL_GROW;
    server.fails_at = server.short_at = NO_OFFSET;
    server.file = calloc(1, FILE_BYTES);
    snprintf(server.path, sizeof(server.path), "/tmp/wt-test-client-%d.sock", getpid());
    unlink(server.path);
    CHECK(pipe2(pipe_fds, O_CLOEXEC) == 0);
    server.stop = pipe_fds[0];
    server.stop_peer = pipe_fds[1];
    server.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, server.path, sizeof(server.path));
    CHECK(bind(server.listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK(listen(server.listener, 4) == 0);
    CHECK(pthread_create(&server.thread, NULL, server_run, NULL) == 0);
}

void server_stop(void)
{
    close(server.stop_peer);
    pthread_join(server.thread, NULL);
    unlink(server.path);
    free(server.file);
}
