/*
 * raw_requests.h - requests as they should be, of every opcode, and which fields each uses: written down from
 * proto/wire.h, and not from the server's own table.
 *
 * The files they are about: /file, /victim and /old; /empty, a directory; /symlink.
 */
#ifndef WT_TESTS_SUPPORT_RAW_REQUESTS_H
#define WT_TESTS_SUPPORT_RAW_REQUESTS_H

#include "tests/support/raw_client.h"

#define RAW_PATH_AT   0u     /* of the arena: the first path or the data, */
#define RAW_SECOND_AT 8192u  /* the second path, the times or the reply */
#define RAW_REPLY     65536u /* its bytes */

enum raw_uses {
    RAW_HANDLE = 1,
    RAW_DIRECTORY = 2, /* may name one */
    RAW_LEVEL = 4,
    RAW_OFFSET = 8,
    RAW_RANGE = 16,
    RAW_RANGE2 = 32,
    RAW_ARGUMENT = 64,
    RAW_MODE = 128, /* the length alone, without a range */
};

extern const struct raw_rule {
    const char *name;
    unsigned uses;
    uint32_t flags;
} raw_rules[WT_OP_COUNT];

/* Where a handle lives, as OPEN told. */
struct raw_handle {
    uint32_t index, generation;
    unsigned shard;
};

/* A request without anything but its level. */
struct wt_request raw_blank(uint8_t opcode);
void raw_put_path(struct raw_client *raw, struct wt_request *request, const char *path);
void raw_put_second(struct raw_client *raw, struct wt_request *request, const char *path);
int raw_open(struct raw_client *raw, const char *path, unsigned flags, struct raw_handle *handle);

/* A request of this opcode that is right in every field, and succeeds once; and the shard it goes to. */
int raw_base(struct raw_client *raw, uint8_t opcode, struct wt_request *request, unsigned *shard);

#endif
