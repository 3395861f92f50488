// Diagnostics as data: a code, places and values are collected; sentences and excerpts are made when printing.
// Every code is permanent and stands in diagnostics.def with its explanation; `lequel explain CODE` prints it.
#ifndef LEQUEL_DIAGNOSTICS_H
#define LEQUEL_DIAGNOSTICS_H

#include "support/arena.h"
#include "support/text.h"
#include <stdbool.h>

// A byte range in one source file; lines and columns are computed only when printing. source 0 = no place.
typedef struct Span {
    uint32_t source;     // 1-based number in Diagnostics
    uint32_t begin, end; // byte offsets, end exclusive
} Span;

#define DIAGNOSTIC(code, title, cause, remedy, example) DIAG_##code,
typedef enum DiagCode {
#include "diagnostics.def"
    DIAG_COUNT
} DiagCode;
#undef DIAGNOSTIC

typedef struct DiagEntry {
    const char *code;    // "E0201"
    const char *title;   // one line, lower case, no full stop
    const char *cause;   // what leads to it
    const char *remedy;  // what to do
    const char *example; // smallest input that produces it; "" where none can be written as a model file
} DiagEntry;

typedef struct Diagnostics Diagnostics;

Diagnostics *diag_new(Arena *arena);

// Registers a source text; the name and the text must live as long as the diagnostics. Returns its number, from 1.
uint32_t diag_add_source(Diagnostics *diags, const char *name, const char *text, size_t length);
uint32_t diag_source_count(const Diagnostics *diags);
const char *diag_source(const Diagnostics *diags, uint32_t number, const char **text, size_t *length); // its name

// Reports an error; the message names what is wrong in terms of the user's model. Codes that begin with W are
// warnings. What follows (expected, help, note) belongs to the last report. At most 100 errors are kept, the rest are
// counted. An error at the same place with the same code as an earlier one is dropped, and so are its additions.
void diag_report(Diagnostics *diags, DiagCode code, Span span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void diag_expected(Diagnostics *diags, const char *format, ...) __attribute__((format(printf, 2, 3)));
void diag_help(Diagnostics *diags, const char *format, ...) __attribute__((format(printf, 2, 3)));
void diag_note(Diagnostics *diags, Span span, const char *format, ...) __attribute__((format(printf, 3, 4)));

uint32_t diag_error_count(const Diagnostics *diags);
uint32_t diag_count(const Diagnostics *diags); // errors and warnings

typedef enum DiagStyle { DIAG_PLAIN, DIAG_COLOUR, DIAG_JSON } DiagStyle;

// Prints all reports in source order (import order of files, then position):
//   error[E0201]: unknown name `tua_m`
//     --> slow.leq:6:26
//      |
//    6 |   energy 1/2 * (ahead(u, tua_m) - I)^2
//      |                          ^^^^^
//      = expected: a parameter, state, input or output of neuron `Slow`
//      = help: did you mean `tau_m`?
void diag_print(const Diagnostics *diags, DiagStyle style, Text *out);

const DiagEntry *diag_entry(DiagCode code);
const DiagEntry *diag_find(const char *code); // "E0201" or "e0201"; NULL if there is none

// Line and column (both from 1; columns count UTF-8 characters) of a place.
void diag_position(const Diagnostics *diags, Span span, const char **file, uint32_t *line, uint32_t *column);

// The candidate nearest to `name` by edit distance (transpositions count one), or NULL when none is near enough.
Atom diag_nearest(Atom name, const Atom *candidates, uint32_t count);

#endif
