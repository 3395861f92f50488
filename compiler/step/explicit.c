// What is given by explicit equations: states of neurons and synapses move by them, outputs of neurons without an
// energy are functions of these. Explicit Euler takes all states as they were before the step.
#include "discretise.h"

static Expr element(Discretise *d, Symbol symbol, ExprVersion version) {
    return model_element(d->model->store, symbol, version);
}

static Expr after(Discretise *d, Symbol state, Expr change) {
    return expr_add(d->model->store, element(d, state, VERSION_OLD), change);
}

// ---- Integrators ----------------------------------------------------------------------------------------------------

static Expr by_euler(Discretise *d, const Motion *m) {
    ExprStore *s = d->model->store;
    return after(d, m->state, expr_mul(s, expr_const(s, d->model->dt), element(d, m->rate, VERSION_NEW)));
}

// d(x) = a*x + b, exactly over dt with a and b as they were before the step: x + dx/dt * dt*(e^(a dt) - 1)/(a dt).
static Expr by_exponential(Discretise *d, const Motion *m) {
    ExprStore *s = d->model->store;
    Expr slope = step_place(d, model_linear_part(s, m->value, m->state));
    if (expr_is_const(s, slope, 0)) return by_euler(d, m);
    Expr one = expr_const(s, 1), dt = expr_const(s, d->model->dt), none = expr_const(s, 0);
    Expr z = expr_mul(s, slope, dt), still = expr_make2(s, EXPR_EQUAL, z, none);
    Expr safe = expr_select(s, still, one, z);
    Expr weight = expr_select(s, still, one, expr_div(s, expr_call(s, FUNCTION_EXPM1, safe), safe));
    Expr change = expr_mul_n(s, (Expr[]){element(d, m->rate, VERSION_NEW), dt, weight}, 3);
    return after(d, m->state, change);
}

typedef struct Group { // the motions of one neuron or synapse: integrated together
    const Motion *items;
    uint32_t count;
} Group;

static const char *const stages[] = {"", "", "stage2", "stage3", "stage4"};
static const char *const slopes[] = {"", "", "slope2", "slope3", "slope4"};

// The equations at a later stage of Runge and Kutta's method: states and rates of the group are those of the stage.
static Expr at_stage(Discretise *d, const Group *g, Expr value, int stage) {
    for (uint32_t i = 0; i < g->count; i++) {
        const Motion *m = &g->items[i];
        if (m->integrator != INTEGRATOR_RK4 || !m->rate) continue;
        ExprStore *s = d->model->store;
        value = expr_rename(s, value, m->state, VERSION_OLD,
                            step_beside(d->model, m->state, stages[stage], ROLE_SIGNAL), VERSION_NEW);
        value = expr_rename(s, value, m->rate, VERSION_NEW, step_beside(d->model, m->rate, slopes[stage], ROLE_SIGNAL),
                            VERSION_NEW);
    }
    return value;
}

// The classical method of order four; inputs are held over the step.
static Expr by_rk4(Discretise *d, const Group *g, const Motion *m) {
    static const double part[] = {0, 0, 0.5, 0.5, 1};
    ExprStore *s = d->model->store;
    double dt = d->model->dt;
    Expr slope = element(d, m->rate, VERSION_NEW), total = slope;
    for (int stage = 2; stage <= 4; stage++) {
        Symbol at = step_beside(d->model, m->state, stages[stage], ROLE_SIGNAL),
               rate = step_beside(d->model, m->rate, slopes[stage], ROLE_SIGNAL);
        step_assign(d, at, after(d, m->state, expr_mul(s, expr_const(s, part[stage] * dt), slope)), 0, m->span);
        step_assign(d, rate, at_stage(d, g, step_place(d, m->value), stage), 0, m->span);
        slope = element(d, rate, VERSION_NEW);
        total = expr_add(s, total, stage < 4 ? expr_mul(s, expr_const(s, 2), slope) : slope);
    }
    return after(d, m->state, expr_mul(s, expr_const(s, dt / 6), total));
}

// ---- Events ---------------------------------------------------------------------------------------------------------

