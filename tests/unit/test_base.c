/* test_base.c - lists, messages, clock, log, checksum, reactor, memory. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/checksum.h"
#include "server/base/clock.h"
#include "server/base/list.h"
#include "server/base/log.h"
#include "server/base/memory.h"
#include "server/base/message.h"
#include "server/base/reactor.h"

/* -- list ---------------------------------------------------------------------------------------------- */

struct item {
    int value;
    struct list link;
};

static int list_sum_of_digits(struct list *head)
{
    int digits = 0;
    list_for_each(position, head) digits =
        digits * 10 + list_entry(position, struct item, link)->value;
    return digits;
}

Test(list, adds_removes_and_splices)
{
    struct list head, other;
    struct item items[4] = {{.value = 1}, {.value = 2}, {.value = 3}, {.value = 4}};
    list_init(&head);
    list_init(&other);
    cr_assert(list_empty(&head));
    cr_assert_null(list_pop(&head));
    list_add_tail(&head, &items[1].link);
    list_add_tail(&head, &items[2].link);
    list_add_head(&head, &items[0].link);
    cr_assert_eq(list_sum_of_digits(&head), 123);
    list_add_tail(&other, &items[3].link);
    list_splice_tail(&head, &other);
    cr_assert(list_empty(&other));
    list_splice_tail(&head, &other);
    cr_assert_eq(list_sum_of_digits(&head), 1234);
    list_remove(&items[1].link);
    list_remove(&items[1].link);
    cr_assert_eq(list_sum_of_digits(&head), 134);
    list_for_each_safe(position, after, &head)
    {
        if (list_entry(position, struct item, link)->value == 3)
            list_remove(position);
    }
    cr_assert_eq(list_entry(list_pop(&head), struct item, link)->value, 1);
    cr_assert_eq(list_sum_of_digits(&head), 4);
}

/* -- message ------------------------------------------------------------------------------------------- */

struct letter {
    struct message message;
    unsigned number;
    struct post_office *resend_in; /* to shard 0, by itself, when delivered */
};

static unsigned delivered[8192], delivered_count;

static void note_delivery(struct message *message)
{
    struct letter *letter = list_entry(message, struct letter, message);
    delivered[delivered_count++] = letter->number;
    if (letter->resend_in)
        message_send(letter->resend_in, 0, 0, message);
}

static void count_wake(void *context)
{
    ++*(unsigned *)context;
}

static struct letter *letters_make(unsigned count)
{
    struct letter *letters = calloc(count, sizeof(*letters));
    for (unsigned i = 0; i < count; i++)
        letters[i] = (struct letter){.message.deliver = note_delivery, .number = i};
    delivered_count = 0;
    return letters;
}

Test(message, shard_counts_have_limits)
{
    struct post_office *office;
    cr_assert_eq(post_office_create(0, &office), -EINVAL);
    cr_assert_eq(post_office_create(65, &office), -EINVAL);
    cr_assert_eq(post_office_create(64, &office), 0);
    cr_assert_eq(post_office_shards(office), 64);
    post_office_destroy(office);
    post_office_destroy(NULL);
}

Test(message, arrives_only_after_a_flush)
{
    struct post_office *office;
    struct letter *letters = letters_make(2);
    cr_assert_eq(post_office_create(2, &office), 0);
    message_send(office, 0, 1, &letters[0].message);
    cr_assert_eq(message_deliver(office, 1, 10), 0);
    message_flush(office, 0);
    cr_assert_eq(message_deliver(office, 0, 10), 0);
    cr_assert_eq(message_deliver(office, 1, 10), 1);
    cr_assert_eq(message_deliver(office, 1, 10), 0);
    post_office_destroy(office);
    free(letters);
}

Test(message, keeps_order_when_the_ring_overflows)
{
    struct post_office *office;
    struct letter *letters = letters_make(5000);
    cr_assert_eq(post_office_create(3, &office), 0);
    for (unsigned i = 0; i < 4000; i++)
        message_send(office, 2, 1, &letters[i].message);
    message_flush(office, 2);
    cr_assert_eq(message_deliver(office, 1, 100), 100);
    /* Room in the ring again, but these must come behind what overflowed. */
    for (unsigned i = 4000; i < 5000; i++)
        message_send(office, 2, 1, &letters[i].message);
    while (delivered_count < 5000) {
        message_flush(office, 2);
        cr_assert_gt(message_deliver(office, 1, 700), 0);
    }
    for (unsigned i = 0; i < 5000; i++)
        cr_assert_eq(delivered[i], i);
    post_office_destroy(office);
    free(letters);
}

