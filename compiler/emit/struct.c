// The struct of a model: which arrays it has, how they are declared and documented, what they hold at first, and how
// they are saved.
#include "writer.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

int64_t element_bytes(const Writer *w, const CArray *array) {
    return w->options->fraction || array->real == LOOP_F32 ? 4 : 8;
}

// ---- Which arrays ---------------------------------------------------------------------------------------------------

static bool is_emitted(const Writer *w, uint32_t entry) {
    return !w->options->inference || strcmp(w->program->entries.items[entry].name, "evaluate") == 0;
}

static void mark_calls(Writer *w) {
    for (uint32_t e = 0; e < w->program->entries.count; e++) {
        if (!is_emitted(w, e)) continue;
        for (uint32_t c = 0; c < w->program->entries.items[e].calls.count; c++) {
            const LoopCall *call = &w->program->entries.items[e].calls.items[c];
            for (uint32_t i = 0; i < call->array_count; i++)
                w->arrays.items[w->arrays.items[call->array[i]].place].used = true;
        }
    }
}

bool is_noise(const Writer *w, Symbol symbol) {
    for (uint32_t i = 0; i < w->source->model->noises.count; i++)
        if (w->source->model->noises.items[i] == symbol) return true;
    return false;
}

// Inputs are the caller's to set and outputs theirs to read, whoever else uses them.
static void mark_interface(Writer *w) {
    for (uint32_t i = 0; i < w->arrays.count; i++) {
        SymbolRole role = symbol_info(w->store, w->arrays.items[i].symbol)->role;
        if (role == ROLE_INPUT && !is_noise(w, w->arrays.items[i].symbol)) w->arrays.items[i].used = true;
        if (!w->options->inference && (role == ROLE_WEIGHT || role == ROLE_STATE)) w->arrays.items[i].used = true;
    }
}

static const char *shown_name(const Writer *w, const char *name) {
    const char *hash = strchr(name, '#');
    if (!hash) return name;
    const char *what = hash[1] >= '0' && hash[1] <= '9' ? ".part" : ".";
    return arena_format(w->arena, "%.*s%s%s", (int)(hash - name), name, what, hash + 1);
}

// ---- Intermediate results -------------------------------------------------------------------------------------------

// Nothing of them outlives a step, so those of one entry have their place where those of another are.

static bool is_intermediate(const Writer *w, uint32_t number) {
    Symbol symbol = w->arrays.items[number].symbol;
    const SymbolInfo *info = symbol_info(w->store, symbol);
    return info->hidden && !model_array(w->source->model, symbol);
}

static bool is_used_by(const Writer *w, uint32_t entry, uint32_t number) {
    const LoopEntry *e = &w->program->entries.items[entry];
    for (uint32_t c = 0; c < e->calls.count; c++)
        for (uint32_t i = 0; i < e->calls.items[c].array_count; i++)
            if (e->calls.items[c].array[i] == number) return true;
    return false;
}

static bool have_one_shape(const LoopArray *a, const LoopArray *b) {
    bool same = a->real == b->real && a->rank == b->rank && a->batched == b->batched;
    for (uint32_t k = 0; same && k < a->rank; k++) same = a->extent[k] == b->extent[k];
    return same;
}

static bool share_place(Writer *w, uint32_t number, uint32_t entry) {
    const LoopArray *arrays = w->program->arrays.items;
    for (uint32_t i = 0; i < number; i++) {
        CArray *there = &w->arrays.items[i];
        if (there->place != i || there->guest == entry || !is_intermediate(w, i) || is_used_by(w, entry, i)) continue;
        if (!have_one_shape(&arrays[i], &arrays[number])) continue;
        there->guest = entry;
        w->arrays.items[number].place = i;
        return true;
    }
    return false;
}

