/*
 * shard.c - a shard is built, stepped, put to sleep and taken down. See shard.h for the order of a step.
 *
 * When to sleep. While a client's ring is in the poll set the shard spins: the ring leaves the set by itself
 * when it stays empty (session/queue.c). With none polled, the shard waits in the reactor: at once if no
 * device I/O is on its way, after DEVICE_SPIN_NS if some is (a fast device answers sooner than a thread
 * wakes up). Polled I/O on its way keeps it awake: nothing would wake it. So an idle shard uses no CPU, and nothing here runs on a timer.
 */
#include "server/shard/shard.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/base/clock.h"

#define REQUESTS_PER_SHARD 4096u
#define REACTOR_ENTRIES    1024u
#define MESSAGE_BUDGET     256u
#define DEVICE_SPIN_NS     20000u
#define STEPS_WITHOUT_REST \
    64u /* idle steps before the first pause: about the round trip of a cached read */

struct shard {
    struct session_shard sessions;
    struct session_shard *peers[WT_SHARDS_MAX];
    struct reactor *reactor; /* NULL: simulated */
    struct volume_shard *volume_shard;
    struct file_engine *engine;
    struct post_office *office;
    unsigned number;
    bool stopping, unregistered;
    void (*idle)(void *context); /* of shard_when_idle; NULL: nobody asked */
    void *idle_context;
    int wake_descriptor; /* eventfd: other shards write it, the reactor watches it; ours alone */
    struct reactor_event wake_event;
};

/* ---- building ---- */

/* Any shard's thread. */
static void wake(void *context)
{
    static const uint64_t one = 1;
    const struct shard *shard = context;
    ssize_t ignored = write(shard->wake_descriptor, &one, sizeof(one));
    /* It can only say that the counter is full, so that the shard is being woken already. */
    (void)ignored;
}

/* The step that follows looks at the messages. */
static void woken(struct reactor_event *event, int32_t result, uint32_t completion_flags)
{
    (void)event;
    (void)result;
    (void)completion_flags;
}

static int make_reactor(struct shard *shard, const struct device_capabilities *capabilities,
                        char *reason, size_t reason_bytes)
{
    struct reactor_options options = {.entries = REACTOR_ENTRIES,
                                      .big_entries = strcmp(capabilities->kind, "nvme") == 0,
                                      .polled_ring = capabilities->polled};
    int error = reactor_create(&options, &shard->reactor, reason, reason_bytes);
    if (error)
        return error;
    shard->wake_event.fire = woken;
    shard->wake_descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    error = shard->wake_descriptor < 0
                ? -errno
                : reactor_watch(shard->reactor, shard->wake_descriptor, POLLIN, &shard->wake_event);
    if (error) {
        snprintf(reason, reason_bytes, "cannot make shard %u's eventfd: %s", shard->number,
                 strerrordesc_np(-error));
        return error;
    }
    post_office_set_waker(shard->office, shard->number, wake, shard);
    return 0;
}

static int make_engine(struct shard *shard, const struct shard_options *options, char *reason,
                       size_t reason_bytes)
{
    struct file_engine_options engine_options = {
        .volume_shard = shard->volume_shard,
        .cache_bytes = options->cache_bytes,
        .reactor = shard->reactor,
        .require_fixed_buffers = options->require_fixed_buffers,
    };
    int error = file_engine_create(&engine_options, &shard->engine, &shard->unregistered);
    if (error)
        snprintf(reason, reason_bytes, "cannot make a cache of %llu MiB for shard %u: %s%s",
                 (unsigned long long)options->cache_bytes >> 20, shard->number,
                 strerrordesc_np(-error),
                 options->require_fixed_buffers
                     ? "; raise the memlock limit, or leave out --require-fixed-buffers"
                     : "; choose a smaller --cache");
    return error;
}

static int build(struct shard *shard, const struct shard_options *options, char *reason,
                 size_t reason_bytes)
{
    const struct device_capabilities *capabilities = volume_capabilities(options->volume);
    int error = 0;
    if (!options->simulated)
        error = make_reactor(shard, capabilities, reason, reason_bytes);
    if (error)
        return error;
    struct volume_shard *volume_shard = volume_get_shard(options->volume, shard->number);
    error = volume_shard_start(volume_shard, shard->reactor);
    if (error) {
        snprintf(reason, reason_bytes, "cannot make shard %u's queue to the device: %s",
                 shard->number, strerrordesc_np(-error));
        return error;
    }
    shard->volume_shard = volume_shard;
    error = make_engine(shard, options, reason, reason_bytes);
    if (error)
        return error;
    shard->sessions = (struct session_shard){
        .shard = shard->number,
        .shard_count = volume_shard_count(options->volume),
        .office = shard->office,
        .volume_shard = volume_shard,
        .volume = options->volume,
        .engine = shard->engine,
        .reactor = shard->reactor,
        .peers = shard->peers,
    };
    error = session_shard_init(&shard->sessions, REQUESTS_PER_SHARD);
    if (error)
        snprintf(reason, reason_bytes, "no memory for shard %u's requests", shard->number);
    return error;
}

