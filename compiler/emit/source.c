// model.h and model.c as a whole.
#include "parts.h"
#include "writer.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct Function {    // of the emitted code: what one or more calls do
    const char *name, *text; // the text with marks for the name
} Function;

typedef struct Source {
    Writer w;
    NameSet names; // at file scope
    Vec(Function) functions;
    Text functions_text, draws, steps_text;
} Source;

static const char *type_name(Arena *arena, const char *prefix) {
    char first = prefix[0] >= 'a' && prefix[0] <= 'z' ? (char)(prefix[0] - 'a' + 'A') : prefix[0];
    const char *type = arena_format(arena, "%c%s", first, *prefix ? prefix + 1 : "");
    return strcmp(type, prefix) == 0 ? arena_format(arena, "%sModel", prefix) : type;
}

void emit_part(const Writer *w, const char *part, Text *out) {
    for (const char *c = part; *c;) {
        size_t plain = strcspn(c, "@");
        text_add_bytes(out, c, plain);
        c += plain;
        if (!*c) return;
        const char *reference = w->options->reference ? w->options->reference : "";
        const char *word = c[1] == 'p' ? w->prefix : c[1] == 'T' ? w->type : c[1] == 'P' ? w->upper : reference;
        if (c[1] == 'R') word = type_name(w->arena, reference);
        bool place = c[1] && strchr("pTPrR", c[1]) && c[2] == '@';
        if (place)
            text_add(out, word);
        else
            text_add(out, "@");
        c += place ? 3 : 1;
    }
}

// ---- Functions ------------------------------------------------------------------------------------------------------

// What a function is called after: the error or state among the things it computes, else the first that has a name.
enum { RANK_HIDDEN = 1, RANK_SIGNAL, RANK_STATE, RANK_LEARNED, RANK_ERROR };

static int rank_of(const Writer *w, Symbol symbol) {
    const SymbolInfo *info = symbol_info(w->store, symbol);
    for (uint32_t i = 0; i < w->source->equations->neurons.count; i++)
        if (w->source->equations->neurons.items[i].error == symbol ||
            w->source->equations->neurons.items[i].state == symbol)
            return RANK_ERROR;
    if (info->role == ROLE_WEIGHT || info->role == ROLE_PARAMETER) return RANK_LEARNED;
    if (info->hidden) return RANK_HIDDEN;
    return info->role == ROLE_STATE || info->role == ROLE_REGISTER ? RANK_STATE : RANK_SIGNAL;
}

// Whether a call stores what a note is about.
static bool is_stored(const Writer *w, const FusedNote *note, uint32_t entry, uint32_t call) {
    const Fused *fused = w->source->fused;
    return note->entry == entry && note->call == call && note->symbol < fused->array_of.count &&
           fused->array_of.items[note->symbol];
}

// The first that was declared, of those that stand highest; 0 for none.
static Symbol subject_of(const Writer *w, uint32_t entry, uint32_t call) {
    const Fused *fused = w->source->fused;
    Symbol best = 0;
    int best_rank = 0;
    for (uint32_t i = 0; i < fused->notes.count; i++) {
        const FusedNote *note = &fused->notes.items[i];
        if (!is_stored(w, note, entry, call)) continue;
        int rank = rank_of(w, note->symbol);
        bool earlier = rank == best_rank && rank == RANK_STATE && note->symbol < best;
        if (rank > best_rank || earlier) best_rank = rank, best = note->symbol;
    }
    return best;
}

// sum_w1_W_h_r: of a sweep that makes only sums. One that sums along rows and down columns is sums_w1_W.
static const char *sums_name(const Writer *w, const LoopCall *call) {
    const LoopKernel *kernel = &w->program->kernels.items[call->kernel];
    bool down = kernel->sums.items[0].down;
    const char *matrix = "", *vector = NULL;
    for (uint32_t a = kernel->accesses.count; a-- > 0;) {
        const CArray *array = &w->arrays.items[call->array[kernel->accesses.items[a].argument]];
        bool summed = call->stride[a * LOOP_MAX_AXES + !down].fixed != 0;
        if (array->rank == 2) matrix = array->name;
        if (array->rank == 1 && summed) vector = array->name;
    }
    if (kernel->sums.count > 1 || !vector) return arena_format(w->arena, "sums_%s", matrix);
    return arena_format(w->arena, "%s_%s_%s", down ? "sum_back" : "sum", matrix, vector);
}

