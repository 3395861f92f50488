// Instances: one aligned block of memory per instance, initial values, stepping, reading and writing arrays.
#include "data/random.h"
#include "data/table.h"
#include "program_internal.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- Element access -------------------------------------------------------------------------------------------------

static uint32_t loop_array_of(const Form *form, Symbol symbol) { return form->fused->array_of.items[symbol] - 1; }

static int64_t logical_count(const LoopArray *array, int64_t batch) {
    int64_t count = array->batched ? batch : 1;
    for (uint32_t i = 0; i < array->rank; i++) count *= array->extent[i];
    return count;
}

// Storage position of element `i` of sample 0; the samples of an element are contiguous.
static int64_t position(const LoopArray *array, int64_t padded, int64_t i) {
    if (array->rank < 2) { // no divisions for most
        LoopSize stride = array->rank ? loop_array_stride(array, 0) : (LoopSize){0};
        return i * (stride.fixed + stride.padded * padded);
    }
    int64_t inner = logical_count(array, 1), at = 0;
    for (uint32_t k = 0; k < array->rank; k++) {
        inner /= array->extent[k];
        LoopSize stride = loop_array_stride(array, k);
        at += i / inner * (stride.fixed + stride.padded * padded);
        i %= inner;
    }
    return at;
}

int64_t loop_array_count(const LoopArray *array, int64_t batch) { return logical_count(array, batch); }

int64_t loop_array_position(const LoopArray *array, int64_t padded, int64_t i) { return position(array, padded, i); }

// Where an array lies: a back end's, or the reference back end's dense one (batch last); or a block laid out as it is.
typedef struct Layout {
    void *base;
    const LoopArray *array;
    int64_t padded, stride; // from element to element; -1: not the same between all of them
    bool single;
} Layout;

typedef struct Row { // the samples of an element, side by side
    void *base;
    int64_t at;
    bool single;
} Row;

// `block`: NULL for the array itself.
static Layout layout_of(const Instance *in, uint32_t number, void *block) {
    const LoopArray *array = &in->form->fused->program.arrays.items[number];
    Layout layout = {.base = in->arrays[number], .array = array, .padded = in->padded, .stride = -1};
    layout.single = !in->current && array->real == LOOP_F32;
    if (in->current) layout.base = in->current[number];
    if (block) layout.base = block;
    if (in->current)
        layout.stride = array->batched ? in->batch : 1;
    else if (array->rank < 2)
        layout.stride = array->rank ? position(array, in->padded, 1) : 0;
    return layout;
}

// For reading: in a step that is shown, the array as it was then.
static Layout shown_layout(const Instance *in, uint32_t number) {
    assert(!in->shown || in->shown[number]); // a stretch is told beforehand what will be asked for
    return layout_of(in, number, in->shown ? (void *)(uintptr_t)in->shown[number] : NULL);
}

static Row row_of(const Layout *layout, int64_t e) {
    int64_t at = layout->stride >= 0 ? e * layout->stride : position(layout->array, layout->padded, e);
    return (Row){layout->base, at, layout->single};
}

static double row_get(Row row, int64_t sample) {
    return row.single ? (double)((const float *)row.base)[row.at + sample]
                      : ((const double *)row.base)[row.at + sample];
}

static void row_set(Row row, int64_t sample, double value) {
    if (row.single)
        ((float *)row.base)[row.at + sample] = (float)value;
    else
        ((double *)row.base)[row.at + sample] = value;
}

// All elements in logical order ([batch][extent…], sample first), row by row.
static void read_all(const Instance *in, uint32_t number, double *values) {
    Layout layout = shown_layout(in, number);
    int64_t elements = logical_count(layout.array, 1), samples = layout.array->batched ? in->batch : 1;
    for (int64_t e = 0; e < elements; e++) {
        Row row = row_of(&layout, e);
        for (int64_t b = 0; b < samples; b++) values[b * elements + e] = row_get(row, b);
    }
}

