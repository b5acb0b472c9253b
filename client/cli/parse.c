/* parse.c - sizes, times, modes, owners and paths, as people write them. Pure but for parse_owner. */
#include "client/cli/cli.h"

#include <errno.h>
#include <grp.h>
#include <math.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

/* Leading decimal digits; NULL without any, or past 64 bits. strtoull would take blanks and signs. */
static const char *parse_digits(const char *text, uint64_t *value)
{
    *value = 0;
    if (*text < '0' || *text > '9')
        return NULL;
    for (; *text >= '0' && *text <= '9'; text++)
        if (__builtin_mul_overflow(*value, 10u, value) ||
            __builtin_add_overflow(*value, (uint64_t)(*text - '0'), value))
            return NULL;
    return text;
}

bool parse_count(const char *text, uint64_t *count)
{
    const char *end = parse_digits(text, count);
    return end != NULL && *end == '\0';
}

bool parse_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";

    const char *end = parse_digits(text, bytes);
    if (end == NULL)
        return false;
    if (*end == '\0')
        return true;
    const char *unit = strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end);
    if (unit == NULL || end[1] != '\0')
        return false;
    uint64_t factor = 1ull << (10 * (unit - units + 1));
    return !__builtin_mul_overflow(*bytes, factor, bytes);
}

bool parse_seconds(const char *text, double *seconds)
{
    char *end;
    *seconds = strtod(text, &end);
    /* A year is time enough, and keeps every later sum in range. */
    return end != text && *end == '\0' && isfinite(*seconds) && *seconds >= 0 &&
           *seconds <= 365.0 * 86400;
}

/* The bits that the letters of one symbolic clause name, for everybody. */
static bool parse_permissions(const char **text, mode_t old, mode_t *bits)
{
    *bits = 0;
    for (;; (*text)++) {
        switch (**text) {
        case 'r':
            *bits |= 0444;
            break;
        case 'w':
            *bits |= 0222;
            break;
        case 'x':
            *bits |= 0111;
            break;
        case 'X':
            if (S_ISDIR(old) || (old & 0111) != 0)
                *bits |= 0111;
            break;
        case 's':
            *bits |= S_ISUID | S_ISGID;
            break;
        case 't':
            *bits |= S_ISVTX;
            break;
        case ',':
        case '\0':
        case '+':
        case '-':
        case '=':
            return true;
        default:
            return false;
        }
    }
}

static mode_t parse_who(const char **text)
{
    mode_t who = 0;
    for (;; (*text)++) {
        if (**text == 'u')
            who |= S_ISUID | 0700;
        else if (**text == 'g')
            who |= S_ISGID | 0070;
        else if (**text == 'o')
            who |= S_ISVTX | 0007;
        else if (**text == 'a')
            who |= 07777;
        else
            return who;
    }
}

bool parse_mode(const char *text, mode_t old, mode_t umask_bits, mode_t *mode)
{
    if (*text >= '0' && *text <= '7') {
        char *end;
        unsigned long value = strtoul(text, &end, 8);
        *mode = (mode_t)value;
        return *end == '\0' && value <= 07777;
    }
    *mode = old & 07777;
    for (;;) {
        mode_t who = parse_who(&text);
        /* Without a "who" the umask decides which bits are touched, as in chmod(1). */
        mode_t mask = who != 0 ? who | S_ISVTX : 07777 & ~umask_bits;
        if (*text == '\0' || strchr("+-=", *text) == NULL)
            return false;
        while (*text != '\0' && strchr("+-=", *text) != NULL) {
            char operation = *text++;
            mode_t bits;
            if (!parse_permissions(&text, (old & S_IFMT) | *mode, &bits))
                return false;
            bits &= mask;
            if (operation == '=')
                *mode &= ~(who != 0 ? who & 0777 : 0777u);
            *mode = operation == '-' ? *mode & ~bits : *mode | bits;
        }
        if (*text == '\0')
            return true;
        text++;
    }
}

/* An id by name, then by number, as chown(1). */
static bool parse_id(const char *text, bool group, uint32_t *id)
{
    if (group) {
        const struct group *entry = getgrnam(text);
        if (entry != NULL) {
            *id = entry->gr_gid;
            return true;
        }
    } else {
        const struct passwd *entry = getpwnam(text);
        if (entry != NULL) {
            *id = entry->pw_uid;
            return true;
        }
    }
    uint64_t number;
    if (!parse_count(text, &number) || number >= UINT32_MAX)
        return false;
    *id = (uint32_t)number;
    return true;
}

const char *parse_owner(const char *text, uid_t *uid, gid_t *gid)
{
    char owner[256];
    const char *colon = strchr(text, ':');
    size_t owner_bytes = colon != NULL ? (size_t)(colon - text) : strlen(text);

    *uid = (uid_t)-1;
    *gid = (gid_t)-1;
    if (owner_bytes >= sizeof owner)
        return "no such user";
    memcpy(owner, text, owner_bytes);
    owner[owner_bytes] = '\0';
    if (owner_bytes > 0 && !parse_id(owner, false, uid))
        return "no such user";
    if (colon != NULL && colon[1] != '\0' && !parse_id(colon + 1, true, gid))
        return "no such group";
    return *uid == (uid_t)-1 && *gid == (gid_t)-1 ? "names neither owner nor group" : NULL;
}

void format_human(uint64_t bytes, char text[16])
{
    static const char units[] = "BKMGTPE";
    unsigned unit = 0;
    double value = (double)bytes;

    /* 1023.96 would print as 1024: the next unit begins where rounding up reaches it. */
    while (value >= 1023.5 && units[unit + 1] != '\0') {
        value /= 1024;
        unit++;
    }
    if (unit == 0)
        snprintf(text, 16, "%u", (unsigned)bytes);
    else
        snprintf(text, 16, value < 9.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
}

char *path_join(const char *directory, const char *name)
{
    size_t directory_bytes = strlen(directory), bytes = directory_bytes + strlen(name) + 2;
    bool slash = directory_bytes > 0 && directory[directory_bytes - 1] != '/' && *name != '\0';
    char *path = allocate(bytes);

    snprintf(path, bytes, "%s%s%s", directory, slash ? "/" : "", name);
    return path;
}

char *path_base(const char *path)
{
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    char *name = allocate(end - start + 1);
    memcpy(name, path + start, end - start);
    return name;
}