static void share_places(Writer *w) {
    for (uint32_t i = 0; i < w->arrays.count; i++) w->arrays.items[i].place = i;
    for (uint32_t e = 1; e < w->program->entries.count && !w->options->inference; e++)
        for (uint32_t i = 0; i < w->arrays.count; i++)
            if (is_intermediate(w, i) && is_used_by(w, e, i) && !is_used_by(w, 0, i)) share_place(w, i, e);
}

// For vectors rows are whole ones, and the axis before whole tiles: the layout of the loops form.
static void declare_padding(const Writer *w, const LoopArray *array, CArray *c) {
    for (uint32_t k = 0; k < c->rank; k++) {
        c->declared[k] = c->extent[k];
        if (in_vectors(w) && k + 1 == c->rank)
            c->declared[k] = array->batched ? loop_pad_samples(c->extent[k]) : loop_pad(c->extent[k], LOOP_PAD);
        if (in_vectors(w) && k + 1 == c->rank && k && !array->batched)
            c->declared[k] = loop_array_stride(array, k - 1).fixed;
        if (in_vectors(w) && k + 2 == c->rank) c->declared[k] = loop_pad(c->extent[k], LOOP_ROW_PAD);
    }
}

static bool plan_array(Writer *w, uint32_t number, NameSet *names) {
    const LoopArray *array = &w->program->arrays.items[number];
    CArray *c = &w->arrays.items[number];
    SymbolInfo *info = symbol_edit(w->store, c->symbol);
    c->hidden = info->hidden;
    c->shown = info->name = shown_name(w, info->name); // temporaries get a name that can be read
    c->name = name_make(names, c->shown);
    c->real = array->real;
    c->batched = array->batched;
    c->per_sample = array->per_sample;
    c->rank = array->rank;
    for (uint32_t k = 0; k < array->rank; k++) c->extent[k] = array->extent[k];
    if (array->batched && w->options->batch > 1) c->extent[c->rank++] = w->options->batch;
    declare_padding(w, array, c);
    int64_t most = INT32_MAX, count = 1;
    for (uint32_t k = 0; k < c->rank; k++) {
        if (c->declared[k] > 0 && count <= most / c->declared[k]) {
            count *= c->declared[k];
            continue;
        }
        text_addf(w->error, "`%s` cannot be an array of C: ", c->shown);
        text_addf(w->error, c->extent[k] ? "it has more than %" PRId64 " elements" : "it has no elements", most);
        return false;
    }
    return true;
}

// What no array keeps stands in comments all the same.
static void name_scratch(const Writer *w) {
    const Fused *fused = w->source->fused;
    for (Symbol s = 1; s <= symbol_count(w->store); s++)
        if (s >= fused->array_of.count || !fused->array_of.items[s])
            symbol_edit(w->store, s)->name = shown_name(w, symbol_info(w->store, s)->name);
}

bool arrays_plan(Writer *w) {
    const Fused *fused = w->source->fused;
    NameSet names = {.arena = w->arena};
    while (w->arrays.count < w->program->arrays.count) vec_push(&w->arrays, (CArray){0});
    for (uint32_t s = 1; s < fused->array_of.count; s++)
        if (fused->array_of.items[s]) w->arrays.items[fused->array_of.items[s] - 1].symbol = s;
    bool good = true;
    share_places(w);
    for (uint32_t i = 0; i < w->arrays.count && good; i++) {
        uint32_t place = w->arrays.items[i].place;
        Symbol symbol = w->arrays.items[i].symbol;
        if (place == i) {
            good = plan_array(w, i, &names);
            continue;
        }
        w->arrays.items[i] = w->arrays.items[place];
        w->arrays.items[i].symbol = symbol;
        symbol_edit(w->store, symbol)->name = w->arrays.items[place].shown; // comments call both what the struct does
    }
    name_set_free(&names);
    name_scratch(w);
    mark_calls(w);
    mark_interface(w);
    for (uint32_t i = 0; i < w->arrays.count; i++)
        w->noisy |= w->arrays.items[i].used && is_noise(w, w->arrays.items[i].symbol);
    return good;
}

