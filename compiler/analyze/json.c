// The analysis for programs: one JSON object. What is unknown or infinite is null.
#include "parts.h"
#include <math.h>

static void add_field(Text *out, const char *name, double value) {
    text_addf(out, "\"%s\": ", name);
    text_add_json_number(out, value);
}

static void add_list(Text *out, const char *name, const double *values, uint32_t count) {
    text_addf(out, "\"%s\": [", name);
    for (uint32_t i = 0; i < count; i++) {
        if (i) text_add(out, ", ");
        text_add_json_number(out, values[i]);
    }
    text_add(out, "]");
}

static void add_responses(const Analysis *a, const AnalyzePopulation *p, const AnalyzeKind *kind, uint32_t path,
                          Text *out) {
    static const char *const names[] = {
        "gain", "phase", "step_gain", "step_phase", "gain_over_adjoint", "phase_over_adjoint"};
    double values[6][ANALYZE_MOST_OMEGAS];
    for (uint32_t i = 0; i < a->omega_count; i++) {
        AnalyzePoint point = analysis_point(a, p, kind, path, a->omegas[i]);
        values[0][i] = point.gain;
        values[1][i] = point.phase;
        values[2][i] = point.step_gain;
        values[3][i] = point.step_phase;
        values[4][i] = point.over_gain;
        values[5][i] = point.over_phase;
    }
    for (uint32_t k = 0; k < (p->paths[path].is_error ? 6u : 4u); k++) {
        text_add(out, k ? ", " : "");
        add_list(out, names[k], values[k], a->omega_count);
    }
}

static void add_transfer(const Analysis *a, const AnalyzePopulation *p, const AnalyzeKind *kind, uint32_t path,
                         Text *out) {
    const AnalyzeTransfer *t = &kind->transfers[path];
    double complex poles[LINEAR_MOST];
    text_add(out, "\n        {\"path\": ");
    text_add_json(out, p->paths[path].name);
    text_addf(out, ", \"part\": \"%s\", ", p->paths[path].is_error ? "error" : "neuron");
    if (t->continuous.known) {
        add_list(out, "zeros_tau", t->continuous.zero, t->continuous.zero_count);
        text_add(out, ", ");
        add_list(out, "poles_tau", t->continuous.pole, t->continuous.pole_count);
        text_add(out, ", ");
        double shortest = INFINITY;
        for (uint32_t i = 0; i < t->continuous.memory_count; i++) shortest = fmin(shortest, t->continuous.memory[i]);
        add_field(out, "stable_dt_below", 2 * shortest);
        text_add(out, ", ");
        add_field(out, "no_ringing_dt_up_to", shortest);
        text_add(out, ",\n         ");
    }
    if (t->has_step) {
        linear_poles(&t->step, poles);
        text_add(out, "\"step_poles\": [");
        for (uint32_t i = 0; i < t->step.order; i++) {
            text_add(out, i ? ", [" : "[");
            text_add_json_number(out, creal(poles[i]));
            text_add(out, ", ");
            text_add_json_number(out, cimag(poles[i]));
            text_add(out, "]");
        }
        text_add(out, "], ");
        if (p->paths[path].is_error) {
            add_field(out, "noise_gain", linear_noise_gain(&t->step));
            text_add(out, ", ");
            add_field(out, "edge_gain", fabs(t->step.d));
            text_add(out, ", ");
        }
    }
    add_responses(a, p, kind, path, out);
    text_add(out, "}");
}

static void add_kind(const Analysis *a, const AnalyzePopulation *p, const AnalyzeKind *kind, Text *out) {
    text_add(out, "\n      {\"units\": [");
    for (uint32_t i = 0; i < kind->count; i++) text_addf(out, "%s%u", i ? ", " : "", kind->units[i]);
    text_add(out, "], \"times\": {");
    for (uint32_t i = 0; i < p->time_count; i++) {
        text_add(out, i ? ", " : "");
        text_add_json(out, p->times[i].label);
        text_add(out, ": ");
        text_add_json_number(out, kind->taus[i]);
    }
    text_add(out, "}, ");
    if (p->has_error) {
        add_field(out, "noise_gain", kind->noise);
        text_add(out, ", ");
        add_field(out, "trusted_up_to_omega", kind->trusted);
        text_add(out, ", ");
    }
    text_add(out, "\"transfers\": [");
    for (uint32_t i = 0; i < p->path_count; i++) {
        text_add(out, i ? "," : "");
        add_transfer(a, p, kind, i, out);
    }
    text_add(out, "]}");
}

