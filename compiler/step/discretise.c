// From equations to one step: explicit Euler with the proper forms of lookahead and low-pass, registers and update
// order from one table (semantics.md 1 to 5). Nothing here knows a principle or a model by name.
#include "step.h"
#include <string.h>

// Which messages sit in a register for one step. A message that does not is this step's value.
typedef struct OrderRow {
    OrderKind kind;
    bool rate_held, gate_held, error_held, down_held;
} OrderRow;

static const OrderRow orders[ORDER_COUNT] = {
    {ORDER_PARALLEL, true, true, false, true},
    {ORDER_LE, true, true, true, false},
    {ORDER_SEQUENTIAL, false, false, false, false},
};

typedef struct Discretise {
    const Equations *equations;
    Model *model;
    ExprStore *store;
    Step *step;
    const OrderRow *order;
    StepMode mode;
    uint8_t *version; // per symbol: which value an access in the equations means
    uint32_t symbols;
} Discretise;

static Expr own_element(Discretise *d, Symbol symbol) { return model_element(d->store, symbol, VERSION_OLD); }

static void assign(Discretise *d, Symbol symbol, Expr value, uint32_t guard, Span span) {
    vec_push(&d->step->assigns, (StepAssign){symbol, value, guard, span});
}

// ---- Placing: every access of an equation gets the version that the update order gives to its message
// ----------------

static Expr place_rule(ExprStore *store, Expr node, void *context) {
    const Discretise *d = context;
    ExprNode n = expr_node(store, node);
    if (n.kind == EXPR_STOP) return n.argument[0];
    if (n.kind != EXPR_ACCESS || n.symbol >= d->symbols || !d->version[n.symbol]) return node;
    return expr_access(store, n.symbol, VERSION_NEW, n.argument, n.count);
}

static Expr place(Discretise *d, Expr expr) { return expr_rewrite(d->store, expr, place_rule, d); }

static void set_version(Discretise *d, Symbol symbol, bool held) {
    if (symbol) d->version[symbol] = held ? VERSION_OLD : VERSION_NEW;
}

static void set_versions(Discretise *d) {
    Model *m = d->model;
    for (uint32_t i = 0; i < m->populations.count; i++) {
        const Population *p = &m->populations.items[i];
        for (uint32_t k = 0; k < p->outputs.count; k++) set_version(d, p->outputs.items[k].symbol, d->order->rate_held);
        for (uint32_t k = 0; k < p->ports.count; k++) set_version(d, p->ports.items[k].symbol, false);
    }
    for (uint32_t i = 0; i < d->equations->neurons.count; i++) {
        const NeuronEquations *n = &d->equations->neurons.items[i];
        set_version(d, n->error, false);
        set_version(d, n->rate, false);
        for (uint32_t k = 0; k < n->leaves.count; k++) set_version(d, n->leaves.items[k].symbol, false);
        for (uint32_t k = 0; k < n->gates.count; k++) set_version(d, n->gates.items[k].symbol, d->order->gate_held);
        for (uint32_t k = 0; k < n->errors.count; k++) set_version(d, n->errors.items[k].symbol, false);
        for (uint32_t k = 0; k < n->output_errors.count; k++) set_version(d, n->output_errors.items[k].symbol, false);
    }
    for (uint32_t i = 0; i < d->equations->connections.count; i++) {
        const ConnectionEquations *c = &d->equations->connections.items[i];
        for (uint32_t k = 0; k < c->downward.count; k++) set_version(d, c->downward.items[k], d->order->down_held);
    }
}

// Places an expression in which errors are read from their registers where the order holds them (downward errors,
// the membrane), while learning uses this step's.
static Expr place_with_held_errors(Discretise *d, Expr expr) {
    for (uint32_t i = 0; i < d->equations->neurons.count; i++)
        set_version(d, d->equations->neurons.items[i].error, d->order->error_held);
    Expr result = place(d, expr);
    for (uint32_t i = 0; i < d->equations->neurons.count; i++)
        set_version(d, d->equations->neurons.items[i].error, false);
    return result;
}

