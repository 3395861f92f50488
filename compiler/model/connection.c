// Connections: a synapse declaration between two populations becomes weights and a current into each target neuron.
#include "network.h"
#include <math.h>
#include <string.h>

typedef struct Ends {
    Value source;
    uint32_t target, port;
} Ends;

// `apical`, of a compartment with one input, stands for that input.
static bool only_port_of(const Population *p, Atom compartment, uint32_t *port) {
    uint32_t found = 0;
    size_t length = strlen(compartment);
    for (uint32_t i = 0; i < p->ports.count; i++) {
        if (strncmp(p->ports.items[i].member, compartment, length) != 0 || p->ports.items[i].member[length] != '.')
            continue;
        *port = i;
        found++;
    }
    return found == 1;
}

static bool find_port(Resolver *r, const Ast *to, const Value *object, Atom member, uint32_t *port) {
    const Population *p = &r->model->populations.items[object->number];
    if (!member && p->ports.count == 1) {
        *port = 0;
        return true;
    }
    if (member && only_port_of(p, member, port)) return true;
    for (uint32_t i = 0; i < p->ports.count; i++)
        if (p->ports.items[i].member == member) {
            *port = i;
            return true;
        }
    Vec(Atom) names = {0};
    Text list = {0};
    for (uint32_t i = 0; i < p->ports.count; i++) {
        vec_push(&names, p->ports.items[i].member);
        text_addf(&list, "%s`%s.%s`", i ? ", " : "", p->name, p->ports.items[i].member);
    }
    if (member)
        report(r, DIAG_E0201, to->span, "`%s` has no input `%s`", p->name, member);
    else if (p->ports.count)
        report(r, DIAG_E0202, to->span, "`%s` has several inputs", p->name);
    else
        report(r, DIAG_E0202, to->span, "`%s` has no input", p->name);
    diag_expected(r->diags, "%s", p->ports.count ? text_z(&list) : "a neuron with an `input`");
    Atom nearest = member ? diag_nearest(member, names.items, names.count) : NULL;
    if (nearest) diag_help(r->diags, "did you mean `%s.%s`?", p->name, nearest);
    vec_free(&names);
    text_free(&list);
    return false;
}

// `apical.I` of `h.apical.I`; NULL for the population itself.
static Atom port_path(Resolver *r, const Ast *to, const Ast **object) {
    Atom path = NULL;
    for (*object = to; (*object)->kind == AST_MEMBER; *object = (*object)->child[0])
        path = path ? arena_format(r->arena, "%s.%s", (*object)->name, path) : (*object)->name;
    return path;
}

static bool find_ends(Resolver *r, const Scope *scope, const Ast *from, const Ast *to, Ends *ends) {
    ends->source = elaborate(r, scope, from);
    const Ast *object_ast;
    Atom path = port_path(r, to, &object_ast);
    Value target = elaborate(r, scope, object_ast);
    if (ends->source.kind == VALUE_ERROR || target.kind == VALUE_ERROR) return false;
    const Value *both[2] = {&ends->source, &target};
    for (int i = 0; i < 2; i++) {
        bool object = both[i]->kind == VALUE_OBJECT && both[i]->object != OBJECT_CONNECTION && !both[i]->compartment;
        if (object && !both[i]->array_base && (i == 0 || both[i]->object == OBJECT_POPULATION)) continue;
        const Ast *where = i ? to : from;
        if (object && both[i]->array_base) {
            report(r, DIAG_E0202, where->span, "`%s` is an array of populations", both[i]->array_base);
            diag_help(r->diags, "name one of them, as in `%s[0]`, or connect all by `for k in 0..n`",
                      both[i]->array_base);
        } else {
            report(r, DIAG_E0202, where->span, "a connection %s %s", i ? "to" : "from",
                   object ? "an external input" : value_describe(r, both[i]));
            diag_expected(r->diags, i ? "a population" : "a population or an external input");
        }
        return false;
    }
    ends->target = target.number;
    return find_port(r, to, &target, path, &ends->port);
}

static double element_count(const SymbolInfo *info) { // too many for an integer, if it is up to the user
    double count = 1;
    for (uint32_t i = 0; i < info->rank; i++) count *= info->extent[i];
    return count;
}

