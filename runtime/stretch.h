// A stretch: steps that one call of compiled code makes in a row, while nothing of the host's is due between two of
// them. What the steps read (inputs, noise) lies ready in a block of rows, laid out as the arrays are; what the host
// wants to see of each step is written to such blocks along the way. Afterwards the host goes through the steps once
// more: as each of them is shown, the instance's arrays read as they did in that step.
#ifndef LEQUEL_STRETCH_H
#define LEQUEL_STRETCH_H

#include "program.h"

typedef struct Stretch Stretch;

// NULL for a back end that makes single steps only. Belongs to the instance, and goes before it.
Stretch *stretch_new(Instance *instance);
void stretch_free(Stretch *stretch); // NULL is allowed

typedef enum StretchMoment { STRETCH_BEFORE, STRETCH_AFTER } StretchMoment; // a step, with its inputs

// At most so many steps can be made at a stretch now: while the same learning rules act. 1: a step at a time.
int64_t stretch_calm(const Stretch *stretch, ProgramEntry entry, bool learning);

// In this order: a stretch is begun, its rows are named, room is asked for, fed rows are set, it is run, each of its
// steps is shown, and it ends. Noise and the cost are in it from the beginning.
void stretch_begin(Stretch *stretch, ProgramEntry entry, bool learning);
// An array (by its number in the program) that has a row for each step; and one that is to be seen in step `wait` of
// the stretch and every so many steps from there on. Nothing happens to arrays that the program does not store.
uint32_t stretch_feed(Stretch *stretch, uint32_t array);
void stretch_watch(Stretch *stretch, uint32_t array, StretchMoment moment, int64_t wait, int64_t every);
// At most `most` steps: as many as have rows that fit a cache; at least one.
int64_t stretch_room(Stretch *stretch, int64_t most);
void stretch_set(Stretch *stretch, uint32_t feed, int64_t step, const double *values); // as instance_set
void stretch_run(Stretch *stretch, int64_t steps); // at most as many as there is room for
// From now on instance_get, instance_mean_cost and instance_steps speak of this moment, and no other array is read.
void stretch_show(Stretch *stretch, int64_t step, StretchMoment moment);
void stretch_end(Stretch *stretch);

// Steps as instance_step makes them, with inputs as they stand; as many of them at a stretch as can be.
void stretch_advance(Instance *instance, ProgramEntry entry, bool learning, int64_t steps);

#endif
