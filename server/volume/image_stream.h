/*
 * image_stream.h - an image on its way out: records in, pieces of segments out, while it is being made.
 *
 * Belongs to the shard that makes the image. Pieces are handed over by send() and come back by
 * image_stream_returned, when they are on the medium; the stream waits for neither. A segment's first piece
 * goes last, since its header has the checksum of the rest.
 *
 * Memory: IMAGE_PIECES pieces, had at init. When few are left the sink is full and the walk waits; the rest
 * is for what changes before the walk gets there, which can neither wait nor fail. When that is used up too,
 * further pieces are allocated, and freed when they come back. That has a bound: each record that is applied
 * saves no more than the few inodes, entries or leaves it touches, each once a round, and records need room
 * in the journal, of which there is no more until the round is done. Beyond that, an image is no larger than
 * half of the metadata area. Only if such an allocation fails, the image fails.
 */
#ifndef WT_VOLUME_IMAGE_STREAM_H
#define WT_VOLUME_IMAGE_STREAM_H

#include "server/base/list.h"
#include "server/base/message.h"
#include "server/volume/durable.h"
#include "server/volume/image.h"
#include "server/volume/image_writer.h"

#define IMAGE_PIECE_BYTES (64u << 10)
#define IMAGE_PIECES      16u
#define IMAGE_PIECES_KEPT 4u

struct image_stream;

struct image_piece {
    struct list link; /* of free pieces, or of those that are out */
    struct image_stream *stream;
    uint8_t *memory;                   /* IMAGE_PIECE_BYTES, aligned */
    uint32_t segment;                  /* which of the image's */
    uint32_t segment_at, length_bytes; /* where in it; whole blocks */
    bool extra;                        /* beyond IMAGE_PIECES */
    int result;                        /* set by whoever sends it back */
    struct message message;            /* the rest is for whoever it is handed to */
    struct list writing;               /* of those that wait to be written */
    struct write_part part;
    struct writer writer;
};

struct image_stream {
    struct image_sink sink; /* first: the sink is the stream */
    struct image_writer writer;
    struct image_identity identity;
    void (*send)(struct image_stream *stream, struct image_piece *piece);
    void *context;
    int error;
    uint64_t bytes;        /* of the image so far */
    uint32_t segment;      /* the one that fills ... */
    uint32_t filled_bytes; /* ... with its header; 0: it has not begun */
    uint32_t checksum;     /* of its payload so far */
    struct image_piece *first,
        *last; /* its first piece, and the one that fills (may be the same) */
    struct list free, used;
    unsigned free_count, used_count;
};

/* -ENOMEM. */
int image_stream_init(struct image_stream *stream);
void image_stream_destroy(struct image_stream *stream);

/* Nothing is out. The caller gives items to stream->writer. */
void image_stream_begin(struct image_stream *stream, const struct image_identity *identity,
                        void (*send)(struct image_stream *stream, struct image_piece *piece),
                        void *context);
/* Sends what is left. Afterwards stream->bytes and stream->error say how it went, once all is back. */
void image_stream_end(struct image_stream *stream);
void image_stream_returned(struct image_stream *stream, struct image_piece *piece);
static inline bool image_stream_all_back(const struct image_stream *stream)
{
    return stream->used_count == 0;
}

#endif
