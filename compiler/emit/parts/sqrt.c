#if !LEQUEL_LIBM
/* The square root, correctly rounded, for processors without: one bit of the result a round. */
static double lequel_sqrt_exact(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (!(x > 0) || bits >= UINT64_C(0x7FF0000000000000))
        return x == 0 ? x : x > 0 ? x : x != x ? x : (x - x) / (x - x);
    int exponent = (int)(bits >> 52) - 1023;
    uint64_t mantissa = bits & UINT64_C(0xFFFFFFFFFFFFF);
    if (exponent == -1023) { /* subnormal */
        exponent = -1022;
        while (!(mantissa >> 52)) {
            mantissa <<= 1;
            exponent--;
        }
    } else {
        mantissa |= UINT64_C(1) << 52;
    }
    if (exponent % 2) { /* an odd exponent gives a factor 2 to the mantissa */
        mantissa <<= 1;
        exponent--;
    }
    uint64_t root = 0, rest = 0;
    for (int i = 0; i < 54; i++) { /* two bits of the mantissa (54 bits, then zeros) make one of the root */
        rest = rest << 2 | (mantissa >> 52 & 3);
        mantissa = mantissa << 2 & UINT64_C(0x3FFFFFFFFFFFFF);
        const uint64_t next = root << 2 | 1;
        root <<= 1;
        if (rest >= next) {
            rest -= next;
            root |= 1;
        }
    }
    root = (root >> 1) + (root & 1); /* 54 bits to 53; the last one says which way, since no root is a tie */
    bits = ((uint64_t)(exponent / 2 + 1022) << 52) + root;
    memcpy(&x, &bits, sizeof x);
    return x;
}
#endif