// The first values of another array of the same shape, times a number: `weight W[post, pre] = -down.W`.
static bool copies(Resolver *r, const Value *start, const SymbolInfo *info, Initial *initial) {
    if (start->kind != VALUE_NUMBER || !start->rank) return false;
    ExprNode node = expr_node(r->store, start->expr);
    *initial = (Initial){.kind = INITIAL_COPY, .scale = 1, .span = start->span};
    if (node.kind == EXPR_MUL && node.count == 2)
        for (int i = 0; i < 2; i++)
            if (expr_get_const(r->store, node.argument[i], &initial->scale)) {
                node = expr_node(r->store, node.argument[1 - i]);
                break;
            }
    bool fits = node.kind == EXPR_ACCESS && start->rank == info->rank && node.count == info->rank;
    for (uint32_t i = 0; fits && i < info->rank; i++)
        fits = index_info(r->store, start->axis[i])->extent == info->extent[i] &&
               node.argument[i] == expr_index(r->store, start->axis[i]);
    initial->source = fits ? node.symbol : 0;
    return fits && model_array(r->model, node.symbol) && !symbol_info(r->store, node.symbol)->batched;
}

// What the options of a weight say.
typedef struct WeightOptions {
    bool zero_diagonal;
    Structure structure;
} WeightOptions;

static bool weight_option(Resolver *r, const SymbolInfo *info, const Scope *scope, const Ast *option,
                          WeightOptions *options) {
    if (is_structure(option)) return read_structure(r, info, scope, option, &options->structure);
    if (strcmp(option->name, "zero diagonal") != 0) {
        report(r, DIAG_E0212, option->span, "the option `%s` of a weight", option->name);
        diag_expected(r->diags, "`zero diagonal`, `sparse(p = …)`, `edges(\"file.csv\")`, or a weight without it");
        return false;
    }
    options->zero_diagonal = info->rank == 2 && info->extent[0] == info->extent[1];
    if (options->zero_diagonal) return true;
    report(r, DIAG_E0205, option->span, "the diagonal of what is no square matrix");
    diag_expected(r->diags,
                  "as many presynaptic as postsynaptic neurons, as in a connection of a population with itself");
    return false;
}

// In what an element begins with, i and j are its place: `weight W[post, pre] = exp(-abs(i - j)/5)`.
static Value element_value(Resolver *r, const Scope *scope, const Ast *written, const SymbolInfo *info, Index *axes) {
    static const char *const names[] = {"i", "j"};
    Scope inner = {.parent = scope, .description = scope->description};
    for (uint32_t k = 0; k < info->rank; k++) {
        axes[k] = index_new(r->store, arena_atom_z(r->arena, k < 2 ? names[k] : "k"), info->extent[k]);
        bool taken = false; // a parameter of that name wins
        for (uint32_t b = 0; k < 2 && b < scope->bindings.count; b++)
            taken |= strcmp(scope->bindings.items[b].name, names[k]) == 0;
        if (k < 2 && !taken)
            scope_bind(&inner, arena_atom_z(r->arena, names[k]),
                       value_expr(expr_index(r->store, axes[k]), UNIT_NONE, written->span));
    }
    Value value = elaborate(r, &inner, written);
    scope_free(&inner);
    return value;
}

// Of an expression over its place and parameters that are given, the values are known.
static bool place_values(Resolver *r, const Value *start, const Index *axes, const SymbolInfo *info, Initial *initial) {
    double number;
    if (start->kind != VALUE_NUMBER || start->rank || value_const(r, start, &number)) return false;
    uint64_t elements = (uint64_t)element_count(info);
    double *values = arena_new_array(r->arena, double, elements ? elements : 1);
    if (!model_known_values(r->model, start->expr, axes, info->rank, values)) return false;
    *initial = (Initial){.kind = INITIAL_CONSTANT, .values = values, .scale = 1, .span = start->span};
    initial->count = elements ? (uint32_t)elements : 1;
    return true;
}

// First values: as they are written, or those of the list of edges.
static bool weight_start(Resolver *r, const Scope *scope, const Ast *item, const SymbolInfo *info, Index *axes,
                         Structure *structure, Value *start) {
    const Ast *written = item->count > 1 ? item->child[1] : NULL;
    *start = written ? element_value(r, scope, written, info, axes) : value_number(r, 0, item->span);
    if (written && !structure->weighted) structure->values = NULL;
    if (!structure->values) return start->kind != VALUE_ERROR;
    start->unit = structure->unit;
    if (!written) return true;
    report(r, DIAG_E0203, written->span, "the weights of these edges are given twice");
    diag_note(r->diags, structure->option->span, "the list has a third column");
    diag_help(r->diags, "leave out one of them");
    return false;
}

