// First values of parameters and scalars, from the model alone: of those that are drawn, the ends of their range.
#ifndef LEQUEL_FIRST_VALUES_H
#define LEQUEL_FIRST_VALUES_H

#include "../step/step.h"

enum { FIRST_MOST_DRAWN = 3 }; // arrays whose ends are combined; further ones go with the first

typedef struct FirstValues {
    const Model *model;
    const Step *step;        // what it assigns to scalars, counters above all, has no value here
    Vec(Symbol) drawn, read; // met so far: arrays with random values; all arrays
    uint32_t ends;           // bit k: of drawn array k the upper end, not the lower one
    bool varies;             // an array was met whose elements differ
    Symbol changed;          // this one is `factor` times what it is
    double factor;
} FirstValues;

// An AnalyzeValue; the context is a FirstValues. NaN for weights, for optimisers, and for what comes from a file.
double first_value(void *context, Symbol symbol, const int64_t *index, uint32_t count);
// Elements at which something is to be looked at, and ends of ranges: while nothing differs, the first element alone.
typedef struct FirstElement {
    FirstValues *values;
    int64_t rows, columns, done;
    int64_t at[2]; // the element: indices along the first two axes
} FirstElement;

FirstElement first_element(FirstValues *values, const SymbolInfo *info); // forgets what was read before
bool first_element_next(FirstElement *element);                          // false when all were seen

// Of the parameters read since first_element: the one with which twice or half its value makes `measure` (which begins
// with first_element) smallest, at least a hundredth smaller; 0 for none.
typedef double FirstMeasure(void *context);
Symbol first_value_to_blame(FirstValues *values, FirstMeasure *measure, void *context, bool *raise);
// Where its first value was given: an argument, a default.
Span first_value_place(const Model *model, Symbol symbol, Span otherwise);
void first_values_free(FirstValues *values);

#endif
