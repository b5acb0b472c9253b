/*
 * world.h - the server's real code on a simulated device, in one thread, stepped as the seed decides.
 *
 * A world outlives its servers: a power cut throws a server away where it stands (its memory is never freed:
 * what was in flight belongs to a device that is gone; the process ends with the seed), and the next server
 * opens the same device.
 */
#ifndef WT_TESTS_SIM_WORLD_H
#define WT_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "server/device/sim.h"
#include "server/shard/shard.h"
#include "tests/sim/report.h"
#include "tests/support/random.h"
#include "tests/support/ring_client.h"

#define WORLD_SHARDS_MAX 3u

struct world {
    struct random_source random;
    struct report *report;
    bool verbose;
    uint64_t tick;   /* of everything that happens; grows with each step */
    uint64_t stamps; /* given out; a stamp names one write of the whole run */
    struct device *device;
    struct sim_options options;
    bool faulty; /* this seed has device errors */
    /* This seed works on names above all, and seldom waits for them, so that the blocks of the journal grow to
     * many sectors. */
    bool names_above_all;

    /* The server, while there is one. */
    struct post_office *office;
    struct volume *volume;
    struct shard *shards[WORLD_SHARDS_MAX];
    unsigned shard_count;
    struct sim_statistics before; /* as the server started */
};

void world_create(struct world *world, uint64_t seed, struct report *report, bool verbose);
/* Opens the volume and makes the shards. False: a violation was reported. */
bool world_start(struct world *world);
/* One step of a shard or of the device. */
void world_step(struct world *world);
/* Steps until nothing is left to do. False: it never came to rest (reported). */
bool world_settle(struct world *world);
/* SIGTERM: settles, checkpoints, closes. The sessions are gone already. 0, or volume_stop's error. */
int world_stop(struct world *world);
/* The power goes, and the server with it. */
void world_cut(struct world *world);
/* A block of the journal is on its way to the device: a cut now may tear it. */
bool world_journal_in_flight(const struct world *world);
/* With a cut or two in the middle of recovery, where the seed wants that. */
bool world_recover(struct world *world);
void world_check(struct world *world, const char *when);

void world_set_faults(struct world *world, bool on);
/* Whether the device has failed a write or a flush since this server started. */
bool world_had_errors(const struct world *world);
bool world_read_errors(const struct world *world);
bool world_read_only(const struct world *world);
uint64_t world_stamp(struct world *world);
struct session_shard *world_sessions(struct world *world, unsigned shard);

/* A request done at once: steps until its completion is there; nothing else may be in flight on this
 * client. -ETIME: it never came (reported). */
int64_t world_call(struct world *world, struct ring_client *client, unsigned shard,
                   struct wt_request *request, struct wt_wire_completion *completion);
/* Ends a client's session and frees it when the server has let go. */
bool world_end_session(struct world *world, struct ring_client *client);

#endif
