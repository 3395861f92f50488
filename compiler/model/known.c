// What is known before a run of an expression over parameters: its values, or between which bounds they lie.
#include "model.h"
#include <math.h>
#include <stdlib.h>

// ---- Values ---------------------------------------------------------------------------------------------------------

typedef struct KnownSearch {
    const Model *model;
    bool unknown;
} KnownSearch;

static bool note_unknown(const ExprStore *store, Expr expr, void *context) {
    KnownSearch *search = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind >= EXPR_AHEAD && node.kind <= EXPR_PREVIOUS) search->unknown = true;
    if (node.kind != EXPR_ACCESS) return !search->unknown;
    const Array *array = model_array(search->model, node.symbol);
    bool given = array && array->initial.kind == INITIAL_CONSTANT && !symbol_info(store, node.symbol)->batched;
    search->unknown |= !given;
    return !search->unknown;
}

static double within(const Array *array, double value) {
    if (!array->clamped) return value;
    return value < array->low ? array->low : value > array->high ? array->high : value;
}

static double known_element(void *context, Symbol symbol, ExprVersion version, const int64_t *index, uint32_t count) {
    (void)version;
    const Model *model = context;
    const Array *array = model_array(model, symbol);
    const SymbolInfo *info = symbol_info(model->store, symbol);
    int64_t at = 0;
    for (uint32_t k = 0; k < count && k < info->rank; k++) at = at * info->extent[k] + index[k];
    return within(array, array->initial.values[array->initial.count > 1 ? at : 0]);
}

bool model_known_values(const Model *model, Expr expr, const Index *axes, uint32_t rank, double *values) {
    KnownSearch search = {.model = model};
    expr_visit(model->store, expr, note_unknown, &search);
    if (search.unknown) return false;
    int64_t extent[EXPR_MAX_RANK], total = 1;
    Index last = INDEX_BATCH;
    for (uint32_t k = 0; k < rank; k++) {
        extent[k] = index_info(model->store, axes[k])->extent;
        total *= extent[k];
        if (axes[k] > last) last = axes[k];
    }
    int64_t *index = memory_resize(NULL, (size_t)last + 1, sizeof *index);
    for (int64_t n = 0; n < total; n++) {
        int64_t left = n;
        for (uint32_t k = rank; k-- > 0; left /= extent[k]) index[axes[k]] = left % extent[k];
        values[n] = expr_evaluate(model->store, expr, known_element, (void *)(uintptr_t)model, index, 1);
    }
    free(index);
    return true;
}

// ---- Bounds ---------------------------------------------------------------------------------------------------------

static Bounds bounds_of_array(const Array *array) {
    Bounds none = {-INFINITY, INFINITY}, b = none;
    if (!array) return none;
    const Initial *initial = &array->initial;
    if (initial->kind == INITIAL_UNIFORM) b = (Bounds){initial->a, initial->b};
    if (initial->kind == INITIAL_UNIFORM_INT) b = (Bounds){initial->a * initial->scale, initial->b * initial->scale};
    if (initial->kind == INITIAL_CONSTANT) {
        b = (Bounds){initial->values[0], initial->values[0]};
        for (uint32_t i = 1; i < initial->count; i++)
            b = (Bounds){fmin(b.low, initial->values[i]), fmax(b.high, initial->values[i])};
    }
    return (Bounds){within(array, b.low), within(array, b.high)};
}

static Bounds bounds_of_product(Bounds a, Bounds b) {
    double ends[] = {a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high};
    Bounds result = {ends[0], ends[0]};
    for (int i = 0; i < 4; i++) {
        if (isnan(ends[i])) return (Bounds){-INFINITY, INFINITY};
        result = (Bounds){fmin(result.low, ends[i]), fmax(result.high, ends[i])};
    }
    return result;
}

static Bounds bounds_of_fold(const Model *model, ExprNode node) {
    Bounds result = model_bounds(model, node.argument[0]);
    for (uint32_t i = 1; i < node.count; i++) {
        Bounds next = model_bounds(model, node.argument[i]);
        switch (node.kind) {
        case EXPR_ADD: result = (Bounds){result.low + next.low, result.high + next.high}; break;
        case EXPR_MUL: result = bounds_of_product(result, next); break;
        case EXPR_MIN: result = (Bounds){fmin(result.low, next.low), fmin(result.high, next.high)}; break;
        default: result = (Bounds){fmax(result.low, next.low), fmax(result.high, next.high)};
        }
    }
    return result;
}

static Bounds bounds_of_call(ExprFunction function, Bounds x) {
    Bounds none = {-INFINITY, INFINITY};
    switch (function) {
    case FUNCTION_ABS:
        if (x.low >= 0) return x;
        return (Bounds){x.high < 0 ? -x.high : 0, fmax(-x.low, x.high)};
    case FUNCTION_EXP:
    case FUNCTION_EXPM1:
    case FUNCTION_TANH:
    case FUNCTION_LOGISTIC:
    case FUNCTION_LOG1PEXP:
    case FUNCTION_SIGN: // these rise everywhere
        return (Bounds){expr_function_value(function, x.low), expr_function_value(function, x.high)};
    default: return none;
    }
}

// x^n for a constant n: squares and roots, for distances.
static Bounds bounds_of_power(const Model *model, ExprNode node) {
    Bounds none = {-INFINITY, INFINITY}, x = model_bounds(model, node.argument[0]);
    double n;
    if (!expr_get_const(model->store, node.argument[1], &n)) return none;
    if (fmod(n, 2) == 0 && n > 0) x = bounds_of_call(FUNCTION_ABS, x);
    if (x.low < 0 || (n < 0 && x.low <= 0)) return none;
    return n > 0 ? (Bounds){pow(x.low, n), pow(x.high, n)} : (Bounds){pow(x.high, n), pow(x.low, n)};
}

Bounds model_bounds(const Model *model, Expr expr) {
    ExprNode node = expr_node(model->store, expr);
    switch (node.kind) {
    case EXPR_CONST: return (Bounds){node.value, node.value};
    case EXPR_ACCESS: return bounds_of_array(model_array(model, node.symbol));
    case EXPR_ADD:
    case EXPR_MUL:
    case EXPR_MIN:
    case EXPR_MAX: return bounds_of_fold(model, node);
    case EXPR_CALL: return bounds_of_call(node.function, model_bounds(model, node.argument[0]));
    case EXPR_POWER: return bounds_of_power(model, node);
    case EXPR_SELECT: {
        Bounds a = model_bounds(model, node.argument[1]), b = model_bounds(model, node.argument[2]);
        return (Bounds){fmin(a.low, b.low), fmax(a.high, b.high)};
    }
    default: return (Bounds){-INFINITY, INFINITY};
    }
}
