// Symbolic differentiation: the chain rule over the DAG, with Kronecker deltas for array elements.
#include "../support/vec.h"
#include "memo.h"
#include <stdlib.h>
#include <string.h>

typedef struct Derivation {
    ExprStore *store;
    Expr leaf;     // differentiate by this node, or
    Symbol symbol; // by this element of an array
    const Expr *at;
    uint32_t at_count;
    ExprMemo memo;
} Derivation;

static Expr derive(Derivation *d, Expr expr);

static Expr function_derivative(ExprStore *s, Expr call, ExprFunction function, Expr x) {
    Expr one = expr_const(s, 1);
    switch (function) {
    case FUNCTION_EXP: return call;
    case FUNCTION_EXPM1: return expr_call(s, FUNCTION_EXP, x);
    case FUNCTION_LOG: return expr_div(s, one, x);
    case FUNCTION_LOG1P: return expr_div(s, one, expr_add(s, one, x));
    case FUNCTION_TANH: return expr_sub(s, one, expr_power(s, call, expr_const(s, 2)));
    case FUNCTION_SIN: return expr_call(s, FUNCTION_COS, x);
    case FUNCTION_COS: return expr_neg(s, expr_call(s, FUNCTION_SIN, x));
    case FUNCTION_LOGISTIC: return expr_mul(s, call, expr_sub(s, one, call));
    case FUNCTION_LOG1PEXP: return expr_call(s, FUNCTION_LOGISTIC, x);
    case FUNCTION_ABS: return expr_call(s, FUNCTION_SIGN, x);
    case FUNCTION_SQRT: // constructed as a power
    case FUNCTION_SIGN:
    case FUNCTION_COUNT: break;
    }
    return expr_const(s, 0);
}

static Expr derive_access(Derivation *d, ExprNode node) {
    if (d->leaf || node.symbol != d->symbol) return expr_const(d->store, 0);
    Expr result = expr_const(d->store, 1);
    for (uint32_t i = 0; i < node.count && i < d->at_count; i++)
        result = expr_mul(d->store, result, expr_delta(d->store, node.argument[i], d->at[i]));
    return result;
}

static Expr derive_product(Derivation *d, ExprNode node) {
    ExprStore *s = d->store;
    Vec(Expr) terms = {0}, factors = {0};
    for (uint32_t i = 0; i < node.count; i++) {
        Expr inner = derive(d, node.argument[i]);
        if (expr_is_const(s, inner, 0)) continue;
        factors.count = 0;
        for (uint32_t k = 0; k < node.count; k++) vec_push(&factors, k == i ? inner : node.argument[k]);
        vec_push(&terms, expr_mul_n(s, factors.items, factors.count));
    }
    Expr result = expr_add_n(s, terms.items, terms.count);
    vec_free(&terms);
    vec_free(&factors);
    return result;
}

static Expr derive_power(Derivation *d, Expr expr, ExprNode node) {
    ExprStore *s = d->store;
    Expr base = node.argument[0], exponent = node.argument[1];
    Expr db = derive(d, base), de = derive(d, exponent);
    Expr by_base =
        expr_is_const(s, db, 0)
            ? db
            : expr_mul_n(s, (Expr[]){exponent, expr_power(s, base, expr_sub(s, exponent, expr_const(s, 1))), db}, 3);
    Expr by_exponent =
        expr_is_const(s, de, 0) ? de : expr_mul_n(s, (Expr[]){expr, expr_call(s, FUNCTION_LOG, base), de}, 3);
    return expr_add(s, by_base, by_exponent);
}

// The index bound by a sum, renamed when the place of differentiation speaks of the same one.
static Index bound_index(Derivation *d, ExprNode *node, Expr *body) {
    *body = node->argument[0];
    for (uint32_t i = 0; i < d->at_count; i++) {
        if (!expr_has_index(d->store, d->at[i], node->index)) continue;
        uint32_t extent = index_info(d->store, node->index)->extent;
        for (uint32_t n = 0;; n++) {
            Index fresh = index_shared(d->store, n, extent);
            bool used = expr_has_index(d->store, *body, fresh);
            for (uint32_t k = 0; k < d->at_count; k++) used |= expr_has_index(d->store, d->at[k], fresh);
            if (used) continue;
            *body =
                expr_substitute_index(d->store, *body, expr_index(d->store, node->index), expr_index(d->store, fresh));
            return fresh;
        }
    }
    return node->index;
}