// update_h_u; what only serves another function is called after what it does: sum_w1_W_h_r is w1.W times h.r,
// sum_back_w1_W_out_error the transposed w1.W times out.error.
static const char *function_name(const Writer *w, uint32_t entry, uint32_t number, bool training) {
    const LoopCall *call = &w->program->entries.items[entry].calls.items[number];
    LoopKernelKind kind = w->program->kernels.items[call->kernel].kind;
    Symbol subject = subject_of(w, entry, number);
    bool serves = !subject || rank_of(w, subject) == RANK_HIDDEN;
    if (serves && (kind == LOOP_PRODUCT || kind == LOOP_OUTER)) {
        const CArray *a = &w->arrays.items[call->array[1]], *b = &w->arrays.items[call->array[2]];
        const LoopArray *matrix = &w->program->arrays.items[call->array[1]];
        bool back = kind == LOOP_PRODUCT && call->stride[0].fixed != loop_array_stride(matrix, 0).fixed;
        return arena_format(w->arena, "%s_%s_%s",
                            kind == LOOP_OUTER ? "multiply"
                            : back             ? "sum_back"
                                               : "sum",
                            a->name, b->name);
    }
    if (kind == LOOP_SWEEP && !w->program->kernels.items[call->kernel].stores.count) return sums_name(w, call);
    return arena_format(w->arena, "%s_%s", training ? "update" : "evaluate",
                        subject ? symbol_info(w->store, subject)->name : "part");
}

// What a call leaves for all to read, for the comment beside it, if that is more than its name says.
static void results_write(const Writer *w, uint32_t entry, uint32_t call, Text *out) {
    const Fused *fused = w->source->fused;
    Text names = {0};
    int count = 0;
    for (uint32_t i = 0; i < fused->notes.count; i++) {
        const FusedNote *note = &fused->notes.items[i];
        if (!is_stored(w, note, entry, call) || symbol_info(w->store, note->symbol)->hidden) continue;
        text_add(&names, count++ ? ", " : "");
        emit_comment(&names, symbol_info(w->store, note->symbol)->name);
    }
    if (count > 1) text_addf(out, " /* %s */", text_z(&names));
    text_free(&names);
}

static void add_named(Text *out, const char *text, const char *name) {
    for (const char *mark; (mark = strstr(text, NAME_MARK)); text = mark + strlen(NAME_MARK)) {
        text_add_bytes(out, text, (size_t)(mark - text));
        text_add(out, name);
    }
    text_add(out, text);
}

// A function that does exactly this already, or a new one.
static const char *function_of(Source *s, uint32_t entry, uint32_t call, bool training) {
    Writer *w = &s->w;
    Text comment = {0}, before = {0}, body = {0}, text = {0};
    emit_equations(w, entry, call, &comment);
    call_write(w, entry, call, &before, &body);
    text_addf(&text, "%s%sstatic void " NAME_MARK "(%s *m)\n%s\n", text_z(&comment), text_z(&before), w->type,
              text_z(&body));
    const char *name = NULL;
    for (uint32_t i = 0; i < s->functions.count && !name; i++)
        if (strcmp(s->functions.items[i].text, text_z(&text)) == 0) name = s->functions.items[i].name;
    if (!name) {
        name = name_make(&s->names, function_name(w, entry, call, training));
        vec_push(&s->functions, ((Function){name, arena_atom_z(w->arena, text_z(&text))}));
        add_named(&s->functions_text, text_z(&text), name);
    }
    text_free(&comment);
    text_free(&before);
    text_free(&body);
    text_free(&text);
    return name;
}

// ---- Noise ----------------------------------------------------------------------------------------------------------

