/*
 * actor_names.c - what an actor does with names. One at a time, so the live state is always known.
 */
#include "tests/sim/actor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define NAMES_USED           8u
#define DIRECTORIES_MAX      4u
#define FILES_MAX            8u
#define RENAME_EXCHANGE_FLAG 2u

static void begin(struct actor *actor, struct action_state *state, enum action action,
                  uint8_t opcode)
{
    state->action = action;
    state->request.opcode = opcode;
    actor->names_busy = true;
}

static void path_of(struct actor *actor, struct action_state *state, bool second,
                    unsigned directory, unsigned name)
{
    char path[NAME_PATH_BYTES];
    tree_path(&actor->names, &actor->names.live, directory, name, path);
    actor_path(actor, state, second, path);
}

static unsigned pick_directory(struct actor *actor)
{
    const struct name_state *live = &actor->names.live;
    unsigned start = (unsigned)random_below(&actor->world->random, live->count + 1);
    for (unsigned i = start; i < live->count; i++) {
        if (!live->records[i].file)
            return live->records[i].number;
    }
    return ROOT_DIRECTORY;
}

static unsigned pick_name(struct actor *actor)
{
    return (unsigned)random_below(&actor->world->random, NAMES_USED);
}

static const struct name_record *pick_record(struct actor *actor)
{
    const struct name_state *live = &actor->names.live;
    if (live->count == 0)
        return NULL;
    return &live->records[random_below(&actor->world->random, live->count)];
}

static unsigned count_kind(const struct name_state *state, bool directories)
{
    unsigned count = 0;
    for (unsigned i = 0; i < state->count; i++)
        count += (state->records[i].file == NULL) == directories;
    return count;
}

static struct handle *handle_of(struct actor *actor, const struct file_model *file)
{
    for (unsigned i = 0; i < ACTOR_HANDLES; i++) {
        if (actor->handles[i].open && actor->handles[i].file == file)
            return &actor->handles[i];
    }
    return NULL;
}

static struct handle *free_handle(struct actor *actor)
{
    for (unsigned i = 0; i < ACTOR_HANDLES; i++) {
        if (!actor->handles[i].open && actor->handles[i].file == NULL)
            return &actor->handles[i];
    }
    return NULL;
}

static uint64_t open_argument(unsigned flags)
{
    return (uint64_t)flags << 32 | 0644;
}

static void submit(struct actor *actor, struct action_state *state)
{
    actor_submit(actor, state, JOURNAL_SHARD);
}

static void submit_change(struct actor *actor, struct action_state *state,
                          const struct tree_change *change)
{
    state->request.level = actor_level(actor);
    state->changes_names = true;
    name_model_change(&actor->names, change);
    submit(actor, state);
}

/* ---- opening and closing ---- */

static bool open_new(struct actor *actor, struct action_state *state, struct handle *handle)
{
    unsigned directory = pick_directory(actor), name = pick_name(actor);
    const struct name_state *live = &actor->names.live;
    if (tree_find(live, directory, name) || count_kind(live, false) >= FILES_MAX)
        return false;
    struct file_model *file = actor_new_file(actor);
    begin(actor, state, ACTION_OPEN, WT_OP_OPEN);
    path_of(actor, state, false, directory, name);
    bool read_only = random_one_in(&actor->world->random, 6);
    unsigned flags = O_CREAT | (read_only ? O_RDONLY : O_RDWR);
    if (random_one_in(&actor->world->random, 2))
        flags |= O_EXCL;
    state->request.argument = open_argument(flags);
    handle->file = state->file = file;
    handle->read_only = read_only;
    state->handle = handle;
    struct tree_change change = {.kind = NAME_ADD,
                                 .record = {.directory = directory, .name = name, .file = file}};
    submit_change(actor, state, &change);
    return true;
}

static bool open_old(struct actor *actor, struct action_state *state, struct handle *handle)
{
    const struct name_record *record = pick_record(actor);
    if (!record || !record->file || record->file->wild || handle_of(actor, record->file))
        return false;
    begin(actor, state, ACTION_OPEN, WT_OP_OPEN);
    path_of(actor, state, false, record->directory, record->name);
    unsigned flags = O_RDWR;
    handle->file = state->file = record->file;
    handle->read_only = false;
    state->handle = handle;
    state->request.level = actor_level(actor);
    if (random_one_in(&actor->world->random, 6)) {
        flags |= O_TRUNC;
        state->order = file_model_truncate(record->file, 0);
        state->changes_file = true;
    }
    state->request.argument = open_argument(flags);
    submit(actor, state);
    return true;
}

