// Expressions of the language become symbolic expressions in index notation, with shapes and units checked.
#include "resolve.h"
#include <math.h>
#include <string.h>

enum {
    MOST_EXPANDED = 100000,    // calls of functions in one model
    MOST_EXPANDED_WRONG = 2000 // the same in one that has errors already, which would be found anew in each call
};

// ---- Checks shared by all of resolve --------------------------------------------------------------------------------

static const Ast *network_item_named(const Resolver *r, Atom name) {
    for (uint32_t i = 1; r->network && i < r->network->count; i++)
        if (r->network->child[i] && r->network->child[i]->name == name) return r->network->child[i];
    return NULL;
}

static bool sees_network(const Resolver *r, const Scope *scope) {
    while (scope && scope != r->network_scope) scope = scope->parent;
    return scope != NULL;
}

void report_unknown(Resolver *r, const Scope *scope, Atom name, Span span, const char *expected) {
    const Ast *item = network_item_named(r, name);
    bool declared_before = item && item->span.source == span.source && item->span.begin < span.begin;
    if (declared_before && sees_network(r, scope) && diag_error_count(r->diags)) return; // its own mistake is reported
    report(r, DIAG_E0201, span, "unknown name `%s`", name);
    diag_expected(r->diags, "%s", expected);
    if (item && sees_network(r, scope)) {
        diag_help(r->diags, "move its declaration before this line");
        diag_note(r->diags, item->name_span, "it is declared further down");
        return;
    }
    Vec(Atom) names = {0};
    for (uint32_t i = 0; i < r->declarations.count; i++)
        if (r->declarations.items[i]->kind == AST_FUNCTION) vec_push(&names, r->declarations.items[i]->name);
    for (const Scope *s = scope; s; s = s->parent)
        for (uint32_t i = 0; i < s->bindings.count; i++) vec_push(&names, s->bindings.items[i].name);
    for (const char *const *b = builtin_names(); *b; b++) vec_push(&names, arena_atom_z(r->arena, *b));
    bool found = suggest(r, name, names.items, names.count);
    if (item && !found)
        diag_help(r->diags, "the names of a network are not visible in %s: make it a parameter", scope->description);
    vec_free(&names);
}

bool require_number(Resolver *r, const Value *value, const char *what) {
    if (value->kind == VALUE_NUMBER) return true;
    if (value->kind == VALUE_ERROR) return false;
    bool given = value->origin.source;
    report(r, DIAG_E0202, value_place(value), "%s is %s", given ? "this argument" : what, value_describe(r, value));
    diag_expected(r->diags, "a number or an expression of numbers");
    if (given) diag_note(r->diags, value->span, "it is used as a number here");
    if (value->kind == VALUE_OBJECT && value->object == OBJECT_POPULATION)
        diag_help(r->diags, "name one of its outputs, states or parameters, as in `h.r`");
    if (value->kind == VALUE_FUNCTION) diag_help(r->diags, "give the function its arguments in parentheses");
    return false;
}

bool same_unit(Resolver *r, const Value *a, const Value *b, Span span, const char *doing) {
    if (a->any_unit || b->any_unit || a->open_unit || b->open_unit || unit_equal(a->unit, b->unit)) return true;
    Text first = {0}, second = {0};
    unit_print(a->unit, &first);
    unit_print(b->unit, &second);
    bool plain_a = unit_is_none(a->unit), plain_b = unit_is_none(b->unit);
    report(r, DIAG_E0206, span, "%s different units: %s%s%s and %s%s%s", doing, plain_a ? "" : "`",
           plain_a ? "none" : text_z(&first), plain_a ? "" : "`", plain_b ? "" : "`",
           plain_b ? "none" : text_z(&second), plain_b ? "" : "`");
    diag_note(r->diags, value_place(a), "this is in %s", plain_a ? "plain numbers, without a unit" : text_z(&first));
    diag_note(r->diags, value_place(b), "this is in %s", plain_b ? "plain numbers, without a unit" : text_z(&second));
    double number;
    if ((plain_a && value_const(r, a, &number)) || (plain_b && value_const(r, b, &number)))
        diag_help(r->diags, "write the missing unit after the number, as in `5 %s`",
                  text_z(plain_a ? &second : &first));
    text_free(&first);
    text_free(&second);
    return false;
}

