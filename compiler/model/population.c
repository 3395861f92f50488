// Populations: a neuron declaration with arguments becomes states, inputs, outputs and an energy per neuron.
#include "network.h"
#include "resolve.h"
#include <string.h>

static bool reads_array(const ExprStore *store, Expr expr, void *context) {
    ExprNode node = expr_node(store, expr);
    bool scalar = node.kind == EXPR_ACCESS && symbol_info(store, node.symbol)->role == ROLE_SCALAR;
    if (node.kind == EXPR_ACCESS) ((bool *)context)[scalar] = true;
    return true;
}

// A number made of network parameters that stay variable, and of nothing else that varies.
static bool changes_between_steps(const Resolver *r, const Value *value) {
    bool reads[2] = {0}; // arrays, single numbers
    if (value->kind != VALUE_NUMBER || value->rank) return false;
    expr_visit(r->store, value->expr, reads_array, reads);
    return reads[1] && !reads[0];
}

// A number, list or draw given to a neuron's parameter becomes an array with one element per neuron.
static void parameter_array(Resolver *r, Population *p, Scope *scope, Binding *binding, Span declared) {
    Value *value = &binding->value;
    if (value->kind != VALUE_NUMBER && value->kind != VALUE_LIST && value->kind != VALUE_INITIAL) return;
    if (changes_between_steps(r, value)) return; // one number for all, which the experiment sets
    Atom name = arena_format(r->arena, "%s.%s", p->name, binding->name);
    Initial initial = initial_from(r, value, p->size, arena_format(r->arena, "`%s`", name));
    SymbolInfo info = {
        .name = name, .role = ROLE_PARAMETER, .rank = 1, .extent = {p->size}, .unit = value->unit, .span = declared};
    Symbol symbol = declare_array(r, info, initial);
    vec_push(&p->parameters, symbol);
    Expr own = expr_index(r->store, p->own);
    Value element = value_expr(expr_access(r->store, symbol, VERSION_OLD, &own, 1), value->unit, value->span);
    element.any_unit = value->any_unit;
    element.origin = value->span;
    scope_bind(scope, binding->name, element);
}

// Where a name was introduced; that of a parameter of the neuron (NULL in a network) in its parentheses.
static Span introduced(const Ast *neuron, const Binding *binding) {
    for (uint32_t i = 0; neuron && i < neuron->child[0]->count; i++)
        if (neuron->child[0]->child[i]->name == binding->name) return neuron->child[0]->child[i]->span;
    return binding->value.span;
}

static bool take_name(Resolver *r, Scope *scope, const Ast *neuron, const Ast *item) {
    for (uint32_t i = 0; i < scope->bindings.count; i++) {
        if (scope->bindings.items[i].name != item->name) continue;
        report_twice(r, item->name, item->name_span, introduced(neuron, &scope->bindings.items[i]), scope->description);
        return false;
    }
    return true;
}

static Symbol member_symbol(Resolver *r, const Population *p, Atom member, SymbolRole role, Unit unit, Span span) {
    SymbolInfo info = {.name = arena_format(r->arena, "%s.%s", p->name, member),
                       .role = role,
                       .batched = true,
                       .rank = 1,
                       .extent = {p->size},
                       .unit = unit,
                       .span = span};
    return symbol_new(r->store, info);
}

static Value element_value(Resolver *r, const Population *p, Symbol symbol, Unit unit, Span span) {
    Expr own = expr_index(r->store, p->own);
    return value_expr(expr_access(r->store, symbol, VERSION_OLD, &own, 1), unit, span);
}

// `apical.v` of a compartment's v, `u` of the neuron's own.
Atom neuron_member_name(Resolver *r, Atom compartment, Atom name) {
    return compartment ? arena_format(r->arena, "%s.%s", compartment, name) : name;
}

// A first value per neuron: as any array's, or a parameter's, or an expression over parameters that are given.
static Initial neuron_initial(Resolver *r, const Population *p, const Value *start, const char *what) {
    double number;
    ExprNode node = start->kind == VALUE_NUMBER ? expr_node(r->store, start->expr) : (ExprNode){0};
    if (start->kind == VALUE_NUMBER && node.kind == EXPR_ACCESS && model_array(r->model, node.symbol))
        return (Initial){.kind = INITIAL_COPY, .source = node.symbol, .scale = 1, .span = start->span};
    if (start->kind == VALUE_NUMBER && !start->rank && !value_const(r, start, &number)) {
        double *values = arena_new_array(r->arena, double, p->size);
        if (model_known_values(r->model, start->expr, &p->own, 1, values)) {
            bool equal = true;
            for (uint32_t i = 1; i < p->size; i++) equal &= values[i] == values[0];
            return (Initial){.kind = INITIAL_CONSTANT,
                             .values = values,
                             .count = equal ? 1 : p->size,
                             .scale = 1,
                             .span = start->span};
        }
    }
    return initial_from(r, start, p->size, what);
}

