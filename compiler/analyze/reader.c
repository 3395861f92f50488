// Numbers from expressions: evaluation at initial values, operators on signals as filters, and the linear part of the
// step between two signals.
#include "parts.h"
#include <math.h>
#include <string.h>

// ---- Evaluation -----------------------------------------------------------------------------------------------------

static const StepAssign *assign_of(const Step *step, Symbol symbol) {
    for (uint32_t i = 0; i < step->assigns.count; i++)
        if (step->assigns.items[i].symbol == symbol) return &step->assigns.items[i];
    return NULL;
}

// A signal of this step that is made of parameters alone, as a gain that follows from time constants. The first other
// signal ends the search.
static double signal_value(Reader *reader, Symbol symbol, ExprVersion version, const int64_t *index) {
    const StepAssign *assign = version == VERSION_NEW ? assign_of(reader->step, symbol) : NULL;
    Index axes[EXPR_MAX_RANK];
    if (!assign || reader->met_signal || symbol_info(reader->store, symbol)->rank != 1) return NAN;
    model_axes(reader->store, symbol, axes);
    return reader_evaluate(reader, assign->value, axes[0], index[0], 0, 0);
}

static double element(void *context, Symbol symbol, ExprVersion version, const int64_t *index, uint32_t count) {
    Reader *reader = context;
    if (symbol == reader->probe) return reader->probe_value;
    SymbolRole role = symbol_info(reader->store, symbol)->role;
    bool fixed = role == ROLE_PARAMETER || role == ROLE_WEIGHT || role == ROLE_SCALAR || role == ROLE_OPTIMISER;
    double value =
        fixed ? reader->value(reader->context, symbol, index, count) : signal_value(reader, symbol, version, index);
    reader->met_signal |= isnan(value);
    return isnan(value) ? 0 : value;
}

double reader_evaluate(Reader *reader, Expr expr, Index a, int64_t at_a, Index b, int64_t at_b) {
    Index largest = a > b ? a : b;
    if (largest < INDEX_BATCH) largest = INDEX_BATCH;
    int64_t *values = memory_resize(NULL, largest + 1, sizeof *values);
    memset(values, 0, (largest + 1) * sizeof *values);
    values[a] = at_a;
    values[b] = at_b;
    double result = expr_evaluate(reader->store, expr, element, reader, values, 1);
    free(values);
    return result;
}

// ---- Operators in continuous time -----------------------------------------------------------------------------------

static Filter product_filter(Reader *reader, const ExprNode *node, Expr signal, Index own, int64_t unit) {
    Filter result = {0};
    double factor = 1;
    uint32_t signals = 0;
    for (uint32_t i = 0; i < node->count; i++) {
        if (expr_contains(reader->store, node->argument[i], signal)) {
            result = operators_filter(reader, node->argument[i], signal, own, unit);
            signals++;
        } else {
            factor *= reader_evaluate(reader, node->argument[i], own, unit, 0, 0);
        }
    }
    result.gain *= factor;
    result.known &= signals == 1;
    return result;
}

Filter operators_filter(Reader *reader, Expr expr, Expr signal, Index own, int64_t unit) {
    ExprNode node = expr_node(reader->store, expr);
    if (expr == signal) return filter_gain(1);
    if (node.kind == EXPR_MUL) return product_filter(reader, &node, signal, own, unit);
    if (node.kind == EXPR_STOP) return operators_filter(reader, node.argument[0], signal, own, unit);
    if (node.kind != EXPR_AHEAD && node.kind != EXPR_LOWPASS && node.kind != EXPR_DELAY) return (Filter){0};
    Filter inner = operators_filter(reader, node.argument[0], signal, own, unit);
    bool met = reader->met_signal;
    reader->met_signal = false;
    double tau = reader_evaluate(reader, node.argument[1], own, unit, 0, 0);
    inner.known &= !reader->met_signal; // no time constant that changes
    reader->met_signal = met;
    if (node.kind == EXPR_AHEAD)
        filter_add_zero(&inner, tau);
    else if (node.kind == EXPR_LOWPASS)
        filter_add_pole(&inner, tau);
    else
        inner.delay += tau;
    return inner;
}

