// JSON, as far as manifests need it: read into a tree, and strings written.
#ifndef LEQUEL_JSON_H
#define LEQUEL_JSON_H

#include "../compiler/support/arena.h"
#include "../compiler/support/text.h"
#include <stdint.h>

typedef enum JsonKind { JSON_NULL, JSON_TRUE, JSON_FALSE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } JsonKind;

typedef struct Json {
    JsonKind kind;
    const char *key;  // of a member of an object
    const char *text; // STRING in UTF-8; NUMBER as written
    struct Json *first, *next;
} Json;

// Source: RFC 8259. NULL with a sentence in `error`. The tree lies in the arena.
const Json *json_parse(Arena *arena, const char *bytes, size_t length, Text *error);
const Json *json_member(const Json *object, const char *key); // NULL when there is none
const char *json_string(const Json *object, const char *key); // of a member that is a string; otherwise NULL
void json_add_string(Text *out, const char *string);          // in quotes; what is no UTF-8 becomes U+FFFD

#endif
