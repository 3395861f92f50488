// Code for elsewhere, from a program made with ProgramOptions.calls.
#ifndef LEQUEL_RUNTIME_EMIT_H
#define LEQUEL_RUNTIME_EMIT_H

#include "program.h"

typedef struct EmitRequest {
    const char *prefix; // NULL: "model"
    const char *weights;
    bool states;              // of that run, too
    const char *const *inits; // NAME=FILE
    uint32_t init_count;
    int64_t batch; // 0: one sample
    bool inference, simd, driver;
    const char *fixed;          // "Q16.16", or NULL
    const char *path, *version; // of the model file, of Lequel
} EmitRequest;

// Writes the files of compiler/emit into a folder. False with a sentence in `error`; then no file was touched, unless
// writing one of them failed. `bytes`: of the struct, of constants. The names of the program's hidden arrays change.
bool emit_to_folder(Program *program, const EmitRequest *request, const char *folder, int64_t bytes[2], Text *error);

// Machine code of a program in another form: "llvm", "asm" or "obj" by the code generator, for the processor `cpu`
// (NULL: this one), or "header", the C that describes it.
bool emit_code(const Program *program, const char *what, const char *cpu, const char *path, Text *code, Text *error);

#endif
