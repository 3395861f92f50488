// A network declaration becomes a model: settings, externals, populations, connections, cost, principle, learning.
#include "network.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef Vec(NeuronSource) NeuronSources;

// ---- Names ----------------------------------------------------------------------------------------------------------

const Ast *find_declaration(const Resolver *r, AstKind kind, Atom name) {
    for (uint32_t i = r->declarations.count; i-- > 0;) // the user's file comes after the prelude and may redefine
        if (r->declarations.items[i]->kind == kind && r->declarations.items[i]->name == name)
            return r->declarations.items[i];
    return NULL;
}

const Ast *network_declaration(Resolver *r, AstKind kind, const Ast *name, const char *what) {
    const Ast *found = name->kind == AST_NAME ? find_declaration(r, kind, name->name) : NULL;
    if (found) return found;
    if (name->kind != AST_NAME) {
        diag_report(r->diags, DIAG_E0202, name->span, "this is no %s", what);
        return NULL;
    }
    diag_report(r->diags, DIAG_E0201, name->span, "unknown %s `%s`", what, name->name);
    diag_expected(r->diags, "the name of a declared %s", what);
    Vec(Atom) names = {0};
    for (uint32_t i = 0; i < r->declarations.count; i++)
        if (r->declarations.items[i]->kind == kind) vec_push(&names, r->declarations.items[i]->name);
    suggest(r, name->name, names.items, names.count);
    vec_free(&names);
    return NULL;
}

typedef Vec(Atom) Names;

static void unknown_member(Resolver *r, Atom owner, Atom member, Span span, Names *names) {
    diag_report(r->diags, DIAG_E0201, span, "`%s` has no `%s`", owner, member);
    Text list = {0};
    for (uint32_t i = 0; i < names->count; i++) text_addf(&list, "%s`%s.%s`", i ? ", " : "", owner, names->items[i]);
    if (names->count) diag_expected(r->diags, "%s", text_z(&list));
    Atom nearest = diag_nearest(member, names->items, names->count);
    if (nearest) diag_help(r->diags, "did you mean `%s.%s`?", owner, nearest);
    text_free(&list);
}

// A parameter of the neuron that is no array: a function, or one whose value was refused already.
static bool is_other_parameter(const Population *p, Atom member) {
    for (uint32_t i = 0; i < p->neuron->child[0]->count; i++)
        if (p->neuron->child[0]->child[i]->name == member) return true;
    return false;
}

// A state as others see it, its value after the step: an output of its own that is the state.
static Symbol state_message(Resolver *r, Population *p, const State *state) {
    Atom member = arena_format(r->arena, "%s_message", state->member);
    for (uint32_t i = 0; i < p->outputs.count; i++)
        if (p->outputs.items[i].of_state == state->symbol) return p->outputs.items[i].symbol;
    Output output = {.member = member, .of_state = state->symbol, .span = state->span};
    output.initial = initial_constant(r, 0);
    output.value = model_element(r->store, state->symbol, VERSION_OLD);
    SymbolInfo info = *symbol_info(r->store, state->symbol);
    info.name = arena_format(r->arena, "%s.%s", p->name, member);
    info.role = ROLE_REGISTER;
    output.symbol = declare_array(r, info, output.initial);
    vec_push(&p->outputs, output);
    return output.symbol;
}

// An array as a value; that of this step where the postsynaptic end of a plasticity asks.
static Value member_value(Resolver *r, Symbol symbol, bool after, Span span) {
    Value value = value_symbol(r, symbol, span);
    ExprNode node = expr_node(r->store, value.expr);
    if (after && symbol_info(r->store, symbol)->batched)
        value.expr = expr_access(r->store, symbol, VERSION_NEW, node.argument, node.count);
    return value;
}

// A `let` of a neuron, for all neurons of the population.
static Value local_value(Resolver *r, const Population *p, const Local *local, Span span) {
    Value value = value_expr(0, local->unit, span);
    value.open_unit = local->open_unit;
    value.rank = 1;
    value.axis[0] = index_new(r->store, arena_format(r->arena, "a%u", r->unique++), p->size);
    value.expr = expr_substitute_index(r->store, local->value, expr_index(r->store, p->own),
                                       expr_index(r->store, value.axis[0]));
    return value;
}

