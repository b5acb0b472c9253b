/* file_fixture.h - what the tests of the file floor begin with: one engine, two files, patterned bytes. */
#ifndef WT_TESTS_FILE_FIXTURE_H
#define WT_TESTS_FILE_FIXTURE_H

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/support/engine.h"
#include "tests/support/random.h"

#define PAGE 4096u
#define MIB  (1u << 20)

static struct engine engine;
static struct engine_file file, other;
static unsigned char out[MIB], in[MIB];

static inline void start_with(struct engine_options options)
{
    engine_start(&engine, &options);
    engine_create(&engine, &file, "/file");
    engine_create(&engine, &other, "/other");
}

static inline void start(void)
{
    start_with((struct engine_options){0});
}

static inline void finish(void)
{
    engine_finish(&engine);
}

static inline void put(enum file_level level, uint64_t offset, uint32_t length, uint64_t stamp)
{
    pattern_fill(stamp, offset, out, length);
    cr_assert_eq(engine_write(&file, level, offset, out, length), length);
}

static inline bool holds(uint64_t offset, uint32_t length, uint64_t stamp)
{
    memset(in, 0xcc, length);
    return engine_read(&file, offset, in, length) == length &&
           pattern_matches(stamp, offset, in, length);
}

/* The volume opened anew; cut: after a power cut, not a stop. */
static inline void reopen(bool cut)
{
    engine_restart(&engine, cut);
    engine_open(&engine, &file, "/file");
    engine_open(&engine, &other, "/other");
}

#endif
