// Messages that synapses read late: their last values in a ring, and delay(…) as an element of it; likewise what goes
// back to them as error.
#include "discretise.h"

typedef struct LateRing {
    Symbol values, position, slots;
    uint32_t length;
} LateRing;

static LateRing ring_of(const LateMessage *late, Symbol values) {
    return (LateRing){values, late->position, late->slots, late->length};
}

static Expr at_least(ExprStore *s, Expr x, double low) { return expr_make2(s, EXPR_MAX, x, expr_const(s, low)); }
static Expr at_most(ExprStore *s, Expr x, double high) { return expr_make2(s, EXPR_MIN, x, expr_const(s, high)); }

// T/dt, of which the register between neurons is one, within what the ring has: whatever T has become. Halves are
// rounded up, so that one slot is always nearest.
static Expr ring_steps(Discretise *d, const LateRing *ring, Expr time, bool held) {
    ExprStore *s = d->store;
    Expr steps = expr_mul(s, time, expr_const(s, (1 + 1e-6) / d->model->dt));
    if (held) steps = expr_sub(s, steps, expr_const(s, 1));
    return at_most(s, at_least(s, steps, held ? 0 : 1), held ? ring->length - 1.0 : ring->length);
}

// The slot at a distance of so many steps before this one, or after it.
static Expr ring_slot(Discretise *d, const LateRing *ring, Expr steps, bool later) {
    ExprStore *s = d->store;
    Expr here = step_own(d, ring->position), count = expr_const(s, ring->length);
    Expr at = later ? expr_add(s, here, steps) : expr_sub(s, here, steps);
    Expr end = expr_const(s, later ? ring->length - 0.5 : -0.5);
    Expr beyond = later ? expr_make2(s, EXPR_LESS, end, at) : expr_make2(s, EXPR_LESS, at, end);
    return expr_select(s, beyond, later ? expr_sub(s, at, count) : expr_add(s, at, count), at);
}

static Expr within(ExprStore *s, const LateRing *ring, Expr slot) {
    return at_most(s, at_least(s, slot, 0), ring->length - 1.0);
}

// The slots' index, one that is free here.
static Index slot_index(ExprStore *s, const LateRing *ring, Expr used, Expr slot) {
    for (uint32_t n = 0;; n++) {
        Index index = index_shared(s, n, ring->length);
        if (!expr_has_index(s, used, index) && !expr_has_index(s, slot, index)) return index;
    }
}

// Which slot is meant, as a factor on each: what the reversed step can differentiate.
static Expr is_slot(ExprStore *s, const LateRing *ring, Index index, Expr slot) {
    Expr number = expr_index(s, index);
    Expr far = expr_call(s, FUNCTION_ABS, expr_sub(s, expr_access(s, ring->slots, VERSION_OLD, &number, 1), slot));
    return expr_make2(s, EXPR_LESS, far, expr_const(s, 0.5));
}

// What the ring holds of neuron `neuron` in a slot: the one element that is meant, or, for the reversed step, a sum
// over all of them.
static Expr ring_value(Discretise *d, const LateRing *ring, ExprVersion version, Expr neuron, Expr slot) {
    ExprStore *s = d->store;
    bool reversed = principle_find(d->model->dynamics.principle)->course == COURSE_REVERSED_STEP;
    if (!reversed) return expr_access(s, ring->values, version, (Expr[]){neuron, within(s, ring, slot)}, 2);
    Index index = slot_index(s, ring, neuron, slot);
    Expr held = expr_access(s, ring->values, version, (Expr[]){neuron, expr_index(s, index)}, 2);
    return expr_sum(s, index, expr_select(s, is_slot(s, ring, index, slot), held, expr_const(s, 0)));
}

// x goes into the slot of this step.
static void put(Discretise *d, const LateRing *ring, Expr x, Span span) {
    ExprStore *s = d->store;
    if (principle_find(d->model->dynamics.principle)->course == COURSE_ONLINE) {
        Expr slot = within(s, ring, step_own(d, ring->position));
        vec_push(&d->step->assigns, (StepAssign){.symbol = ring->values, .value = x, .span = span, .slot = slot});
        return;
    }
    Index axes[EXPR_MAX_RANK];
    model_axes(s, ring->values, axes);
    Expr here = is_slot(s, ring, axes[1], step_own(d, ring->position));
    step_assign(d, ring->values, expr_select(s, here, x, step_own(d, ring->values)), 0, span);
}