static const char *draw_of(Source *s, const CArray *noise) {
    Writer *w = &s->w;
    const SymbolInfo *info = symbol_info(w->store, noise->symbol);
    const char *name = name_make(&s->names, arena_format(w->arena, "draw_%s", info->name)),
               *place = emit_place(w, info->span);
    text_addf(&s->functions_text, "/* From %s:\n *   ", *place ? place : "the compiler");
    emit_comment(&s->functions_text, noise->shown);
    text_addf(&s->functions_text,
              "[i, b] = a standard normal number of its own for each neuron and sample, which follows from the seed\n"
              " *   and the number of the step\n */\nstatic void %s(%s *m)\n",
              name, w->type);
    noise_write(w, noise, &s->functions_text);
    text_add(&s->functions_text, "\n");
    return name;
}

// Calls of what draws all noise of a step.
static void draws_write(Source *s) {
    Writer *w = &s->w;
    for (uint32_t i = 0; i < w->arrays.count; i++) {
        const CArray *noise = &w->arrays.items[i];
        if (noise->used && is_noise(w, noise->symbol)) text_addf(&s->draws, "    %s(m);\n", draw_of(s, noise));
    }
}

// ---- Steps ----------------------------------------------------------------------------------------------------------

static bool always_learns(const Writer *w, uint32_t rule) {
    const LearnRule *learn = &w->source->model->learn.items[rule];
    return learn->from <= 0 && learn->until == INT64_MAX;
}

static void write_rule(const Writer *w, uint32_t number, Text *out) {
    const LearnRule *rule = &w->source->model->learn.items[number];
    text_addf(out, "    const int learns_%" PRIu32 " = ", number + 1);
    if (rule->from > 0) text_addf(out, "m->steps >= %" PRId64, rule->from);
    if (rule->until < INT64_MAX) text_addf(out, "%sm->steps < %" PRId64, rule->from > 0 ? " && " : "", rule->until);
    if (always_learns(w, number)) text_add(out, "1");
    text_add(out, "; /* ");
    for (uint32_t i = 0; i < rule->targets.count && i < 4; i++) {
        text_add(out, i ? ", " : "");
        emit_comment(out, symbol_info(w->store, rule->targets.items[i])->name);
    }
    text_add(out, rule->targets.count > 4 ? ", ... by " : " by ");
    emit_comment(out, rule->written_out ? "a plasticity of its own" : rule->optimiser);
    const char *place = emit_place(w, rule->span);
    text_addf(out, "%s%s */\n", *place ? ", " : "", place);
}

static uint64_t guards_of(const LoopEntry *entry) {
    uint64_t guards = 0;
    for (uint32_t c = 0; c < entry->calls.count; c++)
        if (entry->calls.items[c].guard) guards |= UINT64_C(1) << (entry->calls.items[c].guard - 1);
    return guards;
}

static void write_entry(Source *s, uint32_t number, const char *function) {
    const LoopEntry *entry = &s->w.program->entries.items[number];
    bool training = strcmp(entry->name, "train") == 0;
    uint64_t guards = guards_of(entry);
    bool flushes = in_vectors(&s->w) && !s->w.program->deterministic;
    text_addf(&s->steps_text, "void %s_%s(%s *m)\n{\n%s", s->w.prefix, function, s->w.type,
              flushes ? "    LEQUEL_FLUSH_BEGIN\n" : "");
    for (uint32_t g = 0; g < 64; g++)
        if (guards >> g & 1) write_rule(&s->w, g, &s->steps_text);
    text_add(&s->steps_text, text_z(&s->draws));
    for (uint32_t c = 0; c < entry->calls.count; c++) {
        const LoopCall *call = &entry->calls.items[c];
        if (call_is_empty(&s->w, call) || (call->unless && always_learns(&s->w, call->guard - 1))) continue;
        text_add(&s->steps_text, "    ");
        if (call->guard) text_addf(&s->steps_text, "if (%slearns_%" PRIu32 ") ", call->unless ? "!" : "", call->guard);
        text_addf(&s->steps_text, "%s(m);", function_of(s, number, c, training));
        results_write(&s->w, number, c, &s->steps_text);
        text_add(&s->steps_text, "\n");
    }
    text_addf(&s->steps_text, "    m->steps++;\n%s}\n\n", flushes ? "    LEQUEL_FLUSH_END\n" : "");
}

// ---- Inputs, cost ---------------------------------------------------------------------------------------------------

