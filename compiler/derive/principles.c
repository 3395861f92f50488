// The operator table: one row per principle. A principle is data; the derivation below reads it and has no case of its
// own for any of them (science.md section 4, step 2).
#include "equations.h"

static const Principle table[PRINCIPLE_COUNT] = {
    {PRINCIPLE_INSTANT, "instant", "A + sum_k B_k = 0: errors ignore the filters", false, EXPR_STOP, EXPR_STOP,
     COURSE_ONLINE},
    {PRINCIPLE_LE, "le", "dE/dX = 0 at every instant (all time constants of a neuron equal)", true, EXPR_STOP,
     EXPR_STOP, COURSE_ONLINE},
    {PRINCIPLE_GLE, "gle", "lowpass(A, tau_m) + sum_k lowpass(B_k, tau_k) = 0", false, EXPR_LOWPASS, EXPR_AHEAD,
     COURSE_ONLINE},
    {PRINCIPLE_VLE, "vle",
     "(1 - tau_m d/dt) A + sum_k (1 - tau_k d/dt) B_k = 0, each 1 - tau d/dt replaced by lowpass(·, tau), of the same "
     "phase",
     false, EXPR_LOWPASS, EXPR_AHEAD, COURSE_ONLINE},
    {PRINCIPLE_ADJOINT, "adjoint", "(1 - tau_m d/dt) A + sum_k (1 - tau_k d/dt) B_k = 0, solved backward in time",
     false, EXPR_AHEAD, EXPR_LOWPASS, COURSE_BACKWARD},
    {PRINCIPLE_BPTT, "bptt", "the chain rule through the discretised step", false, EXPR_STOP, EXPR_STOP,
     COURSE_REVERSED_STEP},
    {PRINCIPLE_TBPTT, "tbptt", "the chain rule through the discretised step, cut off after a window", false, EXPR_STOP,
     EXPR_STOP, COURSE_REVERSED_STEP},
};

const Principle *principle_find(PrincipleKind kind) { return &table[kind]; }
