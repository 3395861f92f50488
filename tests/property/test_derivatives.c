// Derivatives of random expressions against central differences and complex steps: scalars, vectors and matrices in
// index notation, sums with nested and with shadowed indices, every function, kinks away from their corners, stopped
// gradients. The seed is fixed, so a failure repeats; it prints the expression.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiler/expr/expr.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 3, COLUMNS = 4, SYMBOLS = 7, LARGEST = ROWS * COLUMNS, MAX_SCOPE = 16, EXPRESSIONS = 3000 };

// Symbols come in pairs: the odd ones are perturbed, symbol + 1 is the same array held fixed.
enum { X = 1, Y = 3, Z = 5, V = 7, R = 9, A = 11, W = 13 };

typedef struct World {
    Arena *arena;
    ExprStore *s;
    uint64_t random;
    bool kinks; // may the generator use min, max, select, …
    double value[SYMBOLS][LARGEST];
    Symbol moved;           // the array of which one element is perturbed
    int64_t place;          // that element
    double by;              // real perturbation
    double complex_by;      // imaginary perturbation
    Index scope[MAX_SCOPE]; // of the indices bound around the place of generation
    uint32_t scope_count;
} World;

// ---- Random expressions ---------------------------------------------------------------------------------------------

static uint64_t next(World *w) { // splitmix64
    uint64_t z = w->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint32_t below(World *w, uint32_t n) { return (uint32_t)(next(w) % n); }
static double between(World *w, double low, double high) {
    return low + (high - low) * (double)(next(w) >> 11) * 0x1p-53;
}

static Expr generate(World *w, int depth);

static Expr number(World *w, double value) { return expr_const(w->s, value); }

static Expr any_position(World *w, uint32_t extent) {
    Index found[MAX_SCOPE];
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->scope_count; i++)
        if (index_info(w->s, w->scope[i])->extent == extent) found[count++] = w->scope[i];
    if (!count || below(w, 8) == 0) return number(w, below(w, extent));
    return expr_index(w->s, found[below(w, count)]);
}

static Expr access(World *w, Symbol symbol) {
    const SymbolInfo *info = symbol_info(w->s, symbol);
    Expr position[2] = {0};
    uint32_t rank = info->rank, extent[2] = {info->extent[0], info->extent[1]};
    for (uint32_t i = 0; i < rank; i++) position[i] = any_position(w, extent[i]);
    return expr_access(w->s, symbol, below(w, 2) ? VERSION_OLD : VERSION_NEW, position, rank);
}

static Expr leaf(World *w) {
    static const Symbol arrays[] = {X, Y, Z, V, V, R, R, A, W};
    if (below(w, 6) == 0) return number(w, rint(between(w, -8, 8)) / 4);
    if (w->scope_count && below(w, 3)) return access(w, arrays[3 + below(w, 6)]);
    return access(w, arrays[below(w, 9)]);
}

// The arguments are made in order, so that every compiler generates the same expressions.
static Expr square_plus(World *w, double offset, int depth) {
    Expr square = expr_power(w->s, generate(w, depth), number(w, 2));
    return expr_add(w->s, number(w, offset), square);
}

static Expr smooth_function(World *w, int depth) {
    ExprFunction function = (ExprFunction)below(w, FUNCTION_COUNT);
    switch (function) {
    case FUNCTION_LOG:
    case FUNCTION_SQRT:
    case FUNCTION_LOG1P: return expr_call(w->s, function, square_plus(w, 0.5, depth));
    case FUNCTION_ABS:
    case FUNCTION_SIGN:
        if (!w->kinks) function = FUNCTION_TANH;
        break;
    default: break;
    }
    return expr_call(w->s, function, generate(w, depth));
}

static Expr any_power(World *w, int depth) {
    static const double exponents[] = {2, 3, 2, 4};
    static const double real_exponents[] = {-1, -2, 0.5, -0.5, 1.5, 0.3};
    if (below(w, 2)) return expr_power(w->s, generate(w, depth), number(w, exponents[below(w, 4)]));
    Expr base = square_plus(w, 0.7, depth);
    if (below(w, 2)) return expr_power(w->s, base, number(w, real_exponents[below(w, 6)]));
    return expr_power(w->s, base, expr_call(w->s, FUNCTION_TANH, generate(w, depth)));
}

