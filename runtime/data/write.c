// Writers of .npy and CSV that never leave a file half written: temporary file, sync, rename.
#define _POSIX_C_SOURCE 200809L
#include "../../compiler/support/arena.h"
#include "table.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

// --- a file that appears at once -----------------------------------------------------------------------------------

typedef struct AtomicFile {
    FILE *file;
    char *path, *temporary;
    bool failed;
} AtomicFile;

static bool write_fails(const char *path, const char *what, int reason, Text *error) {
    text_addf(error, "%s: %s: %s", path, what, strerror(reason));
    return false;
}

// Exclusive creation with the umask's permissions, which mkstemp would not give.
static int create_beside(const char *path, Text *name) {
    int file = -1;
    for (int attempt = 0; attempt < 100 && file < 0; attempt++) {
        text_free(name);
        text_addf(name, "%s.%ld-%d.part", path, (long)getpid(), attempt);
        file = open(text_z(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file < 0 && errno != EEXIST) break;
    }
    return file;
}

static bool atomic_open(AtomicFile *out, const char *path, Text *error) {
    *out = (AtomicFile){0};
    struct stat status;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        text_addf(error, "%s: exists and is no regular file, so it cannot be replaced", path);
        return false;
    }
    Text name = {0};
    int file = create_beside(path, &name);
    if (file < 0 || !(out->file = fdopen(file, "w+b"))) {
        write_fails(path, "cannot be written", errno, error);
        if (file >= 0) close(file);
        text_free(&name);
        return false;
    }
    out->temporary = name.bytes;
    size_t length = strlen(path) + 1;
    out->path = memcpy(memory_resize(NULL, length, 1), path, length);
    return true;
}

static bool atomic_write(AtomicFile *out, const void *bytes, size_t size, Text *error) {
    if (out->failed) return write_fails(out->path, "cannot be written", EIO, error);
    if (fwrite(bytes, 1, size, out->file) == size) return true;
    out->failed = true;
    return write_fails(out->path, "cannot be written", errno, error);
}

static bool atomic_flush(AtomicFile *out, Text *error) {
    if (out->failed) return write_fails(out->path, "cannot be written", EIO, error);
    if (fflush(out->file) == 0) return true;
    out->failed = true;
    return write_fails(out->path, "cannot be written", errno, error);
}

static void atomic_forget(AtomicFile *out) {
    if (out->file) fclose(out->file);
    free(out->path);
    free(out->temporary);
    *out = (AtomicFile){0};
}

static void atomic_abandon(AtomicFile *out) {
    unlink(out->temporary);
    atomic_forget(out);
}

// The rename itself must reach the disk too. Some file systems cannot sync a folder: nothing to be done about it.
static void sync_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 1;
    char *folder = memory_resize(NULL, length + 1, 1);
    memcpy(folder, slash ? path : ".", length);
    folder[length] = 0;
    int file = open(folder, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        (void)fsync(file);
        close(file);
    }
    free(folder);
}

static bool atomic_close(AtomicFile *out, Text *error) {
    bool fine = atomic_flush(out, error);
    if (fine && fsync(fileno(out->file)) != 0 && errno != EINVAL)
        fine = write_fails(out->path, "cannot be synced", errno, error);
    int closed = fclose(out->file), reason = errno;
    out->file = NULL;
    if (fine && closed != 0) fine = write_fails(out->path, "cannot be closed", reason, error);
    if (fine && rename(out->temporary, out->path) != 0)
        fine = write_fails(out->path, "cannot be replaced", errno, error);
    if (fine)
        sync_folder(out->path);
    else
        unlink(out->temporary);
    atomic_forget(out);
    return fine;
}

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
    AtomicFile out;
    int64_t count;
    if (!shape_fits(path, rank, shape, &count, error) || !atomic_open(&out, path, error)) return false;
    Text header = {0};
    npy_header(&header, type, rank, shape, 0);
    size_t size = type == NUMBER_FLOAT ? sizeof(float) : sizeof(double);
    bool fine =
        atomic_write(&out, header.bytes, header.length, error) && atomic_write(&out, data, (size_t)count * size, error);
    text_free(&header);
    if (fine) return atomic_close(&out, error);
    atomic_abandon(&out);
    return false;
}