void instance_lay_out(const Instance *in, uint32_t number, const double *values, void *block) {
    Layout layout = layout_of(in, number, block);
    int64_t elements = logical_count(layout.array, 1), samples = layout.array->batched ? in->batch : 1;
    for (int64_t e = 0; e < elements; e++) {
        Row row = row_of(&layout, e);
        for (int64_t b = 0; b < samples; b++) row_set(row, b, values[b * elements + e]);
    }
}

// ---- Initial values -------------------------------------------------------------------------------------------------

void initial_path(const Model *model, const Initial *initial, Text *full) {
    const char *path = initial->path, *model_path, *slash;
    uint32_t line, column;
    diag_position(model->diags, initial->span, &model_path, &line, &column);
    if (path[0] != '/' && model_path && (slash = strrchr(model_path, '/')))
        text_add_bytes(full, model_path, (size_t)(slash - model_path + 1));
    text_add(full, path);
}

static bool initial_file(const Program *p, const Array *array, int64_t count, Table *table, Text *error) {
    const char *model_path;
    uint32_t line, column;
    Text full = {0};
    diag_position(p->model->diags, array->initial.span, &model_path, &line, &column);
    initial_path(p->model, &array->initial, &full);
    bool good = table_load(text_z(&full), table, error) && table_finite(table, text_z(&full), error);
    if (!good) table_free(table);
    if (good && table_count(table) != count) {
        const SymbolInfo *info = symbol_info(p->model->store, array->symbol);
        text_addf(error, "%s:%u:%u: `%s` holds %lld numbers, but `%s` has %lld elements", model_path, line, column,
                  text_z(&full), (long long)table_count(table), info->name, (long long)count);
        table_free(table);
        good = false;
    }
    text_free(&full);
    return good;
}

static double draw(const Initial *initial, const RandomStream *stream, int64_t i) {
    double span = initial->b - initial->a;
    switch (initial->kind) {
    case INITIAL_UNIFORM: return initial->a + span * random_uniform(stream, (uint64_t)i);
    case INITIAL_NORMAL: return initial->a + initial->b * random_normal(stream, (uint64_t)i);
    case INITIAL_UNIFORM_INT:
        return (initial->a + (double)random_below(stream, (uint64_t)i, (uint64_t)span + 1)) * initial->scale;
    case INITIAL_CONSTANT: return initial->values[initial->count > 1 ? i % (int64_t)initial->count : 0];
    case INITIAL_CHANCE:
        return random_uniform(stream, (uint64_t)i) <
               initial->values[initial->count > 1 ? i % (int64_t)initial->count : 0];
    case INITIAL_FILE:
    case INITIAL_COPY: break; // tables
    }
    return 0;
}

// Values of one sample that come from elsewhere: a file, or another array.
static bool initial_table(const Instance *in, const Array *array, int64_t count, Table *table, Text *error) {
    if (array->initial.kind == INITIAL_FILE) return initial_file(in->program, array, count, table, error);
    if (array->initial.kind != INITIAL_COPY) return true;
    *table = table_new(1, &count);
    read_all(in, loop_array_of(in->form, array->initial.source), table->data);
    for (int64_t i = 0; i < count; i++) table->data[i] *= array->initial.scale;
    return true;
}

// Memory is zero from the start.
static bool stays_zero(const Array *array) {
    const Initial *initial = &array->initial;
    if (initial->kind != INITIAL_CONSTANT || initial->count > 1 || initial->values[0] != 0) return false;
    return !signbit(initial->values[0]) && (!array->clamped || (array->low < 0 && array->high > 0));
}

