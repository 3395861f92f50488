// Explicit equations: the Jacobian of what the neurons of a population integrate, its eigenvalues, and the time steps
// that the integrators bear. Inputs are held, and so is what other equations or the energy move.
#include "parts.h"
#include <math.h>
#include <string.h>

static const double MARGIN = 1e-6; // roots that coincide are found to about 1e-8
enum { MOST_UNITS = 1000 };        // more are not looked at one by one

typedef struct Moving { // of one neuron
    const Population *p;
    const Motion *motion[LINEAR_MOST];
    uint32_t count;
} Moving;

typedef double Square[LINEAR_MOST][LINEAR_MOST];

// ---- The Jacobian ---------------------------------------------------------------------------------------------------

static const char *member(const Work *w, const Population *p, Symbol symbol) {
    return symbol_info(w->reader.store, symbol)->name + strlen(p->name) + 1;
}

typedef struct Unknown {
    const Work *work;
    const Population *p;
    Symbol found; // a signal of the neuron's own that the step makes
} Unknown;

static bool is_state_or_input(const Population *p, Symbol symbol) {
    for (uint32_t i = 0; i < p->states.count; i++)
        if (p->states.items[i].symbol == symbol) return true;
    for (uint32_t i = 0; i < p->ports.count; i++)
        if (p->ports.items[i].symbol == symbol) return true;
    return false;
}

static bool find_unknown(const ExprStore *store, Expr expr, void *context) {
    Unknown *u = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS || u->found) return true;
    const SymbolInfo *info = symbol_info(store, node.symbol);
    size_t length = strlen(u->p->name);
    bool own = info->batched && strncmp(info->name, u->p->name, length) == 0 && info->name[length] == '.';
    bool noise = false;
    for (uint32_t i = 0; i < u->work->analysis->model->noises.count; i++)
        noise |= u->work->analysis->model->noises.items[i] == node.symbol;
    if (own && !noise && !is_state_or_input(u->p, node.symbol)) u->found = node.symbol;
    return true;
}

// The slope of `value` by an array of the neuron, at one unit; couplings make inputs functions of states.
static double slope(Work *w, const Population *p, Expr value, Symbol by, int64_t unit) {
    ExprStore *store = w->reader.store;
    Expr leaf = model_element(store, by, VERSION_OLD);
    return reader_evaluate(&w->reader, expr_partial(store, value, leaf), p->own, unit, 0, 0);
}

static double slope_with_couplings(Work *w, const Population *p, Expr value, Symbol by, int64_t unit) {
    double total = slope(w, p, value, by, unit);
    for (uint32_t i = 0; i < p->couplings.count; i++) {
        double inner = slope(w, p, p->couplings.items[i].value, by, unit);
        if (inner != 0) total += inner * slope(w, p, value, p->ports.items[p->couplings.items[i].port].symbol, unit);
    }
    return total;
}

// False, with the reason, where an equation is not linear.
static bool jacobian(Work *w, const Moving *e, int64_t unit, Square a, Atom *why) {
    Arena *arena = w->analysis->arena;
    memset(a, 0, sizeof(Square));
    for (uint32_t i = 0; i < e->count; i++) {
        const char *left = member(w, e->p, e->motion[i]->state);
        Unknown unknown = {.work = w, .p = e->p};
        expr_visit(w->reader.store, e->motion[i]->value, find_unknown, &unknown);
        if (unknown.found) {
            *why = arena_format(arena, "d(%s) reads `%s`, which the step makes", left, member(w, e->p, unknown.found));
            return false;
        }
        for (uint32_t k = 0; k < e->count; k++) {
            w->reader.met_signal = false;
            a[i][k] = slope_with_couplings(w, e->p, e->motion[i]->value, e->motion[k]->state, unit);
            if (!w->reader.met_signal) continue;
            *why = arena_format(arena, "d(%s) is not linear in `%s`", left, member(w, e->p, e->motion[k]->state));
            return false;
        }
    }
    return true;
}

// ---- The step -------------------------------------------------------------------------------------------------------

static void add_product(uint32_t n, const Square a, const Square b, Square out) {
    Square product = {{0}};
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < n; k++)
            for (uint32_t j = 0; j < n; j++) product[i][j] += a[i][k] * b[k][j];
    memcpy(out, product, sizeof(Square));
}

// 1 + z + z^2/2 + z^3/6 + z^4/24 of z = dt a: the step of Runge and Kutta.
static void runge_kutta(uint32_t n, const Square a, double dt, Square out) {
    Square power = {{0}}, z = {{0}};
    memset(out, 0, sizeof(Square));
    for (uint32_t i = 0; i < n; i++) {
        power[i][i] = out[i][i] = 1;
        for (uint32_t k = 0; k < n; k++) z[i][k] = dt * a[i][k];
    }
    double factor = 1;
    for (int order = 1; order <= 4; order++) {
        add_product(n, power, z, power);
        factor /= order;
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t k = 0; k < n; k++) out[i][k] += factor * power[i][k];
    }
}

