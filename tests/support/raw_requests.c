#include "tests/support/raw_requests.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

const struct raw_rule raw_rules[WT_OP_COUNT] = {
    [WT_OP_NOP] = {"nop", 0, 0},
    [WT_OP_OPEN] = {"open", RAW_DIRECTORY | RAW_LEVEL | RAW_RANGE | RAW_ARGUMENT, 0},
    [WT_OP_CLOSE] = {"close", RAW_HANDLE, 0},
    [WT_OP_READ] = {"read", RAW_HANDLE | RAW_OFFSET | RAW_RANGE, WT_REQUEST_DIRECT},
    [WT_OP_WRITE] = {"write", RAW_HANDLE | RAW_OFFSET | RAW_RANGE | RAW_LEVEL,
                     WT_REQUEST_APPEND | WT_REQUEST_ATOMIC | WT_REQUEST_DIRECT},
    [WT_OP_SYNC] = {"sync", RAW_HANDLE, WT_REQUEST_DATASYNC},
    [WT_OP_SYNCFS] = {"syncfs", 0, 0},
    [WT_OP_TRUNCATE] = {"truncate", RAW_HANDLE | RAW_OFFSET | RAW_LEVEL, 0},
    [WT_OP_STAT] = {"stat", RAW_DIRECTORY | RAW_RANGE | RAW_RANGE2, WT_REQUEST_NOFOLLOW},
    [WT_OP_FSTAT] = {"fstat", RAW_HANDLE | RAW_RANGE2, 0},
    [WT_OP_STATVFS] = {"statvfs", RAW_RANGE2, 0},
    [WT_OP_MKDIR] = {"mkdir", RAW_DIRECTORY | RAW_LEVEL | RAW_RANGE | RAW_ARGUMENT, 0},
    [WT_OP_RMDIR] = {"rmdir", RAW_DIRECTORY | RAW_LEVEL | RAW_RANGE, 0},
    [WT_OP_UNLINK] = {"unlink", RAW_DIRECTORY | RAW_LEVEL | RAW_RANGE, 0},
    [WT_OP_RENAME] = {"rename",
                      RAW_DIRECTORY | RAW_LEVEL | RAW_RANGE | RAW_RANGE2 | RAW_OFFSET |
                          RAW_ARGUMENT,
                      0},
    [WT_OP_LINK] = {"link", RAW_DIRECTORY | RAW_LEVEL | RAW_RANGE | RAW_RANGE2 | RAW_OFFSET,
                    WT_REQUEST_FOLLOW | WT_REQUEST_OBJECT},
    [WT_OP_SYMLINK] = {"symlink", RAW_DIRECTORY | RAW_LEVEL | RAW_RANGE | RAW_RANGE2, 0},
    [WT_OP_READLINK] = {"readlink", RAW_DIRECTORY | RAW_RANGE | RAW_RANGE2, 0},
    [WT_OP_CHMOD] = {"chmod", RAW_DIRECTORY | RAW_LEVEL | RAW_RANGE | RAW_ARGUMENT,
                     WT_REQUEST_NOFOLLOW | WT_REQUEST_OBJECT},
    [WT_OP_CHOWN] = {"chown", RAW_DIRECTORY | RAW_LEVEL | RAW_RANGE | RAW_ARGUMENT,
                     WT_REQUEST_NOFOLLOW | WT_REQUEST_OBJECT},
    [WT_OP_UTIMENS] = {"utimens", RAW_DIRECTORY | RAW_LEVEL | RAW_RANGE | RAW_RANGE2,
                       WT_REQUEST_NOFOLLOW | WT_REQUEST_OBJECT},
    [WT_OP_READDIR] = {"readdir", RAW_HANDLE | RAW_OFFSET | RAW_RANGE2, 0},
    [WT_OP_STATS] = {"stats", RAW_RANGE2, 0},
    [WT_OP_ALLOCATE] = {"allocate", RAW_HANDLE | RAW_OFFSET | RAW_ARGUMENT | RAW_LEVEL | RAW_MODE,
                        0},
    [WT_OP_SEEK] = {"seek", RAW_HANDLE | RAW_OFFSET | RAW_ARGUMENT, 0},
};

