// Neurons by explicit equations: compartments, `d(u) = …`, `u <- …`, `couple`, and operators on the states that these
// move (semantics: a plain state means its value after the step in outputs and energies, before it elsewhere).
#include "network.h"
#include <math.h>
#include <string.h>

// ---- What moves which state -----------------------------------------------------------------------------------------

static bool declares_state(const Ast *const *items, uint32_t count, Atom name) {
    for (uint32_t i = 0; i < count; i++)
        if (items[i] && items[i]->kind == AST_STATE && items[i]->name == name) return true;
    return false;
}

// The state that the left side of an equation or assignment names, as it stands in `compartment` (or NULL).
static Atom moved_member(Resolver *r, const Ast *item, const Compartment *compartment) {
    const Ast *left = item->child[0];
    if (item->kind == AST_EQUATION) left = left && left->kind == AST_CALL && left->count > 1 ? left->child[1] : NULL;
    if (!left) return NULL;
    if (left->kind == AST_MEMBER && left->child[0]->kind == AST_NAME)
        return neuron_member_name(r, left->child[0]->name, left->name);
    if (left->kind != AST_NAME) return NULL;
    const Ast *own = compartment ? compartment->item : NULL;
    bool inside = own && declares_state((const Ast *const *)own->child, own->count, left->name);
    return neuron_member_name(r, inside ? compartment->name : NULL, left->name);
}

static bool report_second(Resolver *r, const NeuronBuild *b, const Mover *mover) {
    for (uint32_t i = 0; mover->member && i < b->movers.count; i++) {
        const Mover *other = &b->movers.items[i];
        if (other->member != mover->member) continue;
        report(r, DIAG_E0203, mover->item->span, "a second equation for `%s`", mover->member);
        diag_note(r->diags, other->item->span, "the first one is here");
        diag_help(r->diags, "add the terms in one equation");
        return true;
    }
    return false;
}

static void scan_item(Resolver *r, NeuronBuild *b, const Ast *item, uint32_t compartment) {
    if (!item || (item->kind != AST_EQUATION && item->kind != AST_ASSIGN)) return;
    const Compartment *own = compartment < b->compartments.count ? &b->compartments.items[compartment] : NULL;
    Mover mover = {
        .item = item, .compartment = own, .member = moved_member(r, item, own), .scope = own ? own->scope : b->scope};
    if (!report_second(r, b, &mover)) vec_push(&b->movers, mover);
}

static void scan_event(Resolver *r, NeuronBuild *b, const Ast *item) {
    for (uint32_t i = item && item->name ? 0 : 1; item && item->kind == AST_ON && i < item->count; i++)
        if (item->child[i])
            vec_push(&b->happenings, (Happening){item, item->child[i], moved_member(r, item->child[i], NULL)});
}

void explicit_scan(Resolver *r, NeuronBuild *b) {
    for (uint32_t i = 1; i < b->neuron->count; i++) {
        const Ast *item = b->neuron->child[i];
        if (!item || item->kind != AST_COMPARTMENT) continue;
        Scope *scope = arena_new_object(r->arena, Scope);
        *scope = (Scope){.parent = b->scope, .description = b->scope->description};
        vec_push(&b->compartments, (Compartment){item->name, item, scope});
    }
    uint32_t number = 0;
    for (uint32_t i = 1; i < b->neuron->count; i++) {
        const Ast *item = b->neuron->child[i];
        scan_item(r, b, item, UINT32_MAX);
        scan_event(r, b, item);
        if (!item || item->kind != AST_COMPARTMENT) continue;
        for (uint32_t k = 0; k < item->count; k++) scan_item(r, b, item->child[k], number);
        number++;
    }
}

const Mover *explicit_mover(const NeuronBuild *b, Atom member) {
    for (uint32_t i = 0; i < b->movers.count; i++)
        if (b->movers.items[i].member == member) return &b->movers.items[i];
    return NULL;
}

bool explicit_moves(const NeuronBuild *b, Atom member) {
    for (uint32_t i = 0; i < b->happenings.count; i++)
        if (b->happenings.items[i].member == member) return true;
    return explicit_mover(b, member) != NULL;
}

