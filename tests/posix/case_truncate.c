/* case_truncate.c - ftruncate, shorter and longer. */
#include "tests/posix/fs.h"

#define THEME "truncate"

CASE(shorter)
{
    fs_make(f, "a", 'a', 10000);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_ftruncate(f, h, 5000);
    fs_pread(f, h, 10000, 0);
    fs_ftruncate(f, h, 4096);
    fs_fstat(f, h);
    fs_ftruncate(f, h, 1);
    fs_pread(f, h, 10000, 0);
    fs_ftruncate(f, h, 0);
    fs_pread(f, h, 10000, 0);
}

CASE(longer_reads_zeros)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_ftruncate(f, h, 100);
    fs_pread(f, h, 1000, 0);
    fs_ftruncate(f, h, 100000);
    fs_pread(f, h, 1 << 20, 0);
    fs_fsync(f, h);
    fs_blocks(f, h);
}

CASE(shorter_and_longer_again)
{
    fs_make(f, "a", 'a', 20000);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_ftruncate(f, h, 5000);
    fs_ftruncate(f, h, 20000);
    fs_pread(f, h, 30000, 0);
    fs_ftruncate(f, h, 4097);
    fs_pwrite(f, h, 'b', 10, 9000);
    fs_pread(f, h, 30000, 0);
}

CASE(frees_blocks)
{
    fs_make(f, "a", 'a', 1 << 20);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fsync(f, h);
    fs_blocks(f, h);
    fs_ftruncate(f, h, 10000);
    fs_blocks(f, h);
    fs_ftruncate(f, h, 0);
    fs_blocks(f, h);
}

CASE(to_the_same_size)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_ftruncate(f, h, 10);
    fs_pread(f, h, 20, 0);
}

CASE(bad_sizes)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_ftruncate(f, h, -1);
    fs_ftruncate(f, h, INT64_MIN);
    fs_fstat(f, h);
}

CASE(on_a_read_only_handle)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDONLY, 0);
    fs_ftruncate(f, h, 5);
    fs_ftruncate(f, h, -1);
    fs_cat(f, "a");
}

CASE(on_an_append_handle)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDWR | O_APPEND, 0);
    fs_ftruncate(f, h, 5);
    fs_pwrite(f, h, 'b', 5, 0);
    fs_cat(f, "a");
}

CASE(seen_by_another_handle)
{
    fs_make(f, "a", 'a', 10000);
    int h = fs_open(f, "a", O_RDWR, 0), g = fs_open(f, "a", O_RDWR, 0);
    fs_pread(f, g, 10, 9000);
    fs_ftruncate(f, h, 100);
    fs_pread(f, g, 10, 9000);
    fs_pwrite(f, g, 'b', 10, 200);
    fs_pread(f, h, 1000, 0);
}

CASE(many_sizes)
{
    static const int sizes[] = {4095, 4096, 4097, 8191, 8192, 8193, 1, 12288, 12287, 0, 65536};
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fs_ftruncate(f, h, sizes[i]);
        fs_append(f, h, (char)('a' + i), 10);
        fs_pread(f, h, 1 << 17, 0);
    }
}
