/*
 * kvlog.c - a store of keys and values in one file: a log of records, replayed at start.
 *
 *   kvlog FILE put KEY VALUE      kvlog FILE get KEY      kvlog FILE delete KEY
 *   kvlog FILE list               kvlog FILE fill N PREFIX
 *
 * A put or delete appends one record with WT_STABLE: when wt_append returns, the record is durable. No fsync is
 * called anywhere. `fill` puts PREFIX.0 to PREFIX.N-1, each with its key as value, and prints each key once it is
 * durable.
 *
 * Recovery. Appends are acknowledged in order, one at a time, so the only record that can be torn is the last one,
 * which nobody was told is there. Replay stops at the first record that is cut short or whose checksum is wrong, and
 * cuts the file there, so that what is appended later stands behind good records. One process at a time may write.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wt.h>

#define KEY_BYTES_MAX   1024u
#define VALUE_BYTES_MAX (512u << 10) /* a record is one append: at most 1 MiB */
#define DELETED         UINT32_MAX   /* as value_bytes: the key is gone */

struct record {
    uint32_t checksum; /* of everything after it */
    uint32_t key_bytes, value_bytes;
};

/* A key that is there, and where its value is. */
struct entry {
    struct entry *next;
    off_t value_at;
    uint32_t value_bytes, key_bytes;
    char key[];
};

struct kvlog {
    struct wt *wt;
    int handle;
    off_t end;
    struct entry *entries; /* a list will do for an example */
    unsigned char buffer[sizeof(struct record) + KEY_BYTES_MAX + VALUE_BYTES_MAX];
};

