// Internals of fuse: the items that a step is cut into, and how they are emitted. Only compiler/fuse includes this.
#ifndef LEQUEL_PLAN_H
#define LEQUEL_PLAN_H

#include "../loops/maths.h"
#include "fuse.h"

typedef enum ItemKind { ITEM_MAP, ITEM_REDUCE, ITEM_PRODUCT, ITEM_OUTER } ItemKind;

// One assignment to one array, elementwise or a reduction.
typedef struct Item {
    ItemKind kind;
    Symbol symbol;
    uint32_t guard;
    Span span;
    Atom owner;    // what it belongs to (h[2], w[0]): items of one owner and one index space are fused
    uint32_t rank; // of the axes, the batch included
    Index axis[EXPR_MAX_RANK + 1];
    Expr value; // MAP: the value. REDUCE: the body
    uint32_t reduced;
    Index over[EXPR_MAX_RANK + 1]; // REDUCE: indices summed over
    bool maximum;
    Expr left, right; // PRODUCT: A, X. OUTER: E, R; accesses
    bool live, done, chosen;
    uint8_t *reads_new, *reads_old; // per symbol: 0 not, 1 at the item's own axes only, 2 elsewhere too
} Item;
typedef Vec(Item) ItemList;

typedef struct Temporary { // of a hoisted or reduced expression, one per guard
    Expr expr;
    uint32_t guard;
    Expr access;
} Temporary;

typedef struct Plan {
    ExprStore *store;
    Arena *arena;
    Fused *fused;
    const FuseOptions *options;
    ItemList items; // of the step at work
    Vec(Temporary) temporaries;
    uint32_t unique;
    uint32_t symbols; // size of the reads arrays
} Plan;

// extract.c: an assignment becomes items; sums and scalar subexpressions become temporaries of their own.
void plan_add(Plan *plan, const StepAssign *assign);
// emit.c: a group of MAP items, or one reduction, becomes a call.
void plan_emit(Plan *plan, LoopEntry *entry, Item *const *group, uint32_t count);
uint32_t plan_array(Plan *plan, Symbol symbol); // number of a symbol's array, made on demand
bool plan_needs_store(const Plan *plan, const Item *item, Item *const *group, uint32_t count);

#endif
