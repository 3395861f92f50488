// The Bode plot of an analysis: for each path of a group of populations that share their tables, gain and phase.
#include "analysis.h"
#include "plot.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 241, MOST_CURVES = 6 };

typedef struct Figure {
    const Analysis *analysis;
    Arena *arena; // of curves and words
    double omega[POINTS];
    Vec(PlotPanel) panels;
    PlotMark mark;
} Figure;

typedef struct Curves { // of one panel pair
    PlotSeries gain[2 * MOST_CURVES], phase[2 * MOST_CURVES];
    uint32_t count;
} Curves;

static const char *curve_name(const Figure *f, const AnalyzePopulation *p, uint32_t k, uint32_t curves) {
    const AnalyzeKind *kind = &p->kinds[k];
    Text name = {0};
    char buffer[32];
    for (uint32_t t = 0; t < p->time_count && curves <= 4; t++)
        text_addf(&name, "%s%s %s", t ? ", " : "", p->times[t].label, analysis_short(buffer, kind->taus[t], 3));
    if (curves > 4) text_addf(&name, "kind %u", k + 1);
    text_addf(&name, " (%u)", kind->count);
    Atom atom = arena_atom_z(f->arena, text_z(&name));
    text_free(&name);
    return atom;
}

// In continuous time, or of the step as far as it can show frequencies.
static void add_curve(Figure *f, const AnalyzePopulation *p, uint32_t k, uint32_t path, bool broken, PlotSeries series,
                      Curves *curves) {
    double *gain = arena_new_array(f->arena, double, POINTS), *phase = arena_new_array(f->arena, double, POINTS);
    for (uint32_t i = 0; i < POINTS; i++) {
        AnalyzePoint point = analysis_point(f->analysis, p, &p->kinds[k], path, f->omega[i]);
        gain[i] = broken ? point.step_gain : point.gain;
        phase[i] = broken ? point.step_phase : point.phase;
    }
    series.broken = broken;
    series.y = gain;
    curves->gain[curves->count] = series;
    series.y = phase;
    curves->phase[curves->count++] = series;
}

// Of more kinds than there are colours, evenly spaced ones.
static Curves curves_of(Figure *f, const AnalyzePopulation *p, uint32_t path) {
    Curves curves = {0};
    uint32_t shown = 0, seen = 0, drawn = 0;
    for (uint32_t k = 0; k < p->kind_count; k++) shown += analysis_shows(f->analysis, &p->kinds[k]);
    uint32_t wanted = shown < MOST_CURVES ? shown : MOST_CURVES;
    for (uint32_t k = 0; k < p->kind_count && drawn < wanted; k++) {
        if (!analysis_shows(f->analysis, &p->kinds[k])) continue;
        bool chosen = wanted == 1 || seen == (uint64_t)drawn * (shown - 1) / (wanted - 1);
        seen++;
        if (!chosen) continue;
        PlotSeries series = {.name = curve_name(f, p, k, shown), .x = f->omega, .count = POINTS, .colour = ++drawn};
        add_curve(f, p, k, path, false, series, &curves);
        series.name = NULL;
        add_curve(f, p, k, path, true, series, &curves);
    }
    return curves;
}

static void add_panel(Figure *f, const char *title, const char *label, bool log, const PlotSeries *series,
                      uint32_t count) {
    PlotSeries *kept = arena_new_array(f->arena, PlotSeries, count);
    memcpy(kept, series, count * sizeof *kept);
    vec_push(&f->panels, (PlotPanel){.title = title,
                                     .x_label = "angular frequency",
                                     .y_label = label,
                                     .log_x = true,
                                     .log_y = log,
                                     .series = kept,
                                     .series_count = count,
                                     .marks = &f->mark,
                                     .mark_count = 1});
}

static void add_group(Figure *f, const AnalyzePopulation *p, Atom names) {
    for (uint32_t path = 0; path < p->path_count; path++) {
        Curves curves = curves_of(f, p, path);
        const char *what = p->paths[path].is_error ? "error neuron" : "neuron";
        const char *title = arena_format(f->arena, "%s: %s, %s", names, what, p->paths[path].name);
        if (f->analysis->unit < 0 && p->kind_count > MOST_CURVES)
            title = arena_format(f->arena, "%s (%d of %u kinds)", title, MOST_CURVES, p->kind_count);
        add_panel(f, title, "gain", true, curves.gain, curves.count);
        add_panel(f, "", "phase / degrees", false, curves.phase, curves.count);
    }
}

static void add_groups(Figure *f) {
    const Analysis *a = f->analysis;
    Atom *names = memory_resize(NULL, a->populations.count + 1, sizeof *names);
    for (uint32_t i = 0; i < a->populations.count; i++) {
        uint32_t count = analysis_group(a, i, names);
        if (count) add_group(f, &a->populations.items[i], analysis_names(f->arena, names, count));
    }
    free(names);
}

// From a hundredth of the slowest filter's corner to ten times the fastest's, or the fastest that the step shows.
static void choose_range(Figure *f) {
    const Analysis *a = f->analysis;
    double longest = 0, shortest = INFINITY;
    for (uint32_t i = 0; i < a->populations.count; i++)
        for (uint32_t k = 0; a->populations.items[i].selected && k < a->populations.items[i].kind_count; k++)
            for (uint32_t t = 0; t < a->populations.items[i].time_count; t++) {
                double tau = a->populations.items[i].kinds[k].taus[t];
                if (!(tau > 0)) continue;
                longest = fmax(longest, tau);
                shortest = fmin(shortest, tau);
            }
    double low = longest > 0 ? 0.01 / longest : a->fastest / 1e3;
    double high = fmax(3 * a->fastest, longest > 0 ? 10 / shortest : 0);
    for (uint32_t i = 0; i < POINTS; i++) f->omega[i] = low * pow(high / low, (double)i / (POINTS - 1));
    f->mark = (PlotMark){.x = a->fastest, .label = "\xcf\x80/dt"};
}

void analysis_svg(const Analysis *analysis, Text *out) {
    Figure f = {.analysis = analysis, .arena = arena_new()};
    choose_range(&f);
    add_groups(&f);
    const char *title =
        arena_format(f.arena, "%s: neurons and error neurons over frequency (broken lines: step, dt %s)",
                     analysis->model->name, analysis_short((char[32]){0}, analysis->model->dt, 3));
    PlotOptions options = {.title = title, .columns = 2, .width = 1100, .panel_height = 150};
    plot_svg(&options, f.panels.items, f.panels.count, out);
    vec_free(&f.panels);
    arena_free(f.arena);
}
