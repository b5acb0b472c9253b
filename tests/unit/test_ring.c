/*
 * test_ring.c - proto/ring.h in one thread: counters, wrap-around, lies of the other side, going
 * to sleep.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "proto/ring.h"
#include "proto/wire.h"

#define ENTRIES 8u

struct pair {
    struct wt_ring_control control;
    uint64_t entries[ENTRIES];
    struct wt_ring producer, consumer;
};

/* Both counters start at `first`, as if so many entries had passed. */
static struct pair *pair_at(uint32_t first)
{
    struct pair *p = aligned_alloc(64, (sizeof(*p) + 63) & ~(size_t)63);
    memset(p, 0, sizeof(*p));
    wt_ring_init(&p->producer, &p->control, p->entries, ENTRIES, sizeof(uint64_t));
    wt_ring_init(&p->consumer, &p->control, p->entries, ENTRIES, sizeof(uint64_t));
    p->producer.own = p->producer.other = p->consumer.own = p->consumer.other = first;
    atomic_store(&p->control.tail, first);
    atomic_store(&p->control.head, first);
    return p;
}

static void put(struct pair *p, uint64_t value)
{
    cr_assert_geq(wt_ring_producible(&p->producer, 1), 1);
    wt_ring_put(&p->producer, &value);
}

static uint64_t take(struct pair *p)
{
    uint64_t value;
    cr_assert_geq(wt_ring_consumable(&p->consumer), 1);
    wt_ring_take(&p->consumer, &value);
    return value;
}

Test(ring, empty_has_nothing_and_all_the_room)
{
    struct pair *p = pair_at(0);
    cr_assert_eq(wt_ring_consumable(&p->consumer), 0);
    cr_assert_eq(wt_ring_producible(&p->producer, 1), ENTRIES);
    free(p);
}

Test(ring, entries_are_seen_only_once_published)
{
    struct pair *p = pair_at(0);
    put(p, 7);
    cr_assert_eq(wt_ring_consumable(&p->consumer), 0);
    wt_ring_publish(&p->producer);
    cr_assert_eq(wt_ring_consumable(&p->consumer), 1);
    cr_assert_eq(take(p), 7u);
    cr_assert_eq(wt_ring_consumable(&p->consumer), 0);
    free(p);
}

Test(ring, places_come_back_only_once_released)
{
    struct pair *p = pair_at(0);
    for (uint64_t i = 0; i < ENTRIES; i++)
        put(p, i);
    wt_ring_publish(&p->producer);
    cr_assert_eq(wt_ring_producible(&p->producer, 1), 0);
    cr_assert_eq(take(p), 0u);
    cr_assert_eq(wt_ring_producible(&p->producer, 1), 0, "taken is not released");
    wt_ring_release(&p->consumer);
    cr_assert_eq(wt_ring_producible(&p->producer, 1), 1);
    free(p);
}

Test(ring, order_holds_across_the_wrap_of_the_counters)
{
    struct pair *p = pair_at(UINT32_MAX - 5);
    for (uint64_t i = 0; i < 100; i++) {
        put(p, i);
        put(p, i + 1000);
        wt_ring_publish(&p->producer);
        cr_assert_eq(take(p), i);
        cr_assert_eq(take(p), i + 1000);
        wt_ring_release(&p->consumer);
    }
    cr_assert_eq(atomic_load(&p->control.tail), UINT32_MAX - 5 + 200);
    free(p);
}

Test(ring, full_across_the_wrap_of_the_counters)
{
    struct pair *p = pair_at(UINT32_MAX - 3);
    for (uint64_t i = 0; i < ENTRIES; i++)
        put(p, i);
    wt_ring_publish(&p->producer);
    cr_assert_eq(wt_ring_producible(&p->producer, 1), 0);
    cr_assert_eq(wt_ring_consumable(&p->consumer), ENTRIES);
    for (uint64_t i = 0; i < ENTRIES; i++)
        cr_assert_eq(take(p), i);
    free(p);
}

Test(ring, impossible_tail_is_told)
{
    struct pair *p = pair_at(10);
    atomic_store(&p->control.tail, 10 + ENTRIES + 1);
    cr_assert_eq(wt_ring_consumable(&p->consumer), -EPROTO);
    atomic_store(&p->control.tail, 9);
    cr_assert_eq(wt_ring_consumable(&p->consumer), -EPROTO);
    free(p);
}

Test(ring, impossible_head_is_told)
{
    struct pair *p = pair_at(10);
    for (uint64_t i = 0; i < ENTRIES; i++)
        put(p, i);
    atomic_store(&p->control.head, 9);
    cr_assert_eq(wt_ring_producible(&p->producer, 1), -EPROTO);
    atomic_store(&p->control.head, 10 + ENTRIES + 1);
    cr_assert_eq(wt_ring_producible(&p->producer, 1), -EPROTO);
    free(p);
}

Test(ring, tail_that_moves_back_does_not_take_back_what_was_seen)
{
    struct pair *p = pair_at(0);
    put(p, 1);
    put(p, 2);
    wt_ring_publish(&p->producer);
    cr_assert_eq(wt_ring_consumable(&p->consumer), 2);
    atomic_store(&p->control.tail, 0);
    cr_assert_eq(take(p), 1u);
    cr_assert_eq(take(p), 2u);
    cr_assert_eq(wt_ring_consumable(&p->consumer), -EPROTO, "what is behind us was never there");
    free(p);
}

Test(ring, sides_keep_their_own_counters)
{
    struct pair *p = pair_at(0);
    put(p, 1);
    atomic_store(&p->control.tail, 12345);
    wt_ring_publish(&p->producer);
    cr_assert_eq(atomic_load(&p->control.tail), 1u);
    cr_assert_eq(take(p), 1u);
    atomic_store(&p->control.head, 54321);
    wt_ring_release(&p->consumer);
    cr_assert_eq(atomic_load(&p->control.head), 1u);
    free(p);
}

Test(ring, sleeper_is_woken)
{
    struct pair *p = pair_at(0);
    cr_assert(!wt_ring_must_wake(&p->producer));
    cr_assert(wt_ring_prepare_sleep(&p->consumer));
    put(p, 1);
    wt_ring_publish(&p->producer);
    cr_assert(wt_ring_must_wake(&p->producer));
    wt_ring_awake(&p->consumer);
    cr_assert(!wt_ring_must_wake(&p->producer));
    free(p);
}

Test(ring, nobody_sleeps_on_entries_or_on_nonsense)
{
    struct pair *p = pair_at(0);
    put(p, 1);
    wt_ring_publish(&p->producer);
    cr_assert(!wt_ring_prepare_sleep(&p->consumer));
    cr_assert(!wt_ring_must_wake(&p->producer), "the flag is down again");
    take(p);
    atomic_store(&p->control.tail, 1000);
    cr_assert(!wt_ring_prepare_sleep(&p->consumer));
    cr_assert(!wt_ring_must_wake(&p->producer));
    free(p);
}

Test(ring, sides_share_no_cache_line)
{
    cr_assert_eq(offsetof(struct wt_ring_control, tail) / 64, 0u);
    cr_assert_eq(offsetof(struct wt_ring_control, head) / 64, 1u);
    cr_assert_eq(offsetof(struct wt_ring_control, consumer_asleep) / 64, 2u);
    cr_assert_eq(offsetof(struct wt_region_header, client_waiting) / 64, 1u);
    cr_assert_eq(offsetof(struct wt_region_header, server_gone) / 64, 2u);
}
