/*
 * stress.c - one client process of the stress test, and its judge.
 *
 *   stress work   DIR ID SECONDS   works on files of its own and shared ones, checking all it reads
 *   stress verify DIR              reads everything and compares it with every client's ledger
 *
 * DIR holds the ledgers, one a client, in the host's file system. A ledger is mapped shared, so it outlives
 * the client that is killed. For each cell it says which version was last issued, which was last completed,
 * and which was last acknowledged as stable. Cells are 1,000 bytes, so that neighbours, which belong to
 * different clients in shared files, share pages and blocks. A cell is right when it is whole and its
 * version lies between what must be seen and what can have been written.
 *
 * Exit: 0 no difference; 1 a difference (said); 3 the server went away (the caller kills it on purpose).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wt.h>

#define CLIENTS          8
#define DEPTH            32
#define CELL_BYTES       1000
#define CELL_WORDS       (CELL_BYTES / 8)
#define BLOCK_BYTES      4096
#define CELLS            4096 /* of one file */
#define OWN_FILES        2
#define SHARED_FILES     2
#define FILES            (OWN_FILES + SHARED_FILES)
#define RUN_CELLS        32 /* the longest request, in cells */
#define EXIT_SERVER_GONE 3

struct ledger {
    uint64_t issued[FILES][CELLS], completed[FILES][CELLS], stable[FILES][CELLS];
    uint64_t requests;
};

enum kind { IDLE, READ, WRITE, SYNC };

struct slot {
    enum kind kind;
    int file;
    unsigned cell, count;
    bool stable;
    uint64_t version[RUN_CELLS]; /* READ: the least that must be seen; WRITE: what is written */
    uint64_t *snapshot;          /* SYNC: what was written when it was prepared */
    unsigned char *buffer;
};

static struct ledger *ledgers[CLIENTS];
static struct wt *session;
static int handles[FILES];
static struct slot slots[DEPTH];
static int self;
static uint64_t random_state;
/* What a read on this ring must see at least: what was found at the start, then all that this ring wrote. A
 * version issued before a crash and never acknowledged may be gone. */
static uint64_t own_least[FILES][CELLS];

