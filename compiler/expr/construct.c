// The constructors and their local rules: constants fold, equal terms and factors are collected, sums eliminate deltas.
#include "memo.h"
#include "store.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- Sums of terms --------------------------------------------------------------------------------------------------

typedef struct Part { // of a sum: coefficient * what; of a product: what ^ coefficient
    Expr what;
    double coefficient;
} Part;
typedef Vec(Part) PartList;

static void part_sort(const ExprStore *store, PartList *parts) { // insertion: lists are short and nearly sorted
    for (uint32_t i = 1; i < parts->count; i++) {
        Part part = parts->items[i];
        uint32_t k = i;
        for (; k > 0 && expr_before(store, part.what, parts->items[k - 1].what); k--)
            parts->items[k] = parts->items[k - 1];
        parts->items[k] = part;
    }
}

// Sorts by content and merges equal entries; entries whose coefficient becomes zero vanish.
static void part_merge(const ExprStore *store, PartList *parts) {
    if (!parts->count) return;
    part_sort(store, parts);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < parts->count;) {
        Part part = parts->items[i++];
        for (; i < parts->count && parts->items[i].what == part.what; i++)
            part.coefficient += parts->items[i].coefficient;
        if (part.coefficient != 0) parts->items[kept++] = part;
    }
    parts->count = kept;
}

static void gather_terms(ExprStore *store, PartList *parts, double *constant, Expr term) {
    ExprNode node = expr_node(store, term);
    double factor;
    if (node.kind == EXPR_CONST) {
        *constant += node.value;
    } else if (node.kind == EXPR_ADD) {
        for (uint32_t i = 0; i < node.count; i++) gather_terms(store, parts, constant, node.argument[i]);
    } else if (node.kind == EXPR_MUL && expr_get_const(store, node.argument[0], &factor)) {
        Expr rest =
            node.count == 2 ? node.argument[1] : expr_intern_kind(store, EXPR_MUL, node.argument + 1, node.count - 1);
        vec_push(parts, (Part){rest, factor});
    } else {
        vec_push(parts, (Part){term, 1});
    }
}

static Expr scale(ExprStore *store, double factor, Expr rest) { // rest has no constant factor and is no constant
    if (factor == 1) return rest;
    ExprNode node = expr_node(store, rest);
    ExprList list = {0};
    vec_push(&list, expr_const(store, factor));
    if (node.kind == EXPR_MUL)
        for (uint32_t i = 0; i < node.count; i++) vec_push(&list, node.argument[i]);
    else
        vec_push(&list, rest);
    Expr result = expr_intern_kind(store, EXPR_MUL, list.items, list.count);
    vec_free(&list);
    return result;
}

// -(a + b) becomes -a - b, exactly; other constants stay outside so that rounding is the user's.
static Expr negate_sum(ExprStore *store, Expr sum) {
    ExprNode node = expr_node(store, sum);
    ExprList list = {0};
    for (uint32_t i = 0; i < node.count; i++) vec_push(&list, expr_neg(store, node.argument[i]));
    Expr result = expr_add_n(store, list.items, list.count);
    vec_free(&list);
    return result;
}

Expr expr_add_n(ExprStore *store, const Expr *terms, uint32_t count) {
    PartList parts = {0};
    double constant = 0;
    for (uint32_t i = 0; i < count; i++) gather_terms(store, &parts, &constant, terms[i]);
    part_merge(store, &parts);
    ExprList list = {0};
    bool nested = false; // 3*(a + b) - 2*(a + b) leaves a sum, whose terms belong among the others
    if (constant != 0 || !parts.count) vec_push(&list, expr_const(store, constant));
    for (uint32_t i = 0; i < parts.count; i++) {
        Part part = parts.items[i];
        bool is_sum = expr_node(store, part.what).kind == EXPR_ADD && fabs(part.coefficient) == 1;
        nested |= is_sum;
        vec_push(&list, is_sum && part.coefficient < 0 ? negate_sum(store, part.what)
                                                       : scale(store, part.coefficient, part.what));
    }
    Expr result = list.count == 1 ? list.items[0]
                  : nested        ? expr_add_n(store, list.items, list.count)
                                  : expr_intern_kind(store, EXPR_ADD, list.items, list.count);
    vec_free(&list);
    vec_free(&parts);
    return result;
}

