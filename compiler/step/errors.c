// Errors of a step: from outputs through gates and filters to the neuron, and down the connections.
#include "discretise.h"

// Leaves inside gates and own forces are those that the registered rate was made with, where gates are held. Backward
// in time, an error meets the very step that made the rate.
static Expr place_with_gate_leaves(Discretise *d, const NeuronEquations *n, Expr expr) {
    bool held = d->order->gate_held && !step_is_backward(d);
    for (uint32_t k = 0; k < n->leaves.count; k++) step_set_version(d, n->leaves.items[k].symbol, held);
    Expr result = step_place(d, expr);
    for (uint32_t k = 0; k < n->leaves.count; k++) step_set_version(d, n->leaves.items[k].symbol, false);
    return result;
}

// The gain of what a cost sends to a neuron whose other errors come through weights that have learned it; else 1.
static Expr absorbed_gain(Discretise *d, const NeuronEquations *n) {
    for (uint32_t k = 0; k < n->errors.count; k++)
        if (n->errors.items[k].gain.symbol && n->errors.items[k].gain.absorbed)
            return model_element(d->store, n->errors.items[k].gain.symbol, VERSION_NEW);
    return expr_const(d->store, 1);
}

static void output_errors(Discretise *d, const NeuronEquations *n) {
    ExprStore *s = d->store;
    const Population *p = &d->model->populations.items[n->population];
    for (uint32_t e = 0; e < n->output_errors.count; e++) {
        const OutputError *error = &n->output_errors.items[e];
        Expr total = error->cost ? expr_neg(s, step_place(d, error->cost)) : expr_const(s, 0);
        total = expr_mul(s, absorbed_gain(d, n), total);
        for (uint32_t i = 0; i < d->equations->connections.count; i++) {
            const ConnectionEquations *ce = &d->equations->connections.items[i];
            const Connection *c = &d->model->connections.items[ce->connection];
            for (uint32_t m = 0; m < ce->downward.count; m++)
                if (c->source == n->population && c->messages.items[m] == p->outputs.items[error->output].symbol)
                    total = expr_add(s, total, step_place(d, step_own(d, ce->downward.items[m])));
        }
        step_assign(d, error->symbol, total, 0, p->outputs.items[error->output].span);
    }
}

// What arrives at a gate from behind: the error of its output, or of the x that it stands in; 0 for nothing.
static Symbol error_behind(const NeuronEquations *n, const Gate *gate) {
    if (gate->inside) {
        for (uint32_t e = 0; e < n->errors.count; e++)
            if (n->errors.items[e].leaf == gate->output) return n->leaves.items[gate->output].back;
        return 0;
    }
    for (uint32_t e = 0; e < n->output_errors.count; e++)
        if (n->output_errors.items[e].output == gate->output) return n->output_errors.items[e].symbol;
    return 0;
}

// The unfiltered error of a leaf: all outputs' errors through their gates, minus the neuron's own forces.
static Expr error_input(Discretise *d, const NeuronEquations *n, const ErrorInput *in) {
    ExprStore *s = d->store;
    Expr total = expr_const(s, 0);
    for (uint32_t g = 0; g < n->gates.count; g++) {
        const Gate *gate = &n->gates.items[g];
        Symbol arriving = gate->leaf == in->leaf ? error_behind(n, gate) : 0;
        if (!arriving) continue;
        Expr factor = gate->trivial         ? expr_const(s, 1)
                      : step_is_backward(d) ? step_place(d, gate->value)
                                            : step_place(d, step_own(d, gate->symbol));
        total = expr_add(s, total, expr_mul(s, factor, step_place(d, step_own(d, arriving))));
    }
    if (in->own) total = expr_sub(s, total, place_with_gate_leaves(d, n, in->own));
    return total;
}

// The time constants of ahead(lowpass(x, behind), ahead), in whichever order the two are applied.
typedef struct FilterTimes {
    Expr behind, ahead;
} FilterTimes;

