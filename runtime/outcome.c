// First values from files, the table of scores, final weights and states.
#include "outcome.h"
#include "data/table.h"
#include "files.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- First values ---------------------------------------------------------------------------------------------------

static void print_shape(const int64_t *shape, int64_t rank, Text *out) {
    text_add(out, "[");
    for (int64_t i = 0; i < rank; i++) text_addf(out, i ? ", %lld" : "%lld", (long long)shape[i]);
    text_add(out, "]");
}

// The rank, the axis of samples included.
static int array_shape(const ProgramArray *array, int64_t batch, int64_t shape[EXPR_MAX_RANK + 1]) {
    int rank = 0;
    if (array->batched) shape[rank++] = batch;
    for (uint32_t i = 0; i < array->rank; i++) shape[rank++] = array->extent[i];
    return rank;
}

static void print_array_shape(const ProgramArray *array, int64_t batch, Text *out) {
    int64_t shape[EXPR_MAX_RANK + 1];
    int rank = array_shape(array, batch, shape);
    print_shape(shape, rank, out);
}

static bool set_from_table(const Program *program, Instance *instance, uint32_t array, const Table *table) {
    const ProgramArray *info = program_array(program, array);
    int64_t length = instance_length(instance, array), given = table_count(table), batch = instance_batch(instance);
    if (given == length) {
        instance_set(instance, array, table->data);
        return true;
    }
    if (!info->batched || given != length / batch) return false;
    double *values = memory_resize(NULL, (size_t)length, sizeof *values);
    for (int64_t i = 0; i < length; i++) values[i] = table->data[i % given];
    instance_set(instance, array, values);
    free(values);
    return true;
}

static bool initialise_array(const Program *program, Instance *instance, const char *name, const char *path,
                             Text *error) {
    int64_t array = program_find(program, name);
    if (array < 0 || !program_array(program, (uint32_t)array)->stored) {
        text_addf(error, "cannot initialise `%s`: there is no array of that name", name);
        suggest_array(program, name, error);
        return false;
    }
    Table table;
    if (!table_load(path, &table, error)) return false;
    bool finite = table_finite(&table, path, error);
    bool fine = finite && set_from_table(program, instance, (uint32_t)array, &table);
    if (finite && !fine) {
        text_addf(error, "cannot initialise `%s`: its shape is ", name);
        print_array_shape(program_array(program, (uint32_t)array), instance_batch(instance), error);
        text_addf(error, ", that of `%s` is ", path);
        print_shape(table.shape, table.rank, error);
    }
    table_free(&table);
    return fine;
}

bool initialise_arrays(const Program *program, Instance *instance, const RunOptions *options, Text *error) {
    for (uint32_t i = 0; i < options->init_count; i++) {
        const char *equals = strchr(options->inits[i], '=');
        if (!equals || equals == options->inits[i] || !equals[1]) {
            text_addf(error, "expected NAME=FILE, found `%s`", options->inits[i]);
            return false;
        }
        Text name = {0};
        text_add_bytes(&name, options->inits[i], (size_t)(equals - options->inits[i]));
        bool fine = initialise_array(program, instance, text_z(&name), equals + 1, error);
        text_free(&name);
        if (!fine) return false;
    }
    return true;
}

// ---- Final weights and states
// --------------------------------------------------------------------------------------------------

static bool save_array(const Program *program, Instance *instance, uint32_t array, const char *folder, Text *error) {
    const ProgramArray *info = program_array(program, array);
    int64_t shape[EXPR_MAX_RANK + 1];
    int rank = array_shape(info, instance_batch(instance), shape);
    double *values = memory_resize(NULL, (size_t)instance_length(instance, array), sizeof *values);
    instance_get(instance, array, values);
    Text path = {0};
    text_addf(&path, "%s/%s.npy", folder, info->name);
    bool fine = table_save_npy(text_z(&path), NUMBER_DOUBLE, values, rank, shape, error);
    text_free(&path);
    free(values);
    return fine;
}

bool save_learned(const Program *program, Instance *instance, const char *out, uint32_t *files, Text *error) {
    const Model *model = program_model(program);
    Text folder = {0};
    text_addf(&folder, "%s/final", out);
    bool fine = true, made = false;
    for (uint32_t r = 0; r < model->learn.count; r++)
        for (uint32_t i = 0; i < model->learn.items[r].targets.count && fine; i++) {
            Symbol symbol = model->learn.items[r].targets.items[i];
            int64_t array = program_find(program, symbol_info(model->store, symbol)->name);
            if (array < 0 || !program_array(program, (uint32_t)array)->stored) continue;
            if (!made) made = fine = folder_make(text_z(&folder), error);
            if (fine) fine = save_array(program, instance, (uint32_t)array, text_z(&folder), error);
            if (fine) ++*files;
        }
    text_free(&folder);
    return fine;
}

