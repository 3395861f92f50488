// Warnings about steps that are too long. What deviates from the solution of the linear part of a group of equations is
// multiplied by a small matrix in each step, found from the step itself. Its eigenvalues say all: beyond 1 the
// deviation grows, below 0 it turns its sign from step to step, which no solution of an equation of first order does.
#include "stability.h"
#include "first_values.h"
#include "jacobian.h"
#include "rounding.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_MEMBERS = 64 };
static const double EDGE = 1e-4; // of an eigenvalue of several equations; one alone is exact

typedef struct Member { // an array that the step carries
    Symbol symbol, rate;
    IntegratorKind integrator;
    Span span;
} Member;

typedef struct Members {
    Vec(Member) items;
    uint32_t guard; // of the learning rule that moves them; 0: the network does
} Members;

typedef enum Trouble { NO_TROUBLE, TURNS, GROWS } Trouble;

typedef struct Verdict {
    Trouble trouble;
    uint32_t member;
    bool alone;       // it depends on no other one
    double complex z; // what deviates is multiplied by it in each step
    double limit;     // the longest step that is not too long; 0 when it is not known
} Verdict;

typedef struct Check {
    const Equations *equations;
    const Step *step;
    const Model *model;
    FirstValues values;
    Reader reader;
    Jacobian jacobian;
    bool *done; // per symbol: belongs to a group that was checked
} Check;

// ---- One group at one element ---------------------------------------------------------------------------------------

typedef struct Coupled { // members that depend on each other, and their part of the matrices
    uint32_t count, members[LINEAR_MOST];
    Linear step, rate; // what a step makes of deviations; what the equations say
    bool has_rate;
    bool may_turn; // it is integrated, or learned; memories of the compiler's own may turn signs
} Coupled;

static double severity(const Verdict *v) { return v->trouble == GROWS ? 1 + cabs(v->z) : v->trouble ? cabs(v->z) : 0; }

// All solutions of the equations stay bounded.
static bool decays(const Coupled *c) {
    double complex rate[LINEAR_MOST];
    linear_poles(&c->rate, rate);
    for (uint32_t i = 0; i < c->count; i++)
        if (creal(rate[i]) > 1e-9 * cabs(rate[i])) return false;
    return true;
}

// How long a step may be, from the rates of the equations: Euler's circle, or the real interval of Runge and Kutta.
static double limit_of(const Coupled *c, IntegratorKind integrator) {
    static const double RUNGE_KUTTA = 2.785;
    double complex rate[LINEAR_MOST];
    double limit = INFINITY;
    linear_poles(&c->rate, rate);
    for (uint32_t i = 0; i < c->count; i++) {
        double size = cabs(rate[i]);
        if (size == 0) continue;
        double own = integrator == INTEGRATOR_RK4 ? RUNGE_KUTTA / size
                     : cimag(rate[i]) == 0        ? 1 / size
                                                  : -2 * creal(rate[i]) / (size * size);
        limit = fmin(limit, own);
    }
    return isfinite(limit) && limit > 0 ? limit : 0;
}

static Trouble trouble_of(const Coupled *c, double complex z) {
    double edge = c->count > 1 ? EDGE : 1e-9;
    if (!isfinite(creal(z)) || !isfinite(cimag(z))) return NO_TROUBLE;
    if (cabs(z) > 1 + edge && (creal(z) < 0 || !c->has_rate || decays(c))) return GROWS;
    return c->may_turn && cimag(z) == 0 && creal(z) < -edge ? TURNS : NO_TROUBLE;
}

static void judge(const Coupled *c, const Members *m, Verdict *worst) {
    double complex z[LINEAR_MOST];
    linear_poles(&c->step, z);
    for (uint32_t i = 0; i < c->count; i++) {
        Verdict v = {.trouble = trouble_of(c, z[i]), .member = c->members[0], .alone = c->count == 1, .z = z[i]};
        if (v.trouble && c->has_rate) v.limit = limit_of(c, m->items.items[v.member].integrator);
        if (severity(&v) > severity(worst)) *worst = v;
    }
}

// Which members reach which, for parts that depend on each other in a circle.
static void close_reach(uint32_t n, bool reach[MOST_MEMBERS][MOST_MEMBERS]) {
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = 0; j < n; j++) reach[i][j] |= reach[i][k] && reach[k][j];
}

