// Transcendental functions as straight lines of loop operations: argument reduction to a small interval, a polynomial
// there, reconstruction by exact powers of two. The methods are the classical ones (W. Cody and W. Waite, "Software
// manual for the elementary functions", 1980; J.-M. Muller, "Elementary functions", 3rd edition, 2016).
//
// Largest errors found, in units in the last place (see tests/unit/test_maths.c; reference: long double):
//
//              f32    f64    ops f32, f64 (constants and changes of type not counted)
//   exp        0.99   0.84   20   27
//   expm1      1.44   1.61   19   26
//   log        0.89   0.98   30   32
//   log1p      1.53   1.54   32   34
//   tanh       2.42   2.39   19   26
//   sin        2.12   2.42   26   31   |x| <= 1e5
//   cos        2.25   2.38   27   32   |x| <= 1e5
//   sigmoid    2.41   2.39   19   26
//   softplus   1.76   2.14   36   45
//   power      2.2    1.7    76   86   |y log(x)| <= 50; all finite results: f64 19
//
// f32: all 2^32 arguments; f64: 60 million random ones each, one in eight from all exponents, the others where the
// functions bend; power: 20 million. This is with fused multiply-add. With a separate multiplication and addition the
// figures grow by at most 0.05, except for sines in f32 (see there) and for power, whose error then is up to
// 2 + 2 |y log(x)|; in deterministic bodies power takes more operations and keeps the figures above.
//
// Polynomial coefficients were fitted for this file: Remez exchange with 60 decimal digits on 1201 Chebyshev points,
// minimising the error relative to the function; coefficients were then rounded to the element type one by one, lowest
// power first, and the rest fitted again after each rounding. Each table states the relative error left.
#include "maths.h"
#include <math.h>

typedef struct Polynomial {
    uint32_t count;
    double of[12]; // of[k] belongs to the k-th power
} Polynomial;

// What differs between the element types. Exponents and mantissas are taken apart as integers of the type's width.
typedef struct Format {
    uint32_t mantissa;       // bits stored
    uint64_t bias;           // of the exponent
    uint64_t one, half_root; // bits of 1 and of sqrt(1/2)
    double smallest_normal;
    double ln2_high, ln2_low; // the high part has so many trailing zeros that its product with an exponent is exact
    double exp_low, exp_high; // beyond these the exponential is 0 and infinite
    double unit_range;        // beyond +-this, exp(-x) does not change 1 + exp(-x)
    double half_pi[4];        // pi/2 in parts, the first ones short: their products with a 16-bit number are exact. All
                              // are positive, else the reduction of -0 were +0
    Polynomial exponential;   // (exp(r) - 1 - r) / r^2, |r| <= ln(2)/2
    Polynomial logarithm;     // f32: (log(1 + f) - f) / f^2, f in [sqrt(1/2) - 1, sqrt(2) - 1]
                              // f64: (2 atanh(s) - 2 s) / s^3 in s^2, |s| <= (sqrt(2) - 1) / (sqrt(2) + 1)
    Polynomial area_tangent;  // the latter for power, which needs more digits
    Polynomial sine, cosine;  // (sin(r) - r) / r^3, (cos(r) - 1 + r^2/2) / r^4 in r^2, |r| <= 0.8
} Format;

