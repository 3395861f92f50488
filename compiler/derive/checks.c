// What must hold of time constants, and where operators on signals may stand.
#include "derive.h"
#include <math.h>

// ---- Time constants -------------------------------------------------------------------------------------------------

// The known values of a time constant: one for all neurons, or one per neuron. `count` is 0 when it is drawn, loaded or
// composed.
typedef struct TauValues {
    const Array *array; // NULL: `value`
    double value;
    uint32_t count;
} TauValues;

static TauValues tau_values(Derive *d, const Leaf *leaf) {
    TauValues known = {.count = 1};
    if (expr_get_const(d->store, leaf->tau, &known.value)) return known;
    known.array = leaf->tau_symbol ? model_array(d->model, leaf->tau_symbol) : NULL;
    bool constant = known.array && known.array->initial.kind == INITIAL_CONSTANT;
    known.count = constant ? known.array->initial.count : 0;
    return known;
}

static double tau_value(const TauValues *known, uint32_t i) {
    const Array *array = known->array;
    double value = array ? array->initial.values[known->count == 1 ? 0 : i] : known->value;
    if (!array || !array->clamped) return value;
    return value < array->low ? array->low : value > array->high ? array->high : value;
}

static const Array *drawn(Derive *d, const Leaf *leaf) {
    const Array *array = leaf->tau_symbol ? model_array(d->model, leaf->tau_symbol) : NULL;
    bool draw = array && (array->initial.kind == INITIAL_UNIFORM || array->initial.kind == INITIAL_NORMAL ||
                          array->initial.kind == INITIAL_UNIFORM_INT);
    return draw ? array : NULL;
}

double derive_longest(Derive *d, const Leaf *leaf) {
    TauValues known = tau_values(d, leaf);
    double longest = -1;
    for (uint32_t i = 0; i < known.count; i++)
        longest = tau_value(&known, i) > longest ? tau_value(&known, i) : longest;
    const Array *array = drawn(d, leaf);
    if (array && array->initial.kind == INITIAL_UNIFORM) longest = array->initial.b;
    if (array && array->initial.kind == INITIAL_UNIFORM_INT) longest = array->initial.b * array->initial.scale;
    return longest;
}

// Where the time constant was given: the argument, if it is a parameter of the neuron.
static Span tau_place(Derive *d, const Leaf *leaf, const Population *p) {
    Span span = leaf->tau_symbol ? symbol_info(d->store, leaf->tau_symbol)->span : p->span;
    return span.source ? span : p->span;
}

static void report_short(Derive *d, const Population *p, const Leaf *leaf, bool solved, double tau) {
    char first[32], second[32];
    diag_report(d->model->diags, DIAG_E0308, tau_place(d, leaf, p), "`%s` of `%s` %s %s, smaller than the time step %s",
                leaf->label, p->name, drawn(d, leaf) ? "may be drawn as small as" : "is", number_format(first, tau),
                number_format(second, d->model->dt));
    diag_expected(d->model->diags, "a time constant of at least `dt`");
    if (drawn(d, leaf))
        diag_help(d->model->diags, "raise the lower end, or bound it: `learn …, clamp %s .. 100`",
                  number_format(first, d->model->dt));
    else if (!solved)
        diag_help(d->model->diags, "no lookahead at all is a time constant of `dt`");
}

static void report_unequal(Derive *d, const Population *p, const char *how) {
    diag_report(d->model->diags, DIAG_E0304, d->model->dynamics.span, "`le` needs equal time constants, but %s", how);
    diag_note(d->model->diags, p->span, "the population is declared here");
    diag_help(d->model->diags, "use `dynamics gle(…)`, or `instant` for errors without filters");
}

// Time constants that are drawn: none may fall below the time step, and two draws are not equal.
static bool check_drawn(Derive *d, const Population *p, const Leaf *solved, const Leaf *leaf) {
    const Array *array = drawn(d, leaf);
    bool other = d->principle->equal_times && leaf->kind == LEAF_AHEAD && leaf->tau != solved->tau &&
                 (array || drawn(d, solved));
    if (other) {
        report_unequal(
            d, p,
            arena_format(d->model->arena, "in `%s`, %s or %s is drawn at random", p->name, solved->label, leaf->label));
        return false;
    }
    if (!array || array->initial.kind == INITIAL_NORMAL) return true;
    double low = array->initial.a * (array->initial.kind == INITIAL_UNIFORM_INT ? array->initial.scale : 1);
    if (array->clamped && array->low > low) low = array->low;
    if (low >= d->model->dt * (1 - 1e-12)) return true;
    report_short(d, p, leaf, leaf == solved, low);
    return false;
}

