// Comparisons of doubles for cmocka, whose own (1.1.5) narrows to float.
#ifndef LEQUEL_ASSERT_CLOSE_H
#define LEQUEL_ASSERT_CLOSE_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// |value - expected| <= tolerance; two NaN agree, and so do equal infinities.
#define assert_close(value, expected, tolerance)                                                                       \
    assert_close_at((value), (expected), (tolerance), #value, __FILE__, __LINE__)
// At most `ulps` representable doubles apart: 0 means equal up to the sign of zero.
#define assert_ulp(value, expected, ulps) assert_ulp_at((value), (expected), (ulps), #value, __FILE__, __LINE__)

static inline void assert_close_at(double value, double expected, double tolerance, const char *what, const char *file,
                                   int line) {
    if (value == expected || (isnan(value) && isnan(expected)) || fabs(value - expected) <= tolerance) return;
    print_error("%s is %.17g; expected %.17g within %g, differs by %g\n", what, value, expected, tolerance,
                value - expected);
    _fail(file, line);
}

// Doubles in order as integers in order, both zeros at 0.
static inline int64_t double_rank(double value) {
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits < 0 ? INT64_MIN - bits : bits;
}

static inline void assert_ulp_at(double value, double expected, uint64_t ulps, const char *what, const char *file,
                                 int line) {
    int64_t a = double_rank(value), b = double_rank(expected);
    uint64_t apart = a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
    if ((isnan(value) && isnan(expected)) || (!isnan(value) && !isnan(expected) && apart <= ulps)) return;
    print_error("%s is %.17g; expected %.17g, %llu ulp away\n", what, value, expected, (unsigned long long)apart);
    _fail(file, line);
}

#endif
