/* Fixed-point numbers of 32 bits, @F@ of them behind the point: arithmetic that rounds to nearest and saturates, and
 * the functions of one number. Integers only; nothing of a C library.
 */
#ifndef @P@_FIXED_H
#define @P@_FIXED_H

#include <stdint.h>

#define LEQUEL_FRACTION @F@
#define LEQUEL_ONE ((int64_t)1 << LEQUEL_FRACTION)
/* A decimal as a constant, and back. */
#define LEQUEL_Q(x)                                                                                                    \
    ((x) * (double)LEQUEL_ONE >= 2147483647.0    ? INT32_MAX                                                           \
     : (x) * (double)LEQUEL_ONE <= -2147483648.0 ? INT32_MIN                                                           \
                                                 : (int32_t)((x) * (double)LEQUEL_ONE + ((x) < 0 ? -0.5 : 0.5)))
#define LEQUEL_VALUE(q) ((double)(q) / (double)LEQUEL_ONE)

static inline int32_t lequel_fixed(double x) { return LEQUEL_Q(x); }

static inline int32_t lequel_saturated(int64_t x)
{
    return x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : (int32_t)x;
}

/* x / 2^bits, rounded to nearest; for bits <= 0 a multiplication. */
static inline int64_t lequel_scaled(int64_t x, int bits)
{
    if (bits > 62) return 0;
    if (bits > 0) return (x + ((int64_t)1 << (bits - 1))) >> bits;
    return -bits > 31 ? (x > 0 ? INT64_MAX : x < 0 ? INT64_MIN : 0) : (int64_t)((uint64_t)x << -bits);
}