// clang-format off
static const Format formats[] = {
    [LOOP_F32] = {
        .mantissa = 23, .bias = 127, .one = 0x3f800000, .half_root = 0x3f3504f3, .smallest_normal = 0x1p-126,
        .ln2_high = 0x1.62e4p-1, .ln2_low = 0x1.7f7d1cp-20,
        .exp_low = -104, .exp_high = 89, .unit_range = 20,
        .half_pi = {0x1.92p+0, 0x1.fap-12, 0x1.54442cp-20, 0x1.184698p-44},
        // 2^-31.1 of exp(r) - 1
        .exponential = {6, {0.5, 0x1.555554p-3, 0x1.5554f8p-5, 0x1.1112dcp-7, 0x1.6d3a3p-10, 0x1.9e6b1p-13}},
        // 2^-27.6
        .logarithm = {9, {-0x1.fffff8p-2, 0x1.55555p-2, -0x1.00043cp-2, 0x1.99a244p-3, -0x1.541ec2p-3, 0x1.229ffep-3,
                          -0x1.0fcf98p-3, 0x1.071c62p-3, -0x1.3198f6p-4}},
        .area_tangent = {4, {0x1.555554p-1, 0x1.999c26p-2, 0x1.23d3ep-2, 0x1.f13b24p-3}}, // 2^-35.2
        .sine = {3, {-0x1.555544p-3, 0x1.1106aep-7, -0x1.990f92p-13}},                    // 2^-27.7
        .cosine = {3, {0x1.555548p-5, -0x1.6c0af4p-10, 0x1.99911cp-16}},                  // 2^-32.6
    },
    [LOOP_F64] = {
        .mantissa = 52, .bias = 1023, .one = 0x3ff0000000000000, .half_root = 0x3fe6a09e667f3bcd,
        .smallest_normal = 0x1p-1022,
        .ln2_high = 0x1.62e42fefa38p-1, .ln2_low = 0x1.ef35793c7673p-45,
        .exp_low = -746, .exp_high = 710, .unit_range = 40,
        .half_pi = {0x1.921fb544p+0, 0x1.0b4611a6p-34, 0x1.3198a2e037073p-69, 0},
        // 2^-60.4 of exp(r) - 1
        .exponential = {11, {0.5, 0x1.5555555555559p-3, 0x1.5555555555558p-5, 0x1.111111110f6f5p-7,
                             0x1.6c16c16c13d2bp-10, 0x1.a01a01af85760p-13, 0x1.a01a01b24483ep-16, 0x1.71ddf9b5564fap-19,
                             0x1.27e4ca63e70a2p-22, 0x1.af5bf362202bfp-26, 0x1.1f7ea8f5c1095p-29}},
        // 2^-59.5
        .logarithm = {7, {0x1.5555555555592p-1, 0x1.999999997ff1bp-2, 0x1.24924941e134ep-2, 0x1.c71c52146a4fap-3,
                          0x1.74663ce8c9a5ep-3, 0x1.39a1e9320001dp-3, 0x1.2f03b68c5e439p-3}},
        // 2^-66.6
        .area_tangent = {8, {0x1.5555555555555p-1, 0x1.9999999999d11p-2, 0x1.2492492439793p-2, 0x1.c71c724b75d2cp-3,
                             0x1.745ce1c22ee38p-3, 0x1.3b2025e2b7b9ep-3, 0x1.0f6720bbd1657p-3, 0x1.0f0f30f12e25cp-3}},
        // 2^-57.5
        .sine = {6, {-0x1.5555555555545p-3, 0x1.111111110f26dp-7, -0x1.a01a019b4e1a9p-13, 0x1.71de34ccf38ap-19,
                     -0x1.ae5ddfcd0032p-26, 0x1.5d6be1ba6adf6p-33}},
        // 2^-63.5
        .cosine = {6, {0x1.5555555555548p-5, -0x1.6c16c16c149a5p-10, 0x1.a01a019bef104p-16, -0x1.27e4f77e430e8p-22,
                       0x1.1ee98d97355bfp-29, -0x1.8f7e160b4f5bap-37}},
    },
};
// clang-format on

static const double LOG2_E = 0x1.71547652b82fep+0, LN_2 = 0x1.62e42fefa39efp-1, TWO_OVER_PI = 0x1.45f306dc9c883p-1,
                    ROOT_2 = 0x1.6a09e667f3bcdp+0;

#define NONE UINT32_MAX // no operation

// ---- short names for the operations

// Of the arguments of one call at most one adds operations: C leaves the order of evaluation open, and the numbering
// must not depend on the compiler that Lequel was built with.

