// From the energy to equations: the pass over all neurons, the errors that travel down the connections, and the symbols
// that the compiler names.
#include "derive.h"
#include <string.h>

NeuronEquations *derive_neuron_of(Equations *equations, uint32_t population) {
    for (uint32_t i = 0; i < equations->neurons.count; i++)
        if (equations->neurons.items[i].population == population) return &equations->neurons.items[i];
    return NULL;
}

Atom derive_printed(Derive *d, Expr expr) {
    Text text = {0};
    expr_print(d->store, expr, EXPR_TEXT, &text);
    Atom atom = arena_atom_z(d->model->arena, text_z(&text));
    text_free(&text);
    return atom;
}

Symbol derive_symbol(Derive *d, SymbolInfo info, const char *what) {
    Symbol known = symbol_find(d->store, info.name);
    info.derived = true;
    if (!known) return symbol_new(d->store, info);
    const SymbolInfo *have = symbol_info(d->store, known);
    if (have->derived) return known;
    diag_report(d->model->diags, DIAG_E0203, have->span.source ? have->span : info.span,
                "`%s` is a name that the compiler gives to %s: rename this", info.name, what);
    return symbol_new(d->store, info);
}

Symbol derive_signal(Derive *d, const Population *p, SymbolRole role, Unit unit, const char *base, const char *suffix,
                     const char *what) {
    SymbolInfo info = {.role = role, .batched = true, .rank = 1, .extent = {p->size}, .unit = unit, .span = p->span};
    info.name = arena_format(d->model->arena, "%s.%s%s", p->name, base, suffix);
    return derive_symbol(d, info, what);
}

Expr derive_element(Derive *d, Symbol symbol) { return model_element(d->store, symbol, VERSION_OLD); }

// ---- Who has an error: whatever reaches a cost ----------------------------------------------------------------------

static Expr cost_derivative(Derive *d, const Population *p, Symbol output) {
    if (!d->model->cost) return expr_const(d->store, 0);
    Expr at = expr_index(d->store, p->own);
    return expr_derivative(d->store, d->model->cost, output, &at, 1);
}

// An expression with the solved lookahead replaced so that the mismatch is the error. Only for what contains the
// mismatch: the terms of the energy that carry the input.
Expr derive_at_judged(Derive *d, const NeuronEquations *n, Expr expr) {
    return expr_replace(d->store, expr, derive_element(d, n->leaves.items[n->solved].symbol), n->judged);
}

// dE/dX of a leaf from the neuron's own energy, apart from the solved mismatch; evaluated where gradients are.
static Expr own_force(Derive *d, const NeuronEquations *n, const Population *p, uint32_t k) {
    Expr leaf = derive_element(d, n->leaves.items[k].symbol), driven, rest;
    derive_split_energy(d, n, p, n->energy, &driven, &rest);
    Expr force = expr_partial(d->store, rest, leaf);
    if (k == n->solved) return force;
    return expr_add(d->store, force, derive_at_judged(d, n, expr_partial(d->store, driven, leaf)));
}

static bool wants_error(Derive *d, NeuronEquations *n) {
    const Population *p = &d->model->populations.items[n->population];
    if (n->has_error) return false;
    for (uint32_t o = 0; o < p->outputs.count; o++)
        if (!derive_is_zero(d, cost_derivative(d, p, p->outputs.items[o].symbol))) return true;
    for (uint32_t k = 0; k < n->leaves.count; k++)
        if (!derive_is_zero(d, own_force(d, n, p, k))) return true;
    for (uint32_t c = 0; c < d->model->connections.count; c++) {
        const Connection *connection = &d->model->connections.items[c];
        if (connection->from_external || connection->source != n->population) continue;
        const NeuronEquations *target = derive_neuron_of(d->equations, connection->target);
        if (target && target->has_error && connection->messages.count) return true;
    }
    return false;
}

