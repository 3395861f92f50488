// Collects diagnostics, finds their places, and renders them as text, coloured text, or JSON lines for editors.
#include "diagnostics.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    KEPT = 100,          // errors, and as many warnings
    TAB_WIDTH = 4,       // of an excerpt
    EXCERPT_WIDTH = 110, // columns of a source line that are shown
    CONTEXT = 40,        // columns shown before the caret in a clipped line
    LONGEST_NAME = 64    // no suggestions for longer ones
};

typedef struct Source {
    const char *name, *text;
    uint32_t length, line_count;
    uint32_t *lines; // offset of each line's first byte; made on first use
} Source;

typedef struct Addition { // a help, or a note with or without a place
    struct Addition *next;
    bool is_help;
    Span span;
    Atom text;
} Addition;

typedef struct Report {
    DiagCode code;
    Span span;
    uint32_t number; // order of reporting
    Atom message, expected;
    Addition *first, *last;
} Report;

struct Diagnostics {
    Arena *arena;
    Source *sources;
    uint32_t source_count, source_room;
    Report *reports;
    uint32_t report_count, report_room;
    uint32_t errors, warnings; // including those not kept
    Report *last;              // what additions belong to; NULL when the last report was dropped
};

#define DIAGNOSTIC(code, title, cause, remedy, example) {#code, title, cause, remedy, example},
static const DiagEntry entries[] = {
#include "diagnostics.def"
};
#undef DIAGNOSTIC

const DiagEntry *diag_entry(DiagCode code) { return &entries[code]; }

const DiagEntry *diag_find(const char *code) {
    for (int i = 0; i < DIAG_COUNT; i++)
        if (strcasecmp(entries[i].code, code) == 0) return &entries[i];
    return NULL;
}

static bool is_warning(DiagCode code) { return entries[code].code[0] == 'W'; }

// ---- collecting

Diagnostics *diag_new(Arena *arena) {
    Diagnostics *diags = arena_new_object(arena, Diagnostics);
    diags->arena = arena;
    return diags;
}

// Doubles an array in the arena; what it held before stays there until the end.
static void *grow(Arena *arena, void *items, uint32_t count, uint32_t *room, size_t size) {
    if (count < *room) return items;
    *room = *room ? 2 * *room : 8;
    void *result = arena_alloc(arena, *room * size);
    if (count) memcpy(result, items, count * size);
    return result;
}

uint32_t diag_add_source(Diagnostics *diags, const char *name, const char *text, size_t length) {
    diags->sources =
        grow(diags->arena, diags->sources, diags->source_count, &diags->source_room, sizeof *diags->sources);
    uint32_t shown = length < UINT32_MAX - 1 ? (uint32_t)length : UINT32_MAX - 1;
    diags->sources[diags->source_count] = (Source){.name = name, .text = text, .length = shown};
    return ++diags->source_count;
}

uint32_t diag_source_count(const Diagnostics *diags) { return diags->source_count; }

const char *diag_source(const Diagnostics *diags, uint32_t number, const char **text, size_t *length) {
    const Source *source = &diags->sources[number - 1];
    *text = source->text;
    *length = source->length;
    return source->name;
}

__attribute__((format(printf, 2, 0), nonnull)) static Atom format_atom(Diagnostics *diags, const char *format,
                                                                       va_list args) {
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    Text text = {0};
    if (length > 0) {
        text.bytes = memory_resize(NULL, (size_t)length + 1, 1);
        vsnprintf(text.bytes, (size_t)length + 1, format, again);
    }
    va_end(again);
    Atom atom = arena_atom_z(diags->arena, text_z(&text));
    text_free(&text);
    return atom;
}

static bool reported_before(const Diagnostics *diags, DiagCode code, Span span) {
    if (!span.source) return false;
    for (uint32_t i = 0; i < diags->report_count; i++) {
        const Report *report = &diags->reports[i];
        if (report->code == code && report->span.source == span.source && report->span.begin == span.begin) return true;
    }
    return false;
}

void diag_report(Diagnostics *diags, DiagCode code, Span span, const char *format, ...) {
    diags->last = NULL;
    if (reported_before(diags, code, span)) return;
    uint32_t *count = is_warning(code) ? &diags->warnings : &diags->errors;
    if (++*count > KEPT) return;
    // Additions point at the report, so the array must not move under them: it is grown before, never after.
    diags->reports =
        grow(diags->arena, diags->reports, diags->report_count, &diags->report_room, sizeof *diags->reports);
    diags->last = &diags->reports[diags->report_count];
    va_list args;
    va_start(args, format);
    Atom message = format_atom(diags, format, args);
    va_end(args);
    *diags->last = (Report){.code = code, .span = span, .number = diags->report_count++, .message = message};
}