void raw_put_path(struct raw_client *raw, struct wt_request *request, const char *path)
{
    request->arena_offset = RAW_PATH_AT;
    request->length = (uint32_t)strlen(path);
    memcpy(raw->arena + RAW_PATH_AT, path, request->length);
}

void raw_put_second(struct raw_client *raw, struct wt_request *request, const char *path)
{
    request->arena_offset2 = RAW_SECOND_AT;
    request->length2 = (uint32_t)strlen(path);
    memcpy(raw->arena + RAW_SECOND_AT, path, request->length2);
}

struct wt_request raw_blank(uint8_t opcode)
{
    struct wt_request request = {.opcode = opcode, .handle_index = WT_NO_HANDLE};
    if (raw_rules[opcode].uses & RAW_LEVEL)
        request.level = WT_LEVEL_THROUGH;
    return request;
}

int raw_open(struct raw_client *raw, const char *path, unsigned flags, struct raw_handle *handle)
{
    struct wt_wire_completion answer = {0};
    struct wt_request request = raw_blank(WT_OP_OPEN);
    raw_put_path(raw, &request, path);
    request.argument = 0644 | (uint64_t)flags << 32;
    int64_t result = raw_call(raw, raw->welcome.names_shard, &request, &answer);
    if (result < 0)
        return (int)result;
    *handle = (struct raw_handle){(uint32_t)result, (uint32_t)answer.offset,
                                  (unsigned)(answer.offset >> 32)};
    return 0;
}

int raw_base(struct raw_client *raw, uint8_t opcode, struct wt_request *request, unsigned *shard)
{
    struct raw_handle handle = {0};
    int result = 0;
    *request = raw_blank(opcode);
    *shard = raw->welcome.names_shard;
    unsigned uses = raw_rules[opcode].uses;
    if (uses & RAW_RANGE2)
        request->arena_offset2 = RAW_SECOND_AT, request->length2 = RAW_REPLY;
    if (uses & RAW_RANGE)
        raw_put_path(raw, request, "/file");
    switch (opcode) {
    case WT_OP_OPEN:
        request->argument = (uint64_t)O_RDWR << 32;
        break;
    case WT_OP_READ:
    case WT_OP_WRITE:
        request->length = 100;
        break;
    case WT_OP_MKDIR:
        raw_put_path(raw, request, "/made");
        request->argument = 0755;
        break;
    case WT_OP_RMDIR:
        raw_put_path(raw, request, "/empty");
        break;
    case WT_OP_UNLINK:
        raw_put_path(raw, request, "/victim");
        break;
    case WT_OP_RENAME:
        raw_put_path(raw, request, "/old");
        raw_put_second(raw, request, "/new");
        break;
    case WT_OP_LINK:
        raw_put_second(raw, request, "/second");
        break;
    case WT_OP_SYMLINK:
        raw_put_second(raw, request, "/link");
        break;
    case WT_OP_READLINK:
        raw_put_path(raw, request, "/symlink");
        break;
    case WT_OP_CHMOD:
        request->argument = 0644;
        break;
    case WT_OP_CHOWN:
        request->argument = UINT64_MAX;
        break;
    case WT_OP_UTIMENS:
        request->arena_offset2 = request->length2 = 0;
        break;
    case WT_OP_ALLOCATE:
        request->argument = 4096;
        break;
    case WT_OP_SEEK:
        request->argument = SEEK_HOLE;
        break;
    default:
        break;
    }
    if (uses & RAW_HANDLE) {
        bool is_directory = opcode == WT_OP_READDIR;
        result =
            raw_open(raw, is_directory ? "/" : "/file", is_directory ? O_RDONLY : O_RDWR, &handle);
        request->handle_index = handle.index;
        request->handle_generation = handle.generation;
        *shard = handle.shard;
        memset(raw->arena + RAW_PATH_AT, 'w', 100);
    }
    return result;
}