int64_t carray_count(const CArray *array) {
    int64_t count = 1;
    for (uint32_t k = 0; k < array->rank; k++) count *= array->extent[k];
    return count;
}

// ---- The struct -----------------------------------------------------------------------------------------------------

typedef struct Section {
    const char *title;
    uint32_t roles; // a set
    bool hidden, noise;
} Section;

#define ROLE(role) (1u << (role))
static const Section sections[] = {
    {"Inputs, targets and labels: set them before a step.", ROLE(ROLE_INPUT), false, false},
    {"Noise: each step draws it anew.", ROLE(ROLE_INPUT), false, true},
    {"Parameters and weights.", ROLE(ROLE_PARAMETER) | ROLE(ROLE_WEIGHT), false, false},
    {"States: what a neuron remembers from step to step.", ROLE(ROLE_STATE), false, false},
    {"Messages between neurons, held for one step.", ROLE(ROLE_REGISTER), false, false},
    {"Signals of the last step.", ROLE(ROLE_SIGNAL) | ROLE(ROLE_LEAF) | ROLE(ROLE_DRIVE), false, false},
    {"What the optimisers remember.", ROLE(ROLE_OPTIMISER), false, false},
    {"Single numbers: rates, counters.", ROLE(ROLE_SCALAR), false, false},
    {"Constants and intermediate results: nothing to set or to read here.", ~0u, true, false},
};

static bool in_section(const Writer *w, const CArray *array, const Section *section) {
    SymbolRole role = symbol_info(w->store, array->symbol)->role;
    return array->used && array->hidden == section->hidden && (section->roles & ROLE(role)) &&
           is_noise(w, array->symbol) == section->noise;
}

static void declare(const Writer *w, const CArray *array, Text *out) {
    Text line = {0}, unit = {0};
    const SymbolInfo *info = symbol_info(w->store, array->symbol);
    text_addf(&line, "    %s %s",
              array->rank || array->batched || w->options->fraction ? arena_format(w->arena, "%s_real", w->prefix)
                                                                    : "double",
              array->name);
    for (uint32_t k = 0; k < array->rank; k++) {
        bool batch = array->batched && k + 1 == array->rank && w->options->batch > 1;
        if (batch && array->declared[k] == array->extent[k])
            text_addf(&line, "[%s_BATCH]", w->upper);
        else
            text_addf(&line, "[%" PRId64 "]", array->declared[k]);
    }
    text_add(&line, in_vectors(w) && array->rank ? " __attribute__((aligned(64)));" : ";");
    text_addf(out, "%-44s /* ", text_z(&line));
    emit_comment(out, array->shown);
    for (uint32_t k = 0; in_vectors(w) && k < array->rank; k++) text_addf(out, "[%" PRId64 "]", array->extent[k]);
    unit_print(info->unit, &unit);
    if (!unit_is_none(info->unit)) text_addf(out, ", in %s", text_z(&unit));
    const char *place = array->hidden ? "" : emit_place(w, info->span);
    if (*place) text_addf(out, ", %s", place);
    text_add(out, " */\n");
    text_free(&line);
    text_free(&unit);
}

// Where the struct is after another member, as every machine lays it out that aligns numbers to their size.
static void add_member(Writer *w, const CArray *array) {
    int64_t width = element_bytes(w, array), count = 1;
    for (uint32_t k = 0; k < array->rank; k++) count *= array->declared[k];
    w->struct_bytes = loop_pad(w->struct_bytes, in_vectors(w) && array->rank ? 64 : width) + count * width;
}

void struct_write(Writer *w, Text *out) {
    w->struct_bytes = w->noisy ? 16 : 8; // steps and seed
    text_addf(out, "typedef struct %s {\n    int64_t steps; /* done so far */\n", w->type);
    if (w->noisy) text_add(out, "    uint64_t seed; /* of the noise; with `steps`, all that its draws depend on */\n");
    for (size_t s = 0; s < sizeof sections / sizeof *sections; s++) {
        bool any = false;
        for (uint32_t i = 0; i < w->arrays.count; i++) {
            if (!in_section(w, &w->arrays.items[i], &sections[s])) continue;
            if (!any) text_addf(out, "\n    /* %s */\n", sections[s].title);
            any = true;
            declare(w, &w->arrays.items[i], out);
            add_member(w, &w->arrays.items[i]);
        }
    }
    text_addf(out, "} %s;\n", w->type);
    w->struct_bytes = loop_pad(w->struct_bytes, in_vectors(w) ? 64 : 8);
}

