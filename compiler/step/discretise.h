// What the files of discretisation share. Only compiler/step includes this.
#ifndef LEQUEL_DISCRETISE_H
#define LEQUEL_DISCRETISE_H

#include "step.h"

// An array at its own axes, with the sample where it has one.
Expr step_element(ExprStore *store, Symbol symbol, ExprVersion version);
// Every access of a batched array gets the sample as its last index.
Expr step_add_batch(Model *model, Expr expr);
// Puts assignments into an order in which what is read of this step comes first. False after a report.
bool step_sort(Step *step);

#endif
