// From equations to one step: explicit Euler with the proper forms of lookahead and low-pass, registers and update
// order from one table (semantics.md 1 to 5). Nothing here knows a principle or a model by name.
#include "discretise.h"
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
    if (n.kind == EXPR_STOP && d->mode != STEP_FORWARD) return n.argument[0];
    if (n.kind != EXPR_ACCESS || n.symbol >= d->symbols || !d->version[n.symbol]) return node;
    return expr_access(store, n.symbol, VERSION_NEW, n.argument, n.count);
}

static Expr place(Discretise *d, Expr expr) { return expr_rewrite(d->store, expr, place_rule, d); }

static void set_version(Discretise *d, Symbol symbol, bool held) {
    if (symbol) d->version[symbol] = held ? VERSION_OLD : VERSION_NEW;
}

// On a course backward in time, an error of the output that a step reads from a register was sent by the step after.
static bool is_backward(const Discretise *d) { return d->mode == STEP_BACKWARD; }

static void set_versions(Discretise *d) {
    Model *m = d->model;
    bool sent_later = is_backward(d) && d->order->rate_held;
    for (uint32_t i = 0; i < m->populations.count; i++) {
        const Population *p = &m->populations.items[i];
        for (uint32_t k = 0; k < p->outputs.count; k++) set_version(d, p->outputs.items[k].symbol, d->order->rate_held);
        for (uint32_t k = 0; k < p->ports.count; k++) set_version(d, p->ports.items[k].symbol, false);
    }
    for (uint32_t i = 0; i < d->equations->neurons.count; i++) {
        const NeuronEquations *n = &d->equations->neurons.items[i];
        set_version(d, n->error, false);
        set_version(d, n->rate, false);
        for (uint32_t k = 0; k < n->leaves.count; k++) {
            set_version(d, n->leaves.items[k].symbol, false);
            set_version(d, n->leaves.items[k].rate, false);
            set_version(d, n->leaves.items[k].back, false);
        }
        for (uint32_t k = 0; k < n->gates.count; k++) set_version(d, n->gates.items[k].symbol, d->order->gate_held);
        for (uint32_t k = 0; k < n->errors.count; k++) {
            set_version(d, n->errors.items[k].symbol, false);
            set_version(d, n->errors.items[k].gain.symbol, false);
            set_version(d, n->errors.items[k].gain.raw, false);
            set_version(d, n->errors.items[k].gain.companion, false);
        }
        for (uint32_t k = 0; k < n->output_errors.count; k++)
            set_version(d, n->output_errors.items[k].symbol, sent_later);
    }
    for (uint32_t i = 0; i < d->equations->connections.count; i++) {
        const ConnectionEquations *c = &d->equations->connections.items[i];
        bool held = d->order->down_held && !is_backward(d);
        for (uint32_t k = 0; k < c->downward.count; k++) set_version(d, c->downward.items[k], held);
    }
}

