// The public interface over the compiler and the runtime: handles, texts, errors. Nothing is computed here.
#include "../compiler/analyze/stability.h"
#include "../compiler/derive/derivation.h"
#include "../compiler/derive/equations.h"
#include "../compiler/step/step.h"
#include "analysis.h"
#include "cache.h"
#include "compare.h"
#include "emit.h"
#include "experiment.h"
#include "files.h"
#include "gradcheck.h"
#include "lequel.h"
#include "lequel_version.h"
#include "measure.h"
#include "plot.h"
#include "stretch.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct LequelModel {
    Arena *arena;
    Diagnostics *diags;
    Model *model; // NULL when there were errors
    Ast *file;
    Equations *equations; // NULL until they were asked for
    const char *path;
    ModelOptions options; // copies in the arena
    double seconds;       // that opening it took
};

struct LequelProgram {
    LequelModel *model;
    Program *program;
    Text dump;
    const char *precision, *backend;
    Arena *arena; // units of arrays as text
};

// An instance of the interface is one of the runtime.
static Instance *inside(LequelInstance *instance) { return (Instance *)(void *)instance; }
static const Instance *inside_const(const LequelInstance *instance) { return (const Instance *)(const void *)instance; }

// ---- Texts ----------------------------------------------------------------------------------------------------------

const char *lequel_version(void) { return LEQUEL_VERSION; }

void lequel_text_free(char *text) { free(text); }

double lequel_seconds(void) { return clock_seconds(); }

// Hands a text over to the caller; never NULL.
static char *hand_over(Text *text) {
    char *bytes = text->bytes;
    *text = (Text){0};
    if (!bytes) bytes = memory_resize(NULL, 1, 1), bytes[0] = 0;
    return bytes;
}

// Sets the caller's error, or drops the text. Success leaves NULL.
static bool settle(bool good, Text *text, char **error) {
    if (error) *error = good ? NULL : hand_over(text);
    text_free(text);
    return good;
}

// ---- Models ---------------------------------------------------------------------------------------------------------

static const char *copy(Arena *arena, const char *text) { return text ? arena_atom_z(arena, text) : NULL; }

LequelModel *lequel_model_open(const char *path, const LequelModelOptions *options) {
    static const LequelModelOptions none = {0};
    if (!options) options = &none;
    LequelModel *model = memory_resize(NULL, 1, sizeof *model);
    Arena *arena = arena_new();
    double start = clock_seconds();
    *model = (LequelModel){.arena = arena, .diags = diag_new(arena), .path = arena_atom_z(arena, path)};
    const char **defines = arena_new_array(arena, const char *, options->define_count);
    for (uint32_t i = 0; i < options->define_count; i++) defines[i] = arena_atom_z(arena, options->defines[i]);
    model->options = (ModelOptions){.path = model->path,
                                    .network = copy(arena, options->network),
                                    .experiment = copy(arena, options->experiment),
                                    .define_count = options->define_count,
                                    .defines = defines,
                                    .dynamics = copy(arena, options->dynamics),
                                    .text = copy(arena, options->text)};
    model->model = model_load(arena, model->diags, &model->options, &model->file);
    model->seconds = clock_seconds() - start;
    return model;
}

void lequel_model_free(LequelModel *model) {
    if (!model) return;
    if (model->equations) equations_free(model->equations);
    if (model->model) model_free(model->model);
    arena_free(model->arena);
    free(model);
}

bool lequel_model_good(const LequelModel *model) { return model->model && !diag_error_count(model->diags); }
uint32_t lequel_model_error_count(const LequelModel *model) { return diag_error_count(model->diags); }
uint32_t lequel_model_report_count(const LequelModel *model) { return diag_count(model->diags); }
const char *lequel_model_name(const LequelModel *model) { return model->model ? model->model->name : ""; }
bool lequel_model_has_experiment(const LequelModel *model) { return model->model && model->model->experiment; }

// The number's end: the unit, if any, begins there.
static const char *end_of_number(const char *text) {
    const char *end = text + strspn(text, "0123456789.+-");
    if ((*end == 'e' || *end == 'E') && end[1] && strchr("0123456789+-", end[1]))
        end += 1 + strspn(end + 1, "0123456789+-");
    return end;
}

