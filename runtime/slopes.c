// Slopes of a window's cost, by complex steps through the reference walk or by differences of two forward runs.
#include "program_internal.h"
#include "window.h"
#include <math.h>
#include <string.h>

typedef struct ComplexArrays { // per symbol; dense, the batch last
    double complex **start, **old, **now;
    int64_t *counts;
} ComplexArrays;

struct Slopes {
    const Program *program;
    const WindowData *data;
    Instance *instance; // at the start of the window
    Program *reference; // complex steps: the same model, walked
    Instance *walked;   // in the state of `instance`
    Step *forward;      // with constant(…) kept
    ComplexArrays arrays;
    double **saved; // differences: all arrays at the start of the window
};

// ---- Work -----------------------------------------------------------------------------------------------------------

typedef struct Cost {
    const ExprStore *store;
    double *known; // per handle; negative: not yet
    double batch;
} Cost;

static double cost_of(Cost *cost, Expr expr) {
    if (cost->known[expr] >= 0) return cost->known[expr];
    ExprNode node = expr_node(cost->store, expr);
    double total = 1;
    for (uint32_t i = 0; i < node.count && node.kind != EXPR_ACCESS; i++) total += cost_of(cost, node.argument[i]);
    if (node.kind == EXPR_SUM || node.kind == EXPR_MAXIMUM)
        total *= node.index == INDEX_BATCH ? cost->batch : (double)index_info(cost->store, node.index)->extent;
    return cost->known[expr] = total;
}

// Nodes evaluated in one step.
static double step_work(const Step *step, int64_t batch) {
    const ExprStore *store = step->model->store;
    Cost cost = {store, memory_resize(NULL, expr_count(store) + 1, sizeof(double)), (double)batch};
    for (uint32_t i = 0; i <= expr_count(store); i++) cost.known[i] = -1;
    double total = 0;
    for (uint32_t i = 0; i < step->assigns.count; i++) {
        const SymbolInfo *info = symbol_info(store, step->assigns.items[i].symbol);
        double elements = info->batched ? (double)batch : 1;
        for (uint32_t k = 0; k < info->rank; k++) elements *= info->extent[k];
        total += elements * cost_of(&cost, step->assigns.items[i].value);
    }
    free(cost.known);
    return total;
}

// ---- Complex steps --------------------------------------------------------------------------------------------------

static int64_t dense_count(const SymbolInfo *info, int64_t batch) {
    int64_t count = info->batched ? batch : 1;
    for (uint32_t k = 0; k < info->rank; k++) count *= info->extent[k];
    return count;
}

static void copy_values(const Instance *from, Instance *to) {
    const Program *source = from->program, *target = to->program;
    for (uint32_t a = 0; a < program_array_count(target); a++) {
        const ProgramArray *array = program_array(target, a);
        int64_t other = program_find(source, array->name);
        if (other < 0 || !array->stored || !program_array(source, (uint32_t)other)->stored) continue;
        double *values = memory_resize(NULL, (size_t)instance_length(to, a) + 1, sizeof *values);
        instance_get(from, (uint32_t)other, values);
        instance_set(to, a, values);
        free(values);
    }
}

static void make_arrays(Slopes *s) {
    const Program *p = s->reference;
    const ExprStore *store = p->model->store;
    const Fused *fused = s->walked->form->fused;
    uint32_t symbols = symbol_count(store) + 1;
    ComplexArrays *a = &s->arrays;
    a->start = memory_resize(NULL, symbols, sizeof *a->start);
    a->old = memory_resize(NULL, symbols, sizeof *a->old);
    a->now = memory_resize(NULL, symbols, sizeof *a->now);
    a->counts = memory_resize(NULL, symbols, sizeof *a->counts);
    for (Symbol symbol = 0; symbol < symbols; symbol++) {
        a->counts[symbol] = symbol ? dense_count(symbol_info(store, symbol), s->data->plan.batch) : 0;
        size_t count = (size_t)a->counts[symbol] + 1;
        a->start[symbol] = memory_resize(NULL, count, sizeof(double complex));
        a->old[symbol] = memory_resize(NULL, count, sizeof(double complex));
        a->now[symbol] = memory_resize(NULL, count, sizeof(double complex));
        bool stored = symbol && symbol < fused->array_of.count && fused->array_of.items[symbol];
        const double *from = stored ? s->walked->current[fused->array_of.items[symbol] - 1] : NULL;
        for (int64_t i = 0; i < a->counts[symbol]; i++) a->start[symbol][i] = from ? from[i] : 0;
    }
}

static void free_arrays(Slopes *s) {
    uint32_t symbols = s->reference ? symbol_count(s->reference->model->store) + 1 : 0;
    for (Symbol symbol = 0; s->arrays.start && symbol < symbols; symbol++) {
        free(s->arrays.start[symbol]);
        free(s->arrays.old[symbol]);
        free(s->arrays.now[symbol]);
    }
    free(s->arrays.start);
    free(s->arrays.old);
    free(s->arrays.now);
    free(s->arrays.counts);
}

// Sample-last, as the reference walk has its arrays.
static void feed_complex(Slopes *s, int64_t n) {
    const Model *model = s->reference->model;
    const double *values = s->data->values + n * s->data->width;
    int64_t batch = s->data->plan.batch;
    for (uint32_t e = 0; e < model->externals.count; e++) {
        const External *external = &model->externals.items[e];
        double complex *to = s->arrays.now[external->symbol];
        for (int64_t b = 0; b < batch; b++)
            for (int64_t i = 0; i < external->size; i++) to[i * batch + b] = values[b * external->size + i];
        values += batch * external->size;
    }
    for (uint32_t k = 0; k < model->noises.count; k++) {
        Symbol noise = model->noises.items[k];
        RandomStream stream = instance_noise(model, noise, s->data->plan.seed, n);
        int64_t size = symbol_info(model->store, noise)->extent[0];
        for (int64_t b = 0; b < batch; b++)
            for (int64_t i = 0; i < size; i++)
                s->arrays.now[noise][i * batch + b] = random_normal(&stream, (uint64_t)(b * size + i));
    }
}

