// The learning step of tests/bench/gle.leq by hand, in C with OpenBLAS, one thread, single precision:
//   peer_blas WIDTH BATCH
// Equations, for each of six layers of n neurons with input r[l-1] (r[-1] = x), all from old values, as `lequel derive
// tests/bench/gle.leq` prints them (Ellenberger, Haider et al., GLE):
//   g = gate*lambda (last layer: gate*(y - r));  e = v*(1 - tau_m/tau_r) + tau_m/tau_r*g;  v += dt*(g - v)/tau_r
//   I = W r[l-1] + b;  q = u*(1 - tau_r/tau_m) + tau_r/tau_m*I;  u += dt*(I - u)/tau_m;  r = tanh(q);  gate = 1 - r^2
//   lambda[l-1] = W^T e;  W += rate*e r[l-1]^T;  b += rate*e      (means over the batch)
// Three library calls a matrix: gemv, gemv_t and ger for one sample, gemm otherwise, in the faster of the two layouts
// (values of a sample together, or of a neuron). This file is compiled with -O3 -march=native -ffast-math, so that gcc
// takes tanhf from its vector library. OpenBLAS is loaded at run time: exit status 77 when it isn't there.
// Answers on standard input what bench_networks asks, as all peers do:
//   check STEPS RATE   starts anew, runs, prints the probes     run STEPS RATE   prints seconds of processor time
#include "measure.h"
#include <dlfcn.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 6, ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 }; // the numbers of CBLAS

static void (*gemv)(int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
static void (*ger)(int, int, int, float, const float *, int, const float *, int, float *, int);
static void (*gemm)(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);

static const float dt = 0.2f, tau_m = 1.2f, tau_r = 0.6f;
static int n, batch;
static bool samples_together; // [n][batch]; otherwise [batch][n]
static float *x, *y;
static struct Layer { float *W, *b, *I, *u, *r, *gate, *lambda, *v, *e; } layers[LAYERS];

static void *find(void *library, const char *name) {
    void *symbol = dlsym(library, name);
    if (!symbol) exit(77);
    return symbol;
}

static void load_library(void) {
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library) library = dlopen("libopenblas.so", RTLD_NOW | RTLD_LOCAL);
    if (!library) exit(77);
    *(void **)&gemv = find(library, "cblas_sgemv");
    *(void **)&ger = find(library, "cblas_sger");
    *(void **)&gemm = find(library, "cblas_sgemm");
    void (*threads)(int);
    *(void **)&threads = find(library, "openblas_set_num_threads");
    threads(1);
    char *(*kernels)(void), *(*version)(void);
    *(void **)&kernels = find(library, "openblas_get_corename");
    *(void **)&version = find(library, "openblas_get_config");
    char number[64] = "";
    sscanf(version(), "OpenBLAS %63s", number);
    printf("OpenBLAS %s, kernels for %s\n", number, kernels());
}

static float *new_values(size_t count) {
    float *values = aligned_alloc(64, (count * sizeof *values + 63) / 64 * 64);
    if (!values) exit(1);
    memset(values, 0, count * sizeof *values);
    return values;
}

static size_t place(int sample, int i) {
    return samples_together ? (size_t)i * (size_t)batch + (size_t)sample : (size_t)sample * (size_t)n + (size_t)i;
}

static void allocate(void) {
    size_t values = (size_t)n * (size_t)batch;
    x = new_values(values), y = new_values(values);
    for (struct Layer *l = layers; l < layers + LAYERS; l++) {
        l->W = new_values((size_t)n * (size_t)n), l->b = new_values((size_t)n);
        float **states[] = {&l->I, &l->u, &l->r, &l->gate, &l->lambda, &l->v, &l->e};
        for (size_t i = 0; i < sizeof states / sizeof *states; i++) *states[i] = new_values(values);
    }
}

static void start(void) {
    size_t bytes = (size_t)n * (size_t)batch * sizeof(float);
    for (int s = 0; s < batch; s++)
        for (int i = 0; i < n; i++) {
            x[place(s, i)] = (float)bench_input((uint32_t)s, (uint32_t)i, (uint32_t)n);
            y[place(s, i)] = (float)bench_target((uint32_t)s, (uint32_t)i, (uint32_t)n);
        }
    for (int k = 0; k < LAYERS; k++) {
        struct Layer *l = &layers[k];
        for (int i = 0; i < n * n; i++)
            l->W[i] = (float)bench_weight((uint32_t)(i / n), (uint32_t)(i % n), (uint32_t)k, (uint32_t)n);
        memset(l->b, 0, (size_t)n * sizeof(float));
        float *states[] = {l->I, l->u, l->r, l->gate, l->lambda, l->v, l->e};
        for (size_t i = 0; i < sizeof states / sizeof *states; i++) memset(states[i], 0, bytes);
    }
}

// ---- The step -------------------------------------------------------------------------------------------------------

static void errors(struct Layer *l, bool last) {
    float keep = 1 - tau_m / tau_r, take = tau_m / tau_r, low = dt / tau_r;
    float *restrict v = l->v, *restrict e = l->e;
    const float *restrict gate = l->gate, *restrict lambda = l->lambda, *restrict r = l->r, *restrict target = y;
    for (int i = 0; i < n * batch; i++) {
        float g = gate[i] * (last ? target[i] - r[i] : lambda[i]);
        e[i] = v[i] * keep + take * g;
        v[i] += low * (g - v[i]);
    }
}

