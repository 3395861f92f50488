// `learn … by …`: which parameters follow their gradient, and how; optimisers become assignments per parameter.
#include "network.h"
#include <math.h>
#include <string.h>

// The state behind a message that was made for those who read it.
static Symbol symbol_as_written(const Resolver *r, Symbol symbol) {
    for (uint32_t i = 0; i < r->model->populations.count; i++)
        for (uint32_t k = 0; k < r->model->populations.items[i].outputs.count; k++) {
            const Output *output = &r->model->populations.items[i].outputs.items[k];
            if (output->symbol == symbol && output->of_state) return output->of_state;
        }
    return symbol;
}

// Whether a `plasticity` of its synapse changes a weight.
static bool is_plastic(const Model *m, Symbol symbol) {
    for (uint32_t c = 0; c < m->connections.count; c++)
        for (uint32_t w = 0; w < m->connections.items[c].plastic.count; w++)
            if (m->connections.items[c].plastic.items[w] == symbol) return true;
    return false;
}

static bool is_fixed(const Model *m, Symbol symbol) {
    for (uint32_t c = 0; c < m->connections.count; c++)
        for (uint32_t k = 0; k < m->connections.items[c].parameters.count; k++)
            if (m->connections.items[c].parameters.items[k] == symbol) return true;
    return false;
}

static void add_target(Resolver *r, LearnRule *rule, Symbol symbol, Span span) {
    Model *m = r->model;
    if (is_plastic(m, symbol)) {
        report(r, DIAG_E0203, span, "`%s` has a plasticity of its own", symbol_info(r->store, symbol)->name);
        diag_help(r->diags, "leave it out here, or leave out the `plasticity` of its synapse");
        return;
    }
    const SymbolInfo *info = symbol_info(r->store, symbol_as_written(r, symbol));
    if (info->role != ROLE_WEIGHT && info->role != ROLE_PARAMETER) {
        report(r, DIAG_E0202, span, "`%s` can't be learned", info->name);
        diag_expected(r->diags, "a weight of a connection or a parameter of a population");
        return;
    }
    if (is_fixed(m, symbol)) {
        report(r, DIAG_E0202, span, "`%s` is a `param` of its synapse, which stays as it is", info->name);
        diag_expected(r->diags, "a weight of a connection or a parameter of a population");
        return;
    }
    for (uint32_t i = 0; i <= m->learn.count; i++) {
        const LearnRule *other = i < m->learn.count ? &m->learn.items[i] : rule;
        for (uint32_t k = 0; k < other->targets.count; k++) {
            if (other->targets.items[k] != symbol) continue;
            report(r, DIAG_E0203, span, "`%s` is learned twice", info->name);
            if (other->span.source) diag_note(r->diags, other->span, "the first rule for it is here");
            return;
        }
    }
    vec_push(&rule->targets, symbol);
}

// w.W of an array of connections stands for all of them.
static void add_array_targets(Resolver *r, LearnRule *rule, const Value *object, Atom member, Span span) {
    uint32_t count = object->object == OBJECT_POPULATION ? r->model->populations.count : r->model->connections.count;
    size_t base = strlen(object->array_base);
    for (uint32_t i = 0; i < count; i++) {
        Atom name = object->object == OBJECT_POPULATION ? r->model->populations.items[i].name
                                                        : r->model->connections.items[i].name;
        if (strncmp(name, object->array_base, base) != 0 || name[base] != '[') continue;
        Symbol symbol = symbol_find(r->store, arena_format(r->arena, "%s.%s", name, member));
        if (symbol) add_target(r, rule, symbol, span);
    }
}

static void named_target(Resolver *r, const Scope *scope, LearnRule *rule, const Ast *target) {
    if (target->kind != AST_MEMBER) {
        report(r, DIAG_E0202, target->span, "this names no parameter");
        diag_expected(r->diags, "a parameter with its owner, as in `w0.W` or `h.tau_m`");
        return;
    }
    Value object = elaborate(r, scope, target->child[0]);
    if (object.kind == VALUE_ERROR) return;
    if (object.kind == VALUE_OBJECT && object.array_base) {
        uint32_t before = rule->targets.count, errors = diag_error_count(r->diags);
        add_array_targets(r, rule, &object, target->name, target->span);
        if (rule->targets.count == before && errors == diag_error_count(r->diags)) {
            report(r, DIAG_E0201, target->span, "nothing in `%s` is called `%s`", object.array_base, target->name);
        }
        return;
    }
    Value value = elaborate_member(r, &object, target->name, target->span);
    if (value.kind != VALUE_NUMBER) return;
    add_target(r, rule, expr_node(r->store, value.expr).symbol, target->span);
}

