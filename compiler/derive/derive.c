// From the energy to equations: lookaheads become variables, the stationarity condition of the principle is solved for
// the membrane, errors travel down the connections, parameters get their gradients (science.md section 4).
#include "equations.h"
#include <stdio.h>
#include <string.h>

typedef struct Derive {
    Model *model;
    ExprStore *store;
    Equations *equations;
    const Principle *principle;
} Derive;

static NeuronEquations *neuron_of(Equations *equations, uint32_t population) {
    for (uint32_t i = 0; i < equations->neurons.count; i++)
        if (equations->neurons.items[i].population == population) return &equations->neurons.items[i];
    return NULL;
}

static Atom printed(Derive *d, Expr expr) {
    Text text = {0};
    expr_print(d->store, expr, EXPR_TEXT, &text);
    Atom atom = arena_atom_z(d->model->arena, text_z(&text));
    text_free(&text);
    return atom;
}

// The symbol of this name: deriving a model twice makes no second one. An array of the user's own would be taken for
// the compiler's.
static Symbol named_symbol(Derive *d, SymbolInfo info, const char *what) {
    Symbol known = symbol_find(d->store, info.name);
    info.derived = true;
    if (!known) return symbol_new(d->store, info);
    const SymbolInfo *have = symbol_info(d->store, known);
    if (have->derived) return known;
    diag_report(d->model->diags, DIAG_E0203, have->span.source ? have->span : info.span,
                "`%s` is a name that the compiler gives to %s: rename this", info.name, what);
    return symbol_new(d->store, info);
}

static Symbol signal_symbol(Derive *d, const Population *p, SymbolRole role, Unit unit, const char *base,
                            const char *suffix, const char *what) {
    SymbolInfo info = {.role = role, .batched = true, .rank = 1, .extent = {p->size}, .unit = unit, .span = p->span};
    info.name = arena_format(d->model->arena, "%s.%s%s", p->name, base, suffix);
    return named_symbol(d, info, what);
}

static Expr own_element(Derive *d, Symbol symbol) { return model_element(d->store, symbol, VERSION_OLD); }

// ---- Leaves: lookaheads become variables ----------------------------------------------------------------------------

static bool is_state_of(const Population *p, Symbol symbol, uint32_t *number) {
    for (uint32_t i = 0; i < p->states.count; i++)
        if (p->states.items[i].symbol == symbol) {
            *number = i;
            return true;
        }
    return false;
}

static bool is_parameter_of(const Population *p, Symbol symbol) {
    for (uint32_t i = 0; i < p->parameters.count; i++)
        if (p->parameters.items[i] == symbol) return true;
    return false;
}

// The name of an array without its owner.
static const char *member_of(Derive *d, const Population *p, Symbol symbol) {
    return symbol_info(d->store, symbol)->name + strlen(p->name) + 1;
}

// What a time constant is called: as the parameter, or by its value. NULL when it is composed.
static Atom leaf_label(Derive *d, const Population *p, Expr tau, Symbol *tau_symbol) {
    ExprNode node = expr_node(d->store, tau);
    *tau_symbol = 0;
    if (node.kind == EXPR_ACCESS && is_parameter_of(p, node.symbol)) {
        *tau_symbol = node.symbol;
        return arena_atom_z(d->model->arena, member_of(d, p, node.symbol));
    }
    if (expr_is_const(d->store, tau, d->model->dt)) return arena_atom_z(d->model->arena, "dt");
    if (node.kind == EXPR_CONST) {
        char text[32];
        return arena_atom_z(d->model->arena, number_format(text, node.value));
    }
    return NULL;
}

static bool label_taken(const NeuronEquations *n, Symbol state, Atom label) {
    for (uint32_t i = 0; i < n->leaves.count; i++)
        if (n->leaves.items[i].label == label && (!state || n->leaves.items[i].state == state)) return true;
    return false;
}

// A name for a time constant without one: t2, t3, … A parameter of that name keeps it, even when its own lookahead
// comes later.
static Atom free_label(Derive *d, const NeuronEquations *n, const Population *p) {
    for (uint32_t k = 2;; k++) {
        Atom label = arena_format(d->model->arena, "t%u", k);
        bool taken = label_taken(n, 0, label);
        for (uint32_t i = 0; i < p->parameters.count; i++)
            taken |= strcmp(member_of(d, p, p->parameters.items[i]), label) == 0;
        if (!taken) return label;
    }
}

static void add_leaf(Derive *d, NeuronEquations *n, const Population *p, Expr node, Symbol state, Expr tau) {
    for (uint32_t i = 0; i < n->leaves.count; i++)
        if (n->leaves.items[i].node == node) return;
    Leaf leaf = {.node = node, .state = state, .tau = tau};
    leaf.label = leaf_label(d, p, tau, &leaf.tau_symbol);
    if (!leaf.label || label_taken(n, state, leaf.label)) leaf.label = free_label(d, n, p);
    Unit unit = symbol_info(d->store, state)->unit;
    Atom name = arena_format(d->model->arena, "%s_ahead.%s", member_of(d, p, state), leaf.label);
    leaf.symbol = signal_symbol(d, p, ROLE_LEAF, unit, name, "", "a lookahead");
    vec_push(&n->leaves, leaf);
}

