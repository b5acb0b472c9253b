/* case_fallocate.c - allocate, keep the size, punch, zero a range; and the modes that wt has not. */
#include <linux/falloc.h>

#include "tests/posix/fs.h"

#define THEME "fallocate"

#define KEEP  FALLOC_FL_KEEP_SIZE
#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define ZERO  FALLOC_FL_ZERO_RANGE

CASE(allocate_extends)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_fallocate(f, h, 0, 0, 10000);
    fs_fstat(f, h);
    fs_blocks(f, h);
    fs_pread(f, h, 20000, 0);
    fs_pwrite(f, h, 'a', 10, 5000);
    fs_pread(f, h, 20000, 0);
    fs_fsync(f, h);
    fs_blocks(f, h);
}

CASE(allocate_inside_keeps_data)
{
    fs_make(f, "a", 'a', 10000);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, h, 0, 0, 5000);
    fs_pread(f, h, 20000, 0);
    fs_fallocate(f, h, 0, 8000, 8000);
    fs_pread(f, h, 20000, 0);
    fs_fsync(f, h);
    fs_blocks(f, h);
}

CASE(allocate_a_hole)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_pwrite(f, h, 'a', 10, 100000);
    fs_fsync(f, h);
    fs_blocks(f, h);
    fs_fallocate(f, h, 0, 4096, 8192);
    fs_blocks(f, h);
    fs_pread(f, h, 1 << 17, 0);
    fs_fstat(f, h);
}

CASE(keep_size)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_fallocate(f, h, KEEP, 0, 16384);
    fs_fstat(f, h);
    fs_blocks(f, h);
    fs_pread(f, h, 100, 0);
    fs_append(f, h, 'a', 100);
    fs_fsync(f, h);
    fs_blocks(f, h);
    fs_pread(f, h, 1000, 0);
}

CASE(keep_size_beyond_the_end)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, h, KEEP, 8192, 8192);
    fs_fstat(f, h);
    fs_blocks(f, h);
    fs_ftruncate(f, h, 20000);
    fs_pread(f, h, 30000, 0);
    fs_ftruncate(f, h, 10);
    fs_fsync(f, h);
    fs_blocks(f, h);
}

CASE(truncate_frees_what_lies_beyond)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, h, KEEP, 0, 65536);
    fs_fsync(f, h);
    fs_blocks(f, h);
    fs_ftruncate(f, h, 5);
    fs_fsync(f, h);
    fs_blocks(f, h);
}

CASE(punch_whole_blocks)
{
    fs_make(f, "a", 'a', 16384);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fsync(f, h);
    fs_fallocate(f, h, PUNCH, 4096, 8192);
    fs_pread(f, h, 20000, 0);
    fs_fsync(f, h);
    fs_blocks(f, h);
    fs_fstat(f, h);
}

CASE(punch_edges)
{
    fs_make(f, "a", 'a', 16384);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fsync(f, h);
    fs_fallocate(f, h, PUNCH, 1000, 10000);
    fs_pread(f, h, 20000, 0);
    fs_fsync(f, h);
    fs_blocks(f, h);
}

CASE(punch_inside_a_block)
{
    fs_make(f, "a", 'a', 4096);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, h, PUNCH, 100, 200);
    fs_pread(f, h, 5000, 0);
    fs_fsync(f, h);
    fs_blocks(f, h);
}

CASE(punch_over_the_end)
{
    fs_make(f, "a", 'a', 10000);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, h, PUNCH, 5000, 1 << 20);
    fs_fstat(f, h);
    fs_pread(f, h, 20000, 0);
    fs_fallocate(f, h, PUNCH, 1 << 20, 4096);
    fs_fstat(f, h);
}

CASE(punch_a_hole_again)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_ftruncate(f, h, 100000);
    fs_fallocate(f, h, PUNCH, 0, 100000);
    fs_blocks(f, h);
    fs_fstat(f, h);
}

CASE(punch_everything_and_write_again)
{
    fs_make(f, "a", 'a', 65536);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, h, PUNCH, 0, 65536);
    fs_fsync(f, h);
    fs_blocks(f, h);
    fs_pwrite(f, h, 'b', 5000, 20000);
    fs_pread(f, h, 1 << 17, 0);
}

CASE(punch_without_keep_size)
{
    fs_make(f, "a", 'a', 10000);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, h, FALLOC_FL_PUNCH_HOLE, 0, 4096);
    fs_cat(f, "a");
}

CASE(zero_range)
{
    fs_make(f, "a", 'a', 16384);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, h, ZERO, 1000, 10000);
    fs_pread(f, h, 20000, 0);
    fs_fsync(f, h);
    fs_blocks(f, h);
    fs_fstat(f, h);
}

CASE(zero_range_extends)
{
    fs_make(f, "a", 'a', 100);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, h, ZERO, 50, 10000);
    fs_fstat(f, h);
    fs_pread(f, h, 20000, 0);
}

CASE(zero_range_keeps_the_size)
{
    fs_make(f, "a", 'a', 100);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, h, ZERO | KEEP, 50, 10000);
    fs_fstat(f, h);
    fs_pread(f, h, 20000, 0);
    fs_fsync(f, h);
    fs_blocks(f, h);
}

