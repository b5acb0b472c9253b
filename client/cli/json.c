/* json.c - see json.h. */
#include "client/cli/json.h"

#include <stdio.h>

void json_print(struct json_object *object)
{
    puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(object);
}

void json_element(struct json_object *object, bool *first)
{
    printf("%s%s", *first ? "[" : ",\n ",
           json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
    *first = false;
    json_object_put(object);
}

void json_array_end(bool first)
{
    puts(first ? "[]" : "]");
}