// An expression as the author of the neuron wrote it: without the population's name and the index of the neuron.
static Atom in_neuron_terms(Derive *d, const NeuronEquations *n, const Population *p, Expr expr) {
    for (uint32_t i = 0; i < n->leaves.count; i++) {
        const Leaf *leaf = &n->leaves.items[i];
        bool plain = expr_is_const(d->store, leaf->tau, d->model->dt);
        expr = expr_replace(d->store, expr, own_element(d, leaf->symbol),
                            plain ? own_element(d, leaf->state) : leaf->node);
    }
    Atom text = printed(d, expr), own = arena_format(d->model->arena, "[%s]", index_info(d->store, p->own)->name);
    char *plain = arena_alloc(d->model->arena, strlen(text) + 1), *end = plain;
    size_t name = strlen(p->name);
    for (const char *c = text; *c;) {
        bool starts = c == text || !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.", c[-1]);
        if (starts && strncmp(c, p->name, name) == 0 && c[name] == '.')
            c += name + 1;
        else if (strncmp(c, own, strlen(own)) == 0)
            c += strlen(own);
        else
            *end++ = *c++;
    }
    *end = 0;
    return plain;
}

typedef struct LeafSearch {
    Derive *derive;
    NeuronEquations *neuron;
    const Population *population;
    Span span; // of the statement
    bool good;
} LeafSearch;

static void report_operator(const LeafSearch *search, Expr expr) {
    Derive *d = search->derive;
    Span where = expr_span(d->store, expr);
    diag_report(d->model->diags, DIAG_E0307, where.source ? where : search->span,
                "`%s` has no causal local adjoint under `%s`",
                in_neuron_terms(d, search->neuron, search->population, expr), d->principle->name);
    diag_expected(d->model->diags, "lookaheads of states, `ahead(u, tau)`, or plain states");
}

static bool find_leaf(const ExprStore *store, Expr expr, void *context) {
    LeafSearch *search = context;
    Derive *d = search->derive;
    const Population *p = search->population;
    ExprNode node = expr_node(store, expr);
    uint32_t number;
    if (node.kind == EXPR_ACCESS && is_state_of(p, node.symbol, &number)) {
        // A plain state is its value after the step: a lookahead by dt.
        Expr dt = expr_const(d->store, d->model->dt);
        add_leaf(d, search->neuron, p, expr_make2(d->store, EXPR_AHEAD, expr, dt), node.symbol, dt);
        return false;
    }
    ExprNode inner = node.kind == EXPR_AHEAD ? expr_node(store, node.argument[0]) : (ExprNode){0};
    if (inner.kind == EXPR_ACCESS && is_state_of(p, inner.symbol, &number)) {
        add_leaf(d, search->neuron, p, expr, inner.symbol, node.argument[1]);
        return false;
    }
    bool acts_in_time = node.kind == EXPR_AHEAD || node.kind == EXPR_LOWPASS || node.kind == EXPR_DELAY ||
                        node.kind == EXPR_RATE || node.kind == EXPR_PREVIOUS;
    if (acts_in_time) {
        report_operator(search, expr);
        search->good = false;
    }
    return !acts_in_time;
}

// Finds the lookaheads of states in `expr`; anything else that acts on a signal in time has no causal local adjoint
// yet.
static bool find_leaves(Derive *d, NeuronEquations *n, const Population *p, Expr expr, Span span) {
    LeafSearch search = {d, n, p, span, true};
    expr_visit(d->store, expr, find_leaf, &search);
    return search.good;
}

typedef struct LeafRule {
    const NeuronEquations *neuron;
    Expr dt;
} LeafRule;

static Expr leaf_rule(ExprStore *store, Expr node, void *context) {
    const LeafRule *rule = context;
    for (uint32_t i = 0; i < rule->neuron->leaves.count; i++)
        if (rule->neuron->leaves.items[i].node == node)
            return model_element(store, rule->neuron->leaves.items[i].symbol, VERSION_OLD);
    return node;
}

// Plain states outside of lookaheads become ahead(u, dt), so that one replacement serves all. Bottom-up rewriting would
// also reach the state inside ahead(u, tau), so lookaheads are replaced first.
static Expr over_leaves(Derive *d, const NeuronEquations *n, Expr expr) {
    Expr result = expr_rewrite(d->store, expr, leaf_rule, &(LeafRule){.neuron = n});
    for (uint32_t i = 0; i < n->leaves.count; i++) {
        const Leaf *leaf = &n->leaves.items[i];
        if (expr_is_const(d->store, leaf->tau, d->model->dt))
            result = expr_replace(d->store, result, own_element(d, leaf->state), own_element(d, leaf->symbol));
    }
    return result;
}

// ---- The neuron: solve the stationarity condition for the membrane --------------------------------------------------

static bool reads_drive(Derive *d, const Population *p, Expr expr) {
    for (uint32_t i = 0; i < p->ports.count; i++)
        if (expr_reads(d->store, expr, p->ports.items[i].symbol)) return true;
    return false;
}

// The terms of the energy that carry the input, and the rest.
static void split_energy(Derive *d, const Population *p, Expr energy, Expr *driven, Expr *rest) {
    ExprNode node = expr_node(d->store, energy);
    const Expr *terms = node.kind == EXPR_ADD ? node.argument : &energy;
    uint32_t count = node.kind == EXPR_ADD ? node.count : 1;
    *driven = *rest = expr_const(d->store, 0);
    for (uint32_t i = 0; i < count; i++) {
        Expr *part = reads_drive(d, p, terms[i]) ? driven : rest;
        *part = expr_add(d->store, *part, terms[i]);
    }
}

