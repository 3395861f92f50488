// Scopes and elaborated values: small helpers of resolve.
#include "resolve.h"

void scope_bind(Scope *scope, Atom name, Value value) {
    for (uint32_t i = 0; i < scope->bindings.count; i++)
        if (scope->bindings.items[i].name == name) {
            scope->bindings.items[i].value = value;
            return;
        }
    vec_push(&scope->bindings, (Binding){name, value});
}

const Value *scope_find(const Scope *scope, Atom name) {
    for (; scope; scope = scope->parent)
        for (uint32_t i = 0; i < scope->bindings.count; i++)
            if (scope->bindings.items[i].name == name) return &scope->bindings.items[i].value;
    return NULL;
}

void scope_free(Scope *scope) { vec_free(&scope->bindings); }

Value value_error(void) { return (Value){.kind = VALUE_ERROR}; }

Value value_expr(Expr expr, Unit unit, Span span) {
    return (Value){.kind = VALUE_NUMBER, .expr = expr, .unit = unit, .span = span};
}

Value value_number(Resolver *r, double number, Span span) {
    Value value = value_expr(expr_const(r->store, number), UNIT_NONE, span);
    value.any_unit = number == 0;
    return value;
}

Value value_symbol(Resolver *r, Symbol symbol, Span span) {
    SymbolInfo info = *symbol_info(r->store, symbol);
    Value value = value_expr(0, info.unit, span);
    Expr at[EXPR_MAX_RANK];
    value.rank = info.rank;
    for (uint32_t i = 0; i < info.rank; i++) {
        value.axis[i] = index_new(r->store, arena_format(r->arena, "a%u", r->unique++), info.extent[i]);
        at[i] = expr_index(r->store, value.axis[i]);
    }
    value.expr = expr_access(r->store, symbol, VERSION_OLD, at, info.rank);
    return value;
}

Span value_place(const Value *value) { return value->origin.source ? value->origin : value->span; }

bool value_const(const Resolver *r, const Value *value, double *number) {
    return value->kind == VALUE_NUMBER && expr_get_const(r->store, value->expr, number);
}

Atom shape_text(const Resolver *r, const Value *value) {
    if (value->kind == VALUE_LIST) return arena_format(r->arena, "[%u]", value->list_count);
    if (value->kind != VALUE_NUMBER || value->rank == 0) return arena_atom_z(r->arena, "a single number");
    Text text = {0};
    for (uint32_t i = 0; i < value->rank; i++)
        text_addf(&text, "%s%u", i ? ", " : "[", index_info(r->store, value->axis[i])->extent);
    text_add(&text, "]");
    Atom atom = arena_atom_z(r->arena, text_z(&text));
    text_free(&text);
    return atom;
}

const char *value_describe(const Resolver *r, const Value *value) {
    double number;
    switch (value->kind) {
    case VALUE_ERROR: return "an expression with an error";
    case VALUE_NUMBER:
        if (value->rank) return arena_format(r->arena, "an array of shape %s", shape_text(r, value));
        return value_const(r, value, &number) ? "a number" : "an expression";
    case VALUE_LIST: return arena_format(r->arena, "a list of %u numbers", value->list_count);
    case VALUE_INITIAL: return value->initial.kind == INITIAL_FILE ? "the contents of a file" : "a random draw";
    case VALUE_FUNCTION: return "a function";
    case VALUE_TEXT: return "a text";
    case VALUE_OBJECT:
        return value->compartment                   ? "a compartment"
               : value->object == OBJECT_POPULATION ? "a population"
               : value->object == OBJECT_CONNECTION ? "a connection"
                                                    : "an external input";
    }
    return "";
}

Expr value_at_axes(Resolver *r, const Value *value, const Index *axes) {
    Expr expr = value->expr;
    for (uint32_t i = 0; i < value->rank; i++)
        expr =
            expr_substitute_index(r->store, expr, expr_index(r->store, value->axis[i]), expr_index(r->store, axes[i]));
    return expr;
}
