// Populations: which paths their neurons have, which units share time constants, and each path's response. The fields
// of NeuronEquations are read here, and by network.c where neurons meet.
#include "parts.h"
#include <math.h>
#include <string.h>

const NeuronEquations *population_equations(const Analysis *analysis, uint32_t number) {
    return &analysis->equations->neurons.items[number];
}

int64_t population_of(const Analysis *analysis, uint32_t model_number) {
    for (uint32_t i = 0; i < analysis->populations.count; i++)
        if (analysis->populations.items[i].number == model_number) return i;
    return -1;
}

const char *analysis_dynamics(const Analysis *analysis) { return principle_name(analysis->model->dynamics.principle); }

// ---- Paths ----------------------------------------------------------------------------------------------------------

static const char *member_of(const Population *p, const ExprStore *store, Symbol symbol) {
    return symbol_info(store, symbol)->name + strlen(p->name) + 1;
}

static Atom readers_of(Arena *arena, const NeuronEquations *n, const Population *p, uint32_t leaf) {
    Text names = {0};
    for (uint32_t g = 0; g < n->gates.count; g++)
        if (n->gates.items[g].leaf == leaf && !n->gates.items[g].inside)
            text_addf(&names, "%s%s", names.length ? ", " : "", p->outputs.items[n->gates.items[g].output].member);
    Atom atom = arena_atom_z(arena, text_z(&names));
    text_free(&names);
    return atom;
}

static PrincipleCourse course_of(const Analysis *a) { return principle_find(a->model->dynamics.principle)->course; }

static bool has_error_of(const NeuronEquations *n, uint32_t leaf) {
    for (uint32_t e = 0; n->has_error && e < n->errors.count; e++)
        if (n->errors.items[e].leaf == leaf) return true;
    return false;
}

static void find_paths(const Analysis *a, AnalyzePopulation *out, const NeuronEquations *n, const Population *p) {
    const ExprStore *store = a->model->store;
    uint32_t most = n->leaves.count * p->ports.count + n->errors.count;
    out->paths = arena_new_array(a->arena, AnalyzePath, most);
    for (uint32_t port = 0; port < p->ports.count; port++)
        for (uint32_t k = 0; k < n->leaves.count; k++) {
            Atom read_by = readers_of(a->arena, n, p, k);
            if (!*read_by && !has_error_of(n, k)) continue;
            Symbol from = p->ports.items[port].symbol, to = n->leaves.items[k].symbol;
            Atom name = arena_format(a->arena, "%s -> %s", member_of(p, store, from), member_of(p, store, to));
            out->paths[out->path_count++] =
                (AnalyzePath){.port = port, .leaf = k, .from = from, .to = to, .name = name, .read_by = read_by};
        }
    if (course_of(a) == COURSE_REVERSED_STEP) return; // its errors follow no filter of the equations
    for (uint32_t e = 0; n->has_error && e < n->errors.count; e++) {
        const ErrorInput *in = &n->errors.items[e];
        if (n->leaves.items[in->leaf].kind != LEAF_AHEAD) continue; // it goes to what the neuron remembers
        Atom name = arena_format(a->arena, "%s -> %s", member_of(p, store, in->symbol), member_of(p, store, n->error));
        AnalyzePath path = {.is_error = true, .leaf = in->leaf, .from = in->symbol, .to = n->error, .name = name};
        path.read_by = "";
        while (path.partner < out->path_count && out->paths[path.partner].leaf != in->leaf) path.partner++;
        out->paths[out->path_count++] = path;
    }
}

// ---- Time constants -------------------------------------------------------------------------------------------------

typedef struct TimeSearch {
    const Analysis *analysis;
    Vec(AnalyzeTime) found;
} TimeSearch;

static void add_time(TimeSearch *search, Atom label, Expr tau) {
    for (uint32_t i = 0; i < search->found.count; i++)
        if (search->found.items[i].tau == tau) return;
    vec_push(&search->found, (AnalyzeTime){label, tau});
}

