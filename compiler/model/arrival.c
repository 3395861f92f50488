// Delays of connections: delay(pre.r, T) in a synapse is what its source sent a time T before. T is one number, one per
// presynaptic neuron, or one per synapse; the last values of a message are kept once for all that read them late.
#include "network.h"
#include <math.h>
#include <stdlib.h>

enum { MOST_STEPS = 100000 };

// ---- What is delayed ------------------------------------------------------------------------------------------------

static bool sends(const Population *p, Symbol symbol) {
    for (uint32_t i = 0; i < p->outputs.count; i++)
        if (p->outputs.items[i].symbol == symbol) return true;
    return model_moved_state(p, symbol) != NULL;
}

// A message as it arrives over this connection.
static bool is_message(const Resolver *r, ExprNode node) {
    const Connection *c = r->synapse;
    if (node.kind != EXPR_ACCESS || node.version != VERSION_OLD) return false;
    if (c->from_external) return r->model->externals.items[c->source].symbol == node.symbol;
    return sends(&r->model->populations.items[c->source], node.symbol);
}

static bool check_message(Resolver *r, const Value *x) {
    if (is_message(r, expr_node(r->store, x->expr))) return true;
    report(r, DIAG_E0307, value_place(x), "a delay in a synapse of what is no message");
    diag_expected(r->diags,
                  "what the source sends, as in `delay(pre.r, T)` or `sum(j: W[i, j] * delay(pre.r[j], T[i, j]))`");
    diag_help(r->diags, "what is made of it can be made of the delayed message: `f(delay(pre.r, T))`");
    return false;
}

// ---- How long -------------------------------------------------------------------------------------------------------

static bool note_varying(const ExprStore *store, Expr expr, void *context) {
    Symbol *varying = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS || *varying) return !*varying;
    const SymbolInfo *info = symbol_info(store, node.symbol);
    if (info->batched || info->role != ROLE_PARAMETER) *varying = node.symbol;
    return false;
}

static bool check_fixed(Resolver *r, const Value *time) {
    Symbol varying = 0;
    expr_visit(r->store, time->expr, note_varying, &varying);
    if (!varying) return true;
    bool weight = symbol_info(r->store, varying)->role == ROLE_WEIGHT;
    report(r, DIAG_E0208, value_place(time), "the time of a delay reads `%s`, which %s",
           symbol_info(r->store, varying)->name, weight ? "is a weight" : "changes from step to step");
    diag_expected(r->diags, "numbers and parameters");
    if (weight) diag_help(r->diags, "declare it as a parameter of each synapse: `param T[post, pre] ~ uniform(1, 5)`");
    return false;
}

typedef struct Times { // of all that one delay stands for
    Bounds bounds;
    double uneven; // one that is no whole number of steps; 0 for none, or not known
    bool drawn;    // bounds are all that is known
} Times;

static void add_time(const Resolver *r, Times *times, double value) {
    double steps = value / r->model->dt;
    times->bounds = (Bounds){fmin(times->bounds.low, value), fmax(times->bounds.high, value)};
    if (times->uneven == 0 && !(fabs(steps - floor(steps + 0.5)) < 1e-6 * steps)) times->uneven = value;
}

// Elements of a list of edges that are not there have no delay.
static const Array *mask_of(const Resolver *r, Expr time, const Array **array) {
    ExprNode node = expr_node(r->store, time);
    *array = node.kind == EXPR_ACCESS ? model_array(r->model, node.symbol) : NULL;
    bool given = *array && (*array)->mask && (*array)->initial.kind == INITIAL_CONSTANT;
    return given ? model_array(r->model, (*array)->mask) : NULL;
}

static Times times_of_edges(const Resolver *r, const Array *array, const Array *mask) {
    Times times = {.bounds = {INFINITY, -INFINITY}};
    const Initial *values = &array->initial, *there = &mask->initial;
    for (uint32_t i = 0; i < values->count || i < there->count; i++)
        if (there->values[there->count > 1 ? i : 0] > 0) add_time(r, &times, values->values[values->count > 1 ? i : 0]);
    if (times.bounds.low > times.bounds.high) times.bounds = (Bounds){r->model->dt, r->model->dt}; // no edge at all
    return times;
}

// The values themselves where these are given, else what bounds them.
static Times find_times(const Resolver *r, Expr time) {
    Times times = {.bounds = {INFINITY, -INFINITY}};
    const Array *array, *mask = mask_of(r, time, &array);
    if (mask) return times_of_edges(r, array, mask);
    uint32_t rank;
    const Index *axes = expr_free_indices(r->store, time, &rank);
    size_t count = 1;
    for (uint32_t k = 0; k < rank; k++) count *= index_info(r->store, axes[k])->extent;
    double *values = memory_resize(NULL, count ? count : 1, sizeof *values);
    times.drawn = !count || rank > EXPR_MAX_RANK || !model_known_values(r->model, time, axes, rank, values);
    if (times.drawn) times.bounds = model_bounds(r->model, time);
    for (size_t i = 0; i < count && !times.drawn; i++) add_time(r, &times, values[i]);
    free(values);
    return times;
}

static void note_declaration(Resolver *r, const Value *time) {
    ExprNode node = expr_node(r->store, time->expr);
    const SymbolInfo *info = node.kind == EXPR_ACCESS ? symbol_info(r->store, node.symbol) : NULL;
    if (info && info->span.source && !info->hidden)
        diag_note(r->diags, info->span, "`%s` is declared here", info->name);
}