bool join_energy(Resolver *r, const Value *value, Span span, const char *what) {
    Model *m = r->model;
    if (value->any_unit || value->open_unit) return true;
    if (!m->energy_unit_from.source) {
        m->energy_unit = value->unit;
        m->energy_unit_from = span;
        return true;
    }
    if (unit_equal(m->energy_unit, value->unit)) return true;
    Text first = {0}, second = {0};
    unit_print(m->energy_unit, &first);
    unit_print(value->unit, &second);
    bool plain = unit_is_none(value->unit), plain_before = unit_is_none(m->energy_unit);
    report(r, DIAG_E0206, span, "%s%s%s%s, which adds to an energy %s%s%s", what, plain ? " without a unit" : " in `",
           plain ? "" : text_z(&second), plain ? "" : "`", plain_before ? "without a unit" : "in `",
           plain_before ? "" : text_z(&first), plain_before ? "" : "`");
    diag_expected(r->diags, "one unit for the cost and the energies of all neurons, whose sum they are");
    diag_note(r->diags, m->energy_unit_from, "the other one is here");
    Text factor = {0};
    unit_print(unit_multiply(m->energy_unit, unit_power(value->unit, -1)), &factor);
    for (char *c = factor.bytes; c && *c; c++)
        if (*c == ' ') *c = '*';
    diag_help(r->diags, "a factor brings them together, as in `0.1 %s * …`", text_z(&factor));
    text_free(&factor);
    text_free(&first);
    text_free(&second);
    return false;
}

bool is_time(Resolver *r, const Value *value, const char *what) {
    if (value->kind != VALUE_NUMBER) return false;
    if (value->any_unit || value->open_unit || unit_equal(value->unit, r->model->time_unit)) return true;
    Text have = {0};
    unit_print(value->unit, &have);
    bool unitless_model = unit_is_none(r->model->time_unit);
    if (unit_is_none(value->unit)) {
        report(r, DIAG_E0207, value_place(value), "%s has no unit of time", what);
        diag_expected(r->diags, "a time, since `dt` of this network carries a unit of time");
        diag_help(r->diags, "write the unit after the number, as in `10 ms`");
    } else {
        report(r, DIAG_E0206, value_place(value), "%s is in `%s`", what, text_z(&have));
        diag_expected(r->diags, "%s",
                      unitless_model ? "a time without a unit, as `dt` of this network has none" : "a time");
        if (unitless_model) diag_help(r->diags, "give `dt` a unit as well, as in `dt = 0.1 ms`");
    }
    if (value->origin.source) diag_note(r->diags, value->span, "it is used as a time here");
    text_free(&have);
    return false;
}

bool constant_number(Resolver *r, const Scope *scope, const Ast *ast, const char *what, double *number, Unit *unit) {
    Value value = elaborate(r, scope, ast);
    if (value.kind == VALUE_ERROR) return false;
    if (!value_const(r, &value, number) || value.rank) {
        report(r, DIAG_E0208, ast->span, "%s must be a constant number, but this is %s", what,
               value_describe(r, &value));
        diag_expected(r->diags,
                      "a number known before the run: literals, network parameters, `let` constants, arithmetic");
        note_what_sets(r, &value);
        return false;
    }
    if (!isfinite(*number)) {
        report(r, DIAG_E0216, ast->span, "%s is not a finite number", what);
        return false;
    }
    if (unit) *unit = value.unit;
    return true;
}

bool constant_size(Resolver *r, const Scope *scope, const Ast *ast, const char *what, uint32_t *size) {
    double number;
    Value value = elaborate(r, scope, ast);
    if (value.kind == VALUE_OBJECT && value.object != OBJECT_CONNECTION && !value.array_base) {
        *size = value.object == OBJECT_POPULATION ? r->model->populations.items[value.number].size
                                                  : r->model->externals.items[value.number].size;
        return true;
    }
    if (value.kind == VALUE_ERROR || !constant_number(r, scope, ast, what, &number, NULL)) return false;
    if (number != floor(number) || number < 0 || number > 1e8) {
        char text[32];
        report(r, DIAG_E0209, ast->span, "%s is %s", what, number_format(text, number));
        diag_expected(r->diags, "a whole number from 0 to 100000000");
        if (number != floor(number)) diag_help(r->diags, "`floor(…)` rounds down");
        return false;
    }
    *size = (uint32_t)number;
    return true;
}

// A duration: a time (divided by dt), or a number of steps when it says so.
bool constant_steps(Resolver *r, const Scope *scope, const Ast *ast, bool in_steps, const char *what, int64_t *steps) {
    double number;
    Unit unit;
    if (!constant_number(r, scope, ast, what, &number, &unit)) return false;
    if (in_steps || unit_equal(unit, UNIT_STEPS)) {
        if (number != floor(number) || number < 0 || number > 1e15) {
            report(r, DIAG_E0209, ast->span, "%s must be a whole number of steps%s", what,
                   number > 1e15 ? ", at most 1e15" : "");
            return false;
        }
        *steps = (int64_t)number;
        return true;
    }
    Value value = value_expr(expr_const(r->store, number), unit, ast->span);
    value.any_unit = number == 0;
    if (!is_time(r, &value, what)) return false;
    if (number < 0 || number / r->model->dt > 1e15) {
        report(r, DIAG_E0216, ast->span, "%s must be a time from 0 on%s", what,
               number > 0 ? ", at most 1e15 steps" : "");
        return false;
    }
    *steps = (int64_t)llround(number / r->model->dt);
    return true;
}

