// What a neuron remembers of its own signals and inputs: low-passes, values of the step before, delays. Each is a leaf,
// whose error goes on to what it was made of.
#include "derive.h"
#include <math.h>
#include <string.h>

// ---- Arrays of delays -----------------------------------------------------------------------------------------------

// 0, 1, … of the slots of a delay, as an array that no step changes.
Symbol derive_slot_numbers(Derive *d, uint32_t count) {
    Atom name = arena_format(d->model->arena, "slots#%u", count);
    Symbol known = symbol_find(d->store, name);
    if (known) return known;
    double *values = arena_new_array(d->model->arena, double, count);
    for (uint32_t i = 0; i < count; i++) values[i] = i;
    SymbolInfo info = {.name = name, .role = ROLE_PARAMETER, .hidden = true, .rank = 1, .extent = {count}};
    Symbol symbol = symbol_new(d->store, info);
    Initial initial = {.kind = INITIAL_CONSTANT, .values = values, .count = count, .scale = 1};
    vec_push(&d->model->arrays, (Array){.symbol = symbol, .initial = initial});
    return symbol;
}

// An array per neuron and slot.
static Symbol per_slot(Derive *d, const Population *p, Unit unit, const char *base, const char *label, uint32_t count) {
    Symbol symbol = derive_signal(d, p, ROLE_STATE, unit, base, label, "the memory of a delay");
    SymbolInfo *info = symbol_edit(d->store, symbol);
    info->rank = 2;
    info->extent[1] = count;
    return symbol;
}

enum { MOST_SLOTS = 100000 };

static bool report_length(Derive *d, const Population *p, Span span, double longest) {
    diag_report(d->model->diags, DIAG_E0216, span, "%s in `%s`",
                longest > 0 ? "a delay of more than 100000 steps" : "a delay of unknown length", p->name);
    diag_expected(d->model->diags, "a number, a list, or a draw that is bounded: `~ uniform(1, 5)`");
    return false;
}

static bool make_delay(Derive *d, const Population *p, Leaf *leaf, Unit unit) {
    double longest = derive_longest(d, leaf) / d->model->dt;
    Span where = expr_span(d->store, leaf->node);
    if (!(longest > 0) || longest > MOST_SLOTS)
        return report_length(d, p, where.source ? where : p->energy_span, longest);
    uint32_t count = (uint32_t)fmax(1, floor(longest + 0.5));
    leaf->memory = per_slot(d, p, unit, "delay_line.", leaf->label, count);
    leaf->position = derive_signal(d, p, ROLE_STATE, UNIT_NONE, "delay_slot.", leaf->label, "the slot of a delay");
    symbol_edit(d->store, leaf->position)->rank = 0;
    leaf->slots = derive_slot_numbers(d, count);
    return true;
}

// ---- Delays of neurons that equations move --------------------------------------------------------------------------

static bool delay_fits(Derive *d, const Population *p, const DelayLine *line, Bounds time) {
    double dt = d->model->dt;
    char first[32], second[32];
    if (!(time.low > -INFINITY && time.high < INFINITY)) return report_length(d, p, line->time_span, -1);
    if (time.high / dt > MOST_SLOTS) return report_length(d, p, line->time_span, time.high / dt);
    if (time.low >= dt * (1 - 1e-6)) return true;
    diag_report(d->model->diags, DIAG_E0308, line->time_span, "a delay of %s in `%s`, shorter than the time step %s",
                number_format(first, time.low), p->name, number_format(second, dt));
    diag_expected(d->model->diags, "a delay of at least `dt`");
    diag_help(d->model->diags, "what was one step before is `previous(…)`, what is now needs no delay");
    return false;
}

static void warn_of_rounding(Derive *d, const Population *p, const DelayLine *line) {
    double *times = arena_new_array(d->model->arena, double, p->size);
    if (!model_known_values(d->model, line->time, &p->own, 1, times)) return;
    for (uint32_t i = 0; i < p->size; i++) {
        double steps = times[i] / d->model->dt;
        if (fabs(steps - floor(steps + 0.5)) < 1e-6 * steps) continue;
        char time[32];
        diag_report(d->model->diags, DIAG_W0310, line->time_span, "a delay of %s in `%s`, no whole number of steps",
                    number_format(time, times[i]), p->name);
        diag_help(d->model->diags, "it is taken as %.0f steps", floor(steps + 0.5));
        return;
    }
}

