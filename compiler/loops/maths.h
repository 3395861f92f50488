// Transcendental functions as operations of the loops form, so that every back end computes the same bits.
// Accuracy: at most 2.5 units in the last place over the whole range, NaN, infinities, signed zeros and subnormal
// numbers right. No table lookups, no branches: every function is a straight line of LoopOps.
#ifndef LEQUEL_MATHS_H
#define LEQUEL_MATHS_H

#include "loops.h"

// clang-format off
typedef enum MathFunction {
    MATH_EXP, MATH_EXPM1, MATH_LOG, MATH_LOG1P, MATH_TANH, MATH_SIN, MATH_COS,
    MATH_SIGMOID,  // 1 / (1 + exp(-x)), right for large |x| of either sign
    MATH_SOFTPLUS, // log(1 + exp(x)) without overflow
    MATH_FUNCTION_COUNT,
    MATH_POWER = MATH_FUNCTION_COUNT // of two arguments: maths_power
} MathFunction;
// clang-format on

// Where the operations of a body are collected. Appending finds an equal earlier operation first, so that shared
// subexpressions (the exponential of a sigmoid and of its derivative) are computed once.
typedef struct LoopBody {
    LoopReal real;
    bool deterministic; // LOOP_FMA rounds twice: what needs its exactness is computed otherwise
    bool calls;         // functions become LOOP_CALL instead of their operations
    Vec(LoopOp) ops;
    Vec(uint32_t) table; // hash table of operation numbers + 1; an implementation detail
} LoopBody;

void loop_body_free(LoopBody *body);
uint32_t loop_op(LoopBody *body, LoopOpKind kind, uint32_t a, uint32_t b, uint32_t c);
uint32_t loop_const(LoopBody *body, double value);
uint32_t loop_iconst(LoopBody *body, uint64_t bits);
uint32_t loop_shift(LoopBody *body, LoopOpKind kind, uint32_t a, uint32_t by);
uint32_t loop_call(LoopBody *body, MathFunction function, uint32_t a, uint32_t b);

uint32_t maths_emit(LoopBody *body, MathFunction function, uint32_t x);
uint32_t maths_power(LoopBody *body, uint32_t base, uint32_t exponent); // x^y for x >= 0; NaN for x < 0
const char *maths_name(MathFunction function);                          // "exp", …, "power"

#endif