// ---- Forward: currents, membrane, outputs ---------------------------------------------------------------------------

static void currents(Discretise *d, const NeuronEquations *n) {
    const Population *p = &d->model->populations.items[n->population];
    for (uint32_t port = 0; port < p->ports.count; port++) {
        Expr total = expr_const(d->store, 0);
        for (uint32_t c = 0; c < d->model->connections.count; c++) {
            const Connection *connection = &d->model->connections.items[c];
            if (connection->target == n->population && connection->port == port)
                total = expr_add(d->store, total, place(d, connection->current));
        }
        assign(d, p->ports.items[port].symbol, total, 0, p->ports.items[port].span);
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
    Expr one = expr_const(s, 1), u = own_element(d, n->state);
    Expr relaxes_to = n->membrane;
    if (d->mode == STEP_EVALUATE || !n->has_error)
        relaxes_to = expr_replace(s, relaxes_to, own_element(d, n->error), expr_const(s, 0));
    const Leaf *solved = &n->leaves.items[n->solved];
    assign(d, solved->symbol, place_with_held_errors(d, relaxes_to), 0, p->energy_span);
    Expr target = model_element(s, solved->symbol, VERSION_NEW);
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        if (k == n->solved) continue;
        const Leaf *leaf = &n->leaves.items[k];
        Expr rho = ratio(d, n, k);
        Expr ahead = expr_add(s, expr_mul(s, expr_sub(s, one, rho), u), expr_mul(s, rho, target));
        assign(d, leaf->symbol, ahead, 0, expr_span(s, leaf->node));
    }
    Expr rate = expr_div(s, expr_sub(s, target, u), solved->tau);
    assign(d, n->rate, rate, 0, p->energy_span);
    Expr du = model_element(s, n->rate, VERSION_NEW);
    assign(d, n->state, expr_add(s, u, expr_mul(s, expr_const(s, d->model->dt), du)), 0, p->energy_span);
}

static void outputs(Discretise *d, const NeuronEquations *n) {
    const Population *p = &d->model->populations.items[n->population];
    for (uint32_t o = 0; o < p->outputs.count; o++)
        assign(d, p->outputs.items[o].symbol, place(d, n->value[o]), 0, p->outputs.items[o].span);
    for (uint32_t g = 0; g < n->gates.count; g++)
        if (n->gates.items[g].symbol && d->mode == STEP_TRAIN && n->has_error)
            assign(d, n->gates.items[g].symbol, place(d, n->gates.items[g].value), 0,
                   p->outputs.items[n->gates.items[g].output].span);
}

// ---- Backward: downward errors, gates, filters ----------------------------------------------------------------------

// Leaves inside gates and own forces are those that the registered rate was made with, where gates are held.
static Expr place_with_gate_leaves(Discretise *d, const NeuronEquations *n, Expr expr) {
    for (uint32_t k = 0; k < n->leaves.count; k++) set_version(d, n->leaves.items[k].symbol, d->order->gate_held);
    Expr result = place(d, expr);
    for (uint32_t k = 0; k < n->leaves.count; k++) set_version(d, n->leaves.items[k].symbol, false);
    return result;
}

static void output_errors(Discretise *d, const NeuronEquations *n) {
    ExprStore *s = d->store;
    const Population *p = &d->model->populations.items[n->population];
    for (uint32_t e = 0; e < n->output_errors.count; e++) {
        const OutputError *error = &n->output_errors.items[e];
        Expr total = error->cost ? expr_neg(s, place(d, error->cost)) : expr_const(s, 0);
        for (uint32_t i = 0; i < d->equations->connections.count; i++) {
            const ConnectionEquations *ce = &d->equations->connections.items[i];
            const Connection *c = &d->model->connections.items[ce->connection];
            for (uint32_t m = 0; m < ce->downward.count; m++)
                if (c->source == n->population && c->messages.items[m] == p->outputs.items[error->output].symbol)
                    total = expr_add(s, total, place(d, own_element(d, ce->downward.items[m])));
        }
        assign(d, error->symbol, total, 0, p->outputs.items[error->output].span);
    }
}