static bool initialise(Instance *in, const Array *array, uint64_t seed, Text *error) {
    if (stays_zero(array)) return true;
    const Program *p = in->program;
    uint32_t number = loop_array_of(in->form, array->symbol);
    const LoopArray *layout = &in->form->fused->program.arrays.items[number];
    int64_t count = logical_count(layout, in->batch), per_sample = logical_count(layout, 1);
    Table table = {0};
    if (!initial_table(in, array, per_sample, &table, error)) return false;
    RandomStream stream = random_stream(seed, symbol_info(p->model->store, array->symbol)->name);
    double *values = memory_resize(NULL, (size_t)count, sizeof *values);
    double *there = array->mask ? memory_resize(NULL, (size_t)per_sample, sizeof *there) : NULL;
    if (there) read_all(in, loop_array_of(in->form, array->mask), there);
    for (int64_t i = 0; i < count; i++) {
        double value = table.data ? table.data[i % per_sample] : draw(&array->initial, &stream, i);
        if (array->clamped) value = value < array->low ? array->low : value > array->high ? array->high : value;
        if (array->zero_diagonal && i / layout->extent[1] == i % layout->extent[1]) value = 0;
        if (there && there[i % per_sample] == 0) value = 0;
        values[i] = value; // NaN stays NaN, as in the step
    }
    instance_lay_out(in, number, values, NULL);
    free(values);
    free(there);
    table_free(&table);
    return true;
}

static bool initialise_all(Instance *in, uint64_t seed, const Instance *weights, Text *error) {
    const Model *model = in->program->model;
    for (uint32_t i = 0; i < model->arrays.count; i++)
        if (!weights || symbol_info(model->store, model->arrays.items[i].symbol)->batched)
            if (!initialise(in, &model->arrays.items[i], seed, error)) return false;
    for (uint32_t i = 0; !weights && i < model->scalars.count; i++)
        instance_set_scalar(in, model->scalars.items[i].symbol, model->scalars.items[i].value);
    instance_set_scalar(in, in->program->step[ENTRY_TRAIN]->batch_size, (double)in->batch);
    return true;
}

// ---- Memory ---------------------------------------------------------------------------------------------------------

// The slot of a delay: all samples of an instance are at the same one, other instances are not.
static bool is_slot(const Instance *in, uint32_t number) {
    const Model *model = in->program->model;
    const Fused *fused = in->form->fused;
    for (uint32_t i = 0; i < model->populations.count; i++)
        for (uint32_t k = 0; k < model->populations.items[i].delays.count; k++) {
            Symbol position = model->populations.items[i].delays.items[k].position;
            if (position < fused->array_of.count && fused->array_of.items[position] == number + 1) return true;
        }
    return false;
}

// Batch-independent arrays belong to whoever owns the weights; the batch size itself is the instance's own.
static bool is_shared(const Instance *in, uint32_t number) {
    return !in->form->fused->program.arrays.items[number].per_sample &&
           number != loop_array_of(in->form, in->program->step[ENTRY_TRAIN]->batch_size) && !is_slot(in, number);
}

bool instance_shares(const Instance *in, uint32_t number) { return in->borrows && is_shared(in, number); }

// The number of the owner's array for a shared one, in the owner's form; UINT32_MAX when there is none: temporaries.
static uint32_t lent_array(const Instance *in, const Instance *owner, uint32_t number) {
    if (!owner || !is_shared(in, number)) return UINT32_MAX;
    if (owner->form == in->form) return number;
    const Fused *own = in->form->fused, *other = owner->form->fused;
    for (Symbol s = 1; s < own->array_of.count && s < other->array_of.count; s++)
        if (own->array_of.items[s] == number + 1 && other->array_of.items[s]) return other->array_of.items[s] - 1;
    return UINT32_MAX;
}

enum { BLOCK_ALIGN = 64 };

static bool allocate(Instance *in, Instance *weights, Text *error) {
    const LoopProgram *loops = &in->form->fused->program;
    int64_t bytes = 0;
    for (uint32_t i = 0; i < loops->arrays.count; i++)
        if (lent_array(in, weights, i) == UINT32_MAX) bytes += program_array_bytes(&loops->arrays.items[i], in->padded);
    in->arrays = memory_resize(NULL, loops->arrays.count, sizeof *in->arrays);
    in->block = calloc((size_t)bytes + BLOCK_ALIGN, 1); // much of it is first touched when it is first needed
    if (!in->block) {
        text_addf(error, "not enough memory: this model needs %lld bytes at a batch of %lld", (long long)bytes,
                  (long long)in->batch);
        return false;
    }
    char *at = in->block;
    at += (BLOCK_ALIGN - (uintptr_t)at % BLOCK_ALIGN) % BLOCK_ALIGN;
    for (uint32_t i = 0; i < loops->arrays.count; i++) {
        uint32_t lent = lent_array(in, weights, i);
        in->arrays[i] = lent == UINT32_MAX ? (void *)at : weights->arrays[lent];
        if (lent == UINT32_MAX) at += program_array_bytes(&loops->arrays.items[i], in->padded);
    }
    return true;
}

