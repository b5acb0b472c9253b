/*
 * crew.c - see crew.h.
 *
 * Shared between threads: the gate (a mutex, start and end only), the barrier, and what is written before a
 * barrier and read after it. While shards run they talk by messages alone.
 */
#include "server/shard/crew.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/base/memory.h"
#include "server/shard/shard.h"

#define REASON_BYTES 512

struct member {
    struct crew *crew;
    unsigned number;
    pthread_t thread;
    struct shard *shard;
    int error;
    char reason[REASON_BYTES];
    struct message message; /* idle?, idle, stop */
};

enum gate { GATE_SHUT, GATE_OPEN, GATE_ABANDONED };

struct crew {
    struct crew_options options;
    unsigned count;
    struct member members[WT_SHARDS_MAX];
    struct shard *shards[WT_SHARDS_MAX];
    pthread_mutex_t gate_mutex;
    pthread_cond_t gate_moved;
    enum gate gate;            /* under gate_mutex: opened when all threads exist */
    pthread_barrier_t barrier; /* the threads of all members, and the starter up to the loops */

    /* The names shard's. */
    struct session_listener *listener;
    struct reactor_event stop_event;
    bool stopping;
    unsigned busy; /* shards asked whether they are idle that have not answered */
    int result;

    int stop_descriptor; /* eventfd: crew_stop writes it, the names shard watches it */
};

/* ---- stopping: all of it on the names shard's thread but where a message goes to a member ---- */

static void send(struct crew *crew, unsigned from, unsigned to, struct message *message,
                 void (*deliver)(struct message *message))
{
    message->deliver = deliver;
    message_send(volume_office(crew->options.volume), from, to, message);
}

/* On each member. */
static void stop_arrived(struct message *message)
{
    shard_stop(list_entry(message, struct member, message)->shard);
}

static void volume_stopped(void *context, int result)
{
    struct crew *crew = context;
    crew->result = result;
    for (unsigned i = 0; i < crew->count; i++)
        send(crew, JOURNAL_SHARD, i, &crew->members[i].message, stop_arrived);
}

static void idle_answered(struct message *message)
{
    struct crew *crew = list_entry(message, struct member, message)->crew;
    if (--crew->busy == 0)
        volume_stop(shard_volume(crew->shards[JOURNAL_SHARD]), volume_stopped, crew);
}

/* On each member, when it is idle. */
static void member_idle(void *context)
{
    struct member *member = context;
    send(member->crew, member->number, JOURNAL_SHARD, &member->message, idle_answered);
}

static void idle_asked(struct message *message)
{
    struct member *member = list_entry(message, struct member, message);
    shard_when_idle(member->shard, member_idle, member);
}

/* No name is being changed and no file dropped any more, so nothing new is begun on the other shards. */
static void names_idle(void *context)
{
    struct crew *crew = context;
    crew->busy = crew->count;
    for (unsigned i = 0; i < crew->count; i++)
        send(crew, JOURNAL_SHARD, i, &crew->members[i].message, idle_asked);
}

static void sessions_ended(void *context)
{
    struct crew *crew = context;
    shard_when_idle(crew->shards[JOURNAL_SHARD], names_idle, crew);
}

static void stop_fire(struct reactor_event *event, int32_t result, uint32_t completion_flags)
{
    struct crew *crew = list_entry(event, struct crew, stop_event);
    (void)completion_flags;
    if (crew->stopping || result < 0)
        return;
    crew->stopping = true;
    session_listener_stop(crew->listener, sessions_ended, crew);
}

/* ---- the threads ---- */

static bool pass_gate(struct crew *crew)
{
    pthread_mutex_lock(&crew->gate_mutex);
    while (crew->gate == GATE_SHUT)
        pthread_cond_wait(&crew->gate_moved, &crew->gate_mutex);
    bool is_open = crew->gate == GATE_OPEN;
    pthread_mutex_unlock(&crew->gate_mutex);
    return is_open;
}

static void move_gate(struct crew *crew, enum gate gate)
{
    pthread_mutex_lock(&crew->gate_mutex);
    crew->gate = gate;
    pthread_cond_broadcast(&crew->gate_moved);
    pthread_mutex_unlock(&crew->gate_mutex);
}

static void build_member(struct member *member)
{
    const struct crew *crew = member->crew;
    struct shard_options options = {
        .shard = member->number,
        .volume = crew->options.volume,
        .cache_bytes = crew->options.cache_bytes / crew->count,
        .require_fixed_buffers = crew->options.require_fixed_buffers,
    };
    member->error = memory_enter_shard(member->number);
    if (member->error)
        snprintf(member->reason, sizeof(member->reason), "cannot place shard %u on a core: %s",
                 member->number, strerrordesc_np(-member->error));
    else
        member->error =
            shard_create(&options, &member->shard, member->reason, sizeof(member->reason));
}