static bool find_time(const ExprStore *store, Expr expr, void *context) {
    TimeSearch *search = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_AHEAD && node.kind != EXPR_LOWPASS && node.kind != EXPR_DELAY) return true;
    Text label = {0};
    expr_print(store, node.argument[1], EXPR_TEXT, &label);
    add_time(search, arena_atom_z(search->analysis->arena, text_z(&label)), node.argument[1]);
    text_free(&label);
    return true;
}

// Those of lookaheads by their labels, the solved one first; any other by its expression.
static void find_times(const Analysis *a, AnalyzePopulation *out, const NeuronEquations *n) {
    TimeSearch search = {.analysis = a};
    add_time(&search, n->leaves.items[n->solved].label, n->leaves.items[n->solved].tau);
    for (uint32_t k = 0; k < n->leaves.count; k++)
        if (n->leaves.items[k].tau) add_time(&search, n->leaves.items[k].label, n->leaves.items[k].tau);
    for (uint32_t k = 0; k < n->leaves.count; k++)
        expr_visit(a->model->store, n->leaves.items[k].node, find_time, &search);
    for (uint32_t e = 0; n->has_error && e < n->errors.count; e++)
        if (n->errors.items[e].filtered) expr_visit(a->model->store, n->errors.items[e].filtered, find_time, &search);
    out->time_count = search.found.count;
    out->times = arena_new_array(a->arena, AnalyzeTime, search.found.count);
    memcpy(out->times, search.found.items, search.found.count * sizeof *out->times);
    vec_free(&search.found);
}

// ---- Responses ------------------------------------------------------------------------------------------------------

// (lookahead over the solved lookahead) * d(membrane)/d(drive): the solved one follows the drive at once.
static Filter forward_filter(Work *w, const NeuronEquations *n, const Population *p, const AnalyzePath *path,
                             int64_t unit) {
    ExprStore *s = w->reader.store;
    const Leaf *leaf = &n->leaves.items[path->leaf], *solved = &n->leaves.items[n->solved];
    Expr drive = model_element(s, path->from, VERSION_OLD);
    w->reader.met_signal = false;
    double gain = reader_evaluate(&w->reader, expr_partial(s, n->membrane, drive), p->own, unit, 0, 0);
    if (!leaf->state || leaf->state != solved->state || w->reader.met_signal) return (Filter){0};
    Expr state = model_element(s, leaf->state, VERSION_OLD);
    Filter below = operators_filter(&w->reader, solved->node, state, p->own, unit);
    Filter result = filter_over(operators_filter(&w->reader, leaf->node, state, p->own, unit), &below);
    result.gain *= gain;
    return result;
}

static const ErrorInput *input_of(const NeuronEquations *n, Symbol symbol) {
    for (uint32_t e = 0; e < n->errors.count; e++)
        if (n->errors.items[e].symbol == symbol) return &n->errors.items[e];
    return NULL;
}

static Filter error_filter(Work *w, const NeuronEquations *n, const Population *p, const AnalyzePath *path,
                           int64_t unit) {
    const ErrorInput *in = input_of(n, path->from);
    if (!in || !in->filtered) return (Filter){0};
    Filter result = operators_filter(&w->reader, in->filtered, model_element(w->reader.store, path->from, VERSION_OLD),
                                     p->own, unit);
    if (in->gain.value) { // known unless it is measured while the network runs
        w->reader.met_signal = false;
        result.gain *= reader_evaluate(&w->reader, in->gain.value, p->own, unit, 0, 0);
        result.known &= !w->reader.met_signal;
    }
    return result;
}

// d(-dE/d(drive)) / d(error) at the first input.
static double credit_of(Work *w, const NeuronEquations *n, const Population *p, int64_t unit) {
    if (!n->drive_errors.count || !n->error) return NAN;
    Expr error = model_element(w->reader.store, n->error, VERSION_OLD);
    w->reader.met_signal = false;
    double credit =
        reader_evaluate(&w->reader, expr_partial(w->reader.store, n->drive_errors.items[0], error), p->own, unit, 0, 0);
    return w->reader.met_signal ? (double)NAN : credit;
}

// The state that integrates: the membrane, or that of the error's filter.
static Symbol state_of(const NeuronEquations *n, const AnalyzePath *path) {
    const ErrorInput *in = path->is_error ? input_of(n, path->from) : NULL;
    return in ? in->state : path->is_error ? 0 : n->state;
}