static bool is_zero(Derive *d, Expr expr) { return expr_is_const(d->store, expr, 0); }

static Atom leaf_text(Derive *d, const NeuronEquations *n, const Population *p, uint32_t leaf) {
    return in_neuron_terms(d, n, p, own_element(d, n->leaves.items[leaf].symbol));
}

// The leaf whose derivative knows the input: d2E/dX dI is not zero. A second one, as X_r in (X_m - I - c*X_r)^2, would
// follow from the solution within the same step, and the error from itself.
static bool find_solved(Derive *d, NeuronEquations *n, const Population *p, Expr driven) {
    uint32_t found = 0;
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        Expr by_leaf = expr_partial(d->store, driven, own_element(d, n->leaves.items[k].symbol));
        bool carries = false;
        for (uint32_t i = 0; i < p->ports.count; i++)
            carries |= !is_zero(d, expr_partial(d->store, by_leaf, own_element(d, p->ports.items[i].symbol)));
        if (!carries) continue;
        if (found++) {
            diag_report(d->model->diags, DIAG_E0303, p->energy_span,
                        "in `%s`, both `%s` and `%s` stand together with the input", p->neuron->name,
                        leaf_text(d, n, p, n->solved), leaf_text(d, n, p, k));
            diag_expected(d->model->diags, "one lookahead that carries the input");
            return false;
        }
        n->solved = k;
    }
    if (found) return true;
    diag_report(d->model->diags, DIAG_E0301, p->energy_span, "no lookahead in the energy of `%s` carries an input",
                p->neuron->name);
    diag_expected(d->model->diags, "a mismatch between a lookahead and an input, as in `1/2*(ahead(u, tau_m) - I)^2`");
    return false;
}

// p with A(p) = error: A = alpha*p + beta, so p = (error - beta)/alpha, term by term so that equal terms can cancel.
static Expr solve(Derive *d, Expr alpha, Expr beta, Expr error) {
    ExprStore *s = d->store;
    ExprNode node = expr_node(s, beta);
    const Expr *terms = node.kind == EXPR_ADD ? node.argument : &beta;
    uint32_t count = node.kind == EXPR_ADD ? node.count : 1;
    Expr result = expr_div(s, error, alpha);
    for (uint32_t i = 0; i < count; i++) result = expr_sub(s, result, expr_div(s, terms[i], alpha));
    return result;
}

static void report_unsolvable(Derive *d, const NeuronEquations *n, const Population *p, bool independent) {
    Diagnostics *diags = d->model->diags;
    Atom leaf = leaf_text(d, n, p, n->solved);
    diag_report(diags, DIAG_E0302, p->energy_span, "the membrane equation of `%s` has no closed solution for `%s`",
                p->neuron->name, leaf);
    diag_expected(diags, "an energy that is quadratic in `%s`, as in `1/2*(%s - %s)^2`", leaf, leaf,
                  p->ports.items[0].member);
    diag_note(diags, (Span){0}, "the derivative of the energy by `%s` is `%s`, which %s", leaf,
              in_neuron_terms(d, n, p, n->mismatch), independent ? "does not depend on it" : "is not linear in it");
}

typedef struct StopSearch {
    Expr leaf;
    bool found;
} StopSearch;

static bool stops_leaf(const ExprStore *store, Expr expr, void *context) {
    StopSearch *search = context;
    ExprNode node = expr_node(store, expr);
    search->found |= node.kind == EXPR_STOP && expr_contains(store, node.argument[0], search->leaf);
    return !search->found && expr_has_kind(store, expr, EXPR_STOP);
}

// What stands in the way of a solution although the derivative is linear in the leaf: the leaf itself inside
// constant(…), which no derivative sees, or another lookahead, which follows from the solution.
static bool is_entangled(Derive *d, const NeuronEquations *n, const Population *p) {
    Diagnostics *diags = d->model->diags;
    Atom text = leaf_text(d, n, p, n->solved);
    StopSearch search = {.leaf = own_element(d, n->leaves.items[n->solved].symbol)};
    expr_visit(d->store, n->mismatch, stops_leaf, &search);
    if (search.found) {
        diag_report(diags, DIAG_E0302, p->energy_span, "the membrane equation of `%s` has no closed solution for `%s`",
                    p->neuron->name, text);
        diag_expected(diags, "no `constant(…)` of `%s` beside the input", text);
        diag_note(diags, (Span){0}, "the derivative of the energy by `%s` is `%s`", text,
                  in_neuron_terms(d, n, p, n->mismatch));
        return true;
    }
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        if (k == n->solved || !expr_reads(d->store, n->mismatch, n->leaves.items[k].symbol)) continue;
        diag_report(diags, DIAG_E0303, p->energy_span, "in `%s`, both `%s` and `%s` stand together with the input",
                    p->neuron->name, text, leaf_text(d, n, p, k));
        diag_expected(diags, "one lookahead that carries the input");
        return true;
    }
    return false;
}