static Initial weight_initial(Resolver *r, const Value *start, const Index *axes, const SymbolInfo *info,
                              const Structure *structure) {
    uint64_t elements = (uint64_t)element_count(info);
    Initial initial;
    if (structure->values)
        return (Initial){.kind = INITIAL_CONSTANT,
                         .values = structure->values,
                         .count = structure->count,
                         .scale = 1,
                         .span = structure->option->span};
    if (copies(r, start, info, &initial) || place_values(r, start, axes, info, &initial)) return initial;
    const char *kind = info->role == ROLE_WEIGHT ? "weight" : "parameter";
    return initial_from(r, start, elements, arena_format(r->arena, "the %s `%s`", kind, info->name));
}

// Given values of elements that are known to be there or not: what is left is a list, for which no mask is needed.
static void fold_mask(Resolver *r, Initial *initial, const Structure *structure) {
    bool known = structure->count > 1 && initial->kind == INITIAL_CONSTANT;
    for (uint32_t i = 0; known && i < structure->count; i++)
        known = structure->chance[i] == 0 || structure->chance[i] == 1;
    if (!known) return;
    double *values = arena_new_array(r->arena, double, structure->count);
    for (uint32_t i = 0; i < structure->count; i++)
        values[i] = structure->chance[i] == 0 ? 0 : initial->values[initial->count > 1 ? i : 0];
    initial->values = values;
    initial->count = structure->count;
}

static bool weight_shape(Resolver *r, const Scope *scope, const Ast *item, SymbolInfo *info) {
    const Ast *dims = item->child[0];
    const char *size = info->role == ROLE_WEIGHT ? "the size of a weight" : "the size of a parameter";
    if (!dims || dims->count > EXPR_MAX_RANK) return false;
    for (uint32_t i = 0; i < dims->count; i++, info->rank++)
        if (!constant_size(r, scope, dims->child[i], size, &info->extent[i])) return false;
    if (element_count(info) <= INT32_MAX) return true;
    report(r, DIAG_E0209, item->span, "the %s `%s` has %.0f elements",
           info->role == ROLE_WEIGHT ? "weight" : "parameter", info->name, element_count(info));
    diag_expected(r->diags, "at most %d", INT32_MAX);
    return false;
}

// A weight, or a parameter of each synapse, which nothing learns.
static void synapse_weight(Resolver *r, Connection *c, Scope *scope, const Ast *item) {
    SymbolInfo info = {.name = arena_format(r->arena, "%s.%s", c->name, item->name),
                       .role = item->flags & AST_FIXED ? ROLE_PARAMETER : ROLE_WEIGHT,
                       .span = item->name_span};
    WeightOptions options = {0};
    bool good = weight_shape(r, scope, item, &info);
    for (uint32_t i = 2; good && i < item->count; i++) good = weight_option(r, &info, scope, item->child[i], &options);
    Value start;
    Index axes[EXPR_MAX_RANK];
    good = weight_start(r, scope, item, &info, axes, &options.structure, &start) && good;
    if (!good) {
        scope_bind(scope, item->name, value_error());
        return;
    }
    info.unit = start.unit;
    Symbol mask = options.structure.option ? structure_mask(r, &info, &options.structure) : 0;
    Initial initial = weight_initial(r, &start, axes, &info, &options.structure);
    fold_mask(r, &initial, &options.structure);
    Symbol symbol = declare_array(r, info, initial);
    Array *array = &r->model->arrays.items[r->model->arrays.count - 1];
    array->zero_diagonal = options.zero_diagonal;
    array->mask = mask;
    if (info.role == ROLE_WEIGHT)
        vec_push(&c->weights, symbol);
    else
        vec_push(&c->parameters, symbol);
    scope_bind(scope, item->name, value_symbol(r, symbol, item->name_span));
}

// One number for all synapses of the connection.
static void synapse_parameter(Resolver *r, Connection *c, Scope *scope, const Ast *item) {
    Value value = elaborate(r, scope, item->child[0]);
    if (value.kind == VALUE_ERROR) {
        scope_bind(scope, item->name, value);
        return;
    }
    SymbolInfo info = {.name = arena_format(r->arena, "%s.%s", c->name, item->name),
                       .role = ROLE_PARAMETER,
                       .unit = value.unit,
                       .span = item->name_span};
    Symbol symbol = declare_array(r, info, initial_from(r, &value, 1, arena_format(r->arena, "`%s`", info.name)));
    vec_push(&c->parameters, symbol);
    scope_bind(scope, item->name, value_symbol(r, symbol, item->name_span));
}