/* The names shard opens to the world: its own stop event and the socket. */
static void open_socket(struct crew *crew, struct member *member)
{
    struct shard *shard = member->shard;
    crew->stop_event.fire = stop_fire;
    member->error =
        reactor_watch(shard_reactor(shard), crew->stop_descriptor, POLLIN, &crew->stop_event);
    if (member->error) {
        snprintf(member->reason, sizeof(member->reason), "no memory to watch for signals");
        return;
    }
    struct session_listener_options options = {
        .path = crew->options.socket_path,
        .mode = crew->options.socket_mode,
        .user_sessions_max = crew->options.user_sessions_max,
    };
    member->error = session_listener_create(shard_sessions(shard), &options, &crew->listener,
                                            member->reason, sizeof(member->reason));
}

/* After a barrier: everybody sees the same. */
static const struct member *failed_member(const struct crew *crew)
{
    for (unsigned i = 0; i < crew->count; i++) {
        if (crew->members[i].error)
            return &crew->members[i];
    }
    return NULL;
}

static void serve(struct crew *crew, struct member *member)
{
    crew->shards[member->number] = member->shard;
    pthread_barrier_wait(&crew->barrier); /* all are built, or not */
    if (failed_member(crew))
        return;
    shard_connect(member->shard, crew->shards, crew->count);
    pthread_barrier_wait(&crew->barrier); /* all are connected */
    if (member->number == JOURNAL_SHARD)
        open_socket(crew, member);
    pthread_barrier_wait(&crew->barrier); /* the socket is there, or not */
    if (!failed_member(crew))
        shard_run(member->shard);
}

static void *member_main(void *argument)
{
    struct member *member = argument;
    struct crew *crew = member->crew;
    if (!pass_gate(crew))
        return NULL;
    build_member(member);
    serve(crew, member);
    /* Nobody wakes a shard that is being taken down. */
    pthread_barrier_wait(&crew->barrier);
    if (member->shard)
        shard_destroy(member->shard);
    if (member->number == JOURNAL_SHARD && crew->listener)
        session_listener_destroy(crew->listener);
    return NULL;
}

/* ---- start and end, on the starter's thread ---- */

static void crew_free(struct crew *crew)
{
    if (crew->stop_descriptor >= 0)
        close(crew->stop_descriptor);
    pthread_barrier_destroy(&crew->barrier);
    pthread_cond_destroy(&crew->gate_moved);
    pthread_mutex_destroy(&crew->gate_mutex);
    free(crew);
}

static void join_threads(struct crew *crew, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        pthread_join(crew->members[i].thread, NULL);
}

static int start_threads(struct crew *crew, char *reason, size_t reason_bytes)
{
    for (unsigned i = 0; i < crew->count; i++) {
        struct member *member = &crew->members[i];
        member->crew = crew;
        member->number = i;
        int error = -pthread_create(&member->thread, NULL, member_main, member);
        if (error) {
            snprintf(reason, reason_bytes, "cannot start the thread of shard %u: %s", i,
                     strerrordesc_np(-error));
            move_gate(crew, GATE_ABANDONED);
            join_threads(crew, i);
            return error;
        }
    }
    move_gate(crew, GATE_OPEN);
    return 0;
}

/* The starter goes through the same barriers as the members, up to their loops. */
static int watch_start(struct crew *crew, char *reason, size_t reason_bytes)
{
    pthread_barrier_wait(&crew->barrier); /* built */
    const struct member *failed = failed_member(crew);
    if (!failed) {
        pthread_barrier_wait(&crew->barrier); /* connected */
        pthread_barrier_wait(&crew->barrier); /* socket */
        failed = failed_member(crew);
    }
    if (!failed)
        return 0;
    int error = failed->error;
    snprintf(reason, reason_bytes, "%s", failed->reason);
    pthread_barrier_wait(&crew->barrier); /* the last one */
    join_threads(crew, crew->count);
    return error;
}

int crew_start(const struct crew_options *options, struct crew **crew, bool *unregistered,
               char *reason, size_t reason_bytes)
{
    struct crew *made = calloc(1, sizeof(*made));
    if (!made) {
        snprintf(reason, reason_bytes, "no memory for the shards");
        return -ENOMEM;
    }
    made->options = *options;
    made->count = volume_shard_count(options->volume);
    pthread_mutex_init(&made->gate_mutex, NULL);
    pthread_cond_init(&made->gate_moved, NULL);
    pthread_barrier_init(&made->barrier, NULL, made->count + 1);
    made->stop_descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int error = made->stop_descriptor < 0 ? -errno : 0;
    if (error)
        snprintf(reason, reason_bytes, "no eventfd: %s", strerrordesc_np(-error));
    if (!error)
        error = start_threads(made, reason, reason_bytes);
    if (!error)
        error = watch_start(made, reason, reason_bytes);
    if (error) {
        crew_free(made);
        return error;
    }
    for (unsigned i = 0; i < made->count; i++)
        *unregistered |= shard_unregistered(made->shards[i]);
    *crew = made;
    return 0;
}

void crew_stop(struct crew *crew)
{
    static const uint64_t one = 1;
    ssize_t written = write(crew->stop_descriptor, &one, sizeof(one));
    assert(written == sizeof(one));
    (void)written;
}

int crew_join(struct crew *crew)
{
    pthread_barrier_wait(&crew->barrier); /* the last one */
    join_threads(crew, crew->count);
    int result = crew->result;
    crew_free(crew);
    return result;
}
