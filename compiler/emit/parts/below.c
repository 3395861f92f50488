/* A whole number below n: the upper half of a 128-bit product. */
static uint64_t lequel_below(uint64_t seed, uint64_t stream, uint64_t index, uint64_t n)
{
    uint64_t half[2];
    lequel_draw(seed, stream, index / 2, half);
    const uint64_t bits = half[index % 2], high = bits >> 32, low = bits & UINT64_C(0xFFFFFFFF);
    const uint64_t n_high = n >> 32, n_low = n & UINT64_C(0xFFFFFFFF);
    const uint64_t first = high * n_low, second = low * n_high;
    const uint64_t carry = ((low * n_low) >> 32) + (first & UINT64_C(0xFFFFFFFF)) + (second & UINT64_C(0xFFFFFFFF));
    return high * n_high + (first >> 32) + (second >> 32) + (carry >> 32);
}