/* A file without a name is known by its handle alone: no change of names. */
static bool open_unnamed(struct actor *actor, struct action_state *state, struct handle *handle)
{
    struct file_model *file = actor_new_file(actor);
    begin(actor, state, ACTION_OPEN, WT_OP_OPEN);
    path_of(actor, state, false, pick_directory(actor), ~0u);
    state->request.argument = open_argument(O_TMPFILE | O_RDWR);
    state->request.level = actor_level(actor);
    handle->file = state->file = file;
    handle->read_only = false;
    handle->nameless = true;
    state->handle = handle;
    submit(actor, state);
    return true;
}

static bool begin_open(struct actor *actor, struct action_state *state)
{
    struct handle *handle = free_handle(actor);
    if (!handle)
        return false;
    if (random_one_in(&actor->world->random, 6))
        return open_unnamed(actor, state, handle);
    return random_one_in(&actor->world->random, 2) ? open_new(actor, state, handle)
                                                   : open_old(actor, state, handle);
}

static bool begin_close(struct actor *actor, struct action_state *state)
{
    struct handle *handle = &actor->handles[random_below(&actor->world->random, ACTOR_HANDLES)];
    if (!handle->open || handle->closing)
        return false;
    /* Now and then with requests in flight, which are to finish. */
    if (handle->in_flight && !random_one_in(&actor->world->random, 4))
        return false;
    begin(actor, state, ACTION_CLOSE, WT_OP_CLOSE);
    handle->closing = true;
    state->handle = handle;
    state->request.handle_index = handle->index;
    state->request.handle_generation = handle->generation;
    actor_submit(actor, state, handle->shard);
    return true;
}

/* ---- changes ---- */

static bool begin_mkdir(struct actor *actor, struct action_state *state)
{
    unsigned directory = pick_directory(actor), name = pick_name(actor);
    const struct name_state *live = &actor->names.live;
    if (tree_find(live, directory, name) || count_kind(live, true) >= DIRECTORIES_MAX)
        return false;
    begin(actor, state, ACTION_NAMES, WT_OP_MKDIR);
    path_of(actor, state, false, directory, name);
    state->request.argument = 0755;
    struct tree_change change = {
        .kind = NAME_ADD,
        .record = {.directory = directory, .name = name, .number = actor->names.next_directory++}};
    submit_change(actor, state, &change);
    return true;
}

static bool begin_remove(struct actor *actor, struct action_state *state)
{
    const struct name_record *record = pick_record(actor);
    if (!record || (!record->file && tree_entries(&actor->names.live, record->number)))
        return false;
    begin(actor, state, ACTION_NAMES, record->file ? WT_OP_UNLINK : WT_OP_RMDIR);
    path_of(actor, state, false, record->directory, record->name);
    struct tree_change change = {.kind = NAME_REMOVE, .record = *record};
    submit_change(actor, state, &change);
    return true;
}

static bool has_name(const struct name_state *live, const struct file_model *file)
{
    for (unsigned i = 0; i < live->count; i++) {
        if (live->records[i].file == file)
            return true;
    }
    return false;
}

/* Another name for the file of a handle, the first one for one made without; whose names are all gone gets none
 * any more. */
static bool begin_link(struct actor *actor, struct action_state *state)
{
    const struct name_state *live = &actor->names.live;
    struct handle *handle = &actor->handles[random_below(&actor->world->random, ACTOR_HANDLES)];
    unsigned directory = pick_directory(actor), name = pick_name(actor);
    if (!handle->open || handle->closing || tree_find(live, directory, name) ||
        count_kind(live, false) >= FILES_MAX)
        return false;
    bool lost = !handle->nameless && !has_name(live, handle->file);
    begin(actor, state, lost ? ACTION_WRONG : ACTION_NAMES, WT_OP_LINK);
    path_of(actor, state, true, directory, name);
    state->request.flags = WT_REQUEST_OBJECT;
    state->request.handle_index = handle->index;
    state->request.handle_generation = handle->generation;
    state->request.level = actor_level(actor);
    state->handle = handle;
    state->expected_error = -ENOENT;
    if (!lost) {
        struct tree_change change = {
            .kind = NAME_ADD,
            .record = {.directory = directory, .name = name, .file = handle->file}};
        state->changes_names = true;
        name_model_change(&actor->names, &change);
    }
    actor_submit(actor, state, handle->shard);
    return true;
}