// ---- First values ---------------------------------------------------------------------------------------------------

// The loops over all elements, and how the element and its number in the order [sample][element] are then written.
typedef struct Element {
    const char *open, *at, *number; // number: in the order [sample][element]; place: of the element in one sample
    const char *place;
} Element;

static Element element_of(const Writer *w, const CArray *array) {
    static const char *const letters[] = {"i", "j", "k", "l"};
    Arena *arena = w->arena;
    Element e = {"    ", arena_format(arena, "m->%s", array->name), "0", ""};
    bool batch = array->batched && w->options->batch > 1;
    int64_t elements = carray_count(array) / (batch ? w->options->batch : 1);
    for (uint32_t k = 0; k < array->rank; k++) {
        bool samples = batch && k + 1 == array->rank;
        const char *letter = samples ? "b" : letters[k];
        if (array->extent[k] == 1) letter = "0";
        const char *extent =
            samples ? arena_format(arena, "%s_BATCH", w->upper) : arena_format(arena, "%" PRId64, array->extent[k]);
        e.at = arena_format(arena, "%s[%s]", e.at, letter);
        if (*letter == '0') continue;
        e.open = arena_format(arena, "%sfor (int %s = 0; %s < %s; %s++) ", e.open, letter, letter, extent, letter);
        if (!samples)
            e.place = *e.place ? arena_format(arena, strchr(e.place, '+') ? "(%s) * %s + %s" : "%s * %s + %s", e.place,
                                              extent, letter)
                               : letter;
    }
    e.number = *e.place ? e.place : "0";
    if (!*e.place) e.place = "0";
    if (batch && elements == 1) e.number = "b";
    if (batch && elements > 1) e.number = arena_format(arena, "b * %" PRId64 " + %s", elements, e.place);
    return e;
}

// From the double of a draw.
static const char *cast(const Writer *w, const CArray *array) {
    return w->options->fraction ? "lequel_fixed" : array->real == LOOP_F32 ? "(float)" : "";
}

static void fill(Writer *w, const CArray *array, double value, Text *out) {
    if (value == 0 && !signbit(value)) return; // memset has done it
    Element e = element_of(w, array);
    text_addf(out, "%s%s = %s;\n", e.open, e.at, real_literal(w, array->real, value));
}

// One value per element of one sample, or of all samples.
static void fill_list(Writer *w, const CArray *array, const double *values, int64_t count, Text *out) {
    Element e = element_of(w, array);
    w->constant_bytes += count * element_bytes(w, array);
    text_addf(out, "    {\n        static const %s first[%" PRId64 "] = {", number_type(w, array->real), count);
    for (int64_t i = 0; i < count; i++)
        text_addf(out, "%s%s,", i % 8 ? " " : "\n            ", real_literal(w, array->real, values[i]));
    text_addf(out, "\n        };\n    %s%s = first[%s];\n    }\n", e.open, e.at,
              count == carray_count(array) ? e.number : e.place);
}

// Streams are numbered by the name of the array as the runtime numbers them: FNV-1a.
static uint64_t stream_of(const char *name) {
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (const char *c = name; *c; c++) hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001B3);
    return hash;
}

static const char *number(Writer *w, double value) { // in arithmetic of doubles, whatever the model's
    char text[48];
    number_format(text, value);
    if (isinf(value) || isnan(value)) return real_literal(w, LOOP_F64, value);
    return arena_format(w->arena, strpbrk(text, ".e") ? "%s" : "%s.0", text);
}

