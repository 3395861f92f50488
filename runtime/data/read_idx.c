// IDX, the format of MNIST: two zero bytes, a type, a rank, the sizes as big-endian 32-bit words, then the numbers.
// Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database, "File formats".
#include "readers.h"

static bool idx_format(unsigned char code, NumberFormat *format) {
    static const NumberFormat FORMATS[] = {{'u', 1, true}, {'i', 1, true}, {0, 0, true},  {'i', 2, true},
                                           {'i', 4, true}, {'f', 4, true}, {'f', 8, true}};
    if (code < 8 || code > 14 || !FORMATS[code - 8].bytes) return false;
    *format = FORMATS[code - 8];
    return true;
}

bool is_idx(const unsigned char *bytes, size_t size) {
    NumberFormat format;
    return size >= 4 && !bytes[0] && !bytes[1] && idx_format(bytes[2], &format) && bytes[3] >= 1;
}

bool read_idx(const Source *source, Table *table) {
    const unsigned char *bytes = source->bytes;
    NumberFormat format;
    if (!idx_format(bytes[2], &format)) return read_fails(source, "byte 2: no IDX type has the code %d", bytes[2]);
    int rank = bytes[3];
    if (rank > TABLE_RANK_MAX)
        return read_fails(source, "byte 3: rank %d, but a table has at most %d axes", rank, TABLE_RANK_MAX);
    size_t start = 4 + 4 * (size_t)rank;
    if (source->size < start)
        return read_fails(source, "ends at byte %zu, within the sizes of its %d axes", source->size, rank);
    int64_t shape[TABLE_RANK_MAX], count;
    for (int i = 0; i < rank; i++) shape[i] = (int64_t)number_decode((NumberFormat){'u', 4, true}, bytes + 4 + 4 * i);
    if (!table_count_of(rank, shape, &count)) return read_fails(source, "byte 4: the sizes of its axes are too large");
    if (count > INT64_MAX / format.bytes || (uint64_t)(count * format.bytes) != source->size - start)
        return read_fails(source,
                          "has %zu bytes of numbers from byte %zu on, but its header promises %lld numbers of %d bytes",
                          source->size - start, start, (long long)count, format.bytes);
    *table = table_new(rank, shape);
    for (int64_t i = 0; i < count; i++) table->data[i] = number_decode(format, bytes + start + i * format.bytes);
    return true;
}