static uint32_t constant(LoopBody *body, double value) { return loop_const(body, value); }
static uint32_t add(LoopBody *body, uint32_t a, uint32_t b) { return loop_op(body, LOOP_ADD, a, b, 0); }
static uint32_t sub(LoopBody *body, uint32_t a, uint32_t b) { return loop_op(body, LOOP_SUB, a, b, 0); }
static uint32_t mul(LoopBody *body, uint32_t a, uint32_t b) { return loop_op(body, LOOP_MUL, a, b, 0); }
static uint32_t divide(LoopBody *body, uint32_t a, uint32_t b) { return loop_op(body, LOOP_DIV, a, b, 0); }
static uint32_t muladd(LoopBody *body, uint32_t a, uint32_t b, uint32_t c) { return loop_op(body, LOOP_FMA, a, b, c); }
static uint32_t negate(LoopBody *body, uint32_t a) { return loop_op(body, LOOP_NEG, a, 0, 0); }
static uint32_t magnitude(LoopBody *body, uint32_t a) { return loop_op(body, LOOP_ABS, a, 0, 0); }
static uint32_t less(LoopBody *body, uint32_t a, uint32_t b) { return loop_op(body, LOOP_LT, a, b, 0); }
static uint32_t equal(LoopBody *body, uint32_t a, uint32_t b) { return loop_op(body, LOOP_EQ, a, b, 0); }
static uint32_t to_bits(LoopBody *body, uint32_t a) { return loop_op(body, LOOP_TO_BITS, a, 0, 0); }
static uint32_t from_bits(LoopBody *body, uint32_t a) { return loop_op(body, LOOP_FROM_BITS, a, 0, 0); }
static uint32_t left(LoopBody *body, uint32_t a, uint32_t by) { return loop_shift(body, LOOP_ISHL, a, by); }
static uint32_t right(LoopBody *body, uint32_t a, uint32_t by) { return loop_shift(body, LOOP_ISHR, a, by); }

static uint32_t choose(LoopBody *body, uint32_t condition, uint32_t yes, uint32_t no) {
    return loop_op(body, LOOP_SELECT, condition, yes, no);
}

static uint32_t with_sign(LoopBody *body, uint32_t size, uint32_t sign) {
    return loop_op(body, LOOP_COPYSIGN, size, sign, 0);
}

// The bound comes first because LOOP_MIN and LOOP_MAX keep a NaN in their second operand.
static uint32_t at_most(LoopBody *body, uint32_t x, double bound) {
    return loop_op(body, LOOP_MIN, constant(body, bound), x, 0);
}

static uint32_t at_least(LoopBody *body, uint32_t x, double bound) {
    return loop_op(body, LOOP_MAX, constant(body, bound), x, 0);
}

static const Format *format_of(const LoopBody *body) { return &formats[body->real]; }

// Horner's rule.
static uint32_t polynomial(LoopBody *body, const Polynomial *p, uint32_t x) {
    uint32_t sum = constant(body, p->of[p->count - 1]);
    for (uint32_t k = p->count - 1; k-- > 0;) sum = muladd(body, sum, x, constant(body, p->of[k]));
    return sum;
}

// ---- exponentials

// x = n ln(2) + r with |r| <= ln(2)/2; f64: r is also kept as high + low, before rounding. `bits` holds n + offset in
// its low bits; what stands above them leaves the word when they are shifted into the exponent.
typedef struct Reduced {
    uint32_t bits, r, high, low;
} Reduced;

// Adding 1.5 * 2^mantissa rounds to an integer and leaves it in the low bits of the sum. `unit` is 1, or 1/2 to take
// 2x apart instead of x, with r/2 in place of r. `low` is a correction to x, or NONE.
static Reduced reduce_exponent(LoopBody *body, uint32_t x, uint32_t low, uint64_t offset, double unit) {
    const Format *format = format_of(body);
    uint32_t shift = constant(body, ldexp(1.5, (int)format->mantissa) + (double)offset);
    uint32_t shifted = muladd(body, x, constant(body, LOG2_E / unit), shift);
    uint32_t bits = to_bits(body, shifted), n = sub(body, shifted, shift);
    uint32_t high = muladd(body, n, constant(body, -format->ln2_high * unit), x);
    uint32_t ln2_low = constant(body, -format->ln2_low * unit);
    if (low == NONE && body->real == LOOP_F32) return (Reduced){bits, muladd(body, n, ln2_low, high), NONE, NONE};
    low = low == NONE ? mul(body, n, ln2_low) : muladd(body, n, ln2_low, low);
    return (Reduced){bits, add(body, high, low), high, low};
}

