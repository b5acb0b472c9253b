/* tar.c - see tar.h. */
#include "client/cli/tar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/side.h"

struct tar_header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type;
    char target[100], magic[8], owner[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a header is a block");

static unsigned header_sum(const struct tar_header *header)
{
    const unsigned char *bytes = (const void *)header;
    const size_t at = offsetof(struct tar_header, checksum);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof *header; i++)
        sum += i >= at && i < at + sizeof header->checksum ? ' ' : bytes[i];
    return sum;
}

/* ---- writing ---- */

/* Octal with a NUL; what does not fit is in the pax records and 0 here. */
static void put_octal(char *field, size_t bytes, int64_t value)
{
    bool fits = value >= 0 && (bytes > 20 || value < (int64_t)1 << (3 * (bytes - 1)));
    snprintf(field, bytes, "%0*lo", (int)bytes - 1, fits ? (unsigned long)value : 0);
}

static int write_header(int fd, const char *path, char type, const char *target,
                        const struct stat *status, off_t size_bytes)
{
    struct tar_header header = {0};

    memcpy(header.name, path, strnlen(path, sizeof header.name));
    memcpy(header.target, target, strnlen(target, sizeof header.target));
    put_octal(header.mode, sizeof header.mode, status->st_mode & 07777);
    put_octal(header.uid, sizeof header.uid, status->st_uid);
    put_octal(header.gid, sizeof header.gid, status->st_gid);
    put_octal(header.size, sizeof header.size, size_bytes);
    put_octal(header.mtime, sizeof header.mtime, status->st_mtim.tv_sec);
    header.type = type;
    memcpy(header.magic, "ustar\00000", sizeof header.magic);
    snprintf(header.checksum, sizeof header.checksum, "%06o", header_sum(&header));
    header.checksum[7] = ' ';
    return local_write(fd, &header, sizeof header, -1);
}

struct pax {
    char text[3 * TAR_PATH_BYTES];
    size_t used;
};

/* "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
static void pax_add(struct pax *pax, const char *key, const char *value)
{
    size_t body = strlen(key) + strlen(value) + 3, length = body + 1;
    char digits[24];
    while (body + (size_t)snprintf(digits, sizeof digits, "%zu", length) != length)
        length++;
    pax->used += (size_t)snprintf(pax->text + pax->used, sizeof pax->text - pax->used, "%s %s=%s\n",
                                  digits, key, value);
}

static void pax_add_number(struct pax *pax, const char *key, uint64_t value, unsigned bits)
{
    char text[24];
    if (value >> bits == 0)
        return;
    snprintf(text, sizeof text, "%lu", value);
    pax_add(pax, key, text);
}

/* Before 1970 the fraction counts the other way: -0.5 is 1969-12-31 23:59:59.5. */
static void pax_add_time(struct pax *pax, const char *key, struct timespec time)
{
    char text[40];
    bool negative = time.tv_sec < 0;
    if (negative && time.tv_nsec > 0) {
        time.tv_sec++;
        time.tv_nsec = 1000000000 - time.tv_nsec;
    }
    snprintf(text, sizeof text, "%s%ld.%09ld", negative ? "-" : "",
             negative ? -time.tv_sec : time.tv_sec, time.tv_nsec);
    pax_add(pax, key, text);
}

int tar_write(int fd, const struct tar_entry *entry)
{
    struct pax *pax = allocate(sizeof *pax);
    const struct stat *status = &entry->status;
    const struct stat plain = {.st_mode = 0644};

    pax_add_time(pax, "mtime", status->st_mtim);
    pax_add_time(pax, "atime", status->st_atim);
    if (strlen(entry->path) > sizeof((struct tar_header *)0)->name)
        pax_add(pax, "path", entry->path);
    if (strlen(entry->target) > sizeof((struct tar_header *)0)->target)
        pax_add(pax, "linkpath", entry->target);
    pax_add_number(pax, "uid", status->st_uid, 21);
    pax_add_number(pax, "gid", status->st_gid, 21);
    pax_add_number(pax, "size", (uint64_t)status->st_size, 33);
    int error = write_header(fd, "././@PaxHeader", 'x', "", &plain, (off_t)pax->used);
    if (error == 0)
        error = local_write(fd, pax->text, pax->used, -1);
    if (error == 0)
        error = tar_write_padding(fd, (off_t)pax->used);
    free(pax);
    return error != 0
               ? error
               : write_header(fd, entry->path, entry->type, entry->target, status, status->st_size);
}

static const char zeros[2 * TAR_BLOCK];

int tar_write_padding(int fd, off_t bytes)
{
    size_t rest = (size_t)bytes % TAR_BLOCK;
    return rest > 0 ? local_write(fd, zeros, TAR_BLOCK - rest, -1) : 0;
}

