// The mathematics that the language starts from. Everything else (activations, costs, synapses, optimisers) is written
// in the language itself, in the prelude.
#include "resolve.h"
#include <math.h>
#include <string.h>

static bool plain_number(Resolver *r, Value *value, const char *function) {
    if (!require_number(r, value, arena_format(r->arena, "the argument of `%s`", function))) return false;
    if (value->any_unit || value->open_unit || unit_is_none(value->unit)) return true;
    Text text = {0};
    unit_print(value->unit, &text);
    report(r, DIAG_E0206, value->span, "`%s` of a value in `%s`", function, text_z(&text));
    diag_expected(r->diags, "a number without a unit");
    diag_help(r->diags, "divide by a scale in the same unit, as in `%s(u / (1 %s))`", function, text_z(&text));
    text_free(&text);
    return false;
}

static Value make_function(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    (void)count;
    bool keeps_unit = self->detail == FUNCTION_ABS || self->detail == FUNCTION_SQRT || self->detail == FUNCTION_SIGN;
    if (!require_number(r, &args[0], arena_format(r->arena, "the argument of `%s`", self->name))) return value_error();
    if (!keeps_unit && !plain_number(r, &args[0], self->name)) return value_error();
    Value result = args[0];
    result.expr = expr_call(r->store, (ExprFunction)self->detail, args[0].expr);
    result.any_unit = false;
    if (!keeps_unit) result.open_unit = false, result.unit = UNIT_NONE;
    if (self->detail == FUNCTION_SQRT) result.unit = unit_power(result.unit, 0.5);
    if (self->detail == FUNCTION_SIGN) result.unit = UNIT_NONE;
    result.span = span;
    expr_set_span(r->store, result.expr, span);
    return result;
}

// floor and round of constants only: sizes and counts.
static Value make_rounded(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    (void)count;
    double number;
    if (!value_const(r, &args[0], &number)) {
        report(r, DIAG_E0208, args[0].span, "`%s` of something that is not a constant", self->name);
        diag_expected(r->diags, "a constant, as in a size");
        return value_error();
    }
    Value result = value_number(r, self->detail ? round(number) : floor(number), span);
    result.unit = args[0].unit;
    return result;
}

static Value reduce(Resolver *r, const char *name, Value body, Span span) {
    if (body.kind == VALUE_LIST) {
        double total = 0, largest = -INFINITY;
        for (uint32_t i = 0; i < body.list_count; i++) {
            total += body.list[i];
            largest = fmax(largest, body.list[i]);
        }
        Value result = value_number(r,
                                    strcmp(name, "max") == 0   ? largest
                                    : strcmp(name, "sum") == 0 ? total
                                                               : total / body.list_count,
                                    span);
        result.unit = body.unit;
        return result;
    }
    if (!require_number(r, &body, arena_format(r->arena, "the argument of `%s`", name))) return value_error();
    double elements = 1;
    for (uint32_t i = body.rank; i-- > 0;) {
        elements *= index_info(r->store, body.axis[i])->extent;
        body.expr = sum_canonical(r, body.axis[i], body.expr, strcmp(name, "max") == 0);
    }
    body.rank = 0;
    if (strcmp(name, "mean") == 0) body.expr = expr_div(r->store, body.expr, expr_const(r->store, elements));
    body.span = span;
    expr_set_span(r->store, body.expr, span);
    return body;
}

static Value make_reduction(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    (void)count;
    return reduce(r, self->name, args[0], span);
}

static Value make_extremum(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    if (count == 2) return combine(r, (ExprKind)self->detail, args[0], args[1], span);
    if (self->detail == EXPR_MAX) return reduce(r, "max", args[0], span);
    report(r, DIAG_E0212, span, "a minimum over an array");
    diag_help(r->diags, "write `-max(-x)`");
    return value_error();
}

