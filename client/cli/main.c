/*
 * main.c - the table of commands, the options, and the way out.
 *
 * Options may stand before or after the command and among its operands. So the command is looked for
 * first; then its own options, and no others, are given to getopt_long.
 */
#include "client/cli/cli.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const struct command commands[] = {
    {"mkfs", command_mkfs, "DEV", "make a volume on a device or image file",
     OPTION_SIZE | OPTION_FORCE | OPTION_SPARSE, 1, 1, true, NULL},
    {"check", command_check, "DEV", "look for damage (0: clean, 1: damage, 2: could not look)",
     OPTION_REPAIR | OPTION_JSON, 1, 1, true, NULL},
    {"info", command_info, "[DEV]", "tell about a volume on a device, or the server's", OPTION_JSON,
     0, 1, true, NULL},
    {"dump", command_dump, "WHAT DEV [INO|PATH]",
     "show what stands on a device: superblock, inode, directory, extents or journal",
     OPTION_VERBOSE | OPTION_JSON, 2, 3, true, look_dump},
    {"ping", command_ping, "", "ask the server for a sign of life", OPTION_JSON, 0, 0, false, NULL},
    {"ls", command_ls, "[PATH]...", "list directories",
     OPTION_LONG | OPTION_DESCEND | OPTION_ALL | OPTION_ZERO | OPTION_JSON, 0, -1, false, NULL},
    {"stat", command_stat, "PATH...", "tell all about files", OPTION_JSON, 1, -1, false, NULL},
    {"cat", command_cat, "PATH...", "write files to standard output", 0, 1, -1, false, NULL},
    {"put", command_put, "SRC DEST", "copy into the volume; SRC - is standard input",
     OPTION_RECURSIVE | OPTION_ARCHIVE | OPTION_VERIFY | OPTION_JSON, 2, 2, false, look_copy},
    {"get", command_get, "SRC DEST", "copy out of the volume; DEST - is standard output",
     OPTION_RECURSIVE | OPTION_ARCHIVE | OPTION_VERIFY | OPTION_JSON, 2, 2, false, look_copy},
    {"cp", command_cp, "SRC DEST", "copy inside the volume",
     OPTION_RECURSIVE | OPTION_ARCHIVE | OPTION_VERIFY | OPTION_JSON, 2, 2, false, look_copy},
    {"archive", command_archive, "PATH...", "write trees to standard output as a tar stream", 0, 1,
     -1, false, look_archive},
    {"restore", command_restore, "[DIRECTORY]", "unpack a tar stream from standard input", 0, 0, 1,
     false, look_restore},
    {"rm", command_rm, "PATH...", "remove files", OPTION_RECURSIVE, 1, -1, false, NULL},
    {"mv", command_mv, "SRC... DEST", "rename or move", 0, 2, -1, false, NULL},
    {"mkdir", command_mkdir, "PATH...", "make directories", OPTION_PARENTS, 1, -1, false, NULL},
    {"rmdir", command_rmdir, "PATH...", "remove empty directories", 0, 1, -1, false, NULL},
    {"ln", command_ln, "TARGET LINK", "make a link", OPTION_SYMBOLIC, 2, 2, false, NULL},
    {"chmod", command_chmod, "MODE PATH...", "change modes, octal or like u+x,go-w", 0, 2, -1,
     false, look_chmod},
    {"chown", command_chown, "OWNER[:GROUP] PATH...", "change owners, by name or number", 0, 2, -1,
     false, NULL},
    {"truncate", command_truncate, "PATH...", "set the size of files, making them if need be",
     OPTION_LENGTH, 1, -1, false, look_truncate},
    {"df", command_df, "", "tell how full the volume is", OPTION_HUMAN | OPTION_JSON, 0, 0, false,
     NULL},
    {"du", command_du, "[PATH]...", "add up what trees occupy, in bytes",
     OPTION_HUMAN | OPTION_JSON, 0, -1, false, NULL},
    {"sync", command_sync, "", "wait until everything written is stable", 0, 0, 0, false, NULL},
    {"stats", command_stats, "", "print the server's counters", OPTION_JSON | OPTION_PROMETHEUS, 0,
     0, false, look_stats},
    {"bench", command_bench, "[DIRECTORY]", "measure, with a file of its own",
     OPTION_RW | OPTION_BLOCK | OPTION_DEPTH | OPTION_LEVEL | OPTION_SIZE | OPTION_TIME |
         OPTION_JSON,
     0, 1, false, look_bench},
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

