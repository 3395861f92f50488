// The reader of run.json: what is read can be written as strings and read again.
#include "../../runtime/json.h"
#include "fuzz.h"
#include <stdlib.h>
#include <string.h>

static void check(Arena *arena, const Json *value) {
    if (value->kind == JSON_STRING) {
        Text text = {0}, error = {0};
        json_add_string(&text, value->text);
        const Json *again = json_parse(arena, text_z(&text), text.length, &error);
        if (!again || again->kind != JSON_STRING) abort();
        text_free(&text);
        text_free(&error);
    }
    for (const Json *part = value->first; part; part = part->next) check(arena, part);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    Arena *arena = arena_new();
    Text error = {0};
    const Json *root = json_parse(arena, (const char *)bytes, size, &error);
    if (root ? error.length > 0 : !error.length) abort();
    if (root) check(arena, root);
    text_free(&error);
    arena_free(arena);
    return 0;
}
