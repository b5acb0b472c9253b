/*
 * sim.h - a device in memory, deterministic, with the faults that real ones have. Tests only.
 *
 * Everything it decides comes from its seed: when an I/O is done (order and delay), whether it fails,
 * whether a completion comes in pieces, and what of the volatile cache survives a power cut (any subset of
 * the sectors that were not flushed and not written with FUA, each old or new on its own; a write in flight
 * at the cut likewise). A sector here is a logical block: of each the medium holds one version, which is what
 * atomic_unit_bytes says; with block_bytes 512 writes tear finest. Sparse storage, so a large simulated
 * device costs little.
 *
 * One thread. Time is the simulated clock, which sim_step advances to the next due completion; the test
 * installs sim_clock() as the server's clock.
 */
#ifndef WT_DEVICE_SIM_H
#define WT_DEVICE_SIM_H

#include "server/base/clock.h"
#include "server/device/device.h"

struct sim_options {
    uint64_t seed;
    uint64_t size_bytes;
    uint32_t block_bytes; /* 512 or 4096 */
    bool volatile_cache, fua;
    uint32_t delay_ns_max; /* of one I/O */
    /* Faults, each one in so many I/Os; 0: never. */
    uint32_t read_error_one_in, write_error_one_in, flush_error_one_in;
    uint32_t split_one_in; /* long I/Os performed in pieces, with time between */
    /* A failed write may have been performed in part. A failed flush loses any subset of the cache for good:
     * what it lost can be read until the power goes, and no later flush saves it. */
};

struct sim_statistics {
    uint64_t reads, writes, flushes, fua_writes, discards;
    uint64_t read_errors, write_errors, flush_errors, splits, cuts;
    uint64_t sectors_lost;        /* by cuts: their newest done content did not survive */
    uint64_t sectors_torn_writes; /* by cuts: writes in flight of which a part survived */
    /* Promises that the server broke; a test wants zeros. */
    uint64_t overlapping_writes; /* submitted while one of its sectors was being written */
    uint64_t unstable_writes;    /* memory changed between submit and done */
};

int sim_create(const struct sim_options *options, struct device **device);
void sim_destroy(struct device *device);
const struct clock_source *sim_clock(struct device *device);
void sim_advance_clock(struct device *device, uint64_t nanoseconds);

/* Performs the next due I/O and runs its done, advancing the clock. False: nothing is in flight, or all
 * that is in flight is held. */
bool sim_step(struct device *device);
unsigned sim_in_flight(const struct device *device);

/* Power cut: everything in flight is gone (done is never called; the caller throws its server away), and
 * the cache keeps a subset. Queues made before are dead: what they are given stays in flight for ever, and
 * destroying them is allowed and not needed. The next server makes new ones on the same device; closing the
 * device by its operations does nothing, only sim_destroy ends it. */
void sim_power_cut(struct device *device);
/* At any time: for I/Os submitted from now on. */
void sim_set_faults(struct device *device, uint32_t read_one_in, uint32_t write_one_in,
                    uint32_t flush_one_in, uint32_t split_one_in);
/* During blocking transfers: cut the power after so many more blocking writes or flushes (0: off; a
 * transfer of several MiB counts one a MiB); then every call answers -EIO until sim_power_cut. The first write
 * after that was on its way at the cut: any part of it may be found later. For second cuts during recovery. */
void sim_cut_after(struct device *device, uint32_t blocking_writes);
bool sim_cut_happened(const struct device *device);

/* Holds I/Os that overlap [offset, offset + length) and match operation: they stay in flight until
 * sim_release. For tests that need a certain order. One hold at a time. */
void sim_hold(struct device *device, enum device_operation operation, uint64_t offset,
              uint64_t length);
void sim_release(struct device *device);
unsigned sim_held(const struct device *device);
/* Whether a write into that range is in flight: for cuts that must meet one. */
bool sim_writes_into(const struct device *device, uint64_t offset, uint64_t length);
/* The next I/O of that operation fails with this error. */
void sim_fail_next(struct device *device, enum device_operation operation, int error);

struct sim_statistics sim_statistics(const struct device *device);
/* Looks at or changes the stored bytes as the cache shows them, with no faults and no time. */
void sim_peek(struct device *device, uint64_t offset, void *buffer, size_t size_bytes);
void sim_poke(struct device *device, uint64_t offset, const void *buffer, size_t size_bytes);

#endif
