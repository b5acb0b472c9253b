/* case_data.c - reading and writing: ends of files, holes, blocks and their edges, appends. */
#include "tests/posix/fs.h"

#define THEME "data"

CASE(read_at_the_end)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDONLY, 0);
    fs_pread(f, h, 10, 0);
    fs_pread(f, h, 11, 0);
    fs_pread(f, h, 10, 9);
    fs_pread(f, h, 10, 10);
    fs_pread(f, h, 10, 11);
    fs_pread(f, h, 10, 1ll << 40);
    fs_pread(f, h, 0, 0);
    fs_pread(f, h, 0, 100);
}

CASE(read_of_an_empty_file)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_pread(f, h, 4096, 0);
    fs_pread(f, h, 1, 4095);
}

CASE(overwrite_in_the_middle)
{
    fs_make(f, "a", 'a', 10000);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_pwrite(f, h, 'b', 1, 4095);
    fs_pwrite(f, h, 'c', 1, 4096);
    fs_pwrite(f, h, 'd', 100, 8150);
    fs_pread(f, h, 20000, 0);
    fs_fstat(f, h);
}

CASE(write_past_the_end_leaves_zeros)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_pwrite(f, h, 'a', 10, 0);
    fs_pwrite(f, h, 'b', 10, 100);
    fs_pread(f, h, 1000, 0);
    fs_pwrite(f, h, 'c', 10, 20000);
    fs_pread(f, h, 50000, 0);
    fs_fstat(f, h);
}

CASE(holes_take_no_blocks)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_pwrite(f, h, 'a', 1, 1 << 20);
    fs_fsync(f, h);
    fs_blocks(f, h);
    fs_pread(f, h, 100, 0);
    fs_pwrite(f, h, 'b', 1, 0);
    fs_fsync(f, h);
    fs_blocks(f, h);
}

CASE(blocks_of_data)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_blocks(f, h);
    fs_pwrite(f, h, 'a', 1, 0);
    fs_fsync(f, h);
    fs_blocks(f, h);
    fs_pwrite(f, h, 'a', 8192, 0);
    fs_fsync(f, h);
    fs_blocks(f, h);
    fs_pwrite(f, h, 'a', 1 << 20, 0);
    fs_fsync(f, h);
    fs_blocks(f, h);
}

CASE(sparse_far_out)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_pwrite(f, h, 'a', 10, 1ll << 40);
    fs_fstat(f, h);
    fs_pread(f, h, 30, (1ll << 40) - 10);
    fs_pread(f, h, 10, 1ll << 39);
    fs_ftruncate(f, h, 0);
    fs_fsync(f, h);
    fs_blocks(f, h);
}

CASE(write_of_nothing)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_pwrite(f, h, 'a', 0, 0);
    fs_pwrite(f, h, 'a', 0, 1000);
    fs_fstat(f, h);
    fs_append(f, h, 'a', 0);
    fs_fstat(f, h);
}

CASE(negative_offset)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_pread(f, h, 1, -1);
    fs_pwrite(f, h, 'a', 1, -1);
    fs_pread(f, h, 1, INT64_MIN);
    fs_pwrite(f, h, 'a', 1, INT64_MIN);
    fs_pread(f, h, 0, -1);
    fs_pwrite(f, h, 'a', 0, -1);
    fs_fstat(f, h);
}

CASE(append)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_append(f, h, 'a', 10);
    fs_append(f, h, 'b', 5000);
    fs_append(f, h, 'c', 1);
    fs_pread(f, h, 10000, 0);
    fs_ftruncate(f, h, 3);
    fs_append(f, h, 'd', 3);
    fs_ftruncate(f, h, 100);
    fs_append(f, h, 'e', 3);
    fs_pread(f, h, 10000, 0);
}

CASE(append_by_two_handles)
{
    int a = fs_open(f, "a", O_CREAT | O_WRONLY | O_APPEND, 0644);
    int b = fs_open(f, "a", O_WRONLY | O_APPEND, 0);
    for (int i = 0; i < 4; i++) {
        fs_pwrite(f, a, 'a', 100, 0);
        fs_pwrite(f, b, 'b', 50, 0);
    }
    fs_cat(f, "a");
}

CASE(append_to_a_read_only_handle)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDONLY | O_APPEND, 0);
    fs_append(f, h, 'b', 1);
    fs_pwrite(f, h, 'b', 1, 0);
    fs_cat(f, "a");
}

CASE(large_write_and_read)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_pwrite(f, h, 'a', 1 << 20, 0);
    fs_pwrite(f, h, 'b', 1 << 20, 1 << 20);
    fs_pwrite(f, h, 'c', 3, (1 << 20) - 1);
    fs_pread(f, h, 1 << 20, 1 << 19);
    fs_fstat(f, h);
}

CASE(many_small_writes)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    for (int i = 0; i < 40; i++)
        fs_pwrite(f, h, (char)('a' + i % 3), 300, i * 250);
    fs_pread(f, h, 20000, 0);
}

CASE(backwards)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    for (int i = 9; i >= 0; i--)
        fs_pwrite(f, h, (char)('a' + i), 4096, i * 4096);
    fs_pread(f, h, 50000, 0);
}

CASE(every_second_block)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    for (int i = 0; i < 4; i++)
        fs_pwrite(f, h, 'a', 4096, i * 8192);
    fs_pread(f, h, 50000, 0);
    fs_fsync(f, h);
    for (int i = 0; i < 4; i++)
        fs_pwrite(f, h, 'b', 4096, i * 8192 + 4096);
    fs_pread(f, h, 50000, 0);
    fs_fsync(f, h);
    fs_fdatasync(f, h);
}

CASE(sync_of_a_read_only_handle)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDONLY, 0);
    fs_fsync(f, h);
    fs_fdatasync(f, h);
}

CASE(write_extends_over_old_bytes_as_zeros)
{
    fs_make(f, "a", 'a', 4096);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_ftruncate(f, h, 100);
    fs_pwrite(f, h, 'b', 10, 1000);
    fs_pread(f, h, 5000, 0);
}

CASE(blocks_are_told_at_once)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_pwrite(f, h, 'a', 10000, 0);
    fs_blocks(f, h);
    fs_pwrite(f, h, 'a', 10000, 1 << 20);
    fs_blocks(f, h);
    fs_append(f, h, 'b', 50000);
    fs_blocks(f, h);
    fs_ftruncate(f, h, 1 << 20);
    fs_blocks(f, h);
}

CASE(a_hole_is_filled_piece_by_piece)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_ftruncate(f, h, 65536);
    for (int i = 0; i < 16; i++)
        fs_pwrite(f, h, (char)('a' + i), 100, i * 4096 + 50);
    fs_pread(f, h, 65536, 0);
    fs_blocks(f, h);
    for (int i = 0; i < 16; i++)
        fs_pwrite(f, h, (char)('A' + i), 4096, i * 4096 + 2048);
    fs_pread(f, h, 80000, 0);
}
