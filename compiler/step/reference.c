// The reference walk of a step: every assignment, element by element and sample by sample, by expr_evaluate.
// Slow and obvious on purpose. It is the oracle that other back ends are compared with and shares no code with them.
// The walks in double and in complex numbers are made from one text, reference_body.h.
#include "step.h"
#include <assert.h>
#include <math.h>

// Dense and row-major, the batch last: an array of extents e0, e1 holds element (i, j) of sample b at (i*e1 + j)*batch
// + b.
static int64_t place_of(const SymbolInfo *info, const int64_t *index, uint32_t count, int64_t batch) {
    int64_t place = 0;
    for (uint32_t axis = 0; axis < info->rank; axis++) {
        assert(axis < count && index[axis] >= 0 && index[axis] < info->extent[axis] && "an element outside its array");
        place = place * info->extent[axis] + index[axis];
    }
    if (!info->batched) return place;
    assert(count == info->rank + 1 && index[info->rank] >= 0 && index[info->rank] < batch && "no such sample");
    return place * batch + index[info->rank];
}

#define NUMBER double
#define NAME(name) real_##name
#define EVALUATE expr_evaluate
#define REFERENCE step_reference
#include "reference_body.h"

#define NUMBER double complex
#define NAME(name) complex_##name
#define EVALUATE expr_evaluate_complex
#define REFERENCE step_reference_complex
#include "reference_body.h"
