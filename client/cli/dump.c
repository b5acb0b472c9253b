/*
 * dump.c - what stands on a device that is not served, for people who look for damage.
 *
 * The volume's code tells objects of keys and values. A superblock and an inode are a line a key, everything
 * else a line an object; with --json each is an object of one array, its kind under "kind".
 */
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/json.h"
#include "server/volume/tools.h"

static const struct dump_word {
    const char *word;
    enum volume_dump_what what;
    bool which; /* wants INO or PATH */
} words[] = {
    {"superblock", VOLUME_DUMP_SUPERBLOCK, false}, {"inode", VOLUME_DUMP_INODE, true},
    {"directory", VOLUME_DUMP_DIRECTORY, true},    {"extents", VOLUME_DUMP_EXTENTS, true},
    {"journal", VOLUME_DUMP_JOURNAL, false},
};

struct output {
    const char *device;
    bool first;                 /* nothing has been told yet */
    bool tall;                  /* text: a line a key */
    struct json_object *object; /* JSON: the one that is being told */
};

static void text_begin(void *context, const char *kind)
{
    struct output *output = context;

    output->tall = strcmp(kind, "superblock") == 0 || strcmp(kind, "inode") == 0;
    if (output->tall) {
        if (!output->first)
            putchar('\n');
    } else {
        printf("%s%s",
               strcmp(kind, "record") == 0 ? "  "
               : strcmp(kind, "item") == 0 ? "    "
                                           : "",
               kind);
    }
    output->first = false;
}

static void text_key(const struct output *output, const char *key)
{
    if (output->tall)
        printf("%-16s ", key);
    else
        printf(" %s=", key);
}

static void text_number(void *context, const char *key, int64_t value, bool is_signed)
{
    const struct output *output = context;
    text_key(output, key);
    if (is_signed)
        printf("%ld", value);
    else
        printf("%lu", (uint64_t)value);
    if (output->tall)
        putchar('\n');
}

static void text_text(void *context, const char *key, const char *text, size_t bytes)
{
    const struct output *output = context;
    char *copy = allocate(bytes + 1);

    memcpy(copy, text, bytes);
    text_key(output, key);
    print_name(stdout, copy);
    if (output->tall)
        putchar('\n');
    free(copy);
}

static void text_end(void *context)
{
    const struct output *output = context;
    if (!output->tall)
        putchar('\n');
}

static void json_begin(void *context, const char *kind)
{
    struct output *output = context;
    output->object = json_object_new_object();
    json_object_object_add(output->object, "kind", json_object_new_string(kind));
}

static void json_number(void *context, const char *key, int64_t value, bool is_signed)
{
    struct output *output = context;
    json_object_object_add(output->object, key,
                           is_signed ? json_object_new_int64(value)
                                     : json_object_new_uint64((uint64_t)value));
}

static void json_text(void *context, const char *key, const char *text, size_t bytes)
{
    struct output *output = context;
    json_object_object_add(output->object, key, json_object_new_string_len(text, (int)bytes));
}

static void json_end(void *context)
{
    struct output *output = context;
    json_element(output->object, &output->first);
}

static void say_damage(void *context, const char *line)
{
    const struct output *output = context;
    say_reason(output->device, line);
}

static const struct dump_word *find_word(const char *operand)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].word, operand) == 0)
            return &words[i];
    return NULL;
}

int look_dump(struct cli *cli, int count, char **operands)
{
    const struct dump_word *word = find_word(operands[0]);

    if (word == NULL)
        return say_usage("dump: `%s' is none of superblock, inode, directory, extents, journal",
                         shown_name(operands[0]));
    if (word->which != (count == 3))
        return say_usage("dump: %s wants DEV%s", word->word, word->which ? " and INO or PATH" : "");
    if (given(cli, OPTION_VERBOSE) && word->what != VOLUME_DUMP_JOURNAL)
        return say_usage("dump: -v is for the journal");
    return 0;
}

int command_dump(struct cli *cli, int count, char **operands)
{
    bool json = given(cli, OPTION_JSON);
    struct output output = {.device = operands[1], .first = true};
    const struct volume_dump wanted = {
        .what = find_word(operands[0])->what,
        .which = count > 2 ? operands[2] : NULL,
        .verbose = given(cli, OPTION_VERBOSE),
    };
    const struct dump_sink sink = {
        .context = &output,
        .begin = json ? json_begin : text_begin,
        .number = json ? json_number : text_number,
        .text = json ? json_text : text_text,
        .end = json ? json_end : text_end,
        .say = say_damage,
    };
    char reason[512] = "";

    int result = volume_dump(operands[1], &wanted, &sink, reason, sizeof reason);
    if (json)
        json_array_end(output.first);
    if (result < 0)
        return *reason != '\0' ? say_reason(operands[1], reason) : say_error(operands[1], result);
    return result;
}
