/* sleepers.c - COUNT clients that connect, do one request each, and sleep for SECONDS. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wt.h>

#define SLEEPERS_MAX 64

int main(int argc, char **argv)
{
    struct wt *sessions[SLEEPERS_MAX];
    int count = argc > 1 ? atoi(argv[1]) : 0, seconds = argc > 2 ? atoi(argv[2]) : 0;
    if (count < 1 || count > SLEEPERS_MAX || seconds < 1)
        return 2;
    for (int i = 0; i < count; i++) {
        struct stat status;
        int error = wt_connect(NULL, NULL, &sessions[i]);
        if (!error)
            error = wt_stat(sessions[i], "/", &status);
        if (error) {
            fprintf(stderr, "sleepers: %s\n", strerror(-error));
            return 1;
        }
    }
    sleep((unsigned)seconds);
    for (int i = 0; i < count; i++)
        wt_disconnect(sessions[i]);
    return 0;
}