// The reference back end works on dense arrays: one for the values before the step, one for those of now.
static void allocate_mirror(Instance *in, const Instance *weights) {
    const LoopProgram *loops = &in->form->fused->program;
    int64_t total = 0;
    for (uint32_t i = 0; i < loops->arrays.count; i++) total += logical_count(&loops->arrays.items[i], in->batch);
    in->mirror = memory_resize(NULL, (size_t)(2 * total), sizeof(double));
    memset(in->mirror, 0, (size_t)(2 * total) * sizeof(double));
    in->old = memory_resize(NULL, loops->arrays.count, sizeof(double *));
    in->current = memory_resize(NULL, loops->arrays.count, sizeof(double *));
    double *at = in->mirror;
    for (uint32_t i = 0; i < loops->arrays.count; i++) {
        int64_t count = logical_count(&loops->arrays.items[i], in->batch);
        in->old[i] = at;
        uint32_t lent = lent_array(in, weights, i);
        in->current[i] = lent == UINT32_MAX ? at + total : weights->current[lent];
        at += count;
    }
}

Instance *instance_new(const Program *program, int64_t batch, uint64_t seed, Instance *weights, Text *error) {
    Instance *in = memory_resize(NULL, 1, sizeof *in);
    *in = (Instance){.program = program,
                     .batch = batch,
                     .seed = seed,
                     .padded = loop_pad_samples(batch),
                     .stage = -1,
                     .borrows = weights};
    in->form = program_form(program, batch, error);
    bool good = in->form && allocate(in, weights, error);
    if (good && program->kind == PROGRAM_REFERENCE) allocate_mirror(in, weights);
    if (good) good = initialise_all(in, seed, weights, error);
    if (good) return in;
    instance_free(in);
    return NULL;
}

void instance_free(Instance *in) {
    if (!in) return;
    tape_free(in->tape);
    free(in->block);
    free(in->arrays);
    free(in->mirror);
    free(in->old);
    free(in->current);
    free(in);
}

const Program *instance_program(const Instance *in) { return in->program; }
int64_t instance_batch(const Instance *in) { return in->batch; }
int64_t instance_steps(const Instance *in) { return in->steps; }

// ---- States remembered
// -----------------------------------------------------------------------------------------------

// The arrays that have one value per sample, one after another, as they lie in memory.
struct InstanceMemory {
    char *bytes;
};

typedef struct Piece {
    void *at;
    size_t bytes;
} Piece;

// Of array `number`; nothing when all samples share it.
static Piece own_piece(const Instance *in, uint32_t number) {
    const LoopArray *array = &in->form->fused->program.arrays.items[number];
    if (!array->per_sample) return (Piece){NULL, 0};
    if (in->current) return (Piece){in->current[number], (size_t)logical_count(array, in->batch) * sizeof(double)};
    return (Piece){in->arrays[number], (size_t)program_array_bytes(array, in->padded)};
}

InstanceMemory *instance_remember(const Instance *in) {
    uint32_t count = in->form->fused->program.arrays.count;
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) bytes += own_piece(in, i).bytes;
    InstanceMemory *memory = memory_resize(NULL, 1, sizeof *memory);
    char *to = memory->bytes = memory_resize(NULL, bytes ? bytes : 1, 1);
    for (uint32_t i = 0; i < count; i++) {
        Piece piece = own_piece(in, i);
        if (piece.bytes) memcpy(to, piece.at, piece.bytes);
        to += piece.bytes;
    }
    return memory;
}

