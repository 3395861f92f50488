// Items become kernels and calls of the loops form.
#include "../expr/memo.h"
#include "plan.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Arrays ---------------------------------------------------------------------------------------------------------

uint32_t plan_array(Plan *plan, Symbol symbol) {
    Fused *fused = plan->fused;
    while (fused->array_of.count <= symbol) vec_push(&fused->array_of, 0);
    if (fused->array_of.items[symbol]) return fused->array_of.items[symbol] - 1;
    const SymbolInfo *info = symbol_info(plan->store, symbol);
    LoopArray array = {.name = info->name, .rank = info->rank, .per_sample = info->batched};
    array.batched = info->batched && !plan->options->one_sample;
    array.real = info->rank || array.batched ? plan->options->real : LOOP_F64;
    for (uint32_t i = 0; i < info->rank; i++) array.extent[i] = info->extent[i];
    vec_push(&fused->program.arrays, array);
    fused->array_of.items[symbol] = fused->program.arrays.count;
    return fused->program.arrays.count - 1;
}

uint32_t plan_axes(const Plan *plan, Symbol symbol, Index *axes) {
    uint32_t rank = symbol_info(plan->store, symbol)->rank;
    model_axes(plan->store, symbol, axes);
    if (symbol_info(plan->store, symbol)->batched && !plan->options->one_sample) axes[rank++] = INDEX_BATCH;
    return rank;
}

uint32_t plan_access_rank(const Plan *plan, ExprNode access) {
    bool sample = plan->options->one_sample && symbol_info(plan->store, access.symbol)->batched;
    return access.count - sample;
}

Expr plan_own_access(const Plan *plan, const Item *item, ExprVersion version) {
    Expr at[EXPR_MAX_RANK + 2];
    uint32_t count = 0;
    for (uint32_t i = 0; i < item->rank; i++) {
        at[count++] = expr_index(plan->store, item->axis[i]);
        if (item->slot && i == 0) at[count++] = item->slot;
    }
    if (plan->options->one_sample && symbol_info(plan->store, item->symbol)->batched)
        at[count++] = expr_index(plan->store, INDEX_BATCH);
    return expr_access(plan->store, item->symbol, version, at, count);
}

// ---- Bodies: expressions to operations ------------------------------------------------------------------------------

typedef struct Place { // an array at certain index expressions
    Symbol symbol;
    Expr access; // any version: the place is the same
    LoopSize stride[LOOP_MAX_AXES], offset;
    LoopStride vector;
    uint32_t argument;
    uint32_t slot; // 0, or 1 + the operation that says the place along axis 1
} Place;

typedef struct Emission {
    Plan *plan;
    Item *const *group;
    uint32_t group_count;
    LoopBody body;
    uint32_t axes;
    Index axis[LOOP_MAX_AXES];
    Vec(Place) places;
    Vec(uint32_t) arrays; // arguments of the call
    ExprMemo memo, truths; // operation + 1 of an expression, as a number and as a condition
    uint32_t *stored; // per group item: the operation of its value
} Emission;

static uint32_t emit(Emission *e, Expr expr);
static uint32_t emit_truth(Emission *e, Expr expr);

static uint32_t argument_of(Emission *e, uint32_t array) {
    for (uint32_t i = 0; i < e->arrays.count; i++)
        if (e->arrays.items[i] == array) return i;
    vec_push(&e->arrays, array);
    return e->arrays.count - 1;
}

// Whether an index is computed: neither a variable nor a number.
static bool is_computed(const ExprStore *s, Expr at) {
    double constant;
    return expr_node(s, at).kind != EXPR_INDEX && !expr_get_const(s, at, &constant);
}