static bool has_event(const Population *p, Symbol state) {
    for (uint32_t i = 0; p && i < p->events.count; i++)
        if (p->events.items[i].state == state) return true;
    return false;
}

// What motions have left of a state, before events: a signal of its own where events may change it.
static Symbol left_by_motion(Discretise *d, const Population *p, Symbol state) {
    return has_event(p, state) ? step_beside(d->model, state, "moved", ROLE_SIGNAL) : state;
}

static Expr on_what_is_left(Discretise *d, const Population *p, Expr expr) {
    for (uint32_t i = 0; i < p->states.count; i++) {
        Symbol state = p->states.items[i].symbol;
        if (has_event(p, state))
            expr = expr_rename(d->model->store, expr, state, VERSION_NEW,
                               step_beside(d->model, state, "moved", ROLE_SIGNAL), VERSION_NEW);
    }
    return step_place(d, expr);
}

static bool has_motion(const Population *p, Symbol state) {
    for (uint32_t i = 0; i < p->motions.count; i++)
        if (p->motions.items[i].state == state) return true;
    return false;
}

static void events(Discretise *d, const Population *p) {
    for (uint32_t i = 0; i < p->states.count; i++) {
        Symbol state = p->states.items[i].symbol;
        Expr value = element(d, step_beside(d->model, state, "moved", ROLE_SIGNAL), VERSION_NEW);
        Span span = p->states.items[i].span;
        if (!has_event(p, state)) continue;
        if (!has_motion(p, state))
            step_assign(d, step_beside(d->model, state, "moved", ROLE_SIGNAL), element(d, state, VERSION_OLD), 0, span);
        for (uint32_t k = 0; k < p->events.count; k++) {
            const Event *e = &p->events.items[k];
            if (e->state != state) continue;
            value = expr_select(d->model->store, on_what_is_left(d, p, e->condition), on_what_is_left(d, p, e->value),
                                value);
            span = e->span;
        }
        step_assign(d, state, value, 0, span);
    }
}

// ---- Populations and connections ------------------------------------------------------------------------------------

static void motions(Discretise *d, const Population *p, const Group *g) {
    for (uint32_t i = 0; i < g->count; i++) {
        const Motion *m = &g->items[i];
        Expr value = step_place(d, m->value);
        if (m->rate) {
            step_assign(d, m->rate, value, 0, m->span);
            value = m->integrator == INTEGRATOR_EXPONENTIAL ? by_exponential(d, m)
                    : m->integrator == INTEGRATOR_RK4       ? by_rk4(d, g, m)
                                                            : by_euler(d, m);
        }
        step_assign(d, left_by_motion(d, p, m->state), value, 0, m->span);
    }
}

static bool has_energy(Discretise *d, uint32_t population) {
    for (uint32_t i = 0; i < d->equations->neurons.count; i++)
        if (d->equations->neurons.items[i].population == population) return true;
    return false;
}

void step_explicit(Discretise *d) {
    for (uint32_t i = 0; i < d->model->populations.count; i++) {
        const Population *p = &d->model->populations.items[i];
        motions(d, p, &(Group){p->motions.items, p->motions.count});
        events(d, p);
        step_delay_lines(d, p);
        for (uint32_t k = 0; k < p->outputs.count && !has_energy(d, i); k++)
            step_assign(d, p->outputs.items[k].symbol, step_sent(d, p, step_place(d, p->outputs.items[k].value)), 0,
                        p->outputs.items[k].span);
    }
    for (uint32_t i = 0; i < d->model->connections.count; i++) {
        const Connection *c = &d->model->connections.items[i];
        motions(d, NULL, &(Group){c->motions.items, c->motions.count});
    }
}

Expr step_off_diagonal(ExprStore *store, Symbol symbol, Expr value) {
    Index axes[EXPR_MAX_RANK];
    model_axes(store, symbol, axes);
    Expr on = expr_delta(store, expr_index(store, axes[0]), expr_index(store, axes[1]));
    return expr_mul(store, expr_sub(store, expr_const(store, 1), on), value);
}
