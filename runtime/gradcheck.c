// lequel gradcheck: bptt is the measure, since it is exact; numerical derivatives say whether it is.
#include "gradcheck.h"
#include "data/random.h"
#include "module.h"
#include <math.h>
#include <string.h>

typedef struct Check {
    Arena *arena;
    Diagnostics *diags;
    const GradcheckPlan *plan;
    GradcheckReport *report;
    WindowPlan window;
    Text *error;
} Check;

// ---- Comparing ------------------------------------------------------------------------------------------------------

static Agreement compare(Atom name, const double *g, const double *h, int64_t count) {
    double gg = 0, hh = 0, gh = 0, worst = 0, largest = 0;
    for (int64_t i = 0; i < count; i++) {
        gg += g[i] * g[i];
        hh += h[i] * h[i];
        gh += g[i] * h[i];
        double apart = fabs(g[i] - h[i]);
        worst = isfinite(apart) ? fmax(worst, apart) : INFINITY; // fmax would pass over NaN
        largest = fmax(largest, fabs(h[i]));
    }
    if (!isfinite(gg) || !isfinite(hh)) worst = NAN; // fmax passes over it
    double lengths = sqrt(gg) * sqrt(hh);
    if (!isfinite(gg + hh)) return (Agreement){name, count, NAN, NAN, INFINITY};
    return (Agreement){.parameter = name,
                       .elements = count,
                       .cosine = lengths > 0 ? gh / lengths
                                 : gg == hh  ? 1
                                             : 0,
                       .ratio = hh > 0   ? sqrt(gg / hh)
                                : gg > 0 ? INFINITY
                                         : 1,
                       .deviation = largest > 0 ? worst / largest
                                    : worst > 0 ? INFINITY
                                                : 0};
}

// All parameters as one long list.
static Agreement compare_all(const Gradients *g, const Gradients *h) {
    int64_t total = 0, at = 0;
    for (uint32_t i = 0; i < g->count; i++) total += g->lengths[i];
    double *a = memory_resize(NULL, (size_t)total + 1, sizeof *a),
           *b = memory_resize(NULL, (size_t)total + 1, sizeof *b);
    for (uint32_t i = 0; i < g->count; at += g->lengths[i++]) {
        memcpy(a + at, g->values[i], (size_t)g->lengths[i] * sizeof *a);
        memcpy(b + at, h->values[i], (size_t)h->lengths[i] * sizeof *b);
    }
    Agreement all = compare("all", a, b, total);
    free(a);
    free(b);
    return all;
}

// ---- Numerical derivatives ------------------------------------------------------------------------------------------

// The element with the largest gradient, and others at random.
static int64_t choose(const Check *check, const Gradients *exact, uint32_t parameter, int64_t k) {
    const double *g = exact->values[parameter];
    int64_t count = exact->lengths[parameter], largest = 0;
    if (check->plan->elements >= count) return k;
    for (int64_t i = 1; i < count; i++)
        if (fabs(g[i]) > fabs(g[largest])) largest = i;
    if (k == 0) return largest;
    RandomStream stream = random_stream(check->window.seed, exact->names[parameter]);
    return (int64_t)random_below(&stream, (uint64_t)k, (uint64_t)count);
}

static Agreement check_parameter(const Check *check, Slopes *slopes, const Gradients *exact, uint32_t parameter) {
    int64_t length = exact->lengths[parameter];
    int64_t count = check->plan->elements < length ? check->plan->elements : length;
    const double *g = exact->values[parameter];
    double *direction = memory_resize(NULL, (size_t)length + 1, sizeof *direction);
    double *mine = memory_resize(NULL, (size_t)count + 2, sizeof *mine);
    double *theirs = memory_resize(NULL, (size_t)count + 2, sizeof *theirs);
    double norm = 0;
    for (int64_t i = 0; i < length; i++) norm += g[i] * g[i];
    norm = sqrt(norm);
    for (int64_t i = 0; i < length; i++) direction[i] = norm > 0 ? g[i] / norm : 1; // along the gradient: all elements
    mine[count] = norm;
    theirs[count] = slopes_along(slopes, exact->names[parameter], direction);
    for (int64_t k = 0; k < count; k++) {
        int64_t element = choose(check, exact, parameter, k);
        memset(direction, 0, (size_t)length * sizeof *direction);
        direction[element] = 1;
        mine[k] = g[element];
        theirs[k] = slopes_along(slopes, exact->names[parameter], direction);
    }
    Agreement result = compare(exact->names[parameter], mine, theirs, count + 1);
    result.elements = count;
    free(direction);
    free(mine);
    free(theirs);
    return result;
}

