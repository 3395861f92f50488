// Machine code of a program: from the cache, or compiled, linked and stored there.
#ifndef LEQUEL_CODE_H
#define LEQUEL_CODE_H

#include "../compiler/loops/backend.h"
#include "image.h"

typedef struct CodeOptions {
    int level; // of optimisation
    const char *source_name;
    bool want_ir, want_assembly; // such a text is added to `text`; then the cache is not asked
    const char *cache;           // its folder; NULL or "": none
} CodeOptions;

typedef struct CodeTimes { // seconds
    double cache, open, build, passes, codegen, link;
} CodeTimes;

typedef struct Code {
    LoopFunction *entry[IMAGE_MOST_ENTRIES];
    char generator[64]; // "LLVM 19.1.7"; "" when there is no code
    bool cached;        // it was compiled before
    CodeTimes times;
    LoadedImage image;      // where it is, or else
    const Backend *backend; // who has it
    BackendCode *linked;
} Code;

// False with a sentence in `error`; there is nothing to free then.
bool code_make(Code *code, const LoopProgram *program, const CodeOptions *options, Text *text, Text *error);
void code_free(Code *code);
double code_lap(double *since); // seconds since then, which becomes now

#endif
