// The reference walk of a step: every assignment, element by element and sample by sample, by expr_evaluate.
// Slow and obvious on purpose. It is the oracle that other back ends are compared with and shares no code with them.
#include "step.h"
#include <assert.h>

typedef struct Arrays {
    const ExprStore *store;
    double *const *old, *const *now;
    int64_t batch;
} Arrays;

// Dense and row-major, the batch last: an array of extents e0, e1 holds element (i, j) of sample b at (i*e1 + j)*batch
// + b.
static int64_t place_of(const SymbolInfo *info, const int64_t *index, uint32_t count, int64_t batch) {
    int64_t place = 0;
    for (uint32_t axis = 0; axis < info->rank; axis++) {
        assert(axis < count && index[axis] >= 0 && index[axis] < info->extent[axis] && "an element outside its array");
        place = place * info->extent[axis] + index[axis];
    }
    if (!info->batched) return place;
    assert(count == info->rank + 1 && index[info->rank] >= 0 && index[info->rank] < batch && "no such sample");
    return place * batch + index[info->rank];
}

static double element_of(void *context, Symbol symbol, ExprVersion version, const int64_t *index, uint32_t count) {
    const Arrays *arrays = context;
    const double *values = (version == VERSION_OLD ? arrays->old : arrays->now)[symbol];
    assert(values && "a symbol without storage is read");
    return values[place_of(symbol_info(arrays->store, symbol), index, count, arrays->batch)];
}

typedef struct Walk {
    Arrays arrays;
    const StepAssign *assign;
    const SymbolInfo *info;
    Index axes[EXPR_MAX_RANK];
    int64_t *values; // of index variables, by number
} Walk;

static void assign_element(Walk *walk, int64_t *index) {
    const SymbolInfo *info = walk->info;
    double *out = walk->arrays.now[walk->assign->symbol];
    int64_t samples = info->batched ? walk->arrays.batch : 1;
    for (int64_t b = 0; b < samples; b++) {
        index[info->rank] = walk->values[INDEX_BATCH] = b;
        out[place_of(info, index, info->rank + info->batched, walk->arrays.batch)] = expr_evaluate(
            walk->arrays.store, walk->assign->value, element_of, &walk->arrays, walk->values, walk->arrays.batch);
    }
}

static void assign_axis(Walk *walk, uint32_t axis, int64_t *index) {
    if (axis == walk->info->rank) {
        assign_element(walk, index);
        return;
    }
    for (int64_t i = 0; i < walk->info->extent[axis]; i++) {
        index[axis] = walk->values[walk->axes[axis]] = i;
        assign_axis(walk, axis + 1, index);
    }
}

// Room for the value of every index variable that is free in an assignment: its axes and the batch.
static int64_t *index_values(const Walk *walk) {
    Index last = INDEX_BATCH;
    for (uint32_t axis = 0; axis < walk->info->rank; axis++)
        if (walk->axes[axis] > last) last = walk->axes[axis];
    int64_t *values = memory_resize(NULL, (size_t)last + 1, sizeof *values);
    for (Index i = 0; i <= last; i++) values[i] = 0;
    return values;
}

void step_reference(const Step *step, double *const *old, double *const *now, int64_t batch, uint64_t active) {
    ExprStore *store = step->model->store;
    for (uint32_t i = 0; i < step->assigns.count; i++) {
        const StepAssign *assign = &step->assigns.items[i];
        if (assign->guard && !(active >> (assign->guard - 1) & 1)) continue;
        Walk walk = {.arrays = {store, old, now, batch}, .assign = assign, .info = symbol_info(store, assign->symbol)};
        model_axes(store, assign->symbol, walk.axes);
        walk.info = symbol_info(store, assign->symbol); // model_axes may have added to the store
        walk.values = index_values(&walk);
        int64_t index[EXPR_MAX_RANK + 1] = {0};
        assign_axis(&walk, 0, index);
        free(walk.values);
    }
}
