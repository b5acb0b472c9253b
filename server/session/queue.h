/*
 * queue.h - what session.c, queue.c, request.c and handles.c share; private to them.
 *
 * Everything here runs on the queue's shard.
 */
#ifndef WT_SESSION_QUEUE_H
#define WT_SESSION_QUEUE_H

#include "server/session/session.h"

/* ---- queue.c ---- */

/* The session begins on this shard: its rings are polled, its doorbell is watched. */
void queue_attach(struct session_queue *queue);
/* The session ends: nothing is taken any more. queue_drained is called when nothing is in flight and the
 * doorbell is not watched any more, perhaps at once. */
void queue_detach(struct session_queue *queue);
/* Publishes what is there and forgets the queue. */
void queue_settle(struct session_queue *queue);
/* Adds one to the wake word and wakes the client. */
void queue_wake_client(struct wt_region_header *header);

/* ---- session.c ---- */

void queue_drained(struct session_queue *queue);

/* ---- request.c ---- */

/* Checks and serves the request, which is in flight by now. False: there is no file_operation for it; it
 * was not touched. */
bool request_serve(struct session_request *request);

/* ---- handles.c ---- */

/* Takes the handle out of sight and closes it when no request uses it any more; then the request, which is
 * not counted by the handle, is completed. */
void handle_close(struct session_handle *handle, struct session_request *request);
/* A request that was counted by the handle has ended. */
void handle_unuse(struct session_queue *queue, struct session_handle *handle);
/* Closes some of the handles that are left, none of which is in use. True: there are more. */
bool handles_sweep(struct session_queue *queue);
/* Frees the table; every handle is closed. */
void handles_free(struct session_queue *queue);

#endif
