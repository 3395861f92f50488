// The analysis for readers: tables of at most 100 columns, in ASCII.
#include "parts.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_KINDS = 12, CELL = 9, WIDTH = 100 };

typedef struct Printer {
    const Analysis *analysis;
    Text *out;
} Printer;

static const char *brief(char buffer[32], double value) { return analysis_short(buffer, value, 3); }

static void cell(const Printer *p, double value) {
    char buffer[32];
    text_addf(p->out, "%*s", CELL, isnan(value) ? "-" : brief(buffer, value));
}

// A number and what stands behind it, together `width` wide at least.
static void left_cell(const Printer *p, const char *before, double value, int width) {
    char buffer[32], whole[64];
    snprintf(whole, sizeof whole, "%s%s", before, brief(buffer, value));
    text_addf(p->out, "  %-*s", width, whole);
}

// "0 .. 17, 20": runs of numbers.
static void add_units(Text *text, const AnalyzeKind *kind) {
    for (uint32_t i = 0; i < kind->count;) {
        uint32_t end = i;
        while (end + 1 < kind->count && kind->units[end + 1] == kind->units[end] + 1) end++;
        if (text->length > 24) {
            text_add(text, ", ..");
            return;
        }
        text_addf(text, "%s%u", i ? ", " : "", kind->units[i]);
        if (end > i) text_addf(text, "%s%u", end - i > 1 ? " .. " : ", ", kind->units[end]);
        i = end + 1;
    }
}

// The next kind to be shown from `k` on; kind_count at the end, or when there were enough.
static uint32_t next_kind(const Printer *p, const AnalyzePopulation *population, uint32_t k) {
    while (k < population->kind_count && !analysis_shows(p->analysis, &population->kinds[k])) k++;
    return p->analysis->unit < 0 && k >= MOST_KINDS ? population->kind_count : k;
}

// ---- Kinds ----------------------------------------------------------------------------------------------------------

static void print_kinds(const Printer *p, const AnalyzePopulation *population) {
    text_addf(p->out, "  %-6s%-7s%-28s", "kind", "units", "which");
    for (uint32_t t = 0; t < population->time_count; t++) text_addf(p->out, "  %-10s", population->times[t].label);
    text_add(p->out, "\n");
    for (uint32_t k = next_kind(p, population, 0); k < population->kind_count; k = next_kind(p, population, k + 1)) {
        const AnalyzeKind *kind = &population->kinds[k];
        Text units = {0};
        add_units(&units, kind);
        text_addf(p->out, "  %-6u%-7u%-28s", k + 1, kind->count, text_z(&units));
        for (uint32_t t = 0; t < population->time_count; t++) left_cell(p, "", kind->taus[t], 10);
        text_add(p->out, "\n");
        text_free(&units);
    }
    if (p->analysis->unit < 0 && population->kind_count > MOST_KINDS)
        text_addf(p->out, "  and %u more kinds: --json lists all, --neuron '%s[UNIT]' shows one\n",
                  population->kind_count - MOST_KINDS, population->name);
}

// ---- Frequencies ----------------------------------------------------------------------------------------------------

typedef enum Quantity { GAIN, GAIN_STEP, PHASE, PHASE_STEP, CREDIT, CREDIT_PHASE, QUANTITY_COUNT } Quantity;

static double quantity_at(const Printer *p, const AnalyzePopulation *population, uint32_t k, uint32_t path,
                          Quantity quantity, double omega) {
    AnalyzePoint point = analysis_point(p->analysis, population, &population->kinds[k], path, omega);
    switch (quantity) {
    case GAIN: return point.gain;
    case GAIN_STEP: return point.step_gain;
    case PHASE: return point.phase;
    case PHASE_STEP: return point.step_phase;
    case CREDIT: return point.over_gain;
    case CREDIT_PHASE: return point.over_phase;
    case QUANTITY_COUNT: break;
    }
    return NAN;
}

