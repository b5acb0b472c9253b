/*
 * bad_wire.c - requests that libwt would never send, put into the rings by hand: what proto/wire.h does not
 * allow is refused with the errno that PROTOCOL.md names, nothing happens, and another client is served.
 *
 *   bad_wire        with WT_SOCKET; a line a case
 *
 * What is allowed is written down once more in raw_requests.h, from wire.h and not from the server's table.
 */
#include "tests/integration/libwt_case.h"
#include "tests/support/raw_requests.h"

#define NO_SUCH (1u << 20)

static struct raw_client client, other_client;
static struct wt *bystander;
static int bystander_file;
static unsigned bystander_round;

/* ---- what every case ends with ---------------------------------------------------------------- */

/* Another client's file is written and read. NULL, or what went wrong. */
static const char *others_are_served(void)
{
    unsigned char wrote[64], read[64];
    memset(wrote, (int)++bystander_round, sizeof(wrote));
    MUST(wt_pwrite(bystander, bystander_file, wrote, sizeof(wrote), 0) == sizeof(wrote));
    MUST(wt_pread(bystander, bystander_file, read, sizeof(read), 0) == sizeof(read));
    MUST(memcmp(wrote, read, sizeof(wrote)) == 0);
    return NULL;
}

static int failures;

static void tell(const char *name, const char *reason)
{
    const char *others = others_are_served();
    if (!reason)
        reason = others;
    failures += reason != NULL;
    printf(reason ? "not ok %s - %s\n" : "ok %s\n", name, reason);
    fflush(stdout);
}

/* ---- every opcode, every field ---------------------------------------------------------------- */

static char complaint[256];

/* Puts the changed request and wants one answer. */
static bool answers(const struct wt_request *request, unsigned shard, int64_t wanted,
                    const char *what, uint64_t value)
{
    int64_t got = raw_call(&client, shard, request, NULL);
    if (got == wanted)
        return true;
    const char *name = got < 0 ? strerrorname_np((int)-got) : NULL;
    snprintf(complaint, sizeof(complaint), "%s %#llx: %s (%lld) instead of %s", what,
             (unsigned long long)value, name ? name : "success", (long long)got,
             strerrorname_np((int)-wanted));
    return false;
}