// How the address moves with each axis of the nest.
static uint32_t place_of(Emission *e, ExprNode node) {
    ExprStore *s = e->plan->store;
    Place place = {.symbol = node.symbol, .vector = LOOP_SPLAT};
    bool slot = node.count > 1 && is_computed(s, node.argument[1]);
    if (slot) place.slot = 1 + loop_op(&e->body, LOOP_ADD, emit(e, node.argument[1]), loop_const(&e->body, 0.5), 0);
    uint32_t array = plan_array(e->plan, node.symbol);
    const LoopArray *a = &e->plan->fused->program.arrays.items[array];
    for (uint32_t i = 0; i < plan_access_rank(e->plan, node); i++) {
        if (slot && i == 1) continue;
        LoopSize stride = loop_array_stride(a, i);
        ExprNode at = expr_node(s, node.argument[i]);
        double constant;
        if (expr_get_const(s, node.argument[i], &constant)) {
            place.offset.fixed += (int64_t)constant * stride.fixed;
            place.offset.padded += (int64_t)constant * stride.padded;
            continue;
        }
        for (uint32_t k = 0; k < e->axes; k++)
            if (at.kind == EXPR_INDEX && at.index == e->axis[k]) {
                place.stride[k].fixed += stride.fixed;
                place.stride[k].padded += stride.padded;
            }
    }
    if (e->axes) {
        LoopSize last = place.stride[e->axes - 1];
        place.vector = !last.fixed && !last.padded       ? LOOP_SPLAT
                       : last.fixed == 1 && !last.padded ? LOOP_UNIT
                                                         : LOOP_STRIDED;
    }
    place.argument = argument_of(e, array);
    for (uint32_t i = 0; i < e->places.count; i++) {
        Place *p = &e->places.items[i];
        if (p->argument == place.argument && p->slot == place.slot &&
            memcmp(p->stride, place.stride, sizeof place.stride) == 0 &&
            memcmp(&p->offset, &place.offset, sizeof place.offset) == 0)
            return i;
    }
    vec_push(&e->places, place);
    return e->places.count - 1;
}

static uint32_t emit_access(Emission *e, ExprNode node) {
    if (node.version == VERSION_NEW)
        for (uint32_t i = 0; i < e->group_count; i++)
            if (e->group[i]->symbol == node.symbol) return e->stored[i]; // computed in this very nest
    return loop_op(&e->body, LOOP_LOAD, place_of(e, node), 0, 0);
}

static uint32_t emit_integer_power(Emission *e, uint32_t base, int n) {
    uint32_t result = 0;
    bool any = false;
    for (; n; n >>= 1, base = n ? loop_op(&e->body, LOOP_MUL, base, base, 0) : base) {
        if (!(n & 1)) continue;
        result = any ? loop_op(&e->body, LOOP_MUL, result, base, 0) : base;
        any = true;
    }
    return result;
}

// x^n for a constant n > 0: multiplications for small whole numbers, a root for halves.
static uint32_t emit_constant_power(Emission *e, Expr base, double n) {
    uint32_t x = emit(e, base);
    if (n == 0.5) return loop_op(&e->body, LOOP_SQRT, x, 0, 0);
    if (n == (int)n && n <= 64) return emit_integer_power(e, x, (int)n);
    if (2 * n == (int)(2 * n) && n < 64)
        return loop_op(&e->body, LOOP_MUL, emit_integer_power(e, x, (int)n), loop_op(&e->body, LOOP_SQRT, x, 0, 0), 0);
    return maths_power(&e->body, x, loop_const(&e->body, n));
}

static uint32_t emit_power(Emission *e, ExprNode node) {
    double n;
    if (!expr_get_const(e->plan->store, node.argument[1], &n))
        return maths_power(&e->body, emit(e, node.argument[0]), emit(e, node.argument[1]));
    if (n > 0) return emit_constant_power(e, node.argument[0], n);
    return loop_op(&e->body, LOOP_DIV, loop_const(&e->body, 1), emit_constant_power(e, node.argument[0], -n), 0);
}

typedef struct Fraction {
    uint32_t top, bottom;
    bool has_top, has_bottom;
} Fraction;

static void multiply(Emission *e, uint32_t *product, bool *any, uint32_t value) {
    *product = *any ? loop_op(&e->body, LOOP_MUL, *product, value, 0) : value;
    *any = true;
}

