// The analysis as a whole: what was asked for, the parts in order, numbers and names as text.
#include "parts.h"
#include <ctype.h>
#include <math.h>
#include <string.h>

static const double PI = 3.14159265358979323846;

// ---- What was asked for ---------------------------------------------------------------------------------------------

// "h[2]" of "h[2][7]" or "h[2]", with the number in the last brackets; false without brackets.
static bool split_unit(const char *text, size_t *base, int64_t *unit) {
    size_t length = strlen(text), open = length;
    if (!length || text[length - 1] != ']') return false;
    while (open && text[open - 1] != '[') open--;
    if (!open || open == length || length - open > 10) return false;
    *unit = 0;
    for (size_t i = open; i + 1 < length; i++) {
        if (!isdigit((unsigned char)text[i])) return false;
        *unit = *unit * 10 + (text[i] - '0');
    }
    *base = open - 1;
    return length - open > 1;
}

static bool is_number(const char *text, int64_t *number) {
    *number = 0;
    size_t length = strspn(text, "0123456789");
    for (size_t i = 0; i < length && i < 10; i++) *number = *number * 10 + (text[i] - '0');
    return length && !text[length] && length <= 10;
}

// Whether a name stands for a population: its own, that of its family (`h` for `h[2]`), or its kind of neuron.
static bool names(const Analysis *a, const AnalyzePopulation *p, const char *text, size_t length) {
    const Ast *neuron = a->model->populations.items[p->number].neuron;
    bool starts = strncmp(p->name, text, length) == 0;
    return (starts && (!p->name[length] || p->name[length] == '[')) ||
           (strlen(neuron->name) == length && strncmp(neuron->name, text, length) == 0);
}

static uint32_t select_named(Analysis *a, const char *text, size_t length) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < a->populations.count; i++) {
        AnalyzePopulation *p = &a->populations.items[i];
        p->selected = names(a, p, text, length);
        count += p->selected;
    }
    return count;
}

static bool report_unknown(const Analysis *a, const char *text, size_t length, Text *error) {
    Vec(Atom) candidates = {0};
    for (uint32_t i = 0; i < a->populations.count; i++) {
        vec_push(&candidates, a->populations.items[i].name);
        vec_push(&candidates, a->model->populations.items[a->populations.items[i].number].neuron->name);
    }
    Atom nearest = diag_nearest(arena_atom(a->arena, text, length), candidates.items, candidates.count);
    text_addf(error, "there is no population or neuron `%.*s`", (int)length, text);
    if (nearest)
        text_addf(error, "; did you mean `%s`?", nearest);
    else
        text_add(error, "; `lequel analyze FILE` without `--neuron` shows all");
    vec_free(&candidates);
    return false;
}

// Units are counted from 0. Populations that are too small are left out, unless none remains.
static bool keep_unit(Analysis *a, const char *text, Text *error) {
    uint32_t kept = 0, largest = 0;
    if (a->unit < 0) return true;
    for (uint32_t i = 0; i < a->populations.count; i++) {
        AnalyzePopulation *p = &a->populations.items[i];
        if (!p->selected) continue;
        largest = p->size > largest ? p->size : largest;
        p->selected = a->unit < p->size;
        kept += p->selected;
    }
    if (!kept)
        text_addf(error, "`--neuron %s`: unit %lld is out of range; units are numbered from 0 to %u", text,
                  (long long)a->unit, largest - 1);
    return kept > 0;
}

static bool select_populations(Analysis *a, const char *text, Text *error) {
    size_t base;
    a->unit = -1;
    for (uint32_t i = 0; i < a->populations.count; i++) a->populations.items[i].selected = true;
    if (!text || !a->populations.count) return true;
    if (is_number(text, &a->unit)) return keep_unit(a, text, error);
    a->unit = -1;
    if (select_named(a, text, strlen(text))) return true;
    if (!split_unit(text, &base, &a->unit)) return report_unknown(a, text, strlen(text), error);
    uint32_t count = select_named(a, text, base);
    for (uint32_t i = 0; i < a->populations.count; i++) // h[9] of a family h that has no [9] is no unit of it
        if (a->populations.items[i].selected && a->populations.items[i].name[base] == '[' &&
            strncmp(a->populations.items[i].name, text, base) == 0)
            return report_unknown(a, text, strlen(text), error);
    return count ? keep_unit(a, text, error) : report_unknown(a, text, base, error);
}

