// What the files of discretisation share. Only compiler/step includes this.
#ifndef LEQUEL_DISCRETISE_H
#define LEQUEL_DISCRETISE_H

#include "step.h"

// What explicit.c needs of a discretisation.
typedef struct StepParts {
    const Equations *equations;
    Model *model;
    Step *step;
    Expr (*place)(void *context, Expr expr); // gives accesses the versions of the update order
    void *context;
} StepParts;

// States with equations of their own, and outputs of neurons without an energy.
void step_explicit(const StepParts *parts);
// A value of a square matrix at its own axes, 0 on the diagonal.
Expr step_off_diagonal(ExprStore *store, Symbol symbol, Expr value);

// An array at its own axes, with the sample where it has one.
Expr step_element(ExprStore *store, Symbol symbol, ExprVersion version);
// Every access of a batched array gets the sample as its last index.
Expr step_add_batch(Model *model, Expr expr);
// Puts assignments into an order in which what is read of this step comes first. False after a report.
bool step_sort(Step *step);

#endif
