#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tests/walk/walk.h"

#define DEPTH_MAX    4
#define FAR_OFFSET   (4ull << 40) /* ext4 with blocks of 4096 bytes ends at 16 TiB */
#define DENSE_OFFSET (200u << 10)

/* Few, so that they collide. */
static const char *const common_names[] = {"a", "b", "c", "d", "e", "f", "g"};
static const char *const odd_names[] = {"..",      ".", "\xff\x01z", "a b\n",
                                        ".hidden", "a", "LONG",      "TOO LONG"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void add_name(struct walk *w, char *path, size_t *bytes)
{
    const char *name = common_names[below(w, COUNT(common_names))];
    char filled[300];
    if (one_in(w, 25)) {
        name = odd_names[below(w, COUNT(odd_names))];
        if (!w->is_root && strcmp(name, "..") == 0)
            name = "."; /* the host's side would leave its directory */
        if (name[0] == 'L' || name[0] == 'T') {
            size_t length = name[0] == 'L' ? 255 : 256;
            memset(filled, 'x', length);
            filled[length] = '\0';
            name = filled;
        }
    }
    size_t length = strlen(name);
    if (*bytes + length + 4 > PATH_BYTES)
        return;
    memcpy(path + *bytes, name, length + 1);
    *bytes += length;
}

static unsigned depth_of(const char *path)
{
    unsigned depth = 0;
    for (const char *at = path; *at; at++)
        depth += *at == '/';
    return depth;
}

static void choose_path(struct walk *w, char *path, bool is_relative)
{
    size_t bytes = 0;
    path[0] = '\0';
    if (one_in(w, 400)) {
        if (one_in(w, 2))
            strcpy(path, "/");
        return;
    }
    if (!is_relative) {
        if (w->pool_count && !one_in(w, 3)) {
            w->pool_used = (unsigned)below(w, w->pool_count);
            strcpy(path, w->pool[w->pool_used]);
            bytes = strlen(path);
        }
        if (bytes || one_in(w, 2))
            path[bytes++] = '/';
    }
    unsigned names = one_in(w, 6) ? 2 : 1;
    for (unsigned i = 0; i < names; i++) {
        if (i) {
            path[bytes++] = '/';
            if (one_in(w, 20))
                path[bytes++] = '/';
        }
        add_name(w, path, &bytes);
    }
    if (one_in(w, 30))
        path[bytes++] = '/';
    path[bytes] = '\0';
}

/* On the host's side a path of the export begins at the root directory, whether it says so or not. */
static void finish_place(struct walk *w, struct place *place)
{
    bool is_absolute = place->path[0] == '/';
    if (is_absolute && !w->is_root) {
        const char *path = place->path + strspn(place->path, "/");
        snprintf(place->host_path, sizeof(place->host_path), "./%s", path);
        place->host_directory = w->host_root;
    } else {
        strcpy(place->host_path, place->path);
    }
}

struct place choose_root_place(struct walk *w)
{
    struct place place = {.wt_directory = WT_AT_ROOT, .host_directory = w->host_root};
    choose_path(w, place.path, false);
    finish_place(w, &place);
    note(w, " '%s'", place.path);
    return place;
}

struct place choose_place(struct walk *w)
{
    struct handle *handle = one_in(w, 3) ? choose_handle(w, false) : NULL;
    if (!handle || (!handle->is_directory && !one_in(w, 8)))
        return choose_root_place(w);
    struct place place = {.wt_directory = handle->wt, .host_directory = handle->host};
    choose_path(w, place.path, !one_in(w, 20));
    finish_place(w, &place);
    note(w, " %d:'%s'", handle->wt, place.path);
    return place;
}

struct place choose_directory(struct walk *w)
{
    struct place place = {.wt_directory = WT_AT_ROOT, .host_directory = w->host_root, .path = "/"};
    if (one_in(w, 2))
        strcpy(place.path, "/big");
    else if (w->pool_count && !one_in(w, 6))
        strcpy(place.path, w->pool[below(w, w->pool_count)]);
    finish_place(w, &place);
    note(w, " '%s'", place.path);
    return place;
}

void pool_add(struct walk *w, const struct place *place)
{
    if (place->wt_directory != WT_AT_ROOT || strlen(place->path) >= sizeof(w->pool[0]) ||
        depth_of(place->path) >= DEPTH_MAX)
        return;
    unsigned at = w->pool_count < POOL_MAX ? w->pool_count++ : (unsigned)below(w, POOL_MAX);
    strcpy(w->pool[at], place->path);
}

void pool_drop_used(struct walk *w)
{
    if (w->pool_used >= w->pool_count)
        return;
    memmove(w->pool[w->pool_used], w->pool[--w->pool_count], sizeof(w->pool[0]));
    w->pool_used = POOL_MAX;
}

mode_t choose_mode(struct walk *w, bool is_directory)
{
    static const mode_t file_modes[] = {0666, 0666, 0644,  0600,  0444,  0,     0222,
                                        0660, 0755, 04755, 02755, 06777, 02644, 01666};
    static const mode_t directory_modes[] = {0777,  0777,  0777, 0777, 0755, 0700, 01777,
                                             02775, 03777, 0,    0555, 0333, 0770, 0711};
    mode_t mode = is_directory ? directory_modes[below(w, COUNT(directory_modes))]
                               : file_modes[below(w, COUNT(file_modes))];
    if (is_directory && w->protects_sticky && mode & S_ISVTX)
        mode &= ~(mode_t)(S_IWGRP | S_IWOTH);
    /* Whether setgid is taken away, the host decides before the umask, wt after it (known.c). */
    return self(w)->umask & S_IXGRP ? mode & ~(mode_t)S_ISGID : mode;
}

/* Counted, because what is only behind need not survive the server. */
int choose_level(struct walk *w)
{
    static const int levels[] = {0, 0, WT_THROUGH, WT_STABLE, WT_BEHIND, WT_BEHIND};
    int level = levels[below(w, COUNT(levels))];
    if (level == WT_BEHIND && !w->uses_behind)
        level = WT_THROUGH;
    if (level == WT_BEHIND)
        w->behind++;
    return level;
}

uint64_t choose_offset(struct walk *w, const struct node *node)
{
    uint64_t near = below(w, 3) + (below(w, 2) ? WALK_BLOCK_BYTES - 1 : 0);
    switch (below(w, 8)) {
    case 0:
        return 0;
    case 1:
        return node->size < FAR_OFFSET + DENSE_OFFSET ? node->size : 0;
    case 2:
    case 3:
        return below(w, DENSE_OFFSET / WALK_BLOCK_BYTES) * WALK_BLOCK_BYTES + near;
    case 4:
        return node->size > 100 ? node->size - 1 - below(w, 100) : below(w, 100);
    case 5:
        if (one_in(w, 10))
            return FAR_OFFSET / (1 + below(w, 5)) / WALK_BLOCK_BYTES * WALK_BLOCK_BYTES + near;
        return below(w, 8) * WALK_BLOCK_BYTES;
    default:
        return below(w, below(w, 4) ? 20000 : DENSE_OFFSET);
    }
}

size_t choose_count(struct walk *w)
{
    static const size_t exact[] = {0, 1, 511, 512, 4095, 4096, 4097, 8192, 65536, 65537};
    switch (below(w, 16)) {
    case 0:
    case 1:
        return exact[below(w, COUNT(exact))];
    case 2:
        return below(w, DENSE_OFFSET);
    case 3:
    case 4:
        return below(w, 40000);
    case 5:
    case 6:
        return (1 + below(w, 6)) * WALK_BLOCK_BYTES;
    default:
        return 1 + below(w, 6000);
    }
}

struct handle *choose_handle(struct walk *w, bool files_only)
{
    struct client *client = self(w);
    unsigned first = (unsigned)below(w, HANDLES_MAX);
    for (unsigned i = 0; i < HANDLES_MAX; i++) {
        struct handle *handle = &client->handles[(first + i) % HANDLES_MAX];
        if (handle->is_open && !(files_only && handle->is_directory))
            return handle;
    }
    return NULL;
}

/* Years ago, so that they are told from now; atime before mtime, where every relatime moves it (known.c). */
void choose_times(struct walk *w, struct timespec times[2])
{
    for (unsigned i = 0; i < 2; i++) {
        times[i].tv_sec = 1000000000 + 200000 * (time_t)i + (time_t)below(w, 100000);
        times[i].tv_nsec = (long)below(w, 1000000000);
        if (one_in(w, 5))
            times[i].tv_nsec = one_in(w, 2) ? UTIME_NOW : UTIME_OMIT;
    }
    /* Linux does not even look for the file when there is nothing to do. */
    if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
        times[0].tv_nsec = UTIME_NOW;
}