Test(message, to_oneself_comes_with_the_next_delivery)
{
    struct post_office *office;
    struct letter *letters = letters_make(1);
    cr_assert_eq(post_office_create(1, &office), 0);
    letters[0].resend_in = office;
    message_send(office, 0, 0, &letters[0].message);
    cr_assert_eq(delivered_count, 0);
    cr_assert_eq(message_deliver(office, 0, 100), 1);
    cr_assert_not(message_prepare_sleep(office, 0));
    cr_assert_eq(message_deliver(office, 0, 100), 1);
    post_office_destroy(office);
    free(letters);
}

Test(message, a_busy_sender_does_not_starve_another)
{
    struct post_office *office;
    struct letter *letters = letters_make(200);
    cr_assert_eq(post_office_create(3, &office), 0);
    for (unsigned i = 0; i < 199; i++)
        message_send(office, 1, 0, &letters[i].message);
    message_send(office, 2, 0, &letters[199].message);
    message_flush(office, 1);
    message_flush(office, 2);
    message_deliver(office, 0, 10);
    message_deliver(office, 0, 10);
    cr_assert_eq(delivered[10], 199);
    post_office_destroy(office);
    free(letters);
}

Test(message, wakes_a_sleeper_once_a_flush)
{
    struct post_office *office;
    struct letter *letters = letters_make(4);
    unsigned wakes = 0;
    cr_assert_eq(post_office_create(2, &office), 0);
    post_office_set_waker(office, 1, count_wake, &wakes);
    message_send(office, 0, 1, &letters[0].message);
    message_flush(office, 0);
    cr_assert_eq(wakes, 0, "awake: nobody to wake");
    cr_assert_not(message_prepare_sleep(office, 1), "mail is there");
    message_deliver(office, 1, 10);
    cr_assert(message_prepare_sleep(office, 1));
    message_send(office, 0, 1, &letters[1].message);
    message_send(office, 0, 1, &letters[2].message);
    cr_assert_eq(wakes, 0);
    message_flush(office, 0);
    message_send(office, 0, 1, &letters[3].message);
    message_flush(office, 0);
    cr_assert_eq(wakes, 1, "it is on its way up already");
    message_awake(office, 1);
    cr_assert_eq(message_deliver(office, 1, 10), 3);
    post_office_destroy(office);
    free(letters);
}

Test(message, unflushed_mail_keeps_the_sender_awake)
{
    struct post_office *office;
    struct letter *letters = letters_make(1);
    cr_assert_eq(post_office_create(2, &office), 0);
    message_send(office, 0, 1, &letters[0].message);
    cr_assert_not(message_prepare_sleep(office, 0));
    message_flush(office, 0);
    cr_assert(message_prepare_sleep(office, 0));
    message_awake(office, 0);
    post_office_destroy(office);
    free(letters);
}

/* -- clock, checksum ----------------------------------------------------------------------------------- */

static uint64_t fixed_monotonic(void *context)
{
    return *(uint64_t *)context;
}

static int64_t fixed_realtime(void *context)
{
    return (int64_t) * (uint64_t *)context * 2;
}

static void fixed_random(void *context, void *buffer, size_t size_bytes)
{
    memset(buffer, (int)*(uint64_t *)context, size_bytes);
}

Test(clock, real_sources_work)
{
    uint64_t before = clock_monotonic_ns();
    cr_assert_geq(clock_monotonic_ns(), before);
    cr_assert_gt(clock_realtime_ns(), INT64_C(1700000000) * 1000000000);
    unsigned char first[1000] = {0}, second[1000] = {0};
    clock_random_bytes(first, sizeof(first));
    clock_random_bytes(second, sizeof(second));
    cr_assert_neq(memcmp(first, second, sizeof(first)), 0);
}

Test(clock, a_test_can_install_its_own)
{
    uint64_t now = 7;
    struct clock_source source = {fixed_monotonic, fixed_realtime, fixed_random, &now};
    unsigned char bytes[2];
    clock_install(&source);
    cr_assert_eq(clock_monotonic_ns(), 7);
    cr_assert_eq(clock_realtime_ns(), 14);
    clock_random_bytes(bytes, sizeof(bytes));
    cr_assert(bytes[0] == 7 && bytes[1] == 7);
    clock_install(NULL);
    cr_assert_neq(clock_monotonic_ns(), 7);
}

