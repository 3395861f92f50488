#include "measure.h"
#include <math.h>
#include <stdlib.h>
#include <time.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

double bench_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

Quartiles bench_quartiles(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, by_size);
    return (Quartiles){values[count / 4], values[count / 2], values[count - 1 - count / 4]};
}

// ---- Limits of the machine ------------------------------------------------------------------------------------------

#ifdef __x86_64__
#define CHAINS(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11)
#define PEAK_FUNCTION(name, features, type, lanes, set, store)                                                         \
    __attribute__((target(features), noinline)) static double name(long rounds, float *result) {                       \
        type a = set(0.5f), b = set(0.25f);                                                                            \
        CHAINS(PEAK_START_##lanes)                                                                                     \
        for (long i = 0; i < rounds; i++) {                                                                            \
            CHAINS(PEAK_STEP_##lanes)                                                                                  \
        }                                                                                                              \
        CHAINS(PEAK_SUM_##lanes)                                                                                       \
        store(result, a);                                                                                              \
        return 2.0 * 12 * lanes * (double)rounds;                                                                      \
    }
#define PEAK_START_8(i) __m256 v##i = _mm256_set1_ps((float)i);
#define PEAK_STEP_8(i) v##i = _mm256_fmadd_ps(v##i, a, b);
#define PEAK_SUM_8(i) a = _mm256_add_ps(a, v##i);
#define PEAK_START_16(i) __m512 v##i = _mm512_set1_ps((float)i);
#define PEAK_STEP_16(i) v##i = _mm512_fmadd_ps(v##i, a, b);
#define PEAK_SUM_16(i) a = _mm512_add_ps(a, v##i);
PEAK_FUNCTION(peak_avx2, "avx2,fma", __m256, 8, _mm256_set1_ps, _mm256_storeu_ps)
PEAK_FUNCTION(peak_avx512, "avx512f", __m512, 16, _mm512_set1_ps, _mm512_storeu_ps)

double bench_peak(void) {
    float result[16];
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    double start = bench_now();
    double operations = __builtin_cpu_supports("avx512f") ? peak_avx512(400000, result) : peak_avx2(400000, result);
    return operations / (bench_now() - start);
}

#define IN_PLACE_FUNCTION(name, features, type, lanes, set, load, multiply, store)                                     \
    __attribute__((target(features))) static void name(float *values, size_t length, size_t streams, float factor) {   \
        type f = set(factor);                                                                                          \
        for (size_t i = 0; i + 4 * lanes <= length; i += 4 * lanes)                                                    \
            for (size_t s = 0; s < streams; s++)                                                                       \
                for (int k = 0; k < 4; k++) {                                                                          \
                    float *p = values + s * length + i + k * lanes;                                                    \
                    store(p, multiply(load(p), f));                                                                    \
                }                                                                                                      \
    }
IN_PLACE_FUNCTION(in_place_avx2, "avx2", __m256, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_mul_ps, _mm256_storeu_ps)
IN_PLACE_FUNCTION(in_place_avx512, "avx512f", __m512, 16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_mul_ps,
                  _mm512_storeu_ps)
#else
double bench_peak(void) { return 0; }
#endif

void bench_in_place(float *values, size_t count, float factor) {
    // Beyond the second cache, processors fetch ahead for several streams better than for one.
    size_t streams = count * sizeof(float) > 1 << 20 ? 4 : 1, length = count / streams;
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f")) {
        in_place_avx512(values, length, streams, factor);
        return;
    }
    if (__builtin_cpu_supports("avx2")) {
        in_place_avx2(values, length, streams, factor);
        return;
    }
#endif
    for (size_t i = 0; i < count; i++) values[i] *= factor;
}

// ---- The numbers all contestants start from -------------------------------------------------------------------------

double bench_random(uint32_t i, uint32_t j, uint32_t stream) {
    uint32_t h = (i * 7919u + j * 104729u + stream * 1299709u + 1u) * 2654435761u;
    h = (h ^ h >> 15) * 2246822519u;
    h ^= h >> 13;
    return h / 4294967296.0 - 0.5;
}

double bench_weight(uint32_t i, uint32_t j, uint32_t connection, uint32_t fan_in) {
    return (double)(float)(2 * bench_random(i, j, connection) / sqrt(fan_in)); // the same in either precision
}

double bench_input(uint32_t sample, uint32_t i, uint32_t size) { return bench_random(sample, i, 500 + size); }

double bench_target(uint32_t sample, uint32_t i, uint32_t size) { return bench_random(sample, i, 700 + size); }
