// Dense matrices and the power method.
#include "matrix.h"
#include "../support/arena.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_MATRIX = 1 << 24 }; // elements

Matrix matrix_new(uint32_t rows, uint32_t columns) {
    Matrix m = {.rows = rows, .columns = columns};
    if ((uint64_t)rows * columns > LARGEST_MATRIX) {
        m.why = "there are too many weights";
        return m;
    }
    m.at = memory_resize(NULL, (size_t)rows * columns, sizeof *m.at);
    memset(m.at, 0, (size_t)rows * columns * sizeof *m.at);
    return m;
}

void matrix_forget(Matrix *m, const char *why) {
    free(m->at);
    m->at = NULL;
    if (!m->why) m->why = why;
}

static double start_value(uint32_t i) { return 1 + 0.3 * sin(1.7 * i + 0.5); }

static double normalise(double *x, uint32_t count) {
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) sum += x[i] * x[i];
    double length = sqrt(sum);
    for (uint32_t i = 0; i < count && length > 0; i++) x[i] /= length;
    return length;
}

void matrix_add_product(const Matrix *m, bool transposed, const double *x, double *y) {
    for (uint32_t i = 0; i < m->rows; i++)
        for (uint32_t j = 0; j < m->columns; j++) {
            double value = m->at[(size_t)i * m->columns + j];
            if (transposed)
                y[j] += value * x[i];
            else
                y[i] += value * x[j];
        }
}

// The largest singular value, by the power method on the transposed times the matrix.
double blocks_norm(const Blocks *blocks) {
    double *x = memory_resize(NULL, blocks->columns + blocks->rows, sizeof *x), *y = x + blocks->columns, norm = 0;
    for (uint32_t i = 0; i < blocks->columns; i++) x[i] = start_value(i);
    normalise(x, blocks->columns);
    for (int round = 0; round < 1000; round++) {
        double before = norm;
        memset(y, 0, blocks->rows * sizeof *y);
        for (uint32_t b = 0; b < blocks->count; b++)
            matrix_add_product(&blocks->items[b].matrix, false, x + blocks->items[b].column, y + blocks->items[b].row);
        memset(x, 0, blocks->columns * sizeof *x);
        for (uint32_t b = 0; b < blocks->count; b++)
            matrix_add_product(&blocks->items[b].matrix, true, y + blocks->items[b].row, x + blocks->items[b].column);
        norm = sqrt(normalise(x, blocks->columns));
        if (fabs(norm - before) <= 1e-9 * norm) break;
    }
    free(x);
    return norm;
}

double matrix_norm(const Matrix *m) {
    Block block = {*m, 0, 0};
    return blocks_norm(&(Blocks){&block, 1, m->rows, m->columns});
}
