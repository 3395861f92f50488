// Synapses with rules of their own: states with equations (eligibility traces), and plasticity that is written out.
// In both, pre.* is the message as it arrives and post.* this step's value; a synapse's own state is what it was before
// the step in equations, and what it is after in a plasticity, since weights change last.
#include "network.h"
#include <string.h>

bool synapse_has_rules(const Ast *synapse) {
    for (uint32_t i = 1; i < synapse->count; i++) {
        const Ast *item = synapse->child[i];
        if (item && (item->kind == AST_PLASTICITY || item->kind == AST_EQUATION || item->kind == AST_ASSIGN ||
                     item->kind == AST_ON))
            return true;
    }
    return false;
}

// The name on the left side of a rule: W of d(W) = … and of W <- …
static const Ast *left_name(const Ast *rule) {
    const Ast *left = rule->child[0];
    if (rule->kind == AST_EQUATION) left = left && left->kind == AST_CALL && left->count > 1 ? left->child[1] : NULL;
    return left && left->kind == AST_NAME ? left : NULL;
}

static Symbol named(Resolver *r, const Connection *c, const Ast *left) {
    return left ? symbol_find(r->store, arena_format(r->arena, "%s.%s", c->name, left->name)) : 0;
}

static bool is_among(const Symbol *symbols, uint32_t count, Symbol symbol) {
    for (uint32_t i = 0; i < count; i++)
        if (symbol && symbols[i] == symbol) return true;
    return false;
}

// Before the rules are worked out: `learn all` passes over such weights.
void synapse_plasticity(Resolver *r, Connection *c, const Ast *item) {
    uint32_t rules = item->kind == AST_ON ? item->count : 1;
    for (uint32_t i = 0; i < rules; i++) {
        Symbol symbol = item->child[i] ? named(r, c, left_name(item->child[i])) : 0;
        if (is_among(c->weights.items, c->weights.count, symbol)) vec_push(&c->plastic, symbol);
    }
}

void synapse_state(Resolver *r, Connection *c, Scope *scope, const Ast *item) {
    SymbolInfo info = {.name = arena_format(r->arena, "%s.%s", c->name, item->name),
                       .role = ROLE_STATE,
                       .batched = true,
                       .span = item->name_span};
    const Ast *sizes = item->count > 1 ? item->child[1] : NULL;
    bool good = !sizes || sizes->count <= EXPR_MAX_RANK;
    uint64_t elements = 1;
    for (uint32_t i = 0; sizes && good && i < sizes->count; i++, info.rank++) {
        good = constant_size(r, scope, sizes->child[i], "the size of a state", &info.extent[i]);
        elements *= info.extent[i];
    }
    if (good && (!sizes || elements > INT32_MAX)) {
        report(r, DIAG_E0209, item->span, sizes ? "too large a state" : "a state of a synapse without a size");
        diag_expected(r->diags, "its axes, as in `state %s[post, pre] = 0`", item->name);
        good = false;
    }
    Value start = elaborate(r, scope, item->child[0]);
    if (!good || start.kind == VALUE_ERROR) {
        scope_bind(scope, item->name, value_error());
        return;
    }
    info.unit = start.unit;
    Initial initial = initial_from(r, &start, elements, arena_format(r->arena, "the start of `%s`", item->name));
    Symbol symbol = declare_array(r, info, initial);
    vec_push(&c->states, symbol);
    Value value = value_symbol(r, symbol, item->name_span);
    value.moves = true;
    scope_bind(scope, item->name, value);
}

// ---- Rules, when everything else is known ---------------------------------------------------------------------------

// A value that fills an array: of its shape, or one number for all of it.
static bool fill_shape(Resolver *r, Value *value, Symbol symbol, Span span) {
    SymbolInfo info = *symbol_info(r->store, symbol);
    Index axes[EXPR_MAX_RANK];
    bool fits = !value->rank || value->rank == info.rank;
    for (uint32_t i = 0; fits && i < value->rank; i++)
        fits = index_info(r->store, value->axis[i])->extent == info.extent[i];
    if (!fits) {
        Value whole = value_symbol(r, symbol, span);
        report(r, DIAG_E0205, span, "a rule of shape %s for `%s`, which has the shape %s", shape_text(r, value),
               info.name, shape_text(r, &whole));
        diag_expected(r->diags, "one number per element, as in `outer(post.r, pre.r)`");
        return false;
    }
    model_axes(r->store, symbol, axes);
    value->expr = value_at_axes(r, value, axes);
    return true;
}

