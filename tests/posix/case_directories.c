/* case_directories.c - mkdir, rmdir, and reading a directory while it changes. */
#include <stdio.h>
#include <string.h>

#include "tests/posix/fs.h"

#define THEME "directories"

CASE(mkdir_and_rmdir)
{
    fs_mkdir(f, "d", 0755);
    fs_stat(f, "d");
    fs_stat(f, ".");
    fs_list(f, "d");
    fs_rmdir(f, "d");
    fs_stat(f, "d");
    fs_stat(f, ".");
}

CASE(mkdir_exists)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "a", 'a', 1);
    fs_symlink(f, "none", "s");
    fs_mkdir(f, "d", 0700);
    fs_mkdir(f, "a", 0700);
    fs_mkdir(f, "s", 0700);
    fs_mkdir(f, ".", 0700);
    fs_mkdir(f, "d/..", 0700);
    fs_mkdir(f, "d/.", 0700);
    fs_stat(f, "d");
}

CASE(mkdir_mode_bits)
{
    fs_mkdir(f, "a", 0);
    fs_mkdir(f, "b", 01777);
    fs_mkdir(f, "c", 07777);
    fs_mkdir(f, "d", 040755);
    fs_stat(f, "a");
    fs_stat(f, "b");
    fs_stat(f, "c");
    fs_stat(f, "d");
}

CASE(rmdir_not_empty)
{
    fs_mkdir(f, "d", 0755);
    fs_make(f, "d/a", 'a', 1);
    fs_rmdir(f, "d");
    fs_mkdir(f, "e", 0755);
    fs_mkdir(f, "e/x", 0755);
    fs_rmdir(f, "e");
    fs_list(f, ".");
}

CASE(rmdir_of_others)
{
    fs_make(f, "a", 'a', 1);
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, "d", "s");
    fs_rmdir(f, "a");
    fs_rmdir(f, "s");
    fs_rmdir(f, "none");
    fs_list(f, ".");
}

CASE(rmdir_of_dot_names)
{
    fs_mkdir(f, "d", 0755);
    fs_mkdir(f, "d/e", 0755);
    fs_rmdir(f, ".");
    fs_rmdir(f, "d/.");
    fs_rmdir(f, "d/e/.");
    fs_rmdir(f, "d/e/..");
    fs_rmdir(f, "..");
    fs_list(f, ".");
}

CASE(links_count_subdirectories)
{
    fs_mkdir(f, "d", 0755);
    fs_mkdir(f, "d/a", 0755);
    fs_mkdir(f, "d/b", 0755);
    fs_make(f, "d/c", 'c', 1);
    fs_symlink(f, "a", "d/s");
    fs_stat(f, "d");
    fs_rmdir(f, "d/a");
    fs_stat(f, "d");
}

CASE(removed_but_open)
{
    fs_mkdir(f, "d", 0755);
    int h = fs_open(f, "d", O_RDONLY, 0);
    fs_rmdir(f, "d");
    fs_fstat(f, h);
    fs_list_handle(f, h);
    fs_openat(f, h, "a", O_CREAT | O_RDWR, 0644);
    fs_mkdirat(f, h, "x", 0755);
    fs_fstatat(f, h, ".", 0);
    fs_fstatat(f, h, "..", 0);
    fs_fstatat(f, h, "none", 0);
    fs_make(f, "file", 'a', 1);
    fs_linkat(f, FS_HERE, "file", h, "b", 0);
    fs_renameat(f, FS_HERE, "file", h, "b", 0);
    fs_symlinkat(f, "x", h, "s");
    fs_fchmod(f, h, 0700);
    fs_fstat(f, h);
    fs_fsync(f, h);
}

