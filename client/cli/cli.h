/*
 * cli.h - what wtcli's files share: the options of a call, the table of commands, messages, small parsers.
 *
 * One process, one call, one main session (cli->session), used by the main thread only; worker threads
 * (pool.h) have sessions of their own. Messages may come from any thread.
 *
 * A command returns the exit code: 0 done, 1 failed, 2 usage (or, for check, "could not look"). It has said
 * why before it returns anything but 0. Memory that cannot be had ends the program with a message.
 */
#ifndef WT_CLI_CLI_H
#define WT_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <wt.h>

/* Which options a command takes, and which were given. Two bits may share a letter (-s), never in one
 * command. */
enum option_bit {
    OPTION_JSON = 1 << 0,
    OPTION_ZERO = 1 << 1,      /* -0: names end with NUL */
    OPTION_HUMAN = 1 << 2,     /* -h */
    OPTION_LONG = 1 << 3,      /* -l */
    OPTION_DESCEND = 1 << 4,   /* -R of ls */
    OPTION_ALL = 1 << 5,       /* -a of ls */
    OPTION_RECURSIVE = 1 << 6, /* -r */
    OPTION_ARCHIVE = 1 << 7,   /* -a of put */
    OPTION_PARENTS = 1 << 8,   /* -p */
    OPTION_SYMBOLIC = 1 << 9,  /* -s of ln */
    OPTION_LENGTH = 1 << 10,   /* -s SIZE of truncate */
    OPTION_SIZE = 1 << 11,     /* --size of mkfs and bench */
    OPTION_FORCE = 1 << 12,
    OPTION_SPARSE = 1 << 13,
    OPTION_REPAIR = 1 << 14,
    OPTION_RW = 1 << 15,
    OPTION_BLOCK = 1 << 16,
    OPTION_DEPTH = 1 << 17,
    OPTION_LEVEL = 1 << 18,
    OPTION_TIME = 1 << 19,
    OPTION_SOCKET = 1 << 20,
    OPTION_RECONNECT = 1 << 21,
    OPTION_HELP = 1 << 22,
    OPTION_VERSION = 1 << 23,
    OPTION_QUIET = 1 << 24,
    OPTION_VERIFY = 1 << 25,
    OPTION_VERBOSE = 1 << 26,
    OPTION_PROMETHEUS = 1 << 27,
};
#define OPTIONS_EVERYWHERE \
    (OPTION_SOCKET | OPTION_RECONNECT | OPTION_QUIET | OPTION_HELP | OPTION_VERSION)

enum bench_pattern {
    BENCH_READ,
    BENCH_WRITE,
    BENCH_RANDOM_READ,
    BENCH_RANDOM_WRITE,
    BENCH_APPEND,
};

struct cli {
    const struct command *command;
    unsigned options; /* enum option_bit */
    const char *socket_path;
    double reconnect_s, time_s;
    uint64_t size_bytes, block_bytes, depth;
    int level; /* WT_BEHIND, WT_THROUGH, WT_STABLE or 0 */
    enum bench_pattern pattern;
    struct wt_options session_options; /* of every session of this call */
    struct wt *session;
    unsigned reconnects;
};

struct command {
    const char *name;
    int (*run)(struct cli *cli, int count, char **operands);
    const char *operands; /* for the usage line */
    const char *help;
    unsigned options;
    int operands_min, operands_max;
    bool without_server; /* does not connect before it runs */
    /* What can be wrong with the call beyond its options, told before a server is asked for: 0 or 2. NULL:
     * nothing. */
    int (*look)(struct cli *cli, int count, char **operands);
};

static inline bool given(const struct cli *cli, unsigned option)
{
    return (cli->options & option) != 0;
}

