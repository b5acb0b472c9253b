/* file_claim.h - opens and claims what the file backend does its I/O on. Private to the backends. */
#ifndef WT_DEVICE_FILE_CLAIM_H
#define WT_DEVICE_FILE_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* A descriptor with the claim on it, or a negative errno with the reason; flags as of device_open. *direct:
 * whether O_DIRECT was granted. Closing the descriptor gives the claim back. */
int file_claim(const char *path, uint32_t flags, bool *direct, struct stat *about, char *reason,
               size_t reason_bytes);

/* Waits a moment for a claim that another process holds. False: it has been long enough. Begin with 0. */
bool file_claim_wait(unsigned *waited_ms);

#endif
