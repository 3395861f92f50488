// Sweeps: with a single sample, everything that reads or writes the matrices of a connection can share one pass over
// them: the current (a sum along each row), the error sent down (a sum down each column) and the update. Items that
// can take part are found here; the pass waits for as many of them as may run together.
#include "body.h"
#include <stdlib.h>
#include <string.h>

// ---- Which items sweep ----------------------------------------------------------------------------------------------

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

static uint32_t extent_of(const Plan *plan, Index index) { return index_info(plan->store, index)->extent; }

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
    item->sweeps = item->sweeps && extent_of(plan, item->row) && extent_of(plan, item->column);
    if (item->sweeps) item->owner = plan_owner(plan, matrix);
}

void plan_find_sweeps(Plan *plan) {
    if (!plan->options->one_sample) return;
    for (uint32_t i = 0; i < plan->items.count; i++) consider(plan, &plan->items.items[i]);
}

bool plan_same_sweep(const Plan *plan, const Item *a, const Item *b) {
    return a->owner == b->owner && extent_of(plan, a->row) == extent_of(plan, b->row) &&
           extent_of(plan, a->column) == extent_of(plan, b->column);
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

// ---- Kernels and calls ----------------------------------------------------------------------------------------------

static void set_axes(Emission *e, const Item *item) {
    e->axis[0] = item->row;
    e->axis[1] = item->column;
    expr_memo_free(&e->memo);
    expr_memo_free(&e->truths);
}

// Rows per call of a sweep. Sums down the columns of a panel go into a row of their own, and these are added in order:
// the shape of a sum depends on the matrix alone, whoever computes which panel.
static uint32_t panel_rows(const Plan *plan, const Item *item) {
    enum { PANEL = 128 };
    uint32_t rows = extent_of(plan, item->row);
    return rows >= 2 * PANEL && !plan->options->calls ? PANEL : rows; // a reader has one pass
}

static bool sums_down(const Item *item) { return item->kind == ITEM_REDUCE && item->column == item->axis[0]; }

// Where a panel's sums down columns go: one row per panel, of which the place of the first is returned.
static Expr panel_sums(Plan *plan, Item *item, uint32_t panels) {
    SymbolInfo info = {.role = ROLE_SIGNAL, .hidden = true, .rank = 2};
    info.name = arena_format(plan->arena, "%s#%u", item->owner, ++plan->unique);
    info.extent[0] = panels;
    info.extent[1] = extent_of(plan, item->column);
    Symbol rows = symbol_new(plan->store, info);
    Index panel = index_shared(plan->store, 0, panels);
    if (panel == item->column) panel = index_shared(plan->store, 1, panels);
    Expr at[] = {expr_index(plan->store, panel), expr_index(plan->store, item->column)};
    item->over[0] = panel; // what is left to do
    item->value = expr_access(plan->store, rows, VERSION_NEW, at, 2);
    at[0] = expr_const(plan->store, 0);
    return expr_access(plan->store, rows, VERSION_NEW, at, 2);
}

// The entry's last call, cut into panels of rows: each goes on where the last one ended, with sums down columns in the
// next row of theirs.
static void cut_into_panels(const Plan *plan, LoopEntry *entry, uint32_t panel) {
    const LoopProgram *program = &plan->fused->program;
    LoopCall *first = &entry->calls.items[entry->calls.count - 1];
    const LoopKernel *kernel = &program->kernels.items[first->kernel];
    uint32_t accesses = kernel->accesses.count;
    int64_t rows = first->axis[0].extent, *step = memory_resize(NULL, accesses + 1, sizeof *step);
    for (uint32_t a = 0; a < accesses; a++) step[a] = panel * first->stride[a * LOOP_MAX_AXES].fixed;
    for (uint32_t i = 0; i < kernel->sums.count; i++) {
        uint32_t access = kernel->sums.items[i].access, argument = kernel->accesses.items[access].argument;
        const LoopArray *array = &program->arrays.items[first->array[argument]];
        if (kernel->sums.items[i].down) step[access] = loop_array_stride(array, 0).fixed;
    }
    first->axis[0].extent = panel;
    for (int64_t row = panel; row < rows; row += panel) {
        LoopCall call = loop_call_copy(program, &entry->calls.items[entry->calls.count - 1]);
        for (uint32_t a = 0; a < accesses; a++) call.offset[a].fixed += step[a];
        call.axis[0].extent = rows - row < panel ? rows - row : panel;
        vec_push(&entry->calls, call);
    }
    free(step);
}

static void emit_sweep(Plan *plan, LoopEntry *entry, Item *const *group, uint32_t count, uint32_t guard, bool unless) {
    Emission e = nest_begin(plan, group, 0);
    LoopKernel kernel = {.kind = LOOP_SWEEP};
    uint32_t rows = extent_of(plan, group[0]->row), panel = panel_rows(plan, group[0]);
    Vec(Item) rest = {0}; // sums over panels
    e.axes = 2;
    e.body.real = plan->options->real;
    free(e.stored);
    e.stored = memory_resize(NULL, count, sizeof *e.stored);
    for (uint32_t i = 0; i < count; i++) {
        set_axes(&e, group[i]);
        e.stored[i] = body_emit(&e, group[i]->value);
        e.group = group; // from here on its members are values of this very pass
        e.group_count = i + 1;
        nest_note(plan, entry, group[i], group[i]->kind == ITEM_REDUCE ? UINT32_MAX : e.stored[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        set_axes(&e, group[i]);
        bool sum = group[i]->kind == ITEM_REDUCE;
        if (!sum && !plan_needs_store(plan, group[i], group, count)) continue;
        Expr target = plan_own_access(plan, group[i], VERSION_NEW);
        if (sums_down(group[i]) && panel < rows) {
            Item item = *group[i];
            target = panel_sums(plan, &item, (rows + panel - 1) / panel);
            vec_push(&rest, item);
        }
        uint32_t place = body_place(&e, expr_node(plan->store, target));
        if (sum)
            vec_push(&kernel.sums, (LoopSum){place, e.stored[i], sums_down(group[i])});
        else
            vec_push(&kernel.stores, (LoopStore){place, e.stored[i]});
    }
    set_axes(&e, group[0]);
    nest_finish(&e, entry, kernel);
    LoopCall *call = &entry->calls.items[entry->calls.count - 1];
    call->guard = guard;
    call->unless = unless;
    if (panel < rows) cut_into_panels(plan, entry, panel);
    for (uint32_t i = 0; i < rest.count; i++) {
        Item *item = &rest.items[i];
        nest_reduce(plan, entry, &item);
        entry->calls.items[entry->calls.count - 1].guard = guard;
        entry->calls.items[entry->calls.count - 1].unless = unless;
    }
    vec_free(&rest);
}

// While a learning rule rests, a pass without its items does the rest.
void plan_emit_sweep(Plan *plan, LoopEntry *entry, Item *const *group, uint32_t count) {
    Item **always = memory_resize(NULL, count, sizeof *always);
    uint32_t guard = 0, rest = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (group[i]->guard) guard = group[i]->guard;
        if (!group[i]->guard) always[rest++] = group[i];
    }
    emit_sweep(plan, entry, group, count, guard, false);
    if (guard && rest) emit_sweep(plan, entry, always, rest, guard, true);
    free(always);
}
