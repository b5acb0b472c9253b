/*
 * fuzz_superblock.c - a superblock from anywhere: checked, it must be one that can be worked with.
 * fuzz-covers: server/volume/superblock.c
 */
#include <assert.h>
#include <string.h>

#include "server/volume/image.h"
#include "server/volume/superblock.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct superblock sb;
    const char *what = NULL;
    memset(&sb, 0, sizeof sb);
    memcpy(&sb, bytes, size < sizeof sb ? size : sizeof sb);
    /* As it is; then as if it had been written by somebody who knows the format. */
    if (superblock_check(&sb, &what) < 0)
        assert(what);
    memcpy(sb.magic, VOLUME_MAGIC, sizeof sb.magic);
    sb.format_version = VOLUME_FORMAT_VERSION;
    superblock_seal(&sb);
    if (superblock_check(&sb, &what) < 0) {
        assert(what);
        return 0;
    }
    uint64_t copy = superblock_copy_offset(&sb);
    uint64_t metadata_end = sb.metadata_offset + (uint64_t)sb.segment_bytes * sb.segment_count;
    assert(copy + sizeof sb <= sb.size_bytes && sb.start_position < sb.journal_bytes);
    assert(sb.journal_offset + sb.journal_bytes + JOURNAL_BLOCK_BYTES_MAX <= sb.metadata_offset);
    assert(metadata_end <= sb.data_offset && sb.data_offset + sb.data_bytes <= copy);
    assert(sb.group_bytes > 0 && sb.group_bytes * sb.partition_count <= sb.data_bytes);
    assert(2 * roots_bytes_max(&sb) < sb.journal_bytes / 2);
    return 0;
}
