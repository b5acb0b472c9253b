/*
 * reactor.h - a shard's io_uring: events in, calls out.
 *
 * Owned by one thread, which creates, drives and destroys it (SINGLE_ISSUER, DEFER_TASKRUN and
 * COOP_TASKRUN where the kernel has them; each is left out when it is refused). Everything the kernel
 * completes carries a struct reactor_event; its fire runs on the owning thread inside reactor_poll or
 * reactor_wait, and may queue more. An event belongs to the kernel from reactor_sqe until its (last) fire.
 *
 * DEFER_TASKRUN posts nothing without an enter: reactor_poll looks at the task-run flag and enters only
 * when it is set or something was queued. Nothing is submitted before reactor_poll/wait (batching).
 *
 * Errors: negative errno. reactor_create fails with a reason in words: which of seccomp, sysctl, rlimit or
 * kernel is the cause.
 */
#ifndef WT_BASE_REACTOR_H
#define WT_BASE_REACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct io_uring_sqe;
struct reactor;

struct reactor_event {
    void (*fire)(struct reactor_event *event, int32_t result, uint32_t completion_flags);
};

struct reactor_options {
    unsigned entries;
    bool big_entries; /* SQE128 and CQE32, for passthrough */
    bool polled_ring; /* a second ring, for I/O whose completions are polled for (IOPOLL) */
};

int reactor_create(const struct reactor_options *options, struct reactor **reactor, char *reason,
                   size_t reason_bytes);
void reactor_destroy(struct reactor *reactor);

/* A cleared submission entry whose user data is the event; the caller fills in the rest. Never NULL: a full
 * ring is submitted first. */
struct io_uring_sqe *reactor_sqe(struct reactor *reactor, struct reactor_event *event);

/* The same on the polled ring: only for reads and writes with data. While one is on its way, reactor_wait
 * does not sleep. */
struct io_uring_sqe *reactor_polled_sqe(struct reactor *reactor, struct reactor_event *event);
/* One is on its way. */
bool reactor_must_poll(const struct reactor *reactor);

/* Submits what was queued, fires what has completed; returns the number fired. Never waits. */
unsigned reactor_poll(struct reactor *reactor);
/* The same, but sleeps until one completion or the time limit (UINT64_MAX: none). */
unsigned reactor_wait(struct reactor *reactor, uint64_t timeout_ns);

/* Fires the event for each edge of `poll_events` (POLLIN, ...) on fd, until reactor_unwatch has fired it a
 * last time with -ECANCELED. Multishot, edge triggered: the descriptor need not be read (a client's
 * doorbell must not be). An edge may be told twice. A negative result other than -ECANCELED (a bad
 * descriptor) is the last one before reactor_unwatch, which is still needed. -ENOMEM: nothing is watched. */
int reactor_watch(struct reactor *reactor, int fd, uint32_t poll_events,
                  struct reactor_event *event);
void reactor_unwatch(struct reactor *reactor, struct reactor_event *event);

/* Registers [base, base + size) as fixed buffers of at most 1 GiB each: reactor_fixed_index tells which one
 * holds an address, or -1. Once a reactor. -ENOMEM where memlock does not allow it: go on without. */
int reactor_register_buffers(struct reactor *reactor, void *base, size_t size_bytes);
int reactor_fixed_index(const struct reactor *reactor, const void *address, size_t size_bytes);

/* What reactor_create's error means, for the start-up message. */
void reactor_explain(int error, char *reason, size_t reason_bytes);

#endif