// The factors of a product that depend on the sample, or those that don't: numerators and denominators multiplied.
static void gather_fraction(Emission *e, const Expr *factors, uint32_t count, bool per_sample, Fraction *fraction) {
    ExprStore *s = e->plan->store;
    for (uint32_t i = 0; i < count; i++) {
        ExprNode node = expr_node(s, factors[i]);
        double n;
        if (expr_is_const(s, factors[i], -1) || expr_has_index(s, factors[i], INDEX_BATCH) != per_sample) continue;
        if (node.kind == EXPR_POWER && expr_get_const(s, node.argument[1], &n) && n < 0)
            multiply(e, &fraction->bottom, &fraction->has_bottom, emit_constant_power(e, node.argument[0], -n));
        else
            multiply(e, &fraction->top, &fraction->has_top, emit(e, factors[i]));
    }
}

static void divide(Emission *e, Fraction *fraction) {
    if (!fraction->has_bottom) return;
    if (!fraction->has_top) fraction->top = loop_const(&e->body, 1);
    fraction->top = loop_op(&e->body, LOOP_DIV, fraction->top, fraction->bottom, 0);
    fraction->has_top = true;
    fraction->has_bottom = false;
}

// A product as one fraction. What all samples share is divided first: it is computed once a row, and tau_r/tau_m of
// equal time constants is exactly 1, so that a matched neuron passes on its input to the bit.
static uint32_t emit_product(Emission *e, const Expr *factors, uint32_t count) {
    Fraction fraction = {0};
    bool negative = false;
    gather_fraction(e, factors, count, false, &fraction);
    if (fraction.has_top) divide(e, &fraction);
    gather_fraction(e, factors, count, true, &fraction);
    divide(e, &fraction);
    for (uint32_t i = 0; i < count; i++) negative |= expr_is_const(e->plan->store, factors[i], -1);
    if (!fraction.has_top) return loop_const(&e->body, negative ? -1 : 1);
    return negative ? loop_op(&e->body, LOOP_NEG, fraction.top, 0, 0) : fraction.top;
}

static bool is_fraction(const Emission *e, ExprNode product) {
    for (uint32_t i = 0; i < product.count; i++) {
        ExprNode node = expr_node(e->plan->store, product.argument[i]);
        double n;
        if (node.kind == EXPR_POWER && expr_get_const(e->plan->store, node.argument[1], &n) && n < 0) return true;
    }
    return false;
}

// A sum: plain terms first, then products folded in by fused multiply-add.
static uint32_t emit_sum(Emission *e, ExprNode sum) {
    ExprStore *s = e->plan->store;
    uint32_t total = 0;
    bool any = false;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < sum.count; i++) {
            ExprNode term = expr_node(s, sum.argument[i]);
            bool negative = term.kind == EXPR_MUL && expr_is_const(s, term.argument[0], -1);
            uint32_t factors = term.kind == EXPR_MUL ? term.count - negative : 1;
            bool product = factors >= 2 && !is_fraction(e, term);
            if (product != (pass == 1)) continue;
            if (!product) {
                uint32_t value =
                    negative ? emit_product(e, term.argument + 1, term.count - 1) : emit(e, sum.argument[i]);
                total = any        ? loop_op(&e->body, negative ? LOOP_SUB : LOOP_ADD, total, value, 0)
                        : negative ? loop_op(&e->body, LOOP_NEG, value, 0, 0)
                                   : value;
            } else {
                uint32_t left = emit_product(e, term.argument + negative, factors - 1),
                         right = emit(e, term.argument[term.count - 1]);
                if (negative) left = loop_op(&e->body, LOOP_NEG, left, 0, 0);
                total =
                    any ? loop_op(&e->body, LOOP_FMA, left, right, total) : loop_op(&e->body, LOOP_MUL, left, right, 0);
            }
            any = true;
        }
    return total;
}

