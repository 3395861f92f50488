// Calls as loops over named arrays: for each call of the loops form the body of one function of C.
#include "nest.h"
#include <inttypes.h>
#include <string.h>

const char *nest_indent(uint32_t depth) {
    static const char blanks[] = "                                        ";
    return blanks + sizeof blanks - 1 - 4 * (depth > 9 ? 9 : depth);
}

static bool one_sample(const Writer *w) { return w->options->batch == 1; }

// ---- Places: flat strides become indices of named axes --------------------------------------------------------------

enum { AT_NONE = -1, AT_SLOT = -2 };

typedef struct Place {
    int64_t constant[CARRAY_MAX_RANK];
    int axis[CARRAY_MAX_RANK]; // of the call, or AT_NONE, or AT_SLOT where an operation says the place
} Place;

static int64_t part_of(LoopSize size, bool padded) { return padded ? size.padded : size.fixed; }

// Axis strides fall from first to last; those of axes with one element may be equal to the next.
static bool take_stride(const LoopArray *array, LoopSize stride, int64_t extent, int axis, Place *place) {
    int64_t left = part_of(stride, array->batched);
    for (uint32_t k = 0; k < array->rank; k++) {
        int64_t own = part_of(loop_array_stride(array, k), array->batched);
        if (left < own || array->extent[k] < extent || place->axis[k] >= 0) continue;
        place->axis[k] = axis;
        left -= own;
    }
    if (array->batched && stride.fixed == 1) {
        place->axis[array->rank] = axis;
        return left == 0;
    }
    return left == 0 && (array->batched ? stride.fixed == 0 : stride.padded == 0);
}

static bool take_offset(const LoopArray *array, LoopSize offset, Place *place) {
    int64_t left = part_of(offset, array->batched);
    for (uint32_t k = 0; k < array->rank; k++) {
        int64_t own = part_of(loop_array_stride(array, k), array->batched), steps = left / own;
        if (steps >= array->extent[k]) steps = array->extent[k] - 1;
        place->constant[k] = steps;
        left -= steps * own;
    }
    return left == 0 && (array->batched ? offset.fixed == 0 : offset.padded == 0);
}

static const char *element_text(const CNest *n, uint32_t array, const Place *place) {
    const CArray *c = &n->w->arrays.items[array];
    Text text = {0};
    text_addf(&text, "m->%s", c->name);
    for (uint32_t k = 0; k < c->rank; k++) {
        if (place->axis[k] == AT_SLOT)
            text_add(&text, "[" SLOT_MARK "]");
        else if (place->axis[k] < 0)
            text_addf(&text, "[%" PRId64 "]", place->constant[k]);
        else if (place->constant[k])
            text_addf(&text, "[%s + %" PRId64 "]", n->index[place->axis[k]], place->constant[k]);
        else
            text_addf(&text, "[%s]", n->index[place->axis[k]]);
    }
    const char *kept = arena_atom_z(n->w->arena, text_z(&text));
    text_free(&text);
    return kept;
}

const char *nest_access(const CNest *n, uint32_t access) {
    uint32_t number = n->call->array[n->kernel->accesses.items[access].argument];
    const LoopArray *array = &n->w->program->arrays.items[number];
    Place place;
    for (int k = 0; k < CARRAY_MAX_RANK; k++) place.axis[k] = AT_NONE, place.constant[k] = 0;
    bool good = take_offset(array, n->call->offset[access], &place);
    for (uint32_t axis = 0; axis < n->kernel->axes; axis++) {
        LoopSize stride = n->call->stride[access * LOOP_MAX_AXES + axis];
        if (!stride.fixed && !stride.padded) continue;
        int64_t extent = n->call->axis[axis].batch ? 1 : n->call->axis[axis].extent;
        good &= take_stride(array, stride, extent, (int)axis, &place);
    }
    if (n->kernel->accesses.items[access].slot) place.axis[1] = AT_SLOT;
    if (!good && !n->w->error->length)
        text_addf(n->w->error, "compiler bug: access %" PRIu32 " of `%s` has no indices", access, array->name);
    return element_text(n, number, &place);
}