static bool note_batched(const ExprStore *store, Expr expr, void *context) {
    ExprNode node = expr_node(store, expr);
    if (node.kind == EXPR_ACCESS && symbol_info(store, node.symbol)->batched) *(bool *)context = true;
    return true;
}

// What only a plasticity may read of a neuron: lets and inputs of this step; lets of parameters anyone may.
static Value inner_member(Resolver *r, const Population *p, Atom member, bool after, Span span) {
    for (uint32_t i = 0; i < p->locals.count; i++) {
        const Local *local = &p->locals.items[i];
        bool batched = false;
        expr_visit(r->store, local->value, note_batched, &batched);
        if (local->member == member && (after || !batched)) return local_value(r, p, local, span);
    }
    for (uint32_t i = 0; after && i < p->ports.count; i++)
        if (p->ports.items[i].member == member) return member_value(r, p->ports.items[i].symbol, true, span);
    return value_error();
}

static Value state_member(Resolver *r, Population *p, const State *state, bool after, Span span) {
    if (after || state->moved) return member_value(r, state->symbol, after, span);
    return value_symbol(r, state_message(r, p, state), span);
}

static Value population_member(Resolver *r, Population *p, Atom member, bool after, Span span) {
    Names names = {0};
    Value value = value_error();
    for (uint32_t i = 0; i < p->outputs.count; i++) {
        if (!p->outputs.items[i].of_state) vec_push(&names, p->outputs.items[i].member);
        if (p->outputs.items[i].member != member) continue;
        value = member_value(r, p->outputs.items[i].symbol, after, span);
        value.open_unit = p->outputs.items[i].open_unit;
    }
    for (uint32_t i = 0; i < p->states.count; i++) {
        vec_push(&names, p->states.items[i].member);
        if (p->states.items[i].member == member) value = state_member(r, p, &p->states.items[i], after, span);
    }
    for (uint32_t i = 0; i < p->parameters.count; i++) {
        Atom full = symbol_info(r->store, p->parameters.items[i])->name;
        vec_push(&names, arena_atom_z(r->arena, full + strlen(p->name) + 1));
        if (names.items[names.count - 1] == member) value = value_symbol(r, p->parameters.items[i], span);
    }
    if (value.kind == VALUE_ERROR) value = inner_member(r, p, member, after, span);
    if (value.kind == VALUE_ERROR && !(is_other_parameter(p, member) && diag_error_count(r->diags)))
        unknown_member(r, p->name, member, span, &names);
    vec_free(&names);
    return value;
}

static bool is_compartment(const Population *p, Atom name) {
    for (uint32_t i = 0; i < p->compartments.count; i++)
        if (p->compartments.items[i] == name) return true;
    return false;
}

// Whether the connection's synapse declares the weight, which was refused then.
static bool synapse_declares(const Resolver *r, const Connection *c, Atom member) {
    size_t base = strcspn(c->name, "[");
    for (uint32_t i = 1; i < r->network->count; i++) {
        const Ast *item = r->network->child[i];
        if (!item || item->kind != AST_CONNECT || strlen(item->name) != base || strncmp(item->name, c->name, base) != 0)
            continue;
        const Ast *call = item->child[3],
                  *synapse = find_declaration(r, AST_SYNAPSE, (call->kind == AST_CALL ? call->child[0] : call)->name);
        for (uint32_t k = 1; synapse && k < synapse->count; k++)
            if (synapse->child[k]->kind == AST_WEIGHT && synapse->child[k]->name == member) return true;
    }
    return false;
}