// i and j are the first two axes of what a rule changes: `post.r[i] * (pre.r[j] - post.r[i]*W[i, j])`.
static void bind_indices(Resolver *r, Scope *scope, Symbol symbol) {
    static const char *const names[] = {"i", "j"};
    Index axes[EXPR_MAX_RANK];
    uint32_t rank = symbol_info(r->store, symbol)->rank;
    model_axes(r->store, symbol, axes);
    for (uint32_t k = 0; k < rank && k < 2; k++)
        scope_bind(scope, arena_atom_z(r->arena, names[k]),
                   value_expr(expr_index(r->store, axes[k]), UNIT_NONE, symbol_info(r->store, symbol)->span));
}

typedef struct RuleReads {
    Atom source, target, own;
    Symbol foreign;
} RuleReads;

static bool is_of(Atom owner, Atom name) {
    size_t length = owner ? strlen(owner) : 0;
    return length && strncmp(name, owner, length) == 0 && name[length] == '.';
}

static bool note_foreign(const ExprStore *store, Expr expr, void *context) {
    RuleReads *reads = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS || reads->foreign) return true;
    const SymbolInfo *info = symbol_info(store, node.symbol);
    if (!info->batched || info->role == ROLE_INPUT) return true;
    bool known = is_of(reads->own, info->name) || is_of(reads->target, info->name) || is_of(reads->source, info->name);
    if (!known) reads->foreign = node.symbol;
    return true;
}

// A rule is local: it knows the two ends, the synapse itself, and external inputs (a reward that all are told).
static bool reads_foreign(Resolver *r, const Connection *c, Expr value, Span span) {
    const Model *m = r->model;
    RuleReads reads = {.source = c->from_external ? NULL : m->populations.items[c->source].name,
                       .target = m->populations.items[c->target].name,
                       .own = c->name};
    expr_visit(r->store, value, note_foreign, &reads);
    if (!reads.foreign) return false;
    report(r, DIAG_E0307, span, "a rule that reads `%s`, which is at neither end of its connection",
           symbol_info(r->store, reads.foreign)->name);
    diag_expected(r->diags, "`pre.…`, `post.…`, states and weights of the synapse, external inputs");
    return true;
}

// The right side of a rule for `symbol`, at its own axes, in its unit (per time).
static bool right_side(Resolver *r, const SynapseSource *source, const Ast *rule, Symbol symbol, Value *value) {
    Scope inner = {.parent = source->scope, .description = source->scope->description};
    bind_indices(r, &inner, symbol);
    *value = elaborate(r, &inner, rule->child[1]);
    scope_free(&inner);
    if (!require_number(r, value, "the right side")) return false;
    if (!fill_shape(r, value, symbol, rule->child[1]->span)) return false;
    bool rate = rule->kind == AST_EQUATION;
    Unit unit = symbol_info(r->store, symbol)->unit;
    if (rate) unit = unit_multiply(unit, unit_power(r->model->time_unit, -1));
    Value left = value_expr(0, unit, rule->child[0]->span);
    if (!same_unit(r, &left, value, rule->span,
                   rate ? "a rate of change and its equation have" : "an array and what it becomes have"))
        return false;
    expr_set_span(r->store, value->expr, rule->span);
    return !reads_foreign(r, &r->model->connections.items[source->connection], value->expr, rule->child[1]->span);
}

// An array beside that of a rule: w.rate_W.
static Symbol beside(Resolver *r, const Connection *c, Symbol symbol, const char *prefix, bool per_time) {
    SymbolInfo info = *symbol_info(r->store, symbol);
    info.name = arena_format(r->arena, "%s.%s_%s", c->name, prefix, info.name + strlen(c->name) + 1);
    info.role = ROLE_SIGNAL;
    if (per_time) info.unit = unit_multiply(info.unit, unit_power(r->model->time_unit, -1));
    return symbol_new(r->store, info);
}

static void one_motion(Resolver *r, const SynapseSource *source, const Ast *rule) {
    Connection *c = &r->model->connections.items[source->connection];
    const Ast *left = left_name(rule);
    Symbol symbol = named(r, c, left);
    for (uint32_t i = 1; left && i < source->synapse->count; i++) // refused when it was declared
        if (!symbol && source->synapse->child[i] && source->synapse->child[i]->kind == AST_STATE &&
            source->synapse->child[i]->name == left->name)
            return;
    if (!is_among(c->states.items, c->states.count, symbol)) {
        report(r, DIAG_E0202, rule->child[0]->span, "this names no state of the synapse");
        diag_expected(r->diags, "a `state` declared in it; weights change by `plasticity d(W) = …`");
        return;
    }
    for (uint32_t i = 0; i < c->motions.count; i++) {
        if (c->motions.items[i].state != symbol) continue;
        report(r, DIAG_E0203, rule->span, "a second equation for `%s`", left->name);
        diag_note(r->diags, c->motions.items[i].span, "the first one is here");
        diag_help(r->diags, "add the terms in one equation");
        return;
    }
    Value value;
    if (!right_side(r, source, rule, symbol, &value)) return;
    Motion motion = {.state = symbol, .value = value.expr, .integrator = r->model->integrator, .span = rule->span};
    if (rule->kind == AST_EQUATION) motion.rate = beside(r, c, symbol, "rate", true);
    if (rule->name && strcmp(rule->name, "exponential") == 0) motion.integrator = INTEGRATOR_EXPONENTIAL;
    vec_push(&r->model->connections.items[source->connection].motions, motion);
}