bool explicit_is_written(const Ast *neuron) {
    for (uint32_t i = 1; i < neuron->count; i++) {
        const Ast *item = neuron->child[i];
        if (item && (item->kind == AST_EQUATION || item->kind == AST_ASSIGN || item->kind == AST_COMPARTMENT ||
                     item->kind == AST_ON))
            return true;
    }
    return false;
}

bool is_explicit(const NeuronBuild *b) { return b->movers.count || b->compartments.count || b->happenings.count; }

// ---- Compartments ---------------------------------------------------------------------------------------------------

static bool is_declared(Resolver *r, const NeuronBuild *b, const Compartment *c) {
    for (const Compartment *other = b->compartments.items; other < c; other++) {
        if (other->name != c->name) continue;
        report_twice(r, c->name, c->item->name_span, other->item->name_span, b->scope->description);
        return true;
    }
    const Value *have = NULL;
    for (uint32_t i = 0; i < b->scope->bindings.count; i++)
        if (b->scope->bindings.items[i].name == c->name) have = &b->scope->bindings.items[i].value;
    if (!have) return false;
    report_twice(r, c->name, c->item->name_span, have->span, b->scope->description);
    return true;
}

static void compartment_declarations(Resolver *r, NeuronBuild *b, const Compartment *c) {
    for (uint32_t i = 0; i < c->item->count; i++) {
        const Ast *item = c->item->child[i];
        if (!item) continue;
        switch (item->kind) {
        case AST_STATE:
        case AST_INPUT: neuron_declaration(r, b, c->scope, c->name, item); break;
        case AST_LET:
            vec_push(&b->lets,
                     (LateLet){.item = item, .scope = c->scope, .member = neuron_member_name(r, c->name, item->name)});
            break;
        case AST_EQUATION:
        case AST_ASSIGN:
        case AST_OUTPUT: break;
        default:
            report(r, DIAG_E0212, item->span, "`%s` in a compartment", ast_kind_name(item->kind));
            diag_expected(r->diags, "`state`, `input`, `output`, `let` or an equation `d(v) = …`");
            diag_help(r->diags, "parameters, couplings and the energy belong to the neuron as a whole");
        }
    }
}

// All compartments are declared before what they hold is worked out, so that each may speak of any other.
void explicit_open(Resolver *r, NeuronBuild *b) {
    if (b->opened) return;
    b->opened = true;
    uint32_t lets = b->lets.count;
    for (uint32_t i = 0; i < b->compartments.count; i++) {
        const Compartment *c = &b->compartments.items[i];
        if (is_declared(r, b, c)) continue;
        scope_bind(b->scope, c->name,
                   (Value){.kind = VALUE_OBJECT,
                           .object = OBJECT_COMPARTMENT,
                           .number = i,
                           .compartment = c->name,
                           .span = c->item->name_span});
        vec_push(&b->population->compartments, c->name);
    }
    for (uint32_t i = 0; i < b->compartments.count; i++) compartment_declarations(r, b, &b->compartments.items[i]);
    for (uint32_t i = lets; i < b->lets.count; i++) explicit_let(r, b, i);
    for (uint32_t i = 0; i < b->compartments.count; i++) {
        const Compartment *c = &b->compartments.items[i];
        for (uint32_t k = 0; k < c->item->count; k++)
            if (c->item->child[k] && c->item->child[k]->kind == AST_OUTPUT)
                neuron_declaration(r, b, c->scope, c->name, c->item->child[k]);
    }
}

// Those before it in its compartment come first: it may read them.
void explicit_let(Resolver *r, NeuronBuild *b, uint32_t number) {
    if (b->lets.items[number].stage != LET_WAITING) return;
    for (uint32_t i = 0; i < number; i++)
        if (b->lets.items[i].scope == b->lets.items[number].scope) explicit_let(r, b, i);
    LateLet *let = &b->lets.items[number];
    if (let->stage != LET_WAITING) return;
    let->stage = LET_WORKING;
    bool after = r->after;
    r->after = false;
    Value value = elaborate(r, let->scope, let->item->child[0]);
    r->after = after;
    let = &b->lets.items[number];
    value.span = let->item->span;
    for (uint32_t i = 0; i < let->scope->bindings.count; i++)
        if (let->scope->bindings.items[i].name == let->item->name)
            report_twice(r, let->item->name, let->item->name_span, let->scope->bindings.items[i].value.span,
                         let->scope->description);
    scope_bind(let->scope, let->item->name, value);
    let->stage = LET_DONE;
    vec_push(&b->order, number);
    if (value.kind == VALUE_NUMBER && !value.rank)
        vec_push(&b->population->locals,
                 (Local){.member = let->member, .value = value.expr, .unit = value.unit, .open_unit = value.open_unit});
}

