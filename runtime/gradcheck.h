// Compares the gradients of a model's principles with each other and with numerical derivatives.
#ifndef LEQUEL_GRADCHECK_H
#define LEQUEL_GRADCHECK_H

#include "window.h"

typedef struct GradcheckPlan {
    ModelOptions model;            // `dynamics` is set for each principle in turn
    const char *const *principles; // "gle", "vle(gain = power, average = 10)"; NULL: all that need no options
    uint32_t principle_count;
    WindowPlan window; // steps and batch 0: chosen from the model's experiment
    int64_t elements;  // of each parameter, to be checked one by one
    double tolerance;  // of the deviation of bptt from numerical derivatives; 0: what the method allows
    double work;       // up to which complex steps are taken; 0: a few seconds' worth
} GradcheckPlan;

// Of one parameter's gradient g beside another one, h.
typedef struct Agreement {
    Atom parameter;
    int64_t elements;
    double cosine, ratio; // of directions; |g|/|h|
    double deviation;     // the largest |g - h| over the largest |h|
} Agreement;

typedef struct PrincipleReport {
    Atom name;
    Atom reason;           // why it does not apply; NULL when it does
    Agreement *parameters; // one per learned parameter
    Agreement all;
} PrincipleReport;

typedef struct GradcheckReport {
    WindowPlan window;
    double dt;
    bool in_ms; // dt carries a unit of time
    bool complex_steps;
    double tolerance;
    uint32_t parameter_count, principle_count;
    Agreement *numeric; // bptt beside numerical derivatives, per parameter: `elements` of them and one direction
    PrincipleReport *principles; // beside bptt
    bool agrees;                 // bptt is what numerical derivatives say
} GradcheckReport;

// NULL on failure: either `diags` holds errors of the model file or `error` says why. In the arena.
GradcheckReport *gradcheck_run(Arena *arena, Diagnostics *diags, const GradcheckPlan *plan, Text *error);
void gradcheck_print(const GradcheckReport *report, Text *out);
void gradcheck_json(const GradcheckReport *report, Text *out);

#endif
