/* reactor_explain.c - why the kernel refuses an io_uring, in words, with the mend. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "server/base/reactor.h"

/* The number in a file like /proc/sys/kernel/io_uring_disabled, or -1. */
static int read_number(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    char text[16];
    int number = -1;
    if (fgets(text, sizeof(text), file) && text[0] >= '0' && text[0] <= '9')
        number = text[0] - '0';
    (void)fclose(file);
    return number;
}

static bool has_seccomp_filter(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    if (!file)
        return false;
    char line[256];
    bool filtered = false;
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, "Seccomp:\t2", 10) == 0)
            filtered = true;
    }
    (void)fclose(file);
    return filtered;
}

static const char *explain_refusal(void)
{
    int disabled = read_number("/proc/sys/kernel/io_uring_disabled");
    if (disabled == 2)
        return "io_uring is switched off (sysctl kernel.io_uring_disabled is 2); "
               "mend: sysctl -w kernel.io_uring_disabled=0";
    if (has_seccomp_filter())
        return "a seccomp filter forbids io_uring; mend: run the container with a profile that "
               "allows "
               "io_uring_setup, io_uring_enter and io_uring_register (deploy/ has one)";
    if (disabled == 1)
        return "io_uring is for privileged processes only (sysctl kernel.io_uring_disabled is 1); "
               "mend: set it to 0, or join the group in kernel.io_uring_group";
    return "the kernel refuses io_uring (a security module?); mend: allow io_uring_setup to this "
           "process";
}

static const char *explain_absence(void)
{
    if (has_seccomp_filter())
        return explain_refusal();
    return "this kernel has no io_uring; mend: a kernel from 6.1 on with CONFIG_IO_URING";
}

static void explain_memory(char *reason, size_t reason_bytes)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur == RLIM_INFINITY)
        snprintf(reason, reason_bytes,
                 "no memory for an io_uring; mend: fewer shards or more memory");
    else
        snprintf(
            reason, reason_bytes,
            "no memory for an io_uring; mend: raise the memlock limit (now %llu KiB: ulimit -l, "
            "LimitMEMLOCK=)",
            (unsigned long long)limit.rlim_cur / 1024);
}

void reactor_explain(int error, char *reason, size_t reason_bytes)
{
    if (!reason || !reason_bytes)
        return;
    switch (error < 0 ? -error : error) {
    case EPERM:
    case EACCES:
        snprintf(reason, reason_bytes, "%s", explain_refusal());
        break;
    case ENOSYS:
        snprintf(reason, reason_bytes, "%s", explain_absence());
        break;
    case ENOMEM:
        explain_memory(reason, reason_bytes);
        break;
    case EMFILE:
    case ENFILE:
        snprintf(
            reason, reason_bytes,
            "no descriptor left for an io_uring; mend: raise the limit of open files (ulimit -n, "
            "LimitNOFILE=)");
        break;
    case EINVAL:
        snprintf(reason, reason_bytes,
                 "this kernel's io_uring lacks what wt needs; mend: a kernel from 6.1 on");
        break;
    default:
        snprintf(reason, reason_bytes, "io_uring: %s", strerror(error < 0 ? -error : error));
        break;
    }
}