static Value connection_member(Resolver *r, const Connection *c, Atom member, Span span) {
    Names names = {0};
    Symbol symbol = 0;
    for (uint32_t i = 0; i < c->weights.count + c->parameters.count; i++) {
        Symbol own = i < c->weights.count ? c->weights.items[i] : c->parameters.items[i - c->weights.count];
        vec_push(&names, arena_atom_z(r->arena, symbol_info(r->store, own)->name + strlen(c->name) + 1));
        if (names.items[names.count - 1] == member) symbol = own;
    }
    if (!symbol && !(diag_error_count(r->diags) && synapse_declares(r, c, member)))
        unknown_member(r, c->name, member, span, &names);
    vec_free(&names);
    return symbol ? value_symbol(r, symbol, span) : value_error();
}

Value elaborate_member(Resolver *r, const Value *object, Atom member, Span span) {
    if (object->kind == VALUE_ERROR) return value_error();
    if (object->kind != VALUE_OBJECT) {
        diag_report(r->diags, DIAG_E0202, span, "`.%s` of %s", member, value_describe(r, object));
        diag_expected(r->diags, "a population, a connection or an external input before the dot");
        return value_error();
    }
    if (object->array_base) {
        diag_report(r->diags, DIAG_E0202, span, "`%s` is an array of %s", object->array_base,
                    object->object == OBJECT_POPULATION ? "populations" : "connections");
        diag_help(r->diags, "name one of them, as in `%s[0].%s`", object->array_base, member);
        return value_error();
    }
    if (object->object == OBJECT_POPULATION) {
        Population *p = &r->model->populations.items[object->number];
        Atom full = neuron_member_name(r, object->compartment, member);
        if (object->compartment || !is_compartment(p, member))
            return population_member(r, p, full, object->after, span);
        Value part = *object;
        part.compartment = member;
        part.span = span;
        return part;
    }
    if (object->object == OBJECT_CONNECTION)
        return connection_member(r, &r->model->connections.items[object->number], member, span);
    // An external input has one value, whatever name a synapse uses for its source's output.
    return value_symbol(r, r->model->externals.items[object->number].symbol, span);
}

static void add_path(Resolver *r, const Scope *scope, const Ast *ast, Text *text, bool *good) {
    if (ast->kind == AST_NAME) {
        text_add(text, ast->name);
    } else if (ast->kind == AST_MEMBER) {
        add_path(r, scope, ast->child[0], text, good);
        text_addf(text, ".%s", ast->name);
    } else if (ast->kind == AST_INDEX && ast->count == 2) {
        add_path(r, scope, ast->child[0], text, good);
        double number;
        if (constant_number(r, scope, ast->child[1], "a number in a name", &number, NULL))
            text_addf(text, "[%.0f]", number);
        else
            *good = false;
    } else {
        diag_report(r->diags, DIAG_E0202, ast->span, "this is no name");
        diag_expected(r->diags, "the name of an array, as in `h[2].u`");
        *good = false;
    }
}

Atom path_text(Resolver *r, const Scope *scope, const Ast *ast) {
    Text text = {0};
    bool good = true;
    add_path(r, scope, ast, &text, &good);
    Atom atom = good ? arena_atom_z(r->arena, text_z(&text)) : NULL;
    text_free(&text);
    return atom;
}

// ---- Items ----------------------------------------------------------------------------------------------------------

static void integrator(Resolver *r, const Ast *item) {
    static const char *const names[] = {
        [INTEGRATOR_EULER] = "euler", [INTEGRATOR_EXPONENTIAL] = "exponential", [INTEGRATOR_RK4] = "rk4"};
    const Ast *value = item->child[0];
    Atom known[sizeof names / sizeof *names];
    for (uint32_t i = 0; i < sizeof names / sizeof *names; i++) {
        known[i] = arena_atom_z(r->arena, names[i]);
        if (value->kind != AST_NAME || strcmp(value->name, names[i]) != 0) continue;
        r->model->integrator = (IntegratorKind)i;
        return;
    }
    diag_report(r->diags, DIAG_E0201, value->span, "unknown integrator");
    diag_expected(r->diags, "`euler`, `exponential` or `rk4`");
    if (value->kind == AST_NAME) suggest(r, value->name, known, sizeof names / sizeof *names);
}

