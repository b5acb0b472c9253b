/*
 * session.c - wt_connect and wt_disconnect: options, the session's memory, its end.
 *
 * Everything a session ever needs is allocated here (the handle table alone grows, at open).
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/lib/internal.h"

#ifndef WT_VERSION
#define WT_VERSION "unknown"
#endif

#define SPIN_NS_MAX 50000ull

WT_EXPORT const char *wt_version(void)
{
    return WT_VERSION;
}

/* ---- options --------------------------------------------------------------------------------- */

/* The first version of the structure ended after arena_bytes: nothing shorter is valid. */
static int options_read(const struct wt_options *given, struct wt_options *options)
{
    *options = (struct wt_options)WT_OPTIONS_INIT;
    if (!given)
        return 0;
    if (given->size < offsetof(struct wt_options, arena_bytes) + sizeof(given->arena_bytes))
        return -EINVAL;
    const unsigned char *bytes = (const unsigned char *)given;
    for (uint32_t i = sizeof(*options); i < given->size; i++)
        if (bytes[i])
            return -E2BIG;
    memcpy(options, given, given->size < sizeof(*options) ? given->size : sizeof(*options));
    return 0;
}

static const char *options_fault(const struct wt_options *options)
{
    uint32_t entries = options->ring_entries;
    if (options->flags)
        return "unknown flags in the options";
    if (options->level & ~WTC_LEVEL_FLAGS || wtc_level_of(options->level) == WTC_LEVEL_CONFLICT)
        return "the options' level is not one of WT_BEHIND, WT_THROUGH, WT_STABLE";
    if (options->name_level & ~WTC_LEVEL_FLAGS ||
        wtc_level_of(options->name_level) == WTC_LEVEL_CONFLICT)
        return "the options' name_level is not one of WT_BEHIND, WT_THROUGH, WT_STABLE";
    if (entries < WT_RING_ENTRIES_MIN || entries > WT_RING_ENTRIES_MAX || entries & (entries - 1))
        return "the options' ring_entries is not a power of two from 8 to 4096";
    if (options->arena_bytes < WT_ARENA_BYTES_MIN || options->arena_bytes > WT_ARENA_BYTES_MAX)
        return "the options' arena_bytes is not from 64 KiB to 1 GiB";
    return NULL;
}

/* The process's umask; umask(2) cannot tell it without changing it for all threads a moment, so
 * the kernel's own report goes first. */
static uint32_t process_umask(void)
{
    char line[256];
    unsigned mask;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "Umask: %o", &mask) == 1) {
            fclose(file);
            return mask & 0777;
        }
    }
    if (file)
        fclose(file);
    mode_t old = umask(077);
    umask(old);
    return old & 0777;
}

static int options_settle(const struct wt_options *given, struct wt_options *options)
{
    int rc = options_read(given, options);
    if (rc < 0) {
        wtc_connect_error_set("%s", rc == -E2BIG
                                        ? "the options have fields this library does not know"
                                        : "the options' size is not set");
        return rc;
    }
    if (options->ring_entries == 0)
        options->ring_entries = WT_RING_ENTRIES_DEFAULT;
    if (options->arena_bytes == 0)
        options->arena_bytes = WT_ARENA_BYTES_DEFAULT;
    const char *fault = options_fault(options);
    if (fault) {
        wtc_connect_error_set("%s", fault);
        return -EINVAL;
    }
    options->arena_bytes =
        (options->arena_bytes + WT_PAGE_BYTES - 1) & ~(uint64_t)(WT_PAGE_BYTES - 1);
    options->umask = options->umask == ~0u ? process_umask() : options->umask & 0777;
    return 0;
}

/* ---- the session's memory -------------------------------------------------------------------- */

static int guard_make(struct wt *s)
{
    void *page =
        mmap(NULL, WT_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return -errno;
    s->guard = page;
    /* Without it only a child made behind libc's back would be missed. */
    madvise(page, WT_PAGE_BYTES, MADV_WIPEONFORK);
    atomic_store_explicit(s->guard, WTC_LIVE, memory_order_relaxed);
    return 0;
}

static void slots_init(struct wt *s)
{
    for (uint32_t i = 0; i < s->slot_count; i++)
        s->slots[i].next = i + 1 < s->slot_count ? (uint16_t)(i + 1) : WTC_SLOT_NONE;
    s->slots_free = s->slot_count;
    s->free_head = 0;
    s->kept_head = s->kept_tail = WTC_SLOT_NONE;
}

static int region_map(struct wt *s, const struct wt_welcome *w, int region)
{
    void *base =
        mmap(NULL, w->region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, region, 0);
    if (base == MAP_FAILED)
        return -errno;
    madvise(base, w->region_bytes, MADV_DONTFORK);
    s->header = base;
    s->region_bytes = w->region_bytes;
    for (uint32_t i = 0; i < s->shard_count; i++) {
        unsigned char *block = (unsigned char *)base + w->ring_offset + i * w->ring_stride;
        wt_ring_init(&s->shards[i].submission, (struct wt_ring_control *)block,
                     block + w->submission_entries, w->ring_entries, sizeof(struct wt_request));
        wt_ring_init(
            &s->shards[i].completion, (struct wt_ring_control *)(block + w->completion_control),
            block + w->completion_entries, w->ring_entries, sizeof(struct wt_wire_completion));
    }
    return wtc_arena_init(&s->arena, (unsigned char *)base + w->arena_offset, w->arena_bytes);
}

/* On one processor, spinning only keeps the server from running. */
static uint64_t spin_ns_max(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) == 1)
        return 0;
    return SPIN_NS_MAX;
}