// Whether a current reads outputs or states of the postsynaptic neuron; in a recurrent connection these are the
// source's.
static bool reads_target(const Resolver *r, const Connection *c, Expr current) {
    const Population *target = &r->model->populations.items[c->target];
    if (!c->from_external && c->source == c->target) return false;
    for (uint32_t i = 0; i < target->outputs.count; i++)
        if (expr_reads(r->store, current, target->outputs.items[i].symbol)) return true;
    for (uint32_t i = 0; i < target->states.count; i++)
        if (!target->states.items[i].moved && expr_reads(r->store, current, target->states.items[i].symbol))
            return true;
    return false;
}

typedef struct CurrentReads {
    const Connection *connection; // whose own states it may read
    const Population *source;     // NULL: an external input
    const Population *target;     // whose states with equations of their own it may read
    Symbol foreign;               // the first array that does not come over this connection
} CurrentReads;

// Its states too, of which derive says that they are no messages.
static bool belongs_to(const Population *population, Symbol symbol) {
    for (uint32_t i = 0; population && i < population->outputs.count; i++)
        if (population->outputs.items[i].symbol == symbol) return true;
    for (uint32_t i = 0; population && i < population->states.count; i++)
        if (population->states.items[i].symbol == symbol) return true;
    return false;
}

static bool note_foreign(const ExprStore *store, Expr expr, void *context) {
    CurrentReads *reads = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS) return true;
    const SymbolInfo *info = symbol_info(store, node.symbol);
    bool known = belongs_to(reads->source, node.symbol) || model_moved_state(reads->target, node.symbol);
    for (uint32_t i = 0; i < reads->connection->states.count; i++)
        known |= reads->connection->states.items[i] == node.symbol;
    if (info->batched && info->role != ROLE_INPUT && !known && !reads->foreign) reads->foreign = node.symbol;
    return true;
}

// No error flows back to a third population along a connection: what samples differ in comes from the source.
static bool reads_foreign(Resolver *r, const Connection *c, Expr current, Span span) {
    CurrentReads reads = {.connection = c, .target = &r->model->populations.items[c->target]};
    if (!c->from_external) reads.source = &r->model->populations.items[c->source];
    expr_visit(r->store, current, note_foreign, &reads);
    if (!reads.foreign) return false;
    report(r, DIAG_E0307, span, "a current that reads `%s`, which does not come over this connection",
           symbol_info(r->store, reads.foreign)->name);
    diag_expected(r->diags, "outputs of the source, external inputs, weights and parameters");
    return true;
}

static void synapse_current(Resolver *r, Connection *c, const Scope *scope, const Ast *item) {
    Population *target = &r->model->populations.items[c->target];
    Value value = elaborate(r, scope, item->child[0]);
    if (!require_number(r, &value, "a current")) return;
    bool per_neuron = value.rank == 1
                          ? index_info(r->store, value.axis[0])->extent == target->size
                          : value.rank == 0 && (target->size == 1 || expr_has_index(r->store, value.expr, target->own));
    if (!per_neuron) {
        report(r, DIAG_E0205, item->child[0]->span, "a current of shape %s into `%s`, which has the shape [%u]",
               shape_text(r, &value), target->name, target->size);
        diag_expected(r->diags, "one number per postsynaptic neuron: [%u]", target->size);
        return;
    }
    if (reads_target(r, c, value.expr)) {
        report(r, DIAG_E0212, item->span, "a current that reads its own target, `%s`", target->name);
        diag_expected(r->diags, "a current of what the source sends, as in `W @ pre.r`");
        return;
    }
    if (reads_foreign(r, c, value.expr, item->span)) return;
    Expr current = value_at_axes(r, &value, &target->own);
    expr_set_span(r->store, current, item->span);
    c->current = current;
    Port *port = &target->ports.items[c->port];
    Value have = value_expr(0, symbol_info(r->store, port->symbol)->unit, port->span);
    if (port->unit_known) {
        same_unit(r, &have, &value, item->child[0]->span, "currents into one input are");
    } else if (!value.open_unit) {
        symbol_edit(r->store, port->symbol)->unit = value.unit;
        port->unit_known = true;
    }
}

