// An analysis at initial values: an instance draws them, as a run would.
#include "analysis.h"
#include "program.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Values { // per symbol: all elements, or NULL
    const ExprStore *store;
    double **of;
    uint32_t count;
} Values;

static double value_at(void *context, Symbol symbol, const int64_t *index, uint32_t count) {
    const Values *values = context;
    if (symbol >= values->count || !values->of[symbol]) return NAN;
    const SymbolInfo *info = symbol_info(values->store, symbol);
    int64_t at = 0;
    for (uint32_t i = 0; i < count && i < info->rank; i++) at = at * info->extent[i] + index[i];
    return values->of[symbol][at];
}

static bool read_values(Model *model, uint64_t seed, Values *values, Text *error) {
    ProgramOptions options = {.real = LOOP_F64, .backend = PROGRAM_LOOPS};
    Program *program = program_new(model, &options, NULL, error);
    Instance *instance = program ? instance_new(program, 1, seed, NULL, error) : NULL;
    values->store = model->store;
    values->count = symbol_count(model->store) + 1;
    values->of = memory_resize(NULL, values->count, sizeof *values->of);
    memset(values->of, 0, values->count * sizeof *values->of);
    for (uint32_t i = 0; instance && i < program_array_count(program); i++) {
        const ProgramArray *array = program_array(program, i);
        if (array->batched || !array->stored) continue;
        values->of[array->symbol] = memory_resize(NULL, (size_t)instance_length(instance, i), sizeof(double));
        instance_get(instance, i, values->of[array->symbol]);
    }
    instance_free(instance);
    program_free(program);
    return instance != NULL;
}

static void values_free(Values *values) {
    for (uint32_t i = 0; i < values->count; i++) free(values->of[i]);
    free(values->of);
}

Analysis *analysis_of_model(const Equations *equations, const AnalyzeOptions *options, uint64_t seed, Text *error) {
    Values values = {0};
    Analysis *analysis = NULL;
    bool good = read_values(equations->model, seed, &values, error);
    Step *step = good ? step_discretise(equations, STEP_TRAIN) : NULL;
    if (step) analysis = analyze(equations, step, options, value_at, &values, error);
    step_free(step);
    values_free(&values);
    return analysis;
}