static void spread_errors(Derive *d) {
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = d->equations->neurons.count; i-- > 0;) // downward, as errors mostly go: few rounds
            if (wants_error(d, &d->equations->neurons.items[i]))
                d->equations->neurons.items[i].has_error = changed = true;
    }
}

// ---- Errors down the connections ------------------------------------------------------------------------------------

FreshAxes derive_fresh_axes(Derive *d, Symbol symbol) {
    SymbolInfo info = *symbol_info(d->store, symbol);
    FreshAxes axes = {.rank = info.rank};
    Index index[EXPR_MAX_RANK];
    model_axes(d->store, symbol, index);
    for (uint32_t i = 0; i < info.rank; i++) {
        axes.own[i] = expr_index(d->store, index[i]);
        axes.fresh[i] = expr_index(d->store, index_new(d->store, index_info(d->store, index[i])->name, info.extent[i]));
    }
    return axes;
}

Expr derive_at_own_axes(Derive *d, const FreshAxes *axes, Expr expr) {
    for (uint32_t i = 0; i < axes->rank; i++)
        expr = expr_substitute_index(d->store, expr, axes->fresh[i], axes->own[i]);
    return expr;
}

// sum over the target's neurons of (what the current sees of the error) * d current / d symbol[at canonical axes].
Expr derive_pull_back(Derive *d, const Connection *c, Symbol symbol) {
    ExprStore *s = d->store;
    const Population *target = &d->model->populations.items[c->target];
    const NeuronEquations *n = derive_neuron_of(d->equations, c->target);
    FreshAxes axes = derive_fresh_axes(d, symbol);
    Expr by = expr_derivative(s, c->current, symbol, axes.fresh, axes.rank);
    Expr result = expr_sum(s, target->own, expr_mul(s, n->drive_errors.items[c->port], by));
    result = derive_at_own_axes(d, &axes, result);
    expr_set_span(s, result, c->span);
    return result;
}

// The downward error of a message: through the feedback weights, where there are any.
static Expr downward_error(Derive *d, const Connection *c, Symbol message, ConnectionEquations *ce) {
    bool late = expr_has_kind(d->store, c->current, EXPR_DELAY);
    Expr result = late ? derive_late_pull_back(d, c, message, ce) : derive_pull_back(d, c, message);
    for (uint32_t w = 0; w < c->feedback.count; w++)
        if (c->feedback.items[w])
            result = expr_rename(d->store, result, c->weights.items[w], VERSION_OLD, c->feedback.items[w], VERSION_OLD);
    return result;
}

static void derive_connection(Derive *d, uint32_t number) {
    const Connection *c = &d->model->connections.items[number];
    const NeuronEquations *target = derive_neuron_of(d->equations, c->target);
    ConnectionEquations ce = {.connection = number};
    ce.carries_error = target && target->has_error && !c->from_external && derive_neuron_of(d->equations, c->source);
    for (uint32_t m = 0; ce.carries_error && m < c->messages.count; m++) {
        SymbolInfo message = *symbol_info(d->store, c->messages.items[m]);
        SymbolInfo info = message;
        const char *member = message.name + strlen(d->model->populations.items[c->source].name) + 1;
        info.name = c->messages.count > 1 ? arena_format(d->model->arena, "%s.error_down.%s", c->name, member)
                                          : arena_format(d->model->arena, "%s.error_down", c->name);
        info.role = ROLE_REGISTER;
        info.span = c->span;
        vec_push(&ce.downward, derive_symbol(d, info, "a downward error"));
        vec_push(&ce.downward_value, downward_error(d, c, c->messages.items[m], &ce));
    }
    derive_late_error_memory(d, c, &ce);
    vec_push(&d->equations->connections, ce);
}