#define WITH(field, value, wanted)                                      \
    do {                                                                \
        struct wt_request changed_ = *base;                             \
        changed_.field = (value);                                       \
        if (!answers(&changed_, shard, wanted, #field, changed_.field)) \
            return complaint;                                           \
    } while (0)

static const char *try_flags(const struct wt_request *base, unsigned shard, uint32_t allowed)
{
    for (unsigned bit = 0; bit < 32; bit++)
        if (!(allowed & 1u << bit))
            WITH(flags, 1u << bit, -EINVAL);
    if (allowed & WT_REQUEST_ATOMIC)
        WITH(flags, WT_REQUEST_ATOMIC, -EOPNOTSUPP);
    if (allowed & WT_REQUEST_OBJECT) {
        /* An object has no path, and nothing to follow. */
        WITH(flags, WT_REQUEST_OBJECT, -EINVAL);
        WITH(flags, WT_REQUEST_OBJECT | (allowed & (WT_REQUEST_FOLLOW | WT_REQUEST_NOFOLLOW)),
             -EINVAL);
    }
    WITH(flags, ~0u, -EINVAL);
    return NULL;
}

static const char *try_level(const struct wt_request *base, unsigned shard, bool uses)
{
    static const uint8_t levels[] = {0, 1, 2, 3, 4, 5, 128, 255};
    for (unsigned i = 0; i < sizeof(levels); i++) {
        bool known = levels[i] >= WT_LEVEL_BEHIND && levels[i] <= WT_LEVEL_STABLE;
        if (uses ? !known : levels[i] != 0)
            WITH(level, levels[i], -EINVAL);
    }
    return NULL;
}

static const char *try_handle(const struct wt_request *base, unsigned shard, unsigned uses)
{
    if (uses & RAW_HANDLE) {
        WITH(handle_generation, base->handle_generation + 1, -EBADF);
        WITH(handle_generation, 0, -EBADF);
        WITH(handle_index, NO_SUCH, -EBADF);
        WITH(handle_index, WT_NO_HANDLE, -EBADF);
    } else {
        WITH(handle_generation, 1, -EINVAL);
        WITH(handle_generation, ~0u, -EINVAL);
        if (!(uses & RAW_DIRECTORY)) {
            WITH(handle_index, 0, -EINVAL);
            WITH(handle_index, NO_SUCH, -EINVAL);
        }
    }
    return NULL;
}

static const char *try_numbers(const struct wt_request *base, unsigned shard, unsigned uses)
{
    static const uint64_t values[] = {1, 1ull << 31, 1ull << 32, 1ull << 63, UINT64_MAX};
    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (!(uses & RAW_OFFSET))
            WITH(offset, values[i], -EINVAL);
        if (!(uses & RAW_ARGUMENT))
            WITH(argument, values[i], -EINVAL);
    }
    return NULL;
}

static const char *try_ranges(const struct wt_request *base, unsigned shard, unsigned uses)
{
    uint32_t arena = (uint32_t)client.welcome.arena_bytes;
    if (!(uses & RAW_RANGE)) {
        WITH(arena_offset, 1, -EINVAL);
        WITH(arena_offset, ~0u, -EINVAL);
        if (!(uses & RAW_MODE)) {
            WITH(length, 1, -EINVAL);
            WITH(length, ~0u, -EINVAL);
        }
    } else {
        WITH(arena_offset, arena - base->length + 1, -EINVAL);
        WITH(arena_offset, ~0u, -EINVAL);
        WITH(length, arena + 1, -EINVAL);
        WITH(length, ~0u, -EINVAL);
    }
    if (!(uses & RAW_RANGE2)) {
        WITH(arena_offset2, 1, -EINVAL);
        WITH(length2, 1, -EINVAL);
        WITH(length2, ~0u, -EINVAL);
    } else if (base->length2) {
        WITH(arena_offset2, arena - base->length2 + 1, -EINVAL);
        WITH(length2, ~0u, -EINVAL);
    }
    return NULL;
}

/* Every refusal, and after them the request itself, which finds everything as it was. */
static const char *try_opcode(uint8_t opcode)
{
    struct wt_request request;
    const struct wt_request *base = &request;
    unsigned shard, uses = raw_rules[opcode].uses;
    int result = raw_base(&client, opcode, &request, &shard);
    MUST(result == 0);
    const char *reason = try_flags(base, shard, raw_rules[opcode].flags);
    if (!reason)
        reason = try_level(base, shard, uses & RAW_LEVEL);
    if (!reason)
        reason = try_handle(base, shard, uses);
    if (!reason)
        reason = try_numbers(base, shard, uses);
    if (!reason)
        reason = try_ranges(base, shard, uses);
    if (reason)
        return reason;
    int64_t last = raw_call(&client, shard, base, NULL);
    snprintf(complaint, sizeof(complaint), "the request itself: %lld", (long long)last);
    return last >= 0 ? NULL : complaint;
}

/* ---- what an opcode's own fields may say ------------------------------------------------------ */

static const char *unknown_opcodes(void)
{
    struct wt_request request = raw_blank(WT_OP_NOP);
    for (unsigned opcode = WT_OP_COUNT; opcode < 256; opcode++) {
        request.opcode = (uint8_t)opcode;
        for (unsigned shard = 0; shard < client.welcome.shard_count; shard++)
            if (!answers(&request, shard, -EINVAL, "opcode", opcode))
                return complaint;
    }
    return NULL;
}

#define BASE(of)                               \
    struct wt_request request_;                \
    const struct wt_request *base = &request_; \
    unsigned shard;                            \
    MUST(raw_base(&client, of, &request_, &shard) == 0)

static const char *unknown_open_flags(void)
{
    BASE(WT_OP_OPEN);
    /* Of open(2)'s bits those that wt knows: O_PATH, and O_DIRECT on the wire, are refused by name. */
    const uint32_t known = O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_DIRECTORY |
                           O_NOFOLLOW | O_CLOEXEC | O_SYNC | O_DSYNC | O_NOATIME | 0100000 |
                           O_NONBLOCK | O_NOCTTY | O_TMPFILE;
    for (unsigned bit = 0; bit < 32; bit++) {
        uint32_t flag = 1u << bit;
        if (flag == O_PATH || flag == O_DIRECT)
            WITH(argument, (uint64_t)flag << 32, -EOPNOTSUPP);
        else if (!(known & flag))
            WITH(argument, (uint64_t)flag << 32, -EINVAL);
    }
    WITH(argument, (uint64_t)O_ACCMODE << 32, -EINVAL);
    return NULL;
}

static const char *unknown_rename_flags(void)
{
    BASE(WT_OP_RENAME);
    for (unsigned bit = 2; bit < 64; bit++)
        WITH(argument, 1ull << bit, -EINVAL);
    WITH(argument, 3, -EINVAL);
    return NULL;
}

static const char *unknown_seek_whence(void)
{
    static const uint64_t whences[] = {0, 1, 2, 5, 1ull << 32 | SEEK_DATA, UINT64_MAX};
    BASE(WT_OP_SEEK);
    for (unsigned i = 0; i < sizeof(whences) / sizeof(whences[0]); i++)
        WITH(argument, whences[i], -EINVAL);
    return NULL;
}

static const char *unknown_allocate_modes(void)
{
    BASE(WT_OP_ALLOCATE);
    WITH(length, 2, -EOPNOTSUPP);
    for (unsigned mode = 4; mode < 16; mode++)
        WITH(length, mode, -EOPNOTSUPP);
    for (unsigned bit = 5; bit < 32; bit++)
        WITH(length, 1u << bit, -EOPNOTSUPP);
    WITH(length, 0x12, -EOPNOTSUPP);
    WITH(length, 0x13, -EOPNOTSUPP);
    return NULL;
}

static const char *bad_allocate_ranges(void)
{
    static const uint32_t modes[] = {0, 1, 3, 0x10, 0x11};
    BASE(WT_OP_ALLOCATE);
    for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        request_.length = modes[i];
        WITH(argument, 0, -EINVAL);
        WITH(argument, 1ull << 63, -EINVAL);
        WITH(argument, UINT64_MAX, -EINVAL);
        WITH(offset, 1ull << 63, -EINVAL);
        WITH(offset, UINT64_MAX, -EINVAL);
        WITH(offset, INT64_MAX, -EFBIG);
        WITH(offset, WT_FILE_BYTES_MAX, -EFBIG);
    }
    return NULL;
}