struct option_definition {
    unsigned bit;
    char letter, other_letter; /* 0: none */
    const char *name;          /* NULL: none */
    const char *argument;      /* NULL: takes none */
    const char *help;
};

static const struct option_definition definitions[] = {
    {OPTION_LONG, 'l', 0, NULL, NULL, "with mode, links, owner, group, size and time"},
    {OPTION_DESCEND, 'R', 0, "recursive", NULL, "directories inside directories too"},
    {OPTION_ALL, 'a', 0, "all", NULL, "names that begin with a dot too"},
    {OPTION_ZERO, '0', 0, "null", NULL, "end names with NUL instead of a new line"},
    {OPTION_RECURSIVE, 'r', 'R', "recursive", NULL, "directories with all they hold"},
    {OPTION_ARCHIVE, 'a', 0, "archive", NULL, "-r, and keep owner, all of the mode, and times"},
    {OPTION_VERIFY, 0, 0, "verify", NULL, "then read the copy from the medium, and compare"},
    {OPTION_PARENTS, 'p', 0, "parents", NULL, "make what is missing above, too; existing is fine"},
    {OPTION_SYMBOLIC, 's', 0, "symbolic", NULL, "a symbolic link"},
    {OPTION_LENGTH, 's', 0, "size", "SIZE", "the new size"},
    {OPTION_HUMAN, 'h', 0, "human-readable", NULL, "sizes like 1.5G"},
    {OPTION_SIZE, 0, 0, "size", "SIZE", "of the volume, or of the bench's file"},
    {OPTION_FORCE, 0, 0, "force", NULL, "overwrite the volume or file system that is there"},
    {OPTION_SPARSE, 0, 0, "sparse", NULL, "do not write an image file in full"},
    {OPTION_REPAIR, 0, 0, "repair", NULL, "write anew what can be derived from what is whole"},
    {OPTION_RW, 0, 0, "rw", "PATTERN", "read, write, randread, randwrite or append"},
    {OPTION_BLOCK, 0, 0, "bs", "SIZE", "bytes of a request (4K)"},
    {OPTION_DEPTH, 0, 0, "depth", "N", "requests in flight (1)"},
    {OPTION_LEVEL, 0, 0, "level", "LEVEL", "of writes: behind, through or stable (through)"},
    {OPTION_TIME, 0, 0, "time", "SECONDS", "to measure for (5)"},
    {OPTION_JSON, 0, 0, "json", NULL, "print JSON"},
    {OPTION_PROMETHEUS, 0, 0, "prometheus", NULL, "print them as Prometheus reads them"},
    {OPTION_VERBOSE, 'v', 0, "verbose", NULL, "records and their items too"},
    {OPTION_SOCKET, 0, 0, "socket", "PATH",
     "the server's; else WT_SOCKET, else " WT_SOCKET_DEFAULT},
    {OPTION_RECONNECT, 0, 0, "reconnect", "SECONDS",
     "wait that long for a server; put, get, cp: also for a lost one"},
    {OPTION_QUIET, 'q', 0, "quiet", NULL, "no progress on the terminal"},
    {OPTION_HELP, 0, 0, "help", NULL, "this text"},
    {OPTION_VERSION, 0, 0, "version", NULL, "the version"},
};
#define DEFINITION_COUNT (sizeof definitions / sizeof *definitions)

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* Whether the option word (it begins with a dash) takes the next word as its argument, as far as that can
 * be told before the command is known. */
static bool takes_next_word(const char *word, const char *next)
{
    if (word[1] != '-') {
        /* -s is truncate's with an argument and ln's without. */
        return strcmp(word, "-s") == 0 && next != NULL && command_find(next) == NULL;
    }
    for (size_t i = 0; i < DEFINITION_COUNT; i++)
        if (definitions[i].name != NULL && strcmp(definitions[i].name, word + 2) == 0 &&
            definitions[i].bit != OPTION_LENGTH)
            return definitions[i].argument != NULL;
    return false;
}

