// The linear part of a step by the chain rule through its assignments.
#include "jacobian.h"
#include <string.h>

Jacobian jacobian_new(const Step *step, Reader *reader) {
    Jacobian j = {.reader = reader, .symbols = symbol_count(reader->store) + 1};
    j.assign = memory_resize(NULL, j.symbols, sizeof(const StepAssign *));
    j.rows = memory_resize(NULL, j.symbols, sizeof *j.rows);
    for (uint32_t i = 0; i < j.symbols; i++) {
        j.assign[i] = NULL;
        j.rows[i] = (JacobianRow){0};
    }
    for (uint32_t i = 0; i < step->assigns.count; i++)
        j.assign[step->assigns.items[i].symbol] = &step->assigns.items[i];
    j.ends_in_event = memory_resize(NULL, j.symbols, sizeof *j.ends_in_event);
    memset(j.ends_in_event, 0, j.symbols * sizeof *j.ends_in_event);
    for (uint32_t i = 0; i < step->model->populations.count; i++) {
        const Population *p = &step->model->populations.items[i];
        for (uint32_t k = 0; k < p->events.count; k++) j.ends_in_event[p->events.items[k].state] = true;
    }
    return j;
}

void jacobian_free(Jacobian *j) {
    for (uint32_t i = 0; i < j->symbols; i++) {
        vec_free(&j->rows[i].links);
        free(j->rows[i].coefficients);
    }
    free(j->rows);
    free(j->ends_in_event);
    free(j->known_at);
    free(j->known);
    free(j->assign);
}

// ---- Symbols --------------------------------------------------------------------------------------------------------

typedef struct Search {
    ExprStore *store;
    Symbol of;
    Vec(Expr) accesses;
} Search;

// The own element: as the assignment's left side is written.
static bool is_own(ExprStore *store, const ExprNode *access, Symbol of) {
    const SymbolInfo *info = symbol_info(store, access->symbol), *own = symbol_info(store, of);
    if (info->rank != own->rank || memcmp(info->extent, own->extent, info->rank * sizeof *info->extent) != 0)
        return false;
    Index axes[EXPR_MAX_RANK];
    model_axes(store, of, axes);
    for (uint32_t i = 0; i < info->rank; i++) {
        ExprNode index = expr_node(store, access->argument[i]);
        if (index.kind != EXPR_INDEX || index.index != axes[i]) return false;
    }
    return true;
}

static bool is_fixed(const ExprStore *store, Symbol symbol) {
    SymbolRole role = symbol_info(store, symbol)->role;
    return role == ROLE_PARAMETER || role == ROLE_SCALAR;
}

static bool collect(const ExprStore *store, Expr expr, void *context) {
    Search *search = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS) return true;
    bool moves = !is_fixed(store, node.symbol) || node.symbol == search->of;
    if (moves && is_own(search->store, &node, search->of)) vec_push(&search->accesses, expr);
    return false;
}

// Where events may act: what happens where none does.
static Expr without_events(const ExprStore *store, Expr value) {
    for (ExprNode node = expr_node(store, value); node.kind == EXPR_SELECT; node = expr_node(store, value))
        value = node.argument[2];
    return value;
}

static void find_links(Jacobian *j, Symbol symbol) {
    ExprStore *store = j->reader->store;
    JacobianRow *row = &j->rows[symbol];
    row->found = true;
    if (!j->assign[symbol] || symbol_info(store, symbol)->rank > JACOBIAN_MOST_AXES) return;
    Expr value = j->assign[symbol]->value;
    if (j->ends_in_event[symbol]) value = without_events(store, value);
    Search search = {.store = store, .of = symbol};
    expr_visit(store, value, collect, &search);
    for (uint32_t i = 0; i < search.accesses.count; i++) {
        ExprNode access = expr_node(store, search.accesses.items[i]);
        Expr by = expr_partial(store, value, search.accesses.items[i]);
        vec_push(&row->links, (JacobianLink){access.symbol, access.version, by});
    }
    vec_free(&search.accesses);
}

// ---- Numbers --------------------------------------------------------------------------------------------------------

static bool find_signal(const ExprStore *store, Expr expr, void *context) {
    bool *found = context;
    ExprNode node = expr_node(store, expr);
    *found |= node.kind == EXPR_ACCESS && !is_fixed(store, node.symbol);
    return !*found;
}

static double linear_part(Jacobian *j, Expr expr, const Index *axes);

static double compute_linear_part(Jacobian *j, Expr expr, const Index *axes) {
    ExprNode node = expr_node(j->reader->store, expr);
    double result = node.kind == EXPR_MUL;
    for (uint32_t i = 0; node.kind == EXPR_ADD && i < node.count; i++) result += linear_part(j, node.argument[i], axes);
    for (uint32_t i = 0; node.kind == EXPR_MUL && i < node.count; i++) result *= linear_part(j, node.argument[i], axes);
    if (node.kind == EXPR_ADD || node.kind == EXPR_MUL) return result;
    bool moves = false;
    expr_visit(j->reader->store, expr, find_signal, &moves);
    if (moves) return 0;
    j->reader->met_signal = false;
    result = reader_evaluate(j->reader, expr, axes[0], j->at[0], axes[1], j->at[1]);
    return j->reader->met_signal ? 0 : result;
}

// What is left of an expression when all terms that read signals are left out. Remembered, since expressions share
// parts.
static double linear_part(Jacobian *j, Expr expr, const Index *axes) {
    if (expr < j->expressions && j->known_at[expr] == j->evaluation) return j->known[expr];
    double result = compute_linear_part(j, expr, axes);
    if (expr >= j->expressions) {
        uint32_t before = j->expressions;
        j->expressions = expr_count(j->reader->store) + 1;
        j->known_at = memory_resize(j->known_at, j->expressions, sizeof *j->known_at);
        j->known = memory_resize(j->known, j->expressions, sizeof *j->known);
        memset(j->known_at + before, 0, (j->expressions - before) * sizeof *j->known_at);
    }
    j->known_at[expr] = j->evaluation;
    j->known[expr] = result;
    return result;
}

void jacobian_start(Jacobian *j, const Symbol *unknowns, uint32_t count, int64_t first, int64_t second) {
    j->unknowns = unknowns;
    j->unknown_count = count;
    j->at[0] = first;
    j->at[1] = second;
    j->evaluation++;
}

const double *jacobian_row(Jacobian *j, Symbol symbol) {
    JacobianRow *row = &j->rows[symbol];
    if (row->evaluated == j->evaluation) return row->coefficients;
    if (!row->found) find_links(j, symbol);
    row->evaluated = j->evaluation;
    row->coefficients = memory_resize(row->coefficients, j->unknown_count, sizeof *row->coefficients);
    for (uint32_t k = 0; k < j->unknown_count; k++) row->coefficients[k] = 0;
    Index axes[EXPR_MAX_RANK] = {0};
    model_axes(j->reader->store, symbol, axes);
    for (uint32_t i = 0; i < row->links.count; i++) {
        const JacobianLink *link = &row->links.items[i];
        double by = linear_part(j, link->by, axes);
        if (by == 0) continue;
        if (link->version == VERSION_OLD) {
            for (uint32_t k = 0; k < j->unknown_count; k++)
                if (j->unknowns[k] == link->symbol) row->coefficients[k] += by;
        } else if (j->assign[link->symbol]) {
            const double *inner = jacobian_row(j, link->symbol);
            for (uint32_t k = 0; k < j->unknown_count; k++) row->coefficients[k] += by * inner[k];
        }
    }
    return row->coefficients;
}