static const CArray *array_of(const Writer *w, Symbol symbol) {
    uint32_t number = symbol < w->source->fused->array_of.count ? w->source->fused->array_of.items[symbol] : 0;
    return number && w->arrays.items[number - 1].used ? &w->arrays.items[number - 1] : NULL;
}

static void run_signature(const Writer *w, Text *out) {
    text_addf(out, "void %s_run(%s *m, int64_t steps", w->prefix, w->type);
    if (!w->options->inference) text_add(out, ", int learn");
    for (uint32_t i = 0; i < w->source->model->externals.count; i++) {
        const CArray *array = array_of(w, w->source->model->externals.items[i].symbol);
        if (array) text_addf(out, ", const %s_real *%s", w->prefix, array->name);
    }
    text_add(out, ")");
}

static void run_write(const Writer *w, Text *out) {
    run_signature(w, out);
    text_add(out, "\n{\n    for (int64_t n = 0; n < steps; n++) {\n");
    for (uint32_t i = 0; i < w->source->model->externals.count; i++) {
        const CArray *array = array_of(w, w->source->model->externals.items[i].symbol);
        if (!array) continue;
        int64_t size = carray_count(array) / w->options->batch;
        text_addf(out, "        for (int i = 0; %s && i < %" PRId64 "; i++)", array->name, size);
        if (w->options->batch == 1)
            text_addf(out, " m->%s[i] = *%s++;\n", array->name, array->name);
        else
            text_addf(out,
                      "\n            for (int b = 0; b < %s_BATCH; b++) m->%s[i][b] = %s[(n * %s_BATCH + b) * %" PRId64
                      " + i];\n",
                      w->upper, array->name, array->name, w->upper, size);
    }
    if (w->options->inference)
        text_addf(out, "        %s_evaluate(m);\n", w->prefix);
    else
        text_addf(out, "        if (learn) %s_step(m);\n        else %s_evaluate(m);\n", w->prefix, w->prefix);
    text_add(out, "    }\n}\n\n");
}

static void cost_write(const Writer *w, Text *out) {
    const CArray *cost = w->source->cost ? array_of(w, w->source->cost) : NULL;
    if (!cost) return;
    text_addf(out, "double %s_cost(const %s *m)\n{\n", w->prefix, w->type);
    if (w->options->batch == 1)
        text_addf(out, "    return %sm->%s%s;\n}\n\n", w->options->fraction ? "LEQUEL_VALUE(" : "", cost->name,
                  w->options->fraction ? ")" : "");
    else
        text_addf(out,
                  "    double sum = 0;\n    for (int b = 0; b < %s_BATCH; b++) sum += %sm->%s[b]%s;\n    return sum / "
                  "%s_BATCH;\n}\n\n",
                  w->upper, w->options->fraction ? "LEQUEL_VALUE(" : "", cost->name, w->options->fraction ? ")" : "",
                  w->upper);
}

// ---- The header -----------------------------------------------------------------------------------------------------

static void title(const Writer *w, const char *what, Text *out) {
    const char *slash = strrchr(w->source->path, '/');
    text_add(out, "/* ");
    emit_comment(out, w->source->model->name);
    text_addf(out, ": %s. Written by Lequel %s from ", what, w->source->version);
    emit_comment(out, slash ? slash + 1 : w->source->path);
    text_add(out, ".\n");
}