// One time constant, and whether it equals the solved one where it must.
static bool check_time(Derive *d, const Population *p, const Leaf *solved, const Leaf *leaf) {
    TauValues own = tau_values(d, leaf), other = tau_values(d, solved);
    bool compared = d->principle->equal_times && leaf->kind == LEAF_AHEAD && leaf->tau != solved->tau && other.count;
    uint32_t count = compared && own.count && other.count > own.count ? other.count : own.count;
    char first[32], second[32];
    for (uint32_t i = 0; i < count && i < p->size; i++) {
        double tau = tau_value(&own, i);
        if (tau < d->model->dt * (1 - 1e-12)) {
            report_short(d, p, leaf, leaf == solved, tau);
            return false;
        }
        double tau_m = compared ? tau_value(&other, i) : tau;
        if (tau == tau_m) continue;
        report_unequal(d, p,
                       arena_format(d->model->arena, "neuron %u of `%s` has %s = %s and %s = %s", i, p->name,
                                    solved->label, number_format(first, tau_m), leaf->label,
                                    number_format(second, tau)));
        return false;
    }
    return true;
}

// A delay counts in steps.
static void check_rounding(Derive *d, const Population *p, const Leaf *leaf) {
    TauValues own = tau_values(d, leaf);
    for (uint32_t i = 0; i < own.count && i < p->size; i++) {
        double steps = tau_value(&own, i) / d->model->dt;
        if (fabs(steps - floor(steps + 0.5)) < 1e-6 * steps) continue;
        char time[32];
        diag_report(d->model->diags, DIAG_W0310, tau_place(d, leaf, p),
                    "the delay `%s` of `%s` is %s, no whole number of steps", leaf->label, p->name,
                    number_format(time, tau_value(&own, i)));
        diag_help(d->model->diags, "it is taken as %.0f steps", floor(steps + 0.5));
        return;
    }
}

void derive_check_times(Derive *d, const NeuronEquations *n) {
    const Population *p = &d->model->populations.items[n->population];
    const Leaf *solved = &n->leaves.items[n->solved];
    bool good = true;
    for (uint32_t k = 0; good && k < n->leaves.count; k++)
        if (n->leaves.items[k].tau)
            good = check_drawn(d, p, solved, &n->leaves.items[k]) && check_time(d, p, solved, &n->leaves.items[k]);
    for (uint32_t k = 0; good && k < n->leaves.count; k++)
        if (n->leaves.items[k].kind == LEAF_DELAY) check_rounding(d, p, &n->leaves.items[k]);
}

// ---- Operators on signals -------------------------------------------------------------------------------------------

// Currents and costs see messages as they are: what acts on a signal in time belongs into the neuron that sends it.
// What a current reads late, delay(pre.r, T), was checked where it stands.
static bool is_instantaneous(Derive *d, Expr expr, Span span, const char *what, bool current) {
    static const ExprKind operators[] = {EXPR_DELAY, EXPR_AHEAD, EXPR_LOWPASS, EXPR_RATE, EXPR_PREVIOUS};
    for (size_t k = current; expr && k < sizeof operators / sizeof *operators; k++) {
        if (!expr_has_kind(d->store, expr, operators[k])) continue;
        diag_report(d->model->diags, DIAG_E0307, span, "`%s` acts on a signal in time in %s", derive_printed(d, expr),
                    what);
        diag_expected(d->model->diags, "outputs as they are; lookaheads belong into the neuron that sends them");
        return false;
    }
    return true;
}

bool derive_check_signals(Derive *d) {
    const Model *m = d->model;
    bool good = is_instantaneous(d, m->cost, m->cost_span, "a cost", false);
    for (uint32_t c = 0; c < m->connections.count; c++)
        good &= is_instantaneous(d, m->connections.items[c].current, m->connections.items[c].span, "a current", true);
    return good;
}