static AnalyzeTransfer transfer_of(Work *w, const AnalyzePopulation *out, uint32_t path_number, int64_t unit) {
    const NeuronEquations *n = population_equations(w->analysis, (uint32_t)(out - w->analysis->populations.items));
    const Population *p = &w->analysis->model->populations.items[out->number];
    const AnalyzePath *path = &out->paths[path_number];
    AnalyzeTransfer result = {.credit = 1, .backward = path->is_error && course_of(w->analysis) == COURSE_BACKWARD};
    result.continuous = (path->is_error ? error_filter : forward_filter)(w, n, p, path, unit);
    if (path->is_error) result.credit = credit_of(w, n, p, unit);
    Vec(Symbol) held = {0};
    for (uint32_t i = 0; i < p->ports.count; i++) vec_push(&held, p->ports.items[i].symbol);
    for (uint32_t i = 0; i < n->errors.count; i++) vec_push(&held, n->errors.items[i].symbol);
    if (n->error) vec_push(&held, n->error);
    StepPath in_step = {.population = p,
                        .from = path->from,
                        .to = path->to,
                        .state = state_of(n, path),
                        .held = held.items,
                        .held_count = held.count,
                        .unit = unit};
    result.has_step = step_linear(w->step, &w->reader, &in_step, &result.step);
    vec_free(&held);
    return result;
}

double complex analysis_credit_ratio(const AnalyzePopulation *p, const AnalyzeKind *kind, uint32_t path, double omega) {
    const AnalyzePath *error = &p->paths[path];
    if (!error->is_error || error->partner >= p->path_count || p->paths[error->partner].is_error) return NAN;
    const AnalyzeTransfer *back = &kind->transfers[path], *forth = &kind->transfers[error->partner];
    if (!back->continuous.known || !forth->continuous.known) return NAN;
    double complex response = filter_response(&back->continuous, omega);
    return back->credit * (back->backward ? conj(response) : response) /
           conj(filter_response(&forth->continuous, omega));
}

static bool is_trusted(const AnalyzePopulation *p, const AnalyzeKind *kind, uint32_t path, double omega) {
    double complex ratio = analysis_credit_ratio(p, kind, path, omega);
    return cabs(ratio) <= 2 && cabs(ratio) >= 0.5 && fabs(carg(ratio)) <= atan2(1, 1);
}

// The lowest frequency at which errors leave [1/2, 2] or 45 degrees, by steps of a twentieth of a decade and bisection.
static double trusted_up_to(const AnalyzePopulation *p, const AnalyzeKind *kind, uint32_t path) {
    double low = 0, high = INFINITY, longest = 0;
    for (uint32_t i = 0; i < p->time_count; i++) longest = fmax(longest, kind->taus[i]);
    if (isnan(cabs(analysis_credit_ratio(p, kind, path, 0))) || longest <= 0) return NAN;
    for (int i = -80; i <= 120 && high == INFINITY; i++) {
        double omega = pow(10, i / 20.0) / longest;
        *(is_trusted(p, kind, path, omega) ? &low : &high) = omega;
    }
    for (int i = 0; i < 60 && high < INFINITY; i++) {
        double middle = (low + high) / 2;
        *(is_trusted(p, kind, path, middle) ? &low : &high) = middle;
    }
    return high;
}

static void measure_errors(const AnalyzePopulation *p, AnalyzeKind *kind) {
    double variance = 0;
    kind->edge = 0;
    kind->trusted = INFINITY;
    for (uint32_t i = 0; i < p->path_count; i++) {
        if (!p->paths[i].is_error) continue;
        const AnalyzeTransfer *t = &kind->transfers[i];
        double noise = t->has_step ? linear_noise_gain(&t->step) : (double)NAN;
        variance += noise * noise; // of independent inputs
        kind->edge = fmax(kind->edge, t->has_step ? fabs(t->step.d) : 0);
        double trusted = trusted_up_to(p, kind, i);
        kind->trusted = trusted < kind->trusted || isnan(trusted) ? trusted : kind->trusted;
    }
    kind->noise = sqrt(variance);
}

