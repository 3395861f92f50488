// An analysis of a model at its initial values, and its Bode plot.
#ifndef LEQUEL_ANALYSIS_H
#define LEQUEL_ANALYSIS_H

#include "../compiler/analyze/analyze.h"

// Draws initial values from `seed` as an instance would. NULL when the model has errors (see its diagnostics) or with a
// sentence in `error`. `equations` are those of the model and must outlive the analysis.
Analysis *analysis_of_model(const Equations *equations, const AnalyzeOptions *options, uint64_t seed, Text *error);

// Gain and phase of neurons and error neurons over angular frequency as SVG: solid lines in continuous time, broken
// lines of the step; one colour per kind; the fastest frequency of the step is marked.
void analysis_svg(const Analysis *analysis, Text *out);

#endif
