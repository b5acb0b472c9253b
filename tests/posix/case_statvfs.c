/* case_statvfs.c - statvfs: the two volumes are not equally large, so only relations are told. */
#include "tests/posix/fs.h"

#define THEME "statvfs"

CASE(fields_make_sense)
{
    struct statvfs v = {0};
    fs_say(f, "result %d", f->side->statvfs(f, &v));
    fs_say(f, "block size %lu, fragment size %lu", v.f_bsize, v.f_frsize);
    fs_say(f, "names up to %lu", v.f_namemax);
    fs_say(f, "free below all %d, available below free %d", v.f_bfree < v.f_blocks,
           v.f_bavail <= v.f_bfree);
    fs_say(f, "files %d, free files %d", v.f_files > v.f_ffree, v.f_ffree > 0);
    fs_say(f, "read-only %d", (v.f_flag & ST_RDONLY) != 0);
}

CASE(written_data_takes_space)
{
    struct statvfs before = {0}, with = {0}, after = {0};
    int h = fs_open(f, "a", O_CREAT | O_RDWR, 0644);
    f->side->statvfs(f, &before);
    for (int i = 0; i < 16; i++)
        f->side->pwrite(f, f->handles[h].handle, f->buffer, FS_BUFFER_BYTES, i * FS_BUFFER_BYTES);
    fs_fsync(f, h);
    f->side->statvfs(f, &with);
    fs_say(f, "16 MiB taken %d", before.f_bfree - with.f_bfree >= 4096);
    fs_ftruncate(f, h, 0);
    fs_fsync(f, h);
    /* ext4 gives back what it frees when its journal has committed: the other side of the machine may be
     * busy with that volume too, so only our own volume is asked for more. */
    f->side->statvfs(f, &after);
    fs_say(f, "given back %d", after.f_bfree > with.f_bfree);
}
