// Arrays of numbers from files and into files: NumPy's .npy and .npz, CSV, IDX (the format of MNIST).
#ifndef LEQUEL_TABLE_H
#define LEQUEL_TABLE_H

#include "../../compiler/support/text.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TABLE_RANK_MAX = 8 };

// An array of doubles in C order (last index fastest). Whatever number type a file holds becomes double: exactly, but
// for 64-bit integers beyond 2^53, which are rounded. Rank 0 is one number. The table owns data and column names.
typedef struct Table {
    double *data;                  // product of shape[0 .. rank-1] numbers; never NULL in a loaded table
    int rank;                      // 0 .. TABLE_RANK_MAX
    int64_t shape[TABLE_RANK_MAX]; // each >= 0; the product (zeros left out) times 8 fits int64_t
    char **columns;                // names of the shape[1] columns of a CSV file with a header line; NULL otherwise
} Table;

// A zeroed table of that shape. The shape must be one that table_count_of accepts.
Table table_new(int rank, const int64_t *shape);
void table_free(Table *table);           // leaves an empty table; a zeroed Table and a second call are allowed
int64_t table_count(const Table *table); // numbers in the table
int table_column(const Table *table, const char *name); // place of a named column; -1 when there is none
// The product of a shape; false when the rank or a size is out of range or the product does not fit (see Table.shape).
bool table_count_of(int rank, const int64_t *shape, int64_t *count);

// --- reading -------------------------------------------------------------------------------------------------------
// All readers return true and a table that the caller frees, or false, an empty table and in `error` (appended) one
// sentence: the file, the place in it (line and column, or byte), what was found and what was expected. They never
// allocate more than the bytes of the file can justify.

typedef struct TableOptions {
    bool allow_nonfinite; // CSV: nan, inf and empty fields (read as NaN) are values and not errors
    bool allow_ragged;    // CSV: rows may differ in length; short ones are filled with NaN
} TableOptions;

// Reads a file. What it is follows from its first bytes, then from its name:
//   .npy    versions 1 to 3, f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1, both byte orders, both array orders, rank <= 8
//   .npz    `file.npz:name` takes the member `name`; a file of a single member needs no name
//   .csv    comma, semicolon or tab; `#` starts a comment; an optional first line of names (a line none of whose fields
//           is a number, or whose fields are all quoted); rank 2
//   IDX     all six number types
// and each of them also compressed by gzip. Files larger than memory are out of scope.
bool table_load(const char *path, Table *table, Text *error);
bool table_load_with(const char *path, TableOptions options, Table *table, Text *error);
// False when a number is NaN or infinite, with a sentence in `error` that names the first one's row and column: the
// place along the first axis, and within it.
bool table_finite(const Table *table, const char *path, Text *error);
// table_load_with for bytes in memory; `name` stands for the path in messages and in the choice by extension. member
// may be NULL. The bytes are only read.
bool table_parse(const char *name, const char *member, const void *bytes, size_t size, TableOptions options,
                 Table *table, Text *error);

// --- writing -------------------------------------------------------------------------------------------------------
// All writers write to a temporary file beside `path` (`path.PID-N.part`), sync it and rename it, so `path` is either
// as before or complete. On failure they return false or NULL, append one sentence to `error` and remove the temporary.
// An existing `path` must be a regular file.

typedef enum { NUMBER_FLOAT, NUMBER_DOUBLE } NumberType;

// `data` points to numbers of `type` in C order; the file keeps that type (f4 or f8).
bool table_save_npy(const char *path, NumberType type, const void *data, int rank, const int64_t *shape, Text *error);
// A line of names (unless NULL), then one line a row: the shortest decimals that read back to the same double.
// Names may not contain line breaks.
bool table_save_csv(const char *path, const double *data, int64_t rows, int64_t columns, const char *const *names,
                    Text *error);

// Row by row, for recordings: shape [rows, row_shape...] of f8. The number of rows in the header is brought up to date
// by flush and close. After a failed append or flush the writer only waits to be closed, which then fails as well.
typedef struct NpyWriter NpyWriter;
NpyWriter *npy_writer_open(const char *path, int row_rank, const int64_t *row_shape, Text *error); // row_rank <= 7
// For files that a run can go on with after it was killed: the temporary is `path.part`, whatever the process.
NpyWriter *npy_writer_open_known(const char *path, int row_rank, const int64_t *row_shape, Text *error);
// Goes on after `rows` rows of path.part or, without one, of `path` itself; what follows them is cut off.
NpyWriter *npy_writer_continue(const char *path, int row_rank, const int64_t *row_shape, int64_t rows, Text *error);
int64_t npy_writer_rows(const NpyWriter *writer);
bool npy_writer_append(NpyWriter *writer, const double *rows, int64_t row_count, Text *error); // rows are copied
bool npy_writer_flush(NpyWriter *writer, Text *error); // the temporary file is then a valid .npy of all rows so far
// The same, on the disk; from now on the temporary stays where it is, whatever happens.
bool npy_writer_sync(NpyWriter *writer, Text *error);
bool npy_writer_close(NpyWriter *writer, Text *error); // frees the writer, puts the file in place; NULL is allowed
void npy_writer_abandon(NpyWriter *writer);            // frees the writer and removes what was written; NULL is allowed

// The same as CSV. `names` may be NULL.
typedef struct CsvWriter CsvWriter;
CsvWriter *csv_writer_open(const char *path, int64_t columns, const char *const *names, Text *error); // columns >= 1
bool csv_writer_append(CsvWriter *writer, const double *rows, int64_t row_count, Text *error);
bool csv_writer_flush(CsvWriter *writer, Text *error);
bool csv_writer_close(CsvWriter *writer, Text *error);
void csv_writer_abandon(CsvWriter *writer);

#endif
