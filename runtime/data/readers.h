// What the readers of single formats share; private to this folder. Formats know bytes, not files.
#ifndef LEQUEL_READERS_H
#define LEQUEL_READERS_H

#include "table.h"

typedef struct Source {
    const char *name;           // for messages: path, or path:member
    const unsigned char *bytes; // the whole content; only read
    size_t size;
    TableOptions options;
    Text *error;
} Source;

// Each returns false with one sentence in source->error, and then leaves *table empty.
bool read_npy(const Source *source, Table *table);
bool read_npz(const Source *source, const char *member, Table *table); // member NULL: the only one
bool read_csv(const Source *source, Table *table);
bool read_idx(const Source *source, Table *table);

bool is_npy(const unsigned char *bytes, size_t size);
bool is_npz(const unsigned char *bytes, size_t size);
bool is_idx(const unsigned char *bytes, size_t size);

// Appends "NAME: <sentence>" to the error and returns false.
bool read_fails(const Source *source, const char *format, ...) __attribute__((format(printf, 2, 3)));

// A number type in a file: kind 'i', 'u', 'f' or 'b', bytes 1, 2, 4 or 8, most significant byte first or last.
typedef struct NumberFormat {
    char kind;
    int bytes;
    bool big_endian;
} NumberFormat;

double number_decode(NumberFormat format, const unsigned char *bytes);

// zlib's raw deflate (window bits -15) or gzip (31) of `size` bytes into heap memory. `expected` is the size of the
// result, or -1 if unknown. False if the stream is broken or has another length; *result is then NULL.
bool inflate_bytes(const unsigned char *bytes, size_t size, int window_bits, int64_t expected, unsigned char **result,
                   size_t *result_size);

bool name_ends_with(const char *name, const char *ending); // whatever the case

#endif
