/* test_device_nvme.c - the NVMe backend without a controller: a port that records commands and answers as
 * it is told; Identify's bytes; the table of statuses. */
#include <criterion/criterion.h>
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

#include "server/device/nvme.h"
#include "server/device/nvme_status.h"

#define COMMANDS_MAX 2048u

/* ---- a port that is a recorder ---- */

struct sent {
    struct nvme_uring_cmd command;
    struct iovec segments[8];
    unsigned segment_count;
    unsigned how;
    struct reactor_event *event;
};

static struct fake {
    struct nvme_port port;
    struct sent sent[COMMANDS_MAX];
    unsigned count, answered, delays, delay_ms, runs, sleeps;
    struct reactor_event *delayed;
    struct nvme_passthru_cmd64 ran[64];
    int results[16]; /* of blocking commands, then 0 */
} fake;

static void fake_issue(struct nvme_port *port, struct reactor *reactor,
                       const struct nvme_uring_cmd *command, unsigned how,
                       struct reactor_event *event)
{
    (void)port, (void)reactor;
    cr_assert_lt(fake.count, COMMANDS_MAX);
    struct sent *sent = &fake.sent[fake.count++];
    *sent = (struct sent){.command = *command, .how = how, .event = event};
    if (how & NVME_ISSUE_VECTORED) {
        const struct iovec *from = (const struct iovec *)(uintptr_t)command->addr;
        sent->segment_count = command->data_len;
        for (unsigned i = 0; i < command->data_len && i < 8; i++)
            sent->segments[i] = from[i];
    }
}

static void fake_delay(struct nvme_port *port, struct reactor *reactor, struct timespec *timeout,
                       struct reactor_event *event)
{
    (void)port, (void)reactor;
    fake.delays++;
    fake.delay_ms = (unsigned)(timeout->tv_sec * 1000 + timeout->tv_nsec / 1000000);
    fake.delayed = event;
}

static int fake_run(struct nvme_port *port, struct nvme_passthru_cmd64 *command)
{
    (void)port;
    fake.ran[fake.runs % 64] = *command;
    unsigned run = fake.runs++;
    return run < 16 ? fake.results[run] : 0;
}

static void fake_sleep(struct nvme_port *port, unsigned milliseconds)
{
    (void)port;
    fake.sleeps++;
    fake.delay_ms = milliseconds;
}

static void fake_close(struct nvme_port *port)
{
    (void)port;
}

static const struct nvme_port_operations fake_operations = {
    fake_issue, fake_delay, fake_run, fake_sleep, fake_close,
};

static struct nvme_device *device;
static struct device_queue *queue;
static unsigned char memory[2u << 20] __attribute__((aligned(4096)));

static void setup(void)
{
    memset(&fake, 0, sizeof(fake));
    fake.port.operations = &fake_operations;
    device = calloc(1, sizeof(*device));
    device->port = &fake.port;
    device->sibling_fd = -1;
    device->vectored = true;
    device->command_bytes_max = 128u << 10;
    device->command_segments_max = 32;
    device->identity = (struct nvme_identity){.namespace_id = 7,
                                              .size_blocks = 1u << 20,
                                              .block_bytes = 512,
                                              .volatile_cache = true,
                                              .write_zeroes = true,
                                              .deallocate = true,
                                              .atomic_unit_bytes = 512,
                                              .retry_delay_ms_100 = {2, 5, 65535}};
    nvme_device_init(device);
    /* Only its address is used: the port does not look at it. */
    cr_assert_eq(
        device->device.operations->queue_create(&device->device, (struct reactor *)&fake, &queue),
        0);
}

static void teardown(void)
{
    device->device.operations->queue_destroy(queue);
    device_close(&device->device);
}

TestSuite(nvme, .init = setup, .fini = teardown);

static unsigned done_count;

static void done(struct device_io *io)
{
    (void)io;
    done_count++;
}