static double complex_slope(Slopes *s, Symbol parameter, const double *direction) {
    const double h = 1e-100;
    ComplexArrays *a = &s->arrays;
    uint32_t symbols = symbol_count(s->reference->model->store) + 1;
    double total = 0;
    for (Symbol k = 1; k < symbols; k++) memcpy(a->now[k], a->start[k], (size_t)a->counts[k] * sizeof(double complex));
    for (int64_t i = 0; i < a->counts[parameter]; i++)
        ((double *)&a->now[parameter][i])[1] = h * direction[i]; // the imaginary part, by the layout that C prescribes
    for (int64_t n = 0; n < s->data->plan.steps; n++) {
        feed_complex(s, s->data->plan.settle + n);
        for (Symbol k = 1; k < symbols; k++)
            memcpy(a->old[k], a->now[k], (size_t)a->counts[k] * sizeof(double complex));
        step_reference_complex(s->forward, a->old, a->now, s->data->plan.batch, 0);
        for (int64_t b = 0; b < s->data->plan.batch; b++) total += cimag(a->now[s->forward->objective][b]);
    }
    return total / h / (double)s->data->plan.batch;
}

static bool prepare_complex(Slopes *s, Text *error) {
    ProgramOptions options = {.real = LOOP_F64, .backend = PROGRAM_REFERENCE};
    s->reference = program_new(s->program->model, &options, NULL, error);
    if (!s->reference) return false;
    s->walked = instance_new(s->reference, s->data->plan.batch, s->data->plan.seed, NULL, error);
    if (!s->walked) return false;
    copy_values(s->instance, s->walked);
    make_arrays(s);
    return true;
}

// ---- Differences ----------------------------------------------------------------------------------------------------

static void save_all(Slopes *s) {
    uint32_t count = program_array_count(s->program);
    s->saved = memory_resize(NULL, count + 1, sizeof *s->saved);
    for (uint32_t a = 0; a < count; a++) {
        s->saved[a] = memory_resize(NULL, (size_t)instance_length(s->instance, a) + 1, sizeof(double));
        instance_get(s->instance, a, s->saved[a]);
    }
}

static double cost_at(Slopes *s, uint32_t parameter, const double *direction, double t) {
    for (uint32_t a = 0; a < program_array_count(s->program); a++)
        if (program_array(s->program, a)->stored) instance_set(s->instance, a, s->saved[a]);
    int64_t length = instance_length(s->instance, parameter);
    double *values = memory_resize(NULL, (size_t)length + 1, sizeof *values), total = 0;
    for (int64_t i = 0; i < length; i++) values[i] = s->saved[parameter][i] + t * direction[i];
    instance_set(s->instance, parameter, values);
    s->instance->steps = s->data->plan.settle; // the same noise each time
    for (int64_t n = 0; n < s->data->plan.steps; n++) {
        window_feed(s->data, s->instance, s->data->plan.settle + n);
        instance_step(s->instance, ENTRY_EVALUATE, false);
        total += instance_mean_objective(s->instance);
    }
    free(values);
    return total;
}

static double difference_slope(Slopes *s, uint32_t parameter, const double *direction) {
    int64_t length = instance_length(s->instance, parameter);
    double size = 0, scale = 0;
    for (int64_t i = 0; i < length; i++) {
        size = fmax(size, fabs(direction[i]));
        scale = fmax(scale, fabs(s->saved[parameter][i]));
    }
    if (size == 0) return 0;
    double h = 2e-4 * fmax(scale, 0.05) / size;
    double near = cost_at(s, parameter, direction, h) - cost_at(s, parameter, direction, -h);
    double far = cost_at(s, parameter, direction, 2 * h) - cost_at(s, parameter, direction, -2 * h);
    return (8 * near - far) / (12 * h);
}

// ---- The two --------------------------------------------------------------------------------------------------------

Slopes *slopes_new(const Program *program, const WindowData *data, double work, Text *error) {
    Slopes *s = memory_resize(NULL, 1, sizeof *s);
    *s = (Slopes){.program = program, .data = data};
    s->instance = instance_new(program, data->plan.batch, data->plan.seed, NULL, error);
    bool good = s->instance != NULL;
    for (int64_t n = 0; good && n < data->plan.settle; n++) {
        window_feed(data, s->instance, n);
        instance_step(s->instance, ENTRY_EVALUATE, false);
    }
    if (good) s->forward = step_discretise(program->equations, STEP_FORWARD);
    good = good && s->forward;
    if (good && step_work(s->forward, data->plan.batch) * (double)data->plan.steps <= work)
        good = prepare_complex(s, error);
    else if (good)
        save_all(s);
    if (good) return s;
    slopes_free(s);
    return NULL;
}

void slopes_free(Slopes *s) {
    if (!s) return;
    free_arrays(s);
    for (uint32_t a = 0; s->saved && a < program_array_count(s->program); a++) free(s->saved[a]);
    free(s->saved);
    instance_free(s->walked);
    program_free(s->reference);
    step_free(s->forward);
    instance_free(s->instance);
    free(s);
}

bool slopes_are_complex(const Slopes *s) { return s->reference != NULL; }

double slopes_along(Slopes *s, const char *parameter, const double *direction) {
    if (s->reference) return complex_slope(s, symbol_find(s->reference->model->store, parameter), direction);
    return difference_slope(s, (uint32_t)program_find(s->program, parameter), direction);
}