bool is_learned(const Model *model, Symbol symbol) {
    for (uint32_t r = 0; r < model->learn.count; r++)
        for (uint32_t i = 0; i < model->learn.items[r].targets.count; i++)
            if (model->learn.items[r].targets.items[i] == symbol) return true;
    return false;
}

bool is_state(const Program *program, uint32_t number) {
    const Model *model = program_model(program);
    const ProgramArray *info = program_array(program, number);
    if (!info->stored || is_learned(model, info->symbol)) return false;
    for (uint32_t i = 0; i < model->scalars.count; i++)
        if (model->scalars.items[i].symbol == info->symbol) return true;
    if (info->role == ROLE_STATE || info->role == ROLE_REGISTER || info->role == ROLE_OPTIMISER) return true;
    const Array *array = model_array(model, info->symbol);
    return array && array->initial.kind != INITIAL_CONSTANT && array->initial.kind != INITIAL_FILE; // drawn
}

bool save_states(const Program *program, Instance *instance, const char *out, uint32_t *files, Text *error) {
    Text folder = {0};
    text_addf(&folder, "%s/final", out);
    bool fine = folder_make(text_z(&folder), error);
    for (uint32_t i = 0; i < program_array_count(program) && fine; i++) {
        if (!is_state(program, i)) continue;
        fine = save_array(program, instance, i, text_z(&folder), error);
        if (fine) ++*files;
    }
    text_free(&folder);
    return fine;
}

void learned_line(const Program *program, const Instance *instance, Text *line) {
    enum { FEW = 4 };
    const Model *model = program_model(program);
    for (uint32_t r = 0; r < model->learn.count; r++)
        for (uint32_t i = 0; i < model->learn.items[r].targets.count; i++) {
            int64_t array =
                program_find(program, symbol_info(model->store, model->learn.items[r].targets.items[i])->name);
            double values[FEW];
            if (array < 0 || instance_length(instance, (uint32_t)array) > FEW) continue;
            instance_get(instance, (uint32_t)array, values);
            text_addf(line, "%s%s", line->length ? ", " : "", program_array(program, (uint32_t)array)->name);
            for (int64_t k = 0; k < instance_length(instance, (uint32_t)array); k++)
                text_addf(line, " %.4g", values[k]);
        }
}

// ---- The table of scores --------------------------------------------------------------------------------------------

static void add_columns(ScoreTable *table, const Experiment *experiment, const char *prefix) {
    vec_push(&table->names, arena_format(table->arena, "%s.loss", prefix));
    for (uint32_t i = 0; i < experiment->scores.count; i++)
        vec_push(&table->names, arena_format(table->arena, "%s.%s", prefix, experiment->scores.items[i].name));
}

void score_table_open(ScoreTable *table, const Experiment *experiment, const Model *model, bool tests) {
    *table = (ScoreTable){.experiment = experiment,
                          .arena = arena_new(),
                          .scores = experiment->scores.count,
                          .tests = tests,
                          .rate = experiment->anneal != 0,
                          .stages = experiment->stages.count > 0};
    vec_push(&table->names, experiment->present_steps ? "epoch" : "step");
    if (table->stages) vec_push(&table->names, "stage");
    add_columns(table, experiment, "train");
    if (tests) add_columns(table, experiment, "test");
    if (table->rate) vec_push(&table->names, symbol_info(model->store, experiment->anneal)->name);
    vec_push(&table->names, "seconds");
}

void score_table_free(ScoreTable *table) {
    vec_free(&table->names);
    vec_free(&table->values);
    arena_free(table->arena);
    *table = (ScoreTable){0};
}

static void add_track(ScoreTable *table, const Track *track) {
    vec_push(&table->values, track ? track_loss(track) : NAN);
    for (uint32_t i = 0; i < table->scores; i++) vec_push(&table->values, track ? track_score(track, i) : NAN);
}

void score_table_add(ScoreTable *table, int64_t epoch, int stage, const Track *train, const Track *test, double rate,
                     double seconds) {
    vec_push(&table->values, (double)epoch);
    if (table->stages) vec_push(&table->values, stage + 1);
    add_track(table, train);
    if (table->tests) add_track(table, test);
    if (table->rate) vec_push(&table->values, rate);
    vec_push(&table->values, seconds);
    table->rows++;
}

