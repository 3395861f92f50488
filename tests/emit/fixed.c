/* The functions of emitted fixed-point code against the C library: right to `units` of the last place, saturated beyond
 * the range. Compiled with the model_fixed.h of each format. */
#include "model_fixed.h"
#include <math.h>
#include <stdio.h>

static double worst;
static int failures;

static double saturated(double x) { return fmin(fmax(x, LEQUEL_VALUE(INT32_MIN)), LEQUEL_VALUE(INT32_MAX)); }

static void check(const char *name, double x, double y, int32_t got, double exact, double units) {
    double off = fabs(LEQUEL_VALUE(got) - saturated(exact)) * (double)LEQUEL_ONE;
    if (off > worst) worst = off;
    if (off <= units) return;
    if (failures++ < 10)
        printf("%s(%.9g, %.9g) is %.9g, not %.9g: %.3g units off\n", name, x, y, LEQUEL_VALUE(got), saturated(exact),
               off);
}

/* Inside, numbers have 28 bits behind the point: a finer format has as many units less of them. */
static double units(double size) {
    double inner = ldexp(1, LEQUEL_FRACTION - 28);
    return 1 + 8 * inner * (1 + fabs(size));
}

static void check_all(int32_t q) {
    double x = LEQUEL_VALUE(q);
    /* Large exponentials have the relative error of the inner numbers. */
    check("exp", x, 0, lequel_exp(q), exp(x), 1 + fabs(saturated(exp(x))) * ldexp(fabs(x) + 4, LEQUEL_FRACTION - 27));
    check("tanh", x, 0, lequel_tanh(q), tanh(x), units(1));
    check("sigmoid", x, 0, lequel_sigmoid(q), 1 / (1 + exp(-x)), units(1));
    check("softplus", x, 0, lequel_softplus(q), fmax(x, 0) + log1p(exp(-fabs(x))), units(1));
    check("sin", x, 0, lequel_sin(q), sin(x), units(x));
    check("cos", x, 0, lequel_cos(q), cos(x), units(x));
    check("neg", x, 0, lequel_neg(q), -x, 0);
    check("abs", x, 0, lequel_abs(q), fabs(x), 0);
    if (q <= 0) return;
    check("log", x, 0, lequel_log(q), log(x), units(8));
    check("log1p", x, 0, lequel_log1p(q), log1p(x), units(8));
    check("sqrt", x, 0, lequel_sqrt(q), sqrt(x), 0.501);
}

static void check_pair(int32_t a, int32_t b) {
    double x = LEQUEL_VALUE(a), y = LEQUEL_VALUE(b);
    check("add", x, y, lequel_add(a, b), x + y, 0);
    check("sub", x, y, lequel_sub(a, b), x - y, 0);
    check("mul", x, y, lequel_mul(a, b), x * y, 0.501);
    if (b) check("div", x, y, lequel_div(a, b), x / y, 0.501);
    double power = pow(x, y);
    if (a > 0 && fabs(y) < 8 && power < 100)
        check("power", x, y, lequel_power(a, b), power,
              2 + power * ldexp(fabs(y * log(x)) + fabs(y) + 4, LEQUEL_FRACTION - 26));
}

static uint32_t next(void) {
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 32);
}

/* Numbers of all sizes. */
static int32_t draw(void) {
    uint32_t bits = next();
    return (int32_t)next() >> (bits & 31);
}

int main(void) {
    static const int32_t ends[] = {0, 1, -1, INT32_MAX, INT32_MIN, INT32_MIN + 1};
    for (int i = 0; i < 6; i++) {
        check_all(ends[i]);
        for (int k = 0; k < 6; k++) check_pair(ends[i], ends[k]);
    }
    for (long n = 0; n < 300000; n++) {
        check_all(draw());
        check_pair(draw(), draw());
    }
    printf("Q%d.%d: %.3g units at most\n", 32 - LEQUEL_FRACTION, LEQUEL_FRACTION, worst);
    return failures != 0;
}
