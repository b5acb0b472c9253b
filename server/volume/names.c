/* names.c - see names.h and names_internal.h: the tables of inodes and entries. */
#include "server/volume/names_internal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/base/clock.h"

/* ---- hashing ----------------------------------------------------------------------------------- */

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

/* SipHash-1-3 of the directory's number and the name, under the tree's own key. */
static uint64_t hash_name(const struct names *names, uint64_t directory, const char *name,
                          size_t name_bytes)
{
    uint64_t v[4] = {
        names->hash_key[0] ^ 0x736f6d6570736575ull,
        names->hash_key[1] ^ 0x646f72616e646f6dull,
        names->hash_key[0] ^ 0x6c7967656e657261ull,
        names->hash_key[1] ^ 0x7465646279746573ull,
    };
    sip_word(v, directory);
    size_t at = 0;
    for (; at + 8 <= name_bytes; at += 8) {
        uint64_t word;
        memcpy(&word, name + at, sizeof word);
        sip_word(v, word);
    }
    uint64_t last = (uint64_t)name_bytes << 56;
    for (unsigned i = 0; at + i < name_bytes; i++)
        last |= (uint64_t)(unsigned char)name[at + i] << (8 * i);
    sip_word(v, last);
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t hash_inode(const void *context, const void *node)
{
    (void)context;
    return table_mix(((const struct name_inode *)node)->ino);
}

static uint64_t hash_entry(const void *context, const void *node)
{
    const struct name_entry *entry = node;
    return hash_name(context, entry->directory->ino, entry->name, entry->name_bytes);
}

/* ---- the tree ---------------------------------------------------------------------------------- */

int names_create(uint64_t memory_bytes_max, struct names **names)
{
    struct names *fresh = calloc(1, sizeof *fresh);
    if (!fresh)
        return -ENOMEM;
    fresh->memory_bytes_max = memory_bytes_max;
    fresh->next_ino = 1;
    clock_random_bytes(fresh->hash_key, sizeof fresh->hash_key);
    int error =
        table_init(&fresh->inodes, offsetof(struct name_inode, hash_next), hash_inode, NULL);
    if (!error)
        error =
            table_init(&fresh->entries, offsetof(struct name_entry, hash_next), hash_entry, fresh);
    if (error) {
        table_destroy(&fresh->inodes);
        free(fresh);
        return error;
    }
    *names = fresh;
    return 0;
}

void names_expect(struct names *names, uint64_t image_bytes)
{
    /* Files with short names, which is the most there can be; but no more than memory is allowed for. */
    uint64_t files = image_bytes / (sizeof(struct item_inode) + sizeof(struct item_entry) + 16);
    uint64_t most = names->memory_bytes_max / (NAMES_INODE_MEMORY_BYTES + NAMES_ENTRY_MEMORY_BYTES);
    table_expect(&names->inodes, files < most ? files : most);
    table_expect(&names->entries, files < most ? files : most);
}

static void free_inode(void *context, struct name_inode *inode)
{
    (void)context;
    names_inode_free(inode);
}

void names_destroy(struct names *names)
{
    if (!names)
        return;
    for (uint64_t i = 0; i < names->entries.bucket_count; i++) {
        struct name_entry *next;
        for (struct name_entry *entry = table_bucket(&names->entries, i); entry; entry = next) {
            next = entry->hash_next;
            free(entry);
        }
    }
    names_each_inode(names, free_inode, NULL);
    table_destroy(&names->entries);
    table_destroy(&names->inodes);
    free(names);
}

void names_each_inode(struct names *names, void (*visit)(void *context, struct name_inode *inode),
                      void *context)
{
    for (uint64_t i = 0; i < names->inodes.bucket_count; i++) {
        struct name_inode *next;
        for (struct name_inode *inode = table_bucket(&names->inodes, i); inode; inode = next) {
            next = inode->hash_next;
            visit(context, inode);
        }
    }
}

uint64_t names_memory_bytes(const struct names *names)
{
    return names->memory_bytes;
}

uint64_t names_inode_count(const struct names *names)
{
    return names->inodes.node_count;
}

int names_have_room(const struct names *names, uint64_t bytes)
{
    if (names->memory_bytes > names->memory_bytes_max ||
        bytes > names->memory_bytes_max - names->memory_bytes)
        return -ENOSPC;
    return 0;
}

/* ---- inodes ------------------------------------------------------------------------------------ */

struct name_inode *names_inode(struct names *names, uint64_t ino)
{
    struct name_inode *inode = table_first(&names->inodes, table_mix(ino));
    while (inode && inode->ino != ino)
        inode = inode->hash_next;
    return inode;
}

struct name_inode *names_inode_new(uint64_t ino, uint64_t generation, uint32_t mode,
                                   const char *target, size_t target_bytes)
{
    struct name_inode *inode = malloc(sizeof *inode);
    if (!inode)
        return NULL;
    *inode = (struct name_inode){.ino = ino, .generation = generation, .mode = mode};
    if (S_ISDIR(mode)) {
        inode->directory = malloc(sizeof *inode->directory);
        if (inode->directory)
            names_directory_init(inode->directory);
        inode->parent = VOLUME_ROOT_INO;
    } else if (S_ISLNK(mode)) {
        inode->target = strndup(target, target_bytes);
    }
    if ((S_ISDIR(mode) && !inode->directory) || (S_ISLNK(mode) && !inode->target)) {
        free(inode);
        return NULL;
    }
    return inode;
}

void names_inode_free(struct name_inode *inode)
{
    if (S_ISDIR(inode->mode)) {
        names_directory_destroy(inode->directory);
        free(inode->directory);
    } else if (S_ISLNK(inode->mode)) {
        free(inode->target);
    }
    free(inode);
}

static uint64_t inode_memory_bytes(const struct name_inode *inode)
{
    if (S_ISDIR(inode->mode))
        return NAMES_INODE_MEMORY_BYTES + NAMES_DIRECTORY_MEMORY_BYTES;
    if (S_ISLNK(inode->mode))
        return NAMES_INODE_MEMORY_BYTES + strlen(inode->target);
    return NAMES_INODE_MEMORY_BYTES;
}

/* In an image; an orphan is in none, but may come to be. */
static uint64_t inode_item_bytes(const struct name_inode *inode)
{
    uint64_t bytes = sizeof(struct item_inode);
    if (S_ISLNK(inode->mode))
        bytes += (strlen(inode->target) + 7) & ~(size_t)7;
    return bytes;
}

static uint64_t entry_item_bytes(const struct name_entry *entry)
{
    return sizeof(struct item_entry) + ((entry->name_bytes + 7u) & ~7u);
}

void names_inode_insert(struct names *names, struct name_inode *inode)
{
    inode->round = names->round;
    names->walk.lengthened += 2; /* perhaps a bucket too */
    table_insert(&names->inodes, inode);
    names->memory_bytes += inode_memory_bytes(inode);
    names->item_bytes += inode_item_bytes(inode);
}

void names_inode_remove(struct names *names, struct name_inode *inode)
{
    assert(inode->name_count == 0 && inode->open_count == 0);
    assert(!S_ISDIR(inode->mode) || inode->directory->entry_count == 0);
    names_image_save_inode(names, inode);
    table_remove(&names->inodes, inode);
    names->memory_bytes -= inode_memory_bytes(inode);
    names->item_bytes -= inode_item_bytes(inode);
    names_inode_free(inode);
}

void names_opened(struct names *names, struct name_inode *inode)
{
    (void)names;
    inode->open_count++;
}

bool names_closed(struct names *names, uint64_t ino, uint64_t generation)
{
    struct name_inode *inode = names_inode(names, ino);
    assert(inode && inode->generation == generation && inode->open_count > 0);
    (void)generation;
    if (--inode->open_count > 0 || !inode->orphan)
        return false;
    names_inode_remove(names, inode);
    return true;
}

/* ---- entries ----------------------------------------------------------------------------------- */

bool names_name_valid(const char *name, size_t name_bytes)
{
    if (name_bytes == 0 || name_bytes > NAMES_NAME_BYTES_MAX)
        return false;
    if (memchr(name, '/', name_bytes) || memchr(name, '\0', name_bytes))
        return false;
    return !(name[0] == '.' && (name_bytes == 1 || (name_bytes == 2 && name[1] == '.')));
}

uint8_t names_type_of(uint32_t mode)
{
    return (uint8_t)IFTODT(mode);
}

struct name_entry *names_entry_new(const char *name, size_t name_bytes)
{
    assert(name_bytes <= NAMES_NAME_BYTES_MAX);
    /* The name begins inside the struct's padding. */
    size_t size_bytes = offsetof(struct name_entry, name) + name_bytes + 1;
    struct name_entry *entry = malloc(size_bytes > sizeof *entry ? size_bytes : sizeof *entry);
    if (!entry)
        return NULL;
    *entry = (struct name_entry){.name_bytes = (uint8_t)name_bytes};
    memcpy(entry->name, name, name_bytes);
    entry->name[name_bytes] = '\0';
    return entry;
}

void names_prefetch(const struct names *names, const struct item_entry *item, unsigned round)
{
    uint64_t hash = hash_name(names, item->parent, (const char *)(item + 1), item->header.count);
    (round == 0 ? table_prefetch_bucket : table_prefetch_first)(&names->entries, hash);
    hash = table_mix(item->ino);
    (round == 0 ? table_prefetch_bucket : table_prefetch_first)(&names->inodes, hash);
}

struct name_entry *names_find(struct names *names, struct name_inode *directory, const char *name,
                              size_t name_bytes)
{
    struct name_entry *entry =
        table_first(&names->entries, hash_name(names, directory->ino, name, name_bytes));
    while (entry && (entry->directory != directory || entry->name_bytes != name_bytes ||
                     memcmp(entry->name, name, name_bytes) != 0))
        entry = entry->hash_next;
    return entry;
}

int names_entry_insert(struct names *names, struct name_entry *entry)
{
    names_image_save_inode(names, entry->directory); /* its next cookie changes */
    int error = names_directory_insert(entry->directory->directory, entry);
    if (error)
        return error;
    entry->round = names->round;
    names->walk.lengthened++;
    table_insert(&names->entries, entry);
    names->memory_bytes += NAMES_ENTRY_MEMORY_BYTES + entry->name_bytes;
    names->item_bytes += entry_item_bytes(entry);
    entry->inode->name_count++;
    return 0;
}

void names_entry_remove(struct names *names, struct name_entry *entry)
{
    names_image_save_entry(names, entry);
    names_directory_remove(entry->directory->directory, entry);
    table_remove(&names->entries, entry);
    names->memory_bytes -= NAMES_ENTRY_MEMORY_BYTES + entry->name_bytes;
    names->item_bytes -= entry_item_bytes(entry);
    assert(entry->inode->name_count > 0);
    entry->inode->name_count--;
    free(entry);
}

struct name_entry *names_next_entry(struct name_inode *directory, uint64_t cookie)
{
    assert(S_ISDIR(directory->mode));
    return names_directory_after(directory->directory, cookie);
}

uint64_t names_entry_count(const struct name_inode *directory)
{
    assert(S_ISDIR(directory->mode));
    return directory->directory->entry_count;
}