/* The place of the command in argv, or 0. */
static int command_place(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            return i + 1 < argc ? i + 1 : 0;
        if (argv[i][0] != '-' || argv[i][1] == '\0')
            return i;
        if (takes_next_word(argv[i], argv[i + 1]))
            i++;
    }
    return 0;
}

static void help_options(unsigned options)
{
    for (size_t i = 0; i < DEFINITION_COUNT; i++) {
        const struct option_definition *definition = &definitions[i];
        char left[64] = "";
        if ((options & definition->bit) == 0)
            continue;
        if (definition->letter != 0)
            snprintf(left, sizeof left, "-%c%s", definition->letter,
                     definition->name != NULL ? ", " : "");
        if (definition->name != NULL) {
            strcat(left, "--");
            strcat(left, definition->name);
        }
        if (definition->argument != NULL) {
            strcat(left, " ");
            strcat(left, definition->argument);
        }
        printf("  %-22s %s\n", left, definition->help);
    }
}

static int help(const struct command *command)
{
    if (command != NULL) {
        printf("wtcli %s [options] %s\n    %s\n", command->name, command->operands, command->help);
        help_options(command->options | OPTIONS_EVERYWHERE);
        if ((command->options & (OPTION_SIZE | OPTION_LENGTH | OPTION_BLOCK)) != 0)
            puts("SIZE: bytes, or with K, M, G or T (binary)");
        return finish_output();
    }
    puts("wtcli COMMAND [options] ...: work with a wt volume and its server\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", commands[i].name, commands[i].operands);
        printf("  %-30s %s\n", left, commands[i].help);
    }
    puts("\nOptions of every command (its own: wtcli COMMAND --help):");
    help_options(OPTIONS_EVERYWHERE);
    puts("Exit: 0 done, 1 failed, 2 wrong usage.");
    return finish_output();
}

static bool parse_word(const char *text, const char *const words[], int count, int *place)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(text, words[i]) == 0) {
            *place = i;
            return true;
        }
    }
    return false;
}

/* Stores what an option carries. False: the argument makes no sense. */
static bool option_store(struct cli *cli, unsigned bit, const char *argument)
{
    static const char *const patterns[] = {
        [BENCH_READ] = "read",
        [BENCH_WRITE] = "write",
        [BENCH_RANDOM_READ] = "randread",
        [BENCH_RANDOM_WRITE] = "randwrite",
        [BENCH_APPEND] = "append",
    };
    static const char *const level_words[] = {"behind", "through", "stable"};
    static const int levels[] = {WT_BEHIND, WT_THROUGH, WT_STABLE};
    int place;

    switch (bit) {
    case OPTION_SOCKET:
        cli->socket_path = argument;
        return *argument != '\0';
    case OPTION_RECONNECT:
        return parse_seconds(argument, &cli->reconnect_s);
    case OPTION_SIZE:
    case OPTION_LENGTH:
        return parse_size(argument, &cli->size_bytes) && cli->size_bytes <= INT64_MAX;
    case OPTION_BLOCK:
        return parse_size(argument, &cli->block_bytes) && cli->block_bytes > 0;
    case OPTION_DEPTH:
        return parse_count(argument, &cli->depth) && cli->depth > 0;
    case OPTION_TIME:
        return parse_seconds(argument, &cli->time_s) && cli->time_s > 0;
    case OPTION_RW:
        if (!parse_word(argument, patterns, sizeof patterns / sizeof *patterns, &place))
            return false;
        cli->pattern = (enum bench_pattern)place;
        return true;
    case OPTION_LEVEL:
        if (!parse_word(argument, level_words, 3, &place))
            return false;
        cli->level = levels[place];
        return true;
    default:
        return true;
    }
}

#define LONG_OPTION_FIRST 256

