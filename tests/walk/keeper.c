#include "tests/walk/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wt.h>

#include "tests/walk/walk.h"

enum order { ORDER_START = 's', ORDER_TERM = 't', ORDER_KILL = 'k', ORDER_LOOK = 'l' };

struct message {
    char order;
    unsigned shards;
    unsigned cache_mib;
    char answer[200]; /* empty: it is done */
};

static int line[2]; /* to the keeper, from the keeper */

static void run(const char *const argv[], const char *log)
{
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

static pid_t start_server(const struct keeper_setup *setup, const struct message *message)
{
    char shards[16], cache[16];
    snprintf(shards, sizeof(shards), "%u", message->shards);
    snprintf(cache, sizeof(cache), "%uM", message->cache_mib);
    pid_t pid = fork();
    if (pid)
        return pid;
    const char *const argv[] = {setup->wtd,    "--device",      setup->image, "--socket",
                                setup->socket, "--shards",      shards,       "--cache",
                                cache,         "--socket-mode", "0666",       NULL};
    run(argv, setup->log);
    return -1;
}

static void check(const struct keeper_setup *setup, struct message *message)
{
    pid_t pid = fork();
    if (pid == 0) {
        const char *const argv[] = {setup->wtcli, "check", setup->image, NULL};
        run(argv, setup->log);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
        snprintf(message->answer, sizeof(message->answer),
                 "wtcli check ends with status %#x, see %s", (unsigned)status, setup->log);
}

static void serve(const struct keeper_setup *setup, int from, int to)
{
    struct message message;
    pid_t server = -1;
    while (read(from, &message, sizeof(message)) == sizeof(message)) {
        message.answer[0] = '\0';
        if (message.order == ORDER_START) {
            server = start_server(setup, &message);
        } else if (message.order == ORDER_LOOK) {
            if (server < 0 || waitpid(server, NULL, WNOHANG) == server)
                snprintf(message.answer, sizeof(message.answer), "wtd ended by itself, see %s",
                         setup->log);
        } else {
            int status = 0;
            kill(server, message.order == ORDER_KILL ? SIGKILL : SIGTERM);
            waitpid(server, &status, 0);
            server = -1;
            if (status && message.order == ORDER_TERM)
                snprintf(message.answer, sizeof(message.answer),
                         "wtd ends with status %#x after SIGTERM, see %s", (unsigned)status,
                         setup->log);
            else
                check(setup, &message);
        }
        if (write(to, &message, sizeof(message)) != sizeof(message))
            break;
    }
    if (server > 0)
        kill(server, SIGKILL);
}

void keeper_begin(const struct keeper_setup *setup)
{
    int down[2], up[2];
    if (pipe2(down, O_CLOEXEC) < 0 || pipe2(up, O_CLOEXEC) < 0)
        give_up("pipe: %s", strerror(errno));
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        give_up("fork: %s", strerror(errno));
    if (pid == 0) {
        close(down[1]);
        close(up[0]);
        serve(setup, down[0], up[1]);
        _exit(0);
    }
    close(down[0]);
    close(up[1]);
    line[0] = down[1];
    line[1] = up[0];
}

static const char *tell(struct message *message)
{
    static char answer[sizeof(message->answer)];
    if (write(line[0], message, sizeof(*message)) != sizeof(*message) ||
        read(line[1], message, sizeof(*message)) != sizeof(*message))
        give_up("the keeper of the server is gone");
    memcpy(answer, message->answer, sizeof(answer));
    return answer[0] ? answer : NULL;
}

void keeper_start(unsigned shards, unsigned cache_mib)
{
    struct message message = {.order = ORDER_START, .shards = shards, .cache_mib = cache_mib};
    tell(&message);
}

const char *keeper_stop(int is_kill)
{
    struct message message = {.order = is_kill ? ORDER_KILL : ORDER_TERM};
    return tell(&message);
}

const char *keeper_look(void)
{
    struct message message = {.order = ORDER_LOOK};
    return tell(&message);
}