// ---- Kinds ----------------------------------------------------------------------------------------------------------

// What tells units apart: time constants, what the membrane makes of each input, and of an error each drive.
static uint32_t signature(Work *w, const AnalyzePopulation *out, const NeuronEquations *n, int64_t unit,
                          double *values) {
    const Population *p = &w->analysis->model->populations.items[out->number];
    ExprStore *s = w->reader.store;
    uint32_t count = 0;
    for (uint32_t i = 0; i < out->time_count; i++)
        values[count++] = reader_evaluate(&w->reader, out->times[i].tau, p->own, unit, 0, 0);
    for (uint32_t i = 0; i < p->ports.count; i++) {
        Expr drive = model_element(s, p->ports.items[i].symbol, VERSION_OLD);
        values[count++] = reader_evaluate(&w->reader, expr_partial(s, n->membrane, drive), p->own, unit, 0, 0);
    }
    values[count] = credit_of(w, n, p, unit);
    if (isnan(values[count])) values[count] = 0; // equal to itself
    return count + 1;
}

typedef struct Grouping {
    double *values; // of all units
    uint32_t width;
    uint32_t *kind_of, *first;
    uint32_t kinds;
} Grouping;

static Grouping group_units(Work *w, const AnalyzePopulation *out, const NeuronEquations *n) {
    const Population *p = &w->analysis->model->populations.items[out->number];
    Grouping g = {.width = out->time_count + p->ports.count + 1};
    g.values = memory_resize(NULL, (size_t)p->size * g.width, sizeof *g.values);
    g.kind_of = memory_resize(NULL, p->size, sizeof *g.kind_of);
    g.first = memory_resize(NULL, p->size, sizeof *g.first);
    for (uint32_t u = 0; u < p->size; u++) {
        double *own = g.values + (size_t)u * g.width;
        signature(w, out, n, u, own);
        uint32_t k = 0;
        while (k < g.kinds && memcmp(g.values + (size_t)g.first[k] * g.width, own, g.width * sizeof *own) != 0) k++;
        if (k == g.kinds) g.first[g.kinds++] = u;
        g.kind_of[u] = k;
    }
    return g;
}

static void make_kinds(Work *w, AnalyzePopulation *out, const NeuronEquations *n) {
    Arena *arena = w->analysis->arena;
    Grouping g = group_units(w, out, n);
    out->kind_count = g.kinds;
    out->kinds = arena_new_array(arena, AnalyzeKind, g.kinds);
    for (uint32_t k = 0; k < g.kinds; k++) {
        AnalyzeKind *kind = &out->kinds[k];
        uint32_t members = 0;
        for (uint32_t u = 0; u < out->size; u++) members += g.kind_of[u] == k;
        uint32_t *units = arena_new_array(arena, uint32_t, members);
        double *taus = arena_new_array(arena, double, out->time_count);
        AnalyzeTransfer *transfers = arena_new_array(arena, AnalyzeTransfer, out->path_count);
        for (uint32_t u = 0; u < out->size; u++)
            if (g.kind_of[u] == k) units[kind->count++] = u;
        memcpy(taus, g.values + (size_t)g.first[k] * g.width, out->time_count * sizeof *taus);
        for (uint32_t i = 0; i < out->path_count; i++) transfers[i] = transfer_of(w, out, i, g.first[k]);
        kind->units = units;
        kind->taus = taus;
        kind->transfers = transfers;
        if (out->has_error) measure_errors(out, kind);
    }
    free(g.values);
    free(g.kind_of);
    free(g.first);
}

static void sum_up(AnalyzePopulation *out) {
    double variance = 0;
    for (uint32_t k = 0; out->has_error && k < out->kind_count; k++) {
        const AnalyzeKind *kind = &out->kinds[k];
        if (isnan(kind->noise) || kind->noise > out->noise) out->noise = kind->noise; // what is unknown stays so
        out->edge = fmax(out->edge, kind->edge);
        variance += kind->noise * kind->noise * kind->count / out->size;
    }
    out->noise_rms = sqrt(variance);
}

