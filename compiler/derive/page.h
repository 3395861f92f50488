// A derivation as a page of titles, sentences and equations, before it is set as text or as LaTeX.
// Only the files of compiler/derive that make or set pages include this.
#ifndef LEQUEL_PAGE_H
#define LEQUEL_PAGE_H

#include "equations.h"

#define MATHML_PARTIAL "<mfrac><mrow><mo>∂</mo><mi>E</mi></mrow><mrow><mo>∂</mo>" // dE/d…
#define MATHML_PARTIAL_END "</mrow></mfrac>"

// PAGE_BESIDE is a PAGE_STEP that may stand beside the one before where there is room.
typedef enum PageKind { PAGE_TITLE, PAGE_STEP, PAGE_BESIDE, PAGE_HEAD, PAGE_SAY, PAGE_EQUATION } PageKind;

// Neighbouring equations are aligned at `sign`. All texts are in the style of the page and live in the model's arena.
typedef struct PageItem {
    PageKind kind;
    const char *text; // of a title or sentence; the left side of an equation ("" continues the one before)
    const char *sign; // =, +, -
    const char *right;
    const char *range; // "k = 0 … 4", or ""
    const char *place; // "lagline.leq:8", or ""
} PageItem;

typedef struct Page {
    ExprStyle style;
    Arena *arena;
    const Diagnostics *diags; // knows the texts of the model
    Vec(PageItem) items;
} Page;

void page_set(const Page *page, Text *out);       // in the page's own style
void page_set_text(const Page *page, Text *out);  // text and Unicode
void page_set_latex(const Page *page, Text *out); // a document that pdflatex compiles with amsmath
void page_set_html(const Page *page, Text *out);  // a file that needs no other

// What a source is called in places: its file name without folders, unless another one has that name too.
const char *page_source_name(const Diagnostics *diags, uint32_t source);

// names.c: what symbols are called on the page. Short names are lent to the symbols while something is printed, so that
// what is printed are the very expressions of the Equations.
typedef struct Names {
    Model *model;
    ExprStyle style;
    Symbol count;     // of the symbols that were there at first
    Atom *documented; // by symbol: h[2].u_ahead.tau_m
    Atom *member;     // by symbol: p
} Names;

void names_open(Names *names, const Equations *equations, ExprStyle style);
void names_keep_documented(Names *names); // no short names for members
void names_close(Names *names);           // gives all symbols their documented names back
// A symbol of this name and extent that exists on the page only: A and B of the principle's condition.
Symbol names_helper(Names *names, Atom name, uint32_t extent);
// Names of one population's arrays without their owner; everything else by owner and short name.
void names_of_population(Names *names, const Population *population);
// Members of an array of owners relative to number `here`: h[here + 1].p is h[k+1].p. here < 0: all as they are.
void names_relative(Names *names, int64_t here);
// One parameter, its gradient and the states of its optimiser: theta, G, m, …
void names_of_rule(Names *names, const LearnRule *rule, uint32_t target);
// "s0, s1, h[0] … h[4]"; two dots instead of three in ASCII. The page escapes it.
const char *names_list(Arena *arena, ExprStyle style, const Atom *list, uint32_t count);
// Splits "h[2].tau_m" into "h", 2 and "tau_m"; -1 when the owner has no number.
int64_t name_number(Atom name, size_t *base_length, const char **member);

#endif