static void start(struct device_io *io, struct iovec *segments, unsigned segment_count,
                  enum device_operation operation, uint64_t offset, uint64_t length_bytes)
{
    done_count = 0;
    io->done = done;
    io->operation = operation;
    io->offset = offset;
    io->length_bytes = length_bytes;
    io->segments = segments;
    io->segment_count = segment_count;
    list_init(&io->link);
    device_submit(queue, io);
}

static void answer(unsigned index, int32_t result)
{
    fake.sent[index].event->fire(fake.sent[index].event, result, 0);
}

/* ---- commands ---- */

Test(nvme, a_namespace_that_shrank_is_told_once)
{
    struct device_io io = {0};
    struct iovec segment = {memory, 4096};
    start(&io, &segment, 1, DEVICE_READ, 0, 4096);
    answer(0, 0x4281); /* unrecovered read error, do not retry: the medium's own */
    cr_assert_eq(io.result, -EIO);
    cr_assert_not(device->told_changed);
    segment = (struct iovec){memory, 4096};
    start(&io, &segment, 1, DEVICE_READ, 0, 4096);
    answer(1, 0x4080);
    cr_assert_eq(io.result, -EIO);
    cr_assert(device->told_changed);
}

Test(nvme, polled_are_reads_and_writes_alone)
{
    static const enum device_operation operations[] = {DEVICE_READ, DEVICE_WRITE, DEVICE_FLUSH,
                                                       DEVICE_DISCARD, DEVICE_WRITE_ZEROES};
    device->polled = true;
    for (unsigned i = 0; i < 5; i++) {
        struct device_io io = {0};
        struct iovec segment = {memory, 4096};
        start(&io, &segment, i < 2, operations[i], 0, i == 2 ? 0 : 4096);
        cr_expect_eq(!!(fake.sent[i].how & NVME_ISSUE_POLLED), i < 2, "command %u", i);
        answer(i, 0);
    }
}

Test(nvme, a_write_is_one_command)
{
    struct device_io io = {.flags = DEVICE_FUA};
    struct iovec segment = {memory, 8192};
    start(&io, &segment, 1, DEVICE_WRITE, 1ull << 20, 8192);
    cr_assert_eq(fake.count, 1);
    const struct nvme_uring_cmd *command = &fake.sent[0].command;
    cr_assert_eq(command->opcode, NVME_COMMAND_WRITE);
    cr_assert_eq(command->nsid, 7);
    cr_assert_eq(command->addr, (uintptr_t)memory);
    cr_assert_eq(command->data_len, 8192);
    cr_assert_eq(command->cdw10, 2048);
    cr_assert_eq(command->cdw11, 0);
    cr_assert_eq(command->cdw12, 15u | NVME_FUA);
    cr_assert_eq(done_count, 0);
    cr_assert_eq(queue->in_flight, 1);
    answer(0, 0);
    cr_assert_eq(done_count, 1);
    cr_assert_eq(io.result, 0);
    cr_assert_eq(queue->in_flight, 0);
}

Test(nvme, registered_memory_is_used_where_the_kernel_takes_it)
{
    struct device_io io = {0};
    struct iovec segment = {memory, 4096}, two[2] = {{memory, 4096}, {memory + 8192, 4096}};
    start(&io, &segment, 1, DEVICE_WRITE, 0, 4096);
    answer(0, 0);
    device->fixed = true;
    segment = (struct iovec){memory, 4096};
    start(&io, &segment, 1, DEVICE_WRITE, 0, 4096);
    answer(1, 0);
    start(&io, two, 2, DEVICE_WRITE, 0, 8192);
    answer(2, 0);
    start(&io, NULL, 0, DEVICE_FLUSH, 0, 0);
    answer(3, 0);
    cr_assert_eq(fake.sent[0].how, 0);
    cr_assert_eq(fake.sent[1].how, NVME_ISSUE_FIXED);
    cr_assert_eq(fake.sent[2].how, NVME_ISSUE_VECTORED);
    cr_assert_eq(fake.sent[3].how, 0);
}