static void setting(Resolver *r, Scope *scope, const Ast *item) {
    if (strcmp(item->name, "integrator") == 0) {
        integrator(r, item);
        return;
    }
    if (strcmp(item->name, "dt") != 0) {
        diag_report(r->diags, DIAG_E0201, item->name_span, "unknown setting `%s`", item->name);
        diag_expected(r->diags, "`dt = …`");
        diag_help(r->diags, "for a constant of your own write `let %s = …`", item->name);
        return;
    }
    const Value *have = scope_find(scope, item->name);
    if (have) {
        diag_report(r->diags, DIAG_E0203, item->span, "`dt` is set twice");
        diag_note(r->diags, have->span, "it was set here");
        return;
    }
    r->has_dt = true;
    double dt;
    Unit unit;
    if (!constant_number(r, scope, item->child[0], "`dt`", &dt, &unit)) return;
    if (!(dt > 0)) {
        diag_report(r->diags, DIAG_E0216, item->child[0]->span, "`dt` must be greater than zero");
        return;
    }
    if (!unit_is_none(unit) && !unit_equal(unit, UNIT_TIME)) {
        Text text = {0};
        unit_print(unit, &text);
        diag_report(r->diags, DIAG_E0206, item->child[0]->span, "`dt` is in `%s`", text_z(&text));
        diag_expected(r->diags, "a time, as in `0.1 ms`, or a plain number");
        text_free(&text);
        return;
    }
    r->model->dt = dt;
    r->model->time_unit = unit;
    Value value = value_number(r, dt, item->span);
    value.unit = unit;
    scope_bind(scope, item->name, value);
}

static void external(Resolver *r, Scope *scope, const Ast *item) {
    uint32_t size = 1;
    const Value *have = scope_find(scope, item->name);
    if (have) {
        report_twice(r, item->name, item->name_span, have->span, scope->description);
        return;
    }
    if (item->count && item->child[0] && item->child[0]->kind == AST_LIST && item->child[0]->count > 1) {
        diag_report(r->diags, DIAG_E0212, item->span, "an input with several axes");
        diag_expected(r->diags, "one size, as in `input %s[12]`", item->name);
        scope_bind(scope, item->name, value_error());
        return;
    }
    if (item->count && item->child[0] && !constant_size(r, scope, item->child[0], "the size of an input", &size)) {
        scope_bind(scope, item->name, value_error());
        return;
    }
    if (!size) {
        diag_report(r->diags, DIAG_E0209, item->child[0]->span, "an input without elements");
        diag_expected(r->diags, "a size of at least 1");
        scope_bind(scope, item->name, value_error());
        return;
    }
    ExternalKind kind = item->kind == AST_INPUT    ? EXTERNAL_INPUT
                        : item->kind == AST_TARGET ? EXTERNAL_TARGET
                                                   : EXTERNAL_LABEL;
    SymbolInfo info = {
        .name = item->name, .role = ROLE_INPUT, .batched = true, .rank = 1, .extent = {size}, .span = item->name_span};
    External e = {.name = item->name, .kind = kind, .size = size, .span = item->name_span};
    e.symbol = declare_array(r, info, initial_constant(r, 0));
    scope_bind(scope, item->name,
               (Value){.kind = VALUE_OBJECT,
                       .object = OBJECT_EXTERNAL,
                       .number = r->model->externals.count,
                       .span = item->name_span});
    vec_push(&r->model->externals, e);
}

static void cost(Resolver *r, const Scope *scope, const Ast *item) {
    Value value = elaborate(r, scope, item->child[0]);
    if (!require_number(r, &value, "a cost")) return;
    if (value.rank) {
        diag_report(r->diags, DIAG_E0205, item->child[0]->span, "a cost of shape %s", shape_text(r, &value));
        diag_expected(r->diags, "a single number");
        diag_help(r->diags, "reduce it by `sum(…)` or `mean(…)`");
        return;
    }
    join_energy(r, &value, item->span, "a cost");
    expr_set_span(r->store, value.expr, item->span);
    r->model->cost = r->model->cost ? expr_add(r->store, r->model->cost, value.expr) : value.expr;
    r->model->cost_span = item->span;
}