static Expr condition(World *w, int depth) {
    Expr a = generate(w, depth), b = generate(w, depth);
    Expr less = expr_make2(w->s, below(w, 2) ? EXPR_LESS : EXPR_LESS_EQUAL, a, b);
    switch (below(w, 4)) {
    case 0: return expr_make1(w->s, EXPR_NOT, less);
    case 1: return expr_make2(w->s, below(w, 2) ? EXPR_AND : EXPR_OR, less, expr_make2(w->s, EXPR_LESS, b, leaf(w)));
    default: return less;
    }
}

static Expr kinked(World *w, int depth) {
    if (!w->kinks) return generate(w, depth);
    if (below(w, 2)) {
        Expr test = condition(w, depth > 1 ? 1 : depth), a = generate(w, depth);
        return expr_select(w->s, test, a, generate(w, depth));
    }
    Expr a = generate(w, depth), b = generate(w, depth);
    return expr_make2(w->s, below(w, 2) ? EXPR_MIN : EXPR_MAX, a, b);
}

// A new bound index; sometimes one that is bound further out already, which it then hides.
static Index enter(World *w) {
    Index index = index_shared(w->s, below(w, 3), below(w, 2) ? ROWS : COLUMNS);
    w->scope[w->scope_count++] = index;
    return index;
}

static Expr reduction(World *w, int depth) {
    if (w->scope_count == MAX_SCOPE) return leaf(w);
    bool maximum = w->kinks && below(w, 5) == 0;
    Index index = enter(w);
    // Elements are compared with their maximum by value, so a body must round alike in whatever order it is written:
    // no more than two factors, and no kinks, which would make equal elements.
    Expr body = maximum ? expr_call(w->s, FUNCTION_TANH, access(w, below(w, 2) ? A : W)) : generate(w, depth);
    if (maximum) body = expr_mul(w->s, body, access(w, index_info(w->s, index)->extent == ROWS ? V : R));
    w->scope_count--;
    return maximum ? expr_maximum(w->s, index, body) : expr_sum(w->s, index, body);
}

static Expr matrix_product(World *w, int depth) {
    if (w->scope_count == MAX_SCOPE) return leaf(w);
    Index index = index_shared(w->s, below(w, 3), COLUMNS);
    Expr row = any_position(w, ROWS);
    Expr weight = expr_access(w->s, W, VERSION_OLD, (Expr[]){row, expr_index(w->s, index)}, 2);
    w->scope[w->scope_count++] = index;
    Expr right = generate(w, depth);
    w->scope_count--;
    return expr_sum(w->s, index, expr_mul(w->s, weight, right));
}

static Expr generate(World *w, int depth) {
    if (depth <= 0) return leaf(w);
    int deeper = depth - 1;
    Expr a, b;
    switch (below(w, 14)) {
    case 0:
    case 1:
        a = generate(w, deeper);
        b = generate(w, deeper);
        return below(w, 2) ? expr_add(w->s, a, b) : expr_sub(w->s, a, b);
    case 2:
    case 3:
        a = generate(w, deeper);
        b = generate(w, deeper);
        return expr_mul(w->s, a, b);
    case 4: a = generate(w, deeper); return expr_div(w->s, a, square_plus(w, 1, deeper));
    case 5:
    case 6: return smooth_function(w, deeper);
    case 7: return any_power(w, deeper);
    case 8: return kinked(w, deeper);
    case 9:
    case 10: return reduction(w, deeper);
    case 11: return matrix_product(w, deeper);
    case 12: return w->kinks ? expr_make1(w->s, EXPR_STOP, generate(w, deeper)) : leaf(w);
    default: return leaf(w);
    }
}

// ---- Values ---------------------------------------------------------------------------------------------------------

static bool is_moved(const World *w, Symbol symbol, int64_t place) { return symbol == w->moved && place == w->place; }

static int64_t place_of(const World *w, Symbol symbol, const int64_t *index, uint32_t count) {
    const SymbolInfo *info = symbol_info(w->s, symbol);
    int64_t place = 0;
    assert_int_equal(count, info->rank);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(index[i] >= 0 && index[i] < info->extent[i]);
        place = place * info->extent[i] + index[i];
    }
    return place;
}

