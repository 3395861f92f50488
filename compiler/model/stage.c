// Stages of an experiment, and what is set for a time: numbers that follow a schedule, inputs, states and parameters
// that are disturbed. Here they are read and checked; the runtime sets them.
#include "network.h"
#include <math.h>
#include <string.h>

static bool is_named(const Ast *ast, const char *name) { return ast->kind == AST_NAME && strcmp(ast->name, name) == 0; }

// ---- What learns in which stage -------------------------------------------------------------------------------------

// Does `path`, as it stands in a `learn` of a stage, mean the array `name`? `w` and `w.W` mean `w.W` and `w[2].W`.
static bool path_means(Atom path, Atom name) {
    size_t length = strlen(path);
    if (strncmp(path, name, length) == 0 && (!name[length] || name[length] == '.' || name[length] == '[')) return true;
    const char *dot = strrchr(path, '.'), *last = strrchr(name, '.');
    size_t base = dot ? (size_t)(dot - path) : 0;
    return dot && last && strcmp(dot, last) == 0 && strncmp(path, name, base) == 0 && name[base] == '[';
}

static bool stage_learns(Resolver *r, const Ast *stage, Atom name) {
    const Ast *learn = NULL;
    for (uint32_t i = 1; i < stage->count; i++)
        if (stage->child[i] && stage->child[i]->kind == AST_LEARN) learn = stage->child[i];
    if (!learn || learn->flags & AST_ALL) return true;
    const Ast *targets = learn->child[0];
    for (uint32_t i = 0; i < targets->count; i++) {
        if (is_named(targets->child[i], "nothing")) continue;
        Atom path = path_text(r, r->network_scope, targets->child[i]);
        if (path && path_means(path, name)) return true;
    }
    return false;
}

uint64_t stages_that_learn(Resolver *r, Atom name) {
    uint64_t stages = 0;
    uint32_t number = 0;
    for (uint32_t i = 0; r->experiment && i < r->experiment->count; i++) {
        const Ast *stage = r->experiment->child[i];
        if (!stage || stage->kind != AST_STAGE || number >= MOST_STAGES) continue;
        if (stage_learns(r, stage, name)) stages |= (uint64_t)1 << number;
        number++;
    }
    return number ? stages : UINT64_MAX;
}

static void check_learn(Resolver *r, const Ast *learn) {
    Vec(Atom) names = {0};
    for (uint32_t i = 0; i < r->model->learn.count; i++)
        for (uint32_t k = 0; k < r->model->learn.items[i].targets.count; k++)
            vec_push(&names, symbol_info(r->store, r->model->learn.items[i].targets.items[k])->name);
    const Ast *targets = learn->child[0];
    for (uint32_t i = 0; i < targets->count; i++) {
        if (is_named(targets->child[i], "nothing")) {
            if (targets->count == 1) continue;
            diag_report(r->diags, DIAG_E0202, targets->child[i]->span, "`nothing` beside something that learns");
            diag_expected(r->diags, "`learn nothing`, or the names of what learns");
            continue;
        }
        Atom path = path_text(r, r->network_scope, targets->child[i]);
        if (!path) continue; // told: it is no name
        bool found = false;
        for (uint32_t k = 0; k < names.count; k++) found |= path_means(path, names.items[k]);
        if (found) continue;
        Text list = {0};
        for (uint32_t k = 0; k < names.count && k < 8; k++) text_addf(&list, "%s`%s`", k ? ", " : "", names.items[k]);
        diag_report(r->diags, DIAG_E0201, targets->child[i]->span, "`%s` is nothing that learns", path);
        diag_expected(r->diags, "`nothing`%s%s%s", names.count ? ", or what the network learns: " : "", text_z(&list),
                      names.count > 8 ? ", …" : "");
        suggest(r, path, names.items, names.count);
        text_free(&list);
    }
    vec_free(&names);
}

// ---- Ends -----------------------------------------------------------------------------------------------------------

EndKind end_kind(const Ast *on) { return strcmp(on->name, "epoch") == 0 ? END_EPOCH : END_PRESENTATION; }

