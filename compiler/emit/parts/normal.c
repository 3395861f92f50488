/* log(x) for 0 < x <= 1 that is no subnormal number. */
static double lequel_draw_log(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52) - 1022;
    bits = (bits & UINT64_C(0xFFFFFFFFFFFFF)) | UINT64_C(0x3FE0000000000000);
    double f;
    memcpy(&f, &bits, sizeof f); /* x = f * 2^exponent, 1/2 <= f < 1 */
    if (f < 0.7071067811865476) {
        f *= 2;
        exponent--;
    }
    const double s = (f - 1) / (f + 1), z = s * s; /* log f = 2 atanh s */
    double series = 0;
    for (int k = 10; k >= 1; k--) series = lequel_rounded(series * z) + 1.0 / (2 * k + 1);
    const double tail = 2 * s * z * series;
    return lequel_rounded(exponent * 0.6931471803691238) +
           (lequel_rounded(2 * s) + (lequel_rounded(tail) + lequel_rounded(exponent * 1.9082149292705877e-10)));
}

/* sin(r + quadrant * pi/2) for |r| <= pi/4. */
static double lequel_draw_sine(double r, int quadrant)
{
    static const double sine[] = {-1.0 / 6,
                                  1.0 / 120,
                                  -1.0 / 5040,
                                  1.0 / 362880,
                                  -1.0 / 39916800,
                                  1.0 / 6227020800.0,
                                  -1.0 / 1307674368000.0,
                                  1.0 / 355687428096000.0};
    static const double cosine[] = {-1.0 / 2,       1.0 / 24,        -1.0 / 720,           1.0 / 40320,
                                    -1.0 / 3628800, 1.0 / 479001600, -1.0 / 87178291200.0, 1.0 / 20922789888000.0};
    const double z = r * r;
    double series = 0;
    for (int k = 7; k >= 0; k--) series = lequel_rounded(series * z) + (quadrant % 2 ? cosine[k] : sine[k]);
    const double value = quadrant % 2 ? 1 + lequel_rounded(z * series) : r + lequel_rounded(r * z * series);
    return quadrant % 4 >= 2 ? -value : value;
}

/* Box and Muller: a pair of normal numbers from a pair of uniform ones. */
static void lequel_normals(uint64_t seed, uint64_t stream, uint64_t pair, double normal[2])
{
    uint64_t half[2];
    lequel_draw(seed, stream, pair, half);
    const double length = (double)((half[0] >> 11) + 1) * 1.1102230246251565e-16; /* (0, 1] */
    const double turn = (double)(half[1] >> 11) * 1.1102230246251565e-16;
    const double radius = lequel_sqrt(-2 * lequel_draw_log(length));
    const int quadrant = (int)(lequel_rounded(4 * turn) + 0.5);
    const double r = (lequel_rounded(4 * turn) - quadrant) * 1.5707963267948966;
    normal[0] = radius * lequel_draw_sine(r, quadrant + 1);
    normal[1] = radius * lequel_draw_sine(r, quadrant);
}