Expr expr_add(ExprStore *store, Expr a, Expr b) { return expr_add_n(store, (Expr[]){a, b}, 2); }
Expr expr_neg(ExprStore *store, Expr a) { return expr_mul(store, expr_const(store, -1), a); }
Expr expr_sub(ExprStore *store, Expr a, Expr b) { return expr_add(store, a, expr_neg(store, b)); }

// ---- Products -------------------------------------------------------------------------------------------------------

static void gather_factors(ExprStore *store, PartList *parts, double *constant, Expr factor) {
    ExprNode node = expr_node(store, factor);
    double exponent;
    if (node.kind == EXPR_CONST) {
        *constant *= node.value;
    } else if (node.kind == EXPR_MUL) {
        for (uint32_t i = 0; i < node.count; i++) gather_factors(store, parts, constant, node.argument[i]);
    } else if (node.kind == EXPR_POWER && expr_get_const(store, node.argument[1], &exponent)) {
        vec_push(parts, (Part){node.argument[0], exponent});
    } else {
        vec_push(parts, (Part){factor, 1});
    }
}

// (a*b)^0.5 * (a*b)^0.5 is a*b, whose factors belong among the others: then `again` is set.
static Expr raise(ExprStore *store, Part part, bool *again) {
    Expr result = expr_power(store, part.what, expr_const(store, part.coefficient));
    ExprNode node = expr_node(store, result);
    bool plain = part.coefficient != 1 && node.kind == EXPR_POWER && node.argument[0] == part.what;
    double exponent;
    if (part.coefficient == 1)
        plain =
            node.kind != EXPR_MUL && !(node.kind == EXPR_POWER && expr_get_const(store, node.argument[1], &exponent));
    *again |= !plain;
    return result;
}

Expr expr_mul_n(ExprStore *store, const Expr *factors, uint32_t count) {
    PartList parts = {0};
    double constant = 1;
    for (uint32_t i = 0; i < count; i++) gather_factors(store, &parts, &constant, factors[i]);
    part_merge(store, &parts);
    Expr result;
    if (constant == 0 || !parts.count) {
        result = expr_const(store, constant);
    } else {
        ExprList list = {0};
        bool again = false;
        for (uint32_t i = 0; i < parts.count; i++) vec_push(&list, raise(store, parts.items[i], &again));
        if (again) vec_push(&list, expr_const(store, constant));
        Expr rest = list.count == 1 ? list.items[0]
                    : again         ? expr_mul_n(store, list.items, list.count)
                                    : expr_intern_kind(store, EXPR_MUL, list.items, list.count);
        vec_free(&list);
        if (again)
            result = rest;
        else if (constant == -1 && expr_node(store, rest).kind == EXPR_ADD)
            result = negate_sum(store, rest);
        else
            result = scale(store, constant, rest);
    }
    vec_free(&parts);
    return result;
}

Expr expr_mul(ExprStore *store, Expr a, Expr b) { return expr_mul_n(store, (Expr[]){a, b}, 2); }

Expr expr_div(ExprStore *store, Expr a, Expr b) {
    double divisor, dividend;
    if (expr_get_const(store, b, &divisor) && expr_get_const(store, a, &dividend))
        return expr_const(store, dividend / divisor);
    return expr_mul(store, a, expr_power(store, b, expr_const(store, -1)));
}

static Expr power_of_product(ExprStore *store, ExprNode product, Expr exponent) {
    ExprList list = {0};
    for (uint32_t i = 0; i < product.count; i++) vec_push(&list, expr_power(store, product.argument[i], exponent));
    Expr result = expr_mul_n(store, list.items, list.count);
    vec_free(&list);
    return result;
}

