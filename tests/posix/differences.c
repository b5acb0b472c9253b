/*
 * differences.c - where wt answers otherwise than ext4, and the sentence of the contract that says so.
 *
 * A row allows these two lines in this case and nothing else; one that is not needed any more fails.
 */
#include "tests/posix/fs.h"

#define UNKNOWN_FLAGS "wt.h: -EINVAL: unknown or conflicting flags"
#define NO_O_PATH     "wt.h: O_PATH gives -EOPNOTSUPP"
#define NO_ALIGNMENT  "wt.h: WT_DIRECT: no alignment is asked for"
#define NO_POSITION   "wt.h: handles have no position: any other whence is -EINVAL"
#define FILE_SIZE     "limits.h: a file of 2^60 bytes; what is beyond is refused, never cut in silence"
#define NO_DEVICES    "contract: not there: xattr, ACL, mmap, device nodes"
#define FALLOC_MODES  "wt.h: wt_fallocate: any other mode: -EOPNOTSUPP"
#define TIMES_64      "contract: times are ns, 64 bits; what does not fit is refused"

#define RELATIME                                                                                  \
    "README: a file's relatime goes by mtime and day; a newer ctime alone moves nothing (DESIGN " \
    "4: "                                                                                         \
    "mode "                                                                                       \
    "and links are kept with the names, atime and mtime with the data)"

#define SET_ID "README: a handle that is older than the set-id bits leaves them"

const struct fs_difference fs_differences[] = {
    {"open/access_mode_three", "open a ACCESS3 0000 = h0", "open a ACCESS3 0000 = EINVAL",
     UNKNOWN_FLAGS},
    {"open/unknown_flag", "open a RDONLY|0x2000 0000 = h0", "open a RDONLY|0x2000 0000 = EINVAL",
     UNKNOWN_FLAGS},
    {"open/unknown_flag", "pread h0 1 at 0 = 1: a*1", "pread h-22 1 at 0 = EBADF", UNKNOWN_FLAGS},
    {"open/access_mode_three", "pread h0 5 at 0 = EBADF", "pread h-22 5 at 0 = EBADF",
     UNKNOWN_FLAGS},
    {"open/access_mode_three", "pwrite h0 b*5 at 0 = EBADF", "pwrite h-22 b*5 at 0 = EBADF",
     UNKNOWN_FLAGS},
    {"open/o_path", "open a RDONLY|PATH 0000 = h0", "open a RDONLY|PATH 0000 = EOPNOTSUPP",
     NO_O_PATH},
    {"open/direct_unaligned", "pwrite h0 b*100 at 50 = EINVAL", "pwrite h0 b*100 at 50 = 100",
     NO_ALIGNMENT},
    {"open/direct_unaligned", "pread h0 100 at 10 = EINVAL", "pread h0 100 at 10 = 100: a*40 b*60",
     NO_ALIGNMENT},
    {"seek/other_whences", "seek h0 other from 0 = 0", "seek h0 other from 0 = EINVAL",
     NO_POSITION},
    {"seek/other_whences", "seek h0 other from 0 = 100", "seek h0 other from 0 = EINVAL",
     NO_POSITION},
    {"rename/whiteout", "rename a b flags 0x4 = 0", "rename a b flags 0x4 = EINVAL", NO_DEVICES},
    {"rename/whiteout", "list .: a? b (2)", "list .: a (1)", NO_DEVICES},
    {"limits/pwrite_across_the_largest_size", "pwrite h0 a*10 at 17592186040320 = EFBIG",
     "pwrite h0 a*10 at 17592186040320 = 10", FILE_SIZE},
    {"limits/pwrite_across_the_largest_size", "stat h0: file 0644 alice:alice links 1 size 0",
     "stat h0: file 0644 alice:alice links 1 size 17592186040330", FILE_SIZE},
    {"limits/ftruncate_beyond_ext4", "ftruncate h0 1152921504606846976 = EFBIG",
     "ftruncate h0 1152921504606846976 = 0", FILE_SIZE},
    {"limits/ftruncate_beyond_ext4", "stat h0: file 0644 alice:alice links 1 size 0",
     "stat h0: file 0644 alice:alice links 1 size 1152921504606846976", FILE_SIZE},
    {"fallocate/collapse_range", "fallocate h0 mode 0x8 4096 at 0 = 0",
     "fallocate h0 mode 0x8 4096 at 0 = EOPNOTSUPP", FALLOC_MODES},
    {"fallocate/insert_range", "fallocate h0 mode 0x20 4096 at 0 = 0",
     "fallocate h0 mode 0x20 4096 at 0 = EOPNOTSUPP", FALLOC_MODES},
    {"times/beyond_ext4", "utimens a 1099511627776.000000000 -1099511627776.000000000 = 0",
     "utimens a 1099511627776.000000000 -1099511627776.000000000 = EINVAL", TIMES_64},
    /* ext4 has 34 bits of seconds and cuts. */
    {"times/beyond_ext4", "times a = 15032385535.000000000 -2147483648.000000000",
     "times a = 1000000000.123456789 1000000001.987654321", TIMES_64},
    {"times/read_after_a_change_of_mode", "moved a atime later mtime same ctime same",
     "moved a atime same mtime same ctime same", RELATIME},
    {"permissions/s_bits_set_after_the_open", "stat a: file 0755 alice:alice links 1 size 3",
     "stat a: file 6755 alice:alice links 1 size 3", SET_ID},
};
const unsigned fs_difference_count = sizeof(fs_differences) / sizeof(fs_differences[0]);
