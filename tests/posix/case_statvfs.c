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
