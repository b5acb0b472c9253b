#include "tests/sim/name_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void name_model_init(struct name_model *model, unsigned client)
{
    *model = (struct name_model){.client = client, .next_directory = ROOT_DIRECTORY + 1};
}

const struct name_record *tree_find(const struct name_state *state, unsigned directory,
                                    unsigned name)
{
    for (unsigned i = 0; i < state->count; i++) {
        const struct name_record *record = &state->records[i];
        if (record->directory == directory && record->name == name)
            return record;
    }
    return NULL;
}

const struct name_record *tree_find_directory(const struct name_state *state, unsigned number)
{
    for (unsigned i = 0; i < state->count; i++) {
        if (!state->records[i].file && state->records[i].number == number)
            return &state->records[i];
    }
    return NULL;
}

unsigned tree_entries(const struct name_state *state, unsigned directory)
{
    unsigned count = 0;
    for (unsigned i = 0; i < state->count; i++)
        count += state->records[i].directory == directory;
    return count;
}

bool tree_is_above(const struct name_state *state, unsigned number, unsigned below)
{
    while (below != number && below != ROOT_DIRECTORY)
        below = tree_find_directory(state, below)->directory;
    return below == number;
}

void tree_name(unsigned name, char text[static NAME_TEXT_BYTES])
{
    int length = snprintf(text, NAME_TEXT_BYTES, "n%u", name);
    unsigned more = name % 2 * 210;
    memset(text + length, 'x', more);
    text[(unsigned)length + more] = '\0';
}

void tree_path(const struct name_model *model, const struct name_state *state, unsigned directory,
               unsigned name, char path[static NAME_PATH_BYTES])
{
    if (directory == ROOT_DIRECTORY) {
        snprintf(path, NAME_PATH_BYTES, "/c%u", model->client);
    } else {
        const struct name_record *record = tree_find_directory(state, directory);
        tree_path(model, state, record->directory, record->name, path);
    }
    size_t length = strlen(path);
    if (name == ~0u)
        return;
    char text[NAME_TEXT_BYTES];
    tree_name(name, text);
    snprintf(path + length, NAME_PATH_BYTES - length, "/%s", text);
}

static void erase(struct name_state *state, unsigned directory, unsigned name)
{
    for (unsigned i = 0; i < state->count; i++) {
        if (state->records[i].directory == directory && state->records[i].name == name) {
            state->records[i] = state->records[--state->count];
            return;
        }
    }
}

static void apply(struct name_state *state, const struct tree_change *change)
{
    const struct name_record *old = &change->record;
    struct name_record from, to;
    switch (change->kind) {
    case NAME_ADD:
        state->records[state->count++] = *old;
        break;
    case NAME_REMOVE:
        erase(state, old->directory, old->name);
        break;
    case NAME_RENAME:
        from = *tree_find(state, old->directory, old->name);
        erase(state, old->directory, old->name);
        erase(state, change->to_directory, change->to_name);
        from.directory = change->to_directory;
        from.name = change->to_name;
        state->records[state->count++] = from;
        break;
    case NAME_EXCHANGE:
        from = *tree_find(state, old->directory, old->name);
        to = *tree_find(state, change->to_directory, change->to_name);
        erase(state, from.directory, from.name);
        erase(state, to.directory, to.name);
        struct name_record moved = from;
        from.directory = to.directory;
        from.name = to.name;
        to.directory = moved.directory;
        to.name = moved.name;
        state->records[state->count++] = from;
        state->records[state->count++] = to;
        break;
    }
}

void name_model_change(struct name_model *model, const struct tree_change *change)
{
    if (model->change_count == model->change_capacity) {
        model->change_capacity = model->change_capacity ? model->change_capacity * 2 : 8;
        model->changes = realloc(model->changes, model->change_capacity * sizeof(*model->changes));
        if (!model->changes)
            abort();
    }
    model->changes[model->change_count++] = *change;
    apply(&model->live, change);
}

/* The first so many changes become part of the base. */
static void settle(struct name_model *model, unsigned changes)
{
    if (changes == 0)
        return;
    for (unsigned i = 0; i < changes; i++)
        apply(&model->base, &model->changes[i]);
    model->change_count -= changes;
    memmove(model->changes, model->changes + changes,
            model->change_count * sizeof(*model->changes));
}

void name_model_done(struct name_model *model, bool durable, uint64_t tick)
{
    struct tree_change *last = &model->changes[model->change_count - 1];
    last->done = true;
    last->done_tick = tick;
    if (durable)
        settle(model, model->change_count);
}

void name_model_refused(struct name_model *model)
{
    model->change_count--;
    name_model_state(model, model->change_count, &model->live);
}

void name_model_synced(struct name_model *model, uint64_t submit_tick)
{
    unsigned changes = 0;
    while (changes < model->change_count && model->changes[changes].done &&
           model->changes[changes].done_tick <= submit_tick)
        changes++;
    settle(model, changes);
}

void name_model_state(const struct name_model *model, unsigned changes, struct name_state *state)
{
    *state = model->base;
    for (unsigned i = 0; i < changes; i++)
        apply(state, &model->changes[i]);
}

void name_model_resolve(struct name_model *model, const struct name_state *state)
{
    struct name_state copy = *state;
    model->base = model->live = copy;
    model->change_count = 0;
}
