/*
 * walk.h - a random walk of all operations by several clients, on wt and on a directory of the host's.
 *
 * A step chooses a client, an operation and its arguments from the seed's stream, does it on both sides and
 * compares the answers, errno too. Nothing else decides: no clock, no process id, no inode number of the
 * host's. So a seed and a number of steps are the same walk again.
 *
 * Three sides are compared: wt, the host's file system, and a model (model.h) of what only one of them can
 * say: which blocks are holes, and who is right when contents differ.
 */
#ifndef WT_TESTS_WALK_WALK_H
#define WT_TESTS_WALK_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <wt.h>

#include "tests/support/random.h"
#include "tests/walk/model.h"

#define CLIENTS_MAX      8
#define HANDLES_MAX      16
#define POOL_MAX         48
#define PATH_BYTES       600
#define IO_BYTES_MAX     (256u << 10)
#define WALK_BLOCK_BYTES 4096u
#define STAMPS_A_STEP    16u /* contents written in step S carry (S + 1) * STAMPS_A_STEP and up */

/* One open file or directory, on both sides. */
struct handle {
    bool is_open, is_directory, is_tmpfile;
    int wt, host;
    int flags; /* as given to open */
    struct node *node;
};

struct cursor;

struct client {
    struct wt *session;
    uint32_t uid, gid, umask;
    uint32_t group_count;
    const gid_t *groups;
    int level; /* the session's, for data; 0: through */
    struct handle handles[HANDLES_MAX];
    struct cursor *cursor; /* a listing under way, or NULL */
};

/* Where a call begins and what it is given: a handle's directory, or the root. */
struct place {
    int wt_directory, host_directory;
    char path[PATH_BYTES];
    char host_path[PATH_BYTES + 2];
};

struct walk {
    uint64_t seed, step, steps;
    struct random_source random;
    unsigned client_count;
    struct client clients[CLIENTS_MAX];
    int client; /* whose step this is */

    bool is_root;         /* several identities, and the host's side in a chroot */
    bool protects_sticky; /* known.c */
    bool checks_atime;    /* the host's mount is relatime */
    bool uses_behind;     /* in this life of the server */
    unsigned behind;      /* operations at level behind since the last syncfs */
    int host_root;        /* the host's side of "/" */
    const char *socket;   /* relative to the working directory */
    uint64_t compare_every, restart_every;
    int64_t started_s;

    struct model model;
    char pool[POOL_MAX][64];        /* paths of directories that were made; they may be gone */
    unsigned pool_count, pool_used; /* the one that was taken last */
    unsigned char *buffer, *other;  /* IO_BYTES_MAX each: wt's bytes, the host's */

    char line[2048]; /* this step in words, for the history */
    size_t line_bytes;
    uint64_t concerned[2]; /* wt's inode numbers that this step is about; 0: none */
    bool traces;
    uint64_t requests, refused, restarts, compared;
};

static inline uint64_t below(struct walk *w, uint64_t bound)
{
    return random_below(&w->random, bound);
}

static inline bool one_in(struct walk *w, uint64_t chances)
{
    return random_one_in(&w->random, chances);
}

static inline struct client *self(struct walk *w)
{
    return &w->clients[w->client];
}

/* ---- main.c ---- */

/* The server starts, with other shards and cache each time, and the clients connect. */
void life_begin(struct walk *w);
/* The clients go; then it ends in order, or is killed: everything that is not behind must be there. */
void life_end(struct walk *w);

/* ---- history.c: what was done, and what is said when the sides differ ---- */

/* Adds to the line of this step. */
__attribute__((format(printf, 2, 3))) void note(struct walk *w, const char *format, ...);
void concerns(struct walk *w, const struct node *node);
/* The step is over: its line goes into the history. */
void history_add(struct walk *w);
/* Says what differs, the history of the inodes concerned, and how to walk it again; exits. */
__attribute__((format(printf, 2, 3), noreturn)) void differ(struct walk *w, const char *format,
                                                            ...);
