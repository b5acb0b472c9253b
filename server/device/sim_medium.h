/*
 * sim_medium.h - what sim.c's device stores: durable sectors, and a volatile cache of versions above them.
 *
 * Private to sim.c. A sector is one logical block, the unit in which a power cut tears: of each block the
 * medium holds one version. Of a sector there is a durable content and, newest last to arrive, versions
 * that were performed and are not known durable. A version is
 *   pending   its write is still in flight (performed in part, or about to be cut);
 *   done      its write's done ran, at a mark: a flush submitted later covers it;
 *   lost      a failed flush gave it up: it can be read until the power goes, and no flush saves it.
 * Reads see the newest version. A power cut leaves the durable content or any version that is not lost.
 *
 * All decisions are functions of a lottery's seed and the sector, never of the order of a walk.
 */
#ifndef WT_DEVICE_SIM_MEDIUM_H
#define WT_DEVICE_SIM_MEDIUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_medium;

/* Which sectors of something partial are kept: each with the same chance, alone or in company. Real
 * devices lose whole blocks and whole writes more often than they toss a coin for each sector; and a coin a
 * sector would hardly ever keep a whole record while its data is lost. */
struct sim_lottery {
    uint64_t seed;
    unsigned keep_in_256; /* 0: nothing, 256: everything */
    enum { SIM_LOTTERY_SECTOR, SIM_LOTTERY_PAGE, SIM_LOTTERY_WRITE } together;
};
struct sim_lottery sim_lottery_draw(uint64_t seed);

/* splitmix64's output function: a hash of 64 bits. */
uint64_t sim_mix(uint64_t value);

int sim_medium_create(uint64_t size_bytes, uint32_t sector_bytes, struct sim_medium **medium);
void sim_medium_destroy(struct sim_medium *medium);

/* Ranges below are in bytes, sector-aligned but for read and poke. write_id names a write, never 0. */
void sim_medium_read(const struct sim_medium *medium, uint64_t offset, void *buffer,
                     size_t size_bytes);
/* Writes past the cache: durable at once. */
void sim_medium_poke(struct sim_medium *medium, uint64_t offset, const void *bytes,
                     size_t size_bytes);

/* Performs a write, or those sectors of it that the lottery keeps (NULL: all): pending versions. */
void sim_medium_write(struct sim_medium *medium, uint64_t offset, const void *bytes,
                      size_t size_bytes, uint64_t write_id, const struct sim_lottery *lottery);
/* The write's done is about to run: its versions are covered by flushes with a mark as high. */
void sim_medium_done(struct sim_medium *medium, uint64_t offset, size_t size_bytes,
                     uint64_t write_id, uint64_t mark);
/* FUA: exactly this write becomes durable. */
void sim_medium_settle(struct sim_medium *medium, uint64_t offset, size_t size_bytes,
                       uint64_t write_id);

/* Everything done at `mark` or before becomes durable. */
void sim_medium_flush(struct sim_medium *medium, uint64_t mark);
/* The same gone wrong: of what it should have covered some is durable, some lost, some left. */
void sim_medium_flush_failed(struct sim_medium *medium, uint64_t mark, uint64_t seed);

/* Power cut. Returns the sectors whose newest done version did not survive. */
uint64_t sim_medium_cut(struct sim_medium *medium, const struct sim_lottery *lottery);
/* Sectors with versions that are not durable. */
uint64_t sim_medium_cached_sectors(const struct sim_medium *medium);

#endif
