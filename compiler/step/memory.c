// What neurons remember, step by step, and what comes back from it as error.
#include "discretise.h"

// What a ring of slots held `shift` steps ago (or, for a shift below 0, will hold): the slot at that distance from the
// one of this step. Shifts are whole numbers up to rounding.
static Expr slot_at(Discretise *d, const Leaf *leaf, Symbol ring, ExprVersion version, Expr shift) {
    ExprStore *s = d->store;
    Index axes[EXPR_MAX_RANK];
    model_axes(s, ring, axes);
    Expr slot = expr_index(s, axes[1]), number = expr_access(s, leaf->slots, VERSION_OLD, &slot, 1);
    Expr count = expr_const(s, symbol_info(s, ring)->extent[1]), half = expr_const(s, 0.5), zero = expr_const(s, 0);
    Expr at = expr_sub(s, step_own(d, leaf->position), shift);
    at = expr_select(s, expr_make2(s, EXPR_LESS, at, expr_neg(s, half)), expr_add(s, at, count), at);
    at = expr_select(s, expr_make2(s, EXPR_LESS, expr_sub(s, count, half), at), expr_sub(s, at, count), at);
    Expr far = expr_call(s, FUNCTION_ABS, expr_sub(s, number, at));
    Expr value = expr_select(s, expr_make2(s, EXPR_LESS, far, half), model_element(s, ring, version), zero);
    return expr_sum(s, axes[1], value);
}

// x goes into the slot of this step.
static void put_in_slot(Discretise *d, const Leaf *leaf, Symbol ring, Expr x, Span span) {
    ExprStore *s = d->store;
    Index axes[EXPR_MAX_RANK];
    model_axes(s, ring, axes);
    Expr slot = expr_index(s, axes[1]), number = expr_access(s, leaf->slots, VERSION_OLD, &slot, 1);
    Expr far = expr_call(s, FUNCTION_ABS, expr_sub(s, number, step_own(d, leaf->position)));
    Expr here = expr_make2(s, EXPR_LESS, far, expr_const(s, 0.5));
    step_assign(d, ring, expr_select(s, here, x, step_own(d, ring)), 0, span);
}

// T/dt steps, of which the register between neurons is one. Halves are rounded up, so that one slot is always nearest.
static Expr delay_steps(Discretise *d, const Leaf *leaf) {
    Expr per_step = expr_const(d->store, (1 + 1e-6) / d->model->dt), steps = expr_mul(d->store, leaf->tau, per_step);
    return leaf->across && d->order->rate_held ? expr_sub(d->store, steps, expr_const(d->store, 1)) : steps;
}

// A reader over a connection may want the value of this step; one inside the neuron never does.
static void delay(Discretise *d, const Leaf *leaf, Span span) {
    ExprStore *s = d->store;
    put_in_slot(d, leaf, leaf->memory, step_place(d, leaf->input), span);
    bool now = leaf->across && d->order->rate_held;
    step_assign(d, leaf->symbol, slot_at(d, leaf, leaf->memory, now ? VERSION_NEW : VERSION_OLD, delay_steps(d, leaf)),
                0, span);
    Expr next = expr_add(s, step_own(d, leaf->position), expr_const(s, 1));
    Expr last = expr_const(s, symbol_info(s, leaf->memory)->extent[1] - 0.5);
    step_assign(d, leaf->position, expr_select(s, expr_make2(s, EXPR_LESS, next, last), next, expr_const(s, 0)), 0,
                span);
}

// A low-pass is its value after the step; previous(x) is what x was in the step before.
void step_memories(Discretise *d, const NeuronEquations *n) {
    ExprStore *s = d->store;
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        const Leaf *leaf = &n->leaves.items[k];
        if (leaf->kind == LEAF_AHEAD) continue;
        Span span = expr_span(s, leaf->node);
        if (leaf->kind == LEAF_DELAY) {
            delay(d, leaf, span);
            continue;
        }
        Expr x = step_place(d, leaf->input);
        if (leaf->kind == LEAF_PREVIOUS) {
            step_assign(d, leaf->symbol, step_own(d, leaf->memory), 0, span);
            step_assign(d, leaf->memory, x, 0, span);
            continue;
        }
        Expr value = step_own(d, leaf->symbol), rate = model_element(s, leaf->rate, VERSION_NEW);
        step_assign(d, leaf->rate, expr_div(s, expr_sub(s, x, value), leaf->tau), 0, span);
        step_assign(d, leaf->symbol, expr_add(s, value, expr_mul(s, expr_const(s, d->model->dt), rate)), 0, span);
    }
}

// What the x of a leaf with memory receives of the error g, and what that leaves behind for the next step.
typedef struct BackError {
    Expr value, kept;
} BackError;

// The inverse of a low-pass is its discrete equation solved for x; backward in time the low-pass is its own mirror
// image.
static BackError lowpass_back(Discretise *d, const Leaf *leaf, Expr g) {
    ExprStore *s = d->store;
    ExprKind adjoint = principle_find(d->model->dynamics.principle)->adjoint_of_lowpass;
    if (adjoint == EXPR_STOP) return (BackError){g, 0};
    Expr memory = step_own(d, leaf->back_memory), speed = expr_div(s, expr_const(s, d->model->dt), leaf->tau);
    Expr change = expr_sub(s, g, memory);
    if (adjoint == EXPR_AHEAD) return (BackError){expr_add(s, memory, expr_div(s, change, speed)), g};
    Expr low = expr_add(s, memory, expr_mul(s, speed, change));
    return (BackError){low, low};
}

// Backward in time a delay waits as it does forward; causally, only what the model has declared can be done.
static BackError delay_back(Discretise *d, const Leaf *leaf, Expr g) {
    ExprStore *s = d->store;
    if (leaf->credit == CREDIT_STOPPED && !step_is_backward(d)) return (BackError){expr_const(s, 0), 0};
    if (leaf->credit != CREDIT_AHEAD || step_is_backward(d)) return (BackError){g, 0};
    Expr memory = step_own(d, leaf->back_memory), steps = expr_div(s, leaf->tau, expr_const(s, d->model->dt));
    return (BackError){expr_add(s, g, expr_mul(s, steps, expr_sub(s, g, memory))), g};
}

void step_back_errors(Discretise *d, const NeuronEquations *n) {
    ExprStore *s = d->store;
    for (uint32_t k = 0; k < n->errors.count; k++) {
        const Leaf *leaf = &n->leaves.items[n->errors.items[k].leaf];
        Expr g = model_element(s, n->errors.items[k].symbol, VERSION_NEW);
        Span span = expr_span(s, leaf->node);
        if (leaf->kind == LEAF_AHEAD) continue;
        if (leaf->kind == LEAF_DELAY && step_is_backward(d)) {
            bool now = leaf->across && d->order->rate_held;
            put_in_slot(d, leaf, leaf->back_memory, g, span);
            Expr later = expr_neg(s, delay_steps(d, leaf));
            step_assign(d, leaf->back, slot_at(d, leaf, leaf->back_memory, now ? VERSION_NEW : VERSION_OLD, later), 0,
                        span);
            continue;
        }
        BackError back = leaf->kind == LEAF_LOWPASS ? lowpass_back(d, leaf, g)
                         : leaf->kind == LEAF_DELAY ? delay_back(d, leaf, g)
                                                    : (BackError){step_own(d, leaf->back_memory), g};
        step_assign(d, leaf->back, back.value, 0, span);
        if (back.kept) step_assign(d, leaf->back_memory, back.kept, 0, span);
    }
}
