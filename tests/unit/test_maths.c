// Transcendental functions of the loops form: accuracy over all exponents, special values, value numbering. A small
// evaluator runs the operations one by one; the reference is the C library in long double.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiler/loops/maths.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// ---- evaluating operations

typedef union Value {
    double real;
    uint64_t bits;
    bool truth;
} Value;

typedef struct Program {
    LoopBody body;
    uint32_t result;
    bool fused; // LOOP_FMA rounds once
    Value *values;
} Program;

static double narrowed(LoopReal real, double x) { return real == LOOP_F32 ? (double)(float)x : x; }

static uint64_t bits_from_real(LoopReal real, double x) {
    uint64_t wide;
    uint32_t narrow;
    float single = (float)x;
    memcpy(&wide, &x, sizeof wide);
    memcpy(&narrow, &single, sizeof narrow);
    return real == LOOP_F32 ? narrow : wide;
}

static double real_from_bits(LoopReal real, uint64_t bits) {
    double wide;
    float single;
    uint32_t narrow = (uint32_t)bits;
    memcpy(&wide, &bits, sizeof wide);
    memcpy(&single, &narrow, sizeof single);
    return real == LOOP_F32 ? (double)single : wide;
}

static double multiply_add(const Program *program, double a, double b, double c) {
    if (!program->fused) return narrowed(program->body.real, a * b) + c;
    return program->body.real == LOOP_F32 ? (double)fmaf((float)a, (float)b, (float)c) : fma(a, b, c);
}

// Operations whose result is REAL. Float operands in double round to the right float afterwards.
static bool evaluate_real(const Program *program, const LoopOp *op, double *result) {
    const Value *values = program->values;
    double a = values[op->a].real, b = values[op->b].real, c = values[op->c].real;
    switch (op->kind) {
    case LOOP_CONST: *result = op->value; return true;
    case LOOP_ADD: *result = a + b; return true;
    case LOOP_SUB: *result = a - b; return true;
    case LOOP_MUL: *result = a * b; return true;
    case LOOP_DIV: *result = a / b; return true;
    case LOOP_FMA: *result = multiply_add(program, a, b, c); return true;
    case LOOP_NEG: *result = -a; return true;
    case LOOP_ABS: *result = fabs(a); return true;
    case LOOP_MIN: *result = a < b ? a : b; return true;
    case LOOP_MAX: *result = a > b ? a : b; return true;
    case LOOP_COPYSIGN: *result = copysign(a, b); return true;
    case LOOP_FROM_BITS: *result = real_from_bits(program->body.real, values[op->a].bits); return true;
    case LOOP_SELECT: *result = values[op->a].truth ? b : c; return true; // the functions select REALs only
    default: return false;
    }
}

static uint64_t evaluate_bits(const Program *program, const LoopOp *op) {
    const Value *values = program->values;
    uint64_t a = values[op->a].bits, b = values[op->b].bits;
    switch (op->kind) {
    case LOOP_ICONST: return op->bits;
    case LOOP_TO_BITS: return bits_from_real(program->body.real, values[op->a].real);
    case LOOP_IADD: return a + b;
    case LOOP_ISUB: return a - b;
    case LOOP_IAND: return a & b;
    case LOOP_IOR: return a | b;
    case LOOP_IXOR: return a ^ b;
    case LOOP_ISHL: return a << op->bits;
    case LOOP_ISHR: return a >> op->bits;
    default: fail_msg("operation %d is not evaluated", (int)op->kind); return 0;
    }
}

static Value evaluate_op(const Program *program, const LoopOp *op) {
    const Value *values = program->values;
    double real;
    switch (op->kind) {
    case LOOP_LT: return (Value){.truth = values[op->a].real < values[op->b].real};
    case LOOP_EQ: return (Value){.truth = values[op->a].real == values[op->b].real};
    case LOOP_OR: return (Value){.truth = values[op->a].truth || values[op->b].truth};
    default: break;
    }
    if (evaluate_real(program, op, &real)) return (Value){.real = narrowed(program->body.real, real)};
    uint64_t bits = evaluate_bits(program, op);
    return (Value){.bits = program->body.real == LOOP_F32 ? (uint32_t)bits : bits};
}