// ---- Shapes ---------------------------------------------------------------------------------------------------------

// Renames the axes of `b` to those of `a`; both must have the same shape.
static bool align(Resolver *r, const Value *a, Value *b, Span span) {
    bool fits = a->rank == b->rank;
    for (uint32_t i = 0; fits && i < a->rank; i++)
        fits = index_info(r->store, a->axis[i])->extent == index_info(r->store, b->axis[i])->extent;
    if (!fits) {
        report(r, DIAG_E0205, span, "shapes don't fit: %s and %s", shape_text(r, a), shape_text(r, b));
        diag_note(r->diags, value_place(a), "this has the shape %s", shape_text(r, a));
        diag_note(r->diags, value_place(b), "this has the shape %s", shape_text(r, b));
        return false;
    }
    b->expr = value_at_axes(r, b, a->axis);
    memcpy(b->axis, a->axis, sizeof a->axis);
    return true;
}

// A constant list used among numbers becomes an array of its own: one parameter without a name.
Value list_to_array(Resolver *r, Value list) {
    SymbolInfo info = {.name = arena_format(r->arena, "list#%u", r->unique++),
                       .hidden = true,
                       .role = ROLE_PARAMETER,
                       .rank = 1,
                       .extent = {list.list_count},
                       .unit = list.unit,
                       .span = list.span};
    Initial initial = {.kind = INITIAL_CONSTANT, .values = list.list, .count = list.list_count, .span = list.span};
    Value value = value_symbol(r, declare_array(r, info, initial), list.span);
    return value;
}

static double fold(ExprKind kind, double a, double b) {
    switch (kind) {
    case EXPR_ADD: return a + b;
    case EXPR_MUL: return a * b;
    case EXPR_POWER: return pow(a, b);
    default: return NAN;
    }
}

// Arithmetic on constant lists stays constant.
static Value combine_lists(Resolver *r, ExprKind kind, const Value *a, const Value *b, Span span) {
    double left = 0, right = 0;
    bool fixed_a = value_const(r, a, &left), fixed_b = value_const(r, b, &right);
    if ((a->kind != VALUE_LIST && !fixed_a) || (b->kind != VALUE_LIST && !fixed_b)) return value_error();
    if (a->kind == VALUE_LIST && b->kind == VALUE_LIST && a->list_count != b->list_count) return value_error();
    uint32_t count = a->kind == VALUE_LIST ? a->list_count : b->list_count;
    double *items = arena_new_array(r->arena, double, count);
    for (uint32_t i = 0; i < count; i++)
        items[i] = fold(kind, a->kind == VALUE_LIST ? a->list[i] : left, b->kind == VALUE_LIST ? b->list[i] : right);
    Value value = {.kind = VALUE_LIST, .list = items, .list_count = count, .span = span, .unit = a->unit};
    if (kind == EXPR_MUL) value.unit = unit_multiply(a->unit, b->unit);
    if (kind == EXPR_POWER) value.unit = unit_power(a->unit, right);
    return value;
}

static Unit combined_unit(Resolver *r, ExprKind kind, const Value *a, const Value *b) {
    double exponent;
    switch (kind) {
    case EXPR_MUL: return unit_multiply(a->unit, b->unit);
    case EXPR_POWER: return value_const(r, b, &exponent) ? unit_power(a->unit, exponent) : UNIT_NONE;
    case EXPR_LESS:
    case EXPR_LESS_EQUAL:
    case EXPR_EQUAL:
    case EXPR_AND:
    case EXPR_OR: return UNIT_NONE;
    default: return a->any_unit || a->open_unit ? b->unit : a->unit;
    }
}

// Arithmetic on constants that has no result: 1e200 * 1e200, log(0).
static bool check_finite(Resolver *r, const Value *value) {
    double number = 0;
    bool good = !value_const(r, value, &number) || isfinite(number);
    for (uint32_t i = 0; value->kind == VALUE_LIST && i < value->list_count && good; i++) {
        number = value->list[i];
        good = isfinite(number);
    }
    if (good) return true;
    report(r, DIAG_E0216, value->span, "the result of this is %s", isnan(number) ? "no number" : "infinite");
    diag_expected(r->diags, "a finite number");
    return false;
}