static Symbol rate_symbol(Resolver *r, const Population *p, Atom member, Unit unit, Span span) {
    Unit per_time = unit_multiply(unit, unit_power(r->model->time_unit, -1));
    return member_symbol(r, p, arena_format(r->arena, "%s_rate", member), ROLE_SIGNAL, per_time, span);
}

static void neuron_state(Resolver *r, NeuronBuild *b, Scope *scope, Atom compartment, const Ast *item) {
    Population *p = b->population;
    Atom member = neuron_member_name(r, compartment, item->name);
    if (item->count > 1) {
        report(r, DIAG_E0212, item->span, "a state of a neuron with a size");
        diag_help(r->diags, "a neuron's state is one number: write `state %s = …`", item->name);
        scope_bind(scope, item->name, value_error());
        return;
    }
    Value start = item->child[0] ? elaborate(r, scope, item->child[0]) : value_number(r, 0, item->span);
    Initial initial = neuron_initial(r, p, &start, arena_format(r->arena, "the start of `%s`", item->name));
    Symbol symbol = member_symbol(r, p, member, ROLE_STATE, start.unit, item->name_span);
    vec_push(&r->model->arrays, (Array){.symbol = symbol, .initial = initial});
    const Mover *mover = explicit_mover(b, member);
    State state = {.member = member, .symbol = symbol, .moved = explicit_moves(b, member), .span = item->name_span};
    if (mover && mover->item->kind == AST_EQUATION) state.rate = rate_symbol(r, p, member, start.unit, item->name_span);
    vec_push(&p->states, state);
    Value value = element_value(r, p, symbol, start.unit, item->name_span);
    value.moves = state.moved;
    scope_bind(scope, item->name, value);
}

static void neuron_input(Resolver *r, NeuronBuild *b, Scope *scope, Atom compartment, const Ast *item) {
    Population *p = b->population;
    if (item->count && item->child[0]) {
        report(r, DIAG_E0212, item->span, "an input of a neuron with a size");
        diag_help(r->diags, "a neuron's input is one number: write `input %s`", item->name);
        return;
    }
    Atom member = neuron_member_name(r, compartment, item->name);
    Symbol symbol = member_symbol(r, p, member, ROLE_DRIVE, UNIT_NONE, item->name_span);
    vec_push(&p->ports, (Port){.member = member, .symbol = symbol, .span = item->name_span});
    vec_push(&b->port_scopes, scope);
    Value value = element_value(r, p, symbol, UNIT_NONE, item->name_span);
    value.any_unit = value.open_unit = true; // known once a connection delivers something
    scope_bind(scope, item->name, value);
}

// A plain state in an output is its value after the step.
static Value output_value(Resolver *r, const Scope *scope, const Ast *item) {
    r->build->line_start = delay_start(r, scope, item);
    r->after = true;
    Value value = elaborate(r, scope, item->child[0]);
    r->after = false;
    r->build->line_start = 0;
    if (require_number(r, &value, arena_format(r->arena, "output `%s`", item->name))) return value;
    return value_error();
}