// unit * (exp(r / unit) - 1) = r + r^2 q(r), accurate relative to itself. A unit of 1/2 scales coefficients exactly.
// f64 sums the leading r from its two parts, so that its rounding does not count: tanh would reach 2.6 units without.
// f32 stays below 2.5 (all arguments were tried) and is spared the two operations.
static uint32_t expm1_reduced(LoopBody *body, Reduced at, double unit) {
    Polynomial q = format_of(body)->exponential;
    for (uint32_t k = 0; k < q.count; k++) q.of[k] *= ldexp(1, unit < 1 ? (int)k + 1 : 0);
    uint32_t square = mul(body, at.r, at.r), value = polynomial(body, &q, at.r);
    if (body->real == LOOP_F32) return muladd(body, square, value, at.r);
    return add(body, at.high, muladd(body, square, value, at.low));
}

static uint32_t exp_reduced(LoopBody *body, Reduced at) {
    uint32_t e = expm1_reduced(body, at, 1);
    return add(body, e, constant(body, 1));
}

// 2^(bits - bias)
static uint32_t power_of_two(LoopBody *body, uint32_t bits) {
    return from_bits(body, left(body, bits, format_of(body)->mantissa));
}

// exp(x + low). The power of two is applied as two factors, 2^floor(n/2) and 2^ceil(n/2), both normal numbers: only the
// last product can overflow or become subnormal, and rounds once. With twice the bias as offset, halving the shifted
// number halves n and leaves one bias in each half.
static uint32_t exponential(LoopBody *body, uint32_t x, uint32_t low) {
    const Format *format = format_of(body);
    uint32_t clamped = at_least(body, at_most(body, x, format->exp_high), format->exp_low);
    // A correction means nothing to an argument that was clamped (and may be NaN there).
    if (low != NONE) {
        uint32_t kept = equal(body, clamped, x);
        low = choose(body, kept, low, constant(body, 0));
    }
    Reduced at = reduce_exponent(body, clamped, low, 2 * format->bias, 1);
    uint32_t half = right(body, at.bits, 1);
    uint32_t rest = loop_op(body, LOOP_ISUB, at.bits, half, 0);
    uint32_t mantissa = exp_reduced(body, at);
    uint32_t scaled = mul(body, mantissa, power_of_two(body, half));
    return mul(body, scaled, power_of_two(body, rest));
}

// exp(x) for x that does not exceed `unit_range`: too few exponents to need two variable factors. The first product is
// kept normal by an excess in the exponent, the second takes the excess away.
static uint32_t exponential_below(LoopBody *body, uint32_t x) {
    const Format *format = format_of(body);
    uint64_t excess = (format->bias + 1) / 2;
    Reduced at = reduce_exponent(body, at_least(body, x, format->exp_low), NONE, format->bias + excess, 1);
    uint32_t mantissa = exp_reduced(body, at);
    uint32_t scaled = mul(body, mantissa, power_of_two(body, at.bits));
    return mul(body, scaled, constant(body, ldexp(1, -(int)excess)));
}

// exp(x) - 1 = 2 (2^(n-1) (exp(r) - 1) + (2^(n-1) - 1/2)). The factor 2 stands outside because 2^128 (2^1024) is no
// number. It costs subnormal numbers their last bit; where exp(r) - 1 = x (then n = 0 and x is tiny), x is the answer,
// of either sign of zero.
static uint32_t exponential_minus_one(LoopBody *body, uint32_t x) {
    const Format *format = format_of(body);
    uint32_t clamped = at_least(body, at_most(body, x, format->exp_high), -1.5 * format->unit_range);
    Reduced at = reduce_exponent(body, clamped, NONE, format->bias - 1, 1);
    uint32_t e = expm1_reduced(body, at, 1);
    uint32_t scale = power_of_two(body, at.bits);
    uint32_t half = muladd(body, scale, e, sub(body, scale, constant(body, 0.5)));
    uint32_t is_x = equal(body, e, x);
    return choose(body, is_x, x, add(body, half, half));
}