Expr end_of(Resolver *r, const Ast *on) {
    static const char *const names[END_COUNT] = {"presentation.end", "epoch.end"};
    EndKind kind = end_kind(on);
    if (!r->model->ends[kind]) {
        SymbolInfo info = {.name = arena_atom_z(r->arena, names[kind]), .role = ROLE_SCALAR, .span = on->span};
        r->model->ends[kind] = symbol_new(r->store, info);
        vec_push(&r->model->scalars, (Scalar){r->model->ends[kind], 0});
    }
    return expr_access(r->store, r->model->ends[kind], VERSION_OLD, NULL, 0);
}

// ---- Amounts of training --------------------------------------------------------------------------------------------

static bool moment(Resolver *r, const Scope *scope, const Ast *ast, uint32_t flags, const char *what, Moment *m) {
    flags |= ast_counted(ast);
    if (flags & (AST_EPOCH_COUNT | AST_PRESENTATION_COUNT)) {
        double number;
        m->kind = flags & AST_EPOCH_COUNT ? COUNT_EPOCHS : COUNT_PRESENTATIONS;
        if (!constant_number(r, scope, ast, what, &number, NULL)) return false;
        if (number == floor(number) && number >= 0 && number <= 1e12) return m->count = (int64_t)number, true;
        diag_report(r->diags, DIAG_E0209, ast->span, "%s is no whole number of %s", what,
                    m->kind == COUNT_EPOCHS ? "epochs" : "presentations");
        return false;
    }
    m->kind = COUNT_STEPS;
    return constant_steps(r, scope, ast, flags & AST_STEP, what, &m->count);
}

static bool lasts(Resolver *r, const Ast *ast, const char *what, const Moment *m) {
    if (m->count > 0) return true;
    diag_report(r->diags, DIAG_E0216, ast->span, "%s of no length", what);
    diag_expected(r->diags, "at least one step");
    return false;
}

// ---- Schedules ------------------------------------------------------------------------------------------------------

// A value on the right side of a setting: `scale` times what the array has, plus a schedule, plus noise.
typedef struct Affine {
    double scale, sigma;
    Schedule value;
    Unit unit;
    bool any_unit;
    Span span;
} Affine;

typedef struct Setter { // a setting that is being read
    Resolver *r;
    const Scope *scope;
    Atom target; // as written
    Unit unit;   // of the array
} Setter;

typedef struct ScheduleCall {
    Setter *s;
    const Ast *call;
    const Ast *given[4];
} ScheduleCall;

typedef struct ScheduleForm {
    const char *name;
    ScheduleKind kind;
    const char *parameters[5];
    const char *expected;
} ScheduleForm;

static const ScheduleForm forms[] = {
    {"linear", SCHEDULE_LINEAR, {"from", "to"}, "`linear(0.1, 0)`: from the first value to the second"},
    {"exponential",
     SCHEDULE_EXPONENTIAL,
     {"from", "to"},
     "`exponential(1e-2, 1e-4)`: from the first value to the second by equal factors"},
    {"steps",
     SCHEDULE_STEPS,
     {"values", "after"},
     "`steps([0.1, 0.05, 0.01], after = [60 %, 85 %])`: one value more than parts of the time"},
    {"periodic",
     SCHEDULE_PERIODIC,
     {"first", "then", "period", "length"},
     "`periodic(0.1, 0, period = 20 epochs, length = 19 epochs)`: the first value for the length, then the second"},
};

static const ScheduleForm *schedule_form(const Ast *ast) {
    if (ast->kind != AST_CALL || ast->child[0]->kind != AST_NAME) return NULL;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (is_named(ast->child[0], forms[i].name)) return &forms[i];
    return NULL;
}

static bool schedule_arguments(Setter *s, const ScheduleForm *form, const Ast *call, const Ast *given[4]) {
    Resolver *r = s->r;
    uint32_t position = 0, count = 0;
    Atom names[4];
    while (form->parameters[count]) names[count] = arena_atom_z(r->arena, form->parameters[count]), count++;
    for (uint32_t i = 1; i < call->count; i++) {
        const Ast *arg = call->child[i];
        uint32_t which = position;
        if (arg->kind == AST_ARGUMENT)
            for (which = 0; which < count && strcmp(names[which], arg->name) != 0;) which++;
        else
            position++;
        if (which < count && !given[which]) {
            given[which] = arg->kind == AST_ARGUMENT ? arg->child[0] : arg;
            continue;
        }
        bool unknown = which >= count && arg->kind == AST_ARGUMENT;
        diag_report(r->diags, unknown || which >= count ? DIAG_E0204 : DIAG_E0203, arg->span,
                    unknown          ? "`%s` has no parameter `%s`"
                    : which >= count ? "too many arguments for `%s`"
                                     : "an argument of `%s` is given twice",
                    form->name, unknown ? arg->name : "");
        diag_expected(r->diags, "%s", form->expected);
        if (unknown) suggest(r, arg->name, names, count);
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (given[i]) continue;
        diag_report(r->diags, DIAG_E0204, call->span, "`%s` needs `%s`", form->name, form->parameters[i]);
        diag_expected(r->diags, "%s", form->expected);
        return false;
    }
    return true;
}

