/* list.c - what is in the volume: ls, stat, du. JSON is written entry by entry, so that a large directory is
 * not held twice. */
#include "client/cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "client/cli/directory.h"
#include "client/cli/json.h"

static const char *type_word(mode_t mode)
{
    return S_ISREG(mode)   ? "file"
           : S_ISDIR(mode) ? "directory"
           : S_ISLNK(mode) ? "symlink"
                           : "other";
}

/* The last id asked for is remembered: a listing names few owners. */
static const char *owner_name(uid_t uid)
{
    static char name[64];
    static uid_t known = (uid_t)-1;

    if (uid != known || *name == '\0') {
        const struct passwd *entry = getpwuid(uid);
        if (entry != NULL)
            snprintf(name, sizeof name, "%s", entry->pw_name);
        else
            snprintf(name, sizeof name, "%u", uid);
        known = uid;
    }
    return name;
}

static const char *group_name(gid_t gid)
{
    static char name[64];
    static gid_t known = (gid_t)-1;

    if (gid != known || *name == '\0') {
        const struct group *entry = getgrgid(gid);
        if (entry != NULL)
            snprintf(name, sizeof name, "%s", entry->gr_name);
        else
            snprintf(name, sizeof name, "%u", gid);
        known = gid;
    }
    return name;
}

static void mode_letters(mode_t mode, char text[11])
{
    text[0] = S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : '-';
    for (int i = 0; i < 9; i++)
        text[1 + i] = (mode & (0400 >> i)) != 0 ? "rwxrwxrwx"[i] : '-';
    if ((mode & S_ISUID) != 0)
        text[3] = (mode & 0100) != 0 ? 's' : 'S';
    if ((mode & S_ISGID) != 0)
        text[6] = (mode & 0010) != 0 ? 's' : 'S';
    if ((mode & S_ISVTX) != 0)
        text[9] = (mode & 0001) != 0 ? 't' : 'T';
    text[10] = '\0';
}

/* Something to be shown: where it is, what it is called there, and what stat says of it. */
struct shown {
    char *path;
    const char *name;
    struct stat status;
    char *target; /* of a symbolic link, or NULL */
};

static int shown_look(struct wt *session, struct shown *shown, bool target)
{
    int error = wt_lstat(session, shown->path, &shown->status);
    if (error != 0 || !target || !S_ISLNK(shown->status.st_mode))
        return error;
    shown->target = allocate(4097);
    ssize_t bytes = wt_readlink(session, shown->path, shown->target, 4096);
    return bytes < 0 ? (int)bytes : 0;
}

static void add_time(struct json_object *object, const char *key, const struct timespec *time)
{
    /* A string keeps all digits; a double would not. */
    char text[40];
    snprintf(text, sizeof text, "%ld.%09ld", time->tv_sec, time->tv_nsec);
    json_object_object_add(object, key, json_object_new_string(text));
}

static struct json_object *shown_json(const struct shown *shown)
{
    const struct stat *status = &shown->status;
    struct json_object *object = json_object_new_object();
    char mode[8];

    snprintf(mode, sizeof mode, "%04o", status->st_mode & 07777);
    json_object_object_add(object, "path", json_object_new_string(shown->path));
    json_object_object_add(object, "name", json_object_new_string(shown->name));
    json_object_object_add(object, "type", json_object_new_string(type_word(status->st_mode)));
    json_object_object_add(object, "mode", json_object_new_string(mode));
    json_object_object_add(object, "ino", json_object_new_uint64(status->st_ino));
    json_object_object_add(object, "nlink", json_object_new_uint64(status->st_nlink));
    json_object_object_add(object, "uid", json_object_new_uint64(status->st_uid));
    json_object_object_add(object, "gid", json_object_new_uint64(status->st_gid));
    json_object_object_add(object, "size", json_object_new_int64(status->st_size));
    json_object_object_add(object, "allocated_bytes",
                           json_object_new_int64(status->st_blocks * 512));
    add_time(object, "atime", &status->st_atim);
    add_time(object, "mtime", &status->st_mtim);
    add_time(object, "ctime", &status->st_ctim);
    if (shown->target != NULL)
        json_object_object_add(object, "target", json_object_new_string(shown->target));
    return object;
}