// x * 1 mV is x once it is multiplied: then units can't be found again from the expression alone.
static void note_unit_in_one(Resolver *r, ExprKind kind, const Value *a, const Value *b) {
    if (kind != EXPR_MUL) return;
    const Value *both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        double number;
        bool one = value_const(r, both[i], &number) && (number == 1 || number == -1);
        if (one && !unit_is_none(both[i]->unit)) r->model->unit_in_one = true;
    }
}

// An elementwise operation on two values of equal shape, or of which one is a single number.
Value combine(Resolver *r, ExprKind kind, Value a, Value b, Span span) {
    if (a.kind == VALUE_ERROR || b.kind == VALUE_ERROR) return value_error();
    if (a.kind == VALUE_LIST || b.kind == VALUE_LIST) {
        Value folded = combine_lists(r, kind, &a, &b, span);
        if (folded.kind != VALUE_ERROR) return check_finite(r, &folded) ? folded : value_error();
        if (a.kind == VALUE_LIST) a = list_to_array(r, a);
        if (b.kind == VALUE_LIST) b = list_to_array(r, b);
    }
    if (!require_number(r, &a, "the left side") || !require_number(r, &b, "the right side")) return value_error();
    if (a.rank && b.rank && !align(r, &a, &b, span)) return value_error();
    note_unit_in_one(r, kind, &a, &b);
    bool needs_equal_units = kind != EXPR_MUL && kind != EXPR_POWER && kind != EXPR_AND && kind != EXPR_OR;
    if (needs_equal_units && !same_unit(r, &a, &b, span, kind == EXPR_ADD ? "a sum of" : "a comparison of"))
        return value_error();
    if (kind == EXPR_POWER && !b.any_unit && !b.open_unit && !unit_is_none(b.unit)) {
        report(r, DIAG_E0206, b.span, "an exponent must be a plain number");
        return value_error();
    }
    Value result = a.rank ? a : b;
    result.expr = expr_make2(r->store, kind, a.expr, b.expr);
    result.unit = combined_unit(r, kind, &a, &b);
    result.any_unit = expr_is_const(r->store, result.expr, 0);
    result.open_unit = a.open_unit || b.open_unit;
    result.span = span;
    result.origin = (Span){0};
    if (!check_finite(r, &result)) return value_error();
    expr_set_span(r->store, result.expr, span);
    return result;
}

// ---- Reductions and products ----------------------------------------------------------------------------------------

// Reduces over `index` under the first shared index variable that is not in use, so that equal sums are one handle.
Expr sum_canonical(Resolver *r, Index index, Expr body, bool maximum) {
    uint32_t extent = index_info(r->store, index)->extent;
    for (uint32_t n = 0;; n++) {
        Index shared = index_shared(r->store, n, extent);
        if (shared != index && expr_has_index(r->store, body, shared)) continue;
        body = expr_substitute_index(r->store, body, expr_index(r->store, index), expr_index(r->store, shared));
        return maximum ? expr_maximum(r->store, shared, body) : expr_sum(r->store, shared, body);
    }
}

static Value matrix_product(Resolver *r, Value a, Value b, Span span) {
    if (a.kind == VALUE_ERROR || b.kind == VALUE_ERROR) return value_error();
    if (a.kind == VALUE_LIST) a = list_to_array(r, a);
    if (b.kind == VALUE_LIST) b = list_to_array(r, b);
    if (!require_number(r, &a, "the left side of `@`") || !require_number(r, &b, "the right side of `@`"))
        return value_error();
    bool fits = a.rank >= 1 && b.rank >= 1 && a.rank + b.rank <= 4 &&
                index_info(r->store, a.axis[a.rank - 1])->extent == index_info(r->store, b.axis[0])->extent;
    if (!fits) {
        report(r, DIAG_E0205, span, "a matrix product of %s and %s", shape_text(r, &a), shape_text(r, &b));
        diag_expected(r->diags, "as many columns on the left as there are rows on the right");
        diag_note(r->diags, value_place(&a), "this has the shape %s", shape_text(r, &a));
        diag_note(r->diags, value_place(&b), "this has the shape %s", shape_text(r, &b));
        return value_error();
    }
    Index inner = a.axis[a.rank - 1];
    Expr right = expr_substitute_index(r->store, b.expr, expr_index(r->store, b.axis[0]), expr_index(r->store, inner));
    Value result = value_expr(sum_canonical(r, inner, expr_mul(r->store, a.expr, right), false),
                              unit_multiply(a.unit, b.unit), span);
    for (uint32_t i = 0; i + 1 < a.rank; i++) result.axis[result.rank++] = a.axis[i];
    for (uint32_t i = 1; i < b.rank; i++) result.axis[result.rank++] = b.axis[i];
    expr_set_span(r->store, result.expr, span);
    return result;
}

