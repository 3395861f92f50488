/* ---- Random numbers: Philox4x32-10, counted, one stream per array; the same as `lequel run` draws. -------------- */

static void lequel_draw(uint64_t seed, uint64_t stream, uint64_t pair, uint64_t half[2])
{
    uint32_t a = (uint32_t)pair, b = (uint32_t)(pair >> 32), c = (uint32_t)stream, d = (uint32_t)(stream >> 32);
    uint32_t k = (uint32_t)seed, l = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        const uint64_t p = UINT64_C(0xD2511F53) * a, q = UINT64_C(0xCD9E8D57) * c;
        a = (uint32_t)(q >> 32) ^ b ^ k;
        b = (uint32_t)q;
        c = (uint32_t)(p >> 32) ^ d ^ l;
        d = (uint32_t)p;
        k += UINT32_C(0x9E3779B9);
        l += UINT32_C(0xBB67AE85);
    }
    half[0] = (uint64_t)b << 32 | a;
    half[1] = (uint64_t)d << 32 | c;
}