struct ls {
    struct cli *cli;
    bool titles;  /* name each directory before its content */
    bool printed; /* something stands above */
    bool json_first;
};

struct widths {
    int links, owner, group, size;
};

static void widen(int *width, int needed)
{
    if (needed > *width)
        *width = needed;
}

static struct widths measure(const struct shown *shown, size_t count)
{
    struct widths widths = {0};
    char text[32];

    for (size_t i = 0; i < count; i++) {
        const struct stat *status = &shown[i].status;
        widen(&widths.links, snprintf(text, sizeof text, "%lu", status->st_nlink));
        widen(&widths.owner, (int)strlen(owner_name(status->st_uid)));
        widen(&widths.group, (int)strlen(group_name(status->st_gid)));
        widen(&widths.size, snprintf(text, sizeof text, "%ld", status->st_size));
    }
    return widths;
}

static void print_long(const struct shown *shown, const struct widths *widths)
{
    const struct stat *status = &shown->status;
    time_t now = time(NULL), age = now - status->st_mtim.tv_sec;
    struct tm local;
    char mode[11], when[32];

    mode_letters(status->st_mode, mode);
    localtime_r(&status->st_mtim.tv_sec, &local);
    /* As ls: the year instead of the hour when it is half a year away, or to come. */
    strftime(when, sizeof when, age < 0 || age > 31556952 / 2 ? "%b %e  %Y" : "%b %e %H:%M",
             &local);
    printf("%s %*lu %-*s %-*s %*ld %s ", mode, widths->links, status->st_nlink, widths->owner,
           owner_name(status->st_uid), widths->group, group_name(status->st_gid), widths->size,
           status->st_size, when);
}

static void print_shown(struct ls *ls, const struct shown *shown, const struct widths *widths)
{
    if (given(ls->cli, OPTION_JSON)) {
        json_element(shown_json(shown), &ls->json_first);
        return;
    }
    if (given(ls->cli, OPTION_LONG))
        print_long(shown, widths);
    bool raw = given(ls->cli, OPTION_ZERO);
    if (raw)
        fputs(shown->name, stdout);
    else
        print_name(stdout, shown->name);
    if (shown->target != NULL) {
        fputs(" -> ", stdout);
        if (raw)
            fputs(shown->target, stdout);
        else
            print_name(stdout, shown->target);
    }
    putchar(raw ? '\0' : '\n');
}

/* Looks at each, where more than names is wanted, and prints. Frees the paths. */
static int print_all(struct ls *ls, struct shown *shown, size_t count)
{
    bool look = given(ls->cli, OPTION_LONG | OPTION_JSON);
    size_t kept = 0;
    int code = 0;

    for (size_t i = 0; i < count; i++) {
        int error = look ? shown_look(ls->cli->session, &shown[i], true) : 0;
        /* Gone since the directory was read is no failure. */
        if (error == 0) {
            shown[kept++] = shown[i];
            continue;
        }
        if (error != -ENOENT)
            code = say_error(shown[i].path, error);
        free(shown[i].path);
        free(shown[i].target);
    }
    struct widths widths = measure(shown, given(ls->cli, OPTION_LONG) ? kept : 0);
    for (size_t i = 0; i < kept; i++) {
        print_shown(ls, &shown[i], &widths);
        free(shown[i].path);
        free(shown[i].target);
    }
    return code;
}

static void print_title(struct ls *ls, const char *path)
{
    if (!ls->titles || given(ls->cli, OPTION_JSON))
        return;
    bool raw = given(ls->cli, OPTION_ZERO);
    if (ls->printed)
        putchar(raw ? '\0' : '\n');
    if (raw)
        fputs(path, stdout);
    else
        print_name(stdout, path);
    fputs(raw ? ":" : ":\n", stdout);
    if (raw)
        putchar('\0');
}

