/*
 * names_directory.c - the entries of one directory in the order of their cookies.
 *
 * Two levels, as in extents.c: an array of pointers to chunks, each a sorted array of pointers to entries.
 * New cookies are the highest, so a chunk fills by appending and is left full; a removal closes its gap at
 * once within one chunk, and an empty chunk goes. So listing, adding and removing are O(log n) and a gap
 * never has to be compacted.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/volume/names_internal.h"

/* Chunks are powers of two bytes long. None is empty, but for a single one that was reserved. */
struct name_chunk {
    uint32_t count, size_bytes;
    struct name_entry *entries[];
};

#define CHUNK_BYTES_MIN 32u
#define CHUNK_BYTES_MAX 1024u

struct place {
    uint32_t chunk, index;
};

static uint32_t chunk_capacity(size_t size_bytes)
{
    return (uint32_t)((size_bytes - sizeof(struct name_chunk)) / sizeof(struct name_entry *));
}

static size_t chunk_bytes_for(uint32_t count)
{
    size_t size_bytes = CHUNK_BYTES_MIN;
    while (chunk_capacity(size_bytes) < count)
        size_bytes *= 2;
    return size_bytes;
}

void names_directory_init(struct name_directory *directory)
{
    *directory = (struct name_directory){.next_cookie = NAMES_FIRST_COOKIE};
}

void names_directory_destroy(struct name_directory *directory)
{
    for (uint32_t i = 0; i < directory->chunk_count; i++)
        free(directory->chunks[i]);
    free(directory->chunks);
}

/* The place of the first entry whose cookie is greater. Behind the last one of a chunk rather than before
 * the first one of the next, so that what is inserted there is appended. */
static struct place locate(const struct name_directory *directory, uint64_t cookie)
{
    uint32_t low = 0,
             high = directory->chunk_count; /* the first chunk that starts after `cookie` */
    if (directory->entry_count == 0)
        return (struct place){0, 0};
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (directory->chunks[middle]->entries[0]->cookie <= cookie)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return (struct place){0, 0};
    const struct name_chunk *chunk = directory->chunks[low - 1];
    uint32_t first = 0, last = chunk->count;
    while (first < last) {
        uint32_t middle = first + (last - first) / 2;
        if (chunk->entries[middle]->cookie <= cookie)
            first = middle + 1;
        else
            last = middle;
    }
    return (struct place){low - 1, first};
}

struct name_entry *names_directory_after(const struct name_directory *directory, uint64_t cookie)
{
    struct place place = locate(directory, cookie);
    if (place.chunk < directory->chunk_count &&
        place.index == directory->chunks[place.chunk]->count)
        place = (struct place){place.chunk + 1, 0};
    if (place.chunk >= directory->chunk_count)
        return NULL;
    return directory->chunks[place.chunk]->entries[place.index];
}

unsigned names_directory_some(const struct name_directory *directory, uint64_t cookie,
                              struct name_entry **entries, unsigned max)
{
    struct place place = locate(directory, cookie);
    unsigned count = 0;
    for (; place.chunk < directory->chunk_count; place = (struct place){place.chunk + 1, 0}) {
        const struct name_chunk *chunk = directory->chunks[place.chunk];
        while (place.index < chunk->count && count < max)
            entries[count++] = chunk->entries[place.index++];
        if (count == max)
            break;
    }
    return count;
}

/* Puts a new chunk at `index` of the array. */
static int add_chunk(struct name_directory *directory, uint32_t index, size_t size_bytes)
{
    if (directory->chunk_count == directory->chunk_capacity) {
        uint32_t capacity = directory->chunk_capacity ? 2 * directory->chunk_capacity : 1;
        struct name_chunk **chunks =
            realloc(directory->chunks, capacity * sizeof(struct name_chunk *));
        if (!chunks)
            return -ENOMEM;
        directory->chunks = chunks;
        directory->chunk_capacity = capacity;
    }
    struct name_chunk *chunk = malloc(size_bytes);
    if (!chunk)
        return -ENOMEM;
    *chunk = (struct name_chunk){.size_bytes = (uint32_t)size_bytes};
    memmove(directory->chunks + index + 1, directory->chunks + index,
            (directory->chunk_count - index) * sizeof(struct name_chunk *));
    directory->chunks[index] = chunk;
    directory->chunk_count++;
    return 0;
}

static int resize_chunk(struct name_directory *directory, uint32_t index, size_t size_bytes)
{
    struct name_chunk *chunk = realloc(directory->chunks[index], size_bytes);
    if (!chunk)
        return -ENOMEM;
    chunk->size_bytes = (uint32_t)size_bytes;
    directory->chunks[index] = chunk;
    return 0;
}

