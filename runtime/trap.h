// Finds the first number that is none: looks at all arrays of a training instance every so many steps.
#ifndef LEQUEL_TRAP_H
#define LEQUEL_TRAP_H

#include "program.h"

typedef struct Trap Trap;

// `every` steps are between two looks. With 1 the state before each step is kept, so that the equation in which the
// first NaN or infinity arose can be told with its operands. Arrays that hold one at the start are left out.
Trap *trap_new(const Instance *instance, int64_t every);
void trap_free(Trap *trap); // NULL is allowed

// Before each step, and once after the last one (`now`: whatever the interval). False with a report in `error`: array,
// unit, sample, step; equation and its place in the model; values that it read.
bool trap_look(Trap *trap, const Instance *instance, bool now, Text *error);
int64_t trap_calm(const Trap *trap, const Instance *instance); // steps until it has to look again

#endif
