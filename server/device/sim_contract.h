/*
 * sim_contract.h - the caller's side of an I/O, as the simulated device sees it: is it allowed by
 * device.h, and its bytes. Private to sim.c. Every breach aborts with a line that says what it was.
 */
#ifndef WT_DEVICE_SIM_CONTRACT_H
#define WT_DEVICE_SIM_CONTRACT_H

#include "server/device/device.h"

_Noreturn void sim_breach(const char *what, uint64_t offset, uint64_t length_bytes);
void sim_check_contract(const struct device_capabilities *capabilities, const struct device_io *io);

/* Copies size_bytes between memory and the io's segments, from skip_bytes into them on. */
void sim_gather(const struct device_io *io, uint64_t skip_bytes, unsigned char *to,
                size_t size_bytes);
void sim_scatter(const struct device_io *io, uint64_t skip_bytes, const unsigned char *from,
                 size_t size_bytes);
/* Whether the segments hold exactly these bytes. */
bool sim_segments_equal(const struct device_io *io, const unsigned char *bytes);

#endif
