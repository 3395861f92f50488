// The symbolic core: every rule that expr.h promises of its constructors, substitution, evaluation, units, printing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assert_close.h"
#include "compiler/expr/expr.h"
#include <stdlib.h>

enum { ROWS = 3, COLUMNS = 4, ARRAY_MAX = 64 };

// Scalars x, y, z and tau; vectors u[ROWS], e[ROWS], r[COLUMNS]; a matrix W[ROWS, COLUMNS]; and indices over them.
typedef struct Model {
    Arena *arena;
    ExprStore *s;
    Symbol x_symbol, u_symbol, e_symbol, r_symbol, W_symbol, a_symbol;
    Expr x, y, z, tau;
    Index row, column, row2, column2;
    Expr i, j, k, l;             // row, column, row2, column2 as expressions
    double value[16][ARRAY_MAX]; // by symbol
    double old[16][ARRAY_MAX];
} Model;

static Symbol declare(Model *m, const char *name, SymbolRole role, uint32_t rank, uint32_t rows, uint32_t columns,
                      Unit unit) {
    SymbolInfo info = {.name = arena_atom_z(m->arena, name), .role = role, .rank = rank, .unit = unit};
    info.extent[0] = rows;
    info.extent[1] = columns;
    return symbol_new(m->s, info);
}

static Expr scalar(Model *m, const char *name) {
    return expr_access(m->s, declare(m, name, ROLE_SCALAR, 0, 0, 0, UNIT_NONE), VERSION_OLD, NULL, 0);
}

static Expr at(Model *m, Symbol symbol, Expr i) { return expr_access(m->s, symbol, VERSION_OLD, &i, 1); }
static Expr at2(Model *m, Symbol symbol, Expr i, Expr j) {
    return expr_access(m->s, symbol, VERSION_OLD, (Expr[]){i, j}, 2);
}
static Expr number(Model *m, double value) { return expr_const(m->s, value); }

static int setup(void **state) {
    Model *m = calloc(1, sizeof *m);
    m->arena = arena_new();
    m->s = expr_store_new(m->arena);
    m->x = scalar(m, "x");
    m->x_symbol = symbol_count(m->s);
    m->y = scalar(m, "y");
    m->z = scalar(m, "z");
    m->tau = scalar(m, "tau");
    m->u_symbol = declare(m, "h[2].u", ROLE_STATE, 1, ROWS, 0, UNIT_NONE);
    m->e_symbol = declare(m, "e", ROLE_SIGNAL, 1, ROWS, 0, UNIT_NONE);
    m->r_symbol = declare(m, "r", ROLE_REGISTER, 1, COLUMNS, 0, UNIT_NONE);
    m->W_symbol = declare(m, "W", ROLE_WEIGHT, 2, ROWS, COLUMNS, UNIT_NONE);
    m->a_symbol = declare(m, "a", ROLE_STATE, 2, ROWS, ROWS, UNIT_NONE);
    m->row = index_shared(m->s, 0, ROWS);
    m->row2 = index_shared(m->s, 2, ROWS);
    m->column = index_shared(m->s, 1, COLUMNS);
    m->column2 = index_shared(m->s, 3, COLUMNS);
    m->i = expr_index(m->s, m->row);
    m->k = expr_index(m->s, m->row2);
    m->j = expr_index(m->s, m->column);
    m->l = expr_index(m->s, m->column2);
    for (int symbol = 0; symbol < 16; symbol++)
        for (int n = 0; n < ARRAY_MAX; n++) {
            m->value[symbol][n] = 0.25 + 0.5 * symbol - 0.17 * n + 0.013 * n * n;
            m->old[symbol][n] = 100 + symbol + n;
        }
    *state = m;
    return 0;
}

static int teardown(void **state) {
    Model *m = *state;
    expr_store_free(m->s);
    arena_free(m->arena);
    free(m);
    return 0;
}

// New values come from `value`, old ones too unless the test looks at versions.
static double element(void *context, Symbol symbol, ExprVersion version, const int64_t *index, uint32_t count) {
    Model *m = context;
    const SymbolInfo *info = symbol_info(m->s, symbol);
    int64_t place = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t extent = i < info->rank ? (int64_t)info->extent[i] : 5; // a batch of at most 5
        assert_true(index[i] >= 0 && index[i] < extent);
        place = place * extent + index[i];
    }
    assert_true(place < ARRAY_MAX);
    return info->role == ROLE_LEAF && version == VERSION_OLD ? m->old[symbol][place] : m->value[symbol][place];
}

static double complex complex_element(void *context, Symbol symbol, ExprVersion version, const int64_t *index,
                                      uint32_t count) {
    return element(context, symbol, version, index, count);
}

static double evaluate(Model *m, Expr expr, int64_t i, int64_t j) {
    int64_t values[256] = {0};
    values[m->row] = i;
    values[m->column] = j;
    values[m->row2] = (i + 1) % ROWS;
    values[m->column2] = (j + 2) % COLUMNS;
    double value = expr_evaluate(m->s, expr, element, m, values, 5);
    double complex again = expr_evaluate_complex(m->s, expr, complex_element, m, values, 5);
    assert_close(creal(again), value, 1e-14 * fmax(1, fabs(value)));
    return value;
}

static void assert_text_at(Model *m, Expr expr, ExprStyle style, const char *expected, const char *file, int line) {
    Text out = {0};
    expr_print(m->s, expr, style, &out);
    if (strcmp(text_z(&out), expected) != 0) {
        print_error("printed  %s\nexpected %s\n", text_z(&out), expected);
        text_free(&out);
        _fail(file, line);
    }
    text_free(&out);
}
#define assert_text(expr, expected) assert_text_at(m, (expr), EXPR_TEXT, (expected), __FILE__, __LINE__)
#define assert_unicode(expr, expected) assert_text_at(m, (expr), EXPR_UNICODE, (expected), __FILE__, __LINE__)
#define assert_latex(expr, expected) assert_text_at(m, (expr), EXPR_LATEX, (expected), __FILE__, __LINE__)

// On failure both expressions are shown.
static void assert_same_at(Model *m, Expr have, Expr expected, const char *file, int line) {
    if (have == expected) return;
    Text a = {0}, b = {0};
    expr_print(m->s, have, EXPR_TEXT, &a);
    expr_print(m->s, expected, EXPR_TEXT, &b);
    print_error("have (%u)     %s\nexpected (%u) %s\n", have, text_z(&a), expected, text_z(&b));
    text_free(&a);
    text_free(&b);
    _fail(file, line);
}
#define assert_same(have, expected) assert_same_at(m, (have), (expected), __FILE__, __LINE__)
#define assert_number(expr, value) assert_same((expr), number(m, (value)))

// ---- Symbols and indices --------------------------------------------------------------------------------------------

static void symbols_are_numbered_from_one_and_found_by_name(void **state) {
    Model *m = *state;
    assert_int_equal(m->x_symbol, 1);
    assert_int_equal(symbol_find(m->s, arena_atom_z(m->arena, "W")), m->W_symbol);
    assert_int_equal(symbol_find(m->s, arena_atom_z(m->arena, "nobody")), 0);
    assert_string_equal(symbol_info(m->s, m->u_symbol)->name, "h[2].u");
    assert_int_equal(symbol_info(m->s, m->W_symbol)->extent[1], COLUMNS);
    symbol_edit(m->s, m->W_symbol)->batched = true;
    assert_true(symbol_info(m->s, m->W_symbol)->batched);
    uint32_t count = symbol_count(m->s);
    scalar(m, "one more");
    assert_int_equal(symbol_count(m->s), count + 1);
}

static void shared_indices_are_one_set_per_extent(void **state) {
    Model *m = *state;
    assert_int_equal(index_shared(m->s, 0, ROWS), m->row);
    assert_int_not_equal(index_shared(m->s, 0, COLUMNS), m->row);
    assert_string_equal(index_info(m->s, m->row)->name, "i");
    assert_string_equal(index_info(m->s, m->column)->name, "j");
    assert_string_equal(index_info(m->s, m->row2)->name, "k");
    assert_int_equal(index_info(m->s, m->column)->extent, COLUMNS);
    assert_string_equal(index_info(m->s, INDEX_BATCH)->name, "b");
    Index own = index_new(m->s, arena_atom_z(m->arena, "q"), 7);
    assert_int_equal(index_info(m->s, own)->extent, 7);
    assert_string_equal(index_info(m->s, own)->name, "q");
    for (uint32_t n = 0; n < 20; n++)
        for (uint32_t k = 0; k < n; k++)
            assert_string_not_equal(index_info(m->s, index_shared(m->s, n, 6))->name,
                                    index_info(m->s, index_shared(m->s, k, 6))->name);
}

// ---- Handles --------------------------------------------------------------------------------------------------------

