/*
 * space.c - the groups of one shard: allocating from them, giving back, borrowing and lending.
 *
 * A group travels as a pointer in a message, together with the right to touch it. Two rules make sure that
 * freed blocks find it:
 *   - who lends a group remembers to whom, so the hints, followed from any shard, lead to the holder;
 *   - the group goes from the lender straight to the borrower, so blocks that the lender passes on later
 *     arrive later (messages of one sender keep their order).
 * A shard borrows with one message, which goes from peer to peer until somebody gives. It goes round twice:
 * a group that was itself on its way during the first round is met in the second.
 */
#include "server/volume/space.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "server/base/log.h"
#include "server/volume/space_internal.h"

#define ASK_ROUNDS 2u

/* The one borrow of a shard that is on its way. The shard that it was sent to owns it. */
struct space_ask {
    struct message message;
    struct space *borrower; /* of which others read only what does not change after space_connect */
    unsigned at, step;      /* where it was sent; how many were asked */
    struct space_group *group;
};

struct space {
    struct space_layout layout;
    struct post_office *office;
    unsigned shard, shard_count;
    struct space **peers;
    struct space_group **groups; /* by number; NULL: not held here */
    uint8_t *holders;            /* by number: who holds it, or was lent it by this shard */
    struct space_group *current; /* where new files go; NULL: the next one chooses */
    uint64_t free_blocks;        /* in the groups held here */
    uint64_t leaked_blocks;

    struct space_ask ask;
    bool asking;
    uint64_t free_when_asked;
    unsigned borrowed_in_vain; /* groups that came since the last allocation that succeeded */
    struct space_borrow *waiting, **waiting_end;
};

/* Blocks on their way to the shard that holds their group. */
struct space_return {
    struct message message;
    struct space *to;
    uint64_t physical, blocks;
};

unsigned space_group_of(const struct space_layout *layout, uint64_t physical)
{
    assert(physical >= layout->first_block && physical - layout->first_block < layout->block_count);
    uint64_t number = (physical - layout->first_block) / layout->group_blocks;
    return number < layout->group_count ? (unsigned)number : layout->group_count - 1;
}

/* ---- making ------------------------------------------------------------------------------------ */

int space_create(const struct space_layout *layout, struct post_office *office, unsigned shard,
                 struct space **space)
{
    assert(layout->group_count > 0 && layout->group_blocks > 0);
    struct space *fresh = calloc(1, sizeof *fresh);
    if (!fresh)
        return -ENOMEM;
    fresh->layout = *layout;
    fresh->office = office;
    fresh->shard = shard;
    fresh->shard_count = post_office_shards(office);
    fresh->peers = calloc(fresh->shard_count, sizeof(struct space *));
    fresh->groups = calloc(layout->group_count, sizeof(struct space_group *));
    fresh->holders = calloc(layout->group_count, sizeof(*fresh->holders));
    fresh->waiting_end = &fresh->waiting;
    if (!fresh->peers || !fresh->groups || !fresh->holders) {
        space_destroy(fresh);
        return -ENOMEM;
    }
    *space = fresh;
    return 0;
}

void space_destroy(struct space *space)
{
    if (!space)
        return;
    for (unsigned i = 0; space->groups && i < space->layout.group_count; i++)
        space_group_destroy(space->groups[i]);
    space_group_destroy(space->ask.group); /* one that was still on its way */
    free(space->peers);
    free(space->groups);
    free(space->holders);
    free(space);
}

void space_connect(struct space *space, struct space **peers)
{
    for (unsigned i = 0; i < space->shard_count; i++)
        space->peers[i] = peers[i];
}

void space_adopt(struct space *space, struct space_group *group)
{
    assert(!space->groups[group->number]);
    space->groups[group->number] = group;
    space->holders[group->number] = (uint8_t)space->shard;
    space->free_blocks += group->free_blocks;
}

void space_set_holder(struct space *space, unsigned group, unsigned shard)
{
    assert(shard < space->shard_count);
    space->holders[group] = (uint8_t)shard;
}

uint64_t space_free_blocks(const struct space *space)
{
    return space->free_blocks;
}

uint64_t space_memory_bytes(const struct space *space)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < space->layout.group_count; i++)
        if (space->groups[i])
            bytes += sizeof(struct space_group) +
                     space->groups[i]->extent_count * SPACE_NODE_MEMORY_BYTES;
    return bytes;
}

/* ---- allocating -------------------------------------------------------------------------------- */

