/* test_client_connect.c - libwt connects: paths, options, refusals, a welcome that lies. */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/unit/client_fixture.h"

TestSuite(client_connect, .init = server_start, .fini = client_end, .timeout = 60);

Test(client_connect, no_server_is_said_at_once)
{
    cr_assert_eq(wt_connect("/nonexistent/wt.sock", NULL, &session), -ENOENT);
    cr_assert(strstr(wt_connect_error(), "is wtd running"), "%s", wt_connect_error());
    cr_assert_null(session);
}

Test(client_connect, long_socket_path_is_refused)
{
    char path[200];
    memset(path, 'x', sizeof(path));
    path[108] = '\0';
    cr_assert_eq(wt_connect(path, NULL, &session), -ENAMETOOLONG);
    path[107] = '\0';
    cr_assert_eq(wt_connect(path, NULL, &session), -ENOENT);
}

Test(client_connect, socket_comes_from_environment)
{
    setenv("WT_SOCKET", server.path, 1);
    cr_assert_eq(wt_connect(NULL, NULL, &session), 0);
    cr_assert_str_eq(wt_connect_error(), "");
    cr_assert_eq(server.hello.ring_entries, WT_RING_ENTRIES_DEFAULT);
    cr_assert_eq(server.hello.arena_bytes, WT_ARENA_BYTES_DEFAULT);
}

Test(client_connect, refusal_gives_servers_reason)
{
    server.refusal = -EUSERS;
    server.reason = "too many sessions (limit 3)";
    cr_assert_eq(wt_connect(server.path, NULL, &session), -EUSERS);
    cr_assert_str_eq(wt_connect_error(), server.reason);
}

Test(client_connect, silent_server_is_given_up)
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

Test(client_connect, arena_outside_region)
{
    cannot_connect(tamper_arena, "outside the region");
}

Test(client_connect, rings_outside_region)
{
    cannot_connect(tamper_stride, "outside the region");
}

Test(client_connect, entries_outside_ring_block)
{
    cannot_connect(tamper_entries, "outside their blocks");
}

Test(client_connect, region_smaller_than_said)
{
    cannot_connect(tamper_region, "smaller than the server says");
}

Test(client_connect, descriptors_missing)
{
    cannot_connect(tamper_shards, "wrong number of descriptors");
}

Test(client_connect, not_a_wt_server)
{
    cannot_connect(tamper_magic, "not a wt server");
}

Test(client_connect, region_that_can_shrink_is_refused)
{
    server.seals = F_SEAL_GROW;
    cannot_connect(tamper_nothing, "not sealed");
}

Test(client_connect, options_tail)
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

Test(client_connect, options_out_of_range)
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

/* ---- a reason for each failure --------------------------------------------------------------- */

static void fails_with(const char *path, int error, const char *words)
{
    cr_assert_eq(wt_connect(path, NULL, &session), error);
    cr_assert_null(session);
    cr_assert(strstr(wt_connect_error(), words), "%s", wt_connect_error());
    cr_assert_null(strchr(wt_connect_error(), '\n'));
}

static int listening_socket(const char *path, int type, int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    unlink(path);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(fd, backlog), 0);
    return fd;
}

/* A path of this test, beside the server's. */
static const char *other_path(void)
{
    static char path[108];
    snprintf(path, sizeof(path), "/tmp/wt-test-client-%d.other", getpid());
    return path;
}

Test(client_connect, empty_path_is_said)
{
    fails_with("", -ENOENT, "empty");
}

Test(client_connect, abandoned_socket_is_said)
{
    close(listening_socket(other_path(), SOCK_SEQPACKET, 1));
    fails_with(other_path(), -ECONNREFUSED, "is wtd running");
    unlink(other_path());
}

Test(client_connect, other_kind_of_socket_is_said)
{
    int fd = listening_socket(other_path(), SOCK_STREAM, 1);
    fails_with(other_path(), -EPROTO, "not a wt server");
    close(fd);
    unlink(other_path());
}

Test(client_connect, missing_permission_is_said)
{
    int status;
    cr_assert_eq(chmod(server.path, 0600), 0);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) < 0)
            _exit(2);
        if (geteuid() != 65534)
            chmod(server.path, 0); /* our own socket: nobody may */
        bool is_right = wt_connect(server.path, NULL, &session) == -EACCES &&
                        strstr(wt_connect_error(), "Permission denied") && !session;
        _exit(is_right ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}

/* Its backlog is full and nobody accepts. */
Test(client_connect, busy_server_is_given_up)
{
    int fd = listening_socket(other_path(), SOCK_SEQPACKET, 0), clients[4];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", other_path());
    for (int i = 0; i < 4; i++) {
        clients[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(clients[i], (struct sockaddr *)&address, sizeof(address));
    }
    fails_with(other_path(), -ETIMEDOUT, "takes no connection");
    for (int i = 0; i < 4; i++)
        close(clients[i]);
    close(fd);
    unlink(other_path());
}

static void tamper_version(struct wt_welcome *w)
{
    w->version++;
}

Test(client_connect, other_version_is_said)
{
    cannot_connect(tamper_version, "another version");
}

Test(client_connect, refusal_without_a_reason_has_words)
{
    server.refusal = -EUSERS;
    fails_with(server.path, -EUSERS, "Too many users");
}

Test(client_connect, reason_is_made_fit_to_print)
{
    server.refusal = -EIO;
    server.reason = "two\nlines\033[1m";
    fails_with(server.path, -EIO, "two?lines?[1m");
}

static void leave_no_descriptors(void)
{
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int next = dup(0);
    limit.rlim_cur = (rlim_t)next;
    close(next);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

Test(client_connect, descriptor_limit_is_said)
{
    leave_no_descriptors();
    fails_with(server.path, -EMFILE, "Too many open files");
}

static void tamper_with_limit(struct wt_welcome *w)
{
    (void)w;
    leave_no_descriptors();
}

Test(client_connect, descriptors_that_find_no_place_are_said)
{
    server.tamper = tamper_with_limit;
    fails_with(server.path, -EMFILE, "no room for the session's descriptors");
}