static void learn_options(Resolver *r, const Scope *scope, LearnRule *rule, const Ast *item) {
    for (uint32_t i = 2; i < item->count; i++) {
        const Ast *option = item->child[i];
        bool in_steps = option->flags & AST_STEP;
        if (option->kind == AST_FROM)
            constant_steps(r, scope, option->child[0], in_steps, "the start of learning", &rule->from);
        if (option->kind == AST_UNTIL)
            constant_steps(r, scope, option->child[0], in_steps, "the end of learning", &rule->until);
        if (option->kind != AST_CLAMP) continue;
        double low, high;
        Unit unit_low, unit_high;
        if (!constant_number(r, scope, option->child[0], "the lower bound", &low, &unit_low) ||
            !constant_number(r, scope, option->child[1], "the upper bound", &high, &unit_high))
            continue;
        if (!(low <= high)) {
            report(r, DIAG_E0216, option->span, "an empty range");
            diag_expected(r->diags, "the lower bound first");
        }
        for (uint32_t k = 0; k < rule->targets.count; k++)
            for (uint32_t a = 0; a < r->model->arrays.count; a++) {
                Array *array = &r->model->arrays.items[a];
                if (array->symbol != rule->targets.items[k]) continue;
                Value bound = value_expr(0, unit_low, option->child[0]->span),
                      end = value_expr(0, unit_high, option->child[1]->span);
                Value own = value_expr(0, symbol_info(r->store, array->symbol)->unit, rule->span);
                bound.any_unit = low == 0;
                end.any_unit = high == 0;
                if (!same_unit(r, &own, &bound, option->span, "a parameter and its bound in") ||
                    !same_unit(r, &own, &end, option->span, "a parameter and its bound in"))
                    break;
                array->clamped = true;
                array->low = low;
                array->high = high;
            }
    }
    if (rule->until < rule->from) {
        report(r, DIAG_E0216, item->span, "learning ends before it begins");
        diag_expected(r->diags, "`from` a step or time before that of `until`");
    }
}

// An access of an optimiser's array at the parameter's own axes. Optimisers compute with plain numbers.
static Value plain_element(Resolver *r, Symbol symbol, ExprVersion version, Span span) {
    return value_expr(model_element(r->store, symbol, version), UNIT_NONE, span);
}

static void optimiser_statement(Resolver *r, Scope *scope, LearnRule *rule, const Ast *item, Symbol parameter,
                                Atom prefix) {
    const Ast *left = item->child[0];
    Value value = elaborate(r, scope, item->child[1]);
    if (!require_number(r, &value, "what is assigned")) return;
    Symbol symbol = 0;
    if (left->kind == AST_NAME && strcmp(left->name, "parameter") == 0)
        symbol = parameter;
    else if (left->kind == AST_NAME)
        symbol = symbol_find(r->store, arena_format(r->arena, "%s.%s", prefix, left->name));
    if (!symbol) {
        report(r, DIAG_E0202, left->span, "this can't be assigned in an optimiser");
        diag_expected(r->diags, "`parameter` or a state of the optimiser");
        return;
    }
    for (uint32_t i = 0; i < rule->assignments.count; i++) {
        if (rule->assignments.items[i].symbol != symbol) continue;
        report(r, DIAG_E0203, left->span, "`%s` is assigned twice in one step", left->name);
        diag_note(r->diags, rule->assignments.items[i].span, "the first assignment is here");
        diag_help(r->diags, "give the intermediate value a name with `let`");
        return;
    }
    vec_push(&rule->assignments, (Assignment){symbol, value.expr, item->span});
    scope_bind(scope, left->name, plain_element(r, symbol, VERSION_NEW, left->span));
}

static void optimise_target(Resolver *r, Scope *call_scope, LearnRule *rule, const Ast *optimiser, Symbol parameter) {
    SymbolInfo info = *symbol_info(r->store, parameter);
    const char *dot = strrchr(info.name, '.');
    Atom owner = arena_atom(r->arena, info.name, (size_t)(dot - info.name));
    Atom prefix = arena_format(r->arena, "%s.%s", info.name, optimiser->name);
    SymbolInfo gradient = info;
    gradient.name = arena_format(r->arena, "%s.grad_%s", owner, dot + 1);
    gradient.role = ROLE_SIGNAL;
    Symbol gradient_symbol = symbol_new(r->store, gradient);
    vec_push(&rule->gradients, gradient_symbol);
    Scope scope = {.parent = call_scope, .description = call_scope->description};
    scope_bind(&scope, arena_atom_z(r->arena, "parameter"), plain_element(r, parameter, VERSION_OLD, optimiser->span));
    scope_bind(&scope, arena_atom_z(r->arena, "gradient"),
               plain_element(r, gradient_symbol, VERSION_NEW, optimiser->span));
    for (uint32_t i = 1; i < optimiser->count; i++) {
        const Ast *item = optimiser->child[i];
        if (item->kind == AST_STATE) {
            SymbolInfo state = info;
            state.name = arena_format(r->arena, "%s.%s", prefix, item->name);
            state.role = ROLE_OPTIMISER;
            state.unit = UNIT_NONE;
            state.span = item->name_span;
            Value start = elaborate(r, &scope, item->child[0]);
            Symbol symbol = declare_array(r, state, initial_from(r, &start, 1, "the start of an optimiser's state"));
            scope_bind(&scope, item->name, plain_element(r, symbol, VERSION_OLD, item->name_span));
        } else if (item->kind == AST_ASSIGN) {
            optimiser_statement(r, &scope, rule, item, parameter, prefix);
        } else if (item->kind == AST_LET) {
            scope_bind(&scope, item->name, elaborate(r, &scope, item->child[0]));
        } else if (item->kind != AST_COUNT) {
            report(r, DIAG_E0212, item->span, "`%s` in an optimiser", ast_kind_name(item->kind));
            diag_expected(r->diags, "`state`, `count`, `let` or an assignment with `<-`");
        }
    }
    scope_free(&scope);
}