int tar_write_end(int fd)
{
    return local_write(fd, zeros, sizeof zeros, -1);
}

/* ---- reading ---- */

/* Octal digits, or GNU tar's binary with the top bit set. */
static bool get_number(const char *field, size_t bytes, int64_t *value)
{
    const unsigned char *at = (const unsigned char *)field;
    uint64_t number = 0;

    if ((*at & 0x80) != 0) {
        /* Negative ones have all bits set: only what 64 bits hold. */
        bool negative = *at == 0xff;
        for (size_t i = 1; i < bytes; i++) {
            if (i + 8 < bytes && at[i] != (negative ? 0xff : 0))
                return false;
            number = number << 8 | at[i];
        }
        if (bytes < 9 && negative)
            number |= ~0ull << (8 * (bytes - 1));
        *value = (int64_t)number;
        return negative == (*value < 0);
    }
    size_t i = 0;
    while (i < bytes && at[i] == ' ')
        i++;
    for (; i < bytes && at[i] >= '0' && at[i] <= '7'; i++) {
        if (number >> 60 != 0)
            return false;
        number = number << 3 | (unsigned)(at[i] - '0');
    }
    *value = (int64_t)number;
    return i == bytes || at[i] == ' ' || at[i] == '\0';
}

static bool get_status(const struct tar_header *header, struct stat *status)
{
    int64_t mode, uid, gid, size, mtime;
    if (!get_number(header->mode, sizeof header->mode, &mode) ||
        !get_number(header->uid, sizeof header->uid, &uid) ||
        !get_number(header->gid, sizeof header->gid, &gid) ||
        !get_number(header->size, sizeof header->size, &size) ||
        !get_number(header->mtime, sizeof header->mtime, &mtime) || size < 0)
        return false;
    *status = (struct stat){.st_mode = (mode_t)mode & 07777,
                            .st_uid = (uid_t)uid,
                            .st_gid = (gid_t)gid,
                            .st_size = size,
                            .st_mtim = {.tv_sec = mtime},
                            .st_atim = {.tv_sec = mtime}};
    return true;
}

/* A block whole, or the end of the stream: 1, 0. */
static int read_block(int fd, void *block)
{
    ssize_t got = local_read(fd, block, TAR_BLOCK, -1);
    return got < 0 ? (int)got : got == 0 ? 0 : got == TAR_BLOCK ? 1 : -EBADMSG;
}

/* 1: a header; 0: the end. */
static int read_header(int fd, struct tar_header *header)
{
    int64_t sum;
    int rc = read_block(fd, header);
    if (rc <= 0)
        return rc;
    if (memcmp(header, zeros, sizeof *header) == 0)
        return 0;
    if (!get_number(header->checksum, sizeof header->checksum, &sum) ||
        sum != (int64_t)header_sum(header))
        return -EBADMSG;
    return 1;
}

/* The content of a header that is about the next one, NUL-terminated. */
static int read_text(int fd, off_t bytes, char text[TAR_PAX_BYTES])
{
    if (bytes >= (off_t)TAR_PAX_BYTES)
        return -EBADMSG;
    ssize_t got = local_read(fd, text, (size_t)bytes, -1);
    if (got < 0)
        return (int)got;
    text[got] = '\0';
    return got == bytes ? tar_skip(fd, 0, bytes) : -EBADMSG;
}

static bool copy_path(char path[TAR_PATH_BYTES], const char *text, size_t bytes)
{
    if (bytes >= TAR_PATH_BYTES || memchr(text, '\0', bytes) != NULL)
        return false;
    memcpy(path, text, bytes);
    path[bytes] = '\0';
    return true;
}

static bool parse_time(const char *text, struct timespec *time)
{
    char *end;
    bool negative = *text == '-';
    long nanoseconds = 0, unit = 100000000;

    errno = 0;
    time->tv_sec = strtol(text, &end, 10);
    if (end == text || errno != 0)
        return false;
    if (*end == '.')
        for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10)
            nanoseconds += unit * (*end - '0');
    if (negative && nanoseconds > 0) {
        time->tv_sec--;
        nanoseconds = 1000000000 - nanoseconds;
    }
    time->tv_nsec = nanoseconds;
    return *end == '\0';
}