void instance_recall(Instance *in, const InstanceMemory *memory) {
    const char *from = memory->bytes;
    for (uint32_t i = 0; i < in->form->fused->program.arrays.count; i++) {
        Piece piece = own_piece(in, i);
        if (piece.bytes) memcpy(piece.at, from, piece.bytes);
        from += piece.bytes;
    }
}

void instance_memory_free(InstanceMemory *memory) {
    if (!memory) return;
    free(memory->bytes);
    free(memory);
}

// ---- Stepping -------------------------------------------------------------------------------------------------------

static bool rule_acts(const Instance *in, const LearnRule *rule) {
    if (in->steps < rule->from || in->steps >= rule->until) return false;
    if (in->stage >= 0 && !(rule->stages >> in->stage & 1)) return false;
    return rule->end < 0 || in->ends >> rule->end & 1;
}

void instance_enter_stage(Instance *in, int stage) { in->stage = stage; }

void instance_set_ends(Instance *in, unsigned ends) {
    for (int kind = 0; kind < END_COUNT; kind++) {
        Symbol symbol = in->program->model->ends[kind];
        if (symbol && in->form->fused->array_of.items[symbol]) instance_set_scalar(in, symbol, ends >> kind & 1);
    }
    in->ends = ends;
}

static uint64_t active_rules(const Instance *in, bool learning) {
    const Model *model = in->program->model;
    uint64_t active = 0;
    for (uint32_t i = 0; learning && i < model->learn.count; i++)
        if (rule_acts(in, &model->learn.items[i])) active |= (uint64_t)1 << i;
    return active;
}

static void step_mirror(Instance *in, const Step *step, uint64_t active) {
    const Program *p = in->program;
    const Fused *fused = in->form->fused;
    const LoopProgram *loops = &fused->program;
    uint32_t symbols = symbol_count(p->model->store) + 1;
    // Signals that no array keeps live only during the step.
    double **old = memory_resize(NULL, symbols, sizeof *old), **current = memory_resize(NULL, symbols, sizeof *current);
    double **scratch = memory_resize(NULL, symbols, sizeof *scratch);
    for (Symbol s = 0; s < symbols; s++) {
        bool stored = s && s < fused->array_of.count && fused->array_of.items[s];
        old[s] = stored ? in->old[loop_array_of(in->form, s)] : NULL;
        current[s] = stored ? in->current[loop_array_of(in->form, s)] : NULL;
        scratch[s] = NULL;
        if (stored || !s) continue;
        const SymbolInfo *info = symbol_info(p->model->store, s);
        size_t count = info->batched ? (size_t)in->batch : 1;
        for (uint32_t k = 0; k < info->rank; k++) count *= info->extent[k];
        current[s] = scratch[s] = memory_resize(NULL, count, sizeof(double));
    }
    for (uint32_t i = 0; i < loops->arrays.count; i++)
        memcpy(in->old[i], in->current[i], (size_t)logical_count(&loops->arrays.items[i], in->batch) * sizeof(double));
    step_reference(step, old, current, in->batch, active);
    for (Symbol s = 0; s < symbols; s++) free(scratch[s]);
    free(old);
    free(current);
    free(scratch);
}

// ---- One thread or several ------------------------------------------------------------------------------------------

enum { TRIED = 16, TRIAL_EVERY = 4096 }; // steps

static double seconds_now(void) {
    double since = 0;
    code_lap(&since);
    return since;
}

// The results are the same to the bit; what is faster depends on what else the machine has to do. Of every so many
// steps the first are timed, by one thread and by all in turn. Until the next trial one way is taken.
static int64_t same_pace(const Instance *in, ProgramEntry entry) {
    const Tempo *tempo = &in->tempo[entry];
    if (!in->form->divided) return INT64_MAX;
    return tempo->steps < 2 * TRIED ? 1 : TRIAL_EVERY - tempo->steps;
}