static uint64_t next_random(void)
{
    random_state += 0x9e3779b97f4a7c15ull;
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static bool shared(int file)
{
    return file >= OWN_FILES;
}

static int owner_of(int client, int file, unsigned cell)
{
    return shared(file) ? (int)(cell % CLIENTS) : client;
}

static void fill(uint64_t *words, int owner, int file, unsigned cell, uint64_t version)
{
    words[0] = version;
    for (unsigned i = 1; i < CELL_WORDS; i++)
        words[i] = (version * 0x9e3779b97f4a7c15ull) ^ ((uint64_t)owner << 56) ^
                   ((uint64_t)file << 48) ^ ((uint64_t)cell << 16) ^ i;
}

/* 0, or why the bytes are not a version of this cell between low and high. */
static const char *judge(const unsigned char *bytes, int owner, int file, unsigned cell,
                         uint64_t low, uint64_t high, uint64_t *found)
{
    uint64_t words[CELL_WORDS], right[CELL_WORDS];
    memcpy(words, bytes, CELL_BYTES);
    *found = words[0];
    if (words[0] == 0)
        memset(right, 0, sizeof(right));
    else
        fill(right, owner, file, cell, words[0]);
    if (memcmp(words, right, CELL_BYTES) != 0)
        return "torn or foreign";
    if (words[0] < low)
        return "too old";
    return words[0] > high ? "never written" : NULL;
}

static void complain(const char *why, int owner, int file, unsigned cell, uint64_t found,
                     uint64_t low, uint64_t high)
{
    printf("client %d: file %d cell %u of client %d is %s: found version %llu, expected %llu to "
           "%llu\n",
           self, file, cell, owner, why, (unsigned long long)found, (unsigned long long)low,
           (unsigned long long)high);
}

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void raise_to(uint64_t *word, uint64_t value)
{
    if (*word < value)
        __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static int open_ledgers(const char *directory)
{
    for (int client = 0; client < CLIENTS; client++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/ledger.%d", directory, client);
        int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (descriptor < 0 || ftruncate(descriptor, sizeof(struct ledger)) < 0)
            return -errno;
        ledgers[client] =
            mmap(NULL, sizeof(struct ledger), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
        close(descriptor);
        if (ledgers[client] == MAP_FAILED)
            return -errno;
    }
    return 0;
}

static int open_files(int client)
{
    for (int file = 0; file < FILES; file++) {
        char path[64];
        if (shared(file))
            snprintf(path, sizeof(path), "/shared.%d", file);
        else
            snprintf(path, sizeof(path), "/own.%d.%d", client, file);
        handles[file] = wt_open(session, path, O_RDWR | O_CREAT, 0644);
        if (handles[file] < 0)
            return handles[file];
    }
    return 0;
}

/* One request into a free slot. Versions are issued in the ledger before the server can see them. */
static int prepare(struct slot *slot, uint64_t id)
{
    struct ledger *mine = ledgers[self];
    uint64_t dice = next_random() % 100;
    slot->file = (int)(next_random() % FILES);
    slot->count = shared(slot->file) ? 1 : 1 + (unsigned)(next_random() % RUN_CELLS);
    slot->cell = (unsigned)(next_random() % (CELLS - RUN_CELLS));
    off_t offset = (off_t)slot->cell * CELL_BYTES;
    if (dice < 4) {
        slot->kind = SYNC;
        memcpy(slot->snapshot, own_least[slot->file], sizeof(own_least[0]));
        return wt_prep_fsync(session, handles[slot->file], dice < 2 ? WT_DATASYNC : 0, id);
    }
    if (dice < 50) {
        slot->kind = READ;
        for (unsigned i = 0; i < slot->count; i++) {
            int owner = owner_of(self, slot->file, slot->cell + i);
            const struct ledger *ledger = ledgers[owner];
            slot->version[i] = owner == self ? own_least[slot->file][slot->cell + i]
                                             : load(&ledger->completed[slot->file][slot->cell + i]);
        }
        return wt_prep_read(session, handles[slot->file], slot->buffer, slot->count * CELL_BYTES,
                            offset, 0, id);
    }
    slot->kind = WRITE;
    if (shared(slot->file)) {
        slot->cell = slot->cell / CLIENTS * CLIENTS + (unsigned)self;
        offset = (off_t)slot->cell * CELL_BYTES;
    }
    for (unsigned i = 0; i < slot->count; i++) {
        uint64_t words[CELL_WORDS];
        slot->version[i] = ++mine->issued[slot->file][slot->cell + i];
        own_least[slot->file][slot->cell + i] = slot->version[i];
        fill(words, self, slot->file, slot->cell + i, slot->version[i]);
        memcpy(slot->buffer + (size_t)i * CELL_BYTES, words, CELL_BYTES);
    }
    int levels[] = {WT_BEHIND, WT_THROUGH, WT_STABLE};
    int level = levels[next_random() % 3];
    slot->stable = level == WT_STABLE;
    return wt_prep_write(session, handles[slot->file], slot->buffer, slot->count * CELL_BYTES,
                         offset, level, id);
}

static int finish_read(const struct slot *slot, int64_t result)
{
    memset(slot->buffer + result, 0, slot->count * CELL_BYTES - (size_t)result); /* past the end */
    for (unsigned i = 0; i < slot->count; i++) {
        int owner = owner_of(self, slot->file, slot->cell + i);
        uint64_t high = load(&ledgers[owner]->issued[slot->file][slot->cell + i]), found;
        const char *why = judge(slot->buffer + (size_t)i * CELL_BYTES, owner, slot->file,
                                slot->cell + i, slot->version[i], high, &found);
        if (why) {
            complain(why, owner, slot->file, slot->cell + i, found, slot->version[i], high);
            return -EILSEQ;
        }
    }
    return 0;
}

static int finish(struct slot *slot, int64_t result)
{
    struct ledger *mine = ledgers[self];
    enum kind kind = slot->kind;
    slot->kind = IDLE;
    if (result < 0)
        return (int)result;
    mine->requests++;
    if (kind == READ)
        return finish_read(slot, result);
    if (kind == SYNC) {
        for (unsigned cell = 0; cell < CELLS; cell++)
            if (owner_of(self, slot->file, cell) == self)
                raise_to(&mine->stable[slot->file][cell], slot->snapshot[cell]);
        return 0;
    }
    if (result != (int64_t)slot->count * CELL_BYTES)
        return -EIO;
    for (unsigned i = 0; i < slot->count; i++) {
        raise_to(&mine->completed[slot->file][slot->cell + i], slot->version[i]);
        if (slot->stable)
            raise_to(&mine->stable[slot->file][slot->cell + i], slot->version[i]);
    }
    return 0;
}

static int work_loop(time_t seconds)
{
    struct timespec now, end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    unsigned in_flight = 0;
    bool time_left = true;
    while (time_left || in_flight > 0) {
        struct wt_completion completions[DEPTH];
        for (unsigned i = 0; i < DEPTH && time_left; i++) {
            if (slots[i].kind != IDLE)
                continue;
            int error = prepare(&slots[i], i);
            if (error < 0)
                return error;
            in_flight++;
        }
        int count = wt_wait(session, completions, DEPTH, 1, NULL);
        if (count < 0)
            return count;
        for (int i = 0; i < count; i++) {
            int error = finish(&slots[completions[i].user_data], completions[i].result);
            if (error)
                return error;
            in_flight--;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        time_left =
            now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec);
    }
    return 0;
}

static int work(const char *directory, int client, time_t seconds)
{
    self = client;
    random_state = (uint64_t)time(NULL) * CLIENTS + (uint64_t)client;
    int error = open_ledgers(directory);
    if (!error)
        error = wt_connect(NULL, NULL, &session);
    if (!error)
        error = open_files(client);
    for (unsigned i = 0; i < DEPTH && !error; i++) {
        slots[i].buffer = malloc(RUN_CELLS * CELL_BYTES);
        slots[i].snapshot = malloc(sizeof(uint64_t) * CELLS);
        if (!slots[i].buffer || !slots[i].snapshot)
            error = -ENOMEM;
    }
    if (!error)
        memcpy(own_least, ledgers[self]->completed, sizeof(own_least));
    if (!error)
        error = work_loop(seconds);
    if (session)
        wt_disconnect(session);
    for (unsigned i = 0; i < DEPTH; i++) {
        free(slots[i].buffer);
        free(slots[i].snapshot);
    }
    if (error == -EREMOTEIO || error == -ENOTCONN || error == -ECONNREFUSED ||
        error == -ECONNRESET || error == -ENOENT)
        return EXIT_SERVER_GONE;
    if (error)
        printf("client %d: %s\n", client, strerror(-error));
    return error ? 1 : 0;
}

/*
 * After a crash, of a write that was never acknowledged each block is old or new: the two parts of a cell that
 * crosses a block boundary may be of different versions, each one of those that are allowed.
 */
static bool torn_as_allowed(const unsigned char *bytes, int owner, int file, unsigned cell,
                            uint64_t low, uint64_t high)
{
    size_t start = (size_t)cell * CELL_BYTES;
    size_t first = BLOCK_BYTES - start % BLOCK_BYTES;
    if (first >= CELL_BYTES)
        return false;
    bool first_right = false, second_right = false;
    for (uint64_t version = low; version <= high; version++) {
        uint64_t right[CELL_WORDS] = {0};
        if (version > 0)
            fill(right, owner, file, cell, version);
        first_right |= memcmp(bytes, right, first) == 0;
        second_right |=
            memcmp(bytes + first, (unsigned char *)right + first, CELL_BYTES - first) == 0;
    }
    return first_right && second_right;
}

/* Writes a cell that the crash tore anew, so that the next round can judge it again. */
static unsigned mend(int file, unsigned cell, int owner)
{
    struct ledger *ledger = ledgers[owner];
    uint64_t words[CELL_WORDS], version = ++ledger->issued[file][cell];
    fill(words, owner, file, cell, version);
    ssize_t done = wt_pwrite(session, handles[file], words, CELL_BYTES, (off_t)cell * CELL_BYTES);
    ledger->completed[file][cell] = version;
    return done != CELL_BYTES;
}

/* What is found becomes what later reads must see; returns the number of differences. */
static unsigned verify_file(int client, int file)
{
    static unsigned char bytes[CELLS * CELL_BYTES];
    unsigned differences = 0;
    memset(bytes, 0, sizeof(bytes));
    ssize_t got = wt_pread(session, handles[file], bytes, sizeof(bytes), 0);
    if (got < 0) {
        printf("client %d file %d: %s\n", client, file, strerror((int)-got));
        return 1;
    }
    for (unsigned cell = 0; cell < CELLS; cell++) {
        int owner = owner_of(client, file, cell);
        struct ledger *ledger = ledgers[owner];
        uint64_t found;
        const char *why = judge(bytes + (size_t)cell * CELL_BYTES, owner, file, cell,
                                ledger->stable[file][cell], ledger->issued[file][cell], &found);
        if (why && torn_as_allowed(bytes + (size_t)cell * CELL_BYTES, owner, file, cell,
                                   ledger->stable[file][cell], ledger->issued[file][cell])) {
            differences += mend(file, cell, owner);
            continue;
        }
        if (why) {
            complain(why, owner, file, cell, found, ledger->stable[file][cell],
                     ledger->issued[file][cell]);
            differences++;
        }
        ledger->completed[file][cell] = found; /* the next client starts from what is there */
    }
    return differences;
}

static int verify(const char *directory)
{
    unsigned differences = 0;
    uint64_t requests = 0;
    int error = open_ledgers(directory);
    if (!error)
        error = wt_connect(NULL, NULL, &session);
    for (int client = 0; client < CLIENTS && !error; client++) {
        error = open_files(client);
        for (int file = 0; file < FILES && !error; file++)
            differences += verify_file(client, file);
        for (int file = 0; file < FILES && !error; file++)
            wt_close(session, handles[file]);
        requests += ledgers[client]->requests;
    }
    if (session)
        wt_disconnect(session);
    if (error)
        printf("verify: %s\n", strerror(-error));
    printf("%llu requests completed, %u differences\n", (unsigned long long)requests, differences);
    return error || differences ? 1 : 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 5 && strcmp(argv[1], "work") == 0)
        return work(argv[2], atoi(argv[3]), atoi(argv[4]));
    if (argc == 3 && strcmp(argv[1], "verify") == 0)
        return verify(argv[2]);
    fprintf(stderr, "usage: stress work DIR ID SECONDS | stress verify DIR\n");
    return 2;
}