// where(condition, a, b), elementwise; single numbers fit any shape.
static Value make_where(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    (void)self;
    (void)count;
    // combine() aligns shapes and units of the branches; their product is only a carrier of the common shape.
    if (!require_number(r, &args[0], "the condition")) return value_error();
    Value zero = value_number(r, 0, span), shape = combine(r, EXPR_ADD, args[1], args[2], span);
    if (shape.kind == VALUE_ERROR) return shape;
    Value carrier = args[0].rank ? args[0] : shape;
    Value parts[3];
    for (int i = 0; i < 3; i++) {
        parts[i] = args[i];
        if (carrier.rank && parts[i].rank) { // rename the axes to the carrier's
            Value neutral = combine(r, EXPR_MUL, carrier, zero, span);
            neutral.any_unit = true;
            neutral.rank = carrier.rank;
            memcpy(neutral.axis, carrier.axis, sizeof carrier.axis);
            parts[i] = combine(r, EXPR_ADD, neutral, parts[i], span);
            if (parts[i].kind == VALUE_ERROR) return value_error();
        }
    }
    Value result = carrier;
    result.expr = expr_select(r->store, parts[0].expr, parts[1].expr, parts[2].expr);
    result.unit = shape.unit;
    result.any_unit = args[1].any_unit && args[2].any_unit;
    result.span = span;
    expr_set_span(r->store, result.expr, span);
    return result;
}

// clamp(x, low, high): the derivative is one at both ends, zero outside.
static Value make_clamp(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    Value below = combine(r, EXPR_LESS, args[0], args[1], span), above = combine(r, EXPR_LESS, args[2], args[0], span);
    if (below.kind == VALUE_ERROR || above.kind == VALUE_ERROR) return value_error();
    Value upper[3] = {above, args[2], args[0]};
    Value inner = make_where(r, self, upper, count, span);
    Value lower[3] = {below, args[1], inner};
    return inner.kind == VALUE_ERROR ? inner : make_where(r, self, lower, count, span);
}

static Value make_filter(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    (void)count;
    bool arrives = self->detail == EXPR_DELAY && r->synapse && !r->build;
    if (arrives && args[1].kind == VALUE_LIST) args[1] = list_to_array(r, args[1]);
    if (!require_number(r, &args[0], arena_format(r->arena, "the signal of `%s`", self->name)) ||
        !require_number(r, &args[1], "the time constant") ||
        !is_time(r, &args[1], arena_format(r->arena, "the time of `%s`", self->name)))
        return value_error();
    double tau;
    if (value_const(r, &args[1], &tau) && tau < 0) {
        report(r, DIAG_E0216, value_place(&args[1]), "the time of `%s` is negative", self->name);
        diag_expected(r->diags, "a time from 0 on");
        return value_error();
    }
    if (arrives) return synapse_delay(r, &args[0], &args[1], span);
    Value result = args[0];
    if (explicit_operator(r, (ExprKind)self->detail, &args[0], &args[1], span, &result)) return result;
    result.expr = expr_make2(r->store, (ExprKind)self->detail, args[0].expr, args[1].expr);
    result.any_unit = false;
    result.span = span;
    expr_set_span(r->store, result.expr, span);
    return result;
}

// How an error returns from a delay, by the name of a function: ahead, linear or constant.
static bool delay_credit(Resolver *r, const Value *word, Expr *credit) {
    static const char *const names[] = {NULL, "ahead", "linear", "constant"};
    const char *name = word->kind != VALUE_FUNCTION ? "" : word->builtin ? word->builtin->name : word->function->name;
    for (int i = 1; i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            *credit = expr_const(r->store, i);
            return true;
        }
    report(r, DIAG_E0202, word->span, "this does not say how an error returns from a delay");
    diag_expected(r->diags,
                  "`ahead` (looked ahead by the delay), `linear` (late, as it comes) or `constant` (not at all)");
    return false;
}

static Value make_delay(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    Value result = make_filter(r, self, args, count, span);
    Expr credit;
    if (count < 3 || result.kind == VALUE_ERROR) return result;
    if (!delay_credit(r, &args[2], &credit)) return value_error();
    if (expr_node(r->store, result.expr).kind != EXPR_DELAY) return result; // of what equations move: no error comes
    result.expr = expr_make(r->store, EXPR_DELAY, (Expr[]){args[0].expr, args[1].expr, credit}, 3);
    expr_set_span(r->store, result.expr, span);
    return result;
}

