/* test_client_lost.c - libwt without its server, and on the wrong side of a fork. */
#include <sys/wait.h>

#include "tests/unit/client_fixture.h"

TestSuite(client_lost, .init = server_start, .fini = client_end, .timeout = 60);

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

Test(client_lost, killed_server)
{
    lose_ten(DEATH_SILENT, 3);
}

Test(client_lost, server_that_says_goodbye)
{
    lose_ten(DEATH_TOLD, 3);
}

Test(client_lost, impossible_completion_id)
{
    lose_ten(DEATH_WRONG_ID, 3);
}

Test(client_lost, impossible_result)
{
    lose_ten(DEATH_WRONG_RESULT, 3);
}

Test(client_lost, corrupt_completion_tail)
{
    int handle = connected_file();
    server.death = DEATH_CORRUPT_TAIL;
    server.dies_at = server.requests + 1;
    cr_assert_eq(wt_pwrite(session, handle, "x", 1, 0), -EREMOTEIO);
    cr_assert_eq(wt_pwrite(session, handle, "x", 1, 0), -ENOTCONN);
}

Test(client_lost, server_dies_in_the_middle_of_a_large_call)
{
    unsigned char *data = pattern(6 * MIB);
    int handle = connected_file();
    server.dies_at = server.requests + 1;
    int64_t start_ms = now_ms();
    cr_assert_eq(wt_pwrite(session, handle, data, 6 * MIB, 0), -EREMOTEIO);
    cr_assert_lt(now_ms() - start_ms, 1000);
    free(data);
}

Test(client_lost, who_only_looks_learns_of_the_loss_too)
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

Test(client_lost, server_lost_while_idle)
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

/* ---- fork -------------------------------------------------------------------------------------- */

Test(client_lost, forked_child_has_no_session)
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

Test(client_lost, child_made_without_handlers_has_no_session)
{
    int handle = connected_file(), status;
    pid_t child = _Fork();
    if (child == 0)
        _exit(wt_pwrite(session, handle, "x", 1, 0) == -EBADF ? 0 : 1);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    cr_assert_eq(wt_pwrite(session, handle, "x", 1, 0), 1);
}
