// A compiled model as C for readers and for any C99 compiler: a product of its own, written from the loops form (a
// program with `calls`), the notes that fuse left about what each call computes, and the derived equations.
//
// Everything in the output is made from numbers, from identifiers made here (names.c) and from text that went through
// emit_comment: nothing of the model file reaches it as it is.
#ifndef LEQUEL_EMIT_H
#define LEQUEL_EMIT_H

#include "../derive/equations.h"
#include "../fuse/fuse.h"

typedef struct EmitOptions {
    const char *prefix;    // of files, functions and types: "model"; a C identifier
    int64_t batch;         // samples that are computed together
    bool inference;        // without errors and learning
    bool simd;             // GNU vector extensions
    int fraction;          // fixed-point numbers of 32 bits with so many behind the point; 0: floating point
    const char *reference; // prefix of the same model in double, emitted beside, that a report compares with; or NULL
    bool driver;           // main.c, Makefile, CMakeLists.txt, README.md as well
} EmitOptions;

typedef struct EmitSource { // what is emitted; all of one model
    const Model *model;
    const Equations *equations;
    const Fused *fused;
    const Step *step; // for training
    Symbol cost, batch_size;
    const double *const *given; // by array of the loops form: values to embed, or NULL: of one sample, or
    const bool *given_all;      // of all samples, in the order [sample][element]
    int64_t steps;              // done before, from which learning rules count on
    const char *path, *version; // of the model file, of Lequel
} EmitSource;

typedef struct EmitFile {
    const char *name; // inside the folder
    Text text;
} EmitFile;

typedef struct Emitted {
    Arena *arena; // names of files
    Vec(EmitFile) files;
    int64_t bytes, constant_bytes; // memory of the struct, of first values written as constants
} Emitted;

// False with a sentence in `error` when the model cannot be written in C.
bool emit_c(const EmitSource *source, const EmitOptions *options, Emitted *emitted, Text *error);
void emitted_free(Emitted *emitted);

bool emit_is_identifier(const char *text); // a C identifier that is no reserved word

#endif
