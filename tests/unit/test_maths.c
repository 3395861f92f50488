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
        if (op->kind == LOOP_LOAD)
            program->values[i].real = op->a ? y : x;
        else
            program->values[i] = evaluate_op(program, op);
    }
    return program->values[program->result].real;
}

enum { POWER = MATH_FUNCTION_COUNT, FUNCTIONS };

static bool deterministic; // how bodies are made

static Program program_new(LoopReal real, int function, bool fused) {
    Program program = {.body.real = real, .body.deterministic = deterministic, .fused = fused};
    uint32_t x = loop_op(&program.body, LOOP_LOAD, 0, 0, 0), y = loop_op(&program.body, LOOP_LOAD, 1, 0, 0);
    program.result =
        function == POWER ? maths_power(&program.body, x, y) : maths_emit(&program.body, (MathFunction)function, x);
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
    [MATH_EXP] = "exp",           [MATH_EXPM1] = "expm1", [MATH_LOG] = "log", [MATH_LOG1P] = "log1p",
    [MATH_TANH] = "tanh",         [MATH_SIN] = "sin",     [MATH_COS] = "cos", [MATH_SIGMOID] = "sigmoid",
    [MATH_SOFTPLUS] = "softplus", [POWER] = "power",
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

enum { MANY = 20, FEWER = 18 }; // 2^20 and 2^18 samples

// Number i of 2^log_count bit patterns, spread evenly over all signs, exponents and leading digits, the rest at random.
static double spread_argument(LoopReal real, uint32_t i, int log_count) {
    int rest = (real == LOOP_F32 ? 32 : 64) - log_count;
    return real_from_bits(real, ((uint64_t)i << rest) | (scramble(i) >> (64 - rest)));
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
    int log_count = real == LOOP_F32 && fused ? MANY : FEWER;
    for (uint32_t i = 0; i < 1u << log_count; i++) {
        double x = spread_argument(real, i, log_count);
        if (in_range(function, x)) measure(&program, function, x, 0, &worst);
    }
    for (uint32_t i = 0; i < 1u << FEWER; i++)
        measure(&program, function, dense_argument(real, function, i), 0, &worst);
    program_free(&program);
    return worst;
}

static void check_worst(LoopReal real, int function, bool fused, double bound, Worst worst) {
    const char *type = real == LOOP_F32 ? "f32" : "f64", *kind = fused ? "fused" : "separate";
    printf("%-8s %s %-8s %6.3f ulp at %a %a (%.9g)\n", NAMES[function], type, kind, worst.ulps, worst.x, worst.y,
           worst.x);
    if (!(worst.ulps <= bound))
        fail_msg("%s, %s, %s: %g ulp at %a %a; bound %g", NAMES[function], type, kind, worst.ulps, worst.x, worst.y,
                 bound);
}

static void accuracy_holds_with_fused_multiply_add(void **state) {
    (void)state;
    static const double BOUND[MATH_FUNCTION_COUNT] = {
        [MATH_EXP] = 1.1, [MATH_EXPM1] = 1.9, [MATH_LOG] = 0.95,    [MATH_LOG1P] = 1.6,   [MATH_TANH] = 2.5,
        [MATH_SIN] = 2.3, [MATH_COS] = 2.3,   [MATH_SIGMOID] = 2.5, [MATH_SOFTPLUS] = 2.4};
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
                check_worst((LoopReal)real, f, false, 2.5, worst_of((LoopReal)real, f, false));
}

static void sines_in_single_precision_keep_absolute_accuracy_with_multiply_and_add(void **state) {
    (void)state;
    for (int f = MATH_SIN; f <= MATH_COS; f++) {
        Program program = program_new(LOOP_F32, f, false);
        for (uint32_t i = 0; i < 1u << FEWER; i++) {
            double x = dense_argument(LOOP_F32, f, i);
            double error = fabs(evaluate(&program, x, 0) - (double)reference(f, x, 0));
            if (!(error <= 0x1p-23 + fabs(x) * 0x1p-40)) fail_msg("%s is off by %g at %a", NAMES[f], error, x);
        }
        program_free(&program);
    }
}

static void sines_of_any_number_stay_within_one(void **state) {
    (void)state;
    for (int i = 0; i < 8; i++) {
        Program program = program_new(i & 1 ? LOOP_F64 : LOOP_F32, i & 2 ? MATH_SIN : MATH_COS, i & 4);
        for (uint32_t k = 0; k < 1u << (FEWER - 2); k++) {
            double x = spread_argument(program.body.real, k, FEWER - 2);
            double value = evaluate(&program, x, 0);
            if (isfinite(x) ? !(fabs(value) <= 1) : !isnan(value)) fail_msg("%g at %a", value, x);
        }
        program_free(&program);
    }
}

// Powers whose logarithm does not exceed `largest`, bases near 1 and of all sizes.
static Worst worst_power(LoopReal real, bool fused, double largest) {
    Program program = program_new(real, POWER, fused);
    Worst worst = {0};
    for (uint32_t i = 0; i < 1u << FEWER; i++) {
        double size = real == LOOP_F32 ? 103 : 744, spread[] = {0.4, 1, 10, size};
        double x = narrowed(real, exp(uniform(4 * (uint64_t)i, -spread[i % 4], spread[i % 4])));
        double y = narrowed(real, uniform(4 * (uint64_t)i + 1, -largest, largest) / fabs(log(x)));
        if (x > 0 && isfinite(x) && isfinite(y)) measure(&program, POWER, x, y, &worst);
    }
    program_free(&program);
    return worst;
}

static void powers_are_accurate(void **state) {
    (void)state;
    check_worst(LOOP_F32, POWER, true, 2.5, worst_power(LOOP_F32, true, 105));
    check_worst(LOOP_F64, POWER, true, 2.5, worst_power(LOOP_F64, true, 50));
    check_worst(LOOP_F64, POWER, true, 25, worst_power(LOOP_F64, true, 750));
    check_worst(LOOP_F32, POWER, false, 4, worst_power(LOOP_F32, false, 1));
    check_worst(LOOP_F64, POWER, false, 4, worst_power(LOOP_F64, false, 1));
    check_worst(LOOP_F32, POWER, false, 400, worst_power(LOOP_F32, false, 105));
    check_worst(LOOP_F64, POWER, false, 4000, worst_power(LOOP_F64, false, 750));
}

// ---- special values

static void expect_kind(LoopReal real, int function, bool fused, double x, double y, double expected) {
    Program program = program_new(real, function, fused);
    double value = evaluate(&program, x, y);
    program_free(&program);
    if (isnan(expected) ? isnan(value) : value == expected && !signbit(value) == !signbit(expected)) return;
    fail_msg("%s %s of %a, %a is %a instead of %a", NAMES[function], real == LOOP_F32 ? "f32" : "f64", x, y, value,
             expected);
}

static void expect(LoopReal real, int function, double x, double y, double expected) {
    expect_kind(real, function, false, x, y, expected);
    expect_kind(real, function, true, x, y, expected);
}

static void special_values_are_exact(void **state) {
    (void)state;
    // clang-format off
    static const struct {
        int function;
        double x, expected;
    } CASES[] = {
        {MATH_EXP, 0, 1}, {MATH_EXP, -0.0, 1}, {MATH_EXP, INFINITY, INFINITY}, {MATH_EXP, -INFINITY, 0},
        {MATH_EXP, 1e4, INFINITY}, {MATH_EXP, -1e4, 0},
        {MATH_EXPM1, 0, 0}, {MATH_EXPM1, -0.0, -0.0}, {MATH_EXPM1, INFINITY, INFINITY}, {MATH_EXPM1, -INFINITY, -1},
        {MATH_EXPM1, 1e4, INFINITY}, {MATH_EXPM1, -1e4, -1},
        {MATH_LOG, 1, 0}, {MATH_LOG, 0, -INFINITY}, {MATH_LOG, -0.0, -INFINITY}, {MATH_LOG, INFINITY, INFINITY},
        {MATH_LOG, -1, NAN}, {MATH_LOG, -0x1p-149, NAN}, {MATH_LOG, -INFINITY, NAN},
        {MATH_LOG1P, 0, 0}, {MATH_LOG1P, -0.0, -0.0}, {MATH_LOG1P, -1, -INFINITY}, {MATH_LOG1P, INFINITY, INFINITY},
        {MATH_LOG1P, -1.5, NAN}, {MATH_LOG1P, -INFINITY, NAN},
        {MATH_TANH, 0, 0}, {MATH_TANH, -0.0, -0.0}, {MATH_TANH, INFINITY, 1}, {MATH_TANH, -INFINITY, -1},
        {MATH_TANH, 30, 1}, {MATH_TANH, -30, -1},
        {MATH_SIN, 0, 0}, {MATH_SIN, -0.0, -0.0}, {MATH_SIN, INFINITY, NAN}, {MATH_SIN, -INFINITY, NAN},
        {MATH_COS, 0, 1}, {MATH_COS, -0.0, 1}, {MATH_COS, INFINITY, NAN}, {MATH_COS, -INFINITY, NAN},
        {MATH_SIGMOID, 0, 0.5}, {MATH_SIGMOID, -0.0, 0.5}, {MATH_SIGMOID, INFINITY, 1}, {MATH_SIGMOID, -INFINITY, 0},
        {MATH_SIGMOID, 50, 1},
        {MATH_SOFTPLUS, INFINITY, INFINITY}, {MATH_SOFTPLUS, -INFINITY, 0}, {MATH_SOFTPLUS, 1024, 1024},
        {MATH_SOFTPLUS, 0x1.fffffep+127, 0x1.fffffep+127},
    };
    // clang-format on
    for (int real = LOOP_F32; real <= LOOP_F64; real++) {
        for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
            expect((LoopReal)real, CASES[i].function, CASES[i].x, 0, CASES[i].expected);
        for (int f = 0; f < MATH_FUNCTION_COUNT; f++) {
            expect((LoopReal)real, f, NAN, 0, NAN);
            expect((LoopReal)real, f, -NAN, 0, NAN);
        }
    }
}

// The smallest subnormal numbers are their own expm1, log1p, tanh and sine, to the bit.
static void subnormal_arguments_pass(void **state) {
    (void)state;
    static const int FUNCTIONS_LIKE_X[] = {MATH_EXPM1, MATH_LOG1P, MATH_TANH, MATH_SIN};
    for (int f = 0; f < 4; f++)
        for (int k = 1; k < 100; k++) {
            expect(LOOP_F32, FUNCTIONS_LIKE_X[f], k * 0x1p-149, 0, k * 0x1p-149);
            expect(LOOP_F64, FUNCTIONS_LIKE_X[f], k * -0x1p-1074, 0, k * -0x1p-1074);
        }
}

// The values next to where exp overflows and vanishes, in both types.
static void exponential_ends_where_it_should(void **state) {
    (void)state;
    expect(LOOP_F32, MATH_EXP, 0x1.62e43p+6, 0, INFINITY);
    expect(LOOP_F32, MATH_EXP, -0x1.9fe36ap+6, 0, 0);
    expect(LOOP_F32, MATH_EXP, -0x1.9fe368p+6, 0, 0x1p-149);
    expect(LOOP_F64, MATH_EXP, 0x1.62e42fefa39fp+9, 0, INFINITY);
    expect(LOOP_F64, MATH_EXP, -0x1.74910d52d3052p+9, 0, 0);
    expect(LOOP_F64, MATH_EXP, -0x1.74910d52d3051p+9, 0, 0x1p-1074);
}

static void special_powers_are_exact(void **state) {
    (void)state;
    // clang-format off
    static const double CASES[][3] = { // x, y, x^y: C's pow, but NaN for all x < 0
        {0, 2, 0}, {-0.0, 2, 0}, {0, 0, 1}, {0, -1, INFINITY}, {0, 0x1p-100, 0}, {0, INFINITY, 0},
        {0, -INFINITY, INFINITY}, {0, NAN, NAN},
        {1, 0, 1}, {1, 1e30, 1}, {1, INFINITY, 1}, {1, -INFINITY, 1}, {1, NAN, 1},
        {2, 0, 1}, {2, -0.0, 1}, {2, INFINITY, INFINITY}, {2, -INFINITY, 0},
        {0.5, INFINITY, 0}, {0.5, -INFINITY, INFINITY}, {2, 1e30, INFINITY}, {2, -1e30, 0}, {0.5, 1e30, 0},
        {2, 3e38, INFINITY}, {0.5, 3e38, 0}, {0x1p-149, -1e38, INFINITY}, {2, NAN, NAN},
        {INFINITY, 2, INFINITY}, {INFINITY, -2, 0}, {INFINITY, 0, 1}, {INFINITY, INFINITY, INFINITY},
        {INFINITY, -INFINITY, 0}, {INFINITY, NAN, NAN},
        {NAN, 0, 1}, {NAN, 2, NAN}, {NAN, NAN, NAN},
        {-1, 2, NAN}, {-1, 0, NAN}, {-INFINITY, 2, NAN}, {-0x1p-149, 2, NAN},
    };
    // clang-format on
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        for (int real = LOOP_F32; real <= LOOP_F64; real++)
            expect((LoopReal)real, POWER, CASES[i][0], CASES[i][1], CASES[i][2]);
}

// Bodies for deterministic programs need no fused multiply-add for that.
static void deterministic_powers_are_accurate(void **state) {
    deterministic = true;
    for (int fused = 0; fused < 2; fused++) {
        check_worst(LOOP_F32, POWER, fused, 2.5, worst_power(LOOP_F32, fused, 105));
        check_worst(LOOP_F64, POWER, fused, 2.5, worst_power(LOOP_F64, fused, 50));
        check_worst(LOOP_F64, POWER, fused, 25, worst_power(LOOP_F64, fused, 750));
    }
    special_powers_are_exact(state);
    deterministic = false;
}

// With fused multiply-add the logarithm carries enough digits for these; without, they may be a unit off.
static void small_powers_are_exact_when_fused(void **state) {
    (void)state;
    static const double CASES[][3] = {{2, 10, 1024}, {2, -3, 0.125}, {4, 0.5, 2},        {3, 1, 3},          {3, 2, 9},
                                      {10, 3, 1000}, {1.5, 2, 2.25}, {0.25, 1.5, 0.125}, {2, -126, 0x1p-126}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        for (int real = LOOP_F32; real <= LOOP_F64; real++)
            expect_kind((LoopReal)real, POWER, true, CASES[i][0], CASES[i][1], CASES[i][2]);
}

// ---- value numbering

static void equal_operations_are_found_again(void **state) {
    (void)state;
    LoopBody body = {.real = LOOP_F64};
    uint32_t x = loop_op(&body, LOOP_LOAD, 0, 0, 0), y = loop_op(&body, LOOP_LOAD, 1, 0, 0);
    assert_int_equal(loop_op(&body, LOOP_LOAD, 0, 0, 0), x);
    assert_int_equal(loop_op(&body, LOOP_ADD, x, y, 0), loop_op(&body, LOOP_ADD, y, x, 0));
    assert_int_equal(loop_op(&body, LOOP_FMA, x, y, x), loop_op(&body, LOOP_FMA, y, x, x));
    assert_int_not_equal(loop_op(&body, LOOP_FMA, x, y, x), loop_op(&body, LOOP_FMA, x, y, y));
    assert_int_not_equal(loop_op(&body, LOOP_SUB, x, y, 0), loop_op(&body, LOOP_SUB, y, x, 0));
    assert_int_not_equal(loop_op(&body, LOOP_MAX, x, y, 0), loop_op(&body, LOOP_MAX, y, x, 0));
    assert_int_not_equal(loop_op(&body, LOOP_ADD, x, y, 0), loop_op(&body, LOOP_MUL, x, y, 0));
    loop_body_free(&body);
}

static void constants_compare_by_bits(void **state) {
    (void)state;
    LoopBody body = {.real = LOOP_F32};
    assert_int_not_equal(loop_const(&body, 0.0), loop_const(&body, -0.0));
    assert_int_equal(loop_const(&body, NAN), loop_const(&body, NAN));
    assert_int_equal(loop_const(&body, 0.1), loop_const(&body, (double)0.1f));
    assert_int_not_equal(loop_const(&body, 0.0), loop_iconst(&body, 0));
    assert_int_equal(loop_iconst(&body, UINT64_MAX), loop_iconst(&body, UINT32_MAX));
    uint32_t bits = loop_iconst(&body, 6);
    assert_int_not_equal(loop_shift(&body, LOOP_ISHL, bits, 1), loop_shift(&body, LOOP_ISHL, bits, 2));
    loop_body_free(&body);
}

// More operations than the first table holds, then the same again: nothing is added.
static void table_grows(void **state) {
    (void)state;
    LoopBody body = {.real = LOOP_F64};
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 5000; i++) assert_int_equal(loop_const(&body, i * 0.25), i);
    assert_int_equal(body.ops.count, 5000);
    loop_body_free(&body);
}

static void functions_share_their_parts(void **state) {
    (void)state;
    for (int f = 0; f < MATH_FUNCTION_COUNT; f++) {
        LoopBody body = {.real = LOOP_F64};
        uint32_t x = loop_op(&body, LOOP_LOAD, 0, 0, 0);
        uint32_t value = maths_emit(&body, (MathFunction)f, x), count = body.ops.count;
        assert_int_equal(maths_emit(&body, (MathFunction)f, x), value);
        assert_int_equal(body.ops.count, count);
        loop_body_free(&body);
    }
    Program sine = program_new(LOOP_F64, MATH_SIN, true);
    uint32_t alone = sine.body.ops.count;
    maths_emit(&sine.body, MATH_COS, 0); // only the choice of quadrant is new
    assert_true(sine.body.ops.count - alone <= 12);
    program_free(&sine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_operations_are_found_again),
        cmocka_unit_test(constants_compare_by_bits),
        cmocka_unit_test(table_grows),
        cmocka_unit_test(functions_share_their_parts),
        cmocka_unit_test(special_values_are_exact),
        cmocka_unit_test(subnormal_arguments_pass),
        cmocka_unit_test(exponential_ends_where_it_should),
        cmocka_unit_test(special_powers_are_exact),
        cmocka_unit_test(small_powers_are_exact_when_fused),
        cmocka_unit_test(powers_are_accurate),
        cmocka_unit_test(deterministic_powers_are_accurate),
        cmocka_unit_test(sines_of_any_number_stay_within_one),
        cmocka_unit_test(sines_in_single_precision_keep_absolute_accuracy_with_multiply_and_add),
        cmocka_unit_test(accuracy_holds_with_fused_multiply_add),
        cmocka_unit_test(accuracy_stays_near_with_multiply_and_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
