// The model as data: look-ups, axes of arrays, freeing, and the dump.
#include "model.h"
#include <string.h>

const Array *model_array(const Model *model, Symbol symbol) {
    for (uint32_t i = 0; i < model->arrays.count; i++)
        if (model->arrays.items[i].symbol == symbol) return &model->arrays.items[i];
    return NULL;
}

const State *model_moved_state(const Population *population, Symbol symbol) {
    for (uint32_t i = 0; i < population->states.count; i++)
        if (population->states.items[i].symbol == symbol && population->states.items[i].moved)
            return &population->states.items[i];
    return NULL;
}

void model_axes(ExprStore *store, Symbol symbol, Index *axes) {
    SymbolInfo info = *symbol_info(store, symbol);
    for (uint32_t i = 0; i < info.rank; i++) {
        uint32_t same = 0;
        for (uint32_t k = 0; k < i; k++) same += info.extent[k] == info.extent[i];
        axes[i] = index_shared(store, same, info.extent[i]);
    }
}

Expr model_element(ExprStore *store, Symbol symbol, ExprVersion version) {
    Index axes[EXPR_MAX_RANK];
    Expr at[EXPR_MAX_RANK];
    model_axes(store, symbol, axes);
    uint32_t rank = symbol_info(store, symbol)->rank;
    for (uint32_t i = 0; i < rank; i++) at[i] = expr_index(store, axes[i]);
    return expr_access(store, symbol, version, at, rank);
}

// A hidden array of the given shape with ones where its index equals `at` (a vector) or both are equal (a matrix).
static Symbol indicator(Model *model, uint32_t rank, uint32_t extent, uint32_t at) {
    Atom name = rank == 1 ? arena_format(model->arena, "unit#%u.%u", extent, at)
                          : arena_format(model->arena, "identity#%u", extent);
    Symbol known = symbol_find(model->store, name);
    if (known) return known;
    size_t count = rank == 1 ? extent : (size_t)extent * extent;
    double *values = arena_new_array(model->arena, double, count);
    for (uint32_t i = 0; i < extent; i++) values[rank == 1 ? i : (size_t)i * extent + i] = rank == 1 ? i == at : 1;
    SymbolInfo info = {.name = name, .role = ROLE_PARAMETER, .hidden = true, .rank = rank, .extent = {extent, extent}};
    Symbol symbol = symbol_new(model->store, info);
    Initial initial = {.kind = INITIAL_CONSTANT, .values = values, .count = (uint32_t)count, .scale = 1};
    vec_push(&model->arrays, (Array){.symbol = symbol, .initial = initial});
    return symbol;
}

static Expr lower_delta(ExprStore *store, Expr node, void *context) {
    ExprNode delta = expr_node(store, node);
    if (delta.kind != EXPR_DELTA) return node;
    double constant;
    for (int side = 0; side < 2; side++) {
        ExprNode index = expr_node(store, delta.argument[side]);
        if (index.kind != EXPR_INDEX || !expr_get_const(store, delta.argument[1 - side], &constant)) continue;
        uint32_t extent = index_info(store, index.index)->extent;
        return expr_access(store, indicator(context, 1, extent, (uint32_t)constant), VERSION_OLD, &delta.argument[side],
                           1);
    }
    ExprNode a = expr_node(store, delta.argument[0]), b = expr_node(store, delta.argument[1]);
    if (a.kind != EXPR_INDEX || b.kind != EXPR_INDEX) return node;
    uint32_t extent = index_info(store, a.index)->extent;
    if (extent != index_info(store, b.index)->extent || extent > 4096) return node;
    return expr_access(store, indicator(context, 2, extent, 0), VERSION_OLD, delta.argument, 2);
}

Expr model_lower_deltas(Model *model, Expr expr) { return expr_rewrite(model->store, expr, lower_delta, model); }

static void free_experiment(Experiment *e) {
    if (!e) return;
    for (uint32_t i = 0; i < e->sources.count; i++) vec_free(&e->sources.items[i]->arguments);
    vec_free(&e->sources);
    for (uint32_t i = 0; i < e->recordings.count; i++) vec_free(&e->recordings.items[i].names);
    vec_free(&e->data);
    vec_free(&e->feeds);
    vec_free(&e->stages);
    vec_free(&e->settings);
    vec_free(&e->scores);
    vec_free(&e->schedule);
    vec_free(&e->recordings);
}

void model_free(Model *model) {
    if (!model) return;
    for (uint32_t i = 0; i < model->populations.count; i++) {
        Population *p = &model->populations.items[i];
        vec_free(&p->states);
        vec_free(&p->ports);
        vec_free(&p->outputs);
        vec_free(&p->parameters);
        vec_free(&p->compartments);
        vec_free(&p->motions);
        vec_free(&p->events);
        vec_free(&p->couplings);
        vec_free(&p->delays);
        vec_free(&p->locals);
    }
    for (uint32_t i = 0; i < model->connections.count; i++) {
        vec_free(&model->connections.items[i].weights);
        vec_free(&model->connections.items[i].parameters);
        vec_free(&model->connections.items[i].feedback);
        vec_free(&model->connections.items[i].messages);
        vec_free(&model->connections.items[i].states);
        vec_free(&model->connections.items[i].motions);
        vec_free(&model->connections.items[i].plastic);
    }
    for (uint32_t i = 0; i < model->learn.count; i++) {
        vec_free(&model->learn.items[i].targets);
        vec_free(&model->learn.items[i].assignments);
        vec_free(&model->learn.items[i].gradients);
    }
    vec_free(&model->externals);
    vec_free(&model->populations);
    vec_free(&model->connections);
    vec_free(&model->learn);
    vec_free(&model->scalars);
    vec_free(&model->noises);
    vec_free(&model->arrays);
    vec_free(&model->late);
    free_experiment(model->experiment);
    expr_store_free(model->store);
    model->store = NULL;
}