static void neuron_output(Resolver *r, NeuronBuild *b, Scope *scope, Atom compartment, const Ast *item) {
    Population *p = b->population;
    Value value = output_value(r, scope, item);
    const Ast *written = item->child[0];
    // `phi(ahead(u, tau))` is a function of the lookahead even when phi is linear; `ahead(u, tau)`, or a `let` of it,
    // is not.
    bool bare = written->kind == AST_NAME || (written->kind == AST_CALL && written->child[0]->kind == AST_NAME &&
                                              strcmp(written->child[0]->name, "ahead") == 0);
    bool is_lookahead = bare && value.kind == VALUE_NUMBER && expr_node(r->store, value.expr).kind == EXPR_AHEAD;
    Output output = {.member = neuron_member_name(r, compartment, item->name),
                     .gated = !is_lookahead,
                     .span = item->span,
                     .initial = initial_constant(r, 0)};
    output.symbol = member_symbol(r, p, output.member, ROLE_REGISTER, value.unit, item->name_span);
    output.value = value.kind == VALUE_NUMBER ? value.expr : 0;
    output.open_unit = value.open_unit;
    if (item->count > 1 && item->child[1]) {
        Value start = elaborate(r, scope, item->child[1]);
        output.initial = neuron_initial(r, p, &start, arena_format(r->arena, "the start of `%s`", item->name));
        output.has_initial = true;
    }
    vec_push(&r->model->arrays, (Array){.symbol = output.symbol, .initial = output.initial});
    vec_push(&p->outputs, output);
    scope_bind(scope, item->name, value);
}

// Once the units of inputs are known, those of outputs that read them are, too.
void neuron_outputs_again(Resolver *r, NeuronBuild *b) {
    Population *p = b->population;
    for (uint32_t i = 1; i < b->neuron->count; i++) {
        const Ast *item = b->neuron->child[i];
        for (uint32_t k = 0; item && item->kind == AST_OUTPUT && k < p->outputs.count; k++) {
            if (p->outputs.items[k].member != item->name) continue;
            Value value = output_value(r, b->scope, item);
            if (value.kind != VALUE_NUMBER) continue;
            if (p->outputs.items[k].open_unit) symbol_edit(r->store, p->outputs.items[k].symbol)->unit = value.unit;
            p->outputs.items[k].open_unit = value.open_unit;
            scope_bind(b->scope, item->name, value);
        }
    }
}

static void neuron_let(Resolver *r, NeuronBuild *b, Scope *scope, const Ast *item) {
    vec_push(&b->lets, (LateLet){.item = item, .scope = scope, .member = item->name});
    explicit_let(r, b, b->lets.count - 1);
}

static void neuron_energy(Resolver *r, const NeuronBuild *b, const Ast *item, NeuronSource *source) {
    if (source->energy) {
        report(r, DIAG_E0203, item->span, "a second energy in %s", b->scope->description);
        diag_note(r->diags, source->energy->span, "the first one is here");
        diag_help(r->diags, "add the terms in one `energy`");
    }
    source->energy = item;
}

static void neuron_parameter(Resolver *r, NeuronBuild *b, Scope *scope, const Ast *item) {
    Value value = item->count && item->child[0] ? elaborate(r, scope, item->child[0]) : value_error();
    Binding binding = {item->name, value};
    parameter_array(r, b->population, scope, &binding, item->span);
}

// What introduces a name, in a compartment or in the neuron itself.
void neuron_declaration(Resolver *r, NeuronBuild *b, Scope *scope, Atom compartment, const Ast *item) {
    if (!take_name(r, scope, compartment ? NULL : b->neuron, item)) return;
    switch (item->kind) {
    case AST_STATE: neuron_state(r, b, scope, compartment, item); break;
    case AST_INPUT: neuron_input(r, b, scope, compartment, item); break;
    default: neuron_output(r, b, scope, compartment, item); break;
    }
}

static void neuron_item(Resolver *r, NeuronBuild *b, const Ast *item, NeuronSource *source) {
    switch (item->kind) {
    case AST_STATE:
    case AST_INPUT:
    case AST_OUTPUT: neuron_declaration(r, b, b->scope, NULL, item); break;
    case AST_LET:
        if (take_name(r, b->scope, b->neuron, item)) neuron_let(r, b, b->scope, item);
        break;
    case AST_PARAMETER:
        if (take_name(r, b->scope, b->neuron, item)) neuron_parameter(r, b, b->scope, item);
        break;
    case AST_COMPARTMENT: explicit_open(r, b); break;
    case AST_EQUATION:
    case AST_ASSIGN:
    case AST_COUPLE: break; // when the units of inputs are known
    case AST_ENERGY: neuron_energy(r, b, item, source); break;
    case AST_ON: break; // an event: later as well
    default:
        report(r, DIAG_E0212, item->span, "`%s` in a neuron", ast_kind_name(item->kind));
        diag_expected(r->diags, "`state`, `input`, `output`, `let`, `param`, `compartment`, `couple`, `energy`, an "
                                "equation `d(u) = …` or an event `on u > theta { … }`");
        if (item->kind == AST_NOISE)
            diag_help(r->diags, "write it where it acts, as in `d(u) = -u/tau + noise(sigma)`");
    }
}

