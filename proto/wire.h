/*
 * wire.h - what client and server say to each other: handshake, request, completion, region layout.
 *
 * The contract in prose is PROTOCOL.md. Everything here is little-endian with fixed widths, offsets
 * instead of pointers, and a static assert on every size. The header depends on nothing but limits.h.
 *
 * Trust: the server copies each request once into private memory and checks every field there. What a
 * client writes can harm only its own session. A client trusts its server, but still checks offsets.
 */
#ifndef WT_PROTO_WIRE_H
#define WT_PROTO_WIRE_H

#include <stdint.h>

#include "proto/limits.h"

#if !defined(__LP64__) || !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "wt runs on 64-bit little-endian machines only (x86-64, aarch64)"
#endif
#if !defined(__x86_64__) && !defined(__aarch64__)
#error "wt runs on x86-64 and aarch64 only"
#endif

#define WT_PROTOCOL_VERSION 2u
#define WT_HELLO_MAGIC      0x4f4c4c4548545721ull /* "!WTHELLO" */
#define WT_WELCOME_MAGIC    0x454d4f434c545721ull /* "!WTLCOME" */

#define WT_PAGE_BYTES   4096u
#define WT_REASON_BYTES 160u

/* Features, offered in hello, granted in welcome (the intersection). None exists yet. */
#define WT_FEATURES_KNOWN 0ull

/* The one datagram a client sends. A descriptor with it, or with anything later, ends the connection, as does
 * an empty datagram; up to 16 others after the hello are read and ignored, one more ends the session. */
struct wt_hello {
    uint64_t magic;
    uint32_t version_min, version_max;
    uint64_t features;
    uint64_t arena_bytes;      /* 0: WT_ARENA_BYTES_DEFAULT */
    uint32_t ring_entries;     /* a power of two, per ring; 0: WT_RING_ENTRIES_DEFAULT */
    uint32_t flags;            /* must be zero */
    uint64_t session_token[2]; /* resuming a session after a restart of the server: zero today */
    uint8_t export_name[64];   /* NUL-padded; empty: the whole volume (all there is) */
    uint8_t reserved[8];
};
_Static_assert(sizeof(struct wt_hello) == 128, "wt_hello is on the wire");

/*
 * The answer. error is 0 and SCM_RIGHTS carries 1 + shard_count descriptors: the session's region (a
 * sealed memfd) and an eventfd (doorbell) for each shard; or error is a negative errno, reason says why,
 * and no descriptor rides along.
 *
 * Region: [struct wt_region_header][ring block of shard 0][of shard 1]...[arena]
 * Ring block of shard s at ring_offset + s * ring_stride:
 *     + 0                    struct wt_ring_control of the submission ring
 *     + completion_control   struct wt_ring_control of the completion ring
 *     + submission_entries   ring_entries requests
 *     + completion_entries   ring_entries completions
 */
struct wt_welcome {
    uint64_t magic;
    int32_t error;
    uint32_t version;
    uint64_t features;
    uint64_t boot_epoch;       /* the volume's epoch: one more at each start that may write */
    uint64_t session_token[2]; /* will name this session in a resume; random, not looked at today */
    uint64_t volume_uuid[2];
    uint64_t region_bytes;
    uint64_t ring_offset, ring_stride;
    uint64_t arena_offset, arena_bytes;
    uint32_t completion_control, submission_entries, completion_entries; /* inside a ring block */
    uint32_t ring_entries;
    uint32_t shard_count, names_shard;
    uint32_t security_domain; /* which mapped cache this session may see: 0, none */
    uint32_t export_root;     /* 0: the volume's root */
    uint32_t uid, gid;        /* as the kernel told the server */
    uint8_t reason[WT_REASON_BYTES];
    uint8_t reserved[48];
};
_Static_assert(sizeof(struct wt_welcome) == 352, "wt_welcome is on the wire");

/* First page of the region. The client sleeps on wake_word: it sets client_waiting, fences, looks at its
 * completion rings again, then waits (FUTEX_WAIT, shared) for wake_word to leave the value it read before.
 * A shard that posted completions fences, and when client_waiting is set adds one to wake_word and wakes. */