/* Of the groups that have a free extent of `blocks`, the one with the most free. NULL: none has. */
static struct space_group *most_free(const struct space *space, uint64_t blocks)
{
    struct space_group *best = NULL;
    for (unsigned i = 0; i < space->layout.group_count; i++) {
        struct space_group *group = space->groups[i];
        if (group && group->free_blocks > 0 && space_group_longest(group) >= blocks &&
            (!best || group->free_blocks > best->free_blocks))
            best = group;
    }
    return best;
}

/* NULL: there is no goal, its group is not held here, or it is the end of the volume. */
static struct space_group *group_of_goal(const struct space *space, uint64_t goal)
{
    const struct space_layout *layout = &space->layout;
    if (goal < layout->first_block || goal - layout->first_block >= layout->block_count)
        return NULL;
    return space->groups[space_group_of(layout, goal)];
}

static bool allocate_in_one(struct space *space, uint64_t goal, uint64_t blocks,
                            struct space_piece *piece)
{
    struct space_group *group = group_of_goal(space, goal);
    if (group && space_group_take_at(group, goal, blocks)) {
        *piece = (struct space_piece){goal, blocks};
        return true;
    }
    if (group && space_group_take(group, blocks, true, piece))
        return true;
    if (!space->current || space_group_longest(space->current) < blocks)
        space->current = most_free(space, blocks);
    return space->current && space_group_take(space->current, blocks, goal != 0, piece);
}

static struct space_group *with_longest(const struct space *space)
{
    struct space_group *best = NULL;
    for (unsigned i = 0; i < space->layout.group_count; i++) {
        struct space_group *group = space->groups[i];
        if (group && group->root &&
            (!best || space_group_longest(group) > space_group_longest(best)))
            best = group;
    }
    return best;
}

struct detached {
    struct space_group *group;
    struct space_node *node;
};

/* The longest extents are taken out as they are until there is enough, so that all can be put back. */
static int allocate_in_pieces(struct space *space, uint64_t blocks, struct space_piece *pieces,
                              unsigned pieces_max, unsigned *piece_count)
{
    struct detached detached[SPACE_PIECES_MAX];
    unsigned count = 0;
    uint64_t found = 0;
    while (found < blocks && count < pieces_max) {
        struct space_group *group = with_longest(space);
        if (!group)
            break;
        detached[count] = (struct detached){group, space_group_detach(group)};
        found += detached[count++].node->blocks;
    }
    bool enough = found >= blocks;
    *piece_count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct space_node *node = detached[i].node;
        uint64_t take = !enough ? 0 : node->blocks < blocks ? node->blocks : blocks;
        if (take > 0)
            pieces[(*piece_count)++] = (struct space_piece){node->start, take};
        blocks -= take;
        node->start += take;
        node->blocks -= take;
        if (node->blocks > 0)
            space_group_attach(detached[i].group, node);
        else
            free(node);
    }
    return enough ? 0 : -ENOSPC;
}

int space_allocate(struct space *space, uint64_t goal, uint64_t blocks, struct space_piece *pieces,
                   unsigned pieces_max, unsigned *piece_count)
{
    assert(blocks > 0 && pieces_max > 0);
    if (blocks > space->free_blocks)
        return -ENOSPC;
    if (pieces_max > SPACE_PIECES_MAX)
        pieces_max = SPACE_PIECES_MAX;
    if (allocate_in_one(space, goal, blocks, pieces)) {
        *piece_count = 1;
    } else {
        int error = allocate_in_pieces(space, blocks, pieces, pieces_max, piece_count);
        if (error)
            return error;
    }
    space->free_blocks -= blocks;
    space->borrowed_in_vain = 0;
    return 0;
}

/* ---- giving back ------------------------------------------------------------------------------- */

static void leak(struct space *space, uint64_t blocks)
{
    if (space->leaked_blocks == 0)
        log_warning("no memory to note freed blocks: they stay unused until the next start");
    space->leaked_blocks += blocks;
}

static void release(struct space *space, struct space_group *group, uint64_t physical,
                    uint64_t blocks)
{
    if (space_group_release(group, physical, blocks) == 0)
        space->free_blocks += blocks;
    else
        leak(space, blocks);
}

static void deliver_return(struct message *message);

