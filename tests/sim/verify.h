/*
 * verify.h - looks at everything through a new server and holds it against the models; what is seen is then
 * the truth for all that follows.
 */
#ifndef WT_TESTS_SIM_VERIFY_H
#define WT_TESTS_SIM_VERIFY_H

#include "tests/sim/actor.h"

#define VERIFY_ARENA_BYTES (1100u << 10)

/* A client that may see everything. */
bool verify_connect(struct world *world, struct ring_client *client);

/* The tree and the files of one actor. property is what is broken when something durable is missing. False:
 * a violation was reported, and the models know no more. */
bool verify_actor(struct world *world, struct ring_client *client, struct actor *actor,
                  enum property property);
bool verify_shared(struct world *world, struct ring_client *client, struct shared_model *model,
                   unsigned number, enum property property);

#endif
