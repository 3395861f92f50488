/* Box and Muller in integers: the logarithm, the root and the wave have 28 bits behind the point. */
static void lequel_noises(uint64_t seed, uint64_t stream, uint64_t pair, int32_t normal[2])
{
    uint64_t half[2];
    lequel_draw(seed, stream, pair, half);
    const int64_t length = (int64_t)(half[0] >> 11) + 1; /* of 2^53: uniform in (0, 1] */
    const int64_t log = lequel_logarithm(length) - 25 * (int64_t)186065279;
    const int64_t radius = log < 0 ? (int64_t)lequel_root((uint64_t)(-2 * log) << 28) : 0;
    const uint32_t turn = (uint32_t)(half[1] >> 32);
    normal[0] = lequel_outer_value(lequel_times(radius, lequel_inner_wave(turn + UINT32_C(0x40000000)))); /* a cosine */
    normal[1] = lequel_outer_value(lequel_times(radius, lequel_inner_wave(turn)));
}