static void one_population(Resolver *r, Scope *scope, const Ast *item, const Ast *neuron, const Ast *call, Atom name,
                           uint32_t size) {
    Population p = {
        .name = name, .neuron = neuron, .size = size, .own = index_shared(r->store, 0, size), .span = item->name_span};
    Scope *inner = arena_new_object(r->arena, Scope);
    *inner = (Scope){.parent = &r->global, .description = arena_format(r->arena, "neuron `%s`", neuron->name)};
    NeuronBuild *b = arena_new_object(r->arena, NeuronBuild);
    *b = (NeuronBuild){.population = &p, .neuron = neuron, .scope = inner};
    Span before = enter_use(r, item->span);
    bind_arguments(r, inner, scope, neuron, call, 1);
    uint32_t parameters = inner->bindings.count;
    for (uint32_t i = 0; i < parameters; i++) {
        Binding binding = inner->bindings.items[i];
        parameter_array(r, &p, inner, &binding, binding.value.span);
    }
    Atom dt = arena_atom_z(r->arena, "dt");
    if (!scope_find(inner, dt)) scope_bind(inner, dt, *scope_find(scope, dt)); // a parameter of that name wins
    NeuronSource source = {.scope = inner, .build = b, .use = item->span};
    r->build = b;
    explicit_scan(r, b);
    for (uint32_t i = 1; i < neuron->count; i++)
        if (neuron->child[i]) neuron_item(r, b, neuron->child[i], &source);
    r->build = NULL;
    if (item->count > 2 && item->child[2]) {
        double gamma;
        if (constant_number(r, scope, item->child[2], "gamma", &gamma, NULL)) {
            p.gamma = gamma;
            p.has_gamma = true;
        }
    }
    leave_use(r, before);
    source.population = r->model->populations.count;
    network_defer_energy(r, source);
    vec_push(&r->model->populations, p);
}

static const Ast *find_neuron(Resolver *r, const Ast *type, const Ast **call, const Ast **size) {
    *call = type->kind == AST_CALL ? type : NULL;
    const Ast *sized = *call ? type->child[0] : type;
    *size = sized->kind == AST_INDEX ? sized->child[1] : NULL;
    const Ast *named = *size ? sized->child[0] : sized;
    if (named->kind != AST_NAME) {
        report(r, DIAG_E0202, named->span, "this is no kind of neuron");
        diag_expected(r->diags, "the name of a neuron with its size, as in `Leaky[53](tau_m = 10 ms)`");
        return NULL;
    }
    if (*size && sized->count > 2) {
        report(r, DIAG_E0212, sized->span, "a population with several axes");
        diag_expected(r->diags, "one size");
        return NULL;
    }
    return network_declaration(r, AST_NEURON, named, "neuron");
}

void resolve_population(Resolver *r, Scope *scope, const Ast *item) {
    const Ast *call, *size_ast, *neuron = find_neuron(r, item->child[1], &call, &size_ast);
    uint32_t size = 1, count = 1;
    bool is_array = item->child[0] != NULL;
    bool good = neuron && take_name(r, scope, NULL, item);
    if (good && size_ast) good = constant_size(r, scope, size_ast, "the size of a population", &size);
    if (good && is_array) good = constant_size(r, scope, item->child[0], "the number of populations", &count);
    if (good && size == 0) {
        report(r, DIAG_E0209, size_ast->span, "a population without neurons");
        diag_expected(r->diags, "a size of at least 1");
        good = false;
    }
    if (!good) {
        scope_bind(scope, item->name, value_error());
        return;
    }
    Value object = {.kind = VALUE_OBJECT,
                    .object = OBJECT_POPULATION,
                    .number = r->model->populations.count,
                    .span = item->name_span,
                    .array_base = is_array ? item->name : NULL};
    if (count > 10000) {
        report(r, DIAG_E0209, item->child[0]->span, "an array of %u populations", count);
        diag_expected(r->diags, "at most 10000: neurons that share their equations belong in one population");
        count = 0;
    }
    for (uint32_t k = 0; k < count; k++) {
        Atom name = is_array ? arena_format(r->arena, "%s[%u]", item->name, k) : item->name;
        one_population(r, scope, item, neuron, call, name, size);
    }
    scope_bind(scope, item->name, object);
}
