#include "tests/sim/verify.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MAX  64u
#define DATA_PLACE 4096u /* in the arena, behind the path */

/* What is found below a directory. */
struct node {
    unsigned parent; /* index of the directory's node; of the top itself: 0 */
    unsigned name;
    uint64_t inode;
    bool is_directory;
    char path[NAME_PATH_BYTES];
    unsigned char *bytes;
    uint64_t size;
    struct file_model *file; /* which it is taken for */
    struct stamp_map observed;
};

struct tree {
    struct node nodes[NODES_MAX];
    unsigned count;
};

bool verify_connect(struct world *world, struct ring_client *client)
{
    struct credentials root = {.uid = 0, .gid = 0};
    int error = ring_client_create(client, world_sessions(world, JOURNAL_SHARD), 8,
                                   VERIFY_ARENA_BYTES, &root);
    if (error)
        report_violation(world->report, PROPERTY_ERRORS, "session_create: %d", error);
    return error == 0;
}

/* Whose bytes these are, for the one who looks for the mistake: a stamp of the run (0: zeros), or -1. */
static long long find_stamp(const struct world *world, uint64_t offset, const unsigned char *bytes,
                            uint64_t size_bytes)
{
    uint64_t count = size_bytes - offset < 16 ? size_bytes - offset : 16;
    for (uint64_t stamp = 0; stamp <= world->stamps; stamp++) {
        if (pattern_matches(stamp, offset, bytes + offset, count))
            return (long long)stamp;
    }
    return -1;
}

/* ---- requests ---- */

static int64_t open_path(struct world *world, struct ring_client *client, const char *path,
                         unsigned flags, struct wt_wire_completion *handle)
{
    uint32_t length = (uint32_t)strlen(path);
    memcpy(client->arena, path, length);
    struct wt_request request = {.opcode = WT_OP_OPEN,
                                 .level = WT_LEVEL_THROUGH,
                                 .handle_index = WT_NO_HANDLE,
                                 .length = length,
                                 .argument = (uint64_t)flags << 32};
    return world_call(world, client, JOURNAL_SHARD, &request, handle);
}

static int64_t by_handle(struct world *world, struct ring_client *client,
                         const struct wt_wire_completion *handle, struct wt_request request,
                         struct wt_wire_completion *completion)
{
    request.handle_index = (uint32_t)handle->result;
    request.handle_generation = (uint32_t)handle->offset;
    return world_call(world, client, (unsigned)(handle->offset >> 32), &request, completion);
}

static int64_t close_handle(struct world *world, struct ring_client *client,
                            const struct wt_wire_completion *handle)
{
    struct wt_wire_completion completion;
    return by_handle(world, client, handle, (struct wt_request){.opcode = WT_OP_CLOSE},
                     &completion);
}

static int64_t read_bytes(struct world *world, struct ring_client *client,
                          const struct wt_wire_completion *handle, unsigned char *bytes,
                          uint64_t size_bytes)
{
    for (uint64_t done = 0; done < size_bytes;) {
        uint64_t count = size_bytes - done;
        if (count > WT_REQUEST_BYTES_MAX)
            count = WT_REQUEST_BYTES_MAX;
        struct wt_request request = {.opcode = WT_OP_READ,
                                     .offset = done,
                                     .arena_offset = DATA_PLACE,
                                     .length = (uint32_t)count};
        struct wt_wire_completion completion;
        int64_t result = by_handle(world, client, handle, request, &completion);
        if (result <= 0)
            return result ? result : -ENODATA;
        memcpy(bytes + done, client->arena + DATA_PLACE, (size_t)result);
        done += (uint64_t)result;
    }
    return 0;
}

static int64_t read_size(struct world *world, struct ring_client *client,
                         const struct wt_wire_completion *handle, uint64_t *size)
{
    struct wt_request request = {
        .opcode = WT_OP_FSTAT, .arena_offset2 = DATA_PLACE, .length2 = sizeof(struct wt_wire_stat)};
    struct wt_wire_completion completion;
    int64_t result = by_handle(world, client, handle, request, &completion);
    struct wt_wire_stat stat;
    memcpy(&stat, client->arena + DATA_PLACE, sizeof(stat));
    *size = stat.size_bytes;
    return result;
}

/* A whole file; *bytes is the caller's to free. */
static int64_t read_file(struct world *world, struct ring_client *client, const char *path,
                         unsigned char **bytes, uint64_t *size)
{
    struct wt_wire_completion handle;
    int64_t result = open_path(world, client, path, O_RDONLY, &handle);
    if (result < 0)
        return result;
    result = read_size(world, client, &handle, size);
    if (result == 0 && *size > FILE_MODEL_BYTES_MAX)
        result = -EFBIG;
    if (result == 0) {
        *bytes = malloc(*size + 1);
        result = *bytes ? read_bytes(world, client, &handle, *bytes, *size) : -ENOMEM;
    }
    int64_t closed = close_handle(world, client, &handle);
    return result ? result : closed;
}

