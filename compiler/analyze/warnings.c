// What is known to go wrong, by permanent names: P2 to P20 as in docs/analyze.md, P22 for the feedback of errors.
#include "parts.h"
#include <math.h>
#include <string.h>

static const double NOISY = 100;             // amplification on the error's way from which on P12 is said
static const double SINGLE = 1.0 / 33554432; // relative rounding of single precision, 2^-25
static const double TRANSIENT = 5;           // identities hold after so many of the longest time constant

typedef struct Found { // a warning before equal ones of several populations are joined
    const char *name;
    Atom subject, text; // subject: a population, or NULL
} Found;

typedef struct Collector {
    Work *work;
    Vec(Found) found;
} Collector;

static void warn(Collector *c, const char *name, Atom subject, Text *text) {
    Atom atom = arena_atom_z(c->work->analysis->arena, text_z(text));
    vec_push(&c->found, (Found){name, subject, atom});
    text_free(text);
}

static const char *brief(char buffer[32], double value) { return analysis_short(buffer, value, 3); }

// ---- P2: the time step against the time constants -------------------------------------------------------------------

typedef struct Short {
    uint32_t below, coarse; // units
    double smallest;
} Short;

// tau = dt of a lookahead that is not solved for is how one writes that there is none.
static Short count_short(const AnalyzePopulation *p, uint32_t time, double dt, bool may_be_dt) {
    Short s = {.smallest = INFINITY};
    for (uint32_t k = 0; k < p->kind_count; k++) {
        double tau = p->kinds[k].taus[time];
        bool is_dt = fabs(tau - dt) <= 1e-9 * dt;
        if (is_dt && may_be_dt) continue;
        if (tau < dt && !is_dt)
            s.below += p->kinds[k].count;
        else if (dt > tau / 2 * (1 + 1e-9))
            s.coarse += p->kinds[k].count;
        else
            continue;
        s.smallest = fmin(s.smallest, tau);
    }
    return s;
}

static void warn_short(Collector *c, const AnalyzePopulation *p) {
    char first[32], second[32];
    double dt = c->work->analysis->model->dt;
    for (uint32_t i = 0; i < p->time_count; i++) {
        Short s = count_short(p, i, dt, i > 0);
        Text text = {0};
        if (s.below)
            text_addf(&text,
                      "%s is %s, below dt = %s, in %u of %u units: the filter that integrates with it %s. Keep it at "
                      "dt or above",
                      p->times[i].label, brief(first, s.smallest), brief(second, dt), s.below, p->size,
                      s.smallest <= dt / 2 ? "explodes" : "rings from step to step");
        else if (s.coarse)
            text_addf(&text, "dt = %s is more than half of %s = %s in %u of %u units: the step is coarse for them",
                      brief(second, dt), p->times[i].label, brief(first, s.smallest), s.coarse, p->size);
        if (text.length) warn(c, "P2", p->name, &text);
    }
}

// ---- P12, P13: the gain of errors -----------------------------------------------------------------------------------

static void warn_noise(Collector *c) {
    const Analysis *a = c->work->analysis;
    char first[32], second[32], third[32];
    double edge = 1;
    for (uint32_t i = 0; i < a->deepest.count; i++) edge *= a->populations.items[a->deepest.items[i]].edge;
    if (!(a->deepest_noise >= NOISY)) return;
    Text text = {0};
    text_addf(&text,
              "white noise that enters the error is amplified up to %s times over %u populations, an edge of a signal "
              "%s times, rounding in single precision to %s of the error. Smooth the inputs, raise the time constant "
              "of the rate's lookahead, or make fewer layers slow",
              brief(first, a->deepest_noise), a->deepest.count, brief(second, edge),
              brief(third, SINGLE * a->deepest_noise));
    warn(c, "P12", NULL, &text);
}