static bool check_numbers(Check *check, const Program *program, const WindowData *data, const Gradients *exact) {
    GradcheckReport *report = check->report;
    double work = check->plan->work > 0 ? check->plan->work : 2e7;
    Slopes *slopes = slopes_new(program, data, work / (double)(check->plan->elements + 1), check->error);
    if (!slopes) return false;
    report->complex_steps = slopes_are_complex(slopes);
    report->tolerance = check->plan->tolerance > 0 ? check->plan->tolerance : report->complex_steps ? 1e-9 : 1e-5;
    report->numeric = arena_alloc(check->arena, (exact->count + 1) * sizeof *report->numeric);
    report->agrees = true;
    for (uint32_t i = 0; i < exact->count; i++) {
        report->numeric[i] = check_parameter(check, slopes, exact, i);
        report->numeric[i].parameter = arena_atom_z(check->arena, exact->names[i]);
        report->agrees &= report->numeric[i].deviation <= report->tolerance; // false for NaN
    }
    slopes_free(slopes);
    return true;
}

// ---- Principles -----------------------------------------------------------------------------------------------------

// The model under a principle, compiled with its gradients kept. NULL with errors in `diags` or `error`.
static Program *compile(const Check *check, Diagnostics *diags, const char *principle, Model **model, Text *error) {
    ModelOptions options = check->plan->model;
    options.dynamics = principle;
    options.beside = true;
    *model = model_load(check->arena, diags, &options, NULL);
    if (!*model) return NULL;
    Vec(Atom) names = {0};
    for (uint32_t r = 0; r < (*model)->learn.count; r++)
        for (uint32_t t = 0; t < (*model)->learn.items[r].gradients.count; t++)
            vec_push(&names, symbol_info((*model)->store, (*model)->learn.items[r].gradients.items[t])->name);
    Text missing = {0};
    ProgramOptions program_options = {.real = LOOP_F64,
                                      .backend = module_open(&missing) ? PROGRAM_JIT : PROGRAM_LOOPS,
                                      .level = 1,
                                      .recorded = names.items,
                                      .recorded_count = names.count};
    text_free(&missing); // without a code generator the interpreter serves, slowly
    Program *program = NULL;
    if (!names.count)
        text_add(error, "the model learns nothing, so there are no gradients to check");
    else if (!(*model)->cost)
        text_add(error, "the model has no cost, so there are no gradients to check");
    else
        program = program_new(*model, &program_options, NULL, error);
    vec_free(&names);
    return program;
}

static Atom first_message(Arena *arena, const Diagnostics *diags, const Text *error) {
    const char *message = diag_error_count(diags) ? diag_first_message(diags) : text_z(error);
    return arena_atom_z(arena, message ? message : "it cannot be derived");
}

static PrincipleReport judge(Check *check, const char *principle, const WindowData *data, const Gradients *exact) {
    PrincipleReport result = {.name = arena_atom_z(check->arena, principle)};
    Diagnostics *diags = diag_new(check->arena);
    Text error = {0};
    Model *model;
    Gradients own = {0};
    Program *program = compile(check, diags, principle, &model, &error);
    if (!program || !window_gradients(program, data, &own, &error)) {
        result.reason = first_message(check->arena, diags, &error);
    } else {
        result.parameters = arena_alloc(check->arena, (exact->count + 1) * sizeof *result.parameters);
        for (uint32_t i = 0; i < exact->count; i++) {
            Atom name = arena_atom_z(check->arena, exact->names[i]);
            result.parameters[i] = compare(name, own.values[i], exact->values[i], exact->lengths[i]);
        }
        result.all = compare_all(&own, exact);
    }
    gradients_free(&own);
    program_free(program);
    model_free(model);
    text_free(&error);
    return result;
}

// What the plan leaves open: one presentation, or enough steps for the slowest neuron.
static void choose_window(Check *check, const Model *model) {
    WindowPlan *w = &check->window;
    const Experiment *e = model->experiment;
    if (!w->steps) w->steps = e && e->present_steps ? e->present_steps : 400;
    if (!w->batch) w->batch = e && e->batch && e->batch < 8 ? e->batch : 8;
}

static void judge_all(Check *check, const WindowData *data, const Gradients *exact) {
    static const char *const standard[] = {"instant", "le", "gle", "adjoint"};
    const char *const *names = check->plan->principles ? check->plan->principles : standard;
    GradcheckReport *report = check->report;
    report->principle_count = check->plan->principles ? check->plan->principle_count : 4;
    report->principles = arena_alloc(check->arena, (report->principle_count + 1) * sizeof *report->principles);
    for (uint32_t i = 0; i < report->principle_count; i++) report->principles[i] = judge(check, names[i], data, exact);
}

// Whether a principle was written as it must be. One that the model cannot be derived under is another matter: that is
// part of the report.
static bool is_readable(const Check *check, const char *principle) {
    Diagnostics *diags = diag_new(check->arena);
    ModelOptions options = check->plan->model;
    options.dynamics = principle;
    options.beside = true;
    Model *model = model_load(check->arena, diags, &options, NULL);
    bool readable = model != NULL;
    if (!readable) diag_print(diags, DIAG_PLAIN, check->error);
    model_free(model);
    return readable;
}