// The unfiltered error of a leaf: all outputs' errors through their gates, minus the neuron's own forces.
static Expr error_input(Discretise *d, const NeuronEquations *n, const ErrorInput *in) {
    ExprStore *s = d->store;
    Expr total = expr_const(s, 0);
    for (uint32_t g = 0; g < n->gates.count; g++) {
        const Gate *gate = &n->gates.items[g];
        if (gate->leaf != in->leaf) continue;
        for (uint32_t e = 0; e < n->output_errors.count; e++) {
            if (n->output_errors.items[e].output != gate->output) continue;
            Expr factor = gate->trivial ? expr_const(s, 1) : place(d, own_element(d, gate->symbol));
            total = expr_add(s, total, expr_mul(s, factor, place(d, own_element(d, n->output_errors.items[e].symbol))));
        }
    }
    if (in->own) total = expr_sub(s, total, place_with_gate_leaves(d, n, in->own));
    return total;
}

// ahead(lowpass(g, tau_k), tau_m) = g/rho + (1 - 1/rho)*v with the old v; v follows g with tau_k.
static Expr filtered_error(Discretise *d, const NeuronEquations *n, const ErrorInput *in) {
    ExprStore *s = d->store;
    Expr g = model_element(s, in->symbol, VERSION_NEW);
    if (!in->state) return g;
    Expr one = expr_const(s, 1), v = own_element(d, in->state), rho = ratio(d, n, in->leaf);
    Expr speed = expr_div(s, expr_const(s, d->model->dt), n->leaves.items[in->leaf].tau);
    assign(d, in->state, expr_add(s, v, expr_mul(s, speed, expr_sub(s, g, v))), 0, symbol_info(s, in->symbol)->span);
    Expr inverse = expr_div(s, one, rho);
    return expr_add(s, expr_mul(s, inverse, g), expr_mul(s, expr_sub(s, one, inverse), v));
}

static void errors(Discretise *d, const NeuronEquations *n) {
    const Population *p = &d->model->populations.items[n->population];
    if (!n->has_error || d->mode == STEP_EVALUATE) return;
    output_errors(d, n);
    Expr total = expr_const(d->store, 0);
    for (uint32_t k = 0; k < n->errors.count; k++) {
        assign(d, n->errors.items[k].symbol, error_input(d, n, &n->errors.items[k]), 0, p->span);
        total = expr_add(d->store, total, filtered_error(d, n, &n->errors.items[k]));
    }
    assign(d, n->error, total, 0, p->span);
}

static void downward_errors(Discretise *d) {
    for (uint32_t i = 0; i < d->equations->connections.count; i++) {
        const ConnectionEquations *ce = &d->equations->connections.items[i];
        for (uint32_t m = 0; m < ce->downward.count; m++)
            assign(d, ce->downward.items[m], place_with_held_errors(d, ce->downward_value.items[m]), 0,
                   d->model->connections.items[ce->connection].span);
    }
}

// ---- Learning -------------------------------------------------------------------------------------------------------

// previous(x), of what a rate is made with: the value of the step before, where rates are held.
static Expr past_rule(ExprStore *store, Expr node, void *context) {
    const Discretise *d = context;
    ExprNode n = expr_node(store, node);
    if (n.kind != EXPR_PREVIOUS) return node;
    ExprNode inner = expr_node(store, n.argument[0]);
    return expr_access(store, inner.symbol, d->order->rate_held ? VERSION_OLD : VERSION_NEW, inner.argument,
                       inner.count);
}

static Expr place_learning(Discretise *d, Expr value) {
    Expr placed = place(d, value);
    return expr_rewrite(d->store, placed, past_rule, d);
}

