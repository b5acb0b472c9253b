/*
 * message_tsan.c - two threads over a post office, for ThreadSanitizer (Criterion does not run under it).
 *
 * Each message carries a payload that is not atomic: handing it over must order the two threads.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/list.h"
#include "server/base/message.h"

#define BALLS  3000u /* more than a ring holds: the overflow list works too */
#define ROUNDS 60u
#define SIDES  2u

struct ball {
    struct message message;
    unsigned at, hops;
};

static struct post_office *office;
static struct ball balls[BALLS];
static unsigned landed[SIDES]; /* each written by its own side */
static sem_t wakers[SIDES];
static _Atomic unsigned finished;
static unsigned order_errors[SIDES], next_serial[SIDES];

static void wake(void *context)
{
    sem_post(context);
}

/* Plays the ball back until it has made its hops. */
static void bounce(struct message *message)
{
    struct ball *ball = list_entry(message, struct ball, message);
    unsigned here = ball->at;
    if (++ball->hops == ROUNDS) {
        landed[here]++;
        return;
    }
    ball->at = 1 - here;
    message_send(office, here, ball->at, message);
}

/* One way: checks the order. */
static void arrive(struct message *message)
{
    struct ball *ball = list_entry(message, struct ball, message);
    if (ball->hops != next_serial[ball->at]++)
        order_errors[ball->at]++;
    landed[ball->at]++;
}

static void *play(void *argument)
{
    unsigned side = (unsigned)(uintptr_t)argument;
    unsigned mine = BALLS / SIDES;
    while (landed[side] < mine) {
        unsigned delivered = message_deliver(office, side, 64);
        message_flush(office, side);
        if (delivered || !message_prepare_sleep(office, side))
            continue;
        sem_wait(&wakers[side]);
        message_awake(office, side);
    }
    /* The other side's may still have to pass through here. */
    atomic_fetch_add(&finished, 1);
    while (atomic_load(&finished) < SIDES) {
        message_deliver(office, side, 64);
        message_flush(office, side);
        sched_yield();
    }
    return NULL;
}

static void run(const char *name)
{
    pthread_t threads[SIDES];
    landed[0] = landed[1] = 0;
    atomic_store(&finished, 0);
    for (uintptr_t side = 0; side < SIDES; side++) {
        if (pthread_create(&threads[side], NULL, play, (void *)side))
            abort();
    }
    for (unsigned side = 0; side < SIDES; side++)
        pthread_join(threads[side], NULL);
    if (landed[0] != BALLS / SIDES || landed[1] != BALLS / SIDES || order_errors[0] ||
        order_errors[1]) {
        printf("FAIL %s: landed %u and %u, out of order %u\n", name, landed[0], landed[1],
               order_errors[0] + order_errors[1]);
        exit(1);
    }
    printf("ok %s\n", name);
}

static void serve(unsigned index, unsigned from, unsigned hops, void (*deliver)(struct message *))
{
    balls[index] = (struct ball){.message.deliver = deliver, .at = 1 - from, .hops = hops};
    message_send(office, from, 1 - from, &balls[index].message);
}

int main(void)
{
    if (post_office_create(SIDES, &office))
        return 1;
    for (unsigned side = 0; side < SIDES; side++) {
        sem_init(&wakers[side], 0, 0);
        post_office_set_waker(office, side, wake, &wakers[side]);
    }

    /* The threads start after this: sending from here stands for their own first step. */
    for (unsigned i = 0; i < BALLS; i++)
        serve(i, i % SIDES, 0, bounce);
    run("messages bounce between two shards");

    for (unsigned i = 0; i < BALLS; i++)
        serve(i, i % SIDES, i / SIDES, arrive);
    run("messages arrive in order beyond a full ring");
    post_office_destroy(office);
    return 0;
}
