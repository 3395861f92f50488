// The trajectory that an offline principle goes back along: inputs of every step, and the states and registers before
// some of them, from which the others are computed again (Griewank and Walther 2000). One tape belongs to one instance.
#ifndef LEQUEL_TAPE_H
#define LEQUEL_TAPE_H

#include "program.h"

typedef struct Tape Tape;

// NULL when the program's principle learns along the way.
Tape *tape_new(Instance *instance);
void tape_free(Tape *tape);

// Keeps what the next step starts from. Call before each forward step of training.
void tape_note(Tape *tape);
int64_t tape_length(const Tape *tape); // steps noted since the last tape_rewind
// Runs the backward step through all steps noted, the last one first, and forgets them. Gradients have been added up,
// everything else is as it was.
void tape_rewind(Tape *tape);

// At most this many bytes of states and registers; inputs come on top of them.
void tape_limit(Tape *tape, int64_t bytes);
int64_t tape_input_bytes(const Tape *tape);    // per step
int64_t tape_snapshot_bytes(const Tape *tape); // of the states and registers before one step
int64_t tape_recomputed(const Tape *tape);     // forward steps done again so far

#endif
