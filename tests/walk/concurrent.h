/*
 * concurrent.h - requests of several sessions in flight on the same files, judged by what any order of them
 * could give.
 */
#ifndef WT_TESTS_WALK_CONCURRENT_H
#define WT_TESTS_WALK_CONCURRENT_H

#include "tests/walk/walk.h"

void concurrent_all(struct walk *w);

#endif
