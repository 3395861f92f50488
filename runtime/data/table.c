// Tables in memory, and the choice of the reader for a file.
#define _POSIX_C_SOURCE 200809L
#define ZLIB_CONST
#include "table.h"
#include "../../compiler/support/arena.h"
#include "readers.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <zlib.h>

// --- tables --------------------------------------------------------------------------------------------------------

bool table_count_of(int rank, const int64_t *shape, int64_t *count) {
    if (rank < 0 || rank > TABLE_RANK_MAX) return false;
    int64_t product = 1, limit = INT64_MAX / (int64_t)sizeof(double);
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0) return false;
        if (shape[i] == 0) {
            empty = true;
            continue; // the other sizes still must not overflow: strides are made of them
        }
        if (product > limit / shape[i]) return false;
        product *= shape[i];
    }
    *count = empty ? 0 : product;
    return true;
}

Table table_new(int rank, const int64_t *shape) {
    Table table = {.rank = rank};
    int64_t count = 0;
    if (!table_count_of(rank, shape, &count)) abort(); // callers check what comes from outside
    for (int i = 0; i < rank; i++) table.shape[i] = shape[i];
    table.data = memory_resize(NULL, (size_t)count, sizeof *table.data);
    for (int64_t i = 0; i < count; i++) table.data[i] = 0;
    return table;
}

void table_free(Table *table) {
    free(table->data);
    if (table->columns)
        for (int64_t i = 0; i < table->shape[1]; i++) free(table->columns[i]);
    free(table->columns);
    *table = (Table){0};
}

int64_t table_count(const Table *table) {
    int64_t count = 0;
    return table->data && table_count_of(table->rank, table->shape, &count) ? count : 0;
}

int table_column(const Table *table, const char *name) {
    if (!table->columns) return -1;
    for (int64_t i = 0; i < table->shape[1]; i++)
        if (strcmp(table->columns[i], name) == 0) return (int)i;
    return -1;
}

// --- what readers share --------------------------------------------------------------------------------------------

bool read_fails(const Source *source, const char *format, ...) {
    char sentence[512];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    text_addf(source->error, "%s: %s", source->name, sentence);
    return false;
}

static double half_to_double(unsigned bits) { // IEEE 754 binary16
    int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
    double value = exponent == 31 ? (fraction ? NAN : HUGE_VAL)
                   : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                  : ldexp(fraction, -24);
    return bits >> 15 ? -value : value;
}

static double signed_value(uint64_t bits, int bytes) {
    if (bytes == 8) return (double)(int64_t)bits;
    int64_t sign = (int64_t)1 << (8 * bytes - 1);
    return (double)(((int64_t)bits ^ sign) - sign);
}

