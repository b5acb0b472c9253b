/*
 * actor.h - a client that does random work on files and names of its own and on the shared files, several
 * requests at a time, and holds every answer against its models.
 *
 * Of names an actor has one operation in flight at most, so that it always knows the tree. Of data it has
 * several, on the ring of each file's shard, where their order is that of submission.
 */
#ifndef WT_TESTS_SIM_ACTOR_H
#define WT_TESTS_SIM_ACTOR_H

#include "tests/sim/name_model.h"
#include "tests/sim/shared_model.h"
#include "tests/sim/world.h"

#define ACTORS          3u
#define ACTOR_SLOTS     6u
#define ACTOR_HANDLES   6u
#define SLOT_PATH_BYTES 4096u /* a slot of the arena: two paths, then data */
#define SLOT_BYTES      (132u << 10)
#define BIG_SLOT_BYTES  (1028u << 10) /* of the last slot */
#define SLOT_DATA_MAX   (128u << 10)
#define BIG_DATA_MAX    (1024u << 10)
#define ARENA_BYTES     ((ACTOR_SLOTS - 1) * SLOT_BYTES + BIG_SLOT_BYTES)

enum action {
    ACTION_OPEN, /* also creates and truncates */
    ACTION_CLOSE,
    ACTION_WRITE,
    ACTION_READ,
    ACTION_TRUNCATE,
    ACTION_RANGE, /* allocate, punch, zero */
    ACTION_SYNC,
    ACTION_FSTAT,
    ACTION_NAMES, /* mkdir, rmdir, unlink, rename, link */
    ACTION_WRONG, /* must fail with the error expected */
    ACTION_STAT,
    ACTION_LIST_OPEN,
    ACTION_LIST_READ,
    ACTION_LIST_CLOSE,
    ACTION_SYNCFS,
    ACTION_SHARED_OPEN,
    ACTION_SHARED_WRITE,
    ACTION_SHARED_READ,
    ACTION_SHARED_SYNC,
};

struct handle {
    bool open, closing, read_only;
    bool nameless;           /* its file was made without a name and has none so far */
    struct file_model *file; /* NULL: of a shared file */
    uint32_t index, generation;
    unsigned shard;
    unsigned in_flight;
};

/* What is in flight in a slot. */
struct action_state {
    bool used;
    enum action action;
    struct wt_request request;
    struct handle *handle;
    struct file_model *file;
    uint64_t submit_tick;
    uint64_t order; /* of a change; of a sync: the next one's */
    bool changes_names, changes_file, was_read_only;
    int expected_error;
    uint64_t live_size;    /* as submitted */
    struct stamp_map live; /* as submitted, of a read */
    unsigned shared, shared_write;
};

struct actor {
    struct world *world;
    unsigned number;
    struct ring_client client;
    bool connected;
    bool frozen; /* a change of names failed: the tree is not known any more */
    bool names_busy;
    struct name_model names;
    struct file_model *files_known[256];
    unsigned files_count;
    struct shared_model *shared; /* of the world: SHARED_FILES of them */
    struct actor *peers;
    struct handle handles[ACTOR_HANDLES];
    struct handle shared_handles[SHARED_FILES];
    struct handle listing;
    struct action_state slots[ACTOR_SLOTS];
};

void actor_init(struct actor *actor, struct world *world, unsigned number,
                struct shared_model *shared, struct actor *peers);
bool actor_connect(struct actor *actor);
/* Forgets handles and requests: the session or the server is gone. */
void actor_forget(struct actor *actor);
/* Takes what was answered, and perhaps begins something. */
void actor_step(struct actor *actor);

/* actor_answer.c: an answer. */
void actor_answer(struct actor *actor, struct action_state *state,
                  const struct wt_wire_completion *completion);
/* actor_names.c: begins an operation on names in a free slot; false: nothing to do. */
bool actor_begin_names(struct actor *actor, struct action_state *state);

/* Puts state->request into the ring of that shard. */
void actor_submit(struct actor *actor, struct action_state *state, unsigned shard);
/* The slot's part of the arena. */
unsigned char *actor_data(struct actor *actor, const struct action_state *state);
/* Fills in one of the request's paths. */
void actor_path(struct actor *actor, struct action_state *state, bool second, const char *path);
struct file_model *actor_new_file(struct actor *actor);
uint8_t actor_level(struct actor *actor);

#endif