static uint32_t emit_function(Emission *e, ExprNode node) {
    static const MathFunction maths[FUNCTION_COUNT] = {
        [FUNCTION_EXP] = MATH_EXP,     [FUNCTION_EXPM1] = MATH_EXPM1,      [FUNCTION_LOG] = MATH_LOG,
        [FUNCTION_LOG1P] = MATH_LOG1P, [FUNCTION_TANH] = MATH_TANH,        [FUNCTION_SIN] = MATH_SIN,
        [FUNCTION_COS] = MATH_COS,     [FUNCTION_LOGISTIC] = MATH_SIGMOID, [FUNCTION_LOG1PEXP] = MATH_SOFTPLUS};
    uint32_t x = emit(e, node.argument[0]);
    if (node.function == FUNCTION_SQRT) return loop_op(&e->body, LOOP_SQRT, x, 0, 0);
    if (node.function == FUNCTION_ABS) return loop_op(&e->body, LOOP_ABS, x, 0, 0);
    if (node.function == FUNCTION_SIGN) { // 0 at 0 and for NaN
        uint32_t zero = loop_const(&e->body, 0);
        uint32_t up =
            loop_op(&e->body, LOOP_SELECT, loop_op(&e->body, LOOP_LT, zero, x, 0), loop_const(&e->body, 1), zero);
        return loop_op(&e->body, LOOP_SELECT, loop_op(&e->body, LOOP_LT, x, zero, 0), loop_const(&e->body, -1), up);
    }
    return maths_emit(&e->body, maths[node.function], x);
}

static uint32_t emit_node(Emission *e, ExprNode node) {
    switch (node.kind) {
    case EXPR_CONST: return loop_const(&e->body, node.value);
    case EXPR_ACCESS: return emit_access(e, node);
    case EXPR_ADD: return emit_sum(e, node);
    case EXPR_MUL: return emit_product(e, node.argument, node.count);
    case EXPR_POWER: return emit_power(e, node);
    case EXPR_CALL: return emit_function(e, node);
    case EXPR_MIN:
    case EXPR_MAX: {
        uint32_t a = emit(e, node.argument[0]), b = emit(e, node.argument[1]);
        return loop_op(&e->body, node.kind == EXPR_MIN ? LOOP_MIN : LOOP_MAX, a, b, 0);
    }
    case EXPR_SELECT: {
        uint32_t c = emit_truth(e, node.argument[0]), a = emit(e, node.argument[1]), b = emit(e, node.argument[2]);
        return loop_op(&e->body, LOOP_SELECT, c, a, b);
    }
    case EXPR_PREVIOUS:
    case EXPR_STOP: return emit(e, node.argument[0]);
    default: // step_verify has ruled it out
        fprintf(stderr, "lequel: compiler bug: an expression of kind %d reached the loops form\n", (int)node.kind);
        abort();
    }
}

static uint32_t emit_truth(Emission *e, Expr expr) {
    uint32_t have = expr_memo_get(&e->truths, expr);
    if (have) return have - 1;
    ExprNode node = expr_node(e->plan->store, expr);
    uint32_t op;
    if (node.kind == EXPR_LESS || node.kind == EXPR_LESS_EQUAL || node.kind == EXPR_EQUAL) {
        uint32_t a = emit(e, node.argument[0]), b = emit(e, node.argument[1]);
        op = loop_op(&e->body, node.kind == EXPR_LESS ? LOOP_LT : node.kind == EXPR_EQUAL ? LOOP_EQ : LOOP_LE, a, b, 0);
    } else if (node.kind == EXPR_AND || node.kind == EXPR_OR) {
        uint32_t a = emit_truth(e, node.argument[0]), b = emit_truth(e, node.argument[1]);
        op = loop_op(&e->body, node.kind == EXPR_AND ? LOOP_AND : LOOP_OR, a, b, 0);
    } else if (node.kind == EXPR_NOT) {
        op = loop_op(&e->body, LOOP_NOT, emit_truth(e, node.argument[0]), 0, 0);
    } else { // a number as a condition: whatever is not zero holds
        op = loop_op(&e->body, LOOP_NOT, loop_op(&e->body, LOOP_EQ, emit(e, expr), loop_const(&e->body, 0), 0), 0, 0);
    }
    expr_memo_set(&e->truths, expr, op + 1);
    return op;
}

static uint32_t emit(Emission *e, Expr expr) {
    uint32_t have = expr_memo_get(&e->memo, expr);
    if (have) return have - 1;
    ExprNode node = expr_node(e->plan->store, expr);
    bool truth = node.kind >= EXPR_LESS && node.kind <= EXPR_NOT;
    uint32_t op =
        truth ? loop_op(&e->body, LOOP_SELECT, emit_truth(e, expr), loop_const(&e->body, 1), loop_const(&e->body, 0))
              : emit_node(e, node);
    expr_memo_set(&e->memo, expr, op + 1);
    return op;
}