static void run_together(Instance *in, ProgramEntry entry, const LoopArguments *arguments) {
    const Program *p = in->program;
    Tempo *tempo = &in->tempo[entry];
    bool tries = tempo->steps < 2 * TRIED, together = tries ? tempo->steps % 2 : tempo->together;
    double start = tries ? seconds_now() : 0;
    if (together)
        team_run(p->team, in->form->code.entry[p->entries + entry], in->arrays, arguments);
    else
        in->form->code.entry[entry](in->arrays, arguments);
    if (tries) tempo->seconds[together] += seconds_now() - start;
    tempo->steps += arguments->steps > 1 ? arguments->steps : 1;
    if (tempo->steps == 2 * TRIED) tempo->together = tempo->seconds[1] < tempo->seconds[0];
    if (tempo->steps == TRIAL_EVERY) *tempo = (Tempo){.together = tempo->together};
}

static void run_steps(Instance *in, ProgramEntry entry, const LoopArguments *arguments) {
    const Program *p = in->program;
    if (in->form->divided)
        run_together(in, entry, arguments);
    else if (p->kind == PROGRAM_JIT)
        in->form->code.entry[entry](in->arrays, arguments);
    else if (p->kind == PROGRAM_LOOPS)
        loop_program_interpret(&in->form->fused->program, entry, in->arrays, arguments);
    else
        step_mirror(in, p->step[entry], arguments->active);
}

void instance_run_entry(Instance *in, ProgramEntry entry, uint64_t active) {
    LoopArguments arguments = {.batch = in->batch, .batch_padded = in->padded, .active = active};
    run_steps(in, entry, &arguments);
}

static Tape *tape_of(Instance *in) {
    if (!in->tape) in->tape = tape_new(in);
    return in->tape;
}

RandomStream instance_noise(const Model *model, Symbol noise, uint64_t seed, int64_t step) {
    RandomStream source = random_stream(seed, symbol_info(model->store, noise)->name);
    return random_child(&source, (uint64_t)step);
}

void instance_draw(const Instance *in, Symbol noise, int64_t step, void *block) {
    uint32_t number = loop_array_of(in->form, noise);
    Layout layout = layout_of(in, number, block);
    int64_t elements = logical_count(layout.array, 1);
    RandomStream stream = instance_noise(in->program->model, noise, in->seed, step);
    double pair[2] = {0};
    uint64_t n = 0;
    for (int64_t b = 0; b < in->batch; b++)
        for (int64_t e = 0; e < elements; e++, n++) {
            if (n % 2 == 0) random_normal_pair(&stream, n / 2, pair);
            row_set(row_of(&layout, e), b, pair[n % 2]);
        }
}

static void draw_noise(Instance *in) {
    const Model *model = in->program->model;
    for (uint32_t i = 0; i < model->noises.count; i++)
        if (in->form->fused->array_of.items[model->noises.items[i]]) // else nobody reads it
            instance_draw(in, model->noises.items[i], in->steps, NULL);
}

void instance_step(Instance *in, ProgramEntry entry, bool learning) {
    draw_noise(in);
    bool notes = entry == ENTRY_TRAIN && program_is_offline(in->program);
    if (notes) tape_note(tape_of(in));
    instance_run_entry(in, entry, entry == ENTRY_TRAIN ? active_rules(in, learning) : 0);
    in->steps++;
    if (notes && tape_length(in->tape) == in->program->model->dynamics.window) instance_end_window(in, learning);
}

int64_t instance_calm(const Instance *in, ProgramEntry entry, bool learning) {
    int64_t calm = same_pace(in, entry);
    if (entry != ENTRY_TRAIN) return calm;
    if (in->program->kind == PROGRAM_REFERENCE || program_is_offline(in->program)) return 1;
    const Model *model = in->program->model;
    for (uint32_t i = 0; learning && i < model->learn.count; i++) {
        const LearnRule *rule = &model->learn.items[i];
        int64_t turn = in->steps < rule->from ? rule->from : rule->until;
        if (turn > in->steps && turn - in->steps < calm) calm = turn - in->steps;
    }
    return calm;
}

