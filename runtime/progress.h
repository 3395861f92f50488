// How far a run is: one line redrawn on a terminal, plain lines elsewhere.
#ifndef LEQUEL_PROGRESS_H
#define LEQUEL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct Progress {
    FILE *file; // NULL: nothing is shown
    bool terminal;
    int64_t steps; // of the whole run, evaluation included
    int64_t done;
    double began, drawn; // seconds
    int64_t next_tenth;  // plain lines of a continuous run: the next one is due at this many tenths
    char note[256];      // the last scores, shown at the end of the line
} Progress;

void progress_begin(Progress *progress, FILE *file, bool terminal, int64_t steps);
void progress_resume(Progress *progress, int64_t done, double seconds); // steps and time before a run went on
void progress_step(Progress *progress);                                 // one step was done
void progress_show(Progress *progress);                                 // draws the line anew from time to time
bool progress_tenth(Progress *progress);                  // true once for each tenth of the run, for plain lines
void progress_line(Progress *progress, const char *line); // a line that stays; elsewhere than on a terminal only
void progress_end(Progress *progress);                    // clears the redrawn line and leaves the last scores

void duration_format(char buffer[32], double seconds); // "1:02:03", "4:05", "0.8 s"

#endif
