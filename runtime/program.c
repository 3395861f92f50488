// Programs: a model derived, discretised, fused and compiled; and the table of its arrays.
#include "../compiler/analyze/stability.h"
#include "program_internal.h"
#include <stdlib.h>
#include <string.h>

static bool wants_dump(const ProgramOptions *options, const char *name) {
    return options->dump && strcmp(options->dump, name) == 0;
}

// ---- Names ----------------------------------------------------------------------------------------------------------

static bool find_recorded(Program *p, const ProgramOptions *options, Symbol *kept, Text *error) {
    ExprStore *store = p->model->store;
    for (uint32_t i = 0; i < options->recorded_count; i++) {
        kept[i] = symbol_find(store, options->recorded[i]);
        if (kept[i] && !symbol_info(store, kept[i])->hidden) continue;
        text_addf(error, "there is no array `%s` to record", options->recorded[i]);
        Vec(Atom) names = {0};
        for (Symbol s = 1; s <= symbol_count(store); s++)
            if (!symbol_info(store, s)->hidden) vec_push(&names, symbol_info(store, s)->name);
        Atom nearest = diag_nearest(options->recorded[i], names.items, names.count);
        if (nearest)
            text_addf(error, "; did you mean `%s`?", nearest);
        else
            text_add(error, "; `lequel inspect` lists all arrays");
        vec_free(&names);
        return false;
    }
    return true;
}

// Whether every form keeps it. Matrices that are made on the way to others (gradients) may vanish in a pass over them:
// they are kept only when asked for.
static bool is_readable(const Program *p, Symbol symbol) {
    const Fused *fused = p->form[FORM_BATCH].fused;
    const SymbolInfo *info = symbol_info(p->model->store, symbol);
    if (info->hidden || symbol >= fused->array_of.count || !fused->array_of.items[symbol]) return false;
    bool asked = info->role != ROLE_SIGNAL || info->rank < 2;
    for (uint32_t i = 0; i < fused->idle.count; i++) asked &= fused->idle.items[i] != symbol;
    for (uint32_t i = 0; i < p->fuse.kept_count; i++) asked |= p->kept[i] == symbol;
    return asked;
}

static void list_arrays(Program *p) {
    const ExprStore *store = p->model->store;
    for (Symbol s = 1; s <= symbol_count(store); s++) {
        const SymbolInfo *info = symbol_info(store, s);
        if (info->hidden) continue;
        bool stored = is_readable(p, s);
        ProgramArray array = {.name = info->name,
                              .symbol = s,
                              .role = info->role,
                              .rank = info->rank,
                              .batched = info->batched,
                              .unit = info->unit,
                              .stored = stored};
        for (uint32_t k = 0; k < info->rank; k++) array.extent[k] = info->extent[k];
        vec_push(&p->arrays, array);
    }
}

// ---- Compilation ----------------------------------------------------------------------------------------------------

static bool check(const char *pass, char *problem, Text *error) {
    if (!problem) return true;
    text_addf(error, "compiler bug after %s: %s", pass, problem);
    free(problem);
    return false;
}

// What can be read does not depend on the size of the batch.
static void keep_as_for_batches(const Program *p, FuseOptions *options, Symbol *kept) {
    options->kept = kept;
    options->kept_count = 0;
    for (Symbol s = 1; s < p->form[FORM_BATCH].fused->array_of.count; s++)
        if (is_readable(p, s)) kept[options->kept_count++] = s;
}

static bool fuse(const Program *p, uint32_t which, Text *error) {
    static const char *const names[ENTRY_COUNT] = {"train", "evaluate", "backward", "learn"};
    FuseOptions options = p->fuse;
    Symbol *kept = memory_resize(NULL, options.kept_count + symbol_count(p->model->store) + 1, sizeof *kept);
    options.one_sample = which == FORM_SAMPLE;
    if (which == FORM_SAMPLE) keep_as_for_batches(p, &options, kept);
    Fused *fused = p->form[which].fused = fuse_steps(p->step, names, p->entries, &options);
    free(kept);
    return check("fuse", loop_program_verify(&fused->program), error);
}

// What has the same bits everywhere, or is written in C for readers, has one form.
static uint32_t form_for(const Program *p, int64_t batch) {
    return batch == 1 && !p->fuse.deterministic && !p->fuse.calls ? FORM_SAMPLE : FORM_BATCH;
}

