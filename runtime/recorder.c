// Recordings of arrays, the cost, the loss and scores.
//
// Records made every N steps follow steps 0, N, 2N…; the values are those after the step. Records without an interval
// are made at the end of each presentation, and in a continuous run after each step.
#include "recorder.h"
#include "data/table.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum ItemKind { ITEM_ARRAY, ITEM_COST, ITEM_LOSS, ITEM_SCORE } ItemKind;

typedef struct Item {
    Atom name, file; // `h.u`, and what its file is called: `replay.h.u` when only the stage `replay` records it
    int stage;       // -1: all
    ItemKind kind;
    uint32_t array; // or score
    int64_t every, count;
    double cost_sum; // since the last record: a loss between presentations
    int64_t cost_steps;
    NpyWriter *writer;
} Item;

typedef struct Clock { // the step numbers of all records made at one interval
    Atom name;
    int64_t every;
    int stage;
    NpyWriter *writer;
} Clock;

struct Recorder {
    const Program *program;
    const Model *model;
    const RunOptions *options;
    Arena *arena;
    int64_t batch;
    Vec(Item) items;
    Vec(Clock) clocks;
    double *row;
};

// ---- Names ----------------------------------------------------------------------------------------------------------

Atom record_next_name(Arena *arena, const char **names) {
    const char *c = *names;
    while (*c == ',' || *c == ' ') c++;
    const char *begin = c;
    while (*c && *c != ',') c++;
    *names = c;
    while (c > begin && c[-1] == ' ') c--;
    return c > begin ? arena_atom(arena, begin, (size_t)(c - begin)) : NULL;
}

void suggest_array(const Program *program, const char *name, Text *out) {
    uint32_t count = program_array_count(program);
    Atom *candidates = memory_resize(NULL, count, sizeof *candidates);
    for (uint32_t i = 0; i < count; i++) candidates[i] = program_array(program, i)->name;
    Atom nearest = diag_nearest(name, candidates, count);
    text_addf(out, nearest ? "; did you mean `%s`?" : "; `lequel inspect` lists the names there are", nearest);
    free(candidates);
}

static int64_t score_number(const Model *model, Atom name) {
    if (!model->experiment) return -1;
    for (uint32_t i = 0; i < model->experiment->scores.count; i++)
        if (strcmp(model->experiment->scores.items[i].name, name) == 0) return i;
    return -1;
}

static bool find_item(const Recorder *recorder, Item *item, Text *error) {
    int64_t array = program_find(recorder->program, item->name), score = score_number(recorder->model, item->name);
    item->kind = strcmp(item->name, "cost") == 0   ? ITEM_COST
                 : strcmp(item->name, "loss") == 0 ? ITEM_LOSS
                 : score >= 0                      ? ITEM_SCORE
                                                   : ITEM_ARRAY;
    if (item->kind == ITEM_SCORE) item->array = (uint32_t)score;
    if (item->kind != ITEM_ARRAY) return true;
    if (array < 0 || !program_array(recorder->program, (uint32_t)array)->stored) {
        text_addf(error, "cannot record `%s`: there is no array of that name", item->name);
        suggest_array(recorder->program, item->name, error);
        return false;
    }
    item->array = (uint32_t)array;
    return true;
}

// A name that is asked for again, on the command line, gets the later interval.
static bool add_item(Recorder *recorder, Atom name, int64_t every, int stage, Text *error) {
    const Experiment *experiment = recorder->model->experiment;
    bool continuous = experiment->present_steps == 0;
    Item item = {.name = name, .file = name, .stage = stage, .every = every > 0 ? every : continuous};
    if (stage >= 0) item.file = arena_format(recorder->arena, "%s.%s", experiment->stages.items[stage].name, name);
    if (!find_item(recorder, &item, error)) return false;
    for (uint32_t i = 0; i < recorder->items.count; i++)
        if (strcmp(recorder->items.items[i].file, item.file) == 0) {
            recorder->items.items[i] = item;
            return true;
        }
    vec_push(&recorder->items, item);
    return true;
}

static bool collect_items(Recorder *recorder, Text *error) {
    const Experiment *experiment = recorder->model->experiment;
    for (uint32_t i = 0; i < experiment->recordings.count; i++) {
        const Recording *recording = &experiment->recordings.items[i];
        for (uint32_t k = 0; k < recording->names.count; k++)
            if (!add_item(recorder, recording->names.items[k], recording->every, recording->stage, error)) return false;
    }
    for (uint32_t i = 0; i < recorder->options->record_count; i++) {
        const char *names = recorder->options->records[i];
        for (Atom name; (name = record_next_name(recorder->arena, &names));)
            if (!add_item(recorder, name, recorder->options->every, -1, error)) return false;
    }
    return true;
}