// sum(i, j: body): the indices get their extents from the arrays that they index.
static Value elaborate_reduce(Resolver *r, const Scope *scope, const Ast *ast) {
    Scope inner = {.parent = scope, .description = scope->description};
    uint32_t count = ast->count - 1;
    Index bound[EXPR_MAX_RANK * 2];
    if (count > EXPR_MAX_RANK * 2) {
        report(r, DIAG_E0212, ast->span, "more than %d indices in one reduction", EXPR_MAX_RANK * 2);
        return value_error();
    }
    for (uint32_t i = 0; i < count; i++) {
        bound[i] = index_new(r->store, ast->child[i]->name, 0);
        scope_bind(&inner, ast->child[i]->name,
                   value_expr(expr_index(r->store, bound[i]), UNIT_NONE, ast->child[i]->span));
    }
    Value body = elaborate(r, &inner, ast->child[count]);
    scope_free(&inner);
    if (body.kind == VALUE_ERROR) return body;
    if (!require_number(r, &body, "the body of a reduction")) return value_error();
    bool maximum = strcmp(ast->name, "max") == 0;
    for (uint32_t i = count; i-- > 0;) {
        uint32_t extent = index_info(r->store, bound[i])->extent;
        if (!extent) {
            report(r, DIAG_E0210, ast->child[i]->span, "nothing says how far the index `%s` runs", ast->child[i]->name);
            diag_expected(r->diags, "an array indexed by it, as in `sum(j: W[i, j] * pre.r[j])`");
            return value_error();
        }
        body.expr = sum_canonical(r, bound[i], body.expr, maximum);
        if (strcmp(ast->name, "mean") == 0) body.expr = expr_div(r->store, body.expr, expr_const(r->store, extent));
    }
    if (strcmp(ast->name, "min") == 0) {
        report(r, DIAG_E0212, ast->span, "a minimum over an index");
        diag_help(r->diags, "write `-max(…: -x)`");
        return value_error();
    }
    body.span = ast->span;
    return body;
}

// ---- Names, members, elements ---------------------------------------------------------------------------------------

// A state under an equation of its own is known before and after the step; what is written says which is meant.
Value state_value(Resolver *r, Value value) {
    if (value.kind != VALUE_NUMBER || !value.moves) return value;
    value.moves = false;
    ExprNode node = expr_node(r->store, value.expr);
    if (r->after) value.expr = expr_access(r->store, node.symbol, VERSION_NEW, node.argument, node.count);
    return value;
}

static Value elaborate_name(Resolver *r, const Scope *scope, const Ast *ast) {
    const Value *found = scope_find(scope, ast->name);
    if (found) {
        Value value = *found;
        value.span = ast->span;
        return state_value(r, value);
    }
    const Builtin *builtin = builtin_find(ast->name);
    if (builtin) return (Value){.kind = VALUE_FUNCTION, .builtin = builtin, .span = ast->span};
    const Ast *function = find_declaration(r, AST_FUNCTION, ast->name);
    if (function) return (Value){.kind = VALUE_FUNCTION, .function = function, .span = ast->span};
    report_unknown(r, scope, ast->name, ast->span, arena_format(r->arena, "a name known in %s", scope->description));
    return value_error();
}

// An external input used as a value is its vector.
static Value as_value(Resolver *r, Value value) {
    if (value.kind == VALUE_OBJECT && value.object == OBJECT_EXTERNAL)
        return value_symbol(r, r->model->externals.items[value.number].symbol, value.span);
    return value;
}

static Value object_element(Resolver *r, const Scope *scope, const Value *object, const Ast *ast) {
    double number;
    if (ast->count != 2 || !constant_number(r, scope, ast->child[1], "the number of an object", &number, NULL))
        return value_error();
    Atom name = arena_format(r->arena, "%s[%.0f]", object->array_base, number);
    Value result = {.kind = VALUE_OBJECT, .object = object->object, .span = ast->span};
    const Model *m = r->model;
    uint32_t count = object->object == OBJECT_POPULATION ? m->populations.count : m->connections.count;
    uint32_t members = 0;
    for (uint32_t i = 0; i < count; i++) {
        Atom have = object->object == OBJECT_POPULATION ? m->populations.items[i].name : m->connections.items[i].name;
        size_t base = strlen(object->array_base);
        if (strncmp(have, object->array_base, base) == 0 && have[base] == '[') members++;
        if (have != name || number != floor(number)) continue;
        result.number = i;
        return result;
    }
    char text[32];
    report(r, DIAG_E0210, ast->child[1]->span, "there is no `%s[%s]`", object->array_base, number_format(text, number));
    if (members) diag_expected(r->diags, "a number from 0 to %u", members - 1);
    return value_error();
}

