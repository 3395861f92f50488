LEQUEL_INLINE int lequel_least$f(int a, int b) { return a < b ? a : b; }

/* A line of a cache holds one row of a transposed matrix for several tiles. Each of them asks for its share of the lines
 * that come next, which the processor does not foresee, as they are far apart. */
LEQUEL_INLINE void lequel_fetch$f(const $R *a, int a_step, int row, int tile, int depth)
{
    const int line = 64 / (int)sizeof($R), shares = line > tile ? line / tile : 1, count = depth / shares;
    a += line + row / tile % shares * count * a_step;
    for (int k = 0; k < count; k++) __builtin_prefetch(a + k * a_step);
}

/* out[i][c] = sum over k of a[i*a_row + k*a_step] * x[k][c], for a strip of columns `vectors` wide: tiles of rows stay
 * in registers. More rows than there are spill into the padding. */
LEQUEL_INLINE void lequel_strip$f($R *out, int out_row, const $R *start, int start_row, const $R *a, int a_row,
                                  int a_step, int fetches, const $R *x, int x_row, int rows, int depth, int vectors)
{
    int i = 0;
#if LEQUEL_WIDE
    for (; vectors == 2 && i < rows; i += 8) {
        if (fetches) lequel_fetch$f(a + i * a_row, a_step, i, 8, depth);
        lequel_tile8x2$f(out + i * out_row, out_row, start + i * start_row, start_row, a + i * a_row, a_row, a_step, x,
                         x_row, depth);
    }
#else
    for (; vectors == 3 && i < rows; i += 4) {
        if (fetches) lequel_fetch$f(a + i * a_row, a_step, i, 4, depth);
        lequel_tile4x3$f(out + i * out_row, out_row, start + i * start_row, start_row, a + i * a_row, a_row, a_step, x,
                         x_row, depth);
    }
    for (; vectors == 2 && i < rows; i += 4) {
        if (fetches) lequel_fetch$f(a + i * a_row, a_step, i, 4, depth);
        lequel_tile4x2$f(out + i * out_row, out_row, start + i * start_row, start_row, a + i * a_row, a_row, a_step, x,
                         x_row, depth);
    }
#endif
    for (; i < rows; i += 8)
        lequel_tile8x1$f(out + i * out_row, out_row, start + i * start_row, start_row, a + i * a_row, a_row, a_step, x,
                         x_row, depth);
}

/* As wide as possible, but 2 + 2 instead of 3 + 1. */
LEQUEL_INLINE int lequel_strip_width$f(int left)
{
#if LEQUEL_WIDE
    return lequel_least$f(left, 2);
#else
    return left == 4 ? 2 : lequel_least$f(left, 3);
#endif
}

static const $R lequel_zeros$f[LEQUEL_STRIP] = {0};

/* A matrix times a batch of vectors: out[i][b] = sum over k of a[i*a_row + k*a_step] * x[k][b]. A block of the matrix
 * serves all strips while it is in a cache. A transposed one is walked down its columns, each row in a page of its
 * own, of which a processor knows few at once. */
LEQUEL_UNUSED static void lequel_product$f($R *out, const $R *a, int a_row, int a_step, const $R *x, int row, int rows,
                                           int depth, int batch)
{
    const int vectors = (batch + lequel_lanes$f - 1) / lequel_lanes$f, straight = a_step == 1;
    const int fetches = !straight && (int64_t)rows * depth >= 1 << 14; /* hardly in a cache */
    const int height = straight ? 128 : 256, length = straight ? LEQUEL_DEPTH : 64; /* of a block */
    for (int i = 0; i < rows; i += height)
        for (int k = 0; k == 0 || k < depth; k += length)
            for (int done = 0, width; done < vectors; done += width) {
                const int column = done * lequel_lanes$f;
                $R *to = out + i * row + column;
                width = lequel_strip_width$f(vectors - done);
                lequel_strip$f(to, row, k ? to : lequel_zeros$f, k ? row : 0, a + i * a_row + k * a_step, a_row, a_step,
                               fetches, x + k * row + column, row, lequel_least$f(rows - i, height),
                               lequel_least$f(depth - k, length), width);
            }
}

/* The batch's outer products: out[i][j] = sum over the samples b of left[i][b] * right[j][b]. Samples are turned to
 * rows first, LEQUEL_SAMPLES at a time. */
LEQUEL_UNUSED static void lequel_outer$f($R *out, int out_row, const $R *left, const $R *right, int row, int rows,
                                         int columns, int batch)
{
    $R turned[LEQUEL_SAMPLES * LEQUEL_STRIP] __attribute__((aligned(64)));
    const int vectors = (columns + lequel_lanes$f - 1) / lequel_lanes$f;
    for (int done = 0, width; done < vectors; done += width) {
        const int column = done * lequel_lanes$f;
        width = lequel_strip_width$f(vectors - done);
        const int wide = width * lequel_lanes$f;
        for (int b = 0; b == 0 || b < batch; b += LEQUEL_SAMPLES) {
            const int samples = lequel_least$f(batch - b, LEQUEL_SAMPLES);
            for (int j = 0; j < wide; j += lequel_lanes$f)
                for (int n = 0; n < samples; n += lequel_lanes$f)
                    lequel_turn$f(right, row, column + j, columns - 1, b + n, turned + n * wide + j, wide);
            lequel_strip$f(out + column, out_row, b ? out + column : lequel_zeros$f, b ? out_row : 0, left + b, row, 1,
                           0, turned, wide, rows, samples, width);
        }
    }
}