double number_decode(NumberFormat format, const unsigned char *bytes) {
    uint64_t bits = 0;
    for (int i = 0; i < format.bytes; i++) bits = bits << 8 | bytes[format.big_endian ? i : format.bytes - 1 - i];
    if (format.kind == 'b') return bits != 0;
    if (format.kind == 'u') return (double)bits;
    if (format.kind == 'i') return signed_value(bits, format.bytes);
    if (format.bytes == 2) return half_to_double((unsigned)bits);
    if (format.bytes == 4) {
        uint32_t word = (uint32_t)bits;
        float value;
        memcpy(&value, &word, sizeof value);
        return (double)value;
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Deflate cannot shrink data by more than this factor, so no claim beyond it is worth memory.
enum { DEFLATE_RATIO = 1032 };

// Feeds the stream in pieces because zlib counts in unsigned int; grows the result if its size is unknown.
static bool inflate_all(z_stream *stream, const unsigned char *bytes, size_t size, size_t *room, bool grow,
                        unsigned char **result, size_t *used) {
    const size_t piece = 1u << 30;
    size_t given = 0;
    for (int status = Z_OK; status != Z_STREAM_END;) {
        if (*used == *room && grow) *result = memory_resize(*result, *room *= 2, 1);
        size_t in = size - given < piece ? size - given : piece, out = *room - *used < piece ? *room - *used : piece;
        unsigned char spare; // lets the end of the stream be seen once the result is full
        stream->next_in = bytes + given;
        stream->avail_in = (uInt)in;
        stream->next_out = out ? *result + *used : &spare;
        stream->avail_out = out ? (uInt)out : 1;
        status = inflate(stream, Z_NO_FLUSH);
        size_t eaten = in - stream->avail_in, made = (out ? out : 1) - stream->avail_out;
        if (status != Z_OK && status != Z_STREAM_END) return false;
        if ((!out && made) || (!eaten && !made && status == Z_OK)) return false; // too long, or cut short
        given += eaten;
        *used += made;
    }
    return true;
}

bool inflate_bytes(const unsigned char *bytes, size_t size, int window_bits, int64_t expected, unsigned char **result,
                   size_t *result_size) {
    *result = NULL;
    *result_size = 0;
    if (expected >= 0 && (uint64_t)expected / DEFLATE_RATIO > size) return false;
    z_stream stream = {0};
    if (inflateInit2(&stream, window_bits) != Z_OK) return false;
    size_t room = expected >= 0 ? (size_t)expected : 4 * size + 64;
    *result = memory_resize(NULL, room, 1);
    bool fine = inflate_all(&stream, bytes, size, &room, expected < 0, result, result_size);
    inflateEnd(&stream);
    if (fine && (expected < 0 || *result_size == (size_t)expected)) return true;
    free(*result);
    *result = NULL;
    return false;
}

// --- the choice of the reader --------------------------------------------------------------------------------------

bool name_ends_with(const char *name, const char *ending) {
    size_t length = strlen(name), tail = strlen(ending);
    return length >= tail && strcasecmp(name + length - tail, ending) == 0;
}

static bool is_gzip(const unsigned char *bytes, size_t size) {
    return size >= 3 && bytes[0] == 0x1F && bytes[1] == 0x8B && bytes[2] == 8;
}

static bool looks_like_text(const unsigned char *bytes, size_t size) {
    for (size_t i = 0; i < size && i < 4096; i++)
        if (bytes[i] < 32 && bytes[i] != '\t' && bytes[i] != '\n' && bytes[i] != '\r') return false;
    return true;
}

static bool read_plain(const Source *source, const char *member, Table *table) {
    const unsigned char *bytes = source->bytes;
    size_t size = source->size;
    if (is_npz(bytes, size)) return read_npz(source, member, table);
    if (member) return read_fails(source, "has no members, so `:%s` names nothing; only .npz files have them", member);
    if (is_npy(bytes, size)) return read_npy(source, table);
    if (is_idx(bytes, size)) return read_idx(source, table);
    if (!size) return read_fails(source, "is empty; expected a .npy, .npz, .csv or IDX file");
    if (name_ends_with(source->name, ".npy"))
        return read_fails(source, "byte 0: expected the mark \\x93NUMPY that a .npy file starts with");
    if (name_ends_with(source->name, ".npz"))
        return read_fails(source, "byte 0: expected the mark PK that a .npz file starts with");
    if (name_ends_with(source->name, "ubyte") || name_ends_with(source->name, ".idx"))
        return read_fails(source, "byte 0: expected two zero bytes, a type and a rank, as an IDX file starts");
    if (looks_like_text(bytes, size)) return read_csv(source, table);
    return read_fails(source, "byte 0: expected the start of a .npy, .npz, .csv or IDX file");
}

bool table_parse(const char *name, const char *member, const void *bytes, size_t size, TableOptions options,
                 Table *table, Text *error) {
    *table = (Table){0};
    Source source = {name, bytes, size, options, error};
    if (!is_gzip(bytes, size)) return read_plain(&source, member, table);
    unsigned char *plain;
    if (!inflate_bytes(source.bytes, size, 31, -1, &plain, &source.size))
        return read_fails(&source, "is a damaged gzip file");
    size_t length = strlen(name);
    char *inner = memory_resize(NULL, length + 1, 1); // data.csv.gz holds data.csv
    memcpy(inner, name, length + 1);
    if (name_ends_with(inner, ".gz")) inner[length - 3] = 0;
    source.name = inner;
    source.bytes = plain;
    bool fine = read_plain(&source, member, table);
    free(inner);
    free(plain);
    return fine;
}

// --- files ---------------------------------------------------------------------------------------------------------

// Reads to the end, whatever the size was said to be: pipes have none and files may grow meanwhile.
static bool read_all(FILE *file, unsigned char **bytes, size_t *size) {
    struct stat status;
    bool known = fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0;
    size_t room = known ? (size_t)status.st_size + 1 : 1 << 16;
    *size = 0;
    *bytes = memory_resize(NULL, room, 1);
    for (size_t got; (got = fread(*bytes + *size, 1, room - *size, file)) > 0;) {
        *size += got;
        if (*size == room) *bytes = memory_resize(*bytes, room *= 2, 1);
    }
    return !ferror(file);
}

// `file.npz:name`, unless a file of just that name exists. Returns the length of the path; *member is NULL without one.
static size_t split_member(const char *path, const char **member) {
    const char *colon = strrchr(path, ':');
    struct stat status;
    *member = NULL;
    if (!colon || colon - path < 4 || strncasecmp(colon - 4, ".npz", 4) != 0 || stat(path, &status) == 0)
        return strlen(path);
    *member = colon + 1;
    return (size_t)(colon - path);
}

static bool load_file(const char *path, const char *member, TableOptions options, Table *table, Text *error) {
    Source source = {.name = path, .error = error};
    struct stat status;
    FILE *file = fopen(path, "rb");
    if (!file) return read_fails(&source, "cannot be opened: %s", strerror(errno));
    if (fstat(fileno(file), &status) != 0) status = (struct stat){0};
    if (S_ISDIR(status.st_mode)) {
        fclose(file);
        return read_fails(&source, "is a folder; expected a .npy, .npz, .csv or IDX file");
    }
    if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) { // it might never end
        fclose(file);
        return read_fails(&source, "is a device; expected a .npy, .npz, .csv or IDX file");
    }
    unsigned char *bytes;
    size_t size;
    bool fine = read_all(file, &bytes, &size);
    int reason = errno;
    fclose(file);
    fine = fine ? table_parse(path, member, bytes, size, options, table, error)
                : read_fails(&source, "cannot be read: %s", strerror(reason));
    free(bytes);
    return fine;
}

bool table_load_with(const char *path, TableOptions options, Table *table, Text *error) {
    *table = (Table){0};
    const char *member;
    size_t length = split_member(path, &member);
    char *file = memory_resize(NULL, length + 1, 1);
    memcpy(file, path, length);
    file[length] = 0;
    bool fine = load_file(file, member, options, table, error);
    free(file);
    return fine;
}

bool table_finite(const Table *table, const char *path, Text *error) {
    int64_t count = table_count(table), width = table->rank > 1 && table->shape[0] ? count / table->shape[0] : 1, i = 0;
    while (i < count && isfinite(table->data[i])) i++;
    if (i == count) return true;
    const char *what = isnan(table->data[i]) ? "NaN" : table->data[i] > 0 ? "infinity" : "-infinity";
    text_addf(error, "%s: row %lld, column %lld (counted from 0) is %s", path, (long long)(i / width),
              (long long)(i % width), what);
    return false;
}

bool table_load(const char *path, Table *table, Text *error) {
    return table_load_with(path, (TableOptions){0}, table, error);
}