static bool pax_apply(struct tar_entry *entry, const char *key, const char *value, size_t bytes)
{
    uint64_t number = 0;

    if (strcmp(key, "path") == 0)
        return copy_path(entry->path, value, bytes);
    if (strcmp(key, "linkpath") == 0)
        return copy_path(entry->target, value, bytes);
    if (strcmp(key, "mtime") == 0)
        return parse_time(value, &entry->status.st_mtim);
    if (strcmp(key, "atime") == 0)
        return parse_time(value, &entry->status.st_atim);
    bool uid = strcmp(key, "uid") == 0, gid = strcmp(key, "gid") == 0;
    if (!uid && !gid && strcmp(key, "size") != 0)
        return true; /* comments, extended attributes, what other programs keep */
    if (!parse_count(value, &number) || number > (uid || gid ? UINT32_MAX : INT64_MAX))
        return false;
    if (uid)
        entry->status.st_uid = (uid_t)number;
    else if (gid)
        entry->status.st_gid = (gid_t)number;
    else
        entry->status.st_size = (off_t)number;
    return true;
}

/* Records that were read before, over what the header says. */
static bool pax_parse(struct tar_entry *entry, char *text)
{
    while (*text != '\0') {
        char *body, *end;
        unsigned long length = strtoul(text, &body, 10);
        if (body == text || *body != ' ' || length > strlen(text) ||
            length < (unsigned long)(body - text) + 3)
            return false;
        end = text + length - 1;
        char *equals = memchr(body, '=', (size_t)(end - body));
        if (equals == NULL || *end != '\n')
            return false;
        *equals = *end = '\0';
        if (!pax_apply(entry, body + 1, equals + 1, (size_t)(end - equals) - 1))
            return false;
        text = end + 1;
    }
    return true;
}

static void header_paths(const struct tar_header *header, struct tar_entry *entry)
{
    size_t prefix =
        memcmp(header->magic, "ustar", 6) == 0 ? strnlen(header->prefix, sizeof header->prefix) : 0;
    snprintf(entry->path, sizeof entry->path, "%.*s%s%.*s", (int)prefix, header->prefix,
             prefix > 0 ? "/" : "", (int)sizeof header->name, header->name);
    snprintf(entry->target, sizeof entry->target, "%.*s", (int)sizeof header->target,
             header->target);
}

/* What came before the header that counts: pax records, a long name, a long target. */
enum { BEFORE_PAX, BEFORE_NAME, BEFORE_TARGET, BEFORE_KINDS };
static const char before_types[BEFORE_KINDS] = {'x', 'L', 'K'};

struct before {
    char text[BEFORE_KINDS][TAR_PAX_BYTES];
    bool has[BEFORE_KINDS];
};

/* The place of such a header's content, or -1. */
static int before_kind(char type)
{
    for (int i = 0; i < BEFORE_KINDS; i++)
        if (before_types[i] == type)
            return i;
    return -1;
}

static bool before_apply(struct before *before, struct tar_entry *entry)
{
    const char *name = before->text[BEFORE_NAME], *target = before->text[BEFORE_TARGET];

    return (!before->has[BEFORE_NAME] || copy_path(entry->path, name, strlen(name))) &&
           (!before->has[BEFORE_TARGET] || copy_path(entry->target, target, strlen(target))) &&
           (!before->has[BEFORE_PAX] || pax_parse(entry, before->text[BEFORE_PAX]));
}

static int read_entry(int fd, struct tar_entry *entry, struct before *before)
{
    struct tar_header header;
    int rc;

    while ((rc = read_header(fd, &header)) == 1) {
        if (!get_status(&header, &entry->status))
            return -EBADMSG;
        off_t bytes = entry->status.st_size;
        int kind = before_kind(header.type);
        if (kind < 0 && header.type != 'g')
            break;
        /* Global records are for all that follows: none of them is about one file. */
        rc = kind < 0 ? tar_skip(fd, bytes, bytes) : read_text(fd, bytes, before->text[kind]);
        if (rc < 0)
            return rc;
        if (kind >= 0)
            before->has[kind] = true;
    }
    if (rc <= 0)
        return rc;
    header_paths(&header, entry);
    entry->type = header.type == '\0' || header.type == '7' ? TAR_FILE : header.type;
    return before_apply(before, entry) ? 1 : -EBADMSG;
}

int tar_read(int fd, struct tar_entry *entry)
{
    struct before *before = allocate(sizeof *before);
    int rc = read_entry(fd, entry, before);
    free(before);
    return rc;
}

int tar_skip(int fd, off_t bytes, off_t size_bytes)
{
    char block[32 * TAR_BLOCK];
    size_t rest = (size_t)size_bytes % TAR_BLOCK;

    if (__builtin_add_overflow(bytes, rest > 0 ? (off_t)(TAR_BLOCK - rest) : 0, &bytes))
        return -EBADMSG;
    while (bytes > 0) {
        size_t piece = bytes < (off_t)sizeof block ? (size_t)bytes : sizeof block;
        ssize_t got = local_read(fd, block, piece, -1);
        if (got != (ssize_t)piece)
            return got < 0 ? (int)got : -EBADMSG;
        bytes -= got;
    }
    return 0;
}
