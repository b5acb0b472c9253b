/*
 * fork.c - sessions do not pass a fork. The child's copies of the descriptors are closed by a
 * handler, the region is not mapped there at all (MADV_DONTFORK), and the guard page is empty
 * (MADV_WIPEONFORK), so that every call on an inherited session says -EBADF: also in a child that
 * was made without libc's handlers.
 */
#include <pthread.h>
#include <unistd.h>

#include "client/lib/internal.h"

/* The list is the only state that sessions share. */
static pthread_mutex_t sessions_lock = PTHREAD_MUTEX_INITIALIZER;
static struct wt *sessions;
static bool is_registered;

void wtc_close_descriptors(struct wt *s)
{
    if (s->socket >= 0)
        close(s->socket);
    s->socket = -1;
    for (uint32_t i = 0; i < s->shard_count; i++) {
        if (s->shards[i].doorbell >= 0)
            close(s->shards[i].doorbell);
        s->shards[i].doorbell = -1;
    }
}

static void before_fork(void)
{
    pthread_mutex_lock(&sessions_lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&sessions_lock);
}

static void after_fork_in_child(void)
{
    for (struct wt *s = sessions; s; s = s->next_session) {
        atomic_store_explicit(s->guard, WTC_FORKED, memory_order_relaxed);
        wtc_close_descriptors(s);
    }
    pthread_mutex_unlock(&sessions_lock);
}

int wtc_sessions_add(struct wt *s)
{
    int rc = 0;
    pthread_mutex_lock(&sessions_lock);
    if (!is_registered)
        rc = -pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    if (rc == 0) {
        is_registered = true;
        s->previous_session = NULL;
        s->next_session = sessions;
        if (sessions)
            sessions->previous_session = s;
        sessions = s;
    }
    pthread_mutex_unlock(&sessions_lock);
    return rc;
}

void wtc_sessions_remove(struct wt *s)
{
    pthread_mutex_lock(&sessions_lock);
    if (s->previous_session)
        s->previous_session->next_session = s->next_session;
    else if (sessions == s)
        sessions = s->next_session;
    if (s->next_session)
        s->next_session->previous_session = s->previous_session;
    pthread_mutex_unlock(&sessions_lock);
}
