// Parameters and arguments of neurons, synapses, networks and optimisers; initial values of arrays.
#include "resolve.h"
#include <math.h>
#include <string.h>

Initial initial_constant(Resolver *r, double value) {
    double *values = arena_new_array(r->arena, double, 1);
    values[0] = value;
    return (Initial){.kind = INITIAL_CONSTANT, .values = values, .count = 1, .scale = 1};
}

// A value as the initial value of an array of `elements` elements.
Initial initial_from(Resolver *r, const Value *value, uint64_t elements, const char *what) {
    double number;
    if (value->kind == VALUE_INITIAL) return value->initial;
    if (value_const(r, value, &number) && !isfinite(number)) {
        report(r, DIAG_E0216, value->span, "%s is not a finite number", what);
        return initial_constant(r, 0);
    }
    if (value_const(r, value, &number)) {
        Initial initial = initial_constant(r, number);
        initial.span = value->span;
        return initial;
    }
    if (value->kind == VALUE_LIST) {
        if (value->list_count == elements || value->list_count == 1)
            return (Initial){.kind = INITIAL_CONSTANT,
                             .values = value->list,
                             .count = value->list_count,
                             .scale = 1,
                             .span = value->span};
        report(r, DIAG_E0205, value->span, "%s has %llu elements, but the list has %u", what,
               (unsigned long long)elements, value->list_count);
        diag_expected(r->diags, "a list of shape [%llu], or one number for all", (unsigned long long)elements);
    } else if (value->kind != VALUE_ERROR) {
        report(r, DIAG_E0208, value->span, "%s is %s", what, value_describe(r, value));
        diag_expected(r->diags, "a number, a list, a random draw (`~ uniform(a, b)`) or `load(\"file.npy\")`");
    }
    return initial_constant(r, 0);
}

Symbol declare_array(Resolver *r, SymbolInfo info, Initial initial) {
    Symbol symbol = symbol_new(r->store, info);
    vec_push(&r->model->arrays, (Array){.symbol = symbol, .initial = initial});
    return symbol;
}

static const Ast *parameter_of(const Ast *declaration, Atom name) {
    const Ast *parameters = declaration->child[0];
    for (uint32_t i = 0; i < parameters->count; i++)
        if (parameters->child[i]->name == name) return parameters->child[i];
    return NULL;
}

static Value argument_value(Resolver *r, const Scope *scope, const Ast *expr, bool draw) {
    Value value = elaborate(r, scope, expr);
    if (draw && value.kind != VALUE_INITIAL && value.kind != VALUE_ERROR) {
        report(r, DIAG_E0202, expr->span, "`~` is followed by %s", value_describe(r, &value));
        diag_expected(r->diags, "a random draw, as in `~ uniform(0, 1)` or `~ normal(0, 1)`");
        diag_help(r->diags, "write `=` for a fixed value");
        return value_error();
    }
    if (!draw && value.kind == VALUE_INITIAL && value.initial.kind != INITIAL_FILE) {
        report(r, DIAG_E0202, expr->span, "a random draw after `=`");
        diag_help(r->diags, "write `~` for a draw");
        return value_error();
    }
    return value;
}

static void report_unknown_argument(Resolver *r, const Ast *declaration, const Ast *arg) {
    const Ast *parameters = declaration->child[0];
    report(r, DIAG_E0204, arg->name_span, "`%s` has no parameter `%s`", declaration->name, arg->name);
    Vec(Atom) names = {0};
    Text list = {0};
    for (uint32_t i = 0; i < parameters->count; i++) {
        vec_push(&names, parameters->child[i]->name);
        text_addf(&list, "%s`%s`", i ? ", " : "", parameters->child[i]->name);
    }
    diag_expected(r->diags, "%s", parameters->count ? text_z(&list) : "no argument");
    suggest(r, arg->name, names.items, names.count);
    diag_note(r->diags, declaration->name_span, "`%s` is declared here", declaration->name);
    vec_free(&names);
    text_free(&list);
}

