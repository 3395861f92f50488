// Finds the recordings and scores that a run left in a folder, and arranges them as panels for plot.c.
#define _GNU_SOURCE
#include "../compiler/support/vec.h"
#include "data/table.h"
#include "files.h"
#include "plot.h"
#include "plot_clock.h"
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LINES_MAX = 12, CROSSINGS_MAX = 100 };

typedef Vec(PlotPanel) Panels;

typedef struct Report {
    Text *lines;
    uint32_t left_out; // files that could not be read
} Report;

static void leave_out(Report *report, const Text *why) {
    text_addf(report->lines, "left out: %s\n", text_z(why));
    report->left_out++;
}

typedef struct StepNumbers { // of recordings made at one interval
    size_t prefix;           // of the names of these recordings: `replay.`, where only a stage made them
    const char *name;
    Table table;
} StepNumbers;

typedef struct Traces { // everything that the panels of traces.svg point to
    Arena *arena;
    const char *dir;
    Vec(const char *) names; // array names, sorted
    Vec(Table) tables;
    Table time; // empty where there is none
    Vec(StepNumbers) steps;
    PlotClock clock;
    Panels panels;
    bool cut_away;     // an array has no record in the part that is to be drawn
    const char *dense; // an array whose lines are too dense to be seen; NULL: none
} Traces;

// Losses and costs fall over decades: an axis of powers shows the end of learning as well as its beginning.
static bool wants_log(const PlotPanel *panel, double ratio) {
    double low = INFINITY, high = 0;
    for (uint32_t s = 0; s < panel->series_count; s++) {
        const PlotSeries *series = &panel->series[s];
        for (size_t i = 0; i < series->count; i++) {
            double y = series->y[i * (series->stride ? series->stride : 1)];
            if (!(y > 0)) return false;
            low = fmin(low, y);
            high = fmax(high, y);
        }
    }
    return isfinite(high) && high >= ratio * low;
}

// ---- Arrays --------------------------------------------------------------------------------------------------------

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b); // not the locale's order
}

static bool list_arrays(Traces *traces, Text *error) {
    DIR *folder = opendir(traces->dir);
    if (!folder) {
        text_addf(error, "cannot read the folder %s: %s", traces->dir, strerror(errno));
        return false;
    }
    for (const struct dirent *entry; (entry = readdir(folder));) {
        size_t length = strlen(entry->d_name);
        if (length <= 4 || strcmp(entry->d_name + length - 4, ".npy") != 0 || entry->d_name[0] == '.') continue;
        Atom name = arena_atom(traces->arena, entry->d_name, length - 4);
        if (strcmp(name, "time") != 0) vec_push(&traces->names, name);
    }
    closedir(folder);
    if (traces->names.count) qsort(traces->names.items, traces->names.count, sizeof(const char *), compare_names);
    return true;
}

static bool load(Traces *traces, const char *name, Table *table, Report *report) {
    Text error = {0};
    const char *path = arena_format(traces->arena, "%s/%s.npy", traces->dir, name);
    struct stat about;
    bool pipe = stat(path, &about) == 0 && S_ISFIFO(about.st_mode); // nobody may ever write to it
    if (pipe) text_addf(&error, "%s: is a pipe", path);
    bool good = !pipe && table_load(path, table, &error);
    if (good && table->rank == 0) {
        text_addf(&error, "%s/%s.npy holds one number and no records", traces->dir, name);
        table_free(table);
        good = false;
    }
    if (!good) leave_out(report, &error);
    text_free(&error);
    return good;
}

static void load_axis(Traces *traces, const char *name, Table *table, Report *report) {
    *table = (Table){0};
    if (file_exists(arena_format(traces->arena, "%s/%s.npy", traces->dir, name))) load(traces, name, table, report);
}

// A recording belongs to the axis that has as many numbers; time says more than step numbers.
static const double *matching_axis(const Traces *traces, const char *name, int64_t records, const char **label) {
    if (traces->time.data && table_count(&traces->time) == records) {
        *label = "time";
        return traces->time.data;
    }
    const StepNumbers *best = NULL;
    for (uint32_t i = 0; i < traces->steps.count; i++) {
        const StepNumbers *steps = &traces->steps.items[i];
        bool fits = table_count(&steps->table) == records && strncmp(name, steps->name, steps->prefix) == 0;
        if (fits && (!best || steps->prefix > best->prefix)) best = steps;
    }
    *label = best ? "step" : "record";
    if (best) return best->table.data;
    return NULL;
}