int64_t lequel_model_steps(const LequelModel *model, const char *duration, char **error) {
    Text sentence = {0};
    const char *end = end_of_number(duration);
    double number, factor, divisor, steps = -1;
    Unit unit;
    if (!model->model || !number_parse(duration, end, &number) || !unit_parse(end, &unit, &factor, &divisor, NULL)) {
        text_addf(&sentence, "`%s` is no duration; expected one like `4050`, `4 ms` or `100 steps`", duration);
    } else if (unit_equal(unit, UNIT_STEPS)) {
        steps = number;
    } else if (!unit_equal(unit, model->model->time_unit)) {
        text_addf(&sentence,
                  unit_is_none(unit) ? "`%s` needs a unit, as dt of the model has one: `%s ms`, or `%s steps`"
                                     : "`%s` has a unit of time that dt of the model does not have",
                  duration, duration, duration);
    } else {
        steps = number * factor / divisor / model->model->dt;
    }
    if (!sentence.length && !(steps >= 0 && steps < 9e15)) text_addf(&sentence, "`%s` is out of range", duration);
    if (!sentence.length && fabs(steps - round(steps)) > 1e-6 * fmax(1, steps))
        text_addf(&sentence, "`%s` is no whole number of steps", duration);
    bool good = !sentence.length;
    settle(good, &sentence, error);
    return good ? (int64_t)llround(steps) : -1;
}

static DiagStyle style_of(LequelStyle style) {
    return style == LEQUEL_JSON ? DIAG_JSON : style == LEQUEL_COLOUR ? DIAG_COLOUR : DIAG_PLAIN;
}

char *lequel_model_diagnostics(const LequelModel *model, LequelStyle style) {
    Text out = {0};
    if (style == LEQUEL_JSON || diag_count(model->diags)) diag_print(model->diags, style_of(style), &out);
    return hand_over(&out);
}

static const double SINGLE_ROUNDING = 1.0 / (1 << 24), DOUBLE_ROUNDING = 1.0 / ((int64_t)1 << 53);

// Whether the equations become steps of both kinds, which gives all arrays their names. Reports what stands in the way.
static bool discretises(const Equations *equations) {
    static const StepMode modes[] = {STEP_TRAIN, STEP_EVALUATE};
    bool good = true;
    for (size_t i = 0; good && i < sizeof modes / sizeof *modes; i++) {
        Step *step = step_discretise(equations, modes[i]);
        char *problem = step ? step_verify(step) : NULL;
        if (problem)
            diag_report(equations->model->diags, DIAG_E0212, equations->model->dynamics.span,
                        "compiler bug after discretise: %s", problem);
        good = step && !problem;
        if (good && modes[i] == STEP_TRAIN) stability_check(equations, step, SINGLE_ROUNDING);
        free(problem);
        step_free(step);
    }
    return good;
}

bool lequel_model_check(LequelModel *model) {
    if (!lequel_model_good(model)) return false;
    if (!model->equations) model->equations = equations_derive(model->model);
    if (!model->equations || diag_error_count(model->diags)) return false;
    if (!discretises(model->equations)) return false;
    return experiment_check(model->model, false) && !diag_error_count(model->diags);
}

static ExprStyle expr_style_of(LequelNotation notation) {
    static const ExprStyle styles[] = {[LEQUEL_TEXT] = EXPR_TEXT,
                                       [LEQUEL_UNICODE] = EXPR_UNICODE,
                                       [LEQUEL_LATEX] = EXPR_LATEX,
                                       [LEQUEL_HTML] = EXPR_MATHML};
    return styles[notation];
}

static bool derives(LequelModel *model) {
    if (!lequel_model_good(model)) return false;
    if (!model->equations) model->equations = equations_derive(model->model);
    return model->equations && !diag_error_count(model->diags);
}

// The steps of a model: the one for training, or a forward and a backward one under an offline principle.
static bool take_steps(LequelModel *model, Step **step, Step **backward) {
    *step = *backward = NULL;
    if (!derives(model)) return false;
    bool online = principle_find(model->model->dynamics.principle)->course == COURSE_ONLINE;
    *step = step_discretise(model->equations, online ? STEP_TRAIN : STEP_FORWARD);
    if (*step && !online) *backward = step_backward(model->equations);
    return *step && (online || *backward);
}

