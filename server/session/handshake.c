/* handshake.c - see handshake.h. */
#include "server/session/handshake.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/memory.h"

_Static_assert(sizeof(((struct superblock *)0)->uuid) ==
                   sizeof(((struct wt_welcome *)0)->volume_uuid),
               "the volume's uuid is told as it is");

void handshake_refuse(struct wt_welcome *welcome, int error, const char *format, ...)
{
    va_list arguments;
    *welcome = (struct wt_welcome){
        .magic = WT_WELCOME_MAGIC, .error = error, .version = WT_PROTOCOL_VERSION};
    va_start(arguments, format);
    vsnprintf((char *)welcome->reason, sizeof(welcome->reason), format, arguments);
    va_end(arguments);
}

static bool is_zero(const void *bytes, size_t size_bytes)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < size_bytes; i++) {
        if (byte[i])
            return false;
    }
    return true;
}

static int check_version(const struct wt_hello *hello, struct wt_welcome *welcome)
{
    if (hello->version_min <= WT_PROTOCOL_VERSION && hello->version_max >= WT_PROTOCOL_VERSION)
        return 0;
    handshake_refuse(welcome, -EPROTONOSUPPORT,
                     "this server speaks version %u of the protocol, the client %u to %u",
                     WT_PROTOCOL_VERSION, hello->version_min, hello->version_max);
    return -EPROTONOSUPPORT;
}

static int check_fields(const struct wt_hello *hello, struct wt_welcome *welcome)
{
    if (hello->flags || !is_zero(hello->reserved, sizeof(hello->reserved))) {
        handshake_refuse(welcome, -EINVAL, "the hello has unknown flags");
        return -EINVAL;
    }
    if (!is_zero(hello->session_token, sizeof(hello->session_token))) {
        handshake_refuse(welcome, -EOPNOTSUPP, "this server does not resume sessions");
        return -EOPNOTSUPP;
    }
    if (!is_zero(hello->export_name, sizeof(hello->export_name))) {
        handshake_refuse(welcome, -ENOENT,
                         "no such export: this server serves the whole volume only");
        return -ENOENT;
    }
    return 0;
}

static int check_sizes(const struct handshake_wish *wish, struct wt_welcome *welcome)
{
    uint32_t entries = wish->ring_entries;
    if (entries < WT_RING_ENTRIES_MIN || entries > WT_RING_ENTRIES_MAX || entries & (entries - 1)) {
        handshake_refuse(welcome, -EINVAL, "%u ring entries: must be a power of two from %u to %u",
                         entries, WT_RING_ENTRIES_MIN, WT_RING_ENTRIES_MAX);
        return -EINVAL;
    }
    if (wish->arena_bytes < WT_ARENA_BYTES_MIN || wish->arena_bytes > WT_ARENA_BYTES_MAX) {
        handshake_refuse(welcome, -EINVAL, "an arena of %llu bytes: must be %llu KiB to %llu MiB",
                         (unsigned long long)wish->arena_bytes, WT_ARENA_BYTES_MIN >> 10,
                         WT_ARENA_BYTES_MAX >> 20);
        return -EINVAL;
    }
    return 0;
}

int handshake_check(const void *datagram, size_t size_bytes, struct handshake_wish *wish,
                    struct wt_welcome *welcome)
{
    struct wt_hello hello;
    if (size_bytes == sizeof(hello))
        memcpy(&hello, datagram, sizeof(hello));
    if (size_bytes != sizeof(hello) || hello.magic != WT_HELLO_MAGIC) {
        handshake_refuse(welcome, -EPROTO, "not a hello of the wt protocol");
        return -EPROTO;
    }
    int error = check_version(&hello, welcome);
    if (!error)
        error = check_fields(&hello, welcome);
    if (error)
        return error;
    uint64_t arena_bytes = hello.arena_bytes ? hello.arena_bytes : WT_ARENA_BYTES_DEFAULT;
    if (arena_bytes < WT_ARENA_BYTES_MAX)
        arena_bytes = (arena_bytes + WT_PAGE_BYTES - 1) & ~(uint64_t)(WT_PAGE_BYTES - 1);
    *wish = (struct handshake_wish){
        .ring_entries = hello.ring_entries ? hello.ring_entries : WT_RING_ENTRIES_DEFAULT,
        .arena_bytes = arena_bytes,
        .features = hello.features & WT_FEATURES_KNOWN,
    };
    return check_sizes(wish, welcome);
}

static int make_doorbells(unsigned shard_count, struct handshake_resources *resources)
{
    for (unsigned i = 0; i < shard_count; i++) {
        int doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (doorbell < 0)
            return -errno;
        resources->doorbells[resources->doorbell_count++] = doorbell;
    }
    return 0;
}

int handshake_build(const struct session_layout *layout, unsigned shard_count,
                    struct handshake_resources *resources, struct wt_welcome *welcome)
{
    void *region;
    *resources = (struct handshake_resources){.region_descriptor = -1};
    int error = memory_map_shared("wt-session", layout->region_bytes, false,
                                  &resources->region_descriptor, &region);
    if (!error) {
        resources->region = region;
        error = make_doorbells(shard_count, resources);
    }
    if (!error)
        return 0;
    if (error == -EMFILE || error == -ENFILE)
        handshake_refuse(welcome, error, "the server has no file descriptors left for a session");
    else
        handshake_refuse(welcome, error, "the server has no memory for a session of %llu MiB",
                         (unsigned long long)layout->region_bytes >> 20);
    handshake_undo(layout, resources);
    return error;
}

void handshake_undo(const struct session_layout *layout, struct handshake_resources *resources)
{
    for (unsigned i = 0; i < resources->doorbell_count; i++)
        close(resources->doorbells[i]);
    if (!resources->region)
        return;
    memory_unmap(resources->region, layout->region_bytes);
    close(resources->region_descriptor);
}

void handshake_accept(struct wt_welcome *welcome, const struct session_shard *shard,
                      const struct session_layout *layout, const struct handshake_wish *wish,
                      const struct credentials *who)
{
    *welcome = (struct wt_welcome){
        .magic = WT_WELCOME_MAGIC,
        .version = WT_PROTOCOL_VERSION,
        .features = wish->features,
        .boot_epoch = volume_epoch(shard->volume),
        .region_bytes = layout->region_bytes,
        .ring_offset = layout->ring_offset,
        .ring_stride = layout->ring_stride,
        .arena_offset = layout->arena_offset,
        .arena_bytes = layout->arena_bytes,
        .completion_control = layout->completion_control,
        .submission_entries = layout->submission_entries,
        .completion_entries = layout->completion_entries,
        .ring_entries = layout->ring_entries,
        .shard_count = shard->shard_count,
        .names_shard = JOURNAL_SHARD,
        .uid = who->uid,
        .gid = who->gid,
    };
    memcpy(welcome->volume_uuid, volume_superblock(shard->volume)->uuid,
           sizeof(welcome->volume_uuid));
    clock_random_bytes(welcome->session_token, sizeof(welcome->session_token));
}
