// Assignments become items: reductions and scalar subexpressions are taken out of expressions into temporaries, and
// sums of products are recognised as matrix products and outer products, whichever way they were written.
#include "plan.h"
#include <string.h>

Atom plan_owner(Plan *plan, Symbol symbol) {
    const char *name = symbol_info(plan->store, symbol)->name, *dot = strchr(name, '.');
    return dot ? arena_atom(plan->arena, name, (size_t)(dot - name)) : arena_atom_z(plan->arena, name);
}

// The axes that the array of an expression's values has: its free index variables, the batch last if there is one.
static uint32_t free_axes(const Plan *plan, Expr expr, Index *axes, uint32_t most) {
    uint32_t all, count = 0;
    const Index *free = expr_free_indices(plan->store, expr, &all);
    for (uint32_t i = 0; i < all && count < most; i++)
        if (free[i] != INDEX_BATCH) axes[count++] = free[i];
    bool batch = expr_has_index(plan->store, expr, INDEX_BATCH) && !plan->options->one_sample;
    if (count < most && batch) axes[count++] = INDEX_BATCH;
    return count;
}

// A new array for what the item, which is to have the axes of `expr`, computes; returns the access at these axes.
static Expr make_temporary(Plan *plan, Atom owner, Expr expr, Item *item) {
    SymbolInfo info = {.role = ROLE_SIGNAL, .hidden = true, .batched = expr_has_index(plan->store, expr, INDEX_BATCH)};
    info.name = arena_format(plan->arena, "%s#%u", owner, ++plan->unique);
    item->rank = free_axes(plan, expr, item->axis, EXPR_MAX_RANK + 1);
    for (uint32_t i = 0; i < item->rank; i++)
        if (item->axis[i] != INDEX_BATCH) info.extent[info.rank++] = index_info(plan->store, item->axis[i])->extent;
    if (!info.rank && !info.batched) info.role = ROLE_SCALAR;
    item->symbol = symbol_new(plan->store, info);
    return plan_own_access(plan, item, VERSION_NEW);
}

static Expr find_temporary(const Plan *plan, Expr expr, uint32_t guard) {
    for (uint32_t i = 0; i < plan->temporaries.count; i++)
        if (plan->temporaries.items[i].expr == expr && plan->temporaries.items[i].guard == guard)
            return plan->temporaries.items[i].access;
    return 0;
}

// What an expression became within one assignment. Without it, shared expressions would be gone through again and
// again, in a time exponential in their depth.
static Expr *remembered(const Plan *plan, ExtractionList *list, Expr expr) {
    while (list->count <= expr) vec_push(list, (Extracted){0});
    Extracted *extracted = &list->items[expr];
    if (extracted->assignment != plan->assignment) *extracted = (Extracted){.assignment = plan->assignment};
    return &extracted->result;
}

typedef struct Extraction {
    Plan *plan;
    uint32_t guard;
    Span span;
    Atom owner;
    bool matrix; // of a value over rows and columns, for a single sample: what depends on one of them stands apart
} Extraction;

static Expr extract(Extraction *x, Expr expr);

static void add_item(Extraction *x, Item item) {
    item.guard = x->guard;
    item.span = x->span;
    item.owner = x->owner;
    vec_push(&x->plan->items, item);
}

static Expr materialise(Extraction *x, Expr expr) {
    Expr have = find_temporary(x->plan, expr, x->guard);
    if (have) return have;
    Item item = {.kind = ITEM_MAP};
    Expr access = make_temporary(x->plan, x->owner, expr, &item);
    item.value = expr;
    add_item(x, item);
    vec_push(&x->plan->temporaries, (Temporary){expr, x->guard, access});
    return access;
}

// ---- Scalar subexpressions ------------------------------------------------------------------------------------------

static bool has_free_index(const Plan *plan, Expr expr) {
    Index axes[EXPR_MAX_RANK + 1];
    return free_axes(plan, expr, axes, EXPR_MAX_RANK + 1) > 0;
}

