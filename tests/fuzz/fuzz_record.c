/*
 * fuzz_record.c - records from anywhere: walked and applied, they stay within their bytes.
 * fuzz-covers: server/volume/record.c server/volume/names_apply.c server/volume/partition.c
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/volume/image.h"
#include "server/volume/names.h"
#include "server/volume/partition.h"
#include "server/volume/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void walk_items(const struct record_header *record, const uint8_t *end)
{
    const struct item_header *item;
    size_t offset = 0;
    int rc;
    while ((rc = record_item(record, &offset, &item)) == 1)
        assert((const uint8_t *)item + item->bytes <= end && item->bytes >= sizeof *item);
    assert(rc == 0 || rc == -EBADMSG || rc == -EOPNOTSUPP);
}

static void decode_roots(const struct record_header *record)
{
    static const struct superblock sb = {
        .partition_count = 4, .segment_bytes = 65536, .segment_count = 64};
    struct partition_root roots[5];
    memset(roots, 0, sizeof roots);
    roots_decode(record, &sb, 1000, roots);
    for (unsigned i = 0; i < 5; i++) {
        for (uint32_t j = 0; j < roots[i].segment_count; j++)
            assert(roots[i].segments[j] < sb.segment_count);
        root_destroy(&roots[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *copy =
        malloc(size + 8); /* aligned, and as long as the input: ASan sees every byte past it */
    struct names *names = NULL;
    struct partition *partition = NULL;
    const struct record_header *record;
    size_t offset = 0;
    if (!copy || names_create(1u << 24, &names) < 0 || partition_create(0, &partition) < 0)
        abort();
    copy = realloc(copy, size ? size : 1);
    memcpy(copy, bytes, size);
    while (record_next(copy, size, &offset, &record) == 1) {
        assert((const uint8_t *)record + record->bytes <= copy + size);
        walk_items(record, copy + offset);
        decode_roots(record);
        if (record->partition == PARTITION_NAMES)
            names_apply(names, record);
        else if (record->partition == 0)
            partition_apply(partition, record, NULL, NULL);
    }
    names_verify(names, NULL, NULL);
    names_destroy(names);
    partition_destroy(partition);
    free(copy);
    return 0;
}