/* Nothing is looked up in a removed directory, so its ENOENT comes before what rights or the other name say. */
CASE(removed_before_other_errors)
{
    fs_mkdir(f, "p", 0755);
    fs_mkdir(f, "p/d", 0755);
    int h = fs_open(f, "p/d", O_RDONLY, 0);
    fs_rmdir(f, "p/d");
    fs_renameat(f, FS_HERE, "p", h, "x", 0);
    fs_make(f, "p/file", 'a', 1);
    fs_chmod(f, "p", 0500);
    fs_renameat(f, FS_HERE, "p/file", h, "x", 0);
    char name[300];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    fs_renameat(f, FS_HERE, "p/file", h, name, 0);
    fs_linkat(f, FS_HERE, "p/file", h, name, 0);
    fs_chmod(f, "p", 0700);
}

CASE(list_types)
{
    fs_make(f, "file", 'a', 1);
    fs_mkdir(f, "directory", 0755);
    fs_symlink(f, "file", "symlink");
    fs_list(f, ".");
    fs_list(f, "directory");
}

CASE(list_of_others)
{
    fs_make(f, "a", 'a', 1);
    fs_symlink(f, "a", "s");
    fs_mkdir(f, "d", 0755);
    fs_symlink(f, "d", "t");
    fs_list(f, "a");
    fs_list(f, "s");
    fs_list(f, "t");
    fs_list(f, "none");
    fs_list(f, "");
}

CASE(inode_numbers_agree_with_stat)
{
    fs_make(f, "a", 'a', 1);
    fs_mkdir(f, "d", 0755);
    fs_entries(f, -1, ".");
    for (unsigned i = 0; i < f->entry_count; i++) {
        struct stat st = {0};
        f->side->fstatat(f, FS_HERE, f->entries[i].name, &st, AT_SYMLINK_NOFOLLOW);
        if (st.st_ino != f->entries[i].ino)
            fs_say(f, "%s has another number", f->entries[i].name);
    }
    fs_say(f, "%u entries", f->entry_count);
}

static void make_many(struct fs *f, int from, int to)
{
    for (int i = from; i < to; i++) {
        char name[64];
        snprintf(name, sizeof(name), "name-%04d", i);
        int result = fs_quiet_make(f, name);
        if (result < 0)
            fs_say(f, "%s: %d", name, result);
    }
}

/* How often each of name-0000 to name-`count` was seen, in f->entries from a place on. */
static void tally(struct fs *f, int count, int *missing, int *twice)
{
    static unsigned char seen[FS_ENTRIES_MAX];
    memset(seen, 0, sizeof(seen));
    *missing = *twice = 0;
    for (unsigned i = 0; i < f->entry_count; i++) {
        int number;
        if (sscanf(f->entries[i].name, "name-%d", &number) == 1 && number < count)
            seen[number]++;
    }
    for (int i = 0; i < count; i++) {
        *missing += seen[i] == 0;
        *twice += seen[i] > 1;
    }
}

CASE(many_entries)
{
    int missing, twice;
    make_many(f, 0, 700);
    fs_entries(f, -1, ".");
    tally(f, 700, &missing, &twice);
    fs_say(f, "%u entries, %d missing, %d twice", f->entry_count, missing, twice);
}

static unsigned read_some(struct fs *f, unsigned count)
{
    unsigned read = 0;
    while (read < count && f->side->readdir(f, &f->entries[f->entry_count]) == 1) {
        f->entry_count++;
        read++;
    }
    return read;
}

CASE(what_stays_is_seen_once_while_others_come_and_go)
{
    int missing, twice;
    make_many(f, 0, 600);
    f->entry_count = 0;
    fs_say(f, "open %d", f->side->opendir(f, -1, "."));
    read_some(f, 50);
    make_many(f, 600, 900);
    for (int i = 600; i < 900; i += 3) {
        char name[64];
        snprintf(name, sizeof(name), "name-%04d", i);
        f->side->unlinkat(f, FS_HERE, name, 0);
    }
    read_some(f, FS_ENTRIES_MAX);
    f->side->closedir(f);
    tally(f, 600, &missing, &twice);
    fs_say(f, "%d missing, %d twice", missing, twice);
}