// A number in the unit of what is set.
static bool own_number(Setter *s, const Ast *ast, const char *what, double *number) {
    Unit unit;
    if (!constant_number(s->r, s->scope, ast, what, number, &unit)) return false;
    Value own = value_expr(0, s->unit, ast->span), value = value_expr(0, unit, ast->span);
    value.any_unit = *number == 0;
    return same_unit(s->r, &own, &value, ast->span, "what is set and its value are in");
}

static bool number_list(Setter *s, const Ast *ast, const char *what, bool own, const double **numbers,
                        uint32_t *count) {
    Value value = elaborate(s->r, s->scope, ast);
    if (value.kind == VALUE_ERROR) return false;
    if (value.kind != VALUE_LIST) {
        double *one = arena_new_array(s->r->arena, double, 1);
        Unit unit;
        if (own ? !own_number(s, ast, what, one) : !constant_number(s->r, s->scope, ast, what, one, &unit))
            return false;
        *numbers = one;
        *count = 1;
        return true;
    }
    Value wanted = value_expr(0, own ? s->unit : UNIT_NONE, ast->span), have = value_expr(0, value.unit, ast->span);
    if (!same_unit(s->r, &wanted, &have, ast->span, "what is set and its values are in")) return false;
    *numbers = value.list;
    *count = value.list_count;
    return true;
}

static bool read_steps(Setter *s, const ScheduleForm *form, const Ast *call, const Ast *const given[4], Schedule *out) {
    uint32_t parts = 0;
    if (!number_list(s, given[0], "a value", true, &out->values, &out->count) ||
        !number_list(s, given[1], "a part of the time", false, &out->after, &parts))
        return false;
    bool good = out->count == parts + 1;
    for (uint32_t i = 0; i < parts; i++)
        good = good && out->after[i] >= (i ? out->after[i - 1] : 0) && out->after[i] <= 1;
    if (good) return true;
    diag_report(s->r->diags, DIAG_E0216, call->span,
                out->count == parts + 1 ? "parts of the time out of order or range" : "%u values for %u changes",
                out->count, parts);
    diag_expected(s->r->diags, "%s", form->expected);
    return false;
}

static bool read_periodic(Setter *s, const Ast *const given[4], Schedule *out) {
    if (!own_number(s, given[0], "the first value", &out->from) ||
        !own_number(s, given[1], "the second value", &out->to) ||
        !moment(s->r, s->scope, given[2], 0, "the period", &out->period) ||
        !moment(s->r, s->scope, given[3], 0, "the length", &out->length) ||
        !lasts(s->r, given[2], "a period", &out->period))
        return false;
    if (out->period.kind != out->length.kind || out->length.count <= out->period.count) return true;
    diag_report(s->r->diags, DIAG_E0216, given[3]->span, "a length beyond the period");
    diag_expected(s->r->diags, "the part of the period in which the first value holds");
    return false;
}

static bool read_schedule(Setter *s, const ScheduleForm *form, const Ast *call, Schedule *out) {
    const Ast *given[4] = {0};
    out->kind = form->kind;
    if (!schedule_arguments(s, form, call, given)) return false;
    if (form->kind == SCHEDULE_STEPS) return read_steps(s, form, call, given, out);
    if (form->kind == SCHEDULE_PERIODIC) return read_periodic(s, given, out);
    if (!own_number(s, given[0], "the first value", &out->from) || !own_number(s, given[1], "the last value", &out->to))
        return false;
    if (form->kind == SCHEDULE_LINEAR || out->from * out->to > 0) return true;
    diag_report(s->r->diags, DIAG_E0216, call->span, "no factor leads from %g to %g", out->from, out->to);
    diag_expected(s->r->diags, "two values of one sign, neither of them 0");
    return false;
}

