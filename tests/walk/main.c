/*
 * main.c - arguments, the clients, the steps by weight, restarts of the server.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "tests/walk/concurrent.h"
#include "tests/walk/keeper.h"
#include "tests/walk/walk.h"

#define SHARD_CACHE_MIB  4     /* the least that wtd takes: things get evicted */
#define EVERYTHING_EVERY 8     /* comparisons of the trees: in one, all contents are read */
#define CONNECT_MS       90000 /* a server under sanitizers on a busy machine is slow to come up */

static const char help[] =
    "usage: walk --wtd PATH --wtcli PATH --image IMAGE --socket NAME --host DIRECTORY [OPTION]...\n"
    "Starts a server on IMAGE, an empty volume, walks, and ends it.\n"
    "  --socket NAME        relative to the working directory\n"
    "  --host DIRECTORY     empty, on ext4: where the same is done\n"
    "  --seed N             (default 1)\n"
    "  --steps N            (default 20000)\n"
    "  --clients N          3 to 8 (default 5)\n"
    "  --compare-every N    steps between comparisons of the trees (default 2000)\n"
    "  --restart-every N    steps between restarts of the server, about (default 4000; 0: none)\n"
    "  --concurrent         several clients at once on shared files, instead of the walk\n"
    "  --trace              say every step\n"
    "Exit: 0 no difference, 1 a difference, 2 it could not be looked at, 3 not on ext4.\n";

struct step_kind {
    const char *name;
    void (*step)(struct walk *w);
    unsigned weight;
};

static const struct step_kind step_kinds[] = {
    {"open", step_open, 160},         {"close", step_close, 60},   {"read", step_read, 110},
    {"write", step_write, 110},       {"append", step_append, 40}, {"truncate", step_truncate, 40},
    {"fallocate", step_allocate, 60}, {"seek", step_seek, 40},     {"sync", step_sync, 20},
    {"batch", step_batch, 30},        {"mkdir", step_mkdir, 45},   {"remove", step_remove, 90},
    {"rename", step_rename, 60},      {"link", step_link, 25},     {"symlink", step_symlink, 14},
    {"readlink", step_readlink, 8},   {"stat", step_stat, 60},     {"chmod", step_chmod, 35},
    {"chown", step_chown, 20},        {"utimens", step_times, 25}, {"statvfs", step_statvfs, 2},
    {"list", step_list, 12},          {"cursor", step_cursor, 25}, {"big", step_big, 15},
};

#define STEP_KINDS (sizeof(step_kinds) / sizeof(step_kinds[0]))

static const gid_t groups_one[] = {2000}, groups_two[] = {2000, 1001};

static void clients_set_up(struct walk *w)
{
    for (unsigned i = 0; i < w->client_count; i++) {
        struct client *client = &w->clients[i];
        client->umask = i == 0 ? 022 : i == 2 ? 077 : 0;
        if (!w->is_root)
            continue;
        client->uid = i % 4 ? 1000 + i % 4 : 0;
        client->gid = i % 4 ? 1000 + (i % 4 == 2 ? 1 : i % 4) : 0;
        client->groups = i % 4 == 3 ? groups_two : groups_one;
        client->group_count = i % 4 == 0 ? 0 : i % 4 == 3 ? 2 : i % 4 == 1;
    }
}

/* ---- the server's lives ---- */

static void connect_client(struct walk *w, struct client *client)
{
    struct wt_options options = WT_OPTIONS_INIT;
    options.umask = client->umask;
    options.level = client->level;
    options.arena_bytes = 2u << 20;
    struct timespec pause = {.tv_nsec = 20000000};
    int rc = -ENOENT;
    const char *fault = NULL;
    /* The server takes the identity from the process that connects. */
    host_become(w, client);
    if (w->is_root && (setegid(client->gid) < 0 || seteuid(client->uid) < 0))
        give_up("seteuid: %s", strerror(errno));
    for (int waited_ms = 0; waited_ms < CONNECT_MS; waited_ms += 20) {
        rc = wt_connect(w->socket, &options, &client->session);
        if (!rc)
            break;
        nanosleep(&pause, NULL);
        if ((fault = keeper_look()))
            break;
    }
    if (w->is_root && (seteuid(0) < 0 || setegid(0) < 0))
        give_up("seteuid: %s", strerror(errno));
    if (rc)
        differ(w, "%s: wt_connect says %s: %s", fault ? fault : "the server does not answer",
               error_name(rc), wt_connect_error());
}

