#include "tests/sim/actor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void actor_init(struct actor *actor, struct world *world, unsigned number,
                struct shared_model *shared, struct actor *peers)
{
    *actor = (struct actor){.world = world, .number = number, .shared = shared, .peers = peers};
    name_model_init(&actor->names, number);
}

bool actor_connect(struct actor *actor)
{
    struct credentials who = {.uid = 1000 + actor->number, .gid = 1000 + actor->number};
    uint32_t entries = 8u << random_below(&actor->world->random, 4);
    int error = ring_client_create(&actor->client, world_sessions(actor->world, JOURNAL_SHARD),
                                   entries, ARENA_BYTES, &who);
    if (error)
        report_violation(actor->world->report, PROPERTY_ERRORS, "session_create: %d", error);
    actor->connected = error == 0;
    return actor->connected;
}

void actor_forget(struct actor *actor)
{
    for (unsigned i = 0; i < ACTOR_SLOTS; i++) {
        struct action_state *state = &actor->slots[i];
        stamps_free(&state->live);
        /* Perhaps it was never taken from the ring. */
        if (state->used && state->action == ACTION_SHARED_WRITE)
            shared_done(&actor->shared[state->shared], state->shared_write, true, false, 0);
        *state = (struct action_state){0};
    }
    memset(actor->handles, 0, sizeof(actor->handles));
    memset(actor->shared_handles, 0, sizeof(actor->shared_handles));
    actor->listing = (struct handle){0};
    actor->connected = actor->names_busy = actor->frozen = false;
}

/* With --verbose: every request and every answer. */
static void trace(const struct actor *actor, const struct action_state *state,
                  const struct wt_wire_completion *completion)
{
    if (!actor->world->verbose)
        return;
    const struct wt_request *request = &state->request;
    bool has_path = request->handle_index == WT_NO_HANDLE && request->length;
    fprintf(stderr, "%8llu client %u slot %u opcode %u level %u offset %llu length %u file %d %.*s",
            (unsigned long long)actor->world->tick, actor->number, (unsigned)(state - actor->slots),
            request->opcode, request->level, (unsigned long long)request->offset, request->length,
            state->file ? (int)state->file->id : -(int)state->shared - 1,
            has_path ? (int)request->length : 0,
            (const char *)actor->client.arena + request->arena_offset);
    if (request->opcode == WT_OP_RENAME)
        fprintf(stderr, " %.*s", (int)request->length2,
                (const char *)actor->client.arena + request->arena_offset2);
    if (request->opcode == WT_OP_WRITE)
        fprintf(stderr, " stamp %llu", (unsigned long long)actor->world->stamps);
    if (completion)
        fprintf(stderr, " -> %lld", (long long)completion->result);
    fputc('\n', stderr);
}

/* ---- helpers ---- */

static unsigned slot_number(const struct actor *actor, const struct action_state *state)
{
    return (unsigned)(state - actor->slots);
}

static uint32_t slot_offset(const struct actor *actor, const struct action_state *state)
{
    return slot_number(actor, state) * SLOT_BYTES;
}

unsigned char *actor_data(struct actor *actor, const struct action_state *state)
{
    return actor->client.arena + slot_offset(actor, state) + SLOT_PATH_BYTES;
}

void actor_path(struct actor *actor, struct action_state *state, bool second, const char *path)
{
    uint32_t offset = slot_offset(actor, state) + (second ? SLOT_PATH_BYTES / 2 : 0);
    uint32_t length = (uint32_t)strlen(path);
    memcpy(actor->client.arena + offset, path, length);
    if (second) {
        state->request.arena_offset2 = offset;
        state->request.length2 = length;
    } else {
        state->request.arena_offset = offset;
        state->request.length = length;
    }
}

void actor_submit(struct actor *actor, struct action_state *state, unsigned shard)
{
    struct world *world = actor->world;
    state->used = true;
    state->request.user_data = slot_number(actor, state);
    state->submit_tick = ++world->tick;
    state->was_read_only = shard_volume(world->shards[shard])->read_only;
    /* A close waits for the others, and the handle of an open is only being made. */
    if (state->handle && state->action != ACTION_CLOSE && state->action != ACTION_OPEN)
        state->handle->in_flight++;
    world->report->operations++;
    trace(actor, state, NULL);
    if (!ring_client_put(&actor->client, shard, &state->request))
        abort(); /* a ring has more places than we have slots */
}

