// The elementary functions that generated data rests on, in multiply and add only: the same bits everywhere.
#include "elementary.h"
#include <math.h>

// ln 2 and pi/2 in pieces: all but the last have so few bits that their product with a small integer is exact.
static const double LN2_HIGH = 0x0.B17217F7p0, LN2_LOW = 0x0.D1CF79ABC9E3B398p-32;
static const double HALF_PI_HIGH = 0x1.921FB544p0, HALF_PI_MIDDLE = 0x0.42D18469p-32,
                    HALF_PI_LOW = 0x0.898CC51701B839A2p-64;
static const double HALF_PI = 0x1.921FB54442D18p0, TWO_PI = 0x1.921FB54442D18p2, LOG2_E = 0x1.71547652B82FEp0;

// Taylor coefficients of exp(r), of sin(r)/r and cos(r) in r^2, and of atanh(s)/s in s^2 (without the leading 1).
static const double EXP_SERIES[] = {1.0 / 2,       1.0 / 6,        1.0 / 24,        1.0 / 120,
                                    1.0 / 720,     1.0 / 5040,     1.0 / 40320,     1.0 / 362880,
                                    1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800.0};
static const double SIN_SERIES[] = {-1.0 / 6,
                                    1.0 / 120,
                                    -1.0 / 5040,
                                    1.0 / 362880,
                                    -1.0 / 39916800,
                                    1.0 / 6227020800.0,
                                    -1.0 / 1307674368000.0,
                                    1.0 / 355687428096000.0};
static const double COS_SERIES[] = {-1.0 / 2,       1.0 / 24,        -1.0 / 720,           1.0 / 40320,
                                    -1.0 / 3628800, 1.0 / 479001600, -1.0 / 87178291200.0, 1.0 / 20922789888000.0};
static const double ATANH_SERIES[] = {1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9,  1.0 / 11,
                                      1.0 / 13, 1.0 / 15, 1.0 / 17, 1.0 / 19, 1.0 / 21};

#define HORNER(series, x) horner((series), (int)(sizeof(series) / sizeof *(series)), (x))

static double horner(const double *series, int count, double x) {
    double sum = 0;
    for (int i = count - 1; i >= 0; i--) sum = sum * x + series[i];
    return sum;
}

double elementary_exp(double x) {
    if (isnan(x)) return x;
    if (x > 710) return HUGE_VAL;
    if (x < -746) return 0;
    double k = floor(x * LOG2_E + 0.5);
    double r = (x - k * LN2_HIGH) - k * LN2_LOW; // |r| <= ln(2)/2
    double value = 1 + (r + r * r * HORNER(EXP_SERIES, r));
    int half = (int)k / 2; // in two steps: 2^k itself may be out of range
    return ldexp(ldexp(value, half), (int)k - half);
}

double elementary_log(double x) {
    if (isnan(x) || x < 0) return NAN;
    if (x == 0) return -HUGE_VAL;
    if (isinf(x)) return x;
    int exponent;
    double m = frexp(x, &exponent);
    if (m < 0x1.6A09E667F3BCDp-1) { // sqrt(1/2): keeps m within a factor sqrt(2) of 1
        m *= 2;
        exponent--;
    }
    double s = (m - 1) / (m + 1), z = s * s; // log m = 2 atanh s
    double tail = 2 * s * z * HORNER(ATANH_SERIES, z);
    return exponent * LN2_HIGH + (2 * s + (tail + exponent * LN2_LOW));
}

static double sin_reduced(double r) { // |r| <= pi/4
    double z = r * r;
    return r + r * z * HORNER(SIN_SERIES, z);
}

static double cos_reduced(double r) {
    double z = r * r;
    return 1 + z * HORNER(COS_SERIES, z);
}

// sin(r + quadrant * pi/2)
static double sin_quadrant(double r, double quadrant) {
    switch ((int)(quadrant - 4 * floor(quadrant / 4))) {
    case 0: return sin_reduced(r);
    case 1: return cos_reduced(r);
    case 2: return -sin_reduced(r);
    default: return -cos_reduced(r);
    }
}

double elementary_sin(double x) {
    if (isnan(x) || isinf(x)) return NAN;
    if (fabs(x) > 1e6) x = fmod(x, TWO_PI);
    double k = floor(x / HALF_PI + 0.5);
    double r = ((x - k * HALF_PI_HIGH) - k * HALF_PI_MIDDLE) - k * HALF_PI_LOW;
    return sin_quadrant(r, k);
}

double elementary_sin_turns(double u) {
    double quadrant = floor(4 * u + 0.5);
    return sin_quadrant((4 * u - quadrant) * HALF_PI, quadrant);
}

double elementary_cos_turns(double u) {
    double quadrant = floor(4 * u + 0.5);
    return sin_quadrant((4 * u - quadrant) * HALF_PI, quadrant + 1);
}
