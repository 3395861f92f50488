// Delays in neurons that are given by equations: each delay(x, T) is a line that the step keeps beside the states.
#include "network.h"
#include <string.h>

// Whether an energy moves the neuron: then what it remembers of its own signals is worked out with it.
bool delay_by_energy(const NeuronBuild *b) {
    for (uint32_t i = 1; i < b->neuron->count; i++)
        if (b->neuron->child[i] && b->neuron->child[i]->kind == AST_ENERGY) return true;
    return false;
}

typedef struct SignalSearch {
    const Population *population;
    bool moved; // it reads a state with an equation of its own
    bool other; // it reads something else that varies in time
    bool acts;  // an operator of the energy is left in it
} SignalSearch;

static bool note_signal(const ExprStore *store, Expr expr, void *context) {
    SignalSearch *search = context;
    ExprNode node = expr_node(store, expr);
    search->acts |= node.kind == EXPR_AHEAD || node.kind == EXPR_LOWPASS || node.kind == EXPR_PREVIOUS ||
                    node.kind == EXPR_RATE || node.kind == EXPR_DELAY;
    if (node.kind != EXPR_ACCESS) return true;
    bool moved = model_moved_state(search->population, node.symbol);
    search->moved |= moved;
    search->other |= !moved && symbol_info(store, node.symbol)->batched;
    return true;
}

static DelayLine *find_line(Population *p, Expr key, Expr start) {
    for (uint32_t i = 0; i < p->delays.count; i++)
        if (p->delays.items[i].key == key && p->delays.items[i].start == start) return &p->delays.items[i];
    return NULL;
}

// After the parameter that is the time, as lookaheads and filters are; the others are numbered.
static Atom line_name(Resolver *r, const Population *p, Expr time) {
    ExprNode node = expr_node(r->store, time);
    const char *label = NULL;
    for (uint32_t i = 0; node.kind == EXPR_ACCESS && i < p->parameters.count; i++)
        if (p->parameters.items[i] == node.symbol) label = symbol_info(r->store, node.symbol)->name + strlen(p->name);
    Atom name = arena_format(r->arena, "%s.delay%s", p->name, label ? label : "");
    for (uint32_t i = 2; symbol_find(r->store, name); i++)
        name = arena_format(r->arena, "%s.delay%u%s", p->name, i, label ? label : "");
    return name;
}

// What a step finds in a line, an array per neuron of its own.
static Symbol line_symbol(Resolver *r, const Population *p, Atom name, Unit unit, Span span) {
    SymbolInfo info = {.name = name, .role = ROLE_SIGNAL, .batched = true, .rank = 1, .extent = {p->size}};
    info.unit = unit;
    info.span = span;
    return symbol_new(r->store, info);
}

static DelayLine *new_line(Resolver *r, const Value *x, const Value *time, Expr key, Span span) {
    Population *p = r->build->population;
    Atom name = line_name(r, p, time->expr);
    DelayLine line = {.key = key, .input = x->expr, .time = time->expr, .start = r->build->line_start, .span = span};
    line.time_span = value_place(time);
    line.value = line_symbol(r, p, name, x->unit, span);
    line.sent = line_symbol(r, p, arena_format(r->arena, "%s#sent", name), x->unit, span);
    symbol_edit(r->store, line.sent)->hidden = true;
    vec_push(&p->delays, line);
    return &p->delays.items[p->delays.count - 1];
}

static void report_mixed(Resolver *r, Span span) {
    report(r, DIAG_E0212, span,
           "a delay of what the energy of a neuron moves together with a state that has an "
           "equation of its own");
    diag_expected(r->diags, "a delay of one or the other");
}

// delay(x, T) in a neuron without an energy, or of states with equations of their own: a line. False: it is worked out
// with the energy.
bool delay_line(Resolver *r, const Value *x, const Value *time, Span span, Value *result) {
    if (!r->build) return false;
    SignalSearch search = {.population = r->build->population};
    expr_visit(r->store, x->expr, note_signal, &search);
    bool energy = delay_by_energy(r->build);
    if (energy && !search.moved) return false;
    if (search.acts || (energy && search.other)) {
        report_mixed(r, span);
        *result = value_error();
        return true;
    }
    Expr key = expr_make2(r->store, EXPR_DELAY, x->expr, time->expr);
    DelayLine *line = find_line(r->build->population, key, r->build->line_start);
    if (!line) line = new_line(r, x, time, key, span);
    if (!x->open_unit) {
        symbol_edit(r->store, line->value)->unit = x->unit;
        symbol_edit(r->store, line->sent)->unit = x->unit;
    }
    Expr own = expr_index(r->store, r->build->population->own);
    *result = *x;
    result->expr = expr_access(r->store, line->value, VERSION_NEW, &own, 1);
    result->any_unit = false;
    result->span = span;
    return true;
}

// The value of an output, when that is a delay with `initially v`: its line holds v before the first step.
Expr delay_start(Resolver *r, const Scope *scope, const Ast *output) {
    const Ast *written = output->child[0];
    bool is_delay = written->kind == AST_CALL && written->child[0]->kind == AST_NAME &&
                    strcmp(written->child[0]->name, "delay") == 0;
    if (!is_delay || output->count < 2 || !output->child[1]) return 0;
    Value start = elaborate(r, scope, output->child[1]);
    if (start.kind == VALUE_NUMBER && !start.rank) return start.expr;
    if (start.kind == VALUE_ERROR) return 0;
    report(r, DIAG_E0208, output->child[1]->span, "a delay starts with one value per neuron, but this is %s",
           value_describe(r, &start));
    diag_expected(r->diags, "a number, or an expression over parameters that are given");
    return 0;
}