static bool solve_membrane(Derive *d, NeuronEquations *n, const Population *p, Expr driven) {
    ExprStore *s = d->store;
    Expr leaf = own_element(d, n->leaves.items[n->solved].symbol);
    n->mismatch = expr_partial(s, driven, leaf);
    Expr alpha = expr_partial(s, n->mismatch, leaf);
    if (is_zero(d, alpha) || expr_contains(s, alpha, leaf) || reads_drive(d, p, alpha)) {
        report_unsolvable(d, n, p, is_zero(d, alpha));
        return false;
    }
    if (is_entangled(d, n, p)) return false;
    Expr beta = expr_replace(s, n->mismatch, leaf, expr_const(s, 0));
    Expr error = own_element(d, n->error);
    n->judged = solve(d, alpha, beta, error);
    n->membrane = solve(d, alpha, beta, expr_mul(s, expr_const(s, p->gamma), error));
    for (uint32_t i = 0; i < p->ports.count; i++) {
        Expr by_drive = expr_partial(s, n->energy, own_element(d, p->ports.items[i].symbol));
        vec_push(&n->drive_errors, expr_neg(s, expr_replace(s, by_drive, leaf, n->judged)));
    }
    return true;
}

static void make_gates(Derive *d, NeuronEquations *n, const Population *p) {
    for (uint32_t o = 0; o < p->outputs.count; o++) {
        uint32_t live = 0;
        for (uint32_t k = 0; k < n->leaves.count; k++)
            live += !is_zero(d, expr_partial(d->store, n->value[o], own_element(d, n->leaves.items[k].symbol)));
        for (uint32_t k = 0; k < n->leaves.count; k++) {
            Gate gate = {.output = o, .leaf = k, .trivial = !p->outputs.items[o].gated};
            gate.value = expr_partial(d->store, n->value[o], own_element(d, n->leaves.items[k].symbol));
            if (is_zero(d, gate.value)) continue;
            Atom name = live > 1 ? arena_format(d->model->arena, "%s_gate.%s", p->outputs.items[o].member,
                                                n->leaves.items[k].label)
                                 : arena_format(d->model->arena, "%s_gate", p->outputs.items[o].member);
            if (!gate.trivial) gate.symbol = signal_symbol(d, p, ROLE_REGISTER, UNIT_NONE, name, "", "a gate");
            vec_push(&n->gates, gate);
        }
    }
}

static bool all_states_move(Derive *d, const NeuronEquations *n, const Population *p) {
    for (uint32_t i = 0; i < p->states.count; i++) {
        if (i == n->state_number) continue;
        diag_report(d->model->diags, DIAG_E0301, p->states.items[i].span, "nothing moves the state `%s` of `%s`",
                    p->states.items[i].member, p->neuron->name);
        diag_expected(d->model->diags, "one state per neuron: the one whose lookahead stands together with the input");
        diag_note(d->model->diags, p->energy_span, "this energy moves `%s`", p->states.items[n->state_number].member);
        return false;
    }
    return true;
}

// What can be said before the energy is looked at.
static bool is_derivable(Derive *d, const Population *p) {
    Diagnostics *diags = d->model->diags;
    if (!p->energy) {
        diag_report(diags, DIAG_E0301, p->span, "neuron `%s` of population `%s` has no energy", p->neuron->name,
                    p->name);
        diag_help(diags, "add `energy 1/2 * (ahead(u, tau_m) - I)^2`");
        diag_note(diags, p->neuron->name_span, "the neuron is declared here");
        return false;
    }
    if (p->outputs.count <= EXPR_MAX_OUTPUTS) return true;
    diag_report(diags, DIAG_E0212, p->span, "more than %d outputs of one neuron", EXPR_MAX_OUTPUTS);
    return false;
}

static bool find_all_leaves(Derive *d, NeuronEquations *n, const Population *p) {
    bool good = find_leaves(d, n, p, p->energy, p->energy_span);
    for (uint32_t o = 0; o < p->outputs.count; o++) {
        const Output *output = &p->outputs.items[o];
        if (!output->value) return false;
        good &= find_leaves(d, n, p, output->value, output->span);
        if (!reads_drive(d, p, output->value)) continue;
        diag_report(d->model->diags, DIAG_E0307, output->span, "output `%s` reads an input directly", output->member);
        diag_expected(d->model->diags, "a function of lookaheads of states");
        good = false;
    }
    if (n->leaves.count <= EXPR_MAX_LEAVES) return good;
    diag_report(d->model->diags, DIAG_E0212, p->span, "more than %d lookaheads of one neuron", EXPR_MAX_LEAVES);
    return false;
}

static bool derive_membrane(Derive *d, NeuronEquations *n, const Population *p) {
    Expr driven, rest;
    n->energy = over_leaves(d, n, p->energy);
    for (uint32_t o = 0; o < p->outputs.count; o++) n->value[o] = over_leaves(d, n, p->outputs.items[o].value);
    split_energy(d, p, n->energy, &driven, &rest);
    if (!find_solved(d, n, p, driven)) return false;
    n->state = n->leaves.items[n->solved].state;
    if (!is_state_of(p, n->state, &n->state_number)) return false;
    Unit unit = symbol_info(d->store, n->state)->unit, per_time = unit_power(d->model->time_unit, -1);
    n->error = signal_symbol(d, p, ROLE_REGISTER, unit, "error", "", "the error");
    n->rate = signal_symbol(d, p, ROLE_REGISTER, unit_multiply(unit, per_time), p->states.items[n->state_number].member,
                            "_rate", "the rate of change of a state");
    return solve_membrane(d, n, p, driven);
}