Expr expr_power(ExprStore *store, Expr base, Expr exponent) {
    double n, value, inner;
    ExprNode node = expr_node(store, base);
    if (expr_get_const(store, exponent, &n)) {
        if (n == 0) return expr_const(store, 1);
        if (n == 1) return base;
        if (node.kind == EXPR_CONST) {
            value = n == -1 ? 1 / node.value : pow(node.value, n);
            return expr_const(store, value);
        }
        if (n == floor(n) && node.kind == EXPR_POWER && expr_get_const(store, node.argument[1], &inner))
            return expr_power(store, node.argument[0], expr_const(store, n * inner));
        if (n == floor(n) && node.kind == EXPR_MUL) return power_of_product(store, node, exponent);
    } else if (expr_is_const(store, base, 1)) {
        return base;
    }
    return expr_intern_kind(store, EXPR_POWER, (Expr[]){base, exponent}, 2);
}

// ---- Functions ------------------------------------------------------------------------------------------------------

Expr expr_call(ExprStore *store, ExprFunction function, Expr x) {
    double value;
    if (expr_get_const(store, x, &value)) return expr_const(store, expr_function_value(function, value));
    if (function == FUNCTION_SQRT) return expr_power(store, x, expr_const(store, 0.5));
    return expr_intern(store, (ExprNode){.kind = EXPR_CALL, .count = 1, .argument = &x, .function = function});
}

// ---- Reductions and deltas ------------------------------------------------------------------------------------------

Expr expr_delta(ExprStore *store, Expr a, Expr b) {
    double x, y;
    if (a == b) return expr_const(store, 1);
    if (expr_get_const(store, a, &x) && expr_get_const(store, b, &y)) return expr_const(store, x == y);
    return expr_intern_kind(store, EXPR_DELTA, expr_before(store, a, b) ? (Expr[]){a, b} : (Expr[]){b, a}, 2);
}

// A delta that fixes `index` to something free of it: its other side, else 0.
static Expr delta_fixes(const ExprStore *store, Expr factor, Index index) {
    ExprNode node = expr_node(store, factor);
    if (node.kind != EXPR_DELTA) return 0;
    for (uint32_t side = 0; side < 2; side++) {
        ExprNode own = expr_node(store, node.argument[side]);
        Expr other = node.argument[1 - side];
        if (own.kind == EXPR_INDEX && own.index == index && !expr_has_index(store, other, index)) return other;
    }
    return 0;
}

// True when `term` is a product with a delta that fixes `index`, or such a delta itself.
static bool has_fixing_delta(const ExprStore *store, Expr term, Index index) {
    ExprNode node = expr_node(store, term);
    if (node.kind == EXPR_MUL)
        for (uint32_t i = 0; i < node.count; i++)
            if (delta_fixes(store, node.argument[i], index)) return true;
    return delta_fixes(store, term, index) != 0;
}

typedef struct DeltaSearch {
    Index index;
    bool found;
} DeltaSearch;

static bool search_delta(const ExprStore *store, Expr expr, void *context) {
    DeltaSearch *search = context;
    if (search->found || !expr_has_kind(store, expr, EXPR_DELTA) || !expr_has_index(store, expr, search->index))
        return false;
    search->found = has_fixing_delta(store, expr, search->index);
    ExprKind kind = expr_node(store, expr).kind;
    return kind == EXPR_ADD || kind == EXPR_MUL || kind == EXPR_SELECT || kind == EXPR_SUM;
}

// True when multiplying out would bring a delta that fixes `index` to the front: (u - s)*(delta(i, k) - a). The
// condition of a selection stays where it is, but is no sum or product, so that nothing in it is found.
static bool hides_delta(const ExprStore *store, Expr expr, Index index) {
    DeltaSearch search = {.index = index};
    expr_visit(store, expr, search_delta, &search);
    return search.found;
}

static void multiply_out(ExprStore *store, Expr expr, Index index, ExprList *terms, ExprList *rest);

