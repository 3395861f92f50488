// Annealing: a rate falls when a score has not improved for a while, or after given parts of the training.
#ifndef LEQUEL_ANNEAL_H
#define LEQUEL_ANNEAL_H

#include "../compiler/model/model.h"

// The usual rule: better means better than the best so far by one part in 10000; after more than `patience` scores in
// a row that are not, the rate is multiplied by `factor` and the count begins anew.
typedef struct Plateau {
    double best, factor;
    int64_t patience, bad;
    bool lower_is_better;
} Plateau;

Plateau plateau_new(int64_t patience, double factor, bool lower_is_better);
double plateau_next(Plateau *plateau, double score, double rate); // the rate from now on

// The factor on a rate's first value before step `step` of `steps` steps of training: that of the last stage that has
// begun, 1 before the first. Only the step counts, so a run can go on from anywhere.
double schedule_factor(const AnnealStep *stages, uint32_t count, int64_t step, int64_t steps);
// For how many steps from there on it stays what it is.
int64_t schedule_calm(const AnnealStep *stages, uint32_t count, int64_t step, int64_t steps);

#endif
