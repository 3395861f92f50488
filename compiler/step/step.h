// Step: assignments old -> new of one time step, with the update order explicit (semantics.md 1 to 5).
//
// Every access says which value it means: VERSION_OLD is the value before the step (for a register: the message of
// step n-1), VERSION_NEW the value of this step. An access to a batched array ends with INDEX_BATCH; a gradient is a
// sum over INDEX_BATCH divided by the scalar `batch.size`. No operator on signals is left.
// Assignments stand in an order in which every VERSION_NEW that is read has been assigned before.
#ifndef LEQUEL_STEP_H
#define LEQUEL_STEP_H

#include "../derive/equations.h"

typedef struct StepAssign {
    Symbol symbol; // receives VERSION_NEW, at its own axes (model_axes) and the batch when it is batched
    Expr value;
    uint32_t guard; // 0: always; g: only in the steps in which learn rule g-1 of the model acts
    Span span;      // of the statement or energy term it came from
    Expr slot; // 0 (the handle): all elements. Else only those at this place along axis 1, which depends on no axis
               // that remains and not on the sample; rounded to a whole number
} StepAssign;

typedef struct Step {
    Model *model;
    Vec(StepAssign) assigns;
    Symbol cost;       // per sample, of this step; 0 when the model has no cost
    Symbol objective;  // of a forward step of an offline principle: what it minimises, the cost and the neurons' own
                       // energies, per sample; the cost itself where they have none
    Symbol batch_size; // scalar: samples of the instance, the divisor of means over the batch
} Step;

typedef enum StepMode {
    STEP_TRAIN,    // the whole step
    STEP_EVALUATE, // nothing learns, no error flows: states, rates and the cost only
    STEP_FORWARD,  // the same with constant(…) kept: what step_backward differentiates
    STEP_BACKWARD, // errors and gradients of one step, given those of the step after: course backward in time
    STEP_LEARN,    // only the learning rules, from gradients that backward steps have added up
} StepMode;

Step *step_discretise(const Equations *equations, StepMode mode);

// The step of an offline principle that runs backward through a window. It reads what the forward step at n found (its
// VERSION_OLD states and registers, its inputs) and the adjoints that the step after has left; it leaves its own, and
// adds to the gradients. Under a principle of COURSE_BACKWARD the adjoints are the errors of the equations; under
// COURSE_REVERSED_STEP they are made by reverse-mode differentiation of the forward step, exact to rounding.
Step *step_backward(const Equations *equations);

void step_free(Step *step);
void step_print_assign(ExprStore *store, const StepAssign *assign, Text *out); // "h.u'[i, b] = …", as step_dump does
void step_dump(const Step *step, Text *out);
// Marks every symbol whose value before the step is read; `old` has room for all symbols.
void step_mark_old(const Step *step, bool *old);
// What the step carries to the next one: assigned, and read as it was before; in the order of symbols. The caller frees
// the list.
Symbol *step_carried(const Step *step, uint32_t *count);
char *step_verify(const Step *step); // NULL when well formed, else what is wrong; the caller frees it

// The oracle: walks a step in double, element by element. Arrays are dense, unpadded, row-major, batch last; `old` and
// `now` hold one address per symbol (index = Symbol; NULL where a symbol has no storage). `now` must start as a copy of
// `old`; guards as in LoopArguments.active. Shares no code with the loops form.
void step_reference(const Step *step, double *const *old, double *const *now, int64_t batch, uint64_t active);
// The same in complex numbers: an imaginary part of 1e-100 in a parameter becomes a derivative, without cancellation.
// Of a step of mode STEP_FORWARD, in which constant(…) lets no imaginary part through.
void step_reference_complex(const Step *step, double complex *const *old, double complex *const *now, int64_t batch,
                            uint64_t active);

#endif
