// SHA-256, the fingerprint of files in manifests and checkpoints.
#ifndef LEQUEL_SHA256_H
#define LEQUEL_SHA256_H

#include <stddef.h>
#include <stdint.h>

// Source: FIPS 180-4, Secure Hash Standard, sections 5.1.1, 5.3.3 and 6.2.
typedef struct Sha256 {
    uint32_t state[8];
    uint64_t length; // bytes so far
    unsigned char block[64];
} Sha256;

void sha256_begin(Sha256 *hash);
void sha256_add(Sha256 *hash, const void *bytes, size_t length);
void sha256_end(Sha256 *hash, char text[65]); // as 64 hexadecimal digits

#endif