// ---- Kernels and calls ----------------------------------------------------------------------------------------------

static void add_key(LoopKernel *kernel) {
    Text text = {0};
    text_addf(&text, "%d %d %u %u %d\n", kernel->kind, kernel->real, kernel->axes, kernel->outer, kernel->maximum);
    for (uint32_t i = 0; i < kernel->ops.count; i++) {
        const LoopOp *op = &kernel->ops.items[i];
        uint64_t value;
        memcpy(&value, &op->value, sizeof value);
        text_addf(&text, "%d %u %u %u %llx %llx\n", op->kind, op->a, op->b, op->c, (unsigned long long)value,
                  (unsigned long long)op->bits);
    }
    for (uint32_t i = 0; i < kernel->accesses.count; i++)
        text_addf(&text, "a %u %d %d %u\n", kernel->accesses.items[i].argument, kernel->accesses.items[i].scalar_f64,
                  kernel->accesses.items[i].vector, kernel->accesses.items[i].slot);
    for (uint32_t i = 0; i < kernel->stores.count; i++)
        text_addf(&text, "s %u %u\n", kernel->stores.items[i].access, kernel->stores.items[i].value);
    for (uint32_t i = 0; i < kernel->sums.count; i++)
        text_addf(&text, "+ %u %u %d\n", kernel->sums.items[i].access, kernel->sums.items[i].value,
                  kernel->sums.items[i].down);
    kernel->key = text.bytes;
}

// The number of an equal kernel that exists already, or of this one, now added.
static uint32_t intern_kernel(LoopProgram *program, LoopKernel kernel) {
    add_key(&kernel);
    for (uint32_t i = 0; i < program->kernels.count; i++) {
        if (strcmp(program->kernels.items[i].key, kernel.key) != 0) continue;
        vec_free(&kernel.ops);
        vec_free(&kernel.accesses);
        vec_free(&kernel.stores);
        vec_free(&kernel.sums);
        free(kernel.key);
        return i;
    }
    vec_push(&program->kernels, kernel);
    return program->kernels.count - 1;
}

static LoopAxis loop_axis(const Plan *plan, Index index) {
    return index == INDEX_BATCH ? (LoopAxis){.batch = true}
                                : (LoopAxis){.extent = index_info(plan->store, index)->extent};
}

static LoopCall begin_call(const Item *item) { return (LoopCall){.guard = item->guard, .span = item->span}; }

static void finish_nest(Emission *e, LoopEntry *entry, LoopKernel kernel) {
    LoopCall call = begin_call(e->group[0]);
    LoopProgram *program = &e->plan->fused->program;
    for (uint32_t i = 0; i < e->places.count; i++) {
        const LoopArray *array = &program->arrays.items[e->arrays.items[e->places.items[i].argument]];
        bool scalar = !array->rank && !array->batched;
        const Place *place = &e->places.items[i];
        vec_push(&kernel.accesses, (LoopAccess){place->argument, scalar, place->vector, place->slot});
    }
    kernel.real = e->body.real;
    kernel.axes = e->axes;
    for (uint32_t i = 0; i < e->body.ops.count; i++) vec_push(&kernel.ops, e->body.ops.items[i]);
    for (uint32_t k = 0; k < e->axes; k++) call.axis[k] = loop_axis(e->plan, e->axis[k]);
    call.array_count = e->arrays.count;
    call.array = memory_resize(NULL, e->arrays.count, sizeof *call.array);
    memcpy(call.array, e->arrays.items, e->arrays.count * sizeof *call.array);
    call.stride = memory_resize(NULL, (size_t)e->places.count * LOOP_MAX_AXES, sizeof *call.stride);
    call.offset = memory_resize(NULL, e->places.count, sizeof *call.offset);
    for (uint32_t i = 0; i < e->places.count; i++) {
        memcpy(call.stride + (size_t)i * LOOP_MAX_AXES, e->places.items[i].stride, sizeof e->places.items[i].stride);
        call.offset[i] = e->places.items[i].offset;
    }
    call.kernel = intern_kernel(program, kernel);
    vec_push(&entry->calls, call);
    loop_body_free(&e->body);
    vec_free(&e->places);
    vec_free(&e->arrays);
    expr_memo_free(&e->memo);
    expr_memo_free(&e->truths);
    free(e->stored);
}

