// Entry of the front end: checks that a source is a text, runs the parser over it, and returns the tree.
#include "parser.h"
#include "syntax.h"

enum { LARGEST_SOURCE = 8 << 20 };

// Length of the UTF-8 character at `at`, or 0 when there is none.
static uint32_t character_length(const unsigned char *text, uint32_t length, uint32_t at) {
    const unsigned char *c = text + at;
    uint32_t width = c[0] < 0x80 ? 1 : c[0] < 0xC2 ? 0 : c[0] < 0xE0 ? 2 : c[0] < 0xF0 ? 3 : c[0] < 0xF5 ? 4 : 0;
    if (!width || width > length - at) return 0;
    for (uint32_t i = 1; i < width; i++)
        if ((c[i] & 0xC0) != 0x80) return 0;
    bool overlong = (c[0] == 0xE0 && c[1] < 0xA0) || (c[0] == 0xF0 && c[1] < 0x90);
    bool no_character = (c[0] == 0xED && c[1] > 0x9F) || (c[0] == 0xF4 && c[1] > 0x8F);
    return overlong || no_character ? 0 : width;
}

static bool check_encoding(Parser *p) {
    const unsigned char *text = (const unsigned char *)p->text;
    for (uint32_t at = 0; at < p->length;) {
        uint32_t width = text[at] < 0x80 ? text[at] != 0 : character_length(text, p->length, at);
        if (!width) {
            Span place = parser_span(p, at, at + 1);
            if (!text[at])
                diag_report(p->diags, DIAG_E0005, place, "a zero byte: this is not a text file");
            else
                diag_report(p->diags, DIAG_E0005, place, "byte 0x%02X is not UTF-8", text[at]);
            diag_expected(p->diags, "a text in UTF-8");
            if (text[at]) diag_help(p->diags, "the file was saved in another encoding: save it as UTF-8");
            return false;
        }
        at += width;
    }
    return true;
}

static bool check_size(Parser *p, size_t length) {
    if (length <= LARGEST_SOURCE) return true;
    diag_report(p->diags, DIAG_E0004, parser_span(p, 0, 0), "the file has %zu bytes", length);
    diag_expected(p->diags, "at most %d bytes", LARGEST_SOURCE);
    diag_help(p->diags, "keep numbers in data files, and read them with `load`");
    return false;
}

Ast *ast_parse(Arena *arena, Diagnostics *diags, uint32_t source, const char *text, size_t length) {
    Parser parser = {.arena = arena, .diags = diags, .source = source, .text = text};
    Parser *p = &parser;
    if (check_size(p, length)) {
        p->length = (uint32_t)length;
        if (check_encoding(p)) {
            tokens_start(p);
            leq_parse(p);
            scanner_close(&p->scanner);
        }
    }
    if (!p->file) p->file = ast_build(p, AST_FILE, parser_span(p, 0, 0), NO_NAME, NULL, 0);
    p->file->span = parser_span(p, 0, p->length);
    return p->file;
}
