// Units of what is derived: an energy has one unit U, and a derivative by x has U divided by that of x. And the check
// that the derived equations agree with them.
#include "derive.h"
#include <stdlib.h>

static Unit unit_of(const Model *m, Symbol symbol) { return symbol_info(m->store, symbol)->unit; }

static Unit over(Unit a, Unit b) { return unit_multiply(a, unit_power(b, -1)); }

static void set(const Model *m, Symbol symbol, Unit unit) {
    if (symbol) symbol_edit(m->store, symbol)->unit = unit;
}

// Of a lookahead that of its state, of anything else that of what it remembers.
static Unit unit_of_leaf(const Model *m, const NeuronEquations *n, const Leaf *leaf) {
    return unit_of(m, leaf->kind == LEAF_AHEAD ? n->state : leaf->symbol);
}

static void units_of_gain(const Model *m, const Gain *gain, Unit error) {
    set(m, gain->raw, error);
    set(m, gain->companion, error);
    set(m, gain->companion_state, error);
    for (uint32_t k = 0; k < gain->averages; k++) {
        set(m, gain->average[k].symbol, unit_power(error, 2));
        set(m, gain->average[k].sample, unit_power(error, 2));
    }
}

static void units_of_neuron(const Model *m, const NeuronEquations *n) {
    const Population *p = &m->populations.items[n->population];
    Unit energy = m->energy_unit;
    set(m, n->error, over(energy, unit_of(m, n->state)));
    for (uint32_t k = 0; k < n->leaves.count; k++) {
        const Leaf *leaf = &n->leaves.items[k];
        set(m, leaf->back, over(energy, unit_of_leaf(m, n, leaf)));
        set(m, leaf->back_memory, over(energy, unit_of_leaf(m, n, leaf)));
    }
    for (uint32_t k = 0; k < n->errors.count; k++) {
        Unit error = over(energy, unit_of_leaf(m, n, &n->leaves.items[n->errors.items[k].leaf]));
        set(m, n->errors.items[k].symbol, error);
        set(m, n->errors.items[k].state, error);
        units_of_gain(m, &n->errors.items[k].gain, error);
    }
    for (uint32_t k = 0; k < n->output_errors.count; k++)
        set(m, n->output_errors.items[k].symbol,
            over(energy, unit_of(m, p->outputs.items[n->output_errors.items[k].output].symbol)));
    for (uint32_t k = 0; k < n->gates.count; k++) {
        const Gate *gate = &n->gates.items[k];
        Unit of = gate->inside ? unit_of_leaf(m, n, &n->leaves.items[gate->output])
                               : unit_of(m, p->outputs.items[gate->output].symbol);
        set(m, gate->symbol, over(of, unit_of_leaf(m, n, &n->leaves.items[gate->leaf])));
    }
}

void derive_units(const Equations *e) {
    const Model *m = e->model;
    for (uint32_t i = 0; i < e->neurons.count; i++) units_of_neuron(m, &e->neurons.items[i]);
    for (uint32_t i = 0; i < e->connections.count; i++) {
        const ConnectionEquations *ce = &e->connections.items[i];
        const Connection *c = &m->connections.items[ce->connection];
        for (uint32_t k = 0; k < ce->downward.count; k++)
            set(m, ce->downward.items[k], over(m->energy_unit, unit_of(m, c->messages.items[k])));
        const NeuronEquations *target = derive_neuron_of((Equations *)(uintptr_t)e, c->target);
        if (target) set(m, ce->error_before, unit_of(m, target->error));
        if (target) set(m, ce->error_line, unit_of(m, target->error));
    }
    for (uint32_t i = 0; i < e->gradients.count; i++)
        set(m, e->gradients.items[i].symbol, over(m->energy_unit, unit_of(m, e->gradients.items[i].parameter)));
}

// ---- Do both sides agree? -------------------------------------------------------------------------------------------

typedef struct UnitCheck {
    const Model *model;
    Text problem; // the first one
} UnitCheck;