static void print_row(const Printer *p, const AnalyzePopulation *population, uint32_t k, uint32_t path,
                      Quantity quantity) {
    static const char *const words[QUANTITY_COUNT] = {"gain", "gain, step", "phase", "phase, step", "gain", "phase"};
    char first[16] = "";
    if (quantity == GAIN || quantity == CREDIT) snprintf(first, sizeof first, "kind %u", k + 1);
    text_addf(p->out, "    %-8s  %-12s", first, words[quantity]);
    for (uint32_t i = 0; i < p->analysis->omega_count; i++)
        cell(p, quantity_at(p, population, k, path, quantity, p->analysis->omegas[i]));
    text_add(p->out, "\n");
}

// No filter in either time: what a neuron with equal time constants is.
static bool is_instant(const AnalyzeTransfer *t, double angle) {
    bool same =
        t->continuous.known && !t->continuous.zero_count && !t->continuous.pole_count && t->continuous.delay == 0;
    return same && t->has_step && cabs(linear_response(&t->step, angle) - t->continuous.gain) < 1e-12;
}

static void print_omegas(const Printer *p) {
    text_addf(p->out, "    %-8s  %-12s", "omega", "");
    for (uint32_t i = 0; i < p->analysis->omega_count; i++) cell(p, p->analysis->omegas[i]);
    text_add(p->out, "\n");
}

static void print_kind_rows(const Printer *p, const AnalyzePopulation *population, uint32_t k, uint32_t path) {
    const AnalyzeTransfer *t = &population->kinds[k].transfers[path];
    char buffer[32];
    if (is_instant(t, 0.1) && is_instant(t, 1) && is_instant(t, 3))
        text_addf(p->out, "    kind %-4u no filter: gain %s, phase 0 at all frequencies\n", k + 1,
                  brief(buffer, t->continuous.gain));
    else
        for (Quantity q = GAIN; q <= PHASE_STEP; q++) print_row(p, population, k, path, q);
}

static void print_path(const Printer *p, const AnalyzePopulation *population, uint32_t path) {
    const AnalyzePath *way = &population->paths[path];
    text_addf(p->out, "\n  %s, %s", way->is_error ? "error neuron" : "neuron", way->name);
    if (*way->read_by) text_addf(p->out, ", read by %s", way->read_by);
    text_add(p->out, "\n");
    print_omegas(p);
    for (uint32_t k = next_kind(p, population, 0); k < population->kind_count; k = next_kind(p, population, k + 1))
        print_kind_rows(p, population, k, path);
}

// The phase only where it is wrong.
static void print_credit_rows(const Printer *p, const AnalyzePopulation *population, uint32_t k, uint32_t path) {
    double worst = 0;
    print_row(p, population, k, path, CREDIT);
    for (uint32_t i = 0; i < p->analysis->omega_count; i++)
        worst = fmax(worst, fabs(quantity_at(p, population, k, path, CREDIT_PHASE, p->analysis->omegas[i])));
    if (worst > 1e-9) print_row(p, population, k, path, CREDIT_PHASE);
}

static void print_credit(const Printer *p, const AnalyzePopulation *population) {
    for (uint32_t path = 0; path < population->path_count; path++) {
        if (!population->paths[path].is_error) continue;
        text_addf(p->out, "\n  %s over the exact adjoint (gain 1, phase 0: exact)\n", population->paths[path].name);
        print_omegas(p);
        for (uint32_t k = next_kind(p, population, 0); k < population->kind_count; k = next_kind(p, population, k + 1))
            print_credit_rows(p, population, k, path);
    }
}

// ---- Euler's step ---------------------------------------------------------------------------------------------------

static void add_poles(const Printer *p, const Linear *step) {
    double complex poles[LINEAR_MOST];
    Text text = {0};
    char first[32], second[32];
    linear_poles(step, poles);
    for (uint32_t i = 0; i < step->order; i++) {
        text_addf(&text, "%s%s", i ? ", " : "", brief(first, fabs(creal(poles[i])) < 1e-12 ? 0 : creal(poles[i])));
        if (cimag(poles[i]) != 0)
            text_addf(&text, "%s%si", cimag(poles[i]) > 0 ? "+" : "", brief(second, cimag(poles[i])));
    }
    text_addf(p->out, "  %-10s", text.length ? text_z(&text) : "none");
    text_free(&text);
}