static void declare_functions(const Writer *w, Text *out) {
    const char *p = w->prefix, *t = w->type;
    text_addf(
        out,
        "/* A network in its initial state, drawn from `seed`: the same numbers as `lequel run --seed` draws%s. */\n"
        "void %s_init(%s *m, uint64_t seed);\n\n",
        w->noisy ? ",\n * and later the same noise" : "", p, t);
    if (!w->options->inference)
        text_addf(out, "/* One time step with errors and learning. */\nvoid %s_step(%s *m);\n\n", p, t);
    text_addf(out, "/* One time step of states, rates and the cost only. */\nvoid %s_evaluate(%s *m);\n\n", p, t);
    text_add(out, "/* Many steps. Each array is read as [steps][samples][its own shape]; one that is NULL keeps its "
                  "values. */\n");
    run_signature(w, out);
    text_add(out, ";\n\n");
    if (w->source->cost && array_of(w, w->source->cost))
        text_addf(out, "/* Of the last step, the mean over samples. */\ndouble %s_cost(const %s *m);\n\n", p, t);
    text_addf(out,
              "/* The whole state as bytes that mean the same on every machine: %s_STATE_BYTES of them, which is "
              "returned. */\n"
              "size_t %s_save(const %s *m, unsigned char *bytes);\n\n",
              w->upper, p, t);
    text_addf(out,
              "/* 0, or -1 when the bytes are no state of this very model; then `m` is as it was. */\n"
              "int %s_load(%s *m, const unsigned char *bytes, size_t length);\n\n",
              p, t);
    text_addf(out,
              "#ifdef %s_TABLE /* all arrays that have a name in the model, for drivers and debuggers */\n"
              "typedef struct %sArray {\n    const char *name;\n    size_t place; /* in the struct */\n"
              "    int label;    /* classes, one-hot */\n    int bytes;    /* of an element: 4 float, 8 double */\n    "
              "int fraction; /* of a fixed-point number, bits behind the point; else 0 */\n    "
              "int batched;  /* the samples are the last "
              "axis */\n"
              "    int rank;     /* without the batch */\n    int extent[%d], stride[%d]; /* in elements; samples "
              "are next to each other */\n} %sArray;\nextern const %sArray "
              "%s_arrays[];\n"
              "extern const int %s_array_count;\nextern const size_t %s_size; /* of the struct */\n#endif\n\n",
              w->upper, t, EXPR_MAX_RANK, EXPR_MAX_RANK, t, t, p, p, p);
}