// Places an expression in which errors are read from their registers where the order holds them (downward errors,
// the membrane), while learning uses this step's.
static Expr place_with_held_errors(Discretise *d, Expr expr) {
    for (uint32_t i = 0; i < d->equations->neurons.count; i++)
        set_version(d, d->equations->neurons.items[i].error, d->order->error_held && !is_backward(d));
    Expr result = place(d, expr);
    for (uint32_t i = 0; i < d->equations->neurons.count; i++)
        set_version(d, d->equations->neurons.items[i].error, false);
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
                total = expr_add(d->store, total, place(d, connection->current));
        }
        for (uint32_t k = 0; k < p->couplings.count; k++)
            if (p->couplings.items[k].port == port)
                total = expr_add(d->store, total, place(d, p->couplings.items[k].value));
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
    if (d->mode != STEP_TRAIN || !n->has_error)
        relaxes_to = expr_replace(s, relaxes_to, own_element(d, n->error), expr_const(s, 0));
    const Leaf *solved = &n->leaves.items[n->solved];
    assign(d, solved->symbol, place_with_held_errors(d, relaxes_to), 0, p->energy_span);
    Expr target = model_element(s, solved->symbol, VERSION_NEW);
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        const Leaf *leaf = &n->leaves.items[k];
        if (k == n->solved || leaf->kind != LEAF_AHEAD) continue;
        Expr rho = ratio(d, n, k);
        Expr ahead = expr_add(s, expr_mul(s, expr_sub(s, one, rho), u), expr_mul(s, rho, target));
        assign(d, leaf->symbol, ahead, 0, expr_span(s, leaf->node));
    }
    Expr rate = expr_div(s, expr_sub(s, target, u), solved->tau);
    assign(d, n->rate, rate, 0, p->energy_span);
    Expr du = model_element(s, n->rate, VERSION_NEW);
    assign(d, n->state, expr_add(s, u, expr_mul(s, expr_const(s, d->model->dt), du)), 0, p->energy_span);
}

// A low-pass is its value after the step; previous(x) is what x was in the step before.
static void memories(Discretise *d, const NeuronEquations *n) {
    ExprStore *s = d->store;
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        const Leaf *leaf = &n->leaves.items[k];
        if (leaf->kind == LEAF_AHEAD) continue;
        Span span = expr_span(s, leaf->node);
        Expr x = place(d, leaf->input);
        if (leaf->kind == LEAF_PREVIOUS) {
            assign(d, leaf->symbol, own_element(d, leaf->memory), 0, span);
            assign(d, leaf->memory, x, 0, span);
            continue;
        }
        Expr value = own_element(d, leaf->symbol), rate = model_element(s, leaf->rate, VERSION_NEW);
        assign(d, leaf->rate, expr_div(s, expr_sub(s, x, value), leaf->tau), 0, span);
        assign(d, leaf->symbol, expr_add(s, value, expr_mul(s, expr_const(s, d->model->dt), rate)), 0, span);
    }
}

// The stand-ins for the adjoints of what remembers: the inverse of a low-pass, which is its discrete equation solved
// for x; backward in time, the low-pass itself, as a low-pass is its own mirror image; one step of waiting for
// previous(x).
static void back_errors(Discretise *d, const NeuronEquations *n) {
    ExprStore *s = d->store;
    ExprKind adjoint = principle_find(d->model->dynamics.principle)->adjoint_of_lowpass;
    for (uint32_t k = 0; k < n->errors.count; k++) {
        const Leaf *leaf = &n->leaves.items[n->errors.items[k].leaf];
        if (leaf->kind == LEAF_AHEAD) continue;
        Expr g = model_element(s, n->errors.items[k].symbol, VERSION_NEW), value = g;
        Expr memory = leaf->back_memory ? own_element(d, leaf->back_memory) : 0, kept = g;
        Span span = expr_span(s, leaf->node);
        Expr speed = leaf->tau ? expr_div(s, expr_const(s, d->model->dt), leaf->tau) : 0;
        if (leaf->kind == LEAF_PREVIOUS)
            value = memory;
        else if (adjoint == EXPR_AHEAD)
            value = expr_add(s, memory, expr_div(s, expr_sub(s, g, memory), speed));
        else if (adjoint == EXPR_LOWPASS)
            value = kept = expr_add(s, memory, expr_mul(s, speed, expr_sub(s, g, memory)));
        assign(d, leaf->back, value, 0, span);
        if (leaf->back_memory) assign(d, leaf->back_memory, kept, 0, span);
    }
}

static void outputs(Discretise *d, const NeuronEquations *n) {
    const Population *p = &d->model->populations.items[n->population];
    for (uint32_t o = 0; o < p->outputs.count; o++)
        assign(d, p->outputs.items[o].symbol, place(d, n->value[o]), 0, p->outputs.items[o].span);
    for (uint32_t g = 0; g < n->gates.count; g++)
        if (n->gates.items[g].symbol && d->mode == STEP_TRAIN && n->has_error)
            assign(d, n->gates.items[g].symbol, place(d, n->gates.items[g].value), 0,
                   gate_place(p, &n->gates.items[g]));
}

