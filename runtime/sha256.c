// SHA-256 by the standard's own steps.
#include "sha256.h"
#include <string.h>

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t turn(uint32_t word, int by) { return word >> by | word << (32 - by); }

static void schedule(const unsigned char block[64], uint32_t word[64]) {
    for (int t = 0; t < 16; t++)
        word[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 | (uint32_t)block[4 * t + 2] << 8 |
                  (uint32_t)block[4 * t + 3];
    for (int t = 16; t < 64; t++) {
        uint32_t low = turn(word[t - 15], 7) ^ turn(word[t - 15], 18) ^ word[t - 15] >> 3;
        uint32_t high = turn(word[t - 2], 17) ^ turn(word[t - 2], 19) ^ word[t - 2] >> 10;
        word[t] = high + word[t - 7] + low + word[t - 16];
    }
}

static void compress(uint32_t state[8], const unsigned char block[64]) {
    uint32_t word[64], v[8];
    schedule(block, word);
    memcpy(v, state, sizeof v);
    for (int t = 0; t < 64; t++) {
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]), majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        uint32_t one = v[7] + (turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25)) + choice + round_constant[t] + word[t];
        uint32_t two = (turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22)) + majority;
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += one;
        v[0] = one + two;
    }
    for (int i = 0; i < 8; i++) state[i] += v[i];
}

void sha256_begin(Sha256 *hash) {
    // The first 32 bits of the fractional parts of the square roots of the first eight primes.
    *hash = (Sha256){
        .state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void sha256_add(Sha256 *hash, const void *bytes, size_t length) {
    const unsigned char *from = bytes;
    while (length) {
        size_t held = hash->length % 64, take = 64 - held < length ? 64 - held : length;
        memcpy(hash->block + held, from, take);
        hash->length += take;
        from += take;
        length -= take;
        if (held + take == 64) compress(hash->state, hash->block);
    }
}

void sha256_end(Sha256 *hash, char text[65]) {
    static const unsigned char padding[64] = {0x80};
    unsigned char bits[8];
    for (int i = 0; i < 8; i++) bits[i] = (unsigned char)(8 * hash->length >> (56 - 8 * i));
    sha256_add(hash, padding, (hash->length % 64 < 56 ? 56 : 120) - hash->length % 64);
    sha256_add(hash, bits, sizeof bits);
    for (int i = 0; i < 64; i++) text[i] = "0123456789abcdef"[hash->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    text[64] = 0;
}
