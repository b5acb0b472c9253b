/*
 * cuts.c - says each stable acknowledgement aloud, so that the host knows it when it cuts the power; then looks
 * whether all of it is there.
 *
 *   cuts blocks BASE   writes blocks of one file at random, DEPTH in flight: `@ack B BLOCK VERSION .`
 *   cuts names BASE    makes, replaces, appends and removes by name: `@ack N NUMBER 0 .` (made), `U` (removed),
 *                      `R NUMBER` (renamed over the one before), `A NUMBER PLACE` (appended)
 *   cuts verify FILE   FILE has the lines of all boots; prints how many of them are lost. Exit 1: some are
 *
 * Versions and numbers grow from boot to boot: BASE is above all of the boots before. A block holds its version
 * in every word, so a foreign or torn one shows. What was issued and not acknowledged may be there or not.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wt.h>

#define DEPTH        8u
#define BLOCKS       1024u
#define BLOCK_BYTES  4096u
#define BLOCK_WORDS  (BLOCK_BYTES / sizeof(uint64_t))
#define RECORD_BYTES 100u
#define NAMES_KEPT   4u /* an even name is removed when this many newer ones have been made */
#define ACKS_MAX     (1u << 20)

static struct wt *session;

static int fail(const char *what, int64_t rc)
{
    fprintf(stderr, "cuts: %s: %s\n", what, strerror((int)-rc));
    return 2;
}

/* One write, so that no other process's line gets inside. */
static void acknowledge(char kind, uint64_t first, uint64_t second)
{
    char line[80];
    int bytes =
        snprintf(line, sizeof(line), "@ack %c %" PRIu64 " %" PRIu64 " .\n", kind, first, second);
    if (write(STDOUT_FILENO, line, (size_t)bytes) != bytes)
        exit(2);
}

static uint64_t word_of(uint64_t block, uint64_t version)
{
    return version << 16 | block;
}

/* ---- blocks ---- */

static uint64_t buffers[DEPTH][BLOCK_WORDS];
static uint64_t slot_block[DEPTH], slot_version[DEPTH];

static int issue(int handle, unsigned slot, uint64_t version)
{
    uint64_t block = (version * 0x9e3779b97f4a7c15ull >> 32) % BLOCKS;
    slot_block[slot] = block;
    slot_version[slot] = version;
    for (unsigned i = 0; i < BLOCK_WORDS; i++)
        buffers[slot][i] = word_of(block, version);
    return wt_prep_write(session, handle, buffers[slot], BLOCK_BYTES, (off_t)(block * BLOCK_BYTES),
                         WT_STABLE, slot);
}

static int work_on_blocks(uint64_t version)
{
    struct wt_completion done[DEPTH];
    int handle = wt_open(session, "/blocks", O_RDWR | O_CREAT, 0644);
    if (handle < 0)
        return fail("open", handle);
    for (unsigned slot = 0; slot < DEPTH; slot++) {
        int rc = issue(handle, slot, ++version);
        if (rc < 0)
            return fail("prepare", rc);
    }
    for (;;) {
        int count = wt_wait(session, done, DEPTH, 1, NULL);
        if (count < 0)
            return fail("wait", count);
        for (int i = 0; i < count; i++) {
            unsigned slot = (unsigned)done[i].user_data;
            if (done[i].result != BLOCK_BYTES)
                return fail("write", done[i].result);
            acknowledge('B', slot_block[slot], slot_version[slot]);
            int rc = issue(handle, slot, ++version);
            if (rc < 0)
                return fail("prepare", rc);
        }
    }
}

/* ---- names ---- */

static void record_of(char record[RECORD_BYTES], uint64_t number)
{
    memset(record, 'a' + (int)(number % 26), RECORD_BYTES);
    snprintf(record, RECORD_BYTES, "%020" PRIu64, number);
}

