// What neurons remember, step by step, and what comes back from it as error.
#include "discretise.h"

typedef struct Ring { // the last values of a signal, one per neuron and slot
    Symbol values, position, slots;
} Ring;

static Ring ring_of(const Leaf *leaf, Symbol values) { return (Ring){values, leaf->position, leaf->slots}; }

static uint32_t ring_length(Discretise *d, const Ring *ring) { return symbol_info(d->store, ring->values)->extent[1]; }

// The slot at a distance of `shift` steps from the one of this step. Shifts are whole numbers up to rounding.
static Expr slot_before(Discretise *d, const Ring *ring, Expr shift) {
    ExprStore *s = d->store;
    Expr at = expr_sub(s, step_own(d, ring->position), shift), count = expr_const(s, ring_length(d, ring));
    return expr_select(s, expr_make2(s, EXPR_LESS, at, expr_const(s, -0.5)), expr_add(s, at, count), at);
}

// The same for shifts of either sign.
static Expr slot_number(Discretise *d, const Ring *ring, Expr shift) {
    ExprStore *s = d->store;
    Expr at = slot_before(d, ring, shift), count = expr_const(s, ring_length(d, ring));
    Expr beyond = expr_make2(s, EXPR_LESS, expr_sub(s, count, expr_const(s, 0.5)), at);
    return expr_select(s, beyond, expr_sub(s, at, count), at);
}

// What a ring held `shift` steps ago, or, for a shift below 0, will hold.
static Expr slot_at(Discretise *d, Ring ring, ExprVersion version, Expr shift) {
    ExprStore *s = d->store;
    Index axes[EXPR_MAX_RANK];
    model_axes(s, ring.values, axes);
    Expr slot = expr_index(s, axes[1]), number = expr_access(s, ring.slots, VERSION_OLD, &slot, 1);
    Expr far = expr_call(s, FUNCTION_ABS, expr_sub(s, number, slot_number(d, &ring, shift)));
    Expr held = model_element(s, ring.values, version), zero = expr_const(s, 0);
    return expr_sum(s, axes[1], expr_select(s, expr_make2(s, EXPR_LESS, far, expr_const(s, 0.5)), held, zero));
}

// x goes into the slot of this step.
static void put_in_slot(Discretise *d, Ring ring, Expr x, Span span) {
    ExprStore *s = d->store;
    Index axes[EXPR_MAX_RANK];
    model_axes(s, ring.values, axes);
    Expr slot = expr_index(s, axes[1]), number = expr_access(s, ring.slots, VERSION_OLD, &slot, 1);
    Expr far = expr_call(s, FUNCTION_ABS, expr_sub(s, number, step_own(d, ring.position)));
    Expr here = expr_make2(s, EXPR_LESS, far, expr_const(s, 0.5));
    step_assign(d, ring.values, expr_select(s, here, x, step_own(d, ring.values)), 0, span);
}

static void next_slot(Discretise *d, Ring ring, Span span) {
    ExprStore *s = d->store;
    Expr next = expr_add(s, step_own(d, ring.position), expr_const(s, 1));
    Expr last = expr_const(s, ring_length(d, &ring) - 0.5);
    Expr wrapped = expr_select(s, expr_make2(s, EXPR_LESS, next, last), next, expr_const(s, 0));
    step_assign(d, ring.position, wrapped, 0, span);
}

// T/dt steps, of which the register between neurons is one. Halves are rounded up, so that one slot is always nearest.
static Expr delay_steps(Discretise *d, const Leaf *leaf) {
    Expr per_step = expr_const(d->store, (1 + 1e-6) / d->model->dt), steps = expr_mul(d->store, leaf->tau, per_step);
    return leaf->across && d->order->rate_held ? expr_sub(d->store, steps, expr_const(d->store, 1)) : steps;
}

