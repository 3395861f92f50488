// What the files of the C emitter share. Only compiler/emit includes this.
#ifndef LEQUEL_EMIT_WRITER_H
#define LEQUEL_EMIT_WRITER_H

#include "../loops/maths.h"
#include "emit.h"

enum { CARRAY_MAX_RANK = EXPR_MAX_RANK + 1 };

typedef struct CArray { // an array of the loops form as a member of the struct
    Symbol symbol;
    const char *shown; // as comments call it: h[2].u, t0.part1
    const char *name;  // h_2_u
    bool used, hidden;
    uint32_t place; // its own number, or that of the array whose place it shares; only that one is declared
    uint32_t guest; // the entry whose intermediate result shares this place, 0 for none
    LoopReal real;
    uint32_t rank; // the batch included, when there is more than one sample
    int64_t extent[CARRAY_MAX_RANK];
    int64_t declared[CARRAY_MAX_RANK]; // with padding
    bool batched;                      // has an axis of the loops form for the samples
    bool per_sample;                   // has a value for each sample
} CArray;

typedef enum CHelper {
    HELPER_TO_BITS,
    HELPER_FROM_BITS,
    HELPER_ABS,
    HELPER_COPYSIGN,
    HELPER_MIN,
    HELPER_MAX,
    HELPER_SQRT,
    HELPER_LARGER, // of a maximum that keeps NaN
    HELPER_SUM,    // of LOOP_LANES sums
    HELPER_LARGEST,
    HELPER_COUNT
} CHelper;

typedef struct Writer {
    const EmitSource *source;
    const EmitOptions *options;
    const LoopProgram *program;
    ExprStore *store;
    Arena *arena;
    Text *error;
    Vec(CArray) arrays;
    const char *prefix, *type, *upper; // model, Model, MODEL
    bool helpers[2][HELPER_COUNT];     // that the code needs, by element type
    bool functions[2][MATH_POWER + 1], lane_functions[2][MATH_POWER + 1];
    bool uniform, normal, below;          // random numbers
    bool noisy;                           // some are drawn anew in each step
    int64_t state_bytes;                  // of a saved state
    int64_t struct_bytes, constant_bytes; // memory: of the struct, of first values
} Writer;

// names.c
typedef struct NameSet {
    Arena *arena;
    Vec(const char *) taken;
} NameSet;
const char *name_make(NameSet *set, const char *text); // an identifier made from any text, not taken before
void name_set_free(NameSet *set);
const char *name_upper(Arena *arena, const char *text);

// comment.c: text of the model for comments, and the equations that calls compute.
void emit_comment(Text *out, const char *text);
const char *emit_place(const Writer *w, Span span);                             // "lagline.leq:12", safe in comments
const char *emit_printed(const Writer *w, Expr expr);                           // safe in comments
void emit_equations(const Writer *w, uint32_t entry, uint32_t call, Text *out); // the lines of a comment
// Lines of a comment, each begun by `indent`, broken at blanks.
void emit_wrapped(Text *out, const char *indent, const char *text);

// body.c: operations as expressions of C.
typedef struct CAccess { // text of an access, and what a local for it may be called
    const char *text, *member;
    uint32_t slot; // 0, or 1 + the operation that stands for SLOT_MARK in the text
} CAccess;
#define SLOT_MARK "@"

typedef struct Body {
    Writer *w;
    LoopReal real;
    const LoopOp *ops;
    uint32_t count;
    const CAccess *accesses;
    const bool *moves;       // per access: differs between lanes; NULL: everything is a single number
    bool vectors;            // accesses that move are vectors already: arguments of a function
    const bool *bound;       // per access: read into a local first, since it is overwritten
    const char **wanted;     // per operation: the name a local of its value would like; or NULL
    const uint32_t *results; // operations that are stored or returned
    uint32_t result_count;
    uint32_t numbers; // the first results; those behind them are places, the same in all lanes
    const char *indent;
    NameSet *names; // locals of the function
    // What does not move in inner loops is computed outside of them. `enter` opens a loop and returns the indent
    // inside.
    uint32_t loops;        // to open; 0: all are open already
    const uint32_t *level; // per access: the loops that it must be inside of
    // In a sweep these are sets (SweepLevel), and what differs from row to row and is used in a later loop over the
    // same rows has an array, whose declaration `row_arrays` receives.
    Text *row_arrays;
    const char *(*enter)(void *nest, uint32_t loop);
    void *nest;
} Body;

// Writes the locals; `values` receives an expression per result.
void body_write(const Body *body, Text *out, const char **values);
const char *real_literal(Writer *w, LoopReal real, double value);
const char *number_type(const Writer *w, LoopReal real); // double, float, or that of fixed-point numbers
const char *real_type(LoopReal real);                    // double, float
const char *real_suffix(LoopReal real);                  // "", "f"
void need(Writer *w, LoopReal real, CHelper helper);
const char *helper_name(CHelper helper, LoopReal real, Arena *arena);

// functions.c
void text_of_type(LoopReal real, const char *part, Text *out); // fills in what differs between float and double
void helpers_write(Writer *w, Text *out);                      // all that are needed

// The text with the place that was not known when it was made.
const char *slot_text(Arena *arena, const char *text, const char *slot);

// nest.c: a call as the body of a function of `m`, braces included. `before` receives functions that it needs, whose
// names begin with NAME_MARK, which stands for the name of the one that is written.
bool call_write(Writer *w, uint32_t entry, uint32_t call, Text *before, Text *body);
#define NAME_MARK "\001"                                   // in no comment and no name
bool call_is_empty(const Writer *w, const LoopCall *call); // nothing is computed: an axis has no elements

// Levels of a sweep: a row's values are computed in a loop of their own, then come the columns, then again the rows.
typedef enum SweepLevel { SWEEP_ROWS = 1, SWEEP_COLUMNS = 2, SWEEP_ALL = 3 } SweepLevel;

// lanes.c
void lanes_write(const Writer *w, Text *out);
bool in_lanes(const Writer *w);   // samples go in vectors
bool in_rows(const Writer *w);    // of the only sample, neurons and the columns of matrices do
bool in_vectors(const Writer *w); // any of these: rows are padded, and begin on 64 bytes

// struct.c: the struct, first values, saving and loading.
bool arrays_plan(Writer *w);
int64_t element_bytes(const Writer *w, const CArray *array);
int64_t carray_count(const CArray *array); // elements, all samples
void struct_write(Writer *w, Text *out);
void init_write(Writer *w, Text *out);
bool is_noise(const Writer *w, Symbol symbol);               // drawn anew before each step, not the caller's to set
void noise_write(Writer *w, const CArray *noise, Text *out); // the body of a function that does it
void save_write(Writer *w, Text *out);
void table_write(const Writer *w, Text *out);

// source.c, driver.c
void emit_part(const Writer *w, const char *part, Text *out); // see parts.h
void driver_write(Writer *w, Emitted *emitted);

#endif