// What the line holds before the first step, as an array's first values: the same in all slots of a neuron.
static bool line_initial(Derive *d, const Population *p, const DelayLine *line, uint32_t count, Initial *initial) {
    double *values = arena_new_array(d->model->arena, double, (size_t)p->size *count);
    *initial = (Initial){.kind = INITIAL_CONSTANT, .values = values, .count = p->size * count, .scale = 1};
    if (!model_known_values(d->model, line->start, &p->own, 1, values)) {
        diag_report(d->model->diags, DIAG_E0208, line->span, "what a delay starts with is not known before the run");
        diag_expected(d->model->diags, "after `initially` a number, or an expression over parameters that are given");
        return false;
    }
    bool equal = true;
    for (uint32_t i = 1; i < p->size; i++) equal &= values[i] == values[0];
    if (equal) initial->count = 1;
    for (uint32_t i = p->size; i-- > 0 && !equal;)
        for (uint32_t k = count; k-- > 0;) values[i * count + k] = values[i];
    return true;
}

static void make_line(Derive *d, const Population *p, DelayLine *line) {
    Bounds time = model_bounds(d->model, line->time);
    if (!delay_fits(d, p, line, time)) return;
    warn_of_rounding(d, p, line);
    uint32_t count = (uint32_t)fmax(1, floor(time.high / d->model->dt + 0.5));
    const char *label = derive_member(d, p, line->value) + strlen("delay");
    Unit unit = symbol_info(d->store, line->value)->unit;
    line->memory = per_slot(d, p, unit, "delay_line", label, count);
    line->position = derive_signal(d, p, ROLE_STATE, UNIT_NONE, "delay_slot", label, "the slot of a delay");
    symbol_edit(d->store, line->position)->rank = 0;
    line->slots = derive_slot_numbers(d, count);
    Initial initial;
    if (line->start && line_initial(d, p, line, count, &initial))
        vec_push(&d->model->arrays, (Array){.symbol = line->memory, .initial = initial});
}

// All samples are at the same slot; but what a reversed step goes back to, each has of its own.
void derive_delay_lines(Derive *d, Population *p) {
    for (uint32_t i = 0; i < p->delays.count; i++) {
        DelayLine *line = &p->delays.items[i];
        if (!line->memory) make_line(d, p, line);
        if (line->memory) symbol_edit(d->store, line->position)->batched = d->principle->course != COURSE_ONLINE;
    }
}

// ---- Leaves ---------------------------------------------------------------------------------------------------------

static void make_lowpass(Derive *d, const Population *p, Leaf *leaf, Unit unit) {
    Unit per_time = unit_multiply(unit, unit_power(d->model->time_unit, -1));
    leaf->rate = derive_signal(d, p, ROLE_SIGNAL, per_time, "lowpass_rate.", leaf->label, "the rate of a low-pass");
}

static void make_previous(Derive *d, const Population *p, Leaf *leaf, Unit unit) {
    leaf->memory = derive_signal(d, p, ROLE_STATE, unit, "to_come.", leaf->label, "a signal that waits for a step");
}

bool derive_add_memory(Derive *d, NeuronEquations *n, const Population *p, Expr node, bool across) {
    static const char *const bases[] = {
        [EXPR_LOWPASS] = "lowpass.", [EXPR_PREVIOUS] = "previous.", [EXPR_DELAY] = "delay."};
    ExprNode parts = expr_node(d->store, node);
    bool reaches_out = across;
    across = across && parts.kind == EXPR_DELAY;
    for (uint32_t i = 0; i < n->leaves.count; i++)
        if (n->leaves.items[i].node == node && n->leaves.items[i].across == across) return true;
    Leaf leaf = {.node = node, .across = across};
    leaf.kind = parts.kind == EXPR_LOWPASS ? LEAF_LOWPASS : parts.kind == EXPR_DELAY ? LEAF_DELAY : LEAF_PREVIOUS;
    leaf.tau = leaf.kind == LEAF_PREVIOUS ? 0 : parts.argument[1];
    Expr inside[3] = {derive_over_leaves(d, n, parts.argument[0], reaches_out)};
    for (uint32_t i = 1; i < parts.count; i++) inside[i] = parts.argument[i];
    leaf.input = inside[0];
    leaf.node_inside = expr_make(d->store, parts.kind, inside, parts.count);
    leaf.label = leaf.tau ? derive_leaf_label(d, p, leaf.tau, &leaf.tau_symbol) : arena_atom_z(d->model->arena, "1");
    if (!leaf.label || derive_label_taken(n, 0, leaf.label)) leaf.label = derive_free_label(d, n, p);
    Unit unit = UNIT_NONE;
    expr_unit(d->store, parts.argument[0], &unit);
    leaf.symbol = derive_signal(d, p, ROLE_STATE, unit, bases[parts.kind], leaf.label, "a signal with memory");
    double credit = 0;
    if (parts.count > 2) expr_get_const(d->store, parts.argument[2], &credit);
    leaf.credit = (DelayCredit)credit;
    bool good = true;
    if (leaf.kind == LEAF_LOWPASS) make_lowpass(d, p, &leaf, unit);
    if (leaf.kind == LEAF_PREVIOUS) make_previous(d, p, &leaf, unit);
    if (leaf.kind == LEAF_DELAY) good = make_delay(d, p, &leaf, unit);
    vec_push(&n->leaves, leaf);
    return good;
}

