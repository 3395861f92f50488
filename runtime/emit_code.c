// A program as LLVM code, assembly or object file, and the header that says how to call it.
#include "emit.h"
#include "module.h"
#include "program_internal.h"
#include <inttypes.h>
#include <string.h>

// ---- By the code generator ------------------------------------------------------------------------------------------

static bool generate(const Program *p, const char *what, const char *cpu, Text *code, Text *error) {
    const Backend *backend = module_open(error);
    if (!backend) return false;
    BackendOptions options = {.level = 3,
                              .cpu = cpu,
                              .source_name = p->model->name,
                              .want_ir = strcmp(what, "llvm") == 0,
                              .want_assembly = strcmp(what, "asm") == 0,
                              .want_object = true};
    BackendCode *compiled = backend->compile(&p->form[FORM_BATCH].fused->program, &options, error);
    if (!compiled) return false;
    size_t length;
    const char *object = backend->object(compiled, &length);
    if (strcmp(what, "obj") == 0)
        text_add_bytes(code, object, length);
    else
        text_add(code, backend->text(compiled, options.want_assembly));
    backend->dispose(compiled);
    return true;
}

// ---- The header -----------------------------------------------------------------------------------------------------

static void comment(const char *text, Text *out) { // nothing that could end it
    for (const char *c = text; *c; c++) {
        char shown = *c < ' ' || *c > '~' || *c == '*' || *c == '\\' || *c == '?' ? '_' : *c;
        text_add_bytes(out, &shown, 1);
    }
}

static void size_in_c(LoopSize size, Text *out) {
    if (size.fixed || !size.padded) text_addf(out, "%" PRId64, size.fixed);
    if (size.fixed && size.padded) text_add(out, " + ");
    if (size.padded) text_addf(out, "%" PRId64 " * (padded)", size.padded);
}

static void describe_array(const LoopArray *array, uint32_t number, Text *out) {
    text_addf(out, "/* %-3" PRIu32 " ", number);
    comment(array->name, out);
    for (uint32_t k = 0; k < array->rank; k++) text_addf(out, "[%" PRId64 "]", array->extent[k]);
    text_addf(out, "%s: %s */\n#define LEQUEL_ELEMENTS_%" PRIu32 "(padded) (", array->batched ? "[samples]" : "",
              array->real == LOOP_F32 ? "float" : "double", number);
    size_in_c(loop_array_size(array), out);
    text_add(out, ")\n");
    if (!array->rank) return;
    text_addf(out, "#define LEQUEL_STRIDE_%" PRIu32 "(padded) (", number); // of the first axis
    size_in_c(loop_array_stride(array, 0), out);
    text_add(out, ")\n");
}

static void describe_noise(const Program *p, Text *out) {
    const Fused *fused = p->form[FORM_BATCH].fused;
    for (uint32_t i = 0; i < p->model->noises.count; i++) {
        uint32_t number = fused->array_of.items[p->model->noises.items[i]];
        if (!number) continue; // nobody reads it
        text_addf(out, " * Array %" PRIu32 " (", number - 1);
        comment(fused->program.arrays.items[number - 1].name, out);
        text_add(out, ") is noise: fill it with standard normal numbers before each step.\n");
    }
}

static void describe(const Program *p, const char *path, Text *out) {
    const Fused *fused = p->form[FORM_BATCH].fused;
    const LoopProgram *loops = &fused->program;
    const char *slash = strrchr(path, '/');
    text_add(out, "/* How to call the object file that `lequel emit obj` makes of ");
    comment(slash ? slash + 1 : path, out);
    text_add(out, ".\n *\n * Every array is a block of its own that begins on 64 bytes. Rows are padded to 16 "
                  "elements, the axis before to 8;\n"
                  " * LEQUEL_ELEMENTS_n(padded) is the size of array n, LEQUEL_STRIDE_n(padded) the distance of "
                  "elements along its first\n"
                  " * axis, where `padded` is the number of samples rounded up to 16. Samples lie side by side. All "
                  "padding must be zero\n"
                  " * at first, and array ");
    text_addf(out,
              "%" PRIu32
              " (batch.size) hold the number of samples. Compile the object with the same options as this header.\n",
              fused->array_of.items[p->step[ENTRY_TRAIN]->batch_size] - 1);
    describe_noise(p, out);
    text_add(
        out,
        " */\n#ifndef LEQUEL_OBJECT_H\n#define LEQUEL_OBJECT_H\n\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern "
        "\"C\" {\n#endif\n\n"
        "typedef struct LequelArguments {\n    int64_t batch, padded; /* samples; the same rounded up to 16 */\n"
        "    uint64_t active;       /* bit r: learning rule r acts in these steps */\n"
        "    int64_t steps;         /* made by one call; 0: one */\n"
        "    void *none[2];         /* NULL */\n    int64_t counts[2];     /* 0 */\n} LequelArguments;\n\n"
        "/* `arrays` holds the addresses of all arrays, in the order below. */\n");
    for (uint32_t e = 0; e < loops->entries.count; e++)
        text_addf(out,
                  "void lequel_entry_%" PRIu32 "(void *const *arrays, const LequelArguments *arguments); /* %s */\n", e,
                  loops->entries.items[e].name);
    text_addf(out, "\n#define LEQUEL_ARRAYS %" PRIu32 "\n", loops->arrays.count);
    for (uint32_t i = 0; i < loops->arrays.count; i++) describe_array(&loops->arrays.items[i], i, out);
    text_add(out, "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
}

bool emit_code(const Program *p, const char *what, const char *cpu, const char *path, Text *code, Text *error) {
    if (strcmp(what, "header") == 0) return describe(p, path, code), true;
    return generate(p, what, cpu, code, error);
}