// Whether nothing before it in the synapse has its name, or is the current as well.
static bool is_new_item(Resolver *r, const Scope *scope, const Ast *synapse, uint32_t number) {
    const Ast *item = synapse->child[number];
    for (uint32_t i = 1; i < number; i++) {
        const Ast *other = synapse->child[i];
        if (item->kind == AST_CURRENT && other->kind == AST_CURRENT) {
            report(r, DIAG_E0203, item->span, "a second current in synapse `%s`", synapse->name);
            diag_note(r->diags, other->span, "the first one is here");
            diag_help(r->diags, "add the terms in one `current`");
            return false;
        }
        if (item->name && item->name == other->name) {
            report_twice(r, item->name, item->name_span, other->name_span, scope->description);
            return false;
        }
    }
    const Ast *parameters = synapse->child[0];
    for (uint32_t i = 0; item->name && i < parameters->count; i++) {
        if (parameters->child[i]->name != item->name) continue;
        report_twice(r, item->name, item->name_span, parameters->child[i]->span, scope->description);
        return false;
    }
    return true;
}

static void synapse_items(Resolver *r, Connection *c, Scope *scope, const Ast *synapse) {
    uint32_t currents = 0;
    for (uint32_t i = 1; i < synapse->count; i++) {
        const Ast *item = synapse->child[i];
        if (!is_new_item(r, scope, synapse, i)) continue;
        currents += item->kind == AST_CURRENT;
        switch (item->kind) {
        case AST_WEIGHT: synapse_weight(r, c, scope, item); break;
        case AST_PARAMETER: synapse_parameter(r, c, scope, item); break;
        case AST_CURRENT: synapse_current(r, c, scope, item); break;
        case AST_LET: scope_bind(scope, item->name, elaborate(r, scope, item->child[0])); break;
        case AST_STATE: synapse_state(r, c, scope, item); break;
        case AST_PLASTICITY: synapse_plasticity(r, c, item); break;
        case AST_ON:
            if (item->name) {
                synapse_plasticity(r, c, item);
                break;
            }
            report(r, DIAG_E0212, item->span, "an event in a synapse");
            diag_expected(r->diags,
                          "`on end of presentation { W <- … }`, or an event in the neuron that it happens to");
            break;
        case AST_EQUATION:
        case AST_ASSIGN: break; // when all populations and connections are known
        default:
            report(r, DIAG_E0212, item->span, "`%s` in a synapse", ast_kind_name(item->kind));
            diag_expected(r->diags,
                          "`weight`, `param`, `state`, `current`, `let`, `plasticity` or an equation `d(e) = …`");
        }
    }
    if (!currents) {
        report(r, DIAG_E0211, synapse->name_span, "synapse `%s` delivers no current", synapse->name);
        diag_help(r->diags, "add `current W @ pre.r`");
    }
}

// The outputs of the source that the current reads: the messages that cross this connection.
static void find_messages(Resolver *r, Connection *c) {
    if (c->from_external || !c->current) return;
    const Population *source = &r->model->populations.items[c->source];
    for (uint32_t i = 0; i < source->outputs.count; i++)
        if (expr_reads(r->store, c->current, source->outputs.items[i].symbol))
            vec_push(&c->messages, source->outputs.items[i].symbol);
}

static void one_connection(Resolver *r, Scope *scope, const Ast *item, Atom name) {
    Ends ends;
    const Ast *synapse_ast = item->child[3],
              *named = synapse_ast->kind == AST_CALL ? synapse_ast->child[0] : synapse_ast;
    const Ast *synapse = network_declaration(r, AST_SYNAPSE, named, "synapse");
    if (!find_ends(r, scope, item->child[1], item->child[2], &ends) || !synapse) return;
    Connection c = {.name = name,
                    .source = ends.source.number,
                    .from_external = ends.source.object == OBJECT_EXTERNAL,
                    .target = ends.target,
                    .port = ends.port,
                    .span = item->span};
    Scope *inner = arena_new_object(r->arena, Scope), *ends_scope = arena_new_object(r->arena, Scope);
    Atom description = arena_format(r->arena, "synapse `%s`", synapse->name);
    *ends_scope = (Scope){.parent = &r->global, .description = description};
    *inner = (Scope){.parent = ends_scope, .description = description};
    Value pre = ends.source,
          post = {
              .kind = VALUE_OBJECT, .object = OBJECT_POPULATION, .number = ends.target, .span = item->child[2]->span};
    const Population *target = &r->model->populations.items[ends.target];
    // Bound before the arguments, so that defaults may speak of the ends; a parameter of the same name wins.
    scope_bind(ends_scope, arena_atom_z(r->arena, "pre"), pre);
    scope_bind(ends_scope, arena_atom_z(r->arena, "post"), post);
    scope_bind(ends_scope, arena_atom_z(r->arena, "i"),
               value_expr(expr_index(r->store, target->own), UNIT_NONE, item->span));
    scope_bind(ends_scope, arena_atom_z(r->arena, "dt"), *scope_find(scope, arena_atom_z(r->arena, "dt")));
    Span before = enter_use(r, item->span);
    bind_arguments(r, inner, scope, synapse, synapse_ast->kind == AST_CALL ? synapse_ast : NULL, 1);
    r->synapse = &c;
    synapse_items(r, &c, inner, synapse);
    r->synapse = NULL;
    leave_use(r, before);
    find_messages(r, &c);
    if (synapse_has_rules(synapse)) {
        vec_push(&r->synapses, (SynapseSource){inner, synapse, r->model->connections.count, item->span});
    } else {
        scope_free(inner);
        scope_free(ends_scope);
    }
    vec_push(&r->model->connections, c);
}