static Expr clamped(Discretise *d, Symbol symbol, Expr value) {
    const Array *array = model_array(d->model, symbol);
    if (!array || !array->clamped) return value;
    ExprStore *s = d->store;
    Expr low = expr_const(s, array->low), high = expr_const(s, array->high);
    return expr_make2(s, EXPR_MAX, low, expr_make2(s, EXPR_MIN, high, value)); // NaN stays NaN
}

static bool is_target(const LearnRule *rule, Symbol symbol) {
    for (uint32_t i = 0; i < rule->targets.count; i++)
        if (rule->targets.items[i] == symbol) return true;
    return false;
}

static void learning(Discretise *d) {
    for (uint32_t i = 0; i < d->equations->gradients.count; i++) {
        const Gradient *g = &d->equations->gradients.items[i];
        if (g->symbol) assign(d, g->symbol, place_learning(d, g->value), 0, g->span);
    }
    for (uint32_t r = 0; r < d->model->learn.count; r++) {
        const LearnRule *rule = &d->model->learn.items[r];
        for (uint32_t k = 0; k < rule->assignments.count; k++) {
            const Assignment *a = &rule->assignments.items[k];
            Expr value = is_target(rule, a->symbol) ? clamped(d, a->symbol, a->value) : a->value;
            assign(d, a->symbol, value, r + 1, a->span);
        }
    }
}

// ---- The batch becomes an index like any other ----------------------------------------------------------------------

static Expr batch_rule(ExprStore *store, Expr node, void *context) {
    (void)context;
    ExprNode n = expr_node(store, node);
    if (n.kind != EXPR_ACCESS) return node;
    const SymbolInfo *info = symbol_info(store, n.symbol);
    if (!info->batched || n.count > info->rank) return node;
    Expr at[EXPR_MAX_RANK + 1];
    memcpy(at, n.argument, n.count * sizeof(Expr));
    at[n.count] = expr_index(store, INDEX_BATCH);
    return expr_access(store, n.symbol, n.version, at, n.count + 1);
}

static void add_batch(Discretise *d) {
    ExprStore *s = d->store;
    for (uint32_t i = 0; i < d->step->assigns.count; i++) {
        StepAssign *a = &d->step->assigns.items[i];
        Span span = expr_span(s, a->value);
        a->value = expr_rewrite(s, model_lower_deltas(d->model, a->value), batch_rule, NULL);
        bool per_sample = expr_has_index(s, a->value, INDEX_BATCH);
        if (per_sample && !symbol_info(s, a->symbol)->batched) // the mean over the batch
            a->value =
                expr_div(s, expr_sum(s, INDEX_BATCH, a->value), model_element(s, d->step->batch_size, VERSION_OLD));
        expr_set_span(s, a->value, span);
    }
}

// ---- Order of execution ---------------------------------------------------------------------------------------------

// What an assignment waits for: the symbols of which its value reads this step's, from `first` to `end` in one list.
typedef struct Reads {
    Vec(Symbol) symbols;
    uint8_t *listed; // per symbol: already in the list of this assignment
    uint32_t *first; // per assignment, and one more
} Reads;

static bool new_read(const ExprStore *store, Expr expr, void *context) {
    Reads *reads = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS || node.version != VERSION_NEW || reads->listed[node.symbol]) return true;
    reads->listed[node.symbol] = 1;
    vec_push(&reads->symbols, node.symbol);
    return true;
}

static Reads find_reads(Discretise *d) {
    uint32_t count = d->step->assigns.count, symbols = symbol_count(d->store) + 1;
    Reads reads = {.listed = memory_resize(NULL, symbols, 1),
                   .first = memory_resize(NULL, count + 1, sizeof(uint32_t))};
    memset(reads.listed, 0, symbols);
    for (uint32_t i = 0; i < count; i++) {
        reads.first[i] = reads.symbols.count;
        expr_visit(d->store, d->step->assigns.items[i].value, new_read, &reads);
        for (uint32_t k = reads.first[i]; k < reads.symbols.count; k++) reads.listed[reads.symbols.items[k]] = 0;
    }
    reads.first[count] = reads.symbols.count;
    return reads;
}

