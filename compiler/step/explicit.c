// What is given by explicit equations: states of neurons and synapses move by them, outputs of neurons without an
// energy are functions of these. Explicit Euler takes all states as they were before the step.
#include "discretise.h"

static Expr element(const StepParts *d, Symbol symbol, ExprVersion version) {
    return model_element(d->model->store, symbol, version);
}

static void assign(const StepParts *d, Symbol symbol, Expr value, Span span) {
    vec_push(&d->step->assigns, (StepAssign){symbol, value, 0, span});
}

// ---- Integrators ----------------------------------------------------------------------------------------------------

static void by_euler(const StepParts *d, const Motion *m) {
    ExprStore *s = d->model->store;
    Expr change = expr_mul(s, expr_const(s, d->model->dt), element(d, m->rate, VERSION_NEW));
    assign(d, m->state, expr_add(s, element(d, m->state, VERSION_OLD), change), m->span);
}

static void one_motion(const StepParts *d, const Motion *m) {
    Expr value = d->place(d->context, m->value);
    if (!m->rate) {
        assign(d, m->state, value, m->span);
        return;
    }
    assign(d, m->rate, value, m->span);
    by_euler(d, m);
}

// ---- Populations and connections ------------------------------------------------------------------------------------

static bool has_energy(const StepParts *d, uint32_t population) {
    for (uint32_t i = 0; i < d->equations->neurons.count; i++)
        if (d->equations->neurons.items[i].population == population) return true;
    return false;
}

void step_explicit(const StepParts *d) {
    for (uint32_t i = 0; i < d->model->populations.count; i++) {
        const Population *p = &d->model->populations.items[i];
        for (uint32_t k = 0; k < p->motions.count; k++) one_motion(d, &p->motions.items[k]);
        for (uint32_t k = 0; k < p->outputs.count && !has_energy(d, i); k++)
            assign(d, p->outputs.items[k].symbol, d->place(d->context, p->outputs.items[k].value),
                   p->outputs.items[k].span);
    }
    for (uint32_t i = 0; i < d->model->connections.count; i++) {
        const Connection *c = &d->model->connections.items[i];
        for (uint32_t k = 0; k < c->motions.count; k++) one_motion(d, &c->motions.items[k]);
    }
}
