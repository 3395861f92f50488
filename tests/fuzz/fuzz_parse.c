// Scanner, parser, formatter: what parses is formatted to a text that parses, and formatting that changes nothing more.
#include "../../compiler/diagnostics.h"
#include "../../grammar/ast.h"
#include "fuzz.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool format(const char *bytes, size_t size, Text *out) {
    Arena *arena = arena_new();
    Diagnostics *diags = diag_new(arena);
    uint32_t source = diag_add_source(diags, "input.leq", bytes, size);
    Ast *file = ast_parse(arena, diags, source, bytes, size);
    bool good = !diag_error_count(diags);
    if (good) ast_format(file, bytes, size, out);
    Text report = {0};
    diag_print(diags, DIAG_PLAIN, &report);
    text_free(&report);
    arena_free(arena);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    Text once = {0}, twice = {0};
    char *text = malloc(size + 1); // sources end in a zero byte
    if (!text) return 0;
    if (size) memcpy(text, bytes, size);
    text[size] = 0;
    if (format(text, size, &once)) {
        if (!format(text_z(&once), once.length, &twice) || strcmp(text_z(&once), text_z(&twice)) != 0) {
            fprintf(stderr, "formatted once:\n%s\ntwice:\n%s\n", text_z(&once), text_z(&twice));
            abort();
        }
    }
    text_free(&once);
    text_free(&twice);
    free(text);
    return 0;
}