// W[i, j]: an index variable or a constant per axis.
static Value array_element(Resolver *r, const Scope *scope, Value array, const Ast *ast) {
    if (array.kind == VALUE_LIST) array = list_to_array(r, array);
    if (!require_number(r, &array, "what is indexed")) return value_error();
    if (array.rank != ast->count - 1) {
        report(r, DIAG_E0205, ast->span, "%u indices for %s", ast->count - 1, value_describe(r, &array));
        diag_expected(r->diags, "one index per axis");
        return value_error();
    }
    Value result = array;
    result.rank = 0;
    result.span = ast->span;
    for (uint32_t k = 0; k < array.rank; k++) {
        Value at = elaborate(r, scope, ast->child[k + 1]);
        if (!require_number(r, &at, "an index")) return value_error();
        uint32_t extent = index_info(r->store, array.axis[k])->extent;
        ExprNode node = expr_node(r->store, at.expr);
        double number;
        if (node.kind == EXPR_INDEX) {
            uint32_t have = index_info(r->store, node.index)->extent;
            if (have == 0)
                index_set_extent(r->store, node.index, extent);
            else if (have != extent) {
                report(r, DIAG_E0205, ast->child[k + 1]->span, "an index that runs over %u elements on an axis of %u",
                       have, extent);
                return value_error();
            }
        } else if (!expr_get_const(r->store, at.expr, &number) || number != floor(number) || number < 0 ||
                   number >= extent) {
            report(r, DIAG_E0210, ast->child[k + 1]->span, "this is no element of an axis of %u", extent);
            diag_expected(r->diags, "an index variable, or a whole number from 0 to %u", extent ? extent - 1 : 0);
            return value_error();
        }
        result.expr = expr_substitute_index(r->store, result.expr, expr_index(r->store, array.axis[k]), at.expr);
    }
    return result;
}

static Value elaborate_index(Resolver *r, const Scope *scope, const Ast *ast) {
    Value object = elaborate(r, scope, ast->child[0]);
    if (object.kind == VALUE_ERROR) return object;
    if (object.kind == VALUE_OBJECT && object.array_base) return object_element(r, scope, &object, ast);
    return array_element(r, scope, as_value(r, object), ast);
}

// ---- Calls ----------------------------------------------------------------------------------------------------------

// Functions are expanded where they are called, so none may call itself, and all of them together not too often.
static bool may_expand(Resolver *r, const Ast *function, Span span) {
    for (const Frame *frame = r->frames; frame; frame = frame->parent) {
        if (frame->function != function) continue;
        report(r, DIAG_E0214, span, "`%s` calls itself%s", function->name,
               frame == r->frames ? "" : " through other functions");
        diag_expected(r->diags, "a function that is defined without recursion");
        return false;
    }
    if (r->expanded >= MOST_EXPANDED_WRONG && diag_error_count(r->diags)) return false;
    if (r->expanded++ < MOST_EXPANDED) return true;
    if (r->expanded == MOST_EXPANDED + 1) {
        report(r, DIAG_E0106, span, "functions call each other more than %d times", MOST_EXPANDED);
        diag_help(r->diags, "give a result that is used twice a name with `let`");
    }
    return false;
}

static Value inline_function(Resolver *r, const Value *callee, const Value *args, uint32_t count, Span span) {
    const Ast *function = callee->function, *parameters = function->child[0];
    if (parameters->count != count) {
        report(r, DIAG_E0204, span, "`%s` takes %u argument%s, not %u", function->name, parameters->count,
               parameters->count == 1 ? "" : "s", count);
        diag_note(r->diags, function->name_span, "declared here");
        return value_error();
    }
    if (!may_expand(r, function, span)) return value_error();
    Scope inner = {.parent = &r->global, .description = arena_format(r->arena, "function `%s`", function->name)};
    for (uint32_t i = 0; i < count; i++) {
        Value given = args[i];
        given.origin = value_place(&given);
        scope_bind(&inner, parameters->child[i]->name, given);
    }
    Frame frame = {r->frames, function};
    Span before = enter_use(r, span);
    r->frames = &frame;
    Value result = elaborate(r, &inner, function->child[1]);
    r->frames = frame.parent;
    leave_use(r, before);
    scope_free(&inner);
    result.span = span;
    result.origin = (Span){0};
    return result;
}

