// run.json: what was run, with what, and how it ended.
#ifndef LEQUEL_MANIFEST_H
#define LEQUEL_MANIFEST_H

#include "identity.h"

typedef struct ManifestScore {
    const char *name;
    double value;
} ManifestScore;

typedef struct Manifest {
    const Program *program;
    const RunOptions *options;
    const RunReport *report;
    const Identity *identity;
    const char *status; // running, complete, interrupted, failed
    const char *reason; // of a failure; otherwise NULL
    int64_t batch, epochs_done, steps_planned;
    int64_t state_steps;         // of the instance whose states are in final/; -1: there are none
    const ManifestScore *scores; // the last ones
    uint32_t score_count;
} Manifest;

bool manifest_write(const Manifest *manifest, Text *error); // options->out/run.json

void machine_cpu(Text *name); // as the processor calls itself, where Linux tells it
// How many steps the instance had done whose states a run left in FOLDER/final, as FOLDER/run.json says. -1 when it
// left none, or there is no such run.
int64_t manifest_state_steps(const char *folder);
// Whether options->out holds the complete results of the run of that identity.
bool manifest_complete(const RunOptions *options, const char *identity);

#endif