void instance_make_steps(Instance *in, ProgramEntry entry, bool learning, LoopArguments *arguments) {
    arguments->batch = in->batch;
    arguments->batch_padded = in->padded;
    arguments->active = entry == ENTRY_TRAIN ? active_rules(in, learning) : 0;
    run_steps(in, entry, arguments);
    in->steps += arguments->steps > 1 ? arguments->steps : 1;
}

void instance_end_window(Instance *in, bool learning) {
    if (!in->tape || !tape_length(in->tape)) return;
    tape_rewind(in->tape);
    in->steps--; // the rules act in the last step of the window
    uint64_t active = active_rules(in, learning);
    in->steps++;
    if (learning) instance_run_entry(in, ENTRY_LEARN, active);
}

void instance_end_presentation(Instance *in, bool learning) {
    if (!in->program->model->dynamics.window) instance_end_window(in, learning);
}

bool instance_limit_memory(Instance *in, int64_t bytes, int64_t window, Text *error) {
    if (!program_is_offline(in->program)) return true;
    Tape *tape = tape_of(in);
    if (window > 0 && tape_input_bytes(tape) > (bytes - 3 * tape_snapshot_bytes(tape)) / window) {
        text_addf(error,
                  "a window of %lld steps keeps %.0f bytes of inputs and at least %lld of states, more than the memory "
                  "limit of %lld; raise `--memory-limit`, or give the principle a shorter window",
                  (long long)window, (double)tape_input_bytes(tape) * (double)window,
                  3 * (long long)tape_snapshot_bytes(tape), (long long)bytes);
        return false;
    }
    tape_limit(tape, bytes - (window > 0 ? window : 0) * tape_input_bytes(tape));
    return true;
}

bool instance_is_in_window(const Instance *in) { return in->tape && tape_length(in->tape) > 0; }

int64_t instance_recomputed(const Instance *in) { return in->tape ? tape_recomputed(in->tape) : 0; }

// ---- Reading and writing --------------------------------------------------------------------------------------------

int64_t instance_length(const Instance *in, uint32_t array) {
    const ProgramArray *a = &in->program->arrays.items[array];
    int64_t count = a->batched ? in->batch : 1;
    for (uint32_t k = 0; k < a->rank; k++) count *= a->extent[k];
    return count;
}

void instance_get(const Instance *in, uint32_t array, double *values) {
    const ProgramArray *a = &in->program->arrays.items[array];
    if (a->stored) read_all(in, loop_array_of(in->form, a->symbol), values);
    for (int64_t i = 0, count = a->stored ? 0 : instance_length(in, array); i < count; i++) values[i] = NAN;
}

void instance_set(Instance *in, uint32_t array, const double *values) {
    const ProgramArray *a = &in->program->arrays.items[array];
    if (a->stored) instance_lay_out(in, loop_array_of(in->form, a->symbol), values, NULL);
}

static double mean_over_samples(const Instance *in, Symbol symbol) {
    if (!symbol) return NAN;
    Layout layout = shown_layout(in, loop_array_of(in->form, symbol));
    Row row = row_of(&layout, 0);
    double total = 0;
    for (int64_t b = 0; b < in->batch; b++) total += row_get(row, b);
    return total / (double)in->batch;
}

double instance_mean_cost(const Instance *in) { return mean_over_samples(in, in->program->step[ENTRY_TRAIN]->cost); }

double instance_mean_objective(const Instance *in) {
    return mean_over_samples(in, in->program->step[ENTRY_TRAIN]->objective);
}

double instance_scalar(const Instance *in, Symbol scalar) {
    Layout layout = layout_of(in, loop_array_of(in->form, scalar), NULL);
    return row_get(row_of(&layout, 0), 0);
}

void instance_set_scalar(Instance *in, Symbol scalar, double value) {
    Layout layout = layout_of(in, loop_array_of(in->form, scalar), NULL);
    row_set(row_of(&layout, 0), 0, value);
}
