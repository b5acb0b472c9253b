/*
 * sim.c - the simulated device: when things happen and what goes wrong. What is stored: sim_medium.c.
 *
 * A submitted I/O becomes a command with a due time drawn from the seed. sim_step performs the earliest
 * command that is not held: whole, or one piece of it. A write's versions reach the cache when a piece is
 * performed, so another read sees it half done; they count as done, and so are covered by later flushes,
 * from the moment its done runs. Two runs with the same seed and the same calls do the same.
 *
 * Breaches of device.h's contract (alignment, limits) abort: they are bugs of the caller and must not look
 * like faults. Breaches of the server's own promises are counted: overlapping and unstable writes.
 */
#include "server/device/sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/device/sim_contract.h"
#include "server/device/sim_medium.h"

#define TRANSFER_BYTES_MAX (1u << 20)
#define SEGMENTS_MAX       256u
#define OPERATION_COUNT    (DEVICE_WRITE_ZEROES + 1)
#define REALTIME_BASE_NS   INT64_C(1735689600000000000) /* 2025-01-01 */
#define MONOTONIC_BASE_NS  UINT64_C(1000000000)

/* An I/O in flight, or one step of a blocking transfer. */
struct command {
    struct list link; /* sim.in_flight, by (due_ns, serial); or sim.spare */
    struct device_io *io;
    enum device_operation operation;
    bool fua;
    bool refused;  /* fails without any effect */
    bool unstable; /* has been counted */
    int error;     /* 0: it will work */
    uint64_t offset, length_bytes;
    uint64_t serial; /* also the medium's write id */
    uint64_t due_ns;
    uint64_t progress_bytes, piece_bytes;
    uint64_t flush_mark;
    unsigned char *copy; /* a write's bytes as they were at submit */
};

struct sim_queue {
    struct device_queue queue;
    struct list link;
    bool dead; /* the power was cut: what it is given stays in flight for ever */
};

struct sim {
    struct device device;
    struct sim_options options;
    struct sim_medium *medium;
    struct clock_source clock;
    uint64_t random_state, clock_random_state;
    uint64_t now_ns, last_serial;
    uint64_t
        done_mark; /* counts writes done; a flush covers what is at or below its value at submit */
    struct list in_flight, spare, queues;
    unsigned in_flight_count;
    struct {
        bool active;
        enum device_operation operation;
        uint64_t offset, length_bytes;
    } hold;
    int fail_next[OPERATION_COUNT];
    uint32_t cut_after; /* 0: off */
    bool power_lost;    /* cut_after has run out */
    bool last_gasp;     /* ... and no write has come since */
    struct sim_statistics statistics;
    unsigned char *scratch; /* TRANSFER_BYTES_MAX */
};

static struct sim *sim_of(const struct device *device)
{
    return (struct sim *)(uintptr_t)device;
}

static uint64_t draw(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return sim_mix(*state);
}

static uint64_t draw_below(struct sim *sim, uint64_t limit)
{
    return limit ? draw(&sim->random_state) % limit : 0;
}

static bool draw_fault(struct sim *sim, uint32_t one_in)
{
    return one_in && draw_below(sim, one_in) == 0;
}

static bool changes_medium(enum device_operation operation)
{
    return operation == DEVICE_WRITE || operation == DEVICE_WRITE_ZEROES ||
           operation == DEVICE_DISCARD;
}

/* -- the clock ----------------------------------------------------------------------------------------- */

static uint64_t clock_monotonic(void *context)
{
    return ((struct sim *)context)->now_ns;
}

static int64_t clock_realtime(void *context)
{
    return REALTIME_BASE_NS + (int64_t)((struct sim *)context)->now_ns;
}

/* A stream of its own: how much randomness the server asks for does not change the faults. */
static void clock_random(void *context, void *buffer, size_t size_bytes)
{
    struct sim *sim = context;
    for (unsigned char *to = buffer; size_bytes;) {
        uint64_t value = draw(&sim->clock_random_state);
        size_t piece = size_bytes < sizeof(value) ? size_bytes : sizeof(value);
        memcpy(to, &value, piece);
        to += piece;
        size_bytes -= piece;
    }
}

const struct clock_source *sim_clock(struct device *device)
{
    return &sim_of(device)->clock;
}