static bool is_ready(const Reads *reads, uint32_t assign, const uint8_t *waiting) {
    for (uint32_t k = reads->first[assign]; k < reads->first[assign + 1]; k++)
        if (waiting[reads->symbols.items[k]]) return false;
    return true;
}

static void report_loop(Discretise *d, const StepAssign *a) {
    Span at = d->model->principle_span.source ? d->model->principle_span : a->span;
    diag_report(d->model->diags, DIAG_E0305, at, "`%s` depends on itself within one step under `order %s`",
                symbol_info(d->store, a->symbol)->name, order_name(d->order->kind));
    diag_expected(d->model->diags, "values that can be computed one after the other");
    diag_help(d->model->diags, "use `order parallel`, in which a message waits one step in a register%s",
              d->order->kind == ORDER_SEQUENTIAL ? ", or set gamma to 0" : "");
    diag_note(d->model->diags, a->span, "the circle passes here");
}

// Assignments so that what is read of this step comes first; otherwise in the order in which they were made.
static bool sort_assigns(Discretise *d) {
    uint32_t count = d->step->assigns.count, symbols = symbol_count(d->store) + 1, placed = 0, stuck = count;
    StepAssign *items = d->step->assigns.items, *sorted = memory_resize(NULL, count + 1, sizeof *sorted);
    uint8_t *waiting = memory_resize(NULL, symbols, 1), *done = memory_resize(NULL, count + 1, 1);
    Reads reads = find_reads(d);
    memset(waiting, 0, symbols);
    memset(done, 0, count + 1);
    for (uint32_t i = 0; i < count; i++) waiting[items[i].symbol] = 1;
    for (bool progress = true; progress && placed < count;) {
        progress = false;
        for (uint32_t i = 0; i < count; i++) {
            if (done[i] || !is_ready(&reads, i, waiting)) continue;
            sorted[placed++] = items[i];
            waiting[items[i].symbol] = 0;
            done[i] = progress = true;
        }
    }
    for (uint32_t i = count; i-- > 0;)
        if (!done[i]) stuck = i;
    if (stuck < count) report_loop(d, &items[stuck]);
    if (placed == count && count) memcpy(items, sorted, count * sizeof *items);
    free(sorted);
    vec_free(&reads.symbols);
    free(reads.listed);
    free(reads.first);
    free(waiting);
    free(done);
    return placed == count;
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
    SymbolInfo cost = {.name = "cost", .role = ROLE_SIGNAL, .batched = true, .span = model->cost_span};
    if (model->cost) step->cost = own_symbol(&d, cost, "the cost");
    if (!step->batch_size || (model->cost && !step->cost)) return NULL;
    d.symbols = symbol_count(model->store) + 1;
    d.version = memory_resize(NULL, d.symbols, 1);
    memset(d.version, VERSION_OLD, d.symbols);
    set_versions(&d);
    for (uint32_t i = 0; i < equations->neurons.count; i++) errors(&d, &equations->neurons.items[i]);
    for (uint32_t i = 0; i < equations->neurons.count; i++) {
        currents(&d, &equations->neurons.items[i]);
        membrane(&d, &equations->neurons.items[i]);
        outputs(&d, &equations->neurons.items[i]);
    }
    if (mode == STEP_TRAIN) downward_errors(&d);
    if (step->cost) assign(&d, step->cost, place(&d, model->cost), 0, model->cost_span);
    if (mode == STEP_TRAIN) learning(&d);
    add_batch(&d);
    bool sorted = sort_assigns(&d);
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
    for (uint32_t k = 0; k < info.rank; k++) at[k] = expr_index(store, axes[k]);
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