char *lequel_model_derive(LequelModel *model, LequelNotation notation) {
    Step *step, *backward;
    Text out = {0};
    bool good = take_steps(model, &step, &backward);
    if (good) derivation_print(model->equations, step, backward, expr_style_of(notation), &out);
    step_free(step);
    step_free(backward);
    return good ? hand_over(&out) : NULL;
}

// The first error as a plain line.
static const char *first_error(const LequelModel *model, Arena *arena) {
    char *text = lequel_model_diagnostics(model, LEQUEL_PLAIN);
    const char *line = arena_atom(arena, text, strcspn(text, "\n"));
    lequel_text_free(text);
    return line;
}

// Each principle has a model of its own, opened anew: a principle that is refused leaves its diagnostics there.
char *lequel_model_principles(LequelModel *model, LequelNotation notation) {
    if (!lequel_model_good(model)) return NULL;
    LequelModel *models[PRINCIPLE_COUNT];
    DerivationVariant variants[PRINCIPLE_COUNT];
    LequelModelOptions options = {.network = model->options.network,
                                  .experiment = model->options.experiment,
                                  .defines = model->options.defines,
                                  .define_count = model->options.define_count};
    for (uint32_t kind = 0; kind < PRINCIPLE_COUNT; kind++) {
        bool asked = kind == (uint32_t)model->model->dynamics.principle;
        options.dynamics = asked ? model->options.dynamics : principle_name((PrincipleKind)kind);
        LequelModel *own = models[kind] = lequel_model_open(model->path, &options);
        Step *step, *backward;
        bool good = take_steps(own, &step, &backward);
        variants[kind] =
            (DerivationVariant){.name = principle_name((PrincipleKind)kind), .step = step, .backward = backward};
        if (good)
            variants[kind].equations = own->equations;
        else
            variants[kind].refusal = first_error(own, model->arena);
    }
    Text out = {0};
    derivation_compare(model->model, variants, PRINCIPLE_COUNT, expr_style_of(notation), &out);
    for (uint32_t kind = 0; kind < PRINCIPLE_COUNT; kind++) {
        step_free((Step *)variants[kind].step);
        step_free((Step *)variants[kind].backward);
        lequel_model_free(models[kind]);
    }
    return hand_over(&out);
}

char *lequel_model_locality(LequelModel *model, LequelNotation notation, bool json) {
    if (!derives(model)) return NULL;
    Text out = {0};
    locality_print(model->equations, notation == LEQUEL_UNICODE && !json ? EXPR_UNICODE : EXPR_TEXT, json, &out);
    return hand_over(&out);
}

char *lequel_model_gradcheck(LequelModel *model, const LequelGradcheckOptions *options, bool *agrees, char **error) {
    Text out = {0}, sentence = {0};
    GradcheckPlan plan = {.model = model->options,
                          .principles = options->principles,
                          .principle_count = options->principle_count,
                          .window = {options->settle, options->steps, options->batch, options->seed},
                          .elements = options->elements,
                          .tolerance = options->tolerance};
    const GradcheckReport *report = gradcheck_run(model->arena, model->diags, &plan, &sentence);
    if (report && options->json)
        gradcheck_json(report, &out);
    else if (report)
        gradcheck_print(report, &out);
    if (report && agrees) *agrees = report->agrees;
    bool good = settle(report != NULL, &sentence, error);
    return good ? hand_over(&out) : NULL;
}

LequelAnalysis *lequel_analysis_new(LequelModel *model, const LequelAnalysisOptions *options, char **error) {
    static const LequelAnalysisOptions none = {0};
    if (!options) options = &none;
    Text sentence = {0};
    Analysis *analysis = NULL;
    if (lequel_model_good(model) && !model->equations) model->equations = equations_derive(model->model);
    AnalyzeOptions inner = {.neuron = options->neuron, .omegas = options->omegas, .omega_count = options->omega_count};
    if (model->equations) analysis = analysis_of_model(model->equations, &inner, options->seed, &sentence);
    if (!analysis && !sentence.length) text_add(&sentence, "the model has errors");
    settle(analysis != NULL, &sentence, error);
    return (LequelAnalysis *)(void *)analysis;
}

void lequel_analysis_free(LequelAnalysis *analysis) { analysis_free((Analysis *)(void *)analysis); }