void sim_advance_clock(struct device *device, uint64_t nanoseconds)
{
    sim_of(device)->now_ns += nanoseconds;
}

/* -- commands ------------------------------------------------------------------------------------------ */

static void *must_have(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static bool is_outside(const struct sim *sim, uint64_t offset, uint64_t length_bytes)
{
    return offset > sim->options.size_bytes || length_bytes > sim->options.size_bytes - offset;
}

static void count_command(struct sim *sim, const struct command *command)
{
    switch (command->operation) {
    case DEVICE_READ:
        sim->statistics.reads++;
        break;
    case DEVICE_WRITE:
    case DEVICE_WRITE_ZEROES:
        sim->statistics.writes++;
        sim->statistics.fua_writes += command->fua;
        break;
    case DEVICE_FLUSH:
        sim->statistics.flushes++;
        break;
    case DEVICE_DISCARD:
        sim->statistics.discards++;
        break;
    }
}

/* Decides whether the command will fail. */
static void plan_fault(struct sim *sim, struct command *command)
{
    uint32_t one_in[OPERATION_COUNT] = {
        [DEVICE_READ] = sim->options.read_error_one_in,
        [DEVICE_WRITE] = sim->options.write_error_one_in,
        [DEVICE_FLUSH] = sim->options.flush_error_one_in,
        [DEVICE_DISCARD] = sim->options.write_error_one_in,
        [DEVICE_WRITE_ZEROES] = sim->options.write_error_one_in,
    };
    bool flush = command->operation == DEVICE_FLUSH;
    if (sim->power_lost || (!flush && is_outside(sim, command->offset, command->length_bytes))) {
        command->refused = true;
        command->error = -EIO;
    } else if (command->fua && sim->options.volatile_cache && !sim->options.fua) {
        command->refused = true;
        command->error = -EOPNOTSUPP;
    } else if (sim->fail_next[command->operation]) {
        command->error = sim->fail_next[command->operation];
        sim->fail_next[command->operation] = 0;
    } else if (draw_fault(sim, one_in[command->operation])) {
        command->error = -EIO;
    }
    if (!command->error)
        return;
    if (command->operation == DEVICE_READ)
        sim->statistics.read_errors++;
    else if (flush)
        sim->statistics.flush_errors++;
    else
        sim->statistics.write_errors++;
}

/* Pieces are whole blocks. A command that will fail is performed, as far as it is, in one go. */
static void plan_pieces(struct sim *sim, struct command *command)
{
    uint32_t block_bytes = sim->options.block_bytes;
    command->piece_bytes = command->length_bytes;
    if (command->operation == DEVICE_FLUSH || command->length_bytes <= block_bytes ||
        command->error || !draw_fault(sim, sim->options.split_one_in))
        return;
    uint64_t blocks = command->length_bytes / block_bytes;
    uint64_t pieces = 2 + draw_below(sim, 3);
    command->piece_bytes = (blocks + pieces - 1) / pieces * block_bytes;
    sim->statistics.splits++;
}

static void plan_due(struct sim *sim, struct command *command)
{
    command->due_ns = sim->now_ns + draw_below(sim, (uint64_t)sim->options.delay_ns_max + 1);
    /* From the end: most are due after those that are there. */
    struct list *position = sim->in_flight.previous;
    while (position != &sim->in_flight) {
        const struct command *other = list_entry(position, struct command, link);
        if (other->due_ns < command->due_ns ||
            (other->due_ns == command->due_ns && other->serial < command->serial))
            break;
        position = position->previous;
    }
    list_add_head(position, &command->link);
}

static struct command command_plan(struct sim *sim, enum device_operation operation, uint32_t flags,
                                   uint64_t offset, uint64_t length_bytes)
{
    struct command command = {
        .operation = operation,
        .fua = (flags & DEVICE_FUA) && operation != DEVICE_READ && operation != DEVICE_FLUSH,
        .offset = offset,
        .length_bytes = operation == DEVICE_FLUSH ? 0 : length_bytes,
        .serial = ++sim->last_serial,
        .flush_mark = sim->done_mark,
    };
    count_command(sim, &command);
    plan_fault(sim, &command);
    plan_pieces(sim, &command);
    return command;
}

static void count_overlap(struct sim *sim, const struct command *command)
{
    if (!changes_medium(command->operation))
        return;
    list_for_each(position, &sim->in_flight)
    {
        const struct command *other = list_entry(position, struct command, link);
        if (changes_medium(other->operation) &&
            other->offset < command->offset + command->length_bytes &&
            command->offset < other->offset + other->length_bytes) {
            sim->statistics.overlapping_writes++;
            return;
        }
    }
}

/* The memory of a write must not change from submit to done. */
static void check_stable(struct sim *sim, struct command *command)
{
    if (command->operation != DEVICE_WRITE || command->unstable)
        return;
    if (!sim_segments_equal(command->io, command->copy)) {
        command->unstable = true;
        sim->statistics.unstable_writes++;
    }
}

/* Contents after a discard are anyone's guess. */
static void fill_discarded(struct sim *sim, uint64_t offset, unsigned char *bytes,
                           size_t size_bytes)
{
    sim_medium_read(sim->medium, offset, bytes, size_bytes);
    for (size_t at = 0; at < size_bytes; at += sim->options.block_bytes) {
        uint64_t fate = draw_below(sim, 3);
        if (fate)
            memset(bytes + at, fate == 1 ? 0 : 0xdb, sim->options.block_bytes);
    }
}

/* Performs [progress, progress + size) with the bytes given; a failing command only in part. */
static void perform_change(struct sim *sim, struct command *command, const void *bytes,
                           size_t size_bytes)
{
    uint64_t offset = command->offset + command->progress_bytes;
    struct sim_lottery lottery;
    if (command->error)
        lottery = sim_lottery_draw(draw(&sim->random_state));
    sim_medium_write(sim->medium, offset, bytes, size_bytes, command->serial,
                     command->error ? &lottery : NULL);
}

/* The whole of a change is performed: it is done now. */
static void settle_change(struct sim *sim, const struct command *command)
{
    sim_medium_done(sim->medium, command->offset, command->length_bytes, command->serial,
                    ++sim->done_mark);
    if (!sim->options.volatile_cache || (command->fua && !command->error))
        sim_medium_settle(sim->medium, command->offset, command->length_bytes, command->serial);
}

static void perform_flush(struct sim *sim, const struct command *command)
{
    if (command->error)
        sim_medium_flush_failed(sim->medium, command->flush_mark, draw(&sim->random_state));
    else
        sim_medium_flush(sim->medium, command->flush_mark);
}

/* One piece of an I/O in flight. */
static void perform_piece(struct sim *sim, struct command *command)
{
    uint64_t rest_bytes = command->length_bytes - command->progress_bytes;
    size_t size_bytes = rest_bytes < command->piece_bytes ? rest_bytes : command->piece_bytes;
    uint64_t offset = command->offset + command->progress_bytes;
    switch (command->operation) {
    case DEVICE_READ:
        sim_medium_read(sim->medium, offset, sim->scratch, size_bytes);
        if (command->error) /* what a failed read leaves in memory is not the data */
            memset(sim->scratch, 0xee, size_bytes);
        sim_scatter(command->io, command->progress_bytes, sim->scratch, size_bytes);
        break;
    case DEVICE_WRITE:
        sim_gather(command->io, command->progress_bytes, sim->scratch, size_bytes);
        perform_change(sim, command, sim->scratch, size_bytes);
        break;
    case DEVICE_WRITE_ZEROES:
        memset(sim->scratch, 0, size_bytes);
        perform_change(sim, command, sim->scratch, size_bytes);
        break;
    case DEVICE_DISCARD:
        fill_discarded(sim, offset, sim->scratch, size_bytes);
        perform_change(sim, command, sim->scratch, size_bytes);
        break;
    case DEVICE_FLUSH:
        perform_flush(sim, command);
        break;
    }
    command->progress_bytes += size_bytes;
}

/* -- queues -------------------------------------------------------------------------------------------- */

static int queue_create(struct device *device, struct reactor *reactor, struct device_queue **queue)
{
    (void)reactor;
    struct sim_queue *made = calloc(1, sizeof(*made));
    if (!made)
        return -ENOMEM;
    made->queue.device = device;
    list_add_tail(&sim_of(device)->queues, &made->link);
    *queue = &made->queue;
    return 0;
}

static void queue_destroy(struct device_queue *queue)
{
    struct sim_queue *dying = (struct sim_queue *)queue;
    if (queue->in_flight && !dying->dead)
        sim_breach("queue destroyed with I/O in flight", 0, queue->in_flight);
    list_remove(&dying->link);
    free(dying);
}

static void count_in_queue(struct device_queue *queue, enum device_operation operation)
{
    queue->in_flight++;
    if (operation == DEVICE_READ)
        queue->reads++;
    else if (operation == DEVICE_FLUSH)
        queue->flushes++;
    else
        queue->writes++;
}

static void submit(struct device_queue *queue, struct device_io *io)
{
    struct sim *sim = sim_of(queue->device);
    sim_check_contract(&sim->device.capabilities, io);
    io->queue = queue;
    io->result = 0;
    io->flush_failed = false;
    count_in_queue(queue, io->operation);
    if (((struct sim_queue *)queue)->dead)
        return;

    struct list *spare = list_pop(&sim->spare);
    struct command *command =
        spare ? list_entry(spare, struct command, link) : must_have(malloc(sizeof(*command)));
    *command = command_plan(sim, io->operation, io->flags, io->offset, io->length_bytes);
    command->io = io;
    if (io->operation == DEVICE_WRITE) {
        command->copy = must_have(malloc(io->length_bytes));
        sim_gather(io, 0, command->copy, io->length_bytes);
    }
    count_overlap(sim, command);
    plan_due(sim, command);
    sim->in_flight_count++;
}

static void command_release(struct sim *sim, struct command *command)
{
    list_remove(&command->link);
    free(command->copy);
    command->copy = NULL;
    list_add_tail(&sim->spare, &command->link);
    sim->in_flight_count--;
}

static bool is_held(const struct sim *sim, const struct command *command)
{
    if (!sim->hold.active || command->operation != sim->hold.operation)
        return false;
    return command->operation == DEVICE_FLUSH ||
           (command->offset < sim->hold.offset + sim->hold.length_bytes &&
            sim->hold.offset < command->offset + command->length_bytes);
}

static struct command *next_due(struct sim *sim)
{
    list_for_each(position, &sim->in_flight)
    {
        struct command *command = list_entry(position, struct command, link);
        if (!is_held(sim, command))
            return command;
    }
    return NULL;
}

static void complete(struct sim *sim, struct command *command)
{
    if (changes_medium(command->operation) && !command->refused)
        settle_change(sim, command);
    struct device_io *io = command->io;
    io->result = command->error;
    io->flush_failed = command->error && command->operation == DEVICE_FLUSH;
    io->queue->in_flight--;
    command_release(sim, command);
    io->done(io);
}

bool sim_step(struct device *device)
{
    struct sim *sim = sim_of(device);
    struct command *command = next_due(sim);
    if (!command)
        return false;
    if (sim->now_ns < command->due_ns)
        sim->now_ns = command->due_ns;

    check_stable(sim, command);
    if (!command->refused)
        perform_piece(sim, command);
    if (command->refused || command->progress_bytes == command->length_bytes) {
        complete(sim, command);
    } else {
        list_remove(&command->link);
        plan_due(sim, command);
    }
    return true;
}

unsigned sim_in_flight(const struct device *device)
{
    return sim_of(device)->in_flight_count;
}

/* -- blocking transfers -------------------------------------------------------------------------------- */

/* The power goes after the last of the counted writes and flushes. */
static void count_down_to_cut(struct sim *sim, enum device_operation operation)
{
    if (operation != DEVICE_READ && sim->cut_after && --sim->cut_after == 0)
        sim->power_lost = sim->last_gasp = true;
}

/* The first write after the power went was on its way: any part of it may survive. */
static void gasp(struct sim *sim, const struct command *command, const void *bytes)
{
    if (!sim->last_gasp || !changes_medium(command->operation))
        return;
    sim->last_gasp = false;
    if (is_outside(sim, command->offset, command->length_bytes))
        return;
    memset(sim->scratch, 0, command->length_bytes);
    sim_medium_write(sim->medium, command->offset, bytes ? bytes : sim->scratch,
                     command->length_bytes, command->serial, NULL);
}

static int transfer_command(struct sim *sim, struct command *command, unsigned char *bytes)
{
    struct iovec segment = {bytes, command->length_bytes};
    struct device_io io = {.segments = &segment, .segment_count = 1};
    if (command->refused) {
        gasp(sim, command, bytes);
        return command->error;
    }
    command->io = &io;
    command->piece_bytes = command->length_bytes;
    perform_piece(sim, command);
    command->io = NULL;
    if (changes_medium(command->operation))
        settle_change(sim, command);
    count_down_to_cut(sim, command->operation);
    return command->error;
}

static int transfer(struct device *device, enum device_operation operation, uint32_t flags,
                    uint64_t offset, void *buffer, uint64_t length_bytes)
{
    struct sim *sim = sim_of(device);
    unsigned char *bytes = operation == DEVICE_READ || operation == DEVICE_WRITE ? buffer : NULL;
    if (operation == DEVICE_FLUSH)
        offset = length_bytes = 0;
    else if ((offset | length_bytes) % sim->options.block_bytes)
        sim_breach("alignment of a blocking transfer", offset, length_bytes);
    else if (!length_bytes)
        return 0;
    do {
        uint64_t piece = length_bytes < TRANSFER_BYTES_MAX ? length_bytes : TRANSFER_BYTES_MAX;
        struct command command = command_plan(sim, operation, flags, offset, piece);
        int error = transfer_command(sim, &command, bytes);
        if (error)
            return error;
        offset += piece;
        length_bytes -= piece;
        bytes = bytes ? bytes + piece : NULL;
    } while (length_bytes);
    return 0;
}

/* -- faults, cuts, holds ------------------------------------------------------------------------------- */

/* Whether some blocks of a write that was in flight are there now and some are not. */
static bool is_torn(struct sim *sim, const struct command *command)
{
    uint32_t block_bytes = sim->options.block_bytes;
    uint64_t blocks = command->length_bytes / block_bytes, present = 0;
    sim_medium_read(sim->medium, command->offset, sim->scratch, command->length_bytes);
    for (uint64_t at = 0; at < command->length_bytes; at += block_bytes)
        present += memcmp(sim->scratch + at, command->copy + at, block_bytes) == 0;
    return present && present < blocks;
}

/* The cache gets what was in flight and not performed yet; the lottery decides over it with the rest. The
 * bytes are those of submit: the caller's memory may be gone. */
static void strand_in_cache(struct sim *sim, const struct command *command)
{
    uint64_t done = command->progress_bytes, rest = command->length_bytes - done;
    if (!changes_medium(command->operation) || command->refused)
        return;
    memset(sim->scratch, 0, rest);
    sim_medium_write(sim->medium, command->offset + done,
                     command->copy ? command->copy + done : sim->scratch, rest, command->serial,
                     NULL);
}

void sim_power_cut(struct device *device)
{
    struct sim *sim = sim_of(device);
    list_for_each(position, &sim->in_flight)
        strand_in_cache(sim, list_entry(position, struct command, link));
    struct sim_lottery lottery = sim_lottery_draw(draw(&sim->random_state));
    sim->statistics.sectors_lost += sim_medium_cut(sim->medium, &lottery);
    sim->statistics.cuts++;

    while (!list_empty(&sim->in_flight)) {
        struct command *command = list_entry(sim->in_flight.next, struct command, link);
        if (command->copy && !command->refused && is_torn(sim, command))
            sim->statistics.sectors_torn_writes++;
        command_release(sim, command);
    }
    list_for_each(position, &sim->queues) list_entry(position, struct sim_queue, link)->dead = true;
    sim->hold.active = false;
    sim->cut_after = 0;
    sim->power_lost = sim->last_gasp = false;
    memset(sim->fail_next, 0, sizeof(sim->fail_next));
}

void sim_set_faults(struct device *device, uint32_t read_one_in, uint32_t write_one_in,
                    uint32_t flush_one_in, uint32_t split_one_in)
{
    struct sim_options *options = &sim_of(device)->options;
    options->read_error_one_in = read_one_in;
    options->write_error_one_in = write_one_in;
    options->flush_error_one_in = flush_one_in;
    options->split_one_in = split_one_in;
}

void sim_cut_after(struct device *device, uint32_t blocking_writes)
{
    sim_of(device)->cut_after = blocking_writes;
}

bool sim_cut_happened(const struct device *device)
{
    return sim_of(device)->power_lost;
}

void sim_hold(struct device *device, enum device_operation operation, uint64_t offset,
              uint64_t length)
{
    struct sim *sim = sim_of(device);
    sim->hold.active = true;
    sim->hold.operation = operation;
    sim->hold.offset = offset;
    sim->hold.length_bytes = length;
}

void sim_release(struct device *device)
{
    sim_of(device)->hold.active = false;
}

unsigned sim_held(const struct device *device)
{
    const struct sim *sim = sim_of(device);
    unsigned count = 0;
    list_for_each(position, &sim->in_flight) count +=
        is_held(sim, list_entry(position, struct command, link));
    return count;
}

bool sim_writes_into(const struct device *device, uint64_t offset, uint64_t length)
{
    const struct sim *sim = sim_of(device);
    list_for_each(position, &sim->in_flight)
    {
        const struct command *command = list_entry(position, struct command, link);
        if (command->operation == DEVICE_WRITE && command->offset < offset + length &&
            offset < command->offset + command->length_bytes)
            return true;
    }
    return false;
}

void sim_fail_next(struct device *device, enum device_operation operation, int error)
{
    sim_of(device)->fail_next[operation] = error > 0 ? -error : error;
}

struct sim_statistics sim_statistics(const struct device *device)
{
    return sim_of(device)->statistics;
}

void sim_peek(struct device *device, uint64_t offset, void *buffer, size_t size_bytes)
{
    if (is_outside(sim_of(device), offset, size_bytes))
        sim_breach("peek outside", offset, size_bytes);
    sim_medium_read(sim_of(device)->medium, offset, buffer, size_bytes);
}

void sim_poke(struct device *device, uint64_t offset, const void *buffer, size_t size_bytes)
{
    if (is_outside(sim_of(device), offset, size_bytes))
        sim_breach("poke outside", offset, size_bytes);
    sim_medium_poke(sim_of(device)->medium, offset, buffer, size_bytes);
}

/* -- making and ending --------------------------------------------------------------------------------- */

/* The server closes its device; the medium stays until sim_destroy, for the next server. */
static void close_device(struct device *device)
{
    (void)device;
}

static const struct device_operations sim_operations = {
    .queue_create = queue_create,
    .queue_destroy = queue_destroy,
    .submit = submit,
    .transfer = transfer,
    .close = close_device,
};

static struct device_capabilities capabilities_of(const struct sim_options *options)
{
    return (struct device_capabilities){
        .size_bytes = options->size_bytes,
        .block_bytes = options->block_bytes,
        .transfer_bytes_max = TRANSFER_BYTES_MAX,
        .segments_max = SEGMENTS_MAX,
        .atomic_unit_bytes = options->block_bytes,
        .volatile_cache = options->volatile_cache,
        .fua = options->fua,
        .discard = true,
        .write_zeroes = true,
        .kind = "sim",
    };
}

int sim_create(const struct sim_options *options, struct device **device)
{
    struct sim *sim = calloc(1, sizeof(*sim));
    if (!sim)
        return -ENOMEM;
    int rc = sim_medium_create(options->size_bytes, options->block_bytes, &sim->medium);
    sim->scratch = rc ? NULL : malloc(TRANSFER_BYTES_MAX);
    if (!rc && !sim->scratch) {
        sim_medium_destroy(sim->medium);
        rc = -ENOMEM;
    }
    if (rc) {
        free(sim);
        return rc;
    }
    sim->device.operations = &sim_operations;
    sim->device.capabilities = capabilities_of(options);
    snprintf(sim->device.path, sizeof(sim->device.path), "sim");
    sim->options = *options;
    sim->clock = (struct clock_source){clock_monotonic, clock_realtime, clock_random, sim};
    sim->random_state = sim_mix(options->seed);
    sim->clock_random_state = sim_mix(~options->seed);
    sim->now_ns = MONOTONIC_BASE_NS;
    list_init(&sim->in_flight);
    list_init(&sim->spare);
    list_init(&sim->queues);
    *device = &sim->device;
    return 0;
}

void sim_destroy(struct device *device)
{
    struct sim *sim = sim_of(device);
    while (!list_empty(&sim->in_flight))
        command_release(sim, list_entry(sim->in_flight.next, struct command, link));
    list_for_each_safe(position, after, &sim->spare)
        free(list_entry(position, struct command, link));
    list_for_each_safe(position, after, &sim->queues)
        free(list_entry(position, struct sim_queue, link));
    sim_medium_destroy(sim->medium);
    free(sim->scratch);
    free(sim);
}
