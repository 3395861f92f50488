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
    BackendLocate *locate;       // not NULL: with debug information, and not from the cache
    void *locate_context;
    bool background; // what is not in the cache is compiled by another thread while the caller goes on, to code_wait
} CodeOptions;

typedef struct CodeTimes { // seconds
    double cache, open, build, passes, codegen, link;
    double waited;   // for another thread; the phases from `open` on were then its own
    bool background; // there was one
} CodeTimes;

typedef struct CodeMaking CodeMaking;

typedef struct Code {
    LoopFunction *entry[IMAGE_MOST_ENTRIES];
    char generator[64]; // "LLVM 19.1.7"; "" when there is no code
    bool cached;        // it was compiled before
    CodeTimes times;
    LoadedImage image;      // where it is, or else
    const Backend *backend; // who has it
    BackendCode *linked;
    CodeMaking *making; // by another thread; NULL: it is there
} Code;

// False with a sentence in `error`; there is nothing to free then.
// Made in the background, the code and its program must stay where they are until code_wait or code_free.
bool code_make(Code *code, const LoopProgram *program, const CodeOptions *options, Text *text, Text *error);
// Until the code can be called. False as code_make; then and later there is no code.
bool code_wait(Code *code, Text *error);
void code_free(Code *code);
double code_lap(double *since); // seconds since then, which becomes now

#endif