// ---- Files ----------------------------------------------------------------------------------------------------------

// The shape of a row.
static int row_shape(const Recorder *recorder, const Item *item, int64_t shape[EXPR_MAX_RANK + 1]) {
    int rank = 0;
    if (item->kind != ITEM_ARRAY) return 0;
    const ProgramArray *array = program_array(recorder->program, item->array);
    if (array->batched) shape[rank++] = recorder->batch;
    for (uint32_t i = 0; i < array->rank; i++) shape[rank++] = array->extent[i];
    return rank;
}

static const char *path_of(Recorder *recorder, const char *name) {
    return arena_format(recorder->arena, "%s/%s.npy", recorder->options->out, name);
}

// steps.npy belongs to the first interval; other intervals have their own, with the interval in the name. Those of a
// stage begin with its name, as its recordings do.
static void add_clock(Recorder *recorder, int64_t every, int stage) {
    bool first = true;
    for (uint32_t i = 0; i < recorder->clocks.count; i++) {
        if (recorder->clocks.items[i].stage != stage) continue;
        if (recorder->clocks.items[i].every == every) return;
        first = false;
    }
    Atom name = first        ? "steps"
                : every == 0 ? "steps-presentation"
                             : arena_format(recorder->arena, "steps-%lld", (long long)every);
    if (stage >= 0)
        name = arena_format(recorder->arena, "%s.%s", recorder->model->experiment->stages.items[stage].name, name);
    Clock clock = {.name = name, .every = every, .stage = stage};
    vec_push(&recorder->clocks, clock);
}

Recorder *recorder_new(const Program *program, const RunOptions *options, int64_t batch, Text *error) {
    Recorder *recorder = memory_resize(NULL, 1, sizeof *recorder);
    *recorder = (Recorder){
        .program = program, .model = program_model(program), .options = options, .arena = arena_new(), .batch = batch};
    bool fine = collect_items(recorder, error);
    int64_t widest = 1, shape[EXPR_MAX_RANK + 1];
    for (uint32_t i = 0; i < recorder->items.count && fine; i++) {
        Item *item = &recorder->items.items[i];
        int rank = row_shape(recorder, item, shape);
        item->count = 1;
        for (int k = 0; k < rank; k++) item->count *= shape[k];
        if (item->count > widest) widest = item->count;
        add_clock(recorder, item->every, item->stage);
    }
    recorder->row = memory_resize(NULL, (size_t)widest, sizeof(double));
    if (fine) return recorder;
    recorder_abandon(recorder);
    return NULL;
}

bool recorder_open(Recorder *recorder, Text *error) {
    bool fine = true;
    for (uint32_t i = 0; i < recorder->items.count && fine; i++) {
        Item *item = &recorder->items.items[i];
        int64_t shape[EXPR_MAX_RANK + 1];
        int rank = row_shape(recorder, item, shape);
        item->writer = npy_writer_open_known(path_of(recorder, item->file), rank, shape, error);
        fine = item->writer != NULL;
    }
    for (uint32_t i = 0; i < recorder->clocks.count && fine; i++) {
        Clock *clock = &recorder->clocks.items[i];
        clock->writer = npy_writer_open_known(path_of(recorder, clock->name), 0, NULL, error);
        fine = clock->writer != NULL;
    }
    return fine;
}

// The rows of one file: synced and counted, or found again.
static void keep_writer(Recorder *recorder, NpyWriter **writer, const char *name, int rank, const int64_t *shape,
                        Checkpoint *checkpoint) {
    Text error = {0};
    const char *section = arena_format(recorder->arena, "recording %s", name);
    int64_t rows = *writer ? npy_writer_rows(*writer) : 0;
    if (*writer && !npy_writer_sync(*writer, &error)) checkpoint_pass_on(checkpoint, &error);
    checkpoint_counts(checkpoint, section, &rows, 1);
    if (checkpoint_restores(checkpoint) && !checkpoint_failed(checkpoint)) {
        *writer = npy_writer_continue(path_of(recorder, name), rank, shape, rows, &error);
        if (!*writer) checkpoint_pass_on(checkpoint, &error);
    }
    text_free(&error);
}

