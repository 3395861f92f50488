// Writes recordings: one .npy file per name, a row per record, and the step number of each record.
#ifndef LEQUEL_RECORDER_H
#define LEQUEL_RECORDER_H

#include "experiment.h"
#include "stretch.h"

typedef struct Recorder Recorder;

// Numbers that are no arrays of the program; all of the training instance.
typedef struct RecordNumbers {
    double cost;          // of this step, mean over samples
    double loss;          // at the end of a presentation: mean cost over its scored steps
    int stage;            // of the experiment; -1: none
    const double *scores; // of the last finished presentation, in the experiment's order
} RecordNumbers;

// NULL with a sentence in `error`, for instance when a name is unknown. No file is touched yet.
Recorder *recorder_new(const Program *program, const RunOptions *options, int64_t batch, Text *error);

bool recorder_open(Recorder *recorder, Text *error); // opens new files in options->out
// Where the recordings are: makes sure that all rows so far are on the disk; or goes on with the files in options->out
// after the rows that there were, instead of recorder_open.
void recorder_keep(Recorder *recorder, Checkpoint *checkpoint);

// After step n of the training instance. `presented`: it was the last one of a presentation.
bool recorder_step(Recorder *recorder, Instance *instance, int64_t n, bool presented, const RecordNumbers *numbers,
                   Text *error);
// What it will read, step by step, of a stretch that begins with step n, in a stage of the experiment.
void recorder_watch(const Recorder *recorder, Stretch *stretch, int64_t n, int stage);
// Puts the files in place and frees the recorder; returns false if one could not be, with the first reason. Adds to
// *files.
bool recorder_close(Recorder *recorder, uint32_t *files, Text *error);
void recorder_abandon(Recorder *recorder); // removes what no checkpoint speaks of; NULL is allowed

// "NAME1,NAME2" one by one: copies the next name into the arena; NULL at the end.
Atom record_next_name(Arena *arena, const char **names);

// Adds "; did you mean …?" when an array of the program resembles `name`.
void suggest_array(const Program *program, const char *name, Text *out);

#endif