static bool reads_samples(const ExprStore *store, Expr expr, void *context) {
    ExprNode node = expr_node(store, expr);
    if (node.kind == EXPR_ACCESS && symbol_info(store, node.symbol)->batched) *(bool *)context = true;
    return true;
}

// The terms of a sum in which samples differ, whose mean over the batch is taken, and the others.
static void split_samples(Resolver *r, Expr value, Expr *samples, Expr *rest) {
    ExprNode node = expr_node(r->store, value);
    const Expr *terms = node.kind == EXPR_ADD ? node.argument : &value;
    uint32_t count = node.kind == EXPR_ADD ? node.count : 1;
    *samples = *rest = expr_const(r->store, 0);
    for (uint32_t i = 0; i < count; i++) {
        bool per_sample = false;
        expr_visit(r->store, terms[i], reads_samples, &per_sample);
        Expr *part = per_sample ? samples : rest;
        *part = expr_add(r->store, *part, terms[i]);
    }
}

// The rule that acts in these steps: all plasticities of the same steps are one.
static LearnRule *rule_of(Resolver *r, LearnRule wanted) {
    Model *m = r->model;
    for (uint32_t i = 0; i < m->learn.count; i++) {
        LearnRule *rule = &m->learn.items[i];
        if (rule->written_out && rule->from == wanted.from && rule->until == wanted.until &&
            rule->stages == wanted.stages && rule->end == wanted.end)
            return rule;
    }
    enum { MOST_RULES = 64 }; // one bit each in what a step is told
    if (m->learn.count == MOST_RULES) {
        report(r, DIAG_E0212, wanted.span, "more than %d `learn` statements and spans of plasticity", MOST_RULES);
        return NULL;
    }
    wanted.written_out = true;
    vec_push(&m->learn, wanted);
    return &m->learn.items[m->learn.count - 1];
}

static void clamp_weight(Resolver *r, const SynapseSource *source, const Ast *option, Symbol symbol) {
    Value bounds[2];
    double number[2];
    for (int i = 0; i < 2; i++) {
        Unit unit;
        if (!constant_number(r, source->scope, option->child[i], i ? "the upper bound" : "the lower bound", &number[i],
                             &unit))
            return;
        bounds[i] = value_expr(0, unit, option->child[i]->span);
        bounds[i].any_unit = number[i] == 0;
        Value own = value_expr(0, symbol_info(r->store, symbol)->unit, option->span);
        if (!same_unit(r, &own, &bounds[i], option->span, "a weight and its bound in")) return;
    }
    if (!(number[0] <= number[1])) {
        report(r, DIAG_E0216, option->span, "an empty range");
        diag_expected(r->diags, "the lower bound first");
        return;
    }
    for (uint32_t a = 0; a < r->model->arrays.count; a++) {
        Array *array = &r->model->arrays.items[a];
        if (array->symbol != symbol) continue;
        array->clamped = true;
        array->low = number[0];
        array->high = number[1];
    }
}

static bool plasticity_options(Resolver *r, const SynapseSource *source, const Ast *item, Symbol symbol, int64_t *from,
                               int64_t *until) {
    for (uint32_t i = 1; i < item->count; i++) {
        const Ast *option = item->child[i];
        bool in_steps = option->flags & AST_STEP;
        if (option->kind == AST_FROM)
            constant_steps(r, source->scope, option->child[0], in_steps, "the start of learning", from);
        if (option->kind == AST_UNTIL)
            constant_steps(r, source->scope, option->child[0], in_steps, "the end of learning", until);
        if (option->kind == AST_CLAMP) clamp_weight(r, source, option, symbol);
    }
    if (*until >= *from) return true;
    report(r, DIAG_E0216, item->span, "learning ends before it begins");
    diag_expected(r->diags, "`from` a step or time before that of `until`");
    return false;
}