static void equal_expressions_have_equal_handles(void **state) {
    Model *m = *state;
    assert_same(number(m, 0.1), number(m, 0.1));
    assert_same(number(m, -0.0), number(m, 0));
    assert_same(number(m, NAN), number(m, NAN));
    assert_int_not_equal(m->x, m->y);
    assert_same(at2(m, m->W_symbol, m->i, m->j), at2(m, m->W_symbol, m->i, m->j));
    assert_int_not_equal(at2(m, m->a_symbol, m->i, m->k), at2(m, m->a_symbol, m->k, m->i));
    assert_int_not_equal(at(m, m->u_symbol, m->i), expr_access(m->s, m->u_symbol, VERSION_NEW, &m->i, 1));
    assert_int_not_equal(expr_call(m->s, FUNCTION_SIN, m->x), expr_call(m->s, FUNCTION_COS, m->x));
    double value;
    assert_true(expr_get_const(m->s, number(m, 0.1), &value) && value == 0.1);
    assert_false(expr_get_const(m->s, m->x, &value));
    assert_true(expr_is_const(m->s, number(m, 2), 2));
    assert_false(expr_is_const(m->s, number(m, 2), 3));
    assert_false(expr_is_const(m->s, m->x, 0));
}

static void arguments_have_smaller_handles(void **state) {
    Model *m = *state;
    Expr e = m->x;
    for (int n = 0; n < 3000; n++) // the table grows on the way
        e = expr_call(m->s, n % 2 ? FUNCTION_SIN : FUNCTION_TANH, expr_add(m->s, e, number(m, n)));
    for (Expr expr = 1; expr <= expr_count(m->s); expr++) {
        ExprNode node = expr_node(m->s, expr);
        for (uint32_t i = 0; i < node.count; i++) assert_true(node.argument[i] && node.argument[i] < expr);
    }
    Expr again = m->x;
    for (int n = 0; n < 3000; n++)
        again = expr_call(m->s, n % 2 ? FUNCTION_SIN : FUNCTION_TANH, expr_add(m->s, again, number(m, n)));
    assert_same(again, e);
}

static void nodes_tell_what_they_were_made_of(void **state) {
    Model *m = *state;
    ExprNode node = expr_node(m->s, at2(m, m->W_symbol, m->i, m->j));
    assert_int_equal(node.kind, EXPR_ACCESS);
    assert_int_equal(node.symbol, m->W_symbol);
    assert_int_equal(node.version, VERSION_OLD);
    assert_int_equal(node.count, 2);
    assert_same(node.argument[1], m->j);
    node = expr_node(m->s, m->j);
    assert_true(node.kind == EXPR_INDEX && node.index == m->column && node.count == 0);
    node = expr_node(m->s, expr_call(m->s, FUNCTION_LOG1P, m->x));
    assert_true(node.kind == EXPR_CALL && node.function == FUNCTION_LOG1P && node.argument[0] == m->x);
    node = expr_node(m->s, expr_sum(m->s, m->column, at(m, m->r_symbol, m->j)));
    assert_true(node.kind == EXPR_SUM && node.index == m->column);
}

// ---- Sums and products ----------------------------------------------------------------------------------------------

static void sums_are_flat_sorted_and_collected(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr x = m->x, y = m->y, z = m->z;
    assert_same(expr_add(s, x, y), expr_add(s, y, x));
    assert_same(expr_add(s, expr_add(s, x, y), z), expr_add(s, x, expr_add(s, z, y)));
    assert_int_equal(expr_node(s, expr_add(s, expr_add(s, x, y), z)).count, 3);
    assert_same(expr_add(s, x, number(m, 0)), x);
    assert_number(expr_add(s, number(m, 2), number(m, 3)), 5);
    assert_same(expr_add(s, expr_add(s, x, number(m, 2)), number(m, -2)), x);
    assert_same(expr_add(s, x, x), expr_mul(s, number(m, 2), x));
    assert_same(expr_add_n(s, (Expr[]){x, y, x, y, x}, 5),
                expr_add(s, expr_mul(s, number(m, 3), x), expr_mul(s, number(m, 2), y)));
    assert_number(expr_sub(s, x, x), 0);
    assert_same(expr_sub(s, expr_mul(s, number(m, 3), x), expr_mul(s, number(m, 2), x)), x);
    assert_same(expr_sub(s, expr_add(s, x, y), y), x);
    assert_number(expr_add_n(s, NULL, 0), 0);
    assert_same(expr_add_n(s, &x, 1), x);
    Expr xy = expr_mul(s, x, y);
    assert_same(expr_add(s, xy, expr_mul(s, number(m, 4), xy)), expr_mul_n(s, (Expr[]){y, number(m, 5), x}, 3));
    assert_same(expr_neg(s, expr_neg(s, x)), x);
    assert_same(expr_neg(s, x), expr_mul(s, number(m, -1), x));
    assert_same(expr_sub(s, x, y), expr_add(s, x, expr_neg(s, y)));
}

static void collected_terms_are_flat_again(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr sum = expr_add(s, m->x, m->y);
    Expr three = expr_mul(s, number(m, 3), sum), two = expr_mul(s, number(m, 2), sum);
    assert_same(expr_sub(s, three, two), sum);
    assert_same(expr_sub(s, two, three), expr_neg(s, sum));
    assert_same(expr_add(s, m->z, expr_sub(s, three, two)), expr_add(s, sum, m->z));
    assert_same(expr_add_n(s, (Expr[]){three, m->z, expr_mul(s, number(m, -2), sum)}, 3), expr_add(s, sum, m->z));
    assert_same(expr_add_n(s, (Expr[]){two, m->z, expr_mul(s, number(m, -3), sum)}, 3), expr_sub(s, m->z, sum));
    assert_same(expr_add_n(s, (Expr[]){three, m->x, expr_mul(s, number(m, -2), sum)}, 3),
                expr_add(s, expr_mul(s, number(m, 2), m->x), m->y));
}

static void products_are_flat_sorted_and_collected(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr x = m->x, y = m->y, z = m->z;
    assert_same(expr_mul(s, x, y), expr_mul(s, y, x));
    assert_same(expr_mul(s, expr_mul(s, x, y), z), expr_mul(s, x, expr_mul(s, z, y)));
    assert_int_equal(expr_node(s, expr_mul(s, expr_mul(s, x, y), z)).count, 3);
    assert_same(expr_mul(s, x, number(m, 1)), x);
    assert_number(expr_mul(s, x, number(m, 0)), 0);
    assert_number(expr_mul(s, number(m, 2), number(m, 3)), 6);
    assert_same(expr_mul(s, expr_mul(s, x, number(m, 2)), number(m, 0.5)), x);
    assert_same(expr_mul(s, x, x), expr_power(s, x, number(m, 2)));
    assert_same(expr_mul(s, expr_mul(s, x, x), x), expr_power(s, x, number(m, 3)));
    assert_number(expr_mul(s, x, expr_power(s, x, number(m, -1))), 1);
    assert_number(expr_div(s, x, x), 1);
    assert_same(expr_div(s, expr_mul(s, x, y), y), x);
    assert_same(expr_div(s, x, y), expr_mul(s, x, expr_power(s, y, number(m, -1))));
    assert_number(expr_div(s, number(m, 1), number(m, 3)), 1.0 / 3);
    assert_number(expr_mul_n(s, NULL, 0), 1);
    assert_same(expr_mul_n(s, &x, 1), x);
    assert_same(expr_mul(s, expr_mul(s, number(m, 2), x), expr_mul(s, number(m, 3), y)),
                expr_mul_n(s, (Expr[]){number(m, 6), y, x}, 3));
}

static void collected_factors_are_flat_again(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr half = number(m, 0.5), xy = expr_mul(s, m->x, m->y), root = expr_power(s, xy, half);
    assert_same(expr_mul(s, root, root), xy);
    assert_same(expr_mul_n(s, (Expr[]){root, m->z, root}, 3), expr_mul(s, xy, m->z));
    assert_same(expr_mul_n(s, (Expr[]){root, m->x, root}, 3), expr_mul(s, expr_power(s, m->x, number(m, 2)), m->y));
    Expr square_root = expr_power(s, expr_power(s, m->x, number(m, 2)), half);
    assert_same(expr_mul_n(s, (Expr[]){square_root, m->x, square_root}, 3), expr_power(s, m->x, number(m, 3)));
    assert_same(expr_mul(s, expr_power(s, xy, number(m, 1.5)), root), expr_power(s, xy, number(m, 2)));
}

static void powers_fold(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    assert_number(expr_power(s, m->x, number(m, 0)), 1);
    assert_same(expr_power(s, m->x, number(m, 1)), m->x);
    assert_number(expr_power(s, number(m, 1), m->x), 1);
    assert_number(expr_power(s, number(m, 2), number(m, 10)), 1024);
    assert_number(expr_power(s, number(m, 4), number(m, -0.5)), 0.5);
    assert_same(expr_power(s, expr_power(s, m->x, number(m, 2)), number(m, 3)), expr_power(s, m->x, number(m, 6)));
    assert_same(expr_power(s, expr_power(s, m->x, number(m, 0.5)), number(m, 2)), m->x);
    assert_int_not_equal(expr_power(s, expr_power(s, m->x, number(m, 2)), number(m, 0.5)), m->x); // that is |x|
    assert_same(expr_call(s, FUNCTION_SQRT, number(m, 4)), number(m, 2));
}