CASE(zero_range_of_a_hole_allocates)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_ftruncate(f, h, 32768);
    fs_fallocate(f, h, ZERO, 0, 16384);
    fs_blocks(f, h);
    fs_pread(f, h, 50000, 0);
}

CASE(zero_range_and_write_again)
{
    fs_make(f, "a", 'a', 16384);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, h, ZERO, 0, 16384);
    fs_pwrite(f, h, 'b', 10, 6000);
    fs_pread(f, h, 20000, 0);
}

CASE(unaligned_zero_inside_a_block)
{
    fs_make(f, "a", 'a', 4096);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, h, ZERO, 100, 200);
    fs_pread(f, h, 5000, 0);
}

CASE(bad_ranges)
{
    static const int modes[] = {0, KEEP, PUNCH, ZERO, ZERO | KEEP};
    fs_make(f, "a", 'a', 100);
    int h = fs_open(f, "a", O_RDWR, 0);
    for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        fs_fallocate(f, h, modes[i], 0, 0);
        fs_fallocate(f, h, modes[i], 0, -1);
        fs_fallocate(f, h, modes[i], -1, 10);
        fs_fallocate(f, h, modes[i], INT64_MIN, 10);
        fs_fallocate(f, h, modes[i], 10, INT64_MIN);
    }
    fs_cat(f, "a");
}

CASE(read_only_handle)
{
    fs_make(f, "a", 'a', 100);
    int h = fs_open(f, "a", O_RDONLY, 0);
    fs_fallocate(f, h, 0, 0, 1000);
    fs_fallocate(f, h, PUNCH, 0, 10);
    fs_fallocate(f, h, ZERO, 0, 10);
    fs_fallocate(f, h, 0, 0, 0);
    fs_cat(f, "a");
}

CASE(append_handle)
{
    fs_make(f, "a", 'a', 100);
    int h = fs_open(f, "a", O_RDWR | O_APPEND, 0);
    fs_fallocate(f, h, 0, 0, 1000);
    fs_fallocate(f, h, PUNCH, 0, 10);
    fs_fstat(f, h);
}

CASE(unknown_modes)
{
    fs_make(f, "a", 'a', 100);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, h, 0x4000, 0, 10);
    fs_fallocate(f, h, 1 << 30, 0, 10);
    fs_fallocate(f, h, FALLOC_FL_PUNCH_HOLE | ZERO, 0, 10);
    fs_fallocate(f, h, PUNCH | ZERO, 0, 10);
    fs_cat(f, "a");
}

CASE(collapse_range)
{
    fs_make(f, "a", 'a', 16384);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, h, FALLOC_FL_COLLAPSE_RANGE, 0, 4096);
}

CASE(insert_range)
{
    fs_make(f, "a", 'a', 16384);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, h, FALLOC_FL_INSERT_RANGE, 0, 4096);
}

CASE(unshare_range)
{
    fs_make(f, "a", 'a', 16384);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_fallocate(f, h, FALLOC_FL_UNSHARE_RANGE, 0, 4096);
    fs_cat(f, "a");
}

CASE(more_than_there_is)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_fallocate(f, h, 0, 0, 8ll << 40);
    fs_ftruncate(f, h, 0);
    fs_fsync(f, h);
    fs_blocks(f, h);
    fs_pwrite(f, h, 'a', 10, 0);
}

CASE(of_unwritten_blocks)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_fallocate(f, h, 0, 0, 65536);
    fs_fallocate(f, h, PUNCH, 8192, 8192);
    fs_blocks(f, h);
    fs_pwrite(f, h, 'a', 6000, 6000);
    fs_fallocate(f, h, ZERO, 7000, 20000);
    fs_pread(f, h, 70000, 0);
    fs_fallocate(f, h, PUNCH, 0, 4096);
    fs_ftruncate(f, h, 10000);
    fs_fallocate(f, h, 0, 5000, 20000);
    fs_pread(f, h, 70000, 0);
    fs_fsync(f, h);
    fs_blocks(f, h);
}

CASE(unwritten_blocks_are_written_at_their_edges)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_fallocate(f, h, 0, 0, 32768);
    fs_pwrite(f, h, 'a', 1, 4095);
    fs_pwrite(f, h, 'b', 1, 8192);
    fs_pwrite(f, h, 'c', 4098, 16383);
    fs_pread(f, h, 40000, 0);
    fs_fsync(f, h);
    fs_pread(f, h, 40000, 0);
    /* No seek here: ext4 may write zeros over the rest of a small extent, and calls it data then. */
    fs_blocks(f, h);
}

CASE(ranges_that_end_inside_blocks)
{
    static const int ends[] = {1, 4095, 4097, 5300, 8191, 12289, 16383};
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        fs_make(f, "a", (char)('a' + i), 16384);
        int h = fs_open(f, "a", O_RDWR, 0);
        fs_pread(f, h, 16384, 0);
        fs_fallocate(f, h, i % 2 ? PUNCH : ZERO, 0, ends[i]);
        fs_pread(f, h, 20000, 0);
        fs_fallocate(f, h, i % 2 ? ZERO : PUNCH, 16384 - ends[i] / 2, ends[i] / 2 + 1);
        fs_pread(f, h, 20000, 0);
        fs_fstat(f, h);
        fs_close(f, h);
    }
}
