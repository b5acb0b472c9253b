/* checksum.h - CRC32C (Castagnoli), by libisal. Pure; any thread. */
#ifndef WT_BASE_CHECKSUM_H
#define WT_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* The usual CRC32C of the bytes: crc32c("123456789") is 0xe3069283. */
uint32_t checksum_crc32c(const void *bytes, size_t size_bytes);
/* Goes on from an earlier result: crc32c(a || b) == extend(crc32c(a), b). */
uint32_t checksum_crc32c_extend(uint32_t crc, const void *bytes, size_t size_bytes);

#endif