static Value report_circle(Resolver *r, const LateLet *let, Span span) {
    report(r, DIAG_E0305, span, "`%s` follows from itself within one step", let->member);
    diag_expected(r->diags, "potentials that can be computed one after the other");
    diag_note(r->diags, let->item->span, "it is declared here");
    diag_help(r->diags, "give one of the compartments a memory: `state v = 0` and `d(v) = …`");
    return value_error();
}

static void unknown_in_compartment(Resolver *r, const NeuronBuild *b, const Compartment *c, Atom member, Span span) {
    Vec(Atom) names = {0};
    Text list = {0};
    for (uint32_t i = 0; i < c->scope->bindings.count; i++) vec_push(&names, c->scope->bindings.items[i].name);
    for (uint32_t i = 0; i < b->lets.count; i++)
        if (b->lets.items[i].scope == c->scope && b->lets.items[i].stage != LET_DONE)
            vec_push(&names, b->lets.items[i].item->name);
    for (uint32_t i = 0; i < names.count; i++) text_addf(&list, "%s`%s.%s`", i ? ", " : "", c->name, names.items[i]);
    report(r, DIAG_E0201, span, "the compartment `%s` has no `%s`", c->name, member);
    if (names.count) diag_expected(r->diags, "%s", text_z(&list));
    suggest(r, member, names.items, names.count);
    vec_free(&names);
    text_free(&list);
}

// `apical.v` inside of the neuron.
Value compartment_member(Resolver *r, const Value *object, Atom member, Span span) {
    NeuronBuild *b = r->build;
    if (!b || object->number >= b->compartments.count) return value_error();
    Compartment c = b->compartments.items[object->number];
    for (uint32_t i = 0; i < b->lets.count; i++) {
        if (b->lets.items[i].scope != c.scope || b->lets.items[i].item->name != member) continue;
        if (b->lets.items[i].stage == LET_WORKING) return report_circle(r, &b->lets.items[i], span);
        explicit_let(r, b, i);
    }
    for (uint32_t i = 0; i < c.scope->bindings.count; i++) {
        if (c.scope->bindings.items[i].name != member) continue;
        Value value = c.scope->bindings.items[i].value;
        value.span = span;
        return state_value(r, value);
    }
    unknown_in_compartment(r, b, &c, member, span);
    return value_error();
}

// ---- Operators on signals -------------------------------------------------------------------------------------------

typedef struct StateSearch {
    const Population *population;
    const State *state; // the first one that has an equation or assignment of its own
    bool other;         // what has no value before the step: an input, a rate, an output of the energy
} StateSearch;

static bool note_state(const ExprStore *store, Expr expr, void *context) {
    StateSearch *search = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS) return true;
    const State *state = model_moved_state(search->population, node.symbol);
    if (state && !search->state) search->state = state;
    if (!state && symbol_info(store, node.symbol)->batched) search->other = true;
    return true;
}

static Expr before_rule(ExprStore *store, Expr node, void *context) {
    const Population *p = context;
    ExprNode n = expr_node(store, node);
    if (n.kind != EXPR_ACCESS || !model_moved_state(p, n.symbol)) return node;
    return expr_access(store, n.symbol, VERSION_OLD, n.argument, n.count);
}

static void report_operator(Resolver *r, ExprKind kind, const State *state, Span span) {
    static const char *const names[EXPR_KIND_COUNT] = {
        [EXPR_AHEAD] = "ahead", [EXPR_LOWPASS] = "lowpass", [EXPR_RATE] = "d", [EXPR_PREVIOUS] = "previous"};
    if (state)
        report(r, DIAG_E0212, span, "`%s` of this expression of `%s`, which has an equation of its own", names[kind],
               state->member);
    else
        report(r, DIAG_E0212, span, "`%s` in a neuron without an energy", names[kind]);
    if (kind == EXPR_LOWPASS)
        diag_help(r->diags, "write the filter out: `state s = 0` and `d(s) = (x - s)/tau`");
    else
        diag_expected(r->diags, "`%s` of a state alone%s", names[kind],
                      kind == EXPR_PREVIOUS ? ", or `delay(x, dt)`" : "");
}