Test(nvme, a_flush_has_no_range_and_ends)
{
    struct device_io io = {0};
    start(&io, NULL, 0, DEVICE_FLUSH, 0, 0);
    cr_assert_eq(fake.count, 1);
    cr_assert_eq(fake.sent[0].command.opcode, NVME_COMMAND_FLUSH);
    cr_assert_eq(fake.sent[0].command.data_len, 0);
    answer(0, 0);
    cr_assert_eq(done_count, 1);
    cr_assert_eq(io.result, 0);
}

Test(nvme, a_failed_flush_says_so)
{
    struct device_io io = {0};
    start(&io, NULL, 0, DEVICE_FLUSH, 0, 0);
    answer(0, 0x006);
    cr_assert_eq(io.result, -EIO);
    cr_assert(io.flush_failed);
}

Test(nvme, long_transfers_are_cut_at_the_limit_and_joined)
{
    struct device_io io = {0};
    struct iovec segment = {memory, 300u << 10};
    start(&io, &segment, 1, DEVICE_READ, 0, 300u << 10);
    cr_assert_eq(fake.count, 3);
    cr_assert_eq(fake.sent[2].command.data_len, 44u << 10);
    cr_assert_eq(fake.sent[2].command.cdw10, 512);
    answer(1, 0);
    answer(2, 0);
    cr_assert_eq(done_count, 0);
    answer(0, 0);
    cr_assert_eq(done_count, 1);
}

Test(nvme, scattered_memory_goes_as_one_vectored_command)
{
    struct device_io io = {0};
    struct iovec segments[3] = {{memory, 4096}, {memory + 4096, 4096}, {memory + 16384, 4096}};
    start(&io, segments, 3, DEVICE_WRITE, 0, 12288);
    cr_assert_eq(fake.count, 1);
    cr_assert_eq(fake.sent[0].segment_count, 2, "neighbours in memory are one segment");
    cr_assert_eq(fake.sent[0].segments[0].iov_len, 8192);
    cr_assert_eq(fake.sent[0].command.cdw12, 23);
    answer(0, 0);
}

Test(nvme, without_vectored_commands_it_is_cut_at_each_gap)
{
    struct device_io io = {0};
    struct iovec segments[3] = {{memory, 4096}, {memory + 4096, 4096}, {memory + 16384, 4096}};
    device->vectored = false;
    start(&io, segments, 3, DEVICE_WRITE, 0, 12288);
    cr_assert_eq(fake.count, 2);
    cr_assert_eq(fake.sent[0].command.data_len, 8192);
    cr_assert_eq(fake.sent[1].command.cdw10, 16);
    answer(0, 0);
    answer(1, 0);
    cr_assert_eq(done_count, 1);
}

Test(nvme, a_command_has_no_more_segments_than_the_kernel_takes)
{
    static struct iovec segments[40];
    struct device_io io = {0};
    for (unsigned i = 0; i < 40; i++)
        segments[i] = (struct iovec){memory + i * 8192ul, 4096};
    device->command_bytes_max = 1u << 20;
    start(&io, segments, 40, DEVICE_WRITE, 0, 40 * 4096);
    cr_assert_eq(fake.count, 2);
    cr_assert_eq(fake.sent[0].segment_count, 32);
    cr_assert_eq(fake.sent[1].segment_count, 8);
    answer(0, 0);
    answer(1, 0);
    cr_assert_eq(done_count, 1);
}

Test(nvme, more_commands_than_pieces_wait_and_all_end)
{
    static struct device_io ios[600];
    static struct iovec segments[600];
    for (unsigned i = 0; i < 600; i++) {
        segments[i] = (struct iovec){memory, 4096};
        ios[i] = (struct device_io){0};
        start(&ios[i], &segments[i], 1, DEVICE_WRITE, i * 4096ul, 4096);
    }
    cr_assert_eq(fake.count, 512);
    done_count = 0;
    for (unsigned i = 0; i < 600; i++)
        answer(i, 0);
    cr_assert_eq(fake.count, 600);
    cr_assert_eq(done_count, 600);
    cr_assert_eq(queue->in_flight, 0);
}

