/*
 * limits.h - every limit that a user of wt can meet, in one place. README.md has the same table in words.
 *
 * What a program asks beyond a limit is refused with the errno in the comment, never cut in silence.
 */
#ifndef WT_PROTO_LIMITS_H
#define WT_PROTO_LIMITS_H

/* Names and paths. */
#define WT_NAME_BYTES_MAX 255u /* -ENAMETOOLONG */
#define WT_PATH_BYTES_MAX \
    4096u                   /* as PATH_MAX: with a NUL, which is not on the wire; -ENAMETOOLONG */
#define WT_SYMLINKS_MAX 40u /* followed in one path; -ELOOP */
#define WT_LINKS_MAX    65000u /* names of one file, subdirectories of one directory; -EMLINK */

/* Files and the volume. */
#define WT_FILE_BYTES_MAX   (1ull << 60) /* -EFBIG */
#define WT_VOLUME_BYTES_MIN (64ull << 20)
#define WT_VOLUME_BYTES_MAX (1ull << 60)
#define WT_SHARDS_MAX       64u

/* A server. */
#define WT_SESSIONS_MAX 1024u /* -EMFILE in the welcome */

/* A session. */
#define WT_HANDLES_MAX          65536u /* on each shard; -EMFILE */
#define WT_GROUPS_MAX           256u   /* supplementary groups that are looked at */
#define WT_RING_ENTRIES_MIN     8u     /* requests in flight on each shard */
#define WT_RING_ENTRIES_DEFAULT 128u
#define WT_RING_ENTRIES_MAX     4096u
#define WT_ARENA_BYTES_MIN      (64ull << 10)
#define WT_ARENA_BYTES_DEFAULT  (4ull << 20)
#define WT_ARENA_BYTES_MAX      (1ull << 30)
#define WT_REQUEST_BYTES_MAX    (1u << 20) /* data of one read or write; libwt splits larger calls */

#endif