int shard_create(const struct shard_options *options, struct shard **shard, char *reason,
                 size_t reason_bytes)
{
    struct shard *made = calloc(1, sizeof(*made));
    if (!made) {
        snprintf(reason, reason_bytes, "no memory for shard %u", options->shard);
        return -ENOMEM;
    }
    made->number = options->shard;
    made->office = volume_office(options->volume);
    made->wake_descriptor = -1;
    int error = build(made, options, reason, reason_bytes);
    if (error) {
        shard_destroy(made);
        return error;
    }
    *shard = made;
    return 0;
}

void shard_destroy(struct shard *shard)
{
    session_shard_end(&shard->sessions);
    if (shard->engine)
        file_engine_destroy(shard->engine);
    if (shard->volume_shard)
        volume_shard_end(shard->volume_shard);
    if (shard->reactor)
        reactor_destroy(shard->reactor);
    if (shard->wake_descriptor >= 0)
        close(shard->wake_descriptor);
    free(shard);
}

void shard_connect(struct shard *shard, struct shard **shards, unsigned count)
{
    assert(count == shard->sessions.shard_count && count <= WT_SHARDS_MAX);
    for (unsigned i = 0; i < count; i++)
        shard->peers[i] = &shards[i]->sessions;
}

/* ---- the loop ---- */

bool shard_idle(const struct shard *shard)
{
    return session_shard_idle(&shard->sessions) && file_engine_idle(shard->engine);
}

void shard_when_idle(struct shard *shard, void (*idle)(void *context), void *context)
{
    assert(!shard->idle);
    shard->idle = idle;
    shard->idle_context = context;
}

static void tell_idle(struct shard *shard)
{
    void (*idle)(void *context) = shard->idle;
    if (!shard_idle(shard))
        return;
    shard->idle = NULL;
    idle(shard->idle_context);
}

unsigned shard_step(struct shard *shard)
{
    unsigned work = 0;
    if (shard->reactor)
        work += reactor_poll(shard->reactor);
    work += message_deliver(shard->office, shard->number, MESSAGE_BUDGET);
    /* Whoever waits for what is done hears of it before more is begun: what he asks next may join the
     * writes that are sent below. */
    session_publish(&shard->sessions);
    work += session_poll(&shard->sessions);
    work += file_send(shard->engine);
    session_publish(&shard->sessions);
    if (__builtin_expect(shard->idle != NULL, 0))
        tell_idle(shard);
    message_flush(shard->office, shard->number);
    return work;
}

static void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* Raises every flag, looks once more, and waits. */
static void sleep_until_woken(struct shard *shard)
{
    if (!session_prepare_sleep(&shard->sessions))
        return;
    if (!message_prepare_sleep(shard->office, shard->number))
        return;
    reactor_wait(shard->reactor, UINT64_MAX);
    message_awake(shard->office, shard->number);
}

static void note_step(struct step_times *steps)
{
    uint64_t now_ticks = clock_ticks(), took_ticks = now_ticks - steps->began_ticks;
    if (__builtin_expect(took_ticks > steps->longest_ticks, 0))
        steps->longest_ticks = took_ticks;
    steps->began_ticks = now_ticks;
}

void shard_run(struct shard *shard)
{
    struct step_times *steps = &shard->sessions.steps;
    unsigned idle_steps = 0;
    uint64_t idle_since_ns = 0;
    steps->start_ns = clock_monotonic_ns();
    steps->start_ticks = steps->began_ticks = clock_ticks();
    while (!shard->stopping) {
        unsigned work = shard_step(shard);
        note_step(steps);
        if (work) {
            idle_steps = 0;
            continue;
        }
        if (idle_steps++ == 0)
            idle_since_ns = 0;
        if (idle_steps > STEPS_WITHOUT_REST)
            pause_cpu();
        if (!list_empty(&shard->sessions.poll_set))
            continue;
        if (reactor_must_poll(shard->reactor))
            continue;
        if (shard->volume_shard->queue->in_flight) {
            uint64_t now_ns = session_now_ns(&shard->sessions);
            if (!idle_since_ns)
                idle_since_ns = now_ns;
            if (now_ns - idle_since_ns < DEVICE_SPIN_NS)
                continue;
        }
        sleep_until_woken(shard);
        steps->began_ticks = clock_ticks();
        idle_steps = 0;
    }
}

void shard_stop(struct shard *shard)
{
    shard->stopping = true;
}

struct session_shard *shard_sessions(struct shard *shard)
{
    return &shard->sessions;
}

struct file_engine *shard_engine(struct shard *shard)
{
    return shard->engine;
}

struct volume_shard *shard_volume(struct shard *shard)
{
    return shard->volume_shard;
}

struct reactor *shard_reactor(struct shard *shard)
{
    return shard->reactor;
}

bool shard_unregistered(const struct shard *shard)
{
    return shard->unregistered;
}