void recorder_keep(Recorder *recorder, Checkpoint *checkpoint) {
    for (uint32_t i = 0; i < recorder->items.count; i++) {
        Item *item = &recorder->items.items[i];
        int64_t shape[EXPR_MAX_RANK + 1];
        int rank = row_shape(recorder, item, shape);
        keep_writer(recorder, &item->writer, item->file, rank, shape, checkpoint);
        checkpoint_reals(checkpoint, arena_format(recorder->arena, "recording %s sum", item->file), &item->cost_sum, 1);
        checkpoint_counts(checkpoint, arena_format(recorder->arena, "recording %s steps", item->file),
                          &item->cost_steps, 1);
    }
    for (uint32_t i = 0; i < recorder->clocks.count; i++)
        keep_writer(recorder, &recorder->clocks.items[i].writer, recorder->clocks.items[i].name, 0, NULL, checkpoint);
}

static void recorder_free(Recorder *recorder) {
    vec_free(&recorder->items);
    vec_free(&recorder->clocks);
    free(recorder->row);
    arena_free(recorder->arena);
    free(recorder);
}

void recorder_abandon(Recorder *recorder) {
    if (!recorder) return;
    for (uint32_t i = 0; i < recorder->items.count; i++) npy_writer_abandon(recorder->items.items[i].writer);
    for (uint32_t i = 0; i < recorder->clocks.count; i++) npy_writer_abandon(recorder->clocks.items[i].writer);
    recorder_free(recorder);
}

bool recorder_close(Recorder *recorder, uint32_t *files, Text *error) {
    bool fine = true;
    for (uint32_t i = 0; i < recorder->items.count + recorder->clocks.count; i++) {
        bool item = i < recorder->items.count;
        NpyWriter *writer =
            item ? recorder->items.items[i].writer : recorder->clocks.items[i - recorder->items.count].writer;
        Text sentence = {0};
        bool closed = npy_writer_close(writer, &sentence); // the others are worth keeping when one fails
        if (closed) ++*files;
        if (!closed && fine) text_add(error, text_z(&sentence)); // one message is enough
        fine = fine && closed;
        text_free(&sentence);
    }
    recorder_free(recorder);
    return fine;
}

// ---- Records --------------------------------------------------------------------------------------------------------

static bool is_due(int64_t every, int64_t n, bool presented) { return every ? n % every == 0 : presented; }

static void fill_row(const Recorder *recorder, Item *item, Instance *instance, const RecordNumbers *numbers) {
    switch (item->kind) {
    case ITEM_ARRAY: instance_get(instance, item->array, recorder->row); break;
    case ITEM_COST: recorder->row[0] = numbers->cost; break;
    case ITEM_LOSS:
        recorder->row[0] = item->every ? item->cost_sum / (double)item->cost_steps : numbers->loss;
        item->cost_sum = 0;
        item->cost_steps = 0;
        break;
    case ITEM_SCORE: recorder->row[0] = numbers->scores[item->array]; break;
    }
}

bool recorder_step(Recorder *recorder, Instance *instance, int64_t n, bool presented, const RecordNumbers *numbers,
                   Text *error) {
    for (uint32_t i = 0; i < recorder->items.count; i++) {
        Item *item = &recorder->items.items[i];
        if (item->stage >= 0 && item->stage != numbers->stage) continue;
        item->cost_sum += numbers->cost;
        item->cost_steps++;
        if (!is_due(item->every, n, presented)) continue;
        fill_row(recorder, item, instance, numbers);
        if (!npy_writer_append(item->writer, recorder->row, 1, error)) return false;
    }
    for (uint32_t i = 0; i < recorder->clocks.count; i++) {
        double step = (double)n;
        int stage = recorder->clocks.items[i].stage;
        if ((stage < 0 || stage == numbers->stage) && is_due(recorder->clocks.items[i].every, n, presented) &&
            !npy_writer_append(recorder->clocks.items[i].writer, &step, 1, error))
            return false;
    }
    return true;
}

void recorder_watch(const Recorder *recorder, Stretch *stretch, int64_t n, int stage) {
    for (uint32_t i = 0; i < recorder->items.count; i++) {
        const Item *item = &recorder->items.items[i];
        if (item->kind != ITEM_ARRAY || !item->every || (item->stage >= 0 && item->stage != stage)) continue;
        int64_t wait = (item->every - n % item->every) % item->every;
        stretch_watch(stretch, item->array, STRETCH_AFTER, wait, item->every);
    }
}