// ---- Loops ----------------------------------------------------------------------------------------------------------

const char *nest_extent(const CNest *n, uint32_t axis) {
    if (n->call->axis[axis].batch) return arena_format(n->w->arena, "%s_BATCH", n->w->upper);
    return arena_format(n->w->arena, "%" PRId64, n->call->axis[axis].extent);
}

// An axis with one element has no loop; its index is 0.
static bool has_loop(const CNest *n, uint32_t axis) {
    return n->call->axis[axis].batch ? !one_sample(n->w) : n->call->axis[axis].extent != 1;
}

static void open_loop(CNest *n, uint32_t axis) {
    if (!has_loop(n, axis)) return;
    const char *index = n->index[axis];
    const char *extent = nest_extent(n, axis);
    if ((int)axis == n->vector) {
        text_addf(n->out, "%sfor (int %s = 0; %s < %s; %s += lequel_lanes%s) {\n", nest_indent(n->depth++), index,
                  index, extent, index, real_suffix(n->kernel->real));
        return;
    }
    if (n->rows && axis + 1 == n->kernel->axes)
        extent = arena_format(n->w->arena, "%" PRId64, loop_pad(n->call->axis[axis].extent, LOOP_PAD));
    text_addf(n->out, "%sfor (int %s = 0; %s < %s; %s++) {\n", nest_indent(n->depth), index, index, extent, index);
    n->depth++;
}

static void close_loops(CNest *n, uint32_t depth) {
    while (n->depth > depth) text_addf(n->out, "%s}\n", nest_indent(--n->depth));
}

static void line(const CNest *n, const char *text) { text_addf(n->out, "%s%s\n", nest_indent(n->depth), text); }

static void name_axes(CNest *n, uint32_t axes) {
    static const char *const letters[] = {"i", "j", "k", "l", "i5", "i6"};
    uint32_t letter = 0;
    for (uint32_t axis = 0; axis < axes; axis++) {
        n->index[axis] = n->call->axis[axis].batch ? "b" : letters[letter++];
        if (!has_loop(n, axis)) n->index[axis] = "0";
    }
}

// ---- MAP and REDUCE -------------------------------------------------------------------------------------------------

bool nest_stays(const CNest *n, uint32_t access, uint32_t axis) {
    LoopSize stride = n->call->stride[access * LOOP_MAX_AXES + axis];
    return !stride.fixed && !stride.padded;
}

static bool is_stored(const CNest *n, uint32_t access) {
    uint32_t array = n->call->array[n->kernel->accesses.items[access].argument];
    for (uint32_t s = 0; s < n->kernel->stores.count; s++) {
        const LoopAccess *to = &n->kernel->accesses.items[n->kernel->stores.items[s].access];
        if (n->call->array[to->argument] == array) return true;
    }
    return false;
}

// The part of a name behind its owner: u_ahead.tau_r of h[2].u_ahead.tau_r.
static const char *member_of(const char *name) {
    const char *dot = strchr(name, '.');
    return dot ? dot + 1 : name;
}

CAccess *nest_accesses(const CNest *n) {
    CAccess *accesses = arena_new_array(n->w->arena, CAccess, n->kernel->accesses.count + 1);
    for (uint32_t a = 0; a < n->kernel->accesses.count; a++) {
        const LoopAccess *access = &n->kernel->accesses.items[a];
        const char *text = nest_access(n, a);
        accesses[a].member = member_of(n->w->arrays.items[n->call->array[access->argument]].shown);
        // The single numbers of a float program are double.
        accesses[a].text =
            access->scalar_f64 && n->kernel->real == LOOP_F32 ? arena_format(n->w->arena, "(float)%s", text) : text;
        accesses[a].slot = access->slot;
    }
    return accesses;
}

const char **nest_names(const CNest *n) {
    const char **wanted = arena_new_array(n->w->arena, const char *, n->kernel->ops.count + 1);
    const Fused *fused = n->w->source->fused;
    for (uint32_t i = 0; i < fused->notes.count; i++) {
        const FusedNote *note = &fused->notes.items[i];
        if (note->entry != n->entry || note->call != n->number || note->op >= n->kernel->ops.count || wanted[note->op])
            continue;
        wanted[note->op] = member_of(symbol_info(n->w->store, note->symbol)->name);
    }
    return wanted;
}

