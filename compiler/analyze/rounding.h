// Lookaheads that amplify rounding: a lookahead by tau over a step of dt takes a difference times tau/dt.
#ifndef LEQUEL_ROUNDING_H
#define LEQUEL_ROUNDING_H

#include "../step/step.h"

// Reports W0313 where white noise of the `relative` size of rounding, in what enters a neuron or its error, would be
// more than a hundredth of what comes out for a constant input.
void rounding_check(const Equations *equations, const Step *step, double relative);

#endif