void diag_expected(Diagnostics *diags, const char *format, ...) {
    if (!diags->last) return;
    va_list args;
    va_start(args, format);
    diags->last->expected = format_atom(diags, format, args);
    va_end(args);
}

__attribute__((format(printf, 4, 0))) static void add(Diagnostics *diags, bool is_help, Span span, const char *format,
                                                      va_list args) {
    Report *report = diags->last;
    if (!report) return;
    Addition *addition = arena_new_object(diags->arena, Addition);
    *addition = (Addition){.is_help = is_help, .span = span, .text = format_atom(diags, format, args)};
    if (report->last)
        report->last->next = addition;
    else
        report->first = addition;
    report->last = addition;
}

void diag_help(Diagnostics *diags, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add(diags, true, (Span){0}, format, args);
    va_end(args);
}

void diag_note(Diagnostics *diags, Span span, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add(diags, false, span, format, args);
    va_end(args);
}

uint32_t diag_error_count(const Diagnostics *diags) { return diags->errors; }

uint32_t diag_count(const Diagnostics *diags) { return diags->errors + diags->warnings; }

// ---- places

typedef struct Place {
    const Source *source;                        // NULL: no place
    uint32_t offset, line, line_begin, line_end; // line from 0; line_end excludes the newline
} Place;

static void index_lines(Arena *arena, Source *source) {
    uint32_t count = 1;
    for (uint32_t i = 0; i < source->length; i++) count += source->text[i] == '\n';
    source->lines = arena_new_array(arena, uint32_t, count);
    source->line_count = 1;
    for (uint32_t i = 0; i < source->length; i++)
        if (source->text[i] == '\n') source->lines[source->line_count++] = i + 1;
}

static Place line_place(const Source *source, uint32_t line, uint32_t offset) {
    Place place = {.source = source, .offset = offset, .line = line, .line_begin = source->lines[line]};
    place.line_end = line + 1 < source->line_count ? source->lines[line + 1] - 1 : source->length;
    if (place.line_end > place.line_begin && source->text[place.line_end - 1] == '\r') place.line_end--;
    return place;
}

static Place find_place(const Diagnostics *diags, uint32_t number, uint32_t offset) {
    if (!number || number > diags->source_count) return (Place){0};
    Source *source = &diags->sources[number - 1];
    if (!source->lines) index_lines(diags->arena, source);
    if (offset > source->length) offset = source->length;
    uint32_t low = 0, high = source->line_count; // the last line that begins at or before the offset
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (source->lines[middle] <= offset)
            low = middle;
        else
            high = middle;
    }
    return line_place(source, low, offset);
}

static bool continues_character(char byte) { return ((unsigned char)byte & 0xC0) == 0x80; }

static uint32_t column_of(const Place *place) { // from 1, in characters
    uint32_t column = 1;
    for (uint32_t i = place->line_begin; i < place->offset; i++) column += !continues_character(place->source->text[i]);
    return column;
}

void diag_position(const Diagnostics *diags, Span span, const char **file, uint32_t *line, uint32_t *column) {
    Place place = find_place(diags, span.source, span.begin);
    if (file) *file = place.source ? place.source->name : NULL;
    if (line) *line = place.source ? place.line + 1 : 0;
    if (column) *column = place.source ? column_of(&place) : 0;
}

// ---- characters that are safe to print

// Length of the UTF-8 character at `bytes`, or 0 when it is none.
static uint32_t character_length(const char *bytes, size_t room) {
    const unsigned char *b = (const unsigned char *)bytes;
    uint32_t length = b[0] < 0x80 ? 1 : b[0] < 0xC2 ? 0 : b[0] < 0xE0 ? 2 : b[0] < 0xF0 ? 3 : b[0] < 0xF5 ? 4 : 0;
    if (!length || length > room) return 0;
    for (uint32_t i = 1; i < length; i++)
        if ((b[i] & 0xC0) != 0x80) return 0;
    if ((b[0] == 0xE0 && b[1] < 0xA0) || (b[0] == 0xED && b[1] > 0x9F)) return 0; // overlong, surrogate
    if ((b[0] == 0xF0 && b[1] < 0x90) || (b[0] == 0xF4 && b[1] > 0x8F)) return 0; // overlong, beyond Unicode
    return length;
}