static bool derive_neuron(Derive *d, uint32_t number) {
    const Population *p = &d->model->populations.items[number];
    NeuronEquations n = {.population = number};
    if (!is_derivable(d, p)) return false;
    bool good = find_all_leaves(d, &n, p) && derive_membrane(d, &n, p);
    if (good) {
        make_gates(d, &n, p);
        good = all_states_move(d, &n, p);
    }
    vec_push(&d->equations->neurons, n);
    return good;
}

// ---- Who has an error: whatever reaches a cost ----------------------------------------------------------------------

static Expr cost_derivative(Derive *d, const Population *p, Symbol output) {
    if (!d->model->cost) return expr_const(d->store, 0);
    Expr at = expr_index(d->store, p->own);
    return expr_derivative(d->store, d->model->cost, output, &at, 1);
}

// An expression with the solved lookahead replaced so that the mismatch is the error. Only for what contains the
// mismatch: the terms of the energy that carry the input.
static Expr at_judged(Derive *d, const NeuronEquations *n, Expr expr) {
    return expr_replace(d->store, expr, own_element(d, n->leaves.items[n->solved].symbol), n->judged);
}

// dE/dX of a leaf from the neuron's own energy, apart from the solved mismatch; evaluated where gradients are.
static Expr own_force(Derive *d, const NeuronEquations *n, const Population *p, uint32_t k) {
    Expr leaf = own_element(d, n->leaves.items[k].symbol), driven, rest;
    split_energy(d, p, n->energy, &driven, &rest);
    Expr force = expr_partial(d->store, rest, leaf);
    if (k == n->solved) return force;
    return expr_add(d->store, force, at_judged(d, n, expr_partial(d->store, driven, leaf)));
}

static bool wants_error(Derive *d, NeuronEquations *n) {
    const Population *p = &d->model->populations.items[n->population];
    if (n->has_error) return false;
    for (uint32_t o = 0; o < p->outputs.count; o++)
        if (!is_zero(d, cost_derivative(d, p, p->outputs.items[o].symbol))) return true;
    for (uint32_t k = 0; k < n->leaves.count; k++)
        if (!is_zero(d, own_force(d, n, p, k))) return true;
    for (uint32_t c = 0; c < d->model->connections.count; c++) {
        const Connection *connection = &d->model->connections.items[c];
        if (connection->from_external || connection->source != n->population) continue;
        const NeuronEquations *target = neuron_of(d->equations, connection->target);
        if (target && target->has_error && connection->messages.count) return true;
    }
    return false;
}

static void spread_errors(Derive *d) {
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < d->equations->neurons.count; i++)
            if (wants_error(d, &d->equations->neurons.items[i]))
                d->equations->neurons.items[i].has_error = changed = true;
    }
}

// ---- Errors down the connections ------------------------------------------------------------------------------------

// Differentiates at fresh indices first, since an index of the expression, or the one that it is summed over, may be
// the very one of the axes.
typedef struct FreshAxes {
    uint32_t rank;
    Expr own[EXPR_MAX_RANK], fresh[EXPR_MAX_RANK];
} FreshAxes;