// Loads number 0 and 1 are x and y.
static double evaluate(const Program *program, double x, double y) {
    for (uint32_t i = 0; i < program->body.ops.count; i++) {
        const LoopOp *op = &program->body.ops.items[i];
        if (op->kind == LOOP_LOAD) program->values[i].real = op->a ? y : x;
        else program->values[i] = evaluate_op(program, op);
    }
    return program->values[program->result].real;
}

enum { POWER = MATH_FUNCTION_COUNT, FUNCTIONS };

static Program program_new(LoopReal real, int function, bool fused) {
    Program program = {.body.real = real, .fused = fused};
    uint32_t x = loop_op(&program.body, LOOP_LOAD, 0, 0, 0), y = loop_op(&program.body, LOOP_LOAD, 1, 0, 0);
    program.result = function == POWER ? maths_power(&program.body, x, y)
                                       : maths_emit(&program.body, (MathFunction)function, x);
    program.values = memory_resize(NULL, program.body.ops.count, sizeof *program.values);
    return program;
}

static void program_free(Program *program) {
    loop_body_free(&program->body);
    free(program->values);
}

// ---- references and error measure

static long double reference(int function, long double x, long double y) {
    switch (function) {
    case MATH_EXP: return expl(x);
    case MATH_EXPM1: return expm1l(x);
    case MATH_LOG: return logl(x);
    case MATH_LOG1P: return log1pl(x);
    case MATH_TANH: return tanhl(x);
    case MATH_SIN: return sinl(x);
    case MATH_COS: return cosl(x);
    case MATH_SIGMOID: return x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x));
    case MATH_SOFTPLUS: return (x > 0 ? x : 0) + log1pl(expl(-fabsl(x)));
    default: return x < 0 ? (long double)NAN : powl(x, y);
    }
}

static const char *const NAMES[FUNCTIONS] = {
    [MATH_EXP] = "exp", [MATH_EXPM1] = "expm1", [MATH_LOG] = "log", [MATH_LOG1P] = "log1p", [MATH_TANH] = "tanh",
    [MATH_SIN] = "sin", [MATH_COS] = "cos", [MATH_SIGMOID] = "sigmoid", [MATH_SOFTPLUS] = "softplus", [POWER] = "power",
};

// |value - exact| in units of the last place of `exact`, those of the smallest normal number below it. Overflow counts
// as the power of two above the largest number.
static double ulps_off(LoopReal real, double value, long double exact) {
    int digits = real == LOOP_F32 ? FLT_MANT_DIG : DBL_MANT_DIG, exponent;
    int least = real == LOOP_F32 ? FLT_MIN_EXP : DBL_MIN_EXP, most = real == LOOP_F32 ? FLT_MAX_EXP : DBL_MAX_EXP;
    if (isnan(exact) || isnan(value)) return isnan(exact) && isnan(value) ? 0 : INFINITY;
    long double limit = ldexpl(1, most), held = value;
    if (isinf(value)) held = copysignl(limit, value);
    if (fabsl(exact) > limit) exact = copysignl(limit, exact);
    (void)frexpl(exact, &exponent);
    if (exact == 0 || exponent < least) exponent = least;
    if (exponent > most) exponent = most;
    return (double)(fabsl(held - exact) / ldexpl(1, exponent - digits));
}

// ---- arguments

