/* case_seek.c - SEEK_DATA and SEEK_HOLE. */
#include <unistd.h>

#include "tests/posix/fs.h"

#define THEME "seek"

static void both(struct fs *f, int h, off_t offset)
{
    fs_seek(f, h, offset, SEEK_DATA);
    fs_seek(f, h, offset, SEEK_HOLE);
}

CASE(empty_file)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    both(f, h, 0);
    both(f, h, 1);
}

CASE(only_data)
{
    fs_make(f, "a", 'a', 10000);
    int h = fs_open(f, "a", O_RDONLY, 0);
    both(f, h, 0);
    both(f, h, 1);
    both(f, h, 4096);
    both(f, h, 9999);
    both(f, h, 10000);
    both(f, h, 10001);
}

CASE(only_a_hole)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_ftruncate(f, h, 100000);
    both(f, h, 0);
    both(f, h, 5000);
    both(f, h, 99999);
    both(f, h, 100000);
}

CASE(hole_in_the_middle)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_pwrite(f, h, 'a', 4096, 0);
    fs_pwrite(f, h, 'b', 4096, 65536);
    for (off_t at = 0; at <= 73728; at += 4096)
        both(f, h, at);
    both(f, h, 4095);
    both(f, h, 4097);
    both(f, h, 65535);
    both(f, h, 65537);
}

CASE(data_smaller_than_a_block)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_pwrite(f, h, 'a', 1, 10000);
    both(f, h, 0);
    both(f, h, 8192);
    both(f, h, 10000);
    fs_pwrite(f, h, 'a', 1, 100000);
    both(f, h, 10001);
    both(f, h, 12288);
}

CASE(hole_at_the_end)
{
    fs_make(f, "a", 'a', 8192);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_ftruncate(f, h, 100000);
    both(f, h, 0);
    both(f, h, 8191);
    both(f, h, 8192);
    both(f, h, 50000);
}

CASE(after_punch)
{
    fs_make(f, "a", 'a', 65536);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fsync(f, h);
    fs_fallocate(f, h, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 16384, 16384);
    both(f, h, 0);
    both(f, h, 16384);
    both(f, h, 20000);
    both(f, h, 32768);
    fs_fallocate(f, h, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 65536);
    both(f, h, 0);
}

CASE(allocated_and_never_written_is_a_hole)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_fallocate(f, h, 0, 0, 65536);
    both(f, h, 0);
    both(f, h, 10000);
    fs_pwrite(f, h, 'a', 4096, 16384);
    both(f, h, 0);
    both(f, h, 16384);
    both(f, h, 20480);
}

CASE(after_zero_range)
{
    fs_make(f, "a", 'a', 65536);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fsync(f, h);
    fs_fallocate(f, h, 0x10, 16384, 16384);
    both(f, h, 0);
    both(f, h, 16384);
    both(f, h, 32768);
}

CASE(after_truncate)
{
    fs_make(f, "a", 'a', 65536);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_ftruncate(f, h, 10000);
    both(f, h, 0);
    both(f, h, 9999);
    both(f, h, 10000);
    fs_ftruncate(f, h, 65536);
    both(f, h, 0);
    both(f, h, 12288);
}

CASE(allocated_beyond_the_end)
{
    fs_make(f, "a", 'a', 4096);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, h, FALLOC_FL_KEEP_SIZE, 0, 65536);
    both(f, h, 0);
    both(f, h, 4096);
    both(f, h, 8192);
}

CASE(bad_arguments)
{
    fs_make(f, "a", 'a', 100);
    int h = fs_open(f, "a", O_RDWR, 0);
    both(f, h, -1);
    both(f, h, INT64_MIN);
    both(f, h, INT64_MAX);
    fs_seek(f, h, 0, 99);
    fs_seek(f, h, 0, -1);
}

CASE(write_only_handle)
{
    fs_make(f, "a", 'a', 100);
    int h = fs_open(f, "a", O_WRONLY, 0);
    both(f, h, 0);
}

CASE(other_whences)
{
    fs_make(f, "a", 'a', 100);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_seek(f, h, 0, SEEK_SET);
    fs_seek(f, h, 0, SEEK_CUR);
    fs_seek(f, h, 0, SEEK_END);
}

CASE(far_out)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_pwrite(f, h, 'a', 10, 1ll << 40);
    both(f, h, 0);
    both(f, h, 1ll << 39);
    both(f, h, 1ll << 40);
    both(f, h, 1ll << 41);
}
