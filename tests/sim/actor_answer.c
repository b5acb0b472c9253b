/*
 * actor_answer.c - holds an answer against what the models say.
 */
#include "tests/sim/actor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define violation(actor, property, ...) \
    report_violation((actor)->world->report, property, __VA_ARGS__)

/* An error needs a cause: the device failed something, or the volume has failed. */
static void judge_error(struct actor *actor, const struct action_state *state, int64_t result)
{
    struct world *world = actor->world;
    world->report->failed_operations++;
    bool device = world_had_errors(world) || world_read_errors(world);
    if ((result == -EIO && device) || (result == -EROFS && world_had_errors(world)))
        return;
    violation(actor, PROPERTY_ERRORS, "opcode %u failed with %lld without a cause",
              state->request.opcode, (long long)result);
}

/* A sync may succeed on a failed volume, of a file of which nothing is left to do: whether that was true is
 * seen after the next cut. */
static void judge_success(struct actor *actor, const struct action_state *state)
{
    if (state->was_read_only)
        violation(actor, PROPERTY_ERRORS,
                  "opcode %u level %u succeeded on a volume that had failed", state->request.opcode,
                  state->request.level);
}

/* Expectations are exact as long as nothing has gone wrong. */
static bool is_exact(const struct actor *actor, const struct file_model *file)
{
    return !file->uncertain && !file->wild && !world_had_errors(actor->world);
}

/* ---- data ---- */

/* After a failure the file may end where it did before, and an append that is on its way lands there. */
static void appends_are_lost(struct actor *actor, struct file_model *file)
{
    for (unsigned i = 0; i < ACTOR_SLOTS; i++) {
        const struct action_state *state = &actor->slots[i];
        if (state->used && state->file == file && state->action == ACTION_WRITE &&
            state->request.flags & WT_REQUEST_APPEND)
            file->wild = true;
    }
}

static void change_answered(struct actor *actor, struct action_state *state, int64_t result,
                            int64_t expected)
{
    struct file_model *file = state->file;
    bool failed = result < 0;
    if (failed) {
        judge_error(actor, state, result);
        appends_are_lost(actor, file);
    } else {
        /* Of an empty file there is nothing to truncate. */
        if (state->action != ACTION_TRUNCATE || state->request.offset != 0)
            judge_success(actor, state);
        if (result != expected)
            violation(actor, PROPERTY_LIVE, "a write of %lld bytes wrote %lld", (long long)expected,
                      (long long)result);
    }
    file_model_done(file, state->order, failed, state->request.level != WT_LEVEL_BEHIND,
                    actor->world->tick);
    if (!failed && state->request.level == WT_LEVEL_STABLE)
        file_model_stable(file, state->order, state->submit_tick);
}

static void write_answered(struct actor *actor, struct action_state *state,
                           const struct wt_wire_completion *completion)
{
    bool appended = state->request.flags & WT_REQUEST_APPEND;
    if (appended && completion->result >= 0 && completion->offset != state->live_size) {
        if (is_exact(actor, state->file))
            violation(actor, PROPERTY_LIVE, "an append landed at %llu, not at %llu",
                      (unsigned long long)completion->offset, (unsigned long long)state->live_size);
        state->file->wild = true;
    }
    change_answered(actor, state, completion->result, state->request.length);
    /* Where a failed append would have landed is not known either. */
    if (appended && completion->result < 0)
        state->file->wild = true;
}

static void read_answered(struct actor *actor, struct action_state *state, int64_t result)
{
    struct file_model *file = state->file;
    uint64_t offset = state->request.offset, length = state->request.length;
    if (result < 0) {
        judge_error(actor, state, result);
        return;
    }
    if (file->wild)
        return;
    bool exact = is_exact(actor, file);
    uint64_t there = state->live_size > offset ? state->live_size - offset : 0;
    uint64_t expected = there < length ? there : length;
    if ((exact && (uint64_t)result != expected) || (uint64_t)result > length) {
        violation(actor, PROPERTY_LIVE, "a read of %llu at %llu of %llu bytes brought %lld",
                  (unsigned long long)length, (unsigned long long)offset,
                  (unsigned long long)state->live_size, (long long)result);
        return;
    }
    uint64_t where;
    if (!file_model_check_read(file, &state->live, exact, offset, actor_data(actor, state),
                               (uint64_t)result, &where))
        violation(actor, PROPERTY_LIVE,
                  "client %u file %u: a read of %lld at %llu is wrong at %llu (%s)", actor->number,
                  file->id, (long long)result, (unsigned long long)offset,
                  (unsigned long long)where, exact ? "exact" : "after errors");
}