static double shortest_memory(const Filter *f) {
    double shortest = INFINITY;
    for (uint32_t i = 0; i < f->memory_count; i++) shortest = fmin(shortest, f->memory[i]);
    return shortest;
}

static void print_limits(const Printer *p, const AnalyzePopulation *population, uint32_t k, uint32_t path) {
    const AnalyzeKind *kind = &population->kinds[k];
    const AnalyzeTransfer *t = &kind->transfers[path];
    bool is_error = population->paths[path].is_error;
    double tau = shortest_memory(&t->continuous), dt = p->analysis->model->dt;
    text_addf(p->out, "    %-4u  %-6s", k + 1, is_error ? "error" : "neuron");
    if (!t->continuous.known || isinf(tau)) {
        text_addf(p->out, "  %-8s  %-8s", t->continuous.known ? "none" : "?", "-");
    } else {
        left_cell(p, "", tau, 8);
        left_cell(p, "", dt / tau, 8);
    }
    if (t->has_step)
        add_poles(p, &t->step);
    else
        text_addf(p->out, "  %-10s", "?");
    if (!t->continuous.known || isinf(tau)) {
        text_addf(p->out, "  %-12s  %-12s", t->continuous.known ? "any dt" : "?", t->continuous.known ? "any dt" : "?");
    } else {
        left_cell(p, "dt < ", 2 * tau, 12);
        left_cell(p, "dt <= ", tau, 12);
    }
    if (is_error) {
        cell(p, t->has_step ? linear_noise_gain(&t->step) : (double)NAN);
        cell(p, t->has_step ? fabs(t->step.d) : (double)NAN);
    }
    text_add(p->out, "\n");
}

// The membrane's filter once, though several lookaheads share it.
static void print_step(const Printer *p, const AnalyzePopulation *population) {
    text_addf(p->out, "\n  Euler's step\n    %-4s  %-6s  %-8s  %-8s  %-10s  %-12s  %-12s%*s%*s\n", "kind", "part",
              "tau", "dt/tau", "pole", "stable for", "no ringing", CELL, "noise", CELL, "edge");
    for (uint32_t k = next_kind(p, population, 0); k < population->kind_count; k = next_kind(p, population, k + 1)) {
        bool membrane = false;
        for (uint32_t i = 0; i < population->path_count; i++) {
            if (!population->paths[i].is_error && membrane) continue;
            membrane |= !population->paths[i].is_error;
            print_limits(p, population, k, i);
        }
    }
    for (uint32_t k = next_kind(p, population, 0); population->has_error && k < population->kind_count;
         k = next_kind(p, population, k + 1)) {
        char first[32];
        double trusted = population->kinds[k].trusted;
        if (isinf(trusted))
            text_addf(p->out, "  kind %u: errors are within 2 and 45 degrees of the exact adjoint's at all omega\n",
                      k + 1);
        else if (!isnan(trusted))
            text_addf(p->out, "  kind %u: errors are within 2 and 45 degrees of the exact adjoint's up to omega = %s\n",
                      k + 1, brief(first, trusted));
    }
}

// ---- The page -------------------------------------------------------------------------------------------------------

static void print_group(const Printer *p, const AnalyzePopulation *population, Atom names, bool several) {
    Text title = {0};
    const Model *m = p->analysis->model;
    text_addf(&title, "%s: %u neuron%s%s of %s", names, population->size, population->size == 1 ? "" : "s",
              several ? " each" : "", m->populations.items[population->number].neuron->name);
    text_addf(p->out, "\n%s\n", text_z(&title));
    for (size_t i = 0; i < title.length && i < WIDTH; i++) text_add(p->out, "=");
    text_add(p->out, "\n");
    text_free(&title);
    print_kinds(p, population);
    for (uint32_t i = 0; i < population->path_count; i++) print_path(p, population, i);
    print_credit(p, population);
    print_step(p, population);
    bool reversed = principle_find(m->dynamics.principle)->course == COURSE_REVERSED_STEP;
    if (population->has_error && reversed)
        text_add(p->out, "  errors are made by reversing the step: they are exact\n");
    if (!population->has_error && !reversed) text_add(p->out, "  no cost reaches these neurons: they have no error\n");
}

