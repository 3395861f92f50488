// The time of recordings: what run.json says about it, and which part of them is to be drawn.
#ifndef LEQUEL_PLOT_CLOCK_H
#define LEQUEL_PLOT_CLOCK_H

#include "../compiler/support/arena.h"
#include "plot.h"

typedef struct PlotClock {
    double dt;        // of a step, in ms; 0: the run knows no unit of time, or left no run.json
    double low, high; // the steps to be drawn
} PlotClock;

// Reads run.json in the folder `dir`, where there is one. False, with a sentence in `error`, where it can't be read,
// where `part` (NULL: everything) is given in ms and `dt` is 0, and where the part ends before it begins.
bool plot_clock_open(PlotClock *clock, Arena *arena, const char *dir, const PlotPart *part, Text *error);

// Copies the steps into the arena as what an axis shows, and names it: ms, seconds beyond ten of them, or steps.
const double *plot_clock_axis(const PlotClock *clock, Arena *arena, const double *steps, int64_t count,
                              const char **label);

#endif