static void report_missing(Resolver *r, const Ast *declaration, const Ast *call, const Ast *parameter) {
    if (declaration->kind == AST_NETWORK) {
        report(r, DIAG_E0204, parameter->span, "the parameter `%s` of network `%s` has no value", parameter->name,
               declaration->name);
        diag_help(r->diags, "give it a default, as in `%s = 1`; `-D %s=2` replaces it", parameter->name,
                  parameter->name);
        return;
    }
    Span place = call ? call->span : r->use.source ? r->use : declaration->name_span;
    report(r, DIAG_E0204, place, "`%s` needs a value for `%s`", declaration->name, parameter->name);
    diag_help(r->diags, "add `%s = …` to the arguments", parameter->name);
    diag_note(r->diags, parameter->span, "the parameter is declared here, without a default");
}

static bool is_bound(const Scope *scope, Atom name) {
    for (uint32_t i = 0; i < scope->bindings.count; i++)
        if (scope->bindings.items[i].name == name) return true;
    return false;
}

// Parameters without an argument get their default; what is missing is not reported when a misspelt one was given.
static bool bind_defaults(Resolver *r, Scope *inner, const Ast *declaration, const Ast *call, bool misspelt) {
    const Ast *parameters = declaration->child[0];
    bool good = true;
    for (uint32_t i = 0; i < parameters->count; i++) {
        const Ast *parameter = parameters->child[i];
        if (is_bound(inner, parameter->name)) continue;
        Value value = value_error();
        if (parameter->count && parameter->child[0])
            value = argument_value(r, inner, parameter->child[0], parameter->flags & AST_DRAW);
        else if (!misspelt)
            report_missing(r, declaration, call, parameter);
        good &= value.kind != VALUE_ERROR;
        scope_bind(inner, parameter->name, value);
    }
    return good;
}

// Leaky(tau_m = 5, phi): the second value would be tau_m again. Returns true.
static bool report_out_of_place(Resolver *r, const Scope *inner, const Ast *declaration, const Ast *parameter,
                                const Ast *arg) {
    const Ast *parameters = declaration->child[0], *open = parameter;
    for (uint32_t i = parameters->count; i-- > 0;)
        if (!is_bound(inner, parameters->child[i]->name)) open = parameters->child[i];
    report(r, DIAG_E0203, arg->span, "this value is in the place of `%s`, which is given by name", parameter->name);
    if (arg->kind == AST_NAME && parameter_of(declaration, arg->name))
        diag_help(r->diags, "write `%s = %s`: behind values with names all others need theirs", arg->name, arg->name);
    else
        diag_help(r->diags, "name it as well, as in `%s = …`: behind values with names all others need theirs",
                  open->name);
    diag_note(r->diags, declaration->name_span, "`%s` is declared here", declaration->name);
    return true;
}

// Binds every parameter of `declaration` in `inner`, from the call's arguments (evaluated in `outer`; children before
// `skip` are the callee) or from defaults (evaluated in `inner`, so that one may speak of an earlier one).
bool bind_arguments(Resolver *r, Scope *inner, const Scope *outer, const Ast *declaration, const Ast *call,
                    uint32_t skip) {
    const Ast *parameters = declaration->child[0];
    uint32_t position = 0;
    bool good = true, misspelt = false;
    for (uint32_t i = skip; call && i < call->count; i++) {
        const Ast *arg = call->child[i], *parameter;
        bool named = arg->kind == AST_ARGUMENT;
        if (named) {
            parameter = parameter_of(declaration, arg->name);
        } else {
            parameter = position < parameters->count ? parameters->child[position] : NULL;
            position++;
        }
        if (!parameter) {
            if (named) {
                report_unknown_argument(r, declaration, arg);
                misspelt = true;
            } else {
                report(r, DIAG_E0204, arg->span, "`%s` takes at most %u argument%s", declaration->name,
                       parameters->count, parameters->count == 1 ? "" : "s");
                diag_note(r->diags, declaration->name_span, "`%s` is declared here", declaration->name);
            }
            good = false;
            continue;
        }
        if (is_bound(inner, parameter->name)) {
            if (named)
                report(r, DIAG_E0203, arg->span, "`%s` is given twice", parameter->name);
            else
                misspelt = report_out_of_place(r, inner, declaration, parameter, arg);
            good = false;
            continue;
        }
        Value value = named ? argument_value(r, outer, arg->child[0], arg->flags & AST_DRAW)
                            : argument_value(r, outer, arg, false);
        good &= value.kind != VALUE_ERROR;
        scope_bind(inner, parameter->name, value);
    }
    return bind_defaults(r, inner, declaration, call, misspelt) && good;
}
