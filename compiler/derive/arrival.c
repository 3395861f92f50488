// Delays of connections, delay(pre.r, T) in a synapse: the memory of what is delayed, and how an error goes back to it.
#include "derive.h"
#include <string.h>

// ---- What was sent --------------------------------------------------------------------------------------------------

static Symbol beside_message(Derive *d, const LateMessage *late, SymbolInfo info, const char *suffix) {
    info.name = arena_format(d->model->arena, "%s_%s", symbol_info(d->store, late->message)->name, suffix);
    info.role = ROLE_STATE;
    info.batched = true;
    info.span = late->span;
    return derive_symbol(d, info, "what is kept of a delayed message");
}

// What has been sent before the first step: the first values of the message, in all slots.
static bool history(Derive *d, const LateMessage *late, uint32_t size, Initial *initial) {
    const Array *array = model_array(d->model, late->message);
    double *values = arena_new_array(d->model->arena, double, size), zero = 0;
    Index axis;
    *initial = (Initial){.kind = INITIAL_CONSTANT, .values = values, .scale = 1};
    if (!array) return memcpy(values, &zero, sizeof zero), initial->count = 1, true;
    const Initial *first = &array->initial;
    Symbol given = first->kind == INITIAL_COPY && first->scale == 1 ? first->source : late->message;
    model_axes(d->store, given, &axis);
    Expr element = model_element(d->store, given, VERSION_OLD);
    bool known = symbol_info(d->store, given)->rank == 1;
    if (given != late->message) {
        known = known && model_known_values(d->model, element, &axis, 1, values);
    } else {
        known = known && first->kind == INITIAL_CONSTANT;
        for (uint32_t i = 0; known && i < size; i++) values[i] = first->values[first->count > 1 ? i : 0];
    }
    if (!known) {
        diag_report(d->model->diags, DIAG_E0208, late->span,
                    "what `%s` was before the first step is not known before the run",
                    symbol_info(d->store, late->message)->name);
        diag_expected(d->model->diags, "a message that starts with numbers or parameters that are given");
        diag_help(d->model->diags, "delay an output: it is 0 before the first step, or what `initially` says");
        return false;
    }
    initial->count = 1;
    for (uint32_t i = 1; i < size; i++)
        if (values[i] != values[0]) initial->count = size;
    return true;
}

static void repeat_in_slots(Derive *d, Initial *initial, uint32_t slots) {
    if (initial->count == 1) return;
    double *values = arena_new_array(d->model->arena, double, (size_t)initial->count *slots);
    for (uint32_t i = 0; i < initial->count; i++)
        for (uint32_t k = 0; k < slots; k++) values[i * slots + k] = initial->values[i];
    initial->values = values;
    initial->count *= slots;
}

static void make_late(Derive *d, LateMessage *late) {
    SymbolInfo message = *symbol_info(d->store, late->message);
    uint32_t size = message.extent[0];
    Initial initial;
    if (!history(d, late, size, &initial)) return;
    repeat_in_slots(d, &initial, late->length);
    SymbolInfo memory = {.rank = 2, .extent = {size, late->length}, .unit = message.unit}, position = {.rank = 0};
    late->memory = beside_message(d, late, memory, "line");
    late->position = beside_message(d, late, position, "slot");
    late->slots = derive_slot_numbers(d, late->length);
    vec_push(&d->model->arrays, (Array){.symbol = late->memory, .initial = initial});
}

// All samples are at the same slot; but what a reversed step goes back to, each has of its own.
void derive_late_messages(Derive *d) {
    for (uint32_t i = 0; i < d->model->late.count; i++) {
        LateMessage *late = &d->model->late.items[i];
        if (!late->memory) make_late(d, late);
        if (late->memory) symbol_edit(d->store, late->position)->batched = d->principle->course != COURSE_ONLINE;
    }
}

// ---- What comes back ------------------------------------------------------------------------------------------------