// ---- Values ---------------------------------------------------------------------------------------------------------

static bool is_number(const Affine *a) { return a->scale == 0 && a->sigma == 0 && a->value.kind == SCHEDULE_CONSTANT; }

static bool refuse_form(Setter *s, const Ast *ast) {
    diag_report(s->r->diags, DIAG_E0202, ast->span, "this can't be set");
    diag_expected(s->r->diags,
                  "a number, a schedule such as `linear(0.1, 0)`, or a sum of a number, a multiple of `%s` itself and "
                  "`noise(sigma)`",
                  s->target);
    return false;
}

static bool affine(Setter *s, const Ast *ast, Affine *out);

static bool affine_sum(Setter *s, const Ast *ast, double sign, Affine *out) {
    Affine b;
    if (!affine(s, ast->child[0], out) || !affine(s, ast->child[1], &b)) return false;
    Value left = value_expr(0, out->unit, out->span), right = value_expr(0, b.unit, b.span);
    left.any_unit = out->any_unit;
    right.any_unit = b.any_unit;
    if (!same_unit(s->r, &left, &right, ast->span, "the terms of a sum are in")) return false;
    bool constant = b.value.kind == SCHEDULE_CONSTANT, own = out->value.kind == SCHEDULE_CONSTANT;
    if (!constant && (sign < 0 || !own || out->value.from != 0)) return refuse_form(s, ast);
    if (constant && !own && b.value.from != 0) return refuse_form(s, ast);
    out->scale += sign * b.scale;
    out->sigma = hypot(out->sigma, b.sigma);
    if (!constant)
        out->value = b.value;
    else if (own)
        out->value.from += sign * b.value.from;
    if (out->any_unit) out->unit = b.unit;
    out->any_unit = out->any_unit && b.any_unit;
    return true;
}

static bool affine_product(Setter *s, const Ast *ast, bool divides, Affine *out) {
    Affine b;
    if (!affine(s, ast->child[0], out) || !affine(s, ast->child[1], &b)) return false;
    if (!divides && !is_number(&b) && is_number(out)) {
        Affine swapped = *out;
        *out = b;
        b = swapped;
    }
    if (!is_number(&b) || out->value.kind != SCHEDULE_CONSTANT) return refuse_form(s, ast);
    double factor = divides ? 1 / b.value.from : b.value.from;
    out->scale *= factor;
    out->sigma *= fabs(factor);
    out->value.from *= factor;
    out->unit = unit_multiply(out->unit, divides ? unit_power(b.unit, -1) : b.unit);
    return isfinite(factor) || refuse_form(s, ast);
}

static bool names_target(Setter *s, const Ast *ast) {
    if (ast->kind != AST_NAME && ast->kind != AST_MEMBER) return false;
    Atom path = path_text(s->r, s->scope, ast);
    return path && strcmp(path, s->target) == 0;
}

static bool affine(Setter *s, const Ast *ast, Affine *out) {
    *out = (Affine){.unit = s->unit, .span = ast->span};
    const ScheduleForm *form = schedule_form(ast);
    if (form) return read_schedule(s, form, ast, &out->value);
    if (ast->kind == AST_CALL && is_named(ast->child[0], "noise") && ast->count == 2) {
        if (!own_number(s, ast->child[1], "the strength of the noise", &out->sigma)) return false;
        if (out->sigma >= 0) return true;
        diag_report(s->r->diags, DIAG_E0216, ast->child[1]->span, "a negative deviation");
        return false;
    }
    if (names_target(s, ast)) {
        out->scale = 1;
        return true;
    }
    if (ast->kind == AST_UNARY && strcmp(ast->name, "-") == 0) {
        if (!affine(s, ast->child[0], out) || out->value.kind != SCHEDULE_CONSTANT) return false;
        out->scale = -out->scale;
        out->value.from = -out->value.from;
        return true;
    }
    char op = ast->kind == AST_BINARY && !ast->name[1] ? ast->name[0] : 0;
    if (op == '+' || op == '-') return affine_sum(s, ast, op == '+' ? 1 : -1, out);
    if (op == '*' || op == '/') return affine_product(s, ast, op == '/', out);
    Unit unit;
    if (!constant_number(s->r, s->scope, ast, "what is set", &out->value.from, &unit)) return false;
    out->unit = unit;
    out->any_unit = out->value.from == 0;
    return true;
}