static void add_population(const Analysis *a, const AnalyzePopulation *p, Text *out) {
    text_add(out, "\n    {\"name\": ");
    text_add_json(out, p->name);
    text_addf(out, ", \"size\": %u, \"has_error\": %s, ", p->size, p->has_error ? "true" : "false");
    add_field(out, "gamma", p->gamma);
    if (p->has_error) {
        text_add(out, ", ");
        add_field(out, "noise_gain", p->noise);
        text_add(out, ", ");
        add_field(out, "noise_gain_rms", p->noise_rms);
    }
    text_add(out, ", \"kinds\": [");
    const char *between = "";
    for (uint32_t k = 0; k < p->kind_count; k++) {
        if (!analysis_shows(a, &p->kinds[k])) continue;
        text_add(out, between);
        add_kind(a, p, &p->kinds[k], out);
        between = ",";
    }
    text_add(out, "]}");
}

static void add_names(const Analysis *a, const uint32_t *numbers, uint32_t count, Text *out) {
    text_add(out, "[");
    for (uint32_t i = 0; i < count; i++) {
        text_add(out, i ? ", " : "");
        text_add_json(out, a->populations.items[numbers[i]].name);
    }
    text_add(out, "]");
}

static void add_explicit(const Analysis *a, Text *out) {
    text_add(out, "  \"explicit\": [");
    for (uint32_t i = 0; i < a->equations_given.count; i++) {
        const AnalyzeExplicit *e = &a->equations_given.items[i];
        text_addf(out, "%s\n    {\"population\": ", i ? "," : "");
        text_add_json(out, a->model->populations.items[e->number].name);
        text_add(out, ", \"states\": ");
        text_add_json(out, e->states);
        text_addf(out, ", \"linear\": %s, \"unit\": %u, \"eigenvalues\": [", e->linear ? "true" : "false", e->unit);
        for (uint32_t k = 0; k < e->count && e->linear; k++) {
            double pair[2] = {creal(e->eigenvalue[k]), cimag(e->eigenvalue[k])};
            text_add(out, k ? ", [" : "[");
            text_add_number(out, pair[0]);
            text_add(out, ", ");
            text_add_number(out, pair[1]);
            text_add(out, "]");
        }
        text_add(out, "], ");
        add_field(out, "stable_below_dt", e->linear ? e->bound : (double)NAN);
        text_add(out, ", ");
        add_field(out, "step_radius", e->linear ? e->radius : (double)NAN);
        text_add(out, "}");
    }
    text_add(out, "],\n");
}

static void add_network(const Analysis *a, Text *out) {
    text_add(out, "  \"error_path\": {\"populations\": ");
    add_names(a, a->deepest.items, a->deepest.count, out);
    text_add(out, ", ");
    add_field(out, "noise_gain", a->deepest.count ? a->deepest_noise : (double)NAN);
    text_add(out, ", ");
    add_field(out, "noise_gain_rms", a->deepest.count ? a->deepest_noise_rms : (double)NAN);
    text_addf(out, ", \"waits_up\": %u, \"waits_down\": %u", a->waits_up, a->waits_down);
    text_add(out, "},\n  \"feedback\": {");
    bool known = a->feedback.known == ANALYZE_KNOWN;
    add_field(out, "strength", known ? a->feedback.strength : a->feedback.known == ANALYZE_ABSENT ? 0 : (double)NAN);
    text_add(out, ", ");
    add_field(out, "beta", known ? a->feedback.beta : (double)NAN);
    text_add(out, "},\n  \"loops\": [");
    for (uint32_t i = 0; i < a->loops.count; i++) {
        text_add(out, i ? ", {\"populations\": " : "{\"populations\": ");
        add_names(a, a->loops.items[i].members.items, a->loops.items[i].members.count, out);
        text_add(out, ", ");
        add_field(out, "bound", a->loops.items[i].known == ANALYZE_KNOWN ? a->loops.items[i].bound : (double)NAN);
        text_add(out, "}");
    }
    text_add(out, "],\n");
}

void analysis_json(const Analysis *a, Text *out) {
    text_add(out, "{\n  \"network\": ");
    text_add_json(out, a->model->name);
    text_addf(out, ", \"dynamics\": \"%s\", \"order\": \"%s\", ", analysis_dynamics(a), order_name(a->model->order));
    add_field(out, "dt", a->model->dt);
    text_add(out, ",\n  ");
    add_list(out, "omega", a->omegas, a->omega_count);
    text_add(out, ",\n  \"populations\": [");
    const char *between = "";
    for (uint32_t i = 0; i < a->populations.count; i++) {
        if (!a->populations.items[i].selected) continue;
        text_add(out, between);
        add_population(a, &a->populations.items[i], out);
        between = ",";
    }
    text_add(out, "],\n");
    add_explicit(a, out);
    add_network(a, out);
    text_add(out, "  \"warnings\": [");
    for (uint32_t i = 0; i < a->warnings.count; i++) {
        text_add(out, i ? ",\n    {\"name\": " : "\n    {\"name\": ");
        text_add_json(out, a->warnings.items[i].name);
        text_add(out, ", \"text\": ");
        text_add_json(out, a->warnings.items[i].text);
        text_add(out, "}");
    }
    text_add(out, "]\n}\n");
}