static void take_rows(Check *c, const Members *m, Coupled *part) {
    part->has_rate = true;
    for (uint32_t i = 0; i < part->count; i++) {
        const Member *member = &m->items.items[part->members[i]];
        const double *row = jacobian_row(&c->jacobian, member->symbol);
        for (uint32_t j = 0; j < part->count; j++) part->step.a[i][j] = row[part->members[j]];
        part->has_rate &= member->rate != 0;
        if (!part->has_rate) continue;
        row = jacobian_row(&c->jacobian, member->rate);
        for (uint32_t j = 0; j < part->count; j++) part->rate.a[i][j] = row[part->members[j]];
    }
    part->may_turn = part->has_rate || m->guard;
    part->step.order = part->rate.order = part->count;
}

static Verdict judge_element(Check *c, const Members *m, int64_t first, int64_t second) {
    Symbol unknowns[MOST_MEMBERS] = {0};
    static const bool none[MOST_MEMBERS][MOST_MEMBERS];
    bool reach[MOST_MEMBERS][MOST_MEMBERS], placed[MOST_MEMBERS] = {false};
    uint32_t n = m->items.count < MOST_MEMBERS ? m->items.count : MOST_MEMBERS;
    memcpy(reach, none, sizeof reach);
    for (uint32_t i = 0; i < n; i++) unknowns[i] = m->items.items[i].symbol;
    jacobian_start(&c->jacobian, unknowns, n, first, second);
    for (uint32_t i = 0; i < n; i++) {
        const double *row = jacobian_row(&c->jacobian, unknowns[i]);
        for (uint32_t j = 0; j < n; j++) reach[i][j] = row[j] != 0;
    }
    close_reach(n, reach);
    Verdict worst = {0};
    for (uint32_t i = 0; i < n; i++) {
        Coupled part = {0};
        for (uint32_t j = i; j < n && !placed[i]; j++) {
            if (j != i && !(reach[i][j] && reach[j][i])) continue;
            if (part.count < LINEAR_MOST) part.members[part.count] = j;
            part.count++;
        }
        if (!part.count || part.count > LINEAR_MOST) continue; // more together: no judgement
        for (uint32_t k = 0; k < part.count; k++) placed[part.members[k]] = true;
        take_rows(c, m, &part);
        judge(&part, m, &worst);
    }
    return worst;
}

// ---- All elements and all ends of what is drawn ---------------------------------------------------------------------

static void judge_all(Check *c, const Members *m, Verdict *worst) {
    const SymbolInfo *info = symbol_info(c->model->store, m->items.items[0].symbol);
    FirstElement at = first_element(&c->values, info);
    for (*worst = (Verdict){0}; first_element_next(&at);) {
        Verdict v = judge_element(c, m, at.at[0], at.at[1]);
        if (severity(&v) > severity(worst)) *worst = v;
    }
}

typedef struct Measure { // for the search of who is to blame
    Check *check;
    const Members *members;
} Measure;

static double measure(void *context) {
    Measure *m = context;
    Verdict v;
    judge_all(m->check, m->members, &v);
    return severity(&v);
}

// ---- Reports --------------------------------------------------------------------------------------------------------

static void report_state(const Check *c, const Member *member, const Verdict *v, Symbol blame, bool raise) {
    char number[32], step[32], limit[32];
    const ExprStore *store = c->model->store;
    Diagnostics *diags = c->model->diags;
    const char *name = symbol_info(store, member->symbol)->name;
    number_format(step, c->model->dt);
    analysis_short(number, cabs(v->z), 3);
    if (v->trouble == TURNS)
        diag_report(
            diags, DIAG_W0311, first_value_place(c->model, blame, member->span),
            "a step of dt = %s overshoots for `%s`: a deviation turns its sign from step to step and shrinks to %s "
            "of its size only",
            step, name, number);
    else
        diag_report(diags, DIAG_W0311, first_value_place(c->model, blame, member->span),
                    "a step of dt = %s is too long for `%s`: a deviation grows to %s times its size in each step", step,
                    name, number);
    if (v->limit > 0) diag_expected(diags, "a dt of at most %s", analysis_short(limit, v->limit, 3));
    const char *integrator = "";
    if (member->rate && member->integrator == INTEGRATOR_EULER)
        integrator = v->alone ? ", or integrate by `exponential`" : ", or integrate by `rk4`";
    if (blame)
        diag_help(diags, "make dt shorter or `%s` %s%s", symbol_info(store, blame)->name, raise ? "larger" : "smaller",
                  integrator);
    else
        diag_help(diags, "make dt shorter%s", integrator);
    if (blame && member->span.source) diag_note(diags, member->span, "this equation moves it");
}

