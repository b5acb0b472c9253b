#include "tests/support/raw_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client/lib/internal.h"

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int raw_connect(struct raw_client *raw)
{
    const struct wt_options options = WT_OPTIONS_INIT;
    struct wt_options wish = options;
    int fds[1 + WT_SHARDS_MAX];
    wish.ring_entries = 128;
    wish.arena_bytes = 4u << 20;
    raw->socket = wtc_handshake(getenv("WT_SOCKET"), &wish, &raw->welcome, fds);
    if (raw->socket < 0)
        return raw->socket;
    const struct wt_welcome *w = &raw->welcome;
    if (w->shard_count > RAW_SHARDS_MAX)
        return -E2BIG;
    raw->region = mmap(NULL, w->region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
    if (raw->region == MAP_FAILED)
        return -errno;
    close(fds[0]);
    raw->arena = raw->region + w->arena_offset;
    for (unsigned i = 0; i < w->shard_count; i++) {
        unsigned char *block = raw->region + w->ring_offset + i * w->ring_stride;
        raw->doorbells[i] = fds[1 + i];
        wt_ring_init(&raw->submission[i], (struct wt_ring_control *)block,
                     block + w->submission_entries, w->ring_entries, sizeof(struct wt_request));
        wt_ring_init(&raw->completion[i], (struct wt_ring_control *)(block + w->completion_control),
                     block + w->completion_entries, w->ring_entries,
                     sizeof(struct wt_wire_completion));
    }
    return 0;
}

int64_t raw_call(struct raw_client *raw, unsigned shard, const struct wt_request *request,
                 struct wt_wire_completion *answer)
{
    struct wt_ring *ring = &raw->submission[shard];
    struct wt_request copy = *request;
    struct wt_wire_completion own;
    const uint64_t one = 1, end = now_ms() + RAW_ANSWER_MS;
    if (!answer)
        answer = &own;
    copy.user_data = ++raw->user_data;
    if (wt_ring_producible(ring, 1) < 1)
        return -EAGAIN;
    wt_ring_put(ring, &copy);
    wt_ring_publish(ring);
    if (wt_ring_must_wake(ring) && write(raw->doorbells[shard], &one, sizeof(one)) < 0)
        return -errno;
    while (wt_ring_consumable(&raw->completion[shard]) <= 0) {
        if (now_ms() > end)
            return -ETIMEDOUT;
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
    wt_ring_take(&raw->completion[shard], answer);
    wt_ring_release(&raw->completion[shard]);
    return answer->user_data == raw->user_data ? answer->result : -EBADMSG;
}

int raw_hello(const void *bytes, size_t count)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct wt_welcome welcome = {0};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", getenv("WT_SOCKET"));
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    ssize_t result = send(fd, bytes, count, MSG_NOSIGNAL);
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    if (result >= 0 && poll(&pollfd, 1, RAW_ANSWER_MS) == 1)
        result = recv(fd, &welcome, sizeof(welcome), 0);
    close(fd);
    if (result == 0)
        return 1;
    return result == sizeof(welcome) ? welcome.error : -EBADMSG;
}