static void functions_of_numbers_fold(void **state) {
    Model *m = *state;
    for (int f = 0; f < FUNCTION_COUNT; f++) {
        double folded, x = 0.7;
        assert_true(expr_get_const(m->s, expr_call(m->s, (ExprFunction)f, number(m, x)), &folded));
        m->value[m->x_symbol][0] = x;
        assert_close(evaluate(m, expr_call(m->s, (ExprFunction)f, m->x), 0, 0), folded, 2e-16);
    }
}

// ---- Reductions and deltas ------------------------------------------------------------------------------------------

static void sums_over_an_index_let_go_what_is_free_of_it(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr r = at(m, m->r_symbol, m->j), W = at2(m, m->W_symbol, m->i, m->j), e = at(m, m->e_symbol, m->i);
    Expr current = expr_sum(s, m->column, expr_mul(s, W, r));
    assert_int_equal(expr_node(s, current).kind, EXPR_SUM);
    assert_same(expr_sum(s, m->column, expr_mul_n(s, (Expr[]){e, W, number(m, 3), r}, 4)),
                expr_mul_n(s, (Expr[]){number(m, 3), e, current}, 3));
    assert_same(expr_sum(s, m->column, m->x), expr_mul(s, number(m, COLUMNS), m->x));
    assert_number(expr_sum(s, m->column, number(m, 0)), 0);
    assert_number(expr_sum(s, m->column, number(m, 1)), COLUMNS);
    // The size of the batch is not known: the sum stays.
    assert_true(expr_has_kind(s, expr_sum(s, INDEX_BATCH, m->x), EXPR_SUM));
}

static void deltas_are_symmetric_and_fold(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    assert_number(expr_delta(s, m->i, m->i), 1);
    assert_same(expr_delta(s, m->i, m->k), expr_delta(s, m->k, m->i));
    assert_number(expr_delta(s, number(m, 1), number(m, 2)), 0);
    assert_number(expr_delta(s, number(m, 2), number(m, 2)), 1);
}

static void sums_eliminate_deltas(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr delta = expr_delta(s, m->j, m->l), r = at(m, m->r_symbol, m->j), W = at2(m, m->W_symbol, m->i, m->j);
    assert_number(expr_sum(s, m->column, delta), 1);
    assert_same(expr_sum(s, m->column, expr_mul(s, delta, r)), at(m, m->r_symbol, m->l));
    assert_same(expr_sum(s, m->column, expr_mul_n(s, (Expr[]){W, r, delta}, 3)),
                expr_mul(s, at2(m, m->W_symbol, m->i, m->l), at(m, m->r_symbol, m->l)));
    // One delta of a matrix element per axis: both sums go.
    Expr both = expr_mul_n(s, (Expr[]){expr_delta(s, m->i, m->k), delta, W, r}, 4);
    assert_same(expr_sum(s, m->row, expr_sum(s, m->column, both)),
                expr_mul(s, at2(m, m->W_symbol, m->k, m->l), at(m, m->r_symbol, m->l)));
    // In a sum of terms, those with a delta are summed on their own.
    Expr mixed = expr_sum(s, m->column, expr_add(s, expr_mul(s, delta, r), expr_mul(s, W, r)));
    assert_same(mixed, expr_add(s, at(m, m->r_symbol, m->l), expr_sum(s, m->column, expr_mul(s, W, r))));
    // A fixed element.
    assert_same(expr_sum(s, m->column, expr_mul(s, expr_delta(s, m->j, number(m, 2)), r)),
                at(m, m->r_symbol, number(m, 2)));
    // A delta that the sum cannot use stays and comes out.
    assert_same(expr_sum(s, m->column, expr_mul(s, expr_delta(s, m->i, m->k), r)),
                expr_mul(s, expr_delta(s, m->i, m->k), expr_sum(s, m->column, r)));
}

static void deltas_come_out_of_factors_selections_and_inner_sums(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr delta = expr_delta(s, m->j, m->l), r = at(m, m->r_symbol, m->j), W = at2(m, m->W_symbol, m->i, m->j);
    Expr bracket = expr_sub(s, expr_mul(s, delta, m->x), W), rl = at(m, m->r_symbol, m->l);
    Expr rest = expr_sum(s, m->column, expr_mul(s, r, W));
    assert_same(expr_sum(s, m->column, expr_mul(s, r, bracket)), expr_sub(s, expr_mul(s, m->x, rl), rest));
    // Under a selection in one branch, beside other terms.
    Expr positive = expr_make2(s, EXPR_LESS, number(m, 0), r);
    Expr chosen = expr_sum(s, m->column, expr_mul(s, r, expr_select(s, positive, bracket, W)));
    assert_false(expr_has_kind(s, chosen, EXPR_DELTA));
    // Under a sum over another index, beside other terms.
    Expr inner = expr_sum(s, m->row, expr_mul(s, at(m, m->e_symbol, m->i), bracket));
    Expr nested = expr_sum(s, m->column, expr_mul(s, r, inner));
    assert_false(expr_has_kind(s, nested, EXPR_DELTA));
    double *value = m->value[m->r_symbol], x = m->value[m->x_symbol][0], by_hand = 0, by_hand_nested = 0;
    for (int j = 0; j < COLUMNS; j++) {
        double w = m->value[m->W_symbol][COLUMNS + j], d = j == 3 ? x : 0; // i is 1 and l is 3 below
        by_hand += value[j] * (value[j] > 0 ? d - w : w);
        for (int i = 0; i < ROWS; i++)
            by_hand_nested += value[j] * m->value[m->e_symbol][i] * (d - m->value[m->W_symbol][i * COLUMNS + j]);
    }
    assert_close(evaluate(m, chosen, 1, 1), by_hand, 1e-14);
    assert_close(evaluate(m, nested, 1, 1), by_hand_nested, 1e-13);
}

// A stride makes a delta that no sum can eliminate: it stays, and nothing is lost.
static void deltas_of_strides_stay(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Index half = index_shared(s, 4, COLUMNS / 2);
    Expr h = expr_index(s, half), r = at(m, m->r_symbol, m->j);
    Expr scattered = expr_sum(
        s, half,
        expr_mul(s, expr_delta(s, m->j, expr_mul(s, number(m, 2), h)), expr_add(s, at(m, m->u_symbol, h), m->x)));
    Expr total = expr_sum(s, m->column, expr_mul_n(s, (Expr[]){r, scattered, expr_add(s, m->y, scattered)}, 3));
    double expected = 0, x = m->value[m->x_symbol][0], y = m->value[m->x_symbol + 1][0];
    for (int n = 0; n < COLUMNS / 2; n++) {
        double term = m->value[m->u_symbol][n] + x;
        expected += m->value[m->r_symbol][2 * n] * term * (y + term);
    }
    assert_close(evaluate(m, total, 0, 0), expected, 1e-13);
}

// Functions of functions: as many ways lead through them as a tree has leaves, but not as many terms. Of two deltas
// each is eliminated.
static void sums_over_deltas_keep_what_is_shared(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr r = at(m, m->r_symbol, m->j), g = r, dg = expr_delta(s, m->j, m->l), W = at2(m, m->W_symbol, m->i, m->j);
    double value = m->value[m->r_symbol][3], slope = 1; // l is 3 below
    for (int n = 0; n < 30; n++) {                      // sin(g)*cos(g) + g/2
        Expr sine = expr_call(s, FUNCTION_SIN, g), cosine = expr_call(s, FUNCTION_COS, g);
        Expr square = expr_sub(s, expr_power(s, cosine, number(m, 2)), expr_power(s, sine, number(m, 2)));
        dg = expr_add(s, expr_mul(s, square, dg), expr_mul(s, number(m, 0.5), dg));
        g = expr_add(s, expr_mul(s, sine, cosine), expr_mul(s, number(m, 0.5), g));
        slope *= cos(value) * cos(value) - sin(value) * sin(value) + 0.5;
        value = sin(value) * cos(value) + 0.5 * value;
    }
    Expr gradient = expr_derivative(s, expr_sum(s, m->column, g), m->r_symbol, &m->l, 1);
    assert_false(expr_has_kind(s, gradient, EXPR_SUM));
    assert_close(evaluate(m, gradient, 0, 1), slope, 1e-12 * fabs(slope));
    // Beside what has no delta, and with a second one: sum(j: (dg + W)*(2 + delta(j, 0)*dg)).
    Expr factor = expr_add(s, number(m, 2), expr_mul(s, expr_delta(s, m->j, number(m, 0)), dg));
    Expr both = expr_sum(s, m->column, expr_mul(s, expr_add(s, dg, W), factor));
    double rows = 0;
    for (int j = 0; j < COLUMNS; j++) rows += 2 * m->value[m->W_symbol][j];
    assert_close(evaluate(m, both, 0, 1), rows + 2 * slope, 1e-12 * fabs(rows));
}

