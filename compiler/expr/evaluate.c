// Evaluates expressions by walking them, in double and, for complex-step derivatives, in complex numbers.
// Both walks are made from one text, evaluate_body.h; here stand the numbers and functions in which they differ.
//
// Complex evaluation extends every function analytically where it is smooth. Kinked functions (comparisons, abs, min,
// max, sign, select, maximum) decide by the real part, so only imaginary parts that are infinitesimal beside the
// distance to a kink make sense; f(x + ih) then is f(x) + ih f'(x) with no cancellation, down to h = 1e-300.
// Arguments outside the real domain of a function (log of a negative number) give NaN in both evaluations.
#include "expr.h"
#include <assert.h>
#include <math.h>

// What surrounds the expression being evaluated: index variables bound by sums, innermost first. The stamp is unique
// to one iteration, so a remembered value is known to belong to it.
typedef struct Frame {
    const struct Frame *outer;
    uint64_t stamp;
    Index index; // 0 for the frame of `previous`
    int64_t value;
    bool previous; // every array is read as it was before the step
} Frame;

// Values of shared nodes are remembered in a small table by handle: neighbouring handles do not collide, and
// derivatives, which share much, are not evaluated an exponential number of times.
enum { REMEMBERED = 64 };
enum { MAX_POSITIONS = EXPR_MAX_RANK + 1 }; // an index for each axis and one for the batch

static double real_product(double a, double b) { return a * b; }

// The frequent exponents are computed as the generated code does, exactly rounded.
static double real_power(double base, double exponent) {
    if (exponent == 2) return base * base;
    if (exponent == -1) return 1 / base;
    if (exponent == 0.5) return sqrt(base);
    return pow(base, exponent);
}

double expr_function_value(ExprFunction function, double x) {
    switch (function) {
    case FUNCTION_EXP: return exp(x);
    case FUNCTION_EXPM1: return expm1(x);
    case FUNCTION_LOG: return log(x);
    case FUNCTION_LOG1P: return log1p(x);
    case FUNCTION_TANH: return tanh(x);
    case FUNCTION_SIN: return sin(x);
    case FUNCTION_COS: return cos(x);
    case FUNCTION_LOGISTIC: return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
    case FUNCTION_LOG1PEXP: return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    case FUNCTION_SQRT: return sqrt(x);
    case FUNCTION_ABS: return fabs(x);
    case FUNCTION_SIGN: return isnan(x) ? x : (x > 0) - (x < 0);
    case FUNCTION_COUNT: break;
    }
    assert(false && "no such function");
    return NAN;
}

// CMPLX of C11, which some compilers lack; x + iy by arithmetic would lose signed zeros and spread NaN.
static double complex complex_of(double real, double imaginary) {
    double complex z;
    ((double *)&z)[0] = real; // the layout that C prescribes
    ((double *)&z)[1] = imaginary;
    return z;
}

// By components: the product of two complex numbers in C would turn infinities into NaN and back.
static double complex complex_product(double complex a, double complex b) {
    return complex_of(creal(a) * creal(b) - cimag(a) * cimag(b), creal(a) * cimag(b) + cimag(a) * creal(b));
}

// 1/z, without the overflow of |z|^2: the larger component is divided out first.
static double complex complex_inverse(double complex z) {
    double x = creal(z), y = cimag(z);
    if (fabs(x) >= fabs(y)) {
        double ratio = x == 0 ? 0 : y / x, scale = x + y * ratio;
        return complex_of(1 / scale, -ratio / scale);
    }
    double ratio = x / y, scale = x * ratio + y;
    return complex_of(ratio / scale, -1 / scale);
}

static double complex complex_integer_power(double complex base, int exponent) {
    double complex result = 1;
    for (int bits = exponent < 0 ? -exponent : exponent; bits; bits >>= 1) {
        if (bits & 1) result = complex_product(result, base);
        base = complex_product(base, base);
    }
    return exponent < 0 ? complex_inverse(result) : result;
}

// log(1 + z). Near 0 the modulus of 1 + z is log1p(x (2 + x) + y^2)/2, which keeps every digit.
static double complex complex_log1p(double complex z) {
    double x = creal(z), y = cimag(z);
    if (x < -1) return complex_of(NAN, NAN);
    double modulus = fabs(x) < 0.5 ? 0.5 * log1p(x * (2 + x) + y * y) : creal(clog(1 + z));
    return complex_of(modulus, atan2(y, 1 + x));
}

// z^w = x^y x^(ik) (1 + ih/x)^w for z = x + ih, w = y + ik: the large part is a real power and keeps its accuracy.
static double complex complex_power(double complex base, double complex exponent) {
    double x = creal(base), y = creal(exponent);
    if (cimag(exponent) == 0 && y == trunc(y) && fabs(y) <= 64) return complex_integer_power(base, (int)y);
    if (x < 0) return complex_of(pow(x, y), cimag(base) * y * pow(x, y - 1)); // real only for an integer exponent
    if (x == 0) return complex_of(pow(x, y), cimag(base) == 0 ? 0 : cimag(base) * y * pow(x, y - 1));
    double complex turn = complex_product(exponent, complex_log1p(complex_of(0, cimag(base) / x)));
    return pow(x, y) * cexp(turn + complex_of(0, cimag(exponent) * log(x)));
}

// expm1(x + ih) = expm1(x) cos h - 2 sin(h/2)^2 + i exp(x) sin h.
static double complex complex_expm1(double complex z) {
    double x = creal(z), y = cimag(z), half = sin(0.5 * y);
    return complex_of(expm1(x) * cos(y) - 2 * half * half, exp(x) * sin(y));
}

static double complex complex_call(ExprFunction function, double complex z) {
    double x = creal(z);
    bool domain = x >= 0; // of log and sqrt
    switch (function) {
    case FUNCTION_EXP: return cexp(z);
    case FUNCTION_EXPM1: return complex_expm1(z);
    case FUNCTION_LOG: return domain ? clog(z) : complex_of(NAN, NAN);
    case FUNCTION_LOG1P: return complex_log1p(z);
    case FUNCTION_TANH: return ctanh(z);
    case FUNCTION_SIN: return csin(z);
    case FUNCTION_COS: return ccos(z);
    case FUNCTION_LOGISTIC:
        // From the side on which the exponential is at most 1.
        if (x < 0) return complex_product(cexp(z), complex_inverse(1 + cexp(z)));
        return complex_inverse(1 + cexp(-z));
    case FUNCTION_LOG1PEXP: return x > 0 ? z + complex_log1p(cexp(-z)) : complex_log1p(cexp(z));
    case FUNCTION_SQRT: return domain ? csqrt(z) : complex_of(NAN, NAN);
    case FUNCTION_ABS: return complex_product(z, expr_function_value(FUNCTION_SIGN, x));
    case FUNCTION_SIGN: return expr_function_value(FUNCTION_SIGN, x);
    case FUNCTION_COUNT: break;
    }
    assert(false && "no such function");
    return complex_of(NAN, NAN);
}

static double real_call(ExprFunction function, double x) { return expr_function_value(function, x); }

#define NUMBER double
#define ELEMENT ExprElement
#define NAME(name) real_##name
#define REAL_PART(number) (number)
#define EVALUATE expr_evaluate
#include "evaluate_body.h"

#define NUMBER double complex
#define ELEMENT ExprComplexElement
#define NAME(name) complex_##name
#define REAL_PART(number) creal(number)
#define EVALUATE expr_evaluate_complex
#include "evaluate_body.h"
