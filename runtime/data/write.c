// Writers of .npy and CSV that never leave a file half written.
#define _POSIX_C_SOURCE 200809L
#include "../../compiler/support/arena.h"
#include "../files.h"
#include "table.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// --- .npy ----------------------------------------------------------------------------------------------------------

static char byte_order(void) {
    const uint16_t probe = 1;
    unsigned char first;
    memcpy(&first, &probe, 1);
    return first ? '<' : '>';
}

// Version 1: mark, version, length of the rest, dictionary, padding to a multiple of 64 and at least `room` bytes.
static void npy_header(Text *header, NumberType type, int rank, const int64_t *shape, size_t room) {
    Text dictionary = {0};
    text_addf(&dictionary, "{'descr': '%c%s', 'fortran_order': False, 'shape': (", byte_order(),
              type == NUMBER_FLOAT ? "f4" : "f8");
    for (int i = 0; i < rank; i++) text_addf(&dictionary, i ? ", %lld" : "%lld", (long long)shape[i]);
    text_add(&dictionary, rank == 1 ? ",), }" : "), }");
    size_t total = 10 + dictionary.length + 1;
    if (total < room) total = room;
    total = (total + 63) / 64 * 64;
    size_t length = total - 10;
    const char mark[10] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, (char)(length & 255), (char)(length >> 8)};
    text_add_bytes(header, mark, sizeof mark);
    text_add_bytes(header, dictionary.bytes, dictionary.length);
    while (header->length + 1 < total) text_add_bytes(header, " ", 1);
    text_add_bytes(header, "\n", 1);
    text_free(&dictionary);
}

static bool shape_fits(const char *path, int rank, const int64_t *shape, int64_t *count, Text *error) {
    if (table_count_of(rank, shape, count)) return true;
    text_addf(error, "%s: cannot be written: its shape is out of range", path);
    return false;
}

bool table_save_npy(const char *path, NumberType type, const void *data, int rank, const int64_t *shape, Text *error) {
    StagedFile out;
    int64_t count;
    if (!shape_fits(path, rank, shape, &count, error) || !staged_open(&out, path, error)) return false;
    Text header = {0};
    npy_header(&header, type, rank, shape, 0);
    size_t size = type == NUMBER_FLOAT ? sizeof(float) : sizeof(double);
    bool fine =
        staged_write(&out, header.bytes, header.length, error) && staged_write(&out, data, (size_t)count * size, error);
    text_free(&header);
    if (fine) return staged_close(&out, error);
    staged_abandon(&out);
    return false;
}

struct NpyWriter {
    StagedFile out;
    int rank;
    int64_t shape[TABLE_RANK_MAX], row_size; // shape[0] counts the rows written
    size_t header_size;
};

// Writes the header with the present number of rows over the one at the start of the file.
static bool update_header(NpyWriter *writer, Text *error) {
    Text header = {0};
    npy_header(&header, NUMBER_DOUBLE, writer->rank, writer->shape, writer->header_size);
    bool fine = staged_write_at(&writer->out, 0, header.bytes, header.length, error);
    text_free(&header);
    return fine;
}

// A writer without a file yet; false when the shape is out of range.
static bool prepare(NpyWriter *writer, const char *path, int row_rank, const int64_t *row_shape, Text *error) {
    *writer = (NpyWriter){.out = {.file = -1}, .rank = row_rank + 1};
    if (row_rank < 0 || row_rank >= TABLE_RANK_MAX) row_rank = 0, writer->rank = -1; // refused below
    for (int i = 0; i < row_rank; i++) writer->shape[i + 1] = row_shape[i];
    int64_t count;
    if (!shape_fits(path, writer->rank, writer->shape, &count, error)) return false;
    table_count_of(row_rank, row_shape, &writer->row_size);
    Text widest = {0}; // the header must hold any number of rows without moving the data
    writer->shape[0] = INT64_MAX;
    npy_header(&widest, NUMBER_DOUBLE, writer->rank, writer->shape, 0);
    writer->shape[0] = 0;
    writer->header_size = widest.length;
    text_free(&widest);
    return true;
}

static NpyWriter *keep_writer(const NpyWriter *writer) {
    NpyWriter *result = memory_resize(NULL, 1, sizeof *result);
    *result = *writer;
    return result;
}

static NpyWriter *open_writer(const char *path, int row_rank, const int64_t *row_shape,
                              bool (*open)(StagedFile *, const char *, Text *), Text *error) {
    NpyWriter writer;
    if (!prepare(&writer, path, row_rank, row_shape, error) || !open(&writer.out, path, error)) return NULL;
    Text header = {0};
    npy_header(&header, NUMBER_DOUBLE, writer.rank, writer.shape, writer.header_size);
    bool fine = staged_write(&writer.out, header.bytes, header.length, error);
    text_free(&header);
    if (fine) return keep_writer(&writer);
    staged_abandon(&writer.out);
    return NULL;
}

NpyWriter *npy_writer_open(const char *path, int row_rank, const int64_t *row_shape, Text *error) {
    return open_writer(path, row_rank, row_shape, staged_open, error);
}

NpyWriter *npy_writer_open_known(const char *path, int row_rank, const int64_t *row_shape, Text *error) {
    return open_writer(path, row_rank, row_shape, staged_open_known, error);
}

