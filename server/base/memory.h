/*
 * memory.h - where a shard's memory comes from: its core's NUMA node, and a jemalloc arena of its own.
 *
 * memory_enter_shard is called once by each shard's thread before it allocates: pins the thread to its
 * core, prefers the core's node (libnuma, where there is more than one), and gives the thread its own
 * jemalloc arena (plain malloc in builds with WT_PLAIN_MALLOC). After that malloc and free are used as
 * usual. memory_map_shared makes a sealed memfd of frames or session memory.
 */
#ifndef WT_BASE_MEMORY_H
#define WT_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* core: the n-th core this process may run on, modulo their number. */
int memory_enter_shard(unsigned core);
unsigned memory_core_count(void);
uint64_t memory_machine_bytes(void);

/* A memfd of size_bytes (a multiple of the page size), every page allocated now (-ENOMEM or -ENOSPC where
 * that fails), sealed against shrinking, growing and further seals, mapped read-write. huge: ask for huge
 * pages (never for memory shared with a client). Ownership of *descriptor passes to the caller. */
int memory_map_shared(const char *name, size_t size_bytes, bool huge, int *descriptor,
                      void **address);
void memory_unmap(void *address, size_t size_bytes);

#endif