static const char *clamped(Writer *w, const Array *array, const char *value) {
    if (!array->clamped) return value;
    return arena_format(w->arena, "lequel_clamped(%s, %s, %s)", value, number(w, array->low), number(w, array->high));
}

// The probability of each element; the block that it opens is closed by the caller.
static void draw_table(Writer *w, const Initial *initial, Text *out) {
    w->constant_bytes += (int64_t)(initial->count * sizeof(double));
    text_addf(out, "    {\n        static const double chance[%u] = {", initial->count);
    for (uint32_t i = 0; i < initial->count; i++)
        text_addf(out, "%s%s,", i % 8 ? " " : "\n            ", number(w, initial->values[i]));
    text_add(out, "\n        };\n    ");
}

static void draw(Writer *w, const CArray *c, const Array *array, Text *out) {
    const Initial *initial = &array->initial;
    Element e = element_of(w, c);
    const char *value, *name = symbol_info(w->store, c->symbol)->name;
    const char *stream = arena_format(w->arena,
                                      strchr(e.number, ' ') ? "seed, UINT64_C(0x%" PRIx64 "), (uint64_t)(%s)"
                                                            : "seed, UINT64_C(0x%" PRIx64 "), (uint64_t)%s",
                                      stream_of(name), e.number);
    double span = initial->b - initial->a;
    switch (initial->kind) {
    case INITIAL_UNIFORM:
        w->uniform = true;
        value = arena_format(w->arena, "%s + lequel_rounded(%s * lequel_uniform(%s))", number(w, initial->a),
                             number(w, span), stream);
        break;
    case INITIAL_NORMAL:
        w->normal = true;
        value = arena_format(w->arena, "%s + lequel_rounded(%s * lequel_normal(%s))", number(w, initial->a),
                             number(w, initial->b), stream);
        break;
    case INITIAL_CHANCE:
        w->uniform = true;
        value = arena_format(w->arena, "lequel_uniform(%s) < %s ? 1.0 : 0.0", stream,
                             initial->count > 1 ? arena_format(w->arena, "chance[%s]", e.place)
                                                : number(w, initial->values[0]));
        if (initial->count > 1) draw_table(w, initial, out);
        break;
    default:
        w->below = true;
        value = arena_format(w->arena, "(%s + (double)lequel_below(%s, UINT64_C(%" PRIu64 "))) * %s",
                             number(w, initial->a), stream, (uint64_t)span + 1, number(w, initial->scale));
    }
    value = clamped(w, array, value);
    text_addf(out, "%s%s = %s%s%s%s;\n", e.open, e.at, cast(w, c), *cast(w, c) ? "(" : "", value,
              *cast(w, c) ? ")" : "");
    if (initial->kind == INITIAL_CHANCE && initial->count > 1) text_add(out, "    }\n");
}

// Drawn as the runtime draws it: neuron i of n in sample b has number b*n + i, and numbers come in pairs.
void noise_write(Writer *w, const CArray *noise, Text *out) {
    bool fixed = w->options->fraction > 0, batch = w->options->batch > 1;
    const char *at = element_of(w, noise).at, *blanks = batch ? "        " : "    ";
    text_addf(out,
              "{\n    const uint64_t stream = lequel_child(m->seed, UINT64_C(0x%" PRIx64 "), (uint64_t)m->steps);\n"
              "    %s pair[2] = {0};\n    uint64_t n = 0;\n",
              stream_of(symbol_info(w->store, noise->symbol)->name), fixed ? "int32_t" : "double");
    if (batch) text_addf(out, "    for (int b = 0; b < %s_BATCH; b++)\n", w->upper);
    text_addf(out, "%sfor (int i = 0; i < %" PRId64 "; i++, n++) {\n", blanks, noise->extent[0]);
    text_addf(out, "%s    if (n %% 2 == 0) lequel_%s(m->seed, stream, n / 2, pair);\n", blanks,
              fixed ? "noises" : "normals");
    text_addf(out, "%s    %s = %spair[n %% 2];\n%s}\n}\n", blanks, at,
              noise->real == LOOP_F32 && !fixed ? "(float)" : "", blanks);
}