static void membranes(struct Layer *l) {
    float keep = 1 - tau_r / tau_m, take = tau_r / tau_m, low = dt / tau_m;
    float *restrict u = l->u, *restrict r = l->r, *restrict gate = l->gate;
    const float *restrict I = l->I;
    for (int i = 0; i < n * batch; i++) {
        float rate = tanhf(u[i] * keep + take * I[i]);
        u[i] += low * (I[i] - u[i]);
        r[i] = rate;
        gate[i] = 1 - rate * rate;
    }
}

static void add_biases(float *I, const float *b) {
    for (int row = 0; row < (samples_together ? n : batch); row++) {
        float *values = I + (size_t)row * (size_t)(samples_together ? batch : n);
        if (samples_together)
            for (int s = 0; s < batch; s++) values[s] += b[row];
        else
            for (int i = 0; i < n; i++) values[i] += b[i];
    }
}

static void learn_biases(float *b, const float *e, float rate) {
    for (int row = 0; row < (samples_together ? n : batch); row++) {
        const float *values = e + (size_t)row * (size_t)(samples_together ? batch : n);
        float sum = 0;
        if (samples_together) {
            for (int s = 0; s < batch; s++) sum += values[s];
            b[row] += rate * sum;
        } else
            for (int i = 0; i < n; i++) b[i] += rate * values[i];
    }
}

// Current, error sent down (unless `down` is NULL) and update of one matrix.
static void connection(struct Layer *l, const float *r, float *down, float rate) {
    if (batch == 1) {
        memcpy(l->I, l->b, (size_t)n * sizeof(float));
        gemv(ROW_MAJOR, PLAIN, n, n, 1, l->W, n, r, 1, 1, l->I, 1);
        if (down) gemv(ROW_MAJOR, TRANSPOSED, n, n, 1, l->W, n, l->e, 1, 0, down, 1);
        ger(ROW_MAJOR, n, n, rate, l->e, 1, r, 1, l->W, n);
    } else if (samples_together) {
        gemm(ROW_MAJOR, PLAIN, PLAIN, n, batch, n, 1, l->W, n, r, batch, 0, l->I, batch);
        if (down) gemm(ROW_MAJOR, TRANSPOSED, PLAIN, n, batch, n, 1, l->W, n, l->e, batch, 0, down, batch);
        gemm(ROW_MAJOR, PLAIN, TRANSPOSED, n, n, batch, rate, l->e, batch, r, batch, 1, l->W, n);
        add_biases(l->I, l->b);
    } else {
        gemm(ROW_MAJOR, PLAIN, TRANSPOSED, batch, n, n, 1, r, n, l->W, n, 0, l->I, n);
        if (down) gemm(ROW_MAJOR, PLAIN, PLAIN, batch, n, n, 1, l->e, n, l->W, n, 0, down, n);
        gemm(ROW_MAJOR, TRANSPOSED, PLAIN, n, n, batch, rate, l->e, n, r, n, 1, l->W, n);
        add_biases(l->I, l->b);
    }
    learn_biases(l->b, l->e, rate);
}

static void step(float rate) {
    for (int k = 0; k < LAYERS; k++) errors(&layers[k], k == LAYERS - 1);
    for (int k = 0; k < LAYERS; k++)
        connection(&layers[k], k ? layers[k - 1].r : x, k ? layers[k - 1].lambda : NULL, rate / (float)batch);
    for (int k = 0; k < LAYERS; k++) membranes(&layers[k]);
}

// ---- Answers --------------------------------------------------------------------------------------------------------

static double probe(int connection) {
    double sum = 0;
    for (int i = 0; i < n * n; i++)
        sum += (double)layers[connection].W[i] *
               bench_random((uint32_t)(i / n), (uint32_t)(i % n), (uint32_t)(BENCH_PROBE + connection));
    return sum;
}

static void check(int steps, float rate) {
    start();
    double before[LAYERS], rates = 0;
    for (int k = 0; k < LAYERS; k++) before[k] = probe(k);
    for (int i = 0; i < steps; i++) step(rate);
    for (int k = 0; k < LAYERS; k++) printf("%.17g ", probe(k) - before[k]);
    for (int s = 0; s < batch; s++)
        for (int i = 0; i < n; i++)
            rates += (double)layers[LAYERS - 1].r[place(s, i)] * bench_random((uint32_t)s, (uint32_t)i, BENCH_RATES);
    printf("%.17g\n", rates);
}

static double run(int steps, float rate) {
    double begin = bench_now();
    for (int i = 0; i < steps; i++) step(rate);
    return bench_now() - begin;
}

static void choose_layout(void) {
    double seconds[2] = {1e9, 1e9};
    for (int round = 0; round < 6 && batch > 1; round++) {
        samples_together = round % 2;
        start();
        double time = run(2, 0);
        if (time < seconds[round % 2]) seconds[round % 2] = time;
    }
    samples_together = seconds[1] < seconds[0];
}

int main(int argc, char **argv) {
    if (argc != 3 || (n = atoi(argv[1])) < 1 || (batch = atoi(argv[2])) < 1) {
        fprintf(stderr, "usage: peer_blas WIDTH BATCH\n");
        return 2;
    }
    load_library();
    allocate();
    choose_layout();
    start();
    char word[16];
    int steps;
    float rate;
    for (fflush(stdout); scanf("%15s %d %f", word, &steps, &rate) == 3; fflush(stdout))
        if (strcmp(word, "check") == 0)
            check(steps, rate);
        else
            printf("%.9g\n", run(steps, rate));
    return 0;
}