// Opens a loop of the call, not counting axes that have none.
static const char *enter_loop(void *nest, uint32_t loop) {
    CNest *n = nest;
    uint32_t axis = 0;
    for (uint32_t left = loop + 1; left; axis++) left -= has_loop(n, axis);
    open_loop(n, axis - 1);
    return nest_indent(n->depth);
}

// How many loops an access must be inside of. What is overwritten is read where it is.
static const uint32_t *levels_of(const CNest *n) {
    uint32_t accesses = n->kernel->accesses.count, *level = arena_new_array(n->w->arena, uint32_t, accesses + 1);
    for (uint32_t a = 0; a < accesses; a++)
        for (uint32_t axis = 0, open = 0; axis < n->kernel->axes; axis++) {
            if (!has_loop(n, axis)) continue;
            open++;
            if (!nest_stays(n, a, axis) || is_stored(n, a)) level[a] = open;
        }
    return level;
}

// `opens` loops before what stands inside of them; for a NULL they are open.
static void write_body(const CNest *n, CNest *opens, const char **values) {
    uint32_t accesses = n->kernel->accesses.count, stores = n->kernel->stores.count;
    Arena *arena = n->w->arena;
    const CAccess *access = nest_accesses(n);
    bool *bound = arena_new_array(arena, bool, accesses + 1); // of arrays that several results are stored to
    uint32_t *results = arena_new_array(arena, uint32_t, 2 * stores), places = 0;
    for (uint32_t a = 0; a < accesses; a++) bound[a] = stores > 1 && is_stored(n, a) && !access[a].slot;
    for (uint32_t s = 0; s < stores; s++) results[s] = n->kernel->stores.items[s].value;
    for (uint32_t s = 0; s < stores; s++) {
        uint32_t slot = n->kernel->accesses.items[n->kernel->stores.items[s].access].slot;
        if (slot) results[stores + places++] = slot - 1;
    }
    bool *moves = n->vector >= 0 ? arena_new_array(arena, bool, accesses + 1) : NULL;
    for (uint32_t a = 0; moves && a < accesses; a++) moves[a] = !nest_stays(n, a, (uint32_t)n->vector);
    NameSet names = {.arena = arena};
    Body body = {.moves = moves,
                 .w = n->w,
                 .real = n->kernel->real,
                 .ops = n->kernel->ops.items,
                 .count = n->kernel->ops.count,
                 .accesses = access,
                 .bound = bound,
                 .wanted = nest_names(n),
                 .results = results,
                 .result_count = stores + places,
                 .numbers = stores,
                 .indent = nest_indent(n->depth),
                 .names = &names};
    for (uint32_t axis = 0; opens && axis < n->kernel->axes; axis++) body.loops += has_loop(n, axis);
    if (body.loops) body.level = levels_of(n), body.enter = enter_loop, body.nest = opens;
    body_write(&body, n->out, values);
    name_set_free(&names);
}

static void assign(const CNest *n, uint32_t access, const char *value, const char *slot) {
    const char *to = slot_text(n->w->arena, nest_access(n, access), slot), *f = real_suffix(n->kernel->real);
    line(n, n->vector >= 0 ? arena_format(n->w->arena, "lequel_store%s(&%s, %s);", f, to, value)
                           : arena_format(n->w->arena, "%s = %s;", to, value));
}

// Whole rows are whole vectors: what is computed in their padding reaches nothing else.
static bool is_whole_row(const CNest *n, uint32_t access, uint32_t axis) {
    const LoopArray *array = &n->w->program->arrays.items[n->call->array[n->kernel->accesses.items[access].argument]];
    return n->call->stride[access * LOOP_MAX_AXES + axis].fixed == 1 && !array->batched &&
           array->extent[array->rank - 1] == n->call->axis[axis].extent &&
           n->call->offset[access].fixed % LOOP_PAD == 0;
}

