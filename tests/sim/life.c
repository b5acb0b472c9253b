#include "tests/sim/life.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/verify.h"

#define JOURNAL_WAIT_STEPS 400u
#define ROUNDS_MAX         3u

struct life {
    struct world world;
    struct actor actors[ACTORS];
    struct shared_model shared[SHARED_FILES];
};

/* ---- the beginning: directories of the actors, the shared files, all of it durable ---- */

static bool call(struct life *life, struct ring_client *client, unsigned shard,
                 struct wt_request *request, struct wt_wire_completion *completion)
{
    int64_t result = world_call(&life->world, client, shard, request, completion);
    if (result < 0)
        report_violation(life->world.report, PROPERTY_ERRORS, "setting up: opcode %u: %lld",
                         request->opcode, (long long)result);
    return result >= 0;
}

static struct wt_request path_request(struct ring_client *client, uint8_t opcode, const char *path,
                                      uint64_t argument)
{
    memcpy(client->arena, path, strlen(path));
    return (struct wt_request){.opcode = opcode,
                               .level = WT_LEVEL_THROUGH,
                               .handle_index = WT_NO_HANDLE,
                               .length = (uint32_t)strlen(path),
                               .argument = argument};
}

static bool make_directory(struct life *life, struct ring_client *client, unsigned number)
{
    char path[16];
    struct wt_wire_completion completion;
    snprintf(path, sizeof(path), "/c%u", number);
    struct wt_request request = path_request(client, WT_OP_MKDIR, path, 0700);
    if (!call(life, client, JOURNAL_SHARD, &request, &completion))
        return false;
    uint64_t owner = 1000 + number;
    request = path_request(client, WT_OP_CHOWN, path, owner | owner << 32);
    return call(life, client, JOURNAL_SHARD, &request, &completion);
}

static bool make_shared(struct life *life, struct ring_client *client, unsigned number)
{
    char path[16];
    struct wt_wire_completion handle, completion;
    snprintf(path, sizeof(path), "/shared%u", number);
    uint64_t flags = O_RDWR | O_CREAT;
    struct wt_request request = path_request(client, WT_OP_OPEN, path, flags << 32 | 0666);
    if (!call(life, client, JOURNAL_SHARD, &request, &handle))
        return false;
    request = (struct wt_request){.opcode = WT_OP_TRUNCATE,
                                  .level = WT_LEVEL_STABLE,
                                  .handle_index = (uint32_t)handle.result,
                                  .handle_generation = (uint32_t)handle.offset,
                                  .offset = SHARED_FILE_BYTES};
    unsigned shard = (unsigned)(handle.offset >> 32);
    if (!call(life, client, shard, &request, &completion))
        return false;
    request.opcode = WT_OP_CLOSE;
    request.level = 0;
    request.offset = 0;
    return call(life, client, shard, &request, &completion);
}

static bool set_up(struct life *life)
{
    struct ring_client client;
    if (!verify_connect(&life->world, &client))
        return false;
    bool right = true;
    for (unsigned i = 0; i < ACTORS && right; i++)
        right = make_directory(life, &client, i);
    for (unsigned i = 0; i < SHARED_FILES && right; i++)
        right = make_shared(life, &client, i);
    life->shared[1].overlapping = true;
    struct wt_wire_completion completion;
    struct wt_request request = {.opcode = WT_OP_SYNCFS, .handle_index = WT_NO_HANDLE};
    right = right && call(life, &client, JOURNAL_SHARD, &request, &completion);
    return world_end_session(&life->world, &client) && right;
}

/* ---- looking at everything ---- */

static bool verify_all(struct life *life, enum property property)
{
    struct ring_client client;
    struct world *world = &life->world;
    if (!verify_connect(world, &client))
        return false;
    bool right = true;
    for (unsigned i = 0; i < ACTORS; i++)
        right &= verify_actor(world, &client, &life->actors[i], property);
    for (unsigned i = 0; i < SHARED_FILES; i++)
        right &= verify_shared(world, &client, &life->shared[i], i, property);
    return world_end_session(world, &client) && right;
}

/* ---- work ---- */

/* A client dies, and another comes in its place. What the dead one had in flight is made or not; a sync of
 * everything makes that durable, so that it can be looked at and is the truth. */
static bool kill_actor(struct life *life, struct actor *actor)
{
    struct world *world = &life->world;
    struct ring_client client;
    if (!world_end_session(world, &actor->client))
        return false;
    world->report->sessions_killed++;
    actor_forget(actor);
    if (!verify_connect(world, &client))
        return false;
    uint64_t tick = ++world->tick;
    struct wt_wire_completion completion;
    struct wt_request request = {.opcode = WT_OP_SYNCFS, .handle_index = WT_NO_HANDLE};
    if (!call(life, &client, JOURNAL_SHARD, &request, &completion))
        return false;
    for (unsigned i = 0; i < actor->files_count; i++)
        file_model_synced(actor->files_known[i], UINT64_MAX, tick);
    name_model_synced(&actor->names, tick);
    bool right = verify_actor(world, &client, actor, PROPERTY_LIVE);
    return world_end_session(world, &client) && right && actor_connect(actor);
}