struct file_model *actor_new_file(struct actor *actor)
{
    struct file_model *file = file_model_create(actor->files_count);
    if (actor->files_count < sizeof(actor->files_known) / sizeof(actor->files_known[0]))
        actor->files_known[actor->files_count++] = file;
    return file;
}

uint8_t actor_level(struct actor *actor)
{
    struct world *world = actor->world;
    unsigned choice = (unsigned)random_below(&world->random, 10);
    if (world->names_above_all && choice < 8)
        return WT_LEVEL_BEHIND;
    return choice < 3 ? WT_LEVEL_BEHIND : choice < 7 ? WT_LEVEL_THROUGH : WT_LEVEL_STABLE;
}

static void by_handle(struct action_state *state, struct handle *handle, enum action action,
                      uint8_t opcode)
{
    state->action = action;
    state->handle = handle;
    state->file = handle->file;
    state->request.opcode = opcode;
    state->request.handle_index = handle->index;
    state->request.handle_generation = handle->generation;
}

static void data_range(struct actor *actor, struct action_state *state, uint64_t offset,
                       uint64_t length)
{
    state->request.offset = offset;
    state->request.arena_offset = slot_offset(actor, state) + SLOT_PATH_BYTES;
    state->request.length = (uint32_t)length;
}

static uint32_t maybe_direct(struct actor *actor)
{
    return random_one_in(&actor->world->random, 5) ? WT_REQUEST_DIRECT : 0;
}

/* ---- data ---- */

/* Mostly small, in all alignments. */
static uint64_t pick_length(struct actor *actor, const struct action_state *state)
{
    struct random_source *random = &actor->world->random;
    bool big = slot_number(actor, state) == ACTOR_SLOTS - 1;
    switch (random_below(random, big ? 12 : 10)) {
    case 0:
    case 1:
    case 2:
    case 3:
        return 1 + random_below(random, 700);
    case 4:
    case 5:
        return 4096 * (1 + random_below(random, 4));
    case 6:
    case 7:
        return 1 + random_below(random, 20000);
    case 8:
        return 1 + random_below(random, 65536);
    case 9:
        return 1 + random_below(random, SLOT_DATA_MAX);
    default:
        return 1 + random_below(random, BIG_DATA_MAX);
    }
}

static uint64_t pick_offset(struct actor *actor, const struct file_model *file)
{
    struct random_source *random = &actor->world->random;
    uint64_t reach = file->live_size + 1;
    if (random_one_in(random, 8))
        reach += 40000;
    uint64_t offset = random_below(random, reach);
    if (random_one_in(random, 3))
        offset &= ~(uint64_t)4095;
    return offset;
}

static void begin_write(struct actor *actor, struct action_state *state, struct handle *handle)
{
    struct world *world = actor->world;
    struct file_model *file = handle->file;
    bool appends = random_one_in(&world->random, 4) && !file->uncertain;
    uint64_t offset = appends ? file->live_size : pick_offset(actor, file);
    uint64_t length = pick_length(actor, state);
    if (offset + length > FILE_MODEL_BYTES_MAX) {
        appends = false;
        offset = random_below(&world->random, FILE_MODEL_BYTES_MAX - length);
    }
    by_handle(state, handle, ACTION_WRITE, WT_OP_WRITE);
    data_range(actor, state, offset, length);
    state->request.flags = maybe_direct(actor);
    if (appends) {
        state->request.offset = 0;
        state->request.flags |= WT_REQUEST_APPEND;
    }
    state->request.level = actor_level(actor);
    uint64_t stamp = world_stamp(world);
    pattern_fill(stamp, offset, actor_data(actor, state), length);
    state->live_size = offset;
    state->order = file_model_write(file, offset, offset + length, stamp);
    state->changes_file = true;
    actor_submit(actor, state, handle->shard);
}

static void begin_read(struct actor *actor, struct action_state *state, struct handle *handle)
{
    by_handle(state, handle, ACTION_READ, WT_OP_READ);
    data_range(actor, state, pick_offset(actor, handle->file), pick_length(actor, state));
    state->request.flags = maybe_direct(actor);
    /* What the server does not fill in must not look right. */
    memset(actor_data(actor, state), 0xdd, state->request.length);
    state->live_size = handle->file->live_size;
    stamps_copy(&state->live, &handle->file->live);
    actor_submit(actor, state, handle->shard);
}