static FilterTimes filter_times(Discretise *d, Expr filtered) {
    FilterTimes times = {0};
    for (ExprNode node = expr_node(d->store, filtered); node.kind == EXPR_AHEAD || node.kind == EXPR_LOWPASS;
         node = expr_node(d->store, node.argument[0]))
        *(node.kind == EXPR_AHEAD ? &times.ahead : &times.behind) = node.argument[1];
    return times;
}

// x/rho + (1 - 1/rho)*v with the old v, which follows x with the time constant `behind`; rho = behind/ahead.
static Expr filter(Discretise *d, Expr filtered, Symbol state, Symbol input) {
    ExprStore *s = d->store;
    FilterTimes tau = filter_times(d, filtered);
    Expr one = expr_const(s, 1), x = model_element(s, input, VERSION_NEW), v = step_own(d, state);
    Expr speed = expr_div(s, expr_const(s, d->model->dt), tau.behind);
    step_assign(d, state, expr_add(s, v, expr_mul(s, speed, expr_sub(s, x, v))), 0, symbol_info(s, input)->span);
    Expr inverse = expr_div(s, one, expr_div(s, tau.behind, tau.ahead));
    return expr_add(s, expr_mul(s, inverse, x), expr_mul(s, expr_sub(s, one, inverse), v));
}

// A running average follows the mean over the batch; gains are made from the averages before the step.
static void average(Discretise *d, const Average *a, Span span) {
    ExprStore *s = d->store;
    Expr speed = expr_const(s, d->model->dt / d->model->dynamics.average), m = step_own(d, a->symbol);
    Expr sample = model_element(s, a->sample, VERSION_NEW);
    step_assign(d, a->sample, step_place(d, a->of), 0, span);
    step_assign(d, a->symbol, expr_add(s, m, expr_mul(s, speed, expr_sub(s, sample, m))), 0, span);
}

static Expr filtered_error(Discretise *d, const ErrorInput *in) {
    ExprStore *s = d->store;
    const Gain *gain = &in->gain;
    Span span = symbol_info(s, in->symbol)->span;
    if (!in->state) return model_element(s, in->symbol, VERSION_NEW);
    Expr error = filter(d, in->filtered, in->state, in->symbol);
    if (!gain->symbol) return error;
    if (gain->raw) {
        step_assign(d, gain->raw, error, 0, span);
        error = model_element(s, gain->raw, VERSION_NEW);
    }
    if (gain->companion)
        step_assign(d, gain->companion, filter(d, gain->companion_of, gain->companion_state, in->symbol), 0, span);
    for (uint32_t k = 0; k < gain->averages; k++) average(d, &gain->average[k], span);
    step_assign(d, gain->symbol, gain->value, 0, span);
    return gain->absorbed ? error : expr_mul(s, model_element(s, gain->symbol, VERSION_NEW), error);
}

void step_errors(Discretise *d, const NeuronEquations *n) {
    const Population *p = &d->model->populations.items[n->population];
    if (!n->has_error || (d->mode != STEP_TRAIN && !step_is_backward(d))) return;
    output_errors(d, n);
    Expr total = expr_const(d->store, 0);
    for (uint32_t k = 0; k < n->errors.count; k++) {
        step_assign(d, n->errors.items[k].symbol, error_input(d, n, &n->errors.items[k]), 0, p->span);
        if (n->leaves.items[n->errors.items[k].leaf].kind == LEAF_AHEAD)
            total = expr_add(d->store, total, filtered_error(d, &n->errors.items[k]));
    }
    step_back_errors(d, n);
    step_assign(d, n->error, total, 0, p->span);
}

void step_downward_errors(Discretise *d) {
    for (uint32_t i = 0; i < d->equations->connections.count; i++) {
        const ConnectionEquations *ce = &d->equations->connections.items[i];
        d->late_errors = ce;
        if (ce->looks_ahead || ce->comes_back) step_late_errors(d, ce);
        for (uint32_t m = 0; m < ce->downward.count; m++)
            step_assign(d, ce->downward.items[m], step_place_with_held_errors(d, ce->downward_value.items[m]), 0,
                        d->model->connections.items[ce->connection].span);
        d->late_errors = NULL;
    }
}
