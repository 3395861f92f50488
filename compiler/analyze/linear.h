// Linear filters, as a few numbers: in discrete time as a small state space, in continuous time as a product of poles,
// zeros and a delay. Source of the figures checked in tests/unit/test_analyze.c: GLE (Ellenberger, Haider et al.).
#ifndef LEQUEL_LINEAR_H
#define LEQUEL_LINEAR_H

#include <complex.h>
#undef I // <complex.h> defines it; nothing here wants it
#include <stdbool.h>
#include <stdint.h>

enum { LINEAR_MOST = 8 };

// One step of a filter with memory x:  y = c x + d input,  x <- a x + b input.
// z-transform: y/input = d + c (z - a)^-1 b.
typedef struct Linear {
    uint32_t order;
    double a[LINEAR_MOST][LINEAR_MOST], b[LINEAR_MOST], c[LINEAR_MOST], d;
} Linear;

double complex linear_response(const Linear *f, double angle); // at z = exp(i angle), angle = omega dt
void linear_poles(const Linear *f, double complex *poles);     // `order` of them, the largest modulus first
void linear_impulse(const Linear *f, double *response, uint32_t count);
// Standard deviation of the output for independent inputs of variance 1: sqrt(sum of h_n^2). Infinite when unstable.
double linear_noise_gain(const Linear *f);

// gain * prod(1 + s zero_k) / prod(1 + s pole_k) * exp(-s delay), s = i omega. Zeros and poles are kept as time
// constants: a lookahead is a zero, a low-pass a pole. An equal zero hides a pole, but the state that integrates with
// it is there all the same: `memory` holds the time constants of all. `known` is false for what has no such form.
typedef struct Filter {
    bool known;
    double gain, delay;
    uint32_t zero_count, pole_count, memory_count;
    double zero[LINEAR_MOST], pole[LINEAR_MOST], memory[LINEAR_MOST];
} Filter;

Filter filter_gain(double gain);
void filter_add_zero(Filter *f, double tau); // an equal pole cancels it, and the other way round
void filter_add_pole(Filter *f, double tau);
Filter filter_over(Filter a, const Filter *b); // a / b
double complex filter_response(const Filter *f, double omega);

#endif