/* These blocks are all of one group. `carrier`: the message that brought them here, or NULL. */
static void free_in_group(struct space *space, unsigned number, uint64_t physical, uint64_t blocks,
                          struct space_return *carrier)
{
    if (space->groups[number]) {
        release(space, space->groups[number], physical, blocks);
        free(carrier);
        return;
    }
    assert(space->holders[number] != space->shard);
    if (!carrier)
        carrier = malloc(sizeof *carrier);
    if (!carrier) {
        leak(space, blocks);
        return;
    }
    *carrier = (struct space_return){
        .message.deliver = deliver_return,
        .to = space->peers[space->holders[number]],
        .physical = physical,
        .blocks = blocks,
    };
    message_send(space->office, space->shard, space->holders[number], &carrier->message);
}

static void deliver_return(struct message *message)
{
    struct space_return *carrier = (struct space_return *)message;
    free_in_group(carrier->to, space_group_of(&carrier->to->layout, carrier->physical),
                  carrier->physical, carrier->blocks, carrier);
}

void space_free(struct space *space, uint64_t physical, uint64_t blocks)
{
    const struct space_layout *layout = &space->layout;
    while (blocks > 0) {
        unsigned number = space_group_of(layout, physical);
        uint64_t end = number + 1 < layout->group_count
                           ? layout->first_block + (number + 1) * layout->group_blocks
                           : layout->first_block + layout->block_count;
        uint64_t part = blocks < end - physical ? blocks : end - physical;
        free_in_group(space, number, physical, part, NULL);
        physical += part;
        blocks -= part;
        assert(blocks == 0 || number + 1 < layout->group_count);
    }
}

/* ---- borrowing and lending --------------------------------------------------------------------- */

static void send_ask(struct space_ask *ask, unsigned from, unsigned to)
{
    ask->at = to;
    message_send(ask->borrower->office, from, to, &ask->message);
}

/* On to the next peer, or home when all were asked. */
static void pass_on(struct space_ask *ask, unsigned from)
{
    const struct space *borrower = ask->borrower;
    unsigned peers = borrower->shard_count - 1;
    if (ask->step == ASK_ROUNDS * peers) {
        send_ask(ask, from, borrower->shard);
        return;
    }
    unsigned to = (borrower->shard + 1 + ask->step % peers) % borrower->shard_count;
    ask->step++;
    send_ask(ask, from, to);
}

/* Gives the fullest store of free blocks, even the last: who asks has less. */
static void lend(struct space *space, struct space_ask *ask)
{
    struct space_group *group = most_free(space, 1);
    if (!group) {
        pass_on(ask, space->shard);
        return;
    }
    unsigned borrower = ask->borrower->shard;
    space->groups[group->number] = NULL;
    space->holders[group->number] = (uint8_t)borrower;
    space->free_blocks -= group->free_blocks;
    if (space->current == group)
        space->current = NULL;
    ask->group = group;
    send_ask(ask, space->shard, borrower);
}

static void come_home(struct space *space)
{
    struct space_group *group = space->ask.group;
    space->ask.group = NULL;
    space->asking = false;
    if (group) {
        space_adopt(space, group);
        space->borrowed_in_vain++;
    }
    /* Blocks that were freed here meanwhile are as good as a group. */
    int result = group || space->free_blocks > space->free_when_asked ? 0 : -ENOSPC;
    struct space_borrow *borrow = space->waiting;
    space->waiting = NULL;
    space->waiting_end = &space->waiting;
    while (borrow) {
        struct space_borrow *next = borrow->next; /* done may free it, or borrow again */
        borrow->result = result;
        borrow->done(borrow);
        borrow = next;
    }
}

static void deliver_ask(struct message *message)
{
    struct space_ask *ask = (struct space_ask *)message;
    struct space *borrower = ask->borrower;
    if (ask->at == borrower->shard)
        come_home(borrower);
    else
        lend(borrower->peers[ask->at], ask);
}

/* Two shards that each want more than there is would take all groups from each other for ever. So after
 * every group came twice and nothing could be allocated, nobody is asked any more: the answer is ENOSPC. */
static bool in_vain(struct space *space)
{
    if (space->borrowed_in_vain <= 2 * space->layout.group_count)
        return false;
    space->borrowed_in_vain = 0;
    return true;
}

void space_borrow(struct space *space, struct space_borrow *borrow)
{
    borrow->next = NULL;
    *space->waiting_end = borrow;
    space->waiting_end = &borrow->next;
    if (space->asking)
        return;
    space->asking = true;
    space->free_when_asked = space->free_blocks;
    space->ask = (struct space_ask){.message.deliver = deliver_ask, .borrower = space};
    if (space->shard_count == 1 || in_vain(space))
        send_ask(&space->ask, space->shard, space->shard);
    else
        pass_on(&space->ask, space->shard);
}
