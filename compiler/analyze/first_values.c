// First values of parameters and scalars without an instance.
#include "first_values.h"
#include <math.h>

enum { MOST_ELEMENTS = 4096 };

static uint32_t number_among(const Symbol *items, uint32_t count, Symbol symbol) {
    uint32_t i = 0;
    while (i < count && items[i] != symbol) i++;
    return i;
}

static double end_of(FirstValues *v, Symbol symbol, double low, double high) {
    uint32_t k = number_among(v->drawn.items, v->drawn.count, symbol);
    if (k == v->drawn.count) vec_push(&v->drawn, symbol);
    if (k >= FIRST_MOST_DRAWN) k = 0;
    return v->ends >> k & 1 ? high : low;
}

static double initial_value(FirstValues *v, const Array *array, const int64_t *index, uint32_t count) {
    const SymbolInfo *info = symbol_info(v->model->store, array->symbol);
    const Initial *initial = &array->initial;
    int64_t at = 0;
    switch (initial->kind) {
    case INITIAL_CONSTANT:
        for (uint32_t i = 0; i < count && i < info->rank; i++) at = at * info->extent[i] + index[i];
        v->varies |= initial->count > 1;
        return initial->values[initial->count > 1 ? at : 0];
    case INITIAL_UNIFORM: return end_of(v, array->symbol, initial->a, initial->b);
    case INITIAL_UNIFORM_INT: return end_of(v, array->symbol, initial->a * initial->scale, initial->b * initial->scale);
    case INITIAL_NORMAL: return initial->a;
    case INITIAL_CHANCE: return end_of(v, array->symbol, 0, 1);
    case INITIAL_COPY: return initial->scale * first_value(v, initial->source, index, count);
    case INITIAL_FILE: break;
    }
    return NAN;
}

static double clamped(const Array *array, double value) {
    if (!array->clamped || isnan(value)) return value;
    return fmax(array->low, fmin(array->high, value));
}

static bool is_assigned(const Step *step, Symbol symbol) {
    for (uint32_t i = 0; i < step->assigns.count; i++)
        if (step->assigns.items[i].symbol == symbol) return true;
    return false;
}

double first_value(void *context, Symbol symbol, const int64_t *index, uint32_t count) {
    FirstValues *v = context;
    SymbolRole role = symbol_info(v->model->store, symbol)->role;
    double value = NAN;
    if (role != ROLE_PARAMETER && role != ROLE_SCALAR) return NAN;
    if (number_among(v->read.items, v->read.count, symbol) == v->read.count) vec_push(&v->read, symbol);
    for (uint32_t i = 0; i < v->model->scalars.count; i++)
        if (v->model->scalars.items[i].symbol == symbol) value = v->model->scalars.items[i].value;
    const Array *array = model_array(v->model, symbol);
    if (array) value = clamped(array, initial_value(v, array, index, count));
    if (role == ROLE_SCALAR && is_assigned(v->step, symbol)) value = NAN;
    return symbol == v->changed ? v->factor * value : value;
}

// ---- Elements -------------------------------------------------------------------------------------------------------

FirstElement first_element(FirstValues *v, const SymbolInfo *info) {
    v->drawn.count = v->read.count = v->ends = 0;
    v->varies = false;
    return (FirstElement){
        .values = v, .rows = info->rank > 0 ? info->extent[0] : 1, .columns = info->rank > 1 ? info->extent[1] : 1};
}

bool first_element_next(FirstElement *e) {
    FirstValues *v = e->values;
    int64_t all = e->rows * e->columns, count = !v->varies ? 1 : all < MOST_ELEMENTS ? all : MOST_ELEMENTS;
    if (e->done && e->done >= count) {
        uint32_t drawn = v->drawn.count < FIRST_MOST_DRAWN ? v->drawn.count : FIRST_MOST_DRAWN;
        if (++v->ends >> drawn) return false;
        e->done = 0;
    }
    e->at[0] = e->done / e->columns;
    e->at[1] = e->done % e->columns;
    e->done++;
    return true;
}

// ---- Blame ----------------------------------------------------------------------------------------------------------

Symbol first_value_to_blame(FirstValues *v, FirstMeasure *measure, void *context, bool *raise) {
    double mildest = 0.99 * measure(context);
    Symbol best = 0;
    Vec(Symbol) read = {0};
    for (uint32_t i = 0; i < v->read.count; i++) vec_push(&read, v->read.items[i]);
    for (uint32_t i = 0; i < 2 * read.count; i++) {
        v->changed = read.items[i / 2];
        v->factor = i % 2 ? 0.5 : 2;
        double now = measure(context);
        if (!(now < mildest)) continue;
        mildest = now;
        best = v->changed;
        *raise = i % 2 == 0;
    }
    v->changed = 0;
    vec_free(&read);
    return best;
}

Span first_value_place(const Model *model, Symbol symbol, Span otherwise) {
    const Array *array = symbol ? model_array(model, symbol) : NULL;
    if (array && array->initial.span.source) return array->initial.span;
    Span span = symbol ? symbol_info(model->store, symbol)->span : otherwise;
    return span.source ? span : otherwise;
}

void first_values_free(FirstValues *values) {
    vec_free(&values->drawn);
    vec_free(&values->read);
}
