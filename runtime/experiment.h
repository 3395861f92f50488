// Runs the experiment of a model: data, training by epochs or a continuous run, scores, annealing, recordings.
#ifndef LEQUEL_EXPERIMENT_H
#define LEQUEL_EXPERIMENT_H

#include "program.h"
#include <stdio.h>

typedef struct RunOptions {
    uint64_t seed;
    int64_t epochs;             // -1: what the experiment says
    int64_t steps;              // of a continuous run; -1: what the experiment says
    const char *out;            // folder for all results, made when missing; NULL: nothing is written
    const char *const *records; // more names to record, in addition to the experiment's
    uint32_t record_count;
    int64_t every;            // steps between these records; 0: one a presentation, or every step of a continuous run
    const char *const *inits; // NAME=FILE: first values of arrays
    uint32_t init_count;
    FILE *progress;     // where progress goes; NULL: nowhere
    bool terminal;      // progress is one line, drawn again and again
    bool catch_signals; // SIGINT and SIGTERM end the run cleanly
    double started;     // clock_seconds() at the start of the process, for first_step; 0: at the start of the run
    bool save_states;   // into final/, beside what was learned
    bool resume;        // goes on from the checkpoint in `out`, if there is one
    double checkpoint_seconds; // between checkpoints; 0: 60; negative: none are made
    int64_t checkpoint_steps;  // the same in steps, if not 0
    int64_t trap;              // steps between looks for NaN and infinity; 0: 1000; negative: none
    double memory_limit;       // bytes; 0: what the machine has
    // For the manifest only; each may be NULL.
    const char *command, *model_path, *version, *precision, *backend;
    const char *const *arguments; // of the command line, from the name of the command on
    uint32_t argument_count;
    const char *const *defines;
    uint32_t define_count;
} RunOptions;

typedef struct RunReport {
    bool interrupted;
    bool was_complete; // `resume` found the results of this very run
    int64_t resumed;   // steps that were done before it went on; 0: it began anew
    int64_t steps;     // done by the training instance
    double seconds;    // from the first step on
    double first_step; // seconds from `started` to the end of the first step
    double ready;      // the same to its beginning
    double data;       // seconds that making or reading data took; part of `ready`
    uint32_t files;    // written to `out`
} RunReport;

// False with a sentence in `error`. An interrupted run saves what is done and returns true with report->interrupted.
// Two runs with the same options give the same files, run.json and times.csv excepted, resumed or not.
bool experiment_run(Program *program, const RunOptions *options, RunReport *report, Text *error);

// The names that a program must keep readable for an experiment: what it records, what its scores read, and
// `records` (each may be several names with commas between). For ProgramOptions.recorded.
typedef Vec(Atom) NameList;
void experiment_recorded(const Model *model, const char *const *records, uint32_t record_count, NameList *names);

// Reports what is wrong with the model's experiment to its diagnostics; true when nothing is. The model must have been
// discretised, so that all arrays have their names. `epochs_given`: it need not say how many epochs there are.
bool experiment_check(const Model *model, bool epochs_given);

double clock_seconds(void); // monotonic

#endif