static void expect(UnitCheck *check, const char *what, Expr value, Unit unit) {
    const ExprStore *store = check->model->store;
    Unit found;
    if (!value || check->problem.length || expr_has_unit(store, value, unit)) return;
    text_addf(&check->problem, "%s should be in `", what);
    unit_print(unit, &check->problem);
    text_add(&check->problem, expr_unit(store, value, &found) ? "`, but is in `" : "`, but its terms differ, as in `");
    unit_print(found, &check->problem);
    text_add(&check->problem, "`: ");
    expr_print(store, value, EXPR_TEXT, &check->problem);
}

static void check_symbol(UnitCheck *check, Symbol symbol, Expr value) {
    if (symbol) expect(check, symbol_info(check->model->store, symbol)->name, value, unit_of(check->model, symbol));
}

static void check_neuron(UnitCheck *check, const NeuronEquations *n) {
    const Model *m = check->model;
    const Population *p = &m->populations.items[n->population];
    Unit u = unit_of(m, n->state);
    expect(check, arena_format(m->arena, "the mismatch of `%s`", p->name), n->mismatch, over(m->energy_unit, u));
    check_symbol(check, n->leaves.items[n->solved].symbol, n->membrane);
    check_symbol(check, n->leaves.items[n->solved].symbol, n->judged);
    for (uint32_t k = 0; k < n->leaves.count; k++)
        check_symbol(check, n->leaves.items[k].symbol, n->leaves.items[k].node);
    for (uint32_t k = 0; k < p->outputs.count; k++) check_symbol(check, p->outputs.items[k].symbol, n->value[k]);
    for (uint32_t k = 0; k < n->gates.count; k++)
        check_symbol(check, n->gates.items[k].symbol, n->gates.items[k].value);
    for (uint32_t k = 0; k < n->errors.count; k++) {
        const ErrorInput *in = &n->errors.items[k];
        const Leaf *leaf = &n->leaves.items[in->leaf];
        check_symbol(check, in->symbol, in->own);
        check_symbol(check, leaf->kind == LEAF_AHEAD ? n->error : leaf->back, in->filtered);
        for (uint32_t a = 0; a < in->gain.averages; a++)
            check_symbol(check, in->gain.average[a].symbol, in->gain.average[a].of);
    }
    for (uint32_t k = 0; k < n->output_errors.count; k++)
        check_symbol(check, n->output_errors.items[k].symbol, n->output_errors.items[k].cost);
    for (uint32_t k = 0; k < n->drive_errors.count; k++)
        expect(check, arena_format(m->arena, "what `%s` sees of the error", p->name), n->drive_errors.items[k],
               over(m->energy_unit, unit_of(m, p->ports.items[k].symbol)));
}

// Users' lines were checked with the units of their numbers, which expressions no longer know: where one is lost, or
// these lines alone would be doubted, nothing can be said.
static bool is_conclusive(const Model *m) {
    Unit unit;
    bool good = !m->unit_in_one && (!m->cost || expr_has_unit(m->store, m->cost, m->energy_unit));
    for (uint32_t i = 0; i < m->populations.count; i++) {
        const Population *p = &m->populations.items[i];
        good = good && (!p->energy || expr_has_unit(m->store, p->energy, m->energy_unit));
        for (uint32_t k = 0; k < p->outputs.count && good; k++)
            good = !p->outputs.items[k].value || expr_unit(m->store, p->outputs.items[k].value, &unit);
    }
    for (uint32_t i = 0; i < m->connections.count; i++) {
        const Connection *c = &m->connections.items[i];
        const Port *port = &m->populations.items[c->target].ports.items[c->port];
        good = good && port->unit_known && expr_has_unit(m->store, c->current, unit_of(m, port->symbol));
    }
    return good;
}

char *equations_verify(const Equations *e) {
    UnitCheck check = {.model = e->model};
    if (!is_conclusive(e->model)) return NULL;
    for (uint32_t i = 0; i < e->neurons.count; i++) check_neuron(&check, &e->neurons.items[i]);
    for (uint32_t i = 0; i < e->connections.count; i++)
        for (uint32_t k = 0; k < e->connections.items[i].downward.count; k++)
            check_symbol(&check, e->connections.items[i].downward.items[k],
                         e->connections.items[i].downward_value.items[k]);
    for (uint32_t i = 0; i < e->gradients.count; i++)
        check_symbol(&check, e->gradients.items[i].symbol, e->gradients.items[i].value);
    return check.problem.bytes;
}
