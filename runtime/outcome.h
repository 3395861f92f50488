// What goes into a run and comes out of it beside recordings: first values from files, the table of scores, final
// weights and states.
#ifndef LEQUEL_OUTCOME_H
#define LEQUEL_OUTCOME_H

#include "manifest.h"
#include "track.h"

// NAME=FILE for each of options->inits. One sample's values serve all samples.
bool initialise_arrays(const Program *program, Instance *instance, const RunOptions *options, Text *error);

bool is_learned(const Model *model, Symbol symbol);

// final/NAME.npy of every learned parameter.
bool save_learned(const Program *program, Instance *instance, const char *out, uint32_t *files, Text *error);

// Whether an array, beside what is learned, makes a difference to the steps that follow: states, registers, states of
// optimisers, numbers that may change between steps, parameters that were drawn.
bool is_state(const Program *program, uint32_t array);

// final/NAME.npy of all of those: [extent...], or [batch][extent...] where samples have values of their own.
bool save_states(const Program *program, Instance *instance, const char *out, uint32_t *files, Text *error);

// "w0.W 1.0002, s0.tau_m 0.9998": the learned parameters that fit a line; empty when there are none.
void learned_line(const Program *program, const Instance *instance, Text *line);

// scores.csv: epoch, train.loss, train.…, test.loss, test.…, rate. The last column, the seconds since the run began, is
// not the same in every run and stands in times.csv.
typedef struct ScoreTable {
    const Experiment *experiment;
    Arena *arena;
    Vec(const char *) names;
    Vec(double) values; // row after row
    uint32_t rows;
    uint32_t scores; // beside the loss
    bool tests, rate, stages;
} ScoreTable;

// The first column counts epochs, or the steps of a continuous run; the second one stages, from 1, where there are any.
void score_table_open(ScoreTable *table, const Experiment *experiment, const Model *model, bool tests);
void score_table_free(ScoreTable *table);
// `test` NULL when this epoch was not evaluated: NaN.
void score_table_add(ScoreTable *table, int64_t epoch, int stage, const Track *train, const Track *test, double rate,
                     double seconds);
bool score_table_find(const ScoreTable *table, const char *name, double *value); // in the last row
void score_table_line(const ScoreTable *table, int64_t epochs, Text *line);      // the last row, for people
void score_table_scores(const ScoreTable *table, Text *line);                    // its losses and scores alone
void score_table_note(const ScoreTable *table, char *note, size_t size);         // the same, short
uint32_t score_table_last(const ScoreTable *table, ManifestScore *scores, uint32_t room);
void score_table_keep(ScoreTable *table, Checkpoint *checkpoint);
bool score_table_save(const ScoreTable *table, const char *out, Text *error);

#endif
