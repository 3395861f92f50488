// Code for elsewhere: a program that keeps its functions as calls, values to embed, and the files that come out.
#include "emit.h"
#include "../compiler/emit/emit.h"
#include "files.h"
#include "outcome.h"
#include "program_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Values to embed ------------------------------------------------------------------------------------------------

typedef struct Given { // by array of the form that is written
    const Fused *fused;
    const double **values;
    bool *all; // samples
    bool *wanted;
    int64_t steps;
} Given;

static void mark(Given *given, Symbol symbol) {
    uint32_t number = symbol < given->fused->array_of.count ? given->fused->array_of.items[symbol] : 0;
    if (number) given->wanted[number - 1] = true;
}

// NAME=FILE for the weights that a run left in its folder. All learned parameters must be there.
static bool find_weights(const Program *p, const char *folder, NameList *inits, Arena *arena, Text *error) {
    const Model *model = p->model;
    for (Symbol s = 1; s <= symbol_count(model->store); s++) {
        if (!is_learned(model, s)) continue;
        const char *name = symbol_info(model->store, s)->name;
        const char *path = arena_format(arena, "%s/final/%s.npy", folder, name);
        if (!file_exists(path)) {
            text_addf(error, "there is no `%s`: `%s` is no folder of a finished run of this model", path, folder);
            return false;
        }
        vec_push(inits, arena_format(arena, "%s=%s", name, path));
    }
    return true;
}

// The same for all states that it left. Those that it did not store are not needed by any step.
static bool find_states(const Program *p, const char *folder, NameList *inits, Arena *arena, int64_t *steps,
                        Text *error) {
    *steps = manifest_state_steps(folder);
    if (*steps < 0) {
        text_addf(error, "there are no states in `%s`: expected the folder of a run with `--save-states`", folder);
        return false;
    }
    for (uint32_t i = 0; i < program_array_count(p); i++) {
        if (!is_state(p, i)) continue;
        const char *name = program_array(p, i)->name, *path = arena_format(arena, "%s/final/%s.npy", folder, name);
        if (file_exists(path)) vec_push(inits, arena_format(arena, "%s=%s", name, path));
    }
    return true;
}

static void mark_named(const Program *p, Given *given, const char *init) {
    size_t length = strcspn(init, "=");
    for (Symbol s = 1; s <= symbol_count(p->model->store); s++) {
        const char *name = symbol_info(p->model->store, s)->name;
        if (strlen(name) == length && memcmp(name, init, length) == 0) mark(given, s);
    }
}

// Which arrays are written as constants: those that come from a file.
static void mark_wanted(const Program *p, const NameList *inits, Given *given) {
    const Model *model = p->model;
    for (uint32_t i = 0; i < model->arrays.count; i++)
        if (model->arrays.items[i].initial.kind == INITIAL_FILE) mark(given, model->arrays.items[i].symbol);
    for (uint32_t i = 0; i < inits->count; i++) mark_named(p, given, inits->items[i]);
}

// Whether samples have values of their own; such arrays are written in full.
static bool samples_differ(const double *values, int64_t samples, int64_t elements) {
    for (int64_t i = elements; i < samples * elements; i++)
        if (memcmp(&values[i], &values[i - elements], sizeof *values) != 0) return true;
    return false;
}

static void read_given(const Program *p, const Instance *instance, Given *given, Arena *arena) {
    for (uint32_t i = 0; i < program_array_count(p); i++) {
        const ProgramArray *array = program_array(p, i);
        uint32_t number = array->stored ? given->fused->array_of.items[array->symbol] : 0;
        if (!number || !given->wanted[number - 1]) continue;
        int64_t length = instance_length(instance, i), samples = array->batched ? instance_batch(instance) : 1;
        double *values = arena_new_array(arena, double, length);
        instance_get(instance, i, values);
        given->values[number - 1] = values;
        given->all[number - 1] = samples_differ(values, samples, length / samples);
    }
}

// Only what comes from files is looked at, so any seed will do, and without states one sample.
static bool gather_values(const Program *p, const EmitRequest *request, Given *given, Arena *arena, Text *error) {
    NameList inits = {0};
    bool good = !request->weights || find_weights(p, request->weights, &inits, arena, error);
    if (good && request->states) good = find_states(p, request->weights, &inits, arena, &given->steps, error);
    for (uint32_t i = 0; i < request->init_count; i++) vec_push(&inits, request->inits[i]);
    int64_t batch = request->states && request->batch ? request->batch : 1;
    Instance *instance = good ? instance_new(p, batch, 0, NULL, error) : NULL;
    RunOptions run = {.inits = inits.items, .init_count = inits.count};
    good = instance && initialise_arrays(p, instance, &run, error);
    if (good) mark_wanted(p, &inits, given);
    if (good) read_given(p, instance, given, arena);
    instance_free(instance);
    vec_free(&inits);
    return good;
}

// ---- Files ----------------------------------------------------------------------------------------------------------

