// Programs: a model derived, discretised, fused and compiled; and the table of its arrays.
#include "../compiler/analyze/stability.h"
#include "module.h"
#include "program_internal.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double lap(double *since) {
    double then = *since;
    *since = now();
    return *since - then;
}

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

static void list_arrays(Program *p) {
    const ExprStore *store = p->model->store;
    for (Symbol s = 1; s <= symbol_count(store); s++) {
        const SymbolInfo *info = symbol_info(store, s);
        if (info->hidden) continue;
        bool stored = p->fused->array_of.count > s && p->fused->array_of.items[s];
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

// What has no place of its own belongs to the model's file.
static bool locate(void *context, Span span, const char **file, uint32_t *line, uint32_t *column) {
    const Model *model = context;
    bool whole = !span.source;
    if (whole && model->populations.count) span = model->populations.items[0].span;
    diag_position(model->diags, span, file, line, column);
    if (whole) *line = *column = 1;
    return *file != NULL;
}

static bool generate(Program *p, const ProgramOptions *options, Text *dump_out, Text *error) {
    double since = now();
    p->backend = module_open(error);
    p->times.open = lap(&since);
    if (!p->backend) return false;
    BackendOptions backend_options = {.level = options->level,
                                      .source_name = p->model->name,
                                      .want_ir = wants_dump(options, "llvm"),
                                      .want_assembly = wants_dump(options, "asm"),
                                      .locate = options->debug ? locate : NULL,
                                      .locate_context = p->model};
    p->code = p->backend->compile(&p->fused->program, &backend_options, error);
    if (!p->code) return false;
    BackendTimes t = p->backend->times(p->code);
    p->times.open += t.setup;
    p->times.build = t.build;
    p->times.passes = t.passes;
    p->times.codegen = t.codegen;
    p->times.link = t.link;
    if (backend_options.want_ir) text_add(dump_out, p->backend->text(p->code, false));
    if (backend_options.want_assembly) text_add(dump_out, p->backend->text(p->code, true));
    for (uint32_t e = 0; e < p->entries; e++) p->function[e] = p->backend->entry(p->code, e);
    return true;
}

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
    static const char *const names[ENTRY_COUNT] = {"train", "evaluate", "backward", "learn"};
    double since = now();
    p->equations = equations_derive(p->model);
    if (!p->equations) return false;
    if (wants_dump(options, "energy")) energy_dump(p->equations, dump_out);
    if (wants_dump(options, "equations")) equations_dump(p->equations, dump_out);
    p->times.derive = lap(&since);
    bool offline = principle_find(p->model->dynamics.principle)->course != COURSE_ONLINE;
    p->entries = offline ? ENTRY_COUNT : ENTRY_BACKWARD;
    for (uint32_t e = 0; e < p->entries; e++) {
        p->step[e] = make_step(p->equations, e, offline);
        if (!p->step[e] || !check("discretise", step_verify(p->step[e]), error)) return false;
    }
    if (wants_dump(options, "step")) dump_steps(p, dump_out);
    p->times.discretise = lap(&since);
    Symbol *kept = memory_resize(NULL, options->recorded_count, sizeof *kept);
    FuseOptions fuse_options = {.real = p->real, .kept = kept, .kept_count = options->recorded_count};
    fuse_options.deterministic = options->deterministic;
    fuse_options.calls = options->calls;
    bool good = find_recorded(p, options, kept, error);
    if (good) p->fused = fuse_steps(p->step, names, p->entries, &fuse_options);
    free(kept);
    if (!good || !check("fuse", loop_program_verify(&p->fused->program), error)) return false;
    if (wants_dump(options, "loops")) loop_program_dump(&p->fused->program, dump_out);
    p->times.fuse = lap(&since);
    list_arrays(p);
    return options->backend != PROGRAM_JIT || generate(p, options, dump_out, error);
}

Program *program_new(Model *model, const ProgramOptions *options, Text *dump_out, Text *error) {
    Program *p = memory_resize(NULL, 1, sizeof *p);
    *p = (Program){.model = model,
                   .kind = options->backend,
                   .real = options->backend == PROGRAM_REFERENCE ? LOOP_F64 : options->real};
    Text nowhere = {0};
    bool good = compile(p, options, dump_out ? dump_out : &nowhere, error);
    text_free(&nowhere);
    if (good) return p;
    program_free(p);
    return NULL;
}

void program_free(Program *p) {
    if (!p) return;
    if (p->code) p->backend->dispose(p->code);
    fused_free(p->fused);
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
bool program_is_deterministic(const Program *p) { return p->fused->program.deterministic; }
bool program_is_offline(const Program *p) { return p->entries > ENTRY_BACKWARD; }
uint32_t program_array_count(const Program *p) { return p->arrays.count; }
const ProgramArray *program_array(const Program *p, uint32_t array) { return &p->arrays.items[array]; }
ProgramTimes program_times(const Program *p) { return p->times; }
const char *program_generator(const Program *p) { return p->code ? p->backend->name : NULL; }

int64_t program_find(const Program *p, const char *name) {
    for (uint32_t i = 0; i < p->arrays.count; i++)
        if (strcmp(p->arrays.items[i].name, name) == 0) return i;
    return -1;
}

int64_t program_bytes(const Program *p, int64_t batch) {
    int64_t padded = loop_pad(batch, LOOP_PAD), bytes = 0;
    for (uint32_t i = 0; i < p->fused->program.arrays.count; i++)
        bytes += program_array_bytes(&p->fused->program.arrays.items[i], padded);
    return bytes;
}

int64_t program_array_bytes(const LoopArray *array, int64_t batch_padded) {
    LoopSize size = loop_array_size(array);
    int64_t elements = size.fixed + size.padded * batch_padded;
    return loop_pad(elements * (array->real == LOOP_F32 ? 4 : 8), 64);
}