// One sample's values serve all. Both arrays have the same shape.
static void copy_initial(Writer *w, const CArray *c, const Array *array, Text *out) {
    const CArray *from = &w->arrays.items[w->source->fused->array_of.items[array->initial.source] - 1];
    Element e = element_of(w, c);
    Text source = {0};
    const char *indices = e.at + strlen("m->") + strlen(c->name);
    text_addf(&source, "m->%s%s", from->name, indices);
    if (c->rank > from->rank) source.length -= strlen(strrchr(indices, '[')), source.bytes[source.length] = 0;
    const char *value = arena_atom_z(w->arena, text_z(&source));
    text_free(&source);
    if (array->initial.scale == -1)
        value = arena_format(w->arena, "-%s", value);
    else if (array->initial.scale != 1)
        value = arena_format(w->arena, "%s(%s * %.17g)", w->options->fraction ? "(int32_t)" : cast(w, c), value,
                             array->initial.scale);
    if (array->clamped && w->options->fraction)
        value = arena_format(w->arena, "lequel_min(lequel_max(%s, %s), %s)", value,
                             real_literal(w, c->real, array->low), real_literal(w, c->real, array->high));
    else if (array->clamped)
        value = arena_format(w->arena, "%s%s", cast(w, c), clamped(w, array, value));
    text_addf(out, "%s%s = %s;\n", e.open, e.at, value);
}

static double within(const Array *array, double value) {
    if (!array->clamped) return value;
    return value < array->low ? array->low : value > array->high ? array->high : value;
}

static void fill_given(Writer *w, uint32_t loop, Text *out) {
    const CArray *c = &w->arrays.items[loop];
    int64_t samples = c->batched && !w->source->given_all[loop] ? w->options->batch : 1;
    fill_list(w, c, w->source->given[loop], carray_count(c) / samples, out);
}

// What was derived and not declared begins at zero, unless it was saved.
static void init_derived(Writer *w, Text *out) {
    for (uint32_t i = 0; w->source->given && i < w->arrays.count; i++) {
        const CArray *c = &w->arrays.items[i];
        SymbolRole role = symbol_info(w->store, c->symbol)->role;
        if (c->used && w->source->given[i] && role != ROLE_SCALAR && !model_array(w->source->model, c->symbol))
            fill_given(w, i, out);
    }
}

// A given list has zeros already where a mask that is given, too, leaves elements out.
static bool wants_mask(const Writer *w, const Array *array) {
    const Array *mask = array->mask ? model_array(w->source->model, array->mask) : NULL;
    bool moved = array->clamped && (array->low > 0 || array->high < 0);
    return mask && (moved || mask->initial.kind != INITIAL_CONSTANT || array->initial.kind != INITIAL_CONSTANT);
}

// The elements of a sparse weight that are not there.
static void leave_out(Writer *w, const CArray *c, const Array *array, Text *out) {
    Element e = element_of(w, c);
    if (!wants_mask(w, array)) return;
    const CArray *mask = &w->arrays.items[w->source->fused->array_of.items[array->mask] - 1];
    text_addf(out, "%sif (m->%s%s == 0) %s = 0;\n", e.open, mask->name, e.at + strlen("m->") + strlen(c->name), e.at);
}

static void init_from(Writer *w, const CArray *c, const Array *array, int64_t count, Text *out) {
    const Initial *initial = &array->initial;
    if (initial->kind == INITIAL_COPY) {
        copy_initial(w, c, array, out);
    } else if (initial->kind != INITIAL_CONSTANT) {
        draw(w, c, array, out);
    } else if (initial->count <= 1) {
        fill(w, c, within(array, initial->values[0]), out);
    } else {
        double *values = arena_new_array(w->arena, double, count);
        for (int64_t i = 0; i < count; i++) values[i] = within(array, initial->values[i % (int64_t)initial->count]);
        fill_list(w, c, values, count, out);
    }
    leave_out(w, c, array, out);
}

