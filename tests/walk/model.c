#include "tests/walk/model.h"

#include <errno.h>
#include <stdlib.h>

#define BLOCK_BYTES 4096ull

static uint64_t block_down(uint64_t offset)
{
    return offset / BLOCK_BYTES * BLOCK_BYTES;
}

static uint64_t block_up(uint64_t offset)
{
    return block_down(offset + BLOCK_BYTES - 1);
}

/* ---- the table ---- */

struct node *model_find(const struct model *model, uint64_t ino)
{
    struct node *node = model->buckets[ino % MODEL_BUCKETS];
    while (node && node->ino != ino)
        node = node->next;
    return node;
}

struct node *model_add(struct model *model, uint64_t ino, uint64_t host_ino, bool is_file)
{
    struct node *node = calloc(1, sizeof(*node));
    if (!node)
        abort();
    node->ino = ino;
    node->host_ino = host_ino;
    node->is_file = is_file;
    node->next = model->buckets[ino % MODEL_BUCKETS];
    model->buckets[ino % MODEL_BUCKETS] = node;
    model->count++;
    return node;
}

void model_sweep(struct model *model)
{
    for (unsigned i = 0; i < MODEL_BUCKETS; i++) {
        struct node **link = &model->buckets[i], *node;
        while ((node = *link)) {
            if (node->is_marked) {
                node->is_marked = false;
                link = &node->next;
                continue;
            }
            *link = node->next;
            stamps_free(&node->content);
            stamps_free(&node->blocks);
            free(node);
            model->count--;
        }
    }
}

/* ---- changes ---- */

/* Blocks from start to end that are holes get this state. */
static void fill_holes(struct node *node, uint64_t start, uint64_t end, enum block_state state)
{
    while (start < end) {
        uint64_t run_end;
        uint64_t found = stamps_at(&node->blocks, start, &run_end);
        if (run_end > end)
            run_end = end;
        if (found == BLOCK_HOLE || found == BLOCK_ANY)
            stamps_set(&node->blocks, start, run_end, state);
        start = run_end;
    }
}

void node_write(struct node *node, uint64_t offset, uint64_t bytes, uint64_t stamp)
{
    if (bytes == 0)
        return;
    stamps_set(&node->content, offset, offset + bytes, stamp);
    stamps_set(&node->blocks, block_down(offset), block_up(offset + bytes), BLOCK_DATA);
    if (offset + bytes > node->size)
        node->size = offset + bytes;
    node->is_dirty = node->is_rewritten = true;
}

void node_truncate(struct node *node, uint64_t size)
{
    stamps_clear(&node->content, size, OFFSET_END);
    if (size < node->size) {
        stamps_clear(&node->blocks, block_up(size), OFFSET_END);
    } else {
        /* Whether room past the end outlives this is nowhere promised. */
        node_reopened(node);
    }
    node->size = size;
    node->is_dirty = node->is_rewritten = true;
}

void node_allocate(struct node *node, uint64_t offset, uint64_t bytes, bool keeps_size)
{
    fill_holes(node, block_down(offset), block_up(offset + bytes), BLOCK_UNWRITTEN);
    if (!keeps_size && offset + bytes > node->size)
        node->size = offset + bytes;
    node->is_dirty = node->is_rewritten = true;
}

void node_punch(struct node *node, uint64_t offset, uint64_t bytes)
{
    uint64_t end = offset + bytes;
    stamps_clear(&node->content, offset, end);
    /* The block that the file ends in is whole when all of it that is in the file is punched. */
    if (block_up(offset) < block_down(end))
        stamps_clear(&node->blocks, block_up(offset), block_down(end));
    if (end >= node->size && block_up(offset) < block_up(end)) {
        uint64_t from = block_down(end) > block_up(offset) ? block_down(end) : block_up(offset);
        if (stamps_at(&node->blocks, from, &(uint64_t){0}) != BLOCK_HOLE)
            stamps_set(&node->blocks, from, block_up(end), BLOCK_ANY);
    }
    /* What lies past the end may be given back or not. */
    if (end > block_up(node->size))
        node_reopened(node);
    node->is_dirty = node->is_rewritten = true;
}

void node_zero(struct node *node, uint64_t offset, uint64_t bytes, bool keeps_size)
{
    uint64_t end = offset + bytes;
    stamps_clear(&node->content, offset, end);
    if (block_up(offset) < block_down(end))
        stamps_set(&node->blocks, block_up(offset), block_down(end), BLOCK_ZEROED);
    /* At the edges data stays data, and a hole gets a block. */
    fill_holes(node, block_down(offset), block_up(end), BLOCK_ZEROED);
    if (!keeps_size && end > node->size)
        node->size = end;
    if (end >= node->size)
        stamps_set(&node->blocks, block_down(end > offset ? end - 1 : end), block_up(end),
                   BLOCK_ZEROED);
    node->is_dirty = node->is_rewritten = true;
}

void node_reopened(struct node *node)
{
    uint64_t offset = block_up(node->size);
    while (offset < OFFSET_END) {
        uint64_t end;
        uint64_t state = stamps_at(&node->blocks, offset, &end);
        if (state != BLOCK_HOLE)
            stamps_set(&node->blocks, offset, end, BLOCK_ANY);
        offset = end;
    }
}

/* ---- judgements ---- */

void node_blocks_512(const struct node *node, uint64_t *least, uint64_t *most)
{
    *least = *most = 0;
    for (unsigned i = 0; i < node->blocks.count; i++) {
        const struct stamp_range *run = &node->blocks.items[i];
        *most += (run->end - run->start) / 512;
        if (run->stamp != BLOCK_ANY)
            *least += (run->end - run->start) / 512;
    }
}

const char *node_seek_fault(const struct node *node, uint64_t offset, bool seeks_data,
                            int64_t answer)
{
    if (offset >= node->size)
        return answer == -ENXIO ? NULL : "is at or past the end: ENXIO";
    if (answer < 0 && !(seeks_data && answer == -ENXIO))
        return "fails";
    uint64_t stop = answer < 0 ? node->size : (uint64_t)answer;
    if (stop < offset || stop > node->size || (seeks_data && answer >= 0 && stop == node->size))
        return "is outside";
    if (stop != offset && stop != node->size && stop % BLOCK_BYTES)
        return "is inside a block";
    for (uint64_t at = offset, end; at < stop; at = end) {
        uint64_t state = stamps_at(&node->blocks, at, &end);
        if (seeks_data && state == BLOCK_DATA)
            return "passes over data";
        if (!seeks_data && (state == BLOCK_HOLE || state == BLOCK_UNWRITTEN))
            return "passes over a hole";
    }
    if (stop == node->size)
        return NULL;
    uint64_t state = stamps_at(&node->blocks, stop, &(uint64_t){0});
    if (seeks_data && (state == BLOCK_HOLE || state == BLOCK_UNWRITTEN))
        return "is a hole";
    return !seeks_data && state == BLOCK_DATA ? "is data" : NULL;
}
