// The part of a derivation's page that is not derived: equations, events and rules as the model gives them.
#include "wire.h"

static bool anything_given(const Model *m) {
    bool given = false;
    for (uint32_t i = 0; i < m->populations.count; i++) {
        const Population *p = &m->populations.items[i];
        given |= p->motions.count || p->events.count || (!p->energy && p->outputs.count);
    }
    for (uint32_t i = 0; i < m->connections.count; i++) given |= m->connections.items[i].motions.count != 0;
    for (uint32_t i = 0; i < m->learn.count; i++) given |= m->learn.items[i].written_out;
    return given;
}

static Expr element(const Derivation *d, Symbol symbol, ExprVersion version) {
    return model_element(d->store, symbol, version);
}

static void motions(Derivation *d, const Motion *items, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        Expr left = items[i].rate ? expr_make1(d->store, EXPR_RATE, element(d, items[i].state, VERSION_OLD))
                                  : element(d, items[i].state, VERSION_NEW);
        derivation_equate(d, left, items[i].value, items[i].span);
    }
}

static void drives(Derivation *d, uint32_t population) {
    const Population *p = &d->model->populations.items[population];
    for (uint32_t port = 0; port < p->ports.count; port++) {
        Expr total = expr_const(d->store, 0);
        for (uint32_t i = 0; i < d->model->connections.count; i++) {
            const Connection *c = &d->model->connections.items[i];
            if (c->target == population && c->port == port) total = expr_add(d->store, total, c->current);
        }
        for (uint32_t i = 0; i < p->couplings.count; i++)
            if (p->couplings.items[i].port == port) total = expr_add(d->store, total, p->couplings.items[i].value);
        derivation_equate(d, element(d, p->ports.items[port].symbol, VERSION_OLD), total, p->ports.items[port].span);
    }
}

static void delays(Derivation *d, const Population *p) {
    for (uint32_t i = 0; i < p->delays.count; i++) {
        const DelayLine *line = &p->delays.items[i];
        derivation_equate(d, element(d, line->value, VERSION_NEW), line->key, line->span);
    }
}

// With an energy beside, inputs and outputs stand in the sections that follow.
static void population(Derivation *d, uint32_t number) {
    const Population *p = &d->model->populations.items[number];
    if (!p->motions.count && !p->events.count && !p->delays.count && p->energy) return;
    derivation_put(d, PAGE_HEAD, arena_format(d->page.arena, "Neurons of %s (%u)", p->name, p->size));
    names_of_population(&d->names, p);
    if (!p->energy) drives(d, number);
    motions(d, p->motions.items, p->motions.count);
    for (uint32_t i = 0; i < p->events.count; i++) {
        const Event *e = &p->events.items[i];
        Expr now = element(d, e->state, VERSION_NEW);
        derivation_equate(d, now, expr_select(d->store, e->condition, e->value, now), e->span);
    }
    delays(d, p);
    for (uint32_t i = 0; i < p->outputs.count && !p->energy; i++)
        derivation_equate(d, element(d, p->outputs.items[i].symbol, VERSION_OLD), p->outputs.items[i].value,
                          p->outputs.items[i].span);
    names_relative(&d->names, -1);
}

static void rule(Derivation *d, const LearnRule *r) {
    Text head = {0};
    text_add(&head, "Plasticity");
    if (r->from) text_addf(&head, ", from step %lld", (long long)r->from);
    if (r->until != INT64_MAX) text_addf(&head, ", until step %lld", (long long)r->until);
    if (r->end >= 0) text_addf(&head, ", at the end of each %s", r->end == END_EPOCH ? "epoch" : "presentation");
    derivation_put(d, PAGE_HEAD, arena_atom_z(d->page.arena, text_z(&head)));
    text_free(&head);
    for (uint32_t i = 0; i < r->assignments.count; i++) {
        const Assignment *a = &r->assignments.items[i];
        derivation_equate(d, element(d, a->symbol, VERSION_NEW), a->value, a->span);
    }
}

void derivation_given(Derivation *d) {
    const Model *m = d->model;
    if (!anything_given(m)) return;
    derivation_put(d, PAGE_STEP, "0. What the model gives as it is");
    derivation_say(d, "Nothing is derived for these. A state is what it was before the step; a prime marks what is of "
                      "this step, or after it. Rules are averaged over the batch.");
    for (uint32_t i = 0; i < m->populations.count; i++) population(d, i);
    names_relative(&d->names, -1);
    for (uint32_t i = 0; i < m->connections.count; i++)
        motions(d, m->connections.items[i].motions.items, m->connections.items[i].motions.count);
    for (uint32_t i = 0; i < m->learn.count; i++)
        if (m->learn.items[i].written_out) rule(d, &m->learn.items[i]);
}