// Leaves out the records before and behind the part that is to be drawn.
static const double *cut(const Traces *traces, const double *steps, int64_t *first, int64_t *records) {
    int64_t begin = 0, end = *records;
    while (begin < end && steps[begin] < traces->clock.low) begin++;
    while (end > begin && steps[end - 1] > traces->clock.high) end--;
    *first = begin;
    *records = end - begin;
    return steps + begin;
}

// "3" or "3, 1": the place of one of the recorded values in the array, along the axes that have several.
static const char *element_name(Arena *arena, const Table *table, int64_t element) {
    Text text = {0};
    int64_t size = 1;
    for (int axis = 1; axis < table->rank; axis++) size *= table->shape[axis];
    for (int axis = 1; axis < table->rank; axis++) {
        size /= table->shape[axis];
        if (table->shape[axis] > 1)
            text_addf(&text, "%s%lld", text.length ? ", " : "", (long long)(element / size % table->shape[axis]));
    }
    const char *name = arena_atom_z(arena, text_z(&text));
    text_free(&text);
    return name;
}

// A line that passes through the middle of its range again and again fills the panel.
static bool is_dense(const PlotSeries *series) {
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < series->count; i++) {
        double y = series->y[i * series->stride];
        if (isfinite(y)) low = fmin(low, y), high = fmax(high, y);
    }
    double middle = 0.5 * low + 0.5 * high;
    uint32_t crossings = 0;
    for (size_t i = 1; i < series->count; i++)
        crossings += (series->y[i * series->stride] > middle) != (series->y[(i - 1) * series->stride] > middle);
    return crossings > CROSSINGS_MAX;
}

static void add_array(Traces *traces, const char *name, const Table *table) {
    int64_t first = 0, records = table->shape[0], width = records ? table_count(table) / records : 0;
    uint32_t lines = width < LINES_MAX ? (uint32_t)width : LINES_MAX;
    PlotPanel panel = {.title = name};
    const double *x = matching_axis(traces, name, records, &panel.x_label);
    if (x && strcmp(panel.x_label, "step") == 0) {
        x = cut(traces, x, &first, &records);
        if (!records && table->shape[0]) {
            traces->cut_away = true;
            return;
        }
        x = plot_clock_axis(&traces->clock, traces->arena, x, records, &panel.x_label);
    }
    panel.series_count = records ? lines : 0;
    PlotSeries *series = arena_new_array(traces->arena, PlotSeries, lines + 1);
    for (uint32_t line = 0; line < panel.series_count; line++) {
        int64_t element = lines > 1 ? line * (width - 1) / (lines - 1) : 0;
        series[line] = (PlotSeries){.name = width > 1 ? element_name(traces->arena, table, element) : NULL,
                                    .x = x,
                                    .y = table->data + first * width + element,
                                    .count = (size_t)records,
                                    .stride = (size_t)width};
    }
    panel.series = series;
    if (panel.series_count && !traces->dense && is_dense(series)) traces->dense = name;
    if (width > lines) panel.title = arena_format(traces->arena, "%s (%u of %lld)", name, lines, (long long)width);
    panel.log_y = table->rank == 1 && wants_log(&panel, 1000); // one number of the whole network, like the cost
    vec_push(&traces->panels, panel);
}

// steps, steps-10, replay.steps; a neuron's array of that name has more axes.
static bool is_steps(const char *name, const Table *table, size_t *prefix) {
    const char *dot = strrchr(name, '.'), *last = dot ? dot + 1 : name;
    *prefix = (size_t)(last - name);
    return table->rank == 1 && strncmp(last, "steps", 5) == 0 && (!last[5] || last[5] == '-');
}

