/* test_client_io.c - libwt: synchronous reads and writes, levels, handles, names and attributes. */
#include <dirent.h>
#include <sys/statvfs.h>

#include "tests/unit/client_fixture.h"

TestSuite(client_io, .init = server_start, .fini = client_end, .timeout = 60);

/* ---- synchronous I/O ------------------------------------------------------------------------- */

Test(client_io, read_gives_what_was_written)
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

Test(client_io, large_calls_are_split_and_may_come_back_in_any_order)
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

Test(client_io, error_in_a_later_piece_makes_the_call_short)
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

Test(client_io, vectors_are_gathered_and_scattered)
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

Test(client_io, append_says_where_it_landed)
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

Test(client_io, levels_reach_the_wire)
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

Test(client_io, bad_flags_and_offsets_are_refused_here)
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

Test(client_io, o_direct_is_said_by_each_read_and_write)
{
    connected_file();
    int handle = wt_open(session, "file", O_RDWR | O_DIRECT, 0);
    cr_assert_geq(handle, 0);
    cr_assert_eq(last_request()->argument >> 32, (uint64_t)O_RDWR);
    wt_pwrite(session, handle, "x", 1, 0);
    cr_assert_eq(last_request()->flags, WT_REQUEST_DIRECT);
    wt_pread(session, handle, (char[1]){0}, 1, 0);
    cr_assert_eq(last_request()->flags, WT_REQUEST_DIRECT);
    wt_append(session, handle, "x", 1, 0, NULL);
    cr_assert_eq(last_request()->flags, WT_REQUEST_DIRECT | WT_REQUEST_APPEND);
}

Test(client_io, fallocate_reaches_the_wire)
{
    int handle = connected_file();
    int synced = wt_open(session, "file", O_RDWR | O_DSYNC, 0);
    cr_assert_eq(wt_fallocate(session, handle, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                              5ll << 30, 6ll << 30),
                 0);
    const struct wt_request *r = last_request();
    cr_assert_eq(r->opcode, WT_OP_ALLOCATE);
    cr_assert(r->offset == 5ull << 30 && r->argument == 6ull << 30);
    cr_assert_eq(r->length, (uint32_t)(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE));
    cr_assert_eq(r->level, WT_LEVEL_THROUGH);
    cr_assert_eq(wt_fallocate(session, synced, 0, 0, 1), 0);
    cr_assert_eq(last_request()->level, WT_LEVEL_STABLE);
    unsigned before = server.requests;
    cr_assert_eq(wt_fallocate(session, handle, FALLOC_FL_PUNCH_HOLE, 0, 1), -EOPNOTSUPP);
    cr_assert_eq(wt_fallocate(session, handle, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), -EOPNOTSUPP);
    cr_assert_eq(wt_fallocate(session, handle, WT_STABLE, 0, 4096), -EOPNOTSUPP);
    cr_assert_eq(wt_fallocate(session, handle, 0, -1, 4096), -EINVAL);
    cr_assert_eq(wt_fallocate(session, handle, 0, 0, 0), -EINVAL);
    cr_assert_eq(wt_fallocate(session, handle, 0, 1ll << 60, 1), -EFBIG);
    cr_assert_eq(wt_fallocate(session, handle, 0, INT64_MAX, INT64_MAX), -EFBIG);
    cr_assert_eq(wt_fallocate(session, 99, 0, 0, 1), -EBADF);
    cr_assert_eq(server.requests, before);
}

Test(client_io, seek_gives_places_beyond_32_bits)
{
    int handle = connected_file();
    server.seek_moves = 7;
    cr_assert_eq(wt_seek(session, handle, 9ll << 40, SEEK_HOLE), (9ll << 40) + 7);
    cr_assert_eq(last_request()->opcode, WT_OP_SEEK);
    cr_assert_eq(last_request()->argument, (uint64_t)SEEK_HOLE);
    server.seek_moves = -ENXIO;
    cr_assert_eq(wt_seek(session, handle, 0, SEEK_DATA), -ENXIO);
    unsigned before = server.requests;
    cr_assert_eq(wt_seek(session, handle, 0, SEEK_SET), -EINVAL);
    cr_assert_eq(wt_seek(session, handle, -1, SEEK_DATA), -ENXIO);
    cr_assert_eq(wt_seek(session, 99, 0, SEEK_DATA), -EBADF);
    cr_assert_eq(server.requests, before);
    server.seek_moves = (1ll << 60) + 1;
    cr_assert_eq(wt_seek(session, handle, 0, SEEK_DATA), -EREMOTEIO, "no file is that large");
}

Test(client_io, handles_go_to_their_shards)
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

/* ---- names ----------------------------------------------------------------------------------- */

Test(client_io, paths_and_modes_reach_the_wire)
{
    char path[WT_PATH_BYTES_MAX + 1];
    connect_with(8, MIB);
    memset(path, 'p', sizeof(path));
    path[WT_PATH_BYTES_MAX] = '\0';
    cr_assert_eq(wt_unlink(session, path), -ENAMETOOLONG);
    cr_assert_eq(wt_link(session, path, "a"), -ENAMETOOLONG);
    wt_link(session, "a", path);
    cr_assert_eq(last_request()->length2, WT_PATH_BYTES_MAX, "for the server to tell in its turn");
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

Test(client_io, attributes_come_back)
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

Test(client_io, directory_is_read_to_its_end_without_dots)
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