static Emission begin_nest(Plan *plan, Item *const *group, uint32_t count) {
    Emission e = {.plan = plan, .group = group, .group_count = count, .axes = group[0]->rank};
    memcpy(e.axis, group[0]->axis, sizeof group[0]->axis);
    e.body.deterministic = plan->options->deterministic;
    e.body.calls = plan->options->calls;
    e.body.real = group[0]->rank ? plan->options->real : LOOP_F64; // single numbers are always computed in double
    e.stored = memory_resize(NULL, count, sizeof *e.stored);
    return e;
}

// The value of an item with its sums, as it stood before it was taken apart.
static Expr noted_value(Plan *plan, const Item *item) {
    ExprStore *s = plan->store;
    Expr value = item->value;
    if (item->kind == ITEM_PRODUCT || item->kind == ITEM_OUTER) value = expr_mul(s, item->left, item->right);
    for (uint32_t i = item->kind == ITEM_MAP ? 0 : item->reduced; i-- > 0;)
        value = item->maximum ? expr_maximum(s, item->over[i], value) : expr_sum(s, item->over[i], value);
    return value;
}

// Of the call that is about to be added to the entry, which in turn is about to be added to the program.
static void note(Plan *plan, const LoopEntry *entry, const Item *item, uint32_t op) {
    if (!plan->options->calls) return;
    vec_push(&plan->fused->notes, (FusedNote){.entry = plan->fused->program.entries.count,
                                              .call = entry->calls.count,
                                              .symbol = item->symbol,
                                              .target = plan_own_access(plan, item, VERSION_NEW),
                                              .value = noted_value(plan, item),
                                              .op = op,
                                              .span = item->span});
}

static void emit_map(Plan *plan, LoopEntry *entry, Item *const *group, uint32_t count) {
    Emission e = begin_nest(plan, group, count);
    LoopKernel kernel = {.kind = LOOP_MAP};
    e.group_count = 0;
    for (uint32_t i = 0; i < count; i++) { // in order: a value may use those before it
        e.stored[i] = emit(&e, group[i]->value);
        e.group_count = i + 1;
        note(plan, entry, group[i], e.stored[i]);
    }
    for (uint32_t i = 0; i < count; i++)
        if (plan_needs_store(plan, group[i], group, count))
            vec_push(&kernel.stores,
                     (LoopStore){place_of(&e, expr_node(plan->store, plan_own_access(plan, group[i], VERSION_NEW))),
                                 e.stored[i]});
    finish_nest(&e, entry, kernel);
}

static void emit_reduce(Plan *plan, LoopEntry *entry, Item *const *group) {
    const Item *item = group[0];
    Emission e = begin_nest(plan, group, 0);
    e.group_count = 0;
    e.body.real = plan->options->real;
    for (uint32_t i = 0; i < item->reduced; i++) e.axis[e.axes++] = item->over[i];
    LoopKernel kernel = {.kind = LOOP_REDUCE, .outer = item->rank, .maximum = item->maximum};
    note(plan, entry, item, UINT32_MAX);
    uint32_t value = emit(&e, item->value);
    vec_push(&kernel.stores,
             (LoopStore){place_of(&e, expr_node(plan->store, plan_own_access(plan, item, VERSION_NEW))), value});
    finish_nest(&e, entry, kernel);
}