static int list_directory(struct ls *ls, const char *path)
{
    struct directory content;
    int code = 0, error = directory_read(ls->cli->session, path, &content);
    size_t count = 0;

    if (error != 0)
        return say_error(path, error);
    directory_sort(&content);
    print_title(ls, path);
    ls->printed = true;
    /* With room for . and .. in front. */
    struct shown *shown = allocate((content.count + 2) * sizeof *shown);
    bool all = given(ls->cli, OPTION_ALL);
    static const char *const dots[] = {".", ".."};
    for (int i = 0; all && i < 2; i++)
        shown[count++] = (struct shown){.path = path_join(path, dots[i]), .name = dots[i]};
    for (size_t i = 0; i < content.count; i++)
        if (all || content.entries[i].name[0] != '.')
            shown[count++] = (struct shown){.path = path_join(path, content.entries[i].name),
                                            .name = content.entries[i].name};
    code = print_all(ls, shown, count);
    free(shown);
    for (size_t i = 0; given(ls->cli, OPTION_DESCEND) && i < content.count && !server_lost(); i++) {
        if (content.entries[i].type != DT_DIR || (!all && content.entries[i].name[0] == '.'))
            continue;
        char *below = path_join(path, content.entries[i].name);
        code |= list_directory(ls, below);
        free(below);
    }
    directory_free(&content);
    return code;
}

int command_ls(struct cli *cli, int count, char **operands)
{
    static char *root[] = {"/"};
    struct ls ls = {.cli = cli, .json_first = true};
    int code = 0, directories = 0;

    if (count == 0) {
        operands = root;
        count = 1;
    }
    struct shown *files = allocate((size_t)count * sizeof *files);
    bool *is_directory = allocate((size_t)count * sizeof *is_directory);
    size_t file_count = 0;
    for (int i = 0; i < count; i++) {
        struct stat status;
        /* As ls: a link to a directory is followed, but not by -l. */
        int error = wt_lstat(cli->session, operands[i], &status);
        if (error == 0 && S_ISLNK(status.st_mode) && !given(cli, OPTION_LONG)) {
            struct stat followed;
            if (wt_stat(cli->session, operands[i], &followed) == 0)
                status = followed;
        }
        if (error != 0)
            code |= say_error(operands[i], error);
        else if (S_ISDIR(status.st_mode))
            is_directory[i] = ++directories > 0;
        else
            files[file_count++] =
                (struct shown){.path = copy_string(operands[i]), .name = operands[i]};
    }
    ls.titles = count > 1 || given(cli, OPTION_DESCEND);
    ls.printed = file_count > 0;
    code |= print_all(&ls, files, file_count);
    for (int i = 0; i < count && !server_lost(); i++)
        if (is_directory[i])
            code |= list_directory(&ls, operands[i]);
    if (given(cli, OPTION_JSON))
        json_array_end(ls.json_first);
    free(is_directory);
    free(files);
    return code;
}

static void print_time(const char *title, const struct timespec *time)
{
    char text[40], zone[8];
    struct tm local;

    localtime_r(&time->tv_sec, &local);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
    strftime(zone, sizeof zone, "%z", &local);
    printf("%s: %s.%09ld %s\n", title, text, time->tv_nsec, zone);
}

static void print_stat(const struct shown *shown)
{
    const struct stat *status = &shown->status;
    char mode[11];

    mode_letters(status->st_mode, mode);
    fputs("  File: ", stdout);
    print_name(stdout, shown->path);
    if (shown->target != NULL) {
        fputs(" -> ", stdout);
        print_name(stdout, shown->target);
    }
    printf("\n  Type: %s\n  Size: %ld\nBlocks: %ld of 512 bytes\n Inode: %lu\n Links: %lu\n",
           type_word(status->st_mode), status->st_size, status->st_blocks, status->st_ino,
           status->st_nlink);
    printf("  Mode: %04o %s\n", status->st_mode & 07777, mode);
    printf(" Owner: %u %s\n", status->st_uid, owner_name(status->st_uid));
    printf(" Group: %u %s\n", status->st_gid, group_name(status->st_gid));
    print_time("Access", &status->st_atim);
    print_time("Modify", &status->st_mtim);
    print_time("Change", &status->st_ctim);
}

int command_stat(struct cli *cli, int count, char **operands)
{
    bool first = true;
    int code = 0;

    for (int i = 0; i < count && !server_lost(); i++) {
        char *name = path_base(operands[i]);
        struct shown shown = {.path = operands[i], .name = name};
        int error = shown_look(cli->session, &shown, true);
        if (error != 0)
            code = say_error(operands[i], error);
        else if (given(cli, OPTION_JSON))
            json_element(shown_json(&shown), &first);
        else
            print_stat(&shown);
        free(shown.target);
        free(name);
    }
    if (given(cli, OPTION_JSON))
        json_array_end(first);
    return code;
}

