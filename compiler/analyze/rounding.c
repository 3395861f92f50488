// Lookaheads that amplify rounding, from the linear part of the step between an input and what looks ahead of it.
#include "rounding.h"
#include "first_values.h"
#include "parts.h"
#include <math.h>

static const double MOST = 0.01; // of a signal may be rounding

typedef struct Check {
    const Step *step;
    const Model *model;
    FirstValues values;
    Reader reader;
    double relative;
    StepPath path; // under way
} Check;

// Standard deviation of the output over its value for a constant input, both for an input of size 1; infinite when the
// step is too long. What shows no constant input (a rate of change) amplifies by its nature.
static double amplification(const Linear *f) {
    double constant = cabs(linear_response(f, 0));
    return isfinite(constant) && constant > 0 ? linear_noise_gain(f) / constant : 0;
}

static double measure(void *context) {
    Check *c = context;
    double most = 0;
    FirstElement at = first_element(&c->values, symbol_info(c->model->store, c->path.to));
    while (first_element_next(&at)) {
        Linear linear;
        c->path.unit = at.at[0];
        if (step_linear(c->step, &c->reader, &c->path, &linear)) most = fmax(most, amplification(&linear));
    }
    return most;
}

static void check_path(Check *c, Symbol from, Symbol to, Span span) {
    char first[32], second[32];
    bool raise = false;
    if (!from || !to || symbol_info(c->model->store, to)->rank != 1) return;
    c->path.from = from;
    c->path.to = to;
    double gain = measure(c);
    if (!(gain * c->relative > MOST) || isinf(gain)) return;
    Symbol blame = first_value_to_blame(&c->values, measure, c, &raise);
    Diagnostics *diags = c->model->diags;
    diag_report(diags, DIAG_W0313, first_value_place(c->model, blame, span),
                "the lookahead from `%s` to `%s` amplifies what is fast %s times, so that rounding becomes %s of it",
                symbol_info(c->model->store, from)->name, symbol_info(c->model->store, to)->name,
                analysis_short(first, gain, 3), analysis_short(second, gain * c->relative, 2));
    if (blame)
        diag_help(diags, "make `%s` %s, or dt longer, or compute with `--precision double`",
                  symbol_info(c->model->store, blame)->name, raise ? "larger" : "smaller");
    else
        diag_help(diags, "make the lookahead shorter or dt longer, or compute with `--precision double`");
}

// Inputs and errors that do not move while a path is looked at.
static void set_population(Check *c, const Population *p, const NeuronEquations *n, Symbol *held, uint32_t *count) {
    for (uint32_t i = 0; i < p->ports.count; i++) held[(*count)++] = p->ports.items[i].symbol;
    for (uint32_t i = 0; n && i < n->errors.count; i++) held[(*count)++] = n->errors.items[i].symbol;
    if (n && n->error) held[(*count)++] = n->error;
    c->path = (StepPath){.population = p, .held = held, .held_count = *count};
}

static const NeuronEquations *equations_of(const Equations *equations, uint32_t population) {
    for (uint32_t i = 0; i < equations->neurons.count; i++)
        if (equations->neurons.items[i].population == population) return &equations->neurons.items[i];
    return NULL;
}

static void check_population(Check *c, const Equations *equations, uint32_t number) {
    const Population *p = &c->model->populations.items[number];
    const NeuronEquations *n = equations_of(equations, number);
    uint32_t most = p->ports.count + (n ? n->errors.count : 0) + 1, count = 0;
    Symbol *held = memory_resize(NULL, most, sizeof *held);
    set_population(c, p, n, held, &count);
    for (uint32_t i = 0; i < p->ports.count; i++) {
        for (uint32_t k = 0; n && k < n->leaves.count; k++)
            if (n->leaves.items[k].kind == LEAF_AHEAD)
                check_path(c, p->ports.items[i].symbol, n->leaves.items[k].symbol, p->span);
        for (uint32_t k = 0; !n && k < p->outputs.count; k++)
            check_path(c, p->ports.items[i].symbol, p->outputs.items[k].symbol, p->outputs.items[k].span);
    }
    for (uint32_t i = 0; n && n->has_error && i < n->errors.count; i++)
        check_path(c, n->errors.items[i].symbol, n->error, p->span);
    free(held);
}

void rounding_check(const Equations *equations, const Step *step, double relative) {
    Check c = {.step = step, .model = equations->model, .relative = relative};
    c.values = (FirstValues){.model = c.model, .step = step, .factor = 1};
    c.reader = (Reader){.store = c.model->store, .step = step, .value = first_value, .context = &c.values};
    for (uint32_t i = 0; i < c.model->populations.count; i++) check_population(&c, equations, i);
    first_values_free(&c.values);
}