// 1 and 3 of each decade, from well below the slowest filter to what the step can show.
static void choose_omegas(Analysis *a, const AnalyzeOptions *options) {
    double longest = 0;
    a->omega_count = options->omega_count < ANALYZE_MOST_OMEGAS ? options->omega_count : ANALYZE_MOST_OMEGAS;
    for (uint32_t i = 0; i < a->omega_count; i++) a->omegas[i] = options->omegas[i];
    if (a->omega_count) return;
    for (uint32_t i = 0; i < a->populations.count; i++)
        for (uint32_t k = 0; k < a->populations.items[i].kind_count; k++)
            for (uint32_t t = 0; t < a->populations.items[i].time_count; t++)
                longest = fmax(longest, a->populations.items[i].kinds[k].taus[t]);
    int decade = longest > 0 ? (int)floor(log10(0.1 / longest) + 1e-9) : -1;
    for (int i = 0; a->omega_count < ANALYZE_MOST_OMEGAS; i++) {
        double omega = (i % 2 ? 3 : 1) * pow(10, decade + i / 2);
        if (omega > a->fastest) break;
        a->omegas[a->omega_count++] = omega;
    }
    if (!a->omega_count) a->omegas[a->omega_count++] = a->fastest;
}

// ---- The analysis ---------------------------------------------------------------------------------------------------

Analysis *analyze(const Equations *equations, const Step *step, const AnalyzeOptions *options, AnalyzeValue *value,
                  void *context, Text *error) {
    Analysis *a = memory_resize(NULL, 1, sizeof *a);
    *a = (Analysis){.arena = arena_new(), .equations = equations, .model = equations->model, .unit = -1};
    a->fastest = PI / a->model->dt;
    Work work = {.analysis = a, .equations = equations, .step = step};
    work.reader = (Reader){.store = a->model->store, .step = step, .value = value, .context = context};
    populations_analyze(&work);
    if (!select_populations(a, options->neuron, error)) {
        analysis_free(a);
        return NULL;
    }
    choose_omegas(a, options);
    network_analyze(&work);
    explicit_analyze(&work);
    warnings_collect(&work);
    return a;
}

void analysis_free(Analysis *a) {
    if (!a) return;
    for (uint32_t i = 0; i < a->loops.count; i++) vec_free(&a->loops.items[i].members);
    vec_free(&a->loops);
    vec_free(&a->populations);
    vec_free(&a->equations_given);
    vec_free(&a->deepest);
    vec_free(&a->warnings);
    arena_free(a->arena);
    free(a);
}

// ---- Points --------------------------------------------------------------------------------------------------------

static double degrees(double complex value) { return isnan(cabs(value)) ? (double)NAN : carg(value) * 180 / PI; }

AnalyzePoint analysis_point(const Analysis *a, const AnalyzePopulation *p, const AnalyzeKind *kind, uint32_t path,
                            double omega) {
    const AnalyzeTransfer *t = &kind->transfers[path];
    double complex nothing = NAN, over = analysis_credit_ratio(p, kind, path, omega);
    double complex continuous = t->continuous.known ? filter_response(&t->continuous, omega) : nothing;
    bool seen = t->has_step && omega <= a->fastest * (1 + 1e-12);
    double complex step = seen ? linear_response(&t->step, omega * a->model->dt) : nothing;
    if (t->backward) continuous = conj(continuous), step = conj(step);
    return (AnalyzePoint){.gain = cabs(continuous),
                          .phase = degrees(continuous),
                          .step_gain = cabs(step),
                          .step_phase = degrees(step),
                          .over_gain = cabs(over),
                          .over_phase = degrees(over)};
}

bool analysis_shows(const Analysis *a, const AnalyzeKind *kind) {
    bool found = a->unit < 0;
    for (uint32_t i = 0; i < kind->count; i++) found |= kind->units[i] == a->unit;
    return found;
}

// ---- Numbers and names ----------------------------------------------------------------------------------------------

const char *analysis_short(char buffer[32], double value, int digits) {
    if (isnan(value)) return "unknown";
    if (isinf(value)) return value > 0 ? "infinite" : "-infinite";
    if (value == 0) return "0";
    int places = digits - 1 - (int)floor(log10(fabs(value)));
    double scale = pow(10, abs(places));
    double rounded = places >= 0 ? round(value * scale) / scale : round(value / scale) * scale;
    return number_format(buffer, isfinite(rounded) ? rounded : value);
}

// Where a name's number in brackets begins; the number is -1 without one.
static size_t family_length(Atom name, int64_t *number) {
    size_t base = strlen(name);
    *number = -1;
    return split_unit(name, &base, number) ? base : strlen(name);
}

Atom analysis_names(Arena *arena, const Atom *list, uint32_t count) {
    Text text = {0};
    for (uint32_t i = 0; i < count;) {
        int64_t first, number, step = 0;
        size_t length = family_length(list[i], &first);
        uint32_t end = i + 1;
        for (; first >= 0 && end < count; end++) { // up or down by one
            if (family_length(list[end], &number) != length || strncmp(list[i], list[end], length) != 0) break;
            if (end == i + 1) step = number - first;
            if (number != first + step * (int64_t)(end - i) || (step != 1 && step != -1)) break;
        }
        if (end - i < 3) end = i + 1;
        text_addf(&text, "%s%s", text.length ? ", " : "", list[i]);
        if (end - i > 1) text_addf(&text, " .. %s", list[end - 1]);
        i = end;
    }
    Atom atom = arena_atom_z(arena, text_z(&text));
    text_free(&text);
    return atom;
}