static void print_groups(const Printer *p) {
    const Analysis *a = p->analysis;
    Atom *names = memory_resize(NULL, a->populations.count + 1, sizeof *names);
    for (uint32_t i = 0; i < a->populations.count; i++) {
        uint32_t count = analysis_group(a, i, names);
        if (count) print_group(p, &a->populations.items[i], analysis_names(a->arena, names, count), count > 1);
    }
    free(names);
}

static void add_eigenvalues(const AnalyzeExplicit *e, Text *out) {
    char first[32], second[32];
    for (uint32_t i = 0; i < e->count; i++) {
        double complex value = e->eigenvalue[i];
        text_addf(out, "%s%s", i ? ", " : "", brief(first, fabs(creal(value)) < 1e-12 ? 0 : creal(value)));
        if (cimag(value) != 0) text_addf(out, "%s%si", cimag(value) > 0 ? "+" : "", brief(second, cimag(value)));
    }
}

static void print_explicit(const Printer *p) {
    const Analysis *a = p->analysis;
    char first[32], second[32];
    if (a->equations_given.count)
        text_add(p->out, "\nexplicit equations, inputs held\n===============================\n");
    for (uint32_t i = 0; i < a->equations_given.count; i++) {
        const AnalyzeExplicit *e = &a->equations_given.items[i];
        const Population *population = &a->model->populations.items[e->number];
        text_addf(p->out, "  %s, %u neuron%s: %s\n", population->name, population->size,
                  population->size == 1 ? "" : "s", e->states);
        if (!e->linear) {
            text_addf(p->out, "    %s: no limit of dt is known\n", e->why);
            continue;
        }
        text_add(p->out, "    eigenvalues ");
        add_eigenvalues(e, p->out);
        if (population->size > 1) text_addf(p->out, " (unit %u, the most critical)", e->unit);
        if (e->growth > 0)
            text_addf(p->out, "\n    grows by itself, with time constant %s\n", brief(first, 1 / e->growth));
        else if (isinf(e->bound))
            text_addf(p->out, "\n    stable for any dt; a step multiplies by %s at most\n", brief(first, e->radius));
        else
            text_addf(p->out, "\n    stable for dt < %s; a step multiplies by %s at most\n", brief(first, e->bound),
                      brief(second, e->radius));
    }
}

// Words with line breaks. The first line stands at the indent already.
static void add_wrapped(Text *out, size_t indent, const char *text) {
    size_t column = indent;
    for (const char *word = text; *word;) {
        size_t length = strcspn(word, " ");
        bool first = word == text, breaks = !first && column + 1 + length > WIDTH;
        if (breaks) text_addf(out, "\n%*s", (int)indent, "");
        if (!first && !breaks) text_add(out, " ");
        column = (breaks ? indent : column + !first) + length;
        text_add_bytes(out, word, length);
        word += length + (word[length] == ' ');
    }
    text_add(out, "\n");
}