/* ---- looking at a tree ---- */

static void add_entry(struct tree *tree, unsigned parent, const struct wt_wire_dirent *wire,
                      const unsigned char *bytes)
{
    if (tree->count == NODES_MAX)
        return;
    char name[NAME_TEXT_BYTES], expected[NAME_TEXT_BYTES], path[NAME_PATH_BYTES];
    memcpy(name, bytes, wire->name_bytes);
    name[wire->name_bytes] = '\0';
    struct node *node = &tree->nodes[tree->count++];
    *node = (struct node){
        .parent = parent, .name = ~0u, .inode = wire->ino, .is_directory = wire->type == DT_DIR};
    if (sscanf(name, "n%u", &node->name) == 1) {
        tree_name(node->name, expected);
        if (strcmp(name, expected) != 0)
            node->name = ~0u;
    }
    memcpy(path, tree->nodes[parent].path, sizeof(path));
    size_t length = strlen(path);
    snprintf(path + length, sizeof(path) - length, "/%s", name);
    memcpy(node->path, path, sizeof(path));
}

static int64_t list(struct world *world, struct ring_client *client, struct tree *tree,
                    unsigned directory)
{
    struct wt_wire_completion handle, completion = {0};
    int64_t result =
        open_path(world, client, tree->nodes[directory].path, O_RDONLY | O_DIRECTORY, &handle);
    if (result < 0)
        return result;
    uint64_t cookie = 0;
    do {
        struct wt_request request = {
            .opcode = WT_OP_READDIR, .offset = cookie, .arena_offset2 = DATA_PLACE, .length2 = 512};
        result = by_handle(world, client, &handle, request, &completion);
        const unsigned char *entry = client->arena + DATA_PLACE;
        for (int64_t at = 0; at < result;) {
            struct wt_wire_dirent wire;
            memcpy(&wire, entry + at, sizeof(wire));
            add_entry(tree, directory, &wire, entry + at + sizeof(wire));
            at += wire.entry_bytes;
        }
        cookie = completion.offset;
    } while (result > 0 && !(completion.flags & WT_COMPLETION_END));
    int64_t closed = close_handle(world, client, &handle);
    return result < 0 ? result : closed;
}

static bool look(struct world *world, struct ring_client *client, struct tree *tree,
                 unsigned number)
{
    tree->count = 1;
    tree->nodes[0] = (struct node){.is_directory = true, .name = ~0u};
    snprintf(tree->nodes[0].path, NAME_PATH_BYTES, "/c%u", number);
    for (unsigned i = 0; i < tree->count; i++) {
        struct node *node = &tree->nodes[i];
        int64_t result = node->is_directory
                             ? list(world, client, tree, i)
                             : read_file(world, client, node->path, &node->bytes, &node->size);
        if (result < 0) {
            report_violation(world->report, PROPERTY_ERRORS, "%s cannot be read: %lld", node->path,
                             (long long)result);
            return false;
        }
        digest_add(&world->report->digest, node->size);
        if (world->verbose)
            fprintf(stderr, "seen: %s%s, %llu bytes\n", node->path, node->is_directory ? "/" : "",
                    (unsigned long long)node->size);
    }
    return true;
}

static void forget(struct tree *tree)
{
    for (unsigned i = 0; i < tree->count; i++) {
        free(tree->nodes[i].bytes);
        stamps_free(&tree->nodes[i].observed);
    }
}

/* ---- holding it against the model ---- */

/* Whether the directory of that node has exactly the names that the state gives it; notes what is which. */
static bool matches(struct tree *tree, unsigned at, const struct name_state *state, unsigned number)
{
    unsigned count = 0;
    for (unsigned i = 1; i < tree->count; i++) {
        struct node *node = &tree->nodes[i];
        if (node->parent != at)
            continue;
        const struct name_record *record = tree_find(state, number, node->name);
        if (!record || (record->file == NULL) != node->is_directory)
            return false;
        node->file = record->file;
        if (!record->file && !matches(tree, i, state, record->number))
            return false;
        count++;
    }
    return count == tree_entries(state, number);
}

static bool file_matches(const struct world *world, struct node *node, char *why, size_t why_bytes)
{
    const struct file_model *file = node->file;
    uint64_t where;
    stamps_free(&node->observed);
    if (file->wild)
        return true;
    if (!file_model_size_possible(file, node->size)) {
        snprintf(why, why_bytes,
                 "file %u (%s) has %llu bytes, of which nothing is known (live %llu)", file->id,
                 node->path, (unsigned long long)node->size, (unsigned long long)file->live_size);
        return false;
    }
    if (!file_model_check_crash(file, node->bytes, node->size, &node->observed, &where)) {
        snprintf(why, why_bytes, "file %u (%s) of %llu bytes is wrong at %llu (stamp %lld)",
                 file->id, node->path, (unsigned long long)node->size, (unsigned long long)where,
                 find_stamp(world, where, node->bytes, node->size));
        return false;
    }
    return true;
}