static const char *bad_data_ranges(void)
{
    BASE(WT_OP_READ);
    WITH(offset, 1ull << 63, -EINVAL);
    WITH(offset, UINT64_MAX, -EINVAL);
    WITH(offset, INT64_MAX, -EINVAL);
    WITH(length, WT_REQUEST_BYTES_MAX + 1, -EINVAL);
    request_.opcode = WT_OP_WRITE;
    request_.level = WT_LEVEL_THROUGH;
    WITH(offset, 1ull << 63, -EINVAL);
    WITH(offset, UINT64_MAX, -EINVAL);
    WITH(offset, WT_FILE_BYTES_MAX, -EFBIG);
    WITH(offset, WT_FILE_BYTES_MAX - 1, -EFBIG);
    WITH(length, WT_REQUEST_BYTES_MAX + 1, -EINVAL);
    request_.opcode = WT_OP_TRUNCATE;
    request_.arena_offset = request_.length = 0;
    WITH(offset, 1ull << 63, -EINVAL);
    WITH(offset, UINT64_MAX, -EINVAL);
    WITH(offset, WT_FILE_BYTES_MAX + 1, -EFBIG);
    request_.opcode = WT_OP_SEEK;
    request_.level = 0;
    request_.argument = SEEK_DATA;
    WITH(offset, UINT64_MAX, -ENXIO);
    WITH(offset, 1ull << 63, -ENXIO);
    return NULL;
}

