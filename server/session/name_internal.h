/*
 * name_internal.h - what the name_*.c files share: private to them.
 *
 * All name requests are served on the names shard; where a file's data is asked (open, stat, utimens,
 * syncfs) the request or a small thing of its own travels to the file's shard and back. Names live in
 * memory and change at once; what waits is only the journal, and what happens on other shards. So an
 * inode's pointer is never kept over a wait, only its number and generation.
 *
 * A change of names (struct name_job): copy the paths once, resolve, make, then name_job_apply and
 * name_job_append without anything in between that could wait or fail. Before a change that grows
 * (name_job_may_grow) the journal is asked for room, because memory has changed when the record is
 * appended and a refusal would leave memory and journal different.
 */
#ifndef WT_SESSION_NAME_INTERNAL_H
#define WT_SESSION_NAME_INTERNAL_H

#include "server/session/session.h"

/* Changes of level behind that are not durable yet. Past it they wait like those of level through. */
#define NAME_BEHIND_MAX 1024u

/* ---- name_step.c: waiting for a file_operation, and drops ---- */

/* In session_shard.drops_waiting while no operation is free. */
struct name_step {
    struct list link;
    void (*ready)(struct name_step *step, struct file_operation *operation);
};
/* Calls ready as soon as there is an operation: now, or from session_retry_drops. First come first served. */
void name_step_begin(struct session_shard *shard, struct name_step *step,
                     void (*ready)(struct name_step *step, struct file_operation *operation));

/* The end of a file's data, after its last name and its last handle. Embedded in what knows of that end, so
 * that it cannot fail for lack of memory. */
struct name_drop {
    struct message message;
    struct name_step step;
    struct session_shard *names, *home; /* home: where the data is */
    struct file *file;
    uint64_t ino, generation;
    void (*done)(struct name_drop *drop); /* on the names shard */
};
/* Names shard, after the record that removed the inode is durable. */
void name_drop_begin(struct session_shard *names, struct name_drop *drop, uint64_t ino,
                     uint64_t generation, void (*done)(struct name_drop *drop));

/* ---- name_job.c: changes ---- */

struct name_job {
    struct journal_append append;
    struct session_shard *shard;
    struct names_change change;
    bool
        gone_is_file; /* set by the maker: an inode that loses its last name here has data to drop */
    bool told;        /* `then` was called */
    void (*then)(void *context, int error);
    void *context;
    struct name_drop drop;
    unsigned char record[NAMES_RECORD_BYTES] __attribute__((aligned(8)));
};

/* -ENOMEM, -EROFS. The change is ready for a names_make_*. */
int name_job_create(const struct session_request *request, struct name_job **job);
/* One that made nothing. */
void name_job_discard(struct name_job *job);
/* 0; -ENOSPC; -EAGAIN: perhaps after a checkpoint, and name_refuse knows how to wait for it. */
int name_job_may_grow(const struct session_request *request);
/* Nothing was changed: the request is completed with the error, or, for -EAGAIN, served anew from its
 * beginning when a checkpoint has ended (nothing that was found may be kept over that wait). */
void name_refuse(struct session_request *request, int error);
/* What was made takes place in memory. An error here has made the volume read-only; the job is discarded. */
int name_job_apply(struct name_job *job);
/* The job appends itself and frees itself; an inode that is gone is dropped after that. then is called once:
 * when the record is durable or has failed, at level behind at once. */
void name_job_append(struct name_job *job, uint8_t level, void *context,
                     void (*then)(void *context, int error));
/* `then` of most: context is the request, which is completed with the error, on the shard it came from. */
void name_complete(void *request, int error);

/* ---- name_path.c: arguments ---- */

enum name_range { NAME_RANGE_FIRST, NAME_RANGE_SECOND };

/* Copies a path out of the arena, once, and ends it with a NUL. Its length, or -ENOENT, -ENAMETOOLONG,
 * -EINVAL. */
int name_copy_path(const struct session_request *request, enum name_range range,
                   char path[static NAMES_PATH_BYTES_MAX + 1]);
/* From the directory that the request names for this path, or the root. -EBADF, -ENOTDIR: no such handle, not
 * a directory's; or what names_resolve says. */
int name_resolve(const struct session_request *request, enum name_range range, unsigned flags,
                 struct names_place *place);
/* The inode of an open handle. It lives, with or without a name; that it is gone would be a bug on our side,
 * and a client's request is no place to die of it: -ESTALE. */
int name_find_inode(const struct session_request *request, uint64_t ino, uint64_t generation,
                    struct name_inode **inode);
/* The inode of the first path, or of the request's handle (WT_REQUEST_OBJECT). */
int name_resolve_inode(const struct session_request *request, unsigned flags,
                       struct name_inode **inode);
/* Copies a reply into the second range. -EINVAL: it does not fit. */
int name_reply(const struct session_request *request, const void *bytes, size_t size_bytes);

/* The shard whose ring the request came from. */
static inline struct session_shard *name_origin(const struct session_request *request)
{
    return request->queue->shard;
}

/* The names shard: where nearly all of this runs. Only its address may be used elsewhere. */
static inline struct session_shard *name_shard(const struct session_request *request)
{
    return request->queue->shard->peers[JOURNAL_SHARD];
}

static inline struct names *name_tree(const struct session_request *request)
{
    return volume_names(request->queue->shard->volume);
}

/* Hands a message from `from` to the shard with that number. */
static inline void name_send(struct session_shard *from, unsigned to, struct message *message,
                             void (*deliver)(struct message *message))
{
    message->deliver = deliver;
    message_send(from->office, from->shard, to, message);
}

/* On the names shard: calls the function of the request's opcode (name_path.c). */
void name_serve(struct session_request *request);

/* ---- name_atime.c ---- */

/* A directory or symlink was read; the inode stays where it is. */
void name_touch(const struct session_request *request, const struct name_inode *inode);

/* ---- name_strip.c ---- */

/* Set-id bits on their way out. In the handle's name_close, so that a write needs no memory for it; a handle
 * is not closed while its request is in flight. */
struct name_strip {
    struct message message;
    struct session_request *request;
    uint64_t ino, generation;
    unsigned pending; /* of the two parts of the request */
    int64_t result;
    uint64_t result_offset;
};
struct name_strip *name_strip_of(struct name_close *notice); /* name_open.c */

/* ---- the requests, one function each ---- */

/* name_open.c */
void name_open(struct session_request *request);
/* Names shard: counts the inode as open for the time of a request, and uncounts it, with all that a last
 * close does. NULL: no memory. */
struct name_close *name_hold(struct session_shard *names, struct name_inode *inode);
void name_unhold(struct name_close *hold);
/* name_change.c */
void name_mkdir(struct session_request *request);
void name_symlink(struct session_request *request);
void name_link(struct session_request *request);
void name_remove(struct session_request *request); /* UNLINK and RMDIR */
void name_rename(struct session_request *request);
/* name_attributes.c */
void name_chmod(struct session_request *request);
void name_chown(struct session_request *request);
void name_utimens(struct session_request *request);
/* name_look.c */
void name_stat(struct session_request *request);
void name_readlink(struct session_request *request);
void name_readdir(struct session_request *request);
/* name_volume.c */
void name_sync_directory(struct session_request *request);
void name_syncfs(struct session_request *request);
void name_statvfs(struct session_request *request);
void name_stats(struct session_request *request);

#endif