static bool are_whole_rows(const CNest *n, uint32_t axis) {
    for (uint32_t a = 0; a < n->kernel->accesses.count; a++)
        if (!nest_stays(n, a, axis) && !is_whole_row(n, a, axis)) return false;
    return true;
}

// Which of the first `axes` axes goes by vectors, or -1: that of the samples, which all accesses have side by side or
// do not depend on; of the only sample, the last one, if it runs along whole rows. All stores are along it.
static int vector_axis(const CNest *n, uint32_t axes) {
    int axis = -1;
    if (n->kernel->real != n->w->program->real) return -1;
    for (uint32_t k = 0; k < axes; k++)
        if (in_lanes(n->w) && n->call->axis[k].batch) axis = (int)k;
    if (in_rows(n->w) && axes && has_loop(n, axes - 1) && are_whole_rows(n, axes - 1)) axis = (int)axes - 1;
    for (uint32_t s = 0; axis >= 0 && s < n->kernel->stores.count; s++)
        if (n->call->stride[n->kernel->stores.items[s].access * LOOP_MAX_AXES + (uint32_t)axis].fixed != 1) return -1;
    return axis;
}

static bool fills_rows(const CNest *n) {
    uint32_t last = n->kernel->axes - 1;
    return in_lanes(n->w) && n->kernel->axes && !n->call->axis[last].batch && are_whole_rows(n, last);
}

static void write_map(CNest *n) {
    n->vector = vector_axis(n, n->kernel->axes);
    n->rows = n->vector < 0 && fills_rows(n);
    uint32_t stores = n->kernel->stores.count, places = 0;
    const char **values = arena_new_array(n->w->arena, const char *, 2 * stores);
    write_body(n, n, values);
    for (uint32_t s = 0; s < stores; s++) {
        uint32_t access = n->kernel->stores.items[s].access;
        bool slot = n->kernel->accesses.items[access].slot;
        assign(n, access, values[s], slot ? arena_format(n->w->arena, "(%s)", values[stores + places++]) : "");
    }
    close_loops(n, 1);
}

// Whether the sum goes by lanes, and the innermost loop is there to tell them.
static bool sums_lanes(const CNest *n) {
    const LoopKernel *kernel = n->kernel;
    if (!n->w->program->deterministic || kernel->axes <= kernel->outer || !has_loop(n, kernel->axes - 1)) return false;
    if (n->w->options->fraction) return false; // the order of terms changes nothing
    return loop_vector_axis(n->w->program, n->call->kernel) >= kernel->outer;
}

// One more term of a sum; `factor` NULL: not a product.
static const char *plus(const CNest *n, const char *sum, const char *factor, const char *value) {
    Arena *arena = n->w->arena;
    if (n->w->options->fraction && factor)
        return arena_format(arena, "%s = lequel_add(%s, lequel_mul(%s, %s))", sum, sum, factor, value);
    if (n->w->options->fraction) return arena_format(arena, "%s = lequel_add(%s, %s)", sum, sum, value);
    return factor ? arena_format(arena, "%s += %s * %s", sum, factor, value)
                  : arena_format(arena, "%s += %s", sum, value);
}

// A sum of one term, begun at +0, which a term of -0 leaves.
static const char *only_term(const CNest *n, const char *a, const char *b) {
    Arena *arena = n->w->arena;
    if (n->w->options->fraction) return arena_format(arena, "lequel_mul(%s, %s)", a, b);
    if (!n->w->program->deterministic) return arena_format(arena, "%s * %s", a, b);
    return arena_format(arena, "%s + %s * %s", real_literal(n->w, n->kernel->real, 0), a, b);
}

// The same, of a sum that is no product.
static const char *from_zero(const CNest *n, const char *value) {
    if (n->kernel->maximum || n->w->options->fraction || !n->w->program->deterministic) return value;
    return arena_format(n->w->arena, "%s + (%s)", real_literal(n->w, n->kernel->real, 0), value);
}

static bool is_one_term(const CNest *n) {
    for (uint32_t axis = n->kernel->outer; axis < n->kernel->axes; axis++)
        if (has_loop(n, axis)) return false;
    return true;
}