static const char *bad_times(void)
{
    static const uint32_t wrong[] = {1000000000u, 0x3ffffffdu, 0x40000000u, ~0u};
    BASE(WT_OP_UTIMENS);
    struct wt_wire_times times = {0};
    request_.arena_offset2 = RAW_SECOND_AT;
    for (unsigned i = 0; i < 2 * sizeof(wrong) / sizeof(wrong[0]); i++) {
        memset(&times, 0, sizeof(times));
        *(i % 2 ? &times.atime.nanoseconds : &times.mtime.nanoseconds) = wrong[i / 2];
        memcpy(client.arena + RAW_SECOND_AT, &times, sizeof(times));
        request_.length2 = sizeof(times);
        if (!answers(base, shard, -EINVAL, "nanoseconds", wrong[i / 2]))
            return complaint;
    }
    memset(&times, 0, sizeof(times));
    times.atime.reserved = 1;
    memcpy(client.arena + RAW_SECOND_AT, &times, sizeof(times));
    WITH(length2, sizeof(times), -EINVAL);
    WITH(length2, sizeof(times) - 1, -EINVAL);
    WITH(length2, sizeof(times) + 1, -EINVAL);
    WITH(length2, 1, -EINVAL);
    return NULL;
}

static const char *bad_modes(void)
{
    BASE(WT_OP_CHMOD);
    for (unsigned bit = 16; bit < 64; bit++)
        WITH(argument, 1ull << bit, -EINVAL);
    raw_put_path(&client, &request_, "/made by a bad mode");
    request_.opcode = WT_OP_MKDIR;
    for (unsigned bit = 16; bit < 64; bit++)
        WITH(argument, 1ull << bit, -EINVAL);
    request_.opcode = WT_OP_OPEN;
    for (unsigned bit = 16; bit < 32; bit++)
        WITH(argument, 1ull << bit | (uint64_t)(O_CREAT | O_RDWR) << 32, -EINVAL);
    return NULL;
}

static const char *bad_paths(void)
{
    BASE(WT_OP_STAT);
    unsigned char *path = client.arena + RAW_PATH_AT;
    WITH(length, 0, -ENOENT);
    for (unsigned i = 0; i < 8192; i++)
        path[i] = i % 2 ? '/' : '.';
    WITH(length, 4096, -ENAMETOOLONG);
    WITH(length, 8192, -ENAMETOOLONG);
    memset(path, 'n', 4096);
    WITH(length, 256, -ENAMETOOLONG);
    for (unsigned at = 0; at < 6; at++) {
        raw_put_path(&client, &request_, "/file");
        path[at] = 0;
        WITH(length, 6, -EINVAL);
    }
    return NULL;
}

static const char *small_replies(void)
{
    static const uint8_t opcodes[] = {WT_OP_STAT, WT_OP_FSTAT, WT_OP_STATVFS, WT_OP_READDIR,
                                      WT_OP_STATS};
    for (unsigned i = 0; i < sizeof(opcodes); i++) {
        BASE(opcodes[i]);
        int64_t wanted = opcodes[i] == WT_OP_STATS ? -ERANGE : -EINVAL;
        WITH(length2, 0, wanted);
        WITH(length2, 8, wanted);
    }
    return NULL;
}

/* ---- handles ----------------------------------------------------------------------------------- */

static const uint8_t on_handles[] = {WT_OP_READ,     WT_OP_WRITE, WT_OP_SYNC,
                                     WT_OP_TRUNCATE, WT_OP_FSTAT, WT_OP_READDIR,
                                     WT_OP_ALLOCATE, WT_OP_SEEK,  WT_OP_CLOSE};

/* Every operation on this handle, which is none, says -EBADF. */
static const char *is_no_handle(const struct raw_handle *handle, unsigned at)
{
    for (unsigned i = 0; i < sizeof(on_handles); i++) {
        BASE(on_handles[i]);
        request_.handle_index = handle->index;
        request_.handle_generation = handle->generation;
        if (!answers(base, at, -EBADF, raw_rules[on_handles[i]].name, handle->index))
            return complaint;
    }
    /* And as the directory where a path begins, and as the object of a request. */
    struct wt_request request = raw_blank(WT_OP_MKDIR);
    raw_put_path(&client, &request, "under");
    request.handle_index = handle->index;
    request.handle_generation = handle->generation;
    if (!answers(&request, client.welcome.names_shard, -EBADF, "mkdir", handle->index))
        return complaint;
    request = raw_blank(WT_OP_CHMOD);
    request.flags = WT_REQUEST_OBJECT;
    request.handle_index = handle->index;
    request.handle_generation = handle->generation;
    return answers(&request, at, -EBADF, "chmod", handle->index) ? NULL : complaint;
}