static inline int32_t lequel_add(int32_t a, int32_t b) { return lequel_saturated((int64_t)a + b); }
static inline int32_t lequel_sub(int32_t a, int32_t b) { return lequel_saturated((int64_t)a - b); }
static inline int32_t lequel_neg(int32_t a) { return lequel_saturated(-(int64_t)a); }
static inline int32_t lequel_abs(int32_t a) { return a < 0 ? lequel_neg(a) : a; }
static inline int32_t lequel_min(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t lequel_max(int32_t a, int32_t b) { return a > b ? a : b; }
static inline int32_t lequel_copysign(int32_t a, int32_t b)
{
    return b < 0 ? lequel_neg(lequel_abs(a)) : lequel_abs(a);
}
static inline int32_t lequel_mul(int32_t a, int32_t b)
{
    return lequel_saturated(lequel_scaled((int64_t)a * b, LEQUEL_FRACTION));
}

/* Division by zero gives the end of the range. */
static inline int32_t lequel_div(int32_t a, int32_t b)
{
    if (b == 0) return a < 0 ? INT32_MIN : a > 0 ? INT32_MAX : 0;
    const int64_t top = (int64_t)a * LEQUEL_ONE, half = (b < 0 ? -(int64_t)b : (int64_t)b) / 2;
    return lequel_saturated((top < 0 ? top - half : top + half) / b);
}

/* The root of a whole number, to nearest. */
static inline uint64_t lequel_root(uint64_t x)
{
    uint64_t rest = x, root = 0, bit = (uint64_t)1 << 62;
    while (bit > rest) bit >>= 2;
    for (; bit; bit >>= 2) {
        if (rest >= root + bit) {
            rest -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return root + (rest > root);
}

static inline int32_t lequel_sqrt(int32_t x)
{
    return x > 0 ? lequel_saturated((int64_t)lequel_root((uint64_t)x << LEQUEL_FRACTION)) : 0;
}

/* ---- Functions: inside, numbers have 28 bits behind the point ------------------------------------------------ */

static inline int64_t lequel_inner(int32_t x) { return lequel_scaled(x, LEQUEL_FRACTION - 28); }
static inline int64_t lequel_times(int64_t a, int64_t b) { return lequel_scaled(a * b, 28); }

/* exp(x) for x <= 0, between 0 and 1: 2^(x/ln 2) by the series of 2^f, 0 <= f < 1. */
static inline int64_t lequel_decay(int64_t x)
{
    static const int64_t series[] = {268435456, 186065279, 64485312, 14899271, 2581847, 357920, 41349, 4094, 355, 27};
    if (x < -((int64_t)21 << 28)) return 0;
    const int64_t t = lequel_times(x, 387270501); /* 1 / ln 2 */
    const int64_t whole = t >> 28, f = t - whole * 268435456;
    int64_t sum = series[9];
    for (int k = 8; k >= 0; k--) sum = lequel_times(sum, f) + series[k];
    return lequel_scaled(sum, (int)-whole);
}

/* log(x / 2^28) for x > 0: x = 2^e m with m in [1/sqrt(2), sqrt(2)), log m = 2 atanh((m - 1) / (m + 1)). */
static inline int64_t lequel_logarithm(int64_t x)
{
    int e = 0;
    while (x < 189812531) x *= 2, e--;
    while (x >= 379625062) x = (x + 1) / 2, e++;
    const int64_t s = (x - 268435456) * 268435456 / (x + 268435456), z = lequel_times(s, s);
    int64_t sum = 268435456 / 9;
    for (int k = 7; k >= 1; k -= 2) sum = lequel_times(sum, z) + 268435456 / k;
    return e * (int64_t)186065279 + 2 * lequel_times(s, sum);
}

/* log(x / 2^LEQUEL_FRACTION) for x > 0. */
static inline int64_t lequel_outer_logarithm(int64_t x)
{
    return lequel_logarithm(x) + (28 - LEQUEL_FRACTION) * (int64_t)186065279;
}

static inline int32_t lequel_outer_value(int64_t x) { return lequel_saturated(lequel_scaled(x, 28 - LEQUEL_FRACTION)); }

/* exp of a number with 28 bits behind the point, as an outer number. */
static inline int32_t lequel_growth(int64_t x)
{
    if (x <= 0) return lequel_outer_value(lequel_decay(x));
    if (x > ((int64_t)22 << 28)) return INT32_MAX;
    /* exp(x) = 2^k exp(x - k ln 2), with the last factor between 1/2 and 1 */
    const int64_t k = x / 186065279 + 1;
    return lequel_saturated(lequel_scaled(lequel_decay(x - k * 186065279), 28 - LEQUEL_FRACTION - (int)k));
}

static inline int32_t lequel_exp(int32_t x) { return lequel_growth(lequel_inner(x)); }
static inline int32_t lequel_expm1(int32_t x) { return lequel_saturated(lequel_exp(x) - LEQUEL_ONE); }

static inline int32_t lequel_log(int32_t x)
{
    return x <= 0 ? INT32_MIN : lequel_outer_value(lequel_outer_logarithm(x));
}

static inline int32_t lequel_log1p(int32_t x)
{
    return x <= -LEQUEL_ONE ? INT32_MIN : lequel_outer_value(lequel_outer_logarithm(x + LEQUEL_ONE));
}

static inline int32_t lequel_tanh(int32_t x)
{
    const int64_t size = lequel_inner(x < 0 ? x : lequel_neg(x)), e = lequel_decay(2 * size);
    const int32_t value = lequel_outer_value((268435456 - e) * 268435456 / (268435456 + e));
    return x < 0 ? -value : value;
}

static inline int32_t lequel_sigmoid(int32_t x)
{
    const int64_t e = lequel_decay(lequel_inner(x < 0 ? x : lequel_neg(x)));
    return lequel_outer_value((x < 0 ? e : 268435456) * 268435456 / (268435456 + e));
}

static inline int32_t lequel_softplus(int32_t x)
{
    const int64_t e = lequel_decay(lequel_inner(x < 0 ? x : lequel_neg(x)));
    return lequel_add(x > 0 ? x : 0, lequel_outer_value(lequel_logarithm(268435456 + e)));
}

static inline int32_t lequel_power(int32_t x, int32_t y)
{
    if (y == 0 || x == LEQUEL_ONE) return (int32_t)LEQUEL_ONE;
    if (x <= 0) return y < 0 ? INT32_MAX : 0;
    const int64_t log = lequel_outer_logarithm(x); /* the product may need more than 64 bits */
    const int64_t high = (int64_t)y * (log >> 16), low = (int64_t)y * (log & 65535);
    return lequel_growth(lequel_scaled(high, LEQUEL_FRACTION - 16) + lequel_scaled(low, LEQUEL_FRACTION));
}

/* sin(2 pi turns / 2^32), by the series of the sine or cosine of an eighth. */
static inline int64_t lequel_inner_wave(uint32_t turns)
{
    static const int64_t sine[] = {268435456, -44739243, 2236962, -53261, 740, -7};
    static const int64_t cosine[] = {268435456, -134217728, 11184811, -372827, 6658, -74};
    const uint32_t quadrant = turns >> 30;
    int64_t r = (int64_t)(turns & 1073741823); /* of a quarter, 2^30 */
    if (quadrant & 1) r = 1073741824 - r;
    const int far = r > 536870912;
    const int64_t x = lequel_scaled((far ? 1073741824 - r : r) * 421657428, 30),
                  z = lequel_times(x, x); /* times pi/2 */
    int64_t sum = 0;
    for (int k = 5; k >= 0; k--) sum = lequel_times(sum, z) + (far ? cosine[k] : sine[k]);
    const int64_t value = far ? sum : lequel_times(sum, x);
    return quadrant & 2 ? -value : value;
}

static inline int32_t lequel_wave(uint32_t turns) { return lequel_outer_value(lequel_inner_wave(turns)); }

/* x / (2 pi) as a part of 2^32, whole turns dropped. */
static inline uint32_t lequel_turns(int32_t x)
{
    return (uint32_t)((uint64_t)lequel_scaled((int64_t)x * 683565276, LEQUEL_FRACTION) & UINT32_MAX);
}

static inline int32_t lequel_sin(int32_t x) { return lequel_wave(lequel_turns(x)); }
static inline int32_t lequel_cos(int32_t x) { return lequel_wave(lequel_turns(x) + UINT32_C(0x40000000)); }

#endif
