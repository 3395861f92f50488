// The step backward in time. Both kinds recompute what the forward step found, without overwriting where it started.
//
// Reverse mode: with a forward step y = f(x), the adjoint of each x is the sum over all assignments that read it of
// (adjoint of what is assigned) * d value / d x, summed over the axes of what is assigned. An assignment is one
// formula in index notation, so its derivative is one, too: the transpose of a product W @ r comes out as a sum over
// the other index of W, without any rule for products.
#include "discretise.h"
#include <stdlib.h>
#include <string.h>

// ---- What a step carries --------------------------------------------------------------------------------------------

static bool note_old(const ExprStore *store, Expr expr, void *context) {
    bool *old = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind == EXPR_ACCESS && node.version == VERSION_OLD) old[node.symbol] = true;
    return true;
}

void step_mark_old(const Step *step, bool *old) {
    for (uint32_t i = 0; i < step->assigns.count; i++)
        expr_visit(step->model->store, step->assigns.items[i].value, note_old, old);
}

Symbol *step_carried(const Step *step, uint32_t *count) {
    const ExprStore *store = step->model->store;
    uint32_t symbols = symbol_count(store) + 1;
    bool *old = memory_resize(NULL, symbols, sizeof *old);
    Symbol *carried = memory_resize(NULL, step->assigns.count, sizeof *carried);
    memset(old, 0, symbols * sizeof *old);
    *count = 0;
    step_mark_old(step, old);
    for (Symbol s = 1; s < symbols; s++)
        for (uint32_t i = 0; old[s] && i < step->assigns.count; i++)
            if (step->assigns.items[i].symbol == s) {
                carried[(*count)++] = s;
                break;
            }
    free(old);
    return carried;
}

// ---- Recomputing the forward step -----------------------------------------------------------------------------------

// The values of this step of what the forward step carries become signals of their own.
static void detach(Step *step, const Symbol *carried, uint32_t count) {
    ExprStore *store = step->model->store;
    for (uint32_t k = 0; k < count; k++) {
        Symbol now = step_beside(step->model, carried[k], "now", ROLE_SIGNAL);
        for (uint32_t i = 0; i < step->assigns.count; i++) {
            StepAssign *a = &step->assigns.items[i];
            a->value = expr_rename(store, a->value, carried[k], VERSION_NEW, now, VERSION_NEW);
            if (a->symbol == carried[k]) a->symbol = now;
        }
    }
}

// ---- Reverse mode ---------------------------------------------------------------------------------------------------

typedef struct Reversal {
    const Equations *equations;
    Model *model;
    ExprStore *store;
    Step *step;
    uint32_t symbols; // of the forward step
    Expr *adjoint;    // per symbol: the contributions found so far; 0 (the handle) for none
    bool *listed;
} Reversal;

Expr step_element(ExprStore *store, Symbol symbol, ExprVersion version) {
    Expr at[EXPR_MAX_RANK + 1];
    Index axes[EXPR_MAX_RANK];
    SymbolInfo info = *symbol_info(store, symbol);
    model_axes(store, symbol, axes);
    for (uint32_t k = 0; k < info.rank; k++) at[k] = expr_index(store, axes[k]);
    if (info.batched) at[info.rank] = expr_index(store, INDEX_BATCH);
    return expr_access(store, symbol, version, at, info.rank + info.batched);
}

static void contribute(Reversal *r, Symbol symbol, Expr part) {
    if (expr_is_const(r->store, part, 0)) return;
    r->adjoint[symbol] = r->adjoint[symbol] ? expr_add(r->store, r->adjoint[symbol], part) : part;
}

// sum over the axes of `symbol` of its adjoint * d value / d read, at the axes of `read`.
static Expr pull(Reversal *r, Symbol symbol, Expr adjoint, Expr value, Symbol read) {
    ExprStore *s = r->store;
    SymbolInfo own = *symbol_info(s, symbol), info = *symbol_info(s, read);
    Expr fresh[EXPR_MAX_RANK];
    Index axes[EXPR_MAX_RANK], mine[EXPR_MAX_RANK];
    model_axes(s, read, axes);
    model_axes(s, symbol, mine);
    for (uint32_t k = 0; k < info.rank; k++)
        fresh[k] = expr_index(s, index_new(s, index_info(s, axes[k])->name, info.extent[k]));
    Expr result = expr_mul(s, adjoint, expr_derivative(s, value, read, fresh, info.rank));
    for (uint32_t k = 0; k < own.rank; k++) result = expr_sum(s, mine[k], result);
    if (own.batched && !info.batched) result = expr_sum(s, INDEX_BATCH, result);
    for (uint32_t k = 0; k < info.rank; k++)
        result = expr_substitute_index(s, result, fresh[k], expr_index(s, axes[k]));
    return result;
}

typedef struct ReadList {
    bool *listed;
    Vec(Symbol) symbols;
} ReadList;

static bool note_read(const ExprStore *store, Expr expr, void *context) {
    ReadList *reads = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind == EXPR_STOP) return false;
    if (node.kind != EXPR_ACCESS || reads->listed[node.symbol]) return true;
    reads->listed[node.symbol] = true;
    vec_push(&reads->symbols, node.symbol);
    return true;
}

// Whether anything that is learned may lie behind a symbol: not behind inputs and scalars.
static bool wants_adjoint(const Reversal *r, Symbol symbol) {
    const SymbolInfo *info = symbol_info(r->store, symbol);
    if (info->role == ROLE_INPUT || info->role == ROLE_SCALAR) return false;
    if (info->role != ROLE_WEIGHT && info->role != ROLE_PARAMETER) return true;
    for (uint32_t i = 0; i < r->equations->gradients.count; i++)
        if (r->equations->gradients.items[i].parameter == symbol) return true;
    return false;
}

