// Sweeps: with a single sample, everything that reads or writes the matrices of a connection can share one pass over
// them: the current (a sum along each row), the error sent down (a sum down each column) and the update. Items that
// can take part are found here; the pass waits for as many of them as may run together.
#include "plan.h"

typedef struct Search {
    const Plan *plan;
    Index row, column;
    Symbol matrix;
    bool fits;
} Search;

static Index index_at(const Plan *plan, ExprNode access, uint32_t position) {
    ExprNode at = expr_node(plan->store, access.argument[position]);
    return at.kind == EXPR_INDEX ? at.index : 0;
}

static bool look(const ExprStore *store, Expr expr, void *context) {
    Search *search = context;
    ExprNode node = expr_node(store, expr);
    if (node.kind != EXPR_ACCESS) return search->fits;
    uint32_t rank = plan_access_rank(search->plan, node);
    if (rank > 2) search->fits = false;
    if (rank == 1) {
        Index at = index_at(search->plan, node, 0);
        search->fits &= at && (at == search->row || at == search->column);
    }
    if (rank == 2) {
        search->fits &=
            index_at(search->plan, node, 0) == search->row && index_at(search->plan, node, 1) == search->column;
        if (!search->matrix) search->matrix = node.symbol;
    }
    return false;
}

// Whether a value is read at these rows and columns: matrices there, vectors along one of the two. Tells a matrix.
static bool suits(const Plan *plan, Expr value, Index row, Index column, Symbol *matrix) {
    Search search = {.plan = plan, .row = row, .column = column, .fits = row != column};
    expr_visit(plan->store, value, look, &search);
    *matrix = search.matrix;
    return search.fits;
}

static uint32_t extent(const Plan *plan, Index index) { return index_info(plan->store, index)->extent; }

static void consider(Plan *plan, Item *item) {
    Symbol matrix = item->symbol, read;
    if (item->kind == ITEM_MAP && item->rank == 2) {
        item->row = item->axis[0];
        item->column = item->axis[1];
        item->sweeps = suits(plan, item->value, item->row, item->column, &read);
    } else if (item->kind == ITEM_REDUCE && item->rank == 1 && item->reduced == 1 && !item->maximum) {
        item->row = item->axis[0];
        item->column = item->over[0];
        item->sweeps = suits(plan, item->value, item->row, item->column, &matrix) && matrix;
        if (!item->sweeps) {
            item->row = item->over[0];
            item->column = item->axis[0];
            item->sweeps = suits(plan, item->value, item->row, item->column, &matrix) && matrix;
        }
    }
    item->sweeps = item->sweeps && extent(plan, item->row) && extent(plan, item->column);
    if (item->sweeps) item->owner = plan_owner(plan, matrix);
}

void plan_find_sweeps(Plan *plan) {
    if (!plan->options->one_sample) return;
    for (uint32_t i = 0; i < plan->items.count; i++) consider(plan, &plan->items.items[i]);
}

bool plan_same_sweep(const Plan *plan, const Item *a, const Item *b) {
    return a->owner == b->owner && extent(plan, a->row) == extent(plan, b->row) &&
           extent(plan, a->column) == extent(plan, b->column);
}

// One guard in a pass beside those that always run, and no more sums than there are registers for.
void plan_limit_sweep(Plan *plan, const ItemNumbers *candidates) {
    enum { SUMS = 4 };
    uint32_t guard = 0, along = 0, down = 0;
    for (uint32_t i = 0; i < candidates->count; i++) {
        Item *item = &plan->items.items[candidates->items[i]];
        if (!item->chosen) continue;
        if (!guard) guard = item->guard;
        bool sum = item->kind == ITEM_REDUCE, is_along = sum && item->row == item->axis[0];
        item->chosen = (!item->guard || item->guard == guard) && (!sum || (is_along ? along : down) < SUMS);
        along += item->chosen && is_along;
        down += item->chosen && sum && !is_along;
    }
}
