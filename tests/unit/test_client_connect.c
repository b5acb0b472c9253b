/* test_client_connect.c - libwt connects: paths, options, refusals, a welcome that lies. */
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
