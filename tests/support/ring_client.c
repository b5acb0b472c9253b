#include "tests/support/ring_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int ring_client_create(struct ring_client *client, struct session_shard *names_shard,
                       uint32_t ring_entries, uint64_t arena_bytes, const struct credentials *who)
{
    unsigned shards = names_shard->shard_count;
    *client = (struct ring_client){.shard_count = shards};
    int error = session_layout(ring_entries, arena_bytes, shards, &client->layout);
    if (error)
        return error;
    const struct session_layout *layout = &client->layout;
    client->region = aligned_alloc(WT_PAGE_BYTES, layout->region_bytes);
    if (!client->region)
        return -ENOMEM;
    /* Everything but the arena starts as zeros; what is in the arena is ours to write. */
    memset(client->region, 0, layout->arena_offset);
    client->arena = client->region + layout->arena_offset;
    for (unsigned i = 0; i < shards; i++) {
        unsigned char *block = client->region + layout->ring_offset + i * layout->ring_stride;
        wt_ring_init(&client->submission[i], (struct wt_ring_control *)block,
                     block + layout->submission_entries, layout->ring_entries,
                     sizeof(struct wt_request));
        wt_ring_init(&client->completion[i],
                     (struct wt_ring_control *)(block + layout->completion_control),
                     block + layout->completion_entries, layout->ring_entries,
                     sizeof(struct wt_wire_completion));
    }
    error = session_create(names_shard, layout, client->region, -1, who, NULL, &client->session);
    if (error)
        ring_client_free(client);
    return error;
}

void ring_client_free(struct ring_client *client)
{
    free(client->region);
    client->region = NULL;
}

bool ring_client_put(struct ring_client *client, unsigned shard, const struct wt_request *request)
{
    struct wt_ring *ring = &client->submission[shard];
    if (wt_ring_producible(ring, 1) <= 0)
        return false;
    wt_ring_put(ring, request);
    wt_ring_publish(ring);
    return true;
}

bool ring_client_take(struct ring_client *client, struct wt_wire_completion *completion)
{
    for (unsigned i = 0; i < client->shard_count; i++) {
        struct wt_ring *ring = &client->completion[i];
        if (wt_ring_consumable(ring) <= 0)
            continue;
        wt_ring_take(ring, completion);
        wt_ring_release(ring);
        return true;
    }
    return false;
}
