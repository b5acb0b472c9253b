/* image_stream.c - see image_stream.h. */
#include "server/volume/image_stream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/checksum.h"

/* ---- pieces ---- */

static struct image_piece *new_piece(struct image_stream *stream)
{
    struct image_piece *piece = calloc(1, sizeof *piece);
    if (!piece)
        return NULL;
    piece->stream = stream;
    list_init(&piece->writing);
    piece->memory = durable_buffer(IMAGE_PIECE_BYTES);
    if (!piece->memory) {
        free(piece);
        return NULL;
    }
    return piece;
}

static void free_piece(struct image_piece *piece)
{
    free(piece->memory);
    free(piece);
}

static void free_pieces(struct list *pieces)
{
    list_for_each_safe(link, after, pieces) free_piece(list_entry(link, struct image_piece, link));
    list_init(pieces);
}

static void put_free(struct image_stream *stream, struct image_piece *piece)
{
    list_add_head(&stream->free, &piece->link);
    stream->free_count++;
    stream->sink.full = stream->free_count <= IMAGE_PIECES_KEPT;
}

static struct image_piece *take_piece(struct image_stream *stream)
{
    struct image_piece *piece;
    if (stream->free_count > 0) {
        piece = list_entry(list_pop(&stream->free), struct image_piece, link);
        stream->free_count--;
    } else {
        piece = new_piece(stream);
        if (!piece)
            return NULL;
        piece->extra = true;
    }
    piece->result = 0;
    list_add_head(&stream->used, &piece->link);
    stream->used_count++;
    stream->sink.full = stream->free_count <= IMAGE_PIECES_KEPT;
    return piece;
}

void image_stream_returned(struct image_stream *stream, struct image_piece *piece)
{
    if (piece->result < 0 && stream->error == 0)
        stream->error = piece->result;
    list_remove(&piece->link);
    stream->used_count--;
    if (piece->extra)
        free_piece(piece);
    else
        put_free(stream, piece);
}

/* ---- filling them ---- */

static uint32_t piece_capacity(const struct image_stream *stream, const struct image_piece *piece)
{
    uint32_t left = stream->identity.superblock->segment_bytes - piece->segment_at;
    return left < IMAGE_PIECE_BYTES ? left : IMAGE_PIECE_BYTES;
}

static int begin_piece(struct image_stream *stream)
{
    struct image_piece *piece = take_piece(stream);
    if (!piece)
        return -ENOMEM;
    piece->segment = stream->segment;
    piece->segment_at = stream->filled_bytes;
    stream->last = piece;
    if (stream->filled_bytes == 0) {
        stream->first = piece;
        stream->filled_bytes = sizeof(struct segment_header);
        stream->checksum = 0;
    }
    return 0;
}

/* The last piece is as full as it gets; the rest of its last block is zeros. */
static void end_piece(struct image_stream *stream)
{
    struct image_piece *piece = stream->last;
    uint32_t length = stream->filled_bytes - piece->segment_at;
    piece->length_bytes = (length + VOLUME_BLOCK_BYTES - 1) & ~(VOLUME_BLOCK_BYTES - 1);
    memset(piece->memory + length, 0, piece->length_bytes - length);
    stream->last = NULL;
    if (piece != stream->first)
        stream->send(stream, piece);
}

static void end_segment(struct image_stream *stream)
{
    struct image_piece *piece = stream->first;
    struct segment_header *header = (struct segment_header *)piece->memory;
    image_segment_header(header, &stream->identity, stream->segment,
                         stream->filled_bytes - (uint32_t)sizeof *header, stream->checksum);
    stream->first = NULL;
    stream->segment++;
    stream->filled_bytes = 0;
    stream->send(stream, piece);
}

static int stream_put(struct image_sink *sink, const void *bytes, size_t size_bytes)
{
    struct image_stream *stream = (struct image_stream *)sink; /* its first member */
    const uint8_t *from = bytes;
    while (stream->error == 0 && size_bytes > 0) {
        if (!stream->last && (stream->error = begin_piece(stream)) < 0)
            break;
        struct image_piece *piece = stream->last;
        uint32_t at = stream->filled_bytes - piece->segment_at;
        uint32_t room = piece_capacity(stream, piece) - at;
        uint32_t length = size_bytes < room ? (uint32_t)size_bytes : room;
        memcpy(piece->memory + at, from, length);
        stream->checksum = checksum_crc32c_extend(stream->checksum, from, length);
        from += length;
        size_bytes -= length;
        stream->bytes += length;
        stream->filled_bytes += length;
        if (length == room)
            end_piece(stream);
        if (stream->filled_bytes == stream->identity.superblock->segment_bytes)
            end_segment(stream);
    }
    return stream->error;
}

/* ---- from begin to end ---- */

int image_stream_init(struct image_stream *stream)
{
    *stream = (struct image_stream){.sink.put = stream_put};
    list_init(&stream->free);
    list_init(&stream->used);
    for (unsigned i = 0; i < IMAGE_PIECES; i++) {
        struct image_piece *piece = new_piece(stream);
        if (!piece)
            return -ENOMEM;
        put_free(stream, piece);
    }
    return 0;
}

void image_stream_destroy(struct image_stream *stream)
{
    free_pieces(&stream->free);
    free_pieces(&stream->used);
}

void image_stream_begin(struct image_stream *stream, const struct image_identity *identity,
                        void (*send)(struct image_stream *stream, struct image_piece *piece),
                        void *context)
{
    assert(image_stream_all_back(stream));
    stream->identity = *identity;
    stream->send = send;
    stream->context = context;
    stream->error = 0;
    stream->bytes = 0;
    stream->segment = stream->filled_bytes = 0;
    stream->first = stream->last = NULL;
    image_writer_begin(&stream->writer, &stream->sink, (uint16_t)identity->partition);
}

void image_stream_end(struct image_stream *stream)
{
    image_writer_end(&stream->writer);
    if (stream->error == 0 && stream->last)
        end_piece(stream);
    if (stream->error == 0 && stream->first)
        end_segment(stream);
    /* After an error: what was not sent is nobody's. */
    if (stream->last && stream->last != stream->first)
        image_stream_returned(stream, stream->last);
    if (stream->first)
        image_stream_returned(stream, stream->first);
    stream->first = stream->last = NULL;
}