// ---- Backward: downward errors, gates, filters ----------------------------------------------------------------------

// Leaves inside gates and own forces are those that the registered rate was made with, where gates are held. Backward
// in time, an error meets the very step that made the rate.
static Expr place_with_gate_leaves(Discretise *d, const NeuronEquations *n, Expr expr) {
    bool held = d->order->gate_held && !is_backward(d);
    for (uint32_t k = 0; k < n->leaves.count; k++) set_version(d, n->leaves.items[k].symbol, held);
    Expr result = place(d, expr);
    for (uint32_t k = 0; k < n->leaves.count; k++) set_version(d, n->leaves.items[k].symbol, false);
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
        Expr total = error->cost ? expr_neg(s, place(d, error->cost)) : expr_const(s, 0);
        total = expr_mul(s, absorbed_gain(d, n), total);
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
        Expr factor = gate->trivial    ? expr_const(s, 1)
                      : is_backward(d) ? place(d, gate->value)
                                       : place(d, own_element(d, gate->symbol));
        total = expr_add(s, total, expr_mul(s, factor, place(d, own_element(d, arriving))));
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
    Expr one = expr_const(s, 1), x = model_element(s, input, VERSION_NEW), v = own_element(d, state);
    Expr speed = expr_div(s, expr_const(s, d->model->dt), tau.behind);
    assign(d, state, expr_add(s, v, expr_mul(s, speed, expr_sub(s, x, v))), 0, symbol_info(s, input)->span);
    Expr inverse = expr_div(s, one, expr_div(s, tau.behind, tau.ahead));
    return expr_add(s, expr_mul(s, inverse, x), expr_mul(s, expr_sub(s, one, inverse), v));
}

// A running average follows the mean over the batch; gains are made from the averages before the step.
static void average(Discretise *d, const Average *a, Span span) {
    ExprStore *s = d->store;
    Expr speed = expr_const(s, d->model->dt / d->model->dynamics.average), m = own_element(d, a->symbol);
    Expr sample = model_element(s, a->sample, VERSION_NEW);
    assign(d, a->sample, place(d, a->of), 0, span);
    assign(d, a->symbol, expr_add(s, m, expr_mul(s, speed, expr_sub(s, sample, m))), 0, span);
}

static Expr filtered_error(Discretise *d, const ErrorInput *in) {
    ExprStore *s = d->store;
    const Gain *gain = &in->gain;
    Span span = symbol_info(s, in->symbol)->span;
    if (!in->state) return model_element(s, in->symbol, VERSION_NEW);
    Expr error = filter(d, in->filtered, in->state, in->symbol);
    if (!gain->symbol) return error;
    if (gain->raw) {
        assign(d, gain->raw, error, 0, span);
        error = model_element(s, gain->raw, VERSION_NEW);
    }
    if (gain->companion)
        assign(d, gain->companion, filter(d, gain->companion_of, gain->companion_state, in->symbol), 0, span);
    for (uint32_t k = 0; k < gain->averages; k++) average(d, &gain->average[k], span);
    assign(d, gain->symbol, gain->value, 0, span);
    return gain->absorbed ? error : expr_mul(s, model_element(s, gain->symbol, VERSION_NEW), error);
}