// A delayed message of a current, for a while a variable of its own: an array with the delay's free indices.
typedef struct Arrival {
    Expr node; // delay(h.r[j], T[i, j])
    Symbol symbol;
    uint32_t rank;
    Expr at[EXPR_MAX_RANK]; // its free indices
} Arrival;

typedef struct Arrivals {
    Derive *d;
    const Connection *connection;
    Vec(Arrival) items;
} Arrivals;

static bool note_arrival(const ExprStore *store, Expr expr, void *context) {
    Arrivals *arrivals = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_DELAY) return true;
    Arrival arrival = {.node = expr};
    uint32_t rank;
    const Index *axes = expr_free_indices(store, expr, &rank);
    for (; arrival.rank < rank && arrival.rank < EXPR_MAX_RANK; arrival.rank++)
        arrival.at[arrival.rank] = expr_index(arrivals->d->store, axes[arrival.rank]);
    vec_push(&arrivals->items, arrival);
    return false;
}

static Arrivals find_arrivals(Derive *d, const Connection *c) {
    Arrivals arrivals = {.d = d, .connection = c};
    expr_visit(d->store, c->current, note_arrival, &arrivals);
    for (uint32_t k = 0; k < arrivals.items.count; k++) {
        Arrival *a = &arrivals.items.items[k];
        SymbolInfo info = {.role = ROLE_SIGNAL, .hidden = true, .batched = true, .rank = a->rank, .span = c->span};
        info.name = arena_format(d->model->arena, "%s.arrival#%u", c->name, k);
        for (uint32_t i = 0; i < a->rank; i++)
            info.extent[i] = index_info(d->store, expr_node(d->store, a->at[i]).index)->extent;
        info.unit = symbol_info(d->store, expr_node(d->store, expr_node(d->store, a->node).argument[0]).symbol)->unit;
        a->symbol = derive_symbol(d, info, "a delayed message");
    }
    return arrivals;
}

static Expr as_variables(const Arrivals *arrivals, Expr expr) {
    for (uint32_t k = 0; k < arrivals->items.count; k++) {
        const Arrival *a = &arrivals->items.items[k];
        Expr variable = expr_access(arrivals->d->store, a->symbol, VERSION_OLD, a->at, a->rank);
        expr = expr_replace(arrivals->d->store, expr, a->node, variable);
    }
    return expr;
}

static Expr at_these(ExprStore *s, const Arrival *a, Expr expr, const Expr *at) {
    Expr between[EXPR_MAX_RANK]; // the two sets of indices may overlap
    for (uint32_t i = 0; i < a->rank; i++) {
        Index own = expr_node(s, a->at[i]).index;
        between[i] = expr_index(s, index_new(s, index_info(s, own)->name, index_info(s, own)->extent));
        expr = expr_substitute_index(s, expr, a->at[i], between[i]);
    }
    for (uint32_t i = 0; i < a->rank; i++) expr = expr_substitute_index(s, expr, between[i], at[i]);
    return expr;
}

static Expr message_rule(ExprStore *store, Expr node, void *context) {
    const Arrivals *arrivals = context;
    ExprNode access = expr_node(store, node);
    for (uint32_t k = 0; access.kind == EXPR_ACCESS && k < arrivals->items.count; k++)
        if (arrivals->items.items[k].symbol == access.symbol)
            return at_these(store, &arrivals->items.items[k], arrivals->items.items[k].node, access.argument);
    return node;
}

static Expr as_messages(Arrivals *arrivals, Expr expr) {
    return expr_rewrite(arrivals->d->store, expr, message_rule, arrivals);
}

// sum over the target's neurons of what the current sees of the error, `seen`, times d current / d symbol[axes].
static Expr pulled(Arrivals *arrivals, Expr seen, Symbol symbol, const FreshAxes *axes) {
    ExprStore *s = arrivals->d->store;
    const Connection *c = arrivals->connection;
    Index own = arrivals->d->model->populations.items[c->target].own;
    Expr by = expr_derivative(s, as_variables(arrivals, c->current), symbol, axes->fresh, axes->rank);
    return as_messages(arrivals, expr_sum(s, own, expr_mul(s, seen, by)));
}