static bool is_plain(const Plan *plan, Expr expr) {
    ExprKind kind = expr_node(plan->store, expr).kind;
    return kind == EXPR_CONST || kind == EXPR_ACCESS;
}

// W[0, 1]: an element of an array has the program's precision; single numbers are double and computed apart.
static bool note_element(const ExprStore *store, Expr expr, void *context) {
    bool *found = context;
    ExprNode node = expr_node(store, expr);
    *found |= node.kind == EXPR_ACCESS && node.count > 0;
    return !*found && node.kind != EXPR_ACCESS;
}

static bool reads_element(const Plan *plan, Expr expr) {
    bool found = false;
    expr_visit(plan->store, expr, note_element, &found);
    return found;
}

static Expr hoist(Extraction *x, Expr expr);

// Of a sum or product, the part without any index becomes one scalar.
static Expr hoist_group(Extraction *x, ExprNode node) {
    Vec(Expr) scalars = {0}, rest = {0};
    for (uint32_t i = 0; i < node.count; i++) {
        if (has_free_index(x->plan, node.argument[i]))
            vec_push(&rest, hoist(x, node.argument[i]));
        else
            vec_push(&scalars, node.argument[i]);
    }
    if (scalars.count) {
        Expr scalar = expr_make(x->plan->store, node.kind, scalars.items, scalars.count);
        bool stays = is_plain(x->plan, scalar) || reads_element(x->plan, scalar);
        vec_push(&rest, stays ? scalar : materialise(x, scalar));
    }
    Expr result = expr_make(x->plan->store, node.kind, rest.items, rest.count);
    vec_free(&scalars);
    vec_free(&rest);
    return result;
}

static Expr hoist_arguments(Extraction *x, Expr expr) {
    ExprStore *s = x->plan->store;
    ExprNode node = expr_node(s, expr);
    if (node.kind == EXPR_ADD || node.kind == EXPR_MUL) return hoist_group(x, node);
    if (node.kind == EXPR_CALL) return expr_call(s, node.function, hoist(x, node.argument[0]));
    Expr arguments[3];
    if (node.count > 3 || node.kind == EXPR_DELTA) return expr;
    for (uint32_t i = 0; i < node.count; i++) arguments[i] = hoist(x, node.argument[i]);
    return expr_make(s, node.kind, arguments, node.count);
}

static bool note_cost(const ExprStore *store, Expr expr, void *context) {
    bool *costs = context;
    ExprKind kind = expr_node(store, expr).kind;
    *costs |= kind == EXPR_CALL || kind == EXPR_POWER || kind == EXPR_SELECT;
    return !*costs;
}

// A vector worth keeping beside a matrix: computed in place, it would be computed again for each row or column.
static bool is_costly_vector(const Plan *plan, Expr expr) {
    Index axes[EXPR_MAX_RANK + 1];
    bool costs = false;
    if (free_axes(plan, expr, axes, EXPR_MAX_RANK + 1) == 1) expr_visit(plan->store, expr, note_cost, &costs);
    return costs;
}

// Whatever doesn't depend on an index is computed once per step, in double.
static Expr hoist(Extraction *x, Expr expr) {
    if (is_plain(x->plan, expr) || expr_node(x->plan->store, expr).kind == EXPR_INDEX) return expr;
    if (!has_free_index(x->plan, expr)) return reads_element(x->plan, expr) ? expr : materialise(x, expr);
    Expr have = *remembered(x->plan, &x->plan->hoisted, expr);
    if (have) return have;
    Expr result = x->matrix && is_costly_vector(x->plan, expr) ? materialise(x, expr) : hoist_arguments(x, expr);
    return *remembered(x->plan, &x->plan->hoisted, expr) = result;
}

// ---- Contractions ---------------------------------------------------------------------------------------------------

typedef struct Operands { // of a two-factor contraction
    Expr left, right;
} Operands;

