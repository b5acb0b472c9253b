/*
 * keeper.h - a process that starts and ends the server, for one that cannot (it is in a chroot).
 */
#ifndef WT_TESTS_WALK_KEEPER_H
#define WT_TESTS_WALK_KEEPER_H

struct keeper_setup {
    const char *wtd, *wtcli, *image, *socket, *log;
};

/* Before any thread, chroot or change of identity. The server ends when this process does. */
void keeper_begin(const struct keeper_setup *setup);
/* Starts the server; whoever connects waits for it. */
void keeper_start(unsigned shards, unsigned cache_mib);
/* SIGTERM, or SIGKILL; then wtcli check must find nothing. NULL, or what went wrong. */
const char *keeper_stop(int is_kill);
/* NULL, or that the server is not there any more. */
const char *keeper_look(void);

#endif
