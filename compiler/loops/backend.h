// The door to a code generator: a module opened on demand exports `lequel_backend`, which returns this table.
// Only compiler/llvm includes LLVM headers; the module sees loops.h and nothing else of the compiler.
#ifndef LEQUEL_BACKEND_H
#define LEQUEL_BACKEND_H

#include "loops.h"

typedef struct BackendOptions {
    int level;                   // 0: none, 1: early-cse and licm (default), 2, 3: the full pipelines
    const char *cpu;             // NULL: the host
    const char *source_name;     // model file, for symbol names and debug information
    bool want_ir, want_assembly; // keep the text for --dump
    bool want_object;            // keep the object file; nothing is linked, and the code has no entries to call yet
} BackendOptions;

typedef struct BackendTimes { // seconds
    double setup, build, passes, codegen, link;
} BackendTimes;

typedef struct BackendCode BackendCode;

typedef struct Backend {
    const char *name; // "LLVM 19.1.7"
    // Compiles all entries. NULL on failure with a sentence in `error` (a compiler bug or lack of memory: user errors
    // were found long before).
    BackendCode *(*compile)(const LoopProgram *program, const BackendOptions *options, Text *error);
    LoopFunction *(*entry)(const BackendCode *code, uint32_t entry);
    const char *(*text)(const BackendCode *code, bool assembly);    // LLVM IR or assembly, if it was wanted
    const char *(*object)(const BackendCode *code, size_t *length); // if it was wanted
    bool (*link)(BackendCode *code, Text *error);                   // an object that was wanted, so that it has entries
    // The file of the library that the code generator is made with; NULL when that is not known.
    const char *(*library)(void);
    BackendTimes (*times)(const BackendCode *code);
    void (*dispose)(BackendCode *code);
} Backend;

typedef const Backend *BackendGetter(void);
#define LEQUEL_BACKEND_SYMBOL "lequel_backend"

#endif
