/*
 * json.h - JSON on standard output. Strings are the bytes they are: a name that is not UTF-8 makes bytes that
 * strict readers refuse and jq shows as U+FFFD; who needs them exactly reads bytes.
 */
#ifndef WT_CLI_JSON_H
#define WT_CLI_JSON_H

#include <json-c/json.h>
#include <stdbool.h>

/* Prints and frees. */
void json_print(struct json_object *object);
/* An element of the one array that a call writes, so that a long listing is not held in memory. *first starts
 * as true. Prints and frees. */
void json_element(struct json_object *object, bool *first);
void json_array_end(bool first);

#endif