// One factor is a sum with hidden deltas: the others multiply each of its delta terms, and what remains as a whole.
static void multiply_out_product(ExprStore *store, ExprNode node, Index index, ExprList *terms, ExprList *rest) {
    uint32_t at = 0;
    while (!hides_delta(store, node.argument[at], index)) at++;
    ExprList others = {0}, inner_terms = {0}, inner_rest = {0};
    for (uint32_t i = 0; i < node.count; i++)
        if (i != at) vec_push(&others, node.argument[i]);
    Expr outside = expr_mul_n(store, others.items, others.count);
    multiply_out(store, node.argument[at], index, &inner_terms, &inner_rest);
    for (uint32_t i = 0; i < inner_terms.count; i++) vec_push(terms, expr_mul(store, outside, inner_terms.items[i]));
    Expr remains = expr_mul(store, outside, expr_add_n(store, inner_rest.items, inner_rest.count));
    if (inner_terms.count)
        multiply_out(store, remains, index, terms, rest); // another factor may hide deltas too
    else
        vec_push(rest, remains); // a delta under a sum over the other side's index stays there
    vec_free(&others);
    vec_free(&inner_terms);
    vec_free(&inner_rest);
}

static void sort_term(ExprStore *store, Expr term, Index index, ExprList *terms, ExprList *rest) {
    if (has_fixing_delta(store, term, index))
        vec_push(terms, term);
    else
        vec_push(rest, term);
}

// select(c, a, b) = select(c, a, 0) + select(c, 0, b), and so on for the terms of a and b that have deltas.
static void multiply_out_branch(ExprStore *store, ExprNode node, uint32_t branch, Index index, ExprList *terms,
                                ExprList *rest) {
    ExprList inner_terms = {0}, inner_rest = {0};
    Expr zero = expr_const(store, 0), condition = node.argument[0];
    multiply_out(store, node.argument[branch], index, &inner_terms, &inner_rest);
    vec_push(&inner_terms, expr_add_n(store, inner_rest.items, inner_rest.count));
    for (uint32_t i = 0; i < inner_terms.count; i++) {
        Expr term = inner_terms.items[i];
        Expr chosen =
            branch == 1 ? expr_select(store, condition, term, zero) : expr_select(store, condition, zero, term);
        sort_term(store, chosen, index, terms, rest);
    }
    vec_free(&inner_terms);
    vec_free(&inner_rest);
}

static void multiply_out_sum(ExprStore *store, ExprNode node, Index index, ExprList *terms, ExprList *rest) {
    ExprList inner_terms = {0}, inner_rest = {0};
    multiply_out(store, node.argument[0], index, &inner_terms, &inner_rest);
    vec_push(&inner_terms, expr_add_n(store, inner_rest.items, inner_rest.count));
    for (uint32_t i = 0; i < inner_terms.count; i++)
        sort_term(store, expr_sum(store, node.index, inner_terms.items[i]), index, terms, rest);
    vec_free(&inner_terms);
    vec_free(&inner_rest);
}

// Splits `expr` into terms with a delta that fixes `index` as a factor, and the rest; their sum is `expr`.
static void multiply_out(ExprStore *store, Expr expr, Index index, ExprList *terms, ExprList *rest) {
    ExprNode node = expr_node(store, expr);
    if (has_fixing_delta(store, expr, index)) {
        vec_push(terms, expr);
    } else if (!hides_delta(store, expr, index)) {
        vec_push(rest, expr);
    } else if (node.kind == EXPR_ADD) {
        for (uint32_t i = 0; i < node.count; i++) multiply_out(store, node.argument[i], index, terms, rest);
    } else if (node.kind == EXPR_MUL) {
        multiply_out_product(store, node, index, terms, rest);
    } else if (node.kind == EXPR_SELECT) {
        multiply_out_branch(store, node, 1, index, terms, rest);
        multiply_out_branch(store, node, 2, index, terms, rest);
    } else {
        multiply_out_sum(store, node, index, terms, rest);
    }
}