static void optimise(Resolver *r, Scope *scope, LearnRule *rule, const Ast *call) {
    const Ast *named = call->kind == AST_CALL ? call->child[0] : call;
    const Ast *optimiser = network_declaration(r, AST_OPTIMISER, named, "optimiser");
    if (!optimiser) return;
    rule->optimiser = optimiser->name;
    Scope inner = {.parent = &r->global, .description = arena_format(r->arena, "optimiser `%s`", optimiser->name)};
    Span before = enter_use(r, call->span);
    bool good = bind_arguments(r, &inner, scope, optimiser, call->kind == AST_CALL ? call : NULL, 1);
    for (uint32_t i = 1; i < optimiser->count; i++) { // one counter for all parameters of the rule
        const Ast *item = optimiser->child[i];
        if (item->kind != AST_COUNT) continue;
        Atom name = r->model->learn.count
                        ? arena_format(r->arena, "%s%u.%s", optimiser->name, r->model->learn.count + 1, item->name)
                        : arena_format(r->arena, "%s.%s", optimiser->name, item->name);
        rule->count = symbol_new(r->store, (SymbolInfo){.name = name, .role = ROLE_SCALAR, .span = item->name_span});
        vec_push(&r->model->scalars, (Scalar){rule->count, 0});
        scope_bind(&inner, item->name, plain_element(r, rule->count, VERSION_NEW, item->name_span));
        Expr next = expr_add(r->store, model_element(r->store, rule->count, VERSION_OLD), expr_const(r->store, 1));
        vec_push(&rule->assignments, (Assignment){rule->count, next, item->span});
    }
    for (uint32_t i = 0; good && i < rule->targets.count; i++)
        optimise_target(r, &inner, rule, optimiser, rule->targets.items[i]);
    leave_use(r, before);
    scope_free(&inner);
}

// Targets that learn in the same stages of the experiment are one rule, with an optimiser and a counter of its own.
static void push_rules(Resolver *r, Scope *scope, LearnRule *rule, const Ast *call) {
    uint64_t *stages = arena_new_array(r->arena, uint64_t, rule->targets.count + 1);
    bool *done = arena_new_array(r->arena, bool, rule->targets.count + 1);
    for (uint32_t i = 0; i < rule->targets.count; i++)
        stages[i] = stages_that_learn(r, symbol_info(r->store, rule->targets.items[i])->name);
    uint32_t i = 0;
    do {
        LearnRule part = *rule;
        part.targets.items = NULL;
        part.targets.count = part.targets.capacity = 0;
        part.stages = rule->targets.count ? stages[i] : UINT64_MAX;
        for (uint32_t k = i; k < rule->targets.count; k++)
            if (!done[k] && stages[k] == part.stages) {
                done[k] = true;
                vec_push(&part.targets, rule->targets.items[k]);
            }
        optimise(r, scope, &part, call);
        vec_push(&r->model->learn, part);
        while (i < rule->targets.count && done[i]) i++;
    } while (i < rule->targets.count);
    vec_free(&rule->targets);
}

void resolve_learn(Resolver *r, Scope *scope, const Ast *item) {
    enum { MOST_RULES = 64 }; // one bit each in what a step is told
    LearnRule rule = {.from = 0, .until = INT64_MAX, .end = -1, .span = item->span};
    if (r->model->learn.count == MOST_RULES) {
        report(r, DIAG_E0212, item->span, "more than %d `learn` statements", MOST_RULES);
        diag_help(r->diags, "name several parameters in one statement, as in `learn w0.W, w1.W by …`");
        return;
    }
    if (item->flags & AST_ALL) {
        for (uint32_t c = 0; c < r->model->connections.count; c++)
            for (uint32_t w = 0; w < r->model->connections.items[c].weights.count; w++)
                if (!is_plastic(r->model, r->model->connections.items[c].weights.items[w]))
                    add_target(r, &rule, r->model->connections.items[c].weights.items[w], item->span);
    } else {
        for (uint32_t i = 0; i < item->child[0]->count; i++) named_target(r, scope, &rule, item->child[0]->child[i]);
    }
    if (!rule.targets.count && !diag_error_count(r->diags)) {
        report(r, DIAG_E0211, item->span, "nothing to learn");
        diag_expected(r->diags, "connections with weights, declared before `learn`");
    }
    learn_options(r, scope, &rule, item);
    push_rules(r, scope, &rule, item->child[1]);
}
