static void put(unsigned char *bytes, uint64_t value, int width)
{
    for (int i = 0; i < width; i++) bytes[i] = (unsigned char)(value >> 8 * i & 255);
}

static uint64_t get(const unsigned char *bytes, int width)
{
    uint64_t value = 0;
    for (int i = 0; i < width; i++) value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

static size_t place_of(size_t part, int32_t element) /* in bytes, in the struct */
{
    const int32_t row = element / saved[part].columns, column = element % saved[part].columns;
    return saved[part].place + (size_t)(row * saved[part].stride + column) * (size_t)saved[part].width;
}

static const uint64_t magic = UINT64_C(0x31304C455551454C); /* LEQUEL01 */

size_t @p@_save(const @T@ *m, unsigned char *bytes)
{
    put(bytes, magic, 8);
    put(bytes + 8, fingerprint, 8);
    put(bytes + 16, (uint64_t)m->steps, 8);
    unsigned char *to = bytes + 24;
    for (size_t s = 0; s < sizeof saved / sizeof *saved; s++) {
        for (int32_t i = 0; i < saved[s].rows * saved[s].columns; i++, to += saved[s].width) {
            const unsigned char *from = (const unsigned char *)m + place_of(s, i);
            uint64_t wide = 0;
            uint32_t narrow = 0;
            if (saved[s].width == 8)
                memcpy(&wide, from, 8);
            else
                memcpy(&narrow, from, 4);
            put(to, saved[s].width == 8 ? wide : narrow, saved[s].width);
        }
    }
    return (size_t)(to - bytes);
}

int @p@_load(@T@ *m, const unsigned char *bytes, size_t length)
{
    if (length != @P@_STATE_BYTES || get(bytes, 8) != magic || get(bytes + 8, 8) != fingerprint) return -1;
    memset(m, 0, sizeof *m);
    m->steps = (int64_t)get(bytes + 16, 8);
    const unsigned char *from = bytes + 24;
    for (size_t s = 0; s < sizeof saved / sizeof *saved; s++) {
        for (int32_t i = 0; i < saved[s].rows * saved[s].columns; i++, from += saved[s].width) {
            unsigned char *to = (unsigned char *)m + place_of(s, i);
            const uint64_t wide = get(from, saved[s].width);
            const uint32_t narrow = (uint32_t)(wide & UINT32_MAX);
            if (saved[s].width == 8)
                memcpy(to, &wide, 8);
            else
                memcpy(to, &narrow, 4);
        }
    }
    return 0;
}
