// golden-compare FOLDER FILE…: compares the recordings of a run with golden trajectories, value by value.
//
// A FILE is a table with a column `step`; every other column names what it is to be compared with (README.md):
//   h1.u.0.2                 element [0, 2] of the recording h1.u, in that step
//   previous(out.r).0.2      the same in the step before; 0 in step 0
//   h1.error@w1.W.0.2        sum over i of h1.error[0, i] * w1.W[i, 2], with the weight before the step
//   -w2.error_down.0.2       any of these with the other sign
// Every value of every column is compared; a column for which there is no recording is an error.
// Prints the largest deviation of each quantity, |ours - golden| / max(1, |golden|), and for one above the tolerance
// also where it is exceeded first. Exit status 1 when any is.
#include "runtime/data/table.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double tolerance = 1e-12;

typedef struct Recording {
    char *name;
    Table table; // [rows, shape…]
} Recording;

typedef struct Column {
    const Recording *values, *weights; // weights: of a product, else NULL
    bool negative, previous;
    int64_t index[TABLE_RANK_MAX];
    size_t quantity; // among those of the file
} Column;

typedef struct Quantity { // columns that differ in their indices only
    char *name;
    int64_t values, beyond;
    double largest;                   // deviation
    int64_t first_step, first_column; // beyond the tolerance
    double first_ours, first_golden;
} Quantity;

enum { RECORDINGS_MAX = 256 };

typedef struct Comparison {
    const char *folder;
    Recording recordings[RECORDINGS_MAX];
    size_t recording_count;
} Comparison;

static _Noreturn __attribute__((format(printf, 1, 2))) void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("golden-compare: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\n", stderr);
    va_end(arguments);
    exit(1);
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) fail("not enough memory");
    return memory;
}

static char *copy(const char *begin, size_t length) {
    char *string = allocate(length + 1, 1);
    memcpy(string, begin, length);
    return string;
}

static bool is_name(const char *name, const char *begin, size_t length) {
    return strlen(name) == length && memcmp(name, begin, length) == 0;
}

static Table load(const char *path) {
    Table table;
    Text error = {0};
    if (!table_load(path, &table, &error)) fail("%s", text_z(&error));
    text_free(&error);
    return table;
}

// ---- Recordings ------------------------------------------------------------------------------------------------

static const Recording *recording(Comparison *c, const char *begin, size_t length) {
    for (size_t i = 0; i < c->recording_count; i++)
        if (is_name(c->recordings[i].name, begin, length)) return &c->recordings[i];
    if (c->recording_count == RECORDINGS_MAX) fail("too many recordings");
    Recording *made = &c->recordings[c->recording_count++];
    made->name = copy(begin, length);
    Text path = {0};
    text_addf(&path, "%s/%s.npy", c->folder, made->name);
    made->table = load(text_z(&path));
    text_free(&path);
    return made;
}

// Records must have been made after every step, since some columns ask for the step before.
static int64_t every_step(Comparison *c) {
    const Table *steps = &recording(c, "steps", strlen("steps"))->table;
    for (int64_t i = 0; i < steps->shape[0]; i++)
        if (steps->data[i] != (double)i) fail("%s/steps.npy: not a record of every step", c->folder);
    return steps->shape[0];
}

static double element(const Table *table, int64_t row, const int64_t *index) {
    int64_t place = row;
    for (int k = 1; k < table->rank; k++) place = place * table->shape[k] + index[k - 1];
    return table->data[place];
}

// ---- Columns ---------------------------------------------------------------------------------------------------

static bool starts_with(const char **text, const char *start) {
    if (strncmp(*text, start, strlen(start)) != 0) return false;
    *text += strlen(start);
    return true;
}

// Where the indices of a column name begin: h1.u|.0.2
static size_t name_length(const char *name) {
    size_t length = strlen(name), digits = length;
    for (;;) {
        while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9') digits--;
        if (digits == length || digits == 0 || name[digits - 1] != '.') return length;
        length = --digits;
    }
}

static int read_indices(const char *text, int64_t *index) {
    int count = 0;
    while (*text == '.' && count < TABLE_RANK_MAX) {
        char *end;
        index[count++] = strtoll(text + 1, &end, 10);
        text = end;
    }
    return count;
}

static void check_shape(const Table *table, const int64_t *index, int count, const char *name) {
    bool fits = table->rank == count + 1;
    for (int k = 0; k < count && fits; k++) fits = index[k] >= 0 && index[k] < table->shape[k + 1];
    if (!fits) fail("the column `%s` lies outside its recording", name);
}

static Column read_column(Comparison *c, const char *name) {
    Column column = {0};
    const char *text = name;
    column.negative = starts_with(&text, "-");
    column.previous = starts_with(&text, "previous(");
    size_t length = name_length(text);
    int count = read_indices(text + length, column.index);
    if (column.previous && (!length || text[--length] != ')')) fail("the column `%s` has no `)`", name);
    const char *at = memchr(text, '@', length);
    if (!at) {
        column.values = recording(c, text, length);
        check_shape(&column.values->table, column.index, count, name);
        return column;
    }
    column.values = recording(c, text, (size_t)(at - text));
    column.weights = recording(c, at + 1, length - (size_t)(at + 1 - text));
    const Table *values = &column.values->table, *weights = &column.weights->table;
    bool fits = !column.previous && count == 2 && values->rank == 3 && weights->rank == 3 &&
                values->shape[2] == weights->shape[1] && column.index[0] < values->shape[1] &&
                column.index[1] < weights->shape[2];
    if (!fits) fail("the column `%s` lies outside its recordings", name);
    return column;
}