Test(checksum, is_the_usual_crc32c)
{
    cr_assert_eq(checksum_crc32c("123456789", 9), 0xe3069283u);
    cr_assert_eq(checksum_crc32c("", 0), 0);
    unsigned char zeros[32] = {0};
    cr_assert_eq(checksum_crc32c(zeros, 32), 0x8a9136aau); /* RFC 3720, B.4 */
}

Test(checksum, goes_on_at_any_place)
{
    const char *text = "the quick brown fox jumps over the lazy dog";
    uint32_t whole = checksum_crc32c(text, strlen(text));
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        uint32_t head = checksum_crc32c(text, cut);
        cr_assert_eq(checksum_crc32c_extend(head, text + cut, strlen(text) - cut), whole);
    }
}

/* -- log ----------------------------------------------------------------------------------------------- */

static void log_to_pipe(void)
{
    cr_redirect_stderr();
    log_set_program("wtd");
}

Test(log, before_ready_only_warnings_and_worse, .init = log_to_pipe)
{
    log_info("early");
    log_warning("low on %s", "memory");
    log_error("%s: no such device", "/dev/x");
    log_ready();
    log_info("ready on %d shards", 2);
    log_debug("not asked for");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("asked for");
    log_set_silent(true);
    log_error("unheard");
    log_set_silent(false);
    fflush(stderr);
    cr_assert_stderr_eq_str("wtd: warning: low on memory\nwtd: /dev/x: no such device\n"
                            "wtd: ready on 2 shards\nwtd: debug: asked for\n");
}

Test(log, a_line_stays_one_line, .init = log_to_pipe)
{
    log_error("name `%s'", "a\nwtd: fake\033[2J");
    fflush(stderr);
    cr_assert_stderr_eq_str("wtd: name `a?wtd: fake?[2J'\n");
}