static void errors(Discretise *d, const NeuronEquations *n) {
    const Population *p = &d->model->populations.items[n->population];
    if (!n->has_error || (d->mode != STEP_TRAIN && !is_backward(d))) return;
    output_errors(d, n);
    Expr total = expr_const(d->store, 0);
    for (uint32_t k = 0; k < n->errors.count; k++) {
        assign(d, n->errors.items[k].symbol, error_input(d, n, &n->errors.items[k]), 0, p->span);
        if (n->leaves.items[n->errors.items[k].leaf].kind == LEAF_AHEAD)
            total = expr_add(d->store, total, filtered_error(d, &n->errors.items[k]));
    }
    back_errors(d, n);
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
    bool old = d->order->rate_held && !is_backward(d);
    return expr_access(store, inner.symbol, old ? VERSION_OLD : VERSION_NEW, inner.argument, inner.count);
}

static Expr place_learning(Discretise *d, Expr value) {
    Expr placed = place(d, value);
    return expr_rewrite(d->store, placed, past_rule, d);
}

static Expr clamped(Discretise *d, Symbol symbol, Expr value) {
    const Array *array = model_array(d->model, symbol);
    if (array && array->zero_diagonal) value = step_off_diagonal(d->store, symbol, value);
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

static bool is_learned(const Model *m, Symbol symbol, uint32_t *rule) {
    for (uint32_t r = 0; r < m->learn.count; r++)
        if (is_target(&m->learn.items[r], symbol)) {
            *rule = r;
            return true;
        }
    return false;
}

// The gain of the neurons that a weight's error travels back to, at the weight's own axes; 1 where weights learn none.
static Expr learned_gain(Discretise *d, const ConnectionEquations *ce, Symbol feedback) {
    const Connection *c = &d->model->connections.items[ce->connection];
    const NeuronEquations *source = NULL;
    for (uint32_t i = 0; i < d->equations->neurons.count && !c->from_external; i++)
        if (d->equations->neurons.items[i].population == c->source) source = &d->equations->neurons.items[i];
    for (uint32_t k = 0; source && k < source->errors.count; k++) {
        const Gain *gain = &source->errors.items[k].gain;
        if (!gain->symbol || !gain->absorbed || !ce->downward.count) continue;
        Index axes[EXPR_MAX_RANK];
        model_axes(d->store, feedback, axes);
        Expr last = expr_index(d->store, axes[symbol_info(d->store, feedback)->rank - 1]); // weights are [post, pre]
        return expr_access(d->store, gain->symbol, VERSION_NEW, &last, 1);
    }
    return expr_const(d->store, 1);
}

// Learned feedback (Kolen and Pollack 1994): it takes the same steps as the forward weight, and both decay, so that
// what they started with is forgotten and one becomes the other, scaled by the gain where there is one.
static void learn_feedback(Discretise *d, const ConnectionEquations *ce, uint32_t w) {
    ExprStore *s = d->store;
    const Connection *c = &d->model->connections.items[ce->connection];
    Symbol weight = c->weights.items[w], feedback = c->feedback.items[w];
    uint32_t rule;
    if (!feedback || !is_learned(d->model, weight, &rule)) return;
    Expr decay = expr_const(s, d->model->dynamics.decay), kept = expr_const(s, 1 - d->model->dynamics.decay);
    for (uint32_t i = 0; i < d->step->assigns.count; i++) {
        StepAssign *a = &d->step->assigns.items[i];
        if (a->symbol != weight) continue;
        Expr change = expr_sub(s, a->value, own_element(d, weight));
        a->value = expr_sub(s, a->value, expr_mul(s, decay, own_element(d, weight)));
        Expr gained = expr_mul(s, learned_gain(d, ce, feedback), change);
        assign(d, feedback, expr_add(s, expr_mul(s, kept, own_element(d, feedback)), gained), rule + 1, c->span);
        return;
    }
}

static void rules(Discretise *d) {
    for (uint32_t r = 0; r < d->model->learn.count; r++) {
        const LearnRule *rule = &d->model->learn.items[r];
        for (uint32_t k = 0; k < rule->assignments.count; k++) {
            const Assignment *a = &rule->assignments.items[k];
            Expr value = rule->written_out ? place(d, a->value) : a->value;
            if (is_target(rule, a->symbol)) value = clamped(d, a->symbol, value);
            assign(d, a->symbol, value, r + 1, a->span);
        }
    }
    if (d->model->dynamics.feedback != FEEDBACK_LEARNED) return;
    for (uint32_t i = 0; i < d->equations->connections.count; i++) {
        const ConnectionEquations *ce = &d->equations->connections.items[i];
        for (uint32_t w = 0; w < d->model->connections.items[ce->connection].feedback.count; w++)
            learn_feedback(d, ce, w);
    }
}

static void gradients(Discretise *d) {
    for (uint32_t i = 0; i < d->equations->gradients.count; i++) {
        const Gradient *g = &d->equations->gradients.items[i];
        if (g->symbol) assign(d, g->symbol, place_learning(d, g->value), 0, g->span);
    }
}

// At the end of a window: the rules read the gradients that the backward steps have added up, which then start anew.
static void learn_from_sums(Discretise *d) {
    rules(d);
    for (uint32_t i = 0; i < d->equations->gradients.count; i++) {
        const Gradient *g = &d->equations->gradients.items[i];
        for (uint32_t k = 0; k < d->step->assigns.count; k++) {
            StepAssign *a = &d->step->assigns.items[k];
            a->value = expr_rename(d->store, a->value, g->symbol, VERSION_NEW, g->symbol, VERSION_OLD);
        }
    }
    for (uint32_t i = 0; i < d->equations->gradients.count; i++) {
        const Gradient *g = &d->equations->gradients.items[i];
        if (g->symbol) assign(d, g->symbol, expr_const(d->store, 0), 0, g->span);
    }
}

// Backward steps add to what the steps after them have found.
static void add_up_gradients(Discretise *d) {
    for (uint32_t k = 0; k < d->step->assigns.count; k++)
        for (uint32_t i = 0; i < d->equations->gradients.count; i++) {
            StepAssign *a = &d->step->assigns.items[k];
            if (a->symbol == d->equations->gradients.items[i].symbol)
                a->value = expr_add(d->store, own_element(d, a->symbol), a->value);
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

static Expr place_for(void *context, Expr expr) { return place(context, expr); }

// Everything that moves in a step but does not learn.
static void dynamics(Discretise *d) {
    const Equations *equations = d->equations;
    for (uint32_t i = 0; i < equations->neurons.count; i++) errors(d, &equations->neurons.items[i]);
    for (uint32_t i = 0; i < d->model->populations.count; i++)
        if (!d->model->populations.items[i].energy) currents(d, i);
    for (uint32_t i = 0; i < equations->neurons.count; i++) {
        currents(d, equations->neurons.items[i].population);
        membrane(d, &equations->neurons.items[i]);
        memories(d, &equations->neurons.items[i]);
        outputs(d, &equations->neurons.items[i]);
    }
    step_explicit(&(StepParts){equations, d->model, d->step, place_for, d});
    if (d->mode == STEP_TRAIN || is_backward(d)) downward_errors(d);
    if (d->step->cost) assign(d, d->step->cost, place(d, d->model->cost), 0, d->model->cost_span);
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
    if (mode == STEP_LEARN)
        learn_from_sums(&d);
    else
        dynamics(&d);
    if (mode == STEP_TRAIN || mode == STEP_BACKWARD) gradients(&d);
    if (mode == STEP_TRAIN) rules(&d);
    add_batch(&d);
    if (mode == STEP_BACKWARD) add_up_gradients(&d);
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
static void dump_assign(ExprStore *store, const StepAssign *a, Text *out) {
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
    if (equal) text_addf(out, "%.*s = %s\n", (int)(equal - text_z(&text)), text_z(&text), equal + 4);
    text_free(&text);
}

void step_dump(const Step *step, Text *out) {
    for (uint32_t i = 0; i < step->assigns.count; i++) dump_assign(step->model->store, &step->assigns.items[i], out);
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
