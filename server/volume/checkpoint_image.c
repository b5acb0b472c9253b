/* checkpoint_image.c - see checkpoint_image.h. */
#include "server/volume/checkpoint_image.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "server/volume/checkpoint.h"
#include "server/volume/volume_internal.h"

static bool is_names(const struct image_maker *maker)
{
    return maker->index == maker->volume->partition_count;
}

static unsigned owner_of(const struct image_maker *maker)
{
    return volume_partition_owner(maker->volume, maker->index);
}

/* ---- on the partition's shard ---- */

static void home(struct message *message);
static void slice(struct message *message);
static void piece_arrived(struct message *message);

static void piece_send(struct image_stream *stream, struct image_piece *piece)
{
    struct image_maker *maker = stream->context;
    piece->message.deliver = piece_arrived;
    message_send(maker->volume->office, owner_of(maker), JOURNAL_SHARD, &piece->message);
}

static void send_slice(struct image_maker *maker)
{
    unsigned owner = owner_of(maker);
    maker->slice_sent = true;
    maker->message.deliver = slice;
    message_send(maker->volume->office, owner, owner, &maker->message);
}

/* Nothing is out any more: back to the journal shard. */
static void go_home(struct image_maker *maker)
{
    maker->message.deliver = home;
    message_send(maker->volume->office, owner_of(maker), JOURNAL_SHARD, &maker->message);
}

static bool walk(struct image_maker *maker)
{
    struct volume *volume = maker->volume;
    if (is_names(maker))
        return names_image_step(volume->names, IMAGE_SLICE_ITEMS);
    return partition_image_step(volume->partitions[maker->index], IMAGE_SLICE_ITEMS);
}

/* A walk that waits for pieces goes on when one comes back. */
static void slice(struct message *message)
{
    struct image_maker *maker = list_entry(message, struct image_maker, message);
    struct image_stream *stream = &maker->stream;
    maker->slice_sent = false;
    if (walk(maker)) {
        if (!stream->sink.full)
            send_slice(maker);
        return;
    }
    image_stream_end(stream);
    maker->walked = true;
    if (image_stream_all_back(stream))
        go_home(maker);
}

static void piece_back(struct message *message)
{
    struct image_piece *piece = list_entry(message, struct image_piece, message);
    struct image_stream *stream = piece->stream;
    struct image_maker *maker = stream->context;
    image_stream_returned(stream, piece);
    if (!maker->walked && !maker->slice_sent && !stream->sink.full)
        send_slice(maker);
    else if (maker->walked && image_stream_all_back(stream))
        go_home(maker);
}

/* The partition holds exactly the records that were answered before this message was sent. */
static void begin_partition(struct message *message)
{
    struct image_maker *maker = list_entry(message, struct image_maker, message);
    partition_image_begin(maker->volume->partitions[maker->index], &maker->stream.writer);
    send_slice(maker);
}

/* ---- on the journal shard ---- */

static void piece_done(struct image_piece *piece, int result)
{
    struct image_maker *maker = piece->stream->context;
    piece->result = result;
    piece->message.deliver = piece_back;
    message_send(maker->volume->office, JOURNAL_SHARD, owner_of(maker), &piece->message);
}

static void write_next(struct image_maker *maker);

static void piece_written(struct writer *writer, int result)
{
    struct image_piece *piece = list_entry(writer, struct image_piece, writer);
    struct image_maker *maker = piece->stream->context;
    maker->writing--;
    if (result < 0)
        volume_fail_here(maker->volume, result, "writing a checkpoint failed");
    piece_done(piece, result);
    write_next(maker);
}

static void write_piece(struct image_maker *maker, struct image_piece *piece)
{
    struct volume *volume = maker->volume;
    if (volume->failed) {
        piece_done(piece, -EROFS);
        return;
    }
    int rc = root_place(&maker->root, &volume->checkpoint->segments, piece->segment);
    if (rc < 0) {
        volume_fail_here(volume, rc, "no place for a checkpoint");
        piece_done(piece, rc);
        return;
    }
    uint64_t offset = segment_offset(&volume->superblock, maker->root.segments[piece->segment]);
    piece->part = (struct write_part){.offset = offset + piece->segment_at,
                                      .length_bytes = piece->length_bytes,
                                      .memory = piece->memory};
    maker->writing++;
    /* Not with FUA: one flush makes all images durable. */
    writer_start(&piece->writer, volume_journal_queue(volume), &piece->part, 1, 0, piece_written);
}

static void write_next(struct image_maker *maker)
{
    while (maker->writing < IMAGE_WRITES_MAX && !list_empty(&maker->unwritten))
        write_piece(maker, list_entry(list_pop(&maker->unwritten), struct image_piece, writing));
}

static void piece_arrived(struct message *message)
{
    struct image_piece *piece = list_entry(message, struct image_piece, message);
    struct image_maker *maker = piece->stream->context;
    list_add_tail(&maker->unwritten, &piece->writing);
    write_next(maker);
}

static void home(struct message *message)
{
    struct image_maker *maker = list_entry(message, struct image_maker, message);
    struct partition_root *root = &maker->root;
    root->present = true;
    root->image_epoch = maker->stream.identity.epoch;
    root->image_id = maker->stream.identity.id;
    root->image_bytes = maker->stream.bytes;
    maker->done(maker, maker->stream.error);
}

int image_maker_init(struct image_maker *maker, struct volume *volume,
                     void (*done)(struct image_maker *maker, int result))
{
    maker->volume = volume;
    maker->done = done;
    maker->writing = 0;
    list_init(&maker->unwritten);
    return image_stream_init(&maker->stream);
}

void image_maker_destroy(struct image_maker *maker)
{
    image_stream_destroy(&maker->stream);
    root_destroy(&maker->root);
}

int image_maker_start(struct image_maker *maker, unsigned index, uint64_t image_id)
{
    struct volume *volume = maker->volume;
    struct image_identity identity = {.superblock = &volume->superblock,
                                      .partition = volume_partition_number(volume, index),
                                      .epoch = volume->superblock.epoch,
                                      .id = image_id};
    int rc = root_prepare(&maker->root, &volume->superblock);
    if (rc < 0)
        return rc;
    maker->index = index;
    maker->walked = maker->slice_sent = false;
    image_stream_begin(&maker->stream, &identity, piece_send, maker);
    if (is_names(maker)) {
        names_image_begin(volume->names, &maker->stream.writer);
        send_slice(maker);
    } else {
        maker->message.deliver = begin_partition;
        message_send(volume->office, JOURNAL_SHARD, owner_of(maker), &maker->message);
    }
    return 0;
}
