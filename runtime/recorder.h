// Writes recordings: one .npy file per name, a row per record, and the step number of each record.
#ifndef LEQUEL_RECORDER_H
#define LEQUEL_RECORDER_H

#include "experiment.h"

typedef struct Recorder Recorder;

// Numbers that are no arrays of the program; all of the training instance.
typedef struct RecordNumbers {
    double cost;          // of this step, mean over samples
    double loss;          // at the end of a presentation: mean cost over its scored steps
    const double *scores; // of the last finished presentation, in the experiment's order
} RecordNumbers;

// Opens the files in options->out. NULL with a sentence in `error`, for instance when a name is unknown.
Recorder *recorder_new(const Program *program, const RunOptions *options, int64_t batch, Text *error);

// After step n of the training instance. `presented`: it was the last one of a presentation.
bool recorder_step(Recorder *recorder, Instance *instance, int64_t n, bool presented, const RecordNumbers *numbers,
                   Text *error);
// Puts the files in place and frees the recorder; returns false if one could not be. Adds to *files.
bool recorder_close(Recorder *recorder, uint32_t *files, Text *error);
void recorder_abandon(Recorder *recorder); // removes what was written; NULL is allowed

// "NAME1,NAME2" one by one: copies the next name into the arena; NULL at the end.
Atom record_next_name(Arena *arena, const char **names);

// Adds "; did you mean …?" when an array of the program resembles `name`.
void suggest_array(const Program *program, const char *name, Text *out);

#endif