Value elaborate_call(Resolver *r, const Scope *scope, const Ast *call, const Value *callee, const Value *args,
                     uint32_t count) {
    (void)scope;
    for (uint32_t i = 0; i < count; i++)
        if (args[i].kind == VALUE_ERROR) return value_error();
    if (callee->builtin) {
        const Builtin *b = callee->builtin;
        if (count < b->least || count > b->most) {
            report(r, DIAG_E0204, call->span, "`%s` with %u argument%s", b->name, count, count == 1 ? "" : "s");
            if (b->least == b->most)
                diag_expected(r->diags, "%u argument%s", b->least, b->least == 1 ? "" : "s");
            else
                diag_expected(r->diags, "%u to %u arguments", b->least, b->most);
            return value_error();
        }
        Value copy[4];
        for (uint32_t i = 0; i < count; i++) copy[i] = args[i];
        Value result = b->make(r, b, copy, count, call->span);
        result.origin = (Span){0};
        return check_finite(r, &result) ? result : value_error();
    }
    return inline_function(r, callee, args, count, call->span);
}

static Value elaborate_call_ast(Resolver *r, const Scope *scope, const Ast *ast) {
    Value callee = elaborate(r, scope, ast->child[0]);
    if (callee.kind == VALUE_ERROR) return callee;
    if (callee.kind != VALUE_FUNCTION) {
        report(r, DIAG_E0202, ast->child[0]->span, "this is %s, not a function", value_describe(r, &callee));
        return value_error();
    }
    Value args[16];
    if (ast->count - 1 > 16) {
        report(r, DIAG_E0204, ast->span, "more than 16 arguments");
        return value_error();
    }
    for (uint32_t i = 1; i < ast->count; i++) {
        const Ast *arg = ast->child[i];
        if (arg->kind == AST_ARGUMENT) {
            report(r, DIAG_E0204, arg->span, "a function takes its arguments by position");
            diag_help(r->diags, "leave out `%s =`", arg->name);
            return value_error();
        }
        args[i - 1] = as_value(r, elaborate(r, scope, arg));
    }
    return elaborate_call(r, scope, ast, &callee, args, ast->count - 1);
}

// ---- Operators and literals -----------------------------------------------------------------------------------------

static Value elaborate_literal(Resolver *r, const Ast *ast) {
    Value value = value_number(r, ast->number, ast->span);
    if (!ast->text) return value;
    Unit unit;
    double factor, divisor;
    const char *unknown;
    if (!unit_parse(ast->text, &unit, &factor, &divisor, &unknown)) {
        report(r, DIAG_E0206, ast->span, "unknown unit `%s`", ast->text);
        diag_expected(r->diags, "`ms`, `mV`, `nS`, `pA`, `pF`, `Hz`, … or products of them");
        return value_error();
    }
    value = value_number(r, ast->number * factor / divisor, ast->span);
    value.unit = unit;
    value.any_unit = false;
    return value;
}

static Value negated(Resolver *r, Value value, Span span) {
    Value minus_one = value_number(r, -1, span);
    return combine(r, EXPR_MUL, minus_one, value, span);
}

static Value elaborate_unary(Resolver *r, const Scope *scope, const Ast *ast) {
    Value value = as_value(r, elaborate(r, scope, ast->child[0]));
    if (value.kind == VALUE_ERROR) return value;
    if (strcmp(ast->name, "-") == 0) {
        Value result = negated(r, value, ast->span);
        result.any_unit = value.any_unit;
        return result;
    }
    if (!require_number(r, &value, "the operand of `not`")) return value_error();
    value.expr = expr_make1(r->store, EXPR_NOT, value.expr);
    return value;
}

static Value divide(Resolver *r, Value a, Value b, Span span) {
    double divisor;
    if (value_const(r, &b, &divisor)) {
        if (divisor == 0) {
            report(r, DIAG_E0216, span, "a division by zero");
            diag_note(r->diags, value_place(&b), "this is 0");
            return value_error();
        }
        double dividend; // one division, not a product with a rounded inverse
        if (value_const(r, &a, &dividend)) {
            Value result = value_number(r, dividend / divisor, span);
            result.unit = unit_multiply(a.unit, unit_power(b.unit, -1));
            return result;
        }
    }
    return combine(r, EXPR_MUL, a, combine(r, EXPR_POWER, b, value_number(r, -1, span), span), span);
}

