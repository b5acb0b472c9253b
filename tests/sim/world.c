#include "tests/sim/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/volume/tools.h"

#define VOLUME_BYTES              (64ull << 20)
#define STEPS_MAX                 2000000u
#define QUIET_ROUNDS              64u
#define NANOSECONDS_PER_IDLE_STEP 20000u

static void must(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "sim: %s\n", what);
    abort();
}

void world_create(struct world *world, uint64_t seed, struct report *report, bool verbose)
{
    *world =
        (struct world){.random = {random_mix(seed ^ 0x5151)}, .report = report, .verbose = verbose};
    struct random_source *random = &world->random;
    world->faulty = random_one_in(random, 3);
    world->names_above_all = random_one_in(random, 3);
    world->options = (struct sim_options){
        .seed = random_next(random),
        .size_bytes = VOLUME_BYTES,
        .block_bytes = random_one_in(random, 3) ? 4096 : 512,
        .volatile_cache = !random_one_in(random, 6),
        .fua = random_one_in(random, 2),
        .delay_ns_max = 1000u << random_below(random, 10),
    };
    must(sim_create(&world->options, &world->device) == 0, "no memory for the device");
    clock_install(sim_clock(world->device));
    char reason[256] = "";
    struct volume_format_options format = {.sparse = true};
    int error = volume_format_device(world->device, &format, reason, sizeof(reason));
    if (error)
        report_violation(report, PROPERTY_OPENS, "mkfs: %d %s", error, reason);
}

struct session_shard *world_sessions(struct world *world, unsigned shard)
{
    return shard_sessions(world->shards[shard]);
}

uint64_t world_stamp(struct world *world)
{
    return ++world->stamps;
}

void world_set_faults(struct world *world, bool on)
{
    struct random_source *random = &world->random;
    uint32_t split = random_one_in(random, 2) ? 4 : 0;
    if (!on || !world->faulty) {
        sim_set_faults(world->device, 0, 0, 0, split);
        return;
    }
    uint32_t read = random_one_in(random, 3) ? 60 : 0;
    uint32_t write = random_one_in(random, 2) ? 100 : 0;
    uint32_t flush = random_one_in(random, 3) ? 80 : 0;
    sim_set_faults(world->device, read, write, flush, split);
}

bool world_had_errors(const struct world *world)
{
    struct sim_statistics now = sim_statistics(world->device);
    return now.write_errors != world->before.write_errors ||
           now.flush_errors != world->before.flush_errors;
}

bool world_read_errors(const struct world *world)
{
    return sim_statistics(world->device).read_errors != world->before.read_errors;
}

bool world_read_only(const struct world *world)
{
    return shard_volume(world->shards[JOURNAL_SHARD])->read_only;
}

/* ---- the server ---- */

static void count_statistics(struct world *world)
{
    struct sim_statistics now = sim_statistics(world->device);
    struct report *report = world->report;
    report->cuts = now.cuts;
    report->read_errors = now.read_errors;
    report->write_errors = now.write_errors;
    report->flush_errors = now.flush_errors;
    report->splits = now.splits;
    report->sectors_lost = now.sectors_lost;
    report->torn_writes = now.sectors_torn_writes;
    digest_add(&report->digest, now.writes);
    digest_add(&report->digest, now.reads);
    digest_add(&report->digest, now.flushes);
    digest_add(&report->digest, now.sectors_lost);
    if (now.overlapping_writes)
        report_violation(report, PROPERTY_PAGES, "%llu writes met another of the same block",
                         (unsigned long long)now.overlapping_writes);
    if (now.unstable_writes)
        report_violation(report, PROPERTY_PAGES, "%llu writes whose memory changed under I/O",
                         (unsigned long long)now.unstable_writes);
}

/* -EAGAIN: the power went in the middle. */
static int open_volume(struct world *world)
{
    world->shard_count = 1 + (unsigned)random_below(&world->random, WORLD_SHARDS_MAX);
    must(post_office_create(world->shard_count, &world->office) == 0, "no post office");
    struct volume_options options = {
        .device = world->device, .office = world->office, .metadata_bytes_max = 64ull << 20};
    struct volume_opening opening = {0};
    char reason[256] = "";
    int error = volume_open(&options, &world->volume, &opening, reason, sizeof(reason));
    if (sim_cut_happened(world->device))
        return -EAGAIN;
    if (error)
        report_violation(world->report, PROPERTY_OPENS, "volume_open: %d %s", error, reason);
    else if (opening.read_only_damage)
        report_violation(world->report, PROPERTY_OPENS, "damage found in the journal");
    digest_add(&world->report->digest, opening.records_replayed);
    return error ? error : opening.read_only_damage ? -EUCLEAN : 0;
}

static bool make_shards(struct world *world)
{
    for (unsigned i = 0; i < world->shard_count; i++) {
        struct shard_options options = {.shard = i,
                                        .volume = world->volume,
                                        .cache_bytes =
                                            FILE_CACHE_BYTES_MIN, /* so that pages are evicted */
                                        .simulated = true};
        char reason[256] = "";
        int error = shard_create(&options, &world->shards[i], reason, sizeof(reason));
        if (error) {
            report_violation(world->report, PROPERTY_OPENS, "shard_create: %d %s", error, reason);
            return false;
        }
    }
    for (unsigned i = 0; i < world->shard_count; i++)
        shard_connect(world->shards[i], world->shards, world->shard_count);
    return true;
}

bool world_start(struct world *world)
{
    world->before = sim_statistics(world->device);
    int error = open_volume(world);
    return error == 0 && make_shards(world);
}

