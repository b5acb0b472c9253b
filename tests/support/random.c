#include "tests/support/random.h"

#include <string.h>

static uint64_t word_at(uint64_t stamp, uint64_t word)
{
    return random_mix(stamp * 0x9e3779b97f4a7c15ull + word);
}

void pattern_fill(uint64_t stamp, uint64_t offset, unsigned char *bytes, size_t size_bytes)
{
    if (stamp == 0) {
        memset(bytes, 0, size_bytes);
        return;
    }
    while (size_bytes) {
        uint64_t word = word_at(stamp, offset / 8);
        size_t skip = offset % 8, count = 8 - skip;
        if (count > size_bytes)
            count = size_bytes;
        memcpy(bytes, (unsigned char *)&word + skip, count);
        bytes += count;
        offset += count;
        size_bytes -= count;
    }
}

bool pattern_matches(uint64_t stamp, uint64_t offset, const unsigned char *bytes, size_t size_bytes)
{
    while (size_bytes) {
        uint64_t word = stamp ? word_at(stamp, offset / 8) : 0;
        size_t skip = offset % 8, count = 8 - skip;
        if (count > size_bytes)
            count = size_bytes;
        if (memcmp(bytes, (unsigned char *)&word + skip, count) != 0)
            return false;
        bytes += count;
        offset += count;
        size_bytes -= count;
    }
    return true;
}