struct wt_region_header {
    _Alignas(64) uint32_t wake_word;
    _Alignas(64) uint32_t client_waiting;
    _Alignas(64) uint32_t
        server_gone; /* set by a server that ends the session, before it closes the socket */
    /* The client polls the session socket in a loop of its own: it sets poll_armed to 1, fences, and looks at
     * its completion rings again; where it finds something it sets 2 and rings the names shard's doorbell. A
     * shard that posted completions fences, and where it takes poll_armed from 1 or 2 to 0 it sends one
     * datagram of one byte on the socket (MSG_DONTWAIT: where there is no room, the socket is readable
     * already). So does the names shard when its doorbell finds 2. */
    _Alignas(64) uint32_t poll_armed;
    uint8_t pad[WT_PAGE_BYTES - 196];
};
_Static_assert(sizeof(struct wt_region_header) == WT_PAGE_BYTES, "the header is a page");

enum wt_poll_armed { WT_POLL_IDLE = 0, WT_POLL_ARMED = 1, WT_POLL_NOW = 2 };

enum wt_opcode {
    WT_OP_NOP = 0,
    WT_OP_OPEN,  /* path; argument = mode | (uint64_t)open flags << 32; -> result handle index */
    WT_OP_CLOSE, /* handle */
    WT_OP_READ,  /* handle, offset, length, arena */
    WT_OP_WRITE, /* handle, offset, length, arena, level, flags */
    WT_OP_SYNC,  /* handle; flags WT_REQUEST_DATASYNC */
    WT_OP_SYNCFS,
    WT_OP_TRUNCATE, /* handle, offset = new size, level */
    WT_OP_STAT,     /* path; reply struct wt_wire_stat; flags WT_REQUEST_NOFOLLOW */
    WT_OP_FSTAT,    /* handle; reply struct wt_wire_stat */
    WT_OP_STATVFS,  /* reply struct wt_wire_statvfs */
    WT_OP_MKDIR,    /* path, argument = mode */
    WT_OP_RMDIR,    /* path */
    WT_OP_UNLINK,   /* path */
    WT_OP_RENAME,   /* two paths; offset = the second one's directory; argument = RENAME_* */
    WT_OP_LINK,     /* two paths; offset as in RENAME; flags WT_REQUEST_FOLLOW, WT_REQUEST_OBJECT */
    WT_OP_SYMLINK,  /* two paths: target, link */
    WT_OP_READLINK, /* path; reply: the target's bytes */
    WT_OP_CHMOD,    /* path or object, argument = mode */
    WT_OP_CHOWN,    /* path or object, argument = uid | (uint64_t)gid << 32; ~0u leaves one alone */
    WT_OP_UTIMENS, /* path or object; the second arena range: struct wt_wire_times; empty: both now */
    WT_OP_READDIR, /* handle, offset = cookie; reply: struct wt_wire_dirent entries */
    WT_OP_STATS,   /* reply: text, a line "name value\n" for each counter */
    WT_OP_ALLOCATE, /* handle, offset, argument = bytes, length = FALLOC_FL_* (no arena range), level */
    WT_OP_SEEK, /* handle, offset, argument = SEEK_DATA or SEEK_HOLE; -> result the offset found */
    WT_OP_COUNT
};

/* Levels on the wire; 0 in an API call means the session's own. */
enum wt_wire_level { WT_LEVEL_BEHIND = 1, WT_LEVEL_THROUGH = 2, WT_LEVEL_STABLE = 3 };

#define WT_REQUEST_APPEND   (1u << 0) /* write at the end; the completion's offset says where */
#define WT_REQUEST_ATOMIC   (1u << 1) /* not yet: -EOPNOTSUPP */
#define WT_REQUEST_DIRECT   (1u << 2) /* READ: from the medium; WRITE: leaves nothing in the cache */
#define WT_REQUEST_DATASYNC (1u << 3)
#define WT_REQUEST_NOFOLLOW (1u << 4) /* STAT, CHMOD, CHOWN, UTIMENS: of a symlink itself */
#define WT_REQUEST_FOLLOW   (1u << 5) /* LINK: what a symlink as the first path points to */
#define WT_REQUEST_OBJECT \
    (1u << 6) /* no (first) path: the file or directory that the handle is of */