void populations_analyze(Work *w) {
    const Equations *e = w->equations;
    for (uint32_t i = 0; i < e->neurons.count; i++) { // first all, so that their addresses stay
        const Population *p = &e->model->populations.items[e->neurons.items[i].population];
        AnalyzePopulation out = {.number = e->neurons.items[i].population,
                                 .name = p->name,
                                 .size = p->size,
                                 .has_error = e->neurons.items[i].has_error,
                                 .gamma = p->gamma};
        vec_push(&w->analysis->populations, out);
    }
    for (uint32_t i = 0; i < e->neurons.count; i++) {
        AnalyzePopulation *out = &w->analysis->populations.items[i];
        const NeuronEquations *n = &e->neurons.items[i];
        const Population *p = &e->model->populations.items[out->number];
        find_paths(w->analysis, out, n, p);
        find_times(w->analysis, out, n);
        make_kinds(w, out, n);
        sum_up(out);
    }
}

// Number by number: what lies between the members of a structure may differ.
static bool same_numbers(const double *a, const double *b, uint32_t count) {
    return memcmp(a, b, count * sizeof *a) == 0;
}

static bool same_filter(const Filter *a, const Filter *b) {
    return a->known == b->known && a->zero_count == b->zero_count && a->pole_count == b->pole_count &&
           a->memory_count == b->memory_count && same_numbers(&a->gain, &b->gain, 1) &&
           same_numbers(&a->delay, &b->delay, 1) && same_numbers(a->zero, b->zero, a->zero_count) &&
           same_numbers(a->pole, b->pole, a->pole_count) && same_numbers(a->memory, b->memory, a->memory_count);
}

static bool same_step(const Linear *a, const Linear *b) {
    bool same = a->order == b->order && same_numbers(&a->d, &b->d, 1) && same_numbers(a->b, b->b, a->order) &&
                same_numbers(a->c, b->c, a->order);
    for (uint32_t i = 0; same && i < a->order; i++) same = same_numbers(a->a[i], b->a[i], a->order);
    return same;
}

static bool same_transfer(const AnalyzeTransfer *a, const AnalyzeTransfer *b) {
    return same_filter(&a->continuous, &b->continuous) && a->has_step == b->has_step &&
           (!a->has_step || same_step(&a->step, &b->step));
}

static bool same_kind(const AnalyzePopulation *p, const AnalyzeKind *a, const AnalyzeKind *b) {
    bool same = a->count == b->count && memcmp(a->units, b->units, a->count * sizeof *a->units) == 0 &&
                memcmp(a->taus, b->taus, p->time_count * sizeof *a->taus) == 0;
    for (uint32_t i = 0; same && i < p->path_count; i++) same = same_transfer(&a->transfers[i], &b->transfers[i]);
    return same;
}

// Whether one table serves both.
static bool alike(const Analysis *analysis, const AnalyzePopulation *a, const AnalyzePopulation *b) {
    const Population *all = analysis->model->populations.items;
    bool same = all[a->number].neuron == all[b->number].neuron && a->size == b->size && a->has_error == b->has_error &&
                a->time_count == b->time_count && a->path_count == b->path_count && a->kind_count == b->kind_count;
    for (uint32_t i = 0; same && i < a->time_count; i++) same = strcmp(a->times[i].label, b->times[i].label) == 0;
    for (uint32_t i = 0; same && i < a->path_count; i++)
        same = strcmp(a->paths[i].name, b->paths[i].name) == 0 && strcmp(a->paths[i].read_by, b->paths[i].read_by) == 0;
    for (uint32_t i = 0; same && i < a->kind_count; i++) same = same_kind(a, &a->kinds[i], &b->kinds[i]);
    return same;
}

uint32_t analysis_group(const Analysis *analysis, uint32_t first, Atom *names) {
    const AnalyzePopulation *all = analysis->populations.items;
    uint32_t count = 0;
    for (uint32_t i = 0; i < analysis->populations.count && all[first].selected; i++) {
        if (!all[i].selected || !alike(analysis, &all[first], &all[i])) continue;
        if (i < first) return 0;
        names[count++] = all[i].name;
    }
    return count;
}
