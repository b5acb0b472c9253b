/*
 * names_verify.c - whether what replay built is a tree. names_apply keeps pointers sound; here link counts
 * and reachability are compared with what the entries say.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "server/volume/names_internal.h"

struct verify {
    struct names *names;
    void (*say)(void *context, const char *line);
    void *context;
    unsigned findings;
    uint64_t directory_count;
    struct name_inode **queue; /* directories reached and not yet looked into */
    uint64_t queue_first, queue_end;
};

__attribute__((format(printf, 2, 3))) static void finding(struct verify *verify, const char *format,
                                                          ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    verify->findings++;
    if (verify->say)
        verify->say(verify->context, line);
}

static void first_look(void *context, struct name_inode *inode)
{
    struct verify *verify = context;
    if (inode->orphan && inode->open_count == 0) {
        names_inode_remove(verify->names, inode);
        return;
    }
    inode->reached = false;
    if (S_ISDIR(inode->mode))
        verify->directory_count++;
}

/* Looks into one directory; each subdirectory joins the queue once, so it never holds more than all. */
static void look_into(struct verify *verify, struct name_inode *directory)
{
    uint64_t subdirectories = 0;
    struct name_entry *entry;
    for (uint64_t at = 0; (entry = names_next_entry(directory, at)); at = entry->cookie) {
        struct name_inode *inode = entry->inode;
        if (!S_ISDIR(inode->mode))
            continue;
        subdirectories++;
        if (inode->parent != directory->ino)
            finding(verify,
                    "directory %" PRIu64 " is named in %" PRIu64 " but its parent is %" PRIu64,
                    inode->ino, directory->ino, inode->parent);
        if (inode->reached || inode->ino == VOLUME_ROOT_INO)
            continue;
        inode->reached = true;
        verify->queue[verify->queue_end++] = inode;
    }
    if (directory->nlink != 2 + subdirectories)
        finding(verify, "directory %" PRIu64 " has %u links, %" PRIu64 " expected", directory->ino,
                directory->nlink, 2 + subdirectories);
}

static void last_look(void *context, struct name_inode *inode)
{
    struct verify *verify = context;
    if (inode->orphan || inode->ino == VOLUME_ROOT_INO)
        return;
    if (inode->name_count == 0)
        finding(verify, "inode %" PRIu64 " has no name", inode->ino);
    else if (S_ISDIR(inode->mode) && inode->name_count > 1)
        finding(verify, "directory %" PRIu64 " has %u names", inode->ino, inode->name_count);
    else if (S_ISDIR(inode->mode) && !inode->reached)
        finding(verify, "directory %" PRIu64 " cannot be reached from the root", inode->ino);
    else if (!S_ISDIR(inode->mode) && inode->nlink != inode->name_count)
        finding(verify, "inode %" PRIu64 " has %u links, %u expected", inode->ino, inode->nlink,
                inode->name_count);
    inode->reached = false;
}

unsigned names_verify(struct names *names, void (*say)(void *context, const char *line),
                      void *context)
{
    struct verify verify = {.names = names, .say = say, .context = context};
    names_each_inode(names, first_look, &verify);
    struct name_inode *root = names_inode(names, VOLUME_ROOT_INO);
    if (!root) {
        finding(&verify, "there is no root directory");
        return verify.findings;
    }
    verify.queue = malloc(verify.directory_count * sizeof(struct name_inode *));
    if (!verify.queue) {
        finding(&verify, "no memory to look at %" PRIu64 " directories", verify.directory_count);
        return verify.findings;
    }
    verify.queue[verify.queue_end++] = root;
    while (verify.queue_first < verify.queue_end)
        look_into(&verify, verify.queue[verify.queue_first++]);
    free(verify.queue);
    names_each_inode(names, last_look, &verify);
    return verify.findings;
}