static bool output_is_read(Derive *d, const NeuronEquations *n, uint32_t output) {
    Symbol symbol = d->model->populations.items[n->population].outputs.items[output].symbol;
    for (uint32_t i = 0; i < d->equations->connections.count; i++) {
        const ConnectionEquations *ce = &d->equations->connections.items[i];
        const Connection *c = &d->model->connections.items[ce->connection];
        for (uint32_t m = 0; m < ce->downward.count; m++)
            if (c->messages.items[m] == symbol) return true;
    }
    return false;
}

// The error of one leaf, passed through the principle's operators: the inverse of the adjoint at the solved tau applied
// to the adjoint at the leaf's own. The operator algebra cancels equal time constants.
static Expr through_filters(Derive *d, const NeuronEquations *n, uint32_t k, Expr g) {
    ExprKind adjoint = d->principle->adjoint_of_ahead;
    if (adjoint == EXPR_STOP) return g;
    ExprKind inverse = adjoint == EXPR_LOWPASS ? EXPR_AHEAD : EXPR_LOWPASS;
    Expr filtered = expr_make2(d->store, adjoint, g, n->leaves.items[k].tau);
    return expr_make2(d->store, inverse, filtered, n->leaves.items[n->solved].tau);
}

// Which leaves an error reaches: from outputs, from the neuron's own energy, and from what remembers them.
static uint32_t find_wanted(Derive *d, NeuronEquations *n, const Population *p, bool *wanted) {
    uint32_t live = 0;
    for (uint32_t k = 0; k < n->leaves.count; k++) wanted[k] = !derive_is_zero(d, own_force(d, n, p, k));
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t g = 0; g < n->gates.count; g++) {
            const Gate *gate = &n->gates.items[g];
            bool arrives = gate->inside && wanted[gate->output];
            for (uint32_t e = 0; e < n->output_errors.count && !gate->inside; e++)
                arrives |= n->output_errors.items[e].output == gate->output;
            changed |= arrives && !wanted[gate->leaf];
            wanted[gate->leaf] |= arrives;
        }
    }
    for (uint32_t k = 0; k < n->leaves.count; k++) live += wanted[k];
    return live;
}

// The stand-ins of gle are inverse filters: in a circle, what they amplify comes back to be amplified again.
static void warn_of_circles(Derive *d, const NeuronEquations *n, const Population *p) {
    if (d->principle->adjoint_of_ahead != EXPR_LOWPASS) return;
    for (uint32_t e = 0; e < n->errors.count; e++) {
        const ErrorInput *in = &n->errors.items[e];
        const Leaf *leaf = &n->leaves.items[in->leaf];
        if (leaf->kind == LEAF_AHEAD || !in->own || !expr_reads(d->store, in->own, n->error)) continue;
        bool returns = false;
        for (uint32_t k = 0; k < n->leaves.count; k++)
            returns |=
                n->leaves.items[k].kind == LEAF_AHEAD && expr_contains(d->store, leaf->node, n->leaves.items[k].node);
        if (!returns) continue;
        Span where = expr_span(d->store, leaf->node);
        diag_report(d->model->diags, DIAG_W0309, where.source ? where : p->energy_span,
                    "the error of `%s` returns to itself through what the neuron remembers of its output", p->name);
        diag_help(d->model->diags, "see what `lequel gradcheck` says; `instant`, `adjoint` and `bptt` are safe");
    }
}

static void derive_output_errors(Derive *d, NeuronEquations *n, const Population *p) {
    for (uint32_t o = 0; o < p->outputs.count; o++) {
        Expr cost = cost_derivative(d, p, p->outputs.items[o].symbol);
        if (derive_is_zero(d, cost) && !output_is_read(d, n, o)) continue;
        Symbol symbol =
            derive_signal(d, p, ROLE_SIGNAL, UNIT_NONE, p->outputs.items[o].member, "_error", "the error of an output");
        vec_push(&n->output_errors,
                 (OutputError){.output = o, .symbol = symbol, .cost = derive_is_zero(d, cost) ? 0 : cost});
    }
}