/* fsync of a file makes its name durable too (not that it has none any more). */
static void settle_name_of(struct actor *actor, const struct action_state *state)
{
    struct name_model *names = &actor->names;
    uint64_t tick = 0;
    if (state->request.flags & WT_REQUEST_DATASYNC)
        return;
    for (unsigned i = 0; i < names->change_count; i++) {
        const struct tree_change *change = &names->changes[i];
        if (change->record.file == state->file && change->kind != NAME_REMOVE && change->done &&
            change->done_tick <= state->submit_tick)
            tick = change->done_tick;
    }
    name_model_synced(names, tick);
}

static void sync_answered(struct actor *actor, struct action_state *state, int64_t result)
{
    if (result < 0) {
        judge_error(actor, state, result);
        file_model_sync_failed(state->file);
        return;
    }
    bool exact = is_exact(actor, state->file);
    file_model_synced(state->file, state->order, exact ? UINT64_MAX : state->submit_tick);
    if (exact)
        settle_name_of(actor, state);
}

/* Everything anybody had acknowledged, of everybody. */
static void syncfs_answered(struct actor *actor, struct action_state *state, int64_t result)
{
    if (result < 0) {
        judge_error(actor, state, result);
        return;
    }
    if (world_had_errors(actor->world))
        return;
    for (unsigned a = 0; a < ACTORS; a++) {
        struct actor *peer = &actor->peers[a];
        for (unsigned i = 0; i < peer->files_count; i++)
            file_model_synced(peer->files_known[i], UINT64_MAX, state->submit_tick);
        name_model_synced(&peer->names, state->submit_tick);
    }
    for (unsigned i = 0; i < SHARED_FILES; i++)
        shared_synced(&actor->shared[i], ~0u, state->submit_tick);
}

static void check_size(struct actor *actor, const struct action_state *state,
                       const struct wt_wire_stat *stat)
{
    const struct file_model *file = state->file;
    if (!is_exact(actor, file) || state->order == 0 || file->next_order != state->order)
        return;
    if (stat->size_bytes != state->live_size)
        violation(actor, PROPERTY_LIVE, "a file of %llu bytes says it has %llu",
                  (unsigned long long)state->live_size, (unsigned long long)stat->size_bytes);
}

static void stat_answered(struct actor *actor, struct action_state *state, int64_t result)
{
    if (result < 0) {
        judge_error(actor, state, result);
        return;
    }
    struct wt_wire_stat stat;
    memcpy(&stat, actor_data(actor, state), sizeof(stat));
    bool is_file = S_ISREG(stat.mode);
    if (is_file != (state->file != NULL) || stat.uid != 1000 + actor->number)
        violation(actor, PROPERTY_LIVE, "stat says mode %o, uid %u", stat.mode, stat.uid);
    else if (is_file)
        check_size(actor, state, &stat);
}

/* ---- shared files ---- */

static void shared_write_answered(struct actor *actor, struct action_state *state, int64_t result)
{
    struct shared_model *model = &actor->shared[state->shared];
    bool failed = result < 0;
    if (failed)
        judge_error(actor, state, result);
    else if (result != state->request.length)
        violation(actor, PROPERTY_LIVE, "a shared write of %u bytes wrote %lld",
                  state->request.length, (long long)result);
    else
        judge_success(actor, state);
    shared_done(model, state->shared_write, failed, state->request.level == WT_LEVEL_STABLE,
                actor->world->tick);
}