static void init_array(Writer *w, const Array *array, Text *out) {
    uint32_t loop = w->source->fused->array_of.items[array->symbol] - 1;
    const CArray *c = &w->arrays.items[loop];
    int64_t count = carray_count(c) / (c->batched ? w->options->batch : 1);
    if (!c->used) return;
    if (w->source->given && w->source->given[loop]) {
        fill_given(w, loop, out);
        return;
    }
    init_from(w, c, array, count, out);
    if (array->zero_diagonal)
        text_addf(out, "    for (int i = 0; i < %" PRId64 "; i++) m->%s[i][i] = %s;\n", c->extent[0], c->name,
                  real_literal(w, c->real, 0));
}

// What an array is copied from, or masked by, must be there, used or not.
static void mark_copied(Writer *w) {
    const Model *model = w->source->model;
    for (uint32_t i = model->arrays.count; i-- > 0;) {
        const Array *array = &model->arrays.items[i];
        if (array->initial.kind == INITIAL_COPY &&
            w->arrays.items[w->source->fused->array_of.items[array->symbol] - 1].used)
            w->arrays.items[w->source->fused->array_of.items[array->initial.source] - 1].used = true;
        if (wants_mask(w, array) && w->arrays.items[w->source->fused->array_of.items[array->symbol] - 1].used)
            w->arrays.items[w->source->fused->array_of.items[array->mask] - 1].used = true;
    }
}

void init_write(Writer *w, Text *out) {
    const Model *model = w->source->model;
    mark_copied(w);
    Text body = {0};
    for (uint32_t i = 0; i < model->arrays.count; i++) init_array(w, &model->arrays.items[i], &body);
    init_derived(w, &body);
    for (uint32_t i = 0; i < model->scalars.count; i++) {
        uint32_t loop = w->source->fused->array_of.items[model->scalars.items[i].symbol] - 1;
        double value =
            w->source->given && w->source->given[loop] ? w->source->given[loop][0] : model->scalars.items[i].value;
        if (w->arrays.items[loop].used) fill(w, &w->arrays.items[loop], value, &body);
    }
    const CArray *size = &w->arrays.items[w->source->fused->array_of.items[w->source->batch_size] - 1];
    if (size->used)
        text_addf(&body, w->options->fraction ? "    m->%s = lequel_fixed(%s_BATCH);\n" : "    m->%s = %s_BATCH;\n",
                  size->name, w->upper);
    if (w->source->steps) text_addf(&body, "    m->steps = %" PRId64 ";\n", w->source->steps);
    bool draws = w->noisy || w->uniform || w->normal || w->below;
    if (w->noisy) text_add(&body, "    m->seed = seed;\n");
    text_addf(out, "void %s_init(%s *m, uint64_t seed)\n{\n%s    memset(m, 0, sizeof *m);\n%s}\n\n", w->prefix, w->type,
              draws ? "" : "    (void)seed; /* nothing is drawn */\n", text_z(&body));
    text_free(&body);
}

// ---- Saving ---------------------------------------------------------------------------------------------------------

// Numbers that make up the state: everything but intermediate results.
static bool is_saved(const Writer *w, const CArray *array) {
    return array->used && (!array->hidden || model_array(w->source->model, array->symbol));
}

static uint64_t fingerprint(const Writer *w) {
    Text text = {0};
    text_addf(&text, "%s %" PRId64 "%s\n", w->source->model->name, w->options->batch, w->noisy ? " seed" : "");
    for (uint32_t i = 0; i < w->arrays.count; i++) {
        const CArray *array = &w->arrays.items[i];
        if (is_saved(w, array)) text_addf(&text, "%s %d %" PRId64 "\n", array->shown, array->real, carray_count(array));
    }
    uint64_t hash = stream_of(text_z(&text));
    text_free(&text);
    return hash;
}