static double element(void *context, Symbol symbol, ExprVersion version, const int64_t *index, uint32_t count) {
    (void)version;
    const World *w = context;
    int64_t place = place_of(w, symbol, index, count);
    return w->value[(symbol - 1) / 2][place] + (is_moved(w, symbol, place) ? w->by : 0);
}

static double complex complex_element(void *context, Symbol symbol, ExprVersion version, const int64_t *index,
                                      uint32_t count) {
    (void)version;
    const World *w = context;
    int64_t place = place_of(w, symbol, index, count);
    double complex z = w->value[(symbol - 1) / 2][place];
    ((double *)&z)[1] = is_moved(w, symbol, place) ? w->complex_by : 0;
    return z;
}

static Expr hold(ExprStore *store, Expr expr, void *context) {
    (void)context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS || node.symbol % 2 == 0) return expr;
    return expr_access(store, node.symbol + 1, node.version, node.argument, node.count);
}

// What is under `constant(…)` reads the arrays that nobody perturbs.
static Expr hold_stopped(ExprStore *store, Expr expr, void *context) {
    ExprNode node = expr_node(store, expr);
    return node.kind == EXPR_STOP ? expr_rewrite(store, node.argument[0], hold, context) : expr;
}

static double value_at(World *w, Expr expr, int64_t *values, double by) {
    w->by = by;
    double result = expr_evaluate(w->s, expr, element, w, values, 1);
    w->by = 0;
    return result;
}

static void print_failure(World *w, const char *what, Expr expr, Expr derivative, double have, double expected) {
    Text a = {0}, b = {0};
    expr_print(w->s, expr, EXPR_TEXT, &a);
    expr_print(w->s, derivative, EXPR_TEXT, &b);
    print_error("%s: %.17g, expected %.17g\n  of %s\n  is %s\n  by %s[%d]\n", what, have, expected, text_z(&a),
                text_z(&b), symbol_info(w->s, w->moved)->name, (int)w->place);
    text_free(&a);
    text_free(&b);
}

// ---- The world ------------------------------------------------------------------------------------------------------

static void declare(World *w, const char *name, uint32_t rank, uint32_t rows, uint32_t columns) {
    SymbolInfo info = {.role = ROLE_STATE, .rank = rank, .extent = {rows, columns}};
    info.name = arena_atom_z(w->arena, name);
    symbol_new(w->s, info);
    info.name = arena_format(w->arena, "%s_held", name);
    symbol_new(w->s, info);
}

static World *world_new(uint64_t seed) {
    World *w = calloc(1, sizeof *w);
    w->arena = arena_new();
    w->s = expr_store_new(w->arena);
    w->random = seed;
    w->kinks = true;
    declare(w, "x", 0, 0, 0);
    declare(w, "y", 0, 0, 0);
    declare(w, "z", 0, 0, 0);
    declare(w, "v", 1, ROWS, 0);
    declare(w, "r", 1, COLUMNS, 0);
    declare(w, "a", 2, ROWS, ROWS);
    declare(w, "W", 2, ROWS, COLUMNS);
    for (int symbol = 0; symbol < SYMBOLS; symbol++)
        for (int i = 0; i < LARGEST; i++) w->value[symbol][i] = between(w, -1.2, 1.2);
    return w;
}

static void world_free(World *w) {
    expr_store_free(w->s);
    arena_free(w->arena);
    free(w);
}

// Where to differentiate: fixed elements, or elements named by free index variables, perhaps ones that the expression
// binds or has free itself.
static uint32_t choose_place(World *w, Symbol symbol, Expr *at) {
    SymbolInfo info = *symbol_info(w->s, symbol);
    for (uint32_t i = 0; i < info.rank; i++)
        at[i] = below(w, 4) ? expr_index(w->s, index_shared(w->s, below(w, 3), info.extent[i]))
                            : number(w, below(w, info.extent[i]));
    return info.rank;
}