static bool connection_exists(Resolver *r, Atom name, const Ast *item) {
    for (uint32_t i = 0; i < r->model->connections.count; i++)
        if (r->model->connections.items[i].name == name) {
            report(r, DIAG_E0203, item->name_span, "the connection `%s` is declared twice", name);
            diag_note(r->diags, r->model->connections.items[i].span, "it was introduced here");
            return true;
        }
    return false;
}

static void connect_each(Resolver *r, Scope *scope, const Ast *item, const Ast *range, Atom variable) {
    double low, high;
    if (!constant_number(r, scope, range->child[0], "the start of a range", &low, NULL) ||
        !constant_number(r, scope, range->child[1], "the end of a range", &high, NULL))
        return;
    if (low != floor(low) || high != floor(high)) {
        report(r, DIAG_E0209, range->span, "the ends of a range must be whole numbers");
        diag_expected(r->diags, "a range of at most a million numbers, as in `0..3`");
        return;
    }
    if (fabs(low) > 1e15 || fabs(high) > 1e15 || high - low > 1e6) { // beyond, k + 1 may be k
        report(r, DIAG_E0209, range->span, "the range is too long, or its ends too large");
        diag_expected(r->diags, "a range of at most a million numbers between -1e15 and 1e15, as in `0..3`");
        return;
    }
    for (int64_t k = (int64_t)low; k <= (int64_t)high; k++) {
        Scope inner = {.parent = scope, .description = scope->description};
        Value value = value_number(r, (double)k, range->span);
        scope_bind(&inner, variable, value);
        double number;
        if (constant_number(r, &inner, item->child[0], "the number of a connection", &number, NULL)) {
            Atom name = arena_format(r->arena, "%s[%.0f]", item->name, number);
            if (!connection_exists(r, name, item)) one_connection(r, &inner, item, name);
        }
        scope_free(&inner);
    }
}

void resolve_connect(Resolver *r, Scope *scope, const Ast *item) {
    const Ast *loop = item->count > 4 ? item->child[4] : NULL;
    bool is_array = item->child[0] != NULL;
    Value object = {.kind = VALUE_OBJECT,
                    .object = OBJECT_CONNECTION,
                    .number = r->model->connections.count,
                    .span = item->name_span,
                    .array_base = is_array ? item->name : NULL};
    const Value *have = scope_find(scope, item->name);
    if (have && !(is_array && have->kind == VALUE_OBJECT && have->array_base == item->name)) {
        report_twice(r, item->name, item->name_span, have->span, scope->description);
        return;
    }
    if (loop && !is_array) {
        report(r, DIAG_E0202, item->span, "connections made in a loop need a number each");
        diag_help(r->diags, "write `connect %s[%s]: …`", item->name, loop->name);
        return;
    }
    if (loop) {
        connect_each(r, scope, item, loop->child[0], loop->name);
    } else {
        double number;
        Atom name = item->name;
        if (is_array) {
            if (!constant_number(r, scope, item->child[0], "the number of a connection", &number, NULL)) return;
            name = arena_format(r->arena, "%s[%.0f]", item->name, number);
            if (connection_exists(r, name, item)) return;
        }
        uint32_t before = r->model->connections.count;
        one_connection(r, scope, item, name);
        if (r->model->connections.count == before) object = value_error();
    }
    scope_bind(scope, item->name, object);
}