static Value make_unary_operator(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    (void)count;
    if (!require_number(r, &args[0], arena_format(r->arena, "the argument of `%s`", self->name))) return value_error();
    Value result = args[0];
    if (explicit_operator(r, (ExprKind)self->detail, &args[0], NULL, span, &result)) return result;
    result.expr = expr_make1(r->store, (ExprKind)self->detail, args[0].expr);
    if (self->detail == EXPR_RATE) result.unit = unit_multiply(result.unit, unit_power(r->model->time_unit, -1));
    result.span = span;
    return result;
}

static Value make_grad(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    (void)self;
    (void)count;
    if (!require_number(r, &args[0], "what is differentiated") || !require_number(r, &args[1], "the variable"))
        return value_error();
    ExprKind kind = expr_node(r->store, args[1].expr).kind;
    if (args[0].rank || args[1].rank || (kind != EXPR_ACCESS && kind != EXPR_AHEAD && kind != EXPR_LOWPASS)) {
        report(r, DIAG_E0212, span, "`grad` of this");
        diag_expected(r->diags, "a single number differentiated by a state, input, parameter or lookahead");
        return value_error();
    }
    Value result = value_expr(expr_partial(r->store, args[0].expr, args[1].expr),
                              unit_multiply(args[0].unit, unit_power(args[1].unit, -1)), span);
    return result;
}

static Value make_outer(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    (void)self;
    (void)count;
    for (int i = 0; i < 2; i++) {
        if (!require_number(r, &args[i], "an argument of `outer`")) return value_error();
        if (args[i].rank == 1) continue;
        report(r, DIAG_E0205, args[i].span, "`outer` of %s", value_describe(r, &args[i]));
        diag_expected(r->diags, "two vectors");
        return value_error();
    }
    Value result =
        value_expr(expr_mul(r->store, args[0].expr, args[1].expr), unit_multiply(args[0].unit, args[1].unit), span);
    result.rank = 2;
    result.axis[0] = args[0].axis[0];
    result.axis[1] = args[1].axis[0];
    return result;
}

static Value make_transpose(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    (void)self;
    (void)count;
    if (!require_number(r, &args[0], "the argument of `transpose`")) return value_error();
    if (args[0].rank != 2) {
        report(r, DIAG_E0205, span, "`transpose` of %s", value_describe(r, &args[0]));
        diag_expected(r->diags, "a matrix");
        return value_error();
    }
    Index first = args[0].axis[0];
    args[0].axis[0] = args[0].axis[1];
    args[0].axis[1] = first;
    args[0].span = span;
    return args[0];
}

static Value make_size(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    (void)self;
    (void)count;
    const Value *v = &args[0];
    if (v->kind == VALUE_LIST) return value_number(r, v->list_count, span);
    if (v->kind == VALUE_OBJECT && !v->array_base && v->object == OBJECT_POPULATION)
        return value_number(r, r->model->populations.items[v->number].size, span);
    if (v->kind == VALUE_NUMBER && v->rank) {
        double elements = 1;
        for (uint32_t i = 0; i < v->rank; i++) elements *= index_info(r->store, v->axis[i])->extent;
        return value_number(r, elements, span);
    }
    report(r, DIAG_E0202, v->span, "`size` of %s", value_describe(r, v));
    diag_expected(r->diags, "a population, an input or an array");
    return value_error();
}

static bool constants(Resolver *r, Value *args, uint32_t count, const char *name, double *numbers) {
    for (uint32_t i = 0; i < count; i++) {
        if (value_const(r, &args[i], &numbers[i])) continue;
        if (args[i].kind == VALUE_ERROR) return false;
        report(r, DIAG_E0208, args[i].span, "an argument of `%s` must be a constant number, but this is %s", name,
               value_describe(r, &args[i]));
        diag_expected(r->diags,
                      "a number known before the run: literals, network parameters, `let` constants, arithmetic");
        return false;
    }
    return true;
}

