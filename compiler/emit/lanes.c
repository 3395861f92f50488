// The vector form of emitted code: types and operations of GNU C on whole vectors, tiles that stay in registers, and
// blocks of samples turned to rows.
#include "parts.h"
#include "writer.h"
#include <inttypes.h>
#include <string.h>

// One step of the inner index: sums += a column of a times a row of x.
static void tile(LoopReal real, int rows, int vectors, Text *out) {
    const char *f = real_suffix(real), *type = real_type(real);
    text_addf(
        out,
        "LEQUEL_APART void lequel_tile%dx%d%s(%s *out, int out_row, const %s *start, int start_row, const %s *a, int "
        "a_row,\n    int a_step, const %s *x, int x_row, int depth)\n{\n",
        rows, vectors, f, type, type, type, type);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            text_addf(out, "    lequel_v%s s%d_%d = lequel_load%s(start + %d * start_row + %d * lequel_lanes%s);\n", f,
                      r, v, f, r, v, f);
    text_addf(out, "    for (int k = 0; k < depth; k++, a += a_step, x += x_row) {\n");
    for (int v = 0; v < vectors; v++)
        text_addf(out, "        lequel_v%s x%d = lequel_load%s(x + %d * lequel_lanes%s);\n", f, v, f, v, f);
    if (vectors > 1)
        for (int v = 0; v < vectors; v++) text_addf(out, "        LEQUEL_KEEP(x%d);\n", v);
    for (int r = 0; r < rows; r++) {
        text_addf(out, "        const %s a%d = a[%d * a_row];\n", type, r, r);
        for (int v = 0; v < vectors; v++) text_addf(out, "        s%d_%d += a%d * x%d;\n", r, v, r, v);
    }
    text_add(out, "    }\n");
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            text_addf(out, "    lequel_store%s(out + %d * out_row + %d * lequel_lanes%s, s%d_%d);\n", f, r, v, f, r, v);
    text_add(out, "}\n\n");
}

// A square of lanes x lanes: in stage d, blocks of d x d elements off the diagonal change places.
static void turn_square(LoopReal real, int lanes, Text *out) {
    const char *f = real_suffix(real);
    text_addf(out, "#if LEQUEL_VECTOR_BYTES == %d\n", lanes * (real == LOOP_F32 ? 4 : 8));
    for (int r = 0; r < lanes; r++)
        text_addf(out, "    lequel_v%s r%d = lequel_load%s(from + LEQUEL_ROW(%d));\n", f, r, f, r);
    text_addf(out, "    lequel_v%s t;\n", f);
    for (int d = 1; d < lanes; d *= 2)
        for (int r = 0; r < lanes; r++) {
            if (r & d) continue;
            text_addf(out, "    t = __builtin_shufflevector(r%d, r%d", r, r + d);
            for (int i = 0; i < lanes; i++) text_addf(out, ", %d", i & d ? lanes + i - d : i);
            text_addf(out, ");\n    r%d = __builtin_shufflevector(r%d, r%d", r + d, r, r + d);
            for (int i = 0; i < lanes; i++) text_addf(out, ", %d", i & d ? lanes + i : i + d);
            text_addf(out, ");\n    r%d = t;\n", r);
        }
    for (int r = 0; r < lanes; r++) text_addf(out, "    lequel_store%s(to + %d * to_row, r%d);\n", f, r, r);
    text_add(out, "#endif\n");
}

// `lanes` rows from `first` on become one vector per sample; rows beyond the last stand for padding and repeat it.
static void turn(LoopReal real, Text *out) {
    const char *f = real_suffix(real), *type = real_type(real);
    text_addf(out,
              "/* A square of samples turned to rows; rows beyond the last repeat it. */\n"
              "LEQUEL_INLINE void lequel_turn%s(const %s *from, int row, int first, int last, int sample, %s *to, int "
              "to_row)\n{\n"
              "    from += sample;\n#define LEQUEL_ROW(r) ((first + r < last ? first + r : last) * row)\n"
              "#ifdef LEQUEL_SHUFFLES\n",
              f, type, type);
    for (int bytes = 16; bytes <= 64; bytes *= 2) turn_square(real, bytes / (real == LOOP_F32 ? 4 : 8), out);
    text_addf(out,
              "#else\n    for (int n = 0; n < lequel_lanes%s; n++)\n        for (int r = 0; r < lequel_lanes%s; r++) "
              "to[n * to_row + r] "
              "= from[LEQUEL_ROW(r) + n];\n#endif\n#undef LEQUEL_ROW\n}\n\n",
              f, f);
}

// The lanes are added in halves.
static void total(LoopReal real, Text *out) {
    const char *f = real_suffix(real);
    text_addf(out,
              "/* The sum of all lanes. */\nLEQUEL_INLINE %s lequel_total%s(lequel_v%s x)\n{\n"
              "#ifdef LEQUEL_SHUFFLES\n",
              real_type(real), f, f);
    for (int bytes = 16; bytes <= 64; bytes *= 2) {
        int lanes = bytes / (real == LOOP_F32 ? 4 : 8);
        text_addf(out, "#if LEQUEL_VECTOR_BYTES == %d\n", bytes);
        for (int half = lanes / 2; half; half /= 2) {
            text_add(out, "    x += __builtin_shufflevector(x, x");
            for (int i = 0; i < lanes; i++) text_addf(out, ", %d", i ^ half);
            text_add(out, ");\n");
        }
        text_add(out, "#endif\n");
    }
    text_addf(out,
              "    return x[0];\n#else\n    %s sum = 0;\n    for (int i = 0; i < lequel_lanes%s; i++) sum += x[i];\n"
              "    return sum;\n#endif\n}\n\n",
              real_type(real), f);
}

bool in_lanes(const Writer *w) { return w->options->simd && w->options->batch > 1; }

bool in_rows(const Writer *w) { return w->options->simd && w->options->batch == 1 && !w->program->deterministic; }

bool in_vectors(const Writer *w) { return in_lanes(w) || in_rows(w); }

void lanes_write(const Writer *w, Text *out) {
    text_add(out, part_vectors_text);
    text_add(out, "#if defined(__has_builtin)\n#if __has_builtin(__builtin_shufflevector)\n#define "
                  "LEQUEL_SHUFFLES\n#endif\n#endif\n\n");
    LoopReal real = w->program->real; // what is double in a float program are single numbers
    text_of_type(real, part_lanes_text, out);
    total(real, out);
    if (in_rows(w)) {
        text_of_type(real, part_rows_text, out);
        return;
    }
    text_add(out, "#if LEQUEL_WIDE\n");
    tile(real, 8, 2, out);
    text_add(out, "#else\n");
    tile(real, 4, 3, out);
    tile(real, 4, 2, out);
    text_add(out, "#endif\n");
    tile(real, 8, 1, out);
    turn(real, out);
    text_of_type(real, part_panels_text, out);
}