static void emit_contraction(Plan *plan, LoopEntry *entry, const Item *item) {
    note(plan, entry, item, UINT32_MAX);
    LoopCall call = begin_call(item);
    ExprNode left = expr_node(plan->store, item->left), right = expr_node(plan->store, item->right);
    call.array_count = 3;
    call.array = memory_resize(NULL, 3, sizeof *call.array);
    call.array[0] = plan_array(plan, item->symbol);
    call.array[1] = plan_array(plan, left.symbol);
    call.array[2] = plan_array(plan, right.symbol);
    call.stride = memory_resize(NULL, LOOP_MAX_AXES, sizeof *call.stride);
    memset(call.stride, 0, LOOP_MAX_AXES * sizeof *call.stride);
    call.offset = memory_resize(NULL, 3, sizeof *call.offset);
    memset(call.offset, 0, 3 * sizeof *call.offset);
    LoopKernel kernel = {.kind = item->kind == ITEM_PRODUCT ? LOOP_PRODUCT : LOOP_OUTER, .real = plan->options->real};
    const LoopArray *arrays = plan->fused->program.arrays.items;
    call.axis[0] = loop_axis(plan, item->axis[0]);
    if (item->kind == ITEM_PRODUCT) {
        call.axis[1] = loop_axis(plan, item->over[0]);
        bool straight = expr_node(plan->store, left.argument[0]).index == item->axis[0];
        call.stride[0] = loop_array_stride(&arrays[call.array[1]], straight ? 0 : 1);
        call.stride[1] = loop_array_stride(&arrays[call.array[1]], straight ? 1 : 0);
    } else {
        call.axis[1] = loop_axis(plan, item->axis[1]);
        call.stride[0] = loop_array_stride(&arrays[call.array[0]], 0);
    }
    call.kernel = intern_kernel(&plan->fused->program, kernel);
    vec_push(&entry->calls, call);
}

// Rows and columns are called otherwise in each item: what was said of one expression says nothing of the next item's.
static void set_axes(Emission *e, const Item *item) {
    e->axis[0] = item->row;
    e->axis[1] = item->column;
    expr_memo_free(&e->memo);
    expr_memo_free(&e->truths);
}

static uint32_t extent_of(const Plan *plan, Index index) { return index_info(plan->store, index)->extent; }

// Rows per call of a sweep. Sums down the columns of a panel go into a row of their own, and these are added in order:
// the shape of a sum depends on the matrix alone, whoever computes which panel.
static uint32_t panel_rows(const Plan *plan, const Item *item) {
    enum { PANEL = 128 };
    uint32_t rows = extent_of(plan, item->row);
    return rows >= 2 * PANEL ? PANEL : rows;
}

static bool sums_down(const Item *item) { return item->kind == ITEM_REDUCE && item->column == item->axis[0]; }

// Where a panel's sums down columns go: one row per panel, of which the place of the first is returned.
static Expr panel_sums(Plan *plan, Item *item, uint32_t panels) {
    SymbolInfo info = {.role = ROLE_SIGNAL, .hidden = true, .rank = 2};
    info.name = arena_format(plan->arena, "%s#%u", item->owner, ++plan->unique);
    info.extent[0] = panels;
    info.extent[1] = extent_of(plan, item->column);
    Symbol rows = symbol_new(plan->store, info);
    Index panel = index_shared(plan->store, 0, panels);
    if (panel == item->column) panel = index_shared(plan->store, 1, panels);
    Expr at[] = {expr_index(plan->store, panel), expr_index(plan->store, item->column)};
    item->over[0] = panel; // what is left to do
    item->value = expr_access(plan->store, rows, VERSION_NEW, at, 2);
    at[0] = expr_const(plan->store, 0);
    return expr_access(plan->store, rows, VERSION_NEW, at, 2);
}

static void move_on(LoopCall *call, uint32_t accesses, const uint32_t *panel_of, int64_t rows, int64_t row_of_sums) {
    for (uint32_t a = 0; a < accesses; a++) {
        LoopSize stride = call->stride[a * LOOP_MAX_AXES];
        call->offset[a].fixed += rows * stride.fixed + (panel_of[a] ? row_of_sums : 0);
    }
}