// The header first: were the rest cut off before it, a kill between the two would leave a file that cannot be read.
NpyWriter *npy_writer_continue(const char *path, int row_rank, const int64_t *row_shape, int64_t rows, Text *error) {
    NpyWriter writer;
    if (!prepare(&writer, path, row_rank, row_shape, error)) return NULL;
    writer.shape[0] = rows;
    int64_t count;
    if (!shape_fits(path, writer.rank, writer.shape, &count, error)) return NULL;
    int64_t size = (int64_t)writer.header_size + rows * writer.row_size * (int64_t)sizeof(double);
    if (!staged_continue(&writer.out, path, size, error)) return NULL;
    if (update_header(&writer, error) && staged_cut(&writer.out, error)) return keep_writer(&writer);
    staged_abandon(&writer.out);
    return NULL;
}

int64_t npy_writer_rows(const NpyWriter *writer) { return writer->shape[0]; }

bool npy_writer_append(NpyWriter *writer, const double *rows, int64_t row_count, Text *error) {
    if (!staged_write(&writer->out, rows, (size_t)(row_count * writer->row_size) * sizeof *rows, error)) return false;
    writer->shape[0] += row_count;
    return true;
}

bool npy_writer_flush(NpyWriter *writer, Text *error) { return update_header(writer, error); }

bool npy_writer_sync(NpyWriter *writer, Text *error) {
    if (!staged_flush(&writer->out, error) || !update_header(writer, error) || !staged_sync(&writer->out, error))
        return false;
    return writer->out.keep = true;
}

bool npy_writer_close(NpyWriter *writer, Text *error) {
    if (!writer) return true;
    bool fine = update_header(writer, error);
    if (fine)
        fine = staged_close(&writer->out, error);
    else
        staged_abandon(&writer->out);
    free(writer);
    return fine;
}

void npy_writer_abandon(NpyWriter *writer) {
    if (!writer) return;
    staged_abandon(&writer->out);
    free(writer);
}

// --- CSV -----------------------------------------------------------------------------------------------------------

struct CsvWriter {
    StagedFile out;
    int64_t columns;
};

// Quotes what would not read back as the same plain name.
static void add_name(Text *line, const char *name) {
    char start = name[0];
    bool plain = (start >= 'a' && start <= 'z') || (start >= 'A' && start <= 'Z') || start == '_';
    plain = plain && !strpbrk(name, "\"#,;\t ") && strcasecmp(name, "nan") != 0 && strcasecmp(name, "na") != 0 &&
            strcasecmp(name, "inf") != 0 && strcasecmp(name, "infinity") != 0;
    if (!plain) text_add(line, "\"");
    for (const char *c = name; *c; c++) text_add_bytes(line, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
    if (!plain) text_add(line, "\"");
}

static bool write_names(CsvWriter *writer, const char *const *names, Text *error) {
    Text line = {0};
    bool fine = true;
    for (int64_t i = 0; i < writer->columns && fine; i++) {
        if (i) text_add(&line, ",");
        add_name(&line, names[i]);
        fine = !strpbrk(names[i], "\r\n");
    }
    text_add(&line, "\n");
    if (fine)
        fine = staged_write(&writer->out, line.bytes, line.length, error);
    else
        text_addf(error, "%s: cannot be written: the name of a column has a line break", writer->out.path);
    text_free(&line);
    return fine;
}

CsvWriter *csv_writer_open(const char *path, int64_t columns, const char *const *names, Text *error) {
    CsvWriter writer = {.columns = columns};
    if (columns < 1) {
        text_addf(error, "%s: cannot be written: a CSV file needs a column at least", path);
        return NULL;
    }
    if (!staged_open(&writer.out, path, error)) return NULL;
    if (names && !write_names(&writer, names, error)) {
        staged_abandon(&writer.out);
        return NULL;
    }
    CsvWriter *result = memory_resize(NULL, 1, sizeof *result);
    *result = writer;
    return result;
}

bool csv_writer_append(CsvWriter *writer, const double *rows, int64_t row_count, Text *error) {
    Text line = {0};
    bool fine = true;
    for (int64_t row = 0; row < row_count && fine; row++) {
        line.length = 0;
        for (int64_t i = 0; i < writer->columns; i++) {
            if (i) text_add(&line, ",");
            text_add_number(&line, rows[row * writer->columns + i]);
        }
        text_add(&line, "\n");
        fine = staged_write(&writer->out, line.bytes, line.length, error);
    }
    text_free(&line);
    return fine;
}

bool csv_writer_flush(CsvWriter *writer, Text *error) { return staged_flush(&writer->out, error); }

bool csv_writer_close(CsvWriter *writer, Text *error) {
    if (!writer) return true;
    bool fine = staged_close(&writer->out, error);
    free(writer);
    return fine;
}

void csv_writer_abandon(CsvWriter *writer) {
    if (!writer) return;
    staged_abandon(&writer->out);
    free(writer);
}

bool table_save_csv(const char *path, const double *data, int64_t rows, int64_t columns, const char *const *names,
                    Text *error) {
    CsvWriter *writer = csv_writer_open(path, columns, names, error);
    if (!writer) return false;
    if (csv_writer_append(writer, data, rows, error)) return csv_writer_close(writer, error);
    csv_writer_abandon(writer);
    return false;
}