static void begin_sum(const CNest *n, bool lanes) {
    LoopReal real = n->kernel->real;
    const char *zero = real_literal(n->w, real, n->kernel->maximum ? -(double)__builtin_inf() : 0),
               *type = number_type(n->w, real);
    if (n->vector >= 0) {
        line(n, arena_format(n->w->arena, "lequel_v%s sum = lequel_splat%s(%s);", real_suffix(real), real_suffix(real),
                             zero));
    } else if (lanes) {
        line(n, arena_format(n->w->arena, "%s lane[16];", type));
        line(n, arena_format(n->w->arena, "for (int n = 0; n < 16; n++) lane[n] = %s;", zero));
    } else {
        line(n, arena_format(n->w->arena, "%s sum = %s;", type, zero));
    }
}

static void add_term(const CNest *n, bool lanes, const char *value) {
    Arena *arena = n->w->arena;
    const char *sum = lanes ? arena_format(arena, "lane[%s %% 16]", n->index[n->kernel->axes - 1]) : "sum";
    if (n->kernel->maximum && n->w->options->fraction) {
        line(n, arena_format(arena, "%s = lequel_max(%s, %s);", sum, sum, value));
    } else if (n->kernel->maximum) {
        if (n->vector < 0) need(n->w, n->kernel->real, HELPER_LARGER);
        line(n, arena_format(arena, "%s = %s%s(%s, %s);", sum, helper_name(HELPER_LARGER, n->kernel->real, arena),
                             n->vector >= 0 ? "_v" : "", sum, value));
    } else {
        line(n, arena_format(arena, "%s;", plus(n, sum, NULL, value)));
    }
}

// A sum along its last axis, whole vectors first. The order of its terms is not that of deterministic programs.
static bool sums_vectors(const CNest *n) {
    const LoopKernel *kernel = n->kernel;
    uint32_t last = kernel->axes - 1;
    if (kernel->real != n->w->program->real || n->w->program->deterministic || kernel->maximum) return false;
    if (kernel->axes <= kernel->outer || !has_loop(n, last)) return false;
    if (in_lanes(n->w)) return n->call->axis[last].batch;
    for (uint32_t a = 0; a < kernel->accesses.count; a++)
        if (!nest_stays(n, a, last) && n->call->stride[a * LOOP_MAX_AXES + last].fixed != 1) return false;
    return in_rows(n->w);
}

static void write_vector_sum(CNest *n) {
    const LoopKernel *kernel = n->kernel;
    Arena *arena = n->w->arena;
    uint32_t last = kernel->axes - 1;
    const char *f = real_suffix(kernel->real), *extent = nest_extent(n, last), *index = n->index[last], *value;
    const char *whole = arena_format(arena, "%s / lequel_lanes%s * lequel_lanes%s", extent, f, f);
    for (uint32_t axis = 0; axis < kernel->outer; axis++) open_loop(n, axis);
    uint32_t depth = n->depth;
    line(n, arena_format(arena, "lequel_v%s sums = lequel_splat%s(%s);", f, f, real_literal(n->w, kernel->real, 0)));
    line(n, arena_format(arena, "%s sum = %s;", real_type(kernel->real), real_literal(n->w, kernel->real, 0)));
    for (uint32_t axis = kernel->outer; axis < last; axis++) open_loop(n, axis);
    uint32_t inner = n->depth;
    line(n, arena_format(arena, "for (int %s = 0; %s < %s; %s += lequel_lanes%s) {", index, index, whole, index, f));
    n->depth++;
    n->vector = (int)last;
    write_body(n, NULL, &value);
    line(n, arena_format(arena, "sums += %s;", value));
    n->vector = -1;
    close_loops(n, inner);
    line(n, arena_format(arena, "for (int %s = %s; %s < %s; %s++) {", index, whole, index, extent, index));
    n->depth++;
    write_body(n, NULL, &value);
    line(n, arena_format(arena, "sum += %s;", value));
    close_loops(n, depth);
    line(n, arena_format(arena, "%s = sum + lequel_total%s(sums);", nest_access(n, kernel->stores.items[0].access), f));
    close_loops(n, 1);
}