Test(nvme, discard_names_one_range)
{
    struct device_io io = {0};
    start(&io, NULL, 0, DEVICE_DISCARD, 1ull << 20, 1ull << 20);
    const struct nvme_uring_cmd *command = &fake.sent[0].command;
    const struct nvme_range *range = (const struct nvme_range *)(uintptr_t)command->addr;
    cr_assert_eq(command->opcode, NVME_COMMAND_DATASET);
    cr_assert_eq(command->cdw11, NVME_DATASET_DEALLOCATE);
    cr_assert_eq(command->data_len, 16);
    cr_assert_eq(range->blocks, 2048);
    cr_assert_eq(range->first_block, 2048);
    answer(0, 0);
}

Test(nvme, write_zeroes_moves_no_data_and_is_cut_at_its_own_limit)
{
    struct device_io io = {0};
    device->identity.zeroes_bytes_max = 1u << 20;
    start(&io, NULL, 0, DEVICE_WRITE_ZEROES, 0, 3u << 20);
    cr_assert_eq(fake.count, 3);
    cr_assert_eq(fake.sent[1].command.cdw10, 2048);
    cr_assert_eq(fake.sent[1].command.cdw12, 2047);
    cr_assert_eq(fake.sent[1].command.data_len, 0);
    for (unsigned i = 0; i < 3; i++)
        answer(i, 0);
    cr_assert_eq(done_count, 1);
}

Test(nvme, past_the_end_nothing_is_sent)
{
    struct device_io io = {0};
    struct iovec segment = {memory, 4096};
    start(&io, &segment, 1, DEVICE_WRITE, 512ull << 20, 4096);
    cr_assert_eq(fake.count, 0);
    cr_assert_eq(done_count, 0, "done never runs inside submit");
    fake.delayed->fire(fake.delayed, 0, 0);
    cr_assert_eq(done_count, 1);
    cr_assert_eq(io.result, -EIO);
}

Test(nvme, a_read_only_device_takes_no_write)
{
    struct device_io io = {0};
    struct iovec segment = {memory, 4096};
    device->read_only = true;
    start(&io, &segment, 1, DEVICE_WRITE, 0, 4096);
    fake.delayed->fire(fake.delayed, 0, 0);
    cr_assert_eq(io.result, -EROFS);
    cr_assert_eq(fake.count, 0);
}

/* ---- errors ---- */

Test(nvme, a_write_that_did_not_run_is_sent_again_after_the_delay_asked_for)
{
    struct device_io io = {0};
    struct iovec segment = {memory, 4096};
    start(&io, &segment, 1, DEVICE_WRITE, 0, 4096);
    answer(0, 0x082 | 2u << NVME_STATUS_CRD_SHIFT); /* not ready, second delay */
    cr_assert_eq(fake.delays, 1);
    cr_assert_eq(fake.delay_ms, 500);
    cr_assert_eq(fake.count, 1);
    fake.delayed->fire(fake.delayed, -ETIME, 0);
    cr_assert_eq(fake.count, 2);
    cr_assert_eq(
        memcmp(&fake.sent[0].command, &fake.sent[1].command, sizeof(struct nvme_uring_cmd)), 0);
    answer(1, 0);
    cr_assert_eq(done_count, 1);
    cr_assert_eq(io.result, 0);
}

Test(nvme, retries_and_their_delays_are_bounded)
{
    struct device_io io = {0};
    struct iovec segment = {memory, 4096};
    start(&io, &segment, 1, DEVICE_WRITE, 0, 4096);
    unsigned sent = 0;
    while (done_count == 0 && sent < 100) {
        answer(sent++, 0x082 | 3u << NVME_STATUS_CRD_SHIFT);
        if (done_count == 0) {
            cr_assert_eq(fake.delay_ms, 10000);
            fake.delayed->fire(fake.delayed, 0, 0);
        }
    }
    cr_assert_eq(sent, 6);
    cr_assert_eq(io.result, -EBUSY);
}

