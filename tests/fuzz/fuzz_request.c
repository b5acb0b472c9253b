/*
 * fuzz_request.c - arbitrary requests, arena contents and ring counters against a server of one simulated
 * shard.
 *
 * fuzz-covers: server/session/request.c server/session/queue.c server/session/handles.c
 * fuzz-covers: server/session/session.c server/session/name_path.c server/session/name_open.c
 * fuzz-covers: server/session/name_change.c server/session/name_look.c server/session/name_attributes.c
 * fuzz-covers: server/session/name_strip.c server/session/name_job.c
 *
 * An input is a list of steps, each a byte that says what, then its bytes:
 *   0  64 bytes: a request, as it is                1  the same, on the handle that was opened last
 *   2  offset (2), count (1), bytes: into the arena 3  let the server run until nothing moves
 *   4  which (1), value (4): into a ring counter    5  count (1): let the server take so many steps
 * Whatever comes, the server lives, answers each request once (unless the counters were touched), and the
 * session ends with nothing left in flight.
 */
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "server/device/sim.h"
#include "server/shard/shard.h"
#include "server/volume/tools.h"
#include "tests/support/ring_client.h"

#define RING_ENTRIES   32u
#define ARENA_BYTES    (128ull << 10)
#define INPUTS_A_START 256u /* then a fresh volume: files pile up */
#define ROUNDS_MAX     1000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct device *device;
    struct post_office *office;
    struct volume *volume;
    struct shard *shard;
    unsigned inputs;
} server;

struct run {
    struct ring_client client;
    uint64_t asked, answered;
    uint32_t handle_index, handle_generation;
    bool counters_touched;
};

static void need(bool condition)
{
    if (!condition)
        abort();
}

/* ---- the server ---- */

static bool move(void)
{
    unsigned work = shard_step(server.shard);
    return sim_step(server.device) || work;
}

static void run_dry(void)
{
    for (unsigned round = 0; move() || move(); round++)
        need(round < ROUNDS_MAX);
}

static void start(void)
{
    char reason[256];
    struct sim_options sim = {.seed = 1, .size_bytes = 64 << 20, .block_bytes = 4096, .fua = true};
    struct volume_format_options format = {.sparse = true};
    struct volume_options volume = {.metadata_bytes_max = 64 << 20};
    struct volume_opening opening;
    struct shard_options shard = {.cache_bytes = FILE_CACHE_BYTES_MIN, .simulated = true};
    need(sim_create(&sim, &server.device) == 0);
    clock_install(sim_clock(server.device));
    need(volume_format_device(server.device, &format, reason, sizeof(reason)) == 0);
    need(post_office_create(1, &server.office) == 0);
    volume.device = server.device;
    volume.office = server.office;
    need(volume_open(&volume, &server.volume, &opening, reason, sizeof(reason)) == 0);
    shard.volume = server.volume;
    need(shard_create(&shard, &server.shard, reason, sizeof(reason)) == 0);
    shard_connect(server.shard, &server.shard, 1);
}

static void stopped(void *context, int result)
{
    *(int *)context = result;
}

static void stop(void)
{
    int result = 1;
    need(shard_idle(server.shard));
    volume_stop(shard_volume(server.shard), stopped, &result);
    run_dry();
    need(result == 0);
    shard_destroy(server.shard);
    volume_close(server.volume);
    post_office_destroy(server.office);
    clock_install(NULL);
    sim_destroy(server.device);
}

/* ---- the client ---- */

static void take_completions(struct run *run)
{
    struct wt_wire_completion completion;
    while (!run->counters_touched && ring_client_take(&run->client, &completion)) {
        run->answered++;
        need(completion.result >= -4095);
        if (completion.user_data && completion.result >= 0) {
            run->handle_index = (uint32_t)completion.result;
            run->handle_generation = (uint32_t)completion.offset;
        }
    }
}

static void put_request(struct run *run, const uint8_t *bytes, bool on_last_handle)
{
    struct wt_request request;
    memcpy(&request, bytes, sizeof(request));
    /* Opens are known again by it. */
    request.user_data = request.opcode == WT_OP_OPEN;
    if (on_last_handle) {
        request.handle_index = run->handle_index;
        request.handle_generation = run->handle_generation;
    }
    if (run->counters_touched)
        return;
    if (run->asked - run->answered == RING_ENTRIES) {
        run_dry();
        take_completions(run);
    }
    need(ring_client_put(&run->client, 0, &request));
    run->asked++;
}

static void touch_counter(struct run *run, uint8_t which, const uint8_t *bytes)
{
    struct wt_ring *ring = which & 1 ? &run->client.submission[0] : &run->client.completion[0];
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    atomic_store(which & 2 ? &ring->control->tail : &ring->control->head, value);
    run->counters_touched = true;
}

/* Takes one step of the input; returns the bytes used, 0 at the end. */
static size_t step(struct run *run, const uint8_t *data, size_t size)
{
    size_t offset;
    switch (data[0] % 6) {
    case 0:
    case 1:
        if (size < 1 + sizeof(struct wt_request))
            return 0;
        put_request(run, data + 1, data[0] % 6 == 1);
        return 1 + sizeof(struct wt_request);
    case 2:
        if (size < 4 || size < 4u + data[3])
            return 0;
        offset = data[1] | (size_t)data[2] << 8;
        memcpy(run->client.arena + offset, data + 4, data[3]);
        return 4u + data[3];
    case 3:
        run_dry();
        take_completions(run);
        return 1;
    case 4:
        if (size < 6)
            return 0;
        touch_counter(run, data[1], data + 2);
        return 6;
    default:
        if (size < 2)
            return 0;
        for (unsigned i = 0; i < data[1]; i++)
            move();
        return 2;
    }
}

static void session_gone(struct session *session, void *context)
{
    *(bool *)context = true;
    session_free(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run run = {.handle_index = WT_NO_HANDLE};
    struct credentials who = {.uid = 0, .gid = 0};
    bool gone = false;
    log_set_silent(true);
    if (server.inputs++ % INPUTS_A_START == 0) {
        if (server.inputs > 1)
            stop();
        start();
    }
    struct session_shard *names_shard = shard_sessions(server.shard);
    need(ring_client_create(&run.client, names_shard, RING_ENTRIES, ARENA_BYTES, &who) == 0);
    /* Something to name for those who do not write the arena first. */
    memset(run.client.arena, 0, ARENA_BYTES);
    memcpy(run.client.arena, "/a/b/c/d", 8);
    run.client.session->ended = session_gone;
    run.client.session->ended_context = &gone;
    for (size_t used; size && (used = step(&run, data, size)); data += used, size -= used)
        ;
    run_dry();
    if (!run.counters_touched) {
        take_completions(&run);
        need(run.asked == run.answered);
    }
    if (!gone)
        session_end(names_shard, run.client.session, "the input ends");
    run_dry();
    need(gone && names_shard->session_count == 0 && shard_idle(server.shard));
    ring_client_free(&run.client);
    return 0;
}
