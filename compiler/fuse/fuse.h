// From the step to loops: reductions come out of expressions, contractions are recognised, elementwise assignments over
// one index space are fused, everything is ordered so that arrays are updated in place, and storage is planned.
#ifndef LEQUEL_FUSE_H
#define LEQUEL_FUSE_H

#include "../loops/loops.h"
#include "../step/step.h"

typedef struct FuseOptions {
    LoopReal real;
    bool deterministic, calls; // see LoopProgram
    bool one_sample;           // the batch is a single sample: arrays have no axis for it, sums over it no terms
    const Symbol *kept;        // must be readable after a step although nothing in the step reads them later
    uint32_t kept_count;
} FuseOptions;

typedef struct FusedNote { // what a call computes into one of its arrays, for readers of emitted code
    uint32_t entry, call;
    Symbol symbol;
    Expr target; // the element that is computed
    Expr value;  // sums included; of temporaries, too
    uint32_t op; // MAP: the operation of the kernel that is the value
    Span span;
} FusedNote;

typedef struct Fused {
    LoopProgram program;    // one entry per step
    Vec(uint32_t) array_of; // by symbol: number of its array + 1, 0 when it needs no storage
    Vec(Symbol) idle;       // states of optimisers that no step reads, as of momentum 0: never written
    Vec(FusedNote) notes;   // in the order of the calls; for programs with `calls` only
} Fused;

// All steps belong to one model. The symbols that they share (weights, states) share their arrays.
Fused *fuse_steps(Step *const *steps, const char *const *names, uint32_t count, const FuseOptions *options);
void fused_free(Fused *fused);

#endif