/* Files with several names are counted once: their inode numbers, in an open hash table. */
struct inode_set {
    uint64_t *numbers; /* 0: free */
    size_t count, capacity;
};

/* True when it was not there before. */
static bool inode_set_add(struct inode_set *set, uint64_t ino)
{
    if (2 * (set->count + 1) > set->capacity) {
        struct inode_set larger = {.capacity = set->capacity > 0 ? 2 * set->capacity : 256};
        larger.numbers = allocate(larger.capacity * sizeof *larger.numbers);
        for (size_t i = 0; i < set->capacity; i++)
            if (set->numbers[i] != 0)
                inode_set_add(&larger, set->numbers[i]);
        free(set->numbers);
        *set = larger;
    }
    size_t place = (ino * 0x9e3779b97f4a7c15ull >> 20) & (set->capacity - 1);
    while (set->numbers[place] != 0) {
        if (set->numbers[place] == ino)
            return false;
        place = (place + 1) & (set->capacity - 1);
    }
    set->numbers[place] = ino;
    set->count++;
    return true;
}

struct du {
    struct cli *cli;
    struct inode_set linked;
    bool json_first;
};

struct usage {
    uint64_t allocated_bytes, size_bytes, files;
};

static void print_usage(struct du *du, const char *path, const struct usage *usage)
{
    char text[16];

    if (given(du->cli, OPTION_JSON)) {
        struct json_object *object = json_object_new_object();
        json_object_object_add(object, "path", json_object_new_string(path));
        json_object_object_add(object, "bytes", json_object_new_uint64(usage->allocated_bytes));
        json_object_object_add(object, "size_bytes", json_object_new_uint64(usage->size_bytes));
        json_object_object_add(object, "files", json_object_new_uint64(usage->files));
        json_element(object, &du->json_first);
        return;
    }
    if (given(du->cli, OPTION_HUMAN)) {
        format_human(usage->allocated_bytes, text);
        printf("%s\t", text);
    } else {
        printf("%lu\t", usage->allocated_bytes);
    }
    print_name(stdout, path);
    putchar('\n');
}

/* Adds what lies at the path to *above; a line for each directory, its content first. */
static int du_path(struct du *du, const char *path, struct usage *above, bool operand)
{
    struct stat status;
    struct usage usage = {0};
    struct directory content = {0};
    int code = 0, error = wt_lstat(du->cli->session, path, &status);

    if (error != 0)
        return error == -ENOENT && !operand ? 0 : say_error(path, error);
    bool directory = S_ISDIR(status.st_mode);
    if (directory || status.st_nlink < 2 || inode_set_add(&du->linked, status.st_ino))
        usage = (struct usage){(uint64_t)status.st_blocks * 512,
                               directory ? 0 : (uint64_t)status.st_size, directory ? 0 : 1};
    if (directory && (error = directory_read(du->cli->session, path, &content)) != 0)
        code = say_error(path, error);
    directory_sort(&content);
    for (size_t i = 0; i < content.count && !server_lost(); i++) {
        char *below = path_join(path, content.entries[i].name);
        code |= du_path(du, below, &usage, false);
        free(below);
    }
    directory_free(&content);
    if (directory || operand)
        print_usage(du, path, &usage);
    above->allocated_bytes += usage.allocated_bytes;
    above->size_bytes += usage.size_bytes;
    above->files += usage.files;
    return code;
}

int command_du(struct cli *cli, int count, char **operands)
{
    static char *root[] = {"/"};
    struct du du = {.cli = cli, .json_first = true};
    struct usage total = {0};
    int code = 0;

    if (count == 0) {
        operands = root;
        count = 1;
    }
    for (int i = 0; i < count && !server_lost(); i++)
        code |= du_path(&du, operands[i], &total, true);
    if (given(cli, OPTION_JSON))
        json_array_end(du.json_first);
    free(du.linked.numbers);
    return code;
}