static void derive_errors(Derive *d, NeuronEquations *n) {
    const Population *p = &d->model->populations.items[n->population];
    if (!n->has_error) return;
    derive_output_errors(d, n, p);
    bool wanted[EXPR_MAX_LEAVES] = {0};
    uint32_t live = find_wanted(d, n, p, wanted);
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        if (!wanted[k]) continue;
        const Leaf *leaf = &n->leaves.items[k];
        Unit unit = symbol_info(d->store, leaf->kind == LEAF_AHEAD ? n->state : leaf->symbol)->unit;
        const char *which = leaf->kind == LEAF_AHEAD ? leaf->label : derive_member(d, p, leaf->symbol);
        const char *label = live > 1 ? arena_format(d->model->arena, ".%s", which) : "";
        ErrorInput in = {.leaf = k, .own = own_force(d, n, p, k)};
        if (derive_is_zero(d, in.own)) in.own = 0;
        in.symbol = derive_signal(d, p, ROLE_SIGNAL, unit, "error_in", label, "an unfiltered error");
        Expr g = derive_element(d, in.symbol);
        if (leaf->kind != LEAF_AHEAD) {
            derive_back(d, n, k); // its error goes to what it remembers
            in.filtered = derive_through_memory(d, leaf, g);
            vec_push(&n->errors, in);
            continue;
        }
        in.filtered = through_filters(d, n, k, g);
        if (in.filtered != g) {
            in.state = derive_signal(d, p, ROLE_STATE, unit, "error_state", label, "the state of an error");
            in.gain = derive_gain(d, n, &in, label);
        }
        vec_push(&n->errors, in);
    }
    warn_of_circles(d, n, p);
}

Span gate_place(const Population *population, const Gate *gate) {
    return gate->inside ? population->energy_span : population->outputs.items[gate->output].span;
}

// ---- The pass -------------------------------------------------------------------------------------------------------

Equations *equations_derive(Model *model) {
    Equations *equations = arena_new_object(model->arena, Equations);
    *equations = (Equations){.model = model};
    Derive d = {model, model->store, equations, principle_find(model->dynamics.principle)};
    bool good = true;
    for (uint32_t i = 0; i < model->populations.count; i++) good &= derive_neuron(&d, i);
    good &= derive_check_signals(&d);
    for (uint32_t i = 0; i < model->populations.count; i++) derive_delay_lines(&d, &model->populations.items[i]);
    derive_late_messages(&d);
    if (good) {
        for (uint32_t i = 0; i < equations->neurons.count; i++) derive_check_times(&d, &equations->neurons.items[i]);
        if (d.principle->course != COURSE_REVERSED_STEP) spread_errors(&d);
        for (uint32_t c = 0; c < model->connections.count; c++) derive_connection(&d, c);
        derive_warn_of_loops(&d);
        for (uint32_t i = 0; i < equations->neurons.count; i++) derive_errors(&d, &equations->neurons.items[i]);
        if (!diag_error_count(model->diags)) derive_check_explicit(&d);
        if (!diag_error_count(model->diags)) derive_gradients(&d);
        if (!diag_error_count(model->diags)) derive_units(equations);
    }
    if (!diag_error_count(model->diags)) return equations;
    equations_free(equations);
    return NULL;
}

void equations_free(Equations *equations) {
    if (!equations) return;
    for (uint32_t i = 0; i < equations->neurons.count; i++) {
        NeuronEquations *n = &equations->neurons.items[i];
        vec_free(&n->leaves);
        vec_free(&n->gates);
        vec_free(&n->errors);
        vec_free(&n->output_errors);
        vec_free(&n->drive_errors);
    }
    for (uint32_t i = 0; i < equations->connections.count; i++) {
        vec_free(&equations->connections.items[i].downward);
        vec_free(&equations->connections.items[i].downward_value);
    }
    vec_free(&equations->neurons);
    vec_free(&equations->connections);
    vec_free(&equations->gradients);
}