char *lequel_analysis_print(const LequelAnalysis *analysis, LequelAnalysisForm form) {
    const Analysis *inner = (const Analysis *)(const void *)analysis;
    Text out = {0};
    if (form == LEQUEL_ANALYSIS_SVG)
        analysis_svg(inner, &out);
    else
        (form == LEQUEL_ANALYSIS_JSON ? analysis_json : analysis_print)(inner, &out);
    return hand_over(&out);
}

char *lequel_model_dump(const LequelModel *model, const char *what) {
    Text out = {0};
    if (strcmp(what, "ast") == 0 && model->file)
        ast_dump(model->file, &out);
    else if (strcmp(what, "model") == 0 && model->model)
        model_dump(model->model, &out);
    else
        return NULL;
    return hand_over(&out);
}

char *lequel_format(const char *name, const char *text, size_t length, LequelStyle style, char **error) {
    Arena *arena = arena_new();
    Diagnostics *diags = diag_new(arena);
    uint32_t source = diag_add_source(diags, name, text, length);
    Ast *file = ast_parse(arena, diags, source, text, length);
    bool good = !diag_error_count(diags);
    Text out = {0}, sentence = {0};
    if (good)
        ast_format(file, text, length, &out);
    else
        diag_print(diags, style_of(style), &sentence);
    settle(good, &sentence, error);
    arena_free(arena);
    return good ? hand_over(&out) : NULL;
}

// ---- Explanations ---------------------------------------------------------------------------------------------------

static void nearest_code(const char *code, Text *out) {
    const char *codes[DIAG_COUNT];
    for (int i = 0; i < DIAG_COUNT; i++) codes[i] = diag_entry((DiagCode)i)->code;
    const char *nearest = diag_nearest(code, codes, DIAG_COUNT);
    text_addf(out, "there is no diagnostic `%s`", code);
    if (nearest) text_addf(out, "; did you mean `%s`?", nearest);
}

static void indent(const char *text, Text *out) {
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        text_add(out, length ? "    " : "");
        text_add_bytes(out, line, length);
        text_add(out, "\n");
        line += length + (line[length] == '\n');
    }
}

char *lequel_explain(const char *code, char **error) {
    const DiagEntry *entry = diag_find(code);
    Text out = {0}, sentence = {0};
    if (!entry) {
        nearest_code(code, &sentence);
    } else {
        text_addf(&out, "%s: %s\n\n%s\n\nWhat to do: %s\n", entry->code, entry->title, entry->cause, entry->remedy);
        if (entry->example[0]) text_add(&out, "\nAn example that produces it:\n\n");
        indent(entry->example, &out);
    }
    return settle(entry != NULL, &sentence, error) ? hand_over(&out) : NULL;
}

char *lequel_explain_all(void) {
    Text out = {0};
    text_add(
        &out,
        "# Diagnostics\n\nEvery error and warning has a code that never changes its meaning. Codes that begin with "
        "W are warnings.\n`lequel explain CODE` prints one of these entries.\n");
    for (int i = 0; i < DIAG_COUNT; i++) {
        const DiagEntry *entry = diag_entry((DiagCode)i);
        text_addf(&out, "\n## %s: %s\n\n%s\n\nWhat to do: %s\n", entry->code, entry->title, entry->cause,
                  entry->remedy);
        if (entry->example[0]) text_add(&out, "\nExample:\n\n");
        indent(entry->example, &out);
    }
    return hand_over(&out);
}

// ---- Programs -------------------------------------------------------------------------------------------------------

static bool find_backend(const char *name, ProgramBackend *backend, Text *error) {
    static const char *const names[] = {"jit", "reference", "loops", NULL};
    static const ProgramBackend backends[] = {PROGRAM_JIT, PROGRAM_REFERENCE, PROGRAM_LOOPS};
    *backend = PROGRAM_JIT;
    for (int i = 0; name && names[i]; i++)
        if (strcmp(names[i], name) == 0) return *backend = backends[i], true;
    if (name) text_addf(error, "there is no back end `%s`; there are jit, reference, loops", name);
    return !name;
}

char *lequel_cache_folder(void) { return cache_default_folder(); }

bool lequel_program_cached(const LequelProgram *program) { return program_was_cached(program->program); }