// What one step makes of the states, each by its own integrator.
static Linear step_of(const Moving *e, const Square a, double dt) {
    Linear step = {.order = e->count};
    Square rk4;
    runge_kutta(e->count, a, dt, rk4);
    for (uint32_t i = 0; i < e->count; i++) {
        IntegratorKind kind = e->motion[i]->integrator;
        double own = kind == INTEGRATOR_EXPONENTIAL && a[i][i] != 0 ? expm1(dt * a[i][i]) / a[i][i] : dt;
        for (uint32_t k = 0; k < e->count; k++)
            step.a[i][k] = kind == INTEGRATOR_RK4 ? rk4[i][k] : (i == k) + own * a[i][k];
    }
    return step;
}

static double radius_of(const Moving *e, const Square a, double dt) {
    double complex poles[LINEAR_MOST];
    Linear step = step_of(e, a, dt);
    linear_poles(&step, poles);
    return cabs(poles[0]);
}

// The time step from which on something grows that should not.
static double bound_of(const Moving *e, const Square a, double fastest) {
    if (fastest == 0) return INFINITY;
    double good = 0.01 / fastest;
    for (double dt = good; dt < 1000 / fastest; good = dt, dt *= 1.03) {
        if (radius_of(e, a, dt) <= 1 + MARGIN) continue;
        double bad = dt;
        for (int i = 0; i < 40; i++) {
            double middle = (good + bad) / 2;
            if (radius_of(e, a, middle) <= 1 + MARGIN)
                good = middle;
            else
                bad = middle;
        }
        return good;
    }
    return INFINITY;
}

// ---- Populations ----------------------------------------------------------------------------------------------------

// Eigenvalues and bound of one unit; kept when no unit before is as critical.
static void judge_unit(Work *w, const Moving *e, const Square a, uint32_t unit, AnalyzeExplicit *out) {
    Linear continuous = {.order = e->count};
    memcpy(continuous.a, a, sizeof(Square));
    double complex eigenvalue[LINEAR_MOST];
    linear_poles(&continuous, eigenvalue);
    double growth = -INFINITY;
    for (uint32_t i = 0; i < e->count; i++) growth = fmax(growth, creal(eigenvalue[i]));
    bool grows = growth > MARGIN * cabs(eigenvalue[0]);
    double bound = grows ? (double)NAN : bound_of(e, a, cabs(eigenvalue[0]));
    bool worse = !out->linear || (grows ? !(out->growth >= growth) : !(out->growth > 0) && bound < out->bound);
    if (!worse) return;
    out->linear = true;
    out->unit = unit;
    out->bound = bound;
    out->growth = grows ? growth : 0;
    out->radius = radius_of(e, a, w->analysis->model->dt);
    memcpy(out->eigenvalue, eigenvalue, sizeof eigenvalue);
}

static void judge_population(Work *w, const Moving *e, AnalyzeExplicit *out) {
    Square before, a;
    for (uint32_t unit = 0; unit < e->p->size && unit < MOST_UNITS; unit++) {
        if (!jacobian(w, e, unit, a, &out->why)) {
            out->linear = false;
            return;
        }
        if (unit && memcmp(a, before, sizeof a) == 0) continue;
        judge_unit(w, e, a, unit, out);
        memcpy(before, a, sizeof a);
    }
}

void explicit_analyze(Work *w) {
    const Model *m = w->analysis->model;
    for (uint32_t i = 0; i < m->populations.count; i++) {
        const Population *p = &m->populations.items[i];
        Moving e = {.p = p};
        AnalyzeExplicit found = {.number = i};
        Text states = {0};
        uint32_t rates = 0;
        for (uint32_t k = 0; k < p->motions.count; k++) {
            if (!p->motions.items[k].rate) continue;
            rates++;
            text_addf(&states, "%s%s", states.length ? ", " : "", member(w, p, p->motions.items[k].state));
            if (e.count < LINEAR_MOST) e.motion[e.count++] = &p->motions.items[k];
        }
        found.states = arena_atom_z(w->analysis->arena, text_z(&states));
        found.count = e.count;
        text_free(&states);
        if (!rates) continue;
        bool met = w->reader.met_signal;
        if (rates > LINEAR_MOST)
            found.why = arena_format(w->analysis->arena, "more than %d equations", LINEAR_MOST);
        else
            judge_population(w, &e, &found);
        w->reader.met_signal = met;
        vec_push(&w->analysis->equations_given, found);
    }
}