// Steps shorter than this many elementary operations, some tens of microseconds, gain nothing from a second thread.
static const double worth_dividing = 1e6;

// `batch`: for which calls are cut. The results are the same for any other.
static void divide(const Program *p, Form *form, int64_t batch) {
    if (!p->team || p->kind != PROGRAM_JIT || form->divided) return;
    form->divided = loop_program_operations(&form->fused->program, batch) >= worth_dividing;
    if (form->divided) loop_program_divide(&form->fused->program, team_size(p->team), batch);
}

// What has no place of its own belongs to the model's file.
static bool locate(void *context, Span span, const char **file, uint32_t *line, uint32_t *column) {
    const Model *model = context;
    bool whole = !span.source;
    if (whole && model->populations.count) span = model->populations.items[0].span;
    diag_position(model->diags, span, file, line, column);
    if (whole) *line = *column = 1;
    return *file != NULL;
}

static bool make_code(const Program *p, Form *form, const ProgramOptions *dumps, Text *text, Text *error) {
    CodeOptions options = p->code;
    options.want_ir = dumps && wants_dump(dumps, "llvm");
    options.want_assembly = dumps && wants_dump(dumps, "asm");
    form->coded = code_make(&form->code, &form->fused->program, &options, text, error);
    return form->coded;
}

// Waits for code in the making. False, with the reason in form->wrong, when there will be none.
static bool settle(Form *form) { return !form->wrong.length && code_wait(&form->code, &form->wrong); }

static const Form *form_at(const Program *p, uint32_t which, int64_t batch, Text *error) {
    Form *form = &p->form[which];
    if (!form->fused && !fuse(p, which, error)) return NULL;
    if (!form->coded) divide(p, form, batch);
    if (!form->coded && p->kind == PROGRAM_JIT && !make_code(p, form, NULL, NULL, error)) return NULL;
    if (settle(form)) return form;
    text_add(error, text_z(&form->wrong));
    return NULL;
}

const Form *program_form(const Program *p, int64_t batch, Text *error) {
    return form_at(p, form_for(p, batch), batch, error);
}

const Form *program_sample_form(const Program *p, Text *error) { return form_at(p, FORM_SAMPLE, 1, error); }

// Under an offline principle, training goes forward as evaluation does.
static Step *make_step(const Equations *equations, ProgramEntry entry, bool offline) {
    static const StepMode modes[ENTRY_COUNT] = {STEP_TRAIN, STEP_EVALUATE, STEP_BACKWARD, STEP_LEARN};
    if (entry == ENTRY_BACKWARD) return step_backward(equations);
    return step_discretise(equations, offline && entry == ENTRY_TRAIN ? STEP_EVALUATE : modes[entry]);
}

static void dump_steps(const Program *p, Text *out) {
    step_dump(p->step[ENTRY_TRAIN], out);
    if (!program_is_offline(p)) return;
    text_add(out, "\n# backward in time\n");
    step_dump(p->step[ENTRY_BACKWARD], out);
    text_add(out, "\n# at the end of a window\n");
    step_dump(p->step[ENTRY_LEARN], out);
}

// The passes in order. Each reads the representation before it and makes the next; see docs/passes.md.
static bool compile(Program *p, const ProgramOptions *options, Text *dump_out, Text *error) {
    double since = 0;
    code_lap(&since);
    p->equations = equations_derive(p->model);
    if (!p->equations || !check("derive", equations_verify(p->equations), error)) return false;
    if (wants_dump(options, "energy")) energy_dump(p->equations, dump_out);
    if (wants_dump(options, "equations")) equations_dump(p->equations, dump_out);
    p->times.derive = code_lap(&since);
    bool offline = principle_find(p->model->dynamics.principle)->course != COURSE_ONLINE;
    p->entries = offline ? ENTRY_COUNT : ENTRY_BACKWARD;
    for (uint32_t e = 0; e < p->entries; e++) {
        p->step[e] = make_step(p->equations, e, offline);
        if (!p->step[e] || !check("discretise", step_verify(p->step[e]), error)) return false;
    }
    if (wants_dump(options, "step")) dump_steps(p, dump_out);
    p->times.discretise = code_lap(&since);
    p->kept = memory_resize(NULL, options->recorded_count + 1, sizeof *p->kept);
    p->fuse = (FuseOptions){.real = p->real,
                            .deterministic = options->deterministic,
                            .calls = options->calls,
                            .kept = p->kept,
                            .kept_count = options->recorded_count};
    p->code = (CodeOptions){.level = options->level,
                            .source_name = p->model->name,
                            .background = options->background,
                            .locate = options->debug ? locate : NULL,
                            .locate_context = p->model};
    if (options->cache) p->code.cache = arena_atom_z(p->model->arena, options->cache); // other forms are made later
    const Experiment *experiment = p->model->experiment;
    p->first = form_for(p, experiment ? experiment->batch : 0);
    if (!find_recorded(p, options, p->kept, error) || !fuse(p, FORM_BATCH, error)) return false;
    list_arrays(p);
    if (p->first != FORM_BATCH && !fuse(p, p->first, error)) return false;
    Form *first = &p->form[p->first];
    if (options->threads > 1) p->team = team_new(options->threads);
    divide(p, first, experiment ? experiment->batch : 1);
    if (wants_dump(options, "loops")) loop_program_dump(&first->fused->program, dump_out);
    p->times.fuse = code_lap(&since);
    return p->kind != PROGRAM_JIT || make_code(p, first, options, dump_out, error);
}