static const char *const orders[ORDER_COUNT] = {"parallel", "le", "sequential"};

const char *order_name(OrderKind kind) { return orders[kind]; }

static void order(Resolver *r, const Ast *item) {
    for (uint32_t i = 1; r->network->child[i] != item; i++) {
        if (r->network->child[i]->kind != AST_ORDER) continue;
        diag_report(r->diags, DIAG_E0203, item->span, "a second `order`");
        diag_note(r->diags, r->network->child[i]->span, "the first one is here");
        return;
    }
    for (int i = 0; i < ORDER_COUNT; i++)
        if (strcmp(item->name, orders[i]) == 0) {
            r->model->order = (OrderKind)i;
            return;
        }
    Atom names[ORDER_COUNT];
    for (int i = 0; i < ORDER_COUNT; i++) names[i] = arena_atom_z(r->arena, orders[i]);
    diag_report(r->diags, DIAG_E0201, item->name_span.source ? item->name_span : item->span, "unknown order `%s`",
                item->name);
    diag_expected(r->diags, "`parallel`, `le` or `sequential`");
    suggest(r, item->name, names, ORDER_COUNT);
}

static void let(Resolver *r, Scope *scope, const Ast *item) {
    const Value *have = scope_find(scope, item->name);
    if (have) {
        report_twice(r, item->name, item->name_span, have->span, scope->description);
        return;
    }
    Value value = elaborate(r, scope, item->child[0]);
    value.span = item->span;
    scope_bind(scope, item->name, value);
}

static void network_item(Resolver *r, Scope *scope, const Ast *item, DynamicsItem *d) {
    switch (item->kind) {
    case AST_SETTING:
        if (strcmp(item->name, "dt") != 0) setting(r, scope, item);
        break; // dt was read first
    case AST_INPUT:
    case AST_TARGET:
    case AST_LABEL: external(r, scope, item); break;
    case AST_LET: let(r, scope, item); break;
    case AST_POPULATION: resolve_population(r, scope, item); break;
    case AST_CONNECT: resolve_connect(r, scope, item); break;
    case AST_COST: cost(r, scope, item); break;
    case AST_DYNAMICS: resolve_dynamics(r, scope, item, d); break;
    case AST_LEARN: resolve_learn(r, scope, item); break;
    case AST_ORDER: order(r, item); break;
    default:
        diag_report(r->diags, DIAG_E0212, item->span, "`%s` in a network", ast_kind_name(item->kind));
        diag_expected(r->diags, "a network without it: this version doesn't compile it");
    }
}

// ---- Energies, after all connections are known ----------------------------------------------------------------------

static NeuronSources *deferred_energies(Resolver *r) { return (NeuronSources *)r->deferred; }

void network_defer_energy(Resolver *r, NeuronSource source) { vec_push(deferred_energies(r), source); }

static void elaborate_energies(Resolver *r) {
    for (uint32_t i = 0; i < deferred_energies(r)->count; i++) {
        NeuronSource *source = &deferred_energies(r)->items[i];
        Population *p = &r->model->populations.items[source->population];
        Span outer = enter_use(r, source->use);
        r->build = source->build;
        r->build->population = p;
        explicit_finish(r, source->build);
        leave_use(r, outer);
        if (source->energy) {
            Span before = enter_use(r, source->use);
            r->after = true;
            Value value = elaborate(r, source->scope, source->energy->child[0]);
            r->after = false;
            if (require_number(r, &value, "an energy")) {
                p->energy = value.expr;
                if (!value.rank)
                    join_energy(r, &value, source->energy->span, arena_format(r->arena, "the energy of `%s`", p->name));
                expr_set_span(r->store, value.expr, source->energy->span);
            }
            leave_use(r, before);
            p->energy_span = source->energy->span;
        }
        explicit_free(source->build);
        r->build = NULL;
    }
    vec_free(deferred_energies(r));
}