Test(nvme, do_not_retry_is_obeyed)
{
    struct device_io io = {0};
    struct iovec segment = {memory, 4096};
    start(&io, &segment, 1, DEVICE_READ, 0, 4096);
    answer(0, 0x281 | NVME_STATUS_DNR);
    cr_assert_eq(fake.delays, 0);
    cr_assert_eq(io.result, -EIO);
}

Test(nvme, a_read_is_tried_again_and_a_write_of_unknown_outcome_is_not)
{
    struct device_io read = {0}, write = {0};
    struct iovec one = {memory, 4096}, other = {memory, 4096};
    start(&read, &one, 1, DEVICE_READ, 0, 4096);
    answer(0, -EINTR);
    cr_assert_eq(fake.delays, 1);
    fake.delayed->fire(fake.delayed, 0, 0);
    answer(1, 0);
    cr_assert_eq(read.result, 0);
    start(&write, &other, 1, DEVICE_WRITE, 0, 4096);
    answer(2, -EINTR);
    cr_assert_eq(done_count, 1);
    cr_assert_eq(write.result, -EINTR);
    cr_assert_eq(fake.delays, 1);
}

Test(nvme, a_multipath_head_without_a_path_is_an_unknown_outcome)
{
    struct device_io io = {0};
    struct iovec segment = {memory, 4096};
    device->multipath = true;
    start(&io, &segment, 1, DEVICE_WRITE, 0, 4096);
    answer(0, -EINVAL);
    cr_assert_eq(io.result, -ENOLINK);
}

Test(nvme, one_failed_piece_fails_the_whole_after_the_last)
{
    struct device_io io = {0};
    struct iovec segment = {memory, 256u << 10};
    start(&io, &segment, 1, DEVICE_WRITE, 0, 256u << 10);
    answer(0, 0x280);
    cr_assert_eq(done_count, 0, "the other command still uses the memory");
    answer(1, 0);
    cr_assert_eq(done_count, 1);
    cr_assert_eq(io.result, -EIO);
}

/* ---- blocking ---- */

Test(nvme, blocking_transfers_are_cut_and_retried)
{
    fake.results[1] = 0x082; /* not ready, once */
    cr_assert_eq(
        device_transfer(&device->device, DEVICE_WRITE, DEVICE_FUA, 4096, memory, 200u << 10), 0);
    cr_assert_eq(fake.runs, 3);
    cr_assert_eq(fake.sleeps, 1);
    cr_assert_eq(fake.ran[0].cdw10, 8);
    cr_assert_eq(fake.ran[0].cdw12, 255u | NVME_FUA);
    cr_assert_eq(fake.ran[2].addr, (uintptr_t)memory + (128u << 10));
    cr_assert_eq(fake.ran[2].data_len, 72u << 10);
}

Test(nvme, blocking_errors_are_told)
{
    fake.results[0] = 0x020 | NVME_STATUS_DNR;
    cr_assert_eq(device_transfer(&device->device, DEVICE_WRITE, 0, 0, memory, 4096), -EROFS);
    cr_assert_eq(device_transfer(&device->device, DEVICE_READ, 0, 100, memory, 4096), -EINVAL);
    cr_assert_eq(device_transfer(&device->device, DEVICE_READ, 0, 512ull << 20, memory, 4096),
                 -EIO);
    cr_assert_eq(fake.runs, 1);
}

/* ---- statuses ---- */