/* The same, for what keeps the walk from going on that is no difference. */
__attribute__((format(printf, 1, 2), noreturn)) void give_up(const char *format, ...);
const char *error_name(int64_t result);

/* ---- host.c: the host's side ---- */

/* Calls of the host's from here on are this client's. */
void host_become(struct walk *w, const struct client *client);
void host_become_root(struct walk *w);
/* Makes the directory the host's side and, as root, confines it there. */
void host_enter(struct walk *w, const char *directory);
/* -1 with errno becomes the negative errno. */
int64_t host_result(int64_t rc);
int64_t host_chmodat(int directory, const char *path, mode_t mode, int flags);
/* linkat(AT_EMPTY_PATH), which the host asks a privilege for and wt does not. */
int64_t host_link_handle(struct walk *w, int fd, int directory, const char *path);

/* ---- known.c: differences that the contract gives ---- */

/* Reads what must be read before host_enter. */
void known_prepare(struct walk *w);
bool known_long_name(int64_t wt, int64_t host);
bool known_sticky_link(int flags, int64_t wt, int64_t host);
/* Whether wt's mode has only those bits more that the host took away when it was written. */
bool known_kept_privilege(struct node *node, mode_t wt, mode_t host);
/* Whether wt refuses to link to this file and the host would not. */
bool known_foreign_link(struct walk *w, const struct place *existing, int flags);

/* ---- choose.c: arguments ---- */

struct place choose_place(struct walk *w);
/* Beginning at the root, for calls without a directory. */
struct place choose_root_place(struct walk *w);
/* A directory that was made once, or the root, or the big one. */
struct place choose_directory(struct walk *w);
void pool_add(struct walk *w, const struct place *place);
/* The directory taken last from there led nowhere. */
void pool_drop_used(struct walk *w);
mode_t choose_mode(struct walk *w, bool is_directory);
int choose_level(struct walk *w);
uint64_t choose_offset(struct walk *w, const struct node *node);
size_t choose_count(struct walk *w);
/* An open handle of this client's, or NULL. */
struct handle *choose_handle(struct walk *w, bool files_only);
void choose_times(struct walk *w, struct timespec times[2]);

/* ---- compare.c ---- */

/* Both answers must be the same; true: it was done. */
bool same_answer(struct walk *w, int64_t wt, int64_t host);
/* Metadata, all but contents. Gives the node, which is made if it was not known. */
struct node *same_stat(struct walk *w, const char *what, const struct stat *wt,
                       const struct stat *host);
/* Bytes read on both sides, also against the model. */
void same_bytes(struct walk *w, const struct node *node, uint64_t offset, const unsigned char *wt,
                const unsigned char *host, size_t count);

/* ---- tree.c ---- */

/* The whole tree: names, metadata, and contents of what changed since (everything: of all). */
void compare_trees(struct walk *w, bool everything);

/* ---- operations: one step each ---- */

void step_open(struct walk *w);
void step_close(struct walk *w);
void step_read(struct walk *w);
void step_write(struct walk *w);
void step_append(struct walk *w);
void step_truncate(struct walk *w);
void step_allocate(struct walk *w);
void step_seek(struct walk *w);
void step_sync(struct walk *w);
void step_batch(struct walk *w);
void step_mkdir(struct walk *w);
void step_remove(struct walk *w);
void step_rename(struct walk *w);
void step_link(struct walk *w);
void step_symlink(struct walk *w);
void step_readlink(struct walk *w);
void step_stat(struct walk *w);
void step_chmod(struct walk *w);
void step_chown(struct walk *w);
void step_times(struct walk *w);
void step_statvfs(struct walk *w);
void step_list(struct walk *w);
void step_cursor(struct walk *w);
void step_big(struct walk *w);

/* An open file of this client's; where there is none, the step is to open one, and NULL is given. */
struct handle *need_file(struct walk *w);
void handle_close(struct walk *w, struct handle *handle);
void cursor_close(struct client *client);
/* This name was made or taken away somewhere: listings under way may show it or not. */
void cursors_touch(struct walk *w, const char *path);

#endif