// tanh |x| = g / (g + 1) with g = (exp(2|x|) - 1) / 2; 1 to the last bit from half of `unit_range` on.
static uint32_t hyperbolic_tangent(LoopBody *body, uint32_t x) {
    const Format *format = format_of(body);
    uint32_t clamped = at_most(body, magnitude(body, x), format->unit_range / 2);
    Reduced at = reduce_exponent(body, clamped, NONE, format->bias, 0.5);
    uint32_t scale = power_of_two(body, at.bits);
    uint32_t half = constant(body, 0.5), minus_half = constant(body, -0.5);
    uint32_t rest = muladd(body, scale, half, minus_half);
    uint32_t g = muladd(body, scale, expm1_reduced(body, at, 0.5), rest);
    return with_sign(body, divide(body, g, add(body, g, constant(body, 1))), x);
}

// exp(x) / (1 + exp(x)): relative accuracy in the lower tail, no overflow in the upper one.
static uint32_t sigmoid(LoopBody *body, uint32_t x) {
    uint32_t e = exponential_below(body, at_most(body, x, format_of(body)->unit_range));
    return divide(body, e, add(body, e, constant(body, 1)));
}

// ---- logarithms

// x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)). `exponent` is the INT k + bias, `mantissa` is 1 + f.
typedef struct Split {
    uint32_t exponent, mantissa;
} Split;

// Adding 1 - sqrt(1/2), as bits, makes the exponent field change at sqrt(1/2) instead of at 1.
static Split split(LoopBody *body, uint32_t x) {
    const Format *format = format_of(body);
    uint32_t root = loop_iconst(body, format->half_root);
    uint32_t bits = to_bits(body, x);
    bits = loop_op(body, LOOP_IADD, bits, loop_iconst(body, format->one - format->half_root), 0);
    uint32_t fraction = loop_op(body, LOOP_IAND, bits, loop_iconst(body, (UINT64_C(1) << format->mantissa) - 1), 0);
    uint32_t exponent = right(body, bits, format->mantissa);
    return (Split){exponent, from_bits(body, loop_op(body, LOOP_IADD, fraction, root, 0))};
}

// The exponent as a REAL, less `bias`: placed in the low bits of 2^mantissa, which is then taken away. Cheaper than a
// conversion, which few processors have for 64-bit integers.
static uint32_t exponent_value(LoopBody *body, uint32_t exponent, uint32_t bias) {
    const Format *format = format_of(body);
    uint64_t two_to_mantissa = (format->bias + format->mantissa) << format->mantissa;
    uint32_t bits = loop_op(body, LOOP_IOR, exponent, loop_iconst(body, two_to_mantissa), 0);
    return sub(body, from_bits(body, bits), bias);
}

static double exponent_bias(const Format *format) { return ldexp(1, (int)format->mantissa) + (double)format->bias; }

// log(1 + f) - f on the interval of `split`. f32: f^2 times a polynomial. f64 would need twenty coefficients; there
// log(1 + f) = 2 atanh(s) with s = f / (2 + f), and 2s = f - s f gives f - s (f - (2 atanh(s) - 2s) / s).
static uint32_t log_tail(LoopBody *body, uint32_t f) {
    const Polynomial *p = &format_of(body)->logarithm;
    if (body->real == LOOP_F32) {
        uint32_t f2 = mul(body, f, f);
        return mul(body, f2, polynomial(body, p, f));
    }
    uint32_t s = divide(body, f, add(body, f, constant(body, 2)));
    uint32_t s2 = mul(body, s, s);
    return mul(body, s, sub(body, mul(body, s2, polynomial(body, p, s2)), f));
}

// k ln(2) + log(1 + f), the small terms first; k times the high part of ln(2) is exact.
static uint32_t log_join(LoopBody *body, uint32_t k, uint32_t f) {
    const Format *format = format_of(body);
    uint32_t ln2_high = constant(body, format->ln2_high), ln2_low = constant(body, format->ln2_low);
    uint32_t low = muladd(body, k, ln2_low, log_tail(body, f));
    return muladd(body, k, ln2_high, add(body, f, low));
}