static void write_reduce(CNest *n) {
    const LoopKernel *kernel = n->kernel;
    if (sums_vectors(n)) {
        write_vector_sum(n);
        return;
    }
    bool lanes = sums_lanes(n);
    if (!lanes) n->vector = vector_axis(n, kernel->outer);
    for (uint32_t axis = 0; axis < kernel->outer; axis++) open_loop(n, axis);
    uint32_t depth = n->depth;
    const char *value;
    if (is_one_term(n)) {
        write_body(n, NULL, &value);
        assign(n, kernel->stores.items[0].access, from_zero(n, value), "");
        close_loops(n, 1);
        return;
    }
    begin_sum(n, lanes);
    for (uint32_t axis = kernel->outer; axis < kernel->axes; axis++) open_loop(n, axis);
    write_body(n, NULL, &value);
    add_term(n, lanes, value);
    close_loops(n, depth);
    const char *sum = "sum";
    if (lanes) {
        CHelper helper = kernel->maximum ? HELPER_LARGEST : HELPER_SUM;
        need(n->w, kernel->real, helper);
        sum = arena_format(n->w->arena, "%s(lane)", helper_name(helper, kernel->real, n->w->arena));
    }
    assign(n, kernel->stores.items[0].access, sum, "");
    close_loops(n, 1);
}

// ---- PRODUCT and OUTER ----------------------------------------------------------------------------------------------

static const char *vector_element(const CNest *n, uint32_t argument, const char *index) {
    const char *name = n->w->arrays.items[n->call->array[argument]].name;
    if (one_sample(n->w)) return arena_format(n->w->arena, "m->%s[%s]", name, index);
    return arena_format(n->w->arena, "m->%s[%s][b]", name, index);
}

// The head of a loop over rows, columns or samples; nothing where there is only one.
static const char *over(const CNest *n, const char *index, const char *extent) {
    if (strcmp(index, "0") == 0) return "";
    return arena_format(n->w->arena, "for (int %s = 0; %s < %s; %s++) ", index, index, extent, index);
}

static const char *samples(const CNest *n) {
    return one_sample(n->w) ? "" : over(n, "b", arena_format(n->w->arena, "%s_BATCH", n->w->upper));
}

// Each result sums in the order of j. Which loop is innermost changes no bit, only whether memory is read in order.
static void write_product(CNest *n) {
    Arena *arena = n->w->arena;
    const LoopArray *matrix = &n->w->program->arrays.items[n->call->array[1]];
    const char *name = n->w->arrays.items[n->call->array[1]].name;
    const char *i = n->index[0], *k = n->index[1];
    bool straight = n->call->stride[0].fixed == loop_array_stride(matrix, 0).fixed;
    const char *factor = arena_format(arena, "m->%s[%s][%s]", name, straight ? i : k, straight ? k : i);
    const char *out = vector_element(n, 0, i), *x = vector_element(n, 2, k);
    const char *zero = real_literal(n->w, n->kernel->real, 0), *type = number_type(n->w, n->kernel->real);
    const char *over_i = over(n, i, nest_extent(n, 0)), *over_k = over(n, k, nest_extent(n, 1)), *over_b = samples(n);
    bool scalar = one_sample(n->w);
    if (in_lanes(n->w)) {
        int64_t row = n->w->arrays.items[n->call->array[1]].declared[1];
        text_addf(n->out,
                  "    lequel_product%s(&m->%s[0][0], &m->%s[0][0], %" PRId64 ", %" PRId64 ", &m->%s[0][0], %" PRId64
                  ", %s, %s, %s_BATCH);\n",
                  real_suffix(n->kernel->real), n->w->arrays.items[n->call->array[0]].name, name, straight ? row : 1,
                  straight ? 1 : row, n->w->arrays.items[n->call->array[2]].name,
                  loop_pad_samples(n->w->options->batch), nest_extent(n, 0), nest_extent(n, 1), n->w->upper);
    } else if (scalar && !*over_k) {
        text_addf(n->out, "    %s%s = %s;\n", over_i, out, only_term(n, factor, x));
    } else if (scalar && straight) {
        text_addf(n->out, "    %s{\n        %s sum = %s;\n        %s%s;\n        %s = sum;\n    }\n", over_i, type,
                  zero, over_k, plus(n, "sum", factor, x), out);
    } else if (scalar) {
        text_addf(n->out, "    %s%s = %s;\n    %s\n        %s%s;\n", over_i, out, zero, over_k, over_i,
                  plus(n, out, factor, x));
    } else {
        text_addf(n->out, "    %s{\n        %s%s = %s;\n        %s\n            %s%s;\n    }\n", over_i, over_b, out,
                  zero, over_k, over_b, plus(n, out, factor, x));
    }
}