bool world_recover(struct world *world)
{
    struct random_source *random = &world->random;
    world_set_faults(world, false);
    world_check(world, "after a power cut");
    for (unsigned more = random_one_in(random, 3) ? 1 + (unsigned)random_below(random, 2) : 0;
         more > 0; more--) {
        sim_cut_after(world->device, 1 + (uint32_t)random_below(random, 12));
        int error = open_volume(world);
        bool cut = sim_cut_happened(world->device);
        sim_power_cut(world->device);
        world->report->second_cuts += cut;
        if (error && error != -EAGAIN)
            return false;
    }
    sim_cut_after(world->device, 0);
    return world_start(world);
}

bool world_journal_in_flight(const struct world *world)
{
    const struct superblock *sb = volume_superblock(world->volume);
    return sim_writes_into(world->device, sb->journal_offset,
                           sb->journal_bytes + JOURNAL_BLOCK_BYTES_MAX);
}

void world_cut(struct world *world)
{
    sim_power_cut(world->device);
    count_statistics(world);
    for (unsigned i = 0; i < WORLD_SHARDS_MAX; i++)
        world->shards[i] = NULL;
    world->volume = NULL;
    world->office = NULL;
}

void world_step(struct world *world)
{
    world->tick++;
    unsigned choice = (unsigned)random_below(&world->random, world->shard_count + 1);
    if (choice < world->shard_count)
        shard_step(world->shards[choice]);
    else if (!sim_step(world->device))
        sim_advance_clock(world->device, NANOSECONDS_PER_IDLE_STEP);
}

static bool all_idle(const struct world *world)
{
    for (unsigned i = 0; i < world->shard_count; i++) {
        if (!shard_idle(world->shards[i]))
            return false;
    }
    return sim_in_flight(world->device) == 0;
}

bool world_settle(struct world *world)
{
    unsigned quiet = 0;
    for (unsigned step = 0; step < STEPS_MAX; step++) {
        unsigned work = sim_step(world->device);
        for (unsigned i = 0; i < world->shard_count; i++)
            work += shard_step(world->shards[i]);
        world->tick++;
        quiet = work == 0 && all_idle(world) ? quiet + 1 : 0;
        if (quiet == QUIET_ROUNDS)
            return true;
        if (work == 0)
            sim_advance_clock(world->device, NANOSECONDS_PER_IDLE_STEP);
    }
    report_violation(world->report, PROPERTY_ALIVE, "the server never came to rest");
    return false;
}

struct stopping {
    bool done;
    int result;
};

static void stopped(void *context, int result)
{
    struct stopping *stopping = context;
    stopping->done = true;
    stopping->result = result;
}

int world_stop(struct world *world)
{
    if (!world_settle(world))
        return -ETIME;
    struct stopping stopping = {0};
    volume_stop(shard_volume(world->shards[JOURNAL_SHARD]), stopped, &stopping);
    for (unsigned step = 0; step < STEPS_MAX && !stopping.done; step++)
        world_step(world);
    if (!stopping.done) {
        report_violation(world->report, PROPERTY_ALIVE, "volume_stop never ended");
        return -ETIME;
    }
    if (!world_settle(world))
        return -ETIME;
    for (unsigned i = 0; i < world->shard_count; i++)
        shard_destroy(world->shards[i]);
    volume_close(world->volume);
    post_office_destroy(world->office);
    count_statistics(world);
    world->report->clean_stops++;
    return stopping.result;
}

struct checking {
    struct world *world;
    const char *when;
};

static void check_says(void *context, const char *line)
{
    struct checking *checking = context;
    report_violation(checking->world->report, PROPERTY_CHECK, "check %s: %s", checking->when, line);
}

void world_check(struct world *world, const char *when)
{
    struct checking checking = {world, when};
    struct volume_check_report found = {0};
    uint64_t before = world->report->violations;
    int result = volume_check_device(world->device, false, check_says, &checking, &found);
    if (result != 0 && world->report->violations == before)
        report_violation(world->report, PROPERTY_CHECK, "check %s: result %d", when, result);
    digest_add(&world->report->digest, found.blocks_used);
    digest_add(&world->report->digest, found.files);
}

/* ---- clients that wait ---- */

int64_t world_call(struct world *world, struct ring_client *client, unsigned shard,
                   struct wt_request *request, struct wt_wire_completion *completion)
{
    must(ring_client_put(client, shard, request), "the ring of a waiting client is full");
    world->report->operations++;
    for (unsigned step = 0; step < STEPS_MAX; step++) {
        if (ring_client_take(client, completion)) {
            digest_add(&world->report->digest, (uint64_t)completion->result);
            return completion->result;
        }
        world_step(world);
    }
    report_violation(world->report, PROPERTY_ALIVE, "opcode %u was never answered",
                     request->opcode);
    return -ETIME;
}

static void session_ended(struct session *session, void *context)
{
    session_free(session);
    *(bool *)context = true;
}

bool world_end_session(struct world *world, struct ring_client *client)
{
    bool ended = false;
    client->session->ended = session_ended;
    client->session->ended_context = &ended;
    session_end(world_sessions(world, JOURNAL_SHARD), client->session, "the client is gone");
    for (unsigned step = 0; step < STEPS_MAX && !ended; step++)
        world_step(world);
    if (!ended) {
        report_violation(world->report, PROPERTY_ALIVE, "a session never ended");
        return false;
    }
    ring_client_free(client);
    return true;
}
