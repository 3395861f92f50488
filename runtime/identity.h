// What makes a run the run it is: model text, data, parameters, seed, arithmetic. Two runs with the same identity give
// the same bits; a checkpoint belongs to one identity, and a manifest lists it.
#ifndef LEQUEL_IDENTITY_H
#define LEQUEL_IDENTITY_H

#include "experiment.h"

typedef struct InputFile {
    char *path; // as it was opened
    char sha256[65];
} InputFile;

typedef struct Identity {
    Vec(InputFile) sources; // the model file, its imports, the prelude
    Vec(InputFile) data;    // files of first values and of data sets
    Text text;              // a line "what: value" for everything of it
    char sha256[65];        // of the text
} Identity;

// False with a sentence in `error` when a data file cannot be read.
bool identity_open(Identity *identity, const Program *program, const RunOptions *options, Text *error);
void identity_close(Identity *identity);
// The fingerprint of a file as a manifest lists it: `prelude.leq` is the one in the program.
bool identity_of_file(const char *path, char sha256[65], Text *error);
// Names the first line in which two such texts differ.
void identity_difference(const char *was, const char *is, Text *out);

#endif
