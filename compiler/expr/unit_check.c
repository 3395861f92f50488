// The unit of an expression, found from the units of its symbols; where terms meet they must have the same one.
//
// Numbers have lost the unit that they were written with (5 mV is 5, and x / 1 mV is x). So a number agrees with
// whatever it is added to, a product with a number other than 1 and -1 has its unit only by guess, which no sum is
// refused for, and functions take any argument: users' own lines were checked with their numbers' units. What remains
// is what derivation can get wrong: a missing time constant, a factor left out, terms of different equations.
#include "../support/vec.h"
#include "memo.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum Certainty { UNIT_ANY, UNIT_GUESSED, UNIT_SURE } Certainty;

typedef struct Quantity {
    Certainty certainty;
    Unit unit;
} Quantity;

typedef struct UnitWalk {
    const ExprStore *store;
    ExprMemo memo; // number in `quantities` + 1
    Vec(Quantity) quantities;
    bool timed; // some symbol carries a unit of time, so every time does
    bool agree;
} UnitWalk;

static const Quantity plain_number = {UNIT_SURE, {0}};

static Quantity unit_of(UnitWalk *walk, Expr expr);

// Two things that are added, compared or chosen between.
static Quantity meet(UnitWalk *walk, Quantity a, Quantity b) {
    if (a.certainty == UNIT_SURE && b.certainty == UNIT_SURE && !unit_equal(a.unit, b.unit)) walk->agree = false;
    return a.certainty >= b.certainty ? a : b;
}

static Quantity meet_all(UnitWalk *walk, const Expr *expr, uint32_t count) {
    Quantity result = unit_of(walk, expr[0]);
    for (uint32_t i = 1; i < count; i++) result = meet(walk, result, unit_of(walk, expr[i]));
    return result;
}

static Quantity product(Quantity a, Quantity b) {
    Certainty certainty = a.certainty < b.certainty ? a.certainty : b.certainty;
    if (a.certainty != b.certainty && certainty == UNIT_ANY) certainty = UNIT_GUESSED;
    return (Quantity){certainty, unit_multiply(a.unit, b.unit)};
}

static Quantity product_of_all(UnitWalk *walk, const ExprNode *node) {
    Quantity result = plain_number;
    for (uint32_t i = 0; i < node->count; i++) {
        Expr factor = node->argument[i];
        if (expr_is_const(walk->store, factor, -1)) continue;
        result = product(result, unit_of(walk, factor));
    }
    return result;
}

static Quantity power(UnitWalk *walk, const ExprNode *node) {
    Quantity base = unit_of(walk, node->argument[0]);
    unit_of(walk, node->argument[1]);
    double exponent;
    if (unit_is_none(base.unit)) return base;
    if (!expr_get_const(walk->store, node->argument[1], &exponent) || 2 * exponent != rint(2 * exponent))
        return (Quantity){UNIT_GUESSED, UNIT_NONE}; // no unit that could be written
    return (Quantity){base.certainty, unit_power(base.unit, exponent)};
}

static Quantity call(UnitWalk *walk, const ExprNode *node) {
    Quantity x = unit_of(walk, node->argument[0]);
    if (node->function == FUNCTION_ABS) return x;
    if (node->function == FUNCTION_SQRT) return (Quantity){x.certainty, unit_power(x.unit, 0.5)};
    return plain_number;
}

// The second argument of ahead, lowpass and delay. A delay may be counted in steps.
static void check_time(UnitWalk *walk, const ExprNode *node) {
    Quantity time = unit_of(walk, node->argument[1]);
    if (!walk->timed || time.certainty != UNIT_SURE || unit_equal(time.unit, UNIT_TIME)) return;
    if (node->kind == EXPR_DELAY && unit_equal(time.unit, UNIT_STEPS)) return;
    walk->agree = false;
}

static Quantity rate(UnitWalk *walk, const ExprNode *node) {
    Quantity per_time = {walk->timed ? UNIT_SURE : UNIT_GUESSED, unit_power(UNIT_TIME, -1)};
    return product(unit_of(walk, node->argument[0]), per_time);
}

static Quantity unit_of_node(UnitWalk *walk, const ExprNode *node) {
    switch (node->kind) {
    case EXPR_CONST: return (Quantity){UNIT_ANY, UNIT_NONE};
    case EXPR_ACCESS: return (Quantity){UNIT_SURE, symbol_info(walk->store, node->symbol)->unit};
    case EXPR_ADD:
    case EXPR_MIN:
    case EXPR_MAX: return meet_all(walk, node->argument, node->count);
    case EXPR_MUL: return product_of_all(walk, node);
    case EXPR_POWER: return power(walk, node);
    case EXPR_CALL: return call(walk, node);
    case EXPR_SELECT: unit_of(walk, node->argument[0]); return meet_all(walk, node->argument + 1, 2);
    case EXPR_LESS:
    case EXPR_LESS_EQUAL:
    case EXPR_EQUAL: meet_all(walk, node->argument, node->count); return plain_number;
    case EXPR_AND:
    case EXPR_OR:
    case EXPR_NOT:
        for (uint32_t i = 0; i < node->count; i++) unit_of(walk, node->argument[i]);
        return plain_number;
    case EXPR_SUM:
    case EXPR_MAXIMUM:
    case EXPR_PREVIOUS:
    case EXPR_STOP: return unit_of(walk, node->argument[0]);
    case EXPR_AHEAD:
    case EXPR_LOWPASS:
    case EXPR_DELAY: check_time(walk, node); return unit_of(walk, node->argument[0]);
    case EXPR_RATE: return rate(walk, node);
    case EXPR_INDEX:
    case EXPR_DELTA:
    case EXPR_KIND_COUNT: break;
    }
    return plain_number;
}

static Quantity unit_of(UnitWalk *walk, Expr expr) {
    uint32_t number = expr_memo_get(&walk->memo, expr);
    if (number) return walk->quantities.items[number - 1];
    ExprNode node = expr_node(walk->store, expr);
    Quantity found = unit_of_node(walk, &node);
    vec_push(&walk->quantities, found);
    expr_memo_set(&walk->memo, expr, walk->quantities.count);
    return found;
}

static Quantity find_unit(const ExprStore *store, Expr expr, bool *agree) {
    UnitWalk walk = {.store = store, .agree = true};
    for (Symbol symbol = 1; symbol <= symbol_count(store) && !walk.timed; symbol++)
        if (symbol_info(store, symbol)->unit.time) walk.timed = true;
    Quantity found = unit_of(&walk, expr);
    expr_memo_free(&walk.memo);
    vec_free(&walk.quantities);
    *agree = walk.agree;
    return found;
}

bool expr_unit(const ExprStore *store, Expr expr, Unit *unit) {
    bool agree;
    *unit = find_unit(store, expr, &agree).unit;
    return agree;
}

bool expr_has_unit(const ExprStore *store, Expr expr, Unit unit) {
    bool agree;
    Quantity found = find_unit(store, expr, &agree);
    return agree && (found.certainty != UNIT_SURE || unit_equal(found.unit, unit));
}
