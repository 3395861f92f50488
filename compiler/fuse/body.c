// Bodies of kernels: expressions become operations.
#include "body.h"
#include "../loops/maths.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
uint32_t body_place(Emission *e, ExprNode node) {
    ExprStore *s = e->plan->store;
    Place place = {.symbol = node.symbol, .vector = LOOP_SPLAT};
    bool slot = node.count > 1 && is_computed(s, node.argument[1]);
    if (slot)
        place.slot = 1 + loop_op(&e->body, LOOP_ADD, body_emit(e, node.argument[1]), loop_const(&e->body, 0.5), 0);
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
    return loop_op(&e->body, LOOP_LOAD, body_place(e, node), 0, 0);
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
    uint32_t x = body_emit(e, base);
    if (n == 0.5) return loop_op(&e->body, LOOP_SQRT, x, 0, 0);
    if (n == (int)n && n <= 64) return emit_integer_power(e, x, (int)n);
    if (2 * n == (int)(2 * n) && n < 64)
        return loop_op(&e->body, LOOP_MUL, emit_integer_power(e, x, (int)n), loop_op(&e->body, LOOP_SQRT, x, 0, 0), 0);
    return maths_power(&e->body, x, loop_const(&e->body, n));
}

static uint32_t emit_power(Emission *e, ExprNode node) {
    double n;
    if (!expr_get_const(e->plan->store, node.argument[1], &n))
        return maths_power(&e->body, body_emit(e, node.argument[0]), body_emit(e, node.argument[1]));
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
            multiply(e, &fraction->top, &fraction->has_top, body_emit(e, factors[i]));
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
                    negative ? emit_product(e, term.argument + 1, term.count - 1) : body_emit(e, sum.argument[i]);
                total = any        ? loop_op(&e->body, negative ? LOOP_SUB : LOOP_ADD, total, value, 0)
                        : negative ? loop_op(&e->body, LOOP_NEG, value, 0, 0)
                                   : value;
            } else {
                uint32_t left = emit_product(e, term.argument + negative, factors - 1),
                         right = body_emit(e, term.argument[term.count - 1]);
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
    uint32_t x = body_emit(e, node.argument[0]);
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
        uint32_t a = body_emit(e, node.argument[0]), b = body_emit(e, node.argument[1]);
        return loop_op(&e->body, node.kind == EXPR_MIN ? LOOP_MIN : LOOP_MAX, a, b, 0);
    }
    case EXPR_SELECT: {
        uint32_t c = emit_truth(e, node.argument[0]), a = body_emit(e, node.argument[1]),
                 b = body_emit(e, node.argument[2]);
        return loop_op(&e->body, LOOP_SELECT, c, a, b);
    }
    case EXPR_PREVIOUS:
    case EXPR_STOP: return body_emit(e, node.argument[0]);
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
        uint32_t a = body_emit(e, node.argument[0]), b = body_emit(e, node.argument[1]);
        op = loop_op(&e->body, node.kind == EXPR_LESS ? LOOP_LT : node.kind == EXPR_EQUAL ? LOOP_EQ : LOOP_LE, a, b, 0);
    } else if (node.kind == EXPR_AND || node.kind == EXPR_OR) {
        uint32_t a = emit_truth(e, node.argument[0]), b = emit_truth(e, node.argument[1]);
        op = loop_op(&e->body, node.kind == EXPR_AND ? LOOP_AND : LOOP_OR, a, b, 0);
    } else if (node.kind == EXPR_NOT) {
        op = loop_op(&e->body, LOOP_NOT, emit_truth(e, node.argument[0]), 0, 0);
    } else { // a number as a condition: whatever is not zero holds
        op = loop_op(&e->body, LOOP_NOT, loop_op(&e->body, LOOP_EQ, body_emit(e, expr), loop_const(&e->body, 0), 0), 0,
                     0);
    }
    expr_memo_set(&e->truths, expr, op + 1);
    return op;
}

uint32_t body_emit(Emission *e, Expr expr) {
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