static void load_arrays(Traces *traces, Report *report) {
    load_axis(traces, "time", &traces->time, report);
    Vec(uint32_t) arrays = {0};
    for (uint32_t i = 0; i < traces->names.count; i++) {
        Table table = {0};
        StepNumbers steps = {.name = traces->names.items[i]};
        if (!load(traces, steps.name, &table, report)) continue;
        steps.table = table;
        if (is_steps(steps.name, &table, &steps.prefix)) {
            vec_push(&traces->steps, steps);
        } else {
            vec_push(&traces->tables, table);
            vec_push(&arrays, i);
        }
    }
    for (uint32_t i = 0; i < arrays.count; i++)
        add_array(traces, traces->names.items[arrays.items[i]], &traces->tables.items[i]);
    vec_free(&arrays);
}

static void free_traces(Traces *traces) {
    for (uint32_t i = 0; i < traces->tables.count; i++) table_free(&traces->tables.items[i]);
    table_free(&traces->time);
    for (uint32_t i = 0; i < traces->steps.count; i++) table_free(&traces->steps.items[i].table);
    vec_free(&traces->steps);
    vec_free(&traces->tables);
    vec_free(&traces->names);
    vec_free(&traces->panels);
}

// ---- Writing -------------------------------------------------------------------------------------------------------