static const char REPLACEMENT[] = "\xEF\xBF\xBD";

// One character; what a terminal would obey or could not show is replaced. Returns how many bytes were read.
static uint32_t add_character(Text *out, const char *bytes, size_t room) {
    uint32_t length = character_length(bytes, room);
    unsigned char first = (unsigned char)bytes[0];
    bool control = first < 0x20 || first == 0x7F || (first == 0xC2 && length == 2 && (unsigned char)bytes[1] < 0xA0);
    if (!length || control)
        text_add(out, REPLACEMENT);
    else
        text_add_bytes(out, bytes, length);
    return length ? length : 1;
}

static void add_safe(Text *out, const char *string) {
    size_t length = strlen(string);
    for (size_t i = 0; i < length;) {
        if (string[i] == '\n')
            text_add(out, "\n"), i++;
        else
            i += add_character(out, string + i, length - i);
    }
}

// ---- text

typedef struct Colours {
    const char *severity, *strong, *frame, *help, *reset;
} Colours;

static Colours colours_for(DiagStyle style, bool warning) {
    if (style != DIAG_COLOUR) return (Colours){"", "", "", "", ""};
    return (Colours){warning ? "\x1b[1;33m" : "\x1b[1;31m", "\x1b[1m", "\x1b[1;34m", "\x1b[1;36m", "\x1b[0m"};
}

// Column (from 0) of an offset within its line as it is shown, with tabs expanded.
static uint32_t shown_column(const Place *place, uint32_t offset) {
    uint32_t column = 0;
    const Source *source = place->source;
    for (uint32_t i = place->line_begin; i < offset && i < place->line_end;) {
        column = source->text[i] == '\t' ? (column / TAB_WIDTH + 1) * TAB_WIDTH : column + 1;
        uint32_t length = character_length(source->text + i, place->line_end - i);
        i += length ? length : 1;
    }
    return column;
}

// The columns [from, to) of a line, tabs expanded, an ellipsis where something was cut.
static void add_clipped(Text *out, const Place *place, uint32_t from, uint32_t to) {
    const Source *source = place->source;
    uint32_t column = 0, i = place->line_begin;
    if (from) text_add(out, "…");
    while (i < place->line_end && column < to) {
        const char *at = source->text + i;
        if (*at == '\t') {
            uint32_t next = (column / TAB_WIDTH + 1) * TAB_WIDTH;
            for (; column < next; column++)
                if (column >= from && column < to) text_add(out, " ");
            i++;
        } else if (column++ < from) {
            uint32_t length = character_length(at, place->line_end - i);
            i += length ? length : 1;
        } else {
            i += add_character(out, at, place->line_end - i);
        }
    }
    if (i < place->line_end) text_add(out, "…");
}

static void add_repeated(Text *out, const char *what, uint32_t count) {
    while (count--) text_add(out, what);
}

// One source line with carets under [begin, end), at least one.
static void add_excerpt(Text *out, const Place *place, uint32_t begin, uint32_t end, int gutter, Colours colours) {
    uint32_t first = shown_column(place, begin), last = shown_column(place, end);
    if (last <= first) last = first + 1;
    uint32_t from = 0;
    if (first > EXCERPT_WIDTH - CONTEXT / 2) from = first - CONTEXT;
    uint32_t to = from + EXCERPT_WIDTH;
    text_addf(out, "%s%*u |%s", colours.frame, gutter, place->line + 1, colours.reset);
    Text line = {0};
    text_add(&line, " ");
    add_clipped(&line, place, from, to);
    while (line.length && line.bytes[line.length - 1] == ' ') line.length--;
    text_add_bytes(out, line.bytes, line.length);
    text_free(&line);
    text_addf(out, "\n%s%*s |%s ", colours.frame, gutter, "", colours.reset);
    add_repeated(out, " ", first - from + (from > 0)); // the ellipsis takes one
    text_add(out, colours.severity);
    add_repeated(out, "^", (last < to ? last : to) - first);
    text_addf(out, "%s\n", colours.reset);
}

static uint32_t trimmed_begin(const Place *place) {
    uint32_t i = place->line_begin;
    while (i < place->line_end && (place->source->text[i] == ' ' || place->source->text[i] == '\t')) i++;
    return i;
}

