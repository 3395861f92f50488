// How well one course of values repeats another: what was replayed beside what should have been. A course has `steps`
// rows of `length` values.
#ifndef LEQUEL_REPLAY_H
#define LEQUEL_REPLAY_H

#include <stdint.h>

// Replay may be early or late. Shifts go around: what leaves at the end comes in at the beginning, as in a pattern that
// is repeated. All of -lag .. lag steps are tried; lag < 0: all there are.
//
// The largest mean, over elements, of Pearson's correlation. An element that does not vary counts as 0.
double replay_correlation(const double *a, const double *b, int64_t steps, int64_t length, int64_t lag);
// The smallest mean squared difference.
double replay_error(const double *a, const double *b, int64_t steps, int64_t length, int64_t lag);
// The same for a replay that may only be late, by at most `late` steps, and where nothing goes around: windows of `a`
// that begin at 0 .. late are compared with the first steps - late of `b`. What has died away counts as that, wherever
// its remainder would fit. NaN when no step is left.
double replay_late_correlation(const double *a, const double *b, int64_t steps, int64_t length, int64_t late);
double replay_late_error(const double *a, const double *b, int64_t steps, int64_t length, int64_t late);
// Levenshtein's distance between the two sequences of notes, divided by the length of the longer one. A note is the
// set of elements above a threshold, for as long as it stays the same, and none above it is a pause; or, without
// (threshold NaN), the largest element.
double replay_edits(const double *a, const double *b, int64_t steps, int64_t length, double threshold);

#endif