static FreshAxes fresh_axes(Derive *d, Symbol symbol) {
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

static Expr at_own_axes(Derive *d, const FreshAxes *axes, Expr expr) {
    for (uint32_t i = 0; i < axes->rank; i++)
        expr = expr_substitute_index(d->store, expr, axes->fresh[i], axes->own[i]);
    return expr;
}

// sum over the target's neurons of (what the current sees of the error) * d current / d symbol[at canonical axes].
static Expr pull_back(Derive *d, const Connection *c, Symbol symbol) {
    ExprStore *s = d->store;
    const Population *target = &d->model->populations.items[c->target];
    const NeuronEquations *n = neuron_of(d->equations, c->target);
    FreshAxes axes = fresh_axes(d, symbol);
    Expr by = expr_derivative(s, c->current, symbol, axes.fresh, axes.rank);
    Expr result = expr_sum(s, target->own, expr_mul(s, n->drive_errors.items[c->port], by));
    result = at_own_axes(d, &axes, result);
    expr_set_span(s, result, c->span);
    return result;
}

// Errors travel back along outputs only.
static void check_source_states(Derive *d, const Connection *c) {
    const Population *source = &d->model->populations.items[c->source];
    for (uint32_t i = 0; i < source->states.count; i++) {
        if (!expr_reads(d->store, c->current, source->states.items[i].symbol)) continue;
        Span where = expr_span(d->store, c->current);
        diag_report(d->model->diags, DIAG_E0307, where.source ? where : c->span,
                    "`%s` reads the state `%s` of `%s`, along which no error can travel back", c->name,
                    source->states.items[i].member, source->name);
        diag_expected(d->model->diags, "an output of the neuron: add `output %s_now = %s` and read that",
                      source->states.items[i].member, source->states.items[i].member);
    }
}

static void derive_connection(Derive *d, uint32_t number) {
    const Connection *c = &d->model->connections.items[number];
    const NeuronEquations *target = neuron_of(d->equations, c->target);
    ConnectionEquations ce = {.connection = number};
    ce.carries_error = target && target->has_error && !c->from_external && neuron_of(d->equations, c->source);
    if (ce.carries_error) check_source_states(d, c);
    for (uint32_t m = 0; ce.carries_error && m < c->messages.count; m++) {
        SymbolInfo message = *symbol_info(d->store, c->messages.items[m]);
        SymbolInfo info = message;
        const char *member = message.name + strlen(d->model->populations.items[c->source].name) + 1;
        info.name = c->messages.count > 1 ? arena_format(d->model->arena, "%s.error_down.%s", c->name, member)
                                          : arena_format(d->model->arena, "%s.error_down", c->name);
        info.role = ROLE_REGISTER;
        info.span = c->span;
        vec_push(&ce.downward, named_symbol(d, info, "a downward error"));
        vec_push(&ce.downward_value, pull_back(d, c, c->messages.items[m]));
    }
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

static void derive_errors(Derive *d, NeuronEquations *n) {
    const Population *p = &d->model->populations.items[n->population];
    if (!n->has_error) return;
    Unit unit = symbol_info(d->store, n->state)->unit;
    for (uint32_t o = 0; o < p->outputs.count; o++) {
        Expr cost = cost_derivative(d, p, p->outputs.items[o].symbol);
        if (is_zero(d, cost) && !output_is_read(d, n, o)) continue;
        Symbol symbol =
            signal_symbol(d, p, ROLE_SIGNAL, UNIT_NONE, p->outputs.items[o].member, "_error", "the error of an output");
        vec_push(&n->output_errors, (OutputError){.output = o, .symbol = symbol, .cost = is_zero(d, cost) ? 0 : cost});
    }
    uint32_t live = 0;
    bool wanted[EXPR_MAX_LEAVES] = {0};
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        wanted[k] = !is_zero(d, own_force(d, n, p, k));
        for (uint32_t g = 0; g < n->gates.count; g++)
            for (uint32_t e = 0; e < n->output_errors.count; e++)
                wanted[k] |=
                    n->gates.items[g].leaf == k && n->gates.items[g].output == n->output_errors.items[e].output;
        live += wanted[k];
    }
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        if (!wanted[k]) continue;
        const char *label = live > 1 ? arena_format(d->model->arena, ".%s", n->leaves.items[k].label) : "";
        ErrorInput in = {.leaf = k, .own = own_force(d, n, p, k)};
        if (is_zero(d, in.own)) in.own = 0;
        in.symbol = signal_symbol(d, p, ROLE_SIGNAL, unit, "error_in", label, "an unfiltered error");
        Expr g = own_element(d, in.symbol);
        in.filtered = through_filters(d, n, k, g);
        if (in.filtered != g)
            in.state = signal_symbol(d, p, ROLE_STATE, unit, "error_state", label, "the state of an error");
        vec_push(&n->errors, in);
    }
}

// ---- Gradients ------------------------------------------------------------------------------------------------------

// Where a weight or parameter stands outside of neurons: in currents, each of which pulls an error back, and in costs.
static Expr outer_gradient(Derive *d, Symbol symbol) {
    Expr result = expr_const(d->store, 0);
    for (uint32_t c = 0; c < d->model->connections.count; c++) {
        const Connection *connection = &d->model->connections.items[c];
        const NeuronEquations *target = neuron_of(d->equations, connection->target);
        if (!connection->current || !expr_reads(d->store, connection->current, symbol) || !target || !target->has_error)
            continue;
        result = expr_sub(d->store, result, pull_back(d, connection, symbol));
    }
    if (!d->model->cost || !expr_reads(d->store, d->model->cost, symbol)) return result;
    FreshAxes axes = fresh_axes(d, symbol);
    Expr by = at_own_axes(d, &axes, expr_derivative(d->store, d->model->cost, symbol, axes.fresh, axes.rank));
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
    Expr rate = own_element(d, n->rate), then = expr_make1(s, EXPR_PREVIOUS, rate), result = expr_const(s, 0);
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        Expr by_tau = expr_partial(s, n->leaves.items[k].tau, variable);
        if (is_zero(d, by_tau)) continue;
        if (k == n->solved)
            result = expr_add(s, result, expr_mul_n(s, (Expr[]){by_tau, own_element(d, n->error), rate}, 3));
        for (uint32_t e = 0; e < n->errors.count; e++)
            if (n->errors.items[e].leaf == k)
                result = expr_sub(s, result,
                                  expr_mul_n(s, (Expr[]){by_tau, own_element(d, n->errors.items[e].symbol), then}, 3));
    }
    return result;
}

// Through the neuron's own energy: where it carries the input, the mismatch is the error, or nothing where no error
// arrives; the other terms are judged as the outputs are.
static Expr energy_gradient(Derive *d, NeuronEquations *n, const Population *p, Expr variable) {
    ExprStore *s = d->store;
    Expr driven, rest;
    split_energy(d, p, n->energy, &driven, &rest);
    Expr by_driven = at_judged(d, n, expr_partial(s, driven, variable));
    if (!n->has_error) by_driven = expr_replace(s, by_driven, own_element(d, n->error), expr_const(s, 0));
    Expr own = expr_add(s, by_driven, under_judgement(d, n, expr_partial(s, rest, variable)));
    expr_set_span(s, own, p->energy_span);
    return own;
}