static void change_by(Resolver *r, const Connection *c, LearnRule *rule, Symbol symbol, const Ast *written,
                      Expr value) {
    Expr before = model_element(r->store, symbol, VERSION_OLD);
    vec_push(&rule->targets, symbol);
    if (written->kind == AST_EQUATION) {
        Symbol rate = beside(r, c, symbol, "rate", true);
        Expr step = expr_mul(r->store, expr_const(r->store, r->model->dt), model_element(r->store, rate, VERSION_NEW));
        vec_push(&rule->assignments, (Assignment){rate, value, written->span});
        vec_push(&rule->assignments, (Assignment){symbol, expr_add(r->store, before, step), written->span});
        return;
    }
    Expr samples, rest;
    split_samples(r, value, &samples, &rest);
    if (!expr_is_const(r->store, samples, 0)) {
        Symbol mean = beside(r, c, symbol, "change", false);
        vec_push(&rule->assignments, (Assignment){mean, samples, written->span});
        rest = expr_add(r->store, rest, model_element(r->store, mean, VERSION_NEW));
    }
    vec_push(&rule->assignments, (Assignment){symbol, rest, written->span});
}

// `written`: the equation or assignment of a `plasticity`, or one of an `on end of …`.
static void one_plasticity(Resolver *r, const SynapseSource *source, const Ast *item, const Ast *written) {
    const Connection *c = &r->model->connections.items[source->connection];
    const Ast *left = left_name(written);
    Symbol symbol = named(r, c, left);
    if (!is_among(c->weights.items, c->weights.count, symbol)) {
        bool state = is_among(c->states.items, c->states.count, symbol);
        report(r, DIAG_E0202, written->child[0]->span, "this names no weight of the synapse");
        diag_expected(r->diags, "a `weight` declared in it%s",
                      state                  ? ""
                      : item->kind == AST_ON ? ", as in `W <- …`"
                                             : ", as in `plasticity d(W) = …`");
        if (state && item->kind != AST_ON)
            diag_help(r->diags, "a state changes by an equation: leave out `plasticity`");
        return;
    }
    for (uint32_t i = 0; i < r->model->learn.count; i++)
        if (is_among(r->model->learn.items[i].targets.items, r->model->learn.items[i].targets.count, symbol)) {
            report(r, DIAG_E0203, item->span, "a second plasticity for `%s`", left->name);
            diag_help(r->diags, "add the terms in one rule");
            return;
        }
    Value value;
    LearnRule wanted = {.until = INT64_MAX,
                        .stages = stages_that_learn(r, symbol_info(r->store, symbol)->name),
                        .end = item->kind == AST_ON ? (int)end_kind(item) : -1,
                        .span = item->span};
    if (!right_side(r, source, written, symbol, &value)) return;
    if (item->kind == AST_PLASTICITY && !plasticity_options(r, source, item, symbol, &wanted.from, &wanted.until))
        return;
    LearnRule *rule = rule_of(r, wanted);
    if (rule) change_by(r, c, rule, symbol, written, value.expr);
}

static void check_states_move(Resolver *r, const Connection *c) {
    for (uint32_t i = 0; i < c->states.count && !diag_error_count(r->diags); i++) {
        bool moved = false;
        for (uint32_t k = 0; k < c->motions.count; k++) moved |= c->motions.items[k].state == c->states.items[i];
        if (moved) continue;
        const SymbolInfo *info = symbol_info(r->store, c->states.items[i]);
        const char *member = info->name + strlen(c->name) + 1;
        report(r, DIAG_E0211, info->span, "nothing moves the state `%s`", member);
        diag_expected(r->diags, "an equation for it: `d(%s) = …`", member);
    }
}

static void one_synapse(Resolver *r, const SynapseSource *source) {
    Scope *ends = (Scope *)source->scope->parent;
    Atom post = arena_atom_z(r->arena, "post");
    Value end = *scope_find(ends, post);
    end.after = true;
    scope_bind(ends, post, end);
    for (uint32_t i = 1; i < source->synapse->count; i++) {
        const Ast *item = source->synapse->child[i];
        if (!item) continue;
        if (item->kind == AST_LET && !diag_error_count(r->diags))
            scope_bind(source->scope, item->name, elaborate(r, source->scope, item->child[0]));
        if (item->kind == AST_EQUATION || item->kind == AST_ASSIGN) one_motion(r, source, item);
        r->after = true;
        if (item->kind == AST_PLASTICITY) one_plasticity(r, source, item, item->child[0]);
        for (uint32_t k = 0; item->kind == AST_ON && item->name && k < item->count; k++)
            if (item->child[k]) one_plasticity(r, source, item, item->child[k]);
        r->after = false;
    }
    check_states_move(r, &r->model->connections.items[source->connection]);
}

void plasticity_finish(Resolver *r) {
    for (uint32_t i = 0; i < r->synapses.count; i++) {
        Span before = enter_use(r, r->synapses.items[i].use);
        r->synapse = &r->model->connections.items[r->synapses.items[i].connection];
        one_synapse(r, &r->synapses.items[i]);
        r->synapse = NULL;
        leave_use(r, before);
        scope_free((Scope *)r->synapses.items[i].scope->parent);
        scope_free(r->synapses.items[i].scope);
    }
    vec_free(&r->synapses);
    vec_free(&r->rounded);
}
