/* A matrix times a vector: out[i] = sum over k of a[i*row + k] * x[k], four rows at a time. */
LEQUEL_UNUSED static void lequel_matrix$f($R *out, const $R *a, int row, const $R *x, int rows, int depth)
{
    const int whole = depth / lequel_lanes$f * lequel_lanes$f;
    int i = 0;
    for (; i + 4 <= rows; i += 4, a += 4 * row) {
        lequel_v$f s0 = lequel_splat$f(0), s1 = s0, s2 = s0, s3 = s0;
        for (int k = 0; k < whole; k += lequel_lanes$f) {
            const lequel_v$f v = lequel_load$f(x + k);
            s0 += lequel_load$f(a + k) * v;
            s1 += lequel_load$f(a + row + k) * v;
            s2 += lequel_load$f(a + 2 * row + k) * v;
            s3 += lequel_load$f(a + 3 * row + k) * v;
        }
        $R t0 = lequel_total$f(s0), t1 = lequel_total$f(s1), t2 = lequel_total$f(s2), t3 = lequel_total$f(s3);
        for (int k = whole; k < depth; k++) {
            t0 += a[k] * x[k];
            t1 += a[row + k] * x[k];
            t2 += a[2 * row + k] * x[k];
            t3 += a[3 * row + k] * x[k];
        }
        out[i] = t0;
        out[i + 1] = t1;
        out[i + 2] = t2;
        out[i + 3] = t3;
    }
    for (; i < rows; i++, a += row) {
        lequel_v$f sum = lequel_splat$f(0);
        for (int k = 0; k < whole; k += lequel_lanes$f) sum += lequel_load$f(a + k) * lequel_load$f(x + k);
        out[i] = lequel_total$f(sum);
        for (int k = whole; k < depth; k++) out[i] += a[k] * x[k];
    }
}

/* A transposed matrix times a vector: out[i] = sum over k of a[k*row + i] * x[k], four terms at a time. */
LEQUEL_UNUSED static void lequel_transposed$f($R *__restrict out, const $R *__restrict a, int row,
                                              const $R *__restrict x, int rows, int depth)
{
    for (int i = 0; i < rows; i++) out[i] = 0;
    int k = 0;
    for (; k + 4 <= depth; k += 4, a += 4 * row) {
        const $R x0 = x[k], x1 = x[k + 1], x2 = x[k + 2], x3 = x[k + 3];
        for (int i = 0; i < rows; i++)
            out[i] += (a[i] * x0 + a[row + i] * x1) + (a[2 * row + i] * x2 + a[3 * row + i] * x3);
    }
    for (; k < depth; k++, a += row) {
        const $R x0 = x[k];
        for (int i = 0; i < rows; i++) out[i] += a[i] * x0;
    }
}

/* The outer product of two vectors: out[i*row + j] = left[i] * right[j]. */
LEQUEL_UNUSED static void lequel_outer$f($R *__restrict out, int row, const $R *__restrict left,
                                         const $R *__restrict right, int rows, int columns)
{
    for (int i = 0; i < rows; i++, out += row) {
        const $R factor = left[i];
        for (int j = 0; j < columns; j++) out[j] = factor * right[j];
    }
}