static bool note_sample(const ExprStore *store, Expr expr, void *context) {
    ExprNode node = expr_node(store, expr);
    if (node.kind == EXPR_ACCESS && symbol_info(store, node.symbol)->batched) *(bool *)context = true;
    return true;
}

// Whether an error reaches the arrival by fixed factors alone, so that what is done to the error is done to all of it.
static bool is_linear(Arrivals *arrivals, const NeuronEquations *target, const Arrival *a) {
    Derive *d = arrivals->d;
    ExprStore *s = d->store;
    FreshAxes axes = derive_fresh_axes(d, a->symbol);
    Expr error = derive_element(d, target->error), seen = target->drive_errors.items[arrivals->connection->port];
    Expr by =
        expr_derivative(s, as_variables(arrivals, arrivals->connection->current), a->symbol, axes.fresh, axes.rank);
    Expr factor = expr_partial(s, seen, error);
    bool varies = !derive_is_zero(d, expr_replace(s, seen, error, expr_const(s, 0)));
    expr_visit(s, by, note_sample, &varies);
    expr_visit(s, factor, note_sample, &varies);
    return !varies;
}

// How the error of an arrival comes to the message, as what the current sees of the target's error at each synapse:
// late as it is, looked ahead, or, backward in time, from later.
static Expr seen_by(Arrivals *arrivals, const Arrival *a, const FreshAxes *axes, ConnectionEquations *ce) {
    Derive *d = arrivals->d;
    ExprStore *s = d->store;
    const Connection *c = arrivals->connection;
    const NeuronEquations *target = derive_neuron_of(d->equations, c->target);
    ExprNode node = expr_node(s, a->node);
    Expr error = derive_element(d, target->error), seen = target->drive_errors.items[c->port];
    Span where = expr_span(s, a->node);
    double declared = CREDIT_NONE_DECLARED;
    if (node.count > 2) expr_get_const(s, node.argument[2], &declared);
    bool online = d->principle->course == COURSE_ONLINE;
    if (!where.source) where = c->span;
    DelayCredit credit = online ? derive_delay_credit(d, (DelayCredit)declared, where) : CREDIT_NONE_DECLARED;
    if (credit == CREDIT_STOPPED) return expr_const(s, 0);
    if (credit == CREDIT_LATE) return seen;
    if (!is_linear(arrivals, target, a)) {
        diag_report(
            d->model->diags, DIAG_E0212, where,
            "an error that goes back through a delay %s, in a current that is not linear in the delayed message",
            online ? "and is looked ahead" : "backward in time");
        diag_expected(d->model->diags, "a current such as `W @ delay(pre.r, T)`%s",
                      online ? ", or `delay(pre.r, T, linear)`" : ", or `dynamics bptt`");
        return seen;
    }
    if (online)
        ce->looks_ahead = true;
    else
        ce->comes_back = true;
    Expr time = at_these(s, a, node.argument[1], axes->fresh);
    Expr moved = expr_make2(s, online ? EXPR_AHEAD : EXPR_DELAY, error, time);
    return expr_replace(s, seen, error, moved);
}

// What a delayed message receives: at the axes of the message.
static Expr late_error(Arrivals *arrivals, const Arrival *a, Symbol message, ConnectionEquations *ce) {
    Derive *d = arrivals->d;
    ExprStore *s = d->store;
    FreshAxes axes = derive_fresh_axes(d, a->symbol), own = derive_fresh_axes(d, message);
    Expr result = pulled(arrivals, seen_by(arrivals, a, &axes, ce), a->symbol, &axes);
    ExprNode access = expr_node(s, expr_node(s, a->node).argument[0]);
    result = expr_mul(s, result, expr_delta(s, at_these(s, a, access.argument[0], axes.fresh), own.fresh[0]));
    for (uint32_t i = 0; i < axes.rank; i++) result = expr_sum(s, expr_node(s, axes.fresh[i]).index, result);
    return derive_at_own_axes(d, &own, result);
}

