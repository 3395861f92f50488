// One neuron: its lookaheads become variables, and the stationarity condition is solved for the membrane.
#include "derive.h"
#include <string.h>

// ---- Leaves: lookaheads become variables ----------------------------------------------------------------------------

static bool is_state_of(const Population *p, Symbol symbol, uint32_t *number) {
    for (uint32_t i = 0; i < p->states.count; i++)
        if (p->states.items[i].symbol == symbol && !p->states.items[i].moved) {
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
const char *derive_member(Derive *d, const Population *p, Symbol symbol) {
    return symbol_info(d->store, symbol)->name + strlen(p->name) + 1;
}

// What a time constant is called: as the parameter, or by its value. NULL when it is composed.
Atom derive_leaf_label(Derive *d, const Population *p, Expr tau, Symbol *tau_symbol) {
    ExprNode node = expr_node(d->store, tau);
    *tau_symbol = 0;
    if (node.kind == EXPR_ACCESS && is_parameter_of(p, node.symbol)) {
        *tau_symbol = node.symbol;
        return arena_atom_z(d->model->arena, derive_member(d, p, node.symbol));
    }
    if (expr_is_const(d->store, tau, d->model->dt)) return arena_atom_z(d->model->arena, "dt");
    if (node.kind == EXPR_CONST) {
        char text[32];
        return arena_atom_z(d->model->arena, number_format(text, node.value));
    }
    return NULL;
}

bool derive_label_taken(const NeuronEquations *n, Symbol state, Atom label) {
    for (uint32_t i = 0; i < n->leaves.count; i++)
        if (n->leaves.items[i].label == label && (!state || n->leaves.items[i].state == state)) return true;
    return false;
}

// A name for a time constant without one: t2, t3, … A parameter of that name keeps it, even when its own lookahead
// comes later.
Atom derive_free_label(Derive *d, const NeuronEquations *n, const Population *p) {
    for (uint32_t k = 2;; k++) {
        Atom label = arena_format(d->model->arena, "t%u", k);
        bool taken = derive_label_taken(n, 0, label);
        for (uint32_t i = 0; i < p->parameters.count; i++)
            taken |= strcmp(derive_member(d, p, p->parameters.items[i]), label) == 0;
        if (!taken) return label;
    }
}

static void add_leaf(Derive *d, NeuronEquations *n, const Population *p, Expr node, Symbol state, Expr tau) {
    for (uint32_t i = 0; i < n->leaves.count; i++)
        if (n->leaves.items[i].node == node) return;
    Leaf leaf = {.node = node, .state = state, .tau = tau};
    leaf.label = derive_leaf_label(d, p, tau, &leaf.tau_symbol);
    if (!leaf.label || derive_label_taken(n, state, leaf.label)) leaf.label = derive_free_label(d, n, p);
    Unit unit = symbol_info(d->store, state)->unit;
    Atom name = arena_format(d->model->arena, "%s_ahead.%s", derive_member(d, p, state), leaf.label);
    leaf.symbol = derive_signal(d, p, ROLE_LEAF, unit, name, "", "a lookahead");
    vec_push(&n->leaves, leaf);
}

// An expression as the author of the neuron wrote it: without the population's name and the index of the neuron.
static Atom in_neuron_terms(Derive *d, const NeuronEquations *n, const Population *p, Expr expr) {
    for (uint32_t i = 0; i < n->leaves.count; i++) {
        const Leaf *leaf = &n->leaves.items[i];
        bool plain = leaf->kind == LEAF_AHEAD && expr_is_const(d->store, leaf->tau, d->model->dt);
        expr = expr_replace(d->store, expr, derive_element(d, leaf->symbol),
                            plain ? derive_element(d, leaf->state) : leaf->node);
    }
    Atom text = derive_printed(d, expr),
         own = arena_format(d->model->arena, "[%s]", index_info(d->store, p->own)->name);
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
    Span span;   // of the statement
    bool across; // it is sent to other neurons
    bool good;
} LeafSearch;

static void report_operator(const LeafSearch *search, Expr expr) {
    Derive *d = search->derive;
    Span where = expr_span(d->store, expr);
    diag_report(d->model->diags, DIAG_E0307, where.source ? where : search->span,
                "`%s` has no causal local adjoint under `%s`",
                in_neuron_terms(d, search->neuron, search->population, expr), d->principle->name);
    diag_expected(d->model->diags, "lookaheads of states, `ahead(u, tau)`, plain states, `lowpass(x, tau)`, "
                                   "`previous(x)` or `delay(x, T)`");
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
    if (node.kind == EXPR_LOWPASS || node.kind == EXPR_PREVIOUS || node.kind == EXPR_DELAY) {
        expr_visit(store, node.argument[0], find_leaf, search);
        if (search->good) search->good = derive_add_memory(d, search->neuron, p, expr, search->across);
        return false;
    }
    bool acts_in_time = node.kind == EXPR_AHEAD || node.kind == EXPR_RATE;
    if (acts_in_time) {
        report_operator(search, expr);
        search->good = false;
    }
    return !acts_in_time;
}

// Finds the lookaheads of states in `expr`; anything else that acts on a signal in time has no causal local adjoint
// yet.
static bool find_leaves(Derive *d, NeuronEquations *n, const Population *p, Expr expr, Span span, bool across) {
    LeafSearch search = {d, n, p, span, across, true};
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
        if (rule->neuron->leaves.items[i].kind == LEAF_AHEAD && rule->neuron->leaves.items[i].node == node)
            return model_element(store, rule->neuron->leaves.items[i].symbol, VERSION_OLD);
    return node;
}

// Plain states outside of lookaheads become ahead(u, dt), so that one replacement serves all. Bottom-up rewriting would
// also reach the state inside ahead(u, tau), so lookaheads are replaced first; what remembers them comes last.
Expr derive_over_leaves(Derive *d, const NeuronEquations *n, Expr expr, bool across) {
    Expr result = expr_rewrite(d->store, expr, leaf_rule, &(LeafRule){.neuron = n});
    for (uint32_t i = 0; i < n->leaves.count; i++) {
        const Leaf *leaf = &n->leaves.items[i];
        if (leaf->kind == LEAF_AHEAD && expr_is_const(d->store, leaf->tau, d->model->dt))
            result = expr_replace(d->store, result, derive_element(d, leaf->state), derive_element(d, leaf->symbol));
    }
    for (uint32_t i = 0; i < n->leaves.count; i++) {
        const Leaf *leaf = &n->leaves.items[i];
        if (leaf->kind != LEAF_AHEAD && (leaf->kind != LEAF_DELAY || leaf->across == across))
            result = expr_replace(d->store, result, leaf->node_inside, derive_element(d, leaf->symbol));
    }
    return result;
}

// ---- The neuron: solve the stationarity condition for the membrane --------------------------------------------------

static bool reads_drive(Derive *d, const Population *p, Expr expr) {
    for (uint32_t i = 0; i < p->ports.count; i++)
        if (expr_reads(d->store, expr, p->ports.items[i].symbol)) return true;
    return false;
}

// Whether an expression over leaves depends on an input, directly or through what remembers it.
static bool carries_input(Derive *d, const NeuronEquations *n, const Population *p, Expr expr) {
    if (reads_drive(d, p, expr)) return true;
    for (uint32_t i = 0; i < n->leaves.count; i++) {
        const Leaf *leaf = &n->leaves.items[i];
        if (leaf->kind == LEAF_AHEAD || !expr_reads(d->store, expr, leaf->symbol)) continue;
        if (carries_input(d, n, p, leaf->input)) return true;
    }
    return false;
}

// The terms of the energy that carry the input, and the rest.
void derive_split_energy(Derive *d, const NeuronEquations *n, const Population *p, Expr energy, Expr *driven,
                         Expr *rest) {
    ExprNode node = expr_node(d->store, energy);
    const Expr *terms = node.kind == EXPR_ADD ? node.argument : &energy;
    uint32_t count = node.kind == EXPR_ADD ? node.count : 1;
    *driven = *rest = expr_const(d->store, 0);
    for (uint32_t i = 0; i < count; i++) {
        Expr *part = carries_input(d, n, p, terms[i]) ? driven : rest;
        *part = expr_add(d->store, *part, terms[i]);
    }
}

bool derive_is_zero(Derive *d, Expr expr) { return expr_is_const(d->store, expr, 0); }

static Atom leaf_text(Derive *d, const NeuronEquations *n, const Population *p, uint32_t leaf) {
    return in_neuron_terms(d, n, p, derive_element(d, n->leaves.items[leaf].symbol));
}

// The leaf whose derivative knows the input: d2E/dX dI is not zero. A second one, as X_r in (X_m - I - c*X_r)^2, would
// follow from the solution within the same step, and the error from itself.
static bool find_solved(Derive *d, NeuronEquations *n, const Population *p, Expr driven) {
    uint32_t found = 0;
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        if (n->leaves.items[k].kind != LEAF_AHEAD) continue; // it is known before the membrane moves
        Expr by_leaf = expr_partial(d->store, driven, derive_element(d, n->leaves.items[k].symbol));
        if (!carries_input(d, n, p, by_leaf)) continue;
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
    StopSearch search = {.leaf = derive_element(d, n->leaves.items[n->solved].symbol)};
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
        if (k == n->solved || n->leaves.items[k].kind != LEAF_AHEAD) continue;
        if (!expr_reads(d->store, n->mismatch, n->leaves.items[k].symbol)) continue;
        diag_report(diags, DIAG_E0303, p->energy_span, "in `%s`, both `%s` and `%s` stand together with the input",
                    p->neuron->name, text, leaf_text(d, n, p, k));
        diag_expected(diags, "one lookahead that carries the input");
        return true;
    }
    return false;
}

static bool solve_membrane(Derive *d, NeuronEquations *n, const Population *p, Expr driven) {
    ExprStore *s = d->store;
    Expr leaf = derive_element(d, n->leaves.items[n->solved].symbol);
    n->mismatch = expr_partial(s, driven, leaf);
    Expr alpha = expr_partial(s, n->mismatch, leaf);
    if (derive_is_zero(d, alpha) || expr_contains(s, alpha, leaf) || carries_input(d, n, p, alpha)) {
        report_unsolvable(d, n, p, derive_is_zero(d, alpha));
        return false;
    }
    if (is_entangled(d, n, p)) return false;
    Expr beta = expr_replace(s, n->mismatch, leaf, expr_const(s, 0));
    Expr error = derive_element(d, n->error);
    n->judged = solve(d, alpha, beta, error);
    n->membrane = solve(d, alpha, beta, expr_mul(s, expr_const(s, p->gamma), error));
    for (uint32_t i = 0; i < p->ports.count; i++) {
        Expr drive = derive_element(d, p->ports.items[i].symbol);
        Expr felt = expr_neg(s, expr_replace(s, expr_partial(s, n->energy, drive), leaf, n->judged));
        for (uint32_t k = 0; k < n->leaves.count; k++) {
            if (n->leaves.items[k].kind == LEAF_AHEAD) continue;
            Expr by_drive = expr_partial(s, n->leaves.items[k].input, drive);
            if (derive_is_zero(d, by_drive)) continue;
            felt = expr_add(s, felt, expr_mul(s, by_drive, derive_element(d, derive_back(d, n, k))));
        }
        vec_push(&n->drive_errors, felt);
    }
    return true;
}

// The leaves that a value depends on, each with its gate. `inside`: the value is the x of leaf `number`, else output
// `number`.
static void add_gates(Derive *d, NeuronEquations *n, const Population *p, Expr value, bool inside, uint32_t number,
                      const char *name, bool trivial) {
    uint32_t live = 0;
    for (uint32_t k = 0; k < n->leaves.count; k++)
        live += !derive_is_zero(d, expr_partial(d->store, value, derive_element(d, n->leaves.items[k].symbol)));
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        Gate gate = {.inside = inside, .output = number, .leaf = k, .trivial = trivial};
        gate.value = expr_partial(d->store, value, derive_element(d, n->leaves.items[k].symbol));
        if (derive_is_zero(d, gate.value)) continue;
        Atom full = live > 1 ? arena_format(d->model->arena, "%s_gate.%s", name, n->leaves.items[k].label)
                             : arena_format(d->model->arena, "%s_gate", name);
        if (!gate.trivial) gate.symbol = derive_signal(d, p, ROLE_REGISTER, UNIT_NONE, full, "", "a gate");
        vec_push(&n->gates, gate);
    }
}