static bool may_rename(const struct name_state *live, const struct name_record *from,
                       unsigned directory, const struct name_record *to)
{
    if (!from->file && tree_is_above(live, from->number, directory))
        return false;
    if (!to)
        return true;
    if (to == from || (to->file == NULL) != (from->file == NULL))
        return false;
    if (to->file && to->file == from->file) /* nothing happens then */
        return false;
    return to->file || tree_entries(live, to->number) == 0;
}

static bool may_exchange(const struct name_state *live, const struct name_record *one,
                         const struct name_record *other)
{
    if (!other || one == other)
        return false;
    if (!one->file && tree_is_above(live, one->number, other->directory))
        return false;
    return other->file || !tree_is_above(live, other->number, one->directory);
}

static bool begin_rename(struct actor *actor, struct action_state *state)
{
    const struct name_state *live = &actor->names.live;
    const struct name_record *from = pick_record(actor);
    if (!from)
        return false;
    unsigned directory = pick_directory(actor), name = pick_name(actor);
    const struct name_record *to = tree_find(live, directory, name);
    bool exchange = may_exchange(live, from, to) && random_one_in(&actor->world->random, 2);
    if (!exchange && !may_rename(live, from, directory, to))
        return false;
    begin(actor, state, ACTION_NAMES, WT_OP_RENAME);
    path_of(actor, state, false, from->directory, from->name);
    path_of(actor, state, true, directory, name);
    state->request.argument = exchange ? RENAME_EXCHANGE_FLAG : 0;
    struct tree_change change = {.kind = exchange ? NAME_EXCHANGE : NAME_RENAME,
                                 .record = *from,
                                 .to_directory = directory,
                                 .to_name = name};
    submit_change(actor, state, &change);
    return true;
}

/* ---- looking ---- */

static bool begin_list(struct actor *actor, struct action_state *state)
{
    begin(actor, state, ACTION_LIST_OPEN, WT_OP_OPEN);
    state->request.level = WT_LEVEL_THROUGH;
    unsigned directory = pick_directory(actor);
    state->shared = directory;
    path_of(actor, state, false, directory, ~0u);
    state->request.argument = open_argument(O_RDONLY | O_DIRECTORY);
    submit(actor, state);
    return true;
}

static bool begin_stat(struct actor *actor, struct action_state *state)
{
    const struct name_record *record = pick_record(actor);
    if (!record)
        return false;
    begin(actor, state, ACTION_STAT, WT_OP_STAT);
    path_of(actor, state, false, record->directory, record->name);
    state->request.length2 = sizeof(struct wt_wire_stat);
    state->request.arena_offset2 = (uint32_t)(actor_data(actor, state) - actor->client.arena);
    state->file = record->file;
    const struct handle *handle = record->file ? handle_of(actor, record->file) : NULL;
    if (record->file) {
        state->live_size = record->file->live_size;
        state->order = handle && handle->in_flight ? 0 : record->file->next_order;
    }
    submit(actor, state);
    return true;
}

/* Something that cannot be done. */
static bool begin_wrong(struct actor *actor, struct action_state *state)
{
    unsigned directory = pick_directory(actor), name = pick_name(actor);
    const struct name_state *live = &actor->names.live;
    const struct name_record *record = tree_find(live, directory, name);
    state->request.level = WT_LEVEL_THROUGH;
    begin(actor, state, ACTION_WRONG, WT_OP_UNLINK);
    path_of(actor, state, false, directory, name);
    if (!record) {
        state->expected_error = -ENOENT;
    } else if (record->file) {
        state->request.opcode = WT_OP_OPEN;
        state->request.argument = open_argument(O_RDWR | O_CREAT | O_EXCL);
        state->expected_error = -EEXIST;
    } else if (tree_entries(live, record->number)) {
        state->request.opcode = WT_OP_RMDIR;
        state->expected_error = -ENOTEMPTY;
    } else {
        state->expected_error = -EISDIR;
    }
    submit(actor, state);
    return true;
}

bool actor_begin_names(struct actor *actor, struct action_state *state)
{
    unsigned choice = (unsigned)random_below(&actor->world->random, 100);
    if (choice < 40)
        return begin_open(actor, state);
    if (choice < 52)
        return begin_close(actor, state);
    if (choice < 62)
        return begin_mkdir(actor, state);
    if (choice < 70)
        return begin_remove(actor, state);
    if (choice < 75)
        return begin_link(actor, state);
    if (choice < 87)
        return begin_rename(actor, state);
    if (choice < 91)
        return begin_list(actor, state);
    if (choice < 96)
        return begin_stat(actor, state);
    return begin_wrong(actor, state);
}
