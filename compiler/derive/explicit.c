// Neurons without an energy: nothing is derived for them, but no error passes them either, so that a weight that would
// need one is refused under principles whose errors run beside or against the network's equations.
#include "derive.h"

bool derive_is_explicit(const Population *p) {
    return !p->energy && (p->motions.count || p->compartments.count || (!p->states.count && p->outputs.count));
}

static bool cost_reads(Derive *d, Symbol symbol) {
    SymbolInfo info = *symbol_info(d->store, symbol);
    if (!d->model->cost || !expr_reads(d->store, d->model->cost, symbol)) return false;
    FreshAxes axes = derive_fresh_axes(d, symbol);
    return !derive_is_zero(d, expr_derivative(d->store, d->model->cost, symbol, axes.fresh, info.rank));
}

// Whether a current depends on what its source sends; not through constant(…).
static bool transmits(Derive *d, const Connection *c, const Population *source) {
    for (uint32_t i = 0; i < source->outputs.count + source->states.count; i++) {
        Symbol symbol = i < source->outputs.count ? source->outputs.items[i].symbol
                                                  : source->states.items[i - source->outputs.count].symbol;
        if (!c->current || !expr_reads(d->store, c->current, symbol)) continue;
        FreshAxes axes = derive_fresh_axes(d, symbol);
        if (!derive_is_zero(d, expr_derivative(d->store, c->current, symbol, axes.fresh, axes.rank))) return true;
    }
    return false;
}

// Which populations a cost depends on: directly, through their own energy terms, or along connections.
static void mark_wanted(Derive *d, bool *wanted) {
    Model *m = d->model;
    for (uint32_t i = 0; i < m->populations.count; i++) {
        const Population *p = &m->populations.items[i];
        const NeuronEquations *n = derive_neuron_of(d->equations, i);
        wanted[i] = n && n->has_error;
        for (uint32_t k = 0; k < p->outputs.count; k++) wanted[i] |= cost_reads(d, p->outputs.items[k].symbol);
        for (uint32_t k = 0; k < p->states.count; k++) wanted[i] |= cost_reads(d, p->states.items[k].symbol);
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < m->connections.count; i++) {
            const Connection *c = &m->connections.items[i];
            if (c->from_external || wanted[c->source] || !wanted[c->target]) continue;
            if (transmits(d, c, &m->populations.items[c->source])) changed = wanted[c->source] = true;
        }
    }
}

static void mark_touched(Derive *d, Symbol parameter, bool *touched) {
    Model *m = d->model;
    for (uint32_t i = 0; i < m->populations.count; i++) {
        const Population *p = &m->populations.items[i];
        touched[i] = false;
        for (uint32_t k = 0; k < p->parameters.count; k++) touched[i] |= p->parameters.items[k] == parameter;
    }
    for (uint32_t i = 0; i < m->connections.count; i++)
        if (m->connections.items[i].current && expr_reads(d->store, m->connections.items[i].current, parameter))
            touched[m->connections.items[i].target] = true;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < m->connections.count; i++) {
            const Connection *c = &m->connections.items[i];
            if (c->from_external || !touched[c->source] || touched[c->target]) continue;
            if (transmits(d, c, &m->populations.items[c->source])) changed = touched[c->target] = true;
        }
    }
}

// The equation of a neuron with an energy that takes what a connection delivers, or an owner's parameter; NULL for
// none.
static const Motion *taken_by(Derive *d, const Population *p, Symbol symbol) {
    for (uint32_t i = 0; p->energy && i < p->motions.count; i++)
        if (expr_reads(d->store, p->motions.items[i].value, symbol)) return &p->motions.items[i];
    return NULL;
}

static void report_blocked(Derive *d, const LearnRule *rule, Symbol target, const Population *p, const Motion *motion) {
    diag_report(d->model->diags, DIAG_E0307, rule->span,
                motion ? "learning `%s` needs an error that passes an equation of `%s`"
                       : "learning `%s` needs an error that passes `%s`, whose neurons have no energy",
                symbol_info(d->store, target)->name, p->name);
    if (!motion && p->motions.count) motion = &p->motions.items[0];
    diag_note(d->model->diags, motion ? motion->span : p->span,
              "what is given by an equation like this has no causal local adjoint under `%s`", d->principle->name);
    diag_help(d->model->diags,
              "use `dynamics bptt`, which differentiates the step, a `plasticity` of the synapse's own, "
              "or `constant(…)` where no error shall pass");
}

// Whether what is learned reaches a cost through an equation; reported.
static bool is_blocked(Derive *d, const LearnRule *rule, Symbol parameter, const bool *touched, const bool *wanted) {
    const Model *m = d->model;
    for (uint32_t i = 0; i < m->populations.count; i++) {
        const Population *p = &m->populations.items[i];
        const Motion *motion = wanted[i] ? taken_by(d, p, parameter) : NULL;
        if (!motion && !(touched[i] && wanted[i] && derive_is_explicit(p))) continue;
        report_blocked(d, rule, parameter, p, motion);
        return true;
    }
    for (uint32_t i = 0; i < m->connections.count; i++) {
        const Connection *c = &m->connections.items[i];
        const Population *p = &m->populations.items[c->target];
        bool carries = c->current && expr_reads(d->store, c->current, parameter);
        carries |= !c->from_external && touched[c->source] && transmits(d, c, &m->populations.items[c->source]);
        const Motion *motion = carries && wanted[c->target] ? taken_by(d, p, p->ports.items[c->port].symbol) : NULL;
        if (!motion) continue;
        report_blocked(d, rule, parameter, p, motion);
        return true;
    }
    return false;
}

// Only such populations can block anything; without one the ways of all errors need not be followed.
static bool has_equations(const Model *m) {
    for (uint32_t i = 0; i < m->populations.count; i++)
        if (m->populations.items[i].motions.count || derive_is_explicit(&m->populations.items[i])) return true;
    return false;
}

void derive_check_explicit(Derive *d) {
    Model *m = d->model;
    bool offline = d->principle->course != COURSE_ONLINE;
    for (uint32_t r = 0; r < m->learn.count; r++) {
        if (!m->learn.items[r].written_out || !offline) continue;
        diag_report(m->diags, DIAG_E0212, m->learn.items[r].span, "a plasticity under `dynamics %s`",
                    d->principle->name);
        diag_expected(m->diags, "a principle whose errors run beside the network, such as `gle` or `instant`");
        return;
    }
    if (d->principle->course == COURSE_REVERSED_STEP || !has_equations(m)) return;
    bool *wanted = arena_new_array(m->arena, bool, m->populations.count);
    bool *touched = arena_new_array(m->arena, bool, m->populations.count);
    mark_wanted(d, wanted);
    for (uint32_t r = 0; r < m->learn.count; r++)
        for (uint32_t t = 0; t < m->learn.items[r].targets.count && !m->learn.items[r].written_out; t++) {
            mark_touched(d, m->learn.items[r].targets.items[t], touched);
            if (is_blocked(d, &m->learn.items[r], m->learn.items[r].targets.items[t], touched, wanted)) return;
        }
}
