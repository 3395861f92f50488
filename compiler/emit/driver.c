// What stands beside the model on request: a driver, ways to build it, and a description.
#include "../derive/derivation.h"
#include "parts.h"
#include "writer.h"
#include <inttypes.h>
#include <string.h>

static void add(Emitted *emitted, const char *name, Text text) { vec_push(&emitted->files, ((EmitFile){name, text})); }

static const char *flags(const Writer *w) {
    return w->program->deterministic ? "-O3 -ffp-contract=off" : "-O3 -march=native -ffp-contract=fast -fno-math-errno";
}

static const char *word_of(const Writer *w, const char *place) {
    const char *reference = w->options->reference;
    if (strcmp(place, "FLAGS") == 0) return flags(w);
    if (!reference) return "";
    const char *table = arena_format(w->arena, "%s_TABLE", name_upper(w->arena, reference));
    if (strcmp(place, "MORE") == 0) return arena_format(w->arena, " %s.c", reference);
    if (strcmp(place, "MORE_TABLE") == 0) return arena_format(w->arena, " %s", table);
    return arena_format(w->arena, " -D%s %s.c", table, reference);
}

static Text filled(const Writer *w, const char *part) {
    static const char *const places[] = {"FLAGS", "MORE", "MORE_TABLE", "MORE_FLAGS"};
    Text first = {0}, text = {0};
    emit_part(w, part, &first);
    for (const char *c = text_z(&first); *c;) {
        size_t plain = strcspn(c, "@");
        text_add_bytes(&text, c, plain);
        c += plain;
        if (!*c) break;
        size_t length = strcspn(c + 1, "@"), i = 0;
        while (i < 4 && (strlen(places[i]) != length || memcmp(places[i], c + 1, length) != 0)) i++;
        text_add(&text, i < 4 ? word_of(w, places[i]) : "@");
        c += i < 4 ? length + 2 : 1;
    }
    text_free(&first);
    return text;
}

// ---- The description ------------------------------------------------------------------------------------------------

static const char *role_words[] = {
    [ROLE_INPUT] = "input",         [ROLE_PARAMETER] = "parameter", [ROLE_WEIGHT] = "weight", [ROLE_STATE] = "state",
    [ROLE_REGISTER] = "message",    [ROLE_SIGNAL] = "signal",       [ROLE_LEAF] = "signal",   [ROLE_DRIVE] = "signal",
    [ROLE_OPTIMISER] = "optimiser", [ROLE_SCALAR] = "single number"};

static void array_row(const Writer *w, const CArray *array, Text *out) {
    const SymbolInfo *info = symbol_info(w->store, array->symbol);
    const char *role = is_noise(w, array->symbol) ? "noise" : role_words[info->role];
    Text unit = {0};
    unit_print(info->unit, &unit);
    text_addf(out, "| `%s` | `", array->name);
    emit_comment(out, array->shown);
    text_add(out, "` | ");
    for (uint32_t k = 0; k < array->rank; k++) text_addf(out, "[%" PRId64 "]", array->extent[k]);
    text_addf(out, "%s | %s | %s |\n", array->rank ? "" : "one number", text_z(&unit), role);
    text_free(&unit);
}

static void describe_arrays(const Writer *w, Text *out) {
    text_add(out, "## Arrays\n\n| member | in the model | shape | unit | is |\n| --- | --- | --- | --- | --- |\n");
    for (uint32_t i = 0; i < w->arrays.count; i++)
        if (w->arrays.items[i].used && !w->arrays.items[i].hidden) array_row(w, &w->arrays.items[i], out);
    text_add(out, w->options->batch > 1
                      ? "\nThe last axis of an array with one value per sample is that of the samples.\n\n"
                      : "\n");
}

static void describe_use(const Writer *w, Text *out) {
    const char *p = w->prefix;
    text_addf(out, "## Use\n\n```c\n#include \"%s.h\"\n\nstatic %s m;\n\n%s_init(&m, 0);\nfor (;;) {\n", p, w->type, p);
    for (uint32_t i = 0; i < w->arrays.count; i++)
        if (w->arrays.items[i].used && symbol_info(w->store, w->arrays.items[i].symbol)->role == ROLE_INPUT &&
            !is_noise(w, w->arrays.items[i].symbol))
            text_addf(out, "    /* set m.%s */\n", w->arrays.items[i].name);
    text_addf(out, "    %s_%s(&m);\n}\n```\n\n", p, w->options->inference ? "evaluate" : "step");
    text_addf(
        out,
        "`make` builds the driver `%s`, which steps the model on tables of inputs; `./%s` alone says how it is used.\n"
        "`cmake` builds it too, and a library `%s_lib`.\n\n",
        p, p, p);
    if (in_vectors(w))
        text_add(out, "Rows are padded, and every array begins on 64 bytes: so must the struct, as static memory does, "
                      "or `aligned_alloc(64, ...)`.\n\n");
}