// ---- What may be set ------------------------------------------------------------------------------------------------

void find_set_parameters(Resolver *r) {
    const Ast *experiment = r->experiment;
    if (!experiment) return;
    Vec(const Ast *) blocks = {0};
    vec_push(&blocks, experiment);
    for (uint32_t b = 0; b < blocks.count; b++) {
        const Ast *block = blocks.items[b];
        for (uint32_t i = 0; i < block->count; i++) {
            const Ast *item = block->child[i];
            if (!item) continue;
            if (item->kind == AST_STAGE || item->kind == AST_DISTURB) vec_push(&blocks, item);
            if (item->kind == AST_SET && item->child[0]->kind == AST_NAME) vec_push(&r->annealed, item->child[0]->name);
        }
    }
    vec_free(&blocks);
}

static const Ast *setter_of(const Ast *block, Atom name) {
    for (uint32_t i = 0; block && i < block->count; i++) {
        const Ast *item = block->child[i], *inner = NULL;
        if (!item) continue;
        if (item->kind == AST_SET && is_named(item->child[0], name)) return item;
        if (item->kind == AST_ANNEAL && strcmp(item->name, name) == 0) return item;
        if (item->kind == AST_STAGE || item->kind == AST_DISTURB) inner = setter_of(item, name);
        if (inner) return inner;
    }
    return NULL;
}

static bool find_scalar(const ExprStore *store, Expr expr, void *context) {
    ExprNode node = expr_node(store, expr);
    if (node.kind == EXPR_ACCESS && symbol_info(store, node.symbol)->role == ROLE_SCALAR)
        *(Symbol *)context = node.symbol;
    return true;
}

void note_what_sets(Resolver *r, const Value *value) {
    Symbol symbol = 0;
    if (value->kind == VALUE_NUMBER) expr_visit(r->store, value->expr, find_scalar, &symbol);
    Atom name = symbol ? symbol_info(r->store, symbol)->name : NULL;
    const Ast *setter = name ? setter_of(r->experiment, name) : NULL;
    if (setter)
        diag_note(r->diags, setter->span, "`%s` changes between steps, since the experiment sets it here", name);
}

static bool is_output(const Model *m, Symbol symbol) {
    for (uint32_t i = 0; i < m->populations.count; i++)
        for (uint32_t k = 0; k < m->populations.items[i].outputs.count; k++)
            if (m->populations.items[i].outputs.items[k].symbol == symbol) return true;
    return false;
}

static bool may_be_set(Resolver *r, Symbol symbol, Span span) {
    const SymbolInfo *info = symbol_info(r->store, symbol);
    bool output = is_output(r->model, symbol);
    if (is_time_of_delay(r, symbol)) {
        diag_report(r->diags, DIAG_E0202, span, "`%s` is the time of a delay, which stays as it is", info->name);
        diag_expected(r->diags, "a parameter, state, output or input that no delay is timed by");
        return false;
    }
    if (info->role == ROLE_SCALAR || model_array(r->model, symbol) || (output && r->model->order != ORDER_SEQUENTIAL))
        return true;
    diag_report(r->diags, DIAG_E0202, span, "`%s` can't be set: each step computes it anew", info->name);
    if (output)
        diag_expected(r->diags, "under `order sequential`: a parameter, a state or an input");
    else
        diag_expected(r->diags, "a parameter of the network or of a population, a weight, a state, an output or an "
                                "input of the network");
    return false;
}

static void unknown_target(Resolver *r, Atom path, Span span) {
    Vec(Atom) names = {0};
    for (uint32_t i = 0; r->network && i < r->network->child[0]->count; i++)
        vec_push(&names, r->network->child[0]->child[i]->name);
    for (uint32_t i = 0; i < r->model->externals.count; i++) vec_push(&names, r->model->externals.items[i].name);
    for (uint32_t i = 0; i < r->model->arrays.count; i++)
        vec_push(&names, symbol_info(r->store, r->model->arrays.items[i].symbol)->name);
    diag_report(r->diags, DIAG_E0201, span, "there is no `%s` to set", path);
    diag_expected(r->diags, "a parameter of the network, as in `beta = 0`, or an array, as in `h.tau_m = 20`");
    suggest(r, path, names.items, names.count);
    vec_free(&names);
}