// sum(index: product): factors free of the index come out, a delta picks one term.
static Expr sum_of_product(ExprStore *store, Index index, const Expr *factors, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        Expr value = delta_fixes(store, factors[i], index);
        if (!value) continue;
        ExprList rest = {0};
        for (uint32_t k = 0; k < count; k++)
            if (k != i) vec_push(&rest, expr_substitute_index(store, factors[k], expr_index(store, index), value));
        Expr result = expr_mul_n(store, rest.items, rest.count);
        vec_free(&rest);
        return result;
    }
    ExprList inside = {0}, outside = {0};
    for (uint32_t i = 0; i < count; i++) {
        if (expr_has_index(store, factors[i], index))
            vec_push(&inside, factors[i]);
        else
            vec_push(&outside, factors[i]);
    }
    Expr result;
    if (!inside.count && index != INDEX_BATCH) {
        vec_push(&outside, expr_const(store, index_info(store, index)->extent));
        result = expr_mul_n(store, outside.items, outside.count);
    } else {
        Expr body = expr_mul_n(store, inside.items, inside.count); // 1 when empty
        Expr sum = expr_intern(store, (ExprNode){.kind = EXPR_SUM, .count = 1, .argument = &body, .index = index});
        vec_push(&outside, sum);
        result = expr_mul_n(store, outside.items, outside.count);
    }
    vec_free(&inside);
    vec_free(&outside);
    return result;
}

static Expr sum_of_terms(ExprStore *store, Index index, ExprNode body) {
    ExprList terms = {0}, rest = {0}; // terms that can be summed on their own, and those that stay together
    for (uint32_t i = 0; i < body.count; i++) {
        Expr term = body.argument[i];
        bool alone = has_fixing_delta(store, term, index) || !expr_has_index(store, term, index);
        if (alone)
            vec_push(&terms, expr_sum(store, index, term));
        else
            vec_push(&rest, term);
    }
    if (rest.count) {
        Expr together = expr_add_n(store, rest.items, rest.count);
        ExprNode node = expr_node(store, together);
        vec_push(&terms,
                 node.kind == EXPR_ADD ? sum_of_product(store, index, &together, 1) : expr_sum(store, index, together));
    }
    Expr result = expr_add_n(store, terms.items, terms.count);
    vec_free(&terms);
    vec_free(&rest);
    return result;
}

static Expr sum_multiplied_out(ExprStore *store, Index index, Expr body) {
    ExprList terms = {0}, rest = {0};
    multiply_out(store, body, index, &terms, &rest);
    Expr remains = expr_add_n(store, rest.items, rest.count), result = 0;
    if (terms.count && !hides_delta(store, remains, index)) { // else a delta stays within
        for (uint32_t i = 0; i < terms.count; i++) terms.items[i] = expr_sum(store, index, terms.items[i]);
        vec_push(&terms, expr_sum(store, index, remains));
        result = expr_add_n(store, terms.items, terms.count);
    }
    vec_free(&terms);
    vec_free(&rest);
    return result;
}

// How many terms multiplying out makes, at most; counted up to `many`.
static uint32_t count_terms(const ExprStore *store, Expr expr, Index index, uint32_t many, ExprMemo *memo) {
    uint32_t known = expr_memo_get(memo, expr);
    if (known) return known - 1;
    ExprNode node = expr_node(store, expr);
    uint64_t terms = delta_fixes(store, expr, index) != 0;
    if (expr_has_kind(store, expr, EXPR_DELTA) && node.kind != EXPR_DELTA)
        for (uint32_t i = 0; i < node.count && terms < many; i++) {
            uint64_t own = count_terms(store, node.argument[i], index, many, memo);
            terms = node.kind == EXPR_MUL ? (terms + 1) * (own + 1) - 1 : terms + own;
        }
    if (terms > many) terms = many;
    expr_memo_set(memo, expr, (uint32_t)terms + 1);
    return (uint32_t)terms;
}

static bool would_be_many(const ExprStore *store, Expr expr, Index index) {
    enum { MANY = 200 };
    ExprMemo memo = {0};
    uint32_t terms = count_terms(store, expr, index, MANY, &memo);
    expr_memo_free(&memo);
    return terms == MANY;
}

typedef struct DeltaChoice {
    Index index;
    Expr delta;
} DeltaChoice;

