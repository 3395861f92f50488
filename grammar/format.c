// The canonical form of a model file. The tokens stay as they are; blanks, line breaks and indentation are ours.
//
// Two blanks a level of blocks, four more for the further lines of a statement. Line breaks inside of brackets and
// after operators, and blocks on one line, stay as the author set them. Signs of arithmetic and `..` stay tight where
// they are written tight on both sides, else they get a blank on each; `^` is always tight, `=`, `~`, arrows and
// comparisons never. Trailing comments of lines that follow without a gap stand in one column.
#include "../compiler/support/vec.h"
#include "parser.h"
#include "syntax.h"
#include <string.h>

enum { NAME_END = 1, UNARY_SIGN = 2 }; // what the tree knows of a byte of the source
enum { COMMENT_COLUMN_LIMIT = 64 };    // longer lines do not push the comments of their neighbours to the right

typedef struct Line {
    uint32_t begin, code_end, end; // bytes in the buffer; a trailing comment lies between code_end and end
    uint32_t indent;
    bool comment_only;
} Line;

typedef struct Formatter {
    const char *source;
    uint32_t length;
    unsigned char *marks;
    Text buffer; // all lines, without their newlines
    Vec(Line) lines;
    bool line_open, has_comment;
    uint32_t indent, brackets;
    uint32_t newlines; // since the last token
    bool semicolon;    // likewise
    Token previous;
    bool previous_tight; // the previous token is an operator without blanks around it
    uint32_t one_line;   // depth of blocks that stand on one line
} Formatter;

// ---- What the tree knows: which words are names (a call's bracket follows them tightly), which signs have one operand

static void mark(Formatter *f, uint32_t at, int what) {
    if (at <= f->length) f->marks[at] |= (unsigned char)what;
}

static void collect(Formatter *f, const Ast *node) {
    if (!node) return;
    switch (node->kind) {
    case AST_UNARY: mark(f, node->name_span.begin, UNARY_SIGN); break;
    case AST_BINARY:
    case AST_OVER:
    case AST_ON: break;
    case AST_NOISE: mark(f, node->span.begin + (uint32_t)strlen("noise"), NAME_END); break;
    default:
        if (node->name) mark(f, node->name_span.end, NAME_END);
    }
    for (uint32_t i = 0; i < node->count; i++) collect(f, node->child[i]); // at most TREE_DEPTH_LIMIT deep
}

// ---- Lines

static void end_line(Formatter *f) {
    if (!f->line_open) return;
    Line *line = &f->lines.items[f->lines.count - 1];
    line->end = (uint32_t)f->buffer.length;
    if (!f->has_comment) line->code_end = line->end;
    f->line_open = f->has_comment = false;
}

static void begin_line(Formatter *f, uint32_t indent, bool comment_only) {
    end_line(f);
    uint32_t begin = (uint32_t)f->buffer.length;
    vec_push(&f->lines, (Line){.begin = begin, .indent = indent, .comment_only = comment_only});
    f->line_open = true;
}

static void empty_line(Formatter *f) {
    end_line(f);
    if (!f->lines.count) return;
    begin_line(f, 0, false);
    end_line(f);
}

static bool inside_statement(const Formatter *f) {
    return f->brackets || (token_is_operator(f->previous.kind) && f->previous.kind);
}

static uint32_t indentation(const Formatter *f) { return 2 * f->indent + (inside_statement(f) ? 4 : 0); }

// ---- Spaces

static bool is_space(char c) { return is_blank(c) || c == '\n'; }

static bool written_tight(const Formatter *f, Token token) {
    return token.begin > 0 && !is_space(f->source[token.begin - 1]) && token.end < f->length &&
           !is_space(f->source[token.end]);
}

static bool has_unit(const Formatter *f, Token token) {
    return token.kind == TOK_NUMBER &&
           literal_number_length(f->source, f->length, token.begin) < token.end - token.begin;
}

static bool is_unary(const Formatter *f, Token token) { return f->marks[token.begin] & UNARY_SIGN; }

// An operator that stands without blanks. After a unit `^` would belong to the unit, so it is set off.
static bool tight_operator(const Formatter *f, Token token) {
    switch (token.kind) {
    case '.': return true;
    case '^': return !has_unit(f, f->previous);
    case '+':
    case '-':
    case '*':
    case '/':
    case '@':
    case TOK_DOTS: return is_unary(f, token) ? false : written_tight(f, token);
    default: return false;
    }
}

static bool follows_tightly(const Formatter *f, Token token) {
    int before = f->previous.kind;
    if (before == '(' || before == '[' || f->previous_tight) return true;
    switch (token.kind) {
    case ')':
    case ']':
    case ',':
    case ':': return true;
    case '(':
    case '[': return before == ')' || before == ']' || (f->marks[f->previous.end] & NAME_END);
    default: return tight_operator(f, token);
    }
}

// ---- Tokens

static void add_token(Formatter *f, Token token) {
    const char *text = f->source + token.begin;
    uint32_t length = token.end - token.begin;
    if (has_unit(f, token)) { // one blank between number and unit
        uint32_t number = literal_number_length(f->source, f->length, token.begin), unit = number;
        while (unit < length && is_space(text[unit])) unit++;
        text_add_bytes(&f->buffer, text, number);
        text_add(&f->buffer, " ");
        text_add_bytes(&f->buffer, text + unit, length - unit);
    } else {
        text_add_bytes(&f->buffer, text, length);
    }
}

static bool block_on_one_line(const Formatter *f, uint32_t at) {
    uint32_t depth = 0;
    for (; at < f->length && f->source[at] != '\n' && f->source[at] != '#'; at++) {
        if (f->source[at] == '"') {
            at++;
            while (at < f->length && f->source[at] != '"' && f->source[at] != '\n') at++;
            if (at == f->length || f->source[at] == '\n') return false;
        }
        if (f->source[at] == '{') depth++;
        if (f->source[at] == '}' && --depth == 0) return true;
    }
    return false;
}