static void begin_truncate(struct actor *actor, struct action_state *state, struct handle *handle)
{
    struct random_source *random = &actor->world->random;
    struct file_model *file = handle->file;
    uint64_t size = random_below(random, file->live_size + file->live_size / 2 + 2);
    if (size > FILE_MODEL_BYTES_MAX)
        size = FILE_MODEL_BYTES_MAX;
    by_handle(state, handle, ACTION_TRUNCATE, WT_OP_TRUNCATE);
    state->request.offset = size;
    state->request.level = actor_level(actor);
    state->order = file_model_truncate(file, size);
    state->changes_file = true;
    actor_submit(actor, state, handle->shard);
}

static void begin_range(struct actor *actor, struct action_state *state, struct handle *handle)
{
    static const uint32_t modes[] = {
        0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
        FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
    uint32_t mode = modes[random_below(&actor->world->random, sizeof(modes) / sizeof(modes[0]))];
    uint64_t offset = pick_offset(actor, handle->file), length = pick_length(actor, state);
    if (offset > FILE_MODEL_BYTES_MAX - length)
        offset = FILE_MODEL_BYTES_MAX - length;
    by_handle(state, handle, ACTION_RANGE, WT_OP_ALLOCATE);
    state->request.offset = offset;
    state->request.argument = length;
    state->request.length = mode;
    state->request.level = actor_level(actor);
    bool zeroes = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
    state->order = file_model_range(handle->file, offset, offset + length, zeroes,
                                    !(mode & FALLOC_FL_KEEP_SIZE));
    state->changes_file = true;
    actor_submit(actor, state, handle->shard);
}

static void begin_sync(struct actor *actor, struct action_state *state, struct handle *handle)
{
    by_handle(state, handle, ACTION_SYNC, WT_OP_SYNC);
    if (random_one_in(&actor->world->random, 2))
        state->request.flags = WT_REQUEST_DATASYNC;
    state->order = handle->file->next_order;
    actor_submit(actor, state, handle->shard);
}

static void begin_fstat(struct actor *actor, struct action_state *state, struct handle *handle)
{
    by_handle(state, handle, ACTION_FSTAT, WT_OP_FSTAT);
    state->request.arena_offset2 = slot_offset(actor, state) + SLOT_PATH_BYTES;
    state->request.length2 = sizeof(struct wt_wire_stat);
    state->live_size = handle->file->live_size;
    /* With something in flight, nobody can say. */
    state->order = handle->in_flight == 0 ? handle->file->next_order : 0;
    actor_submit(actor, state, handle->shard);
}

static void begin_syncfs(struct actor *actor, struct action_state *state)
{
    state->action = ACTION_SYNCFS;
    state->request.opcode = WT_OP_SYNCFS;
    actor_submit(actor, state, JOURNAL_SHARD);
}

static struct handle *pick_handle(struct actor *actor)
{
    unsigned start = (unsigned)random_below(&actor->world->random, ACTOR_HANDLES);
    for (unsigned i = 0; i < ACTOR_HANDLES; i++) {
        struct handle *handle = &actor->handles[(start + i) % ACTOR_HANDLES];
        if (handle->open && !handle->closing)
            return handle;
    }
    return NULL;
}

static bool begin_data(struct actor *actor, struct action_state *state)
{
    struct handle *handle = pick_handle(actor);
    if (!handle || handle->file->wild)
        return false;
    unsigned choice = (unsigned)random_below(&actor->world->random, 100);
    if (choice < 42 && !handle->read_only)
        begin_write(actor, state, handle);
    else if (choice < 65)
        begin_read(actor, state, handle);
    else if (choice < 72 && !handle->read_only)
        begin_truncate(actor, state, handle);
    else if (choice < 84 && !handle->read_only)
        begin_range(actor, state, handle);
    else if (choice < 93)
        begin_sync(actor, state, handle);
    else
        begin_fstat(actor, state, handle);
    return true;
}

/* ---- shared files ---- */

static void pick_shared_range(struct actor *actor, struct action_state *state, bool overlapping)
{
    struct random_source *random = &actor->world->random;
    if (overlapping) {
        uint64_t pages = 1 + random_below(random, SHARED_WHOLE_MAX / 4096);
        uint64_t first = random_below(random, SHARED_FILE_BYTES / 4096 - pages + 1);
        data_range(actor, state, first * 4096, pages * 4096);
        return;
    }
    /* Parts end in the middle of pages. */
    uint64_t part = SHARED_FILE_BYTES / ACTORS;
    uint64_t length = 1 + random_below(random, 12000);
    uint64_t offset = actor->number * part + random_below(random, part - length);
    data_range(actor, state, offset, length);
}

static void begin_shared_open(struct actor *actor, struct action_state *state)
{
    static const char *const paths[SHARED_FILES] = {"/shared0", "/shared1"};
    state->action = ACTION_SHARED_OPEN;
    state->request.opcode = WT_OP_OPEN;
    state->request.level = WT_LEVEL_THROUGH;
    state->request.argument = 2ull << 32; /* O_RDWR */
    actor_path(actor, state, false, paths[state->shared]);
    actor->names_busy = true;
    actor_submit(actor, state, JOURNAL_SHARD);
}

static bool begin_shared(struct actor *actor, struct action_state *state)
{
    struct world *world = actor->world;
    state->shared = (unsigned)random_below(&world->random, SHARED_FILES);
    struct handle *handle = &actor->shared_handles[state->shared];
    struct shared_model *model = &actor->shared[state->shared];
    if (!handle->open) {
        if (actor->names_busy)
            return false;
        begin_shared_open(actor, state);
        return true;
    }
    unsigned choice = (unsigned)random_below(&world->random, 10);
    if (choice < 5) {
        by_handle(state, handle, ACTION_SHARED_WRITE, WT_OP_WRITE);
        pick_shared_range(actor, state, model->overlapping);
        state->request.flags = maybe_direct(actor);
        state->request.level = actor_level(actor);
        uint64_t stamp = world_stamp(world), start = state->request.offset;
        uint64_t end = start + state->request.length;
        pattern_fill(stamp, start, actor_data(actor, state), end - start);
        actor_submit(actor, state, handle->shard);
        state->shared_write =
            shared_submit(model, actor->number, start, end, stamp, state->submit_tick);
    } else if (choice < 9) {
        by_handle(state, handle, ACTION_SHARED_READ, WT_OP_READ);
        pick_shared_range(actor, state, true);
        state->request.flags = maybe_direct(actor);
        memset(actor_data(actor, state), 0xdd, state->request.length);
        actor_submit(actor, state, handle->shard);
    } else {
        by_handle(state, handle, ACTION_SHARED_SYNC, WT_OP_SYNC);
        actor_submit(actor, state, handle->shard);
    }
    return true;
}

/* ---- a step ---- */

static void begin_something(struct actor *actor, struct action_state *state)
{
    unsigned choice = (unsigned)random_below(&actor->world->random, 100);
    unsigned names = actor->world->names_above_all ? 85 : 20;
    *state = (struct action_state){.request.handle_index = WT_NO_HANDLE};
    if (choice < names) {
        if (!actor->names_busy && !actor->frozen)
            actor_begin_names(actor, state);
    } else if (choice < names + (100 - names) / 4) {
        begin_shared(actor, state);
    } else if (random_one_in(&actor->world->random, 60)) {
        begin_syncfs(actor, state);
    } else {
        begin_data(actor, state);
    }
}

void actor_step(struct actor *actor)
{
    struct wt_wire_completion completion;
    while (ring_client_take(&actor->client, &completion)) {
        struct action_state *state =
            completion.user_data < ACTOR_SLOTS ? &actor->slots[completion.user_data] : NULL;
        if (!state || !state->used) {
            report_violation(actor->world->report, PROPERTY_LIVE,
                             "an answer to a request that nobody made");
            return;
        }
        digest_add(&actor->world->report->digest, (uint64_t)completion.result);
        digest_add(&actor->world->report->digest, completion.offset);
        trace(actor, state, &completion);
        actor_answer(actor, state, &completion);
    }
    unsigned slot = (unsigned)random_below(&actor->world->random, ACTOR_SLOTS);
    if (!actor->slots[slot].used)
        begin_something(actor, &actor->slots[slot]);
}