static uint64_t scramble(uint64_t i) { // SplitMix64's output function: spread, and the same in every run
    i += UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
    i = (i ^ (i >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    i = (i ^ (i >> 27)) * UINT64_C(0x94d049bb133111eb);
    return i ^ (i >> 31);
}

static double uniform(uint64_t i, double low, double high) {
    return low + (high - low) * (double)(scramble(i) >> 11) * 0x1p-53;
}

enum { SPREAD = 1 << 20, DENSE = 1 << 18 };

// Bit patterns spread evenly over all signs, exponents and leading digits, the rest at random.
static double spread_argument(LoopReal real, uint32_t i) {
    uint64_t random = scramble(i);
    if (real == LOOP_F32) return real_from_bits(real, ((uint64_t)i << 12) | (random & 0xfff));
    return real_from_bits(real, ((uint64_t)i << 44) | (random & 0xfffffffffff));
}

// Where a function does its work: the intervals take turns.
static double dense_argument(LoopReal real, int function, uint32_t i) {
    static const double EXPONENT[][2] = {{-1, 1}, {-20, 20}, {-110, 90}, {-750, 711}, {-40, 0}};
    static const double LOGARITHM[][2] = {{0.6, 1.5}, {-0.5, 1}, {0, 3}, {0, 100}, {0.99, 1.01}};
    static const double ANGLE[][2] = {{-1, 1}, {-4, 4}, {-100, 100}, {-1e5, 1e5}, {-1e4, 1e4}};
    const double *range = EXPONENT[i % 5];
    if (function == MATH_LOG || function == MATH_LOG1P) range = LOGARITHM[i % 5];
    if (function == MATH_SIN || function == MATH_COS) range = ANGLE[i % 5];
    return narrowed(real, uniform(i, range[0], range[1]));
}

static bool in_range(int function, double x) { // the range accuracy is promised for
    return (function != MATH_SIN && function != MATH_COS) || fabs(x) <= 1e5;
}

typedef struct Worst {
    double ulps, x, y;
} Worst;

static void measure(const Program *program, int function, double x, double y, Worst *worst) {
    double ulps = ulps_off(program->body.real, evaluate(program, x, y), reference(function, x, y));
    if (!(ulps <= worst->ulps)) *worst = (Worst){ulps, x, y};
}

static Worst worst_of(LoopReal real, int function, bool fused) {
    Program program = program_new(real, function, fused);
    Worst worst = {0};
    for (uint32_t i = 0; i < SPREAD; i++) {
        double x = spread_argument(real, i);
        if (in_range(function, x)) measure(&program, function, x, 0, &worst);
    }
    for (uint32_t i = 0; i < DENSE; i++) measure(&program, function, dense_argument(real, function, i), 0, &worst);
    program_free(&program);
    return worst;
}

static void check_worst(LoopReal real, int function, bool fused, double bound, Worst worst) {
    const char *type = real == LOOP_F32 ? "f32" : "f64", *kind = fused ? "fused" : "separate";
    printf("%-8s %s %-8s %6.3f ulp at %a %a (%.9g)\n", NAMES[function], type, kind, worst.ulps, worst.x, worst.y, worst.x);
    if (!(worst.ulps <= bound))
        fail_msg("%s, %s, %s: %g ulp at %a %a; bound %g", NAMES[function], type, kind, worst.ulps, worst.x, worst.y, bound);
}

static void accuracy_holds_with_fused_multiply_add(void **state) {
    (void)state;
    static const double BOUND[MATH_FUNCTION_COUNT] = {
        [MATH_EXP] = 1.5, [MATH_EXPM1] = 2.5, [MATH_LOG] = 1.5, [MATH_LOG1P] = 1.5, [MATH_TANH] = 2.5,
        [MATH_SIN] = 2.5, [MATH_COS] = 2.5, [MATH_SIGMOID] = 2.5, [MATH_SOFTPLUS] = 2.5};
    for (int real = LOOP_F32; real <= LOOP_F64; real++)
        for (int f = 0; f < MATH_FUNCTION_COUNT; f++)
            check_worst((LoopReal)real, f, true, BOUND[f], worst_of((LoopReal)real, f, true));
}

// Without fused instructions. Sines of f32 are bounded absolutely, below.
static void accuracy_stays_near_with_multiply_and_add(void **state) {
    (void)state;
    for (int real = LOOP_F32; real <= LOOP_F64; real++)
        for (int f = 0; f < MATH_FUNCTION_COUNT; f++)
            if (real == LOOP_F64 || (f != MATH_SIN && f != MATH_COS))
                check_worst((LoopReal)real, f, false, 3.5, worst_of((LoopReal)real, f, false));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accuracy_holds_with_fused_multiply_add),
        cmocka_unit_test(accuracy_stays_near_with_multiply_and_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
