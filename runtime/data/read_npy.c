// NumPy's array files: a mark, a version, a Python dictionary of type, order and shape, then the numbers.
// Source: NumPy Enhancement Proposal 1, "A Simple File Format for NumPy Arrays".
#include "readers.h"
#include <string.h>

enum { MAGIC_SIZE = 6 };

bool is_npy(const unsigned char *bytes, size_t size) {
    return size >= MAGIC_SIZE && memcmp(bytes, "\x93NUMPY", MAGIC_SIZE) == 0;
}

// Reading position in the header's dictionary.
typedef struct Header {
    const Source *source;
    size_t at, end;
    NumberFormat format;
    bool fortran_order;
    int rank;
    int64_t shape[TABLE_RANK_MAX];
} Header;

static bool expected(const Header *header, const char *what) {
    return read_fails(header->source, "byte %zu: expected %s in the header", header->at, what);
}

static int peek(Header *header) { // the next character that is no space; 0 at the end
    const unsigned char *bytes = header->source->bytes;
    while (header->at < header->end &&
           (bytes[header->at] == ' ' || (bytes[header->at] >= 9 && bytes[header->at] <= 13)))
        header->at++;
    return header->at < header->end ? bytes[header->at] : 0;
}

static bool accept(Header *header, int wanted) {
    if (peek(header) != wanted || header->at >= header->end) return false;
    header->at++;
    return true;
}

// 'text' or "text" without escapes; false when there is none. The text is cut to `room` - 1 characters.
static bool quoted(Header *header, char *text, size_t room) {
    int quote = peek(header);
    if (quote != '\'' && quote != '"') return false;
    size_t length = 0;
    for (size_t i = header->at + 1; i < header->end; i++) {
        int c = header->source->bytes[i];
        if (c == quote) {
            header->at = i + 1;
            text[length] = 0;
            return true;
        }
        if (length + 1 < room) text[length++] = (char)c;
    }
    return false;
}

static bool word(Header *header, const char *text) {
    peek(header);
    size_t length = strlen(text);
    if (header->end - header->at < length || memcmp(header->source->bytes + header->at, text, length) != 0)
        return false;
    header->at += length;
    return true;
}

static bool host_is_big_endian(void) {
    const uint16_t probe = 1;
    unsigned char first;
    memcpy(&first, &probe, 1);
    return !first;
}

static bool read_type(Header *header) {
    size_t start = header->at;
    char text[16];
    if (!quoted(header, text, sizeof text))
        return peek(header) == '['
                   ? read_fails(header->source, "byte %zu: holds records; only arrays of plain numbers can be read",
                                start)
                   : expected(header, "a quoted type");
    const char *rest = strchr("<>=|", text[0]) && text[0] ? text + 1 : text;
    int bytes = rest[0] && rest[1] >= '1' && rest[1] <= '8' && !rest[2] ? rest[1] - '0' : 0;
    bool power = bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
    bool fits = rest[0] == 'i' || rest[0] == 'u' || (rest[0] == 'f' && bytes >= 2) ||
                ((rest[0] == 'b' || rest[0] == '?') && bytes == 1);
    if (!power || !fits)
        return read_fails(header->source,
                          "byte %zu: cannot read numbers of the type `%s`; expected f2 f4 f8, i1 to i8, u1 to u8 or b1",
                          start, text);
    bool big = text[0] == '>' || (text[0] != '<' && host_is_big_endian());
    header->format = (NumberFormat){rest[0], bytes, big};
    return true;
}

static bool read_order(Header *header) {
    header->fortran_order = word(header, "True");
    return header->fortran_order || word(header, "False") || expected(header, "True or False");
}

static bool read_size(Header *header, int64_t *size) {
    int digit = peek(header);
    if (digit < '0' || digit > '9') return expected(header, "the size of an axis");
    const unsigned char *bytes = header->source->bytes;
    for (*size = 0; header->at < header->end && bytes[header->at] >= '0' && bytes[header->at] <= '9'; header->at++) {
        if (*size > (INT64_MAX - 9) / 10)
            return read_fails(header->source, "byte %zu: the size of an axis is too large", header->at);
        *size = 10 * *size + (bytes[header->at] - '0');
    }
    if (header->at < header->end && bytes[header->at] == 'L') header->at++; // long integers of Python 2
    return true;
}

static bool read_shape(Header *header) {
    if (!accept(header, '(')) return expected(header, "a shape in parentheses");
    while (!accept(header, ')')) {
        if (header->rank == TABLE_RANK_MAX)
            return read_fails(header->source, "byte %zu: a table has at most %d axes", header->at, TABLE_RANK_MAX);
        if (!read_size(header, &header->shape[header->rank])) return false;
        header->rank++;
        if (!accept(header, ',') && peek(header) != ')') return expected(header, "`,` or `)`");
    }
    return true;
}