static void describe_noise(const Writer *w, Text *out) {
    if (!w->noisy) return;
    text_addf(out,
              "## Noise\n\nEvery step draws its noise anew, learning or not. Each number follows from the seed that "
              "`%s_init` was "
              "given, from the\nnumber of steps done, `m.steps`, and from its place; both are in the struct and in a "
              "saved state, which "
              "therefore goes on\nwith the noise that would have come. They are the numbers that `lequel run` draws "
              "with the same "
              "`--seed`%s.\n\n",
              w->prefix, w->options->fraction ? ", in fixed point" : "");
}

static void describe_bits(const Writer *w, Text *out) {
    text_add(out, "## Bits\n\n");
    if (w->program->deterministic)
        text_add(out, "This code computes the same bits as `lequel run --deterministic`, whatever the compiler, the "
                      "processor and the "
                      "optimisation, as long as\nit is compiled with `-ffp-contract=off` and without `-ffast-math` or "
                      "`-Ofast`, and floating point is IEEE 754 "
                      "(not the x87).\n\n");
    else
        text_add(out, "This code computes what `lequel run` computes, up to rounding: multiplications and additions "
                      "may be fused, and sums "
                      "have another\norder. Do not compile it with `-ffast-math` or `-Ofast`: the functions of one "
                      "number rely on IEEE rules. Written with\n"
                      "`--deterministic`, it computes the same bits as `lequel run --deterministic`.\n\n");
    text_add(out, "`-DLEQUEL_LIBM=0` does without a C library's square root; nothing else of a C library is used but "
                  "`memcpy` and `memset`.\n\n");
}

static Text description(const Writer *w) {
    Text text = {0};
    const char *slash = strrchr(w->source->path, '/');
    text_add(&text, "# ");
    emit_comment(&text, w->source->model->name);
    text_addf(&text, "\n\nA neural model as C99%s, written by Lequel %s from `",
              in_vectors(w) ? " with the vector extensions of gcc and clang" : "", w->source->version);
    emit_comment(&text, slash ? slash + 1 : w->source->path);
    text_addf(&text,
              "`: `%s.h` and `%s.c` are the model%s, in %s, for %" PRId64
              " sample%s at a time.\nNothing is allocated, nothing is "
              "global, and nothing but the standard library is needed.\n\n",
              w->prefix, w->prefix, w->options->inference ? " without learning" : " with its learning rule",
              w->program->real == LOOP_F32 ? "single precision" : "double precision", w->options->batch,
              w->options->batch == 1 ? "" : "s");
    describe_use(w, &text);
    describe_arrays(w, &text);
    describe_noise(w, &text);
    describe_bits(w, &text);
    text_add(&text, "## Equations\n\nThe derivation from the energy, by `lequel derive`. The functions of the source "
                    "repeat these equations where "
                    "they\ncompute them.\n\n```\n");
    Text derivation = {0};
    derivation_print(w->source->equations, w->source->step, NULL, EXPR_TEXT, &derivation);
    for (const char *c = text_z(&derivation); *c;) { // line by line: no line may end the block
        size_t length = strcspn(c, "\n");
        emit_comment(&text, arena_format(w->arena, "%.*s", (int)length, c));
        text_add(&text, "\n");
        c += length + (c[length] == '\n');
    }
    text_free(&derivation);
    text_add(&text, "```\n");
    return text;
}

static bool starts(const char *line, const char *with) { return strncmp(line, with, strlen(with)) == 0; }

// Drops what only one kind of model has a use for: the parts that depend on a macro that is not defined.
static void without(Text *driver, const char *macro) {
    Text kept = {0};
    uint32_t depth = 0; // of conditions inside one on the macro, that one included
    bool other = false;
    for (const char *c = text_z(driver); *c;) {
        size_t length = strcspn(c, "\n") + 1;
        const char *at = strstr(c, macro);
        bool begins = !depth && starts(c, "#ifdef ") && at && (size_t)(at - c) < length;
        if (begins || (depth && starts(c, "#if"))) depth++;
        bool turns = depth == 1 && starts(c, "#else"), ends = depth == 1 && starts(c, "#endif");
        other |= turns;
        if (!depth || (other && !turns && !ends)) text_add_bytes(&kept, c, length);
        if (depth && starts(c, "#endif")) depth--;
        if (!depth) other = false;
        c += length;
    }
    text_free(driver);
    *driver = kept;
}

void driver_write(Writer *w, Emitted *emitted) {
    Text driver = filled(w, part_main_text);
    if (!w->options->reference) without(&driver, "_REFERENCE");
    if (!w->options->inference) without(&driver, "_INFERENCE");
    add(emitted, "main.c", driver);
    add(emitted, "Makefile", filled(w, part_makefile_text));
    add(emitted, "CMakeLists.txt", filled(w, part_cmake_text));
    add(emitted, "README.md", description(w));
}