static bool choose_delta(const ExprStore *store, Expr expr, void *context) {
    DeltaChoice *choice = context;
    if (choice->delta || !expr_has_kind(store, expr, EXPR_DELTA)) return false;
    if (delta_fixes(store, expr, choice->index)) choice->delta = expr;
    return true;
}

// A function of functions of x[i] has as many terms as there are ways through it. A delta d is 0 or 1, so that
// body = body(d = 0) + d*(body(d = 1) - body(d = 0)), which keeps what is shared. 0 where an index is bound within.
static Expr sum_over_delta(ExprStore *store, Index index, Expr body) {
    DeltaChoice choice = {.index = index};
    if (expr_has_kind(store, body, EXPR_SUM) || expr_has_kind(store, body, EXPR_MAXIMUM)) return 0;
    expr_visit(store, body, choose_delta, &choice);
    if (!choice.delta) return 0;
    Expr without = expr_replace(store, body, choice.delta, expr_const(store, 0));
    Expr with = expr_replace(store, body, choice.delta, expr_const(store, 1));
    Expr at = expr_sub(store, with, without), value = delta_fixes(store, choice.delta, index);
    return expr_add(store, expr_sum(store, index, without),
                    expr_substitute_index(store, at, expr_index(store, index), value));
}

Expr expr_sum(ExprStore *store, Index index, Expr body) {
    if (!has_fixing_delta(store, body, index) && hides_delta(store, body, index)) {
        Expr result = would_be_many(store, body, index) ? sum_over_delta(store, index, body) : 0;
        if (!result) result = sum_multiplied_out(store, index, body);
        if (result) return result;
    }
    ExprNode node = expr_node(store, body);
    if (node.kind == EXPR_MUL) return sum_of_product(store, index, node.argument, node.count);
    if (node.kind == EXPR_ADD) return sum_of_terms(store, index, node);
    return sum_of_product(store, index, &body, 1);
}

Expr expr_maximum(ExprStore *store, Index index, Expr body) {
    if (!expr_has_index(store, body, index) && index_info(store, index)->extent > 0) return body;
    return expr_intern(store, (ExprNode){.kind = EXPR_MAXIMUM, .count = 1, .argument = &body, .index = index});
}

// ---- Selection, comparison, operators on signals --------------------------------------------------------------------

static void split_deltas(const ExprStore *store, Expr expr, ExprList *deltas, ExprList *rest) {
    ExprNode node = expr_node(store, expr);
    const Expr *factors = node.kind == EXPR_MUL ? node.argument : &expr;
    uint32_t count = node.kind == EXPR_MUL ? node.count : 1;
    for (uint32_t i = 0; i < count; i++) {
        if (expr_node(store, factors[i]).kind == EXPR_DELTA)
            vec_push(deltas, factors[i]);
        else
            vec_push(rest, factors[i]);
    }
}

// Deltas common to both branches come out of a selection, so that sums around it can eliminate them.
static Expr select_without_deltas(ExprStore *store, Expr condition, Expr a, Expr b) {
    ExprList da = {0}, ra = {0}, db = {0}, rb = {0};
    split_deltas(store, a, &da, &ra);
    split_deltas(store, b, &db, &rb);
    bool a_zero = expr_is_const(store, a, 0), b_zero = expr_is_const(store, b, 0);
    ExprList *deltas = a_zero ? &db : &da;
    bool same = a_zero || b_zero ||
                (da.count == db.count && da.count && memcmp(da.items, db.items, da.count * sizeof(Expr)) == 0);
    Expr result = 0;
    if (deltas->count && same) {
        Expr inner = expr_select(store, condition, a_zero ? a : expr_mul_n(store, ra.items, ra.count),
                                 b_zero ? b : expr_mul_n(store, rb.items, rb.count));
        vec_push(deltas, inner);
        result = expr_mul_n(store, deltas->items, deltas->count);
    }
    vec_free(&da);
    vec_free(&ra);
    vec_free(&db);
    vec_free(&rb);
    return result;
}

