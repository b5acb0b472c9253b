/* checksum.c - CRC32C by libisal, which takes and gives the bare register: inverted at both ends here. */
#include "server/base/checksum.h"

#include <isa-l/crc.h>

/* libisal counts in int. */
#define PIECE_BYTES_MAX (UINT32_C(1) << 30)

uint32_t checksum_crc32c_extend(uint32_t crc, const void *bytes, size_t size_bytes)
{
    const unsigned char *from = bytes;
    crc = ~crc;
    while (size_bytes) {
        size_t piece = size_bytes < PIECE_BYTES_MAX ? size_bytes : PIECE_BYTES_MAX;
        /* It wants a pointer to non-const and only reads. */
        crc = crc32_iscsi((unsigned char *)(uintptr_t)from, (int)piece, crc);
        from += piece;
        size_bytes -= piece;
    }
    return ~crc;
}

uint32_t checksum_crc32c(const void *bytes, size_t size_bytes)
{
    return checksum_crc32c_extend(0, bytes, size_bytes);
}
