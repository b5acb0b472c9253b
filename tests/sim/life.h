/*
 * life.h - one seed: a volume's life, with work, power cuts, recoveries and clean stops.
 */
#ifndef WT_TESTS_SIM_LIFE_H
#define WT_TESTS_SIM_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/report.h"

/* In this very process, which should end after it: servers that lost their power leave their memory. */
void life_run(uint64_t seed, bool verbose, struct report *report);

#endif