// The logarithm's value where x is not a positive number: -inf at 0, NaN below, infinity and NaN pass.
static uint32_t log_outside(LoopBody *body, uint32_t x, uint32_t value) {
    uint32_t zero = constant(body, 0), pole = constant(body, -INFINITY), nan = constant(body, NAN);
    uint32_t outside = choose(body, equal(body, x, zero), pole, nan);
    value = choose(body, less(body, x, constant(body, INFINITY)), value, x);
    return choose(body, less(body, zero, x), value, outside);
}

// k and f of x, subnormal x scaled up first.
static void log_reduce(LoopBody *body, uint32_t x, uint32_t *k, uint32_t *f) {
    const Format *format = format_of(body);
    int up = (int)format->mantissa + 1;
    uint32_t tiny = less(body, x, constant(body, format->smallest_normal));
    uint32_t scaled = choose(body, tiny, mul(body, x, constant(body, ldexp(1, up))), x);
    uint32_t bias = constant(body, exponent_bias(format));
    bias = choose(body, tiny, constant(body, exponent_bias(format) + up), bias);
    Split parts = split(body, scaled);
    *k = exponent_value(body, parts.exponent, bias);
    *f = sub(body, parts.mantissa, constant(body, 1));
}

static uint32_t logarithm(LoopBody *body, uint32_t x) {
    uint32_t k, f;
    log_reduce(body, x, &k, &f);
    return log_outside(body, x, log_join(body, k, f));
}

// log(1 + x). The rounded sum u = 1 + x only serves to find k; f = (1 + x) 2^-k - 1 = x 2^-k + (2^-k - 1) is computed
// from x itself, so that nothing is lost (for k = 0, f is x). A factor of 4 keeps 2^-k normal up to k = 1024.
static uint32_t logarithm_plus_one(LoopBody *body, uint32_t x) {
    const Format *format = format_of(body);
    uint32_t u = add(body, x, constant(body, 1));
    Split parts = split(body, u);
    uint32_t k = exponent_value(body, parts.exponent, constant(body, exponent_bias(format)));
    uint32_t opposite = loop_op(body, LOOP_ISUB, loop_iconst(body, 2 * format->bias + 2), parts.exponent, 0);
    uint32_t scale = power_of_two(body, opposite);
    uint32_t f4 = muladd(body, x, scale, sub(body, scale, constant(body, 4)));
    uint32_t value = log_join(body, k, mul(body, f4, constant(body, 0.25)));
    return log_outside(body, u, with_sign(body, value, x)); // the sign for -0
}

// max(x, 0) + log(1 + z), z = exp(-|x|) in [0, 1]. From sqrt(2) - 1 on, log(1 + z) = ln(2) + log(1 + (z - 1)/2).
static uint32_t softplus(LoopBody *body, uint32_t x) {
    uint32_t z = exponential_below(body, negate(body, magnitude(body, x)));
    uint32_t zero = constant(body, 0), half = constant(body, 0.5), minus_half = constant(body, -0.5);
    uint32_t large = less(body, constant(body, ROOT_2 - 1), z);
    uint32_t f = choose(body, large, muladd(body, z, half, minus_half), z);
    uint32_t base = choose(body, large, constant(body, LN_2), zero);
    uint32_t log_sum = add(body, base, add(body, f, log_tail(body, f)));
    return add(body, at_least(body, x, 0), log_sum);
}

// ---- powers

// log(x) as a sum of two numbers, for x >= 0. The error is about 2^-58 (f32: 2^-30) relative to log(x) where
// multiply-add is fused or the body is deterministic. Where neither holds the quotient's and the product's remainders
// come out as rounding noise and the error of the power grows to 2 |y log(x)| units.
typedef struct Pair {
    uint32_t high, low;
} Pair;