// dE/d(parameter) of a neuron's parameter.
static Expr parameter_gradient(Derive *d, NeuronEquations *n, Symbol parameter) {
    ExprStore *s = d->store;
    const Population *p = &d->model->populations.items[n->population];
    Expr variable = own_element(d, parameter);
    Expr result = expr_add(s, outer_gradient(d, parameter), energy_gradient(d, n, p, variable));
    if (!n->has_error) return result;
    result = expr_add(s, result, time_gradient(d, n, variable));
    for (uint32_t e = 0; e < n->output_errors.count; e++) {
        Expr by = expr_partial(s, n->value[n->output_errors.items[e].output], variable);
        Expr error = own_element(d, n->output_errors.items[e].symbol);
        result = expr_sub(s, result, expr_mul(s, error, under_judgement(d, n, by)));
    }
    return result;
}

static void derive_gradients(Derive *d) {
    Model *m = d->model;
    for (uint32_t r = 0; r < m->learn.count; r++)
        for (uint32_t t = 0; t < m->learn.items[r].targets.count; t++) {
            Symbol target = m->learn.items[r].targets.items[t];
            Expr value = expr_const(d->store, 0);
            if (symbol_info(d->store, target)->role == ROLE_WEIGHT) value = outer_gradient(d, target);
            for (uint32_t i = 0; i < d->equations->neurons.count; i++) {
                const Population *p = &m->populations.items[d->equations->neurons.items[i].population];
                for (uint32_t k = 0; k < p->parameters.count; k++)
                    if (p->parameters.items[k] == target)
                        value = parameter_gradient(d, &d->equations->neurons.items[i], target);
            }
            if (is_zero(d, value)) {
                diag_report(m->diags, DIAG_E0306, m->learn.items[r].span, "`%s` has no gradient: no cost depends on it",
                            symbol_info(d->store, target)->name);
                diag_expected(m->diags, m->cost ? "a path from it through connections to an output that the cost reads"
                                                : "a `cost` in the network");
            }
            Symbol gradient = t < m->learn.items[r].gradients.count ? m->learn.items[r].gradients.items[t] : 0;
            vec_push(&d->equations->gradients, (Gradient){target, gradient, value, m->learn.items[r].span});
        }
}

// ---- Time constants -------------------------------------------------------------------------------------------------

// The known values of a time constant: one for all neurons, or one per neuron. `count` is 0 when it is drawn, loaded or
// composed.
typedef struct TauValues {
    const Array *array; // NULL: `value`
    double value;
    uint32_t count;
} TauValues;

static TauValues tau_values(Derive *d, const Leaf *leaf) {
    TauValues known = {.count = 1};
    if (expr_get_const(d->store, leaf->tau, &known.value)) return known;
    known.array = leaf->tau_symbol ? model_array(d->model, leaf->tau_symbol) : NULL;
    bool constant = known.array && known.array->initial.kind == INITIAL_CONSTANT;
    known.count = constant ? known.array->initial.count : 0;
    return known;
}

static double tau_value(const TauValues *known, uint32_t i) {
    const Array *array = known->array;
    double value = array ? array->initial.values[known->count == 1 ? 0 : i] : known->value;
    if (!array || !array->clamped) return value;
    return value < array->low ? array->low : value > array->high ? array->high : value;
}

static const Array *drawn(Derive *d, const Leaf *leaf) {
    const Array *array = leaf->tau_symbol ? model_array(d->model, leaf->tau_symbol) : NULL;
    bool draw = array && (array->initial.kind == INITIAL_UNIFORM || array->initial.kind == INITIAL_NORMAL ||
                          array->initial.kind == INITIAL_UNIFORM_INT);
    return draw ? array : NULL;
}

// Where the time constant was given: the argument, if it is a parameter of the neuron.
static Span tau_place(Derive *d, const Leaf *leaf, const Population *p) {
    Span span = leaf->tau_symbol ? symbol_info(d->store, leaf->tau_symbol)->span : p->span;
    return span.source ? span : p->span;
}

static void report_short(Derive *d, const Population *p, const Leaf *leaf, bool solved, double tau) {
    char first[32], second[32];
    diag_report(d->model->diags, DIAG_E0308, tau_place(d, leaf, p), "`%s` of `%s` %s %s, smaller than the time step %s",
                leaf->label, p->name, drawn(d, leaf) ? "may be drawn as small as" : "is", number_format(first, tau),
                number_format(second, d->model->dt));
    diag_expected(d->model->diags, "a time constant of at least `dt`");
    if (drawn(d, leaf))
        diag_help(d->model->diags, "raise the lower end, or bound it: `learn …, clamp %s .. 100`",
                  number_format(first, d->model->dt));
    else if (!solved)
        diag_help(d->model->diags, "no lookahead at all is a time constant of `dt`");
}

static void report_unequal(Derive *d, const Population *p, const char *how) {
    diag_report(d->model->diags, DIAG_E0304, d->model->principle_span, "`le` needs equal time constants, but %s", how);
    diag_note(d->model->diags, p->span, "the population is declared here");
    diag_help(d->model->diags, "use `dynamics gle(…)`, or `instant` for errors without filters");
}