bool lequel_cache_size(const char *folder, bool clear, LequelCacheSize *size, char **error) {
    Text sentence = {0};
    Cache cache;
    bool good = cache_open(&cache, folder, &sentence);
    if (good) {
        CacheSize found = clear ? cache_clear(&cache) : cache_measure(&cache);
        *size = (LequelCacheSize){found.files, found.bytes, cache_limit()};
        cache_close(&cache);
    }
    return settle(good, &sentence, error);
}

static Program *compile(LequelProgram *program, const LequelProgramOptions *options, Text *error) {
    Model *model = program->model->model;
    ProgramBackend backend;
    if (!find_backend(options->backend, &backend, error)) return NULL;
    if (backend == PROGRAM_REFERENCE && options->single) {
        text_add(error, "the reference back end computes in double only");
        return NULL;
    }
    NameList names = {0};
    experiment_recorded(model, options->records, options->record_count, &names);
    ProgramOptions inner = {.real = options->single ? LOOP_F32 : LOOP_F64,
                            .backend = backend,
                            .level = options->level ? options->level : 1,
                            .deterministic = options->deterministic,
                            .debug = options->debug,
                            .recorded = names.items,
                            .recorded_count = names.count,
                            .dump = options->dump,
                            .background = options->background,
                            .threads = options->threads};
    char *folder = options->cache || backend != PROGRAM_JIT ? NULL : cache_default_folder();
    inner.cache = options->cache ? options->cache : folder;
    Program *result = program_new(model, &inner, &program->dump, error);
    if (result) program_check_stability(result, options->single ? SINGLE_ROUNDING : DOUBLE_ROUNDING);
    if (!result && !diag_error_count(model->diags)) experiment_check(model, true); // says where a wrong name stands
    vec_free(&names);
    free(folder);
    return result;
}

LequelProgram *lequel_program_new(LequelModel *model, const LequelProgramOptions *options, char **error) {
    Text sentence = {0};
    if (!lequel_model_good(model)) {
        text_add(&sentence, "the model has errors");
        settle(false, &sentence, error);
        return NULL;
    }
    LequelProgram *program = memory_resize(NULL, 1, sizeof *program);
    *program = (LequelProgram){.model = model,
                               .precision = options->single ? "float" : "double",
                               .backend = options->backend ? options->backend : "jit",
                               .arena = arena_new()};
    program->backend = arena_atom_z(program->arena, program->backend);
    program->program = compile(program, options, &sentence);
    bool good = settle(program->program != NULL, &sentence, error);
    if (good) return program;
    lequel_program_free(program);
    return NULL;
}

void lequel_program_free(LequelProgram *program) {
    if (!program) return;
    if (program->program) program_free(program->program);
    text_free(&program->dump);
    arena_free(program->arena);
    free(program);
}

const char *lequel_program_dump(const LequelProgram *program) { return text_z(&program->dump); }

uint32_t lequel_program_phases(const LequelProgram *program, LequelPhase *phases, uint32_t room) {
    ProgramTimes times = program_times(program->program);
    double parse = program->model->model->parse_seconds;
    bool beside = times.code.background;
    const LequelPhase all[] = {
        {"parse", parse, false},
        {"check", program->model->seconds - parse, false},
        {"derive", times.derive, false},
        {"step", times.discretise, false},
        {"fuse", times.fuse, false},
        {"cache", times.code.cache, false},
        {"open LLVM", times.code.open, beside},
        {"IR", times.code.build, beside},
        {"passes", times.code.passes, beside},
        {"code generation", times.code.codegen, beside},
        {"link", times.code.link, beside},
        {"waiting for code", times.code.waited, false},
    };
    uint32_t count = sizeof all / sizeof *all;
    if (phases) memcpy(phases, all, (count < room ? count : room) * sizeof *all);
    return count;
}

static const char *role_word(SymbolRole role) {
    switch (role) {
    case ROLE_INPUT: return "input";
    case ROLE_PARAMETER: return "parameter";
    case ROLE_WEIGHT: return "weight";
    case ROLE_STATE: return "state";
    case ROLE_REGISTER: return "register";
    case ROLE_OPTIMISER: return "optimiser";
    case ROLE_SCALAR: return "scalar";
    case ROLE_SIGNAL:
    case ROLE_LEAF:
    case ROLE_DRIVE: break;
    }
    return "signal";
}

static bool is_learned(const Model *model, Symbol symbol) {
    for (uint32_t r = 0; r < model->learn.count; r++)
        for (uint32_t i = 0; i < model->learn.items[r].targets.count; i++)
            if (model->learn.items[r].targets.items[i] == symbol) return true;
    return false;
}

