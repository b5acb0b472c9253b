/* space_wait.c - an operation that lacks blocks waits: for a group of another shard, or for frees on their way. */
#include <errno.h>

#include "server/file/file_internal.h"

#define BORROWS_MAX \
    64u /* between two allocations of one operation, before it is told that there is no space */

static void space_settled(struct journal_append *append)
{
    struct file_operation *operation = list_entry(append, struct file_operation, journal);
    operation->busy = false;
    file_retry(operation->file);
}

/* No group to be had. Frees that are on their way count as space: once, everything that was recorded before
 * is waited for; then it is told. */
static void space_refused(struct file_operation *operation)
{
    if (operation->settled) {
        operation->error = -ENOSPC;
        operation->busy = false;
        file_retry(operation->file);
        return;
    }
    operation->settled = true;
    operation->journal = (struct journal_append){.done = space_settled};
    journal_barrier(operation->engine->volume_shard, &operation->journal);
}

static void space_borrowed(struct space_borrow *borrow)
{
    struct file_operation *operation = list_entry(borrow, struct file_operation, borrow);
    if (borrow->result) {
        space_refused(operation);
        return;
    }
    operation->busy = false;
    file_retry(operation->file);
}

int operation_borrow(struct file_operation *operation, uint64_t blocks)
{
    if (operation->borrows++ >= BORROWS_MAX)
        return -ENOSPC;
    operation_pin_present(operation);
    operation->busy = true;
    operation->engine->counters.borrows++;
    operation->borrow = (struct space_borrow){.done = space_borrowed, .blocks_wanted = blocks};
    space_borrow(operation->engine->volume_shard->space, &operation->borrow);
    return 0;
}
