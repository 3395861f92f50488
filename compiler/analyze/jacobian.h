// The linear part of a step: how what it assigns depends, element by element, on arrays as they were before. Terms that
// read a signal are left out, so this is the derivative where nothing but the linear part of the equations acts.
#ifndef LEQUEL_JACOBIAN_H
#define LEQUEL_JACOBIAN_H

#include "parts.h"

// Arrays have at most this many axes without the batch.
enum { JACOBIAN_MOST_AXES = 2 };

typedef struct JacobianLink { // one access of an assignment at its own element
    Symbol symbol;
    ExprVersion version;
    Expr by; // derivative of the assigned value
} JacobianLink;

typedef struct JacobianRow {
    bool found;         // `links` are known
    uint32_t evaluated; // the evaluation that `coefficients` belong to
    Vec(JacobianLink) links;
    double *coefficients; // of the unknowns; on the heap
} JacobianRow;

typedef struct Jacobian {
    Reader *reader;
    const StepAssign **assign; // per symbol; NULL where the step assigns nothing
    JacobianRow *rows;         // per symbol
    uint32_t symbols, evaluation;
    bool *ends_in_event;  // per symbol: a state that events may change
    uint32_t *known_at;   // per expression: the evaluation that `known` belongs to
    double *known;        // its linear part
    uint32_t expressions; // that these have room for
    const Symbol *unknowns;
    uint32_t unknown_count;
    int64_t at[2]; // the element: indices along the first two axes
} Jacobian;

Jacobian jacobian_new(const Step *step, Reader *reader);
void jacobian_free(Jacobian *jacobian);
// A new evaluation: for these arrays before the step, at this element.
void jacobian_start(Jacobian *jacobian, const Symbol *unknowns, uint32_t count, int64_t first, int64_t second);
// d symbol' / d unknown, one number each. Valid until the next evaluation.
const double *jacobian_row(Jacobian *jacobian, Symbol symbol);

#endif