static void disconnect_client(struct walk *w, struct client *client)
{
    (void)w;
    cursor_close(client);
    for (unsigned i = 0; i < HANDLES_MAX; i++) {
        if (client->handles[i].is_open)
            close(client->handles[i].host);
        client->handles[i].is_open = false;
    }
    wt_disconnect(client->session);
    client->session = NULL;
}

void life_begin(struct walk *w)
{
    unsigned shards = 1 + (unsigned)below(w, 3);
    w->uses_behind = one_in(w, 2);
    w->behind = 0;
    unsigned cache_mib = one_in(w, 3) ? 64 : SHARD_CACHE_MIB * shards;
    keeper_start(shards, cache_mib);
    for (unsigned i = 0; i < w->client_count; i++) {
        w->clients[i].level = one_in(w, 4) ? WT_STABLE : 0;
        connect_client(w, &w->clients[i]);
    }
    note(w, "server with %u shards, cache %u MiB%s", shards, cache_mib,
         w->uses_behind ? ", writes behind" : "");
    history_add(w);
}

void life_end(struct walk *w)
{
    bool is_kill = one_in(w, 2);
    if (is_kill && (w->behind || one_in(w, 2))) {
        int rc = wt_syncfs(w->clients[0].session);
        if (rc < 0)
            differ(w, "syncfs before the end says %s", error_name(rc));
    }
    for (unsigned i = 0; i < w->client_count; i++)
        disconnect_client(w, &w->clients[i]);
    note(w, "server ends: %s", is_kill ? "SIGKILL" : "SIGTERM");
    const char *fault = keeper_stop(is_kill);
    if (fault)
        differ(w, "%s", fault);
    history_add(w);
    for (unsigned i = 0; i < MODEL_BUCKETS; i++) {
        for (struct node *node = w->model.buckets[i]; node; node = node->next)
            node_reopened(node);
    }
}

static void walk_restart(struct walk *w)
{
    life_end(w);
    life_begin(w);
    compare_trees(w, true);
    w->restarts++;
}

/* ---- the walk ---- */

static void make_big(struct walk *w)
{
    struct client *root = &w->clients[0];
    host_become_root(w);
    int64_t wt = wt_mkdir(root->session, "/big", 0777);
    int64_t host = host_result(mkdirat(w->host_root, "big", 0777));
    if (wt || host || wt_chmod(root->session, "/big", 0777) || wt_chmod(root->session, "/", 0777) ||
        fchmod(w->host_root, 0777) || fchmodat(w->host_root, "big", 0777, 0))
        give_up("the first directory: %s, the host %s", error_name(wt), error_name(host));
}

static const struct step_kind *choose_step(struct walk *w)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < STEP_KINDS; i++)
        total += step_kinds[i].weight;
    uint64_t at = below(w, total);
    unsigned kind = 0;
    while (at >= step_kinds[kind].weight)
        at -= step_kinds[kind++].weight;
    return &step_kinds[kind];
}

static void walk_step(struct walk *w)
{
    /* Root does the most: it is refused the least. */
    w->client = one_in(w, 3) ? 0 : (int)below(w, w->client_count);
    host_become(w, self(w));
    if (one_in(w, 300)) {
        note(w, "%llu client %d: connects anew", (unsigned long long)w->step, w->client);
        disconnect_client(w, self(w));
        connect_client(w, self(w));
    } else {
        const struct step_kind *kind = choose_step(w);
        note(w, "%llu client %d: %s", (unsigned long long)w->step, w->client, kind->name);
        w->pool_used = POOL_MAX;
        kind->step(w);
    }
    history_add(w);
}