static void check_gamma(Resolver *r, const Ast *network, const DynamicsItem *d) {
    for (uint32_t i = 0; i < r->model->populations.count; i++) {
        Population *p = &r->model->populations.items[i];
        if (r->beside) p->gamma = 0, p->has_gamma = true;
        if (!p->energy || p->has_gamma) continue;
        if (!d->has_gamma && d->item && !diag_error_count(r->diags)) {
            diag_report(r->diags, DIAG_E0218, d->item->span,
                        "nothing says how strongly the error acts on the membrane of `%s`", p->name);
            diag_expected(r->diags, "`gamma`: 1 as in the theory, 0 for errors that run beside the network");
            diag_help(r->diags, "write `dynamics %s(gamma = 0)`, or `population %s = … with gamma = 0`", d->item->name,
                      p->name);
        }
        p->gamma = d->gamma;
        p->has_gamma = true;
    }
    bool needed = !r->model->populations.count;
    for (uint32_t i = 0; i < r->model->learn.count; i++) needed |= !r->model->learn.items[i].written_out;
    for (uint32_t i = 0; i < r->model->populations.count; i++) {
        const Population *p = &r->model->populations.items[i];
        needed |= p->energy || (p->states.count && !explicit_is_written(p->neuron));
    }
    if (needed && !d->item && !r->dynamics_override) {
        Span head = {network->span.source, network->span.begin, network->name_span.end};
        diag_report(r->diags, DIAG_E0211, head, "network `%s` names no principle", network->name);
        diag_expected(r->diags, "`dynamics gle(gamma = …)`, `dynamics le(gamma = …)` or `dynamics instant(gamma = …)`");
    }
}

// A number from the command line has the unit of the default that it replaces.
static bool fits_default(Resolver *r, const Definition *define, const Value *standard) {
    if (standard->kind != VALUE_NUMBER || standard->any_unit || define->value == 0) return true;
    if (unit_equal(define->unit, standard->unit)) return true;
    Text have = {0}, want = {0};
    unit_print(define->unit, &have);
    unit_print(standard->unit, &want);
    bool plain = unit_is_none(define->unit);
    diag_report(r->diags, DIAG_E0213, standard->span, "`-D` gives `%s` %s%s", define->name,
                plain ? "no unit" : "the unit ", plain ? "" : text_z(&have));
    if (unit_is_none(standard->unit))
        diag_expected(r->diags, "a number without a unit, like the default");
    else
        diag_expected(r->diags, "a number in the unit of the default, as in `-D %s=5%s`", define->name, text_z(&want));
    text_free(&have);
    text_free(&want);
    return false;
}

static void bind_parameters(Resolver *r, Scope *scope, const Ast *network) {
    bind_arguments(r, scope, &r->global, network, NULL, 0);
    for (uint32_t i = 0; i < scope->bindings.count; i++) {
        Binding *b = &scope->bindings.items[i];
        for (uint32_t k = 0; k < r->defines.count; k++) {
            if (r->defines.items[k].name != b->name) continue;
            Value value = value_number(r, r->defines.items[k].value, b->value.span);
            value.unit = r->defines.items[k].unit;
            r->defines.items[k].used = true;
            if (fits_default(r, &r->defines.items[k], &b->value)) b->value = value;
        }
        double number;
        for (uint32_t k = 0; k < r->annealed.count; k++) {
            if (r->annealed.items[k] != b->name || !value_const(r, &b->value, &number)) continue;
            Symbol symbol = symbol_new(
                r->store,
                (SymbolInfo){.name = b->name, .role = ROLE_SCALAR, .unit = b->value.unit, .span = b->value.span});
            vec_push(&r->model->scalars, (Scalar){symbol, number});
            b->value = value_expr(expr_access(r->store, symbol, VERSION_OLD, NULL, 0), b->value.unit, b->value.span);
        }
    }
}