static bool is_leaf(Derive *d, const NeuronEquations *n, Expr value) {
    for (uint32_t k = 0; k < n->leaves.count; k++)
        if (derive_element(d, n->leaves.items[k].symbol) == value) return true;
    return false;
}

static void make_gates(Derive *d, NeuronEquations *n, const Population *p) {
    for (uint32_t o = 0; o < p->outputs.count; o++) {
        ExprKind kind = expr_node(d->store, p->outputs.items[o].value).kind;
        bool remembered = kind == EXPR_LOWPASS || kind == EXPR_DELAY || kind == EXPR_PREVIOUS;
        bool trivial = !p->outputs.items[o].gated || (remembered && is_leaf(d, n, n->value[o]));
        add_gates(d, n, p, n->value[o], false, o, p->outputs.items[o].member, trivial);
    }
    for (uint32_t m = 0; m < n->leaves.count; m++) {
        const Leaf *leaf = &n->leaves.items[m];
        if (leaf->kind == LEAF_AHEAD) continue;
        Atom name = arena_atom_z(d->model->arena, derive_member(d, p, leaf->symbol));
        add_gates(d, n, p, leaf->input, true, m, name, is_leaf(d, n, leaf->input));
    }
}

static bool all_states_move(Derive *d, const NeuronEquations *n, const Population *p) {
    for (uint32_t i = 0; i < p->states.count; i++) {
        if (i == n->state_number || p->states.items[i].moved) continue;
        diag_report(d->model->diags, DIAG_E0301, p->states.items[i].span, "nothing moves the state `%s` of `%s`",
                    p->states.items[i].member, p->neuron->name);
        diag_expected(
            d->model->diags,
            "the state whose lookahead stands together with the input, or an equation `d(%s) = …` for this one",
            strrchr(p->states.items[i].member, '.') ? strrchr(p->states.items[i].member, '.') + 1
                                                    : p->states.items[i].member);
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
    bool good = find_leaves(d, n, p, p->energy, p->energy_span, false);
    for (uint32_t o = 0; o < p->outputs.count; o++) {
        const Output *output = &p->outputs.items[o];
        if (!output->value) return false;
        good &= find_leaves(d, n, p, output->value, output->span, true);
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
    n->energy = derive_over_leaves(d, n, p->energy, false);
    for (uint32_t o = 0; o < p->outputs.count; o++)
        n->value[o] = derive_over_leaves(d, n, p->outputs.items[o].value, true);
    derive_split_energy(d, n, p, n->energy, &driven, &rest);
    if (!find_solved(d, n, p, driven)) return false;
    n->state = n->leaves.items[n->solved].state;
    if (!is_state_of(p, n->state, &n->state_number)) return false;
    Unit unit = symbol_info(d->store, n->state)->unit, per_time = unit_power(d->model->time_unit, -1);
    n->error = derive_signal(d, p, ROLE_REGISTER, unit, "error", "", "the error");
    n->rate = derive_signal(d, p, ROLE_REGISTER, unit_multiply(unit, per_time), p->states.items[n->state_number].member,
                            "_rate", "the rate of change of a state");
    return solve_membrane(d, n, p, driven);
}

bool derive_neuron(Derive *d, uint32_t number) {
    const Population *p = &d->model->populations.items[number];
    NeuronEquations n = {.population = number};
    if (derive_is_explicit(p)) return true;
    if (!is_derivable(d, p)) return false;
    bool good = find_all_leaves(d, &n, p) && derive_membrane(d, &n, p);
    if (good) {
        make_gates(d, &n, p);
        good = all_states_move(d, &n, p);
    }
    vec_push(&d->equations->neurons, n);
    return good;
}