static Value elaborate_binary(Resolver *r, const Scope *scope, const Ast *ast) {
    Value a = as_value(r, elaborate(r, scope, ast->child[0])), b = as_value(r, elaborate(r, scope, ast->child[1]));
    if (a.kind == VALUE_ERROR || b.kind == VALUE_ERROR) return value_error();
    const char *op = ast->name;
    Span span = ast->span;
    if (strcmp(op, "+") == 0) return combine(r, EXPR_ADD, a, b, span);
    if (strcmp(op, "-") == 0) {
        Value minus = negated(r, b, b.span);
        minus.any_unit = b.any_unit;
        minus.span = b.span;
        minus.origin = b.origin;
        return combine(r, EXPR_ADD, a, minus, span);
    }
    if (strcmp(op, "*") == 0) return combine(r, EXPR_MUL, a, b, span);
    if (strcmp(op, "/") == 0) return divide(r, a, b, span);
    if (strcmp(op, "^") == 0) return combine(r, EXPR_POWER, a, b, span);
    if (strcmp(op, "@") == 0) return matrix_product(r, a, b, span);
    if (strcmp(op, "<") == 0) return combine(r, EXPR_LESS, a, b, span);
    if (strcmp(op, "<=") == 0) return combine(r, EXPR_LESS_EQUAL, a, b, span);
    if (strcmp(op, ">") == 0) return combine(r, EXPR_LESS, b, a, span);
    if (strcmp(op, ">=") == 0) return combine(r, EXPR_LESS_EQUAL, b, a, span);
    if (strcmp(op, "==") == 0) return combine(r, EXPR_EQUAL, a, b, span);
    if (strcmp(op, "and") == 0) return combine(r, EXPR_AND, a, b, span);
    if (strcmp(op, "or") == 0) return combine(r, EXPR_OR, a, b, span);
    Value equal = combine(r, EXPR_EQUAL, a, b, span); // !=
    if (equal.kind == VALUE_NUMBER) equal.expr = expr_make1(r->store, EXPR_NOT, equal.expr);
    return equal;
}

static Value elaborate_list(Resolver *r, const Scope *scope, const Ast *ast) {
    Vec(double) items = {0};
    Value result = {.kind = VALUE_LIST, .span = ast->span};
    bool first = true;
    for (uint32_t i = 0; i < ast->count; i++) {
        Value value = elaborate(r, scope, ast->child[i]);
        double number;
        if (value.kind == VALUE_LIST) {
            for (uint32_t k = 0; k < value.list_count; k++) vec_push(&items, value.list[k]);
        } else if (value_const(r, &value, &number)) {
            vec_push(&items, number);
        } else {
            if (value.kind != VALUE_ERROR) {
                report(r, DIAG_E0208, ast->child[i]->span,
                       "an element of a list must be a constant number, but this is %s", value_describe(r, &value));
                diag_expected(
                    r->diags,
                    "a number known before the run: literals, network parameters, `let` constants, arithmetic");
            }
            vec_free(&items);
            return value_error();
        }
        if (first) {
            result.unit = value.unit;
            result.any_unit = value.any_unit;
            first = false;
        } else if (!same_unit(r, &result, &value, ast->child[i]->span, "a list of")) {
            vec_free(&items);
            return value_error();
        }
    }
    double *list = arena_new_array(r->arena, double, items.count ? items.count : 1);
    if (items.count) memcpy(list, items.items, items.count * sizeof *list);
    result.list = list;
    result.list_count = items.count;
    vec_free(&items);
    return result;
}

Value elaborate(Resolver *r, const Scope *scope, const Ast *ast) {
    switch (ast->kind) {
    case AST_NUMBER: return elaborate_literal(r, ast);
    case AST_STRING: return (Value){.kind = VALUE_TEXT, .text = ast->text, .span = ast->span};
    case AST_NAME: return elaborate_name(r, scope, ast);
    case AST_MEMBER: {
        Value object = elaborate(r, scope, ast->child[0]);
        if (object.kind == VALUE_OBJECT && object.object == OBJECT_COMPARTMENT)
            return compartment_member(r, &object, ast->name, ast->span);
        return object.kind == VALUE_ERROR ? object : elaborate_member(r, &object, ast->name, ast->span);
    }
    case AST_INDEX: return elaborate_index(r, scope, ast);
    case AST_CALL: return elaborate_call_ast(r, scope, ast);
    case AST_REDUCE: return elaborate_reduce(r, scope, ast);
    case AST_UNARY: return elaborate_unary(r, scope, ast);
    case AST_BINARY: return elaborate_binary(r, scope, ast);
    case AST_LIST: return elaborate_list(r, scope, ast);
    default: report(r, DIAG_E0202, ast->span, "this can't stand in an expression here"); return value_error();
    }
}
