// Feeds the inputs, targets and labels of an instance, step by step, from the data sources of an experiment.
#ifndef LEQUEL_FEED_H
#define LEQUEL_FEED_H

#include "checkpoint.h"
#include "program.h"
#include "source.h"
#include "stretch.h"

typedef struct Feeder Feeder;

typedef struct FeederPlan {
    const Program *program;
    uint64_t seed;
    int64_t batch;
    int64_t steps;            // of a presentation, or of the whole run when `samples` is NULL
    const SampleSet *samples; // must outlive the feeder; NULL: a continuous run over signals
} FeederPlan;

// NULL with a sentence in `error` when a source cannot be read or does not fit; both shapes are named.
Feeder *feeder_new(const FeederPlan *plan, Text *error);
void feeder_free(Feeder *feeder);

int64_t feeder_batches(const Feeder *feeder);                   // whole batches in the set of samples
void feeder_order(Feeder *feeder, int64_t epoch, bool shuffle); // a new order of the samples for an epoch
void feeder_choose(Feeder *feeder, int64_t batch);              // the batch-th of that order, for the next presentation
void feeder_enter_stage(Feeder *feeder, int stage);             // what a stage of the experiment presents; -1: none
void feeder_keep(Feeder *feeder, const char *prefix, Checkpoint *checkpoint); // which samples were chosen

// Sets what step n needs: n within the presentation, or within the run.
bool feeder_step(Feeder *feeder, Instance *instance, int64_t n, Text *error);

// The same for a stretch that begins with step n: what changes along it, for at most as many steps as this returns;
// then, when there is room, sets it for `steps` of them. Returns how many there are rows for, 0 with a sentence in
// `error` when already step n cannot be fed.
int64_t feeder_plan(Feeder *feeder, Stretch *stretch, int64_t n);
int64_t feeder_fill(Feeder *feeder, Stretch *stretch, Instance *instance, int64_t n, int64_t steps, Text *error);

// Of `count` samples, the largest batch of at most `wanted` that leaves none over, if that is not much smaller.
int64_t feeder_even_batch(int64_t count, int64_t wanted);

#endif