#define WT_REQUEST_FLAGS_KNOWN 0x7fu

#define WT_NO_HANDLE 0xffffffffu
/* In offset: what the caller named is not a directory's handle. After the errors of the first path, as in Linux. */
#define WT_NOT_A_DIRECTORY 0x1ffffffffull

/*
 * A request. Arena ranges are byte offsets from the start of the arena. Range 1 (arena_offset, length)
 * carries data, or the path; range 2 (arena_offset2, length2) carries the second path, the times, or is
 * where a reply is written (stat, readlink, readdir, statvfs, stats). Unused fields must be zero.
 * Paths with a leading slash begin at the export's root. Others begin at the directory whose handle the
 * request names, at the root where handle_index is WT_NO_HANDLE (generation 0). The second path of RENAME and
 * LINK begins at the handle in offset, index | (uint64_t)generation << 32; 0 (no handle has generation 0): at
 * the root, WT_NOT_A_DIRECTORY: -ENOTDIR in its turn; that of SYMLINK (the link) at handle_index. A request with WT_REQUEST_OBJECT goes to the shard of
 * its handle and has no first path; a LINK so made has its second path's directory in offset like any other.
 * slot and slot_sequence name the request within its session for the restart proof; a client numbers its
 * requests with them, the server carries them and does not look yet.
 */
struct wt_request {
    uint8_t opcode;
    uint8_t level; /* enum wt_wire_level for writes, truncate and changes of names; 0 elsewhere */
    uint16_t slot;
    uint32_t flags;
    uint64_t user_data;
    uint32_t handle_index, handle_generation;
    uint64_t offset;
    uint32_t arena_offset, length;
    uint32_t arena_offset2, length2;
    uint64_t argument;
    uint64_t slot_sequence;
};
_Static_assert(sizeof(struct wt_request) == 64, "a request is one cache line");

/* A completion; the same 32 bytes as struct wt_completion in wt.h. result is a count, a handle, 0, or a
 * negative errno. offset: where an append landed; for OPEN generation | (uint64_t)shard << 32. flags: for
 * OPEN the file type, S_IFMT bits >> 12. For READDIR offset is the cookie to go on from, and flags has
 * WT_COMPLETION_END when there is nothing more. */
struct wt_wire_completion {
    uint64_t user_data;
    int64_t result;
    uint64_t offset;
    uint32_t flags, reserved;
};
_Static_assert(sizeof(struct wt_wire_completion) == 32, "wt_wire_completion is on the wire");
#define WT_COMPLETION_END 1u

struct wt_wire_time {
    int64_t seconds;
    uint32_t nanoseconds, reserved;
};

struct wt_wire_stat {
    uint64_t ino, generation, size_bytes, blocks_512;
    uint32_t mode, nlink, uid, gid;
    struct wt_wire_time atime, mtime, ctime, birth;
};
_Static_assert(sizeof(struct wt_wire_stat) == 112, "wt_wire_stat is on the wire");

/* nanoseconds may be UTIME_NOW or UTIME_OMIT, as in utimensat(2). */
struct wt_wire_times {
    struct wt_wire_time atime, mtime;
};

struct wt_wire_statvfs {
    uint64_t block_bytes, blocks, blocks_free, blocks_available, files, files_free;
    uint64_t name_bytes_max, read_only;
};
_Static_assert(sizeof(struct wt_wire_statvfs) == 64, "wt_wire_statvfs is on the wire");

/* Entries of a READDIR reply: each starts at a multiple of 8 and is followed by its name (no NUL). */
struct wt_wire_dirent {
    uint64_t ino, cookie; /* cookie: pass it as offset to go on after this entry */
    uint16_t entry_bytes; /* to the next entry */
    uint8_t type;         /* DT_* */
    uint8_t name_bytes;
    uint32_t reserved;
};
_Static_assert(sizeof(struct wt_wire_dirent) == 24, "wt_wire_dirent is on the wire");

#endif
