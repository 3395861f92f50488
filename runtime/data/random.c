// Philox4x32-10 and what is drawn from it.
#include "random.h"
#include "elementary.h"
#include <math.h>

enum { ROUNDS = 10 };

void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t result[4]) {
    uint32_t a = counter[0], b = counter[1], c = counter[2], d = counter[3], k = key[0], l = key[1];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t p = (uint64_t)0xD2511F53u * a, q = (uint64_t)0xCD9E8D57u * c;
        a = (uint32_t)(q >> 32) ^ b ^ k;
        b = (uint32_t)q;
        c = (uint32_t)(p >> 32) ^ d ^ l;
        d = (uint32_t)p;
        k += 0x9E3779B9u; // golden ratio
        l += 0xBB67AE85u; // sqrt(3) - 1
    }
    result[0] = a;
    result[1] = b;
    result[2] = c;
    result[3] = d;
}

RandomStream random_stream(uint64_t seed, const char *name) {
    uint64_t hash = 0xCBF29CE484222325u;
    for (const char *c = name; *c; c++) hash = (hash ^ (unsigned char)*c) * 0x100000001B3u;
    return (RandomStream){{(uint32_t)seed, (uint32_t)(seed >> 32)}, {(uint32_t)hash, (uint32_t)(hash >> 32)}};
}

RandomStream random_child(const RandomStream *parent, uint64_t number) {
    // Another key than the parent's, or a child's name would be one of the parent's own draws.
    uint32_t key[2] = {parent->key[0] ^ 0x6368696Cu, parent->key[1] ^ 0x64726E21u}, result[4];
    uint32_t counter[4] = {(uint32_t)number, (uint32_t)(number >> 32), parent->stream[0], parent->stream[1]};
    random_philox(counter, key, result);
    return (RandomStream){{parent->key[0], parent->key[1]}, {result[0], result[1]}};
}

// The two 64-bit halves of one block.
static void draw_pair(const RandomStream *stream, uint64_t pair, uint64_t half[2]) {
    uint32_t counter[4] = {(uint32_t)pair, (uint32_t)(pair >> 32), stream->stream[0], stream->stream[1]}, result[4];
    random_philox(counter, stream->key, result);
    half[0] = (uint64_t)result[1] << 32 | result[0];
    half[1] = (uint64_t)result[3] << 32 | result[2];
}

uint64_t random_bits(const RandomStream *stream, uint64_t index) {
    uint64_t half[2];
    draw_pair(stream, index / 2, half);
    return half[index % 2];
}

double random_uniform(const RandomStream *stream, uint64_t index) {
    return (double)(random_bits(stream, index) >> 11) * 0x1p-53;
}

void random_normal_pair(const RandomStream *stream, uint64_t pair, double normal[2]) {
    uint64_t half[2];
    draw_pair(stream, pair, half);
    double length = (double)((half[0] >> 11) + 1) * 0x1p-53; // (0, 1]: the logarithm needs it above 0
    double turn = (double)(half[1] >> 11) * 0x1p-53;
    double radius = sqrt(-2 * elementary_log(length));
    normal[0] = radius * elementary_cos_turns(turn);
    normal[1] = radius * elementary_sin_turns(turn);
}

double random_normal(const RandomStream *stream, uint64_t index) {
    double normal[2];
    random_normal_pair(stream, index / 2, normal);
    return normal[index % 2];
}

uint64_t random_below(const RandomStream *stream, uint64_t index, uint64_t n) {
    uint64_t bits = random_bits(stream, index);
    uint64_t high = bits >> 32, low = bits & 0xFFFFFFFFu, n_high = n >> 32, n_low = n & 0xFFFFFFFFu;
    uint64_t first = high * n_low, second = low * n_high;
    uint64_t carry = ((low * n_low) >> 32) + (first & 0xFFFFFFFFu) + (second & 0xFFFFFFFFu);
    return high * n_high + (first >> 32) + (second >> 32) + (carry >> 32);
}

void random_permutation(const RandomStream *stream, uint64_t epoch, uint32_t n, uint32_t *out) {
    RandomStream order = random_child(stream, epoch);
    for (uint32_t i = 0; i < n; i++) out[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = (uint32_t)random_below(&order, i, i);
        uint32_t swapped = out[i - 1];
        out[i - 1] = out[j];
        out[j] = swapped;
    }
}
