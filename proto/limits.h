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

/* Files and the volume. How many files there are is bounded by metadata memory (wtd --metadata): -ENOSPC. */
#define WT_FILE_BYTES_MAX     (1ull << 60)  /* -EFBIG */
#define WT_VOLUME_BYTES_MIN   (64ull << 20) /* mkfs refuses less, */
#define WT_VOLUME_BYTES_MAX   (1ull << 60)  /* and more */
#define WT_SHARDS_MAX         64u           /* wtd refuses more */
#define WT_METADATA_BYTES_MIN (1ull << 20)  /* wtd --metadata refuses less */

/* A server. A refusal at connect comes with words in the welcome. */
#define WT_SESSIONS_MAX          1024u      /* -EUSERS */
#define WT_USER_SESSIONS_DEFAULT 256u       /* wtd --user-sessions, 1 to WT_SESSIONS_MAX; -EDQUOT */
#define WT_SHARD_HANDLES_MAX     (1u << 18) /* of all sessions, on each shard; -ENFILE */
#define WT_GROUPS_MAX            256u       /* supplementary groups of a client; -E2BIG */
#define WT_SOCKET_PATH_BYTES_MAX 107u       /* what sockaddr_un holds; -ENAMETOOLONG */

/* A session. */
#define WT_HANDLES_MAX          65536u    /* on each shard; -EMFILE */
#define WT_SESSION_HANDLES_MAX  (1 << 20) /* in libwt, on all shards together; -EMFILE */
#define WT_RING_ENTRIES_MIN     8u        /* requests in flight on each shard; -EINVAL */
#define WT_RING_ENTRIES_DEFAULT 128u
#define WT_RING_ENTRIES_MAX     4096u         /* -EINVAL */
#define WT_IN_FLIGHT_MAX        0xfff0u       /* in libwt, on all shards together; -EAGAIN */
#define WT_ARENA_BYTES_MIN      (64ull << 10) /* -EINVAL */
#define WT_ARENA_BYTES_DEFAULT  (4ull << 20)
#define WT_ARENA_BYTES_MAX      (1ull << 30) /* -EINVAL */
#define WT_REQUEST_BYTES_MAX    (1u << 20)   /* data of one request; libwt splits larger calls */
#define WT_CALL_BYTES_MAX       0x7ffff000u /* of one call, as in Linux: the rest is a short count */

#endif