/* device.c */
int command_mkfs(struct cli *cli, int count, char **operands);
int command_check(struct cli *cli, int count, char **operands);
int command_info(struct cli *cli, int count, char **operands);
/* archive.c, restore.c */
int command_archive(struct cli *cli, int count, char **operands);
int look_archive(struct cli *cli, int count, char **operands);
int command_restore(struct cli *cli, int count, char **operands);
int look_restore(struct cli *cli, int count, char **operands);
/* dump.c */
int command_dump(struct cli *cli, int count, char **operands);
int look_dump(struct cli *cli, int count, char **operands);
/* server.c */
int command_ping(struct cli *cli, int count, char **operands);
int command_sync(struct cli *cli, int count, char **operands);
int command_stats(struct cli *cli, int count, char **operands);
int command_df(struct cli *cli, int count, char **operands);
int look_stats(struct cli *cli, int count, char **operands);
int server_info(struct cli *cli);
/* list.c */
int command_ls(struct cli *cli, int count, char **operands);
int command_stat(struct cli *cli, int count, char **operands);
int command_du(struct cli *cli, int count, char **operands);
/* transfer.c */
int command_cat(struct cli *cli, int count, char **operands);
int command_get(struct cli *cli, int count, char **operands);
int command_put(struct cli *cli, int count, char **operands);
int command_cp(struct cli *cli, int count, char **operands);
int look_copy(struct cli *cli, int count, char **operands);
/* names.c */
int command_rm(struct cli *cli, int count, char **operands);
int command_mv(struct cli *cli, int count, char **operands);
int command_mkdir(struct cli *cli, int count, char **operands);
int command_rmdir(struct cli *cli, int count, char **operands);
int command_ln(struct cli *cli, int count, char **operands);
int command_chmod(struct cli *cli, int count, char **operands);
int look_chmod(struct cli *cli, int count, char **operands);
int command_chown(struct cli *cli, int count, char **operands);
int command_truncate(struct cli *cli, int count, char **operands);
int look_truncate(struct cli *cli, int count, char **operands);
/* bench.c */
int command_bench(struct cli *cli, int count, char **operands);
int look_bench(struct cli *cli, int count, char **operands);

/* session.c: connects cli->session; 0, or 1 after a message. */
int session_open(struct cli *cli);
/* After a command that lost_may_return: true when the server was lost and there is a new session; then the
 * command runs again from its start. */
bool session_again(struct cli *cli);
/* watchdog.c: from now on a server that stops answering ends the program, in words. */
void watchdog_start(const struct cli *cli);

/* message.c */

/* `wtcli: PATH: words`, to stderr. Gives 1, the exit code. */
int say_failure(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with the words of a negative errno. A tree with a thousand bad files prints the first few and
 * their number (say_rest); a lost server is said once. */
int say_error(const char *path, int error);
/* The same with a reason from the library or the volume's code, which may begin with the path (of a device:
 * without the prefix that forces a backend). It is told once, and escaped where it must be. */
int say_reason(const char *path, const char *reason);
/* One line and ``Try `--help' ``. Gives 2. */
int say_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* After a command over a tree: how many failures were not printed. */
void say_rest(void);
uint64_t failure_count(void);
/* Whether going on is pointless: the server is gone, or its volume takes no writes. Any thread. */
bool server_lost(void);
/* From now on a lost server is not said: the command can be run again (session_again). */
void lost_may_return(bool may);
/* The server was lost under a command that can be run again; forgets it. */
bool lost_forget(void);
/* For a name inside a message: escaped where standard error is a terminal. Valid until the thread's next but
 * one call. */
const char *shown_name(const char *name);
/* A name on its way to a terminal has its control bytes, backslashes and bytes that are not UTF-8 escaped;
 * elsewhere it goes as it is. */
void print_name(FILE *stream, const char *name);
/* Flushes standard output; 1 after a message when it could not be written. */
int finish_output(void);

void *allocate(size_t bytes) __attribute__((returns_nonnull));
void *reallocate(void *memory, size_t bytes) __attribute__((returns_nonnull));
char *copy_string(const char *string) __attribute__((returns_nonnull));

/* parse.c */

/* Digits and an optional K, M, G or T (binary). False: not a size. */
bool parse_size(const char *text, uint64_t *bytes);
/* Seconds, with a fraction if wanted. */
bool parse_seconds(const char *text, double *seconds);
bool parse_count(const char *text, uint64_t *count);
/* A mode as chmod(1) takes it, octal or symbolic, applied to `old`. */
bool parse_mode(const char *text, mode_t old, mode_t umask_bits, mode_t *mode);
/* OWNER, OWNER:GROUP or :GROUP, by name or number; what is not named becomes -1. NULL, or what is wrong. */
const char *parse_owner(const char *text, uid_t *uid, gid_t *gid);
/* 1.5G and the like; at most 8 bytes with the NUL. */
void format_human(uint64_t bytes, char text[16]);

char *path_join(const char *directory, const char *name);
/* The last component without trailing slashes; "" for the root. To be freed. */
char *path_base(const char *path);

#endif