struct NpyWriter {
    AtomicFile out;
    int rank;
    int64_t shape[TABLE_RANK_MAX], row_size; // shape[0] counts the rows written
    size_t header_size;
};

static bool npy_seek(NpyWriter *writer, int whence, Text *error) {
    if (writer->out.failed || fseeko(writer->out.file, 0, whence) == 0) return true; // the next write reports a failure
    writer->out.failed = true;
    return write_fails(writer->out.path, "cannot be written", errno, error);
}

// Writes the header with the present number of rows at the start of the file and returns to the end.
static bool update_header(NpyWriter *writer, Text *error) {
    Text header = {0};
    npy_header(&header, NUMBER_DOUBLE, writer->rank, writer->shape, writer->header_size);
    bool fine = npy_seek(writer, SEEK_SET, error) && atomic_write(&writer->out, header.bytes, header.length, error) &&
                npy_seek(writer, SEEK_END, error) && atomic_flush(&writer->out, error);
    text_free(&header);
    return fine;
}

NpyWriter *npy_writer_open(const char *path, int row_rank, const int64_t *row_shape, Text *error) {
    NpyWriter writer = {.rank = row_rank + 1};
    if (row_rank < 0 || row_rank >= TABLE_RANK_MAX) row_rank = 0, writer.rank = -1; // refused below
    for (int i = 0; i < row_rank; i++) writer.shape[i + 1] = row_shape[i];
    int64_t count;
    if (!shape_fits(path, writer.rank, writer.shape, &count, error)) return NULL;
    table_count_of(row_rank, row_shape, &writer.row_size);
    if (!atomic_open(&writer.out, path, error)) return NULL;
    Text widest = {0}; // the header must hold any number of rows without moving the data
    writer.shape[0] = INT64_MAX;
    npy_header(&widest, NUMBER_DOUBLE, writer.rank, writer.shape, 0);
    writer.shape[0] = 0;
    writer.header_size = widest.length;
    text_free(&widest);
    if (!update_header(&writer, error)) {
        atomic_abandon(&writer.out);
        return NULL;
    }
    NpyWriter *result = memory_resize(NULL, 1, sizeof *result);
    *result = writer;
    return result;
}

bool npy_writer_append(NpyWriter *writer, const double *rows, int64_t row_count, Text *error) {
    if (!atomic_write(&writer->out, rows, (size_t)(row_count * writer->row_size) * sizeof *rows, error)) return false;
    writer->shape[0] += row_count;
    return true;
}

bool npy_writer_flush(NpyWriter *writer, Text *error) { return update_header(writer, error); }

bool npy_writer_close(NpyWriter *writer, Text *error) {
    if (!writer) return true;
    bool fine = update_header(writer, error);
    if (fine)
        fine = atomic_close(&writer->out, error);
    else
        atomic_abandon(&writer->out);
    free(writer);
    return fine;
}

void npy_writer_abandon(NpyWriter *writer) {
    if (!writer) return;
    atomic_abandon(&writer->out);
    free(writer);
}

// --- CSV -----------------------------------------------------------------------------------------------------------

struct CsvWriter {
    AtomicFile out;
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
        fine = atomic_write(&writer->out, line.bytes, line.length, error);
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
    if (!atomic_open(&writer.out, path, error)) return NULL;
    if (names && !write_names(&writer, names, error)) {
        atomic_abandon(&writer.out);
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
        fine = atomic_write(&writer->out, line.bytes, line.length, error);
    }
    text_free(&line);
    return fine;
}

bool csv_writer_flush(CsvWriter *writer, Text *error) { return atomic_flush(&writer->out, error); }

bool csv_writer_close(CsvWriter *writer, Text *error) {
    if (!writer) return true;
    bool fine = atomic_close(&writer->out, error);
    free(writer);
    return fine;
}

void csv_writer_abandon(CsvWriter *writer) {
    if (!writer) return;
    atomic_abandon(&writer->out);
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