static const char *last_name(Arena *arena, const char *dir) { // of a path, for the title
    size_t end = strlen(dir);
    while (end > 1 && dir[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && dir[begin - 1] != '/') begin--;
    return arena_atom(arena, dir + begin, end - begin);
}

static bool write_figure(Arena *arena, const char *dir, const char *file, const PlotOptions *options,
                         const Panels *panels, Report *report, Text *error) {
    const char *path = arena_format(arena, "%s/%s", dir, file);
    if (!plot_series(path, options, panels->items, panels->count, error)) return false;
    text_addf(report->lines, "wrote %s (%u panel%s)\n", path, panels->count, panels->count == 1 ? "" : "s");
    return true;
}

static bool plot_traces(Arena *arena, const char *dir, const PlotPart *part, bool *drawn, Report *report, Text *error) {
    Traces traces = {.arena = arena, .dir = dir};
    bool good = plot_clock_open(&traces.clock, arena, dir, part, error) && list_arrays(&traces, error);
    if (good) load_arrays(&traces, report);
    if (good && traces.panels.count) {
        PlotOptions options = {.title = last_name(arena, dir)};
        good = write_figure(arena, dir, "traces.svg", &options, &traces.panels, report, error);
        if (good && traces.dense)
            text_addf(report->lines, "%s goes up and down too often to be seen: `--from` and `--to` draw a part\n",
                      traces.dense);
        *drawn = true;
    }
    if (good && traces.cut_away && !traces.panels.count) {
        text_addf(error, "%s: nothing was recorded in the part that is to be drawn", dir);
        good = false;
    }
    free_traces(&traces);
    return good;
}

// ---- Scores --------------------------------------------------------------------------------------------------------

static bool is_counter(const char *name) {
    return strcmp(name, "epoch") == 0 || strcmp(name, "step") == 0 || strcmp(name, "time") == 0 ||
           strcmp(name, "stage") == 0;
}

// `test.loss` is the score `loss` of the data set `test`; a name without a dot is a score of its own.
static const char *score_of(const char *column) {
    const char *dot = strchr(column, '.');
    return dot ? dot + 1 : column;
}

typedef struct Scores {
    Arena *arena;
    const Table *table;
    int64_t counter; // the column that counts epochs or steps; -1: none
    Vec(Atom) sets;  // names of data sets met so far: each keeps its colour in all panels
    Panels panels;
} Scores;

static uint32_t set_colour(Scores *scores, Atom set) {
    uint32_t place = 0;
    while (place < scores->sets.count && scores->sets.items[place] != set) place++;
    if (place == scores->sets.count) vec_push(&scores->sets, set);
    return place + 1;
}

// One score of one data set. A score that was not evaluated in a row is left out there, and the line goes on.
static PlotSeries score_series(Scores *scores, int64_t column) {
    const Table *table = scores->table;
    int64_t rows = table->shape[0], columns = table->shape[1];
    double *x = arena_new_array(scores->arena, double, rows + 1), *y = arena_new_array(scores->arena, double, rows + 1);
    size_t count = 0;
    for (int64_t row = 0; row < rows; row++) {
        double value = table->data[row * columns + column];
        if (isnan(value)) continue;
        x[count] = scores->counter >= 0 ? table->data[row * columns + scores->counter] : (double)row;
        y[count++] = value;
    }
    const char *name = table->columns[column], *score = score_of(name);
    Atom set = score > name ? arena_atom(scores->arena, name, (size_t)(score - name) - 1) : NULL;
    return (PlotSeries){.name = set, .x = x, .y = y, .count = count, .colour = set ? set_colour(scores, set) : 1};
}

static PlotPanel score_panel(Scores *scores, int64_t first) {
    const Table *table = scores->table;
    PlotSeries *series = arena_new_array(scores->arena, PlotSeries, table->shape[1]);
    PlotPanel panel = {.title = score_of(table->columns[first]),
                       .x_label = scores->counter >= 0 ? table->columns[scores->counter] : "row",
                       .series = series};
    for (int64_t c = first; c < table->shape[1]; c++)
        if (!is_counter(table->columns[c]) && strcmp(score_of(table->columns[c]), panel.title) == 0)
            series[panel.series_count++] = score_series(scores, c);
    panel.log_y = wants_log(&panel, 50);
    return panel;
}

static size_t most_points(const PlotPanel *panel) {
    size_t most = 0;
    for (uint32_t s = 0; s < panel->series_count; s++)
        if (panel->series[s].count > most) most = panel->series[s].count;
    return most;
}

static int64_t counter_column(const Table *table) {
    for (int64_t c = 0; c < table->shape[1]; c++)
        if (is_counter(table->columns[c])) return c;
    return -1;
}

static void arrange_scores(Scores *scores) {
    const Table *table = scores->table;
    scores->counter = counter_column(table);
    for (int64_t c = 0; c < table->shape[1]; c++) {
        bool drawn = is_counter(table->columns[c]);
        for (uint32_t p = 0; p < scores->panels.count && !drawn; p++)
            drawn = strcmp(scores->panels.items[p].title, score_of(table->columns[c])) == 0;
        if (drawn) continue;
        PlotPanel panel = score_panel(scores, c);
        if (most_points(&panel)) vec_push(&scores->panels, panel); // without a value: of a network without a cost, say
    }
}

static bool has_course(const Scores *scores) {
    for (uint32_t p = 0; p < scores->panels.count; p++)
        if (most_points(&scores->panels.items[p]) > 1) return true;
    return false;
}

static bool load_scores(const char *path, Table *table, Report *report) {
    Text problem = {0};
    TableOptions options = {.allow_nonfinite = true, .allow_ragged = true};
    bool good = table_load_with(path, options, table, &problem);
    if (good && !table->columns) {
        text_addf(&problem, "%s has no line of names", path);
        table_free(table);
        good = false;
    }
    if (!good) leave_out(report, &problem);
    text_free(&problem);
    return good;
}

static bool plot_scores(Arena *arena, const char *dir, bool *drawn, Report *report, Text *error) {
    const char *path = arena_format(arena, "%s/scores.csv", dir);
    Table table = {0};
    if (!file_exists(path) || !load_scores(path, &table, report)) return true;
    Scores scores = {.arena = arena, .table = &table};
    arrange_scores(&scores);
    bool good = true;
    if (*drawn && !has_course(&scores)) {
        text_addf(report->lines, "%s has one value of each score and is not drawn\n", path);
    } else if (scores.panels.count) {
        PlotOptions options = {
            .title = last_name(arena, dir), .columns = scores.panels.count > 1 ? 2 : 1, .panel_height = 160};
        good = write_figure(arena, dir, "scores.svg", &options, &scores.panels, report, error);
        *drawn = true;
    }
    vec_free(&scores.sets);
    vec_free(&scores.panels);
    table_free(&table);
    return good;
}

bool plot_directory(const char *dir, const PlotPart *part, Text *lines, Text *error) {
    Arena *arena = arena_new();
    Report report = {.lines = lines};
    bool drawn = false;
    bool good =
        plot_traces(arena, dir, part, &drawn, &report, error) && plot_scores(arena, dir, &drawn, &report, error);
    if (good && !drawn) {
        text_addf(error, "%s holds nothing to draw: neither a recording NAME.npy nor scores.csv could be read", dir);
        good = false;
    } else if (good && report.left_out) {
        text_addf(error, "%u file%s of %s could not be drawn", report.left_out, report.left_out == 1 ? "" : "s", dir);
        good = false;
    }
    arena_free(arena);
    return good;
}