Test(log, a_long_line_is_cut)
{
    char text[3000], seen[4096];
    int ends[2], saved = dup(STDERR_FILENO);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    cr_assert_eq(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    log_error("%s", text);
    dup2(saved, STDERR_FILENO);
    ssize_t got = read(ends[0], seen, sizeof(seen));
    cr_assert(got > 1000 && got <= 1024);
    cr_assert_eq(seen[got - 1], '\n');
}

/* -- reactor ------------------------------------------------------------------------------------------- */

struct counter {
    struct reactor_event event;
    unsigned fired;
    int32_t result;
    struct reactor *again; /* queue one more NOP when fired */
};

static void count_fire(struct reactor_event *event, int32_t result, uint32_t completion_flags)
{
    struct counter *counter = list_entry(event, struct counter, event);
    (void)completion_flags;
    counter->fired++;
    counter->result = result;
    if (counter->again) {
        reactor_sqe(counter->again, event)->opcode = IORING_OP_NOP;
        counter->again = NULL;
    }
}

static struct reactor *reactor_make(unsigned entries, bool big_entries)
{
    struct reactor *reactor;
    char reason[200] = "";
    struct reactor_options options = {.entries = entries, .big_entries = big_entries};
    int rc = reactor_create(&options, &reactor, reason, sizeof(reason));
    if (rc == -EPERM || rc == -ENOSYS)
        cr_skip_test("%s", reason);
    cr_assert_eq(rc, 0, "%s", reason);
    return reactor;
}

static void fires_nops(bool big_entries)
{
    struct reactor *reactor = reactor_make(8, big_entries);
    struct counter counter = {.event.fire = count_fire};
    cr_assert_eq(reactor_poll(reactor), 0);
    for (unsigned round = 0; round < 50; round++) {
        /* More than the ring holds: what is full is submitted. */
        for (unsigned i = 0; i < 20; i++)
            reactor_sqe(reactor, &counter.event)->opcode = IORING_OP_NOP;
        while (counter.fired < (round + 1) * 20)
            reactor_wait(reactor, UINT64_MAX);
    }
    cr_assert_eq(counter.fired, 1000);
    cr_assert_eq(reactor_poll(reactor), 0);
    reactor_destroy(reactor);
}

Test(reactor, fires_every_event)
{
    fires_nops(false);
}

Test(reactor, fires_every_event_with_big_entries)
{
    fires_nops(true);
}

Test(reactor, nothing_is_submitted_before_a_poll)
{
    struct reactor *reactor = reactor_make(8, false);
    struct counter counter = {.event.fire = count_fire};
    counter.again = reactor;
    reactor_sqe(reactor, &counter.event)->opcode = IORING_OP_NOP;
    cr_assert_eq(counter.fired, 0);
    cr_assert_eq(reactor_poll(reactor), 1);
    cr_assert_eq(counter.fired, 1, "what a fire queues waits for the next poll");
    cr_assert_eq(reactor_poll(reactor), 1);
    reactor_destroy(reactor);
    reactor_destroy(NULL);
}

Test(reactor, completions_beyond_the_ring_are_kept)
{
    struct reactor *reactor = reactor_make(4, false);
    struct counter counter = {.event.fire = count_fire};
    for (unsigned i = 0; i < 200; i++)
        reactor_sqe(reactor, &counter.event)->opcode = IORING_OP_NOP;
    for (unsigned i = 0; i < 1000 && counter.fired < 200; i++)
        reactor_poll(reactor);
    cr_assert_eq(counter.fired, 200);
    reactor_destroy(reactor);
}

Test(reactor, wait_ends_at_the_time_limit)
{
    struct reactor *reactor = reactor_make(8, false);
    uint64_t before = clock_monotonic_ns();
    cr_assert_eq(reactor_wait(reactor, 20000000), 0);
    uint64_t waited_ns = clock_monotonic_ns() - before;
    cr_assert(waited_ns >= 19000000 && waited_ns < 2000000000);
    cr_assert_eq(reactor_wait(reactor, 0), 0);
    reactor_destroy(reactor);
}

static void add_one(int fd)
{
    uint64_t one = 1;
    cr_assert_eq(write(fd, &one, sizeof(one)), (ssize_t)sizeof(one));
}

Test(reactor, a_watch_fires_for_each_edge_without_reading)
{
    struct reactor *reactor = reactor_make(8, false);
    struct counter counter = {.event.fire = count_fire};
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    cr_assert_eq(reactor_watch(reactor, fd, POLLIN, &counter.event), 0);
    reactor_poll(reactor);
    cr_assert_eq(counter.fired, 0);
    for (unsigned i = 1; i <= 100; i++) {
        add_one(fd);
        reactor_wait(reactor, 1000000000);
        cr_assert_eq(counter.fired, i);
        cr_assert(counter.result & POLLIN);
        cr_assert_eq(reactor_poll(reactor), 0, "edges, not levels");
    }
    reactor_unwatch(reactor, &counter.event);
    reactor_unwatch(reactor, &counter.event);
    for (unsigned i = 0; i < 10 && counter.result != -ECANCELED; i++)
        reactor_wait(reactor, 100000000);
    cr_assert_eq(counter.result, -ECANCELED);
    unsigned fired = counter.fired;
    add_one(fd);
    cr_assert_eq(reactor_poll(reactor), 0);
    cr_assert_eq(counter.fired, fired);
    close(fd);
    reactor_destroy(reactor);
}

/* So many edges before anything is reaped that the kernel ends the multishot: it must come back. */
Test(reactor, a_watch_survives_a_full_completion_ring)
{
    struct reactor *reactor = reactor_make(1, false);
    struct counter counters[40];
    int fds[40];
    for (unsigned i = 0; i < 40; i++) {
        counters[i] = (struct counter){.event.fire = count_fire};
        fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        cr_assert_eq(reactor_watch(reactor, fds[i], POLLIN, &counters[i].event), 0);
    }
    reactor_poll(reactor);
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < 40; i++)
            counters[i].fired = 0;
        for (unsigned i = 0; i < 40; i++)
            add_one(fds[i]);
        for (unsigned i = 0; i < 200; i++)
            reactor_wait(reactor, 1000000);
        for (unsigned i = 0; i < 40; i++)
            cr_assert_geq(counters[i].fired, 1, "round %u, watch %u", round, i);
    }
    for (unsigned i = 0; i < 40; i++)
        close(fds[i]);
    reactor_destroy(reactor);
}

/* A wake-up that is already pending must not keep the watch from ending: a poll removal would not find it. */
Test(reactor, a_watch_ends_while_an_edge_is_pending)
{
    struct reactor *reactor = reactor_make(8, false);
    struct counter counter = {.event.fire = count_fire};
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    cr_assert_eq(reactor_watch(reactor, fd, POLLIN, &counter.event), 0);
    reactor_poll(reactor);
    reactor_unwatch(reactor, &counter.event); /* queued, submitted by the next wait */
    add_one(fd);
    for (unsigned i = 0; i < 10 && counter.result != -ECANCELED; i++)
        reactor_wait(reactor, 100000000);
    cr_assert_eq(counter.result, -ECANCELED);
    close(fd);
    reactor_destroy(reactor);
}

