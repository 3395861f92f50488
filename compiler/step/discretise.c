// From equations to one step: explicit Euler with the proper forms of lookahead and low-pass, registers and update
// order from one table (semantics.md 1 to 5). Nothing here knows a principle or a model by name.
#include "discretise.h"
#include <string.h>

static const OrderRow orders[ORDER_COUNT] = {
    {ORDER_PARALLEL, true, true, false, true},
    {ORDER_LE, true, true, true, false},
    {ORDER_SEQUENTIAL, false, false, false, false},
};

Expr step_own(Discretise *d, Symbol symbol) { return model_element(d->store, symbol, VERSION_OLD); }

void step_assign(Discretise *d, Symbol symbol, Expr value, uint32_t guard, Span span) {
    vec_push(&d->step->assigns, (StepAssign){.symbol = symbol, .value = value, .guard = guard, .span = span});
}

Symbol step_beside(Model *model, Symbol symbol, const char *suffix, SymbolRole role) {
    SymbolInfo info = *symbol_info(model->store, symbol);
    info.name = arena_atom_z(model->arena, arena_format(model->arena, "%s#%s", info.name, suffix));
    info.role = role;
    info.hidden = info.derived = true;
    Symbol known = symbol_find(model->store, info.name);
    return known ? known : symbol_new(model->store, info);
}

// ---- Placing: every access of an equation gets the version that the update order gives to its message --------------

static Expr place_rule(ExprStore *store, Expr node, void *context) {
    Discretise *d = context;
    ExprNode n = expr_node(store, node);
    if (n.kind == EXPR_STOP && d->mode != STEP_FORWARD) return n.argument[0];
    if (n.kind == EXPR_DELAY || n.kind == EXPR_AHEAD) return step_late(d, node);
    if (n.kind != EXPR_ACCESS || n.symbol >= d->symbols || !d->version[n.symbol]) return node;
    return expr_access(store, n.symbol, VERSION_NEW, n.argument, n.count);
}

Expr step_place(Discretise *d, Expr expr) { return expr_rewrite(d->store, expr, place_rule, d); }

void step_set_version(Discretise *d, Symbol symbol, bool held) {
    if (symbol) d->version[symbol] = held ? VERSION_OLD : VERSION_NEW;
}

// On a course backward in time, an error of the output that a step reads from a register was sent by the step after.
bool step_is_backward(const Discretise *d) { return d->mode == STEP_BACKWARD; }

static void set_versions(Discretise *d) {
    Model *m = d->model;
    bool sent_later = step_is_backward(d) && d->order->rate_held;
    for (uint32_t i = 0; i < m->populations.count; i++) {
        const Population *p = &m->populations.items[i];
        for (uint32_t k = 0; k < p->outputs.count; k++)
            step_set_version(d, p->outputs.items[k].symbol, d->order->rate_held);
        for (uint32_t k = 0; k < p->ports.count; k++) step_set_version(d, p->ports.items[k].symbol, false);
    }
    for (uint32_t i = 0; i < d->equations->neurons.count; i++) {
        const NeuronEquations *n = &d->equations->neurons.items[i];
        step_set_version(d, n->error, false);
        step_set_version(d, n->rate, false);
        for (uint32_t k = 0; k < n->leaves.count; k++) {
            step_set_version(d, n->leaves.items[k].symbol, false);
            step_set_version(d, n->leaves.items[k].rate, false);
            step_set_version(d, n->leaves.items[k].back, false);
        }
        for (uint32_t k = 0; k < n->gates.count; k++)
            step_set_version(d, n->gates.items[k].symbol, d->order->gate_held);
        for (uint32_t k = 0; k < n->errors.count; k++) {
            step_set_version(d, n->errors.items[k].symbol, false);
            step_set_version(d, n->errors.items[k].gain.symbol, false);
            step_set_version(d, n->errors.items[k].gain.raw, false);
            step_set_version(d, n->errors.items[k].gain.companion, false);
        }
        for (uint32_t k = 0; k < n->output_errors.count; k++)
            step_set_version(d, n->output_errors.items[k].symbol, sent_later);
    }
    for (uint32_t i = 0; i < d->equations->connections.count; i++) {
        const ConnectionEquations *c = &d->equations->connections.items[i];
        bool held = d->order->down_held && !step_is_backward(d);
        for (uint32_t k = 0; k < c->downward.count; k++) step_set_version(d, c->downward.items[k], held);
    }
}

