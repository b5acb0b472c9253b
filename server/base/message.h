/*
 * message.h - how shards talk: mailboxes of messages, one ring for each pair of shards.
 *
 * A message is embedded in the thing it is about (an operation, a journal append, a lent group). Sending
 * hands that thing over: from message_send on it belongs to the receiving shard, which runs deliver and
 * usually sends the same thing back. Messages from one shard to another arrive in the order they were
 * sent; there is no order between different senders. Sending never fails and never waits: what does not
 * fit the ring waits in the sender's own list, which is bounded by the number of things that can be sent.
 *
 * Threads: message_send only on shard `from`'s thread, message_deliver only on shard `to`'s. A message to
 * oneself is delivered in the next message_deliver, never from inside message_send.
 *
 * The sleeping protocol is that of proto/ring.h: message_prepare_sleep raises the flag, fences and looks
 * again; message_send's flush (message_flush, once a step) publishes, fences, and calls the waker.
 */
#ifndef WT_BASE_MESSAGE_H
#define WT_BASE_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

struct message {
    struct message *next;
    void (*deliver)(struct message *message); /* runs on the receiving shard */
};

struct post_office;

/* One for the whole server. shard_count 1..64. -ENOMEM. */
int post_office_create(unsigned shard_count, struct post_office **office);
void post_office_destroy(struct post_office *office);
unsigned post_office_shards(const struct post_office *office);

/* How a sleeping shard is woken (writes its eventfd). Set before the shard first sleeps. */
void post_office_set_waker(struct post_office *office, unsigned shard, void (*wake)(void *context),
                           void *context);

/* Hands the message to shard `to`, where deliver runs. */
void message_send(struct post_office *office, unsigned from, unsigned to, struct message *message);

/* Publishes what shard `from` has sent since the last call and wakes those that sleep. */
void message_flush(struct post_office *office, unsigned from);

/* Delivers what has arrived, at most `budget` messages; returns how many. */
unsigned message_deliver(struct post_office *office, unsigned to, unsigned budget);

/* Shard `to` is about to sleep. True: nothing is there and the flag is up. False: look again. */
bool message_prepare_sleep(struct post_office *office, unsigned to);
void message_awake(struct post_office *office, unsigned to);

#endif
