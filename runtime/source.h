// What data sources of an experiment deliver: sets of samples with classes, and signals over time.
#ifndef LEQUEL_SOURCE_H
#define LEQUEL_SOURCE_H

#include "../compiler/model/model.h"
#include "data/generate.h"

// ---- Sets of samples ------------------------------------------------------------------------------------------------

typedef struct SampleSet {
    int64_t count, width;          // samples, values of one
    const double *values;          // [count][width]
    const double *classes;         // [count] whole numbers; NULL when there are none
    Table own_values, own_classes; // what is to be freed; empty when another one owns the numbers
} SampleSet;

// What several data sets share: train and test of one generation are one set of numbers.
typedef struct SourceCache {
    bool has_mnist1d;
    int64_t length;
    uint64_t seed;
    Mnist1d mnist1d;
} SourceCache;

void source_cache_free(SourceCache *cache); // sample sets made with it must not be used any more

// False with a sentence in `error`. Files are looked for beside the model file first.
bool samples_open(const Model *model, const DataSource *source, SourceCache *cache, SampleSet *set, Text *error);
void samples_close(SampleSet *set);

// Where a file is that a model names: beside the model, or else where the command was given.
void source_path(const Model *model, const DataSource *source, const char *path, Text *full);

// ---- Signals --------------------------------------------------------------------------------------------------------

typedef struct SignalPlan {
    const Model *model;
    Atom name; // of the data set: with the seed it fixes all random numbers
    uint64_t seed;
    int64_t steps; // of the whole run, leads included; edges of filters lie at its ends
    int64_t lead;  // how many steps ahead windows are
    int64_t batch, channels;
    bool classes_allowed; // a file may hold one class per sample instead of `channels` values
} SignalPlan;

typedef struct Signal Signal;

// NULL with a sentence in `error`. The plan is copied.
Signal *signal_new(const DataSource *source, const SignalPlan *plan, Text *error);
void signal_free(Signal *signal);
int64_t signal_channels(const Signal *signal); // the plan's, or 1 when a file holds classes

// Steps lead+first .. lead+first+count-1 into out[count][batch][channels]. Each step has the same values in whatever
// windows it is asked for, up to rounding of the time.
bool signal_window(Signal *signal, int64_t first, int64_t count, double *out, Text *error);

#endif