Test(nvme_status, each_has_its_errno_and_outcome)
{
    static const struct {
        uint32_t status;
        int error;
        enum nvme_outcome outcome;
    } expected[] = {
        {0x001, -EOPNOTSUPP, NVME_NOT_RUN}, {0x002, -EINVAL, NVME_NOT_RUN},
        {0x004, -EIO, NVME_FAILED},         {0x005, -EINTR, NVME_UNKNOWN},
        {0x007, -EINTR, NVME_UNKNOWN},      {0x00b, -ENODEV, NVME_NOT_RUN},
        {0x020, -EROFS, NVME_NOT_RUN},      {0x080, -EIO, NVME_NOT_RUN},
        {0x081, -ENOSPC, NVME_FAILED},      {0x082, -EBUSY, NVME_NOT_RUN},
        {0x083, -EBADE, NVME_NOT_RUN},      {0x182, -EROFS, NVME_NOT_RUN},
        {0x280, -EIO, NVME_FAILED},         {0x281, -EIO, NVME_FAILED},
        {0x286, -EACCES, NVME_NOT_RUN},     {0x300, -ENOLINK, NVME_UNKNOWN},
        {0x303, -ENOLINK, NVME_UNKNOWN},    {0x371, -EINTR, NVME_UNKNOWN},
        {0x3f0, -ENOLINK, NVME_UNKNOWN},    {0x7c1, -EIO, NVME_FAILED},
        {0x0ff, -EIO, NVME_FAILED},
    };
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        struct nvme_verdict verdict =
            nvme_verdict(expected[i].status | NVME_STATUS_DNR | NVME_STATUS_MORE);
        cr_expect_eq(verdict.error, expected[i].error, "%#x", expected[i].status);
        cr_expect_eq(verdict.outcome, expected[i].outcome, "%#x", expected[i].status);
    }
}

Test(nvme_status, no_status_is_taken_for_success)
{
    for (uint32_t status = 1; status < 0x8000; status++) {
        struct nvme_verdict verdict = nvme_verdict(status);
        cr_assert_lt(verdict.error, 0, "%#x", status);
        cr_assert_not_null(verdict.name);
        /* A write is sent again only if it is known not to have run. */
        if (nvme_may_retry(&verdict, status, false))
            cr_assert(verdict.outcome == NVME_NOT_RUN && !(status & NVME_STATUS_DNR), "%#x",
                      status);
    }
}

Test(nvme_status, the_kernels_own_refusals)
{
    cr_assert_eq(nvme_verdict_of_errno(-EINVAL, false).error, -EINVAL);
    cr_assert_eq(nvme_verdict_of_errno(-EINVAL, true).outcome, NVME_UNKNOWN);
    cr_assert_eq(nvme_verdict_of_errno(-EINTR, false).outcome, NVME_UNKNOWN);
    cr_assert_eq(nvme_verdict_of_errno(-EAGAIN, false).outcome, NVME_NOT_RUN);
    cr_assert_eq(nvme_verdict_of_errno(-ENXIO, false).error, -ENODEV);
    cr_assert_eq(nvme_verdict_of_errno(-EIO, false).outcome, NVME_FAILED);
}

Test(nvme_status, a_kernel_without_passthrough_is_noticed)
{
    struct io_uring_probe *probe = io_uring_get_probe();
    if (!probe)
        cr_skip_test("no io_uring here");
    bool had = nvme_kernel_has_passthrough(probe);
    probe->ops[IORING_OP_URING_CMD].flags = 0;
    cr_assert(!nvme_kernel_has_passthrough(probe));
    cr_assert(!nvme_kernel_has_passthrough(NULL));
    probe->ops[IORING_OP_URING_CMD].flags = IO_URING_OP_SUPPORTED;
    if (had)
        cr_assert(nvme_kernel_has_passthrough(probe));
    io_uring_free_probe(probe);
}

/* ---- identify ---- */

static uint8_t controller[NVME_IDENTIFY_BYTES], name_space[NVME_IDENTIFY_BYTES];
static struct nvme_identity identity;
static char reason[128];

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

/* Identify's texts are padded with blanks and have no end. */
static void put_text(unsigned char *at, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (unsigned char)(*text ? *text++ : ' ');
}