// Time constants that are drawn: none may fall below the time step, and two draws are not equal.
static bool check_drawn(Derive *d, const Population *p, const Leaf *solved, const Leaf *leaf) {
    const Array *array = drawn(d, leaf);
    bool other = d->principle->equal_times && leaf->tau != solved->tau && (array || drawn(d, solved));
    if (other) {
        report_unequal(
            d, p,
            arena_format(d->model->arena, "in `%s`, %s or %s is drawn at random", p->name, solved->label, leaf->label));
        return false;
    }
    if (!array || array->initial.kind == INITIAL_NORMAL) return true;
    double low = array->initial.a * (array->initial.kind == INITIAL_UNIFORM_INT ? array->initial.scale : 1);
    if (array->clamped && array->low > low) low = array->low;
    if (low >= d->model->dt * (1 - 1e-12)) return true;
    report_short(d, p, leaf, leaf == solved, low);
    return false;
}

// One time constant, and whether it equals the solved one where it must.
static bool check_time(Derive *d, const Population *p, const Leaf *solved, const Leaf *leaf) {
    TauValues own = tau_values(d, leaf), other = tau_values(d, solved);
    bool compared = d->principle->equal_times && leaf->tau != solved->tau && other.count;
    uint32_t count = compared && own.count && other.count > own.count ? other.count : own.count;
    char first[32], second[32];
    for (uint32_t i = 0; i < count && i < p->size; i++) {
        double tau = tau_value(&own, i);
        if (tau < d->model->dt * (1 - 1e-12)) {
            report_short(d, p, leaf, leaf == solved, tau);
            return false;
        }
        double tau_m = compared ? tau_value(&other, i) : tau;
        if (tau == tau_m) continue;
        report_unequal(d, p,
                       arena_format(d->model->arena, "neuron %u of `%s` has %s = %s and %s = %s", i, p->name,
                                    solved->label, number_format(first, tau_m), leaf->label,
                                    number_format(second, tau)));
        return false;
    }
    return true;
}

static void check_times(Derive *d, const NeuronEquations *n) {
    const Population *p = &d->model->populations.items[n->population];
    const Leaf *solved = &n->leaves.items[n->solved];
    bool good = true;
    for (uint32_t k = 0; good && k < n->leaves.count; k++)
        good = check_drawn(d, p, solved, &n->leaves.items[k]) && check_time(d, p, solved, &n->leaves.items[k]);
}

// ---- Operators on signals -------------------------------------------------------------------------------------------

// Currents and costs see messages as they are: what acts on a signal in time belongs into the neuron that sends it.
static bool is_instantaneous(Derive *d, Expr expr, Span span, const char *what) {
    static const ExprKind operators[] = {EXPR_AHEAD, EXPR_LOWPASS, EXPR_DELAY, EXPR_RATE, EXPR_PREVIOUS};
    for (size_t k = 0; expr && k < sizeof operators / sizeof *operators; k++) {
        if (!expr_has_kind(d->store, expr, operators[k])) continue;
        diag_report(d->model->diags, DIAG_E0307, span, "`%s` acts on a signal in time in %s", printed(d, expr), what);
        diag_expected(d->model->diags, "outputs as they are; lookaheads belong into the neuron that sends them");
        return false;
    }
    return true;
}

// Errors enter through outputs only.
static bool cost_reads_no_state(Derive *d) {
    const Model *m = d->model;
    for (uint32_t i = 0; m->cost && i < m->populations.count; i++) {
        const Population *p = &m->populations.items[i];
        for (uint32_t k = 0; k < p->states.count; k++) {
            const State *state = &p->states.items[k];
            if (!expr_reads(d->store, m->cost, state->symbol)) continue;
            diag_report(m->diags, DIAG_E0307, m->cost_span,
                        "a cost reads the state `%s.%s`, through which no error can enter", p->name, state->member);
            diag_expected(m->diags, "an output of the neuron: add `output %s_now = %s` and read that", state->member,
                          state->member);
            return false;
        }
    }
    return true;
}

static bool check_signals(Derive *d) {
    const Model *m = d->model;
    bool good = is_instantaneous(d, m->cost, m->cost_span, "a cost") && cost_reads_no_state(d);
    for (uint32_t c = 0; c < m->connections.count; c++)
        good &= is_instantaneous(d, m->connections.items[c].current, m->connections.items[c].span, "a current");
    return good;
}

// ---- The pass -------------------------------------------------------------------------------------------------------

Equations *equations_derive(Model *model) {
    Equations *equations = arena_new_object(model->arena, Equations);
    *equations = (Equations){.model = model};
    Derive d = {model, model->store, equations, principle_find(model->principle)};
    bool good = true;
    for (uint32_t i = 0; i < model->populations.count; i++) good &= derive_neuron(&d, i);
    good &= check_signals(&d);
    if (good) {
        for (uint32_t i = 0; i < equations->neurons.count; i++) check_times(&d, &equations->neurons.items[i]);
        spread_errors(&d);
        for (uint32_t c = 0; c < model->connections.count; c++) derive_connection(&d, c);
        for (uint32_t i = 0; i < equations->neurons.count; i++) derive_errors(&d, &equations->neurons.items[i]);
        if (!diag_error_count(model->diags)) derive_gradients(&d);
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