static Expr derive_sum(Derivation *d, ExprNode node) {
    Expr body;
    Index index = bound_index(d, &node, &body);
    return expr_sum(d->store, index, derive(d, body));
}

// The derivative of a maximum over an index goes to the elements that attain it.
static Expr derive_maximum(Derivation *d, Expr expr, ExprNode node) {
    ExprStore *s = d->store;
    Expr body;
    Index index = bound_index(d, &node, &body);
    Expr inner = derive(d, body);
    if (expr_is_const(s, inner, 0)) return inner;
    Expr attained = expr_make2(s, EXPR_EQUAL, body, expr);
    return expr_sum(s, index, expr_select(s, attained, inner, expr_const(s, 0)));
}

static Expr derive_node(Derivation *d, Expr expr) {
    ExprStore *s = d->store;
    ExprNode node = expr_node(s, expr);
    Expr zero = expr_const(s, 0), inner, other;
    switch (node.kind) {
    case EXPR_ACCESS: return derive_access(d, node);
    case EXPR_ADD: {
        Vec(Expr) terms = {0};
        for (uint32_t i = 0; i < node.count; i++) vec_push(&terms, derive(d, node.argument[i]));
        Expr result = expr_add_n(s, terms.items, terms.count);
        vec_free(&terms);
        return result;
    }
    case EXPR_MUL: return derive_product(d, node);
    case EXPR_POWER: return derive_power(d, expr, node);
    case EXPR_CALL:
        inner = derive(d, node.argument[0]);
        return expr_is_const(s, inner, 0)
                   ? zero
                   : expr_mul(s, function_derivative(s, expr, node.function, node.argument[0]), inner);
    case EXPR_MIN:
    case EXPR_MAX:
        inner = derive(d, node.argument[0]);
        other = derive(d, node.argument[1]);
        return node.kind == EXPR_MAX
                   ? expr_select(s, expr_make2(s, EXPR_LESS, node.argument[1], node.argument[0]), inner, other)
                   : expr_select(s, expr_make2(s, EXPR_LESS, node.argument[0], node.argument[1]), inner, other);
    case EXPR_SELECT:
        inner = derive(d, node.argument[1]);
        other = derive(d, node.argument[2]);
        return expr_select(s, node.argument[0], inner, other);
    case EXPR_SUM: return derive_sum(d, node);
    case EXPR_MAXIMUM: return derive_maximum(d, expr, node);
    case EXPR_AHEAD:
        if (d->leaf) return zero; // another lookahead, or one of the leaf itself: a variable of its own, held fixed
        // fall through
    case EXPR_LOWPASS:
    case EXPR_DELAY: // linear in the signal; time constants are learned through the leaf's own rule (derive/)
        inner = derive(d, node.argument[0]);
        return expr_is_const(s, inner, 0) ? zero : expr_make2(s, node.kind, inner, node.argument[1]);
    case EXPR_RATE: return expr_make1(s, EXPR_RATE, derive(d, node.argument[0]));
    default: return zero; // constants, indices, deltas, truth values, stopped gradients
    }
}

static Expr derive(Derivation *d, Expr expr) {
    if (d->leaf && expr == d->leaf) return expr_const(d->store, 1);
    Expr result = expr_memo_get(&d->memo, expr);
    if (result) return result;
    result = derive_node(d, expr);
    expr_memo_set(&d->memo, expr, result);
    return result;
}

static Expr run(Derivation *d, Expr expr) {
    Expr result = derive(d, expr);
    expr_memo_free(&d->memo);
    expr_set_span(d->store, result, expr_span(d->store, expr));
    return result;
}

Expr expr_derivative(ExprStore *store, Expr expr, Symbol symbol, const Expr *at, uint32_t count) {
    return run(&(Derivation){.store = store, .symbol = symbol, .at = at, .at_count = count}, expr);
}

Expr expr_partial(ExprStore *store, Expr expr, Expr leaf) {
    return run(&(Derivation){.store = store, .leaf = leaf}, expr);
}
