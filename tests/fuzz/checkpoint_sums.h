// Makes the checksums of a checkpoint right, whatever stands in it.
#ifndef LEQUEL_CHECKPOINT_SUMS_H
#define LEQUEL_CHECKPOINT_SUMS_H

#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

static inline uint64_t word(const unsigned char *from, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value |= (uint64_t)from[i] << 8 * i;
    return value;
}

static inline void put_sum(unsigned char *to, const unsigned char *from, size_t length) {
    uint32_t sum = (uint32_t)crc32_z(crc32_z(0, NULL, 0), from, length);
    for (int i = 0; i < 8; i++) to[i] = (unsigned char)(i < 4 ? sum >> 8 * i : 0);
}

// Walks the sections as docs/checkpoints.md describes them.
static inline void mend_sums(unsigned char *bytes, size_t size) {
    static const int widths[] = {0, 1, 8, 4, 8};
    size_t at = 16;
    while (at + 24 <= size) {
        uint64_t type = word(bytes + at, 4), name = word(bytes + at + 4, 4), count = word(bytes + at + 8, 8);
        if (type == 0 || type > 4 || name > 255 || count > size) break;
        size_t length = 16 + (size_t)((name + 7) / 8 * 8 + (count * (uint64_t)widths[type] + 7) / 8 * 8);
        if (length + 8 > size - at) break;
        put_sum(bytes + at + length, bytes + at, length);
        at += length + 8;
    }
    if (size >= 24) put_sum(bytes + size - 8, bytes, size - 8);
}

#endif