// What comes between the previous token and this one: a line break, a separator, a blank, or nothing.
static void separate(Formatter *f, Token token) {
    bool opens = f->previous.kind == '{', closes = token.kind == '}';
    bool between = !inside_statement(f) && (f->newlines || f->semicolon || opens || closes) && token.kind != '{';
    if (!f->line_open || f->has_comment) {
        if (between && f->newlines > 1 && !opens && !closes) empty_line(f);
        begin_line(f, indentation(f), false);
    } else if (between && f->one_line) {
        if (opens && closes) return;
        text_add(&f->buffer, f->semicolon && !closes && !opens ? "; " : " ");
    } else if (between) {
        if (opens && closes) return;
        if (f->newlines > 1 && !opens && !closes) empty_line(f);
        begin_line(f, indentation(f), false);
    } else if (f->newlines && inside_statement(f)) {
        bool closing = f->brackets == 1 && (token.kind == ')' || token.kind == ']');
        begin_line(f, closing ? 2 * f->indent : indentation(f), false);
    } else if (!follows_tightly(f, token)) {
        text_add(&f->buffer, " ");
    }
}

static void format_token(Formatter *f, Token token) {
    if (token.kind == '}' && f->indent) f->indent--;
    bool tight = tight_operator(f, token) || (f->marks[token.begin] & UNARY_SIGN && token.kind == '-');
    separate(f, token);
    if (token.kind == '}' && f->one_line) f->one_line--;
    if (token.kind == '{') {
        f->indent++;
        if (f->one_line || block_on_one_line(f, token.begin)) f->one_line++;
    }
    if (token.kind == '(' || token.kind == '[') f->brackets++;
    if ((token.kind == ')' || token.kind == ']') && f->brackets) f->brackets--;
    add_token(f, token);
    f->previous = token;
    f->previous_tight = tight;
    f->newlines = 0;
    f->semicolon = false;
}

static void format_comment(Formatter *f, Token token) {
    uint32_t end = token.end;
    while (end > token.begin && is_space(f->source[end - 1])) end--;
    if (f->line_open && !f->newlines && !f->has_comment) {
        f->lines.items[f->lines.count - 1].code_end = (uint32_t)f->buffer.length;
    } else {
        if (f->newlines > 1 && f->previous.kind != '{' && !f->brackets) empty_line(f);
        begin_line(f, indentation(f), true);
    }
    text_add_bytes(&f->buffer, f->source + token.begin, end - token.begin);
    f->has_comment = true;
    f->newlines = 0;
}

// ---- Output

static uint32_t width(const Formatter *f, const Line *line) { // in characters
    uint32_t columns = line->indent;
    for (uint32_t i = line->begin; i < line->code_end; i++)
        columns += ((unsigned char)f->buffer.bytes[i] & 0xC0) != 0x80;
    return columns;
}

static bool has_trailing_comment(const Line *line) { return !line->comment_only && line->code_end < line->end; }

// The column for the trailing comments of all lines up to the next gap, from line `first`.
static uint32_t comment_column(const Formatter *f, uint32_t first) {
    uint32_t column = 0;
    for (uint32_t i = first; i < f->lines.count; i++) {
        const Line *line = &f->lines.items[i];
        if (line->begin == line->end || line->indent != f->lines.items[first].indent) break;
        uint32_t wide = has_trailing_comment(line) ? width(f, line) : 0;
        if (wide > column && wide <= COMMENT_COLUMN_LIMIT) column = wide;
    }
    return column + 2;
}

static void add_blanks(Text *out, uint32_t count) {
    while (count--) text_add(out, " ");
}

static void write_lines(const Formatter *f, Text *out) {
    uint32_t column = 0;
    for (uint32_t i = 0; i < f->lines.count; i++) {
        const Line *line = &f->lines.items[i];
        bool gap = i == 0 || f->lines.items[i - 1].begin == f->lines.items[i - 1].end;
        if (gap || f->lines.items[i - 1].indent != line->indent) column = comment_column(f, i);
        if (line->begin < line->end) add_blanks(out, line->indent);
        uint32_t code_end = has_trailing_comment(line) ? line->code_end : line->end;
        text_add_bytes(out, f->buffer.bytes + line->begin, code_end - line->begin);
        if (has_trailing_comment(line)) {
            uint32_t code = width(f, line);
            add_blanks(out, column > code + 2 ? column - code : 2);
            text_add_bytes(out, f->buffer.bytes + line->code_end, line->end - line->code_end);
        }
        text_add(out, "\n");
    }
}

void ast_format(const Ast *file, const char *source, size_t length, Text *out) {
    Formatter formatter = {.source = source, .length = (uint32_t)length};
    Formatter *f = &formatter;
    f->marks = memory_resize(NULL, length + 1, 1);
    memset(f->marks, 0, length + 1);
    collect(f, file);
    text_add(&f->buffer, ""); // so that the bytes exist
    Scanner scanner;
    scanner_open(&scanner, source, f->length);
    for (Token token = scanner_next(&scanner); token.kind; token = scanner_next(&scanner)) {
        if (token.kind == SCAN_NEWLINE)
            f->newlines++;
        else if (token.kind == ';')
            f->semicolon = true;
        else if (token.kind == SCAN_COMMENT)
            format_comment(f, token);
        else if (token.kind != SCAN_STRAY || (unsigned char)source[token.begin] != 0xEF)
            format_token(f, token);
    }
    scanner_close(&scanner);
    end_line(f);
    write_lines(f, out);
    vec_free(&f->lines);
    text_free(&f->buffer);
    free(f->marks);
}