/* Builds the session from the welcome. It owns socket and fds from here on, also on failure. */
static int session_fill(struct wt *s, const struct wt_options *options, const struct wt_welcome *w,
                        int socket, const int *fds)
{
    uint8_t level = wtc_level_of(options->level), name_level = wtc_level_of(options->name_level);
    s->level = level ? level : WT_LEVEL_THROUGH;
    s->name_level = name_level ? name_level : WT_LEVEL_THROUGH;
    s->umask = options->umask;
    s->spin_ns = s->spin_ns_max = spin_ns_max();
    s->ring_entries = w->ring_entries;
    s->shard_count = w->shard_count;
    s->names_shard = w->names_shard;
    uint64_t id = w->volume_uuid[0] ^ w->volume_uuid[1];
    s->device_id = (uint32_t)(id ^ id >> 32) | 1;
    s->handle_free = -1;
    uint64_t slots = (uint64_t)s->shard_count * s->ring_entries + WTC_SYNC_WINDOW;
    s->slot_count = slots < WT_IN_FLIGHT_MAX ? (uint32_t)slots : WT_IN_FLIGHT_MAX;
    s->shards = aligned_alloc(64, s->shard_count * sizeof(*s->shards));
    s->slots = aligned_alloc(64, s->slot_count * sizeof(*s->slots));
    if (!s->shards || !s->slots) {
        close(socket);
        for (uint32_t i = 0; i < 1 + w->shard_count; i++)
            close(fds[i]);
        s->shard_count = 0;
        return -ENOMEM;
    }
    memset(s->shards, 0, s->shard_count * sizeof(*s->shards));
    memset(s->slots, 0, s->slot_count * sizeof(*s->slots));
    slots_init(s);
    s->socket = socket;
    for (uint32_t i = 0; i < s->shard_count; i++)
        s->shards[i].doorbell = fds[1 + i];
    int rc = region_map(s, w, fds[0]);
    close(fds[0]);
    if (rc == 0)
        rc = guard_make(s);
    return rc;
}

static void session_free(struct wt *s)
{
    bool is_forked = s->guard && wtc_guard(s) == WTC_FORKED;
    wtc_close_descriptors(s);
    /* In a forked child the region was never mapped, and something else may be there by now. */
    if (s->header && !is_forked)
        munmap(s->header, s->region_bytes);
    if (s->guard)
        munmap((void *)s->guard, WT_PAGE_BYTES);
    wtc_arena_destroy(&s->arena);
    free(s->handles);
    free(s->slots);
    free(s->shards);
    free(s);
}

WT_EXPORT int wt_connect(const char *socket_path, const struct wt_options *given,
                         struct wt **session)
{
    struct wt_options options;
    struct wt_welcome welcome;
    int fds[1 + WT_SHARDS_MAX];
    *session = NULL;
    wtc_connect_error_set("%s", "");
    int rc = options_settle(given, &options);
    if (rc < 0)
        return rc;
    const char *from_environment = getenv("WT_SOCKET");
    if (!socket_path)
        socket_path =
            from_environment && from_environment[0] ? from_environment : WT_SOCKET_DEFAULT;
    struct wt *s = calloc(1, sizeof(*s));
    if (!s) {
        wtc_connect_error_set("no memory for the session");
        return -ENOMEM;
    }
    s->socket = -1;
    int socket = wtc_handshake(socket_path, &options, &welcome, fds);
    rc = socket < 0 ? socket : session_fill(s, &options, &welcome, socket, fds);
    if (rc == 0)
        rc = wtc_sessions_add(s);
    if (rc < 0) {
        if (socket >= 0)
            wtc_connect_error_set("no memory for the session: %s", strerrordesc_np(-rc));
        session_free(s);
        return rc;
    }
    *session = s;
    return 0;
}

WT_EXPORT void wt_disconnect(struct wt *s)
{
    if (!s)
        return;
    wtc_sessions_remove(s);
    session_free(s);
}