static void header_write(Writer *w, Text *out) {
    title(w, "a neural model as a struct and the functions that step it", out);
    text_addf(
        out,
        " *\n * Nothing is allocated, nothing is global. A %s is large: make it static or allocate it, not a local.\n",
        w->type);
    text_add(out, w->options->batch > 1
                      ? " * Arrays with one value per sample have the samples as their last axis.\n */\n"
                      : " */\n");
    text_addf(out,
              "#ifndef %s_H\n#define %s_H\n\n#include <stddef.h>\n#include <stdint.h>\n%s\n#ifdef __cplusplus\nextern "
              "\"C\" {\n#endif\n\n",
              w->upper, w->upper,
              w->options->fraction ? arena_format(w->arena, "#include \"%s_fixed.h\"\n", w->prefix) : "");
    if (w->options->fraction && w->options->reference)
        text_addf(out, "#define %s_REFERENCE \"%s.h\" /* the same model in double */\n", w->upper,
                  w->options->reference);
    if (w->options->inference) text_addf(out, "#define %s_INFERENCE 1 /* without errors and learning */\n", w->upper);
    text_addf(out, "#define %s_BATCH %" PRId64 " /* samples that are computed together */\n", w->upper,
              w->options->batch);
    text_addf(out, "#define %s_STATE_BYTES %" PRId64 " /* of a saved state */\n#define %s_DT ", w->upper,
              w->state_bytes, w->upper);
    text_add_number(out, w->source->model->dt);
    text_addf(out, " /* a time step%s */\n\ntypedef %s %s_real;\n\n",
              unit_is_none(w->source->model->time_unit) ? "" : ", in ms", number_type(w, w->program->real), w->prefix);
    struct_write(w, out);
    text_add(out, "\n");
    declare_functions(w, out);
    text_add(out, "#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
}

// ---- The source -----------------------------------------------------------------------------------------------------

static const char rounded_text[] =
    "/* Keeps a product from being fused with what is added to it: the same bits from every compiler. */\n"
    "static double lequel_rounded(double x)\n{\n    volatile double rounded = x;\n"
    "    return rounded;\n}\n\n";
static const char clamped_text[] = "static double lequel_clamped(double x, double low, double high)\n{\n"
                                   "    return x < low ? low : x > high ? high : x;\n}\n\n";

static void source_comment(const Source *s, Text *out) {
    const Writer *w = &s->w;
    title(w, "the model", out);
    text_add(out, " *\n * Each function does one part of a step and says which equations it computes, where in the "
                  "model file they come\n"
                  " * from, and which derived equation stands behind them. There x is the value before this step, x' "
                  "that of this\n"
                  " * step, b the sample; ahead(x, tau) is x + tau*dx/dt, lowpass(x, tau) its inverse, d(x) the rate "
                  "of x.\n *\n"
                  " * Functions are called after what they compute: update_h_error computes the error of population h, "
                  "update_w1_W\n"
                  " * the new weights of connection w1; sum_... and multiply_... are products of a matrix and a vector "
                  "and of two\n"
                  " * vectors that such a function needs. The steps further down call them in their order.\n *\n");
    text_add(
        out,
        w->program->deterministic
            ? " * The same bits everywhere: compile with -ffp-contract=off and without -ffast-math.\n */\n"
            : " * Compile with -O3 -ffp-contract=fast for speed; -ffast-math would break the functions below.\n */\n");
}

static void includes(const Source *s, bool root, Text *out) {
    const Writer *w = &s->w;
    text_addf(out, "#include \"%s.h\"\n#include <string.h>\n\n", w->prefix);
    if (w->program->deterministic)
        text_add(out, "#if defined(__STDC_VERSION__) && !defined(__GNUC__)\n#pragma STDC FP_CONTRACT OFF\n#endif\n\n");
    if (w->options->fraction) text_add(out, "#define LEQUEL_LIBM 0 /* no floating point but for first values */\n\n");
    if (!root || w->options->fraction) return;
    text_add(out, "#ifndef LEQUEL_LIBM /* whether there is a C library with a square root */\n#define LEQUEL_LIBM "
                  "__STDC_HOSTED__\n#endif\n"
                  "#if LEQUEL_LIBM\n#include <math.h>\n#endif\n\n");
}

// For first values or, unless these are integers, for noise.
static bool draws_normals(const Writer *w) { return w->normal || (w->noisy && !w->options->fraction); }

// The square root of a normal number is that of doubles, whatever the model's numbers.
static void normal_write(const Writer *w, Text *out) {
    const char *root = "lequel_sqrt(", *at = strstr(part_normal_text, root);
    if (!w->options->fraction || !at) {
        text_add(out, part_normal_text);
        return;
    }
    text_add_bytes(out, part_normal_text, (size_t)(at - part_normal_text));
    text_addf(out, "lequel_sqrt_exact(%s", at + strlen(root));
}

// What first values and noise need, and no more: compilers complain of functions that nobody calls.
static void random_write(const Writer *w, const char *init, Text *out) {
    if (w->uniform || w->normal || w->below || w->noisy) text_addf(out, "%s\n", part_random_text);
    if (w->uniform || draws_normals(w)) text_add(out, rounded_text);
    if (w->uniform) text_addf(out, "%s\n", part_uniform_text);
    if (w->below) text_addf(out, "%s\n", part_below_text);
    if (draws_normals(w)) normal_write(w, out), text_add(out, "\n");
    if (w->normal) text_addf(out, "%s\n", part_normal_one_text);
    if (w->noisy) text_addf(out, "%s\n", part_child_text);
    if (w->noisy && w->options->fraction) text_addf(out, "%s\n", part_noise_text);
    if (strstr(init, "lequel_clamped(")) text_add(out, clamped_text);
}

static void source_write(Source *s, Text *out) {
    Writer *w = &s->w;
    Text init = {0}, save = {0}, helpers = {0};
    init_write(w, &init);
    bool fixed = w->options->fraction > 0;
    if (draws_normals(w) && !fixed) need(w, LOOP_F64, HELPER_SQRT);
    save_write(w, &save);
    helpers_write(w, &helpers);
    bool root = w->helpers[LOOP_F32][HELPER_SQRT] || w->helpers[LOOP_F64][HELPER_SQRT];
    source_comment(s, out);
    includes(s, root, out);
    if (helpers.length)
        text_add(out, "/* ---- Functions of one number "
                      "-------------------------------------------------------------------------------- */\n\n");
    if (root || (fixed && w->normal)) text_addf(out, "%s\n", part_sqrt_text);
    text_add(out, text_z(&helpers));
    random_write(w, text_z(&init), out);
    text_add(out, text_z(&init));
    text_add(out, "/* ---- The parts of a step "
                  "------------------------------------------------------------------------------------ */\n\n");
    text_add(out, text_z(&s->functions_text));
    text_add(
        out,
        "/* ---- Steps "
        "-------------------------------------------------------------------------------------------------- */\n\n");
    text_add(out, text_z(&s->steps_text));
    run_write(w, out);
    cost_write(w, out);
    text_add(
        out,
        "/* ---- Saving "
        "------------------------------------------------------------------------------------------------- */\n\n");
    text_add(out, text_z(&save));
    emit_part(w, part_save_text, out);
    text_add(out, "\n");
    table_write(w, out);
    text_free(&init);
    text_free(&save);
    text_free(&helpers);
}

// ---- All of it ------------------------------------------------------------------------------------------------------

static bool entries_write(Source *s) {
    const LoopProgram *program = s->w.program;
    for (uint32_t e = 0; e < program->entries.count; e++) {
        const char *name = program->entries.items[e].name;
        bool trains = strcmp(name, "train") == 0, evaluates = strcmp(name, "evaluate") == 0;
        if (!trains && !evaluates) {
            text_addf(s->w.error, "a program with an entry `%s` cannot be written in C yet", name);
            return false;
        }
        if (evaluates || !s->w.options->inference) write_entry(s, e, trains ? "step" : "evaluate");
    }
    return !s->w.error->length;
}

static void take_names(Source *s) {
    static const char *const functions[] = {"init", "step",   "evaluate",    "run",  "cost", "save",
                                            "load", "arrays", "array_count", "size", "real"};
    Writer *w = &s->w;
    w->type = type_name(w->arena, w->prefix);
    w->upper = name_upper(w->arena, w->prefix);
    if (strcmp(w->upper, w->prefix) == 0 || strcmp(w->upper, w->type) == 0)
        w->upper = arena_format(w->arena, "%s_C", w->upper);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        vec_push(&s->names.taken, arena_format(w->arena, "%s_%s", w->prefix, functions[i]));
}

static void add_file(Emitted *emitted, const char *name, Text text) {
    vec_push(&emitted->files, ((EmitFile){name, text}));
}

static void fixed_write(const Writer *w, Emitted *emitted) {
    Text first = {0}, text = {0};
    emit_part(w, part_fixed_text, &first);
    for (const char *c = text_z(&first); *c;) {
        const char *place = strstr(c, "@F@");
        text_add_bytes(&text, c, place ? (size_t)(place - c) : strlen(c));
        if (!place) break;
        text_addf(&text, "%d", w->options->fraction);
        c = place + strlen("@F@");
    }
    text_free(&first);
    add_file(emitted, arena_format(emitted->arena, "%s_fixed.h", w->prefix), text);
}

bool emit_c(const EmitSource *source, const EmitOptions *options, Emitted *emitted, Text *error) {
    *emitted = (Emitted){.arena = arena_new()};
    Source s = {.w = {.source = source,
                      .options = options,
                      .program = &source->fused->program,
                      .store = source->model->store,
                      .arena = emitted->arena,
                      .error = error,
                      .prefix = options->prefix}};
    s.names.arena = emitted->arena;
    take_names(&s);
    bool good = arrays_plan(&s.w);
    if (good) draws_write(&s);
    good = good && entries_write(&s);
    if (good) {
        Text header = {0}, code = {0};
        source_write(&s, &code);
        header_write(&s.w, &header);
        add_file(emitted, arena_format(emitted->arena, "%s.h", options->prefix), header);
        add_file(emitted, arena_format(emitted->arena, "%s.c", options->prefix), code);
        if (options->fraction) fixed_write(&s.w, emitted);
        if (options->driver) driver_write(&s.w, emitted);
        emitted->bytes = s.w.struct_bytes;
        emitted->constant_bytes = s.w.constant_bytes;
        good = !error->length;
    }
    name_set_free(&s.names);
    vec_free(&s.functions);
    text_free(&s.functions_text);
    text_free(&s.draws);
    text_free(&s.steps_text);
    vec_free(&s.w.arrays);
    return good;
}

void emitted_free(Emitted *emitted) {
    for (uint32_t i = 0; i < emitted->files.count; i++) text_free(&emitted->files.items[i].text);
    vec_free(&emitted->files);
    if (emitted->arena) arena_free(emitted->arena);
    *emitted = (Emitted){0};
}