// The rounding error of a product, a b - product. Where LOOP_FMA may round twice the factors are halved first
// (Veltkamp) and their parts multiplied exactly (T. Dekker, "A floating-point technique for extending the available
// precision", Numerische Mathematik 18, 1971).
static Pair halved(LoopBody *body, uint32_t x) {
    uint32_t bits = (format_of(body)->mantissa + 2) / 2;
    uint32_t scaled = mul(body, x, constant(body, ldexp(1, (int)bits) + 1));
    uint32_t high = sub(body, scaled, sub(body, scaled, x));
    return (Pair){high, sub(body, x, high)};
}

static uint32_t product_rest(LoopBody *body, uint32_t a, uint32_t b, uint32_t product) {
    if (!body->deterministic) return muladd(body, a, b, negate(body, product));
    Pair p = halved(body, a), q = halved(body, b);
    uint32_t rest = sub(body, mul(body, p.high, q.high), product);
    rest = add(body, rest, mul(body, p.high, q.low));
    rest = add(body, rest, mul(body, p.low, q.high));
    return add(body, rest, mul(body, p.low, q.low));
}

// The quotient s = f / (2 + f) with its remainder: s + rest = f / (d + d_low), d + d_low = 2 + f exactly.
static Pair quotient(LoopBody *body, uint32_t f) {
    uint32_t two = constant(body, 2);
    uint32_t d = add(body, f, two);
    uint32_t d_low = sub(body, f, sub(body, d, two));
    uint32_t inverse = divide(body, constant(body, 1), d);
    uint32_t s = mul(body, f, inverse), minus = negate(body, s), remainder;
    if (body->deterministic) {
        uint32_t product = mul(body, s, d), rest = product_rest(body, s, d, product);
        remainder = sub(body, sub(body, f, product), rest);
    } else {
        remainder = muladd(body, minus, d, f);
    }
    remainder = muladd(body, minus, d_low, remainder);
    return (Pair){s, mul(body, remainder, inverse)};
}

// log(1 + f) = 2s + s^3 p(s^2), where the error of s enters as 2 rest (1 + s^2); then k ln(2) and 2s are summed with
// their rounding error (Dekker's fast two-sum: k ln(2) is zero or the larger one).
static Pair log_pair(LoopBody *body, uint32_t x) {
    const Format *format = format_of(body);
    uint32_t k, f;
    log_reduce(body, x, &k, &f);
    Pair s = quotient(body, f);
    uint32_t s2 = mul(body, s.high, s.high);
    uint32_t s3 = mul(body, s.high, s2), tail = mul(body, s3, polynomial(body, &format->area_tangent, s2));
    uint32_t rest = add(body, s.low, s.low);
    rest = muladd(body, rest, s2, rest);
    rest = muladd(body, k, constant(body, format->ln2_low), rest);
    uint32_t low = add(body, tail, rest);
    uint32_t large = mul(body, k, constant(body, format->ln2_high)), small = add(body, s.high, s.high);
    uint32_t sum = add(body, large, small);
    low = add(body, sub(body, small, sub(body, sum, large)), low);
    uint32_t high = add(body, sum, low);
    return (Pair){high, sub(body, low, sub(body, high, sum))};
}

// exp(y log(x)). x^0 and 1^y are 1 for every x >= 0 and y, NaN included, as in C's pow.
uint32_t maths_power(LoopBody *body, uint32_t base, uint32_t exponent) {
    if (body->calls) return loop_call(body, MATH_POWER, base, exponent);
    uint32_t zero = constant(body, 0), one = constant(body, 1);
    Pair log = log_pair(body, base);
    uint32_t positive = less(body, zero, base);
    uint32_t high = choose(body, positive, log.high, constant(body, -INFINITY));
    high = choose(body, less(body, base, constant(body, INFINITY)), high, base); // infinity and NaN pass
    uint32_t product = mul(body, exponent, high);
    uint32_t low = product_rest(body, exponent, high, product);
    low = muladd(body, exponent, log.low, low);
    uint32_t value = exponential(body, product, low);
    uint32_t is_one = equal(body, exponent, zero);
    is_one = loop_op(body, LOOP_OR, is_one, equal(body, base, one), 0);
    value = choose(body, is_one, one, value);
    uint32_t negative = less(body, base, zero);
    return choose(body, negative, constant(body, NAN), value);
}

// ---- sine and cosine