static const char *closed_handle(void)
{
    struct raw_handle handle;
    MUST(raw_open(&client, "/file", O_RDWR, &handle) == 0);
    struct wt_request request = raw_blank(WT_OP_CLOSE);
    request.handle_index = handle.index;
    request.handle_generation = handle.generation;
    MUST(raw_call(&client, handle.shard, &request, NULL) == 0);
    return is_no_handle(&handle, handle.shard);
}

static const char *wrong_generation(void)
{
    struct raw_handle handle;
    MUST(raw_open(&client, "/file", O_RDWR, &handle) == 0);
    handle.generation += 1000;
    return is_no_handle(&handle, handle.shard);
}

static const char *handle_of_another_session(void)
{
    struct raw_handle handle, far = {0};
    /* As many as never stand in this session's own table. */
    for (unsigned i = 0; i < 300; i++) {
        MUST(raw_open(&other_client, "/file", O_RDWR, &handle) == 0);
        if (handle.index > far.index)
            far = handle;
    }
    return is_no_handle(&far, far.shard);
}

static const char *handle_of_another_shard(void)
{
    struct raw_handle handle = {0};
    unsigned shards = client.welcome.shard_count;
    MUST(shards > 1);
    for (unsigned i = 0; i < 300; i++)
        MUST(raw_open(&client, "/file", O_RDWR, &handle) == 0);
    handle.generation += 7;
    return is_no_handle(&handle, (handle.shard + 1) % shards);
}

static const char *index_out_of_the_table(void)
{
    static const uint32_t indices[] = {WT_HANDLES_MAX - 1, WT_HANDLES_MAX, WT_HANDLES_MAX + 1,
                                       0x7fffffff,         0x80000000,     0xfffffffe};
    for (unsigned i = 0; i < sizeof(indices) / sizeof(indices[0]); i++) {
        struct raw_handle handle = {indices[i], 1, 0};
        for (unsigned shard = 0; shard < client.welcome.shard_count; shard++) {
            const char *reason = is_no_handle(&handle, shard);
            if (reason)
                return reason;
        }
    }
    return NULL;
}

static const char *second_directory_handle(void)
{
    struct wt_request request = raw_blank(WT_OP_LINK);
    const struct wt_request *base = &request;
    unsigned shard = client.welcome.names_shard;
    raw_put_path(&client, &request, "/file");
    raw_put_second(&client, &request, "x");
    WITH(offset, 1, -EBADF);
    WITH(offset, NO_SUCH | 1ull << 32, -EBADF);
    WITH(offset, WT_NOT_A_DIRECTORY, -ENOTDIR);
    WITH(offset, WT_NO_HANDLE | 2ull << 32, -EBADF);
    WITH(offset, UINT64_MAX, -EBADF);
    return NULL;
}

static const char *wrong_shard(void)
{
    unsigned shards = client.welcome.shard_count, names = client.welcome.names_shard;
    MUST(shards > 1);
    for (unsigned i = 0; i < WT_OP_COUNT; i++) {
        uint8_t opcode = (uint8_t)i;
        if (raw_rules[opcode].uses & RAW_HANDLE || opcode == WT_OP_NOP)
            continue;
        BASE(opcode);
        if (!answers(base, (names + 1) % shards, -EINVAL, raw_rules[opcode].name, opcode))
            return complaint;
    }
    return NULL;
}

/* ---- the hello --------------------------------------------------------------------------------- */

static struct wt_hello right_hello(void)
{
    return (struct wt_hello){.magic = WT_HELLO_MAGIC,
                             .version_min = WT_PROTOCOL_VERSION,
                             .version_max = WT_PROTOCOL_VERSION};
}

#define HELLO(change, wanted)                               \
    do {                                                    \
        struct wt_hello hello = right_hello();              \
        change;                                             \
        MUST(raw_hello(&hello, sizeof(hello)) == (wanted)); \
    } while (0)