// Places an expression in which errors are read from their registers where the order holds them (downward errors,
// the membrane), while learning uses this step's.
Expr step_place_with_held_errors(Discretise *d, Expr expr) {
    for (uint32_t i = 0; i < d->equations->neurons.count; i++)
        step_set_version(d, d->equations->neurons.items[i].error, d->order->error_held && !step_is_backward(d));
    Expr result = step_place(d, expr);
    for (uint32_t i = 0; i < d->equations->neurons.count; i++)
        step_set_version(d, d->equations->neurons.items[i].error, false);
    return result;
}

// ---- Forward: currents, membrane, outputs ---------------------------------------------------------------------------

// Whether a connection is silent: a teacher's, while nothing is learned.
static bool is_teacher(const Discretise *d, const Connection *c) {
    return d->mode == STEP_EVALUATE && c->from_external && d->model->externals.items[c->source].kind != EXTERNAL_INPUT;
}

static void currents(Discretise *d, uint32_t population) {
    const Population *p = &d->model->populations.items[population];
    for (uint32_t port = 0; port < p->ports.count; port++) {
        Expr total = expr_const(d->store, 0);
        for (uint32_t c = 0; c < d->model->connections.count; c++) {
            const Connection *connection = &d->model->connections.items[c];
            if (connection->target == population && connection->port == port && !is_teacher(d, connection))
                total = expr_add(d->store, total, step_place(d, connection->current));
        }
        for (uint32_t k = 0; k < p->couplings.count; k++)
            if (p->couplings.items[k].port == port)
                total = expr_add(d->store, total, step_place(d, p->couplings.items[k].value));
        step_assign(d, p->ports.items[port].symbol, total, 0, p->ports.items[port].span);
    }
}

// rho = tau / tau_m of the solved lookahead.
static Expr ratio(Discretise *d, const NeuronEquations *n, uint32_t leaf) {
    return expr_div(d->store, n->leaves.items[leaf].tau, n->leaves.items[n->solved].tau);
}

// p is the solved lookahead; du = (p - u)/tau_m exactly; every other lookahead is (1 - rho)*u + rho*p with the old u.
static void membrane(Discretise *d, const NeuronEquations *n) {
    ExprStore *s = d->store;
    const Population *p = &d->model->populations.items[n->population];
    Expr one = expr_const(s, 1), u = step_own(d, n->state);
    Expr relaxes_to = n->membrane;
    if (d->mode != STEP_TRAIN || !n->has_error)
        relaxes_to = expr_replace(s, relaxes_to, step_own(d, n->error), expr_const(s, 0));
    const Leaf *solved = &n->leaves.items[n->solved];
    step_assign(d, solved->symbol, step_place_with_held_errors(d, relaxes_to), 0, p->energy_span);
    Expr target = model_element(s, solved->symbol, VERSION_NEW);
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        const Leaf *leaf = &n->leaves.items[k];
        if (k == n->solved || leaf->kind != LEAF_AHEAD) continue;
        Expr rho = ratio(d, n, k);
        Expr ahead = expr_add(s, expr_mul(s, expr_sub(s, one, rho), u), expr_mul(s, rho, target));
        step_assign(d, leaf->symbol, ahead, 0, expr_span(s, leaf->node));
    }
    Expr rate = expr_div(s, expr_sub(s, target, u), solved->tau);
    step_assign(d, n->rate, rate, 0, p->energy_span);
    Expr du = model_element(s, n->rate, VERSION_NEW);
    step_assign(d, n->state, expr_add(s, u, expr_mul(s, expr_const(s, d->model->dt), du)), 0, p->energy_span);
}

static void outputs(Discretise *d, const NeuronEquations *n) {
    const Population *p = &d->model->populations.items[n->population];
    for (uint32_t o = 0; o < p->outputs.count; o++)
        step_assign(d, p->outputs.items[o].symbol, step_sent(d, p, step_place(d, n->value[o])), 0,
                    p->outputs.items[o].span);
    for (uint32_t g = 0; g < n->gates.count; g++)
        if (n->gates.items[g].symbol && d->mode == STEP_TRAIN && n->has_error)
            step_assign(d, n->gates.items[g].symbol, step_place(d, n->gates.items[g].value), 0,
                        gate_place(p, &n->gates.items[g]));
}