// A reader over a connection may want the value of this step; one inside the neuron never does.
static void delay(Discretise *d, const Leaf *leaf, Span span) {
    Ring ring = ring_of(leaf, leaf->memory);
    put_in_slot(d, ring, step_place(d, leaf->input), span);
    bool now = leaf->across && d->order->rate_held;
    step_assign(d, leaf->symbol, slot_at(d, ring, now ? VERSION_NEW : VERSION_OLD, delay_steps(d, leaf)), 0, span);
    next_slot(d, ring, span);
}

// ---- Delays of neurons that equations move --------------------------------------------------------------------------

// A slot as a place in the array; whatever was loaded into a delay's time, it is one of them.
static Expr within_ring(Discretise *d, const Ring *ring, Expr at) {
    ExprStore *s = d->store;
    at = expr_make2(s, EXPR_MAX, at, expr_const(s, 0));
    return expr_make2(s, EXPR_MIN, at, expr_const(s, ring_length(d, ring) - 1.0));
}

// The same, at the one element that is meant: quick, but nothing that the reversed step could differentiate.
static Expr line_at(Discretise *d, Ring ring, ExprVersion version, Expr shift) {
    Index axes[EXPR_MAX_RANK];
    model_axes(d->store, ring.values, axes);
    Expr at[] = {expr_index(d->store, axes[0]), within_ring(d, &ring, slot_before(d, &ring, shift))};
    return expr_access(d->store, ring.values, version, at, 2);
}

static void put_in_line(Discretise *d, Ring ring, Expr x, Span span) {
    Expr slot = within_ring(d, &ring, step_own(d, ring.position));
    vec_push(&d->step->assigns, (StepAssign){.symbol = ring.values, .value = x, .span = span, .slot = slot});
}

// Those across a connection get this step's value in the next one.
static bool is_sent(Discretise *d, const Population *p, const DelayLine *line) {
    for (uint32_t i = 0; i < p->outputs.count && d->order->rate_held; i++)
        if (expr_reads(d->store, p->outputs.items[i].value, line->value)) return true;
    return false;
}

Expr step_sent(Discretise *d, const Population *p, Expr output) {
    for (uint32_t i = 0; i < p->delays.count && d->order->rate_held; i++) {
        const DelayLine *line = &p->delays.items[i];
        output = expr_rename(d->store, output, line->value, VERSION_NEW, line->sent, VERSION_NEW);
    }
    return output;
}

void step_delay_lines(Discretise *d, const Population *p) {
    ExprStore *s = d->store;
    bool reversed = principle_find(d->model->dynamics.principle)->course != COURSE_ONLINE;
    for (uint32_t i = 0; i < p->delays.count; i++) {
        const DelayLine *line = &p->delays.items[i];
        Ring ring = {line->memory, line->position, line->slots};
        Expr (*at)(Discretise *, Ring, ExprVersion, Expr) = reversed ? slot_at : line_at;
        Expr steps = expr_mul(s, step_place(d, line->time), expr_const(s, (1 + 1e-6) / d->model->dt));
        Expr less = expr_sub(s, steps, expr_const(s, 1));
        (reversed ? put_in_slot : put_in_line)(d, ring, step_place(d, line->input), line->span);
        step_assign(d, line->value, at(d, ring, VERSION_OLD, steps), 0, line->span);
        if (is_sent(d, p, line)) step_assign(d, line->sent, at(d, ring, VERSION_NEW, less), 0, line->span);
        next_slot(d, ring, line->span);
    }
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
            Ring ring = ring_of(leaf, leaf->back_memory);
            put_in_slot(d, ring, g, span);
            Expr later = expr_neg(s, delay_steps(d, leaf));
            step_assign(d, leaf->back, slot_at(d, ring, now ? VERSION_NEW : VERSION_OLD, later), 0, span);
            continue;
        }
        BackError back = leaf->kind == LEAF_LOWPASS ? lowpass_back(d, leaf, g)
                         : leaf->kind == LEAF_DELAY ? delay_back(d, leaf, g)
                                                    : (BackError){step_own(d, leaf->back_memory), g};
        step_assign(d, leaf->back, back.value, 0, span);
        if (back.kept) step_assign(d, leaf->back_memory, back.kept, 0, span);
    }
}
