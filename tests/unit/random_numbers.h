// Random numbers for tests: a fixed start gives the same numbers everywhere, so that a failure repeats.
#ifndef LEQUEL_RANDOM_NUMBERS_H
#define LEQUEL_RANDOM_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

static uint64_t random_state;

static inline uint64_t mix(uint64_t z) { // splitmix64
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline uint64_t next(void) { return mix(random_state += 0x9e3779b97f4a7c15u); }
static inline int below(int n) { return (int)(next() % (uint64_t)n); }
static inline bool chance(int percent) { return below(100) < percent; }
static inline double unit_real(uint64_t bits) { return (double)(bits >> 11) * 0x1p-53; }
static inline double between(double low, double high) { return low + (high - low) * unit_real(next()); }

#endif