static void an_eliminated_delta_does_not_capture(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    // sum(i: delta(i, k) * sum(k: a[i, k])) is the sum of row k, not of the diagonal.
    Expr row_sum = expr_sum(s, m->row2, at2(m, m->a_symbol, m->i, m->k));
    Expr picked = expr_sum(s, m->row, expr_mul(s, expr_delta(s, m->i, m->k), row_sum));
    assert_false(expr_has_kind(s, picked, EXPR_DELTA));
    assert_true(expr_has_index(s, picked, m->row2));
    for (int i = 0; i < ROWS; i++) {
        int64_t k = (i + 1) % ROWS;
        double expected = 0;
        for (int64_t n = 0; n < ROWS; n++) expected += m->value[m->a_symbol][k * ROWS + n];
        assert_close(evaluate(m, picked, i, 0), expected, 1e-14);
    }
}

static void maxima_over_an_index(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    assert_same(expr_maximum(s, m->column, m->x), m->x);
    Expr top = expr_maximum(s, m->column, at(m, m->r_symbol, m->j));
    assert_int_equal(expr_node(s, top).kind, EXPR_MAXIMUM);
    double expected = -INFINITY;
    for (int j = 0; j < COLUMNS; j++) expected = fmax(expected, m->value[m->r_symbol][j]);
    assert_close(evaluate(m, top, 0, 0), expected, 0);
}

// ---- Selection, comparison, logic -----------------------------------------------------------------------------------

static void selections_comparisons_and_logic_fold(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr zero = number(m, 0), one = number(m, 1), two = number(m, 2);
    Expr less = expr_make2(s, EXPR_LESS, m->x, m->y);
    assert_same(expr_select(s, one, m->x, m->y), m->x);
    assert_same(expr_select(s, zero, m->x, m->y), m->y);
    assert_same(expr_select(s, less, m->x, m->x), m->x);
    assert_int_equal(expr_node(s, expr_select(s, less, m->x, m->y)).kind, EXPR_SELECT);
    assert_number(expr_make2(s, EXPR_LESS, one, two), 1);
    assert_number(expr_make2(s, EXPR_LESS, two, two), 0);
    assert_number(expr_make2(s, EXPR_LESS_EQUAL, two, two), 1);
    assert_number(expr_make2(s, EXPR_EQUAL, one, two), 0);
    assert_number(expr_make2(s, EXPR_AND, one, zero), 0);
    assert_number(expr_make2(s, EXPR_OR, one, zero), 1);
    assert_number(expr_make1(s, EXPR_NOT, zero), 1);
    assert_number(expr_make2(s, EXPR_MIN, one, two), 1);
    assert_number(expr_make2(s, EXPR_MAX, one, two), 2);
    assert_same(expr_make2(s, EXPR_MAX, m->x, m->x), m->x);
    assert_int_not_equal(less, expr_make2(s, EXPR_LESS, m->y, m->x));
    assert_same(expr_make(s, EXPR_ADD, (Expr[]){m->x, m->y, zero}, 3), expr_add(s, m->x, m->y));
    assert_same(expr_make2(s, EXPR_DELTA, m->i, m->i), one);
    assert_same(expr_make(s, EXPR_SELECT, (Expr[]){one, m->x, m->y}, 3), m->x);
}

// ---- Operators on signals -------------------------------------------------------------------------------------------

static void lookahead_and_lowpass_cancel(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr low = expr_make2(s, EXPR_LOWPASS, m->x, m->tau), ahead = expr_make2(s, EXPR_AHEAD, m->x, m->tau);
    assert_same(expr_make2(s, EXPR_AHEAD, low, m->tau), m->x);
    assert_same(expr_make2(s, EXPR_LOWPASS, ahead, m->tau), m->x);
    Expr other = expr_make2(s, EXPR_AHEAD, low, m->y); // another time constant
    assert_int_equal(expr_node(s, other).kind, EXPR_AHEAD);
    assert_same(expr_node(s, other).argument[0], low);
    assert_int_equal(expr_node(s, expr_make2(s, EXPR_AHEAD, ahead, m->tau)).kind, EXPR_AHEAD);
}

static void constants_pass_operators(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr five = number(m, 5);
    assert_same(expr_make2(s, EXPR_AHEAD, five, m->tau), five);
    assert_same(expr_make2(s, EXPR_LOWPASS, five, m->tau), five);
    assert_same(expr_make2(s, EXPR_DELAY, five, m->tau), five);
    assert_same(expr_make1(s, EXPR_PREVIOUS, five), five);
    assert_same(expr_make1(s, EXPR_STOP, five), five);
    assert_number(expr_make1(s, EXPR_RATE, five), 0);
}

static void the_time_derivative_is_linear(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr dx = expr_make1(s, EXPR_RATE, m->x), dy = expr_make1(s, EXPR_RATE, m->y);
    Expr sum = expr_add_n(s, (Expr[]){expr_mul(s, number(m, 3), m->x), expr_neg(s, m->y), number(m, 7)}, 3);
    assert_same(expr_make1(s, EXPR_RATE, sum), expr_sub(s, expr_mul(s, number(m, 3), dx), dy));
    assert_int_equal(expr_node(s, expr_make1(s, EXPR_RATE, expr_mul(s, m->x, m->y))).kind, EXPR_RATE);
}

// ---- Spans, questions, rewriting ------------------------------------------------------------------------------------

static void the_first_span_is_kept(void **state) {
    Model *m = *state;
    Expr sum = expr_add(m->s, m->x, m->y);
    assert_int_equal(expr_span(m->s, sum).source, 0);
    expr_set_span(m->s, sum, (Span){1, 10, 15});
    expr_set_span(m->s, sum, (Span){1, 90, 95});
    assert_int_equal(expr_span(m->s, sum).begin, 10);
}

static void questions_about_expressions(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr r = at(m, m->r_symbol, m->j), W = at2(m, m->W_symbol, m->i, m->j);
    Expr current = expr_sum(s, m->column, expr_mul(s, W, r)), both = expr_mul(s, current, m->x);
    assert_true(expr_contains(s, both, W));
    assert_true(expr_contains(s, both, both));
    assert_false(expr_contains(s, both, m->y));
    assert_false(expr_contains(s, current, both));
    assert_true(expr_has_index(s, both, m->row));
    assert_false(expr_has_index(s, both, m->column)); // bound
    assert_true(expr_has_index(s, expr_mul(s, current, r), m->column));
    assert_true(expr_has_kind(s, both, EXPR_SUM));
    assert_false(expr_has_kind(s, both, EXPR_DELTA));
    assert_true(expr_reads(s, both, m->r_symbol));
    assert_false(expr_reads(s, both, m->e_symbol));
}

// A rule that swaps sine for cosine, wherever it stands.
static Expr sine_to_cosine(ExprStore *store, Expr node, void *context) {
    ExprNode n = expr_node(store, node);
    if (n.kind != EXPR_CALL || n.function != FUNCTION_SIN) return node;
    ++*(int *)context;
    return expr_call(store, FUNCTION_COS, n.argument[0]);
}

static void rewriting_works_bottom_up(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr inner = expr_call(s, FUNCTION_SIN, m->x);
    Expr expr = expr_add(s, expr_call(s, FUNCTION_SIN, expr_mul(s, inner, m->y)), expr_power(s, inner, number(m, 3)));
    Expr cosine = expr_call(s, FUNCTION_COS, m->x);
    int count = 0;
    assert_same(
        expr_rewrite(s, expr, sine_to_cosine, &count),
        expr_add(s, expr_call(s, FUNCTION_COS, expr_mul(s, cosine, m->y)), expr_power(s, cosine, number(m, 3))));
    assert_int_equal(count, 2); // shared nodes once
    assert_same(expr_rewrite(s, m->x, sine_to_cosine, &count), m->x);
}

static void replacing_applies_the_rules_again(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr expr = expr_add(s, expr_mul(s, m->x, m->y), expr_call(s, FUNCTION_EXP, m->x));
    assert_number(expr_replace(s, expr, m->x, number(m, 0)), 1);
    assert_same(expr_replace(s, expr, m->y, m->x),
                expr_add(s, expr_power(s, m->x, number(m, 2)), expr_call(s, FUNCTION_EXP, m->x)));
    assert_same(expr_replace(s, expr, m->z, m->x), expr);
    Expr swapped = expr_replace(s, expr_sub(s, m->x, m->y), m->y, m->x);
    assert_number(swapped, 0);
}