// ---- The batch becomes an index like any other ----------------------------------------------------------------------

static Expr batch_rule(ExprStore *store, Expr node, void *context) {
    (void)context;
    ExprNode n = expr_node(store, node);
    if (n.kind != EXPR_ACCESS) return node;
    const SymbolInfo *info = symbol_info(store, n.symbol);
    if (!info->batched || n.count > info->rank) return node;
    Expr at[EXPR_MAX_RANK + 1];
    if (n.count) memcpy(at, n.argument, n.count * sizeof(Expr));
    at[n.count] = expr_index(store, INDEX_BATCH);
    return expr_access(store, n.symbol, n.version, at, n.count + 1);
}

Expr step_add_batch(Model *model, Expr expr) {
    return expr_rewrite(model->store, model_lower_deltas(model, expr), batch_rule, NULL);
}

static void add_batch(Discretise *d) {
    ExprStore *s = d->store;
    for (uint32_t i = 0; i < d->step->assigns.count; i++) {
        StepAssign *a = &d->step->assigns.items[i];
        Span span = expr_span(s, a->value);
        a->value = step_add_batch(d->model, a->value);
        bool per_sample = expr_has_index(s, a->value, INDEX_BATCH);
        if (per_sample && !symbol_info(s, a->symbol)->batched) // the mean over the batch
            a->value =
                expr_div(s, expr_sum(s, INDEX_BATCH, a->value), model_element(s, d->step->batch_size, VERSION_OLD));
        expr_set_span(s, a->value, span);
    }
}

// ---- The pass -------------------------------------------------------------------------------------------------------

// The symbol of this name, the same one in both modes. An array of the user's own would be taken for it.
static Symbol own_symbol(Discretise *d, SymbolInfo info, const char *what) {
    info.name = arena_atom_z(d->model->arena, info.name);
    info.derived = true;
    Symbol known = symbol_find(d->store, info.name);
    if (!known) return symbol_new(d->store, info);
    SymbolInfo have = *symbol_info(d->store, known);
    if (have.derived) return known;
    diag_report(d->model->diags, DIAG_E0203, have.span, "`%s` is a name that the compiler gives to %s: rename this",
                info.name, what);
    return 0;
}

// The energy of a neuron at rest, its mismatch gone: costs of its own, which online principles see as errors.
static Expr own_energy(Discretise *d, const NeuronEquations *n) {
    Expr rest = expr_replace(d->store, n->membrane, step_own(d, n->error), expr_const(d->store, 0));
    return expr_replace(d->store, n->energy, step_own(d, n->leaves.items[n->solved].symbol), rest);
}

// What an offline principle minimises: the energy along a trajectory that no error acts on.
static void objective(Discretise *d) {
    ExprStore *s = d->store;
    Expr total = expr_const(s, 0);
    double constant;
    for (uint32_t i = 0; i < d->equations->neurons.count; i++) {
        const NeuronEquations *n = &d->equations->neurons.items[i];
        Expr energy = own_energy(d, n);
        if (expr_get_const(s, energy, &constant)) continue;
        total = expr_add(s, total, expr_sum(s, d->model->populations.items[n->population].own, step_place(d, energy)));
    }
    d->step->objective = d->step->cost;
    if (expr_is_const(s, total, 0) || !d->step->cost) return;
    SymbolInfo info = {
        .name = "cost#own", .role = ROLE_SIGNAL, .batched = true, .hidden = true, .span = d->model->cost_span};
    d->step->objective = own_symbol(d, info, "the energy of all neurons");
    step_assign(d, d->step->objective, expr_add(s, model_element(s, d->step->cost, VERSION_NEW), total), 0, info.span);
}

// Everything that moves in a step but does not learn.
static void dynamics(Discretise *d) {
    const Equations *equations = d->equations;
    for (uint32_t i = 0; i < equations->neurons.count; i++) step_errors(d, &equations->neurons.items[i]);
    for (uint32_t i = 0; i < d->model->populations.count; i++)
        if (!d->model->populations.items[i].energy) currents(d, i);
    for (uint32_t i = 0; i < equations->neurons.count; i++) {
        currents(d, equations->neurons.items[i].population);
        membrane(d, &equations->neurons.items[i]);
        step_memories(d, &equations->neurons.items[i]);
        outputs(d, &equations->neurons.items[i]);
    }
    step_late_messages(d);
    step_explicit(d);
    if (d->mode == STEP_TRAIN || step_is_backward(d)) step_downward_errors(d);
    if (d->step->cost) step_assign(d, d->step->cost, step_place(d, d->model->cost), 0, d->model->cost_span);
    bool offline = principle_find(d->model->dynamics.principle)->course != COURSE_ONLINE;
    if (d->mode == STEP_FORWARD || (d->mode == STEP_EVALUATE && offline)) objective(d);
}

