// Gradients of learned parameters: weights, time constants, and whatever else an energy, output or current reads.
#include "derive.h"

// Where a weight or parameter stands outside of neurons: in currents, each of which pulls an error back, and in costs.
static Expr outer_gradient(Derive *d, Symbol symbol) {
    Expr result = expr_const(d->store, 0);
    for (uint32_t c = 0; c < d->model->connections.count; c++) {
        const Connection *connection = &d->model->connections.items[c];
        const NeuronEquations *target = derive_neuron_of(d->equations, connection->target);
        if (!connection->current || !expr_reads(d->store, connection->current, symbol) || !target || !target->has_error)
            continue;
        result = expr_sub(d->store, result, derive_pull_back(d, connection, symbol));
    }
    if (!d->model->cost || !expr_reads(d->store, d->model->cost, symbol)) return result;
    FreshAxes axes = derive_fresh_axes(d, symbol);
    Expr by = derive_at_own_axes(d, &axes, expr_derivative(d->store, d->model->cost, symbol, axes.fresh, axes.rank));
    expr_set_span(d->store, by, d->model->cost_span);
    return expr_add(d->store, result, by);
}

static Expr previous_rule(ExprStore *store, Expr node, void *context) {
    const NeuronEquations *n = context;
    ExprNode access = expr_node(store, node);
    for (uint32_t k = 0; access.kind == EXPR_ACCESS && k < n->leaves.count; k++)
        if (n->leaves.items[k].symbol == access.symbol) return expr_make1(store, EXPR_PREVIOUS, node);
    return node;
}

// With the lookaheads that the rate under judgement was made with: marked by `previous`.
static Expr under_judgement(Derive *d, NeuronEquations *n, Expr expr) {
    return expr_rewrite(d->store, expr, previous_rule, n);
}

// Through the lookaheads whose time constant it is: G * du/dt * d tau, for the solved one both of the mismatch and of
// what else reads it.
static Expr time_gradient(Derive *d, const NeuronEquations *n, Expr variable) {
    ExprStore *s = d->store;
    Expr rate = derive_element(d, n->rate), then = expr_make1(s, EXPR_PREVIOUS, rate), result = expr_const(s, 0);
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        if (!n->leaves.items[k].tau) continue;
        Expr by_tau = expr_partial(s, n->leaves.items[k].tau, variable);
        if (derive_is_zero(d, by_tau)) continue;
        Symbol moves = n->leaves.items[k].rate, back = n->leaves.items[k].back;
        if (n->leaves.items[k].kind != LEAF_AHEAD) { // lowpass(x, tau) changes with tau as the low-pass of -dX/dt does
            Expr judged = expr_make1(s, EXPR_PREVIOUS, derive_element(d, moves));
            if (back && moves)
                result = expr_add(s, result, expr_mul_n(s, (Expr[]){by_tau, derive_element(d, back), judged}, 3));
            continue;
        }
        if (k == n->solved)
            result = expr_add(s, result, expr_mul_n(s, (Expr[]){by_tau, derive_element(d, n->error), rate}, 3));
        for (uint32_t e = 0; e < n->errors.count; e++)
            if (n->errors.items[e].leaf == k)
                result = expr_sub(
                    s, result, expr_mul_n(s, (Expr[]){by_tau, derive_element(d, n->errors.items[e].symbol), then}, 3));
    }
    return result;
}

// Through the neuron's own energy: where it carries the input, the mismatch is the error, or nothing where no error
// arrives; the other terms are judged as the outputs are.
static Expr energy_gradient(Derive *d, NeuronEquations *n, const Population *p, Expr variable) {
    ExprStore *s = d->store;
    Expr driven, rest;
    derive_split_energy(d, n, p, n->energy, &driven, &rest);
    Expr by_driven = derive_at_judged(d, n, expr_partial(s, driven, variable));
    if (!n->has_error) by_driven = expr_replace(s, by_driven, derive_element(d, n->error), expr_const(s, 0));
    Expr own = expr_add(s, by_driven, under_judgement(d, n, expr_partial(s, rest, variable)));
    expr_set_span(s, own, p->energy_span);
    return own;
}

// dE/d(parameter) of a neuron's parameter.
static Expr parameter_gradient(Derive *d, NeuronEquations *n, Symbol parameter) {
    ExprStore *s = d->store;
    const Population *p = &d->model->populations.items[n->population];
    Expr variable = derive_element(d, parameter);
    Expr result = expr_add(s, outer_gradient(d, parameter), energy_gradient(d, n, p, variable));
    if (!n->has_error) return result;
    result = expr_add(s, result, time_gradient(d, n, variable));
    for (uint32_t e = 0; e < n->errors.count; e++) { // inside what is remembered
        const Leaf *leaf = &n->leaves.items[n->errors.items[e].leaf];
        if (leaf->kind == LEAF_AHEAD) continue;
        Expr by = expr_partial(s, leaf->input, variable);
        result = expr_sub(s, result, expr_mul(s, derive_element(d, leaf->back), under_judgement(d, n, by)));
    }
    for (uint32_t e = 0; e < n->output_errors.count; e++) {
        Expr by = expr_partial(s, n->value[n->output_errors.items[e].output], variable);
        Expr error = derive_element(d, n->output_errors.items[e].symbol);
        result = expr_sub(s, result, expr_mul(s, error, under_judgement(d, n, by)));
    }
    return result;
}

void gradient_report_none(const Model *m, Symbol target, Span span) {
    diag_report(m->diags, DIAG_E0306, span, "`%s` has no gradient: no cost depends on it",
                symbol_info(m->store, target)->name);
    diag_expected(m->diags, m->cost ? "a path from it through connections to an output that the cost reads"
                                    : "a `cost` in the network");
}

void derive_gradients(Derive *d) {
    Model *m = d->model;
    for (uint32_t r = 0; r < m->learn.count; r++)
        for (uint32_t t = 0; t < m->learn.items[r].targets.count && !m->learn.items[r].written_out; t++) {
            Symbol target = m->learn.items[r].targets.items[t];
            Expr value = expr_const(d->store, 0);
            if (symbol_info(d->store, target)->role == ROLE_WEIGHT) value = outer_gradient(d, target);
            for (uint32_t i = 0; i < d->equations->neurons.count; i++) {
                const Population *p = &m->populations.items[d->equations->neurons.items[i].population];
                for (uint32_t k = 0; k < p->parameters.count; k++)
                    if (p->parameters.items[k] == target)
                        value = parameter_gradient(d, &d->equations->neurons.items[i], target);
            }
            bool known = d->principle->course != COURSE_REVERSED_STEP; // else the step will tell
            if (known && derive_is_zero(d, value)) gradient_report_none(m, target, m->learn.items[r].span);
            Symbol gradient = t < m->learn.items[r].gradients.count ? m->learn.items[r].gradients.items[t] : 0;
            vec_push(&d->equations->gradients, (Gradient){target, gradient, value, m->learn.items[r].span});
        }
}