// The place and its line; of a span over several lines, the first and the last.
static void add_place(const Diagnostics *diags, Text *out, Span span, int gutter, Colours colours) {
    Place begin = find_place(diags, span.source, span.begin);
    if (!begin.source) return;
    Place end = find_place(diags, span.source, span.end > span.begin ? span.end - 1 : span.begin);
    uint32_t stop = span.end > span.begin ? end.offset + 1 : begin.offset;
    text_addf(out, "%*s%s-->%s ", gutter, "", colours.frame, colours.reset);
    add_safe(out, begin.source->name);
    text_addf(out, ":%u:%u\n%s%*s |%s\n", begin.line + 1, column_of(&begin), colours.frame, gutter, "", colours.reset);
    if (end.line == begin.line) {
        add_excerpt(out, &begin, begin.offset, stop, gutter, colours);
        return;
    }
    add_excerpt(out, &begin, begin.offset, begin.line_end, gutter, colours);
    if (end.line > begin.line + 1) text_addf(out, "%s...%s\n", colours.frame, colours.reset);
    add_excerpt(out, &end, trimmed_begin(&end), stop, gutter, colours);
}

static int digits_of(uint32_t number) {
    int digits = 1;
    for (; number >= 10; number /= 10) digits++;
    return digits;
}

static int gutter_of(const Diagnostics *diags, const Report *report) {
    uint32_t line = find_place(diags, report->span.source, report->span.end).line;
    for (const Addition *a = report->first; a; a = a->next) {
        uint32_t other = find_place(diags, a->span.source, a->span.end).line;
        if (other > line) line = other;
    }
    return digits_of(line + 1) + 1;
}

static void add_remark(Text *out, int gutter, Colours colours, const char *what, const char *text) {
    text_addf(out, "%s%*s =%s %s%s:%s ", colours.frame, gutter, "", colours.reset, colours.strong, what, colours.reset);
    for (const char *line = text; *line;) { // further lines are indented under the first
        const char *stop = strchr(line, '\n');
        size_t length = stop ? (size_t)(stop - line) : strlen(line);
        for (size_t i = 0; i < length;) i += add_character(out, line + i, length - i);
        if (stop) text_addf(out, "\n%*s", gutter + 5 + (int)strlen(what), "");
        line += length + (stop != NULL);
    }
    text_add(out, "\n");
}

static void print_text(const Diagnostics *diags, const Report *report, DiagStyle style, Text *out) {
    bool warning = is_warning(report->code);
    Colours colours = colours_for(style, warning);
    int gutter = gutter_of(diags, report);
    text_addf(out, "%s%s[%s]%s%s: ", colours.severity, warning ? "warning" : "error", entries[report->code].code,
              colours.reset, colours.strong);
    add_safe(out, report->message);
    text_addf(out, "%s\n", colours.reset);
    add_place(diags, out, report->span, gutter, colours);
    if (report->expected) add_remark(out, gutter, colours, "expected", report->expected);
    for (const Addition *a = report->first; a; a = a->next) {
        if (a->is_help || !a->span.source) {
            add_remark(out, gutter, colours, a->is_help ? "help" : "note", a->text);
            continue;
        }
        text_addf(out, "%s%*snote%s: ", colours.help, gutter - 1, "", colours.reset);
        add_safe(out, a->text);
        text_add(out, "\n");
        Colours place_colours = colours;
        place_colours.severity = colours.help;
        add_place(diags, out, a->span, gutter, place_colours);
    }
    text_add(out, "\n");
}

// ---- JSON

static void add_json_string(Text *out, const char *string) {
    size_t length = strlen(string);
    text_add(out, "\"");
    for (size_t i = 0; i < length;) {
        unsigned char c = (unsigned char)string[i];
        uint32_t width = character_length(string + i, length - i);
        if (c == '"' || c == '\\')
            text_addf(out, "\\%c", c);
        else if (c == '\n')
            text_add(out, "\\n");
        else if (c == '\t')
            text_add(out, "\\t");
        else if (c < 0x20 || c == 0x7F)
            text_addf(out, "\\u%04x", c);
        else if (!width)
            text_add(out, "\\ufffd");
        else
            text_add_bytes(out, string + i, width);
        i += width ? width : 1;
    }
    text_add(out, "\"");
}

static void add_json_field(Text *out, const char *name, const char *value) {
    text_addf(out, ",\"%s\":", name);
    add_json_string(out, value);
}

