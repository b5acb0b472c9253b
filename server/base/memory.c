/* memory.c - cores, nodes and arenas of the shards' threads; sealed memory that others may map. */
#include "server/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <numa.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef WT_PLAIN_MALLOC
#include <jemalloc/jemalloc.h>
#endif

/* Newer than Debian 12's headers; refused with EINVAL before 6.3. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* What this process might run on before any shard narrowed it: a thread inherits its maker's mask, and
 * the main thread is a shard too. Room for 8192 cores. */
#define SETS 8
static cpu_set_t allowed[SETS];
static unsigned allowed_count;
static pthread_once_t allowed_once = PTHREAD_ONCE_INIT;

static void read_allowed(void)
{
    if (sched_getaffinity(0, sizeof(allowed), allowed))
        allowed_count = 0;
    else
        allowed_count = (unsigned)CPU_COUNT_S(sizeof(allowed), allowed);
}

uint64_t memory_machine_bytes(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

unsigned memory_core_count(void)
{
    pthread_once(&allowed_once, read_allowed);
    return allowed_count ? allowed_count : 1;
}

/* The n-th core of the mask; n is below allowed_count. */
static unsigned nth_core(unsigned n)
{
    for (unsigned core = 0; core < SETS * CPU_SETSIZE; core++) {
        if (CPU_ISSET_S(core, sizeof(allowed), allowed) && n-- == 0)
            return core;
    }
    return 0;
}

static int pin_to(unsigned core)
{
    cpu_set_t one[SETS];
    CPU_ZERO_S(sizeof(one), one);
    CPU_SET_S(core, sizeof(one), one);
    return sched_setaffinity(0, sizeof(one), one) ? -errno : 0;
}

static void prefer_node_of(unsigned core)
{
    if (numa_available() < 0 || numa_num_configured_nodes() < 2)
        return;
    int node = numa_node_of_cpu((int)core);
    if (node >= 0)
        numa_set_preferred(node);
}

static int enter_arena(void)
{
#ifndef WT_PLAIN_MALLOC
    unsigned arena;
    size_t size_bytes = sizeof(arena);
    int error = mallctl("arenas.create", &arena, &size_bytes, NULL, 0);
    if (!error)
        error = mallctl("thread.arena", NULL, NULL, &arena, sizeof(arena));
    return -error;
#else
    return 0;
#endif
}

int memory_enter_shard(unsigned core)
{
    unsigned count = memory_core_count();
    if (allowed_count) {
        unsigned chosen = nth_core(core % count);
        int rc = pin_to(chosen);
        if (rc)
            return rc;
        prefer_node_of(chosen);
    }
    return enter_arena();
}

/* -- shared memory ------------------------------------------------------------------------------------- */

static int make_memfd(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

/* Gives the mapping every page it will ever need: later a fault could only end in SIGBUS. */
static int populate(int fd, void *address, size_t size_bytes, bool huge)
{
    /* Both only help: fallocate below makes what they left. Huge pages come from touching the mapping, not
     * from fallocate. */
    if (huge && madvise(address, size_bytes, MADV_HUGEPAGE) == 0)
        (void)madvise(address, size_bytes, MADV_POPULATE_WRITE);
    int rc;
    do {
        rc = fallocate(fd, 0, 0, (off_t)size_bytes);
    } while (rc && errno == EINTR);
    return rc ? -errno : 0;
}

int memory_map_shared(const char *name, size_t size_bytes, bool huge, int *descriptor,
                      void **address)
{
    if (!size_bytes || size_bytes % (size_t)sysconf(_SC_PAGESIZE))
        return -EINVAL;
    int fd = make_memfd(name);
    if (fd < 0)
        return fd;

    void *mapped = MAP_FAILED;
    int rc = ftruncate(fd, (off_t)size_bytes) ? -errno : 0;
    if (!rc) {
        mapped = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        rc = mapped == MAP_FAILED ? -errno : populate(fd, mapped, size_bytes, huge);
    }
    if (!rc && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        rc = -errno;
    if (rc) {
        if (mapped != MAP_FAILED)
            munmap(mapped, size_bytes);
        close(fd);
        return rc;
    }
    *descriptor = fd;
    *address = mapped;
    return 0;
}

void memory_unmap(void *address, size_t size_bytes)
{
    munmap(address, size_bytes);
}