static void substitution_does_not_capture(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    // sum(k: a[i, k]) with i := k keeps k free.
    Expr row_sum = expr_sum(s, m->row2, at2(m, m->a_symbol, m->i, m->k));
    Expr moved = expr_substitute_index(s, row_sum, m->i, m->k);
    assert_true(expr_has_index(s, moved, m->row2));
    assert_false(expr_has_index(s, moved, m->row));
    for (int64_t i = 0; i < ROWS; i++) {
        double expected = evaluate(m, row_sum, (i + 1) % ROWS, 0); // k is (i + 1) % ROWS in evaluate
        assert_close(evaluate(m, moved, i, 0), expected, 1e-14);
    }
    // Both levels of a nested sum would capture.
    Expr term = expr_mul(s, at2(m, m->a_symbol, m->i, m->k), at2(m, m->a_symbol, m->k, m->j));
    Expr nested = expr_sum(s, m->row2, expr_call(s, FUNCTION_SIN, term));
    Expr again = expr_substitute_index(s, expr_substitute_index(s, nested, m->j, m->k), m->i, m->k);
    assert_true(expr_has_index(s, again, m->row2));
    assert_false(expr_has_index(s, again, m->row) || expr_has_index(s, again, m->column));
}

static void substitution_leaves_bound_indices(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr r = at(m, m->r_symbol, m->j), W = at2(m, m->W_symbol, m->i, m->j);
    Expr current = expr_sum(s, m->column, expr_mul(s, W, r));
    assert_same(expr_substitute_index(s, current, m->j, m->l), current);
    assert_same(expr_substitute_index(s, current, m->i, m->i), current);
    Expr shifted = expr_add(s, m->k, number(m, 1));
    assert_same(expr_substitute_index(s, current, m->i, shifted),
                expr_sum(s, m->column, expr_mul(s, at2(m, m->W_symbol, shifted, m->j), r)));
    assert_number(expr_substitute_index(s, expr_delta(s, m->i, m->k), m->i, m->k), 1);
}

// ---- Derivatives that must come out in one form ---------------------------------------------------------------------

static void the_gradient_of_a_matrix_product_is_an_outer_product(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr r = at(m, m->r_symbol, m->j), W = at2(m, m->W_symbol, m->i, m->j), e = at(m, m->e_symbol, m->i);
    Expr current = expr_sum(s, m->column, expr_mul(s, W, r));
    Expr energy = expr_sum(s, m->row, expr_mul(s, current, e));
    assert_same(expr_derivative(s, energy, m->W_symbol, (Expr[]){m->k, m->l}, 2),
                expr_mul(s, at(m, m->e_symbol, m->k), at(m, m->r_symbol, m->l)));
    // The same when the place is named by the very indices that the energy sums over.
    assert_same(expr_derivative(s, energy, m->W_symbol, (Expr[]){m->i, m->j}, 2), expr_mul(s, e, r));
    // The transposed product, which carries the error downward.
    Expr down = expr_derivative(s, energy, m->r_symbol, &m->l, 1);
    assert_false(expr_has_kind(s, down, EXPR_DELTA));
    assert_same(down, expr_sum(s, m->row, expr_mul(s, at2(m, m->W_symbol, m->i, m->l), e)));
    assert_same(expr_derivative(s, energy, m->e_symbol, &m->i, 1), current);
}

static void the_energy_of_latent_equilibrium_gives_its_mismatch(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr r = at(m, m->r_symbol, m->j), W = at2(m, m->W_symbol, m->i, m->j), u = at(m, m->u_symbol, m->i);
    Expr mismatch = expr_sub(s, u, expr_sum(s, m->column, expr_mul(s, W, r)));
    Expr energy = expr_sum(s, m->row, expr_mul(s, number(m, 0.5), expr_power(s, mismatch, number(m, 2))));
    assert_same(expr_derivative(s, energy, m->u_symbol, &m->i, 1), mismatch);
    assert_same(expr_derivative(s, energy, m->W_symbol, (Expr[]){m->i, m->j}, 2),
                expr_neg(s, expr_mul(s, mismatch, r)));
}

// Every neuron's mismatch reads every potential: terms with and without a delta meet in one product.
static void recurrent_weights_leave_no_delta(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr u = at(m, m->u_symbol, m->i), a = at2(m, m->a_symbol, m->i, m->k), uk = at(m, m->u_symbol, m->k);
    Expr mismatch = expr_sub(s, u, expr_sum(s, m->row2, expr_mul(s, a, expr_call(s, FUNCTION_TANH, uk))));
    Expr energy = expr_sum(s, m->row, expr_mul(s, number(m, 0.5), expr_power(s, mismatch, number(m, 2))));
    Expr gradient = expr_derivative(s, energy, m->u_symbol, &m->i, 1);
    assert_false(expr_has_kind(s, gradient, EXPR_DELTA));
    for (int i = 0; i < ROWS; i++) {
        double expected = evaluate(m, mismatch, i, 0), *v = m->value[m->u_symbol];
        for (int n = 0; n < ROWS; n++)
            expected -=
                evaluate(m, mismatch, n, 0) * m->value[m->a_symbol][n * ROWS + i] * (1 - tanh(v[i]) * tanh(v[i]));
        assert_close(evaluate(m, gradient, i, 0), expected, 1e-14);
    }
}

static void partial_derivatives_hold_lookaheads_fixed(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr p = expr_make2(s, EXPR_AHEAD, m->x, m->tau), q = expr_make2(s, EXPR_AHEAD, m->x, m->y);
    Expr energy = expr_mul(s, expr_power(s, p, number(m, 2)), expr_call(s, FUNCTION_TANH, q));
    assert_same(expr_partial(s, energy, p),
                expr_mul_n(s, (Expr[]){number(m, 2), p, expr_call(s, FUNCTION_TANH, q)}, 3));
    assert_same(expr_partial(s, expr_mul(s, p, m->x), m->x), p);
    assert_number(expr_partial(s, energy, m->z), 0);
}

static void kinks_follow_the_header(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    struct {
        double x, y, max_x, min_x, abs_x;
    } cases[] = {
        {2, 1, 1, 0, 1}, {1, 2, 0, 1, 1}, {1, 1, 0, 0, 1}, {0, 3, 0, 1, 0}, {-1, 3, 0, 1, -1},
    };
    Expr largest = expr_derivative(s, expr_make2(s, EXPR_MAX, m->x, m->y), m->x_symbol, NULL, 0);
    Expr smallest = expr_derivative(s, expr_make2(s, EXPR_MIN, m->x, m->y), m->x_symbol, NULL, 0);
    Expr magnitude = expr_derivative(s, expr_call(s, FUNCTION_ABS, m->x), m->x_symbol, NULL, 0);
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        m->value[m->x_symbol][0] = cases[n].x;
        m->value[m->x_symbol + 1][0] = cases[n].y;
        assert_close(evaluate(m, largest, 0, 0), cases[n].max_x, 0);
        assert_close(evaluate(m, smallest, 0, 0), cases[n].min_x, 0);
        assert_close(evaluate(m, magnitude, 0, 0), cases[n].abs_x, 0);
    }
    assert_number(expr_derivative(s, expr_make1(s, EXPR_STOP, m->x), m->x_symbol, NULL, 0), 0);
    assert_number(expr_derivative(s, expr_call(s, FUNCTION_SIGN, m->x), m->x_symbol, NULL, 0), 0);
}

// ---- Evaluation -----------------------------------------------------------------------------------------------------

static void evaluation_loops_over_sums(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr r = at(m, m->r_symbol, m->j), W = at2(m, m->W_symbol, m->i, m->j);
    Expr current = expr_sum(s, m->column, expr_mul(s, W, r));
    for (int i = 0; i < ROWS; i++) {
        double expected = 0;
        for (int j = 0; j < COLUMNS; j++) expected += m->value[m->W_symbol][i * COLUMNS + j] * m->value[m->r_symbol][j];
        assert_close(evaluate(m, current, i, 0), expected, 1e-15 * COLUMNS);
    }
    assert_close(evaluate(m, expr_delta(s, m->i, number(m, 1)), 1, 0), 1, 0);
    assert_close(evaluate(m, expr_delta(s, m->i, number(m, 1)), 2, 0), 0, 0);
    assert_close(evaluate(m, m->j, 0, 3), 3, 0);
    // A free j beside a bound one.
    assert_close(evaluate(m, expr_mul(s, expr_sum(s, m->column, r), r), 0, 2),
                 evaluate(m, expr_sum(s, m->column, r), 0, 0) * m->value[m->r_symbol][2], 1e-15);
}

static void evaluation_sums_over_the_batch(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Symbol v = declare(m, "v", ROLE_STATE, 1, ROWS, 0, UNIT_NONE);
    symbol_edit(s, v)->batched = true;
    Expr access = at2(m, v, m->i, expr_index(s, INDEX_BATCH));
    double expected = 0;
    for (int b = 0; b < 5; b++) expected += m->value[v][2 * 5 + b];
    assert_close(evaluate(m, expr_sum(s, INDEX_BATCH, access), 2, 0), expected, 1e-14);
    assert_close(evaluate(m, expr_sum(s, INDEX_BATCH, number(m, 1)), 0, 0), 5, 0);
    assert_text(access, "v[i, b]");
}