// ahead, d, previous, … of what reads states with equations of their own: these are known, so nothing stays symbolic.
bool explicit_operator(Resolver *r, ExprKind kind, const Value *x, const Value *time, Span span, Value *result) {
    if (!r->build || (kind == EXPR_STOP)) return false;
    if (kind == EXPR_DELAY) return delay_line(r, x, time, span, result);
    StateSearch search = {.population = r->build->population};
    expr_visit(r->store, x->expr, note_state, &search);
    bool given = is_explicit(r->build) || !r->build->population->states.count; // else an energy is missing
    if (!search.state && given && !delay_by_energy(r->build) && search.other) {
        report_operator(r, kind, NULL, span);
        *result = value_error();
        return true;
    }
    if (!search.state) return false;
    *result = *x;
    result->span = span;
    result->any_unit = false;
    ExprNode node = expr_node(r->store, x->expr);
    bool plain = node.kind == EXPR_ACCESS && search.state->rate;
    Expr old = plain ? expr_access(r->store, node.symbol, VERSION_OLD, node.argument, node.count) : 0;
    Expr rate = plain ? expr_access(r->store, search.state->rate, VERSION_NEW, node.argument, node.count) : 0;
    if (kind == EXPR_AHEAD && plain) {
        result->expr = expr_add(r->store, old, expr_mul(r->store, time->expr, rate));
    } else if (kind == EXPR_RATE && plain) {
        result->expr = rate;
        result->unit = symbol_info(r->store, search.state->rate)->unit;
    } else if (kind == EXPR_PREVIOUS && !search.other) {
        result->expr = expr_rewrite(r->store, x->expr, before_rule, r->build->population);
    } else {
        report_operator(r, kind, search.state, span);
        *result = value_error();
        return true;
    }
    expr_set_span(r->store, result->expr, span);
    return true;
}

// ---- Noise ----------------------------------------------------------------------------------------------------------

// What is worked out twice, before and after the units of inputs are known, is one source.
static Symbol noise_symbol(Resolver *r, NeuronBuild *b, Span span) {
    for (uint32_t i = 0; i < b->noises.count; i++)
        if (b->noises.items[i].span.source == span.source && b->noises.items[i].span.begin == span.begin)
            return b->noises.items[i].symbol;
    const Population *p = b->population;
    Atom name = b->noises.count ? arena_format(r->arena, "%s.noise%u", p->name, b->noises.count + 1)
                                : arena_format(r->arena, "%s.noise", p->name);
    SymbolInfo info = {.name = name, .role = ROLE_INPUT, .batched = true, .rank = 1, .extent = {p->size}, .span = span};
    Symbol symbol = declare_array(r, info, initial_constant(r, 0));
    vec_push(&r->model->noises, symbol);
    vec_push(&b->noises, (NoiseSource){span, symbol});
    return symbol;
}

// noise(sigma): white noise whose integral over a time T has the deviation sigma*sqrt(T), held over a step.
Value make_noise(Resolver *r, const Builtin *self, Value *args, uint32_t count, Span span) {
    (void)self;
    (void)count;
    if (!r->build) {
        report(r, DIAG_E0212, span, "`noise` outside of a neuron");
        diag_expected(r->diags, "an equation, output or energy of a neuron, as in `d(u) = -u/tau + noise(sigma)`");
        return value_error();
    }
    if (!require_number(r, &args[0], "the strength of a noise")) return value_error();
    Expr own = expr_index(r->store, r->build->population->own);
    Expr drawn = expr_access(r->store, noise_symbol(r, r->build, span), VERSION_OLD, &own, 1);
    Expr scale = expr_const(r->store, 1 / sqrt(r->model->dt));
    Value result = args[0];
    result.expr = expr_mul_n(r->store, (Expr[]){args[0].expr, scale, drawn}, 3);
    result.unit = unit_multiply(args[0].unit, unit_power(r->model->time_unit, -0.5));
    result.span = span;
    expr_set_span(r->store, result.expr, span);
    return result;
}

// ---- Equations and couplings, when the units of inputs are known ----------------------------------------------------

static const State *find_state(const Population *p, Atom member) {
    for (uint32_t i = 0; member && i < p->states.count; i++)
        if (p->states.items[i].member == member) return &p->states.items[i];
    return NULL;
}

