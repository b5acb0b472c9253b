/* test_client_poll.c - libwt: the descriptor for a program's own event loop. */
#include <poll.h>
#include <sys/wait.h>

#include "tests/unit/client_fixture.h"

TestSuite(client_poll, .init = server_start, .fini = client_end, .timeout = 60);

/* Whether the descriptor becomes readable in the time given. */
static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    return poll(&pollfd, 1, timeout_ms) == 1 && pollfd.revents & POLLIN;
}

static void wait_until_answered(unsigned requests)
{
    while (server.requests < requests)
        usleep(100);
    usleep(20000);
}

Test(client_poll, is_readable_when_a_completion_comes)
{
    struct wt_completion done[2];
    int handle = connected_file();
    int fd = wt_pollfd(session);
    cr_assert_geq(fd, 0);
    for (unsigned round = 0; round < 3; round++) {
        server.holds = true;
        cr_assert_eq(wt_prep_write(session, handle, "x", 1, 0, 0, round), 0);
        cr_assert_eq(wt_submit(session), 1);
        cr_assert_eq(wt_pollfd(session), fd, "the same each time");
        cr_assert(!is_readable(fd, 0));
        server.holds = false;
        cr_assert(is_readable(fd, 5000));
        cr_assert_eq(wt_wait(session, done, 2, 1, NULL), 1);
        cr_assert_eq(done[0].user_data, round);
        cr_assert(!is_readable(fd, 0), "wt_wait has taken the datagram");
    }
    cr_assert_eq(server.datagrams, 3u, "one for each time it was armed");
}

Test(client_poll, sends_nothing_when_it_is_not_armed)
{
    struct wt_completion done[2];
    int handle = connected_file();
    int fd = wt_pollfd(session);
    cr_assert_eq(wt_wait(session, done, 2, 0, &no_time), 0, "disarms");
    cr_assert_eq(wt_prep_write(session, handle, "x", 1, 0, 0, 1), 0);
    cr_assert_eq(wt_wait(session, done, 2, 1, NULL), 1);
    cr_assert_eq(wt_pwrite(session, handle, "x", 1, 0), 1);
    cr_assert_eq(server.datagrams, 0u);
    cr_assert(!is_readable(fd, 0));
}

Test(client_poll, tells_what_came_before_it_was_armed)
{
    struct wt_completion done[2];
    int handle = connected_file();
    cr_assert_eq(wt_prep_write(session, handle, "x", 1, 0, 0, 1), 0);
    unsigned before = server.requests;
    cr_assert_eq(wt_submit(session), 1);
    wait_until_answered(before + 1);
    cr_assert(is_readable(wt_pollfd(session), 5000), "it lies in the ring");
    cr_assert_eq(wt_wait(session, done, 2, 1, NULL), 1);
}

Test(client_poll, tells_what_a_synchronous_call_has_taken)
{
    struct wt_completion done[2];
    int handle = connected_file();
    cr_assert_eq(wt_prep_write(session, handle, "x", 1, 0, 0, 1), 0);
    cr_assert_eq(wt_fsync(session, handle), 0);
    cr_assert(is_readable(wt_pollfd(session), 5000), "it is kept");
    cr_assert_eq(wt_wait(session, done, 2, 1, NULL), 1);
    cr_assert_eq(wt_prep_write(session, handle, "x", 1, 0, 0, 2), 0);
    int fd = wt_pollfd(session);
    cr_assert_eq(wt_fsync(session, handle), 0);
    cr_assert(is_readable(fd, 5000), "a synchronous call does not disarm");
    cr_assert_eq(wt_wait(session, done, 2, 1, NULL), 1);
    cr_assert_eq(done[0].user_data, 2u);
}

Test(client_poll, tells_what_an_earlier_wait_left)
{
    struct wt_completion done[2];
    int handle = connected_file();
    cr_assert_eq(wt_prep_write(session, handle, "x", 1, 0, 0, 1), 0);
    cr_assert_eq(wt_prep_write(session, handle, "x", 1, 0, 0, 2), 0);
    cr_assert_eq(wt_fsync(session, handle), 0);
    cr_assert_eq(wt_wait(session, done, 1, 1, NULL), 1);
    cr_assert(is_readable(wt_pollfd(session), 5000));
    cr_assert_eq(wt_wait(session, done, 2, 2, NULL), 1);
    cr_assert_eq(done[0].user_data, 2u);
}

Test(client_poll, wakes_a_server_that_sleeps)
{
    struct wt_completion done;
    server.is_sleepy = true;
    int handle = connected_file();
    cr_assert_eq(wt_prep_write(session, handle, "x", 1, 0, 0, 1), 0);
    cr_assert_eq(wt_fsync(session, handle), 0);
    usleep(20000);
    cr_assert(is_readable(wt_pollfd(session), 5000));
    cr_assert_eq(wt_wait(session, &done, 1, 1, NULL), 1);
}

Test(client_poll, is_readable_when_the_server_dies)
{
    struct wt_completion done[4];
    int handle = connected_file();
    server.dies_at = server.requests + 2;
    cr_assert_eq(wt_prep_write(session, handle, "x", 1, 0, 0, 1), 0);
    cr_assert_eq(wt_prep_write(session, handle, "x", 1, 0, 0, 2), 0);
    cr_assert_eq(wt_submit(session), 2);
    int fd = wt_pollfd(session);
    while (!server.has_ended)
        usleep(100);
    cr_assert(is_readable(fd, 5000));
    cr_assert_eq(wt_wait(session, done, 1, 1, &no_time), 1);
    cr_assert_eq(done[0].result, 1, "answered before");
    cr_assert(is_readable(wt_pollfd(session), 0), "there is one more to collect");
    cr_assert_eq(wt_wait(session, done, 4, 1, &no_time), 1);
    cr_assert_eq(done[0].result, -EREMOTEIO);
    cr_assert_eq(wt_pollfd(session), -ENOTCONN);
    cr_assert_eq(wt_wait(session, done, 4, 1, &no_time), -ENOTCONN);
}

Test(client_poll, death_is_seen_behind_an_unread_datagram)
{
    int handle = connected_file();
    wt_pollfd(session);
    cr_assert_eq(wt_pwrite(session, handle, "x", 1, 0), 1);
    cr_assert_eq(server.datagrams, 1u);
    server.dies_at = server.requests + 1;
    int64_t start_ms = now_ms();
    cr_assert_eq(wt_pwrite(session, handle, "x", 1, 0), -EREMOTEIO);
    cr_assert_lt(now_ms() - start_ms, 2000);
}

Test(client_poll, idle_loop_learns_of_the_end)
{
    struct wt_completion done;
    connected_file();
    int fd = wt_pollfd(session);
    server.dies_at = server.requests + 1;
    cr_assert_eq(wt_prep_nop(session, 1), 0);
    cr_assert_eq(wt_submit(session), 1);
    cr_assert(is_readable(fd, 5000));
    cr_assert_eq(wt_wait(session, &done, 1, 1, &no_time), 1);
    cr_assert_eq(done.result, -EREMOTEIO);
    cr_assert_eq(wt_pollfd(session), -ENOTCONN);
}

Test(client_poll, child_has_no_descriptor)
{
    connected_file();
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(wt_pollfd(session) == -EBADF ? 0 : 1);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}