CASE(removing_what_was_read_skips_nothing)
{
    make_many(f, 0, 500);
    f->entry_count = 0;
    fs_say(f, "open %d", f->side->opendir(f, -1, "."));
    unsigned total = 0, gone = 0;
    while (read_some(f, 1) == 1) {
        total++;
        gone += f->side->unlinkat(f, FS_HERE, f->entries[0].name, 0) == 0;
        f->entry_count = 0;
    }
    f->side->closedir(f);
    fs_say(f, "%u read, %u removed", total, gone);
    fs_list(f, ".");
}

CASE(cookies_lead_back)
{
    make_many(f, 0, 300);
    fs_entries(f, -1, ".");
    unsigned all = f->entry_count, wrong = 0;
    static struct fs_entry order[512];
    memcpy(order, f->entries, all * sizeof(order[0]));
    f->side->opendir(f, -1, ".");
    for (unsigned i = 0; i + 1 < all; i += 37) {
        f->side->seekdir(f, order[i].cookie);
        f->entry_count = 0;
        wrong += read_some(f, 1) != 1 || strcmp(f->entries[0].name, order[i + 1].name) != 0;
    }
    f->side->seekdir(f, order[all - 1].cookie);
    f->entry_count = 0;
    fs_say(f, "after the last: %u", read_some(f, 1));
    f->side->seekdir(f, 0);
    fs_say(f, "from the start: %u", read_some(f, 512));
    f->side->closedir(f);
    fs_say(f, "%u entries, %u wrong", all, wrong);
}

CASE(cookies_outlive_their_entry_and_the_reader)
{
    make_many(f, 0, 300);
    fs_entries(f, -1, ".");
    static struct fs_entry order[512];
    unsigned all = f->entry_count, wrong = 0;
    memcpy(order, f->entries, all * sizeof(order[0]));
    for (unsigned i = 10; i < all; i += 20)
        f->side->unlinkat(f, FS_HERE, order[i].name, 0);
    for (unsigned i = 10; i + 1 < all; i += 20) {
        f->side->opendir(f, -1, ".");
        f->side->seekdir(f, order[i].cookie);
        f->entry_count = 0;
        wrong += read_some(f, 1) != 1 || strcmp(f->entries[0].name, order[i + 1].name) != 0;
        f->side->closedir(f);
    }
    fs_say(f, "%u entries, %u wrong", all, wrong);
}

CASE(reader_sees_a_rename_at_most_once_each)
{
    make_many(f, 0, 100);
    f->entry_count = 0;
    f->side->opendir(f, -1, ".");
    read_some(f, 100);
    unsigned before = f->entry_count;
    fs_rename(f, "name-0000", "name-0000");
    read_some(f, 100);
    f->side->closedir(f);
    fs_say(f, "%u then %u", before, f->entry_count);
}

CASE(handle_is_read_twice)
{
    fs_make(f, "a", 'a', 1);
    fs_make(f, "b", 'a', 1);
    int h = fs_open(f, ".", O_RDONLY | O_DIRECTORY, 0);
    fs_list_handle(f, h);
    fs_make(f, "c", 'a', 1);
    fs_list_handle(f, h);
    fs_fstat(f, h);
}

CASE(list_of_a_file_handle)
{
    fs_make(f, "a", 'a', 1);
    int h = fs_open(f, "a", O_RDONLY, 0);
    fs_list_handle(f, h);
}

CASE(long_names_are_listed)
{
    for (int i = 0; i < 40; i++) {
        char name[256];
        memset(name, 'a' + i % 26, 255);
        snprintf(name, sizeof(name), "%02d", i);
        name[2] = '-';
        name[255] = 0;
        if (fs_quiet_make(f, name) < 0)
            fs_say(f, "%d failed", i);
    }
    fs_list(f, ".");
}

CASE(mkdir_in_a_directory_without_write)
{
    fs_mkdir(f, "d", 0755);
    fs_mkdir(f, "d/x", 0755);
    fs_chmod(f, "d", 0555);
    fs_mkdir(f, "d/e", 0755);
    fs_mkdir(f, "d/x", 0755);
    fs_rmdir(f, "d/x");
    fs_rmdir(f, "d/none");
    fs_list(f, "d");
}
