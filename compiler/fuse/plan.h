// Internals of fuse: the items that a step is cut into, and how they are emitted. Only compiler/fuse includes this.
#ifndef LEQUEL_PLAN_H
#define LEQUEL_PLAN_H

#include "../loops/maths.h"
#include "fuse.h"

enum { READ_OWN = 1, READ_ELSEWHERE = 2 }; // at the reading item's own axes, or elsewhere; a set

typedef struct Read { // by an item, of a symbol
    uint32_t item;
    Symbol symbol;
    ExprVersion version;
    uint8_t where;
} Read;
typedef Vec(Read) ReadList;

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
    Expr slot;  // MAP: 0, or the only place along axis 1 of the array that is assigned; that axis is none of `axis`
    Expr value; // MAP: the value. REDUCE: the body
    uint32_t reduced;
    Index over[EXPR_MAX_RANK + 1]; // REDUCE: indices summed over
    bool maximum;
    Expr left, right; // PRODUCT: A, X. OUTER: E, R; accesses
    bool live, done, chosen, placed, idle;
    ReadList reads; // one per symbol and version
    bool sweeps;    // may share one pass over a connection's matrices, whose axes are the next two
    Index row, column;
    uint32_t nest; // MAP: a number that items of one nest share
} Item;
typedef Vec(Item) ItemList;
typedef Vec(uint32_t) ItemNumbers;

typedef struct SymbolUse {
    ItemNumbers writers;
    ReadList readers;
} SymbolUse;

typedef struct Temporary { // of a hoisted or reduced expression, one per guard
    Expr expr;
    uint32_t guard;
    Expr access;
} Temporary;

typedef struct Extracted { // see extract.c
    uint32_t assignment;
    Expr result;
} Extracted;
typedef Vec(Extracted) ExtractionList;

typedef struct Plan {
    ExprStore *store;
    Arena *arena;
    Fused *fused;
    const FuseOptions *options;
    ItemList items; // of the step at work
    Vec(Temporary) temporaries;
    ExtractionList extracted, hoisted; // by expression, for the assignment at work
    uint32_t assignment;
    Vec(SymbolUse) uses;    // by symbol
    Vec(ItemNumbers) nests; // items by the nest they may share
    uint32_t unique;
    Symbol batch_size;
} Plan;

// The axes of a symbol's array in the program that is being made; returns their number.
uint32_t plan_axes(const Plan *plan, Symbol symbol, Index *axes);
// What an item writes, at its axes.
Expr plan_own_access(const Plan *plan, const Item *item, ExprVersion version);
// How many of an access' arguments are axes of its array: not the sample where there is only one.
uint32_t plan_access_rank(const Plan *plan, ExprNode access);

// fuse.c: who writes and reads a symbol; an item's reads, noted and forgotten.
SymbolUse *plan_use_of(Plan *plan, Symbol symbol);
void plan_find_reads_of(Plan *plan, uint32_t item);
void plan_forget_reads_of(Plan *plan, uint32_t item);
// extract.c: an assignment becomes items; sums and scalar subexpressions become temporaries of their own.
void plan_add(Plan *plan, const StepAssign *assign);
Atom plan_owner(Plan *plan, Symbol symbol);
// sweep.c: which items may take part in a sweep, which may share one, and which of those chosen have room in it.
void plan_find_sweeps(Plan *plan);
bool plan_same_sweep(const Plan *plan, const Item *a, const Item *b);
void plan_limit_sweep(Plan *plan, const ItemNumbers *candidates);
void plan_emit_sweep(Plan *plan, LoopEntry *entry, Item *const *group, uint32_t count);
// order.c: all items become calls, one after the other.
void plan_order(Plan *plan, LoopEntry *entry);
// emit.c: a group of MAP items, one reduction or a sweep becomes a call or two.
void plan_emit(Plan *plan, LoopEntry *entry, Item *const *group, uint32_t count);
uint32_t plan_array(Plan *plan, Symbol symbol); // number of a symbol's array, made on demand
bool plan_needs_store(const Plan *plan, const Item *item, Item *const *group, uint32_t count);

#endif
