static double lequel_uniform(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint64_t half[2];
    lequel_draw(seed, stream, index / 2, half);
    return (double)(half[index % 2] >> 11) * 1.1102230246251565e-16; /* 2^-53 */
}