GradcheckReport *gradcheck_run(Arena *arena, Diagnostics *diags, const GradcheckPlan *plan, Text *error) {
    Check check = {arena, diags, plan, arena_new_object(arena, GradcheckReport), plan->window, error};
    Model *model;
    WindowData data = {0};
    Gradients exact = {0};
    *check.report = (GradcheckReport){0};
    for (uint32_t i = 0; plan->principles && i < plan->principle_count; i++)
        if (!is_readable(&check, plan->principles[i])) return NULL;
    Program *program = compile(&check, diags, "bptt", &model, error);
    bool good = program != NULL;
    if (good) choose_window(&check, model);
    good = good && window_data_open(program, &check.window, &data, error) &&
           window_gradients(program, &data, &exact, error);
    if (good) {
        check.report->window = check.window;
        check.report->dt = model->dt;
        check.report->in_ms = !unit_is_none(model->time_unit);
        check.report->parameter_count = exact.count;
        good = check_numbers(&check, program, &data, &exact);
    }
    if (good) judge_all(&check, &data, &exact);
    gradients_free(&exact);
    window_data_close(&data);
    program_free(program);
    model_free(model);
    return good ? check.report : NULL;
}

// ---- Reports --------------------------------------------------------------------------------------------------------

static void print_agreement(const Agreement *a, Text *out) {
    text_addf(out, "  %-24s %8lld  %+9.5f  %11.5g  %11.2e\n", a->parameter, (long long)a->elements, a->cosine, a->ratio,
              a->deviation);
}

void gradcheck_print(const GradcheckReport *report, Text *out) {
    const WindowPlan *w = &report->window;
    text_addf(out, "%lld steps of %g%s after %lld, batch %lld, seed %llu; learning frozen, gamma 0\n\n",
              (long long)w->steps, report->dt, report->in_ms ? " ms" : "", (long long)w->settle, (long long)w->batch,
              (unsigned long long)w->seed);
    text_addf(out, "bptt beside %s: %s (deviation up to %g allowed)\n",
              report->complex_steps ? "complex steps" : "central differences of fourth order",
              report->agrees ? "agrees" : "DISAGREES", report->tolerance);
    text_addf(out, "  %-24s %8s  %9s  %11s  %11s\n", "parameter", "checked", "cosine", "norm ratio", "deviation");
    for (uint32_t i = 0; i < report->parameter_count; i++) print_agreement(&report->numeric[i], out);
    for (uint32_t k = 0; k < report->principle_count; k++) {
        const PrincipleReport *p = &report->principles[k];
        text_addf(out, "\n%s beside bptt", p->name);
        if (p->reason) {
            text_addf(out, ": does not apply: %s\n", p->reason);
            continue;
        }
        text_addf(out, "\n  %-24s %8s  %9s  %11s  %11s\n", "parameter", "elements", "cosine", "norm ratio",
                  "deviation");
        for (uint32_t i = 0; i < report->parameter_count; i++) print_agreement(&p->parameters[i], out);
        if (report->parameter_count > 1) print_agreement(&p->all, out);
    }
}

static void json_agreement(const Agreement *a, Text *out) {
    text_add(out, "{\"parameter\": ");
    text_add_json(out, a->parameter);
    text_addf(out, ", \"elements\": %lld, \"cosine\": ", (long long)a->elements);
    text_add_json_number(out, a->cosine);
    text_add(out, ", \"norm_ratio\": ");
    text_add_json_number(out, a->ratio);
    text_add(out, ", \"deviation\": ");
    text_add_json_number(out, a->deviation);
    text_add(out, "}");
}

static void json_list(const Agreement *list, uint32_t count, Text *out) {
    text_add(out, "[");
    for (uint32_t i = 0; i < count; i++) {
        if (i) text_add(out, ", ");
        json_agreement(&list[i], out);
    }
    text_add(out, "]");
}

void gradcheck_json(const GradcheckReport *report, Text *out) {
    const WindowPlan *w = &report->window;
    text_addf(out, "{\"steps\": %lld, \"settle\": %lld, \"batch\": %lld, \"seed\": %llu, \"dt\": ", (long long)w->steps,
              (long long)w->settle, (long long)w->batch, (unsigned long long)w->seed);
    text_add_json_number(out, report->dt);
    text_addf(out, ",\n \"numeric\": {\"method\": \"%s\", \"agrees\": %s, \"tolerance\": %g, \"parameters\": ",
              report->complex_steps ? "complex" : "differences", report->agrees ? "true" : "false", report->tolerance);
    json_list(report->numeric, report->parameter_count, out);
    text_add(out, "},\n \"principles\": [");
    for (uint32_t k = 0; k < report->principle_count; k++) {
        const PrincipleReport *p = &report->principles[k];
        text_add(out, k ? ",\n  {\"name\": " : "\n  {\"name\": ");
        text_add_json(out, p->name);
        if (p->reason) {
            text_add(out, ", \"reason\": ");
            text_add_json(out, p->reason);
        } else {
            text_add(out, ", \"all\": ");
            json_agreement(&p->all, out);
            text_add(out, ", \"parameters\": ");
            json_list(p->parameters, report->parameter_count, out);
        }
        text_add(out, "}");
    }
    text_add(out, "]}\n");
}