static bool read_dictionary(Header *header) {
    static const char *const KEYS[] = {"descr", "fortran_order", "shape"};
    bool (*const readers[])(Header *) = {read_type, read_order, read_shape};
    bool seen[3] = {false};
    if (!accept(header, '{')) return expected(header, "`{`");
    while (!accept(header, '}')) {
        char key[16];
        size_t start = header->at;
        int which = 0;
        if (!quoted(header, key, sizeof key)) return expected(header, "a quoted key");
        while (which < 3 && strcmp(key, KEYS[which]) != 0) which++;
        if (which == 3 || seen[which])
            return read_fails(header->source,
                              "byte %zu: expected each of the keys descr, fortran_order, shape once in the header",
                              start);
        seen[which] = true;
        if (!accept(header, ':')) return expected(header, "`:`");
        peek(header);
        if (!readers[which](header)) return false;
        if (!accept(header, ',') && peek(header) != '}') return expected(header, "`,` or `}`");
    }
    if (!seen[0] || !seen[1] || !seen[2])
        return read_fails(header->source, "byte %zu: expected the keys descr, fortran_order and shape in the header",
                          header->at);
    return peek(header) ? expected(header, "nothing after `}`") : true;
}

// Copies numbers stored with the first index fastest into C order, counting the indices up like an odometer.
static void decode_fortran(const Header *header, const unsigned char *bytes, int64_t count, Table *table) {
    int64_t strides[TABLE_RANK_MAX] = {0}, index[TABLE_RANK_MAX] = {0}, from = 0, stride = 1;
    for (int i = 0; i < header->rank; i++) {
        strides[i] = stride;
        stride *= header->shape[i];
    }
    for (int64_t to = 0; to < count; to++) {
        table->data[to] = number_decode(header->format, bytes + from * header->format.bytes);
        for (int i = header->rank - 1; i >= 0; i--) {
            from += strides[i];
            if (++index[i] < header->shape[i]) break;
            from -= index[i] * strides[i];
            index[i] = 0;
        }
    }
}

static bool read_numbers(const Header *header, Table *table) {
    const Source *source = header->source;
    int64_t count, size = header->format.bytes;
    if (!table_count_of(header->rank, header->shape, &count))
        return read_fails(source, "its header gives a shape that is too large");
    size_t bytes = source->size - header->end;
    bool growing =
        name_ends_with(source->name, ".part"); // rows behind those that the header counts are still on their way
    if (count > INT64_MAX / size || (growing ? (uint64_t)(count * size) > bytes : (uint64_t)(count * size) != bytes))
        return read_fails(source,
                          "has %zu bytes of numbers from byte %zu on, but its header promises %lld numbers of %d bytes",
                          bytes, header->end, (long long)count, (int)size);
    *table = table_new(header->rank, header->shape);
    const unsigned char *start = source->bytes + header->end;
    if (header->fortran_order && header->rank > 1) {
        decode_fortran(header, start, count, table);
    } else {
        for (int64_t i = 0; i < count; i++) table->data[i] = number_decode(header->format, start + i * size);
    }
    return true;
}

bool read_npy(const Source *source, Table *table) {
    if (!is_npy(source->bytes, source->size))
        return read_fails(source, "byte 0: expected the mark \\x93NUMPY that a .npy file starts with");
    int version = source->size > MAGIC_SIZE ? source->bytes[MAGIC_SIZE] : 0;
    bool minor = source->size > MAGIC_SIZE + 1 && source->bytes[MAGIC_SIZE + 1] != 0; // there never was one
    if (version < 1 || version > 3 || minor)
        return read_fails(source, "byte %d: expected version 1, 2 or 3 of the .npy format", (int)MAGIC_SIZE);
    int width = version == 1 ? 2 : 4; // bytes of the header's length
    size_t start = MAGIC_SIZE + 2 + (size_t)width;
    if (source->size < start) return read_fails(source, "ends at byte %zu, before its header", source->size);
    size_t length = (size_t)number_decode((NumberFormat){'u', width, false}, source->bytes + MAGIC_SIZE + 2);
    if (length > source->size - start)
        return read_fails(source, "ends at byte %zu, within a header that should reach to byte %zu", source->size,
                          start + length);
    Header header = {.source = source, .at = start, .end = start + length};
    return read_dictionary(&header) && read_numbers(&header, table);
}
