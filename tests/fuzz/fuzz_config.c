/*
 * fuzz_config.c - a config file from anywhere: taken or refused with the line, and what is taken is whole.
 * fuzz-covers: server/wtd_config.c
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "proto/limits.h"
#include "server/wtd_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct options options;
    char reason[512] = "";
    options_default(&options);
    int error = options_take_text(&options, "f", (const char *)bytes, size, reason, sizeof(reason));
    assert(error == 0 || error == -EINVAL);
    assert(error ? strncmp(reason, "f:", 2) == 0 && reason[2] >= '1' && reason[2] <= '9'
                 : !reason[0]);
    assert(strlen(options.device) < sizeof(options.device));
    assert(strlen(options.socket_path) < sizeof(options.socket_path));
    assert(options.socket_path[0] && !options.config[0]);
    assert(options.shard_count <= WT_SHARDS_MAX && options.socket_mode <= 0777);
    assert(options.user_sessions >= 1 && options.user_sessions <= WT_SESSIONS_MAX);
    assert(options.cache_bytes && options.metadata_bytes);
    assert(!options.wants_help && !options.wants_version);
    return 0;
}