static const double *last_row(const ScoreTable *table) {
    return table->values.items + (size_t)(table->rows - 1) * table->names.count;
}

bool score_table_find(const ScoreTable *table, const char *name, double *value) {
    for (uint32_t i = 0; i < table->names.count && table->rows && name; i++)
        if (strcmp(table->names.items[i], name) == 0) return *value = last_row(table)[i], true;
    return false;
}

static const char *stage_name(const ScoreTable *table) {
    return table->experiment->stages.items[(int)last_row(table)[1] - 1].name;
}

static void print_scores(const ScoreTable *table, int width, const char *before, const char *after, Text *line) {
    const double *row = last_row(table);
    uint32_t first = 1 + table->stages;
    if (table->stages) text_addf(line, "%sstage %s", before, stage_name(table));
    for (uint32_t i = first; i + 1 < table->names.count; i++) {
        if (table->stages && isnan(row[i])) continue; // of another stage
        text_add(line, i > 1 ? after : before);
        if (isnan(row[i]))
            text_addf(line, "%s %-*s", table->names.items[i], width, "-");
        else
            text_addf(line, "%s %-*.4g", table->names.items[i], width, row[i]);
    }
}

void score_table_scores(const ScoreTable *table, Text *line) { print_scores(table, 1, "", ", ", line); }

void score_table_line(const ScoreTable *table, int64_t epochs, Text *line) {
    const double *row = last_row(table);
    char total[24];
    int width = snprintf(total, sizeof total, "%lld", (long long)epochs);
    text_addf(line, "epoch %*.0f/%s", width, row[0], total);
    print_scores(table, 9, "  ", "  ", line);
    text_addf(line, "  %8.1f s", row[table->names.count - 1]);
}

void score_table_note(const ScoreTable *table, char *note, size_t size) {
    const double *row = last_row(table);
    size_t used = (size_t)snprintf(note, size, "epoch %.0f", row[0]);
    for (uint32_t i = 1 + table->stages; i + 1 < table->names.count && used < size; i++)
        if (!isnan(row[i]))
            used += (size_t)snprintf(note + used, size - used, "  %s %.4g", table->names.items[i], row[i]);
}

// Of a column; one of an earlier stage has none in the last row.
static double last_number(const ScoreTable *table, uint32_t column) {
    for (uint32_t row = table->rows; row-- > 0;) {
        double value = table->values.items[(size_t)row * table->names.count + column];
        if (!isnan(value) || !table->stages) return value;
    }
    return NAN;
}

uint32_t score_table_last(const ScoreTable *table, ManifestScore *scores, uint32_t room) {
    if (!table->rows) return 0;
    uint32_t count = 0;
    for (uint32_t i = 1; i + 1 < table->names.count && count < room; i++)
        scores[count++] = (ManifestScore){table->names.items[i], last_number(table, i)};
    return count;
}

// Columns first .. first+count-1 of all rows as a file.
static bool save_columns(const ScoreTable *table, const char *out, const char *name, uint32_t first, uint32_t count,
                         Text *error) {
    uint32_t columns = table->names.count;
    Text path = {0};
    text_addf(&path, "%s/%s.csv", out, name);
    double *values = memory_resize(NULL, (size_t)table->rows * count, sizeof *values);
    for (uint32_t row = 0; row < table->rows; row++)
        memcpy(values + (size_t)row * count, table->values.items + (size_t)row * columns + first,
               count * sizeof *values);
    bool fine = table_save_csv(text_z(&path), values, table->rows, count, table->names.items + first, error);
    free(values);
    text_free(&path);
    return fine;
}

bool score_table_save(const ScoreTable *table, const char *out, Text *error) {
    uint32_t scores = table->names.count - 1;
    return save_columns(table, out, "scores", 0, scores, error) && save_columns(table, out, "times", scores, 1, error);
}

void score_table_keep(ScoreTable *table, Checkpoint *checkpoint) {
    int64_t rows = table->rows, columns = table->names.count;
    checkpoint_counts(checkpoint, "score rows", &rows, 1);
    if (checkpoint_restores(checkpoint)) {
        if (checkpoint_failed(checkpoint)) return;
        if (rows < 0 || rows > UINT32_MAX || checkpoint_count(checkpoint, "scores") != rows * columns) {
            checkpoint_fail(checkpoint, "belongs to another model: its table of scores does not fit");
            return;
        }
        table->rows = (uint32_t)rows;
        for (int64_t i = 0; i < rows * columns; i++) vec_push(&table->values, 0);
    }
    checkpoint_reals(checkpoint, "scores", table->values.items, rows * columns);
}