// Rows without their padding; an array without padding is one row.
static void save_rows(const Writer *w, const CArray *array, int64_t width, Text *out) {
    int64_t count = carray_count(array), columns = array->rank ? array->extent[array->rank - 1] : 1;
    int64_t rows = array->rank > 1 ? array->extent[array->rank - 2] : 1,
            stride = array->rank ? array->declared[array->rank - 1] : 1;
    int64_t block = stride * (array->rank > 1 ? array->declared[array->rank - 2] : 1);
    if (!in_vectors(w)) rows = 1, columns = count;
    for (int64_t done = 0, number = 0; done < count; done += rows * columns, number++)
        text_addf(out, "    {offsetof(%s, %s) + %" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 "},\n",
                  w->type, array->name, number * block * width, rows, columns, stride, width);
}

void save_write(Writer *w, Text *out) {
    Text parts = {0};
    w->state_bytes = w->noisy ? 32 : 24;
    if (w->noisy) text_addf(&parts, "    {offsetof(%s, seed), 1, 1, 1, 8},\n", w->type);
    for (uint32_t i = 0; i < w->arrays.count; i++) {
        const CArray *array = &w->arrays.items[i];
        if (!is_saved(w, array)) continue;
        int64_t width = element_bytes(w, array);
        w->state_bytes += width * carray_count(array);
        save_rows(w, array, width, &parts);
    }
    text_addf(
        out,
        "/* What a saved state consists of: place, rows, columns, elements from row to row, bytes of an element. */\n"
        "static const struct {\n    size_t place;\n    int32_t rows, columns, stride, width;\n} saved[] = {\n%s};\n\n",
        text_z(&parts));
    text_addf(out, "static const uint64_t fingerprint = UINT64_C(0x%" PRIx64 "); /* of the arrays above */\n\n",
              fingerprint(w));
    text_free(&parts);
}

// ---- The table of arrays --------------------------------------------------------------------------------------------

static bool is_label(const Writer *w, Symbol symbol) {
    for (uint32_t i = 0; i < w->source->model->externals.count; i++)
        if (w->source->model->externals.items[i].symbol == symbol)
            return w->source->model->externals.items[i].kind == EXTERNAL_LABEL;
    return false;
}

static int64_t axis_stride(const CArray *array, uint32_t axis) {
    int64_t stride = 1;
    for (uint32_t k = axis + 1; k < array->rank; k++) stride *= array->declared[k];
    return stride;
}

void table_write(const Writer *w, Text *out) {
    const char *p = w->prefix;
    text_addf(out, "#ifdef %s_TABLE\nconst %sArray %s_arrays[] = {\n", w->upper, w->type, p);
    for (uint32_t i = 0; i < w->arrays.count; i++) {
        const CArray *array = &w->arrays.items[i];
        if (!array->used || array->hidden) continue;
        text_add(out, "    {\"");
        emit_comment(out, array->shown); // as plain as a string must be; names have no quotes
        uint32_t rank = array->rank - (array->batched && w->options->batch > 1);
        text_addf(out, "\", offsetof(%s, %s), %d, %d, %d, %d, %" PRIu32 ", {", w->type, array->name,
                  is_label(w, array->symbol), (int)element_bytes(w, array), w->options->fraction, array->per_sample,
                  rank);
        for (uint32_t k = 0; k < EXPR_MAX_RANK; k++)
            text_addf(out, "%s%" PRId64, k ? ", " : "", k < rank ? array->extent[k] : 1);
        text_add(out, "}, {");
        for (uint32_t k = 0; k < EXPR_MAX_RANK; k++)
            text_addf(out, "%s%" PRId64, k ? ", " : "", k < rank ? axis_stride(array, k) : 0);
        text_add(out, "}},\n");
    }
    text_addf(out,
              "};\nconst int %s_array_count = (int)(sizeof %s_arrays / sizeof *%s_arrays);\nconst size_t %s_size = "
              "sizeof(%s);\n#endif\n",
              p, p, p, p, w->type);
}