static void choose_indices(World *w, int64_t *values) {
    for (uint32_t n = 0; n < 3; n++) {
        values[index_shared(w->s, n, ROWS)] = below(w, ROWS);
        values[index_shared(w->s, n, COLUMNS)] = below(w, COLUMNS);
    }
}

static int64_t chosen_place(World *w, Symbol symbol, const Expr *at, uint32_t count, int64_t *values) {
    int64_t index[2] = {0};
    for (uint32_t i = 0; i < count; i++) index[i] = (int64_t)expr_evaluate(w->s, at[i], element, w, values, 1);
    return place_of(w, symbol, index, count);
}

// ---- Properties -----------------------------------------------------------------------------------------------------

// Differences lose half of the digits, and a kink may lie within the step: one of three steps must agree.
static bool differences_agree(World *w, Expr expr, int64_t *values, double slope) {
    static const double steps[] = {1e-5, 1e-6, 1e-7};
    for (int n = 0; n < 3; n++) {
        double up = value_at(w, expr, values, steps[n]), down = value_at(w, expr, values, -steps[n]);
        double quotient = (up - down) / (2 * steps[n]), value = fabs(value_at(w, expr, values, 0));
        if (fabs(quotient - slope) <= 1e-5 * fmax(1, fabs(slope)) + 1e-9 * value) return true;
    }
    return false;
}

// True when the expression could be judged: moderate in value and slope, and steep nowhere near.
static bool check(World *w, Expr expr, Expr derivative, int64_t *values) {
    Expr held = expr_rewrite(w->s, expr, hold_stopped, NULL);
    double value = value_at(w, expr, values, 0), slope = value_at(w, derivative, values, 0);
    if (!(fabs(value) < 1e3) || (isfinite(slope) && fabs(slope) > 1e3)) return false;
    w->complex_by = 1e-30;
    double complex z = expr_evaluate_complex(w->s, held, complex_element, w, values, 1);
    w->complex_by = 0;
    if (fabs(creal(z) - value) > 1e-12 * fmax(1, fabs(value))) {
        print_failure(w, "complex value", expr, derivative, creal(z), value);
        fail();
    }
    double step = cimag(z) / 1e-30;
    if (!(fabs(step - slope) <= 1e-12 * fmax(1, fabs(slope)))) {
        print_failure(w, "complex step", expr, derivative, slope, step);
        fail();
    }
    if (!differences_agree(w, held, values, slope)) {
        print_failure(w, "differences", expr, derivative, slope, step);
        fail();
    }
    return true;
}

static void derivatives_of_random_expressions(void **state) {
    (void)state;
    static const Symbol targets[] = {X, X, Y, V, V, R, R, A, W, W};
    int judged = 0, moving = 0;
    for (uint64_t n = 0; n < EXPRESSIONS; n++) {
        World *w = world_new(1000 + n);
        w->kinks = n % 4 != 0;
        for (uint32_t i = below(w, 3); i > 0; i--) enter(w); // free in the whole expression
        Expr expr = generate(w, 1 + (int)below(w, 6)), at[2] = {0};
        w->moved = targets[below(w, 10)];
        for (int tries = 0; tries < 8 && !expr_reads(w->s, expr, w->moved); tries++) w->moved = targets[below(w, 10)];
        uint32_t count = choose_place(w, w->moved, at);
        Expr derivative = expr_derivative(w->s, expr, w->moved, at, count);
        int64_t values[64] = {0};
        bool good = false;
        for (int repeat = 0; repeat < 3; repeat++) {
            choose_indices(w, values);
            w->place = chosen_place(w, w->moved, at, count, values);
            good |= check(w, expr, derivative, values);
        }
        judged += good;
        moving += good && !expr_is_const(w->s, derivative, 0);
        world_free(w);
    }
    print_message("%d expressions judged, %d with a derivative\n", judged, moving);
    assert_true(judged > 2000);
    assert_true(moving > 1000);
}

