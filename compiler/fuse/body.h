// What a kernel's body is made from: the items at work, the arrays that they touch and where. Only compiler/fuse
// includes this.
#ifndef LEQUEL_FUSE_BODY_H
#define LEQUEL_FUSE_BODY_H

#include "../expr/memo.h"
#include "plan.h"

typedef struct Place { // an array at certain index expressions
    Symbol symbol;
    Expr access; // any version: the place is the same
    LoopSize stride[LOOP_MAX_AXES], offset;
    LoopStride vector;
    uint32_t argument;
    uint32_t slot; // 0, or 1 + the operation that says the place along axis 1
} Place;

typedef struct Emission {
    Plan *plan;
    Item *const *group;
    uint32_t group_count;
    LoopBody body;
    uint32_t axes;
    Index axis[LOOP_MAX_AXES];
    Vec(Place) places;
    Vec(uint32_t) arrays;  // arguments of the call
    ExprMemo memo, truths; // operation + 1 of an expression, as a number and as a condition
    uint32_t *stored;      // per group item: the operation of its value
} Emission;

// body.c: the operation that computes an expression; the number of the place that an access means.
uint32_t body_emit(Emission *e, Expr expr);
uint32_t body_place(Emission *e, ExprNode access);

// emit.c: a body for a nest over the axes of the group's first item, and the call that it becomes.
Emission nest_begin(Plan *plan, Item *const *group, uint32_t count);
void nest_finish(Emission *e, LoopEntry *entry, LoopKernel kernel);
void nest_reduce(Plan *plan, LoopEntry *entry, Item *const *group);
// What the call computes that is to be finished next, for readers. `op` as in FusedNote.
void nest_note(Plan *plan, const LoopEntry *entry, const Item *item, uint32_t op);

#endif