Step *step_discretise(const Equations *equations, StepMode mode) {
    Model *model = equations->model;
    Step *step = arena_new_object(model->arena, Step);
    *step = (Step){.model = model};
    Discretise d = {.equations = equations,
                    .model = model,
                    .store = model->store,
                    .step = step,
                    .order = &orders[model->order],
                    .mode = mode};
    step->batch_size =
        own_symbol(&d, (SymbolInfo){.name = "batch.size", .role = ROLE_SCALAR}, "the number of samples of a batch");
    SymbolInfo cost = {
        .name = "cost", .role = ROLE_SIGNAL, .batched = true, .unit = model->energy_unit, .span = model->cost_span};
    if (model->cost) step->cost = own_symbol(&d, cost, "the cost");
    if (!step->batch_size || (model->cost && !step->cost)) return NULL;
    d.symbols = symbol_count(model->store) + 1;
    d.version = memory_resize(NULL, d.symbols, 1);
    memset(d.version, VERSION_OLD, d.symbols);
    set_versions(&d);
    if (mode == STEP_LEARN)
        step_learn_from_sums(&d);
    else
        dynamics(&d);
    if (mode == STEP_TRAIN || mode == STEP_BACKWARD) step_gradients(&d);
    if (mode == STEP_TRAIN) step_rules(&d);
    add_batch(&d);
    if (mode == STEP_BACKWARD) step_add_up_gradients(&d);
    bool sorted = step_sort(step);
    free(d.version);
    if (sorted) return step;
    step_free(step);
    return NULL;
}

void step_free(Step *step) {
    if (step) vec_free(&step->assigns);
}

// Printed as one comparison, so that both sides have the same names of indices.
void step_print_assign(ExprStore *store, const StepAssign *a, Text *out) {
    Expr at[EXPR_MAX_RANK + 1];
    Index axes[EXPR_MAX_RANK];
    const SymbolInfo info = *symbol_info(store, a->symbol);
    model_axes(store, a->symbol, axes);
    for (uint32_t k = 0; k < info.rank; k++) at[k] = k == 1 && a->slot ? a->slot : expr_index(store, axes[k]);
    if (info.batched) at[info.rank] = expr_index(store, INDEX_BATCH);
    Expr left = expr_access(store, a->symbol, VERSION_NEW, at, info.rank + info.batched);
    if (a->guard) text_addf(out, "if learn %u: ", a->guard);
    Text text = {0};
    expr_print(store, expr_make2(store, EXPR_EQUAL, left, a->value), EXPR_TEXT, &text);
    const char *equal = strstr(text_z(&text), " == ");
    if (equal) text_addf(out, "%.*s = %s", (int)(equal - text_z(&text)), text_z(&text), equal + 4);
    text_free(&text);
}

void step_dump(const Step *step, Text *out) {
    for (uint32_t i = 0; i < step->assigns.count; i++) {
        step_print_assign(step->model->store, &step->assigns.items[i], out);
        text_add(out, "\n");
    }
}

char *step_verify(const Step *step) {
    const ExprStore *store = step->model->store;
    static const ExprKind operators[] = {EXPR_AHEAD,    EXPR_LOWPASS, EXPR_DELAY, EXPR_RATE,
                                         EXPR_PREVIOUS, EXPR_STOP,    EXPR_DELTA};
    for (uint32_t i = 0; i < step->assigns.count; i++)
        for (size_t k = 0; k < sizeof operators / sizeof *operators; k++)
            if (expr_has_kind(store, step->assigns.items[i].value, operators[k])) {
                Text text = {0};
                text_addf(&text, "an operator is left in the value of %s: ",
                          symbol_info(store, step->assigns.items[i].symbol)->name);
                expr_print(store, step->assigns.items[i].value, EXPR_TEXT, &text);
                return text.bytes;
            }
    return NULL;
}