static const char *bad_hellos(void)
{
    HELLO((void)0, 0);
    HELLO(hello.features = UINT64_MAX, 0);
    HELLO(hello.magic++, -EPROTO);
    HELLO(hello.magic = 0, -EPROTO);
    HELLO(hello.version_min = hello.version_max = WT_PROTOCOL_VERSION + 1, -EPROTONOSUPPORT);
    HELLO(hello.version_min = hello.version_max = WT_PROTOCOL_VERSION - 1, -EPROTONOSUPPORT);
    HELLO(hello.version_max = 0, -EPROTONOSUPPORT);
    for (unsigned bit = 0; bit < 32; bit++)
        HELLO(hello.flags = 1u << bit, -EINVAL);
    for (unsigned i = 0; i < sizeof(((struct wt_hello *)0)->reserved); i++)
        HELLO(hello.reserved[i] = 1, -EINVAL);
    HELLO(hello.session_token[0] = 1, -EOPNOTSUPP);
    HELLO(hello.session_token[1] = 1, -EOPNOTSUPP);
    HELLO(hello.export_name[0] = 'x', -ENOENT);
    HELLO(hello.export_name[63] = 'x', -ENOENT);
    HELLO(hello.ring_entries = 7, -EINVAL);
    HELLO(hello.ring_entries = ~0u, -EINVAL);
    HELLO(hello.arena_bytes = 1, -EINVAL);
    HELLO(hello.arena_bytes = UINT64_MAX, -EINVAL);
    return NULL;
}

static const char *hello_of_a_wrong_size(void)
{
    struct wt_hello hello[2] = {right_hello(), right_hello()};
    MUST(raw_hello(hello, sizeof(hello[0]) - 1) == -EPROTO);
    MUST(raw_hello(hello, sizeof(hello[0]) + 1) == -EPROTO);
    MUST(raw_hello(hello, 1) == -EPROTO);
    MUST(raw_hello(hello, sizeof(hello)) == -EPROTO);
    return NULL;
}

/* ---- all of them --------------------------------------------------------------------------------- */

static const struct libwt_case cases[] = {
    {"wire/unknown-opcodes", unknown_opcodes},
    {"wire/unknown-open-flags", unknown_open_flags},
    {"wire/unknown-rename-flags", unknown_rename_flags},
    {"wire/unknown-seek-whence", unknown_seek_whence},
    {"wire/unknown-allocate-modes", unknown_allocate_modes},
    {"wire/bad-allocate-ranges", bad_allocate_ranges},
    {"wire/bad-data-ranges", bad_data_ranges},
    {"wire/bad-times", bad_times},
    {"wire/bad-modes", bad_modes},
    {"wire/bad-paths", bad_paths},
    {"wire/replies-without-room", small_replies},
    {"wire/path-request-on-another-shard", wrong_shard},
    {"stale-handle/closed", closed_handle},
    {"stale-handle/wrong-generation", wrong_generation},
    {"stale-handle/of-another-session", handle_of_another_session},
    {"stale-handle/of-another-shard", handle_of_another_shard},
    {"stale-handle/index-out-of-the-table", index_out_of_the_table},
    {"stale-handle/of-the-second-directory", second_directory_handle},
    {"hello/bad-fields", bad_hellos},
    {"hello/wrong-size", hello_of_a_wrong_size},
};

static int make_files(void)
{
    static const char *files[] = {"/file", "/victim", "/old"};
    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        int handle = wt_open(bystander, files[i], O_CREAT | O_RDWR, 0644);
        if (handle < 0 || wt_pwrite(bystander, handle, "data", 4, 0) != 4 ||
            wt_close(bystander, handle) < 0)
            return -EIO;
    }
    int result = wt_mkdir(bystander, "/empty", 0755);
    if (result == 0)
        result = wt_symlink(bystander, "file", "/symlink");
    bystander_file = wt_open(bystander, "/bystander", O_CREAT | O_RDWR, 0644);
    return result ? result : bystander_file < 0 ? bystander_file : 0;
}

int main(void)
{
    bystander = session_new();
    if (!bystander || make_files() < 0 || raw_connect(&client) < 0 ||
        raw_connect(&other_client) < 0) {
        printf("not ok wire/start - no session or no files\n");
        return 1;
    }
    for (unsigned opcode = 0; opcode < WT_OP_COUNT; opcode++) {
        char name[64];
        snprintf(name, sizeof(name), "wire/%s", raw_rules[opcode].name);
        tell(name, try_opcode((uint8_t)opcode));
    }
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        tell(cases[i].name, cases[i].run());
    wt_disconnect(bystander);
    return failures != 0;
}