static void partials_of_random_expressions(void **state) {
    (void)state;
    int judged = 0;
    for (uint64_t n = 0; n < 1000; n++) {
        World *w = world_new(500000 + n);
        Expr x_old = expr_access(w->s, X, VERSION_OLD, NULL, 0), x_new = expr_access(w->s, X, VERSION_NEW, NULL, 0);
        Expr tau = expr_access(w->s, Z, VERSION_OLD, NULL, 0);
        Expr expr = expr_replace(w->s, generate(w, 1 + (int)below(w, 5)), x_new, x_old);
        // The same by a lookahead in place of x: a leaf, not a function of x.
        Expr ahead = expr_make2(w->s, EXPR_AHEAD, x_old, tau);
        Expr by_leaf = expr_partial(w->s, expr_replace(w->s, expr, x_old, ahead), ahead);
        Expr by_symbol = expr_derivative(w->s, expr, X, NULL, 0);
        assert_int_equal(expr_partial(w->s, expr, x_old), by_symbol);
        int64_t values[64] = {0};
        double expected = value_at(w, by_symbol, values, 0);
        double have = value_at(w, expr_replace(w->s, by_leaf, ahead, x_old), values, 0);
        if (fabs(expected) < 1e3) {
            if (fabs(have - expected) > 1e-12 * fmax(1, fabs(expected))) {
                print_failure(w, "partial", expr, by_leaf, have, expected);
                fail();
            }
            judged++;
        }
        world_free(w);
    }
    assert_true(judged > 500);
}

// Where nothing is selected, every delta of a closed expression meets the sum over its index.
static void sums_leave_no_delta(void **state) {
    (void)state;
    static const Symbol targets[] = {V, R, A, W};
    int with_derivative = 0;
    for (uint64_t n = 0; n < EXPRESSIONS; n++) {
        World *w = world_new(900000 + n);
        w->kinks = false;
        Expr expr = generate(w, 2 + (int)below(w, 5)), at[2] = {0};
        Symbol symbol = targets[below(w, 4)];
        SymbolInfo info = *symbol_info(w->s, symbol);
        for (uint32_t i = 0; i < info.rank; i++)
            at[i] = expr_index(w->s, index_new(w->s, arena_format(w->arena, "p%u", i), info.extent[i]));
        Expr derivative = expr_derivative(w->s, expr, symbol, at, info.rank);
        bool left = false;
        for (Expr e = 1; e <= derivative; e++) {
            ExprNode node = expr_node(w->s, e);
            if (node.kind != EXPR_DELTA || !expr_contains(w->s, derivative, e)) continue;
            // What a[2, 1] and a diagonal give, delta(2, p0) and delta(p0, p1), speaks of no bound index.
            for (int side = 0; side < 2; side++) {
                Expr position = node.argument[side];
                bool own = position == at[0] || (info.rank == 2 && position == at[1]);
                left |= expr_node(w->s, position).kind == EXPR_INDEX && !own;
            }
        }
        if (left) {
            w->moved = symbol;
            print_failure(w, "a delta is left", expr, derivative, 0, 0);
            fail();
        }
        with_derivative += !expr_is_const(w->s, derivative, 0);
        world_free(w);
    }
    assert_true(with_derivative > 1000);
}

// d/dx of a + b, a*b and f(a) from those of a and b, by handle or by value.
static void derivatives_are_linear(void **state) {
    (void)state;
    for (uint64_t n = 0; n < 500; n++) {
        World *w = world_new(700000 + n);
        Expr a = generate(w, 3), b = generate(w, 3), scaled = expr_mul(w->s, number(w, 3), a);
        Expr sum = expr_derivative(w->s, expr_add(w->s, scaled, b), X, NULL, 0);
        Expr da = expr_derivative(w->s, a, X, NULL, 0), db = expr_derivative(w->s, b, X, NULL, 0);
        int64_t values[64] = {0};
        double expected = 3 * value_at(w, da, values, 0) + value_at(w, db, values, 0);
        double have = value_at(w, sum, values, 0);
        if (isfinite(expected) && !(fabs(have - expected) <= 1e-11 * fmax(1, fabs(expected)))) {
            print_failure(w, "linearity", expr_add(w->s, scaled, b), sum, have, expected);
            fail();
        }
        world_free(w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derivatives_of_random_expressions),
        cmocka_unit_test(partials_of_random_expressions),
        cmocka_unit_test(sums_leave_no_delta),
        cmocka_unit_test(derivatives_are_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