uint32_t lequel_program_array_count(const LequelProgram *program) { return program_array_count(program->program); }

LequelArray lequel_program_array(const LequelProgram *program, uint32_t array) {
    const ProgramArray *inner = program_array(program->program, array);
    Text unit = {0};
    unit_print(inner->unit, &unit);
    LequelArray result = {.name = inner->name,
                          .role = role_word(inner->role),
                          .rank = inner->rank,
                          .batched = inner->batched,
                          .unit = arena_atom_z(program->arena, text_z(&unit)),
                          .stored = inner->stored,
                          .learned = is_learned(program->model->model, inner->symbol)};
    text_free(&unit);
    for (uint32_t i = 0; i < inner->rank; i++) result.extent[i] = inner->extent[i];
    return result;
}

int64_t lequel_program_find(const LequelProgram *program, const char *name) {
    return program_find(program->program, name);
}
int64_t lequel_program_bytes(const LequelProgram *program, int64_t batch) {
    return program_bytes(program->program, batch);
}

// ---- Instances ------------------------------------------------------------------------------------------------------

LequelInstance *lequel_instance_new(const LequelProgram *program, int64_t batch, uint64_t seed, LequelInstance *weights,
                                    char **error) {
    Text sentence = {0};
    Instance *instance = NULL;
    if (batch < 1)
        text_addf(&sentence, "a batch of %lld samples", (long long)batch);
    else
        instance = instance_new(program->program, batch, seed, inside(weights), &sentence);
    settle(instance != NULL, &sentence, error);
    return (LequelInstance *)(void *)instance;
}

void lequel_instance_free(LequelInstance *instance) {
    if (instance) instance_free(inside(instance));
}

int64_t lequel_instance_steps(const LequelInstance *instance) { return instance_steps(inside_const(instance)); }

void lequel_instance_step(LequelInstance *instance, bool train) {
    instance_step(inside(instance), train ? ENTRY_TRAIN : ENTRY_EVALUATE, train);
}

void lequel_instance_advance(LequelInstance *instance, int64_t steps, bool train) {
    stretch_advance(inside(instance), train ? ENTRY_TRAIN : ENTRY_EVALUATE, train, steps);
}

int64_t lequel_instance_length(const LequelInstance *instance, uint32_t array) {
    return instance_length(inside_const(instance), array);
}

void lequel_instance_get(const LequelInstance *instance, uint32_t array, double *values) {
    instance_get(inside_const(instance), array, values);
}

void lequel_instance_set(LequelInstance *instance, uint32_t array, const double *values) {
    instance_set(inside(instance), array, values);
}

double lequel_instance_cost(const LequelInstance *instance) { return instance_mean_cost(inside_const(instance)); }

// ---- Experiments ----------------------------------------------------------------------------------------------------

bool lequel_run(LequelProgram *program, const LequelRunOptions *options, LequelRunReport *report, char **error) {
    const LequelModel *model = program->model;
    RunOptions inner = {.seed = options->seed,
                        .epochs = options->epochs,
                        .steps = options->steps,
                        .out = options->out,
                        .records = options->records,
                        .record_count = options->record_count,
                        .every = options->every,
                        .inits = options->inits,
                        .init_count = options->init_count,
                        .progress = options->progress,
                        .terminal = options->terminal,
                        .catch_signals = options->catch_signals,
                        .started = options->started,
                        .save_states = options->save_states,
                        .resume = options->resume,
                        .checkpoint_seconds = options->checkpoint_seconds,
                        .checkpoint_steps = options->checkpoint_steps,
                        .trap = options->trap,
                        .memory_limit = options->memory_limit,
                        .command = options->command,
                        .arguments = options->arguments,
                        .argument_count = options->argument_count,
                        .model_path = model->path,
                        .version = LEQUEL_VERSION,
                        .precision = program->precision,
                        .backend = program->backend,
                        .defines = model->options.defines,
                        .define_count = model->options.define_count};
    RunReport done = {0};
    Text sentence = {0};
    bool good = experiment_check(model->model, options->epochs >= 0);
    if (!good) text_add(&sentence, "the experiment has errors: see the diagnostics of its model");
    if (good) good = experiment_run(program->program, &inner, &done, &sentence);
    if (report)
        *report = (LequelRunReport){done.interrupted, done.was_complete, done.resumed, done.steps, done.seconds,
                                    done.first_step,  done.files,        done.ready,   done.data};
    return settle(good, &sentence, error);
}