static void shared_read_answered(struct actor *actor, struct action_state *state, int64_t result)
{
    if (result < 0) {
        judge_error(actor, state, result);
        return;
    }
    if (result != state->request.length) {
        violation(actor, PROPERTY_LIVE, "a shared read of %u bytes brought %lld",
                  state->request.length, (long long)result);
        return;
    }
    bool errors = world_had_errors(actor->world);
    struct shared_look look = {
        .client = actor->number,
        .offset = state->request.offset,
        .size_bytes = (uint64_t)result,
        .bytes = actor_data(actor, state),
        .submit_tick = state->submit_tick,
        .after_crash = errors, /* an acknowledged write that failed behind may show no more */
    };
    uint64_t where;
    if (!shared_check(&actor->shared[state->shared], &look, NULL, &where))
        violation(actor, look.torn ? PROPERTY_TORN : PROPERTY_LIVE,
                  "client %u: shared file %u, a read of %lld at %llu: %s at %llu%s", actor->number,
                  state->shared, (long long)result, (unsigned long long)look.offset,
                  look.torn ? "half a request" : "wrong or old bytes", (unsigned long long)where,
                  errors ? " (after errors)" : "");
}

static void shared_sync_answered(struct actor *actor, struct action_state *state, int64_t result)
{
    struct shared_model *model = &actor->shared[state->shared];
    if (result < 0) {
        judge_error(actor, state, result);
        shared_sync_failed(model);
    } else {
        /* Another client's error may have been told to that client alone. */
        if (!world_had_errors(actor->world))
            shared_synced(model, actor->number, state->submit_tick);
    }
}

/* ---- names ---- */

static void settle_change_of_names(struct actor *actor, const struct action_state *state,
                                   int64_t result)
{
    if (!state->changes_names)
        return;
    if (result < 0) {
        /* Whether it was made, and how much of that is durable, will be seen. */
        actor->frozen = true;
        return;
    }
    name_model_done(&actor->names, state->request.level != WT_LEVEL_BEHIND, actor->world->tick);
}

static void install_handle(struct handle *handle, const struct wt_wire_completion *completion)
{
    handle->open = true;
    handle->index = (uint32_t)completion->result;
    handle->generation = (uint32_t)completion->offset;
    handle->shard = (unsigned)(completion->offset >> 32);
}

static void open_answered(struct actor *actor, struct action_state *state,
                          const struct wt_wire_completion *completion)
{
    int64_t result = completion->result;
    actor->names_busy = false;
    settle_change_of_names(actor, state, result);
    if (state->changes_file)
        change_answered(actor, state, result < 0 ? result : 0, 0);
    else if (result < 0)
        judge_error(actor, state, result);
    if (result < 0)
        *state->handle = (struct handle){0};
    else
        install_handle(state->handle, completion);
}

static void close_answered(struct actor *actor, struct action_state *state, int64_t result)
{
    actor->names_busy = false;
    if (result < 0)
        judge_error(actor, state, result);
    else if (state->handle->in_flight)
        violation(actor, PROPERTY_LIVE, "a handle was closed under %u requests",
                  state->handle->in_flight);
    *state->handle = (struct handle){0};
}

static void names_answered(struct actor *actor, struct action_state *state, int64_t result)
{
    actor->names_busy = false;
    if (result < 0)
        judge_error(actor, state, result);
    else
        judge_success(actor, state);
    if (result >= 0 && state->request.opcode == WT_OP_LINK)
        state->handle->nameless = false;
    settle_change_of_names(actor, state, result);
}

static void wrong_answered(struct actor *actor, struct action_state *state, int64_t result)
{
    actor->names_busy = false;
    /* A failed volume refuses some of them before it looks. */
    if (result == state->expected_error || (result == -EROFS && world_had_errors(actor->world)))
        return;
    /* An empty directory may be unlinked by nobody. */
    violation(actor, PROPERTY_ERRORS, "opcode %u should have failed with %d: %lld",
              state->request.opcode, state->expected_error, (long long)result);
}

/* ---- listing: three requests, with no change of names in between ---- */

static void list_go_on(struct actor *actor, struct action_state *state, enum action action,
                       uint8_t opcode)
{
    unsigned directory = state->shared;
    *state = (struct action_state){.action = action, .shared = directory};
    state->request.opcode = opcode;
    state->request.handle_index = actor->listing.index;
    state->request.handle_generation = actor->listing.generation;
    if (opcode == WT_OP_READDIR) {
        state->request.arena_offset2 = (uint32_t)(actor_data(actor, state) - actor->client.arena);
        state->request.length2 = SLOT_DATA_MAX;
    }
    actor_submit(actor, state, actor->listing.shard);
}