Expr derive_late_pull_back(Derive *d, const Connection *c, Symbol message, ConnectionEquations *ce) {
    ExprStore *s = d->store;
    const NeuronEquations *target = derive_neuron_of(d->equations, c->target);
    Arrivals arrivals = find_arrivals(d, c);
    FreshAxes own = derive_fresh_axes(d, message);
    Expr seen = target->drive_errors.items[c->port];
    Expr result = derive_at_own_axes(d, &own, pulled(&arrivals, seen, message, &own));
    for (uint32_t k = 0; k < arrivals.items.count; k++) {
        const Arrival *a = &arrivals.items.items[k];
        ExprNode access = expr_node(s, expr_node(s, a->node).argument[0]);
        if (access.symbol == message) result = expr_add(s, result, late_error(&arrivals, a, message, ce));
    }
    vec_free(&arrivals.items);
    expr_set_span(s, result, c->span);
    return result;
}

// Whether what one population sends reaches another, over connections that errors go back along.
static bool reaches(Derive *d, uint32_t from, uint32_t to) {
    bool *reached = arena_new_array(d->model->arena, bool, d->model->populations.count);
    reached[from] = true;
    for (bool changed = true; changed && !reached[to];) {
        changed = false;
        for (uint32_t i = 0; i < d->equations->connections.count; i++) {
            const ConnectionEquations *ce = &d->equations->connections.items[i];
            const Connection *c = &d->model->connections.items[ce->connection];
            if (!ce->carries_error || !reached[c->source] || reached[c->target]) continue;
            reached[c->target] = changed = true;
        }
    }
    return reached[to];
}

// What is looked ahead of in a loop is looked ahead of again.
void derive_warn_of_loops(Derive *d) {
    for (uint32_t i = 0; i < d->equations->connections.count; i++) {
        const ConnectionEquations *ce = &d->equations->connections.items[i];
        const Connection *c = &d->model->connections.items[ce->connection];
        if (!ce->looks_ahead || !reaches(d, c->target, c->source)) continue;
        diag_report(d->model->diags, DIAG_W0309, c->span,
                    "the error that goes back along `%s`, looked ahead of by its delay, returns around a loop",
                    c->name);
        diag_help(d->model->diags, "`delay(pre.r, T, linear)` lets it come late; see what `lequel gradcheck` says");
    }
}

// What has to be kept of the target's error for that.
static Symbol of_error(Derive *d, const Connection *c, const NeuronEquations *target, uint32_t slots,
                       const char *name) {
    SymbolInfo info = *symbol_info(d->store, target->error);
    info.name = arena_format(d->model->arena, "%s.%s", c->name, name);
    info.role = ROLE_STATE;
    info.span = c->span;
    if (slots) info.extent[info.rank++] = slots;
    return derive_symbol(d, info, "what is kept of an error");
}

void derive_late_error_memory(Derive *d, const Connection *c, ConnectionEquations *ce) {
    const NeuronEquations *target = derive_neuron_of(d->equations, c->target);
    if (ce->looks_ahead) ce->error_before = of_error(d, c, target, 0, "error_before");
    for (uint32_t i = 0; ce->comes_back && i < d->model->late.count; i++) {
        const LateMessage *late = &d->model->late.items[i], *have = &d->model->late.items[ce->late];
        bool read = expr_reads(d->store, c->current, late->message);
        bool longer = !ce->error_line || late->length > have->length;
        if (!read || !longer) continue;
        ce->late = i;
        ce->error_line =
            of_error(d, c, target, late->length, arena_format(d->model->arena, "error_line%u", late->length));
    }
}