// h.r[0..4], x[2]
static bool elements(Resolver *r, const Scope *scope, const Ast *index, Symbol symbol, Setting *setting) {
    const SymbolInfo *info = symbol_info(r->store, symbol);
    const Ast *range = index->count == 2 ? index->child[1] : NULL;
    double first, last;
    if (range && range->kind == AST_RANGE) {
        if (!constant_number(r, scope, range->child[0], "an element", &first, NULL) ||
            !constant_number(r, scope, range->child[1], "an element", &last, NULL))
            return false;
    } else if (range) {
        if (!constant_number(r, scope, range, "an element", &first, NULL)) return false;
        last = first;
    }
    bool good = range && info->rank == 1 && first == floor(first) && last == floor(last) && first >= 0 &&
                first <= last && last < info->extent[0];
    if (!good) {
        diag_report(r->diags, DIAG_E0209, index->span, "`%s` has no such elements", info->name);
        diag_expected(r->diags,
                      info->rank == 1 ? "one from 0 to %u, or a range of them, as in `%s[0..%u]`"
                                      : "the whole array, without elements",
                      info->rank == 1 ? info->extent[0] - 1 : 0, info->name, info->rank == 1 ? info->extent[0] - 1 : 0);
        return false;
    }
    setting->first = (uint32_t)first;
    setting->count = (uint32_t)(last - first) + 1;
    return true;
}

static Symbol target_symbol(Resolver *r, const Scope *scope, const Ast *target, Atom path) {
    const Value *value = target->kind == AST_NAME ? scope_find(scope, target->name) : NULL;
    if (value && value->kind == VALUE_OBJECT && value->object == OBJECT_EXTERNAL)
        return r->model->externals.items[value->number].symbol;
    if (value && value->kind == VALUE_NUMBER) {
        ExprNode node = expr_node(r->store, value->expr);
        if (node.kind == EXPR_ACCESS && symbol_info(r->store, node.symbol)->role == ROLE_SCALAR) return node.symbol;
    }
    Symbol symbol = symbol_find(r->store, path);
    if (target->kind == AST_NAME || !symbol) {
        unknown_target(r, path, target->span);
        return 0;
    }
    return may_be_set(r, symbol, target->span) ? symbol : 0;
}

static bool read_setting(Resolver *r, const Scope *scope, const Ast *item, Setting *setting) {
    const Ast *target = item->child[0];
    bool indexed = target->kind == AST_INDEX;
    // h[2].r is a population of an array; h.r[2] and x[2] are elements
    const Ast *base = indexed ? target->child[0] : target;
    Atom path = path_text(r, scope, base);
    if (!path) return false;
    setting->symbol = target_symbol(r, scope, base, path);
    if (!setting->symbol || (indexed && !elements(r, scope, target, setting->symbol, setting))) return false;
    Setter setter = {.r = r, .scope = scope, .target = path, .unit = symbol_info(r->store, setting->symbol)->unit};
    Affine value;
    if (!affine(&setter, item->child[1], &value)) return false;
    Value own = value_expr(0, setter.unit, base->span), given = value_expr(0, value.unit, item->child[1]->span);
    given.any_unit = value.any_unit;
    if (!same_unit(r, &own, &given, item->span, "what is set and its value are in")) return false;
    setting->scale = value.scale;
    setting->sigma = value.sigma;
    setting->value = value.value;
    setting->span = item->span;
    return true;
}

void add_setting(Resolver *r, const Scope *scope, Experiment *e, const Ast *item, int stage) {
    Setting setting = {.stage = stage, .until = {-1, COUNT_STEPS}};
    if (read_setting(r, scope, item, &setting)) vec_push(&e->settings, setting);
}

// ---- Disturbances ---------------------------------------------------------------------------------------------------

