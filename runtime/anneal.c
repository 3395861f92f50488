// Annealing by plateau and by steps.
#include "anneal.h"
#include <math.h>

static const double threshold = 1e-4;    // relative improvement that counts
static const double least_change = 1e-8; // a rate that would change by less stays

Plateau plateau_new(int64_t patience, double factor, bool lower_is_better) {
    return (Plateau){.best = lower_is_better ? INFINITY : -INFINITY,
                     .factor = factor,
                     .patience = patience,
                     .lower_is_better = lower_is_better};
}

double plateau_next(Plateau *plateau, double score, double rate) {
    double limit = plateau->best * (plateau->lower_is_better ? 1 - threshold : 1 + threshold);
    bool better = plateau->lower_is_better ? score < limit : score > limit;
    if (better) {
        plateau->best = score;
        plateau->bad = 0;
        return rate;
    }
    if (++plateau->bad <= plateau->patience) return rate;
    plateau->bad = 0;
    double next = rate * plateau->factor;
    return rate - next > least_change ? next : rate;
}

// A stage begins at the step nearest to its part.
static int64_t stage_begins(const AnnealStep *stage, int64_t steps) {
    return (int64_t)floor(stage->after * (double)steps + 0.5);
}

double schedule_factor(const AnnealStep *stages, uint32_t count, int64_t step, int64_t steps) {
    double factor = 1;
    for (uint32_t i = 0; i < count; i++)
        if (step >= stage_begins(&stages[i], steps)) factor = stages[i].factor;
    return factor;
}

int64_t schedule_calm(const AnnealStep *stages, uint32_t count, int64_t step, int64_t steps) {
    int64_t calm = INT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        int64_t left = stage_begins(&stages[i], steps) - step;
        if (left > 0 && left < calm) calm = left;
    }
    return calm;
}