// Splits the factors of a product into those that have `index` and those that don't.
static Operands split_factors(Plan *plan, Expr body, Index index) {
    ExprNode node = expr_node(plan->store, body);
    const Expr *factors = node.kind == EXPR_MUL ? node.argument : &body;
    uint32_t count = node.kind == EXPR_MUL ? node.count : 1;
    Operands o = {expr_const(plan->store, 1), expr_const(plan->store, 1)};
    for (uint32_t i = 0; i < count; i++) {
        Expr *side = expr_has_index(plan->store, factors[i], index) ? &o.left : &o.right;
        *side = expr_mul(plan->store, *side, factors[i]);
    }
    return o;
}

static bool is_array(const Plan *plan, Expr expr, const Index *wanted, uint32_t count, bool any_order) {
    ExprNode node = expr_node(plan->store, expr);
    if (node.kind != EXPR_ACCESS || node.count != count) return false;
    bool straight = true, crossed = any_order && count == 2;
    for (uint32_t i = 0; i < count; i++) {
        ExprNode at = expr_node(plan->store, node.argument[i]);
        straight &= at.kind == EXPR_INDEX && at.index == wanted[i];
        crossed &= at.kind == EXPR_INDEX && at.index == wanted[count - 1 - i];
    }
    return straight || crossed;
}

static bool has_exactly(const Plan *plan, Expr expr, Index a, Index b) {
    Index axes[EXPR_MAX_RANK + 1];
    if (free_axes(plan, expr, axes, EXPR_MAX_RANK + 1) != 2) return false;
    return (axes[0] == a && axes[1] == b) || (axes[0] == b && axes[1] == a);
}

// sum over k of A[i, k] * X[k, b]: a matrix times a batch of vectors. A may be stored either way round.
static bool recognise_product(Extraction *x, Item *item) {
    Plan *plan = x->plan;
    if (item->maximum || item->reduced != 1 || item->rank != 2 || item->axis[1] != INDEX_BATCH) return false;
    Index i = item->axis[0], k = item->over[0];
    Operands o = split_factors(plan, item->value, INDEX_BATCH);
    if (k == INDEX_BATCH || !has_exactly(plan, o.left, k, INDEX_BATCH) || !has_exactly(plan, o.right, i, k))
        return false;
    if (!is_array(plan, o.right, (Index[]){i, k}, 2, true)) o.right = materialise(x, o.right);
    if (!is_array(plan, o.left, (Index[]){k, INDEX_BATCH}, 2, false)) o.left = materialise(x, o.left);
    item->kind = ITEM_PRODUCT;
    item->left = o.right;
    item->right = o.left;
    return true;
}

// sum over b of E[i, b] * R[j, b].
static bool recognise_outer(Extraction *x, Item *item) {
    Plan *plan = x->plan;
    if (item->maximum || item->reduced != 1 || item->over[0] != INDEX_BATCH || item->rank != 2 ||
        item->axis[1] == INDEX_BATCH)
        return false;
    Index i = item->axis[0], j = item->axis[1];
    Operands o = split_factors(plan, item->value, i);
    if (!has_exactly(plan, o.left, i, INDEX_BATCH) || !has_exactly(plan, o.right, j, INDEX_BATCH)) return false;
    if (!is_array(plan, o.left, (Index[]){i, INDEX_BATCH}, 2, false)) o.left = materialise(x, o.left);
    if (!is_array(plan, o.right, (Index[]){j, INDEX_BATCH}, 2, false)) o.right = materialise(x, o.right);
    item->kind = ITEM_OUTER;
    item->left = o.left;
    item->right = o.right;
    return true;
}

static bool take_target(const Extraction *x, Expr expr, const Item *target, Item *item) {
    item->rank = free_axes(x->plan, expr, item->axis, EXPR_MAX_RANK + 1);
    if (!target || target->rank != item->rank || memcmp(target->axis, item->axis, item->rank * sizeof *item->axis) != 0)
        return false;
    item->symbol = target->symbol;
    return true;
}

