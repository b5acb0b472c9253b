/*
 * ring_tsan.c - proto/ring.h between two threads, for the thread sanitizer (and useful without
 * it).
 *
 * Both threads use one mapping: the sanitizer cannot connect two mappings of one memory. It does
 * not model fences either, so what it judges here is the release and acquire of the counters; the
 * sleeping handshake is judged by its result: with a lost wake-up the consumer would sleep past
 * its limit.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "proto/ring.h"

#define WAKE_LIMIT_S 10

struct entry {
    uint64_t sequence, check;
};

struct shared {
    struct wt_ring_control control;
    _Alignas(64) _Atomic uint32_t wake_word;
    struct entry entries[1024];
};

struct test {
    const char *name;
    uint32_t ring_entries, batch;
    uint64_t count;
    bool sleeps;
    struct shared *shared;
    const char *failure; /* set by the consumer, read after the join */
    uint64_t naps;
};

static void wake(struct test *t)
{
    atomic_fetch_add_explicit(&t->shared->wake_word, 1, memory_order_release);
    syscall(SYS_futex, &t->shared->wake_word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void *produce(void *argument)
{
    struct test *t = argument;
    struct wt_ring ring;
    wt_ring_init(&ring, &t->shared->control, t->shared->entries, t->ring_entries,
                 sizeof(struct entry));
    for (uint64_t sent = 0; sent < t->count;) {
        int64_t room = wt_ring_producible(&ring, 1);
        if (room <= 0) {
            sched_yield();
            continue;
        }
        for (uint32_t i = 0; i < t->batch && i < room && sent < t->count; i++, sent++) {
            struct entry entry = {sent, sent * 0x9e3779b97f4a7c15ull};
            wt_ring_put(&ring, &entry);
        }
        wt_ring_publish(&ring);
        if (t->sleeps && wt_ring_must_wake(&ring))
            wake(t);
        /* Pauses of any length, so that the consumer is met awake, asleep and on its way. */
        if (t->sleeps && sent % 7 == 0)
            for (volatile unsigned i = 0; i < sent % 5000; i++)
                ;
    }
    return NULL;
}

/* False: nobody woke us although there is something. */
static bool nap(struct test *t, struct wt_ring *ring)
{
    const struct timespec limit = {.tv_sec = WAKE_LIMIT_S};
    uint32_t word = atomic_load_explicit(&t->shared->wake_word, memory_order_acquire);
    bool was_woken = true;
    if (wt_ring_prepare_sleep(ring)) {
        t->naps++;
        if (syscall(SYS_futex, &t->shared->wake_word, FUTEX_WAIT, word, &limit, NULL, 0) < 0)
            was_woken = errno != ETIMEDOUT;
        wt_ring_awake(ring);
    }
    return was_woken;
}

static void *consume(void *argument)
{
    struct test *t = argument;
    struct wt_ring ring;
    wt_ring_init(&ring, &t->shared->control, t->shared->entries, t->ring_entries,
                 sizeof(struct entry));
    for (uint64_t taken = 0; taken < t->count;) {
        int64_t ready = wt_ring_consumable(&ring);
        if (ready < 0)
            t->failure = "impossible counter";
        else if (ready == 0 && t->sleeps && !nap(t, &ring))
            t->failure = "a wake-up was lost";
        if (t->failure)
            exit((printf("not ok %s - %s\n", t->name, t->failure), 1));
        for (int64_t i = 0; i < ready; i++, taken++) {
            struct entry entry;
            wt_ring_take(&ring, &entry);
            if (entry.sequence != taken || entry.check != taken * 0x9e3779b97f4a7c15ull)
                t->failure = "an entry is wrong or out of order";
        }
        if (ready > 0)
            wt_ring_release(&ring);
        else if (!t->sleeps)
            sched_yield();
    }
    return NULL;
}

static bool run(struct test *t)
{
    pthread_t producer, consumer;
    t->shared =
        mmap(NULL, sizeof(*t->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (t->shared == MAP_FAILED || pthread_create(&consumer, NULL, consume, t) ||
        pthread_create(&producer, NULL, produce, t))
        return false;
    pthread_join(producer, NULL);
    pthread_join(consumer, NULL);
    munmap(t->shared, sizeof(*t->shared));
    if (!t->failure && t->sleeps && t->naps == 0)
        t->failure = "the consumer never slept";
    if (t->failure)
        printf("not ok %s - %s\n", t->name, t->failure);
    else
        printf("ok %s\n", t->name);
    return !t->failure;
}

int main(void)
{
    struct test tests[] = {
        {.name = "ring_one_by_one", .ring_entries = 8, .batch = 1, .count = 200000},
        {.name = "ring_in_batches", .ring_entries = 1024, .batch = 32, .count = 1000000},
        {.name = "ring_of_one_entry", .ring_entries = 1, .batch = 1, .count = 20000},
        {.name = "ring_with_a_sleeping_consumer",
         .ring_entries = 64,
         .batch = 4,
         .count = 100000,
         .sleeps = true},
    };
    bool all = true;
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        all = run(&tests[i]) && all;
    return all ? 0 : 1;
}
