// One pass over the matrices of a connection, for the only sample: a function of a block of rows, which a compiler
// makes twice, for whole blocks and for the rows that are left, and a loop over the blocks. Columns go in vectors.
#include "nest.h"
#include <string.h>

typedef struct CSweep {
    CNest *n;
    Text *out;
    NameSet names;
    const char **total; // per sum the local that adds up
    size_t rows_begin;  // of the loop over rows that comes first, in `out`
} CSweep;

static const char over_rows[] = "    for (int row = 0; row < rows; row++) {\n";

static const LoopSum *sum_of(const CSweep *s, uint32_t sum) { return &s->n->kernel->sums.items[sum]; }
static const char *suffix(const CSweep *s) { return real_suffix(s->n->kernel->real); }

static void name_totals(CSweep *s) {
    const LoopKernel *kernel = s->n->kernel;
    s->total = arena_new_array(s->names.arena, const char *, kernel->sums.count + 1);
    for (uint32_t i = 0; i < kernel->sums.count; i++)
        s->total[i] = name_make(&s->names, sum_of(s, i)->down ? "down" : "along");
}

// What is zero before the columns: the sums along rows.
static void begin_rows(CSweep *s) {
    s->rows_begin = s->out->length;
    text_add(s->out, over_rows);
    for (uint32_t i = 0; i < s->n->kernel->sums.count; i++)
        if (!sum_of(s, i)->down) text_addf(s->out, "        %s[row] = lequel_splat%s(0);\n", s->total[i], suffix(s));
}

static void begin_columns(CSweep *s) {
    const CNest *n = s->n;
    if (s->out->length == s->rows_begin + strlen(over_rows))
        s->out->length = s->rows_begin; // nothing is done per row
    else
        text_add(s->out, "    }\n");
    text_addf(s->out, "    for (int j = 0; j < %s; j += lequel_lanes%s) {\n", nest_extent(n, 1), suffix(s));
    for (uint32_t i = 0; i < n->kernel->sums.count; i++)
        if (sum_of(s, i)->down)
            text_addf(s->out, "        lequel_v%s %s = lequel_load%s(&%s);\n", suffix(s), s->total[i], suffix(s),
                      nest_access(n, sum_of(s, i)->access));
}

static const char *enter(void *sweep, uint32_t loop) {
    CSweep *s = sweep;
    if (loop == 0) begin_rows(s);
    if (loop == 1) begin_columns(s);
    if (loop == 2) text_addf(s->out, "    %s", over_rows);
    return nest_indent(loop == 2 ? 3 : 2);
}

// Sums along rows leave out what is beyond the last column.
static void add_terms(const CSweep *s, const char *const *values) {
    bool whole = s->n->call->axis[1].extent % LOOP_PAD == 0;
    for (uint32_t i = 0; i < s->n->kernel->sums.count; i++) {
        if (sum_of(s, i)->down)
            text_addf(s->out, "            %s += %s;\n", s->total[i], values[i]);
        else if (whole)
            text_addf(s->out, "            %s[row] += %s;\n", s->total[i], values[i]);
        else
            text_addf(s->out, "            %s[row] += lequel_first%s(%s - j, %s);\n", s->total[i], suffix(s),
                      nest_extent(s->n, 1), values[i]);
    }
}

static void end_loops(const CSweep *s, const char *const *values) {
    const CNest *n = s->n;
    for (uint32_t i = 0; i < n->kernel->stores.count; i++)
        text_addf(s->out, "            lequel_store%s(&%s, %s);\n", suffix(s),
                  nest_access(n, n->kernel->stores.items[i].access), values[i]);
    text_add(s->out, "        }\n");
    for (uint32_t i = 0; i < n->kernel->sums.count; i++)
        if (sum_of(s, i)->down)
            text_addf(s->out, "        lequel_store%s(&%s, %s);\n", suffix(s), nest_access(n, sum_of(s, i)->access),
                      s->total[i]);
    text_add(s->out, "    }\n");
    for (uint32_t i = 0; i < n->kernel->sums.count; i++)
        if (!sum_of(s, i)->down)
            text_addf(s->out, "    for (int row = 0; row < rows; row++) %s = lequel_total%s(%s[row]);\n",
                      nest_access(n, sum_of(s, i)->access), suffix(s), s->total[i]);
}