// A state that is declared, but was refused then.
static bool was_refused(const NeuronBuild *b, Atom member) {
    if (declares_state((const Ast *const *)b->neuron->child + 1, b->neuron->count - 1, member)) return true;
    for (uint32_t i = 0; i < b->compartments.count; i++) {
        const Compartment *c = &b->compartments.items[i];
        size_t length = strlen(c->name);
        for (uint32_t k = 0; k < c->item->count; k++)
            if (c->item->child[k] && c->item->child[k]->kind == AST_STATE && strncmp(member, c->name, length) == 0 &&
                member[length] == '.' && strcmp(member + length + 1, c->item->child[k]->name) == 0)
                return true;
    }
    return false;
}

static void report_no_state(Resolver *r, const NeuronBuild *b, const Ast *left, Atom member) {
    if (member && was_refused(b, member)) return;
    Vec(Atom) names = {0};
    Text list = {0};
    for (uint32_t i = 0; i < b->population->states.count; i++) {
        vec_push(&names, b->population->states.items[i].member);
        text_addf(&list, "%s`%s`", i ? ", " : "", names.items[i]);
    }
    if (member)
        report(r, DIAG_E0202, left->span, "`%s` is no state of this neuron", member);
    else
        report(r, DIAG_E0202, left->span, "this names no state");
    diag_expected(r->diags, "%s", names.count ? text_z(&list) : "a `state` declared in this neuron");
    if (member && !suggest(r, member, names.items, names.count))
        diag_help(r->diags, "declare it: `state %s = 0`", member);
    vec_free(&names);
    text_free(&list);
}

static IntegratorKind integrator_of(const Resolver *r, const Ast *item) {
    if (item->name && strcmp(item->name, "exponential") == 0) return INTEGRATOR_EXPONENTIAL;
    return r->model->integrator;
}

typedef struct SelfSearch {
    const State *state;
    bool found;
} SelfSearch;

static bool note_self(const ExprStore *store, Expr expr, void *context) {
    SelfSearch *search = context;
    ExprNode node = expr_node(store, expr);
    search->found |= node.kind == EXPR_ACCESS && node.version == VERSION_NEW &&
                     (node.symbol == search->state->symbol || node.symbol == search->state->rate);
    return !search->found;
}

// `d(u) = I - r` with an output r = tanh(u) of this step.
static bool follows_from_itself(Resolver *r, const State *state, Expr value, const Ast *item) {
    SelfSearch search = {.state = state};
    expr_visit(r->store, value, note_self, &search);
    if (!search.found) return false;
    report(r, DIAG_E0305, item->span, "the equation of `%s` reads what `%s` becomes in this very step", state->member,
           state->member);
    diag_expected(r->diags, "states, which in an equation are those before the step");
    diag_help(r->diags, "an output is that of this step: write the expression behind it, as in `tanh(%s)` or a `let`",
              state->member);
    return true;
}

static void one_motion(Resolver *r, NeuronBuild *b, const Mover *mover) {
    Population *p = b->population;
    const State *state = find_state(p, mover->member);
    if (!state) {
        report_no_state(r, b, mover->item->child[0], mover->member);
        return;
    }
    Value value = elaborate(r, mover->scope, mover->item->child[1]);
    if (!require_number(r, &value, "the right side")) return;
    bool rate = mover->item->kind == AST_EQUATION;
    Value left =
        value_expr(0, symbol_info(r->store, rate ? state->rate : state->symbol)->unit, mover->item->child[0]->span);
    if (!same_unit(r, &left, &value, mover->item->span,
                   rate ? "a rate of change and its equation have" : "a state and what it becomes have"))
        return;
    expr_set_span(r->store, value.expr, mover->item->span);
    if (follows_from_itself(r, state, value.expr, mover->item)) return;
    if (mover->item->name && expr_is_const(r->store, model_linear_part(r->store, value.expr, state->symbol), 0)) {
        report(r, DIAG_E0202, mover->item->span, "no term of this equation is linear in `%s`", state->member);
        diag_expected(r->diags, "a term such as `-%s/tau` that `exponential` can integrate exactly", mover->member);
        diag_help(r->diags, "leave out `, exponential`");
        return;
    }
    vec_push(&p->motions, (Motion){state->symbol, rate ? state->rate : 0, value.expr,
                                   rate ? integrator_of(r, mover->item) : INTEGRATOR_EULER, mover->item->span});
}