// A sum becomes an item. Where `target` has just its axes, that is what it writes; else a temporary.
static Expr extract_reduction(Extraction *x, Expr expr, const Item *target) {
    Plan *plan = x->plan;
    Expr have = find_temporary(plan, expr, x->guard);
    if (have) return have;
    ExprNode node = expr_node(plan->store, expr);
    Item item = {.kind = ITEM_REDUCE, .maximum = node.kind == EXPR_MAXIMUM};
    Expr body = expr;
    ExprKind kind = node.kind;
    for (; node.kind == kind && item.reduced <= EXPR_MAX_RANK;
         node = expr_node(plan->store, body)) { // nested sums are one
        if (node.index != INDEX_BATCH || !plan->options->one_sample) item.over[item.reduced++] = node.index;
        body = node.argument[0];
    }
    item.value = extract(x, body);
    if (!item.reduced) return item.value; // over the one sample that there is
    Expr access = take_target(x, expr, target, &item) ? plan_own_access(plan, &item, VERSION_NEW)
                                                      : make_temporary(plan, x->owner, expr, &item);
    x->matrix = plan->options->one_sample && item.rank + item.reduced == 2;
    if (!recognise_product(x, &item) && !recognise_outer(x, &item)) item.value = hoist(x, item.value);
    add_item(x, item);
    vec_push(&plan->temporaries, (Temporary){expr, x->guard, access});
    return access;
}

// Replaces every reduction in `expr`, innermost first, by the temporary that holds it.
static Expr extract(Extraction *x, Expr expr) {
    ExprStore *s = x->plan->store;
    if (!expr_has_kind(s, expr, EXPR_SUM) && !expr_has_kind(s, expr, EXPR_MAXIMUM)) return expr;
    ExprNode node = expr_node(s, expr);
    if (node.kind == EXPR_SUM || node.kind == EXPR_MAXIMUM) return extract_reduction(x, expr, NULL);
    Expr have = *remembered(x->plan, &x->plan->extracted, expr);
    if (have) return have;
    Vec(Expr) arguments = {0};
    for (uint32_t i = 0; i < node.count; i++) vec_push(&arguments, extract(x, node.argument[i]));
    Expr result = node.kind == EXPR_CALL ? expr_call(s, node.function, arguments.items[0])
                                         : expr_make(s, node.kind, arguments.items, arguments.count);
    vec_free(&arguments);
    return *remembered(x->plan, &x->plan->extracted, expr) = result;
}

void plan_add(Plan *plan, const StepAssign *assign) {
    plan->assignment++;
    Extraction x = {plan, assign->guard, assign->span, plan_owner(plan, assign->symbol), false};
    Item item = {.kind = ITEM_MAP, .symbol = assign->symbol};
    item.rank = plan_axes(plan, assign->symbol, item.axis);
    if (assign->slot) { // axis 1 is none of those that remain
        item.slot = assign->slot;
        for (uint32_t k = 1; k + 1 < item.rank; k++) item.axis[k] = item.axis[k + 1];
        item.rank--;
    }
    Expr value = assign->value, size = expr_access(plan->store, plan->batch_size, VERSION_OLD, NULL, 0);
    if (plan->options->one_sample) value = expr_replace(plan->store, value, size, expr_const(plan->store, 1));
    ExprKind kind = expr_node(plan->store, value).kind;
    bool sum = kind == EXPR_SUM || kind == EXPR_MAXIMUM;
    item.value = sum ? extract_reduction(&x, value, &item) : extract(&x, value);
    if (sum && item.value == plan_own_access(plan, &item, VERSION_NEW)) return; // that is all
    x.matrix = plan->options->one_sample && item.rank == 2;
    if (item.rank) item.value = hoist(&x, item.value);
    add_item(&x, item);
}