static void print_network(const Printer *p) {
    const Analysis *a = p->analysis;
    char first[32], second[32];
    Text text = {0};
    text_add(p->out, "\nnetwork\n=======\n");
    Vec(Atom) names = {0};
    for (uint32_t i = 0; i < a->deepest.count; i++) vec_push(&names, a->populations.items[a->deepest.items[i]].name);
    if (names.count)
        text_addf(&text, "the error's longest way has %u population%s: %s. White noise is amplified %s%s along it",
                  names.count, names.count == 1 ? "" : "s", analysis_names(a->arena, names.items, names.count),
                  isnan(a->deepest_noise) ? "by an unknown factor" : brief(first, a->deepest_noise),
                  isnan(a->deepest_noise) ? "" : " times");
    else
        text_add(&text, "no neuron has an error.");
    bool mixed = a->deepest_noise_rms < a->deepest_noise * (1 - 1e-9);
    if (mixed) text_addf(&text, " at most, %s times in the mean over units", brief(second, a->deepest_noise_rms));
    if (names.count) text_add(&text, ".");
    uint32_t waits = a->waits_up + a->waits_down;
    if (waits)
        text_addf(&text,
                  " Messages wait %u steps on the way up and %u on the way down, so that its last error is late by %s: "
                  "45 degrees at omega = %s.",
                  a->waits_up, a->waits_down, brief(first, waits * a->model->dt),
                  brief(second, a->fastest / 4 / waits));
    vec_free(&names);
    text_add(p->out, "  ");
    add_wrapped(p->out, 2, text_z(&text));
    text_free(&text);
    text_add(&text, "feedback of errors through the output: ");
    if (a->feedback.known == ANALYZE_KNOWN)
        text_addf(&text, "at most %s with beta = %s (stable below 1).", brief(first, a->feedback.strength),
                  brief(second, a->feedback.beta));
    else
        text_addf(&text, "%s: %s.", a->feedback.known == ANALYZE_ABSENT ? "none" : "unknown", a->feedback.why);
    text_add(p->out, "  ");
    add_wrapped(p->out, 2, text_z(&text));
    text_free(&text);
}

static void print_loops(const Printer *p) {
    const Analysis *a = p->analysis;
    for (uint32_t i = 0; i < a->loops.count; i++) {
        const AnalyzeLoop *loop = &a->loops.items[i];
        char buffer[32];
        Text text = {0};
        Vec(Atom) names = {0};
        for (uint32_t k = 0; k < loop->members.count; k++)
            vec_push(&names, a->populations.items[loop->members.items[k]].name);
        text_addf(&text, "recurrent: %s; one turn amplifies at most %s times%s",
                  analysis_names(a->arena, names.items, names.count),
                  brief(buffer, loop->known == ANALYZE_KNOWN ? loop->bound : (double)NAN),
                  loop->known == ANALYZE_KNOWN ? " (waiting one step converges below 1)." : ": ");
        if (loop->known != ANALYZE_KNOWN) text_addf(&text, "%s.", loop->why);
        text_add(p->out, "  ");
        add_wrapped(p->out, 2, text_z(&text));
        vec_free(&names);
        text_free(&text);
    }
}

// Blanks at the ends of lines, where a table's last cell is short.
static void trim_lines(Text *text, size_t from) {
    size_t end = from;
    for (size_t i = from; i < text->length; i++) {
        if (text->bytes[i] == '\n')
            while (end > from && text->bytes[end - 1] == ' ') end--;
        text->bytes[end++] = text->bytes[i];
    }
    if (text->bytes) text->bytes[text->length = end] = 0;
}

void analysis_print(const Analysis *a, Text *out) {
    size_t start = out->length;
    Printer p = {a, out};
    const Model *m = a->model;
    char first[32], second[32];
    text_addf(out, "network %s, dynamics %s, order %s, dt = %s\n", m->name, analysis_dynamics(a), order_name(m->order),
              brief(first, m->dt));
    text_addf(out,
              "omega in radians per %s; phase in degrees. Rows `step` are what the program computes with\n"
              "this dt, up to omega = pi/dt = %s; the others are of continuous time.\n",
              unit_equal(m->time_unit, UNIT_TIME) ? "ms" : "unit of time", brief(second, a->fastest));
    print_groups(&p);
    print_explicit(&p);
    print_network(&p);
    print_loops(&p);
    text_addf(out, "\nwarnings\n========\n%s", a->warnings.count ? "" : "  none\n");
    for (uint32_t i = 0; i < a->warnings.count; i++) {
        text_addf(out, "  %-5s", a->warnings.items[i].name);
        add_wrapped(out, 7, a->warnings.items[i].text);
    }
    trim_lines(out, start);
}