// Lines and columns from 1 in characters, and the byte range; the end is exclusive. Nothing without a place.
static void add_json_place(const Diagnostics *diags, Text *out, Span span) {
    Place begin = find_place(diags, span.source, span.begin);
    if (!begin.source) return;
    Place end = find_place(diags, span.source, span.end);
    add_json_field(out, "file", begin.source->name);
    text_addf(out, ",\"line\":%u,\"column\":%u", begin.line + 1, column_of(&begin));
    text_addf(out, ",\"end_line\":%u,\"end_column\":%u", end.line + 1, column_of(&end));
    text_addf(out, ",\"begin\":%u,\"end\":%u", begin.offset, end.offset);
}

static void print_json(const Diagnostics *diags, const Report *report, Text *out) {
    text_addf(out, "{\"severity\":\"%s\"", is_warning(report->code) ? "warning" : "error");
    add_json_field(out, "code", entries[report->code].code);
    add_json_field(out, "message", report->message);
    add_json_place(diags, out, report->span);
    if (report->expected) add_json_field(out, "expected", report->expected);
    text_add(out, ",\"help\":[");
    bool first = true;
    for (const Addition *a = report->first; a; a = a->next) {
        if (!a->is_help) continue;
        if (!first) text_add(out, ",");
        add_json_string(out, a->text);
        first = false;
    }
    text_add(out, "],\"notes\":[");
    first = true;
    for (const Addition *a = report->first; a; a = a->next) {
        if (a->is_help) continue;
        text_add(out, first ? "{\"message\":" : ",{\"message\":");
        add_json_string(out, a->text);
        add_json_place(diags, out, a->span);
        text_add(out, "}");
        first = false;
    }
    text_add(out, "]}\n");
}

// ---- printing

static int compare_reports(const void *left, const void *right) {
    const Report *a = *(const Report *const *)left, *b = *(const Report *const *)right;
    if (a->span.source != b->span.source) return a->span.source < b->span.source ? -1 : 1;
    if (a->span.source && a->span.begin != b->span.begin) return a->span.begin < b->span.begin ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static void add_rest(Text *out, DiagStyle style, uint32_t count, const char *severity) {
    if (count <= KEPT) return;
    if (style == DIAG_JSON)
        text_addf(out, "{\"severity\":\"%s\",\"message\":\"%u more\",\"help\":[],\"notes\":[]}\n", severity,
                  count - KEPT);
    else
        text_addf(out, "%s: %u more\n", severity, count - KEPT);
}

void diag_print(const Diagnostics *diags, DiagStyle style, Text *out) {
    const Report **order = memory_resize(NULL, diags->report_count, sizeof *order);
    for (uint32_t i = 0; i < diags->report_count; i++) order[i] = &diags->reports[i];
    if (diags->report_count) qsort(order, diags->report_count, sizeof *order, compare_reports);
    for (uint32_t i = 0; i < diags->report_count; i++) {
        if (style == DIAG_JSON)
            print_json(diags, order[i], out);
        else
            print_text(diags, order[i], style, out);
    }
    free(order);
    add_rest(out, style, diags->errors, "error");
    add_rest(out, style, diags->warnings, "warning");
}

// ---- suggestions

static int lower(char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; }

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

// Optimal string alignment distance, letters compared without case.
static uint32_t edit_distance(const char *a, uint32_t a_length, const char *b, uint32_t b_length) {
    uint32_t rows[3][LONGEST_NAME + 1];
    uint32_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (uint32_t j = 0; j <= b_length; j++) above[j] = before[j] = j;
    for (uint32_t i = 1; i <= a_length; i++) {
        row[0] = i;
        for (uint32_t j = 1; j <= b_length; j++) {
            bool same = lower(a[i - 1]) == lower(b[j - 1]);
            row[j] = least(least(above[j] + 1, row[j - 1] + 1), above[j - 1] + !same);
            bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
            if (swapped) row[j] = least(row[j], before[j - 2] + 1);
        }
        uint32_t *free_row = before;
        before = above, above = row, row = free_row;
    }
    return above[b_length];
}

Atom diag_nearest(Atom name, const Atom *candidates, uint32_t count) {
    size_t length = strlen(name);
    if (!length || length > LONGEST_NAME) return NULL;
    uint32_t best = length < 3 ? 1 : length < 6 ? 2 : length < 9 ? 3 : 4; // one more than is allowed
    Atom nearest = NULL;
    for (uint32_t i = 0; i < count; i++) {
        size_t other = strlen(candidates[i]);
        if (other > LONGEST_NAME) continue;
        uint32_t distance = edit_distance(name, (uint32_t)length, candidates[i], (uint32_t)other);
        if (distance < best) best = distance, nearest = candidates[i];
    }
    return nearest;
}
