// What the files of discretisation share. Only compiler/step includes this.
#ifndef LEQUEL_DISCRETISE_H
#define LEQUEL_DISCRETISE_H

#include "step.h"

// Which messages sit in a register for one step. A message that does not is this step's value.
typedef struct OrderRow {
    OrderKind kind;
    bool rate_held, gate_held, error_held, down_held;
} OrderRow;

typedef struct Discretise {
    const Equations *equations;
    Model *model;
    ExprStore *store;
    Step *step;
    const OrderRow *order;
    StepMode mode;
    uint8_t *version; // per symbol: which value an access in the equations means
    uint32_t symbols;
    const ConnectionEquations *late_errors; // while what goes down this connection is placed: of what is delayed in it
} Discretise;

// discretise.c: which value of an array an access means
Expr step_own(Discretise *d, Symbol symbol); // at its own axes, before the step
Expr step_place(Discretise *d, Expr expr);   // every access gets the version that the update order gives to its message
void step_set_version(Discretise *d, Symbol symbol, bool held);
// With errors from their registers where the order holds them (downward errors, the membrane); learning uses this
// step's.
Expr step_place_with_held_errors(Discretise *d, Expr expr);
bool step_is_backward(const Discretise *d); // on a course backward in time
// A hidden array beside another one, the same one in every discretisation of a model.
Symbol step_beside(Model *model, Symbol symbol, const char *suffix, SymbolRole role);
void step_assign(Discretise *d, Symbol symbol, Expr value, uint32_t guard, Span span);

// memory.c
void step_memories(Discretise *d, const NeuronEquations *n);
void step_back_errors(Discretise *d, const NeuronEquations *n);
void step_delay_lines(Discretise *d, const Population *p); // of neurons that equations move
// arrival.c: what synapses read late
void step_late_messages(Discretise *d);
void step_late_errors(Discretise *d, const ConnectionEquations *ce);
Expr step_late(Discretise *d, Expr expr); // delay(message, T), and what stands for its adjoint, in placed arguments
// errors.c
void step_errors(Discretise *d, const NeuronEquations *n);
void step_downward_errors(Discretise *d);
// learning.c
void step_gradients(Discretise *d);
void step_rules(Discretise *d);
// At the end of a window: the rules read the gradients that the backward steps have added up, which then start anew.
void step_learn_from_sums(Discretise *d);
// Backward steps add to what the steps after them have found.
void step_add_up_gradients(Discretise *d);

// An output as those across a connection get it, a step later: delays count that step.
Expr step_sent(Discretise *d, const Population *p, Expr output);
// explicit.c
// States with equations of their own, and outputs of neurons without an energy.
void step_explicit(Discretise *d);
// A value of a square matrix at its own axes, 0 on the diagonal.
Expr step_off_diagonal(ExprStore *store, Symbol symbol, Expr value);

// An array at its own axes, with the sample where it has one.
Expr step_element(ExprStore *store, Symbol symbol, ExprVersion version);
// Every access of a batched array gets the sample as its last index.
Expr step_add_batch(Model *model, Expr expr);
// Puts assignments into an order in which what is read of this step comes first. False after a report.
bool step_sort(Step *step);

#endif