// ---- The step between two signals -----------------------------------------------------------------------------------

typedef struct Form { // input * u + sum of state[k] * x_k
    double input, state[LINEAR_MOST];
} Form;

typedef struct Tracer {
    const Step *step;
    Reader *reader;
    const StepPath *path;
    Symbol states[LINEAR_MOST];
    uint32_t state_count;
    bool good;
} Tracer;

// Arrays of a population bear its name, those that the compiler makes as well.
static bool is_own(const Tracer *t, Symbol symbol) {
    const char *name = symbol_info(t->reader->store, symbol)->name;
    size_t length = strlen(t->path->population->name);
    return strncmp(name, t->path->population->name, length) == 0 && name[length] == '.';
}

static bool is_held(const Tracer *t, Symbol symbol) {
    if (symbol == t->path->to) return false;
    for (uint32_t i = 0; i < t->path->held_count; i++)
        if (t->path->held[i] == symbol) return true;
    return !is_own(t, symbol);
}

typedef struct Accesses {
    Vec(Expr) items;
} Accesses;

static bool collect_signal(const ExprStore *store, Expr expr, void *context) {
    Accesses *accesses = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS) return true;
    if (symbol_info(store, node.symbol)->batched) vec_push(&accesses->items, expr);
    return false;
}

static uint32_t state_number(Tracer *t, Symbol symbol) {
    for (uint32_t i = 0; i < t->state_count; i++)
        if (t->states[i] == symbol) return i;
    if (t->state_count == LINEAR_MOST) {
        t->good = false;
        return 0;
    }
    t->states[t->state_count] = symbol;
    return t->state_count++;
}

static Form form_of(Tracer *t, Symbol symbol);

// The contribution of one access: its coefficient times what it stands for.
static void add_access(Tracer *t, Expr value, Expr access, Form *total) {
    ExprStore *store = t->reader->store;
    ExprNode node = expr_node(store, access);
    if (node.symbol != t->path->from && is_held(t, node.symbol)) return;
    double by =
        reader_evaluate(t->reader, expr_partial(store, value, access), t->path->population->own, t->path->unit, 0, 0);
    if (node.argument[0] != expr_index(store, t->path->population->own)) t->good = false; // another unit
    if (node.symbol == t->path->from) {
        total->input += by;
    } else if (node.version == VERSION_OLD) {
        total->state[state_number(t, node.symbol)] += by;
    } else {
        Form inner = form_of(t, node.symbol);
        total->input += by * inner.input;
        for (uint32_t k = 0; k < LINEAR_MOST; k++) total->state[k] += by * inner.state[k];
    }
}

// This step's value of a signal. What it waits for has been assigned before, so this ends.
static Form form_of(Tracer *t, Symbol symbol) {
    Form total = {0};
    const StepAssign *assign = assign_of(t->step, symbol);
    if (!assign) return total;
    Accesses accesses = {0};
    expr_visit(t->reader->store, assign->value, collect_signal, &accesses);
    for (uint32_t i = 0; t->good && i < accesses.items.count; i++)
        add_access(t, assign->value, accesses.items.items[i], &total);
    vec_free(&accesses.items);
    return total;
}

bool step_linear(const Step *step, Reader *reader, const StepPath *path, Linear *out) {
    Tracer t = {.step = step, .reader = reader, .path = path, .good = true};
    *out = (Linear){0};
    if (!assign_of(step, path->to)) return false; // not computed beside the network
    bool met = reader->met_signal;
    reader->met_signal = false;
    if (path->state) state_number(&t, path->state);
    Form y = form_of(&t, path->to);
    for (uint32_t k = 0; t.good && k < t.state_count; k++) { // states found on the way are appended
        Form x = form_of(&t, t.states[k]);
        out->b[k] = x.input;
        memcpy(out->a[k], x.state, sizeof x.state);
    }
    out->order = t.state_count;
    out->d = y.input;
    memcpy(out->c, y.state, sizeof y.state);
    bool linear = t.good && !reader->met_signal;
    reader->met_signal = met;
    return linear;
}