// Hands the adjoint of what is assigned on to what the value reads.
static void reverse_assign(Reversal *r, const StepAssign *a, Symbol adjoint) {
    ReadList reads = {.listed = r->listed};
    Expr total = step_element(r->store, adjoint, VERSION_NEW);
    expr_visit(r->store, a->value, note_read, &reads);
    for (uint32_t k = 0; k < reads.symbols.count; k++) {
        Symbol read = reads.symbols.items[k];
        r->listed[read] = false;
        if (wants_adjoint(r, read)) contribute(r, read, pull(r, a->symbol, total, a->value, read));
    }
    vec_free(&reads.symbols);
}

// The adjoint of the objective of one sample: J is the sum over steps of the mean over the batch.
static Expr seed(const Reversal *r, Symbol symbol) {
    ExprStore *s = r->store;
    if (symbol != r->step->objective) return 0;
    return expr_div(s, expr_const(s, 1), model_element(s, r->step->batch_size, VERSION_OLD));
}

static void reverse_all(Reversal *r, const Step *forward, const Symbol *carried, const Symbol *now, uint32_t count) {
    ExprStore *s = r->store;
    for (uint32_t k = 0; k < count; k++) // what comes from the step after
        contribute(r, now[k], step_element(s, step_beside(r->model, carried[k], "adjoint", ROLE_STATE), VERSION_OLD));
    for (uint32_t i = forward->assigns.count; i-- > 0;) {
        const StepAssign *a = &forward->assigns.items[i];
        Expr start = seed(r, a->symbol);
        if (start) contribute(r, a->symbol, start);
        Expr adjoint = r->adjoint[a->symbol];
        if (!adjoint) continue;
        Symbol symbol = step_beside(r->model, a->symbol, "adjoint", ROLE_SIGNAL);
        vec_push(&r->step->assigns, (StepAssign){.symbol = symbol, .value = adjoint, .span = a->span});
        reverse_assign(r, a, symbol);
    }
    for (uint32_t k = 0; k < count; k++) {
        Expr adjoint = r->adjoint[carried[k]] ? r->adjoint[carried[k]] : expr_const(s, 0);
        Symbol symbol = step_beside(r->model, carried[k], "adjoint", ROLE_STATE);
        vec_push(&r->step->assigns,
                 (StepAssign){.symbol = symbol, .value = adjoint, .span = symbol_info(s, carried[k])->span});
    }
    for (uint32_t i = 0; i < r->equations->gradients.count; i++) {
        const Gradient *g = &r->equations->gradients.items[i];
        if (!r->adjoint[g->parameter]) gradient_report_none(r->model, g->parameter, g->span);
        Expr adjoint = r->adjoint[g->parameter], sum = step_element(s, g->symbol, VERSION_OLD);
        vec_push(
            &r->step->assigns,
            (StepAssign){.symbol = g->symbol, .value = adjoint ? expr_add(s, sum, adjoint) : sum, .span = g->span});
    }
}

static Expr drop_stop(ExprStore *store, Expr node, void *context) {
    (void)context;
    ExprNode n = expr_node(store, node);
    return n.kind == EXPR_STOP ? n.argument[0] : node;
}

static bool reverse(const Equations *equations, Step *forward, Step *step, const Symbol *carried, uint32_t count) {
    Model *model = equations->model;
    Symbol *now = memory_resize(NULL, count + 1, sizeof *now);
    for (uint32_t k = 0; k < count; k++) {
        now[k] = step_beside(model, carried[k], "now", ROLE_SIGNAL);
        step_beside(model, carried[k], "adjoint", ROLE_STATE);
    }
    detach(forward, carried, count);
    for (uint32_t i = 0; i < forward->assigns.count; i++) {
        step_beside(model, forward->assigns.items[i].symbol, "adjoint", ROLE_SIGNAL);
        vec_push(&step->assigns, forward->assigns.items[i]);
    }
    uint32_t symbols = symbol_count(model->store) + 1;
    Reversal r = {equations,
                  model,
                  model->store,
                  step,
                  symbols,
                  memory_resize(NULL, symbols, sizeof(Expr)),
                  memory_resize(NULL, symbols, sizeof(bool))};
    memset(r.adjoint, 0, symbols * sizeof(Expr));
    memset(r.listed, 0, symbols * sizeof(bool));
    reverse_all(&r, forward, carried, now, count);
    for (uint32_t i = 0; i < step->assigns.count; i++) {
        StepAssign *a = &step->assigns.items[i];
        Span span = expr_span(model->store, a->value);
        a->value = model_lower_deltas(model, expr_rewrite(model->store, a->value, drop_stop, NULL));
        expr_set_span(model->store, a->value, span);
    }
    free(r.adjoint);
    free(r.listed);
    free(now);
    return step_sort(step) && !diag_error_count(model->diags);
}

Step *step_backward(const Equations *equations) {
    Model *model = equations->model;
    Step *forward = step_discretise(equations, STEP_FORWARD), *step = NULL;
    if (!forward) return NULL;
    uint32_t count;
    Symbol *carried = step_carried(forward, &count);
    bool good = true;
    if (principle_find(model->dynamics.principle)->course == COURSE_BACKWARD) {
        step = step_discretise(equations, STEP_BACKWARD);
        if (step) detach(step, carried, count);
    } else {
        step = arena_new_object(model->arena, Step);
        *step = (Step){
            .model = model, .cost = forward->cost, .objective = forward->objective, .batch_size = forward->batch_size};
        good = reverse(equations, forward, step, carried, count);
    }
    free(carried);
    step_free(forward);
    if (good) return step;
    step_free(step);
    return NULL;
}