// ---- Errors ---------------------------------------------------------------------------------------------------------

DelayCredit derive_delay_credit(Derive *d, DelayCredit declared, Span span) {
    if (declared != CREDIT_NONE_DECLARED) return declared;
    if (d->principle->adjoint_of_ahead == EXPR_STOP && !d->principle->equal_times) return CREDIT_LATE;
    diag_report(d->model->diags, DIAG_E0307, span,
                "the adjoint of a delay reaches into the future, and nothing says what stands for it under `%s`",
                d->principle->name);
    diag_expected(
        d->model->diags,
        "`delay(x, T, ahead)`, which looks ahead by T, `delay(x, T, linear)`, late, or `delay(x, T, constant)`, "
        "without credit");
    diag_help(d->model->diags, "`adjoint` and `bptt` need no stand-in");
    return CREDIT_LATE;
}

Symbol derive_back(Derive *d, NeuronEquations *n, uint32_t number) {
    Leaf *leaf = &n->leaves.items[number];
    if (leaf->back) return leaf->back;
    const Population *p = &d->model->populations.items[n->population];
    Unit unit = symbol_info(d->store, leaf->symbol)->unit;
    const char *label = arena_format(d->model->arena, ".%s", derive_member(d, p, leaf->symbol));
    leaf->back = derive_signal(d, p, ROLE_SIGNAL, unit, "error_back", label, "the error of a filter's input");
    bool exact = d->principle->course == COURSE_BACKWARD, online = d->principle->course == COURSE_ONLINE;
    Span where = expr_span(d->store, leaf->node);
    if (leaf->kind == LEAF_DELAY && online)
        leaf->credit = derive_delay_credit(d, leaf->credit, where.source ? where : p->energy_span);
    if (leaf->kind == LEAF_DELAY && exact)
        leaf->back_memory =
            per_slot(d, p, unit, "error_back_line", label, symbol_info(d->store, leaf->memory)->extent[1]);
    else if (leaf->kind == LEAF_PREVIOUS || (leaf->kind == LEAF_DELAY && leaf->credit == CREDIT_AHEAD) ||
             (leaf->kind == LEAF_LOWPASS && d->principle->adjoint_of_lowpass != EXPR_STOP))
        leaf->back_memory =
            derive_signal(d, p, ROLE_STATE, unit, "error_back_state", label, "the state of a filter's error");
    return leaf->back;
}

Expr derive_through_memory(Derive *d, const Leaf *leaf, Expr g) {
    ExprKind adjoint = d->principle->adjoint_of_lowpass;
    if (leaf->kind == LEAF_PREVIOUS) return expr_make1(d->store, EXPR_PREVIOUS, g);
    if (leaf->kind == LEAF_LOWPASS) return adjoint == EXPR_STOP ? g : expr_make2(d->store, adjoint, g, leaf->tau);
    if (d->principle->course == COURSE_BACKWARD) return expr_make2(d->store, EXPR_DELAY, g, leaf->tau);
    if (leaf->credit == CREDIT_STOPPED) return expr_const(d->store, 0);
    return leaf->credit == CREDIT_AHEAD ? expr_make2(d->store, EXPR_AHEAD, g, leaf->tau) : g;
}