static bool whole_count(Resolver *r, const Value *value, double number, uint32_t *count) {
    if (number == floor(number) && number >= 0 && number <= 1e8) {
        *count = (uint32_t)number;
        return true;
    }
    char text[32];
    report(r, DIAG_E0209, value->span, "a list of %s elements", number_format(text, number));
    diag_expected(r->diags, "a whole number from 0 to 100000000");
    return false;
}

// fill(value, n): a number, or a whole list, n times over.
static Value make_fill(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    double value, times;
    uint32_t n;
    bool many = args[0].kind == VALUE_LIST;
    if ((!many && !constants(r, args, 1, self->name, &value)) ||
        !constants(r, args + 1, count - 1, self->name, &times) || !whole_count(r, &args[1], times, &n) ||
        !whole_count(r, &args[1], times * (many ? args[0].list_count : 1), &n))
        return value_error();
    double *list = arena_new_array(r->arena, double, n ? n : 1);
    for (uint32_t i = 0; i < n; i++) list[i] = many ? args[0].list[i % args[0].list_count] : value;
    return (Value){.kind = VALUE_LIST,
                   .list = list,
                   .list_count = n,
                   .unit = args[0].unit,
                   .any_unit = args[0].any_unit,
                   .span = span};
}

static Value make_linspace(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    double numbers[3];
    uint32_t n;
    if (!constants(r, args, count, self->name, numbers) || !whole_count(r, &args[2], numbers[2], &n))
        return value_error();
    if (!same_unit(r, &args[0], &args[1], span, "a range between")) return value_error();
    double *list = arena_new_array(r->arena, double, n ? n : 1);
    for (uint32_t i = 0; i < n; i++) // the last element is the end point itself
        list[i] = i + 1 == n && n > 1 ? numbers[1] : numbers[0] + (numbers[1] - numbers[0]) * i / (n > 1 ? n - 1 : 1);
    return (Value){.kind = VALUE_LIST,
                   .list = list,
                   .list_count = n,
                   .unit = args[0].any_unit ? args[1].unit : args[0].unit,
                   .span = span};
}

static Value make_draw(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    double numbers[2];
    if (!constants(r, args, count, self->name, numbers)) return value_error();
    if (!same_unit(r, &args[0], &args[1], span, "a draw between")) return value_error();
    if (self->detail == INITIAL_NORMAL ? numbers[1] < 0 : numbers[1] < numbers[0]) {
        report(r, DIAG_E0216, span,
               self->detail == INITIAL_NORMAL ? "a negative standard deviation" : "an empty range");
        diag_expected(r->diags,
                      self->detail == INITIAL_NORMAL ? "a standard deviation from 0 on" : "the lower end first");
        return value_error();
    }
    const double most = 9007199254740992.0; // 2^53: beyond, whole numbers are left out
    if (self->detail == INITIAL_UNIFORM_INT && (fabs(numbers[0]) > most || fabs(numbers[1]) > most)) {
        report(r, DIAG_E0216, span, "whole numbers that are too large");
        diag_expected(r->diags, "numbers from -2^53 to 2^53");
        return value_error();
    }
    Initial initial = {.kind = (InitialKind)self->detail, .a = numbers[0], .b = numbers[1], .scale = 1, .span = span};
    return (Value){.kind = VALUE_INITIAL,
                   .initial = initial,
                   .unit = args[0].any_unit ? args[1].unit : args[0].unit,
                   .any_unit = args[0].any_unit && args[1].any_unit,
                   .span = span};
}

static Value make_load(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    (void)self;
    (void)count;
    if (args[0].kind != VALUE_TEXT) {
        report(r, DIAG_E0202, args[0].span, "`load` of %s", value_describe(r, &args[0]));
        diag_expected(r->diags, "the name of a file in quotation marks");
        return value_error();
    }
    Initial initial = {.kind = INITIAL_FILE, .path = args[0].text, .scale = 1, .span = span};
    return (Value){.kind = VALUE_INITIAL, .initial = initial, .any_unit = true, .span = span};
}