static void dump_array(const Model *model, Symbol symbol, Text *out) {
    const SymbolInfo *info = symbol_info(model->store, symbol);
    const Array *array = model_array(model, symbol);
    text_addf(out, "  %s [", info->name);
    for (uint32_t i = 0; i < info->rank; i++) text_addf(out, "%s%u", i ? ", " : "", info->extent[i]);
    text_add(out, "] ");
    unit_print(info->unit, out);
    if (array) {
        const Initial *initial = &array->initial;
        static const char *const kinds[] = {"=",      "~ uniform", "~ normal", "~ uniform_int",
                                            "= load", "~ chance",  "= that of"};
        text_addf(out, " %s", kinds[initial->kind]);
        for (uint32_t i = 0; i < initial->count && i < 8; i++) {
            text_add(out, " ");
            text_add_number(out, initial->values[i]);
        }
        if (initial->count > 8) text_add(out, " …");
        if (initial->kind == INITIAL_FILE)
            text_addf(out, "(\"%s\")", initial->path);
        else if (initial->kind == INITIAL_COPY)
            text_addf(out, " %s", symbol_info(model->store, initial->source)->name);
        else if (initial->kind != INITIAL_CONSTANT && initial->kind != INITIAL_CHANCE) {
            text_add(out, "(");
            text_add_number(out, initial->a);
            text_add(out, ", ");
            text_add_number(out, initial->b);
            text_add(out, ")");
        }
        if (array->mask) text_addf(out, " where %s", symbol_info(model->store, array->mask)->name);
        if (array->clamped) {
            text_add(out, " clamp ");
            text_add_number(out, array->low);
            text_add(out, " .. ");
            text_add_number(out, array->high);
        }
    }
    text_add(out, "\n");
}

static void dump_expression(const Model *model, const char *label, Expr expr, Text *out) {
    if (!expr) return;
    text_addf(out, "  %s = ", label);
    expr_print(model->store, expr, EXPR_TEXT, out);
    text_add(out, "\n");
}

static void dump_motion(const Model *model, const Motion *motion, Text *out) {
    Symbol moved = motion->rate ? motion->rate : motion->state;
    dump_expression(model, symbol_info(model->store, moved)->name, motion->value, out);
}

void model_dump(const Model *model, Text *out) {
    text_addf(out, "network %s: dt = ", model->name);
    text_add_number(out, model->dt);
    text_addf(out, ", dynamics %s, order %s\n", principle_name(model->dynamics.principle), order_name(model->order));
    for (uint32_t i = 0; i < model->externals.count; i++) dump_array(model, model->externals.items[i].symbol, out);
    for (uint32_t i = 0; i < model->populations.count; i++) {
        const Population *p = &model->populations.items[i];
        text_addf(out, "population %s = %s[%u], gamma ", p->name, p->neuron->name, p->size);
        text_add_number(out, p->gamma);
        text_add(out, "\n");
        for (uint32_t k = 0; k < p->parameters.count; k++) dump_array(model, p->parameters.items[k], out);
        for (uint32_t k = 0; k < p->states.count; k++) dump_array(model, p->states.items[k].symbol, out);
        for (uint32_t k = 0; k < p->outputs.count; k++) {
            dump_array(model, p->outputs.items[k].symbol, out);
            dump_expression(model, p->outputs.items[k].member, p->outputs.items[k].value, out);
        }
        dump_expression(model, "energy", p->energy, out);
        for (uint32_t k = 0; k < p->motions.count; k++) dump_motion(model, &p->motions.items[k], out);
        for (uint32_t k = 0; k < p->events.count; k++) {
            dump_expression(model, "on", p->events.items[k].condition, out);
            dump_expression(model, symbol_info(model->store, p->events.items[k].state)->name, p->events.items[k].value,
                            out);
        }
        for (uint32_t k = 0; k < p->couplings.count; k++)
            dump_expression(
                model,
                arena_format(model->arena, "coupling into %s", p->ports.items[p->couplings.items[k].port].member),
                p->couplings.items[k].value, out);
    }
    for (uint32_t i = 0; i < model->connections.count; i++) {
        const Connection *c = &model->connections.items[i];
        text_addf(out, "connection %s: %s -> %s\n", c->name,
                  c->from_external ? model->externals.items[c->source].name : model->populations.items[c->source].name,
                  model->populations.items[c->target].name);
        for (uint32_t k = 0; k < c->weights.count; k++) dump_array(model, c->weights.items[k], out);
        for (uint32_t k = 0; k < c->parameters.count; k++) dump_array(model, c->parameters.items[k], out);
        dump_expression(model, "current", c->current, out);
        for (uint32_t k = 0; k < c->states.count; k++) dump_array(model, c->states.items[k], out);
        for (uint32_t k = 0; k < c->motions.count; k++) dump_motion(model, &c->motions.items[k], out);
    }
    if (model->cost) dump_expression(model, "cost", model->cost, out);
    for (uint32_t i = 0; i < model->learn.count; i++) {
        const LearnRule *rule = &model->learn.items[i];
        if (rule->written_out)
            text_addf(out, "plasticity, %u parameters\n", rule->targets.count);
        else
            text_addf(out, "learn by %s, %u parameters\n", rule->optimiser, rule->targets.count);
        for (uint32_t k = 0; k < rule->assignments.count; k++)
            dump_expression(model, symbol_info(model->store, rule->assignments.items[k].symbol)->name,
                            rule->assignments.items[k].value, out);
    }
}
