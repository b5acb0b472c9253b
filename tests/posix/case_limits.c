/* case_limits.c - sizes and offsets at the ends of what 64 bits can say. */
#include "tests/posix/fs.h"

#define THEME "limits"

/* The largest file of ext4, of wt (WT_FILE_BYTES_MAX), and the largest offset there is. */
#define EXT4_MAX ((16ll << 40) - 4096)
#define WT_MAX   (1ll << 60)

CASE(pread)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDONLY, 0);
    fs_pread(f, h, 10, INT64_MAX);
    fs_pread(f, h, 10, INT64_MAX - 10);
    fs_pread(f, h, 10, INT64_MAX - 9);
    fs_pread(f, h, 4096, INT64_MAX - 4095);
    fs_pread(f, h, 10, WT_MAX);
    fs_pread(f, h, 10, WT_MAX - 5);
    fs_pread(f, h, 0, INT64_MAX);
}

CASE(pwrite)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_pwrite(f, h, 'a', 10, INT64_MAX);
    fs_pwrite(f, h, 'a', 10, INT64_MAX - 10);
    fs_pwrite(f, h, 'a', 10, INT64_MAX - 9);
    fs_pwrite(f, h, 'a', 10, WT_MAX);
    fs_pwrite(f, h, 'a', 10, WT_MAX + 1);
    fs_pwrite(f, h, 'a', 0, INT64_MAX);
    fs_pwrite(f, h, 'a', 0, WT_MAX + 1);
    fs_fstat(f, h);
}

CASE(pwrite_across_the_largest_size)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_pwrite(f, h, 'a', 10, EXT4_MAX);
    fs_pwrite(f, h, 'a', 10, WT_MAX - 5);
    fs_fstat(f, h);
}

CASE(ftruncate)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_ftruncate(f, h, INT64_MAX);
    fs_ftruncate(f, h, WT_MAX + 1);
    fs_fstat(f, h);
    fs_ftruncate(f, h, EXT4_MAX);
    fs_fstat(f, h);
    fs_pread(f, h, 100, EXT4_MAX - 10);
    fs_seek(f, h, 0, SEEK_DATA);
    fs_seek(f, h, 0, SEEK_HOLE);
    fs_ftruncate(f, h, 0);
    fs_fstat(f, h);
}

CASE(ftruncate_beyond_ext4)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    fs_ftruncate(f, h, WT_MAX);
    fs_fstat(f, h);
}

CASE(fallocate)
{
    static const int modes[] = {0, 1, 3, 0x10, 0x11};
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDWR, 0);
    for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        fs_fallocate(f, h, modes[i], INT64_MAX, 10);
        fs_fallocate(f, h, modes[i], 10, INT64_MAX);
        fs_fallocate(f, h, modes[i], INT64_MAX, INT64_MAX);
        fs_fallocate(f, h, modes[i], WT_MAX, 10);
        fs_fallocate(f, h, modes[i], WT_MAX + 4096, 4096);
    }
    fs_cat(f, "a");
}

CASE(seek)
{
    fs_make(f, "a", 'a', 10);
    int h = fs_open(f, "a", O_RDWR, 0);
    fs_seek(f, h, WT_MAX, SEEK_DATA);
    fs_seek(f, h, WT_MAX, SEEK_HOLE);
    fs_seek(f, h, WT_MAX + 1, SEEK_HOLE);
    fs_seek(f, h, INT64_MAX, SEEK_HOLE);
}

CASE(append_at_the_largest_size)
{
    int h = fs_open(f, "a", O_CREAT | O_RDWR | O_APPEND, 0644);
    fs_ftruncate(f, h, EXT4_MAX);
    fs_fstat(f, h);
    fs_ftruncate(f, h, 0);
}