static Value make_later(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    (void)args;
    (void)count;
    report(r, DIAG_E0212, span, self->detail ? "`%s` outside of a score" : "`%s` in an expression", self->name);
    diag_expected(r->diags, "%s",
                  self->detail ? "an expression with a derivative: `argmax` has none"
                               : "a model without it: this version doesn't compile it");
    return value_error();
}

static Value make_variance(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    (void)args;
    (void)count;
    report(r, DIAG_E0212, span, "`%s` outside of a score", self->name);
    diag_help(r->diags, "write `mean((x - mean(x))^2)`");
    return value_error();
}

static const Builtin builtins[] = {
    {"exp", 1, 1, make_function, FUNCTION_EXP},
    {"expm1", 1, 1, make_function, FUNCTION_EXPM1},
    {"log", 1, 1, make_function, FUNCTION_LOG},
    {"log1p", 1, 1, make_function, FUNCTION_LOG1P},
    {"tanh", 1, 1, make_function, FUNCTION_TANH},
    {"sin", 1, 1, make_function, FUNCTION_SIN},
    {"cos", 1, 1, make_function, FUNCTION_COS},
    {"logistic", 1, 1, make_function, FUNCTION_LOGISTIC},
    {"log1pexp", 1, 1, make_function, FUNCTION_LOG1PEXP},
    {"sqrt", 1, 1, make_function, FUNCTION_SQRT},
    {"abs", 1, 1, make_function, FUNCTION_ABS},
    {"sign", 1, 1, make_function, FUNCTION_SIGN},
    {"floor", 1, 1, make_rounded, 0},
    {"round", 1, 1, make_rounded, 1},
    {"sum", 1, 1, make_reduction, 0},
    {"mean", 1, 1, make_reduction, 0},
    {"max", 1, 2, make_extremum, EXPR_MAX},
    {"min", 1, 2, make_extremum, EXPR_MIN},
    {"where", 3, 3, make_where, 0},
    {"clamp", 3, 3, make_clamp, 0},
    {"outer", 2, 2, make_outer, 0},
    {"transpose", 1, 1, make_transpose, 0},
    {"size", 1, 1, make_size, 0},
    {"fill", 2, 2, make_fill, 0},
    {"linspace", 3, 3, make_linspace, 0},
    {"uniform", 2, 2, make_draw, INITIAL_UNIFORM},
    {"normal", 2, 2, make_draw, INITIAL_NORMAL},
    {"uniform_int", 2, 2, make_draw, INITIAL_UNIFORM_INT},
    {"load", 1, 1, make_load, 0},
    {"ahead", 2, 2, make_filter, EXPR_AHEAD},
    {"lowpass", 2, 2, make_filter, EXPR_LOWPASS},
    {"delay", 2, 3, make_delay, EXPR_DELAY},
    {"constant", 1, 1, make_unary_operator, EXPR_STOP},
    {"previous", 1, 1, make_unary_operator, EXPR_PREVIOUS},
    {"d", 1, 1, make_unary_operator, EXPR_RATE},
    {"grad", 2, 2, make_grad, 0},
    {"noise", 1, 1, make_noise, 0},
    {"argmax", 1, 1, make_later, 1},
    {"variance", 1, 1, make_variance, 0},
};

const Builtin *builtin_find(Atom name) {
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++)
        if (strcmp(builtins[i].name, name) == 0) return &builtins[i];
    return NULL;
}

const char *const *builtin_names(void) {
    static const char *const names[] = {
        "exp",      "expm1",    "log",    "log1p",       "tanh",  "sin",       "cos",      "logistic",
        "log1pexp", "sqrt",     "abs",    "sign",        "floor", "round",     "sum",      "mean",
        "max",      "min",      "where",  "clamp",       "outer", "transpose", "size",     "fill",
        "linspace", "uniform",  "normal", "uniform_int", "load",  "ahead",     "lowpass",  "delay",
        "constant", "previous", "d",      "grad",        "noise", "argmax",    "variance", NULL};
    return names;
}