static void check_listing(struct actor *actor, const struct action_state *state,
                          const struct wt_wire_completion *completion)
{
    const struct name_state *live = &actor->names.live;
    const unsigned char *entry = actor_data(actor, state), *end = entry + completion->result;
    unsigned count = 0;
    while (entry < end) {
        struct wt_wire_dirent wire;
        memcpy(&wire, entry, sizeof(wire));
        char name[NAME_TEXT_BYTES];
        memcpy(name, entry + sizeof(wire), wire.name_bytes);
        name[wire.name_bytes] = '\0';
        unsigned number = ~0u;
        const struct name_record *record =
            sscanf(name, "n%u", &number) == 1 ? tree_find(live, state->shared, number) : NULL;
        if (!record)
            violation(actor, PROPERTY_LIVE, "a listing has \"%s\", which is not there", name);
        count++;
        entry += wire.entry_bytes;
    }
    if (count != tree_entries(live, state->shared) || !(completion->flags & WT_COMPLETION_END))
        violation(actor, PROPERTY_LIVE, "a listing has %u entries of %u", count,
                  tree_entries(live, state->shared));
}

static void list_answered(struct actor *actor, struct action_state *state,
                          const struct wt_wire_completion *completion)
{
    if (completion->result < 0) {
        judge_error(actor, state, completion->result);
        actor->names_busy = false;
    } else if (state->action == ACTION_LIST_OPEN) {
        install_handle(&actor->listing, completion);
        list_go_on(actor, state, ACTION_LIST_READ, WT_OP_READDIR);
    } else if (state->action == ACTION_LIST_READ) {
        check_listing(actor, state, completion);
        list_go_on(actor, state, ACTION_LIST_CLOSE, WT_OP_CLOSE);
    } else {
        actor->names_busy = false;
    }
}

static void shared_open_answered(struct actor *actor, struct action_state *state,
                                 const struct wt_wire_completion *completion)
{
    actor->names_busy = false;
    if (completion->result < 0)
        judge_error(actor, state, completion->result);
    else
        install_handle(&actor->shared_handles[state->shared], completion);
}

/* ---- */

static void dispatch(struct actor *actor, struct action_state *state,
                     const struct wt_wire_completion *completion)
{
    int64_t result = completion->result;
    switch (state->action) {
    case ACTION_OPEN:
        open_answered(actor, state, completion);
        break;
    case ACTION_CLOSE:
        close_answered(actor, state, result);
        break;
    case ACTION_WRITE:
        write_answered(actor, state, completion);
        break;
    case ACTION_READ:
        read_answered(actor, state, result);
        break;
    case ACTION_TRUNCATE:
    case ACTION_RANGE:
        change_answered(actor, state, result, 0);
        break;
    case ACTION_SYNC:
        sync_answered(actor, state, result);
        break;
    case ACTION_FSTAT:
    case ACTION_STAT:
        stat_answered(actor, state, result);
        if (state->action == ACTION_STAT)
            actor->names_busy = false;
        break;
    case ACTION_NAMES:
        names_answered(actor, state, result);
        break;
    case ACTION_WRONG:
        wrong_answered(actor, state, result);
        break;
    case ACTION_LIST_OPEN:
    case ACTION_LIST_READ:
    case ACTION_LIST_CLOSE:
        list_answered(actor, state, completion);
        break;
    case ACTION_SYNCFS:
        syncfs_answered(actor, state, result);
        break;
    case ACTION_SHARED_OPEN:
        shared_open_answered(actor, state, completion);
        break;
    case ACTION_SHARED_WRITE:
        shared_write_answered(actor, state, result);
        break;
    case ACTION_SHARED_READ:
        shared_read_answered(actor, state, result);
        break;
    case ACTION_SHARED_SYNC:
        shared_sync_answered(actor, state, result);
        break;
    }
}

void actor_answer(struct actor *actor, struct action_state *state,
                  const struct wt_wire_completion *completion)
{
    state->used = false;
    if (state->handle && state->action != ACTION_CLOSE && state->action != ACTION_OPEN)
        state->handle->in_flight--;
    dispatch(actor, state, completion);
    if (!state->used)
        stamps_free(&state->live);
}