static void write_outer(CNest *n) {
    Arena *arena = n->w->arena;
    const char *i = n->index[0], *j = n->index[1];
    const char *out = arena_format(arena, "m->%s[%s][%s]", n->w->arrays.items[n->call->array[0]].name, i, j);
    const char *left = vector_element(n, 1, i), *right = vector_element(n, 2, j);
    const char *over_i = over(n, i, nest_extent(n, 0)), *over_j = over(n, j, nest_extent(n, 1));
    const char *zero = real_literal(n->w, n->kernel->real, 0);
    if (in_lanes(n->w)) {
        const CArray *result = &n->w->arrays.items[n->call->array[0]];
        text_addf(n->out,
                  "    lequel_outer%s(&m->%s[0][0], %" PRId64 ", &m->%s[0][0], &m->%s[0][0], %" PRId64
                  ", %s, %s, %s_BATCH);\n",
                  real_suffix(n->kernel->real), result->name, result->declared[1],
                  n->w->arrays.items[n->call->array[1]].name, n->w->arrays.items[n->call->array[2]].name,
                  loop_pad_samples(n->w->options->batch), nest_extent(n, 0), nest_extent(n, 1), n->w->upper);
        return;
    }
    text_addf(n->out, "    %s\n        %s", over_i, over_j);
    if (one_sample(n->w)) {
        text_addf(n->out, "%s = %s;\n", out, only_term(n, left, right));
        return;
    }
    text_addf(n->out, "{\n            %s sum = %s;\n            %s%s;\n            %s = sum;\n        }\n",
              number_type(n->w, n->kernel->real), zero, samples(n), plus(n, "sum", left, right), out);
}

bool call_is_empty(const Writer *w, const LoopCall *call) {
    const LoopKernel *kernel = &w->program->kernels.items[call->kernel];
    uint32_t axes = kernel->kind == LOOP_MAP ? kernel->axes : kernel->kind == LOOP_REDUCE ? kernel->outer : 2;
    if (kernel->kind == LOOP_PRODUCT) axes = 1;
    for (uint32_t axis = 0; axis < axes; axis++)
        if (!call->axis[axis].batch && call->axis[axis].extent == 0) return true;
    return false;
}

// Of lines.
static void drop_last_blanks(Text *out) {
    size_t kept = 0;
    for (size_t i = 0; i < out->length; i++) {
        while (out->bytes[i] == '\n' && kept && out->bytes[kept - 1] == ' ') kept--;
        out->bytes[kept++] = out->bytes[i];
    }
    out->length = kept;
    if (out->bytes) out->bytes[kept] = 0;
}

bool call_write(Writer *w, uint32_t entry, uint32_t number, Text *before, Text *body) {
    const LoopCall *call = &w->program->entries.items[entry].calls.items[number];
    CNest n = {.w = w,
               .call = call,
               .kernel = &w->program->kernels.items[call->kernel],
               .entry = entry,
               .number = number,
               .out = body,
               .depth = 1,
               .vector = -1};
    name_axes(&n, loop_kernel_is_nest(n.kernel) ? n.kernel->axes : 2);
    text_add(body, "{\n");
    switch (n.kernel->kind) {
    case LOOP_MAP: write_map(&n); break;
    case LOOP_REDUCE: write_reduce(&n); break;
    case LOOP_SWEEP: sweep_write(&n, before); break;
    case LOOP_PRODUCT: write_product(&n); break;
    case LOOP_OUTER: write_outer(&n); break;
    }
    text_add(body, "}\n");
    drop_last_blanks(body);
    return !w->error->length;
}
