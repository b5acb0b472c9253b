/*
 * name_model.h - what is known about the names below one client's directory.
 *
 * All names go through one journal in order, so after a crash the tree is the base (what was durable) with
 * the first so many of the later changes made: never one change without those before it. A change is
 * durable when it is acknowledged at level through or stable, or when a later one is, or by a sync.
 */
#ifndef WT_TESTS_SIM_NAME_MODEL_H
#define WT_TESTS_SIM_NAME_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/file_model.h"

#define NAME_RECORDS_MAX 40u
#define NAME_PATH_BYTES  2048u
#define NAME_TEXT_BYTES  256u
#define ROOT_DIRECTORY   0u /* the client's own, which never goes */

/* A name: in which directory, and what it means: a file, or a directory by its number. */
struct name_record {
    unsigned directory, name;
    struct file_model *file; /* NULL: a directory */
    unsigned number;         /* of the directory */
};

struct name_state {
    struct name_record records[NAME_RECORDS_MAX];
    unsigned count;
};

enum tree_change_kind { NAME_ADD, NAME_REMOVE, NAME_RENAME, NAME_EXCHANGE };

struct tree_change {
    enum tree_change_kind kind;
    struct name_record record; /* ADD: the new one; others: directory and name of the old */
    unsigned to_directory, to_name;
    bool done;
    uint64_t done_tick;
};

struct name_model {
    unsigned client;
    struct name_state base, live;
    struct tree_change *changes; /* after base, in order */
    unsigned change_count, change_capacity;
    unsigned next_directory;
};

void name_model_init(struct name_model *model, unsigned client);
const struct name_record *tree_find(const struct name_state *state, unsigned directory,
                                    unsigned name);
const struct name_record *tree_find_directory(const struct name_state *state, unsigned number);
unsigned tree_entries(const struct name_state *state, unsigned directory);
/* Whether `number` is `below` or an ancestor of it. */
bool tree_is_above(const struct name_state *state, unsigned number, unsigned below);
/* What a name is called: some are long, so that records do not fit one sector of the journal. */
void tree_name(unsigned name, char text[static NAME_TEXT_BYTES]);
/* Of a directory's entry, or of the directory itself with name ~0u. */
void tree_path(const struct name_model *model, const struct name_state *state, unsigned directory,
               unsigned name, char path[static NAME_PATH_BYTES]);

/* Submitted; visible to its client at once as far as the model goes, since it waits for the answer. */
void name_model_change(struct name_model *model, const struct tree_change *change);
/* The last change was acknowledged; durable: at a level that says so. */
void name_model_done(struct name_model *model, bool durable, uint64_t tick);
/* The last change was refused and had no effect. */
void name_model_refused(struct name_model *model);
/* Everything acknowledged before the tick is durable. */
void name_model_synced(struct name_model *model, uint64_t submit_tick);
/* The state after the first `changes` changes. */
void name_model_state(const struct name_model *model, unsigned changes, struct name_state *state);
/* This is the truth now, and durable. */
void name_model_resolve(struct name_model *model, const struct name_state *state);

#endif