static bool disturbance_times(Resolver *r, const Scope *scope, const Ast *options, Setting *when) {
    static const char *const words[] = {"from", "until", "every"};
    Moment *const moments[] = {&when->from, &when->until, &when->every};
    const Ast *given[3] = {0};
    for (uint32_t i = 0; i < options->count; i++) {
        const Ast *option = options->child[i];
        int which = option->kind == AST_FROM ? 0 : option->kind == AST_UNTIL ? 1 : 2;
        if (given[which]) {
            diag_report(r->diags, DIAG_E0203, option->span, "a second `%s`", words[which]);
            return false;
        }
        given[which] = option;
        const char *what = arena_format(r->arena, "the `%s` of a disturbance", words[which]);
        if (!moment(r, scope, option->child[0], option->flags, what, moments[which])) return false;
    }
    if (given[2] && !lasts(r, given[2], "a period", &when->every)) return false;
    if (given[2] && !given[1]) {
        diag_report(r->diags, DIAG_E0211, given[2]->span, "nothing says how long each disturbance lasts");
        diag_expected(r->diags, "`from A until B every P`: from A until B, and again after each P");
        return false;
    }
    bool same = when->from.kind == when->until.kind || !when->from.count;
    if (!given[1] || !same || when->until.count > when->from.count) return true;
    diag_report(r->diags, DIAG_E0216, given[1]->span, "a disturbance ends before it begins");
    diag_expected(r->diags, "`until` after `from`");
    return false;
}

void add_disturbance(Resolver *r, const Scope *scope, Experiment *e, const Ast *item, int stage) {
    Setting when = {.disturbs = true, .stage = stage, .until = {-1, COUNT_STEPS}};
    bool timed = disturbance_times(r, scope, item->child[0], &when);
    if (item->count == 1) {
        diag_report(r->diags, DIAG_E0211, item->span, "a disturbance of nothing");
        diag_expected(r->diags, "what is set meanwhile, as in `disturb from 100 until 200 { h.r[0..4] = 0 }`");
    }
    for (uint32_t i = 1; i < item->count; i++) {
        if (!item->child[i]) continue;
        if (item->child[i]->kind != AST_SET) {
            diag_report(r->diags, DIAG_E0202, item->child[i]->span, "`%s` in a disturbance",
                        ast_kind_name(item->child[i]->kind));
            diag_expected(r->diags, "what is set meanwhile, as in `x = x + noise(0.5)` or `h.tau_m = 2 * h.tau_m`");
            continue;
        }
        Setting setting = when;
        if (read_setting(r, scope, item->child[i], &setting) && timed) vec_push(&e->settings, setting);
    }
}

// ---- Stages ---------------------------------------------------------------------------------------------------------

static bool stage_item_fits(Resolver *r, const Ast *item) {
    switch (item->kind) {
    case AST_SET:
    case AST_LEARN:
    case AST_PRESENT:
    case AST_SCORE:
    case AST_RECORD:
    case AST_DISTURB: return true;
    default:
        diag_report(r->diags, DIAG_E0202, item->span, "`%s` in a stage", ast_kind_name(item->kind));
        diag_expected(r->diags, "`learn`, `present`, `score`, `record`, `disturb`, or a number that is set, as in "
                                "`beta = 0`; everything else is the same in all stages and stands beside them");
        return false;
    }
}

static bool name_is_free(Resolver *r, const Scope *scope, const Experiment *e, const Ast *item) {
    for (uint32_t i = 0; i < e->stages.count; i++)
        if (e->stages.items[i].name == item->name) {
            report_twice(r, item->name, item->name_span, e->stages.items[i].span,
                         arena_format(r->arena, "experiment `%s`", e->name));
            return false;
        }
    const Value *value = scope_find(scope, item->name);
    if (!value || value->kind != VALUE_OBJECT) return true;
    diag_report(r->diags, DIAG_E0203, item->name_span, "a stage with the name of %s", value_describe(r, value));
    diag_help(r->diags, "its recordings would have the names of others: choose another one");
    return false;
}

