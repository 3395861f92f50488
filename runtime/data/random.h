// Random numbers that are a pure function of (seed, name, index): any order, any thread, any machine, the same numbers.
#ifndef LEQUEL_RANDOM_H
#define LEQUEL_RANDOM_H

#include <stdint.h>

// The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011).
// Its 64-bit key is the seed; its 128-bit counter is (index, hash of the name), so streams of one seed never overlap
// unless two names share a 64-bit hash, and no state has to be stored, saved or locked.
typedef struct RandomStream {
    uint32_t key[2];    // the seed
    uint32_t stream[2]; // which stream of that seed
} RandomStream;

// One block: 10 rounds over a counter of four words (least significant first) with a key of two.
void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t result[4]);

RandomStream random_stream(uint64_t seed, const char *name); // name: NUL-terminated bytes, hashed by 64-bit FNV-1a
// The stream number `number` below this one: one per sample, epoch or array.
RandomStream random_child(const RandomStream *parent, uint64_t number);

// Draws at position `index` of a stream. All kinds of draw at one position read the same bits (a normal those of its
// pair 2k, 2k+1 as well): use one stream for one kind, or different positions.
uint64_t random_bits(const RandomStream *stream, uint64_t index);  // 64 random bits
double random_uniform(const RandomStream *stream, uint64_t index); // [0, 1), a multiple of 2^-53
double random_normal(const RandomStream *stream, uint64_t index);  // mean 0, deviation 1, |x| < 8.6
// Both numbers of a pair at once, those of the indices 2*pair and 2*pair + 1, for half the price.
void random_normal_pair(const RandomStream *stream, uint64_t pair, double normal[2]);
uint64_t random_below(const RandomStream *stream, uint64_t index, uint64_t n); // 0 .. n-1; 0 when n is 0
// random_normal is Box and Muller's transform (1958) of the uniforms of a pair, with our own logarithm and sine (see
// elementary.h): the same bits everywhere, within 5e-15 of the exact transform. random_below is the high word
// of bits * n; a value's probability is off by at most 2^-64.

// A random order of 0 .. n-1 in out[n] (Fisher and Yates 1938, as Durstenfeld 1964), one for each epoch.
void random_permutation(const RandomStream *stream, uint64_t epoch, uint32_t n, uint32_t *out);

#endif