/* CRC-32C, a bit at a time. */
static uint32_t checksum(const unsigned char *bytes, size_t count)
{
    uint32_t crc = ~0u;
    while (count--) {
        crc ^= *bytes++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static uint32_t record_checksum(const unsigned char *record, size_t bytes)
{
    return checksum(record + sizeof(uint32_t), bytes - sizeof(uint32_t));
}

static struct entry **find(struct kvlog *log, const char *key, size_t key_bytes)
{
    struct entry **at = &log->entries;
    while (*at && ((*at)->key_bytes != key_bytes || memcmp((*at)->key, key, key_bytes) != 0))
        at = &(*at)->next;
    return at;
}

/* What a record means: the key is there, or it is not. */
static int apply(struct kvlog *log, const struct record *record, const char *key, off_t value_at)
{
    struct entry **at = find(log, key, record->key_bytes), *entry = *at;
    if (record->value_bytes == DELETED) {
        if (entry) {
            *at = entry->next;
            free(entry);
        }
        return 0;
    }
    if (!entry) {
        entry = malloc(sizeof(*entry) + record->key_bytes);
        if (!entry)
            return -ENOMEM;
        entry->next = log->entries;
        entry->key_bytes = record->key_bytes;
        memcpy(entry->key, key, record->key_bytes);
        log->entries = entry;
    }
    entry->value_at = value_at;
    entry->value_bytes = record->value_bytes;
    return 0;
}

/* The bytes of a good record at the log's end, 0 where there is none, or an error. */
static int64_t replay_one(struct kvlog *log)
{
    struct record record;
    ssize_t got = wt_pread(log->wt, log->handle, log->buffer, sizeof(log->buffer), log->end);
    if (got < (ssize_t)sizeof(record))
        return got < 0 ? got : 0;
    memcpy(&record, log->buffer, sizeof(record));
    uint32_t value_bytes = record.value_bytes == DELETED ? 0 : record.value_bytes;
    if (record.key_bytes == 0 || record.key_bytes > KEY_BYTES_MAX || value_bytes > VALUE_BYTES_MAX)
        return 0;
    size_t bytes = sizeof(record) + record.key_bytes + value_bytes;
    if ((size_t)got < bytes || record_checksum(log->buffer, bytes) != record.checksum)
        return 0;
    int rc = apply(log, &record, (char *)log->buffer + sizeof(record),
                   log->end + (off_t)(sizeof(record) + record.key_bytes));
    return rc < 0 ? rc : (int64_t)bytes;
}

static int recover(struct kvlog *log)
{
    struct stat st;
    int64_t bytes;
    while ((bytes = replay_one(log)) > 0)
        log->end += bytes;
    if (bytes < 0)
        return (int)bytes;
    int rc = wt_fstat(log->wt, log->handle, &st);
    if (rc < 0 || st.st_size == log->end)
        return rc;
    fprintf(stderr, "kvlog: a torn record of %lld bytes is cut off\n",
            (long long)(st.st_size - log->end));
    return wt_ftruncate(log->wt, log->handle, log->end);
}

static int kvlog_open(struct kvlog *log, const char *path)
{
    *log = (struct kvlog){0};
    int rc = wt_connect(NULL, NULL, &log->wt);
    if (rc < 0) {
        fprintf(stderr, "kvlog: %s\n", wt_connect_error());
        return rc;
    }
    /* O_SYNC: every write on the handle is stable, and so are its truncate and the file's name. */
    log->handle = wt_open(log->wt, path, O_RDWR | O_CREAT | O_SYNC, 0666);
    return log->handle < 0 ? log->handle : recover(log);
}

static void kvlog_close(struct kvlog *log)
{
    for (struct entry *entry = log->entries, *next; entry; entry = next) {
        next = entry->next;
        free(entry);
    }
    wt_disconnect(log->wt);
}

/* Appends a record and waits until it is durable. value NULL: the key is deleted. */
static int append(struct kvlog *log, const char *key, const char *value)
{
    size_t key_bytes = strlen(key), value_bytes = value ? strlen(value) : 0;
    if (key_bytes == 0 || key_bytes > KEY_BYTES_MAX || value_bytes > VALUE_BYTES_MAX)
        return -EMSGSIZE;
    struct record record = {.key_bytes = (uint32_t)key_bytes,
                            .value_bytes = value ? (uint32_t)value_bytes : DELETED};
    size_t bytes = sizeof(record) + key_bytes + value_bytes;
    memcpy(log->buffer, &record, sizeof(record));
    memcpy(log->buffer + sizeof(record), key, key_bytes);
    if (value)
        memcpy(log->buffer + sizeof(record) + key_bytes, value, value_bytes);
    record.checksum = record_checksum(log->buffer, bytes);
    memcpy(log->buffer, &record, sizeof(record));
    off_t landed;
    ssize_t put = wt_append(log->wt, log->handle, log->buffer, bytes, WT_STABLE, &landed);
    if (put != (ssize_t)bytes)
        return put < 0 ? (int)put : -EIO;
    /* Somebody else has written: what is in memory does not tell what the file says. */
    if (landed != log->end)
        return -EBUSY;
    log->end += (off_t)bytes;
    return apply(log, &record, key, landed + (off_t)(sizeof(record) + key_bytes));
}

static int get(struct kvlog *log, const char *key)
{
    const struct entry *entry = *find(log, key, strlen(key));
    if (!entry)
        return -ENOENT;
    ssize_t got = wt_pread(log->wt, log->handle, log->buffer, entry->value_bytes, entry->value_at);
    if (got != (ssize_t)entry->value_bytes)
        return got < 0 ? (int)got : -EIO;
    printf("%.*s\n", (int)got, (char *)log->buffer);
    return 0;
}

static int erase(struct kvlog *log, const char *key)
{
    return *find(log, key, strlen(key)) ? append(log, key, NULL) : -ENOENT;
}

static int list(const struct kvlog *log)
{
    for (const struct entry *entry = log->entries; entry; entry = entry->next)
        printf("%.*s\n", (int)entry->key_bytes, entry->key);
    return 0;
}

static int fill(struct kvlog *log, unsigned long count, const char *prefix)
{
    char key[KEY_BYTES_MAX];
    int rc = 0;
    for (unsigned long i = 0; i < count && rc == 0; i++) {
        snprintf(key, sizeof(key), "%s.%lu", prefix, i);
        if ((rc = append(log, key, key)) == 0) {
            printf("%s\n", key);
            fflush(stdout);
        }
    }
    return rc;
}

static int command(struct kvlog *log, int count, char **words)
{
    if (count == 3 && strcmp(words[0], "put") == 0)
        return append(log, words[1], words[2]);
    if (count == 2 && strcmp(words[0], "get") == 0)
        return get(log, words[1]);
    if (count == 2 && strcmp(words[0], "delete") == 0)
        return erase(log, words[1]);
    if (count == 1 && strcmp(words[0], "list") == 0)
        return list(log);
    if (count == 3 && strcmp(words[0], "fill") == 0)
        return fill(log, strtoul(words[1], NULL, 10), words[2]);
    return -EINVAL;
}

int main(int argc, char **argv)
{
    static struct kvlog log;
    int rc = argc < 3 ? -EINVAL : kvlog_open(&log, argv[1]);
    if (rc == 0)
        rc = command(&log, argc - 2, argv + 2);
    kvlog_close(&log);
    if (rc < 0)
        fprintf(stderr, "kvlog: %s\n", strerror(-rc));
    return rc < 0;
}