static void plain_namespace(void)
{
    memset(controller, 0, sizeof(controller));
    memset(name_space, 0, sizeof(name_space));
    put_text(controller + 4, "S123", 20);
    put_text(controller + 24, "A\x1b model", 40);
    put_text(controller + 64, "1.0", 8);
    controller[77] = 5;  /* MDTS: 32 pages */
    controller[525] = 1; /* VWC */
    put16(controller + 520, 1u << 2 | 1u << 3);
    put16(controller + 528, 7); /* AWUPF: 8 blocks */
    name_space[0] = 0;
    name_space[2] = 16; /* 2^20 blocks */
    name_space[128 + 2] = 9;
    name_space[128 + 4 + 2] = 12;
}

static int parse(void)
{
    return nvme_identity_parse(&identity, controller, name_space, NULL, 4096, reason,
                               sizeof(reason));
}

TestSuite(nvme_identify, .init = plain_namespace);

Test(nvme_identify, reads_what_it_needs)
{
    cr_assert_eq(parse(), 0);
    cr_assert_str_eq(identity.serial, "S123");
    cr_assert_str_eq(identity.model, "A? model", "nothing that a terminal would obey");
    cr_assert_eq(identity.size_blocks, 1u << 20);
    cr_assert_eq(identity.block_bytes, 512);
    cr_assert_eq(identity.transfer_bytes_max, 128u << 10);
    cr_assert(identity.volatile_cache && identity.write_zeroes && identity.deallocate);
    cr_assert_eq(identity.atomic_unit_bytes, 4096);
}

Test(nvme_identify, the_format_in_use_counts)
{
    name_space[26] = 1;
    cr_assert_eq(parse(), 0);
    cr_assert_eq(identity.block_bytes, 4096);
    put16(name_space + 128 + 4, 8);
    cr_assert_eq(parse(), 0);
    cr_assert_eq(identity.metadata_bytes, 8);
    name_space[128 + 4 + 2] = 63;
    cr_assert_eq(parse(), -EINVAL);
    name_space[128 + 4 + 2] = 3;
    cr_assert_eq(parse(), -EINVAL);
}

Test(nvme_identify, more_than_sixteen_formats)
{
    name_space[26] = 1u << 5; /* format 16 */
    name_space[128 + 64 + 2] = 12;
    cr_assert_eq(parse(), 0);
    cr_assert_eq(identity.block_bytes, 4096);
}

Test(nvme_identify, impossible_sizes_are_refused)
{
    memset(name_space, 0, 8);
    cr_assert_eq(parse(), -EINVAL);
    memset(name_space, 0xff, 8);
    cr_assert_eq(parse(), -EINVAL);
}

Test(nvme_identify, the_namespaces_atoms_count_only_where_it_says_so)
{
    put16(name_space + 36, 31);
    cr_assert_eq(parse(), 0);
    cr_assert_eq(identity.atomic_unit_bytes, 4096);
    name_space[24] = 2; /* NSABP */
    put16(name_space + 44, 63);
    cr_assert_eq(parse(), 0);
    cr_assert_eq(identity.atomic_unit_bytes, 16384);
    cr_assert_eq(identity.atomic_boundary_bytes, 32768);
}

Test(nvme_identify, doubtful_atoms_are_one_block)
{
    name_space[24] = 2;
    put16(name_space + 36, 3); /* smaller than the controller's */
    cr_assert_eq(parse(), 0);
    cr_assert_eq(identity.atomic_unit_bytes, 512);
    put16(name_space + 36, 31);
    put16(name_space + 44, 15); /* a boundary inside the unit */
    cr_assert_eq(parse(), 0);
    cr_assert_eq(identity.atomic_unit_bytes, 512);
    put16(name_space + 44, 63);
    put16(name_space + 42, 4); /* boundaries that do not begin at block 0 */
    cr_assert_eq(parse(), 0);
    cr_assert_eq(identity.atomic_unit_bytes, 512);
}

Test(nvme_identify, no_limit_of_transfers)
{
    controller[77] = 0;
    cr_assert_eq(parse(), 0);
    cr_assert_eq(identity.transfer_bytes_max, 0);
    controller[77] = 255;
    cr_assert_eq(parse(), 0);
    cr_assert_eq(identity.transfer_bytes_max, 0);
}
