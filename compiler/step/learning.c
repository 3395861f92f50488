// Learning in a step: gradients, rules, feedback weights.
#include "discretise.h"

// previous(x), of what a rate is made with: the value of the step before, where rates are held.
static Expr past_rule(ExprStore *store, Expr node, void *context) {
    const Discretise *d = context;
    ExprNode n = expr_node(store, node);
    if (n.kind != EXPR_PREVIOUS) return node;
    ExprNode inner = expr_node(store, n.argument[0]);
    bool old = d->order->rate_held && !step_is_backward(d);
    return expr_access(store, inner.symbol, old ? VERSION_OLD : VERSION_NEW, inner.argument, inner.count);
}

static Expr place_learning(Discretise *d, Expr value) {
    Expr placed = step_place(d, value);
    return expr_rewrite(d->store, placed, past_rule, d);
}

// What a rule makes of an array, within its bounds; what is not there stays 0 whatever the bounds are.
static Expr clamped(Discretise *d, Symbol symbol, Expr value) {
    ExprStore *s = d->store;
    const Array *array = model_array(d->model, symbol);
    if (array && array->clamped) {
        Expr low = expr_const(s, array->low), high = expr_const(s, array->high);
        value = expr_make2(s, EXPR_MAX, low, expr_make2(s, EXPR_MIN, high, value)); // NaN stays NaN
    }
    if (array && array->zero_diagonal) value = step_off_diagonal(s, symbol, value);
    if (!array || !array->mask) return value;
    Expr none = expr_const(s, 0);
    Expr missing = expr_make2(s, EXPR_EQUAL, step_own(d, array->mask), none);
    return expr_select(s, missing, none, value);
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
        Expr change = expr_sub(s, a->value, step_own(d, weight));
        a->value = expr_sub(s, a->value, expr_mul(s, decay, step_own(d, weight)));
        Expr gained = expr_mul(s, learned_gain(d, ce, feedback), change);
        step_assign(d, feedback, expr_add(s, expr_mul(s, kept, step_own(d, feedback)), gained), rule + 1, c->span);
        return;
    }
}

void step_rules(Discretise *d) {
    for (uint32_t r = 0; r < d->model->learn.count; r++) {
        const LearnRule *rule = &d->model->learn.items[r];
        for (uint32_t k = 0; k < rule->assignments.count; k++) {
            const Assignment *a = &rule->assignments.items[k];
            Expr value = rule->written_out ? step_place(d, a->value) : a->value;
            if (is_target(rule, a->symbol)) value = clamped(d, a->symbol, value);
            step_assign(d, a->symbol, value, r + 1, a->span);
        }
    }
    if (d->model->dynamics.feedback != FEEDBACK_LEARNED) return;
    for (uint32_t i = 0; i < d->equations->connections.count; i++) {
        const ConnectionEquations *ce = &d->equations->connections.items[i];
        for (uint32_t w = 0; w < d->model->connections.items[ce->connection].feedback.count; w++)
            learn_feedback(d, ce, w);
    }
}

void step_gradients(Discretise *d) {
    for (uint32_t i = 0; i < d->equations->gradients.count; i++) {
        const Gradient *g = &d->equations->gradients.items[i];
        if (g->symbol) step_assign(d, g->symbol, place_learning(d, g->value), 0, g->span);
    }
}

// At the end of a window: the rules read the gradients that the backward steps have added up, which then start anew.
void step_learn_from_sums(Discretise *d) {
    step_rules(d);
    for (uint32_t i = 0; i < d->equations->gradients.count; i++) {
        const Gradient *g = &d->equations->gradients.items[i];
        for (uint32_t k = 0; k < d->step->assigns.count; k++) {
            StepAssign *a = &d->step->assigns.items[k];
            a->value = expr_rename(d->store, a->value, g->symbol, VERSION_NEW, g->symbol, VERSION_OLD);
        }
    }
    for (uint32_t i = 0; i < d->equations->gradients.count; i++) {
        const Gradient *g = &d->equations->gradients.items[i];
        if (g->symbol) step_assign(d, g->symbol, expr_const(d->store, 0), 0, g->span);
    }
}

// Backward steps add to what the steps after them have found.
void step_add_up_gradients(Discretise *d) {
    for (uint32_t k = 0; k < d->step->assigns.count; k++)
        for (uint32_t i = 0; i < d->equations->gradients.count; i++) {
            StepAssign *a = &d->step->assigns.items[k];
            if (a->symbol == d->equations->gradients.items[i].symbol)
                a->value = expr_add(d->store, step_own(d, a->symbol), a->value);
        }
}