/* Of a file with several names each says the same, and no other file does. The bytes alone do not tell: two empty
 * files that were exchanged look like two that were not, and a third name would be held to be of the wrong one. */
static bool names_agree(const struct tree *tree, unsigned at, char *why, size_t why_bytes)
{
    const struct node *node = &tree->nodes[at];
    for (unsigned i = 1; i < at; i++) {
        const struct node *other = &tree->nodes[i];
        if (other->is_directory)
            continue;
        bool is_same = other->file == node->file;
        if (is_same != (other->inode == node->inode)) {
            snprintf(why, why_bytes, "%s and %s are %s file", other->path, node->path,
                     is_same ? "not the same" : "the same");
            return false;
        }
        if (!is_same)
            continue;
        if (other->size != node->size || memcmp(other->bytes, node->bytes, node->size) != 0) {
            snprintf(why, why_bytes, "%s and %s do not say the same", other->path, node->path);
            return false;
        }
    }
    return true;
}

static bool files_match(const struct world *world, struct tree *tree, char *why, size_t why_bytes)
{
    for (unsigned i = 1; i < tree->count; i++) {
        if (!tree->nodes[i].is_directory &&
            (!file_matches(world, &tree->nodes[i], why, why_bytes) ||
             !names_agree(tree, i, why, why_bytes)))
            return false;
    }
    return true;
}

/* What an unknown content is worth is only known byte by byte: all of it is a stamp of its own that nobody
 * else has, so such a file starts again from nothing. */
static void resolve(struct actor *actor, struct tree *tree, const struct name_state *state)
{
    for (unsigned i = 1; i < tree->count; i++) {
        struct node *node = &tree->nodes[i];
        if (!node->is_directory && !node->file->wild)
            file_model_resolve(node->file, node->size, &node->observed);
    }
    name_model_resolve(&actor->names, state);
}

static void say_tree(const struct tree *tree, char *text, size_t text_bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 1; i < tree->count && used < text_bytes; i++) {
        int written = snprintf(text + used, text_bytes - used, " %s%s", tree->nodes[i].path,
                               tree->nodes[i].is_directory ? "/" : "");
        used += written > 0 ? (size_t)written : 0;
    }
}

bool verify_actor(struct world *world, struct ring_client *client, struct actor *actor,
                  enum property property)
{
    static struct tree tree;
    char why[300] = "";
    bool names_right = false, right = false;
    if (!look(world, client, &tree, actor->number)) {
        forget(&tree);
        return false;
    }
    struct name_state state;
    for (unsigned i = 0; i <= actor->names.change_count && !right; i++) {
        name_model_state(&actor->names, i, &state);
        if (!matches(&tree, 0, &state, ROOT_DIRECTORY))
            continue;
        names_right = true;
        right = files_match(world, &tree, why, sizeof(why));
    }
    if (right) {
        resolve(actor, &tree, &state);
    } else if (names_right) {
        report_violation(world->report, property, "client %u: %s", actor->number, why);
    } else {
        say_tree(&tree, why, sizeof(why));
        report_violation(world->report, property == PROPERTY_STABLE ? PROPERTY_NAMES : property,
                         "client %u: the tree is none of %u possible ones:%.250s", actor->number,
                         actor->names.change_count + 1, why);
    }
    forget(&tree);
    return right;
}

bool verify_shared(struct world *world, struct ring_client *client, struct shared_model *model,
                   unsigned number, enum property property)
{
    char path[16];
    unsigned char *bytes = NULL;
    uint64_t size = 0, where = 0;
    struct stamp_map observed = {0};
    snprintf(path, sizeof(path), "/shared%u", number);
    int64_t result = read_file(world, client, path, &bytes, &size);
    bool right = result == 0 && size == SHARED_FILE_BYTES;
    if (!right) {
        report_violation(world->report, property, "%s: result %lld, %llu bytes", path,
                         (long long)result, (unsigned long long)size);
    } else {
        struct shared_look look = {.client = ~0u,
                                   .size_bytes = size,
                                   .bytes = bytes,
                                   .submit_tick = world->tick,
                                   .after_crash = true};
        right = shared_check(model, &look, &observed, &where);
        if (right)
            shared_resolve(model, &observed);
        else
            report_violation(world->report, property, "%s is wrong at %llu (stamp %lld)", path,
                             (unsigned long long)where, find_stamp(world, where, bytes, size));
    }
    stamps_free(&observed);
    free(bytes);
    return right;
}