bool lequel_compare(const char *left, const char *right, char **report, uint32_t *files, uint32_t *different,
                    char **error) {
    Text lines = {0}, sentence = {0};
    bool good = folders_compare(left, right, &lines, files, different, &sentence);
    if (report) *report = hand_over(&lines);
    text_free(&lines);
    return settle(good, &sentence, error);
}

void lequel_results_remove(const char *folder) { results_remove(folder); }

bool lequel_plot(const char *folder, const LequelPlotPart *part, char **report, char **error) {
    Text lines = {0}, sentence = {0};
    PlotPart drawn = {-INFINITY, INFINITY, false, false};
    if (part) drawn = (PlotPart){part->from, part->to, part->from_ms, part->to_ms};
    bool good = plot_directory(folder, &drawn, &lines, &sentence);
    if (report) *report = hand_over(&lines);
    text_free(&lines);
    return settle(good, &sentence, error);
}

// ---- Code for elsewhere ---------------------------------------------------------------------------------------------

bool lequel_emit_c(LequelModel *model, const LequelEmitOptions *options, const char *folder, LequelEmitSizes *sizes,
                   char **error) {
    Text sentence = {0}, nowhere = {0};
    if (!lequel_model_good(model)) {
        text_add(&sentence, "the model has errors");
        return settle(false, &sentence, error);
    }
    NameList names = {0};
    experiment_recorded(model->model, options->records, options->record_count, &names);
    ProgramOptions inner = {.real = options->single ? LOOP_F32 : LOOP_F64,
                            .backend = PROGRAM_LOOPS,
                            .deterministic = options->deterministic,
                            .calls = true,
                            .recorded = names.items,
                            .recorded_count = names.count};
    EmitRequest request = {.prefix = options->prefix,
                           .weights = options->weights,
                           .states = options->states,
                           .inits = options->inits,
                           .init_count = options->init_count,
                           .batch = options->batch,
                           .inference = options->inference,
                           .simd = options->simd,
                           .fixed = options->fixed,
                           .driver = options->driver,
                           .path = model->path,
                           .version = LEQUEL_VERSION};
    Program *program = program_new(model->model, &inner, &nowhere, &sentence);
    int64_t bytes[2] = {0};
    bool good = program && emit_to_folder(program, &request, folder, bytes, &sentence);
    if (sizes) *sizes = (LequelEmitSizes){bytes[0], bytes[1]};
    if (program) program_free(program);
    vec_free(&names);
    text_free(&nowhere);
    return settle(good, &sentence, error);
}

bool lequel_emit_measure(const char *compiler, const char *folder, const char *prefix, int64_t *flash, char **error) {
    Text sentence = {0};
    return settle(measure_source(compiler, folder, prefix, flash, &sentence), &sentence, error);
}

char *lequel_program_code(const LequelProgram *program, const char *what, const char *cpu, size_t *length,
                          char **error) {
    Text code = {0}, sentence = {0};
    bool good = emit_code(program->program, what, cpu, program->model->path, &code, &sentence);
    *length = code.length;
    if (settle(good, &sentence, error)) return hand_over(&code);
    text_free(&code);
    return NULL;
}

// ---- Small things ---------------------------------------------------------------------------------------------------

char *lequel_file_read(const char *path, size_t *length, char **error) {
    Text text = {0}, sentence = {0};
    bool good = file_read(path, &text, &sentence);
    settle(good, &sentence, error);
    *length = text.length;
    if (good) return hand_over(&text);
    text_free(&text);
    return NULL;
}

bool lequel_file_replace(const char *path, const char *bytes, size_t length, char **error) {
    Text sentence = {0};
    return settle(file_replace(path, bytes, length, &sentence), &sentence, error);
}

bool lequel_folder_make(const char *path, char **error) {
    Text sentence = {0};
    return settle(folder_make(path, &sentence), &sentence, error);
}

const char *lequel_nearest(const char *word, const char *const *words) {
    uint32_t count = 0;
    while (words[count]) count++;
    return diag_nearest(word, words, count);
}