static void one_event(Resolver *r, NeuronBuild *b, const Happening *h) {
    Population *p = b->population;
    const State *state = find_state(p, h->member);
    if (!state) {
        report_no_state(r, b, h->assignment->child[0], h->member);
        return;
    }
    r->after = true;
    Value condition =
        h->on->name ? value_expr(end_of(r, h->on), UNIT_NONE, h->on->span) : elaborate(r, b->scope, h->on->child[0]);
    Value value = elaborate(r, b->scope, h->assignment->child[1]);
    r->after = false;
    if (!require_number(r, &condition, "a condition") || !require_number(r, &value, "what is assigned")) return;
    Value left = value_expr(0, symbol_info(r->store, state->symbol)->unit, h->assignment->child[0]->span);
    if (!same_unit(r, &left, &value, h->assignment->span, "a state and what it becomes have")) return;
    vec_push(&p->events, (Event){state->symbol, condition.expr, value.expr, h->assignment->span});
}

static const Compartment *coupled(Resolver *r, const NeuronBuild *b, const Ast *ast) {
    for (uint32_t i = 0; ast->kind == AST_NAME && i < b->compartments.count; i++)
        if (b->compartments.items[i].name == ast->name) return &b->compartments.items[i];
    report(r, DIAG_E0202, ast->span, "this is no compartment");
    Text list = {0};
    for (uint32_t i = 0; i < b->compartments.count; i++)
        text_addf(&list, "%s`%s`", i ? ", " : "", b->compartments.items[i].name);
    diag_expected(r->diags, "%s", b->compartments.count ? text_z(&list) : "two compartments of this neuron");
    text_free(&list);
    return NULL;
}

static Value potential_of(Resolver *r, const Compartment *c, const Ast *ast) {
    const Value *object = scope_find(c->scope->parent, c->name);
    return object && object->kind == VALUE_OBJECT
               ? compartment_member(r, object, arena_atom_z(r->arena, "v"), ast->span)
               : value_error();
}

// The only input of a compartment.
static bool coupled_port(Resolver *r, const NeuronBuild *b, const Compartment *c, const Ast *ast, uint32_t *port) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < b->port_scopes.count; i++)
        if (b->port_scopes.items[i] == c->scope) {
            *port = i;
            found++;
        }
    if (found == 1) return true;
    report(r, DIAG_E0202, ast->span, "the compartment `%s` has %s", c->name, found ? "several inputs" : "no input");
    diag_expected(r->diags, "one `input` in it, to which the coupling adds its current");
    return false;
}

static void one_coupling(Resolver *r, NeuronBuild *b, const Ast *item) {
    Population *p = b->population;
    const Compartment *from = coupled(r, b, item->child[0]), *to = from ? coupled(r, b, item->child[1]) : NULL;
    uint32_t port;
    if (!to || !coupled_port(r, b, to, item->child[1], &port)) return;
    Value strength = elaborate(r, b->scope, item->child[2]);
    Value difference =
        combine(r, EXPR_MUL, value_number(r, -1, item->span), potential_of(r, to, item->child[1]), item->span);
    difference = combine(r, EXPR_ADD, potential_of(r, from, item->child[0]), difference, item->span);
    Value current = combine(r, EXPR_MUL, strength, difference, item->span);
    if (!require_number(r, &current, "a coupling")) return;
    Port *own = &p->ports.items[port];
    Value have = value_expr(0, symbol_info(r->store, own->symbol)->unit, own->span);
    if (own->unit_known && !same_unit(r, &have, &current, item->span, "an input and a coupling into it have")) return;
    if (!own->unit_known && !current.open_unit) {
        symbol_edit(r->store, own->symbol)->unit = current.unit;
        own->unit_known = true;
    }
    vec_push(&p->couplings, (Coupling){port, current.expr, item->span});
}

// Whether input `to` follows from input `from` within the step.
static bool leads_to(Resolver *r, const Population *p, uint32_t from, uint32_t to, uint32_t depth) {
    for (uint32_t i = 0; depth && i < p->couplings.count; i++) {
        const Coupling *c = &p->couplings.items[i];
        if (!expr_reads(r->store, c->value, p->ports.items[from].symbol)) continue;
        if (c->port == to || leads_to(r, p, c->port, to, depth - 1)) return true;
    }
    return false;
}

