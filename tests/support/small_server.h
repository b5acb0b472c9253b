/*
 * small_server.h - a small server for tests of libwt: a thread that speaks the handshake and answers one client
 * from the rings. It can refuse, lie, fall asleep, answer backwards, hold everything back, and die.
 */
#ifndef WT_TESTS_SMALL_SERVER_H
#define WT_TESTS_SMALL_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/ring.h"
#include "proto/wire.h"

#define MIB         (1u << 20)
#define FILE_BYTES  (8u * MIB)
#define LOG_ENTRIES 512u
#define SHARDS_MAX  4u
#define NO_OFFSET   UINT64_MAX

enum death {
    DEATH_NONE,
    DEATH_SILENT,
    DEATH_TOLD,
    DEATH_CORRUPT_TAIL,
    DEATH_WRONG_ID,
    DEATH_WRONG_RESULT
};

struct server {
    char path[108];
    int listener, socket, stop, stop_peer, doorbells[SHARDS_MAX];
    pthread_t thread;
    /* What a test sets before it connects. */
    uint32_t shards;
    bool is_silent;
    int refusal;
    const char *reason;
    void (*tamper)(struct wt_welcome *welcome);
    int seals;
    /* What it may change while the server runs. */
    _Atomic bool holds, is_sleepy, answers_backwards;
    _Atomic int death;
    _Atomic unsigned
        dies_at; /* the request, counted from 1, that it dies of instead of answering */
    _Atomic uint64_t fails_at, short_at; /* an offset of reads and writes */
    _Atomic int64_t seek_moves;
    _Atomic unsigned sleeps, datagrams;
    _Atomic bool has_ended;
    /* What it saw. */
    struct wt_hello hello;
    _Atomic unsigned requests;
    struct wt_request log[LOG_ENTRIES];
    char path_seen[WT_PATH_BYTES_MAX + 1], second_seen[WT_PATH_BYTES_MAX + 1];
    /* What it serves. */
    unsigned char *region, *arena;
    struct wt_region_header *header;
    struct wt_ring submission[SHARDS_MAX], completion[SHARDS_MAX];
    unsigned char *file;
    uint64_t file_size;
};

extern struct server server;

void server_start(void);
void server_stop(void);

#endif