static void evaluation_takes_only_the_chosen_branch(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    // An element outside the array is guarded by a selection, as in padding.
    Expr guard = expr_make2(s, EXPR_LESS, m->i, number(m, 2));
    Expr next = at(m, m->u_symbol, expr_add(s, m->i, number(m, 1)));
    Expr padded = expr_select(s, guard, next, number(m, 0));
    assert_close(evaluate(m, padded, 0, 0), m->value[m->u_symbol][1], 0);
    assert_close(evaluate(m, padded, 2, 0), 0, 0);
    Expr also = expr_make2(s, EXPR_AND, guard, expr_make2(s, EXPR_LESS, number(m, -1e9), next));
    assert_close(evaluate(m, also, 2, 0), 0, 0);
    assert_close(evaluate(m, also, 1, 0), 1, 0);
}

static void previous_reads_the_values_before_the_step(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Symbol v = declare(m, "v", ROLE_LEAF, 1, ROWS, 0, UNIT_NONE); // the one whose old values differ
    Expr now = expr_access(s, v, VERSION_NEW, &m->i, 1);
    assert_close(evaluate(m, now, 1, 0), m->value[v][1], 0);
    assert_close(evaluate(m, expr_make1(s, EXPR_PREVIOUS, now), 1, 0), m->old[v][1], 0);
    // The same node is read in both ways within one expression.
    Expr change =
        expr_sub(s, expr_call(s, FUNCTION_SIN, now), expr_make1(s, EXPR_PREVIOUS, expr_call(s, FUNCTION_SIN, now)));
    assert_close(evaluate(m, change, 1, 0), sin(m->value[v][1]) - sin(m->old[v][1]), 1e-15);
    assert_close(evaluate(m, expr_make1(s, EXPR_STOP, now), 1, 0), m->value[v][1], 0);
}

static void evaluation_at_the_ends_of_the_range(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    struct {
        ExprFunction function;
        double x, value;
    } cases[] = {
        {FUNCTION_LOGISTIC, -800, 0},
        {FUNCTION_LOGISTIC, 800, 1},
        {FUNCTION_LOGISTIC, 0, 0.5},
        {FUNCTION_LOGISTIC, -40, 4.248354255291589e-18},
        {FUNCTION_LOG1PEXP, 800, 800},
        {FUNCTION_LOG1PEXP, -800, 0},
        {FUNCTION_LOG1PEXP, -40, 4.248354255291589e-18},
        {FUNCTION_LOG1P, 1e-20, 1e-20},
        {FUNCTION_EXPM1, 1e-20, 1e-20},
        {FUNCTION_TANH, 800, 1},
        {FUNCTION_TANH, -800, -1},
        {FUNCTION_ABS, -2, 2},
        {FUNCTION_SIGN, -2, -1},
        {FUNCTION_SIGN, 0, 0},
        {FUNCTION_SQRT, 0, 0},
        {FUNCTION_LOG, -1, NAN},
        {FUNCTION_LOG, 0, -INFINITY},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        m->value[m->x_symbol][0] = cases[n].x;
        double value = evaluate(m, expr_call(s, cases[n].function, m->x), 0, 0);
        assert_close(value, cases[n].value, 1e-15 * fabs(cases[n].value));
    }
}

typedef struct Nudge {
    double x, h;
} Nudge;

static double complex nudged(void *context, Symbol symbol, ExprVersion version, const int64_t *index, uint32_t count) {
    (void)symbol, (void)version, (void)index, (void)count;
    const Nudge *nudge = context;
    double complex z = nudge->x;
    ((double *)&z)[1] = nudge->h;
    return z;
}

static void imaginary_steps_are_carried_without_cancellation(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    static const double places[] = {-30, -3, -0.4, -1e-8, 1e-8, 0.4, 3, 30};
    for (int f = 0; f < FUNCTION_COUNT; f++) {
        Expr call = expr_call(s, (ExprFunction)f, m->x), derivative = expr_derivative(s, call, m->x_symbol, NULL, 0);
        for (size_t n = 0; n < sizeof places / sizeof *places; n++) {
            double x = places[n], h = 1e-200;
            bool half_line = f == FUNCTION_LOG || f == FUNCTION_SQRT || f == FUNCTION_LOG1P;
            if (half_line && x < (f == FUNCTION_LOG1P ? -0.9 : 0)) continue;
            m->value[m->x_symbol][0] = x;
            double complex z = expr_evaluate_complex(s, call, nudged, &(Nudge){x, h}, NULL, 0);
            double slope = expr_evaluate(s, derivative, element, m, NULL, 0);
            // 1 - tanh^2 and 1 - logistic lose digits where they are small; the imaginary part does not.
            assert_close(cimag(z) / h, slope, 1e-14 * fabs(slope) + 3e-16);
        }
    }
    static const double exponents[] = {-2, -1, -0.5, 0.5, 1.5, 2, 3, 7, 0.3};
    for (size_t n = 0; n < sizeof exponents / sizeof *exponents; n++) {
        double p = exponents[n], x = 1.7;
        Expr power = expr_power(s, m->x, number(m, p));
        double complex z = expr_evaluate_complex(s, power, nudged, &(Nudge){x, 1e-200}, NULL, 0);
        assert_close(cimag(z) / 1e-200, p * pow(x, p - 1), 1e-14 * fabs(p * pow(x, p - 1)));
    }
    // A negative base under a whole exponent has no imaginary part of its own.
    double complex z =
        expr_evaluate_complex(s, expr_power(s, m->x, number(m, 2)), nudged, &(Nudge){-2, 1e-200}, NULL, 0);
    assert_close(creal(z), 4, 0);
    assert_close(cimag(z) / 1e-200, -4, 1e-15);
}

static void shared_nodes_are_not_evaluated_over_and_over(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr e = m->x;
    for (int n = 0; n < 200; n++) // as a tree this has 2^200 leaves
        e = expr_call(s, FUNCTION_SIN, expr_add(s, e, expr_call(s, FUNCTION_COS, e)));
    assert_true(isfinite(evaluate(m, e, 0, 0)));
}

// ---- Units ----------------------------------------------------------------------------------------------------------

static const Unit UNIT_MV = {.voltage = 2};

static bool unit_is(Model *m, Expr expr, Unit expected) {
    Unit unit;
    return expr_unit(m->s, expr, &unit) && unit_equal(unit, expected);
}

static void units_follow_from_the_symbols(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr v = expr_access(s, declare(m, "v", ROLE_STATE, 0, 0, 0, UNIT_MV), VERSION_OLD, NULL, 0);
    Expr w = expr_access(s, declare(m, "w", ROLE_STATE, 0, 0, 0, UNIT_MV), VERSION_OLD, NULL, 0);
    Expr t = expr_access(s, declare(m, "t", ROLE_PARAMETER, 0, 0, 0, UNIT_TIME), VERSION_OLD, NULL, 0);
    Unit unit;
    assert_true(unit_is(m, v, UNIT_MV));
    assert_true(unit_is(m, expr_sub(s, v, w), UNIT_MV));
    assert_true(unit_is(m, expr_mul(s, v, w), (Unit){.voltage = 4}));
    assert_true(unit_is(m, expr_div(s, v, t), (Unit){.voltage = 2, .time = -2}));
    assert_true(unit_is(m, expr_make1(s, EXPR_RATE, v), (Unit){.voltage = 2, .time = -2}));
    assert_true(unit_is(m, expr_add(s, v, expr_mul(s, t, expr_make1(s, EXPR_RATE, v))), UNIT_MV));
    assert_true(unit_is(m, expr_make2(s, EXPR_AHEAD, v, t), UNIT_MV));
    assert_true(unit_is(m, expr_call(s, FUNCTION_ABS, v), UNIT_MV));
    assert_true(unit_is(m, expr_call(s, FUNCTION_TANH, v), UNIT_NONE));
    assert_true(unit_is(m, expr_power(s, expr_mul(s, v, w), number(m, 0.5)), UNIT_MV));
    assert_true(unit_is(m, expr_add(s, v, number(m, 5)), UNIT_MV)); // 5 mV: numbers have lost their unit
    assert_true(unit_is(m, expr_select(s, expr_make2(s, EXPR_LESS, v, w), v, w), UNIT_MV));
    assert_false(expr_unit(s, expr_add(s, v, t), &unit));
    assert_false(expr_unit(s, expr_sub(s, v, expr_make1(s, EXPR_RATE, v)), &unit));
    assert_false(expr_unit(s, expr_make2(s, EXPR_LESS, v, t), &unit));
    assert_false(expr_unit(s, expr_make2(s, EXPR_AHEAD, v, w), &unit));
    assert_false(expr_unit(s, expr_select(s, expr_make2(s, EXPR_LESS, v, w), v, t), &unit));
    assert_false(expr_unit(s, expr_call(s, FUNCTION_EXP, expr_add(s, v, t)), &unit));
}

static void models_without_units_need_none_for_time(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    assert_true(unit_is(m, expr_make2(s, EXPR_AHEAD, m->x, m->tau), UNIT_NONE));
    Unit unit;
    assert_true(expr_unit(s, expr_add(s, m->x, expr_mul(s, m->tau, expr_make1(s, EXPR_RATE, m->x))), &unit));
}

// ---- Printing -------------------------------------------------------------------------------------------------------

