// What the files of the analysis share. Only compiler/analyze includes this.
#ifndef LEQUEL_ANALYZE_PARTS_H
#define LEQUEL_ANALYZE_PARTS_H

#include "analyze.h"

// Evaluates expressions in which only parameters, weights, scalars and what a step makes of them have values.
typedef struct Reader {
    ExprStore *store;
    const Step *step;
    AnalyzeValue *value;
    void *context;
    Symbol probe; // one signal that has a value
    double probe_value;
    bool met_signal; // another one was read, so what was computed depends on signals
} Reader;

// With one or two index variables at the given values (index 0: none). Sets met_signal, never clears it.
double reader_evaluate(Reader *reader, Expr expr, Index a, int64_t at_a, Index b, int64_t at_b);

// A linear operator expression applied to `signal`, as a filter, for one unit.
Filter operators_filter(Reader *reader, Expr expr, Expr signal, Index own, int64_t unit);

typedef struct StepPath { // between two signals of one population, for one unit
    const Population *population;
    Symbol from, to, state; // `state` (0: none) counts as memory even when nothing on the way reads it
    const Symbol *held;     // inputs that do not move
    uint32_t held_count;
    int64_t unit;
} StepPath;

// That part of the step. False when it is not linear, couples units, or has too many states.
bool step_linear(const Step *step, Reader *reader, const StepPath *path, Linear *out);

typedef struct Work {
    Analysis *analysis;
    const Equations *equations;
    const Step *step;
    Reader reader;
} Work;

// populations.c
void populations_analyze(Work *work);
// The neuron's equations of populations.items[number].
const NeuronEquations *population_equations(const Analysis *analysis, uint32_t number);
int64_t population_of(const Analysis *analysis, uint32_t model_number); // -1 for one without equations
// network.c
void network_analyze(Work *work);
// explicit.c
void explicit_analyze(Work *work);
// warnings.c
void warnings_collect(Work *work);

#endif
