/*
 * bus.c - bus errors in the memory of sessions.
 *
 * A client can punch holes into its region. The next touch gets a fresh page, but where memory is gone the
 * toucher gets SIGBUS, and that may be the server. The handler puts a page of zeros there, marks the session
 * and lets the server go on; the session is ended at its next poll.
 *
 * The table has fixed places, written by the names shard alone and read by a signal handler on any thread.
 * A range is published by its end, last, and taken back by it, first: a reader that sees an end sees its
 * begin too. A place is taken back only when no shard touches its range any more.
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/session/session.h"

static struct {
    _Atomic uintptr_t begin, end; /* end 0: free */
    atomic_bool faulted;
} ranges[WT_SESSIONS_MAX];

static uintptr_t page_bytes;

int session_bus_register(const void *region, uint64_t region_bytes)
{
    for (unsigned i = 0; i < WT_SESSIONS_MAX; i++) {
        if (atomic_load_explicit(&ranges[i].end, memory_order_relaxed))
            continue;
        atomic_store_explicit(&ranges[i].faulted, false, memory_order_relaxed);
        atomic_store_explicit(&ranges[i].begin, (uintptr_t)region, memory_order_relaxed);
        atomic_store_explicit(&ranges[i].end, (uintptr_t)region + region_bytes,
                              memory_order_release);
        return (int)i;
    }
    return -1;
}

void session_bus_unregister(int slot)
{
    atomic_store_explicit(&ranges[slot].end, 0, memory_order_release);
}

bool session_bus_faulted(int slot)
{
    return slot >= 0 && atomic_load_explicit(&ranges[slot].faulted, memory_order_relaxed);
}

/* Only what a signal handler may call. */
static bool repair(uintptr_t address)
{
    for (unsigned i = 0; i < WT_SESSIONS_MAX; i++) {
        uintptr_t end = atomic_load_explicit(&ranges[i].end, memory_order_acquire);
        uintptr_t begin = atomic_load_explicit(&ranges[i].begin, memory_order_relaxed);
        if (address < begin || address >= end)
            continue;
        void *page = (void *)(address & ~(page_bytes - 1));
        if (mmap(page, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                 -1, 0) == MAP_FAILED)
            return false;
        atomic_store_explicit(&ranges[i].faulted, true, memory_order_relaxed);
        return true;
    }
    return false;
}

static void bus_error(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (repair((uintptr_t)info->si_addr))
        return;
    /* Not a client's doing: back to where it happened, to die of it. */
    signal(number, SIG_DFL);
}

void session_install_bus_handler(void)
{
    struct sigaction action = {.sa_sigaction = bus_error, .sa_flags = SA_SIGINFO | SA_RESTART};
    page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
