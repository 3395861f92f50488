// The operator table: one row per principle. A principle is data; the derivation below reads it and has no case of its
// own for any of them (science.md section 4, step 2).
#include "equations.h"

static const Principle table[PRINCIPLE_COUNT] = {
    {PRINCIPLE_INSTANT, "instant", "A + sum_k B_k = 0: errors ignore the filters", false, EXPR_STOP},
    {PRINCIPLE_LE, "le", "dE/dX = 0 at every instant (all time constants of a neuron equal)", true, EXPR_STOP},
    {PRINCIPLE_GLE, "gle", "lowpass(A, tau_m) + sum_k lowpass(B_k, tau_k) = 0", false, EXPR_LOWPASS},
};

const Principle *principle_find(PrincipleKind kind) { return &table[kind]; }