// ---- Forward --------------------------------------------------------------------------------------------------------

// Whether a message of this step is the one that was sent in the step before: then the ring takes it as it arrives, so
// that what is set to another value on the way is late as well.
static bool is_held(const Discretise *d, ExprNode message) {
    return message.version == VERSION_OLD && symbol_info(d->store, message.symbol)->role != ROLE_INPUT;
}

static void next_slot(Discretise *d, const LateRing *ring, Span span) {
    ExprStore *s = d->store;
    Expr next = expr_add(s, step_own(d, ring->position), expr_const(s, 1));
    Expr inside = expr_make2(s, EXPR_LESS, next, expr_const(s, ring->length - 0.5));
    step_assign(d, ring->position, expr_select(s, inside, next, expr_const(s, 0)), 0, span);
}

void step_late_messages(Discretise *d) {
    for (uint32_t i = 0; i < d->model->late.count; i++) {
        const LateMessage *late = &d->model->late.items[i];
        LateRing ring = ring_of(late, late->memory);
        put(d, &ring, step_place(d, step_own(d, late->message)), late->span);
        next_slot(d, &ring, late->span);
    }
}

static const LateMessage *late_of(const Discretise *d, Symbol message) {
    for (uint32_t i = 0; i < d->model->late.count; i++)
        if (d->model->late.items[i].message == message) return &d->model->late.items[i];
    return NULL;
}

// ---- Backward -------------------------------------------------------------------------------------------------------

static Expr error_ahead(Discretise *d, const ConnectionEquations *ce, Expr error, ExprNode access, Expr time) {
    ExprStore *s = d->store;
    Expr before = expr_access(s, ce->error_before, VERSION_OLD, access.argument, access.count);
    Expr steps = expr_mul(s, time, expr_const(s, 1 / d->model->dt));
    return expr_add(s, error, expr_mul(s, steps, expr_sub(s, error, before)));
}

// In reversed time: the error of so many steps later, of which a register between neurons is one.
static Expr error_later(Discretise *d, const ConnectionEquations *ce, ExprNode access, Expr time) {
    LateRing ring = ring_of(&d->model->late.items[ce->late], ce->error_line);
    bool held = d->order->rate_held;
    Expr slot = ring_slot(d, &ring, ring_steps(d, &ring, time, held), true);
    return ring_value(d, &ring, held ? VERSION_NEW : VERSION_OLD, access.argument[0], slot);
}

void step_late_errors(Discretise *d, const ConnectionEquations *ce) {
    Span span = d->model->connections.items[ce->connection].span;
    const NeuronEquations *target = NULL;
    for (uint32_t i = 0; i < d->equations->neurons.count; i++)
        if (d->equations->neurons.items[i].population == d->model->connections.items[ce->connection].target)
            target = &d->equations->neurons.items[i];
    if (!target) return;
    Expr error = step_place_with_held_errors(d, step_own(d, target->error));
    if (ce->error_before) step_assign(d, ce->error_before, error, 0, span);
    if (!ce->error_line) return;
    LateRing ring = ring_of(&d->model->late.items[ce->late], ce->error_line);
    put(d, &ring, error, span);
}

// ---- delay(…) where it is placed ------------------------------------------------------------------------------------

Expr step_late(Discretise *d, Expr expr) {
    ExprNode node = expr_node(d->store, expr), access = expr_node(d->store, node.argument[0]);
    const ConnectionEquations *ce = d->late_errors;
    if (access.kind != EXPR_ACCESS) return expr;
    if (node.kind == EXPR_AHEAD)
        return ce && ce->error_before ? error_ahead(d, ce, node.argument[0], access, node.argument[1]) : expr;
    const LateMessage *late = late_of(d, access.symbol);
    if (!late) return ce && ce->error_line ? error_later(d, ce, access, node.argument[1]) : expr;
    LateRing ring = ring_of(late, late->memory);
    bool held = is_held(d, access);
    Expr slot = ring_slot(d, &ring, ring_steps(d, &ring, node.argument[1], held), false);
    return ring_value(d, &ring, held ? VERSION_NEW : VERSION_OLD, access.argument[0], slot);
}