static bool check_length(Resolver *r, const Value *time, const Times *times) {
    double dt = r->model->dt;
    char first[32], second[32];
    bool bounded = isfinite(times->bounds.low) && isfinite(times->bounds.high);
    if (!bounded || times->bounds.high / dt > MOST_STEPS) {
        report(r, DIAG_E0216, value_place(time),
               bounded ? "a delay of more than %d steps" : "a delay of unknown length", MOST_STEPS);
        diag_expected(r->diags, "numbers, lists, a list of edges, or a draw that is bounded: `~ uniform(1, 5)`");
        note_declaration(r, time);
        return false;
    }
    if (times->bounds.low >= dt * (1 - 1e-6)) return true;
    report(r, DIAG_E0308, value_place(time), "a delay %s %s in `%s`, shorter than the time step %s",
           times->drawn ? "that may be as short as" : "of", number_format(first, times->bounds.low), r->synapse->name,
           number_format(second, dt));
    diag_expected(r->diags, "a delay of at least `dt`");
    note_declaration(r, time);
    diag_help(r->diags, "a message takes one step between neurons as it is: without a delay it has one of `dt`");
    return false;
}

// Once for each place, however often it is worked out.
static void warn_of_rounding(Resolver *r, const Value *time, const Times *times) {
    Span place = value_place(time);
    char text[32];
    if (times->uneven == 0) return;
    for (uint32_t i = 0; i < r->rounded.count; i++)
        if (r->rounded.items[i].source == place.source && r->rounded.items[i].begin == place.begin) return;
    vec_push(&r->rounded, place);
    report(r, DIAG_W0310, place, "a delay of %s in `%s`, no whole number of steps", number_format(text, times->uneven),
           r->synapse->name);
    diag_help(r->diags, "it is taken as %.0f steps", floor(times->uneven / r->model->dt * (1 + 1e-6) + 0.5));
}

// ---- Whose time it is -----------------------------------------------------------------------------------------------

typedef struct TimeSearch {
    Symbol symbol;
    bool found;
} TimeSearch;

static bool note_time(const ExprStore *store, Expr expr, void *context) {
    TimeSearch *search = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind == EXPR_DELAY) search->found |= expr_reads(store, node.argument[1], search->symbol);
    return !search->found;
}

static void look_in_population(const Resolver *r, const Population *p, TimeSearch *search) {
    if (p->energy) expr_visit(r->store, p->energy, note_time, search);
    for (uint32_t i = 0; i < p->outputs.count; i++)
        if (p->outputs.items[i].value) expr_visit(r->store, p->outputs.items[i].value, note_time, search);
    for (uint32_t i = 0; i < p->delays.count; i++)
        search->found |= expr_reads(r->store, p->delays.items[i].time, search->symbol);
}

bool is_time_of_delay(const Resolver *r, Symbol symbol) {
    TimeSearch search = {.symbol = symbol};
    const Model *m = r->model;
    for (uint32_t i = 0; i < m->populations.count; i++) look_in_population(r, &m->populations.items[i], &search);
    for (uint32_t i = 0; i < m->connections.count; i++) {
        const Connection *c = &m->connections.items[i];
        if (c->current) expr_visit(r->store, c->current, note_time, &search);
        for (uint32_t k = 0; k < c->motions.count; k++)
            expr_visit(r->store, c->motions.items[k].value, note_time, &search);
    }
    for (uint32_t i = 0; i < m->learn.count; i++)
        for (uint32_t k = 0; k < m->learn.items[i].assignments.count; k++)
            expr_visit(r->store, m->learn.items[i].assignments.items[k].value, note_time, &search);
    return search.found;
}

// ---- What is kept ---------------------------------------------------------------------------------------------------

static void keep_message(Resolver *r, Symbol message, double longest, Span span) {
    Model *m = r->model;
    uint32_t length = (uint32_t)fmax(1, floor(longest / m->dt * (1 + 1e-6) + 0.5));
    for (uint32_t i = 0; i < m->late.count; i++)
        if (m->late.items[i].message == message) {
            if (m->late.items[i].length < length) m->late.items[i].length = length;
            return;
        }
    vec_push(&m->late, (LateMessage){.message = message, .length = length, .span = span});
}

// One time for all, or one for each element that is delayed.
static bool fit_times(Resolver *r, const Value *x, Value *time) {
    if (!time->rank) return true;
    if (x->rank == 1 && time->rank == 1 &&
        index_info(r->store, x->axis[0])->extent == index_info(r->store, time->axis[0])->extent) {
        time->expr = value_at_axes(r, time, x->axis);
        time->rank = 0;
        return true;
    }
    report(r, DIAG_E0205, value_place(time), "times of shape %s for messages of shape %s", shape_text(r, time),
           shape_text(r, x));
    diag_expected(r->diags, "one time, or one for each of them");
    if (time->rank == 2)
        diag_help(r->diags, "a delay of each synapse is written with its indices: "
                            "`sum(j: W[i, j] * delay(pre.r[j], T[i, j]))`");
    return false;
}

// The span of a parameter that is the time is where its values were written.
Value synapse_delay(Resolver *r, const Value *x, Value *time, Span span) {
    if (!check_message(r, x) || !fit_times(r, x, time) || !check_fixed(r, time)) return value_error();
    Times times = find_times(r, time->expr);
    if (!check_length(r, time, &times)) return value_error();
    warn_of_rounding(r, time, &times);
    keep_message(r, expr_node(r->store, x->expr).symbol, times.bounds.high, span);
    Value result = *x;
    result.expr = expr_make2(r->store, EXPR_DELAY, x->expr, time->expr);
    result.any_unit = false;
    result.span = span;
    expr_set_span(r->store, result.expr, span);
    return result;
}