static void text_has_few_parentheses(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr x = m->x, y = m->y, z = m->z, half = number(m, 0.5), two = number(m, 2);
    assert_text(half, "0.5");
    assert_text(number(m, -2), "-2");
    assert_text(number(m, -INFINITY), "-inf");
    assert_text(expr_add(s, x, y), "x + y");
    assert_text(expr_sub(s, x, y), "x - y");
    assert_text(expr_sub(s, y, x), "y - x");
    assert_text(expr_neg(s, x), "-x");
    assert_text(expr_sub(s, expr_neg(s, x), y), "-x - y");
    assert_text(expr_sub(s, x, number(m, 1)), "x - 1");
    assert_text(expr_sub(s, number(m, 1), x), "1 - x");
    assert_text(expr_add(s, number(m, 1), x), "1 + x");
    assert_text(expr_sub(s, number(m, -1), x), "-x - 1");
    assert_text(expr_sub(s, x, expr_mul(s, two, y)), "x - 2*y");
    assert_text(expr_mul(s, half, x), "0.5*x");
    assert_text(expr_mul(s, x, expr_add(s, y, z)), "x*(y + z)");
    assert_text(expr_neg(s, expr_mul(s, x, expr_add(s, y, z))), "-x*(y + z)");
    assert_text(expr_div(s, x, y), "x/y");
    assert_text(expr_div(s, expr_mul(s, x, y), z), "x*y/z");
    assert_text(expr_div(s, x, expr_mul(s, y, z)), "x/(y*z)");
    assert_text(expr_div(s, x, expr_mul(s, y, y)), "x/y^2");
    assert_text(expr_div(s, number(m, 1), x), "1/x");
    assert_text(expr_div(s, number(m, -2), x), "-2/x");
    assert_text(expr_div(s, x, expr_add(s, y, z)), "x/(y + z)");
    assert_text(expr_div(s, x, number(m, 3)), "x/3");
    assert_text(expr_div(s, x, expr_mul(s, number(m, 3), y)), "x/(3*y)");
    assert_text(expr_power(s, x, two), "x^2");
    assert_text(expr_power(s, expr_add(s, x, y), two), "(x + y)^2");
    assert_text(expr_power(s, x, expr_neg(s, y)), "x^(-y)");
    assert_text(expr_power(s, two, x), "2^x");
    assert_text(expr_power(s, number(m, -2), x), "(-2)^x");
    assert_text(expr_power(s, expr_power(s, x, y), z), "(x^y)^z");
    assert_text(expr_power(s, x, expr_power(s, y, z)), "x^y^z");
    assert_text(expr_power(s, x, half), "sqrt(x)");
    assert_text(expr_power(s, x, number(m, -0.5)), "1/sqrt(x)");
    assert_text(expr_neg(s, expr_power(s, x, two)), "-x^2");
}

static void text_of_functions_and_operators(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr x = m->x, y = m->y;
    assert_text(expr_call(s, FUNCTION_LOGISTIC, expr_add(s, x, y)), "logistic(x + y)");
    assert_text(expr_call(s, FUNCTION_LOG1PEXP, x), "log1pexp(x)");
    assert_text(expr_call(s, FUNCTION_ABS, x), "abs(x)");
    assert_text(expr_make2(s, EXPR_MAX, x, y), "max(x, y)");
    Expr less = expr_make2(s, EXPR_LESS, x, y), equal = expr_make2(s, EXPR_EQUAL, x, y);
    Expr at_most = expr_make2(s, EXPR_LESS_EQUAL, expr_add(s, x, y), x);
    assert_text(expr_select(s, less, x, y), "select(x < y, x, y)");
    assert_text(expr_make2(s, EXPR_AND, less, at_most), "x < y and x + y <= x");
    assert_text(expr_make2(s, EXPR_AND, less, expr_make2(s, EXPR_OR, less, equal)), "x < y and (x < y or x == y)");
    assert_text(expr_make2(s, EXPR_OR, expr_make2(s, EXPR_AND, less, equal), equal), "x < y and x == y or x == y");
    assert_text(expr_make1(s, EXPR_NOT, less), "not (x < y)");
    assert_text(expr_mul(s, x, less), "x*(x < y)");
    Expr u = at(m, m->u_symbol, m->i);
    assert_text(u, "h[2].u[i]");
    assert_text(expr_access(s, m->u_symbol, VERSION_NEW, &m->i, 1), "h[2].u'[i]");
    assert_text(expr_make2(s, EXPR_AHEAD, u, m->tau), "ahead(h[2].u[i], tau)");
    assert_text(expr_make2(s, EXPR_LOWPASS, u, m->tau), "lowpass(h[2].u[i], tau)");
    assert_text(expr_make2(s, EXPR_DELAY, u, m->tau), "delay(h[2].u[i], tau)");
    assert_text(expr_make1(s, EXPR_RATE, u), "d(h[2].u[i])");
    assert_text(expr_make1(s, EXPR_PREVIOUS, u), "previous(h[2].u[i])");
    assert_text(expr_make1(s, EXPR_STOP, expr_sub(s, x, y)), "constant(x - y)");
    assert_text(expr_delta(s, m->i, m->k), "delta(i, k)");
    assert_string_equal(expr_function_name(FUNCTION_LOG1P), "log1p");
    for (int f = 0; f < FUNCTION_COUNT; f++) assert_non_null(expr_function_name((ExprFunction)f));
}

static void text_of_sums(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Expr r = at(m, m->r_symbol, m->j), W = at2(m, m->W_symbol, m->i, m->j), e = at(m, m->e_symbol, m->i);
    Expr current = expr_sum(s, m->column, expr_mul(s, r, W));
    assert_text(current, "sum(j: W[i, j]*r[j])");
    assert_text(expr_mul(s, current, e), "e[i]*sum(j: W[i, j]*r[j])");
    assert_text(expr_maximum(s, m->column, r), "max(j: r[j])");
    assert_text(expr_sum(s, m->row, expr_power(s, expr_sub(s, e, current), number(m, 2))),
                "sum(i: (e[i] - sum(j: W[i, j]*r[j]))^2)");
    Expr place = expr_sub(s, expr_mul(s, number(m, 2), m->j), number(m, 1));
    assert_text(at(m, m->r_symbol, place), "r[2*j - 1]");
}

static void indices_of_one_name_are_told_apart(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Index other = index_shared(s, 0, COLUMNS); // another i
    assert_string_equal(index_info(s, other)->name, "i");
    Expr i = expr_index(s, other);
    Expr current = expr_sum(s, other, expr_mul(s, at2(m, m->W_symbol, m->i, i), at(m, m->r_symbol, i)));
    assert_text(current, "sum(j: W[i, j]*r[j])");
    assert_text(expr_sum(s, m->row, current), "sum(i: sum(j: W[i, j]*r[j]))");
    assert_text(at2(m, m->W_symbol, m->i, i), "W[i, j]");
}

static void unicode_looks_like_mathematics(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Symbol time_constant = declare(m, "h[2].tau_m", ROLE_PARAMETER, 1, ROWS, 0, UNIT_NONE);
    Expr r = at(m, m->r_symbol, m->j), W = at2(m, m->W_symbol, m->i, m->j), e = at(m, m->e_symbol, m->i);
    Expr u = at(m, m->u_symbol, m->i), tau = at(m, time_constant, m->i);
    Expr current = expr_sum(s, m->column, expr_mul(s, r, W));
    assert_unicode(current, "Σⱼ W[i, j]·r[j]");
    assert_unicode(expr_sub(s, e, current), "e[i] − Σⱼ W[i, j]·r[j]");
    assert_unicode(expr_mul(s, current, e), "e[i]·Σⱼ W[i, j]·r[j]");
    assert_unicode(expr_div(s, current, m->x), "(Σⱼ W[i, j]·r[j])/x");
    assert_unicode(expr_power(s, e, number(m, 2)), "e[i]²");
    assert_unicode(expr_power(s, e, number(m, 12)), "e[i]¹²");
    assert_unicode(expr_power(s, m->x, number(m, 0.5)), "√x");
    assert_unicode(expr_power(s, expr_add(s, m->x, m->y), number(m, 0.5)), "√(x + y)");
    assert_unicode(expr_mul(s, tau, expr_make1(s, EXPR_RATE, u)), "h[2].τₘ[i]·h[2].u\u0307[i]");
    assert_unicode(expr_make1(s, EXPR_RATE, expr_mul(s, m->x, m->y)), "d/dt(x·y)");
    assert_unicode(expr_access(s, m->u_symbol, VERSION_NEW, &m->i, 1), "h[2].u′[i]");
    assert_unicode(expr_call(s, FUNCTION_ABS, expr_sub(s, m->x, m->y)), "|x − y|");
    assert_unicode(expr_make2(s, EXPR_LESS_EQUAL, m->x, m->y), "x ≤ y");
    assert_unicode(expr_make2(s, EXPR_DELAY, u, m->tau), "h[2].u[i](t − τ)");
    assert_unicode(expr_make2(s, EXPR_AHEAD, u, m->tau), "ahead(h[2].u[i], τ)");
    assert_unicode(scalar(m, "phi"), "φ");
    assert_unicode(scalar(m, "beta1"), "β₁");
    assert_unicode(scalar(m, "tau_syn"), "τ_syn");
    assert_unicode(scalar(m, "error_state"), "error_state");
    assert_unicode(expr_maximum(s, m->column, r), "maxⱼ(r[j])");
    assert_unicode(number(m, -2), "−2");
}

