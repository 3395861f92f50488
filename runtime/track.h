// A track: one instance with what feeds it and what scores it. Training and evaluation are two tracks of one program.
#ifndef LEQUEL_TRACK_H
#define LEQUEL_TRACK_H

#include "feed.h"
#include "progress.h"
#include "recorder.h"
#include "score.h"
#include "setting.h"

typedef struct Track {
    const Program *program;
    const Experiment *experiment;
    Instance *instance; // owned, unless the track continues another one
    Feeder *feeder;     // the same
    bool continues;
    InstanceMemory *silence; // what a presentation begins with; NULL: with what the one before has left
    ProgramEntry entry;
    int64_t batch, steps, settle; // of a presentation
    int64_t first;                // the feeder's step that it begins with
    bool observe_after;           // the scores read what the step made, as the cost does under `sequential`
    Vec(Scorer *) scorers;
    double *scores;               // of the last presentation
    double loss;                  // of the last presentation
    double *score_sums, loss_sum; // since track_begin
    int64_t presentations;
    Settings *settings; // NULL: nothing is ever set
    int64_t trained;    // steps of training before it, for settings; -1: it is the training
    int stage;          // of the experiment; -1: none
    bool ends_stage;    // and of a stage: what an offline principle has gathered ends with it
    bool ends_epoch;    // the presentation is the last one of an epoch
    int64_t t;          // the next step of the presentation under way; 0: none is
    double cost_sum;    // of its scored steps so far
    Stretch *stretch;   // NULL: steps are made one by one
    int64_t longest;    // steps that the next stretch may have, for a signal not to wait long
} Track;

typedef struct TrackPlan {
    Program *program;
    const SampleSet *samples; // NULL: a continuous run
    int64_t steps, settle, batch;
    int64_t more_steps; // of the signals of a continuous run, for a track that continues this one
    uint64_t seed;
    ProgramEntry entry;
    Instance *weights; // NULL: of its own
} TrackPlan;

// False with a sentence in `error`; the track is to be closed in any case.
bool track_open(Track *track, const TrackPlan *plan, Text *error);
// A track that goes on with the instance and the signals where `before`, a continuous run, ends: `steps` steps without
// learning, scores of its own. It must be closed before the other one.
bool track_continue(Track *track, const Track *before, int64_t steps, Text *error);
// What holds from now on, and what was set for the whole run. The settings are then the track's.
void track_set(Track *track, Settings *settings);
void track_enter_stage(Track *track, int stage, int64_t begins, int64_t steps); // as in settings_enter
// The part of a continuous run that begins at step `first` and has `steps` steps is what is presented next.
void track_move(Track *track, int64_t first, int64_t steps);
// From now on each presentation begins with the states that the instance has now.
void track_reset_before_each(Track *track);
void track_close(Track *track);

// What stands around a presentation; recorder and stop may be NULL.
typedef struct TrackWatch {
    Recorder *recorder;
    Progress *progress;
    bool (*stop)(void);                          // asked between steps
    bool (*between)(void *context, Text *error); // before each step; false ends the run; may be NULL
    void (*stepped)(void *context, double cost); // after each step; may be NULL
    int64_t (*calm)(void *context);              // how many steps may be made before `between` is asked again
    void *context;
} TrackWatch;

typedef enum PresentResult { PRESENT_DONE, PRESENT_STOPPED, PRESENT_FAILED } PresentResult;

void track_begin(Track *track); // averages begin anew
// Presents, or goes on with the presentation that was stopped or restored.
PresentResult track_present(Track *track, const TrackWatch *watch, Text *error);
void track_keep(Track *track, const char *prefix, Checkpoint *checkpoint); // all that it holds, its instance included
double track_loss(const Track *track);                                     // mean over presentations since track_begin
double track_score(const Track *track, uint32_t score);

#endif