/* A file with the number's record in it, stable. */
static int make_file(const char *path, uint64_t number)
{
    char record[RECORD_BYTES];
    record_of(record, number);
    int handle = wt_open(session, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (handle < 0)
        return handle;
    ssize_t got =
        wt_pwritev2(session, handle, &(struct iovec){record, sizeof(record)}, 1, 0, WT_STABLE);
    int rc = wt_close(session, handle);
    return got < 0 ? (int)got : got != RECORD_BYTES ? -EIO : rc;
}

/* The last words before a cut may not reach the host, so which names are removed some day is known by the
 * names: of these only the acknowledged removal can be judged. */
static bool is_removed(uint64_t number)
{
    return number % 2 == 0;
}

static int step(int log, uint64_t number, uint64_t base)
{
    char path[64], record[RECORD_BYTES];
    off_t place;
    snprintf(path, sizeof(path), "/names/%" PRIu64, number);
    int rc = make_file(path, number);
    if (rc)
        return rc;
    acknowledge('N', number, 0);
    rc = make_file("/new", number);
    if (!rc)
        rc = wt_rename(session, "/new", "/current", WT_STABLE);
    if (rc)
        return rc;
    acknowledge('R', number, 0);
    record_of(record, number);
    ssize_t got = wt_append(session, log, record, sizeof(record), WT_STABLE, &place);
    if (got != RECORD_BYTES)
        return got < 0 ? (int)got : -EIO;
    acknowledge('A', number, (uint64_t)place);
    if (number <= base + NAMES_KEPT || !is_removed(number - NAMES_KEPT))
        return 0;
    snprintf(path, sizeof(path), "/names/%" PRIu64, number - NAMES_KEPT);
    rc = wt_unlink(session, path);
    if (!rc)
        acknowledge('U', number - NAMES_KEPT, 0);
    return rc;
}

static int work_on_names(uint64_t base)
{
    int rc = wt_mkdir(session, "/names", 0755);
    if (rc && rc != -EEXIST)
        return fail("mkdir", rc);
    int log = wt_open(session, "/log", O_WRONLY | O_CREAT, 0644);
    if (log < 0)
        return fail("open", log);
    rc = 0;
    for (uint64_t number = base + 1; !rc; number++)
        rc = step(log, number, base);
    return fail("a step", rc);
}

/* ---- verify ---- */

static struct ack {
    char kind;
    uint64_t first, second;
} acks[ACKS_MAX];
static unsigned ack_count, lost, told;

static void lose(const struct ack *ack, const char *what)
{
    lost++;
    if (told++ < 5)
        printf("@say lost: %c %" PRIu64 " %" PRIu64 ": %s\n", ack->kind, ack->first, ack->second,
               what);
}

static int read_acks(const char *path)
{
    FILE *file = fopen(path, "re");
    struct ack ack;
    if (!file)
        return -errno;
    while (ack_count < ACKS_MAX && fscanf(file, " @ack %c %" SCNu64 " %" SCNu64 " .", &ack.kind,
                                          &ack.first, &ack.second) == 3)
        acks[ack_count++] = ack;
    fclose(file);
    return 0;
}

/* Each block's newest acknowledged version, or a newer one; and all of the block is one version. */
static void verify_blocks(void)
{
    static struct ack newest[BLOCKS];
    uint64_t words[BLOCK_WORDS];
    for (unsigned i = 0; i < ack_count; i++) {
        uint64_t block = acks[i].first % BLOCKS;
        if (acks[i].kind == 'B' && acks[i].second > newest[block].second)
            newest[block] = acks[i];
    }
    int handle = wt_open(session, "/blocks", O_RDONLY, 0);
    for (unsigned block = 0; block < BLOCKS; block++) {
        bool whole = true;
        if (!newest[block].second)
            continue;
        ssize_t got =
            handle < 0 ? handle
                       : wt_pread(session, handle, words, BLOCK_BYTES, (off_t)block * BLOCK_BYTES);
        for (unsigned i = 1; got == BLOCK_BYTES && i < BLOCK_WORDS; i++)
            whole = whole && words[i] == words[0];
        if (got != BLOCK_BYTES)
            lose(&newest[block], "cannot be read");
        else if (!whole || (words[0] & 0xffff) != block)
            lose(&newest[block], "torn or foreign");
        else if (words[0] >> 16 < newest[block].second)
            lose(&newest[block], "an older version is there");
    }
}

static bool holds(const char *path, off_t offset, uint64_t number, bool or_newer)
{
    char record[RECORD_BYTES], wanted[RECORD_BYTES];
    int handle = wt_open(session, path, O_RDONLY, 0);
    if (handle < 0)
        return false;
    ssize_t got = wt_pread(session, handle, record, sizeof(record), offset);
    wt_close(session, handle);
    if (got != RECORD_BYTES)
        return false;
    uint64_t found = strtoull(record, NULL, 10);
    record_of(wanted, found);
    return memcmp(record, wanted, sizeof(record)) == 0 &&
           (found == number || (or_newer && found > number));
}

static void verify_names(void)
{
    const struct ack *current = NULL;
    char path[64];
    struct stat about;
    for (unsigned i = 0; i < ack_count; i++) {
        const struct ack *ack = &acks[i];
        snprintf(path, sizeof(path), "/names/%" PRIu64, ack->first);
        if (ack->kind == 'R' && (!current || ack->first > current->first))
            current = ack;
        if (ack->kind == 'A' && !holds("/log", (off_t)ack->second, ack->first, false))
            lose(ack, "what was appended is not there");
        if (ack->kind == 'U' && wt_stat(session, path, &about) != -ENOENT)
            lose(ack, "what was removed is there");
        if (ack->kind == 'N' && !is_removed(ack->first) && !holds(path, 0, ack->first, false))
            lose(ack, "what was made is not there");
    }
    if (current && !holds("/current", 0, current->first, true))
        lose(current, "what was renamed is not there");
}

static int verify(const char *path)
{
    int rc = read_acks(path);
    if (rc)
        return fail(path, rc);
    verify_blocks();
    verify_names();
    printf("@lost %u of %u\n", lost, ack_count);
    return lost != 0;
}

int main(int argc, char **argv)
{
    struct wt_options options = WT_OPTIONS_INIT;
    if (argc != 3)
        return 2;
    options.name_level = WT_STABLE;
    int rc = wt_connect(NULL, &options, &session);
    if (rc)
        return fail("connect", rc);
    if (strcmp(argv[1], "verify") == 0)
        return verify(argv[2]);
    uint64_t base = strtoull(argv[2], NULL, 10);
    return strcmp(argv[1], "blocks") == 0 ? work_on_blocks(base) : work_on_names(base);
}