static void walk_all(struct walk *w)
{
    life_begin(w);
    make_big(w);
    for (w->step = 0; w->step < w->steps; w->step++) {
        walk_step(w);
        if ((w->step + 1) % w->compare_every == 0)
            compare_trees(w, (w->step + 1) / w->compare_every % EVERYTHING_EVERY == 0);
        if (w->restart_every && one_in(w, w->restart_every))
            walk_restart(w);
    }
    walk_restart(w);
    life_end(w);
    printf("%llu steps, %llu requests compared, %llu of them refused, %llu restarts, %llu files "
           "compared\n",
           (unsigned long long)w->steps, (unsigned long long)w->requests,
           (unsigned long long)w->refused, (unsigned long long)w->restarts,
           (unsigned long long)w->compared);
}

/* ---- arguments ---- */

static uint64_t number(const char *text)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno || *end || end == text)
        give_up("`%s' is no number", text);
    return value;
}

enum option_code {
    OPTION_WTD = 1,
    OPTION_WTCLI,
    OPTION_IMAGE,
    OPTION_SOCKET,
    OPTION_HOST,
    OPTION_LOG,
    OPTION_SEED,
    OPTION_STEPS,
    OPTION_CLIENTS,
    OPTION_COMPARE,
    OPTION_RESTART,
    OPTION_CONCURRENT,
    OPTION_TRACE,
    OPTION_HELP,
};

static const struct option options[] = {
    {"wtd", required_argument, NULL, OPTION_WTD},
    {"wtcli", required_argument, NULL, OPTION_WTCLI},
    {"image", required_argument, NULL, OPTION_IMAGE},
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"host", required_argument, NULL, OPTION_HOST},
    {"log", required_argument, NULL, OPTION_LOG},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"steps", required_argument, NULL, OPTION_STEPS},
    {"clients", required_argument, NULL, OPTION_CLIENTS},
    {"compare-every", required_argument, NULL, OPTION_COMPARE},
    {"restart-every", required_argument, NULL, OPTION_RESTART},
    {"concurrent", no_argument, NULL, OPTION_CONCURRENT},
    {"trace", no_argument, NULL, OPTION_TRACE},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

int main(int argc, char **argv)
{
    static struct walk w = {
        .seed = 1, .steps = 20000, .client_count = 5, .compare_every = 2000, .restart_every = 4000};
    struct keeper_setup setup = {.log = "/dev/null"};
    const char *host = NULL;
    bool is_concurrent = false;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case OPTION_WTD:
            setup.wtd = optarg;
            break;
        case OPTION_WTCLI:
            setup.wtcli = optarg;
            break;
        case OPTION_IMAGE:
            setup.image = optarg;
            break;
        case OPTION_SOCKET:
            setup.socket = w.socket = optarg;
            break;
        case OPTION_HOST:
            host = optarg;
            break;
        case OPTION_LOG:
            setup.log = optarg;
            break;
        case OPTION_SEED:
            w.seed = number(optarg);
            break;
        case OPTION_STEPS:
            w.steps = number(optarg);
            break;
        case OPTION_CLIENTS:
            w.client_count = (unsigned)number(optarg);
            break;
        case OPTION_COMPARE:
            w.compare_every = number(optarg);
            break;
        case OPTION_RESTART:
            w.restart_every = number(optarg);
            break;
        case OPTION_CONCURRENT:
            is_concurrent = true;
            break;
        case OPTION_TRACE:
            w.traces = true;
            break;
        default:
            fputs(help, option == OPTION_HELP ? stdout : stderr);
            return option == OPTION_HELP ? 0 : 2;
        }
    }
    if (!setup.wtd || !setup.wtcli || !setup.image || !setup.socket || !host ||
        w.client_count < 3 || w.client_count > CLIENTS_MAX || w.compare_every == 0)
        give_up("%s", help);
    w.random.state = w.seed;
    w.started_s = time(NULL) - 1;
    w.is_root = geteuid() == 0;
    w.buffer = malloc(IO_BYTES_MAX);
    w.other = malloc(IO_BYTES_MAX);
    if (!w.buffer || !w.other)
        give_up("no memory");
    known_prepare(&w);
    keeper_begin(&setup);
    host_enter(&w, host);
    clients_set_up(&w);
    if (is_concurrent)
        concurrent_all(&w);
    else
        walk_all(&w);
    fflush(stdout);
    /* The leak checker wants /proc, which is not in the chroot. */
    _exit(0);
}