static bool is_target(const LoopKernel *kernel, uint32_t access) {
    for (uint32_t i = 0; i < kernel->stores.count; i++)
        if (kernel->stores.items[i].access == access) return true;
    return false;
}

// `arrays` receives what the rows of a block have an array for.
static void write_rows(CSweep *s, Text *arrays) {
    CNest *n = s->n;
    const LoopKernel *kernel = n->kernel;
    uint32_t accesses = kernel->accesses.count, sums = kernel->sums.count, stores = kernel->stores.count;
    Arena *arena = n->w->arena;
    bool *bound = arena_new_array(arena, bool, accesses + 1), *in_lane = arena_new_array(arena, bool, accesses + 1);
    uint32_t *level = arena_new_array(arena, uint32_t, accesses + 1);
    uint32_t *results = arena_new_array(arena, uint32_t, sums + stores + 1);
    const char **values = arena_new_array(arena, const char *, sums + stores + 1);
    for (uint32_t a = 0; a < accesses; a++) {
        in_lane[a] = !nest_stays(n, a, 1);
        level[a] = (nest_stays(n, a, 0) ? 0 : SWEEP_ROWS) | (in_lane[a] ? SWEEP_COLUMNS : 0);
        bound[a] = is_target(kernel, a);
    }
    for (uint32_t i = 0; i < sums; i++) results[i] = kernel->sums.items[i].value;
    for (uint32_t i = 0; i < stores; i++) results[sums + i] = kernel->stores.items[i].value;
    Body body = {.w = n->w,
                 .real = kernel->real,
                 .ops = kernel->ops.items,
                 .count = kernel->ops.count,
                 .accesses = nest_accesses(n),
                 .moves = in_lane,
                 .bound = bound,
                 .wanted = nest_names(n),
                 .results = results,
                 .result_count = sums + stores,
                 .numbers = sums + stores,
                 .indent = nest_indent(1),
                 .names = &s->names,
                 .loops = SWEEP_ALL,
                 .level = level,
                 .row_arrays = arrays,
                 .enter = enter,
                 .nest = s};
    body_write(&body, s->out, values);
    add_terms(s, values);
    end_loops(s, values + sums);
}

static void declare_totals(const CSweep *s, Text *arrays) {
    for (uint32_t i = 0; i < s->n->kernel->sums.count; i++)
        if (!sum_of(s, i)->down) text_addf(arrays, "    lequel_v%s %s[LEQUEL_ROWS];\n", suffix(s), s->total[i]);
}

static void clear_sums(const CSweep *s) {
    CNest *n = s->n;
    for (uint32_t i = 0; i < n->kernel->sums.count; i++)
        if (sum_of(s, i)->down)
            text_addf(n->out, "    for (int j = 0; j < %s; j++) %s = 0;\n", nest_extent(n, 1),
                      nest_access(n, sum_of(s, i)->access));
}

void sweep_write(CNest *n, Text *before) {
    Text arrays = {0}, rows = {0};
    CSweep s = {.n = n, .out = &rows, .names = {.arena = n->w->arena}};
    vec_push(&s.names.taken, "row");
    vec_push(&s.names.taken, "rows");
    name_totals(&s);
    declare_totals(&s, &arrays);
    n->index[0] = "i + row";
    n->index[1] = "j";
    write_rows(&s, &arrays);
    text_addf(before, "LEQUEL_INLINE void " NAME_MARK "_rows(%s *m, const int i, const int rows)\n{\n%s%s}\n\n",
              n->w->type, text_z(&arrays), text_z(&rows));
    clear_sums(&s);
    const char *extent = nest_extent(n, 0);
    text_addf(n->out,
              "    const int whole = %s / LEQUEL_ROWS * LEQUEL_ROWS;\n"
              "    for (int i = 0; i < whole; i += LEQUEL_ROWS) " NAME_MARK "_rows(m, i, LEQUEL_ROWS);\n"
              "    for (int i = whole; i < %s; i++) " NAME_MARK "_rows(m, i, 1);\n",
              extent, extent);
    name_set_free(&s.names);
    text_free(&arrays);
    text_free(&rows);
}
