// Whether a step of dt is short enough for what is integrated, before anything runs: at first values, of the linear
// part of the equations, from the step's own assignments (so for every integrator). Reports warnings; nothing is
// changed.
#ifndef LEQUEL_STABILITY_H
#define LEQUEL_STABILITY_H

#include "../step/step.h"

// `step` is the one that goes forward. Reports
//   W0311 a state whose deviation turns its sign or grows from step to step where the equations let it decay
//   W0312 a learned array or a state of its optimiser that grows by itself
//   W0313 a lookahead that amplifies the rounding of `relative` precision (2^-24 in float) to more than a hundredth
void stability_check(const Equations *equations, const Step *step, double relative);

#endif
