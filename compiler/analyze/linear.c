// Responses, poles and noise gains of small linear filters.
#include "linear.h"
#include <math.h>
#include <string.h>

// ---- Discrete time --------------------------------------------------------------------------------------------------

static void swap_rows(double complex m[LINEAR_MOST][LINEAR_MOST + 1], uint32_t i, uint32_t k) {
    double complex row[LINEAR_MOST + 1];
    memcpy(row, m[i], sizeof row);
    memcpy(m[i], m[k], sizeof row);
    memcpy(m[k], row, sizeof row);
}

// Solves m x = right, the last column of m, by elimination with row pivots; the answer replaces that column.
static void solve(double complex m[LINEAR_MOST][LINEAR_MOST + 1], uint32_t n) {
    for (uint32_t k = 0; k < n; k++) {
        uint32_t best = k;
        for (uint32_t i = k + 1; i < n; i++)
            if (cabs(m[i][k]) > cabs(m[best][k])) best = i;
        swap_rows(m, k, best);
        for (uint32_t i = 0; i < n; i++) {
            if (i == k) continue;
            double complex factor = m[i][k] / m[k][k];
            for (uint32_t j = k; j < n; j++) m[i][j] -= factor * m[k][j];
            m[i][n] -= factor * m[k][n];
        }
    }
    for (uint32_t k = 0; k < n; k++) m[k][n] /= m[k][k];
}

double complex linear_response(const Linear *f, double angle) {
    double complex z = cos(angle) + sin(angle) * _Complex_I, m[LINEAR_MOST][LINEAR_MOST + 1], y = f->d;
    for (uint32_t i = 0; i < f->order; i++) {
        for (uint32_t j = 0; j < f->order; j++) m[i][j] = (i == j ? z : 0) - f->a[i][j];
        m[i][f->order] = f->b[i];
    }
    solve(m, f->order);
    for (uint32_t i = 0; i < f->order; i++) y += f->c[i] * m[i][f->order];
    return y;
}

static void multiply(uint32_t n, double a[LINEAR_MOST][LINEAR_MOST], double b[LINEAR_MOST][LINEAR_MOST],
                     double out[LINEAR_MOST][LINEAR_MOST]) {
    double product[LINEAR_MOST][LINEAR_MOST] = {0};
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < n; k++)
            for (uint32_t j = 0; j < n; j++) product[i][j] += a[i][k] * b[k][j];
    memcpy(out, product, sizeof product);
}

// Coefficients of det(z - a), highest power first, by Faddeev and LeVerrier.
static void characteristic(const Linear *f, double coefficient[LINEAR_MOST + 1]) {
    uint32_t n = f->order;
    double a[LINEAR_MOST][LINEAR_MOST], m[LINEAR_MOST][LINEAR_MOST] = {0};
    memcpy(a, f->a, sizeof a);
    coefficient[0] = 1;
    for (uint32_t k = 1; k <= n; k++) {
        for (uint32_t i = 0; i < n; i++) m[i][i] += coefficient[k - 1];
        multiply(n, a, m, m);
        double trace = 0;
        for (uint32_t i = 0; i < n; i++) trace += m[i][i];
        coefficient[k] = -trace / k;
    }
}

static bool is_triangular(const Linear *f) {
    bool lower = true, upper = true;
    for (uint32_t i = 0; i < f->order; i++)
        for (uint32_t j = 0; j < i; j++) {
            lower &= f->a[j][i] == 0;
            upper &= f->a[i][j] == 0;
        }
    return lower || upper;
}

// All roots at once, by Durand and Kerner; a chain of filters is triangular and has its poles on the diagonal.
static void roots(const Linear *f, double complex *z) {
    double coefficient[LINEAR_MOST + 1];
    uint32_t n = f->order;
    characteristic(f, coefficient);
    for (uint32_t i = 0; i < n; i++) z[i] = cpow(0.4 + 0.9 * _Complex_I, i);
    for (int round = 0; round < 500; round++) {
        double moved = 0;
        for (uint32_t i = 0; i < n; i++) {
            double complex value = 0, others = 1;
            for (uint32_t k = 0; k <= n; k++) value = value * z[i] + coefficient[k];
            for (uint32_t k = 0; k < n; k++)
                if (k != i) others *= z[i] - z[k];
            double complex change = others == 0 ? 1e-8 : value / others;
            z[i] -= change;
            moved = fmax(moved, cabs(change));
        }
        if (moved < 1e-15) break;
    }
    for (uint32_t i = 0; i < n; i++)
        if (fabs(cimag(z[i])) < 1e-12) z[i] = creal(z[i]);
}