// How far errors of a population's kinds are apart in gain, against what the exact adjoint would give them.
static double spread(const AnalyzePopulation *p, uint32_t path, double omega) {
    double low = INFINITY, high = 0;
    for (uint32_t k = 0; k < p->kind_count; k++) {
        double ratio = cabs(analysis_credit_ratio(p, &p->kinds[k], path, omega));
        low = fmin(low, ratio);
        high = fmax(high, ratio);
    }
    return high / low;
}

static double spread_reaches_two(const AnalyzePopulation *p, uint32_t path, double fastest) {
    double low = 0, high = fastest;
    if (!(spread(p, path, fastest) > 2)) return NAN;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        *(spread(p, path, middle) > 2 ? &high : &low) = middle;
    }
    return high;
}

static void warn_spread(Collector *c, const AnalyzePopulation *p, double fastest) {
    char first[32], second[32], third[32];
    for (uint32_t i = 0; i < p->path_count; i++) {
        double omega = p->paths[i].is_error ? spread_reaches_two(p, i, fastest) : (double)NAN;
        if (isnan(omega)) continue;
        Text text = {0};
        text_addf(&text,
                  "above omega = %s its units' errors differ by more than 2 in how far their gain is from the exact "
                  "adjoint's (by %s at omega = %s), which turns the gradient",
                  brief(first, omega), brief(second, spread(p, i, fmin(4 * omega, fastest))),
                  brief(third, fmin(4 * omega, fastest)));
        warn(c, "P13", p->name, &text);
    }
}

// ---- X1: explicit equations -----------------------------------------------------------------------------------------

static void warn_explicit(Collector *c) {
    const Analysis *a = c->work->analysis;
    char first[32], second[32];
    for (uint32_t i = 0; i < a->equations_given.count; i++) {
        const AnalyzeExplicit *e = &a->equations_given.items[i];
        Text text = {0};
        if (!e->linear || e->growth > 0 || !(a->model->dt >= e->bound)) continue;
        char third[32];
        text_addf(&text,
                  "%s: dt = %s is above the limit of %s for %s: each step multiplies by %s what should decay. Take a "
                  "shorter step, or `exponential` or `rk4`",
                  a->model->populations.items[e->number].name, brief(first, a->model->dt), brief(third, e->bound),
                  e->states, brief(second, e->radius));
        warn(c, "X1", NULL, &text);
    }
}

// ---- P16, P22: loops ------------------------------------------------------------------------------------------------

static Atom loop_names(Collector *c, const AnalyzeLoop *loop) {
    Vec(Atom) names = {0};
    for (uint32_t i = 0; i < loop->members.count; i++)
        vec_push(&names, c->work->analysis->populations.items[loop->members.items[i]].name);
    Atom result = analysis_names(c->work->analysis->arena, names.items, names.count);
    vec_free(&names);
    return result;
}

static void warn_loop(Collector *c, const AnalyzeLoop *loop) {
    char first[32];
    Text text = {0};
    if (loop->known != ANALYZE_KNOWN)
        text_addf(&text, "the recurrent lookahead of %s is an algebraic loop whose strength is not known: %s",
                  loop_names(c, loop), loop->why);
    else if (loop->bound >= 1)
        text_addf(&text,
                  "the recurrent lookahead of %s is an algebraic loop: one turn of it may amplify %s times, so that "
                  "messages that wait one step need not converge (below 1 they do)",
                  loop_names(c, loop), brief(first, loop->bound));
    if (text.length) warn(c, "P16", NULL, &text);
}

static void warn_feedback(Collector *c) {
    const AnalyzeFeedback *f = &c->work->analysis->feedback;
    char first[32];
    if (f->known != ANALYZE_KNOWN || f->strength < 1) return;
    Text text = {0};
    text_addf(&text,
              "errors on the membranes move the output that makes them by up to %s of the error: at 1 and above the "
              "loop may diverge. Lower the cost's factor, gamma, or the weights",
              brief(first, f->strength));
    warn(c, "P22", NULL, &text);
}

// ---- P17, P20: learning ---------------------------------------------------------------------------------------------