// The entry's last call, cut into panels of rows.
static void cut_into_panels(const Plan *plan, LoopEntry *entry, uint32_t panel) {
    LoopCall first = entry->calls.items[entry->calls.count - 1];
    const LoopKernel *kernel = &plan->fused->program.kernels.items[first.kernel];
    uint32_t accesses = kernel->accesses.count, *panel_of = memory_resize(NULL, accesses + 1, sizeof *panel_of);
    int64_t rows = first.axis[0].extent;
    memset(panel_of, 0, accesses * sizeof *panel_of);
    for (uint32_t i = 0; i < kernel->sums.count; i++)
        panel_of[kernel->sums.items[i].access] = kernel->sums.items[i].down;
    entry->calls.items[entry->calls.count - 1].axis[0].extent = panel;
    for (int64_t row = panel; row < rows; row += panel) {
        LoopCall call = loop_call_copy(&plan->fused->program, &entry->calls.items[entry->calls.count - 1]);
        int64_t row_of_sums = loop_pad(first.axis[1].extent, LOOP_PAD);
        move_on(&call, accesses, panel_of, panel, row_of_sums);
        call.axis[0].extent = rows - row < panel ? rows - row : panel;
        vec_push(&entry->calls, call);
    }
    free(panel_of);
}

static void emit_sweep(Plan *plan, LoopEntry *entry, Item *const *group, uint32_t count, uint32_t guard, bool unless) {
    Emission e = begin_nest(plan, group, 0);
    LoopKernel kernel = {.kind = LOOP_SWEEP};
    uint32_t rows = extent_of(plan, group[0]->row), panel = panel_rows(plan, group[0]);
    Vec(Item) rest = {0}; // sums over panels
    e.axes = 2;
    e.body.real = plan->options->real;
    free(e.stored);
    e.stored = memory_resize(NULL, count, sizeof *e.stored);
    for (uint32_t i = 0; i < count; i++) {
        set_axes(&e, group[i]);
        e.stored[i] = emit(&e, group[i]->value);
        e.group = group; // from here on its members are values of this very pass
        e.group_count = i + 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        set_axes(&e, group[i]);
        bool sum = group[i]->kind == ITEM_REDUCE;
        if (!sum && !plan_needs_store(plan, group[i], group, count)) continue;
        Expr target = plan_own_access(plan, group[i], VERSION_NEW);
        if (sums_down(group[i]) && panel < rows) {
            Item item = *group[i];
            target = panel_sums(plan, &item, (rows + panel - 1) / panel);
            vec_push(&rest, item);
        }
        uint32_t place = place_of(&e, expr_node(plan->store, target));
        if (sum)
            vec_push(&kernel.sums, (LoopSum){place, e.stored[i], sums_down(group[i])});
        else
            vec_push(&kernel.stores, (LoopStore){place, e.stored[i]});
    }
    set_axes(&e, group[0]);
    finish_nest(&e, entry, kernel);
    LoopCall *call = &entry->calls.items[entry->calls.count - 1];
    call->guard = guard;
    call->unless = unless;
    if (panel < rows) cut_into_panels(plan, entry, panel);
    for (uint32_t i = 0; i < rest.count; i++) {
        Item *item = &rest.items[i];
        emit_reduce(plan, entry, &item);
        entry->calls.items[entry->calls.count - 1].guard = guard;
        entry->calls.items[entry->calls.count - 1].unless = unless;
    }
    vec_free(&rest);
}

// While a learning rule rests, a pass without its items does the rest.
static void emit_sweeps(Plan *plan, LoopEntry *entry, Item *const *group, uint32_t count) {
    Item **always = memory_resize(NULL, count, sizeof *always);
    uint32_t guard = 0, rest = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (group[i]->guard) guard = group[i]->guard;
        if (!group[i]->guard) always[rest++] = group[i];
    }
    emit_sweep(plan, entry, group, count, guard, false);
    if (guard && rest) emit_sweep(plan, entry, always, rest, guard, true);
    free(always);
}

void plan_emit(Plan *plan, LoopEntry *entry, Item *const *group, uint32_t count) {
    bool sweep = false; // more than one nest would do
    for (uint32_t i = 0; i < count; i++)
        sweep |= group[i]->sweeps && (group[i]->kind == ITEM_REDUCE || group[i]->guard != group[0]->guard);
    if (sweep) {
        emit_sweeps(plan, entry, group, count);
        return;
    }
    switch (group[0]->kind) {
    case ITEM_MAP: emit_map(plan, entry, group, count); break;
    case ITEM_REDUCE: emit_reduce(plan, entry, group); break;
    case ITEM_PRODUCT:
    case ITEM_OUTER: emit_contraction(plan, entry, group[0]); break;
    }
}