static void check_couplings(Resolver *r, const NeuronBuild *b) {
    const Population *p = b->population;
    for (uint32_t i = 0; i < p->couplings.count; i++) {
        const Coupling *c = &p->couplings.items[i];
        if (!leads_to(r, p, c->port, c->port, p->ports.count)) continue;
        report(r, DIAG_E0305, c->span, "through this coupling `%s` follows from itself within one step",
               p->ports.items[c->port].member);
        diag_expected(r->diags, "a compartment with a memory at one end");
        diag_help(r->diags, "give it a `state v = 0` and an equation `d(v) = …` instead of `let v = …`");
        return;
    }
}

static void check_all_move(Resolver *r, const NeuronBuild *b) {
    const Population *p = b->population;
    for (uint32_t i = 0; is_explicit(b) && !diag_error_count(r->diags) && i < p->states.count; i++) {
        const State *state = &p->states.items[i];
        bool by_energy = false;
        for (uint32_t k = 1; k < b->neuron->count; k++)
            by_energy |= b->neuron->child[k] && b->neuron->child[k]->kind == AST_ENERGY;
        if (state->moved || by_energy) continue;
        const char *dot = strrchr(state->member, '.');
        report(r, DIAG_E0211, state->span, "nothing moves the state `%s`", state->member);
        diag_expected(r->diags, "an equation for it: `d(%s) = …`", dot ? dot + 1 : state->member);
        if (!dot) diag_help(r->diags, "what stays as it is, is a parameter: `param %s = …`", state->member);
        return;
    }
}

// With the units of inputs known, what was worked out without them is worked out again.
static void with_units(Resolver *r, NeuronBuild *b) {
    Vec(uint32_t) order = {0};
    for (uint32_t i = 0; i < b->order.count; i++) vec_push(&order, b->order.items[i]);
    b->population->locals.count = 0;
    for (uint32_t i = 0; i < order.count; i++) {
        LateLet *let = &b->lets.items[order.items[i]];
        Value value = elaborate(r, let->scope, let->item->child[0]);
        value.span = let->item->span;
        scope_bind(let->scope, let->item->name, value);
        if (value.kind != VALUE_NUMBER || value.rank) continue;
        vec_push(&b->population->locals,
                 (Local){.member = let->member, .value = value.expr, .unit = value.unit, .open_unit = value.open_unit});
    }
    vec_free(&order);
    neuron_outputs_again(r, b);
}

static void bind_ports(Resolver *r, const NeuronBuild *b) {
    const Population *p = b->population;
    for (uint32_t k = 0; k < p->ports.count; k++) {
        Scope *scope = b->port_scopes.items[k];
        const Port *port = &p->ports.items[k];
        const char *dot = strrchr(port->member, '.');
        Atom name = dot ? arena_atom_z(r->arena, dot + 1) : port->member;
        Value value = *scope_find(scope, name);
        value.unit = symbol_info(r->store, port->symbol)->unit;
        value.any_unit = value.open_unit = !port->unit_known;
        scope_bind(scope, name, value);
    }
}

void explicit_finish(Resolver *r, NeuronBuild *b) {
    for (uint32_t i = 1; i < b->neuron->count; i++)
        if (b->neuron->child[i] && b->neuron->child[i]->kind == AST_COUPLE) one_coupling(r, b, b->neuron->child[i]);
    check_couplings(r, b);
    bind_ports(r, b);
    if (is_explicit(b) && !diag_error_count(r->diags)) with_units(r, b);
    for (uint32_t i = 0; i < b->movers.count; i++) one_motion(r, b, &b->movers.items[i]);
    for (uint32_t i = 0; i < b->happenings.count; i++) one_event(r, b, &b->happenings.items[i]);
    check_all_move(r, b);
}

void explicit_free(NeuronBuild *b) {
    for (uint32_t i = 0; i < b->compartments.count; i++) scope_free(b->compartments.items[i].scope);
    scope_free(b->scope);
    vec_free(&b->compartments);
    vec_free(&b->lets);
    vec_free(&b->order);
    vec_free(&b->movers);
    vec_free(&b->happenings);
    vec_free(&b->noises);
    vec_free(&b->port_scopes);
}