Expr expr_select(ExprStore *store, Expr condition, Expr a, Expr b) {
    double known;
    if (expr_get_const(store, condition, &known)) return known != 0 ? a : b;
    if (a == b) return a;
    Expr result = select_without_deltas(store, condition, a, b);
    return result ? result : expr_intern_kind(store, EXPR_SELECT, (Expr[]){condition, a, b}, 3);
}

static Expr fold_two(ExprStore *store, ExprKind kind, double a, double b) {
    switch (kind) {
    case EXPR_MIN: return expr_const(store, a < b ? a : b);
    case EXPR_MAX: return expr_const(store, a > b ? a : b);
    case EXPR_LESS: return expr_const(store, a < b);
    case EXPR_LESS_EQUAL: return expr_const(store, a <= b);
    case EXPR_EQUAL: return expr_const(store, a == b);
    case EXPR_AND: return expr_const(store, a != 0 && b != 0);
    case EXPR_OR: return expr_const(store, a != 0 || b != 0);
    default: return 0;
    }
}

// d/dt is linear; constants don't change.
static Expr make_rate(ExprStore *store, Expr x) {
    ExprNode node = expr_node(store, x);
    if (node.kind == EXPR_CONST) return expr_const(store, 0);
    if (node.kind == EXPR_ADD) {
        ExprList list = {0};
        for (uint32_t i = 0; i < node.count; i++) vec_push(&list, make_rate(store, node.argument[i]));
        Expr result = expr_add_n(store, list.items, list.count);
        vec_free(&list);
        return result;
    }
    if (node.kind == EXPR_MUL && expr_node(store, node.argument[0]).kind == EXPR_CONST)
        return expr_mul(store, node.argument[0],
                        make_rate(store, expr_mul_n(store, node.argument + 1, node.count - 1)));
    return expr_intern_kind(store, EXPR_RATE, &x, 1);
}

// The operator algebra (science.md section 1): a lookahead and a low-pass of one time constant cancel.
static Expr make_filter(ExprStore *store, ExprKind kind, const Expr *arguments, uint32_t count) {
    ExprNode node = expr_node(store, arguments[0]);
    ExprKind inverse = kind == EXPR_AHEAD ? EXPR_LOWPASS : EXPR_AHEAD;
    if (node.kind == EXPR_CONST) return arguments[0];
    if (kind != EXPR_DELAY && node.kind == inverse && node.argument[1] == arguments[1]) return node.argument[0];
    if (kind != EXPR_DELAY && expr_is_const(store, arguments[1], 0)) return arguments[0];
    return expr_intern_kind(store, kind, arguments, count);
}

Expr expr_make(ExprStore *store, ExprKind kind, const Expr *arguments, uint32_t count) {
    double a, b;
    switch (kind) {
    case EXPR_ADD: return expr_add_n(store, arguments, count);
    case EXPR_MUL: return expr_mul_n(store, arguments, count);
    case EXPR_POWER: return expr_power(store, arguments[0], arguments[1]);
    case EXPR_SELECT: return expr_select(store, arguments[0], arguments[1], arguments[2]);
    case EXPR_DELTA: return expr_delta(store, arguments[0], arguments[1]);
    case EXPR_RATE: return make_rate(store, arguments[0]);
    case EXPR_AHEAD:
    case EXPR_LOWPASS:
    case EXPR_DELAY: return make_filter(store, kind, arguments, count);
    case EXPR_STOP:
    case EXPR_PREVIOUS:
        if (expr_get_const(store, arguments[0], &a) || expr_node(store, arguments[0]).kind == kind) return arguments[0];
        break;
    case EXPR_NOT:
        if (expr_get_const(store, arguments[0], &a)) return expr_const(store, a == 0);
        break;
    default:
        assert(count == 2);
        if (expr_get_const(store, arguments[0], &a) && expr_get_const(store, arguments[1], &b))
            return fold_two(store, kind, a, b);
        if ((kind == EXPR_MIN || kind == EXPR_MAX) && arguments[0] == arguments[1]) return arguments[0];
    }
    return expr_intern_kind(store, kind, arguments, count);
}