Program *program_new(Model *model, const ProgramOptions *options, Text *dump_out, Text *error) {
    Program *p = memory_resize(NULL, 1, sizeof *p);
    *p = (Program){.model = model,
                   .kind = options->backend,
                   .real = options->backend == PROGRAM_REFERENCE ? LOOP_F64 : options->real,
                   .form = memory_resize(NULL, FORM_COUNT, sizeof *p->form)};
    memset(p->form, 0, FORM_COUNT * sizeof *p->form);
    Text nowhere = {0};
    bool good = compile(p, options, dump_out ? dump_out : &nowhere, error);
    text_free(&nowhere);
    if (good) return p;
    program_free(p);
    return NULL;
}

void program_free(Program *p) {
    if (!p) return;
    for (uint32_t f = 0; f < FORM_COUNT; f++) {
        if (p->form[f].coded) code_free(&p->form[f].code);
        text_free(&p->form[f].wrong);
        fused_free(p->form[f].fused);
    }
    free(p->form);
    free(p->kept);
    team_free(p->team);
    for (uint32_t e = 0; e < ENTRY_COUNT; e++) step_free(p->step[e]);
    equations_free(p->equations);
    vec_free(&p->arrays);
    free(p);
}

void program_check_stability(const Program *p, double relative) {
    stability_check(p->equations, p->step[ENTRY_TRAIN], relative);
}

// ---- Questions ------------------------------------------------------------------------------------------------------

Model *program_model(const Program *p) { return p->model; }
bool program_is_deterministic(const Program *p) { return p->fuse.deterministic; }
bool program_is_offline(const Program *p) { return p->entries > ENTRY_BACKWARD; }
uint32_t program_array_count(const Program *p) { return p->arrays.count; }
const ProgramArray *program_array(const Program *p, uint32_t array) { return &p->arrays.items[array]; }

static const Code *first_code(const Program *p) {
    settle(&p->form[p->first]);
    return &p->form[p->first].code;
}

bool program_was_cached(const Program *p) { return first_code(p)->cached; }

const char *program_generator(const Program *p) {
    const char *generator = first_code(p)->generator;
    return *generator ? generator : NULL;
}

ProgramTimes program_times(const Program *p) {
    ProgramTimes times = p->times;
    times.code = first_code(p)->times;
    return times;
}

int64_t program_find(const Program *p, const char *name) {
    for (uint32_t i = 0; i < p->arrays.count; i++)
        if (strcmp(p->arrays.items[i].name, name) == 0) return i;
    return -1;
}

int64_t program_bytes(const Program *p, int64_t batch) {
    const LoopProgram *loops = &p->form[FORM_BATCH].fused->program; // that for one sample needs no more
    int64_t padded = loop_pad_samples(batch), bytes = 0;
    for (uint32_t i = 0; i < loops->arrays.count; i++) bytes += program_array_bytes(&loops->arrays.items[i], padded);
    return bytes;
}

int64_t program_array_bytes(const LoopArray *array, int64_t batch_padded) {
    LoopSize size = loop_array_size(array);
    int64_t elements = size.fixed + size.padded * batch_padded;
    return loop_pad(elements * (array->real == LOOP_F32 ? 4 : 8), 64);
}