/* Moves the last `move` entries of a full chunk into a new one behind it. */
static int split_chunk(struct name_directory *directory, uint32_t index, uint32_t move)
{
    int error = add_chunk(directory, index + 1, chunk_bytes_for(move));
    if (error)
        return error;
    struct name_chunk *chunk = directory->chunks[index], *fresh = directory->chunks[index + 1];
    memcpy(fresh->entries, chunk->entries + chunk->count - move,
           move * sizeof(struct name_entry *));
    fresh->count = move;
    chunk->count -= move;
    return 0;
}

int names_directory_reserve(struct name_directory *directory, uint64_t cookie)
{
    if (directory->entry_count == 0) {
        if (directory->chunk_count > 0)
            return 0;
        return add_chunk(directory, 0, CHUNK_BYTES_MIN);
    }
    for (;;) {
        struct place place = locate(directory, cookie);
        const struct name_chunk *chunk = directory->chunks[place.chunk];
        if (chunk->count < chunk_capacity(chunk->size_bytes))
            return 0;
        bool appending = place.chunk + 1 == directory->chunk_count && place.index == chunk->count;
        int error = chunk->size_bytes < CHUNK_BYTES_MAX
                        ? resize_chunk(directory, place.chunk, 2 * (size_t)chunk->size_bytes)
                        : split_chunk(directory, place.chunk, appending ? 1 : chunk->count / 2);
        if (error)
            return error;
    }
}

static bool cookie_taken(const struct name_directory *directory, uint64_t cookie)
{
    const struct name_entry *entry = names_directory_after(directory, cookie - 1);
    return entry && entry->cookie == cookie;
}

int names_directory_insert(struct name_directory *directory, struct name_entry *entry)
{
    assert(entry->cookie > 0);
    if (cookie_taken(directory, entry->cookie))
        return -EEXIST;
    int error = names_directory_reserve(directory, entry->cookie);
    if (error)
        return error;
    struct place place = locate(directory, entry->cookie);
    struct name_chunk *chunk = directory->chunks[place.chunk];
    memmove(chunk->entries + place.index + 1, chunk->entries + place.index,
            (chunk->count - place.index) * sizeof(struct name_entry *));
    chunk->entries[place.index] = entry;
    chunk->count++;
    directory->entry_count++;
    if (entry->cookie >= directory->next_cookie)
        directory->next_cookie = entry->cookie + 1;
    return 0;
}

static void drop_chunk(struct name_directory *directory, uint32_t index)
{
    free(directory->chunks[index]);
    memmove(directory->chunks + index, directory->chunks + index + 1,
            (directory->chunk_count - index - 1) * sizeof(struct name_chunk *));
    if (--directory->chunk_count == 0) {
        free(directory->chunks);
        directory->chunks = NULL;
        directory->chunk_capacity = 0;
    }
}

/* Joins a chunk with the next one where together they are at most half a chunk. */
static void join(struct name_directory *directory, uint32_t index)
{
    if (index + 1 >= directory->chunk_count)
        return;
    const struct name_chunk *next = directory->chunks[index + 1];
    uint32_t together = directory->chunks[index]->count + next->count;
    if (together > chunk_capacity(CHUNK_BYTES_MAX) / 2)
        return;
    if (together > chunk_capacity(directory->chunks[index]->size_bytes) &&
        resize_chunk(directory, index, chunk_bytes_for(together)))
        return;
    struct name_chunk *chunk = directory->chunks[index];
    memcpy(chunk->entries + chunk->count, next->entries, next->count * sizeof(struct name_entry *));
    chunk->count = together;
    drop_chunk(directory, index + 1);
}

void names_directory_remove(struct name_directory *directory, const struct name_entry *entry)
{
    struct place place = locate(directory, entry->cookie - 1);
    if (place.index == directory->chunks[place.chunk]->count)
        place = (struct place){place.chunk + 1, 0};
    struct name_chunk *chunk = directory->chunks[place.chunk];
    assert(chunk->entries[place.index] == entry);
    chunk->count--;
    memmove(chunk->entries + place.index, chunk->entries + place.index + 1,
            (chunk->count - place.index) * sizeof(struct name_entry *));
    directory->entry_count--;
    if (chunk->count == 0) {
        drop_chunk(directory, place.chunk);
        return;
    }
    join(directory, place.chunk);
    if (place.chunk > 0)
        join(directory, --place.chunk);
    chunk = directory->chunks[place.chunk];
    if (chunk_bytes_for(chunk->count) <= chunk->size_bytes / 4)
        (void)resize_chunk(directory, place.chunk, chunk->size_bytes / 2);
}