static void latex_compiles_and_reads(void **state) {
    Model *m = *state;
    ExprStore *s = m->s;
    Symbol time_constant = declare(m, "h[2].tau_m", ROLE_PARAMETER, 1, ROWS, 0, UNIT_NONE);
    Expr r = at(m, m->r_symbol, m->j), W = at2(m, m->W_symbol, m->i, m->j), e = at(m, m->e_symbol, m->i);
    Expr u = at(m, m->u_symbol, m->i), tau = at(m, time_constant, m->i);
    Expr current = expr_sum(s, m->column, expr_mul(s, r, W));
    assert_latex(current, "\\sum_{j} W_{i,j}\\,r_{j}");
    assert_latex(u, "u^{(h_{2})}_{i}");
    assert_latex(tau, "\\tau^{(h_{2})}_{m,i}");
    assert_latex(expr_access(s, m->e_symbol, VERSION_NEW, &m->i, 1), "e^{\\prime}_{i}");
    assert_latex(expr_access(s, m->u_symbol, VERSION_NEW, &m->i, 1), "u^{(h_{2})\\prime}_{i}");
    assert_latex(expr_power(s, e, number(m, 2)), "e_{i}^{2}");
    assert_latex(expr_power(s, u, number(m, 2)), "\\left(u^{(h_{2})}_{i}\\right)^{2}");
    assert_latex(expr_div(s, m->x, expr_add(s, m->y, m->z)), "\\frac{x}{y + z}");
    assert_latex(expr_div(s, number(m, 1), m->tau), "\\frac{1}{\\tau}");
    assert_latex(expr_div(s, expr_mul(s, number(m, 2), m->x), m->tau), "\\frac{2\\,x}{\\tau}");
    assert_latex(expr_power(s, m->x, number(m, 0.5)), "\\sqrt{x}");
    assert_latex(expr_call(s, FUNCTION_TANH, m->x), "\\tanh\\left(x\\right)");
    assert_latex(expr_call(s, FUNCTION_LOGISTIC, m->x), "\\mathrm{logistic}\\left(x\\right)");
    assert_latex(expr_mul(s, number(m, 5e-8), m->x), "5 \\cdot 10^{-8}\\,x");
    assert_latex(number(m, 1e-8), "10^{-8}");
    assert_latex(expr_make1(s, EXPR_RATE, u), "\\dot{u}^{(h_{2})}_{i}");
    // Never two superscripts on one letter.
    assert_latex(expr_power(s, expr_make1(s, EXPR_RATE, u), number(m, 2)), "\\left(\\dot{u}^{(h_{2})}_{i}\\right)^{2}");
    assert_latex(expr_power(s, expr_make2(s, EXPR_DELAY, u, m->tau), number(m, 2)),
                 "\\left(u^{(h_{2})}_{i}(t - \\tau)\\right)^{2}");
    assert_latex(expr_power(s, expr_call(s, FUNCTION_TANH, u), number(m, 2)),
                 "\\tanh\\left(u^{(h_{2})}_{i}\\right)^{2}");
    assert_latex(expr_delta(s, m->i, m->k), "\\delta_{i,k}");
    assert_latex(expr_make2(s, EXPR_AHEAD, m->x, m->tau),
                 "\\left(1 + \\tau\\,\\frac{\\mathrm{d}}{\\mathrm{d}t}\\right) x");
    assert_latex(expr_select(s, expr_make2(s, EXPR_LESS, m->x, m->y), m->x, m->y),
                 "\\left\\{\\begin{array}{ll} x & \\mbox{if } x < y \\\\ y & \\mbox{otherwise} \\end{array}\\right.");
    assert_latex(scalar(m, "net.w1[3].error_state"), "\\mathrm{error}^{(\\mathrm{net}.w_{1,3})}_{\\mathrm{state}}");
    assert_latex(scalar(m, "odd%name&"), "\\mathrm{odd\\%name\\&}");
    assert_latex(scalar(m, "_x"), "\\mathrm{\\_x}");
}

// Every walk must visit a shared node once: gone through as a tree, these have 2^200 nodes.
static Expr deep(ExprStore *s, Expr leaf) {
    Expr a = leaf;
    for (int i = 0; i < 200; i++) a = expr_add(s, expr_call(s, FUNCTION_SIN, a), expr_call(s, FUNCTION_COS, a));
    return a;
}

static bool count_visits(const ExprStore *store, Expr expr, void *context) {
    (void)store;
    (void)expr;
    ++*(int *)context;
    return true;
}

static void shared_nodes_are_visited_once(void **state) {
    Model *m = *state;
    Expr leaf = at(m, m->u_symbol, m->i), a = deep(m->s, leaf);
    int visits = 0;
    expr_visit(m->s, a, count_visits, &visits);
    assert_int_equal(visits, 2 + 3 * 200); // the leaf and its index; a sum and two functions a level
    assert_true(expr_contains(m->s, a, leaf));
    assert_false(expr_contains(m->s, a, m->k));
    assert_true(expr_has_index(m->s, a, m->row));
    assert_false(expr_has_index(m->s, a, m->row2));
    assert_false(expr_has_index(m->s, expr_sum(m->s, m->row, a), m->row));
    assert_true(expr_has_kind(m->s, a, EXPR_ACCESS));
    assert_false(expr_has_kind(m->s, a, EXPR_MAX));
    assert_true(expr_reads(m->s, a, m->u_symbol));
    assert_false(expr_reads(m->s, a, m->e_symbol));
    Expr b = expr_substitute_index(m->s, a, m->i, m->k), c = deep(m->s, at(m, m->e_symbol, m->k));
    assert_int_equal(b, deep(m->s, at(m, m->u_symbol, m->k)));
    assert_int_equal(expr_add(m->s, a, b), expr_add(m->s, b, a)); // these differ in the index alone
    assert_int_equal(expr_mul(m->s, a, c), expr_mul(m->s, c, a));
    assert_int_equal(expr_delta(m->s, b, c), expr_delta(m->s, c, b));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(symbols_are_numbered_from_one_and_found_by_name),
        TEST(shared_indices_are_one_set_per_extent),
        TEST(equal_expressions_have_equal_handles),
        TEST(arguments_have_smaller_handles),
        TEST(nodes_tell_what_they_were_made_of),
        TEST(sums_are_flat_sorted_and_collected),
        TEST(collected_terms_are_flat_again),
        TEST(products_are_flat_sorted_and_collected),
        TEST(collected_factors_are_flat_again),
        TEST(powers_fold),
        TEST(functions_of_numbers_fold),
        TEST(sums_over_an_index_let_go_what_is_free_of_it),
        TEST(deltas_are_symmetric_and_fold),
        TEST(sums_eliminate_deltas),
        TEST(deltas_come_out_of_factors_selections_and_inner_sums),
        TEST(deltas_of_strides_stay),
        TEST(sums_over_deltas_keep_what_is_shared),
        TEST(an_eliminated_delta_does_not_capture),
        TEST(maxima_over_an_index),
        TEST(selections_comparisons_and_logic_fold),
        TEST(lookahead_and_lowpass_cancel),
        TEST(constants_pass_operators),
        TEST(the_time_derivative_is_linear),
        TEST(the_first_span_is_kept),
        TEST(questions_about_expressions),
        TEST(shared_nodes_are_visited_once),
        TEST(rewriting_works_bottom_up),
        TEST(replacing_applies_the_rules_again),
        TEST(substitution_does_not_capture),
        TEST(substitution_leaves_bound_indices),
        TEST(the_gradient_of_a_matrix_product_is_an_outer_product),
        TEST(the_energy_of_latent_equilibrium_gives_its_mismatch),
        TEST(recurrent_weights_leave_no_delta),
        TEST(partial_derivatives_hold_lookaheads_fixed),
        TEST(kinks_follow_the_header),
        TEST(evaluation_loops_over_sums),
        TEST(evaluation_sums_over_the_batch),
        TEST(evaluation_takes_only_the_chosen_branch),
        TEST(previous_reads_the_values_before_the_step),
        TEST(evaluation_at_the_ends_of_the_range),
        TEST(imaginary_steps_are_carried_without_cancellation),
        TEST(shared_nodes_are_not_evaluated_over_and_over),
        TEST(units_follow_from_the_symbols),
        TEST(models_without_units_need_none_for_time),
        TEST(text_has_few_parentheses),
        TEST(text_of_functions_and_operators),
        TEST(text_of_sums),
        TEST(indices_of_one_name_are_told_apart),
        TEST(unicode_looks_like_mathematics),
        TEST(latex_compiles_and_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