/* False: no use going on. */
static bool work(struct life *life)
{
    struct world *world = &life->world;
    struct random_source *random = &world->random;
    for (unsigned i = 0; i < ACTORS; i++) {
        if (!actor_connect(&life->actors[i]))
            return false;
    }
    world_set_faults(world, true);
    uint64_t steps = 200 + random_below(random, 6000);
    /* How eager the clients are: from one request at a time to full slots. */
    uint64_t calm = 1 + random_below(random, 6);
    for (uint64_t step = 0; step < steps && world->report->violations == 0; step++) {
        world_step(world);
        if (random_one_in(random, calm))
            actor_step(&life->actors[random_below(random, ACTORS)]);
        if (!world->faulty && random_one_in(random, 6000) &&
            !kill_actor(life, &life->actors[random_below(random, ACTORS)]))
            return false;
    }
    return world->report->violations == 0;
}

/* ---- ends ---- */

static void forget_all(struct life *life)
{
    for (unsigned i = 0; i < ACTORS; i++)
        actor_forget(&life->actors[i]);
}

/* Half of the cuts come while a block of the journal is being written, after its clients have piled up: those
 * tear what recovery must recognise. The others come anywhere. */
static void await_journal_write(struct life *life)
{
    struct world *world = &life->world;
    if (random_one_in(&world->random, 2))
        return;
    for (unsigned i = 0; i < JOURNAL_WAIT_STEPS && world->report->violations == 0; i++) {
        if (i > JOURNAL_WAIT_STEPS / 8 && world_journal_in_flight(world))
            return;
        actor_step(&life->actors[random_below(&world->random, ACTORS)]);
        world_step(world);
    }
}

static bool end_by_cut(struct life *life)
{
    struct world *world = &life->world;
    await_journal_write(life);
    if (world->report->violations > 0)
        return false;
    world->report->volumes_failed += world_read_only(world);
    world_cut(world);
    forget_all(life);
    return world_recover(world) && verify_all(life, PROPERTY_STABLE);
}

/* Everything that was acknowledged is there after a clean stop, whatever its level. */
static void acknowledge_all(struct life *life)
{
    uint64_t tick = life->world.tick;
    for (unsigned a = 0; a < ACTORS; a++) {
        struct actor *actor = &life->actors[a];
        for (unsigned i = 0; i < actor->files_count; i++)
            file_model_synced(actor->files_known[i], UINT64_MAX, tick);
        name_model_synced(&actor->names, tick);
    }
    for (unsigned i = 0; i < SHARED_FILES; i++)
        shared_synced(&life->shared[i], ~0u, tick);
}

static bool end_by_stop(struct life *life)
{
    struct world *world = &life->world;
    world_set_faults(world, false);
    for (unsigned i = 0; i < ACTORS; i++) {
        if (!world_end_session(world, &life->actors[i].client))
            return false;
    }
    bool errors = world_had_errors(world);
    int result = world_stop(world);
    if (result < 0 && !errors) {
        report_violation(world->report, PROPERTY_STOP, "a clean stop ended with %d", result);
        return false;
    }
    forget_all(life);
    if (result == 0 && !errors)
        acknowledge_all(life);
    /* Now and then the machine goes down after it. Always where a flush has failed: what that lost can still
     * be read until the power goes, so what is seen before would not be what is there. */
    if (errors || random_one_in(&world->random, 2))
        world_cut(world);
    if (!errors)
        world_check(world, "after a clean stop");
    return world_start(world) && verify_all(life, PROPERTY_STOP);
}

void life_run(uint64_t seed, bool verbose, struct report *report)
{
    static struct life life;
    *report = (struct report){.seed = seed};
    world_create(&life.world, seed, report, verbose);
    for (unsigned i = 0; i < ACTORS; i++)
        actor_init(&life.actors[i], &life.world, i, life.shared, life.actors);
    bool alive = world_start(&life.world) && set_up(&life);
    /* The first round ends in a power cut; half of the seeds go on. */
    struct random_source *random = &life.world.random;
    uint64_t rounds = 1 + (random_one_in(random, 2) ? random_below(random, ROUNDS_MAX) : 0);
    for (uint64_t round = 0; round < rounds && alive; round++) {
        alive = work(&life);
        bool stop = round > 0 && random_one_in(random, 4);
        alive = alive && (stop ? end_by_stop(&life) : end_by_cut(&life));
        alive = alive && report->violations == 0;
        if (verbose)
            fprintf(stderr, "seed %llu round %llu: %llu operations, %llu violations\n",
                    (unsigned long long)seed, (unsigned long long)round,
                    (unsigned long long)report->operations, (unsigned long long)report->violations);
    }
    digest_add(&report->digest, life.world.tick);
}