static void report_unused_defines(Resolver *r, const Ast *network) {
    const Ast *parameters = network->child[0];
    for (uint32_t k = 0; k < r->defines.count; k++) {
        if (r->defines.items[k].used) continue;
        Names names = {0};
        Text list = {0};
        for (uint32_t i = 0; i < parameters->count; i++) {
            vec_push(&names, parameters->child[i]->name);
            text_addf(&list, "%s`%s`", i ? ", " : "", parameters->child[i]->name);
        }
        diag_report(r->diags, DIAG_E0213, network->name_span, "network `%s` has no parameter `%s` to define",
                    network->name, r->defines.items[k].name);
        diag_expected(r->diags, "%s", names.count ? text_z(&list) : "no -D: this network has no parameters");
        Atom nearest = diag_nearest(r->defines.items[k].name, names.items, names.count);
        if (nearest) diag_help(r->diags, "did you mean `-D %s=…`?", nearest);
        vec_free(&names);
        text_free(&list);
    }
}

static int by_name(const void *a, const void *b) {
    const SymbolInfo *const *x = a, *const *y = b;
    int order = strcmp((*x)->name, (*y)->name);
    return order ? order : (*x > *y) - (*x < *y); // declared earlier first
}

// Two arrays of one name can come from a population `adam` and an optimiser of that name, or from `w.W` of two kinds.
static void check_names(Resolver *r) {
    uint32_t count = symbol_count(r->store);
    const SymbolInfo **symbols = memory_resize(NULL, count + 1, sizeof(SymbolInfo *));
    for (Symbol s = 1; s <= count; s++) symbols[s - 1] = symbol_info(r->store, s);
    qsort(symbols, count, sizeof *symbols, by_name);
    for (uint32_t i = 0; i + 1 < count && !diag_error_count(r->diags); i++) {
        if (strcmp(symbols[i]->name, symbols[i + 1]->name) != 0) continue;
        diag_report(r->diags, DIAG_E0203, symbols[i + 1]->span, "two arrays are called `%s`", symbols[i]->name);
        diag_note(r->diags, symbols[i]->span, "the other one is declared here");
    }
    free(symbols);
}

void resolve_network(Resolver *r, const Ast *network) {
    NeuronSources sources = {0};
    r->deferred = &sources;
    r->model->name = network->name;
    r->network = network;
    Scope scope = {.parent = &r->global, .description = arena_format(r->arena, "network `%s`", network->name)};
    r->network_scope = &scope;
    bind_parameters(r, &scope, network);
    report_unused_defines(r, network);
    DynamicsItem d = {0};
    for (uint32_t i = 1; i < network->count; i++) // all times depend on whether dt has a unit
        if (network->child[i]->kind == AST_SETTING && strcmp(network->child[i]->name, "dt") == 0)
            setting(r, &scope, network->child[i]);
    if (!r->has_dt) {
        diag_report(r->diags, DIAG_E0211, network->name_span, "network `%s` has no time step", network->name);
        diag_expected(r->diags, "`dt = …`, for example `dt = 0.1 ms`");
    }
    if (!scope_find(&scope, arena_atom_z(r->arena, "dt"))) { // go on, to find more errors
        Value one = value_number(r, 1, network->name_span);
        one.any_unit = true;
        scope_bind(&scope, arena_atom_z(r->arena, "dt"), one);
        r->model->dt = 1;
    }
    for (uint32_t i = 1; i < network->count; i++)
        if (network->child[i]->kind != AST_LEARN) network_item(r, &scope, network->child[i], &d);
    for (uint32_t i = 1; i < network->count; i++) // last, so that `learn all` means all
        if (network->child[i]->kind == AST_LEARN) network_item(r, &scope, network->child[i], &d);
    override_dynamics(r, &scope, &d);
    elaborate_energies(r);
    plasticity_finish(r);
    resolve_feedback(r);
    check_names(r);
    check_gamma(r, network, &d);
    if (r->experiment) resolve_experiment(r, &scope, r->experiment);
    scope_free(&scope);
}
