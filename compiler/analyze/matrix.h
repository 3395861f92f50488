// Dense matrices that may be unknown, and their norms.
#ifndef LEQUEL_ANALYZE_MATRIX_H
#define LEQUEL_ANALYZE_MATRIX_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Matrix {
    uint32_t rows, columns;
    double *at;      // row by row; NULL when it is not known
    const char *why; // it is not
} Matrix;

Matrix matrix_new(uint32_t rows, uint32_t columns); // of zeros; unknown when it would be very large
void matrix_forget(Matrix *m, const char *why);     // frees it; the first reason is kept
// y += m x, or y += m^T x.
void matrix_add_product(const Matrix *m, bool transposed, const double *x, double *y);
double matrix_norm(const Matrix *m); // the largest singular value

typedef struct Block { // a matrix and where it stands in a larger one
    Matrix matrix;
    uint32_t row, column;
} Block;

typedef struct Blocks {
    Block *items;
    uint32_t count, rows, columns;
} Blocks;

double blocks_norm(const Blocks *blocks);

#endif