void add_stage(Resolver *r, const Scope *scope, Experiment *e, const Ast *item) {
    int number = (int)e->stages.count;
    if (number == MOST_STAGES) {
        diag_report(r->diags, DIAG_E0212, item->span, "more than %d stages", MOST_STAGES);
        return;
    }
    const Ast *length = item->child[0];
    Stage stage = {.name = item->name, .span = item->name_span, .length_span = length->span};
    name_is_free(r, scope, e, item);
    if (moment(r, scope, length->child[0], length->flags, "the length of a stage", &stage.length))
        lasts(r, length, "a stage", &stage.length);
    vec_push(&e->stages, stage);
    const Ast *learn = NULL;
    for (uint32_t i = 1; i < item->count; i++) {
        const Ast *child = item->child[i];
        if (!child || !stage_item_fits(r, child)) continue;
        if (child->kind == AST_LEARN && learn) {
            diag_report(r->diags, DIAG_E0203, child->span, "a second `learn` in a stage");
            diag_note(r->diags, learn->span, "the first one is here");
            diag_help(r->diags, "name everything that learns in one statement");
        }
        if (child->kind == AST_LEARN) learn = child;
        if (child->kind == AST_LEARN && !(child->flags & AST_ALL))
            check_learn(r, child);
        else if (child->kind != AST_LEARN)
            experiment_item(r, scope, e, child, number);
    }
}

// ---- Once everything is known ---------------------------------------------------------------------------------------

// A run along signals has no presentations.
static void refuse_counts(Resolver *r, const Moment *m, Span span) {
    if (m->kind == COUNT_STEPS || diag_error_count(r->diags)) return;
    diag_report(r->diags, DIAG_E0202, span, "an amount of %s, but this run goes along signals",
                m->kind == COUNT_EPOCHS ? "epochs" : "presentations");
    diag_expected(r->diags, "a time, or a number of steps");
}

static void check_setting_times(Resolver *r, const Setting *s, bool samples) {
    const Moment *const moments[] = {&s->from, &s->until, &s->every, &s->value.period, &s->value.length};
    for (size_t i = 0; !samples && i < sizeof moments / sizeof *moments; i++) refuse_counts(r, moments[i], s->span);
}

// Stages of samples are made of whole presentations.
static void check_stage_length(Resolver *r, const Experiment *e, Stage *stage) {
    if (stage->length.kind != COUNT_STEPS || !e->present_steps) return;
    if (stage->length.count % e->present_steps) {
        diag_report(r->diags, DIAG_E0216, stage->length_span, "stage `%s` ends in the middle of a presentation",
                    stage->name);
        diag_expected(r->diags, "a multiple of the %lld steps of a presentation, `… presentations` or `… epochs`",
                      (long long)e->present_steps);
        return;
    }
    stage->length = (Moment){stage->length.count / e->present_steps, COUNT_PRESENTATIONS};
}

static bool is_offline(const Model *m) { return m->dynamics.principle >= PRINCIPLE_ADJOINT; }

// A window is gone through again from stored states and inputs.
static void check_window(Resolver *r, const Setting *s) {
    const SymbolInfo *info = symbol_info(r->store, s->symbol);
    bool within = s->disturbs || s->sigma != 0;
    if (!is_offline(r->model) || info->role == ROLE_INPUT) return;
    if (info->role == ROLE_SCALAR ? !within : !(within || info->batched)) return;
    diag_report(r->diags, DIAG_E0212, s->span, "`%s` is set within windows, which `dynamics %s` goes back through",
                info->name, principle_name(r->model->dynamics.principle));
    diag_expected(r->diags, "an input, or a parameter for a whole stage");
}

void check_stages(Resolver *r, Experiment *e, bool samples) {
    for (uint32_t i = 0; i < e->settings.count && !diag_error_count(r->diags); i++) {
        check_setting_times(r, &e->settings.items[i], samples);
        check_window(r, &e->settings.items[i]);
    }
    for (uint32_t i = 0; i < e->stages.count && !diag_error_count(r->diags); i++) {
        Stage *stage = &e->stages.items[i];
        if (samples)
            check_stage_length(r, e, stage);
        else
            refuse_counts(r, &stage->length, stage->length_span);
        if (!samples && !diag_error_count(r->diags) && e->settle_steps >= stage->length.count)
            diag_report(r->diags, DIAG_E0216, stage->span, "stage `%s` is over before it has settled", stage->name);
    }
    if (!e->stages.count || diag_error_count(r->diags)) return;
    if (e->epochs || e->duration) {
        diag_report(r->diags, DIAG_E0202, e->span, "`%s` beside stages", e->epochs ? "epochs" : "duration");
        diag_help(r->diags, "leave it out: the experiment is as long as its stages");
        return;
    }
    for (uint32_t i = 0; i < e->stages.count && !samples; i++) e->duration += e->stages.items[i].length.count;
}