static void warn_learned_time(Collector *c, const AnalyzePopulation *p, uint32_t time, Symbol target) {
    const Model *m = c->work->analysis->model;
    char first[32], second[32];
    const Array *array = model_array(m, target);
    if (!expr_reads(m->store, p->times[time].tau, target) || !array) return;
    if (array->clamped && array->low >= 2 * m->dt * (1 - 1e-9)) return;
    Text text = {0};
    if (array->clamped)
        text_addf(&text, "the clamp lets the learned %s fall to %s, less than 2 dt = %s", p->times[time].label,
                  brief(first, array->low), brief(second, 2 * m->dt));
    else
        text_addf(&text, "%s is learned without a clamp and may fall below dt: add `clamp %s .. 100`",
                  p->times[time].label, brief(first, 10 * m->dt));
    warn(c, "P17", p->name, &text);
}

static void warn_transient(Collector *c) {
    const Analysis *a = c->work->analysis;
    double longest = 0, dt = a->model->dt;
    char first[32], second[32], third[32];
    for (uint32_t i = 0; i < a->populations.count; i++)
        for (uint32_t k = 0; k < a->populations.items[i].kind_count; k++)
            for (uint32_t t = 0; t < a->populations.items[i].time_count; t++)
                longest = fmax(longest, a->populations.items[i].kinds[k].taus[t]);
    double earliest = INFINITY;
    for (uint32_t r = 0; r < a->model->learn.count; r++)
        earliest = fmin(earliest, (double)a->model->learn.items[r].from * dt);
    if (!(earliest < TRANSIENT * longest)) return;
    Text text = {0};
    text_addf(&text,
              "learning begins at %s, while states are still transient until about %s (5 times the longest time "
              "constant): add `from %s%s`",
              brief(first, earliest), brief(second, TRANSIENT * longest), brief(third, TRANSIENT * longest),
              unit_equal(a->model->time_unit, UNIT_TIME) ? " ms" : "");
    warn(c, "P20", NULL, &text);
}

static void warn_learning(Collector *c) {
    const Analysis *a = c->work->analysis;
    for (uint32_t i = 0; i < a->populations.count; i++)
        for (uint32_t t = 0; a->populations.items[i].selected && t < a->populations.items[i].time_count; t++)
            for (uint32_t r = 0; r < a->model->learn.count; r++)
                for (uint32_t k = 0; k < a->model->learn.items[r].targets.count; k++)
                    warn_learned_time(c, &a->populations.items[i], t, a->model->learn.items[r].targets.items[k]);
    warn_transient(c);
}

static void collect(Collector *c) {
    const Analysis *a = c->work->analysis;
    for (uint32_t i = 0; i < a->populations.count; i++)
        if (a->populations.items[i].selected) warn_short(c, &a->populations.items[i]);
    warn_noise(c);
    for (uint32_t i = 0; i < a->populations.count; i++)
        if (a->populations.items[i].selected && a->populations.items[i].has_error)
            warn_spread(c, &a->populations.items[i], a->fastest);
    for (uint32_t i = 0; i < a->loops.count; i++) warn_loop(c, &a->loops.items[i]);
    warn_learning(c);
    warn_explicit(c);
    warn_feedback(c);
}

// The same of several populations is said once.
void warnings_collect(Work *w) {
    Collector c = {.work = w};
    Analysis *a = w->analysis;
    collect(&c);
    for (uint32_t i = 0; i < c.found.count; i++) {
        const Found first = c.found.items[i];
        Vec(Atom) subjects = {0};
        for (uint32_t k = i; first.text && k < c.found.count; k++) {
            Found *other = &c.found.items[k];
            if (other->text != first.text || strcmp(other->name, first.name) != 0) continue;
            if (other->subject) vec_push(&subjects, other->subject);
            other->text = NULL;
        }
        Atom text = first.text;
        if (subjects.count)
            text = arena_format(a->arena, "%s: %s", analysis_names(a->arena, subjects.items, subjects.count), text);
        if (text) vec_push(&a->warnings, (AnalyzeWarning){first.name, text});
        vec_free(&subjects);
    }
    vec_free(&c.found);
}