// The weights before step 0 are not among the records; they do not matter where that step has no error.
static double product(const Column *column, int64_t step, const char *name) {
    const Table *values = &column->values->table, *weights = &column->weights->table;
    double sum = 0;
    for (int64_t i = 0; i < values->shape[2]; i++) {
        double error = element(values, step, (int64_t[]){column->index[0], i});
        if (step == 0 && error != 0) fail("`%s`: an error in step 0, whose weights are not recorded", name);
        if (step > 0) sum += error * element(weights, step - 1, (int64_t[]){i, column->index[1]});
    }
    return sum;
}

static double ours(const Column *column, int64_t step, const char *name) {
    int64_t row = column->previous ? step - 1 : step;
    double value = 0; // everything is silent before step 0
    if (column->weights)
        value = product(column, step, name);
    else if (row >= 0)
        value = element(&column->values->table, row, column->index);
    return column->negative ? -value : value;
}

// ---- One file --------------------------------------------------------------------------------------------------

static size_t quantity_of(Quantity *quantities, size_t *count, const char *name) {
    size_t length = name_length(name);
    for (size_t i = 0; i < *count; i++)
        if (is_name(quantities[i].name, name, length)) return i;
    quantities[*count] = (Quantity){.name = copy(name, length)};
    return (*count)++;
}

static void compare_value(Quantity *quantity, double a, double b, int64_t step, int64_t column) {
    double deviation = fabs(a - b) / fmax(1, fabs(b));
    quantity->values++;
    if (isnan(deviation)) deviation = INFINITY;
    if (deviation > quantity->largest) quantity->largest = deviation;
    if (deviation <= tolerance) return;
    if (quantity->beyond++) return;
    quantity->first_step = step;
    quantity->first_column = column;
    quantity->first_ours = a;
    quantity->first_golden = b;
}

static bool report(const Quantity *quantities, size_t count, const Table *golden) {
    const Quantity *first = NULL;
    for (size_t i = 0; i < count; i++) {
        const Quantity *q = &quantities[i];
        printf("  %-28s %8lld values, largest deviation %.2e%s\n", q->name, (long long)q->values, q->largest,
               q->beyond ? "  BEYOND TOLERANCE" : "");
        if (q->beyond && (!first || q->first_step < first->first_step)) first = q;
    }
    for (size_t i = 0; i < count && first; i++) {
        const Quantity *q = &quantities[i];
        if (q->beyond && q->first_step == first->first_step)
            printf("  first in step %lld: %s is %.17g, expected %.17g\n", (long long)q->first_step,
                   golden->columns[q->first_column], q->first_ours, q->first_golden);
    }
    return !first;
}

static bool compare_file(Comparison *c, const char *path) {
    Table golden = load(path);
    bool fits = golden.rank == 2 && golden.columns && golden.shape[1] >= 2 && golden.shape[0] >= 1;
    if (!fits || strcmp(golden.columns[0], "step") != 0) fail("`%s` is no table whose first column is `step`", path);
    int64_t rows = golden.shape[0], width = golden.shape[1], steps = every_step(c), compared = 0;
    Column *columns = allocate((size_t)width, sizeof *columns);
    Quantity *quantities = allocate((size_t)width, sizeof *quantities);
    size_t quantity_count = 0;
    for (int64_t k = 1; k < width; k++) {
        columns[k] = read_column(c, golden.columns[k]);
        const Recording *weights = columns[k].weights;
        if (weights && weights->table.shape[0] != steps) fail("`%s` has not one record a step", weights->name);
        columns[k].quantity = quantity_of(quantities, &quantity_count, golden.columns[k]);
        if (columns[k].values->table.shape[0] != steps) fail("`%s` has not one record a step", columns[k].values->name);
    }
    for (int64_t row = 0; row < rows; row++) {
        const double *values = golden.data + row * width;
        int64_t step = (int64_t)values[0];
        if (step < 0 || step >= steps || (double)step != values[0]) fail("`%s` has a step that was not run", path);
        for (int64_t k = 1; k < width; k++, compared++)
            compare_value(&quantities[columns[k].quantity], ours(&columns[k], step, golden.columns[k]), values[k], step,
                          k);
    }
    bool fine = report(quantities, quantity_count, &golden);
    printf("  %s: %lld values in %lld columns compared, %s\n", path, (long long)compared, (long long)(width - 1),
           fine ? "all equal within 1e-12" : "NOT EQUAL");
    for (size_t i = 0; i < quantity_count; i++) free(quantities[i].name);
    free(quantities);
    free(columns);
    table_free(&golden);
    return fine;
}

int main(int count, char **arguments) {
    if (count < 3) {
        fprintf(stderr, "usage: golden-compare FOLDER FILE…\n");
        return 2;
    }
    Comparison *c = allocate(1, sizeof *c);
    c->folder = arguments[1];
    bool fine = true;
    for (int i = 2; i < count; i++) fine &= compare_file(c, arguments[i]);
    for (size_t i = 0; i < c->recording_count; i++) {
        free(c->recordings[i].name);
        table_free(&c->recordings[i].table);
    }
    free(c);
    return fine ? 0 : 1;
}