Test(reactor, a_watch_of_a_bad_descriptor_says_so_and_can_be_ended)
{
    struct reactor *reactor = reactor_make(8, false);
    struct counter counter = {.event.fire = count_fire};
    cr_assert_eq(reactor_watch(reactor, 9999, POLLIN, &counter.event), 0);
    reactor_wait(reactor, 1000000000);
    cr_assert_eq(counter.fired, 1);
    cr_assert_eq(counter.result, -EBADF);
    reactor_unwatch(reactor, &counter.event);
    reactor_wait(reactor, 1000000000);
    cr_assert_eq(counter.fired, 2);
    cr_assert_eq(counter.result, -ECANCELED);
    reactor_destroy(reactor);
}

Test(reactor, fixed_buffers_know_their_range)
{
    struct reactor *reactor = reactor_make(8, false);
    char *memory = aligned_alloc(4096, 16384);
    cr_assert_eq(reactor_fixed_index(reactor, memory, 1), -1);
    cr_assert_eq(reactor_register_buffers(reactor, memory + 4096, 8192), 0);
    cr_assert_eq(reactor_fixed_index(reactor, memory, 4096), -1);
    cr_assert_eq(reactor_fixed_index(reactor, memory + 4096, 8192), 0);
    cr_assert_eq(reactor_fixed_index(reactor, memory + 8192, 4096), 0);
    cr_assert_eq(reactor_fixed_index(reactor, memory + 8192, 4097), -1);
    cr_assert_eq(reactor_fixed_index(reactor, memory + 12288, 1), -1);
    cr_assert_eq(reactor_register_buffers(reactor, memory, 4096), -EBUSY);
    reactor_destroy(reactor);
    free(memory);
}

Test(reactor, explains_what_is_wrong)
{
    char reason[300];
    const int errors[] = {-EPERM, -ENOSYS, -ENOMEM, -EMFILE, -EINVAL, -EIO};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        reason[0] = '\0';
        reactor_explain(errors[i], reason, sizeof(reason));
        cr_assert(strstr(reason, "io_uring"), "%s", reason);
        cr_assert_not(strchr(reason, '\n'));
    }
    reactor_explain(-EPERM, NULL, 0);
}

/* -- memory -------------------------------------------------------------------------------------------- */

static void *enter_second_core(void *argument)
{
    *(int *)argument = memory_enter_shard(1);
    free(malloc(100));
    cpu_set_t set;
    sched_getaffinity(0, sizeof(set), &set);
    return (void *)(uintptr_t)CPU_COUNT(&set);
}

Test(memory, a_shard_sits_on_one_core)
{
    unsigned cores = memory_core_count();
    cr_assert_geq(cores, 1);
    cr_assert_eq(memory_enter_shard(cores), 0, "modulo their number");
    cr_assert_eq(memory_core_count(), cores, "as before the thread was pinned");
    pthread_t thread;
    void *seen;
    int rc = -1;
    cr_assert_eq(pthread_create(&thread, NULL, enter_second_core, &rc), 0);
    pthread_join(thread, &seen);
    cr_assert_eq(rc, 0);
    cr_assert_eq((uintptr_t)seen, 1);
}

static void maps_sealed_memory(bool huge)
{
    int fd;
    void *address;
    size_t size_bytes = 4 << 20;
    cr_assert_eq(memory_map_shared("wt-test", size_bytes, huge, &fd, &address), 0);
    memset(address, 1, size_bytes);
    struct stat about;
    cr_assert_eq(fstat(fd, &about), 0);
    cr_assert_eq(about.st_blocks * 512, (off_t)size_bytes, "every page is there");
    cr_assert(ftruncate(fd, 4096) == -1 && errno == EPERM);
    cr_assert(ftruncate(fd, 8 << 20) == -1 && errno == EPERM);
    cr_assert(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == -1 && errno == EPERM);
    memory_unmap(address, size_bytes);
    close(fd);
}

Test(memory, shared_memory_is_whole_and_sealed)
{
    maps_sealed_memory(false);
}

Test(memory, huge_pages_may_be_asked_for)
{
    maps_sealed_memory(true);
}

Test(memory, odd_sizes_are_refused)
{
    int fd;
    void *address;
    cr_assert_eq(memory_map_shared("wt-test", 0, false, &fd, &address), -EINVAL);
    cr_assert_eq(memory_map_shared("wt-test", 4097, false, &fd, &address), -EINVAL);
}

Test(memory, too_much_is_refused_whole)
{
    int fd;
    void *address;
    cr_assert_lt(memory_map_shared("wt-test", (size_t)1 << 62, false, &fd, &address), 0);
}
