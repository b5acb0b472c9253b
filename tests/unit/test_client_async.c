/* test_client_async.c - libwt: requests in flight, waiting, arena buffers. */
#include "tests/unit/client_fixture.h"

TestSuite(client_async, .init = server_start, .fini = client_end, .timeout = 60);

Test(client_async, prepared_requests_complete_once_with_their_data)
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

Test(client_async, full_ring_gives_eagain_and_nothing_is_lost)
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

Test(client_async, synchronous_calls_leave_completions_for_wt_wait)
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

Test(client_async, large_prep_is_one_completion)
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

Test(client_async, prep_that_does_not_fit_leaves_no_trace)
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

Test(client_async, close_delivers_what_is_in_flight)
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

Test(client_async, wait_rules)
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

Test(client_async, sleeping_server_is_woken)
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

Test(client_async, arena_buffers_are_used_in_place)
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

Test(client_async, arena_is_bounded_and_comes_back)
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