static void report_learning(const Check *c, const Members *m, const Verdict *v) {
    char number[32];
    const Member *member = &m->items.items[v->member];
    Span span = m->guard ? c->model->learn.items[m->guard - 1].span : member->span;
    diag_report(c->model->diags, DIAG_W0312, span, "what `%s` deviates by %s times its size in each step of learning",
                symbol_info(c->model->store, member->symbol)->name,
                arena_format(c->model->arena, v->trouble == GROWS ? "grows to %s" : "turns its sign and becomes %s",
                             analysis_short(number, cabs(v->z), 3)));
    diag_expected(c->model->diags, "a rule whose own part shrinks: a momentum below 1, a decay below 1 per step");
}

static void check_members(Check *c, Members *m) {
    for (uint32_t i = 0; i < m->items.count; i++) c->done[m->items.items[i].symbol] = true;
    if (m->items.count && symbol_info(c->model->store, m->items.items[0].symbol)->rank <= JACOBIAN_MOST_AXES) {
        bool raise = false;
        Verdict v;
        judge_all(c, m, &v);
        if (v.trouble && m->guard)
            report_learning(c, m, &v);
        else if (v.trouble) {
            Symbol blame = first_value_to_blame(&c->values, measure, &(Measure){c, m}, &raise);
            report_state(c, &m->items.items[v.member], &v, blame, raise);
        }
    }
    vec_free(&m->items);
}

// ---- Groups ---------------------------------------------------------------------------------------------------------

static void add_motion(Members *m, const Motion *motion) {
    if (motion->rate) vec_push(&m->items, (Member){motion->state, motion->rate, motion->integrator, motion->span});
}

static void check_motions(Check *c) {
    for (uint32_t i = 0; i < c->model->populations.count; i++) {
        const Population *p = &c->model->populations.items[i];
        Members m = {0};
        for (uint32_t k = 0; k < p->motions.count; k++) {
            add_motion(&m, &p->motions.items[k]);
            c->done[p->motions.items[k].state] = true; // `<-` does what its author wants
        }
        check_members(c, &m);
    }
    for (uint32_t i = 0; i < c->model->connections.count; i++) {
        const Connection *w = &c->model->connections.items[i];
        for (uint32_t k = 0; k < w->motions.count; k++) {
            Members m = {0};
            c->done[w->motions.items[k].state] = true;
            add_motion(&m, &w->motions.items[k]);
            check_members(c, &m);
        }
    }
}

// What else the step carries, each array alone: states of energies and filters, averages, weights and optimisers.
static void check_others(Check *c) {
    uint32_t count;
    Symbol *carried = step_carried(c->step, &count);
    for (uint32_t i = 0; i < count; i++) {
        SymbolRole role = symbol_info(c->model->store, carried[i])->role;
        const StepAssign *assign = c->jacobian.assign[carried[i]];
        bool learned = role == ROLE_WEIGHT || role == ROLE_OPTIMISER || role == ROLE_PARAMETER;
        if (c->done[carried[i]] || !assign || !(role == ROLE_STATE || (learned && assign->guard))) continue;
        Members m = {.guard = learned ? assign->guard : 0};
        vec_push(&m.items, (Member){.symbol = carried[i], .span = assign->span});
        check_members(c, &m);
    }
    free(carried);
}

void stability_check(const Equations *equations, const Step *step, double relative) {
    const Model *model = equations->model;
    Check c = {.equations = equations, .step = step, .model = model};
    c.values = (FirstValues){.model = model, .step = step, .factor = 1};
    c.reader = (Reader){.store = model->store, .step = step, .value = first_value, .context = &c.values};
    c.jacobian = jacobian_new(step, &c.reader);
    c.done = memory_resize(NULL, c.jacobian.symbols, sizeof *c.done);
    memset(c.done, 0, c.jacobian.symbols * sizeof *c.done);
    check_motions(&c);
    check_others(&c);
    rounding_check(equations, step, relative);
    free(c.done);
    jacobian_free(&c.jacobian);
    first_values_free(&c.values);
}