static bool write_files(const Emitted *emitted, const char *folder, Text *error) {
    if (!folder_make(folder, error)) return false;
    bool good = true;
    for (uint32_t i = 0; i < emitted->files.count && good; i++) {
        Text path = {0};
        const EmitFile *file = &emitted->files.items[i];
        text_addf(&path, "%s/%s", folder, file->name);
        good = file_replace(text_z(&path), text_z(&file->text), file->text.length, error);
        text_free(&path);
    }
    return good;
}

// "Q16.16": 32 bits in all, of which at least two before the point, the sign among them, and four behind.
static bool read_fixed(const char *text, int *fraction, Text *error) {
    int before, behind, length = 0;
    *fraction = 0;
    if (!text) return true;
    bool good = sscanf(text, "Q%2d.%2d%n", &before, &behind, &length) == 2 && !text[length] && before + behind == 32 &&
                before >= 2 && behind >= 4;
    if (good) *fraction = behind;
    if (!good)
        text_addf(error,
                  "`%s` is no format of fixed-point numbers; expected Qm.n with m + n = 32, from Q2.30 to Q28.4, such "
                  "as Q16.16",
                  text);
    return good;
}

// A fixed-point model comes with the same model in double, for its driver to compare with.
static bool emit_both(const EmitSource *source, EmitOptions options, const char *folder, int64_t bytes[2],
                      Text *error) {
    Text reference = {0};
    text_addf(&reference, "%s_reference", options.prefix);
    bool both = options.fraction && options.driver;
    if (both) options.reference = text_z(&reference);
    Emitted emitted = {0}, second = {0};
    bool good = emit_c(source, &options, &emitted, error);
    if (good && both) {
        options = (EmitOptions){.prefix = text_z(&reference), .batch = options.batch, .inference = options.inference};
        good = emit_c(source, &options, &second, error);
    }
    good = good && write_files(&emitted, folder, error) && (!both || write_files(&second, folder, error));
    bytes[0] = emitted.bytes;
    bytes[1] = emitted.constant_bytes;
    emitted_free(&emitted);
    emitted_free(&second);
    text_free(&reference);
    return good;
}

static bool acts_at_ends(const Model *model, bool inference) {
    bool acts = false;
    for (int kind = 0; kind < END_COUNT; kind++) acts |= model->ends[kind] != 0;
    for (uint32_t i = 0; i < model->learn.count && !inference; i++) acts |= model->learn.items[i].end >= 0;
    return acts;
}

bool emit_to_folder(Program *p, const EmitRequest *request, const char *folder, int64_t bytes[2], Text *error) {
    Arena *arena = arena_new();
    int64_t batch = request->batch ? request->batch : 1;
    bool passes = request->simd && batch == 1 && !p->fuse.deterministic; // one over each matrix, by rows
    // Of a program without a code generator: it cannot fail.
    const Form *form = passes ? program_sample_form(p, error) : program_form(p, batch, error);
    uint32_t count = form->fused->program.arrays.count;
    Given given = {.fused = form->fused,
                   .values = arena_new_array(arena, const double *, count),
                   .all = arena_new_array(arena, bool, count),
                   .wanted = arena_new_array(arena, bool, count)};
    EmitSource source = {.model = p->model,
                         .equations = p->equations,
                         .fused = form->fused,
                         .step = p->step[ENTRY_TRAIN],
                         .cost = p->step[ENTRY_TRAIN]->cost,
                         .batch_size = p->step[ENTRY_TRAIN]->batch_size,
                         .given = given.values,
                         .given_all = given.all,
                         .path = request->path,
                         .version = request->version};
    EmitOptions options = {.prefix = request->prefix ? request->prefix : "model",
                           .batch = batch,
                           .inference = request->inference,
                           .simd = request->simd,
                           .driver = request->driver};
    bool good = emit_is_identifier(options.prefix);
    if (!good)
        text_addf(error,
                  "`%s` cannot begin names in C: expected a letter, then at most 31 letters, digits and underscores, "
                  "and no word of the language",
                  options.prefix);
    if (good && acts_at_ends(p->model, request->inference)) {
        text_add(error, "rules and events `on end of …` act when an experiment says so, which emitted code does not "
                        "know; expected a model without them");
        good = false;
    }
    if (good && program_is_offline(p) && !request->inference) {
        text_addf(error,
                  "`%s` learns by going back through stored steps, which emitted code does not do; expected "
                  "`--inference`, or a principle that learns along the way, as in `--dynamics gle`",
                  principle_name(p->model->dynamics.principle));
        good = false;
    }
    good =
        good && read_fixed(request->fixed, &options.fraction, error) && gather_values(p, request, &given, arena, error);
    source.steps = given.steps;
    for (uint32_t i = 0; good && options.fraction && i < p->model->populations.count; i++) {
        if (!p->model->populations.items[i].delays.count) continue;
        text_addf(error,
                  "the delays of `%s` count slots, which fixed-point numbers cannot; expected `float` or `double`",
                  p->model->populations.items[i].name);
        good = false;
    }
    good = good && emit_both(&source, options, folder, bytes, error);
    arena_free(arena);
    return good;
}