/* What getopt_long needs for the options a command takes. */
static void option_tables(unsigned allowed, char *letters, struct option *names)
{
    *letters++ = ':'; /* a missing argument is told apart from an unknown option */
    for (size_t i = 0; i < DEFINITION_COUNT; i++) {
        const struct option_definition *definition = &definitions[i];
        if ((allowed & definition->bit) == 0)
            continue;
        if (definition->letter != 0) {
            *letters++ = definition->letter;
            if (definition->argument != NULL)
                *letters++ = ':';
        }
        if (definition->other_letter != 0)
            *letters++ = definition->other_letter;
        if (definition->name != NULL)
            *names++ = (struct option){definition->name, definition->argument != NULL, NULL,
                                       LONG_OPTION_FIRST + (int)i};
    }
    *letters = '\0';
    *names = (struct option){NULL, 0, NULL, 0};
}

static const struct option_definition *option_find(unsigned allowed, int value)
{
    if (value >= LONG_OPTION_FIRST)
        return &definitions[value - LONG_OPTION_FIRST];
    for (size_t i = 0; i < DEFINITION_COUNT; i++)
        if ((allowed & definitions[i].bit) != 0 && value != 0 &&
            (definitions[i].letter == value || definitions[i].other_letter == value))
            return &definitions[i];
    return NULL;
}

/* Reads the options of argv (without the command). 0, or 2 after a message. */
static int options_read(struct cli *cli, int argc, char **argv)
{
    unsigned allowed = OPTIONS_EVERYWHERE | (cli->command != NULL ? cli->command->options : 0);
    char letters[2 * DEFINITION_COUNT + 2];
    struct option names[DEFINITION_COUNT + 1];
    const char *who = cli->command != NULL ? cli->command->name : NULL;
    int value;

    option_tables(allowed, letters, names);
    opterr = 0;
    while ((value = getopt_long(argc, argv, letters, names, NULL)) != -1) {
        if (value == '?' || value == ':') {
            /* getopt has gone past the word, unless the letter stands inside a cluster. */
            char letter[3] = {'-', (char)optopt, '\0'};
            const char *word = optopt > 0 && optopt < LONG_OPTION_FIRST ? letter : argv[optind - 1];
            return say_usage("%s%soption %s %s", who != NULL ? who : "", who != NULL ? ": " : "",
                             word,
                             value == ':'                  ? "needs an argument"
                             : optopt >= LONG_OPTION_FIRST ? "takes no argument"
                                                           : "is unknown here, or cut too short");
        }
        const struct option_definition *definition = option_find(allowed, value);
        cli->options |= definition->bit;
        if (!option_store(cli, definition->bit, optarg))
            return say_usage("%s: %s%s wants %s, not `%s'", who != NULL ? who : "wtcli",
                             definition->letter != 0 ? "-" : "--",
                             definition->letter != 0 ? (char[2]){definition->letter, '\0'}
                                                     : definition->name,
                             definition->help, optarg);
    }
    return 0;
}

static int command_run(struct cli *cli, int count, char **operands)
{
    const struct command *command = cli->command;

    if (count < command->operands_min)
        return say_usage("%s: an operand is missing: %s %s", command->name, command->name,
                         command->operands);
    if (command->operands_max >= 0 && count > command->operands_max)
        return say_usage("%s: too many operands: %s %s", command->name, command->name,
                         command->operands);
    if (command->look != NULL && command->look(cli, count, operands) != 0)
        return 2;
    if (!command->without_server && session_open(cli) != 0)
        return 1;
    int code = command->run(cli, count, operands);
    wt_disconnect(cli->session);
    say_rest();
    int output = finish_output();
    return code != 0 ? code : output;
}

int main(int argc, char **argv)
{
    struct cli cli = {
        .block_bytes = 4096, .depth = 1, .time_s = 5, .session_options = WT_OPTIONS_INIT};
    int place = command_place(argc, argv);

    if (place > 0) {
        cli.command = command_find(argv[place]);
        if (cli.command == NULL)
            return say_usage("unknown command `%s'", argv[place]);
        memmove(argv + place, argv + place + 1, sizeof *argv * (size_t)(argc - place));
        argc--;
    }
    int code = options_read(&cli, argc, argv);
    if (code != 0)
        return code;
    if (given(&cli, OPTION_HELP))
        return help(cli.command);
    if (given(&cli, OPTION_VERSION)) {
        puts("wtcli " WT_VERSION);
        return finish_output();
    }
    if (cli.command == NULL)
        return say_usage("no command");
    return command_run(&cli, argc - optind, argv + optind);
}