// The sine or cosine of x from those of r, by the low two bits of `quadrant`: odd quadrants exchange the two, the upper
// ones change the sign; cos(x) = sin(x + pi/2).
static uint32_t by_quadrant(LoopBody *body, uint32_t quadrant, uint32_t s, uint32_t c, bool cosine) {
    uint32_t top = body->real == LOOP_F32 ? 31 : 63;
    if (cosine) quadrant = loop_op(body, LOOP_IADD, quadrant, loop_iconst(body, 1), 0);
    uint32_t one = loop_iconst(body, format_of(body)->one);
    uint32_t parity = loop_op(body, LOOP_IOR, left(body, quadrant, top), one, 0); // -1 in odd quadrants
    uint32_t zero = constant(body, 0), odd = less(body, from_bits(body, parity), zero);
    uint32_t value = to_bits(body, choose(body, odd, c, s));
    uint32_t sign_mask = loop_iconst(body, UINT64_C(1) << top);
    uint32_t sign = loop_op(body, LOOP_IAND, left(body, quadrant, top - 1), sign_mask, 0);
    return from_bits(body, loop_op(body, LOOP_IXOR, value, sign, 0));
}

// Both are read off r = x - n pi/2, |r| <= pi/4, by the quadrant n mod 4. pi/2 is subtracted in parts, for |x| <= 1e5
// without loss (Cody and Waite). For larger |x| accuracy is lost, entirely so from about 1e6 (f32) and 1e15 (f64) on; r
// is clamped so that the result stays in [-1, 1] there. Where multiply-add is not fused, f32 has an absolute error of
// up to 2^-23 + |x| 2^-40.
static uint32_t sine(LoopBody *body, uint32_t x, bool cosine) {
    const Format *format = format_of(body);
    uint32_t shift = constant(body, ldexp(1.5, (int)format->mantissa));
    uint32_t shifted = muladd(body, x, constant(body, TWO_OVER_PI), shift);
    uint32_t n = sub(body, shifted, shift), r = x;
    for (int part = 0; part < 4 && format->half_pi[part] != 0; part++)
        r = muladd(body, n, constant(body, -format->half_pi[part]), r);
    r = at_least(body, at_most(body, r, 0.8), -0.8);

    uint32_t r2 = mul(body, r, r);
    uint32_t r3 = mul(body, r, r2), r4 = mul(body, r2, r2);
    uint32_t s = muladd(body, r3, polynomial(body, &format->sine, r2), r);
    s = with_sign(body, s, r); // the sign matters for -0
    uint32_t one = constant(body, 1), c = muladd(body, r2, constant(body, -0.5), one);
    c = muladd(body, r4, polynomial(body, &format->cosine, r2), c);
    return by_quadrant(body, to_bits(body, shifted), s, c, cosine);
}

const char *maths_name(MathFunction function) {
    static const char *const names[] = {
        [MATH_EXP] = "exp",     [MATH_EXPM1] = "expm1",      [MATH_LOG] = "log", [MATH_LOG1P] = "log1p",
        [MATH_TANH] = "tanh",   [MATH_SIN] = "sin",          [MATH_COS] = "cos", [MATH_SIGMOID] = "sigmoid",
        [MATH_POWER] = "power", [MATH_SOFTPLUS] = "softplus"};
    return names[function];
}

uint32_t maths_emit(LoopBody *body, MathFunction function, uint32_t x) {
    if (body->calls) return loop_call(body, function, x, 0);
    switch (function) {
    case MATH_EXP: return exponential(body, x, NONE);
    case MATH_EXPM1: return exponential_minus_one(body, x);
    case MATH_LOG: return logarithm(body, x);
    case MATH_LOG1P: return logarithm_plus_one(body, x);
    case MATH_TANH: return hyperbolic_tangent(body, x);
    case MATH_SIN: return sine(body, x, false);
    case MATH_COS: return sine(body, x, true);
    case MATH_SIGMOID: return sigmoid(body, x);
    case MATH_SOFTPLUS: return softplus(body, x);
    default: return x; // MATH_FUNCTION_COUNT is no function
    }
}