void linear_poles(const Linear *f, double complex *poles) {
    if (is_triangular(f))
        for (uint32_t i = 0; i < f->order; i++) poles[i] = f->a[i][i];
    else
        roots(f, poles);
    for (uint32_t i = 1; i < f->order; i++) // by insertion
        for (uint32_t k = i; k > 0 && cabs(poles[k]) > cabs(poles[k - 1]); k--) {
            double complex other = poles[k];
            poles[k] = poles[k - 1];
            poles[k - 1] = other;
        }
}

void linear_impulse(const Linear *f, double *response, uint32_t count) {
    double x[LINEAR_MOST] = {0};
    for (uint32_t t = 0; t < count; t++) {
        double input = t == 0, next[LINEAR_MOST];
        response[t] = f->d * input;
        for (uint32_t i = 0; i < f->order; i++) {
            response[t] += f->c[i] * x[i];
            next[i] = f->b[i] * input;
            for (uint32_t j = 0; j < f->order; j++) next[i] += f->a[i][j] * x[j];
        }
        memcpy(x, next, f->order * sizeof *x);
    }
}

// The variance of the memory solves P = a P a^T + b b^T; doubling: P <- P + m P m^T, m <- m m.
double linear_noise_gain(const Linear *f) {
    uint32_t n = f->order;
    double complex poles[LINEAR_MOST];
    linear_poles(f, poles);
    if (n && cabs(poles[0]) >= 1) return INFINITY;
    double p[LINEAR_MOST][LINEAR_MOST] = {0}, m[LINEAR_MOST][LINEAR_MOST], part[LINEAR_MOST][LINEAR_MOST];
    double transposed[LINEAR_MOST][LINEAR_MOST];
    memcpy(m, f->a, sizeof m);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++) p[i][j] = f->b[i] * f->b[j];
    for (int round = 0; round < 60; round++) {
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = 0; j < n; j++) transposed[i][j] = m[j][i];
        multiply(n, m, p, part);
        multiply(n, part, transposed, part);
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = 0; j < n; j++) p[i][j] += part[i][j];
        multiply(n, m, m, m);
    }
    double variance = f->d * f->d;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++) variance += f->c[i] * p[i][j] * f->c[j];
    return sqrt(variance);
}

// ---- Continuous time ------------------------------------------------------------------------------------------------

Filter filter_gain(double gain) { return (Filter){.known = true, .gain = gain}; }

static bool cancel(double *list, uint32_t *count, double tau) {
    for (uint32_t i = 0; i < *count; i++) {
        if (list[i] != tau) continue;
        list[i] = list[--*count];
        list[*count] = 0;
        return true;
    }
    return false;
}

static void append(Filter *f, double *list, uint32_t *count, double tau) {
    if (*count == LINEAR_MOST)
        f->known = false;
    else
        list[(*count)++] = tau;
}

void filter_add_zero(Filter *f, double tau) {
    if (!cancel(f->pole, &f->pole_count, tau)) append(f, f->zero, &f->zero_count, tau);
}

void filter_add_pole(Filter *f, double tau) {
    append(f, f->memory, &f->memory_count, tau);
    if (!cancel(f->zero, &f->zero_count, tau)) append(f, f->pole, &f->pole_count, tau);
}

Filter filter_over(Filter a, const Filter *b) {
    a.known &= b->known;
    a.gain /= b->gain;
    a.delay -= b->delay;
    for (uint32_t i = 0; i < b->zero_count; i++) filter_add_pole(&a, b->zero[i]);
    for (uint32_t i = 0; i < b->pole_count; i++) filter_add_zero(&a, b->pole[i]);
    for (uint32_t i = 0; i < b->memory_count; i++) append(&a, a.memory, &a.memory_count, b->memory[i]);
    return a;
}

double complex filter_response(const Filter *f, double omega) {
    if (!f->known) return NAN;
    double complex y = f->gain * cexp(-_Complex_I * omega * f->delay);
    for (uint32_t i = 0; i < f->zero_count; i++) y *= 1 + _Complex_I * omega * f->zero[i];
    for (uint32_t i = 0; i < f->pole_count; i++) y /= 1 + _Complex_I * omega * f->pole[i];
    return y;
}
